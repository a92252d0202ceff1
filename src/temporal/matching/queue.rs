//! One task queue: a lane for each group of its workers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::WorkerVersionStamp;
use temporalio_protos::temporal::api::deployment::v1::WorkerDeploymentOptions;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueueStats;

use super::rate::Rate;
use super::{Dispatch, Task};
use crate::clock::Timestamp;
use crate::temporal::proto::{duration, proto_duration};
use crate::temporal::txn::Ticket;
use crate::temporal::versioning::{Version, WorkerGroup};

/// How long a worker counts as polling after its last poll (Temporal: `pollerHistoryTTL`).
const POLLER_REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// Workers remembered in one lane: a bound against identities without end.
const MAX_REMEMBERED: usize = 1_000;

/// For how long a task counts as lately added (Temporal: the span of `taskTracker`).
const LATELY: Duration = Duration::from_secs(30);

/// A worker that waits for a task.
#[derive(Clone, Debug)]
pub(crate) struct Poller {
    pub(crate) ticket: Ticket,
    pub(crate) connection: u64,
    pub(crate) identity: String,
    pub(crate) last_access: Timestamp,
    pub(crate) worker_version: Option<WorkerVersionStamp>,
    /// The worker's version, if it uses deployments.
    pub(crate) version: Option<Version>,
    /// Its build id, if it uses versioning without deployments.
    pub(crate) build_id: Option<String>,
    /// The workers that it is of.
    pub(crate) group: WorkerGroup,
    /// It polls its own queue, which belongs to no version.
    pub(crate) is_sticky: bool,
    /// What its worker made for itself when it started; empty if its SDK doesn't.
    pub(crate) worker_instance_key: String,
    /// What it says of its deployment, versioned or not.
    pub(crate) options: Option<WorkerDeploymentOptions>,
}

impl Poller {
    /// The lane where it waits.
    pub(super) fn lane(&self) -> WorkerGroup {
        self.group.clone()
    }
}

/// A task that waits.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) task: Task,
    pub(super) dispatch: Dispatch,
    pub(super) added: Timestamp,
}

/// The place of a task in its lane: the urgent ones first, then first in, first out.
type Place = (i32, u64);

/// The tasks for one group of workers, and the workers that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    tasks: BTreeMap<Place, Queued>,
    pollers: VecDeque<Poller>,
    /// When each worker polled last, by identity.
    polled: BTreeMap<String, Timestamp>,
    last_added: Option<Timestamp>,
    /// The tasks that came and went, by priority.
    added: BTreeMap<i32, Rate>,
    dispatched: BTreeMap<i32, Rate>,
}

/// What a queue without tasks has to do.
pub(super) fn no_stats() -> TaskQueueStats {
    TaskQueueStats {
        approximate_backlog_age: Some(prost_types::Duration::default()),
        ..Default::default()
    }
}

fn count(rates: &mut BTreeMap<i32, Rate>, priority: i32, now: Timestamp) {
    rates.entry(priority).or_insert_with(|| Rate::new(now)).count(now);
}

impl Lane {
    /// Adds what is to be done here to the sums by priority.
    pub(super) fn add_stats(&self, now: Timestamp, stats: &mut BTreeMap<i32, TaskQueueStats>) {
        for (priority, rate) in &self.added {
            stats.entry(*priority).or_insert_with(no_stats).tasks_add_rate += rate.per_second(now);
        }
        for (priority, rate) in &self.dispatched {
            stats.entry(*priority).or_insert_with(no_stats).tasks_dispatch_rate += rate.per_second(now);
        }
        for ((priority, _), queued) in &self.tasks {
            let stats = stats.entry(*priority).or_insert_with(no_stats);
            stats.approximate_backlog_count += 1;
            let known = duration(stats.approximate_backlog_age.as_ref()).unwrap_or_default();
            let age = now.since(queued.added).max(known);
            stats.approximate_backlog_age = Some(proto_duration(age));
        }
    }

    pub(super) fn has_match(&self) -> bool {
        !self.tasks.is_empty() && !self.pollers.is_empty()
    }

    pub(super) fn lacks_poller(&self) -> bool {
        !self.tasks.is_empty() && self.pollers.is_empty()
    }

    pub(super) fn has_tasks(&self) -> bool {
        !self.tasks.is_empty()
    }

