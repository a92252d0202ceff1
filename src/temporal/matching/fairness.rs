//! Stride scheduling: tasks of one priority go out in turns of their fairness keys, by weight (Temporal: `fair_task_writer`,
//! `counter`).
//!
//! Each task gets a pass when it is put into the backlog, and the lowest goes first. A key's passes are further apart the less it
//! weighs. A key that hasn't been seen for a while starts where the backlog is now, so it gains nothing by its absence.

use std::collections::BTreeMap;

/// The distance of two passes of a key that weighs 1.
const STRIDE: f32 = 1_000.0;

/// The largest distance of two backlog: that of the least weight, 0.001.
const MAX_STRIDE: i64 = 1_000_000;

/// Keys that are remembered before those are forgotten that are behind anyway.
const MAX_KEYS: usize = 10_000;

/// A task's place in its backlog: its pass, then its number.
pub(super) type Level = (i64, i64);

/// The tasks of one priority that are stored, for one group of workers.
#[derive(Clone, Debug, Default)]
pub(super) struct Backlog {
    /// The last pass of each key. Temporal counts more than a hundred keys only roughly; here each is exact.
    last: BTreeMap<String, i64>,
    /// The tasks that were put here, and whether each has gone out. Those at the front that have aren't kept.
    levels: BTreeMap<Level, bool>,
    /// All tasks up to here have gone out.
    gone: Level,
    /// The last of all that were stored.
    stored: Level,
}

impl Backlog {
    /// The pass of a key's next task.
    pub(super) fn next_pass(&mut self, key: &str, weight: f32) -> i64 {
        let stride = ((STRIDE / weight) as i64).max(1);
        let pass = match self.last.get(key) {
            Some(last) => last.saturating_add(stride).max(self.gone.0),
            None => stride.max(self.gone.0),
        };
        self.forget_keys_behind();
        self.last.insert(key.to_owned(), pass);
        pass
    }

    /// A task is in the backlog.
    pub(super) fn put(&mut self, level: Level) {
        self.stored = self.stored.max(level);
        self.levels.insert(level, false);
    }

    /// A task has gone out.
    pub(super) fn take(&mut self, level: Level) {
        if let Some(is_gone) = self.levels.get_mut(&level) {
            *is_gone = true;
        }
        while let Some(first) = self.levels.first_entry().filter(|first| *first.get()) {
            self.gone = *first.key();
            first.remove();
        }
    }

    /// The numbers of the last task that was stored, and of the last before which none waits.
    pub(super) fn levels(&self) -> (i64, i64) {
        (self.stored.1, self.gone.1)
    }

    /// Keys whose next pass would be the current one whatever they weigh need no remembering.
    fn forget_keys_behind(&mut self) {
        if self.last.len() >= MAX_KEYS {
            let gone = self.gone.0;
            self.last.retain(|_, last| last.saturating_add(MAX_STRIDE) > gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts tasks of these keys and weights into a backlog; the keys in the order in which they go out.
    fn order(backlog: &mut Backlog, tasks: &[(&'static str, f32)]) -> Vec<&'static str> {
        let mut waiting = BTreeMap::new();
        for (number, (key, weight)) in (0_i64..).zip(tasks) {
            let level = (backlog.next_pass(key, *weight), number);
            backlog.put(level);
            waiting.insert(level, *key);
        }
        waiting.keys().for_each(|level| backlog.take(*level));
        waiting.into_values().collect()
    }

    #[test]
    fn keys_take_turns() {
        let tasks = [("a", 1.0); 4].into_iter().chain([("b", 1.0); 2]);
        let order = order(&mut Backlog::default(), &tasks.collect::<Vec<_>>());
        assert_eq!(order, ["a", "b", "a", "b", "a", "a"]);
    }

    #[test]
    fn a_key_that_weighs_more_goes_more_often() {
        let tasks = [("light", 1.0); 2].into_iter().chain([("heavy", 3.0); 6]);
        let order = order(&mut Backlog::default(), &tasks.collect::<Vec<_>>());
        assert_eq!(
            order,
            ["heavy", "heavy", "heavy", "light", "heavy", "heavy", "heavy", "light"]
        );
    }

    #[test]
    fn a_key_that_comes_late_starts_where_the_backlog_is() {
        let mut backlog = Backlog::default();
        order(&mut backlog, &[("old", 1.0); 9]);
        let late = [("new", 1.0), ("new", 1.0), ("old", 1.0)];
        assert_eq!(order(&mut backlog, &late), ["new", "new", "old"]);
        assert_eq!(backlog.gone.0, 10_000);
        assert!(backlog.levels.is_empty());
    }

    #[test]
    fn a_task_that_waits_holds_the_front() {
        let mut backlog = Backlog::default();
        let levels: Vec<Level> = (0..3).map(|number| (backlog.next_pass("a", 1.0), number)).collect();
        levels.iter().for_each(|level| backlog.put(*level));
        backlog.take(levels[1]);
        assert_eq!(backlog.next_pass("late", 1.0), 1_000);
        backlog.take(levels[0]);
        assert_eq!(backlog.gone, (2_000, 1));
    }

    #[test]
    fn keys_without_end_are_forgotten() {
        let mut backlog = Backlog::default();
        for key in 0..=MAX_KEYS as i64 {
            let level = (backlog.next_pass(&key.to_string(), 0.001), key);
            backlog.put(level);
            backlog.take(level);
        }
        assert_eq!(backlog.last.len(), MAX_KEYS + 1, "all of them are where the backlog is");
        let level = (5_000_000, 0);
        backlog.put(level);
        backlog.take(level);
        backlog.next_pass("new", 1.0);
        assert_eq!(backlog.last.len(), 1);
    }
}
