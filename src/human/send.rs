//! Callbacks on their way out: queued when a task ends, sent one after another, as httpx would send them.

use base64::Engine as _;
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT,
};
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use super::api::percent_decode;
use super::outbox::{AttemptId, Delivery, DeliveryOutcome, DeliveryStatus, Verdict};
use super::{Human, Output, seconds_in_words, short};
use crate::clock::Timestamp;
use crate::journal::{Journal, Party};

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
        let body = Bytes::from(task.webhook().to_bytes());
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
        if !self.config.profile.queues_webhooks() {
            // The old server sends from the request that ended the task, without a scheduler.
            self.outbox.tick(now);
        }
        while let Some((attempt, delivery)) = self.outbox.start_next() {
            match request(
                &delivery.url,
                delivery.body.clone(),
                &delivery.signature,
                Some(&delivery.task_id),
            ) {
                Ok(request) => {
                    let task_id = delivery.task_id.clone();
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
                    self.outbox.crash_tick();
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
        let status = self.store.get(&task_id).map_or("deleted", |task| task.status.as_str());
        let line = describe(verdict, delivery, outcome, status, self.config.profile.name());
        journal.headline(now, Party::Awaithumans, line);
        if verdict == Verdict::Delivered {
            self.redact_response(now, &task_id);
        }
    }

    /// A delivered answer is deleted, if the task's creator asked for that.
    fn redact_response(&mut self, now: Timestamp, task_id: &str) {
        if let Some(task) = self.store.get_mut(task_id)
            && task.redact_response_after_submit
            && task.response_redacted_at.is_none()
        {
            task.response = Default::default();
            task.response_redacted_at = Some(now);
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

/// Why a callback can't even be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unsendable {
    /// httpx refuses the URL; recorded as a failed attempt.
    Refused(String),
    /// httpx raises an error that the scheduler doesn't expect (recorded in transcript 18).
    BreaksTheTick(String),
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

#[derive(Debug, PartialEq, Eq)]
struct Target {
    uri: Uri,
    host: String,
    userinfo: Option<String>,
}

/// Takes a URL apart as httpx does: the fragment is dropped, what needs it is percent-encoded, a user becomes a header.
fn target(url: &str) -> Result<Target, Unsendable> {
    let refused = |text: String| Unsendable::Refused(format!("UnsupportedProtocol: {text}"));
    let missing = || refused("Request URL is missing an 'http://' or 'https://' protocol.".to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(missing)?;
    let well_formed = scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !well_formed || scheme.is_empty() {
        return Err(missing());
    }
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Err(refused(format!(
            "Request URL has an unsupported protocol '{scheme}://'."
        )));
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path_and_query) = match rest.find(['/', '?']) {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };
    let (userinfo, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if let Some((_, port)) = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'))
        && port.parse::<u16>().is_err()
        && !port.is_empty()
    {
        return Err(Unsendable::BreaksTheTick(format!(
            "httpx.InvalidURL: Invalid port: '{port}'"
        )));
    }
    let slash = if path_and_query.starts_with('/') { "" } else { "/" };
    let spelled = format!("{scheme}://{host}{slash}{}", percent_encode(path_and_query));
    let uri = spelled.parse().map_err(|_| {
        // httpx's own words depend on what is wrong; every such URL breaks the tick.
        Unsendable::BreaksTheTick(format!("httpx.InvalidURL: Invalid IDNA hostname: '{host}'"))
    })?;
    let default_port = if scheme == "http" { ":80" } else { ":443" };
    Ok(Target {
        uri,
        host: host.strip_suffix(default_port).unwrap_or(host).to_owned(),
        userinfo: userinfo.map(|user| match user.split_once(':') {
            Some((name, password)) => {
                format!("{}:{}", percent_decode(name), percent_decode(password))
            }
            None => format!("{}:", percent_decode(user)),
        }),
    })
}

/// Encodes what may not stand in a path or query; what is encoded already stays.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' | b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'^' | b'|' | b'\\' | 0..=0x1f | 0x7f.. => {
                out.push_str(&format!("%{byte:02X}"));
            }
            _ => out.push(char::from(byte)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the real server made of these, from transcripts 15 and 18.
    #[test]
    fn urls_are_treated_as_httpx_treats_them() {
        let sent = target("http://127.0.0.1:17210/cb/q?wf=order-1%2F2&x=a b&é=ü#frag").unwrap();
        assert_eq!(
            sent.uri,
            "http://127.0.0.1:17210/cb/q?wf=order-1%2F2&x=a%20b&%C3%A9=%C3%BC"
        );
        assert_eq!(sent.host, "127.0.0.1:17210");
        assert_eq!(
            target("http://user:p%40ss@h/").unwrap().userinfo.as_deref(),
            Some("user:p@ss")
        );
        assert_eq!(target("http://h").unwrap().uri, "http://h/");
        let missing = "UnsupportedProtocol: Request URL is missing an 'http://' or 'https://' protocol.";
        for url in ["not a url", "/relative", ""] {
            assert_eq!(target(url), Err(Unsendable::Refused(missing.to_owned())));
        }
        let unsupported = "UnsupportedProtocol: Request URL has an unsupported protocol 'ftp://'.";
        assert_eq!(
            target("ftp://127.0.0.1/x"),
            Err(Unsendable::Refused(unsupported.to_owned()))
        );
        let invalid = "httpx.InvalidURL: Invalid port: 'abc'";
        assert_eq!(
            target("http://127.0.0.1:abc/x"),
            Err(Unsendable::BreaksTheTick(invalid.to_owned()))
        );
    }
}
