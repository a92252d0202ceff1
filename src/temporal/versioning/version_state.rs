//! One version of a deployment (Temporal: `service/worker/workerdeployment/version_workflow.go`).

use std::collections::{BTreeMap, BTreeSet};

use temporalio_protos::temporal::api::common::v1::Payload;
use temporalio_protos::temporal::api::deployment::v1 as wire;
use temporalio_protos::temporal::api::deployment::v1::worker_deployment_info::WorkerDeploymentVersionSummary as Summary;
use temporalio_protos::temporal::api::deployment::v1::worker_deployment_version_info::VersionTaskQueueInfo;
use temporalio_protos::temporal::api::enums::v1::{
    VersionDrainageStatus as DrainageStatus, WorkerDeploymentVersionStatus as Status,
};

use super::drainage::{Drainage, PinnedRuns};
use super::routing::Routing;
use super::version::Version;
use crate::clock::Timestamp;
use crate::temporal::matching::Kind;
use crate::temporal::proto::timestamp;

/// A queue that a version's workers poll.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueOfVersion {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// A version, by itself.
#[derive(Clone, Debug)]
pub(crate) struct VersionState {
    pub(crate) version: Version,
    pub(crate) status: Status,
    pub(crate) queues: BTreeSet<QueueOfVersion>,
    pub(crate) created: Timestamp,
    pub(crate) last_modifier: String,
    metadata: Option<BTreeMap<String, Payload>>,
    routing_updated: Option<Timestamp>,
    current_since: Option<Timestamp>,
    ramping_since: Option<Timestamp>,
    ramp_percentage: f32,
    first_activation: Option<Timestamp>,
    last_current: Option<Timestamp>,
    last_deactivation: Option<Timestamp>,
    drainage: Option<Drainage>,
}

/// What a version's queues must be told.
#[derive(Clone, Debug)]
pub(crate) enum Sync {
    /// A routing, and that the version serves these queues.
    Update(Version, Vec<QueueOfVersion>, Routing),
    /// The version is gone.
    Forget(Version, Vec<QueueOfVersion>),
}

impl VersionState {
    pub(crate) fn new(version: Version, status: Status, created: Timestamp, identity: &str) -> Self {
        Self {
            version,
            status,
            queues: BTreeSet::new(),
            created,
            last_modifier: identity.to_owned(),
            metadata: None,
            routing_updated: None,
            current_since: None,
            ramping_since: None,
            ramp_percentage: 0.0,
            first_activation: None,
            last_current: None,
            last_deactivation: None,
            drainage: None,
        }
    }

    /// The deployment's routing has changed at `at`.
    pub(crate) fn apply(&mut self, routing: &Routing, at: Timestamp) -> Sync {
        let was_active = self.current_since.is_some() || self.ramping_since.is_some();
        let is_current = routing.current.as_ref() == Some(&self.version);
        let is_ramping = routing.ramp.version() == Some(&self.version);
        let status = match (is_current, is_ramping) {
            (true, _) => Status::Current,
            (false, true) => Status::Ramping,
            (false, false) if was_active => Status::Draining,
            (false, false) => self.status,
        };
        self.take_status(status, routing);
        match status {
            Status::Draining => {
                self.last_deactivation = Some(at);
                self.start_drainage(at);
            }
            Status::Current | Status::Ramping => {
                self.first_activation.get_or_insert(at);
                self.drainage = None;
                self.last_deactivation = None;
            }
            _ => {}
        }
        Sync::Update(
            self.version.clone(),
            self.queues.iter().cloned().collect(),
            routing.clone(),
        )
    }

    /// A workflow is pinned to a version that nobody uses: it drains (again).
    pub(crate) fn reactivate(&mut self, at: Timestamp) -> bool {
        let dormant = matches!(self.status, Status::Drained | Status::Inactive);
        if dormant {
            self.drainage = Some(Drainage::begin(at));
            self.status = Status::Draining;
        }
        dormant
    }

    /// Looks whether the version has drained meanwhile. Gives whether anything is different.
    pub(crate) fn refresh(&mut self, now: Timestamp, pinned: PinnedRuns) -> bool {
        let Some(drainage) = self.drainage.as_mut().filter(|it| it.is_draining()) else {
            return false;
        };
        let before = *drainage;
        drainage.check(now, pinned);
        if !drainage.is_draining() {
            self.status = Status::Drained;
        }
        before != *drainage
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.drainage.is_some_and(|drainage| drainage.is_draining())
    }

    /// Sets entries, then takes some away. Gives what there is then.
    pub(crate) fn update_metadata(
        &mut self,
        upserts: BTreeMap<String, Payload>,
        removals: &[String],
        identity: &str,
    ) -> Option<wire::VersionMetadata> {
        if !upserts.is_empty() {
            self.metadata.get_or_insert_default().extend(upserts);
        }
        if let Some(entries) = self.metadata.as_mut() {
            entries.retain(|key, _| !removals.contains(key));
        }
        identity.clone_into(&mut self.last_modifier);
        self.metadata()
    }

