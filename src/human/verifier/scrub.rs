//! Errors of providers' SDKs without the secrets that may stand in them.

/// What an SDK raised, as awaithumans lets people see it: without what looks like a key, and 500 characters at most.
pub(super) fn scrubbed(raised: &str) -> String {
    let mut text = raised.to_owned();
    for length in SECRETS {
        text = blotted(&text, length);
    }
    match text.chars().count() > 500 {
        true => text.chars().take(497).chain("...".chars()).collect(),
        false => text,
    }
}

/// Gives the length of a secret at the start of a text, or 0.
type SecretLength = fn(&str) -> usize;

/// What looks like a key. Source: `sanitize_provider_error_detail`, whose answers are in the fixture.
const SECRETS: [SecretLength; 6] = [
    |text| tail_length(text.strip_prefix("sk-"), text, 8),
    |text| {
        // The letters of the kind are followed by the last underscore that leaves eight characters.
        let rest = text.strip_prefix("sk_").unwrap_or_default();
        let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
        let behind = rest[letters..].strip_prefix('_').filter(|_| letters > 0);
        tail_length(behind, text, 8)
    },
    |text| {
        let rest = without_prefix(text, "bearer").unwrap_or_default();
        let spaces = rest.len() - rest.trim_start().len();
        let token = rest[spaces..]
            .bytes()
            .take_while(|byte| is_key_byte(*byte) || *byte == b'.')
            .count();
        match spaces > 0 && token > 0 {
            true => text.len() - rest.len() + spaces + token,
            false => 0,
        }
    },
    |text| {
        let rest = without_prefix(text, "api").unwrap_or_default();
        let rest = rest.strip_prefix(['_', '-']).unwrap_or(rest);
        let rest = without_prefix(rest, "key").unwrap_or_default().trim_start();
        let rest = rest.strip_prefix([':', '=']).unwrap_or_default().trim_start();
        tail_length(Some(rest.strip_prefix(['\'', '"']).unwrap_or(rest)), text, 8)
    },
    |text| tail_length(without_prefix(text, "x-api-key:").map(str::trim_start), text, 8),
    |text| tail_length(text.strip_prefix("AIza"), text, 35),
];

/// The length of a text up to the end of the key that begins with its `rest`, if the key is long enough.
fn tail_length(rest: Option<&str>, text: &str, least: usize) -> usize {
    let Some(rest) = rest else { return 0 };
    let length = rest.bytes().take_while(|byte| is_key_byte(*byte)).count();
    match length >= least {
        true => text.len() - rest.len() + length,
        false => 0,
    }
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn blotted(text: &str, secret_length: SecretLength) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match secret_length(rest) {
            0 => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
            length => {
                out.push_str("[REDACTED]");
                rest = &rest[length..];
            }
        }
    }
    out
}
