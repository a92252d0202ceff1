//! Embed tokens: JSON web tokens that open one task to a page that shows it in a frame.
//!
//! Only HS256 is spoken here, so these few lines over HMAC do; a JWT library would bring its own words for refusals, and the
//! real server sends PyJWT's.

mod origin;

pub(crate) use origin::{allows, parse_allowlist};

use std::time::Duration;

use awaithumans_temporal::wire::json::{Json, JsonError, Object};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::keys::Key;
use super::python;
use super::router::truthy;
use crate::clock::Timestamp;
use crate::entropy::Entropy;

/// How long a token lives unless told otherwise, at least, and at most, in seconds. Source: `EMBED_TOKEN_*_TTL_SECONDS`.
const DEFAULT_AGE_SECONDS: i64 = 300;
const LEAST_AGE_SECONDS: i64 = 60;
const MOST_AGE_SECONDS: i64 = 3_600;

/// How far clocks may disagree. Source: `EMBED_TOKEN_LEEWAY_SECONDS`.
const LEEWAY: Duration = Duration::from_secs(60);

const ISSUER: &str = "awaithumans";
const AUDIENCE: &str = "embed";
const KIND: &str = "end_user";
const ALGORITHM: &str = "HS256";
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// What a caller wants a token for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) task_id: String,
    /// Who will look at it; the caller's own word. Without one the token is minted and never accepted (measured: PyJWT wants
    /// a text).
    pub(crate) sub: Option<String>,
    pub(crate) parent_origin: String,
    /// 0 counts as not said.
    pub(crate) age_seconds: Option<i64>,
}

/// A token, and when it ends in seconds since the Unix epoch.
pub(crate) fn mint(secret: &str, now: Timestamp, entropy: &mut Entropy, wish: &Wish) -> (String, i64) {
    let age = match wish.age_seconds {
        None | Some(0) => DEFAULT_AGE_SECONDS,
        Some(seconds) => seconds.clamp(LEAST_AGE_SECONDS, MOST_AGE_SECONDS),
    };
    let issued_at = i64::try_from(now.as_seconds()).unwrap_or(i64::MAX);
    let expires_at = issued_at.saturating_add(age);
    let jti = format!("{:013x}{:016x}", now.as_nanoseconds() / 1_000_000, entropy.next_u64());
    let claims = Object::new()
        .with("iss", ISSUER)
        .with("aud", AUDIENCE)
        .with("iat", issued_at)
        .with("exp", expires_at)
        .with("task_id", wish.task_id.as_str())
        .with("sub", wish.sub.clone())
        .with("kind", KIND)
        .with("parent_origin", wish.parent_origin.as_str())
        .with("jti", jti);
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encode(HEADER), encode(&Json::from(claims).to_compact()));
    let signature = Key::new(secret.as_bytes()).sign(signed.as_bytes());
    (format!("{signed}.{signature}"), expires_at)
}

/// The task that a token opens, or why it opens none, in PyJWT's and awaithumans' words.
pub(crate) fn verify(secret: &str, now: Timestamp, token: &str) -> Result<String, String> {
    let claims = decode(secret, token).and_then(|claims| check(&claims, now).map(|()| claims));
    let claims = claims.map_err(|refusal| match refusal {
        Refusal::Named(reason) => reason.to_owned(),
        Refusal::Other(reason) => format!("token verification failed: {reason}"),
    })?;
    let claim = |name: &str| claims.get(name).filter(|value| truthy(value));
    for name in ["task_id", "kind", "parent_origin", "jti"] {
        claim(name).ok_or_else(|| format!("missing required claim: {name}"))?;
    }
    let kind = claim("kind").unwrap_or(&Json::Null);
    if kind.as_str() != Some(KIND) {
        return Err(format!("unsupported kind: {}", python::str(kind)));
    }
    Ok(claim("task_id").map(python::str).unwrap_or_default())
}

