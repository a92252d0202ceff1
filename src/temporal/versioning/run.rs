//! What a run knows of its version: where its tasks go, and on which version it will be next.

use temporalio_protos::temporal::api::common::v1::WorkerVersionStamp;
use temporalio_protos::temporal::api::deployment::v1 as deployment;
use temporalio_protos::temporal::api::enums::v1::{
    ContinueAsNewVersioningBehavior as InitialBehavior, VersioningBehavior as Behavior, WorkerVersioningMode,
};
use temporalio_protos::temporal::api::history::v1::{
    DeclinedTargetVersionUpgrade, WorkflowTaskCompletedEventAttributes,
};
use temporalio_protos::temporal::api::workflow::v1 as wire;
use temporalio_protos::temporal::api::workflowservice::v1::RespondWorkflowTaskCompletedRequest;

use super::build_ids::{RunBuild, stamp_of};
use super::inherit::StartVersioning;
use super::over::Override;
use super::routing::Directive;
use super::search::SystemAttributes;
use super::version::{Version, dotted};

/// A version that the routing wanted for a pinned run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) version: Option<Version>,
    pub(crate) revision: i64,
}

/// What a worker says of its version when it completes a workflow task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Completed {
    pub(crate) deployment_name: String,
    pub(crate) version: Option<Version>,
    pub(crate) behavior: Behavior,
}

/// The parts that make a run versioned.
#[derive(Clone, Debug, Default)]
pub(super) struct Info {
    behavior: Behavior,
    version: Option<Version>,
    over: Option<Override>,
    /// The version that the run is on its way to; the inner `None` means workers without one.
    transition: Option<Option<Version>>,
    revision: i64,
    pub(super) initial_behavior: InitialBehavior,
}

/// A run's versioning.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunVersioning {
    /// Absent while nothing has made the run versioned.
    pub(super) info: Option<Info>,
    pub(crate) search_attributes: SystemAttributes,
    /// Workflow tasks with an older one are of no use any more: they were put on a queue again.
    workflow_task_stamp: u32,
    /// The same of activity tasks.
    activity_task_stamp: u32,
    deployment_name: String,
    stamp: Option<WorkerVersionStamp>,
    /// By rules.
    pub(crate) build: RunBuild,
    pub(super) declined: Option<Target>,
    pub(super) last_notified: Option<Target>,
}

impl Completed {
    #[expect(deprecated, reason = "workers may still send the old field")]
    pub(crate) fn of(request: &RespondWorkflowTaskCompletedRequest) -> Self {
        let options = request.deployment_options.as_ref();
        let by_options = options.and_then(versioned);
        let by_old_field = request
            .deployment
            .as_ref()
            .map(|it| Version::new(&it.series_name, &it.build_id));
        let name = options.map(|it| it.deployment_name.clone()).unwrap_or_default();
        // A worker that isn't versioned may send a behavior by mistake.
        let behavior = match options.is_some() && by_options.is_none() {
            true => Behavior::Unspecified,
            false => request.versioning_behavior(),
        };
        Self {
            deployment_name: match name.is_empty() {
                true => request
                    .deployment
                    .as_ref()
                    .map(|it| it.series_name.clone())
                    .unwrap_or_default(),
                false => name,
            },
            version: by_options
                .or(by_old_field)
                .filter(|version| !version.deployment.is_empty() && !version.build_id.is_empty()),
            behavior,
        }
    }
}

impl Completed {
    /// As the event tells of it.
    pub(crate) fn of_event(event: &WorkflowTaskCompletedEventAttributes) -> Self {
        Self {
            deployment_name: event.worker_deployment_name.clone(),
            version: event
                .deployment_version
                .as_ref()
                .map(|it| Version::new(&it.deployment_name, &it.build_id)),
            behavior: event.versioning_behavior(),
        }
    }
}

/// The version of a worker that uses versioning.
pub(crate) fn versioned(options: &deployment::WorkerDeploymentOptions) -> Option<Version> {
    let uses = options.worker_versioning_mode == WorkerVersioningMode::Versioned as i32;
    uses.then(|| Version::new(&options.deployment_name, &options.build_id))
}

impl RunVersioning {
    /// A run begins. `continued`: it goes on where another ended.
    pub(crate) fn begin(start: &StartVersioning, continued: bool) -> Self {
        let mut begun = Self::default();
        if let Some(over) = &start.over {
            begun.info.get_or_insert_default().over = Some(over.clone());
        }
        if let Some(pinned) = &start.pinned {
            let info = begun.info.get_or_insert_default();
            info.version = Some(pinned.clone());
            info.behavior = Behavior::Pinned;
            if continued {
                begun.declined.clone_from(&start.declined);
            }
        }
        if let Some(inherited) = &start.auto_upgrade {
            let info = begun.info.get_or_insert_default();
            info.revision = inherited.revision;
            info.version = Some(inherited.version.clone());
            info.behavior = Behavior::AutoUpgrade;
            info.initial_behavior = inherited.initial_behavior;
        }
        begun.begin_build(start);
        if begun.behavior() != Behavior::Unspecified {
            begun.refresh_search_attributes(None, None);
        }
        begun.deployment_name = begun.version().map(|it| it.deployment.clone()).unwrap_or_default();
        begun
    }

