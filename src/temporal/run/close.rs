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

use super::start::CONTINUE_AS_NEW_MIN_INTERVAL;
use super::{Context, Continued, Run, StartRun};
use crate::temporal::command::Close;
use crate::temporal::history::NewEvent;
use crate::temporal::proto::{duration, proto_duration};
use crate::temporal::retry::{self, Next};
use crate::temporal::txn::{ChildOutcome, ChildRun, Letter, Note};

impl Run {
    /// The workflow ends itself.
    pub(crate) fn close_by_command(&mut self, context: &mut Context<'_>, close: Close, completed_event_id: i64) {
        match close {
            Close::Complete(result) => {
                let event = history::WorkflowExecutionCompletedEventAttributes {
                    result: result.clone(),
                    workflow_task_completed_event_id: completed_event_id,
                    ..Default::default()
                };
                self.close(
                    context,
                    Status::Completed,
                    event.into(),
                    Some(ChildOutcome::Completed(result)),
                );
            }
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
            Close::Fail(failure) => self.fail(context, failure, completed_event_id),
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
        let next = match whole_chain {
            true => Next::Stop(RetryState::Timeout),
            false => self.retry_after(context, &failure),
        };
        let (retry_state, next_run_id) = self.announce(context, next);
        self.end_workflow_task(context);
        let event = history::WorkflowExecutionTimedOutEventAttributes {
            retry_state: retry_state as i32,
            new_execution_run_id: next_run_id.clone(),
        };
        let outcome = next_run_id
            .is_empty()
            .then_some(ChildOutcome::TimedOut(retry_state as i32));
        self.close(context, Status::TimedOut, event.into(), outcome);
        if let Next::Retry(wait) = next {
            self.start_retry(context, next_run_id, failure, wait);
        }
    }

    fn fail(&mut self, context: &mut Context<'_>, failure: Failure, completed_event_id: i64) {
        let next = self.retry_after(context, &failure);
        let (retry_state, next_run_id) = self.announce(context, next);
        let event = history::WorkflowExecutionFailedEventAttributes {
            failure: Some(failure.clone()),
            retry_state: retry_state as i32,
            workflow_task_completed_event_id: completed_event_id,
            new_execution_run_id: next_run_id.clone(),
        };
        let outcome = next_run_id
            .is_empty()
            .then(|| ChildOutcome::Failed(Some(failure.clone()), retry_state as i32));
        self.close(context, Status::Failed, event.into(), outcome);
        if let Next::Retry(wait) = next {
            self.start_retry(context, next_run_id, failure, wait);
        }
    }

    fn continue_as_new(
        &mut self,
        context: &mut Context<'_>,
        command: wire::ContinueAsNewWorkflowExecutionCommandAttributes,
        completed_event_id: i64,
    ) {
        let next_run_id = context.entropy.uuid();
        let lifetime = context.now.since(self.started_at + self.start.first_task_backoff);
        let asked = duration(command.backoff_start_interval.as_ref()).unwrap_or_default();
        let wait = match lifetime + asked < CONTINUE_AS_NEW_MIN_INTERVAL {
            true => CONTINUE_AS_NEW_MIN_INTERVAL - lifetime,
            false => asked,
        };
        let mut start = self.continued_start(&command, next_run_id.clone(), wait);
        start.versioning = self.versioning.for_continue_as_new(
            command.initial_versioning_behavior(),
            start.task_queue != self.start.task_queue,
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
            backoff_start_interval: (!wait.is_zero()).then(|| proto_duration(wait)),
            initiator: ContinueAsNewInitiator::Workflow as i32,
            last_completion_result: command.last_completion_result,
            header: command.header,
            memo: command.memo,
            search_attributes: command.search_attributes,
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
        command: &wire::ContinueAsNewWorkflowExecutionCommandAttributes,
        run_id: String,
        wait: Duration,
    ) -> StartRun {
        let previous = &self.start;
        let run_timeout = duration(command.workflow_run_timeout.as_ref())
            .or_else(|| duration(previous.run_timeout.as_ref()))
            .unwrap_or_default();
        let task_timeout = duration(command.workflow_task_timeout.as_ref()).unwrap_or(self.task_timeout());
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
            continued: Some(Continued {
                run_id: self.start.run_id.clone(),
                initiator: ContinueAsNewInitiator::Workflow,
                failure: None,
                last_completion_result: command.last_completion_result.clone(),
            }),
            first_task_backoff: wait,
            ..self.successor()
        }
    }

    /// What every next run of a chain takes over.
    fn successor(&self) -> StartRun {
        let (time_skipping, inherited_time) = self.time_for_next_run();
        StartRun {
            time_skipping,
            inherited_time,
            first_run_id: self.first_run_id().to_owned(),
            identity: String::new(),
            input: None,
            versioning: self.versioning.for_cron(),
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

    /// The retry state for the close event, and the id of the next run if there will be one.
    fn announce(&self, context: &mut Context<'_>, next: Next) -> (RetryState, String) {
        match next {
            Next::Retry(_) => (RetryState::InProgress, context.entropy.uuid()),
            Next::Stop(retry_state) => (retry_state, String::new()),
        }
    }

    fn start_retry(&mut self, context: &mut Context<'_>, run_id: String, failure: Failure, wait: Duration) {
        let input = match self.log.events().first().and_then(|event| event.attributes.as_ref()) {
            Some(history::history_event::Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
                started.input.clone()
            }
            _ => None,
        };
        let last_completion_result = self
            .start
            .continued
            .as_ref()
            .and_then(|continued| continued.last_completion_result.clone());
        self.next_run_id.clone_from(&run_id);
        context.effects.next_run = Some(Box::new(StartRun {
            run_id,
            input,
            attempt: self.start.attempt.max(1) + 1,
            continued: Some(Continued {
                run_id: self.start.run_id.clone(),
                initiator: ContinueAsNewInitiator::Retry,
                failure: Some(failure),
                last_completion_result,
            }),
            first_task_backoff: wait,
            versioning: self.versioning.for_retry(&self.start.versioning),
            ..self.successor()
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
            );
        }
        machines.workflow_task.drop_task(&mut txn);
        self.flush();
    }

    /// Writes the last event and lets go of everything. `outcome` is what a parent hears, if this run ends the chain.
    fn close(&mut self, context: &mut Context<'_>, status: Status, event: NewEvent, outcome: Option<ChildOutcome>) {
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
        self.machines.timer_ids.clear();
        self.machines.externals.clear();
        self.machines.nexus_operations.clear();
        context.effects.notes.push(Note::temporal(format!(
            "workflow {} {}{}",
            self.start.workflow_id,
            status_words(status),
            self.log.close_event().map(close_detail).unwrap_or_default()
        )));
    }

    fn tell_children(&mut self, context: &mut Context<'_>) {
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

/// Why a run failed, for the timeline: the first line of its failure.
fn close_detail(event: &history::HistoryEvent) -> String {
    match &event.attributes {
        Some(history::history_event::Attributes::WorkflowExecutionFailedEventAttributes(failed)) => {
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
