//! Errors that a real server doesn't expect: it shows a fingerprint of their text only.

use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, complete};

on_both_arms![page_tokens_that_are_none, resets_of_no_type, batches_that_are_none];

fn page_tokens_that_are_none(stage: &mut Stage<'_>) {
    let tokens: [&[u8]; 7] = [
        b"xyz",
        b"{",
        b"[1]",
        b"3",
        b"{\"CloseTime\":\"x\"}",
        b"{\"CloseTime\":\"2026-11-30T00:00:00Z\",\"StartTime\":7}",
        b"\xff\xfe",
    ];
    for token in tokens {
        let request = wire::ListWorkflowExecutionsRequest {
            namespace: NAMESPACE.to_owned(),
            next_page_token: token.to_vec(),
            ..Default::default()
        };
        stage.call::<wire::ListWorkflowExecutionsResponse>("ListWorkflowExecutions", &request);
    }
    let (namespace, next_page_token) = (NAMESPACE.to_owned(), b"xyz".to_vec());
    let request = wire::ListSchedulesRequest {
        namespace: namespace.clone(),
        next_page_token: next_page_token.clone(),
        ..Default::default()
    };
    stage.call::<wire::ListSchedulesResponse>("ListSchedules", &request);
    let request = wire::ListBatchOperationsRequest {
        namespace: namespace.clone(),
        next_page_token: next_page_token.clone(),
        ..Default::default()
    };
    stage.call::<wire::ListBatchOperationsResponse>("ListBatchOperations", &request);
    let request = wire::ListActivityExecutionsRequest {
        namespace: namespace.clone(),
        next_page_token: next_page_token.clone(),
        ..Default::default()
    };
    stage.call::<wire::ListActivityExecutionsResponse>("ListActivityExecutions", &request);
    let request = wire::ListNexusOperationExecutionsRequest {
        namespace,
        next_page_token,
        ..Default::default()
    };
    stage.call::<wire::ListNexusOperationExecutionsResponse>("ListNexusOperationExecutions", &request);
}

#[expect(deprecated, reason = "clients may still send it")]
fn resets_of_no_type(stage: &mut Stage<'_>) {
    let execution = stage.start("reset");
    stage.work(vec![]);
    let request = wire::ResetWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution),
        workflow_task_finish_event_id: 4,
        request_id: "reset".to_owned(),
        reset_reapply_type: 9,
        ..Default::default()
    };
    stage.call::<wire::ResetWorkflowExecutionResponse>("ResetWorkflowExecution", &request);
}

fn batches_that_are_none(stage: &mut Stage<'_>) {
    let execution = stage.start("plain");
    stage.work(vec![complete("1")]);
    let request = wire::DescribeBatchOperationRequest {
        namespace: NAMESPACE.to_owned(),
        job_id: execution.workflow_id,
    };
    stage.call::<wire::DescribeBatchOperationResponse>("DescribeBatchOperation", &request);
}
