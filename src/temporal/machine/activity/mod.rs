//! An activity: scheduled, taken by a worker, tried again, paused and let go on, and closed in one of four ways.
//!
//! The started event is written together with the event that closes the activity, since the attempts before it leave
//! no trace in the history (Temporal: `mutable_state_impl.addStartedEventForTransientActivity`).

mod attempts;
mod build;
mod describe;
mod operate;
mod pause;
mod rules;

use temporalio_protos::temporal::api::activity::v1::ActivityOptions;
use temporalio_protos::temporal::api::common::v1::{Payloads, WorkerVersionStamp};
use temporalio_protos::temporal::api::enums::v1::{RetryState, TimeoutType};
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::history::v1 as history;

use attempts::CLOCKS;
use build::Build;
pub(crate) use operate::{Pause, Reset, Unpause};

use crate::clock::Timestamp;
use crate::temporal::failure::timeout_failure;
use crate::temporal::history::{BUFFERED_EVENT_ID, NewEvent};
use crate::temporal::proto::{duration, string_payloads};
use crate::temporal::retry::timeout_name;
use crate::temporal::timer::ActivityTimer;
use crate::temporal::txn::{Note, Txn};
use crate::temporal::versioning::Version;

/// Where an activity is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A task for it waits to be taken.
    Scheduled,
    /// A worker has it.
    Started,
    /// The next attempt waits for its time.
    Backoff,
    /// Nobody has it, and nobody gets it until it is let go on. No clock runs.
    Paused,
    /// A worker has it and may finish the attempt; there is no other. No clock runs.
    PauseRequested,
    /// It has its result.
    Closed,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A worker takes the task.
    Start,
    /// The attempt failed or timed out and may be tried again.
    Retry,
    /// The wait before the next attempt is over.
    Reschedule,
    /// A client changed it while no worker has it: its task is made anew.
    Renew,
    /// A client pauses it.
    Pause,
    /// A client lets it go on.
    Unpause,
    /// The worker reports how it ended, or a timeout ends it for good.
    Close,
    /// The workflow takes it back before any worker has it.
    CancelUnstarted,
}

/// The whole life of an activity.
#[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the code to the table"))]
pub(crate) const TRANSITIONS: &[(State, Input, State)] = &[
    (State::Scheduled, Input::Start, State::Started),
    (State::Scheduled, Input::Renew, State::Backoff),
    (State::Scheduled, Input::Pause, State::Paused),
    (State::Scheduled, Input::Close, State::Closed),
    (State::Scheduled, Input::CancelUnstarted, State::Closed),
    (State::Started, Input::Retry, State::Backoff),
    (State::Started, Input::Pause, State::PauseRequested),
    (State::Started, Input::Close, State::Closed),
    (State::Backoff, Input::Reschedule, State::Scheduled),
    (State::Backoff, Input::Renew, State::Backoff),
    (State::Backoff, Input::Pause, State::Paused),
    (State::Backoff, Input::Close, State::Closed),
    (State::Backoff, Input::CancelUnstarted, State::Closed),
    (State::Paused, Input::Renew, State::Paused),
    (State::Paused, Input::Unpause, State::Backoff),
    (State::Paused, Input::Close, State::Closed),
    (State::Paused, Input::CancelUnstarted, State::Closed),
    (State::PauseRequested, Input::Retry, State::Paused),
    (State::PauseRequested, Input::Unpause, State::Started),
    (State::PauseRequested, Input::Close, State::Closed),
];

