//! From the wire's commands and messages to [`Command`]s. What can be refused without the run is refused here.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message as _;
use temporalio_protos::temporal::api::command::v1 as wire;
use temporalio_protos::temporal::api::command::v1::command::Attributes as A;
use temporalio_protos::temporal::api::enums::v1::WorkflowTaskFailedCause as Cause;
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::protocol::v1::Message;
use temporalio_protos::temporal::api::update::v1 as update;

use super::{BadCommand, Close, Command, nexus};
use crate::clock::Timestamp;
use crate::temporal::cron;
use crate::temporal::machine::activity;
use crate::temporal::nexus::Endpoints;
use crate::temporal::proto::duration;
use crate::temporal::retry;
use crate::temporal::versioning::Override;

/// The longest id, type name or queue name (dynamic config `limit.maxIDLength`).
pub(crate) const MAX_ID_LENGTH: usize = 1_000;

/// Parses a batch in the order in which it takes effect: the commands, then messages that no command names.
pub(crate) fn parse(
    commands: Vec<wire::Command>,
    messages: Vec<Message>,
    run_timeout: Duration,
    endpoints: &Endpoints,
) -> Result<Vec<Command>, BadCommand> {
    let mut order: Vec<String> = Vec::new();
    let mut messages: BTreeMap<String, Message> = messages
        .into_iter()
        .inspect(|message| order.push(message.id.clone()))
        .map(|message| (message.id.clone(), message))
        .collect();
    let mut parsed = Vec::with_capacity(commands.len());
    for command in commands {
        parsed.push(parse_one(command, &mut messages, run_timeout, endpoints)?);
    }
    for id in order {
        if let Some(message) = messages.remove(&id) {
            parsed.push(parse_message(message)?);
        }
    }
    Ok(parsed)
}

fn parse_one(
    command: wire::Command,
    messages: &mut BTreeMap<String, Message>,
    run_timeout: Duration,
    endpoints: &Endpoints,
) -> Result<Command, BadCommand> {
    let type_name = command.command_type().as_str_name();
    let user_metadata = command.user_metadata;
    let Some(attributes) = command.attributes else {
        return Err(BadCommand::new(
            Cause::Unspecified,
            format!("attributes are not set on {type_name}"),
        ));
    };
    Ok(match attributes {
        A::ScheduleActivityTaskCommandAttributes(a) => {
            Command::ScheduleActivity(Box::new(schedule_activity(a, run_timeout)?), user_metadata)
        }
        A::RequestCancelActivityTaskCommandAttributes(a) => Command::RequestCancelActivity {
            scheduled_event_id: a.scheduled_event_id,
        },
        A::StartTimerCommandAttributes(a) => start_timer(a, user_metadata)?,
        A::CancelTimerCommandAttributes(a) => Command::CancelTimer {
            timer_id: required(
                a.timer_id,
                Cause::BadCancelTimerAttributes,
                "TimerId is not set on CancelTimerCommand.",
            )?,
        },
        A::RecordMarkerCommandAttributes(a) => record_marker(a)?,
        A::StartChildWorkflowExecutionCommandAttributes(a) => {
            Command::StartChild(Box::new(start_child(a)?), user_metadata)
        }
        A::SignalExternalWorkflowExecutionCommandAttributes(a) => signal_external(a)?,
        A::RequestCancelExternalWorkflowExecutionCommandAttributes(a) => cancel_external(a)?,
        A::UpsertWorkflowSearchAttributesCommandAttributes(a) => {
            let attributes = a.search_attributes.unwrap_or_default();
            if attributes.indexed_fields.is_empty() {
                return Err(BadCommand::new(
                    Cause::BadSearchAttributes,
                    "IndexedFields is not set on UpsertWorkflowSearchAttributesCommand.",
                ));
            }
            Command::UpsertSearchAttributes(attributes)
        }
        A::ModifyWorkflowPropertiesCommandAttributes(a) => {
            let memo = a.upserted_memo.unwrap_or_default();
            if memo.fields.is_empty() {
                return Err(BadCommand::new(
                    Cause::BadModifyWorkflowPropertiesAttributes,
                    "UpsertedMemo.Fields is not set on ModifyWorkflowPropertiesCommand.",
                ));
            }
            Command::ModifyMemo(memo)
        }
        A::ProtocolMessageCommandAttributes(a) => match messages.remove(&a.message_id) {
            Some(message) => parse_message(message)?,
            None => {
                return Err(BadCommand::new(
                    Cause::BadUpdateWorkflowExecutionMessage,
                    format!("ProtocolMessageCommand referenced absent message ID {}", a.message_id),
                ));
            }
        },
        A::CompleteWorkflowExecutionCommandAttributes(a) => Command::Close(Close::Complete(a.result)),
        A::FailWorkflowExecutionCommandAttributes(a) => match a.failure {
            Some(failure) => Command::Close(Close::Fail(failure)),
            None => {
                return Err(BadCommand::new(
                    Cause::BadFailWorkflowExecutionAttributes,
                    "Failure is not set on FailWorkflowExecutionCommand.",
                ));
            }
        },
        A::CancelWorkflowExecutionCommandAttributes(a) => Command::Close(Close::Cancel(a.details)),
        A::ContinueAsNewWorkflowExecutionCommandAttributes(a) => {
            cron::validate(&a.cron_schedule, Timestamp::default())
                .map_err(|reject| BadCommand::new(Cause::BadContinueAsNewAttributes, reject.message()))?;
            Command::Close(Close::ContinueAsNew(Box::new(a)))
        }
        A::ScheduleNexusOperationCommandAttributes(a) => Command::ScheduleNexusOperation(
            Box::new(nexus::schedule_operation(a, run_timeout, endpoints)?),
            user_metadata,
        ),
        A::RequestCancelNexusOperationCommandAttributes(a) => Command::CancelNexusOperation {
            scheduled_event_id: a.scheduled_event_id,
            user_metadata,
        },
    })
}

