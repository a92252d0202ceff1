//! Named moments: what happens, in the words of the domain, and how a test names it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kinds of things that happen. What [`Happening::of`] and [`Happening::detail`] say is beside each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MomentKind {
    /// A task is on the awaithumans server. Of an idempotency key; the workflow that its callback URL names.
    TaskCreated,
    /// The verifier has refused an answer, and the task is open still. Of an idempotency key.
    AnswerRejected,
    /// A task is over. Of an idempotency key; its status.
    TaskEnded,
    /// A webhook leaves. Of an idempotency key; the number of the attempt.
    WebhookSent,
    /// An attempt to deliver a webhook is over. Of an idempotency key; the receiver's HTTP status, or the error.
    WebhookAnswered,
    /// A workflow waits for a person: its task is on the server, and it has nothing else to do. Of a workflow id.
    Parked,
    /// A run begins. Of a workflow id; its type.
    WorkflowStarted,
    /// A signal is in a workflow's history, or will be with the end of its workflow task. Of a workflow id; the signal's name.
    SignalRecorded,
    /// A worker has a workflow task. Of a workflow id; the worker's identity.
    WorkflowTaskStarted,
    /// A workflow task was answered. Of a workflow id.
    WorkflowTaskCompleted,
    /// A workflow task failed. Of a workflow id; the cause.
    WorkflowTaskFailed,
    /// A worker let a workflow task time out. Of a workflow id.
    WorkflowTaskTimedOut,
    /// A worker has an activity task. Of an activity type; the worker's identity.
    ActivityStarted,
    /// An activity gave its result. Of an activity type; the workflow id.
    ActivityCompleted,
    /// An activity failed for good. Of an activity type; the workflow id.
    ActivityFailed,
    /// An activity timed out for good. Of an activity type; the workflow id.
    ActivityTimedOut,
    /// A timer of a workflow fired. Of a workflow id; the timer's id.
    TimerFired,
    /// A run is over. Of a workflow id; how: `completed`, `failed`, `canceled`, `terminated`, `timed_out`, `continued_as_new`.
    WorkflowClosed,
    /// Any event of a history. Of a workflow id; its type as Temporal's API writes it, `TIMER_STARTED` say. Only rules see these: no list
    /// of what has happened keeps them, since histories do.
    HistoryEvent,
    /// A worker polls. Of its identity.
    WorkerStarted,
    /// A worker is killed. Of its identity.
    WorkerCrashed,
    /// The awaithumans server's process ends.
    ServerStopped,
    /// The awaithumans server's process starts.
    ServerStarted,
    /// A fault rule did what it is there for. Of the fault's name.
    FaultFired,
}

impl MomentKind {
    /// All of them, for reports that say what was never seen.
    pub const ALL: [Self; 24] = [
        Self::TaskCreated,
        Self::AnswerRejected,
        Self::TaskEnded,
        Self::WebhookSent,
        Self::WebhookAnswered,
        Self::Parked,
        Self::WorkflowStarted,
        Self::SignalRecorded,
        Self::WorkflowTaskStarted,
        Self::WorkflowTaskCompleted,
        Self::WorkflowTaskFailed,
        Self::WorkflowTaskTimedOut,
        Self::ActivityStarted,
        Self::ActivityCompleted,
        Self::ActivityFailed,
        Self::ActivityTimedOut,
        Self::TimerFired,
        Self::WorkflowClosed,
        Self::HistoryEvent,
        Self::WorkerStarted,
        Self::WorkerCrashed,
        Self::ServerStopped,
        Self::ServerStarted,
        Self::FaultFired,
    ];

    /// The name in scenario files, such as `task_created`.
    pub fn name(self) -> &'static str {
        match self {
            Self::TaskCreated => "task_created",
            Self::AnswerRejected => "answer_rejected",
            Self::TaskEnded => "task_ended",
            Self::WebhookSent => "webhook_sent",
            Self::WebhookAnswered => "webhook_answered",
            Self::Parked => "parked",
            Self::WorkflowStarted => "workflow_started",
            Self::SignalRecorded => "signal_recorded",
            Self::WorkflowTaskStarted => "workflow_task_started",
            Self::WorkflowTaskCompleted => "workflow_task_completed",
            Self::WorkflowTaskFailed => "workflow_task_failed",
            Self::WorkflowTaskTimedOut => "workflow_task_timed_out",
            Self::ActivityStarted => "activity_started",
            Self::ActivityCompleted => "activity_completed",
            Self::ActivityFailed => "activity_failed",
            Self::ActivityTimedOut => "activity_timed_out",
            Self::TimerFired => "timer_fired",
            Self::WorkflowClosed => "workflow_closed",
            Self::HistoryEvent => "history_event",
            Self::WorkerStarted => "worker_started",
            Self::WorkerCrashed => "worker_crashed",
            Self::ServerStopped => "server_stopped",
            Self::ServerStarted => "server_started",
            Self::FaultFired => "fault_fired",
        }
    }
}

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Happening {
    /// What.
    pub kind: MomentKind,
    /// To whom or what: see [`MomentKind`].
    pub of: String,
    /// What else there is to say: see [`MomentKind`].
    pub detail: String,
}

