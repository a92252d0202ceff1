//! Writes histories as a Temporal server would, just enough of each event for a replay.

use serde_json::Value;
use temporalio_common::protos::temporal::api::{
    common::v1::{ActivityType, Payload, Payloads, WorkflowExecution, WorkflowType},
    enums::v1::StartChildWorkflowExecutionFailedCause,
    failure::v1::{ActivityFailureInfo, ApplicationFailureInfo, CanceledFailureInfo, Failure, failure::FailureInfo},
    history::v1::{
        ActivityTaskCompletedEventAttributes, ActivityTaskFailedEventAttributes, ActivityTaskScheduledEventAttributes,
        ActivityTaskStartedEventAttributes, ChildWorkflowExecutionCompletedEventAttributes,
        ChildWorkflowExecutionFailedEventAttributes, ChildWorkflowExecutionStartedEventAttributes, History,
        HistoryEvent, StartChildWorkflowExecutionFailedEventAttributes,
        StartChildWorkflowExecutionInitiatedEventAttributes, TimerCanceledEventAttributes, TimerStartedEventAttributes,
        WorkflowExecutionCancelRequestedEventAttributes, WorkflowExecutionCanceledEventAttributes,
        WorkflowExecutionCompletedEventAttributes, WorkflowExecutionFailedEventAttributes,
        WorkflowExecutionSignaledEventAttributes, WorkflowExecutionStartedEventAttributes,
        WorkflowTaskCompletedEventAttributes, WorkflowTaskScheduledEventAttributes, WorkflowTaskStartedEventAttributes,
        history_event::Attributes,
    },
    taskqueue::v1::TaskQueue,
};

/// A child workflow that a history has started.
#[derive(Clone)]
pub(crate) struct Child {
    id: String,
    workflow_type: String,
    initiated: i64,
    started: i64,
}

pub(crate) struct HistoryWriter {
    events: Vec<HistoryEvent>,
    task_completed: i64,
}

impl HistoryWriter {
    pub(crate) fn start(workflow_type: &str, workflow_id: &str, input: &Value) -> Self {
        let mut writer = Self {
            events: Vec::new(),
            task_completed: 0,
        };
        writer.push(Attributes::WorkflowExecutionStartedEventAttributes(
            WorkflowExecutionStartedEventAttributes {
                workflow_type: Some(WorkflowType {
                    name: workflow_type.to_owned(),
                }),
                workflow_id: workflow_id.to_owned(),
                original_execution_run_id: "run-1".to_owned(),
                first_execution_run_id: "run-1".to_owned(),
                task_queue: Some(queue()),
                input: payloads(input),
                attempt: 1,
                ..Default::default()
            },
        ));
        writer.task();
        writer
    }

    /// One workflow task, scheduled, started and completed.
    pub(crate) fn task(&mut self) {
        let scheduled = self.push(Attributes::WorkflowTaskScheduledEventAttributes(
            WorkflowTaskScheduledEventAttributes {
                task_queue: Some(queue()),
                attempt: 1,
                ..Default::default()
            },
        ));
        let started = self.push(Attributes::WorkflowTaskStartedEventAttributes(
            WorkflowTaskStartedEventAttributes {
                scheduled_event_id: scheduled,
                ..Default::default()
            },
        ));
        self.task_completed = self.push(Attributes::WorkflowTaskCompletedEventAttributes(
            WorkflowTaskCompletedEventAttributes {
                scheduled_event_id: scheduled,
                started_event_id: started,
                ..Default::default()
            },
        ));
    }

    pub(crate) fn activity_scheduled(&mut self, id: &str, activity_type: &str) -> i64 {
        self.push(Attributes::ActivityTaskScheduledEventAttributes(
            ActivityTaskScheduledEventAttributes {
                activity_id: id.to_owned(),
                activity_type: Some(ActivityType {
                    name: activity_type.to_owned(),
                }),
                task_queue: Some(queue()),
                workflow_task_completed_event_id: self.task_completed,
                ..Default::default()
            },
        ))
    }

    pub(crate) fn activity_ended(&mut self, scheduled: i64, result: Result<&Value, Failure>) {
        let started = self.push(Attributes::ActivityTaskStartedEventAttributes(
            ActivityTaskStartedEventAttributes {
                scheduled_event_id: scheduled,
                attempt: 1,
                ..Default::default()
            },
        ));
        self.push(match result {
            Ok(result) => Attributes::ActivityTaskCompletedEventAttributes(ActivityTaskCompletedEventAttributes {
                result: payloads(result),
                scheduled_event_id: scheduled,
                started_event_id: started,
                ..Default::default()
            }),
            Err(failure) => Attributes::ActivityTaskFailedEventAttributes(ActivityTaskFailedEventAttributes {
                failure: Some(failure),
                scheduled_event_id: scheduled,
                started_event_id: started,
                ..Default::default()
            }),
        });
    }

    pub(crate) fn timer_started(&mut self, id: &str) -> i64 {
        self.push(Attributes::TimerStartedEventAttributes(TimerStartedEventAttributes {
            timer_id: id.to_owned(),
            workflow_task_completed_event_id: self.task_completed,
            ..Default::default()
        }))
    }

    pub(crate) fn timer_cancelled(&mut self, id: &str, started: i64) {
        self.push(Attributes::TimerCanceledEventAttributes(TimerCanceledEventAttributes {
            timer_id: id.to_owned(),
            started_event_id: started,
            workflow_task_completed_event_id: self.task_completed,
            ..Default::default()
        }));
    }

