//! Operations that another workflow does the work for, and the callback by which it tells the caller.

use temporalio_common::protos::temporal::api::command::v1 as command;
use temporalio_common::protos::temporal::api::common::v1::callback::{Nexus, Variant};
use temporalio_common::protos::temporal::api::common::v1::link::Variant as LinkVariant;
use temporalio_common::protos::temporal::api::common::v1::{Callback, WorkflowExecution};
use temporalio_common::protos::temporal::api::enums::v1::{CallbackState, EventType};
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::nexus::v1::request;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;

use super::server::{WORKFLOW, complete_command, json, operation, start_with_callbacks};
use super::{NexusTask, Server, WorkflowTask};

/// The callback that goes with a start request.
pub(super) fn callback(task: &NexusTask) -> Callback {
    let Some(request::Variant::StartOperation(start)) = task.request.clone().unwrap().variant else {
        panic!("not a start");
    };
    let mut header = start.callback_header;
    header.insert("Nexus-Operation-Token".to_owned(), "early".to_owned());
    Callback {
        links: Vec::new(),
        variant: Some(Variant::Nexus(Nexus {
            url: start.callback,
            header,
        })),
    }
}

/// A caller's operation and the workflow `callee` that works for it; the callee's first task.
fn callee(server: &mut Server) -> (NexusTask, WorkflowTask) {
    server.schedule("caller", operation());
    let task = server.poll_nexus();
    let request = start_with_callbacks("callee", vec![callback(&task)]);
    server.start_workflow_with(request).unwrap();
    let callee = server.poll_workflow("callee");
    (task, callee)
}

fn terminate(server: &mut Server, id: &str) {
    let request = wire::TerminateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: id.to_owned(),
            run_id: String::new(),
        }),
        ..Default::default()
    };
    let _: wire::TerminateWorkflowExecutionResponse =
        server.call(WORKFLOW, "TerminateWorkflowExecution", &request).unwrap();
}

fn failed(server: &Server, event_type: EventType) -> Failure {
    let failure = match server.event("caller", event_type).1 {
        Attributes::NexusOperationFailedEventAttributes(it) => it.failure,
        Attributes::NexusOperationCanceledEventAttributes(it) => it.failure,
        other => panic!("{other:?}"),
    };
    *failure.unwrap().cause.unwrap()
}

#[test]
fn a_workflows_result_is_the_operations() {
    let mut server = Server::start();
    let (start, task) = callee(&mut server);
    server.respond_started(&start);
    let attached = server.describe("callee").callbacks.remove(0);
    assert_eq!(attached.state(), CallbackState::Standby);
    assert_eq!(attached.request_id, "request of callee");
    server
        .complete_workflow_task(&task, vec![complete_command("42")])
        .unwrap();
    let (_, Attributes::NexusOperationCompletedEventAttributes(completed)) =
        server.event("caller", EventType::NexusOperationCompleted)
    else {
        panic!("not completed");
    };
    assert_eq!((completed.scheduled_event_id, completed.result), (5, Some(json("42"))));
    let delivered = server.describe("callee").callbacks.remove(0);
    assert_eq!((delivered.state(), delivered.attempt), (CallbackState::Succeeded, 1));
    let (_, Attributes::WorkflowExecutionStartedEventAttributes(started)) =
        server.event("callee", EventType::WorkflowExecutionStarted)
    else {
        panic!("not started");
    };
    assert_eq!(started.completion_callbacks.len(), 1);
}

#[test]
fn a_result_that_overtakes_the_answer_makes_up_the_start() {
    let mut server = Server::start();
    let (start, task) = callee(&mut server);
    server
        .complete_workflow_task(&task, vec![complete_command("42")])
        .unwrap();
    assert_eq!(
        server.types("caller")[2..],
        ["NEXUS_OPERATION_STARTED", "NEXUS_OPERATION_COMPLETED"]
    );
    let (event, attributes) = server.event("caller", EventType::NexusOperationStarted);
    let Attributes::NexusOperationStartedEventAttributes(started) = attributes else {
        panic!("not started");
    };
    assert_eq!(started.operation_token, "early");
    let Some(LinkVariant::WorkflowEvent(link)) = event.links[0].variant.clone() else {
        panic!("{:?}", event.links);
    };
    assert_eq!(link.workflow_id, "callee");
    // The answer to the start comes too late to mean anything, but it is taken.
    server.respond_started(&start);
    assert_eq!(server.types("caller").len(), 4);
}

