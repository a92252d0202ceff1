//! What happens to a run's nexus operations, and to the callbacks that tell others of its end.

use temporalio_protos::temporal::api::common::v1::link::workflow_event::{
    EventReference, Reference, RequestIdReference,
};
use temporalio_protos::temporal::api::common::v1::link::{Variant, WorkflowEvent};
use temporalio_protos::temporal::api::common::v1::{Callback, Link};
use temporalio_protos::temporal::api::enums::v1::{EventType, TimeoutType};
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{
    CanceledFailureInfo, Failure, TerminatedFailureInfo, TimeoutFailureInfo,
};
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::history::v1::history_event::Attributes;

use super::{Context, Run};
use crate::clock::Timestamp;
use crate::temporal::machine::callback::{CompletionCallback, Undelivered};
use crate::temporal::machine::nexus_operation::NexusOperation;
use crate::temporal::nexus::completion::{CallbackToken, Completion, OPERATION_TOKEN_HEADER, Outcome};
use crate::temporal::nexus::failure::{self, Refusal, StartOutcome};
use crate::temporal::nexus::request::{CancelRequest, StartRequest, request_timeout};
use crate::temporal::nexus::{OperationId, content, link};
use crate::temporal::proto::moment;
use crate::temporal::reject::Reject;
use crate::temporal::timer::NexusTimer;

impl Run {
    /// The command `ScheduleNexusOperation`.
    pub(crate) fn schedule_nexus_operation(
        &mut self,
        context: &mut Context<'_>,
        attributes: history::NexusOperationScheduledEventAttributes,
        completed_event_id: i64,
    ) {
        let attributes = history::NexusOperationScheduledEventAttributes {
            workflow_task_completed_event_id: completed_event_id,
            request_id: context.entropy.uuid(),
            ..attributes
        };
        let scheduled_event_id = self.log.next_event_id();
        let (machines, mut txn) = self.open(context);
        let operation = NexusOperation::schedule(&mut txn, attributes);
        machines.nexus_operations.insert(scheduled_event_id, operation);
    }

    /// The command `RequestCancelNexusOperation`; the operation may have ended meanwhile.
    pub(crate) fn cancel_nexus_operation(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        completed_event_id: i64,
    ) {
        let (machines, mut txn) = self.open(context);
        let requested_event_id = txn.emit(history::NexusOperationCancelRequestedEventAttributes {
            scheduled_event_id,
            workflow_task_completed_event_id: completed_event_id,
        });
        if let Some(operation) = machines.nexus_operations.get_mut(&scheduled_event_id) {
            operation.request_cancel(&mut txn, requested_event_id);
        }
    }

    /// The request to start an operation, and how long it may take. Nothing if it isn't wanted any more.
    pub(crate) fn nexus_start_request(
        &self,
        now: Timestamp,
        scheduled_event_id: i64,
    ) -> Option<(StartRequest, Result<std::time::Duration, TimeoutType>)> {
        let operation = self.machines.nexus_operations.get(&scheduled_event_id)?;
        if !operation.is_scheduled() {
            return None;
        }
        let (to_start, to_close) = (operation.left_to_start(now), operation.left_to_close(now));
        let timeout = match to_start {
            Some(_) => request_timeout(&[(to_start, TimeoutType::ScheduleToStart)]),
            None => request_timeout(&[(to_close, TimeoutType::ScheduleToClose)]),
        };
        let for_handler = [operation.left_of_run(now), to_close].into_iter().flatten().min();
        let attributes = operation.attributes();
        let request = StartRequest {
            endpoint: attributes.endpoint.clone(),
            service: attributes.service.clone(),
            operation: attributes.operation.clone(),
            request_id: attributes.request_id.clone(),
            input: attributes.input.clone(),
            header: attributes.nexus_header.clone(),
            link: link::to_event(
                &self.start.namespace,
                &self.start.workflow_id,
                &self.start.run_id,
                scheduled_event_id,
                EventType::NexusOperationScheduled,
            ),
            callback_token: CallbackToken {
                operation: OperationId::OfRun {
                    run: self.run,
                    scheduled_event_id,
                },
                request_id: attributes.request_id.clone(),
            }
            .encode(),
            operation_deadline: for_handler.map(|left| now + left),
        };
        Some((request, timeout))
    }

