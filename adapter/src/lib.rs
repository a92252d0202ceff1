//! x
mod activity;
mod await_human;
mod client;
mod dispatch;
pub mod wire;
pub use activity::*;
pub use await_human::*;
pub use client::*;
pub use dispatch::*;
pub use wire::{key::*, signature::*};
