//! The transport for production, over the reqwest crate.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use super::transport::{BoxFuture, Transport, TransportError};

/// As the Python adapter's HTTP client.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Sends over TCP and TLS; 30 seconds for a whole exchange. Redirects are not followed, as with
/// the Python adapter's client.
#[derive(Debug, Clone, Default)]
pub struct ReqwestTransport {
    client: Arc<OnceLock<reqwest::Client>>,
}

impl ReqwestTransport {
    /// Uses a client that you built, with its own timeouts, proxies and certificates.
    pub fn with_client(client: reqwest::Client) -> Self {
        Self {
            client: Arc::new(OnceLock::from(client)),
        }
    }
}

impl Transport for ReqwestTransport {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let client = Arc::clone(&self.client);
        Box::pin(async move {
            let client = match client.get() {
                Some(client) => client,
                None => {
                    let made = default_client()?;
                    client.get_or_init(|| made)
                }
            };
            let request = request.try_into().map_err(TransportError::from_source)?;
            let response = client.execute(request).await.map_err(TransportError::from_source)?;
            let mut answer = Response::new(Bytes::new());
            *answer.status_mut() = response.status();
            *answer.headers_mut() = response.headers().clone();
            *answer.body_mut() = response.bytes().await.map_err(TransportError::from_source)?;
            Ok(answer)
        })
    }
}

/// One connection per call, as the Python adapter: tasks for people are rare, and a connection that
/// idles between them would only go stale.
fn default_client() -> Result<reqwest::Client, TransportError> {
    reqwest::Client::builder()
        .timeout(TIMEOUT)
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(TransportError::from_source)
}
