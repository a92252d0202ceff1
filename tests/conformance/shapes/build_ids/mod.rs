//! Versioning of the first two generations: version sets and rules. A server has all of it switched on for these.

// Temporal calls the fields deprecated; the server fills them in all the same.
#![allow(deprecated)]

mod data;
mod workflows;

use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::command::v1::{
    Command, ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
    ScheduleActivityTaskCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
};
use temporalio_common::protos::temporal::api::common::v1::{
    ActivityType, RetryPolicy, WorkerVersionCapabilities, WorkerVersionStamp, WorkflowExecution,
};
use temporalio_common::protos::temporal::api::enums::v1::{
    CommandType, TaskQueueKind, TaskReachability, WorkflowTaskFailedCause,
};
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::taskqueue::v1::build_id_assignment_rule::Ramp;
use temporalio_common::protos::temporal::api::taskqueue::v1::{
    BuildIdAssignmentRule, CompatibleBuildIdRedirectRule, RampByPercentage, StickyExecutionAttributes, TaskQueue,
};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use wire::update_worker_build_id_compatibility_request as sets;
use wire::update_worker_versioning_rules_request as rules;

use crate::conformance::stage::{NAMESPACE, Stage, command, complete, seconds};

/// All of it is off by default.
const VERSIONING: &[(&str, &str)] = &[
    ("frontend.workerVersioningDataAPIs", "true"),
    ("frontend.workerVersioningRuleAPIs", "true"),
];

fn update_sets(stage: &mut Stage<'_>, operation: sets::Operation) {
    let request = wire::UpdateWorkerBuildIdCompatibilityRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: stage.named("queue"),
        operation: Some(operation),
    };
    stage.call::<wire::UpdateWorkerBuildIdCompatibilityResponse>("UpdateWorkerBuildIdCompatibility", &request);
}

fn add_set(stage: &mut Stage<'_>, build_id: &str) {
    update_sets(
        stage,
        sets::Operation::AddNewBuildIdInNewDefaultSet(build_id.to_owned()),
    );
}

fn add_compatible(stage: &mut Stage<'_>, new: &str, existing: &str, make_set_default: bool) {
    let add = sets::AddNewCompatibleVersion {
        new_build_id: new.to_owned(),
        existing_compatible_build_id: existing.to_owned(),
        make_set_default,
    };
    update_sets(stage, sets::Operation::AddNewCompatibleBuildId(add));
}

fn promote_set(stage: &mut Stage<'_>, build_id: &str) {
    update_sets(stage, sets::Operation::PromoteSetByBuildId(build_id.to_owned()));
}

fn promote(stage: &mut Stage<'_>, build_id: &str) {
    update_sets(stage, sets::Operation::PromoteBuildIdWithinSet(build_id.to_owned()));
}

fn merge(stage: &mut Stage<'_>, primary: &str, secondary: &str) {
    let merge = sets::MergeSets {
        primary_set_build_id: primary.to_owned(),
        secondary_set_build_id: secondary.to_owned(),
    };
    update_sets(stage, sets::Operation::MergeSets(merge));
}

fn get_sets(stage: &mut Stage<'_>, max_sets: i32) {
    let request = wire::GetWorkerBuildIdCompatibilityRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: stage.named("queue"),
        max_sets,
    };
    stage.call::<wire::GetWorkerBuildIdCompatibilityResponse>("GetWorkerBuildIdCompatibility", &request);
}

fn token(stage: &mut Stage<'_>) -> Vec<u8> {
    let request = wire::GetWorkerVersioningRulesRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: stage.named("queue"),
    };
    let rules: Option<wire::GetWorkerVersioningRulesResponse> = stage.look("GetWorkerVersioningRules", &request);
    rules.unwrap_or_default().conflict_token
}

fn update_rules(stage: &mut Stage<'_>, operation: Option<rules::Operation>) {
    let request = wire::UpdateWorkerVersioningRulesRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: stage.named("queue"),
        conflict_token: token(stage),
        operation,
    };
    stage.call::<wire::UpdateWorkerVersioningRulesResponse>("UpdateWorkerVersioningRules", &request);
}

