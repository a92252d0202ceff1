//! Failures that the server itself writes, and failures cut to size.

use prost::Message as _;
use temporalio_protos::temporal::api::enums::v1::TimeoutType;
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::failure::v1::{
    ApplicationFailureInfo, Failure, ServerFailureInfo, TimeoutFailureInfo,
};

/// The largest failure that is kept from one attempt to the next, in bytes (dynamic config
/// `limit.mutableStateActivityFailureSize.error`).
const MAX_KEPT_BYTES: usize = 4 * 1024;

/// How deep causes are kept when a failure is cut (`failure.Truncate`).
const MAX_DEPTH: usize = 20;

/// What Temporal writes in the place of a failure that is too large (`common.FailureReasonFailureExceedsLimit`).
const TOO_LARGE: &str = "Failure exceeds size limit.";

/// A failure of the server's own.
pub(crate) fn server_failure(message: &str, non_retryable: bool) -> Failure {
    Failure {
        message: message.to_owned(),
        failure_info: Some(FailureInfo::ServerFailureInfo(ServerFailureInfo { non_retryable })),
        ..Default::default()
    }
}

/// The failure that Temporal writes for a timeout.
pub(crate) fn timeout_failure(message: String, timeout: TimeoutType) -> Failure {
    Failure {
        message,
        source: "Server".to_owned(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
            timeout_type: timeout as i32,
            last_heartbeat_details: None,
        })),
        ..Default::default()
    }
}

/// A failure of an attempt that will be tried again: cut if it is large.
pub(crate) fn kept(failure: Failure) -> Failure {
    match failure.encoded_len() > MAX_KEPT_BYTES {
        true => too_large(&failure, MAX_KEPT_BYTES, false),
        false => failure,
    }
}

/// What takes the place of a failure that is too large: says so, with what fits into `max_bytes` as its cause.
pub(crate) fn too_large(failure: &Failure, max_bytes: usize, non_retryable: bool) -> Failure {
    Failure {
        cause: Some(Box::new(truncate(failure, max_bytes, MAX_DEPTH))),
        ..server_failure(TOO_LARGE, non_retryable)
    }
}

/// The first of a failure's texts, as far as they fit; earlier ones count more (`failure.TruncateWithDepth`).
fn truncate(failure: &Failure, max_bytes: usize, max_depth: usize) -> Failure {
    let mut left = max_bytes;
    let mut cut_down = Failure::default();
    match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => {
            cut_down.failure_info = Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                non_retryable: info.non_retryable,
                r#type: cut(&info.r#type, &mut left),
                ..Default::default()
            }));
            left = left.saturating_sub(8);
        }
        Some(FailureInfo::ServerFailureInfo(info)) => {
            cut_down.failure_info = Some(FailureInfo::ServerFailureInfo(*info));
            left = left.saturating_sub(4);
        }
        _ => {}
    }
    cut_down.source = cut(&failure.source, &mut left);
    cut_down.message = cut(&failure.message, &mut left);
    cut_down.stack_trace = cut(&failure.stack_trace, &mut left);
    if let Some(cause) = failure.cause.as_deref()
        && left > 4
        && max_depth > 0
    {
        cut_down.cause = Some(Box::new(truncate(cause, left - 4, max_depth - 1)));
    }
    cut_down
}

/// As much of a text as fits, whole characters only; takes it and four bytes for its field from what is left.
fn cut(text: &str, left: &mut usize) -> String {
    let fitting = text.floor_char_boundary((*left).min(text.len()));
    let field_bytes = match fitting {
        0 => 0,
        _ => 4,
    };
    *left = left.saturating_sub(fitting + field_bytes);
    text[..fitting].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_failure_is_kept_as_it_is() {
        let small = server_failure("small", false);
        assert_eq!(kept(small.clone()), small);
    }

    #[test]
    fn a_large_failure_is_cut_and_stays_below_the_limit() {
        let large = Failure {
            message: "ä".repeat(10_000),
            source: "GoSDK".to_owned(),
            stack_trace: "lost".to_owned(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                r#type: "Flaky".to_owned(),
                non_retryable: true,
                ..Default::default()
            })),
            ..Default::default()
        };
        let kept = kept(large);
        assert_eq!(kept.message, "Failure exceeds size limit.");
        let cause = kept.cause.unwrap();
        assert!(cause.encoded_len() <= MAX_KEPT_BYTES, "{}", cause.encoded_len());
        assert_eq!((cause.source.as_str(), cause.stack_trace.as_str()), ("GoSDK", ""));
        assert!(cause.message.len() > MAX_KEPT_BYTES - 100);
        match cause.failure_info {
            Some(FailureInfo::ApplicationFailureInfo(info)) => {
                assert_eq!((info.r#type.as_str(), info.non_retryable), ("Flaky", true));
            }
            other => panic!("{other:?}"),
        }
    }
}
