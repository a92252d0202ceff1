//! Activities on the wire: what their workers and other clients are answered, and what the server keeps.

use std::time::Duration;

use awaithumans_testkit::Reject;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Command;
use temporalio_common::protos::temporal::api::command::v1::{
    RequestCancelActivityTaskCommandAttributes, ScheduleActivityTaskCommandAttributes,
};
use temporalio_common::protos::temporal::api::common::v1 as common;
use temporalio_common::protos::temporal::api::enums::v1::{
    EventType, PendingActivityState as Pending, RetryState, TimeoutType,
};
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::workflow::v1::PendingActivityInfo;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;

use super::wire_server::{QUEUE, Server, execution, payloads, queue, seconds};

/// The command for an activity of type `work` that an attempt has a minute for.
pub(super) fn activity(activity_id: &str) -> ScheduleActivityTaskCommandAttributes {
    ScheduleActivityTaskCommandAttributes {
        activity_id: activity_id.to_owned(),
        activity_type: Some(common::ActivityType {
            name: "work".to_owned(),
        }),
        task_queue: queue(QUEUE),
        start_to_close_timeout: seconds(60),
        ..Default::default()
    }
}

/// A workflow `w` with this one activity.
pub(super) fn with(activity: ScheduleActivityTaskCommandAttributes) -> Server {
    let mut server = Server::new();
    server.workflow("w", vec![Command::ScheduleActivityTaskCommandAttributes(activity)]);
    server
}

/// The pending activities of workflow `w`.
pub(super) fn pending(server: &mut Server) -> Vec<PendingActivityInfo> {
    let request = wire::DescribeWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        execution: execution("w"),
    };
    let described: wire::DescribeWorkflowExecutionResponse = server.call("DescribeWorkflowExecution", request).unwrap();
    described.pending_activities
}

pub(super) fn application_failure(message: &str) -> Option<Failure> {
    Some(Failure {
        message: message.to_owned(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo::default())),
        ..Default::default()
    })
}

pub(super) fn fail(
    server: &mut Server,
    task: &wire::PollActivityTaskQueueResponse,
    failure: Option<Failure>,
) -> Result<wire::RespondActivityTaskFailedResponse, Reject> {
    server.call(
        "RespondActivityTaskFailed",
        wire::RespondActivityTaskFailedRequest {
            task_token: task.task_token.clone(),
            namespace: "default".to_owned(),
            identity: "worker".to_owned(),
            failure,
            ..Default::default()
        },
    )
}

pub(super) fn complete(
    server: &mut Server,
    task: &wire::PollActivityTaskQueueResponse,
) -> Result<wire::RespondActivityTaskCompletedResponse, Reject> {
    server.call(
        "RespondActivityTaskCompleted",
        wire::RespondActivityTaskCompletedRequest {
            task_token: task.task_token.clone(),
            namespace: "default".to_owned(),
            identity: "worker".to_owned(),
            result: payloads("done"),
            ..Default::default()
        },
    )
}

pub(super) fn heartbeat(
    server: &mut Server,
    task: &wire::PollActivityTaskQueueResponse,
    details: Option<common::Payloads>,
) -> Result<wire::RecordActivityTaskHeartbeatResponse, Reject> {
    server.call(
        "RecordActivityTaskHeartbeat",
        wire::RecordActivityTaskHeartbeatRequest {
            task_token: task.task_token.clone(),
            namespace: "default".to_owned(),
            identity: "worker".to_owned(),
            details,
            ..Default::default()
        },
    )
}

/// The last events' types.
fn last_types(server: &Server, count: usize) -> Vec<EventType> {
    let events = server.events("w");
    let first = events.len() - count;
    events[first..].iter().map(|event| event.event_type()).collect()
}

