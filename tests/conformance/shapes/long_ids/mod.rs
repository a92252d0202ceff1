//! Every text of every request and of every command, longer than an id may be: which of them the server looks at, and what it says.
//!
//! A plain request is sent first, twice, and its second outcome written down; then, for each place where a text may stand, the same
//! with a long text there. Of those only the outcomes that differ from the plain request's are written down.

mod commands;
mod places;
mod requests;
mod short;
mod usual;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::{Map, Value, json};
use temporalio_common::protos::temporal::api::command::v1::Command;
use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::nexus::v1::endpoint_target::{Variant, Worker};
use temporalio_common::protos::temporal::api::nexus::v1::{EndpointSpec, EndpointTarget};
use temporalio_common::protos::temporal::api::operatorservice::v1::CreateNexusEndpointRequest;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::arm::Answer;
use crate::conformance::stage::{NAMESPACE, OPERATOR, Stage, WORKFLOW};
use crate::conformance::transcript::{Names, pool};

/// How long an answer is waited for that may never come.
const PATIENCE: Duration = Duration::from_secs(2);

/// As long for what the server answers in any case, by workflows of its own if need be.
const LONG_PATIENCE: Duration = Duration::from_secs(60);

const COMMAND: &str = "temporal.api.command.v1.Command";

/// What plain requests name: tasks that are over, and a number for what must be new.
#[derive(Debug, Default)]
struct Fill {
    workflow_task: Vec<u8>,
    activity_task: Vec<u8>,
    number: usize,
}

impl Fill {
    /// The message of a plain request, each time with a new number.
    fn message(&mut self, descriptor: &MessageDescriptor, json: &str) -> DynamicMessage {
        self.number += 1;
        let json = json
            .replace("$workflow_task", &STANDARD.encode(&self.workflow_task))
            .replace("$activity_task", &STANDARD.encode(&self.activity_task))
            .replace('#', &self.number.to_string());
        let mut read = serde_json::Deserializer::from_str(&json);
        match DynamicMessage::deserialize(descriptor.clone(), &mut read) {
            Ok(message) => message,
            Err(error) => panic!("{}: {error}", descriptor.full_name()),
        }
    }
}

/// What came of a call, without what differs from run to run.
fn outcome(answer: Option<Answer>, long: &str) -> Value {
    match answer {
        None => json!("waits"),
        Some(Ok(_)) => json!("ok"),
        Some(Err(refusal)) => {
            let mut refused = Names::default().refusal(&refusal);
            replace(&mut refused, long, "<long>");
            refused
        }
    }
}

/// Names what differs from call to call by what it is.
fn replace(json: &mut Value, found: &str, name: &str) {
    match json {
        Value::String(text) => *text = text.replace(found, name),
        Value::Array(elements) => elements.iter_mut().for_each(|element| replace(element, found, name)),
        Value::Object(fields) => fields.values_mut().for_each(|value| replace(value, found, name)),
        _ => {}
    }
}

/// The long text in every place of one plain request or command.
fn sweep(
    (descriptor, json): (&MessageDescriptor, &str),
    fill: &mut Fill,
    long: &str,
    mut send: impl FnMut(&DynamicMessage, &Fill) -> Value,
) -> Value {
    let plain = fill.message(descriptor, json);
    send(&plain, fill);
    let plain = fill.message(descriptor, json);
    let usual = send(&plain, fill);
    let mut differs = Map::new();
    // A command of another kind has a turn of its own.
    let is_command = descriptor.full_name() == COMMAND;
    let places = places::places(&plain).into_iter();
    for place in places.filter(|place| !is_command || !place.excludes(&plain)) {
        let mut message = fill.message(descriptor, json);
        place.put(&mut message, long);
        let came = send(&message, fill);
        if came != usual {
            differs.insert(place.to_string(), came);
        }
    }
    json!({"plain": usual, "long": differs})
}

/// Every request of the table with texts of this length.
fn in_requests(stage: &mut Stage<'_>, length: usize) {
    let long = "x".repeat(length);
    stage.spare_invariants();
    let mut fill = begin(stage);
    for (service, table) in requests::ALL {
        let service: &'static str = service;
        let Some(descriptor) = pool().get_service_by_name(service) else {
            panic!("there is no {service}");
        };
        for method in descriptor.methods() {
            let Some((name, json)) = table.iter().find(|(name, _)| *name == method.name()) else {
                assert!(
                    requests::LEFT_OUT.contains(&method.name()),
                    "{} isn't in the table",
                    method.name()
                );
                continue;
            };
            let patience = match requests::WAITING.contains(name) {
                true => PATIENCE,
                false => LONG_PATIENCE,
            };
            let swept = sweep((&method.input(), json), &mut fill, &long, |message, _| {
                outcome(stage.ask((service, name), message.encode_to_vec(), patience), &long)
            });
            stage.note(json!({"call": name, "outcomes": swept}));
        }
    }
}

