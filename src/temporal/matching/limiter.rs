//! How fast tasks may leave a queue (Temporal: `ratelimit_manager`, and `simpleLimiter` of `matcher_data`).
//!
//! A queue's tasks are one partition's here, so a limit isn't divided among partitions.

use std::collections::BTreeMap;
use std::time::Duration;

use temporalio_protos::temporal::api::enums::v1::RateLimitSource;

use super::queue_config::QueueConfig;
use crate::clock::Timestamp;

/// How much of a limit may be used up in an instant (Temporal: `defaultBurstDuration`).
const BURST_NANOSECONDS: i128 = Duration::from_secs(1).as_nanos().cast_signed();

/// A rate that counts as none at all.
const SLOWEST: f64 = 1e-9;

/// Fairness keys whose pace is remembered (dynamic config `matching.fairnessKeyRateLimitCacheSize`).
const MAX_KEYS: usize = 2_000;

/// The least weight that a fairness key has.
const MIN_WEIGHT: f32 = 0.001;

/// How far apart tasks go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pace {
    /// As they come.
    #[default]
    Unlimited,
    Every {
        nanoseconds: i64,
    },
    Never,
}

impl Pace {
    fn of(tasks_per_second: f64) -> Self {
        match tasks_per_second <= SLOWEST {
            true => Self::Never,
            // As in Go, a fraction of a nanosecond is dropped.
            false => Self::Every {
                nanoseconds: (1e9 / tasks_per_second) as i64,
            },
        }
    }

    fn is_limited(self) -> bool {
        matches!(self, Self::Every { nanoseconds: 1.. })
    }

    /// What a key of this weight has of it.
    fn weighed(self, weight: f32) -> Self {
        match self {
            Self::Every { nanoseconds } => Self::Every {
                nanoseconds: (nanoseconds as f32 / weight) as i64,
            },
            pace => pace,
        }
    }
}

/// From when on a task may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ready {
    /// Nanoseconds since the Unix epoch; long past for one that has been used little.
    At(i128),
    Never,
}

impl Ready {
    pub(super) const ALWAYS: Self = Self::At(0);

    pub(super) fn is_by(self, now: Timestamp) -> bool {
        matches!(self, Self::At(at) if at <= nanoseconds(now))
    }

    /// The moment; nothing if it never comes.
    pub(super) fn moment(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => u64::try_from(at.max(0)).ok().map(Timestamp::from_nanoseconds),
            Self::Never => None,
        }
    }

    /// After so many tasks have gone out now; below zero: they come back.
    fn consume(self, pace: Pace, now: Timestamp, tasks: i128) -> Self {
        let (interval, burst) = match pace {
            Pace::Never => return Self::Never,
            Pace::Unlimited => (0, 0),
            Pace::Every { nanoseconds } => (i128::from(nanoseconds), BURST_NANOSECONDS),
        };
        let ready = match self {
            Self::At(ready) => ready,
            Self::Never => return Self::Never,
        };
        Self::At((ready + burst).max(nanoseconds(now)) - burst + tasks * interval)
    }

    /// The pace has changed: nobody waits longer than for one task at the new one.
    fn clip(self, pace: Pace, now: Timestamp) -> Self {
        match pace {
            Pace::Never => Self::Never,
            Pace::Unlimited => self.min(Self::At(nanoseconds(now))),
            Pace::Every { nanoseconds: interval } => {
                self.min(Self::At(nanoseconds(now) + i128::from(interval) + BURST_NANOSECONDS))
            }
        }
    }
}

fn nanoseconds(moment: Timestamp) -> i128 {
    i128::from(moment.as_nanoseconds())
}

/// How fast one queue's tasks may go out, and who said so.
#[derive(Clone, Debug)]
pub(super) struct Limiter {
    /// Of the last poll that came (`TaskQueueMetadata`).
    worker: Option<f64>,
    /// By `UpdateTaskQueueConfig`.
    api: Option<f64>,
    for_each_key: Option<f64>,
    weights: BTreeMap<String, f32>,
    /// What the server allows.
    system: f64,
    effective: f64,
    source: RateLimitSource,
    /// The system's own limit holds nothing back until another one has been in force, as in Temporal.
    pace: Pace,
    ready: Ready,
    key_pace: Pace,
    keys: BTreeMap<String, Ready>,
}

impl Limiter {
    pub(super) fn new(system: f64) -> Self {
        Self {
            worker: None,
            api: None,
            for_each_key: None,
            weights: BTreeMap::new(),
            system,
            effective: system,
            source: RateLimitSource::System,
            pace: Pace::Unlimited,
            ready: Ready::ALWAYS,
            key_pace: Pace::Unlimited,
            keys: BTreeMap::new(),
        }
    }

    /// Tasks per second, and who says so.
    pub(super) fn effective(&self) -> (f64, RateLimitSource) {
        (self.effective, self.source)
    }

