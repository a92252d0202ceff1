//! What a payload becomes on its way through Nexus's own form of content (`common/nexus/payload_serializer.go`).

use prost::Message as _;
use temporalio_protos::temporal::api::common::v1::Payload;

/// A payload as it arrives at the other side: the absence of one becomes a null.
pub(crate) fn pass(payload: Option<Payload>) -> Payload {
    let Some(payload) = payload else {
        return null();
    };
    match payload.metadata.get("encoding").map(Vec::as_slice) {
        Some(b"json/plain" | b"binary/plain") if payload.metadata.len() == 1 => Payload {
            metadata: payload.metadata,
            data: payload.data,
            ..Default::default()
        },
        Some(b"binary/null") if payload.metadata.len() == 1 && payload.data.is_empty() => null(),
        _ => payload,
    }
}

/// A payload as it goes over HTTP: the content's headers, and its data.
pub(crate) fn serialize(payload: Payload) -> (Vec<(String, String)>, Vec<u8>) {
    let text = |name: &str| {
        let value = payload
            .metadata
            .get(name)
            .map(|value| String::from_utf8_lossy(value).into_owned());
        value.unwrap_or_default()
    };
    let (count, message_type) = (payload.metadata.len(), text("messageType"));
    let content_type = match text("encoding").as_str() {
        "unknown/nexus-content" => {
            let sorted: std::collections::BTreeMap<String, Vec<u8>> = payload.metadata.into_iter().collect();
            let headers = sorted
                .into_iter()
                .filter(|(name, _)| name != "encoding")
                .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
                .collect();
            return (headers, payload.data);
        }
        "json/protobuf" if count == 2 && !message_type.is_empty() => {
            format!("application/json; format=protobuf; message-type={message_type:?}")
        }
        "binary/protobuf" if count == 2 && !message_type.is_empty() => {
            format!("application/x-protobuf; message-type={message_type:?}")
        }
        "json/plain" if count == 1 => "application/json".to_owned(),
        "binary/plain" if count == 1 => "application/octet-stream".to_owned(),
        "binary/null" if count == 1 => return (Vec::new(), payload.data),
        _ => {
            let headers = vec![("type".to_owned(), "application/x-temporal-payload".to_owned())];
            return (headers, payload.encode_to_vec());
        }
    };
    (vec![("type".to_owned(), content_type)], payload.data)
}

fn null() -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), b"binary/null".to_vec())].into(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_becomes_null_and_the_rest_stays() {
        assert_eq!(pass(None), null());
        let text = Payload {
            metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
            data: b"1".to_vec(),
            ..Default::default()
        };
        assert_eq!(pass(Some(text.clone())), text);
        let bare = Payload {
            data: b"yay".to_vec(),
            ..Default::default()
        };
        assert_eq!(pass(Some(bare.clone())), bare);
    }

    #[test]
    fn what_http_has_a_content_type_for_goes_bare() {
        let sent = |metadata: &[(&str, &str)]| {
            let metadata = metadata
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
            let (headers, data) = serialize(Payload {
                metadata: metadata.collect(),
                data: b"1".to_vec(),
                ..Default::default()
            });
            let headers: Vec<String> = headers
                .into_iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            (headers, data == b"1")
        };
        let bare = |header: &str| (vec![header.to_owned()], true);
        assert_eq!(sent(&[("encoding", "json/plain")]), bare("type: application/json"));
        assert_eq!(
            sent(&[("encoding", "binary/plain")]),
            bare("type: application/octet-stream")
        );
        assert_eq!(sent(&[("encoding", "binary/null")]), (vec![], true));
        assert_eq!(
            sent(&[("encoding", "json/protobuf"), ("messageType", "a.B")]),
            bare("type: application/json; format=protobuf; message-type=\"a.B\"")
        );
        assert_eq!(
            sent(&[("encoding", "binary/protobuf"), ("messageType", "a.B")]),
            bare("type: application/x-protobuf; message-type=\"a.B\"")
        );
        assert_eq!(
            sent(&[
                ("encoding", "unknown/nexus-content"),
                ("type", "x/y"),
                ("language", "z")
            ]),
            (vec!["language: z".to_owned(), "type: x/y".to_owned()], true)
        );
        let whole = (vec!["type: application/x-temporal-payload".to_owned()], false);
        assert_eq!(sent(&[]), whole);
        assert_eq!(sent(&[("encoding", "json/plain"), ("mine", "x")]), whole);
        assert_eq!(sent(&[("encoding", "json/protobuf")]), whole);
    }
}
