//! Every reason why the engine looks at the clock, and the table of those that are set.

use std::collections::BTreeMap;
use std::time::Duration;

use super::nexus::OperationRef;
use super::run::RunRef;
use super::schedule::ScheduleRef;
use super::standalone::ActivityRef;
use super::txn::Ticket;
use crate::clock::{TimerKey, TimerQueue, Timestamp};

/// Names one timer. There is at most one of each name: setting it again replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The whole chain of runs has taken too long.
    WorkflowExecutionTimeout(RunRef),
    /// This run has taken too long.
    WorkflowRunTimeout(RunRef),
    /// A start delay, a retry's or a cron's wait is over: the first workflow task may be scheduled.
    FirstWorkflowTask(RunRef),
    /// A started workflow task wasn't answered in time.
    WorkflowTaskStartToClose(RunRef),
    /// A task on a sticky queue wasn't fetched in time: its worker is gone, and any worker may have it.
    WorkflowTaskScheduleToStart(RunRef),
    /// Queries on a sticky queue weren't fetched in time: any worker may have them.
    QueryScheduleToStart(RunRef),
    /// A fast-forward has come to its target time.
    FastForward(RunRef),
    /// A batch operation goes on.
    Batch(RunRef),
    /// The end of its parent reaches a child that was at work. The child may have ended meanwhile.
    ParentEnd(RunRef),
    /// A user timer (by the id of its started event).
    User(RunRef, i64),
    /// One of an activity's clocks (by the id of its scheduled event).
    Activity(RunRef, i64, ActivityTimer),
    /// A schedule's next action is due.
    Schedule(ScheduleRef),
    /// One of a nexus operation's clocks (by the id of its scheduled event).
    NexusOperation(RunRef, i64, NexusTimer),
    /// One of the clocks of a nexus operation without a workflow.
    StandaloneNexusOperation(OperationRef, NexusTimer),
    /// A worker took too long to answer a nexus request (by its number).
    NexusRequest(u64),
    /// The wait before the next delivery of a completion callback (by its place). It outlives the run.
    Callback(RunRef, usize),
    /// One of a standalone activity's clocks.
    Standalone(ActivityRef, ActivityTimer),
    /// A client of the test service sleeps.
    Sleep(Ticket),
    /// A task queue that was held back by its rate limit may go on.
    RateLimit,
}

impl Timer {
    fn is_of_schedule(self) -> bool {
        matches!(self, Self::Schedule(_))
    }
}

/// The clocks of one nexus operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NexusTimer {
    /// From scheduled until the end.
    ScheduleToClose,
    /// From scheduled until the handler says that it runs.
    ScheduleToStart,
    /// From then until the end.
    StartToClose,
    /// The wait before the next request to start it.
    Retry,
    /// The wait before the next request to cancel it.
    CancelRetry,
}

impl NexusTimer {
    pub(crate) const ALL: [Self; 5] = [
        Self::ScheduleToClose,
        Self::ScheduleToStart,
        Self::StartToClose,
        Self::Retry,
        Self::CancelRetry,
    ];
}

/// The clocks of one activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ActivityTimer {
    /// From scheduled until a worker takes it.
    ScheduleToStart,
    /// From scheduled until the end, over all attempts.
    ScheduleToClose,
    /// One attempt.
    StartToClose,
    /// Since the last heartbeat.
    Heartbeat,
    /// The wait before the next attempt.
    Retry,
}

/// The timers that are set, by name and in order of firing.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimerTable {
    queue: TimerQueue<Timer>,
    /// Where in the queue each timer is. The names of those that have fired stay for a while: most fire without being looked for by
    /// name, and to come back to each entry for that is a way through cold memory. The queue gives no key twice, so it tells which are gone.
    keys: BTreeMap<Timer, TimerKey>,
    /// How many of those that are set are schedules'.
    schedules: usize,
}

/// So many times as many names as timers are kept before those of timers that are gone are taken out.
const SHARE: usize = 4;

/// So many names of timers that are gone are nothing.
const FEW: usize = 16;

impl TimerTable {
    pub(crate) fn set(&mut self, timer: Timer, deadline: Timestamp) {
        let key = self.queue.set(deadline, timer);
        self.schedules += usize::from(timer.is_of_schedule());
        if let Some(before) = self.keys.insert(timer, key) {
            self.cancel(before);
        }
    }

    /// Sets a timer unless it is set to that moment already: then it keeps its turn among those of the same moment.
    pub(crate) fn set_if_other(&mut self, timer: Timer, deadline: Timestamp) {
        if self.key(timer).is_none_or(|key| key.deadline() != deadline) {
            self.set(timer, deadline);
        }
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        if let Some(key) = self.keys.remove(&timer) {
            self.cancel(key);
        }
    }

    fn cancel(&mut self, key: TimerKey) {
        if let Some(timer) = self.queue.cancel(key) {
            self.schedules -= usize::from(timer.is_of_schedule());
        }
    }

