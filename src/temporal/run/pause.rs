//! Pausing a run: its worker gets nothing new to do until it is unpaused.

use temporalio_protos::temporal::api::common::v1::Payload;
use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus;
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::workflow::v1::WorkflowExecutionPauseInfo;

use super::{Context, Run};
use crate::clock::Timestamp;
use crate::temporal::history::NewEvent;
use crate::temporal::proto::timestamp;
use crate::temporal::reject::Reject;

/// The search attribute by which paused workflows are found.
pub(crate) const PAUSE_SEARCH_ATTRIBUTE: &str = "TemporalPauseInfo";

/// Temporal 1.32 can't pause a run that has had no workflow task, and says no more than this (seen on the real server).
const TOO_EARLY: &str = "something went wrong, please retry (c27988bd)";

/// A client's wish to pause or to unpause.
#[derive(Clone, Debug, Default)]
pub(crate) struct PauseRequest {
    pub(crate) identity: String,
    pub(crate) reason: String,
    pub(crate) request_id: String,
}

/// Who paused the run, when and why. The run keeps it if it is ended while it is paused.
#[derive(Clone, Debug)]
pub(crate) struct Pause {
    paused_at: Timestamp,
    request: PauseRequest,
}

impl Pause {
    /// As `DescribeWorkflowExecution` shows it.
    pub(crate) fn describe(&self) -> WorkflowExecutionPauseInfo {
        WorkflowExecutionPauseInfo {
            identity: self.request.identity.clone(),
            paused_time: Some(timestamp(self.paused_at)),
            reason: self.request.reason.clone(),
        }
    }
}

impl Run {
    /// Whether a client has paused it.
    pub(crate) fn is_paused(&self) -> bool {
        self.status == WorkflowExecutionStatus::Paused
    }

    /// Pauses the run. The same request id again changes nothing.
    pub(crate) fn pause(&mut self, context: &mut Context<'_>, request: PauseRequest) -> Result<(), Reject> {
        if !self.is_running() {
            return Err(Reject::workflow_completed());
        }
        if self.is_paused() {
            let known = self.pause.as_ref().map(|pause| pause.request.request_id.as_str());
            return match !request.request_id.is_empty() && known == Some(&request.request_id) {
                true => Ok(()),
                false => Err(Reject::FailedPrecondition("workflow is already paused.".to_owned())),
            };
        }
        if self.in_first_task_backoff {
            return Err(Reject::Internal(TOO_EARLY.to_owned()));
        }
        let event = NewEvent::from(history::WorkflowExecutionPausedEventAttributes {
            identity: request.identity.clone(),
            reason: request.reason.clone(),
            request_id: request.request_id.clone(),
        });
        let (_, mut txn) = self.open(context);
        txn.emit(event);
        self.status = WorkflowExecutionStatus::Paused;
        self.pause = Some(Pause {
            paused_at: context.now,
            request,
        });
        context.effects.visible = true;
        self.withdraw_tasks(context);
        self.settle(context, false);
        Ok(())
    }

    /// Lets the run go on, with a workflow task of its own whatever it waits for.
    pub(crate) fn unpause(&mut self, context: &mut Context<'_>, request: PauseRequest) -> Result<(), Reject> {
        if !self.is_running() {
            return Err(Reject::workflow_completed());
        }
        if !self.is_paused() {
            return Err(Reject::FailedPrecondition("workflow is not paused.".to_owned()));
        }
        self.status = WorkflowExecutionStatus::Running;
        self.pause = None;
        context.effects.visible = true;
        let event = NewEvent::from(history::WorkflowExecutionUnpausedEventAttributes {
            identity: request.identity,
            reason: request.reason,
            request_id: request.request_id,
        });
        let (machines, mut txn) = self.open(context);
        txn.emit(event);
        for activity in machines.activities.values_mut() {
            activity.offer_after_pause(&mut txn);
        }
        self.settle(context, true);
        Ok(())
    }

    /// What [`PAUSE_SEARCH_ATTRIBUTE`] says, if there is anything to say.
    pub(super) fn pause_search_attribute(&self) -> Option<Payload> {
        let pause = self.pause.as_ref()?;
        let mut entries = vec![format!("Workflow:{}", self.start.workflow_id)];
        if !pause.request.reason.is_empty() {
            entries.push(format!("Reason:{}", pause.request.reason));
        }
        Some(Payload {
            metadata: [
                ("encoding".to_owned(), b"json/plain".to_vec()),
                ("type".to_owned(), b"KeywordList".to_vec()),
            ]
            .into(),
            data: serde_json::to_vec(&entries).unwrap_or_default(),
            ..Default::default()
        })
    }

    /// A task in a worker's hands may still be answered; what no worker has yet isn't given to any.
    fn withdraw_tasks(&mut self, context: &mut Context<'_>) {
        let queue = self.start.task_queue.clone();
        let (machines, mut txn) = self.open(context);
        for activity in machines.activities.values_mut() {
            activity.hold_back(&mut txn);
        }
        machines.workflow_task.pause_before_start(&mut txn, &queue);
    }
}
