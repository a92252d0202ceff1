//! Operations on activities: pause, let go on, reset, change the options.

use std::time::Duration;

use awaithumans_testkit::Reject;
use temporalio_common::protos::temporal::api::activity::v1::ActivityOptions;
use temporalio_common::protos::temporal::api::command::v1::ScheduleActivityTaskCommandAttributes;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Command;
use temporalio_common::protos::temporal::api::common::v1::RetryPolicy;
use temporalio_common::protos::temporal::api::enums::v1::PendingActivityState as Pending;
use temporalio_common::protos::temporal::api::workflow::v1::pending_activity_info::pause_info::PausedBy;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use temporalio_common::protos::temporal::api::workflowservice::v1::pause_activity_request::Activity as ToPause;
use temporalio_common::protos::temporal::api::workflowservice::v1::reset_activity_request::Activity as ToReset;
use temporalio_common::protos::temporal::api::workflowservice::v1::unpause_activity_request::Activity as ToUnpause;
use temporalio_common::protos::temporal::api::workflowservice::v1::update_activity_options_request::Activity as ToUpdate;
use tonic::Code;

use super::activity_wire::{activity, application_failure, complete, fail, heartbeat, pending, with};
use super::wire_server::{QUEUE, Server, execution, payloads, queue, seconds};

fn pause_request(request_id: &str) -> wire::PauseActivityRequest {
    wire::PauseActivityRequest {
        namespace: "default".to_owned(),
        execution: execution("w"),
        identity: "operator".to_owned(),
        activity: Some(ToPause::Id("a".to_owned())),
        reason: "lunch".to_owned(),
        request_id: request_id.to_owned(),
    }
}

fn pause(server: &mut Server, request: wire::PauseActivityRequest) -> Result<wire::PauseActivityResponse, Reject> {
    server.call("PauseActivity", request)
}

fn unpause_request() -> wire::UnpauseActivityRequest {
    wire::UnpauseActivityRequest {
        namespace: "default".to_owned(),
        execution: execution("w"),
        activity: Some(ToUnpause::Id("a".to_owned())),
        ..Default::default()
    }
}

fn unpause(server: &mut Server, request: wire::UnpauseActivityRequest) {
    let _: wire::UnpauseActivityResponse = server.call("UnpauseActivity", request).unwrap();
}

fn reset_request() -> wire::ResetActivityRequest {
    wire::ResetActivityRequest {
        namespace: "default".to_owned(),
        execution: execution("w"),
        activity: Some(ToReset::Id("a".to_owned())),
        ..Default::default()
    }
}

fn reset(server: &mut Server, request: wire::ResetActivityRequest) {
    let _: wire::ResetActivityResponse = server.call("ResetActivity", request).unwrap();
}

fn update_request(options: ActivityOptions, paths: &[&str]) -> wire::UpdateActivityOptionsRequest {
    wire::UpdateActivityOptionsRequest {
        namespace: "default".to_owned(),
        execution: execution("w"),
        activity: Some(ToUpdate::Id("a".to_owned())),
        activity_options: Some(options),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
        ..Default::default()
    }
}

fn update(server: &mut Server, request: wire::UpdateActivityOptionsRequest) -> Result<ActivityOptions, Reject> {
    let answer: Result<wire::UpdateActivityOptionsResponse, Reject> = server.call("UpdateActivityOptions", request);
    answer.map(|answer| answer.activity_options.unwrap())
}

/// What is said to be paused in the search attributes of workflow `w`.
fn pause_info(server: &mut Server) -> Option<String> {
    let request = wire::DescribeWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        execution: execution("w"),
    };
    let described: wire::DescribeWorkflowExecutionResponse = server.call("DescribeWorkflowExecution", request).unwrap();
    let attributes = described.workflow_execution_info.unwrap().search_attributes.unwrap();
    let payload = attributes.indexed_fields.get("TemporalPauseInfo")?;
    Some(String::from_utf8_lossy(&payload.data).into_owned())
}

