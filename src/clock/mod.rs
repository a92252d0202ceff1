//! Virtual time: [`Timestamp`], the [`TimerQueue`] and the [`Holds`] that stop time from moving.
//!
//! Nothing here reads a clock. Time is a number that the driver hands in.

mod hold;
mod timer_queue;
mod timestamp;

pub use hold::HoldId;
pub(crate) use hold::Holds;
pub(crate) use timer_queue::{TimerKey, TimerQueue};
pub use timestamp::Timestamp;
