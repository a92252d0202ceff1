//! Looking at the engine from outside: for tests, reports and named moments.

use temporalio_protos::temporal::api::history::v1::{History, HistoryEvent};

use super::Engine;
use crate::temporal::matching::Task;
use crate::temporal::run::{Run, RunRef};
use crate::temporal::schedule::Schedule;

/// Failed attempts of a workflow task after which waiting for its workflow makes no sense.
const HOPELESS_ATTEMPTS: i32 = 3;

/// A run that is over, and its history.
#[derive(Debug)]
pub(crate) struct ClosedRun {
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) workflow_type: String,
    pub(crate) task_queue: String,
    pub(crate) events: Vec<HistoryEvent>,
}

impl Engine {
    /// The history of a workflow's latest run.
    pub fn history(&self, namespace: &str, workflow_id: &str) -> Option<History> {
        let run = self.runs.current(namespace, workflow_id)?;
        Some(History {
            events: run.log.events(),
        })
    }

    /// The histories of all runs, in the order in which they were started.
    pub fn histories(&self) -> Vec<History> {
        let history = |run: &Run| History {
            events: run.log.events(),
        };
        self.runs().map(history).collect()
    }

    /// The runs of a namespace that are over, in the order in which they were started.
    pub(crate) fn closed_runs(&self, namespace: &str) -> Vec<ClosedRun> {
        let is_over = |run: &&Run| run.start.namespace == namespace && !run.is_running();
        let closed = |run: &Run| ClosedRun {
            workflow_id: run.start.workflow_id.clone(),
            run_id: run.start.run_id.clone(),
            workflow_type: run.start.workflow_type.clone(),
            task_queue: run.start.task_queue.clone(),
            events: run.log.events(),
        };
        self.runs().filter(is_over).map(closed).collect()
    }

    /// Whether a workflow is open and has nothing to do: no workflow task, no activity that isn't paused.
    pub fn is_parked_workflow(&self, namespace: &str, workflow_id: &str) -> bool {
        self.runs.current(namespace, workflow_id).is_some_and(|run| {
            run.is_running()
                && !run.machines.workflow_task.is_pending()
                && run.machines.workflow_task.last_completed_started_event_id() > 0
                && run.machines.activities.values().all(|it| it.is_paused())
        })
    }

    /// Whether a workflow has ended.
    pub fn is_closed_workflow(&self, namespace: &str, workflow_id: &str) -> bool {
        self.runs
            .current(namespace, workflow_id)
            .is_some_and(|run| !run.is_running())
    }

    /// A workflow whose workflow task keeps failing, and why.
    pub fn failing_workflow(&self) -> Option<String> {
        let mut failing = self.failing.iter().filter_map(|run| self.runs.get(*run));
        failing.find_map(|run| {
            Some(format!(
                "the workflow task of workflow {} ({}) keeps failing; the SDK said: {}",
                run.start.workflow_id,
                run.start.workflow_type,
                hopeless(run)?
            ))
        })
    }

    /// After a step of this run. Whoever moves time asks after each, and must not look at all runs for that.
    pub(super) fn note_whether_it_keeps_failing(&mut self, run: RunRef) {
        match self.runs.get(run).and_then(hopeless) {
            Some(_) => self.failing.insert(run),
            None => self.failing.remove(&run),
        };
    }

    /// Whether those that keep failing are known.
    pub(crate) fn knows_who_keeps_failing(&self) -> bool {
        let failing = self.runs().filter(|run| hopeless(run).is_some());
        failing.map(|run| run.run).eq(self.failing.iter().copied())
    }

    /// Every open workflow and what it waits for, every standalone activity or operation that runs, and every task that no worker fetches.
    pub fn who_waits(&self) -> Vec<String> {
        let unserved = self
            .matching
            .backlog()
            .filter(|(_, task, served)| !served && self.is_wanted(task))
            .map(|(key, task, _)| {
                let kind = match task {
                    Task::Workflow { .. } => "a workflow task",
                    Task::Activity { .. } | Task::Standalone { .. } => "an activity task",
                    Task::Query { .. } => "a query",
                    Task::Nexus { .. } => "a nexus request",
                };
                format!("{kind} waits on task queue {:?}, which no worker polls", key.name)
            });
        let held_back = self.matching.held_back().map(|(key, until)| match until {
            Some(moment) => format!("task queue {:?} waits for its rate limit until {moment}", key.name),
            None => format!(
                "task queue {:?} has a rate limit of 0, so none of its tasks goes out",
                key.name
            ),
        });
        let workflows = self.runs().filter(|run| run.is_running()).map(waits_for);
        let schedules = self.schedules.iter().filter(|it| it.is_open()).map(rests);
        let activities = self
            .standalones
            .iter()
            .filter(|activity| !activity.is_closed())
            .map(|activity| {
                format!(
                    "activity {} ({}) waits for its end (attempt {})",
                    activity.activity_id(),
                    activity.type_name(),
                    activity.attempt()
                )
            });
        let operations = self.nexus.operations.iter().filter(|operation| !operation.is_closed());
        let operations = operations.map(|operation| {
            let start = operation.start();
            format!(
                "nexus operation {} ({}/{}) waits for its end",
                start.operation_id, start.service, start.operation
            )
        });
        let waiting = workflows.chain(activities).chain(operations);
        waiting.chain(unserved).chain(held_back).chain(schedules).collect()
    }

    /// Whether nothing but schedules is due, now or ever: they fire for ever, and may never change anything else.
    pub fn has_only_schedules_due(&self) -> bool {
        self.timers.has_only_schedules()
    }

    /// How often time has woken a schedule so far.
    pub fn schedule_firings(&self) -> u64 {
        self.schedules.fired()
    }
}

fn rests(schedule: &Schedule) -> String {
    let how = match schedule.is_paused() {
        true => "is paused",
        false => "waits for its next time",
    };
    format!("schedule {} {how}", schedule.schedule_id)
}

/// Why a run's workflow task keeps failing, if it does.
fn hopeless(run: &Run) -> Option<&str> {
    let task = &run.machines.workflow_task;
    let failure = task
        .last_failure()
        .filter(|_| task.attempt() >= HOPELESS_ATTEMPTS && run.is_running())?;
    Some(&failure.message)
}

fn waits_for(run: &Run) -> String {
    let machines = &run.machines;
    let mut what: Vec<String> = Vec::new();
    if run.is_paused() {
        what.push("a client that unpauses it".to_owned());
    }
    if machines.workflow_task.is_pending() {
        what.push(format!(
            "its workflow task (attempt {})",
            machines.workflow_task.attempt()
        ));
    }
    for activity in machines.activities.values() {
        what.push(format!(
            "activity {} (attempt {}{})",
            activity.type_name(),
            activity.attempt(),
            match activity.is_paused() {
                true => ", paused",
                false => "",
            }
        ));
    }
    if !machines.timers.is_empty() {
        what.push(format!("{} timer(s)", machines.timers.len()));
    }
    for operation in machines.nexus_operations.values().filter(|it| !it.is_closed()) {
        let attributes = operation.attributes();
        what.push(format!(
            "nexus operation {}/{}",
            attributes.service, attributes.operation
        ));
    }
    for child in machines.children.values() {
        what.push(format!("child workflow {}", child.workflow_id()));
    }
    if what.is_empty() {
        what.push("a signal, an update or a cancellation".to_owned());
    }
    format!(
        "workflow {} ({}) waits for {}",
        run.start.workflow_id,
        run.start.workflow_type,
        what.join(", ")
    )
}
