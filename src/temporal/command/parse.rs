//! From the wire's commands and messages to [`Command`]s. What can be refused without the run is refused here.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message as _;
use temporalio_protos::temporal::api::activity::v1::ActivityOptions;
use temporalio_protos::temporal::api::command::v1 as wire;
use temporalio_protos::temporal::api::command::v1::command::Attributes as A;
use temporalio_protos::temporal::api::enums::v1::WorkflowTaskFailedCause as Cause;
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::protocol::v1::Message;
use temporalio_protos::temporal::api::update::v1 as update;

use super::{Annotated, Annotation, BadCommand, Close, Command, ScheduleActivity, nexus, size};
use crate::clock::Timestamp;
use crate::temporal::activity_options::OfWorkflow;
use crate::temporal::config::DynamicConfig;
use crate::temporal::engine::{Namespaces, is_uuid};
use crate::temporal::nexus::Endpoints;
use crate::temporal::proto::{duration, is_negative};
use crate::temporal::reject::Reject;
use crate::temporal::retry;
use crate::temporal::versioning::Override;
use crate::temporal::{activity_options, cron, priority, queue_name};

/// What a run's own options mean for its commands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits<'a> {
    /// Zero if there is none.
    pub(crate) run_timeout: Duration,
    pub(crate) task_queue: &'a str,
    pub(crate) namespace: &'a str,
    /// The settings in force.
    pub(crate) config: &'a DynamicConfig,
}

/// The longest duration that a command may ask for: a hundred years of 365 days.
const MAX_DURATION: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Parses a batch in the order in which it takes effect: the commands, then messages that no command names.
pub(crate) fn parse(
    mut commands: Vec<wire::Command>,
    messages: Vec<Message>,
    limits: &Limits<'_>,
    endpoints: &Endpoints,
) -> Result<Vec<Annotated>, BadCommand> {
    let mut order: Vec<String> = Vec::new();
    let mut messages: BTreeMap<String, Message> = messages
        .into_iter()
        .inspect(|message| order.push(message.id.clone()))
        .map(|message| (message.id.clone(), message))
        .collect();
    let mut parsed = Vec::with_capacity(commands.len());
    for command in &mut commands {
        let annotation = annotation(command);
        let command = parse_one(command, &mut messages, limits, endpoints)?;
        parsed.push(Annotated { command, annotation });
    }
    for id in order {
        if let Some(message) = messages.remove(&id) {
            parsed.push(Annotated {
                command: parse_message(message, limits.config)?,
                annotation: Annotation::default(),
            });
        }
    }
    Ok(parsed)
}

/// Refuses an answer that names a namespace which isn't there. That is no fault of the workflow: its task doesn't fail.
#[expect(deprecated, reason = "older clients may still name another namespace")]
pub(crate) fn check_namespaces(commands: &[wire::Command], namespaces: &Namespaces) -> Result<(), Reject> {
    for command in commands {
        let named = match &command.attributes {
            Some(A::StartChildWorkflowExecutionCommandAttributes(a)) => &a.namespace,
            Some(A::SignalExternalWorkflowExecutionCommandAttributes(a)) => &a.namespace,
            Some(A::RequestCancelExternalWorkflowExecutionCommandAttributes(a)) => &a.namespace,
            _ => continue,
        };
        if !named.is_empty() && namespaces.get(named).is_none() {
            return Err(Reject::NamespaceNotFound(named.clone()));
        }
    }
    Ok(())
}

/// What the command's event carries. The events of updates are the messages' own and carry nothing.
fn annotation(command: &mut wire::Command) -> Annotation {
    if matches!(command.attributes, Some(A::ProtocolMessageCommandAttributes(_))) {
        return Annotation::default();
    }
    Annotation {
        user_metadata: command.user_metadata.take(),
        event_group_markers: std::mem::take(&mut command.event_group_markers),
    }
}

