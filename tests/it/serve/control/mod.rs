//! The control API: what it does, and what it refuses.

mod clock;
mod guard;
mod humans;
mod inbox;
mod journal;
mod problems;

use awaithumans_testkit::serve::Ready;
use axum::routing::post;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::spawn;

pub(super) async fn send(method: &str, address: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    );
    exchange(address, &request).await
}

/// Sends bytes, and reads until the server closes.
pub(super) async fn exchange(address: &str, request: &str) -> (u16, String) {
    let address = address.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{request}: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// Asks the port for people.
pub(super) async fn ask_ui(ready: &Ready, method: &str, path: &str, body: &str) -> (u16, String) {
    send(method, &ready.ui, path, "", body).await
}

/// Asks the port of awaithumans.
pub(super) async fn ask_awaithumans(ready: &Ready, method: &str, path: &str, body: &str) -> (u16, String) {
    let token = format!("Authorization: Bearer {}\r\n", ready.admin_token);
    send(method, &ready.awaithumans, path, &token, body).await
}

pub(super) async fn control(ready: &Ready, method: &str, path: &str, body: &str) -> (u16, Value) {
    let (status, text) = ask_ui(ready, method, &format!("/_testkit/v1{path}"), body).await;
    (
        status,
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{method} {path}: {error}: {text:?}")),
    )
}

pub(super) async fn human(ready: &Ready, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (status, text) = ask_awaithumans(ready, method, path, &body).await;
    (
        status,
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{method} {path}: {error}: {text:?}")),
    )
}

pub(super) async fn create(ready: &Ready, key: &str, more: &Value) -> String {
    let mut task = json!({
        "task": format!("Refund {key}?"), "payload": {}, "payload_schema": {}, "response_schema": {},
        "timeout_seconds": 60, "idempotency_key": key,
    });
    task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, task) = human(ready, "POST", "/api/tasks", &task).await;
    assert_eq!(status, 201, "{task}");
    task["id"].as_str().unwrap().to_owned()
}

pub(super) async fn advance(ready: &Ready, seconds: u64) -> Value {
    let (status, advanced) = control(
        ready,
        "POST",
        "/clock/advance",
        &json!({"seconds": seconds}).to_string(),
    )
    .await;
    assert_eq!(status, 200, "{advanced}");
    advanced
}

/// A receiver of webhooks; what it gets comes out of the channel.
pub(super) async fn receiver() -> (String, mpsc::UnboundedReceiver<Value>) {
    let (sender, received) = mpsc::unbounded_channel();
    let route = post(move |body: Bytes| async move {
        sender.send(serde_json::from_slice(&body).unwrap()).unwrap();
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/callback", listener.local_addr().unwrap());
    spawn(async move { axum::serve(listener, axum::Router::new().route("/callback", route)).await });
    (url, received)
}
