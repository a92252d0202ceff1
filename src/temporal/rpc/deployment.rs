//! Worker deployments: their versions, which is current, which is ramped to, and who may change that.

use std::collections::BTreeMap;

use temporalio_protos::temporal::api::deployment::v1::{self as deployment, WorkerDeploymentOptions};
use temporalio_protos::temporal::api::enums::v1::{TaskQueueKind, WorkerVersioningMode};
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;
use wire::describe_worker_deployment_version_response::VersionTaskQueue;
use wire::set_worker_deployment_manager_request::NewManagerIdentity;

use super::Answer;
use crate::temporal::config::DynamicConfig;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::matching::{QueueKey, Workers, total};
use crate::temporal::reject::Reject;
use crate::temporal::versioning::{
    Deployments, Ramp, SetCurrent, SetRamping, Version, WorkerGroup, check_build_id, check_deployment_name, dotted,
    invalid_version,
};

/// Deployments on one page of a list (dynamic config `frontend.visibilityMaxPageSize`).
const MAX_PAGE: usize = 1_000;

pub(super) fn describe(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DescribeWorkerDeploymentRequest,
) -> Result<Answer<wire::DescribeWorkerDeploymentResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_deployment_name(&engine.config, &request.deployment_name)?;
    let found = engine.deployment(call.now, &request.namespace, &request.deployment_name);
    let Some(deployment) = found else {
        engine
            .deployments
            .require(&request.namespace, &request.deployment_name)?;
        return Err(Reject::workflow_not_found(&request.deployment_name));
    };
    Ok(Answer::Now(wire::DescribeWorkerDeploymentResponse {
        conflict_token: deployment.conflict_token.clone(),
        worker_deployment_info: Some(deployment.info()),
    }))
}

pub(super) fn describe_version(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DescribeWorkerDeploymentVersionRequest,
) -> Result<Answer<wire::DescribeWorkerDeploymentVersionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    #[expect(deprecated, reason = "clients may still send it")]
    let text = match (request.version.is_empty(), &request.deployment_version) {
        (false, _) => request.version.clone(),
        (true, Some(version)) => Version::from_wire(version).dotted(),
        (true, None) => {
            return Err(Reject::InvalidArgument("deployment version cannot be empty".to_owned()));
        }
    };
    let version = Version::parse(&text).map_err(|_| invalid_version(&text))?;
    let version = version.unwrap_or_else(|| Version::new("", ""));
    check_deployment_name(&engine.config, &version.deployment)?;
    check_build_id(&engine.config, &version.build_id)?;
    let found = engine
        .deployment(call.now, &request.namespace, &version.deployment)
        .and_then(|deployment| deployment.version(&version.build_id));
    let Some(state) = found else {
        return Err(Reject::NotFound("Worker Deployment Version not found".to_owned()));
    };
    let info = state.info();
    let queues = state.queues.clone();
    let version_task_queues = queues
        .into_iter()
        .map(|queue| {
            let key = QueueKey {
                namespace: request.namespace.as_str().into(),
                kind: queue.kind,
                name: queue.name.as_str().into(),
            };
            let stats = match request.report_task_queue_stats {
                true => engine
                    .matching
                    .stats(call.now, &key, Workers::Of(WorkerGroup::Version(version.clone()))),
                false => BTreeMap::new(),
            };
            VersionTaskQueue {
                name: queue.name,
                r#type: queue.kind.to_wire() as i32,
                stats: request.report_task_queue_stats.then(|| total(&stats)),
                stats_by_priority_key: stats.into_iter().collect(),
            }
        })
        .collect();
    Ok(Answer::Now(wire::DescribeWorkerDeploymentVersionResponse {
        worker_deployment_version_info: Some(info),
        version_task_queues,
    }))
}

