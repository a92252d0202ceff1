//! The events of a workflow task: those that it writes itself, and those that it only shows to its worker.

use temporalio_protos::temporal::api::common::v1::WorkerVersionStamp;
use temporalio_protos::temporal::api::enums::v1::{SuggestContinueAsNewReason as Reason, WorkflowTaskFailedCause};
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::history::v1::HistoryEvent;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;

use super::{Input, Kind, State, WorkflowTask, step};
use crate::clock::Timestamp;
use crate::temporal::event::event_type;
use crate::temporal::proto::{proto_duration, timestamp};
use crate::temporal::timer::Timer;
use crate::temporal::txn::Txn;
use crate::temporal::versioning::build_ids::stamp_of;

/// Who fails a task that no worker had.
const HISTORY_SERVICE: &str = "history-service";

/// The request id of a task that no worker has asked for.
const NO_REQUEST_ID: &str = "emptyUuid";

impl WorkflowTask {
    /// The run is paused: a task that no worker has fails, since nothing else would end it.
    pub(crate) fn pause_before_start(&mut self, txn: &mut Txn<'_>, normal_queue: &str) {
        let Some(next) = step(self.state, Input::PauseBeforeStart) else {
            return;
        };
        self.state = next;
        txn.stop_timer(Timer::WorkflowTaskScheduleToStart(txn.run));
        self.started_event_id = 0;
        if self.kind == Kind::Speculative {
            // As if it had been started, though by nobody.
            NO_REQUEST_ID.clone_into(&mut self.request_id);
            self.history_size_bytes = 0;
            self.suggest_reasons.clear();
            self.started_at = Timestamp::default();
            self.write_unwritten(txn, normal_queue, HISTORY_SERVICE, None);
        }
        if self.attempt == 1 {
            txn.emit(history::WorkflowTaskFailedEventAttributes {
                scheduled_event_id: self.scheduled_event_id,
                started_event_id: self.started_event_id,
                cause: WorkflowTaskFailedCause::WorkflowPauseRequestedBeforeTaskStarted as i32,
                identity: HISTORY_SERVICE.to_owned(),
                ..Default::default()
            });
        }
        // What the next task is doesn't depend on this one.
        self.sticky = None;
        self.attempt = 1;
        self.kind = Kind::Normal;
    }

    /// The events that a worker must see though they aren't written.
    pub(crate) fn unwritten_events(&self, normal_queue: &str) -> Vec<HistoryEvent> {
        match self.state {
            State::Started => self.events_outside_history(normal_queue, &self.identity),
            State::None | State::Scheduled => Vec::new(),
        }
    }

    /// The events of a task that the history doesn't have, as far as they have happened. `identity`: of the worker that has
    /// the task, as far as the reader may know; Temporal tells only that worker. Of its build it tells what versioning uses.
    pub(crate) fn events_outside_history(&self, normal_queue: &str, identity: &str) -> Vec<HistoryEvent> {
        if self.is_in_history() || self.state == State::None {
            return Vec::new();
        }
        let event = |event_id, at, attributes: history::history_event::Attributes| HistoryEvent {
            event_id,
            event_time: Some(timestamp(at)),
            event_type: event_type(&attributes) as i32,
            attributes: Some(attributes),
            ..Default::default()
        };
        let scheduled = self.scheduled_attributes(self.task_queue(normal_queue));
        let mut events = vec![event(self.scheduled_event_id, self.scheduled_at, scheduled.into())];
        if self.state == State::Started {
            let mut started = self.started_attributes();
            identity.clone_into(&mut started.identity);
            #[expect(deprecated, reason = "the real server fills it in")]
            let (version, redirects) = (&mut started.worker_version, &mut started.build_id_redirect_counter);
            *version = stamp_of(&self.build_id);
            *redirects = 0;
            events.push(event(self.started_event_id, self.started_at, started.into()));
        }
        events
    }

    /// Whether its scheduled and started events are written when they happen.
    pub(super) fn is_in_history(&self) -> bool {
        self.kind == Kind::Normal && self.attempt == 1
    }

    /// Writes the events of a transient or speculative task, now that it counts, at the times at which they happened.
    /// Temporal names in them who ends the task, not who took it.
    pub(super) fn write_unwritten(
        &mut self,
        txn: &mut Txn<'_>,
        normal_queue: &str,
        identity: &str,
        worker_version: Option<WorkerVersionStamp>,
    ) {
        if self.is_in_history() {
            return;
        }
        let task_queue = self.task_queue(normal_queue);
        identity.clone_into(&mut self.identity);
        self.worker_version = worker_version;
        self.scheduled_event_id = txn.emit_at(self.scheduled_at, self.scheduled_attributes(task_queue));
        self.started_event_id = txn.emit_at(self.started_at, self.started_attributes());
    }

    /// Something else is written while a speculative task is there. It is as if it had never been one, but that Temporal doesn't
    /// know by then which worker has it.
    pub(crate) fn become_normal(&mut self, txn: &mut Txn<'_>, normal_queue: &str) {
        if self.kind != Kind::Speculative || self.attempt > 1 {
            return;
        }
        match self.state {
            State::None => {}
            State::Scheduled => {
                let task_queue = self.task_queue(normal_queue);
                self.scheduled_event_id = txn.emit_at(self.scheduled_at, self.scheduled_attributes(task_queue));
            }
            State::Started => self.write_unwritten(txn, normal_queue, "", None),
        }
        self.kind = Kind::Normal;
    }

    /// `many_updates`: the run has had nearly as many updates as it may.
    pub(super) fn reasons_to_continue_as_new(&self, txn: &Txn<'_>, many_updates: bool) -> Vec<Reason> {
        let reasons = [
            (
                self.history_size_bytes >= txn.config.suggest_history_bytes,
                Reason::HistorySizeTooLarge,
            ),
            (
                txn.log().next_event_id() >= txn.config.suggest_history_events,
                Reason::TooManyHistoryEvents,
            ),
            (many_updates, Reason::TooManyUpdates),
        ];
        let holding = reasons.into_iter().filter(|(holds, _)| *holds);
        holding.map(|(_, reason)| reason).collect()
    }

    pub(super) fn scheduled_attributes(&self, task_queue: TaskQueue) -> history::WorkflowTaskScheduledEventAttributes {
        history::WorkflowTaskScheduledEventAttributes {
            task_queue: Some(task_queue),
            start_to_close_timeout: Some(proto_duration(self.timeout)),
            attempt: self.attempt,
        }
    }

    pub(super) fn started_attributes(&self) -> history::WorkflowTaskStartedEventAttributes {
        history::WorkflowTaskStartedEventAttributes {
            scheduled_event_id: self.scheduled_event_id,
            identity: self.identity.clone(),
            request_id: self.request_id.clone(),
            suggest_continue_as_new: !self.suggest_reasons.is_empty(),
            suggest_continue_as_new_reasons: self.suggest_reasons.iter().map(|it| *it as i32).collect(),
            target_worker_deployment_version_changed: self.target_changed,
            history_size_bytes: self.history_size_bytes,
            #[allow(deprecated)]
            worker_version: self.worker_version.clone(),
            #[allow(deprecated)]
            build_id_redirect_counter: self.redirects,
        }
    }
}
