//! An activity on its own: it has no history, only its state and in the end an outcome (Temporal: `chasm/lib/activity`).

mod attempts;
mod describe;

use std::time::Duration;

use temporalio_protos::temporal::api::activity::v1::ActivityOptions;
use temporalio_protos::temporal::api::common::v1::{Header, Link, Payloads, SearchAttributes};
use temporalio_protos::temporal::api::enums::v1::{RetryState, TimeoutType};
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{CanceledFailureInfo, Failure, TerminatedFailureInfo};
use temporalio_protos::temporal::api::sdk::v1::UserMetadata;

use attempts::CLOCKS;

use crate::clock::Timestamp;
use crate::temporal::machine::activity::{HeartbeatAnswer, Report};
use crate::temporal::matching::Dispatch;
use crate::temporal::priority;
use crate::temporal::proto::{duration, string_payloads};
use crate::temporal::reject::Reject;
use crate::temporal::standalone::{ActivityRef, not_found};
use crate::temporal::timer::ActivityTimer;
use crate::temporal::txn::{Effects, Note, Ticket};

/// Where a standalone activity is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its start delay lasts, or the wait before the next attempt.
    Waiting,
    /// A task for it waits to be taken.
    Scheduled,
    /// A worker has it.
    Started,
    /// A worker has it and should stop.
    CancelRequested,
    Completed,
    Failed,
    Canceled,
    Terminated,
    TimedOut,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The wait is over.
    Dispatch,
    /// A worker takes the task.
    Start,
    /// The attempt failed or timed out and may be tried again.
    Retry,
    /// A client wants it to stop.
    RequestCancel,
    Complete,
    Fail,
    /// The worker stopped, or there was none.
    Cancel,
    TimeOut,
    Terminate,
}

/// The whole life of a standalone activity.
#[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the code to the table"))]
pub(crate) const TRANSITIONS: &[(State, Input, State)] = &[
    (State::Waiting, Input::Dispatch, State::Scheduled),
    (State::Waiting, Input::Complete, State::Completed),
    (State::Waiting, Input::Cancel, State::Canceled),
    (State::Waiting, Input::TimeOut, State::TimedOut),
    (State::Waiting, Input::Terminate, State::Terminated),
    (State::Scheduled, Input::Start, State::Started),
    (State::Scheduled, Input::Complete, State::Completed),
    (State::Scheduled, Input::Cancel, State::Canceled),
    (State::Scheduled, Input::TimeOut, State::TimedOut),
    (State::Scheduled, Input::Terminate, State::Terminated),
    (State::Started, Input::Retry, State::Waiting),
    (State::Started, Input::RequestCancel, State::CancelRequested),
    (State::Started, Input::Complete, State::Completed),
    (State::Started, Input::Fail, State::Failed),
    (State::Started, Input::TimeOut, State::TimedOut),
    (State::Started, Input::Terminate, State::Terminated),
    (State::CancelRequested, Input::Complete, State::Completed),
    (State::CancelRequested, Input::Fail, State::Failed),
    (State::CancelRequested, Input::Cancel, State::Canceled),
    (State::CancelRequested, Input::TimeOut, State::TimedOut),
    (State::CancelRequested, Input::Terminate, State::Terminated),
];

/// The next state, if the table has one.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    use Input as I;
    use State as S;
    match (state, input) {
        (S::Completed | S::Failed | S::Canceled | S::Terminated | S::TimedOut, _) => None,
        (_, I::Complete) => Some(S::Completed),
        (_, I::TimeOut) => Some(S::TimedOut),
        (_, I::Terminate) => Some(S::Terminated),
        (S::Waiting, I::Dispatch) => Some(S::Scheduled),
        (S::Scheduled, I::Start) => Some(S::Started),
        (S::Started, I::Retry) => Some(S::Waiting),
        (S::Started, I::RequestCancel) => Some(S::CancelRequested),
        (S::Started | S::CancelRequested, I::Fail) => Some(S::Failed),
        (S::Waiting | S::Scheduled | S::CancelRequested, I::Cancel) => Some(S::Canceled),
        (S::Waiting, I::Start | I::Retry | I::RequestCancel | I::Fail)
        | (S::Scheduled, I::Dispatch | I::Retry | I::RequestCancel | I::Fail)
        | (S::Started, I::Dispatch | I::Start | I::Cancel)
        | (S::CancelRequested, I::Dispatch | I::Start | I::Retry | I::RequestCancel) => None,
    }
}

