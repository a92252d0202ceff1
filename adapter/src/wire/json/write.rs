//! Three spellings of one value: Python's `json.dumps`, Starlette's `JSONResponse`, pydantic-core's serializer.

use std::fmt::Write as _;

use super::{Json, Text};

/// How deep an answer may nest that pydantic-core writes. Measured with pydantic 2.14 on awaithumans 0.1.12: a payload with
/// 255 lists inside one another, itself inside the answer, is served; one with 260 gives 500.
pub const MAX_RESPONSE_DEPTH: usize = 257;

/// Why a value can't be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// `NaN` or an infinity, where only JSON's own numbers are allowed.
    #[error("Out of range float values are not JSON compliant")]
    NotFinite,
    /// A lone surrogate, which UTF-8 can't encode.
    #[error("surrogates not allowed")]
    Surrogate,
    /// Nesting deeper than [`MAX_RESPONSE_DEPTH`].
    #[error("the value is nested too deeply to be serialized")]
    TooDeep,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Compact,
    Starlette,
    Pydantic,
}

pub(super) fn compact(value: &Json) -> String {
    // Every failure is one of UTF-8 or of strictness, and this style asks for neither.
    write(value, Style::Compact).unwrap_or_default()
}

pub(super) fn starlette(value: &Json) -> Result<String, WriteError> {
    write(value, Style::Starlette)
}

pub(super) fn pydantic(value: &Json) -> Result<String, WriteError> {
    write(value, Style::Pydantic)
}

/// As [`pydantic`], behind what was written before, within so many arrays and objects.
pub(super) fn pydantic_within(value: &Json, depth: usize, out: &mut String) -> Result<(), WriteError> {
    let style = Style::Pydantic;
    Writer { out, style, depth }.value(value)
}

/// As [`compact`], behind what was written before.
pub(super) fn compact_behind(value: &Json, out: &mut String) {
    let (style, depth) = (Style::Compact, 0);
    // Can't fail, as in `compact`.
    let _ = Writer { out, style, depth }.value(value);
}

/// A text without lone surrogates, behind what was written before.
pub(super) fn text(text: &str, style: Style, out: &mut String) {
    Writer { out, style, depth: 0 }.unicode(text);
}

fn write(value: &Json, style: Style) -> Result<String, WriteError> {
    let mut out = String::new();
    let depth = 0;
    Writer {
        out: &mut out,
        style,
        depth,
    }
    .value(value)?;
    Ok(out)
}

struct Writer<'a> {
    out: &'a mut String,
    style: Style,
    depth: usize,
}

