//! All integration tests in one binary: the SDK takes minutes to link once, not once per file.

// The SDK's macros make marker types without Debug.
#![allow(missing_debug_implementations)]

mod bugs;
mod campaigns;
#[path = "../conformance/mod.rs"]
mod conformance;
mod faults;
mod inbox;
mod killed;
mod leaks;
mod network;
mod outcomes;
mod replay;
mod reports;
mod rpc_table;
mod scenario_files;
mod scenarios;
mod serve;
mod signatures;
mod snapshots;
mod temporal;
mod webhooks;
