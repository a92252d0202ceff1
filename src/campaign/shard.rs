//! Seeds, played one after the other: the same tally wherever that is done, and by however many.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Seeds, Tally};
use crate::Threads;
use crate::explore;
use crate::player;
use crate::scenario::{Coverage, ScenarioFile};

/// How often a seed is played whose run says that it may not repeat: a worker was left behind, since the machine had too much else to do.
const TRIES: u32 = 5;

/// How far a shard is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    /// The seed that comes next; all below it are in the tally.
    pub(super) next: u64,
    pub(super) tally: Tally,
}

impl Progress {
    pub(super) fn at(next: u64) -> Self {
        Self {
            next,
            tally: Tally::default(),
        }
    }
}

/// Plays what is left of a shard, and tells after each seed how far it is. Ends early if it is told to stop.
pub(super) fn play_rest(
    file: &ScenarioFile,
    end: u64,
    mut progress: Progress,
    stop: &AtomicBool,
    mut tell: impl FnMut(&Progress),
) -> Progress {
    while progress.next < end && !stop.load(Ordering::SeqCst) {
        play_seed(file, progress.next, &mut progress.tally);
        progress.next += 1;
        tell(&progress);
    }
    progress
}

/// Plays seeds on threads of this process, and tells after each how many are done.
pub(super) fn play_on_threads(
    file: &ScenarioFile,
    seeds: Seeds,
    threads: Threads,
    tell: &(impl Fn(u64) + Sync),
) -> Tally {
    let next = AtomicU64::new(seeds.first());
    let done = AtomicU64::new(0);
    let sum: Mutex<Tally> = Mutex::default();
    let thread = |_| {
        let mut tally = Tally::default();
        loop {
            let seed = next.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |seed| {
                (seed < seeds.end()).then(|| seed + 1)
            });
            let Ok(seed) = seed else {
                break;
            };
            play_seed(file, seed, &mut tally);
            tell(done.fetch_add(1, Ordering::SeqCst) + 1);
        }
        sum.lock().unwrap_or_else(PoisonError::into_inner).add(&tally);
    };
    // Each seed has a world of its own, and tallies add up to the same in any order.
    threads.run(thread);
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn play_seed(file: &ScenarioFile, seed: u64, tally: &mut Tally) {
    let mut played = play_once(file, seed);
    for _ in 1..TRIES {
        if played.repeats {
            break;
        }
        played = play_once(file, seed);
    }
    if !played.repeats {
        played.coverage.count("run:not reproducible".to_owned());
    }
    tally.add_seed(seed, &played.coverage, played.failure.as_deref());
}

struct Once {
    coverage: Coverage,
    failure: Option<String>,
    repeats: bool,
}

fn play_once(file: &ScenarioFile, seed: u64) -> Once {
    let file = file.clone().seed(seed);
    let played = explore::alone(explore::catch(AssertUnwindSafe(player::play_exactly(&file))));
    match played {
        Ok(played) => Once {
            failure: played
                .broken
                .or_else(|| file.judge(&played.seen).err().map(|error| error.to_string())),
            repeats: played.unreproducible.is_empty(),
            coverage: played.coverage,
        },
        Err(panic) => Once {
            coverage: Coverage::default(),
            failure: Some(panic),
            repeats: true,
        },
    }
}
