//! One structured calendar: which moments match it, and which comes next.

use temporalio_protos::temporal::api::schedule::v1::{Range, StructuredCalendarSpec};

use super::civil::days_in_month;
use super::zone::Zone;

/// The earliest year that a calendar may name.
pub(crate) const MIN_YEAR: i32 = 2000;

/// The last year in which anything matches (`maxCalendarYear` of the server).
pub(crate) const MAX_YEAR: i32 = 2100;

const HOUR: i64 = 3_600;

/// A calendar, ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    /// Empty: every year.
    years: Vec<i64>,
    months: u64,
    days_of_month: u64,
    days_of_week: u64,
    hours: u64,
    minutes: u64,
    seconds: u64,
}

impl Calendar {
    pub(crate) fn new(spec: &StructuredCalendarSpec) -> Self {
        Self {
            years: years(&spec.year),
            months: bits(&spec.month),
            days_of_month: bits(&spec.day_of_month),
            days_of_week: bits(&spec.day_of_week),
            hours: bits(&spec.hour),
            minutes: bits(&spec.minute),
            seconds: bits(&spec.second),
        }
    }

    /// Whether a moment, in seconds since the Unix epoch, matches.
    pub(crate) fn matches(&self, zone: &Zone, seconds: i64) -> bool {
        let clock = zone.clock(seconds);
        self.has_year(clock.year)
            && has(self.months, clock.month)
            && has(self.days_of_month, clock.day)
            && has(self.days_of_week, clock.weekday)
            && has(self.hours, clock.hour)
            && has(self.minutes, clock.minute)
            && has(self.seconds, clock.second)
    }

    /// The first moment after another that matches, both in seconds since the Unix epoch.
    ///
    /// The clock is taken literally: a time that a day doesn't have isn't matched, one that it has twice is matched
    /// twice. As in the server, that holds for zones that repeat one whole hour west of Greenwich; see [`Zone::moment`].
    pub(crate) fn next(&self, zone: &Zone, after: i64) -> Option<i64> {
        let mut hand = Hand::just_after(zone, after);
        loop {
            hand.carry(zone);
            if hand.year > i64::from(MAX_YEAR) {
                return None;
            }
            if !self.turn(zone, &mut hand) {
                continue;
            }
            let moment = hand.moment(zone);
            if zone.clock(moment).hour == hand.hour {
                return Some(moment + hand.second_copy);
            }
            // The clock jumps over this hour.
            hand.hour += 1;
            (hand.minute, hand.second) = (0, 0);
        }
    }

    /// Turns the hand to the first match from where it is, from the year down to the second; `false` if it has to carry.
    fn turn(&self, zone: &Zone, hand: &mut Hand) -> bool {
        if !self.has_year(hand.year) {
            hand.set_month(hand.year + 1, 1);
            return false;
        }
        while !has(self.months, hand.month) {
            hand.set_month(hand.year, hand.month + 1);
            if hand.month > 12 {
                return false;
            }
        }
        while !has(self.days_of_month, hand.day) || !has(self.days_of_week, zone.clock(hand.moment(zone)).weekday) {
            hand.set_day(hand.day + 1);
            if hand.day > days_in_month(hand.year, hand.month) {
                return false;
            }
        }
        while !has(self.hours, hand.hour) {
            hand.set_hour(hand.hour + 1);
            if hand.hour >= 24 {
                return false;
            }
        }
        while !has(self.minutes, hand.minute) {
            (hand.minute, hand.second) = (hand.minute + 1, 0);
            if hand.minute >= 60 {
                return false;
            }
        }
        while !has(self.seconds, hand.second) {
            hand.second += 1;
            if hand.second >= 60 {
                return false;
            }
        }
        true
    }

    fn has_year(&self, year: i64) -> bool {
        self.years.is_empty() || self.years.contains(&year)
    }
}

/// The place on the clock that a search has come to.
struct Hand {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// In seconds: an hour, in the second copy of an hour that the clock shows twice.
    second_copy: i64,
}

impl Hand {
    fn just_after(zone: &Zone, after: i64) -> Self {
        let clock = zone.clock(after);
        let repeated = zone.clock(after - HOUR).hour == clock.hour;
        Self {
            year: clock.year,
            month: clock.month,
            day: clock.day,
            hour: clock.hour,
            minute: clock.minute,
            second: clock.second + 1,
            second_copy: if repeated { HOUR } else { 0 },
        }
    }

    fn carry(&mut self, zone: &Zone) {
        if self.second >= 60 {
            (self.minute, self.second) = (self.minute + 1, 0);
        }
        if self.minute >= 60 {
            self.carry_hour(zone);
        }
        if self.hour >= 24 {
            (self.day, self.hour) = (self.day + 1, 0);
        }
        if self.day > days_in_month(self.year, self.month) {
            (self.month, self.day) = (self.month + 1, 1);
        }
        if self.month > 12 {
            (self.year, self.month) = (self.year + 1, 1);
        }
    }

    /// The next hour; or this one again, if the next one comes only two hours later.
    fn carry_hour(&mut self, zone: &Zone) {
        self.minute = 0;
        let this = zone.moment(self.date(), self.hour, 0, 0);
        let next = zone.moment(self.date(), self.hour + 1, 0, 0);
        if self.second_copy == 0 && next - this > HOUR {
            self.second_copy = HOUR;
        } else {
            self.hour += 1;
            self.second_copy = 0;
        }
    }

    fn set_month(&mut self, year: i64, month: i64) {
        (self.year, self.month) = (year, month);
        self.set_day(1);
    }

    fn set_day(&mut self, day: i64) {
        self.day = day;
        self.set_hour(0);
    }

    fn set_hour(&mut self, hour: i64) {
        (self.hour, self.minute, self.second, self.second_copy) = (hour, 0, 0, 0);
    }

    fn date(&self) -> (i64, i64, i64) {
        (self.year, self.month, self.day)
    }

    fn moment(&self, zone: &Zone) -> i64 {
        zone.moment(self.date(), self.hour, self.minute, self.second)
    }
}

fn has(bits: u64, value: i64) -> bool {
    u32::try_from(value).is_ok_and(|value| bits.checked_shr(value).is_some_and(|rest| rest & 1 == 1))
}

fn bits(ranges: &[Range]) -> u64 {
    values(ranges, 0, 63).fold(0, |bits, value| bits | 1 << value)
}

fn years(ranges: &[Range]) -> Vec<i64> {
    let mut years: Vec<i64> = values(ranges, MIN_YEAR, MAX_YEAR).map(i64::from).collect();
    years.sort_unstable();
    years.dedup();
    // Ranges that hold no year at all match none, unlike no ranges.
    if years.is_empty() && !ranges.is_empty() {
        years.push(i64::MIN);
    }
    years
}

/// The values of ranges, as far as they lie between two bounds: the ranges of exclusions come unchecked.
fn values(ranges: &[Range], min: i32, max: i32) -> impl Iterator<Item = i32> {
    ranges.iter().flat_map(move |range| {
        let end = range.end.max(range.start).min(max);
        let [start, step, low] = [range.start, range.step.max(1), min].map(i64::from);
        // The first value that isn't below the bound: there may be billions before it.
        let skipped = (low - start)
            .max(0)
            .unsigned_abs()
            .next_multiple_of(step.unsigned_abs())
            .cast_signed();
        let first = i32::try_from(start + skipped).unwrap_or(i32::MAX);
        (first..=end).step_by(usize::try_from(step).unwrap_or(1))
    })
}
