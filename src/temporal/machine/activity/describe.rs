//! An activity as clients and workers see it.

use prost::Message;
use temporalio_protos::temporal::api::activity::v1::ActivityOptions;
use temporalio_protos::temporal::api::common::v1::{Priority, RetryPolicy};
use temporalio_protos::temporal::api::enums::v1::PendingActivityState;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflow::v1::PendingActivityInfo;
use temporalio_protos::temporal::api::workflow::v1::pending_activity_info as info;
use temporalio_protos::temporal::api::workflowservice::v1::PollActivityTaskQueueResponse;

use super::{Activity, State};
use crate::clock::Timestamp;
use crate::temporal::priority;
use crate::temporal::proto::{proto_duration, timestamp};
use crate::temporal::versioning::Version;

impl Activity {
    /// As `DescribeWorkflowExecution` shows it (Temporal: `workflow.GetPendingActivityInfo`).
    pub(crate) fn describe(&self, now: Timestamp) -> PendingActivityInfo {
        let waits_for = self.waits_for(now);
        let policy = self.policy().cloned().unwrap_or_default();
        PendingActivityInfo {
            activity_id: self.attributes.activity_id.clone(),
            activity_type: self.attributes.activity_type.clone(),
            state: self.pending_state() as i32,
            heartbeat_details: self.last_heartbeat_at.and(self.heartbeat_details.clone()),
            last_heartbeat_time: self.last_heartbeat_at.map(timestamp),
            last_started_time: self.started_at.map(timestamp),
            attempt: self.attempt.max(1),
            maximum_attempts: policy.maximum_attempts,
            scheduled_time: Some(timestamp(self.attempt_scheduled_at)),
            expiration_time: self.retry_expiration.map(timestamp),
            last_failure: self.last_failure.clone(),
            last_worker_identity: match self.worker_identity.as_str() {
                "" => self.reporter_identity.clone(),
                identity => identity.to_owned(),
            },
            current_retry_interval: waits_for
                .map(|at| proto_duration(at.since(self.last_attempt_completed_at.unwrap_or_default()))),
            last_attempt_complete_time: self.last_attempt_completed_at.map(timestamp),
            next_attempt_schedule_time: waits_for.map(timestamp),
            paused: self.is_paused(),
            priority: self.options.priority.clone(),
            pause_info: self.pause_info(),
            activity_options: Some(self.shown_options(policy)),
            #[expect(deprecated, reason = "clients may still read it")]
            last_worker_deployment_version: self
                .deployment_version
                .as_ref()
                .map(Version::dotted)
                .unwrap_or_default(),
            #[allow(deprecated)]
            assigned_build_id: self.described_build(),
            last_deployment_version: self.deployment_version.as_ref().map(Version::to_wire),
            ..Default::default()
        }
    }

    /// What it keeps of what its worker has said, in bytes.
    pub(crate) fn kept_bytes(&self) -> usize {
        let details = self.heartbeat_details.as_ref().map_or(0, Message::encoded_len);
        details + self.last_failure.as_ref().map_or(0, Message::encoded_len)
    }

    /// What its worker gets. The timeouts are those of the history, whatever clients have changed since (Temporal:
    /// `createPollActivityTaskQueueResponse`); token and workflow are the caller's to fill in.
    pub(crate) fn task(&self, workflow_priority: Option<&Priority>) -> PollActivityTaskQueueResponse {
        let attributes = &self.attributes;
        PollActivityTaskQueueResponse {
            activity_type: attributes.activity_type.clone(),
            activity_id: attributes.activity_id.clone(),
            header: attributes.header.clone(),
            input: attributes.input.clone(),
            heartbeat_details: self.heartbeat_details.clone(),
            scheduled_time: Some(timestamp(self.scheduled_at)),
            current_attempt_scheduled_time: Some(timestamp(self.attempt_scheduled_at)),
            started_time: self.started_at.map(timestamp),
            attempt: self.attempt,
            schedule_to_close_timeout: attributes.schedule_to_close_timeout,
            start_to_close_timeout: attributes.start_to_close_timeout,
            heartbeat_timeout: attributes.heartbeat_timeout,
            retry_policy: self.options.retry_policy.clone(),
            priority: priority::merge(workflow_priority, self.options.priority.as_ref()),
            ..Default::default()
        }
    }

    /// How urgent it is by its own options.
    pub(crate) fn priority(&self) -> Option<&Priority> {
        self.options.priority.as_ref()
    }

    fn pending_state(&self) -> PendingActivityState {
        match self.state {
            _ if self.is_cancel_requested() => PendingActivityState::CancelRequested,
            State::Started => PendingActivityState::Started,
            State::Paused => PendingActivityState::Paused,
            State::PauseRequested => PendingActivityState::PauseRequested,
            State::Scheduled | State::Backoff | State::Closed => PendingActivityState::Scheduled,
        }
    }

    /// When the next attempt comes, if it waits for that.
    fn waits_for(&self, now: Timestamp) -> Option<Timestamp> {
        (self.state == State::Backoff && self.attempt_scheduled_at > now).then_some(self.attempt_scheduled_at)
    }

    fn pause_info(&self) -> Option<info::PauseInfo> {
        self.pause.as_ref().map(|pause| info::PauseInfo {
            pause_time: Some(timestamp(pause.at)),
            paused_by: Some(match &pause.rule_id {
                // Who made the rule and why is the namespace's to say.
                Some(rule_id) => info::pause_info::PausedBy::Rule(info::pause_info::Rule {
                    rule_id: rule_id.clone(),
                    ..Default::default()
                }),
                None => info::pause_info::PausedBy::Manual(info::pause_info::Manual {
                    identity: pause.identity.clone(),
                    reason: pause.reason.clone(),
                }),
            }),
        })
    }

    fn shown_options(&self, policy: RetryPolicy) -> ActivityOptions {
        let queue = self.options.task_queue.clone().unwrap_or_default().name;
        ActivityOptions {
            task_queue: Some(TaskQueue {
                normal_name: queue.clone(),
                name: queue,
                ..Default::default()
            }),
            retry_policy: Some(RetryPolicy {
                non_retryable_error_types: Vec::new(),
                ..policy
            }),
            ..(*self.options).clone()
        }
    }
}
