//! Every exchange and every webhook that was recorded from real awaithumans servers, played against the fake one: statuses,
//! headers and bodies must be the same, byte for byte, but for ids, times and tokens.
//!
//! - `recording.rs`: the fixtures, in the order in which things happened at each server
//! - `player.rs`: one fake server for each recorded one, in virtual time
//! - `substitution.rs`: what may differ, and how two texts are compared
//! - `language_model.rs`: the recorded servers' verifiers
//! - `receiver.rs`: the recording scripts' webhook receiver
//! - `secrets.rs`: the setup token and the links in e-mails
//! - `facts.rs`: what the scripts measured beside exchanges and webhooks, the state machine's cells among it
//! - `by_sql.rs`: what the scripts did to the real server's database

mod by_sql;
mod facts;
mod language_model;
mod player;
mod receiver;
mod recording;
mod secrets;
mod substitution;

use std::fmt::Write as _;

use player::Player;
use recording::Recording;

use crate::human::Config;

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
    let mut wrong = String::new();
    for outcome in &outcomes {
        if let Some(difference) = &outcome.difference {
            let _ = writeln!(wrong, "{} {}\n{difference}", outcome.id, outcome.name);
        }
    }
    for (what, is_receipt) in [("exchanges", false), ("webhooks", true)] {
        let all = || outcomes.iter().filter(|outcome| outcome.is_receipt == is_receipt);
        let equal = all().filter(|outcome| outcome.difference.is_none()).count();
        println!("{equal} of {} {what} equal", all().count());
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(outcomes.len(), 1_669 + 206, "everything that was recorded was played");
}

/// Topic 19: a real server that was given a bad key didn't start, and said why.
#[test]
fn bad_keys_are_refused_as_recorded() {
    let recording = Recording::load();
    let bad = [
        ("bad key 16 bytes", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("bad key not base64", "!!!"),
        ("bad key 31 bytes", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    for (name, key) in bad {
        let said = recording.fact("19_boot_options", name)["tail"][0].as_str().unwrap();
        let (_, said) = said.split_once("EncryptionKeyError: ").unwrap();
        let refusal = Config::from_variables([("AWAITHUMANS_PAYLOAD_KEY", key)]).unwrap_err();
        assert_eq!(refusal.to_string(), said, "{name}");
    }
}
