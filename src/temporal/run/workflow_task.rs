//! A workflow task as a whole: started by a worker, answered with a batch of commands, failed or timed out.

use std::time::Duration;

use prost::Message as _;
use temporalio_protos::temporal::api::command::v1 as wire;
use temporalio_protos::temporal::api::common::v1::WorkerVersionStamp;
use temporalio_protos::temporal::api::enums::v1::{TimeoutType, VersioningBehavior, WorkflowTaskFailedCause as Cause};
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure, ServerFailureInfo};
use temporalio_protos::temporal::api::protocol::v1::Message;
use temporalio_protos::temporal::api::workflowservice::v1::RespondWorkflowTaskCompletedRequest;

use super::reset_points::Build;
use super::{Context, Run};
use crate::moment::{Happening, MomentKind};
use crate::temporal::command::{self, Annotated, BadCommand, Command};
use crate::temporal::machine::update::State as UpdateState;
use crate::temporal::machine::workflow_task::{BadPage, Kind, State, Sticky};
use crate::temporal::proto::duration;
use crate::temporal::reject::Reject;
use crate::temporal::txn::Note;
use crate::temporal::versioning::build_ids::{Admission, StartingWorker};
use crate::temporal::versioning::{Completed, versioned};

/// The request id of a task that goes out with the answer to the one before it.
pub(crate) const INLINE_REQUEST_ID: &str = "request-from-RespondWorkflowTaskCompleted";

/// Who terminates a workflow that is too large, or whose worker asks for what can't be.
pub(super) const HISTORY_SERVICE: &str = "history-service";

/// How long a worker may keep a workflow task alive by heartbeats alone.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Events since the last completed task, beyond which a speculative task is written even if all it did was reject.
const DISCARD_MAX_EVENTS: i64 = 10;

/// What came of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// Nothing more to do for this worker now.
    Done,
    /// The next task is scheduled and may go out with the answer.
    NextTask,
}

impl Run {
    /// A worker takes the workflow task. `false` if the task is stale.
    pub(crate) fn start_workflow_task(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        identity: &str,
        request_id: Option<String>,
        worker: StartingWorker,
    ) -> bool {
        if !self.is_running() || self.machines.workflow_task.scheduled_event_id() != scheduled_event_id {
            return false;
        }
        let Some(admission) = self.admit_worker(&worker) else {
            return false;
        };
        let request_id = request_id.unwrap_or_else(|| context.entropy.uuid());
        let queue = self.start.task_queue.clone();
        let many_updates = self.has_many_updates(context.config);
        let build_id = worker.build_id().to_owned();
        let redirects = match admission {
            Admission::Unversioned => 0,
            Admission::Versioned(redirects) => redirects,
        };
        let (machines, mut txn) = self.open(context);
        let task = &mut machines.workflow_task;
        if admission != Admission::Unversioned {
            task.begin_anew_for(&mut txn, &queue, &build_id);
        }
        task.set_build(&build_id, redirects);
        let started = task.start(&mut txn, &queue, identity, request_id, worker.stamp, many_updates);
        if started && !build_id.is_empty() {
            self.follow_build(context, &build_id, redirects);
        }
        started
    }

    /// Whether this is the task that waits for a worker.
    pub(crate) fn has_scheduled_task(&self, scheduled_event_id: i64) -> bool {
        let task = &self.machines.workflow_task;
        self.is_running() && task.state() == State::Scheduled && task.scheduled_event_id() == scheduled_event_id
    }

    /// Whether a worker's token is for the task as it is now.
    pub(crate) fn has_started_task(&self, scheduled_event_id: i64, started_event_id: i64, attempt: i32) -> bool {
        let task = &self.machines.workflow_task;
        self.is_running()
            && task.is_started()
            && task.scheduled_event_id() == scheduled_event_id
            && task.started_event_id() == started_event_id
            && task.attempt() == attempt
    }

