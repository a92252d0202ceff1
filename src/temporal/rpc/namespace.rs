//! Namespaces: register, describe, list, update, deprecate.

use std::collections::BTreeMap;

use temporalio_protos::temporal::api::enums::v1::NamespaceState;
use temporalio_protos::temporal::api::namespace::v1 as ns;
use temporalio_protos::temporal::api::replication::v1::NamespaceReplicationConfig;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, check_length};
use crate::temporal::engine::{Call, Engine, Namespace};
use crate::temporal::proto::{duration, proto_duration};
use crate::temporal::reject::Reject;

/// Namespaces in one page of a list.
const PAGE: usize = 100;

pub(super) fn register(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::RegisterNamespaceRequest,
) -> Result<Answer<wire::RegisterNamespaceResponse>, Reject> {
    if request.namespace.is_empty() {
        return Err(Reject::InvalidArgument("Namespace not set on request.".to_owned()));
    }
    check_length("Namespace", &request.namespace)?;
    let Some(retention) = duration(request.workflow_execution_retention_period.as_ref()) else {
        return Err(Reject::InvalidArgument(
            "A valid retention period is not set on request.".to_owned(),
        ));
    };
    let id = engine.entropy.uuid();
    engine.namespaces.register(Namespace {
        id,
        name: request.namespace,
        description: request.description,
        owner_email: request.owner_email,
        data: request.data.into_iter().collect(),
        retention,
        deprecated: false,
    })?;
    Ok(Answer::Now(wire::RegisterNamespaceResponse {}))
}

pub(super) fn describe(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::DescribeNamespaceRequest,
) -> Result<Answer<wire::DescribeNamespaceResponse>, Reject> {
    let namespace = match request.id.as_str() {
        "" => engine.namespaces.require(&request.namespace)?,
        id => engine
            .namespaces
            .by_id(id)
            .ok_or_else(|| Reject::NamespaceNotFound(id.to_owned()))?,
    };
    Ok(Answer::Now(described(engine, namespace)))
}

pub(super) fn list(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListNamespacesRequest,
) -> Result<Answer<wire::ListNamespacesResponse>, Reject> {
    let after = String::from_utf8(request.next_page_token)
        .map_err(|_| Reject::InvalidArgument("Invalid NextPageToken.".to_owned()))?;
    let size = usize::try_from(request.page_size)
        .ok()
        .filter(|size| *size > 0)
        .unwrap_or(PAGE);
    let mut rest = engine.namespaces.iter().filter(|namespace| namespace.name > after);
    let page: Vec<_> = rest.by_ref().take(size.min(PAGE)).collect();
    let next_page_token = match (page.last(), rest.next()) {
        (Some(last), Some(_)) => last.name.clone().into_bytes(),
        _ => Vec::new(),
    };
    Ok(Answer::Now(wire::ListNamespacesResponse {
        namespaces: page.into_iter().map(|namespace| described(engine, namespace)).collect(),
        next_page_token,
    }))
}

pub(super) fn update(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::UpdateNamespaceRequest,
) -> Result<Answer<wire::UpdateNamespaceResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let Some(namespace) = engine.namespaces.get_mut(&request.namespace) else {
        return Err(Reject::NamespaceNotFound(request.namespace));
    };
    if let Some(update) = request.update_info {
        if !update.description.is_empty() {
            namespace.description = update.description;
        }
        if !update.owner_email.is_empty() {
            namespace.owner_email = update.owner_email;
        }
        namespace.data.extend(update.data);
    }
    let retention = request
        .config
        .as_ref()
        .and_then(|config| duration(config.workflow_execution_retention_ttl.as_ref()));
    if let Some(retention) = retention {
        namespace.retention = retention;
    }
    let described = described(engine, engine.namespaces.require(&request.namespace)?);
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
        namespace.deprecated = true;
    }
    Ok(Answer::Now(wire::DeprecateNamespaceResponse {}))
}

fn described(engine: &Engine, namespace: &Namespace) -> wire::DescribeNamespaceResponse {
    let state = match namespace.deprecated {
        true => NamespaceState::Deprecated,
        false => NamespaceState::Registered,
    };
    let data: BTreeMap<_, _> = namespace.data.clone();
    wire::DescribeNamespaceResponse {
        namespace_info: Some(ns::NamespaceInfo {
            name: namespace.name.clone(),
            state: state as i32,
            description: namespace.description.clone(),
            owner_email: namespace.owner_email.clone(),
            data: data.into_iter().collect(),
            id: namespace.id.clone(),
            capabilities: Some(ns::namespace_info::Capabilities {
                sync_update: true,
                async_update: true,
                worker_poll_complete_on_shutdown: engine.completes_polls_at_shutdown(),
                standalone_activities: true,
                standalone_activity_start_delay: true,
                workflow_pause: true,
                ..Default::default()
            }),
            ..Default::default()
        }),
        config: Some(ns::NamespaceConfig {
            workflow_execution_retention_ttl: Some(proto_duration(namespace.retention)),
            ..Default::default()
        }),
        replication_config: Some(NamespaceReplicationConfig {
            active_cluster_name: "active".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}
