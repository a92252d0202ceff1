//! What happens to a workflow id over its runs, told by raw RPCs: the test is the client and the worker.

mod cron;
mod delete;
mod eager;
mod multi_operation;
mod reset;
mod update_messages;

use std::collections::BTreeMap;
use std::time::Duration;

use awaithumans_testkit::{Call, Engine, Entropy, HandOut, Reject, Timestamp};
use prost::Message;
use temporalio_common::protos::temporal::api::command::v1 as command;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as CommandAttributes;
use temporalio_common::protos::temporal::api::common::v1::{Payload, Payloads, WorkflowExecution, WorkflowType};
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::protocol::v1::Message as ProtocolMessage;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::update::v1 as update;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

/// Puts one thing wrong in a request.
type Spoil<T> = fn(&mut T);

const QUEUE: &str = "queue";
const NAMESPACE: &str = "default";

/// A server without a wire. Its clock moves by [`Server::pass`].
struct Server {
    engine: Engine,
    now: Timestamp,
    tickets: u64,
    answers: BTreeMap<u64, Result<Vec<u8>, Reject>>,
}

impl Server {
    fn new() -> Self {
        Self {
            engine: Engine::new(Entropy::stream(7, 1), HandOut::Parallel),
            now: Timestamp::EPOCH_OF_TESTS,
            tickets: 0,
            answers: BTreeMap::new(),
        }
    }

    /// Sends a request; its answer is kept until [`Self::answer`] asks for it.
    fn send(&mut self, method: &str, request: &impl Message) -> u64 {
        self.tickets += 1;
        let call = Call {
            now: self.now,
            ticket: self.tickets,
            connection: 1,
            service: "temporal.api.workflowservice.v1.WorkflowService",
            method,
        };
        self.engine.handle_rpc(call, &request.encode_to_vec());
        self.collect();
        self.tickets
    }

    /// The answer to a request, if it has come.
    fn answer<A: Message + Default>(&mut self, ticket: u64) -> Option<Result<A, Reject>> {
        let answer = self.answers.remove(&ticket)?;
        Some(answer.map(|bytes| A::decode(bytes.as_slice()).expect("the server encodes well")))
    }

    /// Sends a request and takes the answer, which must come at once.
    #[track_caller]
    fn call<A: Message + Default>(&mut self, method: &str, request: &impl Message) -> Result<A, Reject> {
        let ticket = self.send(method, request);
        self.answer(ticket).unwrap_or_else(|| panic!("{method} is parked"))
    }

    /// Lets time pass, with all that is due on the way.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.engine.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.engine.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    fn collect(&mut self) {
        while let Some((ticket, answer)) = self.engine.poll_output() {
            self.answers.insert(ticket, answer);
        }
    }

    #[track_caller]
    fn start(&mut self, id: &str) -> String {
        let answer: wire::StartWorkflowExecutionResponse =
            self.call("StartWorkflowExecution", &start(id)).expect("it starts");
        answer.run_id
    }

    /// The next workflow task of the queue; `None` if there is none.
    fn poll(&mut self) -> Option<wire::PollWorkflowTaskQueueResponse> {
        let ticket = self.send(
            "PollWorkflowTaskQueue",
            &wire::PollWorkflowTaskQueueRequest {
                namespace: NAMESPACE.to_owned(),
                task_queue: Some(queue()),
                identity: "worker".to_owned(),
                ..Default::default()
            },
        );
        let answer = self.answer(ticket);
        if answer.is_none() {
            self.engine.handle_abandoned(self.now, ticket);
        }
        answer.map(|answer| answer.expect("polls aren't refused"))
    }

    /// Answers a workflow task with commands.
    #[track_caller]
    fn complete(&mut self, task: &wire::PollWorkflowTaskQueueResponse, commands: Vec<command::Command>) {
        self.respond(task, commands, Vec::new());
    }

    #[track_caller]
    fn respond(
        &mut self,
        task: &wire::PollWorkflowTaskQueueResponse,
        commands: Vec<command::Command>,
        messages: Vec<ProtocolMessage>,
    ) {
        let request = wire::RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token.clone(),
            namespace: NAMESPACE.to_owned(),
            identity: "worker".to_owned(),
            commands,
            messages,
            ..Default::default()
        };
        let _: wire::RespondWorkflowTaskCompletedResponse = self
            .call("RespondWorkflowTaskCompleted", &request)
            .expect("the worker's answer is taken");
    }

    /// Takes the next workflow task and answers it with commands.
    #[track_caller]
    fn work(&mut self, commands: Vec<command::Command>) -> wire::PollWorkflowTaskQueueResponse {
        let task = self.poll().expect("there is a workflow task");
        self.complete(&task, commands);
        task
    }

    #[track_caller]
    fn signal(&mut self, id: &str, name: &str) {
        let request = wire::SignalWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            workflow_execution: execution(id, ""),
            signal_name: name.to_owned(),
            identity: "client".to_owned(),
            ..Default::default()
        };
        let _: wire::SignalWorkflowExecutionResponse = self
            .call("SignalWorkflowExecution", &request)
            .expect("the signal is taken");
    }

    #[track_caller]
    fn describe(&mut self, id: &str, run_id: &str) -> wire::DescribeWorkflowExecutionResponse {
        self.try_describe(id, run_id).expect("it is there")
    }

    fn try_describe(&mut self, id: &str, run_id: &str) -> Result<wire::DescribeWorkflowExecutionResponse, Reject> {
        let request = wire::DescribeWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            execution: execution(id, run_id),
        };
        self.call("DescribeWorkflowExecution", &request)
    }

    #[track_caller]
    fn history(&mut self, id: &str, run_id: &str) -> Vec<HistoryEvent> {
        let request = wire::GetWorkflowExecutionHistoryRequest {
            namespace: NAMESPACE.to_owned(),
            execution: execution(id, run_id),
            ..Default::default()
        };
        let answer: wire::GetWorkflowExecutionHistoryResponse = self
            .call("GetWorkflowExecutionHistory", &request)
            .expect("it has a history");
        answer.history.unwrap_or_default().events
    }

    #[track_caller]
    fn types(&mut self, id: &str, run_id: &str) -> Vec<&'static str> {
        let events = self.history(id, run_id);
        events.iter().map(|event| super::short(event.event_type())).collect()
    }
}

