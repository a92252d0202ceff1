//! Polls of workers that wait for a task.

use temporalio_protos::temporal::api::common::v1::{WorkerVersionCapabilities, WorkerVersionStamp};
use temporalio_protos::temporal::api::deployment::v1::WorkerDeploymentOptions;

use super::{Call, Engine, ParkedAt};
use crate::temporal::matching::{Poller, QueueKey};
use crate::temporal::reject::Reject;
use crate::temporal::versioning::{Version, WorkerGroup};

/// What a poll says of its worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct PollingWorker {
    pub(crate) identity: String,
    /// What the events of its tasks carry, unless it uses deployments.
    pub(crate) stamp: Option<WorkerVersionStamp>,
    /// Its version, if it uses versioning.
    pub(crate) version: Option<Version>,
    /// Its build id, if it uses versioning without deployments.
    pub(crate) build_id: Option<String>,
    /// It polls its own queue.
    pub(crate) is_sticky: bool,
    /// The queue that all workers poll, if this is the worker's own.
    pub(crate) normal_queue: String,
    /// What it made for itself when it started.
    pub(crate) instance_key: String,
    /// What it says of its deployment, versioned or not.
    pub(crate) options: Option<WorkerDeploymentOptions>,
    /// What it says of its build, in the older way.
    pub(crate) capabilities: Option<WorkerVersionCapabilities>,
    /// How fast it wants its queue's tasks to go out.
    pub(crate) max_tasks_per_second: Option<f64>,
}

impl Engine {
    /// A worker's poll waits at a queue until there is a task for it. The first poll of a version makes the version known.
    pub(crate) fn park_poll(&mut self, call: &Call<'_>, key: QueueKey, worker: PollingWorker) -> Result<(), Reject> {
        if let Some(version) = worker
            .version
            .as_ref()
            .filter(|it| !worker.is_sticky && !it.deployment.is_empty())
        {
            self.register_version(call.now, &key, version)?;
        }
        let group = self.group_of(&key, &worker)?;
        // History is told the build id only where tasks may be redirected: not of sets, nor of a worker's own queue.
        let is_told = worker.build_id.is_none() || matches!(group, WorkerGroup::BuildId(_));
        let poller = Poller {
            ticket: call.ticket,
            connection: call.connection,
            identity: worker.identity,
            last_access: call.now,
            worker_version: worker.stamp.filter(|_| is_told),
            version: worker.version,
            build_id: worker.build_id,
            group,
            is_sticky: worker.is_sticky,
            worker_instance_key: worker.instance_key,
            options: worker.options,
            capabilities: worker.capabilities,
            max_tasks_per_second: worker.max_tasks_per_second,
        };
        self.park(call, ParkedAt::Queue);
        self.matching.park(key, Box::new(poller));
        Ok(())
    }

    /// The workers that this one is of. One that a newer build has superseded is sent away.
    fn group_of(&self, key: &QueueKey, worker: &PollingWorker) -> Result<WorkerGroup, Reject> {
        let queue = match worker.is_sticky {
            true => worker.normal_queue.as_str(),
            false => &key.name,
        };
        let by_build_id = match &worker.build_id {
            Some(build_id) => {
                let known = self.matching.build_ids(&key.namespace, queue);
                Some(known.group_of_poller(build_id)?)
            }
            None => None,
        };
        Ok(match (worker.is_sticky, by_build_id) {
            (true, _) => WorkerGroup::Unversioned,
            (false, Some(group)) => group,
            (false, None) => WorkerGroup::of(worker.version.clone()),
        })
    }
}
