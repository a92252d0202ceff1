//! Whether workers of a build id may still get tasks (Temporal: `frontend/task_reachability.go`).

use std::time::Duration;

use temporalio_protos::temporal::api::enums::v1::TaskReachability;

use super::BuildIds;
use crate::clock::Timestamp;
use crate::temporal::reject::Reject;

/// How long a set that was a queue's default still counts as reachable by new workflows (dynamic config
/// `frontend.reachabilityQuerySetDurationSinceDefault`).
const SINCE_DEFAULT: Duration = Duration::from_secs(5 * 60);

/// What reachability must know of a run on the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunOfBuild<'a> {
    pub(crate) is_running: bool,
    /// The search attribute `BuildIds`.
    pub(crate) build_ids: &'a [String],
}

/// A question about one build id and the sets of one queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetQuery<'a> {
    /// Empty: workers that don't use versioning.
    pub(crate) build_id: &'a str,
    /// What is asked, as it is on the wire.
    pub(crate) reachability: i32,
    pub(crate) now: Timestamp,
}

impl BuildIds {
    /// By what workflows the build id can be reached, as far as the queue's sets decide.
    pub(crate) fn reachability_by_sets<'a>(
        &self,
        query: SetQuery<'_>,
        mut runs: impl Iterator<Item = RunOfBuild<'a>>,
    ) -> Result<Vec<TaskReachability>, Reject> {
        let is_recent = |at: Timestamp| query.now.since(at) < SINCE_DEFAULT;
        let (wanted, is_default, is_new) = if query.build_id.is_empty() {
            let first = self.sets.iter().map(|set| set.became_default).min();
            let is_new = first.is_none_or(|at| is_recent(at.time()));
            (vec!["unversioned".to_owned()], first.is_none(), is_new)
        } else {
            let found = self
                .find_member(query.build_id)
                .filter(|(set, index)| index + 1 == self.sets[*set].members.len());
            let Some((index, _)) = found else {
                return Ok(Vec::new());
            };
            let set = &self.sets[index];
            let is_default = index + 1 == self.sets.len();
            let members = set.members.iter();
            let wanted = members.map(|member| format!("versioned:{}", member.build_id)).collect();
            (wanted, is_default, is_default || is_recent(set.became_default.time()))
        };
        let mut found = Vec::new();
        if is_new {
            found.push(TaskReachability::NewWorkflows);
        }
        let asked = TaskReachability::try_from(query.reachability);
        let (told, status) = match asked {
            Ok(TaskReachability::OpenWorkflows) => (TaskReachability::OpenWorkflows, Some(true)),
            Ok(TaskReachability::ClosedWorkflows) => (TaskReachability::ClosedWorkflows, Some(false)),
            Ok(TaskReachability::Unspecified | TaskReachability::ExistingWorkflows) => {
                (TaskReachability::ExistingWorkflows, None)
            }
            Ok(TaskReachability::NewWorkflows) => return Ok(found),
            Err(_) => {
                return Err(Reject::InvalidArgument(format!(
                    "Unsupported reachability type: {}",
                    query.reachability
                )));
            }
        };
        // Workflows that no worker has seen yet will come to the default.
        let counts_unseen = is_default && asked != Ok(TaskReachability::ClosedWorkflows);
        let is_meant = |run: RunOfBuild<'_>| {
            status.is_none_or(|running| running == run.is_running)
                && ((counts_unseen && run.build_ids.is_empty()) || run.build_ids.iter().any(|it| wanted.contains(it)))
        };
        if runs.any(is_meant) {
            found.push(told);
        }
        Ok(found)
    }
}
