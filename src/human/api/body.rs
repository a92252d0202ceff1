//! Bodies and queries as FastAPI and pydantic read them: the same coercions, the same refusals.

use awaithumans_temporal::wire::json::{Json, JsonError, Object, Text};
use http::HeaderMap;

use crate::human::reject::{Problem, Reject};

/// The fields of a body, with what is wrong so far. Fields must be asked for in the order of the model.
pub(crate) struct Fields {
    body: Object,
    problems: Vec<Problem>,
}

impl Fields {
    /// Reads a body that must be an object.
    pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Reject> {
        if body.is_empty() {
            return Err(Reject::Invalid(vec![Problem {
                kind: "missing",
                location: vec!["body".into()],
                message: "Field required".to_owned(),
                input: Json::Null,
                context: None,
            }]));
        }
        let value = match is_json(headers) {
            true => parse_json(body)?,
            false => String::from_utf8_lossy(body).into_owned().into(),
        };
        match value {
            Json::Object(body) => Ok(Self {
                body,
                problems: Vec::new(),
            }),
            other => Err(Reject::Invalid(vec![Problem {
                kind: "model_attributes_type",
                location: vec!["body".into()],
                message: "Input should be a valid dictionary or object to extract fields from".to_owned(),
                input: other,
                context: None,
            }])),
        }
    }

    /// Ends the reading: refuses if anything was wrong.
    pub(crate) fn finish(self) -> Result<(), Reject> {
        match self.problems.is_empty() {
            true => Ok(()),
            false => Err(Reject::Invalid(self.problems)),
        }
    }

    pub(crate) fn string(&mut self, field: &str) -> Text {
        match self.body.get(field).cloned() {
            Some(value) => self.check_string(field, value),
            None => self.missing(field).unwrap_or_else(|| Text::from("")),
        }
    }

    pub(crate) fn optional_string(&mut self, field: &str) -> Option<Text> {
        match self.body.get(field).cloned() {
            None | Some(Json::Null) => None,
            Some(value) => Some(self.check_string(field, value)),
        }
    }

    pub(crate) fn dictionary(&mut self, field: &str) -> Json {
        match self.body.get(field).cloned() {
            Some(value) => self.check_dictionary(field, value),
            None => self.missing(field).unwrap_or_default(),
        }
    }

    pub(crate) fn optional_dictionary(&mut self, field: &str) -> Json {
        match self.body.get(field).cloned() {
            None | Some(Json::Null) => Json::Null,
            Some(value) => self.check_dictionary(field, value),
        }
    }

    pub(crate) fn optional_dictionary_of_strings(&mut self, field: &str) -> Json {
        let value = self.optional_dictionary(field);
        for (key, value) in value.as_object().into_iter().flat_map(Object::iter) {
            if !matches!(value, Json::String(_)) {
                self.problems
                    .push(not_a_string(field, value.clone()).under(key.clone()));
            }
        }
        value
    }

    pub(crate) fn optional_strings(&mut self, field: &str) -> Option<Vec<Text>> {
        let values = match self.body.get(field).cloned() {
            None | Some(Json::Null) => return None,
            Some(Json::Array(values)) => values,
            Some(other) => {
                let problem = Problem::in_body(field, "list_type", "Input should be a valid list", other);
                self.problems.push(problem);
                return None;
            }
        };
        let mut texts = Vec::with_capacity(values.len());
        for (place, value) in (0_i64..).zip(values) {
            match value {
                Json::String(text) => texts.push(text),
                other => self.problems.push(not_a_string(field, other).under(place)),
            }
        }
        Some(texts)
    }

    pub(crate) fn boolean_or_false(&mut self, field: &str) -> bool {
        let Some(value) = self.body.get(field).cloned() else {
            return false;
        };
        match boolean(&value) {
            Ok(value) => value,
            Err((kind, message)) => {
                self.problems.push(Problem::in_body(field, kind, message, value));
                false
            }
        }
    }

    pub(crate) fn integer_between(&mut self, field: &str, least: i64, most: i64) -> i64 {
        let Some(value) = self.body.get(field).cloned() else {
            return self.missing(field).unwrap_or(least);
        };
        match integer(&value).and_then(|number| in_range(number, least, Some(most))) {
            Ok(number) => number,
            Err(refusal) => {
                let mut problem = Problem::in_body(field, refusal.kind, refusal.message, value);
                problem.context = refusal.context;
                self.problems.push(problem);
                least
            }
        }
    }

    fn check_string(&mut self, field: &str, value: Json) -> Text {
        match value {
            Json::String(text) => text,
            other => {
                self.problems.push(not_a_string(field, other));
                Text::from("")
            }
        }
    }

    fn check_dictionary(&mut self, field: &str, value: Json) -> Json {
        if !value.is_object() {
            let message = "Input should be a valid dictionary";
            self.problems
                .push(Problem::in_body(field, "dict_type", message, value.clone()));
        }
        value
    }

    fn missing<T>(&mut self, field: &str) -> Option<T> {
        let body = self.body.clone().into();
        self.problems
            .push(Problem::in_body(field, "missing", "Field required", body));
        None
    }
}

fn not_a_string(field: &str, input: Json) -> Problem {
    Problem::in_body(field, "string_type", "Input should be a valid string", input)
}

/// FastAPI reads a body as JSON only if its type says so.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/");
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

fn parse_json(body: &[u8]) -> Result<Json, Reject> {
    Json::parse(body).map_err(|error| match error {
        JsonError::Syntax { message, position, .. } => Reject::Invalid(vec![Problem {
            kind: "json_invalid",
            location: vec!["body".into(), i64::try_from(position).unwrap_or(i64::MAX).into()],
            message: "JSON decode error".to_owned(),
            input: Object::new().into(),
            context: Some(Object::new().with("error", message)),
        }]),
        _ => Reject::UnreadableBody,
    })
}

