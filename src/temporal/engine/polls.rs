//! Polls of workers that wait for a task.

use temporalio_protos::temporal::api::common::v1::WorkerVersionStamp;
use temporalio_protos::temporal::api::deployment::v1::WorkerDeploymentOptions;

use super::{Call, Engine, ParkedAt};
use crate::temporal::matching::{Poller, QueueKey};
use crate::temporal::reject::Reject;
use crate::temporal::versioning::Version;

/// What a poll says of its worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct PollingWorker {
    pub(crate) identity: String,
    /// What the events of its tasks carry, unless it uses deployments.
    pub(crate) stamp: Option<WorkerVersionStamp>,
    /// Its version, if it uses versioning.
    pub(crate) version: Option<Version>,
    /// It polls its own queue.
    pub(crate) is_sticky: bool,
    /// What it made for itself when it started.
    pub(crate) instance_key: String,
    /// What it says of its deployment, versioned or not.
    pub(crate) options: Option<WorkerDeploymentOptions>,
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
        let poller = Poller {
            ticket: call.ticket,
            connection: call.connection,
            identity: worker.identity,
            last_access: call.now,
            worker_version: worker.stamp,
            version: worker.version,
            is_sticky: worker.is_sticky,
            worker_instance_key: worker.instance_key,
            options: worker.options,
        };
        self.park(call, ParkedAt::Queue);
        self.matching.park(key, poller);
        Ok(())
    }
}