/// What a client starts; options are filled in already.
#[derive(Clone, Debug, Default)]
pub(crate) struct StartActivity {
    pub(crate) namespace: String,
    pub(crate) activity_id: String,
    pub(crate) run_id: String,
    pub(crate) activity_type: String,
    pub(crate) request_id: String,
    pub(crate) options: ActivityOptions,
    pub(crate) input: Option<Payloads>,
    pub(crate) header: Option<Header>,
    pub(crate) search_attributes: Option<SearchAttributes>,
    pub(crate) user_metadata: Option<UserMetadata>,
    pub(crate) links: Vec<Link>,
}

/// A client's wish that it stop.
#[derive(Clone, Debug)]
pub(crate) struct CancelRequest {
    pub(crate) identity: String,
    pub(crate) request_id: String,
    pub(crate) reason: String,
}

/// How it ended.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one per activity, most of them failures or small"
)]
enum Outcome {
    Result(Option<Payloads>),
    Failure(Failure, RetryState),
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The end.
    Outcome,
    /// Any change since this many.
    Change { seen: i64, parts: Parts },
}

/// The parts of a description that a client wants beside the usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the request has them so")]
pub(crate) struct Parts {
    pub(crate) input: bool,
    pub(crate) outcome: bool,
    pub(crate) heartbeat_details: bool,
    pub(crate) last_failure: bool,
}

/// A standalone activity.
#[derive(Clone, Debug)]
pub(crate) struct StandaloneActivity {
    activity: ActivityRef,
    start: Box<StartActivity>,
    state: State,
    scheduled_at: Timestamp,
    attempt: i32,
    /// When this attempt's task is or was due on its queue.
    dispatch_at: Timestamp,
    started_at: Option<Timestamp>,
    attempt_completed_at: Option<Timestamp>,
    current_retry_interval: Option<Duration>,
    worker_identity: String,
    last_failure: Option<Failure>,
    heartbeat_details: Option<Payloads>,
    last_heartbeat_at: Option<Timestamp>,
    heartbeat_count: i64,
    cancel: Option<CancelRequest>,
    terminate_request_id: Option<String>,
    outcome: Option<Outcome>,
    closed_at: Option<Timestamp>,
    /// How often it has changed: what a client that waits for a change has seen.
    transitions: i64,
    /// Clients that wait.
    pub(crate) waiters: Vec<(Ticket, Wait)>,
    armed: [Option<Timestamp>; CLOCKS.len()],
}

/// What happens to one activity may use: the time, and where its effects go.
pub(crate) struct Step<'a> {
    pub(crate) now: Timestamp,
    pub(crate) effects: &'a mut Effects,
}

impl StandaloneActivity {
    /// A client starts it.
    pub(crate) fn start(step: &mut Step<'_>, activity: ActivityRef, start: StartActivity) -> Self {
        let delay = duration(start.options.start_delay.as_ref()).unwrap_or_default();
        let mut started = Self {
            activity,
            start: Box::new(start),
            state: State::Waiting,
            scheduled_at: step.now,
            attempt: 1,
            dispatch_at: step.now + delay,
            started_at: None,
            attempt_completed_at: None,
            current_retry_interval: None,
            worker_identity: String::new(),
            last_failure: None,
            heartbeat_details: None,
            last_heartbeat_at: None,
            heartbeat_count: 0,
            cancel: None,
            terminate_request_id: None,
            outcome: None,
            closed_at: None,
            transitions: 1,
            waiters: Vec::new(),
            armed: Default::default(),
        };
        match delay.is_zero() {
            true => started.dispatch(step),
            false => started.wind_clocks(step),
        }
        started
    }

    /// A worker takes the task. `false` if the task is stale.
    pub(crate) fn take(&mut self, step: &mut Step<'_>, attempt: i32, identity: &str) -> bool {
        if attempt != self.attempt || !self.go(Input::Start) {
            return false;
        }
        self.started_at = Some(step.now);
        identity.clone_into(&mut self.worker_identity);
        step.effects.notes.push(Note::worker(format!(
            "{identity} runs activity {}{}",
            self.start.activity_type,
            match attempt {
                1 => String::new(),
                attempt => format!(", attempt {attempt}"),
            }
        )));
        self.wind_clocks(step);
        true
    }

