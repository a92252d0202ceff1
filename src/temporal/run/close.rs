//! The end of a run, by its own command or from outside, and the run that may follow.

use std::time::Duration;

use temporalio_protos::temporal::api::command::v1 as wire;
use temporalio_protos::temporal::api::common::v1::Payloads;
use temporalio_protos::temporal::api::enums::v1::{
    ContinueAsNewInitiator, RetryState, TimeoutType, WorkflowExecutionStatus as Status,
};
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{Failure, TimeoutFailureInfo};
use temporalio_protos::temporal::api::history::v1 as history;

use super::describe::Pending;
use super::start::{CONTINUE_AS_NEW_MIN_INTERVAL, effective_run_timeout, effective_task_timeout};
use super::{Context, Continued, Run, StartRun};
use crate::temporal::command::Close;
use crate::temporal::cron;
use crate::temporal::history::NewEvent;
use crate::temporal::payload::{memo_of_values, search_attributes_of_values};
use crate::temporal::proto::{duration, proto_duration};
use crate::temporal::retry::{self, Next};
use crate::temporal::txn::{ChildOutcome, ChildRun, Letter, Note};

impl Run {
    /// The workflow ends itself.
    pub(crate) fn close_by_command(&mut self, context: &mut Context<'_>, close: Close, completed_event_id: i64) {
        match close {
            Close::Complete(result) => self.complete(context, result, completed_event_id),
            Close::Cancel(details) => {
                let event = history::WorkflowExecutionCanceledEventAttributes {
                    workflow_task_completed_event_id: completed_event_id,
                    details: details.clone(),
                };
                self.close(
                    context,
                    Status::Canceled,
                    event.into(),
                    Some(ChildOutcome::Canceled(details)),
                );
            }
            Close::Fail(failure) => self.fail(context, *failure, completed_event_id),
            Close::ContinueAsNew(attributes) => self.continue_as_new(context, *attributes, completed_event_id),
        }
    }

    /// A client, a parent's policy or a conflict policy ends the run.
    pub(crate) fn terminate(
        &mut self,
        context: &mut Context<'_>,
        reason: &str,
        details: Option<Payloads>,
        identity: &str,
        links: Vec<temporalio_protos::temporal::api::common::v1::Link>,
    ) {
        self.end_workflow_task(context);
        let event = NewEvent::from(history::WorkflowExecutionTerminatedEventAttributes {
            reason: reason.to_owned(),
            details,
            identity: identity.to_owned(),
        })
        .with_links(links);
        self.close(context, Status::Terminated, event, Some(ChildOutcome::Terminated));
        self.after_updates(context);
    }

    /// A reset ends the run. Its parent hears nothing, and the children of the run that is reset go on with the new one.
    pub(crate) fn terminate_by_reset(&mut self, context: &mut Context<'_>, reason: &str, keep_children: bool) {
        self.end_workflow_task(context);
        if keep_children {
            self.machines.children.clear();
        }
        let event = history::WorkflowExecutionTerminatedEventAttributes {
            reason: reason.to_owned(),
            identity: "history-resetter".to_owned(),
            ..Default::default()
        };
        self.close(context, Status::Terminated, event.into(), None);
        self.after_updates(context);
    }

