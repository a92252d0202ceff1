//! Time: who sleeps, and who keeps time from being skipped (the test service); and timers as late as a real server's.

use super::{Call, Engine, ParkedAt};
use crate::clock::Timestamp;
use crate::temporal::reject::Reject;
use crate::temporal::time_locks::{Skipping, Sleeper};
use crate::temporal::timer::Timer;
use crate::temporal::txn::Ticket;

impl Engine {
    /// Fires the one timer that is due first, if any is.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.handle_time(now);
        if let Some(timer) = self.timers.pop_due(now) {
            self.timers_read_until = now + self.config.timer_shift;
            self.fire(now, timer);
            self.settle(now);
        }
    }

    /// When the next timer fires.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next_deadline()
    }

    /// Whether time may be skipped, as far as clients have a say in it.
    pub fn time_skipping(&self) -> Skipping {
        self.time_locks.skipping()
    }

    /// Whether a client sleeps until virtual time has moved.
    pub fn has_sleeper(&self) -> bool {
        self.time_locks.has_sleeper()
    }

    /// One lock less, or the refusal that there is none.
    pub(crate) fn unlock_time(&mut self, connection: u64) -> Result<(), Reject> {
        match self.time_locks.unlock(connection) {
            true => Ok(()),
            false => Err(unbalanced()),
        }
    }

    /// Answers a call when virtual time is there.
    pub(crate) fn sleep(&mut self, call: &Call<'_>, until: Timestamp, sleeper: Sleeper) -> Result<(), Reject> {
        if !self.time_locks.sleep(call.ticket, sleeper) {
            return Err(unbalanced());
        }
        self.timers.set(Timer::Sleep(call.ticket), until);
        self.park(call, ParkedAt::Sleep);
        Ok(())
    }

    /// When a run's timer fires that is set now: a real server reads its timers ahead, and what is set for a time that it has read
    /// comes after that (`taskKeyGenerator`).
    pub(super) fn not_read_yet(&self, deadline: Timestamp) -> Timestamp {
        match self.config.timer_shift.is_zero() {
            true => deadline,
            false => deadline.max(self.timers_read_until),
        }
    }

    /// A call has slept as long as it wished.
    pub(super) fn wake(&mut self, ticket: Ticket) {
        self.time_locks.wake(ticket);
        // An empty message has no bytes.
        self.answer(ticket, Ok(Vec::new()));
    }

    /// The client of a sleeping call went away.
    pub(super) fn forget_sleeper(&mut self, ticket: Ticket) {
        self.timers.stop(Timer::Sleep(ticket));
        self.time_locks.wake(ticket);
    }
}

fn unbalanced() -> Reject {
    Reject::FailedPrecondition("Unbalanced lock and unlock calls: time skipping isn't locked".to_owned())
}
