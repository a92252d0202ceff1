//! The fake awaithumans server's HTTP face, as an axum router.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::super::driver::Driver;

/// The largest request body, in bytes. The real server has no limit of its own; 12 MiB were accepted.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// Every path goes to the one server in the world.
pub(crate) fn router(driver: Driver) -> Router {
    Router::new().fallback(serve).with_state(driver)
}

async fn serve(State(driver): State<Driver>, request: http::Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return (
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request body exceeds {MAX_BODY_BYTES} bytes"),
        )
            .into_response();
    };
    match driver.http(http::Request::from_parts(parts, body)).await {
        Some(response) => response.map(Body::from),
        // The server in the world is down; over TCP the nearest thing to a refused connection.
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
