//! The workflow task: the one thing at a time that a run asks its worker to do.
//!
//! Three kinds. A normal task has its events in the history from the start. A transient one (attempt 2 and on, the
//! worker keeps failing) and a speculative one (scheduled only to deliver an update) get theirs when they complete;
//! until then the worker is shown events that aren't written.

mod events;
mod pages;
mod restore;

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::WorkerVersionStamp;
use temporalio_protos::temporal::api::enums::v1::{
    SuggestContinueAsNewReason as SuggestReason, TaskQueueKind, TimeoutType, WorkflowTaskFailedCause,
};
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflowservice::v1::RespondWorkflowTaskCompletedRequest;

use pages::Pages;
pub(crate) use pages::{BadPage, MAX_PAGES_BYTES};

use crate::clock::Timestamp;
use crate::temporal::matching::Task;
use crate::temporal::timer::Timer;
use crate::temporal::txn::Txn;
use crate::temporal::versioning::{Completed, Version};

/// Where the run's workflow task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum State {
    /// Nothing to do.
    #[default]
    None,
    /// Waits for a worker.
    Scheduled,
    /// A worker has it.
    Started,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Schedule,
    Start,
    Complete,
    Fail,
    StartToCloseTimeout,
    ScheduleToStartTimeout,
    /// The run is paused before a worker has it.
    PauseBeforeStart,
    /// The run closes from outside.
    Drop,
}

/// The whole life of a workflow task.
#[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the code to the table"))]
pub(crate) const TRANSITIONS: &[(State, Input, State)] = &[
    (State::None, Input::Schedule, State::Scheduled),
    (State::Scheduled, Input::Start, State::Started),
    (State::Scheduled, Input::ScheduleToStartTimeout, State::None),
    (State::Scheduled, Input::PauseBeforeStart, State::None),
    (State::Scheduled, Input::Drop, State::None),
    (State::Started, Input::Complete, State::None),
    (State::Started, Input::Fail, State::None),
    (State::Started, Input::StartToCloseTimeout, State::None),
    (State::Started, Input::Drop, State::None),
];

/// The next state, if the table has one.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::None, Input::Schedule) => Some(State::Scheduled),
        (State::Scheduled, Input::Start) => Some(State::Started),
        (State::Scheduled, Input::ScheduleToStartTimeout | Input::PauseBeforeStart | Input::Drop)
        | (State::Started, Input::Complete | Input::Fail | Input::StartToCloseTimeout | Input::Drop) => {
            Some(State::None)
        }
        (State::None, _) | (State::Scheduled, _) | (State::Started, _) => None,
    }
}

/// How long a speculative task waits on the normal queue for a worker before it becomes a normal one.
pub(crate) const SPECULATIVE_SCHEDULE_TO_START: Duration = Duration::from_secs(5);

/// Attempts after which the time that a worker gets for a task grows (Temporal: `workflowTaskRetryBackoffMinAttempts`).
const RETRY_BACKOFF_MIN_ATTEMPTS: i32 = 3;

/// The most that the time for a task grows (dynamic config `history.workflowTaskRetryMaxInterval`).
const RETRY_BACKOFF_MAX: Duration = Duration::from_secs(600);

/// Whether the history has the task's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    #[default]
    Normal,
    Speculative,
}

/// The worker that has the run in its cache.
#[derive(Clone, Debug)]
pub(crate) struct Sticky {
    pub(crate) queue: String,
    pub(crate) schedule_to_start: Duration,
}

