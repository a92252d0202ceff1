//! A nexus operation on its own: it has no history, only its state and in the end an outcome (Temporal:
//! `chasm/lib/nexusoperation`).

mod attempts;
mod cancellation;
mod describe;

use std::collections::HashMap;

use temporalio_protos::temporal::api::common::v1::{Link, Payload, SearchAttributes};
use temporalio_protos::temporal::api::enums::v1::NexusOperationWaitStage as WaitStage;
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{Failure, TerminatedFailureInfo};
use temporalio_protos::temporal::api::sdk::v1::UserMetadata;

use attempts::CLOCKS;
use cancellation::Cancellation;
pub(crate) use describe::{
    ENDPOINT, NAMESPACE_DIVISION_OF_OPERATIONS, OPERATION, REQUEST_ID, SERVICE, STATUS, listed_status,
};

use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::temporal::nexus::completion::{Completion, Outcome as Completed};
use crate::temporal::nexus::{OperationId, OperationRef};
use crate::temporal::reject::Reject;
use crate::temporal::txn::{Effects, Letter, Ticket};

/// Where a standalone operation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The request to start it is on its way.
    Scheduled,
    /// The request failed; the next one waits for its time.
    BackingOff,
    /// It goes on elsewhere; a callback will say how it ended.
    Started,
    Succeeded,
    Failed,
    Canceled,
    Terminated,
    TimedOut,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The request failed, and may be made again.
    FailAttempt,
    /// The wait before the next request is over.
    Reschedule,
    Start,
    Succeed,
    Fail,
    Cancel,
    TimeOut,
    Terminate,
}

/// The whole life of a standalone operation. One that was cancelled can still be terminated: so it is in Temporal.
#[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the code to the table"))]
pub(crate) const TRANSITIONS: &[(State, Input, State)] = &[
    (State::Scheduled, Input::FailAttempt, State::BackingOff),
    (State::BackingOff, Input::Reschedule, State::Scheduled),
    (State::Scheduled, Input::Start, State::Started),
    (State::BackingOff, Input::Start, State::Started),
    (State::Scheduled, Input::Succeed, State::Succeeded),
    (State::BackingOff, Input::Succeed, State::Succeeded),
    (State::Started, Input::Succeed, State::Succeeded),
    (State::Scheduled, Input::Fail, State::Failed),
    (State::BackingOff, Input::Fail, State::Failed),
    (State::Started, Input::Fail, State::Failed),
    (State::Scheduled, Input::Cancel, State::Canceled),
    (State::BackingOff, Input::Cancel, State::Canceled),
    (State::Started, Input::Cancel, State::Canceled),
    (State::Scheduled, Input::TimeOut, State::TimedOut),
    (State::BackingOff, Input::TimeOut, State::TimedOut),
    (State::Started, Input::TimeOut, State::TimedOut),
    (State::Scheduled, Input::Terminate, State::Terminated),
    (State::BackingOff, Input::Terminate, State::Terminated),
    (State::Started, Input::Terminate, State::Terminated),
    (State::Canceled, Input::Terminate, State::Terminated),
];

/// The next state, if the table has one.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    use Input as I;
    use State as S;
    match (state, input) {
        (S::Scheduled, I::FailAttempt) => Some(S::BackingOff),
        (S::BackingOff, I::Reschedule) => Some(S::Scheduled),
        (S::Scheduled | S::BackingOff, I::Start) => Some(S::Started),
        (S::Scheduled | S::BackingOff | S::Started, I::Succeed) => Some(S::Succeeded),
        (S::Scheduled | S::BackingOff | S::Started, I::Fail) => Some(S::Failed),
        (S::Scheduled | S::BackingOff | S::Started, I::Cancel) => Some(S::Canceled),
        (S::Scheduled | S::BackingOff | S::Started, I::TimeOut) => Some(S::TimedOut),
        (S::Scheduled | S::BackingOff | S::Started | S::Canceled, I::Terminate) => Some(S::Terminated),
        (S::BackingOff | S::Started, I::FailAttempt)
        | (S::Scheduled | S::Started, I::Reschedule)
        | (S::Started, I::Start)
        | (S::Canceled, I::FailAttempt | I::Reschedule | I::Start | I::Succeed | I::Fail | I::Cancel | I::TimeOut)
        | (S::Succeeded | S::Failed | S::Terminated | S::TimedOut, _) => None,
    }
}

