//! Requests on their way: to a worker, and until the worker's answer or the deadline.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::Payload;
use temporalio_protos::temporal::api::enums::v1::TimeoutType;
use temporalio_protos::temporal::api::nexus::v1 as wire;
use temporalio_protos::temporal::api::nexus::v1::request::Variant;

use super::completion::TOKEN_HEADER;
use super::{OperationId, SYSTEM_CALLBACK_URL, content};
use crate::clock::Timestamp;
use crate::temporal::proto::timestamp;

/// How long a request may take (dynamic config `component.nexusoperations.request.timeout`).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// With less time than this left, no request is made (dynamic config `…limit.request.timeout.min`).
const MIN_REQUEST_TIMEOUT: Duration = Duration::from_millis(1_500);

/// What the server keeps of a request's time to answer itself (dynamic config `…limit.dispatch.task.timeout.min`).
const MIN_DISPATCH_TIMEOUT: Duration = Duration::from_secs(1);

/// Who made a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) operation: OperationId,
    pub(crate) wants: Wants,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Start,
    Cancel,
}

/// A request that a worker has or is to get.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(crate) caller: Caller,
    request: wire::Request,
    /// When the worker's answer comes too late.
    pub(crate) deadline: Timestamp,
    operation_deadline: Option<Timestamp>,
}

/// The requests in flight, by the number in their task tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    in_flight: BTreeMap<u64, InFlight>,
    last: u64,
}

impl Requests {
    pub(crate) fn insert(&mut self, request: InFlight) -> u64 {
        self.last += 1;
        self.in_flight.insert(self.last, request);
        self.last
    }

    pub(crate) fn get(&self, number: u64) -> Option<&InFlight> {
        self.in_flight.get(&number)
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.in_flight.keys().copied()
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<InFlight> {
        self.in_flight.remove(&number)
    }
}

impl InFlight {
    /// The request as a worker gets it at this moment.
    pub(crate) fn for_worker(&self, now: Timestamp) -> wire::Request {
        let mut request = self.request.clone();
        let left = go_duration(self.deadline.since(now));
        // In both spellings: Temporal's Java SDK looks for the second one.
        request.header.insert("request-timeout".to_owned(), left.clone());
        request.header.insert("Request-Timeout".to_owned(), left);
        if let Some(deadline) = self.operation_deadline {
            let left = format!("{}ms", deadline.since(now).as_millis());
            request.header.insert("operation-timeout".to_owned(), left);
        }
        request
    }

