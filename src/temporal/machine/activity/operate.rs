//! What clients do to a pending activity: pause, let go on, reset, change the options.

use std::time::Duration;

use temporalio_protos::temporal::api::activity::v1::ActivityOptions;
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;

use super::{Activity, Input, State, step};
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::temporal::activity_options::{Fields, OfWorkflow, merge, normalize_timeouts};
use crate::temporal::queue_name;
use crate::temporal::reject::Reject;
use crate::temporal::retry;
use crate::temporal::txn::Txn;

/// Who paused an activity, when and why.
#[derive(Clone, Debug)]
pub(crate) struct Pause {
    pub(crate) at: Timestamp,
    pub(crate) identity: String,
    pub(crate) reason: String,
    pub(crate) request_id: String,
    /// The rule that did it, if it wasn't a client.
    pub(crate) rule_id: Option<String>,
}

/// How a paused activity goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unpause {
    pub(crate) reset_attempts: bool,
    pub(crate) reset_heartbeat: bool,
    /// The next attempt comes at a random moment within it.
    pub(crate) jitter: Duration,
}

/// How an activity begins anew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reset {
    pub(crate) reset_heartbeat: bool,
    pub(crate) keep_paused: bool,
    pub(crate) restore_options: bool,
    /// The next attempt comes at a random moment within it.
    pub(crate) jitter: Duration,
}

impl Activity {
    /// Whether a pause would change anything: the request that paused it may come again, another may not.
    pub(crate) fn check_pause(&self, request_id: &str) -> Result<bool, Reject> {
        match &self.pause {
            None => Ok(true),
            Some(pause) if pause.request_id == request_id => Ok(false),
            Some(_) => Err(Reject::FailedPrecondition("activity is already paused".to_owned())),
        }
    }

    /// No further attempt starts; the one that a worker has may go on.
    pub(crate) fn pause(&mut self, txn: &mut Txn<'_>, pause: Pause) {
        let Some(next) = step(self.state, Input::Pause) else {
            return;
        };
        self.withdraw(txn);
        self.state = next;
        self.pause = Some(pause);
        self.wind_clocks(txn);
    }

    /// It goes on. Nothing happens if it isn't paused.
    pub(crate) fn unpause(&mut self, txn: &mut Txn<'_>, how: Unpause) {
        if !self.release() {
            return;
        }
        if how.reset_attempts {
            self.attempt = 1;
        }
        if how.reset_heartbeat {
            self.forget_heartbeat();
        }
        match self.is_started() {
            true => self.wind_clocks(txn),
            false => {
                let at = within(txn.entropy, txn.now, how.jitter);
                self.renew(txn, at);
            }
        }
    }

    /// It begins anew with attempt 1: at once if no worker has it, else with the next attempt.
    pub(crate) fn reset(&mut self, txn: &mut Txn<'_>, how: Reset) {
        self.attempt = 1;
        self.is_reset = true;
        self.resets_heartbeat |= how.reset_heartbeat;
        if how.restore_options {
            self.withdraw(txn);
            // The priority stays as it is (Temporal: `workflow.ResetActivity`).
            let priority = self.options.priority.take();
            *self.options = ActivityOptions {
                priority,
                ..options_as_scheduled(&self.attributes)
            };
        }
        if !how.keep_paused {
            self.release();
        }
        if self.is_started() || self.is_paused() {
            self.wind_clocks(txn);
            return;
        }
        let at = within(txn.entropy, txn.now, how.jitter);
        self.renew(txn, at);
    }

    /// The options after an update, if they are good.
    pub(crate) fn options_with(
        &self,
        from: &ActivityOptions,
        fields: &Fields,
        of: &OfWorkflow<'_>,
    ) -> Result<ActivityOptions, Reject> {
        let mut options = (*self.options).clone();
        if let Some(policy) = options.retry_policy.as_mut() {
            // These can't be changed, and Temporal doesn't show them here.
            policy.non_retryable_error_types.clear();
        }
        merge(&mut options, from, fields)?;
        queue_name::normalize_user_defined(of.config, options.task_queue.as_mut(), of.task_queue)?;
        normalize_timeouts(self.activity_id(), self.type_name(), &mut options, of.run_timeout)?;
        Ok(options)
    }

    /// The options with which it was scheduled.
    pub(crate) fn original_options(&self) -> ActivityOptions {
        options_as_scheduled(&self.attributes)
    }

    /// New options hold from now on; a wait for the next attempt is measured anew.
    pub(crate) fn set_options(&mut self, txn: &mut Txn<'_>, mut options: ActivityOptions) {
        if let (Some(policy), Some(original)) = (options.retry_policy.as_mut(), &self.attributes.retry_policy) {
            policy
                .non_retryable_error_types
                .clone_from(&original.non_retryable_error_types);
        }
        self.withdraw(txn);
        *self.options = options;
        match self.is_started() {
            true => self.wind_clocks(txn),
            false => {
                let at = self.next_attempt_at();
                self.renew(txn, at);
            }
        }
    }

    /// The pause is over. `false` if there was none.
    fn release(&mut self) -> bool {
        match step(self.state, Input::Unpause) {
            Some(next) => {
                self.state = next;
                self.pause = None;
                true
            }
            None => false,
        }
    }

    /// The task for the next attempt is made anew (Temporal: `RegenerateActivityRetryTask`; the last failure is lost).
    fn renew(&mut self, txn: &mut Txn<'_>, at: Timestamp) {
        let Some(next) = step(self.state, Input::Renew) else {
            return;
        };
        self.withdraw(txn);
        self.state = next;
        self.plan_attempt(None, at);
        if at <= txn.now && self.obey_rules(txn) {
            return;
        }
        match self.state == State::Backoff && at <= txn.now {
            true => self.reschedule(txn),
            false => self.wind_clocks(txn),
        }
    }

    fn forget_heartbeat(&mut self) {
        self.heartbeat_details = None;
        self.last_heartbeat_at = None;
    }

    /// When the next attempt comes by the policy as it is now (Temporal: `workflow.GetNextScheduledTime`, which counts
    /// the attempt that is to come).
    fn next_attempt_at(&self) -> Timestamp {
        let interval = self
            .policy()
            .filter(|_| self.attempt > 1)
            .map(|policy| retry::interval(policy, self.attempt))
            .filter(|interval| !interval.is_zero());
        match interval {
            Some(interval) => self.last_attempt_completed_at.unwrap_or_default() + interval,
            None => self.attempt_scheduled_at,
        }
    }
}

/// The options as a scheduled event has them.
pub(super) fn options_as_scheduled(attributes: &history::ActivityTaskScheduledEventAttributes) -> ActivityOptions {
    ActivityOptions {
        task_queue: Some(TaskQueue {
            name: attributes.task_queue.clone().unwrap_or_default().name,
            ..Default::default()
        }),
        schedule_to_close_timeout: attributes.schedule_to_close_timeout,
        schedule_to_start_timeout: attributes.schedule_to_start_timeout,
        start_to_close_timeout: attributes.start_to_close_timeout,
        heartbeat_timeout: attributes.heartbeat_timeout,
        retry_policy: attributes.retry_policy.clone(),
        priority: attributes.priority.clone(),
        start_delay: None,
    }
}

/// A seeded moment from `now` on, less than `jitter` later.
fn within(entropy: &mut Entropy, now: Timestamp, jitter: Duration) -> Timestamp {
    match u64::try_from(jitter.as_nanos()).unwrap_or(u64::MAX) {
        0 => now,
        nanoseconds => now + Duration::from_nanos(entropy.below(nanoseconds)),
    }
}