/// A run's workflow task and what is kept from one to the next.
#[derive(Clone, Debug)]
pub(crate) struct WorkflowTask {
    state: State,
    kind: Kind,
    attempt: i32,
    scheduled_event_id: i64,
    started_event_id: i64,
    scheduled_at: Timestamp,
    original_scheduled_at: Timestamp,
    started_at: Timestamp,
    timeout: Duration,
    request_id: String,
    identity: String,
    history_size_bytes: i64,
    suggest_reasons: Vec<SuggestReason>,
    /// A pinned workflow hears that another version would be its target now.
    target_changed: bool,
    worker_version: Option<WorkerVersionStamp>,
    /// The build id of the worker that took it last, if it uses versioning.
    build_id: String,
    /// How often redirect rules had sent the run on then.
    redirects: i64,
    sticky: Option<Sticky>,
    last_completed_started_event_id: i64,
    last_failure: Option<Box<Failure>>,
    /// What has come of the answer to the started task, if it comes in pages.
    pages: Pages,
}

impl Default for WorkflowTask {
    fn default() -> Self {
        Self {
            state: State::None,
            kind: Kind::Normal,
            attempt: 1,
            scheduled_event_id: 0,
            started_event_id: 0,
            scheduled_at: Timestamp::default(),
            original_scheduled_at: Timestamp::default(),
            started_at: Timestamp::default(),
            timeout: Duration::ZERO,
            request_id: String::new(),
            identity: String::new(),
            history_size_bytes: 0,
            suggest_reasons: Vec::new(),
            target_changed: false,
            worker_version: None,
            build_id: String::new(),
            redirects: 0,
            sticky: None,
            last_completed_started_event_id: 0,
            last_failure: None,
            pages: Pages::default(),
        }
    }
}

impl WorkflowTask {
    /// A task is needed. Held-back events have been flushed; if there were any, `fresh_events` says so.
    pub(crate) fn schedule(
        &mut self,
        txn: &mut Txn<'_>,
        kind: Kind,
        normal_queue: &str,
        default_timeout: Duration,
        fresh_events: bool,
    ) {
        let Some(next) = step(self.state, Input::Schedule) else {
            return;
        };
        self.state = next;
        self.kind = kind;
        if fresh_events {
            self.attempt = 1;
            self.kind = Kind::Normal;
        }
        self.timeout = start_to_close(default_timeout, self.attempt);
        self.scheduled_at = txn.now;
        self.original_scheduled_at = txn.now;
        self.scheduled_event_id = if self.is_in_history() {
            let task_queue = self.task_queue(normal_queue);
            txn.emit(self.scheduled_attributes(task_queue))
        } else {
            txn.log().next_event_id()
        };
        self.offer(txn, normal_queue);
    }

    /// A worker takes the task. `false` if the task is stale.
    pub(crate) fn start(
        &mut self,
        txn: &mut Txn<'_>,
        normal_queue: &str,
        identity: &str,
        request_id: String,
        worker_version: Option<WorkerVersionStamp>,
        many_updates: bool,
    ) -> bool {
        let Some(next) = step(self.state, Input::Start) else {
            return false;
        };
        self.state = next;
        self.started_at = txn.now;
        self.request_id = request_id;
        identity.clone_into(&mut self.identity);
        self.worker_version = worker_version;
        self.history_size_bytes = txn.log().committed_size_bytes();
        self.suggest_reasons = self.reasons_to_continue_as_new(txn, many_updates);
        txn.stop_timer(Timer::WorkflowTaskScheduleToStart(txn.run));
        if !self.is_in_history() && self.scheduled_event_id != txn.log().next_event_id() {
            // Events came since: it isn't the same attempt any more, and it goes into the history.
            self.attempt = 1;
            self.kind = Kind::Normal;
            let task_queue = self.task_queue(normal_queue);
            self.scheduled_event_id = txn.emit(self.scheduled_attributes(task_queue));
        }
        self.started_event_id = if self.is_in_history() {
            txn.emit(self.started_attributes())
        } else {
            self.scheduled_event_id + 1
        };
        txn.set_timer(Timer::WorkflowTaskStartToClose(txn.run), txn.now + self.timeout);
        true
    }

