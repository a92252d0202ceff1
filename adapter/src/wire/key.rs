//! The root secret `AWAITHUMANS_PAYLOAD_KEY` and the webhook key derived from it.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;

/// Name of the environment variable that holds the root secret, on the server and on every
/// receiver alike.
pub const PAYLOAD_KEY_VARIABLE: &str = "AWAITHUMANS_PAYLOAD_KEY";

/// HKDF salt of the webhook channel (awaithumans 0.1.12, `utils/constants.py`).
const WEBHOOK_SALT: &[u8] = b"awaithumans-webhook-v1";
/// HKDF info of every channel; a new value is a new version of the signature.
const INFO: &[u8] = b"v1";

const KEY_SIZE_BYTES: usize = 32;

/// The 32-byte root secret shared by the awaithumans server and its receivers.
///
/// `Debug` does not print the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct PayloadKey([u8; KEY_SIZE_BYTES]);

impl PayloadKey {
    /// Decodes the text form: base64, standard or url-safe, padding optional.
    ///
    /// Accepts exactly the texts that the Python server accepts. That includes characters outside
    /// the alphabet, which are skipped, and anything after the padding, which is not read.
    ///
    /// # Errors
    /// [`PayloadKeyError`], which names `AWAITHUMANS_PAYLOAD_KEY` and never quotes the value.
    pub fn from_base64(text: &str) -> Result<Self, PayloadKeyError> {
        if text.is_empty() {
            return Err(PayloadKeyError::Missing);
        }
        let bytes = decode_base64_as_python(text).ok_or(PayloadKeyError::NotBase64)?;
        let size_bytes = bytes.len();
        let bytes = bytes
            .try_into()
            .map_err(|_| PayloadKeyError::WrongSize { size_bytes })?;
        Ok(Self(bytes))
    }

    /// Reads and decodes the environment variable `AWAITHUMANS_PAYLOAD_KEY`.
    ///
    /// # Errors
    /// [`PayloadKeyError::Missing`] if it is unset or empty, and as [`PayloadKey::from_base64`].
    pub fn from_environment() -> Result<Self, PayloadKeyError> {
        match std::env::var(PAYLOAD_KEY_VARIABLE) {
            Ok(text) => Self::from_base64(&text),
            Err(std::env::VarError::NotPresent) => Err(PayloadKeyError::Missing),
            Err(std::env::VarError::NotUnicode(_)) => Err(PayloadKeyError::NotBase64),
        }
    }

    /// Takes 32 raw bytes as the secret.
    pub const fn from_bytes(bytes: [u8; KEY_SIZE_BYTES]) -> Self {
        Self(bytes)
    }

    /// Derives the key that signs and verifies webhooks (HKDF-SHA256, 32 bytes).
    pub fn webhook_key(&self) -> WebhookKey {
        let bytes = self.derive(WEBHOOK_SALT);
        let mac = Hmac::new_from_slice(&bytes).expect("HMAC takes any key size");
        WebhookKey { bytes, mac }
    }

    /// Derives the key of any channel from its salt (HKDF-SHA256, 32 bytes): awaithumans signs sessions and links with keys of
    /// their own, so that one leaked key opens one door.
    pub fn derive(&self, salt: &[u8]) -> [u8; 32] {
        let mut bytes = [0; KEY_SIZE_BYTES];
        Hkdf::<Sha256>::new(Some(salt), &self.0)
            .expand(INFO, &mut bytes)
            .expect("32 bytes are within HKDF-SHA256's 8160");
        bytes
    }
}

impl fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadKey(..)")
    }
}

impl std::str::FromStr for PayloadKey {
    type Err = PayloadKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_base64(text)
    }
}

/// The key of the webhook channel; see [`PayloadKey::webhook_key`] and
/// [`WebhookKey::sign`](crate::WebhookKey::sign).
///
/// `Debug` does not print the bytes.
#[derive(Clone)]
pub struct WebhookKey {
    bytes: [u8; KEY_SIZE_BYTES],
    /// What has taken the key and waits for a message.
    pub(super) mac: Hmac<Sha256>,
}

impl PartialEq for WebhookKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for WebhookKey {}

impl WebhookKey {
    /// Short for [`PayloadKey::from_environment`] and [`PayloadKey::webhook_key`].
    ///
    /// # Errors
    /// As [`PayloadKey::from_environment`].
    pub fn from_environment() -> Result<Self, PayloadKeyError> {
        PayloadKey::from_environment().map(|key| key.webhook_key())
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey(..)")
    }
}