fn parse_one(
    command: &mut wire::Command,
    messages: &mut BTreeMap<String, Message>,
    limits: &Limits<'_>,
    endpoints: &Endpoints,
) -> Result<Command, BadCommand> {
    let Some(attributes) = command.attributes.take() else {
        let type_name = command.command_type().as_str_name();
        return Err(BadCommand::new(
            Cause::Unspecified,
            format!("attributes are not set on {type_name}"),
        ));
    };
    Ok(match attributes {
        A::ScheduleActivityTaskCommandAttributes(a) => {
            let request_eager = a.request_eager_execution;
            Command::ScheduleActivity(Box::new(ScheduleActivity {
                attributes: schedule_activity(a, limits)?,
                request_eager,
            }))
        }
        A::RequestCancelActivityTaskCommandAttributes(a) => Command::RequestCancelActivity {
            scheduled_event_id: a.scheduled_event_id,
        },
        A::StartTimerCommandAttributes(a) => start_timer(a, limits.config)?,
        A::CancelTimerCommandAttributes(a) => {
            let cause = Cause::BadCancelTimerAttributes;
            let timer_id = required(a.timer_id, cause, "TimerId is not set on CancelTimerCommand.")?;
            limited(
                limits.config,
                &timer_id,
                cause,
                "TimerId on CancelTimerCommand",
                "TimerId",
            )?;
            Command::CancelTimer { timer_id }
        }
        A::RecordMarkerCommandAttributes(a) => record_marker(a, limits.config)?,
        A::StartChildWorkflowExecutionCommandAttributes(a) => Command::StartChild(Box::new(start_child(a, limits)?)),
        A::SignalExternalWorkflowExecutionCommandAttributes(a) => signal_external(a, limits.config)?,
        A::RequestCancelExternalWorkflowExecutionCommandAttributes(a) => cancel_external(a, limits.config)?,
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
            Some(message) => parse_message(message, limits.config)?,
            None => {
                return Err(BadCommand::new(
                    Cause::BadUpdateWorkflowExecutionMessage,
                    format!("ProtocolMessageCommand referenced absent message ID {}", a.message_id),
                ));
            }
        },
        A::CompleteWorkflowExecutionCommandAttributes(a) => Command::Close(Close::Complete(a.result)),
        A::FailWorkflowExecutionCommandAttributes(a) => match a.failure {
            Some(failure) => Command::Close(Close::Fail(Box::new(failure))),
            None => {
                return Err(BadCommand::new(
                    Cause::BadFailWorkflowExecutionAttributes,
                    "Failure is not set on FailWorkflowExecutionCommand.",
                ));
            }
        },
        A::CancelWorkflowExecutionCommandAttributes(a) => Command::Close(Close::Cancel(a.details)),
        A::ContinueAsNewWorkflowExecutionCommandAttributes(a) => Command::Close(Close::ContinueAsNew(Box::new(a))),
        A::ScheduleNexusOperationCommandAttributes(a) => {
            Command::ScheduleNexusOperation(Box::new(nexus::schedule_operation(a, limits.run_timeout, endpoints)?))
        }
        A::RequestCancelNexusOperationCommandAttributes(a) => Command::CancelNexusOperation {
            scheduled_event_id: a.scheduled_event_id,
        },
    })
}

fn schedule_activity(
    command: wire::ScheduleActivityTaskCommandAttributes,
    limits: &Limits<'_>,
) -> Result<history::ActivityTaskScheduledEventAttributes, BadCommand> {
    let type_name = command
        .activity_type
        .as_ref()
        .map(|it| it.name.as_str())
        .unwrap_or_default();
    let mut options = ActivityOptions {
        task_queue: command.task_queue,
        schedule_to_close_timeout: command.schedule_to_close_timeout,
        schedule_to_start_timeout: command.schedule_to_start_timeout,
        start_to_close_timeout: command.start_to_close_timeout,
        heartbeat_timeout: command.heartbeat_timeout,
        retry_policy: Some(command.retry_policy.unwrap_or_default()),
        priority: command.priority,
        start_delay: None,
    };
    activity_options::normalize(
        &command.activity_id,
        type_name,
        &mut options,
        &OfWorkflow {
            run_timeout: limits.run_timeout,
            task_queue: limits.task_queue,
            config: limits.config,
        },
    )
    .map_err(|reject| BadCommand::new(Cause::BadScheduleActivityAttributes, reject.message()))?;
    Ok(history::ActivityTaskScheduledEventAttributes {
        activity_id: command.activity_id,
        activity_type: command.activity_type,
        task_queue: options.task_queue,
        header: command.header,
        input: command.input,
        schedule_to_close_timeout: options.schedule_to_close_timeout,
        schedule_to_start_timeout: options.schedule_to_start_timeout,
        start_to_close_timeout: options.start_to_close_timeout,
        heartbeat_timeout: options.heartbeat_timeout,
        retry_policy: options.retry_policy,
        priority: options.priority,
        #[allow(deprecated)]
        use_workflow_build_id: command.use_workflow_build_id,
        ..Default::default()
    })
}

fn start_timer(command: wire::StartTimerCommandAttributes, config: &DynamicConfig) -> Result<Command, BadCommand> {
    let timer_id = required(
        command.timer_id,
        Cause::BadStartTimerAttributes,
        "TimerId is not set on StartTimerCommand.",
    )?;
    limited(
        config,
        &timer_id,
        Cause::BadStartTimerAttributes,
        "TimerId on StartTimerCommand",
        "TimerId",
    )?;
    if let Some(why) = broken(command.start_to_fire_timeout.as_ref()) {
        return Err(BadCommand::new(
            Cause::BadStartTimerAttributes,
            format!("An invalid StartToFireTimeout is set on StartTimerCommand: {why}. TimerId={timer_id}"),
        ));
    }
    // No time at all is allowed: the timer fires at once.
    let duration = duration(command.start_to_fire_timeout.as_ref()).unwrap_or_default();
    Ok(Command::StartTimer {
        timer_id,
        duration: duration.min(MAX_DURATION),
    })
}

