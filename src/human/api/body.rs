//! Bodies as FastAPI and pydantic read them: the same coercions, the same refusals.

use awaithumans_temporal::wire::json::{Json, JsonError, Object, Text};
use bytes::Bytes;
use http::HeaderMap;

use crate::human::reject::{Problem, Reject};

/// A body that is read but not looked at. FastAPI asks a route's guards between the two.
pub(crate) struct Body {
    json: Option<Json>,
    bytes: Bytes,
}

impl Body {
    /// Reads a body; `None` within for an empty one.
    pub(crate) fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, Reject> {
        let json = match (body.is_empty(), is_json(headers)) {
            (true, _) => None,
            (false, true) => Some(parse_json(body)?),
            (false, false) => Some(String::from_utf8_lossy(body).into_owned().into()),
        };
        let bytes = body.clone();
        Ok(Self { json, bytes })
    }

    /// Its fields: it must be an object.
    pub(crate) fn fields(self) -> Result<Fields, Reject> {
        let refusal = |kind: &'static str, message: &str, input: Json| {
            Reject::Invalid(vec![Problem {
                kind,
                location: vec!["body".into()],
                message: message.to_owned(),
                input,
                context: None,
            }])
        };
        match self.json {
            Some(Json::Object(left)) => Ok(Fields {
                left,
                body: self.bytes,
                problems: Vec::new(),
            }),
            None => Err(refusal("missing", "Field required", Json::Null)),
            Some(other) => Err(refusal(
                "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from",
                other,
            )),
        }
    }
}

/// The fields of a body, with what is wrong so far. Fields must be asked for in the order of the model, each once.
pub(crate) struct Fields {
    /// Those that weren't asked for yet.
    left: Object,
    body: Bytes,
    problems: Vec<Problem>,
}

impl Fields {
    /// Ends the reading: refuses if anything was wrong.
    pub(crate) fn finish(self) -> Result<(), Reject> {
        match self.problems.is_empty() {
            true => Ok(()),
            false => Err(Reject::Invalid(self.problems)),
        }
    }

    pub(crate) fn string(&mut self, field: &str) -> Text {
        match self.left.remove(field) {
            Some(value) => self.check_string(field, value),
            None => self.missing(field).unwrap_or_else(|| Text::from("")),
        }
    }

    pub(crate) fn optional_string(&mut self, field: &str) -> Option<Text> {
        match self.left.remove(field) {
            None | Some(Json::Null) => None,
            Some(value) => Some(self.check_string(field, value)),
        }
    }

    /// A text whose length in characters is limited.
    pub(crate) fn string_of_length(&mut self, field: &str, least: usize, most: Option<usize>) -> Text {
        let is_string = matches!(self.left.get(field), Some(Json::String(_)));
        let text = self.string(field);
        if let (true, Some(problem)) = (is_string, length_problem(&text, least, most)) {
            self.problems.push(problem.in_field("body", field));
        }
        text
    }

    /// A text whose length in characters is limited, or none.
    pub(crate) fn optional_string_of_length(&mut self, field: &str, least: usize, most: Option<usize>) -> Option<Text> {
        match self.left.get(field) {
            None | Some(Json::Null) => None,
            Some(_) => Some(self.string_of_length(field, least, most)),
        }
    }

    pub(crate) fn dictionary(&mut self, field: &str) -> Json {
        match self.left.remove(field) {
            Some(value) => self.check_dictionary(field, value),
            None => self.missing(field).unwrap_or_default(),
        }
    }

