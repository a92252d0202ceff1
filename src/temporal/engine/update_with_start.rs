//! Update-with-start: an update for a workflow that is started for it if need be.
//!
//! Facts: Temporal's `service/history/api/multioperation/api.go`.

use temporalio_protos::temporal::api::enums::v1::{
    UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowIdConflictPolicy as Conflict,
};
use temporalio_protos::temporal::api::update::v1::{Outcome, Request, UpdateRef};
use temporalio_protos::temporal::api::workflowservice::v1::{
    ExecuteMultiOperationResponse, StartWorkflowExecutionResponse, UpdateWorkflowExecutionResponse,
};

use super::{Engine, ParkedAt, Started};
use crate::clock::Timestamp;
use crate::temporal::machine::update::{UpdateRpc, Waiter, WithStart};
use crate::temporal::reject::Reject;
use crate::temporal::run::{Run, RunRef, StartRun, update_with_start_answer};
use crate::temporal::txn::Ticket;

/// A start and an update, checked.
#[derive(Clone, Debug)]
pub(crate) struct UpdateWithStart {
    pub(crate) start: StartRun,
    pub(crate) update_id: String,
    pub(crate) update: Request,
    /// Until where the client waits.
    pub(crate) stage: Stage,
}

impl Engine {
    /// Gives the answer if the update has completed before; else the ticket, which is parked already, gets it.
    pub(crate) fn update_with_start(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        request: UpdateWithStart,
        again: bool,
    ) -> Result<Option<ExecuteMultiOperationResponse>, Reject> {
        if let Some(current) = self.runs.current(&request.start.namespace, &request.start.workflow_id) {
            if let Some(outcome) = current.completed_update(&request.update_id) {
                return Ok(Some(completed_before(current, &request.update_id, outcome)));
            }
            if takes_update(current, &request) {
                let run = current.run;
                return self.update_existing(now, ticket, run, request, again);
            }
        }
        self.start_and_update(now, ticket, request)
    }

    /// The run that an update-with-start waited for has closed: another try, and no more after that.
    pub(super) fn retry_update_with_start(&mut self, now: Timestamp, ticket: Ticket) {
        let Some(request) = self.retryable.remove(&ticket) else {
            return;
        };
        // The run may have closed since its namespace is being deleted.
        if let Err(reject) = self.namespaces.require(&request.start.namespace) {
            return self.answer(ticket, Err(reject));
        }
        match self.update_with_start(now, ticket, *request, true) {
            Ok(Some(answer)) => self.answer(ticket, Ok(prost::Message::encode_to_vec(&answer))),
            Ok(None) => {}
            Err(reject) => self.answer(ticket, Err(reject)),
        }
    }

    fn update_existing(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        run: RunRef,
        request: UpdateWithStart,
        again: bool,
    ) -> Result<Option<ExecuteMultiOperationResponse>, Reject> {
        let how = match again {
            true => WithStart::ExistingAgain,
            false => {
                self.retryable.insert(ticket, Box::new(request.clone()));
                WithStart::Existing
            }
        };
        self.wait_for_update(now, ticket, run, request, how)
            .map_err(|reject| Reject::MultiOperation(vec![Some(Reject::OperationAborted), Some(reject)]))
    }

    fn start_and_update(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        mut request: UpdateWithStart,
    ) -> Result<Option<ExecuteMultiOperationResponse>, Reject> {
        let start = std::mem::take(&mut request.start);
        let refuse = |reject| Reject::MultiOperation(vec![Some(reject), Some(Reject::OperationAborted)]);
        let run = match self.start_run(now, start).map_err(refuse)? {
            Started::New(run) => run,
            Started::Retried(_) => return Err(refuse(not_started("StartDeduped"))),
            Started::Existing(_) | Started::Attached(_) => return Err(refuse(not_started("StartReused"))),
        };
        self.wait_for_update(now, ticket, run, request, WithStart::Started)
            .map_err(|reject| Reject::MultiOperation(vec![None, Some(reject)]))
    }

    fn wait_for_update(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        run: RunRef,
        request: UpdateWithStart,
        how: WithStart,
    ) -> Result<Option<ExecuteMultiOperationResponse>, Reject> {
        if let Some(parked) = self.parked.get_mut(&ticket) {
            parked.at = ParkedAt::Update(run);
        }
        let waiter = Waiter {
            ticket,
            stage: request.stage,
            rpc: UpdateRpc::WithStart(how),
        };
        self.with_run(now, run, |run, context| {
            run.update(context, waiter, &request.update_id, request.update)
        })
        .unwrap_or_else(|| Err(Reject::workflow_completed()))?;
        Ok(None)
    }
}

/// Whether the run that is there gets the update, without a start.
fn takes_update(current: &Run, request: &UpdateWithStart) -> bool {
    current.is_running()
        && (current.start.request_id == request.start.request_id
            || current.has_update(&request.update_id)
            || request.start.id_conflict_policy == Conflict::UseExisting as i32)
}

/// The policies said that no run need be started, though none could take the update.
fn not_started(outcome: &str) -> Reject {
    Reject::Unavailable(format!("Workflow was not started: {outcome}"))
}

fn completed_before(run: &Run, update_id: &str, outcome: &Outcome) -> ExecuteMultiOperationResponse {
    let start = StartWorkflowExecutionResponse {
        run_id: run.start.run_id.clone(),
        status: run.status as i32,
        ..Default::default()
    };
    let update = UpdateWorkflowExecutionResponse {
        update_ref: Some(UpdateRef {
            workflow_execution: Some(run.execution()),
            update_id: update_id.to_owned(),
        }),
        outcome: Some(outcome.clone()),
        stage: Stage::Completed as i32,
        link: None,
    };
    update_with_start_answer(start, update)
}
