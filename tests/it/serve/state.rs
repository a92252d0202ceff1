//! `serve --state FILE`: what awaithumans had is there again, and a file that can't be read is left alone.

use std::path::{Path, PathBuf};

use awaithumans_testkit::serve::{Options, Server};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::binary::{ANY_PORTS, command, ready_line, text};
use super::control::send;

/// A file of this test's own that isn't there.
fn file(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_file(&path);
    path
}

struct Running {
    child: Child,
    ready: Value,
}

impl Running {
    async fn start(state: &Path) -> Self {
        let state = state.to_str().unwrap();
        let arguments = [&ANY_PORTS[..], &["--time", "manual", "--state", state]].concat();
        let mut child = command(&arguments).spawn().unwrap();
        let ready = ready_line(&mut child).await;
        Self { child, ready }
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let port = if path.starts_with("/_testkit") {
            "ui"
        } else {
            "awaithumans"
        };
        let token = format!("Authorization: Bearer {}\r\n", text(&self.ready, "admin_token"));
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, answer) = send(method, text(&self.ready, port), path, &token, &body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    async fn create(&self, key: &str) -> Value {
        let task = json!({
            "task": "Refund?", "payload": {"big": 1e300}, "payload_schema": {}, "response_schema": {}, "timeout_seconds": 900,
            "idempotency_key": key,
        });
        self.ask("POST", "/api/tasks", &task).await
    }

    async fn keys(&self) -> Vec<String> {
        let tasks = self.ask("GET", "/api/tasks", &Value::Null).await;
        let key = |task: &Value| task["idempotency_key"].as_str().unwrap().to_owned();
        tasks.as_array().unwrap().iter().map(key).collect()
    }

    async fn stop(mut self) {
        let id = self.child.id().unwrap().to_string();
        Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(self.child.wait().await.unwrap().success());
    }
}

#[tokio::test]
async fn tasks_are_there_again_after_a_stop_and_after_a_kill() {
    let state = file("state.json");
    let first = Running::start(&state).await;
    let created = first.create("first").await;
    first
        .ask("POST", "/_testkit/v1/clock/advance", &json!({"seconds": 60}))
        .await;
    first.stop().await;

    let mut second = Running::start(&state).await;
    assert_eq!(
        second
            .ask(
                "GET",
                &format!("/api/tasks/{}", created["id"].as_str().unwrap()),
                &Value::Null
            )
            .await,
        created
    );
    let clock = second.ask("GET", "/_testkit/v1/clock", &Value::Null).await;
    // Time goes on, and so does the wait of the task: it was created a minute ago.
    assert_eq!(
        (&clock["now"], &clock["next_due"]),
        (&json!("2026-01-01T00:01:00Z"), &json!("2026-01-01T00:15:00Z"))
    );
    let another = second.create("second").await;
    assert_ne!(another["id"], created["id"]);
    // Nothing says when the file is written, but that it will be: soon after the answer.
    while !std::fs::read_to_string(&state).unwrap().contains("\"second\"") {
        second.ask("GET", "/api/health", &Value::Null).await;
    }
    second.child.kill().await.unwrap();

    let third = Running::start(&state).await;
    assert_eq!(third.keys().await, ["second", "first"]);
    let advanced = third
        .ask("POST", "/_testkit/v1/clock/advance", &json!({"seconds": 840}))
        .await;
    assert_eq!(advanced["now"], "2026-01-01T00:15:00Z");
    let task = third
        .ask(
            "GET",
            &format!("/api/tasks/{}", created["id"].as_str().unwrap()),
            &Value::Null,
        )
        .await;
    assert_eq!(task["status"], "timed_out");
    third.stop().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_and_left_as_it_is() {
    let state = file("broken.json");
    Running::start(&state).await.stop().await;
    let good = std::fs::read_to_string(&state).unwrap();
    let cases = [
        (good[..good.len() / 2].to_owned(), "EOF"),
        ("not JSON at all".to_owned(), "expected"),
        (String::new(), "EOF"),
        (
            good.replacen("\"format\":1", "\"format\":7", 1),
            "format 7, which a newer release",
        ),
        (good.replacen('{', "{\"flavour\":1,", 1), "unknown field `flavour`"),
    ];
    for (text, why) in cases {
        std::fs::write(&state, &text).unwrap();
        let arguments = [&ANY_PORTS[..], &["--state", state.to_str().unwrap()]].concat();
        let output = command(&arguments).output().await.unwrap();
        assert!(!output.status.success(), "{text}");
        assert_eq!(output.stdout, b"");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("broken.json can't be read") && said.contains(why),
            "{said}"
        );
        assert_eq!(std::fs::read_to_string(&state).unwrap(), text);
    }
    let nowhere = file("no such folder").join("state.json");
    let output = command(&[&ANY_PORTS[..], &["--state", nowhere.to_str().unwrap()]].concat())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("state.json can't be written"), "{said}");
}

#[tokio::test]
async fn one_file_is_one_servers_for_as_long_as_that_runs() {
    let state = file("shared.json");
    let options = || Options {
        state: Some(state.clone()),
        ..Options::on_free_ports()
    };
    let first = Server::bind(options()).await.unwrap();
    let refused = Server::bind(options()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ResourceBusy);
    assert!(
        refused.to_string().contains("shared.json is another server's"),
        "{refused}"
    );
    let arguments = [&ANY_PORTS[..], &["--state", state.to_str().unwrap()]].concat();
    let output = command(&arguments).output().await.unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("shared.json is another server's"), "{said}");

    drop(first);
    let mut second = Running::start(&state).await;
    // What a server leaves behind that was killed stops nobody.
    second.child.kill().await.unwrap();
    Running::start(&state).await.stop().await;
}

#[tokio::test]
async fn who_has_users_already_is_not_set_up_again() {
    let state = file("users.json");
    let first = Running::start(&state).await;
    let (_, token) = text(&first.ready, "setup_url").split_once("/setup?token=").unwrap();
    let operator = json!({
        "token": token, "email": "ops@example.com", "display_name": "Ops", "password": "a long password",
    });
    first.ask("POST", "/api/setup/operator", &operator).await;
    first.stop().await;

    let second = Running::start(&state).await;
    assert_eq!(second.ready["setup_url"], Value::Null);
    let status = second.ask("GET", "/api/setup/status", &Value::Null).await;
    assert_eq!(status, json!({"needs_setup": false, "token_active": false}));
    second.stop().await;
}
