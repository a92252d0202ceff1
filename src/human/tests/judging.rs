//! Verdicts that take their time.

use serde_json::{Value, json};

use super::{START, World, seconds, world};
use crate::human::{Profile, Status, Verdict};

const VERIFIER: &str = r#"{"verifier_config":{"provider":"claude","instructions":"be strict","max_attempts":2}}"#;

/// A server whose verifier refuses everything after ten seconds, and a task of it.
fn slow_world() -> (World, String) {
    let mut world = world(Profile::V0_1_12);
    let verdict = Verdict::Reject("too vague".to_owned()).after(seconds(10));
    world.human.verifier().by_default(verdict);
    let id = world.create("k", &serde_json::from_str(VERIFIER).unwrap());
    (world, id)
}

fn answer(world: &mut World, id: &str) -> u64 {
    world.request(
        "POST",
        &format!("/api/tasks/{id}/complete"),
        &json!({"response": {"a": 1}}),
    )
}

#[test]
fn an_answer_waits_for_its_verdict() {
    let (mut world, id) = slow_world();
    let ticket = answer(&mut world, &id);
    world.advance_to(START + seconds(9));
    assert_eq!((world.reply(ticket), world.status(&id)), (None, Status::Created));
    world.advance_to(START + seconds(10));
    let (status, task) = world.reply(ticket).unwrap();
    assert_eq!(
        (status, &task["status"], &task["response"]),
        (200, &json!("rejected"), &json!({"a": 1}))
    );
}

#[test]
fn what_happens_to_the_task_meanwhile_comes_first() {
    let (mut world, id) = slow_world();
    let ticket = answer(&mut world, &id);
    world.human.cancel(world.now, &mut world.journal, &id).unwrap();
    world.advance_to(START + seconds(10));
    let (status, body) = world.reply(ticket).unwrap();
    assert_eq!((status, &body["error"]), (409, &json!("TASK_ALREADY_TERMINAL")));
    assert_eq!(world.human.task(&id).unwrap().verification_attempt, 0);

    let (mut world, id) = slow_world();
    let ticket = answer(&mut world, &id);
    assert_eq!(world.ask("DELETE", &format!("/api/tasks/{id}"), &Value::Null).0, 204);
    world.advance_to(START + seconds(10));
    assert_eq!(world.reply(ticket).unwrap().0, 500);
}

#[test]
fn two_answers_at_the_same_time_are_one_attempt() {
    let (mut world, id) = slow_world();
    let tickets = [answer(&mut world, &id), answer(&mut world, &id)];
    world.advance_to(START + seconds(10));
    for ticket in tickets {
        let (status, task) = world.reply(ticket).unwrap();
        assert_eq!((status, &task["verification_attempt"]), (200, &json!(1)));
    }
    assert_eq!(world.status(&id), Status::Rejected);
}

#[test]
fn an_answer_outlives_its_client_but_not_the_server() {
    let (mut world, id) = slow_world();
    let ticket = answer(&mut world, &id);
    world.human.handle_abandoned(ticket);
    world.advance_to(START + seconds(10));
    assert_eq!((world.reply(ticket), world.status(&id)), (None, Status::Rejected));

    let (mut world, id) = slow_world();
    let ticket = answer(&mut world, &id);
    world.human.restart(world.now, &mut world.journal);
    world.settle();
    assert_eq!(world.dropped, [ticket]);
    world.advance_to(START + seconds(60));
    assert_eq!(world.status(&id), Status::Created);
}
