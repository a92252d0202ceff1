//! Canned webhooks: what awaithumans would send, without a task on the fake server.

use awaithumans_temporal::wire::json::Json;
use awaithumans_temporal::wire::webhook::{Moment, Webhook};
use awaithumans_temporal::{Signature, WebhookKey};
use bytes::Bytes;

use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::human::{Status, Task, Unsendable, callback_request};

/// A webhook for tests that only care about the callback side.
///
/// Body, signature and headers are those of awaithumans 0.1.12, byte for byte; `fixtures/webhooks` has a recorded one for
/// each outcome. A moment that isn't set with [`at`](Self::at) is [`Timestamp::EPOCH_OF_TESTS`].
///
/// ```
/// use awaithumans_temporal::PayloadKey;
/// use awaithumans_testkit::Canned;
///
/// let key = PayloadKey::from_bytes([7; 32]).webhook_key();
/// let request = Canned::completed("order-1", serde_json::json!({"approved": true}))
///     .by("alice@example.com")
///     .into_request(&key, "http://app.test/awaithumans/callback?wf=order-1")?;
/// assert_eq!(request.method(), "POST");
/// let signature = request.headers()["x-awaithumans-signature"].to_str().ok();
/// assert_eq!(key.verify(request.body(), signature), Ok(()));
/// # Ok::<(), awaithumans_testkit::UnsendableUrl>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Canned(Content);

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Webhook {
        webhook: Webhook,
        outcome: Status,
        at: Option<Timestamp>,
    },
    Bytes(Bytes),
}

impl Canned {
    /// A person answered. awaithumans only takes objects as a response; any other JSON value is sent as it is.
    pub fn completed(task: impl Into<TaskRef>, response: impl Into<Json>) -> Self {
        Self::outcome(task.into(), Status::Completed, response.into(), 0)
    }

    /// Nobody answered in time.
    pub fn timed_out(task: impl Into<TaskRef>) -> Self {
        Self::outcome(task.into(), Status::TimedOut, Json::Null, 0)
    }

    /// An operator or the agent gave the task up.
    pub fn cancelled(task: impl Into<TaskRef>) -> Self {
        Self::outcome(task.into(), Status::Cancelled, Json::Null, 0)
    }

    /// The verifier refused the last of `attempts` answers; that answer is in the webhook.
    pub fn verification_exhausted(task: impl Into<TaskRef>, last_response: impl Into<Json>, attempts: u32) -> Self {
        Self::outcome(
            task.into(),
            Status::VerificationExhausted,
            last_response.into(),
            attempts,
        )
    }

    /// Any body, signed as it is. It may be no JSON at all: what does the receiver make of it?
    ///
    /// The header `X-Awaithumans-Task-Id` is sent if the body is JSON and names a task.
    pub fn custom(body: impl Into<Bytes>) -> Self {
        Self(Content::Bytes(body.into()))
    }

    /// Sets when the task was completed or timed out. The other outcomes, and custom bodies, carry no moment.
    #[must_use]
    pub fn at(mut self, moment: Timestamp) -> Self {
        if let Content::Webhook { at, .. } = &mut self.0 {
            *at = Some(moment);
        }
        self
    }

    /// As [`at`](Self::at), unless the moment has been set already.
    #[must_use]
    pub fn at_unless_set(mut self, moment: Timestamp) -> Self {
        if let Content::Webhook { at, .. } = &mut self.0 {
            at.get_or_insert(moment);
        }
        self
    }

    /// Sets who gave the answer, an e-mail address. Does nothing to a custom body.
    #[must_use]
    pub fn by(mut self, email: &str) -> Self {
        if let Content::Webhook { webhook, .. } = &mut self.0 {
            webhook.completed_by_email = Some(email.to_owned());
        }
        self
    }

    /// Sets through what the answer came, such as `slack`. Does nothing to a custom body.
    #[must_use]
    pub fn via(mut self, channel: &str) -> Self {
        if let Content::Webhook { webhook, .. } = &mut self.0 {
            webhook.completed_via_channel = Some(channel.to_owned());
        }
        self
    }

