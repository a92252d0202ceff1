//! Values of search attributes: from and to payloads.

use serde_json::Value as Json;
use temporalio_protos::temporal::api::common::v1::Payload;
use temporalio_protos::temporal::api::enums::v1::IndexedValueType as Type;

use super::attributes::type_name;
use super::civil::Moment;

/// Where a payload says its type.
const TYPE_METADATA: &str = "type";

/// A value as a record keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Of type Keyword or Text.
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
    Datetime {
        /// As it was given.
        given: String,
        /// As SQLite compares it.
        kept: String,
    },
    List(Vec<String>),
}

/// A payload that isn't of its attribute's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongType;

/// Reads a payload. Nothing is in it if it is null or an empty list; several values are if a list stands for one.
pub(crate) fn decode(payload: &Payload, kind: Type) -> Result<Vec<Value>, WrongType> {
    let Some(json) = json(payload) else {
        return Err(WrongType);
    };
    match (json, kind) {
        (Json::Null, _) => Ok(Vec::new()),
        (Json::Array(items), Type::KeywordList) => {
            let list: Option<Vec<String>> = items.iter().map(text_or_null).collect();
            list.map(|list| vec![Value::List(list)]).ok_or(WrongType)
        }
        (Json::Array(items), _) => items.iter().map(|item| one(item, kind).ok_or(WrongType)).collect(),
        (json, _) => one(&json, kind).map(|value| vec![value]).ok_or(WrongType),
    }
}

/// A payload's JSON, if that is what it has.
fn json(payload: &Payload) -> Option<Json> {
    match payload.metadata.get("encoding").map(Vec::as_slice) {
        Some(b"json/plain") => serde_json::from_slice(&payload.data).ok(),
        Some(b"binary/null") => Some(Json::Null),
        _ => None,
    }
}

fn one(json: &Json, kind: Type) -> Option<Value> {
    match (kind, json) {
        (Type::Keyword | Type::Text, Json::String(text)) => Some(Value::Text(text.clone())),
        (Type::Keyword | Type::Text, Json::Null) => Some(Value::Text(String::new())),
        (Type::Int, Json::Number(number)) => number.as_i64().map(Value::Int),
        (Type::Int, Json::Null) => Some(Value::Int(0)),
        (Type::Double, Json::Number(number)) => number.as_f64().map(Value::Double),
        (Type::Double, Json::Null) => Some(Value::Double(0.0)),
        (Type::Bool, Json::Bool(flag)) => Some(Value::Bool(*flag)),
        (Type::Bool, Json::Null) => Some(Value::Bool(false)),
        (Type::Datetime, Json::String(text)) => datetime(text),
        _ => None,
    }
}

fn text_or_null(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Null => Some(String::new()),
        _ => None,
    }
}

/// A moment, given as Go writes it again: no zeros at the end of a fraction, and `Z` for Greenwich.
fn datetime(text: &str) -> Option<Value> {
    let moment = Moment::parse(text)?;
    let (to_second, rest) = text.split_at_checked(19)?;
    let zone = rest
        .trim_start_matches(['.', ','])
        .trim_start_matches(|digit: char| digit.is_ascii_digit());
    let fraction = rest.strip_suffix(zone)?.replace(',', ".");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    let zone = match zone {
        "+00:00" | "-00:00" => "Z",
        zone => zone,
    };
    Some(Value::Datetime {
        given: format!("{to_second}{fraction}{zone}"),
        kept: moment.kept(),
    })
}

/// A value as a list shows it: JSON, with the type beside it.
pub(crate) fn encode(value: &Value, kind: Type) -> Payload {
    let text = match value {
        Value::Text(text) | Value::Datetime { given: text, .. } => quoted(text),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => go_number(*number),
        Value::Bool(flag) => flag.to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
            format!("[{}]", items.join(","))
        }
    };
    Payload {
        metadata: [
            ("encoding".to_owned(), b"json/plain".to_vec()),
            (TYPE_METADATA.to_owned(), type_name(kind).as_bytes().to_vec()),
        ]
        .into(),
        data: text.into_bytes(),
        ..Default::default()
    }
}

/// Writes an attribute's type beside its value, unless one is there.
pub(crate) fn mark_type(payload: &mut Payload, kind: Type) {
    payload
        .metadata
        .entry(TYPE_METADATA.to_owned())
        .or_insert_with(|| type_name(kind).as_bytes().to_vec());
}

