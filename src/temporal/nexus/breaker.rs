//! The circuit breakers of a server's outbound queue: a destination that keeps failing is left alone for a while.
//!
//! Facts: Temporal's `service/history/queues/executable.go` (`CircuitBreakerExecutable`) over github.com/sony/gobreaker with its
//! defaults, one breaker for each namespace and destination.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::entropy::Entropy;

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Everything.
    Closed,
    /// Nothing, for [`OPEN_FOR`].
    Open,
    /// One request: what becomes of it decides.
    HalfOpen,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The last request has failed, as those before it.
    FailTooOften,
    /// It has been open long enough.
    Expire,
    /// The request that was let through has failed.
    Fail,
    /// It has succeeded.
    Succeed,
}

/// The whole life of a breaker.
#[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the code to the table"))]
pub(crate) const TRANSITIONS: &[(State, Input, State)] = &[
    (State::Closed, Input::FailTooOften, State::Open),
    (State::Open, Input::Expire, State::HalfOpen),
    (State::HalfOpen, Input::Fail, State::Open),
    (State::HalfOpen, Input::Succeed, State::Closed),
];

/// The next state, if the table has one.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::Closed, Input::FailTooOften) | (State::HalfOpen, Input::Fail) => Some(State::Open),
        (State::Open, Input::Expire) => Some(State::HalfOpen),
        (State::HalfOpen, Input::Succeed) => Some(State::Closed),
        (State::Closed, Input::Expire | Input::Fail | Input::Succeed)
        | (State::Open, Input::FailTooOften | Input::Fail | Input::Succeed)
        | (State::HalfOpen, Input::FailTooOften | Input::Expire) => None,
    }
}

/// Failures one after the other by which a breaker opens.
const FAILURES: u32 = 6;

/// How long it stays open, at least.
const OPEN_FOR: Duration = Duration::from_secs(60);

/// The wait of a request that is turned away for the first time, and the longest (`CreateTaskResourceExhaustedReschedulePolicy`).
const HELD_INITIAL: Duration = Duration::from_secs(3);
const HELD_MAXIMUM: Duration = Duration::from_secs(5 * 60);

/// Says that a request may go out. Of its outcome the breaker must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permit {
    generation: u64,
}

#[derive(Clone, Debug)]
struct Breaker {
    state: State,
    /// Goes up with each change of state: what began before doesn't count any more.
    generation: u64,
    failures: u32,
    /// Half open: whether the one request is on its way.
    is_trying: bool,
    opened_at: Timestamp,
}

impl Breaker {
    const NEW: Self = Self {
        state: State::Closed,
        generation: 0,
        failures: 0,
        is_trying: false,
        opened_at: Timestamp::from_nanoseconds(0),
    };

    fn change(&mut self, now: Timestamp, input: Input) {
        if let Some(next) = step(self.state, input) {
            *self = Self {
                state: next,
                generation: self.generation + 1,
                opened_at: now,
                ..Self::NEW
            };
        }
    }

    fn look(&mut self, now: Timestamp) {
        if self.opened_at + OPEN_FOR < now {
            self.change(now, Input::Expire);
        }
    }

    fn allow(&mut self, now: Timestamp) -> Option<Permit> {
        self.look(now);
        let is_allowed = match self.state {
            State::Closed => true,
            State::Open => false,
            State::HalfOpen => !std::mem::replace(&mut self.is_trying, true),
        };
        let generation = self.generation;
        is_allowed.then_some(Permit { generation })
    }

    fn tell(&mut self, now: Timestamp, permit: Permit, has_failed: bool) {
        self.look(now);
        if permit.generation != self.generation {
            return;
        }
        match (self.state, has_failed) {
            (State::Closed, false) => self.failures = 0,
            (State::Closed, true) => {
                self.failures += 1;
                if self.failures >= FAILURES {
                    self.change(now, Input::FailTooOften);
                }
            }
            (_, true) => self.change(now, Input::Fail),
            (_, false) => self.change(now, Input::Succeed),
        }
    }
}

/// The breakers of all destinations, by namespace and scheme with host. One that lets everything through and knows of no failure
/// isn't kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breakers(BTreeMap<(String, String), Breaker>);

impl Breakers {
    /// Lets a request through, or doesn't.
    pub(crate) fn allow(&mut self, now: Timestamp, namespace: &str, destination: &str) -> Option<Permit> {
        let key = (namespace.to_owned(), destination.to_owned());
        match self.0.get_mut(&key) {
            Some(breaker) => breaker.allow(now),
            None => Some(Permit { generation: 0 }),
        }
    }

