//! Worker versioning, without runs and queues: the deployments of workers and their versions, the build ids of the two
//! generations before them, which workers a task goes to, and what a run knows of its own.

pub(crate) mod build_ids;
mod deployment;
mod drainage;
mod fingerprint;
mod group;
mod inherit;
mod over;
mod registry;
mod routing;
mod run;
mod search;
mod version;
mod version_state;

pub(crate) use deployment::{Deployment, Queues, SetCurrent, SetRamping};
pub(crate) use drainage::PinnedRuns;
pub(crate) use fingerprint::fingerprint32;
pub(crate) use group::WorkerGroup;
pub(crate) use inherit::{AutoUpgrade, StartVersioning};
pub(crate) use over::{Override, invalid_version};
pub(crate) use registry::{Deployments, Registration};
pub(crate) use routing::{Directive, QueueRouting, Ramp, Route, Routing};
pub(crate) use run::{Completed, RunVersioning, Target, versioned};
pub(crate) use version::{Version, check_build_id, check_deployment_name, dotted};
pub(crate) use version_state::{QueueOfVersion, Sync};
