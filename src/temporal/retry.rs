//! Retry policies: defaults, whether a failure may be retried, and how long to wait.

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1::RetryPolicy;
use temporalio_protos::temporal::api::enums::v1::{RetryState, TimeoutType};
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;

use super::proto::{duration, proto_duration};
use super::reject::Reject;
use crate::clock::Timestamp;

/// How a policy names timeouts among the errors that aren't tried again: `TemporalTimeout:Heartbeat`.
const TIMEOUT_TYPE_PREFIX: &str = "TemporalTimeout:";

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

/// Refuses a policy as Temporal does once the defaults are in (`common/retrypolicy.Validate`).
pub(crate) fn validate(policy: &RetryPolicy) -> Result<(), Reject> {
    if policy.maximum_attempts != 1 {
        check_interval("InitialInterval", policy.initial_interval)?;
        check_interval("MaximumInterval", policy.maximum_interval)?;
    }
    validate_as_it_is(&with_defaults(Some(policy)))
}

/// Refuses a policy whose defaults aren't filled in any more.
pub(crate) fn validate_as_it_is(policy: &RetryPolicy) -> Result<(), Reject> {
    let refuse = |text: &str| Err(Reject::InvalidArgument(text.to_owned()));
    if policy.maximum_attempts == 1 {
        return Ok(());
    }
    check_interval("InitialInterval", policy.initial_interval)?;
    if policy.backoff_coefficient < 1.0 {
        return refuse("BackoffCoefficient cannot be less than 1 on retry policy.");
    }
    check_interval("MaximumInterval", policy.maximum_interval)?;
    let initial = duration(policy.initial_interval.as_ref()).unwrap_or_default();
    if duration(policy.maximum_interval.as_ref()).is_some_and(|maximum| maximum < initial) {
        return refuse("MaximumInterval cannot be less than InitialInterval on retry policy.");
    }
    if policy.maximum_attempts < 0 {
        return refuse("MaximumAttempts cannot be negative on retry policy.");
    }
    let unknown_timeout = policy
        .non_retryable_error_types
        .iter()
        .filter_map(|name| name.strip_prefix(TIMEOUT_TYPE_PREFIX))
        .find(|name| !is_timeout_name(name));
    match unknown_timeout {
        Some(name) => Err(Reject::InvalidArgument(format!("Invalid timeout type value: {name}."))),
        None => Ok(()),
    }
}

fn check_interval(name: &str, mut interval: Option<prost_types::Duration>) -> Result<(), Reject> {
    super::activity_options::cap(interval.as_mut())
        .map_err(|why| Reject::InvalidArgument(format!("invalid {name} set on retry policy: {why}")))
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
    let maximum = duration(policy.maximum_interval.as_ref());
    let interval = match (
        asked_for_delay(failure).unwrap_or_else(|| backoff(policy, attempt)),
        maximum,
    ) {
        (interval, None) if interval.is_zero() => return Next::Stop(RetryState::Timeout),
        (interval, None) => interval,
        (interval, Some(maximum)) if interval.is_zero() => maximum,
        (interval, Some(maximum)) => interval.min(maximum),
    };
    if expiration.is_some_and(|expiration| now + interval > expiration) {
        return Next::Stop(RetryState::Timeout);
    }
    Next::Retry(interval)
}

/// As [`next`], for an activity: the delay that a failure asks for isn't bounded by the policy's longest wait
/// (`MutableStateImpl.RetryActivity`).
pub(crate) fn next_of_activity(
    policy: &RetryPolicy,
    attempt: i32,
    failure: Option<&Failure>,
    now: Timestamp,
    expiration: Option<Timestamp>,
) -> Next {
    match asked_for_delay(failure) {
        None => next(policy, attempt, failure, now, expiration),
        Some(delay) => {
            let patient = RetryPolicy {
                maximum_interval: Some(proto_duration(delay)),
                ..policy.clone()
            };
            next(&patient, attempt, failure, now, expiration)
        }
    }
}