/// The next state, if the table has one.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::Scheduled, Input::Start) | (State::PauseRequested, Input::Unpause) => Some(State::Started),
        (State::Scheduled | State::Backoff, Input::Renew)
        | (State::Started, Input::Retry)
        | (State::Paused, Input::Unpause) => Some(State::Backoff),
        (State::Backoff, Input::Reschedule) => Some(State::Scheduled),
        (State::Scheduled | State::Backoff, Input::Pause)
        | (State::Paused, Input::Renew)
        | (State::PauseRequested, Input::Retry) => Some(State::Paused),
        (State::Started, Input::Pause) => Some(State::PauseRequested),
        (State::Scheduled | State::Started | State::Backoff | State::Paused | State::PauseRequested, Input::Close)
        | (State::Scheduled | State::Backoff | State::Paused, Input::CancelUnstarted) => Some(State::Closed),
        (State::Scheduled, Input::Retry | Input::Reschedule | Input::Unpause)
        | (State::Started, Input::Start | Input::Reschedule | Input::Renew | Input::Unpause | Input::CancelUnstarted)
        | (State::Backoff, Input::Start | Input::Retry | Input::Unpause)
        | (State::Paused, Input::Start | Input::Retry | Input::Reschedule | Input::Pause)
        | (
            State::PauseRequested,
            Input::Start | Input::Reschedule | Input::Renew | Input::Pause | Input::CancelUnstarted,
        )
        | (State::Closed, _) => None,
    }
}

/// Temporal's detail of a cancellation that came before any worker had the activity.
const NOT_STARTED: &str = "ACTIVITY_ID_NOT_STARTED";

/// A pending activity.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    state: State,
    scheduled_event_id: i64,
    /// As the history has it.
    attributes: Box<history::ActivityTaskScheduledEventAttributes>,
    /// As clients have changed it since; the policy's non-retryable types never change.
    options: Box<ActivityOptions>,
    scheduled_at: Timestamp,
    /// Beyond which no attempt is tried again. It stays where it was when the options change.
    retry_expiration: Option<Timestamp>,
    attempt: i32,
    attempt_scheduled_at: Timestamp,
    /// When a worker took this attempt.
    started_at: Option<Timestamp>,
    /// Who took the last attempt that was taken.
    worker_identity: String,
    /// Who sent the last heartbeat, if nobody else is known.
    reporter_identity: String,
    /// The version of the worker that had it last.
    deployment_version: Option<Version>,
    build: Build,
    request_id: String,
    heartbeat_details: Option<Payloads>,
    last_heartbeat_at: Option<Timestamp>,
    last_failure: Option<Failure>,
    /// When a worker last reported a failed attempt.
    last_attempt_completed_at: Option<Timestamp>,
    cancel_requested_event_id: Option<i64>,
    pause: Option<Pause>,
    /// Its workflow is paused: no worker gets this attempt.
    held_back: bool,
    /// A client has reset it while a worker has it.
    is_reset: bool,
    /// The next attempt doesn't get the heartbeats of the ones before it.
    resets_heartbeat: bool,
    /// The clocks that run, in the order of [`CLOCKS`].
    armed: [Option<Timestamp>; CLOCKS.len()],
}

/// What a worker says about the attempt it had.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "short-lived: moved once, from the wire into an event"
)]
pub(crate) enum Report {
    Completed(Option<Payloads>),
    Failed {
        failure: Option<Failure>,
        /// A last heartbeat that comes with the failure.
        heartbeat_details: Option<Payloads>,
    },
    Canceled(Option<Payloads>),
}

/// Who says it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reporter {
    pub(crate) identity: String,
    pub(crate) worker_version: Option<WorkerVersionStamp>,
}

/// What a heartbeat is answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeartbeatAnswer {
    pub(crate) cancel_requested: bool,
    pub(crate) paused: bool,
    pub(crate) reset: bool,
}

impl Activity {
    /// The command `ScheduleActivityTask`; timeouts and policy are filled in already. `eager`: no task goes to the queue,
    /// since the worker that asks for the activity takes it at once.
    pub(crate) fn schedule(
        txn: &mut Txn<'_>,
        attributes: history::ActivityTaskScheduledEventAttributes,
        eager: bool,
    ) -> Self {
        let scheduled_event_id = txn.emit(attributes.clone());
        let mut activity = Self::new(attributes, scheduled_event_id, txn.now);
        activity.wind_clocks(txn);
        if !eager {
            activity.offer(txn);
        }
        activity
    }

