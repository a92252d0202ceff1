//! The callback that awaithumans sends when a task ends.

use std::fmt;
use std::str::FromStr;

use super::json::{self, Json, JsonError, Object};

/// The body of a callback. Source: awaithumans 0.1.12, recorded in `fixtures/webhooks-0.1.12`.
///
/// ```
/// use awaithumans_temporal::wire::webhook::Webhook;
///
/// let body = br#"{"task_id":"t","idempotency_key":"k","status":"timed_out","response":null,"completed_at":null,"timed_out_at":"2026-01-03T00:00:00","completed_by_email":null,"completed_via_channel":null,"verification_attempt":0}"#;
/// let webhook = Webhook::parse(body)?;
/// assert_eq!(webhook.status, "timed_out");
/// assert_eq!(webhook.to_bytes(), body);
/// # Ok::<(), awaithumans_temporal::wire::webhook::WebhookError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// The task's id: 32 hexadecimal digits.
    pub task_id: String,
    /// The key that the task was created with.
    pub idempotency_key: String,
    /// How the task ended: `completed`, `timed_out`, `cancelled` or `verification_exhausted`.
    pub status: String,
    /// What the person answered: an object, or `null`. Kept when verification was exhausted: the last answer then.
    pub response: Json,
    /// When an answer was accepted, UTC. A cancelled task has none.
    pub completed_at: Option<Moment>,
    /// When the timeout was noticed, UTC.
    pub timed_out_at: Option<Moment>,
    /// Who answered, if awaithumans knows an address.
    pub completed_by_email: Option<String>,
    /// Through what: `dashboard`, `slack`, `email`, `embed`, or whatever the caller said.
    pub completed_via_channel: Option<String>,
    /// How many answers the verifier has judged.
    pub verification_attempt: i64,
}

impl Webhook {
    /// The body as awaithumans writes it, byte for byte: this is what it signs.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = String::with_capacity(512);
        let text = |key: &str, text: Option<&str>, out: &mut String| {
            out.push_str(key);
            match text {
                Some(text) => json::write_compact_text(text, out),
                None => out.push_str("null"),
            }
        };
        let moment = |moment: Option<Moment>| moment.map(|moment| moment.to_string());
        text("{\"task_id\":", Some(&self.task_id), &mut out);
        text(",\"idempotency_key\":", Some(&self.idempotency_key), &mut out);
        text(",\"status\":", Some(&self.status), &mut out);
        out.push_str(",\"response\":");
        self.response.write_compact(&mut out);
        text(",\"completed_at\":", moment(self.completed_at).as_deref(), &mut out);
        text(",\"timed_out_at\":", moment(self.timed_out_at).as_deref(), &mut out);
        text(",\"completed_by_email\":", self.completed_by_email.as_deref(), &mut out);
        text(
            ",\"completed_via_channel\":",
            self.completed_via_channel.as_deref(),
            &mut out,
        );
        out.push_str(&format!(",\"verification_attempt\":{}}}", self.verification_attempt));
        out.into_bytes()
    }

    /// The body as a JSON object, keys in the order in which awaithumans writes them.
    pub fn to_json(&self) -> Json {
        Object::new()
            .with("task_id", self.task_id.as_str())
            .with("idempotency_key", self.idempotency_key.as_str())
            .with("status", self.status.as_str())
            .with("response", self.response.clone())
            .with("completed_at", self.completed_at.map(|moment| moment.to_string()))
            .with("timed_out_at", self.timed_out_at.map(|moment| moment.to_string()))
            .with("completed_by_email", self.completed_by_email.clone())
            .with("completed_via_channel", self.completed_via_channel.clone())
            .with("verification_attempt", self.verification_attempt)
            .into()
    }

    /// Reads a body. Verify its signature first.
    ///
    /// # Errors
    /// [`WebhookError`], which names the field.
    pub fn parse(body: &[u8]) -> Result<Self, WebhookError> {
        let fields = Fields(Json::parse(body)?);
        if !fields.0.is_object() {
            return Err(WebhookError::NotAnObject);
        }
        Ok(Self {
            task_id: fields.required("task_id")?,
            idempotency_key: fields.required("idempotency_key")?,
            status: fields.required("status")?,
            response: fields.0.get("response").cloned().unwrap_or_default(),
            completed_at: fields.moment("completed_at")?,
            timed_out_at: fields.moment("timed_out_at")?,
            completed_by_email: fields.optional("completed_by_email")?,
            completed_via_channel: fields.optional("completed_via_channel")?,
            verification_attempt: fields.integer("verification_attempt")?,
        })
    }
}

/// Why a body is no callback of awaithumans.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// Not JSON.
    #[error("webhook body is not JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON, but no object.
    #[error("webhook body is not a JSON object")]
    NotAnObject,
    /// A field is missing or of the wrong type.
    #[error("webhook field `{field}` is not {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

