//! What the pause of its workflow does to an activity.

use super::{Activity, Input, State, step};
use crate::clock::Timestamp;
use crate::temporal::proto::duration;
use crate::temporal::timer::ActivityTimer;
use crate::temporal::txn::Txn;

impl Activity {
    /// The workflow is paused: tasks on their way find no taker, and no retry is offered. The timeouts go on.
    pub(crate) fn withdraw(&mut self, txn: &mut Txn<'_>) {
        self.withdrawn = true;
        if self.state == State::Backoff {
            txn.stop_timer(self.timer(txn, ActivityTimer::Retry));
            if let Some(limit) = duration(self.attributes.schedule_to_start_timeout.as_ref()) {
                let clock = self.timer(txn, ActivityTimer::ScheduleToStart);
                txn.set_timer(clock, self.attempt_scheduled_at + limit);
            }
        }
    }

    /// The workflow is unpaused: what was withdrawn is offered again, a retry not before its time.
    pub(crate) fn offer_after_pause(&mut self, txn: &mut Txn<'_>) {
        self.withdrawn = false;
        match self.state {
            State::Scheduled => self.offer_task(txn),
            State::Backoff if self.attempt_scheduled_at > txn.now => {
                txn.set_timer(self.timer(txn, ActivityTimer::Retry), self.attempt_scheduled_at);
            }
            State::Backoff => {
                self.state = step(self.state, Input::Reschedule).unwrap_or(self.state);
                self.offer_task(txn);
            }
            State::Started | State::Closed => {}
        }
    }

    /// When the next attempt is due, while the activity waits for nothing else.
    pub(crate) fn retries_at(&self) -> Option<Timestamp> {
        (self.state == State::Backoff).then_some(self.attempt_scheduled_at)
    }
}
