//! A child workflow, as its parent sees it.

use temporalio_protos::temporal::api::common::v1::{WorkflowExecution, WorkflowType};
use temporalio_protos::temporal::api::enums::v1::{ParentClosePolicy, StartChildWorkflowExecutionFailedCause};
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::workflow::v1::PendingChildExecutionInfo;

use crate::temporal::history::{BUFFERED_EVENT_ID, NewEvent};
use crate::temporal::run::RunRef;
use crate::temporal::txn::{ChildOutcome, ChildRun, ChildStartFailure, Txn};

/// Where a child is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The parent has asked for it.
    Initiated,
    /// It runs.
    Started,
    /// It ended, or never started.
    Closed,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Start,
    StartFailed,
    Close,
}

/// The whole life of a child.
#[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the code to the table"))]
pub(crate) const TRANSITIONS: &[(State, Input, State)] = &[
    (State::Initiated, Input::Start, State::Started),
    (State::Initiated, Input::StartFailed, State::Closed),
    (State::Started, Input::Close, State::Closed),
];

/// The next state, if the table has one.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::Initiated, Input::Start) => Some(State::Started),
        (State::Initiated, Input::StartFailed) | (State::Started, Input::Close) => Some(State::Closed),
        (State::Initiated, Input::Close) | (State::Started, Input::Start | Input::StartFailed) | (State::Closed, _) => {
            None
        }
    }
}

/// A pending child.
#[derive(Clone, Debug)]
pub(crate) struct ChildWorkflow {
    state: State,
    initiated_event_id: i64,
    started_event_id: i64,
    attributes: Box<history::StartChildWorkflowExecutionInitiatedEventAttributes>,
    child: Option<ChildRun>,
}

impl ChildWorkflow {
    /// The command `StartChildWorkflowExecution`.
    pub(crate) fn initiate(
        txn: &mut Txn<'_>,
        attributes: history::StartChildWorkflowExecutionInitiatedEventAttributes,
    ) -> Self {
        let initiated_event_id = txn.emit(attributes.clone());
        Self::restore(attributes, initiated_event_id)
    }

    /// As a history tells of it that goes on in another run.
    pub(crate) fn restore(
        attributes: history::StartChildWorkflowExecutionInitiatedEventAttributes,
        initiated_event_id: i64,
    ) -> Self {
        Self {
            state: State::Initiated,
            initiated_event_id,
            started_event_id: 0,
            attributes: Box::new(attributes),
            child: None,
        }
    }

    /// The history tells that the child runs.
    pub(crate) fn restore_started(&mut self, started_event_id: i64, child: ChildRun) {
        self.state = State::Started;
        self.started_event_id = started_event_id;
        self.child = Some(child);
    }

    /// The child runs.
    pub(crate) fn started(&mut self, txn: &mut Txn<'_>, child: ChildRun) -> bool {
        let Some(next) = step(self.state, Input::Start) else {
            return false;
        };
        self.state = next;
        self.started_event_id = txn.emit(history::ChildWorkflowExecutionStartedEventAttributes {
            namespace: self.attributes.namespace.clone(),
            namespace_id: self.attributes.namespace_id.clone(),
            initiated_event_id: self.initiated_event_id,
            workflow_execution: Some(self.execution(&child)),
            workflow_type: self.workflow_type(),
            header: self.attributes.header.clone(),
        });
        self.child = Some(child);
        true
    }

    /// The child couldn't start.
    pub(crate) fn start_failed(&mut self, txn: &mut Txn<'_>, why: ChildStartFailure) -> bool {
        let Some(next) = step(self.state, Input::StartFailed) else {
            return false;
        };
        self.state = next;
        let cause = match why {
            ChildStartFailure::AlreadyExists => StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists,
            ChildStartFailure::NamespaceNotFound => StartChildWorkflowExecutionFailedCause::NamespaceNotFound,
            ChildStartFailure::InvalidVersioningOverride => {
                StartChildWorkflowExecutionFailedCause::InvalidVersioningOverride
            }
        };
        txn.emit(history::StartChildWorkflowExecutionFailedEventAttributes {
            namespace: self.attributes.namespace.clone(),
            namespace_id: self.attributes.namespace_id.clone(),
            workflow_id: self.attributes.workflow_id.clone(),
            workflow_type: self.workflow_type(),
            cause: cause as i32,
            initiated_event_id: self.initiated_event_id,
            ..Default::default()
        });
        true
    }

