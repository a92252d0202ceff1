//! The seam between the client and the network.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

/// A boxed future, as `futures_util::future::BoxFuture`.
pub type BoxFuture<'a, T> = futures_util::future::BoxFuture<'a, T>;

/// Carries one HTTP request to the awaithumans server and brings the answer back.
///
/// [`ReqwestTransport`](crate::ReqwestTransport) is the one for production. A test can answer in
/// process, without a socket.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request` (absolute URI, whole body) and waits for the whole answer.
    ///
    /// # Errors
    /// [`TransportError`] if no answer came: connection refused, timed out, cut off.
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>>;
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        (**self).send(request)
    }
}

/// Makes a transport of a function, for tests.
pub fn transport_fn<F>(answer: F) -> impl Transport
where
    F: Fn(Request<Bytes>) -> Result<Response<Bytes>, TransportError> + Send + Sync + 'static,
{
    TransportFn(answer)
}

struct TransportFn<F>(F);

impl<F> Transport for TransportFn<F>
where
    F: Fn(Request<Bytes>) -> Result<Response<Bytes>, TransportError> + Send + Sync + 'static,
{
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        Box::pin(std::future::ready((self.0)(request)))
    }
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl TransportError {
    /// An error with a text of its own.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// An error that wraps another one; its text is the whole chain's.
    pub fn from_source(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let mut message = source.to_string();
        let mut cause = source.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self {
            message,
            source: Some(Box::new(source)),
        }
    }
}
