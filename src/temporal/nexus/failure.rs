//! What workers answer, as the caller's history shows it: Temporal's failures pass through Nexus's own form of them and
//! back (`common/nexus/failure.go`, `service/frontend/nexus_handler.go`).

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::Value;
use temporalio_protos::temporal::api::common::v1::{Link, Payload, Payloads};
use temporalio_protos::temporal::api::enums::v1::{NexusHandlerErrorRetryBehavior as RetryBehavior, TimeoutType};
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{
    ApplicationFailureInfo, CanceledFailureInfo, Failure, NexusHandlerFailureInfo, TimeoutFailureInfo,
};
use temporalio_protos::temporal::api::nexus::v1 as wire;
use temporalio_protos::temporal::api::nexus::v1::start_operation_response::Variant;

use super::{content, link};
use crate::temporal::retry::timeout_name;

/// What came of a request to start an operation.
#[derive(Clone, Debug)]
pub(crate) enum StartOutcome {
    /// It is done already.
    Succeeded { result: Payload, links: Vec<Link> },
    /// It goes on, under this token.
    Started { token: String, links: Vec<Link> },
    /// It is done, and hasn't gone well.
    Unsuccessful { canceled: bool, cause: Failure },
    /// The request itself failed.
    Refused(Refusal),
    /// Too little time was left to make the request at all.
    NoTime(TimeoutType),
}

/// Why a request failed, and whether it makes sense to make it again.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) failure: Failure,
    pub(crate) retryable: bool,
}

/// The error types that say that the same request won't do better (`nexus.HandlerError.Retryable`).
const NON_RETRYABLE: [&str; 6] = [
    "BAD_REQUEST",
    "UNAUTHENTICATED",
    "UNAUTHORIZED",
    "NOT_FOUND",
    "NOT_IMPLEMENTED",
    "CONFLICT",
];

impl Refusal {
    /// A handler error that the server itself makes.
    pub(crate) fn handler(error_type: &str, message: &str) -> Self {
        Self::from_handler_failure(Failure {
            message: message.to_owned(),
            failure_info: Some(handler_info(error_type, RetryBehavior::Unspecified)),
            ..Default::default()
        })
    }

    /// The worker didn't answer in time.
    pub(crate) fn timed_out() -> Self {
        Self::handler("UPSTREAM_TIMEOUT", "upstream timeout")
    }

    /// The endpoint is gone.
    pub(crate) fn endpoint_not_registered() -> Self {
        Self::handler("NOT_FOUND", "endpoint not registered")
    }

    /// Too little time was left to ask an operation to cancel.
    pub(crate) fn no_time(timeout: TimeoutType) -> Self {
        let name = timeout_name(timeout);
        Self {
            failure: Failure {
                message: format!("not enough time to execute another request before {name} timeout"),
                failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                    r#type: "CallError".to_owned(),
                    non_retryable: true,
                    ..Default::default()
                })),
                ..Default::default()
            },
            retryable: false,
        }
    }

    /// Too little time was left to ask a standalone operation to cancel.
    pub(crate) fn no_time_to_cancel(timeout: TimeoutType) -> Self {
        Self {
            failure: Failure {
                message: "operation timed out before cancellation could be delivered".to_owned(),
                failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
                    timeout_type: timeout as i32,
                    ..Default::default()
                })),
                ..Default::default()
            },
            retryable: false,
        }
    }

    /// The worker failed the task, with a failure of Temporal's own form.
    pub(crate) fn from_failure(failure: Failure) -> Self {
        Self::from_handler_failure(pass(failure))
    }

    /// The worker failed the task in the older form.
    pub(crate) fn from_error(error: wire::HandlerError) -> Self {
        let retry_behavior = error.retry_behavior();
        let cause = from_nexus(error.failure.unwrap_or_default());
        Self::from_handler_failure(Failure {
            failure_info: Some(handler_info(&error.error_type, retry_behavior)),
            cause: Some(Box::new(cause)),
            ..Default::default()
        })
    }

    fn from_handler_failure(failure: Failure) -> Self {
        let retryable = match &failure.failure_info {
            Some(FailureInfo::NexusHandlerFailureInfo(info)) => match info.retry_behavior() {
                RetryBehavior::Retryable => true,
                RetryBehavior::NonRetryable => false,
                RetryBehavior::Unspecified => is_retryable_type(&info.r#type),
            },
            _ => true,
        };
        Self { failure, retryable }
    }
}

/// What a worker's answer to a start means.
pub(crate) fn start_outcome(response: Option<wire::StartOperationResponse>) -> StartOutcome {
    match response.and_then(|response| response.variant) {
        Some(Variant::SyncSuccess(sync)) => StartOutcome::Succeeded {
            result: content::pass(sync.payload),
            links: link::from_nexus(&sync.links),
        },
        #[expect(deprecated, reason = "older SDKs name the token so")]
        Some(Variant::AsyncSuccess(started)) => StartOutcome::Started {
            token: match started.operation_token.is_empty() {
                true => started.operation_id,
                false => started.operation_token,
            },
            links: link::from_nexus(&started.links),
        },
        Some(Variant::Failure(failure)) => StartOutcome::Unsuccessful {
            canceled: matches!(failure.failure_info, Some(FailureInfo::CanceledFailureInfo(_))),
            cause: pass(failure),
        },
        #[expect(deprecated, reason = "older SDKs answer so")]
        Some(Variant::OperationError(error)) => operation_error(error),
        None => StartOutcome::Refused(Refusal::handler("INTERNAL", "empty outcome")),
    }
}

