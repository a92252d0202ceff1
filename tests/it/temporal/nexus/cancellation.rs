//! Cancellations of operations: when they go out, what is recorded, what is refused.

use std::time::Duration;

use temporalio_common::protos::temporal::api::enums::v1::{
    EventType, NexusHandlerErrorRetryBehavior as RetryBehavior, NexusOperationCancellationState as State,
};
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::failure::v1::NexusHandlerFailureInfo;
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::nexus::v1 as nexus;
use temporalio_common::protos::temporal::api::nexus::v1::request::Variant;
use temporalio_common::protos::temporal::api::nexus::v1::start_operation_response;

use super::server::{cancel_command, operation, schedule_command, seconds};
use super::{Failed, NexusTask, Server, WorkflowTask};

/// A caller whose operation, scheduled by event 5, has started; its next workflow task.
fn started(server: &mut Server) -> WorkflowTask {
    let mut scheduled = operation();
    scheduled.nexus_header = [("name".to_owned(), "x".to_owned())].into();
    server.schedule("caller", scheduled);
    let task = server.poll_nexus();
    server.respond_started(&task);
    server.poll_workflow("caller")
}

fn cancel_request(task: &NexusTask) -> nexus::CancelOperationRequest {
    match task.request.clone().unwrap().variant {
        Some(Variant::CancelOperation(cancel)) => cancel,
        other => panic!("not a cancellation: {other:?}"),
    }
}

fn acknowledge(server: &mut Server, task: &NexusTask) {
    let answer = nexus::response::Variant::CancelOperation(nexus::CancelOperationResponse {});
    server.respond(task, answer).unwrap();
}

fn state(server: &mut Server) -> State {
    let pending = server.describe("caller").pending_nexus_operations.remove(0);
    pending.cancellation_info.unwrap().state()
}

fn handler_failure(error_type: &str) -> Failed {
    Failed::Failure(Failure {
        message: "no".to_owned(),
        failure_info: Some(FailureInfo::NexusHandlerFailureInfo(NexusHandlerFailureInfo {
            r#type: error_type.to_owned(),
            retry_behavior: RetryBehavior::Unspecified as i32,
        })),
        ..Default::default()
    })
}

#[test]
fn a_started_operation_is_asked_to_cancel_and_the_answer_is_recorded() {
    let mut server = Server::start();
    let task = started(&mut server);
    server.complete_workflow_task(&task, vec![cancel_command(5)]).unwrap();
    assert_eq!(state(&mut server), State::Scheduled);
    let task = server.poll_nexus();
    let cancel = cancel_request(&task);
    assert_eq!(
        (cancel.service.as_str(), cancel.operation.as_str()),
        ("service", "operation")
    );
    assert_eq!(cancel.operation_token, "token");
    let header = task.request.as_ref().unwrap().header.clone();
    assert_eq!(header.get("name").map(String::as_str), Some("x"));
    assert_eq!(header.get("nexus-operation-token").map(String::as_str), Some("token"));
    acknowledge(&mut server, &task);
    assert_eq!(state(&mut server), State::Succeeded);
    let (requested, _) = server.event("caller", EventType::NexusOperationCancelRequested);
    let (event, attributes) = server.event("caller", EventType::NexusOperationCancelRequestCompleted);
    let Attributes::NexusOperationCancelRequestCompletedEventAttributes(completed) = attributes else {
        panic!("not completed");
    };
    assert!(event.worker_may_ignore);
    assert_eq!(
        (completed.scheduled_event_id, completed.requested_event_id),
        (5, requested.event_id)
    );
    // The workflow hears of it.
    server.poll_workflow("caller");
}