pub(super) fn list(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ListWorkerDeploymentsRequest,
) -> Result<Answer<wire::ListWorkerDeploymentsResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let size = match usize::try_from(request.page_size) {
        Ok(size @ 1..=MAX_PAGE) => size,
        _ => MAX_PAGE,
    };
    let after = page_start(&request.next_page_token)?;
    let deployments = engine.deployments.latest_first(&request.namespace);
    let mut rest = deployments
        .into_iter()
        .filter(|deployment| after.is_none_or(|after| deployment.touched.as_nanoseconds() < after))
        .peekable();
    let mut page = Vec::new();
    let mut last = 0;
    while page.len() < size
        && let Some(deployment) = rest.next()
    {
        last = deployment.touched.as_nanoseconds();
        page.push(deployment.summary());
    }
    let next_page_token = match rest.peek() {
        Some(_) => last.to_string().into_bytes(),
        None => Vec::new(),
    };
    Ok(Answer::Now(wire::ListWorkerDeploymentsResponse {
        next_page_token,
        worker_deployments: page,
    }))
}

pub(super) fn set_current(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::SetWorkerDeploymentCurrentVersionRequest,
) -> Result<Answer<wire::SetWorkerDeploymentCurrentVersionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let name = request.deployment_name.clone();
    if name.is_empty() {
        return Err(Reject::InvalidArgument("deployment name cannot be empty".to_owned()));
    }
    #[expect(deprecated, reason = "clients may still send it")]
    let text = match (request.version.is_empty(), request.build_id.is_empty()) {
        (false, _) => request.version.clone(),
        (true, true) => dotted(None),
        (true, false) => Version::new(&name, &request.build_id).dotted(),
    };
    let version = of_deployment(&text, &name)?;
    check_deployment_name(&engine.config, &name)?;
    if let Some(version) = version.as_ref().filter(|_| request.allow_no_pollers) {
        check_build_id(&engine.config, &version.build_id)?;
    }
    let change = SetCurrent {
        text,
        version,
        identity: request.identity,
        ignore_missing_queues: request.ignore_missing_task_queues,
        conflict_token: request.conflict_token,
        allow_no_pollers: request.allow_no_pollers,
    };
    let request_id = engine.entropy.uuid();
    let promoted = engine.change_deployments(call.now, &request.namespace, |deployments, queues, at| {
        let deployment = match change.allow_no_pollers {
            true => deployments.get_or_create(&request.namespace, &name, &request_id, "", at)?,
            false => deployments.require(&request.namespace, &name)?,
        };
        let mut promoted = deployment.set_current(queues, change, at)?;
        let syncs = std::mem::take(&mut promoted.syncs);
        Ok((promoted, syncs))
    })?;
    #[expect(deprecated, reason = "the real server fills in the old fields too")]
    Ok(Answer::Now(wire::SetWorkerDeploymentCurrentVersionResponse {
        conflict_token: promoted.conflict_token,
        previous_deployment_version: previous(&promoted.previous),
        previous_version: promoted.previous,
    }))
}

pub(super) fn set_ramping(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::SetWorkerDeploymentRampingVersionRequest,
) -> Result<Answer<wire::SetWorkerDeploymentRampingVersionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let name = request.deployment_name.clone();
    let text = ramp_text(&request);
    if !(0.0..=100.0).contains(&request.percentage) {
        return Err(Reject::InvalidArgument(
            "Percentage must be between 0 and 100 (inclusive)".to_owned(),
        ));
    }
    let ramp = match text.as_str() {
        "" => Ramp::None,
        text => of_deployment(text, &name)?.map_or(Ramp::Unversioned, Ramp::Version),
    };
    check_deployment_name(&engine.config, &name)?;
    if let Some(version) = ramp.version().filter(|_| request.allow_no_pollers) {
        check_build_id(&engine.config, &version.build_id)?;
    }
    let change = SetRamping {
        text,
        ramp,
        percentage: request.percentage,
        identity: request.identity,
        ignore_missing_queues: request.ignore_missing_task_queues,
        conflict_token: request.conflict_token,
        allow_no_pollers: request.allow_no_pollers,
    };
    let request_id = engine.entropy.uuid();
    let promoted = engine.change_deployments(call.now, &request.namespace, |deployments, queues, at| {
        let deployment = match change.allow_no_pollers {
            true => deployments.get_or_create(&request.namespace, &name, &request_id, "", at)?,
            false => deployments.require(&request.namespace, &name)?,
        };
        let mut promoted = deployment.set_ramping(queues, change, at)?;
        let syncs = std::mem::take(&mut promoted.syncs);
        Ok((promoted, syncs))
    })?;
    #[expect(deprecated, reason = "the real server fills in the old fields too")]
    Ok(Answer::Now(wire::SetWorkerDeploymentRampingVersionResponse {
        conflict_token: promoted.conflict_token,
        previous_deployment_version: previous(&promoted.previous),
        previous_version: promoted.previous,
        previous_percentage: promoted.previous_percentage,
    }))
}

