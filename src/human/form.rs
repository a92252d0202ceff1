//! A task's form, as far as an e-mail needs it: which single choice can be made by a click.

use awaithumans_temporal::wire::json::Json;

use super::api;

/// The most options that become buttons. Source: `channels/email/renderer.py`.
const MAX_OPTIONS: usize = 4;

/// A button: what it says, and the value that a click on it answers with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) label: String,
    pub(crate) value: Json,
}

/// The one field of a form that a click can answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    pub(crate) field: String,
    pub(crate) choices: Vec<Choice>,
}

impl Question {
    /// The form's question, if its only named field is a switch or a short list. A form that awaithumans can't read has none;
    /// a task may have any, since only what shows a form looks at it. What is optional in a field isn't looked at here.
    pub(crate) fn of_form(form: &Json) -> Option<Self> {
        let is_integer = |value: &Json| api::integer(value).is_ok();
        form.get("version").is_none_or(is_integer).then_some(())?;
        let fields = form.get("fields")?.as_array()?;
        fields.iter().all(is_field).then_some(())?;
        let mut named = fields
            .iter()
            .filter(|field| !text(field, "name").unwrap_or_default().is_empty());
        let (only, None) = (named.next()?, named.next()) else {
            return None;
        };
        let choices = match text(only, "kind")? {
            "switch" => {
                let choice = |label: &str, default: &str, value: bool| Choice {
                    label: text(only, label).unwrap_or(default).to_owned(),
                    value: value.into(),
                };
                vec![choice("true_label", "Yes", true), choice("false_label", "No", false)]
            }
            "single_select" => only
                .get("options")?
                .as_array()?
                .iter()
                .map(choice)
                .collect::<Option<Vec<_>>>()?,
            _ => return None,
        };
        (choices.len() <= MAX_OPTIONS).then_some(())?;
        Some(Self {
            field: text(only, "name")?.to_owned(),
            choices,
        })
    }
}

fn choice(option: &Json) -> Option<Choice> {
    Some(Choice {
        label: text(option, "label")?.to_owned(),
        value: text(option, "value")?.into(),
    })
}

/// Whether something is a field: a kind that there is, with what that kind must have.
fn is_field(field: &Json) -> bool {
    let Some(kind) = text(field, "kind") else {
        return false;
    };
    let optional_text = |key: &str| matches!(field.get(key), None | Some(Json::String(_)));
    let nullable_text = |key: &str| matches!(field.get(key), None | Some(Json::Null | Json::String(_)));
    let all = |key: &str, fits: &dyn Fn(&Json) -> bool| {
        field
            .get(key)
            .and_then(Json::as_array)
            .is_some_and(|values| values.iter().all(fits))
    };
    let option = |value: &Json| text(value, "value").is_some() && text(value, "label").is_some();
    let fields = || field.get("fields").is_none() || all("fields", &is_field);
    let has_its_own = match kind {
        "short_text" | "long_text" | "rich_text" | "slider" | "star_rating" | "opinion_scale" | "date" | "datetime"
        | "date_range" | "time" | "file_upload" | "signature" | "divider" => true,
        "switch" => optional_text("true_label") && optional_text("false_label"),
        "single_select" | "multi_select" | "ranking" => all("options", &option),
        "picture_choice" => all("options", &|value| option(value) && text(value, "image_url").is_some()),
        "display_text" => text(field, "text").is_some(),
        "image" | "video" | "pdf_viewer" => text(field, "url").is_some(),
        "html" => text(field, "html").is_some(),
        "section" => text(field, "title").is_some(),
        "section_collapse" => text(field, "title").is_some() && fields(),
        "table" => all("columns", &|value| {
            text(value, "name").is_some() && text(value, "label").is_some()
        }),
        "subform" => fields(),
        _ => false,
    };
    let required = field.get("required").is_none_or(|value| api::boolean(value).is_ok());
    has_its_own && optional_text("name") && nullable_text("label") && nullable_text("hint") && required
}

fn text<'a>(value: &'a Json, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(fields: &str) -> Option<(String, Vec<String>)> {
        let form = Json::parse(format!(r#"{{"fields":[{fields}]}}"#).as_bytes()).unwrap();
        let question = Question::of_form(&form)?;
        Some((
            question.field,
            question.choices.into_iter().map(|choice| choice.label).collect(),
        ))
    }

    #[test]
    fn a_single_switch_or_short_list_is_a_question() {
        let named = |field: &str, labels: &[&str]| {
            Some((
                field.to_owned(),
                labels.iter().map(|label| (*label).to_owned()).collect(),
            ))
        };
        assert_eq!(labels(r#"{"kind":"switch","name":"ok"}"#), named("ok", &["Yes", "No"]));
        let list = |count: usize| {
            let options: Vec<_> = (0..count)
                .map(|n| format!(r#"{{"value":"v{n}","label":"{n}"}}"#))
                .collect();
            labels(&format!(
                r#"{{"kind":"section","title":"T"}},{{"kind":"single_select","name":"pick","options":[{}]}}"#,
                options.join(",")
            ))
        };
        assert_eq!(list(2), named("pick", &["0", "1"]));
        assert!(list(4).is_some());
        assert_eq!(list(5), None);
    }

    #[test]
    fn other_forms_have_none() {
        for fields in [
            "",
            r#"{"kind":"switch"}"#,
            r#"{"kind":"switch","name":"a"},{"kind":"short_text","name":"b"}"#,
            r#"{"kind":"switch","name":"a"},{"kind":"nope"}"#,
            r#"{"kind":"switch","name":"a"},{"kind":"section"}"#,
            r#"{"kind":"switch","name":"a","true_label":5}"#,
            r#"{"kind":"switch","name":"a","required":"maybe"}"#,
            r#"{"kind":"single_select","name":"a","options":[{"value":"x"}]}"#,
            "5",
        ] {
            assert_eq!(labels(fields), None, "{fields}");
        }
        assert_eq!(Question::of_form(&Json::Null), None);
    }
}
