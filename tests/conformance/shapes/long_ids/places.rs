//! Where texts may stand in a message.

use std::fmt;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value};

/// How deep messages are looked into.
const DEPTH: usize = 5;

/// What carries texts of any length.
const CONTENTS: &[&str] = &[
    "temporal.api.common.v1.Payload",
    "temporal.api.common.v1.Payloads",
    "temporal.api.common.v1.Memo",
    "temporal.api.common.v1.SearchAttributes",
    "temporal.api.failure.v1.Failure",
    // These have rules of their own.
    "temporal.api.common.v1.Link",
    "temporal.api.common.v1.Callback",
    "temporal.api.compute.v1.ComputeConfig",
];

/// A real server asks its file system for time zones; providers of compute aren't served here.
const LEFT_OUT: &[&str] = &["timezone_name", "compute_config_scaling_groups"];

/// A step on the way to a text.
#[derive(Clone, Debug)]
enum Step {
    Field(FieldDescriptor),
    Element(FieldDescriptor, usize),
    Key(FieldDescriptor),
    Value(FieldDescriptor),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => f.write_str(field.name()),
            Self::Element(field, index) => write!(f, "{}[{index}]", field.name()),
            Self::Key(field) => write!(f, "{}{{key}}", field.name()),
            Self::Value(field) => write!(f, "{}{{value}}", field.name()),
        }
    }
}

/// A place where a text may stand.
#[derive(Clone, Debug)]
pub(super) struct Place(Vec<Step>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(Step::to_string).collect();
        f.write_str(&names.join("."))
    }
}

impl Place {
    /// Whether what is there would be another kind of message with a text at this place.
    pub(super) fn excludes(&self, message: &DynamicMessage) -> bool {
        let first = match self.0.first() {
            Some(Step::Field(field) | Step::Element(field, _) | Step::Key(field) | Step::Value(field)) => field,
            None => return false,
        };
        first.containing_oneof().is_some() && !message.has_field(first)
    }

    /// Puts a text there, with the messages around it if they aren't there.
    pub(super) fn put(&self, message: &mut DynamicMessage, text: &str) {
        put(message, &self.0, text);
    }
}

/// All places for texts in a message. Of lists the elements that are there, or else a first one.
pub(super) fn places(message: &DynamicMessage) -> Vec<Place> {
    let mut found = Vec::new();
    collect(&message.descriptor(), Some(message), &mut Vec::new(), &mut found);
    found
}

fn collect(
    descriptor: &MessageDescriptor,
    there: Option<&DynamicMessage>,
    way: &mut Vec<Step>,
    found: &mut Vec<Place>,
) {
    let is_contents = CONTENTS.contains(&descriptor.full_name()) || descriptor.package_name() == "google.protobuf";
    if is_contents || way.len() == DEPTH {
        return;
    }
    for field in descriptor.fields().filter(|field| !LEFT_OUT.contains(&field.name())) {
        if field.is_map() {
            found.push(end(way, Step::Key(field.clone())));
            let holds_texts = matches!(field.kind(), Kind::Message(entry)
                if entry.map_entry_value_field().kind() == Kind::String);
            if holds_texts {
                found.push(end(way, Step::Value(field.clone())));
            }
            continue;
        }
        let value = there.map(|message| message.get_field(&field));
        let elements: Vec<Option<&Value>> = match value.as_deref() {
            Some(Value::List(list)) if !list.is_empty() => list.iter().map(Some).collect(),
            Some(Value::List(_)) | None => vec![None],
            Some(_) if there.is_some_and(|message| !message.has_field(&field)) => vec![None],
            Some(value) => vec![Some(value)],
        };
        for (index, element) in elements.into_iter().enumerate() {
            let step = match field.is_list() {
                true => Step::Element(field.clone(), index),
                false => Step::Field(field.clone()),
            };
            match field.kind() {
                Kind::String => found.push(end(way, step)),
                Kind::Message(inner) => {
                    way.push(step);
                    collect(&inner, element.and_then(Value::as_message), way, found);
                    way.pop();
                }
                _ => {}
            }
        }
    }
}

fn end(way: &[Step], step: Step) -> Place {
    Place(way.iter().cloned().chain([step]).collect())
}

fn put(message: &mut DynamicMessage, way: &[Step], text: &str) {
    let Some((step, rest)) = way.split_first() else {
        return;
    };
    match step {
        Step::Field(field) => put_into(message.get_field_mut(field), rest, text),
        Step::Element(field, index) => {
            if let Value::List(list) = message.get_field_mut(field) {
                if list.len() <= *index {
                    list.push(Value::default_value(&field.kind()));
                }
                put_into(&mut list[*index], rest, text);
            }
        }
        Step::Key(field) | Step::Value(field) => {
            let Kind::Message(entry) = field.kind() else {
                return;
            };
            let (key, value) = match step {
                Step::Value(_) => ("key", Value::String(text.to_owned())),
                _ => (text, Value::default_value(&entry.map_entry_value_field().kind())),
            };
            let entry = (MapKey::String(key.to_owned()), value);
            message.set_field(field, Value::Map([entry].into()));
        }
    }
}

fn put_into(value: &mut Value, rest: &[Step], text: &str) {
    match value {
        Value::Message(inner) => put(inner, rest, text),
        value => *value = Value::String(text.to_owned()),
    }
}
