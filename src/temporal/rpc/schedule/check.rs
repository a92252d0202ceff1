//! What Temporal asks of a schedule before it takes it.

use temporalio_protos::temporal::api::enums::v1::WorkflowIdReusePolicy as Reuse;
use temporalio_protos::temporal::api::schedule::v1::schedule_action::Action;
use temporalio_protos::temporal::api::schedule::v1::{Schedule, ScheduleSpec};
use temporalio_protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;

use crate::temporal::config::DynamicConfig;
use crate::temporal::engine::Namespace;
use crate::temporal::queue_name;
use crate::temporal::reject::Reject;
use crate::temporal::schedule::{Definition, Spec};

/// What is appended to the id of a workflow, for its length.
const APPENDED_TIMESTAMP: &str = "-2009-11-10T23:00:00Z";

/// The longest timeout that the server keeps, in seconds: 100 years.
const MAX_TIMEOUT_SECONDS: i64 = 100 * 365 * 86_400;

pub(super) fn workflow_id(config: &DynamicConfig, id: &str) -> Result<(), Reject> {
    match config.is_too_long(id) {
        true => invalid(format!(
            "WorkflowId exceeds maximum allowed length ({}/{})",
            id.len(),
            config.id_bytes
        )),
        false => Ok(()),
    }
}

pub(super) fn request_id(config: &DynamicConfig, id: &str) -> Result<(), Reject> {
    match config.is_too_long(id) {
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
    workflow_id(config, &format!("{}{APPENDED_TIMESTAMP}", workflow.workflow_id))?;
    workflow_type(config, workflow)?;
    queue_name::normalize_user_defined(config, workflow.task_queue.as_mut(), "")?;
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

fn workflow_type(config: &DynamicConfig, workflow: &NewWorkflowExecutionInfo) -> Result<(), Reject> {
    let name = workflow.workflow_type.as_ref().map_or("", |it| &it.name);
    match name {
        "" => invalid("WorkflowType is not set on request."),
        name if config.is_too_long(name) => invalid("WorkflowType length exceeds limit."),
        _ => Ok(()),
    }
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
