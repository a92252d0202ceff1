//! An activity: scheduled, taken by a worker, tried again, and closed in one of four ways.
//!
//! The started event is written together with the event that closes the activity, since the attempts before it leave
//! no trace in the history (Temporal: `mutable_state_impl.addTransientActivityStartedEvent`).

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::{Payloads, RetryPolicy, WorkerVersionStamp};
use temporalio_protos::temporal::api::enums::v1::{PendingActivityState, RetryState, TimeoutType};
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{Failure, TimeoutFailureInfo};
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::workflow::v1::PendingActivityInfo;

use crate::clock::Timestamp;
use crate::temporal::history::{BUFFERED_EVENT_ID, NewEvent};
use crate::temporal::matching::Task;
use crate::temporal::proto::{duration, proto_duration, timestamp};
use crate::temporal::retry::{self, Next, timeout_name};
use crate::temporal::timer::{ActivityTimer, Timer};
use crate::temporal::txn::{Note, Txn};
use crate::temporal::versioning::Version;

/// Where an activity is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A task for it waits to be taken.
    Scheduled,
    /// A worker has it.
    Started,
    /// An attempt failed; the next one waits for its time.
    Backoff,
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
    /// The worker reports how it ended, or a timeout ends it for good.
    Close,
    /// The workflow takes it back before any worker has it.
    CancelUnstarted,
}

/// The whole life of an activity.
#[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the code to the table"))]
pub(crate) const TRANSITIONS: &[(State, Input, State)] = &[
    (State::Scheduled, Input::Start, State::Started),
    (State::Scheduled, Input::Close, State::Closed),
    (State::Scheduled, Input::CancelUnstarted, State::Closed),
    (State::Started, Input::Retry, State::Backoff),
    (State::Started, Input::Close, State::Closed),
    (State::Backoff, Input::Reschedule, State::Scheduled),
    (State::Backoff, Input::Close, State::Closed),
    (State::Backoff, Input::CancelUnstarted, State::Closed),
];

/// The next state, if the table has one.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::Scheduled, Input::Start) => Some(State::Started),
        (State::Started, Input::Retry) => Some(State::Backoff),
        (State::Backoff, Input::Reschedule) => Some(State::Scheduled),
        (State::Scheduled | State::Started | State::Backoff, Input::Close)
        | (State::Scheduled | State::Backoff, Input::CancelUnstarted) => Some(State::Closed),
        (State::Scheduled, Input::Retry | Input::Reschedule)
        | (State::Started, Input::Start | Input::Reschedule | Input::CancelUnstarted)
        | (State::Backoff, Input::Start | Input::Retry)
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
    attributes: Box<history::ActivityTaskScheduledEventAttributes>,
    scheduled_at: Timestamp,
    attempt: i32,
    attempt_scheduled_at: Timestamp,
    started_at: Timestamp,
    worker_identity: String,
    worker_version: Option<WorkerVersionStamp>,
    /// The version of the worker that had it last.
    deployment_version: Option<Version>,
    request_id: String,
    heartbeat_details: Option<Payloads>,
    last_heartbeat_at: Option<Timestamp>,
    last_failure: Option<Failure>,
    cancel_requested_event_id: Option<i64>,
}

/// What a worker says about the attempt it had.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "short-lived: moved once, from the wire into an event"
)]
pub(crate) enum Report {
    Completed(Option<Payloads>),
    Failed(Failure),
    Canceled(Option<Payloads>),
}

impl Activity {
    /// The command `ScheduleActivityTask`; timeouts and policy are filled in already.
    pub(crate) fn schedule(
        txn: &mut Txn<'_>,
        attributes: history::ActivityTaskScheduledEventAttributes,
        user_metadata: Option<temporalio_protos::temporal::api::sdk::v1::UserMetadata>,
    ) -> Self {
        let event = NewEvent::from(attributes.clone()).with_user_metadata(user_metadata);
        let scheduled_event_id = txn.emit(event);
        let activity = Self::new(attributes, scheduled_event_id, txn.now);
        activity.begin(txn);
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
        self.begin(txn);
    }

    /// The history tells that the workflow wanted it to stop.
    pub(crate) fn restore_cancel_request(&mut self, cancel_requested_event_id: i64) {
        self.cancel_requested_event_id = Some(cancel_requested_event_id);
    }