pub(super) fn create(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::CreateWorkerDeploymentRequest,
) -> Result<Answer<wire::CreateWorkerDeploymentResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    if request.deployment_name.is_empty() {
        return Err(Reject::InvalidArgument("deployment name cannot be empty".to_owned()));
    }
    check_deployment_name(&engine.config, &request.deployment_name)?;
    let (namespace, name) = (&request.namespace, &request.deployment_name);
    let request_id = own_or_random(engine, &request.request_id);
    let conflict_token = engine.change_deployments(call.now, namespace, |deployments, _, at| {
        let token = deployments.create(namespace, name, &request_id, &request.identity, at)?;
        Ok((token, Vec::new()))
    })?;
    Ok(Answer::Now(wire::CreateWorkerDeploymentResponse { conflict_token }))
}

pub(super) fn create_version(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::CreateWorkerDeploymentVersionRequest,
) -> Result<Answer<wire::CreateWorkerDeploymentVersionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    let version = required_version(request.deployment_version.as_ref())?;
    check_deployment_name(&engine.config, &version.deployment)?;
    check_build_id(&engine.config, &version.build_id)?;
    if request.compute_config.is_some() {
        return Err(Reject::Unimplemented(
            "awaithumans-testkit doesn't serve compute_config yet: there are no worker controllers".to_owned(),
        ));
    }
    let request_id = own_or_random(engine, &request.request_id);
    engine.change_deployments(call.now, &request.namespace, |deployments, queues, at| {
        let deployment = deployments.require(&request.namespace, &version.deployment)?;
        Ok(((), deployment.create_version(queues, &version, &request_id, at)?))
    })?;
    Ok(Answer::Now(wire::CreateWorkerDeploymentVersionResponse {}))
}

pub(super) fn delete(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DeleteWorkerDeploymentRequest,
) -> Result<Answer<wire::DeleteWorkerDeploymentResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    check_deployment_name(&engine.config, &request.deployment_name)?;
    let (namespace, name) = (&request.namespace, &request.deployment_name);
    engine.change_deployments(call.now, namespace, |deployments, _, _| {
        if let Some(deployment) = deployments.get(namespace, name) {
            deployment.check_empty()?;
            deployments.remove(namespace, name);
        }
        Ok(((), Vec::new()))
    })?;
    Ok(Answer::Now(wire::DeleteWorkerDeploymentResponse {}))
}

pub(super) fn delete_version(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::DeleteWorkerDeploymentVersionRequest,
) -> Result<Answer<wire::DeleteWorkerDeploymentVersionResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    #[expect(deprecated, reason = "clients may still send it")]
    let text = match &request.deployment_version {
        Some(version) => Version::from_wire(version).dotted(),
        None => request.version.clone(),
    };
    let version = Version::parse(&text).map_err(|_| invalid_version(&text))?;
    let version = version.unwrap_or_else(|| Version::new("", ""));
    check_deployment_name(&engine.config, &version.deployment)?;
    let identity = own_or_random(engine, &request.identity);
    engine.change_deployments(call.now, &request.namespace, |deployments, queues, at| {
        let deployment = deployments.require_workflow(&request.namespace, &version.deployment)?;
        let syncs = deployment.delete_version(queues, &version, request.skip_drainage, &identity, at)?;
        Ok(((), syncs))
    })?;
    Ok(Answer::Now(wire::DeleteWorkerDeploymentVersionResponse {}))
}

