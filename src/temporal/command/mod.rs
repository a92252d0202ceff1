//! What a worker asks for when it answers a workflow task: parsed, checked as a batch, then applied.
//!
//! [`parse`] turns the wire's commands and messages into [`Command`]s; [`check`] holds the whole batch against the
//! run before anything is changed; [`apply`] then can't fail.

mod apply;
mod check;
mod continue_as_new;
mod nexus;
mod parse;
mod search_attributes;
mod sequence;
mod size;
mod updates;

use temporalio_protos::temporal::api::command::v1 as wire;
use temporalio_protos::temporal::api::common::v1 as common;
use temporalio_protos::temporal::api::enums::v1::WorkflowTaskFailedCause as Cause;
use temporalio_protos::temporal::api::failure::v1::Failure;
use temporalio_protos::temporal::api::history::v1 as history;
use temporalio_protos::temporal::api::sdk::v1::{EventGroupMarker, UserMetadata};
use temporalio_protos::temporal::api::update::v1 as update;

pub(crate) use check::check;
pub(crate) use parse::{Limits, check_namespaces, parse};
pub(crate) use search_attributes::check_search_attributes;
pub(crate) use sequence::check_sequence;

/// A command, and what the worker attached to it.
#[derive(Clone, Debug)]
pub(crate) struct Annotated {
    pub(crate) command: Command,
    pub(crate) annotation: Annotation,
}

/// What the event of any command carries beside the command's own attributes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Annotation {
    pub(crate) user_metadata: Option<UserMetadata>,
    pub(crate) event_group_markers: Vec<EventGroupMarker>,
}

/// One thing that a workflow asks for.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    ScheduleActivity(Box<ScheduleActivity>),
    RequestCancelActivity {
        scheduled_event_id: i64,
    },
    StartTimer {
        timer_id: String,
        duration: std::time::Duration,
    },
    CancelTimer {
        timer_id: String,
    },
    RecordMarker(Box<wire::RecordMarkerCommandAttributes>),
    StartChild(Box<wire::StartChildWorkflowExecutionCommandAttributes>),
    SignalExternal(Box<wire::SignalExternalWorkflowExecutionCommandAttributes>),
    CancelExternal(Box<wire::RequestCancelExternalWorkflowExecutionCommandAttributes>),
    ScheduleNexusOperation(Box<history::NexusOperationScheduledEventAttributes>),
    CancelNexusOperation {
        scheduled_event_id: i64,
    },
    UpsertSearchAttributes(common::SearchAttributes),
    ModifyMemo(common::Memo),
    AcceptUpdate(String, Box<update::Acceptance>),
    RejectUpdate(String, Box<update::Rejection>),
    CompleteUpdate(String, Box<update::Response>),
    Close(Close),
}

/// An activity that a workflow asks for.
#[derive(Clone, Debug)]
pub(crate) struct ScheduleActivity {
    pub(crate) attributes: history::ActivityTaskScheduledEventAttributes,
    /// The worker of this workflow task would take it at once.
    pub(crate) request_eager: bool,
}

/// How a workflow ends itself.
#[derive(Clone, Debug)]
pub(crate) enum Close {
    Complete(Option<common::Payloads>),
    Fail(Box<Failure>),
    Cancel(Option<common::Payloads>),
    ContinueAsNew(Box<wire::ContinueAsNewWorkflowExecutionCommandAttributes>),
}

/// Why a batch of commands can't be carried out: the workflow task fails with this.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BadCommand {
    pub(crate) cause: Cause,
    pub(crate) message: String,
    /// There is no point in another task: the workflow is terminated.
    pub(crate) terminates_workflow: bool,
}

impl BadCommand {
    fn new(cause: Cause, why: impl std::fmt::Display) -> Self {
        Self {
            cause,
            message: format!("{}: {why}", cause_name(cause)),
            terminates_workflow: false,
        }
    }

    /// As [`Self::new`], of what is too large: the workflow is terminated.
    fn too_large(cause: Cause, why: impl std::fmt::Display) -> Self {
        Self {
            terminates_workflow: true,
            ..Self::new(cause, why)
        }
    }

    /// The pages of the answer are too large together.
    pub(crate) fn too_many_pages() -> Self {
        let why = "workflow task completion buffer size exceeds the per-workflow limit";
        Self::too_large(Cause::RequestTooLarge, why)
    }

    /// The workflow wants to close, but there is news that it hasn't seen.
    fn unhandled_command() -> Self {
        Self {
            cause: Cause::UnhandledCommand,
            message: cause_name(Cause::UnhandledCommand),
            terminates_workflow: false,
        }
    }
}

/// `WORKFLOW_TASK_FAILED_CAUSE_BAD_SIGNAL` as Temporal's texts write it: `BadSignal`.
fn cause_name(cause: Cause) -> String {
    camel_case(cause.as_str_name().trim_start_matches("WORKFLOW_TASK_FAILED_CAUSE_"))
}

/// `BAD_SIGNAL` as Go writes the names of enums' values: `BadSignal`.
fn camel_case(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            format!("{first}{}", rest.to_lowercase())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_named_as_temporal_names_them() {
        assert_eq!(cause_name(Cause::UnhandledCommand), "UnhandledCommand");
        assert_eq!(
            cause_name(Cause::BadScheduleActivityAttributes),
            "BadScheduleActivityAttributes"
        );
    }
}
