//! RPCs that wait for something that hasn't come.

use crate::temporal::nexus::OperationRef;
use crate::temporal::run::RunRef;
use crate::temporal::standalone::ActivityRef;

/// An RPC that waits, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) connection: u64,
    pub(crate) at: ParkedAt,
    /// How often schedules had fired when it began to wait.
    pub(crate) firings_before: u64,
}

impl Parked {
    /// Whether it is a client that waits for the end of a run, or for an update.
    pub(super) fn waits_for_result(&self) -> bool {
        self.at.is_for_result()
    }
}

/// Where an RPC waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParkedAt {
    /// A worker, for a task.
    Queue,
    /// A client, for an event of a run; `close`: for the last one.
    History {
        run: RunRef,
        next_event_id: i64,
        close: bool,
        page_size: usize,
    },
    /// A client, for a stage of an update.
    Update(RunRef),
    /// A client, for the answer to a query.
    Query(RunRef),
    /// A client, for the end of a standalone activity.
    ActivityOutcome(ActivityRef),
    /// A client, for a change of a standalone activity.
    ActivityChange(ActivityRef),
    /// A client, for a stage of a standalone nexus operation.
    OperationStage(OperationRef),
    /// A client, for a change of a standalone nexus operation.
    OperationChange(OperationRef),
    /// A client, for the end of a fast-forward.
    FastForward,
    /// A client of the test service, for virtual time to move.
    Sleep,
}

impl ParkedAt {
    /// Whether a client waits for something to be done, not only for news.
    pub(super) fn is_for_result(self) -> bool {
        matches!(
            self,
            Self::History { close: true, .. }
                | Self::Update(_)
                | Self::ActivityOutcome(_)
                | Self::OperationStage(_)
                | Self::FastForward
        )
    }
}
