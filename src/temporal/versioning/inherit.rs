//! What a run passes on of its version: to the next run of its chain, and to its children.

use temporalio_protos::temporal::api::deployment::v1 as deployment;
use temporalio_protos::temporal::api::enums::v1::{
    ContinueAsNewVersioningBehavior as InitialBehavior, VersioningBehavior as Behavior,
};

use super::build_ids::build_id_of;
use super::over::Override;
use super::run::{RunVersioning, Target};
use super::version::Version;

/// What an auto-upgrading run passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AutoUpgrade {
    pub(crate) version: Version,
    pub(crate) revision: i64,
    pub(crate) initial_behavior: InitialBehavior,
}

/// What a run starts with: a client's override, and what the run before it or its parent passes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StartVersioning {
    pub(crate) over: Option<Override>,
    pub(crate) pinned: Option<Version>,
    pub(crate) auto_upgrade: Option<AutoUpgrade>,
    pub(crate) declined: Option<Target>,
    /// Whether the command that starts the run wants it to go by the build id of the run that gave the command.
    pub(crate) inherits_build_id: bool,
    /// The build id that rules had given that run.
    pub(crate) inherited_build_id: String,
    /// The build id that it had in a version set.
    pub(crate) source_build_id: String,
    /// The run is on another queue than its parent or predecessor: what is passed on counts only if that queue has the version.
    pub(crate) is_other_queue: bool,
}

impl RunVersioning {
    /// What the next run of a chain takes over when this one is tried again.
    pub(crate) fn for_retry(&self, start: &StartVersioning) -> StartVersioning {
        let mut next = self.for_cron(start);
        next.declined.clone_from(&start.declined);
        if self.behavior() == Behavior::Unspecified {
            next.source_build_id = self.passed_on_build().source_build_id;
        }
        match self.behavior() {
            Behavior::Pinned if start.pinned.is_some() => next.pinned = self.version().cloned(),
            Behavior::AutoUpgrade => {
                let initial = self.info.as_ref().map(|info| info.initial_behavior);
                next.auto_upgrade = self.auto_upgrade(initial.unwrap_or_default());
            }
            _ => {}
        }
        next
    }

    /// What the next run of a chain takes over when its time has come.
    pub(crate) fn for_cron(&self, start: &StartVersioning) -> StartVersioning {
        StartVersioning {
            inherited_build_id: start.inherited_build_id.clone(),
            ..self.pinned_override()
        }
    }

    /// The build id that another run may go by.
    pub(crate) fn passed_on_build(&self) -> StartVersioning {
        let mut passed_on = StartVersioning::default();
        if self.behavior() == Behavior::Unspecified {
            match self.build.assigned() {
                "" => build_id_of(self.stamp()).clone_into(&mut passed_on.source_build_id),
                assigned => assigned.clone_into(&mut passed_on.inherited_build_id),
            }
        }
        passed_on
    }

    fn pinned_override(&self) -> StartVersioning {
        StartVersioning {
            over: self.over().filter(|over| matches!(over, Override::Pinned(_))).cloned(),
            ..Default::default()
        }
    }

    /// What the next run of a chain takes over when the workflow continues itself.
    pub(crate) fn for_continue_as_new(
        &self,
        initial: InitialBehavior,
        is_other_queue: bool,
        inherits_build_id: bool,
    ) -> StartVersioning {
        let mut next = StartVersioning {
            is_other_queue,
            ..self.pinned_override()
        };
        if inherits_build_id {
            let passed_on = self.passed_on_build();
            next.inherited_build_id = passed_on.inherited_build_id;
            next.source_build_id = passed_on.source_build_id;
        }
        match (self.behavior(), initial) {
            (Behavior::Pinned, InitialBehavior::Unspecified) => {
                next.pinned = self.version().cloned();
                next.declined = self.last_notified.clone().or_else(|| self.declined.clone());
            }
            (Behavior::Pinned | Behavior::AutoUpgrade, _) => next.auto_upgrade = self.auto_upgrade(initial),
            (Behavior::Unspecified, _) => {}
        }
        next
    }

    /// What a child takes over.
    pub(crate) fn for_child(&self, is_other_queue: bool) -> StartVersioning {
        let mut child = StartVersioning {
            over: self.over().filter(|over| over.version().is_some()).cloned(),
            is_other_queue,
            ..Default::default()
        };
        match self.behavior() {
            Behavior::Pinned => child.pinned = self.version().cloned(),
            Behavior::AutoUpgrade => child.auto_upgrade = self.auto_upgrade(InitialBehavior::Unspecified),
            Behavior::Unspecified => {}
        }
        child
    }

    fn auto_upgrade(&self, initial_behavior: InitialBehavior) -> Option<AutoUpgrade> {
        let version = self.version()?.clone();
        let revision = self.revision();
        (revision != 0).then_some(AutoUpgrade {
            version,
            revision,
            initial_behavior,
        })
    }
}

impl AutoUpgrade {
    pub(crate) fn to_wire(&self) -> deployment::InheritedAutoUpgradeInfo {
        deployment::InheritedAutoUpgradeInfo {
            source_deployment_version: Some(self.version.to_wire()),
            source_deployment_revision_number: self.revision,
            continue_as_new_initial_versioning_behavior: self.initial_behavior as i32,
        }
    }
}

impl StartVersioning {
    /// Forgets what the queue has no workers for, if the queue isn't the one of the parent or predecessor.
    pub(crate) fn keep_if_served(&mut self, has: impl Fn(&Version) -> bool) {
        if !std::mem::take(&mut self.is_other_queue) {
            return;
        }
        let serves = |version: Option<&Version>| version.is_some_and(&has);
        let pinned_is_served = serves(self.pinned.as_ref());
        if !pinned_is_served {
            self.pinned = None;
            self.over = None;
            self.declined = None;
        }
        if !serves(self.auto_upgrade.as_ref().map(|it| &it.version)) {
            self.auto_upgrade = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::Completed;
    use super::*;

    fn version(build_id: &str) -> Version {
        Version::new("app", build_id)
    }

    fn pinned_to(build_id: &str) -> RunVersioning {
        let mut run = RunVersioning::default();
        let completed = Completed {
            deployment_name: "app".to_owned(),
            version: Some(version(build_id)),
            behavior: Behavior::Pinned,
        };
        run.complete(&completed, None);
        run
    }

    #[test]
    fn what_is_passed_on_is_kept_only_where_the_version_is_served() {
        let run = pinned_to("1");
        let mut child = run.for_child(true);
        child.keep_if_served(|_| false);
        assert_eq!(child, StartVersioning::default());
        let mut child = run.for_child(true);
        child.keep_if_served(|it| *it == version("1"));
        assert_eq!(child.pinned, Some(version("1")));
    }
}
