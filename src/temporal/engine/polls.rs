//! Polls of workers that wait for a task.

use temporalio_protos::temporal::api::common::v1::WorkerVersionStamp;

use super::{Call, Engine, ParkedAt};
use crate::temporal::matching::{Poller, QueueKey};

impl Engine {
    /// A worker's poll waits at a queue until there is a task for it.
    pub(crate) fn park_poll(
        &mut self,
        call: &Call<'_>,
        key: QueueKey,
        identity: String,
        worker_version: Option<WorkerVersionStamp>,
        worker_instance_key: String,
    ) {
        let poller = Poller {
            ticket: call.ticket,
            connection: call.connection,
            identity,
            last_access: call.now,
            worker_version,
            worker_instance_key,
        };
        self.park(call, ParkedAt::Queue);
        self.matching.park(key, poller);
    }
}
