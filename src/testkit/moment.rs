//! Named moments, so that a test speaks of what happens and not of times.

use crate::human::Task;
use crate::world::World;

/// A moment that a test can wait for, or crash a worker at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moment {
    /// A task with this idempotency key is on the awaithumans server; any task if it is empty.
    TaskCreated {
        /// The key; empty for any.
        idempotency_key: String,
    },
    /// The workflow waits for a person: its task is on the server, and it has nothing else to do.
    Parked {
        /// The workflow.
        workflow_id: String,
    },
    /// The workflow has ended, in any way.
    Closed {
        /// The workflow.
        workflow_id: String,
    },
}

impl Moment {
    /// Any task is on the awaithumans server.
    pub fn task_created() -> Self {
        Self::TaskCreated {
            idempotency_key: String::new(),
        }
    }

    /// The workflow waits for a person.
    pub fn parked(workflow_id: impl Into<String>) -> Self {
        Self::Parked {
            workflow_id: workflow_id.into(),
        }
    }

    /// The workflow has ended.
    pub fn closed(workflow_id: impl Into<String>) -> Self {
        Self::Closed {
            workflow_id: workflow_id.into(),
        }
    }

    pub(super) fn has_come(&self, world: &World) -> bool {
        match self {
            Self::TaskCreated { idempotency_key } => world
                .human()
                .tasks()
                .any(|task| idempotency_key.is_empty() || task.idempotency_key == *idempotency_key),
            Self::Parked { workflow_id } => {
                let asked = world
                    .human()
                    .tasks()
                    .any(|task| !task.status.is_terminal() && calls_back(task, workflow_id));
                asked && world.temporal().is_parked_workflow(super::NAMESPACE, workflow_id)
            }
            Self::Closed { workflow_id } => world.temporal().is_closed_workflow(super::NAMESPACE, workflow_id),
        }
    }
}

/// Whether a task's answer goes to this workflow: to itself, or to the child by which the adapter waits for it.
fn calls_back(task: &Task, workflow_id: &str) -> bool {
    let Some((_, query)) = task.callback_url.as_deref().and_then(|url| url.split_once('?')) else {
        return false;
    };
    form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "wf")
        .any(|(_, named)| match named.strip_prefix(workflow_id) {
            Some(rest) => rest.is_empty() || rest.starts_with("/awaithumans:"),
            None => false,
        })
}
