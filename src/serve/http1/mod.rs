//! HTTP/1 as uvicorn speaks it, for the awaithumans port: what is no request gets uvicorn's refusal, and what others refuse is answered.
//!
//! hyper does well by requests that are proper, and has answers of its own for all others. Clients meet the real server's, so this is
//! uvicorn's way of handling a connection instead: its `HttpToolsProtocol`, on a parser that reads what llhttp reads. What it does:
//!
//! - it reads on while a request is answered, and knows at once that its client has gone or sends garbage; then nothing is answered any more;
//! - requests that come together are answered one after the other; it doesn't read further before;
//! - a body is waited for only where the route reads it; otherwise it is read and dropped after the answer;
//! - the end of what a client sends is the end of its connection;
//! - a connection on which nothing comes for five seconds after an answer is closed.
//!
//! The files: `parser.rs` with `field.rs`, `target.rs` and `bytes.rs` is the grammar, without sockets; `head.rs` is what it finds;
//! `answer.rs` writes; `websocket.rs` is what those get who want a WebSocket.

mod answer;
mod bytes;
mod field;
mod head;
mod parser;
mod target;
#[cfg(test)]
mod tests;
mod websocket;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use ::bytes::{Buf as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue, VARY};
use http::{Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::accept::{pause, spawn};
use crate::human::http_date;
use crate::io::{Driver, MAX_BODY_BYTES};
use crate::world::World;
use head::Head;
use parser::{Event, Parser};

/// How long, in real time, an answered client may take until it sends again (uvicorn's `timeout_keep_alive`). Sockets live in real time,
/// whatever time it is in the world.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// Takes connections until the end. One that has been answered and is idle for so long is closed.
pub(super) async fn serve(listener: TcpListener, driver: Driver, keep_alive: Duration) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small and awaited; waiting for more to send with them would only cost time.
                let _ = stream.set_nodelay(true);
                spawn(Connection::new(stream, driver.clone(), keep_alive).run());
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the awaithumans port can't be taken");
                pause().await;
            }
        }
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Request {
    head: Head,
    body: Body,
    /// The body is there as a whole.
    is_complete: bool,
    /// Whether its route reads the body, once that was asked.
    reads_body: Option<bool>,
}

impl Request {
    fn into_message(self) -> http::Request<Bytes> {
        let mut message = http::Request::new(self.body.into_bytes());
        *message.method_mut() = self.head.method;
        *message.uri_mut() = self.head.uri;
        *message.headers_mut() = self.head.headers;
        message
    }
}

/// What has come of a body. A body that comes in one piece is never copied.
#[derive(Debug, Default)]
enum Body {
    #[default]
    None,
    Whole(Bytes),
    Pieces(BytesMut),
}

impl Body {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Whole(bytes) => bytes.len(),
            Self::Pieces(bytes) => bytes.len(),
        }
    }

    fn push(&mut self, piece: Bytes) {
        match self {
            Self::None => *self = Self::Whole(piece),
            Self::Whole(first) => {
                let mut bytes = BytesMut::from(&first[..]);
                bytes.extend_from_slice(&piece);
                *self = Self::Pieces(bytes);
            }
            Self::Pieces(bytes) => bytes.extend_from_slice(&piece),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::Whole(bytes) => bytes,
            Self::Pieces(bytes) => bytes.freeze(),
        }
    }
}

/// Why a connection ends. What its client still has to hear has been written.
#[derive(Clone, Copy, Debug)]
struct Ended;

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self
    }
}

/// A client's connection.
struct Connection {
    stream: TcpStream,
    driver: Driver,
    read: BytesMut,
    parser: Parser,
    /// In the order in which they came; only the last may be incomplete.
    requests: VecDeque<Request>,
    /// What comes of a body belongs to the last of them, and not to one that has been answered.
    is_receiving: bool,
    /// Nothing has come since the last answer.
    is_idle: bool,
    keep_alive: Duration,
}

impl Connection {
    fn new(stream: TcpStream, driver: Driver, keep_alive: Duration) -> Self {
        Self {
            stream,
            driver,
            read: BytesMut::new(),
            parser: Parser::default(),
            requests: VecDeque::new(),
            is_receiving: false,
            is_idle: false,
            keep_alive,
        }
    }

    async fn run(mut self) {
        while let Ok(()) = self.turn().await {}
        // Whatever was written gets there; a client that doesn't read is given up with the socket.
        let _ = self.stream.shutdown().await;
    }

    /// Answers a request, or hears more.
    async fn turn(&mut self) -> Result<(), Ended> {
        match self.wants_more().await? {
            true => self.hear().await,
            false => self.answer().await,
        }
    }

    /// Whether the next request can't be answered yet. A client that waits to be told is told that its body is wanted.
    async fn wants_more(&mut self) -> Result<bool, Ended> {
        let Some(request) = self.requests.front_mut() else {
            return Ok(true);
        };
        if request.is_complete && !request.head.expects_continue {
            return Ok(false);
        }
        let head = &request.head;
        let reads_body = *request.reads_body.get_or_insert_with(|| {
            let reads = |world: &World| {
                world
                    .human()
                    .reads_body(world.now(), &head.method, &head.uri, &head.headers)
            };
            self.driver.read(reads)
        });
        if reads_body && std::mem::take(&mut request.head.expects_continue) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        Ok(reads_body && !request.is_complete)
    }

