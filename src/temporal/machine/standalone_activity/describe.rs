//! A standalone activity as clients and its workers see it.

use temporalio_protos::temporal::api::activity::v1 as activity;
use temporalio_protos::temporal::api::activity::v1::activity_execution_outcome::Value;
use temporalio_protos::temporal::api::common::v1::{ActivityType, SearchAttributes, WorkflowExecution};
use temporalio_protos::temporal::api::enums::v1::{
    ActivityExecutionStatus as Status, PendingActivityState as RunState,
};
use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Outcome, Parts, StandaloneActivity, State, Wait};
use crate::clock::Timestamp;
use crate::temporal::proto::{proto_duration, timestamp};
use crate::temporal::token::ChangeToken;

/// What lists show of an activity.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) status: Status,
    pub(crate) search_attributes: Option<SearchAttributes>,
    pub(crate) scheduled_at: Timestamp,
    pub(crate) execution_at: Timestamp,
    pub(crate) closed_at: Option<Timestamp>,
    pub(crate) transitions: i64,
}

impl StandaloneActivity {
    /// The answer to `DescribeActivityExecution`.
    pub(crate) fn describe(&self, now: Timestamp, parts: Parts) -> wire::DescribeActivityExecutionResponse {
        wire::DescribeActivityExecutionResponse {
            run_id: self.start.run_id.clone(),
            info: Some(self.info(now, parts)),
            input: parts.input.then(|| self.start.input.clone()).flatten(),
            outcome: parts.outcome.then(|| self.outcome()).flatten(),
            long_poll_token: ChangeToken {
                activity: self.activity,
                seen: self.transitions,
            }
            .encode(),
            ..Default::default()
        }
    }

    /// The answer to `PollActivityExecution`.
    pub(crate) fn result(&self) -> wire::PollActivityExecutionResponse {
        wire::PollActivityExecutionResponse {
            run_id: self.start.run_id.clone(),
            outcome: self.outcome(),
        }
    }

    /// Whether what a client waits for has come.
    pub(crate) fn has(&self, wait: Wait) -> bool {
        match wait {
            Wait::Outcome => self.is_closed(),
            Wait::Change { seen, .. } => self.transitions > seen,
        }
    }

    /// What its worker gets; the token is the caller's to fill in.
    pub(crate) fn task(&self) -> wire::PollActivityTaskQueueResponse {
        let options = &self.start.options;
        wire::PollActivityTaskQueueResponse {
            workflow_namespace: self.start.namespace.clone(),
            workflow_execution: Some(WorkflowExecution::default()),
            activity_type: self.activity_type(),
            activity_id: self.start.activity_id.clone(),
            activity_run_id: self.start.run_id.clone(),
            header: self.start.header.clone(),
            input: self.start.input.clone(),
            heartbeat_details: self.heartbeat_details.clone(),
            scheduled_time: Some(timestamp(self.scheduled_at)),
            current_attempt_scheduled_time: Some(timestamp(self.dispatch_at)),
            started_time: self.started_at.map(timestamp),
            attempt: self.attempt,
            schedule_to_close_timeout: options.schedule_to_close_timeout,
            start_to_close_timeout: options.start_to_close_timeout,
            heartbeat_timeout: options.heartbeat_timeout,
            retry_policy: options.retry_policy.clone(),
            priority: options.priority.clone(),
            ..Default::default()
        }
    }

    /// What lists show of it.
    pub(crate) fn shown(&self) -> Shown {
        Shown {
            status: self.status(),
            search_attributes: self.start.search_attributes.clone(),
            scheduled_at: self.scheduled_at,
            execution_at: self.first_dispatch_at(),
            closed_at: self.closed_at,
            transitions: self.transitions,
        }
    }

    /// Whether it runs, or how it ended.
    fn status(&self) -> Status {
        match self.state {
            State::Waiting | State::Scheduled | State::Started | State::CancelRequested => Status::Running,
            State::Completed => Status::Completed,
            State::Failed => Status::Failed,
            State::Canceled => Status::Canceled,
            State::Terminated => Status::Terminated,
            State::TimedOut => Status::TimedOut,
        }
    }

    fn info(&self, now: Timestamp, parts: Parts) -> activity::ActivityExecutionInfo {
        let options = &self.start.options;
        let waits_until = (self.state == State::Waiting && self.dispatch_at > now).then_some(self.dispatch_at);
        activity::ActivityExecutionInfo {
            activity_id: self.start.activity_id.clone(),
            run_id: self.start.run_id.clone(),
            activity_type: self.activity_type(),
            status: self.status() as i32,
            run_state: self.run_state() as i32,
            task_queue: self.queue(),
            schedule_to_close_timeout: options.schedule_to_close_timeout,
            schedule_to_start_timeout: options.schedule_to_start_timeout,
            start_to_close_timeout: options.start_to_close_timeout,
            heartbeat_timeout: options.heartbeat_timeout,
            retry_policy: options.retry_policy.clone(),
            heartbeat_details: parts
                .heartbeat_details
                .then(|| self.heartbeat_details.clone())
                .flatten(),
            last_heartbeat_time: self.last_heartbeat_at.map(timestamp),
            last_started_time: self.started_at.map(timestamp),
            attempt: self.attempt,
            execution_duration: self.closed_at.map(|at| proto_duration(at.since(self.scheduled_at))),
            schedule_time: Some(timestamp(self.scheduled_at)),
            expiration_time: self.expires_at().map(timestamp),
            close_time: self.closed_at.map(timestamp),
            last_failure: parts.last_failure.then(|| self.last_failure.clone()).flatten(),
            last_worker_identity: self.worker_identity.clone(),
            current_retry_interval: waits_until.and(self.current_retry_interval).map(proto_duration),
            last_attempt_complete_time: self.attempt_completed_at.map(timestamp),
            next_attempt_schedule_time: waits_until.map(timestamp),
            priority: options.priority.clone(),
            state_transition_count: self.transitions,
            search_attributes: Some(self.start.search_attributes.clone().unwrap_or_default()),
            header: self.start.header.clone(),
            user_metadata: self.start.user_metadata.clone(),
            canceled_reason: self
                .cancel
                .as_ref()
                .map(|cancel| cancel.reason.clone())
                .unwrap_or_default(),
            links: self.start.links.clone(),
            total_heartbeat_count: self.heartbeat_count,
            start_delay: options.start_delay,
            execution_time: Some(timestamp(self.first_dispatch_at())),
            ..Default::default()
        }
    }

    fn outcome(&self) -> Option<activity::ActivityExecutionOutcome> {
        let (value, retry_state) = match self.outcome.clone()? {
            Outcome::Result(result) => (Value::Result(result.unwrap_or_default()), 0),
            Outcome::Failure(failure, retry_state) => (Value::Failure(failure), retry_state as i32),
        };
        Some(activity::ActivityExecutionOutcome {
            value: Some(value),
            retry_state,
        })
    }

    fn run_state(&self) -> RunState {
        match self.state {
            State::Waiting | State::Scheduled => RunState::Scheduled,
            State::Started => RunState::Started,
            State::CancelRequested => RunState::CancelRequested,
            State::Completed | State::Failed | State::Canceled | State::Terminated | State::TimedOut => {
                RunState::Unspecified
            }
        }
    }

    fn activity_type(&self) -> Option<ActivityType> {
        Some(ActivityType {
            name: self.start.activity_type.clone(),
        })
    }
}
