//! Versioning of the first two generations: version sets and rules. A server has all of it switched on for these.

// Temporal calls the fields deprecated; the server fills them in all the same.
#![allow(deprecated)]

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

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, command, complete, seconds};

/// All of it is off by default.
const VERSIONING: &[(&str, &str)] = &[
    ("frontend.workerVersioningDataAPIs", "true"),
    ("frontend.workerVersioningRuleAPIs", "true"),
];

on_both_arms![
    with VERSIONING;
    version_sets_are_kept,
    version_sets_that_make_no_sense,
    version_sets_have_a_limit,
    versioning_rules_are_kept,
    versioning_rules_that_make_no_sense,
    workflow_goes_to_the_default_set,
    workflow_stays_on_its_set,
    set_of_a_workflow_is_passed_on,
    rules_assign_and_redirect,
    rules_give_activities_build_ids,
    build_id_of_a_workflow_is_passed_on,
    redirected_workflow_is_reset,
    task_tried_again_on_another_build_id,
    superseded_workers_are_sent_away,
    merged_sets_share_their_workers,
    unversioned_tasks_are_redirected,
    retried_workflow_is_assigned_anew,
    worker_of_a_build_id_has_its_own_queue,
    build_ids_that_workers_may_not_have,
    workflows_reach_sets,
    bad_questions_about_reachability,
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

fn version_sets_are_kept(stage: &mut Stage<'_>) {
    get_sets(stage, 0);
    add_set(stage, "1.0");
    add_set(stage, "1.0");
    add_set(stage, "2.0");
    add_compatible(stage, "1.1", "1.0", false);
    add_compatible(stage, "1.1", "1.0", false);
    get_sets(stage, 0);
    get_sets(stage, 1);
    promote_set(stage, "1.0");
    get_sets(stage, 0);
    promote(stage, "1.0");
    promote(stage, "1.0");
    get_sets(stage, 0);
    add_compatible(stage, "2.1", "2.0", true);
    get_sets(stage, 0);
    merge(stage, "1.1", "2.0");
    merge(stage, "1.1", "2.0");
    get_sets(stage, 0);
    add_set(stage, "3.0");
    get_sets(stage, -1);
}

fn version_sets_that_make_no_sense(stage: &mut Stage<'_>) {
    let request = wire::UpdateWorkerBuildIdCompatibilityRequest {
        namespace: NAMESPACE.to_owned(),
        ..Default::default()
    };
    stage.call::<wire::UpdateWorkerBuildIdCompatibilityResponse>("UpdateWorkerBuildIdCompatibility", &request);
    add_set(stage, "");
    add_set(stage, &"x".repeat(256));
    add_compatible(stage, "", "", false);
    add_compatible(stage, "1.1", "1.0", false);
    promote_set(stage, "1.0");
    promote(stage, "");
    promote(stage, "1.0");
    merge(stage, "", "");
    add_set(stage, "1.0");
    add_compatible(stage, "1.1", "1.0", false);
    add_set(stage, "2.0");
    merge(stage, "1.0", "9.0");
    add_set(stage, "1.0");
    add_compatible(stage, "1.1", "2.0", false);
    add_compatible(stage, "1.1", "1.0", true);
    add_compatible(stage, "1.0", "1.1", false);
    let request = wire::GetWorkerBuildIdCompatibilityRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: "/_sys/queue".to_owned(),
        max_sets: 0,
    };
    stage.call::<wire::GetWorkerBuildIdCompatibilityResponse>("GetWorkerBuildIdCompatibility", &request);
    assign(stage, 0, "1.0", None);
    redirect(stage, "1.0", "3.0");
    redirect(stage, "3.0", "1.0");
    commit(stage, "1.0", true);
}

fn version_sets_have_a_limit(stage: &mut Stage<'_>) {
    for number in 0..11 {
        add_set(stage, &number.to_string());
    }
    get_sets(stage, 2);
}

