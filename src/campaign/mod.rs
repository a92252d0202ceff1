//! Campaigns: one scenario under many seeds, on all cores of one machine, or on the workers of a Temporal cluster. What
//! `awaithumans-testkit campaign` does, as a library.
//!
//! ```
//! use awaithumans_testkit::campaign::Campaign;
//!
//! let text = r#"
//!     name = "a double click"
//!
//!     [[people]]
//!     after = "2d"
//!     does = { complete = { approved = true } }
//!     again_after = "300ms"
//!
//!     [expect]
//!     effects = 1
//! "#;
//! let campaign = Campaign::new("double_click.toml", text, "0..4".parse().unwrap()).unwrap();
//! let tally = campaign.play(2, |_| {});
//! assert_eq!((tally.played(), tally.failed()), (4, 0), "{}", tally.report(&campaign));
//! ```
//!
//! On a cluster a workflow cuts the seeds into shards, each an activity. Its heartbeats carry how far it is and what it has found, so whoever gets a shard
//! whose worker was lost goes on from there; what that worker had found since is played again. A seed's run depends on nothing but the seed, and tallies add
//! up to the same in any order: who played what makes no difference.
//!
//! - `seeds.rs`: which; `tally.rs`: what they come to; `shard.rs`: playing them
//! - `workflow.rs`: shards as activities; `activity.rs`: one; `worker.rs`: who plays them; `client.rs`: who starts it, or attaches, and waits

mod activity;
mod client;
mod seeds;
mod shard;
mod tally;
mod worker;
mod workflow;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use activity::News;
pub use client::{Cluster, Started};
pub use seeds::Seeds;
pub use tally::{Failure, Tally};
pub use worker::{default_task_queue, leave_signals_alone, work, worker_options};
pub use workflow::Shards;

use crate::Threads;
use crate::player;
use crate::scenario::{Problem, ScenarioError, ScenarioFile};

/// How long a scenario's text may be, in bytes: each of a run's 200 shards has it in the workflow's history, which may have 50 MiB.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// A scenario and the seeds to play it under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// The scenario's file, by the name that its problems are told with.
    name: String,
    text: String,
    seeds: Seeds,
}

impl Campaign {
    /// One of a scenario file's text: JSON if its name ends in `.json`, TOML otherwise.
    ///
    /// # Errors
    /// What is wrong with it; and that it is one for a worker of the user's own, or longer than 64 KiB.
    pub fn new(name: &str, text: &str, seeds: Seeds) -> Result<Self, ScenarioError> {
        let campaign = Self {
            name: name.to_owned(),
            text: text.to_owned(),
            seeds,
        };
        player::check(&campaign.file()?)?;
        if text.len() > MAX_TEXT_BYTES {
            let what = format!(
                "a campaign's scenario has {MAX_TEXT_BYTES} bytes at most, and this one has {}",
                text.len()
            );
            let fix = "take comments and what isn't needed out";
            return Err(ScenarioError::new(name, vec![Problem::new("", what, fix)]));
        }
        Ok(campaign)
    }

    /// The seeds.
    pub fn seeds(&self) -> Seeds {
        self.seeds
    }

    /// Plays all seeds in this process, on so many threads, and tells after each how many are done.
    ///
    /// # Panics
    /// If a thread or a runtime can't be started.
    pub fn play(&self, threads: impl Into<Threads>, tell: impl Fn(u64) + Sync) -> Tally {
        // Only `new` and who reads what it has written make campaigns.
        let file = self.file().expect("the scenario has been checked");
        shard::play_on_threads(&file, self.seeds, threads.into(), &tell)
    }

    /// The line that plays a seed once more.
    pub fn again(&self, seed: u64) -> String {
        format!("awaithumans-testkit run {} --seed {seed}", self.name)
    }

    fn file(&self) -> Result<ScenarioFile, ScenarioError> {
        ScenarioFile::parse(&self.name, &self.text)
    }

    /// The same with some of its seeds.
    fn part(&self, seeds: Seeds) -> Self {
        Self { seeds, ..self.clone() }
    }

    /// The same for the same campaign, and for no other one: a workflow id.
    fn id(&self) -> String {
        let mut hash = Sha256::new();
        for part in [&self.name, &self.text, &self.seeds.to_string()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digits: String = hash
            .finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("campaign-{digits}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn campaign(text: &str) -> Result<Campaign, String> {
        Campaign::new("x.toml", text, Seeds::new(0, 3).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cant_be_played_here_is_refused_before_anything_starts() {
        let wrong = campaign("name = \"x\"\nfault = []\n").unwrap_err();
        assert!(wrong.starts_with("x.toml:2: unknown field `fault`"), "{wrong}");
        let own = campaign("name = \"x\"\n[workflow]\ntype = \"Refund\"\n").unwrap_err();
        assert!(
            own.starts_with("x.toml:3: workflow.type: Refund is a workflow of your own"),
            "{own}"
        );
        let long = campaign(&format!("name = \"x\"\n{}", "# \n".repeat(MAX_TEXT_BYTES / 3))).unwrap_err();
        assert!(long.contains("65536 bytes at most, and this one has 65546"), "{long}");
    }

    #[test]
    fn another_campaign_has_another_id() {
        let one = campaign("name = \"x\"\n").unwrap();
        assert_eq!(one.id(), campaign("name = \"x\"\n").unwrap().id());
        let others = [
            campaign("name = \"y\"\n").unwrap(),
            one.part(Seeds::new(0, 4).unwrap()),
            Campaign::new("y.toml", "name = \"x\"\n", one.seeds).unwrap(),
        ];
        for other in others {
            assert_ne!(one.id(), other.id());
        }
    }

    #[test]
    fn a_seed_that_panics_or_fails_doesnt_end_the_campaign() {
        let text =
            "name = \"nobody answers\"\nworkflow = { timeout = \"1m\" }\n[expect]\nworkflows = [\"completed\"]\n";
        let campaign = campaign(text).unwrap();
        let one = campaign.play(1, |_| {});
        let other = campaign.play(3, |_| {});
        assert_eq!(one, other);
        assert_eq!((one.played(), one.failed(), one.failures().len()), (3, 3, 1));
        let report = one.report(&campaign);
        assert!(report.contains("seen in 3 runs"), "{report}");
        assert!(
            report.contains("3 of 3 seeds fail, in these ways:\n\n3 seeds, the lowest is 0\n"),
            "{report}"
        );
        assert!(
            report.contains("run it again: awaithumans-testkit run x.toml --seed 0"),
            "{report}"
        );
    }
}
