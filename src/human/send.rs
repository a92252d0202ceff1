//! Callbacks on their way out: queued when a task ends, sent one after another, as httpx would send them.

use base64::Engine as _;
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT,
};
use http::{HeaderName, HeaderValue, Method, Request};

use super::callback_url::{Target, Unsendable, target};
use super::outbox::{AttemptId, Delivery, DeliveryOutcome, DeliveryStatus, Verdict};
use super::{Human, Output, Task, seconds_in_words, short};
use crate::clock::Timestamp;
use crate::journal::{Journal, Party};
use crate::moment::{Happening, MomentKind};

/// The header with the signature.
const SIGNATURE: HeaderName = HeaderName::from_static("x-awaithumans-signature");

/// The header with the task's id.
const TASK_ID: HeaderName = HeaderName::from_static("x-awaithumans-task-id");

impl Human {
    /// Queues the callback of a task that has ended, if it wants one. Body and signature are fixed from here on.
    pub(super) fn queue_webhook(&mut self, now: Timestamp, journal: &mut Journal, task_id: &str) {
        let Some(task) = self.store.get(task_id) else {
            return;
        };
        let Some(url) = task.callback_url.clone().filter(|url| !url.is_empty()) else {
            return;
        };
        // It is kept, so it takes no more room than it needs.
        let body = Bytes::from(task.webhook().to_bytes().into_boxed_slice());
        let line = format!(
            "webhook for task {} queued ({} → {url})",
            short(task_id),
            task.status.as_str()
        );
        journal.detail(now, Party::Awaithumans, line);
        self.outbox.enqueue(Delivery {
            id: self.entropy.uuid_hex(),
            task_id: task_id.to_owned(),
            url,
            signature: (self.config.sign)(&body),
            body,
            status: DeliveryStatus::Pending,
            attempt_count: 0,
            next_attempt_at: now,
            first_attempted_at: None,
            last_attempt_at: None,
            last_error: None,
            last_status_code: None,
            created_at: now,
            updated_at: now,
        });
    }

    /// Sends the next callback, unless one is under way; sets the tick for those that wait.
    pub(super) fn send_next(&mut self, now: Timestamp, journal: &mut Journal) {
        if !self.running {
            return;
        }
        let most_under_way = self.config.timing.most_under_way();
        if !self.config.profile.queues_webhooks() {
            // The old server sends from the request that ended the task, without a scheduler.
            self.outbox.tick(now, most_under_way);
        }
        while let Some((attempt, delivery)) = self.outbox.start_next(most_under_way) {
            match request(
                &delivery.url,
                delivery.body.clone(),
                &delivery.signature,
                Some(&delivery.task_id),
            ) {
                Ok(request) => {
                    let task_id = delivery.task_id.clone();
                    let key = self.store.get(&task_id).map(|task| task.idempotency_key.clone());
                    let number = (delivery.attempt_count + 1).to_string();
                    let sent = Happening::new(MomentKind::WebhookSent, key.unwrap_or_default(), number);
                    journal.happened(now, sent);
                    self.outputs.push_back(Output::Deliver {
                        attempt,
                        task_id,
                        request,
                    });
                }
                Err(Unsendable::Refused(error)) => {
                    self.record_delivery(now, journal, attempt, &DeliveryOutcome::Failed(error));
                }
                Err(Unsendable::BreaksTheTick(error)) => {
                    let line = format!(
                        "the webhook tick crashed on the callback of task {} ({error}): those behind it wait",
                        short(&delivery.task_id)
                    );
                    journal.headline(now, Party::Awaithumans, line);
                    self.outbox.crash_tick(attempt);
                }
            }
        }
        self.set_webhook_tick(now);
    }

    pub(super) fn record_delivery(
        &mut self,
        now: Timestamp,
        journal: &mut Journal,
        attempt: AttemptId,
        outcome: &DeliveryOutcome,
    ) {
        let Some((verdict, delivery)) = self.outbox.record(now, attempt, outcome) else {
            journal.detail(
                now,
                Party::Awaithumans,
                "the outcome of a callback came after a restart: ignored",
            );
            return;
        };
        let task_id = delivery.task_id.clone();
        let task = self.store.get(&task_id);
        let status = task.map_or("deleted", |task| task.status.as_str());
        let line = describe(verdict, delivery, outcome, status, self.config.profile.name());
        journal.headline(now, Party::Awaithumans, line);
        let key = task.map(|task| task.idempotency_key.clone());
        let how = match outcome {
            DeliveryOutcome::Answered(status) => status.to_string(),
            DeliveryOutcome::Failed(error) => error.clone(),
        };
        let answered = Happening::new(MomentKind::WebhookAnswered, key.unwrap_or_default(), how);
        journal.happened(now, answered);
        if verdict == Verdict::Delivered {
            self.redact_response(now, &task_id);
        }
    }

    /// A delivered answer is deleted, if the task's creator asked for that.
    fn redact_response(&mut self, now: Timestamp, task_id: &str) {
        let is_due = |task: &Task| task.redact_response_after_submit && task.response_redacted_at.is_none();
        if self.store.get(task_id).is_some_and(is_due) {
            self.store.change(task_id, |task| {
                task.response = Default::default();
                task.response_redacted_at = Some(now);
            });
        }
    }
}

fn describe(verdict: Verdict, delivery: &Delivery, outcome: &DeliveryOutcome, status: &str, profile: &str) -> String {
    let id = short(&delivery.task_id);
    let attempt = delivery.attempt_count;
    let how = match outcome {
        DeliveryOutcome::Answered(status) => format!("HTTP {status}"),
        DeliveryOutcome::Failed(error) => error.clone(),
    };
    match verdict {
        Verdict::Delivered => format!("webhook for task {id} delivered ({how}, attempt {attempt})"),
        Verdict::RetriedIn(delay) => {
            let delay = seconds_in_words(delay.as_secs());
            format!("webhook for task {id} failed ({how}, attempt {attempt}): next attempt in {delay}")
        }
        Verdict::Abandoned => {
            format!(
                "webhook for task {id} ABANDONED ({how}) after {attempt} attempts: the task is {status} but undelivered"
            )
        }
        Verdict::NotRetried => format!(
            "webhook for task {id} FAILED ({how}): not retried by profile {profile}; the task is {status} but undelivered"
        ),
    }
}

/// The request as httpx 0.28 sends it: headers and their order as recorded. awaithumans always names the task.
pub(crate) fn request(
    url: &str,
    body: Bytes,
    signature: &str,
    task_id: Option<&str>,
) -> Result<Request<Bytes>, Unsendable> {
    let Target { uri, host, userinfo } = target(url)?;
    let unusable = |_| Unsendable::BreaksTheTick("httpx.InvalidURL: invalid header value".to_owned());
    let text = |value: &str| HeaderValue::from_str(value).map_err(unusable);
    let size_bytes = body.len();
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.reserve(10);
    headers.insert(HOST, text(&host)?);
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
    headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
    headers.insert(USER_AGENT, HeaderValue::from_static("python-httpx/0.28.1"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(SIGNATURE, text(signature)?);
    if let Some(task_id) = task_id {
        headers.insert(TASK_ID, text(task_id)?);
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(size_bytes));
    if let Some(userinfo) = userinfo {
        let credentials = base64::engine::general_purpose::STANDARD.encode(userinfo);
        headers.insert(AUTHORIZATION, text(&format!("Basic {credentials}"))?);
    }
    Ok(request)
}
