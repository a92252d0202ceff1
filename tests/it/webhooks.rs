//! The callback side alone: canned webhooks, with nothing on the awaithumans server behind them.

use std::time::Duration;

use awaithumans_temporal::PayloadKey;
use awaithumans_testkit::fixture::kit;
use awaithumans_testkit::human::Matcher;
use awaithumans_testkit::{Canned, Moment, Testkit};
use rstest::rstest;

use crate::scenarios::stories::{self, Ending};

async fn park(kit: &Testkit) -> awaithumans_testkit::Worker {
    let worker = stories::spawn_worker(kit).await;
    kit.humans().on(Matcher::any()).never();
    stories::start(kit, "refund-1", stories::refund(kit)).await;
    kit.run_until_moment(Moment::parked("refund-1")).await.unwrap();
    worker
}

#[rstest]
#[case::completed(Canned::completed("temporal:refund-1", serde_json::json!({"approved": false})), "")]
#[case::timed_out(Canned::timed_out("temporal:refund-1"), "TaskTimeoutError")]
#[case::cancelled(Canned::cancelled("temporal:refund-1"), "TaskCancelledError")]
#[case::verification_exhausted(
    Canned::verification_exhausted("temporal:refund-1", serde_json::json!({}), 2),
    "VerificationExhaustedError"
)]
#[case::unknown_status(
    Canned::custom(r#"{"task_id":"t","idempotency_key":"temporal:refund-1","status":"weird","response":null}"#),
    "RuntimeError"
)]
#[tokio::test]
async fn a_canned_webhook_wakes_the_workflow(
    #[future(awt)] kit: Testkit,
    #[case] canned: Canned,
    #[case] expected_type: &str,
) {
    let _worker = park(&kit).await;
    let before = kit.now();
    assert_eq!(kit.webhooks().to("refund-1").send(canned).await, Ok(200));
    match stories::result(&kit, "refund-1").await {
        Ending::Completed(result) => assert_eq!((expected_type, result.as_str()), ("", "declined")),
        Ending::Failed { error_type, .. } => assert_eq!(error_type, expected_type),
        other @ Ending::Other(_) => panic!("{other:?}"),
    }
    assert_eq!(kit.now(), before);
}

#[rstest]
#[tokio::test]
async fn a_response_of_another_shape_is_a_schema_error(#[future(awt)] kit: Testkit) {
    let _worker = park(&kit).await;
    let canned = Canned::completed("temporal:refund-1", serde_json::json!({"approved": "perhaps"}));
    assert_eq!(kit.webhooks().send(canned).await, Ok(200));
    let Ending::Failed { error_type, .. } = stories::result(&kit, "refund-1").await else {
        panic!("it completed");
    };
    assert_eq!(error_type, "SchemaValidationError");
}

#[rstest]
#[tokio::test]
async fn the_same_webhook_twice_is_one_signal(#[future(awt)] kit: Testkit) {
    let _worker = park(&kit).await;
    let canned = Canned::completed("temporal:refund-1", serde_json::json!({"approved": false}));
    assert_eq!(kit.webhooks().send(canned.clone()).await, Ok(200));
    assert_eq!(kit.webhooks().send(canned.clone()).await, Ok(200));
    kit.advance(Duration::from_secs(60)).await.unwrap();
    // The workflow has ended, but Temporal still knows the signal by its request id.
    assert_eq!(kit.webhooks().send(canned).await, Ok(200));
    let signals = kit
        .history("refund-1")
        .events
        .iter()
        .filter(|event| event.event_type().as_str_name().contains("SIGNALED"))
        .count();
    assert_eq!(signals, 1);
}

#[rstest]
#[case::not_json("{", 400)]
#[case::an_array("[]", 400)]
#[case::no_key(r#"{"status":"completed"}"#, 400)]
#[case::empty("", 400)]
#[tokio::test]
async fn a_bad_body_is_refused_with_400(#[future(awt)] kit: Testkit, #[case] body: &'static str, #[case] status: u16) {
    assert_eq!(
        kit.webhooks().to("refund-1").send(Canned::custom(body)).await,
        Ok(status)
    );
}

#[rstest]
#[tokio::test]
async fn a_signature_of_another_key_is_refused_with_401(#[future(awt)] kit: Testkit) {
    let other = PayloadKey::from_bytes([9; 32]).webhook_key();
    let canned = Canned::completed("temporal:refund-1", serde_json::json!({}));
    let url = format!("{}?wf=refund-1", kit.callback_url());
    let request = canned.into_request(&other, &url).unwrap();
    assert_eq!(kit.webhooks().send_request(&request).await, Ok(401));
    let line = kit.timeline();
    assert!(
        line.contains("401") && line.contains("AWAITHUMANS_PAYLOAD_KEY"),
        "{line}"
    );
}

#[rstest]
#[tokio::test]
async fn an_unknown_workflow_is_404_and_the_timeline_names_it(#[future(awt)] kit: Testkit) {
    let canned = Canned::cancelled("temporal:nobody");
    assert_eq!(kit.webhooks().send(canned).await, Ok(404));
    assert!(kit.timeline().contains("nobody"), "{}", kit.timeline());
}
