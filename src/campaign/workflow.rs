//! The workflow: shards as activities, a bounded number in each run, and what they come to.

use std::time::Duration;

use awaithumans_temporal::{HumanContext, HumanWorkflow};
use serde::{Deserialize, Serialize};
use temporalio_common::RetryPolicy;
use temporalio_sdk::workflows::join_all;
use temporalio_sdk::{ActivityOptions, ContinueAsNewOptions, WorkflowResult};

use super::activity::PlayShard;
use super::{Campaign, Tally};

/// How long one attempt at a shard may take: for ever, almost. Heartbeats tell who is lost.
const SHARD_LIMIT: Duration = Duration::from_secs(30 * 86_400);

/// How the seeds are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a caller names what it sets and takes the rest from `default`"
)]
pub struct Shards {
    /// How many seeds a shard has.
    pub size: u64,
    /// After how long without a heartbeat a worker is lost.
    pub heartbeat_timeout: Duration,
    /// How many shards a run of the workflow has. When they are played it goes on as a new run, so that no history grows with the number of seeds.
    pub per_run: usize,
}

impl Default for Shards {
    fn default() -> Self {
        Self {
            size: 1_000,
            heartbeat_timeout: Duration::from_secs(30),
            per_run: 200,
        }
    }
}

/// What a run starts with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    pub(super) campaign: Campaign,
    pub(super) shards: Shards,
    /// The seed that comes next; all below it are in the tally.
    next: u64,
    tally: Tally,
}

impl Input {
    pub(super) fn new(campaign: Campaign, shards: Shards) -> Self {
        Self {
            next: campaign.seeds.first(),
            campaign,
            shards,
            tally: Tally::default(),
        }
    }
}

/// The workflow. It asks nobody: the adapter's form for workflows is used since it needs none of the SDK's macros.
#[derive(Debug, Default)]
pub(super) struct PlayCampaign;

impl HumanWorkflow for PlayCampaign {
    type Input = Input;
    type Output = Tally;
    const NAME: &'static str = "awaithumans_testkit_campaign";

    async fn run(ctx: HumanContext<Self>, mut input: Input) -> WorkflowResult<Tally> {
        let seeds = input.campaign.seeds;
        let shards: Vec<_> = seeds
            .pieces(input.next, input.shards.size)
            .take(input.shards.per_run.max(1))
            .collect();
        let playing: Vec<_> = shards
            .iter()
            .map(|shard| {
                let part = input.campaign.part(*shard);
                ctx.execute_activity(PlayShard, part, options(input.shards))
            })
            .collect();
        let tallies = join_all(playing).await;
        for tally in tallies {
            input.tally.add(&tally?);
        }
        input.next = shards.last().map_or(seeds.end(), |shard| shard.end());
        if input.next < seeds.end() {
            match ctx.continue_as_new(input, ContinueAsNewOptions::default())? {}
        }
        Ok(input.tally)
    }
}

fn options(shards: Shards) -> ActivityOptions {
    let retries = RetryPolicy::builder()
        .initial_interval(Duration::from_secs(1))
        .maximum_interval(Duration::from_secs(10))
        .build();
    ActivityOptions::with_start_to_close_timeout(SHARD_LIMIT)
        .heartbeat_timeout(shards.heartbeat_timeout)
        .retry_policy(retries)
        .build()
}
