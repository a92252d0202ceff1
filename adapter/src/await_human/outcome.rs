//! From a task's end, however it was learnt, to the answer or the error.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::AwaitHumanError;
use crate::client::{CreateTaskRequest, TaskRecord};

/// How a task ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    status: String,
    response: Value,
    verification_attempt: u64,
}

impl Outcome {
    /// Reads a signal's argument, the webhook body. `None` for what ends no wait: something else
    /// than an object, or no status.
    pub(crate) fn from_webhook(body: &Value) -> Option<Self> {
        let status = match body.as_object()?.get("status")? {
            Value::Null => return None,
            Value::String(status) => status.clone(),
            other => other.to_string(),
        };
        Some(Self {
            status,
            response: body["response"].clone(),
            verification_attempt: body["verification_attempt"].as_u64().unwrap_or_default(),
        })
    }

    /// The answer as JSON.
    pub(crate) fn into_response(self, request: &CreateTaskRequest) -> Result<Value, AwaitHumanError> {
        let task = || request.task.clone();
        match self.status.as_str() {
            "completed" => Ok(self.response),
            "timed_out" => Err(AwaitHumanError::TaskTimeout {
                task: task(),
                timeout_seconds: request.timeout_seconds,
            }),
            "cancelled" => Err(AwaitHumanError::TaskCancelled { task: task() }),
            "verification_exhausted" => Err(AwaitHumanError::VerificationExhausted {
                task: task(),
                attempts: self.verification_attempt,
            }),
            _ => Err(AwaitHumanError::UnknownStatus {
                task: task(),
                status: self.status,
            }),
        }
    }
}

impl From<TaskRecord> for Outcome {
    fn from(record: TaskRecord) -> Self {
        Self {
            status: record.status,
            response: record.response,
            verification_attempt: record.verification_attempt,
        }
    }
}

/// Turns the answer's JSON into the caller's type.
pub(crate) fn decode_response<R: DeserializeOwned>(response: Value) -> Result<R, AwaitHumanError> {
    serde_json::from_value(response).map_err(|error| AwaitHumanError::SchemaValidation {
        field: "response".to_owned(),
        details: error.to_string(),
    })
}

/// The task ends that signals have brought, by idempotency key.
///
/// A task ends once, so the first end of a key stands, for every wait for that key: one that
/// begins later, and two at a time.
#[derive(Debug, Default)]
pub(crate) struct Inbox(BTreeMap<String, Outcome>);

impl Inbox {
    pub(crate) fn deliver(&mut self, idempotency_key: &str, body: &Value) {
        let Some(outcome) = Outcome::from_webhook(body) else {
            tracing::warn!(idempotency_key, "ignored a signal whose argument is no ended task");
            return;
        };
        self.0.entry(idempotency_key.to_owned()).or_insert(outcome);
    }

    pub(crate) fn get(&self, idempotency_key: &str) -> Option<&Outcome> {
        self.0.get(idempotency_key)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request() -> CreateTaskRequest {
        serde_json::from_value(json!({
            "task": "t", "payload": {}, "payload_schema": {}, "response_schema": {},
            "form_definition": null, "timeout_seconds": 60, "idempotency_key": "k",
            "assign_to": null, "notify": null, "verifier_config": null, "callback_url": "",
        }))
        .expect("a request")
    }

    #[test]
    fn every_row_of_the_error_contract() {
        for (body, result) in [
            (
                json!({"status": "completed", "response": {"a": 1}}),
                Ok(json!({"a": 1})),
            ),
            (json!({"status": "completed"}), Ok(Value::Null)),
            (json!({"status": "timed_out"}), Err("TaskTimeoutError")),
            (json!({"status": "cancelled"}), Err("TaskCancelledError")),
            (
                json!({"status": "verification_exhausted"}),
                Err("VerificationExhaustedError"),
            ),
            (json!({"status": "created"}), Err("RuntimeError")),
            (json!({"status": 7}), Err("RuntimeError")),
        ] {
            let outcome = Outcome::from_webhook(&body).expect("an end");
            let response = outcome.into_response(&request());
            assert_eq!(response.map_err(|error| error.error_type()), result, "{body}");
        }
    }

    #[test]
    fn the_number_of_attempts_is_the_webhooks_own() {
        let body = json!({
            "status": "verification_exhausted", "response": null, "verification_attempt": 3,
        });
        let error = Outcome::from_webhook(&body)
            .expect("an end")
            .into_response(&request())
            .expect_err("exhausted");
        assert!(matches!(
            error,
            AwaitHumanError::VerificationExhausted { attempts: 3, .. }
        ));
    }

    #[test]
    fn what_ends_no_wait_is_ignored_and_the_first_end_stands() {
        let mut inbox = Inbox::default();
        for body in [json!(null), json!([]), json!("x"), json!({}), json!({"status": null})] {
            inbox.deliver("k", &body);
            assert_eq!(inbox.get("k"), None, "{body}");
        }
        inbox.deliver("k", &json!({"status": "completed", "response": 1}));
        inbox.deliver("k", &json!({"status": "cancelled"}));
        inbox.deliver("other", &json!({"status": "cancelled"}));
        assert_eq!(inbox.get("k").expect("an end").status, "completed");
    }

    #[test]
    fn an_answer_of_another_shape_names_the_field() {
        #[derive(Debug, serde::Deserialize)]
        struct Decision {
            #[allow(dead_code)]
            approved: bool,
        }
        let error = decode_response::<Decision>(json!({"approved": "no"})).expect_err("no bool");
        let AwaitHumanError::SchemaValidation { field, details } = error else {
            panic!("{error}");
        };
        assert_eq!(field, "response");
        assert!(details.contains("expected a boolean"), "{details}");
    }
}
