//! Resets: a run goes on from an earlier point of its history.

use std::time::Duration;

use awaithumans_testkit::Reject;
use temporalio_client::errors::WorkflowGetResultError;
use temporalio_client::grpc::WorkflowService;
use temporalio_common::protos::temporal::api::enums::v1::{
    ResetReapplyExcludeType as Exclude, ResetReapplyType, UpdateAdmittedEventOrigin, WorkflowExecutionStatus as Status,
    WorkflowTaskFailedCause,
};
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::workflow::v1::{PostResetOperation, post_reset_operation};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::{Code, IntoRequest};

use super::super::script::Step;
use super::super::{all_types, kit, note, result};
use super::{
    NAMESPACE, Server, Spoil, accept_and_complete, attributes, execution, finish, start, start_child, start_timer,
    update_request,
};

fn request(id: &str, run_id: &str, finish_event_id: i64) -> wire::ResetWorkflowExecutionRequest {
    wire::ResetWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: execution(id, run_id),
        reason: "once more".to_owned(),
        workflow_task_finish_event_id: finish_event_id,
        request_id: "a reset".to_owned(),
        ..Default::default()
    }
}

fn try_reset(server: &mut Server, request: &wire::ResetWorkflowExecutionRequest) -> Result<String, Reject> {
    server
        .call("ResetWorkflowExecution", request)
        .map(|answer: wire::ResetWorkflowExecutionResponse| answer.run_id)
}

#[track_caller]
fn reset(server: &mut Server, id: &str, finish_event_id: i64) -> String {
    try_reset(server, &request(id, "", finish_event_id)).expect("it is reset")
}

#[tokio::test]
async fn the_sdk_goes_on_from_the_point_of_the_reset() {
    let (kit, _worker) = kit().await;
    let handle = super::super::start(&kit, "r", vec![Step::Sleep(1), Step::Sleep(1), Step::Notes(1)]).await;
    kit.advance(Duration::from_secs(3)).await.unwrap();
    let run_id = handle.run_id().unwrap().to_owned();
    let answer = kit
        .client()
        .clone()
        .reset_workflow_execution(request("r", &run_id, 4).into_request())
        .await
        .unwrap()
        .into_inner();
    assert_ne!(answer.run_id, run_id);
    assert!(matches!(
        result(&handle).await,
        Err(WorkflowGetResultError::Terminated { .. })
    ));
    let again = kit.client().get_workflow_handle::<super::super::script::Run>("r");
    note(&again, "after").await;
    assert_eq!(result(&again).await.unwrap(), ["after"]);
    let told = all_types(&kit, "r");
    assert_eq!(
        told[..6],
        [
            "WORKFLOW_EXECUTION_STARTED",
            "WORKFLOW_TASK_SCHEDULED",
            "WORKFLOW_TASK_STARTED",
            "WORKFLOW_TASK_FAILED",
            "WORKFLOW_TASK_SCHEDULED",
            "WORKFLOW_EXECUTION_SIGNALED"
        ]
    );
}

