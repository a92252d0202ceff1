//! From one attempt of an activity to the next: whether there is one, its task, and the clocks.

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::RetryPolicy;
use temporalio_protos::temporal::api::enums::v1::{RetryState, TimeoutType};
use temporalio_protos::temporal::api::failure::v1::Failure;

use super::{Activity, Input, State, step};
use crate::clock::Timestamp;
use crate::temporal::failure::kept;
use crate::temporal::matching::Task;
use crate::temporal::proto::duration;
use crate::temporal::retry::{self, Next};
use crate::temporal::timer::{ActivityTimer, Timer};
use crate::temporal::txn::{Note, Txn};

/// The clocks in the order in which they win when they run out together.
///
/// Temporal: schedule-to-start before schedule-to-close (`timer_sequence.Less`). In virtual time an attempt may start at
/// the very moment when it was scheduled; in real time it never does, so schedule-to-close wins over start-to-close.
pub(super) const CLOCKS: [ActivityTimer; 5] = [
    ActivityTimer::ScheduleToStart,
    ActivityTimer::ScheduleToClose,
    ActivityTimer::StartToClose,
    ActivityTimer::Heartbeat,
    ActivityTimer::Retry,
];

impl Activity {
    /// Arranges the next attempt, or says why there is none.
    pub(super) fn retry(
        &mut self,
        txn: &mut Txn<'_>,
        failure: Option<&Failure>,
        timeout: Option<TimeoutType>,
    ) -> Option<RetryState> {
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
        if !retry::is_retryable(failure, &policy.non_retryable_error_types) {
            return Some(RetryState::NonRetryableFailure);
        }
        if self.is_paused() || self.obey_rules(txn) {
            // However many attempts there were: the next one comes when a client lets it go on.
            self.fail_while_paused(txn, failure);
            return None;
        }
        let policy = self.policy()?;
        match retry::next_of_activity(policy, self.attempt, failure, txn.now, self.retry_expiration) {
            Next::Stop(retry_state) => Some(retry_state),
            Next::Retry(wait) => {
                self.back_off(txn, failure, wait);
                None
            }
        }
    }

    fn back_off(&mut self, txn: &mut Txn<'_>, failure: Option<&Failure>, wait: Duration) {
        txn.effects.notes.push(Note::temporal(format!(
            "activity {} attempt {} failed ({}); next attempt in {wait:?}",
            self.type_name(),
            self.attempt,
            failure.map(|failure| failure.message.as_str()).unwrap_or_default()
        )));
        if let Some(next) = step(self.state, Input::Retry) {
            self.state = next;
        }
        self.attempt = self.attempt.saturating_add(1);
        // A pause of the workflow stops the attempts that it found, not one that comes after.
        self.held_back = false;
        self.plan_attempt(failure.cloned(), txn.now + wait);
        self.wind_clocks(txn);
    }

    fn fail_while_paused(&mut self, txn: &mut Txn<'_>, failure: Option<&Failure>) {
        if let Some(next) = step(self.state, Input::Retry) {
            self.state = next;
        }
        self.attempt = self.attempt.saturating_add(1);
        self.last_failure = failure.cloned().map(kept);
        self.forget_start();
        self.wind_clocks(txn);
    }

    /// Forgets the attempt before (Temporal: `UpdateActivityInfoForRetries`).
    pub(super) fn plan_attempt(&mut self, failure: Option<Failure>, scheduled_at: Timestamp) {
        self.attempt_scheduled_at = scheduled_at;
        self.forget_start();
        self.reporter_identity.clone_from(&self.worker_identity);
        self.last_failure = failure.map(kept);
        if self.resets_heartbeat {
            self.heartbeat_details = None;
            self.last_heartbeat_at = None;
        }
        self.is_reset = false;
        self.resets_heartbeat = false;
    }

    fn forget_start(&mut self) {
        self.started_at = None;
        self.request_id.clear();
    }

