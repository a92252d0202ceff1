//! Workers that answer the tasks they were given: mostly as they should, sometimes not.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};
use temporalio_common::protos::temporal::api::command::v1::command::Attributes;
use temporalio_common::protos::temporal::api::command::v1::{Command, ProtocolMessageCommandAttributes};
use temporalio_common::protos::temporal::api::enums::v1::{CommandType, QueryResultType};
use temporalio_common::protos::temporal::api::protocol::v1::Message;
use temporalio_common::protos::temporal::api::query::v1::WorkflowQueryResult;
use temporalio_common::protos::temporal::api::update::v1 as update;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::request::Maker;
use super::{WORKFLOW, find};

/// A task in a worker's hands.
#[derive(Debug)]
pub(super) enum Task {
    Workflow(Box<wire::PollWorkflowTaskQueueResponse>),
    Query(Vec<u8>),
    Activity(Vec<u8>),
    Nexus(Vec<u8>),
}

impl Task {
    /// What the answer to a poll brings.
    pub(super) fn of(method: &str, answer: DynamicMessage) -> Option<Self> {
        let token = answer.get_field_by_name("task_token")?.as_bytes()?.to_vec();
        if token.is_empty() {
            return None;
        }
        match method {
            "PollWorkflowTaskQueue" => {
                let task: wire::PollWorkflowTaskQueueResponse = answer.transcode_to().ok()?;
                Some(match task.query.is_some() {
                    true => Self::Query(token),
                    false => Self::Workflow(Box::new(task)),
                })
            }
            "PollActivityTaskQueue" => Some(Self::Activity(token)),
            "PollNexusTaskQueue" => Some(Self::Nexus(token)),
            _ => None,
        }
    }
}

/// The RPC and the request by which a worker answers a task.
pub(super) fn answer(task: &Task, maker: &mut Maker<'_>) -> (&'static str, DynamicMessage) {
    match task {
        Task::Workflow(task) if maker.dice.percent(88) => ("RespondWorkflowTaskCompleted", complete(task, maker)),
        Task::Workflow(task) => with_token("RespondWorkflowTaskFailed", &task.task_token, maker),
        Task::Query(token) => with_token("RespondQueryTaskCompleted", token, maker),
        Task::Nexus(token) => {
            let method = maker.dice.pick(&[
                "RespondNexusTaskCompleted",
                "RespondNexusTaskCompleted",
                "RespondNexusTaskFailed",
            ]);
            with_token(method, token, maker)
        }
        Task::Activity(token) => {
            let method = maker.dice.pick(&[
                "RespondActivityTaskCompleted",
                "RespondActivityTaskFailed",
                "RespondActivityTaskFailed",
                "RespondActivityTaskCanceled",
                "RecordActivityTaskHeartbeat",
            ]);
            with_token(method, token, maker)
        }
    }
}

fn with_token(method: &'static str, token: &[u8], maker: &mut Maker<'_>) -> (&'static str, DynamicMessage) {
    let mut request = maker.message(&find(WORKFLOW, method).input());
    request.set_field_by_name("task_token", Value::Bytes(token.to_vec().into()));
    (method, request)
}

/// Random commands, and answers to the updates and queries that came along.
fn complete(task: &wire::PollWorkflowTaskQueueResponse, maker: &mut Maker<'_>) -> DynamicMessage {
    let (_, random) = with_token("RespondWorkflowTaskCompleted", &task.task_token, maker);
    let descriptor = random.descriptor();
    let mut request: wire::RespondWorkflowTaskCompletedRequest = random.transcode_to().expect("it is one");
    if maker.plain {
        request.messages.clear();
        request
            .commands
            .retain(|command| command.command_type() != CommandType::ProtocolMessage);
    }
    for message in &task.messages {
        if maker.dice.percent(85) {
            answer_update(message, &mut request, maker);
        }
    }
    for (id, _) in BTreeMap::from_iter(&task.queries) {
        if maker.dice.percent(85) {
            let result = WorkflowQueryResult {
                result_type: maker.dice.pick(&[QueryResultType::Answered, QueryResultType::Failed]) as i32,
                ..Default::default()
            };
            request.query_results.insert(id.clone(), result);
        }
    }
    DynamicMessage::decode(descriptor, request.encode_to_vec().as_slice()).expect("it is one still")
}

fn answer_update(message: &Message, request: &mut wire::RespondWorkflowTaskCompletedRequest, maker: &mut Maker<'_>) {
    let asked = message
        .body
        .as_ref()
        .and_then(|body| update::Request::decode(body.value.as_slice()).ok());
    let instance = message.protocol_instance_id.clone();
    let mut say = |kind: &str, body: Vec<u8>| {
        let id = format!("{instance}/{kind}");
        request.messages.push(Message {
            id: id.clone(),
            protocol_instance_id: instance.clone(),
            body: Some(prost_types::Any {
                type_url: format!("type.googleapis.com/temporal.api.update.v1.{kind}"),
                value: body,
            }),
            ..Default::default()
        });
        request.commands.insert(
            0,
            Command {
                command_type: CommandType::ProtocolMessage as i32,
                attributes: Some(Attributes::ProtocolMessageCommandAttributes(
                    ProtocolMessageCommandAttributes { message_id: id },
                )),
                ..Default::default()
            },
        );
    };
    if maker.dice.percent(25) {
        let rejection = update::Rejection {
            rejected_request_message_id: message.id.clone(),
            rejected_request: asked,
            failure: Some(Default::default()),
            ..Default::default()
        };
        say("Rejection", rejection.encode_to_vec());
        return;
    }
    let done = maker.dice.percent(60).then(|| update::Response {
        meta: asked.as_ref().and_then(|asked| asked.meta.clone()),
        outcome: Some(update::Outcome {
            value: Some(update::outcome::Value::Success(Default::default())),
        }),
    });
    let acceptance = update::Acceptance {
        accepted_request_message_id: message.id.clone(),
        accepted_request_sequencing_event_id: 1,
        accepted_request: asked,
    };
    // The commands are put in front, so what comes last is said first.
    if let Some(done) = done {
        say("Response", done.encode_to_vec());
    }
    say("Acceptance", acceptance.encode_to_vec());
}
