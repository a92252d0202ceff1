//! Task queues: tasks that wait for a worker, workers that wait for a task, and which goes to which.

mod build_ids;
mod describe;
mod fairness;
mod invariant;
mod limiter;
mod queue;
mod queue_config;
mod rate;
mod shut_down;
#[cfg(test)]
mod tests;
mod throttle;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use smol_str::SmolStr;
use temporalio_protos::temporal::api::enums::v1::TaskQueueType;

use describe::StatsKept;
pub(crate) use describe::{Workers, total};
use limiter::Limiter;
pub(crate) use queue::Poller;
use queue::{Queue, Queued};
pub(crate) use queue_config::{ConfigUpdate, QueueConfig, RateLimit};
use shut_down::ShutDown;
pub(crate) use throttle::ConfigKey;
use throttle::{Lists, Settings};

use super::priority;
use super::run::RunRef;
use super::standalone::ActivityRef;
use super::txn::Ticket;
use super::versioning::build_ids::{BuildIdDirective, BuildIds, QueueBuildIds};
use super::versioning::{Directive, QueueRouting, Route, Routing, Version, WorkerGroup};
use crate::clock::Timestamp;
use crate::entropy::Entropy;

/// How long a sticky queue counts as served after its last poll (Temporal: `stickyPollerUnavailableWindow`).
const STICKY_UNAVAILABLE_AFTER: Duration = Duration::from_secs(10);

/// A task for a worker. Whether it still makes sense is decided when a worker takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Workflow {
        run: RunRef,
        queue: SmolStr,
        normal_queue: SmolStr,
        scheduled_event_id: i64,
    },
    Activity {
        run: RunRef,
        queue: SmolStr,
        scheduled_event_id: i64,
        attempt: i32,
    },
    /// An activity without a workflow.
    Standalone {
        activity: ActivityRef,
        queue: SmolStr,
        attempt: i32,
    },
    Query {
        run: RunRef,
        queue: SmolStr,
        normal_queue: SmolStr,
        query_id: String,
    },
    /// A request to a nexus handler, by its number.
    Nexus { number: u64, queue: SmolStr },
}

impl Task {
    /// What kind of queue it goes to.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Workflow { .. } | Self::Query { .. } => Kind::Workflow,
            Self::Activity { .. } | Self::Standalone { .. } => Kind::Activity,
            Self::Nexus { .. } => Kind::Nexus,
        }
    }

    /// The queue that it is meant for, which may be a worker's own.
    pub(crate) fn queue(&self) -> &str {
        match self {
            Self::Workflow { queue, .. }
            | Self::Query { queue, .. }
            | Self::Activity { queue, .. }
            | Self::Standalone { queue, .. }
            | Self::Nexus { queue, .. } => queue,
        }
    }

    /// The queue that all workers poll.
    fn normal_queue(&self) -> &str {
        match self {
            Self::Workflow { normal_queue, .. } | Self::Query { normal_queue, .. } => normal_queue,
            Self::Activity { queue, .. } | Self::Standalone { queue, .. } | Self::Nexus { queue, .. } => queue,
        }
    }
}

/// What matching must know of a task beside the task itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dispatch {
    pub(crate) directive: Directive,
    /// The same by build ids, if the run has no deployment.
    pub(crate) build_id: BuildIdDirective,
    /// Decides whether the run takes part in an assignment rule's ramp.
    pub(crate) run_id: String,
    /// Decides whether the workflow takes part in a ramp.
    pub(crate) workflow_id: String,
    /// The run's stamp when the task was put here: a later one makes it stale.
    pub(crate) stamp: u32,
    /// From 1, the most urgent.
    pub(crate) priority: i32,
    /// Tasks with different ones take turns if fairness is on, and have rate limits of their own.
    pub(crate) fairness_key: String,
    /// 0 if the task doesn't say.
    pub(crate) fairness_weight: f32,
}

impl Default for Dispatch {
    fn default() -> Self {
        Self {
            directive: Directive::default(),
            build_id: BuildIdDirective::default(),
            run_id: String::new(),
            workflow_id: String::new(),
            stamp: 0,
            priority: priority::DEFAULT,
            fairness_key: String::new(),
            fairness_weight: 0.0,
        }
    }
}

