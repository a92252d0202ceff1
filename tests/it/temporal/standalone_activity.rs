//! Activities on their own, without a workflow.

use std::time::Duration;

use awaithumans_testkit::Reject;
use temporalio_common::protos::temporal::api::activity::v1::activity_execution_outcome::Value;
use temporalio_common::protos::temporal::api::activity::v1::{ActivityExecutionInfo, ActivityExecutionOutcome};
use temporalio_common::protos::temporal::api::common::v1 as common;
use temporalio_common::protos::temporal::api::enums::v1::{
    ActivityExecutionStatus as Status, ActivityIdConflictPolicy as Conflict, ActivityIdReusePolicy as Reuse,
    PendingActivityState as RunState, RetryState, TimeoutType,
};
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;

use super::activity_wire::{application_failure, complete, fail, heartbeat};
use super::wire_server::{Pending, QUEUE, Server, payloads, queue, seconds};

fn start_request(activity_id: &str, request_id: &str) -> wire::StartActivityExecutionRequest {
    wire::StartActivityExecutionRequest {
        namespace: "default".to_owned(),
        request_id: request_id.to_owned(),
        activity_id: activity_id.to_owned(),
        activity_type: Some(common::ActivityType {
            name: "work".to_owned(),
        }),
        task_queue: queue(QUEUE),
        start_to_close_timeout: seconds(60),
        input: payloads("input"),
        ..Default::default()
    }
}

fn start(
    server: &mut Server,
    request: wire::StartActivityExecutionRequest,
) -> Result<wire::StartActivityExecutionResponse, Reject> {
    server.call("StartActivityExecution", request)
}

/// A server with the activity `a` on it.
fn with(request: wire::StartActivityExecutionRequest) -> Server {
    let mut server = Server::new();
    assert!(start(&mut server, request).unwrap().started);
    server
}

fn describe_request() -> wire::DescribeActivityExecutionRequest {
    wire::DescribeActivityExecutionRequest {
        namespace: "default".to_owned(),
        activity_id: "a".to_owned(),
        include_input: true,
        include_outcome: true,
        include_heartbeat_details: true,
        include_last_failure: true,
        ..Default::default()
    }
}

fn describe(server: &mut Server) -> wire::DescribeActivityExecutionResponse {
    server.call("DescribeActivityExecution", describe_request()).unwrap()
}

fn info(server: &mut Server) -> ActivityExecutionInfo {
    describe(server).info.unwrap()
}

fn poll(server: &mut Server) -> Pending {
    let request = wire::PollActivityExecutionRequest {
        namespace: "default".to_owned(),
        activity_id: "a".to_owned(),
        run_id: String::new(),
    };
    server.send("PollActivityExecution", request)
}

fn outcome(server: &mut Server, pending: Pending) -> Option<ActivityExecutionOutcome> {
    let answer: wire::PollActivityExecutionResponse = server.answer(pending)?.unwrap();
    answer.outcome
}

/// How activity `a` ended.
fn ended(server: &mut Server) -> ActivityExecutionOutcome {
    let pending = poll(server);
    outcome(server, pending).expect("it has ended")
}