    /// As a history tells of it that goes on in another run. [`Self::resume`] offers it to workers.
    pub(crate) fn restore(
        attributes: history::ActivityTaskScheduledEventAttributes,
        scheduled_event_id: i64,
        scheduled_at: Timestamp,
    ) -> Self {
        Self::new(attributes, scheduled_event_id, scheduled_at)
    }

    /// In the run that goes on it begins anew, its clocks too (`workflowResetterImpl.failInflightActivity`).
    pub(crate) fn resume(&mut self, txn: &mut Txn<'_>) {
        self.scheduled_at = txn.now;
        self.attempt_scheduled_at = txn.now;
        let limit = duration(self.options.schedule_to_close_timeout.as_ref());
        self.retry_expiration = limit.map(|limit| txn.now + limit);
        self.wind_clocks(txn);
        self.offer(txn);
    }

    /// The history tells that the workflow wanted it to stop.
    pub(crate) fn restore_cancel_request(&mut self, cancel_requested_event_id: i64) {
        self.cancel_requested_event_id = Some(cancel_requested_event_id);
    }

    /// A worker takes the task. `false` if the task is stale: the attempt is over.
    pub(crate) fn start(&mut self, txn: &mut Txn<'_>, attempt: i32, identity: &str) -> bool {
        let Some(next) = step(self.state, Input::Start).filter(|_| attempt == self.attempt && !self.held_back) else {
            return false;
        };
        self.state = next;
        self.started_at = Some(txn.now);
        txn.effects.notes.push(Note::worker(format!(
            "{identity} runs activity {}{}",
            self.type_name(),
            match attempt {
                1 => String::new(),
                attempt => format!(", attempt {attempt}"),
            }
        )));
        identity.clone_into(&mut self.worker_identity);
        self.request_id = txn.entropy.uuid();
        self.wind_clocks(txn);
        true
    }

    /// The version of the worker that has just taken it.
    pub(crate) fn set_deployment_version(&mut self, version: Version) {
        self.deployment_version = Some(version);
    }

    /// A heartbeat of the attempt that runs.
    pub(crate) fn heartbeat(
        &mut self,
        txn: &mut Txn<'_>,
        details: Option<Payloads>,
        identity: &str,
    ) -> HeartbeatAnswer {
        if !identity.is_empty() {
            identity.clone_into(&mut self.reporter_identity);
        }
        self.record_progress(txn, details);
        HeartbeatAnswer {
            cancel_requested: self.is_cancel_requested(),
            paused: self.is_paused(),
            reset: self.is_reset,
        }
    }

    /// The worker reports. Gives whether the activity is closed (else another attempt will come).
    pub(crate) fn report(&mut self, txn: &mut Txn<'_>, report: Report, reporter: &Reporter) -> bool {
        match report {
            Report::Completed(result) => self.complete(txn, result, reporter),
            Report::Canceled(details) => self.cancel(txn, details, reporter),
            Report::Failed {
                failure,
                heartbeat_details,
            } => {
                if heartbeat_details.is_some() {
                    self.record_progress(txn, heartbeat_details);
                }
                return self.attempt_failed(txn, failure, reporter);
            }
        }
        true
    }

    /// One of its clocks ran out. Gives whether the activity is closed.
    pub(crate) fn time_out(&mut self, txn: &mut Txn<'_>, clock: ActivityTimer) -> bool {
        self.disarm(clock);
        let timeout = match clock {
            ActivityTimer::ScheduleToStart => TimeoutType::ScheduleToStart,
            ActivityTimer::ScheduleToClose => TimeoutType::ScheduleToClose,
            ActivityTimer::StartToClose => TimeoutType::StartToClose,
            ActivityTimer::Heartbeat => TimeoutType::Heartbeat,
            ActivityTimer::Retry => {
                if !self.obey_rules(txn) {
                    self.reschedule(txn);
                }
                return false;
            }
        };
        let failure = timeout_failure(format!("activity {} timeout", timeout_name(timeout)), timeout);
        match self.retry(txn, Some(&failure), Some(timeout)) {
            None => false,
            Some(retry_state) => {
                self.close_by_timeout(txn, failure, timeout, retry_state);
                true
            }
        }
    }