impl Happening {
    pub(crate) fn new(kind: MomentKind, of: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            kind,
            of: of.into(),
            detail: detail.into(),
        }
    }
}

/// A moment that a test can wait for, crash a worker at, or tie a fault to.
///
/// ```
/// use awaithumans_testkit::{Moment, MomentKind};
///
/// let second_task = Moment::of_kind(MomentKind::WorkflowTaskCompleted).of("refund-1").nth(2);
/// assert_eq!(second_task.to_string(), "the 2nd workflow_task_completed of refund-1");
/// assert_eq!(Moment::parked("refund-1").to_string(), "parked of refund-1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    pub(crate) kind: MomentKind,
    pub(crate) of: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) nth: u32,
}

impl Moment {
    /// The first time that something of this kind happens, to anybody.
    pub fn of_kind(kind: MomentKind) -> Self {
        Self {
            kind,
            of: None,
            detail: None,
            nth: 1,
        }
    }

    /// Any task is on the awaithumans server.
    pub fn task_created() -> Self {
        Self::of_kind(MomentKind::TaskCreated)
    }

    /// The workflow waits for a person: its task is on the server, and it has nothing else to do.
    pub fn parked(workflow_id: impl Into<String>) -> Self {
        Self::of_kind(MomentKind::Parked).of(workflow_id)
    }

    /// The workflow has ended, in any way.
    pub fn closed(workflow_id: impl Into<String>) -> Self {
        Self::of_kind(MomentKind::WorkflowClosed).of(workflow_id)
    }

    /// An event of this type is in the history of any workflow, unless [`Self::of`] says which. The type is written as Temporal's API
    /// does, `TIMER_STARTED` say.
    pub fn history_event(event_type: impl Into<String>) -> Self {
        Self::of_kind(MomentKind::HistoryEvent).detail(event_type)
    }

    /// Only if it happens to this one: see [`MomentKind`].
    #[must_use]
    pub fn of(mut self, of: impl Into<String>) -> Self {
        self.of = Some(of.into());
        self
    }

    /// Only if there is just this to say of it: see [`MomentKind`].
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Not the first time, but this one, counted from 1.
    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = nth;
        self
    }

    /// Whether this is one of the times that are counted.
    pub fn matches(&self, happening: &Happening) -> bool {
        self.kind == happening.kind
            && self.of.as_ref().is_none_or(|of| *of == happening.of)
            && self.detail.as_ref().is_none_or(|detail| *detail == happening.detail)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nth != 1 {
            write!(f, "the {} ", ordinal(self.nth))?;
        }
        f.write_str(self.kind.name())?;
        if let Some(of) = &self.of {
            write!(f, " of {of}")?;
        }
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

/// `1st`, `2nd`, `3rd`, `11th`.
pub(crate) fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_serde_writes() {
        for kind in MomentKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn a_moment_without_details_is_anybodys() {
        let happened = Happening::new(MomentKind::TaskEnded, "temporal:refund-1", "completed");
        let ended = Moment::of_kind(MomentKind::TaskEnded);
        assert!(ended.matches(&happened));
        assert!(
            ended
                .clone()
                .of("temporal:refund-1")
                .detail("completed")
                .matches(&happened)
        );
        assert!(!ended.clone().of("temporal:refund-2").matches(&happened));
        assert!(!ended.detail("timed_out").matches(&happened));
        assert!(!Moment::task_created().matches(&happened));
    }

    #[test]
    fn ordinals() {
        let numbers = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111];
        let words = numbers.map(ordinal);
        assert_eq!(
            words,
            [
                "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"
            ]
        );
    }
}
