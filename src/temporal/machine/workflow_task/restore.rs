//! A workflow task in a history that another run takes over: as the events tell of it, and failed where a reset cuts.

use temporalio_protos::temporal::api::enums::v1::WorkflowTaskFailedCause;
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{Failure, ResetWorkflowFailureInfo};
use temporalio_protos::temporal::api::history::v1 as history;

use super::{Input, Kind, State, WorkflowTask, step};
use crate::clock::Timestamp;
use crate::temporal::proto::duration;
use crate::temporal::txn::Txn;

/// The request id of a task that the server itself starts, to fail it at once (Temporal: `emptyUUID`).
const UNSTARTED_REQUEST_ID: &str = "emptyUuid";

/// Who fails a workflow task at a reset (Temporal: `consts.IdentityHistoryService`).
const RESET_IDENTITY: &str = "history-service";

impl WorkflowTask {
    /// A history tells that the task was scheduled.
    pub(crate) fn restore_scheduled(
        &mut self,
        attributes: &history::WorkflowTaskScheduledEventAttributes,
        scheduled_event_id: i64,
        scheduled_at: Timestamp,
    ) {
        self.state = State::Scheduled;
        self.attempt = attributes.attempt.max(1);
        self.timeout = duration(attributes.start_to_close_timeout.as_ref()).unwrap_or_default();
        self.scheduled_event_id = scheduled_event_id;
        self.started_event_id = 0;
        self.scheduled_at = scheduled_at;
        self.original_scheduled_at = scheduled_at;
    }

    /// A history tells that a worker took the task.
    pub(crate) fn restore_started(&mut self, started_event_id: i64, started_at: Timestamp) {
        self.state = State::Started;
        self.started_event_id = started_event_id;
        self.started_at = started_at;
    }

    /// A history tells that the task was completed, or that it failed or timed out.
    pub(crate) fn restore_ended(&mut self, completed: bool) {
        self.state = State::None;
        if completed {
            self.last_completed_started_event_id = self.started_event_id;
        }
    }

    /// A reset cuts here: the task that the history ends with has failed. One that no worker had is started first.
    ///
    /// Nothing happens if no task is pending; the caller has refused such a cut.
    pub(crate) fn fail_by_reset(&mut self, txn: &mut Txn<'_>, reason: &str, base_run_id: &str, new_run_id: &str) {
        if let Some(next) = step(self.state, Input::Start) {
            self.state = next;
            self.started_at = txn.now;
            UNSTARTED_REQUEST_ID.clone_into(&mut self.request_id);
            RESET_IDENTITY.clone_into(&mut self.identity);
            self.worker_version = None;
            self.history_size_bytes = txn.log().committed_size_bytes();
            self.suggest_reasons = self.reasons_to_continue_as_new(txn, false);
            self.started_event_id = txn.emit(self.started_attributes());
        }
        let Some(next) = step(self.state, Input::Fail) else {
            return;
        };
        self.state = next;
        txn.emit(history::WorkflowTaskFailedEventAttributes {
            scheduled_event_id: self.scheduled_event_id,
            started_event_id: self.started_event_id,
            cause: WorkflowTaskFailedCause::ResetWorkflow as i32,
            failure: Some(Failure {
                message: reason.to_owned(),
                failure_info: Some(FailureInfo::ResetWorkflowFailureInfo(
                    ResetWorkflowFailureInfo::default(),
                )),
                ..Default::default()
            }),
            identity: RESET_IDENTITY.to_owned(),
            base_run_id: base_run_id.to_owned(),
            new_run_id: new_run_id.to_owned(),
            ..Default::default()
        });
        self.attempt = 1;
        self.kind = Kind::Normal;
        self.sticky = None;
    }
}
