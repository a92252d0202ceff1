//! Whether workers of a build id may still get tasks (Temporal: `frontend/task_reachability.go`).

use std::collections::BTreeSet;
use std::time::Duration;

use temporalio_protos::temporal::api::enums::v1::{BuildIdTaskReachability, TaskReachability};

use super::rules::RedirectRule;
use super::{BuildIds, HybridClock};
use crate::clock::Timestamp;
use crate::temporal::reject::Reject;

/// How long a deleted redirect rule counts (dynamic config `matching.wv.ReachabilityBuildIdVisibilityGracePeriod`).
const DELETED_RULES_COUNT: Duration = Duration::from_secs(3 * 60);

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
    /// Where all new workflows go for whom no ramp decides; empty: to workers that don't use versioning.
    pub(crate) fn default_build_id(&self) -> &str {
        let mut rules = self.assignment_rules();
        rules
            .find(|rule| rule.is_fully_ramped())
            .map_or("", |rule| &rule.target)
    }

    /// Whether tasks may still come for a build id, as far as the queue's rules decide (Temporal: `matching/reachability.go`).
    /// Tasks that wait don't count: the real server has left that open.
    pub(crate) fn reachability_by_rules<'a>(
        &self,
        now: Timestamp,
        build_id: &str,
        runs: impl Iterator<Item = RunOfBuild<'a>>,
    ) -> BuildIdTaskReachability {
        if self.is_redirect_source(build_id) {
            return BuildIdTaskReachability::Unreachable;
        }
        let leading = self.leading_to(build_id, |rule| rule.deleted.is_none());
        if leading.iter().any(|it| self.takes_new(it)) {
            return BuildIdTaskReachability::Reachable;
        }
        // Lists may not have heard yet of a workflow that a rule has sent on before it was deleted.
        let is_recent = |at: HybridClock| now.since(at.time()) <= DELETED_RULES_COUNT;
        let leading = self.leading_to(build_id, |rule| rule.deleted.is_none_or(is_recent));
        // One that is open is at its assigned build id, one that is closed was at its last.
        let is_at = |run: &RunOfBuild<'_>| {
            let prefix = if run.is_running { "assigned" } else { "versioned" };
            leading.iter().any(|it| match it.is_empty() {
                true => run.build_ids.is_empty() || run.build_ids.iter().any(|mark| mark == "unversioned"),
                false => run.build_ids.contains(&format!("{prefix}:{it}")),
            })
        };
        let at_it: Vec<RunOfBuild<'a>> = runs.filter(is_at).collect();
        match at_it.iter().any(|run| run.is_running) {
            true => BuildIdTaskReachability::Reachable,
            false if at_it.is_empty() => BuildIdTaskReachability::Unreachable,
            false => BuildIdTaskReachability::ClosedWorkflowsOnly,
        }
    }

    /// The build id, and all that redirect rules send to it, over others or directly.
    fn leading_to<'a>(&'a self, build_id: &'a str, counts: impl Fn(&RedirectRule) -> bool) -> BTreeSet<&'a str> {
        let rules: Vec<&RedirectRule> = self.redirect_rules.iter().filter(|rule| counts(rule)).collect();
        let mut leading = BTreeSet::from([build_id]);
        loop {
            let known = leading.len();
            let sources = rules.iter().filter(|rule| leading.contains(rule.target.as_str()));
            let sources: Vec<&str> = sources.map(|rule| rule.source.as_str()).collect();
            leading.extend(sources);
            if leading.len() == known {
                return leading;
            }
        }
    }

    /// Whether new workflows may get a build id.
    fn takes_new(&self, build_id: &str) -> bool {
        for rule in self.assignment_rules() {
            if rule.target == build_id {
                return true;
            }
            if rule.is_fully_ramped() {
                return false;
            }
        }
        build_id.is_empty()
    }

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
