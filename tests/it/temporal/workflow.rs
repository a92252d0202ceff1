//! The life of a run: started under every policy, ended in every way, retried, timed out.

use std::time::Duration;

use temporalio_client::errors::{WorkflowGetResultError, WorkflowStartError};
use temporalio_client::{
    RetryPolicy, WorkflowCancelOptions, WorkflowGetResultOptions, WorkflowIdConflictPolicy as Conflict,
    WorkflowIdReusePolicy as Reuse, WorkflowStartOptions, WorkflowTerminateOptions,
};

use super::script::{Script, Step};
use super::{QUEUE, all_types, event, kit, note, play, result, start, start_with, types};

#[tokio::test]
async fn a_workflow_completes_with_the_history_of_temporal() {
    let (kit, _worker) = kit().await;
    assert!(play(&kit, "plain", vec![]).await.is_empty());
    let expected = [
        "WORKFLOW_EXECUTION_STARTED",
        "WORKFLOW_TASK_SCHEDULED",
        "WORKFLOW_TASK_STARTED",
        "WORKFLOW_TASK_COMPLETED",
        "WORKFLOW_EXECUTION_COMPLETED",
    ];
    assert_eq!(all_types(&kit, "plain"), expected);
    let started = event!(kit, "plain", WorkflowExecutionStartedEventAttributes);
    assert_eq!(started.attempt, 1);
    assert_eq!(started.workflow_id, "plain");
    assert_eq!(started.first_execution_run_id, started.original_execution_run_id);
    assert_eq!(started.workflow_task_timeout.map(|it| it.seconds), Some(10));
    let completed = event!(kit, "plain", WorkflowExecutionCompletedEventAttributes);
    assert_eq!(completed.workflow_task_completed_event_id, 4);
}

