//! Ten real-world bugs, each seeded into a small workflow or receiver. `explore` finds each, with a plan of a few steps; the same body with the
//! bug fixed survives.
//!
//! `BUG_GALLERY_SEEDS=20000 cargo test --release --test it bugs::` plays the fixed ones under as many seeds as the issue asks for; without it
//! they play a few.

#![allow(unreachable_pub, reason = "the SDK's macros want what they expand to to be public")]

mod asking;
mod paying;
mod receiving;
mod shop;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;

use awaithumans_testkit::Testkit;
use awaithumans_testkit::explore::Explore;
use awaithumans_testkit::strategies::PlanOptions;

/// Within so many seeds each bug must be found.
const SEEDS: Range<u64> = 0..2_000;

/// The most steps that a shrunk plan may have.
const MAX_STEPS: usize = 5;

fn explore(name: &str) -> Explore {
    let plans = PlanOptions::default().workflows(["order-1", "order-2"]);
    Explore::new(name).plans(plans).regressions(None)
}

/// So many seeds as an environment variable says, or those from one to another (`5506..5507`).
fn seeds(variable: &str, otherwise: u64) -> Range<u64> {
    let Ok(seeds) = std::env::var(variable) else {
        return 0..otherwise;
    };
    let (from, to) = seeds.split_once("..").unwrap_or(("0", &seeds));
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{variable}={seeds}: not seeds"));
    number(from)..number(to)
}

/// The bug is found, its plan is small, and it fails again, to the byte.
fn finds(name: &str, words: &str, body: impl AsyncFn(&Testkit) + Sync) {
    let report = explore(name).seeds(SEEDS).run(&body);
    let found = report
        .failure
        .unwrap_or_else(|| panic!("{name}: not found\n{}", report.coverage));
    assert!(
        found.message.contains(words),
        "{name}: something else was found\n{found}"
    );
    println!(
        "{name}: seed {}, {} steps: {}",
        found.seed,
        found.plan.steps(),
        found.message.lines().next().unwrap_or_default()
    );
    assert!(found.plan.steps() <= MAX_STEPS, "{found}");
    let again = explore(name).seeds(found.seed..found.seed + 1).run(&body);
    let again = again
        .failure
        .unwrap_or_else(|| panic!("{name}: not found again\n{found}"));
    assert_eq!(found.plan, again.plan, "{name}");
    assert_eq!(found.journal, again.journal, "{name}: the same seed, another journal");
}

/// The fixed body survives.
fn survives(name: &str, body: impl AsyncFn(&Testkit) + Sync) {
    let report = explore(name)
        .seeds(seeds("BUG_GALLERY_SEEDS", 40))
        .run(async |kit: &Testkit| {
            body(kit).await;
            let left_behind = kit.unreproducible();
            if !left_behind.is_empty() {
                println!("{name}, seed {}: {left_behind:?}\n{}", kit.seed(), kit.timeline());
            }
        });
    if let Some(failure) = report.failure {
        panic!("{failure}");
    }
    println!("{name}: {} runs", report.coverage.runs());
}

macro_rules! gallery {
    ($($name:ident => $body:path, $words:literal;)+) => {
        $(
            mod $name {
                use awaithumans_testkit::Testkit;

                #[test]
                fn is_found() {
                    super::finds(stringify!($name), $words, async |kit: &Testkit| $body(kit, false).await);
                }

                #[test]
                fn is_gone_when_fixed() {
                    super::survives(stringify!($name), async |kit: &Testkit| $body(kit, true).await);
                }
            }
        )+
    };
}

gallery! {
    no_dedupe_on_replay => super::receiving::no_dedupe_on_replay, "happened 2 times";
    key_from_a_timestamp => super::asking::key_from_a_timestamp, "2 tasks for one order";
    signal_handler_too_late => super::asking::signal_handler_too_late, "somebody still waits";
    signals_before_verifying => super::receiving::signals_before_verifying, "doesn't verify has signalled";
    trusts_the_workflow_in_the_url => super::receiving::trusts_the_workflow_in_the_url, "nobody has answered its task";
    pays_before_the_approval => super::paying::pays_before_the_approval, "nobody has approved it";
    timeout_shorter_than_the_servers => super::asking::timeout_shorter_than_the_servers, "a person may still answer";
    retries_a_payment_that_isnt_idempotent => super::paying::retries_a_payment_that_isnt_idempotent, "times";
    ignores_verification_exhausted => super::paying::ignores_verification_exhausted, "nobody has approved it";
    two_awaits_with_one_key => super::asking::two_awaits_with_one_key, "two reviews were taken from 1 task";
}

/// What a seed's run came to: its journal when the body was done, and who had to be left behind.
type Run = (String, Vec<String>);

/// Two explorations of the same seeds have the same journals and see the same, faults and all. A run that says itself that it may not repeat,
/// since the machine had too much else to do, proves nothing.
#[test]
fn explorations_repeat() {
    let explored = || {
        let runs: Mutex<BTreeMap<u64, Run>> = Mutex::default();
        let explore = explore("explorations repeat").seeds(seeds("REPEAT_SEEDS", 15));
        let report = explore.run(async |kit: &Testkit| {
            paying::pays_before_the_approval(kit, true).await;
            let run = (kit.journal().to_string(), kit.unreproducible());
            runs.lock().unwrap().insert(kit.seed(), run);
        });
        if let Some(failure) = report.failure {
            panic!("{failure}");
        }
        (runs.into_inner().unwrap(), report.coverage)
    };
    let (first, seen) = explored();
    let (second, seen_again) = explored();
    assert_eq!(first.len(), second.len());
    for ((seed, (one, left)), (other, left_again)) in first.iter().zip(second.values()) {
        if left.is_empty() && left_again.is_empty() {
            let lines = one.lines().zip(other.lines());
            let differ = lines.enumerate().find(|(_, (one, other))| one != other);
            assert!(one == other, "seed {seed} gives two journals: {differ:#?}");
        }
    }
    if seen.seen("run:not reproducible") + seen_again.seen("run:not reproducible") == 0 {
        assert_eq!(seen, seen_again);
    }
}
