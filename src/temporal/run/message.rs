//! What clients and other workflows send to a run: signals and the wish to cancel.

use temporalio_protos::temporal::api::common::v1 as common;
use temporalio_protos::temporal::api::history::v1 as history;

use super::{Context, Run};
use crate::temporal::history::NewEvent;
use crate::temporal::reject::Reject;

/// A signal, from a client or from a workflow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signal {
    pub(crate) name: String,
    pub(crate) input: Option<common::Payloads>,
    pub(crate) header: Option<common::Header>,
    pub(crate) identity: String,
    pub(crate) request_id: String,
    pub(crate) from: Option<common::WorkflowExecution>,
    pub(crate) links: Vec<common::Link>,
}

/// The wish that a run cancels.
#[derive(Clone, Debug, Default)]
pub(crate) struct CancelRequest {
    pub(crate) cause: String,
    pub(crate) identity: String,
    pub(crate) request_id: String,
    pub(crate) from: Option<(common::WorkflowExecution, i64)>,
    pub(crate) links: Vec<common::Link>,
}

impl Run {
    /// Takes a signal. The same request id again changes nothing.
    pub(crate) fn signal(&mut self, context: &mut Context<'_>, signal: Signal) -> Result<(), Reject> {
        if !signal.request_id.is_empty() && self.signal_request_ids.contains(&signal.request_id) {
            return Ok(());
        }
        if !self.is_running() {
            return Err(Reject::workflow_completed());
        }
        if context.config.signals > 0 && self.signal_count >= context.config.signals {
            return Err(Reject::InvalidArgument(
                "exceeded workflow execution limit for signal events".to_owned(),
            ));
        }
        self.write_signal(context, signal);
        self.settle(context, true);
        Ok(())
    }

    /// The signal's event, without a workflow task for it.
    pub(super) fn write_signal(&mut self, context: &mut Context<'_>, signal: Signal) {
        self.signal_count += 1;
        if !signal.request_id.is_empty() {
            self.signal_request_ids.insert(signal.request_id.clone());
        }
        let event = NewEvent::from(history::WorkflowExecutionSignaledEventAttributes {
            signal_name: signal.name,
            input: signal.input,
            identity: signal.identity,
            header: signal.header,
            external_workflow_execution: signal.from,
            request_id: signal.request_id,
            ..Default::default()
        })
        .with_links(signal.links);
        let (_, mut txn) = self.open(context);
        txn.emit(event);
    }

    /// A start found this run in its place and leaves something with it: its request id, its callbacks, its links.
    pub(crate) fn attach(
        &mut self,
        context: &mut Context<'_>,
        request_id: &str,
        callbacks: Vec<common::Callback>,
        links: Vec<common::Link>,
    ) {
        self.attach_callbacks(context, request_id, &callbacks);
        let event = NewEvent::from(history::WorkflowExecutionOptionsUpdatedEventAttributes {
            attached_request_id: request_id.to_owned(),
            attached_completion_callbacks: callbacks,
            ..Default::default()
        })
        .with_links(links);
        let (_, mut txn) = self.open(context);
        let event_id = txn.emit(event);
        if !request_id.is_empty() {
            self.attached_request_ids.insert(request_id.to_owned(), event_id);
        }
        self.settle(context, false);
    }

    /// Whether a start with this request id has found this run before.
    pub(crate) fn has_attached(&self, request_id: &str) -> bool {
        self.attached_request_ids.contains_key(request_id)
    }

    /// Takes the wish to cancel. A second one changes nothing, and one that comes after the end doesn't either.
    pub(crate) fn request_cancel(&mut self, context: &mut Context<'_>, request: CancelRequest) -> Result<(), Reject> {
        if !self.is_running() || self.cancel_requested {
            return Ok(());
        }
        self.cancel_requested = true;
        self.cancel_request_id.clone_from(&request.request_id);
        let (external_workflow_execution, external_initiated_event_id) = request
            .from
            .map_or((None, 0), |(from, event_id)| (Some(from), event_id));
        let event = NewEvent::from(history::WorkflowExecutionCancelRequestedEventAttributes {
            cause: request.cause,
            external_initiated_event_id,
            external_workflow_execution,
            identity: request.identity,
        })
        .with_links(request.links);
        let (_, mut txn) = self.open(context);
        txn.emit(event);
        // Unlike a signal it doesn't wait for a start delay, nor for a retry's or a cron string's moment.
        self.skip_first_task_backoff(context);
        self.settle(context, true);
        Ok(())
    }
}
