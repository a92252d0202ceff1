//! The activity: one shard, with heartbeats that carry how far it is.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use temporalio_common::error::ApplicationFailure;
use temporalio_common::{ActivityDefinition, ActivityError};
use temporalio_sdk::activities::{ActivityContext, ActivityDefinitions, ActivityImplementer, ExecutableActivity};
use tokio::sync::watch;

use super::shard::{self, Progress};
use super::{Campaign, Seeds, Tally};

/// The activity's name and types.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlayShard;

impl ActivityDefinition for PlayShard {
    type Input = Campaign;
    type Output = Tally;

    fn name(&self) -> &str {
        "awaithumans_testkit_play_shard"
    }
}

/// What a worker tells of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// It plays a shard.
    Begins {
        /// The shard's seeds.
        shard: Seeds,
        /// The first one that it plays: those below were played before.
        from: u64,
    },
    /// It has played a seed.
    Played(u64),
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begins { shard, from } if *from == shard.first() => write!(f, "plays {shard}"),
            Self::Begins { shard, from } => write!(f, "plays {shard} from {from} on"),
            Self::Played(seed) => write!(f, "has played {seed}"),
        }
    }
}

/// Who plays shards, and whom it tells.
pub(super) struct Player {
    pub(super) tell: Box<dyn Fn(News) + Send + Sync>,
}

impl ActivityImplementer for Player {
    fn register_all(self: Arc<Self>, definitions: &mut ActivityDefinitions) {
        definitions.register_activity::<PlayShard>(self);
    }
}

impl ExecutableActivity for PlayShard {
    type Implementer = Player;
    const REQUIRES_INSTANCE: bool = true;

    fn definition() -> Self {
        Self
    }

    fn execute(
        player: Option<Arc<Player>>,
        ctx: ActivityContext,
        shard: Campaign,
    ) -> BoxFuture<'static, Result<Tally, ActivityError>> {
        async move {
            // The SDK gives the instance that was registered, since one is required.
            let player = player.ok_or_else(|| failed("nobody is registered who plays"))?;
            play(player, ctx, shard).await
        }
        .boxed()
    }
}

/// However slow seeds are, a heartbeat comes a few times within the timeout.
const HEARTBEATS_PER_TIMEOUT: u32 = 4;

async fn play(player: Arc<Player>, ctx: ActivityContext, shard: Campaign) -> Result<Tally, ActivityError> {
    let file = shard.file().map_err(|error| failed(&error.to_string()))?;
    let (seeds, before) = (shard.seeds(), last_heartbeat(&ctx));
    let is_ours = |progress: &Progress| (seeds.first()..=seeds.end()).contains(&progress.next);
    let progress = before.filter(is_ours).unwrap_or_else(|| Progress::at(seeds.first()));
    (player.tell)(News::Begins {
        shard: seeds,
        from: progress.next,
    });
    let (news, mut told) = watch::channel(progress.clone());
    let stop = StopOnDrop::default();
    let stopped = Arc::clone(&stop.0);
    let mut playing = tokio::task::spawn_blocking(move || {
        shard::play_rest(&file, seeds.end(), progress, &stopped, |progress| {
            (player.tell)(News::Played(progress.next - 1));
            // Who listened is gone when the activity is; then it has been told to stop.
            let _ = news.send(progress.clone());
        })
    });
    let timeout = ctx.info().heartbeat_timeout.unwrap_or(Duration::from_secs(60));
    let mut beat = tokio::time::interval((timeout / HEARTBEATS_PER_TIMEOUT).max(Duration::from_millis(1)));
    // The first one has something to tell.
    beat.reset();
    loop {
        tokio::select! {
            played = &mut playing => {
                let progress = played.map_err(|error| failed(&format!("a shard's thread panicked: {error}")))?;
                return Ok(progress.tally);
            }
            Ok(()) = told.changed() => {}
            _ = beat.tick() => {}
            () = ctx.cancelled() => {
                // By the server, or since this worker shuts down: then the next one goes on from this heartbeat.
                drop(stop);
                if let Ok(progress) = playing.await {
                    ctx.record_heartbeat(progress).await?;
                }
                return Err(ActivityError::cancelled());
            }
        }
        // The SDK sends the latest, as often as the timeout asks for.
        let progress = told.borrow_and_update().clone();
        ctx.record_heartbeat(progress).await?;
    }
}

/// How far another attempt came. Details that can't be read are those of another version: then the shard is played from its start.
fn last_heartbeat(ctx: &ActivityContext) -> Option<Progress> {
    ctx.heartbeat_details().deserialize().ok().flatten()
}

/// What no other attempt would do better.
fn failed(why: &str) -> ActivityError {
    ActivityError::Application(Box::new(ApplicationFailure::non_retryable(why.to_owned())))
}

/// A thread can't be ended from outside: it is told when nobody waits for it any more.
#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
