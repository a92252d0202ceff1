//! The awaithumans wire format: keys, signatures and what a webhook body says.
//!
//! Every fact here has one definition; the testkit's fake server signs with the same code that
//! a production receiver verifies with.

pub mod key;
pub mod signature;
pub(crate) mod tolerant;
