//! The timers that a workflow has set and that run: found by the event that started them, and by the id that the workflow gave them.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};

use crate::temporal::machine::timer::UserTimer;
use crate::temporal::versioning::fingerprint32;

/// The timers of one run. No two of them have the same id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    /// By started event id. Hashed, since a timer fires long after whatever lay near it was last looked at: the way down a tree is
    /// several places in cold memory, and this is one or two. Their order is made when it is asked for, and the hasher has no key.
    timers: HashMap<i64, UserTimer, BuildHasherDefault<DefaultHasher>>,
    /// The fingerprint of each timer's id, and its started event. Not the ids themselves: with a million timers, to find one
    /// among texts that lie scattered over the memory takes about twice as long. Those of timers that are gone stay for a while: most timers
    /// fire without being looked for by their ids, and to come back to each entry for that is a way through cold memory.
    ids: BTreeSet<(u32, i64)>,
}

/// So many times as many ids as timers are kept before those of timers that are gone are taken out.
const SHARE: usize = 4;

/// So many entries of timers that are gone are nothing.
const FEW: usize = 16;

impl Timers {
    pub(crate) fn insert(&mut self, timer: UserTimer) {
        let started_event_id = timer.started_event_id();
        self.ids.insert((fingerprint(timer.timer_id()), started_event_id));
        self.timers.insert(started_event_id, timer);
    }

    /// Takes the timer out that this event started.
    pub(crate) fn remove(&mut self, started_event_id: i64) -> Option<UserTimer> {
        let timer = self.timers.remove(&started_event_id)?;
        if self.ids.len() > SHARE * self.timers.len() + FEW {
            // Most go, so the others are put together anew.
            let ids = std::mem::take(&mut self.ids).into_iter();
            self.ids = ids.filter(|(_, id)| self.timers.contains_key(id)).collect();
        }
        Some(timer)
    }

    /// The started event of the timer with this id.
    pub(crate) fn find(&self, timer_id: &str) -> Option<i64> {
        let fingerprint = fingerprint(timer_id);
        let alike = self.ids.range((fingerprint, i64::MIN)..=(fingerprint, i64::MAX));
        let is_named = |id: &i64| self.timers.get(id).is_some_and(|timer| timer.timer_id() == timer_id);
        alike.map(|(_, id)| *id).find(is_named)
    }

    /// Whether this event started one of them.
    pub(crate) fn contains(&self, started_event_id: i64) -> bool {
        self.timers.contains_key(&started_event_id)
    }

    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// In the order in which they were started.
    #[expect(clippy::disallowed_methods, reason = "sorted at once")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &UserTimer> {
        let mut timers: Vec<&UserTimer> = self.timers.values().collect();
        timers.sort_unstable_by_key(|timer| timer.started_event_id());
        timers.into_iter()
    }

    pub(crate) fn clear(&mut self) {
        self.timers.clear();
        self.ids.clear();
    }

    /// Whether each timer is found by its id.
    pub(crate) fn is_consistent(&self) -> bool {
        let is_found = |timer: &UserTimer| self.find(timer.timer_id()) == Some(timer.started_event_id());
        self.iter().all(is_found)
    }
}

fn fingerprint(timer_id: &str) -> u32 {
    fingerprint32(timer_id.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use temporalio_protos::temporal::api::history::v1::TimerStartedEventAttributes;

    use super::*;
    use crate::clock::Timestamp;

    fn timer(timer_id: &str, started_event_id: i64) -> UserTimer {
        let attributes = TimerStartedEventAttributes {
            timer_id: timer_id.to_owned(),
            ..Default::default()
        };
        UserTimer::restore(&attributes, started_event_id, Timestamp::EPOCH_OF_TESTS)
    }

    #[test]
    fn ids_with_one_fingerprint_are_told_apart() {
        let (one, two) = alike();
        let mut timers = Timers::default();
        timers.insert(timer(&one, 5));
        assert_eq!((timers.find(&one), timers.find(&two)), (Some(5), None));
        timers.insert(timer(&two, 6));
        assert_eq!((timers.find(&one), timers.find(&two)), (Some(5), Some(6)));
        assert!(timers.is_consistent());

        assert_eq!(timers.remove(5).as_ref().map(UserTimer::timer_id), Some(one.as_str()));

        assert_eq!((timers.find(&one), timers.find(&two)), (None, Some(6)));
        assert!(timers.remove(5).is_none());
        assert_eq!((timers.len(), timers.is_consistent()), (1, true));
    }

    #[test]
    fn what_is_left_of_timers_that_are_gone_is_forgotten() {
        let mut timers = Timers::default();
        for id in 0..1_000 {
            timers.insert(timer(&id.to_string(), id));
        }
        for id in 0..1_000 {
            assert!(timers.remove(id).is_some());
            assert!(timers.ids.len() <= SHARE * (timers.len() + 1) + FEW);
            assert_eq!(timers.find(&id.to_string()), None);
        }
        assert!(timers.is_empty());
        // An id may be used again.
        timers.insert(timer("7", 2_000));
        assert_eq!(timers.find("7"), Some(2_000));
    }

    /// Two ids with the same fingerprint. Of 2^32 fingerprints, 2^17 ids have about two pairs.
    fn alike() -> (String, String) {
        let mut seen = BTreeMap::new();
        for number in 0.. {
            let id = format!("timer-{number}");
            if let Some(other) = seen.insert(fingerprint(&id), id.clone()) {
                return (other, id);
            }
        }
        unreachable!("the fingerprints are used up first")
    }
}
