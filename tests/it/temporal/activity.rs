//! Activities.

use std::time::Duration;

use temporalio_client::{ActivityIdentifier, ActivityStartOptions};
use temporalio_common::protos::temporal::api::enums::v1::{RetryState, TimeoutType};
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;

use super::script::{Cancel, Step, Task, Work, Works};
use super::{QUEUE, event, kit, kit_with_short_grace, note, play, result, start, types};

const SCHEDULED_TO_END: [&str; 5] = [
    "WORKFLOW_EXECUTION_STARTED",
    "ACTIVITY_TASK_SCHEDULED",
    "ACTIVITY_TASK_STARTED",
    "ACTIVITY_TASK_COMPLETED",
    "WORKFLOW_EXECUTION_COMPLETED",
];

fn timeout_of(failure: &Failure) -> TimeoutType {
    match &failure.failure_info {
        Some(FailureInfo::TimeoutFailureInfo(info)) => info.timeout_type(),
        other => panic!("not a timeout: {other:?}"),
    }
}

#[tokio::test]
async fn an_activity_gives_its_result() {
    let (kit, _worker) = kit().await;
    assert_eq!(
        play(&kit, "a", vec![Step::Activity(Task::new(Work::Attempt))]).await,
        ["attempt 1"]
    );
    assert_eq!(types(&kit, "a"), SCHEDULED_TO_END);
    let started = event!(kit, "a", ActivityTaskStartedEventAttributes);
    assert_eq!((started.attempt, started.scheduled_event_id), (1, 5));
    assert_eq!(started.identity, "worker-1");
    let completed = event!(kit, "a", ActivityTaskCompletedEventAttributes);
    assert_eq!((completed.scheduled_event_id, completed.started_event_id), (5, 6));
}

#[tokio::test]
async fn retries_back_off_in_virtual_time() {
    let (kit, _worker) = kit().await;
    let before = kit.now();
    let task = Task::new(Work::FailUntil(5, "Flaky".to_owned()));
    assert_eq!(play(&kit, "a", vec![Step::Activity(task)]).await, ["attempt 5"]);
    assert_eq!(kit.now().since(before), Duration::from_secs(1 + 2 + 4 + 8));
    assert_eq!(types(&kit, "a"), SCHEDULED_TO_END, "attempts that fail leave no events");
    let started = event!(kit, "a", ActivityTaskStartedEventAttributes);
    assert_eq!(started.attempt, 5);
    assert_eq!(started.last_failure.unwrap().message, "attempt 4");
}

/// Plays a script whose activity fails it; the failure event's attributes.
async fn failed(task: Task) -> (RetryState, Failure, Duration) {
    let (kit, _worker) = kit().await;
    let before = kit.now();
    let handle = start(&kit, "a", vec![Step::Activity(task)]).await;
    result(&handle).await.unwrap_err();
    let failed = event!(kit, "a", ActivityTaskFailedEventAttributes);
    (
        failed.retry_state(),
        failed.failure.unwrap_or_default(),
        kit.now().since(before),
    )
}

#[tokio::test]
async fn retries_end_with_the_last_attempt_allowed() {
    let mut task = Task::new(Work::FailUntil(100, "Flaky".to_owned()));
    task.max_attempts = 3;
    let (state, failure, elapsed) = failed(task).await;
    assert_eq!(state, RetryState::MaximumAttemptsReached);
    assert_eq!(
        (failure.message.as_str(), elapsed),
        ("attempt 3", Duration::from_secs(3))
    );
}

#[tokio::test]
async fn failures_that_must_not_be_retried_are_not() {
    let (state, failure, _) = failed(Task::new(Work::NonRetryable)).await;
    assert_eq!(
        (state, failure.message.as_str()),
        (RetryState::NonRetryableFailure, "for good")
    );
    let mut task = Task::new(Work::FailUntil(100, "Fatal".to_owned()));
    task.non_retryable_types = vec!["Fatal".to_owned()];
    let (state, failure, _) = failed(task).await;
    assert_eq!(
        (state, failure.message.as_str()),
        (RetryState::NonRetryableFailure, "attempt 1")
    );
}

#[tokio::test]
async fn an_activity_may_ask_when_to_be_tried_again() {
    let (kit, _worker) = kit().await;
    let before = kit.now();
    let task = Task::new(Work::FailOnceAskingFor(3_600));
    assert_eq!(play(&kit, "a", vec![Step::Activity(task)]).await, ["attempt 2"]);
    assert_eq!(kit.now().since(before), Duration::from_secs(3_600));
}

#[tokio::test]
async fn a_retry_that_comes_too_late_is_not_tried() {
    let mut task = Task::new(Work::FailUntil(100, "Flaky".to_owned()));
    task.schedule_to_close = Some(5);
    task.start_to_close = None;
    let (state, failure, elapsed) = failed(task).await;
    assert_eq!((state, failure.message.as_str()), (RetryState::Timeout, "attempt 3"));
    assert_eq!(elapsed, Duration::from_secs(3), "the next would be due at 7 s");
}

