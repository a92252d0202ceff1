//! One worker deployment: its versions and its manager (Temporal: `service/worker/workerdeployment/workflow.go`).

mod promote;

use std::collections::BTreeMap;

use temporalio_protos::temporal::api::deployment::v1 as wire;
use temporalio_protos::temporal::api::deployment::v1::worker_deployment_info::WorkerDeploymentVersionSummary as Summary;
use temporalio_protos::temporal::api::enums::v1::{
    RoutingConfigUpdateState, VersionDrainageStatus as DrainageStatus, WorkerDeploymentVersionStatus as Status,
};
use temporalio_protos::temporal::api::workflowservice::v1::list_worker_deployments_response::WorkerDeploymentSummary;

pub(crate) use promote::{SetCurrent, SetRamping};

use super::drainage::{Drainage, PinnedRuns};
use super::routing::Routing;
use super::version::Version;
use super::version_state::{QueueOfVersion, Sync, VersionState};
use crate::clock::Timestamp;
use crate::temporal::proto::timestamp;
use crate::temporal::reject::Reject;

/// Versions of one deployment (dynamic config `matching.maxVersionsInDeployment`).
const MAX_VERSIONS: usize = 100;

/// Queues of one version (dynamic config `matching.maxTaskQueuesInDeploymentVersion`).
const MAX_QUEUES_OF_VERSION: usize = 100;

/// What a deployment must know of queues, which belong to others.
pub(crate) trait Queues {
    /// Whether a version's workers poll a queue, or did a short while ago.
    fn has_pollers(&self, version: &Version, queue: &QueueOfVersion) -> bool;
    /// Whether a queue that belongs to a version has tasks, or got some a short while ago.
    fn is_in_use(&self, version: &Version, queue: &QueueOfVersion) -> bool;
}

/// A deployment.
#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    pub(crate) name: String,
    /// When it last changed in any way: lists show the latest first.
    pub(crate) touched: Timestamp,
    pub(crate) create_request_id: String,
    pub(crate) conflict_token: Vec<u8>,
    created: Timestamp,
    routing: Routing,
    last_modifier: String,
    manager: String,
    /// By build id.
    versions: BTreeMap<String, Listed>,
}

/// A version in its deployment's list.
#[derive(Clone, Debug)]
struct Listed {
    state: VersionState,
    /// What the deployment was last told of it, and what it wrote beside that.
    summary: Summary,
    create_request_id: String,
}

impl Listed {
    fn new(state: VersionState, create_request_id: String) -> Self {
        Self {
            summary: state.summary(),
            state,
            create_request_id,
        }
    }

    /// The deployment notes a drainage ahead of the version's own word.
    fn note_drainage(&mut self, status: DrainageStatus, at: Timestamp) {
        self.summary.drainage_status = status as i32;
        self.summary.drainage_info = Some(Drainage::of(status, at).to_wire());
    }
}

