//! What workers say of themselves: their heartbeats, and who is shown in lists of them.
//!
//! Facts: Temporal's `service/matching/workers/registry_impl.go`.

mod filter;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use temporalio_protos::temporal::api::enums::v1::WorkerStatus;
use temporalio_protos::temporal::api::worker::v1::{WorkerHeartbeat, WorkerListInfo};

use super::reject::Reject;
use crate::clock::Timestamp;

pub(crate) use filter::Filter;

/// How long a worker is known after its last heartbeat (dynamic config `matching.workerRegistryEntryTTL`).
const ENTRY_TTL: Duration = Duration::from_secs(5 * 60);

/// How often the forgotten ones go (dynamic config `matching.workerRegistryEvictionInterval`).
const EVICTION_INTERVAL: Duration = Duration::from_secs(60);

/// Workers that are known at most, in all namespaces (dynamic config `matching.workerRegistryMaxEntries`).
const MAX_ENTRIES: usize = 1_000_000;

/// What the names of Temporal's own task queues begin with.
const INTERNAL_QUEUE_PREFIX: &str = "temporal-sys-";

/// A worker and when it was last heard of.
#[derive(Clone, Debug)]
struct Entry {
    heartbeat: WorkerHeartbeat,
    last_seen: Timestamp,
}

/// All workers that send heartbeats.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workers {
    /// By namespace id and the worker's instance key.
    entries: BTreeMap<(String, String), Entry>,
    /// Namespaces that have ever had a worker: others aren't known to the registry.
    namespaces: BTreeSet<String>,
    /// The last moment at which forgotten ones went.
    evicted_at: Timestamp,
}

/// A part of a list, and the key of its last worker if there is more.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Page<'a> {
    pub(crate) workers: Vec<&'a WorkerHeartbeat>,
    pub(crate) last_key: Option<String>,
}

impl Workers {
    /// Takes heartbeats. A worker that shuts down is forgotten.
    pub(crate) fn record(&mut self, now: Timestamp, namespace_id: &str, heartbeats: Vec<WorkerHeartbeat>) {
        self.evict(now);
        self.namespaces.insert(namespace_id.to_owned());
        for heartbeat in heartbeats {
            let key = (namespace_id.to_owned(), heartbeat.worker_instance_key.clone());
            if heartbeat.status() == WorkerStatus::Shutdown {
                self.entries.remove(&key);
            } else if self.entries.len() < MAX_ENTRIES || self.entries.contains_key(&key) {
                let last_seen = now;
                self.entries.insert(key, Entry { heartbeat, last_seen });
            }
        }
    }

    /// The workers of a namespace that a filter takes, after the worker with key `after`, at most `limit` of them if that
    /// isn't 0.
    pub(crate) fn list<'a>(
        &'a mut self,
        now: Timestamp,
        namespace_id: &'a str,
        filter: &'a Filter,
        with_system_workers: bool,
        after: &str,
        limit: usize,
    ) -> Page<'a> {
        let mut workers = self.filtered(now, namespace_id, filter, with_system_workers, after);
        let limit = if limit == 0 { usize::MAX } else { limit };
        let page: Vec<_> = workers.by_ref().take(limit).collect();
        let has_more = workers.next().is_some();
        let last_key = page.last().filter(|_| has_more);
        Page {
            last_key: last_key.map(|worker| worker.worker_instance_key.clone()),
            workers: page,
        }
    }

    /// How many workers of a namespace a filter takes.
    pub(crate) fn count(
        &mut self,
        now: Timestamp,
        namespace_id: &str,
        filter: &Filter,
        with_system_workers: bool,
    ) -> usize {
        self.filtered(now, namespace_id, filter, with_system_workers, "")
            .count()
    }

    /// What one worker has said last.
    pub(crate) fn describe(
        &mut self,
        now: Timestamp,
        namespace_id: &str,
        worker_instance_key: &str,
    ) -> Result<&WorkerHeartbeat, Reject> {
        self.evict(now);
        if !self.namespaces.contains(namespace_id) {
            return Err(Reject::NamespaceNotFound(namespace_id.to_owned()));
        }
        let key = (namespace_id.to_owned(), worker_instance_key.to_owned());
        match self.entries.get(&key) {
            Some(entry) => Ok(&entry.heartbeat),
            None => Err(Reject::NotFound(format!("Worker {worker_instance_key} not found"))),
        }
    }

    fn filtered<'a>(
        &'a mut self,
        now: Timestamp,
        namespace_id: &'a str,
        filter: &'a Filter,
        with_system_workers: bool,
        after: &str,
    ) -> impl Iterator<Item = &'a WorkerHeartbeat> {
        self.evict(now);
        let from = (namespace_id.to_owned(), after.to_owned());
        let skipped = after.to_owned();
        self.entries
            .range(from..)
            .take_while(move |((namespace, _), _)| namespace == namespace_id)
            .filter(move |((_, key), _)| skipped.is_empty() || *key != skipped)
            .map(|(_, entry)| &entry.heartbeat)
            .filter(move |worker| with_system_workers || !worker.task_queue.starts_with(INTERNAL_QUEUE_PREFIX))
            .filter(|worker| filter.takes(worker))
    }

    /// The real server looks every minute for those that haven't been heard of for five; only then are they gone.
    fn evict(&mut self, now: Timestamp) {
        let interval = EVICTION_INTERVAL.as_secs();
        let last_look = Timestamp::from_seconds(now.as_seconds() / interval * interval);
        if last_look <= self.evicted_at {
            return;
        }
        self.evicted_at = last_look;
        self.entries.retain(|_, entry| entry.last_seen + ENTRY_TTL >= last_look);
    }
}

