//! What one step of a run wants to happen: collected here, applied by the engine in a fixed order.

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::Payloads;
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::history::v1 as history;

use super::config::DynamicConfig;
use super::history::{Log, NewEvent};
use super::matching::Task;
use super::nexus::OperationId;
use super::reject::Reject;
use super::rule::RulesOfRun;
use super::run::{ParentLink, RunRef, StartRun};
use super::timer::Timer;
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::journal::Party;
use crate::moment::Happening;

/// Names one RPC in flight, so that its answer finds the way back.
pub type Ticket = u64;

/// Effects of a step, in the order in which the engine applies them: timers, tasks taken back, tasks, mail, replies.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Timers to set (with a deadline) or to stop.
    pub(crate) timers: Vec<(Timer, Option<Timestamp>)>,
    /// Activities whose task must not be handed out any more: the queue, the scheduled event.
    pub(crate) withdrawn: Vec<(String, i64)>,
    /// Tasks for workers.
    pub(crate) tasks: Vec<Task>,
    /// Letters to other runs.
    pub(crate) mail: Vec<Letter>,
    /// Answers to RPCs, as encoded messages.
    pub(crate) replies: Vec<(Ticket, Result<Vec<u8>, Reject>)>,
    /// A run that goes on where this one ended.
    pub(crate) next_run: Option<Box<StartRun>>,
    /// What lists know of the run has changed: its status, its memo or its search attributes.
    pub(crate) visible: bool,
    /// Lines for the timeline.
    pub(crate) notes: Vec<Note>,
    /// What has happened that no event of the history tells.
    pub(crate) happenings: Vec<Happening>,
    /// How far the run's clock was ahead of the world's; deadlines are on the run's.
    pub(crate) ahead: Duration,
    /// How much further it is ahead now.
    pub(crate) hurry: Duration,
    /// The run's fast-forward was set, reached or taken back.
    pub(crate) fast_forward_changed: bool,
}

impl Effects {
    /// Nothing is to happen, and there is room for as much as before: most steps want something of most kinds.
    pub(crate) fn emptied(mut self) -> Self {
        self.timers.clear();
        self.withdrawn.clear();
        self.tasks.clear();
        self.mail.clear();
        self.replies.clear();
        self.notes.clear();
        self.happenings.clear();
        Self {
            timers: self.timers,
            withdrawn: self.withdrawn,
            tasks: self.tasks,
            mail: self.mail,
            replies: self.replies,
            notes: self.notes,
            happenings: self.happenings,
            ..Self::default()
        }
    }
}

/// A line for the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Who did it.
    pub party: Party,
    /// What happened, in plain words.
    pub what: String,
}

impl Note {
    /// Something that the server did.
    pub(crate) fn temporal(what: String) -> Self {
        Self {
            party: Party::Temporal,
            what,
        }
    }

    /// Something that a worker did.
    pub(crate) fn worker(what: String) -> Self {
        Self {
            party: Party::Worker,
            what,
        }
    }
}

/// What one run tells another. Delivered after the writer's step is applied, first in first out.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "short-lived: moved once, from the wire into an event"
)]
pub(crate) enum Letter {
    /// A parent starts a child.
    StartChild(Box<StartRun>),
    /// The child has started, or couldn't.
    ChildStarted {
        /// The parent to tell.
        parent: ParentLink,
        /// The child's run id, or why there is none.
        outcome: Result<ChildRun, ChildStartFailure>,
    },
    /// The child has ended.
    ChildClosed {
        /// The parent to tell.
        parent: ParentLink,
        /// The first run of the child's chain: the one that the parent knows.
        first_run_id: String,
        /// The child's last run.
        child: ChildRun,
        /// How it ended.
        outcome: ChildOutcome,
    },
    /// A workflow signals another.
    SignalExternal {
        /// Who signals, and its initiated event.
        from: RunRef,
        /// The id of the initiated event.
        initiated_event_id: i64,
        /// The signal.
        attributes: Box<history::SignalExternalWorkflowExecutionInitiatedEventAttributes>,
    },
    /// A workflow asks another to cancel.
    CancelExternal {
        /// Who asks.
        from: RunRef,
        /// The id of the initiated event.
        initiated_event_id: i64,
        /// The request.
        attributes: Box<history::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes>,
    },
    /// A nexus operation's start is to be asked for.
    StartNexusOperation(OperationId),
    /// A nexus operation's end is to be asked for.
    CancelNexusOperation(OperationId),
    /// A completion callback is to be delivered.
    DeliverCallback {
        /// The run that has closed.
        run: RunRef,
        /// Which of its callbacks.
        index: usize,
    },
    /// An update-with-start whose run closed before it took the update: the server tries once more by itself.
    RetryUpdateWithStart(Ticket),
    /// A parent has closed: its policy for this child.
    ParentClosed {
        /// The child.
        child: RunRef,
        /// Terminate, or ask to cancel.
        terminate: bool,
        /// The parent, for the child's history.
        parent: (String, String),
    },
    /// A run has ended for whose end a schedule waits.
    WatchedRunEnded {
        /// The first run of its chain.
        first_run_id: String,
    },
}

/// Names a child's run for its parent's history.
#[derive(Clone, Debug)]
pub(crate) struct ChildRun {
    /// The child.
    pub(crate) run: RunRef,
    /// Its run id.
    pub(crate) run_id: String,
}

/// Why a child couldn't start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildStartFailure {
    /// The workflow id is taken.
    AlreadyExists,
    /// The namespace isn't registered.
    NamespaceNotFound,
    /// The override's version has no workers on the child's queue.
    InvalidVersioningOverride,
}

/// How a child ended.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "short-lived: moved once, from the wire into an event"
)]
pub(crate) enum ChildOutcome {
    Completed(Option<Payloads>),
    Failed(Option<Failure>, i32),
    Canceled(Option<Payloads>),
    TimedOut(i32),
    Terminated,
}

/// One step of one run: where its machines write to.
pub(crate) struct Txn<'a> {
    /// Virtual time, on the run's clock.
    pub(crate) now: Timestamp,
    /// The run that steps.
    pub(crate) run: RunRef,
    /// Everything that leaves the run.
    pub(crate) effects: &'a mut Effects,
    /// Where ids come from.
    pub(crate) entropy: &'a mut Entropy,
    /// The settings in force.
    pub(crate) config: &'a DynamicConfig,
    /// The rules of the run's namespace.
    pub(crate) rules: Option<RulesOfRun<'a>>,
    pub(super) log: &'a mut Log,
}

impl Txn<'_> {
    /// Writes an event; type, id and time are derived from the attributes.
    pub(crate) fn emit(&mut self, event: impl Into<NewEvent>) -> i64 {
        self.log.emit(self.now, event.into())
    }

    /// As [`Self::emit`], for something that happened before.
    pub(crate) fn emit_at(&mut self, at: Timestamp, event: impl Into<NewEvent>) -> i64 {
        self.log.emit(at, event.into())
    }

    /// Sets a timer, replacing the one of that name.
    pub(crate) fn set_timer(&mut self, timer: Timer, deadline: Timestamp) {
        self.effects.timers.push((timer, Some(deadline)));
    }

    /// Stops a timer; nothing happens if it isn't set.
    pub(crate) fn stop_timer(&mut self, timer: Timer) {
        self.effects.timers.push((timer, None));
    }

    /// The history so far.
    pub(crate) fn log(&self) -> &Log {
        self.log
    }
}
