//! Plans in the words of the domain: what people do, and what goes wrong. Plain data: written by hand, read from files, made by chance and shrunk.
//!
//! - `plan.rs`: a plan; `person.rs`: what somebody does
//! - `invariant/`: what must hold in every world, one checker a file
//! - `coverage.rs`: what a run, or many, have seen

mod coverage;
pub(crate) mod invariant;
mod person;
mod plan;

pub use coverage::Coverage;
pub use invariant::Invariant;
pub use person::{Does, Person, TaskFilter};
pub use plan::Plan;
