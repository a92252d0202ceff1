//! One task's life: the table of transitions, then the record and the event that moves it.

use std::borrow::Cow;

use awaithumans_temporal::wire::json::{Json, Object};
use awaithumans_temporal::wire::webhook::{Moment, Webhook};
use serde::{Deserialize, Serialize};

use super::reject::Reject;
use super::verifier::VerifierResult;
use crate::clock::Timestamp;

use Move::{Ignored, Refused, Stays, To};
use Status::{
    Assigned, Cancelled, Completed, Created, InProgress, Notified, Rejected, Submitted, TimedOut,
    VerificationExhausted, Verified,
};

/// What each action does to a task in each status, columns in the order of [`Action::ALL`].
///
/// Source: `statemachine.json`, measured on awaithumans 0.1.12 one cell at a time. Nothing in 0.1.12 sets notified, assigned,
/// in_progress, submitted or verified; a task that is put there behaves as a created one.
#[rustfmt::skip]
pub(crate) const TRANSITIONS: [(Status, [Move; 7]); 11] = [
    //                       complete       pass           reject        exhaust                    claim    cancel         expire
    (Created,               [To(Completed), To(Completed), To(Rejected), To(VerificationExhausted), Stays,   To(Cancelled), To(TimedOut)]),
    (Notified,              [To(Completed), To(Completed), To(Rejected), To(VerificationExhausted), Stays,   To(Cancelled), To(TimedOut)]),
    (Assigned,              [To(Completed), To(Completed), To(Rejected), To(VerificationExhausted), Stays,   To(Cancelled), To(TimedOut)]),
    (InProgress,            [To(Completed), To(Completed), To(Rejected), To(VerificationExhausted), Stays,   To(Cancelled), To(TimedOut)]),
    (Submitted,             [To(Completed), To(Completed), To(Rejected), To(VerificationExhausted), Stays,   To(Cancelled), To(TimedOut)]),
    (Verified,              [To(Completed), To(Completed), To(Rejected), To(VerificationExhausted), Stays,   To(Cancelled), To(TimedOut)]),
    (Rejected,              [To(Completed), To(Completed), To(Rejected), To(VerificationExhausted), Stays,   To(Cancelled), To(TimedOut)]),
    (Completed,             [Refused,       Refused,       Refused,      Refused,                   Refused, Refused,       Ignored]),
    (TimedOut,              [Refused,       Refused,       Refused,      Refused,                   Refused, Refused,       Ignored]),
    (Cancelled,             [Refused,       Refused,       Refused,      Refused,                   Refused, Refused,       Ignored]),
    (VerificationExhausted, [Refused,       Refused,       Refused,      Refused,                   Refused, Refused,       Ignored]),
];

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waiting for a person.
    Created,
    /// Declared by awaithumans, never set by 0.1.12.
    Notified,
    /// Declared by awaithumans, never set by 0.1.12 (a claimed task stays created).
    Assigned,
    /// Declared by awaithumans, never set by 0.1.12.
    InProgress,
    /// Declared by awaithumans, never set by 0.1.12.
    Submitted,
    /// Declared by awaithumans, never set by 0.1.12 (the audit trail knows an action of this name).
    Verified,
    /// A person answered. Terminal.
    Completed,
    /// The verifier refused the last answer; another may come.
    Rejected,
    /// Nobody answered in time. Terminal.
    TimedOut,
    /// An operator or the agent gave it up. Terminal.
    Cancelled,
    /// The verifier refused as many answers as it may. Terminal.
    VerificationExhausted,
}

impl Status {
    /// All statuses, in the order in which awaithumans declares them.
    pub const ALL: [Self; 11] = [
        Created,
        Notified,
        Assigned,
        InProgress,
        Submitted,
        Verified,
        Completed,
        Rejected,
        TimedOut,
        Cancelled,
        VerificationExhausted,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Created => "created",
            Notified => "notified",
            Assigned => "assigned",
            InProgress => "in_progress",
            Submitted => "submitted",
            Verified => "verified",
            Completed => "completed",
            Rejected => "rejected",
            TimedOut => "timed_out",
            Cancelled => "cancelled",
            VerificationExhausted => "verification_exhausted",
        }
    }

    /// Whether nothing can change it any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Completed | TimedOut | Cancelled | VerificationExhausted)
    }
}

/// What can happen to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// An answer to a task without verifier.
    Complete,
    /// An answer that the verifier accepts.
    Pass,
    /// An answer that the verifier refuses, with attempts left.
    Reject,
    /// An answer that the verifier refuses, the last one.
    Exhaust,
    /// An operator takes it.
    Claim,
    /// The agent or an operator gives it up.
    Cancel,
    /// Its timeout has passed.
    Expire,
}

