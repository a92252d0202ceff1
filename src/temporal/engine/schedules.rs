//! Schedules: wakes them, starts and ends the workflows that they mean, and tells them what came of it.

use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus as Status;
use temporalio_protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_protos::temporal::api::schedule::v1::SchedulePatch;

use super::Engine;
use crate::clock::Timestamp;
use crate::temporal::reject::Reject;
use crate::temporal::rpc;
use crate::temporal::run::{CancelRequest, Run, RunRef};
use crate::temporal::schedule::{Ended, NewSchedule, Plan, Rest, Schedule, ScheduleRef, Start, Wake, workflow_id};
use crate::temporal::timer::Timer;
use crate::temporal::txn::{Letter, Note};

impl Engine {
    /// Makes a schedule, and does at once what its first patch asks for. The same request again changes nothing.
    pub(crate) fn create_schedule(
        &mut self,
        now: Timestamp,
        new: NewSchedule,
        patch: Option<SchedulePatch>,
    ) -> Result<(), Reject> {
        check_id(&new.schedule_id)?;
        if let Ok(there) = self.schedule(now, &new.namespace, &new.schedule_id) {
            if there.request_id == new.request_id {
                return Ok(());
            }
            if there.is_open() {
                return Err(already_registered(&new.schedule_id));
            }
        }
        self.notes
            .push(Note::temporal(format!("schedule {} was created", new.schedule_id)));
        let reference = self.schedules.next_ref();
        let run_id = self.entropy.uuid();
        self.schedules.insert(Schedule::new(reference, run_id, new, now));
        let wake = patch.map_or(Wake::Time, |patch| Wake::Patch(Box::new(patch)));
        self.wake_schedule(now, reference, wake);
        Ok(())
    }

    /// The schedule of an id, open or closed: a closed one is kept as long as a closed workflow.
    pub(crate) fn schedule(&self, now: Timestamp, namespace: &str, schedule_id: &str) -> Result<&Schedule, Reject> {
        let retention = self
            .namespaces
            .require(namespace)?
            .keeps_for()
            .unwrap_or(std::time::Duration::MAX);
        check_id(schedule_id)?;
        self.schedules
            .find(namespace, schedule_id)
            .filter(|schedule| schedule.closed_at.is_none_or(|closed| now.since(closed) < retention))
            // It is a workflow of that name, in Temporal.
            .ok_or_else(|| Reject::workflow_not_found(&workflow_id(schedule_id)))
    }

    /// The open schedule of an id.
    pub(crate) fn open_schedule(
        &self,
        now: Timestamp,
        namespace: &str,
        schedule_id: &str,
    ) -> Result<ScheduleRef, Reject> {
        let schedule = self.schedule(now, namespace, schedule_id)?;
        match schedule.is_open() {
            true => Ok(schedule.reference),
            false => Err(Reject::workflow_completed()),
        }
    }

    /// Lets a schedule do what there is to do.
    pub(crate) fn wake_schedule(&mut self, now: Timestamp, reference: ScheduleRef, wake: Wake) {
        let Some(schedule) = self.schedules.get_mut(reference).filter(|it| it.is_open()) else {
            return;
        };
        schedule.begin(now, wake);
        // Each round leaves fewer actions in the buffer than it found.
        while self.take_due_actions(now, reference) {}
        let Some(schedule) = self.schedules.get_mut(reference) else {
            return;
        };
        match schedule.finish(now) {
            Rest::Until(Some(moment)) => self.timers.set(Timer::Schedule(reference), moment),
            Rest::Until(None) => self.timers.stop(Timer::Schedule(reference)),
            Rest::Over => self.close_schedule(now, reference, Status::Completed),
        }
        self.show_schedule(reference);
    }

    /// Time wakes a schedule.
    pub(super) fn fire_schedule(&mut self, now: Timestamp, reference: ScheduleRef) {
        self.schedules.count_firing();
        self.wake_schedule(now, reference, Wake::Time);
    }

    /// A schedule is deleted, or was over.
    pub(crate) fn close_schedule(&mut self, now: Timestamp, reference: ScheduleRef, status: Status) {
        self.timers.stop(Timer::Schedule(reference));
        if let Some(schedule) = self.schedules.get_mut(reference) {
            (schedule.closed_at, schedule.status) = (Some(now), status);
            let note = format!("schedule {} is gone", schedule.schedule_id);
            self.notes.push(Note::temporal(note));
        }
        self.show_schedule(reference);
    }

