//! Webhook signatures: HMAC-SHA256 over the raw body, in a header.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::key::WebhookKey;

/// Header that carries the signature: `sha256=` and 64 lower-case hex digits.
pub const SIGNATURE_HEADER: &str = "X-Awaithumans-Signature";
/// Header that carries the task id, beside the signature; not covered by it.
pub const TASK_ID_HEADER: &str = "X-Awaithumans-Task-Id";

const PREFIX: &str = "sha256=";
const SIZE_BYTES: usize = 32;

impl WebhookKey {
    /// Signs the raw bytes of a webhook body.
    pub fn sign(&self, body: &[u8]) -> Signature {
        Signature(self.mac(body).finalize().into_bytes().into())
    }

    /// Checks a signature header against the raw bytes of a webhook body, in constant time.
    ///
    /// `header` is the header's value as received: `sha256=<hex>`, or the bare hex digits, which
    /// some proxies leave. Digits must be lower-case and nothing may stand around them, as the
    /// Python and TypeScript receivers have it.
    ///
    /// # Errors
    /// [`SignatureError`]; each kind means that the body must not be trusted.
    pub fn verify(&self, body: &[u8], header: Option<&str>) -> Result<(), SignatureError> {
        let claimed = match header {
            None => return Err(SignatureError::Missing),
            Some("") => return Err(SignatureError::Empty),
            Some(header) => Signature::parse(header).ok_or(SignatureError::Malformed)?,
        };
        self.mac(body)
            .verify(&claimed.0.into())
            .map_err(|_| SignatureError::Mismatch)
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(body);
        mac
    }
}

/// The HMAC-SHA256 of one body. `Display` writes the header's value, `sha256=<hex>`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIZE_BYTES]);

impl Signature {
    /// The 64 lower-case hex digits without the `sha256=` in front.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
    }

    /// The 32 raw bytes.
    pub const fn as_bytes(&self) -> &[u8; SIZE_BYTES] {
        &self.0
    }

    fn parse(header: &str) -> Option<Self> {
        let digits = header.strip_prefix(PREFIX).unwrap_or(header).as_bytes();
        if digits.len() != 2 * SIZE_BYTES {
            return None;
        }
        let mut bytes = [0; SIZE_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.hex())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

/// Why a signature header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The request has no signature header.
    #[error("the X-Awaithumans-Signature header is missing")]
    Missing,
    /// The header is there, but empty.
    #[error("the X-Awaithumans-Signature header is empty")]
    Empty,
    /// Not `sha256=` and 64 lower-case hex digits, nor the digits alone.
    #[error("the X-Awaithumans-Signature header is not sha256=<64 lower-case hex digits>")]
    Malformed,
    /// Well-formed, but of another body or made with another key.
    #[error(
        "the signature does not match the body: the body was changed on its way, or the server's \
         AWAITHUMANS_PAYLOAD_KEY is not this receiver's"
    )]
    Mismatch,
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::key::PayloadKey;

    fn golden_key() -> WebhookKey {
        PayloadKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
            .expect("the golden key")
            .webhook_key()
    }

    #[derive(serde::Deserialize)]
    struct Vector {
        #[serde(default)]
        key: Option<String>,
        body: String,
        signature: String,
    }

    #[test]
    fn every_signature_the_real_server_sent() {
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("../../fixtures/signatures/webhooks.json")).expect("fixture");
        assert!(vectors.len() > 100, "only {} vectors", vectors.len());
        for Vector { key, body, signature } in vectors {
            let key = match key {
                Some(text) => PayloadKey::from_base64(&text).expect("fixture key").webhook_key(),
                None => golden_key(),
            };
            assert_eq!(key.sign(body.as_bytes()).to_string(), signature, "{body}");
            assert_eq!(key.verify(body.as_bytes(), Some(&signature)), Ok(()));
        }
    }

    #[test]
    fn the_headers_shape() {
        use SignatureError::*;
        let key = golden_key();
        let good = key.sign(b"body").to_string();
        let bare = key.sign(b"body").hex();
        for (header, verdict) in [
            (Some(good.clone()), Ok(())),
            (Some(bare.clone()), Ok(())),
            (None, Err(Missing)),
            (Some(String::new()), Err(Empty)),
            (Some("sha256=".to_owned()), Err(Malformed)),
            (Some(good.to_uppercase()), Err(Malformed)),
            (Some(format!("sha256={}", bare.to_uppercase())), Err(Malformed)),
            (Some(format!("sha256=sha256={bare}")), Err(Malformed)),
            (Some(format!(" {good}")), Err(Malformed)),
            (Some(format!("{good} ")), Err(Malformed)),
            (Some(format!("sha1={bare}")), Err(Malformed)),
            (Some("sha256=é".to_owned()), Err(Malformed)),
            (Some(key.sign(b"other").to_string()), Err(Mismatch)),
        ] {
            assert_eq!(key.verify(b"body", header.as_deref()), verdict, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn a_signature_round_trips(key: [u8; 32], body: Vec<u8>) {
            let key = PayloadKey::from_bytes(key).webhook_key();
            let signature = key.sign(&body);
            prop_assert_eq!(key.verify(&body, Some(&signature.to_string())), Ok(()));
            prop_assert_eq!(key.verify(&body, Some(&signature.hex())), Ok(()));
        }

        #[test]
        fn any_changed_bit_fails(key: [u8; 32], body: Vec<u8>, at: prop::sample::Index) {
            let signature = PayloadKey::from_bytes(key).webhook_key().sign(&body).to_string();
            let verify = |key: [u8; 32], body: &[u8], header: &[u8]| {
                let header = String::from_utf8_lossy(header);
                PayloadKey::from_bytes(key).webhook_key().verify(body, Some(&header))
            };
            let mut other_key = key;
            flip(&mut other_key, at);
            prop_assert!(verify(other_key, &body, signature.as_bytes()).is_err());
            let mut other_header = signature.clone().into_bytes();
            flip(&mut other_header, at);
            prop_assert!(verify(key, &body, &other_header).is_err());
            if !body.is_empty() {
                let mut other_body = body.clone();
                flip(&mut other_body, at);
                prop_assert!(verify(key, &other_body, signature.as_bytes()).is_err());
            }
        }

        #[test]
        fn no_header_panics(header: String, body: Vec<u8>) {
            prop_assert!(golden_key().verify(&body, Some(&header)).is_err());
        }
    }

    fn flip(bytes: &mut [u8], at: prop::sample::Index) {
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}
