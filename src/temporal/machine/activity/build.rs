//! The build id of an activity: its workflow's, or one of its own.

use temporalio_protos::temporal::api::common::v1::WorkerVersionStamp;
use temporalio_protos::temporal::api::workflow::v1::pending_activity_info::AssignedBuildId;

use super::Activity;
use crate::temporal::versioning::build_ids::stamp_of;

/// Which build id an activity goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Build {
    /// None yet.
    #[default]
    Unknown,
    /// That of its workflow, which had one when the activity was scheduled.
    OfWorkflow {
        /// The one that it was started with.
        last_used: String,
        redirects: i64,
    },
    /// The one that its own queue gave it.
    Own(String),
}

impl Activity {
    /// Its workflow has a build id, and the command says that the activity goes by it.
    pub(crate) fn bind_to_workflow(&mut self) {
        self.build = Build::OfWorkflow {
            last_used: String::new(),
            redirects: 0,
        };
    }

    /// Whether the command says that it goes where its workflow is.
    #[expect(deprecated, reason = "workers still send it")]
    pub(crate) fn stays_with_workflow(&self) -> bool {
        self.attributes.use_workflow_build_id
    }

    /// Whether it takes its workflow along when it is redirected.
    pub(crate) fn is_bound_to_workflow(&self) -> bool {
        matches!(self.build, Build::OfWorkflow { .. })
    }

    /// Its queue, or the worker that takes it, says which build id it has.
    pub(crate) fn assign_build_id(&mut self, build_id: &str) {
        self.build = Build::Own(build_id.to_owned());
    }

    /// A worker of this build id takes it, and with it the workflow.
    pub(crate) fn note_workflow_build(&mut self, build_id: &str, redirected: i64) {
        if let Build::OfWorkflow { last_used, redirects } = &mut self.build {
            build_id.clone_into(last_used);
            *redirects = redirected;
        }
    }

    /// What the started event says of the worker if nobody has told.
    pub(super) fn started_stamp(&self) -> Option<WorkerVersionStamp> {
        match &self.build {
            Build::Unknown => None,
            Build::OfWorkflow { last_used, .. } => stamp_of(last_used),
            Build::Own(build_id) => stamp_of(build_id),
        }
    }

    pub(super) fn redirects(&self) -> i64 {
        match &self.build {
            Build::OfWorkflow { redirects, .. } => *redirects,
            Build::Unknown | Build::Own(_) => 0,
        }
    }

    #[expect(deprecated, reason = "clients may still read it")]
    pub(super) fn described_build(&self) -> Option<AssignedBuildId> {
        match &self.build {
            Build::Unknown => None,
            Build::OfWorkflow { .. } => Some(AssignedBuildId::UseWorkflowBuildId(())),
            Build::Own(build_id) => Some(AssignedBuildId::LastIndependentlyAssignedBuildId(build_id.clone())),
        }
    }
}