    /// As the deployment lists it.
    #[expect(deprecated, reason = "the real server fills in the old fields too")]
    pub(crate) fn summary(&self) -> Summary {
        let drainage_status = self.drainage.map_or(DrainageStatus::Unspecified, |it| it.status);
        Summary {
            version: self.version.dotted(),
            status: self.status as i32,
            deployment_version: Some(self.version.to_wire()),
            create_time: Some(timestamp(self.created)),
            drainage_status: drainage_status as i32,
            drainage_info: self.drainage.map(Drainage::to_wire),
            current_since_time: self.current_since.map(timestamp),
            ramping_since_time: self.ramping_since.map(timestamp),
            routing_update_time: self.routing_updated.map(timestamp),
            first_activation_time: self.first_activation.map(timestamp),
            last_current_time: self.last_current.map(timestamp),
            last_deactivation_time: self.last_deactivation.map(timestamp),
            ..Default::default()
        }
    }

    /// As `DescribeWorkerDeploymentVersion` shows it.
    #[expect(deprecated, reason = "the real server fills in the old fields too")]
    pub(crate) fn info(&self) -> wire::WorkerDeploymentVersionInfo {
        wire::WorkerDeploymentVersionInfo {
            version: self.version.dotted(),
            status: self.status as i32,
            deployment_version: Some(self.version.to_wire()),
            create_time: Some(timestamp(self.created)),
            routing_changed_time: self.routing_updated.map(timestamp),
            current_since_time: self.current_since.map(timestamp),
            ramping_since_time: self.ramping_since.map(timestamp),
            ramp_percentage: self.ramp_percentage,
            task_queue_infos: self
                .queues
                .iter()
                .map(|queue| VersionTaskQueueInfo {
                    name: queue.name.clone(),
                    r#type: queue.kind.to_wire() as i32,
                })
                .collect(),
            drainage_info: self.drainage.map(Drainage::to_wire),
            metadata: self.metadata(),
            last_modifier_identity: self.last_modifier.clone(),
            ..Default::default()
        }
    }

    fn take_status(&mut self, status: Status, routing: &Routing) {
        self.status = status;
        self.current_since = None;
        self.ramping_since = None;
        self.ramp_percentage = 0.0;
        match status {
            Status::Current => {
                self.current_since = routing.current_changed;
                self.last_current = routing.current_changed;
                self.routing_updated = routing.current_changed;
            }
            Status::Ramping => {
                self.ramping_since = routing.ramp_changed;
                self.ramp_percentage = routing.ramp_percentage;
                self.routing_updated = routing.ramp_percentage_changed;
            }
            Status::Draining => self.routing_updated = routing.last_changed(),
            _ => {}
        }
    }

    fn start_drainage(&mut self, at: Timestamp) {
        self.drainage.get_or_insert_with(|| Drainage::begin(at));
    }

    fn metadata(&self) -> Option<wire::VersionMetadata> {
        let entries = self.metadata.as_ref()?;
        Some(wire::VersionMetadata {
            entries: entries
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routing(current: &str, seconds: u64) -> Routing {
        Routing {
            current: Some(Version::new("app", current)),
            current_changed: Some(Timestamp::from_seconds(seconds)),
            ..Default::default()
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_version_becomes_current_drains_and_comes_back() {
        let mut state = VersionState::new(Version::new("app", "1"), Status::Inactive, at(1), "");
        state.apply(&routing("1", 10), at(10));
        assert_eq!(state.status, Status::Current);
        assert_eq!(
            (state.current_since, state.first_activation),
            (Some(at(10)), Some(at(10)))
        );

        state.apply(&routing("2", 20), at(20));
        assert_eq!(state.status, Status::Draining);
        assert_eq!((state.current_since, state.last_deactivation), (None, Some(at(20))));
        assert!(state.is_draining());

        state.apply(&routing("1", 30), at(30));
        assert_eq!(state.status, Status::Current);
        assert_eq!((state.first_activation, state.last_deactivation), (Some(at(10)), None));
        assert!(!state.is_draining());
    }

    #[test]
    fn a_version_that_never_was_active_doesnt_drain() {
        let mut state = VersionState::new(Version::new("app", "1"), Status::Inactive, at(1), "");
        state.apply(&routing("2", 20), at(20));
        assert_eq!(state.status, Status::Inactive);
        assert!(!state.is_draining());
    }

    #[test]
    fn only_a_dormant_version_is_reactivated() {
        let mut state = VersionState::new(Version::new("app", "1"), Status::Inactive, at(1), "");
        assert!(state.reactivate(at(5)));
        assert_eq!(state.status, Status::Draining);
        assert!(!state.reactivate(at(6)));
    }
}
