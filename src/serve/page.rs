//! The port for people: a page that says what is where, and below `/_testkit/v1` the control API.

use axum::Router;
use axum::middleware::from_fn;
use axum::response::Html;
use axum::routing::get;

use super::Ready;
use super::control::{self, Control};

/// Everything on this port.
pub(super) fn router(ready: &Ready, control: Control) -> Router {
    let page = Html(page(ready));
    Router::new()
        .route("/", get(async move || page))
        .merge(control::router(control))
        .fallback(control::not_found)
        .method_not_allowed_fallback(control::method_not_allowed)
        .layer(from_fn(control::loopback_only))
}

fn page(ready: &Ready) -> String {
    let Ready {
        temporal,
        awaithumans,
        seed,
        ..
    } = ready;
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>awaithumans-testkit</title>\n\
         <h1>awaithumans-testkit</h1>\n<ul>\n\
         <li>Temporal, gRPC: <code>{temporal}</code></li>\n\
         <li>awaithumans, HTTP: <code>{awaithumans}</code></li>\n\
         <li>seed: <code>{seed}</code></li>\n</ul>\n</html>\n"
    )
}
