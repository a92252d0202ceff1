//! A nexus operation: asked for, asked for again, started, and closed in one of four ways.
//!
//! Like Temporal's own machine by default (`components/nexusoperations/statemachine.go`): one that timed out stays among
//! the run's machines, the others are forgotten when they close.

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::{Link, Payload};
use temporalio_protos::temporal::api::enums::v1::{PendingNexusOperationState, TimeoutType};
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{Failure, NexusOperationFailureInfo, TimeoutFailureInfo};
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::workflow::v1::PendingNexusOperationInfo;

use super::nexus_cancellation::Cancellation;
use crate::clock::Timestamp;
use crate::temporal::history::NewEvent;
use crate::temporal::nexus::completion::{Completion, Outcome};
use crate::temporal::nexus::failure::{Refusal, StartOutcome};
use crate::temporal::nexus::{OperationId, backoff};
use crate::temporal::proto::{duration, timestamp};
use crate::temporal::timer::{NexusTimer, Timer};
use crate::temporal::txn::{Letter, Txn};

/// Where an operation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The request to start it is on its way.
    Scheduled,
    /// The request failed; the next one waits for its time.
    BackingOff,
    /// It goes on elsewhere; a callback will say how it ended.
    Started,
    Succeeded,
    Failed,
    Canceled,
    TimedOut,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The request failed, and may be made again.
    FailAttempt,
    /// The wait before the next request is over.
    Reschedule,
    Start,
    Succeed,
    Fail,
    Cancel,
    TimeOut,
}

/// The whole life of an operation.
#[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the code to the table"))]
pub(crate) const TRANSITIONS: &[(State, Input, State)] = &[
    (State::Scheduled, Input::FailAttempt, State::BackingOff),
    (State::BackingOff, Input::Reschedule, State::Scheduled),
    (State::Scheduled, Input::Start, State::Started),
    (State::BackingOff, Input::Start, State::Started),
    (State::Scheduled, Input::Succeed, State::Succeeded),
    (State::BackingOff, Input::Succeed, State::Succeeded),
    (State::Started, Input::Succeed, State::Succeeded),
    (State::Scheduled, Input::Fail, State::Failed),
    (State::BackingOff, Input::Fail, State::Failed),
    (State::Started, Input::Fail, State::Failed),
    (State::Scheduled, Input::Cancel, State::Canceled),
    (State::BackingOff, Input::Cancel, State::Canceled),
    (State::Started, Input::Cancel, State::Canceled),
    (State::Scheduled, Input::TimeOut, State::TimedOut),
    (State::BackingOff, Input::TimeOut, State::TimedOut),
    (State::Started, Input::TimeOut, State::TimedOut),
];

/// The next state, if the table has one.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    use State as S;
    match (state, input) {
        (S::Scheduled, Input::FailAttempt) => Some(S::BackingOff),
        (S::BackingOff, Input::Reschedule) => Some(S::Scheduled),
        (S::Scheduled | S::BackingOff, Input::Start) => Some(S::Started),
        (S::Scheduled | S::BackingOff | S::Started, Input::Succeed) => Some(S::Succeeded),
        (S::Scheduled | S::BackingOff | S::Started, Input::Fail) => Some(S::Failed),
        (S::Scheduled | S::BackingOff | S::Started, Input::Cancel) => Some(S::Canceled),
        (S::Scheduled | S::BackingOff | S::Started, Input::TimeOut) => Some(S::TimedOut),
        (S::BackingOff | S::Started, Input::FailAttempt)
        | (S::Scheduled | S::Started, Input::Reschedule)
        | (S::Started, Input::Start)
        | (S::Succeeded | S::Failed | S::Canceled | S::TimedOut, _) => None,
    }
}

/// An operation that a workflow scheduled.
#[derive(Clone, Debug)]
pub(crate) struct NexusOperation {
    state: State,
    scheduled_event_id: i64,
    attributes: Box<history::NexusOperationScheduledEventAttributes>,
    scheduled_at: Timestamp,
    started_at: Option<Timestamp>,
    operation_token: String,
    /// Requests that were answered, or that the operation didn't need.
    attempt: i32,
    last_attempt_at: Option<Timestamp>,
    last_attempt_failure: Option<Failure>,
    next_attempt_at: Option<Timestamp>,
    pub(crate) cancellation: Option<Cancellation>,
}

