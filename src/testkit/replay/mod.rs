//! Replays: each finished workflow's history, once more, by the code that it is of.
//!
//! A worker made of the options of the one that finished the run gets the history from a [`Desk`], three times: as a whole (cold), workflow task
//! by workflow task with the run in its cache (warm), and up to each task after it has lost the run (after an eviction). Nothing of it
//! reaches the world: no time passes, no activity runs, and the journal is as it was, unless a history doesn't replay.
//!
//! - `recording.rs`: a history, cut at its workflow tasks; `desk.rs`: where the worker gets them; `stage.rs`: the worker

mod desk;
mod recording;
mod stage;

use std::collections::BTreeMap;
use std::fmt;

use recording::Recording;
use stage::Stage;

use super::{Error, NAMESPACE, Testkit};

/// What [`Testkit::check_replays`] has replayed, and what not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replays {
    /// How many histories replay, in every way that they can be replayed.
    pub replayed: usize,
    /// Those among them that were replayed cold alone, and why: their workflow tasks can't be given to a worker one by one.
    pub only_cold: Vec<String>,
    /// Those that nobody here can replay, and why: their code isn't in this process.
    pub left_out: Vec<String>,
}

/// In which way a history is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By a worker that has never seen it, all at once.
    Cold,
    /// By a worker that has the run in its cache: each workflow task with what is new.
    Warm,
    /// By a worker that has lost the run before each workflow task: everything up to there.
    AfterEviction,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::AfterEviction => "after an eviction",
        })
    }
}

impl Testkit {
    /// Replays the history of each workflow that is over, by the code of the worker that finished it, also if that worker is gone: cold (all
    /// of it at once), warm (workflow task by workflow task, with the run in the cache) and after an eviction (up to each workflow task). Code that
    /// asks for something else than its history has isn't deterministic, and that breaks an invariant. No time passes, no activity runs, and the
    /// journal stays as it is, but for the line of a broken invariant.
    ///
    /// Explorations and scenario files do it at the end of each run.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # use awaithumans_testkit::Testkit;
    /// # let kit = Testkit::start().await;
    /// // Start workers and workflows, let time run until they are over; then:
    /// let replays = kit.check_replays().await.unwrap();
    /// assert!(replays.left_out.is_empty(), "{replays:?}");
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::is_broken_invariant`] if a history doesn't replay: the text says which workflow's, in which of the three ways, and what the SDK
    /// says.
    pub async fn check_replays(&self) -> Result<Replays, Error> {
        let runs = self.driver.read(|world| world.temporal().closed_runs(NAMESPACE));
        let mut replays = Replays::default();
        let mut stages: BTreeMap<String, Stage> = BTreeMap::new();
        for recording in runs.into_iter().filter_map(Recording::new) {
            let worker = recording.last_worker();
            let stage = match stages.get(worker) {
                Some(stage) => stage,
                None => {
                    let Some(options) = self.workers.options_of(worker) else {
                        let line = format!(
                            "{}: its last workflow task was completed by {worker}, which is no worker of this testkit",
                            recording.name()
                        );
                        replays.left_out.push(line);
                        continue;
                    };
                    stages.entry(worker.to_owned()).or_insert(Stage::set(&options))
                }
            };
            if let Err((way, why)) = replay(stage, &recording, &mut replays).await {
                let broken = format!(
                    "invariant “each finished workflow replays” is broken: {}, replayed {way}: {why}",
                    recording.name()
                );
                self.driver.mark_broken(&broken);
                return Err(self.explain(Error::broken_invariant(broken)));
            }
            replays.replayed += 1;
        }
        Ok(replays)
    }
}

/// Replays one history in every way that it can be replayed.
async fn replay(stage: &Stage, recording: &Recording, replays: &mut Replays) -> Result<(), (Way, String)> {
    let whole = stage.play(&recording.whole(), true).await;
    whole.map_err(|why| (Way::Cold, why))?;
    if let Some(why) = recording.only_as_a_whole() {
        replays.only_cold.push(format!("{}: {why}", recording.name()));
        return Ok(());
    }
    let count = recording.task_count();
    if stage.has_cache() {
        for task in 0..count {
            let answer = stage.play(&recording.piece(task), task + 1 == count).await;
            hold(recording, task, answer).map_err(|why| (Way::Warm, why))?;
        }
    }
    // The first task is the same after an eviction.
    for task in 1..count {
        let answer = stage.play(&recording.up_to(task), true).await;
        hold(recording, task, answer).map_err(|why| (Way::AfterEviction, why))?;
    }
    Ok(())
}

/// Holds what the code asks for in a task to what it asked for in the run.
fn hold(recording: &Recording, task: usize, answer: Result<stage::Commands, String>) -> Result<(), String> {
    recording.difference(task, &answer?).map_or(Ok(()), Err)
}
