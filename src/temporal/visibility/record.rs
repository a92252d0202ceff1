//! What lists know of one execution.

use std::collections::BTreeMap;

use temporalio_protos::temporal::api::common::v1 as common;
use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus as Status;
use temporalio_protos::temporal::api::workflow::v1::WorkflowExecutionInfo;

use super::attributes::{self, CustomAttributes};
use super::civil::Moment;
use super::filter::{Cell, Field, Row};
use super::value::{self, Value};
use crate::clock::Timestamp;
use crate::temporal::proto::{proto_duration, timestamp};

/// One execution, as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) namespace: String,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) workflow_type: String,
    pub(crate) task_queue: String,
    pub(crate) status: Status,
    pub(crate) started_at: Timestamp,
    /// When its work began: after a start delay or a retry's wait.
    pub(crate) execution_at: Timestamp,
    /// What is known only of an execution that has ended.
    pub(crate) closed: Option<Closed>,
    pub(crate) parent: Option<common::WorkflowExecution>,
    pub(crate) root: common::WorkflowExecution,
    /// None where the kind of execution has no such thing.
    pub(crate) memo: Option<common::Memo>,
    /// By predefined name, or by a custom attribute's place.
    /// They are few, and a map of any size takes room for eleven.
    pub(crate) attributes: Box<[(String, Value)]>,
}

/// How an execution ended, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) at: Timestamp,
    pub(crate) history_length: i64,
    pub(crate) history_size_bytes: i64,
    pub(crate) state_transition_count: i64,
}

impl Record {
    /// A predefined attribute by its name, or a custom one by its place.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Value> {
        let found = self.attributes.iter().find(|(of, _)| of == name);
        found.map(|(_, value)| value)
    }

    /// As `ListWorkflowExecutions` gives it.
    pub(crate) fn info(&self, custom: &CustomAttributes) -> WorkflowExecutionInfo {
        let closed = self.closed;
        WorkflowExecutionInfo {
            execution: Some(common::WorkflowExecution {
                workflow_id: self.workflow_id.clone(),
                run_id: self.run_id.clone(),
            }),
            r#type: Some(self.workflow_type.clone().into()),
            start_time: Some(timestamp(self.started_at)),
            execution_time: Some(timestamp(self.execution_at)),
            close_time: closed.map(|closed| timestamp(closed.at)),
            execution_duration: closed.map(|closed| proto_duration(closed.at.since(self.execution_at))),
            history_length: closed.map_or(0, |closed| closed.history_length),
            history_size_bytes: closed.map_or(0, |closed| closed.history_size_bytes),
            state_transition_count: closed.map_or(0, |closed| closed.state_transition_count),
            status: self.status as i32,
            parent_execution: self.parent.clone(),
            root_execution: Some(self.root.clone()),
            memo: self.memo.clone(),
            search_attributes: Some(self.shown_attributes(custom)),
            task_queue: self.task_queue.clone(),
            ..Default::default()
        }
    }

    /// A custom attribute whose place has lost its name isn't shown.
    pub(crate) fn shown_attributes(&self, custom: &CustomAttributes) -> common::SearchAttributes {
        let fields = self.attributes.iter().filter_map(|(name, value)| {
            let (alias, kind) = match attributes::place_type(name) {
                Some(kind) => (custom.name(name)?, kind),
                None => (name.as_str(), attributes::predefined(name)?.0),
            };
            Some((alias.to_owned(), value::encode(value, kind)))
        });
        common::SearchAttributes {
            indexed_fields: fields.collect(),
        }
    }
}

impl Row for Record {
    fn cell(&self, field: &Field) -> Option<Cell<'_>> {
        let moment = |at: Timestamp| Cell::Moment(Moment::at(at).microseconds());
        Some(match field {
            Field::WorkflowId => Cell::Text(&self.workflow_id),
            Field::RunId => Cell::Text(&self.run_id),
            Field::WorkflowType => Cell::Text(&self.workflow_type),
            Field::TaskQueue => Cell::Text(&self.task_queue),
            Field::ExecutionStatus => Cell::Integer(i64::from(self.status as i32)),
            Field::StartTime => moment(self.started_at),
            Field::ExecutionTime => moment(self.execution_at),
            Field::CloseTime => moment(self.closed?.at),
            Field::ExecutionDuration => {
                let duration = self.closed?.at.since(self.execution_at);
                Cell::Integer(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
            }
            Field::HistoryLength => Cell::Integer(self.closed?.history_length),
            Field::HistorySizeBytes => Cell::Integer(self.closed?.history_size_bytes),
            Field::StateTransitionCount => Cell::Integer(self.closed?.state_transition_count),
            Field::ParentWorkflowId => Cell::Text(&self.parent.as_ref()?.workflow_id),
            Field::ParentRunId => Cell::Text(&self.parent.as_ref()?.run_id),
            Field::RootWorkflowId => Cell::Text(&self.root.workflow_id),
            Field::RootRunId => Cell::Text(&self.root.run_id),
            Field::Attribute(name) => match self.attribute(name)? {
                Value::Text(text) => Cell::Text(text),
                Value::Int(number) => Cell::Integer(*number),
                Value::Double(number) => Cell::Real(*number),
                Value::Bool(flag) => Cell::Bool(*flag),
                Value::Datetime { kept, .. } => Cell::MomentText(kept),
                Value::List(items) => Cell::List(items),
            },
        })
    }
}

/// An execution's attributes as a record keeps them. What isn't defined or can't be read is left out, and so are lists
/// where one value belongs.
pub(crate) fn kept_attributes(
    attributes: Option<&common::SearchAttributes>,
    custom: &CustomAttributes,
) -> BTreeMap<String, Value> {
    let Some(attributes) = attributes else {
        return BTreeMap::new();
    };
    let fields: BTreeMap<&String, &common::Payload> = BTreeMap::from_iter(&attributes.indexed_fields);
    let kept = fields.into_iter().filter_map(|(name, payload)| {
        let (place, kind) = match attributes::predefined(name) {
            Some((kind, _)) => (name.as_str(), kind),
            None => custom.place(name)?,
        };
        let mut values = value::decode(payload, kind).ok()?;
        let only = values.pop().filter(|_| values.is_empty())?;
        Some((place.to_owned(), only))
    });
    kept.collect()
}
