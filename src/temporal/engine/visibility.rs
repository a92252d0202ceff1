//! Keeps what lists and counts know of runs.

use super::Engine;
use crate::temporal::run::{Run, RunRef};
use crate::temporal::visibility::record::{self, Closed};
use crate::temporal::visibility::{CustomAttributes, Record, SearchAttributeType};

impl Engine {
    /// Gives a namespace a search attribute, as an operator does; `false` if there is no such namespace, or no place for
    /// another one of that type.
    pub fn add_search_attribute(&mut self, namespace: &str, name: &str, kind: SearchAttributeType) -> bool {
        self.catch_up_with_lists();
        self.namespaces
            .get_mut(namespace)
            .is_some_and(|namespace| namespace.search_attributes.add(name, kind.into()).is_ok())
    }

    /// What lists know of a run is what it is now. Few ask for a list: the record is made when somebody does. All that is in it is the
    /// same then, since whatever changes it comes here first.
    pub(super) fn show(&mut self, run: RunRef) {
        self.to_list.insert(run);
    }

    /// Makes the records that lists lack: before they are looked at, and before a namespace's attributes get other names.
    pub(crate) fn catch_up_with_lists(&mut self) {
        for run in std::mem::take(&mut self.to_list) {
            let Some(run) = self.runs.get(run) else {
                continue;
            };
            if let Some(namespace) = self.namespaces.get(&run.start.namespace) {
                let record = record_of(run, &namespace.search_attributes);
                self.visibility.put(record);
            }
        }
    }

    /// Whether lists don't know yet what a run is now.
    pub(crate) fn is_to_be_listed(&self, run: RunRef) -> bool {
        self.to_list.contains(&run)
    }
}

fn record_of(run: &Run, custom: &CustomAttributes) -> Record {
    let info = run.info();
    Record {
        namespace: run.start.namespace.clone(),
        workflow_id: run.start.workflow_id.clone(),
        run_id: run.start.run_id.clone(),
        workflow_type: run.start.workflow_type.clone(),
        task_queue: run.start.task_queue.clone(),
        status: run.status,
        started_at: run.started_at,
        execution_at: run.started_at + run.start.first_task_backoff,
        closed: run.closed_at.map(|at| Closed {
            at,
            history_length: info.history_length,
            history_size_bytes: info.history_size_bytes,
            state_transition_count: info.state_transition_count,
        }),
        parent: info.parent_execution,
        root: info.root_execution.unwrap_or_default(),
        memo: Some(info.memo.unwrap_or_default()),
        attributes: record::kept_attributes(info.search_attributes.as_ref(), custom)
            .into_iter()
            .collect(),
    }
}
