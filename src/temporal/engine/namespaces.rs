//! Namespaces.

use std::collections::BTreeMap;
use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::SearchAttributes;
use temporalio_protos::temporal::api::enums::v1::NamespaceState as State;
use temporalio_protos::temporal::api::namespace::v1::BadBinaryInfo;

use crate::entropy::Entropy;
use crate::temporal::config::DynamicConfig;
use crate::temporal::reject::Reject;
use crate::temporal::rule::Rules;
use crate::temporal::visibility::CustomAttributes;
use crate::temporal::visibility::validate::{check_sizes, mark_types, validate};

/// The name of the one cluster that this server is.
pub(crate) const CLUSTER: &str = "active";

/// The namespace of Temporal's own workflows; every server has it.
pub(crate) const SYSTEM_NAMESPACE: &str = "temporal-system";
const SYSTEM_NAMESPACE_ID: &str = "32049b68-7872-4094-8e63-d0dd59896a83";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A namespace: workflows of different ones don't see each other.
#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) owner_email: String,
    pub(crate) data: BTreeMap<String, String>,
    pub(crate) retention: Duration,
    /// Nothing is forgotten, whatever the retention: nobody has asked for it.
    pub(crate) keeps_for_ever: bool,
    pub(crate) state: State,
    pub(crate) search_attributes: CustomAttributes,
    /// By checksum.
    pub(crate) bad_binaries: BTreeMap<String, BadBinaryInfo>,
    pub(crate) rules: Rules,
}

impl Namespace {
    /// A registered namespace with nothing but a name.
    pub(crate) fn new(id: String, name: &str, retention: Duration) -> Self {
        Self {
            id,
            name: name.to_owned(),
            description: String::new(),
            owner_email: String::new(),
            data: BTreeMap::new(),
            retention,
            keeps_for_ever: false,
            state: State::Registered,
            search_attributes: CustomAttributes::default(),
            bad_binaries: BTreeMap::new(),
            rules: Rules::default(),
        }
    }

    /// How long what has ended is kept, if not for ever.
    pub(crate) fn keeps_for(&self) -> Option<Duration> {
        (!self.keeps_for_ever).then_some(self.retention)
    }

    /// Checks what a client gives an execution, and writes each attribute's type beside its value.
    pub(crate) fn check_search_attributes(
        &self,
        config: &DynamicConfig,
        attributes: Option<&mut SearchAttributes>,
    ) -> Result<(), Reject> {
        match attributes {
            Some(attributes) => validate(attributes, &self.name, &self.search_attributes, config)
                .and_then(|()| check_sizes(attributes, config))
                .map(|()| mark_types(attributes, &self.search_attributes))
                .map_err(Reject::InvalidArgument),
            None => Ok(()),
        }
    }

    /// Refuses a request that isn't served in the namespace's state.
    fn in_state(&self, allowed: &[State]) -> Result<&Self, Reject> {
        match allowed.contains(&self.state) {
            true => Ok(self),
            false => Err(Reject::NamespaceInvalidState {
                namespace: self.name.clone(),
                state: self.state,
                allowed: allowed.to_vec(),
            }),
        }
    }
}

/// The registered namespaces, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Namespaces {
    by_name: BTreeMap<String, Namespace>,
    cluster: Cluster,
    /// The longest name that a request may have, in bytes.
    longest_name: usize,
}

/// What is written down about the one cluster.
#[derive(Clone, Debug, Default)]
enum Cluster {
    /// Its id is drawn when somebody asks.
    #[default]
    Unasked,
    Known(String),
    /// An operator removed it.
    Forgotten,
}

impl Namespaces {
    /// With those that every dev server has.
    pub(crate) fn with_default(entropy: &mut Entropy) -> Self {
        let mut namespaces = Self::default();
        namespaces.follow(&DynamicConfig::default());
        let default = Namespace {
            keeps_for_ever: true,
            ..Namespace::new(entropy.uuid(), "default", DAY)
        };
        let system = Namespace {
            description: "Temporal internal system namespace".to_owned(),
            owner_email: "temporal-core@temporal.io".to_owned(),
            ..Namespace::new(SYSTEM_NAMESPACE_ID.to_owned(), SYSTEM_NAMESPACE, DAY * 7)
        };
        for namespace in [default, system] {
            namespaces.by_name.insert(namespace.name.clone(), namespace);
        }
        namespaces
    }

    /// Goes by these settings from now on.
    pub(super) fn follow(&mut self, config: &DynamicConfig) {
        self.longest_name = config.id_bytes;
    }

    /// Sets how long `default` keeps what has ended.
    pub(super) fn set_default_retention(&mut self, retention: Duration) {
        if let Some(default) = self.by_name.get_mut("default") {
            default.retention = retention;
            default.keeps_for_ever = false;
        }
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

    /// The namespace that a request names, in whatever state.
    pub(crate) fn find(&self, name: &str) -> Result<&Namespace, Reject> {
        if name.is_empty() {
            return Err(Reject::InvalidArgument("Namespace not set on request.".to_owned()));
        }
        self.check_length(name)?;
        self.get(name).ok_or_else(|| Reject::NamespaceNotFound(name.to_owned()))
    }

    /// Refuses a name that is too long, also where another namespace counts: that of a task's token.
    pub(crate) fn check_length(&self, name: &str) -> Result<(), Reject> {
        match name.len() > self.longest_name {
            true => Err(Reject::InvalidArgument("Namespace length exceeds limit.".to_owned())),
            false => Ok(()),
        }
    }

    /// The namespace that a request names, unless it is deleted.
    pub(crate) fn require(&self, name: &str) -> Result<&Namespace, Reject> {
        self.find(name)?.in_state(&[State::Registered, State::Deprecated])
    }

    /// The namespace that a request names, if new workflows may start in it.
    pub(crate) fn require_registered(&self, name: &str) -> Result<&Namespace, Reject> {
        self.find(name)?.in_state(&[State::Registered])
    }

    pub(crate) fn register(&mut self, namespace: Namespace) -> Result<(), Reject> {
        if self.by_name.contains_key(&namespace.name) {
            return Err(Reject::NamespaceAlreadyExists(namespace.name));
        }
        self.by_name.insert(namespace.name.clone(), namespace);
        Ok(())
    }

    /// Puts a changed namespace in the place of the one with its name.
    pub(crate) fn replace(&mut self, namespace: Namespace) {
        self.by_name.insert(namespace.name.clone(), namespace);
    }

    /// Forgets a namespace.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Namespace> {
        self.by_name.remove(name)
    }

    /// The id of the cluster, unless it is forgotten.
    pub(crate) fn cluster_id(&mut self, entropy: &mut Entropy) -> Option<String> {
        if let Cluster::Unasked = self.cluster {
            self.cluster = Cluster::Known(entropy.uuid());
        }
        match &self.cluster {
            Cluster::Known(id) => Some(id.clone()),
            Cluster::Unasked | Cluster::Forgotten => None,
        }
    }

    /// An operator removes what is written down about the cluster.
    pub(crate) fn forget_cluster(&mut self) {
        self.cluster = Cluster::Forgotten;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Namespace> {
        self.by_name.values()
    }
}