fn assignment(target: &str, ramp: Option<f32>) -> Option<BuildIdAssignmentRule> {
    Some(BuildIdAssignmentRule {
        target_build_id: target.to_owned(),
        ramp: ramp.map(|ramp_percentage| Ramp::PercentageRamp(RampByPercentage { ramp_percentage })),
    })
}

fn assign(stage: &mut Stage<'_>, rule_index: i32, target: &str, ramp: Option<f32>) {
    let insert = rules::InsertBuildIdAssignmentRule {
        rule_index,
        rule: assignment(target, ramp),
    };
    update_rules(stage, Some(rules::Operation::InsertAssignmentRule(insert)));
}

fn replace_assignment(stage: &mut Stage<'_>, rule_index: i32, target: &str, ramp: Option<f32>) {
    let replace = rules::ReplaceBuildIdAssignmentRule {
        rule_index,
        rule: assignment(target, ramp),
        force: false,
    };
    update_rules(stage, Some(rules::Operation::ReplaceAssignmentRule(replace)));
}

fn unassign(stage: &mut Stage<'_>, rule_index: i32, force: bool) {
    let delete = rules::DeleteBuildIdAssignmentRule { rule_index, force };
    update_rules(stage, Some(rules::Operation::DeleteAssignmentRule(delete)));
}

fn redirection(source: &str, target: &str) -> Option<CompatibleBuildIdRedirectRule> {
    Some(CompatibleBuildIdRedirectRule {
        source_build_id: source.to_owned(),
        target_build_id: target.to_owned(),
    })
}

fn redirect(stage: &mut Stage<'_>, source: &str, target: &str) {
    let rule = redirection(source, target);
    let add = rules::AddCompatibleBuildIdRedirectRule { rule };
    update_rules(stage, Some(rules::Operation::AddCompatibleRedirectRule(add)));
}

fn replace_redirect(stage: &mut Stage<'_>, source: &str, target: &str) {
    let rule = redirection(source, target);
    let replace = rules::ReplaceCompatibleBuildIdRedirectRule { rule };
    update_rules(stage, Some(rules::Operation::ReplaceCompatibleRedirectRule(replace)));
}

fn delete_redirect(stage: &mut Stage<'_>, source: &str) {
    let delete = rules::DeleteCompatibleBuildIdRedirectRule {
        source_build_id: source.to_owned(),
    };
    update_rules(stage, Some(rules::Operation::DeleteCompatibleRedirectRule(delete)));
}

fn commit(stage: &mut Stage<'_>, target: &str, force: bool) {
    let commit = rules::CommitBuildId {
        target_build_id: target.to_owned(),
        force,
    };
    update_rules(stage, Some(rules::Operation::CommitBuildId(commit)));
}

fn capabilities(build_id: &str) -> Option<WorkerVersionCapabilities> {
    Some(WorkerVersionCapabilities {
        build_id: build_id.to_owned(),
        use_versioning: true,
        ..Default::default()
    })
}

fn stamp(build_id: &str) -> Option<WorkerVersionStamp> {
    Some(WorkerVersionStamp {
        build_id: build_id.to_owned(),
        use_versioning: true,
    })
}

/// A worker of a build id fetches a workflow task.
fn poll(stage: &mut Stage<'_>, build_id: &str) -> wire::PollWorkflowTaskQueueResponse {
    let mut request = stage.polling();
    request.worker_version_capabilities = capabilities(build_id);
    stage.call("PollWorkflowTaskQueue", &request).unwrap_or_default()
}

fn poll_activity(stage: &mut Stage<'_>, build_id: &str) -> wire::PollActivityTaskQueueResponse {
    let request = wire::PollActivityTaskQueueRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: stage.queue(),
        identity: "worker".to_owned(),
        worker_version_capabilities: capabilities(build_id),
        ..Default::default()
    };
    stage.call("PollActivityTaskQueue", &request).unwrap_or_default()
}