    /// The body, as it is signed.
    pub fn body(&self) -> Bytes {
        match &self.0 {
            Content::Webhook { webhook, outcome, at } => {
                let moment = Moment::from_microseconds(at.unwrap_or(Timestamp::EPOCH_OF_TESTS).as_microseconds());
                let webhook = Webhook {
                    completed_at: (*outcome == Status::Completed).then_some(moment),
                    timed_out_at: (*outcome == Status::TimedOut).then_some(moment),
                    ..webhook.clone()
                };
                webhook.to_bytes().into()
            }
            Content::Bytes(body) => body.clone(),
        }
    }

    /// The signature that awaithumans would send along.
    pub fn signature(&self, key: &WebhookKey) -> Signature {
        key.sign(&self.body())
    }

    /// The whole request, with the headers of the real server in their order.
    ///
    /// # Errors
    /// [`UnsendableUrl`] if awaithumans itself could not send to this URL.
    pub fn into_request(self, key: &WebhookKey, url: &str) -> Result<http::Request<Bytes>, UnsendableUrl> {
        let body = self.body();
        let signature = key.sign(&body).to_string();
        let task_id = self.task_id();
        callback_request(url, body, &signature, task_id.as_deref()).map_err(|cause| {
            let (Unsendable::Refused(reason) | Unsendable::BreaksTheTick(reason)) = cause;
            let url = url.to_owned();
            UnsendableUrl { url, reason }
        })
    }

    fn outcome(task: TaskRef, outcome: Status, response: Json, verification_attempt: u32) -> Self {
        let webhook = Webhook {
            task_id: task.task_id,
            idempotency_key: task.idempotency_key,
            status: outcome.as_str().to_owned(),
            response,
            completed_at: None,
            timed_out_at: None,
            completed_by_email: None,
            completed_via_channel: None,
            verification_attempt: verification_attempt.into(),
        };
        Self(Content::Webhook {
            webhook,
            outcome,
            at: None,
        })
    }

    fn task_id(&self) -> Option<String> {
        match &self.0 {
            Content::Webhook { webhook, .. } => Some(webhook.task_id.clone()),
            Content::Bytes(body) => Some(Json::parse(body).ok()?.get("task_id")?.as_str()?.to_owned()),
        }
    }
}

/// Which task a webhook is about.
///
/// Made from a task of the fake server, or from an idempotency key alone: the id then follows from the key, so the same
/// key gives the same bytes in every run.
///
/// ```
/// use awaithumans_testkit::TaskRef;
///
/// let task = TaskRef::from("order-1");
/// assert_eq!(task.task_id.len(), 32);
/// assert_eq!(task, TaskRef::from("order-1"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRef {
    /// 32 hexadecimal digits, if it is an id that awaithumans made.
    pub task_id: String,
    /// The key that the task was created with.
    pub idempotency_key: String,
}

impl From<&Task> for TaskRef {
    fn from(task: &Task) -> Self {
        Self {
            task_id: task.id.clone(),
            idempotency_key: task.idempotency_key.clone(),
        }
    }
}

impl From<&str> for TaskRef {
    fn from(idempotency_key: &str) -> Self {
        Self {
            task_id: Entropy::new(fnv1a(idempotency_key.as_bytes())).uuid_hex(),
            idempotency_key: idempotency_key.to_owned(),
        }
    }
}

impl From<String> for TaskRef {
    fn from(idempotency_key: String) -> Self {
        idempotency_key.as_str().into()
    }
}

/// A callback URL that awaithumans could not send to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("awaithumans cannot send a webhook to {url:?}: {reason}")]
pub struct UnsendableUrl {
    url: String,
    /// In the words of httpx.
    reason: String,
}

