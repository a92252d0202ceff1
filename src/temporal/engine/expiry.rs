//! The end of long polls. In one process they wait as long as it takes; over a network Temporal answers before the caller
//! gives up.

use std::time::Duration;

use prost::Message as _;
use temporalio_protos::temporal::api::history::v1::History;
use temporalio_protos::temporal::api::workflowservice::v1::GetWorkflowExecutionHistoryResponse;

use super::{Engine, HandOut, ParkedAt};
use crate::clock::Timestamp;
use crate::temporal::reject::Reject;
use crate::temporal::run::{Run, RunRef};
use crate::temporal::token::HistoryToken;
use crate::temporal::txn::Ticket;

/// How long an RPC that waits may do so, in real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The server's own limit.
    limit: Duration,
    /// Each call's limit is up to this much shorter, so that not all of them end at once.
    spread: Duration,
    /// The answer leaves this long before the caller's own deadline; `None` if the caller's deadline is its own affair.
    before_deadline: Option<Duration>,
}

/// `matching.longPollExpirationInterval`; up to a sixth of it is taken off (`forwardedPollJitterRatio`), and a second
/// before the caller's deadline (`returnEmptyTaskTimeBudget`).
const TASK: Patience = Patience {
    limit: Duration::from_secs(60),
    spread: Duration::from_secs(10),
    before_deadline: Some(Duration::from_secs(1)),
};

/// `history.longPollExpirationInterval`, with `DefaultLongPollBuffer`.
const HISTORY: Patience = Patience {
    limit: Duration::from_secs(20),
    spread: Duration::ZERO,
    before_deadline: Some(Duration::from_secs(1)),
};

/// `activity.longPollTimeout`, with `activity.longPollBuffer`.
const ACTIVITY: Patience = Patience {
    limit: Duration::from_secs(60),
    spread: Duration::ZERO,
    before_deadline: Some(Duration::from_secs(1)),
};

/// The same interval; a deadline that comes first is an error.
const UPDATE: Patience = Patience {
    limit: Duration::from_secs(20),
    spread: Duration::ZERO,
    before_deadline: None,
};

/// The timeout of the frontend's own calls (`client/history`, `DefaultTimeout`).
const QUERY: Patience = Patience {
    limit: Duration::from_secs(30),
    spread: Duration::ZERO,
    before_deadline: None,
};

impl Patience {
    /// How long this call may wait, if its caller waits for `remaining`. `salt` spreads the calls.
    pub fn wait(self, remaining: Option<Duration>, salt: u64) -> Duration {
        let spread_ms = u64::try_from(self.spread.as_millis()).unwrap_or(u64::MAX);
        let earlier = match spread_ms {
            0 => Duration::ZERO,
            // A multiplier prime to every spread, so that neighbours end far from each other.
            spread_ms => Duration::from_millis(salt.wrapping_mul(7_919) % spread_ms),
        };
        let limit = self.limit.saturating_sub(earlier);
        match (remaining, self.before_deadline) {
            (Some(remaining), Some(before)) => limit.min(remaining.saturating_sub(before)),
            _ => limit,
        }
    }
}

impl ParkedAt {
    /// `None`: as long as it takes.
    fn patience(&self) -> Option<Patience> {
        match self {
            Self::Queue => Some(TASK),
            Self::History { .. } => Some(HISTORY),
            Self::Update(_) | Self::FastForward => Some(UPDATE),
            Self::Query(_) => Some(QUERY),
            Self::ActivityOutcome(_) | Self::ActivityChange(_) | Self::OperationStage(_) | Self::OperationChange(_) => {
                Some(ACTIVITY)
            }
            Self::Sleep => None,
        }
    }
}

impl Engine {
    /// How long an RPC that waits may go on doing so; `None` if it doesn't wait, or as long as it takes.
    pub fn patience(&self, ticket: Ticket) -> Option<Patience> {
        self.parked.get(&ticket).and_then(|parked| parked.at.patience())
    }

