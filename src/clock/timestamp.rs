use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A moment of virtual time: nanoseconds since the Unix epoch, UTC.
///
/// Covers the years 1970 to 2554. Arithmetic saturates, so a hostile duration can't wrap time around.
///
/// ```
/// use awaithumans_testkit::Timestamp;
/// use std::time::Duration;
///
/// let start = Timestamp::EPOCH_OF_TESTS;
/// assert_eq!(start.to_string(), "2026-01-01T00:00:00Z");
/// assert_eq!((start + Duration::from_millis(1500)).to_string(), "2026-01-01T00:00:01.5Z");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Where virtual time starts unless a test says otherwise: 2026-01-01T00:00:00Z.
    pub const EPOCH_OF_TESTS: Self = Self::from_seconds(1_767_225_600);

    /// The end of representable time.
    pub const MAX: Self = Self(u64::MAX);

    /// A moment, in whole seconds since the Unix epoch.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// A moment, in nanoseconds since the Unix epoch.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanoseconds(self) -> u64 {
        self.0
    }

    /// Whole microseconds since the Unix epoch, the resolution of Python's `datetime`.
    pub const fn as_microseconds(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole seconds since the Unix epoch.
    pub const fn as_seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// The nanoseconds past the whole second, 0 to 999,999,999.
    pub const fn subsecond_nanoseconds(self) -> u32 {
        (self.0 % 1_000_000_000) as u32
    }

    /// How long it is from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanoseconds))
    }
}

impl AddAssign<Duration> for Timestamp {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanoseconds))
    }
}

/// RFC 3339 in UTC, with as many digits of the second as are needed.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(moment) => moment.fmt(f),
            Err(_) => write!(f, "{} ns", self.0),
        }
    }
}

/// As [`fmt::Display`] writes it.
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From RFC 3339, in any zone.
impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let moment: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        let nanoseconds = u64::try_from(moment.as_nanosecond());
        nanoseconds
            .map(Self)
            .map_err(|_| serde::de::Error::custom("it is before 1970 or after 2554"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX + Duration::MAX, Timestamp::MAX);
        assert_eq!(Timestamp::default() - Duration::MAX, Timestamp::default());
        assert_eq!(Timestamp::default().since(Timestamp::MAX), Duration::ZERO);
    }

    #[test]
    fn moments_are_written_and_read_to_the_nanosecond() {
        for moment in [
            Timestamp::default(),
            Timestamp(1),
            Timestamp::EPOCH_OF_TESTS,
            Timestamp::MAX,
        ] {
            let text = serde_json::to_string(&moment).unwrap();
            assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), moment);
        }
        for bad in [
            "\"1969-12-31T23:59:59Z\"",
            "\"2555-01-01T00:00:00Z\"",
            "\"today\"",
            "\"\"",
            "0",
            "null",
        ] {
            assert!(serde_json::from_str::<Timestamp>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_last_moment_can_be_printed() {
        assert_eq!(Timestamp::MAX.to_string(), "2554-07-21T23:34:33.709551615Z");
    }
}
