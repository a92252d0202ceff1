//! Nexus tasks: polled, answered, failed.

use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::nexus::v1 as nexus;
use temporalio_protos::temporal::api::nexus::v1::{response, start_operation_response};
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::deployment::check_identity;
use super::task_queue::check_partition;
use super::workflow_task::polling_worker;
use super::{Answer, worker_registry};
use crate::temporal::engine::{Call, Engine};
use crate::temporal::matching::{Kind, QueueKey};
use crate::temporal::nexus::completion::MAX_OPERATION_TOKEN_LENGTH;
use crate::temporal::nexus::failure::{Refusal, StartOutcome, start_outcome};
use crate::temporal::nexus::request::Wants;
use crate::temporal::queue_name;
use crate::temporal::reject::Reject;
use crate::temporal::token::TaskToken;

pub(super) fn poll(
    engine: &mut Engine,
    call: &Call<'_>,
    mut request: wire::PollNexusTaskQueueRequest,
) -> Result<Answer<wire::PollNexusTaskQueueResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let queue = queue_name::normalize(&engine.config, request.task_queue.as_mut())?;
    check_identity(&engine.config, &request.identity)?;
    let heartbeats = std::mem::take(&mut request.worker_heartbeat);
    worker_registry::record(engine, call.now, &request.namespace, heartbeats)?;
    let options = request.deployment_options.as_ref();
    #[expect(deprecated, reason = "workers still send it")]
    let capabilities = request.worker_version_capabilities.as_ref();
    let mut worker = polling_worker(engine, request.identity, capabilities, options, Some(&*queue))?;
    check_partition(queue)?;
    let key = QueueKey {
        namespace: request.namespace.into(),
        kind: Kind::Nexus,
        name: queue.name.as_str().into(),
    };
    worker.instance_key = request.worker_instance_key;
    if engine.matching.is_shut_down(call.now, &worker.instance_key) {
        return Ok(Answer::Now(Default::default()));
    }
    engine.park_poll(call, key, worker)?;
    Ok(Answer::Later)
}

pub(super) fn completed(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondNexusTaskCompletedRequest,
) -> Result<Answer<wire::RespondNexusTaskCompletedResponse>, Reject> {
    engine.namespaces.check_length(&request.namespace)?;
    let variant = request.response.and_then(|response| response.variant);
    if let Some(response::Variant::StartOperation(start)) = &variant {
        check_start(start)?;
    }
    let number = number(&request.task_token)?;
    let caller = engine.take_nexus_answer(number)?;
    match (caller.wants, variant) {
        (Wants::Start, Some(response::Variant::StartOperation(start))) => {
            engine.tell_nexus_start(call.now, caller, start_outcome(Some(start)));
        }
        (Wants::Start, _) => engine.tell_nexus_start(call.now, caller, start_outcome(None)),
        // Whatever the worker answers to a request to cancel, it has heard of it.
        (Wants::Cancel, _) => engine.tell_nexus_cancel(call.now, caller, Ok(())),
    }
    Ok(Answer::Now(wire::RespondNexusTaskCompletedResponse {}))
}

pub(super) fn failed(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RespondNexusTaskFailedRequest,
) -> Result<Answer<wire::RespondNexusTaskFailedResponse>, Reject> {
    engine.namespaces.check_length(&request.namespace)?;
    let number = number(&request.task_token)?;
    #[expect(deprecated, reason = "older SDKs say it so")]
    let refusal = refusal(request.error, request.failure)?;
    let caller = engine.take_nexus_answer(number)?;
    match caller.wants {
        Wants::Start => engine.tell_nexus_start(call.now, caller, StartOutcome::Refused(refusal)),
        Wants::Cancel => engine.tell_nexus_cancel(call.now, caller, Err(refusal)),
    }
    Ok(Answer::Now(wire::RespondNexusTaskFailedResponse {}))
}

fn refusal(
    error: Option<nexus::HandlerError>,
    failure: Option<temporalio_protos::temporal::api::failure::v1::Failure>,
) -> Result<Refusal, Reject> {
    let invalid = |text: &str| Err(Reject::InvalidArgument(text.to_owned()));
    if let Some(error) = &error {
        check_details(error.failure.as_ref())?;
    }
    let of_handler = failure
        .as_ref()
        .is_none_or(|failure| matches!(failure.failure_info, Some(FailureInfo::NexusHandlerFailureInfo(_))));
    match (error, failure) {
        (None, None) => invalid("request must contain error or failure"),
        _ if !of_handler => invalid("request Failure must contain error or failure with NexusHandlerFailureInfo"),
        (Some(error), _) => Ok(Refusal::from_error(error)),
        (None, Some(failure)) => Ok(Refusal::from_failure(failure)),
    }
}

#[expect(deprecated, reason = "older SDKs say it so")]
fn check_start(start: &nexus::StartOperationResponse) -> Result<(), Reject> {
    use start_operation_response::Variant;
    match &start.variant {
        Some(Variant::AsyncSuccess(started)) => {
            let length = match started.operation_token.is_empty() {
                true => started.operation_id.len(),
                false => started.operation_token.len(),
            };
            match length {
                // So is it spelled there.
                0 => Err(Reject::InvalidArgument("missing opration token in response".to_owned())),
                1..=MAX_OPERATION_TOKEN_LENGTH => Ok(()),
                _ => Err(Reject::InvalidArgument(format!(
                    "operation token length exceeds allowed limit ({length}/{MAX_OPERATION_TOKEN_LENGTH})"
                ))),
            }
        }
        Some(Variant::OperationError(error)) => check_details(error.failure.as_ref()),
        _ => Ok(()),
    }
}

fn check_details(failure: Option<&nexus::Failure>) -> Result<(), Reject> {
    let details = failure.map(|failure| failure.details.as_slice()).unwrap_or_default();
    let is_json = details.is_empty() || serde_json::from_slice::<serde_json::Value>(details).is_ok();
    match is_json {
        true => Ok(()),
        false => Err(Reject::InvalidArgument(
            "failure details must be JSON serializable".to_owned(),
        )),
    }
}

fn number(token: &[u8]) -> Result<u64, Reject> {
    match TaskToken::decode(token) {
        Some(TaskToken::Nexus { number }) => Ok(number),
        Some(_) => Err(Reject::NotFound("Nexus task not found or already expired".to_owned())),
        None => Err(Reject::InvalidArgument("error deserializing task token".to_owned())),
    }
}
