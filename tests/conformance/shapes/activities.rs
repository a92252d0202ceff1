//! What operators do to the activities of a workflow.

use temporalio_common::protos::temporal::api::activity::v1::ActivityOptions;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::command::v1::{Command, ScheduleActivityTaskCommandAttributes};
use temporalio_common::protos::temporal::api::common::v1::{ActivityType, RetryPolicy, WorkflowExecution};
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, command, payloads, seconds};

on_both_arms![
    activity_paused_before_it_starts,
    activity_paused_while_it_runs,
    activity_reset_while_it_runs,
    activity_options_updated,
    activity_operations_on_unknown_ones,
    activity_waits_as_it_asks,
    eager_activity,
    heartbeats_too_large_together_end_the_run,
];

fn schedule(stage: &Stage<'_>, id: &str) -> ScheduleActivityTaskCommandAttributes {
    ScheduleActivityTaskCommandAttributes {
        activity_id: id.to_owned(),
        activity_type: Some(ActivityType {
            name: "work".to_owned(),
        }),
        task_queue: stage.queue(),
        input: Some(payloads("1")),
        start_to_close_timeout: seconds(30),
        retry_policy: Some(RetryPolicy {
            initial_interval: seconds(1),
            maximum_attempts: 5,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn scheduled(attributes: ScheduleActivityTaskCommandAttributes) -> Command {
    command(
        CommandType::ScheduleActivityTask,
        Does::ScheduleActivityTaskCommandAttributes(attributes),
    )
}

/// A workflow with one activity.
fn with_activity(stage: &mut Stage<'_>) -> WorkflowExecution {
    let execution = stage.start("operated");
    let activity = scheduled(schedule(stage, "a"));
    stage.work(vec![activity]);
    execution
}

fn pause(stage: &mut Stage<'_>, execution: &WorkflowExecution, id: &str) {
    let request = wire::PauseActivityRequest {
        namespace: NAMESPACE.to_owned(),
        execution: Some(execution.clone()),
        identity: "client".to_owned(),
        reason: "lunch".to_owned(),
        activity: Some(wire::pause_activity_request::Activity::Id(id.to_owned())),
        ..Default::default()
    };
    stage.call::<wire::PauseActivityResponse>("PauseActivity", &request);
}

fn unpause(stage: &mut Stage<'_>, execution: &WorkflowExecution, id: &str, reset_attempts: bool) {
    let request = wire::UnpauseActivityRequest {
        namespace: NAMESPACE.to_owned(),
        execution: Some(execution.clone()),
        identity: "client".to_owned(),
        reset_attempts,
        activity: Some(wire::unpause_activity_request::Activity::Id(id.to_owned())),
        ..Default::default()
    };
    stage.call::<wire::UnpauseActivityResponse>("UnpauseActivity", &request);
}

fn reset(stage: &mut Stage<'_>, execution: &WorkflowExecution, id: &str) {
    let request = wire::ResetActivityRequest {
        namespace: NAMESPACE.to_owned(),
        execution: Some(execution.clone()),
        identity: "client".to_owned(),
        activity: Some(wire::reset_activity_request::Activity::Id(id.to_owned())),
        ..Default::default()
    };
    stage.call::<wire::ResetActivityResponse>("ResetActivity", &request);
}

fn fail(stage: &mut Stage<'_>, task: &wire::PollActivityTaskQueueResponse, next_retry: Option<i64>) {
    let request = wire::RespondActivityTaskFailedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token.clone(),
        identity: "worker".to_owned(),
        failure: Some(Failure {
            message: "no luck".to_owned(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                r#type: "Flaky".to_owned(),
                next_retry_delay: next_retry.and_then(seconds),
                ..Default::default()
            })),
            ..Default::default()
        }),
        ..Default::default()
    };
    stage.call::<wire::RespondActivityTaskFailedResponse>("RespondActivityTaskFailed", &request);
}

fn succeed(stage: &mut Stage<'_>, task: &wire::PollActivityTaskQueueResponse) {
    let request = wire::RespondActivityTaskCompletedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token.clone(),
        identity: "worker".to_owned(),
        result: Some(payloads("2")),
        ..Default::default()
    };
    stage.call::<wire::RespondActivityTaskCompletedResponse>("RespondActivityTaskCompleted", &request);
}

fn heartbeat(stage: &mut Stage<'_>, task: &wire::PollActivityTaskQueueResponse) {
    let request = wire::RecordActivityTaskHeartbeatRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token.clone(),
        identity: "worker".to_owned(),
        details: Some(payloads("3")),
        ..Default::default()
    };
    stage.call::<wire::RecordActivityTaskHeartbeatResponse>("RecordActivityTaskHeartbeat", &request);
}

