//! What workers and clocks do to a run's activities, and the clocks of user timers.

use temporalio_protos::temporal::api::common::v1::{Payloads, WorkerVersionStamp};

use super::{Context, Run};
use crate::temporal::machine::activity::{Activity, Report};
use crate::temporal::reject::Reject;
use crate::temporal::timer::ActivityTimer;

impl Run {
    /// A worker takes an activity task. `None` if the task is stale.
    pub(crate) fn start_activity(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        attempt: i32,
        identity: &str,
        worker_version: Option<WorkerVersionStamp>,
    ) -> Option<&Activity> {
        if !self.is_running() {
            return None;
        }
        let (machines, mut txn) = self.open(context);
        let activity = machines.activities.get_mut(&scheduled_event_id)?;
        if !activity.start(&mut txn, attempt, identity, worker_version) {
            return None;
        }
        self.machines.activities.get(&scheduled_event_id)
    }

    /// Whether this attempt of an activity waits for a worker.
    pub(crate) fn has_scheduled_activity(&self, scheduled_event_id: i64, attempt: i32) -> bool {
        let activity = self.machines.activities.get(&scheduled_event_id);
        activity.is_some_and(|activity| activity.is_scheduled(attempt))
    }

    /// A worker reports how an attempt went.
    pub(crate) fn report_activity(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        attempt: i32,
        report: Report,
        identity: &str,
    ) -> Result<(), Reject> {
        self.check_activity(scheduled_event_id, attempt)?;
        let (machines, mut txn) = self.open(context);
        let Some(activity) = machines.activities.get_mut(&scheduled_event_id) else {
            return Err(activity_not_found());
        };
        if matches!(report, Report::Canceled(_)) && !activity.is_cancel_requested() {
            return Err(Reject::InvalidArgument(
                "unable to mark activity as canceled without activity being request canceled first".to_owned(),
            ));
        }
        let closed = activity.report(&mut txn, report, identity);
        self.after_activity(context, scheduled_event_id, closed);
        Ok(())
    }

    /// A heartbeat. Gives whether the activity should stop.
    pub(crate) fn heartbeat_activity(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        attempt: i32,
        details: Option<Payloads>,
    ) -> Result<bool, Reject> {
        self.check_activity(scheduled_event_id, attempt)?;
        let (machines, mut txn) = self.open(context);
        match machines.activities.get_mut(&scheduled_event_id) {
            Some(activity) => Ok(activity.heartbeat(&mut txn, details)),
            None => Err(activity_not_found()),
        }
    }

    /// One of an activity's clocks ran out.
    pub(crate) fn on_activity_timer(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        clock: ActivityTimer,
    ) {
        let (machines, mut txn) = self.open(context);
        if let Some(activity) = machines.activities.get_mut(&scheduled_event_id) {
            let closed = activity.time_out(&mut txn, clock);
            self.after_activity(context, scheduled_event_id, closed);
        }
    }

    /// A user timer's time has come.
    pub(crate) fn on_user_timer(&mut self, context: &mut Context<'_>, started_event_id: i64) {
        let (machines, mut txn) = self.open(context);
        let Some(mut timer) = machines.timers.remove(&started_event_id) else {
            return;
        };
        machines.timer_ids.remove(timer.timer_id());
        timer.fire(&mut txn);
        self.settle(context, true);
    }

    /// The pending activity with this id, if there is one.
    pub(crate) fn activity_by_id(&self, activity_id: &str) -> Option<(i64, i32)> {
        let scheduled_event_id = self.machines.activity_ids.get(activity_id)?;
        let activity = self.machines.activities.get(scheduled_event_id)?;
        Some((*scheduled_event_id, activity.attempt()))
    }

    fn check_activity(&self, scheduled_event_id: i64, attempt: i32) -> Result<(), Reject> {
        if !self.is_running() {
            return Err(Reject::workflow_completed());
        }
        match self.machines.activities.get(&scheduled_event_id) {
            Some(activity) if activity.is_started(attempt) => Ok(()),
            _ => Err(activity_not_found()),
        }
    }

    fn after_activity(&mut self, context: &mut Context<'_>, scheduled_event_id: i64, closed: bool) {
        if closed {
            self.machines.remove_activity(scheduled_event_id);
            self.settle(context, true);
        }
    }
}

fn activity_not_found() -> Reject {
    Reject::NotFound("invalid activityID or activity already timed out or invoking workflow is completed".to_owned())
}
