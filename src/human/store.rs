use std::collections::BTreeMap;

use awaithumans_temporal::wire::json::Json;
use serde::{Deserialize, Serialize};

use super::register::{Assignment, Register};
use super::task::{Audit, Status, Task};
use crate::clock::Timestamp;

/// The tasks and their audit trail: what survives a restart of the server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Rows")]
pub(crate) struct Store {
    tasks: BTreeMap<String, Stored>,
    #[serde(skip)]
    by_key: BTreeMap<String, String>,
    #[serde(skip)]
    register: Register,
    audit: BTreeMap<String, Vec<AuditEntry>>,
}

/// What a [`Store`] is written as: all but what is made of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    tasks: BTreeMap<String, Stored>,
    audit: BTreeMap<String, Vec<AuditEntry>>,
}

impl TryFrom<Rows> for Store {
    type Error = String;

    fn try_from(rows: Rows) -> Result<Self, String> {
        let (mut by_key, mut register) = (BTreeMap::new(), Register::default());
        for (id, Stored { task, .. }) in &rows.tasks {
            if *id != task.id {
                return Err(format!("task {id:?} says that it is {:?}", task.id));
            }
            if by_key.insert(task.idempotency_key.clone(), id.clone()).is_some() {
                return Err(format!("there are two tasks of key {:?}", task.idempotency_key));
            }
        }
        // In the order of their creation, since what is added at the end costs least.
        let mut by_age: Vec<&Stored> = rows.tasks.values().collect();
        by_age.sort_by_key(|stored| stored.sequence);
        for Stored { task, sequence } in by_age {
            if *sequence == u64::MAX || !register.add(*sequence, task) {
                return Err(format!("task {:?} can't be number {sequence}", task.id));
            }
        }
        Ok(Self {
            tasks: rows.tasks,
            by_key,
            register,
            audit: rows.audit,
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    task: Task,
    sequence: u64,
}

/// One line of a task's audit trail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditEntry {
    pub(crate) id: String,
    pub(crate) from_status: Option<Status>,
    pub(crate) entry: Audit,
    pub(crate) created_at: Timestamp,
}

impl Store {
    /// Adds a new task. Its id and its key must be new.
    pub(crate) fn insert(&mut self, task: Task, audit_id: String) {
        let created = AuditEntry {
            id: audit_id,
            from_status: None,
            entry: Audit {
                to_status: task.status,
                action: "created".into(),
                actor_type: "agent".into(),
                actor_email: None,
                channel: None,
                extra_data: Json::Null,
            },
            created_at: task.created_at,
        };
        let sequence = self.register.next_sequence();
        self.audit.insert(task.id.clone(), vec![created]);
        self.by_key.insert(task.idempotency_key.clone(), task.id.clone());
        self.register.add(sequence, &task);
        self.tasks.insert(task.id.clone(), Stored { task, sequence });
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Task> {
        self.tasks.get(id).map(|stored| &stored.task)
    }

    /// Changes a task; `None` if there is no such task.
    pub(crate) fn change<T>(&mut self, id: &str, change: impl FnOnce(&mut Task) -> T) -> Option<T> {
        let Stored { task, sequence } = self.tasks.get_mut(id)?;
        let given = change(task);
        self.register.update(*sequence, task);
        Some(given)
    }

    pub(crate) fn by_key(&self, idempotency_key: &str) -> Option<&Task> {
        self.get(self.by_key.get(idempotency_key)?)
    }

    /// Adds a line to a task's trail. awaithumans writes the new status into both columns (measured), so it's done here too.
    pub(crate) fn audit(&mut self, task_id: &str, id: String, entry: Audit, created_at: Timestamp) {
        let from_status = Some(entry.to_status);
        self.audit.entry(task_id.to_owned()).or_default().push(AuditEntry {
            id,
            from_status,
            entry,
            created_at,
        });
    }

    /// Adds a line that no change of status stands behind.
    pub(crate) fn remark(&mut self, task_id: &str, id: String, entry: Audit, created_at: Timestamp) {
        self.audit.entry(task_id.to_owned()).or_default().push(AuditEntry {
            id,
            from_status: None,
            entry,
            created_at,
        });
    }

    pub(crate) fn audit_trail(&self, task_id: &str) -> &[AuditEntry] {
        self.audit.get(task_id).map_or(&[], Vec::as_slice)
    }

    /// Removes a task for good. Its audit trail stays, as in awaithumans, where nothing can read it any more.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Task> {
        let stored = self.tasks.remove(id)?;
        self.register.remove(stored.sequence);
        self.by_key.remove(&stored.task.idempotency_key);
        Some(stored.task)
    }

    /// All tasks but the newest `offset` ones, newest first. What is passed over isn't looked at.
    pub(crate) fn newest_first_from(&self, offset: usize) -> impl Iterator<Item = &Task> {
        let ids = self.register.newest_first_from(offset);
        ids.filter_map(|id| self.get(id))
    }

    /// The tasks that are wanted by their status and assignment, but the newest `offset` of them, newest first. Those that aren't shown
    /// aren't looked up.
    pub(crate) fn newest_wanted_first_from(
        &self,
        offset: usize,
        is_wanted: impl Fn(Status, &Assignment) -> bool,
    ) -> impl Iterator<Item = &Task> {
        let ids = self.register.newest_wanted_first_from(offset, is_wanted);
        ids.filter_map(|id| self.get(id))
    }

    /// All tasks, oldest first.
    pub(crate) fn oldest_first(&self) -> impl DoubleEndedIterator<Item = &Task> {
        self.register.oldest_first().filter_map(|id| self.get(id))
    }
}
