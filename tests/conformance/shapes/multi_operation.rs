//! Update-with-start.

use temporalio_common::protos::temporal::api::enums::v1::WorkflowIdConflictPolicy;
use temporalio_common::protos::temporal::api::update::v1 as update;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use temporalio_common::protos::temporal::api::workflowservice::v1::execute_multi_operation_request::Operation;
use temporalio_common::protos::temporal::api::workflowservice::v1::execute_multi_operation_request::operation::Operation as Of;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, complete};

on_both_arms![
    update_with_start_of_nothing,
    update_with_start_of_two_ids,
    update_with_start_admitted,
    update_with_start_refused_by_policy,
];

fn send(stage: &Stage<'_>, operations: Vec<Of>) -> wire::ExecuteMultiOperationRequest {
    wire::ExecuteMultiOperationRequest {
        namespace: NAMESPACE.to_owned(),
        operations: operations
            .into_iter()
            .map(|operation| Operation {
                operation: Some(operation),
            })
            .collect(),
        resource_id: stage.named("both"),
    }
}

fn starting(stage: &Stage<'_>) -> wire::StartWorkflowExecutionRequest {
    let mut request = stage.starting("both");
    request.workflow_id_conflict_policy = WorkflowIdConflictPolicy::UseExisting as i32;
    request
}

fn updating(stage: &Stage<'_>) -> wire::UpdateWorkflowExecutionRequest {
    wire::UpdateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(
            temporalio_common::protos::temporal::api::common::v1::WorkflowExecution {
                workflow_id: stage.named("both"),
                run_id: String::new(),
            },
        ),
        wait_policy: Some(update::WaitPolicy { lifecycle_stage: 2 }),
        request: Some(update::Request {
            meta: Some(update::Meta {
                update_id: "update".to_owned(),
                identity: "client".to_owned(),
            }),
            input: Some(update::Input {
                name: "ask".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn update_with_start_of_nothing(stage: &mut Stage<'_>) {
    for operations in [
        vec![],
        vec![Of::StartWorkflow(starting(stage))],
        vec![Of::UpdateWorkflow(updating(stage)), Of::StartWorkflow(starting(stage))],
    ] {
        let request = send(stage, operations);
        stage.call::<wire::ExecuteMultiOperationResponse>("ExecuteMultiOperation", &request);
    }
}

fn update_with_start_of_two_ids(stage: &mut Stage<'_>) {
    let mut other = updating(stage);
    if let Some(execution) = &mut other.workflow_execution {
        execution.workflow_id = stage.named("other");
    }
    let request = send(
        stage,
        vec![Of::StartWorkflow(starting(stage)), Of::UpdateWorkflow(other)],
    );
    stage.call::<wire::ExecuteMultiOperationResponse>("ExecuteMultiOperation", &request);
    let mut nameless = updating(stage);
    nameless.request = None;
    let request = send(
        stage,
        vec![Of::StartWorkflow(starting(stage)), Of::UpdateWorkflow(nameless)],
    );
    stage.call::<wire::ExecuteMultiOperationResponse>("ExecuteMultiOperation", &request);
}

/// A worker that doesn't know updates lets it be rejected.
fn update_with_start_admitted(stage: &mut Stage<'_>) {
    let request = send(
        stage,
        vec![Of::StartWorkflow(starting(stage)), Of::UpdateWorkflow(updating(stage))],
    );
    let pending = stage.begin("ExecuteMultiOperation", &request);
    let task = stage.poll();
    stage.answer(&task, vec![complete("1")]);
    stage.finish::<wire::ExecuteMultiOperationResponse>(pending);
    stage.history(&task.workflow_execution.unwrap_or_default());
}

fn update_with_start_refused_by_policy(stage: &mut Stage<'_>) {
    stage.start("both");
    let mut start = starting(stage);
    start.request_id = "second".to_owned();
    start.workflow_id_conflict_policy = WorkflowIdConflictPolicy::Fail as i32;
    let request = send(
        stage,
        vec![Of::StartWorkflow(start), Of::UpdateWorkflow(updating(stage))],
    );
    stage.call::<wire::ExecuteMultiOperationResponse>("ExecuteMultiOperation", &request);
}