    /// The run or its whole chain has taken too long.
    pub(crate) fn time_out(&mut self, context: &mut Context<'_>, whole_chain: bool) {
        let failure = Failure {
            message: "workflow timeout".to_owned(),
            source: "Server".to_owned(),
            failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
                timeout_type: TimeoutType::StartToClose as i32,
                ..Default::default()
            })),
            ..Default::default()
        };
        let chain_is_over = whole_chain || self.start.execution_expiration.is_some_and(|end| end <= context.now);
        let (retry_state, following) = match chain_is_over {
            true => (RetryState::Timeout, None),
            false => {
                let retry = self.retry_after(context, &failure);
                self.following(context, retry)
            }
        };
        self.end_workflow_task(context);
        let event = history::WorkflowExecutionTimedOutEventAttributes {
            retry_state: retry_state as i32,
            new_execution_run_id: run_id(following.as_ref()),
        };
        let outcome = following
            .is_none()
            .then_some(ChildOutcome::TimedOut(retry_state as i32));
        self.close(context, Status::TimedOut, event.into(), outcome);
        self.after_updates(context);
        if let Some(following) = following {
            self.start_following(context, following, Some(failure), None);
        }
    }

    fn complete(&mut self, context: &mut Context<'_>, result: Option<Payloads>, completed_event_id: i64) {
        let (_, following) = self.following(context, Next::Stop(RetryState::Unspecified));
        let event = history::WorkflowExecutionCompletedEventAttributes {
            result: result.clone(),
            workflow_task_completed_event_id: completed_event_id,
            new_execution_run_id: run_id(following.as_ref()),
        };
        let outcome = following.is_none().then(|| ChildOutcome::Completed(result.clone()));
        self.close(context, Status::Completed, event.into(), outcome);
        if let Some(following) = following {
            self.start_following(context, following, None, result);
        }
    }

    fn fail(&mut self, context: &mut Context<'_>, failure: Failure, completed_event_id: i64) {
        let retry = self.retry_after(context, &failure);
        let (retry_state, following) = self.following(context, retry);
        let event = history::WorkflowExecutionFailedEventAttributes {
            failure: Some(failure.clone()),
            retry_state: retry_state as i32,
            workflow_task_completed_event_id: completed_event_id,
            new_execution_run_id: run_id(following.as_ref()),
        };
        let outcome = following
            .is_none()
            .then(|| ChildOutcome::Failed(Some(failure.clone()), retry_state as i32));
        self.close(context, Status::Failed, event.into(), outcome);
        if let Some(following) = following {
            self.start_following(context, following, Some(failure), None);
        }
    }

    fn continue_as_new(
        &mut self,
        context: &mut Context<'_>,
        command: wire::ContinueAsNewWorkflowExecutionCommandAttributes,
        completed_event_id: i64,
    ) {
        let next_run_id = context.entropy.uuid();
        let asked = duration(command.backoff_start_interval.as_ref()).unwrap_or_default();
        let wait = self.at_least_between_runs(context, asked);
        let mut start = self.continued_start(context, &command, next_run_id.clone(), wait);
        #[allow(deprecated)]
        let inherits_build_id = command.inherit_build_id;
        start.versioning = self.versioning.for_continue_as_new(
            command.initial_versioning_behavior(),
            start.task_queue != self.start.task_queue,
            inherits_build_id,
        );
        let event = history::WorkflowExecutionContinuedAsNewEventAttributes {
            new_execution_run_id: next_run_id,
            workflow_type: Some(start.workflow_type.clone().into()),
            task_queue: Some(temporalio_protos::temporal::api::taskqueue::v1::TaskQueue {
                name: start.task_queue.clone(),
                kind: temporalio_protos::temporal::api::enums::v1::TaskQueueKind::Normal as i32,
                ..Default::default()
            }),
            input: command.input,
            workflow_run_timeout: start.run_timeout,
            workflow_task_timeout: start.task_timeout,
            workflow_task_completed_event_id: completed_event_id,
            // As asked for; what the minimum between two runs makes of it, the next run tells.
            backoff_start_interval: command.backoff_start_interval,
            initiator: command.initiator,
            last_completion_result: command.last_completion_result,
            header: command.header,
            memo: memo_of_values(command.memo),
            search_attributes: search_attributes_of_values(command.search_attributes),
            #[allow(deprecated)]
            inherit_build_id: command.inherit_build_id,
            ..Default::default()
        };
        self.close(context, Status::ContinuedAsNew, event.into(), None);
        self.next_run_id.clone_from(&start.run_id);
        context.effects.next_run = Some(Box::new(start));
    }

    fn continued_start(
        &self,
        context: &mut Context<'_>,
        command: &wire::ContinueAsNewWorkflowExecutionCommandAttributes,
        run_id: String,
        wait: Duration,
    ) -> StartRun {
        let previous = &self.start;
        let run_timeout = duration(command.workflow_run_timeout.as_ref());
        let run_timeout = effective_run_timeout(
            run_timeout.or_else(|| duration(previous.run_timeout.as_ref())),
            duration(previous.execution_timeout.as_ref()),
        );
        let task_timeout = duration(command.workflow_task_timeout.as_ref()).unwrap_or(self.task_timeout());
        let task_timeout = effective_task_timeout(Some(task_timeout), run_timeout);
        StartRun {
            run_id,
            workflow_type: or(
                command.workflow_type.as_ref().map(|it| &it.name),
                &previous.workflow_type,
            ),
            task_queue: or(command.task_queue.as_ref().map(|it| &it.name), &previous.task_queue),
            input: command.input.clone(),
            header: command.header.clone(),
            run_timeout: Some(proto_duration(run_timeout)),
            task_timeout: Some(proto_duration(task_timeout)),
            retry_policy: command
                .retry_policy
                .as_ref()
                .map(|policy| retry::with_defaults(Some(policy))),
            cron_schedule: command.cron_schedule.clone(),
            memo: command.memo.clone(),
            search_attributes: command.search_attributes.clone(),
            attempt: 1,
            continued: Some(Box::new(Continued {
                run_id: self.start.run_id.clone(),
                initiator: ContinueAsNewInitiator::Workflow,
                failure: None,
                last_completion_result: command.last_completion_result.clone(),
            })),
            first_task_backoff: wait,
            ..self.successor(context)
        }
    }

    /// What every next run of a chain takes over.
    fn successor(&self, context: &mut Context<'_>) -> StartRun {
        let (time_skipping, inherited_time) = self.time_for_next_run();
        StartRun {
            time_skipping,
            inherited_time,
            request_id: context.entropy.uuid(),
            reset_points: self.points_for_next_run(context),
            first_run_id: self.first_run_id().to_owned(),
            identity: String::new(),
            input: None,
            user_metadata: None,
            versioning: self.versioning.for_cron(&self.start.versioning),
            eager: false,
            on_conflict: None,
            ..(*self.start).clone()
        }
    }

    fn retry_after(&self, context: &Context<'_>, failure: &Failure) -> Next {
        let Some(policy) = &self.start.retry_policy else {
            return Next::Stop(RetryState::RetryPolicyNotSet);
        };
        let attempt = self.start.attempt.max(1);
        retry::next(
            policy,
            attempt,
            Some(failure),
            context.now,
            self.start.execution_expiration,
        )
    }

    /// The retry state for the close event, and the run that follows by the retry policy or else by the cron string.
    fn following(&self, context: &mut Context<'_>, retry: Next) -> (RetryState, Option<Following>) {
        let (retry_state, found) = match retry {
            Next::Retry(wait) => (RetryState::InProgress, Some((ContinueAsNewInitiator::Retry, wait))),
            Next::Stop(retry_state) => (
                retry_state,
                self.cron_wait(context)
                    .map(|wait| (ContinueAsNewInitiator::CronSchedule, wait)),
            ),
        };
        let following = found.map(|(initiator, wait)| Following {
            run_id: context.entropy.uuid(),
            initiator,
            wait: self.at_least_between_runs(context, wait),
        });
        (retry_state, following)
    }

    /// How long the next run by the cron string waits, if there is to be one.
    fn cron_wait(&self, context: &Context<'_>) -> Option<Duration> {
        let in_time = self.start.execution_expiration.is_none_or(|end| end > context.now);
        let due = self.started_at + self.start.first_task_backoff;
        in_time
            .then(|| cron::backoff(&self.start.cron_schedule, due, context.now))
            .flatten()
    }

    /// The wait, or more if this run was so short that the next one would come too soon after it.
    fn at_least_between_runs(&self, context: &Context<'_>, wait: Duration) -> Duration {
        let lifetime = context.now.since(self.started_at + self.start.first_task_backoff);
        match lifetime.saturating_add(wait) < CONTINUE_AS_NEW_MIN_INTERVAL {
            true => CONTINUE_AS_NEW_MIN_INTERVAL - lifetime,
            false => wait,
        }
    }

    /// A run that follows begins as this one did. Without a result of its own it is handed that of the last good one.
    fn start_following(
        &mut self,
        context: &mut Context<'_>,
        following: Following,
        failure: Option<Failure>,
        result: Option<Payloads>,
    ) {
        let started = match self.log.first().and_then(|event| event.attributes) {
            Some(history::history_event::Attributes::WorkflowExecutionStartedEventAttributes(started)) => started,
            _ => history::WorkflowExecutionStartedEventAttributes::default(),
        };
        let last_completion_result = match failure.is_some() {
            true => started.last_completion_result,
            false => result,
        };
        self.next_run_id.clone_from(&following.run_id);
        let successor = self.successor(context);
        context.effects.next_run = Some(Box::new(StartRun {
            run_id: following.run_id,
            input: started.input,
            memo: started.memo,
            search_attributes: started.search_attributes,
            attempt: match following.initiator {
                ContinueAsNewInitiator::Retry => self.start.attempt.max(1).saturating_add(1),
                _ => 1,
            },
            continued: Some(Box::new(Continued {
                run_id: self.start.run_id.clone(),
                initiator: following.initiator,
                failure,
                last_completion_result,
            })),
            first_task_backoff: following.wait,
            versioning: match following.initiator {
                ContinueAsNewInitiator::Retry => self.versioning.for_retry(&self.start.versioning),
                _ => self.versioning.for_cron(&self.start.versioning),
            },
            ..successor
        }));
    }

    /// A started workflow task is failed by the force close, so that the worker learns of it when it answers.
    fn end_workflow_task(&mut self, context: &mut Context<'_>) {
        let queue = self.start.task_queue.clone();
        let (machines, mut txn) = self.open(context);
        if machines.workflow_task.is_started() {
            machines.workflow_task.fail(
                &mut txn,
                temporalio_protos::temporal::api::enums::v1::WorkflowTaskFailedCause::ForceCloseCommand,
                None,
                "history-service",
                &queue,
                None,
            );
        }
        self.flush();
    }

    /// Writes the last event and lets go of everything. `outcome` is what a parent hears, if this run ends the chain.
    fn close(&mut self, context: &mut Context<'_>, status: Status, event: NewEvent, outcome: Option<ChildOutcome>) {
        let left_open = self.pending(context.now);
        self.left_open = (left_open != Pending::default()).then(|| Box::new(left_open));
        let detail = event.attributes().map(close_detail).unwrap_or_default();
        let (machines, mut txn) = self.open(context);
        machines.workflow_task.drop_task(&mut txn);
        txn.emit(event);
        context.effects.visible = true;
        self.status = status;
        self.closed_at = Some(context.now);
        self.log.discard_held_back();
        self.tell_children(context);
        if outcome.is_some() {
            self.schedule_callbacks(context);
        }
        if let (Some(parent), Some(outcome)) = (self.start.parent.clone(), outcome) {
            context.effects.mail.push(Letter::ChildClosed {
                parent,
                first_run_id: self.first_run_id().to_owned(),
                child: ChildRun {
                    run: self.run,
                    run_id: self.start.run_id.clone(),
                },
                outcome,
            });
        }
        self.machines.activities.clear();
        self.machines.activity_ids.clear();
        self.machines.timers.clear();
        self.machines.externals.clear();
        self.machines.nexus_operations.clear();
        context.effects.notes.push(Note::temporal(format!(
            "workflow {} {}{detail}",
            self.start.workflow_id,
            status_words(status),
        )));
    }

    fn tell_children(&mut self, context: &mut Context<'_>) {
        if self.machines.children.is_empty() {
            return;
        }
        let parent = (self.start.workflow_id.clone(), self.start.run_id.clone());
        for child in self.machines.children.values() {
            if let Some((child, terminate)) = child.on_parent_close() {
                context.effects.mail.push(Letter::ParentClosed {
                    child,
                    terminate,
                    parent: parent.clone(),
                });
            }
        }
        self.machines.children.clear();
    }
}

