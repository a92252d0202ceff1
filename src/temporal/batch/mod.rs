//! Batch operations: the same request for every execution that a query or a list names.
//!
//! As in Temporal, a batch is a workflow of the namespace, in a division of its own. Clients see it by its memo and
//! its search attributes, and what is here is what both sides agree on.

mod check;
mod operation;

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value as Json, json};
use temporalio_protos::temporal::api::common::v1 as common;
use temporalio_protos::temporal::api::enums::v1::{BatchOperationState, WorkflowExecutionStatus as Status};
use temporalio_protos::temporal::api::workflowservice::v1::StartBatchOperationRequest;

pub(crate) use check::check;
pub(crate) use operation::{Asked, Target, identity, kind_by_memo, memo_name, requests, restricts_to_open};

/// The division in which lists show batches (`batcher.NamespaceDivision`).
pub(crate) const DIVISION: &str = "TemporalBatcher";

/// The type of a batch's workflow.
pub(crate) const WORKFLOW_TYPE: &str = "temporal-sys-batch-workflow-protobuf";

/// The type of its one activity.
pub(crate) const ACTIVITY_TYPE: &str = "BatchActivityWithProtobuf";

/// The queue of the server's own worker in every namespace; no other worker gets its tasks.
pub(crate) const TASK_QUEUE: &str = "temporal-sys-per-ns-tq";

/// The client by which its activity terminates and cancels: process and host, as Go's SDK writes them.
const CLIENT: &str = "1@testkit@";

/// Batches that run at once in a namespace (dynamic config `frontend.MaxConcurrentBatchOperationPerNamespace`).
pub(crate) const MAX_CONCURRENT: i64 = 1;

/// Executions that a batch has done in each `PERIOD` at most (dynamic config `worker.batcherRPS`).
pub(crate) const PER_PERIOD: usize = 50;
pub(crate) const PERIOD: Duration = Duration::from_secs(1);

/// Names in a batch's memo.
pub(crate) const TYPE_MEMO: &str = "batch_operation_type";
pub(crate) const REASON_MEMO: &str = "batch_operation_reason";
pub(crate) const STATS_MEMO: &str = "batch_operation_stats";
pub(crate) const QUERY_MEMO: &str = "batch_operation_visibility_query";
pub(crate) const EXECUTIONS_MEMO: &str = "batch_operation_executions";

/// A batch at work.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) request: Box<StartBatchOperationRequest>,
    /// The server's own worker in the namespace, by its identity.
    pub(crate) worker: String,
    /// What it is for, with the conditions that its kind adds; empty if it has a list.
    pub(crate) query: String,
    pub(crate) work: VecDeque<common::WorkflowExecution>,
    /// The next page of the query; none if there is none.
    pub(crate) next_page: Option<Vec<u8>>,
    /// The scheduled event of its activity; 0 before it has begun.
    pub(crate) scheduled_event_id: i64,
    pub(crate) progress: Progress,
}

/// How far a batch has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) total: i64,
    pub(crate) succeeded: i64,
    pub(crate) failed: i64,
}

impl Batch {
    /// A batch that hasn't begun.
    pub(crate) fn new(request: StartBatchOperationRequest) -> Self {
        let query = match (operation::scope(&request), restricts_to_open(&request)) {
            (None, _) => String::new(),
            (Some(query), true) => format!("({query}) AND (ExecutionStatus='Running' OR ExecutionStatus='Paused')"),
            (Some(query), false) => query,
        };
        let work = executions(&request).into_iter().map(|it| common::WorkflowExecution {
            workflow_id: it.business_id,
            run_id: it.run_id,
        });
        Self {
            query,
            work: work.collect(),
            next_page: None,
            scheduled_event_id: 0,
            progress: Progress::default(),
            worker: format!("temporal-system@testkit@{}", request.namespace),
            request: Box::new(request),
        }
    }
}

impl Progress {
    /// As the activity's heartbeats and result say it.
    pub(crate) fn details(self) -> common::Payloads {
        let json = json!({
            "PageToken": Json::Null,
            "CurrentPage": 0,
            "TotalEstimate": self.total,
            "SuccessCount": self.succeeded,
            "ErrorCount": self.failed,
        });
        common::Payloads {
            payloads: vec![payload(&json)],
        }
    }

    /// From a heartbeat's details.
    pub(crate) fn from_details(details: &common::Payloads) -> Option<Self> {
        let json: Json = serde_json::from_slice(&details.payloads.first()?.data).ok()?;
        let number = |name: &str| json.get(name).and_then(Json::as_i64).unwrap_or_default();
        Some(Self {
            total: number("TotalEstimate"),
            succeeded: number("SuccessCount"),
            failed: number("ErrorCount"),
        })
    }

