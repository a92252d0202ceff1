//! The wish that a nexus operation ends: it waits until the operation has started, then goes out until it arrives.

use temporalio_protos::temporal::api::enums::v1::NexusOperationCancellationState;
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::workflow::v1::NexusOperationCancellationInfo;

use crate::clock::Timestamp;
use crate::temporal::history::NewEvent;
use crate::temporal::nexus::failure::Refusal;
use crate::temporal::nexus::{OperationId, backoff};
use crate::temporal::proto::timestamp;
use crate::temporal::timer::{NexusTimer, Timer};
use crate::temporal::txn::{Letter, Txn};

/// Where a cancellation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The operation hasn't started, so nobody can be told.
    Waiting,
    /// The request is on its way.
    Scheduled,
    /// The request failed; the next one waits for its time.
    BackingOff,
    /// The handler has heard of it.
    Succeeded,
    /// The handler won't hear of it.
    Failed,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The operation has started.
    Schedule,
    /// The request failed, and may be made again.
    FailAttempt,
    /// The wait before the next request is over.
    Reschedule,
    Succeed,
    Fail,
}

/// The whole life of a cancellation.
#[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the code to the table"))]
pub(crate) const TRANSITIONS: &[(State, Input, State)] = &[
    (State::Waiting, Input::Schedule, State::Scheduled),
    (State::Waiting, Input::Fail, State::Failed),
    (State::Scheduled, Input::FailAttempt, State::BackingOff),
    (State::Scheduled, Input::Succeed, State::Succeeded),
    (State::Scheduled, Input::Fail, State::Failed),
    (State::BackingOff, Input::Reschedule, State::Scheduled),
];

/// The next state, if the table has one.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::Waiting, Input::Schedule) | (State::BackingOff, Input::Reschedule) => Some(State::Scheduled),
        (State::Scheduled, Input::FailAttempt) => Some(State::BackingOff),
        (State::Scheduled, Input::Succeed) => Some(State::Succeeded),
        (State::Waiting | State::Scheduled, Input::Fail) => Some(State::Failed),
        (State::Waiting, Input::FailAttempt | Input::Reschedule | Input::Succeed)
        | (State::Scheduled, Input::Schedule | Input::Reschedule)
        | (State::BackingOff, Input::Schedule | Input::FailAttempt | Input::Succeed | Input::Fail)
        | (State::Succeeded | State::Failed, _) => None,
    }
}

/// A cancellation that a workflow asked for.
#[derive(Clone, Debug)]
pub(crate) struct Cancellation {
    state: State,
    requested_event_id: i64,
    /// When it could first go out.
    requested_at: Option<Timestamp>,
    attempt: i32,
    last_attempt_at: Option<Timestamp>,
    last_attempt_failure: Option<Failure>,
    next_attempt_at: Option<Timestamp>,
}

impl Cancellation {
    pub(crate) fn new(requested_event_id: i64) -> Self {
        Self {
            state: State::Waiting,
            requested_event_id,
            requested_at: None,
            attempt: 0,
            last_attempt_at: None,
            last_attempt_failure: None,
            next_attempt_at: None,
        }
    }

    /// The operation runs: the request goes out.
    pub(crate) fn schedule(&mut self, txn: &mut Txn<'_>, scheduled_event_id: i64) {
        if let Some(next) = step(self.state, Input::Schedule) {
            self.state = next;
            self.requested_at = Some(txn.now);
            invoke(txn, scheduled_event_id);
        }
    }

    /// The history tells that the operation runs, so that the request goes out.
    pub(crate) fn restore_scheduled(&mut self, requested_at: Timestamp) {
        if let Some(next) = step(self.state, Input::Schedule) {
            self.state = next;
            self.requested_at = Some(requested_at);
        }
    }

    /// The history tells what the handler said.
    pub(crate) fn restore_answered(&mut self, at: Timestamp, outcome: Result<(), Option<Failure>>) {
        let input = match outcome {
            Ok(()) => Input::Succeed,
            Err(_) => Input::Fail,
        };
        let Some(next) = step(self.state, input) else {
            return;
        };
        self.state = next;
        self.attempt = self.attempt.saturating_add(1);
        self.last_attempt_at = Some(at);
        self.last_attempt_failure = outcome.err().flatten();
    }