    /// What a run takes over by build ids.
    fn begin_build(&mut self, start: &StartVersioning) {
        self.stamp = stamp_of(&start.source_build_id);
        if !start.inherited_build_id.is_empty() {
            self.build = RunBuild::inheriting(&start.inherited_build_id);
            self.refresh_search_attributes(stamp_of(&start.inherited_build_id).as_ref(), None);
        } else if let Some(stamp) = self.stamp.clone() {
            self.refresh_search_attributes(Some(&stamp), None);
        }
    }

    /// Rules give the run a build id. `false` if it has it.
    pub(crate) fn assign_build_id(&mut self, build_id: &str) -> bool {
        let is_new = self.build.assign(build_id);
        if is_new {
            self.refresh_search_attributes(stamp_of(build_id).as_ref(), None);
        }
        is_new
    }

    /// Whether the run goes by a deployment's versions.
    pub(crate) fn is_of_deployment(&self) -> bool {
        self.behavior() != Behavior::Unspecified
    }

    /// How the run's tasks are routed: by a transition first, then by an override, then by the worker's word.
    pub(crate) fn behavior(&self) -> Behavior {
        match &self.info {
            None => Behavior::Unspecified,
            Some(info) if info.transition.is_some() => Behavior::AutoUpgrade,
            Some(info) => info.over.as_ref().map_or(info.behavior, Override::behavior),
        }
    }

    /// The version that the run is on.
    pub(crate) fn version(&self) -> Option<&Version> {
        let info = self.info.as_ref()?;
        if let Some(transition) = &info.transition {
            return transition.as_ref();
        }
        if let Some(target) = info.over.as_ref().and_then(Override::version) {
            return Some(target);
        }
        match self.behavior() {
            Behavior::Unspecified => None,
            _ => info.version.as_ref(),
        }
    }

    pub(crate) fn revision(&self) -> i64 {
        self.info.as_ref().map_or(0, |info| info.revision)
    }

    pub(crate) fn over(&self) -> Option<&Override> {
        self.info.as_ref()?.over.as_ref()
    }

    /// The version that the run is on its way to.
    pub(crate) fn transition(&self) -> Option<Option<&Version>> {
        self.info.as_ref()?.transition.as_ref().map(Option::as_ref)
    }

    /// What a task of this run says of the version it wants.
    pub(crate) fn directive(&self, is_first_workflow_task: bool) -> Directive {
        let behavior = self.behavior();
        if behavior == Behavior::Unspecified {
            return Directive::default();
        }
        let asked_for_ramping = self
            .info
            .as_ref()
            .is_some_and(|info| info.initial_behavior == InitialBehavior::UseRampingVersion);
        Directive {
            behavior,
            version: self.version().cloned(),
            revision: self.revision(),
            use_ramping: is_first_workflow_task && asked_for_ramping,
        }
    }

    /// What a task carries that is put on a queue now.
    pub(crate) fn task_stamp(&self, is_activity: bool) -> u32 {
        match is_activity {
            true => self.activity_task_stamp,
            false => self.workflow_task_stamp,
        }
    }

    /// The tasks of this kind are about to be put on their queues again: those that are there now count no more.
    pub(crate) fn outdate_tasks(&mut self, is_activity: bool) {
        match is_activity {
            true => self.activity_task_stamp += 1,
            false => self.workflow_task_stamp += 1,
        }
    }

    /// Whether a task is for the run as it is now.
    pub(crate) fn accepts(&self, directive: &Directive, stamp: u32, is_activity: bool) -> bool {
        stamp == self.task_stamp(is_activity)
            && (directive.behavior == Behavior::Unspecified || directive.behavior == self.behavior())
            && directive.version.as_ref() == self.version()
    }

    /// A workflow task starts, and this is where the routing wants the run to be. An answer that goes out inline has asked
    /// no queue: its revision is -1.
    pub(crate) fn learn_target(&mut self, version: Option<&Version>, revision: i64) {
        let highest_seen = [&self.last_notified, &self.declined]
            .into_iter()
            .filter_map(|it| it.as_ref().map(|target| target.revision))
            .max()
            .unwrap_or(0);
        let is_override = self.over().is_some();
        let is_there = self.version() == version && revision >= highest_seen;
        let is_declined = self.declined.as_ref().is_some_and(|it| revision <= it.revision);
        match self.behavior() {
            Behavior::Unspecified => {}
            _ if is_override => self.forget_targets(),
            Behavior::AutoUpgrade => {}
            Behavior::Pinned if is_there => self.forget_targets(),
            Behavior::Pinned if is_declined || revision < highest_seen => {}
            Behavior::Pinned => {
                self.last_notified = Some(Target {
                    version: version.cloned(),
                    revision,
                });
                self.declined = None;
            }
        }
    }