    /// A poll came. The last word counts, and a poll without a limit is one too. Gives whether anything has changed.
    pub(super) fn hear_worker(&mut self, now: Timestamp, tasks_per_second: Option<f64>) -> bool {
        let before = self.worker;
        self.worker = tasks_per_second;
        self.apply(now);
        before != tasks_per_second
    }

    pub(super) fn configure(&mut self, now: Timestamp, config: &QueueConfig) {
        self.api = config.rate_limit();
        self.for_each_key = config.key_rate_limit();
        self.weights.clone_from(&config.weights);
        self.apply(now);
    }

    fn apply(&mut self, now: Timestamp) {
        let before = self.effective;
        let wanted = match (self.api, self.worker) {
            (Some(rate), _) => Some((rate, RateLimitSource::Api)),
            (None, Some(rate)) => Some((rate, RateLimitSource::Worker)),
            (None, None) => None,
        };
        (self.effective, self.source) = match wanted {
            Some((rate, source)) if rate < self.system => (rate, source),
            _ => (self.system, RateLimitSource::System),
        };
        if self.effective.total_cmp(&before).is_ne() {
            self.pace = Pace::of(self.effective);
            self.ready = self.ready.clip(self.pace, now);
        }
        let Some(rate) = self.for_each_key else {
            self.key_pace = Pace::Unlimited;
            self.keys.clear();
            return;
        };
        let pace = Pace::of(rate);
        if pace != self.key_pace {
            self.key_pace = pace;
            self.keys.values_mut().for_each(|ready| *ready = ready.clip(pace, now));
        }
    }

    /// Whether tasks of one fairness key may wait while those of another go.
    pub(super) fn tells_keys_apart(&self) -> bool {
        self.key_pace.is_limited()
    }

    /// From when on a task with this fairness key may go out.
    pub(super) fn ready(&self, key: &str) -> Ready {
        match self.keys.get(key).filter(|_| self.tells_keys_apart()) {
            Some(of_key) => self.ready.max(*of_key),
            None => self.ready,
        }
    }

    /// A task goes out.
    pub(super) fn consume(&mut self, now: Timestamp, key: &str, own_weight: f32) {
        self.count(now, key, own_weight, 1);
    }

    /// A task that went out made no sense any more: another one may go in its place.
    pub(super) fn give_back(&mut self, now: Timestamp, key: &str, own_weight: f32) {
        self.count(now, key, own_weight, -1);
    }

    fn count(&mut self, now: Timestamp, key: &str, own_weight: f32, tasks: i128) {
        self.ready = self.ready.consume(self.pace, now, tasks);
        if !self.tells_keys_apart() {
            return;
        }
        let pace = self.key_pace.weighed(self.weight(key, own_weight));
        let before = self.keys.get(key).copied().unwrap_or(Ready::ALWAYS);
        self.forget_idle_keys(now);
        self.keys.insert(key.to_owned(), before.consume(pace, now, tasks));
    }

    /// What a fairness key weighs here.
    pub(super) fn weight(&self, key: &str, own: f32) -> f32 {
        weight(self.weights.get(key).copied(), own)
    }

    /// A key that hasn't been used for longer than a burst is as good as new. If too many are busy, the one that may go first is
    /// forgotten.
    fn forget_idle_keys(&mut self, now: Timestamp) {
        if self.keys.len() < MAX_KEYS {
            return;
        }
        let is_busy = |ready: &Ready| *ready > Ready::At(nanoseconds(now) - BURST_NANOSECONDS);
        self.keys.retain(|_, ready| is_busy(ready));
        if self.keys.len() >= MAX_KEYS {
            let first = self.keys.iter().min_by_key(|(_, ready)| **ready);
            if let Some(key) = first.map(|(key, _)| key.clone()) {
                self.keys.remove(&key);
            }
        }
    }
}