#[tokio::test]
async fn nobody_takes_the_task_in_time() {
    let (kit, _worker) = kit().await;
    let before = kit.now();
    let mut task = Task::new(Work::Attempt);
    task.schedule_to_start = Some(30);
    task.queue = Some("nobody".to_owned());
    let handle = start(&kit, "a", vec![Step::Activity(task)]).await;
    result(&handle).await.unwrap_err();
    assert_eq!(kit.now().since(before), Duration::from_secs(30));
    assert_eq!(
        types(&kit, "a"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "ACTIVITY_TASK_SCHEDULED",
            "ACTIVITY_TASK_TIMED_OUT",
            "WORKFLOW_EXECUTION_FAILED"
        ]
    );
    let timed_out = event!(kit, "a", ActivityTaskTimedOutEventAttributes);
    assert_eq!(
        timeout_of(&timed_out.failure.clone().unwrap()),
        TimeoutType::ScheduleToStart
    );
    assert_eq!(
        (timed_out.retry_state(), timed_out.started_event_id),
        (RetryState::Timeout, 0)
    );
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_tried_again() {
    let (kit, _worker) = kit_with_short_grace().await;
    let before = kit.now();
    let lines = play(&kit, "a", vec![Step::Activity(Task::new(Work::BlockUntil(2)))]).await;
    assert_eq!(
        lines,
        ["attempt 2 after Some(1)"],
        "the next attempt sees what the last one said"
    );
    assert_eq!(kit.now().since(before), Duration::from_secs(60 + 1));
    assert_eq!(types(&kit, "a"), SCHEDULED_TO_END);
    let last = event!(kit, "a", ActivityTaskStartedEventAttributes)
        .last_failure
        .unwrap();
    assert_eq!(timeout_of(&last), TimeoutType::StartToClose);
}

/// Plays an activity that never answers, to its timeout.
async fn timed_out(task: Task) -> (TimeoutType, RetryState, Failure, Duration) {
    let (kit, _worker) = kit_with_short_grace().await;
    let before = kit.now();
    let handle = start(&kit, "a", vec![Step::Activity(task)]).await;
    result(&handle).await.unwrap_err();
    let event = event!(kit, "a", ActivityTaskTimedOutEventAttributes);
    let failure = event.failure.clone().unwrap();
    (
        timeout_of(&failure),
        event.retry_state(),
        failure,
        kit.now().since(before),
    )
}

fn blocks() -> Task {
    let mut task = Task::new(Work::BlockUntil(100));
    task.max_attempts = 1;
    task
}

#[tokio::test]
async fn the_clocks_of_an_activity_that_never_answers() {
    let (timeout, state, failure, elapsed) = timed_out(blocks()).await;
    assert_eq!((timeout, elapsed.as_secs()), (TimeoutType::StartToClose, 60));
    assert_eq!(state, RetryState::MaximumAttemptsReached);
    assert_eq!(failure.message, "activity StartToClose timeout");

    let mut task = blocks();
    task.heartbeat = Some(7);
    let (timeout, _, failure, elapsed) = timed_out(task).await;
    assert_eq!((timeout, elapsed.as_secs()), (TimeoutType::Heartbeat, 7));
    assert!(
        format!("{failure:?}").contains("last_heartbeat_details: Some"),
        "{failure:?}"
    );

    let mut task = blocks();
    task.max_attempts = 0;
    task.start_to_close = None;
    task.schedule_to_close = Some(20);
    let (timeout, state, _, elapsed) = timed_out(task).await;
    assert_eq!((timeout, elapsed.as_secs()), (TimeoutType::ScheduleToClose, 20));
    assert_eq!(state, RetryState::Timeout);
}

#[tokio::test]
async fn a_worker_that_dies_with_the_result_costs_one_attempt() {
    let (kit, mut worker) = kit().await;
    worker.crash_before("RespondActivityTaskCompleted");
    let handle = start(&kit, "a", vec![Step::Activity(Task::new(Work::Attempt))]).await;
    kit.advance(Duration::from_secs(5)).await.unwrap();
    assert!(!worker.is_running());
    worker.restart().await;
    assert_eq!(result(&handle).await.unwrap(), ["attempt 2"]);
}

#[tokio::test]
async fn an_activity_cancelled_before_a_worker_has_it() {
    let (kit, _worker) = kit().await;
    let mut task = Task::new(Work::Attempt);
    task.queue = Some("nobody".to_owned());
    let lines = play(&kit, "a", vec![Step::CancelActivityAtOnce(task)]).await;
    assert!(lines[0].starts_with("error"), "{lines:?}");
    let told = types(&kit, "a");
    assert!(told.ends_with(&[
        "ACTIVITY_TASK_CANCEL_REQUESTED",
        "ACTIVITY_TASK_CANCELED",
        "WORKFLOW_EXECUTION_COMPLETED"
    ]));
    let canceled = event!(kit, "a", ActivityTaskCanceledEventAttributes);
    assert_eq!(canceled.started_event_id, 0);
    assert!(String::from_utf8_lossy(&canceled.details.unwrap().payloads[0].data).contains("ACTIVITY_ID_NOT_STARTED"));
}

async fn cancel_while_it_runs(cancel: Cancel) -> Vec<&'static str> {
    let (kit, _worker) = kit_with_short_grace().await;
    let mut task = Task::new(Work::UntilCancelled);
    task.heartbeat = Some(30);
    let handle = start(&kit, "a", vec![Step::CancelActivity(task, cancel)]).await;
    kit.settle().await;
    note(&handle, "stop").await;
    let lines = result(&handle).await.unwrap();
    assert!(lines[0].starts_with("error"), "{lines:?}");
    types(&kit, "a")
}

