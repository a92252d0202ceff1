//! What a body acts on: one server, by raw calls of clients and workers, each written down.

use std::time::Duration;

use prost::Message;
use serde_json::{Value, json};
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::command::v1::{Command, CompleteWorkflowExecutionCommandAttributes};
use temporalio_common::protos::temporal::api::common::v1 as common;
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::arm::{Answer, Arm};
use super::transcript::Names;

pub(crate) const WORKFLOW: &str = "temporal.api.workflowservice.v1.WorkflowService";
pub(crate) const OPERATOR: &str = "temporal.api.operatorservice.v1.OperatorService";

/// The namespace of all bodies.
pub(crate) const NAMESPACE: &str = "default";

/// One server and the record of what was done on it.
pub(crate) struct Stage<'a> {
    shape: &'a str,
    arm: &'a mut dyn Arm,
    names: Names,
    lines: Vec<Value>,
}

/// A call that has been sent.
#[must_use]
pub(crate) struct Pending {
    method: &'static str,
    call: u64,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(shape: &'a str, arm: &'a mut dyn Arm) -> Self {
        let names = Names::new(format!("~{}", arm.unique()));
        Self {
            shape,
            arm,
            names,
            lines: Vec::new(),
        }
    }

    pub(crate) fn into_transcript(self) -> Value {
        json!({"shape": self.shape, "transcript": self.lines})
    }

    /// A name that no other run on the server has.
    pub(crate) fn named(&self, name: &str) -> String {
        format!("{}-{name}{}", self.shape, self.names.unique())
    }

    pub(crate) fn queue(&self) -> Option<TaskQueue> {
        Some(TaskQueue {
            name: self.named("queue"),
            kind: 1,
            ..Default::default()
        })
    }

    /// Lets time pass: on the real server, real time.
    pub(crate) fn pass(&mut self, seconds: u64) {
        self.arm.pass(Duration::from_secs(seconds));
    }

    /// Calls, waits for the answer and writes it down. `None` if it was refused.
    pub(crate) fn call<A: Message + Default>(&mut self, method: &'static str, request: &impl Message) -> Option<A> {
        let pending = self.begin(method, request);
        self.finish(pending)
    }

    /// As [`Self::call`], of the operator's service.
    pub(crate) fn operate<A: Message + Default>(&mut self, method: &'static str, request: &impl Message) -> Option<A> {
        let call = self.arm.begin(OPERATOR, method, request.encode_to_vec());
        self.take(method, "temporal.api.operatorservice.v1", call)
    }

    /// Sends a call whose answer comes later.
    pub(crate) fn begin(&mut self, method: &'static str, request: &impl Message) -> Pending {
        let call = self.arm.begin(WORKFLOW, method, request.encode_to_vec());
        Pending { method, call }
    }

    /// Waits for the answer and writes it down.
    pub(crate) fn finish<A: Message + Default>(&mut self, pending: Pending) -> Option<A> {
        self.take(pending.method, "temporal.api.workflowservice.v1", pending.call)
    }

    fn take<A: Message + Default>(&mut self, method: &'static str, package: &str, call: u64) -> Option<A> {
        match self.arm.finish(call) {
            Ok(bytes) => {
                let answer = self.names.message(&format!("{package}.{method}Response"), &bytes);
                self.lines.push(json!({"call": method, "answer": answer}));
                Some(A::decode(bytes.as_slice()).expect("the server sends what it should"))
            }
            Err(refusal) => {
                let refused = self.names.refusal(&refusal);
                self.lines.push(json!({"call": method, "refused": refused}));
                None
            }
        }
    }

    /// Calls without writing the answer down; a refusal is.
    pub(crate) fn look<A: Message + Default>(&mut self, method: &'static str, request: &impl Message) -> Option<A> {
        let call = self.arm.begin(WORKFLOW, method, request.encode_to_vec());
        match self.arm.finish(call) {
            Ok(bytes) => Some(A::decode(bytes.as_slice()).expect("the server sends what it should")),
            Err(refusal) => {
                let refused = self.names.refusal(&refusal);
                self.lines.push(json!({"call": method, "refused": refused}));
                None
            }
        }
    }

    /// Calls with an encoded request, and writes nothing down. `None` if the answer takes longer than this.
    pub(crate) fn ask(
        &mut self,
        (service, method): (&'static str, &'static str),
        request: Vec<u8>,
        patience: Duration,
    ) -> Option<Answer> {
        let call = self.arm.begin(service, method, request);
        self.arm.finish_within(call, patience)
    }

    /// From now on only what is answered counts: see [`Arm::spare_invariants`].
    pub(crate) fn spare_invariants(&mut self) {
        self.arm.spare_invariants();
    }

    /// Writes down what a body has found out by itself.
    pub(crate) fn note(&mut self, line: Value) {
        self.lines.push(line);
    }

    /// Calls what is refused with a text that differs from run to run, which isn't written down.
    pub(crate) fn refused(&mut self, method: &'static str, request: &impl Message) -> String {
        let call = self.arm.begin(WORKFLOW, method, request.encode_to_vec());
        match self.arm.finish(call) {
            Ok(_) => panic!("{method} isn't refused"),
            Err(refusal) => refusal.message,
        }
    }

    // What most bodies do.