/// A number that pydantic refuses.
pub(crate) struct Refusal {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    pub(crate) context: Option<Object>,
}

impl Refusal {
    fn new(kind: &'static str, message: &str) -> Self {
        Self {
            kind,
            message: message.to_owned(),
            context: None,
        }
    }
}

/// pydantic's lax `int`. A number beyond i64 becomes the nearest one: every range here lies inside.
pub(crate) fn integer(value: &Json) -> Result<i64, Refusal> {
    match value {
        Json::Int(number) => Ok(number.as_i64().unwrap_or_else(|| saturated(&number.to_string()))),
        Json::Bool(value) => Ok((*value).into()),
        Json::Float(number) if !number.is_finite() => {
            Err(Refusal::new("finite_number", "Input should be a finite number"))
        }
        // Exact: a float without fraction that fits an i64 converts without loss, others saturate.
        Json::Float(number) if number.fract() == 0.0 => Ok(*number as i64),
        Json::Float(_) => Err(Refusal::new(
            "int_from_float",
            "Input should be a valid integer, got a number with a fractional part",
        )),
        Json::String(text) => integer_from_text(&text.to_string_lossy()),
        Json::Null | Json::Array(_) | Json::Object(_) => {
            Err(Refusal::new("int_type", "Input should be a valid integer"))
        }
    }
}

/// pydantic's `int` of a text: spaces around it, underscores between digits and a fraction of zeros are let through.
pub(crate) fn integer_from_text(text: &str) -> Result<i64, Refusal> {
    let refusal = || {
        Refusal::new(
            "int_parsing",
            "Input should be a valid integer, unable to parse string as an integer",
        )
    };
    let trimmed = text.trim();
    let (sign, digits) = match trimmed.as_bytes().first() {
        Some(b'-') => ("-", &trimmed[1..]),
        Some(b'+') => ("", &trimmed[1..]),
        _ => ("", trimmed),
    };
    let whole = match digits.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return Err(refusal()),
        None => digits,
    };
    let well_formed = !whole.is_empty()
        && whole
            .split('_')
            .all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    match well_formed {
        true => Ok(saturated(&format!("{sign}{}", whole.replace('_', "")))),
        false => Err(refusal()),
    }
}

fn saturated(digits: &str) -> i64 {
    digits
        .parse()
        .unwrap_or(if digits.starts_with('-') { i64::MIN } else { i64::MAX })
}

/// Refuses what lies outside of a range; `most` may be open.
pub(crate) fn in_range(number: i64, least: i64, most: Option<i64>) -> Result<i64, Refusal> {
    let (kind, words, name, bound) = match most {
        _ if number < least => ("greater_than_equal", "greater", "ge", least),
        Some(most) if number > most => ("less_than_equal", "less", "le", most),
        _ => return Ok(number),
    };
    Err(Refusal {
        kind,
        message: format!("Input should be {words} than or equal to {bound}"),
        context: Some(Object::new().with(name, bound)),
    })
}

/// pydantic's lax `bool`.
pub(crate) fn boolean(value: &Json) -> Result<bool, (&'static str, &'static str)> {
    const NOT_PARSED: (&str, &str) = (
        "bool_parsing",
        "Input should be a valid boolean, unable to interpret input",
    );
    const WRONG_TYPE: (&str, &str) = ("bool_type", "Input should be a valid boolean");
    match value {
        Json::Bool(value) => Ok(*value),
        Json::Int(number) => match number.as_i64() {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(NOT_PARSED),
        },
        Json::Float(0.0) => Ok(false),
        Json::Float(1.0) => Ok(true),
        Json::String(text) => match text.to_string_lossy().to_lowercase().as_str() {
            "1" | "true" | "t" | "yes" | "y" | "on" => Ok(true),
            "0" | "false" | "f" | "no" | "n" | "off" => Ok(false),
            _ => Err(NOT_PARSED),
        },
        _ => Err(WRONG_TYPE),
    }
}

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
        let Some(text) = self.get(name).map(str::to_owned) else {
            return false;
        };
        boolean(&text.as_str().into()).unwrap_or_else(|(kind, message)| {
            self.refuse(name, kind, message.to_owned(), &text, None);
            false
        })
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
    fn numbers_are_read_as_pydantic_reads_them() {
        let read = |text: &str| integer_from_text(text).ok();
        assert_eq!(read(" 1 "), Some(1));
        assert_eq!(read("1.0"), Some(1));
        assert_eq!(read("+1_000"), Some(1000));
        assert_eq!(read("99999999999999999999"), Some(i64::MAX));
        for bad in ["", "1.5", "1e1", "abc", "_1", "1__0", "-", "0x1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_last_parameter_of_a_name_counts() {
        let mut query = Query::parse(Some("limit=1&limit=%32&flag=YES&x"));
        assert_eq!(query.integer("limit", 50, 1, Some(200)), 2);
        assert!(query.boolean_or_false("flag"));
        assert_eq!(query.get("x"), Some(""));
        assert!(query.finish().is_ok());
    }

    #[test]
    fn only_json_types_are_read_as_json() {
        let refused = |content_type: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = content_type {
                headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(value));
            }
            Fields::parse(&headers, b"{}").is_err()
        };
        assert!(!refused(Some("application/json; charset=utf-8")));
        assert!(!refused(Some("application/problem+json")));
        assert!(refused(Some("text/plain")));
        assert!(refused(None));
    }
}
