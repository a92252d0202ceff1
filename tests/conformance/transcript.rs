//! What a body did and got, as JSON in which nothing is left that differs from run to run.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::{Map, Value, json};

use super::arm::Refusal;

/// Fields that say how a server stores things, or how long something took on a real clock, not what happened.
const STORAGE: [&str; 16] = [
    "currentRetryInterval",
    "executionDuration",
    "stateSizeBytes",
    "backlogCountHint",
    "taskId",
    "version",
    "historySizeBytes",
    "stateTransitionCount",
    "clock",
    "persistenceStore",
    "pollerScalingDecision",
    "externalPayloadSizeBytes",
    "externalPayloadCount",
    "approximateBacklogAge",
    "tasksAddRate",
    "tasksDispatchRate",
];

/// Fields whose bytes only their server can read.
const OPAQUE: [&str; 6] = [
    "taskToken",
    "nextPageToken",
    "conflictToken",
    "longPollToken",
    "token",
    "temporal-callback-token",
];

/// Replaces ids by their order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: BTreeMap<String, usize>,
    /// What this run's names end in, to be cut off.
    unique: String,
}

impl Names {
    pub(crate) fn new(unique: String) -> Self {
        Self {
            unique,
            ..Self::default()
        }
    }

    /// What names of this run end in.
    pub(crate) fn unique(&self) -> &str {
        &self.unique
    }

    /// A message as JSON, without what differs from run to run.
    pub(crate) fn message(&mut self, type_name: &str, bytes: &[u8]) -> Value {
        let Some(descriptor) = pool().get_message_by_name(type_name) else {
            panic!("{type_name} isn't in the descriptors");
        };
        let message = DynamicMessage::decode(descriptor, bytes).expect("the server sends what it should");
        let options = SerializeOptions::new();
        let mut json = message
            .serialize_with_options(serde_json::value::Serializer, &options)
            .unwrap_or_else(|error| json!({"unreadable": error.to_string()}));
        self.clean(&mut json);
        json
    }

    /// A refusal as JSON.
    pub(crate) fn refusal(&mut self, refusal: &Refusal) -> Value {
        let mut json = json!({
            "code": format!("{:?}", refusal.code),
            "message": refusal.message,
        });
        if let Ok(status) =
            <temporalio_common::protos::google::rpc::Status as prost::Message>::decode(&*refusal.details)
        {
            let details: Vec<&str> = status.details.iter().map(|any| any.type_url.as_str()).collect();
            if !details.is_empty() {
                json["details"] = json!(details);
            }
        }
        self.clean(&mut json);
        json
    }

    fn clean(&mut self, json: &mut Value) {
        match json {
            Value::Object(fields) => self.clean_fields(fields),
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.clean(element)),
            Value::String(text) => *text = self.clean_text(text),
            _ => {}
        }
    }

    fn clean_fields(&mut self, fields: &mut Map<String, Value>) {
        fields.retain(|name, _| !STORAGE.contains(&name.as_str()));
        // The keys of a map may be ids too.
        *fields = std::mem::take(fields)
            .into_iter()
            .map(|(name, value)| (self.clean_text(&name), value))
            .collect();
        for (name, value) in fields {
            if name == "pendingActivities" {
                in_order_of_ids(value);
            }
            match value {
                Value::String(text) if OPAQUE.contains(&name.as_str()) => "<opaque>".clone_into(text),
                Value::String(text) if name == "ownerHostName" => "<server>".clone_into(text),
                // A worker of the server's own has the process and the host in its identity.
                Value::String(text) if name == "identity" && text.ends_with('@') => "<server>".clone_into(text),
                Value::String(text) if name == "data" => *text = self.clean_text(&readable(text)),
                value => self.clean(value),
            }
        }
    }

    fn clean_text(&mut self, text: &str) -> String {
        if is_time(text) {
            return "<time>".to_owned();
        }
        let mut cleaned = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let Some(id) = rest.get(..36).filter(|it| is_uuid(it)) {
                let count = self.ids.len() + 1;
                let number = *self.ids.entry(id.to_owned()).or_insert(count);
                cleaned += &format!("<id {number}>");
                rest = &rest[36..];
            } else {
                cleaned.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        // Endpoints and deployments may not have a tilde in their names.
        cleaned
            .replace(&self.unique, "")
            .replace(&self.unique.replace('~', "-"), "")
    }
}

/// The real server walks over a map of Go, which has no order.
fn in_order_of_ids(activities: &mut Value) {
    if let Value::Array(activities) = activities {
        activities.sort_by_key(|activity| activity["activityId"].to_string());
    }
}

/// A payload's bytes as text, if they are text.
fn readable(base64: &str) -> String {
    let bytes = STANDARD.decode(base64).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_else(|_| base64.to_owned())
}

/// Temporal's messages.
pub(crate) fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| {
        DescriptorPool::decode(include_bytes!(env!("TEMPORAL_DESCRIPTOR_PATH")).as_slice())
            .expect("temporalio-protos wrote the descriptor set")
    })
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// `2026-11-23T12:00:00Z`, with or without fractions.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20
        && bytes.ends_with(b"Z")
        && bytes[..19].iter().enumerate().all(|(index, byte)| match index {
            4 | 7 => *byte == b'-',
            10 => *byte == b'T',
            13 | 16 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
}
