//! A run made from the beginning of another one's history: what a reset goes on from.

use temporalio_protos::temporal::api::history::v1::HistoryEvent;
use temporalio_protos::temporal::api::history::v1::history_event::Attributes as A;

use super::reset_points::Build;
use super::{Run, RunRef, StartRun};
use crate::clock::Timestamp;
use crate::temporal::history::Log;
use crate::temporal::machine::activity::Activity;
use crate::temporal::machine::child_workflow::ChildWorkflow;
use crate::temporal::machine::external::External;
use crate::temporal::machine::timer::UserTimer;
use crate::temporal::machine::update::Update;
use crate::temporal::payload::upsert;
use crate::temporal::proto::moment;
use crate::temporal::txn::ChildRun;
use crate::temporal::versioning::Completed;
use crate::temporal::versioning::build_ids::build_id_of;

/// From a run id to the run, if there is one still.
pub(crate) type FindRun<'a> = dyn Fn(&str) -> Option<RunRef> + 'a;

impl Run {
    /// This run as it was after an event, under another name. Its clocks don't run yet, and nobody has been offered its
    /// tasks: see [`Self::reset`].
    pub(crate) fn rebuild(
        &self,
        run: RunRef,
        run_id: String,
        last_event_id: i64,
        now: Timestamp,
        find: &FindRun<'_>,
    ) -> Self {
        let start = StartRun {
            run_id,
            first_run_id: self.first_run_id().to_owned(),
            ..(*self.start).clone()
        };
        let mut rebuilt = Self::new(run, start, now);
        rebuilt.is_reset = true;
        rebuilt.log = Log::prefix(&self.log, last_event_id);
        let count = usize::try_from(last_event_id).unwrap_or_default();
        for event in self.log.page(1, count).0 {
            if let Some(attributes) = &event.attributes {
                rebuilt.replay(&event, attributes, find);
            }
        }
        rebuilt
    }

    fn replay(&mut self, event: &HistoryEvent, attributes: &A, find: &FindRun<'_>) {
        let (id, at) = (
            event.event_id,
            event.event_time.as_ref().map(moment).unwrap_or_default(),
        );
        let _ = self.replay_workflow(attributes, id)
            || self.replay_workflow_task(attributes, id, at)
            || self.replay_activity(attributes, id, at)
            || self.replay_timer(attributes, id, at)
            || self.replay_child(attributes, id, find)
            || self.replay_external(attributes, id)
            || self.replay_update(attributes, id)
            || self.replay_nexus(attributes, id, at);
    }

    /// What an event says of the run as a whole. `false` if it says nothing of it.
    fn replay_workflow(&mut self, attributes: &A, id: i64) -> bool {
        match attributes {
            A::WorkflowExecutionOptionsUpdatedEventAttributes(updated) => self.take_options(updated, id),
            A::WorkflowExecutionStartedEventAttributes(started) => {
                self.start.memo.clone_from(&started.memo);
                self.start.search_attributes.clone_from(&started.search_attributes);
                self.start.priority.clone_from(&started.priority);
            }
            A::WorkflowExecutionSignaledEventAttributes(_) => self.signal_count += 1,
            A::WorkflowExecutionCancelRequestedEventAttributes(_) => self.cancel_requested = true,
            A::UpsertWorkflowSearchAttributesEventAttributes(upserted) => {
                let given = upserted.search_attributes.as_ref().map(|it| &it.indexed_fields);
                let fields = &mut self.start.search_attributes.get_or_insert_default().indexed_fields;
                upsert(fields, given.unwrap_or(&std::collections::HashMap::new()));
            }
            A::WorkflowPropertiesModifiedEventAttributes(modified) => {
                let given = modified.upserted_memo.as_ref().map(|it| &it.fields);
                let fields = &mut self.start.memo.get_or_insert_default().fields;
                upsert(fields, given.unwrap_or(&std::collections::HashMap::new()));
            }
            _ => return false,
        }
        true
    }

