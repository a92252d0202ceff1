//! Nexus operations without a workflow in lists, and their number.

use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::nexus::endpoint;
use super::standalone_nexus_operation::{attribute, start_as, starting, terminate, with_endpoint};
use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage};

on_both_arms![standalone_nexus_operation_lists];

pub(super) fn list(stage: &mut Stage<'_>, query: &str, page_size: i32, token: &[u8]) -> Vec<u8> {
    let request = wire::ListNexusOperationExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        page_size,
        next_page_token: token.to_vec(),
        query: query.to_owned(),
    };
    let answer: Option<wire::ListNexusOperationExecutionsResponse> =
        stage.call("ListNexusOperationExecutions", &request);
    answer.map(|it| it.next_page_token).unwrap_or_default()
}

fn count(stage: &mut Stage<'_>, query: &str) {
    let request = wire::CountNexusOperationExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        query: query.to_owned(),
    };
    stage.call::<wire::CountNexusOperationExecutionsResponse>("CountNexusOperationExecutions", &request);
}

/// Conditions beside the one on the endpoint, of all kinds.
const CONDITIONS: [&str; 43] = [
    "ExecutionStatus = 'Running'",
    "ExecutionStatus = 'NEXUS_OPERATION_EXECUTION_STATUS_RUNNING'",
    "ExecutionStatus = 'Terminated'",
    "ExecutionStatus = 1",
    "ExecutionStatus = 'Nope'",
    "ExecutionStatus IN ('Running', 'Completed')",
    "ExecutionStatus != 'Running'",
    "ExecutionStatus STARTS_WITH 'Run'",
    "TemporalExecutionStatus = 'Running'",
    "TemporalLowCardinalityKeyword01 = 'Running'",
    "CloseTime IS NULL",
    "Operation STARTS_WITH 'oper'",
    "Service > 'p'",
    "Service BETWEEN 'a' AND 'p'",
    "Service = 1",
    "TemporalService = 'other'",
    "RequestId IS NOT NULL",
    "RequestId = 'start-open'",
    "WorkflowType IS NULL",
    "WorkflowType = ''",
    "TaskQueue = ''",
    "TaskQueue IS NULL",
    "ParentWorkflowId IS NULL",
    "RootWorkflowId IS NULL",
    "HistoryLength = 0",
    "StateTransitionCount = 2",
    "ExecutionDuration > '0s'",
    "ExecutionDuration = 'x'",
    "StartTime > '2020-01-01T00:00:00Z'",
    "StartTime = 'x'",
    "ExecutionTime > '2020-01-01T00:00:00Z'",
    "TemporalNamespaceDivision IS NULL",
    "TemporalNamespaceDivision IS NOT NULL",
    "TemporalNamespaceDivision = '131748067'",
    "Keyword01 IS NULL",
    "BuildIds IS NULL",
    "BatcherUser = 'me'",
    "Nope = 'x'",
    "ActivityId = 'x'",
    "ScheduleToCloseTimeout = 1",
    "NOT Service = 'other'",
    "Service = 'other' ORDER BY StartTime",
    "Service = 'other' LIMIT 1",
];

fn standalone_nexus_operation_lists(stage: &mut Stage<'_>) {
    with_endpoint(stage);
    let mut request = starting(stage, "open");
    request.search_attributes = Some(attribute("BatcherUser", "\"me\""));
    start_as(stage, &request);
    let mut request = starting(stage, "ended");
    request.service = "other".to_owned();
    start_as(stage, &request);
    stage.pass(1);
    terminate(stage, "ended", "terminate");
    // The real server's lists hear of it within moments.
    stage.pass(1);
    let all = format!("Endpoint = '{}'", endpoint(stage));
    for condition in CONDITIONS {
        list(stage, &format!("{all} AND {condition}"), 0, &[]);
    }
    for name in ["OperationId", "TemporalOperationId", "WorkflowId"] {
        let query = format!("{name} = '{}'", stage.named("open"));
        list(stage, &query, 0, &[]);
    }
    let mut token = Vec::new();
    for _ in 0..3 {
        token = list(stage, &all, 1, &token);
    }
    list(stage, &all, -1, &[]);
    list(stage, "this is no query", 0, &[]);
    for query in ["", " GROUP BY ExecutionStatus", " GROUP BY TemporalNamespaceDivision"] {
        count(stage, &format!("{all}{query}"));
    }
    count(stage, "Endpoint = 'none' GROUP BY ExecutionStatus");
    count(stage, "Endpoint = 'none' GROUP BY Endpoint");
    count(stage, "Endpoint = 'none' GROUP BY ExecutionStatus, Endpoint");
    count(stage, "Nope = 1");
    let workflows = wire::CountWorkflowExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        query: format!("WorkflowId = '{}'", stage.named("open")),
    };
    stage.call::<wire::CountWorkflowExecutionsResponse>("CountWorkflowExecutions", &workflows);
    let everything = wire::ListWorkflowExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        query: format!(
            "TemporalNamespaceDivision = '131748067' AND WorkflowId = '{}'",
            stage.named("ended")
        ),
        ..Default::default()
    };
    stage.call::<wire::ListWorkflowExecutionsResponse>("ListWorkflowExecutions", &everything);
}