    /// A heartbeat; `attempt` is `None` if it comes by id.
    pub(crate) fn heartbeat(
        &mut self,
        step: &mut Step<'_>,
        attempt: Option<i32>,
        details: Option<Payloads>,
    ) -> Result<HeartbeatAnswer, Reject> {
        self.check_attempt(attempt)?;
        self.record_heartbeat(step, details);
        self.transitions += 1;
        Ok(HeartbeatAnswer {
            cancel_requested: self.state == State::CancelRequested,
            ..HeartbeatAnswer::default()
        })
    }

    /// A worker, or a client by id, says how the attempt went.
    pub(crate) fn report(
        &mut self,
        step: &mut Step<'_>,
        attempt: Option<i32>,
        report: Report,
        identity: &str,
    ) -> Result<(), Reject> {
        // By id a client may complete what no worker has taken.
        let is_unstarted = !self.is_closed() && !self.is_in_progress();
        if !is_unstarted || attempt.is_some() || !matches!(report, Report::Completed(_)) {
            self.check_attempt(attempt)?;
        }
        match report {
            Report::Completed(result) => self.complete(step, result, identity),
            Report::Failed {
                failure,
                heartbeat_details,
            } => {
                if heartbeat_details.is_some() {
                    self.record_heartbeat(step, heartbeat_details);
                }
                self.attempt_failed(step, failure, identity);
            }
            Report::Canceled(_) if self.state != State::CancelRequested => {
                return Err(Reject::InvalidArgument(
                    "unable to mark activity as canceled without activity being request canceled first".to_owned(),
                ));
            }
            Report::Canceled(details) => self.cancel(step, details),
        }
        Ok(())
    }

    /// A client wants it to stop: at once if no worker has it.
    pub(crate) fn request_cancel(&mut self, step: &mut Step<'_>, request: CancelRequest) -> Result<(), Reject> {
        if let Some(cancel) = self
            .cancel
            .as_ref()
            .filter(|cancel| cancel.request_id == request.request_id)
            && !cancel.request_id.is_empty()
        {
            return Ok(());
        }
        if self.is_closed() {
            return Err(Reject::FailedPrecondition(format!(
                "activity is in terminal state {:?}",
                self.state
            )));
        }
        if let Some(cancel) = &self.cancel {
            return Err(Reject::FailedPrecondition(format!(
                "cancellation already requested with request ID {}",
                cancel.request_id
            )));
        }
        let reason = string_payloads(&request.reason);
        self.cancel = Some(request);
        match self.is_in_progress() {
            true => {
                self.go(Input::RequestCancel);
            }
            false => self.cancel(step, Some(reason)),
        }
        Ok(())
    }

    /// A client ends it.
    pub(crate) fn terminate(
        &mut self,
        step: &mut Step<'_>,
        reason: &str,
        identity: &str,
        request_id: &str,
    ) -> Result<(), Reject> {
        if let Some(known) = &self.terminate_request_id {
            return match known == request_id {
                true => Ok(()),
                false => Err(Reject::FailedPrecondition(format!(
                    "already terminated with request ID {known}"
                ))),
            };
        }
        if self.is_closed() {
            return Err(Reject::FailedPrecondition(format!(
                "invalid transition from {:?}",
                self.state
            )));
        }
        self.terminate_request_id = Some(request_id.to_owned());
        let info = FailureInfo::TerminatedFailureInfo(TerminatedFailureInfo {
            identity: identity.to_owned(),
        });
        let failure = failure(reason.to_owned(), info);
        self.close(
            step,
            Input::Terminate,
            Outcome::Failure(failure, RetryState::Unspecified),
        );
        Ok(())
    }

    /// One of its clocks ran out.
    pub(crate) fn on_timer(&mut self, step: &mut Step<'_>, clock: ActivityTimer) {
        for (armed, of) in self.armed.iter_mut().zip(CLOCKS) {
            if of == clock {
                *armed = None;
            }
        }
        match clock {
            ActivityTimer::Retry => self.dispatch(step),
            ActivityTimer::ScheduleToStart => {
                self.end_by_timeout(step, TimeoutType::ScheduleToStart, RetryState::Timeout);
            }
            ActivityTimer::ScheduleToClose => {
                let retry_state = match self.state == State::CancelRequested {
                    true => RetryState::CancelRequested,
                    false => RetryState::Timeout,
                };
                self.end_by_timeout(step, TimeoutType::ScheduleToClose, retry_state);
            }
            ActivityTimer::StartToClose => self.attempt_timed_out(step, TimeoutType::StartToClose),
            ActivityTimer::Heartbeat => self.attempt_timed_out(step, TimeoutType::Heartbeat),
        }
    }

