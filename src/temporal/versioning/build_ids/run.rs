//! What a run knows of its build id (Temporal: `mutable_state_impl.validateBuildIdRedirectInfo` and what is around it).

use temporalio_protos::temporal::api::common::v1::WorkerVersionStamp;

use super::BuildIdDirective;

/// A run's build id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunBuild {
    /// The one that its tasks go to; empty without rules.
    assigned: String,
    /// From the run before it, or its parent.
    inherited: String,
    /// How often redirect rules have sent it on.
    redirects: i64,
}

/// A worker that is about to take a task, as far as build ids go.
#[derive(Clone, Debug, Default)]
pub(crate) struct StartingWorker {
    pub(crate) stamp: Option<WorkerVersionStamp>,
    /// The build id that the task had, if a redirect rule has brought it to this worker.
    pub(crate) redirected_from: Option<String>,
    /// It takes the task from its own queue.
    pub(crate) is_sticky: bool,
}

/// What starting a task does to its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Build ids don't matter.
    Unversioned,
    /// The run goes where the worker is; the number says how often it has been redirected then.
    Versioned(i64),
}

impl StartingWorker {
    /// The worker's build id, if it uses versioning.
    pub(crate) fn build_id(&self) -> &str {
        build_id_of(self.stamp.as_ref())
    }
}

/// The build id of a worker that uses versioning.
pub(crate) fn build_id_of(stamp: Option<&WorkerVersionStamp>) -> &str {
    stamp.map_or("", |stamp| match stamp.use_versioning {
        true => &stamp.build_id,
        false => "",
    })
}

/// The stamp that says so.
pub(crate) fn stamp_of(build_id: &str) -> Option<WorkerVersionStamp> {
    (!build_id.is_empty()).then(|| WorkerVersionStamp {
        build_id: build_id.to_owned(),
        use_versioning: true,
    })
}

impl RunBuild {
    pub(crate) fn inheriting(build_id: &str) -> Self {
        Self {
            assigned: build_id.to_owned(),
            inherited: build_id.to_owned(),
            redirects: 0,
        }
    }

    pub(crate) fn assigned(&self) -> &str {
        &self.assigned
    }

    pub(crate) fn inherited(&self) -> &str {
        &self.inherited
    }

    /// Where its workflow tasks go. `last`: the build id of the versioned worker that completed the last one.
    pub(crate) fn directive(&self, last: &str, has_completed_task: bool) -> BuildIdDirective {
        if self.assigned.is_empty() && !last.is_empty() {
            return BuildIdDirective::Assigned(last.to_owned());
        }
        if !has_completed_task && self.inherited.is_empty() {
            return BuildIdDirective::Assign;
        }
        self.with_workflow("")
    }

    /// Where tasks go that stay with the workflow.
    pub(crate) fn with_workflow(&self, last: &str) -> BuildIdDirective {
        match (self.assigned.as_str(), last) {
            ("", "") => BuildIdDirective::Unversioned,
            ("", build_id) | (build_id, _) => BuildIdDirective::Assigned(build_id.to_owned()),
        }
    }

    /// Whether a worker may take a workflow task, or an activity task that stays with the workflow. `None` if the task is a
    /// stale one: there is another on the right build id.
    pub(crate) fn admit(&self, worker: &StartingWorker, has_completed_task: bool) -> Option<Admission> {
        if worker.build_id().is_empty() && (self.assigned.is_empty() || worker.is_sticky) {
            return Some(Admission::Unversioned);
        }
        if worker.build_id().is_empty() && has_completed_task {
            return None;
        }
        let build_id = worker.stamp.as_ref().map_or("", |stamp| &stamp.build_id);
        if build_id == self.assigned {
            return Some(Admission::Versioned(self.redirects));
        }
        if has_completed_task && worker.redirected_from.as_deref() != Some(&self.assigned) {
            return None;
        }
        let is_first = self.assigned.is_empty() && !has_completed_task;
        Some(Admission::Versioned(self.redirects + i64::from(!is_first)))
    }

    /// The run gets a build id. `false` if it has it.
    pub(crate) fn assign(&mut self, build_id: &str) -> bool {
        let is_new = self.assigned != build_id;
        build_id.clone_into(&mut self.assigned);
        is_new
    }

    /// The run is redirected. `false` if it has been already.
    pub(crate) fn redirect(&mut self, redirects: i64) -> bool {
        let is_new = redirects > self.redirects;
        self.redirects = self.redirects.max(redirects);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(build_id: &str, redirected_from: Option<&str>) -> StartingWorker {
        StartingWorker {
            stamp: stamp_of(build_id),
            redirected_from: redirected_from.map(str::to_owned),
            is_sticky: false,
        }
    }

    #[test]
    fn only_a_redirect_from_where_the_run_is_counts() {
        let mut run = RunBuild::default();
        assert_eq!(run.admit(&worker("1", None), false), Some(Admission::Versioned(0)));
        run.assign("1");
        assert_eq!(run.admit(&worker("1", None), true), Some(Admission::Versioned(0)));
        assert_eq!(run.admit(&worker("2", Some("1")), true), Some(Admission::Versioned(1)));
        assert_eq!(run.admit(&worker("2", Some("0")), true), None);
        assert_eq!(run.admit(&worker("", None), true), None);
        assert!(run.redirect(1));
        assert!(!run.redirect(1));
    }

    #[test]
    fn a_task_goes_where_its_run_was_last() {
        let mut run = RunBuild::default();
        assert_eq!(run.directive("", false), BuildIdDirective::Assign);
        assert_eq!(run.directive("", true), BuildIdDirective::Unversioned);
        assert_eq!(run.directive("old", true), BuildIdDirective::Assigned("old".to_owned()));
        run.assign("1");
        assert_eq!(run.directive("1", true), BuildIdDirective::Assigned("1".to_owned()));
        assert_eq!(
            run.directive("", false),
            BuildIdDirective::Assign,
            "it isn't sure before a worker has had it"
        );
        let inherited = RunBuild::inheriting("1");
        assert_eq!(
            inherited.directive("", false),
            BuildIdDirective::Assigned("1".to_owned())
        );
    }
}