/// The wait after attempt number `attempt`, at most the policy's longest.
pub(crate) fn interval(policy: &RetryPolicy, attempt: i32) -> Duration {
    let maximum = duration(policy.maximum_interval.as_ref()).unwrap_or(Duration::MAX);
    backoff(policy, attempt).min(maximum)
}

/// initial × coefficient ^ (attempt − 1).
fn backoff(policy: &RetryPolicy, attempt: i32) -> Duration {
    let initial = duration(policy.initial_interval.as_ref()).unwrap_or_default();
    let seconds = initial.as_secs_f64() * policy.backoff_coefficient.powi(attempt.max(1) - 1);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// The wait that a failure asks for, whatever the policy says.
pub(crate) fn asked_for_delay(failure: Option<&Failure>) -> Option<Duration> {
    match failure?.failure_info.as_ref()? {
        FailureInfo::ApplicationFailureInfo(info) => {
            let delay = info.next_retry_delay.as_ref()?;
            Some(duration(Some(delay)).unwrap_or_default())
        }
        _ => None,
    }
}

/// Whether a failure may be tried again at all, whatever the number of attempts.
pub(crate) fn is_retryable(failure: Option<&Failure>, non_retryable_types: &[String]) -> bool {
    let Some(info) = failure.and_then(|failure| failure.failure_info.as_ref()) else {
        return true;
    };
    match info {
        FailureInfo::TerminatedFailureInfo(_) | FailureInfo::CanceledFailureInfo(_) => false,
        FailureInfo::TimeoutFailureInfo(info) => match info.timeout_type() {
            TimeoutType::StartToClose | TimeoutType::Heartbeat => {
                let name = format!("{TIMEOUT_TYPE_PREFIX}{}", timeout_name(info.timeout_type()));
                !non_retryable_types.contains(&name)
            }
            _ => false,
        },
        FailureInfo::ServerFailureInfo(info) => !info.non_retryable,
        FailureInfo::ApplicationFailureInfo(info) => !info.non_retryable && !non_retryable_types.contains(&info.r#type),
        _ => true,
    }
}

/// Whether a policy may name a timeout so: as Temporal's texts do, or as the enum does.
fn is_timeout_name(name: &str) -> bool {
    use TimeoutType as T;
    [T::StartToClose, T::ScheduleToStart, T::ScheduleToClose, T::Heartbeat]
        .iter()
        .any(|timeout| timeout_name(*timeout) == name || timeout.as_str_name() == name)
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
            next_of_activity(&policy, 1, Some(&patient), now, None),
            Next::Retry(Duration::from_secs(3600))
        );
        assert_eq!(
            next(&policy, 1, Some(&patient), now, None),
            Next::Retry(Duration::from_secs(100)),
            "a workflow's wait is never longer than the policy's longest"
        );
        let impatient = failure(ApplicationFailureInfo {
            next_retry_delay: Some(proto_duration(Duration::ZERO)),
            ..Default::default()
        });
        assert_eq!(
            next_of_activity(&policy, 1, Some(&impatient), now, None),
            Next::Stop(RetryState::Timeout),
            "no wait at all ends an activity: it is its longest one too"
        );
    }

    #[test]
    fn bad_policies_are_refused_in_temporal_s_words() {
        let refusal = |policy: RetryPolicy| validate(&policy).unwrap_err().message();
        assert_eq!(
            refusal(RetryPolicy {
                initial_interval: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
                ..Default::default()
            }),
            "invalid InitialInterval set on retry policy: negative duration"
        );
        assert_eq!(
            refusal(RetryPolicy {
                maximum_interval: Some(proto_duration(Duration::from_millis(500))),
                ..Default::default()
            }),
            "MaximumInterval cannot be less than InitialInterval on retry policy."
        );
        assert_eq!(
            refusal(RetryPolicy {
                non_retryable_error_types: vec!["TemporalTimeout:Never".to_owned()],
                ..Default::default()
            }),
            "Invalid timeout type value: Never."
        );
        assert_eq!(validate(&RetryPolicy::default()), Ok(()));
    }
}