    /// A worker takes the task. `false` if the task is stale: the attempt is over.
    pub(crate) fn start(
        &mut self,
        txn: &mut Txn<'_>,
        attempt: i32,
        identity: &str,
        worker_version: Option<WorkerVersionStamp>,
    ) -> bool {
        let Some(next) = step(self.state, Input::Start).filter(|_| attempt == self.attempt) else {
            return false;
        };
        self.state = next;
        self.started_at = txn.now;
        txn.effects.notes.push(Note::worker(format!(
            "{identity} runs activity {}{}",
            self.type_name(),
            match attempt {
                1 => String::new(),
                attempt => format!(", attempt {attempt}"),
            }
        )));
        identity.clone_into(&mut self.worker_identity);
        self.worker_version = worker_version;
        self.request_id = txn.entropy.uuid();
        txn.stop_timer(self.timer(txn, ActivityTimer::ScheduleToStart));
        if let Some(limit) = duration(self.attributes.start_to_close_timeout.as_ref()) {
            txn.set_timer(self.timer(txn, ActivityTimer::StartToClose), txn.now + limit);
        }
        self.expect_heartbeat(txn);
        true
    }

    /// The version of the worker that has just taken it.
    pub(crate) fn set_deployment_version(&mut self, version: Version) {
        self.deployment_version = Some(version);
    }

    /// The task goes to its queue again, which may send it to other workers now. One that waits for its next attempt waits
    /// no longer, as with Temporal. `delay` doesn't count for the time on the queue.
    pub(crate) fn offer_again(&mut self, txn: &mut Txn<'_>, delay: Duration) {
        match self.state {
            State::Scheduled | State::Backoff => {}
            State::Started | State::Closed => return,
        }
        self.attempt_scheduled_at += delay;
        if self.state == State::Backoff {
            txn.stop_timer(self.timer(txn, ActivityTimer::Retry));
            self.reschedule(txn);
        } else {
            self.offer(txn);
        }
        if let Some(limit) = duration(self.attributes.schedule_to_start_timeout.as_ref()) {
            let deadline = self.attempt_scheduled_at + limit;
            txn.set_timer(self.timer(txn, ActivityTimer::ScheduleToStart), deadline);
        }
    }

    /// A heartbeat of the attempt that runs. Gives whether the workflow wants the activity to stop.
    pub(crate) fn heartbeat(&mut self, txn: &mut Txn<'_>, details: Option<Payloads>) -> bool {
        self.heartbeat_details = details;
        self.last_heartbeat_at = Some(txn.now);
        self.expect_heartbeat(txn);
        self.cancel_requested_event_id.is_some()
    }

    /// The worker reports. Gives whether the activity is closed (else another attempt will come).
    pub(crate) fn report(&mut self, txn: &mut Txn<'_>, report: Report, identity: &str) -> bool {
        if let Report::Failed(failure) = report {
            return self.attempt_failed(txn, failure, identity);
        }
        self.close(txn);
        let (scheduled_event_id, started_event_id) = (self.scheduled_event_id, BUFFERED_EVENT_ID);
        self.emit_started(txn);
        match report {
            Report::Completed(result) => txn.emit(history::ActivityTaskCompletedEventAttributes {
                result,
                scheduled_event_id,
                started_event_id,
                identity: identity.to_owned(),
                ..Default::default()
            }),
            Report::Canceled(details) => txn.emit(history::ActivityTaskCanceledEventAttributes {
                details,
                latest_cancel_requested_event_id: self.cancel_requested_event_id.unwrap_or_default(),
                scheduled_event_id,
                started_event_id,
                identity: identity.to_owned(),
                ..Default::default()
            }),
            Report::Failed(_) => unreachable!("handled above"),
        };
        true
    }

