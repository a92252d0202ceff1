//! What can be refused about requests for standalone operations (`chasm/lib/nexusoperation/validator.go`).

use temporalio_protos::temporal::api::sdk::v1::UserMetadata;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use crate::temporal::activity_options::cap;
use crate::temporal::config::DynamicConfig;
use crate::temporal::engine::{OperationIdPolicies, is_uuid};
use crate::temporal::machine::standalone_nexus_operation::StartOperation;
use crate::temporal::nexus::MAX_NAME_LENGTH;
use crate::temporal::nexus::header::{self, BadHeader};
use crate::temporal::proto::duration;
use crate::temporal::reject::Reject;
use crate::temporal::visibility::{CustomAttributes, validate};

/// The longest reason, in bytes (dynamic config `nexusoperation.limit.reasonLength`).
const MAX_REASON_LENGTH: usize = 1_000;

/// The largest summary, in bytes (dynamic config `limit.userMetadataSummarySize`).
const MAX_SUMMARY_BYTES: usize = 400;

/// The largest details, in bytes (dynamic config `limit.userMetadataDetailsSize`).
const MAX_DETAILS_BYTES: usize = 20_000;

/// What is to be started; the endpoint isn't looked up yet. Links, callbacks and what to do with them on a conflict are in
/// the request too, and Temporal leaves them alone.
pub(super) fn start(
    mut request: wire::StartNexusOperationExecutionRequest,
    custom: &CustomAttributes,
    config: &DynamicConfig,
) -> Result<StartOperation, Reject> {
    config.check_length("request_id", &request.request_id)?;
    operation_id(config, &request.operation_id)?;
    config.check_length("identity", &request.identity)?;
    target(&request)?;
    timeouts(&mut request)?;
    let size = request.input.as_ref().map_or(0, prost::Message::encoded_len);
    let limit = config.blob_limit();
    if size > limit {
        return invalid(format!("input exceeds size limit. Length={size} Limit={limit}"));
    }
    user_metadata(request.user_metadata.as_ref())?;
    let nexus_header = header::normalize(request.nexus_header).map_err(|why| {
        Reject::InvalidArgument(match why {
            BadHeader::Disallowed(name) => format!("nexus_header contains a disallowed key: {name:?}"),
            BadHeader::TooLarge => "nexus_header exceeds size limit".to_owned(),
        })
    })?;
    if let Some(attributes) = &request.search_attributes {
        validate::validate(attributes, &request.namespace, custom, config)
            .and_then(|()| validate::check_sizes(attributes, config))
            .map_err(Reject::InvalidArgument)?;
    }
    Ok(StartOperation {
        namespace: request.namespace,
        operation_id: request.operation_id,
        run_id: String::new(),
        request_id: request.request_id,
        identity: request.identity,
        endpoint: request.endpoint,
        endpoint_id: String::new(),
        service: request.service,
        operation: request.operation,
        schedule_to_close_timeout: request.schedule_to_close_timeout,
        schedule_to_start_timeout: request.schedule_to_start_timeout,
        start_to_close_timeout: request.start_to_close_timeout,
        input: request.input,
        nexus_header,
        search_attributes: request.search_attributes,
        user_metadata: request.user_metadata,
    })
}

/// The policies of a start. One that Temporal doesn't know is its default, without a word.
pub(super) fn policies(request: &wire::StartNexusOperationExecutionRequest) -> OperationIdPolicies {
    OperationIdPolicies {
        reuse: request.id_reuse_policy.try_into().unwrap_or_default(),
        conflict: request.id_conflict_policy.try_into().unwrap_or_default(),
    }
}

/// A request to cancel or to terminate.
pub(super) fn end(
    config: &DynamicConfig,
    operation: &str,
    run: &str,
    identity: &str,
    reason: &str,
) -> Result<(), Reject> {
    operation_id(config, operation)?;
    run_id(run)?;
    config.check_length("identity", identity)?;
    match reason.len() > MAX_REASON_LENGTH {
        true => invalid(format!(
            "reason exceeds length limit. Length={} Limit={MAX_REASON_LENGTH}",
            reason.len()
        )),
        false => Ok(()),
    }
}

pub(super) fn operation_id(config: &DynamicConfig, operation_id: &str) -> Result<(), Reject> {
    if operation_id.is_empty() {
        return invalid("operation_id is required");
    }
    config.check_length("operation_id", operation_id)
}

pub(super) fn run_id(run_id: &str) -> Result<(), Reject> {
    match run_id.is_empty() || is_uuid(run_id) {
        true => Ok(()),
        false => invalid("run_id is not a valid UUID"),
    }
}

pub(super) fn invalid<T>(why: impl Into<String>) -> Result<T, Reject> {
    Err(Reject::InvalidArgument(why.into()))
}

fn target(request: &wire::StartNexusOperationExecutionRequest) -> Result<(), Reject> {
    if request.endpoint.is_empty() {
        return invalid("endpoint is required");
    }
    for (field, name) in [("service", &request.service), ("operation", &request.operation)] {
        if name.is_empty() {
            return invalid(format!("{field} is required"));
        }
        at_most(field, name, MAX_NAME_LENGTH)?;
    }
    Ok(())
}

/// The longer ones are cut: to a hundred years, and to the timeout of the whole.
fn timeouts(request: &mut wire::StartNexusOperationExecutionRequest) -> Result<(), Reject> {
    for (field, timeout) in [
        ("schedule_to_close_timeout", &mut request.schedule_to_close_timeout),
        ("schedule_to_start_timeout", &mut request.schedule_to_start_timeout),
        ("start_to_close_timeout", &mut request.start_to_close_timeout),
    ] {
        cap(timeout.as_mut()).map_err(|why| Reject::InvalidArgument(format!("{field} is invalid: {why}")))?;
    }
    let whole = request.schedule_to_close_timeout;
    let Some(limit) = duration(whole.as_ref()) else {
        return Ok(());
    };
    for timeout in [
        &mut request.schedule_to_start_timeout,
        &mut request.start_to_close_timeout,
    ] {
        if duration(timeout.as_ref()).is_some_and(|timeout| timeout > limit) {
            *timeout = whole;
        }
    }
    Ok(())
}

fn user_metadata(metadata: Option<&UserMetadata>) -> Result<(), Reject> {
    let Some(metadata) = metadata else {
        return Ok(());
    };
    for (name, payload, limit) in [
        ("summary", &metadata.summary, MAX_SUMMARY_BYTES),
        ("details", &metadata.details, MAX_DETAILS_BYTES),
    ] {
        let length = payload.as_ref().map_or(0, prost::Message::encoded_len);
        if length > limit {
            return invalid(format!(
                "user_metadata.{name} exceeds size limit. Length={length} Limit={limit}"
            ));
        }
    }
    Ok(())
}

fn at_most(field: &str, value: &str, limit: usize) -> Result<(), Reject> {
    match value.len() > limit {
        true => invalid(format!(
            "{field} exceeds length limit. Length={} Limit={limit}",
            value.len()
        )),
        false => Ok(()),
    }
}