    /// The request to cancel an operation, and how long it may take. Nothing if it isn't wanted any more.
    pub(crate) fn nexus_cancel_request(
        &self,
        now: Timestamp,
        scheduled_event_id: i64,
    ) -> Option<(CancelRequest, Result<std::time::Duration, TimeoutType>)> {
        let operation = self.machines.nexus_operations.get(&scheduled_event_id)?;
        let cancellation = operation.cancellation.as_ref()?;
        if operation.is_closed() || !cancellation.is_scheduled() {
            return None;
        }
        let timeout = request_timeout(&[
            (operation.left_of_run(now), TimeoutType::StartToClose),
            (operation.left_to_close(now), TimeoutType::ScheduleToClose),
        ]);
        let attributes = operation.attributes();
        let request = CancelRequest {
            endpoint: attributes.endpoint.clone(),
            service: attributes.service.clone(),
            operation: attributes.operation.clone(),
            operation_token: operation.operation_token().to_owned(),
            header: attributes.nexus_header.clone(),
        };
        Some((request, timeout))
    }

    /// The answer to the request to start an operation.
    pub(crate) fn on_nexus_start_answered(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        outcome: StartOutcome,
    ) {
        self.with_operation(context, scheduled_event_id, |operation, txn| {
            operation.answered(txn, outcome)
        });
    }

    /// The answer to the request to cancel an operation.
    pub(crate) fn on_nexus_cancel_answered(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        outcome: Result<(), Refusal>,
    ) {
        self.with_operation(context, scheduled_event_id, |operation, txn| {
            let closed = operation.is_closed();
            match operation.cancellation.as_mut().filter(|_| !closed) {
                Some(cancellation) => cancellation.answered(txn, scheduled_event_id, outcome),
                None => false,
            }
        });
    }

    /// One of an operation's clocks ran out.
    pub(crate) fn on_nexus_timer(&mut self, context: &mut Context<'_>, scheduled_event_id: i64, clock: NexusTimer) {
        self.with_operation(context, scheduled_event_id, |operation, txn| {
            operation.on_timer(txn, clock)
        });
    }

    /// A callback says how an operation ended.
    pub(crate) fn complete_nexus_operation(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        request_id: &str,
        completion: Completion,
    ) -> Result<(), Reject> {
        if !self.is_running() {
            return Err(Reject::workflow_completed());
        }
        let not_found = |text: &str| Err(Reject::NotFound(text.to_owned()));
        if !self.machines.nexus_operations.contains_key(&scheduled_event_id) {
            return not_found("stale reference: state machine not found");
        }
        let told = self.with_operation(context, scheduled_event_id, |operation, txn| {
            operation.complete(txn, request_id, completion)
        });
        match told {
            true => Ok(()),
            false => not_found("operation not found"),
        }
    }