fn schedule_activity(
    command: wire::ScheduleActivityTaskCommandAttributes,
    run_timeout: Duration,
) -> Result<history::ActivityTaskScheduledEventAttributes, BadCommand> {
    let bad = |why: String| BadCommand::new(Cause::BadScheduleActivityAttributes, why);
    let type_name = command
        .activity_type
        .as_ref()
        .map(|it| it.name.as_str())
        .unwrap_or_default();
    if command.activity_id.is_empty() {
        return Err(bad(format!(
            "ActivityId is not set on ScheduleActivityTaskCommand. ActivityType={type_name}"
        )));
    }
    if type_name.is_empty() {
        return Err(bad(format!(
            "ActivityType is not set on ScheduleActivityTaskCommand. ActivityID={}",
            command.activity_id
        )));
    }
    if command.activity_id.len() > MAX_ID_LENGTH || type_name.len() > MAX_ID_LENGTH {
        return Err(bad(format!(
            "ActivityId or ActivityType on ScheduleActivityTaskCommand exceeds length limit. Limit={MAX_ID_LENGTH}"
        )));
    }
    if let Some(policy) = &command.retry_policy {
        retry::validate(policy).map_err(|reject| bad(reject.message()))?;
    }
    let attributes = history::ActivityTaskScheduledEventAttributes {
        activity_id: command.activity_id,
        activity_type: command.activity_type,
        task_queue: command.task_queue.map(|mut queue| {
            queue.kind = temporalio_protos::temporal::api::enums::v1::TaskQueueKind::Normal as i32;
            queue
        }),
        header: command.header,
        input: command.input,
        schedule_to_close_timeout: command.schedule_to_close_timeout,
        schedule_to_start_timeout: command.schedule_to_start_timeout,
        start_to_close_timeout: command.start_to_close_timeout,
        heartbeat_timeout: command.heartbeat_timeout,
        retry_policy: command.retry_policy,
        priority: command.priority,
        #[allow(deprecated)]
        use_workflow_build_id: command.use_workflow_build_id,
        ..Default::default()
    };
    activity::with_defaults(attributes, run_timeout).map_err(bad)
}

fn start_timer(
    command: wire::StartTimerCommandAttributes,
    user_metadata: Option<temporalio_protos::temporal::api::sdk::v1::UserMetadata>,
) -> Result<Command, BadCommand> {
    let timer_id = required(
        command.timer_id,
        Cause::BadStartTimerAttributes,
        "TimerId is not set on StartTimerCommand.",
    )?;
    match duration(command.start_to_fire_timeout.as_ref()) {
        Some(duration) => Ok(Command::StartTimer {
            timer_id,
            duration,
            user_metadata,
        }),
        None => Err(BadCommand::new(
            Cause::BadStartTimerAttributes,
            format!("An invalid StartToFireTimeout is set on StartTimerCommand. TimerId={timer_id}"),
        )),
    }
}

