//! All runs, and the ways to find one.

use std::collections::BTreeMap;

use temporalio_protos::temporal::api::common::v1::WorkflowExecution;

use crate::temporal::reject::Reject;
use crate::temporal::run::{Run, RunRef};

/// The runs of all namespaces.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// Boxed: a tree's nodes are half empty, and runs are big.
    runs: BTreeMap<RunRef, Box<Run>>,
    by_run_id: BTreeMap<String, RunRef>,
    /// The latest run of each workflow id.
    current: BTreeMap<(String, String), RunRef>,
    next: u64,
}

impl Runs {
    /// A name for a run that is about to be made.
    pub(crate) fn next_ref(&mut self) -> RunRef {
        self.next += 1;
        RunRef(self.next)
    }

    /// Adds a run; it is its workflow id's latest from now on.
    pub(crate) fn insert(&mut self, run: Run) {
        let key = (run.start.namespace.clone(), run.start.workflow_id.clone());
        self.by_run_id.insert(run.start.run_id.clone(), run.run);
        self.current.insert(key, run.run);
        self.runs.insert(run.run, Box::new(run));
    }

    /// Forgets a run. If it was its workflow id's latest, the id has none from now on, even if older runs are left.
    pub(crate) fn remove(&mut self, run: RunRef) -> Option<Run> {
        let removed = self.runs.remove(&run)?;
        self.by_run_id.remove(&removed.start.run_id);
        let key = (removed.start.namespace.clone(), removed.start.workflow_id.clone());
        if self.current.get(&key) == Some(&run) {
            self.current.remove(&key);
        }
        Some(*removed)
    }

    /// The run with this id.
    pub(crate) fn by_run_id(&self, run_id: &str) -> Option<RunRef> {
        self.by_run_id.get(run_id).copied()
    }

    pub(crate) fn get(&self, run: RunRef) -> Option<&Run> {
        self.runs.get(&run).map(|run| &**run)
    }

    pub(crate) fn get_mut(&mut self, run: RunRef) -> Option<&mut Run> {
        self.runs.get_mut(&run).map(|run| &mut **run)
    }

    /// Whether each run is found by its id, and each id leads to a run.
    pub(crate) fn is_consistent(&self) -> bool {
        let is_found = |run: &Run| self.by_run_id.get(&run.start.run_id) == Some(&run.run);
        self.by_run_id.len() == self.runs.len()
            && self.iter().all(is_found)
            && self.current.values().all(|run| self.runs.contains_key(run))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().map(|run| &**run)
    }

    /// The latest run of a workflow id.
    pub(crate) fn current(&self, namespace: &str, workflow_id: &str) -> Option<&Run> {
        let key = (namespace.to_owned(), workflow_id.to_owned());
        self.current.get(&key).and_then(|run| self.get(*run))
    }

    /// The run that a client names: by run id, or the latest of the workflow id.
    pub(crate) fn find(&self, namespace: &str, execution: Option<&WorkflowExecution>) -> Result<&Run, Reject> {
        let Some(execution) = execution else {
            return Err(Reject::InvalidArgument("Execution is not set on request.".to_owned()));
        };
        if execution.workflow_id.is_empty() {
            return Err(Reject::InvalidArgument("WorkflowId is not set on request.".to_owned()));
        }
        if execution.run_id.is_empty() {
            return self
                .current(namespace, &execution.workflow_id)
                .ok_or_else(|| Reject::workflow_not_found(&execution.workflow_id));
        }
        if !is_uuid(&execution.run_id) {
            return Err(Reject::InvalidArgument("Invalid RunId.".to_owned()));
        }
        self.by_run_id
            .get(&execution.run_id)
            .and_then(|run| self.get(*run))
            .filter(|run| run.start.workflow_id == execution.workflow_id && run.start.namespace == namespace)
            .ok_or_else(|| {
                Reject::NotFound(format!(
                    "workflow execution not found for workflow ID {:?} and run ID {:?}",
                    execution.workflow_id, execution.run_id
                ))
            })
    }

    /// As [`Self::find`], if the run belongs to the chain that began with `first_run_id`; any chain will do if it is empty.
    pub(crate) fn find_in_chain(
        &self,
        namespace: &str,
        execution: Option<&WorkflowExecution>,
        first_run_id: &str,
    ) -> Result<&Run, Reject> {
        let found = self.find(namespace, execution)?;
        match first_run_id.is_empty() || found.first_run_id() == first_run_id {
            true => Ok(found),
            false => Err(Reject::NotFound("workflow execution not found".to_owned())),
        }
    }
}

impl Runs {
    /// As [`Self::find`], but if a chain is named by its first run, the workflow id's latest run, whichever run is named:
    /// what works across runs.
    pub(crate) fn find_latest_of(
        &self,
        namespace: &str,
        execution: Option<&WorkflowExecution>,
        first_run_id: &str,
    ) -> Result<&Run, Reject> {
        let named = self.find(namespace, execution);
        match execution {
            Some(execution)
                if !first_run_id.is_empty() && (execution.run_id.is_empty() || is_uuid(&execution.run_id)) =>
            {
                let latest = WorkflowExecution {
                    workflow_id: execution.workflow_id.clone(),
                    run_id: String::new(),
                };
                self.find(namespace, Some(&latest))
            }
            _ => named,
        }
    }
}

/// 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Where the UUID begins that a text ends with, in either of its forms: with hyphens or as 32 hexadecimal digits.
pub(super) fn random_tail(text: &str) -> Option<usize> {
    let tail = |length: usize| {
        let start = text.len().checked_sub(length)?;
        text.is_char_boundary(start).then_some(start)
    };
    let usual = tail(36).filter(|start| is_uuid(&text[*start..]));
    let simple = || tail(32).filter(|start| text[*start..].bytes().all(|byte| byte.is_ascii_hexdigit()));
    usual.or_else(simple)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_tails_are_found_in_both_forms_and_nothing_else_is() {
        assert_eq!(random_tail("8f14e45f-ceea-467f-a0e6-3b2a6ae1f1f1"), Some(0));
        assert_eq!(random_tail("worker-1-394e2312704043b4a167de4f2043ec8a"), Some(9));
        assert_eq!(random_tail("awaithumans:c89c511d:completed"), None);
        assert_eq!(random_tail("äöü"), None);
    }
}