/// What a client starts; it has been checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct StartOperation {
    pub(crate) namespace: String,
    pub(crate) operation_id: String,
    pub(crate) run_id: String,
    /// The client's own; the handler gets another one.
    pub(crate) request_id: String,
    pub(crate) identity: String,
    pub(crate) endpoint: String,
    pub(crate) endpoint_id: String,
    pub(crate) service: String,
    pub(crate) operation: String,
    pub(crate) schedule_to_close_timeout: Option<prost_types::Duration>,
    pub(crate) schedule_to_start_timeout: Option<prost_types::Duration>,
    pub(crate) start_to_close_timeout: Option<prost_types::Duration>,
    pub(crate) input: Option<Payload>,
    pub(crate) nexus_header: HashMap<String, String>,
    pub(crate) search_attributes: Option<SearchAttributes>,
    pub(crate) user_metadata: Option<UserMetadata>,
}

/// A client's wish that it stop.
#[derive(Clone, Debug)]
pub(crate) struct CancelWish {
    pub(crate) request_id: String,
    pub(crate) reason: String,
}

/// How it ended, if not by an attempt's failure.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one per operation, most of them small"
)]
enum Outcome {
    Result(Option<Payload>),
    Failure(Failure),
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// This stage, or a later one.
    Stage(WaitStage),
    /// Any change since this many.
    Change { seen: i64, parts: Parts },
}

/// The parts of a description that a client wants beside the usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) input: bool,
    pub(crate) outcome: bool,
}

/// A standalone operation.
#[derive(Clone, Debug)]
pub(crate) struct StandaloneNexusOperation {
    name: OperationRef,
    start: Box<StartOperation>,
    /// The id of the requests to its handler, all of them.
    request_id: String,
    state: State,
    scheduled_at: Timestamp,
    started_at: Option<Timestamp>,
    operation_token: String,
    /// Requests that were made.
    attempt: i32,
    last_attempt_at: Option<Timestamp>,
    last_attempt_failure: Option<Failure>,
    next_attempt_at: Option<Timestamp>,
    /// What the handler has linked it to.
    links: Vec<Link>,
    cancellation: Option<Cancellation>,
    terminate_request_id: Option<String>,
    outcome: Option<Outcome>,
    closed_at: Option<Timestamp>,
    /// How often it has changed: what a client that waits for a change has seen.
    transitions: i64,
    /// Clients that wait.
    pub(crate) waiters: Vec<(Ticket, Wait)>,
    armed: [Option<Timestamp>; CLOCKS.len()],
}

/// What happens to one operation may use: the time, where its effects go, and where chance comes from.
pub(crate) struct Step<'a> {
    pub(crate) now: Timestamp,
    pub(crate) effects: &'a mut Effects,
    pub(crate) entropy: &'a mut Entropy,
}

impl StandaloneNexusOperation {
    /// A client starts it.
    pub(crate) fn schedule(step: &mut Step<'_>, name: OperationRef, start: StartOperation) -> Self {
        let mut scheduled = Self {
            name,
            start: Box::new(start),
            request_id: step.entropy.uuid(),
            state: State::Scheduled,
            scheduled_at: step.now,
            started_at: None,
            operation_token: String::new(),
            attempt: 0,
            last_attempt_at: None,
            last_attempt_failure: None,
            next_attempt_at: None,
            links: Vec::new(),
            cancellation: None,
            terminate_request_id: None,
            outcome: None,
            closed_at: None,
            transitions: 1,
            waiters: Vec::new(),
            armed: Default::default(),
        };
        scheduled.invoke(step);
        scheduled
    }

    /// A callback says how it ended.
    pub(crate) fn complete(
        &mut self,
        step: &mut Step<'_>,
        request_id: &str,
        completion: Completion,
    ) -> Result<(), Reject> {
        if self.is_closed() || self.request_id != request_id {
            return Err(Reject::NotFound("operation not found".to_owned()));
        }
        if self.state == State::Scheduled {
            // It overtook the answer to the start, so the start is made up.
            self.started(
                step,
                completion.operation_token,
                completion.started_at,
                completion.links,
            );
        }
        match completion.outcome {
            Completed::Succeeded(result) => self.succeed(step, result),
            Completed::Unsuccessful { canceled, cause } => self.end_badly(step, unsuccessful(canceled), cause),
        }
        Ok(())
    }

