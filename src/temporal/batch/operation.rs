//! The kinds of batches: their names, and the request that each makes for one execution.

use service::StartBatchOperationRequest;
use service::start_batch_operation_request::Operation as O;
use temporalio_protos::temporal::api::batch::v1 as wire;
use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::common::v1::reset_options::Target as ResetTarget;
use temporalio_protos::temporal::api::enums::v1::{BatchOperationType as Kind, ExecutionType, ResetType};
use temporalio_protos::temporal::api::workflowservice::v1 as service;
use wire::batch_operation_reset_activities::Activity as ResetOf;
use wire::batch_operation_unpause_activities::Activity as UnpauseOf;
use wire::batch_operation_update_activity_options::Activity as UpdateOf;

use super::CLIENT;

/// Which workflow task a reset goes back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    First,
    Last,
    Event(i64),
    BuildId(String, bool),
}

/// What is to be asked of the server for one execution.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    /// The method and the encoded request.
    Request(&'static str, Vec<u8>),
    /// A reset, whose event must be found first.
    Reset(Target, Box<service::ResetWorkflowExecutionRequest>),
}

/// Whether a batch is for standalone activities.
pub(super) fn is_for_activities(operation: &O) -> bool {
    matches!(
        operation,
        O::TerminateActivitiesOperation(_) | O::DeleteActivitiesOperation(_) | O::CancelActivitiesOperation(_)
    )
}

/// What a batch's executions are.
pub(super) fn target_type(request: &StartBatchOperationRequest) -> ExecutionType {
    match request.operation.as_ref().is_some_and(is_for_activities) {
        true => ExecutionType::Activity,
        false => ExecutionType::Workflow,
    }
}

/// The operation's type in Temporal's messages, which are written in Go.
pub(super) fn go_type(operation: &O) -> String {
    let name = match operation {
        O::TerminationOperation(_) => "TerminationOperation",
        O::SignalOperation(_) => "SignalOperation",
        O::CancellationOperation(_) => "CancellationOperation",
        O::DeletionOperation(_) => "DeletionOperation",
        O::ResetOperation(_) => "ResetOperation",
        O::UpdateWorkflowOptionsOperation(_) => "UpdateWorkflowOptionsOperation",
        O::UnpauseActivitiesOperation(_) => "UnpauseActivitiesOperation",
        O::ResetActivitiesOperation(_) => "ResetActivitiesOperation",
        O::UpdateActivityOptionsOperation(_) => "UpdateActivityOptionsOperation",
        O::CancelActivitiesOperation(_) => "CancelActivitiesOperation",
        O::TerminateActivitiesOperation(_) => "TerminateActivitiesOperation",
        O::DeleteActivitiesOperation(_) => "DeleteActivitiesOperation",
    };
    format!("*workflowservice.StartBatchOperationRequest_{name}")
}

/// A batch's kind as its memo says it.
pub(crate) fn memo_name(request: &StartBatchOperationRequest) -> &'static str {
    match &request.operation {
        Some(O::TerminationOperation(_)) => "terminate",
        Some(O::SignalOperation(_)) => "signal",
        Some(O::CancellationOperation(_)) => "cancel",
        Some(O::DeletionOperation(_)) => "delete",
        Some(O::ResetOperation(_)) => "reset",
        Some(O::UpdateWorkflowOptionsOperation(_)) => "update_options",
        Some(O::UnpauseActivitiesOperation(_)) => "unpause_activities",
        Some(O::ResetActivitiesOperation(_)) => "reset_activities",
        Some(O::UpdateActivityOptionsOperation(_)) => "update_activity_options",
        Some(O::CancelActivitiesOperation(_)) => "cancel_activities",
        Some(O::TerminateActivitiesOperation(_)) => "terminate_activities",
        Some(O::DeleteActivitiesOperation(_)) => "delete_activities",
        None => "",
    }
}

/// From the memo to the kind that descriptions and lists show.
pub(crate) fn kind_by_memo(name: &str) -> Kind {
    match name {
        "terminate" => Kind::TerminateWorkflow,
        "signal" => Kind::SignalWorkflow,
        "cancel" => Kind::CancelWorkflow,
        "delete" => Kind::DeleteWorkflow,
        "reset" => Kind::ResetWorkflow,
        "update_options" => Kind::UpdateWorkflowExecutionOptions,
        "unpause_activities" => Kind::UnpauseActivity,
        "reset_activities" => Kind::ResetActivity,
        "update_activity_options" => Kind::UpdateActivityOptions,
        "cancel_activities" => Kind::CancelActivity,
        "terminate_activities" => Kind::TerminateActivity,
        "delete_activities" => Kind::DeleteActivity,
        _ => Kind::Unspecified,
    }
}

