//! Starting runs: the policies for ids that are taken.

use temporalio_protos::temporal::api::enums::v1::{
    WorkflowExecutionStatus as Status, WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse,
};

use super::Engine;
use crate::clock::Timestamp;
use crate::temporal::reject::Reject;
use crate::temporal::run::{Context, Run, RunRef, StartRun};
use crate::temporal::txn::{Effects, Note};

/// What a start came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// A new run.
    New(RunRef),
    /// The run that is there already: by request id, or by the policy.
    Existing(RunRef),
}

impl Started {
    pub(crate) fn run(self) -> RunRef {
        match self {
            Self::New(run) | Self::Existing(run) => run,
        }
    }
}

impl Engine {
    /// Starts a run, as far as the policies let it.
    pub(crate) fn start_run(&mut self, now: Timestamp, start: StartRun) -> Result<Started, Reject> {
        let Some(current) = self.runs.current(&start.namespace, &start.workflow_id) else {
            return Ok(Started::New(self.create_run(now, start)));
        };
        let current_ref = current.run;
        if !start.request_id.is_empty() && current.start.request_id == start.request_id {
            return Ok(Started::Existing(current_ref));
        }
        if current.is_running() {
            return self.start_over_running(now, current_ref, start);
        }
        check_reuse(current, &start)?;
        Ok(Started::New(self.create_run(now, start)))
    }

    /// Makes a run, without asking anybody.
    pub(crate) fn create_run(&mut self, now: Timestamp, mut start: StartRun) -> RunRef {
        if start.run_id.is_empty() {
            start.run_id = self.entropy.uuid();
        }
        let run_ref = self.runs.next_ref();
        self.notes.push(Note::temporal(format!(
            "workflow {} started ({})",
            start.workflow_id, start.workflow_type
        )));
        let mut effects = Effects::default();
        let mut context = Context {
            now,
            effects: &mut effects,
            entropy: &mut self.entropy,
        };
        let run = Run::start(run_ref, start, &mut context);
        self.runs.insert(run);
        self.apply_effects(now, run_ref, effects);
        run_ref
    }

    fn start_over_running(&mut self, now: Timestamp, current: RunRef, start: StartRun) -> Result<Started, Reject> {
        let running = match self.runs.get(current) {
            Some(run) => run,
            None => return Err(Reject::workflow_not_found(&start.workflow_id)),
        };
        let terminate_if_running = Reuse::TerminateIfRunning as i32;
        let policy = match start.id_reuse_policy == terminate_if_running {
            true => Conflict::TerminateExisting,
            false => Conflict::try_from(start.id_conflict_policy).unwrap_or(Conflict::Unspecified),
        };
        match policy {
            Conflict::Unspecified | Conflict::Fail => Err(Reject::WorkflowExecutionAlreadyStarted {
                message: format!(
                    "Workflow execution is already running. WorkflowId: {}, RunId: {}.",
                    start.workflow_id, running.start.run_id
                ),
                start_request_id: running.start.request_id.clone(),
                run_id: running.start.run_id.clone(),
            }),
            Conflict::UseExisting => Ok(Started::Existing(current)),
            Conflict::TerminateExisting => {
                self.step(now, current, |run, context| {
                    let reason = "TerminateIfRunning WorkflowIdReusePolicy Policy";
                    run.terminate(context, reason, None, "history-service", Vec::new());
                });
                Ok(Started::New(self.create_run(now, start)))
            }
        }
    }
}

/// Whether the id of a run that has ended may be used again.
fn check_reuse(ended: &Run, start: &StartRun) -> Result<(), Reject> {
    let failed = matches!(
        ended.status,
        Status::Failed | Status::Canceled | Status::Terminated | Status::TimedOut
    );
    let policy = Reuse::try_from(start.id_reuse_policy).unwrap_or(Reuse::Unspecified);
    let why = match policy {
        Reuse::Unspecified | Reuse::AllowDuplicate | Reuse::TerminateIfRunning => return Ok(()),
        Reuse::AllowDuplicateFailedOnly if failed => return Ok(()),
        Reuse::AllowDuplicateFailedOnly => {
            "finished successfully. WorkflowId: {id}, RunId: {run}. Workflow Id reuse policy: allow duplicate \
             workflow Id if last run failed."
        }
        Reuse::RejectDuplicate => {
            "finished. WorkflowId: {id}, RunId: {run}. Workflow Id reuse policy: reject duplicate workflow Id."
        }
    };
    let why = why
        .replace("{id}", &start.workflow_id)
        .replace("{run}", &ended.start.run_id);
    Err(Reject::WorkflowExecutionAlreadyStarted {
        message: format!("Workflow execution already {why}"),
        start_request_id: ended.start.request_id.clone(),
        run_id: ended.start.run_id.clone(),
    })
}
