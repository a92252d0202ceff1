//! Queries as FastAPI and pydantic read them: the same coercions, the same refusals.

use awaithumans_temporal::wire::json::{Json, Object};

use super::body::{boolean, in_range, integer_from_text};
use crate::human::reject::{Problem, Reject};

/// The parameters behind the `?`, decoded. The last one of a name counts.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    problems: Vec<Problem>,
}

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decode = |text: &str| percent_decode(&text.replace('+', " "));
        Self {
            pairs: pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
            problems: Vec::new(),
        }
    }

    pub(crate) fn finish(self) -> Result<(), Reject> {
        match self.problems.is_empty() {
            true => Ok(()),
            false => Err(Reject::Invalid(self.problems)),
        }
    }

    /// A parameter that must be there.
    pub(crate) fn required(&mut self, name: &str) -> String {
        match self.get(name).map(str::to_owned) {
            Some(text) => text,
            None => {
                self.missing(name);
                String::new()
            }
        }
    }

    /// A number that must be there.
    pub(crate) fn required_integer(&mut self, name: &str) -> i64 {
        if self.get(name).is_none() {
            self.missing(name);
        }
        self.integer(name, 0, i64::MIN, None)
    }

    fn missing(&mut self, name: &str) {
        self.problems.push(Problem {
            kind: "missing",
            location: vec!["query".into(), name.into()],
            message: "Field required".to_owned(),
            input: Json::Null,
            context: None,
        });
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().rev().find(|(present, _)| present == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn integer(&mut self, name: &str, default: i64, least: i64, most: Option<i64>) -> i64 {
        let Some(text) = self.get(name).map(str::to_owned) else {
            return default;
        };
        match integer_from_text(&text).and_then(|number| in_range(number, least, most)) {
            Ok(number) => number,
            Err(refusal) => {
                self.refuse(name, refusal.kind, refusal.message, &text, refusal.context);
                default
            }
        }
    }

    pub(crate) fn boolean_or_false(&mut self, name: &str) -> bool {
        self.optional_boolean(name).unwrap_or_default()
    }

    pub(crate) fn optional_boolean(&mut self, name: &str) -> Option<bool> {
        let text = self.get(name)?.to_owned();
        match boolean(&text.as_str().into()) {
            Ok(value) => Some(value),
            Err((kind, message)) => {
                self.refuse(name, kind, message.to_owned(), &text, None);
                None
            }
        }
    }

    /// One of an enumeration's values.
    pub(crate) fn one_of<T: Copy>(&mut self, name: &str, all: &[T], spell: impl Fn(T) -> &'static str) -> Option<T> {
        let text = self.get(name)?.to_owned();
        let found = all.iter().copied().find(|value| spell(*value) == text);
        if found.is_none() {
            let names: Vec<_> = all.iter().map(|value| format!("'{}'", spell(*value))).collect();
            let expected = match names.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                _ => names.concat(),
            };
            let context = Object::new().with("expected", expected.as_str());
            self.refuse(
                name,
                "enum",
                format!("Input should be {expected}"),
                &text,
                Some(context),
            );
        }
        found
    }

    fn refuse(&mut self, name: &str, kind: &'static str, message: String, input: &str, context: Option<Object>) {
        self.problems.push(Problem {
            kind,
            location: vec!["query".into(), name.into()],
            message,
            input: input.into(),
            context,
        });
    }
}

/// Undoes percent-encoding; what isn't UTF-8 becomes U+FFFD, as in Starlette.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digit = |place: usize| after.get(place).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high << 4 | low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_parameter_of_a_name_counts() {
        let mut query = Query::parse(Some("limit=1&limit=%32&flag=YES&x"));
        assert_eq!(query.integer("limit", 50, 1, Some(200)), 2);
        assert!(query.boolean_or_false("flag"));
        assert_eq!(query.get("x"), Some(""));
        assert!(query.finish().is_ok());
    }
}
