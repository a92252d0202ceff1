//! Requests' bodies and queries, as what they mean or as the field that is wrong.

use axum::body::{Body, to_bytes};
use http::Request;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::problem::Problem;

/// The largest body, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The deepest nesting of arrays and objects. A person's answer may be as deep, less what stands around it.
pub(super) const MAX_DEPTH: usize = 100;

/// Reads a body; `fix` says what it should have been.
pub(super) async fn read<T: DeserializeOwned>(request: Request<Body>, fix: &'static str) -> Result<T, Problem> {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    // A page from elsewhere can send other types without asking first.
    if !is_json(kind) {
        let found = String::from_utf8_lossy(kind).into_owned();
        return Err(Problem::WrongContentType { found });
    }
    let length = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > MAX_BODY_BYTES as u64) {
        return Err(Problem::BodyTooLarge);
    }
    let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|error| {
        // http-body-util's words; that package isn't ours to name.
        match error.to_string().contains("length limit exceeded") {
            true => Problem::BodyTooLarge,
            false => Problem::BodyUnreadable,
        }
    })?;
    parse(&body, fix)
}

fn is_json(kind: &[u8]) -> bool {
    let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

fn parse<T: DeserializeOwned>(body: &[u8], fix: &'static str) -> Result<T, Problem> {
    if is_deeper_than(MAX_DEPTH, body) {
        return Err(Problem::TooDeep);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        let message = error.to_string();
        let field = match missing(&message) {
            Some(name) if path == "." => name.to_owned(),
            Some(name) => format!("{path}.{name}"),
            None => path,
        };
        match error.classify() {
            // Numbers such as 1e400 are JSON, and NaN is at least in a known place.
            Category::Syntax if field != "." => invalid(&field, message, fix),
            Category::Syntax | Category::Eof | Category::Io => Problem::InvalidJson { message, fix },
            Category::Data => invalid(&field, message, fix),
        }
    })?;
    deserializer.end().map_err(|error| Problem::InvalidJson {
        message: error.to_string(),
        fix,
    })?;
    Ok(parsed)
}

/// The field that isn't there, which has no place of its own.
fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

fn invalid(field: &str, message: String, fix: &'static str) -> Problem {
    Problem::InvalidField {
        // What is wrong with the whole has no name.
        field: if field == "." { "body" } else { field }.to_owned(),
        message,
        fix: fix.to_owned(),
    }
}

/// Whether more arrays and objects are nested than may be. What isn't JSON doesn't matter here: the parser refuses it.
fn is_deeper_than(most: usize, body: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return true;
        }
    }
    false
}

/// The one parameter that a query may have, as a whole number.
pub(super) fn number_in_query(query: Option<&str>, wanted: &str, fix: &str) -> Result<Option<u64>, Problem> {
    let mut found = None;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let wrong = |message: String| Problem::InvalidField {
            field: name.to_string(),
            message,
            fix: fix.to_owned(),
        };
        if name != wanted {
            return Err(wrong(format!("there is no parameter {name:?}")));
        }
        if found.is_some() {
            return Err(wrong(format!("{name} is there twice")));
        }
        let number = value
            .parse()
            .map_err(|_| wrong(format!("{value:?} isn't a whole number from 0")))?;
        found = Some(number);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_strings() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!is_deeper_than(3, nested(3).as_bytes()));
        assert!(is_deeper_than(3, nested(4).as_bytes()));
        assert!(!is_deeper_than(1, br#"{"a": "[[[[\"[[["}"#));
        assert!(!is_deeper_than(0, b"]]]]"));
    }
}
