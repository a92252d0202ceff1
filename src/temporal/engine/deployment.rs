//! Worker deployments and the queues and runs that they concern.

use super::Engine;
use crate::clock::Timestamp;
use crate::temporal::matching::{Dispatch, Kind, Matching, QueueKey, Task};
use crate::temporal::priority;
use crate::temporal::reject::Reject;
use crate::temporal::run::{Run, RunRef, StartRun};
use crate::temporal::versioning::{
    Deployment, Deployments, Override, PinnedRuns, QueueOfVersion, Queues, Registration, StartVersioning, Sync, Version,
};

/// Versions of one queue (dynamic config `matching.maxVersionsInTaskQueue`). One more may register, so that its deployment
/// can make room.
const MAX_VERSIONS_OF_QUEUE: usize = 200;

/// What deployments may ask of queues.
struct QueuesNow<'a> {
    matching: &'a Matching,
    namespace: &'a str,
    now: Timestamp,
}

impl Queues for QueuesNow<'_> {
    fn has_pollers(&self, version: &Version, queue: &QueueOfVersion) -> bool {
        let key = queue_key(self.namespace, queue);
        self.matching.has_recent_poller(self.now, &key, version)
    }

    fn is_in_use(&self, version: &Version, queue: &QueueOfVersion) -> bool {
        let key = queue_key(self.namespace, queue);
        let current = self
            .matching
            .routing(&key)
            .and_then(|routing| routing.target("", false).0);
        current == Some(version) && self.matching.is_in_use(self.now, &key, version)
    }
}

impl Engine {
    /// A change of the deployments, and what it wants the queues to know.
    pub(crate) fn change_deployments<T>(
        &mut self,
        now: Timestamp,
        namespace: &str,
        change: impl FnOnce(&mut Deployments, &dyn Queues, Timestamp) -> Result<(T, Vec<Sync>), Reject>,
    ) -> Result<T, Reject> {
        self.refresh_drainage(now, namespace);
        let at = self.deployments.tick(now);
        let queues = QueuesNow {
            matching: &self.matching,
            namespace,
            now,
        };
        let (outcome, syncs) = change(&mut self.deployments, &queues, at)?;
        for sync in syncs {
            self.sync_queues(namespace, sync);
        }
        Ok(outcome)
    }

    /// A deployment as it is now.
    pub(crate) fn deployment(&mut self, now: Timestamp, namespace: &str, name: &str) -> Option<&Deployment> {
        self.refresh_drainage(now, namespace);
        self.deployments.get(namespace, name)
    }

    /// A worker of a version polls a queue: the first time, the queue and the deployment hear of it.
    pub(super) fn register_version(&mut self, now: Timestamp, key: &QueueKey, version: &Version) -> Result<(), Reject> {
        let routing = self.matching.routing(key);
        if routing.is_some_and(|routing| routing.has(version)) {
            return Ok(());
        }
        if routing.is_some_and(|routing| routing.versions() > MAX_VERSIONS_OF_QUEUE) {
            return Err(Reject::DeploymentLimit(format!(
                "exceeding maximum number of Deployment Versions in this task queue (limit = {MAX_VERSIONS_OF_QUEUE})"
            )));
        }
        let registration = Registration {
            namespace: key.namespace.to_string(),
            version: version.clone(),
            queue: QueueOfVersion {
                name: key.name.to_string(),
                kind: key.kind,
            },
        };
        self.change_deployments(now, &key.namespace, |deployments, queues, at| {
            Ok(((), deployments.register(queues, &registration, at)?))
        })
    }

    /// Refuses an override to a version whose workers don't poll the run's queue.
    pub(crate) fn check_override(&self, namespace: &str, queue: &str, over: Option<&Override>) -> Result<(), Reject> {
        let Some(version) = over.and_then(Override::version) else {
            return Ok(());
        };
        match self.has_version(namespace, queue, version) {
            true => Ok(()),
            false => Err(Reject::FailedPrecondition(format!(
                "Pinned version '{}' is not present in task queue '{queue}' of type 'Workflow'",
                version.colon()
            ))),
        }
    }

