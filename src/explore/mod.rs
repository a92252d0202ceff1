//! Exploration: one test body under many seeds, each with people and faults by chance, until one breaks it. Feature `proptest`.
//!
//! A seed decides which faults are in its swarm, the plan, and every id and choice in the world. A run has two phases: while its faults
//! strike, nothing may go wrong for good (safety: the invariants, and what the body asserts); thirty virtual days after the start they
//! end, and everything must come to its end (liveness). Then each finished workflow is replayed. A plan that breaks the body is shrunk, over
//! its steps and over time, for as long as it breaks it in the same way, and kept in `testkit-regressions/`, where the next run of the test
//! looks first.
//!
//! ```no_run
//! use awaithumans_testkit::Testkit;
//! use awaithumans_testkit::explore::Explore;
//!
//! # async fn approve_a_refund(kit: &Testkit) {}
//! #[test]
//! fn a_refund_is_paid_at_most_once() {
//!     Explore::new("a refund is paid at most once").seeds(0..2_000).check(async |kit: &Testkit| {
//!         // Start a worker, start the workflow, let time run until it is over, assert.
//!         approve_a_refund(kit).await;
//!     });
//! }
//! ```
//!
//! - `case.rs`: one run; `swarm.rs`: from a seed to a plan; `shrink.rs`: to a smaller one
//! - `fingerprint.rs`: in which way a run failed; `capsule.rs`: what is kept of it; `quiet.rs`: panics that nobody wants to read

mod capsule;
mod case;
mod fingerprint;
mod quiet;
mod shrink;
mod swarm;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use capsule::Capsule;
pub use case::Outcome;
#[cfg(feature = "serve")]
pub(crate) use case::{PATIENCE, alone};
#[cfg(feature = "serve")]
pub(crate) use fingerprint::Fingerprint;
#[cfg(feature = "serve")]
pub(crate) use quiet::catch;
pub(crate) use quiet::is_quiet;

use crate::Threads;
use crate::scenario::{Coverage, Plan};
use crate::strategies::PlanOptions;
use crate::testkit::{Builder, Testkit};
use case::{Case, Failure};

/// The seeds that are tried unless a test says otherwise.
const DEFAULT_SEEDS: Range<u64> = 0..500;

/// Where failures are kept, from the package's root.
const REGRESSIONS: &str = "testkit-regressions";

/// An exploration, until it is run.
#[derive(Clone, Debug)]
#[must_use = "an exploration does nothing until it is run: check(…) or run(…)"]
pub struct Explore {
    name: String,
    seeds: Range<u64>,
    builder: Builder,
    options: PlanOptions,
    regressions: Option<PathBuf>,
    threads: Threads,
    max_shrinks: u32,
    replays: bool,
}

