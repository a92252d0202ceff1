//! `/_testkit/v1/humans/inbox`: what the server told people, or would have.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::problem::Problem;
use super::{Control, answer, body};
use crate::human::Notification;

/// The most notifications of one answer.
const MAX_NOTIFICATIONS: usize = 1_000;

const SINCE_FIX: &str = "ask for ?since=N, where N is the `next` of the last answer, or for everything without it";

#[derive(Serialize)]
struct Page {
    notifications: Vec<Notification>,
    /// Where the next answer begins.
    next: u64,
    /// Whether there are more notifications already.
    more: bool,
}

/// `GET /_testkit/v1/humans/inbox`.
pub(super) async fn read(State(control): State<Control>, request: Request) -> Result<Response, Problem> {
    let since = body::number_in_query(request.uri().query(), "since", SINCE_FIX)?.unwrap_or(0);
    let page = control.driver.read(|world| {
        let all = world.human().inbox();
        let start = usize::try_from(since).unwrap_or(usize::MAX).min(all.len());
        let rest = all.get(start..).unwrap_or_default();
        let notifications: Vec<Notification> = rest.iter().take(MAX_NOTIFICATIONS).cloned().collect();
        Page {
            next: (start + notifications.len()) as u64,
            more: notifications.len() < rest.len(),
            notifications,
        }
    });
    Ok(answer(StatusCode::OK, &page))
}