    /// What lists know of a schedule is what it is now.
    fn show_schedule(&mut self, reference: ScheduleRef) {
        let Some(schedule) = self.schedules.get(reference) else {
            return;
        };
        if let Some(namespace) = self.namespaces.get(&schedule.namespace) {
            self.visibility.put(schedule.visible(&namespace.search_attributes));
        }
    }

    /// Those of a schedule's runs that really run, by the first of each chain.
    pub(crate) fn running_of_schedule(&self, schedule: &Schedule) -> Vec<WorkflowExecution> {
        let runs = |execution: &&WorkflowExecution| {
            self.runs
                .current(&schedule.namespace, &execution.workflow_id)
                .is_some_and(|run| run.is_running() && run.first_run_id() == execution.run_id)
        };
        schedule.running().iter().filter(runs).cloned().collect()
    }

    /// A run has ended: a schedule may wait for that.
    pub(super) fn tell_watcher(&mut self, run: RunRef) {
        let Some(run) = self.runs.get(run).filter(|run| run.next_run_id.is_empty()) else {
            return;
        };
        if self.schedules.is_watched(run.first_run_id()) {
            let first_run_id = run.first_run_id().to_owned();
            self.mail.push_back(Letter::WatchedRunEnded { first_run_id });
        }
    }

    /// The run has ended for which a schedule waits; unless its chain goes on.
    pub(super) fn on_watched_run_ended(&mut self, now: Timestamp, first_run_id: &str) {
        let Some(reference) = self.schedules.take_watcher(first_run_id) else {
            return;
        };
        let Some(schedule) = self.schedules.get_mut(reference) else {
            return;
        };
        let (namespace, execution) = (schedule.namespace.clone(), schedule.watching.take());
        let ended = execution.and_then(|execution| self.ended(&namespace, &execution));
        match ended {
            Some(ended) => self.wake_schedule(now, reference, Wake::Ended(Box::new(ended))),
            None => self.watch_running(reference),
        }
    }

    /// One round over the buffer. Gives whether another one may find something to do.
    fn take_due_actions(&mut self, now: Timestamp, reference: ScheduleRef) -> bool {
        self.refresh_schedule(reference);
        let Some(plan) = self.schedules.get_mut(reference).and_then(Schedule::plan) else {
            return false;
        };
        let overlapping = plan.overlapping.iter().map(|start| (start, false));
        let next = plan.next.iter().map(|start| (start, true));
        let mut again = false;
        for (start, counts) in overlapping.chain(next) {
            again |= !self.take_action(now, reference, start, counts);
        }
        self.end_running(now, reference, &plan);
        self.watch_running(reference);
        again
    }

    /// Tells a schedule which of its runs have ended, if it wants to know.
    fn refresh_schedule(&mut self, reference: ScheduleRef) {
        let Some(schedule) = self.schedules.get_mut(reference) else {
            return;
        };
        if !schedule.take_refresh() {
            return;
        }
        let namespace = schedule.namespace.clone();
        for execution in schedule.running().to_vec() {
            let ended = self.ended(&namespace, &execution);
            if let (Some(ended), Some(schedule)) = (ended, self.schedules.get_mut(reference)) {
                schedule.on_ended(&ended);
            }
        }
    }

    /// Starts one workflow. Gives whether it did.
    fn take_action(&mut self, now: Timestamp, reference: ScheduleRef, start: &Start, counts: bool) -> bool {
        let Some(schedule) = self.schedules.get_mut(reference) else {
            return false;
        };
        if !schedule.take_action(start) {
            return false;
        }
        let started = self.start_scheduled(now, reference, start);
        let Some(schedule) = self.schedules.get_mut(reference) else {
            return false;
        };
        match started {
            Ok(execution) => {
                schedule.record(now, start, execution, counts);
                true
            }
            Err(reject) => {
                let note = format!(
                    "schedule {} couldn't start its workflow: {}",
                    schedule.schedule_id,
                    reject.message()
                );
                self.notes.push(Note::temporal(note));
                false
            }
        }
    }

