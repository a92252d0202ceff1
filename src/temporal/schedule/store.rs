//! All schedules, and the ways to find one.

use std::collections::BTreeMap;

use super::scheduler::Schedule;

/// Names a schedule inside the engine. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ScheduleRef(pub(crate) u64);

/// The schedules of all namespaces.
#[derive(Debug, Default)]
pub(crate) struct Schedules {
    schedules: BTreeMap<ScheduleRef, Schedule>,
    /// By namespace and id.
    by_id: BTreeMap<(String, String), ScheduleRef>,
    /// Who waits for the end of a chain of runs, by its first run id.
    watchers: BTreeMap<String, ScheduleRef>,
    fired: u64,
    next: u64,
}

impl Schedules {
    /// A name for a schedule that is about to be made.
    pub(crate) fn next_ref(&mut self) -> ScheduleRef {
        self.next += 1;
        ScheduleRef(self.next)
    }

    /// Adds a schedule in the place of a closed one of that id.
    pub(crate) fn insert(&mut self, schedule: Schedule) {
        let key = (schedule.namespace.clone(), schedule.schedule_id.clone());
        if let Some(closed) = self.by_id.insert(key, schedule.reference) {
            self.schedules.remove(&closed);
        }
        self.schedules.insert(schedule.reference, schedule);
    }

    /// Forgets the schedules of a namespace; gives them.
    pub(crate) fn remove_namespace(&mut self, namespace: &str) -> Vec<ScheduleRef> {
        let of_namespace = |schedule: &&Schedule| schedule.namespace == namespace;
        let removed: Vec<ScheduleRef> = self
            .schedules
            .values()
            .filter(of_namespace)
            .map(|it| it.reference)
            .collect();
        self.by_id.retain(|(of, _), _| of != namespace);
        self.schedules.retain(|_, schedule| schedule.namespace != namespace);
        self.watchers
            .retain(|_, schedule| self.schedules.contains_key(schedule));
        removed
    }

    pub(crate) fn get(&self, schedule: ScheduleRef) -> Option<&Schedule> {
        self.schedules.get(&schedule)
    }

    pub(crate) fn get_mut(&mut self, schedule: ScheduleRef) -> Option<&mut Schedule> {
        self.schedules.get_mut(&schedule)
    }

    /// The schedule of an id, open or closed.
    pub(crate) fn find(&self, namespace: &str, schedule_id: &str) -> Option<&Schedule> {
        let key = (namespace.to_owned(), schedule_id.to_owned());
        self.by_id.get(&key).and_then(|schedule| self.schedules.get(schedule))
    }

    /// All schedules, closed ones too.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Schedule> {
        self.schedules.values()
    }

    /// A schedule waits for the end of a chain of runs.
    pub(crate) fn watch(&mut self, first_run_id: String, schedule: ScheduleRef) {
        self.watchers.insert(first_run_id, schedule);
    }

    /// Whether a schedule waits for the end of this chain of runs.
    pub(crate) fn is_watched(&self, first_run_id: &str) -> bool {
        self.watchers.contains_key(first_run_id)
    }

    /// Who waited for the end of this chain of runs; nobody does any more.
    pub(crate) fn take_watcher(&mut self, first_run_id: &str) -> Option<ScheduleRef> {
        self.watchers.remove(first_run_id)
    }

    /// How often time has woken a schedule so far.
    pub(crate) fn fired(&self) -> u64 {
        self.fired
    }

    /// Time wakes a schedule.
    pub(crate) fn count_firing(&mut self) {
        self.fired += 1;
    }
}