/// FNV-1a with 64 bits: a seed for ids, the same on every machine and in every release.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use awaithumans_temporal::PayloadKey;
    use serde_json::json;

    use super::*;

    fn golden_key() -> WebhookKey {
        PayloadKey::from_bytes(std::array::from_fn(|index| index as u8)).webhook_key()
    }

    fn recorded(outcome: &str) -> &'static str {
        match outcome {
            "completed" => include_str!("../fixtures/webhooks/completed.json"),
            "timed_out" => include_str!("../fixtures/webhooks/timed_out.json"),
            "cancelled" => include_str!("../fixtures/webhooks/cancelled.json"),
            "verification_exhausted" => include_str!("../fixtures/webhooks/verification_exhausted.json"),
            other => panic!("no fixture for {other}"),
        }
    }

    fn task(outcome: &str) -> (TaskRef, Timestamp) {
        let webhook = Webhook::parse(recorded(outcome).as_bytes()).unwrap();
        let moment = webhook.completed_at.or(webhook.timed_out_at);
        let microseconds = moment.map_or(0, Moment::as_microseconds);
        let task = TaskRef {
            task_id: webhook.task_id,
            idempotency_key: webhook.idempotency_key,
        };
        (task, Timestamp::from_nanoseconds(microseconds * 1_000))
    }

    fn canned(outcome: &str) -> Canned {
        let (task, at) = task(outcome);
        match outcome {
            "completed" => Canned::completed(task, json!({"approved": true}))
                .by("bob@acme.example")
                .via("slack"),
            "timed_out" => Canned::timed_out(task),
            "cancelled" => Canned::cancelled(task),
            _ => {
                let last = Json::parse(br#"{"verdict":"reject","approved":true}"#).unwrap();
                Canned::verification_exhausted(task, last, 3)
            }
        }
        .at(at)
    }

    /// The real server's requests: body, and every header in its place.
    #[test]
    fn every_outcome_is_the_request_that_the_real_server_sent() {
        let recordings: serde_json::Value =
            serde_json::from_str(include_str!("../fixtures/webhooks/headers.json")).unwrap();
        for outcome in ["completed", "timed_out", "cancelled", "verification_exhausted"] {
            let recording = &recordings[outcome];
            let url = format!("http://127.0.0.1:17210{}", recording["path"].as_str().unwrap());
            let request = canned(outcome).into_request(&golden_key(), &url).unwrap();
            assert_eq!(request.body(), recorded(outcome), "{outcome}");
            let sent: Vec<_> = request
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
                .collect();
            let expected: Vec<(String, String)> = serde_json::from_value(recording["headers"].clone()).unwrap();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect();
            assert_eq!(sent, expected, "{outcome}");
        }
    }

    #[test]
    fn a_custom_body_is_signed_as_it_is() {
        let canned = Canned::custom(&b"\xff not JSON"[..]);
        let key = golden_key();
        let signature = canned.signature(&key).to_string();
        let request = canned
            .at(Timestamp::MAX)
            .into_request(&key, "http://app.test/")
            .unwrap();
        assert_eq!(&request.body()[..], b"\xff not JSON");
        assert_eq!(request.headers()["x-awaithumans-signature"], signature);
        assert_eq!(request.headers().get("x-awaithumans-task-id"), None);
        let named = Canned::custom(r#"{"task_id":"abc"}"#)
            .into_request(&key, "http://app.test/")
            .unwrap();
        assert_eq!(named.headers()["x-awaithumans-task-id"], "abc");
    }

    #[test]
    fn a_moment_that_was_set_stays() {
        let at = |canned: Canned| {
            Webhook::parse(&canned.body())
                .unwrap()
                .timed_out_at
                .unwrap()
                .to_string()
        };
        let later = Timestamp::from_seconds(1_800_000_000);
        assert_eq!(at(Canned::timed_out("k")), "2026-01-01T00:00:00");
        assert_eq!(at(Canned::timed_out("k").at_unless_set(later)), "2027-01-15T08:00:00");
        assert_eq!(
            at(Canned::timed_out("k")
                .at(Timestamp::from_seconds(0))
                .at_unless_set(later)),
            "1970-01-01T00:00:00"
        );
    }

    #[test]
    fn a_bad_url_is_refused_by_name() {
        let refusal = |url: &str| {
            Canned::timed_out("k")
                .into_request(&golden_key(), url)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refusal("ftp://app.test/"),
            "awaithumans cannot send a webhook to \"ftp://app.test/\": UnsupportedProtocol: Request URL has an \
             unsupported protocol 'ftp://'."
        );
        assert!(refusal("nowhere").contains("\"nowhere\""));
    }
}
