//! What is found of a workflow that its namespace doesn't keep any longer.

use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::enums::v1::WorkflowIdReusePolicy as Reuse;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{Stage, complete, seconds};

/// A real server must be started with these.
const SHORT: &[(&str, &str)] = &[("system.namespaceMinRetentionLocal", "\"1s\"")];

on_both_arms![with SHORT; what_is_forgotten];

fn what_is_forgotten(stage: &mut Stage<'_>) {
    let namespace = stage.named("namespace");
    let mut request = wire::RegisterNamespaceRequest {
        namespace: namespace.clone(),
        workflow_execution_retention_period: Some(prost_types::Duration { seconds: 0, nanos: 999 }),
        ..Default::default()
    };
    stage.call::<wire::RegisterNamespaceResponse>("RegisterNamespace", &request);
    request.workflow_execution_retention_period = seconds(5);
    stage.call::<wire::RegisterNamespaceResponse>("RegisterNamespace", &request);
    // Until the real server's parts have all heard of it.
    stage.pass(12);
    let mut starting = stage.starting("short-lived");
    starting.namespace.clone_from(&namespace);
    starting.set_workflow_id_reuse_policy(Reuse::RejectDuplicate);
    let execution = stage.start_as(&starting);
    let mut polling = stage.polling();
    polling.namespace.clone_from(&namespace);
    let task: wire::PollWorkflowTaskQueueResponse = stage.call("PollWorkflowTaskQueue", &polling).unwrap_or_default();
    let mut answer = stage.answering(&task, vec![complete("1")]);
    answer.namespace.clone_from(&namespace);
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &answer);
    starting.request_id = "again".to_owned();
    stage.start_as(&starting);
    stage.pass(15);
    for run_id in [String::new(), execution.run_id.clone()] {
        let execution = Some(WorkflowExecution {
            workflow_id: execution.workflow_id.clone(),
            run_id,
        });
        let request = wire::DescribeWorkflowExecutionRequest {
            namespace: namespace.clone(),
            execution: execution.clone(),
        };
        stage.call::<wire::DescribeWorkflowExecutionResponse>("DescribeWorkflowExecution", &request);
        let request = wire::GetWorkflowExecutionHistoryRequest {
            namespace: namespace.clone(),
            execution: execution.clone(),
            ..Default::default()
        };
        stage.call::<wire::GetWorkflowExecutionHistoryResponse>("GetWorkflowExecutionHistory", &request);
        let request = wire::SignalWorkflowExecutionRequest {
            namespace: namespace.clone(),
            workflow_execution: execution.clone(),
            signal_name: "late".to_owned(),
            ..Default::default()
        };
        stage.call::<wire::SignalWorkflowExecutionResponse>("SignalWorkflowExecution", &request);
        let request = wire::ResetWorkflowExecutionRequest {
            namespace: namespace.clone(),
            workflow_execution: execution.clone(),
            workflow_task_finish_event_id: 4,
            request_id: "reset".to_owned(),
            ..Default::default()
        };
        stage.call::<wire::ResetWorkflowExecutionResponse>("ResetWorkflowExecution", &request);
        let request = wire::DeleteWorkflowExecutionRequest {
            namespace: namespace.clone(),
            workflow_execution: execution.clone(),
        };
        stage.call::<wire::DeleteWorkflowExecutionResponse>("DeleteWorkflowExecution", &request);
        let request = wire::QueryWorkflowRequest {
            namespace: namespace.clone(),
            execution,
            query: Some(temporalio_common::protos::temporal::api::query::v1::WorkflowQuery {
                query_type: "q".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        stage.call::<wire::QueryWorkflowResponse>("QueryWorkflow", &request);
    }
    let request = wire::ListWorkflowExecutionsRequest {
        namespace: namespace.clone(),
        ..Default::default()
    };
    stage.call::<wire::ListWorkflowExecutionsResponse>("ListWorkflowExecutions", &request);
    starting.request_id = "afresh".to_owned();
    stage.start_as(&starting);
}
