//! What a payload becomes on its way through Nexus's own form of content (`common/nexus/payload_serializer.go`).

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