    /// What it asks for, in plain words.
    pub(crate) fn what(&self) -> String {
        match &self.request.variant {
            Some(Variant::StartOperation(start)) => format!("nexus operation {}/{}", start.service, start.operation),
            Some(Variant::CancelOperation(cancel)) => {
                format!(
                    "the cancellation of nexus operation {}/{}",
                    cancel.service, cancel.operation
                )
            }
            None => "a nexus request".to_owned(),
        }
    }
}

/// What a request to start an operation is made from.
#[derive(Clone, Debug)]
pub(crate) struct StartRequest {
    pub(crate) endpoint: String,
    pub(crate) service: String,
    pub(crate) operation: String,
    pub(crate) request_id: String,
    pub(crate) input: Option<Payload>,
    pub(crate) header: HashMap<String, String>,
    pub(crate) link: wire::Link,
    pub(crate) callback_token: String,
    /// When the operation must be done, if it must.
    pub(crate) operation_deadline: Option<Timestamp>,
}

/// What a request to cancel an operation is made from.
#[derive(Clone, Debug)]
pub(crate) struct CancelRequest {
    pub(crate) endpoint: String,
    pub(crate) service: String,
    pub(crate) operation: String,
    pub(crate) operation_token: String,
    pub(crate) header: HashMap<String, String>,
}

impl StartRequest {
    /// As it goes out now, with this much time.
    pub(crate) fn into_flight(self, now: Timestamp, caller: Caller, timeout: Duration) -> InFlight {
        let mut header = self.header;
        header.insert("nexus-request-id".to_owned(), self.request_id.clone());
        header.insert("user-agent".to_owned(), USER_AGENT.to_owned());
        let link = format!("<{}>; type=\"{}\"", self.link.url, self.link.r#type);
        header.insert("nexus-link".to_owned(), link);
        // A timeout that the workflow has set itself is left as it is, and counts from here.
        let operation_deadline = match header.get("operation-timeout") {
            Some(text) => parse_duration(text).map(|limit| now + limit),
            None => self.operation_deadline,
        };
        let variant = Variant::StartOperation(wire::StartOperationRequest {
            service: self.service,
            operation: self.operation,
            request_id: self.request_id,
            callback: SYSTEM_CALLBACK_URL.to_owned(),
            payload: Some(content::pass(self.input)),
            callback_header: [(TOKEN_HEADER.to_owned(), self.callback_token)].into(),
            links: vec![self.link],
        });
        in_flight(now, caller, timeout, self.endpoint, header, variant, operation_deadline)
    }
}

impl CancelRequest {
    /// As it goes out now, with this much time.
    #[expect(deprecated, reason = "older SDKs look for the token under its old name")]
    pub(crate) fn into_flight(self, now: Timestamp, caller: Caller, timeout: Duration) -> InFlight {
        let mut header = self.header;
        header.insert("nexus-operation-token".to_owned(), self.operation_token.clone());
        header.insert("user-agent".to_owned(), USER_AGENT.to_owned());
        header.insert("content-length".to_owned(), "0".to_owned());
        let operation_deadline = header
            .get("operation-timeout")
            .and_then(|text| parse_duration(text))
            .map(|limit| now + limit);
        let variant = Variant::CancelOperation(wire::CancelOperationRequest {
            service: self.service,
            operation: self.operation,
            operation_id: self.operation_token.clone(),
            operation_token: self.operation_token,
        });
        in_flight(now, caller, timeout, self.endpoint, header, variant, operation_deadline)
    }
}

/// What the server calls itself in its own requests (`common/nexus/nexusrpc/client.go`).
const USER_AGENT: &str = "temporalio/server";

fn in_flight(
    now: Timestamp,
    caller: Caller,
    timeout: Duration,
    endpoint: String,
    header: HashMap<String, String>,
    variant: Variant,
    operation_deadline: Option<Timestamp>,
) -> InFlight {
    let mut header = header;
    for internal in INTERNAL_HEADERS {
        header.remove(internal);
    }
    InFlight {
        caller,
        request: wire::Request {
            header,
            scheduled_time: Some(timestamp(now)),
            capabilities: Some(wire::request::Capabilities {
                // The server says so with the header of a start, and not with that of a cancellation.
                temporal_failure_responses: matches!(variant, Variant::StartOperation(_)),
            }),
            endpoint,
            variant: Some(variant),
        },
        deadline: now + timeout.saturating_sub(MIN_DISPATCH_TIMEOUT),
        operation_deadline,
    }
}

/// Headers that workers don't get to see (dynamic config `frontend.nexusRequestHeadersBlacklist`).
const INTERNAL_HEADERS: [&str; 5] = [
    "accept-encoding",
    "x-forwarded-for",
    "xdc-redirection",
    "xdc-redirection-api",
    "temporal-nexus-failure-support",
];

/// How long a request may take when this much is left of an operation's timeouts; each overrides the type before it.
/// The refusal names the timeout that leaves too little.
pub(crate) fn request_timeout(left: &[(Option<Duration>, TimeoutType)]) -> Result<Duration, TimeoutType> {
    let mut timeout = REQUEST_TIMEOUT;
    let mut decisive = TimeoutType::Unspecified;
    for (left, timeout_type) in left {
        if let Some(left) = left {
            timeout = timeout.min(*left);
            decisive = *timeout_type;
        }
    }
    match timeout < MIN_REQUEST_TIMEOUT {
        true => Err(decisive),
        false => Ok(timeout),
    }
}

/// How long a request to cancel a standalone operation may take. Unlike with a workflow's, the refusal names the timeout that ends first.
pub(crate) fn tightest_timeout(left: &[(Option<Duration>, TimeoutType)]) -> Result<Duration, TimeoutType> {
    let mut timeout = REQUEST_TIMEOUT;
    let mut decisive = TimeoutType::Unspecified;
    for (left, timeout_type) in left {
        if let Some(left) = left.filter(|left| *left < timeout) {
            timeout = left;
            decisive = *timeout_type;
        }
    }
    match timeout < MIN_REQUEST_TIMEOUT {
        true => Err(decisive),
        false => Ok(timeout),
    }
}

/// As Go prints a duration: `9s`, `8.5s`, `500ms`, `1m0s`.
fn go_duration(duration: Duration) -> String {
    let nanoseconds = duration.subsec_nanos();
    let seconds = duration.as_secs();
    if seconds == 0 {
        return match nanoseconds {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanoseconds}ns"),
            1_000..1_000_000 => format!("{}µs", decimal(u64::from(nanoseconds), 1_000, 3)),
            _ => format!("{}ms", decimal(u64::from(nanoseconds), 1_000_000, 6)),
        };
    }
    let rest = decimal(
        (seconds % 60) * 1_000_000_000 + u64::from(nanoseconds),
        1_000_000_000,
        9,
    );
    match (seconds / 3_600, seconds / 60 % 60) {
        (0, 0) => format!("{rest}s"),
        (0, minutes) => format!("{minutes}m{rest}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}s"),
    }
}

fn decimal(value: u64, unit: u64, digits: usize) -> String {
    let fraction = format!("{:0digits$}", value % unit);
    match fraction.trim_end_matches('0') {
        "" => (value / unit).to_string(),
        fraction => format!("{}.{fraction}", value / unit),
    }
}

/// A duration as Go reads it: numbers with units, one after the other, like `1m30s`.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?);
        let (unit, tail) = tail.split_at(
            tail.find(|letter: char| letter.is_ascii_digit() || letter == '.')
                .unwrap_or(tail.len()),
        );
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        let value: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(value * seconds).ok()?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let texts = [
            (Duration::ZERO, "0s"),
            (Duration::from_millis(500), "500ms"),
            (Duration::from_millis(8_500), "8.5s"),
            (Duration::from_secs(9), "9s"),
            (Duration::from_secs(60), "1m0s"),
            (Duration::from_millis(3_661_001), "1h1m1.001s"),
            (Duration::from_nanos(1_500), "1.5µs"),
        ];
        for (duration, text) in texts {
            assert_eq!(go_duration(duration), text);
        }
        assert_eq!(parse_duration("1500ms"), Some(Duration::from_millis(1_500)));
        assert_eq!(parse_duration("1m30s"), Some(Duration::from_secs(90)));
        for text in ["", "ms", "-1s", "1", "1d", "NaNs", "99999999999999999999h"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn the_later_timeout_takes_the_blame() {
        let seconds = |n| Some(Duration::from_secs(n));
        use TimeoutType::{ScheduleToClose, StartToClose};
        assert_eq!(request_timeout(&[(None, StartToClose)]), Ok(REQUEST_TIMEOUT));
        assert_eq!(
            request_timeout(&[(seconds(3), StartToClose), (seconds(60), ScheduleToClose)]),
            Ok(Duration::from_secs(3))
        );
        assert_eq!(
            request_timeout(&[(seconds(1), StartToClose), (seconds(60), ScheduleToClose)]),
            Err(ScheduleToClose)
        );
    }

    #[test]
    fn the_tighter_timeout_takes_the_blame() {
        let seconds = |n| Some(Duration::from_secs(n));
        use TimeoutType::{ScheduleToClose, StartToClose};
        let timeouts = |start, schedule| tightest_timeout(&[(start, StartToClose), (schedule, ScheduleToClose)]);
        assert_eq!(timeouts(None, seconds(60)), Ok(REQUEST_TIMEOUT));
        assert_eq!(timeouts(seconds(3), seconds(60)), Ok(Duration::from_secs(3)));
        assert_eq!(timeouts(seconds(1), seconds(60)), Err(StartToClose));
        assert_eq!(timeouts(seconds(1), seconds(0)), Err(ScheduleToClose));
    }
}
