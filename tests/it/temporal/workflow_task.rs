//! Workflow tasks: sticky queues, workers that die, tasks that fail.

use std::time::Duration;

use temporalio_common::protos::temporal::api::enums::v1::TaskQueueKind;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

use super::script::Step;
use super::{QUEUE, all_types, event, kit, note, options, play, result, start};

/// The kinds of the queues that a history's workflow tasks were scheduled on.
fn queues(kit: &awaithumans_testkit::Testkit, id: &str) -> Vec<TaskQueueKind> {
    let events = kit.history(id).events;
    let kinds = events.iter().filter_map(|event| match event.attributes.as_ref()? {
        Attributes::WorkflowTaskScheduledEventAttributes(it) => Some(it.task_queue.as_ref()?.kind()),
        _ => None,
    });
    kinds.collect()
}

#[tokio::test]
async fn the_second_task_goes_to_the_worker_that_has_the_workflow() {
    let (kit, _worker) = kit().await;
    play(&kit, "w", vec![Step::Sleep(1)]).await;
    assert_eq!(queues(&kit, "w"), [TaskQueueKind::Normal, TaskQueueKind::Sticky]);
}

#[tokio::test]
async fn a_dead_workers_task_goes_to_another_after_the_sticky_timeout() {
    let (kit, worker) = kit().await;
    let handle = start(&kit, "w", vec![Step::Notes(1)]).await;
    kit.settle().await;
    drop(worker);
    note(&handle, "go").await;
    let _other = kit.spawn_worker(options(QUEUE)).await;
    let before = kit.now();
    assert_eq!(result(&handle).await.unwrap(), ["go"]);
    assert!(kit.now().since(before) <= Duration::from_secs(10));
    let told = all_types(&kit, "w");
    let sticky = told.contains(&"WORKFLOW_TASK_TIMED_OUT");
    if sticky {
        let timed_out = event!(kit, "w", WorkflowTaskTimedOutEventAttributes);
        assert_eq!(timed_out.timeout_type().as_str_name(), "TIMEOUT_TYPE_SCHEDULE_TO_START");
    }
    assert_eq!(queues(&kit, "w").last(), Some(&TaskQueueKind::Normal), "{told:?}");
}

#[tokio::test]
async fn a_worker_that_dies_with_a_workflow_task_lets_it_time_out() {
    let (kit, mut worker) = kit().await;
    worker.crash_before("RespondWorkflowTaskCompleted");
    let handle = start(&kit, "w", vec![]).await;
    let before = kit.now();
    kit.advance(Duration::from_secs(1)).await.unwrap();
    worker.restart().await;
    assert!(result(&handle).await.unwrap().is_empty());
    assert_eq!(
        kit.now().since(before),
        Duration::from_secs(10),
        "the workflow task timeout"
    );
    assert_eq!(
        all_types(&kit, "w"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "WORKFLOW_TASK_SCHEDULED",
            "WORKFLOW_TASK_STARTED",
            "WORKFLOW_TASK_TIMED_OUT",
            "WORKFLOW_TASK_SCHEDULED",
            "WORKFLOW_TASK_STARTED",
            "WORKFLOW_TASK_COMPLETED",
            "WORKFLOW_EXECUTION_COMPLETED"
        ]
    );
    let timed_out = event!(kit, "w", WorkflowTaskTimedOutEventAttributes);
    assert_eq!(timed_out.timeout_type().as_str_name(), "TIMEOUT_TYPE_START_TO_CLOSE");
    let events = kit.history("w").events;
    let attempt = events.iter().filter_map(|event| match event.attributes.as_ref()? {
        Attributes::WorkflowTaskScheduledEventAttributes(it) => Some(it.attempt),
        _ => None,
    });
    assert_eq!(attempt.collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_task_that_fails_once_is_tried_again() {
    let (kit, _worker) = kit().await;
    assert_eq!(
        play(&kit, "w", vec![Step::FailTask("once".to_owned(), 1)]).await,
        ["ready"]
    );
    let told = all_types(&kit, "w");
    assert_eq!(told[3], "WORKFLOW_TASK_FAILED", "{told:?}");
    let failed = event!(kit, "w", WorkflowTaskFailedEventAttributes);
    assert!(failed.failure.unwrap().message.contains("not ready yet"));
}

#[tokio::test]
async fn a_task_that_keeps_failing_is_reported_instead_of_a_hang() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "w", vec![Step::FailTask("always".to_owned(), u32::MAX)]).await;
    let error = kit.run_until(result(&handle)).await.unwrap_err();
    assert!(error.is_failing_workflow(), "{error}");
    assert!(error.to_string().contains("not ready yet"), "{error}");
    let failures = all_types(&kit, "w")
        .iter()
        .filter(|it| **it == "WORKFLOW_TASK_FAILED")
        .count();
    assert_eq!(failures, 1, "attempts after the first leave no trace");
}

#[tokio::test]
async fn a_worker_that_shuts_down_gives_its_sticky_queue_up() {
    let (kit, worker) = kit().await;
    let handle = start(&kit, "w", vec![Step::Notes(1)]).await;
    kit.settle().await;
    worker.shutdown().await;
    let _other = kit.spawn_worker(options(QUEUE)).await;
    let before = kit.now();
    note(&handle, "go").await;
    assert_eq!(result(&handle).await.unwrap(), ["go"]);
    assert_eq!(kit.now(), before, "no time passes");
}

#[tokio::test]
async fn two_workers_share_a_queue() {
    let (kit, _one) = kit().await;
    let _two = kit.spawn_worker(options(QUEUE)).await;
    let mut handles = Vec::new();
    for number in 0..10 {
        handles.push(start(&kit, &format!("w-{number}"), vec![Step::Sleep(1)]).await);
    }
    for handle in &handles {
        result(handle).await.unwrap();
    }
}