/// A JSON string as Go writes it: safe inside HTML.
fn quoted(text: &str) -> String {
    Json::from(text)
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// A number as Go's JSON writes it.
fn go_number(number: f64) -> String {
    let size = number.abs();
    match size != 0.0 && !(1e-6..1e21).contains(&size) {
        true => with_exponent(number, 1),
        false => format!("{number}"),
    }
}

/// `1e+06`, with at least so many digits in the exponent.
fn with_exponent(number: f64, digits: usize) -> String {
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{exponent:0>digits$}")
}

/// A payload's contents as Temporal's messages show them (Go's `%v`).
pub(crate) fn shown(payload: &Payload) -> String {
    match json(payload) {
        Some(json) => go_value(&json),
        None => format!("value from <{:?}>", String::from_utf8_lossy(&payload.data)),
    }
}

fn go_value(json: &Json) -> String {
    match json {
        Json::Null => "<nil>".to_owned(),
        Json::Bool(flag) => flag.to_string(),
        Json::Number(number) => go_float(number.as_f64().unwrap_or_default()),
        Json::String(text) => text.clone(),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(go_value).collect();
            format!("[{}]", items.join(" "))
        }
        Json::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name}:{}", go_value(value)))
                .collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// A float as Go's `%v` shows it: with an exponent from a million on.
pub(crate) fn go_float(number: f64) -> String {
    let size = number.abs();
    match size != 0.0 && !(1e-4..1e6).contains(&size) {
        true => with_exponent(number, 2),
        false => format!("{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(json: &str) -> Payload {
        Payload {
            metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
            data: json.as_bytes().to_vec(),
            ..Default::default()
        }
    }

    #[test]
    fn values_are_read_by_the_type_of_their_attribute() {
        let text = |it: &str| Value::Text(it.to_owned());
        assert_eq!(decode(&payload("\"a\""), Type::Keyword), Ok(vec![text("a")]));
        assert_eq!(
            decode(&payload("[\"a\",\"b\"]"), Type::Keyword),
            Ok(vec![text("a"), text("b")])
        );
        assert_eq!(decode(&payload("[]"), Type::Keyword), Ok(vec![]));
        assert_eq!(decode(&payload("null"), Type::Int), Ok(vec![]));
        assert_eq!(decode(&payload("7"), Type::Int), Ok(vec![Value::Int(7)]));
        assert_eq!(decode(&payload("7.5"), Type::Int), Err(WrongType));
        assert_eq!(decode(&payload("7"), Type::Double), Ok(vec![Value::Double(7.0)]));
        assert_eq!(decode(&payload("\"true\""), Type::Bool), Err(WrongType));
        assert_eq!(decode(&payload("\"a\""), Type::KeywordList), Err(WrongType));
        assert_eq!(decode(&payload("no json"), Type::Keyword), Err(WrongType));
        assert_eq!(decode(&Payload::default(), Type::Keyword), Err(WrongType));
    }

    #[test]
    fn moments_come_back_as_go_writes_them() {
        let Ok(values) = decode(&payload("\"2024-01-01T10:00:00.500+00:00\""), Type::Datetime) else {
            panic!("it is a moment");
        };
        assert_eq!(encode(&values[0], Type::Datetime).data, b"\"2024-01-01T10:00:00.5Z\"");
        assert!(matches!(&values[0], Value::Datetime { kept, .. } if kept == "2024-01-01 10:00:00.500+00:00"));
    }

    #[test]
    fn numbers_and_strings_are_written_as_go_writes_them() {
        let of = |value: Value| String::from_utf8(encode(&value, Type::Text).data).expect("it is text");
        assert_eq!(of(Value::Double(1.0)), "1");
        assert_eq!(of(Value::Double(1e21)), "1e+21");
        assert_eq!(of(Value::Double(1e-7)), "1e-7");
        assert_eq!(
            of(Value::Text("<a&\"b\">".to_owned())),
            "\"\\u003ca\\u0026\\\"b\\\"\\u003e\""
        );
        assert_eq!(shown(&payload("[1, \"b\", true]")), "[1 b true]");
        assert_eq!(shown(&payload("1000000")), "1e+06");
        assert_eq!(shown(&payload("123456")), "123456");
    }
}
