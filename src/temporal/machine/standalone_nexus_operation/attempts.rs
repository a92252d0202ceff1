//! The requests of a standalone operation to its handler: what they say, what comes back, and the clocks.

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::Link;
use temporalio_protos::temporal::api::enums::v1::TimeoutType;
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{Failure, TimeoutFailureInfo};

use super::{Input, Outcome, StandaloneNexusOperation, State, Step, unsuccessful};
use crate::clock::Timestamp;
use crate::temporal::nexus::completion::CallbackToken;
use crate::temporal::nexus::failure::{Refusal, StartOutcome};
use crate::temporal::nexus::request::{CancelRequest, StartRequest, request_timeout, tightest_timeout};
use crate::temporal::nexus::{backoff, link};
use crate::temporal::proto::duration;
use crate::temporal::timer::{NexusTimer, Timer};
use crate::temporal::txn::Letter;

/// All its clocks.
pub(super) const CLOCKS: [NexusTimer; 5] = NexusTimer::ALL;

impl StandaloneNexusOperation {
    /// The request to start it, and how long it may take. Nothing if it isn't wanted any more.
    pub(crate) fn start_request(&self, now: Timestamp) -> Option<(StartRequest, Result<Duration, TimeoutType>)> {
        if self.state != State::Scheduled {
            return None;
        }
        let to_close = self.left(now, NexusTimer::ScheduleToClose);
        let timeout = match self.left(now, NexusTimer::ScheduleToStart) {
            Some(to_start) => request_timeout(&[(Some(to_start), TimeoutType::ScheduleToStart)]),
            None => request_timeout(&[(to_close, TimeoutType::ScheduleToClose)]),
        };
        let run = duration(self.start.start_to_close_timeout.as_ref());
        let for_handler = [run, to_close].into_iter().flatten().min();
        let request = StartRequest {
            endpoint: self.start.endpoint.clone(),
            service: self.start.service.clone(),
            operation: self.start.operation.clone(),
            request_id: self.request_id.clone(),
            input: self.start.input.clone(),
            header: self.start.nexus_header.clone(),
            link: link::to_operation(&self.start.namespace, &self.start.operation_id, &self.start.run_id),
            callback_token: CallbackToken {
                operation: self.id(),
                request_id: self.request_id.clone(),
            }
            .encode(),
            operation_deadline: for_handler.map(|left| now + left),
        };
        Some((request, timeout))
    }

    /// The request to cancel it, and how long it may take. Nothing if it isn't wanted any more.
    pub(crate) fn cancel_request(&self, now: Timestamp) -> Option<(CancelRequest, Result<Duration, TimeoutType>)> {
        let is_scheduled = self.cancellation.as_ref().is_some_and(|it| it.is_scheduled());
        if self.is_closed() || !is_scheduled {
            return None;
        }
        let timeout = tightest_timeout(&[
            (self.left(now, NexusTimer::StartToClose), TimeoutType::StartToClose),
            (
                self.left(now, NexusTimer::ScheduleToClose),
                TimeoutType::ScheduleToClose,
            ),
        ]);
        let request = CancelRequest {
            endpoint: self.start.endpoint.clone(),
            service: self.start.service.clone(),
            operation: self.start.operation.clone(),
            operation_token: self.operation_token.clone(),
            header: self.start.nexus_header.clone(),
        };
        Some((request, timeout))
    }

    /// The answer to the request to start it.
    pub(crate) fn answered(&mut self, step: &mut Step<'_>, outcome: StartOutcome) {
        if self.state != State::Scheduled {
            return;
        }
        match outcome {
            StartOutcome::Succeeded { result, links } => {
                self.links.extend(links);
                self.succeed(step, Some(result));
            }
            StartOutcome::Started { token, links } => {
                let now = step.now;
                self.started(step, token, now, links);
            }
            StartOutcome::Unsuccessful { canceled, cause } => self.end_badly(step, unsuccessful(canceled), cause),
            StartOutcome::NoTime(timeout) => self.end_badly(step, Input::TimeOut, timed_out(timeout)),
            StartOutcome::Refused(refusal) if refusal.retryable => self.back_off(step, refusal.failure),
            StartOutcome::Refused(refusal) => self.end_badly(step, Input::Fail, refusal.failure),
        }
    }

    /// The answer to the request to cancel it.
    pub(crate) fn cancel_answered(&mut self, step: &mut Step<'_>, outcome: Result<(), Refusal>) {
        if self.is_closed() {
            return;
        }
        if let Some(cancellation) = self.cancellation.as_mut()
            && cancellation.answered(step, outcome)
        {
            self.transitions += 1;
            self.wind_clocks(step);
        }
    }

