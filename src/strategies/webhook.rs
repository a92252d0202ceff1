//! Webhooks as awaithumans sends them.

use awaithumans_temporal::wire::json::Json;
use awaithumans_temporal::wire::webhook::{Moment, Webhook};
use proptest::prelude::*;

use super::json::object;
use crate::human::Status;

/// Microseconds from 1970 to the end of 9999, as far as Python's `datetime` goes.
const MICROSECONDS: std::ops::RangeInclusive<u64> = 0..=253_402_300_799_999_999;

/// Any webhook that awaithumans 0.1.12 could send, of all four outcomes.
///
/// ```
/// use awaithumans_temporal::wire::webhook::Webhook;
/// use awaithumans_testkit::strategies::webhook;
/// use proptest::prelude::*;
///
/// proptest!(|(webhook in webhook())| {
///     prop_assert_eq!(Webhook::parse(&webhook.to_bytes()), Ok(webhook));
/// });
/// ```
pub fn webhook() -> impl Strategy<Value = Webhook> {
    prop_oneof![
        webhook_with(Status::Completed),
        webhook_with(Status::TimedOut),
        webhook_with(Status::Cancelled),
        webhook_with(Status::VerificationExhausted),
    ]
}

/// Any webhook of one outcome, with what that outcome brings: an answer when completed, at least one attempt when the
/// verification was exhausted. A task that timed out or was cancelled may have a refused answer.
///
/// ```
/// use awaithumans_testkit::human::Status;
/// use awaithumans_testkit::strategies::webhook_with;
/// use proptest::prelude::*;
///
/// proptest!(|(webhook in webhook_with(Status::TimedOut))| {
///     prop_assert!(webhook.timed_out_at.is_some() && webhook.completed_at.is_none());
/// });
/// ```
///
/// # Panics
/// If the status is not terminal: awaithumans sends no webhook then.
#[track_caller]
pub fn webhook_with(outcome: Status) -> impl Strategy<Value = Webhook> {
    assert!(
        outcome.is_terminal(),
        "awaithumans sends no webhook for a task that is {}",
        outcome.as_str()
    );
    let answer = match outcome {
        Status::Completed | Status::VerificationExhausted => answer().prop_map(Some).boxed(),
        _ => prop::option::weighted(0.2, answer()).boxed(),
    };
    (task_id(), idempotency_key(), moment(), answer).prop_map(move |(task_id, idempotency_key, moment, answer)| {
        let answered = answer.is_some();
        let (response, email, channel, attempts) = answer.unwrap_or_default();
        Webhook {
            task_id,
            idempotency_key,
            status: outcome.as_str().to_owned(),
            response,
            completed_at: (outcome == Status::Completed).then_some(moment),
            timed_out_at: (outcome == Status::TimedOut).then_some(moment),
            completed_by_email: email,
            completed_via_channel: channel,
            // A completed task need not have been verified; any other answer is in because the verifier refused it.
            verification_attempt: if outcome == Status::Completed || !answered {
                attempts
            } else {
                attempts.max(1)
            },
        }
    })
}

/// The bytes of any webhook, as awaithumans writes and signs them.
///
/// ```
/// use awaithumans_testkit::strategies::webhook_body;
/// use proptest::prelude::*;
///
/// proptest!(|(body in webhook_body())| {
///     prop_assert!(body.is_ascii());
/// });
/// ```
pub fn webhook_body() -> impl Strategy<Value = Vec<u8>> {
    webhook().prop_map(|webhook| webhook.to_bytes())
}

/// Any idempotency key: mostly those that people choose, and some of any characters, up to awaithumans' 255.
///
/// ```
/// use awaithumans_testkit::strategies::idempotency_key;
/// use proptest::prelude::*;
///
/// proptest!(|(key in idempotency_key())| {
///     prop_assert!((1..=255).contains(&key.chars().count()));
/// });
/// ```
pub fn idempotency_key() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z]{1,8}[:/_-][a-zA-Z0-9._-]{1,24}",
        1 => "temporal:[a-z0-9-]{1,36}",
        1 => prop::collection::vec(any::<char>(), 1..=255).prop_map(String::from_iter),
    ]
}

/// Any id that awaithumans gives to a task: a random UUID (version 4) as 32 hexadecimal digits.
///
/// ```
/// use awaithumans_testkit::strategies::task_id;
/// use proptest::prelude::*;
///
/// proptest!(|(id in task_id())| {
///     prop_assert_eq!(id.len(), 32);
/// });
/// ```
pub fn task_id() -> impl Strategy<Value = String> {
    "[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}"
}

/// Response, e-mail address, channel, attempts.
type Answer = (Json, Option<String>, Option<String>, i64);

fn answer() -> impl Strategy<Value = Answer> {
    let email = prop::option::of("[a-z]{1,8}@[a-z]{1,8}\\.example");
    let channel = prop_oneof![
        Just(None),
        prop::sample::select(vec!["dashboard", "slack", "email", "embed"]).prop_map(|name| Some(name.to_owned())),
        any::<String>().prop_map(Some),
    ];
    (object().prop_map(Json::Object), email, channel, 0..=10i64)
}

fn moment() -> impl Strategy<Value = Moment> {
    MICROSECONDS.prop_map(Moment::from_microseconds)
}
