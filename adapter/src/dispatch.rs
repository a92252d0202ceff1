//! The receiver's half: from a webhook request to a signal.

use temporalio_client::{Client, UntypedSignal, WorkflowSignalOptions, errors::WorkflowInteractionError};
use temporalio_common::{UntypedWorkflow, data_converters::RawValue, protos::temporal::api::common::v1::Payload};

use crate::wire::{
    json::{Json, JsonError},
    key::WebhookKey,
    signature::SignatureError,
};

/// What stands before the idempotency key in the name of the signal, in every language.
pub const SIGNAL_PREFIX: &str = "awaithumans:";

/// The name of the signal that ends the wait for `idempotency_key`.
pub fn signal_name(idempotency_key: &str) -> String {
    format!("{SIGNAL_PREFIX}{idempotency_key}")
}

/// Verifies a webhook and signals the workflow that waits for it.
///
/// Call it from the HTTP route behind `callback_url`:
/// - `workflow_id`: what that route's own `wf` query parameter says;
/// - `body`: the raw bytes of the request;
/// - `signature_header`: the value of [`SIGNATURE_HEADER`](crate::SIGNATURE_HEADER), if it is there.
///
/// Answer 200 on success and [`DispatchError::http_status`] otherwise.
///
/// ```no_run
/// # use awaithumans_temporal::{WebhookKey, dispatch_signal, SIGNATURE_HEADER};
/// # use temporalio_client::Client;
/// async fn callback(client: &Client, key: &WebhookKey, request: http::Request<Vec<u8>>) -> u16 {
///     let query = request.uri().query().unwrap_or_default();
///     let workflow_id = query.strip_prefix("wf=").unwrap_or_default(); // decode it properly
///     let signature = request.headers().get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
///     match dispatch_signal(client, key, workflow_id, request.body(), signature).await {
///         Ok(_) => 200,
///         Err(error) => error.http_status(),
///     }
/// }
/// ```
///
/// # Errors
/// [`DispatchError`]; a bad signature is told before anything is read of the body.
pub async fn dispatch_signal(
    client: &Client,
    key: &WebhookKey,
    workflow_id: &str,
    body: &[u8],
    signature_header: Option<&str>,
) -> Result<Dispatched, DispatchError> {
    let webhook = VerifiedWebhook::parse(key, body, signature_header)?;
    webhook.signal(client, workflow_id).await
}

/// A webhook whose signature is right and whose body can be a signal: the first half of
/// [`dispatch_signal`], for receivers that look the workflow up by something else.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedWebhook {
    idempotency_key: String,
    task_id: Option<String>,
    status: Option<String>,
    json: String,
}

impl VerifiedWebhook {
    /// Verifies the signature, then reads the body.
    ///
    /// # Errors
    /// [`DispatchError::Signature`] or [`DispatchError::Body`].
    pub fn parse(key: &WebhookKey, body: &[u8], signature_header: Option<&str>) -> Result<Self, DispatchError> {
        key.verify(body, signature_header)?;
        let json = Json::parse(body).map_err(BodyError::NotJson)?;
        if !json.is_object() {
            return Err(BodyError::NotAnObject.into());
        }
        let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
        Ok(Self {
            idempotency_key: text("idempotency_key").ok_or(BodyError::NoIdempotencyKey)?,
            task_id: text("task_id"),
            status: text("status"),
            json: json.to_compact(),
        })
    }

    /// The key of the task, which names the signal.
    pub fn idempotency_key(&self) -> &str {
        &self.idempotency_key
    }

    /// The server's id of the task, if the body has one.
    pub fn task_id(&self) -> Option<&str> {
        self.task_id.as_deref()
    }

    /// The status that the task ended in, if the body has one.
    pub fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    /// The signal's only argument: the whole body as one `json/plain` payload, in the compact ASCII
    /// form that Python's adapter sends (its converter sorts the keys, too).
    pub fn payload(&self) -> Payload {
        Payload {
            metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
            data: self.json.clone().into_bytes(),
            ..Payload::default()
        }
    }

    /// Sends the signal `awaithumans:{idempotency_key}` to the newest run of `workflow_id`.
    ///
    /// A webhook that the server delivers again is one request to Temporal, which then keeps one
    /// signal in the history: the request id is made of the task's id and status.
    ///
    /// # Errors
    /// [`DispatchError::Signal`].
    pub async fn signal(self, client: &Client, workflow_id: &str) -> Result<Dispatched, DispatchError> {
        let signal_name = signal_name(&self.idempotency_key);
        let argument = RawValue::new(vec![self.payload()]);
        let mut options = WorkflowSignalOptions::default();
        options.request_id = self.request_id();
        client
            .get_workflow_handle::<UntypedWorkflow>(workflow_id)
            .signal(UntypedSignal::new(signal_name.clone()), argument, options)
            .await
            .map_err(|source| DispatchError::Signal {
                workflow_id: workflow_id.to_owned(),
                signal_name: signal_name.clone(),
                source: Box::new(source),
            })?;
        tracing::info!(
            workflow_id,
            signal_name,
            task_id = self.task_id,
            status = self.status,
            "signalled the workflow"
        );
        Ok(Dispatched {
            signal_name,
            task_id: self.task_id,
            status: self.status,
        })
    }
}

impl VerifiedWebhook {
    fn request_id(&self) -> Option<String> {
        let task_id = self.task_id.as_deref().filter(|id| !id.is_empty())?;
        let status = self.status.as_deref().unwrap_or_default();
        Some(format!("{SIGNAL_PREFIX}{task_id}:{status}"))
    }
}