    /// A page of the worker's answer, with others to follow.
    pub(crate) fn take_page(
        &mut self,
        context: &mut Context<'_>,
        request: RespondWorkflowTaskCompletedRequest,
    ) -> Result<(), Reject> {
        self.check_answer(&request)?;
        let identity = request.identity.clone();
        match self.machines.workflow_task.pages().add(request) {
            Ok(()) => Ok(()),
            Err(BadPage::Refused(reject)) => Err(reject),
            Err(BadPage::TooLarge) => Err(self.refuse_commands(context, BadCommand::too_many_pages(), &identity)),
        }
    }

    /// The worker's answer: all of it is carried out, or none and the task fails.
    pub(crate) fn complete_workflow_task(
        &mut self,
        context: &mut Context<'_>,
        mut request: RespondWorkflowTaskCompletedRequest,
    ) -> Result<Completion, Reject> {
        self.check_answer(&request)?;
        let commands = self.all_commands(&mut request)?;
        let sent_bytes = commands.iter().map(prost::Message::encoded_len).sum::<usize>() + request.encoded_len();
        let before = self.snapshot_before_answer(context, commands.len(), sent_bytes);
        let messages = std::mem::take(&mut request.messages);
        let discard = self.may_discard(&request, commands.len(), &messages);
        let heartbeat = request.force_create_new_workflow_task && commands.is_empty() && messages.is_empty();
        if heartbeat && self.heartbeats_too_long(context) {
            return Err(self.end_heartbeats(context, request));
        }
        let limits = command::Limits {
            run_timeout: duration(self.start.run_timeout.as_ref()).unwrap_or_default(),
            task_queue: &self.start.task_queue,
            namespace: &self.start.namespace,
            config: context.config,
        };
        command::check_namespaces(&commands, context.namespaces)?;
        command::check_sequence(&commands)?;
        let checked = command::parse(commands, messages, &limits, context.endpoints)
            .and_then(|mut commands| {
                command::check_search_attributes(&mut commands, &self.start, context.namespaces, context.config)?;
                command::check(&commands, self, context.config).map(|()| commands)
            })
            .map(|commands| refuse_eager(commands, &request));
        match checked {
            Ok(commands) => {
                let completion = self.carry_out(context, request, commands, discard, heartbeat);
                self.limit_answer(context, before).map(|()| completion)
            }
            Err(bad) => Err(self.refuse_commands(context, bad, &request.identity)),
        }
    }

    /// The worker says that it couldn't do the task.
    pub(crate) fn fail_workflow_task(
        &mut self,
        context: &mut Context<'_>,
        cause: Cause,
        failure: Option<Failure>,
        identity: &str,
        stamp: Option<WorkerVersionStamp>,
    ) {
        if cause == Cause::GrpcMessageTooLarge {
            // The worker would fail every attempt. Nothing of what it says is kept; the reason is Go's name of the cause.
            self.terminate(context, "GrpcMessageTooLarge", None, HISTORY_SERVICE, Vec::new());
            return;
        }
        let queue = self.start.task_queue.clone();
        let stamp = self.inline_stamp(stamp);
        let message = failure
            .as_ref()
            .map(|failure| failure.message.clone())
            .unwrap_or_default();
        context.effects.notes.push(Note::temporal(format!(
            "workflow task of {} failed: {message}",
            self.start.workflow_id
        )));
        let happening = Happening::new(
            MomentKind::WorkflowTaskFailed,
            self.start.workflow_id.clone(),
            cause.as_str_name(),
        );
        context.effects.happenings.push(happening);
        let (machines, mut txn) = self.open(context);
        machines
            .workflow_task
            .fail(&mut txn, cause, failure, identity, &queue, stamp);
        self.unsend_updates();
        self.schedule_workflow_task(context, Kind::Normal);
    }

    /// A clock of the workflow task ran out.
    pub(crate) fn on_workflow_task_timeout(&mut self, context: &mut Context<'_>, timeout: TimeoutType) {
        let queue = self.start.task_queue.clone();
        let (machines, mut txn) = self.open(context);
        if machines.workflow_task.time_out(&mut txn, timeout, &queue) {
            if timeout == TimeoutType::StartToClose {
                let workflow_id = self.start.workflow_id.clone();
                let happening = Happening::new(MomentKind::WorkflowTaskTimedOut, workflow_id, "");
                context.effects.happenings.push(happening);
            }
            self.unsend_updates();
            self.schedule_workflow_task(context, Kind::Normal);
        }
    }

