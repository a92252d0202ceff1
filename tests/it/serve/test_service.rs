//! Temporal's test service over TCP: what moves time, and what doesn't.

use std::time::Duration;

use awaithumans_testkit::Timestamp;
use awaithumans_testkit::serve::{Ready, Time};
use temporalio_common::protos::temporal::api::common::v1::WorkflowType;
use temporalio_common::protos::temporal::api::testservice::v1 as wire;
use temporalio_common::protos::temporal::api::testservice::v1::test_service_client::TestServiceClient;
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;
use tonic::transport::Channel;

use super::{channel, queue, raw, served};

const TWO_DAYS: u64 = 2 * 86_400;

type Service = TestServiceClient<Channel>;

async fn service(ready: &Ready) -> Service {
    TestServiceClient::new(channel(ready).await)
}

async fn seconds(service: &mut Service) -> u64 {
    let answer = service.get_current_time(()).await.unwrap();
    answer.into_inner().time.unwrap().seconds.unsigned_abs()
}

fn two_days() -> wire::SleepRequest {
    wire::SleepRequest {
        duration: Some(Duration::from_secs(TWO_DAYS).try_into().unwrap()),
    }
}

#[tokio::test]
async fn manual_time_moves_by_what_clients_sleep_and_not_otherwise() {
    let ready = served(Time::Manual).await;
    let mut service = service(&ready).await;
    let start = Timestamp::EPOCH_OF_TESTS.as_seconds();
    assert_eq!(seconds(&mut service).await, start);
    service.sleep(two_days()).await.unwrap();
    assert_eq!(seconds(&mut service).await, start + TWO_DAYS);
    service.unlock_time_skipping_with_sleep(two_days()).await.unwrap();
    assert_eq!(seconds(&mut service).await, start + 2 * TWO_DAYS);
}

#[tokio::test]
async fn an_unlocking_sleep_is_over_at_once_where_time_skips() {
    let ready = served(Time::Skip).await;
    let mut service = service(&ready).await;
    let before = seconds(&mut service).await;
    service.unlock_time_skipping_with_sleep(two_days()).await.unwrap();
    let after = seconds(&mut service).await;
    assert!(
        (before + TWO_DAYS..before + TWO_DAYS + 60).contains(&after),
        "{before} {after}"
    );
}

#[tokio::test]
async fn unlocked_time_skips_though_nobody_waits_for_a_result() {
    let ready = served(Time::Skip).await;
    let mut service = service(&ready).await;
    let before = seconds(&mut service).await;
    let delayed = StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "later".to_owned(),
        workflow_type: Some(WorkflowType { name: "any".to_owned() }),
        task_queue: queue("nobody"),
        workflow_start_delay: Some(Duration::from_secs(TWO_DAYS).try_into().unwrap()),
        request_id: "1".to_owned(),
        ..Default::default()
    };
    raw(&ready).await.start_workflow_execution(delayed).await.unwrap();
    assert!(seconds(&mut service).await < before + 60);
    service
        .unlock_time_skipping(wire::UnlockTimeSkippingRequest {})
        .await
        .unwrap();
    while seconds(&mut service).await < before + TWO_DAYS {}
}
