//! Who keeps time from being skipped, and who lets it be, by the test service.

use std::collections::BTreeMap;

use super::txn::Ticket;

/// What the counter is when nobody has asked for anything: test servers start locked.
const COUNT_AT_START: i64 = 1;

/// The test service's counter, kept by connection: what a client locked or unlocked ends with its connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeLocks {
    /// Locks less unlocks.
    balances: BTreeMap<u64, i64>,
    sleepers: BTreeMap<Ticket, Sleeper>,
}

/// How a call sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleeper {
    /// The counter stays as it is.
    Plain,
    /// The counter is one lower for as long as the call sleeps.
    Unlocking,
}

/// Whether time may be skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipping {
    /// Some client asked for time not to be skipped.
    Locked,
    /// No client has asked for anything: time is skipped only for those who wait for a result.
    ForWaiters,
    /// Some client asked for time to be skipped, whoever waits.
    Unlocked,
}

impl TimeLocks {
    /// One lock more.
    pub(crate) fn lock(&mut self, connection: u64) {
        self.change(connection, 1);
    }

    /// One lock less; `false` if there is none.
    pub(crate) fn unlock(&mut self, connection: u64) -> bool {
        let may = self.count() > 0;
        if may {
            self.change(connection, -1);
        }
        may
    }

    /// A call goes to sleep; `false` if it may not unlock.
    pub(crate) fn sleep(&mut self, ticket: Ticket, sleeper: Sleeper) -> bool {
        let may = sleeper == Sleeper::Plain || self.count() > 0;
        if may {
            self.sleepers.insert(ticket, sleeper);
        }
        may
    }

    /// A call has slept, or its client went away.
    pub(crate) fn wake(&mut self, ticket: Ticket) {
        self.sleepers.remove(&ticket);
    }

    /// A connection is gone.
    pub(crate) fn forget(&mut self, connection: u64) {
        self.balances.remove(&connection);
    }

    /// Whether some call sleeps.
    pub(crate) fn has_sleeper(&self) -> bool {
        !self.sleepers.is_empty()
    }

    /// Whether this call sleeps.
    pub(crate) fn is_asleep(&self, ticket: Ticket) -> bool {
        self.sleepers.contains_key(&ticket)
    }

    pub(crate) fn skipping(&self) -> Skipping {
        match self.count() {
            ..COUNT_AT_START => Skipping::Unlocked,
            COUNT_AT_START => Skipping::ForWaiters,
            _ => Skipping::Locked,
        }
    }

    fn change(&mut self, connection: u64, by: i64) {
        let balance = self.balances.entry(connection).or_default();
        *balance += by;
        if *balance == 0 {
            self.balances.remove(&connection);
        }
    }

    fn count(&self) -> i64 {
        let unlocking = self.sleepers.values().filter(|it| **it == Sleeper::Unlocking).count();
        COUNT_AT_START + self.balances.values().sum::<i64>() - unlocking as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_and_unlocks_are_counted_and_end_with_their_connection() {
        let mut locks = TimeLocks::default();
        assert_eq!(locks.skipping(), Skipping::ForWaiters);
        locks.lock(1);
        locks.lock(2);
        assert!(locks.unlock(1));
        assert_eq!(locks.skipping(), Skipping::Locked);
        locks.forget(2);
        assert_eq!(locks.skipping(), Skipping::ForWaiters);
        assert!(locks.unlock(3));
        assert_eq!(locks.skipping(), Skipping::Unlocked);
        assert!(!locks.unlock(1));
        locks.forget(3);
        assert_eq!(locks.skipping(), Skipping::ForWaiters);
    }

    #[test]
    fn an_unlocking_sleeper_counts_until_it_wakes() {
        let mut locks = TimeLocks::default();
        assert!(locks.sleep(7, Sleeper::Plain));
        assert_eq!(locks.skipping(), Skipping::ForWaiters);
        assert!(locks.sleep(8, Sleeper::Unlocking));
        assert_eq!(locks.skipping(), Skipping::Unlocked);
        assert!(!locks.sleep(9, Sleeper::Unlocking));
        locks.wake(8);
        assert_eq!(locks.skipping(), Skipping::ForWaiters);
        assert!(locks.has_sleeper());
        locks.wake(7);
        assert!(!locks.has_sleeper());
    }
}
