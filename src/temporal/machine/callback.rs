//! A completion callback: it waits until the run and its chain have ended, then goes out until it arrives.

use temporalio_protos::temporal::api::common::v1::Callback;
use temporalio_protos::temporal::api::common::v1::callback::{Nexus, Variant};
use temporalio_protos::temporal::api::enums::v1::CallbackState;
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporalio_protos::temporal::api::workflow::v1::CallbackInfo;
use temporalio_protos::temporal::api::workflow::v1::callback_info::{Trigger, WorkflowClosed, trigger};

use crate::clock::Timestamp;
use crate::temporal::nexus::{backoff, breaker};
use crate::temporal::proto::timestamp;
use crate::temporal::timer::Timer;
use crate::temporal::txn::{Letter, Txn};

/// Where a callback is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The run is open, or another one goes on where it ended.
    Standby,
    /// It is on its way.
    Scheduled,
    /// The delivery failed; the next one waits for its time.
    BackingOff,
    /// It won't arrive any more.
    Failed,
    /// It has arrived.
    Succeeded,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The chain of runs has ended.
    Schedule,
    /// The delivery failed, and may be tried again.
    FailAttempt,
    /// The wait before the next delivery is over.
    Reschedule,
    Fail,
    Succeed,
}

/// The whole life of a callback.
#[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the code to the table"))]
pub(crate) const TRANSITIONS: &[(State, Input, State)] = &[
    (State::Standby, Input::Schedule, State::Scheduled),
    (State::Scheduled, Input::FailAttempt, State::BackingOff),
    (State::Scheduled, Input::Fail, State::Failed),
    (State::Scheduled, Input::Succeed, State::Succeeded),
    (State::BackingOff, Input::Reschedule, State::Scheduled),
];

/// The next state, if the table has one.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::Standby, Input::Schedule) | (State::BackingOff, Input::Reschedule) => Some(State::Scheduled),
        (State::Scheduled, Input::FailAttempt) => Some(State::BackingOff),
        (State::Scheduled, Input::Fail) => Some(State::Failed),
        (State::Scheduled, Input::Succeed) => Some(State::Succeeded),
        (State::Standby, Input::FailAttempt | Input::Reschedule | Input::Fail | Input::Succeed)
        | (State::Scheduled, Input::Schedule | Input::Reschedule)
        | (State::BackingOff, Input::Schedule | Input::FailAttempt | Input::Fail | Input::Succeed)
        | (State::Failed | State::Succeeded, _) => None,
    }
}

/// Why a delivery failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undelivered {
    pub(crate) message: String,
    pub(crate) retryable: bool,
}

/// A callback attached to a run.
#[derive(Clone, Debug)]
pub(crate) struct CompletionCallback {
    state: State,
    callback: Callback,
    request_id: String,
    registered_at: Timestamp,
    attempt: i32,
    /// How often the attempt of now was turned away, since the destination keeps failing.
    held: u32,
    last_attempt_at: Option<Timestamp>,
    last_attempt_failure: Option<Failure>,
    next_attempt_at: Option<Timestamp>,
}

impl CompletionCallback {
    pub(crate) fn new(callback: Callback, request_id: String, registered_at: Timestamp) -> Self {
        Self {
            state: State::Standby,
            callback,
            request_id,
            registered_at,
            attempt: 0,
            held: 0,
            last_attempt_at: None,
            last_attempt_failure: None,
            next_attempt_at: None,
        }
    }

    /// The request that attached it.
    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Where it goes, and with which headers.
    pub(crate) fn nexus(&self) -> Option<&Nexus> {
        match &self.callback.variant {
            Some(Variant::Nexus(nexus)) => Some(nexus),
            _ => None,
        }
    }

    /// Whether it is on its way.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.state == State::Scheduled
    }

    /// The chain of runs has ended.
    pub(crate) fn schedule(&mut self, txn: &mut Txn<'_>, index: usize) {
        self.send(txn, index, Input::Schedule);
    }

    /// The wait before the next delivery is over, or before another look whether it may go out.
    pub(crate) fn reschedule(&mut self, txn: &mut Txn<'_>, index: usize) {
        if self.is_scheduled() {
            txn.effects.mail.push(Letter::DeliverCallback { run: txn.run, index });
            return;
        }
        self.next_attempt_at = None;
        self.send(txn, index, Input::Reschedule);
    }

    /// It may not go out now. That is no attempt: clients see nothing of it.
    pub(crate) fn hold(&mut self, txn: &mut Txn<'_>, index: usize) {
        self.held = self.held.saturating_add(1);
        let again_at = txn.now + breaker::hold(self.held, txn.entropy);
        txn.set_timer(Timer::Callback(txn.run, index), again_at);
    }

    /// It has arrived, or not.
    pub(crate) fn answered(&mut self, txn: &mut Txn<'_>, index: usize, outcome: Result<(), Undelivered>) {
        let input = match &outcome {
            Ok(()) => Input::Succeed,
            Err(why) if why.retryable => Input::FailAttempt,
            Err(_) => Input::Fail,
        };
        let Some(next) = step(self.state, input) else {
            return;
        };
        self.state = next;
        self.attempt = self.attempt.saturating_add(1);
        self.last_attempt_at = Some(txn.now);
        let retryable = matches!(&outcome, Err(why) if why.retryable);
        self.last_attempt_failure = outcome.err().map(|why| Failure {
            message: why.message,
            failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                non_retryable: !why.retryable,
                ..Default::default()
            })),
            ..Default::default()
        });
        if retryable {
            let next_attempt_at = txn.now + backoff(self.attempt, txn.entropy);
            self.next_attempt_at = Some(next_attempt_at);
            txn.set_timer(Timer::Callback(txn.run, index), next_attempt_at);
        }
    }

    /// As `DescribeWorkflowExecution` shows it.
    pub(crate) fn describe(&self) -> CallbackInfo {
        let state = match self.state {
            State::Standby => CallbackState::Standby,
            State::Scheduled => CallbackState::Scheduled,
            State::BackingOff => CallbackState::BackingOff,
            State::Failed => CallbackState::Failed,
            State::Succeeded => CallbackState::Succeeded,
        };
        CallbackInfo {
            callback: Some(self.callback.clone()),
            trigger: Some(Trigger {
                variant: Some(trigger::Variant::WorkflowClosed(WorkflowClosed {})),
            }),
            registration_time: Some(timestamp(self.registered_at)),
            state: state as i32,
            attempt: self.attempt,
            last_attempt_complete_time: self.last_attempt_at.map(timestamp),
            last_attempt_failure: self.last_attempt_failure.clone(),
            next_attempt_schedule_time: self.next_attempt_at.map(timestamp),
            request_id: self.request_id.clone(),
            ..Default::default()
        }
    }

    fn send(&mut self, txn: &mut Txn<'_>, index: usize, input: Input) {
        if let Some(next) = step(self.state, input) {
            self.state = next;
            self.held = 0;
            txn.effects.mail.push(Letter::DeliverCallback { run: txn.run, index });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_meets_every_input() {
        use {Input as I, State as S};
        super::super::walk(
            &[S::Standby, S::Scheduled, S::BackingOff, S::Failed, S::Succeeded],
            &[I::Schedule, I::FailAttempt, I::Reschedule, I::Fail, I::Succeed],
            TRANSITIONS,
            step,
        );
    }
}
