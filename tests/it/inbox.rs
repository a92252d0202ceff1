//! What people are told, and what they can click.

use std::time::Duration;

use awaithumans_temporal::Transport as _;
use awaithumans_testkit::human::{Channel, Status};
use awaithumans_testkit::{Testkit, Timestamp};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

/// Where the links of these tests lead.
const PUBLIC_URL: &str = "http://reviews.example";

/// Asks the fake awaithumans server, as an agent or as a browser.
async fn ask(kit: &Testkit, method: &str, path: &str, body: Option<Value>) -> Response<Bytes> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", kit.server_url()));
    if body.is_some() {
        request = request
            .header("authorization", format!("Bearer {}", kit.api_key()))
            .header("content-type", "application/json");
    }
    let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
    kit.transport().send(request.body(body).unwrap()).await.unwrap()
}

/// A page's status and the sentence in it.
fn page(response: &Response<Bytes>) -> (u16, String) {
    let html = String::from_utf8(response.body().to_vec()).unwrap();
    let sentence = html.split("<p>").nth(1).and_then(|rest| rest.split("</p>").next());
    (response.status().as_u16(), sentence.unwrap_or_default().to_owned())
}

/// A task that asks for yes or no, and tells `notify`.
async fn ask_for_approval(kit: &Testkit, notify: Value) -> String {
    let identity = json!({
        "id": "ops", "display_name": "Ops", "from_email": "ops@acme.example", "transport": "noop", "transport_config": {},
    });
    assert_eq!(
        ask(kit, "POST", "/api/channels/email/identities", Some(identity))
            .await
            .status(),
        200
    );
    let task = json!({
        "task": "Refund $250?", "payload": {"amount": 250}, "payload_schema": {}, "response_schema": {}, "timeout_seconds": 3600,
        "idempotency_key": "refund-1", "notify": notify, "callback_url": kit.callback_url(),
        "form_definition": {"fields": [
            {"kind": "switch", "name": "approved", "true_label": "Approve", "false_label": "Reject"},
        ]},
    });
    let created = ask(kit, "POST", "/api/tasks", Some(task)).await;
    assert_eq!(created.status(), 201, "{created:?}");
    kit.humans().task_by_key("refund-1").unwrap().id
}

#[tokio::test]
async fn a_magic_link_from_the_inbox_answers_once_and_tells_nobody() {
    let kit = Testkit::builder().public_url(PUBLIC_URL).start().await;
    let task_id = ask_for_approval(&kit, json!(["email:dana@acme.example"])).await;

    let inbox = kit.humans().inbox();
    let [message] = inbox.as_slice() else {
        panic!("{inbox:?}")
    };
    assert_eq!(
        (message.channel, message.recipient.as_str()),
        (Channel::Email, "dana@acme.example")
    );
    assert_eq!(
        (message.at, message.task_id.as_str()),
        (Timestamp::EPOCH_OF_TESTS, task_id.as_str())
    );
    assert_eq!(message.subject.as_deref(), Some("Review: Refund $250?"));
    assert_eq!(message.sender.as_ref().unwrap().from_email, "ops@acme.example");
    let [approve, reject] = message.magic_links.as_slice() else {
        panic!("{message:?}")
    };
    assert_eq!((approve.label.as_str(), reject.label.as_str()), ("Approve", "Reject"));
    let review_url = message.review_url.as_deref().unwrap();
    assert_eq!(
        message.text,
        format!(
            "REVIEW REQUESTED\n\nRefund $250?\n\n  amount: 250\nRespond:\n  Approve: {}\n  Reject: {}\n\nOpen task: {review_url}\n",
            approve.url, reject.url
        )
    );

    kit.advance(Duration::from_secs(600)).await.unwrap();
    let path = approve.url.strip_prefix(PUBLIC_URL).unwrap();
    let asked = ask(&kit, "GET", path, None).await;
    assert!(String::from_utf8_lossy(asked.body()).contains("<h1>Confirm: Yes</h1>"));
    assert_eq!(
        kit.humans().tasks()[0].status,
        Status::Created,
        "a look changes nothing"
    );
    let tampered = path.replacen("action/", "action/A", 1);
    assert_eq!(page(&ask(&kit, "POST", &tampered, None).await).0, 400);
    let answered = page(&ask(&kit, "POST", path, None).await);
    assert_eq!(answered, (200, "Response recorded. Thanks for reviewing.".to_owned()));
    let again = page(&ask(&kit, "POST", path, None).await);
    assert_eq!(again.0, 410, "{}", again.1);
    let other = page(&ask(&kit, "POST", reject.url.strip_prefix(PUBLIC_URL).unwrap(), None).await);
    assert_eq!(other, (200, "This task was already completed.".to_owned()));

    let task = &kit.humans().tasks()[0];
    assert_eq!(task.response, json!({"approved": true}).into());
    assert_eq!(task.completed_by_email.as_deref(), Some("dana@acme.example"));
    assert_eq!(task.completed_via_channel.as_deref(), Some("email"));
    kit.advance(Duration::from_secs(60)).await.unwrap();
    assert!(
        kit.humans().deliveries().is_empty(),
        "as on a real server, no webhook tells the agent"
    );
}

