//! A finished run's history, cut at its workflow tasks: what a worker is given when it is replayed.

use temporalio_protos::constants::LOCAL_ACTIVITY_MARKER_NAME;
use temporalio_protos::temporal::api::command::v1::Command;
use temporalio_protos::temporal::api::common::v1::{WorkflowExecution, WorkflowType};
use temporalio_protos::temporal::api::enums::v1::{CommandType, EventType, TaskQueueKind};
use temporalio_protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_protos::temporal::api::history::v1::{History, HistoryEvent};
use temporalio_protos::temporal::api::query::v1::WorkflowQuery;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflowservice::v1::PollWorkflowTaskQueueResponse;

use crate::temporal::ClosedRun;

/// A query that needs no handler: it is asked so that the worker says when it has come to the history's end.
const QUERY: &str = "__temporal_workflow_metadata";

/// A finished run, and the workflow tasks that its workers have completed.
#[derive(Debug)]
pub(super) struct Recording {
    run: ClosedRun,
    tasks: Vec<WorkflowTask>,
}

/// One workflow task that was completed.
#[derive(Debug)]
struct WorkflowTask {
    started_event_id: i64,
    /// The worker that completed it.
    identity: String,
}

impl Recording {
    /// `None` if no workflow task was ever completed: then no code has had a part in it.
    pub(super) fn new(run: ClosedRun) -> Option<Self> {
        let tasks: Vec<WorkflowTask> = run.events.iter().filter_map(completed_task).collect();
        (!tasks.is_empty()).then_some(Self { run, tasks })
    }

    /// How texts name it.
    pub(super) fn name(&self) -> String {
        format!("workflow {} ({})", self.run.workflow_id, self.run.workflow_type)
    }

    /// The worker that completed the last workflow task: the newest code that the history is of.
    pub(super) fn last_worker(&self) -> &str {
        self.tasks.last().map_or("", |task| &task.identity)
    }

    /// The number of workflow tasks that were completed.
    pub(super) fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// Why its workflow tasks can't be given to a worker one by one, if they can't: what such a task did was more than its history tells.
    pub(super) fn only_as_a_whole(&self) -> Option<&'static str> {
        let has = |kind: fn(&HistoryEvent) -> bool| self.run.events.iter().any(kind);
        if has(is_local_activity) {
            return Some("its local activities would run again");
        }
        if has(is_of_update) {
            return Some("it has had updates");
        }
        let first = self.tasks.first().map(|task| &task.identity);
        let is_by_one = self.tasks.iter().all(|task| Some(&task.identity) == first);
        (!is_by_one).then_some("more than one worker has worked on it")
    }

    /// All of it as one task: the worker says when it has come to its end, and asks for nothing.
    pub(super) fn whole(&self) -> PollWorkflowTaskQueueResponse {
        let last = self.tasks.last().map_or(0, |task| task.started_event_id);
        // What has happened after the last command isn't the code's doing: it has seen none of it.
        let end = self
            .run
            .events
            .iter()
            .rposition(|event| event.is_command_event() || event.event_type() == EventType::WorkflowTaskCompleted);
        let events = &self.run.events[..end.map_or(0, |end| end + 1)];
        let query = WorkflowQuery {
            query_type: QUERY.to_owned(),
            ..WorkflowQuery::default()
        };
        PollWorkflowTaskQueueResponse {
            queries: [(QUERY.to_owned(), query)].into(),
            ..self.message(events, last, last)
        }
    }

    /// A task with what is new since the one before it, as a worker gets it that has the run in its cache. Tasks are counted from 0.
    pub(super) fn piece(&self, task: usize) -> PollWorkflowTaskQueueResponse {
        let (previous, started) = self.bounds(task);
        self.message(&self.run.events[index(previous)..index(started)], previous, started)
    }

    /// A task with everything up to it, as a worker gets it that has lost the run.
    pub(super) fn up_to(&self, task: usize) -> PollWorkflowTaskQueueResponse {
        let (previous, started) = self.bounds(task);
        self.message(&self.run.events[..index(started)], previous, started)
    }

    /// How what the code asks for in a task differs from what it asked for in the run.
    pub(super) fn difference(&self, task: usize, commands: &[Command]) -> Option<String> {
        let (_, started) = self.bounds(task);
        let next = self.tasks.get(task + 1).map_or(i64::MAX, |next| next.started_event_id);
        let recorded: Vec<EventType> = self.run.events[index(started)..]
            .iter()
            .take_while(|event| event.event_id < next)
            .filter(|event| event.is_command_event())
            .map(HistoryEvent::event_type)
            .collect();
        let asked: Vec<EventType> = commands.iter().filter_map(event_of).collect();
        (asked != recorded).then(|| {
            format!(
                "in the workflow task of event {started} the code asks for {}, and its history has {}",
                words(&asked),
                words(&recorded)
            )
        })
    }

    /// The started events of the task before this one, 0 if there is none, and of this one.
    fn bounds(&self, task: usize) -> (i64, i64) {
        let started = |task: &WorkflowTask| task.started_event_id;
        let previous = task.checked_sub(1).and_then(|before| self.tasks.get(before));
        (previous.map_or(0, started), self.tasks.get(task).map_or(0, started))
    }

    fn message(&self, events: &[HistoryEvent], previous: i64, started: i64) -> PollWorkflowTaskQueueResponse {
        let run = &self.run;
        PollWorkflowTaskQueueResponse {
            task_token: format!("{}:{started}", run.run_id).into_bytes(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: run.workflow_id.clone(),
                run_id: run.run_id.clone(),
            }),
            workflow_type: Some(WorkflowType {
                name: run.workflow_type.clone(),
            }),
            workflow_execution_task_queue: Some(TaskQueue {
                name: run.task_queue.clone(),
                kind: TaskQueueKind::Normal as i32,
                normal_name: String::new(),
            }),
            previous_started_event_id: previous,
            started_event_id: started,
            // The SDK tells of failures of first attempts alone.
            attempt: 1,
            history: Some(History {
                events: events.to_vec(),
            }),
            ..PollWorkflowTaskQueueResponse::default()
        }
    }
}

