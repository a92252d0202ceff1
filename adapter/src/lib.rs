//! `await_human()` for the Temporal Rust SDK, and the awaithumans wire format.

pub mod wire;
