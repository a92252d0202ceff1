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
            _ if !is_printable(character) && character <= '\u{ffff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ if !is_printable(character) => out.push_str(&format!("\\U{:08x}", u32::from(character))),
            other => out.push(other),
        }
    }
    out.push(quote);
    out
}

/// Whether Python shows a character beyond Latin-1 as it is: spaces, format characters and private ones are escaped.
fn is_printable(character: char) -> bool {
    !matches!(character,
        '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{1680}' | '\u{180e}'
        | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{e000}'..='\u{f8ff}'
        | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}' | '\u{f0000}'..)
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
            (
                r#""\u200d\ud83e\uddd1\u2009\ue000\udb40\udc01\u00ad日""#,
                r"'\u200d🧑\u2009\ue000\U000e0001\xad日'",
            ),
            ("NaN", "nan"),
            ("-Infinity", "-inf"),
        ] {
            assert_eq!(repr(&Json::parse(json.as_bytes()).unwrap()), expected, "{json}");
        }
        assert_eq!(str(&"x'y".into()), "x'y");
    }
}