#[test]
fn the_new_run_begins_with_the_old_history_and_a_failed_task() {
    let mut server = Server::new();
    let old = server.start("r");
    server.work(vec![start_timer("t", 10)]);
    server.pass(Duration::from_secs(10));
    server.work(vec![]);
    let before = server.history("r", "");
    let reset_at = server.now;

    let new = reset(&mut server, "r", 4);

    let events = server.history("r", &new);
    assert_eq!(events[..3], before[..3]);
    assert_eq!(events.len(), 5);
    let failed = attributes!(events, 4, WorkflowTaskFailedEventAttributes);
    assert_eq!(failed.cause(), WorkflowTaskFailedCause::ResetWorkflow);
    assert_eq!((failed.scheduled_event_id, failed.started_event_id), (2, 3));
    assert_eq!((failed.base_run_id, failed.new_run_id), (old.clone(), new.clone()));
    assert_eq!(
        (failed.identity.as_str(), failed.fork_event_version),
        ("history-service", 0)
    );
    let failure = failed.failure.unwrap();
    assert_eq!((failure.message.as_str(), failure.source.as_str()), ("once more", ""));
    assert!(matches!(
        failure.failure_info,
        Some(FailureInfo::ResetWorkflowFailureInfo(_))
    ));
    assert_eq!(attributes!(events, 5, WorkflowTaskScheduledEventAttributes).attempt, 1);
    let ended = server.history("r", &old);
    let terminated = attributes!(ended, ended.len(), WorkflowExecutionTerminatedEventAttributes);
    assert_eq!(
        (terminated.reason.as_str(), terminated.identity.as_str()),
        ("once more", "history-resetter")
    );
    let told = server.describe("r", &old).workflow_extended_info.unwrap();
    assert_eq!((told.reset_run_id, told.last_reset_time), (new.clone(), None));
    let described = server.describe("r", "");
    let info = described.workflow_execution_info.unwrap();
    assert_eq!(info.execution.unwrap().run_id, new);
    assert_eq!((info.first_run_id, info.status), (old, Status::Running as i32));
    let seconds = i64::try_from(reset_at.as_seconds()).unwrap();
    assert_eq!(info.start_time.unwrap().seconds, seconds);
    let extended = described.workflow_extended_info.unwrap();
    assert_eq!(extended.original_start_time, events[0].event_time);
    assert_eq!(extended.last_reset_time.unwrap().seconds, seconds);
    let task = server.work(vec![finish()]);
    assert_eq!((task.previous_started_event_id, task.attempt), (0, 1));
    assert_eq!(server.types("r", "").last(), Some(&"WORKFLOW_EXECUTION_COMPLETED"));
}

#[test]
fn a_task_that_no_worker_had_is_started_to_fail() {
    let mut server = Server::new();
    server.start("r");
    server.work(vec![]);
    let new = reset(&mut server, "r", 3);
    let events = server.history("r", &new);
    assert_eq!(events.len(), 5);
    let started = attributes!(events, 3, WorkflowTaskStartedEventAttributes);
    assert_eq!(
        (started.identity.as_str(), started.request_id.as_str()),
        ("history-service", "emptyUuid")
    );
    assert_eq!(
        attributes!(events, 4, WorkflowTaskFailedEventAttributes).started_event_id,
        3
    );
}

