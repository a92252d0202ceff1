//! Every exchange and every webhook that was recorded from real awaithumans servers, played against the fake one: statuses,
//! headers and bodies must be the same, byte for byte, but for ids, times and tokens.
//!
//! - `recording.rs`: the fixtures, in the order in which things happened at each server
//! - `player.rs`: one fake server for each recorded one, in virtual time
//! - `substitution.rs`: what may differ, and how two texts are compared
//! - `receiver.rs`: the recording scripts' webhook receiver
//! - `secrets.rs`: the setup token and the links in e-mails
//! - `by_sql.rs`: what the scripts did to the real server's database
//!
//! `differing.txt` lists what isn't equal yet, a line each: topic, line of the fixture, and words for the reader. An entry that has
//! become equal must leave it.

mod by_sql;
mod player;
mod receiver;
mod recording;
mod secrets;
mod substitution;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use player::Player;
use recording::Recording;

/// The token of every recorded server.
const TOKEN: &str = "golden-admin-token-0123456789";

#[test]
fn recorded_exchanges_are_answered_as_recorded() {
    let recording = Recording::load();
    let outcomes: Vec<_> = recording
        .servers()
        .into_iter()
        .flat_map(|server| Player::new(&recording, server).play())
        .collect();
    let listed: BTreeSet<&str> = include_str!("differing.txt")
        .lines()
        .filter_map(|line| line.match_indices(' ').nth(1).map(|(end, _)| &line[..end]))
        .collect();
    let mut wrong = String::new();
    for outcome in &outcomes {
        let (id, name) = (&outcome.id, &outcome.name);
        let _ = match (&outcome.difference, listed.contains(id.as_str())) {
            (Some(difference), false) => writeln!(wrong, "{id} {name}\n{difference}"),
            (None, true) => writeln!(wrong, "{id} {name}\n  is equal now: take it off differing.txt"),
            _ => Ok(()),
        };
    }
    for (what, is_receipt) in [("exchanges", false), ("webhooks", true)] {
        let all = || outcomes.iter().filter(|outcome| outcome.is_receipt == is_receipt);
        let equal = all().filter(|outcome| outcome.difference.is_none()).count();
        println!("{equal} of {} {what} equal", all().count());
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(outcomes.len(), 1_669 + 206, "everything that was recorded was played");
}