    pub(super) fn pollers(&self) -> impl Iterator<Item = &Poller> {
        self.pollers.iter()
    }

    /// Whether a worker polls here, or did a short while ago.
    pub(super) fn has_recent_poller(&self, now: Timestamp) -> bool {
        self.has_poller_within(now, POLLER_REMEMBERED)
    }

    /// Whether a worker polls here, or did not longer ago than this.
    pub(super) fn has_poller_within(&self, now: Timestamp, span: Duration) -> bool {
        !self.pollers.is_empty() || self.polled.values().any(|at| now.since(*at) < span)
    }

    /// Whether a task that comes now goes to a worker at once.
    pub(super) fn is_free(&self) -> bool {
        self.tasks.is_empty() && !self.pollers.is_empty()
    }

    /// Whether tasks wait here, or came a short while ago.
    pub(super) fn is_in_use(&self, now: Timestamp) -> bool {
        self.has_tasks() || self.last_added.is_some_and(|at| now.since(at) < LATELY)
    }

    /// A worker has polled. One that polls its own queue needs no remembering.
    fn remember(&mut self, poller: &Poller, at: Timestamp) {
        if poller.is_sticky {
            return;
        }
        if self.polled.len() >= MAX_REMEMBERED {
            self.polled.retain(|_, polled| at.since(*polled) < POLLER_REMEMBERED);
        }
        if self.polled.len() < MAX_REMEMBERED || self.polled.contains_key(&poller.identity) {
            self.polled.insert(poller.identity.clone(), at);
        }
    }

    /// A worker says good-bye: it isn't remembered.
    fn forget_worker(&mut self, identity: &str) {
        self.polled.remove(identity);
    }
}

/// What came of sorting polls.
#[derive(Debug, Default)]
pub(super) struct SortedPolls {
    /// Polls that wait elsewhere now.
    pub(super) moved: Vec<(Ticket, WorkerGroup)>,
    /// Polls that get nothing any more; they still wait.
    pub(super) superseded: Vec<Ticket>,
    pub(super) changed: Vec<WorkerGroup>,
}

/// The lanes of one queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    lanes: BTreeMap<WorkerGroup, Lane>,
    next_place: u64,
    last_poll_ended: Option<Timestamp>,
    abandoned: bool,
}

impl Queue {
    pub(super) fn add(&mut self, now: Timestamp, lane: WorkerGroup, queued: Queued) {
        let place = (queued.dispatch.priority, self.next_place);
        self.next_place += 1;
        let lane = self.lanes.entry(lane).or_default();
        lane.last_added = Some(now);
        count(&mut lane.added, place.0, now);
        lane.tasks.insert(place, queued);
    }

    /// Sorts the tasks into lanes anew. Gives the lanes that have changed.
    pub(super) fn sort(&mut self, route: impl Fn(&Queued) -> WorkerGroup) -> Vec<WorkerGroup> {
        let mut moved: Vec<(WorkerGroup, WorkerGroup, Place)> = Vec::new();
        for (lane, content) in &self.lanes {
            for (place, queued) in &content.tasks {
                let wanted = route(queued);
                if wanted != *lane {
                    moved.push((lane.clone(), wanted, *place));
                }
            }
        }
        let mut changed = Vec::new();
        for (from, to, place) in moved {
            let Some(queued) = self.lanes.get_mut(&from).and_then(|lane| lane.tasks.remove(&place)) else {
                continue;
            };
            self.lanes.entry(to.clone()).or_default().tasks.insert(place, queued);
            changed.extend([from, to]);
        }
        changed
    }

    /// Moves the polls that go by build ids to the lanes where they belong now: `group` gives that of a build id, or `None`
    /// if its workers get nothing any more.
    pub(super) fn sort_pollers(&mut self, group: impl Fn(&str) -> Option<WorkerGroup>) -> SortedPolls {
        let mut sorted = SortedPolls::default();
        let mut moved: Vec<Poller> = Vec::new();
        for (name, lane) in &mut self.lanes {
            let mut staying = VecDeque::new();
            for mut poller in std::mem::take(&mut lane.pollers) {
                let by_build_id = poller.build_id.as_deref().filter(|_| !poller.is_sticky);
                match by_build_id.map(&group) {
                    None => staying.push_back(poller),
                    Some(Some(group)) if group == *name => staying.push_back(poller),
                    Some(Some(group)) => {
                        poller.group = group;
                        moved.push(poller);
                        sorted.changed.push(name.clone());
                    }
                    Some(None) => {
                        sorted.superseded.push(poller.ticket);
                        staying.push_back(poller);
                    }
                }
            }
            lane.pollers = staying;
        }
        for poller in moved {
            sorted.changed.push(poller.lane());
            sorted.moved.push((poller.ticket, poller.lane()));
            self.park(poller);
        }
        sorted
    }

