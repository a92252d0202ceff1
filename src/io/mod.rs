//! The impure side: it drives the world, carries bytes in and out, and waits.

mod alone;
mod driver;
mod grpc;
mod http;
mod threads;
mod wall;

pub(crate) use alone::alone;
#[cfg(feature = "serve")]
pub(crate) use driver::{Delivery, Step};
pub(crate) use driver::{Driver, Grace, Pace};
pub(crate) use grpc::Connection;
#[cfg(feature = "serve")]
pub(crate) use grpc::status;
#[cfg(feature = "serve")]
pub(crate) use http::MAX_BODY_BYTES;
#[cfg(feature = "serve")]
pub(crate) use http::Network;
pub(crate) use http::{HOST as RECEIVER_HOST, InProcess, Receiver, router};
pub use threads::Threads;
#[cfg(feature = "serve")]
pub(crate) use wall::time_of_day;