fn failure(outcome: ActivityExecutionOutcome) -> Failure {
    match outcome.value {
        Some(Value::Failure(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

fn timeout_type(failure: &Failure) -> TimeoutType {
    match &failure.failure_info {
        Some(FailureInfo::TimeoutFailureInfo(info)) => info.timeout_type(),
        other => panic!("{other:?}"),
    }
}

fn cancel(server: &mut Server, request_id: &str) -> Result<wire::RequestCancelActivityExecutionResponse, Reject> {
    server.call(
        "RequestCancelActivityExecution",
        wire::RequestCancelActivityExecutionRequest {
            namespace: "default".to_owned(),
            activity_id: "a".to_owned(),
            identity: "client".to_owned(),
            request_id: request_id.to_owned(),
            reason: "enough".to_owned(),
            ..Default::default()
        },
    )
}

fn terminate(server: &mut Server, request_id: &str) -> Result<wire::TerminateActivityExecutionResponse, Reject> {
    server.call(
        "TerminateActivityExecution",
        wire::TerminateActivityExecutionRequest {
            namespace: "default".to_owned(),
            activity_id: "a".to_owned(),
            identity: "client".to_owned(),
            request_id: request_id.to_owned(),
            reason: "enough".to_owned(),
            ..Default::default()
        },
    )
}

fn words<T: std::fmt::Debug>(answer: Result<T, Reject>) -> (Code, String) {
    let reject = answer.unwrap_err();
    (reject.code(), reject.message())
}

#[test]
fn a_client_waits_for_the_result_of_an_activity() {
    let mut server = with(start_request("a", "1"));
    let waiting = poll(&mut server);
    assert_eq!(outcome(&mut server, waiting), None);
    let task = server.activity_task(QUEUE).unwrap();
    assert_eq!((task.activity_id.as_str(), task.attempt), ("a", 1));
    assert_eq!(task.input, payloads("input"));
    assert_eq!(task.activity_run_id, info(&mut server).run_id);
    assert_eq!(task.workflow_execution, Some(common::WorkflowExecution::default()));
    assert_eq!(info(&mut server).run_state(), RunState::Started);
    assert!(!server.is_idle());
    assert!(
        server
            .who_waits()
            .contains("activity a (work) waits for its end (attempt 1)")
    );
    server.advance(Duration::from_secs(7));
    complete(&mut server, &task).unwrap();
    assert!(server.is_idle());
    let expected = Some(Value::Result(payloads("done").unwrap()));
    assert_eq!(outcome(&mut server, waiting).unwrap().value, expected);
    let described = describe(&mut server);
    assert_eq!(
        (described.input, described.outcome.unwrap().value),
        (payloads("input"), expected)
    );
    let info = described.info.unwrap();
    assert_eq!(info.status(), Status::Completed);
    assert_eq!(
        (info.execution_duration, info.last_worker_identity.as_str()),
        (seconds(7), "worker")
    );
    assert_eq!(
        words(complete(&mut server, &task)),
        (Code::NotFound, "activity not found for ID: a".to_owned())
    );
}

#[test]
fn a_client_may_wait_for_any_change() {
    let mut server = with(start_request("a", "1"));
    let seen = describe(&mut server);
    let again = wire::DescribeActivityExecutionRequest {
        run_id: seen.run_id.clone(),
        long_poll_token: seen.long_poll_token,
        ..describe_request()
    };
    let waiting = server.send("DescribeActivityExecution", again.clone());
    assert!(
        server
            .answer::<wire::DescribeActivityExecutionResponse>(waiting)
            .is_none()
    );
    let task = server.activity_task(QUEUE).unwrap();
    let changed: wire::DescribeActivityExecutionResponse = server.answer(waiting).unwrap().unwrap();
    assert_eq!(changed.info.unwrap().run_state(), RunState::Started);
    heartbeat(&mut server, &task, payloads("half")).unwrap();
    let at_once: wire::DescribeActivityExecutionResponse = server.call("DescribeActivityExecution", again).unwrap();
    let info = at_once.info.unwrap();
    assert_eq!(
        (info.heartbeat_details, info.total_heartbeat_count),
        (payloads("half"), 1)
    );

    let without_run = wire::DescribeActivityExecutionRequest {
        long_poll_token: b"1:1".to_vec(),
        ..describe_request()
    };
    let answer: Result<wire::DescribeActivityExecutionResponse, Reject> =
        server.call("DescribeActivityExecution", without_run);
    assert_eq!(words(answer).1, "run id is required when long poll token is provided");
    let bad_token = wire::DescribeActivityExecutionRequest {
        run_id: seen.run_id,
        long_poll_token: b"garbage".to_vec(),
        ..describe_request()
    };
    let answer: Result<wire::DescribeActivityExecutionResponse, Reject> =
        server.call("DescribeActivityExecution", bad_token);
    assert_eq!(words(answer).1, "invalid long poll token");
}

#[test]
fn attempts_that_fail_are_tried_again_until_the_policy_ends_them() {
    let mut request = start_request("a", "1");
    request.retry_policy = Some(common::RetryPolicy {
        maximum_attempts: 2,
        ..Default::default()
    });
    let mut server = with(request);
    let task = server.activity_task(QUEUE).unwrap();
    fail(&mut server, &task, application_failure("first")).unwrap();
    let waiting = info(&mut server);
    assert_eq!((waiting.attempt, waiting.current_retry_interval), (2, seconds(1)));
    assert_eq!(waiting.last_failure.unwrap().message, "first");
    assert!(waiting.next_attempt_schedule_time.is_some());
    assert_eq!(server.activity_task(QUEUE), None);
    server.advance(Duration::from_secs(1));
    let task = server.activity_task(QUEUE).unwrap();
    assert_eq!(task.attempt, 2);
    fail(&mut server, &task, application_failure("second")).unwrap();
    let outcome = ended(&mut server);
    assert_eq!(outcome.retry_state(), RetryState::MaximumAttemptsReached);
    assert_eq!(failure(outcome).message, "second");
    assert_eq!(info(&mut server).status(), Status::Failed);
}

#[test]
fn a_failure_without_words_gets_some() {
    let mut request = start_request("a", "1");
    request.retry_policy = Some(common::RetryPolicy {
        maximum_attempts: 1,
        ..Default::default()
    });
    let mut server = with(request);
    let task = server.activity_task(QUEUE).unwrap();
    fail(&mut server, &task, None).unwrap();
    assert_eq!(
        failure(ended(&mut server)).message,
        "activity task failed without failure details"
    );
}

#[test]
fn the_clocks_of_a_standalone_activity() {
    let mut request = start_request("a", "1");
    request.schedule_to_start_timeout = seconds(10);
    let mut server = with(request);
    server.advance(Duration::from_secs(10));
    let outcome = ended(&mut server);
    assert_eq!(outcome.retry_state(), RetryState::Timeout);
    let failure_of = failure(outcome);
    assert_eq!(failure_of.message, "activity ScheduleToStart timeout");
    assert_eq!(
        (timeout_type(&failure_of), failure_of.source.as_str()),
        (TimeoutType::ScheduleToStart, "")
    );
    assert_eq!(server.activity_task(QUEUE), None);

    let mut request = start_request("a", "1");
    request.heartbeat_timeout = seconds(5);
    request.retry_policy = Some(common::RetryPolicy {
        maximum_attempts: 1,
        ..Default::default()
    });
    let mut server = with(request);
    let task = server.activity_task(QUEUE).unwrap();
    server.advance(Duration::from_secs(4));
    heartbeat(&mut server, &task, payloads("half")).unwrap();
    server.advance(Duration::from_secs(4));
    assert_eq!(info(&mut server).status(), Status::Running);
    server.advance(Duration::from_secs(1));
    let failure_of = failure(ended(&mut server));
    assert_eq!(timeout_type(&failure_of), TimeoutType::Heartbeat);
    assert_eq!(info(&mut server).status(), Status::TimedOut);

    let mut request = start_request("a", "1");
    request.schedule_to_close_timeout = seconds(61);
    let mut server = with(request);
    server.activity_task(QUEUE).unwrap();
    server.advance(Duration::from_secs(60));
    let failure_of = failure(ended(&mut server));
    assert_eq!(timeout_type(&failure_of), TimeoutType::ScheduleToClose);
    assert_eq!(
        failure_of.message,
        "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying"
    );
}

#[test]
fn a_start_delay_holds_the_first_task_back() {
    let mut request = start_request("a", "1");
    request.start_delay = seconds(30);
    let mut server = with(request);
    assert_eq!(server.activity_task(QUEUE), None);
    assert!(info(&mut server).next_attempt_schedule_time.is_some());
    server.advance(Duration::from_secs(30));
    let task = server.activity_task(QUEUE).unwrap();
    assert_eq!(
        task.current_attempt_scheduled_time.unwrap().seconds - task.scheduled_time.unwrap().seconds,
        30
    );
}

#[test]
fn an_activity_that_no_worker_has_is_cancelled_at_once() {
    let mut server = with(start_request("a", "1"));
    cancel(&mut server, "c").unwrap();
    let failure_of = failure(ended(&mut server));
    assert_eq!(failure_of.message, "Activity canceled");
    match failure_of.failure_info {
        Some(FailureInfo::CanceledFailureInfo(canceled)) => {
            assert_eq!(canceled.identity, "client");
            assert_eq!(canceled.details.unwrap().payloads[0].data, br#""enough""#);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.activity_task(QUEUE), None);
    cancel(&mut server, "c").expect("the same request may come again");
    assert_eq!(
        words(cancel(&mut server, "d")),
        (
            Code::FailedPrecondition,
            "activity is in terminal state Canceled".to_owned()
        )
    );
}

#[test]
fn a_worker_hears_by_its_heartbeat_that_it_should_stop() {
    let mut server = with(start_request("a", "1"));
    let task = server.activity_task(QUEUE).unwrap();
    assert!(!heartbeat(&mut server, &task, None).unwrap().cancel_requested);
    let canceled = wire::RespondActivityTaskCanceledRequest {
        task_token: task.task_token.clone(),
        namespace: "default".to_owned(),
        details: payloads("stopped"),
        ..Default::default()
    };
    let too_early: Result<wire::RespondActivityTaskCanceledResponse, Reject> =
        server.call("RespondActivityTaskCanceled", canceled.clone());
    assert_eq!(words(too_early).0, Code::InvalidArgument);
    cancel(&mut server, "c").unwrap();
    assert_eq!(
        words(cancel(&mut server, "d")).1,
        "cancellation already requested with request ID c"
    );
    let running = info(&mut server);
    assert_eq!(
        (running.run_state(), running.canceled_reason.as_str()),
        (RunState::CancelRequested, "enough")
    );
    assert!(heartbeat(&mut server, &task, None).unwrap().cancel_requested);
    let _: wire::RespondActivityTaskCanceledResponse = server.call("RespondActivityTaskCanceled", canceled).unwrap();
    assert_eq!(info(&mut server).status(), Status::Canceled);
}

#[test]
fn a_terminated_activity_ends_at_once() {
    let mut server = with(start_request("a", "1"));
    let task = server.activity_task(QUEUE).unwrap();
    terminate(&mut server, "t").unwrap();
    let failure_of = failure(ended(&mut server));
    assert_eq!(failure_of.message, "enough");
    assert!(matches!(
        failure_of.failure_info,
        Some(FailureInfo::TerminatedFailureInfo(_))
    ));
    assert_eq!(info(&mut server).status(), Status::Terminated);
    assert_eq!(words(complete(&mut server, &task)).0, Code::NotFound);
    terminate(&mut server, "t").expect("the same request may come again");
    assert_eq!(
        words(terminate(&mut server, "u")),
        (
            Code::FailedPrecondition,
            "already terminated with request ID t".to_owned()
        )
    );
}

#[test]
fn an_activity_by_its_id_alone() {
    let mut server = with(start_request("a", "1"));
    let request = wire::RespondActivityTaskCompletedByIdRequest {
        namespace: "default".to_owned(),
        activity_id: "a".to_owned(),
        identity: "client".to_owned(),
        result: payloads("from elsewhere"),
        ..Default::default()
    };
    let _: wire::RespondActivityTaskCompletedByIdResponse =
        server.call("RespondActivityTaskCompletedById", request).unwrap();
    let expected = Some(Value::Result(payloads("from elsewhere").unwrap()));
    assert_eq!(ended(&mut server).value, expected);
    assert_eq!(server.activity_task(QUEUE), None, "its task is gone from the queue");
}

#[test]
fn an_id_that_is_taken() {
    let mut server = with(start_request("a", "1"));
    let run_id = info(&mut server).run_id;
    let again = start(&mut server, start_request("a", "1")).unwrap();
    assert_eq!((again.started, &again.run_id), (false, &run_id), "the same request");
    let reject = start(&mut server, start_request("a", "2")).unwrap_err();
    assert_eq!(
        (reject.code(), reject.message().as_str()),
        (Code::AlreadyExists, "activity execution already started")
    );
    assert!(!reject.details().is_empty());
    let mut use_existing = start_request("a", "2");
    use_existing.id_conflict_policy = Conflict::UseExisting as i32;
    let existing = start(&mut server, use_existing).unwrap();
    assert_eq!((existing.started, &existing.run_id), (false, &run_id));

    let task = server.activity_task(QUEUE).unwrap();
    complete(&mut server, &task).unwrap();
    let reuse = |policy: Reuse| {
        let mut request = start_request("a", "3");
        request.id_reuse_policy = policy as i32;
        request
    };
    assert!(start(&mut server, reuse(Reuse::RejectDuplicate)).is_err());
    assert!(start(&mut server, reuse(Reuse::AllowDuplicateFailedOnly)).is_err());
    let anew = start(&mut server, reuse(Reuse::AllowDuplicate)).unwrap();
    assert!(anew.started && anew.run_id != run_id);
    let old = wire::DescribeActivityExecutionRequest {
        run_id: run_id.clone(),
        ..describe_request()
    };
    let old: wire::DescribeActivityExecutionResponse = server.call("DescribeActivityExecution", old).unwrap();
    assert_eq!(old.run_id, run_id);
}

#[test]
fn a_deleted_activity_is_not_found() {
    let mut server = with(start_request("a", "1"));
    let waiting = poll(&mut server);
    let delete = wire::DeleteActivityExecutionRequest {
        namespace: "default".to_owned(),
        activity_id: "a".to_owned(),
        run_id: String::new(),
    };
    let _: wire::DeleteActivityExecutionResponse = server.call("DeleteActivityExecution", delete).unwrap();
    assert!(server.answer::<wire::PollActivityExecutionResponse>(waiting).is_some());
    let answer: Result<wire::DescribeActivityExecutionResponse, Reject> =
        server.call("DescribeActivityExecution", describe_request());
    assert_eq!(
        words(answer),
        (Code::NotFound, "activity not found for ID: a".to_owned())
    );
    assert_eq!(server.activity_task(QUEUE), None);
}

#[test]
fn bad_requests_are_refused_in_temporal_s_words() {
    let mut server = Server::new();
    let mut refused = |change: fn(&mut wire::StartActivityExecutionRequest)| {
        let mut request = start_request("a", "1");
        change(&mut request);
        words(start(&mut server, request)).1
    };
    assert_eq!(refused(|it| it.activity_id.clear()), "activityId is not set");
    assert_eq!(refused(|it| it.task_queue = None), "taskQueue is not set");
    assert_eq!(
        refused(|it| it.start_to_close_timeout = None),
        "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. ActivityId=a \
         ActivityType=work"
    );
    assert_eq!(
        refused(|it| it.start_delay = Some(prost_types::Duration { seconds: -1, nanos: 0 })),
        "invalid StartDelay: negative duration"
    );
    assert_eq!(
        refused(|it| it.completion_callbacks = vec![common::Callback::default()]),
        "completion callbacks are not enabled for this namespace"
    );
    let describe = wire::DescribeActivityExecutionRequest {
        run_id: "no uuid".to_owned(),
        ..describe_request()
    };
    let answer: Result<wire::DescribeActivityExecutionResponse, Reject> =
        server.call("DescribeActivityExecution", describe);
    assert_eq!(words(answer).1, "invalid run id: must be a valid UUID");
    let pause = wire::PauseActivityExecutionRequest {
        namespace: "default".to_owned(),
        activity_id: "a".to_owned(),
        ..Default::default()
    };
    let answer: Result<wire::PauseActivityExecutionResponse, Reject> = server.call("PauseActivityExecution", pause);
    assert_eq!(
        words(answer),
        (
            Code::Unimplemented,
            "Standalone activity operator commands are disabled".to_owned()
        )
    );
}

#[test]
fn an_operation_with_a_workflow_id_is_for_the_workflow_s_activity() {
    let mut server = super::activity_wire::with(super::activity_wire::activity("a"));
    let pause = wire::PauseActivityExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        activity_id: "a".to_owned(),
        ..Default::default()
    };
    let _: wire::PauseActivityExecutionResponse = server.call("PauseActivityExecution", pause).unwrap();
    assert!(super::activity_wire::pending(&mut server)[0].paused);
    let unpause = wire::UnpauseActivityExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        activity_id: "a".to_owned(),
        ..Default::default()
    };
    let _: wire::UnpauseActivityExecutionResponse = server.call("UnpauseActivityExecution", unpause).unwrap();
    assert!(server.activity_task(QUEUE).is_some());
}
