//! Wire payloads and histories as snapshots. Runs are seeded, so next to nothing is redacted.

use awaithumans_temporal::wire::webhook::Webhook;
use awaithumans_testkit::human::Delivery;
use awaithumans_testkit::{Testkit, history_json, redact};

use crate::scenarios::stories;

/// The webhook as it went over the wire: body and signature.
fn wire(delivery: &Delivery) -> String {
    format!("{}\n{}\n", String::from_utf8_lossy(&delivery.body), delivery.signature)
}

#[tokio::test]
async fn the_webhook_of_a_completed_task() {
    let kit = Testkit::start().await;
    stories::completed(&kit).await;
    insta::assert_snapshot!(wire(&kit.humans().deliveries()[0]));
}

#[tokio::test]
async fn the_webhook_of_a_cancelled_task() {
    let kit = Testkit::start().await;
    stories::cancelled(&kit).await;
    insta::assert_snapshot!(wire(&kit.humans().deliveries()[0]));
}

#[tokio::test]
async fn the_webhook_of_a_task_that_timed_out() {
    let kit = Testkit::start().await;
    stories::server_restarts_timeout(&kit).await;
    insta::assert_snapshot!(wire(&kit.humans().deliveries()[0]));
}

#[tokio::test]
async fn the_webhook_of_a_task_that_exhausted_its_verifications() {
    let kit = Testkit::start().await;
    stories::verification_exhausted(&kit).await;
    insta::assert_snapshot!(wire(&kit.humans().deliveries()[0]));
}

#[tokio::test]
async fn a_webhook_under_any_seed_differs_in_ids_and_times_only() {
    for seed in [1, 2, 3] {
        let kit = Testkit::builder().seed(seed).start().await;
        stories::completed(&kit).await;
        let body: serde_json::Value = Webhook::parse(&kit.humans().deliveries()[0].body)
            .unwrap()
            .to_json()
            .to_serde();
        redact::settings().bind(|| insta::assert_json_snapshot!("webhook_under_any_seed", body));
    }
}

#[tokio::test]
async fn the_history_of_a_completed_refund() {
    let kit = Testkit::start().await;
    stories::completed(&kit).await;
    insta::assert_json_snapshot!(history_json::readable(&kit.history("refund-1")));
}

#[tokio::test]
async fn the_history_of_a_refund_whose_worker_died_under_its_activity() {
    let kit = Testkit::start().await;
    stories::worker_dies_before_report(&kit).await;
    insta::assert_json_snapshot!(history_json::readable(&kit.history("refund-1")));
}

#[tokio::test]
async fn the_history_of_a_refund_that_timed_out() {
    let kit = Testkit::start().await;
    stories::timed_out(&kit).await;
    insta::assert_json_snapshot!(history_json::readable(&kit.history("refund-1")));
}

#[tokio::test]
async fn the_histories_of_the_one_line_form() {
    let kit = Testkit::start().await;
    stories::classic_completed(&kit).await;
    let histories: Vec<_> = kit.histories().iter().map(history_json::readable).collect();
    insta::assert_json_snapshot!(histories);
}

#[tokio::test]
async fn the_timeline_of_a_worker_that_dies_before_its_report() {
    let kit = Testkit::start().await;
    stories::worker_dies_before_report(&kit).await;
    insta::assert_snapshot!(kit.timeline());
}

#[tokio::test]
async fn a_history_under_any_seed_differs_in_ids_and_times_only() {
    let mut histories = Vec::new();
    for seed in [1, 2] {
        let kit = Testkit::builder().seed(seed).start().await;
        stories::completed(&kit).await;
        histories.push(history_json::readable(&kit.history("refund-1")));
    }
    assert_ne!(histories[0], histories[1]);
    for history in histories {
        redact::settings().bind(|| insta::assert_json_snapshot!("history_under_any_seed", history));
    }
}
