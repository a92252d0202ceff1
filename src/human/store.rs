use std::collections::BTreeMap;

use awaithumans_temporal::wire::json::Json;
use serde::{Deserialize, Serialize, Serializer};

use super::register::{Assignment, Register};
use super::task::{Audit, Status, Task};
use crate::clock::Timestamp;
use crate::lookup::Lookup;

/// The tasks and their audit trail: what survives a restart of the server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Rows")]
pub(crate) struct Store {
    /// By sequence, so that the newest, which are asked for most, lie together.
    rows: BTreeMap<u64, Box<Row>>,
    /// The sequences of tasks by their ids, and by their keys.
    by_id: Lookup<String, u64>,
    by_key: Lookup<String, u64>,
    register: Register,
    /// The audit trails of tasks that are gone.
    left: BTreeMap<String, Vec<AuditEntry>>,
}

#[derive(Clone, Debug)]
struct Row {
    task: Task,
    trail: Vec<AuditEntry>,
}

/// What a [`Store`] is read from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    tasks: BTreeMap<String, Stored<Task>>,
    audit: BTreeMap<String, Vec<AuditEntry>>,
}

/// What it is written as: all but what is made of it.
#[derive(Serialize)]
struct RowsOf<'a> {
    tasks: BTreeMap<&'a str, Stored<&'a Task>>,
    audit: BTreeMap<&'a str, &'a [AuditEntry]>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<T> {
    task: T,
    sequence: u64,
}

impl Serialize for Store {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let left = self.left.iter().map(|(id, trail)| (id.as_str(), trail.as_slice()));
        let mut rows = RowsOf {
            tasks: BTreeMap::new(),
            audit: left.collect(),
        };
        for (sequence, row) in &self.rows {
            let (task, sequence) = (&row.task, *sequence);
            rows.tasks.insert(&task.id, Stored { task, sequence });
            rows.audit.insert(&task.id, &row.trail);
        }
        rows.serialize(serializer)
    }
}

impl TryFrom<Rows> for Store {
    type Error = String;

    fn try_from(rows: Rows) -> Result<Self, String> {
        let mut store = Self {
            left: rows.audit,
            ..Self::default()
        };
        // In the order of their creation, since what is added at the end costs least.
        let mut by_age: Vec<_> = rows.tasks.into_iter().collect();
        by_age.sort_by_key(|(_, stored)| stored.sequence);
        for (id, Stored { task, sequence }) in by_age {
            if id != task.id {
                return Err(format!("task {id:?} says that it is {:?}", task.id));
            }
            if store.by_key.contains_key(&task.idempotency_key) {
                return Err(format!("there are two tasks of key {:?}", task.idempotency_key));
            }
            if sequence == u64::MAX || store.rows.contains_key(&sequence) {
                return Err(format!("task {id:?} can't be number {sequence}"));
            }
            let trail = store.left.remove(&id).unwrap_or_default();
            store.add(sequence, task, trail);
        }
        Ok(store)
    }
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
        // Most tasks are created, and answered once.
        let mut trail = Vec::with_capacity(2);
        trail.push(created);
        self.add(self.register.next_sequence(), task, trail);
    }

    fn add(&mut self, sequence: u64, task: Task, trail: Vec<AuditEntry>) {
        self.by_id.insert(task.id.clone(), sequence);
        self.by_key.insert(task.idempotency_key.clone(), sequence);
        self.register.add(sequence, &task);
        self.rows.insert(sequence, Box::new(Row { task, trail }));
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Task> {
        self.task(*self.by_id.get(id)?)
    }

    fn task(&self, sequence: u64) -> Option<&Task> {
        self.rows.get(&sequence).map(|row| &row.task)
    }

    /// Changes a task; `None` if there is no such task.
    pub(crate) fn change<T>(&mut self, id: &str, change: impl FnOnce(&mut Task) -> T) -> Option<T> {
        let sequence = *self.by_id.get(id)?;
        let task = &mut self.rows.get_mut(&sequence)?.task;
        let given = change(task);
        self.register.update(sequence, task);
        Some(given)
    }

    pub(crate) fn by_key(&self, idempotency_key: &str) -> Option<&Task> {
        self.task(*self.by_key.get(idempotency_key)?)
    }

    /// Adds a line to a task's trail. awaithumans writes the new status into both columns (measured), so it's done here too.
    pub(crate) fn audit(&mut self, task_id: &str, id: String, entry: Audit, created_at: Timestamp) {
        let from_status = Some(entry.to_status);
        self.trail(task_id).push(AuditEntry {
            id,
            from_status,
            entry,
            created_at,
        });
    }

    /// Adds a line that no change of status stands behind.
    pub(crate) fn remark(&mut self, task_id: &str, id: String, entry: Audit, created_at: Timestamp) {
        self.trail(task_id).push(AuditEntry {
            id,
            from_status: None,
            entry,
            created_at,
        });
    }

    fn trail(&mut self, task_id: &str) -> &mut Vec<AuditEntry> {
        match self.by_id.get(task_id).and_then(|sequence| self.rows.get_mut(sequence)) {
            Some(row) => &mut row.trail,
            None => self.left.entry(task_id.to_owned()).or_default(),
        }
    }

    pub(crate) fn audit_trail(&self, task_id: &str) -> &[AuditEntry] {
        let row = self.by_id.get(task_id).and_then(|sequence| self.rows.get(sequence));
        let trail = row.map(|row| &row.trail).or_else(|| self.left.get(task_id));
        trail.map_or(&[], Vec::as_slice)
    }

    /// Removes a task for good. Its audit trail stays, as in awaithumans, where nothing can read it any more.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Task> {
        let sequence = self.by_id.remove(id)?;
        let Row { task, trail } = *self.rows.remove(&sequence)?;
        self.register.remove(sequence);
        self.by_key.remove(&task.idempotency_key);
        self.left.insert(id.to_owned(), trail);
        Some(task)
    }

    /// All tasks but the newest `offset` ones, newest first. What is passed over isn't looked at.
    pub(crate) fn newest_first_from(&self, offset: usize) -> impl Iterator<Item = &Task> {
        let sequences = self.register.newest_first_from(offset);
        sequences.filter_map(|sequence| self.task(sequence))
    }

    /// The tasks that are wanted by their status and assignment, but the newest `offset` of them, newest first. Those that aren't shown
    /// aren't looked up.
    pub(crate) fn newest_wanted_first_from(
        &self,
        offset: usize,
        is_wanted: impl Fn(Status, &Assignment) -> bool,
    ) -> impl Iterator<Item = &Task> {
        let sequences = self.register.newest_wanted_first_from(offset, is_wanted);
        sequences.filter_map(|sequence| self.task(sequence))
    }

    /// All tasks, oldest first.
    pub(crate) fn oldest_first(&self) -> impl DoubleEndedIterator<Item = &Task> {
        self.rows.values().map(|row| &row.task)
    }
}
