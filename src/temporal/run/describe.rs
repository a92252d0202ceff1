//! A run as `DescribeWorkflowExecution` and the lists show it.

use std::collections::HashMap;

use temporalio_protos::temporal::api::common::v1::SearchAttributes;
use temporalio_protos::temporal::api::enums::v1::{EventType, PendingWorkflowTaskState, TaskQueueKind};
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflow::v1 as workflow;
use temporalio_protos::temporal::api::workflowservice::v1::DescribeWorkflowExecutionResponse;

use super::pause::PAUSE_SEARCH_ATTRIBUTE;
use super::{Pause, Run};
use crate::clock::Timestamp;
use crate::temporal::history::BUFFERED_EVENT_ID;
use crate::temporal::machine::callback::CompletionCallback;
use crate::temporal::machine::child_workflow::ChildWorkflow;
use crate::temporal::machine::nexus_operation::NexusOperation;
use crate::temporal::machine::workflow_task::State;
use crate::temporal::proto::{proto_duration, timestamp};

/// Year 1: what an unset time is where Temporal's server writes it all the same.
const GO_ZERO_TIME: prost_types::Timestamp = prost_types::Timestamp {
    seconds: -62_135_596_800,
    nanos: 0,
};

/// What a run waits for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pending {
    activities: Vec<workflow::PendingActivityInfo>,
    children: Vec<workflow::PendingChildExecutionInfo>,
    nexus_operations: Vec<workflow::PendingNexusOperationInfo>,
    workflow_task: Option<workflow::PendingWorkflowTaskInfo>,
}

impl Run {
    /// All that a client can learn of a run without its history, at a moment of the world's clock.
    pub(crate) fn describe(&self, now: Timestamp) -> DescribeWorkflowExecutionResponse {
        let pending = self.pending(now);
        DescribeWorkflowExecutionResponse {
            execution_config: Some(workflow::WorkflowExecutionConfig {
                task_queue: Some(TaskQueue {
                    name: self.start.task_queue.clone(),
                    kind: TaskQueueKind::Normal as i32,
                    ..Default::default()
                }),
                workflow_execution_timeout: self.start.execution_timeout,
                workflow_run_timeout: self.start.run_timeout,
                default_workflow_task_timeout: Some(proto_duration(self.task_timeout())),
                user_metadata: self.start.user_metadata.clone(),
            }),
            workflow_execution_info: Some(self.info()),
            pending_activities: pending.activities,
            pending_children: pending.children,
            pending_nexus_operations: pending.nexus_operations,
            callbacks: self
                .machines
                .callbacks
                .iter()
                .map(CompletionCallback::describe)
                .collect(),
            pending_workflow_task: pending.workflow_task,
            workflow_extended_info: Some(self.extended_info(now)),
        }
    }

    /// What the run waits for or, once it has ended, what it left open.
    pub(super) fn pending(&self, now: Timestamp) -> Pending {
        if !self.is_running() {
            return self.left_open.as_deref().cloned().unwrap_or_default();
        }
        let machines = &self.machines;
        let children = machines.children.values().filter(|child| child.is_started());
        Pending {
            activities: machines.activities.values().map(|it| it.describe(now)).collect(),
            children: children.map(ChildWorkflow::describe).collect(),
            nexus_operations: machines
                .nexus_operations
                .values()
                .filter_map(NexusOperation::describe)
                .collect(),
            workflow_task: self.describe_workflow_task(),
        }
    }

