//! One task queue: a lane for each group of its workers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::{WorkerVersionCapabilities, WorkerVersionStamp};
use temporalio_protos::temporal::api::deployment::v1::WorkerDeploymentOptions;

use super::describe::Polled;
use super::fairness::{Backlog, Level};
use super::limiter::{Limiter, weight};
use super::rate::Rate;
use super::throttle::List;
use super::{Dispatch, Task};
use crate::clock::Timestamp;
use crate::temporal::priority;
use crate::temporal::txn::Ticket;
use crate::temporal::versioning::{Version, WorkerGroup};

/// How long a worker counts as polling after its last poll (Temporal: `pollerHistoryTTL`).
pub(super) const POLLER_REMEMBERED: Duration = Duration::from_secs(5 * 60);

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
    /// What it says of its build, in the older way.
    pub(crate) capabilities: Option<WorkerVersionCapabilities>,
    /// How fast it wants its queue's tasks to go out.
    pub(crate) max_tasks_per_second: Option<f64>,
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
    /// Its place in the backlog, once it is stored.
    pub(super) level: Option<Level>,
}

impl Queued {
    /// Whether it waits in the backlog. Queries and nexus requests wait for a worker as well, but aren't stored.
    pub(super) fn is_stored(&self) -> bool {
        match self.task {
            Task::Workflow { .. } | Task::Activity { .. } | Task::Standalone { .. } => true,
            Task::Query { .. } | Task::Nexus { .. } => false,
        }
    }

    /// The backlog that it is in: that of its version if it is pinned to one.
    fn backlog(&self) -> BacklogKey {
        (self.dispatch.directive.pinned().cloned(), self.dispatch.priority)
    }
}

/// The place of a task in its lane: the urgent ones first, then by pass, then first in, first out.
type Place = (i32, i64, u64);

/// The pass of what isn't in the backlog: it goes before what is.
const AT_ONCE: i64 = -1;

/// The pass of all tasks of a queue whose fairness keys have no turns.
const NO_TURNS: i64 = 0;

/// Names a backlog: the version that its tasks are pinned to, and their priority.
type BacklogKey = (Option<Version>, i32);

/// The tasks for one group of workers, and the workers that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    tasks: BTreeMap<Place, Queued>,
    pollers: VecDeque<Box<Poller>>,
    /// What each worker said when it polled last, by identity.
    pub(super) polled: BTreeMap<String, Polled>,
    last_added: Option<Timestamp>,
    /// The tasks that came and went, by priority.
    pub(super) rates: BTreeMap<i32, Rates>,
    /// How often a task had to wait for the queue's rate limit.
    pub(super) held_back: Option<Rate>,
    /// Where it was put when somebody looked last.
    pub(super) list: List,
}

/// The tasks of one priority that came and went.
#[derive(Clone, Debug)]
pub(super) struct Rates {
    pub(super) added: Rate,
    pub(super) dispatched: Rate,
}

impl Lane {
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
        self.pollers.iter().map(Box::as_ref)
    }

    /// Whether a worker polls here, or did a short while ago.
    pub(super) fn has_recent_poller(&self, now: Timestamp) -> bool {
        self.has_poller_within(now, POLLER_REMEMBERED)
    }

    /// Whether a worker polls here, or did not longer ago than this.
    pub(super) fn has_poller_within(&self, now: Timestamp, span: Duration) -> bool {
        !self.pollers.is_empty() || self.polled.values().any(|polled| polled.is_within(now, span))
    }

    /// Whether a task that comes now goes to a worker at once.
    pub(super) fn is_free(&self) -> bool {
        self.tasks.is_empty() && !self.pollers.is_empty()
    }

    /// Whether tasks wait here, or came a short while ago.
    pub(super) fn is_in_use(&self, now: Timestamp) -> bool {
        self.has_tasks() || self.last_added.is_some_and(|at| now.since(at) < LATELY)
    }

    /// A worker has polled. One without a name isn't remembered.
    fn remember(&mut self, poller: &Poller, at: Timestamp) {
        if poller.identity.is_empty() {
            return;
        }
        if self.polled.len() >= MAX_REMEMBERED {
            self.polled.retain(|_, polled| polled.is_recent(at));
        }
        let has_room = self.polled.len() < MAX_REMEMBERED;
        match self.polled.get_mut(&poller.identity) {
            Some(polled) => *polled = Polled::new(poller, at),
            None if has_room => {
                self.polled.insert(poller.identity.clone(), Polled::new(poller, at));
            }
            None => {}
        }
    }

    /// A task had to wait for the queue's rate limit.
    pub(super) fn note_held_back(&mut self, now: Timestamp) {
        self.held_back.get_or_insert_with(|| Rate::new(now)).count(now);
    }

    /// The tasks that wait, in their order, each with its priority.
    pub(super) fn tasks(&self) -> impl Iterator<Item = (i32, &Queued)> {
        self.tasks.iter().map(|((priority, ..), queued)| (*priority, queued))
    }

    /// The fairness keys of the tasks that wait.
    pub(super) fn fairness_keys(&self) -> impl Iterator<Item = &str> {
        self.tasks.values().map(|queued| queued.dispatch.fairness_key.as_str())
    }

    fn rates(&mut self, priority: i32, now: Timestamp) -> &mut Rates {
        self.rates.entry(priority).or_insert_with(|| Rates {
            added: Rate::new(now),
            dispatched: Rate::new(now),
        })
    }

    /// Whether a poll that waits here takes a task at once, if one with this fairness key comes now.
    fn takes_at_once(&self, now: Timestamp, limiter: Option<&Limiter>, fairness_key: &str) -> bool {
        self.pollers.len() > self.tasks.len() && limiter.is_none_or(|limiter| limiter.ready(fairness_key).is_by(now))
    }

    /// Whether there is a choice of tasks.
    fn has_several(&self) -> bool {
        self.tasks.len() > 1
    }

    /// The first task that may go out now.
    fn first_ready(&self, now: Timestamp, limiter: Option<&Limiter>) -> Option<Place> {
        let may_go =
            |queued: &Queued| limiter.is_none_or(|limiter| limiter.ready(&queued.dispatch.fairness_key).is_by(now));
        let found = self.tasks.iter().find(|(_, queued)| may_go(queued));
        found.map(|(place, _)| *place)
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
    /// How many tasks were stored here so far.
    stored: i64,
    backlogs: BTreeMap<BacklogKey, Backlog>,
    /// A worker's own queue.
    is_sticky: bool,
    last_poll_ended: Option<Timestamp>,
    abandoned: bool,
}

