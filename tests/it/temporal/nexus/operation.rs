//! Operations from their command to their end, by the caller's history.

use std::time::Duration;

use temporalio_common::protos::temporal::api::enums::v1::{
    EventType, NexusHandlerErrorRetryBehavior as RetryBehavior, PendingNexusOperationState, TimeoutType,
    WorkflowTaskFailedCause,
};
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::failure::v1::{
    ApplicationFailureInfo, CanceledFailureInfo, Failure, NexusHandlerFailureInfo,
};
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::nexus::v1 as nexus;
use temporalio_common::protos::temporal::api::nexus::v1::start_operation_response::{Async, Sync, Variant};

use super::server::{json, operation, schedule_command, seconds, start};
use super::{Failed, Server};

fn info(failure: &Failure) -> &FailureInfo {
    failure.failure_info.as_ref().expect("an info")
}

/// The failure of an operation's last event, and its cause.
#[track_caller]
fn unsuccessful(server: &Server, event_type: EventType) -> Failure {
    let failure = match server.event("caller", event_type).1 {
        Attributes::NexusOperationFailedEventAttributes(it) => it.failure,
        Attributes::NexusOperationCanceledEventAttributes(it) => it.failure,
        Attributes::NexusOperationTimedOutEventAttributes(it) => it.failure,
        other => panic!("{other:?}"),
    };
    let failure = failure.expect("a failure");
    assert_eq!(failure.message, "nexus operation completed unsuccessfully");
    let FailureInfo::NexusOperationExecutionFailureInfo(operation) = info(&failure) else {
        panic!("{failure:?}");
    };
    assert_eq!(operation.scheduled_event_id, 5);
    assert_eq!(
        [&operation.endpoint, &operation.service, &operation.operation],
        ["endpoint", "service", "operation"]
    );
    *failure.cause.expect("a cause")
}

fn handler_failure(error_type: &str, retry_behavior: RetryBehavior) -> Failed {
    Failed::Failure(Failure {
        message: "busted".to_owned(),
        source: "GoSDK".to_owned(),
        failure_info: Some(FailureInfo::NexusHandlerFailureInfo(NexusHandlerFailureInfo {
            r#type: error_type.to_owned(),
            retry_behavior: retry_behavior as i32,
        })),
        ..Default::default()
    })
}

#[test]
fn a_result_at_once_completes_the_operation() {
    let mut server = Server::start();
    let mut scheduled = operation();
    scheduled.input = Some(json("1"));
    scheduled.nexus_header = [("Name".to_owned(), "x".to_owned())].into();
    server.schedule("caller", scheduled);
    let (_, Attributes::NexusOperationScheduledEventAttributes(event)) =
        server.event("caller", EventType::NexusOperationScheduled)
    else {
        panic!("not scheduled");
    };
    assert_eq!(
        (event.workflow_task_completed_event_id, event.input),
        (4, Some(json("1")))
    );
    assert_eq!(event.nexus_header.get("name").map(String::as_str), Some("x"));
    assert!(!event.endpoint_id.is_empty() && event.request_id.len() == 36);

    let task = server.poll_nexus();
    let link = nexus::Link {
        url: "temporal:///namespaces/n/workflows/w/r/history?eventType=WorkflowExecutionStarted\
              &referenceType=EventReference&eventID=1"
            .to_owned(),
        r#type: "temporal.api.common.v1.Link.WorkflowEvent".to_owned(),
    };
    let result = Sync {
        payload: Some(json("2")),
        links: vec![link],
    };
    server.respond_start(&task, Variant::SyncSuccess(result)).unwrap();
    let (event, attributes) = server.event("caller", EventType::NexusOperationCompleted);
    let Attributes::NexusOperationCompletedEventAttributes(completed) = attributes else {
        panic!("not completed");
    };
    assert_eq!((completed.scheduled_event_id, completed.result), (5, Some(json("2"))));
    assert_eq!(event.links.len(), 1);
    assert_eq!(server.poll_workflow("caller").previous_started_event_id, 3);
    assert_eq!(server.describe("caller").pending_nexus_operations, []);
}

