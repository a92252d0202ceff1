//! Durations in requests: a number of seconds.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A number of seconds, whole or not, 0 or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seconds(pub(super) Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondsVisitor)
    }
}

struct SecondsVisitor;

impl Visitor<'_> for SecondsVisitor {
    type Value = Seconds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds, 0 or more")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Seconds, E> {
        Ok(Seconds(Duration::from_secs(seconds)))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Seconds, E> {
        match u64::try_from(seconds) {
            Ok(seconds) => self.visit_u64(seconds),
            Err(_) => Err(E::custom("time only goes forward: it must be 0 or more")),
        }
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Seconds, E> {
        Duration::try_from_secs_f64(seconds)
            .map(Seconds)
            .map_err(|error| E::custom(format!("it must be a number of seconds, 0 or more: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_numbers_that_time_can_go_forward_by() {
        let seconds = |text: &str| serde_json::from_str::<Seconds>(text).map(|Seconds(seconds)| seconds);
        assert_eq!(seconds("0").unwrap(), Duration::ZERO);
        assert_eq!(seconds("0.5").unwrap(), Duration::from_millis(500));
        assert_eq!(seconds("1e3").unwrap(), Duration::from_secs(1000));
        assert_eq!(seconds("18446744073709551615").unwrap(), Duration::from_secs(u64::MAX));
        for bad in [
            "-1", "-0.5", "1e400", "1e30", "NaN", "Infinity", "\"1\"", "null", "[]", "true",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