/// What lists show of a worker.
pub(crate) fn list_info(worker: &WorkerHeartbeat) -> WorkerListInfo {
    let host = worker.host_info.clone().unwrap_or_default();
    WorkerListInfo {
        worker_instance_key: worker.worker_instance_key.clone(),
        worker_identity: worker.worker_identity.clone(),
        task_queue: worker.task_queue.clone(),
        deployment_version: worker.deployment_version.clone(),
        sdk_name: worker.sdk_name.clone(),
        sdk_version: worker.sdk_version.clone(),
        status: worker.status,
        start_time: worker.start_time,
        host_name: host.host_name,
        worker_grouping_key: host.worker_grouping_key,
        process_id: host.process_id,
        plugins: worker.plugins.clone(),
        drivers: worker.drivers.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::EPOCH_OF_TESTS;

    fn worker(key: &str) -> WorkerHeartbeat {
        WorkerHeartbeat {
            worker_instance_key: key.to_owned(),
            ..Default::default()
        }
    }

    fn keys(workers: &mut Workers, now: Timestamp) -> Vec<String> {
        let all = Filter::default();
        let page = workers.list(now, "ns", &all, false, "", 0);
        page.workers.iter().map(|it| it.worker_instance_key.clone()).collect()
    }

    #[test]
    fn a_worker_that_is_silent_for_five_minutes_is_forgotten_within_the_next() {
        let mut workers = Workers::default();
        workers.record(NOW, "ns", vec![worker("a"), worker("b")]);
        workers.record(NOW + Duration::from_secs(60), "ns", vec![worker("b")]);
        assert_eq!(keys(&mut workers, NOW + Duration::from_secs(300)), ["a", "b"]);
        assert_eq!(keys(&mut workers, NOW + Duration::from_secs(360)), ["b"]);
        assert_eq!(keys(&mut workers, NOW + Duration::from_secs(420)), Vec::<String>::new());
    }

    #[test]
    fn a_worker_that_shuts_down_and_those_of_the_server_itself_are_not_listed() {
        let mut workers = Workers::default();
        let system = WorkerHeartbeat {
            task_queue: "temporal-sys-batcher".to_owned(),
            ..worker("c")
        };
        workers.record(NOW, "ns", vec![worker("a"), worker("b"), system]);
        let gone = WorkerHeartbeat {
            status: WorkerStatus::Shutdown as i32,
            ..worker("a")
        };
        workers.record(NOW, "ns", vec![gone]);
        assert_eq!(keys(&mut workers, NOW), ["b"]);
        assert_eq!(workers.count(NOW, "ns", &Filter::default(), true), 2);
        assert_eq!(workers.count(NOW, "another", &Filter::default(), true), 0);
    }

    #[test]
    fn pages_follow_each_other() {
        let all = Filter::default();
        let mut workers = Workers::default();
        workers.record(NOW, "ns", vec![worker("a"), worker("b"), worker("c")]);
        let page = workers.list(NOW, "ns", &all, false, "", 2);
        assert_eq!((page.workers.len(), page.last_key.as_deref()), (2, Some("b")));
        let page = workers.list(NOW, "ns", &all, false, "b", 2);
        assert_eq!((page.workers.len(), page.last_key.as_deref()), (1, None));
    }

    #[test]
    fn who_is_unknown_is_told_apart_from_whose_namespace_is() {
        let mut workers = Workers::default();
        assert!(matches!(
            workers.describe(NOW, "ns", "a"),
            Err(Reject::NamespaceNotFound(_))
        ));
        workers.record(NOW, "ns", vec![worker("b")]);
        assert!(matches!(workers.describe(NOW, "ns", "a"), Err(Reject::NotFound(_))));
        assert!(workers.describe(NOW, "ns", "b").is_ok());
    }
}
