//! One field of a calendar or of a cron string, as text: `*`, `5`, `1-5`, `*/2`, `mon-fri`, `1-5/2,8`.

use temporalio_protos::temporal::api::schedule::v1::Range;

use super::calendar::{MAX_YEAR, MIN_YEAR};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

/// A field: what it is called in errors, what it means when it is empty, what it may hold, and by which names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    name: &'static str,
    default: &'static str,
    min: i32,
    max: i32,
    names: Names,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    None,
    /// At least three letters.
    Months,
    /// At least two letters.
    Weekdays,
    /// None either; but `*` is written as no range at all.
    Years,
}

pub(crate) const SECOND: Field = Field::new("Second", "0", 0, 59, Names::None);
pub(crate) const MINUTE: Field = Field::new("Minute", "0", 0, 59, Names::None);
pub(crate) const HOUR: Field = Field::new("Hour", "0", 0, 23, Names::None);
pub(crate) const DAY_OF_MONTH: Field = Field::new("DayOfMonth", "*", 1, 31, Names::None);
pub(crate) const MONTH: Field = Field::new("Month", "*", 1, 12, Names::Months);
pub(crate) const YEAR: Field = Field::new("Year", "*", MIN_YEAR, MAX_YEAR, Names::Years);
/// 7 is Sunday too, in text.
pub(crate) const DAY_OF_WEEK: Field = Field::new("DayOfWeek", "*", 0, 7, Names::Weekdays);

impl Field {
    const fn new(name: &'static str, default: &'static str, min: i32, max: i32, names: Names) -> Self {
        Self {
            name,
            default,
            min,
            max,
            names,
        }
    }

    /// The ranges that a text stands for, in the server's own shortest form: zero for what is the default.
    pub(crate) fn parse(&self, text: &str) -> Result<Vec<Range>, String> {
        let text = match text.trim() {
            "" => self.default,
            text => text,
        };
        if text == "*" && self.names == Names::Years {
            return Ok(Vec::new());
        }
        let mut ranges = Vec::new();
        for part in text.split(',') {
            self.parse_part(part, &mut ranges)?;
        }
        Ok(ranges)
    }

    fn parse_part(&self, part: &str, ranges: &mut Vec<Range>) -> Result<(), String> {
        let (part, step) = self.parse_step(part)?;
        let (start, mut end) = self.parse_bounds(part, step.is_some())?;
        let step = step.unwrap_or(1);
        if self.names == Names::Weekdays && end == 7 {
            // Sunday is 0: it gets a range of its own, unless a range from 0 or 1 in single steps has it anyway.
            if (7 - start) % step == 0 && (step > 1 || start > 1) {
                ranges.push(Range::default());
                if start == 7 {
                    return Ok(());
                }
            }
            end = 6;
        }
        ranges.push(Range {
            start,
            end: if start == end { 0 } else { end },
            step: if step == 1 { 0 } else { step },
        });
        Ok(())
    }

    fn parse_step<'a>(&self, part: &'a str) -> Result<(&'a str, Option<i32>), String> {
        let Some((bounds, step)) = part.split_once('/') else {
            return Ok((part, None));
        };
        if step.contains('/') {
            return Err(format!("{} has too many slashes", self.name));
        }
        if step.is_empty() {
            return Err(format!("{} missing step value", self.name));
        }
        let step: i64 = step.parse().map_err(|error| atoi_error(step, &error))?;
        if step < 1 {
            return Err(format!("{} has invalid Step", self.name));
        }
        // A step that is longer than any field is as good as the longest.
        Ok((bounds, Some(i32::try_from(step).unwrap_or(i32::MAX))))
    }

    fn parse_bounds(&self, part: &str, has_step: bool) -> Result<(i32, i32), String> {
        let Self { name, min, max, .. } = *self;
        if part == "*" {
            return Ok((min, max));
        }
        let Some((start, end)) = part.split_once('-') else {
            let start = self
                .value(part, min)
                .ok_or_else(|| format!("{name} is not in range [{min}-{max}]"))?;
            // With a step, one value means that one and on to the last.
            return Ok((start, if has_step { max } else { start }));
        };
        if end.contains('-') {
            return Err(format!("{name} has too many dashes"));
        }
        let start = self
            .value(start, min)
            .ok_or_else(|| format!("{name} Start is not in range [{min}-{max}]"))?;
        let end = self
            .value(end, start)
            .ok_or_else(|| format!("{name} End is before Start or not in range [{min}-{max}]"))?;
        Ok((start, end))
    }

    /// A number or a name, not below `min`.
    fn value(&self, text: &str, min: i32) -> Option<i32> {
        let named = match self.names {
            Names::Months if text.len() >= 3 => position(&MONTHS, text).map(|index| index + 1),
            Names::Weekdays if text.len() >= 2 => position(&WEEKDAYS, text),
            _ => None,
        };
        named
            .or_else(|| text.parse().ok())
            .filter(|value| (min..=self.max).contains(value))
    }
}

