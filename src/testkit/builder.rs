//! How a testkit is made.

use std::time::Duration;

use awaithumans_temporal::{PayloadKey, WebhookKey};

use super::{Testkit, connect, mover};
use crate::clock::Timestamp;
use crate::human::{self, Profile, Timing};
use crate::io::{Connection, Driver, Grace, Receiver};
use crate::temporal::{HandOut, SearchAttributeType};
use crate::world::World;
use temporalio_client::Client;

/// The environment variable that overrides every testkit's seed.
pub(super) const SEED_VARIABLE: &str = "AWAITHUMANS_TESTKIT_SEED";

/// The seed of a testkit that nobody gave one: fixed, so that a test is the same every time.
const DEFAULT_SEED: u64 = 0;

/// The address of the fake awaithumans server.
pub(super) const SERVER_URL: &str = "http://awaithumans.test";

/// The PAYLOAD_KEY of a testkit that nobody gave one: the bytes 0 to 31.
pub(crate) const TEST_PAYLOAD_KEY: [u8; 32] = {
    let mut key = [0; 32];
    let mut index = 0;
    while index < key.len() {
        key[index] = index as u8;
        index += 1;
    }
    key
};

/// The token that the fake awaithumans server takes, unless a test says otherwise.
pub(crate) const TEST_ADMIN_TOKEN: &str = "testkit-admin-token";

/// Settings of a [`Testkit`]. One builder can start several.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use awaithumans_testkit::{Testkit, human::Profile};
///
/// let kit = Testkit::builder().seed(7).profile(Profile::V0_1_0).start().await;
/// assert_eq!(kit.seed(), 7);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    seed: u64,
    profile: Profile,
    start_at: Timestamp,
    payload_key: PayloadKey,
    admin_token: String,
    public_url: String,
    service_key: Option<String>,
    embed_secret: Option<String>,
    parent_origins: String,
    grace: Duration,
    search_attributes: Vec<(String, SearchAttributeType)>,
    dynamic_config: Vec<(String, serde_json::Value)>,
    retention: Option<Duration>,
    timing: Timing,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            seed: DEFAULT_SEED,
            profile: Profile::default(),
            start_at: Timestamp::EPOCH_OF_TESTS,
            payload_key: PayloadKey::from_bytes(TEST_PAYLOAD_KEY),
            admin_token: TEST_ADMIN_TOKEN.to_owned(),
            public_url: SERVER_URL.to_owned(),
            service_key: None,
            embed_secret: None,
            parent_origins: String::new(),
            grace: Duration::from_secs(3),
            search_attributes: Vec::new(),
            dynamic_config: Vec::new(),
            retention: None,
            timing: Timing::default(),
        }
    }
}

impl Builder {
    /// The seed of every id, token and choice; 0 by default. `AWAITHUMANS_TESTKIT_SEED` overrides it.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Which release of awaithumans the fake behaves as; today's by default.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Whether the fake awaithumans does what is due at the next of its ticks, every 5 s as the real one, or at once.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// When virtual time starts; 2026-01-01T00:00:00Z by default.
    #[must_use]
    pub fn start_at(mut self, moment: Timestamp) -> Self {
        self.start_at = moment;
        self
    }

    /// The key that server and receiver share; 32 fixed bytes by default.
    #[must_use]
    pub fn payload_key(mut self, key: PayloadKey) -> Self {
        self.payload_key = key;
        self
    }

    /// The token that the fake awaithumans server takes.
    #[must_use]
    pub fn admin_token(mut self, token: impl Into<String>) -> Self {
        self.admin_token = token.into();
        self
    }

