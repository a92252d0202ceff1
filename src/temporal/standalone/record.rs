//! A standalone activity as lists know it, in a division of its own.

use temporalio_protos::temporal::api::activity::v1::ActivityExecutionListInfo;
use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::enums::v1::{
    ActivityExecutionStatus, IndexedValueType as Type, WorkflowExecutionStatus,
};

use crate::temporal::machine::standalone_activity::StandaloneActivity;
use crate::temporal::proto::{proto_duration, timestamp};
use crate::temporal::visibility::attributes::NAMESPACE_DIVISION;
use crate::temporal::visibility::query::Extra;
use crate::temporal::visibility::record::{Closed, kept_attributes};
use crate::temporal::visibility::value::Value;
use crate::temporal::visibility::{CustomAttributes, Record};

/// What keeps activities out of lists of workflows: the number of their archetype, as recorded. Lists of activities show it.
pub(crate) const NAMESPACE_DIVISION_OF_ACTIVITIES: &str = "3332429922";

/// Where Temporal keeps the values that only activities have.
const TYPE: &str = "TemporalKeyword01";
const STATUS: &str = "TemporalLowCardinalityKeyword01";

/// The names that queries for activities add (`chasm/lib/activity`: `TypeSearchAttribute`, `StatusSearchAttribute`).
pub(crate) const NAMES: [Extra; 3] = [
    Extra {
        name: "ActivityId",
        field: "WorkflowId",
        kind: Type::Keyword,
    },
    Extra {
        name: "ActivityType",
        field: TYPE,
        kind: Type::Keyword,
    },
    Extra {
        name: "ExecutionStatus",
        field: STATUS,
        kind: Type::Keyword,
    },
];

impl StandaloneActivity {
    /// The record by which lists find it.
    pub(crate) fn visible(&self, custom: &CustomAttributes) -> Record {
        let shown = self.shown();
        let text = |text: &str| Value::Text(text.to_owned());
        let mut attributes = kept_attributes(shown.search_attributes.as_ref(), custom);
        attributes.insert(NAMESPACE_DIVISION.to_owned(), text(NAMESPACE_DIVISION_OF_ACTIVITIES));
        attributes.insert(TYPE.to_owned(), text(self.type_name()));
        attributes.insert(STATUS.to_owned(), text(status_name(shown.status)));
        let execution = WorkflowExecution {
            workflow_id: self.activity_id().to_owned(),
            run_id: self.run_id().to_owned(),
        };
        Record {
            namespace: self.namespace().to_owned(),
            workflow_id: execution.workflow_id.clone(),
            run_id: execution.run_id.clone(),
            workflow_type: String::new(),
            task_queue: self.queue(),
            status: match self.is_closed() {
                true => WorkflowExecutionStatus::Completed,
                false => WorkflowExecutionStatus::Running,
            },
            started_at: shown.scheduled_at,
            execution_at: shown.execution_at,
            closed: shown.closed_at.map(|at| Closed {
                at,
                history_length: 0,
                history_size_bytes: 0,
                state_transition_count: shown.transitions,
            }),
            parent: None,
            root: execution,
            memo: None,
            attributes: attributes.into_iter().collect(),
        }
    }
}

/// An activity as `ListActivityExecutions` gives it.
pub(crate) fn list_info(record: &Record, custom: &CustomAttributes) -> ActivityExecutionListInfo {
    let text = |name| match record.attribute(name) {
        Some(Value::Text(text)) => text.as_str(),
        _ => "",
    };
    let mut attributes = record.shown_attributes(custom);
    // The client's own attributes, and the division.
    let is_shown = |name: &str| custom.place(name).is_some() || name == NAMESPACE_DIVISION;
    attributes.indexed_fields.retain(|name, _| is_shown(name));
    ActivityExecutionListInfo {
        activity_id: record.workflow_id.clone(),
        run_id: record.run_id.clone(),
        activity_type: Some(text(TYPE).to_owned().into()),
        schedule_time: Some(timestamp(record.started_at)),
        close_time: record.closed.map(|closed| timestamp(closed.at)),
        status: status_of(text(STATUS)) as i32,
        search_attributes: Some(attributes),
        task_queue: record.task_queue.clone(),
        state_transition_count: record.closed.map_or(0, |closed| closed.state_transition_count),
        state_size_bytes: 0,
        execution_duration: record
            .closed
            .map(|closed| proto_duration(closed.at.since(record.started_at))),
        execution_time: Some(timestamp(record.execution_at)),
    }
}

/// As Go's `String()` of the enum.
const STATUSES: [(ActivityExecutionStatus, &str); 6] = [
    (ActivityExecutionStatus::Running, "Running"),
    (ActivityExecutionStatus::Completed, "Completed"),
    (ActivityExecutionStatus::Failed, "Failed"),
    (ActivityExecutionStatus::Canceled, "Canceled"),
    (ActivityExecutionStatus::Terminated, "Terminated"),
    (ActivityExecutionStatus::TimedOut, "TimedOut"),
];

fn status_name(status: ActivityExecutionStatus) -> &'static str {
    let found = STATUSES.iter().find(|(it, _)| *it == status);
    found.map_or("Unspecified", |(_, name)| name)
}

fn status_of(name: &str) -> ActivityExecutionStatus {
    let found = STATUSES.iter().find(|(_, it)| *it == name);
    found.map_or(ActivityExecutionStatus::Unspecified, |(status, _)| *status)
}
