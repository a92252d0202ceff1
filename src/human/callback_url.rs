//! Callback addresses, taken apart as httpx 0.28 takes them apart. Source: fixtures/awaithumans-0.1.12/callback_urls.json.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;

use super::api::percent_decode;

/// Why a callback can't be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unsendable {
    /// httpx reports it in a way that awaithumans expects: the attempt fails.
    Refused(String),
    /// httpx raises something that awaithumans doesn't expect: its scheduler's tick breaks off, and all that it had taken waits.
    BreaksTheTick(String),
}

/// Where a callback goes, and the headers that depend on that.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    /// The header `Host`.
    pub(crate) host: String,
    /// `user:password`, decoded.
    pub(crate) userinfo: Option<String>,
}

/// The longest address, in characters.
const MAX_LENGTH: usize = 65_536;

/// What resolvers say of a name that can't be one.
const UNKNOWN_NAME: &str = "ConnectError: [Errno -2] Name or service not known";

/// Takes a callback's address apart.
pub(crate) fn target(url: &str) -> Result<Target, Unsendable> {
    if url.len() > MAX_LENGTH && url.chars().count() > MAX_LENGTH {
        return Err(invalid("URL too long".to_owned()));
    }
    if let Some((place, control)) = url
        .chars()
        .enumerate()
        .find(|(_, character)| character.is_ascii_control())
    {
        let escaped = match control {
            '\t' | '\n' | '\r' => control.escape_default().to_string(),
            other => format!("\\x{:02x}", u32::from(other)),
        };
        return Err(invalid(format!(
            "Invalid non-printable ASCII character in URL, '{escaped}' at position {place}."
        )));
    }
    let parts = Parts::of(url);
    let host = encode_host(parts.host)?;
    let port = parse_port(parts.port, parts.scheme)?;
    let has_authority =
        parts.userinfo.is_some_and(|userinfo| !userinfo.is_empty()) || !host.is_empty() || port.is_some();
    if parts.scheme.is_empty() && !has_authority {
        for start in ["//", ":"] {
            if parts.path.starts_with(start) {
                return Err(invalid(format!(
                    "Relative URLs cannot have a path starting with '{start}'"
                )));
            }
        }
    }
    let scheme = sent_scheme(&parts.scheme.to_ascii_lowercase(), &host)?;
    let mut authority = match host.contains(':') {
        true => format!("[{host}]"),
        false => host,
    };
    if let Some(port) = port {
        if !(0..=65_535).contains(&port) {
            return Err(refuse_port(&authority));
        }
        authority.push_str(&format!(":{port}"));
    }
    let path = percent_encode(&without_dots(parts.path), b"\"<>`{}");
    let slash = if path.starts_with('/') { "" } else { "/" };
    let query = parts
        .query
        .map(|query| format!("?{}", percent_encode(query, b"\"<>")))
        .unwrap_or_default();
    let uri = format!("{scheme}://{authority}{slash}{path}{query}")
        .parse()
        // What the type can't hold is a name that no resolver knows.
        .map_err(|_| Unsendable::Refused(UNKNOWN_NAME.to_owned()))?;
    Ok(Target {
        uri,
        host: authority,
        userinfo: parts
            .userinfo
            .filter(|userinfo| !userinfo.is_empty())
            .map(decoded_userinfo),
    })
}

/// An address as it is spelled; what isn't there is empty.
struct Parts<'a> {
    scheme: &'a str,
    userinfo: Option<&'a str>,
    host: &'a str,
    port: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Self {
        let (scheme, rest) = match url.split_once(':') {
            Some((scheme, rest)) if scheme.is_empty() || is_scheme(scheme) => (scheme, rest),
            _ => ("", url),
        };
        let (authority, rest) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
            None => ("", rest),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let (userinfo, place) = match authority.rsplit_once('@') {
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, authority),
        };
        let end = match place.rfind(']') {
            Some(end) if place.starts_with('[') => end + 1,
            _ => place.find(':').unwrap_or(place.len()),
        };
        let (host, port) = place.split_at(end);
        Self {
            scheme,
            userinfo,
            host,
            port: port.strip_prefix(':').unwrap_or(port),
            path,
            query,
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// The protocol that goes over the wire; that of web sockets starts with the same request.
fn sent_scheme(scheme: &str, host: &str) -> Result<&'static str, Unsendable> {
    let refused = |text: String| Unsendable::Refused(format!("UnsupportedProtocol: {text}"));
    match scheme {
        _ if scheme.is_empty() || host.is_empty() => Err(refused(
            "Request URL is missing an 'http://' or 'https://' protocol.".to_owned(),
        )),
        "http" | "ws" => Ok("http"),
        "https" | "wss" => Ok("https"),
        other => Err(refused(format!(
            "Request URL has an unsupported protocol '{other}://'."
        ))),
    }
}

