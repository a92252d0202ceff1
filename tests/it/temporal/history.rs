//! Reading histories: pages, long polls, backwards.

use std::time::Duration;

use temporalio_client::grpc::WorkflowService;
use temporalio_client::{HistoryEventFilterType, WorkflowFetchHistoryOptions};
use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryResponse, GetWorkflowExecutionHistoryReverseRequest,
};
use tonic::{Code, IntoRequest, Status};

use super::script::Step;
use super::{kit, note, play, result, short, start};
use awaithumans_testkit::Testkit;

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

/// Asks for the history of a workflow id, whatever run that is.
fn of(workflow_id: &str) -> GetWorkflowExecutionHistoryRequest {
    GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: Some(WorkflowExecution {
            workflow_id: workflow_id.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

async fn ask(
    kit: &Testkit,
    request: GetWorkflowExecutionHistoryRequest,
) -> Result<GetWorkflowExecutionHistoryResponse, Status> {
    let answer = kit
        .client()
        .clone()
        .get_workflow_execution_history(request.into_request())
        .await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_long_poll_by_workflow_id_stays_on_the_run_that_it_began_with() {
    let (kit, _worker) = kit().await;
    start(&kit, "h", vec![Step::Sleep(5), Step::ContinueAsNew(vec![])]).await;
    kit.settle().await;
    let waiting = || GetWorkflowExecutionHistoryRequest {
        wait_new_event: true,
        ..of("h")
    };
    let mut page = ask(&kit, waiting()).await.unwrap();
    kit.advance(Duration::from_secs(6)).await.unwrap();
    let mut types = Vec::new();
    loop {
        types.extend(
            page.history
                .unwrap()
                .events
                .iter()
                .map(|event| short(event.event_type())),
        );
        if page.next_page_token.is_empty() {
            break;
        }
        let request = GetWorkflowExecutionHistoryRequest {
            next_page_token: page.next_page_token,
            ..waiting()
        };
        page = ask(&kit, request).await.unwrap();
    }
    assert_eq!(
        types.iter().filter(|it| **it == "WORKFLOW_EXECUTION_STARTED").count(),
        1
    );
    assert_eq!(types.last(), Some(&"WORKFLOW_EXECUTION_CONTINUED_AS_NEW"));
}

#[tokio::test]
async fn a_token_is_good_for_its_own_run_only() {
    let (kit, _worker) = kit().await;
    play(&kit, "one", vec![Step::Sleep(5)]).await;
    play(&kit, "two", vec![Step::Sleep(5)]).await;
    let first_page = |id| GetWorkflowExecutionHistoryRequest {
        maximum_page_size: 3,
        ..of(id)
    };
    let token = ask(&kit, first_page("one")).await.unwrap().next_page_token;
    let mut request = first_page("one");
    request.next_page_token.clone_from(&token);
    request.execution.as_mut().unwrap().run_id = "00000000-0000-4000-8000-000000000000".to_owned();
    let error = ask(&kit, request).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(
        error.message(),
        "RunId in the request does not match the NextPageToken."
    );
    let request = GetWorkflowExecutionHistoryRequest {
        next_page_token: token,
        ..first_page("two")
    };
    assert_eq!(ask(&kit, request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn an_open_run_has_no_close_event() {
    let (kit, _worker) = kit().await;
    let handle = start(&kit, "h", vec![Step::Notes(1)]).await;
    kit.settle().await;
    let close = || GetWorkflowExecutionHistoryRequest {
        history_event_filter_type: HistoryEventFilterType::CloseEvent as i32,
        ..of("h")
    };
    assert_eq!(
        ask(&kit, close()).await.unwrap(),
        GetWorkflowExecutionHistoryResponse {
            history: Some(Default::default()),
            ..Default::default()
        }
    );
    note(&handle, "go").await;
    result(&handle).await.unwrap();
    let events = ask(&kit, close()).await.unwrap().history.unwrap().events;
    assert_eq!(
        events.iter().map(|it| short(it.event_type())).collect::<Vec<_>>(),
        ["WORKFLOW_EXECUTION_COMPLETED"]
    );
}
