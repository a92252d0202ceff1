//! A workflow as a whole: describe and terminate.

use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::Answer;
use crate::temporal::engine::{Call, Engine};
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
    let found = engine.runs.find_in_chain(
        &request.namespace,
        request.workflow_execution.as_ref(),
        &request.first_execution_run_id,
    )?;
    if !found.is_running() {
        return Err(Reject::workflow_completed());
    }
    let run = found.run;
    engine.with_run(call.now, run, |run, context| {
        run.terminate(
            context,
            &request.reason,
            request.details,
            &request.identity,
            request.links,
        );
    });
    Ok(Answer::Now(wire::TerminateWorkflowExecutionResponse {}))
}
