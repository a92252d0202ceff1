//! What workers and clocks do to a run's activities, and the clocks of user timers.

use temporalio_protos::temporal::api::common::v1::Payloads;

use super::{Context, Run};
use crate::temporal::machine::activity::{Activity, HeartbeatAnswer, Report, Reporter};
use crate::temporal::reject::Reject;
use crate::temporal::timer::ActivityTimer;
use crate::temporal::versioning::build_ids::StartingWorker;

/// How somebody who isn't the workflow names one of its activities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ActivityName {
    /// The worker that has this attempt.
    Attempt { scheduled_event_id: i64, attempt: i32 },
    /// By the id that the workflow gave it, whatever the attempt.
    Id(String),
}

impl Run {
    /// A worker takes an activity task. `false` if the task is stale.
    pub(crate) fn start_activity(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        attempt: i32,
        identity: &str,
        worker: &StartingWorker,
    ) -> bool {
        if !self.is_running() {
            return false;
        }
        let (machines, mut txn) = self.open(context);
        let activity = machines.activities.get_mut(&scheduled_event_id);
        let started = activity.is_some_and(|activity| activity.start(&mut txn, attempt, identity));
        if started {
            self.follow_build_of_activity(context, scheduled_event_id, worker);
        }
        started
    }

    /// Whether a rule has an activity paused that a worker is about to take.
    pub(crate) fn is_stopped_by_rule(&mut self, context: &mut Context<'_>, scheduled_event_id: i64) -> bool {
        let (machines, mut txn) = self.open(context);
        let activity = machines.activities.get_mut(&scheduled_event_id);
        let is_stopped = activity.is_some_and(|activity| activity.is_stopped_by_rule(&mut txn));
        if is_stopped {
            self.note_paused_activities();
        }
        is_stopped
    }

    /// Whether this attempt of an activity waits for a worker.
    pub(crate) fn has_scheduled_activity(&self, scheduled_event_id: i64, attempt: i32) -> bool {
        let activity = self.machines.activities.get(&scheduled_event_id);
        activity.is_some_and(|activity| activity.is_scheduled(attempt))
    }

    /// The activities that the worker of the workflow task just completed wants at once; they are on no queue.
    pub(crate) fn take_eager_activities(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.machines.eager_activities)
    }

    /// The task of an eager activity goes to its queue after all.
    pub(crate) fn offer_activity(&mut self, context: &mut Context<'_>, scheduled_event_id: i64) {
        let (machines, mut txn) = self.open(context);
        if let Some(activity) = machines.activities.get(&scheduled_event_id) {
            activity.offer(&mut txn);
        }
    }

    /// A worker, or somebody who knows its id, reports how an attempt went.
    pub(crate) fn report_activity(
        &mut self,
        context: &mut Context<'_>,
        name: &ActivityName,
        report: Report,
        reporter: &Reporter,
    ) -> Result<(), Reject> {
        let may_be_unstarted = matches!((name, &report), (ActivityName::Id(_), Report::Completed(_)));
        let scheduled_event_id = self.find_activity(name, may_be_unstarted)?;
        let (machines, mut txn) = self.open(context);
        let Some(activity) = machines.activities.get_mut(&scheduled_event_id) else {
            return Err(activity_task_not_found());
        };
        if matches!(report, Report::Canceled(_)) && !activity.is_cancel_requested() {
            return Err(Reject::InvalidArgument(
                "unable to mark activity as canceled without activity being request canceled first".to_owned(),
            ));
        }
        let was_paused = activity.is_paused();
        let closed = activity.report(&mut txn, report, reporter);
        if !closed && activity.is_paused() != was_paused {
            self.note_paused_activities();
        }
        self.after_activity(context, scheduled_event_id, closed);
        Ok(())
    }

    /// A heartbeat.
    pub(crate) fn heartbeat_activity(
        &mut self,
        context: &mut Context<'_>,
        name: &ActivityName,
        details: Option<Payloads>,
        identity: &str,
    ) -> Result<HeartbeatAnswer, Reject> {
        let scheduled_event_id = self.find_activity(name, false)?;
        self.limit_state(context, scheduled_event_id, details.as_ref())?;
        let (machines, mut txn) = self.open(context);
        match machines.activities.get_mut(&scheduled_event_id) {
            Some(activity) => Ok(activity.heartbeat(&mut txn, details, identity)),
            None => Err(activity_task_not_found()),
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
            let was_paused = activity.is_paused();
            let closed = activity.time_out(&mut txn, clock);
            if !closed && activity.is_paused() != was_paused {
                self.note_paused_activities();
            }
            self.after_activity(context, scheduled_event_id, closed);
        }
    }

    /// A user timer's time has come.
    pub(crate) fn on_user_timer(&mut self, context: &mut Context<'_>, started_event_id: i64) {
        let (machines, mut txn) = self.open(context);
        let Some(mut timer) = machines.timers.remove(started_event_id) else {
            return;
        };
        timer.fire(&mut txn);
        self.settle(context, true);
    }

    /// The pending activity that is meant, by its scheduled event.
    fn find_activity(&self, name: &ActivityName, may_be_unstarted: bool) -> Result<i64, Reject> {
        if !self.is_running() {
            return Err(Reject::workflow_completed());
        }
        let found = match name {
            ActivityName::Attempt {
                scheduled_event_id,
                attempt,
            } => self
                .machines
                .activities
                .get(scheduled_event_id)
                .filter(|activity| activity.attempt() == *attempt)
                .map(|activity| (*scheduled_event_id, activity.as_ref())),
            ActivityName::Id(activity_id) => Some(self.activity_by_id(activity_id)?),
        };
        match found {
            Some((scheduled_event_id, activity)) if may_be_unstarted || activity.is_started() => Ok(scheduled_event_id),
            _ => Err(activity_task_not_found()),
        }
    }

    fn activity_by_id(&self, activity_id: &str) -> Result<(i64, &Activity), Reject> {
        if activity_id.is_empty() {
            return Err(Reject::InvalidArgument("activityID cannot be empty".to_owned()));
        }
        let scheduled_event_id = self.machines.activity_ids.get(activity_id);
        scheduled_event_id
            .and_then(|id| Some((*id, self.machines.activities.get(id)?.as_ref())))
            .ok_or_else(|| {
                Reject::NotFound(format!(
                    "cannot find pending activity with ActivityID {activity_id}, check workflow execution history for \
                     more details"
                ))
            })
    }

    fn after_activity(&mut self, context: &mut Context<'_>, scheduled_event_id: i64, closed: bool) {
        if closed {
            self.machines.remove_activity(scheduled_event_id);
            self.settle(context, true);
        }
    }
}

/// The attempt is over, or never was (`consts.ErrActivityTaskNotFound`).
pub(crate) fn activity_task_not_found() -> Reject {
    Reject::NotFound("invalid activityID or activity already timed out or invoking workflow is completed".to_owned())
}
