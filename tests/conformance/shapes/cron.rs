//! Workflows that start again by a cron string.

use temporalio_common::protos::temporal::api::command::v1::FailWorkflowExecutionCommandAttributes;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, command, complete, seconds};

on_both_arms![
    cron_carries_the_result,
    cron_carries_the_failure,
    cron_times_out_and_goes_on,
    cron_is_cancelled,
];

fn every_second(stage: &Stage<'_>) -> wire::StartWorkflowExecutionRequest {
    let mut request = stage.starting("cron");
    request.cron_schedule = "@every 1s".to_owned();
    request
}

fn cron_carries_the_result(stage: &mut Stage<'_>) {
    let first = stage.start_as(&every_second(stage));
    stage.work(vec![complete("1")]);
    stage.history(&first);
    stage.work(vec![complete("2")]);
    let task = stage.poll();
    stage.history(&task.workflow_execution.unwrap_or_default());
}

fn cron_carries_the_failure(stage: &mut Stage<'_>) {
    let first = stage.start_as(&every_second(stage));
    stage.work(vec![complete("1")]);
    let failure = FailWorkflowExecutionCommandAttributes {
        failure: Some(Failure {
            message: "no luck".to_owned(),
            ..Default::default()
        }),
    };
    stage.work(vec![command(
        CommandType::FailWorkflowExecution,
        Does::FailWorkflowExecutionCommandAttributes(failure),
    )]);
    let task = stage.poll();
    stage.history(&task.workflow_execution.unwrap_or_default());
    stage.describe(&stage.latest(&first));
}

fn cron_times_out_and_goes_on(stage: &mut Stage<'_>) {
    let mut request = every_second(stage);
    request.workflow_run_timeout = seconds(1);
    let first = stage.start_as(&request);
    stage.pass(4);
    stage.history(&first);
}

fn cron_is_cancelled(stage: &mut Stage<'_>) {
    let first = stage.start_as(&every_second(stage));
    let request = wire::TerminateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(first.clone()),
        reason: "enough".to_owned(),
        identity: "client".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::TerminateWorkflowExecutionResponse>("TerminateWorkflowExecution", &request);
    stage.history(&first);
}
