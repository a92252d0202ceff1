//! Answers as uvicorn writes them: always by HTTP/1.1, whatever the client speaks.

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, Response, StatusCode};

/// What uvicorn says of bytes that are no request.
const REFUSAL: &str = "Invalid HTTP request received.";

/// The head and the body of an answer; the body is empty for a HEAD already.
pub(super) fn encode(response: Response<Bytes>, keeps_alive: bool) -> (Bytes, Bytes) {
    let (parts, body) = response.into_parts();
    let mut head = BytesMut::with_capacity(256 + 64 * parts.headers.len());
    begin(&mut head, parts.status);
    write_headers(&mut head, &parts.headers);
    if !keeps_alive && !parts.headers.contains_key(CONNECTION) {
        head.put_slice(b"connection: close\r\n");
    }
    // All answers of the fake name their length, but for those that have no body and the one of a server that is down.
    if parts.status != StatusCode::NO_CONTENT && !parts.headers.contains_key(CONTENT_LENGTH) {
        head.put_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    head.put_slice(b"\r\n");
    (head.freeze(), body)
}

/// The answer to bytes that are no request; the connection ends with it.
pub(super) fn refusal(date: &str) -> Bytes {
    let mut answer = BytesMut::with_capacity(256);
    begin(&mut answer, StatusCode::BAD_REQUEST);
    let length = REFUSAL.len();
    let rest = format!(
        "date: {date}\r\nserver: uvicorn\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{REFUSAL}"
    );
    answer.put_slice(rest.as_bytes());
    answer.freeze()
}

/// The answer to a request for a WebSocket, as the package `websockets` writes it.
pub(super) fn no_websocket(date: &str, status: StatusCode, extra: &str, text: &str) -> Bytes {
    let mut answer = BytesMut::with_capacity(256);
    begin(&mut answer, status);
    let length = text.len();
    let rest = format!(
        "Date: {date}\r\nConnection: close\r\nContent-Length: {length}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         {extra}\r\n{text}"
    );
    answer.put_slice(rest.as_bytes());
    answer.freeze()
}

fn begin(out: &mut BytesMut, status: StatusCode) {
    let reason = status.canonical_reason().unwrap_or_default();
    out.put_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).as_bytes());
}

fn write_headers(out: &mut BytesMut, headers: &HeaderMap) {
    for (name, value) in headers {
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
}