/// Events are gapless from 1 on: so many come up to and with this one.
fn index(event_id: i64) -> usize {
    usize::try_from(event_id).unwrap_or_default()
}

fn completed_task(event: &HistoryEvent) -> Option<WorkflowTask> {
    match &event.attributes {
        Some(Attributes::WorkflowTaskCompletedEventAttributes(completed)) => Some(WorkflowTask {
            started_event_id: completed.started_event_id,
            identity: completed.identity.clone(),
        }),
        _ => None,
    }
}

fn is_local_activity(event: &HistoryEvent) -> bool {
    match &event.attributes {
        Some(Attributes::MarkerRecordedEventAttributes(marker)) => marker.marker_name == LOCAL_ACTIVITY_MARKER_NAME,
        _ => false,
    }
}

fn is_of_update(event: &HistoryEvent) -> bool {
    matches!(
        event.event_type(),
        EventType::WorkflowExecutionUpdateAdmitted
            | EventType::WorkflowExecutionUpdateAccepted
            | EventType::WorkflowExecutionUpdateCompleted
            | EventType::WorkflowExecutionUpdateRejected
    )
}

/// The event that a command leaves in the history; `None` for a message, which leaves what it says.
fn event_of(command: &Command) -> Option<EventType> {
    match command.command_type() {
        CommandType::ScheduleActivityTask => Some(EventType::ActivityTaskScheduled),
        CommandType::RequestCancelActivityTask => Some(EventType::ActivityTaskCancelRequested),
        CommandType::StartTimer => Some(EventType::TimerStarted),
        CommandType::CancelTimer => Some(EventType::TimerCanceled),
        CommandType::CompleteWorkflowExecution => Some(EventType::WorkflowExecutionCompleted),
        CommandType::FailWorkflowExecution => Some(EventType::WorkflowExecutionFailed),
        CommandType::CancelWorkflowExecution => Some(EventType::WorkflowExecutionCanceled),
        CommandType::ContinueAsNewWorkflowExecution => Some(EventType::WorkflowExecutionContinuedAsNew),
        CommandType::RequestCancelExternalWorkflowExecution => {
            Some(EventType::RequestCancelExternalWorkflowExecutionInitiated)
        }
        CommandType::SignalExternalWorkflowExecution => Some(EventType::SignalExternalWorkflowExecutionInitiated),
        CommandType::StartChildWorkflowExecution => Some(EventType::StartChildWorkflowExecutionInitiated),
        CommandType::RecordMarker => Some(EventType::MarkerRecorded),
        CommandType::UpsertWorkflowSearchAttributes => Some(EventType::UpsertWorkflowSearchAttributes),
        CommandType::ModifyWorkflowProperties => Some(EventType::WorkflowPropertiesModified),
        CommandType::ScheduleNexusOperation => Some(EventType::NexusOperationScheduled),
        CommandType::RequestCancelNexusOperation => Some(EventType::NexusOperationCancelRequested),
        CommandType::ProtocolMessage | CommandType::Unspecified => None,
    }
}

