//! `/_testkit/v1/journal`: what has happened.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::problem::Problem;
use super::{Control, answer, body};
use crate::clock::Timestamp;

/// The most entries of one answer.
const MAX_ENTRIES: usize = 1_000;

const SINCE_FIX: &str = "ask for ?since=N, where N is the `next` of the last answer, or for everything without it";

#[derive(Serialize)]
struct Page {
    entries: Vec<Entry>,
    /// Where the next answer begins.
    next: u64,
    /// Whether there are more entries already.
    more: bool,
}

#[derive(Serialize)]
struct Entry {
    number: u64,
    at: Timestamp,
    party: &'static str,
    what: String,
    headline: bool,
}

/// `GET /_testkit/v1/journal`.
pub(super) async fn read(State(control): State<Control>, request: Request) -> Result<Response, Problem> {
    let since = body::number_in_query(request.uri().query(), "since", SINCE_FIX)?.unwrap_or(0);
    let page = control.driver.write(|world| {
        let all = world.journal().entries();
        let start = usize::try_from(since).unwrap_or(usize::MAX).min(all.len());
        let rest = all.get(start..).unwrap_or_default();
        let entries: Vec<Entry> = (start as u64..)
            .zip(rest)
            .take(MAX_ENTRIES)
            .map(|(number, entry)| Entry {
                number,
                at: entry.at,
                party: entry.party.name(),
                what: entry.what.clone(),
                headline: entry.headline,
            })
            .collect();
        Page {
            next: (start + entries.len()) as u64,
            more: entries.len() < rest.len(),
            entries,
        }
    });
    Ok(answer(StatusCode::OK, &page))
}