fn position(names: &[&str], prefix: &str) -> Option<i32> {
    let prefix = prefix.to_lowercase();
    let index = names.iter().position(|name| name.starts_with(&prefix))?;
    i32::try_from(index).ok()
}

/// The text of Go's `strconv.Atoi`.
fn atoi_error(text: &str, error: &std::num::ParseIntError) -> String {
    use std::num::IntErrorKind;
    let why = match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    };
    format!("strconv.Atoi: parsing {text:?}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(field: Field, text: &str) -> Vec<(i32, i32, i32)> {
        let ranges = field.parse(text).unwrap();
        ranges
            .iter()
            .map(|range| (range.start, range.end, range.step))
            .collect()
    }

    #[test]
    fn every_form_of_a_range() {
        assert_eq!(ranges(SECOND, ""), [(0, 0, 0)]);
        assert_eq!(ranges(SECOND, " 7 "), [(7, 0, 0)]);
        assert_eq!(ranges(SECOND, "*"), [(0, 59, 0)]);
        assert_eq!(ranges(SECOND, "*/10"), [(0, 59, 10)]);
        assert_eq!(ranges(SECOND, "5/20"), [(5, 59, 20)]);
        assert_eq!(ranges(SECOND, "1-5/2,8-11,30"), [(1, 5, 2), (8, 11, 0), (30, 0, 0)]);
        assert_eq!(ranges(YEAR, ""), []);
        assert_eq!(ranges(YEAR, "2026-2030"), [(2026, 2030, 0)]);
        assert_eq!(ranges(MONTH, "JAN,mar-SEPT"), [(1, 0, 0), (3, 9, 0)]);
        assert_eq!(ranges(DAY_OF_WEEK, "Mo-fri"), [(1, 5, 0)]);
    }

    #[test]
    fn sunday_is_0_and_7() {
        assert_eq!(ranges(DAY_OF_WEEK, "*"), [(0, 6, 0)]);
        assert_eq!(ranges(DAY_OF_WEEK, "7"), [(0, 0, 0)]);
        assert_eq!(ranges(DAY_OF_WEEK, "1-7"), [(1, 6, 0)]);
        assert_eq!(ranges(DAY_OF_WEEK, "3-7"), [(0, 0, 0), (3, 6, 0)]);
        assert_eq!(ranges(DAY_OF_WEEK, "1-7/2"), [(0, 0, 0), (1, 6, 2)]);
        assert_eq!(ranges(DAY_OF_WEEK, "3-7/3"), [(3, 6, 3)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |field: Field, text: &str| field.parse(text).unwrap_err();
        assert_eq!(refused(HOUR, "24"), "Hour is not in range [0-23]");
        assert_eq!(refused(HOUR, "1,,2"), "Hour is not in range [0-23]");
        assert_eq!(refused(HOUR, "24-25"), "Hour Start is not in range [0-23]");
        assert_eq!(refused(HOUR, "5-3"), "Hour End is before Start or not in range [0-23]");
        assert_eq!(refused(HOUR, "1-2-3"), "Hour has too many dashes");
        assert_eq!(refused(HOUR, "1/2/3"), "Hour has too many slashes");
        assert_eq!(refused(HOUR, "1/"), "Hour missing step value");
        assert_eq!(refused(HOUR, "1/0"), "Hour has invalid Step");
        assert_eq!(refused(HOUR, "1/x"), "strconv.Atoi: parsing \"x\": invalid syntax");
        assert_eq!(refused(MONTH, "ja"), "Month is not in range [1-12]");
        assert_eq!(refused(DAY_OF_WEEK, "-1"), "DayOfWeek Start is not in range [0-7]");
    }
}
