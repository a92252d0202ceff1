//! Workers as they describe themselves: heartbeats, lists, counts.

use serde_json::{Value, json};
use temporalio_protos::temporal::api::worker::v1::{WorkerHeartbeat, WorkerInfo};
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::Answer;
use crate::clock::Timestamp;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::reject::Reject;
use crate::temporal::worker::{Filter, list_info};

pub(super) fn record_heartbeat(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::RecordWorkerHeartbeatRequest,
) -> Result<Answer<wire::RecordWorkerHeartbeatResponse>, Reject> {
    record(engine, call.now, &request.namespace, request.worker_heartbeat)?;
    Ok(Answer::Now(wire::RecordWorkerHeartbeatResponse {}))
}

/// Other requests bring heartbeats along.
pub(super) fn record(
    engine: &mut Engine,
    now: Timestamp,
    namespace: &str,
    heartbeats: Vec<WorkerHeartbeat>,
) -> Result<(), Reject> {
    let namespace_id = engine.namespaces.require(namespace)?.id.clone();
    engine.workers.record(now, &namespace_id, heartbeats);
    Ok(())
}

pub(super) fn list(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::ListWorkersRequest,
) -> Result<Answer<wire::ListWorkersResponse>, Reject> {
    let namespace_id = engine.namespaces.require(&request.namespace)?.id.clone();
    let filter = Filter::parse(&request.query)?;
    let after = read_token(&request.next_page_token)?;
    // As there: below zero means no limit either.
    let limit = usize::try_from(request.page_size).unwrap_or_default();
    let with_system = request.include_system_workers;
    let page = engine
        .workers
        .list(call.now, &namespace_id, &filter, with_system, &after, limit);
    Ok(Answer::Now(wire::ListWorkersResponse {
        #[expect(deprecated, reason = "the real server fills it in still")]
        workers_info: page.workers.iter().map(|worker| info(worker)).collect(),
        workers: page.workers.iter().map(|worker| list_info(worker)).collect(),
        next_page_token: page.last_key.map(|key| write_token(&key)).unwrap_or_default(),
    }))
}

pub(super) fn count(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::CountWorkersRequest,
) -> Result<Answer<wire::CountWorkersResponse>, Reject> {
    let namespace_id = engine.namespaces.require(&request.namespace)?.id.clone();
    let filter = Filter::parse(&request.query)?;
    let count = engine
        .workers
        .count(call.now, &namespace_id, &filter, request.include_system_workers);
    Ok(Answer::Now(wire::CountWorkersResponse {
        count: i64::try_from(count).unwrap_or(i64::MAX),
    }))
}

pub(super) fn describe(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DescribeWorkerRequest,
) -> Result<Answer<wire::DescribeWorkerResponse>, Reject> {
    let namespace_id = engine.namespaces.require(&request.namespace)?.id.clone();
    let worker = engine
        .workers
        .describe(call.now, &namespace_id, &request.worker_instance_key)?;
    Ok(Answer::Now(wire::DescribeWorkerResponse {
        worker_info: Some(info(worker)),
    }))
}

fn info(worker: &WorkerHeartbeat) -> WorkerInfo {
    WorkerInfo {
        worker_heartbeat: Some(worker.clone()),
    }
}

/// A page begins after the last worker of the one before: `{"l":KEY}`, as there.
fn write_token(last_key: &str) -> Vec<u8> {
    json!({"l": last_key}).to_string().into_bytes()
}

fn read_token(token: &[u8]) -> Result<String, Reject> {
    if token.is_empty() {
        return Ok(String::new());
    }
    let invalid = || Reject::InvalidArgument("invalid next_page_token".to_owned());
    match serde_json::from_slice(token) {
        Ok(Value::Object(fields)) => match fields.get("l") {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(key)) => Ok(key.clone()),
            Some(_) => Err(invalid()),
        },
        _ => Err(invalid()),
    }
}
