//! Durations as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserializer, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The longest that a plan may speak of: Temporal's and awaithumans' own limits are far below.
const MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A duration in a plan: `2d`, `1h 30m`, `500ms`, or a number of seconds. Written in the same way.
///
/// ```
/// use awaithumans_testkit::fault::Span;
/// use std::time::Duration;
///
/// let span: Span = "1d 2h".parse().unwrap();
/// assert_eq!(Duration::from(span), Duration::from_secs(26 * 3_600));
/// assert_eq!(span.to_string(), "1d 2h");
/// assert!("-5s".parse::<Span>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

impl Span {
    /// The longest: a hundred years.
    pub const MAX: Self = Self(MAX);

    /// So many seconds.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The duration.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span: jiff::Span = text
            .parse()
            .map_err(|_| format!("{text:?} is no duration; write 2d, 1h 30m or 500ms"))?;
        let signed = span
            .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
            .map_err(|_| format!("{text:?} has months or years, whose length isn't fixed; write days"))?;
        let duration = Duration::try_from(signed).map_err(|_| format!("{text:?} is negative"))?;
        within_limit(duration).ok_or_else(|| format!("{text:?} is longer than a hundred years"))
    }
}

fn within_limit(duration: Duration) -> Option<Span> {
    (duration <= MAX).then_some(Span(duration))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let parts = [
            (seconds / 86_400, "d"),
            (seconds / 3_600 % 24, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
            (u64::from(self.0.subsec_millis()), "ms"),
            (u64::from(self.0.subsec_micros() % 1_000), "us"),
            (u64::from(self.0.subsec_nanos() % 1_000), "ns"),
        ];
        let mut separator = "";
        for (number, unit) in parts.into_iter().filter(|(number, _)| *number > 0) {
            write!(f, "{separator}{number}{unit}")?;
            separator = " ";
        }
        match separator {
            "" => f.write_str("0s"),
            _ => Ok(()),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpanVisitor)
    }
}

struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"2d\" or \"1h 30m\", or a number of seconds")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Span, E> {
        let span = within_limit(Duration::from_secs(seconds));
        span.ok_or_else(|| E::custom(format!("{seconds} seconds are more than a hundred years")))
    }

    fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Span, E> {
        match u64::try_from(seconds) {
            Ok(seconds) => self.visit_u64(seconds),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(seconds), &self)),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Span, E> {
        let duration = Duration::try_from_secs_f64(seconds).ok().and_then(within_limit);
        duration.ok_or_else(|| E::invalid_value(Unexpected::Float(seconds), &self))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(nanoseconds in 0..=u64::MAX / 8) {
            let span = Span(Duration::from_nanos(nanoseconds));
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }

        #[test]
        fn any_text_is_a_span_or_an_error(text in ".{0,20}") {
            let _ = text.parse::<Span>();
        }
    }

    #[test]
    fn impossible_ones_say_why() {
        let why = |text: &str| text.parse::<Span>().unwrap_err();
        assert!(why("-2d").contains("negative"));
        assert!(why("3mo").contains("months"));
        assert!(why("200 years").contains("months or years"));
        assert!(why("soon").contains("write 2d"));
        assert!(why("40000d").contains("hundred years"));
        assert!(serde_json::from_str::<Span>("1e400").is_err());
        assert!(serde_json::from_str::<Span>("-1").is_err());
        assert_eq!(serde_json::from_str::<Span>("1.5").unwrap().to_string(), "1s 500ms");
    }
}
