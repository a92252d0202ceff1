//! A workflow as a whole: describe and terminate.

use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, check_execution};
use crate::temporal::engine::{Call, Engine};
use crate::temporal::link;
use crate::temporal::reject::Reject;

pub(super) fn describe(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DescribeWorkflowExecutionRequest,
) -> Result<Answer<wire::DescribeWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let run = engine.runs.find(&request.namespace, request.execution.as_ref())?;
    Ok(Answer::Now(run.describe(call.now)))
}

pub(super) fn terminate(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::TerminateWorkflowExecutionRequest,
) -> Result<Answer<wire::TerminateWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let execution = request.workflow_execution.as_ref();
    check_execution(execution)?;
    link::validate(&request.links)?;
    let first_run_id = &request.first_execution_run_id;
    let found = engine
        .runs
        .find_latest_of(&request.namespace, execution, first_run_id)?;
    if !found.is_running() {
        return Err(Reject::workflow_completed());
    }
    if !first_run_id.is_empty() && found.first_run_id() != first_run_id {
        return Err(Reject::NotFound("workflow execution not found".to_owned()));
    }
    let run = found.run;
    let reason = or(&request.reason, "terminated by user via frontend");
    let identity = or(&request.identity, "frontend-service");
    engine.with_run(call.now, run, |run, context| {
        run.terminate(context, reason, request.details, identity, request.links);
    });
    Ok(Answer::Now(wire::TerminateWorkflowExecutionResponse {}))
}

/// What a client left out is said by the server.
fn or<'a>(value: &'a str, default: &'a str) -> &'a str {
    match value {
        "" => default,
        value => value,
    }
}
