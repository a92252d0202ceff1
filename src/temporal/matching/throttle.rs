//! Which lanes have a match now, which must wait for their queue's rate limit, and which lack a worker.

use std::collections::{BTreeMap, BTreeSet};

use temporalio_protos::temporal::api::enums::v1::RateLimitSource;

use super::limiter::{Limiter, Ready};
use super::queue_config::{ConfigUpdate, QueueConfig};
use super::{Dispatch, Kind, LaneKey, Matching, QueueKey, queue};
use crate::clock::Timestamp;
use crate::temporal::config::DynamicConfig;
use crate::temporal::reject::Reject;

/// What matching goes by of the dynamic configuration.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Whether fairness keys have turns.
    pub(super) is_fair: bool,
    /// Tasks per second that the server lets out of a queue, of all partitions together.
    system_rate: f64,
    max_weights: usize,
    pub(super) stats_kept_for: std::time::Duration,
}

impl Settings {
    fn of(config: &DynamicConfig) -> Self {
        let of_partition = config.namespace_dispatch_rate.min(config.queue_dispatch_rate);
        Self {
            is_fair: config.fairness,
            // A queue has one partition at least.
            system_rate: of_partition * config.read_partitions.max(1) as f64,
            max_weights: config.fairness_weights,
            stats_kept_for: config.queue_stats_kept_for,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::of(&DynamicConfig::default())
    }
}

impl Matching {
    /// The dynamic configuration has changed.
    pub(crate) fn follow(&mut self, config: &DynamicConfig) {
        self.settings = Settings::of(config);
    }

    /// A client changes a queue's configuration. `queue_type` is as the request has it: a type that no queue has gets a
    /// configuration too, which does nothing.
    pub(crate) fn update_config(
        &mut self,
        now: Timestamp,
        key: ConfigKey,
        update: ConfigUpdate,
    ) -> Result<&QueueConfig, Reject> {
        let mut config = self.configs.get(&key).cloned().unwrap_or_default();
        config.update(update, self.settings.max_weights)?;
        if let Some(queue) = key.queue() {
            self.limiter(&queue).configure(now, &config);
            self.note_all(now, &queue);
        }
        let stored = self.configs.entry(key).or_default();
        *stored = config;
        Ok(stored)
    }

    /// What clients have set for a queue, if they have set anything.
    pub(crate) fn config(&self, key: &ConfigKey) -> Option<&QueueConfig> {
        self.configs.get(key)
    }

    /// Tasks per second that may leave a queue, and who says so.
    pub(crate) fn effective_rate(&self, key: &QueueKey) -> (f64, RateLimitSource) {
        match self.limiters.get(key) {
            Some(limiter) => limiter.effective(),
            None => (self.settings.system_rate, RateLimitSource::System),
        }
    }

    /// A poll came, with the limit that its worker wants or without one.
    pub(super) fn hear_worker(&mut self, now: Timestamp, key: &QueueKey, tasks_per_second: Option<f64>) {
        if tasks_per_second.is_none() && !self.limiters.contains_key(key) {
            return;
        }
        if self.limiter(key).hear_worker(now, tasks_per_second) {
            self.note_all(now, key);
        }
    }

    fn limiter(&mut self, key: &QueueKey) -> &mut Limiter {
        let system_rate = self.settings.system_rate;
        let limiter = self.limiters.entry(key.clone());
        limiter.or_insert_with(|| Limiter::new(system_rate))
    }

    /// A task goes out: others of its queue may have to wait now.
    pub(super) fn consume(&mut self, now: Timestamp, key: &QueueKey, dispatch: &Dispatch) {
        if let Some(limiter) = self.limiters.get_mut(key) {
            limiter.consume(now, &dispatch.fairness_key, dispatch.fairness_weight);
            self.note_all(now, key);
        }
    }

    /// A task that went out made no sense any more: it doesn't count.
    pub(crate) fn give_back(&mut self, now: Timestamp, key: &QueueKey, dispatch: &Dispatch) {
        if let Some(limiter) = self.limiters.get_mut(key) {
            limiter.give_back(now, &dispatch.fairness_key, dispatch.fairness_weight);
            self.note_all(now, key);
        }
    }

    /// Whether anybody has ever asked for a limit.
    pub(crate) fn has_limits(&self) -> bool {
        !self.limiters.is_empty()
    }

