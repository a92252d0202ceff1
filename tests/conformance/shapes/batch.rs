//! Batch operations.

use std::sync::Mutex;

use temporalio_common::protos::temporal::api::batch::v1 as batch;
use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use temporalio_common::protos::temporal::api::workflowservice::v1::start_batch_operation_request::Operation;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage};

on_both_arms![batch_terminates_by_ids, batch_signals_by_ids, batch_with_bad_requests,];

#[expect(deprecated, reason = "the SDKs of today send the executions so")]
fn starting(
    stage: &Stage<'_>,
    executions: Vec<WorkflowExecution>,
    operation: Option<Operation>,
) -> wire::StartBatchOperationRequest {
    wire::StartBatchOperationRequest {
        namespace: NAMESPACE.to_owned(),
        job_id: stage.named("job"),
        reason: "spring cleaning".to_owned(),
        executions,
        operation,
        ..Default::default()
    }
}

fn describe(stage: &mut Stage<'_>) {
    let request = wire::DescribeBatchOperationRequest {
        namespace: NAMESPACE.to_owned(),
        job_id: stage.named("job"),
    };
    stage.call::<wire::DescribeBatchOperationResponse>("DescribeBatchOperation", &request);
}

fn terminate() -> Option<Operation> {
    Some(Operation::TerminationOperation(batch::BatchOperationTermination {
        details: None,
        identity: "client".to_owned(),
    }))
}

/// A namespace may have one batch running.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn batch_terminates_by_ids(stage: &mut Stage<'_>) {
    let _alone = ONE_AT_A_TIME.lock();
    let executions = vec![stage.start("one"), stage.start("two")];
    let request = starting(stage, executions.clone(), terminate());
    stage.call::<wire::StartBatchOperationResponse>("StartBatchOperation", &request);
    stage.pass(3);
    describe(stage);
    for execution in &executions {
        stage.history(execution);
    }
    stage.call::<wire::StartBatchOperationResponse>("StartBatchOperation", &request);
}

fn batch_signals_by_ids(stage: &mut Stage<'_>) {
    let _alone = ONE_AT_A_TIME.lock();
    let execution = stage.start("one");
    let gone = WorkflowExecution {
        workflow_id: stage.named("gone"),
        run_id: String::new(),
    };
    let signal = Operation::SignalOperation(batch::BatchOperationSignal {
        signal: "news".to_owned(),
        identity: "client".to_owned(),
        ..Default::default()
    });
    let request = starting(stage, vec![execution.clone(), gone], Some(signal));
    stage.call::<wire::StartBatchOperationResponse>("StartBatchOperation", &request);
    stage.pass(3);
    describe(stage);
    stage.history(&execution);
}

fn batch_with_bad_requests(stage: &mut Stage<'_>) {
    let executions = vec![WorkflowExecution {
        workflow_id: stage.named("one"),
        run_id: String::new(),
    }];
    type Break = fn(&mut wire::StartBatchOperationRequest);
    let breaks: [Break; 5] = [
        |it| it.job_id.clear(),
        |it| it.reason.clear(),
        |it| it.operation = None,
        #[expect(deprecated, reason = "the SDKs of today send the executions so")]
        |it| it.executions.clear(),
        |it| it.visibility_query = "WorkflowId = 'x'".to_owned(),
    ];
    for broken in breaks {
        let mut request = starting(stage, executions.clone(), terminate());
        broken(&mut request);
        stage.call::<wire::StartBatchOperationResponse>("StartBatchOperation", &request);
    }
    describe(stage);
}
