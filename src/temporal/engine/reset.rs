//! Resets and deletions: a workflow's chain of runs is changed from outside.

use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::enums::v1::EventType;
use temporalio_protos::temporal::api::history::v1::HistoryEvent;
use temporalio_protos::temporal::api::history::v1::history_event::Attributes;

use super::{Engine, HandKey};
use crate::clock::Timestamp;
use crate::temporal::reject::Reject;
use crate::temporal::run::{Context, Reset, RunRef};
use crate::temporal::timer::Timer;
use crate::temporal::txn::{Effects, Note};

impl Engine {
    /// The run that a client wants to reset, if its history has the event.
    pub(crate) fn find_for_reset(
        &self,
        namespace: &str,
        execution: Option<&WorkflowExecution>,
        workflow_task_finish_event_id: i64,
    ) -> Result<RunRef, Reject> {
        let base = self.runs.find(namespace, execution)?;
        match (2..=base.log.last_event_id()).contains(&workflow_task_finish_event_id) {
            true => Ok(base.run),
            false => Err(Reject::InvalidArgument(
                "Workflow task finish ID must be > 1 && <= workflow last event ID.".to_owned(),
            )),
        }
    }

    /// Cuts a run and lets a new one go on from there. The workflow id's latest run is terminated if it is open. Gives
    /// the new run's id.
    pub(crate) fn reset_run(&mut self, now: Timestamp, base_ref: RunRef, reset: &Reset) -> Result<String, Reject> {
        let Some(base) = self.runs.get(base_ref) else {
            return Err(Reject::NotFound("workflow execution not found".to_owned()));
        };
        let finish = reset.workflow_task_finish_event_id;
        let base_run_id = base.start.run_id.clone();
        let current = self.runs.current(&base.start.namespace, &base.start.workflow_id);
        let current_ref = current.map(|current| current.run);
        // A run keeps the request id of its start through every reset, and that one is what counts.
        if let Some(current) = current.filter(|current| current.start.request_id == reset.request_id) {
            return Ok(current.start.run_id.clone());
        }
        let run_id = self.entropy.uuid();
        let run_ref = self.runs.next_ref();
        let runs = &self.runs;
        let Some(base) = runs.get(base_ref) else {
            return Err(Reject::NotFound("workflow execution not found".to_owned()));
        };
        let mut run = base.rebuild(run_ref, run_id.clone(), finish - 1, now, &|id| runs.by_run_id(id));
        base.check_reset_point(&run)?;
        self.notes.push(Note::temporal(format!(
            "workflow {} is reset to event {finish}",
            run.start.workflow_id
        )));
        self.end_by_reset(now, base_ref, current_ref, &run_id, &reset.reason);
        let cut_off = self.cut_off(base_ref, finish);
        let mut effects = Effects::default();
        let mut context = Context {
            now,
            effects: &mut effects,
            namespaces: &self.namespaces,
            entropy: &mut self.entropy,
            endpoints: &self.nexus.endpoints,
            config: &self.config,
        };
        let runs = &self.runs;
        run.reset(&mut context, &base_run_id, reset, &cut_off, &|id| runs.by_run_id(id));
        run.log.commit();
        self.runs.insert(run);
        self.apply_effects(now, run_ref, effects);
        Ok(run_id)
    }

    /// Deletes a run and its history. An open one is terminated first.
    pub(crate) fn delete_run(&mut self, now: Timestamp, run: RunRef) {
        self.step(now, run, |run, context| {
            run.terminate(
                context,
                "Delete workflow execution",
                None,
                "history-service",
                Vec::new(),
            );
        });
        self.forget_run(run);
    }

    /// Forgets a run that has ended, and refuses those who wait for something of it.
    pub(super) fn forget_run(&mut self, run: RunRef) {
        let Some(removed) = self.runs.remove(run) else {
            return;
        };
        let start = &removed.start;
        self.to_list.remove(&run);
        self.visibility.remove(&start.namespace, &start.run_id);
        self.timers.stop_all_of(run);
        self.timers.stop(Timer::QueryScheduleToStart(run));
        self.timers.stop_callbacks_of(run);
        self.hands
            .retain(|key, _| !matches!(key, HandKey::Query(owner, _) if *owner == run));
        let queries = removed.machines.queries.values().map(|query| query.ticket);
        for ticket in queries.chain(removed.history_waiters) {
            self.answer(ticket, Err(Reject::workflow_not_found(&start.workflow_id)));
        }
    }

    /// The run that is cut learns of its successor, and the latest run gives way to it.
    fn end_by_reset(&mut self, now: Timestamp, base: RunRef, current: Option<RunRef>, new_run_id: &str, reason: &str) {
        if let Some(base) = self.runs.get_mut(base) {
            new_run_id.clone_into(&mut base.reset_run_id);
        }
        if let Some(current) = current {
            self.step(now, current, |run, context| {
                run.terminate_by_reset(context, reason, current == base);
            });
        }
    }

    /// What was cut off: the rest of the run's history, and those of the runs that it continued as.
    fn cut_off(&self, base: RunRef, first_event_id: i64) -> Vec<HistoryEvent> {
        let mut events = Vec::new();
        let (mut next, mut from) = (Some(base), first_event_id);
        while let Some(run) = next.and_then(|run| self.runs.get(run)) {
            events.extend(run.log.page(from, usize::MAX).0);
            from = 1;
            next = run
                .log
                .close_event()
                .filter(|event| event.event_type() == EventType::WorkflowExecutionContinuedAsNew)
                .and_then(|event| match event.attributes.as_ref()? {
                    Attributes::WorkflowExecutionContinuedAsNewEventAttributes(continued) => {
                        self.runs.by_run_id(&continued.new_execution_run_id)
                    }
                    _ => None,
                });
        }
        events
    }
}
