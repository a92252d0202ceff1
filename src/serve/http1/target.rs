//! What a request asks for: the second word of its first line.
//!
//! Two grammars of the real server are asked one after the other. llhttp's decides byte by byte which signs may stand where; http-parser's
//! takes the whole apart when the head is complete, and refuses absolute targets whose host makes no sense. What is left of a target is its
//! path and its query: a target without a path is refused, and scheme, host and fragment are forgotten.

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;

use super::bytes::{is_in_target, is_of_user_info};

/// The longest target, in bytes (httptools' `MAX_URL_LENGTH`).
pub(super) const MAX_BYTES: usize = u16::MAX as usize;

/// Where llhttp is in a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the first byte, for all methods but CONNECT.
    Start,
    /// The letters before `://`, then its signs.
    Scheme,
    SchemeColon,
    SchemeSlash,
    /// Host, port and who asks. CONNECT starts here.
    Server,
    /// After an `@` among them.
    ServerAt,
    Path,
    Query,
    Fragment,
}

/// What a byte means in a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It belongs to the target, which goes on here.
    To(Place),
    /// The target is over, and the byte isn't part of it: a space, a carriage return or a line feed.
    End,
    Refused,
}

impl Place {
    /// Takes the next byte.
    pub(super) fn step(self, byte: u8) -> Step {
        match (self, byte) {
            (Self::Start, b'/' | b'*') => Step::To(Self::Path),
            (Self::Start | Self::Scheme, byte) if byte.is_ascii_alphabetic() => Step::To(Self::Scheme),
            (Self::Scheme, b':') => Step::To(Self::SchemeColon),
            (Self::SchemeColon, b'/') => Step::To(Self::SchemeSlash),
            (Self::SchemeSlash, b'/') => Step::To(Self::Server),
            (Self::Start | Self::Scheme | Self::SchemeColon | Self::SchemeSlash, _) => Step::Refused,
            (_, b' ' | b'\r' | b'\n') => Step::End,
            (Self::Server | Self::ServerAt, b'/') => Step::To(Self::Path),
            (Self::Server | Self::ServerAt | Self::Path, b'?') => Step::To(Self::Query),
            (Self::Server, b'@') => Step::To(Self::ServerAt),
            (Self::Server | Self::ServerAt, b'[' | b']') => Step::To(Self::Server),
            (Self::Server | Self::ServerAt, byte) if is_of_user_info(byte) => Step::To(Self::Server),
            (Self::Path | Self::Query, b'#') => Step::To(Self::Fragment),
            (Self::Query, b'?') => Step::To(Self::Query),
            (Self::Fragment, b'?' | b'#') => Step::To(Self::Fragment),
            (Self::Path | Self::Query | Self::Fragment, byte) if is_in_target(byte) => Step::To(self),
            _ => Step::Refused,
        }
    }

    /// Whether what may stand in a target may stand here and leads nowhere else: then many bytes can be taken at once.
    pub(super) fn is_plain(self) -> bool {
        matches!(self, Self::Path | Self::Query | Self::Fragment)
    }
}

/// Path and query of a whole target, if it is none of those that http-parser refuses.
pub(super) fn path_and_query(target: &[u8]) -> Option<Uri> {
    if target.len() > MAX_BYTES {
        return None;
    }
    let target = target.split(|byte| *byte == b'#').next()?;
    let local = match target.first()? {
        b'/' | b'*' => target,
        _ => after_the_server(target)?,
    };
    uri(local)
}

/// What follows scheme and host. CONNECT's `host:port` begins with no scheme, and is refused by that.
fn after_the_server(target: &[u8]) -> Option<&[u8]> {
    let letters = target.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let rest = target.get(letters..)?.strip_prefix(b"://").filter(|_| letters > 0)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'))?;
    let (server, local) = rest.split_at_checked(end)?;
    // A query without a path, and what then happens to it, is an error of uvicorn's own.
    (is_server(server) && local.first() == Some(&b'/')).then_some(local)
}