    /// One of its clocks ran out. Gives whether the activity is closed.
    pub(crate) fn time_out(&mut self, txn: &mut Txn<'_>, clock: ActivityTimer) -> bool {
        let timeout = match clock {
            ActivityTimer::ScheduleToStart => TimeoutType::ScheduleToStart,
            ActivityTimer::ScheduleToClose => TimeoutType::ScheduleToClose,
            ActivityTimer::StartToClose => TimeoutType::StartToClose,
            ActivityTimer::Heartbeat => TimeoutType::Heartbeat,
            ActivityTimer::Retry => {
                self.reschedule(txn);
                return false;
            }
        };
        let mut failure = timeout_failure(format!("activity {} timeout", timeout_name(timeout)), timeout);
        let retry_state = match self.retry(txn, &failure, Some(timeout)) {
            None => return false,
            Some(retry_state) => retry_state,
        };
        if retry_state == RetryState::Timeout && timeout != TimeoutType::ScheduleToStart {
            // There was no time for another attempt; Temporal calls that a schedule-to-close timeout.
            failure = timeout_failure(
                "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying"
                    .to_owned(),
                TimeoutType::ScheduleToClose,
            );
        }
        if let Some(FailureInfo::TimeoutFailureInfo(info)) = failure.failure_info.as_mut() {
            info.last_heartbeat_details = self.heartbeat_details.clone();
        }
        failure.cause = self.last_failure.clone().map(Box::new);
        let was_started = self.state == State::Started;
        self.close(txn);
        if was_started {
            self.emit_started(txn);
        }
        txn.emit(history::ActivityTaskTimedOutEventAttributes {
            failure: Some(failure),
            scheduled_event_id: self.scheduled_event_id,
            started_event_id: if was_started { BUFFERED_EVENT_ID } else { 0 },
            retry_state: retry_state as i32,
        });
        true
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
        self.state = next;
        self.stop_timers(txn);
        txn.emit(history::ActivityTaskCanceledEventAttributes {
            details: Some(crate::temporal::proto::string_payloads(NOT_STARTED)),
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

    /// Whether this attempt is in a worker's hands.
    pub(crate) fn is_started(&self, attempt: i32) -> bool {
        self.state == State::Started && self.attempt == attempt
    }

    /// The number of the current attempt, from 1.
    pub(crate) fn attempt(&self) -> i32 {
        self.attempt
    }

    /// The id that the workflow gave it.
    pub(crate) fn activity_id(&self) -> &str {
        &self.attributes.activity_id
    }

    /// What was scheduled.
    pub(crate) fn attributes(&self) -> &history::ActivityTaskScheduledEventAttributes {
        &self.attributes
    }

    /// The details of the last heartbeat, for the next attempt.
    pub(crate) fn heartbeat_details(&self) -> Option<&Payloads> {
        self.heartbeat_details.as_ref()
    }

    /// When it was scheduled, when this attempt was, and when a worker took this attempt.
    pub(crate) fn times(&self) -> (Timestamp, Timestamp, Timestamp) {
        (self.scheduled_at, self.attempt_scheduled_at, self.started_at)
    }

    /// Whether the workflow wants it to stop.
    pub(crate) fn is_cancel_requested(&self) -> bool {
        self.cancel_requested_event_id.is_some()
    }

    /// As `DescribeWorkflowExecution` shows it.
    pub(crate) fn describe(&self) -> PendingActivityInfo {
        let state = match self.state {
            _ if self.cancel_requested_event_id.is_some() => PendingActivityState::CancelRequested,
            State::Started => PendingActivityState::Started,
            State::Scheduled | State::Backoff | State::Closed => PendingActivityState::Scheduled,
        };
        let expiration = duration(self.attributes.schedule_to_close_timeout.as_ref())
            .map(|limit| timestamp(self.scheduled_at + limit));
        PendingActivityInfo {
            activity_id: self.attributes.activity_id.clone(),
            activity_type: self.attributes.activity_type.clone(),
            state: state as i32,
            heartbeat_details: self.heartbeat_details.clone(),
            last_heartbeat_time: self.last_heartbeat_at.map(timestamp),
            last_started_time: (self.started_at != Timestamp::default()).then(|| timestamp(self.started_at)),
            attempt: self.attempt,
            maximum_attempts: self.policy().map_or(0, |policy| policy.maximum_attempts),
            scheduled_time: Some(timestamp(self.attempt_scheduled_at)),
            expiration_time: expiration,
            last_failure: self.last_failure.clone(),
            last_worker_identity: self.worker_identity.clone(),
            priority: self.attributes.priority.clone(),
            #[allow(deprecated)]
            last_worker_deployment_version: self
                .deployment_version
                .as_ref()
                .map(Version::dotted)
                .unwrap_or_default(),
            last_deployment_version: self.deployment_version.as_ref().map(Version::to_wire),
            ..Default::default()
        }
    }

    fn new(
        attributes: history::ActivityTaskScheduledEventAttributes,
        scheduled_event_id: i64,
        scheduled_at: Timestamp,
    ) -> Self {
        Self {
            state: State::Scheduled,
            scheduled_event_id,
            attributes: Box::new(attributes),
            scheduled_at,
            attempt: 1,
            attempt_scheduled_at: scheduled_at,
            started_at: Timestamp::default(),
            worker_identity: String::new(),
            worker_version: None,
            deployment_version: None,
            request_id: String::new(),
            heartbeat_details: None,
            last_heartbeat_at: None,
            last_failure: None,
            cancel_requested_event_id: None,
        }
    }

    fn begin(&self, txn: &mut Txn<'_>) {
        if let Some(limit) = duration(self.attributes.schedule_to_close_timeout.as_ref()) {
            txn.set_timer(self.timer(txn, ActivityTimer::ScheduleToClose), txn.now + limit);
        }
        self.offer(txn);
    }

    fn attempt_failed(&mut self, txn: &mut Txn<'_>, failure: Failure, identity: &str) -> bool {
        let Some(retry_state) = self.retry(txn, &failure, None) else {
            return false;
        };
        self.close(txn);
        self.emit_started(txn);
        txn.emit(history::ActivityTaskFailedEventAttributes {
            failure: Some(failure),
            scheduled_event_id: self.scheduled_event_id,
            started_event_id: BUFFERED_EVENT_ID,
            identity: identity.to_owned(),
            retry_state: retry_state as i32,
            ..Default::default()
        });
        true
    }

    /// Arranges the next attempt, or says why there is none.
    fn retry(&mut self, txn: &mut Txn<'_>, failure: &Failure, timeout: Option<TimeoutType>) -> Option<RetryState> {
        let Some(policy) = self.policy() else {
            return Some(RetryState::RetryPolicyNotSet);
        };
        if self.is_cancel_requested() {
            return Some(RetryState::CancelRequested);
        }
        if matches!(
            timeout,
            Some(TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose)
        ) {
            return Some(RetryState::Timeout);
        }
        let expiration =
            duration(self.attributes.schedule_to_close_timeout.as_ref()).map(|limit| self.scheduled_at + limit);
        let wait = match retry::next(policy, self.attempt, Some(failure), txn.now, expiration) {
            Next::Stop(retry_state) => return Some(retry_state),
            Next::Retry(wait) => wait,
        };
        self.back_off(txn, failure, wait);
        None
    }

    fn back_off(&mut self, txn: &mut Txn<'_>, failure: &Failure, wait: Duration) {
        txn.effects.notes.push(Note::temporal(format!(
            "activity {} attempt {} failed ({}); next attempt in {wait:?}",
            self.type_name(),
            self.attempt,
            failure.message
        )));
        if let Some(next) = step(self.state, Input::Retry) {
            self.state = next;
        }
        self.attempt += 1;
        self.last_failure = Some(failure.clone());
        self.attempt_scheduled_at = txn.now + wait;
        txn.stop_timer(self.timer(txn, ActivityTimer::StartToClose));
        txn.stop_timer(self.timer(txn, ActivityTimer::Heartbeat));
        txn.set_timer(self.timer(txn, ActivityTimer::Retry), txn.now + wait);
    }

    fn reschedule(&mut self, txn: &mut Txn<'_>) {
        if let Some(next) = step(self.state, Input::Reschedule) {
            self.state = next;
            self.offer(txn);
        }
    }

    /// Puts a task for this attempt on its queue.
    fn offer(&self, txn: &mut Txn<'_>) {
        if let Some(limit) = duration(self.attributes.schedule_to_start_timeout.as_ref()) {
            txn.set_timer(self.timer(txn, ActivityTimer::ScheduleToStart), txn.now + limit);
        }
        let queue = self.attributes.task_queue.clone().unwrap_or_default().name;
        txn.effects.tasks.push(Task::Activity {
            run: txn.run,
            queue,
            scheduled_event_id: self.scheduled_event_id,
            attempt: self.attempt,
        });
    }

    fn expect_heartbeat(&self, txn: &mut Txn<'_>) {
        if let Some(limit) = duration(self.attributes.heartbeat_timeout.as_ref()) {
            txn.set_timer(self.timer(txn, ActivityTimer::Heartbeat), txn.now + limit);
        }
    }

    fn close(&mut self, txn: &mut Txn<'_>) {
        if let Some(next) = step(self.state, Input::Close) {
            self.state = next;
        }
        self.stop_timers(txn);
    }

    fn stop_timers(&self, txn: &mut Txn<'_>) {
        use ActivityTimer as T;
        for clock in [
            T::ScheduleToStart,
            T::ScheduleToClose,
            T::StartToClose,
            T::Heartbeat,
            T::Retry,
        ] {
            txn.stop_timer(self.timer(txn, clock));
        }
    }

    fn emit_started(&mut self, txn: &mut Txn<'_>) {
        txn.emit(history::ActivityTaskStartedEventAttributes {
            scheduled_event_id: self.scheduled_event_id,
            identity: self.worker_identity.clone(),
            request_id: self.request_id.clone(),
            attempt: self.attempt,
            last_failure: self.last_failure.clone(),
            #[allow(deprecated)]
            worker_version: self.worker_version.clone(),
            ..Default::default()
        });
    }

    fn type_name(&self) -> &str {
        self.attributes
            .activity_type
            .as_ref()
            .map_or("", |activity_type| &activity_type.name)
    }

    fn policy(&self) -> Option<&RetryPolicy> {
        self.attributes.retry_policy.as_ref()
    }

    fn timer(&self, txn: &Txn<'_>, clock: ActivityTimer) -> Timer {
        Timer::Activity(txn.run, self.scheduled_event_id, clock)
    }
}

/// The failure that Temporal itself writes for a timeout.
fn timeout_failure(message: String, timeout: TimeoutType) -> Failure {
    Failure {
        message,
        source: "Server".to_owned(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
            timeout_type: timeout as i32,
            last_heartbeat_details: None,
        })),
        ..Default::default()
    }
}

/// Fills in the timeouts and the policy that the command left open, as Temporal's command validator does.
///
/// `run_timeout` is the workflow's own limit, zero if it has none.
pub(crate) fn with_defaults(
    mut attributes: history::ActivityTaskScheduledEventAttributes,
    run_timeout: Duration,
) -> Result<history::ActivityTaskScheduledEventAttributes, String> {
    let limited = |value: Duration| match run_timeout.is_zero() {
        true => value,
        false => value.min(run_timeout),
    };
    let schedule_to_close = duration(attributes.schedule_to_close_timeout.as_ref());
    let schedule_to_start = duration(attributes.schedule_to_start_timeout.as_ref());
    let start_to_close = duration(attributes.start_to_close_timeout.as_ref());
    let (close, start, attempt) = match (schedule_to_close, start_to_close) {
        (Some(close), _) => (
            close,
            schedule_to_start.map_or(close, |start| start.min(close)),
            start_to_close.map_or(close, |attempt| attempt.min(close)),
        ),
        (None, Some(attempt)) => (run_timeout, schedule_to_start.unwrap_or(run_timeout), attempt),
        (None, None) => {
            return Err(format!(
                "A valid StartToClose or ScheduleToCloseTimeout is not set on command. ActivityId={} ActivityType={}",
                attributes.activity_id,
                attributes.activity_type.unwrap_or_default().name
            ));
        }
    };
    let attempt = limited(attempt);
    let heartbeat = duration(attributes.heartbeat_timeout.as_ref()).unwrap_or_default();
    attributes.schedule_to_close_timeout = Some(proto_duration(limited(close)));
    attributes.schedule_to_start_timeout = Some(proto_duration(limited(start)));
    attributes.start_to_close_timeout = Some(proto_duration(attempt));
    attributes.heartbeat_timeout = Some(proto_duration(heartbeat.min(attempt)));
    attributes.retry_policy = Some(retry::with_defaults(attributes.retry_policy.as_ref()));
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_meets_every_input() {
        use Input as I;
        super::super::walk(
            &[State::Scheduled, State::Started, State::Backoff, State::Closed],
            &[I::Start, I::Retry, I::Reschedule, I::Close, I::CancelUnstarted],
            TRANSITIONS,
            step,
        );
    }

    #[test]
    fn a_command_without_any_timeout_is_refused_by_name() {
        let attributes = history::ActivityTaskScheduledEventAttributes {
            activity_id: "7".to_owned(),
            ..Default::default()
        };
        let refusal = with_defaults(attributes, Duration::ZERO).unwrap_err();
        assert!(
            refusal.contains("StartToClose") && refusal.contains("ActivityId=7"),
            "{refusal}"
        );
    }

    #[test]
    fn schedule_to_close_bounds_the_others() {
        let seconds = |n| Some(proto_duration(Duration::from_secs(n)));
        let attributes = history::ActivityTaskScheduledEventAttributes {
            schedule_to_close_timeout: seconds(10),
            start_to_close_timeout: seconds(30),
            heartbeat_timeout: seconds(20),
            ..Default::default()
        };
        let filled = with_defaults(attributes, Duration::ZERO).unwrap();
        assert_eq!(filled.start_to_close_timeout, seconds(10));
        assert_eq!(filled.schedule_to_start_timeout, seconds(10));
        assert_eq!(filled.heartbeat_timeout, seconds(10));
    }
}
