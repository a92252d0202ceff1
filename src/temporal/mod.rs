//! An in-memory Temporal: the whole server as one value, without a clock, a thread or a socket of its own.
//!
//! A request comes down one way: [`rpc`] parses it, [`engine`] finds the run, [`run`] lets its machines ([`machine`])
//! write events and effects into a [`txn`], and the engine applies them: timers, tasks for [`matching`], letters to other
//! runs, answers.

mod activity_options;
mod allowed_addresses;
mod batch;
mod command;
mod config;
mod cron;
mod engine;
mod event;
mod failure;
mod history;
mod invariant;
mod link;
mod machine;
mod matching;
mod nexus;
mod payload;
mod priority;
mod proto;
mod queue_name;
mod reject;
mod retry;
mod rpc;
mod rule;
mod run;
mod schedule;
mod standalone;
mod time_locks;
mod time_skipping;
mod timer;
mod token;
mod txn;
mod versioning;
mod visibility;
mod worker;

pub use config::DynamicConfigError;
pub use engine::{Answer, Call, Engine, HandOut, Patience, Polls};
pub(crate) use engine::{ClosedRun, EngineFaults, WaitId};
#[cfg(test)]
pub(crate) use event::event_type;
pub use nexus::outbound::{CallbackId, CallbackOutcome};
pub use reject::Reject;
pub(crate) use rpc::system_info;
pub use rpc::{Rpc, Support, table};
pub(crate) use run::RunRef;
#[cfg(feature = "serve")]
pub(crate) use schedule::go_duration;
pub use time_locks::Skipping;
pub(crate) use token::answered_run;
pub use txn::{Note, Ticket};
pub use visibility::SearchAttributeType;
