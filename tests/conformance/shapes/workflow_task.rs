//! Workflow tasks: batches that can't be carried out, news that came meanwhile, attempts.

use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::command::v1::{
    CancelTimerCommandAttributes, Command, ContinueAsNewWorkflowExecutionCommandAttributes,
    ModifyWorkflowPropertiesCommandAttributes, RecordMarkerCommandAttributes,
    RequestCancelExternalWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
    SignalExternalWorkflowExecutionCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
    StartTimerCommandAttributes,
};
use temporalio_common::protos::temporal::api::common::v1::{Memo, RetryPolicy, WorkflowExecution};
use temporalio_common::protos::temporal::api::enums::v1::{CommandType, WorkflowTaskFailedCause};
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::sdk::v1::event_group_marker::{Label, Variant};
use temporalio_common::protos::temporal::api::sdk::v1::{EventGroupMarker, UserMetadata};
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, command, complete, payload, payloads, seconds};

on_both_arms![
    commands_that_cannot_be_carried_out,
    news_comes_before_the_workflow_completes,
    failed_attempts_leave_one_event,
    task_too_large_for_its_worker_ends_the_run,
    workflow_task_times_out,
    heartbeat_of_a_workflow_task,
    forced_next_task_comes_along,
    commands_with_annotations,
    completion_in_pages,
    bad_pages,
    continue_as_new_with_bad_attributes,
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
    // The real server draws the time for a fourth attempt and later ones by chance.
    for _ in 0..2 {
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

/// What a worker says whose answer, or whose task, is larger than a message may be.
fn task_too_large_for_its_worker_ends_the_run(stage: &mut Stage<'_>) {
    let execution = stage.start("large");
    let task = stage.poll();
    stage.signal(&execution, "news");
    let request = wire::RespondWorkflowTaskFailedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token,
        cause: WorkflowTaskFailedCause::GrpcMessageTooLarge as i32,
        failure: Some(Failure {
            message: "too large".to_owned(),
            ..Default::default()
        }),
        identity: "worker".to_owned(),
        ..Default::default()
    };
    for _ in 0..2 {
        stage.call::<wire::RespondWorkflowTaskFailedResponse>("RespondWorkflowTaskFailed", &request);
    }
    stage.describe(&execution);
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

fn marker(name: &str) -> Command {
    command(
        CommandType::RecordMarker,
        Does::RecordMarkerCommandAttributes(RecordMarkerCommandAttributes {
            marker_name: name.to_owned(),
            ..Default::default()
        }),
    )
}

/// Metadata and event group markers on commands of each kind that needs nothing else.
fn commands_with_annotations(stage: &mut Stage<'_>) {
    let elsewhere = stage.named("nobody");
    let commands = [
        timer("t"),
        command(
            CommandType::CancelTimer,
            Does::CancelTimerCommandAttributes(CancelTimerCommandAttributes {
                timer_id: "t".to_owned(),
            }),
        ),
        marker("m"),
        command(
            CommandType::SignalExternalWorkflowExecution,
            Does::SignalExternalWorkflowExecutionCommandAttributes(SignalExternalWorkflowExecutionCommandAttributes {
                execution: Some(WorkflowExecution {
                    workflow_id: elsewhere.clone(),
                    ..Default::default()
                }),
                signal_name: "s".to_owned(),
                input: Some(payloads("1")),
                ..Default::default()
            }),
        ),
        command(
            CommandType::RequestCancelExternalWorkflowExecution,
            Does::RequestCancelExternalWorkflowExecutionCommandAttributes(
                RequestCancelExternalWorkflowExecutionCommandAttributes {
                    workflow_id: elsewhere,
                    ..Default::default()
                },
            ),
        ),
        command(
            CommandType::ModifyWorkflowProperties,
            Does::ModifyWorkflowPropertiesCommandAttributes(ModifyWorkflowPropertiesCommandAttributes {
                upserted_memo: Some(Memo {
                    fields: [("key".to_owned(), payload("1"))].into(),
                }),
            }),
        ),
        complete("1"),
    ];
    let annotated = |(number, command): (usize, Command)| Command {
        user_metadata: Some(UserMetadata {
            summary: Some(payload(&number.to_string())),
            details: None,
        }),
        event_group_markers: vec![EventGroupMarker {
            variant: Some(Variant::Label(Label {
                label: Some(payload("1")),
                ..Default::default()
            })),
        }],
        ..command
    };
    let execution = stage.start("annotated");
    stage.work(commands.into_iter().enumerate().map(annotated).collect());
    stage.history(&execution);
}

fn send_page(
    stage: &mut Stage<'_>,
    task: &wire::PollWorkflowTaskQueueResponse,
    page_number: i32,
    intermediate_page: bool,
    commands: Vec<Command>,
) {
    let mut request = stage.answering(task, commands);
    request.page_number = page_number;
    request.intermediate_page = intermediate_page;
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
}

fn completion_in_pages(stage: &mut Stage<'_>) {
    let execution = stage.start("pages");
    let task = stage.poll();
    send_page(stage, &task, 1, true, vec![marker("c")]);
    send_page(stage, &task, 0, true, vec![marker("a"), marker("b")]);
    send_page(stage, &task, 1, true, vec![marker("sent again, otherwise")]);
    send_page(stage, &task, 2, false, vec![complete("1")]);
    stage.history(&execution);
}

fn bad_pages(stage: &mut Stage<'_>) {
    let execution = stage.start("pages");
    let task = stage.poll();
    send_page(stage, &task, 1, false, vec![]);
    send_page(stage, &task, 1, true, vec![marker("b")]);
    send_page(stage, &task, 2, false, vec![]);
    send_page(stage, &task, 2, false, vec![]);
    for (page_number, intermediate_page) in [(-1, true), (1_024, true), (1_024, false)] {
        send_page(stage, &task, page_number, intermediate_page, vec![marker("a")]);
    }
    send_page(stage, &task, 0, true, vec![]);
    // The commands of pages are checked together.
    send_page(stage, &task, 0, true, vec![timer("same")]);
    send_page(stage, &task, 1, false, vec![timer("same")]);
    stage.history(&execution);
    stage.work(vec![complete("1")]);
}

fn continue_as_new_with_bad_attributes(stage: &mut Stage<'_>) {
    type Break = fn(&mut ContinueAsNewWorkflowExecutionCommandAttributes);
    let breaks: [Break; 5] = [
        |it| it.workflow_type = Some("x".repeat(1_001).into()),
        |it| {
            it.task_queue = Some(TaskQueue {
                name: "/_sys/x".to_owned(),
                ..Default::default()
            });
        },
        |it| it.workflow_task_timeout = seconds(-1),
        |it| it.backoff_start_interval = seconds(-1),
        |it| {
            it.retry_policy = Some(RetryPolicy {
                backoff_coefficient: 0.5,
                ..Default::default()
            });
        },
    ];
    for (index, broken) in breaks.into_iter().enumerate() {
        stage.start(&format!("bad-{index}"));
        let mut attributes = ContinueAsNewWorkflowExecutionCommandAttributes::default();
        broken(&mut attributes);
        stage.work(vec![command(
            CommandType::ContinueAsNewWorkflowExecution,
            Does::ContinueAsNewWorkflowExecutionCommandAttributes(attributes),
        )]);
        stage.work(vec![complete("1")]);
    }
}
