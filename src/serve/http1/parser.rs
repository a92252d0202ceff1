//! Requests out of bytes, as llhttp 9.4.3 reads them without leniencies, but that what follows the last request of a connection is
//! passed over (uvicorn sets `lenient_data_after_close`).
//!
//! A value, without sockets: bytes go in, in pieces of any size, and events come out. Which piece a byte came in changes nothing but when
//! its refusal is known: at once, like there. Nothing but a head is kept here; bodies are cut out of what was read.
//!
//! | state | next |
//! |---|---|
//! | `Start`, `Method`, `BeforeTarget`, `Target`, `TargetLineFeed` | the request line up to its version; without one it is HTTP/0.9 |
//! | `BeforeProtocol`, `Protocol`, `ProtocolSlash`, `Major`, `Dot`, `Minor`, `Preface`, `LineReturn`, `LineFeed` | its version |
//! | `FirstField`, `Field`, `Name`, `BeforeValue`, `EmptyLineFeed`, `AfterEmpty`, `Value`, `ValueLineFeed`, `AfterValue` | one header; a line that begins with a space is refused |
//! | `HeadLineFeed`, `Done` | the head is complete, or the trailer |
//! | `Body` | a body whose length is known |
//! | `ChunkSizeFirst`, `ChunkSize`, `Extensions`, `ExtensionName`, `ExtensionValue`, `Quoted`, `QuotedPair`, `AfterQuoted`, `ChunkLineFeed` | the line before a chunk |
//! | `Chunk`, `ChunkEndReturn`, `ChunkEndFeed` | a chunk |
//! | `Ended` | the request is complete |
//! | `Closed` | the connection ends here |

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};

use super::bytes::{count, is_in_target, is_in_value, is_token};
use super::field::{Field, Flags};
use super::head::{self, Head};
use super::target::{self, Place, Step};

/// The largest head that is read, trailers included. The real server has no limit; no client of it comes near this one.
pub(super) const MAX_HEAD_BYTES: usize = 4 * 1024 * 1024;

/// How much memory for the next head a connection keeps.
const MAX_SPARE_BYTES: usize = 4 * 1024;

/// llhttp's methods, each with the protocols in which it may be used.
const METHODS: [(&str, &[Protocol]); 47] = {
    use Protocol::{Http, Ice, Rtsp};
    [
        ("DELETE", &[Http]),
        ("GET", &[Http, Rtsp]),
        ("HEAD", &[Http]),
        ("POST", &[Http, Rtsp]),
        ("PUT", &[Http]),
        ("CONNECT", &[Http]),
        ("OPTIONS", &[Http, Rtsp]),
        ("TRACE", &[Http]),
        ("COPY", &[Http]),
        ("LOCK", &[Http]),
        ("MKCOL", &[Http]),
        ("MOVE", &[Http]),
        ("PROPFIND", &[Http]),
        ("PROPPATCH", &[Http]),
        ("SEARCH", &[Http]),
        ("UNLOCK", &[Http]),
        ("BIND", &[Http]),
        ("REBIND", &[Http]),
        ("UNBIND", &[Http]),
        ("ACL", &[Http]),
        ("REPORT", &[Http]),
        ("MKACTIVITY", &[Http]),
        ("CHECKOUT", &[Http]),
        ("MERGE", &[Http]),
        ("M-SEARCH", &[Http]),
        ("NOTIFY", &[Http]),
        ("SUBSCRIBE", &[Http]),
        ("UNSUBSCRIBE", &[Http]),
        ("PATCH", &[Http]),
        ("PURGE", &[Http]),
        ("MKCALENDAR", &[Http]),
        ("LINK", &[Http]),
        ("UNLINK", &[Http]),
        ("SOURCE", &[Http, Ice]),
        ("PRI", &[Http]),
        ("DESCRIBE", &[Rtsp]),
        ("ANNOUNCE", &[Rtsp]),
        ("SETUP", &[Rtsp]),
        ("PLAY", &[Rtsp]),
        ("PAUSE", &[Rtsp]),
        ("TEARDOWN", &[Rtsp]),
        ("GET_PARAMETER", &[Rtsp]),
        ("SET_PARAMETER", &[Rtsp]),
        ("REDIRECT", &[Rtsp]),
        ("RECORD", &[Rtsp]),
        ("FLUSH", &[Rtsp]),
        ("QUERY", &[Http]),
    ]
};

