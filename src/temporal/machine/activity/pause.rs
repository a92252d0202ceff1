//! What the pause of its workflow does to an activity.

use super::{Activity, State};
use crate::clock::Timestamp;
use crate::temporal::txn::Txn;

impl Activity {
    /// The workflow is paused: tasks on their way find no taker, and no retry is offered. The timeouts go on.
    pub(crate) fn hold_back(&mut self, txn: &mut Txn<'_>) {
        self.withdraw(txn);
        self.held_back = true;
        self.wind_clocks(txn);
    }

    /// The workflow is unpaused: what was held back is offered again, a retry not before its time.
    pub(crate) fn offer_after_pause(&mut self, txn: &mut Txn<'_>) {
        self.held_back = false;
        match self.state {
            State::Scheduled => self.offer(txn),
            State::Backoff if self.attempt_scheduled_at <= txn.now => self.reschedule(txn),
            State::Backoff | State::Started | State::Paused | State::PauseRequested | State::Closed => {}
        }
        self.wind_clocks(txn);
    }

    /// When the next attempt is due, while the activity waits for nothing else.
    pub(crate) fn retries_at(&self) -> Option<Timestamp> {
        (self.state == State::Backoff).then_some(self.attempt_scheduled_at)
    }
}
