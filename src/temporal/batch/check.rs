//! What a batch must say before it starts (`service/worker/batcher/workflow.go`, `ValidateBatchOperation`).

use temporalio_protos::temporal::api::batch::v1 as wire;
use temporalio_protos::temporal::api::common::v1::Execution;
use temporalio_protos::temporal::api::enums::v1::{ExecutionType, ResetType};
use temporalio_protos::temporal::api::workflowservice::v1::StartBatchOperationRequest;
use temporalio_protos::temporal::api::workflowservice::v1::start_batch_operation_request::Operation as O;
use wire::batch_operation_reset_activities::Activity as ResetOf;
use wire::batch_operation_unpause_activities::Activity as UnpauseOf;
use wire::batch_operation_update_activity_options::Activity as UpdateOf;

use super::operation::{go_type, is_for_activities, target_type};

const EITHER: &str = "Either activity type must be set, or match all should be set to true";

/// Refuses what isn't a whole batch; the error is Temporal's text.
pub(crate) fn check(request: &StartBatchOperationRequest) -> Result<(), String> {
    let refuse = |why: &str| Err(why.to_owned());
    let Some(operation) = request.operation.as_ref() else {
        return refuse(MISSING);
    };
    // The namespace's configuration comes first: no dev server takes these unless it is told to.
    if is_for_activities(operation) {
        return Err(format!(
            "The operation type {} is not supported for this namespace",
            go_type(operation)
        ));
    }
    let selectors = selectors(request);
    if request.reason.is_empty() || selectors == 0 {
        return refuse(MISSING);
    }
    if request.job_id.is_empty() {
        return refuse("JobId is not set on request.");
    }
    if selectors > 1 {
        return refuse("visibility query, executions, and target executions are mutually exclusive");
    }
    check_targets(request, operation)?;
    check_operation(operation).map_err(str::to_owned)
}

const MISSING: &str = "must provide required parameters: BatchType,Reason,Namespace, AND one of (Query OR Executions OR \
                       TargetExecutions)";

fn selectors(request: &StartBatchOperationRequest) -> usize {
    #[expect(deprecated, reason = "clients may still send it")]
    let has_executions = !request.executions.is_empty();
    [
        !request.visibility_query.is_empty(),
        has_executions,
        !request.target_executions.is_empty(),
    ]
    .into_iter()
    .filter(|it| *it)
    .count()
}

fn check_targets(request: &StartBatchOperationRequest, operation: &O) -> Result<(), String> {
    let expected = target_type(request);
    let wrong = |(_, execution): &(usize, &Execution)| execution.r#type != expected as i32;
    match request.target_executions.iter().enumerate().find(wrong) {
        None => Ok(()),
        Some((index, execution)) => Err(format!(
            "target_executions[{index}] has type {}, but operation {} requires {}",
            type_name(execution.r#type),
            go_type(operation),
            type_name(expected as i32)
        )),
    }
}

fn type_name(kind: i32) -> String {
    match ExecutionType::try_from(kind) {
        Ok(ExecutionType::Unspecified) => "Unspecified".to_owned(),
        Ok(ExecutionType::Workflow) => "Workflow".to_owned(),
        Ok(ExecutionType::Activity) => "Activity".to_owned(),
        Ok(ExecutionType::NexusOperation) => "NexusOperation".to_owned(),
        Err(_) => kind.to_string(),
    }
}

fn check_operation(operation: &O) -> Result<(), &'static str> {
    match operation {
        O::SignalOperation(signal) if signal.signal.is_empty() => Err("must provide signal name"),
        O::UpdateWorkflowOptionsOperation(update) if update.workflow_execution_options.is_none() => {
            Err("must provide UpdateOptions")
        }
        O::UpdateWorkflowOptionsOperation(update) if update.update_mask.is_none() => Err("must provide UpdateMask"),
        O::ResetOperation(reset) => check_reset(reset),
        O::UnpauseActivitiesOperation(unpause) => match &unpause.activity {
            None => Err("activity filter must be set"),
            Some(UnpauseOf::Type(name)) => named(name),
            Some(UnpauseOf::MatchAll(all)) => all_of_them(*all),
        },
        O::ResetActivitiesOperation(reset) => match &reset.activity {
            None => Err("must provide ActivityType or MatchAll"),
            Some(ResetOf::Type(name)) => named(name),
            Some(ResetOf::MatchAll(true)) => Ok(()),
            Some(ResetOf::MatchAll(false)) => Err(EITHER),
        },
        O::UpdateActivityOptionsOperation(update) => check_activity_options(update),
        O::SignalOperation(_)
        | O::UpdateWorkflowOptionsOperation(_)
        | O::TerminationOperation(_)
        | O::CancellationOperation(_)
        | O::DeletionOperation(_)
        | O::CancelActivitiesOperation(_)
        | O::TerminateActivitiesOperation(_)
        | O::DeleteActivitiesOperation(_) => Ok(()),
    }
}

fn check_reset(reset: &wire::BatchOperationReset) -> Result<(), &'static str> {
    if let Some(options) = &reset.options {
        return match options.target {
            Some(_) => Ok(()),
            None => Err("batch reset missing target"),
        };
    }
    #[expect(deprecated, reason = "clients may still send it")]
    let kind = ResetType::try_from(reset.reset_type);
    match kind {
        Ok(ResetType::FirstWorkflowTask | ResetType::LastWorkflowTask) => Ok(()),
        Ok(ResetType::Unspecified) => Err("unknown batch reset type Unspecified"),
        Err(_) => Err("unknown batch reset type"),
    }
}

fn check_activity_options(update: &wire::BatchOperationUpdateActivityOptions) -> Result<(), &'static str> {
    match (update.activity_options.is_some(), update.restore_original) {
        (true, true) => return Err("cannot set both activity options and restore original"),
        (false, false) => {
            return Err("Either activity type must be set, or restore original should be set to true");
        }
        _ => {}
    }
    match &update.activity {
        Some(UpdateOf::Type(name)) => named(name),
        Some(UpdateOf::MatchAll(all)) => all_of_them(*all),
        None => Ok(()),
    }
}

fn named(name: &str) -> Result<(), &'static str> {
    match name.is_empty() {
        true => Err(EITHER),
        false => Ok(()),
    }
}

fn all_of_them(all: bool) -> Result<(), &'static str> {
    match all {
        true => Ok(()),
        false => Err(EITHER),
    }
}
