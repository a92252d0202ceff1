//! What `DescribeTaskQueue` shows of a queue: who polls it, and what it has to do.

use std::collections::BTreeMap;
use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::WorkerVersionCapabilities;
use temporalio_protos::temporal::api::deployment::v1::WorkerDeploymentOptions;
use temporalio_protos::temporal::api::taskqueue::v1::{PollerInfo, TaskQueueStats};

use super::queue::{Lane, POLLER_REMEMBERED};
use super::{Matching, Poller, QueueKey};
use crate::clock::Timestamp;
use crate::temporal::priority;
use crate::temporal::proto::{duration, proto_duration, timestamp};
use crate::temporal::versioning::WorkerGroup;

/// The rate of a worker that names none (Temporal: `defaultTaskDispatchRPS`).
const NO_LIMIT: f64 = 100_000.0;

/// Answers that are kept before the old ones are thrown away.
const MAX_KEPT: usize = 1_000;

/// A worker's last poll.
#[derive(Clone, Debug)]
pub(crate) struct Polled {
    at: Timestamp,
    max_tasks_per_second: Option<f64>,
    capabilities: Option<WorkerVersionCapabilities>,
    options: Option<WorkerDeploymentOptions>,
}

impl Polled {
    pub(super) fn new(poller: &Poller, at: Timestamp) -> Self {
        Self {
            at,
            max_tasks_per_second: poller.max_tasks_per_second,
            capabilities: poller.capabilities.clone(),
            options: poller.options.clone(),
        }
    }

    /// Whether its worker still counts as polling.
    pub(super) fn is_recent(&self, now: Timestamp) -> bool {
        self.is_within(now, POLLER_REMEMBERED)
    }

    /// Whether it is not longer ago than this.
    pub(super) fn is_within(&self, now: Timestamp, span: Duration) -> bool {
        now.since(self.at) < span
    }

    #[expect(deprecated, reason = "the real server shows the old fields too")]
    fn to_wire(&self, identity: &str) -> PollerInfo {
        PollerInfo {
            last_access_time: Some(timestamp(self.at)),
            identity: identity.to_owned(),
            rate_per_second: self.max_tasks_per_second.unwrap_or(NO_LIMIT),
            worker_version_capabilities: self.capabilities.clone(),
            deployment_options: self.options.clone(),
        }
    }
}

/// Which of a queue's workers are meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Workers {
    All,
    Of(WorkerGroup),
}

/// What a queue has to do, by priority.
pub(crate) type StatsByPriority = BTreeMap<i32, TaskQueueStats>;

/// Answers are given again for a while (dynamic config `matching.TaskQueueInfoByBuildIdTTL`): when each was made.
pub(super) type StatsKept = BTreeMap<(QueueKey, Workers), (Timestamp, StatsByPriority)>;

impl Matching {
    /// The workers that poll a queue, or did in the last minutes.
    pub(crate) fn pollers(&self, now: Timestamp, key: &QueueKey, of: &Workers) -> Vec<PollerInfo> {
        let polled = self.lanes_of(key, of).flat_map(|lane| &lane.polled);
        let recent = polled.filter(|(_, polled)| polled.is_recent(now));
        recent.map(|(identity, polled)| polled.to_wire(identity)).collect()
    }

    /// What a queue has to do; as it was said a short while ago, if it was.
    pub(crate) fn stats(&mut self, now: Timestamp, key: &QueueKey, of: Workers) -> StatsByPriority {
        let kept_for = self.settings.stats_kept_for;
        let name = (key.clone(), of);
        if let Some((at, stats)) = self.stats_kept.get(&name)
            && now.since(*at) < kept_for
        {
            return stats.clone();
        }
        let mut stats = BTreeMap::from([(priority::DEFAULT, no_stats())]);
        self.lanes_of(key, &name.1)
            .for_each(|lane| lane.add_stats(now, &mut stats));
        if self.stats_kept.len() >= MAX_KEPT {
            self.stats_kept.retain(|_, (at, _)| now.since(*at) < kept_for);
        }
        if !kept_for.is_zero() && self.stats_kept.len() < MAX_KEPT {
            self.stats_kept.insert(name, (now, stats.clone()));
        }
        stats
    }

    /// How many tasks are stored in a queue.
    pub(crate) fn backlog_count(&self, key: &QueueKey) -> usize {
        let tasks = self.lanes_of(key, &Workers::All).flat_map(Lane::tasks);
        tasks.filter(|(_, queued)| queued.is_stored()).count()
    }

    /// Of the tasks of the usual priority: the number of the last that was stored, and that of the last before which none waits.
    pub(crate) fn levels(&self, key: &QueueKey) -> (i64, i64) {
        self.queues.get(key).map_or((0, 0), |queue| queue.levels())
    }

    /// Whether a queue is known to be a worker's own.
    pub(crate) fn is_sticky(&self, key: &QueueKey) -> Option<bool> {
        self.queues.get(key).map(|queue| queue.is_sticky())
    }

    fn lanes_of<'a>(&'a self, key: &QueueKey, of: &'a Workers) -> impl Iterator<Item = &'a Lane> {
        let lanes = self
            .queues
            .get(key)
            .into_iter()
            .flat_map(|queue| queue.lanes_by_group());
        let is_meant = move |group: &WorkerGroup| match of {
            Workers::All => true,
            Workers::Of(wanted) => group == wanted,
        };
        lanes.filter(move |(group, _)| is_meant(group)).map(|(_, lane)| lane)
    }
}

/// What a queue without tasks has to do.
fn no_stats() -> TaskQueueStats {
    TaskQueueStats {
        approximate_backlog_age: Some(prost_types::Duration::default()),
        ..Default::default()
    }
}

impl Lane {
    /// Adds what is to be done here to the sums by priority.
    fn add_stats(&self, now: Timestamp, all: &mut StatsByPriority) {
        let mut own = BTreeMap::from([(priority::DEFAULT, no_stats())]);
        for (priority, rates) in &self.rates {
            let stats = own.entry(*priority).or_insert_with(no_stats);
            stats.tasks_add_rate = rates.added.per_second(now);
            stats.tasks_dispatch_rate = rates.dispatched.per_second(now);
        }
        for (priority, queued) in self.tasks().filter(|(_, queued)| queued.is_stored()) {
            let stats = own.entry(priority).or_insert_with(no_stats);
            stats.approximate_backlog_count += 1;
            let known = age(stats);
            stats.approximate_backlog_age = Some(proto_duration(now.since(queued.added).max(known)));
        }
        let is_held_back = self.held_back.as_ref().is_some_and(|rate| rate.is_any(now));
        for (priority, mut stats) in own {
            stats.rate_limiting_active = is_held_back;
            merge(all.entry(priority).or_insert_with(no_stats), &stats);
        }
    }
}

/// What a queue has to do, of all priorities together.
pub(crate) fn total(stats: &StatsByPriority) -> TaskQueueStats {
    let mut total = no_stats();
    stats.values().for_each(|of_priority| merge(&mut total, of_priority));
    total
}

fn merge(into: &mut TaskQueueStats, from: &TaskQueueStats) {
    into.approximate_backlog_count += from.approximate_backlog_count;
    into.approximate_backlog_age = Some(proto_duration(age(into).max(age(from))));
    into.tasks_add_rate += from.tasks_add_rate;
    into.tasks_dispatch_rate += from.tasks_dispatch_rate;
    into.rate_limiting_active |= from.rate_limiting_active;
}

fn age(stats: &TaskQueueStats) -> Duration {
    duration(stats.approximate_backlog_age.as_ref()).unwrap_or_default()
}
