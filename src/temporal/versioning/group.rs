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
}

impl WorkerGroup {
    /// The workers of a version, or those without one.
    pub(crate) fn of(version: Option<Version>) -> Self {
        version.map_or(Self::Unversioned, Self::Version)
    }
}
