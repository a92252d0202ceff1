//! A run that grows too large: a step that takes it beyond a limit counts for nothing, and the run is terminated instead.
//!
//! Temporal looks when a step is to be written (`enforceHistorySizeCheck` and what follows it): at the size that the history has without
//! the step, and at the number of events with it. The step is dropped, and whoever asked for it is refused.

use prost::Message;
use temporalio_protos::temporal::api::common::v1::{Payload, Payloads};
use temporalio_protos::temporal::api::enums::v1::WorkflowTaskFailedCause as Cause;

use super::workflow_task::HISTORY_SERVICE;
use super::{Context, Run};
use crate::temporal::config::DynamicConfig;
use crate::temporal::history::Mark;
use crate::temporal::machine::workflow_task::Kind;
use crate::temporal::reject::Reject;
use crate::temporal::timer::Timer;
use crate::temporal::txn::Effects;

/// Events that one step may write without a look at the limit before it; a limit that is lower is always looked at.
const EVENTS_OF_A_STEP: i64 = 8 * 1024;

/// What the events of an answer take beside what the worker sent, in bytes.
const ROOM_FOR_EVENT_BYTES: usize = 64 * 1024;

/// The limit that a step would break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    HistorySize,
    HistoryCount,
    StateSize,
}

impl Exceeded {
    /// As it stands in the terminated event and in the refusal.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::HistorySize => "Workflow history size exceeds limit.",
            Self::HistoryCount => "Workflow history count exceeds limit.",
            Self::StateSize => "Workflow mutable state size exceeds limit.",
        }
    }
}

impl From<Exceeded> for Reject {
    fn from(exceeded: Exceeded) -> Self {
        Self::InvalidArgument(exceeded.reason().to_owned())
    }
}

/// A run as it was before a step.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Without its history.
    run: Box<Run>,
    history: Mark,
}

impl Run {
    /// What is needed to go back, if the next step might take the run beyond a limit.
    pub(crate) fn snapshot_near_limits(&mut self, config: &DynamicConfig) -> Option<Snapshot> {
        let events = self.log.last_event_id() + self.log.held_back().len() as i64;
        let is_near = self.log.size_bytes() > config.history_bytes || events + EVENTS_OF_A_STEP > config.history_events;
        (self.is_running() && is_near).then(|| self.snapshot())
    }

    fn snapshot(&mut self) -> Snapshot {
        let log = std::mem::take(&mut self.log);
        let run = Box::new(self.clone());
        self.log = log;
        Snapshot {
            run,
            history: self.log.mark(),
        }
    }

    /// As [`Self::snapshot_near_limits`], if what a worker sends might be too much, in all or to be written at once.
    pub(super) fn snapshot_before_answer(
        &mut self,
        context: &Context<'_>,
        sent: usize,
        sent_bytes: usize,
    ) -> Option<Snapshot> {
        let bytes = sent_bytes + self.log.held_back_bytes() + ROOM_FOR_EVENT_BYTES;
        let events = self.log.last_event_id() + (sent as i64).saturating_mul(2) + EVENTS_OF_A_STEP;
        let is_large = bytes > context.config.transaction_bytes || events > context.config.history_events;
        is_large.then(|| self.snapshot())
    }

    /// Ends the run if the answer to a workflow task since then was too much, as if it had never been.
    pub(super) fn limit_answer(&mut self, context: &mut Context<'_>, before: Option<Snapshot>) -> Result<(), Reject> {
        let Some(before) = before else {
            return Ok(());
        };
        if let Some(exceeded) = self.exceeds_limits(context, Some(&before)) {
            self.end_instead(context, Some(before), exceeded);
            return Err(exceeded.into());
        }
        let (bytes, limit) = (
            self.log.largest_batch_bytes(&before.history),
            context.config.transaction_bytes,
        );
        if bytes <= limit {
            return Ok(());
        }
        *context.effects = Effects::default();
        self.restore(Some(before));
        let why = format!("transaction size of {bytes} bytes exceeds limit of {limit} bytes");
        let details = Some(json_payloads(&why));
        let reason = "Transaction size exceeds limit.";
        self.terminate(context, reason, details, HISTORY_SERVICE, Vec::new());
        Err(Reject::InvalidArgument(why))
    }

