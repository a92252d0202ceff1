//! A small HTTP client of the awaithumans server, over an exchangeable transport.

mod request;
#[cfg(feature = "reqwest")]
mod reqwest_transport;
mod transport;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use serde_json::Value;

use crate::wire::json::Json;

#[cfg(feature = "reqwest")]
pub use self::reqwest_transport::ReqwestTransport;
pub use self::{
    request::{CreateTaskRequest, TaskRecord},
    transport::{BoxFuture, Transport, TransportError, transport_fn},
};

/// How much of a refusal's body goes into the error text, in characters; as the Python adapter.
const ERROR_TEXT_CHARACTERS: usize = 500;

/// A client of one awaithumans server.
#[derive(Clone)]
pub struct Awaithumans {
    server_url: String,
    api_key: Option<String>,
    transport: Arc<dyn Transport>,
}

impl Awaithumans {
    /// Talks to the server at `server_url` (`http://host:port`, without `/api`), with `api_key` as
    /// the bearer token if there is one. Opens no connection yet.
    pub fn new(server_url: impl Into<String>, api_key: Option<String>, transport: impl Transport) -> Self {
        Self {
            server_url: server_url.into().trim_end_matches('/').to_owned(),
            api_key: api_key.filter(|key| !key.is_empty()),
            transport: Arc::new(transport),
        }
    }

    /// Creates the task, or gets the one that already has its idempotency key:
    /// `POST /api/tasks`, answered with 201 (or 200).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn create_task(&self, request: &CreateTaskRequest) -> Result<Value, ClientError> {
        let body = serde_json::to_vec(request).map_err(ClientError::Request)?;
        let (status, body) = self.send(Method::POST, "/api/tasks", body).await?;
        if status != StatusCode::OK && status != StatusCode::CREATED {
            return Err(ClientError::Rejected {
                status: status.as_u16(),
                body: first_characters(&body),
            });
        }
        parse_json(&body)
    }

    /// Gets a task by its id: `GET /api/tasks/{id}`.
    ///
    /// # Errors
    /// [`ClientError`]; an unknown id is [`ClientError::Status`] with 404.
    pub async fn get_task(&self, task_id: &str) -> Result<TaskRecord, ClientError> {
        let path = format!("/api/tasks/{}", percent_encode(task_id));
        self.get(&path).await.and_then(TaskRecord::from_json)
    }

    /// Waits on the server for the task's end, for at most `timeout_seconds` (1 to 30):
    /// `GET /api/tasks/{id}/poll`. Gives the answer as it is, terminal or not.
    ///
    /// # Errors
    /// As [`Awaithumans::get_task`].
    pub async fn poll_task(&self, task_id: &str, timeout_seconds: u32) -> Result<Value, ClientError> {
        let id = percent_encode(task_id);
        self.get(&format!("/api/tasks/{id}/poll?timeout={timeout_seconds}"))
            .await
    }

    async fn get(&self, path: &str) -> Result<Value, ClientError> {
        let (status, body) = self.send(Method::GET, path, Vec::new()).await?;
        if status != StatusCode::OK {
            return Err(ClientError::Status {
                path: path.to_owned(),
                status: status.as_u16(),
                body: first_characters(&body),
            });
        }
        parse_json(&body)
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Result<(StatusCode, Bytes), ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server_url));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(api_key) = &self.api_key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {api_key}"));
        }
        let request = request.body(Bytes::from(body)).map_err(|error| ClientError::BadUrl {
            server_url: self.server_url.clone(),
            reason: error.to_string(),
        })?;
        let response = self.transport.send(request).await;
        let response = response.map_err(|source| ClientError::Unreachable {
            server_url: self.server_url.clone(),
            source,
        })?;
        Ok((response.status(), response.into_body()))
    }
}

impl std::fmt::Debug for Awaithumans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Awaithumans")
            .field("server_url", &self.server_url)
            .finish_non_exhaustive()
    }
}

/// Why a call of the awaithumans server failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server refused to create the task. The text is the Python adapter's.
    #[error("awaithumans server rejected task creation (HTTP {status}): {body}")]
    Rejected {
        /// The HTTP status, neither 200 nor 201.
        status: u16,
        /// The first 500 characters of the answer.
        body: String,
    },
    /// Any other call was answered with something else than 200.
    #[error("awaithumans server answered HTTP {status} to GET {path}: {body}")]
    Status {
        /// Path and query of the request.
        path: String,
        /// The HTTP status.
        status: u16,
        /// The first 500 characters of the answer.
        body: String,
    },
    /// No answer came.
    #[error("Could not reach the awaithumans server at {server_url}: {source}")]
    Unreachable {
        /// The server as configured.
        server_url: String,
        /// What the transport said.
        source: TransportError,
    },
    /// `server_url`, or the api key as a header value, can't be part of an HTTP request.
    #[error("server_url {server_url:?} or api_key makes no HTTP request: {reason}")]
    BadUrl {
        /// The server as configured.
        server_url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The request could not be written as JSON.
    #[error("the task can't be written as JSON: {0}")]
    Request(#[source] serde_json::Error),
    /// The server said yes, but with a body that isn't a task.
    #[error("awaithumans server answered with a body that is not a task: {0}")]
    Answer(String),
}

impl ClientError {
    /// The failure type of a Temporal activity that ends in this error. `RuntimeError` for a
    /// refusal is what the Python adapter's activity has.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Rejected { .. } | Self::Status { .. } => "RuntimeError",
            Self::Unreachable { .. } => "ServerUnreachableError",
            Self::BadUrl { .. } => "InvalidURL",
            Self::Request(_) => "TypeError",
            Self::Answer(_) => "JSONDecodeError",
        }
    }
}

fn parse_json(body: &[u8]) -> Result<Value, ClientError> {
    // As Python's client reads it: a payload may hold NaN, or an integer beyond 64 bits.
    Json::parse(body)
        .map(|json| json.to_serde())
        .map_err(|error| ClientError::Answer(error.to_string()))
}

fn first_characters(body: &[u8]) -> String {
    String::from_utf8_lossy(body)
        .chars()
        .take(ERROR_TEXT_CHARACTERS)
        .collect()
}

/// Writes `text` so that it is one path segment or one query value, whatever it holds.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests;
