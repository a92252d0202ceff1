//! Markers: local activities and patches.

use super::script::{Step, Task, Work};
use super::{event, kit, play, result, start, types};

#[tokio::test]
async fn a_local_activity_is_a_marker() {
    let (kit, _worker) = kit().await;
    assert_eq!(
        play(&kit, "l", vec![Step::LocalActivity(Task::new(Work::Attempt))]).await,
        ["attempt 1"]
    );
    assert_eq!(
        types(&kit, "l"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "MARKER_RECORDED",
            "WORKFLOW_EXECUTION_COMPLETED"
        ]
    );
    assert_eq!(
        event!(kit, "l", MarkerRecordedEventAttributes).marker_name,
        "core_local_activity"
    );
}

#[tokio::test]
async fn a_local_activity_is_not_run_again_when_the_worker_is_new() {
    let (kit, mut worker) = kit().await;
    let steps = vec![Step::LocalActivity(Task::new(Work::Attempt)), Step::Notes(1)];
    let handle = start(&kit, "l", steps).await;
    kit.settle().await;
    worker.restart().await;
    super::note(&handle, "go").await;
    assert_eq!(result(&handle).await.unwrap(), ["attempt 1", "go"]);
    assert_eq!(
        types(&kit, "l").iter().filter(|it| **it == "MARKER_RECORDED").count(),
        1
    );
}

#[tokio::test]
async fn a_patch_is_a_marker_and_a_search_attribute() {
    let (kit, _worker) = kit().await;
    assert_eq!(
        play(&kit, "p", vec![Step::Patch("new-way".to_owned())]).await,
        ["patched true"]
    );
    assert_eq!(
        types(&kit, "p"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "MARKER_RECORDED",
            "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
            "WORKFLOW_EXECUTION_COMPLETED"
        ]
    );
    assert_eq!(
        event!(kit, "p", MarkerRecordedEventAttributes).marker_name,
        "core_patch"
    );
}