/// Why a text is not a payload key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadKeyError {
    /// The variable is unset, or the text is empty.
    #[error("AWAITHUMANS_PAYLOAD_KEY is not set: give 32 random bytes as base64")]
    Missing,
    /// The text has a base64 group cut short, or characters that are not ASCII.
    #[error("AWAITHUMANS_PAYLOAD_KEY is not valid base64")]
    NotBase64,
    /// The text decodes, but not to 32 bytes. A copy cut short is the usual cause.
    #[error("AWAITHUMANS_PAYLOAD_KEY must decode to 32 bytes; got {size_bytes}")]
    WrongSize {
        /// What it decoded to.
        size_bytes: usize,
    },
}

/// `base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))` as CPython's `binascii` does it; `None` where that raises.
///
/// It is neither strict nor plainly lenient, and no setting of the base64 crate is the same:
/// foreign characters are skipped but count for the padding, `=` counts only from the second
/// character of a group on, and a full padding ends the input whatever follows.
pub fn decode_base64_as_python(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() {
        return None;
    }
    let padding = text.len().wrapping_neg() % 4;
    let symbols = text.bytes().chain(std::iter::repeat_n(b'=', padding));
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut group_symbols, mut pads) = (0u32, 0, 0);
    for symbol in symbols {
        if symbol == b'=' {
            if group_symbols >= 2 {
                pads += 1;
                if group_symbols + pads >= 4 {
                    return Some(bytes);
                }
            }
            continue;
        }
        let Some(value) = base64_value(symbol) else {
            continue;
        };
        pads = 0;
        group = (group << 6 | u32::from(value)) & 0x00ff_ffff;
        match group_symbols {
            0 => group_symbols = 1,
            1 => {
                bytes.push((group >> 4) as u8);
                group_symbols = 2;
            }
            2 => {
                bytes.push((group >> 2) as u8);
                group_symbols = 3;
            }
            _ => {
                bytes.push(group as u8);
                group_symbols = 0;
            }
        }
    }
    (group_symbols == 0).then_some(bytes)
}

fn base64_value(symbol: u8) -> Option<u8> {
    match symbol {
        b'A'..=b'Z' => Some(symbol - b'A'),
        b'a'..=b'z' => Some(symbol - b'a' + 26),
        b'0'..=b'9' => Some(symbol - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_forms_of_one_key() {
        // awaithumans 0.1.12 booted with each of the four; golden transcript 19_boot_options.
        let mut bytes: [u8; 32] = std::array::from_fn(|index| index as u8);
        bytes[..2].copy_from_slice(&[0xfb, 0xff]);
        for text in [
            "-_8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "-_8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "+/8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "+/8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        ] {
            assert_eq!(PayloadKey::from_base64(text), Ok(PayloadKey(bytes)), "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_key() {
        use PayloadKeyError::*;
        for (text, error) in [
            ("", Missing),
            ("é", NotBase64),
            ("AAAAA", NotBase64),
            ("AAECAwQFBgcICQoLDA0ODw==", WrongSize { size_bytes: 16 }),
            ("!!!!", WrongSize { size_bytes: 0 }),
            ("====", WrongSize { size_bytes: 0 }),
        ] {
            assert_eq!(PayloadKey::from_base64(text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_oddities_of_pythons_decoder() {
        // Each right-hand side is what CPython 3.11 gave.
        for (text, bytes) in [
            ("QUJD\nREVG", Some(&b"ABCDEF"[..])),
            ("QUJD\nREVG===", Some(b"ABCDEF")),
            ("QQ==QUJD", Some(b"A")),
            ("=QQ==", Some(b"A")),
            ("Q=UJD", Some(b"ABC")),
            ("Q", None),
            ("QU=J=D=", Some(b"AB")),
        ] {
            let decoded = decode_base64_as_python(text);
            assert_eq!(decoded.as_deref(), bytes, "{text:?}");
        }
    }

    #[test]
    fn debug_keeps_the_secret() {
        let key = PayloadKey::from_bytes([7; 32]);
        assert_eq!(
            format!("{key:?} {:?}", key.webhook_key()),
            "PayloadKey(..) WebhookKey(..)"
        );
    }

    proptest! {
        #[test]
        fn whatever_the_base64_crate_writes_is_read(bytes: [u8; 32]) {
            use base64::engine::general_purpose::*;
            for text in [
                STANDARD.encode(bytes),
                STANDARD_NO_PAD.encode(bytes),
                URL_SAFE.encode(bytes),
                URL_SAFE_NO_PAD.encode(bytes),
            ] {
                prop_assert_eq!(PayloadKey::from_base64(&text), Ok(PayloadKey(bytes)));
            }
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = PayloadKey::from_base64(&text);
        }
    }
}