fn answer(stage: &mut Stage<'_>, build_id: &str, task: &wire::PollWorkflowTaskQueueResponse, commands: Vec<Command>) {
    let mut request = stage.answering(task, commands);
    request.worker_version_stamp = stamp(build_id);
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
}

/// A worker of a build id fetches a workflow task and answers it.
fn work(stage: &mut Stage<'_>, build_id: &str, commands: Vec<Command>) {
    let task = poll(stage, build_id);
    answer(stage, build_id, &task, commands);
}

/// A worker of a build id fetches an activity task and completes it.
fn work_activity(stage: &mut Stage<'_>, build_id: &str) {
    let task = poll_activity(stage, build_id);
    let request = wire::RespondActivityTaskCompletedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token,
        identity: "worker".to_owned(),
        worker_version: stamp(build_id),
        ..Default::default()
    };
    stage.call::<wire::RespondActivityTaskCompletedResponse>("RespondActivityTaskCompleted", &request);
}

fn activity(stage: &Stage<'_>, id: &str, use_workflow_build_id: bool) -> Command {
    command(
        CommandType::ScheduleActivityTask,
        Does::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
            activity_id: id.to_owned(),
            activity_type: Some(ActivityType {
                name: "work".to_owned(),
            }),
            task_queue: stage.queue(),
            start_to_close_timeout: seconds(30),
            use_workflow_build_id,
            ..Default::default()
        }),
    )
}

fn child(stage: &Stage<'_>, name: &str, inherit_build_id: bool) -> (WorkflowExecution, Command) {
    let execution = WorkflowExecution {
        workflow_id: stage.named(name),
        run_id: String::new(),
    };
    let attributes = StartChildWorkflowExecutionCommandAttributes {
        namespace: NAMESPACE.to_owned(),
        workflow_id: execution.workflow_id.clone(),
        workflow_type: Some("shape".to_owned().into()),
        task_queue: stage.queue(),
        inherit_build_id,
        ..Default::default()
    };
    let command = command(
        CommandType::StartChildWorkflowExecution,
        Does::StartChildWorkflowExecutionCommandAttributes(attributes),
    );
    (execution, command)
}

fn continue_as_new(stage: &Stage<'_>, inherit_build_id: bool) -> Command {
    command(
        CommandType::ContinueAsNewWorkflowExecution,
        Does::ContinueAsNewWorkflowExecutionCommandAttributes(ContinueAsNewWorkflowExecutionCommandAttributes {
            workflow_type: Some("shape".to_owned().into()),
            task_queue: stage.queue(),
            inherit_build_id,
            ..Default::default()
        }),
    )
}

fn reachability(stage: &mut Stage<'_>, build_ids: &[&str], queues: Vec<String>, reachability: TaskReachability) {
    let request = wire::GetWorkerTaskReachabilityRequest {
        namespace: NAMESPACE.to_owned(),
        build_ids: build_ids.iter().map(|it| (*it).to_owned()).collect(),
        task_queues: queues,
        reachability: reachability as i32,
    };
    stage.call::<wire::GetWorkerTaskReachabilityResponse>("GetWorkerTaskReachability", &request);
}

/// Fetches a task without writing it down, where the order of tasks is a matter of chance.
fn poll_unseen(stage: &mut Stage<'_>, build_id: &str) -> wire::PollWorkflowTaskQueueResponse {
    let mut request = stage.polling();
    request.worker_version_capabilities = capabilities(build_id);
    stage.look("PollWorkflowTaskQueue", &request).unwrap_or_default()
}

fn settle(stage: &mut Stage<'_>, build_id: &str, task: &wire::PollWorkflowTaskQueueResponse, commands: Vec<Command>) {
    let mut request = stage.answering(task, commands);
    request.worker_version_stamp = stamp(build_id);
    stage.look::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
}
