//! Namespaces: register, describe, list, update, deprecate.

use std::collections::BTreeMap;
use std::time::Duration;

use temporalio_protos::temporal::api::enums::v1::{ArchivalState, NamespaceState as State, ReplicationState};
use temporalio_protos::temporal::api::namespace::v1 as ns;
use temporalio_protos::temporal::api::replication::v1::{ClusterReplicationConfig, NamespaceReplicationConfig};
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::Answer;
use super::nexus_endpoint::uuid_issue;
use crate::clock::Timestamp;
use crate::temporal::engine::{CLUSTER, Call, Engine, Namespace};
use crate::temporal::machine::workflow_task::MAX_PAGES_BYTES;
use crate::temporal::proto::{duration, is_negative, proto_duration, timestamp};
use crate::temporal::reject::Reject;

/// Namespaces in one page of a list, if the client doesn't say.
const PAGE: usize = 100;

/// Bad binaries of a namespace (dynamic config `frontend.maxBadBinaries`).
const MAX_BAD_BINARIES: usize = 10;

pub(super) fn register(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::RegisterNamespaceRequest,
) -> Result<Answer<wire::RegisterNamespaceResponse>, Reject> {
    if request.namespace.is_empty() {
        return Err(invalid("Namespace not set on request."));
    }
    engine.namespaces.check_length(&request.namespace)?;
    if request.is_global_namespace {
        return Err(invalid("Cannot register global namespace when not enabled"));
    }
    let retention = retention(engine, request.workflow_execution_retention_period.as_ref())?;
    if engine.namespaces.get(&request.namespace).is_some() {
        return Err(Reject::NamespaceAlreadyExists(request.namespace));
    }
    check_clusters(&request.active_cluster_name, &request.clusters)?;
    let id = engine.entropy.uuid();
    engine.namespaces.register(Namespace {
        description: request.description,
        owner_email: request.owner_email,
        data: request.data.into_iter().collect(),
        ..Namespace::new(id, &request.namespace, retention)
    })?;
    Ok(Answer::Now(wire::RegisterNamespaceResponse {}))
}

pub(super) fn describe(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::DescribeNamespaceRequest,
) -> Result<Answer<wire::DescribeNamespaceResponse>, Reject> {
    // Nobody expects there what is no id.
    if let Some(why) = uuid_issue(&request.id).filter(|_| !request.id.is_empty()) {
        return Err(Reject::Unknown(why));
    }
    let namespace = match (request.namespace.as_str(), request.id.as_str()) {
        (name, "") => engine.namespaces.find(name)?,
        ("", id) => engine
            .namespaces
            .by_id(id)
            .ok_or_else(|| Reject::NamespaceNotFound(id.to_owned()))?,
        _ => {
            return Err(invalid(
                "GetNamespace operation failed.  Both ID and Name specified in request.",
            ));
        }
    };
    Ok(Answer::Now(described(engine, namespace)))
}

/// In the order of their ids. A full page always names a next one.
pub(super) fn list(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListNamespacesRequest,
) -> Result<Answer<wire::ListNamespacesResponse>, Reject> {
    let after = String::from_utf8(request.next_page_token).map_err(|_| invalid("Invalid NextPageToken."))?;
    let size = usize::try_from(request.page_size)
        .ok()
        .filter(|size| *size > 0)
        .unwrap_or(PAGE);
    let include_deleted = request.namespace_filter.is_some_and(|filter| filter.include_deleted);
    let mut found: Vec<&Namespace> = engine
        .namespaces
        .iter()
        .filter(|namespace| namespace.id > after && (include_deleted || namespace.state != State::Deleted))
        .collect();
    found.sort_by(|left, right| left.id.cmp(&right.id));
    found.truncate(size);
    let next_page_token = match found.last() {
        Some(last) if found.len() == size => last.id.clone().into_bytes(),
        _ => Vec::new(),
    };
    Ok(Answer::Now(wire::ListNamespacesResponse {
        namespaces: found
            .into_iter()
            .map(|namespace| described(engine, namespace))
            .collect(),
        next_page_token,
    }))
}

