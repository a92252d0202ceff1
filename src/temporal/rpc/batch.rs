//! Batch operations: start, stop, describe, list.

use temporalio_protos::temporal::api::batch::v1::BatchOperationInfo;
use temporalio_protos::temporal::api::common::v1::{self as common, WorkflowExecution};
use temporalio_protos::temporal::api::enums::v1::{
    WorkflowExecutionStatus as Status, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::visibility::{count_of, page};
use super::{Answer, workflow};
use crate::temporal::batch::{self, Progress};
use crate::temporal::engine::{Call, Engine, Started, batch_input};
use crate::temporal::proto::proto_duration;
use crate::temporal::reject::Reject;
use crate::temporal::run::{DEFAULT_TASK_TIMEOUT, StartRun};
use crate::temporal::visibility::attributes::NAMESPACE_DIVISION;
use crate::temporal::visibility::query;

/// Where a batch's search attributes name who asked for it.
const USER: &str = "BatcherUser";

pub(super) fn start(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::StartBatchOperationRequest,
) -> Result<Answer<wire::StartBatchOperationResponse>, Reject> {
    let namespace = engine.namespaces.require(&request.namespace)?;
    let (name, id) = (namespace.name.clone(), namespace.id.clone());
    batch::check(&request).map_err(Reject::InvalidArgument)?;
    if !request.visibility_query.is_empty() {
        query::check_syntax(&request.visibility_query)
            .map_err(|why| Reject::InvalidArgument(format!("invalid visibility query: {why}")))?;
    }
    let open = format!("{NAMESPACE_DIVISION} = '{}' AND ExecutionStatus = 1", batch::DIVISION);
    if count_of(engine, &name, &open)? >= batch::MAX_CONCURRENT {
        return Err(Reject::ConcurrentLimit(
            "Max concurrent batch operations is reached".to_owned(),
        ));
    }
    let start = start_run(engine, &request, name, id);
    let Started::New(run) = engine.start_run(call.now, start)? else {
        return Ok(Answer::Now(wire::StartBatchOperationResponse {}));
    };
    engine.begin_batch(call.now, run, request);
    Ok(Answer::Now(wire::StartBatchOperationResponse {}))
}

pub(super) fn stop(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::StopBatchOperationRequest,
) -> Result<Answer<wire::StopBatchOperationResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    require_job_id(&request.job_id)?;
    if request.reason.is_empty() {
        return Err(Reject::InvalidArgument("Reason is not set on request.".to_owned()));
    }
    let terminate = wire::TerminateWorkflowExecutionRequest {
        namespace: request.namespace,
        workflow_execution: Some(execution(request.job_id)),
        reason: request.reason,
        identity: request.identity,
        ..Default::default()
    };
    workflow::terminate(engine, call, terminate)?;
    Ok(Answer::Now(wire::StopBatchOperationResponse {}))
}

pub(super) fn describe(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DescribeBatchOperationRequest,
) -> Result<Answer<wire::DescribeBatchOperationResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    require_job_id(&request.job_id)?;
    let run = engine.runs.find(&request.namespace, Some(&execution(request.job_id)))?;
    let described = run.describe(call.now);
    let info = described.workflow_execution_info.unwrap_or_default();
    let memo = info.memo.unwrap_or_default().fields;
    let user = info.search_attributes.unwrap_or_default().indexed_fields;
    let heartbeat = described.pending_activities.first();
    let progress = match run.status {
        Status::Completed => memo
            .get(batch::STATS_MEMO)
            .and_then(Progress::from_stats)
            .ok_or_else(|| Reject::Unknown("batch operation stats are not present in the memo".to_owned()))?,
        _ => heartbeat
            .and_then(|activity| Progress::from_details(activity.heartbeat_details.as_ref()?))
            .unwrap_or_default(),
    };
    Ok(Answer::Now(wire::DescribeBatchOperationResponse {
        operation_type: batch::kind_by_memo(&batch::text(memo.get(batch::TYPE_MEMO))) as i32,
        job_id: run.start.workflow_id.clone(),
        state: batch::state(run.status) as i32,
        start_time: info.start_time,
        close_time: info.close_time,
        total_operation_count: progress.total,
        complete_operation_count: progress.succeeded,
        failure_operation_count: progress.failed,
        identity: batch::text(user.get(USER)),
        reason: batch::text(memo.get(batch::REASON_MEMO)),
        query: batch::text(memo.get(batch::QUERY_MEMO)),
        executions: memo
            .get(batch::EXECUTIONS_MEMO)
            .map(batch::executions_from_memo)
            .unwrap_or_default(),
    }))
}

pub(super) fn list(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListBatchOperationsRequest,
) -> Result<Answer<wire::ListBatchOperationsResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let query = format!("{NAMESPACE_DIVISION} = '{}'", batch::DIVISION);
    let (executions, next_page_token) = page(
        engine,
        &request.namespace,
        request.page_size,
        &request.next_page_token,
        &query,
    )?;
    let operation = |info: temporalio_protos::temporal::api::workflow::v1::WorkflowExecutionInfo| {
        let state = batch::state(info.status()) as i32;
        let memo = info.memo.unwrap_or_default().fields;
        BatchOperationInfo {
            job_id: info.execution.unwrap_or_default().workflow_id,
            state,
            start_time: info.start_time,
            close_time: info.close_time,
            operation_type: batch::kind_by_memo(&batch::text(memo.get(batch::TYPE_MEMO))) as i32,
        }
    };
    Ok(Answer::Now(wire::ListBatchOperationsResponse {
        operation_info: executions.into_iter().map(operation).collect(),
        next_page_token,
    }))
}

/// The batch's workflow.
fn start_run(
    engine: &mut Engine,
    request: &wire::StartBatchOperationRequest,
    namespace: String,
    namespace_id: String,
) -> StartRun {
    let identity = batch::identity(request).to_owned();
    let keyword = |text: &str| {
        let mut payload = batch::payload(&text.into());
        payload.metadata.insert("type".to_owned(), b"Keyword".to_vec());
        payload
    };
    StartRun {
        namespace,
        namespace_id,
        workflow_id: request.job_id.clone(),
        workflow_type: batch::WORKFLOW_TYPE.to_owned(),
        task_queue: batch::TASK_QUEUE.to_owned(),
        input: Some(batch_input(request)),
        task_timeout: Some(proto_duration(DEFAULT_TASK_TIMEOUT)),
        memo: Some(batch::memo(request)),
        search_attributes: Some(common::SearchAttributes {
            indexed_fields: [
                (USER.to_owned(), keyword(&identity)),
                (NAMESPACE_DIVISION.to_owned(), keyword(batch::DIVISION)),
            ]
            .into(),
        }),
        identity,
        request_id: engine.entropy.uuid(),
        id_conflict_policy: WorkflowIdConflictPolicy::Fail as i32,
        id_reuse_policy: WorkflowIdReusePolicy::RejectDuplicate as i32,
        attempt: 1,
        priority: Some(common::Priority::default()),
        ..Default::default()
    }
}

fn execution(job_id: String) -> WorkflowExecution {
    WorkflowExecution {
        workflow_id: job_id,
        run_id: String::new(),
    }
}

fn require_job_id(job_id: &str) -> Result<(), Reject> {
    match job_id.is_empty() {
        true => Err(Reject::InvalidArgument("JobId is not set on request.".to_owned())),
        false => Ok(()),
    }
}