impl Action {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 7] = [
        Self::Complete,
        Self::Pass,
        Self::Reject,
        Self::Exhaust,
        Self::Claim,
        Self::Cancel,
        Self::Expire,
    ];

    /// The column of [`TRANSITIONS`].
    fn column(self) -> usize {
        self as usize
    }

    /// The audit trail's word for it. Source: `audit_action_for` and its neighbours.
    fn audit_name(self) -> &'static str {
        match self {
            Self::Complete => "completed",
            Self::Pass => "verified",
            Self::Reject => "rejected",
            Self::Exhaust => "verification_exhausted",
            Self::Claim => "claimed",
            Self::Cancel => "cancelled",
            Self::Expire => "timed_out",
        }
    }
}

/// A cell of [`TRANSITIONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Takes this status.
    To(Status),
    /// Allowed, and the status stays.
    Stays,
    /// 409 TASK_ALREADY_TERMINAL.
    Refused,
    /// Nothing happens.
    Ignored,
}

/// The cell for a status and an action.
pub(crate) fn transition(from: Status, action: Action) -> Move {
    TRANSITIONS
        .iter()
        .find(|(status, _)| *status == from)
        .map_or(Refused, |(_, moves)| moves[action.column()])
}

/// A task, as the server stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Task {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The caller's key: one task for each.
    pub idempotency_key: String,
    /// What the person is asked: the field `task`.
    pub title: String,
    /// The data that the person sees: an object.
    #[serde(with = "super::state::json_text")]
    pub payload: Json,
    /// The payload's JSON schema: an object. Never checked, as in awaithumans.
    #[serde(with = "super::state::json_text")]
    pub payload_schema: Json,
    /// The answer's JSON schema: an object. Never checked, as in awaithumans.
    #[serde(with = "super::state::json_text")]
    pub response_schema: Json,
    /// The form, an object or `null`.
    #[serde(with = "super::state::json_text")]
    pub form_definition: Json,
    /// Labels for the person, an object of strings or `null`.
    #[serde(with = "super::state::json_text")]
    pub task_metadata: Json,
    /// Where it stands.
    pub status: Status,
    /// Whom the caller asked for, an object or `null`.
    #[serde(with = "super::state::json_text")]
    pub assign_to: Json,
    /// The address it went to.
    pub assigned_to_email: Option<String>,
    /// The user it went to, or who claimed it.
    pub assigned_to_user_id: Option<String>,
    /// Channels to tell, such as `slack:#ops`.
    pub notify: Option<Vec<String>>,
    /// An answer to start from, an object or `null`.
    #[serde(with = "super::state::json_text")]
    pub initial_response: Json,
    /// The last answer, an object, or `null`.
    #[serde(with = "super::state::json_text")]
    pub response: Json,
    /// When the answer was deleted after its delivery.
    pub response_redacted_at: Option<Timestamp>,
    /// Whether the answer is deleted after its delivery.
    pub redact_response_after_submit: bool,
    /// How answers are verified, an object or `null`.
    #[serde(with = "super::state::json_text")]
    pub verifier_config: Json,
    /// The last verdict.
    pub verifier_result: Option<VerifierResult>,
    /// How many verdicts there were.
    pub verification_attempt: i64,
    /// How long it waits for a person, 60 to 2,592,000 seconds.
    pub timeout_seconds: u64,
    /// Whether lists and the verifier may not see the payload.
    pub redact_payload: bool,
    /// Where the callback goes.
    pub callback_url: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When an answer was accepted.
    pub completed_at: Option<Timestamp>,
    /// When the scheduler noticed its timeout.
    pub timed_out_at: Option<Timestamp>,
    /// Who gave the last answer, if known.
    pub completed_by_email: Option<String>,
    /// The user who gave the last answer, if known.
    pub completed_by_user_id: Option<String>,
    /// Through what the last answer came, as the caller says.
    pub completed_via_channel: Option<String>,
}

/// An answer on its way in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Submission {
    /// An object.
    pub(crate) response: Json,
    pub(crate) by_email: Option<String>,
    pub(crate) by_user_id: Option<String>,
    pub(crate) via_channel: Option<String>,
    /// Came by a magic link: no callback is queued when it ends the task (recorded).
    pub(crate) is_untold: bool,
}

/// Something that happens to a task, with its data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Complete(Submission),
    Judged {
        submission: Submission,
        result: VerifierResult,
        attempt: i64,
        max_attempts: i64,
    },
    Claim {
        user_id: String,
        email: Option<String>,
    },
    Cancel,
    Expire,
}

