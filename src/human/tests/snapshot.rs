//! A server that is restored is the one that was restarted.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{START, World, seconds, world};
use crate::Entropy;
use crate::human::{DeliveryOutcome, Human, Matcher, Output, Profile, RestoreError, Snapshot, Verdict};

/// Something that comes to the server, by numbers that choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Create { key: u8, kind: u8, timeout_seconds: u64 },
    Act { action: u8, task: u8 },
    Read { what: u8, task: u8 },
    Manage { what: u8, number: u8 },
    Advance { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (
            0..12_u8,
            0..8_u8,
            prop::sample::select(vec![60_u64, 61, 90, 3_600, 2_592_000])
        )
            .prop_map(|(key, kind, timeout_seconds)| Step::Create {
                key,
                kind,
                timeout_seconds
            }),
        (0..5_u8, any::<u8>()).prop_map(|(action, task)| Step::Act { action, task }),
        (0..8_u8, any::<u8>()).prop_map(|(what, task)| Step::Read { what, task }),
        (0..6_u8, 0..5_u8).prop_map(|(what, number)| Step::Manage { what, number }),
        prop::sample::select(vec![0_u64, 1, 4, 5, 30, 61, 600, 90_000]).prop_map(|seconds| Step::Advance { seconds }),
    ]
}

/// Takes every other callback.
fn moody(number: usize) -> DeliveryOutcome {
    match number % 4 {
        0 => DeliveryOutcome::Answered(200),
        1 => DeliveryOutcome::Answered(503),
        2 => DeliveryOutcome::Failed("ConnectError: All connection attempts failed".to_owned()),
        _ => DeliveryOutcome::Answered(302),
    }
}

/// A server with a script, in a world of its own.
fn scripted(seed: u64) -> World {
    let mut world = world(Profile::V0_1_12);
    world.receiver = |_| DeliveryOutcome::Answered(503);
    let mut config = crate::human::Config::new(Box::new(|body| format!("sha256={:064x}", body.len())));
    config.slack_bot_token = Some("xoxb-1".to_owned());
    world.human = Human::new(config, Entropy::new(seed));
    let mut people = world.human.people();
    people
        .on(Matcher::title_contains("soon"))
        .after(seconds(20))
        .by("dana@example.com")
        .complete(json!({"x": 1}));
    people
        .on(Matcher::title_contains("late"))
        .after(seconds(90_000))
        .via("slack")
        .cancel();
    drop(people);
    world
        .human
        .verifier()
        .of_provider("claude", Verdict::Reject("vague".to_owned()));
    world
}

