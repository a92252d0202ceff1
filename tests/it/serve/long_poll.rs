//! Long polls over TCP: how they end.

use std::time::Duration;

use awaithumans_testkit::serve::{Ready, Time};
use prost::Message;
use temporalio_common::protos::temporal::api::common::v1::{ActivityType, WorkflowType};
use temporalio_common::protos::temporal::api::enums::v1::{HistoryEventFilterType, TaskQueueType};
use temporalio_common::protos::temporal::api::update::v1 as update;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::{Code, Request};

use super::workflow::execution;
use super::{queue, raw, served, spawn};

const QUEUE: &str = "polled";

fn with_timeout<T>(message: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

fn poll(worker: &str) -> Request<wire::PollActivityTaskQueueRequest> {
    let poll = wire::PollActivityTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue(QUEUE),
        worker_instance_key: worker.to_owned(),
        identity: worker.to_owned(),
        ..Default::default()
    };
    with_timeout(poll, Duration::from_secs(70))
}

fn start(id: &str) -> wire::StartWorkflowExecutionRequest {
    wire::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType { name: "any".to_owned() }),
        task_queue: queue("nobody"),
        request_id: "1".to_owned(),
        ..Default::default()
    }
}

/// Waits until exactly these workers poll.
async fn polled_by(ready: &Ready, workers: &[&str]) {
    let mut client = raw(ready).await;
    loop {
        let describe = wire::DescribeTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: queue(QUEUE),
            task_queue_type: TaskQueueType::Activity as i32,
            ..Default::default()
        };
        let described = client.describe_task_queue(describe).await.unwrap().into_inner();
        if described.pollers.iter().map(|poller| &poller.identity).eq(workers) {
            return;
        }
    }
}

#[tokio::test]
async fn a_poll_must_have_a_deadline_of_two_seconds_at_least() {
    let ready = served(Time::Manual).await;
    let mut client = raw(&ready).await;
    let without = Request::new(poll("w").into_inner());
    let refused = client.poll_activity_task_queue(without).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::InvalidArgument, "Context timeout is not set.")
    );
    let short = with_timeout(poll("w").into_inner(), Duration::from_millis(1_900));
    let refused = client.poll_activity_task_queue(short).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::FailedPrecondition, "Context timeout is too short.")
    );
}

#[tokio::test]
async fn a_poll_ends_empty_a_second_before_its_deadline() {
    let ready = served(Time::Manual).await;
    let mut client = raw(&ready).await;
    let poll = with_timeout(poll("w").into_inner(), Duration::from_millis(2_050));
    let task = client.poll_activity_task_queue(poll).await.unwrap().into_inner();
    assert_eq!(task, wire::PollActivityTaskQueueResponse::default());
}

#[tokio::test]
async fn a_client_that_waits_for_events_gets_an_empty_page_and_goes_on_from_there() {
    let ready = served(Time::Manual).await;
    let mut client = raw(&ready).await;
    client.start_workflow_execution(start("quiet")).await.unwrap();
    let mut wait = wire::GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: execution("quiet"),
        wait_new_event: true,
        history_event_filter_type: HistoryEventFilterType::CloseEvent as i32,
        ..Default::default()
    };
    let brief = Duration::from_millis(1_050);
    for _ in 0..2 {
        let request = with_timeout(wait.clone(), brief);
        let page = client
            .get_workflow_execution_history(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(page.history.unwrap().events, []);
        assert_ne!(page.next_page_token, b"");
        wait.next_page_token = page.next_page_token;
    }
    let terminate = wire::TerminateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("quiet"),
        ..Default::default()
    };
    client.terminate_workflow_execution(terminate).await.unwrap();
    let page = client.get_workflow_execution_history(wait).await.unwrap().into_inner();
    assert_eq!(page.history.unwrap().events.len(), 1);
    assert_eq!(page.next_page_token, b"");
}

#[tokio::test]
async fn an_update_that_no_worker_takes_runs_into_the_callers_deadline() {
    let ready = served(Time::Manual).await;
    let mut client = raw(&ready).await;
    client.start_workflow_execution(start("deaf")).await.unwrap();
    let request = wire::UpdateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("deaf"),
        request: Some(update::Request {
            meta: Some(update::Meta::default()),
            input: Some(update::Input {
                name: "change".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let request = with_timeout(request, Duration::from_millis(50));
    let refused = client.update_workflow_execution(request).await.unwrap_err();
    // tonic's client and the server both watch the deadline; either may be first.
    assert!(
        matches!(refused.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_polls_of_a_worker_that_shuts_down_end_and_those_of_others_do_not() {
    let ready = served(Time::Manual).await;
    let mut client = raw(&ready).await;
    let ending = spawn({
        let mut client = client.clone();
        async move { client.poll_activity_task_queue(poll("one")).await }
    });
    let staying = spawn({
        let mut client = client.clone();
        async move { client.poll_activity_task_queue(poll("two")).await }
    });
    polled_by(&ready, &["one", "two"]).await;
    let shut_down = wire::ShutdownWorkerRequest {
        namespace: "default".to_owned(),
        task_queue: QUEUE.to_owned(),
        worker_instance_key: "one".to_owned(),
        identity: "one".to_owned(),
        ..Default::default()
    };
    client.shutdown_worker(shut_down).await.unwrap();
    let task = ending.await.unwrap().unwrap().into_inner();
    assert_eq!(task.encoded_len(), 0);
    // A poll of the same worker that was still on its way gets no task either.
    let task = client.poll_activity_task_queue(poll("one")).await.unwrap().into_inner();
    assert_eq!(task.encoded_len(), 0);
    polled_by(&ready, &["two"]).await;
    assert!(!staying.is_finished());
    staying.abort();
}

#[tokio::test]
async fn the_polls_of_a_connection_that_breaks_are_forgotten() {
    let ready = served(Time::Manual).await;
    // The server may hear of the broken poll only after it was given a task: then it is given no second one.
    for attempt in 0..5 {
        let mut client = raw(&ready).await;
        let polling = spawn(async move { client.poll_activity_task_queue(poll("one")).await });
        polled_by(&ready, &["one"]).await;
        polling.abort();
        let mut client = raw(&ready).await;
        let start = wire::StartActivityExecutionRequest {
            namespace: "default".to_owned(),
            request_id: attempt.to_string(),
            activity_id: attempt.to_string(),
            activity_type: Some(ActivityType { name: "any".to_owned() }),
            task_queue: queue(QUEUE),
            start_to_close_timeout: Some(prost_types::Duration { seconds: 9, nanos: 0 }),
            ..Default::default()
        };
        client.start_activity_execution(start).await.unwrap();
        let living = with_timeout(poll("").into_inner(), Duration::from_secs(2));
        let task = client.poll_activity_task_queue(living).await.unwrap().into_inner();
        if task.activity_id == attempt.to_string() {
            return;
        }
    }
    panic!("broken polls take the tasks");
}
