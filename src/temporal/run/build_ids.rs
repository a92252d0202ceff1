//! What a run's build id means for its tasks: who may take them, and where they go when the run moves on.

use std::time::Duration;

use super::{Context, Run};
use crate::temporal::matching::Task;
use crate::temporal::versioning::build_ids::{Admission, BuildIdDirective, StartingWorker, build_id_of};

impl Run {
    /// What a task says of the build id it wants.
    pub(crate) fn build_id_directive(&self, task: &Task) -> BuildIdDirective {
        let versioning = &self.versioning;
        let last = build_id_of(versioning.stamp());
        match task {
            _ if versioning.is_of_deployment() => BuildIdDirective::Unversioned,
            Task::Workflow { .. } | Task::Query { .. } => versioning.build.directive(last, self.has_completed_task()),
            Task::Activity { scheduled_event_id, .. } => {
                let activity = self.machines.activities.get(scheduled_event_id);
                match activity.is_some_and(|activity| activity.stays_with_workflow()) {
                    true => versioning.build.with_workflow(last),
                    false => BuildIdDirective::Assign,
                }
            }
            Task::Standalone { .. } | Task::Nexus { .. } => BuildIdDirective::Unversioned,
        }
    }

    /// A queue has given a task its build id, and the task waits there. Gives whether lists must hear of it.
    pub(crate) fn take_assigned_build_id(&mut self, task: &Task, build_id: &str) -> bool {
        match task {
            Task::Activity { scheduled_event_id, .. } => {
                if let Some(activity) = self.machines.activities.get_mut(scheduled_event_id) {
                    activity.assign_build_id(build_id);
                }
                false
            }
            Task::Workflow { .. } => {
                let may_be_assigned = !self.has_completed_task() && !self.machines.workflow_task.is_started();
                may_be_assigned && self.assign_build_id(build_id)
            }
            Task::Query { .. } | Task::Standalone { .. } | Task::Nexus { .. } => false,
        }
    }

    /// Whether a worker may take a workflow task, and what that does; `None` if the task is stale.
    pub(super) fn admit_worker(&self, worker: &StartingWorker) -> Option<Admission> {
        self.versioning.build.admit(worker, self.has_completed_task())
    }

    /// A worker has taken a workflow task: the run is where the worker is.
    pub(super) fn follow_build(&mut self, context: &mut Context<'_>, build_id: &str, redirects: i64) {
        if redirects == 0 {
            context.effects.visible |= self.assign_build_id(build_id);
        } else {
            self.redirect(context, build_id, redirects, None);
        }
        let limit = context.config.search_attribute_bytes;
        self.versioning.search_attributes.trim(limit);
    }

    /// Whether a worker may take an activity task by its build id.
    pub(crate) fn admits_to_activity(&self, scheduled_event_id: i64, worker: &StartingWorker) -> bool {
        let activity = self.machines.activities.get(&scheduled_event_id);
        let is_bound = activity.is_some_and(|activity| activity.is_bound_to_workflow());
        !is_bound || worker.build_id().is_empty() || self.admit_worker(worker).is_some()
    }

    /// A worker takes an activity task: an activity that is bound to the workflow takes that along.
    pub(crate) fn follow_build_of_activity(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        worker: &StartingWorker,
    ) {
        let build_id = worker.build_id();
        let admission = self.admit_worker(worker);
        let Some(activity) = self.machines.activities.get_mut(&scheduled_event_id) else {
            return;
        };
        if build_id.is_empty() {
            return;
        }
        match (activity.is_bound_to_workflow(), admission) {
            (true, Some(Admission::Versioned(redirects))) => {
                activity.note_workflow_build(build_id, redirects);
                self.redirect(context, build_id, redirects, Some(scheduled_event_id));
            }
            (true, _) => {}
            (false, _) => activity.assign_build_id(build_id),
        }
    }

    /// Redirect rules have sent the run on: what waits for a worker goes to its queue again.
    pub(super) fn redirect(
        &mut self,
        context: &mut Context<'_>,
        build_id: &str,
        redirects: i64,
        starting: Option<i64>,
    ) {
        if !self.versioning.build.redirect(redirects) {
            return;
        }
        context.effects.visible |= self.assign_build_id(build_id);
        self.reschedule_workflow_task(context);
        let (machines, mut txn) = self.open(context);
        for (scheduled_event_id, activity) in &mut machines.activities {
            if Some(*scheduled_event_id) != starting && activity.is_bound_to_workflow() {
                activity.offer_again(&mut txn, Duration::ZERO);
            }
        }
    }

    /// The run gets a build id; the worker that has it in the cache may be of another one. `false` if it has it already.
    pub(super) fn assign_build_id(&mut self, build_id: &str) -> bool {
        if !self.versioning.assign_build_id(build_id) {
            return false;
        }
        self.machines.workflow_task.set_sticky(None);
        true
    }

    pub(super) fn has_completed_task(&self) -> bool {
        self.machines.workflow_task.last_completed_started_event_id() > 0
    }
}