/// What kind of tasks a queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Workflow,
    Activity,
    Nexus,
}

impl Kind {
    pub(crate) fn to_wire(self) -> TaskQueueType {
        match self {
            Self::Workflow => TaskQueueType::Workflow,
            Self::Activity => TaskQueueType::Activity,
            Self::Nexus => TaskQueueType::Nexus,
        }
    }

    /// `None` for a type that no queue has.
    pub(crate) fn from_wire(queue_type: i32) -> Option<Self> {
        match TaskQueueType::try_from(queue_type).ok()? {
            TaskQueueType::Workflow => Some(Self::Workflow),
            TaskQueueType::Activity => Some(Self::Activity),
            TaskQueueType::Nexus => Some(Self::Nexus),
            TaskQueueType::Unspecified => None,
        }
    }
}

/// Names a queue. Such names are copied for every task and every poll.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueKey {
    pub(crate) namespace: SmolStr,
    pub(crate) kind: Kind,
    pub(crate) name: SmolStr,
}

/// Names one group of workers' part of a queue.
type LaneKey = (QueueKey, WorkerGroup);

/// All queues.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matching {
    queues: BTreeMap<QueueKey, Queue>,
    /// What each queue knows of versions.
    routings: BTreeMap<QueueKey, QueueRouting>,
    /// What each queue knows of build ids without deployments.
    build_ids: QueueBuildIds,
    /// Where a parked poll waits.
    polls: BTreeMap<Ticket, LaneKey>,
    /// Connections that have polled a lane and are alive: they will poll it again.
    served: BTreeMap<LaneKey, BTreeSet<u64>>,
    /// What clients have set.
    configs: BTreeMap<ConfigKey, QueueConfig>,
    /// Of the queues for which somebody has ever asked for a limit.
    limiters: BTreeMap<QueueKey, Limiter>,
    lists: Lists,
    shut_down: ShutDown,
    settings: Settings,
    stats_kept: StatsKept,
    /// The latest moment that matching was told of.
    now: Timestamp,
}

/// A task and the poll that gets it.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) task: Task,
    pub(crate) dispatch: Dispatch,
    /// Boxed, since it goes from the queue to here and may go back.
    pub(crate) poller: Box<Poller>,
    /// Where they met.
    pub(crate) key: QueueKey,
    /// Whether the task came by the worker's own queue: then the worker has the run in its cache.
    pub(crate) sticky: bool,
    /// What the queue's routing says of the task now.
    pub(crate) route: Route,
    /// Whether it is the newest of several, by a fault.
    pub(crate) reordered: bool,
}

impl Matching {
    /// A task is to be done. One for a worker's own queue goes to the normal queue if nobody serves that any more, or if
    /// its run must go to another version. Gives the build id that the queue has given it, if it did so and no worker
    /// takes the task at once.
    pub(crate) fn add(&mut self, now: Timestamp, namespace: &str, task: Task, dispatch: Dispatch) -> Option<String> {
        let mut queued = Queued {
            task,
            dispatch,
            added: now,
            level: None,
        };
        let key = |name: &str| QueueKey {
            namespace: namespace.into(),
            kind: queued.task.kind(),
            name: name.into(),
        };
        let normal = key(queued.task.normal_queue());
        let own = key(queued.task.queue());
        let mut assigned = None;
        let (key, lane) = match own != normal && self.is_served(now, &own) && self.stays_sticky(&normal, &queued) {
            true => (own, WorkerGroup::Unversioned),
            false => {
                let route = self.route(&normal, &queued);
                let lane = self.queues.get(&normal).and_then(|queue| queue.lane(&route.lane));
                let waits = !lane.is_some_and(queue::Lane::is_free);
                if waits && queued.dispatch.build_id == BuildIdDirective::Assign && !route.assigned.is_empty() {
                    queued.dispatch.build_id = BuildIdDirective::Assigned(route.assigned.clone());
                    assigned = Some(route.assigned);
                }
                (normal, route.lane)
            }
        };
        // A worker's own queue has no turns.
        let is_fair = self.settings.is_fair && key.name == queued.task.normal_queue();
        self.hear_time(now);
        let limiter = self.limiters.get(&key);
        let queue = match self.queues.get_mut(&key) {
            Some(queue) => queue,
            None => self.queues.entry(key.clone()).or_default(),
        };
        let content = queue.add(now, &lane, queued, is_fair, limiter);
        self.lists.note(now, &(key, lane), content, limiter);
        assigned
    }