#[test]
fn signals_that_were_cut_off_happen_again_unless_they_are_excluded() {
    let cases = [
        (vec![], ResetReapplyType::Unspecified, 2),
        (vec![], ResetReapplyType::AllEligible, 2),
        (vec![], ResetReapplyType::Signal, 2),
        (vec![], ResetReapplyType::None, 0),
        (vec![Exclude::Signal], ResetReapplyType::Unspecified, 0),
        (vec![Exclude::Update], ResetReapplyType::Unspecified, 2),
    ];
    for (excluded, by_type, expected) in cases {
        let mut server = Server::new();
        server.start("r");
        server.work(vec![]);
        server.signal("r", "one");
        server.work(vec![]);
        let task = {
            server.signal("r", "two");
            server.poll().unwrap()
        };
        // This one waits for the task to end: the end of the run writes it, and it counts.
        #[expect(deprecated, reason = "clients may still send it")]
        let request = wire::ResetWorkflowExecutionRequest {
            reset_reapply_exclude_types: excluded.iter().map(|it| *it as i32).collect(),
            reset_reapply_type: by_type as i32,
            ..request("r", "", 4)
        };
        let new = try_reset(&mut server, &request).unwrap();
        let events = server.history("r", &new);
        let names: Vec<String> = events
            .iter()
            .filter_map(|event| match &event.attributes {
                Some(super::Attributes::WorkflowExecutionSignaledEventAttributes(it)) => Some(it.signal_name.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(names, ["one", "two"][..expected], "{excluded:?} {by_type:?}");
        let last = super::super::short(events.last().unwrap().event_type());
        assert_eq!(last, "WORKFLOW_TASK_SCHEDULED");
        drop(task);
    }
}

#[test]
fn a_signal_that_a_started_task_held_back_happens_again_too() {
    let mut server = Server::new();
    let old = server.start("r");
    server.work(vec![]);
    server.signal("r", "one");
    let _task = server.poll().unwrap();
    server.signal("r", "held back");
    let new = reset(&mut server, "r", 4);
    let signals = |types: Vec<&str>| types.iter().filter(|it| **it == "WORKFLOW_EXECUTION_SIGNALED").count();
    assert_eq!(signals(server.types("r", &old)), 2);
    assert_eq!(signals(server.types("r", &new)), 2);
}

#[test]
fn an_update_that_was_cut_off_is_admitted_by_an_event_and_sent_without_a_message() {
    let mut server = Server::new();
    server.start("r");
    server.work(vec![]);
    let ticket = server.send("UpdateWorkflowExecution", &update_request("r", "one"));
    let task = server.poll().unwrap();
    server.respond(&task, vec![], accept_and_complete("one"));
    let _: wire::UpdateWorkflowExecutionResponse = server.answer(ticket).unwrap().unwrap();

    let new = reset(&mut server, "r", 4);

    let events = server.history("r", &new);
    let admitted = attributes!(events, 5, WorkflowExecutionUpdateAdmittedEventAttributes);
    assert_eq!(admitted.origin(), UpdateAdmittedEventOrigin::Reapply);
    assert_eq!(admitted.request.unwrap().input.unwrap().name, "change");
    let task = server.poll().unwrap();
    assert!(task.messages.is_empty(), "the history tells the worker of it");
    server.respond(&task, vec![], accept_and_complete("one"));
    let events = server.history("r", &new);
    let accepted = attributes!(events, 9, WorkflowExecutionUpdateAcceptedEventAttributes);
    assert_eq!(accepted.accepted_request, None, "the admitted event has it");
    assert_eq!(accepted.protocol_instance_id, "one");
    let again = server.send("UpdateWorkflowExecution", &update_request("r", "one"));
    let again: wire::UpdateWorkflowExecutionResponse = server.answer(again).unwrap().unwrap();
    assert!(again.outcome.is_some(), "the same id gets the new run's outcome");
}

#[test]
fn updates_can_be_excluded() {
    let mut server = Server::new();
    server.start("r");
    server.work(vec![]);
    server.send("UpdateWorkflowExecution", &update_request("r", "one"));
    let task = server.poll().unwrap();
    server.respond(&task, vec![], accept_and_complete("one"));
    let request = wire::ResetWorkflowExecutionRequest {
        reset_reapply_exclude_types: vec![Exclude::Update as i32],
        ..request("r", "", 4)
    };
    let new = try_reset(&mut server, &request).unwrap();
    assert_eq!(server.types("r", &new).len(), 5);
}

#[test]
fn a_timer_of_the_old_history_fires_when_it_would_have() {
    let mut server = Server::new();
    server.start("r");
    server.work(vec![start_timer("long", 100), start_timer("short", 5)]);
    server.pass(Duration::from_secs(5));
    server.work(vec![]);
    server.signal("r", "go");
    server.work(vec![]);
    server.pass(Duration::from_secs(55));

    // After the short one fired, with the long one running for 60 s.
    let new = reset(&mut server, "r", 10);

    server.work(vec![]);
    server.pass(Duration::from_secs(39));
    assert!(!server.types("r", &new)[9..].contains(&"TIMER_FIRED"));
    server.pass(Duration::from_secs(1));
    assert!(server.types("r", &new)[9..].contains(&"TIMER_FIRED"));
    // Cut before the short one fired: its time has long passed.
    let third = reset(&mut server, "r", 4);
    assert!(
        !server.types("r", &third).contains(&"TIMER_STARTED"),
        "cut off with its task"
    );
}

#[test]
fn the_clocks_of_the_run_begin_anew() {
    let mut server = Server::new();
    let minute = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let request = wire::StartWorkflowExecutionRequest {
        workflow_run_timeout: minute,
        workflow_execution_timeout: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
        ..start("r")
    };
    let _: wire::StartWorkflowExecutionResponse = server.call("StartWorkflowExecution", &request).unwrap();
    server.work(vec![]);
    server.pass(Duration::from_secs(50));
    let new = reset(&mut server, "r", 4);
    server.work(vec![]);
    server.pass(Duration::from_secs(59));
    assert_eq!(
        server.describe("r", &new).workflow_execution_info.unwrap().status(),
        Status::Running
    );
    server.pass(Duration::from_secs(1));
    let info = server.describe("r", &new).workflow_execution_info.unwrap();
    assert_eq!(info.status(), Status::TimedOut);
}

#[test]
fn a_closed_run_is_reset_and_stays_as_it_is() {
    let mut server = Server::new();
    let old = server.start("r");
    server.work(vec![]);
    server.signal("r", "go");
    server.work(vec![finish()]);
    let before = server.history("r", &old);
    let new = reset(&mut server, "r", 4);
    assert_eq!(server.history("r", &old), before);
    assert_eq!(
        server.types("r", &new)[3..],
        [
            "WORKFLOW_TASK_FAILED",
            "WORKFLOW_EXECUTION_SIGNALED",
            "WORKFLOW_TASK_SCHEDULED"
        ]
    );
}

#[test]
fn a_child_goes_on_under_the_new_run_of_its_parent() {
    let mut server = Server::new();
    server.start("parent");
    server.work(vec![start_child("child")]);
    server.work(vec![]);
    server.signal("parent", "go");
    server.work(vec![]);
    // After the child has started (events 5 initiated, 6 started, 7 scheduled, 8 started, 9 completed).
    let new = reset(&mut server, "parent", 9);
    let child = server.describe("child", "").workflow_execution_info.unwrap();
    assert_eq!(child.status(), Status::Running, "a reset isn't an end for children");
    assert_eq!(server.describe("parent", &new).pending_children.len(), 1);
    let request = wire::TerminateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: execution("child", ""),
        ..Default::default()
    };
    let _: wire::TerminateWorkflowExecutionResponse = server.call("TerminateWorkflowExecution", &request).unwrap();
    server.work(vec![]);
    assert!(
        server
            .types("parent", &new)
            .contains(&"CHILD_WORKFLOW_EXECUTION_TERMINATED")
    );
}

#[test]
fn a_child_that_ended_after_the_point_ends_again_in_the_new_history() {
    let mut server = Server::new();
    server.start("parent");
    server.work(vec![start_child("child")]);
    server.work(vec![]);
    let request = wire::TerminateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: execution("child", ""),
        ..Default::default()
    };
    let _: wire::TerminateWorkflowExecutionResponse = server.call("TerminateWorkflowExecution", &request).unwrap();
    server.work(vec![]);
    let new = reset(&mut server, "parent", 9);
    assert_eq!(
        server.types("parent", &new)[8..],
        [
            "WORKFLOW_TASK_FAILED",
            "CHILD_WORKFLOW_EXECUTION_TERMINATED",
            "WORKFLOW_TASK_SCHEDULED"
        ]
    );
    assert!(server.describe("parent", &new).pending_children.is_empty());
}

#[test]
fn points_where_a_run_cannot_be_cut() {
    let mut server = Server::new();
    let old = server.start("r");
    server.work(vec![start_timer("t", 5)]);
    server.pass(Duration::from_secs(5));
    server.work(vec![]);
    // 1 started 2 scheduled 3 started 4 completed 5 timer started 6 fired 7 scheduled 8 started 9 completed
    let range = "Workflow task finish ID must be > 1 && <= workflow last event ID.";
    let boundary = |id: i64| {
        format!(
            "StateRebuilder unable to Rebuild mutable state to event ID: {id}, version: 0, this event must be at the \
             boundary"
        )
    };
    let no_task = |id: i64| {
        format!(
            "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: {id}"
        )
    };
    for (id, text) in [
        (-1, range.to_owned()),
        (0, range.to_owned()),
        (1, range.to_owned()),
        (10, range.to_owned()),
        (i64::MAX, range.to_owned()),
        (2, boundary(1)),
        (5, boundary(4)),
        (6, no_task(6)),
        (7, boundary(6)),
    ] {
        let refused = try_reset(&mut server, &request("r", &old, id)).unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (Code::InvalidArgument, text),
            "{id}"
        );
    }
    assert_eq!(server.types("r", "").len(), 9, "a refusal leaves no trace");
    for id in [3, 4, 8, 9] {
        try_reset(&mut server, &request("r", &old, id)).unwrap_or_else(|reject| panic!("{id}: {reject:?}"));
    }
}

