//! What a reset lets happen again: updates, signals, options, the ends of children; and what it does by itself afterwards.

use prost::Message as _;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::command::v1::{self as commands, Command};
use temporalio_common::protos::temporal::api::common::v1::{ActivityType, Priority, WorkflowExecution, WorkflowType};
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::protocol::v1::{Message, message::SequencingId};
use temporalio_common::protos::temporal::api::update::v1 as update;
use temporalio_common::protos::temporal::api::workflow::v1 as workflow;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::reset::{reset, resetting};
use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, command, complete, payloads, seconds};

on_both_arms![
    reset_admits_updates_again,
    reset_leaves_updates_out,
    reset_leaves_everything_out,
    reset_keeps_an_update_before_its_point,
    reset_with_activities_in_flight,
    reset_with_a_child,
    reset_follows_the_chain,
    reset_forgets_the_wish_to_cancel,
    reset_of_another_run_than_the_latest,
    reset_of_a_failing_task,
    reset_with_operations_afterwards,
];

fn updating(execution: &WorkflowExecution, id: &str, stage: i32) -> wire::UpdateWorkflowExecutionRequest {
    wire::UpdateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution.clone()),
        wait_policy: Some(update::WaitPolicy { lifecycle_stage: stage }),
        request: Some(update::Request {
            meta: Some(update::Meta {
                update_id: id.to_owned(),
                identity: "client".to_owned(),
            }),
            input: Some(update::Input {
                name: "ask".to_owned(),
                args: Some(payloads("7")),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// How far a worker gets with an update.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    Accepted,
    Completed,
}

fn message(id: &str, name: &str, value: Vec<u8>) -> Message {
    Message {
        id: format!("{id}/{name}"),
        protocol_instance_id: id.to_owned(),
        body: Some(prost_types::Any {
            type_url: format!("type.googleapis.com/temporal.api.update.v1.{name}"),
            value,
        }),
        ..Default::default()
    }
}

/// What a worker says of the updates of a task.
fn answers(task: &wire::PollWorkflowTaskQueueResponse, until: Until) -> Vec<Message> {
    let mut messages = Vec::new();
    for asked in &task.messages {
        let body = asked.body.clone().unwrap_or_default();
        let request = update::Request::decode(body.value.as_slice()).expect("it is an update");
        let meta = request.meta.clone();
        let accepted = update::Acceptance {
            accepted_request_message_id: asked.id.clone(),
            accepted_request_sequencing_event_id: match asked.sequencing_id {
                Some(SequencingId::EventId(event_id)) => event_id,
                _ => 0,
            },
            accepted_request: Some(request),
        };
        messages.push(message(
            &asked.protocol_instance_id,
            "Acceptance",
            accepted.encode_to_vec(),
        ));
        if until == Until::Completed {
            messages.push(response(&asked.protocol_instance_id, meta));
        }
    }
    messages
}

fn response(id: &str, meta: Option<update::Meta>) -> Message {
    let response = update::Response {
        meta,
        outcome: Some(update::Outcome {
            value: Some(update::outcome::Value::Success(payloads("8"))),
        }),
    };
    message(id, "Response", response.encode_to_vec())
}

/// Carries out an update from a client's request to the worker's answer.
fn carry_out(stage: &mut Stage<'_>, execution: &WorkflowExecution, id: &str, until: Until) {
    let wanted = if until == Until::Accepted { 2 } else { 3 };
    let waiting = stage.begin("UpdateWorkflowExecution", &updating(execution, id, wanted));
    let task = stage.poll();
    let mut request = stage.answering(&task, vec![]);
    request.messages = answers(&task, until);
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
    stage.finish::<wire::UpdateWorkflowExecutionResponse>(waiting);
}

fn poll_update(stage: &mut Stage<'_>, execution: &WorkflowExecution, id: &str) {
    let request = wire::PollWorkflowExecutionUpdateRequest {
        namespace: NAMESPACE.to_owned(),
        update_ref: Some(update::UpdateRef {
            workflow_execution: Some(execution.clone()),
            update_id: id.to_owned(),
        }),
        identity: "client".to_owned(),
        wait_policy: None,
    };
    stage.call::<wire::PollWorkflowExecutionUpdateResponse>("PollWorkflowExecutionUpdate", &request);
}

fn reset_admits_updates_again(stage: &mut Stage<'_>) {
    let execution = stage.start("asked");
    stage.work(vec![]);
    carry_out(stage, &execution, "done", Until::Completed);
    carry_out(stage, &execution, "begun", Until::Accepted);
    let next = reset(stage, &resetting(&execution, 4));
    stage.history(&execution);
    stage.history(&next);
    for id in ["done", "begun"] {
        poll_update(stage, &execution, id);
        poll_update(stage, &next, id);
    }
    // The worker finds them in the history and is sent nothing.
    let task = stage.poll();
    let mut request = stage.answering(&task, vec![]);
    request.messages = ["done", "begun"]
        .map(|id| {
            let accepted = update::Acceptance {
                accepted_request_message_id: format!("{id}/request"),
                accepted_request_sequencing_event_id: 7,
                accepted_request: None,
            };
            message(id, "Acceptance", accepted.encode_to_vec())
        })
        .into();
    let meta = update::Meta {
        update_id: "begun".to_owned(),
        identity: "client".to_owned(),
    };
    request.messages.push(response("begun", Some(meta)));
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
    poll_update(stage, &next, "begun");
    stage.history(&next);
    // Once more, to a point before what was admitted.
    let third = reset(stage, &resetting(&next, 4));
    stage.history(&third);
    stage.work(vec![complete("1")]);
    stage.history(&third);
}

fn reset_leaves_updates_out(stage: &mut Stage<'_>) {
    let execution = stage.start("asked");
    stage.work(vec![]);
    carry_out(stage, &execution, "done", Until::Completed);
    stage.signal(&execution, "news");
    let mut request = resetting(&execution, 4);
    request.reset_reapply_exclude_types = vec![2];
    let next = reset(stage, &request);
    stage.history(&next);
    stage.work(vec![complete("1")]);
}

#[expect(deprecated, reason = "clients may still send it")]
fn reset_leaves_everything_out(stage: &mut Stage<'_>) {
    let execution = stage.start("asked");
    stage.work(vec![]);
    carry_out(stage, &execution, "done", Until::Completed);
    stage.signal(&execution, "news");
    let mut last = execution;
    for (reapply_type, excluded) in [
        (2, vec![]),
        (3, vec![]),
        (1, vec![1]),
        (0, vec![1, 2]),
        (0, vec![1, 2, 3, 4]),
    ] {
        let mut request = resetting(&last, 4);
        request.request_id = format!("reset-{reapply_type}-{}", excluded.len());
        request.reset_reapply_type = reapply_type;
        request.reset_reapply_exclude_types = excluded;
        last = reset(stage, &request);
        stage.history(&last);
    }
    stage.work(vec![complete("1")]);
}

fn reset_keeps_an_update_before_its_point(stage: &mut Stage<'_>) {
    let execution = stage.start("asked");
    stage.work(vec![]);
    carry_out(stage, &execution, "done", Until::Completed);
    carry_out(stage, &execution, "begun", Until::Accepted);
    stage.signal(&execution, "news");
    stage.work(vec![]);
    stage.history(&execution);
    let next = reset(stage, &resetting(&execution, 17));
    for id in ["done", "begun", "nothing"] {
        poll_update(stage, &next, id);
    }
    stage.work(vec![complete("1")]);
    stage.history(&next);
}

fn activity(stage: &Stage<'_>, id: &str) -> Command {
    let attributes = commands::ScheduleActivityTaskCommandAttributes {
        activity_id: id.to_owned(),
        activity_type: Some(ActivityType {
            name: "shape".to_owned(),
        }),
        task_queue: stage.queue(),
        start_to_close_timeout: seconds(1_000),
        ..Default::default()
    };
    command(
        CommandType::ScheduleActivityTask,
        Does::ScheduleActivityTaskCommandAttributes(attributes),
    )
}

fn reset_with_activities_in_flight(stage: &mut Stage<'_>) {
    let execution = stage.start("busy");
    // The second one waits where no worker is: of two on one queue the real server gives either first.
    let mut waiting = activity(stage, "2");
    if let Some(Does::ScheduleActivityTaskCommandAttributes(attributes)) = &mut waiting.attributes {
        attributes.task_queue.get_or_insert_default().name = stage.named("idle");
    }
    let both = vec![activity(stage, "1"), waiting];
    stage.work(both);
    let first = stage.poll_activity();
    stage.signal(&execution, "news");
    stage.work(vec![]);
    let next = reset(stage, &resetting(&execution, 10));
    stage.describe(&next);
    let request = wire::RespondActivityTaskCompletedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: first.task_token,
        identity: "worker".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::RespondActivityTaskCompletedResponse>("RespondActivityTaskCompleted", &request);
    stage.history(&next);
    stage.work(vec![complete("1")]);
    stage.history(&next);
}

fn child(stage: &Stage<'_>) -> Command {
    let attributes = commands::StartChildWorkflowExecutionCommandAttributes {
        workflow_id: stage.named("child"),
        workflow_type: Some(WorkflowType {
            name: "shape".to_owned(),
        }),
        task_queue: stage.queue(),
        ..Default::default()
    };
    command(
        CommandType::StartChildWorkflowExecution,
        Does::StartChildWorkflowExecutionCommandAttributes(attributes),
    )
}

/// A workflow task of this workflow, whoever comes first.
fn task_of(stage: &mut Stage<'_>, name: &str) -> wire::PollWorkflowTaskQueueResponse {
    let wanted = stage.named(name);
    for _ in 0..4 {
        let task = stage.look_for_task();
        if task
            .workflow_execution
            .as_ref()
            .is_some_and(|it| it.workflow_id == wanted)
        {
            return task;
        }
        stage.settle(&task, vec![]);
    }
    panic!("no task of {wanted} comes");
}

fn reset_with_a_child(stage: &mut Stage<'_>) {
    let execution = stage.start("parent");
    let command = child(stage);
    stage.work(vec![command]);
    // Of the child, and of the parent that hears of its start.
    stage.pass(1);
    let task = task_of(stage, "parent");
    stage.settle(&task, vec![]);
    stage.signal(&execution, "news");
    stage.pass(1);
    let task = task_of(stage, "parent");
    stage.settle(&task, vec![]);
    stage.history(&execution);
    // The child is pending at this point, and goes on with the new run.
    let next = reset(stage, &resetting(&execution, 12));
    let child = WorkflowExecution {
        workflow_id: stage.named("child"),
        run_id: String::new(),
    };
    let request = wire::TerminateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(child.clone()),
        reason: "enough".to_owned(),
        identity: "client".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::TerminateWorkflowExecutionResponse>("TerminateWorkflowExecution", &request);
    stage.pass(1);
    stage.history(&next);
    let task = task_of(stage, "parent");
    stage.settle(&task, vec![]);
    // Its end is known by now.
    let third = reset(stage, &resetting(&next, 12));
    stage.history(&third);
    let task = task_of(stage, "parent");
    stage.settle(&task, vec![complete("1")]);
    stage.history(&third);
}

fn reset_follows_the_chain(stage: &mut Stage<'_>) {
    let execution = stage.start("chain");
    stage.work(vec![]);
    stage.signal(&execution, "first");
    // So that the next run needn't wait.
    stage.pass(2);
    let next = commands::ContinueAsNewWorkflowExecutionCommandAttributes::default();
    stage.work(vec![command(
        CommandType::ContinueAsNewWorkflowExecution,
        Does::ContinueAsNewWorkflowExecutionCommandAttributes(next),
    )]);
    stage.work(vec![]);
    let latest = stage.latest(&execution);
    stage.signal(&latest, "second");
    stage.work(vec![]);
    let made = reset(stage, &resetting(&execution, 4));
    stage.history(&made);
    stage.work(vec![complete("1")]);
}

fn reset_forgets_the_wish_to_cancel(stage: &mut Stage<'_>) {
    let execution = stage.start("cancelled");
    stage.work(vec![]);
    let request = wire::RequestCancelWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution.clone()),
        identity: "client".to_owned(),
        request_id: "cancel".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::RequestCancelWorkflowExecutionResponse>("RequestCancelWorkflowExecution", &request);
    stage.work(vec![]);
    let next = reset(stage, &resetting(&execution, 4));
    stage.history(&next);
    stage.describe(&next);
    stage.work(vec![complete("1")]);
}

fn reset_of_another_run_than_the_latest(stage: &mut Stage<'_>) {
    let first = stage.start("twice");
    stage.work(vec![]);
    stage.signal(&first, "first");
    stage.work(vec![complete("1")]);
    let mut request = stage.starting("twice");
    request.request_id = "again".to_owned();
    let second = stage.start_as(&request);
    stage.work(vec![]);
    stage.signal(&second, "second");
    let next = reset(stage, &resetting(&first, 4));
    stage.history(&next);
    stage.history(&second);
    stage.describe(&first);
    stage.work(vec![complete("1")]);
    let last = reset(stage, &resetting(&second, 4));
    stage.history(&last);
    stage.describe(&last);
    stage.work(vec![complete("1")]);
}

fn reset_of_a_failing_task(stage: &mut Stage<'_>) {
    let mut request = stage.starting("failing");
    request.workflow_task_timeout = seconds(2);
    let execution = stage.start_as(&request);
    let task = stage.poll();
    let failed = wire::RespondWorkflowTaskFailedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token,
        identity: "worker".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::RespondWorkflowTaskFailedResponse>("RespondWorkflowTaskFailed", &failed);
    stage.history(&execution);
    // At the failure, and after it, where only a task is that isn't written.
    let next = reset(stage, &resetting(&execution, 4));
    stage.history(&next);
    reset(stage, &resetting(&next, 5));
    let _task = stage.poll();
    stage.pass(3);
    stage.history(&next);
    let last = reset(stage, &resetting(&next, 7));
    stage.history(&last);
    stage.work(vec![complete("1")]);
    stage.history(&last);
}

fn reset_with_operations_afterwards(stage: &mut Stage<'_>) {
    use workflow::post_reset_operation as operation;
    let execution = stage.start("operated");
    stage.work(vec![]);
    stage.signal(&execution, "news");
    let signal = operation::SignalWorkflow {
        signal_name: "after".to_owned(),
        input: Some(payloads("1")),
        ..Default::default()
    };
    let options = operation::UpdateWorkflowOptions {
        workflow_execution_options: Some(workflow::WorkflowExecutionOptions {
            priority: Some(Priority {
                priority_key: 2,
                ..Default::default()
            }),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["priority".to_owned()],
        }),
    };
    let all = [
        vec![operation::Variant::SignalWorkflow(signal.clone())],
        vec![operation::Variant::UpdateWorkflowOptions(options.clone())],
        vec![
            operation::Variant::UpdateWorkflowOptions(options),
            operation::Variant::SignalWorkflow(signal),
        ],
        vec![operation::Variant::SignalWorkflow(operation::SignalWorkflow::default())],
    ];
    let mut last = execution;
    for (index, operations) in all.into_iter().enumerate() {
        let mut request = resetting(&last, 4);
        request.request_id = format!("reset {index}");
        request.identity = "resetter".to_owned();
        request.post_reset_operations = operations
            .into_iter()
            .map(|variant| workflow::PostResetOperation { variant: Some(variant) })
            .collect();
        let next = reset(stage, &request);
        if next.run_id.is_empty() {
            continue;
        }
        stage.history(&next);
        stage.describe(&next);
        last = next;
    }
    stage.work(vec![complete("1")]);
}