#[tokio::test]
async fn a_cancelled_activity_that_nobody_waits_for() {
    let told = cancel_while_it_runs(Cancel::Try).await;
    assert!(
        told.ends_with(&[
            "WORKFLOW_EXECUTION_SIGNALED",
            "ACTIVITY_TASK_CANCEL_REQUESTED",
            "WORKFLOW_EXECUTION_COMPLETED"
        ]),
        "{told:?}"
    );
    let told = cancel_while_it_runs(Cancel::Abandon).await;
    assert!(
        told.ends_with(&["WORKFLOW_EXECUTION_SIGNALED", "WORKFLOW_EXECUTION_COMPLETED"]),
        "{told:?}"
    );
}

#[tokio::test]
async fn an_activity_cancelled_between_two_attempts() {
    let (kit, _worker) = kit().await;
    let task = Task::new(Work::FailOnceAskingFor(3_600));
    let handle = start(&kit, "a", vec![Step::CancelActivity(task, Cancel::Wait)]).await;
    kit.settle().await;
    note(&handle, "stop").await;
    let lines = result(&handle).await.unwrap();
    assert!(lines[0].starts_with("error"), "{lines:?}");
    let told = types(&kit, "a");
    assert!(
        told.ends_with(&[
            "ACTIVITY_TASK_CANCEL_REQUESTED",
            "ACTIVITY_TASK_CANCELED",
            "WORKFLOW_EXECUTION_COMPLETED"
        ]),
        "{told:?}"
    );
    let canceled = event!(kit, "a", ActivityTaskCanceledEventAttributes);
    assert_eq!(canceled.started_event_id, 0, "no worker had it");
}

#[tokio::test]
async fn eager_activities_run_in_one_order_whatever_the_machine() {
    let eager = || {
        let mut task = Task::new(Work::FailUntil(2, "Flaky".to_owned()));
        task.eager = true;
        Step::Activity(task)
    };
    let mut told = Vec::new();
    for _ in 0..2 {
        let (kit, _worker) = kit().await;
        let lines = play(&kit, "a", vec![eager(), eager()]).await;
        assert_eq!(lines, ["attempt 2", "attempt 2"]);
        told.push(format!("{:?}", kit.history("a")));
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn a_standalone_activity_gives_its_result_and_time_moves_while_a_client_waits() {
    let (kit, _worker) = kit().await;
    let before = kit.now();
    let options = ActivityStartOptions::with_start_to_close_timeout(QUEUE, "solo", Duration::from_secs(60)).build();
    let handle = kit
        .client()
        .start_activity(Works::work, Work::FailOnceAskingFor(3_600), options)
        .await
        .unwrap();
    assert_eq!(handle.result().await.unwrap(), "attempt 2");
    assert_eq!(kit.now().since(before), Duration::from_secs(3_600));
}

#[tokio::test]
async fn an_activity_that_others_complete() {
    let (kit, _worker) = kit_with_short_grace().await;
    let handle = start(&kit, "a", vec![Step::Activity(Task::new(Work::Async))]).await;
    kit.settle().await;
    let described = handle.describe(Default::default()).await.unwrap();
    let pending = &described.raw().pending_activities;
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].activity_id.as_str(), pending[0].attempt), ("work", 1));
    assert_eq!(pending[0].state().as_str_name(), "PENDING_ACTIVITY_STATE_STARTED");
    let activity = kit
        .client()
        .get_async_activity_handle(ActivityIdentifier::by_id_workflow("a", "", "work"));
    activity
        .complete(Some("from elsewhere"), Default::default())
        .await
        .unwrap();
    assert_eq!(result(&handle).await.unwrap(), ["from elsewhere"]);
    assert_eq!(types(&kit, "a"), SCHEDULED_TO_END);
    assert!(activity.complete(Some("again"), Default::default()).await.is_err());
}
