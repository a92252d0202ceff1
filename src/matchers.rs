//! Matchers for a wiremock server that stands in for the callback receiver. Feature `wiremock`.
//!
//! ```
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use awaithumans_temporal::{PayloadKey, ReqwestTransport, Transport};
//! use awaithumans_testkit::Canned;
//! use awaithumans_testkit::human::Status;
//! use awaithumans_testkit::matchers::{SignedBy, WebhookStatus};
//! use wiremock::matchers::{method, path};
//! use wiremock::{Mock, MockServer, ResponseTemplate};
//!
//! let key = PayloadKey::from_bytes([7; 32]).webhook_key();
//! let receiver = MockServer::start().await;
//! Mock::given(method("POST"))
//!     .and(path("/awaithumans/callback"))
//!     .and(SignedBy(key.clone()))
//!     .and(WebhookStatus(Status::Completed))
//!     .respond_with(ResponseTemplate::new(200))
//!     .expect(1)
//!     .mount(&receiver)
//!     .await;
//!
//! let url = format!("{}/awaithumans/callback", receiver.uri());
//! let webhook = Canned::completed("order-1", serde_json::json!({"approved": true})).into_request(&key, &url)?;
//! assert_eq!(ReqwestTransport::default().send(webhook).await?.status(), 200);
//!
//! let unasked = Canned::cancelled("order-1").into_request(&key, &url)?;
//! assert_eq!(ReqwestTransport::default().send(unasked).await?.status(), 404);
//! # Ok(()) }
//! ```

use awaithumans_temporal::wire::webhook::Webhook;
use awaithumans_temporal::{SIGNATURE_HEADER, WebhookKey};
use wiremock::{Match, Request};

use crate::human::Status;

/// Matches a request whose one signature header is this key's, for exactly this body.
#[derive(Clone, Debug)]
pub struct SignedBy(pub WebhookKey);

impl Match for SignedBy {
    fn matches(&self, request: &Request) -> bool {
        let mut headers = request.headers.get_all(SIGNATURE_HEADER).iter();
        match (headers.next(), headers.next()) {
            (Some(header), None) => self.0.verify(&request.body, header.to_str().ok()).is_ok(),
            _ => false,
        }
    }
}

/// Matches a request whose body is a webhook about a task that ended so.
///
/// It says nothing about the signature: see [`SignedBy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookStatus(pub Status);

impl Match for WebhookStatus {
    fn matches(&self, request: &Request) -> bool {
        Webhook::parse(&request.body).is_ok_and(|webhook| webhook.status == self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use awaithumans_temporal::PayloadKey;

    use super::*;
    use crate::Canned;

    fn request(canned: Canned, key: &WebhookKey) -> Request {
        let (parts, body) = canned.into_request(key, "http://app.test/cb").unwrap().into_parts();
        Request {
            url: parts.uri.to_string().parse().unwrap(),
            method: parts.method,
            headers: parts.headers,
            body: body.to_vec(),
        }
    }

    #[test]
    fn only_the_right_keys_signature_of_the_right_body_matches() {
        let key = PayloadKey::from_bytes([1; 32]).webhook_key();
        let other = PayloadKey::from_bytes([2; 32]).webhook_key();
        let genuine = request(Canned::timed_out("k"), &key);
        assert!(SignedBy(key.clone()).matches(&genuine));
        assert!(!SignedBy(other).matches(&genuine));

        let mut changed = genuine.clone();
        changed.body.push(b'\n');
        assert!(!SignedBy(key.clone()).matches(&changed));

        let mut unsigned = genuine.clone();
        unsigned.headers.remove(SIGNATURE_HEADER);
        assert!(!SignedBy(key.clone()).matches(&unsigned));

        let mut twice = genuine.clone();
        let header = twice.headers[SIGNATURE_HEADER].clone();
        twice.headers.append(SIGNATURE_HEADER, header);
        assert!(!SignedBy(key).matches(&twice));
    }

    #[test]
    fn the_status_is_read_from_the_body() {
        let key = PayloadKey::from_bytes([1; 32]).webhook_key();
        let exhausted = request(Canned::verification_exhausted("k", serde_json::json!({}), 3), &key);
        assert!(WebhookStatus(Status::VerificationExhausted).matches(&exhausted));
        assert!(!WebhookStatus(Status::Completed).matches(&exhausted));
        let nonsense = request(Canned::custom("nonsense"), &key);
        assert!(!WebhookStatus(Status::Completed).matches(&nonsense));
    }
}
