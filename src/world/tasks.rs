//! The boundary of tasks on their way to workers.

use std::collections::{BTreeMap, VecDeque};

use prost::Message;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Output, World};
use crate::fault::{Fault, TaskInfo, TaskKind};
use crate::temporal::{Call, HandOut, Reject, Ticket, WaitId};

/// Polls that wait, and tasks that are given out twice.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    polls: BTreeMap<Ticket, Poll>,
    /// Tasks that go out again once they have been answered.
    repeated: VecDeque<Repeated>,
    /// Those that have gone out again: nobody but this boundary knows that a worker is at work.
    at_work: Vec<AtWork>,
}

/// A task that has gone out again.
#[derive(Debug)]
struct AtWork {
    token: Vec<u8>,
    connection: u64,
    /// What its worker waits for, since faults delay it.
    waits: Vec<WaitId>,
}

#[derive(Clone, Copy, Debug)]
struct Poll {
    kind: TaskKind,
    connection: u64,
}

#[derive(Debug)]
struct Repeated {
    token: Vec<u8>,
    task: Vec<u8>,
    is_answered: bool,
}

impl Tasks {
    pub(super) fn is_busy(&self) -> bool {
        self.busy().next().is_some()
    }

    pub(super) fn busy_with(&self) -> impl Iterator<Item = String> {
        self.busy()
            .map(|_| "a worker with a task that it has had before".to_owned())
    }

    fn busy(&self) -> impl Iterator<Item = &AtWork> {
        self.at_work.iter().filter(|task| task.waits.is_empty())
    }

    /// The connections of workers that have a task again.
    pub(super) fn connections(&self) -> impl Iterator<Item = u64> {
        self.at_work.iter().map(|task| task.connection)
    }

    /// Something that the workers of these connections have asked for is delayed.
    pub(super) fn begin_wait(&mut self, wait: WaitId, connections: &[u64]) {
        let waiting = self.at_work.iter_mut();
        let waiting = waiting.filter(|task| connections.contains(&task.connection));
        waiting.for_each(|task| task.waits.push(wait));
    }

    pub(super) fn end_wait(&mut self, wait: WaitId) {
        for task in &mut self.at_work {
            task.waits.retain(|waiting| *waiting != wait);
        }
    }

    pub(super) fn forget(&mut self, ticket: Ticket) {
        self.polls.remove(&ticket);
    }

    pub(super) fn forget_connection(&mut self, connection: u64) {
        self.polls.retain(|_, poll| poll.connection != connection);
        self.at_work.retain(|task| task.connection != connection);
    }

    /// The grace is over: gives who is still at work.
    pub(super) fn release(&mut self) -> Vec<String> {
        let waited_for = self.busy_with().collect();
        self.at_work.retain(|task| !task.waits.is_empty());
        waited_for
    }

    pub(super) fn note_call(&mut self, call: &Call<'_>, request: &[u8]) {
        if let Some(kind) = polled(call.method) {
            let connection = call.connection;
            self.polls.insert(call.ticket, Poll { kind, connection });
        } else if call.method.starts_with("RespondActivityTask") {
            let names = |token: &[u8]| request.windows(token.len()).any(|part| part == token);
            self.at_work.retain(|task| !names(&task.token));
            for repeated in self.repeated.iter_mut().filter(|repeated| names(&repeated.token)) {
                repeated.is_answered = true;
            }
        }
    }
}

/// The kind of task that a poll is for, if the method is one.
pub(super) fn polled(method: &str) -> Option<TaskKind> {
    match method {
        "PollWorkflowTaskQueue" => Some(TaskKind::Workflow),
        "PollActivityTaskQueue" => Some(TaskKind::Activity),
        "PollNexusTaskQueue" => Some(TaskKind::Nexus),
        _ => None,
    }
}

/// What rules ask of a task.
#[derive(Debug, Default)]
struct Summary {
    token: Vec<u8>,
    workflow: String,
    activity: String,
}