pub(super) fn update(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UpdateNamespaceRequest,
) -> Result<Answer<wire::UpdateNamespaceResponse>, Reject> {
    engine.catch_up_with_lists();
    let mut namespace = engine.namespaces.require(&request.namespace)?.clone();
    let mut changed = false;
    if let Some(info) = request.update_info {
        changed |= update_info(&mut namespace, info)?;
    }
    if let Some(config) = request.config {
        changed |= update_config(engine, &mut namespace, config, call.now)?;
    }
    if !request.delete_bad_binary.is_empty() {
        let checksum = &request.delete_bad_binary;
        if namespace.bad_binaries.remove(checksum).is_none() {
            return Err(invalid(&format!("Bad binary checksum {checksum} doesn't exists.")));
        }
        changed = true;
    }
    if let Some(replication) = request.replication_config {
        update_replication(&namespace, &replication)?;
    }
    if request.promote_namespace {
        return Err(invalid(&format!(
            "global namespace is not enabled on this cluster, cannot update global namespace or promote local \
             namespace: {}",
            request.namespace
        )));
    }
    let described = described(engine, &namespace);
    if changed {
        engine.namespaces.replace(namespace);
    }
    Ok(Answer::Now(wire::UpdateNamespaceResponse {
        namespace_info: described.namespace_info,
        config: described.config,
        replication_config: described.replication_config,
        ..Default::default()
    }))
}

pub(super) fn deprecate(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::DeprecateNamespaceRequest,
) -> Result<Answer<wire::DeprecateNamespaceResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    if let Some(namespace) = engine.namespaces.get_mut(&request.namespace) {
        namespace.state = State::Deprecated;
    }
    Ok(Answer::Now(wire::DeprecateNamespaceResponse {}))
}

/// `true` if something has changed.
fn update_info(namespace: &mut Namespace, update: ns::UpdateNamespaceInfo) -> Result<bool, Reject> {
    let mut changed = false;
    if !update.description.is_empty() {
        namespace.description = update.description;
        changed = true;
    }
    if !update.owner_email.is_empty() {
        namespace.owner_email = update.owner_email;
        changed = true;
    }
    if !update.data.is_empty() {
        namespace.data.extend(update.data);
        changed = true;
    }
    let state = State::try_from(update.state).map_err(|_| invalid("Invalid namespace state update."))?;
    if state != State::Unspecified && state != namespace.state {
        let allowed = matches!(
            (namespace.state, state),
            (State::Registered, State::Deprecated | State::Deleted) | (State::Deprecated, State::Deleted)
        );
        if !allowed {
            return Err(invalid("Invalid namespace state update."));
        }
        namespace.state = state;
        changed = true;
    }
    Ok(changed)
}

/// `true` if something has changed that is kept. New bad binaries alone aren't, as in Temporal.
fn update_config(
    engine: &Engine,
    namespace: &mut Namespace,
    update: ns::NamespaceConfig,
    now: Timestamp,
) -> Result<bool, Reject> {
    let mut changed = false;
    if let Some(wanted) = &update.workflow_execution_retention_ttl {
        namespace.retention = retention(engine, Some(wanted))?;
        namespace.keeps_for_ever = false;
        changed = true;
    }
    if let Some(bad) = update.bad_binaries {
        for (checksum, mut binary) in BTreeMap::from_iter(bad.binaries) {
            binary.create_time = Some(timestamp(now));
            namespace.bad_binaries.insert(checksum, binary);
        }
        if namespace.bad_binaries.len() > MAX_BAD_BINARIES {
            return Err(invalid(&format!(
                "Total resetBinaries cannot exceed the max limit: {MAX_BAD_BINARIES}"
            )));
        }
    }
    for (place, name) in BTreeMap::from_iter(update.custom_search_attribute_aliases) {
        if !namespace.search_attributes.rename(&place, &name) {
            return Err(invalid("Custom search attribute field name already allocated."));
        }
        changed = true;
    }
    Ok(changed)
}

