//! What is wrong with a request is said with its place and what to do.

use awaithumans_testkit::serve::Time;
use serde_json::{Value, json};

use super::control;
use crate::serve::served;

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
            r#"{"person":{"matches":"any"}}"#,
            422,
            "INVALID_FIELD",
            json!("person.does"),
        ),
        (
            "POST",
            "/humans",
            r#"{"person":{"matches":"any","task":{},"does":"never"}}"#,
            422,
            "INVALID_FIELD",
            json!("person.task"),
        ),
        (
            "POST",
            "/humans",
            r#"{"person":{"after":"1h","after_seconds":1,"does":"never"}}"#,
            422,
            "INVALID_FIELD",
            json!("person.after"),
        ),
        (
            "POST",
            "/humans",
            r#"{"person":{"by":"a@example.com","who":"a@example.com","does":"never"}}"#,
            422,
            "INVALID_FIELD",
            json!("person.who"),
        ),
        (
            "POST",
            "/humans",
            r#"{"person":{"task":{"title":"x","kind":"y"},"does":"never"}}"#,
            422,
            "INVALID_FIELD",
            json!("person.task.kind"),
        ),
        (
            "POST",
            "/humans",
            r#"{"person":{"after":{"uniform":{"from":"3h","to":"1h"}},"does":"never"}}"#,
            422,
            "INVALID_FIELD",
            json!("person.after"),
        ),
        (
            "POST",
            "/humans",
            r#"{"person":{"again_after":"-1s","does":"cancel"}}"#,
            422,
            "INVALID_FIELD",
            json!("person.again_after"),
        ),
        (
            "POST",
            "/humans",
            r#"{"person":{"hours":{"from":"17:00","to":"09:00"},"does":"cancel"}}"#,
            422,
            "INVALID_FIELD",
            json!("person.hours"),
        ),
        (
            "POST",
            "/humans",
            r#"{"person":{"does":{"complete_after_rejections":{"answer":{},"rejections":-1}}}}"#,
            422,
            "INVALID_FIELD",
            json!("person.does.complete_after_rejections.rejections"),
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