/// Who asks for the batch.
pub(crate) fn identity(request: &StartBatchOperationRequest) -> &str {
    match &request.operation {
        Some(O::TerminationOperation(it)) => &it.identity,
        Some(O::SignalOperation(it)) => &it.identity,
        Some(O::CancellationOperation(it)) => &it.identity,
        Some(O::DeletionOperation(it)) => &it.identity,
        Some(O::ResetOperation(it)) => &it.identity,
        Some(O::UpdateWorkflowOptionsOperation(it)) => &it.identity,
        Some(O::UnpauseActivitiesOperation(it)) => &it.identity,
        Some(O::ResetActivitiesOperation(it)) => &it.identity,
        Some(O::UpdateActivityOptionsOperation(it)) => &it.identity,
        Some(O::CancelActivitiesOperation(it)) => &it.identity,
        Some(O::TerminateActivitiesOperation(it)) => &it.identity,
        Some(O::DeleteActivitiesOperation(_)) | None => "",
    }
}

/// Whether a batch by query means only what is open.
pub(crate) fn restricts_to_open(request: &StartBatchOperationRequest) -> bool {
    !matches!(
        request.operation,
        Some(O::DeletionOperation(_) | O::ResetOperation(_) | O::DeleteActivitiesOperation(_)) | None
    )
}

/// The query of a batch; activities of one type can only be unpaused where one is paused.
pub(super) fn scope(request: &StartBatchOperationRequest) -> Option<String> {
    let query = Some(request.visibility_query.as_str()).filter(|query| !query.is_empty())?;
    let Some(O::UnpauseActivitiesOperation(unpause)) = &request.operation else {
        return Some(query.to_owned());
    };
    let Some(UnpauseOf::Type(name)) = &unpause.activity else {
        return Some(query.to_owned());
    };
    let name = name.replace('\\', "\\\\").replace('\'', "\\'");
    Some(format!(
        "TemporalPauseInfo = 'property:activityType={name}' and ({query})"
    ))
}

/// What a batch asks for one execution; none if it can't be asked at all.
pub(crate) fn requests(
    request: &StartBatchOperationRequest,
    execution: WorkflowExecution,
    request_id: String,
) -> Option<Asked> {
    let namespace = request.namespace.clone();
    let workflow_execution = Some(execution.clone());
    Some(match request.operation.as_ref()? {
        O::TerminationOperation(_) => asked(
            "TerminateWorkflowExecution",
            &service::TerminateWorkflowExecutionRequest {
                namespace,
                workflow_execution,
                reason: request.reason.clone(),
                identity: CLIENT.to_owned(),
                ..Default::default()
            },
        ),
        O::CancellationOperation(_) => asked(
            "RequestCancelWorkflowExecution",
            &service::RequestCancelWorkflowExecutionRequest {
                namespace,
                workflow_execution,
                identity: CLIENT.to_owned(),
                request_id,
                ..Default::default()
            },
        ),
        O::SignalOperation(signal) => asked(
            "SignalWorkflowExecution",
            &service::SignalWorkflowExecutionRequest {
                namespace,
                workflow_execution,
                signal_name: signal.signal.clone(),
                input: signal.input.clone(),
                identity: signal.identity.clone(),
                request_id,
                ..Default::default()
            },
        ),
        O::DeletionOperation(_) => asked(
            "DeleteWorkflowExecution",
            &service::DeleteWorkflowExecutionRequest {
                namespace,
                workflow_execution,
            },
        ),
        O::ResetOperation(reset) => return reset_request(request, reset, execution, request_id),
        O::UpdateWorkflowOptionsOperation(update) => asked(
            "UpdateWorkflowExecutionOptions",
            &service::UpdateWorkflowExecutionOptionsRequest {
                namespace,
                workflow_execution,
                workflow_execution_options: update.workflow_execution_options.clone(),
                update_mask: update.update_mask.clone(),
                identity: update.identity.clone(),
            },
        ),
        O::UnpauseActivitiesOperation(unpause) => unpause_request(namespace, execution, unpause),
        O::ResetActivitiesOperation(reset) => reset_activities_request(namespace, execution, reset),
        O::UpdateActivityOptionsOperation(update) => update_activities_request(namespace, execution, update),
        O::CancelActivitiesOperation(_) | O::TerminateActivitiesOperation(_) | O::DeleteActivitiesOperation(_) => {
            return None;
        }
    })
}

