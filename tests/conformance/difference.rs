//! Where two transcripts part.

use serde_json::Value;

/// The first place at which they differ, in words.
pub(crate) fn first(expected: &Value, got: &Value) -> Option<String> {
    at(String::new(), expected, got)
}

fn at(path: String, expected: &Value, got: &Value) -> Option<String> {
    match (expected, got) {
        (Value::Object(one), Value::Object(other)) => {
            let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            names
                .into_iter()
                .find_map(|name| match (one.get(name), other.get(name)) {
                    (Some(one), Some(other)) => at(format!("{path}.{name}"), one, other),
                    (Some(one), None) => Some(format!("{path}.{name}: {one} is missing")),
                    (None, other) => Some(format!("{path}.{name}: {} is too much", other.unwrap_or(&Value::Null))),
                })
        }
        (Value::Array(one), Value::Array(other)) => {
            let parted = one
                .iter()
                .zip(other)
                .enumerate()
                .find_map(|(index, (one, other))| at(format!("{path}[{index}{}]", label(one)), one, other));
            parted.or_else(|| {
                (one.len() != other.len()).then(|| {
                    let longer = if one.len() > other.len() { one } else { other };
                    let next = &longer[one.len().min(other.len())];
                    format!("{path}: {} items, not {}; the next is {next}", other.len(), one.len())
                })
            })
        }
        _ => (expected != got).then(|| format!("{path}: {expected} became {got}")),
    }
}

/// What an element of a list is, so that a path can be read.
fn label(element: &Value) -> String {
    let name = element.get("call").or_else(|| element.get("eventType"));
    name.and_then(Value::as_str)
        .map(|name| format!(" {}", name.trim_start_matches("EVENT_TYPE_")))
        .unwrap_or_default()
}