    /// The command `RequestCancelActivityTask`. Gives whether the activity is closed by it.
    pub(crate) fn request_cancel(
        &mut self,
        txn: &mut Txn<'_>,
        workflow_task_completed_event_id: i64,
        identity: &str,
    ) -> bool {
        let cancel_requested_event_id = txn.emit(history::ActivityTaskCancelRequestedEventAttributes {
            scheduled_event_id: self.scheduled_event_id,
            workflow_task_completed_event_id,
        });
        self.cancel_requested_event_id = Some(cancel_requested_event_id);
        let Some(next) = step(self.state, Input::CancelUnstarted) else {
            return false;
        };
        self.withdraw(txn);
        self.state = next;
        self.wind_clocks(txn);
        txn.emit(history::ActivityTaskCanceledEventAttributes {
            details: Some(string_payloads(NOT_STARTED)),
            latest_cancel_requested_event_id: cancel_requested_event_id,
            scheduled_event_id: self.scheduled_event_id,
            identity: identity.to_owned(),
            ..Default::default()
        });
        true
    }

    /// Whether this attempt waits for a worker.
    pub(crate) fn is_scheduled(&self, attempt: i32) -> bool {
        self.state == State::Scheduled && self.attempt == attempt
    }

    /// Whether a worker has it.
    pub(crate) fn is_started(&self) -> bool {
        matches!(self.state, State::Started | State::PauseRequested)
    }

    /// Whether a client has paused it.
    pub(crate) fn is_paused(&self) -> bool {
        matches!(self.state, State::Paused | State::PauseRequested)
    }

    /// The number of the current attempt, from 1.
    pub(crate) fn attempt(&self) -> i32 {
        self.attempt
    }

    /// The id that the workflow gave it.
    pub(crate) fn activity_id(&self) -> &str {
        &self.attributes.activity_id
    }

    /// Whether the workflow wants it to stop.
    pub(crate) fn is_cancel_requested(&self) -> bool {
        self.cancel_requested_event_id.is_some()
    }

    /// The name of its type.
    pub(crate) fn type_name(&self) -> &str {
        self.attributes
            .activity_type
            .as_ref()
            .map_or("", |activity_type| &activity_type.name)
    }

    fn new(
        attributes: history::ActivityTaskScheduledEventAttributes,
        scheduled_event_id: i64,
        scheduled_at: Timestamp,
    ) -> Self {
        let retry_expiration =
            duration(attributes.schedule_to_close_timeout.as_ref()).map(|limit| scheduled_at + limit);
        Self {
            state: State::Scheduled,
            scheduled_event_id,
            options: Box::new(operate::options_as_scheduled(&attributes)),
            attributes: Box::new(attributes),
            scheduled_at,
            retry_expiration,
            attempt: 1,
            attempt_scheduled_at: scheduled_at,
            started_at: None,
            worker_identity: String::new(),
            reporter_identity: String::new(),
            deployment_version: None,
            build: Build::default(),
            request_id: String::new(),
            heartbeat_details: None,
            last_heartbeat_at: None,
            last_failure: None,
            last_attempt_completed_at: None,
            cancel_requested_event_id: None,
            pause: None,
            held_back: false,
            is_reset: false,
            resets_heartbeat: false,
            armed: Default::default(),
        }
    }

    fn complete(&mut self, txn: &mut Txn<'_>, result: Option<Payloads>, reporter: &Reporter) {
        if !self.is_started() {
            // By id a client may complete what no worker has taken; the started event is made up.
            self.started_at = Some(txn.now);
            reporter.identity.clone_into(&mut self.worker_identity);
            self.request_id.clear();
            self.withdraw(txn);
        }
        self.close(txn);
        self.emit_started(txn, reporter.worker_version.clone());
        txn.emit(history::ActivityTaskCompletedEventAttributes {
            result,
            scheduled_event_id: self.scheduled_event_id,
            started_event_id: BUFFERED_EVENT_ID,
            identity: reporter.identity.clone(),
            ..Default::default()
        });
    }