#[test]
fn a_paused_activity_is_given_to_nobody_until_it_goes_on() {
    let mut server = with(ScheduleActivityTaskCommandAttributes {
        schedule_to_close_timeout: seconds(120),
        ..activity("a")
    });
    pause(&mut server, pause_request("1")).unwrap();
    assert_eq!(server.activity_task(QUEUE), None);
    let info = pending(&mut server).remove(0);
    assert_eq!((info.state(), info.paused), (Pending::Paused, true));
    match info.pause_info.unwrap().paused_by {
        Some(PausedBy::Manual(manual)) => {
            assert_eq!(
                (manual.identity.as_str(), manual.reason.as_str()),
                ("operator", "lunch")
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(pause_info(&mut server).unwrap(), r#"["property:activityType=work"]"#);

    server.advance(Duration::from_secs(100));
    unpause(&mut server, unpause_request());
    assert_eq!(pause_info(&mut server), None);
    let task = server.activity_task(QUEUE).unwrap();
    assert_eq!(task.attempt, 1);
    assert_eq!(task.current_attempt_scheduled_time, task.started_time);
    complete(&mut server, &task).unwrap();
}

#[test]
fn a_paused_activity_holds_nobody_up() {
    let mut server = with(activity("a"));
    assert!(!server.is_parked("w"));
    pause(&mut server, pause_request("1")).unwrap();
    assert!(server.is_parked("w") && server.is_idle());
    let report = server.who_waits();
    assert!(report.contains("activity work (attempt 1, paused)"), "{report}");
    assert!(!report.contains("task queue"), "no task waits: {report}");
}

#[test]
fn an_attempt_that_was_reset_frees_its_worker_with_its_report() {
    let mut server = with(activity("a"));
    let task = server.activity_task(QUEUE).unwrap();
    fail(&mut server, &task, application_failure("flaky")).unwrap();
    server.advance(Duration::from_secs(1));
    let task = server.activity_task(QUEUE).unwrap();
    assert!(!server.is_idle());
    reset(&mut server, reset_request());
    let reject = complete(&mut server, &task).unwrap_err();
    assert_eq!(
        reject.code(),
        Code::NotFound,
        "it was attempt 2, and now it is attempt 1"
    );
    assert!(server.is_idle());
}

#[test]
fn no_clock_runs_while_an_activity_is_paused_and_all_are_due_afterwards() {
    let mut server = with(activity("a"));
    let task = server.activity_task(QUEUE).unwrap();
    pause(&mut server, pause_request("1")).unwrap();
    assert_eq!(pending(&mut server)[0].state(), Pending::PauseRequested);
    assert!(heartbeat(&mut server, &task, None).unwrap().activity_paused);
    server.advance(Duration::from_secs(3_600));
    assert_eq!(pending(&mut server)[0].attempt, 1, "its minute is long over");
    unpause(&mut server, unpause_request());
    server.advance(Duration::ZERO);
    let info = pending(&mut server).remove(0);
    assert_eq!((info.state(), info.attempt), (Pending::Scheduled, 2));
    assert_eq!(info.last_failure.unwrap().message, "activity StartToClose timeout");
}

#[test]
fn an_attempt_that_fails_while_it_is_paused_is_the_last_until_it_goes_on() {
    let mut server = with(ScheduleActivityTaskCommandAttributes {
        retry_policy: Some(RetryPolicy {
            maximum_attempts: 1,
            ..Default::default()
        }),
        ..activity("a")
    });
    let task = server.activity_task(QUEUE).unwrap();
    pause(&mut server, pause_request("1")).unwrap();
    fail(&mut server, &task, application_failure("flaky")).unwrap();
    let info = pending(&mut server).remove(0);
    assert_eq!((info.state(), info.attempt), (Pending::Paused, 2));
    assert_eq!(info.last_failure.unwrap().message, "flaky");
    assert_eq!(info.next_attempt_schedule_time, None);
    server.advance(Duration::from_secs(60));
    assert_eq!(server.activity_task(QUEUE), None);
    let from_anew = wire::UnpauseActivityRequest {
        reset_attempts: true,
        ..unpause_request()
    };
    unpause(&mut server, from_anew);
    assert_eq!(server.activity_task(QUEUE).unwrap().attempt, 1);
}

#[test]
fn an_activity_goes_on_within_its_jitter() {
    let mut server = with(activity("a"));
    pause(&mut server, pause_request("1")).unwrap();
    let slowly = wire::UnpauseActivityRequest {
        jitter: seconds(30),
        ..unpause_request()
    };
    unpause(&mut server, slowly);
    let info = pending(&mut server).remove(0);
    assert_eq!(info.state(), Pending::Scheduled);
    assert!(info.next_attempt_schedule_time.is_some(), "this seed doesn't draw zero");
    server.advance(Duration::from_secs(30));
    assert!(server.activity_task(QUEUE).is_some());
}

#[test]
fn pauses_are_refused_in_temporal_s_words() {
    let mut server = with(activity("a"));
    let words = |answer: Result<wire::PauseActivityResponse, Reject>| {
        let reject = answer.unwrap_err();
        (reject.code(), reject.message())
    };
    let mut request = pause_request("1");
    request.activity = Some(ToPause::Id("b".to_owned()));
    assert_eq!(
        words(pause(&mut server, request)),
        (
            Code::NotFound,
            "Can't find pending activity with such ID. Invalid activityID or activity already completed".to_owned()
        )
    );
    let mut request = pause_request("1");
    request.activity = None;
    assert_eq!(
        words(pause(&mut server, request)),
        (
            Code::InvalidArgument,
            "Either Activity.Id or Activity.Type should be set on request.".to_owned()
        )
    );
    let mut request = pause_request("1");
    request.execution = None;
    assert_eq!(
        words(pause(&mut server, request)),
        (Code::InvalidArgument, "WorkflowId is not set on request.".to_owned())
    );
    pause(&mut server, pause_request("1")).unwrap();
    pause(&mut server, pause_request("1")).expect("the same request may come again");
    assert_eq!(
        words(pause(&mut server, pause_request("2"))),
        (Code::FailedPrecondition, "activity is already paused".to_owned())
    );
}

#[test]
fn a_pause_by_type_is_for_all_or_for_none() {
    let mut server = Server::new();
    let commands = ["a", "b"].map(|id| Command::ScheduleActivityTaskCommandAttributes(activity(id)));
    server.workflow("w", commands.into());
    pause(&mut server, pause_request("1")).unwrap();
    let by_type = |request_id: &str| wire::PauseActivityRequest {
        activity: Some(ToPause::Type("work".to_owned())),
        ..pause_request(request_id)
    };
    let reject = pause(&mut server, by_type("2")).unwrap_err();
    assert_eq!(reject.code(), Code::FailedPrecondition);
    let paused = |server: &mut Server| pending(server).iter().map(|info| info.paused).collect::<Vec<_>>();
    assert_eq!(paused(&mut server), [true, false]);
    pause(&mut server, by_type("1")).unwrap();
    assert_eq!(paused(&mut server), [true, true]);
    let all = wire::UnpauseActivityRequest {
        activity: Some(ToUnpause::UnpauseAll(true)),
        ..unpause_request()
    };
    unpause(&mut server, all);
    assert_eq!(paused(&mut server), [false, false]);
}

#[test]
fn a_reset_ends_the_wait_for_the_next_attempt() {
    let mut server = with(activity("a"));
    let task = server.activity_task(QUEUE).unwrap();
    heartbeat(&mut server, &task, payloads("half")).unwrap();
    fail(&mut server, &task, application_failure("flaky")).unwrap();
    assert_eq!(server.activity_task(QUEUE), None);
    reset(&mut server, reset_request());
    let task = server.activity_task(QUEUE).unwrap();
    assert_eq!((task.attempt, task.heartbeat_details.clone()), (1, payloads("half")));
    let reject = heartbeat(
        &mut server,
        &wire::PollActivityTaskQueueResponse {
            task_token: b"a:1:5:2".to_vec(),
            ..Default::default()
        },
        None,
    );
    assert_eq!(reject.unwrap_err().code(), Code::NotFound);
    complete(&mut server, &task).unwrap();
}

#[test]
fn a_reset_of_a_running_attempt_comes_with_its_heartbeat() {
    let mut server = with(activity("a"));
    let task = server.activity_task(QUEUE).unwrap();
    heartbeat(&mut server, &task, payloads("half")).unwrap();
    let forgetful = wire::ResetActivityRequest {
        reset_heartbeat: true,
        ..reset_request()
    };
    reset(&mut server, forgetful);
    assert!(heartbeat(&mut server, &task, payloads("more")).unwrap().activity_reset);
    fail(&mut server, &task, application_failure("reset")).unwrap();
    server.advance(Duration::from_secs(1));
    let task = server.activity_task(QUEUE).unwrap();
    assert_eq!((task.attempt, task.heartbeat_details.clone()), (2, None));
    assert!(!heartbeat(&mut server, &task, None).unwrap().activity_reset);
}

#[test]
fn a_reset_may_leave_an_activity_paused() {
    let mut server = with(activity("a"));
    pause(&mut server, pause_request("1")).unwrap();
    let still = wire::ResetActivityRequest {
        keep_paused: true,
        ..reset_request()
    };
    reset(&mut server, still);
    assert_eq!(pending(&mut server)[0].state(), Pending::Paused);
    assert_eq!(server.activity_task(QUEUE), None);
    reset(&mut server, reset_request());
    assert!(server.activity_task(QUEUE).is_some());
    assert_eq!(pause_info(&mut server), None);
}

#[test]
fn new_options_move_the_task_to_another_queue() {
    let mut server = with(activity("a"));
    let options = ActivityOptions {
        task_queue: queue("other"),
        start_to_close_timeout: seconds(5),
        heartbeat_timeout: seconds(99),
        ..Default::default()
    };
    let new = update(
        &mut server,
        update_request(options, &["task_queue.name", "StartToCloseTimeout"]),
    )
    .unwrap();
    assert_eq!(new.task_queue.unwrap().name, "other");
    assert_eq!(new.start_to_close_timeout, seconds(5));
    assert_eq!(new.heartbeat_timeout, seconds(0), "it isn't named");
    assert_eq!(server.activity_task(QUEUE), None);
    let task = server.activity_task("other").unwrap();
    assert_eq!(
        task.start_to_close_timeout,
        seconds(60),
        "a task says what the history says"
    );
    server.advance(Duration::from_secs(5));
    assert_eq!(pending(&mut server)[0].attempt, 2, "but the new limit holds");
}

#[test]
fn a_new_policy_measures_the_wait_anew_and_the_old_one_can_come_back() {
    let mut server = with(activity("a"));
    let task = server.activity_task(QUEUE).unwrap();
    fail(&mut server, &task, application_failure("flaky")).unwrap();
    let patient = ActivityOptions {
        retry_policy: Some(RetryPolicy {
            initial_interval: seconds(50),
            ..Default::default()
        }),
        ..Default::default()
    };
    let new = update(&mut server, update_request(patient, &["retry_policy.initial_interval"])).unwrap();
    let policy = new.retry_policy.unwrap();
    assert_eq!(
        (policy.initial_interval, policy.backoff_coefficient),
        (seconds(50), 2.0)
    );
    let info = pending(&mut server).remove(0);
    assert_eq!(info.current_retry_interval, seconds(100), "the attempt to come counts");

    let mut restore = update_request(ActivityOptions::default(), &[]);
    restore.restore_original = true;
    let old = update(&mut server, restore).unwrap();
    assert_eq!(old.retry_policy.unwrap().initial_interval, seconds(1));
    assert_eq!(pending(&mut server)[0].current_retry_interval, seconds(2));
}

#[test]
fn updates_are_refused_in_temporal_s_words() {
    let mut server = with(activity("a"));
    let words = |server: &mut Server, request| update(server, request).unwrap_err().message();
    let good = || update_request(ActivityOptions::default(), &["heartbeat_timeout"]);
    let mut request = good();
    request.activity_options = None;
    assert_eq!(words(&mut server, request), "ActivityOptions are not provided");
    let mut request = good();
    request.update_mask = None;
    assert_eq!(words(&mut server, request), "UpdateMask is not provided");
    let mut request = good();
    request.restore_original = true;
    assert_eq!(
        words(&mut server, request),
        "Both UpdateMask and RestoreOriginal are provided"
    );
    let request = update_request(ActivityOptions::default(), &["retry_policy.maximum_attempts"]);
    assert_eq!(words(&mut server, request), "RetryPolicy is not provided");
    let negative = ActivityOptions {
        heartbeat_timeout: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        ..Default::default()
    };
    let request = update_request(negative, &["heartbeat_timeout"]);
    assert_eq!(
        words(&mut server, request),
        "invalid HeartbeatTimeout: negative duration"
    );
    let nothing_left = ActivityOptions::default();
    let request = update_request(nothing_left, &["start_to_close_timeout"]);
    assert_eq!(
        words(&mut server, request),
        "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. ActivityId=a \
         ActivityType=work"
    );
    assert_eq!(
        pending(&mut server)[0]
            .activity_options
            .clone()
            .unwrap()
            .start_to_close_timeout,
        seconds(60)
    );
}