    /// Where a timer is in the queue, if it is set.
    fn key(&self, timer: Timer) -> Option<TimerKey> {
        let key = *self.keys.get(&timer)?;
        self.queue.get(key).is_some().then_some(key)
    }

    /// Stops every timer of a run that has ended.
    pub(crate) fn stop_all_of(&mut self, run: RunRef) {
        // Names that differ in their first field sort apart, so each kind of name is a range of its own.
        let singles = [
            Timer::WorkflowExecutionTimeout(run),
            Timer::WorkflowRunTimeout(run),
            Timer::FirstWorkflowTask(run),
            Timer::WorkflowTaskStartToClose(run),
            Timer::WorkflowTaskScheduleToStart(run),
            Timer::FastForward(run),
            Timer::Batch(run),
        ];
        let users = self.keys.range(Timer::User(run, i64::MIN)..=Timer::User(run, i64::MAX));
        let activities = self.keys.range(
            Timer::Activity(run, i64::MIN, ActivityTimer::ScheduleToStart)
                ..=Timer::Activity(run, i64::MAX, ActivityTimer::Retry),
        );
        let operations = self.keys.range(
            Timer::NexusOperation(run, i64::MIN, NexusTimer::ScheduleToClose)
                ..=Timer::NexusOperation(run, i64::MAX, NexusTimer::CancelRetry),
        );
        let many: Vec<Timer> = users
            .chain(activities)
            .chain(operations)
            .map(|(timer, _)| *timer)
            .collect();
        singles.into_iter().chain(many).for_each(|timer| self.stop(timer));
    }

    /// Stops what outlives a run's end but not the run.
    pub(crate) fn stop_callbacks_of(&mut self, run: RunRef) {
        let callbacks = self
            .keys
            .range(Timer::Callback(run, 0)..=Timer::Callback(run, usize::MAX));
        let callbacks: Vec<Timer> = callbacks.map(|(timer, _)| *timer).collect();
        callbacks.into_iter().for_each(|timer| self.stop(timer));
    }