fn versioning_rules_are_kept(stage: &mut Stage<'_>) {
    assign(stage, 0, "1.0", None);
    assign(stage, 0, "2.0", Some(10.0));
    assign(stage, 7, "3.0", Some(0.0));
    replace_assignment(stage, 0, "2.0", Some(20.0));
    unassign(stage, 2, false);
    redirect(stage, "1.0", "1.1");
    redirect(stage, "1.1", "1.2");
    replace_redirect(stage, "1.0", "1.2");
    delete_redirect(stage, "1.1");
    commit(stage, "2.0", true);
    unassign(stage, 0, true);
    let request = wire::GetWorkerVersioningRulesRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: stage.named("queue"),
    };
    stage.call::<wire::GetWorkerVersioningRulesResponse>("GetWorkerVersioningRules", &request);
    update_rules(stage, None);
}

fn versioning_rules_that_make_no_sense(stage: &mut Stage<'_>) {
    let request = wire::UpdateWorkerVersioningRulesRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: stage.named("queue"),
        conflict_token: vec![1, 2],
        ..Default::default()
    };
    stage.call::<wire::UpdateWorkerVersioningRulesResponse>("UpdateWorkerVersioningRules", &request);
    stage.call::<wire::UpdateWorkerVersioningRulesResponse>(
        "UpdateWorkerVersioningRules",
        &wire::UpdateWorkerVersioningRulesRequest {
            task_queue: String::new(),
            ..request
        },
    );
    assign(stage, -1, "1.0", None);
    assign(stage, 0, "1.0", Some(100.5));
    assign(stage, 0, &"x".repeat(256), None);
    let without_rule = rules::InsertBuildIdAssignmentRule::default();
    update_rules(stage, Some(rules::Operation::InsertAssignmentRule(without_rule)));
    replace_assignment(stage, 0, "1.0", None);
    unassign(stage, 0, false);
    commit(stage, "1.0", false);
    redirect(stage, "1.0", "");
    redirect(stage, "1.0", "1.0");
    delete_redirect(stage, "1.0");
    replace_redirect(stage, "1.0", "2.0");
    assign(stage, 0, "1.0", None);
    unassign(stage, 0, false);
    replace_assignment(stage, 0, "1.0", Some(5.0));
    redirect(stage, "1.0", "2.0");
    redirect(stage, "1.0", "3.0");
    redirect(stage, "2.0", "1.0");
    assign(stage, 0, "1.0", Some(5.0));
    assign(stage, 0, "3.0", Some(5.0));
    redirect(stage, "3.0", "4.0");
    redirect(stage, &"x".repeat(256), "4.0");
}

fn workflow_goes_to_the_default_set(stage: &mut Stage<'_>) {
    add_set(stage, "0.9");
    add_set(stage, "1.0");
    stage.pass(1);
    let execution = stage.start("versioned");
    stage.pass(1);
    stage.describe(&execution);
    let stays = activity(stage, "stays", true);
    work(stage, "1.0", vec![stays]);
    work_activity(stage, "1.0");
    let goes = activity(stage, "goes", false);
    work(stage, "1.0", vec![goes]);
    stage.describe(&execution);
    work_activity(stage, "1.0");
    work(stage, "1.0", vec![complete("1")]);
    stage.history(&execution);
    stage.describe(&execution);
}

fn workflow_stays_on_its_set(stage: &mut Stage<'_>) {
    add_set(stage, "1.0");
    stage.pass(1);
    let execution = stage.start("old");
    work(stage, "1.0", vec![]);
    add_set(stage, "2.0");
    add_compatible(stage, "1.1", "1.0", false);
    stage.pass(1);
    stage.signal(&execution, "news");
    let newer = stage.start("new");
    work(stage, "2.0", vec![complete("2")]);
    let stays = activity(stage, "stays", true);
    let goes = activity(stage, "goes", false);
    work(stage, "1.1", vec![stays]);
    work_activity(stage, "1.1");
    work(stage, "1.1", vec![goes]);
    work_activity(stage, "2.0");
    work(stage, "1.1", vec![complete("1")]);
    stage.history(&execution);
    stage.describe(&execution);
    stage.history(&newer);
}

