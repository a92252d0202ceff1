//! The command `ContinueAsNewWorkflowExecution`, held against the run that goes on
//! (`api.CommandAttrValidator.ValidateContinueAsNewWorkflowExecutionAttributes`).

use temporalio_protos::temporal::api::command::v1 as wire;
use temporalio_protos::temporal::api::enums::v1::WorkflowTaskFailedCause as Cause;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;

use super::BadCommand;
use super::parse::broken;
use crate::temporal::config::DynamicConfig;
use crate::temporal::run::StartRun;
use crate::temporal::{queue_name, retry};

/// Refuses what no run can go on as.
pub(super) fn check(
    command: &wire::ContinueAsNewWorkflowExecutionCommandAttributes,
    run: &StartRun,
    config: &DynamicConfig,
) -> Result<(), BadCommand> {
    let bad = |why: String| Err(BadCommand::new(Cause::BadContinueAsNewAttributes, why));
    let (workflow_type, mut queue) = (workflow_type(command, run), task_queue(command, run));
    let limit = config.id_bytes;
    if workflow_type.len() > limit {
        return bad(format!(
            "WorkflowType on ContinueAsNewWorkflowExecutionCommand exceeds length limit. WorkflowType={workflow_type} \
             Length={} Limit={limit}",
            workflow_type.len()
        ));
    }
    let normalized = queue_name::normalize_user_defined(config, Some(&mut queue), &run.task_queue);
    let of = format!(
        "WorkflowType={workflow_type} TaskQueue={}",
        queue_name::as_go_prints(&queue)
    );
    if let Err(reject) = normalized {
        return bad(format!(
            "error validating ContinueAsNewWorkflowExecutionCommand TaskQueue: {}. {of}",
            reject.message()
        ));
    }
    for (field, value) in [
        ("WorkflowRunTimeout", &command.workflow_run_timeout),
        ("WorkflowTaskTimeout", &command.workflow_task_timeout),
        ("BackoffStartInterval", &command.backoff_start_interval),
    ] {
        if let Some(why) = broken(value.as_ref()) {
            return bad(format!(
                "Invalid {field} on ContinueAsNewWorkflowExecutionCommand: {why}. {of}"
            ));
        }
    }
    if let Some(Err(reject)) = command.retry_policy.as_ref().map(retry::validate) {
        return bad(format!(
            "invalid WorkflowRetryPolicy on ContinueAsNewWorkflowExecutionCommand: {}. {of}",
            reject.message()
        ));
    }
    // The cron string isn't looked at.
    Ok(())
}

/// Who a complaint about the command is about: the type and the queue of the run that was to be.
pub(super) fn subject(command: &wire::ContinueAsNewWorkflowExecutionCommandAttributes, run: &StartRun) -> String {
    let queue = queue_name::as_go_prints(&task_queue(command, run));
    format!("WorkflowType={} TaskQueue={queue}", workflow_type(command, run))
}

fn workflow_type<'a>(command: &'a wire::ContinueAsNewWorkflowExecutionCommandAttributes, run: &'a StartRun) -> &'a str {
    let asked = command.workflow_type.as_ref().map(|it| it.name.as_str());
    asked.filter(|name| !name.is_empty()).unwrap_or(&run.workflow_type)
}

/// What isn't said is as in the run that goes on.
fn task_queue(command: &wire::ContinueAsNewWorkflowExecutionCommandAttributes, run: &StartRun) -> TaskQueue {
    queue_name::or_own(command.task_queue.as_ref(), &run.task_queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> StartRun {
        StartRun {
            workflow_type: "old type".to_owned(),
            task_queue: "old queue".to_owned(),
            ..Default::default()
        }
    }

    fn complaint(change: impl FnOnce(&mut wire::ContinueAsNewWorkflowExecutionCommandAttributes)) -> String {
        let mut command = wire::ContinueAsNewWorkflowExecutionCommandAttributes::default();
        change(&mut command);
        let bad = check(&command, &run(), &DynamicConfig::default()).unwrap_err();
        assert_eq!(bad.cause, Cause::BadContinueAsNewAttributes);
        bad.message
    }

    #[test]
    fn each_field_is_refused_with_the_words_for_it() {
        let minus = Some(prost_types::Duration { seconds: -1, nanos: 0 });
        const OF_OLD: &str = "WorkflowType=old type TaskQueue=name:\"old queue\" kind:TASK_QUEUE_KIND_NORMAL";
        assert_eq!(
            complaint(|it| it.workflow_task_timeout = minus),
            format!(
                "BadContinueAsNewAttributes: Invalid WorkflowTaskTimeout on ContinueAsNewWorkflowExecutionCommand: negative \
                 duration. {OF_OLD}"
            )
        );
        assert!(complaint(|it| it.backoff_start_interval = minus).contains("Invalid BackoffStartInterval on"));
        let reserved = complaint(|it| {
            it.workflow_type = Some("new type".to_owned().into());
            it.task_queue = Some(TaskQueue {
                name: "/_sys/x".to_owned(),
                ..Default::default()
            });
        });
        assert_eq!(
            reserved,
            "BadContinueAsNewAttributes: error validating ContinueAsNewWorkflowExecutionCommand TaskQueue: task queue \
             name cannot start with reserved prefix /_sys/. WorkflowType=new type TaskQueue=name:\"/_sys/x\" \
             kind:TASK_QUEUE_KIND_NORMAL"
        );
        let long = "x".repeat(1_001);
        let too_long = complaint(|it| it.workflow_type = Some(long.into()));
        assert!(too_long.ends_with("Length=1001 Limit=1000"), "{too_long}");
        let policy = complaint(|it| {
            it.retry_policy = Some(temporalio_protos::temporal::api::common::v1::RetryPolicy {
                backoff_coefficient: 0.5,
                ..Default::default()
            });
        });
        assert!(policy.ends_with(OF_OLD), "{policy}");
    }

    #[test]
    fn what_is_not_said_is_taken_from_the_run() {
        assert_eq!(check(&Default::default(), &run(), &DynamicConfig::default()), Ok(()));
    }
}
