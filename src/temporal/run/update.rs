//! Updates of a run: admitting them, and answering those who wait.

use prost::Message as _;
use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus;
use temporalio_protos::temporal::api::update::v1::{Outcome, Request, UpdateRef};
use temporalio_protos::temporal::api::workflowservice::v1::execute_multi_operation_response::response::Response as Operation;
use temporalio_protos::temporal::api::workflowservice::v1::{
    ExecuteMultiOperationResponse, PollWorkflowExecutionUpdateResponse, StartWorkflowExecutionResponse,
    UpdateWorkflowExecutionResponse, execute_multi_operation_response,
};

use super::query::FAILING_ATTEMPTS;
use super::{Context, Run};
use crate::temporal::config::DynamicConfig;
use crate::temporal::link;
use crate::temporal::machine::update::{State, Update, UpdateRpc, Waiter, WithStart};
use crate::temporal::machine::workflow_task::Kind;
use crate::temporal::reject::Reject;
use crate::temporal::txn::{Letter, Ticket};

impl Run {
    /// Takes an update, or finds the one with this id.
    pub(crate) fn update(
        &mut self,
        context: &mut Context<'_>,
        waiter: Waiter,
        update_id: &str,
        request: Request,
    ) -> Result<(), Reject> {
        if self.is_paused() {
            return Err(Reject::FailedPrecondition(
                "Workflow is paused. Cannot update the workflow.".to_owned(),
            ));
        }
        if !self.machines.updates.contains_key(update_id) {
            self.admit(context, update_id, request)?;
        }
        if let Some(update) = self.machines.updates.get_mut(update_id) {
            update.wait(waiter);
        }
        self.answer_updates(context);
        Ok(())
    }

    /// Waits for an update that was asked for before.
    pub(crate) fn poll_update(
        &mut self,
        context: &mut Context<'_>,
        waiter: Waiter,
        update_id: &str,
    ) -> Result<(), Reject> {
        match self.machines.updates.get_mut(update_id) {
            Some(update) => update.wait(waiter),
            None => return Err(Reject::NotFound(format!("update \"{update_id}\" not found"))),
        }
        self.answer_updates(context);
        Ok(())
    }

    /// After each workflow task: what became of the updates, told to those who wait.
    pub(crate) fn after_updates(&mut self, context: &mut Context<'_>) {
        if self.machines.updates.is_empty() {
            return;
        }
        if !self.is_running() {
            self.machines
                .updates
                .values_mut()
                .for_each(|update| update.abort_accepted());
            let closing = match context.effects.next_run {
                // Clients try again by themselves, and find the next run.
                Some(_) => Reject::ResourceExhausted(
                    "workflow operation can not be applied because workflow is closing".to_owned(),
                ),
                None => Reject::update_aborted_by_close(),
            };
            self.refuse_undelivered(context, &closing);
        }
        self.answer_updates(context);
        self.forget_rejected();
    }

    /// The server keeps nothing of an update that the validator rejected: its id may be used again.
    fn forget_rejected(&mut self) {
        let updates = &mut self.machines.updates;
        self.machines.update_order.retain(|update_id| {
            let rejected = updates
                .get(update_id)
                .is_some_and(|update| update.state() == State::Rejected);
            if rejected {
                updates.remove(update_id);
            }
            !rejected
        });
    }

    /// Whether the run has had nearly as many updates as it may: time to continue as new.
    #[expect(clippy::cast_precision_loss, reason = "as Temporal counts: the numbers are small")]
    pub(super) fn has_many_updates(&self, config: &DynamicConfig) -> bool {
        let counted = |update: &&Update| update.state() != State::Rejected;
        let count = self.machines.updates.values().filter(counted).count();
        let many = (config.updates as f64 * config.suggest_updates).ceil();
        many > 0.0 && count as f64 >= many
    }

    /// A client went away.
    pub(crate) fn forget_update_waiter(&mut self, ticket: Ticket) {
        for update in self.machines.updates.values_mut() {
            update.take_waiter(ticket);
        }
    }

