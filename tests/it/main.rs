//! The one integration binary.

mod rpc_table;
mod signatures;