    /// What has become of a request. Only what may be tried again is a failure: else the destination isn't down.
    pub(crate) fn tell(
        &mut self,
        now: Timestamp,
        namespace: &str,
        destination: &str,
        permit: Permit,
        has_failed: bool,
    ) {
        let key = (namespace.to_owned(), destination.to_owned());
        if !has_failed && !self.0.contains_key(&key) {
            return;
        }
        let breaker = self.0.entry(key).or_insert(Breaker::NEW);
        breaker.tell(now, permit, has_failed);
    }
}

/// Where a request to this URL goes, as breakers have it.
pub(crate) fn destination(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{}://{host}", scheme.to_ascii_lowercase())
}

/// The wait of a request that has been turned away this many times. At the first it is tried again at once, to be turned away
/// once more.
pub(crate) fn hold(times: u32, entropy: &mut Entropy) -> Duration {
    let factor = 1.5_f64.powi(i32::try_from(times).unwrap_or(i32::MAX).min(64));
    let interval = HELD_INITIAL.mul_f64(factor).min(HELD_MAXIMUM);
    let jitter = u64::try_from((interval / 5).as_nanos()).unwrap_or(u64::MAX).max(1);
    interval / 5 * 4 + Duration::from_nanos(entropy.below(jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "http://down:80";

    fn second(second: u64) -> Timestamp {
        Timestamp::from_seconds(second)
    }

    /// Fails a request that is let through.
    fn fail(breakers: &mut Breakers, now: Timestamp) {
        let permit = breakers.allow(now, "default", AT).expect("it is let through");
        breakers.tell(now, "default", AT, permit, true);
    }

    #[test]
    fn every_state_meets_every_input() {
        use {Input as I, State as S};
        crate::temporal::machine::walk(
            &[S::Closed, S::Open, S::HalfOpen],
            &[I::FailTooOften, I::Expire, I::Fail, I::Succeed],
            TRANSITIONS,
            step,
        );
    }

    #[test]
    fn six_failures_in_a_row_close_the_way_for_a_minute() {
        let mut breakers = Breakers::default();
        for _ in 0..5 {
            fail(&mut breakers, second(1));
        }
        let permit = breakers.allow(second(1), "default", AT).unwrap();
        breakers.tell(second(1), "default", AT, permit, false);
        for _ in 0..6 {
            fail(&mut breakers, second(2));
        }
        assert_eq!(breakers.allow(second(62), "default", AT), None);
        assert!(breakers.allow(second(2), "default", "http://up").is_some());
        assert!(breakers.allow(second(2), "other", AT).is_some());

        // One by one from then on, until one has succeeded.
        let permit = breakers.allow(second(63), "default", AT).unwrap();
        assert_eq!(breakers.allow(second(63), "default", AT), None);
        breakers.tell(second(64), "default", AT, permit, true);
        assert_eq!(breakers.allow(second(124), "default", AT), None);
        let permit = breakers.allow(second(125), "default", AT).unwrap();
        breakers.tell(second(125), "default", AT, permit, false);
        assert!(breakers.allow(second(125), "default", AT).is_some());
        assert!(breakers.allow(second(125), "default", AT).is_some());
    }

    #[test]
    fn what_began_before_a_change_does_not_count() {
        let mut breakers = Breakers::default();
        let late = breakers.allow(second(1), "default", AT).unwrap();
        for _ in 0..6 {
            fail(&mut breakers, second(1));
        }
        breakers.tell(second(2), "default", AT, late, false);
        assert_eq!(breakers.allow(second(3), "default", AT), None);
    }

    #[test]
    fn a_destination_is_scheme_and_host() {
        assert_eq!(destination("HTTP://a:80/b?c=d"), "http://a:80");
        assert_eq!(destination("https://user@a?b"), "https://a");
        assert_eq!(destination("nonsense"), "://");
    }

    #[test]
    fn who_is_turned_away_waits_longer_each_time() {
        let mut entropy = Entropy::new(7);
        for (times, milliseconds) in [(1, 4_500), (2, 6_750), (12, 300_000), (u32::MAX, 300_000)] {
            let wait = hold(times, &mut entropy);
            let full = Duration::from_millis(milliseconds);
            assert!(wait >= full / 5 * 4 && wait < full, "{times}: {wait:?}");
        }
    }
}
