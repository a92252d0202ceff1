//! gRPC over TCP: connections, deadlines, and bytes for the table of RPCs.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tonic::body::Body;
use tonic::codec::{BufferSettings, Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::Service;
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};

use super::accept::{pause, spawn};
use super::{health, reflection};
use crate::io::{Driver, status};

/// The largest message that grpc-go takes where nobody sets a limit, as Temporal's frontend doesn't.
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// A larger one is read all the same, so that it can be refused in grpc-go's words, which SDKs match on. This is the end of it.
const MAX_READ_BYTES: usize = 128 * 1024 * 1024;

/// Smaller answers go out as they are, though the head names an encoding, as gRPC allows. A compressor is 380 KB of aligned memory, and
/// glibc before 2.38 leaves a hole for each: a server that compresses every answer grows by megabytes a second.
const MIN_COMPRESSED_BYTES: usize = 64 * 1024;

/// The least time that a caller must give a poll (`common.MinLongPollTimeout`).
const MIN_POLL_TIMEOUT: Duration = Duration::from_secs(2);

/// Takes connections until the end.
pub(super) async fn serve(listener: TcpListener, driver: Driver) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => spawn(connection(stream, driver.clone())),
            Err(error) => {
                tracing::warn!(%error, "a connection to the Temporal port can't be taken");
                pause().await;
            }
        }
    }
}

/// A client's connection. When the last call on it is gone too, so is what its workers held.
struct Connection {
    driver: Driver,
    id: u64,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.hang_up(self.id);
    }
}

async fn connection(stream: TcpStream, driver: Driver) {
    // Answers are small and awaited; waiting for more to send with them would only cost time.
    let _ = stream.set_nodelay(true);
    let (id, cut) = driver.connect();
    let connection = Arc::new(Connection { driver, id });
    let service = service_fn(move |request| {
        let connection = Arc::clone(&connection);
        async move { Ok::<_, Infallible>(answer(connection, request).await) }
    });
    let served = http2::Builder::new(TokioExecutor::new())
        // As many calls at once as a client likes: each worker parks a dozen polls.
        .max_concurrent_streams(None)
        .serve_connection(TokioIo::new(stream), service);
    let served = tokio::select! {
        served = served => served,
        // A fault has killed the worker: the socket closes, as that of a dead process does.
        () = cut.cut() => return,
    };
    if let Err(error) = served {
        tracing::debug!(id, %error, "a connection broke");
    }
}

async fn answer(connection: Arc<Connection>, request: Request<Incoming>) -> Response<Body> {
    let request = request.map(Body::new);
    let path = request.uri().path();
    if health::owns(path) {
        return health::answer(request).await;
    }
    if reflection::owns(path) {
        return reflection::answer(request).await;
    }
    let Some((service, method)) = path.strip_prefix('/').and_then(|path| path.split_once('/')) else {
        return Status::unimplemented(format!("malformed method name: {path:?}")).into_http();
    };
    let remaining = match timeout(request.headers()) {
        Ok(remaining) => remaining,
        Err(status) => return status.into_http(),
    };
    let call = Call {
        connection,
        service: service.to_owned(),
        method: method.to_owned(),
        remaining,
    };
    let mut rpc = Grpc::new(AsBytes)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(MAX_READ_BYTES)
        .max_encoding_message_size(usize::MAX);
    // grpc-go answers in the encoding in which it was asked.
    if request.headers().get("grpc-encoding").is_some_and(|it| it == "gzip") {
        rpc = rpc.send_compressed(CompressionEncoding::Gzip);
    }
    rpc.unary(call, request).await
}

/// One call, whatever the RPC.
struct Call {
    connection: Arc<Connection>,
    service: String,
    method: String,
    remaining: Option<Duration>,
}

impl UnaryService<Bytes> for Call {
    type Response = Bytes;
    type Future = BoxFuture<'static, Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let connection = Arc::clone(&self.connection);
        let (service, method) = (std::mem::take(&mut self.service), std::mem::take(&mut self.method));
        let remaining = self.remaining;
        Box::pin(async move {
            check_poll_timeout(&method, remaining)?;
            let request = request.into_inner();
            let answer = connection
                .driver
                .rpc_with_limit(connection.id, &service, &method, &request, remaining);
            let answer = match remaining {
                Some(remaining) => tokio::time::timeout(remaining, answer)
                    .await
                    .map_err(|_| Status::deadline_exceeded("context deadline exceeded"))?,
                None => answer.await,
            };
            answer.map(response).map_err(status)
        })
    }
}

