//! How many tasks came in the last half minute (Temporal: `taskTracker`).

use std::time::Duration;

use crate::clock::Timestamp;

/// The width of one bucket.
const BUCKET: Duration = Duration::from_secs(5);

/// The time that a rate looks back on.
const SPAN: Duration = Duration::from_secs(30);

/// One bucket for each width in the span, and the one that is being filled.
const BUCKETS: usize = 7;

/// Counts events, and forgets the old ones.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    began: Timestamp,
    bucket_began: Timestamp,
    buckets: [u32; BUCKETS],
    filling: usize,
}

impl Rate {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            began: now,
            bucket_began: now,
            buckets: [0; BUCKETS],
            filling: 0,
        }
    }

    pub(super) fn count(&mut self, now: Timestamp) {
        self.forget_until(now);
        if let Some(bucket) = self.buckets.get_mut(self.filling) {
            *bucket = bucket.saturating_add(1);
        }
    }

    /// Whether there was any event lately.
    pub(super) fn is_any(&self, now: Timestamp) -> bool {
        let mut caught_up = self.clone();
        caught_up.forget_until(now);
        caught_up.buckets.iter().any(|count| *count > 0)
    }

    /// Events per second.
    pub(super) fn per_second(&self, now: Timestamp) -> f32 {
        let mut caught_up = self.clone();
        caught_up.forget_until(now);
        let looked_back = (now.since(caught_up.bucket_began) + SPAN).min(now.since(self.began));
        match looked_back.is_zero() {
            true => 0.0,
            false => caught_up.buckets.iter().sum::<u32>() as f32 / looked_back.as_secs_f32(),
        }
    }

    fn forget_until(&mut self, now: Timestamp) {
        let passed = now.since(self.bucket_began).as_nanos() / BUCKET.as_nanos();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        for _ in 0..passed.min(BUCKETS as u32) {
            self.filling = (self.filling + 1) % BUCKETS;
            if let Some(bucket) = self.buckets.get_mut(self.filling) {
                *bucket = 0;
            }
        }
        self.bucket_began += BUCKET.saturating_mul(passed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_looks_back_half_a_minute() {
        let at = |seconds: u64| Timestamp::from_seconds(1_000 + seconds);
        let mut rate = Rate::new(at(0));
        rate.count(at(0));
        rate.count(at(1));
        assert!(rate.per_second(at(0)).abs() < f32::EPSILON, "no time has passed");
        assert!((rate.per_second(at(4)) - 0.5).abs() < 1e-6);
        assert!((rate.per_second(at(20)) - 0.1).abs() < 1e-6);
        assert!((rate.per_second(at(32)) - 2.0 / 32.0).abs() < 1e-6);
        assert!(rate.per_second(at(35)).abs() < f32::EPSILON);
        assert!(rate.per_second(at(9_999)).abs() < f32::EPSILON);
    }
}
