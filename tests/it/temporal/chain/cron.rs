//! Workflows that start again by a cron string.

use std::time::Duration;

use temporalio_common::protos::temporal::api::command::v1 as command;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as CommandAttributes;
use temporalio_common::protos::temporal::api::enums::v1::{
    CommandType, ContinueAsNewInitiator, RetryState, WorkflowExecutionStatus as Status, WorkflowTaskFailedCause,
};
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;

use super::{NAMESPACE, Server, attributes, execution, start, start_child, text};

fn every_minute(id: &str) -> wire::StartWorkflowExecutionRequest {
    wire::StartWorkflowExecutionRequest {
        cron_schedule: "* * * * *".to_owned(),
        input: Some(text("input")),
        ..start(id)
    }
}

fn start_cron(server: &mut Server, request: &wire::StartWorkflowExecutionRequest) -> String {
    let answer: wire::StartWorkflowExecutionResponse = server.call("StartWorkflowExecution", request).unwrap();
    answer.run_id
}

fn finish_with(result: &str) -> command::Command {
    super::command(
        CommandType::CompleteWorkflowExecution,
        CommandAttributes::CompleteWorkflowExecutionCommandAttributes(
            command::CompleteWorkflowExecutionCommandAttributes {
                result: Some(text(result)),
            },
        ),
    )
}

fn fail() -> command::Command {
    super::command(
        CommandType::FailWorkflowExecution,
        CommandAttributes::FailWorkflowExecutionCommandAttributes(command::FailWorkflowExecutionCommandAttributes {
            failure: Some(Failure {
                message: "no luck".to_owned(),
                ..Default::default()
            }),
        }),
    )
}

#[test]
fn each_run_waits_for_its_minute_and_gets_the_last_result_or_failure() {
    let mut server = Server::new();
    server.pass(Duration::from_millis(20_500));
    let first = start_cron(&mut server, &every_minute("c"));
    let events = server.history("c", &first);
    assert_eq!(events.len(), 1, "the first minute hasn't come");
    let started = attributes!(events, 1, WorkflowExecutionStartedEventAttributes);
    assert_eq!(
        started.first_workflow_task_backoff.unwrap().seconds,
        40,
        "39.5 s, rounded up"
    );
    assert_eq!(started.initiator(), ContinueAsNewInitiator::CronSchedule);
    assert_eq!(started.continued_execution_run_id, "");
    assert!(server.poll().is_none());
    server.pass(Duration::from_secs(40));

    server.work(vec![finish_with("one")]);

    let events = server.history("c", &first);
    let completed = attributes!(events, 5, WorkflowExecutionCompletedEventAttributes);
    let second = completed.new_execution_run_id;
    let events = server.history("c", "");
    let started = attributes!(events, 1, WorkflowExecutionStartedEventAttributes);
    assert_eq!(started.original_execution_run_id, second);
    assert_eq!(
        (
            started.first_execution_run_id.clone(),
            started.continued_execution_run_id.clone()
        ),
        (first.clone(), first)
    );
    assert_eq!(started.initiator(), ContinueAsNewInitiator::CronSchedule);
    assert_eq!(started.last_completion_result, Some(text("one")));
    assert_eq!((started.continued_failure.clone(), started.attempt), (None, 1));
    assert_eq!(
        (started.input.clone(), started.cron_schedule.as_str()),
        (Some(text("input")), "* * * * *")
    );
    assert!(server.poll().is_none());
    server.pass(Duration::from_secs(60));

    server.work(vec![fail()]);

    let events = server.history("c", &second);
    let failed = attributes!(events, 5, WorkflowExecutionFailedEventAttributes);
    assert_eq!(failed.retry_state(), RetryState::RetryPolicyNotSet);
    let events = server.history("c", &failed.new_execution_run_id);
    let started = attributes!(events, 1, WorkflowExecutionStartedEventAttributes);
    assert_eq!(
        started.last_completion_result,
        Some(text("one")),
        "that of the last good run"
    );
    assert_eq!(started.continued_failure.unwrap().message, "no luck");
}

#[test]
fn a_run_that_times_out_is_followed_too() {
    let mut server = Server::new();
    let request = wire::StartWorkflowExecutionRequest {
        workflow_run_timeout: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
        ..every_minute("c")
    };
    let first = start_cron(&mut server, &request);
    server.pass(Duration::from_secs(65));
    let events = server.history("c", &first);
    let timed_out = attributes!(events, 3, WorkflowExecutionTimedOutEventAttributes);
    assert_eq!(timed_out.retry_state(), RetryState::RetryPolicyNotSet);
    let info = server.describe("c", "").workflow_execution_info.unwrap();
    assert_eq!(info.execution.unwrap().run_id, timed_out.new_execution_run_id);
    let events = server.history("c", "");
    let started = attributes!(events, 1, WorkflowExecutionStartedEventAttributes);
    assert_eq!(started.continued_failure.unwrap().message, "workflow timeout");
    assert_eq!(started.first_workflow_task_backoff.unwrap().seconds, 55);
}