impl NexusOperation {
    /// The command `ScheduleNexusOperation`; it has been checked.
    pub(crate) fn schedule(txn: &mut Txn<'_>, attributes: history::NexusOperationScheduledEventAttributes) -> Self {
        let scheduled_event_id = txn.emit(attributes.clone());
        let operation = Self::restore(attributes, scheduled_event_id, txn.now);
        if let Some(limit) = operation.schedule_to_close() {
            txn.set_timer(operation.timer(txn, NexusTimer::ScheduleToClose), txn.now + limit);
        }
        if let Some(limit) = operation.schedule_to_start() {
            txn.set_timer(operation.timer(txn, NexusTimer::ScheduleToStart), txn.now + limit);
        }
        operation.invoke(txn);
        operation
    }

    /// The history tells that it was scheduled.
    pub(crate) fn restore(
        attributes: history::NexusOperationScheduledEventAttributes,
        scheduled_event_id: i64,
        scheduled_at: Timestamp,
    ) -> Self {
        Self {
            state: State::Scheduled,
            scheduled_event_id,
            attributes: Box::new(attributes),
            scheduled_at,
            started_at: None,
            operation_token: String::new(),
            attempt: 0,
            last_attempt_at: None,
            last_attempt_failure: None,
            next_attempt_at: None,
            cancellation: None,
        }
    }

    /// The history tells that it goes on elsewhere. `false` if it did already.
    pub(crate) fn restore_started(
        &mut self,
        started: &history::NexusOperationStartedEventAttributes,
        started_at: Timestamp,
    ) -> bool {
        let Some(next) = step(self.state, Input::Start) else {
            return false;
        };
        self.state = next;
        self.record_attempt(started_at);
        self.started_at = Some(started_at);
        self.operation_token
            .clone_from(match started.operation_token.is_empty() {
                #[expect(deprecated, reason = "the token has an older name too")]
                true => &started.operation_id,
                false => &started.operation_token,
            });
        if let Some(cancellation) = self.cancellation.as_mut() {
            cancellation.restore_scheduled(started_at);
        }
        true
    }

    /// The history tells that the workflow wanted it to end.
    pub(crate) fn restore_cancel_request(&mut self, requested_event_id: i64, requested_at: Timestamp) {
        let mut cancellation = Cancellation::new(requested_event_id);
        if self.state == State::Started {
            cancellation.restore_scheduled(requested_at);
        }
        self.cancellation = Some(cancellation);
    }

    /// After a reset: its clocks run on from where they were, and what waits for an answer is asked again.
    pub(crate) fn resume(&self, txn: &mut Txn<'_>) {
        let mut wind = |clock: NexusTimer, from: Timestamp, limit: Option<Duration>| {
            if let Some(limit) = limit {
                txn.set_timer(self.timer(txn, clock), (from + limit).max(txn.now));
            }
        };
        wind(NexusTimer::ScheduleToClose, self.scheduled_at, self.schedule_to_close());
        match self.started_at {
            None => wind(NexusTimer::ScheduleToStart, self.scheduled_at, self.schedule_to_start()),
            // Other than at the start itself, a cancellation doesn't keep this clock from running.
            Some(started_at) => wind(NexusTimer::StartToClose, started_at, self.start_to_close()),
        }
        if self.state == State::Scheduled {
            self.invoke(txn);
        }
        if let Some(cancellation) = &self.cancellation {
            cancellation.resume(txn, self.scheduled_event_id);
        }
    }

    /// The answer to the request. `false` if it comes too late to mean anything.
    pub(crate) fn answered(&mut self, txn: &mut Txn<'_>, outcome: StartOutcome) -> bool {
        if self.state != State::Scheduled {
            return false;
        }
        match outcome {
            StartOutcome::Succeeded { result, links } => self.succeed(txn, Some(result), links),
            StartOutcome::Started { token, links } => {
                let request_id = self.attributes.request_id.clone();
                self.start(txn, token, request_id, None, links);
            }
            StartOutcome::Unsuccessful { canceled, cause } => self.end_badly(txn, canceled, cause),
            StartOutcome::NoTime(timeout) => self.time_out(txn, timeout),
            StartOutcome::Refused(refusal) if refusal.retryable => {
                self.back_off(txn, refusal);
                return false;
            }
            StartOutcome::Refused(refusal) => self.end_badly(txn, false, refusal.failure),
        }
        true
    }