#[test]
fn an_operation_that_goes_on_is_pending_under_its_token() {
    let mut server = Server::start();
    server.schedule("caller", operation());
    let pending = server.describe("caller").pending_nexus_operations.remove(0);
    assert_eq!(pending.state(), PendingNexusOperationState::Scheduled);
    assert_eq!((pending.attempt, pending.scheduled_event_id), (0, 5));
    let task = server.poll_nexus();
    server.respond_started(&task);
    let (_, Attributes::NexusOperationStartedEventAttributes(started)) =
        server.event("caller", EventType::NexusOperationStarted)
    else {
        panic!("not started");
    };
    assert_eq!(
        (started.scheduled_event_id, started.operation_token.as_str()),
        (5, "token")
    );
    #[expect(deprecated, reason = "older SDKs look for the token there")]
    {
        assert_eq!(started.operation_id, "token");
    }
    let pending = server.describe("caller").pending_nexus_operations.remove(0);
    assert_eq!(pending.state(), PendingNexusOperationState::Started);
    assert_eq!((pending.attempt, pending.operation_token.as_str()), (1, "token"));
}

#[test]
fn a_failure_that_may_not_be_retried_fails_the_operation() {
    let mut server = Server::start();
    server.schedule("caller", operation());
    let task = server.poll_nexus();
    server
        .fail(&task, handler_failure("BAD_REQUEST", RetryBehavior::Unspecified))
        .unwrap();
    let cause = unsuccessful(&server, EventType::NexusOperationFailed);
    assert_eq!((cause.message.as_str(), cause.source.as_str()), ("busted", ""));
    let FailureInfo::NexusHandlerFailureInfo(handler) = info(&cause) else {
        panic!("{cause:?}");
    };
    assert_eq!(handler.r#type, "BAD_REQUEST");
}

#[test]
fn an_error_of_older_sdks_is_the_cause_of_the_handlers_failure() {
    let mut server = Server::start();
    server.schedule("caller", operation());
    let task = server.poll_nexus();
    let error = nexus::HandlerError {
        error_type: "INTERNAL".to_owned(),
        failure: Some(nexus::Failure {
            message: "busted".to_owned(),
            ..Default::default()
        }),
        retry_behavior: RetryBehavior::NonRetryable as i32,
    };
    server.fail(&task, Failed::Error(error)).unwrap();
    let cause = unsuccessful(&server, EventType::NexusOperationFailed);
    assert_eq!(cause.message, "");
    let FailureInfo::NexusHandlerFailureInfo(handler) = info(&cause) else {
        panic!("{cause:?}");
    };
    assert_eq!(handler.retry_behavior(), RetryBehavior::NonRetryable);
    assert_eq!(cause.cause.unwrap().message, "busted");
}

#[test]
fn an_unsuccessful_operation_is_failed_or_cancelled_by_its_failures_kind() {
    let application = FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
        r#type: "Mine".to_owned(),
        ..Default::default()
    });
    let canceled = FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default());
    for (kind, event_type) in [
        (application, EventType::NexusOperationFailed),
        (canceled, EventType::NexusOperationCanceled),
    ] {
        let mut server = Server::start();
        server.schedule("caller", operation());
        let task = server.poll_nexus();
        let failure = Failure {
            message: "no".to_owned(),
            source: "GoSDK".to_owned(),
            failure_info: Some(kind.clone()),
            ..Default::default()
        };
        server.respond_start(&task, Variant::Failure(failure.clone())).unwrap();
        assert_eq!(unsuccessful(&server, event_type), failure);
    }
}

#[test]
fn a_failure_that_may_be_retried_is_retried_later() {
    let mut server = Server::start();
    server.schedule("caller", operation());
    let task = server.poll_nexus();
    server
        .fail(&task, handler_failure("INTERNAL", RetryBehavior::Unspecified))
        .unwrap();
    let pending = server.describe("caller").pending_nexus_operations.remove(0);
    assert_eq!(pending.state(), PendingNexusOperationState::BackingOff);
    assert_eq!(pending.attempt, 1);
    assert_eq!(pending.last_attempt_failure.unwrap().message, "busted");
    assert!(pending.next_attempt_schedule_time.is_some());
    server.advance(Duration::from_millis(799));
    assert!(
        server.try_poll_nexus().is_none(),
        "the wait is at least four fifths of a second"
    );
    server.advance(Duration::from_millis(201));
    let task = server.poll_nexus();
    server
        .respond_start(&task, Variant::SyncSuccess(Sync::default()))
        .unwrap();
    assert_eq!(
        server.types("caller"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "NEXUS_OPERATION_SCHEDULED",
            "NEXUS_OPERATION_COMPLETED"
        ]
    );
}

