//! The wish that a standalone operation ends: it waits until the operation has started, then goes out until it arrives.

use temporalio_protos::temporal::api::enums::v1::NexusOperationCancellationState;
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::nexus::v1::NexusOperationExecutionCancellationInfo;

use super::{CancelWish, Step};
use crate::clock::Timestamp;
// The same life as that of a workflow's wish; what it leaves behind differs.
use crate::temporal::machine::nexus_cancellation::{Input, State, step as next};
use crate::temporal::nexus::backoff;
use crate::temporal::nexus::failure::Refusal;
use crate::temporal::proto::timestamp;

/// A cancellation that a client asked for.
#[derive(Clone, Debug)]
pub(super) struct Cancellation {
    wish: CancelWish,
    state: State,
    /// Requests that were made.
    attempt: i32,
    last_attempt_at: Option<Timestamp>,
    last_attempt_failure: Option<Failure>,
    next_attempt_at: Option<Timestamp>,
}

impl Cancellation {
    pub(super) fn new(wish: CancelWish) -> Self {
        Self {
            wish,
            state: State::Waiting,
            attempt: 0,
            last_attempt_at: None,
            last_attempt_failure: None,
            next_attempt_at: None,
        }
    }

    /// The operation runs. Gives whether the request is to go out.
    pub(super) fn schedule(&mut self) -> bool {
        self.send(Input::Schedule)
    }

    /// The wait before the next request is over. Gives whether the request is to go out.
    pub(super) fn reschedule(&mut self) -> bool {
        self.send(Input::Reschedule)
    }

    /// The answer to the request. `false` if none was awaited.
    pub(super) fn answered(&mut self, step: &mut Step<'_>, outcome: Result<(), Refusal>) -> bool {
        let input = match &outcome {
            Ok(()) => Input::Succeed,
            Err(refusal) if refusal.retryable => Input::FailAttempt,
            Err(_) => Input::Fail,
        };
        let Some(next) = next(self.state, input) else {
            return false;
        };
        self.state = next;
        self.last_attempt_at = Some(step.now);
        self.last_attempt_failure = outcome.err().map(|refusal| refusal.failure);
        if self.state == State::BackingOff {
            self.next_attempt_at = Some(step.now + backoff(self.attempt, step.entropy));
        }
        true
    }

    /// The client's request.
    pub(super) fn request_id(&self) -> &str {
        &self.wish.request_id
    }

    /// Whether the request is on its way.
    pub(super) fn is_scheduled(&self) -> bool {
        self.state == State::Scheduled
    }

    /// When the next request goes out, if it waits for that.
    pub(super) fn next_attempt_at(&self) -> Option<Timestamp> {
        self.next_attempt_at
    }

    /// As `DescribeNexusOperationExecution` shows it. Temporal never sets the time of the request.
    pub(super) fn describe(&self) -> NexusOperationExecutionCancellationInfo {
        let state = match self.state {
            State::Waiting => NexusOperationCancellationState::Unspecified,
            State::Scheduled => NexusOperationCancellationState::Scheduled,
            State::BackingOff => NexusOperationCancellationState::BackingOff,
            State::Succeeded => NexusOperationCancellationState::Succeeded,
            State::Failed => NexusOperationCancellationState::Failed,
        };
        NexusOperationExecutionCancellationInfo {
            state: state as i32,
            attempt: self.attempt,
            last_attempt_complete_time: self.last_attempt_at.map(timestamp),
            last_attempt_failure: self.last_attempt_failure.clone(),
            next_attempt_schedule_time: self.next_attempt_at.map(timestamp),
            reason: self.wish.reason.clone(),
            ..Default::default()
        }
    }

    fn send(&mut self, input: Input) -> bool {
        let Some(next) = next(self.state, input) else {
            return false;
        };
        self.state = next;
        self.attempt = self.attempt.saturating_add(1);
        self.next_attempt_at = None;
        true
    }
}
