//! A completion on its way to another server, over HTTP: the request, and what its answer means.
//!
//! Facts: Temporal's `common/nexus/nexusrpc/completion.go` and `client.go`.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use serde_json::Value;
use temporalio_protos::temporal::api::common::v1::callback::Nexus;

use super::breaker::Permit;
use super::completion::{Completion, Outcome};
use super::{content, failure, link};
use crate::clock::Timestamp;
use crate::temporal::machine::callback::Undelivered;
use crate::temporal::run::RunRef;

const STATE: HeaderName = HeaderName::from_static("nexus-operation-state");
const START_TIME: HeaderName = HeaderName::from_static("nexus-operation-start-time");
const CLOSE_TIME: HeaderName = HeaderName::from_static("nexus-operation-close-time");
const LINK: HeaderName = HeaderName::from_static("nexus-link");
const RETRYABLE: &str = "nexus-request-retryable";

/// Names one attempt to deliver a completion callback to another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallbackId(pub u64);

/// How an attempt to deliver a completion callback ended.
#[derive(Clone, Debug)]
pub enum CallbackOutcome {
    /// The other server answered.
    Answered(Response<Bytes>),
    /// There was no answer, and why, in the words of Go's HTTP client.
    Failed(String),
}

/// Callbacks to other servers that wait to be sent, or for their answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outgoing {
    last: u64,
    unsent: VecDeque<(CallbackId, Request<Bytes>)>,
    in_flight: BTreeMap<CallbackId, Attempt>,
}

/// An attempt to deliver a callback.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) run: RunRef,
    /// Which of the run's callbacks.
    pub(crate) index: usize,
    pub(crate) namespace: String,
    pub(crate) url: String,
    /// Of the breaker before its destination.
    pub(crate) permit: Permit,
}

impl Outgoing {
    pub(crate) fn send(&mut self, attempt: Attempt, request: Request<Bytes>) {
        self.last += 1;
        let id = CallbackId(self.last);
        self.in_flight.insert(id, attempt);
        self.unsent.push_back((id, request));
    }

    pub(crate) fn poll(&mut self) -> Option<(CallbackId, Request<Bytes>)> {
        self.unsent.pop_front()
    }

    /// Takes the attempt out that has ended. Nothing if it has been answered already.
    pub(crate) fn take(&mut self, id: CallbackId) -> Option<Attempt> {
        self.in_flight.remove(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.in_flight.len()
    }
}

/// The request that tells of a completion, or why Go's HTTP client wouldn't make it.
pub(crate) fn request(nexus: &Nexus, completion: &Completion) -> Result<Request<Bytes>, String> {
    let failed = |why: String| no_answer(&nexus.url, &why);
    let url = url::Url::parse(&nexus.url).map_err(|error| failed(error.to_string()))?;
    let uri: Uri = url
        .as_str()
        .parse()
        .map_err(|error: http::uri::InvalidUri| failed(error.to_string()))?;
    let mut headers = HeaderMap::new();
    let body = match &completion.outcome {
        Outcome::Succeeded(payload) => {
            let (content_type, data) = content::serialize(content::pass(payload.clone()));
            for (name, value) in content_type {
                put(&mut headers, &format!("content-{name}"), &value).map_err(failed)?;
            }
            headers.insert(STATE, HeaderValue::from_static("succeeded"));
            data
        }
        Outcome::Unsuccessful { canceled, cause } => {
            let state = if *canceled { "canceled" } else { "failed" };
            headers.insert(STATE, HeaderValue::from_static(state));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            failure::to_nexus_json(cause).into_bytes()
        }
    };
    let own: BTreeMap<String, String> = nexus.header.clone().into_iter().collect();
    for (name, value) in &own {
        put(&mut headers, name, value).map_err(failed)?;
    }
    if !headers.contains_key(USER_AGENT) {
        headers.insert(USER_AGENT, HeaderValue::from_static("temporalio/server"));
    }
    for (name, value) in [
        (START_TIME, http_date(completion.started_at)),
        (CLOSE_TIME, timestamp(completion.closed_at)),
        (LINK, completion.links.iter().map(link::header).collect()),
    ] {
        if !headers.contains_key(&name) {
            put(&mut headers, name.as_str(), &value).map_err(failed)?;
        }
    }
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

fn put(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), String> {
    let parsed =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("net/http: invalid header field name {name:?}"))?;
    let value = HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| format!("net/http: invalid header field value for {name:?}"))?;
    headers.insert(parsed, value);
    Ok(())
}

