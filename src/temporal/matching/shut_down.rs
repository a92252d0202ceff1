//! Workers that have said they shut down.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;

/// How long a worker is remembered (Temporal: `shutdownWorkersCacheTTL`).
const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// How many are remembered (Temporal: `shutdownWorkersCacheMaxSize`).
const REMEMBERED_AT_MOST: usize = 10_000;

/// By the key that a worker makes for itself when it starts; when each shut down. A poll of theirs that was still on its way
/// gets no task.
#[derive(Clone, Debug, Default)]
pub(super) struct ShutDown {
    workers: BTreeMap<String, Timestamp>,
}

impl ShutDown {
    pub(super) fn insert(&mut self, now: Timestamp, worker_instance_key: String) {
        self.workers.retain(|_, at| now.since(*at) < REMEMBERED_FOR);
        if self.workers.len() < REMEMBERED_AT_MOST {
            self.workers.insert(worker_instance_key, now);
        }
    }

    pub(super) fn contains(&self, now: Timestamp, worker_instance_key: &str) -> bool {
        self.workers
            .get(worker_instance_key)
            .is_some_and(|at| now.since(*at) < REMEMBERED_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_forgotten_after_half_a_minute() {
        let at = Timestamp::from_seconds;
        let mut shut_down = ShutDown::default();
        shut_down.insert(at(100), "one".to_owned());
        assert!(shut_down.contains(at(129), "one"));
        assert!(!shut_down.contains(at(129), "two"));
        assert!(!shut_down.contains(at(130), "one"));
    }
}