    fn with_operation(
        &mut self,
        context: &mut Context<'_>,
        scheduled_event_id: i64,
        body: impl FnOnce(&mut NexusOperation, &mut crate::temporal::txn::Txn<'_>) -> bool,
    ) -> bool {
        let (machines, mut txn) = self.open(context);
        let Some(operation) = machines.nexus_operations.get_mut(&scheduled_event_id) else {
            return false;
        };
        let told = body(operation, &mut txn);
        if !operation.is_kept() {
            machines.nexus_operations.remove(&scheduled_event_id);
        }
        if told {
            self.settle(context, true);
        }
        told
    }

    /// The callbacks that the run was started with.
    pub(super) fn completion_callbacks(&self, context: &Context<'_>) -> Vec<CompletionCallback> {
        let attach =
            |callback: &Callback| CompletionCallback::new(callback.clone(), self.start.request_id.clone(), context.now);
        self.start.completion_callbacks.iter().map(attach).collect()
    }

    /// A start that found this run in its place wants to hear of its end too.
    pub(super) fn attach_callbacks(&mut self, context: &Context<'_>, request_id: &str, callbacks: &[Callback]) {
        let attach =
            |callback: &Callback| CompletionCallback::new(callback.clone(), request_id.to_owned(), context.now);
        self.machines.callbacks.extend(callbacks.iter().map(attach));
    }

    /// The chain of runs has ended with this one: its callbacks go out.
    pub(super) fn schedule_callbacks(&mut self, context: &mut Context<'_>) {
        let (machines, mut txn) = self.open(context);
        for (index, callback) in machines.callbacks.iter_mut().enumerate() {
            callback.schedule(&mut txn, index);
        }
    }

    /// The wait before the next delivery of a callback is over.
    pub(crate) fn on_callback_timer(&mut self, context: &mut Context<'_>, index: usize) {
        let (machines, mut txn) = self.open(context);
        if let Some(callback) = machines.callbacks.get_mut(index) {
            callback.reschedule(&mut txn, index);
        }
    }

    /// The server that a callback is for keeps failing.
    pub(crate) fn hold_callback(&mut self, context: &mut Context<'_>, index: usize) {
        let (machines, mut txn) = self.open(context);
        if let Some(callback) = machines.callbacks.get_mut(index) {
            callback.hold(&mut txn, index);
        }
    }

    /// A callback has arrived, or not.
    pub(crate) fn on_callback_answered(
        &mut self,
        context: &mut Context<'_>,
        index: usize,
        outcome: Result<(), Undelivered>,
    ) {
        let (machines, mut txn) = self.open(context);
        if let Some(callback) = machines.callbacks.get_mut(index) {
            callback.answered(&mut txn, index, outcome);
        }
    }

    /// What a callback says of this run's end (`mutable_state_impl.GetNexusCompletion`).
    pub(crate) fn nexus_completion(&self, callback: &CompletionCallback) -> Option<Completion> {
        let close = self.log.close_event()?;
        let outcome = outcome(&close.attributes?)?;
        let header = &callback.nexus()?.header;
        Some(Completion {
            operation_token: header.get(OPERATION_TOKEN_HEADER).cloned().unwrap_or_default(),
            // The header that carries it knows only whole seconds.
            started_at: Timestamp::from_seconds(self.started_at.as_seconds()),
            closed_at: close.event_time.as_ref().map(moment).unwrap_or_default(),
            links: vec![self.link_to_work(callback.request_id())],
            outcome,
        })
    }

    /// A link to what attached a callback: the start of this run, or a later one that found it in its place.
    fn link_to_work(&self, request_id: &str) -> Link {
        Link {
            variant: Some(Variant::WorkflowEvent(WorkflowEvent {
                namespace: self.start.namespace.clone(),
                workflow_id: self.start.workflow_id.clone(),
                run_id: self.start.run_id.clone(),
                reference: Some(match self.has_attached(request_id) {
                    true => Reference::RequestIdRef(RequestIdReference {
                        request_id: request_id.to_owned(),
                        event_type: EventType::WorkflowExecutionOptionsUpdated as i32,
                    }),
                    false => Reference::EventRef(EventReference {
                        event_id: 1,
                        event_type: EventType::WorkflowExecutionStarted as i32,
                    }),
                }),
            })),
        }
    }
}

/// How an operation ended that a run worked for. Others get no reasons and no details beyond this.
fn outcome(close: &Attributes) -> Option<Outcome> {
    let unsuccessful = |canceled: bool, message: &str, info: FailureInfo| Outcome::Unsuccessful {
        canceled,
        cause: Failure {
            message: message.to_owned(),
            failure_info: Some(info),
            ..Default::default()
        },
    };
    Some(match close {
        Attributes::WorkflowExecutionCompletedEventAttributes(completed) => {
            let first = completed.result.as_ref().and_then(|result| result.payloads.first());
            Outcome::Succeeded(Some(content::pass(first.cloned())))
        }
        Attributes::WorkflowExecutionFailedEventAttributes(failed) => Outcome::Unsuccessful {
            canceled: false,
            cause: failure::pass(failed.failure.clone().unwrap_or_default()),
        },
        Attributes::WorkflowExecutionCanceledEventAttributes(canceled) => unsuccessful(
            true,
            "operation canceled",
            FailureInfo::CanceledFailureInfo(CanceledFailureInfo {
                details: canceled.details.clone(),
                ..Default::default()
            }),
        ),
        Attributes::WorkflowExecutionTerminatedEventAttributes(_) => unsuccessful(
            false,
            "operation terminated",
            FailureInfo::TerminatedFailureInfo(TerminatedFailureInfo::default()),
        ),
        Attributes::WorkflowExecutionTimedOutEventAttributes(_) => unsuccessful(
            false,
            "operation exceeded internal timeout",
            FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo::default()),
        ),
        _ => return None,
    })
}