/// What a fairness key weighs: as it was configured, else as the task says; 1 if nobody says anything.
pub(super) fn weight(configured: Option<f32>, own: f32) -> f32 {
    match configured.unwrap_or(own) {
        weight if weight <= 0.0 => 1.0,
        weight => weight.max(MIN_WEIGHT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporal::matching::queue_config::RateLimit;

    const SYSTEM: f64 = 4_000.0;

    fn at(milliseconds: u64) -> Timestamp {
        Timestamp::EPOCH_OF_TESTS + Duration::from_millis(milliseconds)
    }

    fn limit(requests_per_second: f32) -> Option<RateLimit> {
        Some(RateLimit {
            requests_per_second: Some(requests_per_second),
            ..RateLimit::default()
        })
    }

    /// When tasks go out that all wait from the start, in milliseconds.
    fn goes_out(limiter: &mut Limiter, keys: &[&str]) -> Vec<u64> {
        let mut now = at(0);
        let moments = keys.iter().map(|key| {
            now = now.max(limiter.ready(key).moment().expect("it comes"));
            limiter.consume(now, key, 0.0);
            u64::try_from(now.since(at(0)).as_millis()).unwrap()
        });
        moments.collect()
    }

    #[test]
    fn a_burst_of_a_second_goes_at_once_and_then_one_by_one() {
        let mut limiter = Limiter::new(SYSTEM);
        limiter.hear_worker(at(0), Some(1.0));
        assert_eq!(limiter.effective(), (1.0, RateLimitSource::Worker));
        assert_eq!(goes_out(&mut limiter, &[""; 5]), [0, 0, 1_000, 2_000, 3_000]);
        let mut limiter = Limiter::new(SYSTEM);
        limiter.hear_worker(at(0), Some(0.5));
        assert_eq!(goes_out(&mut limiter, &[""; 4]), [0, 1_000, 3_000, 5_000]);
    }

    #[test]
    fn the_api_wins_over_workers_and_the_system_over_both() {
        let mut limiter = Limiter::new(SYSTEM);
        limiter.hear_worker(at(0), Some(1.0));
        let mut config = QueueConfig {
            queue_rate_limit: limit(7.0),
            ..QueueConfig::default()
        };
        limiter.configure(at(0), &config);
        assert_eq!(limiter.effective(), (7.0, RateLimitSource::Api));
        config.queue_rate_limit = limit(4_000.0);
        limiter.configure(at(0), &config);
        assert_eq!(limiter.effective(), (SYSTEM, RateLimitSource::System));
        limiter.configure(at(0), &QueueConfig::default());
        assert_eq!(limiter.effective(), (1.0, RateLimitSource::Worker));
        limiter.hear_worker(at(0), None);
        assert_eq!(limiter.effective(), (SYSTEM, RateLimitSource::System));
    }

    #[test]
    fn a_limit_of_zero_stops_a_queue_until_it_is_raised() {
        let mut limiter = Limiter::new(SYSTEM);
        limiter.hear_worker(at(0), Some(0.0));
        assert_eq!(limiter.ready(""), Ready::Never);
        assert_eq!(limiter.ready("").moment(), None);
        limiter.hear_worker(at(500), Some(2.0));
        assert_eq!(
            limiter.ready("").moment(),
            Some(at(2_000)),
            "a task's time, and a burst"
        );
    }

    #[test]
    fn a_fairness_key_has_a_pace_of_its_own_by_its_weight() {
        let mut limiter = Limiter::new(SYSTEM);
        let mut config = QueueConfig {
            fairness_keys_rate_limit_default: limit(0.5),
            ..QueueConfig::default()
        };
        config.weights.insert("heavy".to_owned(), 2.0);
        limiter.configure(at(0), &config);
        assert!(limiter.tells_keys_apart());
        assert_eq!(goes_out(&mut limiter.clone(), &["light"; 3]), [0, 1_000, 3_000]);
        assert_eq!(goes_out(&mut limiter.clone(), &["heavy"; 4]), [0, 0, 1_000, 2_000]);
        // Kept from the real server: zero limits nothing.
        config.fairness_keys_rate_limit_default = limit(0.0);
        limiter.configure(at(0), &config);
        assert!(!limiter.tells_keys_apart());
    }

    #[test]
    fn a_task_that_makes_no_sense_gives_its_turn_back() {
        let mut limiter = Limiter::new(SYSTEM);
        limiter.hear_worker(at(0), Some(1.0));
        goes_out(&mut limiter, &["", ""]);
        assert_eq!(limiter.ready("").moment(), Some(at(1_000)));
        limiter.give_back(at(0), "", 0.0);
        assert!(limiter.ready("").is_by(at(0)));
    }

    #[test]
    fn keys_without_end_are_forgotten() {
        let mut limiter = Limiter::new(SYSTEM);
        let config = QueueConfig {
            fairness_keys_rate_limit_default: limit(0.1),
            ..QueueConfig::default()
        };
        limiter.configure(at(0), &config);
        for key in 0..MAX_KEYS + 50 {
            limiter.consume(at(0), &key.to_string(), 0.0);
        }
        assert_eq!(limiter.keys.len(), MAX_KEYS);
        limiter.consume(at(3_600_000), "new", 0.0);
        assert_eq!(limiter.keys.len(), 1);
    }

    #[test]
    fn weights_are_what_they_can_be() {
        let is = |weight: f32, expected: f32| (weight - expected).abs() < f32::EPSILON;
        assert!(is(weight(Some(5.0), 2.0), 5.0));
        assert!(is(weight(Some(0.000_1), 2.0), MIN_WEIGHT));
        assert!(is(weight(None, 2.0), 2.0));
        assert!(is(weight(None, 0.0), 1.0));
        assert!(is(weight(None, -1.0), 1.0));
    }
}
