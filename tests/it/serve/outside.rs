//! A scenario around a worker and a receiver that aren't the testkit's own: both come over TCP.

use std::net::Ipv4Addr;
use std::time::Duration;

use awaithumans_temporal::{CreateTask, Human, PayloadKey, RegisterAwaitHuman, SIGNATURE_HEADER, dispatch_signal};
use awaithumans_testkit::player::{Outside, Stage};
use awaithumans_testkit::scenario::ScenarioFile;
use axum::Router;
use axum::extract::Request;
use axum::routing::post;
use temporalio_client::Client;
use temporalio_common::worker::WorkerDeploymentOptions;
use temporalio_sdk::runtime::RuntimeOptions;
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use tokio::net::TcpListener;

use super::{client, spawn};
use crate::scenarios::refund::{InlineRefund, Payments, TASK_QUEUE};

const SCENARIO: &str = r#"
    name = "a refund of somebody else's"

    [workflow]
    id = "refund"
    type = "inline_refund"
    count = 2

    [workflow.input]
    customer = "cus_demo"
    amount_usd = 250
    server_url = "{awaithumans}"
    callback_url = "{callback}"
    timeout_seconds = 604800
    idempotency_key = "order:{workflow}"
    verified = false
    questions = 1
    distinct_keys = false

    [[people]]
    after = "2d"
    does = { complete = { approved = true, note = "known" } }

    [[faults]]
    fault = { receiver_answers = { status = 500 } }

    [[faults]]
    fault = { fail_request = { request = { method = "POST", path = "/api/tasks" }, status = 503 } }

    [expect]
    workflows = [{ completed_with = "approved (known); paid back $250" }]
    tasks = ["completed", "completed"]
    signals = 2
    webhooks = 3
    lasts_at_least = "2d"
    lasts_at_most = "2d 5m"
"#;

fn outside(callback: String) -> Outside {
    Outside {
        temporal_port: 0,
        awaithumans_port: 0,
        callback,
        task_queue: TASK_QUEUE.to_owned(),
        patience: Duration::from_secs(60),
        variables: Vec::new(),
    }
}

/// The key of a server that nobody gave one.
fn key() -> PayloadKey {
    let bytes: Vec<u8> = (0..32).collect();
    PayloadKey::from_bytes(bytes.try_into().unwrap())
}

/// A receiver as a user writes it.
fn receiver(client: Client) -> Router {
    let callback = async move |request: Request| {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let query = head.uri.query().unwrap_or_default();
        let workflow_id = query.strip_prefix("wf=").unwrap_or_default();
        let signature = head.headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
        match dispatch_signal(&client, &key().webhook_key(), workflow_id, &body, signature).await {
            Ok(_) => http::StatusCode::OK,
            Err(error) => http::StatusCode::from_u16(error.http_status()).unwrap(),
        }
    };
    Router::new().route("/callback", post(callback))
}

#[tokio::test]
async fn people_and_faults_are_played_around_a_worker_that_comes_over_tcp() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let callback = format!("http://{}/callback", listener.local_addr().unwrap());
    let file = ScenarioFile::parse("refund.toml", SCENARIO).unwrap_or_else(|error| panic!("{error}"));
    let stage = Stage::open(&file, outside(callback)).await.unwrap().unwrap();
    let ready = stage.ready().clone();
    let worker = async {
        let client = client(&ready).await;
        spawn(axum::serve(listener, receiver(client.clone())).into_future());
        let sdk = RuntimeOptions::builder().heartbeat_interval(None).build().unwrap();
        let sdk = Runtime::from_current_tokio(sdk).unwrap();
        let options = WorkerOptions::new(TASK_QUEUE)
            .deployment_options(WorkerDeploymentOptions::from_build_id("tests".to_owned()))
            .register_workflow::<Human<InlineRefund>>()
            .unwrap()
            .register_activities(Payments)
            .register_await_human(CreateTask::default().api_key(&ready.admin_token))
            .unwrap()
            .build();
        Worker::new(&sdk, client, options).unwrap().run().await.unwrap();
    };
    let played = tokio::select! {
        played = stage.play() => played.unwrap(),
        () = worker => panic!("the worker has stopped"),
    };
    assert_eq!(played.broken, None, "{}", played.seen.timeline);
    file.judge(&played.seen)
        .unwrap_or_else(|error| panic!("{error}\n{}", played.seen.timeline));
}

#[tokio::test]
async fn a_run_without_a_worker_is_given_up() {
    let file = ScenarioFile::parse("x.toml", "name = \"x\"\nworkflow = { type = \"nobody's\" }\n").unwrap();
    let outside = Outside {
        patience: Duration::from_millis(200),
        ..outside("http://127.0.0.1:9/".to_owned())
    };
    let played = Stage::open(&file, outside)
        .await
        .unwrap()
        .unwrap()
        .play()
        .await
        .unwrap();
    let timeline = played.seen.timeline;
    assert!(timeline.contains("workflow approval-1 is given up"), "{timeline}");
    assert!(timeline.contains("which no worker polls"), "{timeline}");
}

#[tokio::test]
async fn what_cant_be_done_to_others_is_refused_with_its_line() {
    let text = "name = \"x\"\nworkflow = { type = \"Refund\" }\n[[faults]]\nfault = { crash_worker = {} }\nwhen = { on = \"parked\" }\n";
    let file = ScenarioFile::parse("x.toml", text).unwrap();
    let error = Stage::open(&file, outside(String::new()))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("x.toml:3: faults[0]: your worker's process can't be killed"),
        "{error}"
    );
}