    fn replay_workflow_task(&mut self, attributes: &A, id: i64, at: Timestamp) -> bool {
        let task = &mut self.machines.workflow_task;
        match attributes {
            A::WorkflowTaskScheduledEventAttributes(scheduled) => task.restore_scheduled(scheduled, id, at),
            A::WorkflowTaskStartedEventAttributes(started) => {
                task.restore_started(id, at);
                #[allow(deprecated)]
                let (stamp, redirects) = (started.worker_version.as_ref(), started.build_id_redirect_counter);
                self.replay_build(build_id_of(stamp), redirects);
            }
            A::WorkflowTaskCompletedEventAttributes(completed) => {
                task.restore_ended(true);
                self.note_build(self.started_at, Build::of_event(completed), id);
                #[allow(deprecated)]
                let stamp = completed.worker_version.as_ref();
                self.versioning.complete(&Completed::of_event(completed), stamp);
            }
            A::WorkflowTaskFailedEventAttributes(_) | A::WorkflowTaskTimedOutEventAttributes(_) => {
                task.restore_ended(false);
            }
            _ => return false,
        }
        true
    }

    /// A worker of this build id had a task of the run then, after so many redirects.
    fn replay_build(&mut self, build_id: &str, redirects: i64) {
        let counts = redirects == 0 || self.versioning.build.redirect(redirects);
        if !build_id.is_empty() && counts {
            self.assign_build_id(build_id);
        }
    }

    fn replay_activity(&mut self, attributes: &A, id: i64, at: Timestamp) -> bool {
        let has_build = !self.versioning.build.assigned().is_empty();
        let machines = &mut self.machines;
        match attributes {
            A::ActivityTaskStartedEventAttributes(started) => {
                let activity = machines.activities.get(&started.scheduled_event_id);
                let is_bound = activity.is_some_and(|activity| activity.is_bound_to_workflow());
                #[allow(deprecated)]
                let (stamp, redirects) = (started.worker_version.as_ref(), started.build_id_redirect_counter);
                if is_bound && redirects > 0 {
                    self.replay_build(build_id_of(stamp), redirects);
                }
            }
            A::ActivityTaskScheduledEventAttributes(scheduled) => {
                machines.activity_ids.insert(scheduled.activity_id.clone(), id);
                let mut activity = Activity::restore(scheduled.clone(), id, at);
                if activity.stays_with_workflow() && has_build {
                    activity.bind_to_workflow();
                }
                machines.activities.insert(id, Box::new(activity));
            }
            A::ActivityTaskCancelRequestedEventAttributes(requested) => {
                if let Some(activity) = machines.activities.get_mut(&requested.scheduled_event_id) {
                    activity.restore_cancel_request(id);
                }
            }
            A::ActivityTaskCompletedEventAttributes(it) => machines.remove_activity(it.scheduled_event_id),
            A::ActivityTaskFailedEventAttributes(it) => machines.remove_activity(it.scheduled_event_id),
            A::ActivityTaskTimedOutEventAttributes(it) => machines.remove_activity(it.scheduled_event_id),
            A::ActivityTaskCanceledEventAttributes(it) => machines.remove_activity(it.scheduled_event_id),
            _ => return false,
        }
        true
    }

    fn replay_timer(&mut self, attributes: &A, id: i64, at: Timestamp) -> bool {
        let timers = &mut self.machines.timers;
        let started_event_id = match attributes {
            A::TimerStartedEventAttributes(started) => {
                timers.insert(UserTimer::restore(started, id, at));
                return true;
            }
            A::TimerFiredEventAttributes(fired) => fired.started_event_id,
            A::TimerCanceledEventAttributes(canceled) => canceled.started_event_id,
            _ => return false,
        };
        timers.remove(started_event_id);
        true
    }

    fn replay_child(&mut self, attributes: &A, id: i64, find: &FindRun<'_>) -> bool {
        let children = &mut self.machines.children;
        match attributes {
            A::StartChildWorkflowExecutionInitiatedEventAttributes(initiated) => {
                children.insert(id, ChildWorkflow::restore(initiated.clone(), id));
            }
            A::ChildWorkflowExecutionStartedEventAttributes(started) => {
                if let Some(child) = children.get_mut(&started.initiated_event_id) {
                    child.restore_started(id, child_run(started.workflow_execution.as_ref(), find));
                }
            }
            _ => match child_of(attributes) {
                Some(initiated_event_id) => drop(children.remove(&initiated_event_id)),
                None => return false,
            },
        }
        true
    }

