//! The same scenario without a worker: what the SDK's worker would send is sent by hand, call for call, so that what is left is the
//! harness.

use std::collections::VecDeque;
use std::time::Duration;

use awaithumans_temporal::PayloadKey;
use awaithumans_testkit::human::{Config, DeliveryOutcome};
use awaithumans_testkit::{HandOut, Input, Output, World};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use prost::Message;
use temporalio_protos::temporal::api::command::v1::{self as command, command::Attributes};
use temporalio_protos::temporal::api::common::v1::{ActivityType, Payload, Payloads, WorkflowExecution, WorkflowType};
use temporalio_protos::temporal::api::enums::v1::{CommandType, TaskQueueKind};
use temporalio_protos::temporal::api::taskqueue::v1::{StickyExecutionAttributes, TaskQueue};
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

const SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";
const NAMESPACE: &str = "default";
const IDENTITY: &str = "worker-1";
const QUEUE: &str = "approvals";
const STICKY_QUEUE: &str = "worker-1-5f0a1c";
const TIMEOUT_SECONDS: i64 = 7 * 86_400;

/// Whose calls they are.
const CLIENT: u64 = 1;
const WORKER: u64 = 2;

/// A world, its worker and its receiver, played by hand.
pub(crate) struct Model {
    world: World,
    key: awaithumans_temporal::WebhookKey,
    said: Said,
    /// The request that is being written.
    request: Vec<u8>,
    ticket: u64,
    started: u64,
    completed: u64,
    /// Polls that the worker has out, by their tickets: workflow tasks, those of its own queue, activities.
    polls: [u64; 3],
    answers: VecDeque<(u64, Vec<u8>)>,
    /// The tasks that nobody has answered yet.
    asked: Vec<String>,
}

/// What each scenario's requests have in common, encoded once: what a client spends on its requests isn't the harness's cost. Messages of one
/// kind one after another are one message, so the rest of a request follows.
struct Said {
    start: Vec<u8>,
    signal: Vec<u8>,
    polls: [Vec<u8>; 3],
    workflow_task_completed: Vec<u8>,
    start_timer: Vec<u8>,
    end: Vec<u8>,
    activity_task_completed: Vec<u8>,
}

/// What each start says for itself: fields of `StartWorkflowExecutionRequest`. Those of a whole request, all empty, are the client's cost.
#[derive(prost::Message)]
struct Start {
    #[prost(string, tag = "2")]
    workflow_id: String,
    #[prost(string, tag = "10")]
    request_id: String,
}

/// The same of `SignalWorkflowExecutionRequest`.
#[derive(prost::Message)]
struct Signal {
    #[prost(message, optional, tag = "2")]
    workflow_execution: Option<WorkflowExecution>,
    #[prost(string, tag = "3")]
    signal_name: String,
    #[prost(message, optional, tag = "4")]
    input: Option<Payloads>,
    #[prost(string, tag = "6")]
    request_id: String,
}

/// The same of a worker's answers, to tasks of workflows and of activities.
#[derive(prost::Message)]
struct Completed {
    #[prost(bytes = "vec", tag = "1")]
    task_token: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    commands: Vec<command::Command>,
}

/// What is looked at of `PollWorkflowTaskQueueResponse`: to read all of it is the worker's cost.
#[derive(prost::Message)]
struct WorkflowTask {
    #[prost(bytes = "vec", tag = "1")]
    task_token: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    workflow_execution: Option<WorkflowExecution>,
    #[prost(int64, tag = "5")]
    started_event_id: i64,
}

/// The same of `PollActivityTaskQueueResponse`.
#[derive(prost::Message)]
struct ActivityTask {
    #[prost(bytes = "vec", tag = "1")]
    task_token: Vec<u8>,
    #[prost(message, optional, tag = "8")]
    input: Option<Payloads>,
}

const WORKFLOW: usize = 0;
const STICKY: usize = 1;
const ACTIVITY: usize = 2;