impl Event {
    /// Whether the task's caller is told when this ends the task.
    pub(crate) fn is_told(&self) -> bool {
        match self {
            Self::Complete(submission) | Self::Judged { submission, .. } => !submission.is_untold,
            Self::Claim { .. } | Self::Cancel | Self::Expire => true,
        }
    }
}

/// What an event leaves in the audit trail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    pub(crate) to_status: Status,
    pub(crate) action: Cow<'static, str>,
    pub(crate) actor_type: Cow<'static, str>,
    pub(crate) actor_email: Option<String>,
    pub(crate) channel: Option<String>,
    #[serde(with = "super::state::json_text")]
    pub(crate) extra_data: Json,
}

impl Task {
    /// The workflow that its callback URL names by `?wf=`, if it has one.
    pub fn workflow_id(&self) -> Option<String> {
        let (_, query) = self.callback_url.as_deref()?.split_once('?')?;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs
            .find(|(name, _)| name == "wf")
            .map(|(_, workflow)| workflow.into_owned())
    }

    /// When its timeout passes; the scheduler notices at its next tick.
    pub fn timeout_at(&self) -> Timestamp {
        self.created_at + std::time::Duration::from_secs(self.timeout_seconds)
    }

    /// Whether answers go through the verifier. Those of redacted tasks never do.
    pub(crate) fn is_verified(&self) -> bool {
        self.verifier_config
            .as_object()
            .is_some_and(|config| !config.is_empty())
            && !self.redact_payload
    }

    /// Moves the task as the table says. An error leaves it as it was; `None` means that nothing happened.
    pub(crate) fn apply(&mut self, now: Timestamp, event: Event) -> Result<Option<Audit>, Reject> {
        let action = self.action_of(&event);
        let to = match transition(self.status, action) {
            To(status) => status,
            Stays => self.status,
            Ignored => return Ok(None),
            Refused => {
                return Err(Reject::TaskAlreadyTerminal {
                    id: self.id.clone(),
                    status: self.status,
                });
            }
        };
        let extra_data = self.write(now, to, &event)?;
        self.status = to;
        self.updated_at = now;
        Ok(Some(self.audit(action, event, extra_data)))
    }

    fn action_of(&self, event: &Event) -> Action {
        match event {
            Event::Complete(_) => Action::Complete,
            Event::Judged { result, .. } if result.passed => Action::Pass,
            Event::Judged {
                attempt, max_attempts, ..
            } if attempt >= max_attempts => Action::Exhaust,
            Event::Judged { .. } => Action::Reject,
            Event::Claim { .. } => Action::Claim,
            Event::Cancel => Action::Cancel,
            Event::Expire => Action::Expire,
        }
    }

    /// Writes the event's data; gives the audit trail's extra data back.
    fn write(&mut self, now: Timestamp, to: Status, event: &Event) -> Result<Json, Reject> {
        match event {
            Event::Complete(submission) => {
                self.write_submission(now, to, submission);
                Ok(self.submission_extra(submission, Object::new()))
            }
            Event::Judged {
                submission,
                result,
                attempt,
                ..
            } => {
                self.write_submission(now, to, submission);
                self.verification_attempt = *attempt;
                self.verifier_result = Some(result.clone());
                let verdict = Object::new()
                    .with("verifier_passed", result.passed)
                    .with("verification_attempt", self.verification_attempt)
                    .with("verifier_reason", result.reason.as_str());
                Ok(self.submission_extra(submission, verdict))
            }
            Event::Claim { user_id, email } => {
                if self.assigned_to_user_id.is_some() {
                    return Err(Reject::TaskAlreadyClaimed { id: self.id.clone() });
                }
                self.assigned_to_user_id = Some(user_id.clone());
                self.assigned_to_email.clone_from(email);
                Ok(Object::new().with("user_id", user_id.as_str()).into())
            }
            Event::Cancel => Ok(Json::Null),
            Event::Expire => {
                self.timed_out_at = Some(now);
                let seconds = i64::try_from(self.timeout_seconds).unwrap_or(i64::MAX);
                Ok(Object::new().with("timeout_seconds", seconds).into())
            }
        }
    }

    fn write_submission(&mut self, now: Timestamp, to: Status, submission: &Submission) {
        self.response = submission.response.clone();
        self.completed_by_email.clone_from(&submission.by_email);
        self.completed_by_user_id.clone_from(&submission.by_user_id);
        self.completed_via_channel.clone_from(&submission.via_channel);
        if to == Completed {
            self.completed_at = Some(now);
        }
    }

