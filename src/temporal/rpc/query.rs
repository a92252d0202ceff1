//! Queries: asked by clients, answered by workers.

use temporalio_protos::temporal::api::enums::v1::{QueryRejectCondition, WorkflowExecutionStatus};
use temporalio_protos::temporal::api::query::v1::{QueryRejected, WorkflowQueryResult};
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::Answer;
use crate::temporal::engine::{Call, Engine, HandKey, ParkedAt};
use crate::temporal::reject::Reject;
use crate::temporal::token::TaskToken;

pub(super) fn query(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::QueryWorkflowRequest,
) -> Result<Answer<wire::QueryWorkflowResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let Some(query) = request.query else {
        return Err(Reject::InvalidArgument("Query is not set on request.".to_owned()));
    };
    if query.query_type.is_empty() {
        return Err(Reject::InvalidArgument("QueryType is not set on request.".to_owned()));
    }
    let run = engine.runs.find(&request.namespace, request.execution.as_ref())?;
    if is_rejected(run.status, request.query_reject_condition) {
        return Ok(Answer::Now(wire::QueryWorkflowResponse {
            query_rejected: Some(QueryRejected {
                status: run.status as i32,
            }),
            ..Default::default()
        }));
    }
    let run = run.run;
    engine.park(call, ParkedAt::Query(run));
    engine
        .with_run(call.now, run, |run, context| run.query(context, call.ticket, query))
        .unwrap_or_else(|| Err(Reject::workflow_completed()))?;
    Ok(Answer::Later)
}

pub(super) fn completed(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondQueryTaskCompletedRequest,
) -> Result<Answer<wire::RespondQueryTaskCompletedResponse>, Reject> {
    engine.namespaces.check_length(&request.namespace)?;
    let not_found = || Err(Reject::NotFound("query task not found, or already expired".to_owned()));
    let (run, query_id) = match TaskToken::decode(&request.task_token) {
        Some(TaskToken::Query { run, query_id }) => (run, query_id),
        Some(_) => return not_found(),
        None => return Err(Reject::InvalidArgument("error deserializing task token".to_owned())),
    };
    engine.hands.remove(&HandKey::Query(run, query_id.clone()));
    let result = WorkflowQueryResult {
        result_type: request.completed_type,
        answer: request.query_result,
        error_message: request.error_message,
        failure: request.failure,
    };
    let answered = engine.with_run(call.now, run, |run, context| {
        run.answer_query(context, &query_id, result)
    });
    match answered {
        Some(true) => Ok(Answer::Now(wire::RespondQueryTaskCompletedResponse {})),
        _ => not_found(),
    }
}

fn is_rejected(status: WorkflowExecutionStatus, condition: i32) -> bool {
    match status {
        WorkflowExecutionStatus::Running => return false,
        // Whatever the client says.
        WorkflowExecutionStatus::Paused => return true,
        _ => {}
    }
    match QueryRejectCondition::try_from(condition) {
        Ok(QueryRejectCondition::NotOpen) => true,
        Ok(QueryRejectCondition::NotCompletedCleanly) => status != WorkflowExecutionStatus::Completed,
        _ => false,
    }
}
