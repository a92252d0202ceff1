//! The options of an activity, of a workflow or on its own: filled in, checked, and changed by a field mask.

use std::collections::BTreeSet;
use std::time::Duration;

use temporalio_protos::temporal::api::activity::v1::ActivityOptions;
use temporalio_protos::temporal::api::common::v1::Priority;
use temporalio_protos::temporal::api::enums::v1::TaskQueueKind;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;

use super::proto::{duration, proto_duration};
use super::reject::Reject;
use super::retry;

/// The longest id, type or name of a queue (dynamic config `limit.maxIDLength`), in bytes.
const MAX_ID_LENGTH: usize = 1_000;

/// The longest fairness key, in bytes (`priorities.fairnessKeyMaxLength`).
const MAX_FAIRNESS_KEY_LENGTH: usize = 64;

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

/// How names of internal task queues begin, which nobody may use.
const RESERVED_QUEUE_PREFIX: &str = "/_sys/";

/// How names of the queues begin that belong to Temporal's own workers.
const INTERNAL_QUEUE_PREFIX: &str = "temporal-sys-per-ns-tq";

/// Fills in and checks the options that a command or a request came with (`activity.validateAndNormalizeActivityAttributes`).
///
/// `run_timeout` is the workflow's own limit, zero if it has none or there is no workflow.
pub(crate) fn normalize(
    activity_id: &str,
    activity_type: &str,
    options: &mut ActivityOptions,
    run_timeout: Duration,
    workflow_task_queue: &str,
) -> Result<(), Reject> {
    normalize_task_queue(options.task_queue.as_mut(), workflow_task_queue)?;
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
    check_length("activityId", activity_id)?;
    check_length("activityType", activity_type)?;
    validate_priority(options.priority.as_ref())
        .map_err(|reject| Reject::InvalidArgument(format!("invalid priorities: {}", reject.message())))?;
    normalize_timeouts(activity_id, activity_type, options, run_timeout)
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

/// Refuses a task queue that users can't have, and makes the others normal ones (`tqid.NormalizeAndValidateUserDefined`).
pub(crate) fn normalize_task_queue(queue: Option<&mut TaskQueue>, workflow_task_queue: &str) -> Result<(), Reject> {
    let Some(queue) = queue else {
        return invalid("taskQueue is not set");
    };
    if queue.kind == TaskQueueKind::Unspecified as i32 {
        queue.kind = TaskQueueKind::Normal as i32;
    }
    if queue.name.is_empty() {
        return invalid("missing task queue name");
    }
    if queue.name.len() > MAX_ID_LENGTH {
        return invalid("taskQueue length exceeds limit");
    }
    if queue.name.starts_with(RESERVED_QUEUE_PREFIX) {
        return invalid(format!(
            "task queue name cannot start with reserved prefix {RESERVED_QUEUE_PREFIX}"
        ));
    }
    let is_internal = |name: &str| name.starts_with(INTERNAL_QUEUE_PREFIX);
    if is_internal(&queue.name) && !is_internal(workflow_task_queue) {
        let parent = match workflow_task_queue.is_empty() {
            true => String::new(),
            false => format!(" (in parent component task queue: {workflow_task_queue})"),
        };
        return invalid(format!(
            "cannot use internal per-namespace task queue:{}{parent}",
            queue.name
        ));
    }
    Ok(())
}

/// Refuses a priority that Temporal can't work with (`priorities.Validate`).
pub(crate) fn validate_priority(priority: Option<&Priority>) -> Result<(), Reject> {
    let Some(priority) = priority else {
        return Ok(());
    };
    if priority.priority_key < 0 {
        return invalid("priority key can't be negative");
    }
    if priority.fairness_key.len() > MAX_FAIRNESS_KEY_LENGTH {
        return invalid("fairness key length exceeds limit");
    }
    if priority.fairness_weight < 0.0 {
        return invalid("must be greater than zero");
    }
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

fn check_length(field: &str, value: &str) -> Result<(), Reject> {
    match value.len() > MAX_ID_LENGTH {
        true => invalid(format!(
            "{field} exceeds length limit. Length={} Limit={MAX_ID_LENGTH}",
            value.len()
        )),
        false => Ok(()),
    }
}

fn invalid<T>(why: impl Into<String>) -> Result<T, Reject> {
    Err(Reject::InvalidArgument(why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use temporalio_protos::temporal::api::common::v1::RetryPolicy;

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
        let refusal = normalize("7", "work", &mut options, Duration::ZERO, "q").unwrap_err();
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
        normalize("7", "work", &mut options, Duration::ZERO, "q").unwrap();
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
        let refusal = normalize("7", "work", &mut options, Duration::ZERO, "q").unwrap_err();
        assert_eq!(refusal.message(), "invalid HeartbeatTimeout: negative duration");
        options.heartbeat_timeout = None;
        options.start_to_close_timeout = Some(prost_types::Duration {
            seconds: i64::MAX,
            nanos: 5,
        });
        normalize("7", "work", &mut options, Duration::ZERO, "q").unwrap();
        assert_eq!(
            options.start_to_close_timeout,
            seconds(MAX_DURATION_SECONDS.unsigned_abs())
        );
    }

    #[test]
    fn internal_queues_are_for_internal_workflows_only() {
        let refusal = |name: &str, parent: &str| normalize_task_queue(queue(name).as_mut(), parent);
        assert_eq!(
            refusal("/_sys/q/1", "").unwrap_err().message(),
            "task queue name cannot start with reserved prefix /_sys/"
        );
        assert_eq!(
            refusal("temporal-sys-per-ns-tq", "q").unwrap_err().message(),
            "cannot use internal per-namespace task queue:temporal-sys-per-ns-tq (in parent component task queue: q)"
        );
        assert_eq!(refusal("temporal-sys-per-ns-tq", "temporal-sys-per-ns-tq"), Ok(()));
        assert_eq!(refusal("", "q").unwrap_err().message(), "missing task queue name");
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
