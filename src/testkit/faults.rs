//! The faults as a test sees them.

use crate::fault::{ActiveRule, Rule, RuleId};
use crate::io::{Connection, Driver};
use crate::world::World;

/// What goes wrong: see [`crate::fault`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use awaithumans_testkit::Testkit;
/// use awaithumans_testkit::fault::{Fault, RequestMatch, Rule};
///
/// let kit = Testkit::start().await;
/// let create_fails = kit.faults().add(Rule::new(Fault::FailRequest { request: RequestMatch::create(), status: 503 }));
/// // … a workflow asks a person, and its activity is tried again …
/// # create_fails.forget();
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Faults {
    driver: Driver,
}

impl Faults {
    pub(super) fn new(driver: Driver) -> Self {
        Self { driver }
    }

    /// Sets a rule, until the guard is dropped.
    ///
    /// # Panics
    /// If the rule could never do what it says.
    #[track_caller]
    pub fn add(&self, rule: Rule) -> FaultGuard {
        let text = rule.to_string();
        match self.driver.write(|world| world.add_fault(rule)) {
            Ok(id) => FaultGuard {
                driver: self.driver.clone(),
                id: Some(id),
            },
            Err(why) => panic!("the fault rule “{text}” makes no sense: {why}"),
        }
    }

    /// All rules in force and how often each has fired, oldest first.
    pub fn rules(&self) -> Vec<ActiveRule> {
        self.driver.read(|world| world.faults().iter().cloned().collect())
    }

    /// From now on nothing goes wrong any more: rules that haven't fired won't. A server that is down comes back when it was to.
    pub fn disarm(&self) {
        self.driver.write(|world| world.disarm_faults());
    }
}

/// Where a test says what happened in the world outside: money was paid, a mail was sent. Clones go into activities.
///
/// The invariant of all kits that watch theirs: at most one effect for each idempotency key.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use awaithumans_testkit::Testkit;
///
/// let kit = Testkit::start().await;
/// kit.watch_invariants();
/// kit.effects().record("pay:order-7");
/// kit.effects().record("pay:order-7");
/// let broken = kit.advance(std::time::Duration::from_secs(1)).await.unwrap_err();
/// assert!(broken.is_broken_invariant(), "{broken}");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Effects {
    driver: Driver,
}

impl Effects {
    pub(super) fn new(driver: Driver) -> Self {
        Self { driver }
    }

    /// Something has happened under this idempotency key. What an activity does whose worker has been killed doesn't happen.
    pub fn record(&self, idempotency_key: &str) {
        let happen = |world: &mut World| world.record_effect(idempotency_key);
        match Connection::of_this_thread(&self.driver) {
            Some(worker) => self.driver.write_of(worker.id(), happen),
            None => self.driver.write(happen),
        }
    }

    /// The keys of all that has happened, oldest first.
    pub fn all(&self) -> Vec<String> {
        self.driver.read(|world| world.effects().to_vec())
    }
}

/// Keeps a rule in force. Dropping it takes the rule away.
///
/// # Panics
/// When it is dropped and the rule has never fired: the test didn't test what it meant to.
#[must_use = "the rule is in force for as long as the guard lives"]
#[derive(Debug)]
pub struct FaultGuard {
    driver: Driver,
    id: Option<RuleId>,
}

impl FaultGuard {
    /// How often the rule has fired.
    pub fn fired(&self) -> u32 {
        let rules = |id| {
            self.driver.read(|world| {
                world
                    .faults()
                    .iter()
                    .find(|active| active.id == id)
                    .map(|active| active.fired)
            })
        };
        self.id.and_then(rules).unwrap_or_default()
    }

    /// Leaves the rule in force until the testkit is gone, and doesn't ask whether it has fired.
    pub fn forget(mut self) {
        self.id = None;
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        let Some(id) = self.id else {
            return;
        };
        let removed = self.driver.write(|world| world.remove_fault(id));
        let unfired = removed.filter(|active| active.fired == 0);
        if let Some(active) = unfired.filter(|_| !std::thread::panicking()) {
            panic!(
                "the fault “{}” never fired: nothing came by that it was for. The test didn't test what it meant to",
                active.rule
            );
        }
    }
}
