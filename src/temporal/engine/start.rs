//! Starting runs: the policies for ids that are taken.

use temporalio_protos::temporal::api::enums::v1::{
    WorkflowExecutionStatus as Status, WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse,
};

use super::Engine;
use crate::clock::Timestamp;
use crate::moment::{Happening, MomentKind};
use crate::temporal::proto::string_payloads;
use crate::temporal::reject::Reject;
use crate::temporal::run::{Context, Run, RunRef, StartRun};
use crate::temporal::txn::Note;

/// What a start came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// A new run.
    New(RunRef),
    /// The run that this very request started before.
    Retried(RunRef),
    /// The run that is there already, by the policy.
    Existing(RunRef),
    /// As [`Self::Existing`], and the run has the request id.
    Attached(RunRef),
}

impl Started {
    pub(crate) fn run(self) -> RunRef {
        match self {
            Self::New(run) | Self::Retried(run) | Self::Existing(run) | Self::Attached(run) => run,
        }
    }

    /// What Temporal calls started: a request that is sent again gets the same answer.
    pub(crate) fn is_by_this_request(self) -> bool {
        matches!(self, Self::New(_) | Self::Retried(_))
    }
}

impl Engine {
    /// Starts a run, as far as the policies let it.
    pub(crate) fn start_run(&mut self, now: Timestamp, mut start: StartRun) -> Result<Started, Reject> {
        start.begin_cron(now);
        let Some(current) = self.runs.current(&start.namespace, &start.workflow_id) else {
            return Ok(Started::New(self.create_run(now, start)));
        };
        let current_ref = current.run;
        if !start.request_id.is_empty() && current.start.request_id == start.request_id {
            return Ok(Started::Retried(current_ref));
        }
        if current.has_attached(&start.request_id) {
            return Ok(Started::Attached(current_ref));
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
            start.run_id = match start.first_signal.is_some() {
                true => self.entropy.uuid(),
                false => self.entropy.uuid_v7(now),
            };
        }
        let run_ref = self.runs.next_ref();
        self.notes.push(Note::temporal(format!(
            "workflow {} started ({})",
            start.workflow_id, start.workflow_type
        )));
        let (workflow_id, workflow_type) = (start.workflow_id.clone(), start.workflow_type.clone());
        self.happenings
            .push(Happening::new(MomentKind::WorkflowStarted, workflow_id, workflow_type));
        let mut effects = std::mem::take(&mut self.spare_effects);
        let mut context = Context {
            now,
            effects: &mut effects,
            namespaces: &self.namespaces,
            entropy: &mut self.entropy,
            endpoints: &self.nexus.endpoints,
            config: &self.config,
        };
        let mut run = Run::start(run_ref, start, &mut context);
        let ahead = run.skipped();
        run.skip_time(&mut context);
        effects.ahead = ahead;
        run.log.commit();
        self.runs.insert(run);
        self.apply_effects(now, run_ref, effects);
        run_ref
    }

    /// The run that is there takes over what the request wants to leave with it.
    fn use_existing(&mut self, now: Timestamp, current: RunRef, start: StartRun) -> Started {
        let Some(options) = start.on_conflict else {
            return Started::Existing(current);
        };
        let request_id = match options.attach_request_id {
            true => start.request_id,
            false => String::new(),
        };
        let links = match options.attach_links {
            true => start.links,
            false => Vec::new(),
        };
        let callbacks = match options.attach_completion_callbacks {
            true => start.completion_callbacks,
            false => Vec::new(),
        };
        self.step(now, current, |run, context| {
            run.attach(context, &request_id, callbacks, links);
        });
        match options.attach_request_id {
            true => Started::Attached(current),
            false => Started::Existing(current),
        }
    }

    fn start_over_running(&mut self, now: Timestamp, current: RunRef, mut start: StartRun) -> Result<Started, Reject> {
        let running = match self.runs.get(current) {
            Some(run) => run,
            None => return Err(Reject::workflow_not_found(&start.workflow_id)),
        };
        let policy = match terminates_if_running(start.id_reuse_policy) {
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
                first_execution_run_id: running.first_run_id().to_owned(),
            }),
            Conflict::UseExisting => Ok(self.use_existing(now, current, start)),
            Conflict::TerminateExisting => {
                start.run_id = self.entropy.uuid_v7(now);
                let details = string_payloads(&format!("terminated by new runID: {}", start.run_id));
                self.step(now, current, |run, context| {
                    let reason = "TerminateIfRunning WorkflowIdReusePolicy";
                    run.terminate(context, reason, Some(details), "history-service", Vec::new());
                });
                Ok(Started::New(self.create_run(now, start)))
            }
        }
    }
}

/// The deprecated reuse policy that says what the conflict policy says today.
#[expect(deprecated, reason = "clients may still send it")]
pub(crate) fn terminates_if_running(id_reuse_policy: i32) -> bool {
    id_reuse_policy == Reuse::TerminateIfRunning as i32
}

/// Whether the id of a run that has ended may be used again.
fn check_reuse(ended: &Run, start: &StartRun) -> Result<(), Reject> {
    let failed = matches!(
        ended.status,
        Status::Failed | Status::Canceled | Status::Terminated | Status::TimedOut
    );
    let policy = Reuse::try_from(start.id_reuse_policy).unwrap_or(Reuse::Unspecified);
    let why = match policy {
        Reuse::AllowDuplicateFailedOnly if failed => return Ok(()),
        Reuse::AllowDuplicateFailedOnly => {
            "finished successfully. WorkflowId: {id}, RunId: {run}. Workflow Id reuse policy: allow duplicate \
             workflow Id if last run failed."
        }
        Reuse::RejectDuplicate => {
            "finished. WorkflowId: {id}, RunId: {run}. Workflow Id reuse policy: reject duplicate workflow Id."
        }
        // Unspecified, AllowDuplicate, and TerminateIfRunning, which is deprecated.
        _ => return Ok(()),
    };
    let why = why
        .replace("{id}", &start.workflow_id)
        .replace("{run}", &ended.start.run_id);
    Err(Reject::WorkflowExecutionAlreadyStarted {
        message: format!("Workflow execution already {why}"),
        start_request_id: ended.start.request_id.clone(),
        run_id: ended.start.run_id.clone(),
        first_execution_run_id: ended.first_run_id().to_owned(),
    })
}
