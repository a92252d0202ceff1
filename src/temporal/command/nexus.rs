//! The command `ScheduleNexusOperation`: checked, and its timeouts brought in line
//! (`components/nexusoperations/workflow/commands.go`).

use std::collections::HashMap;
use std::time::Duration;

use temporalio_protos::temporal::api::command::v1 as wire;
use temporalio_protos::temporal::api::enums::v1::WorkflowTaskFailedCause as Cause;
use temporalio_protos::temporal::api::history::v1 as history;

use super::BadCommand;
use crate::temporal::nexus::header::{self, BadHeader};
use crate::temporal::nexus::{Endpoints, MAX_NAME_LENGTH, SYSTEM_ENDPOINT};
use crate::temporal::proto::{duration, is_negative, proto_duration};

/// Longer timeouts are cut to this (`common/primitives/timestamp/duration.go`): a hundred years.
const MAX_TIMEOUT_SECONDS: i64 = 100 * 365 * 24 * 60 * 60;

/// The scheduled event's attributes, but for what only the run knows.
pub(super) fn schedule_operation(
    command: wire::ScheduleNexusOperationCommandAttributes,
    run_timeout: Duration,
    endpoints: &Endpoints,
) -> Result<history::NexusOperationScheduledEventAttributes, BadCommand> {
    let endpoint_id = endpoint_id(&command, endpoints)?;
    check_names(&command)?;
    let schedule_to_close_timeout = capped("ScheduleToCloseTimeout", command.schedule_to_close_timeout)?;
    let schedule_to_start_timeout = capped("ScheduleToStartTimeout", command.schedule_to_start_timeout)?;
    let start_to_close_timeout = capped("StartToCloseTimeout", command.start_to_close_timeout)?;
    let nexus_header = header(command.nexus_header)?;
    let schedule_to_close_timeout = match duration(schedule_to_close_timeout.as_ref()) {
        Some(limit) if run_timeout.is_zero() || limit <= run_timeout => schedule_to_close_timeout,
        None if run_timeout.is_zero() => schedule_to_close_timeout,
        Some(_) | None => Some(proto_duration(run_timeout)),
    };
    let within = |timeout: Option<prost_types::Duration>| {
        let limit = duration(schedule_to_close_timeout.as_ref());
        match (duration(timeout.as_ref()), limit) {
            (Some(timeout), Some(limit)) if timeout > limit => schedule_to_close_timeout,
            _ => timeout,
        }
    };
    Ok(history::NexusOperationScheduledEventAttributes {
        endpoint: command.endpoint,
        endpoint_id,
        service: command.service,
        operation: command.operation,
        input: command.input,
        schedule_to_start_timeout: within(schedule_to_start_timeout),
        start_to_close_timeout: within(start_to_close_timeout),
        schedule_to_close_timeout,
        nexus_header,
        ..Default::default()
    })
}

fn endpoint_id(
    command: &wire::ScheduleNexusOperationCommandAttributes,
    endpoints: &Endpoints,
) -> Result<String, BadCommand> {
    if command.endpoint == SYSTEM_ENDPOINT {
        if !command.nexus_header.is_empty() {
            return Err(bad(format!(
                "ScheduleNexusOperationCommandAttributes.NexusHeader must be empty when using {SYSTEM_ENDPOINT} endpoint"
            )));
        }
        // None of Temporal's own operations is switched on by default.
        return Err(bad(format!("service {:?} not found", command.service)));
    }
    match endpoints.by_name(&command.endpoint) {
        Some(endpoint) => Ok(endpoint.id.clone()),
        None => Err(bad(format!("endpoint {:?} not found", command.endpoint))),
    }
}

fn check_names(command: &wire::ScheduleNexusOperationCommandAttributes) -> Result<(), BadCommand> {
    for (field, name) in [("Service", &command.service), ("Operation", &command.operation)] {
        if name.len() > MAX_NAME_LENGTH {
            return Err(bad(format!(
                "ScheduleNexusOperationCommandAttributes.{field} exceeds length limit of {MAX_NAME_LENGTH}"
            )));
        }
    }
    Ok(())
}

fn capped(field: &str, timeout: Option<prost_types::Duration>) -> Result<Option<prost_types::Duration>, BadCommand> {
    let Some(timeout) = timeout else {
        return Ok(None);
    };
    let invalid = |why: &str| {
        Err(bad(format!(
            "ScheduleNexusOperationCommandAttributes.{field} is invalid: {why}"
        )))
    };
    if timeout.seconds.signum() * i64::from(timeout.nanos.signum()) < 0 {
        return invalid("duration has seconds and nanos with different signs");
    }
    if is_negative(Some(&timeout)) {
        return invalid("negative duration");
    }
    match timeout.seconds >= MAX_TIMEOUT_SECONDS {
        true => Ok(Some(prost_types::Duration {
            seconds: MAX_TIMEOUT_SECONDS,
            nanos: 0,
        })),
        false => Ok(Some(timeout)),
    }
}

fn header(header: HashMap<String, String>) -> Result<HashMap<String, String>, BadCommand> {
    header::normalize(header).map_err(|why| {
        bad(match why {
            BadHeader::Disallowed(name) => format!(
                "ScheduleNexusOperationCommandAttributes.NexusHeader contains a disallowed header key: {name:?}"
            ),
            BadHeader::TooLarge => "ScheduleNexusOperationCommandAttributes.NexusHeader exceeds size limit".to_owned(),
        })
    })
}

fn bad(why: String) -> BadCommand {
    BadCommand::new(Cause::BadScheduleNexusOperationAttributes, why)
}