    /// The address that links in notifications lead to: scheme, host and port; [`Testkit::server_url`] by default.
    #[must_use]
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = url.into();
        self
    }

    /// The key `ah_sk_…` that may mint embed tokens; without one nobody may.
    #[must_use]
    pub fn service_key(mut self, key: impl Into<String>) -> Self {
        self.service_key = Some(key.into());
        self
    }

    /// The secret that embed tokens are signed with; without one there are none.
    #[must_use]
    pub fn embed_secret(mut self, secret: impl Into<String>) -> Self {
        self.embed_secret = Some(secret.into());
        self
    }

    /// The origins whose pages may show tasks in a frame, separated by commas.
    #[must_use]
    pub fn parent_origins(mut self, origins: impl Into<String>) -> Self {
        self.parent_origins = origins.into();
        self
    }

    /// A search attribute of namespace `default`, as `temporal operator search-attribute create` adds one.
    #[must_use]
    pub fn search_attribute(mut self, name: impl Into<String>, kind: SearchAttributeType) -> Self {
        self.search_attributes.push((name.into(), kind));
        self
    }

    /// A setting of Temporal's dynamic configuration, by its name there; `frontend.workerVersioningRuleAPIs`, for example.
    #[must_use]
    pub fn dynamic_config(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.dynamic_config.push((name.into(), value.into()));
        self
    }

    /// How long the namespace `default` keeps workflows, activities and Nexus operations that have ended, in virtual time. Without it they
    /// are kept for ever, so that no test loses what it looks at.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = Some(retention);
        self
    }

    /// How long, in real time, an activity may block on something outside the world before the world goes on without
    /// it; 3 s by default. A run in which that happened is marked as not reproducible.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Starts a testkit on the current Tokio runtime.
    ///
    /// # Panics
    /// Outside a Tokio runtime, if `AWAITHUMANS_TESTKIT_SEED` is set and isn't a number, if there are more search
    /// attributes of a type than Temporal has room for, or if a setting can't be set.
    pub async fn start(&self) -> Testkit {
        let seed = seed_from_environment().unwrap_or(self.seed);
        Testkit::build(self.clone().seed(seed)).await
    }

    /// The seed that it has been given.
    #[cfg(feature = "proptest")]
    pub(crate) fn chosen_seed(&self) -> u64 {
        self.seed
    }

    /// As [`Self::start`], whatever the environment says of the seed.
    #[cfg(feature = "proptest")]
    pub(crate) async fn start_exactly(&self) -> Testkit {
        Testkit::build(self.clone()).await
    }
}

/// What a testkit is put together from.
pub(super) struct Parts {
    pub(super) driver: Driver,
    pub(super) client: Client,
    pub(super) receiver: Receiver,
    pub(super) seed: u64,
    pub(super) key: WebhookKey,
    pub(super) admin_token: String,
}

pub(super) async fn build(builder: Builder) -> Testkit {
    let seed = builder.seed;
    let key = builder.payload_key.webhook_key();
    let mut config = human::Config::with_key(builder.payload_key.clone());
    config.profile = builder.profile;
    config.timing = builder.timing;
    config.admin_token.clone_from(&builder.admin_token);
    config.public_url.clone_from(&builder.public_url);
    config.service_key.clone_from(&builder.service_key);
    config.embed_secret.clone_from(&builder.embed_secret);
    config.parent_origins.clone_from(&builder.parent_origins);
    config.started_at = builder.start_at;
    let mut world = World::new(seed, HandOut::Serial, config);
    for (name, kind) in builder.search_attributes {
        assert!(
            world.add_search_attribute(super::NAMESPACE, &name, kind),
            "there is no room for search attribute {name} of type {kind:?}"
        );
    }
    if let Some(retention) = builder.retention {
        world.set_retention(retention);
    }
    for (name, value) in builder.dynamic_config {
        if let Err(error) = world.set_dynamic_config(&name, &value) {
            panic!("{error}");
        }
    }
    let (driver, outgoing) = Driver::new(world, Grace(builder.grace));
    let client = connect(Connection::new(driver.clone()).service(), "test").await;
    // The receiver is a party of its own: its calls come by a connection of its own.
    let receiver_client = connect(Connection::new(driver.clone()).service(), "receiver").await;
    let receiver = Receiver::new(driver.clone(), receiver_client, key.clone());
    let mut kit = Testkit::assemble(Parts {
        driver: driver.clone(),
        client,
        receiver: receiver.clone(),
        seed,
        key,
        admin_token: builder.admin_token,
    });
    kit.keep(spawn(receiver.run(outgoing)));
    kit.keep(spawn(mover::move_for_clients(driver.clone(), kit.mover.clone())));
    let killed = driver.supervise();
    kit.keep(spawn(kit.workers.clone().supervise(driver, killed)));
    kit
}

#[expect(
    clippy::disallowed_methods,
    reason = "the testkit's own two tasks; both act only on a world that waits for them"
)]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(task)
}

fn seed_from_environment() -> Option<u64> {
    let text = std::env::var(SEED_VARIABLE).ok()?;
    match text.trim().parse() {
        Ok(seed) => Some(seed),
        Err(error) => panic!("{SEED_VARIABLE} must be a number from 0 to 2^64 - 1, not {text:?}: {error}"),
    }
}
