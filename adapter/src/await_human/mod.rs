//! `await_human`, in two forms over one flow.
//!
//! The Rust SDK routes signals by names that are fixed at compile time, but the signal that ends a
//! wait is called `awaithumans:{idempotency_key}`. So the workflow that waits is one whose signals
//! the adapter routes:
//! - [`workflow`]: the inline form, for workflows written against [`HumanWorkflow`];
//! - [`child`]: the adapter's own workflow of that kind, run as a child of any other one.

mod child;
mod error;
mod form;
mod handlers;
mod outcome;
mod task;
mod workflow;

pub use self::{
    child::{AWAIT_HUMAN_WORKFLOW, RegisterAwaitHuman, await_human, register, register_for_replay},
    error::AwaitHumanError,
    handlers::{HandlerError, Handlers, HumanQuery, HumanSignal, HumanUpdate},
    task::{AssignTo, HumanTask, VerifierConfig},
    workflow::{Human, HumanContext, HumanRun, HumanWorkflow},
};