#[test]
fn an_operation_that_has_not_started_is_asked_once_it_has() {
    let mut server = Server::start();
    let mut scheduled = operation();
    scheduled.start_to_close_timeout = seconds(10);
    let task = server.start_workflow("caller");
    let timer = temporalio_common::protos::temporal::api::command::v1::StartTimerCommandAttributes {
        timer_id: "1".to_owned(),
        start_to_fire_timeout: seconds(1),
    };
    let timer =
        temporalio_common::protos::temporal::api::command::v1::command::Attributes::StartTimerCommandAttributes(timer);
    server
        .complete_workflow_task(&task, vec![schedule_command(scheduled), timer])
        .unwrap();
    server.advance(Duration::from_secs(1));
    let task = server.poll_workflow("caller");
    server.complete_workflow_task(&task, vec![cancel_command(5)]).unwrap();
    assert_eq!(state(&mut server), State::Unspecified);
    let start = server.poll_nexus();
    assert!(server.try_poll_nexus().is_none(), "there is no token to cancel by");
    server.respond_started(&start);
    assert_eq!(state(&mut server), State::Scheduled);
    cancel_request(&server.poll_nexus());
    // Temporal sets no start-to-close clock for an operation that was cancelled before it started.
    server.advance(Duration::from_secs(60));
    assert!(!server.types("caller").contains(&"NEXUS_OPERATION_TIMED_OUT".to_owned()));
}

#[test]
fn a_handler_that_refuses_is_asked_again_or_not_by_its_error() {
    let mut server = Server::start();
    let task = started(&mut server);
    server.complete_workflow_task(&task, vec![cancel_command(5)]).unwrap();
    let task = server.poll_nexus();
    server.fail(&task, handler_failure("UNAVAILABLE")).unwrap();
    assert_eq!(state(&mut server), State::BackingOff);
    server.advance(Duration::from_secs(1));
    let task = server.poll_nexus();
    server.fail(&task, handler_failure("NOT_FOUND")).unwrap();
    assert_eq!(state(&mut server), State::Failed);
    let (event, attributes) = server.event("caller", EventType::NexusOperationCancelRequestFailed);
    let Attributes::NexusOperationCancelRequestFailedEventAttributes(failed) = attributes else {
        panic!("not failed");
    };
    assert!(event.worker_may_ignore);
    assert_eq!(failed.failure.unwrap().message, "no");
}

#[test]
fn an_operation_is_cancelled_once_and_only_while_it_is_there() {
    let words = |commands: Vec<_>, ends: bool| {
        let mut server = Server::start();
        server.schedule("caller", operation());
        let nexus_task = server.poll_nexus();
        let answer = match ends {
            true => start_operation_response::Variant::SyncSuccess(start_operation_response::Sync::default()),
            false => start_operation_response::Variant::AsyncSuccess(start_operation_response::Async {
                operation_token: "token".to_owned(),
                ..Default::default()
            }),
        };
        server.respond_start(&nexus_task, answer).unwrap();
        let task = server.poll_workflow("caller");
        server.complete_workflow_task(&task, commands).unwrap_err().message()
    };
    let bad = "BadRequestCancelNexusOperationAttributes: ";
    assert_eq!(
        words(vec![cancel_command(5), cancel_command(5)], false),
        format!("{bad}cancelation was already requested for an operation with scheduled event ID 5")
    );
    assert_eq!(
        words(vec![cancel_command(5)], true),
        format!(
            "{bad}requested cancelation for a non-existing or already completed operation with scheduled event ID of 5"
        )
    );
}

#[test]
fn a_timed_out_operation_is_known_as_complete() {
    let mut server = Server::start();
    let mut scheduled = operation();
    scheduled.schedule_to_close_timeout = seconds(1);
    server.schedule("caller", scheduled);
    let task = server.poll_workflow("caller");
    let reject = server
        .complete_workflow_task(&task, vec![cancel_command(5)])
        .unwrap_err();
    assert_eq!(
        reject.message(),
        "BadRequestCancelNexusOperationAttributes: requested cancelation for an already complete operation with \
         scheduled event ID of 5"
    );
}

#[test]
fn an_end_that_the_workflow_could_not_see_may_be_cancelled() {
    let mut server = Server::start();
    let task = server.start_workflow("caller");
    server
        .complete_workflow_task(
            &task,
            vec![schedule_command(operation()), schedule_command(operation())],
        )
        .unwrap();
    let (first, second) = (server.poll_nexus(), server.poll_nexus());
    server.respond_started(&second);
    let task = server.poll_workflow("caller");
    let result = start_operation_response::Variant::SyncSuccess(start_operation_response::Sync::default());
    server.respond_start(&first, result).unwrap();
    server.complete_workflow_task(&task, vec![cancel_command(5)]).unwrap();
    assert_eq!(
        server.types("caller")[4..],
        ["NEXUS_OPERATION_CANCEL_REQUESTED", "NEXUS_OPERATION_COMPLETED"]
    );
}
