//! x
mod activity;
mod client;
mod dispatch;
pub mod wire;
pub use activity::*;
pub use client::*;
pub use dispatch::*;
pub use wire::{key::*, signature::*};
