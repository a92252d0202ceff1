//! Every refusal of the control API: what is wrong, where, and what to do about it.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use super::answer;
use super::body::MAX_BODY_BYTES;
use super::body::MAX_DEPTH;
use crate::clock::Timestamp;

/// Why a request isn't carried out.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Problem {
    /// Asked by a name that isn't this machine's own.
    ForeignHost {
        host: String,
    },
    /// Asked by a page from elsewhere.
    ForeignOrigin {
        origin: String,
    },
    NotFound {
        path: String,
    },
    MethodNotAllowed {
        method: String,
        path: String,
    },
    WrongContentType {
        found: String,
    },
    BodyTooLarge,
    /// The connection broke while the body came.
    BodyUnreadable,
    TooDeep,
    InvalidJson {
        message: String,
        fix: &'static str,
    },
    InvalidField {
        field: String,
        message: String,
        fix: String,
    },
    /// There has never been such a hold.
    UnknownHold {
        id: String,
    },
    /// It was released before, or its time was over.
    EndedHold {
        id: u64,
    },
    TooManyHolds {
        most: usize,
    },
    /// The rule could never do what it says.
    ImpossibleRule {
        why: String,
    },
    /// Only within a Rust test: the party that it strikes is another process here.
    NotOverNetwork {
        fault: &'static str,
    },
    UnknownFault {
        id: String,
    },
    TooManyFaults {
        most: usize,
    },
    Held {
        now: Timestamp,
        by: Vec<String>,
    },
    Busy {
        now: Timestamp,
        with: Vec<String>,
        after_seconds: u64,
    },
    /// The fake awaithumans server says no, with this body.
    Refused {
        body: String,
    },
}

