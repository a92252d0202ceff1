//! The clock of a queue's changes, whose reading is also the token that stands for one
//! (Temporal: `common/clock/hybrid_logical_clock`).

use std::time::Duration;

use prost::Message as _;

use crate::clock::Timestamp;

/// The number of the only cluster.
const CLUSTER_ID: i64 = 1;

/// Nanoseconds in a millisecond.
const NANOS_PER_MILLI: u64 = 1_000_000;

/// A moment that is later than that of every change before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HybridClock {
    milliseconds: u64,
    /// Counts the changes of one millisecond.
    version: i32,
}

/// As the token has it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Wire {
    #[prost(int64, tag = "1")]
    wall_clock: i64,
    #[prost(int32, tag = "2")]
    version: i32,
    #[prost(int64, tag = "3")]
    cluster_id: i64,
}

impl HybridClock {
    /// The clock of the next change.
    pub(super) fn next(self, now: Timestamp) -> Self {
        let milliseconds = (now.as_nanoseconds() / NANOS_PER_MILLI).max(self.milliseconds);
        Self {
            milliseconds,
            version: match milliseconds == self.milliseconds {
                true => self.version + 1,
                false => 0,
            },
        }
    }

    /// As virtual time, to the millisecond.
    pub(crate) fn time(self) -> Timestamp {
        Timestamp::default() + Duration::from_millis(self.milliseconds)
    }

    pub(super) fn token(self) -> Vec<u8> {
        Wire {
            wall_clock: i64::try_from(self.milliseconds).unwrap_or(i64::MAX),
            version: self.version,
            cluster_id: CLUSTER_ID,
        }
        .encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_has_a_later_clock() {
        let now = Timestamp::EPOCH_OF_TESTS;
        let first = HybridClock::default().next(now);
        let second = first.next(now);
        let third = second.next(now + Duration::from_millis(1));
        assert!(first < second && second < third);
        assert_eq!((first.time(), second.version, third.version), (now, 1, 0));
    }

    #[test]
    fn before_the_first_change_the_token_is_the_clusters_number() {
        assert_eq!(HybridClock::default().token(), [24, 1]);
    }
}
