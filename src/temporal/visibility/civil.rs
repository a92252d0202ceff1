//! Moments as queries write them (RFC 3339) and as SQLite keeps them, both as text.

use crate::clock::Timestamp;

/// Nanoseconds in a second.
const SECOND: i128 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;

/// The end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// A moment, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) i128);

impl Moment {
    /// Reads RFC 3339 as Go's `time.Parse(time.RFC3339Nano, …)` does.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |range: std::ops::Range<usize>| -> Option<i64> {
            let digits = bytes.get(range)?;
            digits.iter().try_fold(0_i64, |sum, byte| {
                byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'))
            })
        };
        let is = |index: usize, wanted: u8| (bytes.get(index) == Some(&wanted)).then_some(());
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        for (index, wanted) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
            is(index, wanted)?;
        }
        let in_range = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        if !in_range || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let (nanoseconds, rest) = fraction(bytes.get(19..)?)?;
        let offset = offset_seconds(rest)?;
        let seconds = days_since_1970(year, month, day) * DAY_SECONDS + hour * 3_600 + minute * 60 + second - offset;
        Some(Self(i128::from(seconds) * SECOND + i128::from(nanoseconds)))
    }

    /// A moment of virtual time.
    pub(crate) fn at(moment: Timestamp) -> Self {
        Self(i128::from(moment.as_nanoseconds()))
    }

    /// A moment from the wire.
    pub(crate) fn from_wire(moment: &prost_types::Timestamp) -> Self {
        Self(i128::from(moment.seconds) * SECOND + i128::from(moment.nanos))
    }

    /// RFC 3339, as Go's `time.RFC3339Nano` writes it.
    pub(crate) fn written(self) -> String {
        let fraction = match self.0.rem_euclid(SECOND) {
            0 => String::new(),
            some => format!(".{some:09}").trim_end_matches('0').to_owned(),
        };
        format!("{}{fraction}Z", self.to_the_second().replace(' ', "T"))
    }

    /// Whole microseconds, which is all that SQLite keeps of an execution's own times.
    pub(crate) fn microseconds(self) -> i64 {
        i64::try_from(self.0.div_euclid(1_000)).unwrap_or(i64::MAX)
    }

    /// As SQLite's stores compare it: `2006-01-02 15:04:05.999999+00:00`, without zeros at the end.
    pub(crate) fn compared(self) -> String {
        let microseconds = self.0.rem_euclid(SECOND) / 1_000;
        let fraction = match microseconds {
            0 => String::new(),
            some => format!(".{some:06}").trim_end_matches('0').to_owned(),
        };
        format!("{}{fraction}+00:00", self.to_the_second())
    }

    /// As SQLite keeps a custom attribute: milliseconds, zeros and all.
    pub(crate) fn kept(self) -> String {
        let milliseconds = ((self.0.rem_euclid(SECOND) + 500_000) / 1_000_000).min(999);
        format!("{}.{milliseconds:03}+00:00", self.to_the_second())
    }

    fn to_the_second(self) -> String {
        // Hostile moments stay within years that can be written.
        let seconds = i64::try_from(self.0.div_euclid(SECOND)).unwrap_or(LAST_SECOND);
        let seconds = seconds.clamp(-LAST_SECOND, LAST_SECOND);
        let (year, month, day) = date(seconds.div_euclid(DAY_SECONDS));
        let rest = seconds.rem_euclid(DAY_SECONDS);
        format!(
            "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
            rest / 3_600,
            rest / 60 % 60,
            rest % 60
        )
    }
}

/// A fraction of a second, in nanoseconds, and what comes after it.
fn fraction(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let Some((b'.' | b',', digits)) = bytes.split_first() else {
        return Some((0, bytes));
    };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let nanoseconds = (0..9).fold(0_u32, |sum, index| {
        let digit = digits.get(index).filter(|_| index < length);
        sum * 10 + digit.map_or(0, |digit| u32::from(digit - b'0'))
    });
    Some((nanoseconds, digits.get(length..)?))
}

/// `Z`, or hours and minutes east of Greenwich.
fn offset_seconds(bytes: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match bytes {
        b"Z" => return Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => (*sign, [h1, h2], [m1, m2]),
        _ => return None,
    };
    let number = |digits: [&u8; 2]| -> Option<i64> {
        let all = digits.iter().all(|digit| digit.is_ascii_digit());
        all.then(|| i64::from(digits[0] - b'0') * 10 + i64::from(digits[1] - b'0'))
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours > 24 || minutes > 60 {
        return None;
    }
    let seconds = hours * 3_600 + minutes * 60;
    Some(match sign {
        b'-' => -seconds,
        _ => seconds,
    })
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970 of a date of the Gregorian calendar; years begin in March, so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The other way round: year, month, day.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Moment {
        Moment::parse(text).expect(text)
    }

    #[test]
    fn moments_are_read_with_fractions_and_offsets() {
        assert_eq!(moment("1970-01-01T00:00:01Z"), Moment(SECOND));
        assert_eq!(
            moment("2024-02-29T12:00:00.5+02:00").compared(),
            "2024-02-29 10:00:00.5+00:00"
        );
        assert_eq!(moment("1969-12-31T23:59:59.999999999Z"), Moment(-1));
        assert_eq!(
            moment("2026-11-23T23:38:39.1234567Z").compared(),
            "2026-11-23 23:38:39.123456+00:00"
        );
        assert_eq!(
            moment("2026-11-23T23:38:39.1234567Z").kept(),
            "2026-11-23 23:38:39.123+00:00"
        );
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "",
            "2024-02-30T00:00:00Z",
            "2024-01-01 00:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01",
            "2024-01-01T00:00:00é",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
