//! The keys that the server signs its own things with, each derived from the payload key by a salt of its own.

use awaithumans_temporal::PayloadKey;
use awaithumans_temporal::wire::key::decode_base64_as_python;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const MAC_BYTES: usize = 32;

/// Salts. Source: `utils/constants.py` of awaithumans 0.1.12.
const SESSION_SALT: &[u8] = b"awaithumans-dashboard-session";
const MAGIC_LINK_SALT: &[u8] = b"awaithumans-email-magic-links";
const SLACK_HANDOFF_SALT: &[u8] = b"awaithumans-slack-handoff";
const EMAIL_HANDOFF_SALT: &[u8] = b"awaithumans-email-handoff";

/// One key for each thing that is signed.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) session: Key,
    pub(crate) magic_link: Key,
    pub(crate) slack_handoff: Key,
    pub(crate) email_handoff: Key,
}

impl Keys {
    pub(crate) fn derive(root: &PayloadKey) -> Self {
        Self {
            session: Key::new(&root.derive(SESSION_SALT)),
            magic_link: Key::new(&root.derive(MAGIC_LINK_SALT)),
            slack_handoff: Key::new(&root.derive(SLACK_HANDOFF_SALT)),
            email_handoff: Key::new(&root.derive(EMAIL_HANDOFF_SALT)),
        }
    }
}

/// A key of HMAC-SHA256.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

impl Key {
    /// From bytes of any number.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(Hmac::new_from_slice(bytes).expect("HMAC takes any key size"))
    }

    pub(crate) fn mac(&self, message: &[u8]) -> [u8; MAC_BYTES] {
        let mut mac = self.0.clone();
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    /// The signature of a message, as links carry it.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(message))
    }

    /// Whether a link's signature is that of the message. Any spelling that Python reads will do.
    pub(crate) fn verify(&self, message: &[u8], signature: &str) -> bool {
        decode_base64_as_python(signature).is_some_and(|claimed| claimed == self.mac(message))
    }

    /// A body with its signature in front, as cookies and magic links carry it.
    pub(crate) fn seal(&self, body: &[u8]) -> String {
        let mut blob = self.mac(body).to_vec();
        blob.extend_from_slice(body);
        URL_SAFE_NO_PAD.encode(blob)
    }

    /// The body of something sealed, if its signature is right.
    pub(crate) fn open(&self, sealed: &str) -> Option<Vec<u8>> {
        let blob = decode_base64_as_python(sealed)?;
        let (mac, body) = blob.split_at_checked(MAC_BYTES)?;
        (self.mac(body) == mac).then(|| body.to_vec())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::derive(&PayloadKey::from_bytes(std::array::from_fn(|index| index as u8)))
    }

    /// Cookie, magic link and handoff of the recordings, made with the same payload key.
    #[test]
    fn what_a_real_server_signed_is_opened() {
        let cookie = "kSrRcEgW51ci4LO2cLREnNJipbV9rkttII-MgjnB1Jl7ImUiOjE3OTU5ODA1MzQsIm8iOnRydWUsInUiOiIzZmUwMzFkMGNhYzQ0Zj\
                      c1OTExZTVjZGQ1ODMwOTBiOCJ9";
        let body = keys().session.open(cookie).unwrap();
        assert_eq!(
            body,
            br#"{"e":1795980534,"o":true,"u":"3fe031d0cac44f75911e5cdd583090b8"}"#
        );
        assert_eq!(keys().session.seal(&body), cookie);
        assert_eq!(keys().magic_link.open(cookie), None);
        let link = "69Y8hQ3C_dBwCEWkZV6CmCecPR-nWx9JicISjK20y397ImUiOjE3OTU0NjIyMDYsImYiOiJhcHByb3ZlZCIsImoiOiJuTFJvN0F5ZDlycH\
                    BGUEFvQzJQMTNnIiwiciI6InJldkBhY21lLmV4YW1wbGUiLCJ0IjoiM2I2YTUzODhkNDBmNGNiNWE2MzVkMGQ4MGEwZmMwMDIiLCJ2IjpmYWxz\
                    ZX0";
        assert!(keys().magic_link.open(link).is_some());
        let message = b"newbie@acme.example|5c89a06b80f94e84a154f8c0c69379ec|1795378420";
        let signature = "FBVpmg1g6zrd46pBiUNogDwG5oA-rrprZlnvw6RRp5Q";
        assert_eq!(keys().email_handoff.sign(message), signature);
        assert!(keys().email_handoff.verify(message, signature));
        assert!(!keys().slack_handoff.verify(message, signature));
    }

    #[test]
    fn what_is_cut_or_changed_is_not_opened() {
        let sealed = keys().session.seal(b"{}");
        let mut changed = sealed.clone().into_bytes();
        changed[3] ^= 1;
        for bad in ["", "x", "é", &sealed[..42], std::str::from_utf8(&changed).unwrap()] {
            assert_eq!(keys().session.open(bad), None, "{bad}");
        }
    }
}