#[test]
fn a_request_that_nobody_answers_is_made_again() {
    let mut server = Server::start();
    server.schedule("caller", operation());
    server.advance(Duration::from_secs(9));
    let pending = server.describe("caller").pending_nexus_operations.remove(0);
    let failure = pending.last_attempt_failure.unwrap();
    assert_eq!(failure.message, "upstream timeout");
    let FailureInfo::NexusHandlerFailureInfo(handler) = info(&failure) else {
        panic!("{failure:?}");
    };
    assert_eq!(handler.r#type, "UPSTREAM_TIMEOUT");
    server.advance(Duration::from_secs(1));
    assert!(server.try_poll_nexus().is_some());
}

#[test]
fn an_answer_without_an_outcome_is_an_error_of_the_handler() {
    let mut server = Server::start();
    server.schedule("caller", operation());
    let task = server.poll_nexus();
    let wrong = nexus::response::Variant::CancelOperation(nexus::CancelOperationResponse {});
    server.respond(&task, wrong).unwrap();
    let pending = server.describe("caller").pending_nexus_operations.remove(0);
    assert_eq!(pending.last_attempt_failure.unwrap().message, "empty outcome");
}

#[test]
fn each_timeout_is_named() {
    let mut to_close = operation();
    to_close.schedule_to_close_timeout = seconds(30);
    let mut to_start = operation();
    to_start.schedule_to_start_timeout = seconds(20);
    let mut running = operation();
    running.start_to_close_timeout = seconds(10);
    for (scheduled, starts, timeout) in [
        (to_close, true, TimeoutType::ScheduleToClose),
        (to_start, false, TimeoutType::ScheduleToStart),
        (running, true, TimeoutType::StartToClose),
    ] {
        let mut server = Server::start();
        server.schedule("caller", scheduled);
        if starts {
            let task = server.poll_nexus();
            server.respond_started(&task);
        }
        server.advance(Duration::from_secs(30));
        let cause = unsuccessful(&server, EventType::NexusOperationTimedOut);
        assert_eq!(cause.message, "operation timed out");
        let FailureInfo::TimeoutFailureInfo(info) = info(&cause) else {
            panic!("{cause:?}");
        };
        assert_eq!(info.timeout_type(), timeout);
        assert_eq!(server.describe("caller").pending_nexus_operations, []);
    }
}

#[test]
fn no_request_is_made_with_too_little_time_left() {
    let mut server = Server::start();
    let mut scheduled = operation();
    scheduled.schedule_to_close_timeout = seconds(1);
    server.schedule("caller", scheduled);
    assert!(server.try_poll_nexus().is_none());
    let cause = unsuccessful(&server, EventType::NexusOperationTimedOut);
    let FailureInfo::TimeoutFailureInfo(info) = info(&cause) else {
        panic!("{cause:?}");
    };
    assert_eq!(info.timeout_type(), TimeoutType::ScheduleToClose);
}

#[test]
fn the_runs_own_timeout_bounds_the_operations() {
    let mut server = Server::start();
    let mut request = start("caller");
    request.workflow_run_timeout = seconds(100);
    server.start_workflow_with(request).unwrap();
    let task = server.poll_workflow("caller");
    let mut scheduled = operation();
    scheduled.schedule_to_start_timeout = seconds(200);
    scheduled.start_to_close_timeout = seconds(50);
    server
        .complete_workflow_task(&task, vec![schedule_command(scheduled)])
        .unwrap();
    let (_, Attributes::NexusOperationScheduledEventAttributes(event)) =
        server.event("caller", EventType::NexusOperationScheduled)
    else {
        panic!("not scheduled");
    };
    assert_eq!(event.schedule_to_close_timeout, seconds(100));
    assert_eq!(event.schedule_to_start_timeout, seconds(100));
    assert_eq!(event.start_to_close_timeout, seconds(50));
}

#[test]
fn an_endpoint_deleted_meanwhile_fails_the_operation() {
    let mut server = Server::without_endpoint();
    let endpoint = server
        .create_endpoint("endpoint", super::server::worker_target("default", "handlers"))
        .unwrap();
    server.schedule("caller", operation());
    let task = server.poll_nexus();
    server
        .fail(&task, handler_failure("INTERNAL", RetryBehavior::Unspecified))
        .unwrap();
    let delete = temporalio_common::protos::temporal::api::operatorservice::v1::DeleteNexusEndpointRequest {
        id: endpoint.id,
        version: 1,
    };
    let _: temporalio_common::protos::temporal::api::operatorservice::v1::DeleteNexusEndpointResponse = server
        .call(super::server::OPERATOR, "DeleteNexusEndpoint", &delete)
        .unwrap();
    server.advance(Duration::from_secs(1));
    let cause = unsuccessful(&server, EventType::NexusOperationFailed);
    assert_eq!(cause.message, "endpoint not registered");
}

#[test]
fn bad_commands_fail_the_workflow_task_in_temporals_words() {
    let mut unknown = operation();
    unknown.endpoint = "nowhere".to_owned();
    let mut long = operation();
    long.service = "x".repeat(1_001);
    let mut negative = operation();
    negative.start_to_close_timeout = seconds(-1);
    let mut header = operation();
    header.nexus_header = [("Request-Timeout".to_owned(), "1s".to_owned())].into();
    let mut large = operation();
    large.nexus_header = [("x".to_owned(), "y".repeat(8_192))].into();
    let mut system = operation();
    system.endpoint = "__temporal_system".to_owned();
    let attributes = "BadScheduleNexusOperationAttributes: ScheduleNexusOperationCommandAttributes";
    for (scheduled, text) in [
        (
            unknown,
            "BadScheduleNexusOperationAttributes: endpoint \"nowhere\" not found".to_owned(),
        ),
        (long, format!("{attributes}.Service exceeds length limit of 1000")),
        (
            negative,
            format!("{attributes}.StartToCloseTimeout is invalid: negative duration"),
        ),
        (
            header,
            format!("{attributes}.NexusHeader contains a disallowed header key: \"Request-Timeout\""),
        ),
        (large, format!("{attributes}.NexusHeader exceeds size limit")),
        (
            system,
            "BadScheduleNexusOperationAttributes: service \"service\" not found".to_owned(),
        ),
    ] {
        let mut server = Server::start();
        let task = server.start_workflow("caller");
        let reject = server
            .complete_workflow_task(&task, vec![schedule_command(scheduled)])
            .unwrap_err();
        assert_eq!(reject.message(), text);
        let (_, Attributes::WorkflowTaskFailedEventAttributes(failed)) =
            server.event("caller", EventType::WorkflowTaskFailed)
        else {
            panic!("the task hasn't failed");
        };
        assert_eq!(
            failed.cause(),
            WorkflowTaskFailedCause::BadScheduleNexusOperationAttributes
        );
    }
}

#[test]
fn a_run_has_thirty_operations_at_most() {
    let mut server = Server::start();
    let task = server.start_workflow("caller");
    let commands = std::iter::repeat_with(|| schedule_command(operation()))
        .take(31)
        .collect();
    let reject = server.complete_workflow_task(&task, commands).unwrap_err();
    assert_eq!(
        reject.message(),
        "PendingNexusOperationsLimitExceeded: workflow has reached the pending nexus operation limit of 30 for this \
         namespace"
    );
    let task = server.poll_workflow("caller");
    let commands = std::iter::repeat_with(|| schedule_command(operation()))
        .take(30)
        .collect();
    server.complete_workflow_task(&task, commands).unwrap();
    assert_eq!(server.describe("caller").pending_nexus_operations.len(), 30);
}

#[test]
fn a_result_that_comes_during_a_workflow_task_waits_for_its_end() {
    let mut server = Server::start();
    let task = server.start_workflow("caller");
    server
        .complete_workflow_task(
            &task,
            vec![schedule_command(operation()), schedule_command(operation())],
        )
        .unwrap();
    let (first, second) = (server.poll_nexus(), server.poll_nexus());
    server.respond_started(&first);
    let task = server.poll_workflow("caller");
    let token = Async {
        operation_token: "other".to_owned(),
        ..Default::default()
    };
    server.respond_start(&second, Variant::AsyncSuccess(token)).unwrap();
    assert_eq!(server.types("caller").last().unwrap(), "NEXUS_OPERATION_STARTED");
    assert_eq!(server.types("caller").len(), 4, "the second one is held back");
    server
        .complete_workflow_task(&task, vec![schedule_command(operation())])
        .unwrap();
    assert_eq!(
        server.types("caller")[4..],
        ["NEXUS_OPERATION_SCHEDULED", "NEXUS_OPERATION_STARTED"]
    );
}