    /// A plain start, to be changed and sent.
    pub(crate) fn starting(&self, name: &str) -> wire::StartWorkflowExecutionRequest {
        wire::StartWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            workflow_id: self.named(name),
            workflow_type: Some(common::WorkflowType {
                name: "shape".to_owned(),
            }),
            task_queue: self.queue(),
            identity: "client".to_owned(),
            request_id: format!("start-{name}"),
            ..Default::default()
        }
    }

    pub(crate) fn start(&mut self, name: &str) -> common::WorkflowExecution {
        let request = self.starting(name);
        self.start_as(&request)
    }

    pub(crate) fn start_as(&mut self, request: &wire::StartWorkflowExecutionRequest) -> common::WorkflowExecution {
        let started: Option<wire::StartWorkflowExecutionResponse> = self.call("StartWorkflowExecution", request);
        common::WorkflowExecution {
            workflow_id: request.workflow_id.clone(),
            run_id: started.map(|it| it.run_id).unwrap_or_default(),
        }
    }

    pub(crate) fn polling(&self) -> wire::PollWorkflowTaskQueueRequest {
        wire::PollWorkflowTaskQueueRequest {
            namespace: NAMESPACE.to_owned(),
            task_queue: self.queue(),
            identity: "worker".to_owned(),
            ..Default::default()
        }
    }

    /// Fetches a workflow task.
    pub(crate) fn poll(&mut self) -> wire::PollWorkflowTaskQueueResponse {
        let request = self.polling();
        self.call("PollWorkflowTaskQueue", &request).unwrap_or_default()
    }

    /// Fetches a workflow task without writing it down, where the order of tasks is a matter of chance.
    pub(crate) fn look_for_task(&mut self) -> wire::PollWorkflowTaskQueueResponse {
        let request = self.polling();
        self.look("PollWorkflowTaskQueue", &request).unwrap_or_default()
    }

    /// Answers a workflow task without writing the answer down.
    pub(crate) fn settle(&mut self, task: &wire::PollWorkflowTaskQueueResponse, commands: Vec<Command>) {
        let request = self.answering(task, commands);
        self.look::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
    }

    /// Fetches an activity task.
    pub(crate) fn poll_activity(&mut self) -> wire::PollActivityTaskQueueResponse {
        let request = wire::PollActivityTaskQueueRequest {
            namespace: NAMESPACE.to_owned(),
            task_queue: self.queue(),
            identity: "worker".to_owned(),
            ..Default::default()
        };
        self.call("PollActivityTaskQueue", &request).unwrap_or_default()
    }

    /// An answer to a workflow task, to be changed and sent.
    pub(crate) fn answering(
        &self,
        task: &wire::PollWorkflowTaskQueueResponse,
        commands: Vec<Command>,
    ) -> wire::RespondWorkflowTaskCompletedRequest {
        wire::RespondWorkflowTaskCompletedRequest {
            namespace: NAMESPACE.to_owned(),
            task_token: task.task_token.clone(),
            identity: "worker".to_owned(),
            commands,
            ..Default::default()
        }
    }

    /// Answers a workflow task.
    pub(crate) fn answer(&mut self, task: &wire::PollWorkflowTaskQueueResponse, commands: Vec<Command>) {
        let request = self.answering(task, commands);
        self.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
    }

    /// Fetches a workflow task and answers it.
    pub(crate) fn work(&mut self, commands: Vec<Command>) {
        let task = self.poll();
        self.answer(&task, commands);
    }

    pub(crate) fn signal(&mut self, execution: &common::WorkflowExecution, name: &str) {
        let request = wire::SignalWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            workflow_execution: Some(execution.clone()),
            signal_name: name.to_owned(),
            identity: "client".to_owned(),
            ..Default::default()
        };
        self.call::<wire::SignalWorkflowExecutionResponse>("SignalWorkflowExecution", &request);
    }

    /// Writes down a run's history; of the latest run if the run id is empty.
    pub(crate) fn history(&mut self, execution: &common::WorkflowExecution) {
        let request = wire::GetWorkflowExecutionHistoryRequest {
            namespace: NAMESPACE.to_owned(),
            execution: Some(execution.clone()),
            ..Default::default()
        };
        self.call::<wire::GetWorkflowExecutionHistoryResponse>("GetWorkflowExecutionHistory", &request);
    }

    /// Writes down what the server says of a run.
    pub(crate) fn describe(&mut self, execution: &common::WorkflowExecution) {
        let request = wire::DescribeWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            execution: Some(execution.clone()),
        };
        self.call::<wire::DescribeWorkflowExecutionResponse>("DescribeWorkflowExecution", &request);
    }

    /// The latest run of a workflow id.
    pub(crate) fn latest(&self, execution: &common::WorkflowExecution) -> common::WorkflowExecution {
        common::WorkflowExecution {
            workflow_id: execution.workflow_id.clone(),
            run_id: String::new(),
        }
    }
}

/// A command.
pub(crate) fn command(command_type: CommandType, attributes: Does) -> Command {
    Command {
        command_type: command_type as i32,
        attributes: Some(attributes),
        ..Default::default()
    }
}

/// The workflow completes with a JSON text.
pub(crate) fn complete(result: &str) -> Command {
    command(
        CommandType::CompleteWorkflowExecution,
        Does::CompleteWorkflowExecutionCommandAttributes(CompleteWorkflowExecutionCommandAttributes {
            result: Some(payloads(result)),
        }),
    )
}

/// One JSON payload.
pub(crate) fn payloads(json: &str) -> common::Payloads {
    common::Payloads {
        payloads: vec![payload(json)],
    }
}

/// A JSON payload.
pub(crate) fn payload(json: &str) -> common::Payload {
    common::Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: json.as_bytes().to_vec(),
        ..Default::default()
    }
}

/// A duration on the wire.
pub(crate) fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}
