//! JSON values, as wild as Python's `json` module lets them be.

use awaithumans_temporal::wire::json::{Json, Object, Text};
use proptest::prelude::*;

/// How deep the values nest, how many there are in all, and how many one array or object aims at.
const DEPTH: u32 = 5;
const SIZE: u32 = 48;
const BREADTH: u32 = 6;

/// Any JSON value that is equal to itself: integers of any size, every finite float, strings with lone surrogates, five
/// levels of nesting. `NaN` is left out, since a value with one differs from itself; the infinities are in.
///
/// ```
/// use awaithumans_temporal::wire::json::Json;
/// use awaithumans_testkit::strategies::json;
/// use proptest::prelude::*;
///
/// proptest!(|(value in json())| {
///     prop_assert_eq!(Json::parse(value.to_compact().as_bytes()), Ok(value));
/// });
/// ```
pub fn json() -> impl Strategy<Value = Json> {
    scalar().prop_recursive(DEPTH, SIZE, BREADTH, |value| {
        prop_oneof![
            prop::collection::vec(value.clone(), 0..BREADTH as usize).prop_map(Json::Array),
            object_of(value).prop_map(Json::Object),
        ]
    })
}

/// Any JSON object: the only form of response that awaithumans takes.
///
/// ```
/// use awaithumans_testkit::strategies::object;
/// use proptest::prelude::*;
///
/// proptest!(|(response in object())| {
///     prop_assert!(response.iter().count() == response.len());
/// });
/// ```
pub fn object() -> impl Strategy<Value = Object> {
    object_of(json())
}

/// Any string that JSON can carry, lone surrogates included: `"\ud800"` has no `String`.
///
/// ```
/// use awaithumans_testkit::strategies::text;
/// use proptest::prelude::*;
///
/// proptest!(|(text in text())| {
///     prop_assert!(text.as_str().is_none_or(|unicode| unicode == text.to_string_lossy()));
/// });
/// ```
pub fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        8 => any::<String>().prop_map(Text::from),
        4 => "[ -~]{0,12}".prop_map(Text::from),
        1 => (any::<String>(), 0xd800..=0xdfffu32).prop_map(|(before, surrogate)| with_surrogate(&before, surrogate)),
    ]
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        (-9i64..=9).prop_map(Json::from),
        "-?[1-9][0-9]{18,40}".prop_map(|digits| parsed(&digits)),
        any::<f64>()
            .prop_filter("NaN differs from itself", |float| !float.is_nan())
            .prop_map(Json::Float),
        text().prop_map(Json::String),
    ]
}

fn object_of(value: impl Strategy<Value = Json>) -> impl Strategy<Value = Object> {
    prop::collection::vec((text(), value), 0..BREADTH as usize).prop_map(|entries| entries.into_iter().collect())
}

/// A lone surrogate can only come in as an escape.
fn with_surrogate(before: &str, surrogate: u32) -> Text {
    let quoted = Json::from(before).to_compact();
    match parsed(&format!("{}\\u{surrogate:04x}\"", &quoted[..quoted.len() - 1])) {
        Json::String(text) => text,
        other => unreachable!("{other} is not a string"),
    }
}

fn parsed(document: &str) -> Json {
    Json::parse(document.as_bytes()).unwrap_or_else(|error| panic!("{document} should be JSON: {error}"))
}
