//! All worker deployments of all namespaces.

use std::collections::BTreeMap;
use std::time::Duration;

use super::deployment::{Deployment, Queues};
use super::drainage::PinnedRuns;
use super::version::{Version, deployment_workflow_id};
use super::version_state::{QueueOfVersion, Sync};
use crate::clock::Timestamp;
use crate::temporal::reject::Reject;

/// Deployments of one namespace (dynamic config `matching.maxDeployments`).
const MAX_DEPLOYMENTS: usize = 100;

/// The beginning of the request ids of deployments that polls have made.
const AUTO_CREATE_PREFIX: &str = "_auto_create_";

/// The deployments, by namespace and name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deployments {
    by_name: BTreeMap<(String, String), Deployment>,
    last_change: Timestamp,
}

/// A worker's first poll of a queue.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) namespace: String,
    pub(crate) version: Version,
    pub(crate) queue: QueueOfVersion,
}

impl Deployments {
    /// The time of a change: later than that of any change before, also where virtual time stands still. A real server's
    /// clock never shows the same time twice, and clients tell changes apart by it.
    pub(crate) fn tick(&mut self, now: Timestamp) -> Timestamp {
        self.last_change = now.max(self.last_change + Duration::from_nanos(1));
        self.last_change
    }

    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&Deployment> {
        self.by_name.get(&key(namespace, name))
    }

    pub(crate) fn get_mut(&mut self, namespace: &str, name: &str) -> Option<&mut Deployment> {
        self.by_name.get_mut(&key(namespace, name))
    }

    /// The deployment, in the words of the RPCs that need it to be there.
    pub(crate) fn require(&mut self, namespace: &str, name: &str) -> Result<&mut Deployment, Reject> {
        self.by_name.get_mut(&key(namespace, name)).ok_or_else(|| {
            Reject::NotFound(format!(
                "no Worker Deployment found with name '{name}'; does your Worker Deployment have pollers?"
            ))
        })
    }

    /// The deployment, in the words of the RPCs that show the workflow behind it.
    pub(crate) fn require_workflow(&mut self, namespace: &str, name: &str) -> Result<&mut Deployment, Reject> {
        self.by_name
            .get_mut(&key(namespace, name))
            .ok_or_else(|| Reject::workflow_not_found(&deployment_workflow_id(name)))
    }

    /// The deployment, made if it isn't there and there is room.
    pub(crate) fn get_or_create(
        &mut self,
        namespace: &str,
        name: &str,
        request_id: &str,
        identity: &str,
        at: Timestamp,
    ) -> Result<&mut Deployment, Reject> {
        let key = key(namespace, name);
        if !self.by_name.contains_key(&key) && self.of(namespace).count() >= MAX_DEPLOYMENTS {
            return Err(Reject::DeploymentLimit(format!(
                "reached maximum deployments in namespace ({MAX_DEPLOYMENTS})"
            )));
        }
        let make = || Deployment::new(name, request_id, identity, at);
        Ok(self.by_name.entry(key).or_insert_with(make))
    }

    /// The RPC `CreateWorkerDeployment`. Gives the conflict token.
    pub(crate) fn create(
        &mut self,
        namespace: &str,
        name: &str,
        request_id: &str,
        identity: &str,
        at: Timestamp,
    ) -> Result<Vec<u8>, Reject> {
        if let Some(existing) = self.get(namespace, name)
            && existing.create_request_id != request_id
        {
            let by_polls = match existing.create_request_id.starts_with(AUTO_CREATE_PREFIX) {
                true => " (auto-created from worker polls)",
                false => "",
            };
            return Err(Reject::AlreadyExists(format!(
                "Worker Deployment with name {name:?} already exists{by_polls}"
            )));
        }
        let deployment = self.get_or_create(namespace, name, request_id, identity, at)?;
        Ok(deployment.conflict_token.clone())
    }

    /// A worker of a version polls a queue for the first time.
    pub(crate) fn register(
        &mut self,
        queues: &dyn Queues,
        registration: &Registration,
        at: Timestamp,
    ) -> Result<Vec<Sync>, Reject> {
        let name = &registration.version.deployment;
        let request_id = format!("{AUTO_CREATE_PREFIX}{}", registration.version.build_id);
        let deployment = self.get_or_create(&registration.namespace, name, &request_id, "", at)?;
        deployment.register(queues, &registration.version, registration.queue.clone(), at)
    }

    /// Looks which versions of a namespace have drained meanwhile.
    pub(crate) fn refresh(&mut self, namespace: &str, now: Timestamp, pinned: impl Fn(&Version) -> PinnedRuns) {
        for ((of, _), deployment) in &mut self.by_name {
            if of == namespace {
                deployment.refresh(now, &pinned);
            }
        }
    }

    pub(crate) fn remove(&mut self, namespace: &str, name: &str) {
        self.by_name.remove(&key(namespace, name));
    }

    /// The deployments of a namespace, the one that changed last first.
    pub(crate) fn latest_first(&self, namespace: &str) -> Vec<&Deployment> {
        let mut deployments: Vec<&Deployment> = self.of(namespace).collect();
        deployments.sort_by_key(|deployment| std::cmp::Reverse(deployment.touched));
        deployments
    }

    fn of<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Deployment> + use<'a> {
        let first = key(namespace, "");
        let own = namespace.to_owned();
        self.by_name
            .range(first..)
            .take_while(move |((of, _), _)| *of == own)
            .map(|(_, deployment)| deployment)
    }
}

fn key(namespace: &str, name: &str) -> (String, String) {
    (namespace.to_owned(), name.to_owned())
}