fn operation_error(error: wire::UnsuccessfulOperationError) -> StartOutcome {
    let cause = from_nexus(error.failure.unwrap_or_default());
    match error.operation_state.as_str() {
        "failed" => StartOutcome::Unsuccessful { canceled: false, cause },
        "canceled" => StartOutcome::Unsuccessful {
            canceled: true,
            cause: as_canceled(cause),
        },
        // The frontend can't write such an answer, and ends the request with a bare 500.
        _ => StartOutcome::Refused(Refusal::handler("INTERNAL", "")),
    }
}

/// Older SDKs send an application failure as the cause of a cancellation.
fn as_canceled(cause: Failure) -> Failure {
    match cause.failure_info {
        Some(FailureInfo::CanceledFailureInfo(_)) => cause,
        _ => Failure {
            message: cause.message,
            stack_trace: cause.stack_trace,
            failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
            cause: cause.cause,
            ..Default::default()
        },
    }
}

/// A failure after its way through Nexus's form: all stays but the source of handler errors.
pub(crate) fn pass(failure: Failure) -> Failure {
    let cause = failure.cause.map(|cause| Box::new(pass(*cause)));
    match failure.failure_info {
        Some(FailureInfo::NexusHandlerFailureInfo(info)) => Failure {
            message: failure.message,
            stack_trace: failure.stack_trace,
            encoded_attributes: failure.encoded_attributes,
            failure_info: Some(FailureInfo::NexusHandlerFailureInfo(info)),
            cause,
            ..Default::default()
        },
        failure_info => Failure {
            failure_info,
            cause,
            ..failure
        },
    }
}

/// From Nexus's own form of a failure (`NexusFailureToTemporalFailure`).
pub(crate) fn from_nexus(failure: wire::Failure) -> Failure {
    let kind = failure.metadata.get("type").map(String::as_str);
    let mut converted = match kind {
        Some("temporal.api.failure.v1.Failure") => serde_json::from_slice(&failure.details).unwrap_or_default(),
        Some("nexus.OperationError") => of_operation_error(&failure.details),
        Some("nexus.HandlerError") => of_handler_error(&failure.details),
        _ if failure.metadata.is_empty() && failure.details.is_empty() => Failure::default(),
        _ => unknown(&failure),
    };
    converted.message = failure.message;
    converted.stack_trace = failure.stack_trace;
    if let Some(cause) = failure.cause {
        converted.cause = Some(Box::new(from_nexus(*cause)));
    }
    converted
}

fn of_operation_error(details: &[u8]) -> Failure {
    let details: Value = serde_json::from_slice(details).unwrap_or_default();
    let info = match details["state"].as_str() {
        Some("canceled") => FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default()),
        _ => FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: "OperationError".to_owned(),
            non_retryable: true,
            ..Default::default()
        }),
    };
    Failure {
        failure_info: Some(info),
        ..Default::default()
    }
}

fn of_handler_error(details: &[u8]) -> Failure {
    let details: Value = serde_json::from_slice(details).unwrap_or_default();
    let retry_behavior = match details["retryableOverride"].as_bool() {
        Some(true) => RetryBehavior::Retryable,
        Some(false) => RetryBehavior::NonRetryable,
        None => RetryBehavior::Unspecified,
    };
    let error_type = details["type"].as_str().unwrap_or_default();
    Failure {
        failure_info: Some(handler_info(error_type, retry_behavior)),
        ..Default::default()
    }
}