    /// Drops the tasks for which `is_meant` holds. Gives the lanes that have changed.
    pub(super) fn withdraw(&mut self, is_meant: impl Fn(&Task) -> bool) -> Vec<WorkerGroup> {
        let mut changed = Vec::new();
        for (group, lane) in &mut self.lanes {
            let before = lane.tasks.len();
            lane.tasks.retain(|_, queued| !is_meant(&queued.task));
            if lane.tasks.len() != before {
                changed.push(group.clone());
            }
        }
        changed
    }

    pub(super) fn abandon(&mut self) {
        self.abandoned = true;
    }

    pub(super) fn park(&mut self, poller: Poller) {
        let lane = self.lanes.entry(poller.lane()).or_default();
        lane.remember(&poller, poller.last_access);
        lane.pollers.push_back(poller);
    }

    pub(super) fn park_first(&mut self, poller: Poller) {
        let lane = self.lanes.entry(poller.lane()).or_default();
        lane.pollers.push_front(poller);
    }

    pub(super) fn unpark(&mut self, now: Timestamp, lane: &WorkerGroup, ticket: Ticket) {
        self.last_poll_ended = Some(now);
        if let Some(lane) = self.lanes.get_mut(lane) {
            let place = lane.pollers.iter().position(|poller| poller.ticket == ticket);
            if let Some(poller) = place.and_then(|place| lane.pollers.remove(place)) {
                lane.remember(&poller, now);
            }
        }
    }

    /// A worker shuts down properly: it counts as gone at once.
    pub(super) fn forget_worker(&mut self, identity: &str) {
        self.lanes.values_mut().for_each(|lane| lane.forget_worker(identity));
    }

    pub(super) fn take_match(&mut self, now: Timestamp, lane: &WorkerGroup) -> Option<(Queued, Poller)> {
        let lane = self.lanes.get_mut(lane).filter(|lane| lane.has_match())?;
        self.last_poll_ended = Some(now);
        let ((priority, _), queued) = lane.tasks.pop_first()?;
        count(&mut lane.dispatched, priority, now);
        let poller = lane.pollers.pop_front()?;
        lane.remember(&poller, now);
        Some((queued, poller))
    }

    pub(super) fn lane(&self, group: &WorkerGroup) -> Option<&Lane> {
        self.lanes.get(group)
    }

    pub(super) fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.values()
    }

    /// Each lane with the workers that it is for.
    pub(super) fn lanes_by_group(&self) -> impl Iterator<Item = (&WorkerGroup, &Lane)> {
        self.lanes.iter()
    }

    /// Each task, and whether anybody waits in its lane.
    pub(super) fn tasks(&self) -> impl Iterator<Item = (&Task, bool)> {
        self.lanes.values().flat_map(|lane| {
            let served = !lane.pollers.is_empty();
            lane.tasks.values().map(move |queued| (&queued.task, served))
        })
    }

    pub(super) fn pollers(&self) -> impl Iterator<Item = &Poller> {
        self.lanes.values().flat_map(Lane::pollers)
    }

    /// Whether a worker polls here, or did a short while ago and may come back.
    pub(super) fn is_served(&self, now: Timestamp, grace: Duration) -> bool {
        !self.abandoned
            && (self.pollers().next().is_some() || self.last_poll_ended.is_some_and(|ended| now.since(ended) < grace))
    }

    /// Whether nothing would be lost with this queue.
    pub(super) fn is_idle_sticky(&self, now: Timestamp, grace: Duration) -> bool {
        let has_tasks = self.lanes.values().any(Lane::has_tasks);
        let is_remembered = self.lanes.values().any(|lane| !lane.polled.is_empty());
        !has_tasks && !is_remembered && !self.is_served(now, grace)
    }
}