    /// Answers the next request, and hears meanwhile whether its client goes or sends garbage.
    async fn answer(&mut self) -> Result<(), Ended> {
        let Some(request) = self.requests.pop_front() else {
            return Ok(());
        };
        // What else comes of its body is read and dropped.
        self.is_receiving &= request.is_complete;
        let keeps_alive = request.head.keeps_alive;
        let driver = self.driver.clone();
        let answer = driver.http(request.into_message());
        tokio::pin!(answer);
        let response = loop {
            tokio::select! {
                biased;
                response = &mut answer => break response,
                read = read(&mut self.stream, &mut self.read), if self.requests.is_empty() => {
                    read?;
                    self.take_apart().await?;
                }
            }
        };
        let response = match response {
            Some(response) => response,
            // Whatever became of the request, its client hears nothing of it.
            None if self.driver.read(|world| world.human().is_running()) => return Err(Ended),
            None => {
                // The server in the world is down; over TCP the nearest thing to a refused connection.
                let mut down = Response::new(Bytes::new());
                *down.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                down
            }
        };
        // An error that awaithumans didn't expect goes on to uvicorn, which closes the connection after the answer, and doesn't say so.
        let was_expected =
            response.status() != StatusCode::INTERNAL_SERVER_ERROR || response.headers().contains_key(VARY);
        let (head, body) = answer::encode(response, keeps_alive);
        self.stream.write_all_buf(&mut head.chain(body)).await?;
        self.is_idle = self.requests.is_empty();
        match keeps_alive && was_expected {
            true => Ok(()),
            false => Err(Ended),
        }
    }

    async fn hear(&mut self) -> Result<(), Ended> {
        let read = read(&mut self.stream, &mut self.read);
        match std::mem::take(&mut self.is_idle) {
            true => tokio::time::timeout(self.keep_alive, read).await.map_err(|_| Ended)??,
            false => read.await?,
        }
        self.take_apart().await
    }

    /// Takes apart what has been read.
    async fn take_apart(&mut self) -> Result<(), Ended> {
        let mut input = self.read.split().freeze();
        loop {
            match self.parser.next(&mut input) {
                Ok(None) => return Ok(()),
                Ok(Some(event)) => self.take(event).await?,
                Err(why) => {
                    tracing::debug!(?why, "a client's bytes are no request");
                    return self.end_with(answer::refusal(&self.date())).await;
                }
            }
        }
    }

    async fn take(&mut self, event: Event) -> Result<(), Ended> {
        match event {
            Event::Head(head) if head.websocket => return self.refuse_websocket(&head).await,
            Event::Head(head) => {
                self.requests.push_back(Request {
                    head: *head,
                    body: Body::None,
                    is_complete: false,
                    reads_body: None,
                });
                self.is_receiving = true;
            }
            Event::Body(piece) => {
                if let Some(request) = self.receiving() {
                    request.body.push(piece);
                    if request.body.len() > MAX_BODY_BYTES {
                        return self.refuse_body().await;
                    }
                }
            }
            // Whatever isn't being answered yet has them among its headers.
            Event::Trailers(trailers) => {
                if let Some(request) = self.receiving() {
                    for (name, value) in &trailers {
                        // What is too many is left out, as nothing asks for it.
                        let _ = request.head.headers.try_append(name, value.clone());
                    }
                }
            }
            Event::End => {
                if let Some(request) = self.receiving() {
                    request.is_complete = true;
                }
                self.is_receiving = false;
            }
        }
        Ok(())
    }

    /// The request whose body comes, unless it has been answered.
    fn receiving(&mut self) -> Option<&mut Request> {
        self.requests.back_mut().filter(|_| self.is_receiving)
    }

    async fn refuse_body(&mut self) -> Result<(), Ended> {
        let text = format!("the request body exceeds {MAX_BODY_BYTES} bytes");
        let mut response = Response::new(Bytes::from(text));
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        let (head, body) = answer::encode(response, false);
        self.end_with([head, body].concat().into()).await
    }

    async fn refuse_websocket(&mut self, head: &Head) -> Result<(), Ended> {
        if let Some(answer) = websocket::answer(head, &self.date()) {
            return self.end_with(answer).await;
        }
        loop {
            self.read.clear();
            read(&mut self.stream, &mut self.read).await?;
        }
    }

    /// Says a last thing.
    async fn end_with(&mut self, mut answer: Bytes) -> Result<(), Ended> {
        self.stream.write_all_buf(&mut answer).await?;
        Err(Ended)
    }

    fn date(&self) -> String {
        self.driver.read(|world| http_date(world.now()))
    }
}

/// Reads what there is. If this is given up, nothing is lost.
async fn read(stream: &mut TcpStream, into: &mut BytesMut) -> Result<(), Ended> {
    into.reserve(READ_BYTES);
    match stream.read_buf(into).await? {
        0 => Err(Ended),
        _ => Ok(()),
    }
}