    /// The worker has answered. Gives the id of the completed event, or `None` if a speculative task leaves no trace.
    pub(crate) fn complete(
        &mut self,
        txn: &mut Txn<'_>,
        request: &RespondWorkflowTaskCompletedRequest,
        normal_queue: &str,
        discard: bool,
        started_stamp: Option<WorkerVersionStamp>,
    ) -> Option<i64> {
        self.state = step(self.state, Input::Complete)?;
        self.pages = Pages::default();
        txn.stop_timer(Timer::WorkflowTaskStartToClose(txn.run));
        if self.kind == Kind::Speculative && discard {
            self.kind = Kind::Normal;
            return None;
        }
        self.write_unwritten(txn, normal_queue, &request.identity, started_stamp);
        let sdk_metadata = request.sdk_metadata.clone().map(sorted_flags);
        let worker = Completed::of(request);
        let completed_event_id = txn.emit(history::WorkflowTaskCompletedEventAttributes {
            scheduled_event_id: self.scheduled_event_id,
            started_event_id: self.started_event_id,
            identity: request.identity.clone(),
            #[allow(deprecated)]
            worker_version: request.worker_version_stamp.clone(),
            sdk_metadata,
            metering_metadata: request.metering_metadata,
            #[allow(deprecated)]
            binary_checksum: request.binary_checksum.clone(),
            worker_deployment_name: worker.deployment_name,
            deployment_version: worker.version.as_ref().map(Version::to_wire),
            versioning_behavior: worker.behavior as i32,
            ..Default::default()
        });
        self.last_completed_started_event_id = self.started_event_id;
        self.attempt = 1;
        self.kind = Kind::Normal;
        self.last_failure = None;
        Some(completed_event_id)
    }

    /// The task failed: by the worker's word, or since its commands can't be carried out. `stamp`: what the worker said of itself then.
    pub(crate) fn fail(
        &mut self,
        txn: &mut Txn<'_>,
        cause: WorkflowTaskFailedCause,
        failure: Option<Failure>,
        identity: &str,
        normal_queue: &str,
        stamp: Option<WorkerVersionStamp>,
    ) {
        let Some(next) = step(self.state, Input::Fail) else {
            return;
        };
        self.state = next;
        self.pages = Pages::default();
        txn.stop_timer(Timer::WorkflowTaskStartToClose(txn.run));
        if self.attempt == 1 {
            self.write_unwritten(txn, normal_queue, identity, stamp);
            txn.emit(history::WorkflowTaskFailedEventAttributes {
                scheduled_event_id: self.scheduled_event_id,
                started_event_id: self.started_event_id,
                cause: cause as i32,
                failure: failure.clone(),
                identity: identity.to_owned(),
                ..Default::default()
            });
        }
        // Something came while the worker was at it: that is nobody's fault, and the next attempt sees it.
        let is_fault = cause != WorkflowTaskFailedCause::UnhandledCommand;
        self.last_failure = failure.filter(|_| is_fault).map(Box::new);
        self.prepare_next_attempt();
    }

    /// A clock ran out. `false` if it doesn't concern the task as it is now.
    pub(crate) fn time_out(&mut self, txn: &mut Txn<'_>, timeout: TimeoutType, normal_queue: &str) -> bool {
        let input = match timeout {
            TimeoutType::ScheduleToStart => Input::ScheduleToStartTimeout,
            _ => Input::StartToCloseTimeout,
        };
        let Some(next) = step(self.state, input) else {
            return false;
        };
        self.state = next;
        self.pages = Pages::default();
        txn.stop_timer(Timer::WorkflowTaskStartToClose(txn.run));
        if input == Input::ScheduleToStartTimeout {
            if self.kind == Kind::Speculative {
                let task_queue = self.task_queue(normal_queue);
                self.scheduled_event_id = txn.emit_at(self.scheduled_at, self.scheduled_attributes(task_queue));
                self.kind = Kind::Normal;
            }
            self.started_event_id = 0;
        } else if self.attempt == 1 {
            self.write_unwritten(txn, normal_queue, "", None);
        }
        if self.attempt == 1 {
            txn.emit(history::WorkflowTaskTimedOutEventAttributes {
                scheduled_event_id: self.scheduled_event_id,
                started_event_id: self.started_event_id,
                timeout_type: timeout as i32,
            });
        }
        if input == Input::ScheduleToStartTimeout {
            self.sticky = None;
            self.attempt = 1;
        } else {
            self.prepare_next_attempt();
        }
        true
    }

