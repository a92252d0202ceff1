//! Nexus tasks as workers get them, and the answers that are refused.

use std::time::Duration;

use temporalio_common::protos::temporal::api::common::v1::Payload;
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::nexus::v1 as nexus;
use temporalio_common::protos::temporal::api::nexus::v1::request::Variant;
use temporalio_common::protos::temporal::api::nexus::v1::start_operation_response;
use tonic::Code;

use super::server::{json, operation, seconds};
use super::{Failed, NexusTask, Server};

fn start_request(task: &NexusTask) -> (nexus::Request, nexus::StartOperationRequest) {
    let request = task.request.clone().expect("a request");
    match request.variant.clone() {
        Some(Variant::StartOperation(start)) => (request, start),
        other => panic!("not a start: {other:?}"),
    }
}

#[test]
fn a_handler_gets_all_that_it_needs() {
    let mut server = Server::start();
    let mut scheduled = operation();
    scheduled.input = Some(json("1"));
    scheduled.nexus_header = [("My-Header".to_owned(), "x".to_owned())].into();
    scheduled.schedule_to_close_timeout = seconds(60);
    server.schedule("caller", scheduled);
    server.advance(Duration::from_millis(500));

    let task = server.poll_nexus();
    let (request, start) = start_request(&task);
    let header = |name: &str| request.header.get(name).cloned().unwrap_or_default();
    assert_eq!(header("my-header"), "x");
    assert_eq!(header("request-timeout"), "8.5s");
    assert_eq!(header("Request-Timeout"), "8.5s");
    assert_eq!(header("operation-timeout"), "59500ms");
    assert_eq!(header("user-agent"), "temporalio/server");
    assert!(!request.header.contains_key("temporal-nexus-failure-support"));
    assert_eq!(request.endpoint, "endpoint");
    assert!(request.capabilities.unwrap().temporal_failure_responses);
    assert_eq!(
        (start.service.as_str(), start.operation.as_str()),
        ("service", "operation")
    );
    assert_eq!(start.payload, Some(json("1")));
    assert_eq!(start.callback, "temporal://system");
    assert!(start.callback_header.contains_key("temporal-callback-token"));
    assert_eq!(header("nexus-request-id"), start.request_id);
    let run_id = &server
        .describe("caller")
        .workflow_execution_info
        .unwrap()
        .execution
        .unwrap()
        .run_id;
    assert_eq!(
        start.links,
        [nexus::Link {
            url: format!(
                "temporal:///namespaces/default/workflows/caller/{run_id}/history?eventID=5\
                 &eventType=NexusOperationScheduled&referenceType=EventReference"
            ),
            r#type: "temporal.api.common.v1.Link.WorkflowEvent".to_owned(),
        }]
    );
}

#[test]
fn no_input_arrives_as_null() {
    let mut server = Server::start();
    server.schedule("caller", operation());
    let (request, start) = start_request(&server.poll_nexus());
    let null = Payload {
        metadata: [("encoding".to_owned(), b"binary/null".to_vec())].into(),
        ..Default::default()
    };
    assert_eq!(start.payload, Some(null));
    assert!(!request.header.contains_key("operation-timeout"));
}

#[test]
fn an_answer_after_the_deadline_finds_nothing() {
    let mut server = Server::start();
    server.schedule("caller", operation());
    let task = server.poll_nexus();
    server.advance(Duration::from_secs(9));
    let late = start_operation_response::Variant::SyncSuccess(start_operation_response::Sync::default());
    let reject = server.respond_start(&task, late).unwrap_err();
    assert_eq!(reject.code(), Code::NotFound);
    assert_eq!(reject.message(), "Nexus task not found or already expired");
}

#[test]
fn answers_that_say_nothing_are_refused() {
    let mut server = Server::start();
    server.schedule("caller", operation());
    let task = server.poll_nexus();
    let started = |token: String| {
        start_operation_response::Variant::AsyncSuccess(start_operation_response::Async {
            operation_token: token,
            ..Default::default()
        })
    };
    let reject = server.respond_start(&task, started(String::new())).unwrap_err();
    assert_eq!(reject.message(), "missing opration token in response");
    let reject = server.respond_start(&task, started("x".repeat(4_097))).unwrap_err();
    assert_eq!(
        reject.message(),
        "operation token length exceeds allowed limit (4097/4096)"
    );
    let reject = server.fail(&task, Failed::Failure(Failure::default())).unwrap_err();
    assert_eq!(
        reject.message(),
        "request Failure must contain error or failure with NexusHandlerFailureInfo"
    );
    let bad = nexus::HandlerError {
        failure: Some(nexus::Failure {
            details: b"{".to_vec(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let reject = server.fail(&task, Failed::Error(bad)).unwrap_err();
    assert_eq!(reject.message(), "failure details must be JSON serializable");
    let nobody = NexusTask {
        task_token: b"x".to_vec(),
        ..Default::default()
    };
    assert_eq!(
        server
            .respond_start(&nobody, started("t".to_owned()))
            .unwrap_err()
            .code(),
        Code::InvalidArgument
    );
    server.respond_started(&task);
}