    /// The server's limit on a wait for an update has passed: the answer says how far the update is.
    pub(crate) fn expire_update_waiter(&mut self, ticket: Ticket) -> Option<Vec<u8>> {
        let place = self.place();
        self.machines.updates.values_mut().find_map(|update| {
            let waiter = update.take_waiter(ticket)?;
            Some(reply(update, &place, waiter.rpc))
        })
    }

    /// The workflow task failed by what the worker sent: updates that it had seen are refused.
    pub(crate) fn fail_sent_updates(&mut self, context: &mut Context<'_>) {
        let reject = Reject::WorkflowNotReady(
            "Unable to perform workflow execution update due to unexpected workflow task failure.".to_owned(),
        );
        self.refuse(context, State::Sent, &reject);
    }

    fn admit(&mut self, context: &mut Context<'_>, update_id: &str, request: Request) -> Result<(), Reject> {
        if !self.is_running() {
            return Err(Reject::workflow_completed());
        }
        if self.machines.workflow_task.attempt() >= FAILING_ATTEMPTS {
            return Err(Reject::WorkflowNotReady(
                "Unable to perform workflow execution update due to Workflow Task in failed state.".to_owned(),
            ));
        }
        self.check_update_limits(context.config, &request)?;
        let update = Update::admit(update_id.to_owned(), request);
        self.machines.updates.insert(update_id.to_owned(), update);
        self.machines.update_order.push(update_id.to_owned());
        if !self.machines.workflow_task.is_pending() && !self.in_first_task_backoff {
            self.schedule_workflow_task(context, Kind::Speculative);
        }
        Ok(())
    }

    /// Refuses an update that would be one too many, in flight or in all, or too large beside the others.
    fn check_update_limits(&self, config: &DynamicConfig, request: &Request) -> Result<(), Reject> {
        let updates = self.machines.updates.values();
        let in_flight = updates.filter(|update| update.outcome().is_none());
        let (count, bytes) = in_flight.fold((0, 0), |(count, bytes), update| {
            (count + 1, bytes + update.size_bytes())
        });
        let limit = config.updates_in_flight;
        if limit > 0 && count >= limit {
            return Err(Reject::ConcurrentLimit(format!(
                "limit on number of concurrent in-flight updates has been reached ({limit})"
            )));
        }
        let limit = config.updates;
        if limit > 0 && self.machines.updates.len() >= limit {
            return Err(Reject::FailedPrecondition(format!(
                "The limit on the total number of distinct updates in this workflow has been reached ({limit}). \
                 Make sure any duplicate updates share an Update ID so the server can deduplicate them, and consider \
                 rejecting updates that you aren't going to process. You can also Continue-as-New to avoid this; we \
                 recommend you check Continue-as-New Suggested in your Workflow."
            )));
        }
        let limit = config.updates_in_flight_bytes;
        if limit > 0 && bytes + request.encoded_len() >= limit {
            return Err(Reject::ConcurrentLimit(format!(
                "limit on total payload size of in-flight updates has been reached ({limit} bytes)"
            )));
        }
        Ok(())
    }

    /// The outcome of an update that has completed: it outlives the run.
    pub(crate) fn completed_update(&self, update_id: &str) -> Option<&Outcome> {
        let update = self.machines.updates.get(update_id)?;
        update.outcome().filter(|_| update.state() == State::Completed)
    }

    /// Whether an update with this id is on its way.
    pub(crate) fn has_update(&self, update_id: &str) -> bool {
        self.machines.updates.contains_key(update_id)
    }

    fn place(&self) -> Place {
        Place {
            namespace: self.start.namespace.clone(),
            execution: self.execution(),
            first_run_id: self.first_run_id().to_owned(),
        }
    }

    fn answer_updates(&mut self, context: &mut Context<'_>) {
        let place = self.place();
        for update_id in &self.machines.update_order {
            let Some(update) = self.machines.updates.get_mut(update_id) else {
                continue;
            };
            for waiter in update.take_waiters(false) {
                let answer = reply(update, &place, waiter.rpc);
                context.effects.replies.push((waiter.ticket, Ok(answer)));
            }
        }
    }