    /// The child's last run has ended.
    pub(crate) fn closed(&mut self, txn: &mut Txn<'_>, child: &ChildRun, outcome: ChildOutcome) -> bool {
        let Some(next) = step(self.state, Input::Close) else {
            return false;
        };
        self.state = next;
        let event = self.close_event(child, outcome);
        txn.emit(event);
        true
    }

    /// The started event has got its id.
    pub(crate) fn set_started_event_id(&mut self, event_id: i64) {
        self.started_event_id = event_id;
    }

    /// What the parent's end means for the child: its run, and whether to terminate (else: ask to cancel).
    pub(crate) fn on_parent_close(&self) -> Option<(RunRef, bool)> {
        let child = self.child.as_ref()?;
        match self.attributes.parent_close_policy() {
            ParentClosePolicy::Abandon => None,
            ParentClosePolicy::RequestCancel => Some((child.run, false)),
            ParentClosePolicy::Terminate | ParentClosePolicy::Unspecified => Some((child.run, true)),
        }
    }

    /// What the parent asked for.
    pub(crate) fn attributes(&self) -> &history::StartChildWorkflowExecutionInitiatedEventAttributes {
        &self.attributes
    }

    /// Whether this chain of runs is the one that was started for the parent: another may have its workflow id by now.
    pub(crate) fn is_chain(&self, first_run_id: &str) -> bool {
        self.child.as_ref().is_none_or(|child| child.run_id == first_run_id)
    }

    /// The id of the workflow that the parent asked for.
    pub(crate) fn workflow_id(&self) -> &str {
        &self.attributes.workflow_id
    }

    /// Whether the child runs.
    pub(crate) fn is_started(&self) -> bool {
        self.state == State::Started
    }

    /// As `DescribeWorkflowExecution` shows it.
    pub(crate) fn describe(&self) -> PendingChildExecutionInfo {
        PendingChildExecutionInfo {
            workflow_id: self.attributes.workflow_id.clone(),
            run_id: self
                .child
                .as_ref()
                .map(|child| child.run_id.clone())
                .unwrap_or_default(),
            workflow_type_name: self.workflow_type().unwrap_or_default().name,
            initiated_id: self.initiated_event_id,
            parent_close_policy: self.attributes.parent_close_policy,
        }
    }

    fn close_event(&self, child: &ChildRun, outcome: ChildOutcome) -> NewEvent {
        let namespace = self.attributes.namespace.clone();
        let namespace_id = self.attributes.namespace_id.clone();
        let workflow_execution = Some(self.execution(child));
        let workflow_type = self.workflow_type();
        let initiated_event_id = self.initiated_event_id;
        let started_event_id = match self.started_event_id {
            0 => BUFFERED_EVENT_ID,
            event_id => event_id,
        };
        match outcome {
            ChildOutcome::Completed(result) => history::ChildWorkflowExecutionCompletedEventAttributes {
                result,
                namespace,
                namespace_id,
                workflow_execution,
                workflow_type,
                initiated_event_id,
                started_event_id,
            }
            .into(),
            ChildOutcome::Failed(failure, retry_state) => history::ChildWorkflowExecutionFailedEventAttributes {
                failure,
                namespace,
                namespace_id,
                workflow_execution,
                workflow_type,
                initiated_event_id,
                started_event_id,
                retry_state,
            }
            .into(),
            ChildOutcome::Canceled(details) => history::ChildWorkflowExecutionCanceledEventAttributes {
                details,
                namespace,
                namespace_id,
                workflow_execution,
                workflow_type,
                initiated_event_id,
                started_event_id,
            }
            .into(),
            ChildOutcome::TimedOut(retry_state) => history::ChildWorkflowExecutionTimedOutEventAttributes {
                namespace,
                namespace_id,
                workflow_execution,
                workflow_type,
                initiated_event_id,
                started_event_id,
                retry_state,
            }
            .into(),
            ChildOutcome::Terminated => history::ChildWorkflowExecutionTerminatedEventAttributes {
                namespace,
                namespace_id,
                workflow_execution,
                workflow_type,
                initiated_event_id,
                started_event_id,
            }
            .into(),
        }
    }

    fn execution(&self, child: &ChildRun) -> WorkflowExecution {
        WorkflowExecution {
            workflow_id: self.attributes.workflow_id.clone(),
            run_id: child.run_id.clone(),
        }
    }

    fn workflow_type(&self) -> Option<WorkflowType> {
        self.attributes.workflow_type.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_meets_every_input() {
        super::super::walk(
            &[State::Initiated, State::Started, State::Closed],
            &[Input::Start, Input::StartFailed, Input::Close],
            TRANSITIONS,
            step,
        );
    }
}