#[test]
fn fields_that_must_be_there() {
    let mut server = Server::new();
    server.start("r");
    server.work(vec![]);
    type Request = wire::ResetWorkflowExecutionRequest;
    let cases: [(Spoil<Request>, Code, &str); 7] = [
        (
            |it| it.request_id.clear(),
            Code::InvalidArgument,
            "RequestId is not set on request.",
        ),
        (
            |it| it.request_id = "x".repeat(1_001),
            Code::InvalidArgument,
            "RequestId length exceeds limit.",
        ),
        (
            |it| it.workflow_execution = None,
            Code::InvalidArgument,
            "Execution is not set on request.",
        ),
        (
            |it| it.workflow_execution = execution("r", "no uuid"),
            Code::InvalidArgument,
            "Invalid RunId.",
        ),
        (
            |it| it.workflow_execution = execution("nobody", ""),
            Code::NotFound,
            "workflow not found for ID: nobody",
        ),
        (
            |it| {
                it.post_reset_operations = vec![PostResetOperation {
                    variant: Some(post_reset_operation::Variant::SignalWorkflow(Default::default())),
                }]
            },
            Code::InvalidArgument,
            "unsupported post reset operation: *workflow.PostResetOperation_SignalWorkflow_",
        ),
        (
            |it| it.post_reset_operations = vec![PostResetOperation { variant: None }],
            Code::InvalidArgument,
            "unsupported post reset operation: <nil>",
        ),
    ];
    for (spoil, code, text) in cases {
        let mut request = request("r", "", 4);
        spoil(&mut request);
        let refused = try_reset(&mut server, &request).unwrap_err();
        assert_eq!((refused.code(), refused.message().as_str()), (code, text));
    }
}

#[test]
fn the_request_id_that_counts_once_is_that_of_the_start() {
    let mut server = Server::new();
    let old = server.start("r");
    server.work(vec![]);
    let mut request = request("r", "", 4);
    "start of r".clone_into(&mut request.request_id);
    assert_eq!(try_reset(&mut server, &request).unwrap(), old, "nothing happens");
    "another".clone_into(&mut request.request_id);
    let second = try_reset(&mut server, &request).unwrap();
    let third = try_reset(
        &mut server,
        &wire::ResetWorkflowExecutionRequest {
            workflow_execution: execution("r", &old),
            ..request
        },
    )
    .unwrap();
    assert!(second != old && third != old && third != second);
    assert_eq!(
        server.types("r", &second).last(),
        Some(&"WORKFLOW_EXECUTION_TERMINATED")
    );
    assert_eq!(
        server.describe("r", &old).workflow_extended_info.unwrap().reset_run_id,
        third
    );
}
