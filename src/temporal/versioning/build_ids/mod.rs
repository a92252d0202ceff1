//! The first two generations of versioning: what a task queue knows of its workers' build ids, without deployments
//! (Temporal: `matching.userDataManager` and the `VersioningData` that it keeps).

mod clock;
mod reachability;
mod resolve;
mod rules;
mod run;
mod sets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub(crate) use clock::HybridClock;
pub(crate) use reachability::{RunOfBuild, SetQuery};
pub(crate) use resolve::BuildIdDirective;
pub(crate) use rules::{AssignmentRule, FULL_RAMP, RedirectRule, RulesUpdate};
pub(crate) use run::{Admission, RunBuild, StartingWorker, build_id_of, stamp_of};
pub(crate) use sets::SetsUpdate;
use sets::VersionSet;

use crate::clock::Timestamp;
use crate::temporal::config::DynamicConfig;
use crate::temporal::reject::Reject;

/// What a change of rules must know beside the rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) now: Timestamp,
    /// Whether workers of the build id that is committed poll the queue.
    pub(crate) has_recent_poller: bool,
    pub(crate) config: &'a DynamicConfig,
}

/// What one task queue knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct BuildIds {
    clock: HybridClock,
    /// The last one is the default.
    sets: Vec<VersionSet>,
    /// In the order in which they are asked, with those that were deleted lately.
    assignment_rules: Vec<AssignmentRule>,
    /// The latest first, with those that were deleted lately.
    redirect_rules: Vec<RedirectRule>,
}

/// What the queues know, by namespace and name; a queue's kinds share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueueBuildIds {
    by_queue: BTreeMap<(String, String), BuildIds>,
    nothing: BuildIds,
}

impl QueueBuildIds {
    /// What a queue knows; nothing if nobody has told it anything.
    pub(crate) fn get(&self, namespace: &str, queue: &str) -> &BuildIds {
        if self.by_queue.is_empty() {
            return &self.nothing;
        }
        let key = (namespace.to_owned(), queue.to_owned());
        self.by_queue.get(&key).unwrap_or(&self.nothing)
    }

    /// Changes a queue's version sets.
    pub(crate) fn update_sets(
        &mut self,
        namespace: &str,
        queue: &str,
        update: &SetsUpdate,
        now: Timestamp,
        config: &DynamicConfig,
    ) -> Result<(), Reject> {
        let changed = self.get(namespace, queue).with_sets(update, now, config)?;
        let known = self.get(namespace, queue);
        let added = changed.set_members().filter(|id| !known.has_set_member(id));
        let limit = config.queues_of_build_id;
        for build_id in added.filter(|_| limit > 0) {
            if self.queues_of(namespace, build_id).count() >= limit {
                return Err(Reject::FailedPrecondition(format!(
                    "Exceeded max task queues allowed to be mapped to a single build ID: {limit}"
                )));
            }
        }
        self.set(namespace, queue, changed);
        Ok(())
    }

    /// Changes a queue's rules; `token` must be the one of its last change.
    pub(crate) fn update_rules(
        &mut self,
        namespace: &str,
        queue: &str,
        update: Option<&RulesUpdate>,
        token: &[u8],
        facts: Facts<'_>,
    ) -> Result<(), Reject> {
        let changed = self.get(namespace, queue).with_rules(update, token, facts)?;
        self.set(namespace, queue, changed);
        Ok(())
    }

    /// The queues whose sets have a build id, by name.
    pub(crate) fn queues_of<'a>(
        &'a self,
        namespace: &'a str,
        build_id: &'a str,
    ) -> impl Iterator<Item = &'a str> + use<'a> {
        self.by_queue
            .iter()
            .filter(move |((of, _), known)| of == namespace && known.has_set_member(build_id))
            .map(|((_, queue), _)| queue.as_str())
    }

    fn set(&mut self, namespace: &str, queue: &str, build_ids: BuildIds) {
        let key = (namespace.to_owned(), queue.to_owned());
        self.by_queue.insert(key, build_ids);
    }
}