/// The attributes of an event of a history: `attributes!(events, 4, WorkflowTaskFailedEventAttributes)`.
macro_rules! attributes {
    ($events:expr, $id:expr, $kind:ident) => {
        match &$events[$id - 1].attributes {
            Some(super::Attributes::$kind(attributes)) => attributes.clone(),
            other => panic!("event {} is {other:?}", $id),
        }
    };
}
use attributes;

fn queue() -> TaskQueue {
    TaskQueue {
        name: QUEUE.to_owned(),
        ..Default::default()
    }
}

fn execution(id: &str, run_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution {
        workflow_id: id.to_owned(),
        run_id: run_id.to_owned(),
    })
}

fn start(id: &str) -> wire::StartWorkflowExecutionRequest {
    wire::StartWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType {
            name: "type".to_owned(),
        }),
        task_queue: Some(queue()),
        identity: "client".to_owned(),
        request_id: format!("start of {id}"),
        ..Default::default()
    }
}

fn update_request(id: &str, update_id: &str) -> wire::UpdateWorkflowExecutionRequest {
    wire::UpdateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: execution(id, ""),
        request: Some(update::Request {
            meta: Some(update::Meta {
                update_id: update_id.to_owned(),
                identity: "client".to_owned(),
            }),
            input: Some(update::Input {
                name: "change".to_owned(),
                args: Some(text("more")),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn text(data: &str) -> Payloads {
    Payloads {
        payloads: vec![Payload {
            data: data.as_bytes().to_vec(),
            ..Default::default()
        }],
    }
}

fn command(command_type: CommandType, attributes: CommandAttributes) -> command::Command {
    command::Command {
        command_type: command_type as i32,
        attributes: Some(attributes),
        ..Default::default()
    }
}

fn finish() -> command::Command {
    command(
        CommandType::CompleteWorkflowExecution,
        CommandAttributes::CompleteWorkflowExecutionCommandAttributes(
            command::CompleteWorkflowExecutionCommandAttributes::default(),
        ),
    )
}

fn start_timer(id: &str, seconds: i64) -> command::Command {
    command(
        CommandType::StartTimer,
        CommandAttributes::StartTimerCommandAttributes(command::StartTimerCommandAttributes {
            timer_id: id.to_owned(),
            start_to_fire_timeout: Some(prost_types::Duration { seconds, nanos: 0 }),
        }),
    )
}

fn start_child(id: &str) -> command::Command {
    command(
        CommandType::StartChildWorkflowExecution,
        CommandAttributes::StartChildWorkflowExecutionCommandAttributes(
            command::StartChildWorkflowExecutionCommandAttributes {
                workflow_id: id.to_owned(),
                workflow_type: Some(WorkflowType {
                    name: "child".to_owned(),
                }),
                task_queue: Some(TaskQueue {
                    name: "children".to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            },
        ),
    )
}

fn protocol_message(update_id: &str, what: &str, body: &impl Message) -> ProtocolMessage {
    ProtocolMessage {
        id: format!("{update_id}/{what}"),
        protocol_instance_id: update_id.to_owned(),
        body: Some(prost_types::Any {
            type_url: format!("type.googleapis.com/temporal.api.update.v1.{what}"),
            value: body.encode_to_vec(),
        }),
        sequencing_id: None,
    }
}

/// A worker's messages for an update that it takes and completes at once.
fn accept_and_complete(update_id: &str) -> Vec<ProtocolMessage> {
    let accepted = update::Acceptance {
        accepted_request_message_id: format!("{update_id}/request"),
        accepted_request_sequencing_event_id: 1,
        ..Default::default()
    };
    let done = update::Response {
        meta: Some(update::Meta {
            update_id: update_id.to_owned(),
            identity: "client".to_owned(),
        }),
        outcome: Some(update::Outcome {
            value: Some(update::outcome::Value::Success(text("done"))),
        }),
    };
    vec![
        protocol_message(update_id, "Acceptance", &accepted),
        protocol_message(update_id, "Response", &done),
    ]
}