    pub(crate) fn signal(&mut self, name: &str, argument: &Value) {
        self.push(Attributes::WorkflowExecutionSignaledEventAttributes(
            WorkflowExecutionSignaledEventAttributes {
                signal_name: name.to_owned(),
                input: payloads(argument),
                ..Default::default()
            },
        ));
    }

    pub(crate) fn cancel_requested(&mut self) {
        self.push(Attributes::WorkflowExecutionCancelRequestedEventAttributes(
            WorkflowExecutionCancelRequestedEventAttributes::default(),
        ));
    }

    pub(crate) fn child_initiated(&mut self, workflow_type: &str, id: &str) -> Child {
        let initiated = self.push(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(
            StartChildWorkflowExecutionInitiatedEventAttributes {
                workflow_id: id.to_owned(),
                workflow_type: Some(WorkflowType {
                    name: workflow_type.to_owned(),
                }),
                workflow_task_completed_event_id: self.task_completed,
                ..Default::default()
            },
        ));
        let workflow_type = workflow_type.to_owned();
        Child {
            id: id.to_owned(),
            workflow_type,
            initiated,
            started: 0,
        }
    }

    pub(crate) fn child_started(&mut self, child: &mut Child) {
        child.started = self.push(Attributes::ChildWorkflowExecutionStartedEventAttributes(
            ChildWorkflowExecutionStartedEventAttributes {
                initiated_event_id: child.initiated,
                workflow_execution: Some(child.execution()),
                workflow_type: Some(child.workflow_type()),
                ..Default::default()
            },
        ));
    }

    pub(crate) fn child_refused(&mut self, child: &Child) {
        self.push(Attributes::StartChildWorkflowExecutionFailedEventAttributes(
            StartChildWorkflowExecutionFailedEventAttributes {
                workflow_id: child.id.clone(),
                workflow_type: Some(child.workflow_type()),
                cause: StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists as i32,
                initiated_event_id: child.initiated,
                workflow_task_completed_event_id: self.task_completed,
                ..Default::default()
            },
        ));
    }

    pub(crate) fn child_ended(&mut self, child: &Child, result: Result<&Value, Failure>) {
        self.push(match result {
            Ok(result) => Attributes::ChildWorkflowExecutionCompletedEventAttributes(
                ChildWorkflowExecutionCompletedEventAttributes {
                    result: payloads(result),
                    workflow_execution: Some(child.execution()),
                    workflow_type: Some(child.workflow_type()),
                    initiated_event_id: child.initiated,
                    started_event_id: child.started,
                    ..Default::default()
                },
            ),
            Err(failure) => {
                Attributes::ChildWorkflowExecutionFailedEventAttributes(ChildWorkflowExecutionFailedEventAttributes {
                    failure: Some(failure),
                    workflow_execution: Some(child.execution()),
                    workflow_type: Some(child.workflow_type()),
                    initiated_event_id: child.initiated,
                    started_event_id: child.started,
                    ..Default::default()
                })
            }
        });
    }

    pub(crate) fn completed(mut self) -> History {
        self.push(Attributes::WorkflowExecutionCompletedEventAttributes(
            WorkflowExecutionCompletedEventAttributes {
                workflow_task_completed_event_id: self.task_completed,
                ..Default::default()
            },
        ));
        History { events: self.events }
    }

    pub(crate) fn failed(mut self) -> History {
        self.push(Attributes::WorkflowExecutionFailedEventAttributes(
            WorkflowExecutionFailedEventAttributes {
                workflow_task_completed_event_id: self.task_completed,
                ..Default::default()
            },
        ));
        History { events: self.events }
    }

    pub(crate) fn cancelled(mut self) -> History {
        self.push(Attributes::WorkflowExecutionCanceledEventAttributes(
            WorkflowExecutionCanceledEventAttributes {
                workflow_task_completed_event_id: self.task_completed,
                ..Default::default()
            },
        ));
        History { events: self.events }
    }

    fn push(&mut self, attributes: Attributes) -> i64 {
        let event_id = self.events.len() as i64 + 1;
        self.events.push(HistoryEvent {
            event_id,
            event_time: Some(std::time::SystemTime::UNIX_EPOCH.into()),
            event_type: attributes.event_type() as i32,
            attributes: Some(attributes),
            ..Default::default()
        });
        event_id
    }
}

impl Child {
    fn execution(&self) -> WorkflowExecution {
        WorkflowExecution {
            workflow_id: self.id.clone(),
            run_id: "child-run".to_owned(),
        }
    }

    fn workflow_type(&self) -> WorkflowType {
        WorkflowType {
            name: self.workflow_type.clone(),
        }
    }
}

pub(crate) fn application_failure(error_type: &str, details: Option<&Value>) -> Failure {
    Failure {
        message: "the child's own text".to_owned(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: error_type.to_owned(),
            non_retryable: true,
            details: details.and_then(payloads),
            ..Default::default()
        })),
        ..Default::default()
    }
}

pub(crate) fn activity_failure(cause: Failure) -> Failure {
    Failure {
        message: "activity failed".to_owned(),
        cause: Some(Box::new(cause)),
        failure_info: Some(FailureInfo::ActivityFailureInfo(ActivityFailureInfo::default())),
        ..Default::default()
    }
}

pub(crate) fn cancelled_failure() -> Failure {
    Failure {
        failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
        ..Default::default()
    }
}

fn queue() -> TaskQueue {
    TaskQueue {
        name: "queue".to_owned(),
        ..Default::default()
    }
}

fn payloads(value: &Value) -> Option<Payloads> {
    Some(Payloads {
        payloads: vec![Payload {
            metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
            data: serde_json::to_vec(value).expect("JSON"),
            ..Default::default()
        }],
    })
}
