//! How long people take.

use std::fmt;
use std::time::Duration;

use rand_distr::{Exp, LogNormal};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::entropy::Entropy;
use crate::fault::Span;

/// How long somebody takes: always the same, or drawn anew for each task, from the world's seed. Draws are whole milliseconds.
///
/// In a scenario file it is a duration or a table.
///
/// ```
/// use awaithumans_testkit::human::Latency;
///
/// let fixed: Latency = serde_json::from_str(r#""2d""#).unwrap();
/// assert_eq!(fixed.to_string(), "2d");
/// let drawn: Latency = serde_json::from_str(r#"{"log_normal": {"median": "2h", "p95": "1d"}}"#).unwrap();
/// assert_eq!(drawn.to_string(), "about 2h (19 of 20 within 1d)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Latency {
    /// Always so long.
    Fixed(Span),
    /// Any time between the two is as likely as any other.
    Uniform {
        /// The shortest.
        from: Span,
        /// The longest.
        to: Span,
    },
    /// Whoever has waited for a while waits as long as at first: many are quick, a few are slow.
    Exponential {
        /// The mean.
        mean: Span,
    },
    /// As people answer their mail: most within some time, a few much later.
    LogNormal {
        /// Half of them are quicker.
        median: Span,
        /// Nineteen of twenty are quicker.
        p95: Span,
    },
}

/// The table of a scenario file.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Table {
    Uniform { from: Span, to: Span },
    Exponential { mean: Span },
    LogNormal { median: Span, p95: Span },
}

/// The 95th percentile of the normal distribution, in standard deviations.
const P95_DEVIATIONS: f64 = 1.644_853_626_951_472_7;

impl Latency {
    /// Why nothing can be drawn from it, if nothing can.
    ///
    /// # Errors
    /// One line for people.
    pub fn check(self) -> Result<(), String> {
        match self {
            Self::Fixed(_) => Ok(()),
            Self::Uniform { from, to } if from <= to => Ok(()),
            Self::Uniform { from, to } => Err(format!("`from` ({from}) is longer than `to` ({to}): swap them")),
            Self::Exponential { mean } if mean > Span::default() => Ok(()),
            Self::Exponential { .. } => Err("`mean` must be more than 0s".to_owned()),
            Self::LogNormal { median, p95 } if Span::default() < median && median <= p95 => Ok(()),
            Self::LogNormal { median, p95 } => Err(format!(
                "`median` ({median}) must be more than 0s, and no more than `p95` ({p95})"
            )),
        }
    }

    /// One person's time for one task.
    pub(crate) fn draw(self, entropy: &mut Entropy) -> Duration {
        match self {
            Self::Fixed(span) => span.get(),
            Self::Uniform { from, to } => {
                let range = to.get().saturating_sub(from.get()).as_millis();
                let range = u64::try_from(range).unwrap_or(u64::MAX - 1);
                from.get() + Duration::from_millis(entropy.below(range.saturating_add(1)))
            }
            Self::Exponential { mean } => {
                let drawn = Exp::new(mean.get().as_secs_f64().recip()).map(|exponential| entropy.sample(&exponential));
                whole_milliseconds(drawn.unwrap_or_default())
            }
            Self::LogNormal { median, p95 } => {
                let (median, p95) = (median.get().as_secs_f64(), p95.get().as_secs_f64());
                let deviation = (p95 / median).ln() / P95_DEVIATIONS;
                let drawn = LogNormal::new(median.ln(), deviation).map(|normal| entropy.sample(&normal));
                whole_milliseconds(drawn.unwrap_or(median))
            }
        }
    }
}

/// The last bits of a logarithm differ from machine to machine; no millisecond does. A hundred years are the most.
fn whole_milliseconds(seconds: f64) -> Duration {
    let limit = Span::MAX.get();
    let seconds = seconds.clamp(0.0, limit.as_secs_f64());
    Duration::from_millis((seconds * 1_000.0).round() as u64)
}

impl Default for Latency {
    /// At once.
    fn default() -> Self {
        Self::Fixed(Span::default())
    }
}

impl From<Span> for Latency {
    fn from(span: Span) -> Self {
        Self::Fixed(span)
    }
}