pub(super) fn update_metadata(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UpdateWorkerDeploymentVersionMetadataRequest,
) -> Result<Answer<wire::UpdateWorkerDeploymentVersionMetadataResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    if request.remove_entries.is_empty() && request.upsert_entries.is_empty() {
        return Err(Reject::InvalidArgument(
            "At least one of remove_entries or upsert_entries must be provided".to_owned(),
        ));
    }
    #[expect(deprecated, reason = "clients may still send it")]
    let version = match &request.deployment_version {
        Some(version) => Some(Version::from_wire(version)),
        None => Version::parse(&request.version).ok().flatten(),
    };
    let version = version.unwrap_or_else(|| Version::new("", ""));
    let upserts: BTreeMap<_, _> = request.upsert_entries.into_iter().collect();
    let (removals, identity) = (&request.remove_entries, &request.identity);
    let metadata = engine.change_deployments(call.now, &request.namespace, |deployments, _, _| {
        let state = deployments
            .get_mut(&request.namespace, &version.deployment)
            .and_then(|deployment| deployment.version_mut(&version.build_id))
            .ok_or_else(|| Reject::workflow_not_found(&version.workflow_id()))?;
        Ok((state.update_metadata(upserts, removals, identity), Vec::new()))
    })?;
    Ok(Answer::Now(wire::UpdateWorkerDeploymentVersionMetadataResponse {
        metadata,
    }))
}

pub(super) fn set_manager(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::SetWorkerDeploymentManagerRequest,
) -> Result<Answer<wire::SetWorkerDeploymentManagerResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    if request.identity.is_empty() {
        return Err(Reject::InvalidArgument("Identity is required".to_owned()));
    }
    check_deployment_name(&engine.config, &request.deployment_name)?;
    let manager = match &request.new_manager_identity {
        Some(NewManagerIdentity::Self_(true)) => &request.identity,
        Some(NewManagerIdentity::ManagerIdentity(manager)) => manager,
        Some(NewManagerIdentity::Self_(false)) | None => "",
    };
    let (namespace, name) = (&request.namespace, &request.deployment_name);
    let (previous_manager_identity, conflict_token) =
        engine.change_deployments(call.now, namespace, |deployments: &mut Deployments, _, at| {
            let deployment = deployments.require_workflow(namespace, name)?;
            let previous = deployment.set_manager(manager, &request.identity, &request.conflict_token, at)?;
            Ok(((previous, deployment.conflict_token.clone()), Vec::new()))
        })?;
    #[expect(deprecated, reason = "the real server fills it in")]
    Ok(Answer::Now(wire::SetWorkerDeploymentManagerResponse {
        conflict_token,
        previous_manager_identity,
    }))
}

/// The one field that counts where a request is refused anyway. It is the first of each.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct OnlyNamespace {
    #[prost(string, tag = "1")]
    namespace: String,
}

/// What all RPCs of the pre-release of deployments answer.
pub(super) fn pre_release(engine: &mut Engine, _: &Call<'_>, request: OnlyNamespace) -> Result<Answer<()>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    Err(Reject::Unimplemented(
        "Deployments are deprecated and no longer supported, use Worker Deployments instead".to_owned(),
    ))
}

