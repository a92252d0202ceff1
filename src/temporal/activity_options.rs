//! The options of an activity, of a workflow or on its own: filled in, checked, and changed by a field mask.

use std::collections::BTreeSet;
use std::time::Duration;

use temporalio_protos::temporal::api::activity::v1::ActivityOptions;

use super::config::DynamicConfig;
use super::priority;
use super::proto::{duration, proto_duration};
use super::queue_name;
use super::reject::Reject;
use super::retry;

/// Durations are capped to 250 years (`timestamp.maxAllowedDuration`), in seconds.
const MAX_DURATION_SECONDS: i64 = 250 * 365 * 24 * 60 * 60;

/// What an update may name (`activity.supportedActivityOptionsUpdatePaths`).
const KNOWN_FIELDS: [&str; 15] = [
    "taskQueue.name",
    "scheduleToCloseTimeout",
    "scheduleToStartTimeout",
    "startToCloseTimeout",
    "heartbeatTimeout",
    "priority",
    "priority.priorityKey",
    "priority.fairnessKey",
    "priority.fairnessWeight",
    "retryPolicy",
    "retryPolicy.initialInterval",
    "retryPolicy.backoffCoefficient",
    "retryPolicy.maximumInterval",
    "retryPolicy.maximumAttempts",
    "startDelay",
];

/// What an activity's options are held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfWorkflow<'a> {
    /// The workflow's own limit, zero if it has none or there is no workflow.
    pub(crate) run_timeout: Duration,
    /// The workflow's queue, if there is a workflow.
    pub(crate) task_queue: &'a str,
    /// The settings in force.
    pub(crate) config: &'a DynamicConfig,
}

/// Fills in and checks the options that a command or a request came with (`activity.validateAndNormalizeActivityAttributes`).
pub(crate) fn normalize(
    activity_id: &str,
    activity_type: &str,
    options: &mut ActivityOptions,
    of: &OfWorkflow<'_>,
) -> Result<(), Reject> {
    queue_name::normalize_user_defined(of.config, options.task_queue.as_mut(), of.task_queue)?;
    if activity_id.is_empty() {
        return invalid("activityId is not set");
    }
    if activity_type.is_empty() {
        return invalid("activityType is not set");
    }
    if let Some(policy) = options.retry_policy.as_mut() {
        retry::validate(policy)?;
        *policy = retry::with_defaults(Some(policy));
    }
    of.config.check_length("activityId", activity_id)?;
    of.config.check_length("activityType", activity_type)?;
    priority::check(options.priority.as_ref())
        .map_err(|reject| Reject::InvalidArgument(format!("invalid priorities: {}", reject.message())))?;
    normalize_timeouts(activity_id, activity_type, options, of.run_timeout)
}

/// Fills in the timeouts that were left open: each from the wider one, none beyond `run_timeout` unless that is zero.
pub(crate) fn normalize_timeouts(
    activity_id: &str,
    activity_type: &str,
    options: &mut ActivityOptions,
    run_timeout: Duration,
) -> Result<(), Reject> {
    for (name, timeout) in [
        ("ScheduleToCloseTimeout", &mut options.schedule_to_close_timeout),
        ("ScheduleToStartTimeout", &mut options.schedule_to_start_timeout),
        ("StartToCloseTimeout", &mut options.start_to_close_timeout),
        ("HeartbeatTimeout", &mut options.heartbeat_timeout),
    ] {
        cap(timeout.as_mut()).map_err(|why| Reject::InvalidArgument(format!("invalid {name}: {why}")))?;
    }
    let schedule_to_close = duration(options.schedule_to_close_timeout.as_ref());
    let schedule_to_start = duration(options.schedule_to_start_timeout.as_ref());
    let start_to_close = duration(options.start_to_close_timeout.as_ref());
    let (close, start, attempt) = match (schedule_to_close, start_to_close) {
        (Some(close), _) => (
            close,
            schedule_to_start.map_or(close, |start| start.min(close)),
            start_to_close.map_or(close, |attempt| attempt.min(close)),
        ),
        (None, Some(attempt)) => (run_timeout, schedule_to_start.unwrap_or(run_timeout), attempt),
        (None, None) => {
            return invalid(format!(
                "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. \
                 ActivityId={activity_id} ActivityType={activity_type}"
            ));
        }
    };
    let limited = |value: Duration| match run_timeout.is_zero() {
        true => value,
        false => value.min(run_timeout),
    };
    let attempt = limited(attempt);
    let heartbeat = duration(options.heartbeat_timeout.as_ref()).unwrap_or_default();
    options.schedule_to_close_timeout = Some(proto_duration(limited(close)));
    options.schedule_to_start_timeout = Some(proto_duration(limited(start)));
    options.start_to_close_timeout = Some(proto_duration(attempt));
    options.heartbeat_timeout = Some(proto_duration(heartbeat.min(attempt)));
    Ok(())
}

