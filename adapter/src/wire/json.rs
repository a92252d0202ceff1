//! A JSON value that reads and writes as Python's `json` module does.
//!
//! Webhook bodies are signed byte for byte, and awaithumans writes them with `json.dumps`. So whoever checks, forwards or
//! imitates one needs Python's reading of numbers, duplicate keys and lone surrogates, and Python's spelling on the way out.
//! serde_json's `Value` keeps neither big integers nor key order unless a build feature changes it for everybody.
//!
//! The reference is CPython 3.11; `fixtures/json` holds tables made with it.

mod parse;
mod text;
mod write;

pub use parse::{JsonError, MAX_DEPTH, MAX_INTEGER_DIGITS};
pub use text::Text;
pub use write::{MAX_RESPONSE_DEPTH, WriteError};

use std::collections::BTreeMap;
use std::fmt;

/// A JSON value, with all that Python's `json.loads` can return.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Json {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without fraction and exponent, of any size.
    Int(Integer),
    /// A number with a fraction or an exponent; also `NaN`, `Infinity` and `-Infinity`, which Python reads and writes.
    Float(f64),
    /// A string.
    String(Text),
    /// A list.
    Array(Vec<Json>),
    /// A dictionary, in insertion order.
    Object(Object),
}

impl Json {
    /// Reads a document as `json.loads` reads bytes: UTF-8, UTF-16 or UTF-32, with or without a byte order mark.
    ///
    /// # Errors
    /// [`JsonError`], with Python's own message and position where Python raises `JSONDecodeError`.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        parse::parse(bytes)
    }

    /// Writes as `json.dumps(value, separators=(",", ":"))`: ASCII only. This is the form of webhook bodies.
    pub fn to_compact(&self) -> String {
        write::compact(self)
    }

    /// As [`Json::to_compact`], behind what was written before.
    pub(super) fn write_compact(&self, out: &mut String) {
        write::compact_behind(self, out);
    }

    /// Writes as Starlette's `JSONResponse`: compact UTF-8. This is the form of awaithumans' error bodies.
    ///
    /// # Errors
    /// Refuses `NaN`, the infinities and lone surrogates, as Starlette does (awaithumans then answers 500).
    pub fn to_utf8(&self) -> Result<String, WriteError> {
        write::starlette(self)
    }

    /// Writes as pydantic-core's serializer: compact UTF-8, `null` for what isn't finite, floats in their shortest form
    /// (`0.00001` where Python says `1e-05`). This is the form of awaithumans' successful answers.
    ///
    /// # Errors
    /// Refuses lone surrogates, and nesting deeper than [`MAX_RESPONSE_DEPTH`] (awaithumans then answers 500).
    pub fn to_response(&self) -> Result<String, WriteError> {
        write::pydantic(self)
    }

    /// As [`Json::to_response`], behind what was written before: as a value that stands within `depth` arrays and objects, which
    /// count for the depth. After an error `out` ends with a part of the value.
    ///
    /// # Errors
    /// As [`Json::to_response`].
    pub fn write_response(&self, depth: usize, out: &mut String) -> Result<(), WriteError> {
        write::pydantic_within(self, depth, out)
    }

    /// The same value for serde_json. What it can't hold becomes what serde_json itself would read: an integer beyond 64 bits
    /// the nearest float, a number that isn't finite `null`, a lone surrogate U+FFFD.
    pub fn to_serde(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => value.to_serde(),
            Self::Float(value) => (*value).into(),
            Self::String(value) => value.to_string_lossy().into_owned().into(),
            Self::Array(values) => values.iter().map(Self::to_serde).collect(),
            Self::Object(object) => object
                .iter()
                .map(|(key, value)| (key.to_string_lossy().into_owned(), value.to_serde()))
                .collect(),
        }
    }

    /// The value of `key`; `None` if this is no object or has no such key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// The string, if this is one and it holds no lone surrogate.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => text.as_str(),
            _ => None,
        }
    }

    /// The integer, if this is one and it fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(integer) => integer.as_i64(),
            _ => None,
        }
    }

    /// The truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(values) => Some(values),
            _ => None,
        }
    }

    /// The object, if this is one.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Whether this is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// Writes a text as [`Json::to_response`] has it, with its quotes, behind what was written before.
///
/// ```
/// let mut out = "[".to_owned();
/// awaithumans_temporal::wire::json::write_response_text("a \"é\"\n", &mut out);
/// assert_eq!(out, r#"["a \"é\"\n""#);
/// ```
pub fn write_response_text(text: &str, out: &mut String) {
    write::text(text, write::Style::Pydantic, out);
}

