//! x
mod clock;
mod entropy;
pub mod human;
mod journal;

pub use clock::Timestamp;
pub use entropy::Entropy;
pub use journal::Journal;