fn words(events: &[EventType]) -> String {
    match events {
        [] => "nothing".to_owned(),
        events => {
            let names: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
            names.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use temporalio_protos::temporal::api::history::v1 as wire;

    use super::*;

    /// A run that schedules an activity, has a task that fails, waits for a timer, and completes.
    fn recording(identities: [&str; 3]) -> Recording {
        let completed = |started, identity: &str| {
            Attributes::WorkflowTaskCompletedEventAttributes(wire::WorkflowTaskCompletedEventAttributes {
                started_event_id: started,
                identity: identity.to_owned(),
                ..Default::default()
            })
        };
        let scheduled = || Attributes::WorkflowTaskScheduledEventAttributes(Default::default());
        let started = || Attributes::WorkflowTaskStartedEventAttributes(Default::default());
        let all = [
            Attributes::WorkflowExecutionStartedEventAttributes(Default::default()),
            scheduled(),
            started(),
            completed(3, identities[0]),
            Attributes::ActivityTaskScheduledEventAttributes(Default::default()),
            scheduled(),
            started(),
            Attributes::WorkflowTaskFailedEventAttributes(Default::default()),
            scheduled(),
            started(),
            completed(10, identities[1]),
            Attributes::TimerStartedEventAttributes(Default::default()),
            Attributes::TimerFiredEventAttributes(Default::default()),
            scheduled(),
            started(),
            completed(15, identities[2]),
            Attributes::WorkflowExecutionCompletedEventAttributes(Default::default()),
        ];
        let events = (1..).zip(all).map(|(event_id, attributes)| HistoryEvent {
            event_id,
            event_type: crate::temporal::event_type(&attributes) as i32,
            attributes: Some(attributes),
            ..HistoryEvent::default()
        });
        let run = ClosedRun {
            workflow_id: "order-1".to_owned(),
            run_id: "run".to_owned(),
            workflow_type: "Order".to_owned(),
            task_queue: "orders".to_owned(),
            events: events.collect(),
        };
        Recording::new(run).unwrap()
    }

    fn shape(task: &PollWorkflowTaskQueueResponse) -> (i64, i64, i64, i64) {
        let events = &task.history.as_ref().unwrap().events;
        let id = |event: Option<&HistoryEvent>| event.map_or(0, |event| event.event_id);
        (
            id(events.first()),
            id(events.last()),
            task.previous_started_event_id,
            task.started_event_id,
        )
    }

    #[test]
    fn a_history_is_cut_at_the_workflow_tasks_that_were_completed() {
        let recording = recording(["a", "a", "a"]);
        assert_eq!(recording.task_count(), 3);
        let pieces: Vec<_> = (0..3).map(|task| shape(&recording.piece(task))).collect();
        assert_eq!(pieces, [(1, 3, 0, 3), (4, 10, 3, 10), (11, 15, 10, 15)]);
        assert_eq!(shape(&recording.up_to(1)), (1, 10, 3, 10));
        assert_eq!(shape(&recording.whole()), (1, 17, 15, 15));
        assert_eq!(recording.only_as_a_whole(), None);
    }

    #[test]
    fn what_has_happened_after_the_last_command_isnt_part_of_the_whole() {
        let mut recording = recording(["a", "a", "a"]);
        recording.run.events.truncate(14);
        recording.tasks.pop();
        assert_eq!(shape(&recording.whole()), (1, 12, 10, 10));
    }

    #[test]
    fn what_the_code_asks_for_is_held_to_what_it_asked_for() {
        let recording = recording(["a", "a", "a"]);
        let command = |kind: CommandType| Command {
            command_type: kind as i32,
            ..Command::default()
        };
        let activity = command(CommandType::ScheduleActivityTask);
        assert_eq!(recording.difference(0, std::slice::from_ref(&activity)), None);
        assert_eq!(
            recording.difference(1, &[activity]).unwrap(),
            "in the workflow task of event 10 the code asks for ActivityTaskScheduled, and its history has TimerStarted"
        );
        let end = command(CommandType::CompleteWorkflowExecution);
        assert_eq!(recording.difference(2, &[end]), None);
        assert!(recording.difference(2, &[]).unwrap().contains("asks for nothing"));
    }

    #[test]
    fn two_workers_may_have_had_two_versions_of_the_code() {
        let recording = recording(["a", "a", "b"]);
        assert_eq!(recording.last_worker(), "b");
        assert!(recording.only_as_a_whole().is_some());
    }
}
