//! An update: asked for by a client, delivered with a workflow task, accepted or rejected, and completed.

use prost::Message as _;
use temporalio_protos::temporal::api::enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage;
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::protocol::v1::Message;
use temporalio_protos::temporal::api::protocol::v1::message::SequencingId;
use temporalio_protos::temporal::api::update::v1::{self as wire, Outcome, outcome};

use crate::temporal::txn::{Ticket, Txn};

/// Where an update is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The server has it; no worker does.
    Admitted,
    /// It went out with a workflow task.
    Sent,
    /// The workflow's validator let it in; it is in the history.
    Accepted,
    /// It has its outcome, in the history.
    Completed,
    /// The validator refused it; the history doesn't know it.
    Rejected,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Send,
    Accept,
    Complete,
    Reject,
    /// The workflow task that carried it was lost: it will go out again.
    Unsend,
}

/// The whole life of an update.
#[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the code to the table"))]
pub(crate) const TRANSITIONS: &[(State, Input, State)] = &[
    (State::Admitted, Input::Send, State::Sent),
    (State::Admitted, Input::Accept, State::Accepted),
    (State::Admitted, Input::Reject, State::Rejected),
    (State::Sent, Input::Send, State::Sent),
    (State::Sent, Input::Accept, State::Accepted),
    (State::Sent, Input::Reject, State::Rejected),
    (State::Sent, Input::Unsend, State::Admitted),
    (State::Accepted, Input::Complete, State::Completed),
];

/// The next state, if the table has one.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::Admitted | State::Sent, Input::Send) => Some(State::Sent),
        (State::Admitted | State::Sent, Input::Reject) => Some(State::Rejected),
        (State::Admitted | State::Sent, Input::Accept) => Some(State::Accepted),
        (State::Sent, Input::Unsend) => Some(State::Admitted),
        (State::Accepted, Input::Complete) => Some(State::Completed),
        (State::Admitted, Input::Complete | Input::Unsend)
        | (State::Sent, Input::Complete)
        | (State::Accepted, Input::Send | Input::Accept | Input::Reject | Input::Unsend)
        | (State::Completed | State::Rejected, _) => None,
    }
}

/// An update of a run, ended or not: a second request with its id gets the same outcome.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    state: State,
    update_id: String,
    /// What the worker is sent; `None` if the history has it already, in an admitted or accepted event.
    request: Option<Box<wire::Request>>,
    request_id: String,
    accepted_event_id: i64,
    outcome: Option<Outcome>,
    waiters: Vec<Waiter>,
}

/// An RPC that waits for a stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    pub(crate) ticket: Ticket,
    pub(crate) stage: Stage,
    /// Which of the two RPCs it is: their answers differ in their field numbers.
    pub(crate) rpc: UpdateRpc,
}

/// The RPCs that wait for updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpdateRpc {
    Update,
    Poll,
    /// `ExecuteMultiOperation`.
    WithStart(WithStart),
}

/// How an update-with-start came to its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WithStart {
    /// It started the run.
    Started,
    /// The run was there already. If it closes before it takes the update, all is tried once more.
    Existing,
    /// As [`Self::Existing`], at the second try.
    ExistingAgain,
}

impl Update {
    /// A client asks for it.
    pub(crate) fn admit(update_id: String, request: wire::Request) -> Self {
        Self {
            request_id: request.request_id.clone(),
            request: Some(Box::new(request)),
            ..Self::admitted_in_history(update_id)
        }
    }

    /// An event has admitted it: the worker learns of it from the history, not by a message.
    pub(crate) fn admitted_in_history(update_id: String) -> Self {
        Self {
            state: State::Admitted,
            update_id,
            request: None,
            request_id: String::new(),
            accepted_event_id: 0,
            outcome: None,
            waiters: Vec::new(),
        }
    }

    /// The history tells that the workflow's validator let it in.
    pub(crate) fn restore_accepted(update_id: String, accepted_event_id: i64) -> Self {
        Self {
            state: State::Accepted,
            accepted_event_id,
            ..Self::admitted_in_history(update_id)
        }
    }

    /// The history tells its outcome.
    pub(crate) fn restore_completed(&mut self, outcome: Option<Outcome>) {
        self.state = State::Completed;
        self.outcome = outcome;
    }

