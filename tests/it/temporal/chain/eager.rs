//! Starts that bring the first workflow task along.

use std::time::Duration;

use temporalio_common::protos::temporal::api::enums::v1::WorkflowExecutionStatus as Status;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::{NAMESPACE, Server, attributes, finish, start, start_timer};

fn eager(id: &str) -> wire::StartWorkflowExecutionRequest {
    wire::StartWorkflowExecutionRequest {
        request_eager_execution: true,
        ..start(id)
    }
}

fn start_eagerly(server: &mut Server, id: &str) -> wire::StartWorkflowExecutionResponse {
    server.call("StartWorkflowExecution", &eager(id)).expect("it starts")
}

#[test]
fn the_first_task_comes_with_the_answer_and_goes_to_nobody_else() {
    let mut server = Server::new();
    let answer = start_eagerly(&mut server, "e");
    let task = answer.eager_workflow_task.expect("the task comes along");
    assert!(answer.started);
    assert_eq!(
        (task.started_event_id, task.previous_started_event_id, task.attempt),
        (3, 0, 1)
    );
    assert_eq!(task.workflow_execution.clone().unwrap().run_id, answer.run_id);
    assert_eq!(task.workflow_type.clone().unwrap().name, "type");
    assert_eq!(task.workflow_execution_task_queue.clone().unwrap().name, "queue");
    let events = task.history.clone().unwrap().events;
    assert_eq!(events, server.history("e", ""));
    let started = attributes!(events, 1, WorkflowExecutionStartedEventAttributes);
    assert!(started.eager_execution_accepted);
    let task_started = attributes!(events, 3, WorkflowTaskStartedEventAttributes);
    assert_eq!(
        (task_started.request_id.as_str(), task_started.identity.as_str()),
        ("start of e", "client")
    );
    assert_eq!(
        task_started.history_size_bytes, 0,
        "nothing is written yet when it starts"
    );
    assert!(server.poll().is_none(), "no worker is offered the task");

    server.complete(&task, vec![finish()]);

    assert_eq!(
        server.types("e", ""),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "WORKFLOW_TASK_SCHEDULED",
            "WORKFLOW_TASK_STARTED",
            "WORKFLOW_TASK_COMPLETED",
            "WORKFLOW_EXECUTION_COMPLETED"
        ]
    );
}

#[test]
fn the_same_request_gets_the_task_again_while_nobody_has_answered_it() {
    let mut server = Server::new();
    let first = start_eagerly(&mut server, "e");
    let again = start_eagerly(&mut server, "e");
    assert_eq!(again, first);
    server.complete(&again.eager_workflow_task.unwrap(), vec![finish()]);

    let late = start_eagerly(&mut server, "e");

    assert_eq!((late.run_id, late.started), (first.run_id, true));
    assert_eq!(late.status, Status::Completed as i32);
    assert!(late.eager_workflow_task.is_none());
}

#[test]
fn without_the_wish_or_with_a_start_delay_there_is_none() {
    let mut server = Server::new();
    let plain: wire::StartWorkflowExecutionResponse = server.call("StartWorkflowExecution", &start("p")).unwrap();
    assert!(plain.eager_workflow_task.is_none());
    assert!(server.poll().is_some());
    let delayed = wire::StartWorkflowExecutionRequest {
        workflow_start_delay: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
        ..eager("d")
    };
    let delayed: wire::StartWorkflowExecutionResponse = server.call("StartWorkflowExecution", &delayed).unwrap();
    assert!(delayed.eager_workflow_task.is_none());
    let events = server.history("d", "");
    assert!(!attributes!(events, 1, WorkflowExecutionStartedEventAttributes).eager_execution_accepted);
    assert!(server.poll().is_none());
    server.pass(Duration::from_secs(5));
    assert!(server.poll().is_some());
}

#[test]
fn a_task_that_nobody_answers_times_out_and_goes_to_a_worker() {
    let mut server = Server::new();
    let lost = start_eagerly(&mut server, "e").eager_workflow_task.unwrap();
    server.pass(Duration::from_secs(10));
    let task = server.poll().expect("the second attempt is offered");
    assert_eq!(task.attempt, 2);
    let late: Result<wire::RespondWorkflowTaskCompletedResponse, _> = server.call(
        "RespondWorkflowTaskCompleted",
        &wire::RespondWorkflowTaskCompletedRequest {
            task_token: lost.task_token,
            namespace: NAMESPACE.to_owned(),
            ..Default::default()
        },
    );
    assert_eq!(late.unwrap_err().code(), tonic::Code::NotFound);
    server.complete(&task, vec![start_timer("t", 1)]);
    let again = start_eagerly(&mut server, "e");
    assert!(again.started && again.eager_workflow_task.is_none());
    assert_eq!(server.types("e", "")[3], "WORKFLOW_TASK_TIMED_OUT");
}

#[test]
fn the_server_says_that_it_can() {
    let mut server = Server::new();
    let info: wire::GetSystemInfoResponse = server
        .call("GetSystemInfo", &wire::GetSystemInfoRequest::default())
        .unwrap();
    assert!(info.capabilities.unwrap().eager_workflow_start);
}
