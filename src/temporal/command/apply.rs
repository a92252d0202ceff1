//! Carries out a batch that has been checked.

use temporalio_protos::temporal::api::command::v1 as wire;
use temporalio_protos::temporal::api::common::v1 as common;
use temporalio_protos::temporal::api::enums::v1::{ParentClosePolicy, TaskQueueKind, WorkflowIdReusePolicy};
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;

use super::{Annotated, Annotation, Command, ScheduleActivity};
use crate::temporal::machine::activity::Activity;
use crate::temporal::machine::child_workflow::ChildWorkflow;
use crate::temporal::machine::external::External;
use crate::temporal::machine::timer::UserTimer;
use crate::temporal::payload::{memo_of_values, search_attributes_of_values, upsert};
use crate::temporal::priority;
use crate::temporal::proto::{duration, proto_duration};
use crate::temporal::run::{Context, ParentLink, Run, StartRun, effective_run_timeout, effective_task_timeout};
use crate::temporal::time_skipping::Inherited;
use crate::temporal::txn::Letter;
use crate::temporal::versioning::{Override, StartVersioning};

/// What a batch leaves to be done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Applied {
    /// The workflow must get another task: an activity was cancelled before it started.
    pub(crate) wake: bool,
}

impl Run {
    /// Carries out the commands of a workflow task that completed with event `completed_event_id`.
    pub(crate) fn apply(
        &mut self,
        context: &mut Context<'_>,
        commands: Vec<Annotated>,
        completed_event_id: i64,
        identity: &str,
    ) -> Applied {
        let mut applied = Applied::default();
        for Annotated { command, annotation } in commands {
            // Of several commands that close the run the first one counts. Rejections come last, and are heard all the same.
            if !self.is_running() && !matches!(command, Command::RejectUpdate(..)) {
                continue;
            }
            // Whatever else a command leads to comes after its own event.
            let event_id = self.log.next_event_id();
            self.apply_one(
                context,
                command,
                &annotation,
                completed_event_id,
                identity,
                &mut applied,
            );
            self.log.annotate(event_id, annotation);
        }
        applied
    }

    fn apply_one(
        &mut self,
        context: &mut Context<'_>,
        command: Command,
        annotation: &Annotation,
        completed_event_id: i64,
        identity: &str,
        applied: &mut Applied,
    ) {
        match command {
            Command::ScheduleActivity(schedule) => self.schedule_activity(context, *schedule, completed_event_id),
            Command::RequestCancelActivity { scheduled_event_id } => {
                applied.wake |= self.cancel_activity(context, scheduled_event_id, completed_event_id, identity);
            }
            Command::StartTimer { timer_id, duration } => {
                let attributes = history::TimerStartedEventAttributes {
                    timer_id,
                    workflow_task_completed_event_id: completed_event_id,
                    ..Default::default()
                };
                let (machines, mut txn) = self.open(context);
                let timer = UserTimer::start(&mut txn, attributes, duration);
                machines.timers.insert(timer);
            }
            Command::CancelTimer { timer_id } => self.cancel_timer(context, timer_id, completed_event_id, identity),
            Command::RecordMarker(attributes) => {
                let (_, mut txn) = self.open(context);
                txn.emit(history::MarkerRecordedEventAttributes {
                    marker_name: attributes.marker_name,
                    details: attributes.details,
                    workflow_task_completed_event_id: completed_event_id,
                    header: attributes.header,
                    failure: attributes.failure,
                });
            }
            Command::StartChild(attributes) => {
                self.start_child(context, *attributes, annotation, completed_event_id);
            }
            Command::SignalExternal(attributes) => self.signal_external(context, *attributes, completed_event_id),
            Command::CancelExternal(attributes) => self.cancel_external(context, *attributes, completed_event_id),
            Command::ScheduleNexusOperation(attributes) => {
                self.schedule_nexus_operation(context, *attributes, completed_event_id);
            }
            Command::CancelNexusOperation { scheduled_event_id } => {
                self.cancel_nexus_operation(context, scheduled_event_id, completed_event_id);
            }
            Command::UpsertSearchAttributes(attributes) => {
                let fields = &mut self.start.search_attributes.get_or_insert_default().indexed_fields;
                upsert(fields, &attributes.indexed_fields);
                context.effects.visible = true;
                let (_, mut txn) = self.open(context);
                txn.emit(history::UpsertWorkflowSearchAttributesEventAttributes {
                    workflow_task_completed_event_id: completed_event_id,
                    search_attributes: Some(attributes),
                });
            }
            Command::ModifyMemo(memo) => {
                upsert(&mut self.start.memo.get_or_insert_default().fields, &memo.fields);
                context.effects.visible = true;
                let (_, mut txn) = self.open(context);
                txn.emit(history::WorkflowPropertiesModifiedEventAttributes {
                    workflow_task_completed_event_id: completed_event_id,
                    upserted_memo: Some(memo),
                });
            }
            Command::AcceptUpdate(update_id, acceptance) => {
                let (machines, mut txn) = self.open(context);
                if let Some(update) = machines.updates.get_mut(&update_id) {
                    update.accept(&mut txn, *acceptance);
                }
            }
            Command::RejectUpdate(update_id, rejection) => {
                if let Some(update) = self.machines.updates.get_mut(&update_id) {
                    update.reject(rejection.failure);
                }
            }
            Command::CompleteUpdate(update_id, response) => {
                let (machines, mut txn) = self.open(context);
                if let Some(update) = machines.updates.get_mut(&update_id) {
                    update.complete(&mut txn, *response);
                }
            }
            Command::Close(close) => self.close_by_command(context, close, completed_event_id),
        }
    }