    /// The run closes from outside: the task is of no use any more.
    pub(crate) fn drop_task(&mut self, txn: &mut Txn<'_>) {
        if let Some(next) = step(self.state, Input::Drop) {
            self.state = next;
            self.pages = Pages::default();
        }
        txn.stop_timer(Timer::WorkflowTaskStartToClose(txn.run));
        txn.stop_timer(Timer::WorkflowTaskScheduleToStart(txn.run));
    }

    /// The pages of the answer so far; only a started task has any.
    pub(crate) fn pages(&mut self) -> &mut Pages {
        &mut self.pages
    }

    /// An answered heartbeat: the next task continues this one.
    pub(crate) fn carry_original_schedule(&mut self, original_scheduled_at: Timestamp) {
        self.original_scheduled_at = original_scheduled_at;
    }

    /// Which of the kinds it is, or was.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn is_started(&self) -> bool {
        self.state == State::Started
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.state != State::None
    }

    pub(crate) fn is_speculative(&self) -> bool {
        self.kind == Kind::Speculative
    }

    pub(crate) fn attempt(&self) -> i32 {
        self.attempt
    }

    pub(crate) fn scheduled_event_id(&self) -> i64 {
        self.scheduled_event_id
    }

    pub(crate) fn started_event_id(&self) -> i64 {
        self.started_event_id
    }

    pub(crate) fn scheduled_at(&self) -> Timestamp {
        self.scheduled_at
    }

    pub(crate) fn original_scheduled_at(&self) -> Timestamp {
        self.original_scheduled_at
    }

    pub(crate) fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// The id of the started event of the last task that was completed, 0 before the first.
    pub(crate) fn last_completed_started_event_id(&self) -> i64 {
        self.last_completed_started_event_id
    }

    /// Why the last attempt failed, if it did.
    pub(crate) fn last_failure(&self) -> Option<&Failure> {
        self.last_failure.as_deref()
    }

    pub(crate) fn sticky(&self) -> Option<&Sticky> {
        self.sticky.as_ref()
    }

    pub(crate) fn set_sticky(&mut self, sticky: Option<Sticky>) {
        self.sticky = sticky;
    }

    /// What the next started event tells a pinned workflow.
    pub(crate) fn set_target_changed(&mut self, changed: bool) {
        self.target_changed = changed;
    }

    /// The build id of the worker that took the task, if it uses versioning.
    pub(crate) fn build_id(&self) -> &str {
        &self.build_id
    }

    /// A worker of this build id is about to take it; empty if it doesn't use versioning.
    pub(crate) fn set_build(&mut self, build_id: &str, redirects: i64) {
        build_id.clone_into(&mut self.build_id);
        self.redirects = redirects;
    }

    /// An attempt that isn't in the history goes to another build id than the one before: it counts as a task of its own.
    /// Its scheduled event says how many attempts there were.
    pub(crate) fn begin_anew_for(&mut self, txn: &mut Txn<'_>, normal_queue: &str, build_id: &str) {
        if self.attempt > 1 && self.build_id != build_id {
            let task_queue = self.task_queue(normal_queue);
            self.scheduled_event_id = txn.emit_at(self.scheduled_at, self.scheduled_attributes(task_queue));
            self.attempt = 1;
        }
    }

    /// Whether the task waits, and may wait elsewhere: a speculative one is soon given up by itself.
    pub(crate) fn may_be_offered_again(&self) -> bool {
        self.state == State::Scheduled && self.kind == Kind::Normal
    }

    /// The task goes to its queue again, which may be another one now.
    pub(crate) fn offer_again(&self, txn: &mut Txn<'_>, normal_queue: &str) {
        txn.stop_timer(Timer::WorkflowTaskScheduleToStart(txn.run));
        self.offer(txn, normal_queue);
    }

    /// The queue that the next task goes to.
    pub(crate) fn task_queue(&self, normal_queue: &str) -> TaskQueue {
        match &self.sticky {
            Some(sticky) => TaskQueue {
                name: sticky.queue.clone(),
                kind: TaskQueueKind::Sticky as i32,
                normal_name: normal_queue.to_owned(),
            },
            None => TaskQueue {
                name: normal_queue.to_owned(),
                kind: TaskQueueKind::Normal as i32,
                ..Default::default()
            },
        }
    }

    /// Puts the task on its queue, and the clock beside it that sends it elsewhere if nobody fetches it.
    fn offer(&self, txn: &mut Txn<'_>, normal_queue: &str) {
        let limit = match (&self.sticky, self.kind) {
            (Some(sticky), _) => Some(sticky.schedule_to_start),
            (None, Kind::Speculative) => Some(SPECULATIVE_SCHEDULE_TO_START),
            (None, Kind::Normal) => None,
        };
        if let Some(limit) = limit {
            txn.set_timer(Timer::WorkflowTaskScheduleToStart(txn.run), txn.now + limit);
        }
        txn.effects.tasks.push(Task::Workflow {
            run: txn.run,
            queue: self.sticky.as_ref().map_or(normal_queue, |sticky| &sticky.queue).into(),
            normal_queue: normal_queue.into(),
            scheduled_event_id: self.scheduled_event_id,
        });
    }

    /// A failure on the sticky queue doesn't count: the same attempt goes to any worker.
    fn prepare_next_attempt(&mut self) {
        self.attempt = match self.sticky.take() {
            Some(_) => 1,
            None => self.attempt + 1,
        };
        self.kind = Kind::Normal;
    }
}

