//! What fault rules need of the server: what happens by name, and ways to strike a worker or a task.

use std::collections::BTreeSet;

use temporalio_protos::temporal::api::enums::v1::EventType;

use super::{Engine, Hand, HandKey};
use crate::clock::Timestamp;
use crate::moment::{Happening, MomentKind};
use crate::temporal::run::{Run, RunRef};

/// What the rules in force ask of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EngineFaults {
    /// Somebody waits for events of histories.
    pub(crate) tells_events: bool,
    /// Every activity's task goes by its queue, where rules see it.
    pub(crate) forbids_eager: bool,
    /// Of these queues, or of all for `None`, the newest of several tasks goes out first.
    pub(crate) reorders: Vec<Option<String>>,
    /// The queues of which it did.
    pub(crate) reordered: Vec<String>,
}

/// Names something that a worker has asked for and that a fault delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaitId(u64);

/// What workers have asked for and wait for, since faults delay it.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    next: u64,
    /// The runs that a worker was at when it asked: what it waits for, its connection, the run.
    slow_runs: BTreeSet<(WaitId, u64, RunRef)>,
    /// Polls on their way, and the connections by which they come: they keep nobody from work.
    late_polls: Vec<(WaitId, u64)>,
}

impl Waits {
    fn next(&mut self) -> WaitId {
        self.next += 1;
        WaitId(self.next)
    }

    /// Whether a worker's poll is on its way.
    pub(super) fn is_late(&self, connection: u64) -> bool {
        self.late_polls.iter().any(|(_, late)| *late == connection)
    }
}

impl EngineFaults {
    pub(super) fn forbids_eager(&self) -> bool {
        self.forbids_eager
    }

    pub(super) fn reorders(&self, task_queue: &str) -> bool {
        let is_meant = |wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| wanted == task_queue);
        self.reordered.is_empty() && self.reorders.iter().any(is_meant)
    }

    pub(super) fn note_reordered(&mut self, task_queue: &str) {
        self.reordered.push(task_queue.to_owned());
    }
}

impl Engine {
    /// What the rules in force ask of the server from now on.
    pub(crate) fn set_faults(&mut self, faults: EngineFaults) {
        self.faults = faults;
    }

    /// Whether there are notes, happenings or reordered queues to take.
    pub(crate) fn has_news(&self) -> bool {
        !self.notes.is_empty() || !self.happenings.is_empty() || !self.faults.reordered.is_empty()
    }

    /// The queues whose tasks went out in another order since the last call.
    pub(crate) fn take_reordered(&mut self) -> Vec<String> {
        std::mem::take(&mut self.faults.reordered)
    }

    /// The identity of the worker that polls by this connection, or holds a task.
    pub(crate) fn identity_of(&self, connection: u64) -> Option<&str> {
        let hand = self.hands.values().find(|hand| hand.connection == connection);
        let held = hand.map(|hand| hand.identity.as_str());
        held.or_else(|| self.matching.identity_of(connection))
    }

