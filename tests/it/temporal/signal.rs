//! Signals.

use temporalio_client::{WorkflowIdConflictPolicy, WorkflowSignalOptions, WorkflowStartOptions};

use super::script::{Script, Step};
use super::{QUEUE, all_types, event, kit, note, result, start, types};

#[tokio::test]
async fn signals_come_in_the_order_in_which_they_were_sent() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "s", vec![Step::Notes(3)]).await;
    for text in ["a", "b", "c"] {
        note(&handle, text).await;
    }
    assert_eq!(result(&handle).await.unwrap(), ["a,b,c"]);
    let signaled = event!(kit, "s", WorkflowExecutionSignaledEventAttributes);
    assert_eq!(
        (signaled.signal_name.as_str(), signaled.identity.as_str()),
        ("note", "test")
    );
    assert_eq!(
        types(&kit, "s")
            .iter()
            .filter(|it| **it == "WORKFLOW_EXECUTION_SIGNALED")
            .count(),
        3
    );
}

#[tokio::test]
async fn a_signal_with_a_request_id_counts_once() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "s", vec![Step::Notes(2)]).await;
    let options = || WorkflowSignalOptions::builder().request_id("once".to_owned()).build();
    for _ in 0..3 {
        handle.signal(Script::note, "same".to_owned(), options()).await.unwrap();
    }
    note(&handle, "other").await;
    assert_eq!(result(&handle).await.unwrap(), ["same,other"]);
}

#[tokio::test]
async fn signal_with_start_starts_once_and_signals_every_time() {
    let (kit, _worker) = kit().await;
    let mut runs = Vec::new();
    for text in ["one", "two"] {
        let options = WorkflowStartOptions::new(QUEUE, "s")
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .build();
        let handle = kit
            .client()
            .signal_with_start_workflow(
                Script::run,
                vec![Step::Notes(2)],
                Script::note,
                text.to_owned(),
                options,
            )
            .await
            .unwrap();
        runs.push(handle);
    }
    assert_eq!(runs[0].run_id(), runs[1].run_id());
    assert_eq!(result(&runs[0]).await.unwrap(), ["one,two"]);
    assert_eq!(
        all_types(&kit, "s")[..3],
        [
            "WORKFLOW_EXECUTION_STARTED",
            "WORKFLOW_EXECUTION_SIGNALED",
            "WORKFLOW_TASK_SCHEDULED"
        ],
        "the signal comes before the first workflow task"
    );
}
