//! What a scenario is played on: the workflows, and the world around them.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::fault::Span;
use crate::human::{DEFAULT_MAX_ATTEMPTS, MAX_MAX_ATTEMPTS, MAX_TIMEOUT_SECONDS, MIN_TIMEOUT_SECONDS, Profile, Timing};

/// The most workflows of one scenario.
const MAX_COUNT: u32 = 100;

/// The workflows of a scenario. Unless [`Self::workflow_type`] names one of the user's own, they are the built-in approval: each asks a person,
/// one question after the other, and pays when all answers are `{"approved": true}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a caller names what it sets and takes the rest from `default`"
)]
pub struct WorkflowSettings {
    /// What ids begin with: `approval-1`, `approval-2`, ….
    pub id: String,
    /// How many there are.
    pub count: u32,
    /// How long after each the next one starts.
    pub every: Span,
    /// What a person is asked. With several questions the number is added: `… (question 2)`.
    pub title: String,
    /// How long a person has for each question.
    pub timeout: Span,
    /// How many questions each workflow asks.
    pub questions: u32,
    /// The idempotency key of every question of every workflow; if it isn't said, each question has its own: `temporal:approval-1`, and from
    /// the second on `temporal:approval-1:2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A verifier looks at answers, and refuses at most so many; without it there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifier_attempts: Option<u32>,
    /// Who is asked, by e-mail address; anybody if it isn't said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign_to: Option<String>,
    /// How many workers there are: `worker-1`, `worker-2`, ….
    pub workers: u32,
    /// Whether the bank of the built-in workflow knows a payment again by its idempotency key. One that doesn't pays twice when an activity
    /// is tried again.
    pub pays_once: bool,
    /// The type of the user's own workflow, for `--temporal`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub workflow_type: Option<String>,
    /// Its input, for `--temporal`: any JSON, in which `{awaithumans}`, `{callback}` and `{workflow}` stand for both addresses and the
    /// workflow's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<serde_json::Value>,
}

impl Default for WorkflowSettings {
    fn default() -> Self {
        Self {
            id: "approval".to_owned(),
            count: 1,
            every: Span::default(),
            title: "Pay $250 to cus_demo?".to_owned(),
            timeout: Span::from_seconds(7 * 86_400),
            questions: 1,
            key: None,
            verifier_attempts: None,
            assign_to: None,
            workers: 1,
            pays_once: true,
            workflow_type: None,
            input: None,
        }
    }
}

impl WorkflowSettings {
    /// The default number of attempts, for scenarios with a verifier.
    pub const DEFAULT_ATTEMPTS: u32 = DEFAULT_MAX_ATTEMPTS as u32;

    /// The ids, in the order in which the workflows start.
    pub fn ids(&self) -> impl Iterator<Item = String> + use<'_> {
        (1..=self.count).map(|number| format!("{}-{number}", self.id))
    }

    /// The idempotency key of a question, counted from 1.
    pub fn key_of(&self, workflow_id: &str, question: u32) -> String {
        match (&self.key, question) {
            (Some(key), _) => key.clone(),
            (None, 1) => format!("temporal:{workflow_id}"),
            (None, question) => format!("temporal:{workflow_id}:{question}"),
        }
    }

    /// The title of a question, counted from 1.
    pub fn title_of(&self, question: u32) -> String {
        match self.questions {
            1 => self.title.clone(),
            _ => format!("{} (question {question})", self.title),
        }
    }

    /// All keys, and all titles.
    pub(super) fn keys(&self) -> Vec<String> {
        let questions = |id: String| (1..=self.questions).map(move |question| self.key_of(&id, question));
        self.ids().flat_map(questions).collect()
    }

    pub(super) fn titles(&self) -> Vec<String> {
        (1..=self.questions).map(|question| self.title_of(question)).collect()
    }

    /// The names of fields that can't be so, why, and what would help.
    pub(super) fn problems(&self) -> Vec<(&'static str, String, String)> {
        let mut problems = Vec::new();
        let mut within = |field, value: u32, limit: u32| {
            if !(1..=limit).contains(&value) {
                problems.push((
                    field,
                    format!("{value} isn't between 1 and {limit}"),
                    format!("write {field} = 1"),
                ));
            }
        };
        within("count", self.count, MAX_COUNT);
        within("questions", self.questions, 10);
        within("workers", self.workers, 10);
        within(
            "verifier_attempts",
            self.verifier_attempts.unwrap_or(1),
            MAX_MAX_ATTEMPTS as u32,
        );
        let seconds = i64::try_from(self.timeout.get().as_secs()).unwrap_or(i64::MAX);
        if !(MIN_TIMEOUT_SECONDS..=MAX_TIMEOUT_SECONDS).contains(&seconds) || self.timeout.get().subsec_nanos() > 0 {
            let what = format!(
                "awaithumans takes timeouts of 1m to 30d, in whole seconds, not {}",
                self.timeout
            );
            problems.push(("timeout", what, "write timeout = \"7d\"".to_owned()));
        }
        if self.id.is_empty() {
            let fix = "write id = \"approval\", or leave it out";
            problems.push(("id", "it is empty".to_owned(), fix.to_owned()));
        }
        if self.workflow_type.is_none() && self.input.is_some() {
            let fix = "say `type`, which workflow it is for, or leave it out";
            problems.push((
                "input",
                "the built-in workflow takes no input".to_owned(),
                fix.to_owned(),
            ));
        }
        problems
    }
}

/// The world around the workflows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a caller names what it sets and takes the rest from `default`"
)]
pub struct WorldSettings {
    /// When it starts; 2026-01-01T00:00:00Z, a Thursday, if it isn't said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Timestamp>,
    /// Which release of awaithumans it is.
    pub release: Release,
    /// When awaithumans does what is due.
    pub timing: TimingName,
    /// Whether the receiver has the key that webhooks are signed with.
    pub receiver_key: ReceiverKey,
    /// How long the world goes on when all workflows have ended, so that what comes late is seen.
    pub afterwards: Span,
}

impl Default for WorldSettings {
    fn default() -> Self {
        Self {
            start_at: None,
            release: Release::default(),
            timing: TimingName::default(),
            receiver_key: ReceiverKey::default(),
            afterwards: Span::from_seconds(10 * 86_400),
        }
    }
}

/// A release of awaithumans: see [`Profile`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Release {
    /// Webhooks are queued, and retried for three days.
    #[default]
    #[serde(rename = "0.1.12")]
    V0_1_12,
    /// Webhooks are sent once.
    #[serde(rename = "0.1.0")]
    V0_1_0,
}

impl From<Release> for Profile {
    fn from(release: Release) -> Self {
        match release {
            Release::V0_1_12 => Self::V0_1_12,
            Release::V0_1_0 => Self::V0_1_0,
        }
    }
}

/// When awaithumans does what is due: see [`Timing`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimingName {
    /// At its ticks, every 5 s.
    #[default]
    Ticks,
    /// At once.
    Exact,
}

impl From<TimingName> for Timing {
    fn from(name: TimingName) -> Self {
        match name {
            TimingName::Ticks => Self::Ticks,
            TimingName::Exact => Self::Exact,
        }
    }
}

/// Which key the receiver verifies webhooks with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReceiverKey {
    /// The server's.
    #[default]
    Same,
    /// Another: the two `AWAITHUMANS_PAYLOAD_KEY`s differ.
    Other,
}
