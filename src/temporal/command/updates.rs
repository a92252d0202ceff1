//! Checks what a worker says of updates (Temporal's `service/history/workflow/update`, above all its `validation.go`).

use std::collections::BTreeMap;

use temporalio_protos::temporal::api::enums::v1::WorkflowTaskFailedCause as Cause;
use temporalio_protos::temporal::api::update::v1::{Acceptance, Response};

use super::BadCommand;
use crate::temporal::machine::update::State;
use crate::temporal::run::Run;

/// Updates as they will be after the messages so far.
#[derive(Default)]
pub(super) struct Updates<'a> {
    changed: BTreeMap<&'a str, Stage>,
    /// A command before has closed the run: nothing but rejections is looked at any more.
    closed: bool,
}

/// Where Temporal sees an update; what this task did counts once the task is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Admitted,
    Sent,
    ProvisionallyAccepted,
    Accepted,
    ProvisionallyCompleted,
    Completed,
}

impl<'a> Updates<'a> {
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn accept(&mut self, run: &Run, id: &'a str, acceptance: &Acceptance) -> Result<(), BadCommand> {
        let stage = self.stage(run, id)?;
        if self.closed {
            return Ok(());
        }
        expect(id, "Acceptance", stage, &[Stage::Admitted, Stage::Sent])?;
        let sequencing_event_id = acceptance.accepted_request_sequencing_event_id;
        set(
            sequencing_event_id != 0,
            "Acceptance",
            "accepted_request_sequencing_event_id",
        )?;
        let message_id = &acceptance.accepted_request_message_id;
        set(!message_id.is_empty(), "Acceptance", "accepted_request_message_id")?;
        self.changed.insert(id, Stage::ProvisionallyAccepted);
        Ok(())
    }

    pub(super) fn reject(&mut self, run: &Run, id: &'a str) -> Result<(), BadCommand> {
        let stage = self.stage(run, id)?;
        expect(id, "Rejection", stage, &[Stage::Admitted, Stage::Sent])?;
        self.changed.insert(id, Stage::ProvisionallyCompleted);
        Ok(())
    }

    pub(super) fn complete(&mut self, run: &Run, id: &'a str, response: &Response) -> Result<(), BadCommand> {
        let stage = self.stage(run, id)?;
        if self.closed {
            return Ok(());
        }
        let allowed = [Stage::ProvisionallyAccepted, Stage::Accepted];
        expect(id, "Response", stage, &allowed)?;
        set(response.meta.is_some(), "Response", "meta")?;
        let named = response.meta.as_ref().map_or("", |meta| &meta.update_id);
        set(!named.is_empty(), "Response", "meta.update_id")?;
        if named != id {
            return Err(bad(format!("invalid *update.Response: meta.update_id != {id}")));
        }
        set(response.outcome.is_some(), "Response", "outcome")?;
        self.changed.insert(id, Stage::ProvisionallyCompleted);
        Ok(())
    }

    fn stage(&self, run: &Run, id: &str) -> Result<Stage, BadCommand> {
        if let Some(stage) = self.changed.get(id) {
            return Ok(*stage);
        }
        match run
            .machines
            .updates
            .get(id)
            .map(crate::temporal::machine::update::Update::state)
        {
            Some(State::Admitted) => Ok(Stage::Admitted),
            Some(State::Sent) => Ok(Stage::Sent),
            Some(State::Accepted) => Ok(Stage::Accepted),
            Some(State::Completed) => Ok(Stage::Completed),
            // Temporal forgets an update that was rejected.
            Some(State::Rejected) | None => Err(bad(format!(
                "update {id} wasn't found on the server. This is most likely a transient error which will be resolved \
                 automatically by retries"
            ))),
        }
    }
}

fn expect(id: &str, message: &str, stage: Stage, allowed: &[Stage]) -> Result<(), BadCommand> {
    match allowed.contains(&stage) {
        true => Ok(()),
        false => Err(bad(format!(
            "invalid state transition attempted for Update {id}: received *update.{message} message while in state \
             {stage:?}"
        ))),
    }
}

fn set(is_set: bool, message: &str, field: &str) -> Result<(), BadCommand> {
    match is_set {
        true => Ok(()),
        false => Err(bad(format!("invalid *update.{message}: {field} is not set"))),
    }
}

fn bad(why: String) -> BadCommand {
    BadCommand::new(Cause::BadUpdateWorkflowExecutionMessage, why)
}
