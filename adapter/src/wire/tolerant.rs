//! JSON as Python's `json` module reads it, narrowed to what `serde_json` can hold.

use serde_json::Value;

/// Parses a webhook body or a signal's payload.
///
/// Python's `json` takes a byte order mark and writes `NaN`, `Infinity` and `-Infinity` for the
/// floats that JSON lacks, so a body may hold them. They become `null` here: only a response
/// field that is such a float is lost, and its own type then says so.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(bytes)
        .or_else(|error| serde_json::from_slice(&without_constants(bytes)).map_err(|_| error))
}

/// Replaces Python's three constants by `null` wherever they stand outside of a string.
fn without_constants(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let (mut in_string, mut escaped) = (false, false);
    while let Some((&byte, tail)) = rest.split_first() {
        if !in_string {
            let constant = [&b"NaN"[..], b"-Infinity", b"Infinity"]
                .into_iter()
                .find(|constant| rest.starts_with(constant));
            if let Some(constant) = constant {
                out.extend_from_slice(b"null");
                rest = &rest[constant.len()..];
                continue;
            }
        }
        match byte {
            b'"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && byte == b'\\' && !escaped;
        out.push(byte);
        rest = tail;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn pythons_extensions() {
        for (text, value) in [
            ("\u{feff}{}", json!({})),
            ("[NaN,Infinity,-Infinity]", json!([null, null, null])),
            (r#"{"a":"NaN \" NaN","b":NaN}"#, json!({"a": "NaN \" NaN", "b": null})),
            (r#"{"a":"\\","b":NaN}"#, json!({"a": "\\", "b": null})),
        ] {
            assert_eq!(parse(text.as_bytes()).expect(text), value, "{text}");
        }
        assert!(parse(b"nan").is_err());
        assert!(parse(b"{\"a\":\"\xff\"}").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