fn encode_host(host: &str) -> Result<String, Unsendable> {
    if is_ipv4_style(host) {
        return match host.parse::<Ipv4Addr>() {
            Ok(_) => Ok(host.to_owned()),
            Err(_) => Err(invalid(format!("Invalid IPv4 address: '{host}'"))),
        };
    }
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let (number, zone) = address.split_once('%').unwrap_or((address, "zone"));
        let is_valid = number.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && !zone.contains('%');
        return match is_valid {
            true => Ok(address.to_owned()),
            false => Err(invalid(format!("Invalid IPv6 address: '{host}'"))),
        };
    }
    let lower = host.to_lowercase();
    if !host.is_ascii() {
        return encode_idna(&lower).ok_or_else(|| invalid(format!("Invalid IDNA hostname: '{host}'")));
    }
    if lower.starts_with("xn--")
        && lower
            .split('.')
            .any(|label| label.starts_with("xn--") && !is_punycode(label))
    {
        return Err(Unsendable::BreaksTheTick(
            "idna.core.IDNAError: Invalid A-label".to_owned(),
        ));
    }
    Ok(percent_encode(&lower, b"<>^[]"))
}

fn is_ipv4_style(host: &str) -> bool {
    let mut steps = 0;
    let are_numbers = host.split('.').all(|step| {
        steps += 1;
        !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit())
    });
    are_numbers && steps == 4
}

/// A name beyond ASCII by IDNA 2008, which maps nothing and has no symbols; the crate's UTS 46 is checked for having mapped none.
fn encode_idna(host: &str) -> Option<String> {
    let dotted = host.replace(['\u{3002}', '\u{ff0e}', '\u{ff61}'], ".");
    let is_letter = |character: char| character.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&character);
    let labels_fit = dotted
        .split('.')
        .all(|label| label.is_ascii() || label.chars().all(|character| character == '-' || is_letter(character)));
    let encoded = idna::domain_to_ascii_cow(dotted.as_bytes(), idna::AsciiDenyList::EMPTY).ok()?;
    let (decoded, outcome) = idna::domain_to_unicode(&encoded);
    let is_short = encoded.len() <= 253 && encoded.split('.').all(|label| (1..=63).contains(&label.len()));
    (labels_fit && outcome.is_ok() && decoded == dotted && is_short).then(|| encoded.into_owned())
}

fn is_punycode(label: &str) -> bool {
    label.len() > 4 && idna::domain_to_unicode(label).1.is_ok()
}

