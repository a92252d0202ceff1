//! What the server has told so far: ids and tokens by the names of their fields, for requests to come.

use std::collections::BTreeMap;

use prost_reflect::{DynamicMessage, ReflectMessage, Value};

use super::dice::Dice;

/// Values kept of each name: the latest ones.
const KEPT: usize = 12;

/// Values by the names of their fields.
#[derive(Default)]
pub(super) struct Harvest {
    texts: BTreeMap<String, Vec<String>>,
    tokens: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Harvest {
    /// Takes all that a message has.
    pub(super) fn take(&mut self, message: &DynamicMessage) {
        // Options of a request that lists echo are no news.
        for (field, value) in message.fields() {
            self.take_value(field.name(), value);
        }
    }

    /// A text that was seen under such a name.
    pub(super) fn text(&self, name: &str, dice: &mut Dice) -> Option<String> {
        pick(self.texts.get(kind_of(name))?, dice)
    }

    /// Bytes that were seen under such a name, sometimes those of another.
    pub(super) fn bytes(&self, name: &str, dice: &mut Dice) -> Option<Vec<u8>> {
        let of_name = self.tokens.get(name);
        let seen = match of_name.filter(|_| !dice.percent(5)) {
            Some(seen) => seen,
            None => {
                let index = dice.below(self.tokens.len().max(1));
                self.tokens.values().nth(index)?
            }
        };
        pick(seen, dice)
    }

    fn take_value(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) if !text.is_empty() && text.len() < 200 => {
                keep(self.texts.entry(kind_of(name).to_owned()).or_default(), text.clone());
            }
            Value::Bytes(bytes) if !bytes.is_empty() && name != "data" => {
                keep(self.tokens.entry(name.to_owned()).or_default(), bytes.to_vec());
            }
            Value::Message(message) if message.descriptor().full_name() != "temporal.api.common.v1.Payload" => {
                self.take(message);
            }
            Value::List(items) => items.iter().for_each(|item| self.take_value(name, item)),
            Value::Map(entries) => {
                for (key, value) in BTreeMap::from_iter(entries) {
                    if let prost_reflect::MapKey::String(key) = key {
                        self.take_value(name, &Value::String(key.clone()));
                    }
                    self.take_value(name, value);
                }
            }
            _ => {}
        }
    }
}

/// Ids that may stand in each other's place.
pub(super) fn kind_of(name: &str) -> &str {
    match name {
        _ if name.ends_with("run_id") => "run_id",
        "protocol_instance_id" => "update_id",
        "endpoint_id" => "id",
        "build_ids" | "add_new_build_id_in_new_default_set" | "promote_build_id_within_set" => "build_id",
        _ if name.ends_with("_build_id") => "build_id",
        _ => name,
    }
}

fn keep<T: PartialEq>(kept: &mut Vec<T>, value: T) {
    kept.retain(|other| *other != value);
    if kept.len() == KEPT {
        kept.remove(0);
    }
    kept.push(value);
}

/// The latest ones are the likeliest.
fn pick<T: Clone>(among: &[T], dice: &mut Dice) -> Option<T> {
    let back = dice.below(among.len().max(1)).min(dice.below(among.len().max(1)));
    among.len().checked_sub(back + 1).map(|index| among[index].clone())
}