fn activity_paused_before_it_starts(stage: &mut Stage<'_>) {
    let execution = with_activity(stage);
    pause(stage, &execution, "a");
    pause(stage, &execution, "a");
    stage.describe(&execution);
    unpause(stage, &execution, "a", false);
    unpause(stage, &execution, "a", false);
    let task = stage.poll_activity();
    succeed(stage, &task);
    stage.history(&execution);
}

fn activity_paused_while_it_runs(stage: &mut Stage<'_>) {
    let execution = with_activity(stage);
    let task = stage.poll_activity();
    pause(stage, &execution, "a");
    stage.describe(&execution);
    heartbeat(stage, &task);
    fail(stage, &task, None);
    stage.describe(&execution);
    unpause(stage, &execution, "a", true);
    let task = stage.poll_activity();
    succeed(stage, &task);
    stage.history(&execution);
}

fn activity_reset_while_it_runs(stage: &mut Stage<'_>) {
    let execution = with_activity(stage);
    let task = stage.poll_activity();
    fail(stage, &task, None);
    let task = stage.poll_activity();
    heartbeat(stage, &task);
    reset(stage, &execution, "a");
    stage.describe(&execution);
    heartbeat(stage, &task);
    fail(stage, &task, None);
    let task = stage.poll_activity();
    succeed(stage, &task);
    stage.history(&execution);
}

fn activity_options_updated(stage: &mut Stage<'_>) {
    let execution = with_activity(stage);
    let update = |stage: &mut Stage<'_>, paths: &[&str], restore_original| {
        let request = wire::UpdateActivityOptionsRequest {
            namespace: NAMESPACE.to_owned(),
            execution: Some(execution.clone()),
            identity: "client".to_owned(),
            activity_options: Some(ActivityOptions {
                start_to_close_timeout: seconds(50),
                heartbeat_timeout: seconds(5),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: paths.iter().map(|&path| path.to_owned()).collect(),
            }),
            restore_original,
            activity: Some(wire::update_activity_options_request::Activity::Id("a".to_owned())),
        };
        stage.call::<wire::UpdateActivityOptionsResponse>("UpdateActivityOptions", &request);
    };
    update(stage, &["start_to_close_timeout", "heartbeat_timeout"], false);
    stage.describe(&execution);
    update(stage, &["no_such_field"], false);
    update(stage, &[], true);
    stage.describe(&execution);
    let task = stage.poll_activity();
    succeed(stage, &task);
}

fn activity_operations_on_unknown_ones(stage: &mut Stage<'_>) {
    let execution = with_activity(stage);
    pause(stage, &execution, "unknown");
    unpause(stage, &execution, "unknown", false);
    reset(stage, &execution, "unknown");
    pause(stage, &execution, "");
    let nowhere = WorkflowExecution {
        workflow_id: stage.named("nowhere"),
        run_id: String::new(),
    };
    pause(stage, &nowhere, "a");
    let no_activity = wire::PauseActivityRequest {
        namespace: NAMESPACE.to_owned(),
        execution: Some(execution),
        ..Default::default()
    };
    stage.call::<wire::PauseActivityResponse>("PauseActivity", &no_activity);
}

fn activity_waits_as_it_asks(stage: &mut Stage<'_>) {
    let execution = with_activity(stage);
    let task = stage.poll_activity();
    fail(stage, &task, Some(2));
    stage.describe(&execution);
    let task = stage.poll_activity();
    succeed(stage, &task);
    stage.history(&execution);
}

/// Each of them may be sent, but a run may keep only 8 MiB of them.
fn heartbeats_too_large_together_end_the_run(stage: &mut Stage<'_>) {
    let execution = stage.start("talkative");
    for id in ["a", "b", "c", "d", "e"] {
        // One by one, for they come in any order from a real server.
        let activity = scheduled(schedule(stage, id));
        stage.work(vec![activity]);
        stage.signal(&execution, "news");
        let task = stage.poll_activity();
        let request = wire::RecordActivityTaskHeartbeatRequest {
            namespace: NAMESPACE.to_owned(),
            task_token: task.task_token,
            details: Some(payloads(&format!("{:?}", "x".repeat(2_000_000)))),
            identity: "worker".to_owned(),
            ..Default::default()
        };
        stage.call::<wire::RecordActivityTaskHeartbeatResponse>("RecordActivityTaskHeartbeat", &request);
    }
    stage.history(&execution);
}

fn eager_activity(stage: &mut Stage<'_>) {
    let execution = stage.start("eager");
    let task = stage.poll();
    let mut attributes = schedule(stage, "a");
    attributes.request_eager_execution = true;
    let request = stage.answering(&task, vec![scheduled(attributes)]);
    let answer: Option<wire::RespondWorkflowTaskCompletedResponse> =
        stage.call("RespondWorkflowTaskCompleted", &request);
    for task in answer.unwrap_or_default().activity_tasks {
        succeed(stage, &task);
    }
    stage.history(&execution);
}
