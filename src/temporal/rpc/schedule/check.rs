//! What Temporal asks of a schedule before it takes it.

use temporalio_protos::temporal::api::enums::v1::{TaskQueueKind, WorkflowIdReusePolicy as Reuse};
use temporalio_protos::temporal::api::schedule::v1::schedule_action::Action;
use temporalio_protos::temporal::api::schedule::v1::{Schedule, ScheduleSpec};
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;

use crate::temporal::config::DynamicConfig;
use crate::temporal::engine::Namespace;
use crate::temporal::reject::Reject;
use crate::temporal::rpc::MAX_ID_LENGTH;
use crate::temporal::schedule::{Definition, Spec};

/// What is appended to the id of a workflow, for its length.
const APPENDED_TIMESTAMP: &str = "-2009-11-10T23:00:00Z";

/// The longest timeout that the server keeps, in seconds: 100 years.
const MAX_TIMEOUT_SECONDS: i64 = 100 * 365 * 86_400;

/// Task queues of the server itself.
const RESERVED_QUEUE_PREFIX: &str = "/_sys/";
const INTERNAL_QUEUE: &str = "temporal-sys-per-ns-tq";

pub(super) fn workflow_id(id: &str) -> Result<(), Reject> {
    match id.len() > MAX_ID_LENGTH {
        true => invalid(format!(
            "WorkflowId exceeds maximum allowed length ({}/{MAX_ID_LENGTH})",
            id.len()
        )),
        false => Ok(()),
    }
}

pub(super) fn request_id(id: &str) -> Result<(), Reject> {
    match id.len() > MAX_ID_LENGTH {
        true => invalid("RequestId length exceeds limit."),
        false => Ok(()),
    }
}

pub(super) fn blob_size(config: &DynamicConfig, bytes: usize) -> Result<(), Reject> {
    match bytes > config.blob_limit() {
        true => invalid("Blob data size exceeds limit."),
        false => Ok(()),
    }
}

pub(super) fn spec(spec: Option<ScheduleSpec>) -> Result<Spec, Reject> {
    Spec::new(spec.unwrap_or_default()).map_err(|why| Reject::InvalidArgument(format!("Invalid schedule spec: {why}")))
}

pub(super) fn definition(spec: Spec, schedule: Schedule) -> Definition {
    Definition {
        spec,
        action: schedule.action.unwrap_or_default(),
        policies: schedule.policies.unwrap_or_default(),
        state: schedule.state.unwrap_or_default(),
    }
}

/// The workflow to start, if there is one; its defaults are filled in.
pub(super) fn workflow(config: &DynamicConfig, namespace: &Namespace, schedule: &mut Schedule) -> Result<(), Reject> {
    let action = schedule.action.as_mut().and_then(|action| action.action.as_mut());
    let Some(Action::StartWorkflow(workflow)) = action else {
        return Ok(());
    };
    workflow_id(&format!("{}{APPENDED_TIMESTAMP}", workflow.workflow_id))?;
    workflow_type(workflow)?;
    task_queue(workflow.task_queue.as_mut())?;
    timeouts(workflow)?;
    if !workflow.cron_schedule.is_empty() {
        return invalid("Scheduled workflow must not contain CronSchedule");
    }
    let reuse = [Reuse::Unspecified as i32, Reuse::AllowDuplicate as i32];
    if !reuse.contains(&workflow.workflow_id_reuse_policy) {
        return invalid("Scheduled workflow must not contain WorkflowIDReusePolicy");
    }
    namespace.check_search_attributes(config, workflow.search_attributes.as_mut())
}

fn workflow_type(workflow: &NewWorkflowExecutionInfo) -> Result<(), Reject> {
    let name = workflow.workflow_type.as_ref().map_or("", |it| &it.name);
    match name.len() {
        0 => invalid("WorkflowType is not set on request."),
        length if length > MAX_ID_LENGTH => invalid("WorkflowType length exceeds limit."),
        _ => Ok(()),
    }
}

fn task_queue(queue: Option<&mut TaskQueue>) -> Result<(), Reject> {
    let Some(queue) = queue else {
        return invalid("taskQueue is not set");
    };
    if queue.kind == TaskQueueKind::Unspecified as i32 {
        queue.kind = TaskQueueKind::Normal as i32;
    }
    if queue.name.is_empty() {
        return invalid("missing task queue name");
    }
    let is_sticky = queue.kind == TaskQueueKind::Sticky as i32;
    if queue.name.len() > MAX_ID_LENGTH || (is_sticky && queue.normal_name.len() > MAX_ID_LENGTH) {
        return invalid("taskQueue length exceeds limit");
    }
    if queue.name.starts_with(RESERVED_QUEUE_PREFIX) {
        return invalid(format!(
            "task queue name cannot start with reserved prefix {RESERVED_QUEUE_PREFIX}"
        ));
    }
    if queue.name == INTERNAL_QUEUE {
        return invalid(format!("cannot use internal per-namespace task queue:{INTERNAL_QUEUE}"));
    }
    Ok(())
}

fn timeouts(workflow: &mut NewWorkflowExecutionInfo) -> Result<(), Reject> {
    let fields = [
        ("WorkflowExecutionTimeout", &mut workflow.workflow_execution_timeout),
        ("WorkflowRunTimeout", &mut workflow.workflow_run_timeout),
        ("WorkflowTaskTimeout", &mut workflow.workflow_task_timeout),
    ];
    for (field, timeout) in fields {
        let Some(timeout) = timeout else {
            continue;
        };
        let signs_differ = timeout.seconds.signum() * i64::from(timeout.nanos.signum()) < 0;
        let cause = match () {
            () if signs_differ => "duration has seconds and nanos with different signs",
            () if timeout.seconds < 0 || timeout.nanos < 0 => "negative duration",
            () => "",
        };
        if !cause.is_empty() {
            return invalid(format!("An invalid {field}Seconds is set on request. cause: {cause}"));
        }
        if timeout.seconds >= MAX_TIMEOUT_SECONDS {
            (timeout.seconds, timeout.nanos) = (MAX_TIMEOUT_SECONDS, 0);
        }
    }
    Ok(())
}

fn invalid<T>(why: impl Into<String>) -> Result<T, Reject> {
    Err(Reject::InvalidArgument(why.into()))
}
