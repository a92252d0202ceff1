//! The dashboard's form, derived from the response type's JSON schema.

use serde_json::{Map, Value, json};

/// The version of the form format (awaithumans 0.1.12, `forms/definition.py`).
const VERSION: u32 = 1;
/// How many `$ref`s in a row are followed; a schema may name itself.
const REFERENCES_FOLLOWED: u32 = 16;

/// One form field for each property, by the same rules as Python's `forms/infer.py`. `None` if
/// the schema is no object with properties.
pub(super) fn derive(schema: &Value) -> Option<Value> {
    let properties = schema.get("properties")?.as_object()?;
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let fields: Vec<Value> = properties
        .iter()
        .map(|(name, property)| {
            let (kind, mut field) = field_of(schema, resolve(schema, property));
            field.insert("name".to_owned(), json!(name));
            field.insert("kind".to_owned(), json!(kind));
            field.insert("label".to_owned(), json!(humanize(name)));
            field.insert("hint".to_owned(), Value::Null);
            field.insert("required".to_owned(), json!(required.contains(&name.as_str())));
            Value::Object(field)
        })
        .collect();
    Some(json!({"version": VERSION, "fields": fields}))
}

/// The field's kind and what that kind has beside the common part.
fn field_of(root: &Value, schema: &Value) -> (&'static str, Map<String, Value>) {
    let format = schema.get("format").and_then(Value::as_str);
    if let Some(options) = options_of(schema) {
        return ("single_select", fields(json!({"options": options, "default": null})));
    }
    match (type_of(schema), format) {
        (Some("boolean"), _) => (
            "switch",
            fields(json!({"true_label": "Yes", "false_label": "No", "default": null})),
        ),
        (Some("string"), Some("date")) => (
            "date",
            fields(json!({"min_date": null, "max_date": null, "default": null})),
        ),
        (Some("string"), Some("date-time" | "partial-date-time")) => (
            "datetime",
            fields(json!({
                "min_datetime": null, "max_datetime": null, "timezone": null, "default": null,
            })),
        ),
        (Some("string"), Some("time" | "partial-time")) => (
            "time",
            fields(json!({"min_time": null, "max_time": null, "step_minutes": 15, "default": null})),
        ),
        (Some("string"), _) => ("short_text", short_text("plain")),
        (Some("integer" | "number"), _) => ("short_text", short_text("number")),
        (Some("array"), _) => match schema.get("items").and_then(|items| options_of(resolve(root, items))) {
            Some(options) => (
                "multi_select",
                fields(json!({
                    "options": options, "default": [], "min_count": null, "max_count": null,
                })),
            ),
            None => long_text(),
        },
        _ => long_text(),
    }
}

fn short_text(subtype: &str) -> Map<String, Value> {
    fields(json!({
        "subtype": subtype, "placeholder": null, "min_length": null, "max_length": null,
        "pattern": null, "currency_code": null,
    }))
}

fn long_text() -> (&'static str, Map<String, Value>) {
    let fields = fields(json!({
        "placeholder": null, "min_length": null, "max_length": null, "rows": null,
    }));
    ("long_text", fields)
}

fn fields(json: Value) -> Map<String, Value> {
    match json {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Follows `$ref` into `$defs`, and looks through "this or null".
fn resolve<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    for _ in 0..REFERENCES_FOLLOWED {
        let alternatives = schema.get("anyOf").and_then(Value::as_array);
        let only = alternatives.and_then(|alternatives| {
            let mut real = alternatives.iter().filter(|one| type_of(one) != Some("null"));
            real.next().filter(|_| real.next().is_none())
        });
        let reference = schema.get("$ref").and_then(Value::as_str);
        let target = reference
            .and_then(|reference| reference.strip_prefix('#'))
            .and_then(|pointer| root.pointer(pointer));
        match only.or(target) {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

/// The schema's type; the other one of a pair with `null`.
fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => {
            let mut real = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            real.next().filter(|_| real.next().is_none())
        }
        _ => None,
    }
}

/// The choices of an enum whose members are texts: `enum`, or `oneOf` with a `const` each, which
/// schemars writes where the variants have docs.
fn options_of(schema: &Value) -> Option<Vec<Value>> {
    let members: Vec<&Value> = match (schema.get("enum"), schema.get("oneOf")) {
        (Some(Value::Array(members)), _) => members.iter().filter(|one| !one.is_null()).collect(),
        (None, Some(Value::Array(members))) => members.iter().map(|one| one.get("const")).collect::<Option<_>>()?,
        _ => return None,
    };
    members
        .into_iter()
        .map(|member| {
            let value = member.as_str()?;
            Some(json!({"value": value, "label": humanize(value), "hint": null}))
        })
        .collect()
}

/// `amount_usd` → `Amount Usd`.
fn humanize(name: &str) -> String {
    let words = name.replace(['_', '-'], " ");
    let mut out = String::with_capacity(words.len());
    let mut starts = true;
    for character in words.trim().chars() {
        if starts {
            out.extend(character.to_uppercase());
        } else {
            out.extend(character.to_lowercase());
        }
        starts = !character.is_alphabetic();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(schemars::JsonSchema)]
    #[allow(dead_code)]
    enum Verdict {
        Approve,
        Reject,
    }

    #[derive(schemars::JsonSchema)]
    #[allow(dead_code)]
    struct Decision {
        approved: bool,
        #[serde(default)]
        notes: String,
        amount: Option<f64>,
        verdict: Verdict,
        second: Option<Verdict>,
        all: Vec<Verdict>,
        other: std::collections::BTreeMap<String, String>,
    }

    fn kind(form: &Value, name: &str) -> String {
        let fields = form["fields"].as_array().expect("fields");
        let field = fields.iter().find(|field| field["name"] == name).expect(name);
        format!("{} {}", field["kind"].as_str().expect("kind"), field["required"])
    }

    #[test]
    fn kinds_by_type() {
        let schema = schemars::schema_for!(Decision).to_value();
        let form = derive(&schema).expect("a form");
        for (name, expected) in [
            ("approved", "switch true"),
            ("notes", "short_text false"),
            ("amount", "short_text false"),
            ("verdict", "single_select true"),
            ("second", "single_select false"),
            ("all", "multi_select true"),
            ("other", "long_text true"),
        ] {
            assert_eq!(kind(&form, name), expected, "{name} in {schema}");
        }
        assert_eq!(derive(&json!({"type": "string"})), None);
    }

    #[test]
    fn the_recorded_form_of_the_python_adapter() {
        // The activity input of golden adapter/history/completed 1.json.
        let form = derive(&json!({
            "properties": {
                "approved": {"title": "Approved", "type": "boolean"},
                "notes": {"default": "", "title": "Notes", "type": "string"},
            },
            "required": ["approved"], "title": "RefundDecision", "type": "object",
        }));
        let recorded = json!({"fields": [
            {"default": null, "false_label": "No", "hint": null, "kind": "switch",
             "label": "Approved", "name": "approved", "required": true, "true_label": "Yes"},
            {"currency_code": null, "hint": null, "kind": "short_text", "label": "Notes",
             "max_length": null, "min_length": null, "name": "notes", "pattern": null,
             "placeholder": null, "required": false, "subtype": "plain"},
        ], "version": 1});
        assert_eq!(form, Some(recorded));
    }

    #[test]
    fn a_schema_that_names_itself_ends() {
        let schema = json!({
            "properties": {"a": {"$ref": "#/$defs/a"}},
            "$defs": {"a": {"$ref": "#/$defs/a"}},
        });
        assert!(derive(&schema).is_some());
    }
}
