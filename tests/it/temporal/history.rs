//! Reading histories: pages, long polls, backwards.

use std::time::Duration;

use temporalio_client::grpc::WorkflowService;
use temporalio_client::{HistoryEventFilterType, WorkflowFetchHistoryOptions};
use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryReverseRequest,
};
use tonic::IntoRequest;

use super::script::Step;
use super::{kit, note, play, result, start};

#[tokio::test]
async fn a_long_history_comes_in_pages() {
    let (kit, mut worker) = kit().await;
    let handle = start(&kit, "h", vec![Step::Loop(120), Step::Notes(1)]).await;
    kit.advance(Duration::from_secs(200)).await.unwrap();
    let whole = kit.history("h").events;
    assert!(whole.len() > 512, "{}", whole.len());
    let mut client = kit.client().clone();
    let (mut events, mut token, mut pages) = (Vec::new(), Vec::new(), 0);
    loop {
        let request = GetWorkflowExecutionHistoryRequest {
            namespace: "default".to_owned(),
            execution: Some(WorkflowExecution {
                workflow_id: "h".to_owned(),
                ..Default::default()
            }),
            maximum_page_size: 100,
            next_page_token: token,
            ..Default::default()
        };
        let answer = client
            .get_workflow_execution_history(request.into_request())
            .await
            .unwrap()
            .into_inner();
        events.extend(answer.history.unwrap().events);
        pages += 1;
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(events, whole);
    assert_eq!(pages, whole.len().div_ceil(100));
    // A new worker replays all of it, page by page.
    worker.restart().await;
    note(&handle, "go").await;
    assert_eq!(result(&handle).await.unwrap(), ["120 timers", "go"]);
}

#[tokio::test]
async fn backwards() {
    let (kit, _worker) = kit().await;
    play(&kit, "h", vec![Step::Loop(10)]).await;
    let mut client = kit.client().clone();
    let (mut ids, mut token) = (Vec::new(), Vec::new());
    loop {
        let request = GetWorkflowExecutionHistoryReverseRequest {
            namespace: "default".to_owned(),
            execution: Some(WorkflowExecution {
                workflow_id: "h".to_owned(),
                ..Default::default()
            }),
            maximum_page_size: 7,
            next_page_token: token,
        };
        let answer = client
            .get_workflow_execution_history_reverse(request.into_request())
            .await
            .unwrap()
            .into_inner();
        ids.extend(answer.history.unwrap().events.iter().map(|event| event.event_id));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let last = i64::try_from(kit.history("h").events.len()).unwrap();
    assert_eq!(ids, (1..=last).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_long_poll_waits_for_the_next_event() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "h", vec![Step::Notes(1)]).await;
    kit.settle().await;
    let options = WorkflowFetchHistoryOptions::builder()
        .wait_new_event(true)
        .event_filter_type(HistoryEventFilterType::CloseEvent)
        .build();
    let (events, ()) = tokio::join!(handle.fetch_history(options).into_events(), note(&handle, "go"));
    let events = events.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(super::short(events[0].event_type()), "WORKFLOW_EXECUTION_COMPLETED");
}
