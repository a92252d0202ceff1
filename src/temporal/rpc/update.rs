//! Updates: asked for, and waited for.

use temporalio_protos::temporal::api::enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage;
use temporalio_protos::temporal::api::update::v1::WaitPolicy;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, check_length};
use crate::temporal::engine::{Call, Engine, ParkedAt};
use crate::temporal::machine::update::{UpdateRpc, Waiter};
use crate::temporal::reject::Reject;

pub(super) fn update(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UpdateWorkflowExecutionRequest,
) -> Result<Answer<wire::UpdateWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let Some(mut update) = request.request else {
        return Err(Reject::InvalidArgument("Request is not set on request.".to_owned()));
    };
    let name = update
        .input
        .as_ref()
        .map(|input| input.name.as_str())
        .unwrap_or_default();
    if name.is_empty() {
        return Err(Reject::InvalidArgument("Update name is not set on request.".to_owned()));
    }
    check_length("Update name", name)?;
    let stage = parse_stage(request.wait_policy)?;
    let found = engine.runs.find_in_chain(
        &request.namespace,
        request.workflow_execution.as_ref(),
        &request.first_execution_run_id,
    )?;
    let run = found.run;
    let meta = update.meta.get_or_insert_default();
    check_length("UpdateId", &meta.update_id)?;
    if meta.update_id.is_empty() {
        meta.update_id = engine.entropy.uuid();
    }
    meta.update_id = engine.stable_id(std::mem::take(&mut meta.update_id));
    let update_id = meta.update_id.clone();
    let waiter = Waiter {
        ticket: call.ticket,
        stage,
        rpc: UpdateRpc::Update,
    };
    engine.park(call, ParkedAt::Update(run));
    engine
        .with_run(call.now, run, |run, context| {
            run.update(context, waiter, &update_id, update)
        })
        .unwrap_or_else(|| Err(Reject::workflow_completed()))?;
    Ok(Answer::Later)
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
    let run = engine
        .runs
        .find(&request.namespace, update_ref.workflow_execution.as_ref())?
        .run;
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
        Stage::Unspecified => Ok(Stage::Accepted),
        stage => Ok(stage),
    }
}