struct Fields(Json);

impl Fields {
    fn required(&self, field: &'static str) -> Result<String, WebhookError> {
        self.optional(field)?.ok_or(WebhookError::Field {
            field,
            expected: "a string",
        })
    }

    fn optional(&self, field: &'static str) -> Result<Option<String>, WebhookError> {
        match self.0.get(field) {
            None | Some(Json::Null) => Ok(None),
            Some(value) => match value.as_str() {
                Some(text) => Ok(Some(text.to_owned())),
                None => Err(WebhookError::Field {
                    field,
                    expected: "a string",
                }),
            },
        }
    }

    fn moment(&self, field: &'static str) -> Result<Option<Moment>, WebhookError> {
        let expected = "a date as Python's isoformat() writes it";
        match self.optional(field)? {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|NotAMoment| WebhookError::Field { field, expected }),
        }
    }

    fn integer(&self, field: &'static str) -> Result<i64, WebhookError> {
        let value = self.0.get(field).unwrap_or(&Json::Null);
        value.as_i64().ok_or(WebhookError::Field {
            field,
            expected: "an integer",
        })
    }
}

/// A moment in UTC with the resolution of Python's `datetime`: microseconds since the Unix epoch.
///
/// Webhook bodies spell it without a zone, since SQLite forgets zones: `2026-01-01T00:00:00.5` never occurs, it is
/// `2026-01-01T00:00:00.500000`, or no fraction at all on the whole second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    microseconds: u64,
}

impl Moment {
    /// A moment from 1970 to 9999; later ones become the last microsecond of 9999.
    pub fn from_microseconds(microseconds: u64) -> Self {
        Self {
            microseconds: microseconds.min(LAST_MICROSECOND),
        }
    }

    /// Microseconds since the Unix epoch.
    pub fn as_microseconds(self) -> u64 {
        self.microseconds
    }
}

const LAST_MICROSECOND: u64 = 253_402_300_799_999_999;
const SECONDS_OF_A_DAY: u64 = 86_400;

/// As Python's `datetime.isoformat()` of a naive `datetime`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.microseconds / 1_000_000;
        let (year, month, day) = date_of_day(seconds / SECONDS_OF_A_DAY);
        let second_of_day = seconds % SECONDS_OF_A_DAY;
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        let fraction = self.microseconds % 1_000_000;
        // Every answer of the fake server has some of these: digit by digit it takes a fifth of the time of `write!`.
        let mut text = *b"0000-00-00T00:00:00.000000";
        let numbers = [year, month, day, hour, minute, second, fraction];
        for (place, number) in [(0..4), (5..7), (8..10), (11..13), (14..16), (17..19), (20..26)]
            .into_iter()
            .zip(numbers)
        {
            write_digits(&mut text[place], number);
        }
        let length = if fraction == 0 { 19 } else { 26 };
        f.write_str(std::str::from_utf8(&text[..length]).unwrap_or_default())
    }
}

/// Writes a number with leading zeros.
fn write_digits(places: &mut [u8], mut number: u64) {
    for place in places.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The text is no date and time from 1970 to 9999 in the form that [`Moment`] is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date and time as Python's isoformat() writes it")]
pub struct NotAMoment;

/// Reads what `Display` writes; a trailing `Z` or `+00:00` is allowed, as the REST answers have it.
impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        let naive = text
            .strip_suffix('Z')
            .or_else(|| text.strip_suffix("+00:00"))
            .unwrap_or(text);
        let (date_and_time, fraction) = match naive.split_once('.') {
            None => (naive, 0),
            Some((rest, digits)) if digits.len() == 6 => (rest, number(digits)?),
            Some(_) => return Err(NotAMoment),
        };
        let bytes = date_and_time.as_bytes();
        let separators = [4, 7, 10, 13, 16].map(|at| bytes.get(at).copied());
        if bytes.len() != 19 || separators != [b'-', b'-', b'T', b':', b':'].map(Some) || !date_and_time.is_ascii() {
            return Err(NotAMoment);
        }
        let part = |from: usize, to: usize| number(&date_and_time[from..to]);
        let days = day_of_date(part(0, 4)?, part(5, 7)?, part(8, 10)?)?;
        let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
        if hour > 23 || minute > 59 || second > 59 {
            return Err(NotAMoment);
        }
        let seconds = days * SECONDS_OF_A_DAY + hour * 3600 + minute * 60 + second;
        Ok(Self::from_microseconds(seconds * 1_000_000 + fraction))
    }
}

fn number(digits: &str) -> Result<u64, NotAMoment> {
    match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse().map_err(|_| NotAMoment),
        false => Err(NotAMoment),
    }
}

