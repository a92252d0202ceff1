//! The registry of endpoints: names that workflows call, and where the calls go.

use std::collections::{BTreeMap, BTreeSet};

use temporalio_protos::temporal::api::common::v1::Payload;
use temporalio_protos::temporal::api::nexus::v1 as wire;

use crate::clock::Timestamp;
use crate::temporal::proto::timestamp;

/// Where an endpoint's requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To workers that poll this queue; the namespace is named by id, so that a rename doesn't matter.
    Worker { namespace_id: String, task_queue: String },
    /// To another server.
    External { url: String },
}

/// What a client says an endpoint should be.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) description: Option<Payload>,
    pub(crate) target: Target,
}

/// A registered endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) version: i64,
    pub(crate) spec: Spec,
    /// Temporal loses it with the first update (`service/matching/nexus_endpoint_client.go`).
    created_at: Option<Timestamp>,
    modified_at: Option<Timestamp>,
}

/// Why an update was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpdateRefusal {
    NotFound,
    /// The version that there is.
    OtherVersion(i64),
}

/// The endpoints of the cluster, by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endpoints {
    by_id: BTreeMap<String, Endpoint>,
    /// Names that can't be registered. A renamed endpoint keeps its old name here, as in Temporal's own table.
    taken: BTreeSet<String>,
}

impl Endpoints {
    pub(crate) fn get(&self, id: &str) -> Option<&Endpoint> {
        self.by_id.get(id)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Endpoint> {
        self.by_id.values().find(|endpoint| endpoint.spec.name == name)
    }

    /// The endpoint that an operation was scheduled for: by id, else by name.
    pub(crate) fn resolve(&self, id: &str, name: &str) -> Option<&Endpoint> {
        self.get(id).or_else(|| self.by_name(name))
    }

    pub(crate) fn is_taken(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    /// At most `limit` endpoints, in the order of their ids, beginning after the one with this id.
    pub(crate) fn page<'a>(&'a self, after: &'a str, limit: usize) -> impl Iterator<Item = &'a Endpoint> {
        self.by_id
            .values()
            .skip_while(move |endpoint| endpoint.id.as_str() <= after)
            .take(limit)
    }

    /// Registers an endpoint; its name isn't taken.
    pub(crate) fn create(&mut self, now: Timestamp, id: String, spec: Spec) -> &Endpoint {
        self.taken.insert(spec.name.clone());
        let endpoint = Endpoint {
            id: id.clone(),
            version: 1,
            spec,
            created_at: Some(now),
            modified_at: None,
        };
        self.by_id.entry(id).or_insert(endpoint)
    }

    pub(crate) fn update(
        &mut self,
        now: Timestamp,
        id: &str,
        version: i64,
        spec: Spec,
    ) -> Result<&Endpoint, UpdateRefusal> {
        let endpoint = self.by_id.get_mut(id).ok_or(UpdateRefusal::NotFound)?;
        if endpoint.version != version {
            return Err(UpdateRefusal::OtherVersion(endpoint.version));
        }
        self.taken.insert(spec.name.clone());
        endpoint.version += 1;
        endpoint.spec = spec;
        endpoint.created_at = None;
        endpoint.modified_at = Some(now);
        Ok(endpoint)
    }

    /// Gives whether there was one.
    pub(crate) fn delete(&mut self, id: &str) -> bool {
        let Some(endpoint) = self.by_id.remove(id) else {
            return false;
        };
        self.taken.remove(&endpoint.spec.name);
        true
    }
}

impl Endpoint {
    /// As clients see it. `namespace` is the name of a worker target's namespace.
    pub(crate) fn describe(&self, namespace: &str) -> wire::Endpoint {
        use wire::endpoint_target::{External, Variant, Worker};
        let variant = match &self.spec.target {
            Target::Worker { task_queue, .. } => Variant::Worker(Worker {
                namespace: namespace.to_owned(),
                task_queue: task_queue.clone(),
            }),
            Target::External { url } => Variant::External(External { url: url.clone() }),
        };
        wire::Endpoint {
            version: self.version,
            id: self.id.clone(),
            spec: Some(wire::EndpointSpec {
                name: self.spec.name.clone(),
                description: self.spec.description.clone(),
                target: Some(wire::EndpointTarget { variant: Some(variant) }),
            }),
            created_time: self.created_at.map(timestamp),
            last_modified_time: self.modified_at.map(timestamp),
            url_prefix: format!("/nexus/endpoints/{}/services", self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str) -> Spec {
        Spec {
            name: name.to_owned(),
            description: None,
            target: Target::External {
                url: "https://elsewhere".to_owned(),
            },
        }
    }

    #[test]
    fn an_update_needs_the_version_and_keeps_the_old_name_taken() {
        let now = Timestamp::EPOCH_OF_TESTS;
        let mut endpoints = Endpoints::default();
        endpoints.create(now, "a".to_owned(), spec("one"));
        assert_eq!(
            endpoints.update(now, "a", 7, spec("two")).unwrap_err(),
            UpdateRefusal::OtherVersion(1)
        );
        assert_eq!(endpoints.update(now, "a", 1, spec("two")).unwrap().version, 2);
        assert!(endpoints.by_name("one").is_none() && endpoints.by_name("two").is_some());
        assert!(endpoints.is_taken("one") && endpoints.is_taken("two"));
        assert!(endpoints.delete("a") && !endpoints.delete("a"));
        assert!(!endpoints.is_taken("two"));
    }

    #[test]
    fn pages_go_on_after_the_last_id() {
        let mut endpoints = Endpoints::default();
        for id in ["c", "a", "b"] {
            endpoints.create(Timestamp::EPOCH_OF_TESTS, id.to_owned(), spec(id));
        }
        let ids = |after, limit| {
            endpoints
                .page(after, limit)
                .map(|endpoint| endpoint.id.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(ids("", 2), ["a", "b"]);
        assert_eq!(ids("b", 2), ["c"]);
        assert_eq!(ids("zzz", 2), [""; 0]);
    }
}
