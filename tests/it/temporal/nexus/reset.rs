//! Operations that are pending where a run is reset go on in the new run.

use std::time::Duration;

use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::enums::v1::{
    EventType, NexusOperationCancellationState, PendingNexusOperationState, ResetReapplyExcludeType, TimeoutType,
};
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::nexus::v1::request;
use temporalio_common::protos::temporal::api::workflow::v1::PendingNexusOperationInfo;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::server::{WORKFLOW, cancel_command, complete_command, operation, seconds, start_with_callbacks};
use super::{NexusTask, Server};

fn caller() -> Option<WorkflowExecution> {
    Some(WorkflowExecution {
        workflow_id: "caller".to_owned(),
        run_id: String::new(),
    })
}

/// A signal brings a workflow task, which does nothing: events 6 to 9.
fn workflow_task(server: &mut Server) {
    let request = wire::SignalWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: caller(),
        signal_name: "signal".to_owned(),
        ..Default::default()
    };
    let _: wire::SignalWorkflowExecutionResponse = server.call(WORKFLOW, "SignalWorkflowExecution", &request).unwrap();
    let task = server.poll_workflow("caller");
    server.complete_workflow_task(&task, vec![]).unwrap();
}

fn reset(server: &mut Server, finish_event_id: i64, exclude: &[ResetReapplyExcludeType]) {
    let request = wire::ResetWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: caller(),
        workflow_task_finish_event_id: finish_event_id,
        request_id: "reset".to_owned(),
        reset_reapply_exclude_types: exclude.iter().map(|it| *it as i32).collect(),
        ..Default::default()
    };
    let _: wire::ResetWorkflowExecutionResponse = server.call(WORKFLOW, "ResetWorkflowExecution", &request).unwrap();
}

fn pending(server: &mut Server) -> PendingNexusOperationInfo {
    let mut pending = server.describe("caller").pending_nexus_operations;
    assert_eq!(pending.len(), 1, "{pending:?}");
    pending.remove(0)
}

fn request_id(task: &NexusTask) -> String {
    match task.request.clone().unwrap().variant {
        Some(request::Variant::StartOperation(start)) => start.request_id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_operation_without_an_answer_is_asked_for_again_by_its_request_id() {
    let mut server = Server::start();
    let mut scheduled = operation();
    scheduled.schedule_to_close_timeout = seconds(60);
    server.schedule("caller", scheduled);
    let first = server.poll_nexus();
    workflow_task(&mut server);
    server.advance(Duration::from_secs(5));
    reset(&mut server, 9, &[]);

    assert_eq!(pending(&mut server).state(), PendingNexusOperationState::Scheduled);
    let again = server.poll_nexus();
    assert_eq!(request_id(&again), request_id(&first));
    server.respond_started(&again);
    assert_eq!(pending(&mut server).operation_token, "token");
    server.respond_started(&first);
    assert_eq!(
        server
            .types("caller")
            .iter()
            .filter(|it| it.contains("NEXUS_OPERATION_STARTED"))
            .count(),
        1
    );

    server.advance(Duration::from_secs(54));
    assert_eq!(pending(&mut server).state(), PendingNexusOperationState::Started);
    server.advance(Duration::from_secs(1));
    let (_, Attributes::NexusOperationTimedOutEventAttributes(timed_out)) =
        server.event("caller", EventType::NexusOperationTimedOut)
    else {
        panic!("not timed out");
    };
    let cause = timed_out.failure.unwrap().cause.unwrap();
    let Some(FailureInfo::TimeoutFailureInfo(info)) = cause.failure_info else {
        panic!("{cause:?}");
    };
    assert_eq!(
        info.timeout_type(),
        TimeoutType::ScheduleToClose,
        "from the first schedule on"
    );
    assert_eq!(server.violations(), [""; 0]);
}

#[test]
fn a_started_operation_goes_on_and_its_callback_finds_the_new_run() {
    let mut server = Server::start();
    server.schedule("caller", operation());
    let start = server.poll_nexus();
    let request = start_with_callbacks("callee", vec![super::callback::callback(&start)]);
    server.start_workflow_with(request).unwrap();
    let callee = server.poll_workflow("callee");
    server.respond_started(&start);
    let task = server.poll_workflow("caller");
    server.complete_workflow_task(&task, vec![cancel_command(5)]).unwrap();
    reset(&mut server, 9, &[]);

    let restored = pending(&mut server);
    assert_eq!(restored.state(), PendingNexusOperationState::Started);
    assert_eq!((restored.operation_token.as_str(), restored.attempt), ("token", 1));
    assert_eq!(restored.cancellation_info, None, "the command was cut off");
    server
        .complete_workflow_task(&callee, vec![complete_command("42")])
        .unwrap();
    let (_, Attributes::NexusOperationCompletedEventAttributes(completed)) =
        server.event("caller", EventType::NexusOperationCompleted)
    else {
        panic!("not completed");
    };
    assert_eq!(completed.scheduled_event_id, 5);
    assert_eq!(server.describe("caller").pending_nexus_operations, []);
}

#[test]
fn a_cancellation_without_an_answer_goes_out_again() {
    let mut server = Server::start();
    server.schedule("caller", operation());
    let start = server.poll_nexus();
    server.respond_started(&start);
    let task = server.poll_workflow("caller");
    server.complete_workflow_task(&task, vec![cancel_command(5)]).unwrap();
    let _cancel = server.poll_nexus();
    workflow_task(&mut server);
    reset(&mut server, 14, &[]);

    let cancellation = pending(&mut server).cancellation_info.expect("it was asked for");
    assert_eq!(cancellation.state(), NexusOperationCancellationState::Scheduled);
    let again = server.poll_nexus();
    let variant = again.request.unwrap().variant;
    assert!(
        matches!(variant, Some(request::Variant::CancelOperation(_))),
        "{variant:?}"
    );
}

#[test]
fn what_was_cut_off_happens_again_unless_it_is_excluded() {
    let cut_off = |exclude: &[ResetReapplyExcludeType]| {
        let mut server = Server::start();
        server.schedule("caller", operation());
        let start = server.poll_nexus();
        workflow_task(&mut server);
        server.respond_started(&start);
        reset(&mut server, 9, exclude);
        server
    };
    let mut server = cut_off(&[]);
    assert_eq!(pending(&mut server).state(), PendingNexusOperationState::Started);
    assert_eq!(server.types("caller").last().unwrap(), "NEXUS_OPERATION_STARTED");
    assert_eq!(server.try_poll_nexus(), None);

    let mut server = cut_off(&[ResetReapplyExcludeType::Nexus]);
    assert_eq!(pending(&mut server).state(), PendingNexusOperationState::Scheduled);
    server.poll_nexus();
}
