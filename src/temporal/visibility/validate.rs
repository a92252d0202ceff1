//! Whether an execution may have the search attributes that somebody gives it (`common/searchattribute/validator.go`).

use std::collections::BTreeMap;

use prost::Message as _;
use temporalio_protos::temporal::api::common::v1::{Payload, SearchAttributes};
use temporalio_protos::temporal::api::enums::v1::IndexedValueType as Type;

use super::attributes::{self, CustomAttributes, type_name};
use super::value;
use crate::temporal::config::DynamicConfig;

/// Checks number, names and values. The error is Temporal's text.
pub(crate) fn validate(
    attributes: &SearchAttributes,
    namespace: &str,
    custom: &CustomAttributes,
    config: &DynamicConfig,
) -> Result<(), String> {
    check_names_and_values(attributes, namespace, custom, config.search_attributes)
}

/// Writes each attribute's type beside its value.
pub(crate) fn mark_types(attributes: &mut SearchAttributes, custom: &CustomAttributes) {
    for (name, kind) in types(attributes, custom) {
        if let Some(payload) = attributes.indexed_fields.get_mut(&name) {
            value::mark_type(payload, kind);
        }
    }
}

fn check_names_and_values(
    attributes: &SearchAttributes,
    namespace: &str,
    custom: &CustomAttributes,
    limit: usize,
) -> Result<(), String> {
    let fields = sorted(attributes);
    let unknown = fields
        .keys()
        .find(|name| attributes::is_mappable(name) && custom.place(name).is_none());
    if let Some(name) = unknown {
        return Err(format!(
            "Namespace {namespace} has no mapping defined for search attribute {name}"
        ));
    }
    if fields.len() > limit {
        return Err(format!(
            "number of search attributes {} exceeds limit {limit}",
            fields.len()
        ));
    }
    for (name, payload) in fields {
        check_one(name, payload, custom)?;
    }
    Ok(())
}

fn check_one(name: &str, payload: &Payload, custom: &CustomAttributes) -> Result<(), String> {
    let Some(kind) = settable_type(name, custom) else {
        return Err(format!("{name} attribute can't be set in SearchAttributes"));
    };
    match value::decode(payload, kind) {
        Ok(_) => Ok(()),
        Err(value::WrongType) => Err(format!(
            "invalid value for search attribute {name} of type {}: {}",
            type_name(kind),
            value::shown(payload)
        )),
    }
}

/// Checks the size of each value and of all attributes together.
pub(crate) fn check_sizes(attributes: &SearchAttributes, config: &DynamicConfig) -> Result<(), String> {
    let limit = config.search_attribute_bytes;
    for (name, payload) in sorted(attributes) {
        if payload.data.len() > limit {
            return Err(format!(
                "search attribute {name} value size {} exceeds size limit {limit}",
                payload.data.len()
            ));
        }
    }
    let limit = config.search_attributes_bytes;
    match attributes.encoded_len() {
        size if size > limit => Err(format!(
            "total size of search attributes {size} exceeds size limit {limit}"
        )),
        _ => Ok(()),
    }
}

/// The type of an attribute that may be set at all.
fn settable_type(name: &str, custom: &CustomAttributes) -> Option<Type> {
    match attributes::predefined(name) {
        Some((kind, settable)) => settable.then_some(kind),
        None => custom.place(name).map(|(_, kind)| kind),
    }
}

fn types(attributes: &SearchAttributes, custom: &CustomAttributes) -> Vec<(String, Type)> {
    sorted(attributes)
        .into_keys()
        .filter_map(|name| Some((name.clone(), settable_type(name, custom)?)))
        .collect()
}

fn sorted(attributes: &SearchAttributes) -> BTreeMap<&String, &Payload> {
    BTreeMap::from_iter(&attributes.indexed_fields)
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

    fn checked(fields: &[(&str, &str)]) -> Result<SearchAttributes, String> {
        let mut custom = CustomAttributes::default();
        custom.add("CustomIntField", Type::Int).expect("there is a place");
        let fields = fields.iter().map(|(name, json)| ((*name).to_owned(), payload(json)));
        let mut attributes = SearchAttributes {
            indexed_fields: fields.collect(),
        };
        let config = DynamicConfig::default();
        validate(&attributes, "default", &custom, &config)?;
        check_sizes(&attributes, &config)?;
        mark_types(&mut attributes, &custom);
        Ok(attributes)
    }

    #[test]
    fn good_ones_get_their_type_written_beside_them() {
        let attributes = checked(&[("CustomIntField", "7"), ("BatcherUser", "\"me\"")]).expect("they are good");
        assert_eq!(attributes.indexed_fields["CustomIntField"].metadata["type"], b"Int");
        assert_eq!(attributes.indexed_fields["BatcherUser"].metadata["type"], b"Keyword");
    }

    #[test]
    fn bad_ones_are_refused_in_temporals_words() {
        for (field, json, complaint) in [
            (
                "Nope",
                "1",
                "Namespace default has no mapping defined for search attribute Nope",
            ),
            (
                "WorkflowId",
                "\"a\"",
                "WorkflowId attribute can't be set in SearchAttributes",
            ),
            (
                "TemporalWorkerDeployment",
                "\"a\"",
                "TemporalWorkerDeployment attribute can't be set in SearchAttributes",
            ),
            (
                "CustomIntField",
                "\"seven\"",
                "invalid value for search attribute CustomIntField of type Int: seven",
            ),
        ] {
            assert_eq!(checked(&[(field, json)]), Err(complaint.to_owned()));
        }
        let long = format!("\"{}\"", "a".repeat(3_000));
        assert_eq!(
            checked(&[("BatcherUser", &long)]),
            Err("search attribute BatcherUser value size 3002 exceeds size limit 2048".to_owned())
        );
    }
}
