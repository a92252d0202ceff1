//! What goes over a socket: the fake awaithumans server's HTTP face, and webhooks to a receiver on the network.

use std::time::Duration;

use awaithumans_temporal::{Awaithumans, ClientError, CreateTaskRequest, ReqwestTransport};
use awaithumans_testkit::Testkit;
use awaithumans_testkit::fixture::kit;
use awaithumans_testkit::human::{Matcher, Status};
use awaithumans_testkit::matchers::{SignedBy, WebhookStatus};
use rstest::rstest;
use temporalio_client::grpc::WorkflowService;
use temporalio_common::protos::temporal::api::common::v1 as common;
use temporalio_common::protos::temporal::api::enums::v1::CallbackState;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::IntoRequest;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[expect(
    clippy::disallowed_methods,
    reason = "a server on a socket; no scenario depends on its timing"
)]
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

#[tokio::test]
async fn a_workflow_calls_back_a_server_on_the_network_that_is_allowed() {
    let elsewhere = MockServer::start().await;
    Mock::given(method("POST"))
        .and(wiremock::matchers::header("nexus-operation-state", "failed"))
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(1)
        .expect(1)
        .mount(&elsewhere)
        .await;
    Mock::given(method("POST"))
        .and(wiremock::matchers::header("x-mine", "yes"))
        .respond_with(ResponseTemplate::new(302).insert_header("location", "/there"))
        .expect(1)
        .mount(&elsewhere)
        .await;
    Mock::given(method("GET"))
        .and(wiremock::matchers::path("/there"))
        .and(wiremock::matchers::header("x-mine", "yes"))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&elsewhere)
        .await;
    let rules = serde_json::json!([{"Pattern": "127.0.0.1:*", "AllowInsecure": true}]);
    let kit = Testkit::builder()
        .dynamic_config("callback.allowedAddresses", rules)
        .start()
        .await;
    let mut client = kit.client().clone();
    let callback = common::Callback {
        links: Vec::new(),
        variant: Some(common::callback::Variant::Nexus(common::callback::Nexus {
            url: format!("{}/done", elsewhere.uri()),
            header: [("X-Mine".to_owned(), "yes".to_owned())].into(),
        })),
    };
    let start = wire::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        workflow_type: Some(common::WorkflowType {
            name: "type".to_owned(),
        }),
        task_queue: Some(TaskQueue {
            name: "nobody".to_owned(),
            ..Default::default()
        }),
        workflow_run_timeout: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        request_id: "start".to_owned(),
        completion_callbacks: vec![callback],
        ..Default::default()
    };
    WorkflowService::start_workflow_execution(&mut client, start.into_request())
        .await
        .unwrap();
    kit.advance(Duration::from_secs(60)).await.unwrap();
    kit.advance(Duration::from_secs(5)).await.unwrap();
    let describe = wire::DescribeWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        execution: Some(common::WorkflowExecution {
            workflow_id: "w".to_owned(),
            run_id: String::new(),
        }),
    };
    let described = WorkflowService::describe_workflow_execution(&mut client, describe.into_request())
        .await
        .unwrap();
    let info = &described.get_ref().callbacks[0];
    assert_eq!((info.state(), info.attempt), (CallbackState::Succeeded, 2), "{info:?}");
}
