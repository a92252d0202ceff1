//! Workflow tasks: batches that can't be carried out, news that came meanwhile, attempts.

use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::command::v1::{
    CancelTimerCommandAttributes, Command, ContinueAsNewWorkflowExecutionCommandAttributes,
    RecordMarkerCommandAttributes, ScheduleActivityTaskCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
    StartTimerCommandAttributes,
};
use temporalio_common::protos::temporal::api::enums::v1::{CommandType, WorkflowTaskFailedCause};
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, command, complete, seconds};

on_both_arms![
    commands_that_cannot_be_carried_out differs "a negative timeout of a continue-as-new is taken",
    news_comes_before_the_workflow_completes,
    failed_attempts_leave_one_event differs "the real server draws the length of a later attempt by chance",
    workflow_task_times_out,
    heartbeat_of_a_workflow_task,
    forced_next_task_comes_along,
];

fn timer(id: &str) -> Command {
    command(
        CommandType::StartTimer,
        Does::StartTimerCommandAttributes(StartTimerCommandAttributes {
            timer_id: id.to_owned(),
            start_to_fire_timeout: seconds(60),
        }),
    )
}

fn commands_that_cannot_be_carried_out(stage: &mut Stage<'_>) {
    let bad: Vec<Vec<Command>> = vec![
        vec![timer("")],
        vec![timer("same"), timer("same")],
        vec![command(
            CommandType::CancelTimer,
            Does::CancelTimerCommandAttributes(CancelTimerCommandAttributes {
                timer_id: "unknown".to_owned(),
            }),
        )],
        vec![command(
            CommandType::RecordMarker,
            Does::RecordMarkerCommandAttributes(RecordMarkerCommandAttributes::default()),
        )],
        vec![command(
            CommandType::ScheduleActivityTask,
            Does::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
                activity_id: "a".to_owned(),
                ..Default::default()
            }),
        )],
        vec![command(
            CommandType::StartChildWorkflowExecution,
            Does::StartChildWorkflowExecutionCommandAttributes(StartChildWorkflowExecutionCommandAttributes::default()),
        )],
        vec![command(
            CommandType::ContinueAsNewWorkflowExecution,
            Does::ContinueAsNewWorkflowExecutionCommandAttributes(ContinueAsNewWorkflowExecutionCommandAttributes {
                workflow_run_timeout: seconds(-1),
                ..Default::default()
            }),
        )],
        vec![complete("1"), timer("after the end")],
    ];
    for (index, commands) in bad.into_iter().enumerate() {
        let execution = stage.start(&format!("bad-{index}"));
        stage.work(commands);
        stage.history(&execution);
        let task = stage.poll();
        stage.answer(&task, vec![complete("1")]);
    }
}

fn news_comes_before_the_workflow_completes(stage: &mut Stage<'_>) {
    let execution = stage.start("news");
    let task = stage.poll();
    stage.signal(&execution, "news");
    stage.answer(&task, vec![complete("1")]);
    stage.work(vec![complete("2")]);
    stage.history(&execution);
}

fn failed_attempts_leave_one_event(stage: &mut Stage<'_>) {
    let execution = stage.start("failing");
    for _ in 0..3 {
        let task = stage.poll();
        let request = wire::RespondWorkflowTaskFailedRequest {
            namespace: NAMESPACE.to_owned(),
            task_token: task.task_token,
            cause: WorkflowTaskFailedCause::NonDeterministicError as i32,
            failure: Some(Failure {
                message: "not as it was".to_owned(),
                ..Default::default()
            }),
            identity: "worker".to_owned(),
            ..Default::default()
        };
        stage.call::<wire::RespondWorkflowTaskFailedResponse>("RespondWorkflowTaskFailed", &request);
    }
    stage.describe(&execution);
    stage.work(vec![complete("1")]);
    stage.history(&execution);
}

fn workflow_task_times_out(stage: &mut Stage<'_>) {
    let mut request = stage.starting("slow");
    request.workflow_task_timeout = seconds(1);
    let execution = stage.start_as(&request);
    let late = stage.poll();
    stage.pass(2);
    stage.answer(&late, vec![complete("1")]);
    stage.work(vec![complete("2")]);
    stage.history(&execution);
}

fn heartbeat_of_a_workflow_task(stage: &mut Stage<'_>) {
    let execution = stage.start("beating");
    let task = stage.poll();
    let mut request = stage.answering(&task, vec![]);
    request.force_create_new_workflow_task = true;
    request.return_new_workflow_task = true;
    let answer: Option<wire::RespondWorkflowTaskCompletedResponse> =
        stage.call("RespondWorkflowTaskCompleted", &request);
    let next = answer.and_then(|it| it.workflow_task).unwrap_or_default();
    stage.answer(&next, vec![complete("1")]);
    stage.history(&execution);
}

fn forced_next_task_comes_along(stage: &mut Stage<'_>) {
    let execution = stage.start("forced");
    let task = stage.poll();
    stage.signal(&execution, "news");
    let mut request = stage.answering(&task, vec![timer("1")]);
    request.return_new_workflow_task = true;
    let answer: Option<wire::RespondWorkflowTaskCompletedResponse> =
        stage.call("RespondWorkflowTaskCompleted", &request);
    let next = answer.and_then(|it| it.workflow_task).unwrap_or_default();
    stage.answer(&next, vec![complete("1")]);
    stage.history(&execution);
}
