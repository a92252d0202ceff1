//! From one attempt of a standalone activity to the next: whether there is one, its task, and the clocks.

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::{Payloads, RetryPolicy};
use temporalio_protos::temporal::api::enums::v1::{RetryState, TimeoutType};
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{Failure, TimeoutFailureInfo};

use super::{Input, Outcome, StandaloneActivity, State, Step, failure};
use crate::clock::Timestamp;
use crate::temporal::failure::kept;
use crate::temporal::matching::Task;
use crate::temporal::proto::duration;
use crate::temporal::retry::{self, timeout_name};
use crate::temporal::timer::{ActivityTimer, Timer};
use crate::temporal::txn::Note;

/// The clocks in the order in which they win when they run out together. `Retry` is the one before an attempt's task.
pub(super) const CLOCKS: [ActivityTimer; 5] = [
    ActivityTimer::ScheduleToStart,
    ActivityTimer::ScheduleToClose,
    ActivityTimer::StartToClose,
    ActivityTimer::Heartbeat,
    ActivityTimer::Retry,
];

impl StandaloneActivity {
    /// Arranges the next attempt, or says why there is none.
    fn retry(
        &mut self,
        step: &mut Step<'_>,
        retryable: bool,
        asked_for: Option<Duration>,
        failure: Option<&Failure>,
    ) -> Option<RetryState> {
        if self.state == State::CancelRequested {
            return Some(RetryState::CancelRequested);
        }
        if !retryable {
            return Some(RetryState::NonRetryableFailure);
        }
        let policy = self.policy();
        if policy.maximum_attempts > 0 && self.attempt >= policy.maximum_attempts {
            return Some(RetryState::MaximumAttemptsReached);
        }
        let wait = asked_for.unwrap_or_else(|| retry::interval(&policy, self.attempt));
        if self
            .expires_at()
            .is_some_and(|expires_at| step.now + wait >= expires_at)
        {
            return Some(RetryState::Timeout);
        }
        step.effects.notes.push(Note::temporal(format!(
            "activity {} attempt {} failed ({}); next attempt in {wait:?}",
            self.type_name(),
            self.attempt,
            failure.map(|failure| failure.message.as_str()).unwrap_or_default()
        )));
        self.attempt = self.attempt.saturating_add(1);
        self.end_attempt(step, failure.cloned().map(kept), Some(wait));
        self.dispatch_at = step.now + wait;
        self.go(Input::Retry);
        match wait.is_zero() {
            true => self.dispatch(step),
            false => self.wind_clocks(step),
        }
        None
    }

    /// Its clocks, and whether each runs.
    pub(crate) fn clocks(&self) -> impl Iterator<Item = (ActivityTimer, bool)> {
        CLOCKS.into_iter().zip(self.armed.iter().map(Option::is_some))
    }

    fn end_attempt(&mut self, step: &Step<'_>, failure: Option<Failure>, wait: Option<Duration>) {
        self.last_failure = failure;
        self.attempt_completed_at = Some(step.now);
        self.current_retry_interval = wait;
    }

    pub(super) fn dispatch(&mut self, step: &mut Step<'_>) {
        if self.go(Input::Dispatch) {
            step.effects.tasks.push(Task::Standalone {
                activity: self.activity,
                queue: self.queue().into(),
                attempt: self.attempt,
            });
        }
        self.wind_clocks(step);
    }

    /// When the first task is due.
    pub(super) fn first_dispatch_at(&self) -> Timestamp {
        self.scheduled_at + duration(self.start.options.start_delay.as_ref()).unwrap_or_default()
    }

