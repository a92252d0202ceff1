//! Operations without a workflow: what recordings can't show, such as exact times, waits and what is left behind.

use std::time::Duration;

use temporalio_common::protos::temporal::api::common::v1::SearchAttributes;
use temporalio_common::protos::temporal::api::common::v1::callback::{Nexus, Variant as CallbackVariant};
use temporalio_common::protos::temporal::api::common::v1::{Callback, link};
use temporalio_common::protos::temporal::api::enums::v1::{
    CallbackState, IndexedValueType, NexusOperationCancellationState as CancellationState,
    NexusOperationExecutionStatus as Status, PendingNexusOperationState as Pending, TimeoutType,
};
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::failure::v1::{Failure, NexusHandlerFailureInfo};
use temporalio_common::protos::temporal::api::nexus::v1 as nexus;
use temporalio_common::protos::temporal::api::nexus::v1::start_operation_response::{Sync, Variant};
use temporalio_common::protos::temporal::api::operatorservice::v1 as operator;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;
use wire::poll_nexus_operation_execution_response::Outcome;

use super::server::{OPERATOR, WORKFLOW, complete_command, json, seconds, start_with_callbacks};
use super::{Failed, NexusTask, Server};

const NAMESPACE: &str = "default";
const STARTED: i32 = 1;
const CLOSED: i32 = 2;

type Info = nexus::NexusOperationExecutionInfo;

fn starting(id: &str) -> wire::StartNexusOperationExecutionRequest {
    wire::StartNexusOperationExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        request_id: format!("start {id}"),
        operation_id: id.to_owned(),
        endpoint: "endpoint".to_owned(),
        service: "service".to_owned(),
        operation: "operation".to_owned(),
        ..Default::default()
    }
}

#[track_caller]
fn start(server: &mut Server, request: &wire::StartNexusOperationExecutionRequest) -> String {
    let started: wire::StartNexusOperationExecutionResponse = server
        .call(WORKFLOW, "StartNexusOperationExecution", request)
        .unwrap_or_else(|reject| panic!("{reject:?}"));
    assert!(started.started);
    started.run_id
}

fn describing(id: &str) -> wire::DescribeNexusOperationExecutionRequest {
    wire::DescribeNexusOperationExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        operation_id: id.to_owned(),
        ..Default::default()
    }
}

#[track_caller]
fn describe(server: &mut Server, id: &str) -> Info {
    let described: wire::DescribeNexusOperationExecutionResponse = server
        .call(WORKFLOW, "DescribeNexusOperationExecution", &describing(id))
        .unwrap_or_else(|reject| panic!("{reject:?}"));
    described.info.expect("an info")
}

fn wait(server: &mut Server, id: &str, wait_stage: i32) -> u64 {
    let request = wire::PollNexusOperationExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        operation_id: id.to_owned(),
        wait_stage,
        ..Default::default()
    };
    server.send(WORKFLOW, "PollNexusOperationExecution", &request)
}