#[tokio::test]
async fn the_way_into_the_dashboard_logs_its_recipient_in_and_gives_them_the_task() {
    let kit = Testkit::builder().public_url(PUBLIC_URL).start().await;
    let task_id = ask_for_approval(&kit, json!(["email:Dana@acme.example"])).await;
    let inbox = kit.humans().inbox();
    let path = inbox[0]
        .review_url
        .as_deref()
        .unwrap()
        .strip_prefix(PUBLIC_URL)
        .unwrap();

    let entered = ask(&kit, "GET", path, None).await;
    assert_eq!(entered.status(), 303);
    assert_eq!(entered.headers()["location"], format!("/task?id={task_id}").as_str());
    let cookie = entered.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let users = kit.humans().users();
    assert_eq!(users[0].email.as_deref(), Some("dana@acme.example"));
    assert_eq!(kit.humans().tasks()[0].assigned_to_user_id.as_ref(), Some(&users[0].id));

    let as_dana = |method: &'static str, path: String| {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", kit.server_url()))
            .header("cookie", &cookie);
        kit.transport().send(request.body(Bytes::new()).unwrap())
    };
    let own = as_dana("GET", format!("/api/tasks/{task_id}")).await.unwrap();
    assert_eq!(own.status(), 200);
    let cancelled = as_dana("POST", format!("/api/tasks/{task_id}/cancel")).await.unwrap();
    assert_eq!(cancelled.status(), 403, "a reviewer may not cancel");

    kit.advance(Duration::from_secs(3601)).await.unwrap();
    assert_eq!(
        page(&ask(&kit, "GET", path, None).await).0,
        400,
        "the way ends with the task's time"
    );
}

#[tokio::test]
async fn what_was_not_sent_says_why_here_and_in_the_audit_trail() {
    let kit = Testkit::start().await;
    let task_id = ask_for_approval(
        &kit,
        json!(["slack:#ops", "email+ops:dana@acme.example", "email+none:x@acme.example"]),
    )
    .await;

    let inbox = kit.humans().inbox();
    let reasons: Vec<_> = inbox
        .iter()
        .map(|message| {
            (
                message.recipient.as_str(),
                message.failure.as_ref().map(|failure| failure.reason.as_ref()),
            )
        })
        .collect();
    assert_eq!(
        reasons,
        [
            ("#ops", Some("no_client")),
            ("dana@acme.example", None),
            ("x@acme.example", Some("no_transport_configured")),
        ]
    );
    let trail = ask(&kit, "GET", &format!("/api/tasks/{task_id}/audit"), Some(Value::Null)).await;
    let trail: Vec<Value> = serde_json::from_slice(trail.body()).unwrap();
    let failed: Vec<_> = trail
        .iter()
        .filter(|line| line["action"] == "notification_failed")
        .collect();
    assert_eq!(failed.len(), 2);
    assert_eq!(
        (&failed[0]["channel"], &failed[0]["from_status"]),
        (&json!("slack"), &Value::Null)
    );
    assert_eq!(failed[1]["extra_data"]["recipient"], "x@acme.example");
}

#[tokio::test]
async fn a_page_of_another_origin_gets_a_token_for_one_task() {
    let kit = Testkit::builder()
        .service_key("ah_sk_test")
        .embed_secret("an embed secret of thirty-two bytes")
        .parent_origins("https://acme.example")
        .start()
        .await;
    let task_id = ask_for_approval(&kit, json!([])).await;
    let with = |bearer: String, method: &'static str, path: String, body: Value| {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", kit.server_url()))
            .header("authorization", format!("Bearer {bearer}"))
            .header("content-type", "application/json");
        kit.transport().send(request.body(body.to_string().into()).unwrap())
    };
    let wish = json!({"task_id": task_id, "parent_origin": "https://acme.example", "sub": "acme:1", "ttl_seconds": 60});
    let minted = with("ah_sk_test".to_owned(), "POST", "/api/embed/tokens".to_owned(), wish)
        .await
        .unwrap();
    let minted: Value = serde_json::from_slice(minted.body()).unwrap();
    let token = minted["embed_token"].as_str().unwrap().to_owned();
    let path = format!("/api/tasks/{task_id}");
    assert_eq!(
        with(token.clone(), "GET", path.clone(), Value::Null)
            .await
            .unwrap()
            .status(),
        200
    );

    kit.advance(Duration::from_secs(60 + 60)).await.unwrap();
    let expired = with(token, "GET", path, Value::Null).await.unwrap();
    assert_eq!(expired.status(), 401);
    let body: Value = serde_json::from_slice(expired.body()).unwrap();
    assert_eq!(body["error"]["message"], "Invalid embed token: token has expired.");
}
