//! Scripted people and verdicts.

use awaithumans_testkit::serve::{Ready, Time};
use serde_json::{Value, json};

use super::{advance, ask_awaithumans, control, create, human};
use crate::serve::served;

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

/// What became of a task: its status, who ended it, when.
async fn end(ready: &Ready, id: &str) -> (Value, Value, Value) {
    let (_, task) = human(ready, "GET", &format!("/api/tasks/{id}"), &Value::Null).await;
    let part = |name: &str| task[name].clone();
    (part("status"), part("completed_by_email"), part("completed_at"))
}

#[tokio::test]
async fn a_line_may_be_in_the_words_of_scenario_files() {
    let ready = served(Time::Manual).await;
    let script = async |person: Value| {
        let (status, done) = control(&ready, "POST", "/humans", &json!({"person": person}).to_string()).await;
        assert_eq!(status, 200, "{done}");
    };
    script(
        json!({"task": {"key": "office"}, "after": "10h", "who": "dana@example.com",
        "hours": {"from": "09:00", "to": "17:00", "zone": "Europe/Berlin"}, "does": {"complete": {"ok": true}}}),
    )
    .await;
    script(json!({"task": {"key": "twice"}, "after": "1h", "again_after": "200ms", "does": {"complete": {}}})).await;
    script(
        json!({"task": {"key": "twice"}, "after": "2h", "besides": true, "insists": true, "who": "eve@example.com",
        "does": "cancel"}),
    )
    .await;
    script(json!({"task": {"title_contains": "judged"}, "after": 60,
        "does": {"complete_after_rejections": {"answer": {"n": 1}, "rejections": 1}}}))
    .await;
    script(json!({"after": {"uniform": {"from": "1h", "to": "3h"}}, "does": "cancel"})).await;
    let week = json!({"timeout_seconds": 604_800});
    let office = create(&ready, "office", &week).await;
    let twice = create(&ready, "twice", &week).await;
    let judged = json!({"verifier_config": {"provider": "claude", "instructions": "x"}, "timeout_seconds": 604_800});
    let judged = create(&ready, "judged", &judged).await;
    let drawn = create(&ready, "drawn", &week).await;
    advance(&ready, 3 * 86_400).await;

    // 2026-01-01 is a Thursday; at ten o'clock UTC it is eleven in Berlin.
    let text = |text: &str| json!(text);
    assert_eq!(
        end(&ready, &office).await,
        (
            text("completed"),
            text("dana@example.com"),
            text("2026-01-01T10:00:00Z")
        )
    );
    assert_eq!(
        end(&ready, &twice).await,
        (
            text("completed"),
            text("somebody@example.com"),
            text("2026-01-01T01:00:00Z")
        )
    );
    assert_eq!(
        end(&ready, &judged).await,
        (
            text("completed"),
            text("somebody@example.com"),
            text("2026-01-01T00:02:00Z")
        )
    );
    let (status, _, _) = end(&ready, &drawn).await;
    assert_eq!(status, "cancelled");
    // The double click and whoever insists come too late.
    let (_, journal) = control(&ready, "GET", "/journal", "").await;
    let journal = journal.to_string();
    assert_eq!(journal.matches("is refused with HTTP 409").count(), 2, "{journal}");
}
