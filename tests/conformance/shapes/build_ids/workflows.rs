//! What build ids mean for workflows and activities.

#![allow(deprecated)]

use super::*;
use crate::conformance::on_both_arms;

on_both_arms![
    with VERSIONING;
    workflow_goes_to_the_default_set,
    workflow_stays_on_its_set,
    set_of_a_workflow_is_passed_on,
    rules_assign_and_redirect,
    rules_give_activities_build_ids,
    build_id_of_a_workflow_is_passed_on,
    redirected_workflow_is_reset,
    task_tried_again_on_another_build_id,
    merged_sets_share_their_workers,
    unversioned_tasks_are_redirected,
    retried_workflow_is_assigned_anew,
    worker_of_a_build_id_has_its_own_queue,
];

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