/// Whether it is `user@host:port`, of which only the host must be there.
fn is_server(server: &[u8]) -> bool {
    let mut parts = server.splitn(2, |byte| *byte == b'@');
    let first = parts.next().unwrap_or_default();
    match parts.next() {
        Some(host) => first.iter().all(|byte| is_of_user_info(*byte)) && is_host_and_port(host),
        None => is_host_and_port(first),
    }
}

fn is_host_and_port(text: &[u8]) -> bool {
    let (is_host, port) = match text.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else {
                return false;
            };
            let (address, port) = rest.split_at(end);
            (is_address(address), port.get(1..).unwrap_or_default())
        }
        None => {
            let end = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
            let (host, port) = text.split_at(end);
            let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
            (!host.is_empty() && host.iter().all(fits), port)
        }
    };
    is_host && is_port(port)
}

/// An address of IPv6, with its zone.
fn is_address(text: &[u8]) -> bool {
    let mut parts = text.splitn(2, |byte| *byte == b'%');
    let address = parts.next().unwrap_or_default();
    let in_address = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let in_zone = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'.' | b'-' | b'_' | b'~');
    let zone_fits = parts
        .next()
        .is_none_or(|zone| !zone.is_empty() && zone.iter().all(in_zone));
    !address.is_empty() && address.iter().all(in_address) && zone_fits
}

/// Nothing, or a colon and a number of 16 bits.
fn is_port(text: &[u8]) -> bool {
    let Some(digits) = text.strip_prefix(b":") else {
        return text.is_empty();
    };
    let add = |port: u32, byte: &u8| match byte.is_ascii_digit() {
        true => Some(port * 10 + u32::from(byte - b'0')).filter(|port| *port <= u32::from(u16::MAX)),
        false => None,
    };
    !digits.is_empty() && digits.iter().try_fold(0, add).is_some()
}

/// As the `http` crate has it, which takes fewer signs than the real server, and one byte less.
fn uri(local: &[u8]) -> Option<Uri> {
    let parse = |bytes: Bytes| PathAndQuery::from_maybe_shared(bytes).map(Uri::from);
    parse(Bytes::copy_from_slice(local))
        .or_else(|_| parse(escaped(local)))
        .ok()
}

/// Signs that `http` doesn't take, by escapes that mean the same. What is beyond its limit is left out: nobody looks so far.
fn escaped(local: &[u8]) -> Bytes {
    let mut escaped = Vec::with_capacity(local.len());
    // `*` may begin a path; nothing is there.
    if local.first() == Some(&b'*') {
        escaped.push(b'/');
    }
    for byte in local {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
            byte => escaped.push(*byte),
        }
    }
    escaped.truncate(MAX_BYTES - 1);
    Bytes::from(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str) -> Option<String> {
        path_and_query(target.as_bytes()).map(|uri| uri.to_string())
    }

    #[test]
    fn path_and_query_are_what_is_left() {
        for (target, left) in [
            ("/", "/"),
            ("/a?b?c#d#e", "/a?b?c"),
            ("/a#b?c", "/a"),
            ("*", "*"),
            ("http://h/a", "/a"),
            ("h://u:p@h.x-y:65535/a?b", "/a?b"),
            ("h://@h/a", "/a"),
            ("h://[::1%25lo]:80/a", "/a"),
            ("/a<b>`", "/a%3Cb%3E%60"),
        ] {
            assert_eq!(read(target).as_deref(), Some(left), "{target}");
        }
    }

    #[test]
    fn hosts_that_make_no_sense_are_refused() {
        for target in [
            "http://h",
            "http://h?a",
            "http:///a",
            "http://u@/a",
            "http://a@b@c/",
            "http://h:/a",
            "http://h:65536/a",
            "http://h:x/",
            "http://h_x/",
            "http://[]/",
            "http://[::1/",
            "http://[::1%]/",
            "http://[::1]x/",
            "://h/",
            "h:443",
            "",
        ] {
            assert_eq!(read(target), None, "{target}");
        }
        assert_eq!(read(&format!("/{}", "a".repeat(MAX_BYTES))), None);
        assert!(read(&format!("/{}", "a".repeat(MAX_BYTES - 1))).is_some());
    }
}