/// Refuses a duration that Temporal can't work with, and caps it (`timestamp.ValidateAndCapProtoDuration`).
pub(crate) fn cap(wire: Option<&mut prost_types::Duration>) -> Result<(), &'static str> {
    let Some(wire) = wire else {
        return Ok(());
    };
    if (wire.seconds > 0 && wire.nanos < 0) || (wire.seconds < 0 && wire.nanos > 0) {
        return Err("duration has seconds and nanos with different signs");
    }
    if wire.seconds < 0 || wire.nanos < 0 {
        return Err("negative duration");
    }
    if wire.seconds >= MAX_DURATION_SECONDS {
        *wire = prost_types::Duration {
            seconds: MAX_DURATION_SECONDS,
            nanos: 0,
        };
    }
    Ok(())
}

/// The fields that an update names, as in JSON: `retryPolicy.maximumAttempts`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(BTreeSet<String>);

impl Fields {
    /// From a mask's paths, in snake_case, camelCase or PascalCase (`util.ParseFieldMask`).
    pub(crate) fn parse(mask: &prost_types::FieldMask) -> Self {
        Self(mask.paths.iter().map(|path| camel_case_path(path)).collect())
    }

    /// The first path of a mask that names nothing that can be changed.
    pub(crate) fn first_unknown(mask: &prost_types::FieldMask) -> Option<&str> {
        let is_known = |path: &&String| KNOWN_FIELDS.contains(&camel_case_path(path).as_str());
        mask.paths.iter().find(|path| !is_known(path)).map(String::as_str)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has(&self, field: &str) -> bool {
        self.0.contains(field)
    }

    fn has_any_below(&self, field: &str) -> bool {
        let prefix = format!("{field}.");
        self.0.iter().any(|path| path.starts_with(&prefix))
    }
}

/// Takes over the fields that are named (`activityoptions.MergeActivityOptions`); other names are passed over.
pub(crate) fn merge(into: &mut ActivityOptions, from: &ActivityOptions, fields: &Fields) -> Result<(), Reject> {
    if fields.has("taskQueue.name") {
        let name = required(from.task_queue.as_ref(), "TaskQueue")?.name.clone();
        into.task_queue.get_or_insert_default().name = name;
    }
    for (field, target, source) in [
        (
            "scheduleToCloseTimeout",
            &mut into.schedule_to_close_timeout,
            from.schedule_to_close_timeout,
        ),
        (
            "scheduleToStartTimeout",
            &mut into.schedule_to_start_timeout,
            from.schedule_to_start_timeout,
        ),
        (
            "startToCloseTimeout",
            &mut into.start_to_close_timeout,
            from.start_to_close_timeout,
        ),
        ("heartbeatTimeout", &mut into.heartbeat_timeout, from.heartbeat_timeout),
    ] {
        if fields.has(field) {
            *target = source;
        }
    }
    merge_priority(into, from, fields)?;
    merge_retry_policy(into, from, fields)?;
    match (fields.has_any_below("retryPolicy"), &into.retry_policy) {
        (true, Some(policy)) => retry::validate_as_it_is(policy),
        _ => Ok(()),
    }
}

fn merge_priority(into: &mut ActivityOptions, from: &ActivityOptions, fields: &Fields) -> Result<(), Reject> {
    if fields.has("priority") {
        into.priority.clone_from(&from.priority);
    }
    if !fields.has_any_below("priority") {
        return Ok(());
    }
    if fields.has("priority.priorityKey") {
        let source = required(from.priority.as_ref(), "Priority")?;
        into.priority.get_or_insert_default().priority_key = source.priority_key;
    }
    if fields.has("priority.fairnessKey") {
        let source = required(from.priority.as_ref(), "Priority")?;
        let key = source.fairness_key.clone();
        into.priority.get_or_insert_default().fairness_key = key;
    }
    if fields.has("priority.fairnessWeight") {
        let source = required(from.priority.as_ref(), "Priority")?;
        into.priority.get_or_insert_default().fairness_weight = source.fairness_weight;
    }
    Ok(())
}

fn merge_retry_policy(into: &mut ActivityOptions, from: &ActivityOptions, fields: &Fields) -> Result<(), Reject> {
    if fields.has("retryPolicy") {
        into.retry_policy = Some(required(from.retry_policy.as_ref(), "RetryPolicy")?.clone());
    }
    if fields.has("retryPolicy.initialInterval") {
        let source = required(from.retry_policy.as_ref(), "RetryPolicy")?;
        into.retry_policy.get_or_insert_default().initial_interval = source.initial_interval;
    }
    if fields.has("retryPolicy.backoffCoefficient") {
        let source = required(from.retry_policy.as_ref(), "RetryPolicy")?;
        into.retry_policy.get_or_insert_default().backoff_coefficient = source.backoff_coefficient;
    }
    if fields.has("retryPolicy.maximumInterval") {
        let source = required(from.retry_policy.as_ref(), "RetryPolicy")?;
        into.retry_policy.get_or_insert_default().maximum_interval = source.maximum_interval;
    }
    if fields.has("retryPolicy.maximumAttempts") {
        let source = required(from.retry_policy.as_ref(), "RetryPolicy")?;
        into.retry_policy.get_or_insert_default().maximum_attempts = source.maximum_attempts;
    }
    Ok(())
}

/// `start_to_close_timeout` and `StartToCloseTimeout` become `startToCloseTimeout`, part by part.
fn camel_case_path(path: &str) -> String {
    let parts: Vec<String> = path.split('.').map(camel_case).collect();
    parts.join(".")
}

fn camel_case(part: &str) -> String {
    let capitalized = |word: &str, lower_rest: bool, upper_first: bool| {
        let mut letters = word.chars();
        let first: String = match (letters.next(), upper_first) {
            (Some(letter), true) => letter.to_uppercase().collect(),
            (Some(letter), false) => letter.to_lowercase().collect(),
            (None, _) => String::new(),
        };
        let rest = letters.as_str();
        match lower_rest {
            true => first + &rest.to_lowercase(),
            false => first + rest,
        }
    };
    part.split('_')
        .enumerate()
        .map(|(index, word)| match index {
            0 => capitalized(word, false, false),
            _ => capitalized(word, true, true),
        })
        .collect()
}

fn required<'a, T>(value: Option<&'a T>, name: &str) -> Result<&'a T, Reject> {
    value.ok_or_else(|| Reject::InvalidArgument(format!("{name} is not provided")))
}

