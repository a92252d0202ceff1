//! One change to a signed webhook that must make its signature fail.

use awaithumans_temporal::{PayloadKey, WebhookKey};
use proptest::prelude::*;
use proptest::sample::Index;

/// What somebody changes about a signed webhook; made by [`signature_tampering`], done by [`apply`](Self::apply).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Tampering {
    /// One bit of the body is flipped. An empty body gets one byte.
    BodyBit(Index),
    /// The body is cut short at some byte. An empty body gets one byte.
    BodyCut(Index),
    /// A byte is added behind the body, as by a proxy that ends files with a newline.
    BodyByte(u8),
    /// One bit of the payload key is flipped: the webhook comes from another installation.
    KeyBit(Index),
    /// One bit of the header's value is flipped; it stays a legal header of printable ASCII.
    HeaderBit(Index),
    /// The header's value is cut short at some character.
    HeaderCut(Index),
}

/// A webhook after a [`Tampering`]. [`WebhookKey::verify`] must refuse it.
#[derive(Clone, Debug)]
pub struct Tampered {
    /// The receiver's key: always the genuine one's.
    pub key: WebhookKey,
    /// The body that arrives.
    pub body: Vec<u8>,
    /// The signature header that arrives; may be empty.
    pub header: String,
}

impl Tampering {
    /// Signs the body with the key, with the one change made on the way.
    ///
    /// `key` holds the 32 bytes of the receiver's [`PayloadKey`].
    pub fn apply(self, key: [u8; 32], body: &[u8]) -> Tampered {
        let webhook_key = |bytes| PayloadKey::from_bytes(bytes).webhook_key();
        let mut tampered = Tampered {
            key: webhook_key(key),
            body: body.to_vec(),
            header: webhook_key(key).sign(body).to_string(),
        };
        let (body, header) = (&mut tampered.body, &mut tampered.header);
        match self {
            Self::BodyBit(_) | Self::BodyCut(_) if body.is_empty() => body.push(0),
            Self::BodyBit(at) => flip_bit(body, at),
            Self::BodyCut(at) => body.truncate(at.index(body.len())),
            Self::BodyByte(byte) => body.push(byte),
            Self::KeyBit(at) => {
                let mut other = key;
                flip_bit(&mut other, at);
                *header = webhook_key(other).sign(body).to_string();
            }
            Self::HeaderBit(at) => *header = flip_visibly(header, at),
            Self::HeaderCut(at) => header.truncate(at.index(header.len())),
        }
        tampered
    }
}

/// Any change to body, key or header.
///
/// ```
/// use awaithumans_testkit::strategies::{signature_tampering, webhook_body};
/// use proptest::prelude::*;
///
/// proptest!(|(key: [u8; 32], body in webhook_body(), tampering in signature_tampering())| {
///     let tampered = tampering.apply(key, &body);
///     prop_assert!(tampered.key.verify(&tampered.body, Some(&tampered.header)).is_err());
/// });
/// ```
pub fn signature_tampering() -> impl Strategy<Value = Tampering> {
    prop_oneof![
        any::<Index>().prop_map(Tampering::BodyBit),
        any::<Index>().prop_map(Tampering::BodyCut),
        any::<u8>().prop_map(Tampering::BodyByte),
        any::<Index>().prop_map(Tampering::KeyBit),
        any::<Index>().prop_map(Tampering::HeaderBit),
        any::<Index>().prop_map(Tampering::HeaderCut),
    ]
}

fn flip_bit(bytes: &mut [u8], at: Index) {
    let bit = at.index(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// Flips one of a character's low four bits: letters, digits and `=` stay printable then.
fn flip_visibly(header: &str, at: Index) -> String {
    let bit = at.index(header.len() * 4);
    let flipped = |(place, character): (usize, char)| match place == bit / 4 {
        true => char::from(character as u8 ^ (1 << (bit % 4))),
        false => character,
    };
    header.chars().enumerate().map(flipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest! {
        #[test]
        fn a_tampered_header_can_still_be_sent(key: [u8; 32], body: Vec<u8>, tampering in signature_tampering()) {
            let tampered = tampering.apply(key, &body);
            prop_assert!(tampered.header.bytes().all(|byte| byte.is_ascii_graphic()), "{}", tampered.header);
            prop_assert!(http::HeaderValue::from_str(&tampered.header).is_ok());
        }
    }
}
