//! CPython's scanner (`Modules/_json.c` of 3.11): the same language, the same messages, the same positions.

use std::borrow::Cow;

use super::{Integer, Json, Object, Text};

/// How deep arrays and objects may nest. CPython gives up with a `RecursionError` somewhat below its limit of 1000 frames,
/// depending on the caller's own depth.
pub const MAX_DEPTH: usize = 950;

/// How many digits an integer may have: CPython's `sys.get_int_max_str_digits()`.
pub const MAX_INTEGER_DIGITS: usize = 4300;

/// Why bytes are no JSON document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not the language of JSON: Python's `JSONDecodeError`.
    #[error("{message}: line {line} column {column} (char {position})")]
    Syntax {
        /// Python's wording, without the place.
        message: &'static str,
        /// The line, from 1.
        line: usize,
        /// The column in code points, from 1.
        column: usize,
        /// The place in code points, from 0.
        position: usize,
    },
    /// Not in the encoding that its first bytes announce: Python's `UnicodeDecodeError`.
    #[error("the document is not valid {encoding}")]
    Encoding {
        /// The encoding, as Python's `json.detect_encoding` guesses it.
        encoding: &'static str,
    },
    /// Nested deeper than [`MAX_DEPTH`]: Python's `RecursionError`.
    #[error("maximum recursion depth exceeded: more than {MAX_DEPTH} nested arrays and objects")]
    TooDeep,
    /// An integer of more than [`MAX_INTEGER_DIGITS`] digits: Python's `ValueError`.
    #[error("Exceeds the limit ({MAX_INTEGER_DIGITS} digits) for integer string conversion: value has {digits} digits")]
    IntegerTooLong {
        /// How many digits it has.
        digits: usize,
    },
}

pub(super) fn parse(bytes: &[u8]) -> Result<Json, JsonError> {
    let text = decode(bytes)?;
    let utf8 = std::str::from_utf8(&text).ok();
    Parser {
        text: &text,
        utf8,
        at: 0,
    }
    .document()
}

/// The document as UTF-8 that may also encode surrogates (WTF-8, but not joined into pairs).
fn decode(bytes: &[u8]) -> Result<Cow<'_, [u8]>, JsonError> {
    let big_endian_16 = |pair: &[u8]| u16::from_be_bytes([pair[0], pair[1]]);
    let little_endian_16 = |pair: &[u8]| u16::from_le_bytes([pair[0], pair[1]]);
    let big_endian_32 = |four: &[u8]| u32::from_be_bytes([four[0], four[1], four[2], four[3]]);
    let little_endian_32 = |four: &[u8]| u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    match bytes {
        [0, 0, 0xfe, 0xff, rest @ ..] => decode_utf32(rest, big_endian_32),
        [0xff, 0xfe, 0, 0, rest @ ..] => decode_utf32(rest, little_endian_32),
        [0xfe, 0xff, rest @ ..] => decode_utf16(rest, big_endian_16),
        [0xff, 0xfe, rest @ ..] => decode_utf16(rest, little_endian_16),
        [0xef, 0xbb, 0xbf, rest @ ..] => decode_utf8(rest),
        [0, 0, _, _, ..] => decode_utf32(bytes, big_endian_32),
        [0, _, _, _, ..] | [0, _] => decode_utf16(bytes, big_endian_16),
        [_, 0, 0, 0, ..] => decode_utf32(bytes, little_endian_32),
        [_, 0, _, _, ..] | [_, 0] => decode_utf16(bytes, little_endian_16),
        _ => decode_utf8(bytes),
    }
}

fn decode_utf8(bytes: &[u8]) -> Result<Cow<'_, [u8]>, JsonError> {
    let mut rest = bytes;
    while let Err(error) = std::str::from_utf8(rest) {
        match &rest[error.valid_up_to()..] {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, after @ ..] => rest = after,
            _ => return Err(JsonError::Encoding { encoding: "utf-8" }),
        }
    }
    Ok(Cow::Borrowed(bytes))
}

fn decode_utf16(bytes: &[u8], unit: impl Fn(&[u8]) -> u16) -> Result<Cow<'_, [u8]>, JsonError> {
    if !bytes.len().is_multiple_of(2) {
        return Err(JsonError::Encoding { encoding: "utf-16" });
    }
    let mut out = Vec::with_capacity(bytes.len());
    for unit in char::decode_utf16(bytes.chunks_exact(2).map(unit)) {
        match unit {
            Ok(character) => push_code_point(&mut out, u32::from(character)),
            Err(lone) => push_code_point(&mut out, u32::from(lone.unpaired_surrogate())),
        }
    }
    Ok(Cow::Owned(out))
}

fn decode_utf32(bytes: &[u8], unit: impl Fn(&[u8]) -> u32) -> Result<Cow<'_, [u8]>, JsonError> {
    let mut out = Vec::with_capacity(bytes.len() / 4);
    for chunk in bytes.chunks(4) {
        match chunk.len() == 4 && unit(chunk) <= u32::from(char::MAX) {
            true => push_code_point(&mut out, unit(chunk)),
            false => return Err(JsonError::Encoding { encoding: "utf-32" }),
        }
    }
    Ok(Cow::Owned(out))
}

