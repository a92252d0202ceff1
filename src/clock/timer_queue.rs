use std::collections::BTreeMap;

use super::Timestamp;

/// Names a timer in a [`TimerQueue`]: its place in the order of firing.
///
/// Timers fire by deadline, and those of one deadline in the order in which they were set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TimerKey {
    deadline: Timestamp,
    sequence: u64,
}

impl TimerKey {
    /// When the timer fires.
    pub(crate) fn deadline(self) -> Timestamp {
        self.deadline
    }
}

/// Timers in (deadline, sequence) order. Setting, cancelling and firing cost O(log n).
#[derive(Clone, Debug)]
pub(crate) struct TimerQueue<T> {
    timers: BTreeMap<TimerKey, T>,
    next_sequence: u64,
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self {
            timers: BTreeMap::new(),
            next_sequence: 0,
        }
    }
}

impl<T> TimerQueue<T> {
    /// Sets a timer; the key cancels it.
    pub(crate) fn set(&mut self, deadline: Timestamp, timer: T) -> TimerKey {
        let key = TimerKey {
            deadline,
            sequence: self.next_sequence,
        };
        self.next_sequence += 1;
        self.timers.insert(key, timer);
        key
    }

    /// Takes a timer back. `None` if it has fired or was cancelled before.
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<T> {
        self.timers.remove(&key)
    }

    /// The timer of a key, unless it has fired or was cancelled.
    pub(crate) fn get(&self, key: TimerKey) -> Option<&T> {
        self.timers.get(&key)
    }

    /// All timers, each with its deadline, in the order of firing.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Timestamp, &T)> {
        self.timers.iter().map(|(key, timer)| (key.deadline, timer))
    }

    /// How many timers are set.
    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    /// The key of the timer that is first.
    pub(crate) fn next_key(&self) -> Option<TimerKey> {
        self.timers.keys().next().copied()
    }

    /// When the next timer fires. The end of time never comes: what is set there, as all beyond it is, never fires.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let next = self.timers.keys().next().map(|key| key.deadline);
        next.filter(|deadline| *deadline < Timestamp::MAX)
    }

    /// Takes the one timer that is due first at `now`, if any is.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<(TimerKey, T)> {
        self.next_deadline().filter(|deadline| *deadline <= now)?;
        let entry = self.timers.first_entry()?;
        Some(entry.remove_entry())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_of_one_deadline_fire_in_the_order_they_were_set() {
        let mut queue = TimerQueue::default();
        let at = Timestamp::from_seconds;
        queue.set(at(2), "c");
        queue.set(at(1), "a");
        let cancelled = queue.set(at(1), "never");
        queue.set(at(1), "b");

        assert_eq!(queue.cancel(cancelled), Some("never"));
        assert_eq!(queue.cancel(cancelled), None);
        assert_eq!(queue.next_deadline(), Some(at(1)));
        assert_eq!(queue.pop_due(at(0)), None);
        let fired: Vec<_> = std::iter::from_fn(|| queue.pop_due(at(2)).map(|(_, timer)| timer)).collect();
        assert_eq!(fired, ["a", "b", "c"]);
        assert_eq!(queue.next_deadline(), None);
    }

    #[test]
    fn a_timer_at_the_end_of_time_never_fires() {
        let mut queue = TimerQueue::default();
        let key = queue.set(Timestamp::MAX, "never");
        assert_eq!(queue.next_deadline(), None);
        assert_eq!(queue.pop_due(Timestamp::MAX), None);
        assert_eq!(queue.cancel(key), Some("never"));
    }
}