    /// An activity's task must not be handed out any more.
    pub(crate) fn withdraw_activity(&mut self, namespace: &str, queue: &str, run: RunRef, scheduled_event_id: i64) {
        self.withdraw_task(namespace, queue, |task| {
            matches!(task, Task::Activity { run: of, scheduled_event_id: id, .. }
                if *of == run && *id == scheduled_event_id)
        });
    }

    /// A standalone activity's task must not be handed out any more.
    pub(crate) fn withdraw_standalone(&mut self, namespace: &str, queue: &str, activity: ActivityRef) {
        self.withdraw_task(
            namespace,
            queue,
            |task| matches!(task, Task::Standalone { activity: of, .. } if *of == activity),
        );
    }

    /// A worker waits for a task.
    pub(crate) fn park(&mut self, key: QueueKey, poller: Box<Poller>) {
        let lane = (key, poller.lane());
        let now = poller.last_access;
        match self.served.get_mut(&lane) {
            Some(connections) => drop(connections.insert(poller.connection)),
            None => drop(self.served.insert(lane.clone(), [poller.connection].into())),
        }
        self.polls.insert(poller.ticket, lane.clone());
        self.hear_worker(now, &lane.0, poller.max_tasks_per_second);
        if poller.is_sticky && !self.queues.contains_key(&lane.0) {
            self.queues
                .retain(|_, queue| !queue.is_idle_sticky(now, STICKY_UNAVAILABLE_AFTER));
        }
        self.hear_time(now);
        let queue = match self.queues.get_mut(&lane.0) {
            Some(queue) => queue,
            None => self.queues.entry(lane.0.clone()).or_default(),
        };
        let content = queue.park(poller);
        self.lists.note(now, &lane, content, self.limiters.get(&lane.0));
    }

    /// A poll got a task that was stale: it goes back to where it was.
    pub(crate) fn park_first(&mut self, key: QueueKey, poller: Box<Poller>) {
        let lane = (key, poller.lane());
        self.polls.insert(poller.ticket, lane.clone());
        self.queues.entry(lane.0.clone()).or_default().park_first(poller);
        self.note(self.now, &lane);
    }

    /// A poll is over without a task. `false` if it wasn't parked.
    pub(crate) fn unpark(&mut self, now: Timestamp, ticket: Ticket) -> bool {
        let Some(lane) = self.polls.remove(&ticket) else {
            return false;
        };
        if let Some(queue) = self.queues.get_mut(&lane.0) {
            queue.unpark(now, &lane.1, ticket);
            if queue.is_idle_sticky(now, STICKY_UNAVAILABLE_AFTER) {
                self.queues.remove(&lane.0);
            }
        }
        self.hear_time(now);
        self.note(now, &lane);
        true
    }

    /// A connection won't poll any more, or not the named queue.
    pub(crate) fn retire(&mut self, connection: u64, queue: Option<&QueueKey>) {
        self.served.retain(|(key, _), connections| {
            if queue.is_none_or(|queue| queue == key) {
                connections.remove(&connection);
            }
            !connections.is_empty()
        });
    }

