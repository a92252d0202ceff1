//! Cron strings and calendars of text, as structured calendars.

use temporalio_protos::temporal::api::schedule::v1::{CalendarSpec, IntervalSpec, StructuredCalendarSpec};

use super::field;
use super::go_duration;

/// What a cron string stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cron {
    Calendar(StructuredCalendarSpec),
    /// `@every`.
    Interval(IntervalSpec),
}

/// A cron string, and the time zone that it names.
pub(crate) fn parse(text: &str) -> Result<(Cron, String), String> {
    let mut rest = text.trim();
    let mut zone = "";
    if rest.starts_with("TZ=") || rest.starts_with("CRON_TZ=") {
        let (setting, fields) = rest
            .split_once(' ')
            .ok_or("CronString has time zone but missing fields")?;
        zone = setting.split_once('=').map_or("", |(_, zone)| zone);
        rest = fields;
    }
    let (fields, comment) = rest.split_once('#').unwrap_or((rest, ""));
    let (fields, comment) = (fields.trim(), comment.trim());
    if fields.starts_with("@every") {
        // Intervals know no zone, and the server forgets the one that was named.
        return Ok((Cron::Interval(parse_every(fields)?), String::new()));
    }
    let spec = split(expand(fields), comment).ok_or("CronString does not have 5-7 fields")?;
    Ok((Cron::Calendar(structured(&spec)?), zone.to_owned()))
}

/// A calendar of text as a structured one.
pub(crate) fn structured(spec: &CalendarSpec) -> Result<StructuredCalendarSpec, String> {
    let mut errors: Vec<String> = Vec::new();
    let mut parse = |field: field::Field, text: &str| {
        field.parse(text).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        })
    };
    // In the order in which the server reports errors.
    let structured = StructuredCalendarSpec {
        second: parse(field::SECOND, &spec.second),
        minute: parse(field::MINUTE, &spec.minute),
        hour: parse(field::HOUR, &spec.hour),
        day_of_week: parse(field::DAY_OF_WEEK, &spec.day_of_week),
        day_of_month: parse(field::DAY_OF_MONTH, &spec.day_of_month),
        month: parse(field::MONTH, &spec.month),
        year: parse(field::YEAR, &spec.year),
        comment: spec.comment.clone(),
    };
    match errors.is_empty() {
        true => Ok(structured),
        false => Err(errors.join(", ")),
    }
}

/// `@every 14h/3h`: an interval, and its phase.
fn parse_every(text: &str) -> Result<IntervalSpec, String> {
    let (_, durations) = text
        .split_once(' ')
        .ok_or("CronString does not have interval after @every")?;
    let (interval, phase) = durations.split_once('/').unwrap_or((durations, ""));
    let interval = Some(wire_duration(go_duration::parse(interval)?));
    let phase = match phase {
        "" => None,
        phase => Some(wire_duration(go_duration::parse(phase)?)),
    };
    Ok(IntervalSpec { interval, phase })
}

fn wire_duration(nanoseconds: i64) -> prost_types::Duration {
    prost_types::Duration {
        seconds: nanoseconds / 1_000_000_000,
        nanos: (nanoseconds % 1_000_000_000) as i32,
    }
}

/// The names of whole schedules.
fn expand(fields: &str) -> &str {
    match fields {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        fields => fields,
    }
}

/// Five fields from the minute to the day of the week; a sixth is the year; of seven the first is the second.
fn split(fields: &str, comment: &str) -> Option<CalendarSpec> {
    let fields: Vec<&str> = fields.split_whitespace().take(8).collect();
    let (second, rest, year) = match fields.as_slice() {
        [rest @ .., year] if rest.len() == 5 => ("", rest, *year),
        [second, rest @ .., year] if rest.len() == 5 => (*second, rest, *year),
        rest => ("", rest, ""),
    };
    let [minute, hour, day_of_month, month, day_of_week] = rest else {
        return None;
    };
    Some(CalendarSpec {
        second: second.to_owned(),
        minute: (*minute).to_owned(),
        hour: (*hour).to_owned(),
        day_of_month: (*day_of_month).to_owned(),
        month: (*month).to_owned(),
        year: year.to_owned(),
        day_of_week: (*day_of_week).to_owned(),
        comment: comment.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(text: &str) -> (StructuredCalendarSpec, String) {
        match parse(text).unwrap() {
            (Cron::Calendar(calendar), zone) => (calendar, zone),
            (Cron::Interval(_), _) => panic!("{text} is no calendar"),
        }
    }

    #[test]
    fn five_six_and_seven_fields() {
        let (five, zone) = calendar("5 4 * 2-3 Mon # leap");
        assert_eq!(five.minute[0].start, 5);
        assert_eq!(five.hour[0].start, 4);
        assert_eq!((five.month[0].start, five.month[0].end), (2, 3));
        assert_eq!(five.day_of_week[0].start, 1);
        assert!(five.year.is_empty());
        assert_eq!((five.comment.as_str(), zone.as_str()), ("leap", ""));
        let (six, _) = calendar("5 4 * * * 2030");
        assert_eq!((six.minute[0].start, six.year[0].start), (5, 2030));
        let (seven, _) = calendar("9 5 4 * * * 2030");
        assert_eq!(
            (seven.second[0].start, seven.minute[0].start, seven.year[0].start),
            (9, 5, 2030)
        );
    }

    #[test]
    fn names_zones_and_intervals() {
        let (hourly, zone) = calendar("CRON_TZ=Europe/Berlin @hourly");
        assert_eq!(hourly, calendar("0 * * * *").0);
        assert_eq!(zone, "Europe/Berlin");
        let every = |seconds, phase: Option<i64>| {
            let duration = |seconds| prost_types::Duration { seconds, nanos: 0 };
            Cron::Interval(IntervalSpec {
                interval: Some(duration(seconds)),
                phase: phase.map(duration),
            })
        };
        assert_eq!(parse("@every 14h/3h"), Ok((every(50_400, Some(10_800)), String::new())));
        assert_eq!(parse("TZ=UTC @every 2d"), Ok((every(172_800, None), String::new())));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert_eq!(refused("* * * *"), "CronString does not have 5-7 fields");
        assert_eq!(refused("* * * * * * * *"), "CronString does not have 5-7 fields");
        assert_eq!(refused("@fortnightly"), "CronString does not have 5-7 fields");
        assert_eq!(refused("TZ=UTC"), "CronString has time zone but missing fields");
        assert_eq!(refused("@every"), "CronString does not have interval after @every");
        assert_eq!(refused("@every 5"), "time: missing unit in duration \"5\"");
        assert_eq!(
            refused("99 * 77 * *"),
            "Minute is not in range [0-59], DayOfMonth is not in range [1-31]"
        );
    }
}