/// What follows the version of a request with the method PRI: then it is HTTP/2, which is refused when it is there as a whole.
const PREFACE: &[u8] = b"\r\n\r\nSM\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http,
    Rtsp,
    Ice,
}

impl Protocol {
    const ALL: [(&'static [u8], Self); 3] = [(b"HTTP", Self::Http), (b"RTSP", Self::Rtsp), (b"ICE", Self::Ice)];
}

/// Why bytes are no request, for the log; the client gets the same answer whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// What bytes are.
#[derive(Debug)]
pub(super) enum Event {
    Head(Box<Head>),
    /// A piece of the body.
    Body(Bytes),
    /// Headers after the body.
    Trailers(HeaderMap),
    /// The request is complete.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Method,
    BeforeTarget,
    Target(Place),
    TargetLineFeed,
    BeforeProtocol,
    Protocol,
    ProtocolSlash,
    Major,
    Dot,
    Minor,
    /// So many bytes of it are there.
    Preface(usize),
    LineReturn,
    LineFeed,
    FirstField,
    Field,
    Name,
    BeforeValue,
    EmptyLineFeed,
    AfterEmpty,
    Value,
    ValueLineFeed,
    AfterValue,
    HeadLineFeed,
    /// The head is told of; what follows it is to be found out.
    Done,
    /// So many bytes are to come.
    Body(u64),
    ChunkSizeFirst,
    ChunkSize(u64),
    Extensions(u64),
    ExtensionName(u64),
    ExtensionValue(u64),
    Quoted(u64),
    QuotedPair(u64),
    AfterQuoted(u64),
    ChunkLineFeed(u64),
    Chunk(u64),
    ChunkEndReturn,
    ChunkEndFeed,
    /// The request is told of but for its end.
    Ended,
    Closed,
}

/// Reads the requests of one connection.
#[derive(Debug)]
pub(super) struct Parser {
    state: State,
    /// How many bytes of the head are kept.
    head_bytes: usize,
    /// Method, protocol or name of a header, whatever is being read.
    word: Vec<u8>,
    method: &'static str,
    target: Vec<u8>,
    major: u8,
    minor: u8,
    field: Field,
    flags: Flags,
    headers: HeaderMap,
    /// After the last chunk.
    in_trailer: bool,
    /// The client wants another protocol after this head: what came with it is passed over.
    upgrades: bool,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            state: State::Start,
            head_bytes: 0,
            word: Vec::new(),
            method: "",
            target: Vec::new(),
            major: 0,
            minor: 0,
            field: Field::default(),
            flags: Flags::default(),
            headers: HeaderMap::new(),
            in_trailer: false,
            upgrades: false,
        }
    }
}