/// Starts again over a run that is open, or has ended as `first` says.
async fn start_twice(first: Step, reuse: Reuse, conflict: Conflict) -> Result<bool, String> {
    let (kit, _worker) = kit().await;
    let runs_on = matches!(first, Step::Notes(_));
    let one = start(&kit, "twice", vec![first]).await;
    if !runs_on {
        drop(result(&one).await);
    } else {
        kit.settle().await;
    }
    let options = WorkflowStartOptions::new(QUEUE, "twice")
        .id_reuse_policy(reuse)
        .id_conflict_policy(conflict)
        .build();
    let again = kit.client().start_workflow(Script::run, vec![], options).await;
    match again {
        Ok(two) => Ok(two.run_id() != one.run_id()),
        Err(WorkflowStartError::AlreadyStarted { run_id, source }) => {
            assert_eq!(run_id.as_deref(), one.run_id(), "the detail names the run in the way");
            Err(source.message().to_owned())
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn open() -> Step {
    Step::Notes(1)
}

#[tokio::test]
async fn every_reuse_policy_over_a_run_that_ended_well() {
    for policy in [Reuse::Unspecified, Reuse::AllowDuplicate] {
        let started = start_twice(Step::Sleep(1), policy, Conflict::Unspecified).await;
        assert_eq!(started, Ok(true), "{policy:?}");
    }
    let refused = start_twice(Step::Sleep(1), Reuse::AllowDuplicateFailedOnly, Conflict::Unspecified).await;
    let text = refused.unwrap_err();
    assert!(
        text.contains("finished successfully") && text.contains("twice"),
        "{text}"
    );
    let refused = start_twice(Step::Sleep(1), Reuse::RejectDuplicate, Conflict::Unspecified).await;
    assert!(refused.unwrap_err().contains("reject duplicate workflow Id"));
}

#[tokio::test]
async fn every_reuse_policy_over_a_run_that_failed() {
    for policy in [
        Reuse::Unspecified,
        Reuse::AllowDuplicate,
        Reuse::AllowDuplicateFailedOnly,
    ] {
        let started = start_twice(Step::Fail("no".to_owned()), policy, Conflict::Unspecified).await;
        assert_eq!(started, Ok(true), "{policy:?}");
    }
    let refused = start_twice(
        Step::Fail("no".to_owned()),
        Reuse::RejectDuplicate,
        Conflict::Unspecified,
    )
    .await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn every_conflict_policy_over_an_open_run() {
    for policy in [Conflict::Unspecified, Conflict::Fail] {
        let text = start_twice(open(), Reuse::AllowDuplicate, policy).await.unwrap_err();
        assert!(text.starts_with("Workflow execution is already running."), "{text}");
    }
    assert_eq!(
        start_twice(open(), Reuse::AllowDuplicate, Conflict::UseExisting).await,
        Ok(false)
    );
    assert_eq!(
        start_twice(open(), Reuse::AllowDuplicate, Conflict::TerminateExisting).await,
        Ok(true)
    );
}

#[tokio::test]
async fn a_policy_that_terminates_says_so_in_the_old_history() {
    let (kit, _worker) = kit().await;
    let one = start(&kit, "twice", vec![open()]).await;
    let options = WorkflowStartOptions::new(QUEUE, "twice")
        .id_conflict_policy(Conflict::TerminateExisting)
        .build();
    start_with(&kit, vec![], options).await;
    match result(&one).await {
        Err(WorkflowGetResultError::Terminated { .. }) => {}
        other => panic!("{other:?}"),
    }
    let events = one.fetch_history(Default::default()).into_events().await.unwrap();
    let last = format!("{:?}", events.last().unwrap().attributes);
    assert!(last.contains("TerminateIfRunning WorkflowIdReusePolicy\""), "{last}");
    assert!(last.contains("history-service"), "{last}");
}

#[tokio::test]
async fn cancelled_and_terminated_runs_say_so() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "cancelled", vec![Step::UntilCancelled]).await;
    kit.settle().await;
    let options = WorkflowCancelOptions::builder().reason("enough").build();
    handle.cancel(options).await.unwrap();
    assert!(matches!(
        result(&handle).await,
        Err(WorkflowGetResultError::Cancelled { .. })
    ));
    assert_eq!(
        types(&kit, "cancelled"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "WORKFLOW_EXECUTION_CANCEL_REQUESTED",
            "WORKFLOW_EXECUTION_CANCELED"
        ]
    );
    let requested = event!(kit, "cancelled", WorkflowExecutionCancelRequestedEventAttributes);
    assert_eq!(
        (requested.cause.as_str(), requested.identity.as_str()),
        ("enough", "test")
    );

    let handle = start(&kit, "terminated", vec![open()]).await;
    kit.settle().await;
    let options = WorkflowTerminateOptions::builder().reason("over").build();
    handle.terminate(options).await.unwrap();
    assert!(matches!(
        result(&handle).await,
        Err(WorkflowGetResultError::Terminated { .. })
    ));
    assert_eq!(
        all_types(&kit, "terminated").last(),
        Some(&"WORKFLOW_EXECUTION_TERMINATED")
    );
    assert_eq!(
        event!(kit, "terminated", WorkflowExecutionTerminatedEventAttributes).reason,
        "over"
    );
    // A run that has ended can be neither terminated nor signalled; the wish to cancel it comes true by itself.
    handle.cancel(Default::default()).await.unwrap();
    assert!(handle.terminate(Default::default()).await.is_err());
    let late = handle.signal(Script::note, "late".to_owned(), Default::default()).await;
    assert!(format!("{:?}", late.unwrap_err()).contains("workflow execution already completed"));
}

#[tokio::test]
async fn a_workflow_that_fails_gives_its_failure() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "fails", vec![Step::Fail("no luck".to_owned())]).await;
    let error = format!("{:?}", result(&handle).await.unwrap_err());
    assert!(error.contains("no luck"), "{error}");
    let failed = event!(kit, "fails", WorkflowExecutionFailedEventAttributes);
    assert_eq!(failed.retry_state().as_str_name(), "RETRY_STATE_RETRY_POLICY_NOT_SET");
    assert_eq!(failed.failure.unwrap().message, "no luck");
}

#[tokio::test]
async fn a_retry_policy_starts_runs_until_one_ends_well() {
    let (kit, _worker) = kit().await;
    let before = kit.now();
    let options = WorkflowStartOptions::new(QUEUE, "retried")
        .retry_policy(RetryPolicy::builder().initial_interval(Duration::from_secs(10)).build())
        .build();
    let handle = start_with(&kit, vec![Step::FailRunUntil(3)], options).await;
    assert_eq!(result(&handle).await.unwrap(), ["run attempt 3"]);
    assert_eq!(kit.now().since(before), Duration::from_secs(30), "10 s, then 20 s");
    let started = event!(kit, "retried", WorkflowExecutionStartedEventAttributes);
    assert_eq!(started.attempt, 3);
    assert_eq!(started.initiator().as_str_name(), "CONTINUE_AS_NEW_INITIATOR_RETRY");
    assert_eq!(started.first_execution_run_id, handle.run_id().unwrap());
    assert_eq!(started.continued_failure.unwrap().message, "run attempt 2");
    assert_eq!(started.first_workflow_task_backoff.unwrap().seconds, 20);
    let first = handle.fetch_history(Default::default()).into_events().await.unwrap();
    let last = format!("{:?}", first.last().unwrap());
    assert!(
        last.contains("WorkflowExecutionFailed") && last.contains("new_execution_run_id"),
        "{last}"
    );
}