    fn schedule_activity(&mut self, context: &mut Context<'_>, schedule: ScheduleActivity, completed_event_id: i64) {
        let paused = self.is_paused();
        let has_build = !self.versioning.build.assigned().is_empty();
        let (machines, mut txn) = self.open(context);
        let attributes = history::ActivityTaskScheduledEventAttributes {
            workflow_task_completed_event_id: completed_event_id,
            ..schedule.attributes
        };
        let activity_id = attributes.activity_id.clone();
        let scheduled_event_id = txn.log().next_event_id();
        let eager = schedule.request_eager;
        let mut activity = Activity::schedule(&mut txn, attributes, eager);
        if has_build && activity.stays_with_workflow() {
            activity.bind_to_workflow();
        }
        if paused {
            activity.hold_back(&mut txn);
        }
        machines.activity_ids.insert(activity_id, scheduled_event_id);
        machines.activities.insert(scheduled_event_id, Box::new(activity));
        if eager {
            machines.eager_activities.push(scheduled_event_id);
        }
    }

    fn cancel_activity(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        completed_event_id: i64,
        identity: &str,
    ) -> bool {
        let (machines, mut txn) = self.open(context);
        let Some(activity) = machines.activities.get_mut(&scheduled_event_id) else {
            // It has ended meanwhile: the request is recorded, and that is all.
            txn.emit(history::ActivityTaskCancelRequestedEventAttributes {
                scheduled_event_id,
                workflow_task_completed_event_id: completed_event_id,
            });
            return false;
        };
        let closed = activity.request_cancel(&mut txn, completed_event_id, identity);
        if closed {
            machines.remove_activity(scheduled_event_id);
        }
        closed
    }

    fn cancel_timer(&mut self, context: &mut Context<'_>, timer_id: String, completed_event_id: i64, identity: &str) {
        if let Some(started_event_id) = self.log.take_held_back_timer(&timer_id) {
            // It fired while this workflow task ran; the workflow never learns of it.
            let (_, mut txn) = self.open(context);
            txn.emit(history::TimerCanceledEventAttributes {
                timer_id,
                started_event_id,
                workflow_task_completed_event_id: completed_event_id,
                identity: identity.to_owned(),
            });
            return;
        }
        let (machines, mut txn) = self.open(context);
        if let Some(started_event_id) = machines.timers.find(&timer_id)
            && let Some(mut timer) = machines.timers.remove(started_event_id)
        {
            timer.cancel(&mut txn, completed_event_id, identity);
        }
    }

