//! Nexus requests between runs and workers, and the callbacks between runs.

use std::time::Duration;

use prost::Message as _;
use temporalio_protos::temporal::api::common::v1::callback;
use temporalio_protos::temporal::api::enums::v1::TimeoutType;
use temporalio_protos::temporal::api::workflowservice::v1::PollNexusTaskQueueResponse;

use super::{Engine, HandKey};
use crate::clock::Timestamp;
use crate::temporal::machine::callback::Undelivered;
use crate::temporal::matching::{Dispatch, Poller, Task};
use crate::temporal::nexus::completion::{CallbackToken, Completion, MAX_OPERATION_TOKEN_LENGTH, TOKEN_HEADER};
use crate::temporal::nexus::endpoint::Target;
use crate::temporal::nexus::failure::{Refusal, StartOutcome};
use crate::temporal::nexus::outbound::{self, Attempt, CallbackId, CallbackOutcome};
use crate::temporal::nexus::request::{Caller, CancelRequest, InFlight, StartRequest, Wants};
use crate::temporal::nexus::{INTERNAL_CALLBACK_URL, OperationId, SYSTEM_CALLBACK_URL, breaker};
use crate::temporal::reject::Reject;
use crate::temporal::run::RunRef;
use crate::temporal::timer::Timer;
use crate::temporal::token::TaskToken;
use crate::temporal::txn::Note;
use crate::temporal::versioning::build_ids::BuildIdDirective;

/// A request, and how long it may take: the timeout to blame if that is too little.
type Timed<R> = (R, Result<Duration, TimeoutType>);

/// Where a request goes.
enum Way {
    /// To workers: the namespace's name and the task queue.
    Worker(String, String),
    /// To another server, which needs a URL to call back by; by default none is configured, and the request stays.
    External,
    /// Nowhere: the endpoint isn't registered.
    None,
}

impl Engine {
    /// An operation wants to be started.
    pub(super) fn start_nexus_operation(&mut self, now: Timestamp, operation: OperationId) {
        let Some((request, timeout)) = self.nexus_start_request(now, operation) else {
            return;
        };
        let caller = Caller {
            operation,
            wants: Wants::Start,
        };
        match (self.way(operation), timeout) {
            (Way::None, _) => {
                let refused = StartOutcome::Refused(Refusal::endpoint_not_registered());
                self.tell_nexus_start(now, caller, refused);
            }
            (Way::External, _) => self.note_external(&request.endpoint),
            (Way::Worker(..), Err(timeout)) => self.tell_nexus_start(now, caller, StartOutcome::NoTime(timeout)),
            (Way::Worker(namespace, queue), Ok(timeout)) => {
                self.send_nexus_request(now, &namespace, queue, request.into_flight(now, caller, timeout));
            }
        }
    }

    /// An operation wants to be cancelled.
    pub(super) fn cancel_nexus_operation(&mut self, now: Timestamp, operation: OperationId) {
        let Some((request, timeout)) = self.nexus_cancel_request(now, operation) else {
            return;
        };
        let caller = Caller {
            operation,
            wants: Wants::Cancel,
        };
        match (self.way(operation), timeout) {
            (Way::None, _) => self.tell_nexus_cancel(now, caller, Err(Refusal::endpoint_not_registered())),
            (Way::External, _) => self.note_external(&request.endpoint),
            (Way::Worker(..), Err(timeout)) => {
                let refusal = match operation {
                    OperationId::OfRun { .. } => Refusal::no_time(timeout),
                    OperationId::Standalone(_) => Refusal::no_time_to_cancel(timeout),
                };
                self.tell_nexus_cancel(now, caller, Err(refusal));
            }
            (Way::Worker(namespace, queue), Ok(timeout)) => {
                self.send_nexus_request(now, &namespace, queue, request.into_flight(now, caller, timeout));
            }
        }
    }

    fn nexus_start_request(&self, now: Timestamp, operation: OperationId) -> Option<Timed<StartRequest>> {
        match operation {
            OperationId::OfRun {
                run,
                scheduled_event_id,
            } => {
                let run = self.runs.get(run).filter(|run| run.is_running())?;
                run.nexus_start_request(now, scheduled_event_id)
            }
            OperationId::Standalone(operation) => self.nexus.operations.get(operation)?.start_request(now),
        }
    }

    fn nexus_cancel_request(&self, now: Timestamp, operation: OperationId) -> Option<Timed<CancelRequest>> {
        match operation {
            OperationId::OfRun {
                run,
                scheduled_event_id,
            } => {
                let run = self.runs.get(run).filter(|run| run.is_running())?;
                run.nexus_cancel_request(now, scheduled_event_id)
            }
            OperationId::Standalone(operation) => self.nexus.operations.get(operation)?.cancel_request(now),
        }
    }