impl Queue {
    /// A task comes. If the queue is fair, its fairness key takes its turn. Gives its lane.
    pub(super) fn add(
        &mut self,
        now: Timestamp,
        lane: &WorkerGroup,
        mut queued: Queued,
        is_fair: bool,
        limiter: Option<&Limiter>,
    ) -> &mut Lane {
        let number = self.next_place;
        self.next_place += 1;
        let lane = self.lanes.entry(lane.clone()).or_default();
        let dispatch = &queued.dispatch;
        let priority = dispatch.priority;
        if queued.is_stored() && !lane.takes_at_once(now, limiter, &dispatch.fairness_key) {
            let backlog = self.backlogs.entry(queued.backlog()).or_default();
            let weight = match limiter {
                Some(limiter) => limiter.weight(&dispatch.fairness_key, dispatch.fairness_weight),
                None => weight(None, dispatch.fairness_weight),
            };
            let pass = match is_fair {
                true => backlog.next_pass(&dispatch.fairness_key, weight),
                false => NO_TURNS,
            };
            self.stored += 1;
            queued.level = Some((pass, self.stored));
            backlog.put((pass, self.stored));
        }
        // What is taken at once has no turn; without turns it keeps its place in the order.
        let pass = match queued.level {
            Some((pass, _)) => pass,
            None if is_fair || !queued.is_stored() => AT_ONCE,
            None => NO_TURNS,
        };
        lane.last_added = Some(now);
        lane.rates(priority, now).added.count(now);
        lane.tasks.insert((priority, pass, number), queued);
        lane
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
        let mut moved: Vec<Box<Poller>> = Vec::new();
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
            lane.tasks.retain(|_, queued| {
                let goes = is_meant(&queued.task);
                if goes {
                    take(&mut self.backlogs, queued);
                }
                !goes
            });
            if lane.tasks.len() != before {
                changed.push(group.clone());
            }
        }
        changed
    }

    pub(super) fn abandon(&mut self) {
        self.abandoned = true;
    }

    /// A worker waits. Gives its lane.
    pub(super) fn park(&mut self, poller: Box<Poller>) -> &mut Lane {
        self.is_sticky = poller.is_sticky;
        let lane = self.lanes.entry(poller.lane()).or_default();
        lane.remember(&poller, poller.last_access);
        lane.pollers.push_back(poller);
        lane
    }

    pub(super) fn park_first(&mut self, poller: Box<Poller>) {
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

    pub(super) fn take_match(
        &mut self,
        now: Timestamp,
        lane: &WorkerGroup,
        limiter: Option<&Limiter>,
        newest: bool,
    ) -> Option<(Queued, Box<Poller>)> {
        let lane = self.lanes.get_mut(lane).filter(|lane| lane.has_match())?;
        let place = match newest {
            true => lane.tasks.last_key_value().map(|(place, _)| *place)?,
            false => lane.first_ready(now, limiter)?,
        };
        self.last_poll_ended = Some(now);
        let queued = lane.tasks.remove(&place)?;
        take(&mut self.backlogs, &queued);
        lane.rates(place.0, now).dispatched.count(now);
        let poller = lane.pollers.pop_front()?;
        lane.remember(&poller, now);
        Some((queued, poller))
    }

    /// Whether there is a choice of tasks.
    pub(super) fn has_several(&self, lane: &WorkerGroup) -> bool {
        self.lanes.get(lane).is_some_and(Lane::has_several)
    }

    pub(super) fn lane(&self, group: &WorkerGroup) -> Option<&Lane> {
        self.lanes.get(group)
    }

    pub(super) fn lane_mut(&mut self, group: &WorkerGroup) -> Option<&mut Lane> {
        self.lanes.get_mut(group)
    }

    /// Those for whom there is a lane.
    pub(super) fn groups(&self) -> impl Iterator<Item = &WorkerGroup> {
        self.lanes.keys()
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

    /// The levels up to which the backlog of the usual priority was stored, and has gone out.
    pub(super) fn levels(&self) -> (i64, i64) {
        self.backlogs
            .get(&(None, priority::DEFAULT))
            .map_or((0, 0), Backlog::levels)
    }

    /// Whether it is a worker's own.
    pub(super) fn is_sticky(&self) -> bool {
        self.is_sticky
    }

    /// Whether it is a worker's own and nothing would be lost with it.
    pub(super) fn is_idle_sticky(&self, now: Timestamp, grace: Duration) -> bool {
        let is_used = |lane: &Lane| lane.has_tasks() || lane.has_recent_poller(now);
        self.is_sticky && !self.lanes.values().any(is_used) && !self.is_served(now, grace)
    }
}

/// A task leaves its backlog.
fn take(backlogs: &mut BTreeMap<BacklogKey, Backlog>, queued: &Queued) {
    let Some(level) = queued.level else { return };
    if let Some(backlog) = backlogs.get_mut(&queued.backlog()) {
        backlog.take(level);
    }
}
