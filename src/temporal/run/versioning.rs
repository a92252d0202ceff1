//! What a run's version means for its tasks: which of them still count, and when they must be put on their queues again.

use std::time::Duration;

use super::{Context, Kind, Run};
use crate::temporal::versioning::{Completed, Directive, Override, Version};

/// What is known when a worker is about to take a task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taking<'a> {
    /// What the task says of the version it wants, and its stamp.
    pub(crate) directive: &'a Directive,
    pub(crate) stamp: u32,
    /// The worker's version.
    pub(crate) version: Option<&'a Version>,
    /// Whether the task came by the worker's own queue, and the poll said that it is one.
    pub(crate) is_sticky: bool,
    /// The version that the routing wants for the run, and the revision that says so.
    pub(crate) target: Option<&'a Version>,
    pub(crate) revision: i64,
}

impl Run {
    /// Whether a worker may take a workflow task; if so, what the task will tell the workflow of its version is settled.
    pub(crate) fn prepare_workflow_task(&mut self, taking: Taking<'_>) -> bool {
        let is_own_worker = self.machines.workflow_task.sticky().is_some();
        let is_pinned_elsewhere = self.is_pinned() && taking.version != self.versioning.version();
        if (taking.is_sticky && !is_own_worker)
            || is_pinned_elsewhere
            || !self.versioning.accepts(taking.directive, taking.stamp, false)
        {
            return false;
        }
        if !taking.is_sticky {
            // Its worker is gone, and another one has the run now.
            self.machines.workflow_task.set_sticky(None);
        }
        self.learn_target(taking.target, taking.revision);
        true
    }

    /// Whether a workflow task is one that a worker may still take from this queue.
    pub(crate) fn awaits_worker(&self, queue: &str, scheduled_event_id: i64) -> bool {
        let task = &self.machines.workflow_task;
        let is_open = self.is_running() && task.is_pending() && !task.is_started();
        is_open
            && task.scheduled_event_id() == scheduled_event_id
            && task.task_queue(&self.start.task_queue).name == queue
    }

    /// A workflow task starts: whether a pinned workflow hears that another version would be its target.
    pub(crate) fn learn_target(&mut self, target: Option<&Version>, revision: i64) {
        self.versioning.learn_target(target, revision);
        let changed = self.versioning.is_target_changed();
        self.machines.workflow_task.set_target_changed(changed);
    }

    /// A worker has taken a workflow task; if its version is another one, the run goes there.
    pub(crate) fn follow_worker(&mut self, context: &mut Context<'_>, version: Option<&Version>, revision: i64) {
        let speculative = self.machines.workflow_task.is_speculative();
        if !speculative && version != self.versioning.version() {
            self.start_transition(context, version, revision);
        }
    }

    /// Whether a worker may take an activity task. `wanted`: the version that the routing of the workflow's own queue wants,
    /// and its revision. A worker whose version the workflow is about to get takes the workflow there first.
    pub(crate) fn prepare_activity_task(
        &mut self,
        context: &mut Context<'_>,
        taking: Taking<'_>,
        wanted: (Option<&Version>, i64),
    ) -> bool {
        if self.versioning.transition().is_some() || !self.versioning.accepts(taking.directive, taking.stamp, true) {
            return false;
        }
        if taking.version == self.versioning.version() || self.is_pinned() {
            return true;
        }
        let deployment = |version: Option<&Version>| version.map(|it| it.deployment.clone());
        let is_ahead = deployment(taking.version) == deployment(wanted.0) && taking.revision > wanted.1;
        if taking.version == wanted.0 || is_ahead {
            self.start_transition(context, taking.version, taking.revision);
            self.schedule_workflow_task(context, Kind::Normal);
            return false;
        }
        true
    }

    /// A client sets an override, or takes it back.
    pub(crate) fn set_versioning_override(&mut self, context: &mut Context<'_>, over: Option<Override>) {
        if self.versioning.set_override(over) {
            context.effects.visible = true;
            self.machines.workflow_task.set_sticky(None);
            self.reschedule_workflow_task(context);
        }
        self.reschedule_activities(context, Duration::ZERO);
    }

    /// A worker has completed a workflow task, `lasted` after it was scheduled.
    pub(super) fn take_version(
        &mut self,
        context: &mut Context<'_>,
        completed: &Completed,
        stamp: Option<&temporalio_protos::temporal::api::common::v1::WorkerVersionStamp>,
        lasted: Duration,
    ) {
        let before = self.versioning.search_attributes.clone();
        if self.versioning.complete(completed, stamp) {
            self.reschedule_activities(context, lasted);
        }
        let limit = context.config.search_attribute_bytes;
        self.versioning.search_attributes.trim(limit);
        context.effects.visible |= self.versioning.search_attributes != before;
    }

    fn start_transition(&mut self, context: &mut Context<'_>, version: Option<&Version>, revision: i64) {
        self.versioning.start_transition(version, revision);
        self.machines.workflow_task.set_sticky(None);
        self.reschedule_workflow_task(context);
    }

    fn is_pinned(&self) -> bool {
        self.versioning.behavior() == temporalio_protos::temporal::api::enums::v1::VersioningBehavior::Pinned
    }

    /// A workflow task that nobody has taken goes to its queue again.
    pub(super) fn reschedule_workflow_task(&mut self, context: &mut Context<'_>) {
        let queue = self.start.task_queue.clone();
        if self.machines.workflow_task.may_be_offered_again() {
            self.versioning.outdate_tasks(false);
            let (machines, mut txn) = self.open(context);
            machines.workflow_task.offer_again(&mut txn, &queue);
        }
    }

    /// Activity tasks that nobody has taken go to their queues again. `delay` doesn't count for their time there.
    fn reschedule_activities(&mut self, context: &mut Context<'_>, delay: Duration) {
        self.versioning.outdate_tasks(true);
        let (machines, mut txn) = self.open(context);
        for activity in machines.activities.values_mut() {
            activity.offer_again(&mut txn, delay);
        }
    }
}