    fn start_child(
        &mut self,
        context: &mut Context<'_>,
        command: wire::StartChildWorkflowExecutionCommandAttributes,
        annotation: &Annotation,
        completed_event_id: i64,
    ) {
        let attributes = self.child_attributes(command, completed_event_id);
        let initiated_event_id = self.log.next_event_id();
        let start = self.child_start(&attributes, initiated_event_id, annotation.user_metadata.clone());
        let (machines, mut txn) = self.open(context);
        let child = ChildWorkflow::initiate(&mut txn, attributes);
        machines.children.insert(initiated_event_id, child);
        txn.effects.mail.push(Letter::StartChild(Box::new(start)));
    }

    /// The command with its defaults filled in, as the initiated event has it.
    fn child_attributes(
        &self,
        command: wire::StartChildWorkflowExecutionCommandAttributes,
        completed_event_id: i64,
    ) -> history::StartChildWorkflowExecutionInitiatedEventAttributes {
        #[allow(deprecated)]
        let namespace = match command.namespace.is_empty() {
            true => self.start.namespace.clone(),
            false => command.namespace,
        };
        let same_namespace = namespace == self.start.namespace;
        let task_queue = match command.task_queue.filter(|queue| !queue.name.is_empty()) {
            Some(queue) => TaskQueue {
                name: queue.name,
                kind: TaskQueueKind::Normal as i32,
                ..Default::default()
            },
            None => self.normal_queue(),
        };
        let parent_close_policy = match command.parent_close_policy {
            0 => ParentClosePolicy::Terminate as i32,
            policy => policy,
        };
        let workflow_id_reuse_policy = match command.workflow_id_reuse_policy {
            0 => WorkflowIdReusePolicy::AllowDuplicate as i32,
            policy => policy,
        };
        let run_timeout = effective_run_timeout(
            duration(command.workflow_run_timeout.as_ref()),
            duration(command.workflow_execution_timeout.as_ref()),
        );
        let task_timeout = effective_task_timeout(duration(command.workflow_task_timeout.as_ref()), run_timeout);
        let (time_skipping_config, inherited_time) = self.time_for_child();
        history::StartChildWorkflowExecutionInitiatedEventAttributes {
            namespace_id: match same_namespace {
                true => self.start.namespace_id.clone(),
                false => String::new(),
            },
            namespace,
            workflow_id: command.workflow_id,
            workflow_type: command.workflow_type,
            task_queue: Some(task_queue),
            input: command.input,
            workflow_execution_timeout: command.workflow_execution_timeout,
            workflow_run_timeout: Some(proto_duration(run_timeout)),
            workflow_task_timeout: Some(proto_duration(task_timeout)),
            parent_close_policy,
            workflow_task_completed_event_id: completed_event_id,
            workflow_id_reuse_policy,
            retry_policy: command
                .retry_policy
                .map(|policy| crate::temporal::retry::with_defaults(Some(&policy))),
            cron_schedule: command.cron_schedule,
            header: command.header,
            memo: memo_of_values(command.memo),
            search_attributes: search_attributes_of_values(command.search_attributes),
            #[allow(deprecated)]
            inherit_build_id: command.inherit_build_id,
            priority: command.priority,
            versioning_override: Override::parse(command.versioning_override.as_ref())
                .ok()
                .flatten()
                .map(|over| over.to_wire()),
            time_skipping_config,
            time_skipping_state_propagation: inherited_time.map(Inherited::to_wire),
            ..Default::default()
        }
    }