impl Deployment {
    pub(crate) fn new(name: &str, create_request_id: &str, identity: &str, at: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            touched: at,
            create_request_id: create_request_id.to_owned(),
            conflict_token: token(at),
            created: at,
            routing: Routing::default(),
            last_modifier: identity.to_owned(),
            manager: String::new(),
            versions: BTreeMap::new(),
        }
    }

    /// A worker of a version polls a queue for the first time.
    pub(crate) fn register(
        &mut self,
        queues: &dyn Queues,
        version: &Version,
        queue: QueueOfVersion,
        at: Timestamp,
    ) -> Result<Vec<Sync>, Reject> {
        let mut syncs = self.add_version(queues, version, at).map_err(Reject::DeploymentLimit)?;
        self.touched = at;
        let Some(listed) = self.versions.get_mut(&version.build_id) else {
            return Ok(syncs);
        };
        let state = &mut listed.state;
        if !state.queues.contains(&queue) {
            let mut names: Vec<&str> = state.queues.iter().map(|queue| queue.name.as_str()).collect();
            names.dedup();
            if names.len() >= MAX_QUEUES_OF_VERSION {
                return Err(Reject::DeploymentLimit(format!(
                    "cannot add task queue {} since maximum number of task queues ({MAX_QUEUES_OF_VERSION}) have been \
                     registered in deployment",
                    queue.name
                )));
            }
            state.queues.insert(queue.clone());
            if state.status == Status::Created {
                state.status = Status::Inactive;
            }
        }
        if listed.summary.status == Status::Created as i32 {
            listed.summary.status = Status::Inactive as i32;
        }
        syncs.push(Sync::Update(version.clone(), vec![queue], self.routing.clone()));
        Ok(syncs)
    }

    /// The RPC `CreateWorkerDeploymentVersion`.
    pub(crate) fn create_version(
        &mut self,
        queues: &dyn Queues,
        version: &Version,
        request_id: &str,
        at: Timestamp,
    ) -> Result<Vec<Sync>, Reject> {
        if let Some(listed) = self.versions.get(&version.build_id) {
            return match listed.create_request_id == request_id {
                true => Ok(Vec::new()),
                false => Err(Reject::AlreadyExists(format!(
                    "Worker Deployment Version {:?} already exists",
                    version.dotted()
                ))),
            };
        }
        let syncs = self.make_room(queues, version, at).map_err(Reject::DeploymentLimit)?;
        let state = VersionState::new(version.clone(), Status::Created, at, "");
        self.versions
            .insert(version.build_id.clone(), Listed::new(state, request_id.to_owned()));
        self.touched = at;
        Ok(syncs)
    }

    /// The RPC `DeleteWorkerDeploymentVersion`; a version that isn't there is as good as deleted.
    pub(crate) fn delete_version(
        &mut self,
        queues: &dyn Queues,
        version: &Version,
        skip_drainage: bool,
        identity: &str,
        at: Timestamp,
    ) -> Result<Vec<Sync>, Reject> {
        if !self.versions.contains_key(&version.build_id) {
            return Ok(Vec::new());
        }
        self.check_unused(version)?;
        self.check_manager(identity)?;
        let sync = self.remove(queues, version, skip_drainage, at)?;
        identity.clone_into(&mut self.last_modifier);
        Ok(vec![sync])
    }

    /// The RPC `SetWorkerDeploymentManager`. Gives the manager until now.
    pub(crate) fn set_manager(
        &mut self,
        manager: &str,
        identity: &str,
        conflict_token: &[u8],
        at: Timestamp,
    ) -> Result<String, Reject> {
        if self.manager == manager && self.last_modifier == identity {
            return Ok(manager.to_owned());
        }
        self.check_token(conflict_token)?;
        self.conflict_token = token(at);
        self.touched = at;
        identity.clone_into(&mut self.last_modifier);
        Ok(std::mem::replace(&mut self.manager, manager.to_owned()))
    }

    /// Refuses to delete a deployment that has versions.
    pub(crate) fn check_empty(&self) -> Result<(), Reject> {
        match self.versions.is_empty() {
            true => Ok(()),
            false => Err(Reject::FailedPrecondition(
                "deployment has versions, can't be deleted".to_owned(),
            )),
        }
    }

    pub(crate) fn version(&self, build_id: &str) -> Option<&VersionState> {
        self.versions.get(build_id).map(|listed| &listed.state)
    }

    /// A version that is to be changed in ways that its deployment doesn't list.
    pub(crate) fn version_mut(&mut self, build_id: &str) -> Option<&mut VersionState> {
        self.versions.get_mut(build_id).map(|listed| &mut listed.state)
    }

    /// A workflow is pinned to a version that nobody uses.
    pub(crate) fn reactivate(&mut self, build_id: &str, at: Timestamp) {
        if let Some(listed) = self.versions.get_mut(build_id)
            && listed.state.reactivate(at)
        {
            listed.summary = listed.state.summary();
            self.touched = at;
        }
    }

    /// Looks which versions have drained meanwhile.
    pub(crate) fn refresh(&mut self, now: Timestamp, pinned: impl Fn(&Version) -> PinnedRuns) {
        for listed in self.versions.values_mut().filter(|listed| listed.state.is_draining()) {
            let runs = pinned(&listed.state.version);
            if listed.state.refresh(now, runs) {
                listed.summary = listed.state.summary();
            }
        }
    }

    /// As `DescribeWorkerDeployment` shows it: the latest version first.
    pub(crate) fn info(&self) -> wire::WorkerDeploymentInfo {
        wire::WorkerDeploymentInfo {
            name: self.name.clone(),
            version_summaries: self.by_age().rev().map(|listed| listed.summary.clone()).collect(),
            create_time: Some(timestamp(self.created)),
            routing_config: Some(self.routing.to_wire()),
            last_modifier_identity: self.last_modifier.clone(),
            manager_identity: self.manager.clone(),
            routing_config_update_state: RoutingConfigUpdateState::Completed as i32,
        }
    }

    /// As `ListWorkerDeployments` shows it.
    pub(crate) fn summary(&self) -> WorkerDeploymentSummary {
        let listed = |version: Option<&Version>| self.listed_summary(self.versions.get(&version?.build_id));
        WorkerDeploymentSummary {
            name: self.name.clone(),
            create_time: Some(timestamp(self.created)),
            routing_config: Some(self.routing.to_wire()),
            latest_version_summary: self.listed_summary(self.by_age().next_back()),
            current_version_summary: listed(self.routing.current.as_ref()),
            ramping_version_summary: listed(self.routing.ramp.version()),
        }
    }

    /// Without the deprecated field, which lists leave out.
    fn listed_summary(&self, listed: Option<&Listed>) -> Option<Summary> {
        Some(Summary {
            drainage_status: 0,
            ..listed?.summary.clone()
        })
    }

    fn by_age(&self) -> impl DoubleEndedIterator<Item = &Listed> {
        let mut versions: Vec<&Listed> = self.versions.values().collect();
        versions.sort_by_key(|listed| listed.state.created);
        versions.into_iter()
    }

    /// Adds a version that isn't there, in the place of an old one if there are too many.
    fn add_version(&mut self, queues: &dyn Queues, version: &Version, at: Timestamp) -> Result<Vec<Sync>, String> {
        if self.versions.contains_key(&version.build_id) {
            return Ok(Vec::new());
        }
        let syncs = self.make_room(queues, version, at)?;
        let state = VersionState::new(version.clone(), Status::Inactive, at, "");
        self.versions
            .insert(version.build_id.clone(), Listed::new(state, String::new()));
        Ok(syncs)
    }

    /// Deletes the oldest version that may be deleted, if there are too many.
    fn make_room(&mut self, queues: &dyn Queues, version: &Version, at: Timestamp) -> Result<Vec<Sync>, String> {
        if self.versions.len() < MAX_VERSIONS {
            return Ok(Vec::new());
        }
        let oldest_first: Vec<Version> = self.by_age().map(|listed| listed.state.version.clone()).collect();
        for old in oldest_first {
            if self.check_unused(&old).is_ok()
                && let Ok(sync) = self.remove(queues, &old, false, at)
            {
                return Ok(vec![sync]);
            }
        }
        Err(format!(
            "cannot add version {} since maximum number of versions ({MAX_VERSIONS}) have been registered in the \
             deployment",
            version.dotted()
        ))
    }

    fn remove(
        &mut self,
        queues: &dyn Queues,
        version: &Version,
        skip_drainage: bool,
        at: Timestamp,
    ) -> Result<Sync, Reject> {
        let Some(listed) = self.versions.get(&version.build_id) else {
            return Ok(Sync::Forget(version.clone(), Vec::new()));
        };
        let refuse = |why: &str| {
            Err(Reject::FailedPrecondition(format!(
                "version '{}' cannot be deleted since it {why}",
                version.colon()
            )))
        };
        if !skip_drainage && listed.state.is_draining() {
            return refuse("is draining");
        }
        if listed
            .state
            .queues
            .iter()
            .any(|queue| queues.has_pollers(version, queue))
        {
            return refuse("has active pollers");
        }
        let its_queues = listed.state.queues.iter().cloned().collect();
        self.versions.remove(&version.build_id);
        self.touched = at;
        Ok(Sync::Forget(version.clone(), its_queues))
    }

    fn check_unused(&self, version: &Version) -> Result<(), Reject> {
        let used = self.routing.current.as_ref() == Some(version) || self.routing.ramp.version() == Some(version);
        match used {
            true => Err(Reject::FailedPrecondition(format!(
                "version '{}' cannot be deleted since it is current or ramping",
                version.colon()
            ))),
            false => Ok(()),
        }
    }

    fn check_manager(&self, identity: &str) -> Result<(), Reject> {
        match self.manager.is_empty() || self.manager == identity {
            true => Ok(()),
            false => Err(Reject::FailedPrecondition(format!(
                "ManagerIdentity '{}' is set and does not match user identity '{identity}'; to proceed, set your own \
                 identity as the ManagerIdentity, remove the ManagerIdentity, or wait for the other client to do so",
                self.manager
            ))),
        }
    }

    fn check_token(&self, conflict_token: &[u8]) -> Result<(), Reject> {
        match conflict_token.is_empty() || conflict_token == self.conflict_token {
            true => Ok(()),
            false => Err(Reject::FailedPrecondition("conflict token mismatch".to_owned())),
        }
    }
}

/// A moment as Go's `time.MarshalBinary` writes it, in UTC: what Temporal gives as a conflict token.
fn token(at: Timestamp) -> Vec<u8> {
    /// From year 1, where Go's time begins, to 1970.
    const SECONDS_BEFORE_1970: u64 = 62_135_596_800;
    let seconds = at.as_seconds().saturating_add(SECONDS_BEFORE_1970);
    let mut token = vec![1];
    token.extend(seconds.to_be_bytes());
    token.extend(at.subsecond_nanoseconds().to_be_bytes());
    token.extend([0xff, 0xff]);
    token
}