impl Writer<'_> {
    fn value(&mut self, value: &Json) -> Result<(), WriteError> {
        match value {
            Json::Null => self.out.push_str("null"),
            Json::Bool(true) => self.out.push_str("true"),
            Json::Bool(false) => self.out.push_str("false"),
            // Writing into a String can't fail.
            Json::Int(integer) => drop(write!(self.out, "{integer}")),
            Json::Float(float) => self.float(*float)?,
            Json::String(text) => self.string(text)?,
            Json::Array(values) => self.container('[', ']', values.iter(), Self::value)?,
            Json::Object(object) => self.container('{', '}', object.iter(), |writer, (key, value)| {
                writer.string(key)?;
                writer.out.push(':');
                writer.value(value)
            })?,
        }
        Ok(())
    }

    fn container<T>(
        &mut self,
        open: char,
        close: char,
        items: impl Iterator<Item = T>,
        mut item: impl FnMut(&mut Self, T) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        self.depth += 1;
        if self.style == Style::Pydantic && self.depth > MAX_RESPONSE_DEPTH {
            return Err(WriteError::TooDeep);
        }
        self.out.push(open);
        for (index, value) in items.enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            item(self, value)?;
        }
        self.out.push(close);
        self.depth -= 1;
        Ok(())
    }

    fn float(&mut self, float: f64) -> Result<(), WriteError> {
        let text = match (self.style, float.is_finite()) {
            (Style::Compact | Style::Starlette, true) => spell(float, PYTHON),
            (Style::Pydantic, true) => spell(float, PYDANTIC),
            (Style::Compact, false) if float.is_nan() => "NaN".to_owned(),
            (Style::Compact, false) if float > 0.0 => "Infinity".to_owned(),
            (Style::Compact, false) => "-Infinity".to_owned(),
            (Style::Starlette, false) => return Err(WriteError::NotFinite),
            (Style::Pydantic, false) => "null".to_owned(),
        };
        self.out.push_str(&text);
        Ok(())
    }

    fn string(&mut self, text: &Text) -> Result<(), WriteError> {
        match text.as_str() {
            Some(text) => self.unicode(text),
            None => {
                self.out.push('"');
                for code_point in text.code_points() {
                    self.code_point(code_point)?;
                }
                self.out.push('"');
            }
        }
        Ok(())
    }

    /// A text without lone surrogates, which every style can write: runs that need no escape are copied as they are.
    fn unicode(&mut self, text: &str) {
        self.out.push('"');
        let mut rest = text;
        // Most texts need none, and to see that without leaving off early looks at many bytes at once.
        let needs_some = text.bytes().fold(false, |some, byte| some | self.is_escaped(byte));
        while needs_some && let Some(place) = rest.bytes().position(|byte| self.is_escaped(byte)) {
            let (plain, from_here) = rest.split_at(place);
            self.out.push_str(plain);
            let mut characters = from_here.chars();
            if let Some(character) = characters.next() {
                // Never a surrogate.
                let _ = self.code_point(u32::from(character));
            }
            rest = characters.as_str();
        }
        self.out.push_str(rest);
        self.out.push('"');
    }

    /// Whether a byte begins a character that isn't written as it is. Of a character beyond ASCII the first byte decides.
    fn is_escaped(&self, byte: u8) -> bool {
        matches!(byte, 0x00..0x20 | b'"' | b'\\') || self.style == Style::Compact && byte >= 0x7f
    }

    fn code_point(&mut self, code_point: u32) -> Result<(), WriteError> {
        match code_point {
            0x08 => self.out.push_str("\\b"),
            0x09 => self.out.push_str("\\t"),
            0x0a => self.out.push_str("\\n"),
            0x0c => self.out.push_str("\\f"),
            0x0d => self.out.push_str("\\r"),
            0x22 => self.out.push_str("\\\""),
            0x5c => self.out.push_str("\\\\"),
            0x00..0x20 => self.escape(code_point),
            _ => self.character(code_point)?,
        }
        Ok(())
    }

    fn character(&mut self, code_point: u32) -> Result<(), WriteError> {
        match char::from_u32(code_point) {
            Some(character) if self.style != Style::Compact || (' '..='~').contains(&character) => {
                self.out.push(character)
            }
            Some(character) => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    self.escape(u32::from(*unit));
                }
            }
            None if self.style == Style::Compact => self.escape(code_point),
            None => return Err(WriteError::Surrogate),
        }
        Ok(())
    }

    fn escape(&mut self, unit: u32) {
        // Writing into a String can't fail.
        let _ = write!(self.out, "\\u{unit:04x}");
    }
}

/// Where a writer of floats turns to the form with an exponent.
#[derive(Clone, Copy)]
struct Spelling {
    /// The least power of ten, of the first digit, that is written out.
    least_plain_exponent: i32,
    /// Digits that an exponent has at least.
    exponent_digits: usize,
}

/// CPython's `float.__repr__`.
const PYTHON: Spelling = Spelling {
    least_plain_exponent: -4,
    exponent_digits: 2,
};

/// pydantic-core 2.14's, as awaithumans' answers show it: `0.00001`, `1e-6`, `1e+16`.
const PYDANTIC: Spelling = Spelling {
    least_plain_exponent: -5,
    exponent_digits: 1,
};

/// The least power of ten, of the first digit, that both write with an exponent.
const LEAST_LARGE_EXPONENT: i32 = 16;

/// The shortest digits that read back as the same float, laid out as `spelling` says.
fn spell(float: f64, spelling: Spelling) -> String {
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (spelling.least_plain_exponent..LEAST_LARGE_EXPONENT).contains(&exponent) || float == 0.0 {
        let plain = format!("{float}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let width = spelling.exponent_digits;
    format!("{mantissa}e{sign}{:0width$}", exponent.unsigned_abs())
}
