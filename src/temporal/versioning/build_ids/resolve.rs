//! Which workers a task goes to, and which tasks a worker gets, by build ids
//! (Temporal: `task_queue_partition_manager.getPhysicalQueuesForAdd` and `PollTask`).

use super::super::fingerprint::fingerprint32;
use super::super::group::WorkerGroup;
use super::BuildIds;
use super::rules::FULL_RAMP;
use super::sets::VersionSet;
use crate::temporal::reject::Reject;

/// What a task says of the build id it wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum BuildIdDirective {
    /// Its workflow is with workers that don't use versioning.
    #[default]
    Unversioned,
    /// It has none yet: the queue gives it one.
    Assign,
    /// The one that its workflow has.
    Assigned(String),
}

impl BuildIdDirective {
    pub(crate) fn is_assigned(&self) -> bool {
        matches!(self, Self::Assigned(_))
    }
}

/// Where a task goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) group: WorkerGroup,
    /// The build id that it has before redirect rules are asked; empty if it has none.
    pub(crate) assigned: String,
}

impl BuildIds {
    /// Where a task goes. `ramp`: what decides whether it takes part in a ramp.
    pub(crate) fn resolve(&self, directive: &BuildIdDirective, ramp: &str) -> Resolved {
        let (set, assigned) = match directive {
            BuildIdDirective::Unversioned => return Resolved::default(),
            BuildIdDirective::Assign => match self.assign(ramp) {
                "" => (self.default_set(), ""),
                assigned => (None, assigned),
            },
            BuildIdDirective::Assigned(build_id) => match self.set_of(build_id) {
                Some(set) => (Some(set), ""),
                None => (None, build_id.as_str()),
            },
        };
        let group = match set {
            Some(set) => WorkerGroup::Set(set.name().to_owned()),
            None => WorkerGroup::of_build_id(self.terminal(assigned).unwrap_or_default()),
        };
        Resolved {
            group,
            assigned: assigned.to_owned(),
        }
    }

    /// Whether a task may go to the worker that has its run in the cache.
    pub(crate) fn stays_sticky(&self, directive: &BuildIdDirective) -> bool {
        let BuildIdDirective::Assigned(build_id) = directive else {
            return true;
        };
        match self.set_of(build_id) {
            Some(set) => set.default_build_id() == build_id,
            None => !self.is_redirect_source(build_id),
        }
    }

    /// The group of a worker that polls. One that a newer build has superseded gets nothing.
    pub(crate) fn group_of_poller(&self, build_id: &str) -> Result<WorkerGroup, Reject> {
        let newer = match self.set_of(build_id) {
            Some(set) if set.default_build_id() == build_id => return Ok(WorkerGroup::Set(set.name().to_owned())),
            Some(set) => set.default_build_id(),
            None => match self.terminal(build_id).unwrap_or_default() {
                terminal if terminal == build_id => return Ok(WorkerGroup::of_build_id(build_id)),
                terminal => terminal,
            },
        };
        Err(Reject::NewerBuildExists(newer.to_owned()))
    }

    fn set_of(&self, build_id: &str) -> Option<&VersionSet> {
        let (set, _) = self.find_member(build_id)?;
        self.sets.get(set)
    }

    fn default_set(&self) -> Option<&VersionSet> {
        self.sets.last()
    }

    /// The build id that the rules give; empty if none does.
    fn assign(&self, ramp: &str) -> &str {
        let takes = |percentage: f32| percentage == FULL_RAMP || f64::from(percentage) > ramp_threshold(ramp);
        let rule = self.assignment_rules().find(|rule| takes(rule.ramp_percentage));
        rule.map_or("", |rule| &rule.target)
    }
}

/// Where a run stands in a ramp: from 0 up to but not including 100, always the same for the same run id.
fn ramp_threshold(run_id: &str) -> f64 {
    100.0 * (f64::from(fingerprint32(run_id.as_bytes())) / (f64::from(u32::MAX) + 1.0))
}
