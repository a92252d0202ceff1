//! A reset: a run goes on from an earlier point of its history, in a run of its own.
//!
//! Facts: Temporal's `service/history/ndc/workflow_resetter.go`.

use temporalio_protos::temporal::api::enums::v1::{StartChildWorkflowExecutionFailedCause, UpdateAdmittedEventOrigin};
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::history::v1::HistoryEvent;
use temporalio_protos::temporal::api::history::v1::history_event::Attributes as A;
use temporalio_protos::temporal::api::update::v1::Request;

use super::rebuild::{FindRun, child_of, child_run, update_id};
use super::{Context, Kind, OptionsChange, Run};
use crate::temporal::history::NewEvent;
use crate::temporal::machine::update::Update;
use crate::temporal::proto::duration;
use crate::temporal::reject::Reject;
use crate::temporal::txn::{ChildOutcome, ChildRun, ChildStartFailure, Letter};

/// Where a run is cut and what its successor takes over.
#[derive(Clone, Debug)]
pub(crate) struct Reset {
    /// The first event that is cut off.
    pub(crate) workflow_task_finish_event_id: i64,
    pub(crate) reason: String,
    pub(crate) request_id: String,
    pub(crate) reapply: Reapply,
    /// What is done to the new run at once.
    pub(crate) option_changes: Vec<OptionsChange>,
}

/// Which of the events that are cut off happen again in the new run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reapply {
    pub(crate) signals: bool,
    pub(crate) updates: bool,
    pub(crate) nexus: bool,
    /// Everything was excluded, even what can't be excluded by itself: the ends of children, changes of options.
    pub(crate) nothing: bool,
}

impl Run {
    /// Refuses a point where this run can't be cut. `rebuilt` is what comes before it.
    pub(crate) fn check_reset_point(&self, rebuilt: &Self) -> Result<(), Reject> {
        let last_event_id = rebuilt.log.last_event_id();
        if !self.log.is_batch_end(last_event_id) {
            return Err(Reject::InvalidArgument(format!(
                "StateRebuilder unable to Rebuild mutable state to event ID: {last_event_id}, version: 0, this event \
                 must be at the boundary"
            )));
        }
        if !rebuilt.machines.workflow_task.is_pending() {
            return Err(Reject::InvalidArgument(format!(
                "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: {}",
                last_event_id + 1
            )));
        }
        Ok(())
    }

    /// Goes on, as a run that has been rebuilt: its last workflow task has failed, the events that were cut off happen again
    /// as far as they may, and a new workflow task comes.
    pub(crate) fn reset(
        &mut self,
        context: &mut Context<'_>,
        base_run_id: &str,
        reset: &Reset,
        cut_off: &[HistoryEvent],
        find: &FindRun<'_>,
    ) {
        let run_id = self.start.run_id.clone();
        context.effects.visible = true;
        self.start.execution_expiration =
            duration(self.start.execution_timeout.as_ref()).map(|limit| context.now + limit);
        self.start_clocks(context, context.now);
        self.machines.callbacks = self.completion_callbacks(context);
        let (machines, mut txn) = self.open(context);
        machines
            .workflow_task
            .fail_by_reset(&mut txn, &reset.reason, base_run_id, &run_id);
        for event in cut_off {
            self.reapply(context, event, reset.reapply, find);
        }
        for change in &reset.option_changes {
            self.change_workflow_options(context, change.clone(), String::new());
        }
        self.schedule_workflow_task(context, Kind::Normal);
        self.resume(context);
    }

    /// What was pending at the point of the reset is pending again.
    fn resume(&mut self, context: &mut Context<'_>) {
        let unstarted: Vec<_> = self
            .machines
            .children
            .iter()
            .filter(|(_, child)| !child.is_started())
            .map(|(initiated_event_id, child)| self.child_start(child.attributes(), *initiated_event_id, None))
            .collect();
        let (machines, mut txn) = self.open(context);
        for timer in machines.timers.iter() {
            timer.resume(&mut txn);
        }
        for activity in machines.activities.values_mut() {
            activity.resume(&mut txn);
        }
        for external in machines.externals.values() {
            external.send(&mut txn);
        }
        for operation in machines.nexus_operations.values() {
            operation.resume(&mut txn);
        }
        for start in unstarted {
            txn.effects.mail.push(Letter::StartChild(Box::new(start)));
        }
    }