    fn replay_external(&mut self, attributes: &A, id: i64) -> bool {
        let answered = match attributes {
            A::SignalExternalWorkflowExecutionInitiatedEventAttributes(it) => {
                let mut it = it.clone();
                it.namespace = self.target_namespace(&it.namespace).0;
                self.machines.externals.insert(id, External::restore_signal(it, id));
                return true;
            }
            A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(it) => {
                let mut it = it.clone();
                it.namespace = self.target_namespace(&it.namespace).0;
                self.machines.externals.insert(id, External::restore_cancel(it, id));
                return true;
            }
            A::SignalExternalWorkflowExecutionFailedEventAttributes(it) => it.initiated_event_id,
            A::ExternalWorkflowExecutionSignaledEventAttributes(it) => it.initiated_event_id,
            A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(it) => it.initiated_event_id,
            A::ExternalWorkflowExecutionCancelRequestedEventAttributes(it) => it.initiated_event_id,
            _ => return false,
        };
        self.machines.externals.remove(&answered);
        true
    }

    fn replay_update(&mut self, attributes: &A, id: i64) -> bool {
        match attributes {
            A::WorkflowExecutionUpdateAdmittedEventAttributes(it) => {
                self.insert_update(Update::admitted_in_history(update_id(it.request.as_ref())));
            }
            A::WorkflowExecutionUpdateAcceptedEventAttributes(it) => {
                self.insert_update(Update::restore_accepted(it.protocol_instance_id.clone(), id));
            }
            A::WorkflowExecutionUpdateCompletedEventAttributes(it) => {
                let update_id = it.meta.as_ref().map(|meta| meta.update_id.as_str());
                if let Some(update) = self.machines.updates.get_mut(update_id.unwrap_or_default()) {
                    update.restore_completed(it.outcome.clone());
                }
            }
            _ => return false,
        }
        true
    }

    /// Adds an update, or puts one in the place of what was known of it before.
    pub(super) fn insert_update(&mut self, update: Update) {
        let update_id = update.update_id().to_owned();
        if self.machines.updates.insert(update_id.clone(), update).is_none() {
            self.machines.update_order.push(update_id);
        }
    }
}

/// The id of an update, by its request.
pub(super) fn update_id(request: Option<&temporalio_protos::temporal::api::update::v1::Request>) -> String {
    let meta = request.and_then(|request| request.meta.as_ref());
    meta.map(|meta| meta.update_id.clone()).unwrap_or_default()
}

/// A child's run as its parent names it; one that has been deleted since is nobody's.
pub(super) fn child_run(
    execution: Option<&temporalio_protos::temporal::api::common::v1::WorkflowExecution>,
    find: &FindRun<'_>,
) -> ChildRun {
    let run_id = execution.map(|it| it.run_id.clone()).unwrap_or_default();
    ChildRun {
        run: find(&run_id).unwrap_or(RunRef(0)),
        run_id,
    }
}

/// The child whose end an event tells.
pub(super) fn child_of(attributes: &A) -> Option<i64> {
    match attributes {
        A::StartChildWorkflowExecutionFailedEventAttributes(it) => Some(it.initiated_event_id),
        A::ChildWorkflowExecutionCompletedEventAttributes(it) => Some(it.initiated_event_id),
        A::ChildWorkflowExecutionFailedEventAttributes(it) => Some(it.initiated_event_id),
        A::ChildWorkflowExecutionCanceledEventAttributes(it) => Some(it.initiated_event_id),
        A::ChildWorkflowExecutionTimedOutEventAttributes(it) => Some(it.initiated_event_id),
        A::ChildWorkflowExecutionTerminatedEventAttributes(it) => Some(it.initiated_event_id),
        _ => None,
    }
}
