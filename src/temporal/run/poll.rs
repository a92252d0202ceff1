//! What a worker gets when it takes a task.

use prost::Message as _;
use temporalio_protos::temporal::api::common::v1 as common;
use temporalio_protos::temporal::api::enums::v1::TaskQueueKind;
use temporalio_protos::temporal::api::history::v1::{History, HistoryEvent};
use temporalio_protos::temporal::api::protocol::v1::Message;
use temporalio_protos::temporal::api::query::v1::WorkflowQuery;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflowservice::v1::{
    PollActivityTaskQueueResponse, PollWorkflowTaskQueueResponse,
};

use super::Run;
use crate::temporal::machine::activity::Activity;
use crate::temporal::matching::Task;
use crate::temporal::priority;
use crate::temporal::proto::timestamp;
use crate::temporal::token::{HistoryToken, TaskToken};

/// Events in one page of a history (dynamic config `frontend.historyMaxPageSize`).
pub(crate) const HISTORY_PAGE_EVENTS: usize = 256;

/// Which events come with a workflow task.
struct EventsForTask {
    first_event_id: i64,
    limit: usize,
    /// Those of a speculative task, which come last.
    unwritten: Vec<HistoryEvent>,
}

/// The history of a `PollWorkflowTaskQueueResponse`, encoded.
#[derive(prost::Message)]
struct EncodedHistory {
    #[prost(bytes = "vec", optional, tag = "8")]
    history: Option<Vec<u8>>,
}

impl Run {
    /// The workflow task that has just been started. `sticky`: the worker has the run in its cache.
    pub(crate) fn workflow_task_response(
        &mut self,
        task_token: TaskToken,
        sticky: bool,
    ) -> PollWorkflowTaskQueueResponse {
        let events = self.events_for_task(sticky);
        let (mut history, next_event_id) = self.log.page(events.first_event_id, events.limit);
        history.extend(events.unwritten);
        PollWorkflowTaskQueueResponse {
            history: Some(History { events: history }),
            ..self.task_without_history(task_token, next_event_id)
        }
    }

    /// As [`Self::workflow_task_response`], encoded: its events aren't decoded for it.
    pub(crate) fn encoded_workflow_task_response(&mut self, task_token: TaskToken, sticky: bool) -> Vec<u8> {
        let events = self.events_for_task(sticky);
        let (mut history, next_event_id) = self.log.encoded_page(events.first_event_id, events.limit);
        // Messages of one kind one after another are one message.
        let unwritten = History {
            events: events.unwritten,
        };
        history.extend(unwritten.encode_to_vec());
        let mut response = self.task_without_history(task_token, next_event_id).encode_to_vec();
        response.extend(EncodedHistory { history: Some(history) }.encode_to_vec());
        response
    }

    fn events_for_task(&self, sticky: bool) -> EventsForTask {
        let task = &self.machines.workflow_task;
        let unwritten = task.unwritten_events(&self.start.task_queue);
        EventsForTask {
            first_event_id: match sticky {
                true => task.last_completed_started_event_id() + 1,
                false => 1,
            },
            limit: match unwritten.is_empty() {
                true => HISTORY_PAGE_EVENTS,
                false => usize::MAX,
            },
            unwritten,
        }
    }

    fn task_without_history(&mut self, task_token: TaskToken, next_event_id: i64) -> PollWorkflowTaskQueueResponse {
        let task = &self.machines.workflow_task;
        let mut response = PollWorkflowTaskQueueResponse {
            task_token: task_token.encode(),
            previous_started_event_id: task.last_completed_started_event_id(),
            started_event_id: task.started_event_id(),
            attempt: task.attempt(),
            scheduled_time: Some(timestamp(task.scheduled_at())),
            started_time: Some(timestamp(task.started_at())),
            queries: self.queries_for_task(),
            ..self.response_to_any_poll()
        };
        if next_event_id <= self.log.last_event_id() {
            response.next_page_token = self.page_token(next_event_id);
        }
        response.messages = self.messages_for_task();
        response
    }

    /// A query as a task of its own.
    pub(crate) fn query_task_response(
        &self,
        task_token: TaskToken,
        query: WorkflowQuery,
        sticky: bool,
    ) -> PollWorkflowTaskQueueResponse {
        let task = &self.machines.workflow_task;
        let mut response = PollWorkflowTaskQueueResponse {
            task_token: task_token.encode(),
            previous_started_event_id: task.last_completed_started_event_id(),
            query: Some(query),
            history: Some(History::default()),
            attempt: 1,
            ..self.response_to_any_poll()
        };
        if !sticky {
            let (events, next_event_id) = self.log.page(1, HISTORY_PAGE_EVENTS);
            response.history = Some(History { events });
            if next_event_id <= self.log.last_event_id() {
                response.next_page_token = self.page_token(next_event_id);
            }
        }
        response
    }

    /// The activity task that has just been started.
    pub(crate) fn activity_task_response(
        &self,
        activity: &Activity,
        task_token: TaskToken,
    ) -> PollActivityTaskQueueResponse {
        PollActivityTaskQueueResponse {
            task_token: task_token.encode(),
            workflow_namespace: self.start.namespace.clone(),
            workflow_type: self.workflow_type(),
            workflow_execution: Some(self.execution()),
            ..activity.task(self.start.priority.as_ref())
        }
    }

    /// How urgent a task is.
    pub(crate) fn task_priority(&self, task: &Task) -> Option<common::Priority> {
        let activity = match task {
            Task::Activity { scheduled_event_id, .. } => self.machines.activities.get(scheduled_event_id),
            Task::Workflow { .. } | Task::Query { .. } | Task::Nexus { .. } | Task::Standalone { .. } => None,
        };
        let own = activity.and_then(|activity| activity.priority());
        priority::merge(self.start.priority.as_ref(), own)
    }

    /// The type of the workflow.
    pub(crate) fn workflow_type(&self) -> Option<common::WorkflowType> {
        Some(common::WorkflowType {
            name: self.start.workflow_type.clone(),
        })
    }

    /// Where a worker goes on reading, up to what is there now.
    fn page_token(&self, next_event_id: i64) -> Vec<u8> {
        HistoryToken {
            run_id: self.start.run_id.clone(),
            next_event_id,
            last_event_id: Some(self.log.last_event_id()),
        }
        .encode()
    }

    fn response_to_any_poll(&self) -> PollWorkflowTaskQueueResponse {
        PollWorkflowTaskQueueResponse {
            workflow_execution: Some(self.execution()),
            workflow_type: self.workflow_type(),
            workflow_execution_task_queue: Some(TaskQueue {
                name: self.start.task_queue.clone(),
                kind: TaskQueueKind::Normal as i32,
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn messages_for_task(&mut self) -> Vec<Message> {
        let started_event_id = self.machines.workflow_task.started_event_id();
        let updates = &mut self.machines.updates;
        self.machines
            .update_order
            .iter()
            .filter_map(|update_id| updates.get_mut(update_id)?.send(started_event_id))
            .collect()
    }
}
