//! What the fake awaithumans costs: from the creation of a task to its webhook, in one process and over HTTP, and a server that has many
//! open tasks.
//!
//! `cargo bench --bench human`. The budgets are in DESIGN.md.

#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use awaithumans_temporal::{PayloadKey, WebhookKey};
use awaithumans_testkit::human::{Config, DeliveryOutcome, Human, Output, Timing};
use awaithumans_testkit::serve::{Options, Server};
use awaithumans_testkit::{Entropy, Journal, Timestamp};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const TOKEN: &str = "testkit-admin-token";
const KEY: [u8; 32] = [7; 32];
const SIGNATURE: &str = "x-awaithumans-signature";

/// Tasks that go through their lives in one sample.
const TASKS: usize = 1_000;

/// Open tasks that a server has.
const OPEN_TASKS: usize = 100_000;

/// Of them, those that went to the address [`ASSIGNEE`]: one in so many.
const ASSIGNED: usize = 10;

const ASSIGNEE: &str = "pat@acme.example";

const CALLBACK_URL: &str = "http://receiver.test/callback";

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

    fn create(&mut self, task: String) -> String {
        id(&self.call("POST", "/api/tasks", task))
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
    #[derive(Deserialize)]
    struct Created {
        id: String,
    }
    serde_json::from_slice::<Created>(body).expect("JSON with an id").id
}

fn in_process(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("create, complete, webhook delivered and verified");
    group.throughput(Throughput::Elements(TASKS as u64)).sample_size(20);
    group.bench_function("in process", |bench| {
        bench.iter_batched_ref(
            || {
                let tasks: Vec<_> = (0..TASKS).map(|number| task(number, CALLBACK_URL)).collect();
                (Fake::new(), tasks)
            },
            |(fake, tasks)| {
                let answer = answer();
                for task in tasks.drain(..) {
                    let id = fake.create(task);
                    fake.call("POST", &format!("/api/tasks/{id}/complete"), answer.clone());
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
        let mut task = task(number, CALLBACK_URL);
        if number % ASSIGNED == 0 {
            task.replace_range(..1, &format!(r#"{{"assign_to":{{"email":"{ASSIGNEE}"}},"#));
        }
        let id = fake.create(task);
        if number == OPEN_TASKS / 2 {
            some = id;
        }
    }
    let mut group = criterion.benchmark_group(format!("{OPEN_TASKS} open tasks"));
    for (name, path) in [
        ("get", format!("/api/tasks/{some}")),
        ("list, first page", "/api/tasks".to_owned()),
        ("list, last page", "/api/tasks?offset=99950".to_owned()),
        ("list, by status", "/api/tasks?status=created".to_owned()),
        (
            "list, by status, last page",
            "/api/tasks?status=created&offset=99950".to_owned(),
        ),
        ("list, by status, nothing", "/api/tasks?status=rejected".to_owned()),
        ("list, terminal, nothing", "/api/tasks?terminal=true".to_owned()),
        (
            "list, unassigned, last page",
            "/api/tasks?unassigned=true&offset=89950".to_owned(),
        ),
        (
            "list, by assignee, last page",
            format!("/api/tasks?assigned_to={ASSIGNEE}&offset=9950"),
        ),
        (
            "list, by assignee and status",
            format!("/api/tasks?assigned_to={ASSIGNEE}&status=created&offset=5000"),
        ),
    ] {
        group.bench_function(BenchmarkId::from_parameter(name), |bench| {
            bench.iter(|| black_box(fake.call("GET", &path, String::new())));
        });
    }
    group.finish();
}

/// A receiver on a port, which tells when it has verified so many webhooks.
async fn receiver(key: WebhookKey) -> (String, mpsc::UnboundedReceiver<()>) {
    let (tell, told) = mpsc::unbounded_channel();
    let verified = AtomicUsize::new(0);
    let callback = async |State(receiver): State<Arc<(WebhookKey, AtomicUsize, mpsc::UnboundedSender<()>)>>,
                          headers: HeaderMap,
                          body: Bytes| {
        let (key, verified, tell) = &*receiver;
        let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
        if key.verify(&body, signature).is_err() {
            return StatusCode::UNAUTHORIZED;
        }
        if (verified.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(TASKS) {
            tell.send(()).expect("the bench waits");
        }
        StatusCode::OK
    };
    let router = Router::new()
        .route("/callback", post(callback))
        .with_state(Arc::new((key, verified, tell)));
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

/// One core's worth.
fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

/// A server on a thread of its own, as it is a process of its own for who uses it. Gives its address and its key.
fn serve() -> (String, PayloadKey) {
    let (tell, told) = std::sync::mpsc::channel();
    #[expect(clippy::disallowed_methods, reason = "this is about real servers and clients")]
    std::thread::spawn(move || {
        runtime().block_on(async {
            let options = Options {
                timing: Timing::Exact,
                ..Options::on_free_ports()
            };
            let server = Server::bind(options).await.expect("free ports");
            let key = PayloadKey::from_base64(&server.ready().payload_key).expect("its own key");
            tell.send((server.ready().awaithumans.replace("http://", ""), key))
                .expect("the bench waits");
            server.run().await.expect("a server");
        });
    });
    told.recv().expect("a server")
}

fn over_http(criterion: &mut Criterion) {
    let (address, key) = serve();
    let runtime = runtime();
    let (callback_url, mut verified) = runtime.block_on(receiver(key.webhook_key()));
    let mut first = 0;
    let mut group = criterion.benchmark_group("create, complete, webhook delivered and verified");
    group.throughput(Throughput::Elements(TASKS as u64)).sample_size(20);
    group.bench_function("over HTTP", |bench| {
        bench.iter_custom(|times| {
            let begin = now();
            for _ in 0..times {
                runtime.block_on(lives(&address, &callback_url, first, &mut verified));
                first += TASKS;
            }
            begin.elapsed()
        });
    });
    group.finish();
}

/// So many tasks from their creation to the last one's webhook. Each client has a connection, which stays open.
async fn lives(address: &str, callback_url: &str, first: usize, verified: &mut mpsc::UnboundedReceiver<()>) {
    for worker in 0..CLIENTS {
        let (address, callback_url) = (address.to_owned(), callback_url.to_owned());
        spawn(async move {
            let mut client = Client::connect(address).await;
            for number in (first + worker..first + TASKS).step_by(CLIENTS) {
                let created = client.post("/api/tasks", task(number, &callback_url)).await;
                client
                    .post(&format!("/api/tasks/{}/complete", id(&created)), answer())
                    .await;
            }
        });
    }
    verified.recv().await.expect("the receiver's word");
}

/// A client with a connection of its own. hyper's, since reqwest's would take as much of the two cores as the server.
struct Client {
    address: String,
    connection: SendRequest<Body>,
}

impl Client {
    async fn connect(address: String) -> Self {
        let stream = TcpStream::connect(&address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        let (connection, driven) = handshake(TokioIo::new(stream)).await.expect("a connection");
        spawn(async move { driven.await.expect("an open connection") });
        Self { address, connection }
    }

    async fn post(&mut self, path: &str, body: String) -> Bytes {
        let request = http::Request::post(path)
            .header("host", &self.address)
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(Body::from(body))
            .expect("a request");
        self.connection.ready().await.expect("an open connection");
        let response = self.connection.send_request(request).await.expect("an answer");
        assert!(response.status().is_success(), "{response:?}");
        let body = Body::new(response.into_body());
        to_bytes(body, usize::MAX).await.expect("a body")
    }
}

criterion_group!(benches, in_process, many_open, over_http);
criterion_main!(benches);
