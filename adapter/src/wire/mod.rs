//! The awaithumans wire format: keys, signatures, webhook bodies, and the JSON they are made of.
//!
//! Every fact here has one definition; the testkit's fake server signs with the same code that
//! a production receiver verifies with.

pub mod json;
pub mod key;
pub mod signature;
pub mod webhook;
