//! Which of a queue's workers a task is for.

use super::version::Version;

/// The workers of one queue that are alike to it: each group has a lane of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WorkerGroup {
    /// Those that don't use versioning.
    #[default]
    Unversioned,
    /// Those of a deployment's version.
    Version(Version),
    /// Those with this build id, without a deployment.
    BuildId(String),
    /// Those with the default build id of a version set.
    Set(String),
}

impl WorkerGroup {
    /// The workers of a version, or those without one.
    pub(crate) fn of(version: Option<Version>) -> Self {
        version.map_or(Self::Unversioned, Self::Version)
    }

    /// The workers with a build id; the empty one stands for those that don't use versioning.
    pub(crate) fn of_build_id(build_id: &str) -> Self {
        match build_id {
            "" => Self::Unversioned,
            build_id => Self::BuildId(build_id.to_owned()),
        }
    }

    /// The build id of a group that has no other mark.
    pub(crate) fn build_id(&self) -> &str {
        match self {
            Self::BuildId(build_id) => build_id,
            Self::Unversioned | Self::Version(_) | Self::Set(_) => "",
        }
    }
}
