//! A workflow task that is there only for an update, and what else is written meanwhile. Found by a random workflow program
//! (tests/conformance/history-diff, seed 30, program 99).

use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::command::v1::{Command, ScheduleActivityTaskCommandAttributes};
use temporalio_common::protos::temporal::api::common::v1::{ActivityType, WorkflowExecution};
use temporalio_common::protos::temporal::api::enums::v1::{CommandType, TaskQueueKind};
use temporalio_common::protos::temporal::api::taskqueue::v1::{StickyExecutionAttributes, TaskQueue};
use temporalio_common::protos::temporal::api::update::v1 as update;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Pending, Stage, command, seconds};

on_both_arms![
    a_signal_writes_the_speculative_task_that_a_worker_has,
    a_signal_writes_the_speculative_task_that_waits,
    a_heartbeat_writes_the_speculative_task,
    a_look_leaves_the_speculative_task_unwritten,
    a_speculative_task_waits_on_the_workers_own_queue_as_long_as_any,
];

/// A workflow that has answered its first task with these commands.
fn begun(stage: &mut Stage<'_>, commands: Vec<Command>) -> WorkflowExecution {
    let execution = stage.start("updated");
    stage.work(commands);
    execution
}

/// An update, which is on the real server by then.
pub(super) fn update(stage: &mut Stage<'_>, execution: &WorkflowExecution) -> Pending {
    let request = wire::UpdateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution.clone()),
        request: Some(update::Request {
            meta: Some(update::Meta {
                update_id: "1".to_owned(),
                identity: "client".to_owned(),
            }),
            input: Some(update::Input {
                name: "change".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let pending = stage.begin("UpdateWorkflowExecution", &request);
    stage.pass(1);
    pending
}

/// The worker doesn't answer the update, which is rejected for that. A task that wasn't written leaves no trace then.
fn end(stage: &mut Stage<'_>, task: &wire::PollWorkflowTaskQueueResponse, pending: Pending) {
    stage.answer(task, vec![]);
    stage.finish::<wire::UpdateWorkflowExecutionResponse>(pending);
}

fn a_signal_writes_the_speculative_task_that_a_worker_has(stage: &mut Stage<'_>) {
    let execution = begun(stage, vec![]);
    let pending = update(stage, &execution);
    let task = stage.poll();
    stage.signal(&execution, "news");
    stage.history(&execution);
    end(stage, &task, pending);
    stage.history(&execution);
}

fn a_signal_writes_the_speculative_task_that_waits(stage: &mut Stage<'_>) {
    let execution = begun(stage, vec![]);
    let pending = update(stage, &execution);
    stage.signal(&execution, "news");
    stage.history(&execution);
    let task = stage.poll();
    end(stage, &task, pending);
    stage.history(&execution);
}

fn a_heartbeat_writes_the_speculative_task(stage: &mut Stage<'_>) {
    let activity = command(
        CommandType::ScheduleActivityTask,
        Does::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
            activity_id: "1".to_owned(),
            activity_type: Some(ActivityType {
                name: "shape".to_owned(),
            }),
            task_queue: stage.queue(),
            start_to_close_timeout: seconds(60),
            heartbeat_timeout: seconds(60),
            ..Default::default()
        }),
    );
    let execution = begun(stage, vec![activity]);
    let activity = stage.poll_activity();
    let pending = update(stage, &execution);
    let task = stage.poll();
    let beat = wire::RecordActivityTaskHeartbeatRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: activity.task_token,
        identity: "worker".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::RecordActivityTaskHeartbeatResponse>("RecordActivityTaskHeartbeat", &beat);
    end(stage, &task, pending);
    stage.history(&execution);
}

fn a_look_leaves_the_speculative_task_unwritten(stage: &mut Stage<'_>) {
    let execution = begun(stage, vec![]);
    let pending = update(stage, &execution);
    let task = stage.poll();
    stage.describe(&execution);
    end(stage, &task, pending);
    stage.history(&execution);
}

/// The worker has the workflow in its cache, and its queue gives it two seconds to fetch a task. It doesn't fetch the
/// update's.
fn a_speculative_task_waits_on_the_workers_own_queue_as_long_as_any(stage: &mut Stage<'_>) {
    let execution = stage.start("cached");
    let own = TaskQueue {
        name: stage.named("own"),
        kind: TaskQueueKind::Sticky as i32,
        normal_name: stage.named("queue"),
    };
    let answer = |stage: &mut Stage<'_>, task: &wire::PollWorkflowTaskQueueResponse| {
        let mut answer = stage.answering(task, vec![]);
        answer.sticky_attributes = Some(StickyExecutionAttributes {
            worker_task_queue: Some(own.clone()),
            schedule_to_start_timeout: seconds(2),
        });
        stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &answer);
    };
    let task = stage.poll();
    answer(stage, &task);
    let mut polling = stage.polling();
    polling.task_queue = Some(own.clone());
    let waiting = stage.begin("PollWorkflowTaskQueue", &polling);
    stage.pass(1);
    stage.signal(&execution, "news");
    let task = stage.finish(waiting).unwrap_or_default();
    answer(stage, &task);
    let pending = update(stage, &execution);
    stage.pass(2);
    let task = stage.poll();
    end(stage, &task, pending);
    stage.history(&execution);
}