/// The time that a worker gets, which grows with the attempts.
fn start_to_close(default_timeout: Duration, attempt: i32) -> Duration {
    if attempt <= RETRY_BACKOFF_MIN_ATTEMPTS {
        return default_timeout;
    }
    let doublings = u32::try_from(attempt - RETRY_BACKOFF_MIN_ATTEMPTS - 1)
        .unwrap_or_default()
        .min(20);
    let growth = Duration::from_secs(5)
        .saturating_mul(1 << doublings)
        .min(RETRY_BACKOFF_MAX);
    default_timeout + growth
}

/// The SDK sends its flags in random order; the history has them in ascending order.
fn sorted_flags(
    mut metadata: temporalio_protos::temporal::api::sdk::v1::WorkflowTaskCompletedMetadata,
) -> temporalio_protos::temporal::api::sdk::v1::WorkflowTaskCompletedMetadata {
    metadata.core_used_flags.sort_unstable();
    metadata.lang_used_flags.sort_unstable();
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_meets_every_input() {
        use Input as I;
        super::super::walk(
            &[State::None, State::Scheduled, State::Started],
            &[
                I::Schedule,
                I::Start,
                I::Complete,
                I::Fail,
                I::StartToCloseTimeout,
                I::ScheduleToStartTimeout,
                I::PauseBeforeStart,
                I::Drop,
            ],
            TRANSITIONS,
            step,
        );
    }

    #[test]
    fn the_time_for_a_task_grows_after_three_attempts_and_stays_bounded() {
        let ten = Duration::from_secs(10);
        assert_eq!(start_to_close(ten, 3), ten);
        assert_eq!(start_to_close(ten, 4), Duration::from_secs(15));
        assert_eq!(start_to_close(ten, 5), Duration::from_secs(20));
        assert_eq!(start_to_close(ten, i32::MAX), ten + RETRY_BACKOFF_MAX);
    }
}