    fn cancel(&mut self, txn: &mut Txn<'_>, details: Option<Payloads>, reporter: &Reporter) {
        self.close(txn);
        self.emit_started(txn, None);
        txn.emit(history::ActivityTaskCanceledEventAttributes {
            details,
            latest_cancel_requested_event_id: self.cancel_requested_event_id.unwrap_or_default(),
            scheduled_event_id: self.scheduled_event_id,
            started_event_id: BUFFERED_EVENT_ID,
            identity: reporter.identity.clone(),
            ..Default::default()
        });
    }

    fn attempt_failed(&mut self, txn: &mut Txn<'_>, failure: Option<Failure>, reporter: &Reporter) -> bool {
        self.last_attempt_completed_at = Some(txn.now);
        let Some(retry_state) = self.retry(txn, failure.as_ref(), None) else {
            return false;
        };
        self.close(txn);
        self.emit_started(txn, reporter.worker_version.clone());
        txn.emit(history::ActivityTaskFailedEventAttributes {
            failure,
            scheduled_event_id: self.scheduled_event_id,
            started_event_id: BUFFERED_EVENT_ID,
            identity: reporter.identity.clone(),
            retry_state: retry_state as i32,
            ..Default::default()
        });
        true
    }

    fn close_by_timeout(
        &mut self,
        txn: &mut Txn<'_>,
        mut failure: Failure,
        timeout: TimeoutType,
        retry_state: RetryState,
    ) {
        if retry_state == RetryState::Timeout && timeout != TimeoutType::ScheduleToStart {
            // There was no time for another attempt; Temporal calls that a schedule-to-close timeout.
            failure = timeout_failure(
                "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying"
                    .to_owned(),
                TimeoutType::ScheduleToClose,
            );
        }
        if let Some(FailureInfo::TimeoutFailureInfo(info)) = failure.failure_info.as_mut() {
            info.last_heartbeat_details.clone_from(&self.heartbeat_details);
        }
        failure.cause = self.last_failure.clone().map(Box::new);
        let was_started = self.is_started();
        if !was_started {
            self.withdraw(txn);
        }
        self.close(txn);
        if was_started {
            self.emit_started(txn, None);
        }
        txn.emit(history::ActivityTaskTimedOutEventAttributes {
            failure: Some(failure),
            scheduled_event_id: self.scheduled_event_id,
            started_event_id: if was_started { BUFFERED_EVENT_ID } else { 0 },
            retry_state: retry_state as i32,
        });
    }

    fn record_progress(&mut self, txn: &mut Txn<'_>, details: Option<Payloads>) {
        self.heartbeat_details = details;
        self.last_heartbeat_at = Some(txn.now);
        self.wind_clocks(txn);
    }

    fn close(&mut self, txn: &mut Txn<'_>) {
        if let Some(next) = step(self.state, Input::Close) {
            self.state = next;
        }
        self.wind_clocks(txn);
    }

    fn emit_started(&mut self, txn: &mut Txn<'_>, worker_version: Option<WorkerVersionStamp>) {
        let event = NewEvent::from(history::ActivityTaskStartedEventAttributes {
            scheduled_event_id: self.scheduled_event_id,
            identity: self.worker_identity.clone(),
            request_id: self.request_id.clone(),
            attempt: self.attempt,
            last_failure: self.last_failure.clone(),
            #[allow(deprecated)]
            worker_version: worker_version.or_else(|| self.started_stamp()),
            #[allow(deprecated)]
            build_id_redirect_counter: self.redirects(),
        });
        txn.emit(event.at(self.started_at.unwrap_or(txn.now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_meets_every_input() {
        use Input as I;
        use State as S;
        super::super::walk(
            &[
                S::Scheduled,
                S::Started,
                S::Backoff,
                S::Paused,
                S::PauseRequested,
                S::Closed,
            ],
            &[
                I::Start,
                I::Retry,
                I::Reschedule,
                I::Renew,
                I::Pause,
                I::Unpause,
                I::Close,
                I::CancelUnstarted,
            ],
            TRANSITIONS,
            step,
        );
    }
}