    /// After a reset: a request without an answer goes out again.
    pub(crate) fn resume(&self, txn: &mut Txn<'_>, scheduled_event_id: i64) {
        if self.state == State::Scheduled {
            invoke(txn, scheduled_event_id);
        }
    }

    /// The wait before the next request is over.
    pub(crate) fn reschedule(&mut self, txn: &mut Txn<'_>, scheduled_event_id: i64) {
        if let Some(next) = step(self.state, Input::Reschedule) {
            self.state = next;
            self.next_attempt_at = None;
            invoke(txn, scheduled_event_id);
        }
    }

    /// The answer to the request. `false` if the workflow needn't hear of it.
    pub(crate) fn answered(
        &mut self,
        txn: &mut Txn<'_>,
        scheduled_event_id: i64,
        outcome: Result<(), Refusal>,
    ) -> bool {
        let input = match &outcome {
            Ok(()) => Input::Succeed,
            Err(refusal) if refusal.retryable => Input::FailAttempt,
            Err(_) => Input::Fail,
        };
        let Some(next) = step(self.state, input) else {
            return false;
        };
        self.state = next;
        self.attempt = self.attempt.saturating_add(1);
        self.last_attempt_at = Some(txn.now);
        let requested_event_id = self.requested_event_id;
        let event = match outcome {
            Ok(()) => {
                self.last_attempt_failure = None;
                NewEvent::from(history::NexusOperationCancelRequestCompletedEventAttributes {
                    requested_event_id,
                    scheduled_event_id,
                    ..Default::default()
                })
            }
            Err(refusal) if refusal.retryable => {
                self.last_attempt_failure = Some(refusal.failure);
                let next_attempt_at = txn.now + backoff(self.attempt, txn.entropy);
                self.next_attempt_at = Some(next_attempt_at);
                let timer = Timer::NexusOperation(txn.run, scheduled_event_id, NexusTimer::CancelRetry);
                txn.set_timer(timer, next_attempt_at);
                return false;
            }
            Err(refusal) => {
                self.last_attempt_failure = Some(refusal.failure.clone());
                NewEvent::from(history::NexusOperationCancelRequestFailedEventAttributes {
                    requested_event_id,
                    scheduled_event_id,
                    failure: Some(refusal.failure),
                    ..Default::default()
                })
            }
        };
        txn.emit(event);
        true
    }

    /// Whether the request is on its way.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.state == State::Scheduled
    }

    /// As `DescribeWorkflowExecution` shows it.
    pub(crate) fn describe(&self) -> NexusOperationCancellationInfo {
        let state = match self.state {
            State::Waiting => NexusOperationCancellationState::Unspecified,
            State::Scheduled => NexusOperationCancellationState::Scheduled,
            State::BackingOff => NexusOperationCancellationState::BackingOff,
            State::Succeeded => NexusOperationCancellationState::Succeeded,
            State::Failed => NexusOperationCancellationState::Failed,
        };
        NexusOperationCancellationInfo {
            requested_time: self.requested_at.map(timestamp),
            state: state as i32,
            attempt: self.attempt,
            last_attempt_complete_time: self.last_attempt_at.map(timestamp),
            last_attempt_failure: self.last_attempt_failure.clone(),
            next_attempt_schedule_time: self.next_attempt_at.map(timestamp),
            ..Default::default()
        }
    }
}

fn invoke(txn: &mut Txn<'_>, scheduled_event_id: i64) {
    txn.effects.mail.push(Letter::CancelNexusOperation(OperationId::OfRun {
        run: txn.run,
        scheduled_event_id,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_meets_every_input() {
        use {Input as I, State as S};
        super::super::walk(
            &[S::Waiting, S::Scheduled, S::BackingOff, S::Succeeded, S::Failed],
            &[I::Schedule, I::FailAttempt, I::Reschedule, I::Succeed, I::Fail],
            TRANSITIONS,
            step,
        );
    }
}
