//! Worker deployments.

use temporalio_common::protos::temporal::api::deployment::v1::WorkerDeploymentOptions;
use temporalio_common::protos::temporal::api::enums::v1::{VersioningBehavior, WorkerVersioningMode};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, complete};

on_both_arms![
    deployment_made_by_a_poll,
    deployment_current_version,
    deployment_pins_a_workflow,
    deployments_that_are_unknown,
];

fn deployment(stage: &Stage<'_>, build_id: &str) -> Option<WorkerDeploymentOptions> {
    Some(WorkerDeploymentOptions {
        deployment_name: stage.named("deployment").replace('~', "-"),
        build_id: build_id.to_owned(),
        worker_versioning_mode: WorkerVersioningMode::Versioned as i32,
    })
}

fn describe(stage: &mut Stage<'_>) {
    let request = wire::DescribeWorkerDeploymentRequest {
        namespace: NAMESPACE.to_owned(),
        deployment_name: stage.named("deployment").replace('~', "-"),
    };
    stage.call::<wire::DescribeWorkerDeploymentResponse>("DescribeWorkerDeployment", &request);
}

fn set_current(stage: &mut Stage<'_>, build_id: &str) {
    let request = wire::SetWorkerDeploymentCurrentVersionRequest {
        namespace: NAMESPACE.to_owned(),
        deployment_name: stage.named("deployment").replace('~', "-"),
        build_id: build_id.to_owned(),
        identity: "client".to_owned(),
        allow_no_pollers: true,
        ..Default::default()
    };
    stage.call::<wire::SetWorkerDeploymentCurrentVersionResponse>("SetWorkerDeploymentCurrentVersion", &request);
}

/// A poll that is left waiting, as a worker's.
fn poll_of(stage: &mut Stage<'_>, build_id: &str) -> crate::conformance::stage::Pending {
    let mut request = stage.polling();
    request.deployment_options = deployment(stage, build_id);
    stage.begin("PollWorkflowTaskQueue", &request)
}

fn deployment_made_by_a_poll(stage: &mut Stage<'_>) {
    let _poll = poll_of(stage, "1.0");
    stage.pass(3);
    describe(stage);
}

fn deployment_current_version(stage: &mut Stage<'_>) {
    let poll = poll_of(stage, "1.0");
    stage.pass(3);
    set_current(stage, "1.0");
    set_current(stage, "1.0");
    stage.pass(2);
    let execution = stage.start("versioned");
    let task: Option<wire::PollWorkflowTaskQueueResponse> = stage.finish(poll);
    let mut request = stage.answering(&task.unwrap_or_default(), vec![]);
    request.deployment_options = deployment(stage, "1.0");
    request.versioning_behavior = VersioningBehavior::AutoUpgrade as i32;
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
    stage.history(&execution);
    stage.describe(&execution);
    describe(stage);
}

fn deployment_pins_a_workflow(stage: &mut Stage<'_>) {
    let first = poll_of(stage, "1.0");
    stage.pass(3);
    set_current(stage, "1.0");
    stage.pass(2);
    let execution = stage.start("pinned");
    let task: Option<wire::PollWorkflowTaskQueueResponse> = stage.finish(first);
    let mut request = stage.answering(&task.unwrap_or_default(), vec![]);
    request.deployment_options = deployment(stage, "1.0");
    request.versioning_behavior = VersioningBehavior::Pinned as i32;
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
    let old = poll_of(stage, "1.0");
    let _new = poll_of(stage, "2.0");
    stage.pass(3);
    set_current(stage, "2.0");
    stage.pass(2);
    stage.signal(&execution, "news");
    let task: Option<wire::PollWorkflowTaskQueueResponse> = stage.finish(old);
    let mut request = stage.answering(&task.unwrap_or_default(), vec![complete("1")]);
    request.deployment_options = deployment(stage, "1.0");
    request.versioning_behavior = VersioningBehavior::Pinned as i32;
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
    stage.history(&execution);
    describe(stage);
}

fn deployments_that_are_unknown(stage: &mut Stage<'_>) {
    describe(stage);
    set_current(stage, "1.0");
    let request = wire::DescribeWorkerDeploymentRequest {
        namespace: NAMESPACE.to_owned(),
        deployment_name: String::new(),
    };
    stage.call::<wire::DescribeWorkerDeploymentResponse>("DescribeWorkerDeployment", &request);
    let version = wire::DescribeWorkerDeploymentVersionRequest {
        namespace: NAMESPACE.to_owned(),
        ..Default::default()
    };
    stage.call::<wire::DescribeWorkerDeploymentVersionResponse>("DescribeWorkerDeploymentVersion", &version);
}
