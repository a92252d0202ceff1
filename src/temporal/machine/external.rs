//! A request to another workflow: a signal to it, or the wish that it cancels. Asked for once, answered once.

use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::enums::v1::{
    CancelExternalWorkflowExecutionFailedCause, SignalExternalWorkflowExecutionFailedCause,
};
use temporalio_protos::temporal::api::history::v1 as history;

use crate::temporal::history::NewEvent;
use crate::temporal::txn::{Letter, Txn};

/// Where a request is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// On its way.
    Initiated,
    /// It arrived.
    Delivered,
    /// There was nobody to take it.
    Failed,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Deliver,
    Fail,
}

/// The whole life of a request.
#[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the code to the table"))]
pub(crate) const TRANSITIONS: &[(State, Input, State)] = &[
    (State::Initiated, Input::Deliver, State::Delivered),
    (State::Initiated, Input::Fail, State::Failed),
];

/// The next state, if the table has one.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::Initiated, Input::Deliver) => Some(State::Delivered),
        (State::Initiated, Input::Fail) => Some(State::Failed),
        (State::Delivered | State::Failed, Input::Deliver | Input::Fail) => None,
    }
}

/// Why a request to another workflow failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undeliverable {
    /// No such run, or it has ended.
    NotFound,
    /// No such namespace.
    NamespaceNotFound,
    /// The other has as many signals as it may have.
    SignalLimit,
}

/// A pending request.
#[derive(Clone, Debug)]
pub(crate) struct External {
    state: State,
    initiated_event_id: i64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Signal(Box<history::SignalExternalWorkflowExecutionInitiatedEventAttributes>),
    Cancel(Box<history::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes>),
}

impl External {
    /// Whether it is a signal; else it is the wish that the other cancels.
    pub(crate) fn is_signal(&self) -> bool {
        matches!(self.what, What::Signal(_))
    }

    /// The command `SignalExternalWorkflowExecution`. Its event has the namespace as the command has it, which may be empty;
    /// the events that follow name it.
    pub(crate) fn signal(
        txn: &mut Txn<'_>,
        attributes: history::SignalExternalWorkflowExecutionInitiatedEventAttributes,
        namespace_as_asked: String,
    ) -> Self {
        let initiated_event_id = txn.emit(history::SignalExternalWorkflowExecutionInitiatedEventAttributes {
            namespace: namespace_as_asked,
            ..attributes.clone()
        });
        let external = Self::restore_signal(attributes, initiated_event_id);
        external.send(txn);
        external
    }

    /// The command `RequestCancelExternalWorkflowExecution`; the namespace as in [`Self::signal`].
    pub(crate) fn cancel(
        txn: &mut Txn<'_>,
        attributes: history::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
        namespace_as_asked: String,
    ) -> Self {
        let initiated_event_id = txn.emit(
            history::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
                namespace: namespace_as_asked,
                ..attributes.clone()
            },
        );
        let external = Self::restore_cancel(attributes, initiated_event_id);
        external.send(txn);
        external
    }

    /// A signal as a history tells of it that goes on in another run. Its namespace isn't empty.
    pub(crate) fn restore_signal(
        attributes: history::SignalExternalWorkflowExecutionInitiatedEventAttributes,
        initiated_event_id: i64,
    ) -> Self {
        Self {
            state: State::Initiated,
            initiated_event_id,
            what: What::Signal(Box::new(attributes)),
        }
    }

    /// A wish to cancel as a history tells of it that goes on in another run.
    pub(crate) fn restore_cancel(
        attributes: history::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
        initiated_event_id: i64,
    ) -> Self {
        Self {
            state: State::Initiated,
            initiated_event_id,
            what: What::Cancel(Box::new(attributes)),
        }
    }

    /// Sends it to the other workflow.
    pub(crate) fn send(&self, txn: &mut Txn<'_>) {
        let (from, initiated_event_id) = (txn.run, self.initiated_event_id);
        txn.effects.mail.push(match &self.what {
            What::Signal(attributes) => Letter::SignalExternal {
                from,
                initiated_event_id,
                attributes: attributes.clone(),
            },
            What::Cancel(attributes) => Letter::CancelExternal {
                from,
                initiated_event_id,
                attributes: attributes.clone(),
            },
        });
    }

    /// The id of the event by which it began.
    pub(crate) fn initiated_event_id(&self) -> i64 {
        self.initiated_event_id
    }

    /// The other side has answered.
    pub(crate) fn answered(&mut self, txn: &mut Txn<'_>, outcome: Result<(), Undeliverable>) {
        let input = match outcome {
            Ok(()) => Input::Deliver,
            Err(_) => Input::Fail,
        };
        let Some(next) = step(self.state, input) else {
            return;
        };
        self.state = next;
        let event = match &self.what {
            What::Signal(attributes) => signal_event(attributes, self.initiated_event_id, outcome),
            What::Cancel(attributes) => cancel_event(attributes, self.initiated_event_id, outcome),
        };
        txn.emit(event);
    }
}

fn signal_event(
    attributes: &history::SignalExternalWorkflowExecutionInitiatedEventAttributes,
    initiated_event_id: i64,
    outcome: Result<(), Undeliverable>,
) -> NewEvent {
    use SignalExternalWorkflowExecutionFailedCause as Cause;
    let namespace = attributes.namespace.clone();
    let namespace_id = attributes.namespace_id.clone();
    let workflow_execution: Option<WorkflowExecution> = attributes.workflow_execution.clone();
    let why = match outcome {
        Ok(()) => {
            return history::ExternalWorkflowExecutionSignaledEventAttributes {
                initiated_event_id,
                namespace,
                namespace_id,
                workflow_execution,
                ..Default::default()
            }
            .into();
        }
        Err(why) => why,
    };
    let cause = match why {
        Undeliverable::NotFound => Cause::ExternalWorkflowExecutionNotFound,
        Undeliverable::NamespaceNotFound => Cause::NamespaceNotFound,
        Undeliverable::SignalLimit => Cause::SignalCountLimitExceeded,
    };
    history::SignalExternalWorkflowExecutionFailedEventAttributes {
        cause: cause as i32,
        namespace,
        namespace_id,
        workflow_execution,
        initiated_event_id,
        ..Default::default()
    }
    .into()
}

fn cancel_event(
    attributes: &history::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    initiated_event_id: i64,
    outcome: Result<(), Undeliverable>,
) -> NewEvent {
    use CancelExternalWorkflowExecutionFailedCause as Cause;
    let namespace = attributes.namespace.clone();
    let namespace_id = attributes.namespace_id.clone();
    let workflow_execution = attributes.workflow_execution.clone();
    let why = match outcome {
        Ok(()) => {
            return history::ExternalWorkflowExecutionCancelRequestedEventAttributes {
                initiated_event_id,
                namespace,
                namespace_id,
                workflow_execution,
            }
            .into();
        }
        Err(why) => why,
    };
    let cause = match why {
        Undeliverable::NamespaceNotFound => Cause::NamespaceNotFound,
        Undeliverable::NotFound | Undeliverable::SignalLimit => Cause::ExternalWorkflowExecutionNotFound,
    };
    history::RequestCancelExternalWorkflowExecutionFailedEventAttributes {
        cause: cause as i32,
        namespace,
        namespace_id,
        workflow_execution,
        initiated_event_id,
        ..Default::default()
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_meets_every_input() {
        super::super::walk(
            &[State::Initiated, State::Delivered, State::Failed],
            &[Input::Deliver, Input::Fail],
            TRANSITIONS,
            step,
        );
    }
}