/// An answer, which is compressed only if that is worth the compressor.
fn response(answer: Vec<u8>) -> tonic::Response<Bytes> {
    let is_small = answer.len() < MIN_COMPRESSED_BYTES;
    let mut response = tonic::Response::new(answer.into());
    if is_small {
        response.disable_compression();
    }
    response
}

/// Temporal's frontend wants a deadline on each poll of a worker, and a sensible one.
fn check_poll_timeout(method: &str, remaining: Option<Duration>) -> Result<(), Status> {
    let is_poll = matches!(
        method,
        "PollWorkflowTaskQueue" | "PollActivityTaskQueue" | "PollNexusTaskQueue"
    );
    match remaining {
        _ if !is_poll => Ok(()),
        None => Err(Status::invalid_argument("Context timeout is not set.")),
        Some(remaining) if remaining < MIN_POLL_TIMEOUT => {
            Err(Status::failed_precondition("Context timeout is too short."))
        }
        Some(_) => Ok(()),
    }
}

/// How long the caller waits, by its `grpc-timeout`: up to eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else {
        return Ok(None);
    };
    let malformed = || Status::new(Code::Internal, format!("malformed grpc-timeout: {value:?}"));
    let text = value.to_str().map_err(|_| malformed())?;
    let (digits, unit) = text
        .len()
        .checked_sub(1)
        .and_then(|end| text.split_at_checked(end))
        .ok_or_else(malformed)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    let count: u64 = digits.parse().map_err(|_| malformed())?;
    let timeout = match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return Err(malformed()),
    };
    Ok(Some(timeout))
}

/// Messages stay bytes: the table of RPCs decodes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct AsBytes;

impl Codec for AsBytes {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        match length > MAX_MESSAGE_BYTES {
            true => Err(Status::resource_exhausted(format!(
                "grpc: received message larger than max ({length} vs. {MAX_MESSAGE_BYTES})"
            ))),
            false => Ok(Some(buffer.copy_to_bytes(length))),
        }
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

/// Hands a request to a service that tonic generated.
pub(super) async fn hand_to<S>(mut service: S, request: Request<Body>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    // Generated services are always ready.
    match service.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use tonic::codec::SingleMessageCompressionOverride;

    use super::*;

    fn parse(text: &str) -> Result<Option<Duration>, Code> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", text.parse().unwrap());
        timeout(&headers).map_err(|status| status.code())
    }

    #[test]
    fn deadlines_are_read_in_every_unit_and_nothing_else_is() {
        assert_eq!(parse("2H"), Ok(Some(Duration::from_secs(7_200))));
        assert_eq!(parse("3M"), Ok(Some(Duration::from_secs(180))));
        assert_eq!(parse("70S"), Ok(Some(Duration::from_secs(70))));
        assert_eq!(parse("1500m"), Ok(Some(Duration::from_millis(1_500))));
        assert_eq!(parse("99999999u"), Ok(Some(Duration::from_micros(99_999_999))));
        assert_eq!(parse("5n"), Ok(Some(Duration::from_nanos(5))));
        for hostile in ["", "S", "10", "-1S", "123456789S", "1.5S", "1x", "9\u{e9}"] {
            let mut headers = HeaderMap::new();
            headers.insert(
                "grpc-timeout",
                http::HeaderValue::from_bytes(hostile.as_bytes()).unwrap(),
            );
            assert_eq!(timeout(&headers).unwrap_err().code(), Code::Internal, "{hostile:?}");
        }
        assert_eq!(timeout(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn only_a_large_answer_takes_a_compressor() {
        let is_plain = |bytes| {
            let response = response(vec![0; bytes]);
            let told = response.extensions().get::<SingleMessageCompressionOverride>();
            told == Some(&SingleMessageCompressionOverride::Disable)
        };
        assert!(is_plain(0) && is_plain(MIN_COMPRESSED_BYTES - 1));
        assert!(!is_plain(MIN_COMPRESSED_BYTES));
    }

    #[test]
    fn a_poll_needs_a_deadline_of_two_seconds() {
        let check = |method, remaining| check_poll_timeout(method, remaining).map_err(|status| status.code());
        let second = Duration::from_secs(1);
        assert_eq!(check("PollActivityTaskQueue", None), Err(Code::InvalidArgument));
        assert_eq!(check("PollNexusTaskQueue", Some(second)), Err(Code::FailedPrecondition));
        assert_eq!(check("PollWorkflowTaskQueue", Some(2 * second)), Ok(()));
        assert_eq!(check("PollWorkflowExecutionUpdate", None), Ok(()));
    }
}