/// Writes a text as [`Json::to_compact`] has it, behind what was written before.
pub(super) fn write_compact_text(text: &str, out: &mut String) {
    write::text(text, write::Style::Compact, out);
}

/// As [`Json::to_compact`].
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_compact())
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            // By its text, since a build with serde_json's `arbitrary_precision` holds more than i64, u64 and f64.
            serde_json::Value::Number(number) => Self::parse(number.to_string().as_bytes()).unwrap_or_default(),
            serde_json::Value::String(value) => Self::String(value.into()),
            serde_json::Value::Array(values) => Self::Array(values.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(map) => Self::Object(
                map.into_iter()
                    .map(|(key, value)| (Text::from(key), Self::from(value)))
                    .collect(),
            ),
        }
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

impl From<Text> for Json {
    fn from(value: Text) -> Self {
        Self::String(value)
    }
}

impl From<Object> for Json {
    fn from(value: Object) -> Self {
        Self::Object(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// An integer of any size, in canonical decimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Integer(Digits);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Digits {
    Small(i64),
    /// Only what an i64 can't hold, so that equal numbers are equal values.
    Large(Box<str>),
}

impl Integer {
    /// The number, if it fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Digits::Small(value) => Some(value),
            Digits::Large(_) => None,
        }
    }

    /// From JSON's spelling of an integer: `-?(0|[1-9][0-9]*)`.
    fn from_digits(digits: &str) -> Self {
        Self(match digits.parse() {
            Ok(value) => Digits::Small(value),
            Err(_) => Digits::Large(digits.into()),
        })
    }

    fn to_serde(&self) -> serde_json::Value {
        match &self.0 {
            Digits::Small(value) => (*value).into(),
            Digits::Large(digits) => match digits.parse::<u64>() {
                Ok(value) => value.into(),
                Err(_) => digits.parse::<f64>().unwrap_or(f64::NAN).into(),
            },
        }
    }
}

impl From<i64> for Integer {
    fn from(value: i64) -> Self {
        Self(Digits::Small(value))
    }
}

impl From<u64> for Integer {
    fn from(value: u64) -> Self {
        Self::from_digits(&value.to_string())
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Digits::Small(value) => value.fmt(f),
            Digits::Large(digits) => f.write_str(digits),
        }
    }
}

/// A dictionary in insertion order. A key set again keeps its place and takes the new value, as in Python.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Object {
    entries: Vec<(Text, Json)>,
}

impl Object {
    /// An empty dictionary.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key and gives the dictionary back, for building one in place. Takes time linear in its size.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Json>) -> Self {
        self.insert(key.into(), value.into());
        self
    }

    /// Sets a key; the value that it had before comes back. Takes time linear in the size of the dictionary.
    pub fn insert(&mut self, key: Text, value: Json) -> Option<Json> {
        match self.entries.iter_mut().find(|(present, _)| *present == key) {
            Some((_, present)) => Some(std::mem::replace(present, value)),
            None => {
                self.entries.push((key, value));
                None
            }
        }
    }

    /// The value of a key. Takes time linear in the size of the dictionary.
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.entries
            .iter()
            .find(|(present, _)| present.as_str() == Some(key))
            .map(|(_, value)| value)
    }

    /// Takes a key out of the dictionary. Takes time linear in the size of the dictionary.
    pub fn remove(&mut self, key: &str) -> Option<Json> {
        let place = self
            .entries
            .iter()
            .position(|(present, _)| present.as_str() == Some(key))?;
        Some(self.entries.remove(place).1)
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Json)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// So many keys are compared with each other sooner than sorted.
const FEW: usize = 32;

/// Takes n log n steps, also when a hostile document repeats keys.
impl FromIterator<(Text, Json)> for Object {
    fn from_iter<I: IntoIterator<Item = (Text, Json)>>(entries: I) -> Self {
        let entries: Vec<_> = entries.into_iter().collect();
        let is_new = |place: usize| entries[..place].iter().all(|(key, _)| *key != entries[place].0);
        if entries.len() <= FEW && (1..entries.len()).all(is_new) {
            return Self { entries };
        }
        let mut places: BTreeMap<Text, usize> = BTreeMap::new();
        let mut object = Self::new();
        for (key, value) in entries {
            match places.get(&key) {
                Some(&place) => object.entries[place].1 = value,
                None => {
                    places.insert(key.clone(), object.entries.len());
                    object.entries.push((key, value));
                }
            }
        }
        object
    }
}

#[cfg(test)]
mod tests;
