//! Who waits for what, when nothing can move.

use std::fmt::Write as _;

use super::plain::plain;
use crate::world::World;

/// How many of the last headlines a report shows.
const LAST_HEADLINES: usize = 8;

/// Time is held by the test itself.
pub(in crate::testkit) fn held(world: &World) -> Option<String> {
    let reasons: Vec<String> = world.held_by().collect();
    (!reasons.is_empty()).then(|| {
        format!(
            "time is held ({}), so nothing that needs time can happen",
            reasons.join(", ")
        )
    })
}

/// A workflow task that keeps failing: waiting for it makes no sense.
pub(in crate::testkit) fn failing_workflow(world: &World) -> Option<String> {
    world.temporal().failing_workflow()
}

/// Schedules have fired so often during a wait, nothing else is due, and nobody was helped: who waits for what.
pub(in crate::testkit) fn endless_schedules(world: &World, fired: u64) -> Option<String> {
    world.is_endless(fired).then(|| {
        let headline =
            format!("schedules have fired {fired} times, nothing else can happen, and somebody still waits:\n");
        waiting(world, headline)
    })
}

/// Nothing can ever move again: who waits for what.
pub(in crate::testkit) fn stall(world: &World) -> String {
    waiting(
        world,
        "nothing can move any more, and somebody still waits:\n".to_owned(),
    )
}

/// Somebody has lost patience with the test: who is at work, and who waits for what.
#[cfg(unix)]
pub(super) fn interrupted(world: &World) -> String {
    let mut text = format!("it is {} in virtual time\n", world.now());
    for line in world.busy_with() {
        let _ = writeln!(text, "  - time doesn't move because of {line}");
    }
    match world.poll_timeout() {
        Some(due) => drop(writeln!(
            text,
            "  - the next thing is due at {due}, if anybody lets time go on"
        )),
        None => text.push_str("  - nothing is due, however long anybody waits\n"),
    }
    text.push_str("who waits for what:\n");
    waiting(world, text)
}

fn waiting(world: &World, mut text: String) -> String {
    let mut found = false;
    for line in world.temporal().who_waits() {
        found = true;
        let _ = writeln!(text, "  - {}", plain(&line));
    }
    for task in world.human().tasks().filter(|task| !task.status.is_terminal()) {
        found = true;
        let who = match world.human().is_unplanned(&task.id) {
            true => "a person; no line of the script is for it: kit.humans().on(…)",
            false => "the person whom a line of the script has for it",
        };
        let line = format!("task “{}” (key {}) waits for {who}", task.title, task.idempotency_key);
        let _ = writeln!(text, "  - {}", plain(&line));
    }
    if !found {
        text.push_str("  - the test itself: no workflow and no task is open\n");
    }
    for line in world.struck() {
        let _ = writeln!(text, "  - {}", plain(&line));
    }
    if !world.human().is_running() {
        text.push_str("  - the awaithumans server is down\n");
    }
    text.push_str("the last things that happened:\n");
    let headlines: Vec<_> = world
        .journal()
        .entries()
        .iter()
        .filter(|entry| entry.headline)
        .collect();
    for entry in headlines.iter().rev().take(LAST_HEADLINES).rev() {
        let _ = writeln!(text, "  {}", plain(&entry.to_string()));
    }
    text
}
