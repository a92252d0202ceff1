//! Nexus: endpoints, requests on their way to workers, and what comes back. Pure data and rules; the engine moves it.

pub(crate) mod breaker;
pub(crate) mod completion;
pub(crate) mod content;
pub(crate) mod endpoint;
pub(crate) mod failure;
pub(crate) mod header;
pub(crate) mod link;
pub(crate) mod operations;
pub(crate) mod outbound;
pub(crate) mod request;

use std::time::Duration;

pub(crate) use endpoint::Endpoints;
pub(crate) use operations::{OperationRef, Operations};
pub(crate) use request::Requests;

use super::run::RunRef;
use crate::entropy::Entropy;

/// Where a completion goes that stays inside this server (`common/nexus/constants.go`).
pub(crate) const SYSTEM_CALLBACK_URL: &str = "temporal://system";

/// Where a completion goes that is for a part of the server's own, such as a schedule (`chasm/nexus_completion.go`).
pub(crate) const INTERNAL_CALLBACK_URL: &str = "temporal://internal";

/// The endpoint of Temporal's own operations (`common/nexus/constants.go`).
pub(crate) const SYSTEM_ENDPOINT: &str = "__temporal_system";

/// The longest name of a service or an operation, in bytes (dynamic config `…limit.service.name.length`).
pub(crate) const MAX_NAME_LENGTH: usize = 1_000;

/// The wait before the second attempt of a request (dynamic config `…retryPolicy.initialInterval`).
const RETRY_INITIAL: Duration = Duration::from_secs(1);

/// The longest wait between two attempts (dynamic config `…retryPolicy.maxInterval`).
const RETRY_MAXIMUM: Duration = Duration::from_secs(60 * 60);

/// Names an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperationId {
    /// A workflow's.
    OfRun {
        /// The caller.
        run: RunRef,
        /// The id of the event by which it was scheduled.
        scheduled_event_id: i64,
    },
    /// One without a workflow.
    Standalone(OperationRef),
}

impl OperationId {
    /// The caller, if it is a workflow.
    pub(crate) fn run(self) -> Option<RunRef> {
        match self {
            Self::OfRun { run, .. } => Some(run),
            Self::Standalone(_) => None,
        }
    }
}

/// Everything that Nexus has outside of runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nexus {
    pub(crate) endpoints: Endpoints,
    pub(crate) requests: Requests,
    pub(crate) operations: Operations,
    pub(crate) outgoing: outbound::Outgoing,
    pub(crate) breakers: breaker::Breakers,
}

/// The wait after attempt number `attempt`: it doubles up to the maximum, and up to a fifth of it is left to chance
/// (`common/backoff/retrypolicy.go`).
pub(crate) fn backoff(attempt: i32, entropy: &mut Entropy) -> Duration {
    let exponent = u32::try_from(attempt.max(1) - 1).unwrap_or(u32::MAX);
    let factor = 2_u32.checked_pow(exponent).unwrap_or(u32::MAX);
    let interval = RETRY_INITIAL.saturating_mul(factor).min(RETRY_MAXIMUM);
    let jitter = u64::try_from((interval / 5).as_nanos()).unwrap_or(u64::MAX).max(1);
    interval / 5 * 4 + Duration::from_nanos(entropy.below(jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_lose_at_most_a_fifth() {
        let mut entropy = Entropy::new(7);
        for (attempt, seconds) in [(1, 1), (2, 2), (3, 4), (12, 2_048), (13, 3_600), (i32::MAX, 3_600)] {
            let wait = backoff(attempt, &mut entropy);
            let full = Duration::from_secs(seconds);
            assert!(wait >= full / 5 * 4 && wait < full, "attempt {attempt}: {wait:?}");
        }
    }
}
