//! Pausing workflows, and changing the options of a running one.

use temporalio_common::protos::temporal::api::common::v1::{Priority, WorkflowExecution};
use temporalio_common::protos::temporal::api::workflow::v1::WorkflowExecutionOptions;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, complete};

on_both_arms![
    paused_and_unpaused,
    paused_twice_and_closed,
    signalled_while_paused,
    options_updated,
    options_with_bad_masks,
];

fn pause(stage: &mut Stage<'_>, execution: &WorkflowExecution, request_id: &str) {
    let request = wire::PauseWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_id: execution.workflow_id.clone(),
        run_id: execution.run_id.clone(),
        identity: "client".to_owned(),
        reason: "lunch".to_owned(),
        request_id: request_id.to_owned(),
    };
    stage.call::<wire::PauseWorkflowExecutionResponse>("PauseWorkflowExecution", &request);
}

fn unpause(stage: &mut Stage<'_>, execution: &WorkflowExecution, request_id: &str) {
    let request = wire::UnpauseWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_id: execution.workflow_id.clone(),
        run_id: execution.run_id.clone(),
        identity: "client".to_owned(),
        reason: "back".to_owned(),
        request_id: request_id.to_owned(),
    };
    stage.call::<wire::UnpauseWorkflowExecutionResponse>("UnpauseWorkflowExecution", &request);
}

fn paused_and_unpaused(stage: &mut Stage<'_>) {
    let execution = stage.start("paused");
    stage.work(vec![]);
    pause(stage, &execution, "pause");
    stage.history(&execution);
    stage.describe(&execution);
    unpause(stage, &execution, "unpause");
    stage.history(&execution);
    stage.describe(&execution);
    stage.work(vec![complete("1")]);
    stage.history(&execution);
}

fn paused_twice_and_closed(stage: &mut Stage<'_>) {
    let execution = stage.start("paused");
    unpause(stage, &execution, "too early");
    pause(stage, &execution, "pause");
    pause(stage, &execution, "pause");
    pause(stage, &execution, "another");
    unpause(stage, &execution, "unpause");
    stage.work(vec![complete("1")]);
    pause(stage, &execution, "too late");
    unpause(stage, &execution, "too late");
    stage.history(&execution);
}

fn signalled_while_paused(stage: &mut Stage<'_>) {
    let execution = stage.start("paused");
    stage.work(vec![]);
    pause(stage, &execution, "pause");
    stage.signal(&execution, "news");
    stage.history(&execution);
    unpause(stage, &execution, "unpause");
    stage.work(vec![complete("1")]);
    stage.history(&execution);
}

fn update_options(
    stage: &mut Stage<'_>,
    execution: &WorkflowExecution,
    options: Option<WorkflowExecutionOptions>,
    paths: &[&str],
) {
    let request = wire::UpdateWorkflowExecutionOptionsRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution.clone()),
        workflow_execution_options: options,
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
        }),
        identity: "client".to_owned(),
    };
    stage.call::<wire::UpdateWorkflowExecutionOptionsResponse>("UpdateWorkflowExecutionOptions", &request);
}

fn priority(key: i32) -> Option<WorkflowExecutionOptions> {
    Some(WorkflowExecutionOptions {
        priority: Some(Priority {
            priority_key: key,
            ..Default::default()
        }),
        ..Default::default()
    })
}

fn options_updated(stage: &mut Stage<'_>) {
    let execution = stage.start("options");
    stage.work(vec![]);
    update_options(stage, &execution, priority(1), &["priority"]);
    update_options(stage, &execution, priority(1), &["priority"]);
    update_options(stage, &execution, priority(2), &["priority.priority_key"]);
    stage.history(&execution);
    stage.describe(&execution);
}

fn options_with_bad_masks(stage: &mut Stage<'_>) {
    let execution = stage.start("options");
    update_options(stage, &execution, priority(1), &[]);
    update_options(stage, &execution, priority(1), &["no_such_field"]);
    update_options(stage, &execution, None, &["priority"]);
    update_options(stage, &execution, priority(9), &["priority"]);
    stage.work(vec![complete("1")]);
    update_options(stage, &execution, priority(1), &["priority"]);
}
