//! The headers that a caller gives to an operation.

use std::collections::HashMap;

/// The most that names and values may have together, in bytes (dynamic config `…limit.header.size`).
const MAX_SIZE: usize = 8_192;

/// Names that the server itself uses (dynamic config `…disallowedHeaders`).
const DISALLOWED: [&str; 9] = [
    "request-timeout",
    "xdc-redirection-api",
    "xdc-redirection-source-cell",
    "xdc-redirection",
    "caller-name",
    "caller-type",
    "call-initiation",
    "temporal-principal-type",
    "temporal-principal-name",
];

/// Why headers are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// One has a name of the server's own; as it was written.
    Disallowed(String),
    /// There is too much of them.
    TooLarge,
}

/// Names in lower case, none of the server's own, and not too much of it.
pub(crate) fn normalize(header: HashMap<String, String>) -> Result<HashMap<String, String>, BadHeader> {
    let mut sorted: Vec<(String, String)> = header.into_iter().collect();
    sorted.sort();
    let mut size = 0;
    let mut lower = HashMap::with_capacity(sorted.len());
    for (name, value) in sorted {
        let key = name.to_lowercase();
        size += key.len() + value.len();
        if DISALLOWED.contains(&key.as_str()) {
            return Err(BadHeader::Disallowed(name));
        }
        lower.insert(key, value);
    }
    match size > MAX_SIZE {
        true => Err(BadHeader::TooLarge),
        false => Ok(lower),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowered_and_limits_hold() {
        let header = |name: &str, value: &str| HashMap::from([(name.to_owned(), value.to_owned())]);
        assert_eq!(normalize(header("Foo", "Bar")), Ok(header("foo", "Bar")));
        assert_eq!(
            normalize(header("Caller-Name", "x")),
            Err(BadHeader::Disallowed("Caller-Name".to_owned()))
        );
        assert!(normalize(header("a", &"x".repeat(8_191))).is_ok());
        assert_eq!(normalize(header("a", &"x".repeat(8_192))), Err(BadHeader::TooLarge));
    }
}
