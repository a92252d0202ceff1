//! Specs against the times that Temporal's own code gives, and against the clock itself.

mod life;

use proptest::prelude::*;
use temporalio_protos::temporal::api::schedule::v1::{IntervalSpec, Range, ScheduleSpec, StructuredCalendarSpec};

use super::spec::{Firing, Spec};
use super::upcoming::Upcoming;
use crate::clock::Timestamp;

const SEED: &str = "11111111-2222-3333-4444-555555555555-sched";

fn moment(text: &str) -> Timestamp {
    let moment: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_nanoseconds(u64::try_from(moment.as_nanosecond()).unwrap())
}

#[test]
fn schedules_fire_when_temporals_do() {
    for line in include_str!("../../../fixtures/schedules/next-times.txt").lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [after, count, jitter, crons, expected] = fields[..] else {
            panic!("a line has five fields: {line}");
        };
        let spec = Spec::new(ScheduleSpec {
            cron_string: crons.split(';').map(str::to_owned).collect(),
            jitter: Some(prost_types::Duration {
                seconds: jitter.parse().unwrap(),
                nanos: 0,
            }),
            ..Default::default()
        });
        let spec = spec.unwrap();
        let mut after = moment(after);
        let mut times = Vec::new();
        for _ in 0..count.parse::<usize>().unwrap() {
            let Some(firing) = spec.next(SEED, after).unwrap() else {
                times.push("END".to_owned());
                break;
            };
            after = firing.actual;
            times.push(after.to_string());
        }
        assert_eq!(times.join(" "), expected, "{after} {jitter} {crons}");
    }
}

fn range(min: i32, max: i32) -> impl Strategy<Value = Vec<Range>> {
    let one = (min..=max, min..=max, 0..7).prop_map(|(one, other, step)| Range {
        start: one.min(other),
        end: one.max(other),
        step,
    });
    prop::collection::vec(one, 1..3)
}

fn calendar() -> impl Strategy<Value = StructuredCalendarSpec> {
    let fields = (
        range(0, 59),
        range(0, 59),
        range(0, 23),
        range(1, 31),
        range(1, 12),
        range(0, 6),
    );
    fields.prop_map(
        |(second, minute, hour, day_of_month, month, day_of_week)| StructuredCalendarSpec {
            second,
            minute,
            hour,
            day_of_month,
            month,
            day_of_week,
            ..Default::default()
        },
    )
}

/// Every second within this many is looked at.
const WINDOW: u64 = 20_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The next time is later, matches, and is the first that does: by looking at every second.
    #[test]
    fn the_next_time_is_the_first_that_matches(
        calendar in calendar(),
        exclusion in calendar(),
        every in 1_i64..400_000,
        phase in 0_i64..400_000,
        after in 1_600_000_000_u64..1_900_000_000,
    ) {
        let phase = phase % every;
        let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        let spec = Spec::new(ScheduleSpec {
            structured_calendar: vec![calendar.clone()],
            exclude_structured_calendar: vec![exclusion.clone()],
            interval: vec![IntervalSpec { interval: seconds(every), phase: seconds(phase) }],
            ..Default::default()
        }).unwrap();
        let matches = |second: u64| {
            let second = second as i64;
            let due = (second - phase) % every == 0 || shows(&calendar, second);
            due && !shows(&exclusion, second)
        };
        let found = spec.next(SEED, Timestamp::from_seconds(after)).unwrap();
        let found = found.map_or(u64::MAX, |firing| firing.nominal.as_seconds());
        let first = (after + 1..after + WINDOW).find(|second| matches(*second));
        match first {
            Some(first) => prop_assert_eq!(found, first),
            None => prop_assert!(found >= after + WINDOW && (found == u64::MAX || matches(found))),
        }
    }

    /// Jitter is less than was asked for, and never reaches the next time.
    #[test]
    fn jitter_stays_within_its_bounds(every in 1_i64..100_000, jitter in 0_i64..100_000, after in 0_u64..4_000_000_000) {
        let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        let spec = Spec::new(ScheduleSpec {
            interval: vec![IntervalSpec { interval: seconds(every), phase: None }],
            jitter: seconds(jitter),
            ..Default::default()
        }).unwrap();
        let firing = spec.next(SEED, Timestamp::from_seconds(after)).unwrap().unwrap();
        let late = firing.actual.since(firing.nominal);
        prop_assert!(late.as_secs() < every.min(jitter).max(1) as u64);
        prop_assert_eq!(spec.next(SEED, Timestamp::from_seconds(after)), Ok(Some(firing)));
    }
}

