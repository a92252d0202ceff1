//! What is too large in a command: it ends the workflow (`workflow_size_checker.go`).

use std::collections::HashMap;

use prost::Message as _;
use temporalio_protos::temporal::api::common::v1::{Memo, Payload, Payloads, SearchAttributes};
use temporalio_protos::temporal::api::enums::v1::WorkflowTaskFailedCause as Cause;

use super::{BadCommand, Close, Command};
use crate::temporal::config::DynamicConfig;
use crate::temporal::visibility::validate::check_sizes;

/// Checks a command's payloads, memo and search attributes. Those that are merged into the run's are checked as merged, elsewhere.
pub(super) fn check(command: &Command, config: &DynamicConfig) -> Result<(), BadCommand> {
    let blob = |size: usize, cause, why| at_most(size, config.blob_limit(), cause, why);
    match command {
        Command::ScheduleActivity(schedule) => blob(
            encoded(schedule.attributes.input.as_ref()),
            Cause::BadScheduleActivityAttributes,
            "ScheduleActivityTaskCommandAttributes.Input exceeds size limit.",
        ),
        Command::RecordMarker(marker) => blob(
            size_of_all(&marker.details),
            Cause::BadRecordMarkerAttributes,
            "RecordMarkerCommandAttributes.Details exceeds size limit.",
        ),
        Command::StartChild(child) => {
            let cause = Cause::BadStartChildExecutionAttributes;
            let why = "StartChildWorkflowExecutionCommandAttributes. Input exceeds size limit.";
            blob(encoded(child.input.as_ref()), cause, why)?;
            let why = "StartChildWorkflowExecutionCommandAttributes.Memo exceeds size limit.";
            memo_and_attributes(
                child.memo.as_ref(),
                child.search_attributes.as_ref(),
                config,
                cause,
                why,
            )
        }
        Command::SignalExternal(signal) => blob(
            encoded(signal.input.as_ref()),
            Cause::BadSignalWorkflowExecutionAttributes,
            "SignalExternalWorkflowExecutionCommandAttributes.Input exceeds size limit.",
        ),
        Command::UpsertSearchAttributes(attributes) => blob(
            size_of_data(&attributes.indexed_fields),
            Cause::BadSearchAttributes,
            "UpsertWorkflowSearchAttributesCommandAttributes exceeds size limit.",
        ),
        Command::ModifyMemo(memo) => blob(
            size_of_data(&memo.fields),
            Cause::BadModifyWorkflowPropertiesAttributes,
            "ModifyWorkflowPropertiesCommandAttributes exceeds size limit.",
        ),
        // The cause is Temporal's own slip.
        Command::Close(Close::Complete(result)) => blob(
            encoded(result.as_ref()),
            Cause::BadScheduleActivityAttributes,
            "CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit.",
        ),
        Command::Close(Close::Fail(failure)) => blob(
            failure.encoded_len(),
            Cause::BadFailWorkflowExecutionAttributes,
            "FailWorkflowExecutionCommandAttributes.Failure exceeds size limit.",
        ),
        Command::Close(Close::ContinueAsNew(next)) => {
            let cause = Cause::BadContinueAsNewAttributes;
            let why = "ContinueAsNewWorkflowExecutionCommandAttributes. Input exceeds size limit.";
            blob(encoded(next.input.as_ref()), cause, why)?;
            let why = "ContinueAsNewWorkflowExecutionCommandAttributes. Memo exceeds size limit.";
            memo_and_attributes(next.memo.as_ref(), next.search_attributes.as_ref(), config, cause, why)
        }
        _ => Ok(()),
    }
}

/// Checks the body of a protocol message.
pub(super) fn message(type_name: &str, body: &prost_types::Any, config: &DynamicConfig) -> Result<(), BadCommand> {
    let why = format!("Message type {type_name} exceeds size limit.");
    let cause = Cause::BadUpdateWorkflowExecutionMessage;
    at_most(body.encoded_len(), config.blob_limit(), cause, &why)
}

fn memo_and_attributes(
    memo: Option<&Memo>,
    attributes: Option<&SearchAttributes>,
    config: &DynamicConfig,
    cause: Cause,
    why: &str,
) -> Result<(), BadCommand> {
    at_most(
        memo.map_or(0, prost::Message::encoded_len),
        config.memo_limit(),
        cause,
        why,
    )?;
    attributes
        .map_or(Ok(()), |attributes| check_sizes(attributes, config))
        .map_err(|why| BadCommand::too_large(cause, why))
}

fn at_most(size: usize, limit: usize, cause: Cause, why: &str) -> Result<(), BadCommand> {
    match size > limit {
        true => Err(BadCommand::too_large(cause, why)),
        false => Ok(()),
    }
}

fn encoded(payloads: Option<&Payloads>) -> usize {
    payloads.map_or(0, prost::Message::encoded_len)
}

#[expect(clippy::iter_over_hash_type, reason = "a sum has no order")]
fn size_of_all(details: &HashMap<String, Payloads>) -> usize {
    let mut size = 0;
    for (name, payloads) in details {
        size += name.len() + payloads.encoded_len();
    }
    size
}

/// Temporal counts only the names and the data here.
#[expect(clippy::iter_over_hash_type, reason = "a sum has no order")]
fn size_of_data(fields: &HashMap<String, Payload>) -> usize {
    let mut size = 0;
    for (name, payload) in fields {
        size += name.len() + payload.data.len();
    }
    size
}
