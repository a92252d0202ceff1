//! Who plays shards: a worker of the SDK with one activity at a time for each core.

use std::time::Duration;

use awaithumans_temporal::Human;
use temporalio_client::Client;
use temporalio_common::worker::WorkerDeploymentOptions;
use temporalio_sdk::WorkerOptions;
use temporalio_sdk::runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder};

use super::activity::{News, Player};
use super::workflow::PlayCampaign;
use crate::testkit::SdkWorker;

/// Workflow tasks take no time: one shard after the other is scheduled.
const WORKFLOW_SLOTS: usize = 10;

/// How often an activity's progress is told at most: what a worker that dies has found since then is played again.
const HEARTBEATS_AT_MOST_EVERY: Duration = Duration::from_secs(5);

/// The task queue of campaigns, with this crate's version: another one may see other things under the same seed.
pub fn default_task_queue() -> String {
    format!("awaithumans-testkit-campaign-{}", env!("CARGO_PKG_VERSION"))
}

/// What a worker of campaigns is made from: so many shards at a time. It tells what it does.
pub fn worker_options(task_queue: &str, threads: usize, tell: impl Fn(News) + Send + Sync + 'static) -> WorkerOptions {
    let slots = FixedSizeSlotSupplier::new;
    let tuner = TunerHolder::builder()
        .workflow_task_slot_supplier(slots(WORKFLOW_SLOTS))
        .activity_task_slot_supplier(slots(threads.max(1)))
        .local_activity_task_slot_supplier(slots(1))
        .nexus_task_slot_supplier(slots(1))
        .build();
    WorkerOptions::new(task_queue)
        // The SDK's own default is a hash of the executable, which takes its time.
        .deployment_options(WorkerDeploymentOptions::from_build_id(
            env!("CARGO_PKG_VERSION").to_owned(),
        ))
        .tuner(tuner)
        .max_heartbeat_throttle_interval(HEARTBEATS_AT_MOST_EVERY)
        // A worker that is told to stop gives its shards back at once.
        .graceful_shutdown_period(Duration::ZERO)
        .register_workflow::<Human<PlayCampaign>>()
        .expect("no other workflow has its name")
        .register_activities(Player { tell: Box::new(tell) })
        .build()
}

/// Plays shards until it is told to stop.
///
/// # Errors
/// If the worker can't be started, or breaks.
pub async fn work(client: Client, options: WorkerOptions, stop: impl Future<Output = ()>) -> Result<(), String> {
    let mut worker = SdkWorker::new(client, options)?;
    let shut_down = worker.shutdown_handle();
    let running = worker.run();
    tokio::pin!(running);
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = stop => {
            shut_down();
            running.await
        }
    };
    ended.map_err(|error| error.to_string())
}

/// From now on SIGTERM is this process's own: testkits that it starts don't report when it comes, and don't end it.
pub fn leave_signals_alone() {
    #[cfg(unix)]
    crate::testkit::leave_signals_alone();
}
