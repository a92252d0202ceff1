//! Nexus operations on their own: start, describe, wait for, cancel, terminate, delete; lists and counts.

mod check;
mod list;

use temporalio_protos::temporal::api::enums::v1::NexusOperationWaitStage as WaitStage;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::Answer;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::machine::standalone_nexus_operation::{CancelWish, Parts, Wait};
use crate::temporal::nexus::OperationRef;
use crate::temporal::reject::Reject;
use crate::temporal::token::OperationChangeToken;

pub(super) use list::{count, list};

pub(super) fn start(
    engine: &mut Engine,
    call: &Call<'_>,
    mut request: wire::StartNexusOperationExecutionRequest,
) -> Result<Answer<wire::StartNexusOperationExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    if request.request_id.is_empty() {
        request.request_id = engine.entropy.uuid();
    }
    let policies = check::policies(&request);
    let custom = &engine.namespaces.require(&request.namespace)?.search_attributes;
    let mut start = check::start(request, custom, &engine.config)?;
    let Some(endpoint) = engine.nexus.endpoints.by_name(&start.endpoint) else {
        return Err(Reject::NotFound(format!(
            "could not find Nexus endpoint by name: {}",
            start.endpoint
        )));
    };
    start.endpoint_id.clone_from(&endpoint.id);
    let (operation, started) = engine.start_operation(call.now, start, policies)?;
    let run_id = engine
        .nexus
        .operations
        .get(operation)
        .map(|it| it.start().run_id.clone());
    Ok(Answer::Now(wire::StartNexusOperationExecutionResponse {
        run_id: run_id.unwrap_or_default(),
        started,
    }))
}

pub(super) fn describe(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DescribeNexusOperationExecutionRequest,
) -> Result<Answer<wire::DescribeNexusOperationExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check::operation_id(&engine.config, &request.operation_id)?;
    let token = &request.long_poll_token;
    if !token.is_empty() && request.run_id.is_empty() {
        return check::invalid("run_id is required when long_poll_token is provided");
    }
    check::run_id(&request.run_id)?;
    let token = match token.is_empty() {
        true => None,
        false => Some(OperationChangeToken::decode(token).ok_or_else(|| invalid_token("invalid long poll token"))?),
    };
    let operation = find(engine, &request.namespace, &request.operation_id, &request.run_id)?;
    if token.is_some_and(|token| token.operation != operation) {
        return Err(invalid_token("long poll token does not match execution"));
    }
    let parts = Parts {
        input: request.include_input,
        outcome: request.include_outcome,
    };
    let wait = token.map(|token| Wait::Change {
        seen: token.seen,
        parts,
    });
    match (engine.nexus.operations.get(operation), wait) {
        (Some(state), Some(wait)) if !state.has(wait) => {
            engine.wait_for_operation(call, operation, wait);
            Ok(Answer::Later)
        }
        (Some(state), _) => Ok(Answer::Now(state.describe(call.now, parts))),
        (None, _) => Ok(Answer::Now(wire::DescribeNexusOperationExecutionResponse::default())),
    }
}

pub(super) fn poll(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::PollNexusOperationExecutionRequest,
) -> Result<Answer<wire::PollNexusOperationExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let wait = match WaitStage::try_from(request.wait_stage) {
        Ok(WaitStage::Started) => Wait::Stage(WaitStage::Started),
        Ok(WaitStage::Unspecified | WaitStage::Closed) => Wait::Stage(WaitStage::Closed),
        Err(_) => return check::invalid(format!("unsupported wait_stage: {}", request.wait_stage)),
    };
    check::operation_id(&engine.config, &request.operation_id)?;
    check::run_id(&request.run_id)?;
    let operation = find(engine, &request.namespace, &request.operation_id, &request.run_id)?;
    match engine.nexus.operations.get(operation).filter(|state| state.has(wait)) {
        Some(state) => Ok(Answer::Now(state.stage())),
        None => {
            engine.wait_for_operation(call, operation, wait);
            Ok(Answer::Later)
        }
    }
}

pub(super) fn request_cancel(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RequestCancelNexusOperationExecutionRequest,
) -> Result<Answer<wire::RequestCancelNexusOperationExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let request_id = given_or_new(engine, request.request_id)?;
    check::end(
        &engine.config,
        &request.operation_id,
        &request.run_id,
        &request.identity,
        &request.reason,
    )?;
    let operation = find(engine, &request.namespace, &request.operation_id, &request.run_id)?;
    let wish = CancelWish {
        request_id,
        reason: request.reason,
    };
    engine
        .with_operation(call.now, operation, |operation, step| {
            operation.request_cancel(step, wish)
        })
        .unwrap_or(Ok(()))?;
    Ok(Answer::Now(wire::RequestCancelNexusOperationExecutionResponse {}))
}

pub(super) fn terminate(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::TerminateNexusOperationExecutionRequest,
) -> Result<Answer<wire::TerminateNexusOperationExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let request_id = given_or_new(engine, request.request_id)?;
    check::end(
        &engine.config,
        &request.operation_id,
        &request.run_id,
        &request.identity,
        &request.reason,
    )?;
    let operation = find(engine, &request.namespace, &request.operation_id, &request.run_id)?;
    engine
        .with_operation(call.now, operation, |operation, step| {
            operation.terminate(step, &request.reason, &request.identity, &request_id)
        })
        .unwrap_or(Ok(()))?;
    Ok(Answer::Now(wire::TerminateNexusOperationExecutionResponse {}))
}

pub(super) fn delete(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DeleteNexusOperationExecutionRequest,
) -> Result<Answer<wire::DeleteNexusOperationExecutionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check::operation_id(&engine.config, &request.operation_id)?;
    check::run_id(&request.run_id)?;
    let operation = find(engine, &request.namespace, &request.operation_id, &request.run_id)?;
    engine.delete_operation(call.now, operation);
    Ok(Answer::Now(wire::DeleteNexusOperationExecutionResponse {}))
}

fn find(engine: &Engine, namespace: &str, operation_id: &str, run_id: &str) -> Result<OperationRef, Reject> {
    Ok(engine.nexus.operations.find(namespace, operation_id, run_id)?.name())
}

fn given_or_new(engine: &mut Engine, request_id: String) -> Result<String, Reject> {
    match request_id.is_empty() {
        true => Ok(engine.entropy.uuid()),
        false => {
            engine.config.check_length("request_id", &request_id)?;
            Ok(request_id)
        }
    }
}

fn invalid_token(why: &str) -> Reject {
    Reject::InvalidArgument(why.to_owned())
}