fn invalid<T>(why: impl Into<String>) -> Result<T, Reject> {
    Err(Reject::InvalidArgument(why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use temporalio_protos::temporal::api::common::v1::RetryPolicy;
    use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;

    fn normalized(options: &mut ActivityOptions) -> Result<(), Reject> {
        let of = OfWorkflow {
            run_timeout: Duration::ZERO,
            task_queue: "q",
            config: &DynamicConfig::default(),
        };
        normalize("7", "work", options, &of)
    }

    fn seconds(count: u64) -> Option<prost_types::Duration> {
        Some(proto_duration(Duration::from_secs(count)))
    }

    fn fields(paths: &[&str]) -> Fields {
        Fields::parse(&prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        })
    }

    fn queue(name: &str) -> Option<TaskQueue> {
        Some(TaskQueue {
            name: name.to_owned(),
            ..Default::default()
        })
    }

    #[test]
    fn options_without_any_timeout_are_refused_by_name() {
        let mut options = ActivityOptions {
            task_queue: queue("q"),
            ..Default::default()
        };
        let refusal = normalized(&mut options).unwrap_err();
        assert_eq!(
            refusal.message(),
            "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. ActivityId=7 \
             ActivityType=work"
        );
    }

    #[test]
    fn schedule_to_close_bounds_the_others() {
        let mut options = ActivityOptions {
            task_queue: queue("q"),
            schedule_to_close_timeout: seconds(10),
            start_to_close_timeout: seconds(30),
            heartbeat_timeout: seconds(20),
            ..Default::default()
        };
        normalized(&mut options).unwrap();
        assert_eq!(options.start_to_close_timeout, seconds(10));
        assert_eq!(options.schedule_to_start_timeout, seconds(10));
        assert_eq!(options.heartbeat_timeout, seconds(10));
    }

    #[test]
    fn a_negative_timeout_is_refused_by_name_and_a_huge_one_is_capped() {
        let mut options = ActivityOptions {
            task_queue: queue("q"),
            start_to_close_timeout: seconds(30),
            heartbeat_timeout: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
            ..Default::default()
        };
        let refusal = normalized(&mut options).unwrap_err();
        assert_eq!(refusal.message(), "invalid HeartbeatTimeout: negative duration");
        options.heartbeat_timeout = None;
        options.start_to_close_timeout = Some(prost_types::Duration {
            seconds: i64::MAX,
            nanos: 5,
        });
        normalized(&mut options).unwrap();
        assert_eq!(
            options.start_to_close_timeout,
            seconds(MAX_DURATION_SECONDS.unsigned_abs())
        );
    }

    #[test]
    fn masks_may_be_written_in_every_case() {
        for path in ["start_to_close_timeout", "startToCloseTimeout", "StartToCloseTimeout"] {
            assert!(fields(&[path]).has("startToCloseTimeout"), "{path}");
        }
        assert!(fields(&["retry_policy.maximum_attempts"]).has("retryPolicy.maximumAttempts"));
    }

    #[test]
    fn a_merge_takes_over_what_is_named_and_nothing_else() {
        let mut into = ActivityOptions {
            task_queue: queue("old"),
            start_to_close_timeout: seconds(1),
            heartbeat_timeout: seconds(2),
            retry_policy: Some(retry::with_defaults(None)),
            ..Default::default()
        };
        let from = ActivityOptions {
            task_queue: queue("new"),
            start_to_close_timeout: seconds(10),
            heartbeat_timeout: seconds(20),
            retry_policy: Some(RetryPolicy {
                maximum_attempts: 5,
                ..Default::default()
            }),
            ..Default::default()
        };
        let named = fields(&["task_queue.name", "heartbeat_timeout", "retry_policy.maximum_attempts"]);
        merge(&mut into, &from, &named).unwrap();
        assert_eq!(into.task_queue, queue("new"));
        assert_eq!(
            (into.start_to_close_timeout, into.heartbeat_timeout),
            (seconds(1), seconds(20))
        );
        let policy = into.retry_policy.clone().unwrap();
        assert_eq!((policy.maximum_attempts, policy.initial_interval), (5, seconds(1)));

        let refusal = merge(
            &mut into,
            &ActivityOptions::default(),
            &fields(&["priority.fairnessKey"]),
        )
        .unwrap_err();
        assert_eq!(refusal.message(), "Priority is not provided");
        let backwards = ActivityOptions {
            retry_policy: Some(RetryPolicy {
                backoff_coefficient: 0.5,
                ..Default::default()
            }),
            ..Default::default()
        };
        let refusal = merge(&mut into, &backwards, &fields(&["retryPolicy.backoffCoefficient"])).unwrap_err();
        assert_eq!(
            refusal.message(),
            "BackoffCoefficient cannot be less than 1 on retry policy."
        );
    }
}
