//! Histories as JSON, for snapshots and for people. Feature `insta`.
//!
//! Names are those of Temporal's own tools (`temporal workflow show --output json`): `eventType: EVENT_TYPE_…`, 64-bit
//! integers as strings, timestamps in RFC 3339, fields that hold their default left out. Keys are sorted.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use awaithumans_testkit::history_json;
//! use temporalio_protos::temporal::api::history::v1::History;
//!
//! assert_eq!(history_json::readable(&History::default()), serde_json::json!({}));
//! # }
//! ```

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, SerializeOptions};
use serde_json::{Map, Value};
use temporalio_protos::temporal::api::history::v1::History;

const HISTORY: &str = "temporal.api.history.v1.History";
const PAYLOAD: &str = "temporal.api.common.v1.Payload";

/// The history in Temporal's proto-JSON, as `temporal workflow show` prints it and as every SDK's replayer reads it.
pub fn exact(history: &History) -> Value {
    let options = SerializeOptions::new();
    DynamicMessage::decode(descriptor(), history.encode_to_vec().as_slice())
        .expect("the descriptors are those that History was generated from")
        .serialize_with_options(serde_json::value::Serializer, &options)
        .expect("a history holds no Any, and nothing else fails to be JSON")
}

/// As [`exact`], with payloads decoded: each one becomes an object whose first key is its encoding.
///
/// - JSON (`json/plain`, `json/protobuf`): `{"json/plain": {"approved": true}}`. Numbers beyond 64 bits lose digits here.
/// - `binary/null`: `{"binary/null": null}`.
/// - anything else, and what only claims to be JSON: its base64 text, as in [`exact`].
///
/// Other metadata of a payload, such as `messageType`, stand beside it.
pub fn readable(history: &History) -> Value {
    let mut json = exact(history);
    decode_payloads(&descriptor(), &mut json);
    json
}

/// The descriptor of Temporal's `History`.
pub(crate) fn descriptor() -> MessageDescriptor {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| {
        DescriptorPool::decode(include_bytes!(env!("TEMPORAL_DESCRIPTOR_PATH")).as_slice())
            .expect("temporalio-protos wrote the descriptor set")
    })
    .get_message_by_name(HISTORY)
    .expect("temporalio-protos has the history's message")
}

/// Walks JSON and descriptor side by side, so that only what is a payload by its type is taken for one.
fn decode_payloads(message: &MessageDescriptor, json: &mut Value) {
    let Value::Object(fields) = json else { return };
    if message.full_name() == PAYLOAD {
        *json = Value::Object(decode_payload(fields));
        return;
    }
    for (name, value) in fields {
        if let Some(field) = message.get_field_by_json_name(name) {
            decode_in_field(&field, value);
        }
    }
}

fn decode_in_field(field: &FieldDescriptor, json: &mut Value) {
    let Kind::Message(message) = field.kind() else { return };
    match json {
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|element| decode_payloads(&message, element)),
        Value::Object(entries) if field.is_map() => {
            let value = message.map_entry_value_field();
            entries.values_mut().for_each(|entry| decode_in_field(&value, entry));
        }
        _ => decode_payloads(&message, json),
    }
}