    pub(crate) fn optional_dictionary(&mut self, field: &str) -> Json {
        match self.left.remove(field) {
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
        let values = match self.left.remove(field) {
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
        self.boolean_if_there(field).unwrap_or_default()
    }

    /// A truth value, or none; `null` is none too.
    pub(crate) fn optional_boolean(&mut self, field: &str) -> Option<bool> {
        match self.left.get(field) {
            Some(Json::Null) => None,
            _ => self.boolean_if_there(field),
        }
    }

    /// A truth value, if the field is there at all.
    pub(crate) fn boolean_if_there(&mut self, field: &str) -> Option<bool> {
        let value = self.left.remove(field)?;
        match boolean(&value) {
            Ok(value) => Some(value),
            Err((kind, message)) => {
                self.problems.push(Problem::in_body(field, kind, message, value));
                None
            }
        }
    }

    /// A number that isn't below a bound, or none.
    pub(crate) fn optional_integer_from(&mut self, field: &str, least: i64) -> Option<i64> {
        let value = self.left.remove(field).filter(|value| !value.is_null())?;
        match integer(&value).and_then(|number| in_range(number, least, None)) {
            Ok(number) => Some(number),
            Err(refusal) => {
                let mut problem = Problem::in_body(field, refusal.kind, refusal.message, value);
                problem.context = refusal.context;
                self.problems.push(problem);
                None
            }
        }
    }

    pub(crate) fn integer_between(&mut self, field: &str, least: i64, most: i64) -> i64 {
        let Some(value) = self.left.remove(field) else {
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
        // All of it, with what was taken from it before: it's read again, since this is rare.
        let body = Json::parse(&self.body).unwrap_or_default();
        self.problems
            .push(Problem::in_body(field, "missing", "Field required", body));
        None
    }
}

/// What pydantic says of a text that is too short or too long, in characters.
pub(crate) fn length_problem(text: &Text, least: usize, most: Option<usize>) -> Option<LengthProblem> {
    let length = text.to_string_lossy().chars().count();
    let (kind, words, name, bound) = match most {
        _ if length < least => ("string_too_short", "least", "min_length", least),
        Some(most) if length > most => ("string_too_long", "most", "max_length", most),
        _ => return None,
    };
    let plural = if bound == 1 { "" } else { "s" };
    Some(LengthProblem {
        kind,
        message: format!("String should have at {words} {bound} character{plural}"),
        context: Object::new().with(name, i64::try_from(bound).unwrap_or(i64::MAX)),
        input: text.clone(),
    })
}

/// A text that is too short or too long, wherever it stands.
pub(crate) struct LengthProblem {
    kind: &'static str,
    message: String,
    context: Object,
    input: Text,
}

impl LengthProblem {
    pub(crate) fn in_field(self, place: &str, field: &str) -> Problem {
        Problem {
            kind: self.kind,
            location: vec![place.into(), field.into()],
            message: self.message,
            input: self.input.into(),
            context: Some(self.context),
        }
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

/// pydantic's lax `int`. An integer beyond i64 becomes the nearest one: every range here lies inside.
pub(crate) fn integer(value: &Json) -> Result<i64, Refusal> {
    match value {
        Json::Int(number) => Ok(number.as_i64().unwrap_or_else(|| saturated(&number.to_string()))),
        Json::Bool(value) => Ok((*value).into()),
        Json::Float(number) if !number.is_finite() => {
            Err(Refusal::new("finite_number", "Input should be a finite number"))
        }
        // Exact: a float without fraction that fits an i64 converts without loss.
        Json::Float(number) if number.fract() == 0.0 && number.abs() < i64::MAX as f64 => Ok(*number as i64),
        Json::Float(number) if number.fract() == 0.0 => Err(beyond_all_sizes()),
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

fn beyond_all_sizes() -> Refusal {
    Refusal::new(
        "int_parsing_size",
        "Unable to parse input string as an integer, exceeded maximum size",
    )
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
        // Python converts no longer ones.
        true if whole.trim_start_matches('0').len() > 4_300 => Err(beyond_all_sizes()),
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
    fn only_json_types_are_read_as_json() {
        let refused = |content_type: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = content_type {
                headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(value));
            }
            Body::read(&headers, &Bytes::from_static(b"{}"))
                .and_then(Body::fields)
                .is_err()
        };
        assert!(!refused(Some("application/json; charset=utf-8")));
        assert!(!refused(Some("application/problem+json")));
        assert!(refused(Some("text/plain")));
        assert!(refused(None));
    }
}