    /// The part that lists show too.
    pub(crate) fn info(&self) -> workflow::WorkflowExecutionInfo {
        let execution_at = self.started_at + self.start.first_task_backoff;
        workflow::WorkflowExecutionInfo {
            execution: Some(self.execution()),
            r#type: self.workflow_type(),
            start_time: Some(timestamp(self.started_at)),
            close_time: self.closed_at.map(timestamp),
            status: self.status as i32,
            history_length: self.log.last_event_id(),
            parent_namespace_id: self
                .start
                .parent
                .as_ref()
                .map(|parent| parent.namespace_id.clone())
                .unwrap_or_default(),
            parent_execution: self.start.parent.as_ref().map(|parent| {
                temporalio_protos::temporal::api::common::v1::WorkflowExecution {
                    workflow_id: parent.workflow_id.clone(),
                    run_id: parent.run_id.clone(),
                }
            }),
            execution_time: Some(timestamp(execution_at)),
            memo: Some(self.start.memo.clone().unwrap_or_default()),
            search_attributes: Some(self.search_attributes()),
            task_queue: self.start.task_queue.clone(),
            history_size_bytes: self.log.size_bytes(),
            execution_duration: self
                .closed_at
                .map(|closed_at| proto_duration(closed_at.since(execution_at))),
            root_execution: Some(self.start.root.clone().unwrap_or_else(|| self.execution())),
            first_run_id: self.first_run_id().to_owned(),
            priority: self.start.priority.clone(),
            #[allow(deprecated)]
            most_recent_worker_version_stamp: self.versioning.stamp().cloned(),
            #[allow(deprecated)]
            assigned_build_id: self.versioning.build.assigned().to_owned(),
            #[allow(deprecated)]
            inherited_build_id: self.versioning.build.inherited().to_owned(),
            versioning_info: self.versioning.describe(),
            worker_deployment_name: self.versioning.deployment_name().to_owned(),
            auto_reset_points: Some(workflow::ResetPoints {
                points: self.reset_points.clone(),
            }),
            ..Default::default()
        }
    }

    /// The workflow's own search attributes, and those that the server keeps.
    pub(crate) fn search_attributes(&self) -> SearchAttributes {
        let mut attributes = self.start.search_attributes.clone().unwrap_or_default();
        for (name, value) in self.versioning.search_attributes.payloads() {
            attributes.indexed_fields.insert(name.to_owned(), value);
        }
        if let Some(payload) = self.pause_search_attribute() {
            let name = PAUSE_SEARCH_ATTRIBUTE.to_owned();
            attributes.indexed_fields.insert(name, payload);
        }
        attributes
    }

    fn describe_workflow_task(&self) -> Option<workflow::PendingWorkflowTaskInfo> {
        let task = &self.machines.workflow_task;
        let (state, started_time) = match task.state() {
            State::None => return None,
            State::Scheduled => (PendingWorkflowTaskState::Scheduled, None),
            State::Started => (PendingWorkflowTaskState::Started, Some(timestamp(task.started_at()))),
        };
        Some(workflow::PendingWorkflowTaskInfo {
            state: state as i32,
            scheduled_time: Some(timestamp(task.scheduled_at())),
            original_scheduled_time: Some(timestamp(task.original_scheduled_at())),
            started_time,
            attempt: task.attempt(),
        })
    }

    /// The requests that led to this run: its start, and starts that found it in their place.
    fn request_id_infos(&self) -> HashMap<String, workflow::RequestIdInfo> {
        let start = (
            &self.start.request_id,
            self.start_request_event_id,
            EventType::WorkflowExecutionStarted,
        );
        let attached = self.attached_request_ids.iter();
        let attached = attached.map(|(id, event_id)| (id, *event_id, EventType::WorkflowExecutionOptionsUpdated));
        std::iter::once(start)
            .chain(attached)
            .map(|(id, event_id, event_type)| {
                let buffered = event_id == BUFFERED_EVENT_ID;
                let info = workflow::RequestIdInfo {
                    event_type: event_type as i32,
                    event_id: if buffered { 0 } else { event_id },
                    buffered,
                };
                (id.clone(), info)
            })
            .collect()
    }

    fn extended_info(&self, now: Timestamp) -> workflow::WorkflowExecutionExtendedInfo {
        workflow::WorkflowExecutionExtendedInfo {
            execution_expiration_time: self.start.execution_expiration.map(timestamp),
            // Without a limit Temporal gives the zero time of its own language.
            run_expiration_time: Some(self.run_expiration.map_or(GO_ZERO_TIME, timestamp)),
            request_id_infos: self.request_id_infos(),
            cancel_requested: self.cancel_requested,
            last_reset_time: self.is_reset.then(|| timestamp(self.started_at)),
            original_start_time: self.log.first().and_then(|event| event.event_time),
            reset_run_id: self.reset_run_id.clone(),
            pause_info: self.pause.as_ref().map(Pause::describe),
            time_skipping_info: self
                .time_skipping
                .as_ref()
                .map(|time_skipping| time_skipping.describe(now + self.skipped())),
        }
    }
}
