//! The integration tests, one binary.

mod temporal;
