//! Queries.

use std::time::Duration;

use temporalio_client::errors::WorkflowQueryError;
use temporalio_client::{QueryRejectCondition, UntypedQuery, WorkflowQueryOptions};
use temporalio_common::data_converters::RawValue;

use super::script::{Script, Step};
use super::{Handle, all_types, kit, note, result, start};

async fn notes(handle: &Handle) -> Result<Vec<String>, WorkflowQueryError> {
    handle.query(Script::notes, (), Default::default()).await
}

#[tokio::test]
async fn a_query_sees_the_state_and_leaves_no_trace() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "q", vec![Step::Notes(2)]).await;
    assert!(
        notes(&handle).await.unwrap().is_empty(),
        "a query waits for the first workflow task"
    );
    note(&handle, "one").await;
    assert_eq!(
        notes(&handle).await.unwrap(),
        ["one"],
        "a query comes after the signal before it"
    );
    kit.settle().await;
    let before = all_types(&kit, "q");
    assert_eq!(notes(&handle).await.unwrap(), ["one"]);
    assert_eq!(all_types(&kit, "q"), before);
    note(&handle, "two").await;
    result(&handle).await.unwrap();
    assert_eq!(
        notes(&handle).await.unwrap(),
        ["one", "two"],
        "a run that has ended still answers"
    );
}

#[tokio::test]
async fn a_query_after_a_restart_replays_the_workflow() {
    let (kit, mut worker) = kit().await;
    let handle = start(&kit, "q", vec![Step::Notes(2)]).await;
    note(&handle, "one").await;
    kit.settle().await;
    worker.crash();
    worker.restart().await;
    let answer = kit.run_until(notes(&handle)).await.unwrap();
    assert_eq!(answer.unwrap(), ["one"]);
}

#[tokio::test]
async fn queries_that_fail() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "q", vec![Step::Notes(1)]).await;
    let broken = handle.query(Script::broken, (), Default::default()).await.unwrap_err();
    assert!(format!("{broken:?}").contains("the handler is broken"), "{broken:?}");
    let unknown = UntypedQuery::<super::script::Run>::new("no such query");
    let unknown = handle.query(unknown, RawValue::new(vec![]), Default::default()).await;
    assert!(format!("{:?}", unknown.unwrap_err()).contains("no such query"));
    note(&handle, "unharmed").await;
    assert_eq!(result(&handle).await.unwrap(), ["unharmed"]);
}

#[tokio::test]
async fn reject_conditions_keep_queries_from_runs_that_have_ended() {
    let (kit, _worker) = kit().await;
    let ask = async |handle: &Handle, condition| {
        let options = WorkflowQueryOptions::builder().reject_condition(condition).build();
        handle.query(Script::notes, (), options).await
    };
    let open = start(&kit, "open", vec![Step::Notes(1)]).await;
    assert!(ask(&open, QueryRejectCondition::NotOpen).await.is_ok());
    let done = start(&kit, "done", vec![]).await;
    result(&done).await.unwrap();
    assert!(matches!(
        ask(&done, QueryRejectCondition::NotOpen).await,
        Err(WorkflowQueryError::Rejected { .. })
    ));
    assert!(ask(&done, QueryRejectCondition::NotCompletedCleanly).await.is_ok());
    let failed = start(&kit, "failed", vec![Step::Fail("x".to_owned())]).await;
    result(&failed).await.unwrap_err();
    let answer = ask(&failed, QueryRejectCondition::NotCompletedCleanly).await;
    assert!(matches!(answer, Err(WorkflowQueryError::Rejected { .. })), "{answer:?}");
    assert!(ask(&failed, QueryRejectCondition::None).await.is_ok());
}

#[tokio::test]
async fn a_query_while_time_is_needed_does_not_move_it() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "q", vec![Step::Sleep(3_600)]).await;
    let before = kit.now();
    notes(&handle).await.unwrap();
    assert_eq!(kit.now(), before);
    kit.advance(Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(all_types(&kit, "q").last(), Some(&"WORKFLOW_EXECUTION_COMPLETED"));
}
