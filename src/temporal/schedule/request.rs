//! The workflow that a schedule starts, as a request like any client's.

use temporalio_protos::temporal::api::common::v1::{Payload, SearchAttributes};
use temporalio_protos::temporal::api::enums::v1::WorkflowIdReusePolicy as Reuse;
use temporalio_protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;

use super::buffer::Start;
use super::scheduler::Schedule;
use crate::clock::Timestamp;

impl Schedule {
    /// The request for one action; `None` if the schedule starts no workflow.
    pub(crate) fn start_request(&self, start: &Start, request_id: String) -> Option<StartWorkflowExecutionRequest> {
        let workflow = self.workflow()?.clone();
        let nominal = Timestamp::from_seconds(start.nominal.as_seconds());
        let (last_completion_result, continued_failure) = self.inheritance(start);
        let reuse = match start.manual {
            true => Reuse::AllowDuplicate,
            // The same firing never starts twice.
            false => Reuse::RejectDuplicate,
        };
        Some(StartWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_id: format!("{}-{nominal}", workflow.workflow_id),
            workflow_type: workflow.workflow_type,
            task_queue: workflow.task_queue,
            input: workflow.input,
            workflow_execution_timeout: workflow.workflow_execution_timeout,
            workflow_run_timeout: workflow.workflow_run_timeout,
            workflow_task_timeout: workflow.workflow_task_timeout,
            identity: self.identity(),
            request_id,
            workflow_id_reuse_policy: reuse as i32,
            retry_policy: workflow.retry_policy,
            memo: workflow.memo,
            search_attributes: Some(self.marked(workflow.search_attributes, nominal)),
            header: workflow.header,
            last_completion_result,
            continued_failure,
            user_metadata: workflow.user_metadata,
            priority: workflow.priority,
            ..Default::default()
        })
    }

    /// The search attributes by which a workflow is found as this schedule's.
    fn marked(&self, attributes: Option<SearchAttributes>, nominal: Timestamp) -> SearchAttributes {
        let mut attributes = attributes.unwrap_or_default();
        let fields = [
            ("TemporalScheduledStartTime", "Datetime", nominal.to_string()),
            ("TemporalScheduledById", "Keyword", self.schedule_id.clone()),
        ];
        for (name, kind, value) in fields {
            attributes.indexed_fields.insert(name.to_owned(), text(kind, &value));
        }
        attributes
    }
}

/// A text as a search attribute of a type.
fn text(kind: &str, value: &str) -> Payload {
    let metadata = [("encoding", "json/plain"), ("type", kind)];
    Payload {
        metadata: metadata
            .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()))
            .into(),
        data: serde_json::Value::from(value).to_string().into_bytes(),
        ..Default::default()
    }
}