    fn refuse_undelivered(&mut self, context: &mut Context<'_>, reject: &Reject) {
        self.refuse(context, State::Admitted, reject);
        self.refuse(context, State::Sent, reject);
    }

    /// Forgets the updates in this state and refuses those who wait for them.
    fn refuse(&mut self, context: &mut Context<'_>, state: State, reject: &Reject) {
        let updates = &mut self.machines.updates;
        self.machines.update_order.retain(|update_id| {
            let Some(update) = updates.get_mut(update_id) else {
                return false;
            };
            if update.state() != state {
                return true;
            }
            for waiter in update.take_waiters(true) {
                refuse_waiter(context, waiter, reject);
            }
            updates.remove(update_id);
            false
        });
    }
}

/// What an answer says of the run that an update went to.
struct Place {
    namespace: String,
    execution: WorkflowExecution,
    first_run_id: String,
}

fn refuse_waiter(context: &mut Context<'_>, waiter: Waiter, reject: &Reject) {
    let closed = *reject == Reject::update_aborted_by_close();
    let operations = match waiter.rpc {
        UpdateRpc::Update | UpdateRpc::Poll => {
            context.effects.replies.push((waiter.ticket, Err(reject.clone())));
            return;
        }
        UpdateRpc::WithStart(WithStart::Existing) if closed => {
            context.effects.mail.push(Letter::RetryUpdateWithStart(waiter.ticket));
            return;
        }
        // The client may try again: the server has.
        UpdateRpc::WithStart(WithStart::ExistingAgain) if closed => {
            vec![Some(Reject::OperationAborted), Some(Reject::Aborted(reject.message()))]
        }
        UpdateRpc::WithStart(WithStart::Started) => vec![None, Some(reject.clone())],
        UpdateRpc::WithStart(_) => vec![Some(Reject::OperationAborted), Some(reject.clone())],
    };
    let refused = Err(Reject::MultiOperation(operations));
    context.effects.replies.push((waiter.ticket, refused));
}

/// The answer to those who wait for an update.
fn reply(update: &Update, place: &Place, rpc: UpdateRpc) -> Vec<u8> {
    let update_ref = Some(UpdateRef {
        workflow_execution: Some(place.execution.clone()),
        update_id: update.update_id().to_owned(),
    });
    let outcome = update.outcome().cloned();
    let stage = update.stage() as i32;
    match rpc {
        UpdateRpc::WithStart(how) => {
            let answer = UpdateWorkflowExecutionResponse {
                update_ref,
                outcome,
                stage,
                link: link::to_update(update, &place.namespace, &place.execution),
            };
            let start = start_answer(place, how);
            update_with_start_answer(start, answer).encode_to_vec()
        }
        UpdateRpc::Update => UpdateWorkflowExecutionResponse {
            update_ref,
            outcome,
            stage,
            link: link::to_update(update, &place.namespace, &place.execution),
        }
        .encode_to_vec(),
        UpdateRpc::Poll => PollWorkflowExecutionUpdateResponse {
            outcome,
            stage,
            update_ref,
        }
        .encode_to_vec(),
    }
}

/// What an update-with-start says of the start.
fn start_answer(place: &Place, how: WithStart) -> StartWorkflowExecutionResponse {
    let started = how == WithStart::Started;
    StartWorkflowExecutionResponse {
        run_id: place.execution.run_id.clone(),
        first_execution_run_id: match started {
            true => place.first_run_id.clone(),
            false => String::new(),
        },
        started,
        status: WorkflowExecutionStatus::Running as i32,
        link: Some(link::to_start(&place.namespace, &place.execution)),
        ..Default::default()
    }
}

/// Both answers in one.
pub(crate) fn update_with_start_answer(
    start: StartWorkflowExecutionResponse,
    update: UpdateWorkflowExecutionResponse,
) -> ExecuteMultiOperationResponse {
    let responses = [Operation::StartWorkflow(start), Operation::UpdateWorkflow(update)];
    ExecuteMultiOperationResponse {
        responses: responses
            .into_iter()
            .map(|response| execute_multi_operation_response::Response {
                response: Some(response),
            })
            .collect(),
    }
}
