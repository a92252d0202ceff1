//! Letters that a run gets from others: its children's fates, the answers to its requests, its parent's end.

use super::message::{CancelRequest, Signal};
use super::{Context, Run};
use crate::temporal::machine::external::Undeliverable;
use crate::temporal::txn::{ChildOutcome, ChildRun, ChildStartFailure};
use temporalio_protos::temporal::api::common::v1::WorkflowExecution;

impl Run {
    /// A child runs, or couldn't start.
    pub(crate) fn on_child_started(
        &mut self,
        context: &mut Context<'_>,
        initiated_event_id: i64,
        outcome: Result<ChildRun, ChildStartFailure>,
    ) {
        if !self.is_running() {
            return;
        }
        let (machines, mut txn) = self.open(context);
        let Some(child) = machines.children.get_mut(&initiated_event_id) else {
            return;
        };
        match outcome {
            Ok(run) => {
                child.started(&mut txn, run);
            }
            Err(why) => {
                child.start_failed(&mut txn, why);
                machines.children.remove(&initiated_event_id);
            }
        }
        self.settle(context, true);
    }

    /// A child has ended.
    pub(crate) fn on_child_closed(
        &mut self,
        context: &mut Context<'_>,
        initiated_event_id: i64,
        first_run_id: &str,
        run: &ChildRun,
        outcome: ChildOutcome,
    ) {
        if !self.is_running() {
            return;
        }
        let (machines, mut txn) = self.open(context);
        let Some(child) = machines.children.get_mut(&initiated_event_id) else {
            return;
        };
        if child.is_chain(first_run_id) && child.closed(&mut txn, run, outcome) {
            machines.children.remove(&initiated_event_id);
            self.settle(context, true);
        }
    }

    /// A request to another workflow has been answered.
    pub(crate) fn on_external_answered(
        &mut self,
        context: &mut Context<'_>,
        initiated_event_id: i64,
        outcome: Result<(), Undeliverable>,
    ) {
        if !self.is_running() {
            return;
        }
        let (machines, mut txn) = self.open(context);
        if let Some(mut external) = machines.externals.remove(&initiated_event_id) {
            external.answered(&mut txn, outcome);
            self.settle(context, true);
        }
    }

    /// The parent has closed, and its policy reaches this run.
    pub(crate) fn on_parent_closed(&mut self, context: &mut Context<'_>, terminate: bool, parent: (String, String)) {
        if !self.is_running() {
            return;
        }
        if terminate {
            self.terminate(context, "by parent close policy", None, "history-service", Vec::new());
            return;
        }
        let request = CancelRequest {
            identity: "history-service".to_owned(),
            from: Some((
                WorkflowExecution {
                    workflow_id: parent.0,
                    run_id: parent.1,
                },
                0,
            )),
            ..Default::default()
        };
        // The run is open, so nothing refuses the request.
        let _ = self.request_cancel(context, request);
    }

    /// Whether this run is a child of that one.
    pub(crate) fn is_child_of(&self, workflow_id: &str) -> bool {
        self.start
            .parent
            .as_ref()
            .is_some_and(|parent| parent.workflow_id == workflow_id)
    }

    /// A signal from another workflow.
    pub(crate) fn signal_from(&mut self, context: &mut Context<'_>, signal: Signal) -> Result<(), Undeliverable> {
        match self.signal(context, signal) {
            Ok(()) => Ok(()),
            Err(crate::temporal::Reject::InvalidArgument(_)) => Err(Undeliverable::SignalLimit),
            Err(_) => Err(Undeliverable::NotFound),
        }
    }
}