/// Whether a clock in UTC, without this crate's own arithmetic, shows what a calendar says.
fn shows(calendar: &StructuredCalendarSpec, second: i64) -> bool {
    let clock = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::from_second(second).unwrap());
    let within = |ranges: &[Range], value: i8| {
        ranges.iter().any(|range| {
            let value = i32::from(value);
            let step = range.step.max(1);
            value >= range.start && value <= range.end.max(range.start) && (value - range.start) % step == 0
        })
    };
    within(&calendar.second, clock.second())
        && within(&calendar.minute, clock.minute())
        && within(&calendar.hour, clock.hour())
        && within(&calendar.day_of_month, clock.day())
        && within(&calendar.month, clock.month())
        && within(&calendar.day_of_week, clock.weekday().to_sunday_zero_offset())
}

fn cron(text: &str) -> ScheduleSpec {
    ScheduleSpec {
        cron_string: vec![text.to_owned()],
        ..Default::default()
    }
}

#[test]
fn a_spec_fires_between_its_start_and_its_end_both_included() {
    let at = |text: &str| moment(text).as_seconds() as i64;
    let wire = |text: &str| {
        Some(prost_types::Timestamp {
            seconds: at(text),
            nanos: 0,
        })
    };
    let spec = Spec::new(ScheduleSpec {
        start_time: wire("2026-01-05T00:00:00Z"),
        end_time: wire("2026-01-07T00:00:00Z"),
        ..cron("@daily")
    })
    .unwrap();
    let mut times = Vec::new();
    let mut after = moment("2026-01-01T00:00:00Z");
    while let Some(firing) = spec.next(SEED, after).unwrap() {
        after = firing.actual;
        times.push(after.to_string());
    }
    assert_eq!(
        times,
        ["2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z"]
    );
}

#[test]
fn a_spec_that_excludes_all_it_names_gives_up() {
    let everything = StructuredCalendarSpec {
        second: vec![Range {
            start: 0,
            end: 59,
            step: 1,
        }],
        minute: vec![Range {
            start: 0,
            end: 59,
            step: 1,
        }],
        hour: vec![Range {
            start: 0,
            end: 23,
            step: 1,
        }],
        day_of_month: vec![Range {
            start: 1,
            end: 31,
            step: 1,
        }],
        month: vec![Range {
            start: 1,
            end: 12,
            step: 1,
        }],
        day_of_week: vec![Range {
            start: 0,
            end: 6,
            step: 1,
        }],
        ..Default::default()
    };
    let spec = Spec::new(ScheduleSpec {
        exclude_structured_calendar: vec![everything],
        ..cron("@every 1s")
    });
    assert!(spec.unwrap().next(SEED, Timestamp::EPOCH_OF_TESTS).is_err());
}

#[test]
fn hostile_exclusions_are_harmless() {
    let wild = |start, end, step| vec![Range { start, end, step }];
    let exclusion = StructuredCalendarSpec {
        second: wild(i32::MIN, i32::MAX, -1),
        minute: wild(i32::MAX, i32::MIN, i32::MIN),
        year: wild(i32::MIN, i32::MAX, i32::MAX),
        ..Default::default()
    };
    let spec = Spec::new(ScheduleSpec {
        exclude_structured_calendar: vec![exclusion],
        start_time: Some(prost_types::Timestamp {
            seconds: i64::MIN,
            nanos: i32::MIN,
        }),
        ..cron("@hourly")
    })
    .unwrap();
    assert!(spec.next(SEED, Timestamp::EPOCH_OF_TESTS).unwrap().is_some());
    assert_eq!(spec.next(SEED, Timestamp::MAX), Ok(None));
}

/// What has been computed before is found, a firing that jitter put off included, and the rest is computed.
#[test]
fn upcoming_firings_come_in_order_from_any_base() {
    let spec = Spec::new(ScheduleSpec {
        jitter: Some(prost_types::Duration {
            seconds: 3_600,
            nanos: 0,
        }),
        ..cron("@hourly")
    })
    .unwrap();
    let start = Timestamp::EPOCH_OF_TESTS;
    let mut upcoming = Upcoming::default();
    let mut after = start;
    for _ in 0..40 {
        let expected = spec.next(SEED, after).unwrap();
        assert_eq!(upcoming.next(&spec, SEED, after, after), expected);
        after = expected.unwrap().actual;
    }
    upcoming.clear();
    let first: Firing = upcoming.next(&spec, SEED, start, start).unwrap();
    let between = first.nominal + std::time::Duration::from_secs(1);
    assert!(between < first.actual, "this seed puts the first firing off");
    assert_eq!(upcoming.next(&spec, SEED, between, between), Some(first));
    assert_ne!(spec.next(SEED, between).unwrap(), Some(first));
}
