//! What the fake awaithumans costs: from the creation of a task to its webhook, in one process and over HTTP, and a server that has many
//! open tasks.
//!
//! `cargo bench --bench human`. The budgets are in DESIGN.md.

#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use awaithumans_temporal::{PayloadKey, WebhookKey};
use awaithumans_testkit::human::{Config, DeliveryOutcome, Human, Output, Timing};
use awaithumans_testkit::serve::{Options, Server};
use awaithumans_testkit::{Entropy, Journal, Timestamp};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const TOKEN: &str = "testkit-admin-token";
const KEY: [u8; 32] = [7; 32];
const SIGNATURE: &str = "x-awaithumans-signature";

/// Tasks that go through their lives in one sample.
const TASKS: usize = 1_000;

/// Open tasks that a server has.
const OPEN_TASKS: usize = 100_000;

/// Clients that call over HTTP at a time.
const CLIENTS: usize = 32;

/// A server in this process, driven by hand.
struct Fake {
    human: Human,
    journal: Journal,
    now: Timestamp,
    key: WebhookKey,
    verified: usize,
}

impl Fake {
    fn new() -> Self {
        let key = PayloadKey::from_bytes(KEY);
        Self {
            key: key.webhook_key(),
            human: Human::new(Config::with_key(key), Entropy::new(1)),
            journal: Journal::default(),
            now: Timestamp::EPOCH_OF_TESTS,
            verified: 0,
        }
    }

    fn call(&mut self, method: &str, path: &str, body: String) -> Bytes {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(Bytes::from(body))
            .expect("a request");
        self.human.handle_request(self.now, &mut self.journal, 1, request);
        let Some(Output::Reply { response, .. }) = self.human.poll_output() else {
            panic!("{path} wasn't answered at once");
        };
        assert!(response.status().is_success(), "{path}: {response:?}");
        response.into_body()
    }

    fn create(&mut self, number: usize) -> String {
        id(&self.call("POST", "/api/tasks", task(number, "http://receiver.test/callback")))
    }

    /// Everything that is due within so many seconds; each webhook is verified.
    fn advance(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.human.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.human.handle_timeout(self.now, &mut self.journal);
            while let Some(Output::Deliver { attempt, request, .. }) = self.human.poll_output() {
                let signature = request.headers().get(SIGNATURE).and_then(|value| value.to_str().ok());
                self.key.verify(request.body(), signature).expect("our own signature");
                self.verified += 1;
                let outcome = DeliveryOutcome::Answered(200);
                self.human
                    .handle_delivered(self.now, &mut self.journal, attempt, outcome);
            }
        }
        self.now = until;
    }
}

fn task(number: usize, callback_url: &str) -> String {
    json!({
        "task": "Refund $250 to cus_demo?",
        "payload": {"customer": format!("cus_{number:06}"), "cents": 25_000},
        "payload_schema": {"type": "object"},
        "response_schema": {"type": "object", "properties": {"approved": {"type": "boolean"}}},
        "timeout_seconds": 604_800,
        "idempotency_key": format!("temporal:refund-{number:06}"),
        "callback_url": format!("{callback_url}?wf=refund-{number:06}"),
    })
    .to_string()
}

fn answer() -> String {
    json!({"response": {"approved": true, "note": "known customer"}}).to_string()
}

fn id(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).expect("JSON");
    body["id"].as_str().expect("an id").to_owned()
}

