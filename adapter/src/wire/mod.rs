//! What goes over the wire between awaithumans, its clients and its callback receivers.

pub mod json;
pub mod webhook;
