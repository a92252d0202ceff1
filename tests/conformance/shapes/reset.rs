//! Resetting a run to an earlier workflow task.

use temporalio_common::protos::temporal::api::command::v1::StartTimerCommandAttributes;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, command, complete, seconds};

on_both_arms![
    reset_of_an_open_run,
    reset_of_a_closed_run,
    reset_leaves_signals_out,
    reset_restarts_a_timer,
    reset_to_bad_points,
];

/// To reset a run to where its workflow task with this event ended.
pub(super) fn resetting(execution: &WorkflowExecution, event_id: i64) -> wire::ResetWorkflowExecutionRequest {
    wire::ResetWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution.clone()),
        reason: "try again".to_owned(),
        workflow_task_finish_event_id: event_id,
        request_id: format!("reset-{event_id}"),
        ..Default::default()
    }
}

/// Resets a run; gives the one that goes on.
pub(super) fn reset(stage: &mut Stage<'_>, request: &wire::ResetWorkflowExecutionRequest) -> WorkflowExecution {
    let answer: Option<wire::ResetWorkflowExecutionResponse> = stage.call("ResetWorkflowExecution", request);
    WorkflowExecution {
        workflow_id: request.workflow_execution.clone().unwrap_or_default().workflow_id,
        run_id: answer.map(|it| it.run_id).unwrap_or_default(),
    }
}

fn reset_of_an_open_run(stage: &mut Stage<'_>) {
    let execution = stage.start("open");
    stage.work(vec![]);
    stage.signal(&execution, "news");
    stage.work(vec![]);
    let request = resetting(&execution, 4);
    let next = reset(stage, &request);
    reset(stage, &request);
    stage.history(&execution);
    stage.history(&next);
    stage.describe(&next);
    stage.work(vec![complete("1")]);
    stage.history(&next);
}

fn reset_of_a_closed_run(stage: &mut Stage<'_>) {
    let execution = stage.start("closed");
    stage.work(vec![complete("1")]);
    let next = reset(stage, &resetting(&execution, 3));
    stage.history(&execution);
    stage.history(&next);
}

fn reset_leaves_signals_out(stage: &mut Stage<'_>) {
    let execution = stage.start("signalled");
    stage.work(vec![]);
    stage.signal(&execution, "news");
    stage.work(vec![complete("1")]);
    let mut request = resetting(&execution, 4);
    request.reset_reapply_exclude_types = vec![1];
    let next = reset(stage, &request);
    stage.history(&next);
}

fn reset_restarts_a_timer(stage: &mut Stage<'_>) {
    let execution = stage.start("timer");
    let timer = Does::StartTimerCommandAttributes(StartTimerCommandAttributes {
        timer_id: "1".to_owned(),
        start_to_fire_timeout: seconds(2),
    });
    stage.work(vec![command(CommandType::StartTimer, timer)]);
    stage.signal(&execution, "news");
    stage.work(vec![]);
    let next = reset(stage, &resetting(&execution, 8));
    stage.work(vec![]);
    stage.work(vec![complete("1")]);
    stage.history(&next);
}

fn reset_to_bad_points(stage: &mut Stage<'_>) {
    let execution = stage.start("bad");
    stage.work(vec![]);
    for event_id in [0, 1, 2, 5, 99, -1] {
        reset(stage, &resetting(&execution, event_id));
    }
    let unknown = WorkflowExecution {
        workflow_id: stage.named("unknown"),
        run_id: String::new(),
    };
    reset(stage, &resetting(&unknown, 3));
}
