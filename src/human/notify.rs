//! Telling people of a new task: who is told through what, and what the message says. What would be sent lands in the inbox.

use std::borrow::Cow;

use awaithumans_temporal::wire::json::{Json, Object};

use super::form::Question;
use super::inbox::{Channel, MagicLink, Notification, NotificationFailure, Sender};
use super::links::{ACTION_PATH, Answer, Handoff, token_16};
use super::router::Route;
use super::task::{Audit, Task};
use super::{Human, identities, python, short};
use crate::clock::Timestamp;
use crate::journal::{Journal, Party};

/// The longest value that an e-mail shows, in characters. Source: `_payload_lines`.
const MAX_VALUE_CHARACTERS: usize = 300;

const NO_TRANSPORT: NotificationFailure = NotificationFailure {
    reason: Cow::Borrowed("no_transport_configured"),
    message: Cow::Borrowed(
        "No email transport is configured. Set AWAITHUMANS_EMAIL_TRANSPORT (and the matching credentials) or create an \
              email sender identity in Settings.",
    ),
};
const NO_FROM_ADDRESS: NotificationFailure = NotificationFailure {
    reason: Cow::Borrowed("no_from_address"),
    message: Cow::Borrowed(
        "Email transport is configured but no From: address is set. Set AWAITHUMANS_EMAIL_FROM or configure a sender \
              identity with a From: address.",
    ),
};
const NO_CLIENT: NotificationFailure = NotificationFailure {
    reason: Cow::Borrowed("no_client"),
    message: Cow::Borrowed(
        "No Slack client available for this workspace. Set AWAITHUMANS_SLACK_BOT_TOKEN, or install the Slack app via the \
              OAuth flow, or attach an identity to the route (e.g. `slack+T123:#chan`).",
    ),
};
const TARGET_NOT_FOUND: NotificationFailure = NotificationFailure {
    reason: Cow::Borrowed("target_not_found"),
    message: Cow::Borrowed(
        "Could not resolve this handle to a Slack user or channel. Check the spelling and that the user is a member of \
              the workspace.",
    ),
};

impl Human {
    /// Tells everybody whom a new task's `notify` names: Slack first, then e-mail, as the real server does it.
    pub(super) fn notify(&mut self, now: Timestamp, journal: &mut Journal, task: &Task) {
        let routes = |channel: Channel| Route::of_channel(task.notify.as_deref(), channel.as_str());
        for route in routes(Channel::Slack) {
            let message = self.slack_message(now, task, &route);
            self.post(now, journal, task, message);
        }
        for route in routes(Channel::Email) {
            let message = self.email(now, task, &route);
            self.post(now, journal, task, message);
        }
    }

    /// Puts a message into the inbox; a failure goes into the audit trail too.
    fn post(&mut self, now: Timestamp, journal: &mut Journal, task: &Task, message: Notification) {
        let (id, channel, recipient) = (short(&task.id), message.channel.as_str(), &message.recipient);
        let line = match &message.failure {
            None => format!("{recipient} is told of task {id} by {channel}"),
            Some(failure) => format!("{recipient} isn't told of task {id} by {channel}: {}", failure.reason),
        };
        journal.headline(now, Party::Awaithumans, line);
        if let Some(failure) = &message.failure {
            let entry = Audit {
                to_status: task.status,
                action: "notification_failed".into(),
                actor_type: "system".into(),
                actor_email: None,
                channel: Some(channel.to_owned()),
                extra_data: Object::new()
                    .with("recipient", recipient.as_str())
                    .with("reason", failure.reason.as_ref())
                    .with("message", failure.message.as_ref())
                    .into(),
            };
            let audit_id = self.secrets.uuid_hex();
            self.store.remark(&task.id, audit_id, entry, now);
        }
        self.inbox.push(message);
    }

    fn slack_message(&self, now: Timestamp, task: &Task, route: &Route) -> Notification {
        let mut message = Notification::new(now, &task.id, Channel::Slack, &route.target);
        if !self.slack.is_configured {
            message.failure = Some(NO_CLIENT);
            return message;
        }
        if self.slack.destination(&self.users, &route.target).is_none() {
            message.failure = Some(TARGET_NOT_FOUND);
            return message;
        }
        message.text = format!("New task: {}", task.title);
        message.review_url = Some(match &task.assigned_to_user_id {
            Some(user_id) => {
                let query = Handoff::to_task(user_id, task).slack_query(&self.keys.slack_handoff);
                self.public_url(&format!("/api/auth/slack-handoff?{query}"))
            }
            None => self.public_url(&format!("/task?id={}", task.id)),
        });
        message
    }