    /// A callback says how it ended. `false` if it has ended already, or another one is meant.
    pub(crate) fn complete(&mut self, txn: &mut Txn<'_>, request_id: &str, completion: Completion) -> bool {
        if self.is_closed() || self.attributes.request_id != request_id {
            return false;
        }
        if self.state != State::Started {
            // It overtook the answer to the start, so the start is made up.
            let Completion {
                operation_token,
                started_at,
                links,
                ..
            } = &completion;
            self.start(
                txn,
                operation_token.clone(),
                request_id.to_owned(),
                Some(*started_at),
                links.clone(),
            );
        }
        match completion.outcome {
            Outcome::Succeeded(result) => self.succeed(txn, result, Vec::new()),
            Outcome::Unsuccessful { canceled, cause } => self.end_badly(txn, canceled, cause),
        }
        true
    }

    /// One of its clocks ran out. `false` if that means nothing to the workflow.
    pub(crate) fn on_timer(&mut self, txn: &mut Txn<'_>, clock: NexusTimer) -> bool {
        let timeout = match clock {
            NexusTimer::ScheduleToClose => TimeoutType::ScheduleToClose,
            NexusTimer::ScheduleToStart if self.state != State::Started => TimeoutType::ScheduleToStart,
            NexusTimer::StartToClose if self.state == State::Started => TimeoutType::StartToClose,
            NexusTimer::ScheduleToStart | NexusTimer::StartToClose => return false,
            NexusTimer::Retry => {
                self.reschedule(txn);
                return false;
            }
            NexusTimer::CancelRetry => {
                if let Some(cancellation) = self.cancellation.as_mut() {
                    cancellation.reschedule(txn, self.scheduled_event_id);
                }
                return false;
            }
        };
        if self.is_closed() {
            return false;
        }
        self.time_out(txn, timeout);
        true
    }

    /// The command `RequestCancelNexusOperation`; the event is written.
    pub(crate) fn request_cancel(&mut self, txn: &mut Txn<'_>, requested_event_id: i64) {
        let mut cancellation = Cancellation::new(requested_event_id);
        if self.state == State::Started {
            cancellation.schedule(txn, self.scheduled_event_id);
        }
        self.cancellation = Some(cancellation);
    }

    /// Whether nothing can happen to it any more.
    pub(crate) fn is_closed(&self) -> bool {
        !matches!(self.state, State::Scheduled | State::BackingOff | State::Started)
    }

    /// Whether it stays among the run's machines.
    pub(crate) fn is_kept(&self) -> bool {
        !self.is_closed() || self.state == State::TimedOut
    }

