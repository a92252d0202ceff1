//! Updates: asked for, and waited for.

use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage;
use temporalio_protos::temporal::api::update::v1::{Request, WaitPolicy};
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, check_execution, check_run_id};
use crate::temporal::engine::{Call, Engine, ParkedAt};
use crate::temporal::machine::update::{UpdateRpc, Waiter};
use crate::temporal::reject::Reject;

pub(super) fn update(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UpdateWorkflowExecutionRequest,
) -> Result<Answer<wire::UpdateWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let (namespace, first_run_id) = (request.namespace.clone(), request.first_execution_run_id.clone());
    let parsed = parse(engine, request)?;
    let execution = WorkflowExecution {
        workflow_id: parsed.workflow_id,
        run_id: parsed.run_id,
    };
    let run = engine
        .runs
        .find_in_chain(&namespace, Some(&execution), &first_run_id)?
        .run;
    let waiter = Waiter {
        ticket: call.ticket,
        stage: parsed.stage,
        rpc: UpdateRpc::Update,
    };
    engine.park(call, ParkedAt::Update(run));
    engine
        .with_run(call.now, run, |run, context| {
            run.update(context, waiter, &parsed.update_id, parsed.request)
        })
        .unwrap_or_else(|| Err(Reject::workflow_completed()))?;
    Ok(Answer::Later)
}

/// A request whose fields are as they must be.
pub(super) struct Parsed {
    pub(super) workflow_id: String,
    pub(super) run_id: String,
    pub(super) update_id: String,
    pub(super) request: Request,
    pub(super) stage: Stage,
}

/// Checks a request and fills in what it leaves open, but for its namespace.
pub(super) fn parse(engine: &mut Engine, request: wire::UpdateWorkflowExecutionRequest) -> Result<Parsed, Reject> {
    let refuse = |text: &str| Err(Reject::InvalidArgument(text.to_owned()));
    check_execution(request.workflow_execution.as_ref())?;
    let execution = request.workflow_execution.unwrap_or_default();
    let mut update = request.request.unwrap_or_default();
    let Some(meta) = update.meta.as_mut() else {
        return refuse("Update meta is not set on request.");
    };
    if engine.config.is_too_long(&meta.update_id) {
        return refuse("UpdateId length exceeds limit.");
    }
    if meta.update_id.is_empty() {
        meta.update_id = engine.entropy.uuid();
    }
    meta.update_id = engine.stable_id(std::mem::take(&mut meta.update_id));
    let update_id = meta.update_id.clone();
    match update.input.as_ref().map(|input| input.name.is_empty()) {
        None => return refuse("Update input is not set on request."),
        Some(true) => return refuse("Update name is not set on request."),
        Some(false) => {}
    }
    Ok(Parsed {
        workflow_id: execution.workflow_id,
        run_id: execution.run_id,
        update_id,
        request: update,
        stage: parse_stage(request.wait_policy)?,
    })
}

pub(super) fn poll(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::PollWorkflowExecutionUpdateRequest,
) -> Result<Answer<wire::PollWorkflowExecutionUpdateResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let Some(update_ref) = request.update_ref else {
        return Err(Reject::InvalidArgument("UpdateRef is not set on request.".to_owned()));
    };
    let execution = update_ref.workflow_execution.as_ref();
    check_run_id(execution.map_or("", |execution| &execution.run_id))?;
    let run = engine.runs.find(&request.namespace, execution)?.run;
    let waiter = Waiter {
        ticket: call.ticket,
        stage: request
            .wait_policy
            .map_or(Stage::Unspecified, |policy| policy.lifecycle_stage()),
        rpc: UpdateRpc::Poll,
    };
    let update_id = engine.stable_id(update_ref.update_id);
    engine.park(call, ParkedAt::Update(run));
    engine
        .with_run(call.now, run, |run, context| {
            run.poll_update(context, waiter, &update_id)
        })
        .unwrap_or_else(|| Err(Reject::workflow_completed()))?;
    Ok(Answer::Later)
}

fn parse_stage(policy: Option<WaitPolicy>) -> Result<Stage, Reject> {
    match policy.map_or(Stage::Unspecified, |policy| policy.lifecycle_stage()) {
        Stage::Unspecified => Ok(Stage::Completed),
        Stage::Admitted => Err(Reject::PermissionDenied(
            "UpdateWorkflowExecution issued asynchronously and waiting on update admitted is not supported.".to_owned(),
        )),
        stage => Ok(stage),
    }
}