    pub(super) fn reschedule(&mut self, txn: &mut Txn<'_>) {
        if let Some(next) = step(self.state, Input::Reschedule) {
            self.state = next;
            self.offer(txn);
            self.wind_clocks(txn);
        }
    }

    /// The task goes to its queue again, which may send it to other workers now. One that waits for its next attempt waits
    /// no longer, as with Temporal. `delay` doesn't count for the time on the queue.
    pub(crate) fn offer_again(&mut self, txn: &mut Txn<'_>, delay: Duration) {
        match self.state {
            State::Scheduled | State::Backoff => self.attempt_scheduled_at += delay,
            State::Started | State::Paused | State::PauseRequested | State::Closed => return,
        }
        match self.state == State::Backoff {
            true => self.reschedule(txn),
            false => self.offer(txn),
        }
        self.wind_clocks(txn);
    }

    /// Puts a task for this attempt on its queue.
    pub(crate) fn offer(&self, txn: &mut Txn<'_>) {
        txn.effects.tasks.push(Task::Activity {
            run: txn.run,
            queue: self.queue().into(),
            scheduled_event_id: self.scheduled_event_id,
            attempt: self.attempt,
        });
    }

    /// Takes the task off its queue again, if it is there.
    pub(super) fn withdraw(&self, txn: &mut Txn<'_>) {
        if self.state == State::Scheduled {
            txn.effects.withdrawn.push((self.queue(), self.scheduled_event_id));
        }
    }

    fn queue(&self) -> String {
        self.options.task_queue.clone().unwrap_or_default().name
    }

    /// Sets and stops clocks, so that those run that should.
    pub(super) fn wind_clocks(&mut self, txn: &mut Txn<'_>) {
        for (index, clock) in CLOCKS.into_iter().enumerate() {
            let deadline = self.deadline(clock);
            if self.armed[index] == deadline {
                continue;
            }
            self.armed[index] = deadline;
            let timer = Timer::Activity(txn.run, self.scheduled_event_id, clock);
            match deadline {
                Some(deadline) => txn.set_timer(timer, deadline),
                None => txn.stop_timer(timer),
            }
        }
    }

    /// A clock has run out, so it doesn't run any more.
    pub(super) fn disarm(&mut self, clock: ActivityTimer) {
        for (armed, of) in self.armed.iter_mut().zip(CLOCKS) {
            if of == clock {
                *armed = None;
            }
        }
    }

    /// Its clocks, and whether each runs.
    pub(crate) fn clocks(&self) -> impl Iterator<Item = (ActivityTimer, bool)> {
        CLOCKS.into_iter().zip(self.armed.iter().map(Option::is_some))
    }

    /// Whether its paused workflow keeps this attempt from all workers.
    pub(crate) fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// When a clock runs out, if it runs (Temporal: `timer_sequence`).
    fn deadline(&self, clock: ActivityTimer) -> Option<Timestamp> {
        if self.is_paused() || self.state == State::Closed {
            return None;
        }
        let options = &self.options;
        match clock {
            ActivityTimer::ScheduleToClose => {
                duration(options.schedule_to_close_timeout.as_ref()).map(|limit| self.scheduled_at + limit)
            }
            ActivityTimer::ScheduleToStart if !self.is_started() => {
                duration(options.schedule_to_start_timeout.as_ref()).map(|limit| self.attempt_scheduled_at + limit)
            }
            ActivityTimer::StartToClose if self.is_started() => duration(options.start_to_close_timeout.as_ref())
                .map(|limit| self.started_at.unwrap_or_default() + limit),
            ActivityTimer::Heartbeat if self.is_started() => {
                let last_sign = self.started_at.max(self.last_heartbeat_at).unwrap_or_default();
                duration(options.heartbeat_timeout.as_ref()).map(|limit| last_sign + limit)
            }
            ActivityTimer::Retry if self.state == State::Backoff && !self.held_back => Some(self.attempt_scheduled_at),
            _ => None,
        }
    }

    pub(super) fn policy(&self) -> Option<&RetryPolicy> {
        self.options.retry_policy.as_ref()
    }
}
