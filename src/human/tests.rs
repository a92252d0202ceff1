mod judging;
mod people;
mod replay;
mod requests;
mod snapshot;

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;

const START: Timestamp = Timestamp::EPOCH_OF_TESTS;
const DAY: Duration = Duration::from_secs(86_400);

/// The server with a driver around it: time moves to whatever is due next, and callbacks are answered by a closure.
struct World {
    human: Human,
    journal: Journal,
    now: Timestamp,
    ticket: u64,
    /// How often the driver was woken.
    wakeups: u32,
    replies: BTreeMap<u64, http::Response<Bytes>>,
    dropped: Vec<u64>,
    callbacks: Vec<http::Request<Bytes>>,
    receiver: fn(usize) -> DeliveryOutcome,
}

fn world(profile: Profile) -> World {
    let mut config = Config::new(Box::new(|body| format!("sha256={:064x}", body.len())));
    config.profile = profile;
    World {
        human: Human::new(config, Entropy::new(7)),
        journal: Journal::default(),
        now: START,
        ticket: 0,
        wakeups: 0,
        replies: BTreeMap::new(),
        dropped: Vec::new(),
        callbacks: Vec::new(),
        receiver: |_| DeliveryOutcome::Answered(200),
    }
}

impl World {
    fn request(&mut self, method: &str, path: &str, body: &Value) -> u64 {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", "Bearer testkit-admin-token")
            .header("content-type", "application/json");
        self.ticket += 1;
        let request = request.body(Bytes::from(body)).unwrap();
        self.human
            .handle_request(self.now, &mut self.journal, self.ticket, request);
        self.settle();
        self.ticket
    }

    /// Asks for something that is answered at once.
    fn ask(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let ticket = self.request(method, path, body);
        self.reply(ticket).expect("an answer at once")
    }

    fn reply(&mut self, ticket: u64) -> Option<(u16, Value)> {
        let response = self.replies.remove(&ticket)?;
        Some((
            response.status().as_u16(),
            serde_json::from_slice(response.body()).unwrap_or_default(),
        ))
    }

    fn create(&mut self, key: &str, more: &Value) -> String {
        let mut body = json!({
            "task": "Approve $250 refund?", "payload": {}, "payload_schema": {}, "response_schema": {},
            "timeout_seconds": 7 * 86_400, "idempotency_key": key, "callback_url": "http://receiver.test/callback?wf=refund-1",
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, task) = self.ask("POST", "/api/tasks", &body);
        assert_eq!(status, 201, "{task}");
        task["id"].as_str().unwrap().to_owned()
    }

    fn settle(&mut self) {
        while let Some(output) = self.human.poll_output() {
            match output {
                Output::Reply { ticket, response } => drop(self.replies.insert(ticket, response)),
                Output::Dropped { ticket } => self.dropped.push(ticket),
                Output::Deliver { attempt, request, .. } => {
                    let outcome = (self.receiver)(self.callbacks.len());
                    self.callbacks.push(request);
                    self.human
                        .handle_delivered(self.now, &mut self.journal, attempt, outcome);
                }
            }
        }
    }

    fn advance_to(&mut self, until: Timestamp) {
        while let Some(due) = self.human.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.wakeups += 1;
            self.human.handle_timeout(self.now, &mut self.journal);
            self.settle();
        }
        self.now = until;
    }

    fn status(&self, id: &str) -> Status {
        self.human.task(id).unwrap().status
    }

    fn headlines(&self) -> Vec<&str> {
        let entries = self.journal.entries().iter().filter(|entry| entry.headline);
        entries.map(|entry| entry.what.as_str()).collect()
    }

    fn says(&self, part: &str) -> bool {
        self.headlines().iter().any(|line| line.contains(part))
    }
}

