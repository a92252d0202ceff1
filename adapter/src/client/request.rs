//! What goes to `POST /api/tasks`, and what the adapter reads of the task that comes back.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ClientError;

/// The body of `POST /api/tasks`, with the fields and their order as the Python adapter sends
/// them (awaithumans 0.1.12, `adapters/temporal`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreateTaskRequest {
    /// What the person is asked.
    pub task: String,
    /// The data shown to the person.
    pub payload: Value,
    /// JSON schema of `payload`.
    pub payload_schema: Value,
    /// JSON schema of the answer.
    pub response_schema: Value,
    /// The form that the dashboard shows, or `null`.
    pub form_definition: Option<Value>,
    /// How long the person has; 60 to 2,592,000 seconds.
    pub timeout_seconds: u64,
    /// Same key, same task.
    pub idempotency_key: String,
    /// Who is asked: an object such as `{"email": "…"}`, or `null`.
    pub assign_to: Option<Value>,
    /// Notification channels such as `slack:#ops`, or `null`.
    pub notify: Option<Vec<String>>,
    /// The verifier's configuration, or `null`.
    pub verifier_config: Option<Value>,
    /// Hides the payload in the audit log.
    #[serde(default)]
    pub redact_payload: bool,
    /// Where the server posts the signed webhook when the task has ended.
    pub callback_url: String,
}

/// What a workflow needs to know of a task. Fields of the server's answer that aren't here are
/// ignored.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRecord {
    /// The server's id, 32 hex digits.
    pub id: String,
    /// The key it was created with.
    pub idempotency_key: String,
    /// The question as it was first asked.
    pub task: String,
    /// One of the eleven statuses, `created` to `verification_exhausted`.
    pub status: String,
    /// The person's answer; `null` until `completed`.
    pub response: Value,
    /// ISO 8601, UTC.
    pub completed_at: Option<String>,
    /// ISO 8601, UTC.
    pub timed_out_at: Option<String>,
    /// How often an answer went to the verifier.
    pub verification_attempt: u64,
}

impl TaskRecord {
    /// Reads a task out of the server's JSON. Fields that are missing or of another type are
    /// empty, as for the Python adapter, which only looks at some of them.
    ///
    /// # Errors
    /// [`ClientError::Answer`] if `json` is not an object.
    pub fn from_json(json: Value) -> Result<Self, ClientError> {
        let mut fields: Map<String, Value> =
            serde_json::from_value(json).map_err(|error| ClientError::Answer(error.to_string()))?;
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        Ok(Self {
            id: text("id").unwrap_or_default(),
            idempotency_key: text("idempotency_key").unwrap_or_default(),
            task: text("task").unwrap_or_default(),
            status: text("status").unwrap_or_default(),
            completed_at: text("completed_at"),
            timed_out_at: text("timed_out_at"),
            response: fields.remove("response").unwrap_or_default(),
            verification_attempt: fields
                .get("verification_attempt")
                .and_then(Value::as_u64)
                .unwrap_or_default(),
        })
    }

    /// True for `completed`, `timed_out`, `cancelled` and `verification_exhausted`: no webhook
    /// will come any more.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self.status.as_str(),
            "completed" | "timed_out" | "cancelled" | "verification_exhausted"
        )
    }
}