/// A signal that Temporal has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dispatched {
    /// `awaithumans:{idempotency_key}`.
    pub signal_name: String,
    /// The server's id of the task, if the body has one.
    pub task_id: Option<String>,
    /// The status that the task ended in, if the body has one.
    pub status: Option<String>,
}

/// Why a webhook woke nobody.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DispatchError {
    /// The request does not come from the awaithumans server, or the keys differ. A security
    /// event; the body was not looked at.
    #[error("Invalid awaithumans webhook signature: {0}.")]
    Signature(#[from] SignatureError),
    /// The signature is right, but the body is no webhook.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Temporal refused the signal: no such workflow, already completed, not reachable.
    #[error("workflow {workflow_id:?} did not take the signal {signal_name:?}: {}", describe(.source))]
    Signal {
        /// The workflow that was signalled.
        workflow_id: String,
        /// `awaithumans:{idempotency_key}`.
        signal_name: String,
        /// What the client said.
        source: Box<WorkflowInteractionError>,
    },
}

impl DispatchError {
    /// The HTTP status for the receiver to answer: 401 for the signature, 400 for the body, 404
    /// for a workflow that doesn't exist or has ended, 400 for a workflow id that can't be one,
    /// and 503 if Temporal could not be asked. The server delivers again after any of them.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Signature(_) => 401,
            Self::Body(_) => 400,
            Self::Signal { source, .. } => match source.as_ref() {
                WorkflowInteractionError::NotFound(_) => 404,
                WorkflowInteractionError::Rpc(status) if status.code() as i32 == GRPC_INVALID_ARGUMENT => 400,
                _ => 503,
            },
        }
    }

    /// True if Temporal knows no running workflow of that id.
    pub fn is_workflow_not_found(&self) -> bool {
        matches!(self, Self::Signal { source, .. }
            if matches!(**source, WorkflowInteractionError::NotFound(_)))
    }
}

/// What is wrong with a body whose signature is right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Not UTF-8, or not JSON.
    #[error("Webhook body is not JSON: {0}")]
    NotJson(#[source] JsonError),
    /// JSON, but an array, a string, a number or `null`.
    #[error("Webhook body is not a JSON object")]
    NotAnObject,
    /// The field is missing or no string. The empty string is one.
    #[error("Webhook missing idempotency_key")]
    NoIdempotencyKey,
}

const GRPC_INVALID_ARGUMENT: i32 = 3;

/// The SDK's text for "not found" leaves the server's message out.
fn describe(error: &WorkflowInteractionError) -> String {
    match error {
        WorkflowInteractionError::NotFound(status) | WorkflowInteractionError::Rpc(status) => {
            status.message().to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::key::PayloadKey;

    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        body: String,
        signature: Option<String>,
        #[serde(default)]
        raised: Option<String>,
        #[serde(default)]
        message: String,
    }

    /// The verdicts of the Python adapter, case by case. Where Python crashes (`AttributeError`,
    /// `TypeError`: its receiver then answers 500) this one has the error of the right kind.
    #[test]
    fn each_recorded_case_has_pythons_verdict() {
        let key = PayloadKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
            .expect("the golden key")
            .webhook_key();
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../fixtures/dispatch/dispatch.json")).expect("fixture");
        assert_eq!(cases.len(), 30);
        for case in cases {
            let body: Vec<u8> = case.body.chars().map(|byte| byte as u32 as u8).collect();
            let verdict = VerifiedWebhook::parse(&key, &body, case.signature.as_deref());
            match case.raised.as_deref() {
                // The RPC errors come after what is tested here.
                None | Some("temporalio.service.RPCError") => {
                    let webhook = verdict.unwrap_or_else(|error| panic!("{}: {error}", case.name));
                    assert!(webhook.payload().data.is_ascii());
                }
                Some("builtins.PermissionError" | "builtins.TypeError") => {
                    let error = verdict.expect_err(&case.name);
                    assert!(matches!(error, DispatchError::Signature(_)), "{}", case.name);
                    assert_eq!(error.http_status(), 401);
                }
                Some("builtins.ValueError" | "builtins.UnicodeDecodeError" | "builtins.AttributeError") => {
                    let error = verdict.expect_err(&case.name);
                    assert!(matches!(error, DispatchError::Body(_)), "{}", case.name);
                    assert_eq!(error.http_status(), 400);
                    // Python quotes the whole body after the colon; it may hold what redact_payload hides.
                    let python = case.message.split(": {").next().expect("at least one part");
                    if case.raised.as_deref() == Some("builtins.ValueError") {
                        assert_eq!(error.to_string(), python);
                    }
                }
                Some(other) => panic!("{}: what is {other}?", case.name),
            }
        }
    }

    #[test]
    fn the_signal_carries_the_whole_body() {
        let key = PayloadKey::from_bytes([1; 32]).webhook_key();
        let body = br#"{"idempotency_key":"","task_id":"7","response":123456789012345678901234567890.5}"#;
        let webhook = VerifiedWebhook::parse(&key, body, Some(&key.sign(body).to_string())).expect("it is one");
        assert_eq!(
            webhook.payload().data,
            br#"{"idempotency_key":"","task_id":"7","response":1.2345678901234568e+29}"#
        );
        assert_eq!(webhook.request_id().as_deref(), Some("awaithumans:7:"));
        assert_eq!(signal_name(webhook.idempotency_key()), "awaithumans:");
        assert_eq!((webhook.task_id(), webhook.status()), (Some("7"), None));
    }
}
