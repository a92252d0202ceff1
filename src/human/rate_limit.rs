//! How often one caller may try to log in or to set the server up, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::clock::Timestamp;

/// The window of every limit. Source: `core/rate_limit.py`.
const WINDOW: Duration = Duration::from_secs(300);

/// All limits. They live in the process: a restart forgets them.
#[derive(Debug)]
pub(crate) struct RateLimits {
    pub(crate) login_per_address: RateLimit,
    pub(crate) login_per_email: RateLimit,
    pub(crate) setup_per_address: RateLimit,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            login_per_address: RateLimit::new(10),
            login_per_email: RateLimit::new(20),
            setup_per_address: RateLimit::new(30),
        }
    }
}

/// At most so many attempts of one key within [`WINDOW`], counted back from each attempt.
#[derive(Debug)]
pub(crate) struct RateLimit {
    most: usize,
    attempts: BTreeMap<String, VecDeque<Timestamp>>,
}

impl RateLimit {
    fn new(most: usize) -> Self {
        Self {
            most,
            attempts: BTreeMap::new(),
        }
    }

    /// Counts an attempt, unless there were too many. A refused attempt doesn't count.
    pub(crate) fn admits(&mut self, now: Timestamp, key: &str) -> bool {
        let attempts = self.attempts.entry(key.to_owned()).or_default();
        while attempts.front().is_some_and(|first| *first + WINDOW <= now) {
            attempts.pop_front();
        }
        let admitted = attempts.len() < self.most;
        if admitted {
            attempts.push_back(now);
        }
        admitted
    }

    /// Forgets a key's attempts.
    pub(crate) fn forgive(&mut self, key: &str) {
        self.attempts.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::EPOCH_OF_TESTS;

    #[test]
    fn the_window_slides() {
        let mut limit = RateLimit::new(2);
        let at = |seconds| START + Duration::from_secs(seconds);
        assert!(limit.admits(at(0), "a"));
        assert!(limit.admits(at(100), "a"));
        assert!(!limit.admits(at(299), "a"));
        assert!(limit.admits(at(299), "b"), "each key for itself");
        assert!(
            limit.admits(at(300), "a"),
            "the first attempt is forgotten after exactly five minutes"
        );
        assert!(
            !limit.admits(at(399), "a"),
            "a refused attempt doesn't count, one that passed does"
        );
        assert!(limit.admits(at(400), "a"));
    }

    #[test]
    fn success_forgives() {
        let mut limit = RateLimit::new(1);
        assert!(limit.admits(START, "a"));
        limit.forgive("a");
        assert!(limit.admits(START, "a"));
    }
}