    /// What the started event tells a pinned workflow: another version would be its target now.
    pub(crate) fn is_target_changed(&self) -> bool {
        self.behavior() == Behavior::Pinned && self.last_notified.is_some()
    }

    /// A task goes to a worker of another version, and the run with it.
    pub(crate) fn start_transition(&mut self, version: Option<&Version>, revision: i64) {
        let info = self.info.get_or_insert_default();
        info.transition = Some(version.cloned());
        info.revision = revision;
    }

    /// A workflow task has completed. Gives whether pending activities must be put on their queues again.
    pub(crate) fn complete(&mut self, completed: &Completed, stamp: Option<&WorkerVersionStamp>) -> bool {
        self.stamp = stamp.cloned();
        self.deployment_name.clone_from(&completed.deployment_name);
        let version = completed.version.as_ref();
        let arrived = self.transition() == Some(version);
        if let Some(info) = self.info.as_mut().filter(|_| arrived) {
            info.transition = None;
        }
        let before = (self.version().cloned(), self.behavior());
        if completed.behavior == Behavior::Unspecified {
            if let Some(info) = self.info.as_mut() {
                info.behavior = Behavior::Unspecified;
                info.version = None;
            }
        } else {
            let info = self.info.get_or_insert_default();
            info.behavior = completed.behavior;
            info.version = version.cloned();
        }
        if let Some(info) = self.info.as_mut()
            && let Some(Override::OneTime(target)) = &info.over
            && Some(target) == version
        {
            info.over = None;
        }
        self.refresh_search_attributes(stamp, version);
        arrived || before != (self.version().cloned(), self.behavior())
    }

    /// A client sets an override, or takes it back. Gives whether the pending workflow task must be put on its queue again.
    pub(crate) fn set_override(&mut self, over: Option<Override>) -> bool {
        let before = (self.version().cloned(), self.behavior());
        match over {
            Some(over) => {
                if let Some(target) = over.version() {
                    self.deployment_name.clone_from(&target.deployment);
                }
                self.info.get_or_insert_default().over = Some(over);
            }
            None => {
                let info = self.info.as_mut();
                self.deployment_name = info
                    .and_then(|info| {
                        info.over = None;
                        info.version.as_ref()
                    })
                    .map(|version| version.deployment.clone())
                    .unwrap_or_default();
            }
        }
        let moved = before != (self.version().cloned(), self.behavior());
        if moved {
            if let Some(info) = self.info.as_mut() {
                info.transition = None;
            }
            self.refresh_search_attributes(None, None);
        }
        moved
    }

    /// As `DescribeWorkflowExecution` shows it.
    #[expect(deprecated, reason = "the real server fills in the old fields too")]
    pub(crate) fn describe(&self) -> Option<wire::WorkflowExecutionVersioningInfo> {
        let info = self.info.as_ref()?;
        Some(wire::WorkflowExecutionVersioningInfo {
            behavior: info.behavior as i32,
            version: info.version.as_ref().map(Version::dotted).unwrap_or_default(),
            deployment_version: info.version.as_ref().map(Version::to_wire),
            versioning_override: info.over.as_ref().map(Override::describe),
            version_transition: info
                .transition
                .as_ref()
                .map(|version| wire::DeploymentVersionTransition {
                    version: dotted(version.as_ref()),
                    deployment_version: version.as_ref().map(Version::to_wire),
                }),
            revision_number: info.revision,
            continue_as_new_initial_versioning_behavior: info.initial_behavior as i32,
            ..Default::default()
        })
    }

    /// The deployment whose worker completed the last workflow task, or that an override names.
    pub(crate) fn deployment_name(&self) -> &str {
        &self.deployment_name
    }

    /// The stamp of the worker that completed the last workflow task.
    pub(crate) fn stamp(&self) -> Option<&WorkerVersionStamp> {
        self.stamp.as_ref()
    }

    /// Whether a run counts for a version's drainage: pinned to it, whatever transition there is.
    pub(crate) fn is_pinned_to(&self, version: &Version) -> bool {
        let Some(info) = &self.info else {
            return false;
        };
        let behavior = info.over.as_ref().map_or(info.behavior, Override::behavior);
        let pinned = info.over.as_ref().and_then(Override::version).or(info.version.as_ref());
        behavior == Behavior::Pinned && pinned == Some(version)
    }

