//! Faults as rules at boundaries: what goes wrong, where, when and how often.
//!
//! A [`Rule`] is plain data, the same from Rust ([`Testkit::faults`](crate::Testkit::faults)), from a scenario file and from the control
//! API. Rules strike what comes by at a boundary: a call to Temporal, a task on its way to a worker, a request to the awaithumans server,
//! a webhook. Others happen at their moment: a crash, a restart, a jump of the clock. Of rules that strike the same thing the oldest wins.
//!
//! - `rule.rs`: what a rule says, and all faults; `matching.rs`: which call, task, request or webhook; `span.rs`: durations in words
//! - `kinds.rs`: names, lanes and what makes no sense; `rules.rs`: the rules in force
//!
//! The world carries them out: see `src/world/`.

mod kinds;
mod matching;
mod rule;
mod rules;
mod span;

pub use crate::moment::{Happening, Moment, MomentKind};
pub use kinds::FAULT_NAMES;
pub use matching::{CallMatch, RequestMatch, TaskKind, TaskMatch, WebhookMatch};
pub use rule::{ClockOf, Code, DatabaseFailure, Fault, Rule, When};
pub use rules::{ActiveRule, RuleId, Rules};
pub(crate) use rules::{CallInfo, RequestInfo, TaskInfo, Waiting, time_of};
pub use span::Span;
