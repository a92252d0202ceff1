//! The engine behind raw calls: a caller's workflow and a nexus handler, both played by the test.

use std::collections::BTreeMap;
use std::time::Duration;

use awaithumans_testkit::{Call, CallbackId, CallbackOutcome, Engine, Entropy, HandOut, Reject, Timestamp};
use prost::Message;
use temporalio_common::protos::temporal::api::command::v1 as command;
use temporalio_common::protos::temporal::api::common::v1::{Callback, WorkflowExecution, WorkflowType};
use temporalio_common::protos::temporal::api::enums::v1::EventType;
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::nexus::v1 as nexus;
use temporalio_common::protos::temporal::api::operatorservice::v1 as operator;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

pub(crate) const WORKFLOW: &str = "temporal.api.workflowservice.v1.WorkflowService";
pub(crate) const OPERATOR: &str = "temporal.api.operatorservice.v1.OperatorService";

/// The queue of the handlers.
pub(crate) const HANDLERS: &str = "handlers";

pub(crate) type WorkflowTask = wire::PollWorkflowTaskQueueResponse;
pub(crate) type NexusTask = wire::PollNexusTaskQueueResponse;

/// A failed task: in the older form or in the newer one.
pub(crate) enum Failed {
    Error(nexus::HandlerError),
    Failure(Failure),
}

pub(crate) struct Server {
    engine: Engine,
    pub(crate) now: Timestamp,
    tickets: u64,
    answers: BTreeMap<u64, Result<Vec<u8>, Reject>>,
}

impl Server {
    /// With the endpoint `endpoint`, whose handlers poll [`HANDLERS`].
    pub(crate) fn start() -> Self {
        let mut server = Self::without_endpoint();
        server
            .create_endpoint("endpoint", worker_target("default", HANDLERS))
            .expect("the endpoint is good");
        server
    }

    pub(crate) fn without_endpoint() -> Self {
        Self {
            engine: Engine::new(Entropy::stream(7, 1), HandOut::Parallel),
            now: Timestamp::from_seconds(1_700_000_000),
            tickets: 0,
            answers: BTreeMap::new(),
        }
    }

    /// Makes a call and gives its ticket.
    pub(crate) fn send(&mut self, service: &str, method: &str, request: &impl Message) -> u64 {
        self.tickets += 1;
        let call = Call {
            now: self.now,
            ticket: self.tickets,
            connection: 1,
            service,
            method,
        };
        self.engine.handle_rpc(call, &request.encode_to_vec());
        self.collect();
        self.tickets
    }

    /// The answer to a call, if it is there.
    pub(crate) fn take<A: Message + Default>(&mut self, ticket: u64) -> Option<Result<A, Reject>> {
        self.collect();
        let answer = self.answers.remove(&ticket)?;
        Some(answer.map(|bytes| A::decode(bytes.as_slice()).expect("the answer can be decoded")))
    }

    /// Makes a call that is answered at once.
    #[track_caller]
    pub(crate) fn call<A: Message + Default>(
        &mut self,
        service: &str,
        method: &str,
        request: &impl Message,
    ) -> Result<A, Reject> {
        let ticket = self.send(service, method, request);
        self.take(ticket)
            .unwrap_or_else(|| panic!("{method} isn't answered at once"))
    }

    pub(crate) fn create_endpoint(
        &mut self,
        name: &str,
        target: nexus::EndpointTarget,
    ) -> Result<nexus::Endpoint, Reject> {
        let request = operator::CreateNexusEndpointRequest {
            spec: Some(nexus::EndpointSpec {
                name: name.to_owned(),
                target: Some(target),
                ..Default::default()
            }),
        };
        let created: Result<operator::CreateNexusEndpointResponse, _> =
            self.call(OPERATOR, "CreateNexusEndpoint", &request);
        created.map(|created| created.endpoint.expect("an endpoint"))
    }

    /// Starts a workflow of which the test plays the worker, and gives its first task.
    pub(crate) fn start_workflow(&mut self, id: &str) -> WorkflowTask {
        self.start_workflow_with(start(id)).expect("the workflow starts");
        self.poll_workflow(id)
    }

    pub(crate) fn start_workflow_with(
        &mut self,
        request: wire::StartWorkflowExecutionRequest,
    ) -> Result<wire::StartWorkflowExecutionResponse, Reject> {
        self.call(WORKFLOW, "StartWorkflowExecution", &request)
    }

