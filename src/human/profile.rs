use std::time::Duration;

use super::outbox::BATCH_SIZE;

/// Which awaithumans the fake server behaves as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Profile {
    /// The server that the documentation page of the Temporal adapter describes: a callback is sent once, at once, and never
    /// again. When that fails, the task is over and nobody was told.
    V0_1_0,
    /// awaithumans 0.1.12: callbacks are queued, sent by a scheduler, and retried for three days.
    #[default]
    V0_1_12,
}

impl Profile {
    /// How often the two schedulers look for expired tasks and for due callbacks.
    /// Source: `TIMEOUT_CHECK_INTERVAL_SECONDS`, `WEBHOOK_SCHEDULER_INTERVAL_SECONDS`.
    pub const TICK: Duration = Duration::from_secs(5);

    /// The name that messages use.
    pub fn name(self) -> &'static str {
        match self {
            Self::V0_1_0 => "v0_1_0",
            Self::V0_1_12 => "v0_1_12",
        }
    }

    /// Whether a callback that failed is tried again, and its first attempt waits for the scheduler.
    pub(crate) fn queues_webhooks(self) -> bool {
        self == Self::V0_1_12
    }
}

/// When the server does what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serve", derive(clap::ValueEnum))]
#[non_exhaustive]
pub enum Timing {
    /// At the next tick of its schedulers, which come every 5 s ([`Profile::TICK`]): as the real server.
    #[default]
    Ticks,
    /// At the moment at which it is due: a task times out to the second, and callbacks leave at once, up to [`BATCH_SIZE`] beside each
    /// other.
    Exact,
}

impl Timing {
    /// The time between two ticks; none if there are no ticks.
    pub(crate) fn tick(self) -> Duration {
        match self {
            Self::Ticks => Profile::TICK,
            Self::Exact => Duration::ZERO,
        }
    }

    /// How many callbacks may be under way at a time. The real scheduler sends one after another.
    pub(crate) fn most_under_way(self) -> usize {
        match self {
            Self::Ticks => 1,
            Self::Exact => BATCH_SIZE,
        }
    }
}