    fn forget_targets(&mut self) {
        self.declined = None;
        self.last_notified = None;
    }

    fn refresh_search_attributes(&mut self, stamp: Option<&WorkerVersionStamp>, used: Option<&Version>) {
        let info = self.info.as_ref();
        let over = info.and_then(|info| info.over.as_ref());
        let behavior = over.map_or(
            info.map_or(Behavior::Unspecified, |info| info.behavior),
            Override::behavior,
        );
        let version = over
            .and_then(Override::version)
            .or_else(|| info.and_then(|info| info.version.as_ref()));
        self.search_attributes.refresh(
            behavior,
            version,
            &self.deployment_name,
            (stamp, self.build.assigned()),
            used,
        );
    }
}

impl Target {
    pub(crate) fn to_wire(&self) -> DeclinedTargetVersionUpgrade {
        DeclinedTargetVersionUpgrade {
            deployment_version: self.version.as_ref().map(Version::to_wire),
            revision_number: self.revision,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(build_id: &str) -> Version {
        Version::new("app", build_id)
    }

    fn completed(build_id: &str, behavior: Behavior) -> Completed {
        Completed {
            deployment_name: "app".to_owned(),
            version: Some(version(build_id)),
            behavior,
        }
    }

    fn on(build_id: &str, behavior: Behavior) -> RunVersioning {
        let mut run = RunVersioning::default();
        run.start_transition(Some(&version(build_id)), 1);
        run.complete(&completed(build_id, behavior), None);
        run
    }

    #[test]
    fn a_transition_ends_with_a_task_of_the_version_it_leads_to() {
        let mut run = RunVersioning::default();
        assert_eq!(run.behavior(), Behavior::Unspecified);
        run.start_transition(Some(&version("1")), 4);
        assert_eq!(
            (run.behavior(), run.version()),
            (Behavior::AutoUpgrade, Some(&version("1")))
        );
        assert!(run.complete(&completed("1", Behavior::Pinned), None));
        assert_eq!(
            (run.transition(), run.behavior(), run.revision()),
            (None, Behavior::Pinned, 4)
        );

        run.start_transition(Some(&version("2")), 5);
        run.complete(&completed("1", Behavior::AutoUpgrade), None);
        assert_eq!(
            run.transition(),
            Some(Some(&version("2"))),
            "an older task doesn't end it"
        );
    }

    #[test]
    fn a_pinned_workflow_hears_of_a_new_target_until_it_has_declined_it() {
        let mut run = on("1", Behavior::Pinned);
        run.learn_target(Some(&version("1")), 1);
        assert!(!run.is_target_changed());
        run.learn_target(Some(&version("2")), 2);
        assert!(run.is_target_changed());
        run.learn_target(None, -1);
        assert!(run.is_target_changed(), "an inline task knows nothing new");

        let start = run.for_continue_as_new(InitialBehavior::Unspecified, false, false);
        assert_eq!(start.pinned, Some(version("1")));
        let mut next = RunVersioning::begin(&start, true);
        next.learn_target(Some(&version("2")), 2);
        assert!(!next.is_target_changed(), "declined");
        next.learn_target(Some(&version("3")), 3);
        assert!(next.is_target_changed());
    }

    #[test]
    fn an_auto_upgrading_workflow_is_told_nothing() {
        let mut run = on("1", Behavior::AutoUpgrade);
        run.learn_target(Some(&version("2")), 2);
        assert!(!run.is_target_changed());
    }

    #[test]
    fn a_one_time_override_ends_on_its_target() {
        let start = StartVersioning {
            over: Some(Override::OneTime(version("2"))),
            ..Default::default()
        };
        let mut run = RunVersioning::begin(&start, false);
        assert_eq!((run.behavior(), run.version()), (Behavior::Pinned, Some(&version("2"))));
        run.complete(&completed("2", Behavior::AutoUpgrade), None);
        assert_eq!((run.over(), run.behavior()), (None, Behavior::AutoUpgrade));
    }

    #[test]
    fn an_override_moves_a_run_that_isnt_on_its_way() {
        let mut run = on("1", Behavior::AutoUpgrade);
        run.start_transition(Some(&version("2")), 2);
        assert!(
            !run.set_override(Some(Override::Pinned(version("1")))),
            "the transition goes first"
        );
        assert!(run.transition().is_some());
        let mut other = on("1", Behavior::AutoUpgrade);
        assert!(other.set_override(Some(Override::Pinned(version("1")))));
        assert_eq!(other.behavior(), Behavior::Pinned);
        assert!(other.set_override(None));
        assert_eq!(
            (other.behavior(), other.version()),
            (Behavior::AutoUpgrade, Some(&version("1")))
        );
    }
}