    /// The child's run, as a letter brings it to where it starts.
    pub(crate) fn child_start(
        &self,
        attributes: &history::StartChildWorkflowExecutionInitiatedEventAttributes,
        initiated_event_id: i64,
        user_metadata: Option<temporalio_protos::temporal::api::sdk::v1::UserMetadata>,
    ) -> StartRun {
        StartRun {
            namespace: attributes.namespace.clone(),
            namespace_id: attributes.namespace_id.clone(),
            workflow_id: attributes.workflow_id.clone(),
            workflow_type: attributes.workflow_type.clone().unwrap_or_default().name,
            task_queue: attributes.task_queue.clone().unwrap_or_default().name,
            input: attributes.input.clone(),
            header: attributes.header.clone(),
            execution_timeout: attributes.workflow_execution_timeout,
            run_timeout: attributes.workflow_run_timeout,
            task_timeout: attributes.workflow_task_timeout,
            retry_policy: attributes.retry_policy.clone(),
            cron_schedule: attributes.cron_schedule.clone(),
            memo: attributes.memo.clone(),
            search_attributes: attributes.search_attributes.clone(),
            id_reuse_policy: attributes.workflow_id_reuse_policy,
            parent: Some(ParentLink {
                run: Some(self.run),
                namespace: self.start.namespace.clone(),
                namespace_id: self.start.namespace_id.clone(),
                workflow_id: self.start.workflow_id.clone(),
                run_id: self.start.run_id.clone(),
                initiated_event_id,
            }),
            root: Some(self.start.root.clone().unwrap_or_else(|| self.execution())),
            priority: priority::merge(self.start.priority.as_ref(), attributes.priority.as_ref()),
            time_skipping: attributes.time_skipping_config.clone(),
            inherited_time: self.time_for_child().1,
            user_metadata,
            versioning: StartVersioning {
                over: Override::parse(attributes.versioning_override.as_ref()).ok().flatten(),
                #[allow(deprecated)]
                inherits_build_id: attributes.inherit_build_id,
                ..Default::default()
            },
            ..Default::default()
        }
    }

    fn signal_external(
        &mut self,
        context: &mut Context<'_>,
        command: wire::SignalExternalWorkflowExecutionCommandAttributes,
        completed_event_id: i64,
    ) {
        #[allow(deprecated)]
        let as_asked = command.namespace;
        let (namespace, namespace_id) = self.target_namespace(&as_asked);
        let attributes = history::SignalExternalWorkflowExecutionInitiatedEventAttributes {
            workflow_task_completed_event_id: completed_event_id,
            namespace,
            namespace_id,
            workflow_execution: command.execution,
            signal_name: command.signal_name,
            input: command.input,
            child_workflow_only: command.child_workflow_only,
            header: command.header,
            ..Default::default()
        };
        let (machines, mut txn) = self.open(context);
        let external = External::signal(&mut txn, attributes, as_asked);
        machines.externals.insert(external.initiated_event_id(), external);
    }

    fn cancel_external(
        &mut self,
        context: &mut Context<'_>,
        command: wire::RequestCancelExternalWorkflowExecutionCommandAttributes,
        completed_event_id: i64,
    ) {
        #[allow(deprecated)]
        let as_asked = command.namespace;
        let (namespace, namespace_id) = self.target_namespace(&as_asked);
        let attributes = history::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
            workflow_task_completed_event_id: completed_event_id,
            namespace,
            namespace_id,
            workflow_execution: Some(common::WorkflowExecution {
                workflow_id: command.workflow_id,
                run_id: command.run_id,
            }),
            child_workflow_only: command.child_workflow_only,
            reason: command.reason,
            ..Default::default()
        };
        let (machines, mut txn) = self.open(context);
        let external = External::cancel(&mut txn, attributes, as_asked);
        machines.externals.insert(external.initiated_event_id(), external);
    }

    /// The namespace that a command names, or the run's own.
    pub(crate) fn target_namespace(&self, namespace: &str) -> (String, String) {
        match namespace.is_empty() || namespace == self.start.namespace {
            true => (self.start.namespace.clone(), self.start.namespace_id.clone()),
            false => (namespace.to_owned(), String::new()),
        }
    }

    fn normal_queue(&self) -> TaskQueue {
        TaskQueue {
            name: self.start.task_queue.clone(),
            kind: TaskQueueKind::Normal as i32,
            ..Default::default()
        }
    }
}
