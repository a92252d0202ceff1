//! A standalone operation as clients and lists see it.

use temporalio_protos::temporal::api::enums::v1::{
    NexusOperationExecutionStatus as Status, NexusOperationWaitStage as WaitStage,
    PendingNexusOperationState as Pending, WorkflowExecutionStatus,
};
use temporalio_protos::temporal::api::nexus::v1::NexusOperationExecutionInfo;
use temporalio_protos::temporal::api::workflowservice::v1 as wire;
use wire::describe_nexus_operation_execution_response::Outcome as Described;
use wire::poll_nexus_operation_execution_response::Outcome as Polled;

use super::{Outcome, Parts, StandaloneNexusOperation, State, Wait};
use crate::clock::Timestamp;
use crate::temporal::proto::{proto_duration, timestamp};
use crate::temporal::token::OperationChangeToken;
use crate::temporal::visibility::record::{self, Closed};
use crate::temporal::visibility::value::Value;
use crate::temporal::visibility::{CustomAttributes, Record, attributes};

/// The division of standalone operations among executions: what Temporal's component framework makes of their kind's
/// name, `nexusoperation.operation`.
pub(crate) const NAMESPACE_DIVISION_OF_OPERATIONS: &str = "131748067";

/// The fields in which lists keep what only operations have.
pub(crate) const ENDPOINT: &str = "TemporalKeyword01";
pub(crate) const SERVICE: &str = "TemporalKeyword02";
pub(crate) const OPERATION: &str = "TemporalKeyword03";
pub(crate) const REQUEST_ID: &str = "TemporalKeyword04";
pub(crate) const STATUS: &str = "TemporalLowCardinalityKeyword01";

impl StandaloneNexusOperation {
    /// The answer to `DescribeNexusOperationExecution`.
    pub(crate) fn describe(&self, now: Timestamp, parts: Parts) -> wire::DescribeNexusOperationExecutionResponse {
        let outcome = self.outcome().filter(|_| parts.outcome);
        wire::DescribeNexusOperationExecutionResponse {
            run_id: self.start.run_id.clone(),
            info: Some(self.info(now)),
            input: parts.input.then(|| self.start.input.clone()).flatten(),
            outcome: outcome.and_then(|outcome| match outcome {
                Outcome::Result(result) => result.map(Described::Result),
                Outcome::Failure(failure) => Some(Described::Failure(failure)),
            }),
            long_poll_token: OperationChangeToken {
                operation: self.name,
                seen: self.transitions,
            }
            .encode(),
            ..Default::default()
        }
    }

    /// The answer to `PollNexusOperationExecution`, once its stage is reached.
    pub(crate) fn stage(&self) -> wire::PollNexusOperationExecutionResponse {
        let stage = match self.is_closed() {
            true => WaitStage::Closed,
            false => WaitStage::Started,
        };
        wire::PollNexusOperationExecutionResponse {
            run_id: self.start.run_id.clone(),
            wait_stage: stage as i32,
            operation_token: self.operation_token.clone(),
            outcome: self.outcome().and_then(|outcome| match outcome {
                Outcome::Result(result) => result.map(Polled::Result),
                Outcome::Failure(failure) => Some(Polled::Failure(failure)),
            }),
        }
    }

    /// Whether what a client waits for is there.
    pub(crate) fn has(&self, wait: Wait) -> bool {
        match wait {
            Wait::Stage(WaitStage::Started) => self.is_closed() || self.state == State::Started,
            Wait::Stage(_) => self.is_closed(),
            Wait::Change { seen, .. } => self.transitions > seen,
        }
    }

    /// How it stands, by Temporal's name for it.
    pub(crate) fn status(&self) -> Status {
        match self.state {
            State::Scheduled | State::BackingOff | State::Started => Status::Running,
            State::Succeeded => Status::Completed,
            State::Failed => Status::Failed,
            State::Canceled => Status::Canceled,
            State::Terminated => Status::Terminated,
            State::TimedOut => Status::TimedOut,
        }
    }

