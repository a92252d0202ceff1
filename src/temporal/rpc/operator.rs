//! The operator's share: search attributes of a namespace, clusters, and the end of a namespace.

use std::collections::BTreeMap;

use temporalio_protos::temporal::api::enums::v1::IndexedValueType as Type;
use temporalio_protos::temporal::api::operatorservice::v1 as wire;

use super::Answer;
use crate::temporal::engine::{CLUSTER, Call, Engine, Namespace};
use crate::temporal::proto::duration;
use crate::temporal::reject::Reject;
use crate::temporal::visibility::attributes::{self, NoPlaceLeft, type_name};

pub(super) fn add_search_attributes(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::AddSearchAttributesRequest,
) -> Result<Answer<wire::AddSearchAttributesResponse>, Reject> {
    let wanted: BTreeMap<String, i32> = request.search_attributes.into_iter().collect();
    check_named(engine, &request.namespace, wanted.is_empty())?;
    let mut kinds = Vec::new();
    for (name, kind) in &wanted {
        if attributes::is_reserved(name) {
            return Err(Reject::InvalidArgument(format!(
                "Search attribute {name} is reserved by system."
            )));
        }
        let Ok(kind) = Type::try_from(*kind) else {
            return Err(Reject::InvalidArgument(format!(
                "Unknown search attribute type: {kind}."
            )));
        };
        kinds.push(kind);
    }
    engine.catch_up_with_lists();
    let namespace = namespace_mut(engine, &request.namespace)?;
    let mut changed = namespace.search_attributes.clone();
    for (name, kind) in wanted.keys().zip(kinds) {
        changed.add(name, kind).map_err(|NoPlaceLeft(used)| {
            Reject::InvalidArgument(format!(
                "Unable to create search attributes: cannot have more than {used} search attribute of type {}.",
                type_name(kind)
            ))
        })?;
    }
    namespace.search_attributes = changed;
    Ok(Answer::Now(wire::AddSearchAttributesResponse {}))
}

pub(super) fn remove_search_attributes(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::RemoveSearchAttributesRequest,
) -> Result<Answer<wire::RemoveSearchAttributesResponse>, Reject> {
    check_named(engine, &request.namespace, request.search_attributes.is_empty())?;
    engine.catch_up_with_lists();
    let namespace = namespace_mut(engine, &request.namespace)?;
    let mut changed = namespace.search_attributes.clone();
    for name in &request.search_attributes {
        if let Some((place, _)) = namespace.search_attributes.place(name) {
            changed.rename(place, "");
            continue;
        }
        let is_known = attributes::own().any(|(own, _)| own == name) || attributes::place_type(name).is_some();
        if is_known {
            return Err(Reject::InvalidArgument(format!(
                "Unable to remove non-custom search attributes: {name}."
            )));
        }
    }
    namespace.search_attributes = changed;
    Ok(Answer::Now(wire::RemoveSearchAttributesResponse {}))
}

pub(super) fn list_search_attributes(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListSearchAttributesRequest,
) -> Result<Answer<wire::ListSearchAttributesResponse>, Reject> {
    check_named(engine, &request.namespace, false)?;
    let namespace = namespace_mut(engine, &request.namespace)?;
    let custom = namespace.search_attributes.iter();
    Ok(Answer::Now(wire::ListSearchAttributesResponse {
        custom_attributes: custom.map(|(name, kind)| (name.to_owned(), kind as i32)).collect(),
        system_attributes: attributes::own()
            .map(|(name, kind)| (name.to_owned(), kind as i32))
            .collect(),
        ..Default::default()
    }))
}

pub(super) fn delete_namespace(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DeleteNamespaceRequest,
) -> Result<Answer<wire::DeleteNamespaceResponse>, Reject> {
    let namespace = match (request.namespace.as_str(), request.namespace_id.as_str()) {
        (name, "") => engine.namespaces.find(name)?,
        ("", id) => engine
            .namespaces
            .by_id(id)
            .ok_or_else(|| Reject::NamespaceNotFound(id.to_owned()))?,
        _ => {
            return Err(Reject::InvalidArgument(
                "Only one of namespace name or Id should be set on request.".to_owned(),
            ));
        }
    };
    let name = namespace.name.clone();
    let stays = duration(request.namespace_delete_delay.as_ref()).is_some();
    let deleted_namespace = engine.delete_namespace(call.now, &name, stays)?;
    Ok(Answer::Now(wire::DeleteNamespaceResponse { deleted_namespace }))
}

/// There is no network to reach another cluster by.
pub(super) fn add_or_update_remote_cluster(
    _: &mut Engine,
    _: &Call<'_>,
    request: wire::AddOrUpdateRemoteClusterRequest,
) -> Result<Answer<wire::AddOrUpdateRemoteClusterResponse>, Reject> {
    Err(Reject::Unavailable(format!(
        "Unable connect to remote cluster {} with error: awaithumans-testkit calls no other server.",
        request.frontend_address
    )))
}

pub(super) fn remove_remote_cluster(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::RemoveRemoteClusterRequest,
) -> Result<Answer<wire::RemoveRemoteClusterResponse>, Reject> {
    if request.cluster_name != CLUSTER {
        return Err(Reject::NotFound(
            "The cluster to be deleted cannot be found in clusters cache.".to_owned(),
        ));
    }
    // Temporal forgets what it wrote down about its own cluster, too; it goes on, and so does this one.
    engine.namespaces.forget_cluster();
    Ok(Answer::Now(wire::RemoveRemoteClusterResponse {}))
}

pub(super) fn list_clusters(
    engine: &mut Engine,
    _: &Call<'_>,
    _: wire::ListClustersRequest,
) -> Result<Answer<wire::ListClustersResponse>, Reject> {
    let id = engine.namespaces.cluster_id(&mut engine.entropy);
    let cluster = id.map(|cluster_id| wire::ClusterMetadata {
        cluster_name: CLUSTER.to_owned(),
        cluster_id,
        address: "127.0.0.1:7233".to_owned(),
        initial_failover_version: 1,
        history_shard_count: 1,
        is_connection_enabled: true,
        ..Default::default()
    });
    Ok(Answer::Now(wire::ListClustersResponse {
        clusters: cluster.into_iter().collect(),
        ..Default::default()
    }))
}

/// The order in which Temporal complains: a namespace that isn't there, nothing named, no namespace.
fn check_named(engine: &Engine, namespace: &str, nothing_named: bool) -> Result<(), Reject> {
    if !namespace.is_empty() {
        engine.namespaces.require(namespace)?;
    }
    if nothing_named {
        return Err(Reject::InvalidArgument(
            "SearchAttributes are not set on request.".to_owned(),
        ));
    }
    Ok(())
}

fn namespace_mut<'a>(engine: &'a mut Engine, name: &str) -> Result<&'a mut Namespace, Reject> {
    match (engine.namespaces.get_mut(name), name) {
        (Some(namespace), _) => Ok(namespace),
        (None, "") => Err(Reject::InvalidArgument("Namespace is not set on request.".to_owned())),
        (None, name) => Err(Reject::NamespaceNotFound(name.to_owned())),
    }
}