    /// A run has skipped time: what waits for a moment of its clock comes so much sooner, in the order it had.
    ///
    /// Of an activity's clocks only the wait for its next attempt does, as in Temporal
    /// (`RegenerateTimerTasksForTimeSkipping`): while any other matters, the run doesn't skip time.
    pub(crate) fn hurry(&mut self, run: RunRef, by: Duration) {
        let singles = [
            Timer::WorkflowExecutionTimeout(run),
            Timer::WorkflowRunTimeout(run),
            Timer::FirstWorkflowTask(run),
            Timer::FastForward(run),
        ];
        let singles = singles
            .into_iter()
            .filter_map(|timer| Some((*self.keys.get(&timer)?, timer)));
        let users = self.keys.range(Timer::User(run, i64::MIN)..=Timer::User(run, i64::MAX));
        let retries = self
            .keys
            .range(
                Timer::Activity(run, i64::MIN, ActivityTimer::ScheduleToStart)
                    ..=Timer::Activity(run, i64::MAX, ActivityTimer::Retry),
            )
            .filter(|(timer, _)| matches!(timer, Timer::Activity(_, _, ActivityTimer::Retry)));
        let many = users.chain(retries).map(|(timer, key)| (*key, *timer));
        let is_set = |(key, _): &(TimerKey, Timer)| self.queue.get(*key).is_some();
        let mut waiting: Vec<(TimerKey, Timer)> = singles.chain(many).filter(is_set).collect();
        waiting.sort_unstable_by_key(|(key, _)| *key);
        for (key, timer) in waiting {
            self.set(timer, key.deadline() - by);
        }
    }

    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        let (_, timer) = self.queue.pop_due(now)?;
        self.schedules -= usize::from(timer.is_of_schedule());
        self.forget_the_gone();
        Some(timer)
    }

    /// Keeps the names of timers that are gone from being far more than the others.
    fn forget_the_gone(&mut self) {
        if self.has_few_names() {
            return;
        }
        // What lies before the first in the queue isn't in it. That finds all but those whose time had come before they were set.
        let first = self.queue.next_key();
        self.keep_names(|_, key| first.is_some_and(|first| *key >= first));
        if !self.has_few_names() {
            self.keep_names(|queue, key| queue.get(*key).is_some());
        }
    }

    fn has_few_names(&self) -> bool {
        self.keys.len() <= SHARE * self.queue.len() + FEW
    }

    /// Most names go, so the others are put together anew.
    fn keep_names(&mut self, keep: impl Fn(&TimerQueue<Timer>, &TimerKey) -> bool) {
        let names = std::mem::take(&mut self.keys).into_iter();
        self.keys = names.filter(|(_, key)| keep(&self.queue, key)).collect();
    }

    /// Whether timers are set, and all of them are those of schedules.
    pub(crate) fn has_only_schedules(&self) -> bool {
        self.schedules > 0 && self.schedules == self.queue.len()
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.queue.next_deadline()
    }

    /// Whether a timer is set.
    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.key(timer).is_some()
    }

    /// All timers that are set, in the order of firing.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Timer> {
        self.queue.iter().map(|(_, timer)| *timer)
    }

    /// Whether each timer is found by its name, and the schedules' are counted right.
    pub(crate) fn is_consistent(&self) -> bool {
        let found = self
            .keys
            .iter()
            .filter(|(timer, key)| self.queue.get(**key) == Some(*timer));
        found.count() == self.queue.len()
            && self.schedules == self.iter().filter(|timer| timer.is_of_schedule()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_skips_time_takes_along_what_waits_for_its_clock() {
        let mut table = TimerTable::default();
        let at = Timestamp::from_seconds;
        let (one, two) = (RunRef(1), RunRef(2));
        table.set(Timer::User(one, 5), at(100));
        table.set(Timer::WorkflowRunTimeout(one), at(100));
        table.set(Timer::Activity(one, 7, ActivityTimer::Retry), at(90));
        table.set(Timer::Activity(one, 7, ActivityTimer::ScheduleToClose), at(95));
        table.set(Timer::User(two, 5), at(60));

        table.hurry(one, Duration::from_secs(50));

        let fired: Vec<_> = std::iter::from_fn(|| table.pop_due(at(99))).collect();
        assert_eq!(
            fired,
            [
                Timer::Activity(one, 7, ActivityTimer::Retry),
                Timer::User(one, 5),
                Timer::WorkflowRunTimeout(one),
                Timer::User(two, 5),
                Timer::Activity(one, 7, ActivityTimer::ScheduleToClose),
            ]
        );
    }

    #[test]
    fn a_timer_set_again_is_replaced_and_a_run_takes_all_its_timers_along() {
        let mut table = TimerTable::default();
        let at = Timestamp::from_seconds;
        let (one, two) = (RunRef(1), RunRef(2));
        table.set(Timer::User(one, 5), at(1));
        table.set(Timer::User(one, 5), at(9));
        table.set(Timer::Activity(one, 7, ActivityTimer::Retry), at(2));
        table.set(Timer::WorkflowRunTimeout(one), at(3));
        table.set(Timer::NexusOperation(one, 8, NexusTimer::Retry), at(3));
        table.set(Timer::User(two, 5), at(4));
        assert_eq!(table.next_deadline(), Some(at(2)));

        table.stop_all_of(one);

        assert_eq!(table.pop_due(at(99)), Some(Timer::User(two, 5)));
        assert_eq!(table.pop_due(at(99)), None);
    }

    #[test]
    fn the_names_of_timers_that_have_fired_are_forgotten() {
        let mut table = TimerTable::default();
        let at = Timestamp::from_seconds;
        let run = RunRef(1);
        for id in 0..1_000 {
            table.set(Timer::User(run, id), at(1_000 - id.unsigned_abs()));
        }
        for left in (0..1_000).rev() {
            let fired = table.pop_due(at(1_000));
            assert_eq!(fired, Some(Timer::User(run, left)));
            assert!(!table.is_set(Timer::User(run, left)));
            assert!(table.has_few_names());
            assert!(table.is_consistent());
        }
        // Each of these lies before one that fired earlier: its time had come long before it was set.
        for id in 0..1_000 {
            table.set(Timer::User(run, id), at(1));
            table.set(Timer::WorkflowRunTimeout(run), at(0));
            assert_eq!(table.pop_due(at(1)), Some(Timer::WorkflowRunTimeout(run)));
            assert_eq!(table.pop_due(at(1)), Some(Timer::User(run, id)));
            assert!(table.has_few_names());
        }
    }

    #[test]
    fn a_name_that_is_left_behind_is_no_timer() {
        let mut table = TimerTable::default();
        let at = Timestamp::from_seconds;
        let (run, user) = (RunRef(1), Timer::User(RunRef(1), 5));
        table.set(user, at(100));
        assert_eq!(table.pop_due(at(100)), Some(user));
        assert_eq!(table.keys.len(), 1, "the name is still there");

        table.hurry(run, Duration::from_secs(50));
        assert_eq!((table.is_set(user), table.next_deadline()), (false, None));
        table.stop(user);
        table.set(user, at(100));
        assert_eq!(table.pop_due(at(100)), Some(user));
        table.set_if_other(user, at(100));
        assert_eq!(table.pop_due(at(100)), Some(user));
    }

    #[test]
    fn schedules_alone_are_told_from_others_with_them() {
        let mut table = TimerTable::default();
        let at = Timestamp::from_seconds;
        let (schedule, user) = (Timer::Schedule(ScheduleRef(1)), Timer::User(RunRef(1), 5));
        assert!(!table.has_only_schedules());
        table.set(schedule, at(2));
        table.set(schedule, at(3));
        assert!(table.has_only_schedules());
        table.set(user, at(1));
        assert!(!table.has_only_schedules());
        assert_eq!(table.pop_due(at(3)), Some(user));
        assert!(table.has_only_schedules());
        table.set(user, at(4));
        table.stop(schedule);
        assert!(!table.has_only_schedules());
    }
}
