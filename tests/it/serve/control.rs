//! The control API: what it does, and what it refuses.

use std::time::Duration;

use awaithumans_testkit::serve::{Ready, Time};
use axum::routing::post;
use bytes::Bytes;
use serde_json::{Value, json};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::{queue, raw, served, spawn};

/// Sends a request on a connection of its own; gives status and body.
pub(super) async fn send(method: &str, address: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    );
    exchange(address, &request).await
}

/// Sends bytes, and reads until the server closes.
async fn exchange(address: &str, request: &str) -> (u16, String) {
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

async fn control(ready: &Ready, method: &str, path: &str, body: &str) -> (u16, Value) {
    let (status, text) = ask_ui(ready, method, &format!("/_testkit/v1{path}"), body).await;
    (
        status,
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{method} {path}: {error}: {text:?}")),
    )
}

async fn human(ready: &Ready, method: &str, path: &str, body: &Value) -> (u16, Value) {
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

async fn create(ready: &Ready, key: &str, more: &Value) -> String {
    let mut task = json!({
        "task": format!("Refund {key}?"), "payload": {}, "payload_schema": {}, "response_schema": {},
        "timeout_seconds": 60, "idempotency_key": key,
    });
    task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, task) = human(ready, "POST", "/api/tasks", &task).await;
    assert_eq!(status, 201, "{task}");
    task["id"].as_str().unwrap().to_owned()
}

async fn advance(ready: &Ready, seconds: u64) -> Value {
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
async fn receiver() -> (String, mpsc::UnboundedReceiver<Value>) {
    let (sender, received) = mpsc::unbounded_channel();
    let route = post(move |body: Bytes| async move {
        sender.send(serde_json::from_slice(&body).unwrap()).unwrap();
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/callback", listener.local_addr().unwrap());
    spawn(async move { axum::serve(listener, axum::Router::new().route("/callback", route)).await });
    (url, received)
}

#[tokio::test]
async fn a_task_times_out_while_its_long_poll_waits_and_the_webhook_is_delivered() {
    let ready = served(Time::Manual).await;
    let (url, mut received) = receiver().await;
    let id = create(&ready, "k", &json!({"callback_url": url})).await;
    let poll = |timeout: u64| {
        let (ready, path) = (ready.clone(), format!("/api/tasks/{id}/poll?timeout={timeout}"));
        spawn(async move { human(&ready, "GET", &path, &Value::Null).await })
    };
    // The clock says when the poll is there: its end is what is due next.
    let parked = async |due: &str| {
        while control(&ready, "GET", "/clock", "").await.1["next_due"] != due {
            tokio::task::yield_now().await;
        }
    };
    let first = poll(30);
    parked("2026-01-01T00:00:30Z").await;
    let advanced = advance(&ready, 30).await;
    assert_eq!(advanced["now"], "2026-01-01T00:00:30Z");
    assert_eq!(first.await.unwrap().1["status"], "created");

    let second = poll(30);
    parked("2026-01-01T00:01:00Z").await;
    advance(&ready, 30).await;
    let (status, task) = second.await.unwrap();
    assert_eq!((status, &task["status"]), (200, &json!("timed_out")));
    assert_eq!(task["timed_out_at"], "2026-01-01T00:01:00Z");

    // When `advance` answers, the receiver has it: no wait.
    let webhook = received.try_recv().expect("a webhook has been received");
    assert_eq!(
        (&webhook["task_id"], &webhook["status"]),
        (&json!(id), &json!("timed_out"))
    );
    let (_, deliveries) = human(&ready, "GET", "/api/admin/webhook-deliveries", &Value::Null).await;
    assert_eq!(deliveries[0]["status"], "succeeded");
}

#[tokio::test]
async fn scripted_people_and_verdicts_decide_what_becomes_of_tasks() {
    let ready = served(Time::Manual).await;
    let instruct = async |instruction: Value| {
        let (status, done) = control(&ready, "POST", "/humans", &instruction.to_string()).await;
        assert_eq!(status, 200, "{done}");
        done
    };
    let verified =
        json!({"verifier_config": {"provider": "claude", "instructions": "strict"}, "timeout_seconds": 86_400});
    let id = create(&ready, "open", &json!({"timeout_seconds": 86_400})).await;
    let answer = json!({"approved": true, "amount": 5});
    let done = instruct(json!({"person": {
        "matches": {"title_contains": "open"}, "after_seconds": 3_600.5, "by": "dana@example.com", "via": "slack",
        "times": 1, "does": {"complete": answer},
    }}))
    .await;
    assert_eq!(done["open_tasks_taken_up"], 1);
    instruct(json!({"person": {"matches": {"key": "cancelled"}, "does": "cancel"}})).await;
    instruct(json!({"person": {"matches": {"title": "Refund exhausted?"}, "after_seconds": 10, "does": "reject_until_exhausted"}}))
        .await;
    instruct(json!({"person": {"matches": {"assignee": "eve@example.com"}, "does": "never"}})).await;
    instruct(json!({"person": {"matches": {"key": "judged"}, "does": {"complete": {}}}})).await;
    instruct(json!({"verifier": {"says": {"pass": "fine"}}})).await;
    instruct(json!({"verifier": {"says": {"reject": "vague"}, "to": {"provider": "claude"}}})).await;
    let exhausted = create(&ready, "exhausted", &verified).await;
    let cancelled = create(&ready, "cancelled", &json!({})).await;
    let judged = create(&ready, "judged", &verified).await;
    let eve = create(
        &ready,
        "eve",
        &json!({"assign_to": {"email": "eve@example.com"}, "timeout_seconds": 86_400}),
    )
    .await;
    advance(&ready, 3_601).await;

    let task = async |id: &str| human(&ready, "GET", &format!("/api/tasks/{id}"), &Value::Null).await.1;
    let completed = task(&id).await;
    assert_eq!(completed["status"], "completed");
    assert_eq!(completed["response"], answer);
    assert_eq!(completed["completed_at"], "2026-01-01T01:00:00.500000Z");
    assert_eq!(
        (&completed["completed_by_email"], &completed["completed_via_channel"]),
        (&json!("dana@example.com"), &json!("slack"))
    );
    assert_eq!(task(&exhausted).await["status"], "verification_exhausted");
    assert_eq!(task(&cancelled).await["status"], "cancelled");
    let rejected = task(&judged).await;
    assert_eq!(
        (&rejected["status"], &rejected["verifier_result"]["reason"]),
        (&json!("rejected"), &json!("vague"))
    );

    // A provider without its key gives no verdict, and one that takes its time ends with it.
    instruct(json!({"verifier_lacks": {"variable": "OPENAI_API_KEY"}})).await;
    let openai = json!({"verifier_config": {"provider": "openai", "instructions": "x"}, "timeout_seconds": 86_400});
    let keyless = create(&ready, "keyless", &openai).await;
    let act = json!({"now": {"task": {"id": keyless}, "does": {"complete": {}}}}).to_string();
    let (_, refused) = control(&ready, "POST", "/humans", &act).await;
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("VERIFIER_API_KEY_MISSING"),
        "{refused}"
    );
    let slow = create(&ready, "slow", &verified).await;
    let parsed = json!({"reason": "read", "parsed_response": [1, {"a": null}]});
    instruct(json!({"verifier": {"says": {"parsed": parsed}, "to": "next", "after_seconds": 2}})).await;
    instruct(json!({"now": {"task": {"id": slow}, "does": {"complete": {}}}})).await;
    assert_eq!(task(&slow).await["status"], "created");
    advance(&ready, 2).await;
    let slow = task(&slow).await;
    assert_eq!(
        (&slow["status"], &slow["verifier_result"]["parsed_response"]),
        (&json!("completed"), &json!([1, {"a": null}]))
    );

    // At once, by key or id; the next verdict only counts for one answer.
    instruct(json!({"verifier": {"says": {"outage": "no credit"}, "to": "next"}})).await;
    let act = json!({"now": {"task": {"key": "judged"}, "does": {"complete": {"x": 1}}}}).to_string();
    let (status, refused) = control(&ready, "POST", "/humans", &act).await;
    assert_eq!((status, &refused["error"]), (409, &json!("REFUSED_BY_AWAITHUMANS")));
    assert!(refused["message"].as_str().unwrap().contains("no credit"), "{refused}");
    instruct(json!({"now": {"task": {"id": judged}, "does": "cancel"}})).await;
    assert_eq!(task(&judged).await["status"], "cancelled");
    assert_eq!(task(&eve).await["status"], "created");

    instruct(json!({"server": "stop"})).await;
    assert_eq!(ask_awaithumans(&ready, "GET", "/api/health", "").await.0, 503);
    instruct(json!({"server": "start"})).await;
    assert_eq!(task(&eve).await["status"], "created");
    instruct(json!({"forget": "people"})).await;
    let forgotten = create(&ready, "cancelled-2", &json!({})).await;
    advance(&ready, 1).await;
    assert_eq!(task(&forgotten).await["status"], "created");
}

#[tokio::test]
async fn an_answer_is_kept_as_python_reads_it() {
    let ready = served(Time::Manual).await;
    let id = create(&ready, "k", &json!({})).await;
    let body = r#"{"person":{"matches":"any","does":{"complete":{"z":123456789012345678901234567890,"a":1.0}}}}"#;
    assert_eq!(control(&ready, "POST", "/humans", body).await.0, 200);
    advance(&ready, 0).await;
    let (_, text) = ask_awaithumans(&ready, "GET", &format!("/api/tasks/{id}"), "").await;
    assert!(
        text.contains(r#""response":{"z":123456789012345678901234567890,"a":1.0}"#),
        "{text}"
    );
}

#[tokio::test]
async fn a_hold_stops_time_until_it_is_released_in_every_mode() {
    for (time, mode) in [(Time::Manual, "manual"), (Time::Real, "real"), (Time::Skip, "skip")] {
        let ready = served(time).await;
        let (status, held) = control(&ready, "POST", "/clock/hold", r#"{"reason": "a look around"}"#).await;
        assert_eq!(status, 201, "{held}");
        assert_eq!(held["seconds"], 600.0);
        let (_, clock) = control(&ready, "GET", "/clock", "").await;
        assert_eq!((&clock["mode"], &clock["held_by"]), (&json!(mode), &json!([held])));
        // On real time too: it doesn't move while it's held.
        assert_eq!(control(&ready, "GET", "/clock", "").await.1["now"], clock["now"]);

        let (status, refused) = control(&ready, "POST", "/clock/advance", r#"{"seconds": 1}"#).await;
        assert_eq!((status, &refused["error"]), (409, &json!("TIME_HELD")));
        assert!(
            refused["message"].as_str().unwrap().contains("a look around"),
            "{refused}"
        );
        assert_eq!(refused["now"], clock["now"]);

        let path = format!("/clock/hold/{}", held["id"]);
        assert_eq!(
            control(&ready, "DELETE", &path, "").await,
            (200, json!({"released": held["id"]}))
        );
        let (status, gone) = control(&ready, "DELETE", &path, "").await;
        assert_eq!((status, &gone["error"]), (410, &json!("HOLD_ENDED")));
        let advanced = advance(&ready, 86_400).await;
        let day = |field: &str| advanced[field].as_str().unwrap()[..10].to_owned();
        assert_ne!(day("from"), day("now"), "{advanced}");
    }
}

#[tokio::test]
async fn two_who_advance_at_the_same_time_advance_one_after_the_other() {
    let ready = served(Time::Manual).await;
    tokio::join!(advance(&ready, 60), advance(&ready, 60), advance(&ready, 60));
    let (_, clock) = control(&ready, "GET", "/clock", "").await;
    assert_eq!(clock["now"], "2026-01-01T00:03:00Z");
}

#[tokio::test]
async fn a_worker_that_keeps_its_task_is_reported_and_time_stays() {
    let ready = served(Time::Manual).await;
    let mut client = raw(&ready).await;
    let start = wire::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "stuck".to_owned(),
        workflow_type: Some(temporalio_common::protos::temporal::api::common::v1::WorkflowType {
            name: "any".to_owned(),
        }),
        task_queue: queue("slow"),
        request_id: "1".to_owned(),
        ..Default::default()
    };
    client.start_workflow_execution(start).await.unwrap();
    let poll = wire::PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue("slow"),
        identity: "sloth".to_owned(),
        ..Default::default()
    };
    let mut poll = tonic::Request::new(poll);
    poll.set_timeout(Duration::from_secs(60));
    let task = client.poll_workflow_task_queue(poll).await.unwrap().into_inner();
    assert!(!task.task_token.is_empty());

    let (status, busy) = control(&ready, "POST", "/clock/advance", r#"{"seconds": 5}"#).await;
    assert_eq!((status, &busy["error"]), (409, &json!("WORLD_BUSY")));
    assert!(
        busy["message"].as_str().unwrap().contains("worker sloth with"),
        "{busy}"
    );
    assert_eq!(busy["now"], "2026-01-01T00:00:00Z");
}

#[tokio::test]
async fn the_inbox_shows_what_people_were_told_and_its_links_work() {
    let ready = served(Time::Manual).await;
    let identity = json!({
        "id": "main", "display_name": "Main", "from_email": "robot@example.com", "transport": "noop", "transport_config": {},
    });
    let (status, made) = human(&ready, "POST", "/api/channels/email/identities", &identity).await;
    assert!(status < 300, "{made}");
    let switch = json!({
        "notify": ["email:dana@example.com"],
        "response_schema": {"type": "object", "properties": {"approved": {"type": "boolean"}}},
        "form_definition": {"fields": [{"kind": "switch", "name": "approved", "label": "Approve?"}]},
    });
    let id = create(&ready, "k", &switch).await;
    let (status, inbox) = control(&ready, "GET", "/humans/inbox", "").await;
    assert_eq!(status, 200, "{inbox}");
    let told = &inbox["notifications"][0];
    assert_eq!(
        (&told["channel"], &told["recipient"], &told["task_id"], &told["failure"]),
        (&json!("email"), &json!("dana@example.com"), &json!(id), &Value::Null),
        "{inbox}"
    );
    let (_, rest) = control(&ready, "GET", "/humans/inbox?since=1", "").await;
    assert_eq!(rest, json!({"notifications": [], "next": 1, "more": false}));

    let link = told["magic_links"][0]["url"]
        .as_str()
        .unwrap_or_else(|| panic!("{inbox}"));
    let path = link
        .strip_prefix(&ready.awaithumans)
        .unwrap_or_else(|| panic!("{link}"));
    assert_eq!(ask_awaithumans(&ready, "POST", path, "").await.0, 200);
    let (_, task) = human(&ready, "GET", &format!("/api/tasks/{id}"), &Value::Null).await;
    assert_eq!(task["status"], "completed");
}

#[tokio::test]
async fn the_journal_is_read_from_where_one_left_off() {
    let ready = served(Time::Manual).await;
    create(&ready, "first", &json!({})).await;
    let (_, page) = control(&ready, "GET", "/journal", "").await;
    assert_eq!(page["entries"][0]["party"], "awaithumans");
    assert!(
        page["entries"][0]["what"].as_str().unwrap().contains("Refund first?"),
        "{page}"
    );
    let next = page["next"].as_u64().unwrap();
    create(&ready, "second", &json!({})).await;
    let (_, page) = control(&ready, "GET", &format!("/journal?since={next}"), "").await;
    assert_eq!(page["entries"][0]["number"], next);
    assert!(
        page["entries"][0]["what"].as_str().unwrap().contains("Refund second?"),
        "{page}"
    );
    let (_, page) = control(&ready, "GET", "/journal?since=18446744073709551615", "").await;
    assert_eq!((&page["entries"], &page["more"]), (&json!([]), &json!(false)));
}

#[tokio::test]
async fn what_is_wrong_is_named_with_its_field_and_what_to_do() {
    let ready = served(Time::Manual).await;
    let deep = format!(
        r#"{{"person":{{"matches":"any","does":{{"complete":{}1{}}}}}}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    let cases: &[(&str, &str, &str, u16, &str, Value)] = &[
        ("POST", "/clock/advance", "", 400, "INVALID_JSON", Value::Null),
        ("POST", "/clock/advance", "{", 400, "INVALID_JSON", Value::Null),
        (
            "POST",
            "/clock/advance",
            "{\"seconds\":1} 2",
            400,
            "INVALID_JSON",
            Value::Null,
        ),
        ("POST", "/clock/advance", "\u{0}", 400, "INVALID_JSON", Value::Null),
        ("POST", "/clock/advance", "[]", 422, "INVALID_FIELD", json!("body")),
        ("POST", "/clock/advance", "{}", 422, "INVALID_FIELD", json!("seconds")),
        (
            "POST",
            "/clock/advance",
            r#"{"seconds":-1}"#,
            422,
            "INVALID_FIELD",
            json!("seconds"),
        ),
        (
            "POST",
            "/clock/advance",
            r#"{"seconds":-0.1}"#,
            422,
            "INVALID_FIELD",
            json!("seconds"),
        ),
        (
            "POST",
            "/clock/advance",
            r#"{"seconds":"1"}"#,
            422,
            "INVALID_FIELD",
            json!("seconds"),
        ),
        (
            "POST",
            "/clock/advance",
            r#"{"seconds":null}"#,
            422,
            "INVALID_FIELD",
            json!("seconds"),
        ),
        (
            "POST",
            "/clock/advance",
            r#"{"seconds":NaN}"#,
            422,
            "INVALID_FIELD",
            json!("seconds"),
        ),
        (
            "POST",
            "/clock/advance",
            r#"{"seconds":1e400}"#,
            422,
            "INVALID_FIELD",
            json!("seconds"),
        ),
        (
            "POST",
            "/clock/advance",
            r#"{"seconds":1e12}"#,
            422,
            "INVALID_FIELD",
            json!("seconds"),
        ),
        (
            "POST",
            "/clock/advance",
            r#"{"seconds":18446744073709551615}"#,
            422,
            "INVALID_FIELD",
            json!("seconds"),
        ),
        (
            "POST",
            "/clock/advance",
            r#"{"seconds":1,"minutes":1}"#,
            422,
            "INVALID_FIELD",
            json!("minutes"),
        ),
        (
            "POST",
            "/clock/hold",
            r#"{"reason":""}"#,
            422,
            "INVALID_FIELD",
            json!("reason"),
        ),
        (
            "POST",
            "/clock/hold",
            r#"{"reason":"x","seconds":0}"#,
            422,
            "INVALID_FIELD",
            json!("seconds"),
        ),
        (
            "POST",
            "/clock/hold",
            r#"{"reason":"x","seconds":1e9}"#,
            422,
            "INVALID_FIELD",
            json!("seconds"),
        ),
        ("DELETE", "/clock/hold/7", "", 404, "HOLD_NOT_FOUND", json!("id")),
        ("DELETE", "/clock/hold/%FF", "", 404, "HOLD_NOT_FOUND", json!("id")),
        ("GET", "/journal?since=-1", "", 422, "INVALID_FIELD", json!("since")),
        (
            "GET",
            "/journal?since=1&since=2",
            "",
            422,
            "INVALID_FIELD",
            json!("since"),
        ),
        ("GET", "/journal?from=1", "", 422, "INVALID_FIELD", json!("from")),
        (
            "POST",
            "/humans",
            r#"{"someone":{}}"#,
            422,
            "INVALID_FIELD",
            json!("body"),
        ),
        (
            "POST",
            "/humans",
            r#"{"person":{"does":"never"}}"#,
            422,
            "INVALID_FIELD",
            json!("person.matches"),
        ),
        (
            "POST",
            "/humans",
            r#"{"person":{"matches":"any","does":"sleep"}}"#,
            422,
            "INVALID_FIELD",
            json!("person.does"),
        ),
        (
            "POST",
            "/humans",
            r#"{"person":{"matches":"any","does":{"complete":[]}}}"#,
            422,
            "INVALID_FIELD",
            json!("person.does.complete"),
        ),
        (
            "POST",
            "/humans",
            r#"{"person":{"matches":"any","does":"never","after_seconds":-1}}"#,
            422,
            "INVALID_FIELD",
            json!("person.after_seconds"),
        ),
        (
            "POST",
            "/humans",
            r#"{"person":{"matches":"any","does":"never","times":-1}}"#,
            422,
            "INVALID_FIELD",
            json!("person.times"),
        ),
        (
            "POST",
            "/humans",
            r#"{"verifier":{"says":{"pass":"ok"},"to":{"provider":"eliza"}}}"#,
            422,
            "INVALID_FIELD",
            json!("verifier.to.provider"),
        ),
        (
            "POST",
            "/humans",
            r#"{"now":{"task":{"key":"none"},"does":"cancel"}}"#,
            422,
            "INVALID_FIELD",
            json!("now.task.key"),
        ),
        ("POST", "/humans", &deep, 400, "TOO_DEEP", Value::Null),
        ("GET", "/humans/nobody", "", 404, "NOT_FOUND", Value::Null),
        ("GET", "", "", 404, "NOT_FOUND", Value::Null),
        ("PUT", "/clock", "", 405, "METHOD_NOT_ALLOWED", Value::Null),
        ("GET", "/clock/advance", "", 405, "METHOD_NOT_ALLOWED", Value::Null),
    ];
    for (method, path, body, status, code, field) in cases {
        let (found, problem) = control(&ready, method, path, body).await;
        assert_eq!(
            (found, &problem["error"]),
            (*status, &json!(code)),
            "{method} {path} {body}: {problem}"
        );
        assert_eq!(&problem["field"], field, "{method} {path} {body}: {problem}");
        for text in ["message", "fix"] {
            assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
    }
    let (_, clock) = control(&ready, "GET", "/clock", "").await;
    assert_eq!(
        (&clock["now"], &clock["held_by"]),
        (&json!("2026-01-01T00:00:00Z"), &json!([]))
    );
}

#[tokio::test]
async fn only_this_machine_may_ask() {
    let ready = served(Time::Manual).await;
    let cases = [
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n", 403, "FOREIGN_HOST"),
        (
            "GET /_testkit/v1/clock HTTP/1.1\r\nHost: evil.example:8233\r\n",
            403,
            "FOREIGN_HOST",
        ),
        ("GET /nothing HTTP/1.1\r\nHost: evil.example\r\n", 403, "FOREIGN_HOST"),
        ("GET /_testkit/v1/clock HTTP/1.0\r\n", 403, "FOREIGN_HOST"),
        (
            "POST /_testkit/v1/clock/hold HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n",
            403,
            "FOREIGN_ORIGIN",
        ),
        (
            "GET /_testkit/v1/clock HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n",
            403,
            "FOREIGN_ORIGIN",
        ),
        (
            "POST /_testkit/v1/clock/hold HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n",
            415,
            "WRONG_CONTENT_TYPE",
        ),
        (
            "POST /_testkit/v1/clock/hold HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n",
            415,
            "WRONG_CONTENT_TYPE",
        ),
        (
            "POST /_testkit/v1/clock/hold HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n",
            413,
            "BODY_TOO_LARGE",
        ),
    ];
    for (request, status, code) in cases {
        let (found, problem) = exchange(&ready.ui, &format!("{request}Connection: close\r\n\r\n{{}}")).await;
        assert_eq!(found, status, "{request}: {problem}");
        assert!(
            problem.starts_with(&format!("{{\"error\":\"{code}\"")),
            "{request}: {problem}"
        );
    }
    let own = "GET /_testkit/v1/clock HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://localhost:3000\r\nConnection: close\r\n\r\n";
    assert_eq!(exchange(&ready.ui, own).await.0, 200);

    // Without a length the end is only found by reading.
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(17);
    let endless = format!(
        "POST /_testkit/v1/humans HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunk}0\r\n\r\n"
    );
    let (status, problem) = exchange(&ready.ui, &endless).await;
    assert_eq!(status, 413);
    assert!(problem.contains("BODY_TOO_LARGE"), "{problem}");
}
