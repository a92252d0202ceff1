//! One task queue.

use std::collections::VecDeque;
use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::WorkerVersionStamp;

use super::Task;
use crate::clock::Timestamp;
use crate::temporal::txn::Ticket;

/// A worker that waits for a task.
#[derive(Clone, Debug)]
pub(crate) struct Poller {
    pub(crate) ticket: Ticket,
    pub(crate) connection: u64,
    pub(crate) identity: String,
    pub(crate) last_access: Timestamp,
    pub(crate) worker_version: Option<WorkerVersionStamp>,
    /// What its worker made for itself when it started; empty if its SDK doesn't.
    pub(crate) worker_instance_key: String,
}

/// Tasks and pollers, each first in, first out.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    tasks: VecDeque<Task>,
    pollers: VecDeque<Poller>,
    last_poll_ended: Option<Timestamp>,
    abandoned: bool,
}

impl Queue {
    pub(super) fn add(&mut self, task: Task) {
        self.tasks.push_back(task);
    }

    pub(super) fn abandon(&mut self) {
        self.abandoned = true;
    }

    pub(super) fn park(&mut self, poller: Poller) {
        self.pollers.push_back(poller);
    }

    pub(super) fn park_first(&mut self, poller: Poller) {
        self.pollers.push_front(poller);
    }

    pub(super) fn unpark(&mut self, now: Timestamp, ticket: Ticket) {
        self.pollers.retain(|poller| poller.ticket != ticket);
        self.last_poll_ended = Some(now);
    }

    pub(super) fn has_match(&self) -> bool {
        !self.tasks.is_empty() && !self.pollers.is_empty()
    }

    pub(super) fn lacks_poller(&self) -> bool {
        !self.tasks.is_empty() && self.pollers.is_empty()
    }

    pub(super) fn take_match(&mut self, now: Timestamp) -> Option<(Task, Poller)> {
        if !self.has_match() {
            return None;
        }
        self.last_poll_ended = Some(now);
        Some((self.tasks.pop_front()?, self.pollers.pop_front()?))
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter()
    }

    pub(super) fn pollers(&self) -> impl Iterator<Item = &Poller> {
        self.pollers.iter()
    }

    /// Whether a worker polls here, or did a short while ago and may come back.
    pub(super) fn is_served(&self, now: Timestamp, grace: Duration) -> bool {
        !self.abandoned
            && (!self.pollers.is_empty() || self.last_poll_ended.is_some_and(|ended| now.since(ended) < grace))
    }

    /// Whether nothing would be lost with this queue.
    pub(super) fn is_idle_sticky(&self, now: Timestamp, grace: Duration) -> bool {
        self.tasks.is_empty() && !self.is_served(now, grace)
    }
}
