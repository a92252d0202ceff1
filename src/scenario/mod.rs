//! Plans in the words of the domain: what people do, and what goes wrong. Plain data: written by hand, read from files, made by chance and shrunk.
//!
//! - `plan.rs`: a plan; `person.rs`: what somebody does
//! - `definition.rs`: a scenario, which is a plan with workflows (`settings.rs`) and what must come of it (`expect.rs`); `source.rs`: its file,
//!   `check.rs`: what can't be so, `problem.rs`: what is wrong with it
//! - `invariant/`: what must hold in every world, one checker a file
//! - `coverage.rs`: what a run, or many, have seen

mod check;
mod coverage;
mod definition;
mod expect;
pub(crate) mod invariant;
mod person;
mod plan;
mod problem;
mod settings;
mod source;

#[cfg(feature = "serve")]
pub(crate) use check::{PAY_ACTIVITY, TASK_QUEUE};
pub use coverage::Coverage;
pub use definition::{Scenario, ScenarioFile};
pub use expect::{Ending, Expect, Seen};
pub use invariant::Invariant;
#[cfg(feature = "serve")]
pub(crate) use person::Ways;
pub use person::{Does, Person, TaskFilter};
pub use plan::Plan;
pub use problem::{Problem, ScenarioError};
pub use settings::{ReceiverKey, Release, TimingName, WorkflowSettings, WorldSettings};