#[test]
fn retries_come_before_the_next_minute() {
    let mut server = Server::new();
    let request = wire::StartWorkflowExecutionRequest {
        retry_policy: Some(temporalio_common::protos::temporal::api::common::v1::RetryPolicy {
            maximum_attempts: 2,
            initial_interval: Some(prost_types::Duration { seconds: 3, nanos: 0 }),
            ..Default::default()
        }),
        ..every_minute("c")
    };
    start_cron(&mut server, &request);
    server.pass(Duration::from_secs(60));
    server.work(vec![fail()]);
    let events = server.history("c", "");
    let started = attributes!(events, 1, WorkflowExecutionStartedEventAttributes);
    assert_eq!(
        (started.initiator(), started.attempt),
        (ContinueAsNewInitiator::Retry, 2)
    );
    server.pass(Duration::from_secs(3));
    server.work(vec![fail()]);
    let events = server.history("c", "");
    let started = attributes!(events, 1, WorkflowExecutionStartedEventAttributes);
    assert_eq!(
        (started.initiator(), started.attempt),
        (ContinueAsNewInitiator::CronSchedule, 1)
    );
    assert_eq!(started.first_workflow_task_backoff.unwrap().seconds, 57);
}

#[test]
fn a_terminated_run_is_the_last() {
    let mut server = Server::new();
    let first = start_cron(&mut server, &every_minute("c"));
    let request = wire::TerminateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: execution("c", ""),
        ..Default::default()
    };
    let _: wire::TerminateWorkflowExecutionResponse = server.call("TerminateWorkflowExecution", &request).unwrap();
    let info = server.describe("c", "").workflow_execution_info.unwrap();
    assert_eq!(
        (info.execution.clone().unwrap().run_id, info.status()),
        (first, Status::Terminated)
    );
    assert!(server.engine.poll_timeout().is_none());
}

#[test]
fn the_parent_of_a_cron_child_hears_nothing_of_its_runs() {
    let mut server = Server::new();
    server.start("parent");
    let mut child = start_child("child");
    if let Some(CommandAttributes::StartChildWorkflowExecutionCommandAttributes(attributes)) = &mut child.attributes {
        "@every 10s".clone_into(&mut attributes.cron_schedule);
        attributes.task_queue = Some(super::queue());
    }
    server.work(vec![child]);
    server.work(vec![]);
    server.pass(Duration::from_secs(10));
    server.work(vec![finish_with("one")]);
    assert!(
        !server
            .types("parent", "")
            .contains(&"CHILD_WORKFLOW_EXECUTION_COMPLETED")
    );
    let events = server.history("child", "");
    let started = attributes!(events, 1, WorkflowExecutionStartedEventAttributes);
    assert_eq!(started.last_completion_result, Some(text("one")));
    assert_eq!(started.parent_workflow_execution.unwrap().workflow_id, "parent");
}

#[test]
fn bad_strings_are_refused_and_so_is_a_start_delay_beside_them() {
    let mut server = Server::new();
    let refused = |server: &mut Server, request: &wire::StartWorkflowExecutionRequest| {
        let refused = server
            .call::<wire::StartWorkflowExecutionResponse>("StartWorkflowExecution", request)
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        refused.message()
    };
    let with = |cron_schedule: &str| wire::StartWorkflowExecutionRequest {
        cron_schedule: cron_schedule.to_owned(),
        ..start("c")
    };
    assert_eq!(refused(&mut server, &with("not a cron")), "invalid CronSchedule.");
    assert_eq!(
        refused(&mut server, &with("0 0 31 2 *")),
        "invalid CronSchedule, no time can be found to satisfy the schedule"
    );
    let delayed = wire::StartWorkflowExecutionRequest {
        workflow_start_delay: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..with("* * * * *")
    };
    assert_eq!(
        refused(&mut server, &delayed),
        "CronSchedule and WorkflowStartDelay may not be used together."
    );
    server.start("parent");
    let task = server.poll().unwrap();
    let mut child = start_child("child");
    if let Some(CommandAttributes::StartChildWorkflowExecutionCommandAttributes(attributes)) = &mut child.attributes {
        "not a cron".clone_into(&mut attributes.cron_schedule);
    }
    let answer = server.call::<wire::RespondWorkflowTaskCompletedResponse>(
        "RespondWorkflowTaskCompleted",
        &wire::RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token,
            namespace: NAMESPACE.to_owned(),
            commands: vec![child],
            ..Default::default()
        },
    );
    assert!(answer.unwrap_err().message().contains("invalid CronSchedule."));
    let events = server.history("parent", "");
    let failed = attributes!(events, 4, WorkflowTaskFailedEventAttributes);
    assert_eq!(
        failed.cause(),
        WorkflowTaskFailedCause::BadStartChildExecutionAttributes
    );
}