    /// When it ends, whatever happens.
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        duration(self.start.options.schedule_to_close_timeout.as_ref()).map(|limit| self.first_dispatch_at() + limit)
    }

    /// Sets and stops clocks, so that those run that should.
    pub(super) fn wind_clocks(&mut self, step: &mut Step<'_>) {
        for (index, clock) in CLOCKS.into_iter().enumerate() {
            let deadline = self.deadline(clock);
            if self.armed[index] == deadline {
                continue;
            }
            self.armed[index] = deadline;
            step.effects
                .timers
                .push((Timer::Standalone(self.activity, clock), deadline));
        }
    }

    fn deadline(&self, clock: ActivityTimer) -> Option<Timestamp> {
        if self.is_closed() {
            return None;
        }
        let options = &self.start.options;
        match clock {
            ActivityTimer::ScheduleToClose => self.expires_at(),
            ActivityTimer::ScheduleToStart if !self.is_in_progress() => {
                duration(options.schedule_to_start_timeout.as_ref()).map(|limit| self.dispatch_at + limit)
            }
            ActivityTimer::StartToClose if self.is_in_progress() => {
                let started_at = self.started_at.unwrap_or_default();
                duration(options.start_to_close_timeout.as_ref()).map(|limit| started_at + limit)
            }
            ActivityTimer::Heartbeat if self.is_in_progress() => {
                let last_sign = self.started_at.max(self.last_heartbeat_at).unwrap_or_default();
                duration(options.heartbeat_timeout.as_ref()).map(|limit| last_sign + limit)
            }
            ActivityTimer::Retry if self.state == State::Waiting => Some(self.dispatch_at),
            _ => None,
        }
    }

    fn policy(&self) -> RetryPolicy {
        self.start.options.retry_policy.clone().unwrap_or_default()
    }

    pub(super) fn attempt_failed(&mut self, step: &mut Step<'_>, reported: Option<Failure>, identity: &str) {
        let policy = self.policy();
        let retryable = retry::is_retryable(reported.as_ref(), &policy.non_retryable_error_types);
        let asked_for = retry::asked_for_delay(reported.as_ref()).filter(|delay| !delay.is_zero());
        let Some(retry_state) = self.retry(step, retryable, asked_for, reported.as_ref()) else {
            return;
        };
        identity.clone_into(&mut self.worker_identity);
        // A client must be able to tell it from one that has no result yet.
        let failure = reported.unwrap_or_else(|| Failure {
            message: "activity task failed without failure details".to_owned(),
            ..Default::default()
        });
        self.end_attempt(step, Some(failure.clone()), None);
        self.close(step, Input::Fail, Outcome::Failure(failure, retry_state));
    }

    pub(super) fn attempt_timed_out(&mut self, step: &mut Step<'_>, timeout: TimeoutType) {
        let name = timeout_name(timeout);
        let unnamed = format!("TemporalTimeout:{name}");
        let retryable = !self.policy().non_retryable_error_types.contains(&unnamed);
        let failure = timeout_failure(format!("activity {name} timeout"), timeout, None);
        if let Some(retry_state) = self.retry(step, retryable, None, Some(&failure)) {
            self.end_by_timeout(step, timeout, retry_state);
        }
    }

    /// A timeout ends it for good (Temporal: `TransitionTimedOut`).
    pub(super) fn end_by_timeout(&mut self, step: &mut Step<'_>, timeout: TimeoutType, retry_state: RetryState) {
        let before = self.last_failure.clone().map(Box::new);
        let details = self.heartbeat_details.clone();
        let of_attempt = matches!(timeout, TimeoutType::StartToClose | TimeoutType::Heartbeat);
        let message = format!("activity {} timeout", timeout_name(timeout));
        let mut failure = timeout_failure(message, timeout, details.clone());
        failure.cause.clone_from(&before);
        if of_attempt {
            self.end_attempt(step, Some(failure.clone()), None);
        }
        if of_attempt && retry_state == RetryState::Timeout {
            failure = timeout_failure(
                "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying"
                    .to_owned(),
                TimeoutType::ScheduleToClose,
                details,
            );
            failure.cause = before;
        }
        self.close(step, Input::TimeOut, Outcome::Failure(failure, retry_state));
    }
}

/// Without a source, unlike a workflow's activity's (`createStartToCloseTimeoutFailure`).
fn timeout_failure(message: String, timeout: TimeoutType, last_heartbeat_details: Option<Payloads>) -> Failure {
    let info = FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
        timeout_type: timeout as i32,
        last_heartbeat_details,
    });
    failure(message, info)
}
