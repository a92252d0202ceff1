//! What the server would have sent to people: e-mails and Slack messages, as tests read them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Human;
use crate::clock::Timestamp;

/// Something that the server told somebody, or tried to. Nothing leaves the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Notification {
    /// When.
    pub at: Timestamp,
    /// Of which task.
    pub task_id: String,
    /// Through what.
    pub channel: Channel,
    /// To whom: the target of the `notify` entry.
    pub recipient: String,
    /// An e-mail's sender and transport.
    pub sender: Option<Sender>,
    /// An e-mail's subject.
    pub subject: Option<String>,
    /// The text, as the real server writes it.
    pub text: String,
    /// The links that answer the task by a click, in the text's order.
    pub magic_links: Vec<MagicLink>,
    /// The link that leads to the task in the dashboard.
    pub review_url: Option<String>,
    /// Why nothing was sent; the task's audit trail says it too.
    pub failure: Option<NotificationFailure>,
}

/// A way to tell people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Channel {
    /// E-mail.
    Email,
    /// Slack.
    Slack,
}

impl Channel {
    /// The name in `notify` and in the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Slack => "slack",
        }
    }
}

/// Whom an e-mail is from, and what would have carried it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Sender {
    /// The address.
    pub from_email: String,
    /// The name beside it.
    pub from_name: Option<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// `smtp`, `resend`, `file`, `logging` or `noop`.
    pub transport: String,
}

/// A link that answers a task: `GET` asks for a confirmation, `POST` answers, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MagicLink {
    /// What the button says.
    pub label: String,
    /// Where it leads.
    pub url: String,
}

/// Why a notification wasn't sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NotificationFailure {
    /// The server's word for it, such as `no_transport_configured`.
    pub reason: Cow<'static, str>,
    /// The server's words for people.
    pub message: Cow<'static, str>,
}

impl Notification {
    pub(crate) fn new(at: Timestamp, task_id: &str, channel: Channel, recipient: &str) -> Self {
        Self {
            at,
            task_id: task_id.to_owned(),
            channel,
            recipient: recipient.to_owned(),
            sender: None,
            subject: None,
            text: String::new(),
            magic_links: Vec::new(),
            review_url: None,
            failure: None,
        }
    }

    /// The magic link whose button says `label`.
    pub fn magic_link(&self, label: &str) -> Option<&MagicLink> {
        self.magic_links.iter().find(|link| link.label == label)
    }
}

impl Human {
    /// Every notification, oldest first, also those that failed.
    pub fn inbox(&self) -> &[Notification] {
        &self.inbox
    }
}
