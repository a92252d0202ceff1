//! What the task queues may be called that clients and workers name.

use temporalio_protos::temporal::api::enums::v1::TaskQueueKind;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;

use super::config::DynamicConfig;
use super::reject::Reject;

/// How names begin of what a server divides its queues into.
pub(crate) const PARTITION_PREFIX: &str = "/_sys/";

/// How names of the queues begin that belong to Temporal's own workers.
const INTERNAL_PREFIX: &str = "temporal-sys-per-ns-";

/// Another one of those.
const INTERNAL_CONTROLLER: &str = "temporal-sys-worker-controller-per-ns-tq";

/// Refuses what can't be a queue, makes those of no kind normal ones, and gives it (`tqid.NormalizeAndValidate`).
pub(crate) fn normalize<'a>(
    config: &DynamicConfig,
    queue: Option<&'a mut TaskQueue>,
) -> Result<&'a mut TaskQueue, Reject> {
    let queue = normalize_partition(config, queue)?;
    check_prefix(&queue.name)?;
    Ok(queue)
}

/// As [`normalize`], of what may be a partition of a queue (`tqid.NormalizeAndValidatePartition`).
pub(crate) fn normalize_partition<'a>(
    config: &DynamicConfig,
    queue: Option<&'a mut TaskQueue>,
) -> Result<&'a mut TaskQueue, Reject> {
    let Some(queue) = queue else {
        return invalid("taskQueue is not set");
    };
    if queue.kind == TaskQueueKind::Unspecified as i32 {
        queue.kind = TaskQueueKind::Normal as i32;
    }
    if queue.name.is_empty() {
        return invalid("missing task queue name");
    }
    let has_long_normal_name = queue.kind == TaskQueueKind::Sticky as i32 && config.is_too_long(&queue.normal_name);
    match config.is_too_long(&queue.name) || has_long_normal_name {
        true => invalid("taskQueue length exceeds limit"),
        false => Ok(queue),
    }
}

/// As [`normalize`], of a queue that isn't one of Temporal's own. Only what is on such a queue itself may name another;
/// `parent` is that queue, if there is one (`tqid.NormalizeAndValidateUserDefined`).
pub(crate) fn normalize_user_defined(
    config: &DynamicConfig,
    queue: Option<&mut TaskQueue>,
    parent: &str,
) -> Result<(), Reject> {
    let name = &normalize(config, queue)?.name;
    if !is_internal(name) || is_internal(parent) {
        return Ok(());
    }
    let parent = match parent.is_empty() {
        true => String::new(),
        false => format!(" (in parent component task queue: {parent})"),
    };
    invalid(format!("cannot use internal per-namespace task queue:{name}{parent}"))
}

/// The queue that a command asks for; what it doesn't say is as in the workflow that it is of.
pub(crate) fn or_own(asked: Option<&TaskQueue>, own: &str) -> TaskQueue {
    let mut queue = asked.cloned().unwrap_or_default();
    if queue.kind == TaskQueueKind::Unspecified as i32 {
        queue.kind = TaskQueueKind::Normal as i32;
    }
    if queue.name.is_empty() {
        own.clone_into(&mut queue.name);
    }
    queue
}

/// A task queue as Go's text of a protobuf message has it. (Go doubles some of the blanks, the same ones in all texts of one build of a
/// program. The recorded build doubles none.)
pub(crate) fn as_go_prints(queue: &TaskQueue) -> String {
    let mut fields = vec![format!("name:{:?}", queue.name)];
    fields.push(match TaskQueueKind::try_from(queue.kind) {
        Ok(kind) => format!("kind:{}", kind.as_str_name()),
        Err(_) => format!("kind:{}", queue.kind),
    });
    if !queue.normal_name.is_empty() {
        fields.push(format!("normal_name:{:?}", queue.normal_name));
    }
    fields.join(" ")
}

/// Refuses a name that no queue can have (`tqid.Validate`).
pub(crate) fn check(config: &DynamicConfig, name: &str) -> Result<(), Reject> {
    if name.is_empty() {
        return invalid("taskQueue is not set");
    }
    if config.is_too_long(name) {
        return invalid("taskQueue length exceeds limit");
    }
    check_prefix(name)
}

fn check_prefix(name: &str) -> Result<(), Reject> {
    match name.starts_with(PARTITION_PREFIX) {
        true => invalid(format!(
            "task queue name cannot start with reserved prefix {PARTITION_PREFIX}"
        )),
        false => Ok(()),
    }
}

fn is_internal(name: &str) -> bool {
    name.starts_with(INTERNAL_PREFIX) || name == INTERNAL_CONTROLLER
}

fn invalid<T>(why: impl Into<String>) -> Result<T, Reject> {
    Err(Reject::InvalidArgument(why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_queues_are_for_internal_workflows_only() {
        let refusal = |name: &str, parent: &str| {
            let mut queue = TaskQueue {
                name: name.to_owned(),
                ..Default::default()
            };
            let normalized = normalize_user_defined(&DynamicConfig::default(), Some(&mut queue), parent);
            normalized.err().map(|reject| reject.message()).unwrap_or_default()
        };
        assert_eq!(
            refusal("/_sys/q/1", ""),
            "task queue name cannot start with reserved prefix /_sys/"
        );
        assert_eq!(
            refusal("temporal-sys-per-ns-tq", "q"),
            "cannot use internal per-namespace task queue:temporal-sys-per-ns-tq (in parent component task queue: q)"
        );
        assert_eq!(refusal("temporal-sys-per-ns-tq", "temporal-sys-per-ns-tq"), "");
        assert_eq!(refusal("temporal-sys-per-nsx", ""), "");
        assert_eq!(refusal("", "q"), "missing task queue name");
    }
}