impl Summary {
    fn of(kind: TaskKind, task: &[u8]) -> Self {
        match kind {
            TaskKind::Workflow => {
                let task = wire::PollWorkflowTaskQueueResponse::decode(task).unwrap_or_default();
                Self {
                    token: task.task_token,
                    workflow: task.workflow_execution.unwrap_or_default().workflow_id,
                    activity: String::new(),
                }
            }
            TaskKind::Activity => {
                let task = wire::PollActivityTaskQueueResponse::decode(task).unwrap_or_default();
                Self {
                    token: task.task_token,
                    workflow: task.workflow_execution.unwrap_or_default().workflow_id,
                    activity: task.activity_type.unwrap_or_default().name,
                }
            }
            TaskKind::Nexus => Self {
                token: wire::PollNexusTaskQueueResponse::decode(task)
                    .unwrap_or_default()
                    .task_token,
                ..Self::default()
            },
        }
    }
}

impl World {
    /// An answer leaves. If it is a task for a worker, rules may strike it.
    pub(super) fn give_task(&mut self, ticket: Ticket, answer: Result<Vec<u8>, Reject>) {
        let poll = self.tasks.polls.remove(&ticket);
        let (Some(poll), Ok(task), false) = (poll, &answer, self.faults.is_empty()) else {
            self.outputs.push_back(Output::Rpc((ticket, answer)));
            return;
        };
        let summary = Summary::of(poll.kind, task);
        if summary.token.is_empty() {
            self.outputs.push_back(Output::Rpc((ticket, answer)));
            return;
        }
        let worker = self.worker_of(poll.connection);
        let struck = self.faults.on_task(TaskInfo {
            kind: poll.kind,
            worker: &worker,
            workflow: &summary.workflow,
            activity: &summary.activity,
        });
        let what = match poll.kind {
            TaskKind::Activity => format!("activity {}", summary.activity),
            TaskKind::Workflow => format!("a workflow task of {}", summary.workflow),
            TaskKind::Nexus => "a Nexus task".to_owned(),
        };
        match struck {
            Some((id, Fault::DropTask { .. })) => {
                self.note_fired(id, &format!("{what} never reaches {worker}"));
                self.temporal.lose_hands(self.temporal_now(), poll.connection);
                // As when a poll has waited for nothing: the worker polls again.
                self.outputs.push_back(Output::Rpc((ticket, Ok(Vec::new()))));
            }
            Some((id, Fault::DuplicateTask { .. })) => {
                self.note_fired(id, &format!("{what} will be given out twice"));
                self.tasks.repeated.push_back(Repeated {
                    token: summary.token,
                    task: task.clone(),
                    is_answered: false,
                });
                self.outputs.push_back(Output::Rpc((ticket, answer)));
            }
            _ => self.outputs.push_back(Output::Rpc((ticket, answer))),
        }
    }

    /// Where tasks go out as soon as they can, so do those that go out again.
    pub(super) fn repeat_tasks_at_once(&mut self) {
        while self.hand_out == HandOut::Parallel && self.repeat_task() {}
    }

    /// Gives a task out that is to go out again, if it has been answered and a worker polls. Gives whether it did.
    pub(super) fn repeat_task(&mut self) -> bool {
        let Some(place) = self.tasks.repeated.iter().position(|repeated| repeated.is_answered) else {
            return false;
        };
        let parked = |ticket: &Ticket| self.temporal.is_parked(*ticket);
        let waiting = self
            .tasks
            .polls
            .iter()
            .find(|(ticket, poll)| poll.kind == TaskKind::Activity && parked(ticket));
        let Some((ticket, poll)) = waiting.map(|(ticket, poll)| (*ticket, *poll)) else {
            return false;
        };
        let Some(repeated) = self.tasks.repeated.remove(place) else {
            return false;
        };
        self.tasks.polls.remove(&ticket);
        self.temporal.handle_abandoned(self.temporal_now(), ticket);
        self.tasks.at_work.push(AtWork {
            token: repeated.token,
            connection: poll.connection,
            waits: Vec::new(),
        });
        self.outputs.push_back(Output::Rpc((ticket, Ok(repeated.task))));
        true
    }
}
