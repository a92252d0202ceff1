//! What has ended is forgotten after its namespace's retention, and not before.

use std::time::Duration;

use awaithumans_testkit::Testkit;
use temporalio_client::{UntypedWorkflow, WorkflowStartOptions};
use temporalio_common::data_converters::RawValue;
use temporalio_common::protos::temporal::api::enums::v1 as enums;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::raw::{Raw, complete_workflow, execution, queue, seconds, timer};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn count(raw: &mut Raw, namespace: &str) -> i64 {
    let request = wire::CountWorkflowExecutionsRequest {
        namespace: namespace.to_owned(),
        ..Default::default()
    };
    raw.call::<wire::CountWorkflowExecutionsResponse>("CountWorkflowExecutions", &request)
        .unwrap()
        .count
}

fn describe(raw: &mut Raw, namespace: &str, id: &str) -> Result<wire::DescribeWorkflowExecutionResponse, String> {
    let request = wire::DescribeWorkflowExecutionRequest {
        namespace: namespace.to_owned(),
        execution: execution(id),
    };
    raw.call("DescribeWorkflowExecution", &request)
        .map_err(|reject| reject.message())
}

#[test]
fn default_keeps_what_has_ended_for_ever() {
    let mut raw = Raw::new();
    raw.start("old", |_| {});
    raw.work(vec![complete_workflow()]);
    raw.advance(DAY * 10_000);
    assert_eq!(count(&mut raw, "default"), 1);
    assert_eq!(raw.types("old").len(), 5);
}

#[test]
fn default_forgets_after_the_retention_that_it_is_given() {
    let mut raw = Raw::new();
    raw.engine.set_retention(DAY);
    raw.start("old", |_| {});
    raw.work(vec![complete_workflow()]);
    raw.start("open", |_| {});
    raw.work(vec![timer("1", 10 * 86_400)]);

    raw.advance(DAY - Duration::from_nanos(1));
    assert!(describe(&mut raw, "default", "old").is_ok());
    raw.advance(Duration::from_nanos(1));
    assert_eq!(
        describe(&mut raw, "default", "old").unwrap_err(),
        "workflow not found for ID: old"
    );
    assert_eq!(count(&mut raw, "default"), 1);
    raw.advance(DAY * 20);
    assert!(describe(&mut raw, "default", "open").is_ok(), "it hasn't ended");
}

#[test]
fn an_id_is_free_again_when_its_run_is_forgotten() {
    let mut raw = Raw::new();
    raw.engine.set_retention(DAY);
    let once = |request: &mut wire::StartWorkflowExecutionRequest| {
        request.set_workflow_id_reuse_policy(enums::WorkflowIdReusePolicy::RejectDuplicate);
    };
    let first = raw.start("once", once);
    raw.work(vec![complete_workflow()]);
    raw.advance(DAY);
    assert_ne!(raw.start("once", once), first);
}

#[test]
fn a_namespace_that_a_client_registers_keeps_what_it_asks_for() {
    let mut raw = Raw::new();
    let request = wire::RegisterNamespaceRequest {
        namespace: "short".to_owned(),
        workflow_execution_retention_period: seconds(2 * 86_400),
        ..Default::default()
    };
    raw.call::<wire::RegisterNamespaceResponse>("RegisterNamespace", &request)
        .unwrap();
    raw.start("short-lived", |request| {
        request.namespace = "short".to_owned();
        request.workflow_run_timeout = seconds(10);
    });
    raw.advance(DAY * 2);
    assert_eq!(count(&mut raw, "short"), 1);
    raw.advance(Duration::from_secs(10));
    assert_eq!(count(&mut raw, "short"), 0);
}

#[test]
fn activities_without_a_workflow_are_forgotten_too() {
    let mut raw = Raw::new();
    raw.engine.set_retention(DAY);
    let request = wire::StartActivityExecutionRequest {
        namespace: "default".to_owned(),
        activity_id: "alone".to_owned(),
        activity_type: Some(temporalio_common::protos::temporal::api::common::v1::ActivityType {
            name: "act".to_owned(),
        }),
        task_queue: Some(queue()),
        start_to_close_timeout: seconds(10),
        schedule_to_close_timeout: seconds(10),
        ..Default::default()
    };
    raw.call::<wire::StartActivityExecutionResponse>("StartActivityExecution", &request)
        .unwrap();
    raw.advance(DAY);
    let request = wire::DescribeActivityExecutionRequest {
        namespace: "default".to_owned(),
        activity_id: "alone".to_owned(),
        ..Default::default()
    };
    let describe =
        |raw: &mut Raw| raw.call::<wire::DescribeActivityExecutionResponse>("DescribeActivityExecution", &request);
    assert!(describe(&mut raw).is_ok());
    raw.advance(Duration::from_secs(10));
    let refused = describe(&mut raw).unwrap_err();
    assert_eq!(
        (refused.code(), refused.message().as_str()),
        (tonic::Code::NotFound, "activity not found for ID: alone")
    );
}

#[test]
fn nothing_is_due_for_what_is_only_to_be_forgotten() {
    let mut raw = Raw::new();
    raw.engine.set_retention(DAY);
    for id in ["a", "b", "c"] {
        raw.start(id, |_| {});
        raw.work(vec![complete_workflow()]);
    }
    assert_eq!(raw.engine.poll_timeout(), None);
}

#[tokio::test]
async fn a_testkit_with_a_retention_loses_what_is_older() {
    for (retention, is_kept) in [(None, true), (Some(DAY), false)] {
        let mut builder = Testkit::builder();
        if let Some(retention) = retention {
            builder = builder.retention(retention);
        }
        let kit = builder.start().await;
        let options = WorkflowStartOptions::new("nobody", "old")
            .run_timeout(Duration::from_secs(1))
            .build();
        let workflow = UntypedWorkflow::new("w");
        kit.client()
            .start_workflow(workflow, RawValue::default(), options)
            .await
            .unwrap();
        kit.advance(DAY * 3).await.unwrap();
        assert_eq!(kit.histories().len(), usize::from(is_kept));
    }
}
