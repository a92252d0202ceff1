//! A plain command of each kind.

use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::command::v1::{Command, ScheduleActivityTaskCommandAttributes};
use temporalio_common::protos::temporal::api::common::v1::ActivityType;
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;

use crate::conformance::stage::{command, seconds};

/// An activity on this queue.
pub(super) fn activity_on(queue: &str) -> Command {
    let attributes = ScheduleActivityTaskCommandAttributes {
        activity_id: "a".to_owned(),
        activity_type: Some(ActivityType { name: "t".to_owned() }),
        task_queue: Some(TaskQueue {
            name: queue.to_owned(),
            kind: 1,
            ..Default::default()
        }),
        start_to_close_timeout: seconds(60),
        ..Default::default()
    };
    command(
        CommandType::ScheduleActivityTask,
        Does::ScheduleActivityTaskCommandAttributes(attributes),
    )
}

/// The commands, as JSON. `#` is a number that no other one has.
pub(super) const ALL: &[(&str, &str)] = &[
    (
        "ScheduleActivityTask",
        r#"{"commandType": "COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK", "scheduleActivityTaskCommandAttributes":
            {"activityId": "a", "activityType": {"name": "t"}, "taskQueue": {"name": "elsewhere"}, "startToCloseTimeout": "60s"}}"#,
    ),
    (
        "StartTimer",
        r#"{"commandType": "COMMAND_TYPE_START_TIMER", "startTimerCommandAttributes":
            {"timerId": "t", "startToFireTimeout": "60s"}}"#,
    ),
    (
        "CompleteWorkflowExecution",
        r#"{"commandType": "COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION", "completeWorkflowExecutionCommandAttributes": {}}"#,
    ),
    (
        "FailWorkflowExecution",
        r#"{"commandType": "COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION", "failWorkflowExecutionCommandAttributes":
            {"failure": {"message": "f"}}}"#,
    ),
    (
        "CancelTimer",
        r#"{"commandType": "COMMAND_TYPE_CANCEL_TIMER", "cancelTimerCommandAttributes": {"timerId": "t"}}"#,
    ),
    (
        "CancelWorkflowExecution",
        r#"{"commandType": "COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION", "cancelWorkflowExecutionCommandAttributes": {}}"#,
    ),
    (
        "RequestCancelExternalWorkflowExecution",
        r#"{"commandType": "COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION",
            "requestCancelExternalWorkflowExecutionCommandAttributes": {"namespace": "default", "workflowId": "absent"}}"#,
    ),
    (
        "RecordMarker",
        r#"{"commandType": "COMMAND_TYPE_RECORD_MARKER", "recordMarkerCommandAttributes": {"markerName": "m"}}"#,
    ),
    (
        "ContinueAsNewWorkflowExecution",
        r#"{"commandType": "COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION",
            "continueAsNewWorkflowExecutionCommandAttributes":
            {"workflowType": {"name": "t"}, "taskQueue": {"name": "elsewhere"}, "backoffStartInterval": "3600s"}}"#,
    ),
    (
        "StartChildWorkflowExecution",
        r#"{"commandType": "COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION", "startChildWorkflowExecutionCommandAttributes":
            {"namespace": "default", "workflowId": "child-#", "workflowType": {"name": "t"},
             "taskQueue": {"name": "elsewhere"}}}"#,
    ),
    (
        "SignalExternalWorkflowExecution",
        r#"{"commandType": "COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION",
            "signalExternalWorkflowExecutionCommandAttributes":
            {"namespace": "default", "execution": {"workflowId": "absent"}, "signalName": "s"}}"#,
    ),
    (
        "UpsertWorkflowSearchAttributes",
        r#"{"commandType": "COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
            "upsertWorkflowSearchAttributesCommandAttributes": {"searchAttributes": {}}}"#,
    ),
    (
        "ProtocolMessage",
        r#"{"commandType": "COMMAND_TYPE_PROTOCOL_MESSAGE", "protocolMessageCommandAttributes": {"messageId": "m"}}"#,
    ),
    (
        "ModifyWorkflowProperties",
        r#"{"commandType": "COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES", "modifyWorkflowPropertiesCommandAttributes":
            {"upsertedMemo": {}}}"#,
    ),
    (
        "ScheduleNexusOperation",
        r#"{"commandType": "COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION", "scheduleNexusOperationCommandAttributes":
            {"endpoint": "there", "service": "s", "operation": "o"}}"#,
    ),
];