#[track_caller]
fn failure(server: &mut Server, ticket: u64) -> Failure {
    let polled: wire::PollNexusOperationExecutionResponse = server
        .take(ticket)
        .expect("it has ended")
        .unwrap_or_else(|reject| panic!("{reject:?}"));
    assert_eq!(polled.wait_stage, CLOSED);
    match polled.outcome {
        Some(Outcome::Failure(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_timed_out(failure: &Failure, timeout: TimeoutType) {
    assert_eq!(failure.message, "operation timed out");
    let Some(FailureInfo::TimeoutFailureInfo(info)) = &failure.failure_info else {
        panic!("{failure:?}");
    };
    assert_eq!(info.timeout_type(), timeout);
}

fn cancel(server: &mut Server, id: &str) {
    let request = wire::RequestCancelNexusOperationExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        operation_id: id.to_owned(),
        reason: "enough".to_owned(),
        ..Default::default()
    };
    let _: wire::RequestCancelNexusOperationExecutionResponse = server
        .call(WORKFLOW, "RequestCancelNexusOperationExecution", &request)
        .unwrap();
}

fn delete(server: &mut Server, id: &str) {
    let request = wire::DeleteNexusOperationExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        operation_id: id.to_owned(),
        ..Default::default()
    };
    let _: wire::DeleteNexusOperationExecutionResponse = server
        .call(WORKFLOW, "DeleteNexusOperationExecution", &request)
        .unwrap();
}

fn internal() -> Failed {
    Failed::Failure(Failure {
        message: "not now".to_owned(),
        failure_info: Some(FailureInfo::NexusHandlerFailureInfo(NexusHandlerFailureInfo {
            r#type: "INTERNAL".to_owned(),
            ..Default::default()
        })),
        ..Default::default()
    })
}

fn list(server: &mut Server, query: &str) -> Vec<nexus::NexusOperationExecutionListInfo> {
    let request = wire::ListNexusOperationExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        query: query.to_owned(),
        ..Default::default()
    };
    let listed: wire::ListNexusOperationExecutionsResponse = server
        .call(WORKFLOW, "ListNexusOperationExecutions", &request)
        .unwrap_or_else(|reject| panic!("{reject:?}"));
    listed.operations
}

/// The callback that goes with a start request.
fn callback(task: &NexusTask) -> Callback {
    let Some(nexus::request::Variant::StartOperation(start)) = task.request.clone().unwrap().variant else {
        panic!("not a start");
    };
    Callback {
        links: Vec::new(),
        variant: Some(CallbackVariant::Nexus(Nexus {
            url: start.callback,
            header: start.callback_header,
        })),
    }
}

#[test]
fn its_handler_sees_who_calls_and_how_long_it_has() {
    let mut server = Server::start();
    let mut request = starting("an id");
    request.schedule_to_close_timeout = seconds(30);
    request.start_to_close_timeout = seconds(20);
    request.nexus_header = [("Name".to_owned(), "Value".to_owned())].into();
    let run_id = start(&mut server, &request);
    server.advance(Duration::from_secs(2));
    let task = server.poll_nexus().request.expect("a request");
    let header = |name: &str| task.header.get(name).map(String::as_str).unwrap_or_default();
    assert_eq!(header("name"), "Value");
    assert_eq!(header("request-timeout"), "7s");
    assert_eq!(header("operation-timeout"), "18000ms");
    let url = format!("temporal:///namespaces/default/nexus-operations/an%20id/{run_id}/details");
    assert_eq!(
        header("nexus-link"),
        format!("<{url}>; type=\"temporal.api.common.v1.Link.NexusOperation\"")
    );
    let Some(nexus::request::Variant::StartOperation(asked)) = &task.variant else {
        panic!("{task:?}");
    };
    assert_eq!(asked.links[0].url, url);
    assert_eq!(header("nexus-request-id"), asked.request_id);
    let info = describe(&mut server, "an id");
    assert_eq!(info.request_id, asked.request_id);
    assert_ne!(asked.request_id, request.request_id, "the client's own stays here");
}

#[test]
fn attempts_go_on_until_a_handler_answers() {
    let mut server = Server::start();
    start(&mut server, &starting("again"));
    // Nobody answers in time.
    server.advance(Duration::from_secs(9));
    let info = describe(&mut server, "again");
    assert_eq!((info.state(), info.attempt), (Pending::BackingOff, 1));
    assert_eq!(info.last_attempt_failure.unwrap().message, "upstream timeout");
    assert!(info.next_attempt_schedule_time.is_some());
    server.advance(Duration::from_secs(1));
    let task = server.poll_nexus();
    server.fail(&task, internal()).unwrap();
    let info = describe(&mut server, "again");
    assert_eq!((info.state(), info.attempt), (Pending::BackingOff, 2));
    // The second wait is up to two seconds, and at least four fifths of that.
    server.advance(Duration::from_millis(1_500));
    assert_eq!(describe(&mut server, "again").state(), Pending::BackingOff);
    server.advance(Duration::from_millis(500));
    let task = server.poll_nexus();
    let result = Sync {
        payload: Some(json("1")),
        ..Default::default()
    };
    server.respond_start(&task, Variant::SyncSuccess(result)).unwrap();
    let info = describe(&mut server, "again");
    assert_eq!((info.status(), info.attempt), (Status::Completed, 3));
    assert_eq!(server.violations(), [""; 0]);
}

#[test]
fn each_timeout_comes_at_its_time_and_none_after_the_end() {
    let mut server = Server::start();
    let mut request = starting("whole");
    request.schedule_to_close_timeout = seconds(30);
    start(&mut server, &request);
    let task = server.poll_nexus();
    server.respond_started(&task);
    let whole = wait(&mut server, "whole", CLOSED);
    let mut request = starting("run");
    request.schedule_to_close_timeout = seconds(30);
    request.start_to_close_timeout = seconds(20);
    start(&mut server, &request);
    server.advance(Duration::from_secs(1));
    let task = server.poll_nexus();
    server.respond_started(&task);
    let run = wait(&mut server, "run", CLOSED);
    let mut request = starting("unheard");
    request.schedule_to_start_timeout = seconds(40);
    start(&mut server, &request);
    let unheard = wait(&mut server, "unheard", CLOSED);

    server.advance(Duration::from_secs(19));
    assert_eq!(describe(&mut server, "run").status(), Status::Running);
    server.advance(Duration::from_secs(1));
    assert_timed_out(&failure(&mut server, run), TimeoutType::StartToClose);
    server.advance(Duration::from_secs(8));
    assert_eq!(describe(&mut server, "whole").status(), Status::Running);
    server.advance(Duration::from_secs(1));
    assert_timed_out(&failure(&mut server, whole), TimeoutType::ScheduleToClose);
    server.advance(Duration::from_secs(100));
    assert_timed_out(&failure(&mut server, unheard), TimeoutType::ScheduleToStart);
    for id in ["whole", "run", "unheard"] {
        let info = describe(&mut server, id);
        assert_eq!(info.status(), Status::TimedOut, "{id}");
        assert!(info.close_time.is_some() && info.next_attempt_schedule_time.is_none());
    }
    assert_eq!(server.violations(), [""; 0]);
}

#[test]
fn a_cancellation_that_comes_too_late_to_be_sent_says_so() {
    let mut server = Server::start();
    let mut request = starting("late");
    request.schedule_to_close_timeout = seconds(30);
    request.start_to_close_timeout = seconds(10);
    start(&mut server, &request);
    let task = server.poll_nexus();
    server.respond_started(&task);
    server.advance(Duration::from_secs(9));
    cancel(&mut server, "late");
    let info = describe(&mut server, "late")
        .cancellation_info
        .expect("one was asked for");
    assert_eq!((info.state(), info.attempt), (CancellationState::Failed, 1));
    let failure = info.last_attempt_failure.expect("a failure");
    assert_eq!(
        failure.message,
        "operation timed out before cancellation could be delivered"
    );
    let Some(FailureInfo::TimeoutFailureInfo(timeout)) = failure.failure_info else {
        panic!("not a timeout");
    };
    assert_eq!(timeout.timeout_type(), TimeoutType::StartToClose);
    assert!(server.try_poll_nexus().is_none());
}

#[test]
fn a_cancellation_is_sent_again_until_it_arrives() {
    let mut server = Server::start();
    start(&mut server, &starting("going"));
    cancel(&mut server, "going");
    let task = server.poll_nexus();
    server.respond_started(&task);
    let task = server.poll_nexus();
    let request = task.request.clone().expect("a request");
    let Some(nexus::request::Variant::CancelOperation(asked)) = &request.variant else {
        panic!("{request:?}");
    };
    assert_eq!(asked.operation_token, "token");
    assert!(!request.capabilities.unwrap().temporal_failure_responses);
    server.fail(&task, internal()).unwrap();
    let info = describe(&mut server, "going").cancellation_info.unwrap();
    assert_eq!((info.state(), info.attempt), (CancellationState::BackingOff, 1));
    server.advance(Duration::from_secs(1));
    let task = server.poll_nexus();
    let heard = nexus::response::Variant::CancelOperation(nexus::CancelOperationResponse {});
    server.respond(&task, heard).unwrap();
    let info = describe(&mut server, "going");
    let cancellation = info.cancellation_info.clone().unwrap();
    assert_eq!(
        (cancellation.state(), cancellation.attempt),
        (CancellationState::Succeeded, 2)
    );
    assert_eq!(info.state(), Pending::Started, "only its handler can end it");
    assert_eq!(server.violations(), [""; 0]);
}

#[test]
fn an_answer_to_one_that_has_ended_changes_nothing() {
    let mut server = Server::start();
    start(&mut server, &starting("ended"));
    let task = server.poll_nexus();
    let request = start_with_callbacks("worker", vec![callback(&task)]);
    server.start_workflow_with(request).unwrap();
    let worker = server.poll_workflow("worker");
    delete(&mut server, "ended");
    server.respond_started(&task);
    server
        .complete_workflow_task(&worker, vec![complete_command("1")])
        .unwrap();
    let callback = server.describe("worker").callbacks.remove(0);
    assert_eq!(callback.state(), CallbackState::Failed);
    assert_eq!(server.violations(), [""; 0]);
}

#[test]
fn a_workflows_result_reaches_a_client_that_waits() {
    let mut server = Server::start();
    start(&mut server, &starting("done"));
    let begun = wait(&mut server, "done", STARTED);
    let done = wait(&mut server, "done", CLOSED);
    let task = server.poll_nexus();
    let request = start_with_callbacks("worker", vec![callback(&task)]);
    server.start_workflow_with(request).unwrap();
    let worker = server.poll_workflow("worker");
    assert!(
        server
            .take::<wire::PollNexusOperationExecutionResponse>(begun)
            .is_none()
    );
    server
        .complete_workflow_task(&worker, vec![complete_command("1")])
        .unwrap();
    for ticket in [begun, done] {
        let polled: wire::PollNexusOperationExecutionResponse = server.take(ticket).unwrap().unwrap();
        assert_eq!(polled.wait_stage, CLOSED);
        assert_eq!(polled.outcome, Some(Outcome::Result(json("1"))));
    }
    let links = describe(&mut server, "done").links;
    assert!(matches!(&links[0].variant, Some(link::Variant::WorkflowEvent(it)) if it.workflow_id == "worker"));
}

#[test]
fn clients_that_wait_hear_of_a_deletion_and_may_go_away() {
    let mut server = Server::start();
    let run_id = start(&mut server, &starting("gone"));
    let first: wire::DescribeNexusOperationExecutionResponse = server
        .call(WORKFLOW, "DescribeNexusOperationExecution", &describing("gone"))
        .unwrap();
    let news = wire::DescribeNexusOperationExecutionRequest {
        run_id,
        long_poll_token: first.long_poll_token,
        ..describing("gone")
    };
    let changed = server.send(WORKFLOW, "DescribeNexusOperationExecution", &news);
    let left = server.send(WORKFLOW, "DescribeNexusOperationExecution", &news);
    let expired = server.send(WORKFLOW, "DescribeNexusOperationExecution", &news);
    let ended = wait(&mut server, "gone", CLOSED);
    server.abandon(left);
    server.expire(expired);
    let empty: wire::DescribeNexusOperationExecutionResponse = server.take(expired).unwrap().unwrap();
    assert_eq!(empty, Default::default(), "an invitation to ask again");
    assert_eq!(server.violations(), [""; 0]);
    assert_eq!(list(&mut server, "OperationId = 'gone'").len(), 1);

    delete(&mut server, "gone");

    let described: wire::DescribeNexusOperationExecutionResponse = server.take(changed).unwrap().unwrap();
    assert_eq!(described.info.unwrap().status(), Status::Terminated);
    assert_eq!(failure(&mut server, ended).message, "Delete nexus operation execution");
    assert_eq!(list(&mut server, ""), []);
    let reject = server
        .call::<wire::DescribeNexusOperationExecutionResponse>(
            WORKFLOW,
            "DescribeNexusOperationExecution",
            &describing("gone"),
        )
        .unwrap_err();
    assert_eq!(reject.code(), Code::NotFound);
    assert_eq!(reject.message(), "operation not found for ID: gone");
    start(&mut server, &starting("gone"));
    assert_eq!(server.violations(), [""; 0]);
}

#[test]
fn lists_find_it_by_custom_attributes() {
    let mut server = Server::start();
    let request = operator::AddSearchAttributesRequest {
        namespace: NAMESPACE.to_owned(),
        search_attributes: [("Colour".to_owned(), IndexedValueType::Keyword as i32)].into(),
    };
    let _: operator::AddSearchAttributesResponse = server.call(OPERATOR, "AddSearchAttributes", &request).unwrap();
    let mut request = starting("red");
    request.search_attributes = Some(SearchAttributes {
        indexed_fields: [("Colour".to_owned(), json("\"red\""))].into(),
    });
    start(&mut server, &request);
    start(&mut server, &starting("plain"));
    let found = list(&mut server, "Colour = 'red'");
    assert_eq!(found.len(), 1);
    let attributes = found[0].search_attributes.clone().unwrap().indexed_fields;
    assert_eq!(attributes["Colour"].data, b"\"red\"");
    assert_eq!(attributes["Colour"].metadata["type"], b"Keyword");
    let kept = describe(&mut server, "red").search_attributes.unwrap();
    assert_eq!(Some(kept), request.search_attributes, "as it was given");
}

#[test]
fn the_end_of_a_namespace_is_the_end_of_its_operations() {
    let mut server = Server::start();
    start(&mut server, &starting("going"));
    let ended = wait(&mut server, "going", CLOSED);
    assert!(
        server
            .who_waits()
            .iter()
            .any(|line| line.contains("nexus operation going"))
    );
    let request = operator::DeleteNamespaceRequest {
        namespace: NAMESPACE.to_owned(),
        ..Default::default()
    };
    let _: operator::DeleteNamespaceResponse = server.call(OPERATOR, "DeleteNamespace", &request).unwrap();
    assert_eq!(failure(&mut server, ended).message, "Delete nexus operation execution");
    assert_eq!(
        server.who_waits().iter().filter(|line| line.contains("going")).count(),
        0
    );
    assert_eq!(server.violations(), [""; 0]);
}