fn timed_out(server: &Server) -> (TimeoutType, RetryState) {
    let last = server
        .events("w")
        .into_iter()
        .find_map(|event| match event.attributes {
            Some(Attributes::ActivityTaskTimedOutEventAttributes(it)) => Some(it),
            _ => None,
        })
        .expect("it timed out");
    let retry_state = last.retry_state();
    match last.failure.unwrap().failure_info {
        Some(FailureInfo::TimeoutFailureInfo(info)) => (info.timeout_type(), retry_state),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_worker_may_take_its_activity_with_the_answer_to_the_workflow_task() {
    let mut server = Server::new();
    let eager = ScheduleActivityTaskCommandAttributes {
        request_eager_execution: true,
        ..activity("eager")
    };
    let answer = server.workflow(
        "w",
        vec![
            Command::ScheduleActivityTaskCommandAttributes(eager),
            Command::ScheduleActivityTaskCommandAttributes(activity("patient")),
        ],
    );
    assert_eq!(answer.activity_tasks.len(), 1);
    let task = &answer.activity_tasks[0];
    assert_eq!((task.activity_id.as_str(), task.attempt), ("eager", 1));
    assert_eq!(task.workflow_execution.as_ref().unwrap().workflow_id, "w");
    assert_eq!(task.started_time, task.scheduled_time);
    let states: Vec<_> = pending(&mut server).iter().map(PendingActivityInfo::state).collect();
    assert_eq!(states, [Pending::Started, Pending::Scheduled]);
    let queued = server.activity_task(QUEUE).unwrap();
    assert_eq!(queued.activity_id, "patient");
    assert_eq!(server.activity_task(QUEUE), None, "the eager one is on no queue");
    complete(&mut server, task).unwrap();
    assert_eq!(
        last_types(&server, 3),
        [
            EventType::ActivityTaskStarted,
            EventType::ActivityTaskCompleted,
            EventType::WorkflowTaskScheduled
        ]
    );
}

#[test]
fn an_eager_activity_of_a_workflow_that_ends_at_once_is_given_to_nobody() {
    let mut server = Server::new();
    let eager = ScheduleActivityTaskCommandAttributes {
        request_eager_execution: true,
        ..activity("eager")
    };
    let answer = server.workflow(
        "w",
        vec![
            Command::ScheduleActivityTaskCommandAttributes(eager),
            Command::CompleteWorkflowExecutionCommandAttributes(Default::default()),
        ],
    );
    assert_eq!(answer.activity_tasks, []);
    assert_eq!(server.activity_task(QUEUE), None);
}

#[test]
fn the_started_event_has_the_time_and_the_attempt_of_the_start() {
    let mut server = with(activity("a"));
    server.advance(Duration::from_secs(5));
    let task = server.activity_task(QUEUE).unwrap();
    let started_at = task.started_time;
    server.advance(Duration::from_secs(7));
    complete(&mut server, &task).unwrap();
    let events = server.events("w");
    let started = &events[events.len() - 3];
    assert_eq!(started.event_type(), EventType::ActivityTaskStarted);
    assert_eq!(started.event_time, started_at);
    let completed = &events[events.len() - 2];
    let moment =
        |event: &temporalio_common::protos::temporal::api::history::v1::HistoryEvent| event.event_time.unwrap().seconds;
    assert_eq!(moment(completed) - moment(started), 7);
}

#[test]
fn a_wait_for_the_next_attempt_is_described() {
    let mut server = with(activity("a"));
    let task = server.activity_task(QUEUE).unwrap();
    server.advance(Duration::from_secs(3));
    fail(&mut server, &task, application_failure("flaky")).unwrap();
    let info = pending(&mut server).remove(0);
    assert_eq!((info.state(), info.attempt), (Pending::Scheduled, 2));
    assert_eq!(info.current_retry_interval, seconds(1));
    let next = info.next_attempt_schedule_time.unwrap();
    assert_eq!(next.seconds - info.last_attempt_complete_time.unwrap().seconds, 1);
    assert_eq!(info.scheduled_time, Some(next));
    assert_eq!(info.last_started_time, None);
    assert_eq!(info.last_worker_identity, "worker");
    assert_eq!(info.last_failure.unwrap().message, "flaky");
    let options = info.activity_options.unwrap();
    assert_eq!(options.task_queue.unwrap().normal_name, QUEUE);
    assert_eq!(options.retry_policy.unwrap().initial_interval, seconds(1));
    server.advance(Duration::from_secs(1));
    let info = pending(&mut server).remove(0);
    assert_eq!(
        (info.next_attempt_schedule_time, info.current_retry_interval),
        (None, None)
    );
}

#[test]
fn a_failure_that_is_kept_for_the_next_attempt_is_cut() {
    let mut server = with(activity("a"));
    let task = server.activity_task(QUEUE).unwrap();
    fail(&mut server, &task, application_failure(&"x".repeat(10_000))).unwrap();
    let kept = pending(&mut server).remove(0).last_failure.unwrap();
    assert_eq!(kept.message, "Failure exceeds size limit.");
    let cause = kept.cause.unwrap();
    assert!(
        cause.message.len() <= 4_096 && cause.message.len() > 4_000,
        "{}",
        cause.message.len()
    );
}

#[test]
fn an_activity_without_a_worker_times_out_before_it_starts() {
    let mut server = with(ScheduleActivityTaskCommandAttributes {
        schedule_to_close_timeout: seconds(20),
        start_to_close_timeout: None,
        ..activity("a")
    });
    server.advance(Duration::from_secs(20));
    assert_eq!(timed_out(&server), (TimeoutType::ScheduleToStart, RetryState::Timeout));
}

/// The workflow asks its activity, which a worker has, to stop.
fn request_cancel(server: &mut Server) {
    let signal = wire::SignalWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("w"),
        signal_name: "go".to_owned(),
        ..Default::default()
    };
    let _: wire::SignalWorkflowExecutionResponse = server.call("SignalWorkflowExecution", signal).unwrap();
    let task = server.workflow_task().unwrap();
    let cancel = RequestCancelActivityTaskCommandAttributes { scheduled_event_id: 5 };
    server
        .complete(&task, vec![Command::RequestCancelActivityTaskCommandAttributes(cancel)])
        .unwrap();
    assert_eq!(pending(server)[0].state(), Pending::CancelRequested);
}

fn canceled(
    server: &mut Server,
    task: &wire::PollActivityTaskQueueResponse,
) -> Result<wire::RespondActivityTaskCanceledResponse, Reject> {
    server.call(
        "RespondActivityTaskCanceled",
        wire::RespondActivityTaskCanceledRequest {
            task_token: task.task_token.clone(),
            namespace: "default".to_owned(),
            identity: "worker".to_owned(),
            details: payloads("stopped"),
            ..Default::default()
        },
    )
}

#[test]
fn a_worker_hears_of_a_cancellation_by_its_heartbeat_and_stops() {
    let mut server = with(activity("a"));
    let task = server.activity_task(QUEUE).unwrap();
    let reject = canceled(&mut server, &task).unwrap_err();
    assert_eq!(
        (reject.code(), reject.message().as_str()),
        (
            Code::InvalidArgument,
            "unable to mark activity as canceled without activity being request canceled first"
        )
    );
    assert!(!heartbeat(&mut server, &task, None).unwrap().cancel_requested);
    request_cancel(&mut server);
    assert!(heartbeat(&mut server, &task, None).unwrap().cancel_requested);
    canceled(&mut server, &task).unwrap();
    let events = server.events("w");
    let requested = &events[events.len() - 4];
    assert_eq!(requested.event_type(), EventType::ActivityTaskCancelRequested);
    assert_eq!(events[events.len() - 3].event_type(), EventType::ActivityTaskStarted);
    match &events[events.len() - 2].attributes {
        Some(Attributes::ActivityTaskCanceledEventAttributes(canceled)) => {
            assert_eq!(canceled.latest_cancel_requested_event_id, requested.event_id);
            assert_eq!(canceled.started_event_id, requested.event_id + 1);
            assert_eq!(canceled.details, payloads("stopped"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cancelled_activity_is_not_tried_again() {
    let mut server = with(activity("a"));
    let task = server.activity_task(QUEUE).unwrap();
    request_cancel(&mut server);
    fail(&mut server, &task, application_failure("flaky")).unwrap();
    let failed = server.events("w").into_iter().find_map(|event| match event.attributes {
        Some(Attributes::ActivityTaskFailedEventAttributes(it)) => Some(it),
        _ => None,
    });
    assert_eq!(failed.unwrap().retry_state(), RetryState::CancelRequested);
}

#[test]
fn a_cancelled_activity_that_times_out_says_so() {
    let mut server = with(activity("a"));
    let _task = server.activity_task(QUEUE).unwrap();
    request_cancel(&mut server);
    server.advance(Duration::from_secs(60));
    assert_eq!(
        timed_out(&server),
        (TimeoutType::StartToClose, RetryState::CancelRequested)
    );
}

#[test]
fn a_heartbeat_that_is_too_large_ends_the_activity() {
    let mut server = with(activity("a"));
    let task = server.activity_task(QUEUE).unwrap();
    let answer = heartbeat(&mut server, &task, payloads(&"x".repeat(2 * 1024 * 1024))).unwrap();
    assert!(answer.cancel_requested);
    let failed = server.events("w").into_iter().find_map(|event| match event.attributes {
        Some(Attributes::ActivityTaskFailedEventAttributes(it)) => Some(it),
        _ => None,
    });
    let failed = failed.unwrap();
    assert_eq!(failed.retry_state(), RetryState::NonRetryableFailure);
    assert_eq!(failed.failure.unwrap().message, "Heartbeat details exceed size limit.");
}

#[test]
fn what_is_too_large_in_a_failure_is_left_out_and_its_worker_hears_of_it() {
    let mut server = with(activity("a"));
    let task = server.activity_task(QUEUE).unwrap();
    let answer: wire::RespondActivityTaskFailedResponse = server
        .call(
            "RespondActivityTaskFailed",
            wire::RespondActivityTaskFailedRequest {
                task_token: task.task_token,
                namespace: "default".to_owned(),
                failure: application_failure("flaky"),
                last_heartbeat_details: payloads(&"x".repeat(2 * 1024 * 1024)),
                ..Default::default()
            },
        )
        .unwrap();
    assert_eq!(answer.failures.len(), 1);
    assert_eq!(answer.failures[0].message, "Heartbeat details exceed size limit.");
    let info = pending(&mut server).remove(0);
    assert_eq!((info.attempt, info.heartbeat_details), (2, None));
}

#[test]
fn a_failed_attempt_may_say_nothing_but_not_something_else() {
    let mut server = with(activity("a"));
    let task = server.activity_task(QUEUE).unwrap();
    let odd = Failure {
        failure_info: Some(FailureInfo::CanceledFailureInfo(Default::default())),
        ..Default::default()
    };
    let reject = fail(&mut server, &task, Some(odd)).unwrap_err();
    assert_eq!(
        (reject.code(), reject.message().as_str()),
        (Code::InvalidArgument, "Failure must have ApplicationFailureInfo.")
    );
    fail(&mut server, &task, None).unwrap();
    assert_eq!(pending(&mut server)[0].attempt, 2, "no failure at all is tried again");
}

#[test]
fn tokens_are_refused_in_temporal_s_words() {
    let mut server = with(activity("a"));
    let mut task = server.activity_task(QUEUE).unwrap();
    complete(&mut server, &task).unwrap();
    let reject = complete(&mut server, &task).unwrap_err();
    assert_eq!(
        (reject.code(), reject.message().as_str()),
        (
            Code::NotFound,
            "invalid activityID or activity already timed out or invoking workflow is completed"
        )
    );
    task.task_token = b"garbage".to_vec();
    let reject = complete(&mut server, &task).unwrap_err();
    assert_eq!(reject.message(), "Error deserializing task token.");
    task.task_token.clear();
    let reject = complete(&mut server, &task).unwrap_err();
    assert_eq!(
        (reject.code(), reject.message().as_str()),
        (Code::InvalidArgument, "Task token not set on request.")
    );
}

#[test]
fn a_token_is_for_its_own_namespace() {
    let mut server = with(activity("a"));
    let register = wire::RegisterNamespaceRequest {
        namespace: "other".to_owned(),
        workflow_execution_retention_period: seconds(86_400),
        ..Default::default()
    };
    let _: wire::RegisterNamespaceResponse = server.call("RegisterNamespace", register).unwrap();
    let task = server.activity_task(QUEUE).unwrap();
    let beat = |namespace: &str| wire::RecordActivityTaskHeartbeatRequest {
        task_token: task.task_token.clone(),
        namespace: namespace.to_owned(),
        ..Default::default()
    };
    let answer: Result<wire::RecordActivityTaskHeartbeatResponse, Reject> =
        server.call("RecordActivityTaskHeartbeat", beat("other"));
    assert_eq!(
        answer.unwrap_err().message(),
        "Operation requested with a token from a different namespace."
    );
    let answer: Result<wire::RecordActivityTaskHeartbeatResponse, Reject> =
        server.call("RecordActivityTaskHeartbeat", beat(""));
    assert!(answer.is_ok());
}

fn completed_by_id(server: &mut Server, activity_id: &str) -> Result<(), Reject> {
    let request = wire::RespondActivityTaskCompletedByIdRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        activity_id: activity_id.to_owned(),
        identity: "client".to_owned(),
        ..Default::default()
    };
    let answer: Result<wire::RespondActivityTaskCompletedByIdResponse, Reject> =
        server.call("RespondActivityTaskCompletedById", request);
    answer.map(|_| ())
}

#[test]
fn a_client_may_complete_by_id_what_no_worker_has_taken() {
    let mut server = with(activity("a"));
    let reject = completed_by_id(&mut server, "b").unwrap_err();
    assert_eq!(
        (reject.code(), reject.message().as_str()),
        (
            Code::NotFound,
            "cannot find pending activity with ActivityID b, check workflow execution history for more details"
        )
    );
    let beat = wire::RecordActivityTaskHeartbeatByIdRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        activity_id: "a".to_owned(),
        ..Default::default()
    };
    let answer: Result<wire::RecordActivityTaskHeartbeatByIdResponse, Reject> =
        server.call("RecordActivityTaskHeartbeatById", beat);
    assert_eq!(
        answer.unwrap_err().code(),
        Code::NotFound,
        "nobody has it, so nobody beats"
    );
    completed_by_id(&mut server, "a").unwrap();
    let events = server.events("w");
    match &events[events.len() - 3].attributes {
        Some(Attributes::ActivityTaskStartedEventAttributes(started)) => {
            assert_eq!((started.identity.as_str(), started.request_id.as_str()), ("client", ""));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.activity_task(QUEUE), None, "the task is gone from its queue");
}

#[test]
fn commands_for_bad_activities_fail_the_workflow_task_in_temporal_s_words() {
    let without_queue = ScheduleActivityTaskCommandAttributes {
        task_queue: queue(""),
        ..activity("a")
    };
    let without_time = ScheduleActivityTaskCommandAttributes {
        start_to_close_timeout: None,
        ..activity("a")
    };
    for (command, words) in [
        (without_queue, "missing task queue name"),
        (activity(""), "activityId is not set"),
        (
            without_time,
            "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. ActivityId=a \
             ActivityType=work",
        ),
    ] {
        let mut server = Server::new();
        server.workflow("w", Vec::new());
        let signal = wire::SignalWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: execution("w"),
            signal_name: "go".to_owned(),
            ..Default::default()
        };
        let _: wire::SignalWorkflowExecutionResponse = server.call("SignalWorkflowExecution", signal).unwrap();
        let task = server.workflow_task().unwrap();
        let reject = server
            .complete(&task, vec![Command::ScheduleActivityTaskCommandAttributes(command)])
            .unwrap_err();
        assert_eq!(reject.message(), format!("BadScheduleActivityAttributes: {words}"));
    }
}