fn decode_payload(payload: &Map<String, Value>) -> Map<String, Value> {
    let metadata = |name: &str| payload.get("metadata")?.get(name)?.as_str();
    let text = |base64: &str| String::from_utf8(STANDARD.decode(base64).ok()?).ok();
    let encoding = metadata("encoding").and_then(text).unwrap_or_default();
    let data = payload.get("data").and_then(Value::as_str).unwrap_or_default();
    let decoded = match encoding.as_str() {
        "binary/null" => Some(Value::Null),
        json if json.starts_with("json/") => text(data).and_then(|data| serde_json::from_str(&data).ok()),
        _ => None,
    };
    let mut out = Map::new();
    let names = payload.get("metadata").and_then(Value::as_object).into_iter().flatten();
    for (name, value) in names.filter(|(name, _)| *name != "encoding") {
        let spelled = value
            .as_str()
            .and_then(text)
            .map_or_else(|| value.clone(), Value::String);
        out.insert(name.clone(), spelled);
    }
    out.insert(encoding, decoded.unwrap_or_else(|| data.into()));
    out
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use serde_json::json;
    use temporalio_protos::temporal::api::common::v1::{Header, Payload, Payloads};
    use temporalio_protos::temporal::api::enums::v1::EventType;
    use temporalio_protos::temporal::api::history::v1::{
        HistoryEvent, WorkflowExecutionSignaledEventAttributes, history_event::Attributes,
    };

    use super::*;

    fn payload(encoding: &str, data: &[u8]) -> Payload {
        Payload {
            metadata: [("encoding".to_owned(), encoding.as_bytes().to_vec())].into(),
            data: data.to_vec(),
            ..Default::default()
        }
    }

    fn signaled(payloads: Vec<Payload>, header: Payload) -> History {
        let attributes = WorkflowExecutionSignaledEventAttributes {
            signal_name: "awaithumans:k".to_owned(),
            input: Some(Payloads { payloads }),
            header: Some(Header {
                fields: [("trace".to_owned(), header)].into(),
            }),
            ..Default::default()
        };
        History {
            events: vec![HistoryEvent {
                event_id: 9_007_199_254_740_993,
                event_time: Some(Timestamp {
                    seconds: 1_767_225_600,
                    nanos: 500_000_000,
                }),
                event_type: EventType::WorkflowExecutionSignaled.into(),
                attributes: Some(Attributes::WorkflowExecutionSignaledEventAttributes(attributes)),
                ..Default::default()
            }],
        }
    }

    #[test]
    fn exact_is_temporals_own_spelling() {
        let history = signaled(vec![payload("json/plain", b"1")], payload("binary/null", b""));
        let expected = json!({"events": [{
            "eventId": "9007199254740993",
            "eventTime": "2026-01-01T00:00:00.500Z",
            "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED",
            "workflowExecutionSignaledEventAttributes": {
                "signalName": "awaithumans:k",
                "input": {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "MQ=="}]},
                "header": {"fields": {"trace": {"metadata": {"encoding": "YmluYXJ5L251bGw="}}}},
            },
        }]});
        assert_eq!(exact(&history), expected);
    }

    #[test]
    fn payloads_are_decoded_wherever_they_are() {
        let with_type = Payload {
            metadata: [
                ("encoding".to_owned(), b"json/protobuf".to_vec()),
                ("messageType".to_owned(), b"a.B".to_vec()),
            ]
            .into(),
            data: b"{}".to_vec(),
            ..Default::default()
        };
        let payloads = vec![
            payload("json/plain", br#"{"metadata":{"encoding":"x"},"data":"y"}"#),
            payload("json/plain", b"not JSON"),
            payload("binary/plain", b"\x00\xff"),
            with_type,
        ];
        let json = readable(&signaled(payloads, payload("binary/null", b"")));
        let attributes = &json["events"][0]["workflowExecutionSignaledEventAttributes"];
        assert_eq!(
            attributes["input"]["payloads"],
            json!([
                {"json/plain": {"metadata": {"encoding": "x"}, "data": "y"}},
                {"json/plain": "bm90IEpTT04="},
                {"binary/plain": "AP8="},
                {"json/protobuf": {}, "messageType": "a.B"},
            ])
        );
        assert_eq!(
            attributes["header"],
            json!({"fields": {"trace": {"binary/null": null}}})
        );
    }

    /// The adapter's recordings were made from proto-JSON of the real server.
    #[test]
    fn a_recorded_history_is_readable() {
        let recorded = include_bytes!("../adapter/fixtures/history/completed_0.binpb");
        let json = readable(&History::decode(recorded.as_slice()).unwrap());
        let started = &json["events"][0];
        assert_eq!(started["eventType"], "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED");
        let attributes = &started["workflowExecutionStartedEventAttributes"];
        assert_eq!(attributes["workflowTaskTimeout"], "10s");
        assert_eq!(attributes["input"]["payloads"][0]["json/plain"]["timeout_seconds"], 900);
    }
}