    /// An RPC has waited as long as it may. It gets what Temporal answers then; nothing happens if it doesn't wait any more.
    pub fn handle_expired(&mut self, now: Timestamp, ticket: Ticket) {
        let Some(parked) = self.parked.get(&ticket) else {
            return;
        };
        let answer = match &parked.at {
            // An empty message of any kind has no bytes.
            ParkedAt::Queue
            | ParkedAt::ActivityOutcome(_)
            | ParkedAt::ActivityChange(_)
            | ParkedAt::OperationStage(_)
            | ParkedAt::OperationChange(_) => Ok(Vec::new()),
            ParkedAt::History { run, next_event_id, .. } => Ok(self.no_news(*run, *next_event_id)),
            ParkedAt::Update(run) => self.update_so_far(*run, ticket),
            ParkedAt::Query(_) | ParkedAt::Sleep => Err(deadline_exceeded()),
            ParkedAt::FastForward => self
                .fast_forward_waits
                .expire(ticket)
                .map(|answer| answer.encode_to_vec())
                .ok_or_else(deadline_exceeded),
        };
        self.forget(now, ticket);
        self.answer(ticket, answer);
        self.settle(now);
    }

    /// Whether a worker's polls end when it says that it shuts down (dynamic config
    /// `frontend.enableCancelWorkerPollsOnShutdown`). In one process they can't get lost: the SDK drops them.
    pub(crate) fn completes_polls_at_shutdown(&self) -> bool {
        self.hand_out == HandOut::Parallel
    }

    /// Whether workers are asked to send heartbeats (dynamic config `frontend.WorkerHeartbeatsEnabled`). In one process they aren't:
    /// they come by the wall clock.
    pub(crate) fn wants_heartbeats(&self) -> bool {
        self.hand_out == HandOut::Parallel
    }

    /// A worker shuts down: its polls end, those that are still on their way included.
    pub(crate) fn complete_polls(&mut self, now: Timestamp, worker_instance_key: &str) {
        if worker_instance_key.is_empty() {
            return;
        }
        for ticket in self.matching.shut_down(now, worker_instance_key) {
            self.handle_expired(now, ticket);
        }
    }

    /// No event has come; the token is where the client goes on waiting.
    fn no_news(&self, run: RunRef, next_event_id: i64) -> Vec<u8> {
        let token = |run: &Run| HistoryToken {
            run_id: run.start.run_id.clone(),
            next_event_id,
            last_event_id: None,
        };
        GetWorkflowExecutionHistoryResponse {
            history: Some(History::default()),
            next_page_token: self.runs.get(run).map(|run| token(run).encode()).unwrap_or_default(),
            ..Default::default()
        }
        .encode_to_vec()
    }

    fn update_so_far(&mut self, run: RunRef, ticket: Ticket) -> Result<Vec<u8>, Reject> {
        self.runs
            .get_mut(run)
            .and_then(|run| run.expire_update_waiter(ticket))
            .ok_or_else(deadline_exceeded)
    }
}

/// As Go's `context.DeadlineExceeded` reads on the wire.
fn deadline_exceeded() -> Reject {
    Reject::DeadlineExceeded("context deadline exceeded".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_ends_by_the_servers_limit_or_before_the_callers_deadline() {
        let seconds = Duration::from_secs;
        assert_eq!(HISTORY.wait(None, 5), seconds(20));
        assert_eq!(HISTORY.wait(Some(seconds(10)), 5), seconds(9));
        assert_eq!(HISTORY.wait(Some(Duration::from_millis(300)), 5), Duration::ZERO);
        assert_eq!(UPDATE.wait(Some(seconds(10)), 5), seconds(20));
        assert_eq!(TASK.wait(Some(seconds(5)), 5), seconds(4));
    }

    #[test]
    fn polls_end_within_the_last_sixth_of_the_minute() {
        let waits: Vec<Duration> = (0..100).map(|ticket| TASK.wait(None, ticket)).collect();
        assert!(waits.iter().all(|wait| *wait > Duration::from_secs(50)));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(60)));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
