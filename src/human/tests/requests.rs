//! Requests that the recordings don't show, good and hostile.

use awaithumans_temporal::wire::json::Json;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{START, seconds, world};
use crate::human::{Matcher, Profile};

#[test]
fn the_same_key_is_the_same_task_also_when_it_is_over() {
    let mut world = world(Profile::V0_1_12);
    let id = world.create("k", &json!({}));
    world
        .human
        .complete(
            world.now,
            &mut world.journal,
            &id,
            json!({"x": 1}).into(),
            "a@example.com",
        )
        .unwrap();
    assert_eq!(world.create("k", &json!({"task": "another"})), id);
    assert!(world.says("idempotent replay"));
    assert_eq!(world.human.tasks().count(), 1);
}

#[test]
fn lists_are_newest_first_and_filtered() {
    let mut world = world(Profile::V0_1_12);
    let ids =
        ["a", "b", "c"].map(|key| world.create(key, &json!({"redact_payload": key == "b", "payload": {"secret": 1}})));
    world.human.cancel(world.now, &mut world.journal, &ids[0]).unwrap();
    let mut list = |query: &str| {
        let (_, tasks) = world.ask("GET", &format!("/api/tasks{query}"), &Value::Null);
        let tasks = tasks.as_array().unwrap().clone();
        tasks
            .iter()
            .map(|task| {
                (
                    task["idempotency_key"].as_str().unwrap().to_owned(),
                    task["payload"].clone(),
                )
            })
            .collect::<Vec<_>>()
    };
    let keys = |tasks: Vec<(String, Value)>| tasks.into_iter().map(|(key, _)| key).collect::<String>();
    assert_eq!(
        list("?limit=2&offset=1"),
        [
            ("b".to_owned(), json!({"_redacted": true})),
            ("a".to_owned(), json!({"secret": 1}))
        ]
    );
    assert_eq!(keys(list("")), "cba");
    assert_eq!(keys(list("?terminal=true")), "a");
    assert_eq!(keys(list("?status=created")), "cb");
    assert_eq!(keys(list("?assigned_to=nobody@x")), "");
}

#[test]
fn callbacks_are_listed_and_sent_again_by_hand() {
    let mut world = world(Profile::V0_1_12);
    world.human.people().on(Matcher::any()).complete(json!({}));
    world.create("k", &json!({}));
    world.advance_to(START + seconds(5));
    let (_, rows) = world.ask("GET", "/api/admin/webhook-deliveries?status=succeeded", &Value::Null);
    let id = rows[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(rows[0]["last_status_code"], 200);
    let (status, row) = world.ask(
        "POST",
        &format!("/api/admin/webhook-deliveries/{id}/redeliver"),
        &Value::Null,
    );
    assert_eq!(
        (status, &row["status"], &row["next_attempt_at"]),
        (200, &json!("pending"), &json!("2026-01-01T00:00:05Z"))
    );
    assert_eq!(row["created_at"], "2026-01-01T00:00:00");
    world.advance_to(START + seconds(10));
    assert_eq!(world.callbacks.len(), 2);
    let (status, body) = world.ask("POST", "/api/admin/webhook-deliveries/nope/redeliver", &Value::Null);
    assert_eq!((status, body), (404, json!({"detail": "Webhook delivery not found."})));
}

#[test]
fn a_route_that_is_not_served_is_named_in_the_journal() {
    let mut world = world(Profile::V0_1_12);
    assert_eq!(
        world.ask("GET", "/api/nope", &Value::Null),
        (404, json!({"detail": "Not Found"}))
    );
    assert!(world.says("no route for GET /api/nope"));
}

#[test]
fn a_claim_is_for_the_first_and_names_a_user() {
    let mut world = world(Profile::V0_1_12);
    let id = world.create("k", &json!({}));
    world
        .human
        .claim(world.now, &mut world.journal, &id, "op@example.com")
        .unwrap();
    let second = world
        .human
        .claim(world.now, &mut world.journal, &id, "other@example.com")
        .unwrap_err();
    assert_eq!(second.get("error").and_then(Json::as_str), Some("TASK_ALREADY_CLAIMED"));
    let (_, task) = world.ask("GET", &format!("/api/tasks/{id}"), &Value::Null);
    assert_eq!(
        (&task["status"], &task["assigned_to_display_name"]),
        (&json!("created"), &json!("op@example.com"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever comes in, there is an answer or a parked poll, never a panic.
    #[test]
    fn hostile_requests_get_an_answer(
        method in prop::sample::select(vec!["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"]),
        path in prop::sample::select(vec![
            "/api/tasks", "/api/tasks/ID", "/api/tasks/ID/complete", "/api/tasks/ID/poll", "/api/tasks/ID/cancel",
            "/api/tasks/ID/audit", "/api/admin/webhook-deliveries", "/api/tasks/%FF%00/poll", "/api/health/", "/%",
        ]),
        query in "[a-z=&%0-9+._]{0,24}",
        mut field in prop::sample::select(vec!["task", "timeout_seconds", "assign_to", "notify", "verifier_config", "callback_url", "response", "redact_payload"]),
        value in prop::sample::select(vec![
            "null", "[]", "{}", "NaN", "1e999", "-1", "99999999999999999999", "\"\\ud800\"", "\"\"", "[1]", "{\"email\":[]}", "true", "0.5", "{\"a\":{}}",
        ]),
        garbage in proptest::collection::vec(any::<u8>(), 0..24),
        whole in any::<bool>(),
    ) {
        let mut world = world(Profile::V0_1_12);
        world.human.people().on(Matcher::any()).after(seconds(1)).complete(json!({}));
        let id = world.create("k", &json!({}));
        if field.is_empty() { field = "task"; }
        let body = match whole {
            true => Bytes::from(format!(
                r#"{{"task":"t","payload":{{}},"payload_schema":{{}},"response_schema":{{}},"timeout_seconds":60,"idempotency_key":"j","response":{{}},"{field}":{value}}}"#
            )),
            false => Bytes::from(garbage),
        };
        let uri = format!("{}?{query}", path.replace("ID", &id));
        let Ok(uri) = uri.parse::<http::Uri>() else { return Ok(()) };
        let request = http::Request::builder().method(method).uri(uri)
            .header("authorization", "Bearer testkit-admin-token").header("content-type", "application/json");
        world.human.handle_request(world.now, &mut world.journal, 99, request.body(body).unwrap());
        world.settle();
        world.advance_to(START + seconds(120));
        let reply = world.replies.remove(&99).expect("an answer");
        prop_assert!(reply.status().as_u16() >= 200);
        let health = world.ask("GET", "/api/health", &Value::Null);
        prop_assert_eq!(health.0, 200);
    }
}