    /// Whether the request to start it is on its way.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.state == State::Scheduled
    }

    /// Whether it waits before the next request to start it.
    pub(crate) fn is_backing_off(&self) -> bool {
        self.state == State::BackingOff
    }

    /// What was scheduled.
    pub(crate) fn attributes(&self) -> &history::NexusOperationScheduledEventAttributes {
        &self.attributes
    }

    /// The token under which it goes on elsewhere; empty before.
    pub(crate) fn operation_token(&self) -> &str {
        &self.operation_token
    }

    /// What is left of schedule-to-start.
    pub(crate) fn left_to_start(&self, now: Timestamp) -> Option<Duration> {
        Some(self.schedule_to_start()?.saturating_sub(now.since(self.scheduled_at)))
    }

    /// What is left of schedule-to-close.
    pub(crate) fn left_to_close(&self, now: Timestamp) -> Option<Duration> {
        Some(self.schedule_to_close()?.saturating_sub(now.since(self.scheduled_at)))
    }

    /// What is left of start-to-close; the whole of it before the start.
    pub(crate) fn left_of_run(&self, now: Timestamp) -> Option<Duration> {
        let limit = self.start_to_close()?;
        Some(match self.started_at {
            Some(started_at) => limit.saturating_sub(now.since(started_at)),
            None => limit,
        })
    }

    /// As `DescribeWorkflowExecution` shows it, if it is pending.
    #[expect(deprecated, reason = "the token has an older name too")]
    pub(crate) fn describe(&self) -> Option<PendingNexusOperationInfo> {
        let state = match self.state {
            State::Scheduled => PendingNexusOperationState::Scheduled,
            State::BackingOff => PendingNexusOperationState::BackingOff,
            State::Started => PendingNexusOperationState::Started,
            State::Succeeded | State::Failed | State::Canceled | State::TimedOut => return None,
        };
        let attributes = &self.attributes;
        Some(PendingNexusOperationInfo {
            endpoint: attributes.endpoint.clone(),
            service: attributes.service.clone(),
            operation: attributes.operation.clone(),
            operation_id: self.operation_token.clone(),
            operation_token: self.operation_token.clone(),
            scheduled_event_id: self.scheduled_event_id,
            schedule_to_close_timeout: attributes.schedule_to_close_timeout,
            schedule_to_start_timeout: attributes.schedule_to_start_timeout,
            start_to_close_timeout: attributes.start_to_close_timeout,
            scheduled_time: Some(timestamp(self.scheduled_at)),
            state: state as i32,
            attempt: self.attempt,
            last_attempt_complete_time: self.last_attempt_at.map(timestamp),
            last_attempt_failure: self.last_attempt_failure.clone(),
            next_attempt_schedule_time: self.next_attempt_at.map(timestamp),
            cancellation_info: self.cancellation.as_ref().map(Cancellation::describe),
            ..Default::default()
        })
    }

    fn invoke(&self, txn: &mut Txn<'_>) {
        txn.effects.mail.push(Letter::StartNexusOperation(OperationId::OfRun {
            run: txn.run,
            scheduled_event_id: self.scheduled_event_id,
        }));
    }

    fn back_off(&mut self, txn: &mut Txn<'_>, refusal: Refusal) {
        let Some(next) = step(self.state, Input::FailAttempt) else {
            return;
        };
        self.state = next;
        self.record_attempt(txn.now);
        self.last_attempt_failure = Some(refusal.failure);
        let next_attempt_at = txn.now + backoff(self.attempt, txn.entropy);
        self.next_attempt_at = Some(next_attempt_at);
        txn.set_timer(self.timer(txn, NexusTimer::Retry), next_attempt_at);
    }

    fn reschedule(&mut self, txn: &mut Txn<'_>) {
        if let Some(next) = step(self.state, Input::Reschedule) {
            self.state = next;
            self.next_attempt_at = None;
            self.invoke(txn);
        }
    }

    fn start(
        &mut self,
        txn: &mut Txn<'_>,
        token: String,
        request_id: String,
        made_up_for: Option<Timestamp>,
        links: Vec<Link>,
    ) {
        let Some(next) = step(self.state, Input::Start) else {
            return;
        };
        self.state = next;
        let started_at = made_up_for.unwrap_or(txn.now);
        self.record_attempt(started_at);
        self.next_attempt_at = None;
        self.started_at = Some(started_at);
        self.operation_token.clone_from(&token);
        txn.stop_timer(self.timer(txn, NexusTimer::Retry));
        txn.stop_timer(self.timer(txn, NexusTimer::ScheduleToStart));
        let event = NewEvent::from(
            #[expect(deprecated, reason = "the token has an older name too")]
            history::NexusOperationStartedEventAttributes {
                scheduled_event_id: self.scheduled_event_id,
                operation_id: token.clone(),
                operation_token: token,
                request_id,
            },
        );
        txn.emit(event.with_links(links).at(started_at));
        match self.cancellation.as_mut() {
            // Temporal sets no start-to-close clock for an operation that was cancelled before it started.
            Some(cancellation) => cancellation.schedule(txn, self.scheduled_event_id),
            None => {
                if let Some(limit) = self.start_to_close() {
                    txn.set_timer(self.timer(txn, NexusTimer::StartToClose), started_at + limit);
                }
            }
        }
    }

    fn succeed(&mut self, txn: &mut Txn<'_>, result: Option<Payload>, links: Vec<Link>) {
        if !self.close(txn, Input::Succeed) {
            return;
        }
        let event = NewEvent::from(history::NexusOperationCompletedEventAttributes {
            scheduled_event_id: self.scheduled_event_id,
            result,
            request_id: self.attributes.request_id.clone(),
        });
        txn.emit(event.with_links(links));
    }

    fn end_badly(&mut self, txn: &mut Txn<'_>, canceled: bool, cause: Failure) {
        let input = match canceled {
            true => Input::Cancel,
            false => Input::Fail,
        };
        if !self.close(txn, input) {
            return;
        }
        let failure = Some(self.failure(cause));
        let scheduled_event_id = self.scheduled_event_id;
        let request_id = self.attributes.request_id.clone();
        match canceled {
            true => txn.emit(history::NexusOperationCanceledEventAttributes {
                scheduled_event_id,
                failure,
                request_id,
            }),
            false => txn.emit(history::NexusOperationFailedEventAttributes {
                scheduled_event_id,
                failure,
                request_id,
            }),
        };
    }

    fn time_out(&mut self, txn: &mut Txn<'_>, timeout: TimeoutType) {
        if !self.close(txn, Input::TimeOut) {
            return;
        }
        let cause = Failure {
            message: "operation timed out".to_owned(),
            failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
                timeout_type: timeout as i32,
                ..Default::default()
            })),
            ..Default::default()
        };
        txn.emit(history::NexusOperationTimedOutEventAttributes {
            scheduled_event_id: self.scheduled_event_id,
            failure: Some(self.failure(cause)),
            request_id: self.attributes.request_id.clone(),
        });
    }

    fn close(&mut self, txn: &mut Txn<'_>, input: Input) -> bool {
        let Some(next) = step(self.state, input) else {
            return false;
        };
        self.state = next;
        for clock in NexusTimer::ALL {
            txn.stop_timer(self.timer(txn, clock));
        }
        true
    }

    fn failure(&self, cause: Failure) -> Failure {
        Failure {
            message: "nexus operation completed unsuccessfully".to_owned(),
            failure_info: Some(FailureInfo::NexusOperationExecutionFailureInfo(
                #[expect(deprecated, reason = "the token has an older name too")]
                NexusOperationFailureInfo {
                    scheduled_event_id: self.scheduled_event_id,
                    endpoint: self.attributes.endpoint.clone(),
                    service: self.attributes.service.clone(),
                    operation: self.attributes.operation.clone(),
                    operation_id: self.operation_token.clone(),
                    operation_token: self.operation_token.clone(),
                },
            )),
            cause: Some(Box::new(cause)),
            ..Default::default()
        }
    }

    fn record_attempt(&mut self, at: Timestamp) {
        self.attempt = self.attempt.saturating_add(1);
        self.last_attempt_at = Some(at);
        self.last_attempt_failure = None;
    }

    fn schedule_to_close(&self) -> Option<Duration> {
        duration(self.attributes.schedule_to_close_timeout.as_ref())
    }

    fn schedule_to_start(&self) -> Option<Duration> {
        duration(self.attributes.schedule_to_start_timeout.as_ref())
    }

    fn start_to_close(&self) -> Option<Duration> {
        duration(self.attributes.start_to_close_timeout.as_ref())
    }

    fn timer(&self, txn: &Txn<'_>, clock: NexusTimer) -> Timer {
        Timer::NexusOperation(txn.run, self.scheduled_event_id, clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_meets_every_input() {
        use {Input as I, State as S};
        super::super::walk(
            &[
                S::Scheduled,
                S::BackingOff,
                S::Started,
                S::Succeeded,
                S::Failed,
                S::Canceled,
                S::TimedOut,
            ],
            &[
                I::FailAttempt,
                I::Reschedule,
                I::Start,
                I::Succeed,
                I::Fail,
                I::Cancel,
                I::TimeOut,
            ],
            TRANSITIONS,
            step,
        );
    }
}
