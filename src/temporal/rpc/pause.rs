//! Pausing workflows.

use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, check_run_id};
use crate::temporal::engine::{Call, Engine};
use crate::temporal::reject::Reject;
use crate::temporal::run::{PauseRequest, RunRef};

pub(super) fn pause(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::PauseWorkflowExecutionRequest,
) -> Result<Answer<wire::PauseWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let pause = parse(engine, request.identity, request.reason, request.request_id)?;
    let run = find(engine, &request.namespace, request.workflow_id, request.run_id)?;
    engine
        .with_run(call.now, run, |run, context| run.pause(context, pause))
        .unwrap_or(Err(Reject::workflow_completed()))?;
    Ok(Answer::Now(wire::PauseWorkflowExecutionResponse {}))
}

pub(super) fn unpause(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UnpauseWorkflowExecutionRequest,
) -> Result<Answer<wire::UnpauseWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let unpause = parse(engine, request.identity, request.reason, request.request_id)?;
    let run = find(engine, &request.namespace, request.workflow_id, request.run_id)?;
    engine
        .with_run(call.now, run, |run, context| run.unpause(context, unpause))
        .unwrap_or(Err(Reject::workflow_completed()))?;
    Ok(Answer::Now(wire::UnpauseWorkflowExecutionResponse {}))
}

fn parse(engine: &mut Engine, identity: String, reason: String, request_id: String) -> Result<PauseRequest, Reject> {
    for (field, value) in [
        ("reason", &reason),
        ("request id", &request_id),
        ("identity", &identity),
    ] {
        if engine.config.is_too_long(value) {
            return Err(Reject::InvalidArgument(format!("{field} is too long.")));
        }
    }
    Ok(PauseRequest {
        identity,
        reason,
        request_id: engine.stable_id(request_id),
    })
}

/// The history service looks at the ids itself here, with texts of its own.
fn find(engine: &Engine, namespace: &str, workflow_id: String, run_id: String) -> Result<RunRef, Reject> {
    if workflow_id.is_empty() {
        return Err(Reject::InvalidArgument(
            "Can't load workflow execution.  WorkflowId not set.".to_owned(),
        ));
    }
    check_run_id(&run_id)?;
    let execution = WorkflowExecution { workflow_id, run_id };
    Ok(engine.runs.find(namespace, Some(&execution))?.run)
}
