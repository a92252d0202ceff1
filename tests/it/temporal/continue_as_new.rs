//! Continuing as new.

use temporalio_client::errors::WorkflowGetResultError;
use temporalio_client::{WorkflowGetResultOptions, WorkflowStartOptions};
use temporalio_common::MemoValues;

use super::script::Step;
use super::{QUEUE, event, kit, result, start, start_with, types};

#[tokio::test]
async fn the_result_is_the_last_runs() {
    let (kit, _worker) = kit().await;
    let steps = vec![
        Step::Sleep(5),
        Step::ContinueAsNew(vec![Step::Patch("second".to_owned())]),
    ];
    let handle = start(&kit, "c", steps).await;
    assert_eq!(result(&handle).await.unwrap(), ["patched true"]);
    let options = WorkflowGetResultOptions::builder().follow_runs(false).build();
    let first = handle.get_result(options).await;
    assert!(
        matches!(first, Err(WorkflowGetResultError::ContinuedAsNew)),
        "{first:?}"
    );
    let started = event!(kit, "c", WorkflowExecutionStartedEventAttributes);
    let first_run = handle.run_id().unwrap();
    assert_eq!(started.continued_execution_run_id, first_run);
    assert_eq!(started.first_execution_run_id, first_run);
    assert_ne!(started.original_execution_run_id, first_run);
    assert_eq!(started.initiator().as_str_name(), "CONTINUE_AS_NEW_INITIATOR_WORKFLOW");
    assert_eq!(types(&kit, "c").last(), Some(&"WORKFLOW_EXECUTION_COMPLETED"));
}

#[tokio::test]
async fn a_signal_that_comes_with_the_end_of_a_run_is_not_lost() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "c", vec![Step::ContinueAsNew(vec![Step::Notes(1)])]).await;
    kit.settle().await;
    let latest: super::Handle = kit.client().get_workflow_handle("c");
    super::note(&latest, "for the second run").await;
    assert_eq!(result(&handle).await.unwrap(), ["for the second run"]);
}

#[tokio::test]
async fn the_memo_goes_on_with_the_chain() {
    let (kit, _worker) = kit().await;
    let mut memo = MemoValues::new();
    memo.insert("who", "me");
    let options = WorkflowStartOptions::new(QUEUE, "c").memo(memo).build();
    let handle = start_with(&kit, vec![Step::ContinueAsNew(vec![])], options).await;
    result(&handle).await.unwrap();
    let started = event!(kit, "c", WorkflowExecutionStartedEventAttributes);
    assert!(started.memo.unwrap().fields.contains_key("who"));
}