    /// A client resets the stickiness: the next task goes to any worker.
    pub(crate) fn reset_sticky(&mut self) {
        self.machines.workflow_task.set_sticky(None);
    }

    fn carry_out(
        &mut self,
        context: &mut Context<'_>,
        mut request: RespondWorkflowTaskCompletedRequest,
        commands: Vec<Annotated>,
        discard: bool,
        heartbeat: bool,
    ) -> Completion {
        let original_scheduled_at = self.machines.workflow_task.original_scheduled_at();
        let query_results = std::mem::take(&mut request.query_results);
        let queue = self.start.task_queue.clone();
        let lasted = context.now.since(self.machines.workflow_task.scheduled_at());
        let started_stamp = self.started_stamp(&request);
        let leaves_build = self.leaves_build(&request);
        let (machines, mut txn) = self.open(context);
        let completed = machines
            .workflow_task
            .complete(&mut txn, &request, &queue, discard, started_stamp);
        let worker = Completed::of(&request);
        if let Some(completed_event_id) = completed {
            self.note_build(context.now, Build::of(&request), completed_event_id);
        }
        #[allow(deprecated)]
        if completed.is_some() {
            self.take_version(context, &worker, request.worker_version_stamp.as_ref(), lasted);
        }
        let leaves_worker = self
            .versioning
            .transition()
            .is_some_and(|to| to != worker.version.as_ref());
        let sticky = sticky(&request);
        if sticky.is_none() || !leaves_worker {
            self.machines.workflow_task.set_sticky(sticky);
        }
        let applied = self.apply(context, commands, completed.unwrap_or_default(), &request.identity);
        if self.is_running() && !request.force_create_new_workflow_task {
            self.reject_unprocessed_updates();
        }
        self.after_updates(context);
        self.take_query_results(context, query_results);
        if !self.is_running() {
            self.release_queries(context);
            return Completion::Done;
        }
        if self.is_paused() {
            self.settle(context, false);
            self.release_queries(context);
            return Completion::Done;
        }
        let is_moving = self.versioning.transition().is_some();
        let force = request.force_create_new_workflow_task || applied.wake || self.log.has_held_back() || is_moving;
        if force {
            self.schedule_workflow_task(context, Kind::Normal);
            if heartbeat {
                self.machines
                    .workflow_task
                    .carry_original_schedule(original_scheduled_at);
            }
        } else if self.has_admitted_updates() {
            self.schedule_workflow_task(context, Kind::Speculative);
        } else {
            self.release_queries(context);
            return Completion::Done;
        }
        match is_moving || leaves_build {
            // The next task is for a worker of another version.
            true => Completion::Done,
            false => Completion::NextTask,
        }
    }

    /// The commands of an answer: those of the pages that came before, and its own.
    fn all_commands(
        &mut self,
        request: &mut RespondWorkflowTaskCompletedRequest,
    ) -> Result<Vec<wire::Command>, Reject> {
        if request.page_number <= 0 {
            return Ok(std::mem::take(&mut request.commands));
        }
        let task = &mut self.machines.workflow_task;
        let (scheduled_event_id, attempt) = (task.scheduled_event_id(), task.attempt());
        let mut commands = task.pages().take(request, scheduled_event_id, attempt)?;
        commands.append(&mut request.commands);
        Ok(commands)
    }

    /// Refuses an answer that can't be one to this run's task, whatever its commands.
    fn check_answer(&self, request: &RespondWorkflowTaskCompletedRequest) -> Result<(), Reject> {
        if self.is_paused() && request.force_create_new_workflow_task {
            return Err(Reject::FailedPrecondition(
                "Workflow is paused and force create new workflow task is not allowed.".to_owned(),
            ));
        }
        self.check_versioning(request)
    }