fn set_of_a_workflow_is_passed_on(stage: &mut Stage<'_>) {
    add_set(stage, "1.0");
    stage.pass(1);
    let execution = stage.start("parent");
    work(stage, "1.0", vec![]);
    add_set(stage, "2.0");
    stage.pass(1);
    stage.signal(&execution, "news");
    let (inheriting, start_inheriting) = child(stage, "inheriting", true);
    work(stage, "1.0", vec![start_inheriting]);
    stage.pass(1);
    stage.describe(&inheriting);
    // The parent hears that its child has started, and the child has its first task.
    for _ in 0..2 {
        let task = poll_unseen(stage, "1.0");
        settle(stage, "1.0", &task, vec![]);
    }
    stage.history(&inheriting);
    stage.signal(&execution, "more");
    let on = continue_as_new(stage, true);
    work(stage, "1.0", vec![on]);
    stage.pass(1);
    let latest = stage.latest(&execution);
    stage.describe(&latest);
    let on = continue_as_new(stage, false);
    work(stage, "1.0", vec![on]);
    work(stage, "2.0", vec![complete("1")]);
    stage.history(&latest);
    stage.describe(&latest);
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

fn rules_assign_and_redirect(stage: &mut Stage<'_>) {
    commit(stage, "1.0", true);
    stage.pass(1);
    let execution = stage.start("ruled");
    stage.pass(1);
    stage.describe(&execution);
    work(stage, "1.0", vec![]);
    stage.describe(&execution);
    redirect(stage, "1.0", "1.1");
    redirect(stage, "1.1", "1.2");
    stage.pass(1);
    stage.signal(&execution, "news");
    let task = poll(stage, "1.2");
    stage.describe(&execution);
    answer(stage, "1.1", &task, vec![]);
    answer(stage, "1.2", &task, vec![]);
    stage.signal(&execution, "more");
    work(stage, "1.2", vec![complete("1")]);
    stage.history(&execution);
    stage.describe(&execution);
}

fn rules_give_activities_build_ids(stage: &mut Stage<'_>) {
    commit(stage, "1.0", true);
    stage.pass(1);
    let execution = stage.start("ruled");
    let commands = vec![activity(stage, "stays", true)];
    work(stage, "1.0", commands);
    stage.describe(&execution);
    work_activity(stage, "1.0");
    commit(stage, "2.0", true);
    stage.pass(1);
    let commands = vec![activity(stage, "goes", false)];
    work(stage, "1.0", commands);
    stage.pass(1);
    stage.describe(&execution);
    work_activity(stage, "2.0");
    let task = poll(stage, "1.0");
    redirect(stage, "1.0", "1.1");
    stage.pass(1);
    let commands = vec![activity(stage, "redirected", true)];
    answer(stage, "1.0", &task, commands);
    work_activity(stage, "1.1");
    stage.describe(&execution);
    work(stage, "1.1", vec![complete("1")]);
    stage.history(&execution);
}

fn build_id_of_a_workflow_is_passed_on(stage: &mut Stage<'_>) {
    commit(stage, "1.0", true);
    stage.pass(1);
    let execution = stage.start("parent");
    work(stage, "1.0", vec![]);
    commit(stage, "2.0", true);
    stage.pass(1);
    stage.signal(&execution, "news");
    let (inheriting, start_inheriting) = child(stage, "inheriting", true);
    work(stage, "1.0", vec![start_inheriting]);
    stage.pass(1);
    stage.describe(&inheriting);
    for _ in 0..2 {
        let task = poll_unseen(stage, "1.0");
        settle(stage, "1.0", &task, vec![]);
    }
    stage.history(&inheriting);
    stage.signal(&execution, "more");
    let on = continue_as_new(stage, true);
    work(stage, "1.0", vec![on]);
    stage.pass(1);
    let latest = stage.latest(&execution);
    stage.describe(&latest);
    let on = continue_as_new(stage, false);
    work(stage, "1.0", vec![on]);
    work(stage, "2.0", vec![complete("1")]);
    stage.history(&latest);
    stage.describe(&latest);
}

fn redirected_workflow_is_reset(stage: &mut Stage<'_>) {
    commit(stage, "1.0", true);
    stage.pass(1);
    let execution = stage.start("reset");
    work(stage, "1.0", vec![]);
    redirect(stage, "1.0", "1.1");
    stage.pass(1);
    stage.signal(&execution, "news");
    work(stage, "1.1", vec![complete("1")]);
    let request = wire::ResetWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution.clone()),
        reason: "try again".to_owned(),
        workflow_task_finish_event_id: 8,
        request_id: "reset".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::ResetWorkflowExecutionResponse>("ResetWorkflowExecution", &request);
    let latest = stage.latest(&execution);
    stage.describe(&latest);
    work(stage, "1.1", vec![complete("2")]);
    stage.history(&latest);
    stage.describe(&latest);
}

