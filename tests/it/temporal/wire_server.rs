//! The server without an SDK: raw requests, so that a test can be every worker and every client itself.

use std::collections::BTreeMap;
use std::time::Duration;

use awaithumans_testkit::{Call, Engine, Entropy, HandOut, Reject, Timestamp};
use prost::Message;
use temporalio_common::protos::temporal::api::command::v1 as command;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Command;
use temporalio_common::protos::temporal::api::common::v1 as common;
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

const WORKFLOW_SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";

/// The queue of workflows and, unless a test says otherwise, of their activities.
pub(super) const QUEUE: &str = "queue";

/// An engine and its clock.
pub(super) struct Server {
    engine: Engine,
    pub(super) now: Timestamp,
    next_ticket: u64,
    answers: BTreeMap<u64, Result<Vec<u8>, Reject>>,
}

/// An RPC in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending(u64);

impl Server {
    pub(super) fn new() -> Self {
        Self {
            engine: Engine::new(Entropy::stream(0, 1), HandOut::Parallel),
            now: Timestamp::EPOCH_OF_TESTS,
            next_ticket: 1,
            answers: BTreeMap::new(),
        }
    }

    /// One RPC that is answered at once.
    #[track_caller]
    pub(super) fn call<Q: Message, A: Message + Default>(&mut self, method: &str, request: Q) -> Result<A, Reject> {
        let pending = self.send(method, request);
        match self.answer(pending) {
            Some(answer) => answer,
            None => panic!("{method} waits"),
        }
    }

    /// One RPC that may wait.
    pub(super) fn send<Q: Message>(&mut self, method: &str, request: Q) -> Pending {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let call = Call {
            now: self.now,
            ticket,
            connection: 1,
            service: WORKFLOW_SERVICE,
            method,
        };
        self.engine.handle_rpc(call, &request.encode_to_vec());
        Pending(ticket)
    }

    /// The answer to an RPC, if it has come.
    pub(super) fn answer<A: Message + Default>(&mut self, pending: Pending) -> Option<Result<A, Reject>> {
        while let Some((ticket, answer)) = self.engine.poll_output() {
            self.answers.insert(ticket, answer);
        }
        let answer = self.answers.remove(&pending.0)?;
        Some(answer.map(|bytes| A::decode(bytes.as_slice()).expect("the answer can be decoded")))
    }