impl Model {
    pub(crate) fn new() -> Self {
        let key = PayloadKey::from_bytes([7; 32]);
        let mut model = Self {
            world: World::new(0, HandOut::Serial, Config::with_key(key.clone())),
            key: key.webhook_key(),
            said: Said::new(),
            request: Vec::new(),
            ticket: 0,
            started: 0,
            completed: 0,
            polls: [0; 3],
            answers: VecDeque::new(),
            asked: Vec::new(),
        };
        for kind in [WORKFLOW, STICKY, ACTIVITY] {
            model.poll(kind);
        }
        model
    }

    /// A workflow is started, asks, waits an hour, and goes on; so often, and so many at once.
    pub(crate) fn play(&mut self, scenarios: u64, at_once: u64) {
        let until = self.started + scenarios;
        while self.started < until {
            for _ in 0..at_once.min(until - self.started) {
                self.started += 1;
                self.start();
            }
            while self.completed < self.started {
                self.carry_out();
                if self.take_answer() || self.world.hand_out_next() {
                    continue;
                }
                if !self.asked.is_empty() {
                    self.answer();
                    continue;
                }
                let due = self
                    .world
                    .poll_timeout()
                    .expect("something is due while a workflow waits");
                assert!(self.world.handle_timeout(due));
            }
        }
    }

    /// The person, an hour after they were asked.
    fn answer(&mut self) {
        let when = self.world.now() + Duration::from_secs(3_600);
        while self.world.handle_timeout(when) {}
        self.world.set_time(when);
        let (human, now, journal) = self.world.human_mut();
        for task_id in self.asked.drain(..) {
            let answer = serde_json::json!({"approved": true});
            let answered = human.complete(now, journal, &task_id, answer.into(), "dana@example.com");
            answered.expect("the task is open");
        }
    }

    fn start(&mut self) {
        let number = self.started;
        self.request.extend_from_slice(&self.said.start);
        let rest = Start {
            workflow_id: format!("approval-{number}"),
            request_id: format!("request-{number}"),
        };
        self.call(CLIENT, "StartWorkflowExecution", &rest);
    }

    /// What the world gives out: answers are kept, a webhook is received.
    fn carry_out(&mut self) {
        while let Some(output) = self.world.poll_output() {
            match output {
                Output::Rpc((ticket, answer)) => {
                    self.answers.push_back((ticket, answer.expect("no refusal")));
                }
                Output::Http { response, .. } => {
                    assert_eq!(response.status(), 201);
                    self.asked.push(id(response.body()));
                }
                Output::Deliver { attempt, request, .. } => {
                    self.receive(&request);
                    let outcome = DeliveryOutcome::Answered(200);
                    self.world.handle(Input::Delivered { attempt, outcome });
                }
                other => panic!("nobody has asked for {other:?}"),
            }
        }
    }

    /// The worker does what a poll has given it. Gives whether there was something.
    fn take_answer(&mut self) -> bool {
        let Some((ticket, answer)) = self.answers.pop_front() else {
            return false;
        };
        let Some(kind) = self.polls.iter().position(|poll| *poll == ticket) else {
            return true;
        };
        self.poll(kind);
        match kind {
            ACTIVITY => self.create_task(decode(&answer)),
            _ => self.work(decode(&answer)),
        }
        true
    }

    fn poll(&mut self, kind: usize) {
        self.polls[kind] = self.ticket + 1;
        self.request.extend_from_slice(&self.said.polls[kind]);
        match kind {
            ACTIVITY => self.call(WORKER, "PollActivityTaskQueue", &()),
            _ => self.call(WORKER, "PollWorkflowTaskQueue", &()),
        }
    }

    /// The workflow's code: create the task, wait with a timer as a safety net, and end with the answer.
    fn work(&mut self, task: WorkflowTask) {
        self.request.extend_from_slice(&self.said.workflow_task_completed);
        let mut rest = Completed {
            task_token: task.task_token,
            commands: Vec::new(),
        };
        match task.started_event_id {
            3 => {
                let execution = task.workflow_execution.as_ref().expect("whose task it is");
                rest.commands = vec![create_task(&execution.workflow_id)];
            }
            9 => self.request.extend_from_slice(&self.said.start_timer),
            _ => {
                self.completed += 1;
                self.request.extend_from_slice(&self.said.end);
            }
        }
        self.call(WORKER, "RespondWorkflowTaskCompleted", &rest);
    }

