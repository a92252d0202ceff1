//! The RPCs: one file per family, and one table that knows them all.
//!
//! A handler gets the decoded request and gives the answer ([`Answer::Now`]) or parks the call ([`Answer::Later`]). Wire
//! types end here: what goes on to the engine has been checked.

mod activity;
mod activity_operations;
mod archetype;
mod batch;
mod build_ids;
mod callback;
mod compute;
mod deployment;
mod history;
mod multi_operation;
mod namespace;
mod nexus;
mod nexus_endpoint;
mod operator;
mod options;
mod pause;
mod query;
mod reset;
mod schedule;
mod signal;
mod standalone_activity;
mod standalone_activity_list;
mod standalone_nexus_operation;
mod start;
mod system;
mod table;
mod task_queue;
mod test_service;
mod time_skipping;
mod update;
mod visibility;
mod worker;
mod worker_registry;
mod workflow;
mod workflow_rule;
mod workflow_task;

use prost::Message;
use temporalio_protos::temporal::api::common::v1::WorkflowExecution;

pub(crate) use start::parse as parse_start;
pub(crate) use system::info as system_info;
pub use table::{Rpc, Support, table};
pub(crate) use visibility::{count_of, page};

use super::engine::{Call, Engine, is_uuid};
use super::reject::Reject;

/// What a handler gives.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    /// The answer.
    Now(T),
    /// The call is parked; its ticket gets the answer.
    Later,
}

/// A handler with the types of its messages worn off.
type Handler = fn(&mut Engine, &Call<'_>, &[u8]) -> Result<Option<Vec<u8>>, Reject>;

/// The largest request, in bytes: Temporal's gRPC limit (`rpc.MaxRecvMsgSize` of the frontend).
pub(crate) const MAX_REQUEST_BYTES: usize = 128 * 1024 * 1024;

/// Carries out one call: `None` if it is parked.
pub(crate) fn serve(engine: &mut Engine, call: Call<'_>, request: &[u8]) -> Result<Option<Vec<u8>>, Reject> {
    if request.len() > MAX_REQUEST_BYTES {
        return Err(Reject::ResourceExhausted(format!(
            "the request has {} bytes; the limit is {MAX_REQUEST_BYTES}",
            request.len()
        )));
    }
    let Some(rpc) = table::find(call.service, call.method) else {
        return Err(Reject::Unimplemented(format!(
            "unknown service or method {}/{}",
            call.service, call.method
        )));
    };
    rpc.handler()?(engine, &call, request).map_err(Reject::masked)
}

/// Decodes, calls, encodes.
fn typed<Q, A>(
    engine: &mut Engine,
    call: &Call<'_>,
    bytes: &[u8],
    handler: fn(&mut Engine, &Call<'_>, Q) -> Result<Answer<A>, Reject>,
) -> Result<Option<Vec<u8>>, Reject>
where
    Q: Message + Default,
    A: Message,
{
    // As `Q::decode`, but in place: requests are large.
    let mut request = Q::default();
    request.merge(bytes).map_err(|error| {
        Reject::InvalidArgument(format!("the request of {} can't be decoded: {error}", call.method))
    })?;
    match handler(engine, call, request)? {
        Answer::Now(answer) => Ok(Some(answer.encode_to_vec())),
        Answer::Later => Ok(None),
    }
}

/// Refuses a workflow execution that isn't named as it must be.
fn check_execution(execution: Option<&WorkflowExecution>) -> Result<(), Reject> {
    let why = match execution {
        None => "Execution is not set on request.",
        Some(it) if it.workflow_id.is_empty() => "WorkflowId is not set on request.",
        Some(it) if !it.run_id.is_empty() && !is_uuid(&it.run_id) => "Invalid RunId.",
        Some(_) => return Ok(()),
    };
    Err(Reject::InvalidArgument(why.to_owned()))
}

/// Refuses a run id that is none, in the words of the history service. It looks itself where the frontend doesn't.
fn check_run_id(run_id: &str) -> Result<(), Reject> {
    match run_id.is_empty() || is_uuid(run_id) {
        true => Ok(()),
        false => Err(Reject::InvalidArgument("RunId is not valid UUID.".to_owned())),
    }
}

/// Refuses an input or another value of a request that is too large for Temporal.
fn check_blob<M: Message>(engine: &Engine, blob: Option<&M>) -> Result<(), Reject> {
    match blob.map_or(0, Message::encoded_len) > engine.config.blob_limit() {
        true => Err(Reject::InvalidArgument("Blob data size exceeds limit.".to_owned())),
        false => Ok(()),
    }
}