impl From<Duration> for Latency {
    fn from(duration: Duration) -> Self {
        Self::Fixed(duration.into())
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(span) => span.fmt(f),
            Self::Uniform { from, to } => write!(f, "{from} to {to}"),
            Self::Exponential { mean } => write!(f, "{mean} on average"),
            Self::LogNormal { median, p95 } => write!(f, "about {median} (19 of 20 within {p95})"),
        }
    }
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Fixed(span) => span.serialize(serializer),
            Self::Uniform { from, to } => Table::Uniform { from, to }.serialize(serializer),
            Self::Exponential { mean } => Table::Exponential { mean }.serialize(serializer),
            Self::LogNormal { median, p95 } => Table::LogNormal { median, p95 }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LatencyVisitor)
    }
}

struct LatencyVisitor;

impl<'de> Visitor<'de> for LatencyVisitor {
    type Value = Latency;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"2d\" or a table such as { exponential = { mean = \"2d\" } }")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Latency, E> {
        text.parse().map(Latency::Fixed).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Latency, E> {
        Span::deserialize(serde::de::value::U64Deserializer::new(seconds)).map(Latency::Fixed)
    }

    fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Latency, E> {
        Span::deserialize(serde::de::value::I64Deserializer::new(seconds)).map(Latency::Fixed)
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Latency, E> {
        Span::deserialize(serde::de::value::F64Deserializer::new(seconds)).map(Latency::Fixed)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Latency, A::Error> {
        let latency = match Table::deserialize(MapAccessDeserializer::new(map))? {
            Table::Uniform { from, to } => Latency::Uniform { from, to },
            Table::Exponential { mean } => Latency::Exponential { mean },
            Table::LogNormal { median, p95 } => Latency::LogNormal { median, p95 },
        };
        latency.check().map_err(A::Error::custom)?;
        Ok(latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Latency, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    /// A thousand draws, sorted, in seconds.
    fn draws(latency: Latency) -> Vec<f64> {
        let mut draws: Vec<f64> = (0..1_000)
            .map(|number| latency.draw(&mut Entropy::stream(7, number)).as_secs_f64())
            .collect();
        draws.sort_by(f64::total_cmp);
        draws
    }

    #[test]
    fn what_is_written_is_read_again() {
        for json in [
            r#""1h 30m""#,
            r#"{"uniform":{"from":"1h","to":"3h"}}"#,
            r#"{"exponential":{"mean":"1d"}}"#,
            r#"{"log_normal":{"median":"2h","p95":"1d"}}"#,
        ] {
            let latency = read(json).unwrap();
            assert_eq!(serde_json::to_string(&latency).unwrap(), json);
        }
        assert_eq!(read("90").unwrap().to_string(), "1m 30s");
        assert_eq!(read("0.5").unwrap().to_string(), "500ms");
    }

    #[test]
    fn impossible_ones_say_why() {
        let why = |json: &str| read(json).unwrap_err();
        assert!(why(r#"{"uniform": {"from": "3h", "to": "1h"}}"#).contains("swap them"));
        assert!(why(r#"{"exponential": {"mean": "0s"}}"#).contains("more than 0s"));
        assert!(why(r#"{"log_normal": {"median": "2h", "p95": "1h"}}"#).contains("no more than `p95`"));
        assert!(why(r#"{"gaussian": {}}"#).contains("unknown variant `gaussian`"));
        assert!(why(r#"{"uniform": {"from": "1h", "til": "2h"}}"#).contains("unknown field `til`"));
        assert!(why("-1").contains("-1"));
        assert!(why("[]").contains("a duration such as"));
    }

    #[test]
    fn draws_are_spread_as_the_distribution_says() {
        let hour = Span::from_seconds(3_600);
        let uniform = draws(Latency::Uniform {
            from: hour,
            to: Span::from_seconds(7_200),
        });
        assert!(uniform[0] >= 3_600.0 && uniform[999] <= 7_200.0);
        assert!((5_200.0..5_600.0).contains(&uniform[500]), "{}", uniform[500]);
        let exponential = draws(Latency::Exponential { mean: hour });
        let mean = exponential.iter().sum::<f64>() / 1_000.0;
        assert!((3_200.0..4_000.0).contains(&mean), "{mean}");
        let log_normal = draws(Latency::LogNormal {
            median: hour,
            p95: Span::from_seconds(86_400),
        });
        assert!((3_000.0..4_300.0).contains(&log_normal[500]), "{}", log_normal[500]);
        assert!((60_000.0..120_000.0).contains(&log_normal[950]), "{}", log_normal[950]);
    }
}
