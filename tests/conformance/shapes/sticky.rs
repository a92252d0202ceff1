//! A client resets the stickiness while something waits on the worker's own queue.

use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::enums::v1::{QueryResultType, TaskQueueKind};
use temporalio_common::protos::temporal::api::query::v1::WorkflowQuery;
use temporalio_common::protos::temporal::api::taskqueue::v1::{StickyExecutionAttributes, TaskQueue};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::speculative::update;
use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Pending, Stage, complete, payloads, seconds};

on_both_arms![
    reset_drops_the_task_on_the_workers_own_queue,
    reset_leaves_the_task_to_polls_that_say_nothing_of_their_queue,
    reset_leaves_the_task_of_an_update_unwritten_no_longer,
    reset_shows_a_query_the_whole_history,
];

/// The worker's own queue.
fn own(stage: &Stage<'_>) -> TaskQueue {
    TaskQueue {
        name: stage.named("own"),
        kind: TaskQueueKind::Sticky as i32,
        normal_name: stage.named("queue"),
    }
}

/// The worker keeps the workflow in its cache, and has three seconds to fetch the next task.
fn keep(stage: &mut Stage<'_>, task: &wire::PollWorkflowTaskQueueResponse) {
    let mut answer = stage.answering(task, vec![]);
    answer.sticky_attributes = Some(StickyExecutionAttributes {
        worker_task_queue: Some(own(stage)),
        schedule_to_start_timeout: seconds(3),
    });
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &answer);
}

fn poll_own(stage: &mut Stage<'_>) -> Pending {
    let mut polling = stage.polling();
    polling.task_queue = Some(own(stage));
    stage.begin("PollWorkflowTaskQueue", &polling)
}

/// A workflow in the cache of a worker that has just been there, and polls no more.
fn cached(stage: &mut Stage<'_>) -> WorkflowExecution {
    let execution = stage.start("cached");
    let task = stage.poll();
    keep(stage, &task);
    let waiting = poll_own(stage);
    stage.pass(1);
    stage.signal(&execution, "first");
    let task = stage.finish(waiting).unwrap_or_default();
    keep(stage, &task);
    execution
}

fn reset(stage: &mut Stage<'_>, execution: &WorkflowExecution) {
    let request = wire::ResetStickyTaskQueueRequest {
        namespace: NAMESPACE.to_owned(),
        execution: Some(execution.clone()),
    };
    stage.call::<wire::ResetStickyTaskQueueResponse>("ResetStickyTaskQueue", &request);
}

/// The poll that met the task goes on waiting, and gets the next one.
fn reset_drops_the_task_on_the_workers_own_queue(stage: &mut Stage<'_>) {
    let execution = cached(stage);
    stage.signal(&execution, "second");
    stage.pass(1);
    reset(stage, &execution);
    let waiting = poll_own(stage);
    stage.pass(1);
    stage.describe(&execution);
    let task = stage.poll();
    keep(stage, &task);
    stage.signal(&execution, "third");
    let task = stage.finish(waiting).unwrap_or_default();
    stage.answer(&task, vec![complete("1")]);
    stage.history(&execution);
}

fn reset_leaves_the_task_to_polls_that_say_nothing_of_their_queue(stage: &mut Stage<'_>) {
    let execution = cached(stage);
    stage.signal(&execution, "second");
    stage.pass(1);
    reset(stage, &execution);
    let mut polling = stage.polling();
    polling.task_queue = Some(TaskQueue {
        kind: TaskQueueKind::Normal as i32,
        normal_name: String::new(),
        ..own(stage)
    });
    let task = stage.call("PollWorkflowTaskQueue", &polling).unwrap_or_default();
    stage.answer(&task, vec![complete("1")]);
    stage.history(&execution);
}

/// The task's time on the worker's own queue goes on; it is written when it is over, as one of the queue of all workers.
fn reset_leaves_the_task_of_an_update_unwritten_no_longer(stage: &mut Stage<'_>) {
    let execution = cached(stage);
    let pending = update(stage, &execution);
    reset(stage, &execution);
    let task = stage.poll();
    stage.answer(&task, vec![]);
    stage.finish::<wire::UpdateWorkflowExecutionResponse>(pending);
    stage.history(&execution);
}

fn reset_shows_a_query_the_whole_history(stage: &mut Stage<'_>) {
    let execution = cached(stage);
    let request = wire::QueryWorkflowRequest {
        namespace: NAMESPACE.to_owned(),
        execution: Some(execution.clone()),
        query: Some(WorkflowQuery {
            query_type: "how".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let pending = stage.begin("QueryWorkflow", &request);
    stage.pass(1);
    reset(stage, &execution);
    let waiting = poll_own(stage);
    let task: wire::PollWorkflowTaskQueueResponse = stage.finish(waiting).unwrap_or_default();
    let answer = wire::RespondQueryTaskCompletedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token,
        completed_type: QueryResultType::Answered as i32,
        query_result: Some(payloads("1")),
        ..Default::default()
    };
    stage.call::<wire::RespondQueryTaskCompletedResponse>("RespondQueryTaskCompleted", &answer);
    stage.finish::<wire::QueryWorkflowResponse>(pending);
}
