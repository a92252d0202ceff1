//! The engine without an SDK: every request is the test's own, and so is the clock.

use std::time::Duration;

use awaithumans_testkit::{Call, Engine, Entropy, HandOut, Reject, Timestamp};
use prost::Message;
use temporalio_common::protos::temporal::api::command::v1::{self as commands, Command, command::Attributes as Do};
use temporalio_common::protos::temporal::api::common::v1::{ActivityType, WorkflowExecution, WorkflowType};
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

const SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";

pub(super) const QUEUE: &str = "raw";

/// An engine and the moment that it is.
pub(super) struct Raw {
    pub(super) engine: Engine,
    pub(super) now: Timestamp,
    ticket: u64,
}

impl Raw {
    pub(super) fn new() -> Self {
        Self::with(HandOut::Parallel)
    }

    pub(super) fn with(hand_out: HandOut) -> Self {
        Self {
            engine: Engine::new(Entropy::stream(0, 1), hand_out),
            now: Timestamp::EPOCH_OF_TESTS,
            ticket: 0,
        }
    }

    /// Makes a call that is answered at once.
    #[track_caller]
    pub(super) fn call<A: Message + Default>(&mut self, method: &str, request: &impl Message) -> Result<A, Reject> {
        let ticket = self.ask(method, request);
        match self.answer(ticket) {
            Some(answer) => answer,
            None => panic!("{method} is parked"),
        }
    }

    /// Makes a call that may wait.
    pub(super) fn ask(&mut self, method: &str, request: &impl Message) -> u64 {
        self.ticket += 1;
        let call = Call {
            now: self.now,
            ticket: self.ticket,
            connection: 1,
            service: SERVICE,
            method,
        };
        self.engine.handle_rpc(call, &request.encode_to_vec());
        self.ticket
    }

    /// The answer to a call, if it has come. Answers to others are lost.
    pub(super) fn answer<A: Message + Default>(&mut self, ticket: u64) -> Option<Result<A, Reject>> {
        while let Some((of, answer)) = self.engine.poll_output() {
            if of == ticket {
                return Some(answer.map(|bytes| A::decode(bytes.as_slice()).expect("the answer's type")));
            }
        }
        None
    }

    /// Lets time pass, with every timer at its moment.
    pub(super) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(due) = self.engine.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.engine.handle_timeout(self.now);
        }
        self.now = end;
    }

    #[track_caller]
    pub(super) fn start(&mut self, id: &str, change: impl FnOnce(&mut wire::StartWorkflowExecutionRequest)) -> String {
        let mut request = wire::StartWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_id: id.to_owned(),
            workflow_type: Some(WorkflowType { name: "raw".to_owned() }),
            task_queue: Some(queue()),
            request_id: format!("start {id}"),
            ..Default::default()
        };
        change(&mut request);
        self.call::<wire::StartWorkflowExecutionResponse>("StartWorkflowExecution", &request)
            .unwrap()
            .run_id
    }

    pub(super) fn signal(&mut self, id: &str) {
        let request = wire::SignalWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: execution(id),
            signal_name: "signal".to_owned(),
            ..Default::default()
        };
        self.call::<wire::SignalWorkflowExecutionResponse>("SignalWorkflowExecution", &request)
            .unwrap();
    }

    /// Polls for a workflow task; `None` if there is none, and then nobody polls any more.
    pub(super) fn poll(&mut self) -> Option<wire::PollWorkflowTaskQueueResponse> {
        let request = wire::PollWorkflowTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(queue()),
            identity: "worker".to_owned(),
            ..Default::default()
        };
        self.poll_for("PollWorkflowTaskQueue", &request)
    }

    /// As [`Self::poll`], for an activity task.
    pub(super) fn poll_activity(&mut self) -> Option<wire::PollActivityTaskQueueResponse> {
        let request = wire::PollActivityTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(queue()),
            identity: "worker".to_owned(),
            ..Default::default()
        };
        self.poll_for("PollActivityTaskQueue", &request)
    }

    fn poll_for<A: Message + Default>(&mut self, method: &str, request: &impl Message) -> Option<A> {
        let ticket = self.ask(method, request);
        let answer = self.answer(ticket).map(Result::unwrap);
        if answer.is_none() {
            self.engine.handle_abandoned(self.now, ticket);
        }
        answer
    }

    /// Answers a workflow task with commands.
    pub(super) fn complete(
        &mut self,
        task: &wire::PollWorkflowTaskQueueResponse,
        commands: Vec<Command>,
    ) -> Result<wire::RespondWorkflowTaskCompletedResponse, Reject> {
        let request = wire::RespondWorkflowTaskCompletedRequest {
            namespace: "default".to_owned(),
            task_token: task.task_token.clone(),
            commands,
            identity: "worker".to_owned(),
            ..Default::default()
        };
        self.call("RespondWorkflowTaskCompleted", &request)
    }

    /// Polls and answers.
    #[track_caller]
    pub(super) fn work(&mut self, commands: Vec<Command>) -> wire::PollWorkflowTaskQueueResponse {
        let task = self.poll().expect("a workflow task");
        self.complete(&task, commands).unwrap();
        task
    }

    #[track_caller]
    pub(super) fn describe(&mut self, id: &str) -> wire::DescribeWorkflowExecutionResponse {
        let request = wire::DescribeWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            execution: execution(id),
        };
        self.call("DescribeWorkflowExecution", &request).unwrap()
    }

    /// The history of the latest run.
    #[track_caller]
    pub(super) fn events(&self, id: &str) -> Vec<HistoryEvent> {
        self.engine
            .history("default", id)
            .expect("the workflow is there")
            .events
    }

    #[track_caller]
    pub(super) fn types(&self, id: &str) -> Vec<&'static str> {
        let events = self.events(id);
        events.iter().map(|event| super::short(event.event_type())).collect()
    }
}