#[test]
fn without_ticks_all_is_done_when_it_is_due() {
    let mut world = world(Profile::V0_1_12);
    world.human.config.timing = Timing::Exact;
    world.now += Duration::from_millis(1_234);
    let created = world.now;
    let ids: Vec<String> = (0..60)
        .map(|number| world.create(&format!("key-{number}"), &json!({"timeout_seconds": 60})))
        .collect();
    for id in &ids[1..] {
        let answer = json!({"response": {}});
        assert_eq!(world.ask("POST", &format!("/api/tasks/{id}/complete"), &answer).0, 200);
    }
    world.receiver = |sent| DeliveryOutcome::Answered(if sent == 0 { 503 } else { 200 });
    world.advance_to(created);
    assert_eq!(world.callbacks.len(), 59, "more than a tick would take");

    world.advance_to(created + seconds(60));
    assert_eq!(world.status(&ids[0]), Status::TimedOut);
    assert_eq!(
        world.callbacks.len(),
        61,
        "one was tried again after 30 s, the last told of the timeout"
    );
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_person_answers_after_two_days_and_the_next_tick_tells_the_receiver() {
    let mut world = world(Profile::V0_1_12);
    world
        .human
        .people()
        .on(Matcher::title_contains("refund"))
        .after(DAY * 2 + seconds(3))
        .complete(json!({"approved": true}));
    let id = world.create("temporal:refund-1", &json!({}));
    world.advance_to(START + DAY * 3);

    assert_eq!(world.status(&id), Status::Completed);
    assert_eq!(world.wakeups, 2, "the person and one tick: idle ticks cost nothing");
    let [callback] = world.callbacks.as_slice() else {
        panic!("one callback")
    };
    let body = String::from_utf8(callback.body().to_vec()).unwrap();
    assert_eq!(
        body,
        format!(
            r#"{{"task_id":"{id}","idempotency_key":"temporal:refund-1","status":"completed","response":{{"approved":true}},"completed_at":"2026-01-03T00:00:03","timed_out_at":null,"completed_by_email":"somebody@example.com","completed_via_channel":null,"verification_attempt":0}}"#
        )
    );
    let delivery = world.human.deliveries().next().unwrap();
    assert_eq!(delivery.first_attempted_at, Some(START + DAY * 2 + seconds(5)));
    let short_id = &id[..8];
    assert_eq!(
        world.headlines(),
        [
            format!("task {short_id}… created: “Approve $250 refund?” (key temporal:refund-1, times out in 7 d)"),
            format!("somebody@example.com answers task {short_id}…: {{\"approved\":true}}"),
            format!("task {short_id}… completed"),
            format!("webhook for task {short_id}… delivered (HTTP 200, attempt 1)"),
        ]
    );
}

#[test]
fn a_callback_carries_the_recorded_headers_in_order() {
    let mut world = world(Profile::V0_1_12);
    world.human.people().on(Matcher::any()).cancel();
    world.create("k", &json!({}));
    world.advance_to(START + seconds(5));
    let callback = &world.callbacks[0];
    assert_eq!(
        (callback.method(), callback.uri().to_string().as_str()),
        (&http::Method::POST, "http://receiver.test/callback?wf=refund-1")
    );
    let names: Vec<_> = callback.headers().keys().map(http::HeaderName::as_str).collect();
    let recorded = [
        "host",
        "accept",
        "accept-encoding",
        "connection",
        "user-agent",
        "content-type",
        "x-awaithumans-signature",
        "x-awaithumans-task-id",
        "content-length",
    ];
    assert_eq!(names, recorded);
    assert_eq!(callback.headers()["host"], "receiver.test");
}

#[test]
fn a_timeout_is_noticed_at_the_first_tick_after_it() {
    let mut world = world(Profile::V0_1_12);
    world.now = START + seconds(2);
    world.human.people().on(Matcher::any()).never();
    let id = world.create("k", &json!({"timeout_seconds": 61}));
    world.advance_to(START + seconds(64));
    assert_eq!(world.status(&id), Status::Created);
    world.advance_to(START + seconds(65));
    assert_eq!(world.status(&id), Status::TimedOut);
    assert_eq!(world.human.task(&id).unwrap().timed_out_at, Some(START + seconds(65)));
    assert_eq!(world.callbacks.len(), 1);
    assert_eq!(world.human.poll_timeout(), None);
}

#[test]
fn rejections_go_on_until_no_attempt_is_left() {
    let mut world = world(Profile::V0_1_12);
    world
        .human
        .people()
        .on(Matcher::any())
        .after(seconds(60))
        .reject_until_exhausted();
    let verifier = json!({"verifier_config": {"provider": "claude", "instructions": "be strict", "max_attempts": 2}});
    let id = world.create("k", &verifier);
    world.advance_to(START + seconds(60));
    assert_eq!(world.status(&id), Status::Rejected);
    assert!(world.callbacks.is_empty());
    world.advance_to(START + seconds(200));
    assert_eq!(world.status(&id), Status::VerificationExhausted);
    assert_eq!(world.human.task(&id).unwrap().verification_attempt, 2);
    let body: Value = serde_json::from_slice(world.callbacks[0].body()).unwrap();
    assert_eq!(
        (&body["status"], &body["verification_attempt"]),
        (&json!("verification_exhausted"), &json!(2))
    );
}

#[test]
fn the_old_profile_sends_at_once_and_is_loud_when_that_fails() {
    let mut world = world(Profile::V0_1_0);
    world.receiver = |_| DeliveryOutcome::Failed("ConnectError: All connection attempts failed".to_owned());
    world
        .human
        .people()
        .on(Matcher::any())
        .after(seconds(3))
        .complete(json!({}));
    let id = world.create("k", &json!({}));
    world.advance_to(START + seconds(3));
    assert_eq!((world.status(&id), world.callbacks.len()), (Status::Completed, 1));
    world.advance_to(START + DAY * 30);
    assert_eq!(world.callbacks.len(), 1);
    assert!(world.says(
        "FAILED (ConnectError: All connection attempts failed): not retried by profile v0_1_0; the task is completed but undelivered"
    ));
}

#[test]
fn todays_profile_retries_with_the_same_bytes() {
    let mut world = world(Profile::V0_1_12);
    world.receiver = |attempt| DeliveryOutcome::Answered(if attempt == 0 { 503 } else { 204 });
    world
        .human
        .people()
        .on(Matcher::any())
        .after(seconds(1))
        .complete(json!({}));
    world.create("k", &json!({}));
    world.advance_to(START + DAY);
    let [first, second] = world.callbacks.as_slice() else {
        panic!("two attempts")
    };
    assert_eq!(first.body(), second.body());
    assert_eq!(first.headers(), second.headers());
    let delivery = world.human.deliveries().next().unwrap();
    assert_eq!(
        (delivery.status, delivery.attempt_count),
        (DeliveryStatus::Succeeded, 2)
    );
    assert_eq!(delivery.last_attempt_at, Some(START + seconds(35)));
    assert!(world.says("failed (HTTP 503, attempt 1): next attempt in 30 s"));
}

#[test]
fn a_restart_keeps_tasks_and_callbacks_and_breaks_off_polls() {
    let mut world = world(Profile::V0_1_12);
    let id = world.create("k", &json!({"timeout_seconds": 60}));
    let poll = world.request("GET", &format!("/api/tasks/{id}/poll?timeout=30"), &Value::Null);
    world.now = START + seconds(1);
    world.human.stop(world.now, &mut world.journal);
    world.settle();
    assert_eq!(world.dropped, [poll]);
    let refused = world.request("GET", "/api/health", &Value::Null);
    assert_eq!(world.dropped, [poll, refused]);
    assert_eq!(world.human.poll_timeout(), None);

    // Its timeout passes while the server is down; the new process sees it at its first tick.
    world.now = START + seconds(62);
    world.human.start(world.now, &mut world.journal);
    assert_eq!(world.human.poll_timeout(), Some(START + seconds(62)));
    world.advance_to(START + seconds(62));
    assert_eq!(world.status(&id), Status::TimedOut);
    assert_eq!(world.callbacks.len(), 1);
}

#[test]
fn a_callback_under_way_during_a_restart_is_sent_again_when_its_claim_expires() {
    let mut world = world(Profile::V0_1_12);
    let id = world.create("k", &json!({}));
    world.human.cancel(world.now, &mut world.journal, &id).unwrap();
    world.human.handle_timeout(START, &mut world.journal);
    let Some(Output::Deliver { attempt, .. }) = world.human.poll_output() else {
        panic!("a callback")
    };
    world.human.restart(START + seconds(1), &mut world.journal);
    let late = DeliveryOutcome::Answered(200);
    world
        .human
        .handle_delivered(START + seconds(2), &mut world.journal, attempt, late);
    assert_eq!(world.human.deliveries().next().unwrap().status, DeliveryStatus::Pending);
    world.advance_to(START + seconds(20));
    assert_eq!(world.callbacks.len(), 1);
    let delivery = world.human.deliveries().next().unwrap();
    assert_eq!(
        (delivery.status, delivery.last_attempt_at),
        (DeliveryStatus::Succeeded, Some(START + seconds(11)))
    );
}

#[test]
fn after_a_slow_receiver_the_next_tick_comes_five_seconds_after_it_answered() {
    let mut world = world(Profile::V0_1_12);
    let ids = ["a", "b"].map(|key| world.create(key, &json!({})));
    let mut cancel = |at: Timestamp, id: &str| {
        world.human.cancel(at, &mut world.journal, id).unwrap();
        world.human.handle_timeout(at, &mut world.journal);
        world.human.poll_output()
    };
    let Some(Output::Deliver { attempt, .. }) = cancel(START, &ids[0]) else {
        panic!("a callback")
    };
    assert!(cancel(START + seconds(1), &ids[1]).is_none());
    assert_eq!(world.human.deliveries().nth(1).unwrap().attempt_count, 0);
    // Nothing is due before the receiver has answered.
    assert_eq!(world.human.poll_timeout(), None);
    let (answered_at, outcome) = (START + seconds(9), DeliveryOutcome::Answered(200));
    world
        .human
        .handle_delivered(answered_at, &mut world.journal, attempt, outcome);
    assert_eq!(world.human.poll_timeout(), Some(answered_at + Profile::TICK));
}

#[test]
fn a_long_poll_sees_the_end_at_its_next_look() {
    let mut world = world(Profile::V0_1_12);
    world
        .human
        .people()
        .on(Matcher::any())
        .after(Duration::from_millis(1_500))
        .complete(json!({"n": 1.0}));
    let id = world.create("k", &json!({}));
    let path = format!("/api/tasks/{id}/poll?timeout=30");
    let seen = world.request("GET", &path, &Value::Null);
    let abandoned = world.request("GET", &path, &Value::Null);
    world.human.handle_abandoned(abandoned);
    world.advance_to(START + Duration::from_millis(1_999));
    assert!(world.replies.is_empty());
    world.advance_to(START + seconds(2));
    let (status, body) = world.reply(seen).unwrap();
    assert_eq!(
        (status, &body["status"], &body["response"]),
        (200, &json!("completed"), &json!({"n": 1.0}))
    );
    world.advance_to(START + seconds(60));
    assert!(world.replies.is_empty());
}

#[test]
fn a_long_poll_ends_with_its_timeout() {
    let mut world = world(Profile::V0_1_12);
    let id = world.create("k", &json!({}));
    let poll = world.request("GET", &format!("/api/tasks/{id}/poll"), &Value::Null);
    world.advance_to(START + Duration::from_millis(24_999));
    assert!(world.replies.is_empty());
    world.advance_to(START + seconds(25));
    let (_, body) = world.reply(poll).unwrap();
    assert_eq!(
        body,
        json!({"status": "created", "response": null, "completed_at": null, "timed_out_at": null})
    );
}

#[test]
fn a_callback_url_that_httpx_cannot_read_breaks_the_tick() {
    let mut world = world(Profile::V0_1_12);
    let bad = world.create("bad", &json!({"callback_url": "http://127.0.0.1:abc/x"}));
    world.human.cancel(world.now, &mut world.journal, &bad).unwrap();
    world.advance_to(START + seconds(31));
    assert!(world.says("Invalid port: 'abc'"));
    assert_eq!(world.human.deliveries().next().unwrap().attempt_count, 0);
    // Every ten seconds it is taken again, for ever.
    assert_eq!(world.wakeups, 4);
}

#[test]
fn the_first_behaviour_that_fits_is_taken_as_often_as_it_says() {
    let mut world = world(Profile::V0_1_12);
    world.human.people().on(Matcher::key("b")).never();
    world
        .human
        .people()
        .on(Matcher::any())
        .times(1)
        .by("alice@example.com")
        .via("slack")
        .complete(json!({}));
    world.human.people().on(Matcher::any()).cancel();
    let [a, b, c] = ["a", "b", "c"].map(|key| world.create(key, &json!({})));
    world.advance_to(START + seconds(1));
    assert_eq!(
        [&a, &b, &c].map(|id| world.status(id)),
        [Status::Completed, Status::Created, Status::Cancelled]
    );
    let task = world.human.task(&a).unwrap();
    assert_eq!(task.completed_by_email.as_deref(), Some("alice@example.com"));
    assert_eq!(task.completed_via_channel.as_deref(), Some("slack"));
}

#[test]
fn a_script_that_comes_late_takes_up_open_tasks() {
    let mut world = world(Profile::V0_1_12);
    let id = world.create("k", &json!({"assign_to": {"email": "bob@example.com"}}));
    world.advance_to(START + DAY);
    world
        .human
        .people()
        .on(Matcher::assignee("bob@example.com"))
        .after(DAY * 2)
        .complete(json!({}));
    world.advance_to(START + DAY * 2);
    assert_eq!(world.status(&id), Status::Completed);
    assert_eq!(
        world.human.task(&id).unwrap().completed_by_email.as_deref(),
        Some("bob@example.com")
    );
}

#[test]
fn a_person_who_comes_too_late_is_told_so() {
    let mut world = world(Profile::V0_1_12);
    world.human.people().on(Matcher::any()).after(DAY).complete(json!({}));
    let id = world.create("k", &json!({"timeout_seconds": 60}));
    world.advance_to(START + DAY);
    assert_eq!(world.status(&id), Status::TimedOut);
    assert!(world.says("comes too late"));
}

#[test]
fn the_same_seed_gives_the_same_journal_and_the_same_bytes() {
    let run = || {
        let mut world = world(Profile::V0_1_12);
        world.receiver = |attempt| DeliveryOutcome::Answered(if attempt.is_multiple_of(3) { 500 } else { 200 });
        world
            .human
            .people()
            .on(Matcher::any())
            .after(seconds(90))
            .complete(json!({"ok": 1}));
        for number in 0..20 {
            world.create(&format!("k{number}"), &json!({}));
        }
        world.advance_to(START + DAY);
        let bodies: Vec<Bytes> = world.callbacks.iter().map(|callback| callback.body().clone()).collect();
        (world.journal.to_string(), bodies)
    };
    assert_eq!(run(), run());
}