    /// One of its clocks ran out.
    pub(crate) fn on_timer(&mut self, step: &mut Step<'_>, clock: NexusTimer) {
        for (armed, of) in self.armed.iter_mut().zip(CLOCKS) {
            if of == clock {
                *armed = None;
            }
        }
        match clock {
            NexusTimer::ScheduleToClose => self.time_out(step, TimeoutType::ScheduleToClose),
            NexusTimer::ScheduleToStart => self.time_out(step, TimeoutType::ScheduleToStart),
            NexusTimer::StartToClose => self.time_out(step, TimeoutType::StartToClose),
            NexusTimer::Retry => {
                if self.go(Input::Reschedule) {
                    self.next_attempt_at = None;
                    self.invoke(step);
                }
            }
            NexusTimer::CancelRetry => {
                if let Some(cancellation) = self.cancellation.as_mut()
                    && cancellation.reschedule()
                {
                    self.transitions += 1;
                    step.effects.mail.push(Letter::CancelNexusOperation(self.id()));
                }
                self.wind_clocks(step);
            }
        }
    }

    /// Its clocks, and whether each runs.
    pub(crate) fn clocks(&self) -> impl Iterator<Item = (NexusTimer, bool)> {
        CLOCKS.into_iter().zip(self.armed.iter().map(Option::is_some))
    }

    pub(super) fn started(&mut self, step: &mut Step<'_>, token: String, at: Timestamp, links: Vec<Link>) {
        if !self.go(Input::Start) {
            return;
        }
        self.started_at = Some(at);
        self.last_attempt_at = Some(at);
        self.last_attempt_failure = None;
        self.next_attempt_at = None;
        self.operation_token = token;
        self.links.extend(links);
        self.send_cancellation(step);
        self.wind_clocks(step);
    }

    /// The handler is told that it should stop, if a client wishes so.
    pub(super) fn send_cancellation(&mut self, step: &mut Step<'_>) {
        let id = self.id();
        if let Some(cancellation) = self.cancellation.as_mut()
            && cancellation.schedule()
        {
            step.effects.mail.push(Letter::CancelNexusOperation(id));
        }
    }

    /// Sets and stops clocks, so that those run that should.
    pub(super) fn wind_clocks(&mut self, step: &mut Step<'_>) {
        for (index, clock) in CLOCKS.into_iter().enumerate() {
            let deadline = self.deadline(clock);
            if self.armed[index] == deadline {
                continue;
            }
            self.armed[index] = deadline;
            step.effects
                .timers
                .push((Timer::StandaloneNexusOperation(self.name, clock), deadline));
        }
    }

    /// When it ends, whatever happens.
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        duration(self.start.schedule_to_close_timeout.as_ref()).map(|limit| self.scheduled_at + limit)
    }

    /// A timeout that no attempt has noticed.
    fn time_out(&mut self, step: &mut Step<'_>, timeout: TimeoutType) {
        if self.close(step, Input::TimeOut) {
            self.outcome = Some(Outcome::Failure(timed_out(timeout)));
        }
    }

    fn back_off(&mut self, step: &mut Step<'_>, failure: Failure) {
        if !self.go(Input::FailAttempt) {
            return;
        }
        self.last_attempt_at = Some(step.now);
        self.last_attempt_failure = Some(failure);
        self.next_attempt_at = Some(step.now + backoff(self.attempt, step.entropy));
        self.wind_clocks(step);
    }

    fn left(&self, now: Timestamp, clock: NexusTimer) -> Option<Duration> {
        self.deadline(clock).map(|deadline| deadline.since(now))
    }

    fn deadline(&self, clock: NexusTimer) -> Option<Timestamp> {
        if self.is_closed() {
            return None;
        }
        match clock {
            NexusTimer::ScheduleToClose => self.expires_at(),
            NexusTimer::ScheduleToStart if self.state != State::Started => {
                duration(self.start.schedule_to_start_timeout.as_ref()).map(|limit| self.scheduled_at + limit)
            }
            NexusTimer::StartToClose => {
                let limit = duration(self.start.start_to_close_timeout.as_ref())?;
                self.started_at.map(|started_at| started_at + limit)
            }
            NexusTimer::Retry => self.next_attempt_at,
            NexusTimer::CancelRetry => self.cancellation.as_ref()?.next_attempt_at(),
            NexusTimer::ScheduleToStart => None,
        }
    }
}

fn timed_out(timeout: TimeoutType) -> Failure {
    Failure {
        message: "operation timed out".to_owned(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
            timeout_type: timeout as i32,
            ..Default::default()
        })),
        ..Default::default()
    }
}
