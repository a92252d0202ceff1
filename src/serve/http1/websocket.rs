//! Requests for a WebSocket. awaithumans has none; uvicorn gives such requests to the package `websockets`, which checks them first.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::answer;
use super::bytes::{count, is_token};
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
    let upgrades = elements_of(&head.headers, &CONNECTION, "Connection", "token")
        .and_then(|_| elements_of(&head.headers, &UPGRADE, "Upgrade", "protocol"));
    let upgrades = match upgrades {
        Ok(upgrades) => upgrades,
        Err(why) => return say(StatusCode::BAD_REQUEST, "", &failed(&why)),
    };
    if upgrades.len() != 1 {
        let text = failed(&format!("invalid Upgrade header: {}", upgrades.join(", ")));
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

/// The elements of all headers of a name, or what is wrong with them.
fn elements_of(headers: &HeaderMap, name: &HeaderName, spelled: &str, kind: &str) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for value in headers.get_all(name) {
        let value = value.as_bytes().trim_ascii();
        add_elements(value, kind, &mut all).map_err(|(expected, at)| {
            format!(
                "invalid {spelled} header: expected {expected} at {at} in {}",
                text(value)
            )
        })?;
    }
    Ok(all)
}

/// A list with commas, of which there may be too many; or what isn't there, and where.
fn add_elements<'a>(list: &[u8], kind: &'a str, all: &mut Vec<String>) -> Result<(), (&'a str, usize)> {
    let rest = |at: usize| list.get(at..).unwrap_or_default();
    let after_spaces = |at: usize| at + count(rest(at), |byte| matches!(byte, b' ' | b'\t'));
    let after_commas = |mut at: usize| {
        while rest(at).first() == Some(&b',') {
            at = after_spaces(at + 1);
        }
        at
    };
    let mut at = after_commas(0);
    loop {
        let mut length = count(rest(at), is_token);
        if length == 0 {
            return Err((kind, at));
        }
        // A protocol may have a version.
        if kind == "protocol" && rest(at + length).first() == Some(&b'/') {
            let version = count(rest(at + length + 1), is_token);
            length += if version == 0 { 0 } else { version + 1 };
        }
        all.push(text(rest(at).get(..length).unwrap_or_default()));
        at = after_spaces(at + length);
        match rest(at).first() {
            Some(b',') => at = after_commas(at),
            Some(_) => return Err(("comma", at)),
            None => return Ok(()),
        }
        if at == list.len() {
            return Ok(());
        }
    }
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
    fn lists_are_read_as_the_package_reads_them() {
        let read = |list: &[u8], kind: &'static str| {
            let mut all = Vec::new();
            add_elements(list, kind, &mut all).map(|()| all.join("|"))
        };
        assert_eq!(read(b",, a ,\t,b,", "token"), Ok("a|b".to_owned()));
        assert_eq!(read(b"a/1, b", "protocol"), Ok("a/1|b".to_owned()));
        assert_eq!(read(b"", "token"), Err(("token", 0)));
        assert_eq!(read(b"a, (", "token"), Err(("token", 3)));
        assert_eq!(read(b"a b", "token"), Err(("comma", 2)));
        assert_eq!(read(b"a/, b", "protocol"), Err(("comma", 1)));
        assert_eq!(read(b"keep-alihttp://h/ve, upgrade", "token"), Err(("comma", 12)));
    }

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