    /// When the first of the lanes that are held back may go on; nothing if none ever may.
    pub(crate) fn next_release(&self) -> Option<Timestamp> {
        self.lists.throttled.values().filter_map(|ready| ready.moment()).min()
    }

    /// Time has passed: lanes that were held back may go on.
    pub(crate) fn release(&mut self, now: Timestamp) {
        let due = self.lists.throttled.iter().filter(|(_, ready)| ready.is_by(now));
        let due: Vec<LaneKey> = due.map(|(lane, _)| lane.clone()).collect();
        due.iter().for_each(|lane| self.note(now, lane));
    }

    /// The queues whose tasks wait for their rate limit although workers poll.
    pub(crate) fn held_back(&self) -> impl Iterator<Item = (&QueueKey, Option<Timestamp>)> {
        let throttled = self.lists.throttled.iter();
        throttled.map(|((key, _), ready)| (key, ready.moment()))
    }

    fn note_all(&mut self, now: Timestamp, key: &QueueKey) {
        let groups = self.queues.get(key).into_iter().flat_map(|queue| queue.groups());
        let lanes: Vec<LaneKey> = groups.map(|group| (key.clone(), group.clone())).collect();
        lanes.iter().for_each(|lane| self.note(now, lane));
    }

    /// A lane has changed. One that is gone had nothing, and is in no list.
    pub(super) fn note(&mut self, now: Timestamp, lane: &LaneKey) {
        let limiter = self.limiters.get(&lane.0);
        let content = self.queues.get_mut(&lane.0).and_then(|queue| queue.lane_mut(&lane.1));
        if let Some(content) = content {
            self.lists.note(now, lane, content, limiter);
        }
    }
}

/// The lanes by what they have.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    /// Those that have both a task that may go out and a poll.
    pub(super) ready: BTreeSet<LaneKey>,
    /// Those that have both, but must wait for their queue's rate limit until then.
    pub(super) throttled: BTreeMap<LaneKey, Ready>,
    /// Those that have a task but no poll.
    pub(super) starved: BTreeSet<LaneKey>,
}

impl Lists {
    /// Puts a lane where it belongs now. Most changes of a lane don't change that.
    pub(super) fn note(
        &mut self,
        now: Timestamp,
        lane: &LaneKey,
        content: &mut queue::Lane,
        limiter: Option<&Limiter>,
    ) {
        let list = match content.ready(limiter) {
            Some(ready) if ready.is_by(now) => List::Ready,
            Some(ready) => {
                content.note_held_back(now);
                List::Throttled(ready)
            }
            None if content.lacks_poller() => List::Starved,
            None => List::None,
        };
        let before = std::mem::replace(&mut content.list, list);
        if before == list {
            return;
        }
        match before {
            List::Ready => drop(self.ready.remove(lane)),
            List::Throttled(_) => drop(self.throttled.remove(lane)),
            List::Starved => drop(self.starved.remove(lane)),
            List::None => {}
        }
        match list {
            List::Ready => drop(self.ready.insert(lane.clone())),
            List::Throttled(ready) => drop(self.throttled.insert(lane.clone(), ready)),
            List::Starved => drop(self.starved.insert(lane.clone())),
            List::None => {}
        }
    }
}

/// The list that a lane is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum List {
    #[default]
    None,
    /// It has a task that may go out, and a poll.
    Ready,
    /// It has both, and must wait for its queue's rate limit until then.
    Throttled(Ready),
    /// It has a task and no poll.
    Starved,
}

/// Names a configuration: a queue, with its type as a request has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConfigKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) queue_type: i32,
}

impl ConfigKey {
    /// The queue, if it is of a type that there is.
    pub(crate) fn queue(&self) -> Option<QueueKey> {
        Some(QueueKey {
            namespace: self.namespace.as_str().into(),
            kind: Kind::from_wire(self.queue_type)?,
            name: self.name.as_str().into(),
        })
    }
}

impl queue::Lane {
    /// From when on a task may go to a worker that waits here; nothing if there is no task or no worker.
    pub(super) fn ready(&self, limiter: Option<&Limiter>) -> Option<Ready> {
        if !self.has_match() {
            return None;
        }
        match limiter {
            None => Some(Ready::ALWAYS),
            Some(limiter) if !limiter.tells_keys_apart() => Some(limiter.ready("")),
            Some(limiter) => self.fairness_keys().map(|key| limiter.ready(key)).min(),
        }
    }
}