    /// A run is sent to a version by an override: a version that nobody uses drains again.
    pub(crate) fn reactivate_version(&mut self, now: Timestamp, namespace: &str, over: Option<&Override>) {
        let Some(version) = over.and_then(Override::version) else {
            return;
        };
        self.refresh_drainage(now, namespace);
        let at = self.deployments.tick(now);
        if let Some(deployment) = self.deployments.get_mut(namespace, &version.deployment) {
            deployment.reactivate(&version.build_id, at);
        }
    }

    /// What a child takes over from its parent, unless its command says otherwise.
    pub(super) fn inherit_versioning(&self, parent: RunRef, child: &mut StartRun) {
        let Some(parent) = self.runs.get(parent).filter(|_| child.versioning.over.is_none()) else {
            return;
        };
        let by_build_id = match child.versioning.inherits_build_id {
            true => parent.versioning.passed_on_build(),
            false => StartVersioning::default(),
        };
        child.versioning = match parent.start.namespace == child.namespace {
            true => StartVersioning {
                inherited_build_id: by_build_id.inherited_build_id,
                source_build_id: by_build_id.source_build_id,
                ..parent.versioning.for_child(parent.start.task_queue != child.task_queue)
            },
            false => by_build_id,
        };
    }

    /// A run on another queue keeps what it took over only if that queue has the version.
    pub(super) fn settle_versioning(&self, start: &mut StartRun) {
        let mut versioning = std::mem::take(&mut start.versioning);
        versioning.keep_if_served(|version| self.has_version(&start.namespace, &start.task_queue, version));
        start.versioning = versioning;
    }

    fn has_version(&self, namespace: &str, queue: &str, version: &Version) -> bool {
        let key = QueueKey {
            namespace: namespace.into(),
            kind: Kind::Workflow,
            name: queue.into(),
        };
        self.matching.routing(&key).is_some_and(|routing| routing.has(version))
    }

    fn sync_queues(&mut self, namespace: &str, sync: Sync) {
        match sync {
            Sync::Update(version, queues, routing) => {
                for queue in &queues {
                    let key = queue_key(namespace, queue);
                    self.matching.update_routing(&key, &version, &routing);
                }
            }
            Sync::Forget(version, queues) => {
                for queue in &queues {
                    self.matching.forget_version(&queue_key(namespace, queue), &version);
                }
            }
        }
    }

    fn refresh_drainage(&mut self, now: Timestamp, namespace: &str) {
        let runs = &self.runs;
        self.deployments
            .refresh(namespace, now, |version| pinned_runs(runs.iter(), namespace, version));
    }
}

/// The runs that are pinned to a version.
fn pinned_runs<'a>(runs: impl Iterator<Item = &'a Run>, namespace: &str, version: &Version) -> PinnedRuns {
    let mut pinned = PinnedRuns::default();
    for run in runs.filter(|run| run.start.namespace == namespace && run.versioning.is_pinned_to(version)) {
        pinned.open |= run.is_running();
        pinned.last_closed = pinned.last_closed.max(run.closed_at);
    }
    pinned
}

fn queue_key(namespace: &str, queue: &QueueOfVersion) -> QueueKey {
    QueueKey {
        namespace: namespace.into(),
        kind: queue.kind,
        name: queue.name.as_str().into(),
    }
}

/// What matching must know of a run's task.
pub(super) fn dispatch(run: &Run, task: &Task) -> Dispatch {
    let is_activity = matches!(task, Task::Activity { .. });
    let is_first = run.machines.workflow_task.last_completed_started_event_id() == 0;
    let priority = run.task_priority(task);
    let (fairness_key, fairness_weight) = priority::fairness(priority.as_ref());
    Dispatch {
        directive: run.versioning.directive(is_first && !is_activity),
        build_id: run.build_id_directive(task),
        run_id: run.start.run_id.clone(),
        workflow_id: run.start.workflow_id.clone(),
        stamp: run.versioning.task_stamp(is_activity),
        priority: priority::level(priority.as_ref()),
        fairness_key,
        fairness_weight,
    }
}