/// What came of it.
pub(crate) fn outcome(url: &str, outcome: CallbackOutcome) -> Result<(), Undelivered> {
    match outcome {
        CallbackOutcome::Answered(response) if response.status().is_success() => Ok(()),
        CallbackOutcome::Answered(response) => Err(refused(&response)),
        CallbackOutcome::Failed(why) => Err(Undelivered {
            message: no_answer(url, &why),
            retryable: true,
        }),
    }
}

fn no_answer(url: &str, why: &str) -> String {
    format!("Post {url:?}: {why}")
}

/// A failure in the body says more than the status.
fn refused(response: &Response<Bytes>) -> Undelivered {
    let retryable = |message: String| Undelivered {
        message,
        retryable: true,
    };
    let told = failure_of(response);
    let kind = told.as_ref().and_then(|told| told["metadata"]["type"].as_str());
    let text = told
        .as_ref()
        .and_then(|told| told["message"].as_str())
        .unwrap_or_default();
    let details = told.as_ref().map_or(&Value::Null, |told| &told["details"]);
    let unexpected = |what: String| match text.is_empty() {
        true => retryable(what),
        false => retryable(format!("{what}: {text}")),
    };
    match kind {
        Some("nexus.HandlerError") if details.is_object() => {
            let error_type = details["type"].as_str().unwrap_or_default();
            handler_error(error_type, text, details["retryableOverride"].as_bool())
        }
        Some(kind @ ("nexus.HandlerError" | "nexus.OperationError")) if !details.is_object() => unexpected(format!(
            "failed to convert Failure to error: failed to deserialize {}: unexpected end of JSON input",
            kind.trim_start_matches("nexus.")
        )),
        _ => match error_type(response.status().as_u16()) {
            Some(error_type) => {
                let header = response.headers().get(RETRYABLE).and_then(|value| value.to_str().ok());
                let over = match header.map(str::to_ascii_lowercase).as_deref() {
                    Some("true") => Some(true),
                    Some("false") => Some(false),
                    _ => None,
                };
                handler_error(error_type, "", over)
            }
            None => unexpected(format!("unexpected response status: \"{}\"", response.status())),
        },
    }
}

fn handler_error(error_type: &str, text: &str, retryable: Option<bool>) -> Undelivered {
    let name = if error_type.is_empty() { "INTERNAL" } else { error_type };
    let mut message = format!("handler error ({name})");
    if !text.is_empty() {
        message = format!("{message}: {text}");
    }
    Undelivered {
        message,
        retryable: retryable.unwrap_or_else(|| failure::is_retryable_type(error_type)),
    }
}

/// The failure in an answer's body, if it says that it is JSON and is.
fn failure_of(response: &Response<Bytes>) -> Option<Value> {
    let content_type = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return None;
    }
    serde_json::from_slice(response.body()).ok().filter(Value::is_object)
}

fn error_type(status: u16) -> Option<&'static str> {
    Some(match status {
        400 => "BAD_REQUEST",
        401 => "UNAUTHENTICATED",
        403 => "UNAUTHORIZED",
        404 => "NOT_FOUND",
        408 => "REQUEST_TIMEOUT",
        409 => "CONFLICT",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        501 => "NOT_IMPLEMENTED",
        503 => "UNAVAILABLE",
        520 => "UPSTREAM_TIMEOUT",
        _ => return None,
    })
}

fn moment(at: Timestamp) -> jiff::Timestamp {
    let seconds = i64::try_from(at.as_seconds()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX)
}