/// Carries a step out; gives what was answered.
fn carry_out(world: &mut World, step: &Step) -> Vec<(u16, String)> {
    let ids: Vec<String> = world.human.tasks().map(|task| task.id.clone()).collect();
    let id = |number: u8| {
        ids.get(usize::from(number) % ids.len().max(1))
            .map_or("nobody", String::as_str)
    };
    let (method, path, body) = match step {
        Step::Create {
            key,
            kind,
            timeout_seconds,
        } => {
            let title = ["soon", "late", "never", "soon verified"][usize::from(kind % 4)];
            let mut task = json!({
                "task": title, "payload": {"n": 1e300, "text": "ü"}, "payload_schema": {}, "response_schema": {},
                "timeout_seconds": timeout_seconds, "idempotency_key": format!("key {key}"),
                "callback_url": (kind % 2 == 0).then_some("http://receiver.test/callback"),
                "redact_response_after_submit": *kind == 4,
                "notify": (*kind > 4).then_some(json!(["email:eve@example.com", "slack:#ops"])),
            });
            if *kind == 3 {
                task["verifier_config"] = json!({"provider": "claude", "instructions": "strict"});
            }
            if *kind == 6 {
                task["assign_to"] = json!({"pool": "finance"});
            }
            ("POST", "/api/tasks".to_owned(), task)
        }
        Step::Act { action, task } => {
            let (method, path) = [
                ("POST", format!("/api/tasks/{}/complete", id(*task))),
                ("POST", format!("/api/tasks/{}/cancel", id(*task))),
                ("DELETE", format!("/api/tasks/{}", id(*task))),
                ("POST", format!("/api/tasks/{}/claim", id(*task))),
                ("GET", format!("/api/tasks/{}/poll?timeout=3", id(*task))),
            ][usize::from(*action)]
            .clone();
            (method, path, json!({"response": {"ok": [true, null]}}))
        }
        Step::Read { what, task } => {
            let path = match what {
                0 => "/api/tasks".to_owned(),
                1 => format!("/api/tasks/{}", id(*task)),
                2 => format!("/api/tasks/{}/audit", id(*task)),
                3 => "/api/admin/webhook-deliveries".to_owned(),
                4 => "/api/admin/users".to_owned(),
                5 => "/api/channels/email/identities".to_owned(),
                6 => "/api/stats/tasks".to_owned(),
                _ => "/api/setup/status".to_owned(),
            };
            ("GET", path, Value::Null)
        }
        Step::Manage { what, number } => {
            let delivery = world
                .human
                .deliveries()
                .nth(usize::from(*number))
                .map(|row| row.id.clone());
            let user = world
                .human
                .users()
                .nth(usize::from(*number))
                .map(|user| user.id.clone());
            let email = format!("user{number}@example.com");
            match what {
                0 => (
                    "POST",
                    format!(
                        "/api/admin/webhook-deliveries/{}/redeliver",
                        delivery.unwrap_or_default()
                    ),
                    Value::Null,
                ),
                1 => (
                    "POST",
                    "/api/admin/users".to_owned(),
                    json!({"email": email, "pool": "finance"}),
                ),
                2 => (
                    "PATCH",
                    format!("/api/admin/users/{}", user.unwrap_or_default()),
                    json!({"display_name": "D", "active": number % 2 == 0}),
                ),
                3 => (
                    "DELETE",
                    format!("/api/admin/users/{}", user.unwrap_or_default()),
                    Value::Null,
                ),
                4 => (
                    "POST",
                    "/api/channels/email/identities".to_owned(),
                    json!({"id": format!("i{number}"), "display_name": "I", "from_email": email, "transport": "noop",
                        "transport_config": {}}),
                ),
                _ => (
                    "DELETE",
                    format!("/api/channels/email/identities/i{number}"),
                    Value::Null,
                ),
            }
        }
        Step::Advance { seconds: count } => {
            let until = world.now + seconds(*count);
            world.advance_to(until);
            return answers(world);
        }
    };
    world.request(method, &path, &body);
    answers(world)
}

/// What was answered since the last time: statuses and bodies in the order of the tickets.
fn answers(world: &mut World) -> Vec<(u16, String)> {
    let replies = std::mem::take(&mut world.replies);
    let text = |response: http::Response<bytes::Bytes>| {
        (
            response.status().as_u16(),
            String::from_utf8_lossy(response.body()).into_owned(),
        )
    };
    replies.into_values().map(text).collect()
}

fn written(world: &World) -> String {
    serde_json::to_string(&world.human.snapshot(world.now)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_restored_server_is_the_one_that_was_restarted(
        before in prop::collection::vec(step(), 0..40),
        later in prop::collection::vec(step(), 0..30),
    ) {
        let mut restarted = scripted(7);
        restarted.receiver = moody;
        for step in &before {
            carry_out(&mut restarted, step);
        }
        let text = written(&restarted);

        // Another seed: nothing of the server it is put into remains.
        let mut restored = scripted(8);
        restored.receiver = moody;
        restored.create("of another life", &json!({}));
        restored.replies.clear();
        restored.now = restarted.now;
        restored.ticket = restarted.ticket;
        restored.callbacks = restarted.callbacks.clone();
        let snapshot: Snapshot = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&snapshot).unwrap(), text.clone());
        restored.human.restore(restored.now, &mut restored.journal, snapshot).unwrap();
        if restored.human.users().next().is_some() {
            prop_assert_eq!(written(&restored), text);
        }

        restarted.human.restart(restarted.now, &mut restarted.journal);
        restarted.settle();
        restored.settle();
        prop_assert_eq!(written(&restored), written(&restarted));
        for step in &later {
            prop_assert_eq!(carry_out(&mut restored, step), carry_out(&mut restarted, step), "{:?}", step);
        }
        let until = restarted.now + seconds(100_000);
        restarted.advance_to(until);
        restored.advance_to(until);
        prop_assert_eq!(answers(&mut restored), answers(&mut restarted));
        prop_assert_eq!(restored.callbacks.len(), restarted.callbacks.len());
        prop_assert_eq!(written(&restored), written(&restarted));
    }
}

