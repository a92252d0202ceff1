//! Durations in Go's notation, with days: `90s`, `1h30m`, `1.5d`.

const NANOSECONDS_PER_DAY: f64 = 86_400e9;

/// Nanoseconds of a text such as `1h30m` or `2d`; the errors are those of Go's `time.ParseDuration`.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let number_end = rest
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scaled = term(text, number, unit)?;
        total = total.checked_add(scaled).ok_or_else(invalid)?;
        rest = tail;
    }
    let total = i64::try_from(total).map_err(|_| invalid())?;
    Ok(if negative { -total } else { total })
}

/// One number with its unit, in nanoseconds.
fn term(text: &str, number: &str, unit: &str) -> Result<u64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(invalid());
    }
    if unit.is_empty() {
        return Err(format!("time: missing unit in duration {text:?}"));
    }
    if unit == "d" {
        let days: f64 = number.parse().map_err(|_| invalid())?;
        return Ok((days * NANOSECONDS_PER_DAY) as u64);
    }
    let scale: u64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
    };
    let whole: u64 = match whole {
        "" => 0,
        whole => whole.parse().map_err(|_| invalid())?,
    };
    let fraction: f64 = match fraction {
        "" => 0.0,
        fraction => format!("0.{fraction}").parse().map_err(|_| invalid())?,
    };
    whole
        .checked_mul(scale)
        .and_then(|whole| whole.checked_add((fraction * scale as f64) as u64))
        .ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_gos_notation() {
        let second = 1_000_000_000;
        assert_eq!(parse("90s"), Ok(90 * second));
        assert_eq!(parse("1h30m"), Ok(5_400 * second));
        assert_eq!(parse("1.5h"), Ok(5_400 * second));
        assert_eq!(parse("2d12h"), Ok(216_000 * second));
        assert_eq!(parse(".5d"), Ok(43_200 * second));
        assert_eq!(parse("-5m"), Ok(-300 * second));
        assert_eq!(parse("0"), Ok(0));
    }

    #[test]
    fn what_go_refuses() {
        assert_eq!(parse("").unwrap_err(), "time: invalid duration \"\"");
        assert_eq!(parse("5").unwrap_err(), "time: missing unit in duration \"5\"");
        assert_eq!(parse("5y").unwrap_err(), "time: unknown unit \"y\" in duration \"5y\"");
        assert_eq!(parse("h").unwrap_err(), "time: invalid duration \"h\"");
        assert_eq!(parse("1.2.3s").unwrap_err(), "time: invalid duration \"1.2.3s\"");
        assert!(parse("99999999999999999999h").is_err());
        assert!(parse("9999999h9999999h").is_err());
    }
}
