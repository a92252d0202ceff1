//! The control API, JSON on the port for people: what Rust tests do with a `Testkit`, for tests in other languages.
//!
//! docs/control-api.md has every route, with a request and its answer; tests/it/serve/control_docs.rs keeps them true.
//!
//! - `clock.rs`: what time it is, and moving it; `hold.rs`: stopping it
//! - `humans.rs`: scripted people, verdicts, and what happens to the server at once; `person.rs`: a line of the script
//! - `faults.rs`: what goes wrong
//! - `inbox.rs`: what people were told; `journal.rs`: what has happened
//! - `body.rs`, `seconds.rs`: requests are parsed here; `problem.rs`: every refusal; `guard.rs`: who may ask at all

mod body;
mod clock;
mod faults;
mod guard;
mod hold;
mod humans;
mod inbox;
mod journal;
mod person;
mod problem;
mod seconds;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::StatusCode;
use http::header::CONTENT_TYPE;

pub(super) use guard::loopback_only;

use super::Time;
use crate::io::Driver;
use hold::Leases;
use problem::Problem;

/// What the routes share.
#[derive(Clone, Debug)]
pub(super) struct Control {
    driver: Driver,
    time: Time,
    leases: Arc<Leases>,
    /// One move through time at a time, so that two clients who advance by a minute advance by two.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Control {
    pub(super) fn new(driver: Driver, time: Time) -> Self {
        Self {
            driver,
            time,
            leases: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// Ends holds whose time is over, until the end.
    pub(super) async fn end_holds(self) {
        self.leases.run(&self.driver).await;
    }
}

/// All routes.
pub(super) fn router(control: Control) -> Router {
    Router::new()
        .route("/_testkit/v1/clock", get(clock::show))
        .route("/_testkit/v1/clock/advance", post(clock::advance))
        .route("/_testkit/v1/clock/hold", post(hold::take))
        .route("/_testkit/v1/clock/hold/{id}", delete(hold::release))
        .route(
            "/_testkit/v1/faults",
            get(faults::list).post(faults::set).delete(faults::remove_all),
        )
        .route("/_testkit/v1/faults/{id}", delete(faults::remove))
        .route("/_testkit/v1/humans", post(humans::instruct))
        .route("/_testkit/v1/humans/inbox", get(inbox::read))
        .route("/_testkit/v1/journal", get(journal::read))
        .with_state(control)
}

/// What a path gets that isn't one.
pub(super) async fn not_found(request: Request) -> Response {
    let path = request.uri().path().to_owned();
    Problem::NotFound { path }.into_response()
}

/// What a method gets that a path doesn't have.
pub(super) async fn method_not_allowed(request: Request) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    Problem::MethodNotAllowed { method, path }.into_response()
}

/// An answer: JSON, with the keys in the order of the fields.
fn answer(status: StatusCode, body: &impl serde::Serialize) -> Response {
    // Maps with keys that aren't text, and `Serialize`s that refuse, are what could fail; none is here.
    let body = serde_json::to_string(body).unwrap_or_default();
    (status, [(CONTENT_TYPE, "application/json")], body + "\n").into_response()
}