/// There is one cluster, and a namespace is in it and nowhere else.
fn update_replication(namespace: &Namespace, update: &NamespaceReplicationConfig) -> Result<(), Reject> {
    match ReplicationState::try_from(update.state) {
        Ok(ReplicationState::Unspecified | ReplicationState::Normal) => {}
        Ok(ReplicationState::Handover) if namespace.state != State::Registered => {
            return Err(invalid(&format!(
                "update ReplicationState is only supported when namespace is in Registered state, current state: {}",
                match namespace.state {
                    State::Deprecated => "Deprecated",
                    _ => "Deleted",
                }
            )));
        }
        _ => return Err(invalid("Handover can only be set for global namespace")),
    }
    match update.active_cluster_name.is_empty() && update.clusters.is_empty() {
        true => Ok(()),
        false => check_clusters(&update.active_cluster_name, &update.clusters),
    }
}

fn check_clusters(active: &str, clusters: &[ClusterReplicationConfig]) -> Result<(), Reject> {
    let names = clusters.iter().map(|cluster| cluster.cluster_name.as_str());
    let unknown = std::iter::once(active)
        .filter(|name| !name.is_empty())
        .chain(names)
        .find(|name| *name != CLUSTER);
    if let Some(name) = unknown {
        return Err(invalid(&format!("Invalid cluster name: {name}")));
    }
    match clusters.len() {
        0 | 1 => Ok(()),
        _ => Err(invalid("Invalid local namespace clusters")),
    }
}

fn retention(engine: &Engine, wanted: Option<&prost_types::Duration>) -> Result<Duration, Reject> {
    duration(wanted)
        .filter(|retention| !is_negative(wanted) && *retention >= engine.config.min_retention)
        .ok_or_else(|| invalid("A valid retention period is not set on request."))
}

fn invalid(why: &str) -> Reject {
    Reject::InvalidArgument(why.to_owned())
}

fn described(engine: &Engine, namespace: &Namespace) -> wire::DescribeNamespaceResponse {
    wire::DescribeNamespaceResponse {
        namespace_info: Some(ns::NamespaceInfo {
            name: namespace.name.clone(),
            state: namespace.state as i32,
            description: namespace.description.clone(),
            owner_email: namespace.owner_email.clone(),
            data: namespace.data.clone().into_iter().collect(),
            id: namespace.id.clone(),
            capabilities: Some(ns::namespace_info::Capabilities {
                sync_update: true,
                async_update: true,
                worker_poll_complete_on_shutdown: engine.completes_polls_at_shutdown(),
                worker_heartbeats: engine.wants_heartbeats(),
                standalone_activities: true,
                standalone_activity_start_delay: true,
                standalone_nexus_operation: true,
                workflow_pause: true,
                workflow_task_completion_pagination: true,
                ..Default::default()
            }),
            limits: Some(ns::namespace_info::Limits {
                blob_size_limit_error: engine.config.blob_error_bytes as i64,
                memo_size_limit_error: engine.config.memo_error_bytes as i64,
                workflow_task_completion_size_limit_error: MAX_PAGES_BYTES as i64,
            }),
            ..Default::default()
        }),
        config: Some(config(namespace)),
        replication_config: Some(NamespaceReplicationConfig {
            active_cluster_name: CLUSTER.to_owned(),
            clusters: vec![ClusterReplicationConfig {
                cluster_name: CLUSTER.to_owned(),
                ..Default::default()
            }],
            state: ReplicationState::Normal as i32,
        }),
        ..Default::default()
    }
}

fn config(namespace: &Namespace) -> ns::NamespaceConfig {
    ns::NamespaceConfig {
        workflow_execution_retention_ttl: Some(proto_duration(namespace.retention)),
        bad_binaries: Some(ns::BadBinaries {
            binaries: namespace.bad_binaries.clone().into_iter().collect(),
        }),
        history_archival_state: ArchivalState::Disabled as i32,
        visibility_archival_state: ArchivalState::Disabled as i32,
        custom_search_attribute_aliases: namespace.search_attributes.aliases().clone().into_iter().collect(),
        ..Default::default()
    }
}