    /// Refuses what no worker may say of its version.
    #[expect(deprecated, reason = "workers may still send the old fields")]
    fn check_versioning(&self, request: &RespondWorkflowTaskCompletedRequest) -> Result<(), Reject> {
        let is_versioned = request.deployment_options.as_ref().and_then(versioned).is_some();
        let has_behavior = request.versioning_behavior() != VersioningBehavior::Unspecified;
        if has_behavior && request.deployment.is_none() && !is_versioned {
            return Err(Reject::InvalidArgument(
                "versioning behavior cannot be specified without deployment options being set with versioned mode"
                    .to_owned(),
            ));
        }
        let completed_by = request
            .worker_version_stamp
            .as_ref()
            .map_or("", |stamp| &stamp.build_id);
        let task = &self.machines.workflow_task;
        if !self.versioning.build.assigned().is_empty() && task.sticky().is_none() && completed_by != task.build_id() {
            return Err(Reject::NotFound(format!(
                "this workflow task was dispatched to Build ID {}, not {completed_by}",
                task.build_id()
            )));
        }
        let used_versioning = self.versioning.stamp().is_some_and(|stamp| stamp.use_versioning);
        let uses_versioning = request
            .worker_version_stamp
            .as_ref()
            .is_some_and(|stamp| stamp.use_versioning);
        if used_versioning
            && !uses_versioning
            && !is_versioned
            && self.versioning.behavior() == VersioningBehavior::Unspecified
        {
            return Err(Reject::InvalidArgument(
                "Workflow using versioning must continue to use versioning.".to_owned(),
            ));
        }
        Ok(())
    }

    /// What the started event of a task says that is written only now. The stamp of a run that goes by sets would make it
    /// one that goes by rules.
    #[expect(deprecated, reason = "workers still send it")]
    fn started_stamp(&self, request: &RespondWorkflowTaskCompletedRequest) -> Option<WorkerVersionStamp> {
        self.inline_stamp(request.worker_version_stamp.clone())
    }

    /// The stamp with which a worker takes the next task along with the answer to the one before.
    pub(crate) fn inline_stamp(&self, stamp: Option<WorkerVersionStamp>) -> Option<WorkerVersionStamp> {
        stamp.filter(|stamp| !stamp.use_versioning || !self.versioning.build.assigned().is_empty())
    }

    /// Whether the run has gone to another build id than the worker's that answers.
    #[expect(deprecated, reason = "workers still send it")]
    fn leaves_build(&self, request: &RespondWorkflowTaskCompletedRequest) -> bool {
        let assigned = self.versioning.build.assigned();
        let stamp = request.worker_version_stamp.as_ref();
        stamp.is_some_and(|stamp| stamp.use_versioning && !assigned.is_empty() && stamp.build_id != assigned)
    }

    /// The batch can't be carried out: the task fails with Temporal's cause, and another follows.
    fn refuse_commands(&mut self, context: &mut Context<'_>, bad: BadCommand, identity: &str) -> Reject {
        let attempt = self.machines.workflow_task.attempt();
        if attempt > 1 && bad.cause != Cause::UnhandledCommand {
            // The worker keeps sending the same; the task is left to time out.
            return Reject::InvalidArgument(bad.message);
        }
        let failure = Failure {
            message: bad.message,
            failure_info: Some(FailureInfo::ServerFailureInfo(ServerFailureInfo::default())),
            ..Default::default()
        };
        let message = failure.message.clone();
        let queue = self.start.task_queue.clone();
        let (machines, mut txn) = self.open(context);
        machines
            .workflow_task
            .fail(&mut txn, bad.cause, Some(failure), identity, &queue, None);
        self.fail_sent_updates(context);
        match bad.terminates_workflow {
            true => self.terminate(context, &message, None, HISTORY_SERVICE, Vec::new()),
            false => self.schedule_workflow_task(context, Kind::Normal),
        }
        Reject::InvalidArgument(message)
    }

    fn heartbeats_too_long(&self, context: &Context<'_>) -> bool {
        context.now > self.machines.workflow_task.original_scheduled_at() + HEARTBEAT_LIMIT
    }

