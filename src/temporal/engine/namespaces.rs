//! Namespaces.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::entropy::Entropy;
use crate::temporal::reject::Reject;

/// A namespace: workflows of different ones don't see each other.
#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) owner_email: String,
    pub(crate) data: BTreeMap<String, String>,
    pub(crate) retention: Duration,
    pub(crate) deprecated: bool,
}

/// The registered namespaces, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Namespaces {
    by_name: BTreeMap<String, Namespace>,
}

impl Namespaces {
    /// With the one that every dev server has.
    pub(crate) fn with_default(entropy: &mut Entropy) -> Self {
        let mut namespaces = Self::default();
        let namespace = Namespace {
            id: entropy.uuid(),
            name: "default".to_owned(),
            description: String::new(),
            owner_email: String::new(),
            data: BTreeMap::new(),
            retention: Duration::from_secs(24 * 60 * 60),
            deprecated: false,
        };
        namespaces.by_name.insert(namespace.name.clone(), namespace);
        namespaces
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Namespace> {
        self.by_name.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Namespace> {
        self.by_name.get_mut(name)
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Namespace> {
        self.by_name.values().find(|namespace| namespace.id == id)
    }

    /// The namespace that a request names.
    pub(crate) fn require(&self, name: &str) -> Result<&Namespace, Reject> {
        if name.is_empty() {
            return Err(Reject::InvalidArgument("Namespace not set on request.".to_owned()));
        }
        self.get(name).ok_or_else(|| Reject::NamespaceNotFound(name.to_owned()))
    }

    pub(crate) fn register(&mut self, namespace: Namespace) -> Result<(), Reject> {
        if self.by_name.contains_key(&namespace.name) {
            return Err(Reject::NamespaceAlreadyExists(namespace.name));
        }
        self.by_name.insert(namespace.name.clone(), namespace);
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Namespace> {
        self.by_name.values()
    }
}