/// The form of all of them.
#[derive(Serialize)]
struct Body<'a> {
    error: &'static str,
    field: Option<&'a str>,
    message: String,
    fix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<Timestamp>,
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::ForeignHost { .. } | Self::ForeignOrigin { .. } => StatusCode::FORBIDDEN,
            Self::NotFound { .. } | Self::UnknownHold { .. } | Self::UnknownFault { .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::WrongContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyUnreadable | Self::InvalidJson { .. } | Self::TooDeep => StatusCode::BAD_REQUEST,
            Self::InvalidField { .. } | Self::ImpossibleRule { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotOverNetwork { .. } => StatusCode::NOT_IMPLEMENTED,
            Self::EndedHold { .. } => StatusCode::GONE,
            Self::TooManyHolds { .. }
            | Self::TooManyFaults { .. }
            | Self::Held { .. }
            | Self::Busy { .. }
            | Self::Refused { .. } => StatusCode::CONFLICT,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::ForeignHost { .. } => "FOREIGN_HOST",
            Self::ForeignOrigin { .. } => "FOREIGN_ORIGIN",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::MethodNotAllowed { .. } => "METHOD_NOT_ALLOWED",
            Self::WrongContentType { .. } => "WRONG_CONTENT_TYPE",
            Self::BodyTooLarge => "BODY_TOO_LARGE",
            Self::BodyUnreadable => "BODY_UNREADABLE",
            Self::TooDeep => "TOO_DEEP",
            Self::InvalidJson { .. } => "INVALID_JSON",
            Self::InvalidField { .. } => "INVALID_FIELD",
            Self::UnknownHold { .. } => "HOLD_NOT_FOUND",
            Self::EndedHold { .. } => "HOLD_ENDED",
            Self::TooManyHolds { .. } => "TOO_MANY_HOLDS",
            Self::ImpossibleRule { .. } => "IMPOSSIBLE_RULE",
            Self::NotOverNetwork { .. } => "NOT_OVER_NETWORK",
            Self::UnknownFault { .. } => "FAULT_NOT_FOUND",
            Self::TooManyFaults { .. } => "TOO_MANY_FAULTS",
            Self::Held { .. } => "TIME_HELD",
            Self::Busy { .. } => "WORLD_BUSY",
            Self::Refused { .. } => "REFUSED_BY_AWAITHUMANS",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::ForeignHost { host } => format!("the request's Host is {host:?}, which isn't this machine's own"),
            Self::ForeignOrigin { origin } => format!("the request comes from a page of {origin:?}"),
            Self::NotFound { path } => format!("there is nothing at {path}"),
            Self::MethodNotAllowed { method, path } => format!("{path} doesn't know {method}"),
            Self::WrongContentType { found } if found.is_empty() => "the body has no Content-Type".to_owned(),
            Self::WrongContentType { found } => format!("the body's Content-Type is {found:?}"),
            Self::BodyTooLarge => format!("the body exceeds {MAX_BODY_BYTES} bytes"),
            Self::BodyUnreadable => "the body broke off".to_owned(),
            Self::TooDeep => format!("the body has more than {MAX_DEPTH} nested arrays and objects"),
            Self::InvalidJson { message, .. } | Self::InvalidField { message, .. } => message.clone(),
            Self::UnknownHold { id } => format!("there has never been a hold {id:?}"),
            Self::EndedHold { id } => {
                format!("hold {id} has ended: it was released, or its seconds were over; the journal says which")
            }
            Self::TooManyHolds { most } => format!("there are {most} holds already"),
            Self::ImpossibleRule { why } => why.clone(),
            Self::NotOverNetwork { fault } => format!(
                "{fault} strikes the testkit's own receiver, within a Rust test; here the receiver is a process of yours, \
                 which nobody can kill between two of its lines"
            ),
            Self::UnknownFault { id } => format!("there is no fault rule {id:?}"),
            Self::TooManyFaults { most } => format!("there are {most} fault rules already"),
            Self::Held { now, by } => format!(
                "time is held ({}), so nothing that needs time can happen; it is {now}",
                by.join(", ")
            ),
            Self::Busy {
                now,
                with,
                after_seconds,
            } => {
                let with = match with.is_empty() {
                    true => "somebody who is about to ask for the next task, or to take an answer".to_owned(),
                    false => with.join(", "),
                };
                format!(
                    "the world is at work, without any change for {after_seconds} s of real time: {with}; it is {now}"
                )
            }
            Self::Refused { body } => format!("the awaithumans server refuses it: {body}"),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::ForeignHost { .. } => "ask by localhost, 127.0.0.1 or [::1]".to_owned(),
            Self::ForeignOrigin { .. } => "ask from a page of localhost, or without a browser".to_owned(),
            Self::NotFound { .. } => "docs/control-api.md has the routes, all below /_testkit/v1".to_owned(),
            Self::MethodNotAllowed { .. } => "the header Allow names the methods".to_owned(),
            Self::WrongContentType { .. } => "send JSON, with Content-Type: application/json".to_owned(),
            Self::BodyTooLarge | Self::TooDeep => "send less".to_owned(),
            Self::BodyUnreadable => "send it again".to_owned(),
            Self::InvalidJson { fix, .. } => (*fix).to_owned(),
            Self::InvalidField { fix, .. } => fix.clone(),
            Self::UnknownHold { .. } => "name one that POST /_testkit/v1/clock/hold gave".to_owned(),
            Self::EndedHold { .. } => "take another one; give it more seconds, if it ended too early".to_owned(),
            Self::TooManyHolds { .. } => "release some: GET /_testkit/v1/clock has their ids".to_owned(),
            Self::ImpossibleRule { .. } => "say it as the message asks; nothing was set".to_owned(),
            Self::NotOverNetwork { .. } => {
                "use receiver_closes, which the sender can't tell from it, or kill your receiver yourself".to_owned()
            }
            Self::UnknownFault { .. } => "GET /_testkit/v1/faults has those that there are".to_owned(),
            Self::TooManyFaults { .. } => "take some away: GET /_testkit/v1/faults has their ids".to_owned(),
            Self::Held { .. } => "release the holds: GET /_testkit/v1/clock has their ids".to_owned(),
            Self::Busy { .. } => "let the worker answer, and advance by what is left".to_owned(),
            Self::Refused { .. } => "see what awaithumans says".to_owned(),
        }
    }

    fn field(&self) -> Option<&str> {
        match self {
            Self::InvalidField { field, .. } => Some(field),
            Self::ForeignHost { .. } => Some("Host"),
            Self::ForeignOrigin { .. } => Some("Origin"),
            Self::WrongContentType { .. } => Some("Content-Type"),
            Self::UnknownHold { .. } | Self::EndedHold { .. } | Self::UnknownFault { .. } => Some("id"),
            _ => None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let now = match self {
            Self::Held { now, .. } | Self::Busy { now, .. } => Some(now),
            _ => None,
        };
        let body = Body {
            error: self.code(),
            field: self.field(),
            message: self.message(),
            fix: self.fix(),
            now,
        };
        answer(self.status(), &body)
    }
}