    /// The connections of workers that poll or hold a task, each with its identity.
    pub(crate) fn worker_connections(&self) -> Vec<(u64, String)> {
        let hands = self.hands.values().map(|hand| (hand.connection, hand.identity.clone()));
        let mut all: Vec<(u64, String)> = hands.chain(self.matching.connections()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// What went to this connection is lost: nobody is at work on it.
    pub(crate) fn lose_hands(&mut self, now: Timestamp, connection: u64) {
        for hand in self.hands.values_mut().filter(|hand| hand.connection == connection) {
            hand.released = true;
        }
        self.settle(now);
    }

    /// Something that the workers of these connections have asked for is delayed: they wait for time to pass, with all that they hold.
    /// `answered`: the run whose workflow task it answers, if it does. Nobody may have that task any more: the same answer may have come before.
    pub(crate) fn begin_wait(&mut self, now: Timestamp, connections: &[u64], answered: Option<RunRef>) -> WaitId {
        let wait = self.waits.next();
        for (key, hand) in &mut self.hands {
            if connections.contains(&hand.connection) {
                hand.waits.push(wait);
                if let HandKey::Workflow(run) = key {
                    self.waits.slow_runs.insert((wait, hand.connection, *run));
                }
            }
        }
        if let Some(run) = answered {
            let slow = connections.iter().map(|connection| (wait, *connection, run));
            self.waits.slow_runs.extend(slow);
        }
        self.ignore_expected_polls = true;
        self.settle(now);
        wait
    }

    /// A poll of a worker is delayed. Its worker is at work all the same, but nobody expects it to poll.
    pub(crate) fn begin_late_poll(&mut self, connection: u64) -> WaitId {
        let wait = self.waits.next();
        self.waits.late_polls.push((wait, connection));
        wait
    }

    /// It has come: the workers are at work again, unless they wait for something else.
    pub(crate) fn end_wait(&mut self, wait: WaitId) {
        for hand in self.hands.values_mut() {
            hand.waits.retain(|waiting| *waiting != wait);
        }
        self.waits.slow_runs.retain(|(waiting, ..)| *waiting != wait);
        self.waits.late_polls.retain(|(waiting, _)| *waiting != wait);
    }

    /// What a task waits for that a worker gets now: the SDK puts a workflow task aside whose run it is still at.
    pub(super) fn waits_of(&self, key: &HandKey, connection: u64) -> Vec<WaitId> {
        let HandKey::Workflow(run) = key else {
            return Vec::new();
        };
        let slow_runs = self.waits.slow_runs.iter();
        let is_at_it = |(_, slow, at): &&(WaitId, u64, RunRef)| (*slow, *at) == (connection, *run);
        slow_runs.filter(is_at_it).map(|(wait, ..)| *wait).collect()
    }

    /// The inputs of all signals of this name that the latest run of a workflow has in its history.
    pub(crate) fn signal_inputs(&self, workflow_id: &str, signal_name: &str) -> Vec<Vec<u8>> {
        use temporalio_protos::temporal::api::history::v1::history_event::Attributes;
        let runs = self.runs().filter(|run| run.start.workflow_id == workflow_id);
        let events = runs.last().map(|run| run.log.events()).unwrap_or_default();
        let inputs = events.into_iter().filter_map(|event| match event.attributes {
            Some(Attributes::WorkflowExecutionSignaledEventAttributes(signaled))
                if signaled.signal_name == signal_name =>
            {
                let payloads = signaled.input.unwrap_or_default().payloads.into_iter();
                Some(payloads.flat_map(|payload| payload.data).collect())
            }
            _ => None,
        });
        inputs.collect()
    }

    /// How many events of a type, or of any, the histories of a workflow id have, or all histories.
    pub(crate) fn count_events(&self, workflow_id: Option<&str>, event_type: Option<&str>) -> usize {
        let runs = self.runs();
        let meant = runs.filter(|run| workflow_id.is_none_or(|wanted| wanted == run.start.workflow_id));
        let events = meant.flat_map(|run| run.log.events());
        events
            .filter(|event| event_type.is_none_or(|wanted| wanted == event_name(event.event_type())))
            .count()
    }

    /// Workers have lost a workflow from their caches: its next task goes to any of them. Gives how many runs it was. A task that waits
    /// on a worker's own queue comes to the others when its time there is over. A worker that has a task keeps its run until then.
    pub(crate) fn evict(&mut self, now: Timestamp, workflow_id: Option<&str>) -> usize {
        let is_meant = |id: &str| workflow_id.is_none_or(|wanted| wanted == id);
        let is_cached = |run: &&Run| {
            let task = &run.machines.workflow_task;
            run.is_running() && task.sticky().is_some() && !task.is_started()
        };
        let cached = self.runs().filter(is_cached);
        let meant = cached.filter(|run| is_meant(&run.start.workflow_id));
        let evicted: Vec<RunRef> = meant.map(|run| run.run).collect();
        for run in &evicted {
            self.with_run(now, *run, |run, _| run.reset_sticky());
        }
        self.settle(now);
        evicted.len()
    }

    /// What the last step of a run has brought about.
    pub(super) fn tell_happenings(&mut self, run: RunRef, others: &mut Vec<Happening>) {
        self.happenings.append(others);
        let Some(run) = self.runs.get_mut(run) else {
            return;
        };
        let workflow_id = &run.start.workflow_id;
        for fresh in run.log.take_fresh() {
            if self.faults.tells_events {
                let name = event_name(fresh.event_type);
                self.happenings
                    .push(Happening::new(MomentKind::HistoryEvent, workflow_id.clone(), name));
            }
            let Some(kind) = fresh.moment else {
                continue;
            };
            let (of, detail) = match kind {
                MomentKind::ActivityCompleted | MomentKind::ActivityFailed | MomentKind::ActivityTimedOut => {
                    (fresh.name, workflow_id.clone())
                }
                _ => (workflow_id.clone(), fresh.name),
            };
            self.happenings.push(Happening::new(kind, of, detail));
        }
    }

    /// A worker has a task.
    pub(super) fn tell_hand(&mut self, key: &HandKey, hand: &Hand, activity_type: &str) {
        let happening = match key {
            HandKey::Workflow(run) => {
                let workflow_id = self.runs.get(*run).map(|run| run.start.workflow_id.clone());
                Happening::new(
                    MomentKind::WorkflowTaskStarted,
                    workflow_id.unwrap_or_default(),
                    hand.identity.clone(),
                )
            }
            HandKey::Activity(..) | HandKey::Standalone(..) => {
                Happening::new(MomentKind::ActivityStarted, activity_type, hand.identity.clone())
            }
            HandKey::Query(..) | HandKey::Nexus(_) => return,
        };
        self.happenings.push(happening);
    }
}

/// The type of an event as Temporal's API writes it, without its prefix.
fn event_name(event_type: EventType) -> &'static str {
    let name = event_type.as_str_name();
    name.strip_prefix("EVENT_TYPE_").unwrap_or(name)
}