impl Explore {
    /// An exploration of this name: that of the property, in words. Its failures are kept under it.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            seeds: DEFAULT_SEEDS,
            builder: Testkit::builder(),
            options: PlanOptions::default(),
            regressions: Some(PathBuf::from(REGRESSIONS)),
            threads: Threads::of_all_cores(),
            max_shrinks: 400,
            replays: true,
        }
    }

    /// The seeds to try; `0..500` by default.
    pub fn seeds(mut self, seeds: Range<u64>) -> Self {
        self.seeds = seeds;
        self
    }

    /// What plans are made of.
    pub fn plans(mut self, options: PlanOptions) -> Self {
        self.options = options;
        self
    }

    /// The settings of each run's testkit; its seed is the run's.
    pub fn builder(mut self, builder: Builder) -> Self {
        self.builder = builder;
        self
    }

    /// Where failures are kept, and looked for first; `testkit-regressions` in the package's root by default, `None` for nowhere. Beside the file
    /// that is played again are its journal, its timeline and its test.
    pub fn regressions(mut self, folder: Option<PathBuf>) -> Self {
        self.regressions = folder;
        self
    }

    /// How many runs at a time; as many as there are cores by default. Which failure is found doesn't depend on it: the one of the lowest seed.
    pub fn threads(mut self, threads: impl Into<Threads>) -> Self {
        self.threads = threads.into();
        self
    }

    /// Whether each workflow that has finished is replayed at the end of a run, see [`Testkit::check_replays`]; it is by default.
    pub fn replays(mut self, replays: bool) -> Self {
        self.replays = replays;
        self
    }

    /// Runs the body, and panics with the shrunk failure if there is one.
    ///
    /// # Panics
    /// If a run breaks the body or an invariant, or doesn't come to its end.
    #[track_caller]
    pub fn check<O: Outcome>(self, body: impl AsyncFn(&Testkit) -> O + Sync) -> Report {
        let report = self.run(body);
        if let Some(capsule) = &report.failure {
            panic!("{capsule}");
        }
        report
    }

    /// Runs the body under all seeds, or until one breaks it.
    pub fn run<O: Outcome>(self, body: impl AsyncFn(&Testkit) -> O + Sync) -> Report {
        if let Some(capsule) = self.rerun_kept(&body) {
            return Report {
                coverage: Coverage::default(),
                failure: Some(capsule),
            };
        }
        let (coverage, found) = self.search(&body);
        let failure = found.map(|(seed, plan, failure)| {
            let (plan, failure) = shrink::shrink(&self, seed, plan, failure, &body);
            let capsule = Capsule::new(&self.name, seed, plan, failure);
            if let Some(folder) = &self.regressions {
                capsule.keep(folder);
            }
            capsule
        });
        Report { coverage, failure }
    }

    /// Failures that were kept come first.
    fn rerun_kept<O: Outcome>(&self, body: &(impl AsyncFn(&Testkit) -> O + Sync)) -> Option<Capsule> {
        let folder = self.regressions.as_ref()?;
        Capsule::kept(folder, &self.name).into_iter().find_map(|kept| {
            let failure = self.case(kept.seed, kept.plan.clone()).play(body).1?;
            Some(Capsule::new(&self.name, kept.seed, kept.plan, failure))
        })
    }

    /// The failure of the lowest seed, and what all runs have seen.
    fn search<O: Outcome>(&self, body: &(impl AsyncFn(&Testkit) -> O + Sync)) -> (Coverage, Option<Found>) {
        let next = AtomicU64::new(self.seeds.start);
        let failed = AtomicBool::new(false);
        let found: Mutex<(Coverage, Option<Found>)> = Mutex::default();
        let shard = |_| {
            let mut coverage = Coverage::default();
            let mut first = None;
            // Seeds are taken in order: when one fails, all below it are done or at work, and those are finished.
            while !failed.load(Ordering::SeqCst) {
                let seed = next.fetch_add(1, Ordering::SeqCst);
                if seed >= self.seeds.end {
                    break;
                }
                let plan = swarm::plan_of(seed, &self.options);
                let (seen, failure) = self.case(seed, plan.clone()).play(body);
                coverage.add(&seen);
                if let Some(failure) = failure {
                    failed.store(true, Ordering::SeqCst);
                    first = Some((seed, plan, failure));
                }
            }
            let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            found.0.add(&coverage);
            let is_lower =
                |(seed, ..): &(u64, Plan, Failure)| found.1.as_ref().is_none_or(|(lowest, ..)| seed < lowest);
            if first.as_ref().is_some_and(is_lower) {
                found.1 = first;
            }
        };
        // Each shard has worlds of its own: what is found doesn't depend on which of them finds it.
        self.threads.run(shard);
        found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn case(&self, seed: u64, plan: Plan) -> Case {
        Case {
            builder: self.builder.clone().seed(seed),
            plan,
            replays: self.replays,
        }
    }
}

/// A seed, its plan, and how it fails.
type Found = (u64, Plan, Failure);

/// What an exploration came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// What the runs have seen: print it for a table.
    pub coverage: Coverage,
    /// What broke the body, shrunk; `None` if nothing did.
    pub failure: Option<Capsule>,
}

/// Fails a test whose exploration never got where it was to get: each name must have been seen, see
/// [`Coverage::seen`](crate::scenario::Coverage::seen).
///
/// ```should_panic
/// use awaithumans_testkit::{require_seen, scenario::Coverage};
///
/// require_seen!(Coverage::default(), "status:timed_out", "fault:crash_worker");
/// ```
#[macro_export]
macro_rules! require_seen {
    ($coverage:expr, $($what:expr),+ $(,)?) => {{
        let coverage = &$coverage;
        let unseen: Vec<&str> = [$($what),+].into_iter().filter(|what| coverage.seen(what) == 0).collect();
        assert!(unseen.is_empty(), "never seen: {}\n{coverage}", unseen.join(", "));
    }};
}