/// Refuses what no worker may say of its version, in a poll or an answer.
pub(super) fn check_worker(
    config: &DynamicConfig,
    use_versioning: bool,
    build_id: &str,
    options: Option<&WorkerDeploymentOptions>,
    queue: Option<&TaskQueue>,
) -> Result<(), Reject> {
    let refuse = |why: &str| Err(Reject::InvalidArgument(why.to_owned()));
    if use_versioning && !config.versioning_workflow {
        return Err(Reject::PermissionDenied(
            "Worker versioning in workflow progress APIs is disabled on this namespace.".to_owned(),
        ));
    }
    let lacks_normal_name =
        queue.is_some_and(|queue| queue.kind == TaskQueueKind::Sticky as i32 && queue.normal_name.is_empty());
    if lacks_normal_name && (use_versioning || options.is_some()) {
        return refuse(
            "NormalName must be set on sticky queue when UseVersioning is true or DeploymentOptions are set.",
        );
    }
    if use_versioning && build_id.is_empty() {
        return refuse("WorkerVersionStamp must be present if UseVersioning is true.");
    }
    if build_id.len() > config.build_id_bytes {
        return refuse("Build ID exceeds configured limit.workerBuildIdSize, use a shorter build ID.");
    }
    let is_versioned =
        |it: &&WorkerDeploymentOptions| it.worker_versioning_mode == WorkerVersioningMode::Versioned as i32;
    let Some(options) = options.filter(is_versioned) else {
        return Ok(());
    };
    if options.deployment_name.is_empty() || options.build_id.is_empty() {
        return refuse("Deployment name and build id must be set together.");
    }
    check_deployment_name(config, &options.deployment_name)?;
    check_build_id(config, &options.build_id)
}

/// Refuses a worker's identity that is too long.
pub(super) fn check_identity(config: &DynamicConfig, identity: &str) -> Result<(), Reject> {
    match config.is_too_long(identity) {
        true => Err(Reject::InvalidArgument("Identity length exceeds limit.".to_owned())),
        false => Ok(()),
    }
}

/// The version that a request means, which must be one of the named deployment.
fn of_deployment(text: &str, name: &str) -> Result<Option<Version>, Reject> {
    let version =
        Version::parse(text).map_err(|why| Reject::InvalidArgument(format!("invalid version string: {why}")))?;
    match version.as_ref().is_some_and(|version| version.deployment != name) {
        true => Err(Reject::InvalidArgument(format!(
            "invalid version string '{text}' does not match deployment name '{name}'"
        ))),
        false => Ok(version),
    }
}

/// The text of the version to ramp to, over the generations of the request. Empty: to none.
fn ramp_text(request: &wire::SetWorkerDeploymentRampingVersionRequest) -> String {
    #[expect(deprecated, reason = "clients may still send it")]
    let text = request.version.clone();
    let unversioned = dotted(None);
    let is_percentage = request.percentage > 0.0;
    match (text.is_empty(), request.build_id.is_empty()) {
        (true, true) if is_percentage => unversioned,
        (true, false) => Version::new(&request.deployment_name, &request.build_id).dotted(),
        // An older Go SDK says it so when it ends a ramp.
        (false, true) if text == unversioned && request.percentage == 0.0 => String::new(),
        _ => text,
    }
}

fn previous(text: &str) -> Option<deployment::WorkerDeploymentVersion> {
    let version = Version::parse(text).ok().flatten();
    version.map(|version| version.to_wire())
}

fn required_version(version: Option<&deployment::WorkerDeploymentVersion>) -> Result<Version, Reject> {
    let version = version.map_or_else(|| Version::new("", ""), Version::from_wire);
    if version.deployment.is_empty() {
        return Err(Reject::InvalidArgument("deployment name cannot be empty".to_owned()));
    }
    if version.build_id.is_empty() {
        return Err(Reject::InvalidArgument("build ID cannot be empty".to_owned()));
    }
    Ok(version)
}

fn own_or_random(engine: &mut Engine, own: &str) -> String {
    match own.is_empty() {
        true => engine.entropy.uuid(),
        false => own.to_owned(),
    }
}

fn page_start(token: &[u8]) -> Result<Option<u64>, Reject> {
    if token.is_empty() {
        return Ok(None);
    }
    let start = std::str::from_utf8(token).ok().and_then(|text| text.parse().ok());
    start
        .map(Some)
        .ok_or_else(|| Reject::InvalidArgument("unable to parse page token".to_owned()))
}