fn http_date(at: Timestamp) -> String {
    moment(at).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// As RFC 3339 has it, with none, three, six or nine digits behind the seconds.
fn timestamp(at: Timestamp) -> String {
    let fraction = format!(".{:09}", at.subsecond_nanoseconds());
    let mut fraction = fraction.as_str();
    for zeros in ["000", "000", ".000"] {
        fraction = fraction.strip_suffix(zeros).unwrap_or(fraction);
    }
    format!("{}{fraction}Z", moment(at).strftime("%Y-%m-%dT%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, headers: &[(&'static str, &str)], body: &str) -> Result<(), Undelivered> {
        let mut response = Response::new(Bytes::from(body.to_owned()));
        *response.status_mut() = status.try_into().expect("it is a status");
        for (name, value) in headers {
            response
                .headers_mut()
                .insert(*name, value.parse().expect("it is a value"));
        }
        outcome("http://h/x", CallbackOutcome::Answered(response))
    }

    #[test]
    fn the_status_says_what_came_of_it() {
        for (status, message, retryable) in [
            (400, "handler error (BAD_REQUEST)", false),
            (404, "handler error (NOT_FOUND)", false),
            (408, "handler error (REQUEST_TIMEOUT)", true),
            (429, "handler error (RESOURCE_EXHAUSTED)", true),
            (500, "handler error (INTERNAL)", true),
            (501, "handler error (NOT_IMPLEMENTED)", false),
            (302, r#"unexpected response status: "302 Found""#, true),
            (502, r#"unexpected response status: "502 Bad Gateway""#, true),
        ] {
            let message = message.to_owned();
            assert_eq!(answered(status, &[], "x"), Err(Undelivered { message, retryable }));
        }
        assert_eq!(answered(204, &[], ""), Ok(()));
    }

    #[test]
    fn a_header_or_a_failure_in_the_body_knows_better() {
        let json = ("content-type", "application/json; charset=utf-8");
        let undelivered = |message: &str, retryable: bool| {
            Err(Undelivered {
                message: message.to_owned(),
                retryable,
            })
        };
        assert_eq!(
            answered(500, &[(RETRYABLE, "False")], ""),
            undelivered("handler error (INTERNAL)", false)
        );
        let failure = r#"{"message":"m","metadata":{"type":"nexus.HandlerError"},"details":{"type":"CONFLICT"}}"#;
        assert_eq!(
            answered(500, &[json], failure),
            undelivered("handler error (CONFLICT): m", false)
        );
        assert_eq!(
            answered(500, &[], failure),
            undelivered("handler error (INTERNAL)", true),
            "it doesn't say that it is JSON"
        );
        let over =
            r#"{"metadata":{"type":"nexus.HandlerError"},"details":{"type":"CONFLICT","retryableOverride":true}}"#;
        assert_eq!(
            answered(500, &[json], over),
            undelivered("handler error (CONFLICT)", true)
        );
        assert_eq!(
            answered(418, &[json], r#"{"message":"m"}"#),
            undelivered(r#"unexpected response status: "418 I'm a teapot": m"#, true)
        );
        assert_eq!(
            outcome("http://h/x", CallbackOutcome::Failed("EOF".to_owned())),
            undelivered(r#"Post "http://h/x": EOF"#, true)
        );
    }

    #[test]
    fn moments_are_written_as_go_writes_them() {
        let at = |nanoseconds: u64| timestamp(Timestamp::from_nanoseconds(1_700_000_000_000_000_000 + nanoseconds));
        assert_eq!(at(0), "2023-11-14T22:13:20Z");
        assert_eq!(at(120_000_000), "2023-11-14T22:13:20.120Z");
        assert_eq!(at(1_000), "2023-11-14T22:13:20.000001Z");
        assert_eq!(at(1), "2023-11-14T22:13:20.000000001Z");
        assert_eq!(
            http_date(Timestamp::from_seconds(1_700_000_000)),
            "Tue, 14 Nov 2023 22:13:20 GMT"
        );
    }
}