    fn reapply(&mut self, context: &mut Context<'_>, event: &HistoryEvent, what: Reapply, find: &FindRun<'_>) {
        let Some(attributes) = &event.attributes else {
            return;
        };
        if what.nexus && self.reapply_nexus(context, event, attributes) {
            return;
        }
        match attributes {
            A::WorkflowExecutionSignaledEventAttributes(signaled) if what.signals => {
                self.signal_count += 1;
                let event = NewEvent::from(history::WorkflowExecutionSignaledEventAttributes {
                    external_workflow_execution: None,
                    ..signaled.clone()
                })
                .with_links(event.links.clone());
                let (_, mut txn) = self.open(context);
                txn.emit(event);
            }
            A::WorkflowExecutionUpdateAdmittedEventAttributes(admitted) if what.updates => {
                self.readmit(context, admitted.request.clone(), admitted.origin());
            }
            // Without a request in it an admitted event comes before it, and that one counts.
            A::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)
                if what.updates && accepted.accepted_request.is_some() =>
            {
                let origin = UpdateAdmittedEventOrigin::Reapply;
                self.readmit(context, accepted.accepted_request.clone(), origin);
            }
            A::WorkflowExecutionOptionsUpdatedEventAttributes(updated) if !what.nothing => {
                let event = NewEvent::from(updated.clone()).with_links(event.links.clone());
                let (_, mut txn) = self.open(context);
                let event_id = txn.emit(event);
                self.take_options(updated, event_id);
            }
            _ if !what.nothing => self.reapply_child(context, attributes, find),
            _ => {}
        }
    }

    fn readmit(&mut self, context: &mut Context<'_>, request: Option<Request>, origin: UpdateAdmittedEventOrigin) {
        let update_id = update_id(request.as_ref());
        let (_, mut txn) = self.open(context);
        txn.emit(history::WorkflowExecutionUpdateAdmittedEventAttributes {
            request,
            origin: origin as i32,
        });
        self.insert_update(Update::admitted_in_history(update_id));
    }

    /// A child that was pending at the point of the reset has started or ended since.
    fn reapply_child(&mut self, context: &mut Context<'_>, attributes: &A, find: &FindRun<'_>) {
        let (machines, mut txn) = self.open(context);
        if let A::ChildWorkflowExecutionStartedEventAttributes(started) = attributes {
            if let Some(child) = machines.children.get_mut(&started.initiated_event_id) {
                child.started(&mut txn, child_run(started.workflow_execution.as_ref(), find));
            }
            return;
        }
        let Some(initiated_event_id) = child_of(attributes) else {
            return;
        };
        let Some(child) = machines.children.get_mut(&initiated_event_id) else {
            return;
        };
        let ended = match child_end(attributes, find) {
            ChildEnd::NotStarted(why) => child.start_failed(&mut txn, why),
            ChildEnd::Closed(run, outcome) => child.closed(&mut txn, &run, outcome),
        };
        if ended {
            machines.children.remove(&initiated_event_id);
        }
    }
}

/// How an event says that a child came to its end.
#[expect(
    clippy::large_enum_variant,
    reason = "short-lived: moved once, from one event into another"
)]
enum ChildEnd {
    NotStarted(ChildStartFailure),
    Closed(ChildRun, ChildOutcome),
}

/// Only for the events that [`child_of`] knows; any other one reads as a termination, which no caller sees.
fn child_end(attributes: &A, find: &FindRun<'_>) -> ChildEnd {
    let (execution, outcome) = match attributes {
        A::StartChildWorkflowExecutionFailedEventAttributes(it) => {
            return ChildEnd::NotStarted(match it.cause() {
                StartChildWorkflowExecutionFailedCause::NamespaceNotFound => ChildStartFailure::NamespaceNotFound,
                StartChildWorkflowExecutionFailedCause::InvalidVersioningOverride => {
                    ChildStartFailure::InvalidVersioningOverride
                }
                _ => ChildStartFailure::AlreadyExists,
            });
        }
        A::ChildWorkflowExecutionCompletedEventAttributes(it) => {
            (&it.workflow_execution, ChildOutcome::Completed(it.result.clone()))
        }
        A::ChildWorkflowExecutionFailedEventAttributes(it) => (
            &it.workflow_execution,
            ChildOutcome::Failed(it.failure.clone(), it.retry_state),
        ),
        A::ChildWorkflowExecutionCanceledEventAttributes(it) => {
            (&it.workflow_execution, ChildOutcome::Canceled(it.details.clone()))
        }
        A::ChildWorkflowExecutionTimedOutEventAttributes(it) => {
            (&it.workflow_execution, ChildOutcome::TimedOut(it.retry_state))
        }
        A::ChildWorkflowExecutionTerminatedEventAttributes(it) => (&it.workflow_execution, ChildOutcome::Terminated),
        _ => (&None, ChildOutcome::Terminated),
    };
    ChildEnd::Closed(child_run(execution.as_ref(), find), outcome)
}
