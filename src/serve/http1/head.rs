//! What is known of a request when its head is complete.

use http::header::HeaderValue;
use http::{HeaderMap, HeaderName, Method, Uri};

use super::parser::Malformed;

/// The head of a request.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// Whether the connection may be used again.
    pub(super) keeps_alive: bool,
    /// The client waits to be told that its body is wanted.
    pub(super) expects_continue: bool,
    /// The client wants to speak WebSocket from here on.
    pub(super) websocket: bool,
}

/// Adds a header, a second one of a name too. A name that `http` can't hold, since it is too long, is one that nothing asks for.
pub(super) fn add(headers: &mut HeaderMap, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
    let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else {
        return Ok(());
    };
    match headers.try_append(name, value) {
        Ok(_) => Ok(()),
        Err(_) => Err(Malformed("too many headers")),
    }
}

/// Whether a header asks for the answer 100: by uvicorn, only if it says exactly this.
pub(super) fn expects_continue(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(http::header::EXPECT).iter();
    values.any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Whether uvicorn hands the connection to its WebSocket server: what `Upgrade` and `Connection` say last counts.
pub(super) fn wants_websocket(headers: &HeaderMap) -> bool {
    let last = |name| headers.get_all(name).iter().next_back();
    let upgrade = last(http::header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    upgrade
        && last(http::header::CONNECTION).is_some_and(|value| {
            let mut tokens = value.as_bytes().split(|byte| *byte == b',');
            tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        })
}