/// What is wrong with a token.
enum Refusal {
    /// awaithumans has words of its own for it.
    Named(&'static str),
    /// PyJWT's words.
    Other(String),
}

fn other(reason: impl Into<String>) -> Refusal {
    Refusal::Other(reason.into())
}

/// The claims of a token whose form and signature are right. The checks are in PyJWT's order.
fn decode(secret: &str, token: &str) -> Result<Json, Refusal> {
    let (signed, signature) = token.rsplit_once('.').ok_or_else(|| other("Not enough segments"))?;
    let (header, payload) = signed.split_once('.').ok_or_else(|| other("Not enough segments"))?;
    let header = object(&segment(header, "header")?, "header")?;
    if header.get("b64").and_then(Json::as_bool) == Some(false) && !payload.is_empty() {
        return Err(other("Payload segment must be empty when 'b64' is false."));
    }
    let payload = segment(payload, "payload")?;
    let signature = segment(signature, "crypto")?;
    check_header(&header)?;
    if header.get("alg").and_then(Json::as_str) != Some(ALGORITHM) {
        return Err(Refusal::Named("invalid algorithm"));
    }
    if Key::new(secret.as_bytes()).mac(signed.as_bytes()).as_slice() != signature {
        return Err(other("Signature verification failed"));
    }
    object(&payload, "payload")
}

/// Strict base64, but up to two signs of padding may follow if they make the length right.
fn segment(text: &str, name: &str) -> Result<Vec<u8>, Refusal> {
    let bare = text.trim_end_matches('=');
    let pads = text.len() - bare.len();
    let padding_fits = pads == 0 || (pads <= 2 && text.len().is_multiple_of(4));
    let decoded = URL_SAFE_NO_PAD.decode(bare).ok().filter(|_| padding_fits);
    decoded.ok_or_else(|| other(format!("Invalid {name} padding")))
}

fn object(bytes: &[u8], name: &str) -> Result<Json, Refusal> {
    match Json::parse(bytes) {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err(other(format!("Invalid {name} string: must be a json object"))),
        Err(JsonError::Encoding { .. }) => Err(other(format!("Invalid {name} string: {}", undecodable(bytes)))),
        Err(error) => Err(other(format!("Invalid {name} string: {error}"))),
    }
}

/// Python's words for bytes that aren't UTF-8.
fn undecodable(bytes: &[u8]) -> String {
    let error = std::str::from_utf8(bytes).err();
    let place = error.map_or(0, |error| error.valid_up_to());
    let byte = bytes.get(place).copied().unwrap_or_default();
    let (end, why) = match error.map(|error| error.error_len()) {
        Some(None) => (bytes.len(), "unexpected end of data"),
        _ if matches!(byte, 0xc2..=0xf4) => (place + 1, "invalid continuation byte"),
        _ => (place + 1, "invalid start byte"),
    };
    match end - place {
        0 | 1 => format!("'utf-8' codec can't decode byte 0x{byte:02x} in position {place}: {why}"),
        _ => format!(
            "'utf-8' codec can't decode bytes in position {place}-{}: {why}",
            end - 1
        ),
    }
}

fn check_header(header: &Json) -> Result<(), Refusal> {
    if !matches!(header.get("kid"), None | Some(Json::String(_))) {
        return Err(other("Key ID header parameter must be a string"));
    }
    let Some(critical) = header.get("crit") else {
        return Ok(());
    };
    let Some(first) = critical.as_array().and_then(<[Json]>::first) else {
        return Err(other("Invalid 'crit' header: must be a non-empty list"));
    };
    match first {
        // PyJWT knows one extension, which is without effect here unless it is missing.
        Json::String(name) if name.as_str() == Some("b64") => match header.get("b64") {
            Some(_) => Ok(()),
            None => Err(other("Critical extension 'b64' is missing from headers")),
        },
        Json::String(name) => Err(other(format!(
            "Unsupported critical extension: {}",
            name.to_string_lossy()
        ))),
        _ => Err(other("Invalid 'crit' header: values must be strings")),
    }
}

fn check(claims: &Json, now: Timestamp) -> Result<(), Refusal> {
    for name in ["exp", "iat", "aud", "iss"] {
        if claims.get(name).is_none_or(Json::is_null) {
            return Err(missing(name));
        }
    }
    let number = |name: &str, title: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => match python_int(value) {
            Some(number) => Ok(Some(number)),
            None => Err(other(format!("{title} claim ({name}) must be an integer."))),
        },
    };
    let (latest, earliest) = (
        now + LEEWAY,
        now.as_nanoseconds().saturating_sub(LEEWAY.as_nanos() as u64),
    );
    let nanoseconds = |seconds: i64| u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000);
    for (name, title) in [("iat", "Issued At"), ("nbf", "Not Before")] {
        if number(name, title)?.is_some_and(|since| nanoseconds(since) > latest.as_nanoseconds()) {
            return Err(other(format!("The token is not yet valid ({name})")));
        }
    }
    if number("exp", "Expiration Time")?.is_some_and(|end| nanoseconds(end) <= earliest) {
        return Err(Refusal::Named("token has expired"));
    }
    if claims.get("iss").and_then(Json::as_str) != Some(ISSUER) {
        return Err(Refusal::Named("invalid issuer"));
    }
    check_audience(claims.get("aud").unwrap_or(&Json::Null))?;
    if !matches!(claims.get("sub"), None | Some(Json::String(_))) {
        return Err(other("Subject must be a string"));
    }
    match claims.get("jti") {
        None | Some(Json::String(_)) => Ok(()),
        Some(_) => Err(other("JWT ID must be a string")),
    }
}

fn check_audience(audience: &Json) -> Result<(), Refusal> {
    if !truthy(audience) {
        return Err(missing("aud"));
    }
    let fits = match audience {
        Json::Array(values) => {
            let all_texts = values.iter().all(|value| matches!(value, Json::String(_)));
            all_texts && values.iter().any(|value| value.as_str() == Some(AUDIENCE))
        }
        other => other.as_str() == Some(AUDIENCE),
    };
    match fits {
        true => Ok(()),
        false => Err(Refusal::Named("invalid audience")),
    }
}

fn missing(claim: &str) -> Refusal {
    other(format!("Token is missing the \"{claim}\" claim"))
}

/// Python's `int(value)`; what doesn't fit 64 bits becomes the nearest that does. `None` where it raises.
pub(crate) fn python_int(value: &Json) -> Option<i64> {
    match value {
        Json::Bool(value) => Some((*value).into()),
        Json::Int(number) => Some(number.as_i64().unwrap_or(if number.to_string().starts_with('-') {
            i64::MIN
        } else {
            i64::MAX
        })),
        Json::Float(number) => number.is_finite().then_some(*number as i64),
        Json::String(text) => {
            let text = text.as_str()?.trim();
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            let well_formed = !digits.is_empty()
                && digits
                    .split('_')
                    .all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
            let saturated = if text.starts_with('-') { i64::MIN } else { i64::MAX };
            well_formed.then(|| text.replace('_', "").parse().unwrap_or(saturated))
        }
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
