//! One run: a world, a plan, a body, and what became of it.

use std::fmt::{self, Debug};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use super::fingerprint::Fingerprint;
use super::quiet;
use crate::scenario::{Coverage, Plan};
use crate::testkit::{Builder, Replays, Testkit};

/// The environment variable that makes explorations tell every run.
const TRACE_VARIABLE: &str = "AWAITHUMANS_TESTKIT_TRACE_RUNS";

/// When faults end, counted from the start.
const SAFETY: Duration = Duration::from_secs(30 * 86_400);

/// Within which time everything must have come to its end after that.
const LIVENESS: Duration = Duration::from_secs(40 * 86_400);

/// How long, in real time, a run in which nothing can move waits for somebody outside it. There is nobody.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);

/// What a body may give: nothing, or a result whose error is a failure.
pub trait Outcome {
    /// Why the run has failed, if it has.
    fn failure(self) -> Option<String>;
}

impl Outcome for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<T, E: Debug> Outcome for Result<T, E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| format!("the body gave an error: {error:?}"))
    }
}

/// How a run failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// In which way: the same for the same mistake.
    pub(crate) fingerprint: Fingerprint,
    /// What was said.
    pub(crate) message: String,
    pub(crate) journal: String,
    pub(crate) timeline: String,
}

/// A run before it is played.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) builder: Builder,
    pub(super) plan: Plan,
    /// Whether finished workflows are replayed at the end.
    pub(super) replays: bool,
}

impl Case {
    /// Plays on a runtime of its own. Gives what was seen, and how it failed, if it did.
    pub(super) fn play<O: Outcome>(self, body: &impl AsyncFn(&Testkit) -> O) -> (Coverage, Option<Failure>) {
        if is_traced() {
            eprintln!("begins: {self}");
        }
        let played = alone(self.play_here(body));
        if is_traced() {
            let failure = played.1.as_ref().map(|failure| failure.fingerprint.to_string());
            eprintln!("ends ({}): {self}", failure.as_deref().unwrap_or("well"));
        }
        played
    }

    async fn play_here<O: Outcome>(&self, body: &impl AsyncFn(&Testkit) -> O) -> (Coverage, Option<Failure>) {
        let kit = self.builder.start_exactly().await;
        kit.watch_invariants();
        if let Err(why) = kit.apply(&self.plan) {
            panic!("a plan makes no sense: {why}\n{}", self.plan);
        }
        kit.end_faults_after(SAFETY);
        kit.set_patience(PATIENCE);
        let ended = match quiet::catch(AssertUnwindSafe(self.run(&kit, body))).await {
            Ok(ended) => ended,
            Err(panic) => Err(panic),
        };
        // What was broken first is the cause, whatever the body makes of it.
        let message = kit.broken_invariant().or_else(|| ended.as_ref().err().cloned());
        let failure = message.map(|message| Failure {
            fingerprint: Fingerprint::of(&message),
            message,
            journal: kit.journal().to_string(),
            timeline: kit.timeline(),
        });
        let mut coverage = kit.coverage();
        if !kit.unreproducible().is_empty() {
            coverage.count("run:not reproducible".to_owned());
        }
        if ended.is_ok_and(|replays| !replays.left_out.is_empty()) {
            coverage.count("run:not replayed".to_owned());
        }
        (coverage, failure)
    }

    /// Gives what was replayed, or why the run has failed.
    async fn run<O: Outcome>(&self, kit: &Testkit, body: &impl AsyncFn(&Testkit) -> O) -> Result<Replays, String> {
        let start = kit.now();
        if let Some(failure) = body(kit).await.failure() {
            return Err(failure);
        }
        if let Err(error) = kit.advance_to(start + SAFETY + LIVENESS).await {
            return Err(format!("after the faults had ended: {error}"));
        }
        let open = kit.who_waits();
        if !open.is_empty() {
            return Err(format!(
                "forty days after the last fault somebody still waits: {}",
                open.join("; ")
            ));
        }
        match self.replays {
            true => kit.check_replays().await.map_err(|error| error.to_string()),
            false => Ok(Replays::default()),
        }
    }
}

/// Runs to the end on a runtime of its own, so that nothing of one run is left in the next.
pub(crate) fn alone<T>(run: impl Future<Output = T>) -> T {
    match crate::io::alone(run) {
        Ok(given) => given,
        Err(error) => panic!("a run needs a runtime: {error}"),
    }
}

/// Whether every run is told, with its plan: to see at what an exploration is when it takes long.
fn is_traced() -> bool {
    std::env::var_os(TRACE_VARIABLE).is_some_and(|value| value != "0")
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = serde_json::to_string(&self.plan).unwrap_or_default();
        write!(f, "seed {}, {plan}", self.builder.chosen_seed())
    }
}