impl Parser {
    /// Takes bytes off the front until there is something to tell; `None` when they are used up.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Event>, Malformed> {
        loop {
            match self.state {
                State::Done => match self.after_head()? {
                    State::Ended if self.upgrades => {
                        input.clear();
                        self.state = State::Ended;
                    }
                    state => self.state = state,
                },
                State::Ended => {
                    self.begin_anew();
                    return Ok(Some(Event::End));
                }
                _ if input.is_empty() => return Ok(None),
                State::Body(left) | State::Chunk(left) => {
                    let length = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                    let left = left - length as u64;
                    self.state = match (self.state, left) {
                        (State::Body(_), 0) => State::Ended,
                        (State::Body(_), left) => State::Body(left),
                        (_, 0) => State::ChunkEndReturn,
                        (_, left) => State::Chunk(left),
                    };
                    return Ok(Some(Event::Body(input.split_to(length))));
                }
                State::Closed => input.clear(),
                _ => {
                    if let Some(event) = self.read(input)? {
                        return Ok(Some(event));
                    }
                }
            }
        }
    }

    /// Reads what isn't a body.
    fn read(&mut self, input: &mut Bytes) -> Result<Option<Event>, Malformed> {
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            at += self.take(rest)?;
            match self.state {
                State::Done if self.in_trailer => {
                    bytes::Buf::advance(input, at);
                    self.state = State::Ended;
                    let trailers = std::mem::take(&mut self.headers);
                    return Ok(Some(Event::Trailers(trailers)));
                }
                State::Done => {
                    bytes::Buf::advance(input, at);
                    return self.head().map(|head| Some(Event::Head(Box::new(head))));
                }
                State::Body(_) | State::Chunk(_) | State::Closed | State::Ended => break,
                _ => {}
            }
        }
        bytes::Buf::advance(input, at);
        Ok(None)
    }

    /// Notes that so many more bytes of a head are kept.
    fn keep(&mut self, length: usize) -> Result<(), Malformed> {
        self.head_bytes += length;
        match self.head_bytes > MAX_HEAD_BYTES {
            true => Err(Malformed("the head is too large")),
            false => Ok(()),
        }
    }

    /// Takes one byte off the front of a few that aren't none, or several of a kind; says how many.
    fn take(&mut self, rest: &[u8]) -> Result<usize, Malformed> {
        let Some(&byte) = rest.first() else {
            return Ok(0);
        };
        match self.state {
            State::Start | State::Method | State::BeforeTarget => self.method(byte),
            State::Target(place) => return self.target(place, rest),
            State::TargetLineFeed
            | State::BeforeProtocol
            | State::Protocol
            | State::ProtocolSlash
            | State::Major
            | State::Dot
            | State::Minor
            | State::Preface(_)
            | State::LineReturn
            | State::LineFeed => self.version(byte),
            State::FirstField
            | State::Field
            | State::Name
            | State::BeforeValue
            | State::EmptyLineFeed
            | State::AfterEmpty
            | State::Value
            | State::ValueLineFeed
            | State::AfterValue
            | State::HeadLineFeed => return self.field(rest),
            State::ChunkSizeFirst
            | State::ChunkSize(_)
            | State::Extensions(_)
            | State::ExtensionName(_)
            | State::ExtensionValue(_)
            | State::Quoted(_)
            | State::QuotedPair(_)
            | State::AfterQuoted(_)
            | State::ChunkLineFeed(_)
            | State::ChunkEndReturn
            | State::ChunkEndFeed => self.chunk_line(byte),
            State::Done | State::Body(_) | State::Chunk(_) | State::Ended | State::Closed => Ok(self.state),
        }
        .map(|state| {
            self.state = state;
            1
        })
    }

    /// From the beginning of a request to its target.
    fn method(&mut self, byte: u8) -> Result<State, Malformed> {
        match (self.state, byte) {
            (State::Start, b'\r' | b'\n') => return Ok(State::Start),
            (State::BeforeTarget, b' ') => return Ok(State::BeforeTarget),
            (State::BeforeTarget, byte) => {
                let place = match self.method {
                    "CONNECT" => Place::Server,
                    _ => Place::Start,
                };
                return self.target(place, &[byte]).map(|_| self.state);
            }
            _ => {}
        }
        if let (State::Method, b' ') = (self.state, byte) {
            let found = METHODS.iter().find(|(name, _)| name.as_bytes() == self.word);
            let (name, _) = found.ok_or(Malformed("invalid method"))?;
            self.method = name;
            self.word.clear();
            return Ok(State::BeforeTarget);
        }
        self.word.push(byte);
        match METHODS.iter().any(|(name, _)| name.as_bytes().starts_with(&self.word)) {
            true => Ok(State::Method),
            false => Err(Malformed("invalid method")),
        }
    }

    fn target(&mut self, mut place: Place, rest: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while let Some(&byte) = rest.get(at) {
            if place.is_plain() {
                let length = count(rest.get(at..).unwrap_or_default(), is_in_target);
                self.keep(length)?;
                self.target.extend(rest.get(at..at + length).unwrap_or_default());
                at += length;
                if length > 0 {
                    continue;
                }
            }
            match place.step(byte) {
                Step::To(next) => place = next,
                Step::Refused => return Err(Malformed("invalid target")),
                Step::End => {
                    self.state = match byte {
                        b' ' => State::BeforeProtocol,
                        b'\r' => State::TargetLineFeed,
                        _ => self.without_version(),
                    };
                    return Ok(at + 1);
                }
            }
            self.keep(1)?;
            self.target.push(byte);
            at += 1;
        }
        self.state = State::Target(place);
        Ok(at)
    }

    fn without_version(&mut self) -> State {
        (self.major, self.minor) = (0, 9);
        State::FirstField
    }

    /// From the target to the end of the line.
    fn version(&mut self, byte: u8) -> Result<State, Malformed> {
        Ok(match (self.state, byte) {
            (State::TargetLineFeed, b'\n') => self.without_version(),
            (State::BeforeProtocol, b' ') => State::BeforeProtocol,
            (State::BeforeProtocol | State::Protocol, byte) => self.protocol(byte)?,
            (State::ProtocolSlash, b'/') => State::Major,
            (State::Major, b'0'..=b'9') => {
                self.major = byte - b'0';
                State::Dot
            }
            (State::Dot, b'.') => State::Minor,
            (State::Minor, b'0'..=b'9') => {
                self.minor = byte - b'0';
                match ((self.major, self.minor), self.method) {
                    ((0, 9) | (1, 0 | 1) | (2, 0), "PRI") => State::Preface(0),
                    ((0, 9) | (1, 0 | 1) | (2, 0), _) => State::LineReturn,
                    _ => return Err(Malformed("invalid version")),
                }
            }
            (State::Preface(there), byte) if PREFACE.get(there) == Some(&byte) && there + 1 < PREFACE.len() => {
                State::Preface(there + 1)
            }
            (State::LineReturn, b'\r') => State::LineFeed,
            (State::LineFeed, b'\n') => State::FirstField,
            _ => return Err(Malformed("invalid request line")),
        })
    }

    fn protocol(&mut self, byte: u8) -> Result<State, Malformed> {
        self.word.push(byte);
        let mut names = Protocol::ALL.iter().filter(|(name, _)| name.starts_with(&self.word));
        let (name, protocol) = names.next().ok_or(Malformed("invalid protocol"))?;
        if name.len() > self.word.len() {
            return Ok(State::Protocol);
        }
        self.word.clear();
        let mut methods = METHODS.iter();
        match methods.any(|(name, protocols)| *name == self.method && protocols.contains(protocol)) {
            true => Ok(State::ProtocolSlash),
            false => Err(Malformed("a method that isn't of this protocol")),
        }
    }

    /// Headers and trailers.
    fn field(&mut self, rest: &[u8]) -> Result<usize, Malformed> {
        let Some(&byte) = rest.first() else {
            return Ok(0);
        };
        match (self.state, byte) {
            (State::FirstField | State::Field, b'\r') => self.state = State::HeadLineFeed,
            (State::FirstField | State::Field | State::Name, byte) if is_token(byte) => {
                let length = count(rest, is_token);
                self.keep(length)?;
                self.word.extend(rest.get(..length).unwrap_or_default());
                self.state = State::Name;
                return Ok(length);
            }
            (State::Name, b':') => {
                self.field.begin(&self.word, &self.flags)?;
                self.state = State::BeforeValue;
            }
            (State::BeforeValue, b' ' | b'\t') => {}
            (State::BeforeValue, b'\r') => self.state = State::EmptyLineFeed,
            (State::EmptyLineFeed, b'\n') => self.state = State::AfterEmpty,
            (State::AfterEmpty | State::AfterValue, b' ' | b'\t') => return Err(Malformed("a folded header")),
            (State::AfterEmpty | State::AfterValue, _) => {
                self.field.end(&mut self.flags)?;
                head::add(&mut self.headers, &self.word, &self.field.value)?;
                self.word.clear();
                self.state = State::Field;
                // The byte begins the next line.
                return Ok(0);
            }
            (State::Value, b'\r') => self.state = State::ValueLineFeed,
            (State::BeforeValue | State::Value, byte) if is_in_value(byte) => {
                let length = count(rest, is_in_value);
                self.keep(length)?;
                self.field
                    .push(rest.get(..length).unwrap_or_default(), &mut self.flags)?;
                self.state = State::Value;
                return Ok(length);
            }
            (State::ValueLineFeed, b'\n') => self.state = State::AfterValue,
            (State::HeadLineFeed, b'\n') => self.state = State::Done,
            _ => return Err(Malformed("invalid header")),
        }
        Ok(1)
    }

    /// The head that has just become complete.
    fn head(&mut self) -> Result<Head, Malformed> {
        let headers = std::mem::take(&mut self.headers);
        self.upgrades = self.flags.asks_for_upgrade() || self.method == "CONNECT";
        let websocket = self.flags.asks_for_upgrade() && head::wants_websocket(&headers);
        // A WebSocket is refused before anybody looks at its target.
        let uri = match websocket {
            true => Some(Uri::default()),
            false => target::path_and_query(&self.target),
        };
        Ok(Head {
            method: Method::from_bytes(self.method.as_bytes()).map_err(|_| Malformed("invalid method"))?,
            uri: uri.ok_or(Malformed("invalid target"))?,
            // A connection by HTTP/1.0 is never used again, whatever the client says.
            keeps_alive: (self.major, self.minor) != (1, 0) && self.keeps_alive(),
            expects_continue: head::expects_continue(&headers),
            websocket,
            headers,
        })
    }

    /// What follows the head.
    fn after_head(&self) -> Result<State, Malformed> {
        match self.flags {
            _ if self.upgrades => Ok(State::Ended),
            Flags { chunked: true, .. } => Ok(State::ChunkSizeFirst),
            Flags { encoded: true, .. } => Err(Malformed("a transfer encoding whose end is unknown")),
            Flags { length: Some(1..), .. } => Ok(State::Body(self.flags.length.unwrap_or_default())),
            _ => Ok(State::Ended),
        }
    }

    fn keeps_alive(&self) -> bool {
        match self.major > 0 && self.minor > 0 {
            true => !self.flags.close,
            false => self.flags.keep_alive,
        }
    }

    /// Forgets a request that is complete.
    fn begin_anew(&mut self) {
        let state = match self.keeps_alive() {
            true => State::Start,
            false => State::Closed,
        };
        *self = Self {
            state,
            word: emptied(&mut self.word),
            target: emptied(&mut self.target),
            ..Self::default()
        };
    }

    /// The lines between chunks.
    fn chunk_line(&mut self, byte: u8) -> Result<State, Malformed> {
        Ok(match (self.state, byte) {
            (State::ChunkSizeFirst, byte) => State::ChunkSize(more_of_size(0, byte)?),
            (
                State::ChunkSize(size)
                | State::ExtensionName(size)
                | State::ExtensionValue(size)
                | State::AfterQuoted(size),
                b'\r',
            ) => State::ChunkLineFeed(size),
            (
                State::ChunkSize(size)
                | State::ExtensionName(size)
                | State::ExtensionValue(size)
                | State::AfterQuoted(size),
                b';',
            ) => State::Extensions(size),
            (State::ChunkSize(size), byte) => State::ChunkSize(more_of_size(size, byte)?),
            // An extension without a name is one, unless its line ends with it.
            (State::Extensions(size), b';') => State::Extensions(size),
            (State::Extensions(size) | State::ExtensionName(size), b'=') => State::ExtensionValue(size),
            (State::Extensions(size) | State::ExtensionName(size), byte) if is_token(byte) => {
                State::ExtensionName(size)
            }
            (State::ExtensionValue(size), b'"') => State::Quoted(size),
            (State::ExtensionValue(size), byte) if is_token(byte) => State::ExtensionValue(size),
            (State::Quoted(size), b'"') => State::AfterQuoted(size),
            (State::Quoted(size), b'\\') => State::QuotedPair(size),
            (State::Quoted(size) | State::QuotedPair(size), byte) if is_in_value(byte) => State::Quoted(size),
            (State::ChunkLineFeed(0), b'\n') => {
                self.in_trailer = true;
                State::Field
            }
            (State::ChunkLineFeed(size), b'\n') => State::Chunk(size),
            (State::ChunkEndReturn, b'\r') => State::ChunkEndFeed,
            (State::ChunkEndFeed, b'\n') => State::ChunkSizeFirst,
            _ => return Err(Malformed("invalid chunk")),
        })
    }
}

/// The memory of a text, to be used again unless it is much.
fn emptied(text: &mut Vec<u8>) -> Vec<u8> {
    let mut text = std::mem::take(text);
    text.clear();
    text.shrink_to(MAX_SPARE_BYTES);
    text
}

/// A chunk's size with one more digit.
fn more_of_size(size: u64, byte: u8) -> Result<u64, Malformed> {
    let digit = char::from(byte).to_digit(16).ok_or(Malformed("invalid chunk size"))?;
    let size = size.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit)));
    size.ok_or(Malformed("a chunk size beyond 64 bits"))
}