    /// A client wants it to stop: its handler is told once there is something to stop.
    pub(crate) fn request_cancel(&mut self, step: &mut Step<'_>, wish: CancelWish) -> Result<(), Reject> {
        if let Some(cancellation) = &self.cancellation
            && cancellation.request_id() == wish.request_id
        {
            self.transitions += 1;
            return Ok(());
        }
        if self.is_closed() {
            return Err(Reject::FailedPrecondition("operation already completed".to_owned()));
        }
        if let Some(cancellation) = &self.cancellation {
            return Err(Reject::FailedPrecondition(format!(
                "cancellation already requested with request ID {}",
                cancellation.request_id()
            )));
        }
        self.cancellation = Some(Cancellation::new(wish));
        self.transitions += 1;
        if self.state == State::Started {
            self.send_cancellation(step);
        }
        Ok(())
    }

    /// A client ends it; its handler isn't told.
    pub(crate) fn terminate(
        &mut self,
        step: &mut Step<'_>,
        reason: &str,
        identity: &str,
        request_id: &str,
    ) -> Result<(), Reject> {
        if let Some(known) = &self.terminate_request_id {
            if known != request_id {
                return Err(Reject::FailedPrecondition(format!(
                    "already terminated with request ID {known}"
                )));
            }
            self.transitions += 1;
            return Ok(());
        }
        let failure = Failure {
            message: reason.to_owned(),
            failure_info: Some(FailureInfo::TerminatedFailureInfo(TerminatedFailureInfo {
                identity: identity.to_owned(),
            })),
            ..Default::default()
        };
        if !self.close(step, Input::Terminate) {
            return Err(Reject::FailedPrecondition(format!(
                "invalid transition from {:?}",
                self.state
            )));
        }
        self.outcome = Some(Outcome::Failure(failure));
        self.terminate_request_id = Some(request_id.to_owned());
        Ok(())
    }

    pub(crate) fn name(&self) -> OperationRef {
        self.name
    }

    /// What was started.
    pub(crate) fn start(&self) -> &StartOperation {
        &self.start
    }

    /// Whether it has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed_at.is_some()
    }

    /// Whether it ended otherwise than with a result.
    pub(crate) fn is_failed(&self) -> bool {
        self.is_closed() && self.state != State::Succeeded
    }

    fn succeed(&mut self, step: &mut Step<'_>, result: Option<Payload>) {
        if self.close(step, Input::Succeed) {
            self.outcome = Some(Outcome::Result(result));
        }
    }

    /// The failure of an attempt that is the last one is kept as such, and is the outcome.
    fn end_badly(&mut self, step: &mut Step<'_>, input: Input, failure: Failure) {
        let from_attempt = self.state == State::Scheduled;
        if !self.close(step, input) {
            return;
        }
        match from_attempt {
            true => {
                self.last_attempt_at = Some(step.now);
                self.last_attempt_failure = Some(failure);
            }
            false => self.outcome = Some(Outcome::Failure(failure)),
        }
    }

    fn close(&mut self, step: &mut Step<'_>, input: Input) -> bool {
        if !self.go(input) {
            return false;
        }
        self.closed_at = Some(step.now);
        self.next_attempt_at = None;
        self.wind_clocks(step);
        true
    }

    fn invoke(&mut self, step: &mut Step<'_>) {
        self.attempt = self.attempt.saturating_add(1);
        step.effects.mail.push(Letter::StartNexusOperation(self.id()));
        self.wind_clocks(step);
    }

    fn id(&self) -> OperationId {
        OperationId::Standalone(self.name)
    }

    /// Takes a step of the table; `false` if there is none.
    fn go(&mut self, input: Input) -> bool {
        let Some(next) = step(self.state, input) else {
            return false;
        };
        self.state = next;
        self.transitions += 1;
        true
    }
}

fn unsuccessful(canceled: bool) -> Input {
    match canceled {
        true => Input::Cancel,
        false => Input::Fail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_meets_every_input() {
        use {Input as I, State as S};
        super::super::walk(
            &[
                S::Scheduled,
                S::BackingOff,
                S::Started,
                S::Succeeded,
                S::Failed,
                S::Canceled,
                S::Terminated,
                S::TimedOut,
            ],
            &[
                I::FailAttempt,
                I::Reschedule,
                I::Start,
                I::Succeed,
                I::Fail,
                I::Cancel,
                I::TimeOut,
                I::Terminate,
            ],
            TRANSITIONS,
            step,
        );
    }
}
