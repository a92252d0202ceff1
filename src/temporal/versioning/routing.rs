//! What a task queue knows of versions, and which version's workers a task goes to
//! (Temporal: `common/worker_versioning`, `task_queue_partition_manager.getPhysicalQueuesForAdd`).

use std::collections::{BTreeMap, BTreeSet};

use temporalio_protos::temporal::api::deployment::v1 as wire;
use temporalio_protos::temporal::api::enums::v1::VersioningBehavior;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueueVersioningInfo;

use super::fingerprint::fingerprint32;
use super::group::WorkerGroup;
use super::version::{UNVERSIONED, Version, dotted};
use crate::clock::Timestamp;
use crate::temporal::proto::timestamp;

/// Who takes part in a ramp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ramp {
    /// Nobody.
    #[default]
    None,
    /// Some workflows go back to workers without a version.
    Unversioned,
    /// Some workflows go to this version.
    Version(Version),
}

impl Ramp {
    /// As the deprecated text field spells it.
    pub(crate) fn dotted(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Unversioned => UNVERSIONED.to_owned(),
            Self::Version(version) => version.dotted(),
        }
    }

    pub(crate) fn version(&self) -> Option<&Version> {
        match self {
            Self::Version(version) => Some(version),
            Self::None | Self::Unversioned => None,
        }
    }
}

/// Where a deployment's new and auto-upgrading workflows go.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Routing {
    /// `None` means workers without a version.
    pub(crate) current: Option<Version>,
    pub(crate) ramp: Ramp,
    pub(crate) ramp_percentage: f32,
    pub(crate) current_changed: Option<Timestamp>,
    pub(crate) ramp_changed: Option<Timestamp>,
    pub(crate) ramp_percentage_changed: Option<Timestamp>,
    /// Counts the changes.
    pub(crate) revision: i64,
}

impl Routing {
    #[expect(deprecated, reason = "the real server fills in the old fields too")]
    pub(crate) fn to_wire(&self) -> wire::RoutingConfig {
        wire::RoutingConfig {
            current_deployment_version: self.current.as_ref().map(Version::to_wire),
            current_version: dotted(self.current.as_ref()),
            ramping_deployment_version: self.ramp.version().map(Version::to_wire),
            ramping_version: self.ramp.dotted(),
            ramping_version_percentage: self.ramp_percentage,
            current_version_changed_time: self.current_changed.map(timestamp),
            ramping_version_changed_time: self.ramp_changed.map(timestamp),
            ramping_version_percentage_changed_time: self.ramp_percentage_changed.map(timestamp),
            revision_number: self.revision,
        }
    }

    /// The latest change of any kind.
    pub(crate) fn last_changed(&self) -> Option<Timestamp> {
        let changes = [self.current_changed, self.ramp_changed, self.ramp_percentage_changed];
        changes.into_iter().flatten().max()
    }
}

/// What a task says of the version it wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directive {
    /// The run's behavior; unspecified for one that isn't versioned.
    pub(crate) behavior: VersioningBehavior,
    /// The run's version.
    pub(crate) version: Option<Version>,
    /// The revision of the routing that brought the run to its version.
    pub(crate) revision: i64,
    /// A run that asked for the ramping version when it continued as new.
    pub(crate) use_ramping: bool,
}

impl Directive {
    /// The version that the run is pinned to.
    pub(crate) fn pinned(&self) -> Option<&Version> {
        self.version
            .as_ref()
            .filter(|_| self.behavior == VersioningBehavior::Pinned)
    }
}

/// Where a task goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    /// The workers that get it.
    pub(crate) lane: WorkerGroup,
    /// The version that the routing wants for its workflow.
    pub(crate) target: Option<Version>,
    /// The revision of the routing that decided.
    pub(crate) revision: i64,
    /// The build id that the task has before redirect rules are asked, if it goes by build ids.
    pub(crate) assigned: String,
}

/// What one task queue knows: the routings of the deployments whose workers have polled it.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueueRouting {
    deployments: BTreeMap<String, QueueDeployment>,
}

#[derive(Clone, Debug, Default)]
struct QueueDeployment {
    /// Absent before the deployment's first change.
    routing: Option<Routing>,
    build_ids: BTreeSet<String>,
}

/// The current version of a queue, and the ramp if there is one.
#[derive(Clone, Debug, Default, PartialEq)]
struct Resolved<'a> {
    current: Option<&'a Version>,
    current_revision: i64,
    current_changed: Option<Timestamp>,
    ramping: Option<&'a Version>,
    is_ramping: bool,
    percentage: f32,
    ramping_revision: i64,
    ramping_changed: Option<Timestamp>,
}

impl QueueRouting {
    /// A deployment tells its routing, and that one of its versions serves the queue. An older routing changes nothing.
    pub(crate) fn update(&mut self, version: &Version, routing: &Routing) {
        let known = self.deployments.entry(version.deployment.clone()).or_default();
        let revision = known.routing.as_ref().map_or(0, |routing| routing.revision);
        if routing.revision > revision {
            known.routing = Some(routing.clone());
        }
        known.build_ids.insert(version.build_id.clone());
    }