    fn email(&mut self, now: Timestamp, task: &Task, route: &Route) -> Notification {
        let mut message = Notification::new(now, &task.id, Channel::Email, &route.target);
        let Some(sender) = self.sender(route.identity.as_deref()) else {
            message.failure = Some(NO_TRANSPORT);
            return message;
        };
        if sender.from_email.is_empty() {
            message.failure = Some(NO_FROM_ADDRESS);
            return message;
        }
        let review_url = match route.target.as_str() {
            "" => self.public_url(&format!("/task?id={}", task.id)),
            to => {
                let query = Handoff::to_task(to, task).email_query(&self.keys.email_handoff);
                self.public_url(&format!("/api/auth/email-handoff?{query}"))
            }
        };
        message.sender = Some(sender);
        message.subject = Some(format!("Review: {}", task.title));
        message.magic_links = self.magic_links(now, task, &route.target);
        message.text = text(task, &message.magic_links, &review_url);
        message.review_url = Some(review_url);
        message
    }

    /// Who sends an e-mail: the identity that the route names; without one the configured default, or the only identity that
    /// there is. An identity that isn't there leaves the default.
    fn sender(&self, identity: Option<&str>) -> Option<Sender> {
        let identity = match identity {
            Some(id) => self.identities.get(id),
            None if self
                .config
                .email
                .transport
                .as_deref()
                .is_some_and(|name| !name.is_empty()) =>
            {
                None
            }
            None => self.identities.only(),
        };
        let Some(identity) = identity else {
            return self.config.email.default_sender();
        };
        Some(Sender {
            from_email: identity.from_email.clone(),
            from_name: identity.from_name.clone(),
            reply_to: identity.reply_to.clone(),
            transport: identity.transport.to_lowercase(),
        })
    }

    fn magic_links(&mut self, now: Timestamp, task: &Task, recipient: &str) -> Vec<MagicLink> {
        let Some(question) = Question::of_form(&task.form_definition) else {
            return Vec::new();
        };
        let mut links = Vec::with_capacity(question.choices.len());
        for choice in question.choices {
            let answer = Answer {
                task_id: task.id.clone(),
                field: question.field.clone(),
                value: choice.value,
                recipient: Some(recipient.to_owned()),
                jti: token_16(&mut self.secrets),
            };
            let token = answer.to_token(&self.keys.magic_link, now);
            links.push(MagicLink {
                label: choice.label,
                url: self.public_url(&format!("{ACTION_PATH}{token}")),
            });
        }
        links
    }

    /// An address that people are given.
    pub(super) fn public_url(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.config.public_url.trim_end_matches('/'))
    }
}

/// The text of an e-mail, line by line as measured.
fn text(task: &Task, links: &[MagicLink], review_url: &str) -> String {
    let payload = match task.redact_payload {
        true => "Payload redacted.".to_owned(),
        false => payload_lines(&task.payload).join("\n"),
    };
    let mut buttons = String::new();
    if !links.is_empty() {
        buttons.push_str("Respond:\n");
        for link in links {
            buttons.push_str(&format!("  {}: {}\n", link.label, link.url));
        }
    }
    let title = &task.title;
    format!("REVIEW REQUESTED\n\n{title}\n\n{payload}\n{buttons}\nOpen task: {review_url}\n")
}

fn payload_lines(payload: &Json) -> Vec<String> {
    let entries = payload.as_object().into_iter().flat_map(Object::iter);
    let shown = |value: &Json| {
        let text = python::str(value);
        match text.chars().count() > MAX_VALUE_CHARACTERS {
            true => text.chars().take(MAX_VALUE_CHARACTERS - 3).chain(['…']).collect(),
            false => text,
        }
    };
    entries
        .map(|(key, value)| format!("  {}: {}", key.to_string_lossy(), shown(value)))
        .collect()
}

/// The sender of e-mails that name no identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmailDefaults {
    /// `AWAITHUMANS_EMAIL_TRANSPORT`: `smtp`, `resend`, `logging` or `noop`.
    pub transport: Option<String>,
    /// `AWAITHUMANS_EMAIL_FROM`.
    pub from_email: Option<String>,
    /// `AWAITHUMANS_EMAIL_FROM_NAME`.
    pub from_name: Option<String>,
    /// `AWAITHUMANS_EMAIL_REPLY_TO`.
    pub reply_to: Option<String>,
    /// `AWAITHUMANS_SMTP_HOST`, which `smtp` needs.
    pub smtp_host: Option<String>,
    /// `AWAITHUMANS_RESEND_KEY`, which `resend` needs.
    pub resend_key: Option<String>,
}

impl EmailDefaults {
    /// The sender, if the transport can be made; its address may be empty.
    fn default_sender(&self) -> Option<Sender> {
        let transport = self.transport.as_deref()?;
        let said = |value: &Option<String>| Json::from(value.clone().unwrap_or_default());
        let settings = match transport {
            "resend" => Object::new().with("api_key", said(&self.resend_key)),
            "smtp" => Object::new().with("host", said(&self.smtp_host)),
            _ => Object::new(),
        };
        identities::check_transport(transport, &settings.into()).ok()?;
        Some(Sender {
            from_email: self.from_email.clone().unwrap_or_default(),
            from_name: self.from_name.clone(),
            reply_to: self.reply_to.clone(),
            transport: transport.to_lowercase(),
        })
    }
}