    /// A sticky queue's worker shuts down: no task goes there any more, whatever the time since its last poll.
    pub(crate) fn abandon(&mut self, key: &QueueKey) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.abandon();
        }
    }

    /// A worker says that it won't poll a queue any more.
    pub(crate) fn forget_worker(&mut self, key: &QueueKey, identity: &str) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.forget_worker(identity);
        }
    }

    /// A worker shuts down: gives its polls that wait, on whatever queue.
    pub(crate) fn shut_down(&mut self, now: Timestamp, worker_instance_key: &str) -> Vec<Ticket> {
        self.shut_down.insert(now, worker_instance_key.to_owned());
        let pollers = self.queues.values().flat_map(Queue::pollers);
        let its_own = pollers.filter(|poller| poller.worker_instance_key == worker_instance_key);
        its_own.map(|poller| poller.ticket).collect()
    }

    /// Whether a worker has shut down a short while ago.
    pub(crate) fn is_shut_down(&self, now: Timestamp, worker_instance_key: &str) -> bool {
        self.shut_down.contains(now, worker_instance_key)
    }

    /// Whether a task waits for a poll that is sure to come, since its worker lives and `may_poll`.
    pub(crate) fn expects_poll(&self, may_poll: impl Fn(u64) -> bool) -> bool {
        let workers = self.lists.starved.iter().filter_map(|lane| self.served.get(lane));
        workers.flatten().any(|connection| may_poll(*connection))
    }

    /// Whether some queue has both a task and a poller that will do for it.
    pub(crate) fn has_match(&self) -> bool {
        !self.lists.ready.is_empty()
    }

    /// Takes one task and one poll: a seeded choice among the lanes that have both, then the most urgent task, then first
    /// in, first out. Of a queue for which `reorders` says so the newest of several goes first: that is a fault.
    pub(crate) fn take_match(
        &mut self,
        now: Timestamp,
        entropy: &mut Entropy,
        reorders: impl Fn(&QueueKey) -> bool,
    ) -> Option<Match> {
        let chosen = match self.lists.ready.len() {
            0 | 1 => 0,
            count => entropy.below(count as u64) as usize,
        };
        let lane = self.lists.ready.iter().nth(chosen)?.clone();
        let limiter = self.limiters.get(&lane.0);
        let queue = self.queues.get_mut(&lane.0)?;
        let reordered = queue.has_several(&lane.1) && reorders(&lane.0);
        let (queued, poller) = queue.take_match(now, &lane.1, limiter, reordered)?;
        self.polls.remove(&poller.ticket);
        if let Some(content) = queue.lane_mut(&lane.1) {
            self.lists.note(now, &lane, content, limiter);
        }
        self.hear_time(now);
        let (key, _) = lane;
        self.consume(now, &key, &queued.dispatch);
        let sticky = key.name != queued.task.normal_queue();
        let route = match sticky {
            true => self.route_sticky(&normal_key(&key, &queued.task), &queued),
            false => Some(self.route(&key, &queued)),
        };
        Some(Match {
            task: queued.task,
            dispatch: queued.dispatch,
            poller,
            key,
            sticky,
            route: route.unwrap_or_default(),
            reordered,
        })
    }

    /// The queues that hold tasks, and whether anybody waits there: for reports.
    pub(crate) fn backlog(&self) -> impl Iterator<Item = (&QueueKey, &Task, bool)> {
        self.queues
            .iter()
            .flat_map(|(key, queue)| queue.tasks().map(move |(task, served)| (key, task, served)))
    }

    /// How many polls wait on queues of this kind from this connection.
    pub(crate) fn parked(&self, connection: u64) -> impl Iterator<Item = &QueueKey> {
        self.queues.iter().flat_map(move |(key, queue)| {
            queue
                .pollers()
                .filter(move |poller| poller.connection == connection)
                .map(move |_| key)
        })
    }

    /// The identity of the worker that polls by this connection.
    pub(crate) fn identity_of(&self, connection: u64) -> Option<&str> {
        let mut pollers = self.queues.values().flat_map(Queue::pollers);
        let found = pollers.find(|poller| poller.connection == connection);
        found.map(|poller| poller.identity.as_str())
    }

    /// The connections that polls wait by, each with its worker's identity.
    pub(crate) fn connections(&self) -> impl Iterator<Item = (u64, String)> {
        let pollers = self.queues.values().flat_map(Queue::pollers);
        pollers.map(|poller| (poller.connection, poller.identity.clone()))
    }

    fn withdraw_task(&mut self, namespace: &str, queue: &str, is_meant: impl Fn(&Task) -> bool) {
        let key = QueueKey {
            namespace: namespace.into(),
            kind: Kind::Activity,
            name: queue.into(),
        };
        let changed = self.queues.get_mut(&key).map(|queue| queue.withdraw(is_meant));
        for lane in changed.into_iter().flatten() {
            self.note(self.now, &(key.clone(), lane));
        }
    }

    /// What a queue knows of versions; nothing until a versioned worker polls it.
    pub(crate) fn routing(&self, key: &QueueKey) -> Option<&QueueRouting> {
        self.routings.get(key)
    }

    /// A deployment tells a queue of its routing; tasks that wait may go to other workers now.
    pub(crate) fn update_routing(&mut self, key: &QueueKey, version: &Version, routing: &Routing) {
        self.routings.entry(key.clone()).or_default().update(version, routing);
        self.sort(key);
    }

    /// A version is deleted.
    pub(crate) fn forget_version(&mut self, key: &QueueKey, version: &Version) {
        if let Some(routing) = self.routings.get_mut(key) {
            routing.forget(version);
            self.sort(key);
        }
    }

    /// Whether a version's workers poll a queue, or did a short while ago.
    pub(crate) fn has_recent_poller(&self, now: Timestamp, key: &QueueKey, version: &Version) -> bool {
        let lane = self
            .queues
            .get(key)
            .and_then(|queue| queue.lane(&WorkerGroup::Version(version.clone())));
        lane.is_some_and(|lane| lane.has_recent_poller(now))
    }

    /// Whether a queue has tasks for a version or for no certain one, or got some a short while ago.
    pub(crate) fn is_in_use(&self, now: Timestamp, key: &QueueKey, version: &Version) -> bool {
        let Some(queue) = self.queues.get(key) else {
            return false;
        };
        [WorkerGroup::Unversioned, WorkerGroup::Version(version.clone())]
            .iter()
            .filter_map(|lane| queue.lane(lane))
            .any(|lane| lane.is_in_use(now))
    }

    fn hear_time(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// Puts the tasks of a queue into the lanes where they belong now.
    fn sort(&mut self, key: &QueueKey) {
        let routing = self.routings.get(key);
        let build_ids = self.build_ids.get(&key.namespace, &key.name);
        let Some(queue) = self.queues.get_mut(key) else {
            return;
        };
        let changed = queue.sort(|queued| route(routing, build_ids, key.kind, queued).lane);
        for lane in changed {
            self.note(self.now, &(key.clone(), lane));
        }
    }

    fn route(&self, key: &QueueKey, queued: &Queued) -> Route {
        let build_ids = self.build_ids.get(&key.namespace, &key.name);
        route(self.routings.get(key), build_ids, key.kind, queued)
    }

    fn route_sticky(&self, normal: &QueueKey, queued: &Queued) -> Option<Route> {
        let dispatch = &queued.dispatch;
        if !self
            .build_ids
            .get(&normal.namespace, &normal.name)
            .stays_sticky(&dispatch.build_id)
        {
            return None;
        }
        match self.routings.get(normal).filter(|_| !dispatch.build_id.is_assigned()) {
            Some(routing) => routing.route_sticky(&dispatch.directive, &dispatch.workflow_id),
            None => Some(Route::default()),
        }
    }

    fn stays_sticky(&self, normal: &QueueKey, queued: &Queued) -> bool {
        self.route_sticky(normal, queued).is_some()
    }

    fn is_served(&self, now: Timestamp, key: &QueueKey) -> bool {
        self.queues
            .get(key)
            .is_some_and(|queue| queue.is_served(now, STICKY_UNAVAILABLE_AFTER))
    }
}

/// A deployment's routing goes first, unless the run has a build id already; then sets and rules.
fn route(routing: Option<&QueueRouting>, build_ids: &BuildIds, kind: Kind, queued: &Queued) -> Route {
    let dispatch = &queued.dispatch;
    let is_activity = kind == Kind::Activity;
    let by_deployment = match routing.filter(|_| !dispatch.build_id.is_assigned()) {
        Some(routing) => routing.route(&dispatch.directive, &dispatch.workflow_id, is_activity),
        None => QueueRouting::default().route(&dispatch.directive, &dispatch.workflow_id, is_activity),
    };
    if by_deployment.lane != WorkerGroup::Unversioned {
        return by_deployment;
    }
    let resolved = build_ids.resolve(&dispatch.build_id, &dispatch.run_id);
    Route {
        lane: resolved.group,
        assigned: resolved.assigned,
        ..by_deployment
    }
}

fn normal_key(own: &QueueKey, task: &Task) -> QueueKey {
    QueueKey {
        name: task.normal_queue().into(),
        ..own.clone()
    }
}
