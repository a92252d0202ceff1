use std::time::Duration;

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