pub(super) fn queue() -> TaskQueue {
    TaskQueue {
        name: QUEUE.to_owned(),
        ..Default::default()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as requests want it")]
pub(super) fn execution(id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution {
        workflow_id: id.to_owned(),
        ..Default::default()
    })
}

#[expect(clippy::unnecessary_wraps, reason = "as requests want it")]
pub(super) fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

pub(super) fn timer(id: &str, length: i64) -> Command {
    command(Do::StartTimerCommandAttributes(commands::StartTimerCommandAttributes {
        timer_id: id.to_owned(),
        start_to_fire_timeout: seconds(length),
    }))
}

pub(super) fn activity(id: &str) -> Command {
    activity_with(id, |_| {})
}

pub(super) fn activity_with(
    id: &str,
    change: impl FnOnce(&mut commands::ScheduleActivityTaskCommandAttributes),
) -> Command {
    let mut attributes = commands::ScheduleActivityTaskCommandAttributes {
        activity_id: id.to_owned(),
        activity_type: Some(ActivityType { name: "act".to_owned() }),
        task_queue: Some(queue()),
        schedule_to_close_timeout: seconds(100_000),
        start_to_close_timeout: seconds(1_000),
        ..Default::default()
    };
    change(&mut attributes);
    command(Do::ScheduleActivityTaskCommandAttributes(attributes))
}

pub(super) fn complete_workflow() -> Command {
    command(Do::CompleteWorkflowExecutionCommandAttributes(Default::default()))
}

pub(super) fn command(attributes: Do) -> Command {
    use temporalio_common::protos::temporal::api::enums::v1::CommandType as T;
    let command_type = match &attributes {
        Do::StartTimerCommandAttributes(_) => T::StartTimer,
        Do::ScheduleNexusOperationCommandAttributes(_) => T::ScheduleNexusOperation,
        Do::RequestCancelNexusOperationCommandAttributes(_) => T::RequestCancelNexusOperation,
        Do::CancelWorkflowExecutionCommandAttributes(_) => T::CancelWorkflowExecution,
        Do::CancelTimerCommandAttributes(_) => T::CancelTimer,
        Do::RecordMarkerCommandAttributes(_) => T::RecordMarker,
        Do::RequestCancelActivityTaskCommandAttributes(_) => T::RequestCancelActivityTask,
        Do::SignalExternalWorkflowExecutionCommandAttributes(_) => T::SignalExternalWorkflowExecution,
        Do::ScheduleActivityTaskCommandAttributes(_) => T::ScheduleActivityTask,
        Do::CompleteWorkflowExecutionCommandAttributes(_) => T::CompleteWorkflowExecution,
        Do::FailWorkflowExecutionCommandAttributes(_) => T::FailWorkflowExecution,
        Do::StartChildWorkflowExecutionCommandAttributes(_) => T::StartChildWorkflowExecution,
        Do::ContinueAsNewWorkflowExecutionCommandAttributes(_) => T::ContinueAsNewWorkflowExecution,
        other => panic!("no test has needed {other:?} so far"),
    };
    Command {
        command_type: command_type as i32,
        attributes: Some(attributes),
        ..Default::default()
    }
}