    /// What stays in the memo of a batch that is done.
    pub(crate) fn stats(self) -> common::Payload {
        payload(&json!({"NumSuccess": self.succeeded, "NumFailure": self.failed}))
    }

    /// From that memo.
    pub(crate) fn from_stats(stats: &common::Payload) -> Option<Self> {
        let json: Json = serde_json::from_slice(&stats.data).ok()?;
        let number = |name: &str| json.get(name).and_then(Json::as_i64);
        let (succeeded, failed) = (number("NumSuccess")?, number("NumFailure")?);
        Some(Self {
            total: succeeded.saturating_add(failed),
            succeeded,
            failed,
        })
    }
}

/// A batch's memo as it starts.
pub(crate) fn memo(request: &StartBatchOperationRequest) -> common::Memo {
    let mut fields = vec![
        (TYPE_MEMO.to_owned(), payload(&memo_name(request).into())),
        (REASON_MEMO.to_owned(), payload(&request.reason.as_str().into())),
    ];
    if !request.visibility_query.is_empty() {
        fields.push((
            QUERY_MEMO.to_owned(),
            payload(&request.visibility_query.as_str().into()),
        ));
    }
    let executions = executions(request);
    if !executions.is_empty() {
        let json: Vec<Json> = executions.iter().map(execution_json).collect();
        fields.push((EXECUTIONS_MEMO.to_owned(), payload(&json.into())));
    }
    common::Memo {
        fields: fields.into_iter().collect(),
    }
}

/// The executions that a request lists itself, by the new field or the old one.
pub(crate) fn executions(request: &StartBatchOperationRequest) -> Vec<common::Execution> {
    if !request.target_executions.is_empty() {
        return request.target_executions.clone();
    }
    let kind = operation::target_type(request) as i32;
    #[expect(deprecated, reason = "clients may still send it")]
    let listed = &request.executions;
    let listed = listed.iter().map(|execution| common::Execution {
        r#type: kind,
        business_id: execution.workflow_id.clone(),
        run_id: execution.run_id.clone(),
    });
    listed.collect()
}

/// As Go's JSON writes one: fields without a value are left out.
fn execution_json(execution: &common::Execution) -> Json {
    let mut fields = serde_json::Map::new();
    if execution.r#type != 0 {
        fields.insert("type".to_owned(), execution.r#type.into());
    }
    for (name, value) in [("business_id", &execution.business_id), ("run_id", &execution.run_id)] {
        if !value.is_empty() {
            fields.insert(name.to_owned(), value.as_str().into());
        }
    }
    fields.into()
}

/// From the memo.
pub(crate) fn executions_from_memo(memo: &common::Payload) -> Vec<common::Execution> {
    let list: Vec<Json> = serde_json::from_slice(&memo.data).unwrap_or_default();
    let text = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let execution = |json: &Json| common::Execution {
        r#type: json
            .get("type")
            .and_then(Json::as_i64)
            .and_then(|kind| i32::try_from(kind).ok())
            .unwrap_or_default(),
        business_id: text(json, "business_id"),
        run_id: text(json, "run_id"),
    };
    list.iter().map(execution).collect()
}

/// The text in a memo's payload.
pub(crate) fn text(payload: Option<&common::Payload>) -> String {
    payload
        .and_then(|payload| serde_json::from_slice(&payload.data).ok())
        .unwrap_or_default()
}

/// A batch's state is its workflow's status.
pub(crate) fn state(status: Status) -> BatchOperationState {
    match status {
        Status::Running => BatchOperationState::Running,
        Status::Completed => BatchOperationState::Completed,
        _ => BatchOperationState::Failed,
    }
}

/// Something as a JSON payload.
pub(crate) fn payload(json: &Json) -> common::Payload {
    common::Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: json.to_string().into_bytes(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_and_executions_come_back_as_they_went() {
        let progress = Progress {
            total: 3,
            succeeded: 2,
            failed: 1,
        };
        assert_eq!(Progress::from_details(&progress.details()), Some(progress));
        assert_eq!(Progress::from_stats(&progress.stats()), Some(progress));
        let request = StartBatchOperationRequest {
            target_executions: vec![common::Execution {
                r#type: 1,
                business_id: "w".to_owned(),
                run_id: String::new(),
            }],
            ..Default::default()
        };
        let memo = memo(&request);
        assert_eq!(memo.fields[EXECUTIONS_MEMO].data, br#"[{"business_id":"w","type":1}]"#);
        assert_eq!(
            executions_from_memo(&memo.fields[EXECUTIONS_MEMO]),
            request.target_executions
        );
        assert!(executions_from_memo(&common::Payload::default()).is_empty());
    }
}
