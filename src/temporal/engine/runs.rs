//! All runs, and the ways to find one.

use std::collections::{BTreeMap, VecDeque};

use temporalio_protos::temporal::api::common::v1::WorkflowExecution;

use crate::lookup::Lookup;
use crate::temporal::reject::Reject;
use crate::temporal::run::{Run, RunRef};

/// Runs by an id that a client may name.
type ById = Lookup<String, RunRef>;

/// The runs of all namespaces.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// By name, from `first` on: names are given one after another. A run that is forgotten leaves its place empty.
    runs: VecDeque<Option<Box<Run>>>,
    /// The name of the run at the first place.
    first: u64,
    by_run_id: ById,
    /// The latest run of each workflow id, by namespace.
    current: BTreeMap<String, ById>,
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
        let name = run.run;
        self.by_run_id.insert(run.start.run_id.clone(), name);
        match self.current.get_mut(&run.start.namespace) {
            Some(current) => current.insert(run.start.workflow_id.clone(), name),
            None => {
                let current = ById::from_iter([(run.start.workflow_id.clone(), name)]);
                self.current.insert(run.start.namespace.clone(), current);
                None
            }
        };
        if self.runs.is_empty() {
            self.first = name.0;
        }
        let Some(place) = self.place(name) else {
            debug_assert!(false, "{name:?} was given before those that are kept");
            return;
        };
        if place >= self.runs.len() {
            self.runs.resize_with(place + 1, || None);
        }
        self.runs[place] = Some(Box::new(run));
    }

    /// Forgets a run. If it was its workflow id's latest, the id has none from now on, even if older runs are left.
    pub(crate) fn remove(&mut self, run: RunRef) -> Option<Run> {
        let place = self.place(run)?;
        let removed = self.runs.get_mut(place)?.take()?;
        while let Some(None) = self.runs.front() {
            self.runs.pop_front();
            self.first += 1;
        }
        self.by_run_id.remove(&removed.start.run_id);
        if let Some(current) = self.current.get_mut(&removed.start.namespace)
            && current.get(&removed.start.workflow_id) == Some(&run)
        {
            current.remove(&removed.start.workflow_id);
            if current.is_empty() {
                self.current.remove(&removed.start.namespace);
            }
        }
        Some(*removed)
    }

    fn place(&self, run: RunRef) -> Option<usize> {
        usize::try_from(run.0.checked_sub(self.first)?).ok()
    }

    /// The run with this id.
    pub(crate) fn by_run_id(&self, run_id: &str) -> Option<RunRef> {
        self.by_run_id.get(run_id).copied()
    }

    pub(crate) fn get(&self, run: RunRef) -> Option<&Run> {
        self.runs.get(self.place(run)?)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, run: RunRef) -> Option<&mut Run> {
        let place = self.place(run)?;
        self.runs.get_mut(place)?.as_deref_mut()
    }

    /// Whether each run is found by its id, and each id leads to a run.
    pub(crate) fn is_consistent(&self) -> bool {
        let is_found = |run: &Run| self.by_run_id.get(&run.start.run_id) == Some(&run.run);
        let in_place = |run: &Run| self.get(run.run).is_some_and(|found| found.run == run.run);
        #[expect(clippy::disallowed_methods, reason = "all of them, in whatever order")]
        let mut current = self.current.values().flat_map(ById::values);
        self.by_run_id.len() == self.iter().count()
            && self.iter().all(|run| is_found(run) && in_place(run))
            && current.all(|run| self.get(*run).is_some())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter_map(|run| run.as_deref())
    }

    /// The latest run of a workflow id.
    pub(crate) fn current(&self, namespace: &str, workflow_id: &str) -> Option<&Run> {
        let run = self.current.get(namespace)?.get(workflow_id)?;
        self.get(*run)
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
    use crate::clock::Timestamp;
    use crate::entropy::Entropy;
    use crate::temporal::run::StartRun;

    #[test]
    fn an_older_run_can_be_forgotten_after_the_latest_of_its_workflow() {
        let mut entropy = Entropy::new(1);
        let mut runs = Runs::default();
        let mut insert = |runs: &mut Runs, workflow_id: &str| {
            let name = runs.next_ref();
            let start = StartRun {
                namespace: "default".to_owned(),
                workflow_id: workflow_id.to_owned(),
                run_id: entropy.uuid(),
                ..Default::default()
            };
            runs.insert(Run::new(name, start, Timestamp::EPOCH_OF_TESTS));
            assert!(runs.is_consistent());
            name
        };
        let older = insert(&mut runs, "a");
        let latest = insert(&mut runs, "a");
        assert_eq!(runs.current("default", "a").map(|run| run.run), Some(latest));

        assert!(runs.remove(latest).is_some());

        assert!(runs.current("default", "a").is_none());
        assert!(runs.is_consistent());
        assert!(runs.get(older).is_some() && runs.get(latest).is_none());
        assert_eq!(runs.remove(older).map(|run| run.run), Some(older));
        assert!(runs.remove(older).is_none());
        let next = insert(&mut runs, "b");
        assert_eq!(runs.iter().map(|run| run.run).collect::<Vec<_>>(), [next]);
    }

    #[test]
    fn random_tails_are_found_in_both_forms_and_nothing_else_is() {
        assert_eq!(random_tail("8f14e45f-ceea-467f-a0e6-3b2a6ae1f1f1"), Some(0));
        assert_eq!(random_tail("worker-1-394e2312704043b4a167de4f2043ec8a"), Some(9));
        assert_eq!(random_tail("awaithumans:c89c511d:completed"), None);
        assert_eq!(random_tail("äöü"), None);
    }
}
