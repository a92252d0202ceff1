//! Signals and requests to cancel, from clients.

use temporalio_protos::temporal::api::enums::v1::EventType;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, check_blob, check_execution};
use crate::temporal::engine::{Call, Engine};
use crate::temporal::link;
use crate::temporal::reject::Reject;
use crate::temporal::run::{CancelRequest, Signal};

pub(super) fn signal(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::SignalWorkflowExecutionRequest,
) -> Result<Answer<wire::SignalWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_execution(request.workflow_execution.as_ref())?;
    let refuse = |text: &str| Err(Reject::InvalidArgument(text.to_owned()));
    if request.signal_name.is_empty() {
        return refuse("SignalName is not set on request.");
    }
    if engine.config.is_too_long(&request.signal_name) {
        return refuse("SignalName length exceeds limit.");
    }
    if engine.config.is_too_long(&request.request_id) {
        return refuse("RequestId length exceeds limit.");
    }
    link::validate(&request.links)?;
    check_blob(engine, request.input.as_ref())?;
    let found = engine
        .runs
        .find(&request.namespace, request.workflow_execution.as_ref())?;
    let (run, execution) = (found.run, found.execution());
    let request_id = engine.stable_id(request.request_id);
    let signaled = EventType::WorkflowExecutionSignaled;
    let link = link::to_request(&request.namespace, &execution, &request_id, signaled);
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
    Ok(Answer::Now(wire::SignalWorkflowExecutionResponse { link: Some(link) }))
}

pub(super) fn request_cancel(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RequestCancelWorkflowExecutionRequest,
) -> Result<Answer<wire::RequestCancelWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let execution = request.workflow_execution.as_ref();
    check_execution(execution)?;
    link::validate(&request.links)?;
    let first_run_id = &request.first_execution_run_id;
    let found = engine
        .runs
        .find_latest_of(&request.namespace, execution, first_run_id)?;
    if found.is_running() && !first_run_id.is_empty() && found.first_run_id() != first_run_id {
        return Err(Reject::NotFound("workflow execution not found".to_owned()));
    }
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