    /// The worker has only been heartbeating: the task times out, and another follows. As in Temporal, a worker that wants
    /// the next task with its answer loses it: the task counts as started, but the answer is a refusal.
    fn end_heartbeats(
        &mut self,
        context: &mut Context<'_>,
        mut request: RespondWorkflowTaskCompletedRequest,
    ) -> Reject {
        let queue = self.start.task_queue.clone();
        let query_results = std::mem::take(&mut request.query_results);
        let (machines, mut txn) = self.open(context);
        machines
            .workflow_task
            .time_out(&mut txn, TimeoutType::StartToClose, &queue);
        machines.workflow_task.set_sticky(sticky(&request));
        self.take_query_results(context, query_results);
        self.unsend_updates();
        self.schedule_workflow_task(context, Kind::Normal);
        if request.return_new_workflow_task {
            let scheduled_event_id = self.machines.workflow_task.scheduled_event_id();
            let request_id = Some(INLINE_REQUEST_ID.to_owned());
            let worker = StartingWorker::default();
            self.start_workflow_task(context, scheduled_event_id, &request.identity, request_id, worker);
        }
        Reject::NotFound("workflow task heartbeat timeout".to_owned())
    }

    /// A speculative task that only rejected leaves no trace, unless the worker saw too much with it.
    fn may_discard(
        &self,
        request: &RespondWorkflowTaskCompletedRequest,
        commands: usize,
        messages: &[Message],
    ) -> bool {
        let only_rejections = messages.iter().all(|message| {
            message
                .body
                .as_ref()
                .is_some_and(|body| body.type_url.ends_with("temporal.api.update.v1.Rejection"))
        });
        if commands > 0 || request.force_create_new_workflow_task || !only_rejections {
            return false;
        }
        let seen_since = self.log.next_event_id() - self.machines.workflow_task.last_completed_started_event_id() - 2;
        let capable = request
            .capabilities
            .is_some_and(|it| it.discard_speculative_workflow_task_with_events);
        seen_since <= 0 || (capable && seen_since <= DISCARD_MAX_EVENTS)
    }

    /// The worker took no notice of updates that went out with this task.
    fn reject_unprocessed_updates(&mut self) {
        for update in self.machines.updates.values_mut() {
            if update.state() == UpdateState::Sent {
                update.reject(Some(Failure {
                    message: "Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow \
                              Update is not supported by the worker."
                        .to_owned(),
                    source: "Server".to_owned(),
                    failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                        r#type: "UnprocessedUpdate".to_owned(),
                        non_retryable: true,
                        ..Default::default()
                    })),
                    ..Default::default()
                }));
            }
        }
    }

    /// Whether a workflow task is needed to deliver an update.
    fn has_admitted_updates(&self) -> bool {
        self.machines
            .updates
            .values()
            .any(|update| update.state() == UpdateState::Admitted)
    }

    pub(super) fn unsend_updates(&mut self) {
        self.machines.updates.values_mut().for_each(|update| update.unsend());
    }
}

fn sticky(request: &RespondWorkflowTaskCompletedRequest) -> Option<Sticky> {
    let attributes = request.sticky_attributes.as_ref()?;
    let queue = attributes.worker_task_queue.as_ref()?;
    Some(Sticky {
        queue: queue.name.clone(),
        schedule_to_start: duration(attributes.schedule_to_start_timeout.as_ref()).unwrap_or_default(),
    })
}

/// No activity goes out with the answer if the workflow uses versioning by build ids, unless the activity is bound to
/// the workflow's own (`handleCommandScheduleActivity`).
fn refuse_eager(mut commands: Vec<Annotated>, request: &RespondWorkflowTaskCompletedRequest) -> Vec<Annotated> {
    #[allow(deprecated)]
    let versioned = request
        .worker_version_stamp
        .as_ref()
        .is_some_and(|stamp| stamp.use_versioning)
        && request.versioning_behavior() == VersioningBehavior::Unspecified;
    for Annotated { command, .. } in &mut commands {
        if let Command::ScheduleActivity(schedule) = command {
            #[allow(deprecated)]
            let bound = schedule.attributes.use_workflow_build_id;
            schedule.request_eager &= !versioned || bound;
        }
    }
    commands
}
