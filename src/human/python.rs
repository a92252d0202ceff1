//! How Python writes values as text: e-mails and refusals quote them so.

use awaithumans_temporal::wire::json::Json;

/// Python's `str(value)`: a text is itself, all else as [`repr`].
pub(crate) fn str(value: &Json) -> String {
    match value {
        Json::String(text) => text.to_string_lossy().into_owned(),
        other => repr(other),
    }
}

/// Python's `repr(value)`.
pub(crate) fn repr(value: &Json) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Float(number) if number.is_nan() => "nan".to_owned(),
        Json::Float(number) if number.is_infinite() => if *number > 0.0 { "inf" } else { "-inf" }.to_owned(),
        Json::Int(_) | Json::Float(_) => value.to_compact(),
        Json::String(text) => quoted(&text.to_string_lossy()),
        Json::Array(values) => format!("[{}]", values.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Json::Object(object) => {
            let entry = |(key, value): (&awaithumans_temporal::wire::json::Text, &Json)| {
                format!("{}: {}", quoted(&key.to_string_lossy()), repr(value))
            };
            format!("{{{}}}", object.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// In single quotes, or in double ones if that saves escapes.
pub(crate) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            _ if character == quote => out.extend(['\\', quote]),
            '\0'..' ' | '\x7f'..='\u{a0}' | '\u{ad}' => out.push_str(&format!("\\x{:02x}", u32::from(character))),
            '\u{2028}' | '\u{2029}' | '\u{feff}' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            other => out.push(other),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_python_writes_them() {
        // Each right-hand side is what CPython 3.11 gave.
        for (json, expected) in [
            (
                r#"{"a":[1,true,null,"x'y",1.5]}"#,
                r#"{'a': [1, True, None, "x'y", 1.5]}"#,
            ),
            ("1e-5", "1e-05"),
            (r#""both ' and \"""#, r#"'both \' and "'"#),
            (r#""\n\t\\\u0001é\u00a0""#, r"'\n\t\\\x01é\xa0'"),
            ("NaN", "nan"),
            ("-Infinity", "-inf"),
        ] {
            assert_eq!(repr(&Json::parse(json.as_bytes()).unwrap()), expected, "{json}");
        }
        assert_eq!(str(&"x'y".into()), "x'y");
    }
}