    fn submission_extra(&self, submission: &Submission, verdict: Object) -> Json {
        let mut extra = Object::new();
        let keys = submission.response.as_object().filter(|response| !response.is_empty());
        if let Some(response) = keys.filter(|_| !self.redact_payload) {
            let keys = response.iter().map(|(key, _)| Json::String(key.clone())).collect();
            extra.insert("response_keys".into(), Json::Array(keys));
        }
        for (key, value) in verdict.iter() {
            extra.insert(key.clone(), value.clone());
        }
        if extra.is_empty() { Json::Null } else { extra.into() }
    }

    fn audit(&self, action: Action, event: Event, extra_data: Json) -> Audit {
        let (actor_type, actor_email, channel) = match event {
            Event::Complete(submission) | Event::Judged { submission, .. } => {
                ("human", submission.by_email, submission.via_channel)
            }
            Event::Claim { email, .. } => ("human", email, Some("dashboard".to_owned())),
            Event::Cancel => ("agent", None, None),
            Event::Expire => ("system", None, None),
        };
        Audit {
            to_status: self.status,
            action: action.audit_name().into(),
            actor_type: actor_type.into(),
            actor_email,
            channel,
            extra_data,
        }
    }

    /// The callback's body for the task as it stands.
    pub(crate) fn webhook(&self) -> Webhook {
        Webhook {
            task_id: self.id.clone(),
            idempotency_key: self.idempotency_key.clone(),
            status: self.status.as_str().to_owned(),
            response: self.response.clone(),
            completed_at: self.completed_at.map(moment),
            timed_out_at: self.timed_out_at.map(moment),
            completed_by_email: self.completed_by_email.clone(),
            completed_via_channel: self.completed_via_channel.clone(),
            verification_attempt: self.verification_attempt,
        }
    }
}

/// Virtual time as awaithumans stores it: whole microseconds.
pub(crate) fn moment(timestamp: Timestamp) -> Moment {
    Moment::from_microseconds(timestamp.as_microseconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The measured table says for each action of a client what became of the task; ours must say the same.
    #[test]
    fn every_status_and_every_action_do_what_was_measured() {
        let table = include_str!("../../fixtures/awaithumans-0.1.12/statemachine.json");
        let cells: Vec<serde_json::Value> = serde_json::from_str(table).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for cell in &cells {
            let from = cell["from"].as_str().unwrap().trim_end_matches('*');
            let claimed = from.ends_with("+claimed");
            let from = status(from.trim_end_matches("+claimed"));
            let Some(action) = measured_action(cell["action"].as_str().unwrap()) else {
                continue;
            };
            seen.insert((from, action.column()));
            let moved = transition(from, action);
            let after = match moved {
                To(status) => status,
                Stays | Refused | Ignored => from,
            };
            assert_eq!(
                after.as_str(),
                cell["to"].as_str().unwrap().trim_end_matches('*'),
                "{cell}"
            );
            let already_claimed = claimed && action == Action::Claim;
            let refused = moved == Refused || already_claimed;
            assert_eq!(cell["http"] == 409, refused, "{cell}");
            let queued = after != from && after.is_terminal();
            assert_eq!(cell["hooks"] == 1, queued, "{cell}");
        }
        // The verifier was measured from created, rejected and the terminal statuses; the rest was measured from everywhere.
        assert_eq!(seen.len(), 11 * 4 + 6 * 3);
        assert_eq!(TRANSITIONS.map(|(status, _)| status).len(), Status::ALL.len());
        for (index, action) in Action::ALL.into_iter().enumerate() {
            assert_eq!(action.column(), index);
        }
    }

    #[test]
    fn a_terminal_status_is_left_by_nothing() {
        for status in Status::ALL {
            for action in Action::ALL {
                let leaves = matches!(transition(status, action), To(_) | Stays);
                assert_eq!(leaves, !status.is_terminal(), "{status:?} {action:?}");
            }
        }
    }

    fn status(name: &str) -> Status {
        Status::ALL.into_iter().find(|status| status.as_str() == name).unwrap()
    }

    /// Which action a measured one was; `None` for those that only read, and for the magic link, whose page always has status 200.
    fn measured_action(name: &str) -> Option<Action> {
        Some(match name {
            "complete" | "complete operator session" | "complete embed" => Action::Complete,
            "complete verifier pass" => Action::Pass,
            "complete verifier reject" => Action::Reject,
            "complete verifier last reject" => Action::Exhaust,
            "claim operator" => Action::Claim,
            "cancel" => Action::Cancel,
            "timeout passes" => Action::Expire,
            _ => return None,
        })
    }
}
