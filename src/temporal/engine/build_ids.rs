//! Build ids without deployments, and the queues and runs that they concern.

use std::time::Duration;

use temporalio_protos::temporal::api::enums::v1::{BuildIdTaskReachability, TaskReachability, WorkflowExecutionStatus};

use super::Engine;
use crate::clock::Timestamp;
use crate::temporal::matching::{Kind, QueueKey, Task};
use crate::temporal::reject::Reject;
use crate::temporal::run::RunRef;
use crate::temporal::versioning::build_ids::{BuildIds, Facts, RulesUpdate, RunOfBuild, SetQuery, SetsUpdate};

/// How long ago workers of a build id may have polled last that is committed (Temporal: `versioningPollerSeenWindow`).
const POLLER_SEEN: Duration = Duration::from_secs(70);

impl Engine {
    /// Changes a queue's version sets.
    pub(crate) fn update_version_sets(
        &mut self,
        now: Timestamp,
        namespace: &str,
        queue: &str,
        update: &SetsUpdate,
    ) -> Result<(), Reject> {
        let queues = self.matching.queue_build_ids();
        queues.update_sets(namespace, queue, update, now, &self.config)?;
        self.sort_by_build_ids(now, namespace, queue);
        Ok(())
    }

    /// Changes a queue's versioning rules. Gives what it knows then.
    pub(crate) fn update_versioning_rules(
        &mut self,
        now: Timestamp,
        namespace: &str,
        queue: &str,
        update: Option<&RulesUpdate>,
        token: &[u8],
    ) -> Result<&BuildIds, Reject> {
        let has_recent_poller = match update {
            Some(RulesUpdate::Commit { target, .. }) => {
                let key = QueueKey {
                    namespace: namespace.into(),
                    kind: Kind::Workflow,
                    name: queue.into(),
                };
                self.matching.has_poller_within(now, &key, target, POLLER_SEEN)
            }
            _ => false,
        };
        let queues = self.matching.queue_build_ids();
        let facts = Facts {
            now,
            has_recent_poller,
            config: &self.config,
        };
        queues.update_rules(namespace, queue, update, token, facts)?;
        self.sort_by_build_ids(now, namespace, queue);
        Ok(self.matching.build_ids(namespace, queue))
    }

    /// By what workflows a build id can be reached, for each of the queues; for all whose sets have it if none is named.
    pub(crate) fn reachability(
        &self,
        now: Timestamp,
        namespace: &str,
        build_id: &str,
        queues: &[String],
        reachability: i32,
    ) -> Result<Vec<(String, Vec<TaskReachability>)>, Reject> {
        let queues: Vec<String> = match queues.is_empty() {
            true => {
                let known = self.matching.all_build_ids();
                known.queues_of(namespace, build_id).map(str::to_owned).collect()
            }
            false => queues.to_vec(),
        };
        let mut found = Vec::new();
        for (index, queue) in queues.into_iter().enumerate() {
            if index >= self.config.reachability_queues {
                found.push((queue, vec![TaskReachability::Unspecified]));
                continue;
            }
            let query = SetQuery {
                build_id,
                reachability,
                now,
            };
            let known = self.matching.build_ids(namespace, &queue);
            let reachable = known.reachability_by_sets(query, self.runs_on(namespace, &queue))?;
            found.push((queue, reachable));
        }
        Ok(found)
    }

    /// Whether tasks may still come to a queue for a build id, as far as its rules decide.
    pub(crate) fn reachability_by_rules(
        &self,
        now: Timestamp,
        namespace: &str,
        queue: &str,
        build_id: &str,
    ) -> BuildIdTaskReachability {
        let known = self.matching.build_ids(namespace, queue);
        known.reachability_by_rules(now, build_id, self.runs_on(namespace, queue))
    }

    /// The queue of a task has given it a build id, and no worker takes it at once: its run hears of it.
    pub(super) fn note_assigned(&mut self, run: RunRef, task: &Task, build_id: &str) {
        let Some(found) = self.runs.get_mut(run) else {
            return;
        };
        if found.take_assigned_build_id(task, build_id) {
            self.show(run);
        }
    }

    /// A queue's build ids have changed. Polls of workers that get nothing any more end, as they would within a minute of
    /// real time.
    fn sort_by_build_ids(&mut self, now: Timestamp, namespace: &str, queue: &str) {
        for ticket in self.matching.sort_by_build_ids(namespace, queue) {
            self.handle_expired(now, ticket);
        }
    }

    fn runs_on<'a>(&'a self, namespace: &'a str, queue: &'a str) -> impl Iterator<Item = RunOfBuild<'a>> + use<'a> {
        self.runs
            .iter()
            .filter(move |run| run.start.namespace == namespace && run.start.task_queue == queue)
            .map(|run| RunOfBuild {
                is_running: run.status == WorkflowExecutionStatus::Running,
                build_ids: &run.versioning.search_attributes.build_ids,
            })
    }
}
