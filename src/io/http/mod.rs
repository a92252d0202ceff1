//! HTTP, with and without a socket: requests to the fake awaithumans server, and webhooks to receivers.

mod face;
mod httpx;
mod receiver;

use awaithumans_temporal::{Transport, TransportError};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};

#[cfg(feature = "serve")]
pub(crate) use face::MAX_BODY_BYTES;
pub(crate) use face::router;
#[cfg(feature = "serve")]
pub(crate) use receiver::Network;
pub(crate) use receiver::{HOST, Receiver};

use super::driver::Driver;
use super::grpc::Connection;

/// The adapter's way to the fake awaithumans server, without a socket.
#[derive(Clone, Debug)]
pub(crate) struct InProcess {
    driver: Driver,
}

impl InProcess {
    pub(crate) fn new(driver: Driver) -> Self {
        Self { driver }
    }
}

impl Transport for InProcess {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let driver = self.driver.clone();
        let worker = Connection::of_this_thread(&driver);
        Box::pin(async move {
            let answer = driver.http_of(worker.as_ref().map(Connection::id), request);
            let answer = match &worker {
                Some(worker) => tokio::select! {
                    biased;
                    () = worker.until_cut() => None,
                    answer = answer => answer,
                },
                None => answer.await,
            };
            answer.ok_or_else(|| TransportError::new("All connection attempts failed"))
        })
    }
}
