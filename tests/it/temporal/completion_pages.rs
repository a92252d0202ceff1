//! A workflow task's completion that comes in pages, since one message can't hold it.

use awaithumans_testkit::Reject;
use prost::Message as _;
use temporalio_common::protos::google::rpc;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Command;
use temporalio_common::protos::temporal::api::command::v1::{self as command, RecordMarkerCommandAttributes};
use temporalio_common::protos::temporal::api::enums::v1::{EventType, WorkflowTaskFailedCause};
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;

use super::wire_server::{QUEUE, Server, in_envelope, payloads, queue};

fn started() -> (Server, Vec<u8>) {
    let mut server = Server::new();
    let start = wire::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        workflow_type: Some("type".to_owned().into()),
        task_queue: queue(QUEUE),
        ..Default::default()
    };
    let _: wire::StartWorkflowExecutionResponse = server.call("StartWorkflowExecution", start).unwrap();
    let task = server.workflow_task().unwrap();
    (server, task.task_token)
}

fn marker(name: &str, details: &str) -> command::Command {
    in_envelope(Command::RecordMarkerCommandAttributes(RecordMarkerCommandAttributes {
        marker_name: name.to_owned(),
        details: [("details".to_owned(), payloads(details).unwrap())].into(),
        ..Default::default()
    }))
}

fn send(
    server: &mut Server,
    task_token: &[u8],
    page_number: i32,
    intermediate_page: bool,
    commands: Vec<command::Command>,
) -> Result<wire::RespondWorkflowTaskCompletedResponse, Reject> {
    server.call(
        "RespondWorkflowTaskCompleted",
        wire::RespondWorkflowTaskCompletedRequest {
            task_token: task_token.to_vec(),
            namespace: "default".to_owned(),
            page_number,
            intermediate_page,
            commands,
            ..Default::default()
        },
    )
}

fn markers(server: &Server) -> Vec<String> {
    let name = |attributes| match attributes {
        Some(Attributes::MarkerRecordedEventAttributes(it)) => Some(it.marker_name),
        _ => None,
    };
    let events = server.events("w").into_iter();
    events.filter_map(|event| name(event.attributes)).collect()
}

#[test]
fn pages_are_one_completion_in_their_order_whatever_the_order_in_which_they_come() {
    let (mut server, token) = started();
    for (page, names) in [(1, vec!["c"]), (0, vec!["a", "b"]), (1, vec!["c"])] {
        let commands = names.into_iter().map(|name| marker(name, "")).collect();
        send(&mut server, &token, page, true, commands).unwrap();
        assert!(
            markers(&server).is_empty(),
            "nothing is carried out before the last page"
        );
        assert!(!server.is_idle(), "the worker still has the task");
    }
    send(&mut server, &token, 2, false, vec![marker("d", "")]).unwrap();
    assert_eq!(markers(&server), ["a", "b", "c", "d"]);
    let events = server.events("w").into_iter();
    let completed = events.filter(|event| event.event_type() == EventType::WorkflowTaskCompleted);
    assert_eq!(completed.count(), 1);
}

#[test]
fn a_worker_whose_pages_are_lost_is_told_so_and_may_send_them_again() {
    let (mut server, token) = started();
    send(&mut server, &token, 1, true, vec![marker("b", "")]).unwrap();
    let lost = send(&mut server, &token, 2, false, vec![]).unwrap_err();
    assert_eq!(
        (lost.code(), lost.message().as_str()),
        (Code::Aborted, "workflow task completion buffer missing page 0 of 2")
    );
    let status = rpc::Status::decode(lost.details().as_slice()).unwrap();
    assert!(
        status.details[0]
            .type_url
            .ends_with("WorkflowTaskCompletionBufferLostFailure")
    );
    // The page that was there is gone as well.
    let lost = send(&mut server, &token, 1, false, vec![]).unwrap_err();
    assert_eq!(
        lost.message(),
        "workflow task completion buffer lost for scheduled event 2 attempt 1"
    );
    send(&mut server, &token, 0, true, vec![marker("a", "")]).unwrap();
    send(&mut server, &token, 1, false, vec![]).unwrap();
    assert_eq!(markers(&server), ["a"]);
}

#[test]
fn pages_belong_to_one_attempt() {
    let (mut server, token) = started();
    send(&mut server, &token, 0, true, vec![marker("a", "")]).unwrap();
    server.advance(std::time::Duration::from_secs(10));
    let second = server.workflow_task().unwrap().task_token;
    let late = send(&mut server, &token, 1, false, vec![]).unwrap_err();
    assert_eq!(
        (late.code(), late.message().as_str()),
        (Code::NotFound, "Workflow task not found.")
    );
    let lost = send(&mut server, &second, 1, false, vec![]).unwrap_err();
    assert_eq!(lost.code(), Code::Aborted, "{lost:?}");
}

#[test]
fn pages_that_no_server_can_take_are_refused() {
    let (mut server, token) = started();
    for (page, intermediate, commands, why) in [
        (
            -1,
            true,
            vec![marker("a", "")],
            "workflow task completion pagination page number must be non-negative",
        ),
        (
            1_024,
            true,
            vec![marker("a", "")],
            "workflow task completion pagination supports at most 1024 pages",
        ),
        (
            1_024,
            false,
            vec![],
            "workflow task completion pagination supports at most 1024 pages",
        ),
        (
            0,
            true,
            vec![],
            "intermediate workflow task page must carry at least one command",
        ),
    ] {
        let refused = send(&mut server, &token, page, intermediate, commands).unwrap_err();
        assert_eq!(
            (refused.code(), refused.message().as_str()),
            (Code::InvalidArgument, why)
        );
    }
    // A last page without a page before it is an ordinary completion, even of a number below zero.
    send(&mut server, &token, -1, false, vec![marker("a", "")]).unwrap();
    assert_eq!(markers(&server), ["a"]);
}

#[test]
fn pages_that_are_too_large_together_end_the_workflow() {
    let (mut server, token) = started();
    let details = "x".repeat(3 * 1024 * 1024);
    let refused = (0..14)
        .find_map(|page| send(&mut server, &token, page, true, vec![marker("m", &details)]).err())
        .expect("forty mebibytes are the limit");
    assert_eq!(
        (refused.code(), refused.message().as_str()),
        (
            Code::InvalidArgument,
            "RequestTooLarge: workflow task completion buffer size exceeds the per-workflow limit"
        )
    );
    let events = server.events("w");
    let [.., failed, terminated] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert!(matches!(
        &failed.attributes,
        Some(Attributes::WorkflowTaskFailedEventAttributes(it))
            if it.cause == WorkflowTaskFailedCause::RequestTooLarge as i32
    ));
    assert!(matches!(
        &terminated.attributes,
        Some(Attributes::WorkflowExecutionTerminatedEventAttributes(it))
            if it.reason == refused.message() && it.identity == "history-service"
    ));
    assert!(markers(&server).is_empty());
    assert!(server.is_idle(), "{}", server.who_waits());
}
