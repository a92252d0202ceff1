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
            let mut headers: Vec<(String, String)> = payload
                .metadata
                .iter()
                .filter(|(name, _)| *name != "encoding")
                .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
                .collect();
            headers.sort();
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
}