    /// The activity: a request to awaithumans.
    fn create_task(&mut self, task: ActivityTask) {
        let input = task.input.and_then(|input| input.payloads.into_iter().next());
        let request = http::Request::post("/api/tasks")
            .header(AUTHORIZATION, HeaderValue::from_static("Bearer testkit-admin-token"))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Bytes::from(input.expect("the question").data))
            .expect("a request");
        self.ticket += 1;
        let ticket = self.ticket;
        self.world.handle(Input::Http { ticket, request });
        self.carry_out();
        self.request.extend_from_slice(&self.said.activity_task_completed);
        let rest = Completed {
            task_token: task.task_token,
            commands: Vec::new(),
        };
        self.call(WORKER, "RespondActivityTaskCompleted", &rest);
    }

    /// The receiver: verifies the webhook and signals the workflow.
    fn receive(&mut self, request: &http::Request<Bytes>) {
        let signature = request.headers().get("x-awaithumans-signature");
        let signature = signature.and_then(|value| value.to_str().ok());
        self.key.verify(request.body(), signature).expect("our own signature");
        let workflow_id = request.uri().query().and_then(|query| query.strip_prefix("wf="));
        let workflow_id = workflow_id.expect("whose webhook it is");
        self.request.extend_from_slice(&self.said.signal);
        let rest = Signal {
            workflow_execution: Some(WorkflowExecution {
                workflow_id: workflow_id.to_owned(),
                run_id: String::new(),
            }),
            signal_name: format!("awaithumans:temporal:{workflow_id}"),
            input: json(request.body().to_vec()),
            request_id: format!("signal-{workflow_id}"),
        };
        self.call(CLIENT, "SignalWorkflowExecution", &rest);
    }

    /// Calls with what is written of the request, and this.
    fn call(&mut self, connection: u64, method: &str, rest: &impl Message) {
        self.ticket += 1;
        rest.encode(&mut self.request).expect("a vector takes any length");
        self.world.handle(Input::Rpc {
            ticket: self.ticket,
            connection,
            service: SERVICE,
            method,
            request: &self.request,
        });
        self.request.clear();
    }
}

impl Said {
    fn new() -> Self {
        let start = wire::StartWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            workflow_type: Some(WorkflowType {
                name: "approval".to_owned(),
            }),
            task_queue: Some(queue(QUEUE)),
            input: json(
                br#"{"server_url":"http://awaithumans.test","callback_url":"http://receiver.test/callback"}"#.to_vec(),
            ),
            identity: "test".to_owned(),
            ..Default::default()
        };
        let signal = wire::SignalWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            identity: "receiver".to_owned(),
            ..Default::default()
        };
        let workflow_poll = |task_queue| wire::PollWorkflowTaskQueueRequest {
            namespace: NAMESPACE.to_owned(),
            task_queue: Some(task_queue),
            identity: IDENTITY.to_owned(),
            ..Default::default()
        };
        let sticky = TaskQueue {
            normal_name: QUEUE.to_owned(),
            kind: TaskQueueKind::Sticky as i32,
            ..queue(STICKY_QUEUE)
        };
        let activity_poll = wire::PollActivityTaskQueueRequest {
            namespace: NAMESPACE.to_owned(),
            task_queue: Some(queue(QUEUE)),
            identity: IDENTITY.to_owned(),
            ..Default::default()
        };
        let workflow_task_completed = wire::RespondWorkflowTaskCompletedRequest {
            identity: IDENTITY.to_owned(),
            namespace: NAMESPACE.to_owned(),
            sticky_attributes: Some(StickyExecutionAttributes {
                worker_task_queue: Some(queue(STICKY_QUEUE)),
                schedule_to_start_timeout: Some(seconds(10)),
            }),
            ..Default::default()
        };
        let activity_task_completed = wire::RespondActivityTaskCompletedRequest {
            result: json(br#"{"status":"created"}"#.to_vec()),
            identity: IDENTITY.to_owned(),
            namespace: NAMESPACE.to_owned(),
            ..Default::default()
        };
        let commands = |commands| {
            let request = wire::RespondWorkflowTaskCompletedRequest {
                commands,
                ..Default::default()
            };
            request.encode_to_vec()
        };
        Self {
            start: start.encode_to_vec(),
            signal: signal.encode_to_vec(),
            polls: [
                workflow_poll(queue(QUEUE)).encode_to_vec(),
                workflow_poll(sticky).encode_to_vec(),
                activity_poll.encode_to_vec(),
            ],
            workflow_task_completed: workflow_task_completed.encode_to_vec(),
            start_timer: commands(vec![start_timer()]),
            end: commands(vec![cancel_timer(), complete()]),
            activity_task_completed: activity_task_completed.encode_to_vec(),
        }
    }
}

