//! Plays scenarios: what `awaithumans-testkit run` does, as a library.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use awaithumans_testkit::player;
//! use awaithumans_testkit::scenario::ScenarioFile;
//!
//! let text = r#"
//!     name = "the worker dies while the workflow waits"
//!
//!     [[people]]
//!     after = "2d"
//!     does = { complete = { approved = true } }
//!
//!     [[faults]]
//!     fault = { crash_worker = { restart_after = "1h" } }
//!     when = { on = "parked" }
//!
//!     [expect]
//!     workflows = ["completed"]
//!     effects = 1
//! "#;
//! let file = ScenarioFile::parse("crash.toml", text).unwrap();
//! let played = player::play(&file).await.unwrap();
//! assert_eq!(played.broken, None);
//! file.judge(&played.seen).unwrap();
//! # }
//! ```
//!
//! - `workflow.rs`: the built-in approval; `inside.rs`: it and everything else in this process
//! - `outside.rs`: the user's own worker and receiver, and both servers on ports
//! - `seen.rs`: what a run came to

mod inside;
mod outside;
mod seen;
mod workflow;

pub use inside::play;
pub(crate) use inside::{check, play_exactly};
pub use outside::{Outside, Stage};

use crate::journal::Journal;
use crate::scenario::{Coverage, Seen};

/// A run that is over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Played {
    /// What it came to, for [`ScenarioFile::judge`](crate::scenario::ScenarioFile::judge).
    pub seen: Seen,
    /// The first invariant that was broken, and why.
    pub broken: Option<String>,
    /// What it has seen of the domain.
    pub coverage: Coverage,
    /// Everything that happened.
    pub journal: Journal,
    /// The seed that counted: `AWAITHUMANS_TESTKIT_SEED` overrides the scenario's.
    pub seed: u64,
    /// Why the run may not repeat byte for byte; empty if it will.
    pub unreproducible: Vec<String>,
}
