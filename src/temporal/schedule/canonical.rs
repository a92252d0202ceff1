//! A client's spec in the server's canonical form: structured calendars and intervals only, and checked.

use temporalio_protos::temporal::api::schedule::v1::{IntervalSpec, Range, ScheduleSpec, StructuredCalendarSpec};

use super::calendar::{MAX_YEAR, MIN_YEAR};
use super::cron::{self, Cron};

/// The longest comment of a calendar, in bytes.
const MAX_COMMENT_LENGTH: usize = 200;

/// The most that Go's `time.Duration` holds, in nanoseconds.
const MAX_GO_DURATION: i128 = i64::MAX as i128;

/// Seconds in 10,000 years, the limit of a protobuf duration.
const MAX_PROTO_SECONDS: i64 = 315_576_000_000;

/// The spec that means the same, without text.
pub(crate) fn canonicalize(mut spec: ScheduleSpec) -> Result<ScheduleSpec, String> {
    check_wire_durations(&spec)?;
    for calendar in std::mem::take(&mut spec.calendar) {
        spec.structured_calendar.push(cron::structured(&calendar)?);
    }
    #[expect(deprecated, reason = "clients may still send it")]
    let exclusions = std::mem::take(&mut spec.exclude_calendar);
    for calendar in exclusions {
        spec.exclude_structured_calendar.push(cron::structured(&calendar)?);
    }
    if let Some(zone) = take_cron_strings(&mut spec)? {
        adopt_zone(&mut spec, zone)?;
    }
    spec.structured_calendar.iter().try_for_each(check_calendar)?;
    spec.interval.iter().try_for_each(check_interval)?;
    Ok(spec)
}

/// Writes out the defaults of ranges, as clients see them.
pub(crate) fn fill_in_ranges(spec: &mut ScheduleSpec) {
    let calendars = spec
        .structured_calendar
        .iter_mut()
        .chain(&mut spec.exclude_structured_calendar);
    for calendar in calendars {
        let ranges = calendar
            .second
            .iter_mut()
            .chain(&mut calendar.minute)
            .chain(&mut calendar.hour)
            .chain(&mut calendar.day_of_month)
            .chain(&mut calendar.month)
            .chain(&mut calendar.year)
            .chain(&mut calendar.day_of_week);
        for range in ranges {
            range.end = range.end.max(range.start);
            if range.step == 0 {
                range.step = 1;
            }
        }
    }
}

/// Nanoseconds of a duration from the wire; as far as Go's type goes.
pub(crate) fn nanoseconds(wire: Option<&prost_types::Duration>) -> i64 {
    let Some(wire) = wire else {
        return 0;
    };
    let exact = i128::from(wire.seconds) * 1_000_000_000 + i128::from(wire.nanos);
    exact.clamp(-MAX_GO_DURATION, MAX_GO_DURATION) as i64
}

/// Parses all cron strings; gives the time zone on which they agree.
fn take_cron_strings(spec: &mut ScheduleSpec) -> Result<Option<String>, String> {
    let mut agreed: Option<String> = None;
    for text in std::mem::take(&mut spec.cron_string) {
        let (cron, zone) = cron::parse(&text)?;
        if agreed.as_ref().is_some_and(|agreed| *agreed != zone) {
            return Err(conflicting_zones());
        }
        agreed = Some(zone);
        match cron {
            Cron::Calendar(calendar) => spec.structured_calendar.push(calendar),
            Cron::Interval(interval) => spec.interval.push(interval),
        }
    }
    Ok(agreed.filter(|zone| !zone.is_empty()))
}

/// The zone of the cron strings is the whole spec's, unless that has another one.
fn adopt_zone(spec: &mut ScheduleSpec, zone: String) -> Result<(), String> {
    let other = !spec.timezone_name.is_empty() && spec.timezone_name != zone;
    if other || !spec.timezone_data.is_empty() {
        return Err(conflicting_zones());
    }
    spec.timezone_name = zone;
    Ok(())
}

fn conflicting_zones() -> String {
    "conflicting timezone names".to_owned()
}

fn check_calendar(calendar: &StructuredCalendarSpec) -> Result<(), String> {
    let mut errors: Vec<String> = Vec::new();
    let mut check = |ranges: &[Range], field: &str, min: i32, max: i32| {
        for range in ranges {
            if range.start < min || range.start > max {
                errors.push(format!("{field} Start is not in range [{min}-{max}]"));
            }
            if range.end != 0 && (range.end < range.start || range.end > max) {
                errors.push(format!("{field} End is before Start or not in range [{min}-{max}]"));
            }
            if range.step < 0 {
                errors.push(format!("{field} has invalid Step"));
            }
        }
    };
    check(&calendar.second, "Second", 0, 59);
    check(&calendar.minute, "Minute", 0, 59);
    check(&calendar.hour, "Hour", 0, 23);
    check(&calendar.day_of_month, "DayOfMonth", 1, 31);
    check(&calendar.month, "Month", 1, 12);
    check(&calendar.year, "Year", MIN_YEAR, MAX_YEAR);
    check(&calendar.day_of_week, "DayOfWeek", 0, 6);
    if calendar.comment.len() > MAX_COMMENT_LENGTH {
        errors.push("comment is too long".to_owned());
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(format!("invalid calendar spec: {}", errors.join(", "))),
    }
}

