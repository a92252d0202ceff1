//! Signals and requests to cancel, from clients.

use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, check_length};
use crate::temporal::engine::{Call, Engine};
use crate::temporal::reject::Reject;
use crate::temporal::run::{CancelRequest, Signal};

pub(super) fn signal(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::SignalWorkflowExecutionRequest,
) -> Result<Answer<wire::SignalWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    if request.signal_name.is_empty() {
        return Err(Reject::InvalidArgument("SignalName is not set on request.".to_owned()));
    }
    check_length("SignalName", &request.signal_name)?;
    let run = engine
        .runs
        .find(&request.namespace, request.workflow_execution.as_ref())?
        .run;
    let request_id = engine.stable_id(request.request_id);
    let signal = Signal {
        name: request.signal_name,
        input: request.input,
        header: request.header,
        identity: request.identity,
        request_id,
        links: request.links,
        from: None,
    };
    engine
        .with_run(call.now, run, |run, context| run.signal(context, signal))
        .unwrap_or(Err(Reject::workflow_completed()))?;
    Ok(Answer::Now(wire::SignalWorkflowExecutionResponse::default()))
}

pub(super) fn request_cancel(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RequestCancelWorkflowExecutionRequest,
) -> Result<Answer<wire::RequestCancelWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let found = engine.runs.find_in_chain(
        &request.namespace,
        request.workflow_execution.as_ref(),
        &request.first_execution_run_id,
    )?;
    let run = found.run;
    let cancel = CancelRequest {
        cause: request.reason,
        identity: request.identity,
        request_id: request.request_id,
        links: request.links,
        from: None,
    };
    engine
        .with_run(call.now, run, |run, context| run.request_cancel(context, cancel))
        .unwrap_or(Err(Reject::workflow_completed()))?;
    Ok(Answer::Now(wire::RequestCancelWorkflowExecutionResponse::default()))
}