    fn start_scheduled(
        &mut self,
        now: Timestamp,
        reference: ScheduleRef,
        start: &Start,
    ) -> Result<WorkflowExecution, Reject> {
        let request_id = self.entropy.uuid();
        let request = self
            .schedules
            .get(reference)
            .and_then(|schedule| schedule.start_request(start, request_id))
            .ok_or_else(|| Reject::NotFound("schedule not found".to_owned()))?;
        let start = rpc::parse_start(self, now, request)?;
        let run = self.start_run(now, start)?.run();
        let run = self.runs.get(run).map(Run::execution);
        run.ok_or_else(Reject::workflow_completed)
    }

    /// Ends what runs, as the overlap policy wants it. The schedule hears of the end as of any other.
    fn end_running(&mut self, now: Timestamp, reference: ScheduleRef, plan: &Plan) {
        let Some(schedule) = self.schedules.get(reference).filter(|_| plan.cancel || plan.terminate) else {
            return;
        };
        let (namespace, identity) = (schedule.namespace.clone(), schedule.identity());
        for execution in schedule.running().to_vec() {
            let latest = WorkflowExecution {
                workflow_id: execution.workflow_id,
                ..Default::default()
            };
            let Ok(run) = self.runs.find_in_chain(&namespace, Some(&latest), &execution.run_id) else {
                continue;
            };
            let run = run.run;
            match plan.terminate {
                true => self.step(now, run, |run, context| {
                    let reason = "terminated by schedule overlap policy";
                    run.terminate(context, reason, None, &identity, Vec::new());
                    run.after_updates(context);
                }),
                false => self.cancel_scheduled(now, run, &identity),
            }
        }
    }

    fn cancel_scheduled(&mut self, now: Timestamp, run: RunRef, identity: &str) {
        let request = CancelRequest {
            cause: "cancelled by schedule overlap policy".to_owned(),
            identity: identity.to_owned(),
            request_id: self.entropy.uuid(),
            ..Default::default()
        };
        self.step(now, run, |run, context| {
            // It is open, so there is nothing to refuse.
            let _ = run.request_cancel(context, request);
        });
    }

    /// Waits for the end of what runs, if actions wait for that.
    fn watch_running(&mut self, reference: ScheduleRef) {
        let Some(schedule) = self.schedules.get_mut(reference) else {
            return;
        };
        let Some(execution) = schedule.wants_to_watch().cloned() else {
            return;
        };
        let namespace = schedule.namespace.clone();
        schedule.watching = Some(execution.clone());
        self.schedules.watch(execution.run_id.clone(), reference);
        if self.ended(&namespace, &execution).is_some() {
            self.mail.push_back(Letter::WatchedRunEnded {
                first_run_id: execution.run_id,
            });
        }
    }

    /// How a chain of runs ended, by its first run; `None` while it goes on.
    fn ended(&self, namespace: &str, first: &WorkflowExecution) -> Option<Ended> {
        let current = self.runs.current(namespace, &first.workflow_id);
        let mut run = current
            .filter(|run| run.first_run_id() == first.run_id)
            .or_else(|| self.runs.find(namespace, Some(first)).ok());
        while let Some(next_run_id) = run.map(|run| &run.next_run_id).filter(|id| !id.is_empty()) {
            let next = WorkflowExecution {
                workflow_id: first.workflow_id.clone(),
                run_id: next_run_id.clone(),
            };
            run = self.runs.find(namespace, Some(&next)).ok();
        }
        let status = run.map_or(Status::Unspecified, |run| run.status);
        if matches!(status, Status::Running | Status::Paused) {
            return None;
        }
        let close = run.and_then(|run| run.log.close_event()?.attributes);
        let (result, failure) = match close {
            Some(Attributes::WorkflowExecutionCompletedEventAttributes(completed)) => (completed.result, None),
            Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) => (None, failed.failure),
            _ => (None, None),
        };
        Some(Ended {
            workflow_id: first.workflow_id.clone(),
            status,
            result,
            failure,
        })
    }
}

/// The words are those of the place that looks for an execution without a name.
fn check_id(schedule_id: &str) -> Result<(), Reject> {
    match schedule_id.is_empty() {
        true => Err(Reject::InvalidArgument(
            "Can't load workflow execution.  WorkflowId not set.".to_owned(),
        )),
        false => Ok(()),
    }
}

fn already_registered(schedule_id: &str) -> Reject {
    Reject::WorkflowExecutionAlreadyStarted {
        message: format!("schedule {schedule_id:?} is already registered"),
        start_request_id: String::new(),
        run_id: String::new(),
        first_execution_run_id: String::new(),
    }
}