    /// Lets time go by.
    pub(super) fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.engine.handle_timeout(self.now);
        }
        self.now = until;
    }

    /// Starts a workflow whose first workflow task gives these commands; the answer to that task.
    pub(super) fn workflow(
        &mut self,
        workflow_id: &str,
        commands: Vec<Command>,
    ) -> wire::RespondWorkflowTaskCompletedResponse {
        let start = wire::StartWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_id: workflow_id.to_owned(),
            workflow_type: Some(common::WorkflowType {
                name: "type".to_owned(),
            }),
            task_queue: queue(QUEUE),
            ..Default::default()
        };
        let _: wire::StartWorkflowExecutionResponse = self.call("StartWorkflowExecution", start).expect("it starts");
        let task = self.workflow_task().expect("the first workflow task");
        self.complete(&task, commands).expect("the commands are taken")
    }

    /// The next workflow task, if there is one.
    pub(super) fn workflow_task(&mut self) -> Option<wire::PollWorkflowTaskQueueResponse> {
        let poll = wire::PollWorkflowTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: queue(QUEUE),
            identity: "worker".to_owned(),
            ..Default::default()
        };
        self.poll("PollWorkflowTaskQueue", poll)
    }

    /// Answers a workflow task.
    pub(super) fn complete(
        &mut self,
        task: &wire::PollWorkflowTaskQueueResponse,
        commands: Vec<Command>,
    ) -> Result<wire::RespondWorkflowTaskCompletedResponse, Reject> {
        self.call(
            "RespondWorkflowTaskCompleted",
            wire::RespondWorkflowTaskCompletedRequest {
                task_token: task.task_token.clone(),
                commands: commands.into_iter().map(in_envelope).collect(),
                identity: "worker".to_owned(),
                namespace: "default".to_owned(),
                ..Default::default()
            },
        )
    }

    /// The next activity task of a queue, if there is one.
    pub(super) fn activity_task(&mut self, queue_name: &str) -> Option<wire::PollActivityTaskQueueResponse> {
        let poll = wire::PollActivityTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: queue(queue_name),
            identity: "worker".to_owned(),
            ..Default::default()
        };
        self.poll("PollActivityTaskQueue", poll)
    }

    /// Who waits for what, as a report of a test that can't go on says it.
    pub(super) fn who_waits(&self) -> String {
        self.engine.who_waits().join("\n")
    }

    /// Whether nothing moves by itself, so that time may.
    pub(super) fn is_idle(&self) -> bool {
        self.engine.is_idle()
    }

    /// Whether a workflow waits for nobody but people.
    pub(super) fn is_parked(&self, workflow_id: &str) -> bool {
        self.engine.is_parked_workflow("default", workflow_id)
    }

    /// The events of a workflow's latest run.
    pub(super) fn events(&self, workflow_id: &str) -> Vec<HistoryEvent> {
        let history = self.engine.history("default", workflow_id);
        history.expect("there is such a workflow").events
    }

    /// A poll that is given up when there is nothing.
    fn poll<Q: Message, A: Message + Default>(&mut self, method: &str, request: Q) -> Option<A> {
        let pending = self.send(method, request);
        let answer = self.answer(pending);
        self.engine.handle_abandoned(self.now, pending.0);
        answer.map(|answer| answer.expect("the poll is good"))
    }
}

pub(super) fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue {
        name: name.to_owned(),
        ..Default::default()
    })
}

pub(super) fn seconds(count: u64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration {
        seconds: i64::try_from(count).expect("a reasonable time"),
        nanos: 0,
    })
}

pub(super) fn execution(workflow_id: &str) -> Option<common::WorkflowExecution> {
    Some(common::WorkflowExecution {
        workflow_id: workflow_id.to_owned(),
        run_id: String::new(),
    })
}

/// A text as one payload.
pub(super) fn payloads(text: &str) -> Option<common::Payloads> {
    Some(common::Payloads {
        payloads: vec![common::Payload {
            data: text.as_bytes().to_vec(),
            ..Default::default()
        }],
    })
}

pub(super) fn in_envelope(attributes: Command) -> command::Command {
    let command_type = match &attributes {
        Command::ScheduleActivityTaskCommandAttributes(_) => CommandType::ScheduleActivityTask,
        Command::RequestCancelActivityTaskCommandAttributes(_) => CommandType::RequestCancelActivityTask,
        Command::CompleteWorkflowExecutionCommandAttributes(_) => CommandType::CompleteWorkflowExecution,
        Command::StartTimerCommandAttributes(_) => CommandType::StartTimer,
        Command::CancelTimerCommandAttributes(_) => CommandType::CancelTimer,
        Command::RecordMarkerCommandAttributes(_) => CommandType::RecordMarker,
        Command::StartChildWorkflowExecutionCommandAttributes(_) => CommandType::StartChildWorkflowExecution,
        Command::SignalExternalWorkflowExecutionCommandAttributes(_) => CommandType::SignalExternalWorkflowExecution,
        Command::RequestCancelExternalWorkflowExecutionCommandAttributes(_) => {
            CommandType::RequestCancelExternalWorkflowExecution
        }
        Command::UpsertWorkflowSearchAttributesCommandAttributes(_) => CommandType::UpsertWorkflowSearchAttributes,
        Command::ModifyWorkflowPropertiesCommandAttributes(_) => CommandType::ModifyWorkflowProperties,
        other => panic!("no test gives {other:?}"),
    };
    command::Command {
        command_type: command_type as i32,
        attributes: Some(attributes),
        ..Default::default()
    }
}