    /// What lists know of it.
    pub(crate) fn record(&self, custom: &CustomAttributes) -> Record {
        let start = &self.start;
        let text = |name: &str, value: &str| (name.to_owned(), Value::Text(value.to_owned()));
        let own = [
            text(attributes::NAMESPACE_DIVISION, NAMESPACE_DIVISION_OF_OPERATIONS),
            text(ENDPOINT, &start.endpoint),
            text(SERVICE, &start.service),
            text(OPERATION, &start.operation),
            text(REQUEST_ID, &self.request_id),
            text(STATUS, status_name(self.status())),
        ];
        let mut kept = record::kept_attributes(start.search_attributes.as_ref(), custom);
        // Of what a client gave, Temporal's lists keep only custom attributes.
        kept.retain(|name, _| attributes::place_type(name).is_some());
        kept.extend(own);
        Record {
            namespace: start.namespace.clone(),
            workflow_id: start.operation_id.clone(),
            run_id: start.run_id.clone(),
            workflow_type: String::new(),
            task_queue: String::new(),
            // Lists of all executions know only this much of it.
            status: match self.status() {
                Status::Unspecified | Status::Running => WorkflowExecutionStatus::Running,
                Status::Completed => WorkflowExecutionStatus::Completed,
                _ => WorkflowExecutionStatus::Failed,
            },
            started_at: self.scheduled_at,
            execution_at: self.scheduled_at,
            closed: self.closed_at.map(|at| Closed {
                at,
                history_length: 0,
                history_size_bytes: 0,
                state_transition_count: self.transitions,
            }),
            parent: None,
            root: Default::default(),
            memo: None,
            attributes: kept.into_iter().collect(),
        }
    }

    fn info(&self, now: Timestamp) -> NexusOperationExecutionInfo {
        let start = &self.start;
        let until = self.closed_at.unwrap_or(now);
        NexusOperationExecutionInfo {
            operation_id: start.operation_id.clone(),
            run_id: start.run_id.clone(),
            endpoint: start.endpoint.clone(),
            service: start.service.clone(),
            operation: start.operation.clone(),
            status: self.status() as i32,
            state: self.pending_state() as i32,
            schedule_to_close_timeout: start.schedule_to_close_timeout,
            schedule_to_start_timeout: start.schedule_to_start_timeout,
            start_to_close_timeout: start.start_to_close_timeout,
            attempt: self.attempt,
            schedule_time: Some(timestamp(self.scheduled_at)),
            expiration_time: self.expires_at().map(timestamp),
            close_time: self.closed_at.map(timestamp),
            last_attempt_complete_time: self.last_attempt_at.map(timestamp),
            last_attempt_failure: self.last_attempt_failure.clone(),
            next_attempt_schedule_time: self.next_attempt_at.map(timestamp),
            execution_duration: Some(proto_duration(until.since(self.scheduled_at))),
            cancellation_info: self.cancellation.as_ref().map(|cancellation| cancellation.describe()),
            request_id: self.request_id.clone(),
            operation_token: self.operation_token.clone(),
            state_transition_count: self.transitions,
            search_attributes: Some(start.search_attributes.clone().unwrap_or_default()),
            nexus_header: start.nexus_header.clone(),
            user_metadata: start.user_metadata.clone(),
            links: self.links.clone(),
            identity: start.identity.clone(),
            ..Default::default()
        }
    }

    /// How it ended: the last attempt's failure if nothing else.
    fn outcome(&self) -> Option<Outcome> {
        if !self.is_closed() {
            return None;
        }
        let of_attempt = || self.last_attempt_failure.clone().map(Outcome::Failure);
        self.outcome.clone().or_else(of_attempt)
    }

    fn pending_state(&self) -> Pending {
        match self.state {
            State::Scheduled => Pending::Scheduled,
            State::BackingOff => Pending::BackingOff,
            State::Started => Pending::Started,
            State::Succeeded | State::Failed | State::Canceled | State::Terminated | State::TimedOut => {
                Pending::Unspecified
            }
        }
    }
}

/// The status of an operation by its record.
pub(crate) fn listed_status(record: &Record) -> Status {
    let Some(Value::Text(name)) = record.attribute(STATUS) else {
        return Status::Unspecified;
    };
    let all = [
        Status::Running,
        Status::Completed,
        Status::Failed,
        Status::Canceled,
        Status::Terminated,
        Status::TimedOut,
    ];
    let found = all.into_iter().find(|status| status_name(*status) == name);
    found.unwrap_or_default()
}

/// As queries name it.
fn status_name(status: Status) -> &'static str {
    match status {
        Status::Unspecified => "Unspecified",
        Status::Running => "Running",
        Status::Completed => "Completed",
        Status::Failed => "Failed",
        Status::Canceled => "Canceled",
        Status::Terminated => "Terminated",
        Status::TimedOut => "TimedOut",
    }
}