fn record_marker(command: wire::RecordMarkerCommandAttributes, config: &DynamicConfig) -> Result<Command, BadCommand> {
    if command.marker_name.is_empty() {
        return Err(BadCommand::new(
            Cause::BadRecordMarkerAttributes,
            "MarkerName is not set on RecordMarkerCommand.",
        ));
    }
    limited(
        config,
        &command.marker_name,
        Cause::BadRecordMarkerAttributes,
        "MarkerName on RecordMarkerCommand",
        "MarkerName",
    )?;
    Ok(Command::RecordMarker(Box::new(command)))
}

fn start_child(
    command: wire::StartChildWorkflowExecutionCommandAttributes,
    limits: &Limits<'_>,
) -> Result<wire::StartChildWorkflowExecutionCommandAttributes, BadCommand> {
    let bad = |why: String| BadCommand::new(Cause::BadStartChildExecutionAttributes, why);
    let type_name = command
        .workflow_type
        .as_ref()
        .map(|it| it.name.as_str())
        .unwrap_or_default();
    let id = &command.workflow_id;
    #[allow(deprecated)]
    let namespace = match command.namespace.as_str() {
        "" => limits.namespace,
        namespace => namespace,
    };
    if id.is_empty() {
        return Err(bad(format!(
            "Required field WorkflowId is not set on StartChildWorkflowExecutionCommand. WorkflowType={type_name} \
             Namespace={namespace}"
        )));
    }
    if type_name.is_empty() {
        return Err(bad(format!(
            "Required field WorkflowType is not set on StartChildWorkflowExecutionCommand. WorkflowId={id} \
             Namespace={namespace}"
        )));
    }
    let limit = limits.config.id_bytes;
    if id.len() > limit {
        return Err(bad(format!(
            "WorkflowId on StartChildWorkflowExecutionCommand exceeds length limit. WorkflowId={id} Length={} \
             Limit={limit} WorkflowType={type_name} Namespace={namespace}",
            id.len()
        )));
    }
    if type_name.len() > limit {
        return Err(bad(format!(
            "WorkflowType on StartChildWorkflowExecutionCommand exceeds length limit. WorkflowId={id} \
             WorkflowType={type_name} Length={} Limit={limit} Namespace={namespace}",
            type_name.len()
        )));
    }
    for (field, value) in [
        ("WorkflowExecutionTimeout", &command.workflow_execution_timeout),
        ("WorkflowRunTimeout", &command.workflow_run_timeout),
        ("WorkflowTaskTimeout", &command.workflow_task_timeout),
    ] {
        if let Some(why) = broken(value.as_ref()) {
            return Err(bad(format!(
                "Invalid {field} on StartChildWorkflowExecutionCommand: {why}. WorkflowId={id} \
                 WorkflowType={type_name} Namespace={namespace}"
            )));
        }
    }
    if let Some(policy) = &command.retry_policy {
        retry::validate(policy).map_err(|reject| {
            bad(format!(
                "invalid WorkflowRetryPolicy on StartChildWorkflowExecutionCommand: {}. WorkflowId={id} \
                 WorkflowType={type_name} Namespace={namespace}",
                reject.message()
            ))
        })?;
    }
    Override::parse(command.versioning_override.as_ref()).map_err(|reject| bad(reject.message()))?;
    cron::validate(&command.cron_schedule, Timestamp::default()).map_err(|reject| {
        bad(format!(
            "invalid CronSchedule on StartChildWorkflowExecutionCommand: {}. WorkflowId={id} WorkflowType={type_name} \
             Namespace={namespace}",
            reject.message()
        ))
    })?;
    priority::check(command.priority.as_ref()).map_err(|reject| bad(reject.message()))?;
    let mut queue = queue_name::or_own(command.task_queue.as_ref(), limits.task_queue);
    queue_name::normalize_user_defined(limits.config, Some(&mut queue), limits.task_queue).map_err(|reject| {
        bad(format!(
            "invalid TaskQueue on StartChildWorkflowExecutionCommand: {}. WorkflowId={id} WorkflowType={type_name} \
             Namespace={namespace} TaskQueue={}",
            reject.message(),
            queue_name::as_go_prints(&queue)
        ))
    })?;
    Ok(command)
}

