//! What must hold for any key, any body and any change.

use awaithumans_temporal::wire::webhook::Webhook;
use awaithumans_temporal::{PayloadKey, WebhookKey};
use awaithumans_testkit::Canned;
use awaithumans_testkit::human::Status;
use awaithumans_testkit::matchers::{SignedBy, WebhookStatus};
use awaithumans_testkit::strategies::{
    Tampered, idempotency_key, json, payload_key, payload_key_text, signature_tampering, webhook_body, webhook_with,
};
use proptest::prelude::*;
use wiremock::Match;

proptest! {
    #[test]
    fn a_signature_round_trips(key in payload_key(), body in webhook_body()) {
        let key = key.webhook_key();
        let signature = key.sign(&body);
        prop_assert_eq!(key.verify(&body, Some(&signature.to_string())), Ok(()));
        prop_assert_eq!(key.verify(&body, Some(&signature.hex())), Ok(()));
    }

    #[test]
    fn every_spelling_of_a_key_verifies((key, text) in payload_key_text(), body: Vec<u8>) {
        let read = PayloadKey::from_base64(&text).unwrap().webhook_key();
        let header = key.webhook_key().sign(&body).to_string();
        prop_assert_eq!(read.verify(&body, Some(&header)), Ok(()));
    }

    #[test]
    fn any_changed_bit_of_body_key_or_header_fails(
        key: [u8; 32],
        body in prop_oneof![webhook_body(), any::<Vec<u8>>()],
        tampering in signature_tampering(),
    ) {
        let Tampered { key, body, header } = tampering.apply(key, &body);
        prop_assert!(key.verify(&body, Some(&header)).is_err(), "{tampering:?}: {header}");
    }

    #[test]
    fn any_webhook_of_an_outcome_reads_back(webhook in outcome().prop_flat_map(webhook_with)) {
        let read = Webhook::parse(&webhook.to_bytes());
        prop_assert_eq!(read, Ok(webhook));
    }

    #[test]
    fn a_canned_webhook_passes_the_matchers(key in payload_key(), task in idempotency_key(), response in json()) {
        let key = key.webhook_key();
        let request = received(Canned::completed(task, response), &key);
        prop_assert!(SignedBy(key).matches(&request));
        prop_assert!(WebhookStatus(Status::Completed).matches(&request));
        prop_assert!(!WebhookStatus(Status::TimedOut).matches(&request));
    }
}

fn outcome() -> impl Strategy<Value = Status> {
    prop::sample::select(
        Status::ALL
            .into_iter()
            .filter(|status| status.is_terminal())
            .collect::<Vec<_>>(),
    )
}

fn received(canned: Canned, key: &WebhookKey) -> wiremock::Request {
    let request = canned
        .into_request(key, "http://app.test/awaithumans/callback?wf=w")
        .unwrap();
    let (parts, body) = request.into_parts();
    wiremock::Request {
        url: parts.uri.to_string().parse().unwrap(),
        method: parts.method,
        headers: parts.headers,
        body: body.to_vec(),
    }
}
