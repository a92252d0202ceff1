//! Runs that are deleted.

use awaithumans_testkit::Reject;
use temporalio_common::protos::temporal::api::enums::v1::HistoryEventFilterType;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;

use super::{NAMESPACE, Server, attributes, execution, finish, start_child, start_timer};

fn delete(server: &mut Server, id: &str, run_id: &str) -> Result<(), Reject> {
    let request = wire::DeleteWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: execution(id, run_id),
    };
    server
        .call("DeleteWorkflowExecution", &request)
        .map(|_: wire::DeleteWorkflowExecutionResponse| ())
}

#[test]
fn a_closed_run_is_gone_and_its_id_is_free() {
    let mut server = Server::new();
    let run_id = server.start("d");
    server.work(vec![finish()]);
    delete(&mut server, "d", &run_id).unwrap();
    for run_id in ["", run_id.as_str()] {
        assert_eq!(server.try_describe("d", run_id).unwrap_err().code(), Code::NotFound);
        assert_eq!(delete(&mut server, "d", run_id).unwrap_err().code(), Code::NotFound);
    }
    assert_ne!(server.start("d"), run_id);
}

#[test]
fn an_open_run_is_terminated_first_and_who_waits_for_its_end_hears_of_it() {
    let mut server = Server::new();
    server.start("d");
    let task = server.work(vec![start_timer("t", 60)]);
    let waiting = server.send(
        "GetWorkflowExecutionHistory",
        &wire::GetWorkflowExecutionHistoryRequest {
            namespace: NAMESPACE.to_owned(),
            execution: execution("d", ""),
            wait_new_event: true,
            history_event_filter_type: HistoryEventFilterType::CloseEvent as i32,
            ..Default::default()
        },
    );
    delete(&mut server, "d", "").unwrap();
    let told: wire::GetWorkflowExecutionHistoryResponse = server.answer(waiting).unwrap().unwrap();
    let last = told.history.unwrap().events;
    let terminated = attributes!(last, 1, WorkflowExecutionTerminatedEventAttributes);
    assert_eq!(
        (terminated.reason.as_str(), terminated.identity.as_str()),
        ("Delete workflow execution", "history-service")
    );
    assert!(server.try_describe("d", "").is_err());
    assert!(server.engine.poll_timeout().is_none(), "no timer of it is left");
    // A worker that still has a task of it hears that the task is gone.
    let late: Result<wire::RespondWorkflowTaskCompletedResponse, _> = server.call(
        "RespondWorkflowTaskCompleted",
        &wire::RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token,
            namespace: NAMESPACE.to_owned(),
            ..Default::default()
        },
    );
    assert_eq!(late.unwrap_err().code(), Code::NotFound);
}

#[test]
fn an_older_run_goes_and_the_latest_stays() {
    let mut server = Server::new();
    let first = server.start("d");
    server.work(vec![finish()]);
    let mut request = super::start("d");
    "a second start".clone_into(&mut request.request_id);
    let second: wire::StartWorkflowExecutionResponse = server.call("StartWorkflowExecution", &request).unwrap();
    delete(&mut server, "d", &first).unwrap();
    assert!(server.try_describe("d", &first).is_err());
    server.describe("d", &second.run_id);
    server.describe("d", "");
    // Without the latest one the id has none, even if older ones are left.
    server.work(vec![finish()]);
    "a third start".clone_into(&mut request.request_id);
    let third: wire::StartWorkflowExecutionResponse = server.call("StartWorkflowExecution", &request).unwrap();
    delete(&mut server, "d", &third.run_id).unwrap();
    let gone = server.try_describe("d", "").unwrap_err();
    assert_eq!(gone.message(), "workflow not found for ID: d");
    server.describe("d", &second.run_id);
}

#[test]
fn a_parent_sees_its_deleted_child_as_terminated() {
    let mut server = Server::new();
    server.start("parent");
    server.work(vec![start_child("child")]);
    server.work(vec![]);
    delete(&mut server, "child", "").unwrap();
    assert!(
        server
            .types("parent", "")
            .contains(&"CHILD_WORKFLOW_EXECUTION_TERMINATED")
    );
}

#[test]
fn what_cannot_be_named_is_refused() {
    let mut server = Server::new();
    server.start("d");
    for (id, run_id, text) in [
        ("", "", "WorkflowId is not set on request."),
        ("d", "no uuid", "Invalid RunId."),
    ] {
        let refused = delete(&mut server, id, run_id).unwrap_err();
        assert_eq!(
            (refused.code(), refused.message().as_str()),
            (Code::InvalidArgument, text)
        );
    }
    let request = wire::DeleteWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: None,
    };
    let refused = server
        .call::<wire::DeleteWorkflowExecutionResponse>("DeleteWorkflowExecution", &request)
        .unwrap_err();
    assert_eq!(refused.message(), "Execution is not set on request.");
    server.describe("d", "");
}
