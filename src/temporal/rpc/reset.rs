//! Resets and deletions of runs.

use temporalio_protos::temporal::api::enums::v1::{ResetReapplyExcludeType as Exclude, ResetReapplyType};
use temporalio_protos::temporal::api::workflow::v1::post_reset_operation::Variant;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, options};
use crate::temporal::engine::{Call, Engine};
use crate::temporal::reject::Reject;
use crate::temporal::run::{OptionsChange, Reapply, Reset, RunRef};

pub(super) fn reset(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::ResetWorkflowExecutionRequest,
) -> Result<Answer<wire::ResetWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let refuse = |text: &str| Err(Reject::InvalidArgument(text.to_owned()));
    if request.request_id.is_empty() {
        return refuse("RequestId is not set on request.");
    }
    if engine.config.is_too_long(&request.request_id) {
        return refuse("RequestId length exceeds limit.");
    }
    let reapply = parse_reapply(&request)?;
    let execution = request.workflow_execution.as_ref();
    let base = engine.find_for_reset(&request.namespace, execution, request.workflow_task_finish_event_id)?;
    let operations = request.post_reset_operations.into_iter();
    let option_changes = operations
        .map(|operation| post_reset_operation(engine, call, base, operation.variant))
        .collect::<Result<_, _>>()?;
    let reset = Reset {
        workflow_task_finish_event_id: request.workflow_task_finish_event_id,
        reason: request.reason,
        request_id: request.request_id,
        reapply,
        option_changes,
    };
    let run_id = engine.reset_run(call.now, base, &reset)?;
    Ok(Answer::Now(wire::ResetWorkflowExecutionResponse { run_id }))
}

pub(super) fn delete(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DeleteWorkflowExecutionRequest,
) -> Result<Answer<wire::DeleteWorkflowExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let found = engine
        .runs
        .find(&request.namespace, request.workflow_execution.as_ref())?
        .run;
    engine.delete_run(call.now, found);
    Ok(Answer::Now(wire::DeleteWorkflowExecutionResponse {}))
}

/// What happens again: all that can, but for the types that are excluded by name or by the deprecated field.
fn parse_reapply(request: &wire::ResetWorkflowExecutionRequest) -> Result<Reapply, Reject> {
    #[expect(deprecated, reason = "clients may still send it")]
    let by_type = match ResetReapplyType::try_from(request.reset_reapply_type) {
        Ok(ResetReapplyType::Signal) => vec![Exclude::Update],
        Ok(ResetReapplyType::None) => vec![Exclude::Signal, Exclude::Update],
        Ok(ResetReapplyType::Unspecified | ResetReapplyType::AllEligible) => Vec::new(),
        Err(_) => {
            return Err(Reject::Internal(format!(
                "unknown reset reapply type: {}",
                request.reset_reapply_type
            )));
        }
    };
    let excluded =
        |exclude| by_type.contains(&exclude) || request.reset_reapply_exclude_types.contains(&(exclude as i32));
    #[expect(deprecated, reason = "all means all that the API has")]
    let all = [Exclude::Signal, Exclude::Update, Exclude::Nexus, Exclude::CancelRequest];
    Ok(Reapply {
        signals: !excluded(Exclude::Signal),
        updates: !excluded(Exclude::Update),
        nexus: !excluded(Exclude::Nexus),
        nothing: all.into_iter().all(excluded),
    })
}

/// Temporal 1.32 knows one of the two operations that the API has (`resetworkflow.validatePostResetOperationInputs`).
fn post_reset_operation(
    engine: &mut Engine,
    call: &Call<'_>,
    base: RunRef,
    variant: Option<Variant>,
) -> Result<OptionsChange, Reject> {
    match variant {
        Some(Variant::UpdateWorkflowOptions(operation)) => options::after_reset(engine, call, base, operation),
        Some(Variant::SignalWorkflow(_)) => Err(Reject::InvalidArgument(
            "unsupported post reset operation: *workflow.PostResetOperation_SignalWorkflow_".to_owned(),
        )),
        None => Err(Reject::InvalidArgument(
            "unsupported post reset operation: <nil>".to_owned(),
        )),
    }
}