fn asked(method: &'static str, request: &impl prost::Message) -> Asked {
    Asked::Request(method, request.encode_to_vec())
}

fn reset_request(
    request: &StartBatchOperationRequest,
    reset: &wire::BatchOperationReset,
    execution: WorkflowExecution,
    request_id: String,
) -> Option<Asked> {
    #[expect(deprecated, reason = "clients may still send the old fields")]
    let (target, reapply, exclude) = match &reset.options {
        Some(options) => {
            let target = match options.target.as_ref()? {
                ResetTarget::FirstWorkflowTask(()) => Target::First,
                ResetTarget::LastWorkflowTask(()) => Target::Last,
                ResetTarget::WorkflowTaskId(event_id) => Target::Event(*event_id),
                ResetTarget::BuildId(build_id) => Target::BuildId(build_id.clone(), options.current_run_only),
            };
            (
                target,
                options.reset_reapply_type,
                options.reset_reapply_exclude_types.clone(),
            )
        }
        None => {
            let target = match ResetType::try_from(reset.reset_type) {
                Ok(ResetType::FirstWorkflowTask) => Target::First,
                _ => Target::Last,
            };
            (target, reset.reset_reapply_type, Vec::new())
        }
    };
    #[expect(deprecated, reason = "the server still reads it")]
    let reset = service::ResetWorkflowExecutionRequest {
        namespace: request.namespace.clone(),
        workflow_execution: Some(execution),
        reason: request.reason.clone(),
        request_id,
        reset_reapply_type: reapply,
        reset_reapply_exclude_types: exclude,
        post_reset_operations: reset.post_reset_operations.clone(),
        identity: reset.identity.clone(),
        ..Default::default()
    };
    Some(Asked::Reset(target, Box::new(reset)))
}

fn unpause_request(
    namespace: String,
    execution: WorkflowExecution,
    from: &wire::BatchOperationUnpauseActivities,
) -> Asked {
    use service::unpause_activity_request::Activity;
    asked(
        "UnpauseActivity",
        &service::UnpauseActivityRequest {
            namespace,
            execution: Some(execution),
            identity: from.identity.clone(),
            reset_attempts: from.reset_attempts,
            reset_heartbeat: from.reset_heartbeat,
            jitter: from.jitter,
            activity: from.activity.as_ref().map(|which| match which {
                UnpauseOf::Type(name) => Activity::Type(name.clone()),
                UnpauseOf::MatchAll(_) => Activity::UnpauseAll(true),
            }),
        },
    )
}

fn reset_activities_request(
    namespace: String,
    execution: WorkflowExecution,
    from: &wire::BatchOperationResetActivities,
) -> Asked {
    use service::reset_activity_request::Activity;
    asked(
        "ResetActivity",
        &service::ResetActivityRequest {
            namespace,
            execution: Some(execution),
            identity: from.identity.clone(),
            reset_heartbeat: from.reset_heartbeat,
            jitter: from.jitter,
            keep_paused: from.keep_paused,
            restore_original_options: from.restore_original_options,
            activity: from.activity.as_ref().map(|which| match which {
                ResetOf::Type(name) => Activity::Type(name.clone()),
                ResetOf::MatchAll(_) => Activity::MatchAll(true),
            }),
        },
    )
}

fn update_activities_request(
    namespace: String,
    execution: WorkflowExecution,
    from: &wire::BatchOperationUpdateActivityOptions,
) -> Asked {
    use service::update_activity_options_request::Activity;
    asked(
        "UpdateActivityOptions",
        &service::UpdateActivityOptionsRequest {
            namespace,
            execution: Some(execution),
            identity: from.identity.clone(),
            activity_options: from.activity_options.clone(),
            update_mask: from.update_mask.clone(),
            restore_original: from.restore_original,
            activity: from.activity.as_ref().map(|which| match which {
                UpdateOf::Type(name) => Activity::Type(name.clone()),
                UpdateOf::MatchAll(_) => Activity::MatchAll(true),
            }),
        },
    )
}
