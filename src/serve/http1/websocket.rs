//! Requests for a WebSocket. awaithumans has none; uvicorn gives such requests to the package `websockets`, which checks them first.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::answer;
use super::head::Head;

/// More headers than these make the package refuse a request (`MAX_NUM_HEADERS`); uvicorn never sends what it says then.
const MAX_HEADERS: usize = 128;

/// The longest line of a head (`MAX_LINE_LENGTH`).
const MAX_LINE_BYTES: usize = 8192;

/// The answer; `None` where the real server says nothing and hears nothing any more.
pub(super) fn answer(head: &Head, date: &str) -> Option<Bytes> {
    if !is_readable(&head.headers) {
        return None;
    }
    let failed = |why: &str| format!("Failed to open a WebSocket connection: {why}.\n");
    let say = |status, extra: &str, text: &str| Some(answer::no_websocket(date, status, extra, text));
    if head.method != Method::GET {
        let text = failed(&format!("unsupported HTTP method: {}", head.method));
        return say(StatusCode::METHOD_NOT_ALLOWED, "Allow: GET\r\n", &text);
    }
    if let Some(upgrade) = several_upgrades(&head.headers) {
        let text = failed(&format!("invalid Upgrade header: {upgrade}"));
        let text = format!(
            "{text}\nYou cannot access a WebSocket server directly with a browser. You need a WebSocket client.\n"
        );
        return say(StatusCode::UPGRADE_REQUIRED, "Upgrade: websocket\r\n", &text);
    }
    match check_key(&head.headers).and_then(|()| check_version(&head.headers)) {
        Ok(()) => say(StatusCode::FORBIDDEN, "", ""),
        Err(why) => say(StatusCode::BAD_REQUEST, "", &failed(&why)),
    }
}

/// Whether the package can read it: it wants neither bodies nor large heads.
fn is_readable(headers: &HeaderMap) -> bool {
    let fits =
        |(name, value): (&HeaderName, &http::HeaderValue)| name.as_str().len() + value.len() + 4 <= MAX_LINE_BYTES;
    let is_empty = |value: &http::HeaderValue| value.as_bytes().trim_ascii() == b"0";
    headers.len() <= MAX_HEADERS
        && headers.iter().all(fits)
        && !headers.contains_key(TRANSFER_ENCODING)
        && headers.get_all(CONTENT_LENGTH).iter().all(is_empty)
}

/// What the headers `Upgrade` say, if it is more than one thing.
fn several_upgrades(headers: &HeaderMap) -> Option<String> {
    let all: Vec<String> = headers
        .get_all(UPGRADE)
        .iter()
        .map(|value| text(value.as_bytes()))
        .collect();
    (all.len() > 1).then(|| all.join(", "))
}

fn check_key(headers: &HeaderMap) -> Result<(), String> {
    let key = the_only(headers, &SEC_WEBSOCKET_KEY, "Sec-WebSocket-Key")?;
    let invalid = format!("invalid Sec-WebSocket-Key header: {key}");
    match decoded_bytes(&key) {
        Ok(16) => Ok(()),
        // The package says that an empty one is missing its value.
        Ok(_) if key.is_empty() => Err("empty Sec-WebSocket-Key header".to_owned()),
        Ok(_) => Err(invalid),
        Err(why) => Err(format!("{invalid}; {why}")),
    }
}

fn check_version(headers: &HeaderMap) -> Result<(), String> {
    let version = the_only(headers, &SEC_WEBSOCKET_VERSION, "Sec-WebSocket-Version")?;
    match version.as_str() {
        "13" => Ok(()),
        "" => Err("empty Sec-WebSocket-Version header".to_owned()),
        other => Err(format!("invalid Sec-WebSocket-Version header: {other}")),
    }
}

fn the_only(headers: &HeaderMap, name: &HeaderName, spelled: &str) -> Result<String, String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(format!("missing {spelled} header")),
        (Some(value), None) => Ok(text(value.as_bytes())),
        (Some(_), Some(_)) => Err(format!("invalid {spelled} header: multiple values")),
    }
}

/// A value as the package reads it: without spaces around, a sign for a byte.
fn text(value: &[u8]) -> String {
    value.trim_ascii().iter().map(|byte| char::from(*byte)).collect()
}

/// How many bytes a text in base64 stands for, read as Python's `b64decode` with `validate` does, or what that says.
fn decoded_bytes(key: &str) -> Result<usize, String> {
    if key.starts_with('=') {
        return Err("Leading padding not allowed".to_owned());
    }
    let (mut signs, mut padding) = (0, 0);
    for (index, byte) in key.bytes().enumerate() {
        match byte {
            b'=' => {
                padding += 1;
                if signs % 4 >= 2 && signs % 4 + padding >= 4 {
                    return match index + 1 == key.len() {
                        true => Ok(signs * 3 / 4),
                        false => Err("Excess data after padding".to_owned()),
                    };
                }
            }
            byte if !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')) => {
                return Err("Only base64 data is allowed".to_owned());
            }
            _ if padding > 0 => return Err("Discontinuous padding not allowed".to_owned()),
            _ => signs += 1,
        }
    }
    match signs % 4 {
        0 => Ok(signs * 3 / 4),
        1 => Err(format!(
            "Invalid base64-encoded string: number of data characters ({signs}) cannot be 1 more than a multiple of 4"
        )),
        _ => Err("Incorrect padding".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_python_reads_it() {
        assert_eq!(decoded_bytes("dGhlIHNhbXBsZSBub25jZQ=="), Ok(16));
        assert_eq!(decoded_bytes("abcd"), Ok(3));
        assert_eq!(decoded_bytes("abc="), Ok(2));
        for (key, says) in [
            ("=abc", "Leading padding not allowed"),
            ("ab==c", "Excess data after padding"),
            ("ab=c", "Discontinuous padding not allowed"),
            ("ab=", "Incorrect padding"),
            ("abc", "Incorrect padding"),
            ("ab d", "Only base64 data is allowed"),
            ("ä", "Only base64 data is allowed"),
            (
                "abcda",
                "Invalid base64-encoded string: number of data characters (5) cannot be 1 more than a multiple of 4",
            ),
        ] {
            assert_eq!(decoded_bytes(key), Err(says.to_owned()), "{key}");
        }
    }
}
