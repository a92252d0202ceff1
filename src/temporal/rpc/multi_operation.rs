//! Several operations as one. Temporal knows one such list: start a workflow and update it.

use temporalio_protos::temporal::api::workflowservice::v1 as wire;
use temporalio_protos::temporal::api::workflowservice::v1::execute_multi_operation_request::operation::Operation;

use super::{Answer, start, update};
use crate::clock::Timestamp;
use crate::temporal::engine::{Call, Engine, ParkedAt, UpdateWithStart};
use crate::temporal::proto::duration;
use crate::temporal::reject::Reject;
use crate::temporal::run::{RunRef, StartRun};

pub(super) fn execute(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::ExecuteMultiOperationRequest,
) -> Result<Answer<wire::ExecuteMultiOperationResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let namespace = request.namespace;
    let mut operations = request.operations.into_iter().map(|it| it.operation);
    let (start, update) = match (operations.next(), operations.next(), operations.next()) {
        (Some(Some(Operation::StartWorkflow(start))), Some(Some(Operation::UpdateWorkflow(update))), None) => {
            (start, update)
        }
        _ => return refuse("Operations have to be exactly [Start, Update]."),
    };
    let start = parse_start(engine, call.now, &namespace, start);
    let update = parse_update(engine, &namespace, update);
    let (start, update) = match (start, update) {
        (Ok(start), Ok(update)) => (start, update),
        (start, update) => {
            let failed = [start.err(), update.err()];
            return Err(Reject::MultiOperation(failed.map(aborted_if_well).into()));
        }
    };
    if start.workflow_id != update.workflow_id {
        let text = "WorkflowId is not consistent with previous operation(s).".to_owned();
        return Err(Reject::MultiOperation(vec![
            Some(Reject::OperationAborted),
            Some(Reject::InvalidArgument(text)),
        ]));
    }
    let request = UpdateWithStart {
        start,
        update_id: update.update_id,
        update: update.request,
        stage: update.stage,
    };
    // Which run it is turns out on the way.
    engine.park(call, ParkedAt::Update(RunRef(0)));
    match engine.update_with_start(call.now, call.ticket, request, false)? {
        Some(answer) => {
            engine.forget(call.now, call.ticket);
            Ok(Answer::Now(answer))
        }
        None => Ok(Answer::Later),
    }
}

fn parse_start(
    engine: &mut Engine,
    now: Timestamp,
    namespace: &str,
    mut request: wire::StartWorkflowExecutionRequest,
) -> Result<StartRun, Reject> {
    same_namespace(namespace, &mut request.namespace)?;
    let (eager, delayed) = (
        request.request_eager_execution,
        duration(request.workflow_start_delay.as_ref()).is_some(),
    );
    let start = start::parse(engine, now, request)?;
    if !start.cron_schedule.is_empty() {
        return refuse("CronSchedule is not allowed.");
    }
    if eager {
        return refuse("RequestEagerExecution is not supported.");
    }
    if delayed {
        return refuse("WorkflowStartDelay is not supported.");
    }
    Ok(start)
}

fn parse_update(
    engine: &mut Engine,
    namespace: &str,
    mut request: wire::UpdateWorkflowExecutionRequest,
) -> Result<update::Parsed, Reject> {
    same_namespace(namespace, &mut request.namespace)?;
    let first_execution_run_id = std::mem::take(&mut request.first_execution_run_id);
    let parsed = update::parse(engine, request)?;
    if !first_execution_run_id.is_empty() {
        return refuse("FirstExecutionRunId is not allowed.");
    }
    if !parsed.run_id.is_empty() {
        return refuse("RunId is not allowed.");
    }
    Ok(parsed)
}

/// An operation need not name its namespace, but must not name another one.
fn same_namespace(namespace: &str, operations: &mut String) -> Result<(), Reject> {
    if operations.is_empty() {
        namespace.clone_into(operations);
    }
    match operations == namespace {
        true => Ok(()),
        false => refuse("Operation namespace did not match request's namespace."),
    }
}

/// An operation with which nothing is wrong isn't carried out either.
fn aborted_if_well(reject: Option<Reject>) -> Option<Reject> {
    Some(reject.unwrap_or(Reject::OperationAborted))
}

fn refuse<T>(text: &str) -> Result<T, Reject> {
    Err(Reject::InvalidArgument(text.to_owned()))
}