/// A workflow whose tasks are over, and which waits for nothing.
fn begin(stage: &mut Stage<'_>) -> Fill {
    let queue = Some(TaskQueue {
        name: "target".to_owned(),
        kind: 1,
        ..Default::default()
    });
    let mut request = stage.starting("target");
    "target".clone_into(&mut request.workflow_id);
    request.task_queue.clone_from(&queue);
    stage.start_as(&request);
    let mut polling = stage.polling();
    polling.task_queue.clone_from(&queue);
    let task: wire::PollWorkflowTaskQueueResponse = stage.look("PollWorkflowTaskQueue", &polling).unwrap_or_default();
    stage.settle(&task, vec![commands::activity_on("target")]);
    let request = wire::PollActivityTaskQueueRequest {
        task_queue: queue,
        namespace: NAMESPACE.to_owned(),
        ..Default::default()
    };
    let activity: wire::PollActivityTaskQueueResponse =
        stage.look("PollActivityTaskQueue", &request).unwrap_or_default();
    let done = wire::RespondActivityTaskCompletedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: activity.task_token.clone(),
        ..Default::default()
    };
    stage.look::<wire::RespondActivityTaskCompletedResponse>("RespondActivityTaskCompleted", &done);
    let task: wire::PollWorkflowTaskQueueResponse = stage.look("PollWorkflowTaskQueue", &polling).unwrap_or_default();
    stage.settle(&task, vec![]);
    Fill {
        workflow_task: task.task_token,
        activity_task: activity.task_token,
        number: 0,
    }
}

/// Every command of the table with texts of this length, each by a workflow of its own.
fn in_commands(stage: &mut Stage<'_>, length: usize) {
    let long = "x".repeat(length);
    stage.spare_invariants();
    let mut fill = Fill::default();
    let Some(descriptor) = pool().get_message_by_name(COMMAND) else {
        panic!("there is no command");
    };
    let endpoint = CreateNexusEndpointRequest {
        spec: Some(EndpointSpec {
            name: "there".to_owned(),
            target: Some(EndpointTarget {
                variant: Some(Variant::Worker(Worker {
                    namespace: NAMESPACE.to_owned(),
                    task_queue: "elsewhere".to_owned(),
                })),
            }),
            ..Default::default()
        }),
    };
    stage.ask(
        (OPERATOR, "CreateNexusEndpoint"),
        endpoint.encode_to_vec(),
        LONG_PATIENCE,
    );
    // Until all of the server knows of it.
    stage.pass(2);
    for (name, json) in commands::ALL {
        let swept = sweep((&descriptor, json), &mut fill, &long, |command, fill| {
            carry_out(stage, command, fill.number, &long)
        });
        stage.note(json!({"command": name, "outcomes": swept}));
    }
}

/// What comes of one command: what its worker hears, and how the task failed.
fn carry_out(stage: &mut Stage<'_>, command: &DynamicMessage, number: usize, long: &str) -> Value {
    let queue = Some(TaskQueue {
        name: format!("queue-{number}"),
        kind: 1,
        ..Default::default()
    });
    let start = wire::StartWorkflowExecutionRequest {
        workflow_id: format!("command-{number}"),
        task_queue: queue.clone(),
        ..stage.starting("command")
    };
    let started: wire::StartWorkflowExecutionResponse =
        stage.look("StartWorkflowExecution", &start).unwrap_or_default();
    let execution = WorkflowExecution {
        workflow_id: start.workflow_id,
        run_id: started.run_id,
    };
    let polling = wire::PollWorkflowTaskQueueRequest {
        task_queue: queue,
        ..stage.polling()
    };
    let task: wire::PollWorkflowTaskQueueResponse = stage.look("PollWorkflowTaskQueue", &polling).unwrap_or_default();
    let command = Command::decode(&*command.encode_to_vec()).expect("the table has commands");
    let request = stage.answering(&task, vec![command]).encode_to_vec();
    let answer = stage.ask((WORKFLOW, "RespondWorkflowTaskCompleted"), request, LONG_PATIENCE);
    let mut came = json!({"worker": outcome(answer, long)});
    if let Some(failure) = last_failure(stage, &execution) {
        came["failure"] = json!(failure.replace(long, "<long>"));
    }
    replace(&mut came, &format!("child-{number}"), "child-#");
    let request = wire::TerminateWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution: Some(execution),
        ..Default::default()
    };
    // Unless the command has ended it.
    stage.ask(
        (WORKFLOW, "TerminateWorkflowExecution"),
        request.encode_to_vec(),
        LONG_PATIENCE,
    );
    came
}

/// Why a workflow's task failed, if it did.
fn last_failure(stage: &mut Stage<'_>, execution: &WorkflowExecution) -> Option<String> {
    let request = wire::GetWorkflowExecutionHistoryRequest {
        namespace: NAMESPACE.to_owned(),
        execution: Some(execution.clone()),
        ..Default::default()
    };
    let answer: wire::GetWorkflowExecutionHistoryResponse = stage.look("GetWorkflowExecutionHistory", &request)?;
    let events = answer.history.unwrap_or_default().events;
    events.into_iter().rev().find_map(|event| match event.attributes {
        Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) => {
            let message = failed.failure.as_ref().map_or("", |failure| &failure.message);
            Some(format!("{}: {message}", failed.cause().as_str_name()))
        }
        _ => None,
    })
}
