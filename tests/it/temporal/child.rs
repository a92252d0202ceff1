//! Child workflows.

use std::time::Duration;

use temporalio_common::protos::temporal::api::enums::v1::ParentClosePolicy;

use super::script::{ChildOf, Step};
use super::{Handle, event, kit, note, play, result, start, types};

fn child(steps: Vec<Step>) -> ChildOf {
    ChildOf::new("child", steps)
}

/// The parent's events between its start and its end.
fn inner(all: Vec<&'static str>) -> Vec<&'static str> {
    all[1..all.len() - 1].to_vec()
}

#[tokio::test]
async fn a_child_gives_its_result() {
    let (kit, _worker) = kit().await;
    let steps = vec![Step::Child(child(vec![Step::Patch("x".to_owned())]))];
    assert_eq!(play(&kit, "parent", steps).await, ["patched true"]);
    assert_eq!(
        inner(types(&kit, "parent")),
        [
            "START_CHILD_WORKFLOW_EXECUTION_INITIATED",
            "CHILD_WORKFLOW_EXECUTION_STARTED",
            "CHILD_WORKFLOW_EXECUTION_COMPLETED"
        ]
    );
    let started = event!(kit, "child", WorkflowExecutionStartedEventAttributes);
    assert_eq!(started.parent_workflow_execution.unwrap().workflow_id, "parent");
    assert_eq!(started.parent_initiated_event_id, 5);
    assert_eq!(started.root_workflow_execution.unwrap().workflow_id, "parent");
    let completed = event!(kit, "parent", ChildWorkflowExecutionCompletedEventAttributes);
    assert_eq!((completed.initiated_event_id, completed.started_event_id), (5, 6));
}

#[tokio::test]
async fn a_child_that_fails() {
    let (kit, _worker) = kit().await;
    let lines = play(
        &kit,
        "parent",
        vec![Step::Child(child(vec![Step::Fail("no luck".to_owned())]))],
    )
    .await;
    assert!(lines[0].starts_with("child:"), "{lines:?}");
    let failed = event!(kit, "parent", ChildWorkflowExecutionFailedEventAttributes);
    assert_eq!(failed.failure.unwrap().message, "no luck");
}

#[tokio::test]
async fn a_child_that_is_terminated_or_times_out() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "parent", vec![Step::Child(child(vec![Step::Notes(1)]))]).await;
    kit.settle().await;
    let target = kit.client().get_workflow_handle::<super::script::Run>("child");
    target.terminate(Default::default()).await.unwrap();
    assert!(result(&handle).await.unwrap()[0].starts_with("child:"));
    assert!(types(&kit, "parent").contains(&"CHILD_WORKFLOW_EXECUTION_TERMINATED"));
}

#[tokio::test]
async fn a_parent_cancels_its_child() {
    let (kit, _worker) = kit().await;
    let handle = start(
        &kit,
        "parent",
        vec![Step::CancelChild(child(vec![Step::UntilCancelled]))],
    )
    .await;
    kit.settle().await;
    note(&handle, "stop").await;
    assert!(result(&handle).await.unwrap()[0].starts_with("error"));
    let told = inner(types(&kit, "parent"));
    assert_eq!(
        told[3..],
        [
            "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
            "EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED",
            "CHILD_WORKFLOW_EXECUTION_CANCELED"
        ]
    );
    let requested = event!(kit, "child", WorkflowExecutionCancelRequestedEventAttributes);
    assert_eq!(requested.external_workflow_execution.unwrap().workflow_id, "parent");
}

#[tokio::test]
async fn a_child_whose_id_is_taken() {
    let (kit, _worker) = kit().await;
    start(&kit, "child", vec![Step::Notes(1)]).await;
    let lines = play(&kit, "parent", vec![Step::StartChild(child(vec![]))]).await;
    assert!(lines[0].starts_with("not started"), "{lines:?}");
    assert_eq!(
        inner(types(&kit, "parent")),
        [
            "START_CHILD_WORKFLOW_EXECUTION_INITIATED",
            "START_CHILD_WORKFLOW_EXECUTION_FAILED"
        ]
    );
    let failed = event!(kit, "parent", StartChildWorkflowExecutionFailedEventAttributes);
    assert_eq!(
        failed.cause().as_str_name(),
        "START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS"
    );
}

/// Lets a parent end over an open child; the child's events.
async fn parent_ends(policy: ParentClosePolicy, steps: Vec<Step>) -> Vec<&'static str> {
    let (kit, _worker) = kit().await;
    let mut child = child(steps);
    child.on_close = policy as i32;
    assert_eq!(play(&kit, "parent", vec![Step::StartChild(child)]).await, ["started"]);
    kit.settle().await;
    if policy == ParentClosePolicy::Abandon {
        let target: Handle = kit.client().get_workflow_handle("child");
        note(&target, "alone").await;
        result(&target).await.unwrap();
    }
    types(&kit, "child")
}

#[tokio::test]
async fn parent_close_policies() {
    use ParentClosePolicy as Policy;
    for policy in [Policy::Unspecified, Policy::Terminate] {
        let told = parent_ends(policy, vec![Step::Notes(1)]).await;
        assert_eq!(
            told,
            ["WORKFLOW_EXECUTION_STARTED", "WORKFLOW_EXECUTION_TERMINATED"],
            "{policy:?}"
        );
    }
    let told = parent_ends(Policy::RequestCancel, vec![Step::UntilCancelled]).await;
    assert!(
        told.ends_with(&["WORKFLOW_EXECUTION_CANCEL_REQUESTED", "WORKFLOW_EXECUTION_CANCELED"]),
        "{told:?}"
    );
    let told = parent_ends(Policy::Abandon, vec![Step::Notes(1)]).await;
    assert!(
        told.ends_with(&["WORKFLOW_EXECUTION_SIGNALED", "WORKFLOW_EXECUTION_COMPLETED"]),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_pending_child_is_described() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "parent", vec![Step::Child(child(vec![Step::Sleep(60)]))]).await;
    kit.settle().await;
    let described = handle.describe(Default::default()).await.unwrap();
    let pending = &described.raw().pending_children;
    assert_eq!(
        (pending.len(), pending[0].workflow_id.as_str(), pending[0].initiated_id),
        (1, "child", 5)
    );
    kit.advance(Duration::from_secs(60)).await.unwrap();
    result(&handle).await.unwrap();
}

#[tokio::test]
async fn a_child_that_continues_as_new_is_still_the_same_child() {
    let (kit, _worker) = kit().await;
    let steps = vec![Step::ContinueAsNew(vec![Step::Patch("second".to_owned())])];
    assert_eq!(
        play(&kit, "parent", vec![Step::Child(child(steps))]).await,
        ["patched true"]
    );
}
