//! The beginning of a run.

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1 as common;
use temporalio_protos::temporal::api::enums::v1::{ContinueAsNewInitiator, TaskQueueKind, WorkflowExecutionStatus};
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflow::v1::ResetPoints;

use super::{Context, Kind, Log, Machines, Run, RunRef, StartRun};
use crate::clock::Timestamp;
use crate::temporal::history::NewEvent;
use crate::temporal::payload::{memo_of_values, search_attributes_of_values};
use crate::temporal::proto::{duration, proto_duration, timestamp};
use crate::temporal::time_skipping::Inherited;
use crate::temporal::timer::Timer;
use crate::temporal::versioning::build_ids::{StartingWorker, stamp_of};
use crate::temporal::versioning::{AutoUpgrade, Override, RunVersioning, Target, Version};

/// How long a worker gets for a workflow task, if the start doesn't say.
pub(crate) const DEFAULT_TASK_TIMEOUT: Duration = Duration::from_secs(10);

/// The most that a start may give a worker for a workflow task.
const MAX_TASK_TIMEOUT: Duration = Duration::from_secs(120);

/// The least time between two runs of a chain (dynamic config `history.workflowIdReuseMinimalInterval`).
pub(crate) const CONTINUE_AS_NEW_MIN_INTERVAL: Duration = Duration::from_secs(1);

/// A run's own limit, zero for none: that of the whole chain bounds it (Temporal: `overrideWorkflowRunTimeout`).
pub(crate) fn effective_run_timeout(run: Option<Duration>, execution: Option<Duration>) -> Duration {
    match (run, execution) {
        (Some(run), Some(execution)) => run.min(execution),
        (run, execution) => run.or(execution).unwrap_or_default(),
    }
}

/// How long a worker gets for a workflow task, within a run of this length, zero for any (Temporal:
/// `overrideWorkflowTaskTimeout`).
pub(crate) fn effective_task_timeout(asked: Option<Duration>, run_timeout: Duration) -> Duration {
    let asked = asked.unwrap_or(DEFAULT_TASK_TIMEOUT).min(MAX_TASK_TIMEOUT);
    match run_timeout.is_zero() {
        true => asked,
        false => asked.min(run_timeout),
    }
}

/// The id of the started event of a workflow task that goes out with the answer to the start.
const EAGER_STARTED_EVENT_ID: i64 = 3;

impl Run {
    /// Starts a run: its first event, its clocks, and its first workflow task unless that must wait.
    pub(crate) fn start(run: RunRef, mut start: StartRun, context: &mut Context<'_>) -> Self {
        start.memo = memo_of_values(start.memo);
        start.search_attributes = search_attributes_of_values(start.search_attributes);
        let mut run = Self::new(run, start, context.now);
        context.effects.visible = true;
        run.set_expiration(context);
        run.continue_clock(context);
        run.emit_started(context);
        run.start_clock(context);
        run.machines.callbacks = run.completion_callbacks(context);
        // The history has the input now.
        run.start.input = None;
        if let Some(signal) = run.start.first_signal.take() {
            run.write_signal(context, *signal);
        }
        let begin = run.started_at + run.start.first_task_backoff;
        run.start_clocks(context, begin);
        if run.start.first_task_backoff.is_zero() {
            run.schedule_workflow_task(context, Kind::Normal);
            run.start_eagerly(context);
        } else {
            run.in_first_task_backoff = true;
            run.flush();
            let due = context.now + run.start.first_task_backoff;
            context
                .effects
                .timers
                .push((Timer::FirstWorkflowTask(run.run), Some(due)));
        }
        run
    }

    /// A run in which nothing has happened yet, not even its start.
    pub(crate) fn new(run: RunRef, start: StartRun, now: Timestamp) -> Self {
        // A cron string or a schedule hands things over too, but not from a run of the same chain.
        let continued = start.continued.as_ref().is_some_and(|it| !it.run_id.is_empty());
        Self {
            reset_points: start.reset_points.clone(),
            versioning: RunVersioning::begin(&start.versioning, continued),
            run,
            start: Box::new(start),
            started_at: now,
            closed_at: None,
            status: WorkflowExecutionStatus::Running,
            log: Log::default(),
            machines: Machines::default(),
            next_run_id: String::new(),
            reset_run_id: String::new(),
            is_reset: false,
            run_expiration: None,
            history_waiters: Vec::new(),
            cancel_requested: false,
            pause: None,
            time_skipping: None,
            in_first_task_backoff: false,
            cancel_request_id: String::new(),
            start_request_event_id: 1,
            left_open: None,
            attached_request_ids: std::collections::BTreeMap::new(),
            signal_request_ids: std::collections::BTreeSet::new(),
            signal_count: 0,
        }
    }

    /// Whoever started the run has its first workflow task: it isn't offered to anybody else.
    fn start_eagerly(&mut self, context: &mut Context<'_>) {
        if !std::mem::take(&mut self.start.eager) {
            return;
        }
        context.effects.tasks.clear();
        let scheduled_event_id = self.machines.workflow_task.scheduled_event_id();
        let identity = self.start.identity.clone();
        let request_id = Some(self.start.request_id.clone());
        let worker = StartingWorker::default();
        self.start_workflow_task(context, scheduled_event_id, &identity, request_id, worker);
    }

    /// The first workflow task, if whoever started the run has it in hand still.
    pub(crate) fn has_eager_task(&self) -> bool {
        let task = &self.machines.workflow_task;
        self.is_running()
            && task.is_started()
            && task.started_event_id() == EAGER_STARTED_EVENT_ID
            && task.attempt() == 1
    }

