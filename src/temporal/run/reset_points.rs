//! Where clients may reset to by a worker's build: the first workflow task that each build completed.

use temporalio_protos::temporal::api::enums::v1::WorkerVersioningMode;
use temporalio_protos::temporal::api::history::v1::WorkflowTaskCompletedEventAttributes;
use temporalio_protos::temporal::api::workflow::v1::ResetPointInfo;
use temporalio_protos::temporal::api::workflowservice::v1::RespondWorkflowTaskCompletedRequest;

use super::{Context, Run};
use crate::clock::Timestamp;
use crate::temporal::proto::timestamp;

/// Points that a run keeps, the oldest go first (dynamic config `history.historyMaxAutoResetPoints`).
const MAX_POINTS: usize = 20;

/// What a worker says of its build.
#[derive(Clone, Debug, Default)]
pub(super) struct Build {
    checksum: String,
    build_id: String,
}

impl Build {
    #[allow(deprecated)]
    pub(super) fn of(request: &RespondWorkflowTaskCompletedRequest) -> Self {
        let versioned = WorkerVersioningMode::Versioned as i32;
        let deployment = request.deployment_options.as_ref();
        let deployment = deployment.filter(|it| it.worker_versioning_mode == versioned);
        let stamp = request.worker_version_stamp.as_ref();
        let build_id = deployment
            .map(|it| &it.build_id)
            .or_else(|| stamp.map(|stamp| &stamp.build_id));
        Self {
            checksum: request.binary_checksum.clone(),
            build_id: build_id.cloned().unwrap_or_default(),
        }
    }
}

impl Build {
    /// As the event tells of it.
    #[allow(deprecated)]
    pub(super) fn of_event(completed: &WorkflowTaskCompletedEventAttributes) -> Self {
        let version = completed.deployment_version.as_ref().map(|it| &it.build_id);
        let build_id = version.or_else(|| completed.worker_version.as_ref().map(|it| &it.build_id));
        Self {
            checksum: completed.binary_checksum.clone(),
            build_id: build_id.cloned().unwrap_or_default(),
        }
    }
}

impl Run {
    /// A build has completed a workflow task. Only its first one is kept.
    #[allow(deprecated)]
    pub(super) fn note_build(&mut self, now: Timestamp, build: Build, completed_event_id: i64) {
        let known =
            |point: &ResetPointInfo| point.binary_checksum == build.checksum && point.build_id == build.build_id;
        if self.reset_points.iter().any(known) {
            return;
        }
        if self.reset_points.len() >= MAX_POINTS {
            self.reset_points.remove(0);
        }
        // Most runs have one.
        self.reset_points.reserve_exact(1);
        self.reset_points.push(ResetPointInfo {
            build_id: build.build_id,
            binary_checksum: build.checksum,
            run_id: self.start.run_id.clone(),
            first_workflow_task_completed_id: completed_event_id,
            create_time: Some(timestamp(now)),
            resettable: self.machines.children.is_empty() && self.machines.externals.is_empty(),
            ..Default::default()
        });
    }

    /// What the next run of the chain takes over: this run's own points go with its history, when the namespace forgets it.
    pub(super) fn points_for_next_run(&self, context: &Context<'_>) -> Vec<ResetPointInfo> {
        let retention = context.namespaces.get(&self.start.namespace).map(|it| it.retention);
        let expires = context.now + retention.unwrap_or_default();
        let now = timestamp(context.now);
        let lives = |point: &&ResetPointInfo| {
            let expires = point.expire_time.as_ref();
            expires.is_none_or(|at| (at.seconds, at.nanos) >= (now.seconds, now.nanos))
        };
        let of_next = |point: &ResetPointInfo| {
            let mut point = point.clone();
            if point.run_id == self.start.run_id {
                point.expire_time = Some(timestamp(expires));
            }
            point
        };
        self.reset_points.iter().filter(lives).map(of_next).collect()
    }
}
