//! What the testkit says to people: timelines, and who waits for what.

use std::fmt::Write as _;

use crate::journal::Journal;
use crate::world::World;

/// The headlines, each with its time since the start, its party and its words.
pub(super) fn timeline(journal: &Journal) -> String {
    let mut text = String::new();
    let mut entries = journal.entries().iter().filter(|entry| entry.headline).peekable();
    let Some(start) = entries.peek().map(|entry| entry.at) else {
        return text;
    };
    for entry in entries {
        let elapsed = elapsed(entry.at.since(start));
        let _ = writeln!(text, "{elapsed:>14}  {:<11}  {}", entry.party.name(), entry.what);
    }
    text
}

/// A duration as `2d 03:04:05.006`, days and milliseconds only where there are any.
fn elapsed(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let mut text = match days {
        0 => String::new(),
        days => format!("{days}d "),
    };
    let _ = write!(text, "{hours:02}:{minutes:02}:{:02}", seconds % 60);
    if duration.subsec_millis() > 0 {
        let _ = write!(text, ".{:03}", duration.subsec_millis());
    }
    text
}

/// Time is held by the test itself.
pub(super) fn held(world: &World) -> Option<String> {
    let reasons: Vec<String> = world.held_by().collect();
    (!reasons.is_empty()).then(|| {
        format!(
            "time is held ({}), so nothing that needs time can happen",
            reasons.join(", ")
        )
    })
}

/// A workflow task that keeps failing: waiting for it makes no sense.
pub(super) fn failing_workflow(world: &World) -> Option<String> {
    world.temporal().failing_workflow()
}

/// Schedules have fired so often during a wait, nothing else is due, and nobody was helped: who waits for what.
pub(super) fn endless_schedules(world: &World, fired: u64) -> Option<String> {
    world.is_endless(fired).then(|| {
        let headline =
            format!("schedules have fired {fired} times, nothing else can happen, and somebody still waits:\n");
        waiting(world, headline)
    })
}

/// Nothing can ever move again: who waits for what.
pub(super) fn stall(world: &World) -> String {
    waiting(
        world,
        "nothing can move any more, and somebody still waits:\n".to_owned(),
    )
}

fn waiting(world: &World, mut text: String) -> String {
    let mut found = false;
    for line in world.temporal().who_waits() {
        found = true;
        let _ = writeln!(text, "  - {line}");
    }
    for task in world.human().tasks().filter(|task| !task.status.is_terminal()) {
        found = true;
        let _ = writeln!(
            text,
            "  - task “{}” (key {}) waits for a person; no line of the script is for it: kit.humans().on(…)",
            task.title, task.idempotency_key
        );
    }
    if !found {
        text.push_str("  - the test itself: no workflow and no task is open\n");
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
    for entry in headlines.iter().rev().take(8).rev() {
        let _ = writeln!(text, "  {entry}");
    }
    text
}
