use awaithumans_temporal::wire::json::Json;

use super::{DEFAULT_MAX_ATTEMPTS, MAX_MAX_ATTEMPTS};
use crate::human::api::{in_range, integer};
use crate::human::python;
use crate::human::reject::Reject;

/// A task's `verifier_config`, read when an answer comes: awaithumans stores it unread.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(super) provider: String,
    pub(super) model: Option<String>,
    pub(crate) max_attempts: i64,
    pub(super) api_key_env: Option<String>,
    pub(super) metadata: Json,
}

impl Config {
    /// Reads what the verifier needs. The refusals are pydantic's, one for each field in order.
    pub(crate) fn parse(stored: &Json) -> Result<Self, Reject> {
        let mut problems = Vec::new();
        let provider = required_string(stored, "provider", &mut problems);
        let model = optional_string(stored, "model", &mut problems);
        required_string(stored, "instructions", &mut problems);
        let max_attempts = max_attempts(stored, &mut problems);
        let api_key_env = optional_string(stored, "api_key_env", &mut problems);
        let metadata = stored.get("metadata").cloned().unwrap_or_default();
        if !matches!(metadata, Json::Null | Json::Object(_)) {
            problems.push(problem(
                "metadata",
                "Input should be a valid dictionary",
                "dict_type",
                &metadata,
            ));
        }
        if problems.is_empty() {
            return Ok(Self {
                provider,
                model,
                max_attempts,
                api_key_env,
                metadata,
            });
        }
        let plural = if problems.len() == 1 { "" } else { "s" };
        let head = format!("{} validation error{plural} for VerifierConfig\n", problems.len());
        Err(Reject::VerifierConfigInvalid {
            detail: head + &problems.join("\n"),
        })
    }
}

fn required_string(stored: &Json, field: &str, problems: &mut Vec<String>) -> String {
    match stored.get(field) {
        Some(Json::String(text)) => return text.to_string_lossy().into_owned(),
        Some(other) => problems.push(not_a_string(field, other)),
        None => problems.push(problem(field, "Field required", "missing", stored)),
    }
    String::new()
}

fn optional_string(stored: &Json, field: &str, problems: &mut Vec<String>) -> Option<String> {
    match stored.get(field)? {
        Json::Null => {}
        Json::String(text) => return Some(text.to_string_lossy().into_owned()),
        other => problems.push(not_a_string(field, other)),
    }
    None
}

fn max_attempts(stored: &Json, problems: &mut Vec<String>) -> i64 {
    const FIELD: &str = "max_attempts";
    let Some(value) = stored.get(FIELD) else {
        return DEFAULT_MAX_ATTEMPTS;
    };
    integer(value)
        .and_then(|attempts| in_range(attempts, 1, Some(MAX_MAX_ATTEMPTS)))
        .unwrap_or_else(|refusal| {
            problems.push(problem(FIELD, &refusal.message, refusal.kind, value));
            0
        })
}

fn not_a_string(field: &str, input: &Json) -> String {
    problem(field, "Input should be a valid string", "string_type", input)
}

fn problem(field: &str, message: &str, kind: &str, input: &Json) -> String {
    let input_type = match input {
        Json::Null => "NoneType",
        Json::Bool(_) => "bool",
        Json::Int(_) => "int",
        Json::Float(_) => "float",
        Json::String(_) => "str",
        Json::Array(_) => "list",
        Json::Object(_) => "dict",
    };
    format!(
        "{field}\n  {message} [type={kind}, input_value={}, input_type={input_type}]\n    For further information visit \
         https://errors.pydantic.dev/2.14/v/{kind}",
        shown(&python::repr(input))
    )
}

/// pydantic shows 50 bytes of a value: its start and its end.
fn shown(text: &str) -> String {
    if text.len() <= 50 {
        return text.to_owned();
    }
    let start = text.floor_char_boundary(25);
    let end = text.ceil_char_boundary(text.len() - 24);
    format!("{}...{}", &text[..start], &text[end..])
}