fn record_marker(command: wire::RecordMarkerCommandAttributes) -> Result<Command, BadCommand> {
    if command.marker_name.is_empty() {
        return Err(BadCommand::new(
            Cause::BadRecordMarkerAttributes,
            "MarkerName is not set on RecordMarkerCommand.",
        ));
    }
    Ok(Command::RecordMarker(Box::new(command)))
}

fn start_child(
    command: wire::StartChildWorkflowExecutionCommandAttributes,
) -> Result<wire::StartChildWorkflowExecutionCommandAttributes, BadCommand> {
    let bad = |why: String| BadCommand::new(Cause::BadStartChildExecutionAttributes, why);
    let type_name = command
        .workflow_type
        .as_ref()
        .map(|it| it.name.as_str())
        .unwrap_or_default();
    if command.workflow_id.is_empty() {
        return Err(bad(format!(
            "Required field WorkflowId is not set on StartChildWorkflowExecutionCommand. WorkflowType={type_name}"
        )));
    }
    if type_name.is_empty() {
        return Err(bad(format!(
            "Required field WorkflowType is not set on StartChildWorkflowExecutionCommand. WorkflowId={}",
            command.workflow_id
        )));
    }
    if command.workflow_id.len() > MAX_ID_LENGTH || type_name.len() > MAX_ID_LENGTH {
        return Err(bad(format!(
            "WorkflowId or WorkflowType on StartChildWorkflowExecutionCommand exceeds length limit. Limit={MAX_ID_LENGTH}"
        )));
    }
    if let Some(policy) = &command.retry_policy {
        retry::validate(policy).map_err(|reject| bad(reject.message()))?;
    }
    Override::parse(command.versioning_override.as_ref()).map_err(|reject| bad(reject.message()))?;
    cron::validate(&command.cron_schedule, Timestamp::default()).map_err(|reject| bad(reject.message()))?;
    Ok(command)
}

fn signal_external(command: wire::SignalExternalWorkflowExecutionCommandAttributes) -> Result<Command, BadCommand> {
    let bad = |why: &str| Err(BadCommand::new(Cause::BadSignalWorkflowExecutionAttributes, why));
    let Some(execution) = &command.execution else {
        return bad("Execution is not set on SignalExternalWorkflowExecutionCommand.");
    };
    if execution.workflow_id.is_empty() {
        return bad("WorkflowId is not set on SignalExternalWorkflowExecutionCommand.");
    }
    if command.signal_name.is_empty() {
        return bad("SignalName is not set on SignalExternalWorkflowExecutionCommand.");
    }
    Ok(Command::SignalExternal(Box::new(command)))
}

fn cancel_external(
    command: wire::RequestCancelExternalWorkflowExecutionCommandAttributes,
) -> Result<Command, BadCommand> {
    if command.workflow_id.is_empty() {
        return Err(BadCommand::new(
            Cause::BadRequestCancelExternalWorkflowExecutionAttributes,
            "WorkflowId is not set on RequestCancelExternalWorkflowExecutionCommand.",
        ));
    }
    Ok(Command::CancelExternal(Box::new(command)))
}

fn parse_message(message: Message) -> Result<Command, BadCommand> {
    let bad = |why: String| BadCommand::new(Cause::BadUpdateWorkflowExecutionMessage, why);
    let Some(body) = message.body else {
        return Err(bad(format!("message {} has no body", message.id)));
    };
    let update_id = message.protocol_instance_id;
    let type_name = body.type_url.rsplit('/').next().unwrap_or_default();
    let undecodable = |error: prost::DecodeError| bad(format!("message {}: {error}", message.id));
    match type_name {
        "temporal.api.update.v1.Acceptance" => update::Acceptance::decode(body.value.as_slice())
            .map(|it| Command::AcceptUpdate(update_id, Box::new(it)))
            .map_err(undecodable),
        "temporal.api.update.v1.Rejection" => update::Rejection::decode(body.value.as_slice())
            .map(|it| Command::RejectUpdate(update_id, Box::new(it)))
            .map_err(undecodable),
        "temporal.api.update.v1.Response" => update::Response::decode(body.value.as_slice())
            .map(|it| Command::CompleteUpdate(update_id, Box::new(it)))
            .map_err(undecodable),
        other => Err(bad(format!("unsupported protocol type {other}"))),
    }
}

fn required(value: String, cause: Cause, why: &str) -> Result<String, BadCommand> {
    match value.is_empty() {
        true => Err(BadCommand::new(cause, why)),
        false => Ok(value),
    }
}
