use std::borrow::Cow;
use std::fmt;

/// A string as Python holds it: Unicode code points, lone surrogates included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Repr);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    Unicode(String),
    /// Only what a `String` can't hold, so that equal strings are equal values.
    WithSurrogates(Vec<u32>),
}

impl Text {
    /// From code points, each at most U+10FFFF.
    pub(super) fn from_code_points(code_points: Vec<u32>) -> Self {
        let unicode: Option<String> = code_points.iter().copied().map(char::from_u32).collect();
        Self(unicode.map_or(Repr::WithSurrogates(code_points), Repr::Unicode))
    }

    /// The string, unless it holds a lone surrogate.
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Repr::Unicode(text) => Some(text),
            Repr::WithSurrogates(_) => None,
        }
    }

    /// The string, with U+FFFD in place of each lone surrogate.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        match &self.0 {
            Repr::Unicode(text) => Cow::Borrowed(text),
            Repr::WithSurrogates(code_points) => code_points
                .iter()
                .map(|point| char::from_u32(*point).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect(),
        }
    }

    /// The code points, in order.
    pub(super) fn code_points(&self) -> impl Iterator<Item = u32> {
        let (unicode, surrogates) = match &self.0 {
            Repr::Unicode(text) => (text.as_str(), &[][..]),
            Repr::WithSurrogates(code_points) => ("", code_points.as_slice()),
        };
        unicode.chars().map(u32::from).chain(surrogates.iter().copied())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Repr::Unicode(text))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

/// As [`Text::to_string_lossy`].
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string_lossy())
    }
}
