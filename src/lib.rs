//! A deterministic test harness for durable workflows that wait for people.

mod clock;
mod entropy;
#[cfg(feature = "rstest")]
pub mod fixture;
pub mod human;
mod io;
mod journal;
mod temporal;
mod testkit;
mod world;

mod webhooks;

#[cfg(feature = "insta")]
pub mod history_json;
#[cfg(feature = "wiremock")]
pub mod matchers;
#[cfg(feature = "insta")]
pub mod redact;
#[cfg(feature = "proptest")]
pub mod strategies;

// The public interface is:
pub use clock::Timestamp;
pub use entropy::Entropy;
pub use journal::{Entry, Journal, Party};
pub use temporal::{Answer, Call, Engine, HandOut, Note, Polls, Reject, Rpc, Support, Ticket, table};
pub use testkit::{Builder, Error, Hold, Humans, Moment, NAMESPACE, ReceiverHandle, Testkit, Webhooks, Worker, play};
pub use webhooks::{Canned, TaskRef, UnsendableUrl};
pub use world::{Input, Output, World};