    /// More links, from another request to start it.
    pub(crate) fn attach_links(&mut self, links: Vec<Link>) {
        self.start.links.extend(links);
        self.transitions += 1;
    }

    pub(crate) fn activity(&self) -> ActivityRef {
        self.activity
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.start.namespace
    }

    pub(crate) fn activity_id(&self) -> &str {
        &self.start.activity_id
    }

    pub(crate) fn run_id(&self) -> &str {
        &self.start.run_id
    }

    /// The request that started it.
    pub(crate) fn request_id(&self) -> &str {
        &self.start.request_id
    }

    pub(crate) fn type_name(&self) -> &str {
        &self.start.activity_type
    }

    pub(crate) fn attempt(&self) -> i32 {
        self.attempt
    }

    /// The queue of its tasks.
    pub(crate) fn queue(&self) -> String {
        self.start.options.task_queue.clone().unwrap_or_default().name
    }

    /// What matching must know of its task.
    pub(crate) fn dispatch_of_task(&self) -> Dispatch {
        let priority = self.start.options.priority.as_ref();
        let (fairness_key, fairness_weight) = priority::fairness(priority);
        Dispatch {
            priority: priority::level(priority),
            fairness_key,
            fairness_weight,
            ..Dispatch::default()
        }
    }

    /// Whether its task waits on the queue.
    pub(crate) fn is_offered(&self) -> bool {
        self.state == State::Scheduled
    }

    /// Whether it has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.outcome.is_some()
    }

    /// Whether it ended otherwise than with a result.
    pub(crate) fn is_failed(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Failure(..)))
    }

    /// Whether a worker has it.
    pub(crate) fn is_in_progress(&self) -> bool {
        matches!(self.state, State::Started | State::CancelRequested)
    }

    fn check_attempt(&self, attempt: Option<i32>) -> Result<(), Reject> {
        match self.is_in_progress() && attempt.is_none_or(|attempt| attempt == self.attempt) {
            true => Ok(()),
            false => Err(not_found(self.activity_id())),
        }
    }

    fn complete(&mut self, step: &mut Step<'_>, result: Option<Payloads>, identity: &str) {
        if !self.is_in_progress() {
            self.started_at = Some(step.now);
        }
        self.attempt_completed_at = Some(step.now);
        identity.clone_into(&mut self.worker_identity);
        self.close(step, Input::Complete, Outcome::Result(result));
    }

    fn cancel(&mut self, step: &mut Step<'_>, details: Option<Payloads>) {
        let info = FailureInfo::CanceledFailureInfo(CanceledFailureInfo {
            details,
            identity: self
                .cancel
                .as_ref()
                .map(|cancel| cancel.identity.clone())
                .unwrap_or_default(),
        });
        let failure = failure("Activity canceled".to_owned(), info);
        self.close(step, Input::Cancel, Outcome::Failure(failure, RetryState::Unspecified));
    }

    fn record_heartbeat(&mut self, step: &mut Step<'_>, details: Option<Payloads>) {
        self.heartbeat_details = details;
        self.last_heartbeat_at = Some(step.now);
        self.heartbeat_count += 1;
        self.wind_clocks(step);
    }

    fn close(&mut self, step: &mut Step<'_>, input: Input, outcome: Outcome) {
        if self.go(input) {
            self.outcome = Some(outcome);
            self.closed_at = Some(step.now);
        }
        self.wind_clocks(step);
    }

    /// Takes a step of the table; `false` if there is none.
    fn go(&mut self, input: Input) -> bool {
        match step(self.state, input) {
            Some(next) => {
                self.state = next;
                // A task that goes to its queue is no change that anybody could see.
                self.transitions += i64::from(input != Input::Dispatch);
                true
            }
            None => false,
        }
    }
}

fn failure(message: String, info: FailureInfo) -> Failure {
    Failure {
        message,
        failure_info: Some(info),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_meets_every_input() {
        use Input as I;
        use State as S;
        super::super::walk(
            &[
                S::Waiting,
                S::Scheduled,
                S::Started,
                S::CancelRequested,
                S::Completed,
                S::Failed,
                S::Canceled,
                S::Terminated,
                S::TimedOut,
            ],
            &[
                I::Dispatch,
                I::Start,
                I::Retry,
                I::RequestCancel,
                I::Complete,
                I::Fail,
                I::Cancel,
                I::TimeOut,
                I::Terminate,
            ],
            TRANSITIONS,
            step,
        );
    }
}