    /// The limit that the step since then has broken, if it has changed anything that is kept and the run goes on.
    pub(crate) fn exceeds_limits(&self, context: &Context<'_>, before: Option<&Snapshot>) -> Option<Exceeded> {
        let before = before.filter(|_| self.is_running())?;
        if !self.has_written(context, &before.history) {
            return None;
        }
        let config = context.config;
        match () {
            () if before.history.size_bytes() > config.history_bytes => Some(Exceeded::HistorySize),
            () if self.log.events_before_late_flush() > config.history_events => Some(Exceeded::HistoryCount),
            () => None,
        }
    }

    /// Whether the step since then is one that Temporal writes down.
    fn has_written(&self, context: &Context<'_>, before: &Mark) -> bool {
        let effects = &context.effects;
        let set = |timer: &Timer| !matches!(timer, Timer::QueryScheduleToStart(_));
        let is_speculative = self.machines.workflow_task.kind() == Kind::Speculative;
        self.log.counts() != before.counts()
            || effects.visible
            || !effects.mail.is_empty()
            || (!is_speculative && effects.timers.iter().any(|(timer, _)| set(timer)))
    }

    /// The run is terminated, and nothing else of the step counts.
    pub(crate) fn end_instead(&mut self, context: &mut Context<'_>, before: Option<Snapshot>, exceeded: Exceeded) {
        *context.effects = Effects::default();
        self.restore(before);
        self.terminate(context, exceeded.reason(), None, HISTORY_SERVICE, Vec::new());
    }

    /// The step has never been.
    fn restore(&mut self, before: Option<Snapshot>) {
        if let Some(Snapshot { run, history }) = before {
            let mut log = std::mem::take(&mut self.log);
            log.go_back(history);
            *self = *run;
            self.log = log;
        }
    }

    /// Ends the run if the details of a heartbeat would make too large what a server keeps of it (`enforceMutableStateSizeCheck`).
    ///
    /// Nothing else can: inputs and results are in the history, and all that a run has beside has limits of its own that are
    /// lower in sum. A server's record has a name, a time or a number more for each part; that isn't counted here.
    pub(super) fn limit_state(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        details: Option<&Payloads>,
    ) -> Result<(), Reject> {
        let Some(details) = details else {
            return Ok(());
        };
        let others = self
            .machines
            .activities
            .iter()
            .filter(|(id, _)| **id != scheduled_event_id);
        let of_activities: usize = others.map(|(_, activity)| activity.kept_bytes()).sum();
        let of_memo = self.start.memo.as_ref().map_or(0, Message::encoded_len);
        let of_attributes = self.start.search_attributes.as_ref().map_or(0, Message::encoded_len);
        let kept_bytes = details.encoded_len() + of_activities + of_memo + of_attributes + self.log.held_back_bytes();
        if kept_bytes <= context.config.state_bytes {
            return Ok(());
        }
        let exceeded = Exceeded::StateSize;
        self.terminate(context, exceeded.reason(), None, HISTORY_SERVICE, Vec::new());
        Err(exceeded.into())
    }

    /// With too many events held back, or too large ones, the workflow task that they wait for fails. Gives whether it did.
    pub(crate) fn limit_held_back(&mut self, context: &mut Context<'_>) -> bool {
        let config = context.config;
        let too_many =
            self.log.held_back().len() > config.held_back_events || self.log.held_back_bytes() > config.held_back_bytes;
        if !too_many || !self.is_running() || !self.machines.workflow_task.is_started() {
            return false;
        }
        let queue = self.start.task_queue.clone();
        let (machines, mut txn) = self.open(context);
        let cause = Cause::ForceCloseCommand;
        machines
            .workflow_task
            .fail(&mut txn, cause, None, HISTORY_SERVICE, &queue, None);
        self.unsend_updates();
        // Before the next task is there: the worker finds them, but it is another attempt at the same task.
        self.flush();
        self.schedule_workflow_task(context, Kind::Normal);
        true
    }
}

/// A text as Temporal's own converter encodes it.
fn json_payloads(text: &str) -> Payloads {
    Payloads {
        payloads: vec![Payload {
            metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
            data: serde_json::Value::from(text).to_string().into_bytes(),
            ..Default::default()
        }],
    }
}
