//! Memos and search attributes as Temporal keeps them: a field without a value isn't there (`common/payload`).

use std::collections::HashMap;

use temporalio_protos::temporal::api::common::v1::{Memo, Payload, SearchAttributes};

/// Whether a payload says "no value" (`isNilPayload`): no data, or JSON's `null`, or an empty list.
fn is_nil(payload: &Payload) -> bool {
    matches!(payload.data.as_slice(), b"" | b"null" | b"[]")
}

/// Sets fields; one without a value takes it away.
#[expect(clippy::iter_over_hash_type, reason = "from map to map: the order leaves no trace")]
pub(crate) fn upsert(fields: &mut HashMap<String, Payload>, news: &HashMap<String, Payload>) {
    for (name, value) in news {
        match is_nil(value) {
            true => fields.remove(name),
            false => fields.insert(name.clone(), value.clone()),
        };
    }
}

/// A memo as an event has it (`FilterNilMemo`): none, if no field of it has a value.
pub(crate) fn memo_of_values(memo: Option<Memo>) -> Option<Memo> {
    let mut memo = memo?;
    memo.fields.retain(|_, value| !is_nil(value));
    (!memo.fields.is_empty()).then_some(memo)
}

/// Search attributes as an event has them (`FilterNilSearchAttributes`): none, if none has a value.
pub(crate) fn search_attributes_of_values(attributes: Option<SearchAttributes>) -> Option<SearchAttributes> {
    let mut attributes = attributes?;
    attributes.indexed_fields.retain(|_, value| !is_nil(value));
    (!attributes.indexed_fields.is_empty()).then_some(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(data: &str) -> Payload {
        Payload {
            data: data.as_bytes().to_vec(),
            ..Default::default()
        }
    }

    #[test]
    fn fields_without_a_value_are_gone_and_so_is_a_memo_of_them() {
        let memo = |fields: &[(&str, &str)]| {
            Some(Memo {
                fields: fields
                    .iter()
                    .map(|(name, data)| ((*name).to_owned(), payload(data)))
                    .collect(),
            })
        };
        assert_eq!(memo_of_values(None), None);
        assert_eq!(memo_of_values(memo(&[])), None);
        assert_eq!(memo_of_values(memo(&[("a", "null"), ("b", "[]"), ("c", "")])), None);
        assert_eq!(memo_of_values(memo(&[("a", "null"), ("b", "1")])), memo(&[("b", "1")]));
    }

    #[test]
    fn an_upsert_without_a_value_takes_the_field_away() {
        let mut fields = HashMap::from([("a".to_owned(), payload("1")), ("b".to_owned(), payload("2"))]);
        upsert(
            &mut fields,
            &HashMap::from([("a".to_owned(), payload("null")), ("c".to_owned(), payload("3"))]),
        );
        assert_eq!(
            fields,
            HashMap::from([("b".to_owned(), payload("2")), ("c".to_owned(), payload("3"))])
        );
    }
}