    /// The task of a workflow; every workflow has its own queue, by its id.
    #[track_caller]
    pub(crate) fn poll_workflow(&mut self, id: &str) -> WorkflowTask {
        let request = wire::PollWorkflowTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(queue(id)),
            ..Default::default()
        };
        self.call(WORKFLOW, "PollWorkflowTaskQueue", &request)
            .unwrap_or_else(|reject| panic!("{reject:?}"))
    }

    pub(crate) fn complete_workflow_task(
        &mut self,
        task: &WorkflowTask,
        commands: Vec<command::command::Attributes>,
    ) -> Result<wire::RespondWorkflowTaskCompletedResponse, Reject> {
        let request = wire::RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token.clone(),
            commands: commands.into_iter().map(crate::temporal::raw::command).collect(),
            ..Default::default()
        };
        self.call(WORKFLOW, "RespondWorkflowTaskCompleted", &request)
    }

    /// Starts a workflow that schedules this operation at once.
    pub(crate) fn schedule(&mut self, id: &str, operation: command::ScheduleNexusOperationCommandAttributes) {
        let task = self.start_workflow(id);
        self.complete_workflow_task(&task, vec![schedule_command(operation)])
            .expect("the command is good");
    }

    /// A handler's poll: the task that waits for it.
    pub(crate) fn try_poll_nexus(&mut self) -> Option<NexusTask> {
        let request = wire::PollNexusTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(queue(HANDLERS)),
            identity: "handler".to_owned(),
            ..Default::default()
        };
        let ticket = self.send(WORKFLOW, "PollNexusTaskQueue", &request);
        let task = self.take(ticket);
        if task.is_none() {
            self.engine.handle_abandoned(self.now, ticket);
        }
        task.map(|task| task.expect("the poll is good"))
    }

    #[track_caller]
    pub(crate) fn poll_nexus(&mut self) -> NexusTask {
        self.try_poll_nexus().expect("a nexus task waits")
    }

    pub(crate) fn respond(
        &mut self,
        task: &NexusTask,
        response: nexus::response::Variant,
    ) -> Result<wire::RespondNexusTaskCompletedResponse, Reject> {
        let request = wire::RespondNexusTaskCompletedRequest {
            namespace: "default".to_owned(),
            task_token: task.task_token.clone(),
            response: Some(nexus::Response {
                variant: Some(response),
            }),
            ..Default::default()
        };
        self.call(WORKFLOW, "RespondNexusTaskCompleted", &request)
    }

    pub(crate) fn respond_start(
        &mut self,
        task: &NexusTask,
        variant: nexus::start_operation_response::Variant,
    ) -> Result<wire::RespondNexusTaskCompletedResponse, Reject> {
        let response = nexus::StartOperationResponse { variant: Some(variant) };
        self.respond(task, nexus::response::Variant::StartOperation(response))
    }

    /// The handler says that the operation goes on under the token `token`.
    #[track_caller]
    pub(crate) fn respond_started(&mut self, task: &NexusTask) {
        let started = nexus::start_operation_response::Async {
            operation_token: "token".to_owned(),
            ..Default::default()
        };
        self.respond_start(task, nexus::start_operation_response::Variant::AsyncSuccess(started))
            .unwrap_or_else(|reject| panic!("{reject:?}"));
    }

    #[expect(deprecated, reason = "older SDKs fail tasks so")]
    pub(crate) fn fail(
        &mut self,
        task: &NexusTask,
        failed: Failed,
    ) -> Result<wire::RespondNexusTaskFailedResponse, Reject> {
        let (error, failure) = match failed {
            Failed::Error(error) => (Some(error), None),
            Failed::Failure(failure) => (None, Some(failure)),
        };
        let request = wire::RespondNexusTaskFailedRequest {
            namespace: "default".to_owned(),
            task_token: task.task_token.clone(),
            error,
            failure,
            ..Default::default()
        };
        self.call(WORKFLOW, "RespondNexusTaskFailed", &request)
    }

    /// Lets time pass; what is due meanwhile happens at its own time.
    pub(crate) fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        while let Some(due) = self.engine.poll_timeout().filter(|due| *due <= until) {
            self.now = due;
            self.engine.handle_timeout(due);
        }
        self.now = until;
        self.collect();
    }

    /// Sets what Temporal's dynamic configuration has by this name.
    pub(crate) fn configure(&mut self, name: &str, value: &serde_json::Value) {
        self.engine
            .set_dynamic_config(name, value)
            .expect("the setting is good");
    }

    /// The completion callback that goes out to another server.
    #[track_caller]
    pub(crate) fn poll_callback(&mut self) -> (CallbackId, http::Request<bytes::Bytes>) {
        assert!(self.engine.is_busy());
        self.engine.poll_callback().expect("a callback goes out")
    }

    /// As [`Self::poll_callback`], when its time has come.
    #[track_caller]
    pub(crate) fn await_callback(&mut self) -> CallbackId {
        for _ in 0..3_600 {
            if self.engine.is_calling_back() {
                return self.poll_callback().0;
            }
            self.advance(Duration::from_secs(1));
        }
        panic!("no callback goes out within an hour");
    }

    /// The other server answers, or doesn't.
    pub(crate) fn called_back(&mut self, id: CallbackId, outcome: CallbackOutcome) {
        self.engine.handle_called_back(self.now, id, outcome);
        assert!(!self.engine.is_busy());
    }

    pub(crate) fn describe(&mut self, id: &str) -> wire::DescribeWorkflowExecutionResponse {
        let request = wire::DescribeWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            execution: Some(WorkflowExecution {
                workflow_id: id.to_owned(),
                run_id: String::new(),
            }),
        };
        self.call(WORKFLOW, "DescribeWorkflowExecution", &request)
            .expect("the workflow is there")
    }

    pub(crate) fn events(&self, id: &str) -> Vec<HistoryEvent> {
        self.engine
            .history("default", id)
            .expect("the workflow has a history")
            .events
    }

    /// The last event of a type.
    #[track_caller]
    pub(crate) fn event(&self, id: &str, event_type: EventType) -> (HistoryEvent, Attributes) {
        let event = self
            .events(id)
            .into_iter()
            .rfind(|event| event.event_type() == event_type)
            .unwrap_or_else(|| panic!("no {event_type:?} in {:?}", self.types(id)));
        let attributes = event.attributes.clone().expect("every event has attributes");
        (event, attributes)
    }

    /// The types of a history's events that have to do with nexus.
    pub(crate) fn types(&self, id: &str) -> Vec<String> {
        self.events(id)
            .iter()
            .map(|event| event.event_type().as_str_name().trim_start_matches("EVENT_TYPE_"))
            .filter(|name| name.starts_with("NEXUS") || name.starts_with("WORKFLOW_EXECUTION"))
            .map(str::to_owned)
            .collect()
    }

    /// What doesn't hold of the engine though it should.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.engine.violations()
    }

    /// Who waits for what.
    pub(crate) fn who_waits(&self) -> Vec<String> {
        self.engine.who_waits()
    }

    /// A client that waits goes away.
    pub(crate) fn abandon(&mut self, ticket: u64) {
        self.engine.handle_abandoned(self.now, ticket);
    }

    /// A client has waited as long as it may.
    pub(crate) fn expire(&mut self, ticket: u64) {
        self.engine.handle_expired(self.now, ticket);
    }

    fn collect(&mut self) {
        while let Some((ticket, answer)) = self.engine.poll_output() {
            self.answers.insert(ticket, answer);
        }
    }
}