    /// A worker takes a request. Nothing if it took too long to come to that.
    pub(super) fn start_nexus_task(&mut self, now: Timestamp, number: u64, poller: &Poller) -> Option<Vec<u8>> {
        let request = self.nexus.requests.get(number)?;
        let what = request.what();
        let response = PollNexusTaskQueueResponse {
            task_token: TaskToken::Nexus { number }.encode(),
            request: Some(request.for_worker(now)),
            ..Default::default()
        };
        self.take_in_hand(HandKey::Nexus(number), poller, what.into());
        Some(response.encode_to_vec())
    }

    /// A worker answers a request. Nothing is there to answer after the deadline.
    pub(crate) fn take_nexus_answer(&mut self, number: u64) -> Result<Caller, Reject> {
        self.hands.remove(&HandKey::Nexus(number));
        let Some(request) = self.nexus.requests.remove(number) else {
            return Err(Reject::NotFound("Nexus task not found or already expired".to_owned()));
        };
        self.timers.stop(Timer::NexusRequest(number));
        Ok(request.caller)
    }

    /// Tells the caller how its request to start an operation went.
    pub(crate) fn tell_nexus_start(&mut self, now: Timestamp, caller: Caller, outcome: StartOutcome) {
        match caller.operation {
            OperationId::OfRun {
                run,
                scheduled_event_id,
            } => self.step(now, run, |run, context| {
                run.on_nexus_start_answered(context, scheduled_event_id, outcome);
            }),
            OperationId::Standalone(operation) => {
                self.with_operation(now, operation, |operation, step| operation.answered(step, outcome));
            }
        }
    }

    /// Tells the caller how its request to cancel an operation went.
    pub(crate) fn tell_nexus_cancel(&mut self, now: Timestamp, caller: Caller, outcome: Result<(), Refusal>) {
        match caller.operation {
            OperationId::OfRun {
                run,
                scheduled_event_id,
            } => self.step(now, run, |run, context| {
                run.on_nexus_cancel_answered(context, scheduled_event_id, outcome);
            }),
            OperationId::Standalone(operation) => {
                self.with_operation(now, operation, |operation, step| {
                    operation.cancel_answered(step, outcome)
                });
            }
        }
    }

    /// No worker answered in time, or none was there.
    pub(super) fn on_nexus_request_timeout(&mut self, now: Timestamp, number: u64) {
        let Ok(caller) = self.take_nexus_answer(number) else {
            return;
        };
        let refusal = Refusal::timed_out();
        match caller.wants {
            Wants::Start => self.tell_nexus_start(now, caller, StartOutcome::Refused(refusal)),
            Wants::Cancel => self.tell_nexus_cancel(now, caller, Err(refusal)),
        }
    }

    /// A run has closed, and somebody wants to know.
    pub(super) fn deliver_callback(&mut self, now: Timestamp, run: RunRef, index: usize) {
        let Some((nexus, completion)) = self.runs.get(run).and_then(|run| {
            let callback = run.machines.callbacks.get(index).filter(|it| it.is_scheduled())?;
            Some((callback.nexus()?.clone(), run.nexus_completion(callback)?))
        }) else {
            return;
        };
        let outcome = match nexus.url.as_str() {
            SYSTEM_CALLBACK_URL => {
                let token = nexus.header.get(TOKEN_HEADER).cloned().unwrap_or_default();
                self.complete_nexus_operation(now, &token, completion)
            }
            // No part of ours has given out a token for it. Why a token isn't one stands in a real server's log only.
            INTERNAL_CALLBACK_URL => Err(Undelivered {
                message: format!("internal error, reference-id: {}", self.entropy.uuid()),
                retryable: false,
            }),
            _ => return self.call_back(now, run, index, &nexus, &completion),
        };
        self.with_run(now, run, |run, context| {
            run.on_callback_answered(context, index, outcome)
        });
    }

    /// Calls back another server, unless it has failed too often.
    fn call_back(
        &mut self,
        now: Timestamp,
        run: RunRef,
        index: usize,
        nexus: &callback::Nexus,
        completion: &Completion,
    ) {
        let Some(start) = self.runs.get(run).map(|run| &run.start) else {
            return;
        };
        let (namespace, workflow_id, url) = (start.namespace.clone(), start.workflow_id.clone(), nexus.url.clone());
        let Some(permit) = self.nexus.breakers.allow(now, &namespace, &breaker::destination(&url)) else {
            let note = format!("workflow {workflow_id} doesn't call back {url} for now: it keeps failing");
            self.notes.push(Note::temporal(note));
            self.with_run(now, run, |run, context| run.hold_callback(context, index));
            return;
        };
        let attempt = Attempt {
            run,
            index,
            namespace,
            url,
            permit,
        };
        match outbound::request(nexus, completion) {
            Ok(request) => {
                let note = format!("workflow {workflow_id} calls back {}", nexus.url);
                self.notes.push(Note::temporal(note));
                self.nexus.outgoing.send(attempt, request);
            }
            Err(message) => {
                let why = Undelivered {
                    message,
                    retryable: true,
                };
                self.end_attempt(now, &attempt, Err(why));
            }
        }
    }

