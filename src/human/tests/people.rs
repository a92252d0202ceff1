//! What people do beyond one answer: double clicks, second reviewers, office hours, answers that come too late.

use serde_json::json;

use super::*;
use crate::fault::Span;

#[test]
fn who_insists_is_refused_by_the_server() {
    let mut world = world(Profile::V0_1_12);
    let mut people = world.human.people();
    people.on(Matcher::any()).after(DAY).insists().complete(json!({}));
    drop(people);
    let id = world.create("k", &json!({"timeout_seconds": 60}));
    world.advance_to(START + DAY);
    assert_eq!(world.status(&id), Status::TimedOut);
    assert!(world.says("is refused with HTTP 409"), "{}", world.journal);
    assert!(world.says("TASK_ALREADY_TERMINAL"), "{}", world.journal);
}

#[test]
fn the_second_click_is_refused_and_the_first_counts() {
    let mut world = world(Profile::V0_1_12);
    let mut people = world.human.people();
    let clicks = people
        .on(Matcher::any())
        .after(seconds(60))
        .clicks_again_after(seconds(1));
    clicks.complete(json!({"x": 1}));
    drop(people);
    let id = world.create("k", &json!({}));
    world.advance_to(START + seconds(60));
    assert_eq!(world.status(&id), Status::Completed);
    assert!(!world.says("is refused"));
    world.advance_to(START + seconds(61));
    assert!(world.says("once more"), "{}", world.journal);
    assert!(world.says("is refused with HTTP 409"), "{}", world.journal);
    world.advance_to(START + DAY);
    assert_eq!(world.callbacks.len(), 1);
}

#[test]
fn of_two_reviewers_the_first_answer_counts() {
    let mut world = world(Profile::V0_1_12);
    let mut people = world.human.people();
    people
        .on(Matcher::any())
        .after(DAY)
        .by("slow@example.com")
        .complete(json!({}));
    people
        .on(Matcher::any())
        .besides()
        .after(seconds(60))
        .by("quick@example.com")
        .complete(json!({}));
    people.on(Matcher::any()).by("nobody@example.com").cancel();
    drop(people);
    let id = world.create("k", &json!({}));
    world.advance_to(START + DAY);
    assert_eq!(
        world.human.task(&id).unwrap().completed_by_email.as_deref(),
        Some("quick@example.com")
    );
    assert!(world.says("slow@example.com comes too late"));
    assert!(!world.says("nobody@example.com"));
}

#[test]
fn an_answer_is_rejected_twice_and_then_accepted() {
    let mut world = world(Profile::V0_1_12);
    let mut people = world.human.people();
    let on = people.on(Matcher::any()).after(seconds(60));
    on.complete_after_rejections(json!({"x": 1}), 2);
    drop(people);
    let id = world.create(
        "k",
        &json!({"verifier_config": {"provider": "claude", "instructions": "strict"}}),
    );
    world.advance_to(START + seconds(120));
    assert_eq!(world.status(&id), Status::Rejected);
    world.advance_to(START + seconds(180));
    assert_eq!(world.status(&id), Status::Completed);
    assert_eq!(world.human.task(&id).unwrap().verification_attempt, 3);
}

#[test]
fn people_act_when_they_are_at_work() {
    let mut world = world(Profile::V0_1_12);
    let hours = OfficeHours::new("09:00", "17:00").unwrap();
    world
        .human
        .people()
        .on(Matcher::any())
        .at_work(hours.clone())
        .complete(json!({}));
    let id = world.create("k", &json!({}));
    let opens = hours.next_open(START);
    assert!(opens > START);
    world.advance_to(opens - seconds(1));
    assert_eq!(world.status(&id), Status::Created);
    world.advance_to(opens);
    assert_eq!(world.status(&id), Status::Completed);
}

#[test]
fn drawn_latencies_shift_no_ids_and_are_the_same_for_the_same_seed() {
    let run = |seed: u64, latency: Latency| {
        let mut world = world(Profile::V0_1_12);
        let config = crate::human::Config::new(Box::new(|body| format!("sha256={:064x}", body.len())));
        world.human = Human::new(config, Entropy::new(seed));
        world.human.people().on(Matcher::any()).after(latency).cancel();
        for number in 0..5 {
            world.create(&format!("k{number}"), &json!({}));
        }
        world.advance_to(START + DAY * 20);
        let tasks = world.human.tasks();
        let (ids, ends): (Vec<_>, Vec<_>) = tasks.map(|task| (task.id.clone(), task.completed_at)).unzip();
        (ids, ends, world.journal.to_string())
    };
    let drawn = Latency::Exponential {
        mean: Span::from_seconds(3_600),
    };
    let (ids, _, journal) = run(7, drawn);
    assert_eq!(run(7, drawn).2, journal);
    assert_eq!(run(7, Latency::default()).0, ids);
    assert_ne!(run(8, drawn).2, journal);
    let times: std::collections::BTreeSet<_> = journal
        .lines()
        .filter(|line| line.contains("cancels"))
        .map(|line| line[..30].to_owned())
        .collect();
    assert_eq!(times.len(), 5, "{journal}");
}
