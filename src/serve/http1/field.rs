//! The headers that say where a request ends and what becomes of its connection. llhttp looks into these while it reads them.

use super::parser::Malformed;

/// What the headers of one request have said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    /// `Content-Length`, if there was one.
    pub(super) length: Option<u64>,
    /// There was a `Transfer-Encoding` with something in it.
    pub(super) encoded: bool,
    /// And `chunked` was the last of it.
    pub(super) chunked: bool,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    connection_upgrade: bool,
    upgrade: bool,
}

impl Flags {
    /// Whether another protocol is to follow; llhttp wants both headers to say so.
    pub(super) fn asks_for_upgrade(&self) -> bool {
        self.connection_upgrade && self.upgrade
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Other,
    Connection,
    Length,
    Encoding,
    Upgrade,
}

/// Where a `Transfer-Encoding` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Encoding {
    /// So many letters of `chunked`, at the beginning of an element.
    Chunked(usize),
    /// After the whole word, and spaces.
    AfterChunked,
    /// In another element.
    Element,
    /// After a comma.
    #[default]
    Space,
}

const CHUNKED: &[u8] = b"chunked";

/// A header that is being read.
#[derive(Debug, Default)]
pub(super) struct Field {
    kind: Kind,
    pub(super) value: Vec<u8>,
    encoding: Encoding,
    /// A length that is over; only spaces may follow.
    length_is_over: bool,
}

impl Field {
    /// Its name is there.
    pub(super) fn begin(&mut self, name: &[u8], flags: &Flags) -> Result<(), Malformed> {
        let is = |special: &str| name.eq_ignore_ascii_case(special.as_bytes());
        self.kind = match name.len() {
            7 if is("upgrade") => Kind::Upgrade,
            10 if is("connection") => Kind::Connection,
            14 if is("content-length") => Kind::Length,
            16 if is("proxy-connection") => Kind::Connection,
            17 if is("transfer-encoding") => Kind::Encoding,
            _ => Kind::Other,
        };
        self.value.clear();
        match self.kind {
            Kind::Length if flags.encoded => Err(Malformed("a length beside a transfer encoding")),
            Kind::Encoding if flags.length.is_some() => Err(Malformed("a transfer encoding beside a length")),
            _ => Ok(()),
        }
    }

    /// More of its value, which can't be empty any more.
    pub(super) fn push(&mut self, bytes: &[u8], flags: &mut Flags) -> Result<(), Malformed> {
        if self.value.is_empty() {
            self.first(flags)?;
        }
        match self.kind {
            Kind::Length => bytes.iter().try_for_each(|byte| self.length(*byte, flags))?,
            Kind::Encoding => bytes.iter().try_for_each(|byte| self.encoding(*byte))?,
            Kind::Other | Kind::Connection | Kind::Upgrade => {}
        }
        self.value.extend_from_slice(bytes);
        Ok(())
    }

    fn first(&mut self, flags: &mut Flags) -> Result<(), Malformed> {
        match self.kind {
            Kind::Upgrade => flags.upgrade = true,
            Kind::Length if flags.length.is_some() => return Err(Malformed("a second length")),
            Kind::Length => {
                flags.length = Some(0);
                self.length_is_over = false;
            }
            Kind::Encoding if flags.chunked => return Err(Malformed("a transfer encoding after chunks")),
            Kind::Encoding => {
                flags.encoded = true;
                self.encoding = Encoding::Chunked(0);
            }
            Kind::Other | Kind::Connection => {}
        }
        Ok(())
    }

    fn length(&mut self, byte: u8, flags: &mut Flags) -> Result<(), Malformed> {
        match byte {
            b'0'..=b'9' if !self.length_is_over => {
                let length = flags.length.unwrap_or_default();
                let longer = length
                    .checked_mul(10)
                    .and_then(|length| length.checked_add(u64::from(byte - b'0')));
                flags.length = Some(longer.ok_or(Malformed("a length beyond 64 bits"))?);
                Ok(())
            }
            b' ' | b'\t' => {
                self.length_is_over = true;
                Ok(())
            }
            _ => Err(Malformed("invalid length")),
        }
    }

    fn encoding(&mut self, byte: u8) -> Result<(), Malformed> {
        self.encoding = match (self.encoding, byte) {
            (Encoding::Space, b' ' | b'\t') => Encoding::Space,
            (Encoding::AfterChunked, b' ') => Encoding::AfterChunked,
            (Encoding::AfterChunked, b',') => return Err(Malformed("a transfer encoding after chunks")),
            (Encoding::Space, byte) if letter_of_chunked(0, byte) => Encoding::Chunked(1),
            (Encoding::Chunked(there), byte) if letter_of_chunked(there, byte) => match there + 1 {
                7 => Encoding::AfterChunked,
                there => Encoding::Chunked(there),
            },
            (_, b',') => Encoding::Space,
            _ => Encoding::Element,
        };
        Ok(())
    }

    /// Its line is over, and the next one doesn't go on with it.
    pub(super) fn end(&mut self, flags: &mut Flags) -> Result<(), Malformed> {
        match self.kind {
            Kind::Length if self.value.is_empty() => return Err(Malformed("an empty length")),
            Kind::Encoding if !self.value.is_empty() => flags.chunked = self.encoding == Encoding::AfterChunked,
            Kind::Connection => {
                for token in self.value.split(|byte| *byte == b',') {
                    match token.trim_ascii() {
                        token if token.eq_ignore_ascii_case(b"close") => flags.close = true,
                        token if token.eq_ignore_ascii_case(b"keep-alive") => flags.keep_alive = true,
                        token if token.eq_ignore_ascii_case(b"upgrade") => flags.connection_upgrade = true,
                        _ => {}
                    }
                }
            }
            Kind::Other | Kind::Length | Kind::Encoding | Kind::Upgrade => {}
        }
        Ok(())
    }
}

fn letter_of_chunked(there: usize, byte: u8) -> bool {
    CHUNKED
        .get(there)
        .is_some_and(|letter| byte.eq_ignore_ascii_case(letter))
}
