//! What the server says of itself.

use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::Answer;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::reject::Reject;

/// The release of Temporal's server whose behaviour this one follows.
pub(crate) const SERVER_VERSION: &str = "1.32.0";

pub(super) fn system_info(
    _: &mut Engine,
    _: &Call<'_>,
    _: wire::GetSystemInfoRequest,
) -> Result<Answer<wire::GetSystemInfoResponse>, Reject> {
    Ok(Answer::Now(info()))
}

/// What the server can do.
pub(crate) fn info() -> wire::GetSystemInfoResponse {
    wire::GetSystemInfoResponse {
        server_version: SERVER_VERSION.to_owned(),
        capabilities: Some(wire::get_system_info_response::Capabilities {
            signal_and_query_header: true,
            internal_error_differentiation: true,
            activity_failure_include_heartbeat: true,
            encoded_failure_attributes: true,
            build_id_based_versioning: true,
            upsert_memo: true,
            sdk_metadata: true,
            nexus: true,
            eager_workflow_start: true,
            ..Default::default()
        }),
    }
}

pub(super) fn cluster_info(
    _: &mut Engine,
    _: &Call<'_>,
    _: wire::GetClusterInfoRequest,
) -> Result<Answer<wire::GetClusterInfoResponse>, Reject> {
    Ok(Answer::Now(wire::GetClusterInfoResponse {
        server_version: SERVER_VERSION.to_owned(),
        cluster_name: "active".to_owned(),
        history_shard_count: 1,
        persistence_store: "memory".to_owned(),
        visibility_store: "memory".to_owned(),
        ..Default::default()
    }))
}