    /// A version is deleted.
    pub(crate) fn forget(&mut self, version: &Version) {
        let Some(known) = self.deployments.get_mut(&version.deployment) else {
            return;
        };
        if known.build_ids.remove(&version.build_id) && known.build_ids.is_empty() {
            self.deployments.remove(&version.deployment);
        }
    }

    /// Whether workers of a version have polled the queue.
    pub(crate) fn has(&self, version: &Version) -> bool {
        self.deployments
            .get(&version.deployment)
            .is_some_and(|known| known.build_ids.contains(&version.build_id))
    }

    /// How many versions the queue knows.
    pub(crate) fn versions(&self) -> usize {
        self.deployments.values().map(|known| known.build_ids.len()).sum()
    }

    /// The version for a workflow's next free choice, and the revision of the routing that says so.
    pub(crate) fn target(&self, workflow_id: &str, use_ramping: bool) -> (Option<&Version>, i64) {
        let resolved = self.resolve();
        let ramping = (resolved.ramping, resolved.ramping_revision);
        if use_ramping && resolved.ramping.is_some() {
            return ramping;
        }
        let takes_part = resolved.percentage >= 100.0
            || (resolved.percentage > 0.0 && ramp_threshold(workflow_id) <= f64::from(resolved.percentage));
        match takes_part {
            true => ramping,
            false => (resolved.current, resolved.current_revision),
        }
    }

    /// Where a task on this queue goes. `is_activity`: such a task may leave the version that its run is pinned to.
    pub(crate) fn route(&self, directive: &Directive, workflow_id: &str, is_activity: bool) -> Route {
        let (target, target_revision) = self.target(workflow_id, directive.use_ramping);
        if directive.behavior == VersioningBehavior::Pinned
            && let Some(pinned) = &directive.version
            && (!is_activity || self.has(pinned))
        {
            return Route {
                lane: WorkerGroup::Version(pinned.clone()),
                target: target.cloned(),
                revision: target_revision,
                assigned: String::new(),
            };
        }
        let Some(target) = target else {
            return Route::default();
        };
        let known_deployment = directive.version.as_ref().map(|version| version.deployment.as_str());
        let is_fresh = known_deployment != Some(&target.deployment) || target_revision >= directive.revision;
        let (target, revision) = match is_fresh {
            true => (Some(target.clone()), target_revision),
            false => (directive.version.clone(), directive.revision),
        };
        Route {
            lane: WorkerGroup::of(target.clone()),
            target,
            revision,
            assigned: String::new(),
        }
    }

    /// Where a task goes that wants the worker which has its run in the cache; `None` if the run must leave that worker.
    pub(crate) fn route_sticky(&self, directive: &Directive, workflow_id: &str) -> Option<Route> {
        let (target, revision) = self.target(workflow_id, directive.use_ramping);
        let pinned = directive.behavior == VersioningBehavior::Pinned;
        if !pinned && target.is_some() && target != directive.version.as_ref() {
            return None;
        }
        Some(Route {
            lane: WorkerGroup::Unversioned,
            target: target.cloned(),
            revision: if pinned { revision } else { 0 },
            assigned: String::new(),
        })
    }

    /// As `DescribeTaskQueue` shows it.
    #[expect(deprecated, reason = "the real server fills in the old fields too")]
    pub(crate) fn describe(&self) -> TaskQueueVersioningInfo {
        let resolved = self.resolve();
        let mut info = TaskQueueVersioningInfo {
            current_deployment_version: resolved.current.map(Version::to_wire),
            current_version: dotted(resolved.current),
            update_time: Some(timestamp(resolved.current_changed.unwrap_or_default())),
            ..Default::default()
        };
        if resolved.is_ramping {
            info.ramping_version_percentage = resolved.percentage;
            info.ramping_version = dotted(resolved.ramping);
            info.ramping_deployment_version = resolved.ramping.map(Version::to_wire);
            info.update_time = resolved.current_changed.max(resolved.ramping_changed).map(timestamp);
        }
        info
    }

    /// The latest word of all deployments. One that names a version of this queue wins over one that names none.
    fn resolve(&self) -> Resolved<'_> {
        let mut resolved = Resolved::default();
        let routings = || self.deployments.values().filter_map(|known| known.routing.as_ref());
        let current = routings()
            .filter(|it| it.current.as_ref().is_none_or(|version| self.has(version)))
            .max_by_key(|it| (it.current.is_some(), it.current_changed));
        if let Some(routing) = current.filter(|it| it.current_changed.is_some()) {
            resolved.current = routing.current.as_ref();
            resolved.current_revision = routing.revision;
            resolved.current_changed = routing.current_changed;
        }
        let ramping = routings()
            .filter(|it| it.ramp.version().is_none_or(|version| self.has(version)))
            .max_by_key(|it| (it.ramp.version().is_some(), it.ramp_percentage_changed));
        if let Some(routing) = ramping.filter(|it| it.ramp_percentage_changed.is_some()) {
            resolved.ramping = routing.ramp.version();
            resolved.is_ramping = resolved.ramping.is_some() || routing.ramp_percentage != 0.0;
            resolved.percentage = routing.ramp_percentage;
            resolved.ramping_revision = routing.revision;
            resolved.ramping_changed = routing.ramp_percentage_changed;
        }
        resolved
    }
}

