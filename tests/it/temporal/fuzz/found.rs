//! What random requests have found, each by its name.

use awaithumans_testkit::{Call, Timestamp};
use prost::Message;
use temporalio_common::protos::temporal::api::common::v1::{Payloads, WorkflowExecution, WorkflowType};
use temporalio_common::protos::temporal::api::enums::v1::{
    WorkflowExecutionStatus as Status, WorkflowIdConflictPolicy,
};
use temporalio_common::protos::temporal::api::operatorservice::v1::DeleteNamespaceRequest;
use temporalio_common::protos::temporal::api::query::v1::WorkflowQuery;
use temporalio_common::protos::temporal::api::schedule::v1 as schedule;
use temporalio_common::protos::temporal::api::update::v1 as update;
use temporalio_common::protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use temporalio_common::protos::temporal::api::workflowservice::v1::execute_multi_operation_request::{
    Operation, operation,
};
use tonic::Code;

use super::super::raw::{Raw, complete_workflow, execution, queue, seconds};
use super::OPERATOR;

fn listed(raw: &mut Raw) -> Vec<(String, Status)> {
    let request = wire::ListWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        ..Default::default()
    };
    let answer: wire::ListWorkflowExecutionsResponse = raw.call("ListWorkflowExecutions", &request).unwrap();
    let mut listed: Vec<_> = answer
        .executions
        .into_iter()
        .map(|info| (info.execution.clone().unwrap_or_default().run_id, info.status()))
        .collect();
    listed.sort();
    listed
}

fn delete_namespace(raw: &mut Raw) {
    let request = DeleteNamespaceRequest {
        namespace: "default".to_owned(),
        ..Default::default()
    };
    let call = Call {
        now: raw.now,
        ticket: u64::MAX,
        connection: 1,
        service: OPERATOR,
        method: "DeleteNamespace",
    };
    raw.engine.handle_rpc(call, &request.encode_to_vec());
}

#[track_caller]
fn is_sound(raw: &Raw) {
    assert_eq!(raw.engine.violations(), Vec::<String>::new());
}

#[test]
fn lists_show_a_paused_workflow_as_paused_and_one_that_goes_on_as_running() {
    let mut raw = Raw::new();
    let run_id = raw.start("w", |_| {});
    raw.work(Vec::new());
    let pause = wire::PauseWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        ..Default::default()
    };
    let _: wire::PauseWorkflowExecutionResponse = raw.call("PauseWorkflowExecution", &pause).unwrap();
    assert_eq!(listed(&mut raw), [(run_id.clone(), Status::Paused)]);
    let unpause = wire::UnpauseWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        ..Default::default()
    };
    let _: wire::UnpauseWorkflowExecutionResponse = raw.call("UnpauseWorkflowExecution", &unpause).unwrap();
    assert_eq!(listed(&mut raw), [(run_id, Status::Running)]);
}

#[test]
fn lists_show_the_run_that_a_reset_makes() {
    let mut raw = Raw::new();
    let first = raw.start("w", |_| {});
    raw.work(Vec::new());
    let reset = wire::ResetWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("w"),
        workflow_task_finish_event_id: 4,
        request_id: "reset".to_owned(),
        ..Default::default()
    };
    let answer: wire::ResetWorkflowExecutionResponse = raw.call("ResetWorkflowExecution", &reset).unwrap();
    let mut wanted = [(first, Status::Terminated), (answer.run_id, Status::Running)];
    wanted.sort();
    assert_eq!(listed(&mut raw), wanted);
}

#[test]
fn lists_forget_a_workflow_that_is_deleted() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let delete = wire::DeleteWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("w"),
    };
    let _: wire::DeleteWorkflowExecutionResponse = raw.call("DeleteWorkflowExecution", &delete).unwrap();
    assert_eq!(listed(&mut raw), []);
    is_sound(&raw);
}

