//! The wall clock, for worlds that follow it.

use std::time::Instant;

use crate::clock::Timestamp;

/// Virtual time that runs as fast as real time does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wall {
    set_at: Instant,
    to: Timestamp,
}

impl Wall {
    /// A clock that shows `to` now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where a world that is served on real time learns of it"
    )]
    pub(crate) fn set_to(to: Timestamp) -> Self {
        Self {
            set_at: Instant::now(),
            to,
        }
    }

    /// What it shows.
    pub(crate) fn now(&self) -> Timestamp {
        self.to + self.set_at.elapsed()
    }

    /// How long it takes until it shows `moment`.
    #[cfg(feature = "serve")]
    pub(crate) fn until(&self, moment: Timestamp) -> std::time::Duration {
        moment.since(self.now())
    }
}

/// The time of day.
#[cfg(feature = "serve")]
#[expect(
    clippy::disallowed_methods,
    reason = "where the virtual time of a served world starts"
)]
pub(crate) fn time_of_day() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    Timestamp::default() + since.unwrap_or_default()
}