/// Where a workflow stands in a ramp: from 0 up to but not including 100, always the same for the same id.
fn ramp_threshold(workflow_id: &str) -> f64 {
    100.0 * (f64::from(fingerprint32(workflow_id.as_bytes())) / (f64::from(u32::MAX) + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(build_id: &str) -> Version {
        Version::new("app", build_id)
    }

    fn routing(current: &str, seconds: u64, revision: i64) -> Routing {
        Routing {
            current: Some(version(current)),
            current_changed: Some(Timestamp::from_seconds(seconds)),
            revision,
            ..Default::default()
        }
    }

    fn queue(routing: &Routing) -> QueueRouting {
        let mut queue = QueueRouting::default();
        queue.update(&version("1"), routing);
        queue.update(&version("2"), routing);
        queue
    }

    fn on(behavior: VersioningBehavior, build_id: &str, revision: i64) -> Directive {
        Directive {
            behavior,
            version: Some(version(build_id)),
            revision,
            use_ramping: false,
        }
    }

    #[test]
    fn a_pinned_task_stays_and_one_that_upgrades_goes_to_the_current_version() {
        let queue = queue(&routing("2", 5, 3));
        let pinned = queue.route(&on(VersioningBehavior::Pinned, "1", 1), "w", false);
        assert_eq!(pinned.lane, WorkerGroup::Version(version("1")));
        assert_eq!((pinned.target, pinned.revision), (Some(version("2")), 3));
        let upgrading = queue.route(&on(VersioningBehavior::AutoUpgrade, "1", 1), "w", false);
        assert_eq!(
            (upgrading.lane, upgrading.revision),
            (WorkerGroup::Version(version("2")), 3)
        );
    }

    #[test]
    fn a_run_that_has_seen_a_newer_routing_isnt_sent_back() {
        let queue = queue(&routing("1", 5, 3));
        let route = queue.route(&on(VersioningBehavior::AutoUpgrade, "2", 4), "w", false);
        assert_eq!((route.lane, route.revision), (WorkerGroup::Version(version("2")), 4));
    }

    #[test]
    fn an_older_routing_changes_nothing() {
        let mut queue = queue(&routing("2", 5, 3));
        queue.update(&version("1"), &routing("1", 9, 2));
        assert_eq!(queue.target("w", false), (Some(&version("2")), 3));
    }

    #[test]
    fn an_activity_whose_queue_doesnt_know_the_pinned_version_goes_where_the_queue_says() {
        let queue = queue(&routing("2", 5, 3));
        let elsewhere = on(VersioningBehavior::Pinned, "9", 1);
        assert_eq!(
            queue.route(&elsewhere, "w", true).lane,
            WorkerGroup::Version(version("2"))
        );
        assert_eq!(
            queue.route(&elsewhere, "w", false).lane,
            WorkerGroup::Version(version("9"))
        );
    }

    #[test]
    fn a_ramp_takes_the_workflows_whose_fingerprint_says_so() {
        let ramp = Routing {
            ramp: Ramp::Version(version("2")),
            ramp_percentage: 30.0,
            ramp_percentage_changed: Some(Timestamp::from_seconds(6)),
            ..routing("1", 5, 4)
        };
        let queue = queue(&ramp);
        // The fingerprint of "w" is 1,260,754,544: 29.35 of 100. That of "order-1" is 1,545,644,054: 35.98.
        assert_eq!(queue.target("w", false).0, Some(&version("2")));
        assert_eq!(queue.target("order-1", false).0, Some(&version("1")));
        assert_eq!(queue.target("order-1", true).0, Some(&version("2")));
    }

    #[test]
    fn a_version_that_doesnt_serve_the_queue_isnt_its_current_one() {
        let mut queue = QueueRouting::default();
        queue.update(&version("1"), &routing("2", 5, 3));
        assert_eq!(queue.target("w", false), (None, 0));
        assert_eq!(
            queue.route(&on(VersioningBehavior::AutoUpgrade, "1", 1), "w", false),
            Route::default()
        );
    }

    #[test]
    fn a_sticky_task_leaves_its_worker_only_if_the_run_must_move() {
        let queue = queue(&routing("2", 5, 3));
        assert_eq!(
            queue.route_sticky(&on(VersioningBehavior::AutoUpgrade, "1", 1), "w"),
            None
        );
        let stays = queue
            .route_sticky(&on(VersioningBehavior::Pinned, "1", 1), "w")
            .unwrap();
        assert_eq!(
            (stays.lane, stays.target, stays.revision),
            (WorkerGroup::Unversioned, Some(version("2")), 3)
        );
    }
}
