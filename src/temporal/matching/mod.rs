//! Task queues: tasks that wait for a worker, workers that wait for a task, and which goes to which.

mod queue;
mod shut_down;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) use queue::Poller;
use queue::Queue;
use shut_down::ShutDown;

use super::run::RunRef;
use super::txn::Ticket;
use crate::clock::Timestamp;
use crate::entropy::Entropy;

/// How long a sticky queue counts as served after its last poll (Temporal: `stickyPollerUnavailableWindow`).
const STICKY_UNAVAILABLE_AFTER: Duration = Duration::from_secs(10);

/// A task for a worker. Whether it still makes sense is decided when a worker takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Workflow {
        run: RunRef,
        queue: String,
        normal_queue: String,
        scheduled_event_id: i64,
    },
    Activity {
        run: RunRef,
        queue: String,
        scheduled_event_id: i64,
        attempt: i32,
    },
    Query {
        run: RunRef,
        queue: String,
        normal_queue: String,
        query_id: String,
    },
}

/// What kind of tasks a queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Workflow,
    Activity,
}

/// Names a queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueKey {
    pub(crate) namespace: String,
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

/// All queues.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matching {
    queues: BTreeMap<QueueKey, Queue>,
    /// Which queue a parked poll waits at.
    polls: BTreeMap<Ticket, QueueKey>,
    /// Connections that have polled a queue and are alive: they will poll it again.
    served: BTreeMap<QueueKey, BTreeSet<u64>>,
    shut_down: ShutDown,
}

/// A task and the poll that gets it.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) task: Task,
    pub(crate) poller: Poller,
    /// Whether the task came by the worker's own queue: then the worker has the run in its cache.
    pub(crate) sticky: bool,
    pub(crate) namespace: String,
}

impl Matching {
    /// A task is to be done. One for a sticky queue that nobody serves any more goes to the normal queue.
    pub(crate) fn add(&mut self, now: Timestamp, namespace: &str, task: Task) {
        let (kind, name) = match &task {
            Task::Workflow {
                queue, normal_queue, ..
            }
            | Task::Query {
                queue, normal_queue, ..
            } => (Kind::Workflow, self.serving(now, namespace, queue, normal_queue)),
            Task::Activity { queue, .. } => (Kind::Activity, queue.clone()),
        };
        let key = QueueKey {
            namespace: namespace.to_owned(),
            kind,
            name,
        };
        self.queues.entry(key).or_default().add(task);
    }

    /// A worker waits for a task.
    pub(crate) fn park(&mut self, key: QueueKey, poller: Poller) {
        self.polls.insert(poller.ticket, key.clone());
        self.served.entry(key.clone()).or_default().insert(poller.connection);
        self.queues.entry(key).or_default().park(poller);
    }

    /// A poll got a task that was stale: it goes back to where it was.
    pub(crate) fn park_first(&mut self, key: QueueKey, poller: Poller) {
        self.polls.insert(poller.ticket, key.clone());
        self.queues.entry(key).or_default().park_first(poller);
    }

    /// A poll is over without a task. `false` if it wasn't parked.
    pub(crate) fn unpark(&mut self, now: Timestamp, ticket: Ticket) -> bool {
        let Some(key) = self.polls.remove(&ticket) else {
            return false;
        };
        if let Some(queue) = self.queues.get_mut(&key) {
            queue.unpark(now, ticket);
            if queue.is_idle_sticky(now, STICKY_UNAVAILABLE_AFTER) {
                self.queues.remove(&key);
            }
        }
        true
    }