/// A failure in Nexus's own form, as JSON (`TemporalFailureToNexusFailure`).
pub(crate) fn to_nexus_json(failure: &Failure) -> String {
    let failure = to_nexus(failure);
    json(&failure.message, &failure.stack_trace, &failure)
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn to_nexus(failure: &Failure) -> wire::Failure {
    let (kind, details) = match &failure.failure_info {
        Some(FailureInfo::NexusHandlerFailureInfo(info)) => {
            let mut details = serde_json::Map::new();
            if !info.r#type.is_empty() {
                details.insert("type".to_owned(), info.r#type.clone().into());
            }
            match info.retry_behavior() {
                RetryBehavior::Retryable => drop(details.insert("retryableOverride".to_owned(), true.into())),
                RetryBehavior::NonRetryable => drop(details.insert("retryableOverride".to_owned(), false.into())),
                RetryBehavior::Unspecified => {}
            }
            if let Some(attributes) = &failure.encoded_attributes {
                let attributes = serde_json::to_vec(attributes).unwrap_or_default();
                let attributes = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(attributes);
                details.insert("encodedAttributes".to_owned(), attributes.into());
            }
            ("nexus.HandlerError", serde_json::to_vec(&details))
        }
        _ => {
            let details = Failure {
                message: String::new(),
                stack_trace: String::new(),
                ..failure.clone()
            };
            ("temporal.api.failure.v1.Failure", serde_json::to_vec(&details))
        }
    };
    wire::Failure {
        message: failure.message.clone(),
        stack_trace: failure.stack_trace.clone(),
        metadata: [("type".to_owned(), kind.to_owned())].into(),
        details: details.unwrap_or_default(),
        cause: failure.cause.as_deref().map(|cause| Box::new(to_nexus(cause))),
    }
}

/// Whether a handler error of this type is worth another try, if it doesn't say so itself.
pub(crate) fn is_retryable_type(error_type: &str) -> bool {
    !NON_RETRYABLE.contains(&error_type)
}

/// A failure of a kind that Temporal doesn't know keeps its metadata and details as JSON.
fn unknown(failure: &wire::Failure) -> Failure {
    Failure {
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: "NexusFailure".to_owned(),
            details: Some(Payloads {
                payloads: vec![Payload {
                    metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
                    data: json("", "", failure).into_bytes(),
                    ..Default::default()
                }],
            }),
            ..Default::default()
        })),
        ..Default::default()
    }
}

/// A failure as Go writes it: its fields in this order, the empty ones left out.
fn json(message: &str, stack_trace: &str, failure: &wire::Failure) -> String {
    let mut fields: Vec<String> = Vec::new();
    for (name, text) in [("message", message), ("stackTrace", stack_trace)] {
        if !text.is_empty() {
            fields.push(format!("\"{name}\":{}", Value::from(text)));
        }
    }
    if !failure.metadata.is_empty() {
        let metadata: BTreeMap<String, String> = failure.metadata.clone().into_iter().collect();
        fields.push(format!("\"metadata\":{}", serde_json::json!(metadata)));
    }
    if let Ok(details) = serde_json::from_slice::<Value>(&failure.details) {
        fields.push(format!("\"details\":{details}"));
    }
    if let Some(cause) = &failure.cause {
        fields.push(format!("\"cause\":{}", json(&cause.message, &cause.stack_trace, cause)));
    }
    format!("{{{}}}", fields.join(","))
}

fn handler_info(error_type: &str, retry_behavior: RetryBehavior) -> FailureInfo {
    FailureInfo::NexusHandlerFailureInfo(NexusHandlerFailureInfo {
        r#type: error_type.to_owned(),
        retry_behavior: retry_behavior as i32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(error_type: &str, retry_behavior: RetryBehavior) -> Refusal {
        Refusal::from_error(wire::HandlerError {
            error_type: error_type.to_owned(),
            failure: Some(wire::Failure {
                message: "busted".to_owned(),
                ..Default::default()
            }),
            retry_behavior: retry_behavior as i32,
        })
    }

    #[test]
    fn an_errors_type_says_whether_to_try_again_unless_it_says_so_itself() {
        assert!(!error("BAD_REQUEST", RetryBehavior::Unspecified).retryable);
        assert!(error("BAD_REQUEST", RetryBehavior::Retryable).retryable);
        assert!(error("INTERNAL", RetryBehavior::Unspecified).retryable);
        assert!(!error("INTERNAL", RetryBehavior::NonRetryable).retryable);
        assert!(error("NO_SUCH_TYPE", RetryBehavior::Unspecified).retryable);
        let cause = *error("INTERNAL", RetryBehavior::Unspecified).failure.cause.unwrap();
        assert_eq!((cause.message.as_str(), cause.failure_info), ("busted", None));
    }

    #[test]
    fn failures_of_nexus_become_those_of_temporal() {
        let failure = |kind: &str, details: &str| {
            from_nexus(wire::Failure {
                message: "m".to_owned(),
                metadata: [("type".to_owned(), kind.to_owned())].into(),
                details: details.as_bytes().to_vec(),
                ..Default::default()
            })
        };
        let info = failure(
            "temporal.api.failure.v1.Failure",
            r#"{"applicationFailureInfo":{"type":"T"}}"#,
        )
        .failure_info;
        assert!(matches!(info, Some(FailureInfo::ApplicationFailureInfo(it)) if it.r#type == "T"));
        let info = failure("nexus.OperationError", r#"{"state":"canceled"}"#).failure_info;
        assert!(matches!(info, Some(FailureInfo::CanceledFailureInfo(_))));
        let info = failure("nexus.HandlerError", r#"{"type":"CONFLICT","retryableOverride":true}"#).failure_info;
        assert_eq!(info, Some(handler_info("CONFLICT", RetryBehavior::Retryable)));
        let Some(FailureInfo::ApplicationFailureInfo(info)) = failure("mine", "[1]").failure_info else {
            panic!("it isn't an application failure");
        };
        assert_eq!(info.r#type, "NexusFailure");
        assert_eq!(
            info.details.unwrap().payloads[0].data,
            br#"{"metadata":{"type":"mine"},"details":[1]}"#
        );
    }
}