/// A run that follows a closed one by itself.
struct Following {
    run_id: String,
    initiator: ContinueAsNewInitiator,
    wait: Duration,
}

fn run_id(following: Option<&Following>) -> String {
    following.map(|following| following.run_id.clone()).unwrap_or_default()
}

/// Why a run failed, for the timeline: the first line of its failure.
fn close_detail(event: &history::history_event::Attributes) -> String {
    match event {
        history::history_event::Attributes::WorkflowExecutionFailedEventAttributes(failed) => {
            let failure = failed.failure.as_ref();
            let line = failure
                .and_then(|failure| failure.message.lines().next())
                .unwrap_or_default();
            format!(": {line}")
        }
        _ => String::new(),
    }
}

/// How a run ended, in plain words.
fn status_words(status: Status) -> &'static str {
    match status {
        Status::Completed => "completed",
        Status::Failed => "failed",
        Status::Canceled => "was cancelled",
        Status::Terminated => "was terminated",
        Status::ContinuedAsNew => "continued as new",
        Status::TimedOut => "timed out",
        Status::Running | Status::Paused | Status::Unspecified => "runs",
    }
}

fn or(value: Option<&String>, default: &str) -> String {
    match value {
        Some(value) if !value.is_empty() => value.clone(),
        _ => default.to_owned(),
    }
}
