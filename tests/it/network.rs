//! What goes over a socket: the fake awaithumans server's HTTP face, and webhooks to a receiver on the network.

use std::time::Duration;

use awaithumans_temporal::{Awaithumans, ClientError, CreateTaskRequest, ReqwestTransport};
use awaithumans_testkit::Testkit;
use awaithumans_testkit::fixture::kit;
use awaithumans_testkit::human::{Matcher, Status};
use awaithumans_testkit::matchers::{SignedBy, WebhookStatus};
use rstest::rstest;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[expect(clippy::disallowed_methods, reason = "a server on a socket runs beside the test")]
async fn serve(kit: &Testkit) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = kit.awaithumans_router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn request(key: &str, callback_url: &str) -> CreateTaskRequest {
    serde_json::from_value(serde_json::json!({
        "task": "Approve?",
        "payload": {"amount": 250},
        "payload_schema": {},
        "response_schema": {},
        "form_definition": null,
        "timeout_seconds": 900,
        "idempotency_key": key,
        "callback_url": callback_url,
        "assign_to": null,
        "notify": null,
        "verifier_config": null,
        "redact_payload": false,
    }))
    .unwrap()
}

#[rstest]
#[tokio::test]
async fn the_http_face_serves_the_server_of_the_world(#[future(awt)] kit: Testkit) {
    let url = serve(&kit).await;
    let client = Awaithumans::new(&url, Some(kit.api_key().to_owned()), ReqwestTransport::default());
    let created = client.create_task(&request("k", "")).await.unwrap();
    assert_eq!(created["status"], "created");
    assert_eq!(kit.humans().tasks().len(), 1);

    let again = client.create_task(&request("k", "")).await.unwrap();
    assert_eq!(again["id"], created["id"]);

    let id = created["id"].as_str().unwrap();
    kit.humans()
        .complete(id, serde_json::json!({"approved": true}), "dana@example.com")
        .unwrap();
    assert_eq!(client.get_task(id).await.unwrap().status, "completed");
}

#[rstest]
#[case::without_a_token(None, "401")]
#[case::with_a_wrong_one(Some("nonsense"), "401")]
#[tokio::test]
async fn the_http_face_wants_its_token(#[future(awt)] kit: Testkit, #[case] token: Option<&str>, #[case] status: &str) {
    let url = serve(&kit).await;
    let client = Awaithumans::new(&url, token.map(str::to_owned), ReqwestTransport::default());
    let error: ClientError = client.create_task(&request("k", "")).await.unwrap_err();
    assert!(error.to_string().contains(status), "{error}");
    assert_eq!(kit.humans().tasks().len(), 0);
}

#[rstest]
#[tokio::test]
async fn a_receiver_on_the_network_gets_the_signed_webhook(#[future(awt)] kit: Testkit) {
    let receiver = MockServer::start().await;
    Mock::given(method("POST"))
        .and(SignedBy(kit.webhook_key().clone()))
        .and(WebhookStatus(Status::Completed))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&receiver)
        .await;
    kit.humans()
        .on(Matcher::any())
        .after(Duration::from_secs(600))
        .complete(serde_json::json!({"approved": true}));
    let client = Awaithumans::new(
        "http://awaithumans.test",
        Some(kit.api_key().to_owned()),
        kit.transport(),
    );
    let url = format!("{}/callback?wf=w", receiver.uri());
    client.create_task(&request("k", &url)).await.unwrap();

    kit.advance(Duration::from_secs(700)).await.unwrap();

    assert_eq!(kit.humans().tasks()[0].status, Status::Completed);
    assert_eq!(kit.humans().deliveries()[0].attempt_count, 1);
}