#[test]
fn a_callback_under_way_is_tried_again_when_its_claim_expires() {
    let mut world = scripted(7);
    let id = world.create("k", &json!({}));
    world.human.cancel(world.now, &mut world.journal, &id).unwrap();
    world.now = START + seconds(5);
    world.human.handle_timeout(world.now, &mut world.journal);
    let attempt = |human: &mut Human| match human.poll_output() {
        Some(Output::Deliver { attempt, .. }) => attempt,
        other => panic!("a callback to send: {other:?}"),
    };
    let before = attempt(&mut world.human);

    let snapshot = world.human.snapshot(world.now);
    world.human.restore(world.now, &mut world.journal, snapshot).unwrap();
    assert_eq!(
        world.human.poll_timeout(),
        Some(START + seconds(15)),
        "ten seconds after it was taken"
    );
    // How the attempt of before ends doesn't matter any more.
    world
        .human
        .handle_delivered(world.now, &mut world.journal, before, DeliveryOutcome::Answered(200));
    assert_eq!(world.human.deliveries().next().unwrap().attempt_count, 0);
    world.now = START + seconds(15);
    world.human.handle_timeout(world.now, &mut world.journal);
    let again = attempt(&mut world.human);
    assert_ne!(again, before);
    world
        .human
        .handle_delivered(world.now, &mut world.journal, again, DeliveryOutcome::Answered(200));
    assert_eq!(world.human.deliveries().next().unwrap().attempt_count, 1);
}

#[test]
fn long_polls_break_off_and_who_had_a_turn_has_no_second_one() {
    let mut world = scripted(7);
    let verified = json!({"task": "soon", "verifier_config": {"provider": "claude", "instructions": "strict"}});
    let id = world.create("k", &verified);
    world.advance_to(START + seconds(21));
    assert_eq!(world.human.task(&id).unwrap().verification_attempt, 1);
    let poll = world.request("GET", &format!("/api/tasks/{id}/poll"), &Value::Null);
    let snapshot = world.human.snapshot(world.now);
    world.human.restore(world.now, &mut world.journal, snapshot).unwrap();
    world.settle();
    assert_eq!(world.dropped, [poll]);
    world.advance_to(START + seconds(1_000));
    assert_eq!(world.human.task(&id).unwrap().verification_attempt, 1);
}

#[test]
fn a_snapshot_of_another_format_or_from_the_future_is_refused() {
    let mut world = scripted(7);
    let later = world.human.snapshot(START + seconds(1));
    let refused = world.human.restore(START, &mut world.journal, later);
    let from_the_future = RestoreError::FromTheFuture {
        taken_at: START + seconds(1),
        now: START,
    };
    assert_eq!(refused, Err(from_the_future));

    let id = world.create("k", &json!({}));
    let text = written(&world);
    let error = |text: &str| serde_json::from_str::<Snapshot>(text).unwrap_err().to_string();
    let newer = text.replacen("\"format\":1", "\"format\":2", 1);
    assert!(
        error(&newer).contains("format 2, which a newer release"),
        "{}",
        error(&newer)
    );
    assert!(error(&text[..text.len() / 2]).contains("EOF"));
    assert!(error("{}").contains("format"));
    let other_id = text.replacen(&format!("\"id\":\"{id}\""), "\"id\":\"0\"", 1);
    assert!(error(&other_id).contains("says that it is"), "{}", error(&other_id));
    let unknown = text.replacen("\"used_links\":[]", "\"used_links\":[],\"more\":1", 1);
    assert!(error(&unknown).contains("unknown field `more`"), "{}", error(&unknown));
}