fn task_tried_again_on_another_build_id(stage: &mut Stage<'_>) {
    commit(stage, "1.0", true);
    stage.pass(1);
    let execution = stage.start("failing");
    for attempt in 1..=2 {
        let task = poll(stage, "1.0");
        if attempt == 2 {
            redirect(stage, "1.0", "1.1");
            stage.pass(1);
        }
        let request = wire::RespondWorkflowTaskFailedRequest {
            namespace: NAMESPACE.to_owned(),
            task_token: task.task_token,
            cause: WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure as i32,
            identity: "worker".to_owned(),
            worker_version: stamp("1.0"),
            ..Default::default()
        };
        stage.call::<wire::RespondWorkflowTaskFailedResponse>("RespondWorkflowTaskFailed", &request);
    }
    stage.history(&execution);
    work(stage, "1.1", vec![complete("1")]);
    stage.history(&execution);
    stage.describe(&execution);
}

fn superseded_workers_are_sent_away(stage: &mut Stage<'_>) {
    add_set(stage, "1.0");
    add_compatible(stage, "1.1", "1.0", false);
    redirect(stage, "2.0", "2.1");
    redirect(stage, "2.1", "2.2");
    stage.pass(1);
    poll(stage, "1.0");
    poll_activity(stage, "1.0");
    poll(stage, "2.0");
    poll_activity(stage, "2.1");
}

fn merged_sets_share_their_workers(stage: &mut Stage<'_>) {
    add_set(stage, "1.0");
    stage.pass(1);
    let execution = stage.start("merged");
    work(stage, "1.0", vec![]);
    add_set(stage, "2.0");
    merge(stage, "2.0", "1.0");
    get_sets(stage, 0);
    stage.pass(1);
    stage.signal(&execution, "news");
    work(stage, "2.0", vec![complete("1")]);
    stage.history(&execution);
    stage.describe(&execution);
}

fn unversioned_tasks_are_redirected(stage: &mut Stage<'_>) {
    redirect(stage, "", "1.0");
    stage.pass(1);
    let execution = stage.start("redirected");
    stage.pass(1);
    stage.describe(&execution);
    work(stage, "1.0", vec![]);
    stage.describe(&execution);
    stage.signal(&execution, "news");
    work(stage, "1.0", vec![complete("1")]);
    stage.history(&execution);
}

fn retried_workflow_is_assigned_anew(stage: &mut Stage<'_>) {
    commit(stage, "1.0", true);
    stage.pass(1);
    let mut request = stage.starting("retried");
    request.retry_policy = Some(RetryPolicy {
        initial_interval: seconds(1),
        maximum_attempts: 2,
        ..Default::default()
    });
    let execution = stage.start_as(&request);
    commit(stage, "2.0", true);
    let fail = FailWorkflowExecutionCommandAttributes {
        failure: Some(Failure {
            message: "no luck".to_owned(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(Default::default())),
            ..Default::default()
        }),
    };
    let fail = command(
        CommandType::FailWorkflowExecution,
        Does::FailWorkflowExecutionCommandAttributes(fail),
    );
    work(stage, "1.0", vec![fail]);
    stage.pass(2);
    work(stage, "2.0", vec![complete("2")]);
    stage.history(&execution);
    let latest = stage.latest(&execution);
    stage.history(&latest);
    stage.describe(&latest);
}