#[test]
fn the_ways_in_which_a_workflow_fails_are_told_without_reasons() {
    let mut server = Server::start();
    let (start, task) = callee(&mut server);
    server.respond_started(&start);
    let fail = command::FailWorkflowExecutionCommandAttributes {
        failure: Some(Failure {
            message: "broken".to_owned(),
            source: "GoSDK".to_owned(),
            ..Default::default()
        }),
    };
    let fail = command::command::Attributes::FailWorkflowExecutionCommandAttributes(fail);
    server.complete_workflow_task(&task, vec![fail]).unwrap();
    let cause = failed(&server, EventType::NexusOperationFailed);
    assert_eq!((cause.message.as_str(), cause.source.as_str()), ("broken", "GoSDK"));

    let mut server = Server::start();
    let (start, task) = callee(&mut server);
    server.respond_started(&start);
    let cancel = command::CancelWorkflowExecutionCommandAttributes::default();
    let cancel = command::command::Attributes::CancelWorkflowExecutionCommandAttributes(cancel);
    server.complete_workflow_task(&task, vec![cancel]).unwrap();
    let cause = failed(&server, EventType::NexusOperationCanceled);
    assert_eq!(cause.message, "operation canceled");
    assert!(matches!(cause.failure_info, Some(FailureInfo::CanceledFailureInfo(_))));

    let mut server = Server::start();
    let (start, _) = callee(&mut server);
    server.respond_started(&start);
    terminate(&mut server, "callee");
    let cause = failed(&server, EventType::NexusOperationFailed);
    assert_eq!(cause.message, "operation terminated");
    assert!(matches!(
        cause.failure_info,
        Some(FailureInfo::TerminatedFailureInfo(_))
    ));
}

#[test]
fn a_callback_goes_out_when_the_chain_of_runs_has_ended() {
    let mut server = Server::start();
    let (start, task) = callee(&mut server);
    server.respond_started(&start);
    let next = command::ContinueAsNewWorkflowExecutionCommandAttributes::default();
    let next = command::command::Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(next);
    server.complete_workflow_task(&task, vec![next]).unwrap();
    assert_eq!(server.types("caller").last().unwrap(), "NEXUS_OPERATION_STARTED");
    server.advance(std::time::Duration::from_secs(1));
    let task = server.poll_workflow("callee");
    server
        .complete_workflow_task(&task, vec![complete_command("42")])
        .unwrap();
    assert_eq!(server.types("caller").last().unwrap(), "NEXUS_OPERATION_COMPLETED");
}

#[test]
fn a_callback_to_a_caller_that_has_closed_fails() {
    let mut server = Server::start();
    let (start, task) = callee(&mut server);
    server.respond_started(&start);
    terminate(&mut server, "caller");
    server
        .complete_workflow_task(&task, vec![complete_command("42")])
        .unwrap();
    let failed = server.describe("callee").callbacks.remove(0);
    assert_eq!(failed.state(), CallbackState::Failed);
    let failure = failed.last_attempt_failure.unwrap();
    assert_eq!(
        failure.message,
        "handler error (NOT_FOUND): workflow execution already completed"
    );
    let Some(FailureInfo::ApplicationFailureInfo(info)) = failure.failure_info else {
        panic!("not an application failure");
    };
    assert!(info.non_retryable);
}

#[test]
fn other_addresses_are_not_allowed_by_default() {
    let mut server = Server::start();
    let callback = Callback {
        links: Vec::new(),
        variant: Some(Variant::Nexus(Nexus {
            url: "http://localhost:1/x".to_owned(),
            header: Default::default(),
        })),
    };
    let reject = server
        .start_workflow_with(start_with_callbacks("callee", vec![callback]))
        .unwrap_err();
    assert_eq!(reject.code(), Code::InvalidArgument);
    assert_eq!(
        reject.message(),
        "invalid url: url does not match any configured callback address: http://localhost:1/x"
    );
}