#[test]
fn the_signal_of_a_delayed_start_is_in_the_history_at_once() {
    let mut raw = Raw::new();
    let request = wire::SignalWithStartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        workflow_type: Some(WorkflowType { name: "raw".to_owned() }),
        task_queue: Some(queue()),
        signal_name: "signal".to_owned(),
        workflow_start_delay: seconds(60),
        ..Default::default()
    };
    let _: wire::SignalWithStartWorkflowExecutionResponse =
        raw.call("SignalWithStartWorkflowExecution", &request).unwrap();
    assert_eq!(
        raw.types("w"),
        ["WORKFLOW_EXECUTION_STARTED", "WORKFLOW_EXECUTION_SIGNALED"]
    );
    is_sound(&raw);
}

#[test]
fn who_queries_a_closed_workflow_hears_that_its_namespace_is_deleted() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw.work(vec![complete_workflow()]);
    let query = wire::QueryWorkflowRequest {
        namespace: "default".to_owned(),
        execution: execution("w"),
        query: Some(WorkflowQuery {
            query_type: "state".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let query = raw.ask("QueryWorkflow", &query);
    delete_namespace(&mut raw);
    let refused = raw.answer::<wire::QueryWorkflowResponse>(query).unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    is_sound(&raw);
}

#[test]
fn a_schedule_of_a_deleted_namespace_never_fires_again() {
    let mut raw = Raw::new();
    let workflow = NewWorkflowExecutionInfo {
        workflow_id: "w".to_owned(),
        workflow_type: Some(WorkflowType { name: "raw".to_owned() }),
        task_queue: Some(queue()),
        ..Default::default()
    };
    let create = wire::CreateScheduleRequest {
        namespace: "default".to_owned(),
        schedule_id: "s".to_owned(),
        request_id: "create".to_owned(),
        schedule: Some(schedule::Schedule {
            spec: Some(schedule::ScheduleSpec {
                interval: vec![schedule::IntervalSpec {
                    interval: seconds(60),
                    ..Default::default()
                }],
                ..Default::default()
            }),
            action: Some(schedule::ScheduleAction {
                action: Some(schedule::schedule_action::Action::StartWorkflow(workflow)),
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let _: wire::CreateScheduleResponse = raw.call("CreateSchedule", &create).unwrap();
    assert!(raw.engine.poll_timeout().is_some());
    delete_namespace(&mut raw);
    assert_eq!(raw.engine.poll_timeout(), None);
    is_sound(&raw);
}

#[test]
fn an_update_with_start_starts_nothing_in_a_namespace_that_is_deleted() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let start = wire::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        workflow_type: Some(WorkflowType { name: "raw".to_owned() }),
        task_queue: Some(queue()),
        request_id: "another".to_owned(),
        workflow_id_conflict_policy: WorkflowIdConflictPolicy::UseExisting as i32,
        ..Default::default()
    };
    let update = wire::UpdateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: "w".to_owned(),
            ..Default::default()
        }),
        request: Some(update::Request {
            meta: Some(update::Meta {
                update_id: "u".to_owned(),
                ..Default::default()
            }),
            input: Some(update::Input {
                name: "update".to_owned(),
                args: Some(Payloads::default()),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let both = [
        operation::Operation::StartWorkflow(start),
        operation::Operation::UpdateWorkflow(update),
    ];
    let request = wire::ExecuteMultiOperationRequest {
        namespace: "default".to_owned(),
        operations: both
            .into_iter()
            .map(|operation| Operation {
                operation: Some(operation),
            })
            .collect(),
        ..Default::default()
    };
    let ticket = raw.ask("ExecuteMultiOperation", &request);
    assert!(raw.engine.is_parked(ticket));
    delete_namespace(&mut raw);
    let refused = raw
        .answer::<wire::ExecuteMultiOperationResponse>(ticket)
        .unwrap()
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(raw.engine.histories().len(), 0);
    is_sound(&raw);
}

#[test]
fn a_cron_that_is_told_to_time_out_at_the_end_of_time_doesnt_run_there_for_ever() {
    let mut raw = Raw::new();
    raw.start("w", |start| {
        start.workflow_run_timeout = seconds(i64::MAX);
        start.workflow_execution_timeout = seconds(i64::MAX);
        "* * * * *".clone_into(&mut start.cron_schedule);
    });
    let mut fired = 0;
    while let Some(due) = raw.engine.poll_timeout() {
        assert!(due < Timestamp::MAX);
        raw.engine.handle_timeout(due);
        fired += 1;
    }
    assert!(fired < 10, "{fired}");
}