/// Python's `int()`: signs, spaces around it, underscores between digits, and digits of other scripts.
fn parse_port(text: &str, scheme: &str) -> Result<Option<i64>, Unsendable> {
    if text.is_empty() {
        return Ok(None);
    }
    let refusal = || invalid(format!("Invalid port: '{text}'"));
    let trimmed = text.trim();
    let (sign, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let mut number = 0_i64;
    for group in digits.split('_') {
        if group.is_empty() {
            return Err(refusal());
        }
        for digit in group.chars() {
            let digit = decimal_digit(digit).ok_or_else(refusal)?;
            number = number.saturating_mul(10).saturating_add(digit.into());
        }
    }
    let usual = match scheme {
        "http" | "ws" => 80,
        "https" | "wss" => 443,
        "ftp" => 21,
        _ => -1,
    };
    let port = sign * number;
    Ok(Some(port).filter(|port| *port != usual || usual == -1))
}

/// A digit of ASCII or of one of the scripts whose digits people type.
fn decimal_digit(character: char) -> Option<u32> {
    let zeros = ['0', '\u{660}', '\u{6f0}', '\u{966}', '\u{ff10}'];
    zeros
        .into_iter()
        .map(u32::from)
        .find_map(|zero| u32::from(character).checked_sub(zero).filter(|digit| *digit <= 9))
}

/// A port that isn't one: an address breaks the tick, a name fails to resolve before that.
fn refuse_port(authority: &str) -> Unsendable {
    let is_address = authority.starts_with('[') || authority == "localhost" || is_ipv4_style(authority);
    match is_address {
        true => Unsendable::BreaksTheTick(
            "builtins.ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)".to_owned(),
        ),
        false => Unsendable::Refused(UNKNOWN_NAME.to_owned()),
    }
}

fn decoded_userinfo(userinfo: &str) -> String {
    let (name, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    format!("{}:{}", percent_decode(name), percent_decode(password))
}

/// A path without its `.` and `..`.
fn without_dots(path: &str) -> String {
    if !path.split('/').any(|step| step == "." || step == "..") {
        return path.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    for step in path.split('/') {
        match step {
            "." => {}
            ".." if kept.is_empty() || kept == [""] => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    kept.join("/")
}

/// Encodes spaces, what lies beyond ASCII, and the characters given; what is encoded already stays.
fn percent_encode(text: &str, also: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' | 0x80.. => out.push_str(&format!("%{byte:02X}")),
            _ if also.contains(&byte) => out.push_str(&format!("%{byte:02X}")),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

fn invalid(text: String) -> Unsendable {
    Unsendable::BreaksTheTick(format!("httpx.InvalidURL: {text}"))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use serde_json::Value;

    use super::*;

    /// What httpx made of it, from the fixture.
    fn check(row: &Value) -> Result<(), String> {
        let url = match row["url_length"].as_u64() {
            Some(length) => lengthened(row["url"].as_str().unwrap(), length),
            None => row["url"].as_str().unwrap().to_owned(),
        };
        match (target(&url), row) {
            (Ok(sent), row) if row.get("line").is_some() => {
                let path = sent.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
                let line = format!("POST {path} HTTP/1.1");
                let is_same = match row["line_length"].as_u64() {
                    Some(length) => line.len() as u64 == length,
                    None => line == row["line"].as_str().unwrap(),
                };
                let authorization = sent
                    .userinfo
                    .map(|userinfo| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(userinfo)));
                let is_same =
                    is_same && sent.host == row["host"] && authorization.as_deref() == row["authorization"].as_str();
                is_same
                    .then_some(())
                    .ok_or(format!("{line} {} {authorization:?}", sent.host))
            }
            // A name that can't be one, or a port: httpx goes on to connect, and that fails.
            (Err(Unsendable::Refused(why)), row) if why == UNKNOWN_NAME && row.get("connected").is_some() => Ok(()),
            (Err(Unsendable::BreaksTheTick(_)), row)
                if row["connected"][1].as_i64().is_some_and(|port| port > 65_535) =>
            {
                Ok(())
            }
            (Err(Unsendable::Refused(why)), row) if row["failed"] == why => Ok(()),
            (Err(Unsendable::BreaksTheTick(why)), row) if row.get("crashed").is_some() => {
                // How idna words it, and how Python escapes rare characters, is for its log alone.
                let recorded = row["crashed"].as_str().unwrap();
                let is_same = why == recorded || (recorded.contains("idna") || recorded.contains("IDNA"));
                is_same.then_some(()).ok_or(why)
            }
            (other, _) => Err(format!("{other:?}")),
        }
    }

    /// Long addresses are in the fixture with their start and their length.
    fn lengthened(start: &str, length: u64) -> String {
        let last = start.chars().last().unwrap();
        let missing = usize::try_from(length).unwrap() - start.chars().count();
        start.chars().chain(std::iter::repeat_n(last, missing)).collect()
    }

    #[test]
    fn addresses_are_treated_as_httpx_treats_them() {
        let fixture = include_str!("../../fixtures/awaithumans-0.1.12/callback_urls.json");
        let rows: Vec<Value> = serde_json::from_str(fixture).unwrap();
        assert!(rows.len() > 200);
        let wrong: Vec<_> = rows
            .iter()
            .filter_map(|row| Some(format!("{row}\n  ours: {}", check(row).err()?)))
            .collect();
        assert!(
            wrong.is_empty(),
            "{} of {}:\n{}",
            wrong.len(),
            rows.len(),
            wrong.join("\n")
        );
    }
}
