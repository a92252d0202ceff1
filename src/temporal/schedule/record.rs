//! A schedule as lists know it: a workflow of Temporal's own, in a division of its own.

use prost::Message as _;
use temporalio_protos::temporal::api::common::v1 as common;

use super::scheduler::Schedule;
use crate::temporal::visibility::attributes::NAMESPACE_DIVISION;
use crate::temporal::visibility::record::{Closed, kept_attributes};
use crate::temporal::visibility::value::Value;
use crate::temporal::visibility::{CustomAttributes, Record};

/// What keeps schedules out of lists of workflows.
pub(crate) const NAMESPACE_DIVISION_OF_SCHEDULES: &str = "TemporalScheduler";

/// The name by which queries for schedules know their ids. Temporal rewrites it; here it is a value of its own.
pub(crate) const SCHEDULE_ID: &str = "ScheduleId";

/// What a schedule's workflow is called, with whose id it begins, and where it runs.
const WORKFLOW_TYPE: &str = "temporal-sys-scheduler-workflow";
const WORKFLOW_ID_PREFIX: &str = "temporal-sys-scheduler:";
const TASK_QUEUE: &str = "temporal-sys-per-ns-tq";

/// The memo field in which the server keeps what lists show of a schedule.
const LIST_INFO: &str = "ScheduleInfo";

/// The id of the workflow that a schedule is.
pub(crate) fn workflow_id(schedule_id: &str) -> String {
    format!("{WORKFLOW_ID_PREFIX}{schedule_id}")
}

impl Schedule {
    /// The record by which lists find it.
    pub(crate) fn visible(&self, custom: &CustomAttributes) -> Record {
        let execution = common::WorkflowExecution {
            workflow_id: workflow_id(&self.schedule_id),
            run_id: self.run_id.clone(),
        };
        let mut attributes = kept_attributes(self.search_attributes.as_ref(), custom);
        let text = |text: &str| Value::Text(text.to_owned());
        attributes.insert(NAMESPACE_DIVISION.to_owned(), text(NAMESPACE_DIVISION_OF_SCHEDULES));
        attributes.insert("TemporalSchedulePaused".to_owned(), Value::Bool(self.is_paused()));
        attributes.insert(SCHEDULE_ID.to_owned(), text(&self.schedule_id));
        Record {
            namespace: self.namespace.clone(),
            workflow_id: execution.workflow_id.clone(),
            run_id: execution.run_id.clone(),
            workflow_type: WORKFLOW_TYPE.to_owned(),
            task_queue: TASK_QUEUE.to_owned(),
            status: self.status,
            started_at: self.info.created_at,
            execution_at: self.info.created_at,
            closed: self.closed_at.map(|at| Closed {
                at,
                history_length: 0,
                history_size_bytes: 0,
                state_transition_count: 0,
            }),
            parent: None,
            root: execution,
            memo: Some(self.whole_memo()),
            attributes: attributes.into_iter().collect(),
        }
    }

    /// The client's memo, and the server's own field.
    fn whole_memo(&self) -> common::Memo {
        let mut memo = self.memo.clone().unwrap_or_default();
        let list_info = common::Payload {
            metadata: [("encoding".to_owned(), b"binary/plain".to_vec())].into(),
            data: self.list_info().encode_to_vec(),
            ..Default::default()
        };
        memo.fields.insert(LIST_INFO.to_owned(), list_info);
        memo
    }
}
