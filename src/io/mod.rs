//! The impure side: it drives the world, carries bytes in and out, and waits.

mod driver;
mod grpc;
mod http;

pub(crate) use driver::{Driver, Grace, Pace};
pub(crate) use grpc::Connection;
pub(crate) use http::{HOST as RECEIVER_HOST, InProcess, Receiver, router};
