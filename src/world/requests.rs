//! The boundary of requests to the awaithumans server.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use super::later::Later;
use super::{Output, World};
use crate::fault::{DatabaseFailure, Fault, RequestInfo};
use crate::temporal::{Ticket, WaitId};

/// Requests that a fault has struck.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Those whose answer is lost.
    lost: BTreeSet<Ticket>,
}

impl World {
    pub(super) fn take_request(&mut self, ticket: Ticket, request: http::Request<Bytes>) {
        let struck = match self.faults.is_empty() {
            true => None,
            false => self.faults.on_request(RequestInfo {
                method: request.method().as_str(),
                path: request.uri().path(),
            }),
        };
        let what = match &struck {
            None => String::new(),
            Some(_) => format!("{} {}", request.method(), request.uri().path()),
        };
        match struck {
            Some((id, Fault::FailRequest { status, .. })) => {
                self.note_fired(id, &format!("{what} is answered with {status}"));
                let response = failure(status);
                self.outputs.push_back(Output::Http { ticket, response });
            }
            Some((id, Fault::DelayRequest { by, .. })) => {
                self.note_fired(id, &format!("{what} takes {by} to arrive"));
                let waiting = self.callers_wait();
                let later = Later::Request {
                    ticket,
                    request,
                    waiting,
                };
                self.later.set(self.now + by.get(), later);
            }
            Some((id, Fault::FailDatabase { how, .. })) => {
                let (why, patience) = match how {
                    DatabaseFailure::PoolExhausted => ("finds no free connection to the database", how.patience()),
                    DatabaseFailure::Locked => ("finds the database locked", how.patience()),
                };
                self.note_fired(id, &format!("{what} {why}, and is answered with 500 after {patience}"));
                let waiting = self.callers_wait();
                let later = Later::NoDatabase { ticket, waiting };
                self.later.set(self.now + patience.get(), later);
            }
            Some((id, Fault::LoseResponse { .. })) => {
                self.note_fired(id, &format!("{what} is carried out, and its answer is lost"));
                self.requests.lost.insert(ticket);
                self.serve_request(ticket, request);
            }
            _ => self.serve_request(ticket, request),
        }
    }

    pub(super) fn serve_request(&mut self, ticket: Ticket, request: http::Request<Bytes>) {
        let (human, now, journal) = self.human_mut();
        human.handle_request(now, journal, ticket, request);
    }

    /// A response leaves, unless it is lost.
    pub(super) fn give_response(&mut self, ticket: Ticket, response: http::Response<Bytes>) {
        let output = match self.requests.lost.remove(&ticket) {
            true => Output::HttpDropped { ticket },
            false => Output::Http { ticket, response },
        };
        self.outputs.push_back(output);
    }

    /// Whoever has a task and waits for the awaithumans server waits for time to pass. Who that is can't be seen from here: a request
    /// doesn't say which worker makes it.
    fn callers_wait(&mut self) -> WaitId {
        let workers = self.temporal.worker_connections();
        let workers = workers.into_iter().map(|(connection, _)| connection);
        let connections: Vec<u64> = workers.chain(self.tasks.connections()).collect();
        self.begin_wait(&connections, None)
    }
}

/// As Starlette answers when a handler fails.
fn failure(status: u16) -> http::Response<Bytes> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = http::Response::new(Bytes::from(status.canonical_reason().unwrap_or_default()));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