    fn end_attempt(&mut self, now: Timestamp, attempt: &Attempt, outcome: Result<(), Undelivered>) {
        let destination = breaker::destination(&attempt.url);
        let is_down = matches!(&outcome, Err(why) if why.retryable);
        let breakers = &mut self.nexus.breakers;
        breakers.tell(now, &attempt.namespace, &destination, attempt.permit, is_down);
        self.with_run(now, attempt.run, |run, context| {
            run.on_callback_answered(context, attempt.index, outcome)
        });
    }

    /// The next callback to send to another server. Until [`Self::handle_called_back`] the engine is busy with it.
    pub fn poll_callback(&mut self) -> Option<(CallbackId, http::Request<bytes::Bytes>)> {
        self.nexus.outgoing.poll()
    }

    /// A callback to another server has been answered, or couldn't be sent.
    pub fn handle_called_back(&mut self, now: Timestamp, id: CallbackId, outcome: CallbackOutcome) {
        let Some(attempt) = self.nexus.outgoing.take(id) else {
            return;
        };
        let outcome = outbound::outcome(&attempt.url, outcome);
        if let Err(why) = &outcome {
            self.notes
                .push(Note::temporal(format!("a completion callback failed: {}", why.message)));
        }
        self.end_attempt(now, &attempt, outcome);
        self.settle(now);
    }

    /// What the completion handler of Temporal's frontend does with a callback.
    fn complete_nexus_operation(
        &mut self,
        now: Timestamp,
        token: &str,
        completion: Completion,
    ) -> Result<(), Undelivered> {
        let refused = |error_type: &str, message: &str| Undelivered {
            message: format!("handler error ({error_type}): {message}"),
            retryable: false,
        };
        let Some(token) = CallbackToken::decode(token) else {
            return Err(refused("BAD_REQUEST", "invalid callback token"));
        };
        let length = completion.operation_token.len();
        if length > MAX_OPERATION_TOKEN_LENGTH {
            let limit = MAX_OPERATION_TOKEN_LENGTH;
            let message = format!("operation token length exceeds allowed limit ({length}/{limit})");
            return Err(refused("BAD_REQUEST", &message));
        }
        let request_id = &token.request_id;
        let told = match token.operation {
            OperationId::OfRun {
                run,
                scheduled_event_id,
            } => self.with_run(now, self.run_to_complete(run, scheduled_event_id), |run, context| {
                run.complete_nexus_operation(context, scheduled_event_id, request_id, completion)
            }),
            OperationId::Standalone(operation) => self.with_operation(now, operation, |operation, step| {
                operation.complete(step, request_id, completion)
            }),
        };
        told.unwrap_or_else(|| Err(Reject::NotFound("workflow execution not found".to_owned())))
            .map_err(|reject| refused("NOT_FOUND", &reject.message()))
    }

    /// The run that a completion is for. One that has closed may have been reset: then the workflow's latest run has the operation.
    fn run_to_complete(&self, run: RunRef, scheduled_event_id: i64) -> RunRef {
        let Some(named) = self.runs.get(run) else {
            return run;
        };
        if named.is_running() && named.machines.nexus_operations.contains_key(&scheduled_event_id) {
            return run;
        }
        let current = self.runs.current(&named.start.namespace, &named.start.workflow_id);
        current.map_or(run, |current| current.run)
    }

    fn way(&self, operation: OperationId) -> Way {
        let endpoint = match operation {
            OperationId::OfRun {
                run,
                scheduled_event_id,
            } => self.runs.get(run).and_then(|run| {
                let operation = run.machines.nexus_operations.get(&scheduled_event_id)?;
                let attributes = operation.attributes();
                Some((attributes.endpoint_id.clone(), attributes.endpoint.clone()))
            }),
            OperationId::Standalone(operation) => self.nexus.operations.get(operation).map(|operation| {
                let start = operation.start();
                (start.endpoint_id.clone(), start.endpoint.clone())
            }),
        };
        let Some((id, name)) = endpoint else {
            return Way::None;
        };
        match self
            .nexus
            .endpoints
            .resolve(&id, &name)
            .map(|endpoint| &endpoint.spec.target)
        {
            None => Way::None,
            Some(Target::External { .. }) => Way::External,
            Some(Target::Worker {
                namespace_id,
                task_queue,
            }) => match self.namespaces.by_id(namespace_id) {
                Some(namespace) => Way::Worker(namespace.name.clone(), task_queue.clone()),
                None => Way::None,
            },
        }
    }

    fn send_nexus_request(&mut self, now: Timestamp, namespace: &str, queue: String, request: InFlight) {
        let deadline = request.deadline;
        let number = self.nexus.requests.insert(request);
        self.timers.set(Timer::NexusRequest(number), deadline);
        let dispatch = Dispatch {
            build_id: BuildIdDirective::Assign,
            ..Default::default()
        };
        let queue = queue.into();
        self.matching
            .add(now, namespace, Task::Nexus { number, queue }, dispatch);
    }

    fn note_external(&mut self, endpoint: &str) {
        self.notes.push(Note::temporal(format!(
            "nexus endpoint {endpoint} is external: its request waits, since no callback URL is configured"
        )));
    }
}