/// Year, month and day of the Gregorian calendar, from days since the Unix epoch.
///
/// Counts in years that begin in March, so that a leap day is the last of its year, and in eras of 400 years.
fn date_of_day(day: u64) -> (u64, u64, u64) {
    let since_year_zero = day + 719_468;
    let (era, day_of_era) = (since_year_zero / 146_097, since_year_zero % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day_of_month)
}

/// Days since the Unix epoch; the inverse of [`date_of_day`].
fn day_of_date(year: u64, month: u64, day: u64) -> Result<u64, NotAMoment> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(NotAMoment);
    }
    let year_from_march = year - u64::from(month <= 2);
    let month_from_march = (month + 9) % 12;
    let (era, year_of_era) = (year_from_march / 400, year_from_march % 400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    // A day that its month doesn't have comes out as one of the next month.
    (date_of_day(days) == (year, month, day))
        .then_some(days)
        .ok_or(NotAMoment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bodies and signatures that the real server sent.
    #[test]
    fn every_recorded_body_is_written_byte_for_byte() {
        let lines = include_str!("../../fixtures/webhooks-0.1.12/bodies.jsonl").lines();
        let mut statuses = std::collections::BTreeSet::new();
        for line in lines {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let body = row["body"].as_str().unwrap();
            let webhook = Webhook::parse(body.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", row["name"]));
            assert_eq!(String::from_utf8(webhook.to_bytes()).unwrap(), body, "{}", row["name"]);
            assert_eq!(webhook.to_json().to_compact(), body, "{}", row["name"]);
            statuses.insert(webhook.status);
        }
        assert_eq!(
            statuses.iter().map(String::as_str).collect::<Vec<_>>(),
            ["cancelled", "completed", "timed_out", "verification_exhausted"]
        );
    }

    #[test]
    fn a_bad_body_is_refused_by_the_name_of_its_field() {
        let refusal = |body: &str| Webhook::parse(body.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            refusal("x"),
            "webhook body is not JSON: Expecting value: line 1 column 1 (char 0)"
        );
        assert_eq!(refusal("[]"), "webhook body is not a JSON object");
        assert_eq!(refusal("{}"), "webhook field `task_id` is not a string");
        assert_eq!(
            refusal(r#"{"task_id":"t","idempotency_key":"k","status":"completed","completed_at":"yesterday"}"#),
            "webhook field `completed_at` is not a date as Python's isoformat() writes it"
        );
        assert_eq!(
            refusal(r#"{"task_id":"t","idempotency_key":"k","status":"completed"}"#),
            "webhook field `verification_attempt` is not an integer"
        );
    }

    #[test]
    fn moments_are_spelled_as_python_spells_naive_datetimes() {
        let spelled = |microseconds| Moment::from_microseconds(microseconds).to_string();
        assert_eq!(spelled(0), "1970-01-01T00:00:00");
        assert_eq!(spelled(1_767_225_600_000_000), "2026-01-01T00:00:00");
        assert_eq!(spelled(1_767_225_600_500_000), "2026-01-01T00:00:00.500000");
        assert_eq!(spelled(951_782_400_000_001), "2000-02-29T00:00:00.000001");
        assert_eq!(spelled(u64::MAX), "9999-12-31T23:59:59.999999");
        for bad in [
            "",
            "2026-02-29T00:00:00",
            "2026-01-01 00:00:00",
            "2026-01-01T24:00:00",
            "2026-01-01T00:00:00.5",
            "1969-12-31T23:59:59",
            "2026-0é-01T00:00:00",
        ] {
            assert_eq!(bad.parse::<Moment>(), Err(NotAMoment), "{bad}");
        }
        assert_eq!(
            "2026-01-01T00:00:00Z".parse(),
            Ok(Moment::from_microseconds(1_767_225_600_000_000))
        );
    }

    proptest! {
        #[test]
        fn body_and_json_are_the_same(
            texts in proptest::collection::vec(proptest::option::of(any::<String>()), 6),
            moment: u64,
        ) {
            let required = |place: usize| texts[place].clone().unwrap_or_default();
            let webhook = Webhook {
                task_id: required(0),
                idempotency_key: required(1),
                status: required(2),
                response: Object::new().with(&required(3), texts[4].clone()).into(),
                completed_at: Some(Moment::from_microseconds(moment)),
                timed_out_at: None,
                completed_by_email: texts[4].clone(),
                completed_via_channel: texts[5].clone(),
                verification_attempt: moment as i64,
            };
            prop_assert_eq!(String::from_utf8(webhook.to_bytes()), Ok(webhook.to_json().to_compact()));
        }

        #[test]
        fn every_moment_reads_back(microseconds in 0..=LAST_MICROSECOND) {
            let moment = Moment::from_microseconds(microseconds);
            prop_assert_eq!(moment.to_string().parse(), Ok(moment));
        }
    }
}
