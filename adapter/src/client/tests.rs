use std::sync::Mutex;

use http::Response;
use serde_json::json;

use super::*;

/// Answers every request alike and keeps what was asked.
fn canned(status: u16, body: &'static str, seen: Arc<Mutex<Vec<Request<Bytes>>>>) -> impl Transport {
    transport_fn(move |request| {
        seen.lock().expect("not poisoned").push(request);
        Response::builder()
            .status(status)
            .body(Bytes::from_static(body.as_bytes()))
            .map_err(TransportError::from_source)
    })
}

fn request() -> CreateTaskRequest {
    CreateTaskRequest {
        task: "Approve?".to_owned(),
        payload: json!({"amount_usd": 250}),
        payload_schema: json!({"type": "object"}),
        response_schema: json!({"type": "object"}),
        form_definition: None,
        timeout_seconds: 900,
        idempotency_key: "temporal:refund-1".to_owned(),
        assign_to: None,
        notify: None,
        verifier_config: None,
        redact_payload: false,
        callback_url: "https://app.example/cb?wf=refund-1".to_owned(),
    }
}

#[tokio::test]
async fn a_task_is_created_with_the_python_adapters_bytes() {
    let seen: Arc<Mutex<Vec<Request<Bytes>>>> = Arc::default();
    let transport = canned(201, r#"{"id":"1","status":"created"}"#, Arc::clone(&seen));
    let client = Awaithumans::new("http://server:3001/", Some("secret".to_owned()), transport);
    let task = client.create_task(&request()).await.expect("created");
    assert_eq!(task, json!({"id": "1", "status": "created"}));
    let seen = seen.lock().expect("not poisoned");
    assert_eq!(seen[0].uri(), "http://server:3001/api/tasks");
    assert_eq!(seen[0].headers()["authorization"], "Bearer secret");
    assert_eq!(seen[0].headers()["content-type"], "application/json");
    assert_eq!(
        std::str::from_utf8(seen[0].body()).expect("UTF-8"),
        concat!(
            r#"{"task":"Approve?","payload":{"amount_usd":250},"payload_schema":{"type":"object"},"#,
            r#""response_schema":{"type":"object"},"form_definition":null,"timeout_seconds":900,"#,
            r#""idempotency_key":"temporal:refund-1","assign_to":null,"notify":null,"#,
            r#""verifier_config":null,"redact_payload":false,"#,
            r#""callback_url":"https://app.example/cb?wf=refund-1"}"#
        )
    );
}

#[tokio::test]
async fn a_refusal_has_pythons_text() {
    let transport = canned(401, r#"{"detail":"Authentication required."}"#, Arc::default());
    let client = Awaithumans::new("http://server", None, transport);
    let error = client.create_task(&request()).await.expect_err("refused");
    assert_eq!(
        error.to_string(),
        r#"awaithumans server rejected task creation (HTTP 401): {"detail":"Authentication required."}"#
    );
    assert_eq!(error.error_type(), "RuntimeError");
}

#[tokio::test]
async fn no_answer_and_no_json_are_told_apart() {
    let transport = canned(200, "<html>", Arc::default());
    let client = Awaithumans::new("http://server", None, transport);
    let error = client.create_task(&request()).await.expect_err("no JSON");
    assert!(matches!(error, ClientError::Answer(_)), "{error}");

    let down = transport_fn(|_| Err(TransportError::new("connection refused")));
    let client = Awaithumans::new("http://server", None, down);
    let error = client.create_task(&request()).await.expect_err("no answer");
    assert_eq!(
        error.to_string(),
        "Could not reach the awaithumans server at http://server: connection refused"
    );

    let client = Awaithumans::new("no url", None, canned(200, "{}", Arc::default()));
    let error = client.create_task(&request()).await.expect_err("no URL");
    assert!(error.to_string().contains("server_url"), "{error}");
}

#[test]
fn a_record_reads_what_is_there() {
    let record = TaskRecord::from_json(json!({
        "id": "1", "status": "verification_exhausted", "verification_attempt": 2, "response": null,
    }))
    .expect("an object");
    assert!(record.is_terminal());
    assert_eq!(record.verification_attempt, 2);
    assert!(TaskRecord::from_json(json!([])).is_err());
}
