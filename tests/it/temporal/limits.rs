//! Limits as a real server has them by default, and what a run leaves behind that one of them has ended. The texts are held to the
//! real server's in tests/conformance/shapes/limits.rs.

use std::time::Duration;

use serde_json::json;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Do;
use temporalio_common::protos::temporal::api::command::v1::{Command, RecordMarkerCommandAttributes};
use temporalio_common::protos::temporal::api::enums::v1::WorkflowExecutionStatus as Status;
use temporalio_common::protos::temporal::api::update::v1 as update;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::raw::{Raw, command, complete_workflow, execution, timer};

fn marker() -> Command {
    command(Do::RecordMarkerCommandAttributes(RecordMarkerCommandAttributes {
        marker_name: "m".to_owned(),
        ..Default::default()
    }))
}

fn status(raw: &mut Raw, id: &str) -> Status {
    raw.describe(id).workflow_execution_info.unwrap_or_default().status()
}

fn with(settings: &[(&str, i64)]) -> Raw {
    let mut raw = Raw::new();
    for (name, value) in settings {
        raw.engine.set_dynamic_config(name, &json!(value)).unwrap();
    }
    raw
}

#[test]
fn a_history_may_have_51200_events_and_not_one_more() {
    let mut raw = Raw::new();
    raw.start("full", |_| {});
    // The first four are those of the start and of the task.
    raw.work(vec![marker(); 51_200 - 4]);
    assert_eq!(raw.events("full").len(), 51_200);
    assert_eq!(status(&mut raw, "full"), Status::Running);
    let request = wire::SignalWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("full"),
        signal_name: "one more".to_owned(),
        ..Default::default()
    };
    let refused = raw
        .call::<wire::SignalWorkflowExecutionResponse>("SignalWorkflowExecution", &request)
        .unwrap_err();
    assert_eq!(refused.message(), "Workflow history count exceeds limit.");
    assert_eq!(status(&mut raw, "full"), Status::Terminated);

    raw.start("fuller", |_| {});
    let task = raw.poll().unwrap();
    let refused = raw.complete(&task, vec![marker(); 51_200 - 3]).unwrap_err();
    assert_eq!(refused.message(), "Workflow history count exceeds limit.");
    assert_eq!(
        raw.types("fuller"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "WORKFLOW_TASK_SCHEDULED",
            "WORKFLOW_TASK_STARTED",
            "WORKFLOW_TASK_FAILED",
            "WORKFLOW_EXECUTION_TERMINATED",
        ]
    );
}

#[test]
fn a_worker_is_told_to_continue_as_new_from_4096_events_on() {
    let mut raw = Raw::new();
    raw.start("long", |_| {});
    // The next task starts with event 4,095; then with 4,098.
    raw.work(vec![marker(); 4_095 - 2 - 1 - 4]);
    raw.signal("long");
    for suggested in [false, true] {
        raw.work(vec![]);
        let events = raw.events("long");
        // The last one but the task's completion.
        let started = format!("{:?}", events[events.len() - 2].attributes);
        assert_eq!(
            started.contains("suggest_continue_as_new: true"),
            suggested,
            "{started}"
        );
        raw.signal("long");
    }
}

#[test]
fn a_timer_ends_a_run_that_is_too_large_and_who_waits_hears_of_it() {
    let mut raw = with(&[("limit.historyCount.error", 6)]);
    raw.start("parent", |_| {});
    raw.work(vec![timer("1", 10)]);
    let request = wire::UpdateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("parent"),
        request: Some(update::Request {
            meta: Some(update::Meta {
                update_id: "u".to_owned(),
                ..Default::default()
            }),
            input: Some(update::Input {
                name: "ask".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let waiting = raw.ask("UpdateWorkflowExecution", &request);
    raw.advance(Duration::from_secs(20));
    let refused = raw
        .answer::<wire::UpdateWorkflowExecutionResponse>(waiting)
        .expect("it is answered")
        .unwrap_err();
    assert_eq!(refused.message(), "workflow update was aborted by closing workflow");
    assert_eq!(status(&mut raw, "parent"), Status::Terminated);
    assert_eq!(raw.events("parent").len(), 6, "{:?}", raw.types("parent"));
    assert_eq!(raw.engine.poll_timeout(), None);
}

#[test]
fn a_run_may_always_end() {
    let mut raw = with(&[("limit.historyCount.error", 3), ("limit.historySize.error", 1)]);
    raw.start("short", |_| {});
    let task = raw.poll();
    assert!(task.is_none(), "a history of {} events is too large to go on", 3);
    assert_eq!(status(&mut raw, "short"), Status::Terminated);

    let mut raw = with(&[("limit.historyCount.error", 3)]);
    raw.start("short", |_| {});
    raw.work(vec![marker(), complete_workflow()]);
    assert_eq!(status(&mut raw, "short"), Status::Completed);
}

#[test]
fn an_event_too_many_during_a_workflow_task_fails_it() {
    let mut raw = Raw::new();
    raw.start("busy", |_| {});
    let task = raw.poll().unwrap();
    for _ in 0..101 {
        raw.signal("busy");
    }
    let refused = raw.complete(&task, vec![]).unwrap_err();
    assert_eq!(refused.message(), "Workflow task not found.");
    let again = raw.poll().unwrap();
    assert_eq!(again.attempt, 2);
    raw.complete(&again, vec![complete_workflow()]).unwrap();
    assert_eq!(status(&mut raw, "busy"), Status::Completed);
}