    /// The wait before the first workflow task is over.
    pub(crate) fn on_first_workflow_task(&mut self, context: &mut Context<'_>) {
        self.in_first_task_backoff = false;
        self.schedule_workflow_task(context, Kind::Normal);
    }

    /// A signal with start doesn't wait for the start delay.
    pub(crate) fn skip_first_task_backoff(&mut self, context: &mut Context<'_>) {
        if self.in_first_task_backoff {
            context.effects.timers.push((Timer::FirstWorkflowTask(self.run), None));
            self.on_first_workflow_task(context);
        }
    }

    /// The first run of a chain decides when the whole chain times out.
    fn set_expiration(&mut self, context: &Context<'_>) {
        if self.start.execution_expiration.is_none()
            && let Some(limit) = duration(self.start.execution_timeout.as_ref())
        {
            self.start.execution_expiration = Some(context.now + limit);
        }
    }

    fn emit_started(&mut self, context: &mut Context<'_>) {
        let start = &self.start;
        let parent = start.parent.as_ref();
        let continued = start.continued.as_ref();
        let attributes = history::WorkflowExecutionStartedEventAttributes {
            workflow_type: Some(common::WorkflowType {
                name: start.workflow_type.clone(),
            }),
            parent_workflow_namespace: parent.map(|parent| parent.namespace.clone()).unwrap_or_default(),
            parent_workflow_namespace_id: parent.map(|parent| parent.namespace_id.clone()).unwrap_or_default(),
            parent_workflow_execution: parent.map(|parent| common::WorkflowExecution {
                workflow_id: parent.workflow_id.clone(),
                run_id: parent.run_id.clone(),
            }),
            parent_initiated_event_id: parent.map_or(0, |parent| parent.initiated_event_id),
            task_queue: Some(TaskQueue {
                name: start.task_queue.clone(),
                kind: TaskQueueKind::Normal as i32,
                ..Default::default()
            }),
            input: start.input.clone(),
            workflow_execution_timeout: start.execution_timeout,
            workflow_run_timeout: start.run_timeout,
            workflow_task_timeout: Some(proto_duration(self.task_timeout())),
            continued_execution_run_id: continued.map(|it| it.run_id.clone()).unwrap_or_default(),
            initiator: continued.map_or(ContinueAsNewInitiator::Unspecified, |it| it.initiator) as i32,
            continued_failure: continued.and_then(|it| it.failure.clone()),
            last_completion_result: continued.and_then(|it| it.last_completion_result.clone()),
            original_execution_run_id: start.run_id.clone(),
            identity: start.identity.clone(),
            first_execution_run_id: self.first_run_id().to_owned(),
            retry_policy: start.retry_policy.clone(),
            attempt: start.attempt.max(1),
            workflow_execution_expiration_time: start.execution_expiration.map(timestamp),
            cron_schedule: start.cron_schedule.clone(),
            first_workflow_task_backoff: first_task_backoff(start),
            memo: start.memo.clone(),
            search_attributes: start.search_attributes.clone(),
            header: start.header.clone(),
            workflow_id: start.workflow_id.clone(),
            root_workflow_execution: start.root.clone(),
            priority: start.priority.clone(),
            versioning_override: start.versioning.over.as_ref().map(Override::to_wire),
            inherited_pinned_version: start.versioning.pinned.as_ref().map(Version::to_wire),
            inherited_auto_upgrade_info: start.versioning.auto_upgrade.as_ref().map(AutoUpgrade::to_wire),
            #[allow(deprecated)]
            inherited_build_id: start.versioning.inherited_build_id.clone(),
            #[allow(deprecated)]
            source_version_stamp: stamp_of(&start.versioning.source_build_id),
            declined_target_version_upgrade: start.versioning.declined.as_ref().map(Target::to_wire),
            completion_callbacks: start.completion_callbacks.clone(),
            time_skipping_config: start.time_skipping.clone(),
            time_skipping_state_propagation: start.inherited_time.map(Inherited::to_wire),
            prev_auto_reset_points: (!start.reset_points.is_empty()).then(|| ResetPoints {
                points: start.reset_points.clone(),
            }),
            eager_execution_accepted: start.eager,
            ..Default::default()
        };
        let event = NewEvent::from(attributes)
            .with_user_metadata(start.user_metadata.clone())
            .with_links(start.links.clone());
        let (_, mut txn) = self.open(context);
        txn.emit(event);
    }

    /// Sets the clocks of the run and of its chain. The run's own is never the later one.
    pub(super) fn start_clocks(&mut self, context: &mut Context<'_>, begin: Timestamp) {
        let timers = &mut context.effects.timers;
        if let Some(limit) = duration(self.start.run_timeout.as_ref()) {
            let due = begin + limit;
            let due = self.start.execution_expiration.map_or(due, |end| end.min(due));
            self.run_expiration = Some(due);
            timers.push((Timer::WorkflowRunTimeout(self.run), Some(due)));
        }
        if let Some(expiration) = self.start.execution_expiration {
            timers.push((Timer::WorkflowExecutionTimeout(self.run), Some(expiration)));
        }
    }
}

/// Absent, not zero, where a workflow continued itself without a wait.
fn first_task_backoff(start: &StartRun) -> Option<prost_types::Duration> {
    let by_workflow = start
        .continued
        .as_ref()
        .is_some_and(|continued| continued.initiator == ContinueAsNewInitiator::Workflow);
    (!by_workflow || !start.first_task_backoff.is_zero()).then(|| proto_duration(start.first_task_backoff))
}
