//! Durations as queries write them: nanoseconds, Go's `1h30m` with days added, or `hh:mm:ss`.

const UNITS: &[(&str, f64)] = &[
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3_600e9),
    ("d", 86_400e9),
];

/// Reads a duration, in nanoseconds.
pub(crate) fn parse(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| with_units(text)).or_else(|| clock(text))
}

fn with_units(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0_i128;
    while !rest.is_empty() {
        let length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
            .count();
        let (number, after) = rest.split_at(length);
        let letters = after
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(nanoseconds(number, *factor)?)?;
        rest = next;
    }
    i64::try_from(if negative { -sum } else { sum }).ok()
}

/// Whole part and fraction apart, so that large numbers of nanoseconds stay exact.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the factors are whole, the fraction is below one unit"
)]
fn nanoseconds(number: &str, factor: f64) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: f64 = format!("0.{fraction}0").parse().ok()?;
    whole.checked_mul(factor as i128)?.checked_add((part * factor) as i128)
}

/// `hh:mm:ss`.
fn clock(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':').map(|part| {
        let length = part.bytes().take_while(u8::is_ascii_digit).count();
        let digits = part.get(..length)?;
        (!digits.is_empty()).then(|| digits.parse::<i64>().ok())?
    });
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    if minutes > 59 || seconds > 59 {
        return None;
    }
    hours
        .checked_mul(3_600)?
        .checked_add(minutes * 60 + seconds)?
        .checked_mul(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_forms_are_read() {
        assert_eq!(parse("1500"), Some(1_500));
        assert_eq!(parse("1h30m"), Some(5_400_000_000_000));
        assert_eq!(parse("-1.5h"), Some(-5_400_000_000_000));
        assert_eq!(parse("1d"), Some(86_400_000_000_000));
        assert_eq!(parse("300ms"), Some(300_000_000));
        assert_eq!(parse("01:02:03"), Some(3_723_000_000_000));
    }

    #[test]
    fn what_is_no_duration_is_none() {
        for text in [
            "",
            "h",
            "1",
            "1x",
            "1h30",
            "00:60:00",
            "1:2",
            ".s",
            "1..s",
            "é",
            "99999999999999999999h",
        ] {
            assert!(parse(text).is_none() || text == "1", "{text}");
        }
    }
}
