//! Strategies for proptest: keys, webhook bodies, signatures, plans. Feature `proptest`.
//!
//! ```
//! use awaithumans_testkit::strategies::{payload_key, webhook_body};
//! use proptest::prelude::*;
//!
//! proptest!(|(key in payload_key(), body in webhook_body())| {
//!     let key = key.webhook_key();
//!     let header = key.sign(&body).to_string();
//!     prop_assert_eq!(key.verify(&body, Some(&header)), Ok(()));
//! });
//! ```

mod json;
pub(crate) mod plan;
mod tampering;
mod webhook;

pub use json::{json, object, text};
pub use plan::{PlanOptions, plan};
pub use tampering::{Tampered, Tampering, signature_tampering};
pub use webhook::{idempotency_key, task_id, webhook, webhook_body, webhook_with};

use awaithumans_temporal::PayloadKey;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

/// Any payload key.
///
/// ```
/// use awaithumans_testkit::strategies::payload_key;
/// use proptest::prelude::*;
///
/// proptest!(|(key in payload_key())| {
///     prop_assert_eq!(key.webhook_key(), key.webhook_key());
/// });
/// ```
pub fn payload_key() -> impl Strategy<Value = PayloadKey> {
    any::<[u8; 32]>().prop_map(PayloadKey::from_bytes)
}

/// Any payload key, beside one of its spellings as `AWAITHUMANS_PAYLOAD_KEY`: base64, standard or url-safe, padded or not.
///
/// ```
/// use awaithumans_temporal::PayloadKey;
/// use awaithumans_testkit::strategies::payload_key_text;
/// use proptest::prelude::*;
///
/// proptest!(|((key, text) in payload_key_text())| {
///     prop_assert_eq!(PayloadKey::from_base64(&text), Ok(key));
/// });
/// ```
pub fn payload_key_text() -> impl Strategy<Value = (PayloadKey, String)> {
    let spelling = prop::sample::select(vec![STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]);
    (any::<[u8; 32]>(), spelling).prop_map(|(bytes, spelling)| (PayloadKey::from_bytes(bytes), spelling.encode(bytes)))
}
