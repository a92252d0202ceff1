//! Retry policies: defaults, whether a failure may be retried, and how long to wait.

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::RetryPolicy;
use temporalio_protos::temporal::api::enums::v1::{RetryState, TimeoutType};
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;

use super::proto::{duration, is_negative, proto_duration};
use super::reject::Reject;
use crate::clock::Timestamp;

/// The policy with Temporal's defaults in the place of what is absent: 1 s, factor 2, at most 100 × the first wait.
pub(crate) fn with_defaults(policy: Option<&RetryPolicy>) -> RetryPolicy {
    let mut policy = policy.cloned().unwrap_or_default();
    let initial = duration(policy.initial_interval.as_ref()).unwrap_or(Duration::from_secs(1));
    policy.initial_interval = Some(proto_duration(initial));
    if duration(policy.maximum_interval.as_ref()).is_none() {
        policy.maximum_interval = Some(proto_duration(initial.saturating_mul(100)));
    }
    if policy.backoff_coefficient == 0.0 {
        policy.backoff_coefficient = 2.0;
    }
    policy
}

/// Refuses a policy as Temporal does (`common/retrypolicy.Validate`).
pub(crate) fn validate(policy: &RetryPolicy) -> Result<(), Reject> {
    let refuse = |text: &str| Err(Reject::InvalidArgument(text.to_owned()));
    if policy.maximum_attempts == 1 {
        return Ok(());
    }
    if is_negative(policy.initial_interval.as_ref()) {
        return refuse("InitialInterval cannot be negative on retry policy.");
    }
    if policy.backoff_coefficient != 0.0 && policy.backoff_coefficient < 1.0 {
        return refuse("BackoffCoefficient cannot be less than 1 on retry policy.");
    }
    if is_negative(policy.maximum_interval.as_ref()) {
        return refuse("MaximumInterval cannot be negative on retry policy.");
    }
    let initial = duration(policy.initial_interval.as_ref()).unwrap_or_default();
    if duration(policy.maximum_interval.as_ref()).is_some_and(|maximum| maximum < initial) {
        return refuse("MaximumInterval cannot be less than InitialInterval on retry policy.");
    }
    if policy.maximum_attempts < 0 {
        return refuse("MaximumAttempts cannot be negative on retry policy.");
    }
    Ok(())
}

/// What comes after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another attempt, after this wait.
    Retry(Duration),
    /// No more, for this reason.
    Stop(RetryState),
}

/// Decides after attempt number `attempt` (from 1) failed with `failure`. `expiration` bounds all attempts together.
pub(crate) fn next(
    policy: &RetryPolicy,
    attempt: i32,
    failure: Option<&Failure>,
    now: Timestamp,
    expiration: Option<Timestamp>,
) -> Next {
    if !is_retryable(failure, &policy.non_retryable_error_types) {
        return Next::Stop(RetryState::NonRetryableFailure);
    }
    if policy.maximum_attempts > 0 && attempt.max(1) >= policy.maximum_attempts {
        return Next::Stop(RetryState::MaximumAttemptsReached);
    }
    let interval = asked_for_delay(failure).unwrap_or_else(|| backoff(policy, attempt));
    if expiration.is_some_and(|expiration| now + interval > expiration) {
        return Next::Stop(RetryState::Timeout);
    }
    Next::Retry(interval)
}

/// The wait after attempt number `attempt`: initial × coefficient ^ (attempt − 1), at most the maximum.
fn backoff(policy: &RetryPolicy, attempt: i32) -> Duration {
    let initial = duration(policy.initial_interval.as_ref()).unwrap_or(Duration::from_secs(1));
    let maximum = duration(policy.maximum_interval.as_ref()).unwrap_or(Duration::MAX);
    let seconds = initial.as_secs_f64() * policy.backoff_coefficient.powi(attempt.max(1) - 1);
    Duration::try_from_secs_f64(seconds)
        .unwrap_or(Duration::MAX)
        .min(maximum)
}

fn asked_for_delay(failure: Option<&Failure>) -> Option<Duration> {
    match failure?.failure_info.as_ref()? {
        FailureInfo::ApplicationFailureInfo(info) => {
            let delay = info.next_retry_delay.as_ref()?;
            Some(duration(Some(delay)).unwrap_or_default())
        }
        _ => None,
    }
}

fn is_retryable(failure: Option<&Failure>, non_retryable_types: &[String]) -> bool {
    let Some(info) = failure.and_then(|failure| failure.failure_info.as_ref()) else {
        return true;
    };
    match info {
        FailureInfo::TerminatedFailureInfo(_) | FailureInfo::CanceledFailureInfo(_) => false,
        FailureInfo::TimeoutFailureInfo(info) => match info.timeout_type() {
            TimeoutType::StartToClose | TimeoutType::Heartbeat => {
                let name = format!("TemporalTimeout:{}", timeout_name(info.timeout_type()));
                !non_retryable_types.contains(&name)
            }
            _ => false,
        },
        FailureInfo::ServerFailureInfo(info) => !info.non_retryable,
        FailureInfo::ApplicationFailureInfo(info) => !info.non_retryable && !non_retryable_types.contains(&info.r#type),
        _ => true,
    }
}

/// The name of a timeout in Temporal's texts.
pub(crate) fn timeout_name(timeout: TimeoutType) -> &'static str {
    match timeout {
        TimeoutType::Unspecified => "Unspecified",
        TimeoutType::StartToClose => "StartToClose",
        TimeoutType::ScheduleToStart => "ScheduleToStart",
        TimeoutType::ScheduleToClose => "ScheduleToClose",
        TimeoutType::Heartbeat => "Heartbeat",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use temporalio_protos::temporal::api::failure::v1::ApplicationFailureInfo;

    fn failure(info: ApplicationFailureInfo) -> Failure {
        Failure {
            failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
            ..Default::default()
        }
    }

    #[test]
    fn waits_double_up_to_a_hundred_times_the_first() {
        let policy = with_defaults(None);
        let now = Timestamp::EPOCH_OF_TESTS;
        let waits: Vec<_> = [1, 2, 3, 8, 1000]
            .map(|attempt| next(&policy, attempt, None, now, None))
            .into();
        let seconds = |n| Next::Retry(Duration::from_secs(n));
        assert_eq!(waits, [seconds(1), seconds(2), seconds(4), seconds(100), seconds(100)]);
    }

    #[test]
    fn retries_end_for_a_reason() {
        let now = Timestamp::EPOCH_OF_TESTS;
        let policy = RetryPolicy {
            maximum_attempts: 2,
            non_retryable_error_types: vec!["Fatal".to_owned()],
            ..with_defaults(None)
        };
        let fatal = failure(ApplicationFailureInfo {
            r#type: "Fatal".to_owned(),
            ..Default::default()
        });
        assert_eq!(
            next(&policy, 1, Some(&fatal), now, None),
            Next::Stop(RetryState::NonRetryableFailure)
        );
        assert_eq!(
            next(&policy, 2, None, now, None),
            Next::Stop(RetryState::MaximumAttemptsReached)
        );
        assert_eq!(next(&policy, 1, None, now, Some(now)), Next::Stop(RetryState::Timeout));
        let patient = failure(ApplicationFailureInfo {
            next_retry_delay: Some(proto_duration(Duration::from_secs(3600))),
            ..Default::default()
        });
        assert_eq!(
            next(&policy, 1, Some(&patient), now, None),
            Next::Retry(Duration::from_secs(3600))
        );
    }
}