#[allow(deprecated, reason = "older clients may still name another namespace")]
fn signal_external(
    command: wire::SignalExternalWorkflowExecutionCommandAttributes,
    config: &DynamicConfig,
) -> Result<Command, BadCommand> {
    const ON: &str = "SignalExternalWorkflowExecutionCommand";
    let bad = |why: String| Err(BadCommand::new(Cause::BadSignalWorkflowExecutionAttributes, why));
    let Some(execution) = &command.execution else {
        return bad(format!("Execution is not set on {ON}."));
    };
    let (namespace, signal) = (&command.namespace, &command.signal_name);
    let (id, run) = (&execution.workflow_id, &execution.run_id);
    if id.is_empty() {
        return bad(format!(
            "WorkflowId is not set on {ON}. Namespace={namespace} RunId={run} SignalName={signal}"
        ));
    }
    let limit = config.id_bytes;
    if id.len() > limit {
        return bad(format!(
            "WorkflowId on {ON} exceeds length limit. WorkflowId={id} Length={} Limit={limit} \
             Namespace={namespace} RunId={run} SignalName={signal}",
            id.len()
        ));
    }
    if !run.is_empty() && !is_uuid(run) {
        return bad(format!(
            "Invalid RunId set on {ON}. WorkflowId={id} Namespace={namespace} RunId={run} SignalName={signal}"
        ));
    }
    if signal.is_empty() {
        return bad(format!(
            "SignalName is not set on {ON}. WorkflowId={id} Namespace={namespace} RunId={run}"
        ));
    }
    Ok(Command::SignalExternal(Box::new(command)))
}

#[allow(deprecated, reason = "older clients may still name another namespace")]
fn cancel_external(
    command: wire::RequestCancelExternalWorkflowExecutionCommandAttributes,
    config: &DynamicConfig,
) -> Result<Command, BadCommand> {
    const ON: &str = "RequestCancelExternalWorkflowExecutionCommand";
    let bad = |why: String| {
        Err(BadCommand::new(
            Cause::BadRequestCancelExternalWorkflowExecutionAttributes,
            why,
        ))
    };
    let (id, run, namespace) = (&command.workflow_id, &command.run_id, &command.namespace);
    if id.is_empty() {
        return bad(format!(
            "WorkflowId is not set on {ON}. Namespace={namespace} RunId={run}"
        ));
    }
    let limit = config.id_bytes;
    if id.len() > limit {
        return bad(format!(
            "WorkflowId on {ON} exceeds length limit. WorkflowId={id} Length={} Limit={limit} RunId={run} \
             Namespace={namespace}",
            id.len()
        ));
    }
    if !run.is_empty() && !is_uuid(run) {
        return bad(format!(
            "Invalid RunId set on {ON}. WorkflowId={id} RunId={run} Namespace={namespace}"
        ));
    }
    Ok(Command::CancelExternal(Box::new(command)))
}

fn parse_message(message: Message, config: &DynamicConfig) -> Result<Command, BadCommand> {
    let bad = |why: String| BadCommand::new(Cause::BadUpdateWorkflowExecutionMessage, why);
    let Some(body) = message.body else {
        return Err(bad(format!("message {} has no body", message.id)));
    };
    let update_id = message.protocol_instance_id;
    let type_name = body.type_url.rsplit('/').next().unwrap_or_default();
    size::message(type_name, &body, config)?;
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
        "temporal.api.update.v1.Request" => Err(bad("Message type *update.Request not supported".to_owned())),
        other => {
            let protocol = other.rsplit_once('.').map_or(other, |(protocol, _)| protocol);
            Err(bad(format!("unsupported protocol type {protocol}")))
        }
    }
}

/// Refuses an id that is too long for Temporal, which it repeats in full.
fn limited(config: &DynamicConfig, value: &str, cause: Cause, what: &str, field: &str) -> Result<(), BadCommand> {
    let limit = config.id_bytes;
    match value.len() > limit {
        true => Err(BadCommand::new(
            cause,
            format!(
                "{what} exceeds length limit. {field}={value} Length={} Limit={limit}",
                value.len()
            ),
        )),
        false => Ok(()),
    }
}

/// What is wrong with a duration, if anything is.
pub(super) fn broken(wire: Option<&prost_types::Duration>) -> Option<&'static str> {
    let wire = wire?;
    if (wire.seconds > 0 && wire.nanos < 0) || (wire.seconds < 0 && wire.nanos > 0) {
        return Some("duration has seconds and nanos with different signs");
    }
    is_negative(Some(wire)).then_some("negative duration")
}

fn required(value: String, cause: Cause, why: &str) -> Result<String, BadCommand> {
    match value.is_empty() {
        true => Err(BadCommand::new(cause, why)),
        false => Ok(value),
    }
}