fn worker_of_a_build_id_has_its_own_queue(stage: &mut Stage<'_>) {
    commit(stage, "1.0", true);
    stage.pass(1);
    let own = TaskQueue {
        name: stage.named("own"),
        kind: TaskQueueKind::Sticky as i32,
        normal_name: stage.named("queue"),
    };
    let mut polling_own = stage.polling();
    polling_own.task_queue = Some(own.clone());
    polling_own.worker_version_capabilities = capabilities("1.0");
    let sticky = StickyExecutionAttributes {
        worker_task_queue: Some(own),
        schedule_to_start_timeout: seconds(10),
    };
    let execution = stage.start("sticky");
    let task = poll(stage, "1.0");
    let pending = stage.begin("PollWorkflowTaskQueue", &polling_own);
    let mut request = stage.answering(&task, vec![]);
    request.worker_version_stamp = stamp("1.0");
    request.sticky_attributes = Some(sticky.clone());
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
    stage.signal(&execution, "news");
    let task: Option<wire::PollWorkflowTaskQueueResponse> = stage.finish(pending);
    let mut request = stage.answering(&task.unwrap_or_default(), vec![]);
    request.worker_version_stamp = stamp("1.0");
    request.sticky_attributes = Some(sticky);
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
    redirect(stage, "1.0", "1.1");
    stage.pass(1);
    stage.call::<wire::PollWorkflowTaskQueueResponse>("PollWorkflowTaskQueue", &polling_own);
    stage.signal(&execution, "more");
    work(stage, "1.1", vec![complete("1")]);
    stage.history(&execution);
    stage.describe(&execution);
}

fn build_ids_that_workers_may_not_have(stage: &mut Stage<'_>) {
    poll(stage, "");
    poll(stage, &"x".repeat(256));
    commit(stage, "1.0", true);
    stage.pass(1);
    stage.start("ruled");
    let task = poll(stage, "1.0");
    answer(stage, "2.0", &task, vec![]);
    answer(stage, "1.0", &task, vec![]);
    let mut request = stage.answering(&task, vec![]);
    request.worker_version_stamp = stamp("");
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
}

fn workflows_reach_sets(stage: &mut Stage<'_>) {
    let queue = vec![stage.named("queue")];
    reachability(stage, &["1.0", ""], queue.clone(), TaskReachability::Unspecified);
    let unversioned = stage.start("unversioned");
    stage.work(vec![complete("0")]);
    add_set(stage, "1.0");
    stage.pass(1);
    let execution = stage.start("versioned");
    stage.pass(2);
    reachability(stage, &["1.0", ""], queue.clone(), TaskReachability::OpenWorkflows);
    reachability(stage, &["1.0", ""], queue.clone(), TaskReachability::ClosedWorkflows);
    work(stage, "1.0", vec![]);
    add_compatible(stage, "1.1", "1.0", false);
    add_set(stage, "2.0");
    stage.pass(2);
    for kind in [
        TaskReachability::Unspecified,
        TaskReachability::NewWorkflows,
        TaskReachability::ExistingWorkflows,
        TaskReachability::OpenWorkflows,
        TaskReachability::ClosedWorkflows,
    ] {
        reachability(stage, &["1.0", "1.1", "2.0", "", "9.0"], queue.clone(), kind);
    }
    stage.describe(&unversioned);
    stage.describe(&execution);
}

fn bad_questions_about_reachability(stage: &mut Stage<'_>) {
    let queue = vec![stage.named("queue")];
    reachability(stage, &[], queue.clone(), TaskReachability::Unspecified);
    reachability(
        stage,
        &["1", "2", "3", "4", "5", "6"],
        queue.clone(),
        TaskReachability::Unspecified,
    );
    reachability(stage, &[&"x".repeat(256)], queue.clone(), TaskReachability::Unspecified);
    reachability(stage, &[""], vec![], TaskReachability::Unspecified);
    reachability(stage, &["1"], vec![String::new()], TaskReachability::Unspecified);
    reachability(stage, &["nowhere"], vec![], TaskReachability::Unspecified);
    let request = wire::GetWorkerTaskReachabilityRequest {
        namespace: NAMESPACE.to_owned(),
        build_ids: vec![String::new()],
        task_queues: queue,
        reachability: 77,
    };
    stage.call::<wire::GetWorkerTaskReachabilityResponse>("GetWorkerTaskReachability", &request);
}
