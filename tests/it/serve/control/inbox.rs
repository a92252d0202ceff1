//! What people were told.

use awaithumans_testkit::serve::Time;
use serde_json::{Value, json};

use super::{ask_awaithumans, control, create, human};
use crate::serve::served;

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
