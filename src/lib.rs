//! A deterministic test harness for durable workflows that wait for people.

mod clock;
mod entropy;
mod journal;
mod temporal;

// The public interface is:
pub use clock::Timestamp;
pub use entropy::Entropy;
pub use journal::{Entry, Journal, Party};
pub use temporal::{Answer, Call, Engine, HandOut, Reject, Rpc, Support, Ticket, table};
