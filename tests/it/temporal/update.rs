//! Updates.

use std::time::Duration;

use temporalio_client::WorkflowExecuteUpdateOptions;
use temporalio_client::errors::WorkflowUpdateError;

use super::script::{Script, Step};
use super::{all_types, event, kit, note, result, start, types};

#[tokio::test]
async fn an_update_is_accepted_and_completed_in_the_history() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "u", vec![Step::Notes(1)]).await;
    kit.settle().await;
    let count = handle
        .execute_update(Script::add, "one".to_owned(), Default::default())
        .await
        .unwrap();
    assert_eq!(count, 1);
    assert_eq!(result(&handle).await.unwrap(), ["one"]);
    assert_eq!(
        types(&kit, "u"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
            "WORKFLOW_EXECUTION_UPDATE_COMPLETED",
            "WORKFLOW_EXECUTION_COMPLETED"
        ]
    );
    let accepted = event!(kit, "u", WorkflowExecutionUpdateAcceptedEventAttributes);
    assert_eq!(accepted.accepted_request_sequencing_event_id, 5);
    assert_eq!(accepted.accepted_request.unwrap().input.unwrap().name, "add");
    assert_eq!(
        event!(kit, "u", WorkflowExecutionUpdateCompletedEventAttributes).accepted_event_id,
        8
    );
}

#[tokio::test]
async fn an_update_that_the_validator_rejects_leaves_no_trace() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "u", vec![Step::Notes(1)]).await;
    kit.settle().await;
    let before = all_types(&kit, "u");
    let refused = handle
        .execute_update(Script::add, "bad".to_owned(), Default::default())
        .await;
    match refused {
        Err(WorkflowUpdateError::Failed(failure)) => assert!(failure.message.contains("a bad note"), "{failure:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(all_types(&kit, "u"), before);
    note(&handle, "good").await;
    assert_eq!(
        result(&handle).await.unwrap(),
        ["good"],
        "the workflow goes on as if nothing had been"
    );
}

#[tokio::test]
async fn an_update_before_the_first_workflow_task() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "u", vec![Step::Notes(1)]).await;
    let count = handle
        .execute_update(Script::add, "early".to_owned(), Default::default())
        .await
        .unwrap();
    assert_eq!(count, 1);
    assert_eq!(result(&handle).await.unwrap(), ["early"]);
}

#[tokio::test]
async fn an_update_id_counts_once() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "u", vec![Step::Notes(3)]).await;
    let options = || {
        WorkflowExecuteUpdateOptions::builder()
            .update_id("once".to_owned())
            .build()
    };
    for _ in 0..2 {
        let count = handle
            .execute_update(Script::add, "same".to_owned(), options())
            .await
            .unwrap();
        assert_eq!(count, 1);
    }
    assert_eq!(
        handle
            .execute_update(Script::add, "other".to_owned(), Default::default())
            .await
            .unwrap(),
        2
    );
    note(&handle, "last").await;
    assert_eq!(result(&handle).await.unwrap(), ["same,other,last"]);
    let late = handle.execute_update(Script::add, "same".to_owned(), options()).await;
    assert_eq!(late.unwrap(), 1, "the outcome outlives the run");
    let new = handle
        .execute_update(Script::add, "late".to_owned(), Default::default())
        .await;
    assert!(matches!(new, Err(WorkflowUpdateError::NotFound(_))), "{new:?}");
}

#[tokio::test]
async fn an_update_that_takes_time_is_accepted_first() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "u", vec![Step::Notes(1)]).await;
    let before = kit.now();
    let update = handle
        .start_update(Script::add_slowly, "slow".to_owned(), Default::default())
        .await
        .unwrap();
    assert_eq!(kit.now(), before, "accepted at once");
    assert_eq!(update.get_result(Default::default()).await.unwrap(), 1);
    assert_eq!(kit.now().since(before), Duration::from_secs(10));
    assert_eq!(result(&handle).await.unwrap(), ["slow"]);
}

#[tokio::test]
async fn a_run_that_ends_aborts_the_updates_that_it_accepted() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "u", vec![Step::Notes(1)]).await;
    let update = handle
        .start_update(Script::add_slowly, "slow".to_owned(), Default::default())
        .await
        .unwrap();
    note(&handle, "end").await;
    assert_eq!(result(&handle).await.unwrap(), ["end"]);
    let outcome = update.get_result(Default::default()).await;
    match outcome {
        Err(WorkflowUpdateError::Failed(failure)) => {
            assert!(
                failure
                    .message
                    .contains("Workflow Update failed because the Workflow completed"),
                "{failure:?}"
            );
        }
        other => panic!("{other:?}"),
    }
}
