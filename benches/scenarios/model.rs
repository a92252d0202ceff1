//! The same scenario without a worker: what the SDK's worker would send is sent by hand, call for call, so that what is left is the
//! harness.

use std::collections::VecDeque;
use std::time::Duration;

use awaithumans_temporal::PayloadKey;
use awaithumans_testkit::human::{Config, DeliveryOutcome};
use awaithumans_testkit::{HandOut, Input, Output, World};
use bytes::Bytes;
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
    ticket: u64,
    started: u64,
    completed: u64,
    /// Polls that the worker has out, by their tickets: workflow tasks, those of its own queue, activities.
    polls: [u64; 3],
    answers: VecDeque<(u64, Vec<u8>)>,
    /// The task that nobody has answered yet.
    asked: Option<String>,
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
            ticket: 0,
            started: 0,
            completed: 0,
            polls: [0; 3],
            answers: VecDeque::new(),
            asked: None,
        };
        for kind in [WORKFLOW, STICKY, ACTIVITY] {
            model.poll(kind);
        }
        model
    }

    /// A workflow is started, asks, waits an hour, and goes on; so often.
    pub(crate) fn play(&mut self, scenarios: u64) {
        for _ in 0..scenarios {
            self.started += 1;
            self.start();
            while self.completed < self.started {
                self.carry_out();
                if self.take_answer() || self.world.hand_out_next() {
                    continue;
                }
                if let Some(task_id) = self.asked.take() {
                    self.answer(&task_id);
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
    fn answer(&mut self, task_id: &str) {
        let when = self.world.now() + Duration::from_secs(3_600);
        while self.world.handle_timeout(when) {}
        self.world.set_time(when);
        let (human, now, journal) = self.world.human_mut();
        let answer = serde_json::json!({"approved": true});
        let answered = human.complete(now, journal, task_id, answer.into(), "dana@example.com");
        answered.expect("the task is open");
    }

    fn start(&mut self) {
        let number = self.started;
        let request = wire::StartWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            workflow_id: format!("approval-{number}"),
            workflow_type: Some(WorkflowType {
                name: "approval".to_owned(),
            }),
            task_queue: Some(queue(QUEUE)),
            input: json(
                r#"{"server_url":"http://awaithumans.test","callback_url":"http://receiver.test/callback"}"#.to_owned(),
            ),
            request_id: format!("request-{number}"),
            identity: "test".to_owned(),
            ..Default::default()
        };
        self.call(CLIENT, "StartWorkflowExecution", &request);
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
                    self.asked = Some(id(response.body()));
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
            ACTIVITY => self.create_task(&decode(&answer)),
            _ => self.work(&decode(&answer)),
        }
        true
    }

    fn poll(&mut self, kind: usize) {
        self.polls[kind] = self.ticket + 1;
        if kind == ACTIVITY {
            let request = wire::PollActivityTaskQueueRequest {
                namespace: NAMESPACE.to_owned(),
                task_queue: Some(queue(QUEUE)),
                identity: IDENTITY.to_owned(),
                ..Default::default()
            };
            return self.call(WORKER, "PollActivityTaskQueue", &request);
        }
        let task_queue = match kind {
            STICKY => TaskQueue {
                normal_name: QUEUE.to_owned(),
                kind: TaskQueueKind::Sticky as i32,
                ..queue(STICKY_QUEUE)
            },
            _ => queue(QUEUE),
        };
        let request = wire::PollWorkflowTaskQueueRequest {
            namespace: NAMESPACE.to_owned(),
            task_queue: Some(task_queue),
            identity: IDENTITY.to_owned(),
            ..Default::default()
        };
        self.call(WORKER, "PollWorkflowTaskQueue", &request);
    }

    /// The workflow's code: create the task, wait with a timer as a safety net, and end with the answer.
    fn work(&mut self, task: &WorkflowTask) {
        let execution = task.workflow_execution.as_ref().expect("whose task it is");
        let commands = match task.started_event_id {
            3 => vec![create_task(&execution.workflow_id)],
            9 => vec![start_timer()],
            _ => {
                self.completed += 1;
                vec![cancel_timer(), complete()]
            }
        };
        let request = wire::RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token.clone(),
            commands,
            identity: IDENTITY.to_owned(),
            namespace: NAMESPACE.to_owned(),
            sticky_attributes: Some(StickyExecutionAttributes {
                worker_task_queue: Some(queue(STICKY_QUEUE)),
                schedule_to_start_timeout: Some(seconds(10)),
            }),
            ..Default::default()
        };
        self.call(WORKER, "RespondWorkflowTaskCompleted", &request);
    }

    /// The activity: a request to awaithumans.
    fn create_task(&mut self, task: &ActivityTask) {
        let input = task.input.as_ref().and_then(|input| input.payloads.first());
        let body = input.expect("the question").data.clone();
        let request = http::Request::post("/api/tasks")
            .header("authorization", "Bearer testkit-admin-token")
            .header("content-type", "application/json")
            .body(Bytes::from(body))
            .expect("a request");
        self.ticket += 1;
        let ticket = self.ticket;
        self.world.handle(Input::Http { ticket, request });
        self.carry_out();
        let request = wire::RespondActivityTaskCompletedRequest {
            task_token: task.task_token.clone(),
            result: json(r#"{"status":"created"}"#.to_owned()),
            identity: IDENTITY.to_owned(),
            namespace: NAMESPACE.to_owned(),
            ..Default::default()
        };
        self.call(WORKER, "RespondActivityTaskCompleted", &request);
    }

    /// The receiver: verifies the webhook and signals the workflow.
    fn receive(&mut self, request: &http::Request<Bytes>) {
        let signature = request.headers().get("x-awaithumans-signature");
        let signature = signature.and_then(|value| value.to_str().ok());
        self.key.verify(request.body(), signature).expect("our own signature");
        let workflow_id = request.uri().query().and_then(|query| query.strip_prefix("wf="));
        let workflow_id = workflow_id.expect("whose webhook it is");
        let signal = wire::SignalWorkflowExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: workflow_id.to_owned(),
                run_id: String::new(),
            }),
            signal_name: format!("awaithumans:temporal:{workflow_id}"),
            input: json(String::from_utf8(request.body().to_vec()).expect("JSON")),
            identity: "receiver".to_owned(),
            request_id: format!("signal-{workflow_id}"),
            ..Default::default()
        };
        self.call(CLIENT, "SignalWorkflowExecution", &signal);
    }

    fn call(&mut self, connection: u64, method: &str, request: &impl Message) {
        self.ticket += 1;
        self.world.handle(Input::Rpc {
            ticket: self.ticket,
            connection,
            service: SERVICE,
            method,
            request: &request.encode_to_vec(),
        });
    }
}

fn id(created: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Created {
        id: String,
    }
    let created: Created = serde_json::from_slice(created).expect("JSON with an id");
    created.id
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

fn json(text: String) -> Option<Payloads> {
    let payload = Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: text.into_bytes(),
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
    let question = serde_json::json!({
        "task": "Refund $250 to cus_demo?",
        "payload": {"server_url": "http://awaithumans.test", "callback_url": "http://receiver.test/callback"},
        "payload_schema": {"type": "object"},
        "response_schema": {"type": "object", "properties": {"approved": {"type": "boolean"}}},
        "timeout_seconds": TIMEOUT_SECONDS,
        "idempotency_key": format!("temporal:{workflow_id}"),
        "callback_url": format!("http://receiver.test/callback?wf={workflow_id}"),
    });
    let attributes = command::ScheduleActivityTaskCommandAttributes {
        activity_id: "1".to_owned(),
        activity_type: Some(ActivityType {
            name: "awaithumans_create_task".to_owned(),
        }),
        task_queue: Some(queue(QUEUE)),
        input: json(question.to_string()),
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
        result: json("true".to_owned()),
    };
    command(
        CommandType::CompleteWorkflowExecution,
        Attributes::CompleteWorkflowExecutionCommandAttributes(attributes),
    )
}