fn push_code_point(out: &mut Vec<u8>, code_point: u32) {
    match char::from_u32(code_point) {
        Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend_from_slice(&[
            0xe0 | (code_point >> 12) as u8,
            0x80 | (code_point >> 6 & 0x3f) as u8,
            0x80 | (code_point & 0x3f) as u8,
        ]),
    }
}

struct Parser<'a> {
    text: &'a [u8],
    /// The same, unless it encodes surrogates: what has been looked at once isn't looked at again for each string.
    utf8: Option<&'a str>,
    at: usize,
}

/// A container whose end has not come yet. A stack of these, not the call stack, holds the nesting.
enum Open {
    Array(Vec<Json>),
    Object(Vec<(Text, Json)>, Text),
}

impl Parser<'_> {
    fn document(mut self) -> Result<Json, JsonError> {
        self.skip_whitespace();
        let value = self.value()?;
        self.skip_whitespace();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.error("Extra data", self.at)),
        }
    }

    fn value(&mut self) -> Result<Json, JsonError> {
        let mut stack: Vec<Open> = Vec::new();
        loop {
            let mut complete = match self.peek() {
                Some(b'[' | b'{') if stack.len() == MAX_DEPTH => return Err(JsonError::TooDeep),
                Some(b'[') => match self.open_array() {
                    true => {
                        stack.push(Open::Array(Vec::new()));
                        continue;
                    }
                    false => Json::Array(Vec::new()),
                },
                Some(b'{') => match self.open_object()? {
                    Some(key) => {
                        stack.push(Open::Object(Vec::new(), key));
                        continue;
                    }
                    None => Json::Object(Object::new()),
                },
                _ => self.scalar()?,
            };
            // A finished value goes into the innermost open container, which may finish that one too.
            loop {
                match stack.pop() {
                    None => return Ok(complete),
                    Some(Open::Array(mut values)) => {
                        values.push(complete);
                        if self.another(b']')? {
                            stack.push(Open::Array(values));
                            break;
                        }
                        complete = Json::Array(values);
                    }
                    Some(Open::Object(mut entries, key)) => {
                        // Many objects have one entry or two, for which a vector takes room for four.
                        if entries.len() < 2 {
                            entries.reserve_exact(1);
                        }
                        entries.push((key, complete));
                        if self.another(b'}')? {
                            let key = self.key()?;
                            stack.push(Open::Object(entries, key));
                            break;
                        }
                        complete = Json::Object(entries.into_iter().collect());
                    }
                }
            }
        }
    }

    /// Steps over `[`; `false` if the array ends there.
    fn open_array(&mut self) -> bool {
        self.at += 1;
        self.skip_whitespace();
        let empty = self.peek() == Some(b']');
        self.at += usize::from(empty);
        !empty
    }

    /// Steps over `{` and the first key; `None` if the object ends there.
    fn open_object(&mut self) -> Result<Option<Text>, JsonError> {
        self.at += 1;
        self.skip_whitespace();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(None);
        }
        self.key().map(Some)
    }

    /// Steps over `,` (`true`) or over the closing bracket (`false`).
    fn another(&mut self, close: u8) -> Result<bool, JsonError> {
        self.skip_whitespace();
        let byte = self.peek();
        if byte != Some(close) && byte != Some(b',') {
            return Err(self.error("Expecting ',' delimiter", self.at));
        }
        self.at += 1;
        if byte == Some(b',') {
            self.skip_whitespace();
        }
        Ok(byte == Some(b','))
    }

    /// Steps over a key and its colon.
    fn key(&mut self) -> Result<Text, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("Expecting property name enclosed in double quotes", self.at));
        }
        let key = self.string()?;
        self.skip_whitespace();
        if self.peek() != Some(b':') {
            return Err(self.error("Expecting ':' delimiter", self.at));
        }
        self.at += 1;
        self.skip_whitespace();
        Ok(key)
    }

    fn scalar(&mut self) -> Result<Json, JsonError> {
        let (word, value) = match self.peek() {
            Some(b'"') => return self.string().map(Json::String),
            Some(b'n') => ("null", Json::Null),
            Some(b't') => ("true", Json::Bool(true)),
            Some(b'f') => ("false", Json::Bool(false)),
            Some(b'N') => ("NaN", Json::Float(f64::NAN)),
            Some(b'I') => ("Infinity", Json::Float(f64::INFINITY)),
            Some(b'-') => ("-Infinity", Json::Float(f64::NEG_INFINITY)),
            _ => return self.number(),
        };
        match self.text[self.at..].starts_with(word.as_bytes()) {
            true => {
                self.at += word.len();
                Ok(value)
            }
            false => self.number(),
        }
    }

    /// The longest number here: an exponent or a fraction without digits is left for the caller to stumble over.
    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        let mut end = start + usize::from(self.peek() == Some(b'-'));
        let whole_digits = match self.text.get(end) {
            Some(b'0') => 1,
            _ => self.digits_from(end),
        };
        if whole_digits == 0 {
            return Err(self.error("Expecting value", start));
        }
        end += whole_digits;
        let whole_end = end;
        if self.text.get(end) == Some(&b'.') && self.digits_from(end + 1) > 0 {
            end += 1 + self.digits_from(end + 1);
        }
        if matches!(self.text.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.text.get(end + 1), Some(b'+' | b'-')));
            match self.digits_from(end + 1 + sign) {
                0 => {}
                digits => end += 1 + sign + digits,
            }
        }
        self.at = end;
        // Only ASCII was stepped over.
        let spelled = std::str::from_utf8(&self.text[start..end]).unwrap_or_default();
        if end > whole_end {
            return Ok(Json::Float(spelled.parse().unwrap_or(f64::NAN)));
        }
        match whole_digits > MAX_INTEGER_DIGITS {
            true => Err(JsonError::IntegerTooLong { digits: whole_digits }),
            false => Ok(Json::Int(Integer::from_digits(spelled))),
        }
    }

    fn digits_from(&self, start: usize) -> usize {
        let rest = self.text.get(start..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// Steps over a string; stands at its opening quote.
    fn string(&mut self) -> Result<Text, JsonError> {
        let begin = self.at;
        self.at += 1;
        let mut code_points = Vec::new();
        let mut plain = true;
        loop {
            let rest = &self.text[self.at..];
            let is_special = |byte: &u8| matches!(byte, 0x00..0x20 | b'"' | b'\\');
            let text = &rest[..rest.iter().position(is_special).unwrap_or(rest.len())];
            self.at += text.len();
            match self.peek() {
                Some(b'"') => {
                    let utf8 = self.utf8.and_then(|utf8| utf8.get(begin + 1..self.at));
                    if let (true, Some(text)) = (plain, utf8.or_else(|| std::str::from_utf8(text).ok())) {
                        self.at += 1;
                        return Ok(text.into());
                    }
                    push_code_points(&mut code_points, text);
                    self.at += 1;
                    return Ok(Text::from_code_points(code_points));
                }
                Some(b'\\') => {
                    push_code_points(&mut code_points, text);
                    plain = false;
                    code_points.push(self.escape(begin)?);
                }
                Some(_) => return Err(self.error("Invalid control character at", self.at)),
                None => return Err(self.error("Unterminated string starting at", begin)),
            }
        }
    }

    /// Steps over an escape; stands at its backslash.
    fn escape(&mut self, begin: usize) -> Result<u32, JsonError> {
        let backslash = self.at;
        let Some(&letter) = self.text.get(backslash + 1) else {
            return Err(self.error("Unterminated string starting at", begin));
        };
        self.at += 2;
        Ok(match letter {
            b'"' | b'\\' | b'/' => u32::from(letter),
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => 0x0a,
            b'r' => 0x0d,
            b't' => 0x09,
            b'u' => self.unicode_escape()?,
            _ => return Err(self.error("Invalid \\escape", backslash)),
        })
    }

    /// The code point of `\uXXXX`, or of a pair of them; stands behind the `u`.
    fn unicode_escape(&mut self) -> Result<u32, JsonError> {
        let high = self.four_digits(self.at)?;
        self.at += 4;
        // CPython looks for the second half only if at least one more character follows it.
        let pair_may_follow = self.text.len() > self.at + 6 && self.text[self.at..].starts_with(b"\\u");
        if !(0xd800..0xdc00).contains(&high) || !pair_may_follow {
            return Ok(high);
        }
        let low = self.four_digits(self.at + 2)?;
        if !(0xdc00..0xe000).contains(&low) {
            return Ok(high);
        }
        self.at += 6;
        Ok(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    fn four_digits(&self, start: usize) -> Result<u32, JsonError> {
        // The character behind the digits must exist, as in CPython: a string always ends with a quote.
        let digits = match self.text.get(start..start + 5) {
            Some([digits @ .., _]) if digits.iter().all(u8::is_ascii_hexdigit) => std::str::from_utf8(digits).ok(),
            _ => None,
        };
        digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| self.error("Invalid \\uXXXX escape", start - 1))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn error(&self, message: &'static str, at: usize) -> JsonError {
        let before = &self.text[..at.min(self.text.len())];
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        JsonError::Syntax {
            message,
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            column: 1 + count_code_points(&before[line_start..]),
            position: count_code_points(before),
        }
    }
}

fn count_code_points(text: &[u8]) -> usize {
    text.iter().filter(|byte| !(0x80..0xc0).contains(*byte)).count()
}

/// Appends the code points of a chunk of the decoded document.
fn push_code_points(code_points: &mut Vec<u32>, mut text: &[u8]) {
    loop {
        let (valid, rest) = match std::str::from_utf8(text) {
            Ok(_) => (text, &[][..]),
            Err(error) => text.split_at(error.valid_up_to()),
        };
        code_points.extend(String::from_utf8_lossy(valid).chars().map(u32::from));
        // What isn't UTF-8 is a surrogate: `decode` let nothing else through.
        let [_, second, third, rest @ ..] = rest else {
            return;
        };
        code_points.push(0xd000 | u32::from(second & 0x3f) << 6 | u32::from(third & 0x3f));
        text = rest;
    }
}