fn in_process(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("create, complete, webhook delivered and verified");
    group.throughput(Throughput::Elements(TASKS as u64)).sample_size(20);
    group.bench_function("in process", |bench| {
        bench.iter_batched_ref(
            Fake::new,
            |fake| {
                for number in 0..TASKS {
                    let id = fake.create(number);
                    fake.call("POST", &format!("/api/tasks/{id}/complete"), answer());
                }
                fake.advance(5 * TASKS as u64);
                assert_eq!(fake.verified, TASKS);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn many_open(criterion: &mut Criterion) {
    let mut fake = Fake::new();
    let mut some = String::new();
    for number in 0..OPEN_TASKS {
        fake.now += Duration::from_millis(1);
        let id = fake.create(number);
        if number == OPEN_TASKS / 2 {
            some = id;
        }
    }
    let mut group = criterion.benchmark_group(format!("{OPEN_TASKS} open tasks"));
    for (name, path) in [
        ("get", format!("/api/tasks/{some}")),
        ("list, first page", "/api/tasks".to_owned()),
        ("list, by status", "/api/tasks?status=created&limit=50".to_owned()),
        (
            "list, a page in the middle",
            "/api/tasks?limit=50&offset=50000".to_owned(),
        ),
    ] {
        group.bench_function(BenchmarkId::from_parameter(name), |bench| {
            bench.iter(|| black_box(fake.call("GET", &path, String::new())));
        });
    }
    group.finish();
}

/// A receiver on a port, which tells of each webhook that it has verified.
async fn receiver(key: WebhookKey) -> (String, mpsc::UnboundedReceiver<()>) {
    let (tell, told) = mpsc::unbounded_channel();
    let callback = async |State((key, tell)): State<(Arc<WebhookKey>, mpsc::UnboundedSender<()>)>,
                          headers: HeaderMap,
                          body: Bytes| {
        let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
        match key.verify(&body, signature) {
            Ok(()) => tell.send(()).map_or(StatusCode::GONE, |()| StatusCode::OK),
            Err(_) => StatusCode::UNAUTHORIZED,
        }
    };
    let router = Router::new()
        .route("/callback", post(callback))
        .with_state((Arc::new(key), tell));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    spawn(async move { axum::serve(listener, router).await.expect("a receiver") });
    (format!("http://{address}/callback"), told)
}

#[expect(clippy::disallowed_methods, reason = "this is about real servers and clients")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

#[expect(clippy::disallowed_methods, reason = "this is about real time")]
fn now() -> Instant {
    Instant::now()
}

fn over_http(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let (url, callback_url, mut verified) = runtime.block_on(async {
        let options = Options {
            timing: Timing::Exact,
            ..Options::on_free_ports()
        };
        let server = Server::bind(options).await.expect("free ports");
        let key = PayloadKey::from_base64(&server.ready().payload_key).expect("its own key");
        let url = server.ready().awaithumans.clone();
        spawn(async move { server.run().await.expect("a server") });
        let (callback_url, verified) = receiver(key.webhook_key()).await;
        (url, callback_url, verified)
    });
    let client = reqwest::Client::new();
    let mut first = 0;
    let mut group = criterion.benchmark_group("create, complete, webhook delivered and verified");
    group.throughput(Throughput::Elements(TASKS as u64)).sample_size(20);
    group.bench_function("over HTTP", |bench| {
        bench.iter_custom(|times| {
            let begin = now();
            for _ in 0..times {
                runtime.block_on(lives(&client, &url, &callback_url, first, &mut verified));
                first += TASKS;
            }
            begin.elapsed()
        });
    });
    group.finish();
}

/// So many tasks from their creation to the last one's webhook.
async fn lives(
    client: &reqwest::Client,
    url: &str,
    callback_url: &str,
    first: usize,
    verified: &mut mpsc::UnboundedReceiver<()>,
) {
    for worker in 0..CLIENTS {
        let (client, url, callback_url) = (client.clone(), url.to_owned(), callback_url.to_owned());
        spawn(async move {
            for number in (first + worker..first + TASKS).step_by(CLIENTS) {
                let created = send(&client, format!("{url}/api/tasks"), task(number, &callback_url)).await;
                send(&client, format!("{url}/api/tasks/{}/complete", id(&created)), answer()).await;
            }
        });
    }
    for _ in 0..TASKS {
        verified.recv().await.expect("the receiver's word");
    }
}

async fn send(client: &reqwest::Client, url: String, body: String) -> Bytes {
    let request = client
        .post(url)
        .bearer_auth(TOKEN)
        .header("content-type", "application/json")
        .body(body);
    let response = request.send().await.expect("an answer");
    assert!(response.status().is_success(), "{response:?}");
    response.bytes().await.expect("a body")
}

criterion_group!(benches, in_process, many_open, over_http);
criterion_main!(benches);