    /// A connection won't poll any more, or not the named queue.
    pub(crate) fn retire(&mut self, connection: u64, queue: Option<&QueueKey>) {
        self.served.retain(|key, connections| {
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

    /// Whether a task waits for a poll that is sure to come, since its worker lives.
    pub(crate) fn expects_poll(&self) -> bool {
        self.queues
            .iter()
            .any(|(key, queue)| queue.lacks_poller() && self.served.contains_key(key))
    }

    /// Whether some queue has both a task and a poller that will do for it.
    pub(crate) fn has_match(&self) -> bool {
        self.queues.values().any(Queue::has_match)
    }

    /// Takes one task and one poll: a seeded choice among the queues that have both, then first in, first out.
    pub(crate) fn take_match(&mut self, now: Timestamp, entropy: &mut Entropy) -> Option<Match> {
        let ready: Vec<QueueKey> = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.has_match())
            .map(|(key, _)| key.clone())
            .collect();
        let key = match ready.len() {
            0 => return None,
            1 => &ready[0],
            count => &ready[entropy.below(count as u64) as usize],
        };
        let queue = self.queues.get_mut(key)?;
        let (task, poller) = queue.take_match(now)?;
        self.polls.remove(&poller.ticket);
        let sticky = match &task {
            Task::Workflow { normal_queue, .. } | Task::Query { normal_queue, .. } => key.name != *normal_queue,
            Task::Activity { .. } => false,
        };
        Some(Match {
            task,
            poller,
            sticky,
            namespace: key.namespace.clone(),
        })
    }

    /// The queues that hold tasks, and whether anybody waits there: for reports.
    pub(crate) fn backlog(&self) -> impl Iterator<Item = (&QueueKey, &Task, bool)> {
        self.queues.iter().flat_map(|(key, queue)| {
            queue
                .tasks()
                .map(move |task| (key, task, queue.pollers().next().is_some()))
        })
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

    /// Pollers of one queue, as `DescribeTaskQueue` shows them.
    pub(crate) fn pollers(&self, key: &QueueKey) -> impl Iterator<Item = &Poller> {
        self.queues.get(key).into_iter().flat_map(Queue::pollers)
    }

    fn serving(&self, now: Timestamp, namespace: &str, queue: &str, normal_queue: &str) -> String {
        if queue == normal_queue {
            return normal_queue.to_owned();
        }
        let key = QueueKey {
            namespace: namespace.to_owned(),
            kind: Kind::Workflow,
            name: queue.to_owned(),
        };
        let served = self
            .queues
            .get(&key)
            .is_some_and(|queue| queue.is_served(now, STICKY_UNAVAILABLE_AFTER));
        match served {
            true => queue.to_owned(),
            false => normal_queue.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> QueueKey {
        QueueKey {
            namespace: "default".to_owned(),
            kind: Kind::Workflow,
            name: name.to_owned(),
        }
    }

    fn task(queue: &str, event: i64) -> Task {
        Task::Workflow {
            run: RunRef(1),
            queue: queue.to_owned(),
            normal_queue: "q".to_owned(),
            scheduled_event_id: event,
        }
    }

    fn poller(ticket: Ticket) -> Poller {
        Poller {
            ticket,
            connection: 1,
            identity: "w".to_owned(),
            last_access: Timestamp::EPOCH_OF_TESTS,
            worker_version: None,
            worker_instance_key: String::new(),
        }
    }

    #[test]
    fn a_sticky_queue_that_nobody_serves_gives_its_tasks_to_the_normal_one() {
        let now = Timestamp::EPOCH_OF_TESTS;
        let mut matching = Matching::default();
        matching.park(key("sticky"), poller(1));
        matching.unpark(now, 1);

        matching.add(now + Duration::from_secs(5), "default", task("sticky", 2));
        matching.add(now + Duration::from_secs(60), "default", task("sticky", 3));

        let queues: Vec<_> = matching.backlog().map(|(key, _, _)| key.name.clone()).collect();
        assert_eq!(queues, ["q", "sticky"]);
    }

    #[test]
    fn tasks_and_pollers_meet_first_in_first_out() {
        let now = Timestamp::EPOCH_OF_TESTS;
        let mut entropy = Entropy::new(0);
        let mut matching = Matching::default();
        matching.add(now, "default", task("q", 2));
        matching.add(now, "default", task("q", 9));
        assert!(!matching.has_match());
        matching.park(key("q"), poller(5));
        matching.park(key("q"), poller(6));
        let first = matching.take_match(now, &mut entropy).unwrap();
        assert_eq!((first.task, first.poller.ticket), (task("q", 2), 5));
        assert!(!first.sticky);
        assert!(!matching.unpark(now, 5));
    }
}