    /// What it counts for among the updates in flight, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        let request = self.request.as_deref().map_or(0, prost::Message::encoded_len);
        2 * self.update_id.len() + request
    }

    /// The message for the worker, if one must go out with this workflow task.
    pub(crate) fn send(&mut self, started_event_id: i64) -> Option<Message> {
        self.state = step(self.state, Input::Send)?;
        let request = self.request.as_deref()?;
        Some(Message {
            id: request_message_id(&self.update_id),
            protocol_instance_id: self.update_id.clone(),
            body: Some(prost_types::Any {
                type_url: "type.googleapis.com/temporal.api.update.v1.Request".to_owned(),
                value: request.encode_to_vec(),
            }),
            sequencing_id: Some(SequencingId::EventId(started_event_id - 1)),
        })
    }

    /// The workflow's validator let it in.
    pub(crate) fn accept(&mut self, txn: &mut Txn<'_>, acceptance: wire::Acceptance) {
        let Some(next) = step(self.state, Input::Accept) else {
            return;
        };
        self.state = next;
        self.accepted_event_id = txn.emit(history::WorkflowExecutionUpdateAcceptedEventAttributes {
            protocol_instance_id: self.update_id.clone(),
            accepted_request_message_id: acceptance.accepted_request_message_id,
            accepted_request_sequencing_event_id: acceptance.accepted_request_sequencing_event_id,
            // The history has the request from now on; a parked update needn't carry it.
            accepted_request: self.request.take().map(|request| *request),
        });
    }

    /// It has its outcome.
    pub(crate) fn complete(&mut self, txn: &mut Txn<'_>, response: wire::Response) {
        let Some(next) = step(self.state, Input::Complete) else {
            return;
        };
        self.state = next;
        self.outcome.clone_from(&response.outcome);
        txn.emit(history::WorkflowExecutionUpdateCompletedEventAttributes {
            meta: response.meta,
            accepted_event_id: self.accepted_event_id,
            outcome: response.outcome,
        });
    }

    /// The validator refused it, or the worker took no notice of it.
    pub(crate) fn reject(&mut self, failure: Option<Failure>) {
        let Some(next) = step(self.state, Input::Reject) else {
            return;
        };
        self.state = next;
        self.outcome = Some(failed(failure.unwrap_or_default()));
    }

    /// The workflow task that carried it was lost.
    pub(crate) fn unsend(&mut self) {
        if let Some(next) = step(self.state, Input::Unsend) {
            self.state = next;
        }
    }

    /// The workflow has ended under it.
    pub(crate) fn abort_accepted(&mut self) {
        if self.state == State::Accepted {
            self.outcome = Some(failed(Failure {
                message: "Workflow Update failed because the Workflow completed before the Update completed."
                    .to_owned(),
                source: "Server".to_owned(),
                failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                    r#type: "AcceptedUpdateCompletedWorkflow".to_owned(),
                    non_retryable: true,
                    ..Default::default()
                })),
                ..Default::default()
            }));
        }
    }

    /// Somebody waits for a stage.
    pub(crate) fn wait(&mut self, waiter: Waiter) {
        self.waiters.push(waiter);
    }

    /// Takes one waiter off, if it waits here.
    pub(crate) fn take_waiter(&mut self, ticket: Ticket) -> Option<Waiter> {
        let index = self.waiters.iter().position(|waiter| waiter.ticket == ticket)?;
        Some(self.waiters.remove(index))
    }

    /// Takes off those whose stage is reached, or all of them.
    pub(crate) fn take_waiters(&mut self, all: bool) -> Vec<Waiter> {
        let reached = self.stage();
        let (ready, waiting) = std::mem::take(&mut self.waiters)
            .into_iter()
            .partition(|waiter| all || waiter.stage as i32 <= reached as i32);
        self.waiters = waiting;
        ready
    }

    /// The stage it has reached, as clients name it.
    pub(crate) fn tickets(&self) -> impl Iterator<Item = Ticket> {
        self.waiters.iter().map(|waiter| waiter.ticket)
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.state {
            _ if self.outcome.is_some() => Stage::Completed,
            State::Admitted | State::Sent => Stage::Admitted,
            State::Accepted => Stage::Accepted,
            State::Completed | State::Rejected => Stage::Completed,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Whether its outcome is a failure.
    pub(crate) fn has_failed(&self) -> bool {
        let value = self.outcome.as_ref().and_then(|outcome| outcome.value.as_ref());
        matches!(value, Some(outcome::Value::Failure(_)))
    }

    /// The request id of the call that asked for it.
    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    pub(crate) fn update_id(&self) -> &str {
        &self.update_id
    }
}

/// The id of the message that carries an update to the worker.
pub(crate) fn request_message_id(update_id: &str) -> String {
    format!("{update_id}/request")
}

fn failed(failure: Failure) -> Outcome {
    Outcome {
        value: Some(outcome::Value::Failure(failure)),
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
            &[S::Admitted, S::Sent, S::Accepted, S::Completed, S::Rejected],
            &[I::Send, I::Accept, I::Complete, I::Reject, I::Unsend],
            TRANSITIONS,
            step,
        );
    }
}
