//! When a schedule fires: calendars and intervals together, less exclusions, within bounds, with jitter.

use std::time::Duration;

use temporalio_protos::temporal::api::schedule::v1::ScheduleSpec;

use super::calendar::Calendar;
use super::canonical::{canonicalize, nanoseconds};
use super::jitter;
use super::zone::Zone;
use crate::clock::Timestamp;

/// The first moment that nothing matches any more: the end of the year 2100, in seconds since the Unix epoch.
const END_OF_TIME: i64 = 4_133_980_800;

/// The most candidates that one search looks at (dynamic config `scheduler.specMaxIterations`).
const MAX_CANDIDATES: u32 = 2 * 7 * 24 * 60 * 60;

/// A spec, ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    canonical: ScheduleSpec,
    zone: Zone,
    calendars: Vec<Calendar>,
    exclusions: Vec<Calendar>,
    /// Interval and phase, in seconds.
    intervals: Vec<(i64, i64)>,
    /// In seconds since the Unix epoch.
    start: i64,
    end: Option<i64>,
    jitter_milliseconds: u64,
}

/// A time at which a schedule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Firing {
    /// As the spec says it.
    pub(crate) nominal: Timestamp,
    /// With jitter.
    pub(crate) actual: Timestamp,
}

/// A search has looked at too many times that are all excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyExclusions;

impl Spec {
    /// Checks a client's spec.
    pub(crate) fn new(spec: ScheduleSpec) -> Result<Self, String> {
        let spec = canonicalize(spec)?;
        let zone = Zone::load(&spec.timezone_name, &spec.timezone_data)?;
        Ok(Self {
            calendars: spec.structured_calendar.iter().map(Calendar::new).collect(),
            exclusions: spec.exclude_structured_calendar.iter().map(Calendar::new).collect(),
            intervals: spec
                .interval
                .iter()
                .map(|interval| {
                    let seconds = |wire| nanoseconds(wire) / 1_000_000_000;
                    let every = seconds(interval.interval.as_ref());
                    (every.max(1), seconds(interval.phase.as_ref()).max(0))
                })
                .collect(),
            start: spec.start_time.as_ref().map_or(0, |start| start.seconds),
            end: spec.end_time.as_ref().map(|end| end.seconds),
            jitter_milliseconds: u64::try_from(nanoseconds(spec.jitter.as_ref()) / 1_000_000).unwrap_or(0),
            zone,
            canonical: spec,
        })
    }

    /// The spec as the server keeps it.
    pub(crate) fn canonical(&self) -> &ScheduleSpec {
        &self.canonical
    }

    /// The first firing whose nominal time comes after a moment. `seed` decides the jitter.
    pub(crate) fn next(&self, seed: &str, after: Timestamp) -> Result<Option<Firing>, TooManyExclusions> {
        let after = i64::try_from(after.as_seconds()).unwrap_or(i64::MAX);
        let mut candidate = after.max(self.start.saturating_sub(1));
        for _ in 0..MAX_CANDIDATES {
            candidate = match self.candidate(candidate) {
                Some(next) if next < END_OF_TIME && self.end.is_none_or(|end| next <= end) => next,
                _ => return Ok(None),
            };
            if !self.exclusions.iter().any(|it| it.matches(&self.zone, candidate)) {
                return Ok(Some(self.firing(seed, candidate)));
            }
        }
        Err(TooManyExclusions)
    }

    /// The first moment after another that a calendar or an interval names, excluded or not.
    fn candidate(&self, after: i64) -> Option<i64> {
        let calendars = self.calendars.iter().filter_map(|it| it.next(&self.zone, after));
        let intervals = self.intervals.iter().map(|(every, phase)| {
            // Towards zero, as Go divides.
            let count = (after.saturating_sub(*phase) / every).saturating_add(1);
            count.saturating_mul(*every).saturating_add(*phase)
        });
        calendars.chain(intervals).min()
    }

    fn firing(&self, seed: &str, nominal: i64) -> Firing {
        let at = Timestamp::from_seconds(u64::try_from(nominal).unwrap_or(0));
        let jitter = match self.jitter_milliseconds {
            0 => 0,
            // It never pushes a firing past the next one.
            wanted => jitter::milliseconds(seed, nominal, wanted.min(self.gap_after(nominal))),
        };
        Firing {
            nominal: at,
            actual: at + Duration::from_millis(jitter),
        }
    }

    /// Milliseconds to the next candidate.
    fn gap_after(&self, nominal: i64) -> u64 {
        self.candidate(nominal).map_or(u64::MAX, |following| {
            u64::try_from(following - nominal).unwrap_or(0).saturating_mul(1_000)
        })
    }

    /// The most by which jitter puts a firing off.
    pub(crate) fn max_jitter(&self) -> Duration {
        Duration::from_millis(self.jitter_milliseconds)
    }
}