#[tokio::test]
async fn run_and_execution_timeouts_end_a_run() {
    let (kit, _worker) = kit().await;
    for (id, options) in [
        (
            "run",
            WorkflowStartOptions::new(QUEUE, "run")
                .run_timeout(Duration::from_secs(60))
                .build(),
        ),
        (
            "execution",
            WorkflowStartOptions::new(QUEUE, "execution")
                .execution_timeout(Duration::from_secs(60))
                .build(),
        ),
    ] {
        let before = kit.now();
        let handle = start_with(&kit, vec![open()], options).await;
        assert!(matches!(result(&handle).await, Err(WorkflowGetResultError::TimedOut)));
        assert_eq!(kit.now().since(before), Duration::from_secs(60));
        assert_eq!(
            types(&kit, id),
            ["WORKFLOW_EXECUTION_STARTED", "WORKFLOW_EXECUTION_TIMED_OUT"]
        );
    }
}

#[tokio::test]
async fn an_execution_timeout_bounds_all_retries_together() {
    let (kit, _worker) = kit().await;
    let before = kit.now();
    let options = WorkflowStartOptions::new(QUEUE, "bounded")
        .execution_timeout(Duration::from_secs(25))
        .retry_policy(RetryPolicy::builder().initial_interval(Duration::from_secs(10)).build())
        .build();
    let handle = start_with(&kit, vec![Step::FailRunUntil(100)], options).await;
    let error = result(&handle).await.unwrap_err();
    assert!(matches!(error, WorkflowGetResultError::Failed(_)), "{error:?}");
    assert!(kit.now().since(before) <= Duration::from_secs(25));
    let failed = event!(kit, "bounded", WorkflowExecutionFailedEventAttributes);
    assert_eq!(failed.retry_state().as_str_name(), "RETRY_STATE_TIMEOUT");
}

#[tokio::test]
async fn a_client_describes_a_run_with_what_is_pending() {
    let (kit, _worker) = kit().await;
    let handle = start(
        &kit,
        "described",
        vec![open(), Step::SearchAttribute("blue".to_owned())],
    )
    .await;
    kit.settle().await;
    let open = handle.describe(Default::default()).await.unwrap();
    assert_eq!(
        (open.id(), open.workflow_type(), open.task_queue()),
        ("described", "script", QUEUE)
    );
    assert!(open.close_time().is_none());
    assert_eq!(open.history_length(), 4);
    note(&handle, "go").await;
    result(&handle).await.unwrap();
    let closed = handle.describe(Default::default()).await.unwrap();
    assert!(closed.close_time().is_some());
    assert_eq!(
        closed.search_attributes().get(&super::script::KEYWORD).as_deref(),
        Some("blue")
    );
}

#[tokio::test]
async fn an_unknown_workflow_is_not_found() {
    let (kit, _worker) = kit().await;
    let handle = kit.client().get_workflow_handle::<super::script::Run>("nobody");
    let error = handle
        .get_result(WorkflowGetResultOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, WorkflowGetResultError::NotFound(_)), "{error:?}");
}

#[tokio::test]
async fn memo_and_search_attributes_are_kept_as_data() {
    let (kit, _worker) = kit().await;
    let steps = vec![Step::Memo("hello".to_owned()), Step::SearchAttribute("red".to_owned())];
    play(&kit, "data", steps).await;
    assert_eq!(
        types(&kit, "data"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "WORKFLOW_PROPERTIES_MODIFIED",
            "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
            "WORKFLOW_EXECUTION_COMPLETED"
        ]
    );
    let upserted = event!(kit, "data", UpsertWorkflowSearchAttributesEventAttributes);
    assert!(
        upserted
            .search_attributes
            .unwrap()
            .indexed_fields
            .contains_key("CustomKeywordField")
    );
    let handle = kit.client().get_workflow_handle::<super::script::Run>("data");
    let described = handle.describe(Default::default()).await.unwrap();
    assert!(format!("{:?}", described.raw().workflow_execution_info).contains("note"));
}