/// The task's id: the first field of the answer. To read all of it is the worker's cost.
fn id(created: &[u8]) -> String {
    let id = created.strip_prefix(br#"{"id":""#).and_then(|rest| rest.get(..32));
    String::from_utf8(id.expect("an id comes first").to_vec()).expect("hexadecimal digits")
}

fn decode<M: Message + Default>(bytes: &[u8]) -> M {
    M::decode(bytes).expect("the answer's own type")
}

fn queue(name: &str) -> TaskQueue {
    TaskQueue {
        name: name.to_owned(),
        ..Default::default()
    }
}

fn json(data: Vec<u8>) -> Option<Payloads> {
    let payload = Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data,
        ..Default::default()
    };
    Some(Payloads {
        payloads: vec![payload],
    })
}

fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

fn command(kind: CommandType, attributes: Attributes) -> command::Command {
    command::Command {
        command_type: kind as i32,
        attributes: Some(attributes),
        ..Default::default()
    }
}

fn create_task(workflow_id: &str) -> command::Command {
    let question = [
        concat!(
            r#"{"task":"Refund $250 to cus_demo?","#,
            r#""payload":{"server_url":"http://awaithumans.test","callback_url":"http://receiver.test/callback"},"#,
            r#""payload_schema":{"type":"object"},"#,
            r#""response_schema":{"type":"object","properties":{"approved":{"type":"boolean"}}},"#,
            r#""timeout_seconds":604800,"idempotency_key":"temporal:"#
        ),
        workflow_id,
        r#"","callback_url":"http://receiver.test/callback?wf="#,
        workflow_id,
        r#""}"#,
    ];
    let attributes = command::ScheduleActivityTaskCommandAttributes {
        activity_id: "1".to_owned(),
        activity_type: Some(ActivityType {
            name: "awaithumans_create_task".to_owned(),
        }),
        task_queue: Some(queue(QUEUE)),
        input: json(question.concat().into_bytes()),
        start_to_close_timeout: Some(seconds(30)),
        ..Default::default()
    };
    command(
        CommandType::ScheduleActivityTask,
        Attributes::ScheduleActivityTaskCommandAttributes(attributes),
    )
}

fn start_timer() -> command::Command {
    let attributes = command::StartTimerCommandAttributes {
        timer_id: "1".to_owned(),
        start_to_fire_timeout: Some(seconds(TIMEOUT_SECONDS)),
    };
    command(
        CommandType::StartTimer,
        Attributes::StartTimerCommandAttributes(attributes),
    )
}

fn cancel_timer() -> command::Command {
    let attributes = command::CancelTimerCommandAttributes {
        timer_id: "1".to_owned(),
    };
    command(
        CommandType::CancelTimer,
        Attributes::CancelTimerCommandAttributes(attributes),
    )
}

fn complete() -> command::Command {
    let attributes = command::CompleteWorkflowExecutionCommandAttributes {
        result: json(b"true".to_vec()),
    };
    command(
        CommandType::CompleteWorkflowExecution,
        Attributes::CompleteWorkflowExecutionCommandAttributes(attributes),
    )
}
