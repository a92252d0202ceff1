//! Nexus: endpoints, operations of workflows, cancellations and callbacks, played by raw calls so that every field of
//! both sides can be looked at.

mod callback;
mod cancellation;
mod endpoint;
mod operation;
mod outbound;
mod reset;
mod server;
mod standalone;
mod task;

pub(super) use server::{Failed, NexusTask, Server, WorkflowTask};