pub(crate) fn queue(name: &str) -> TaskQueue {
    TaskQueue {
        name: name.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn start(id: &str) -> wire::StartWorkflowExecutionRequest {
    wire::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType {
            name: "type".to_owned(),
        }),
        task_queue: Some(queue(id)),
        request_id: format!("request of {id}"),
        ..Default::default()
    }
}

pub(crate) fn start_with_callbacks(id: &str, callbacks: Vec<Callback>) -> wire::StartWorkflowExecutionRequest {
    wire::StartWorkflowExecutionRequest {
        completion_callbacks: callbacks,
        ..start(id)
    }
}

pub(crate) fn worker_target(namespace: &str, task_queue: &str) -> nexus::EndpointTarget {
    use nexus::endpoint_target::{Variant, Worker};
    nexus::EndpointTarget {
        variant: Some(Variant::Worker(Worker {
            namespace: namespace.to_owned(),
            task_queue: task_queue.to_owned(),
        })),
    }
}

pub(crate) fn operation() -> command::ScheduleNexusOperationCommandAttributes {
    command::ScheduleNexusOperationCommandAttributes {
        endpoint: "endpoint".to_owned(),
        service: "service".to_owned(),
        operation: "operation".to_owned(),
        ..Default::default()
    }
}

pub(crate) fn schedule_command(
    operation: command::ScheduleNexusOperationCommandAttributes,
) -> command::command::Attributes {
    command::command::Attributes::ScheduleNexusOperationCommandAttributes(operation)
}

pub(crate) fn cancel_command(scheduled_event_id: i64) -> command::command::Attributes {
    command::command::Attributes::RequestCancelNexusOperationCommandAttributes(
        command::RequestCancelNexusOperationCommandAttributes { scheduled_event_id },
    )
}

pub(crate) fn complete_command(result: &str) -> command::command::Attributes {
    command::command::Attributes::CompleteWorkflowExecutionCommandAttributes(
        command::CompleteWorkflowExecutionCommandAttributes {
            result: Some(temporalio_common::protos::temporal::api::common::v1::Payloads {
                payloads: vec![json(result)],
            }),
        },
    )
}

pub(crate) fn json(text: &str) -> temporalio_common::protos::temporal::api::common::v1::Payload {
    temporalio_common::protos::temporal::api::common::v1::Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: text.as_bytes().to_vec(),
        ..Default::default()
    }
}

pub(crate) fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}
