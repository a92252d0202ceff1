//! Queues and the build ids of workers that use versioning without deployments.

use std::time::Duration;

use super::{Kind, Matching, QueueKey};
use crate::clock::Timestamp;
use crate::temporal::txn::Ticket;
use crate::temporal::versioning::WorkerGroup;
use crate::temporal::versioning::build_ids::{BuildIds, QueueBuildIds};

impl Matching {
    /// What a queue knows of build ids without deployments.
    pub(crate) fn build_ids(&self, namespace: &str, queue: &str) -> &BuildIds {
        self.build_ids.get(namespace, queue)
    }

    /// What all queues know of build ids without deployments.
    pub(crate) fn all_build_ids(&self) -> &QueueBuildIds {
        &self.build_ids
    }

    /// The same, to be changed; [`Self::sort_by_build_ids`] must follow.
    pub(crate) fn queue_build_ids(&mut self) -> &mut QueueBuildIds {
        &mut self.build_ids
    }

    /// A queue's build ids have changed: tasks and polls that wait go where they belong now. Gives the polls of workers
    /// that get nothing any more.
    pub(crate) fn sort_by_build_ids(&mut self, namespace: &str, name: &str) -> Vec<Ticket> {
        let mut superseded = Vec::new();
        for kind in [Kind::Workflow, Kind::Activity, Kind::Nexus] {
            let key = QueueKey {
                namespace: namespace.into(),
                kind,
                name: name.into(),
            };
            let known = self.build_ids.get(namespace, name);
            let Some(queue) = self.queues.get_mut(&key) else {
                continue;
            };
            let sorted = queue.sort_pollers(|build_id| known.group_of_poller(build_id).ok());
            superseded.extend(sorted.superseded);
            for (ticket, group) in sorted.moved {
                self.polls.insert(ticket, (key.clone(), group));
            }
            for lane in sorted.changed {
                self.note(self.now, &(key.clone(), lane));
            }
            self.sort(&key);
        }
        superseded
    }

    /// Whether workers of a build id poll a queue for workflow tasks, or did not longer ago than this.
    pub(crate) fn has_poller_within(&self, now: Timestamp, key: &QueueKey, build_id: &str, span: Duration) -> bool {
        let group = WorkerGroup::of_build_id(build_id);
        let lane = self.queues.get(key).and_then(|queue| queue.lane(&group));
        lane.is_some_and(|lane| lane.has_poller_within(now, span))
    }
}