fn check_interval(interval: &IntervalSpec) -> Result<(), String> {
    let every = nanoseconds(interval.interval.as_ref());
    let phase = nanoseconds(interval.phase.as_ref());
    let why = match () {
        () if every < 1_000_000_000 => "interval is too small",
        () if phase < 0 => "phase is negative",
        () if phase >= every => "phase cannot be greater than Interval",
        () => return Ok(()),
    };
    Err(why.to_owned())
}

fn check_wire_durations(spec: &ScheduleSpec) -> Result<(), String> {
    for interval in &spec.interval {
        let fields = [("interval", &interval.interval), ("phase", &interval.phase)];
        for (field, duration) in fields {
            if let Some(why) = duration.as_ref().and_then(malformed) {
                return Err(format!("{field} is not a valid duration: proto: {why}"));
            }
        }
    }
    Ok(())
}

/// Why protobuf doesn't hold this for a duration (`durationpb.CheckValid`).
fn malformed(duration: &prost_types::Duration) -> Option<String> {
    let (seconds, nanos) = (duration.seconds, duration.nanos);
    let shown = match (seconds, nanos) {
        (seconds, 0) => format!("seconds:{seconds}"),
        (0, nanos) => format!("nanos:{nanos}"),
        (seconds, nanos) => format!("seconds:{seconds} nanos:{nanos}"),
    };
    let why = match () {
        () if seconds < -MAX_PROTO_SECONDS => "exceeds -10000 years",
        () if seconds > MAX_PROTO_SECONDS => "exceeds +10000 years",
        () if nanos <= -1_000_000_000 || nanos >= 1_000_000_000 => "has out-of-range nanos",
        () if (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0) => "has seconds and nanos with different signs",
        () => return None,
    };
    Some(format!("duration ({shown}) {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: i64) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds, nanos: 0 })
    }

    fn crons(texts: &[&str], zone: &str) -> ScheduleSpec {
        ScheduleSpec {
            cron_string: texts.iter().map(|text| (*text).to_owned()).collect(),
            timezone_name: zone.to_owned(),
            ..Default::default()
        }
    }

    fn interval(interval: Option<prost_types::Duration>, phase: Option<prost_types::Duration>) -> ScheduleSpec {
        ScheduleSpec {
            interval: vec![IntervalSpec { interval, phase }],
            ..Default::default()
        }
    }

    #[test]
    fn text_becomes_structure_and_doing_it_again_changes_nothing() {
        let spec = canonicalize(crons(&["TZ=Asia/Tokyo @hourly", "CRON_TZ=Asia/Tokyo 5 * * * *"], "")).unwrap();
        assert_eq!((spec.structured_calendar.len(), spec.cron_string.len()), (2, 0));
        assert_eq!(spec.timezone_name, "Asia/Tokyo");
        assert_eq!(canonicalize(spec.clone()), Ok(spec));
    }

    #[test]
    fn time_zones_must_agree() {
        let conflict = Err("conflicting timezone names".to_owned());
        assert_eq!(canonicalize(crons(&["TZ=UTC @daily", "@hourly"], "")), conflict);
        assert_eq!(canonicalize(crons(&["TZ=UTC @daily"], "Asia/Tokyo")), conflict);
        assert!(canonicalize(crons(&["@daily"], "Asia/Tokyo")).is_ok());
    }

    #[test]
    fn intervals_are_checked() {
        let refused = |spec| canonicalize(spec).unwrap_err();
        assert_eq!(refused(interval(None, None)), "interval is too small");
        assert_eq!(refused(interval(seconds(5), seconds(-1))), "phase is negative");
        assert_eq!(
            refused(interval(seconds(5), seconds(5))),
            "phase cannot be greater than Interval"
        );
        assert_eq!(
            refused(interval(Some(prost_types::Duration { seconds: 1, nanos: -1 }), None)),
            "interval is not a valid duration: proto: duration (seconds:1 nanos:-1) has seconds and nanos with \
             different signs"
        );
        assert!(canonicalize(interval(seconds(5), seconds(4))).is_ok());
    }

    #[test]
    fn calendars_are_checked_and_every_fault_is_named() {
        let spec = ScheduleSpec {
            structured_calendar: vec![StructuredCalendarSpec {
                second: vec![Range {
                    start: 60,
                    end: 61,
                    step: -1,
                }],
                comment: "x".repeat(201),
                ..Default::default()
            }],
            ..Default::default()
        };
        assert_eq!(
            canonicalize(spec).unwrap_err(),
            "invalid calendar spec: Second Start is not in range [0-59], Second End is before Start or not in range \
             [0-59], Second has invalid Step, comment is too long"
        );
    }

    #[test]
    fn ranges_are_written_out_for_clients() {
        let mut spec = canonicalize(crons(&["5 1-3 * * *"], "")).unwrap();
        fill_in_ranges(&mut spec);
        let calendar = &spec.structured_calendar[0];
        let range = |start, end| Range { start, end, step: 1 };
        assert_eq!(calendar.minute, [range(5, 5)]);
        assert_eq!(calendar.hour, [range(1, 3)]);
        assert_eq!(calendar.day_of_week, [range(0, 6)]);
    }
}
