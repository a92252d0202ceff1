//! Activities without a workflow.

use temporalio_common::protos::temporal::api::common::v1::{ActivityType, RetryPolicy};
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, payloads, seconds};

on_both_arms![
    standalone_activity_completes,
    standalone_activity_fails_after_its_attempts,
    standalone_activity_is_terminated,
    standalone_activity_is_cancelled,
    standalone_activity_ids,
    standalone_activities_are_listed_and_counted,
    filters_of_standalone_activities_that_are_refused,
];

fn starting(stage: &Stage<'_>, name: &str) -> wire::StartActivityExecutionRequest {
    wire::StartActivityExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        identity: "client".to_owned(),
        request_id: format!("start-{name}"),
        activity_id: stage.named(name),
        activity_type: Some(ActivityType {
            name: "work".to_owned(),
        }),
        task_queue: stage.queue(),
        start_to_close_timeout: seconds(30),
        retry_policy: Some(RetryPolicy {
            initial_interval: seconds(1),
            maximum_attempts: 2,
            ..Default::default()
        }),
        input: Some(payloads("1")),
        ..Default::default()
    }
}

fn start(stage: &mut Stage<'_>, request: &wire::StartActivityExecutionRequest) -> String {
    let answer: Option<wire::StartActivityExecutionResponse> = stage.call("StartActivityExecution", request);
    answer.map(|it| it.run_id).unwrap_or_default()
}

fn describe(stage: &mut Stage<'_>, name: &str, run_id: &str) {
    let request = wire::DescribeActivityExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        activity_id: stage.named(name),
        run_id: run_id.to_owned(),
        include_input: true,
        include_outcome: true,
        ..Default::default()
    };
    stage.call::<wire::DescribeActivityExecutionResponse>("DescribeActivityExecution", &request);
}

fn outcome(stage: &mut Stage<'_>, name: &str, run_id: &str) {
    let request = wire::PollActivityExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        activity_id: stage.named(name),
        run_id: run_id.to_owned(),
    };
    stage.call::<wire::PollActivityExecutionResponse>("PollActivityExecution", &request);
}

fn count(stage: &mut Stage<'_>, query: &str) {
    let request = wire::CountActivityExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        query: query.to_owned(),
    };
    stage.call::<wire::CountActivityExecutionsResponse>("CountActivityExecutions", &request);
}

fn standalone_activities_are_listed_and_counted(stage: &mut Stage<'_>) {
    let run_id = start(stage, &starting(stage, "done"));
    let task = stage.poll_activity();
    let request = wire::RespondActivityTaskCompletedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token,
        identity: "worker".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::RespondActivityTaskCompletedResponse>("RespondActivityTaskCompleted", &request);
    outcome(stage, "done", &run_id);
    // The list's order is that of the starts.
    stage.pass(1);
    let mut later = starting(stage, "later");
    later.start_delay = seconds(60);
    start(stage, &later);
    // Lists lag behind on the real server.
    stage.pass(3);
    let queue = format!("TaskQueue = '{}'", stage.named("queue"));
    let mut request = wire::ListActivityExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        query: queue.clone(),
        ..Default::default()
    };
    stage.call::<wire::ListActivityExecutionsResponse>("ListActivityExecutions", &request);
    request.page_size = 1;
    let first: Option<wire::ListActivityExecutionsResponse> = stage.call("ListActivityExecutions", &request);
    request.next_page_token = first.unwrap_or_default().next_page_token;
    stage.call::<wire::ListActivityExecutionsResponse>("ListActivityExecutions", &request);
    for also in [
        "ActivityType = 'work'",
        "ActivityType = 'other'",
        "ExecutionStatus = 'Running'",
        "ExecutionStatus = 'Completed'",
        "ExecutionStatus IN ('Completed', 'Running')",
        "CloseTime IS NULL",
        "ExecutionTime > StartTime",
        "StartTime > '2020-01-01T00:00:00Z'",
    ] {
        count(stage, &format!("{queue} AND {also}"));
    }
    count(stage, &format!("{queue} GROUP BY ExecutionStatus"));
    // They are in no list of workflows.
    let workflows = wire::CountWorkflowExecutionsRequest {
        namespace: NAMESPACE.to_owned(),
        query: queue,
    };
    stage.call::<wire::CountWorkflowExecutionsResponse>("CountWorkflowExecutions", &workflows);
}

fn filters_of_standalone_activities_that_are_refused(stage: &mut Stage<'_>) {
    for query in [
        "ActivityId = 'x'",
        "Unknown = 'x'",
        "ExecutionStatus =",
        "ExecutionStatus = 'Gone'",
        "WorkflowId = 'x'",
        "ExecutionStatus = 'Running' ORDER BY StartTime",
        "GROUP BY ActivityType",
    ] {
        count(stage, query);
    }
    let request = wire::ListActivityExecutionsRequest {
        namespace: "nowhere".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::ListActivityExecutionsResponse>("ListActivityExecutions", &request);
}

fn standalone_activity_completes(stage: &mut Stage<'_>) {
    let run_id = start(stage, &starting(stage, "done"));
    describe(stage, "done", &run_id);
    let task = stage.poll_activity();
    describe(stage, "done", &run_id);
    let request = wire::RespondActivityTaskCompletedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token.clone(),
        identity: "worker".to_owned(),
        result: Some(payloads("2")),
        ..Default::default()
    };
    stage.call::<wire::RespondActivityTaskCompletedResponse>("RespondActivityTaskCompleted", &request);
    stage.call::<wire::RespondActivityTaskCompletedResponse>("RespondActivityTaskCompleted", &request);
    outcome(stage, "done", &run_id);
    describe(stage, "done", &run_id);
}

fn standalone_activity_fails_after_its_attempts(stage: &mut Stage<'_>) {
    let run_id = start(stage, &starting(stage, "failed"));
    for _ in 0..2 {
        let task = stage.poll_activity();
        let request = wire::RespondActivityTaskFailedRequest {
            namespace: NAMESPACE.to_owned(),
            task_token: task.task_token.clone(),
            identity: "worker".to_owned(),
            failure: Some(Failure {
                message: "no luck".to_owned(),
                failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo::default())),
                ..Default::default()
            }),
            ..Default::default()
        };
        stage.call::<wire::RespondActivityTaskFailedResponse>("RespondActivityTaskFailed", &request);
        describe(stage, "failed", &run_id);
    }
    outcome(stage, "failed", &run_id);
}

fn standalone_activity_is_terminated(stage: &mut Stage<'_>) {
    let run_id = start(stage, &starting(stage, "ended"));
    let request = wire::TerminateActivityExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        activity_id: stage.named("ended"),
        run_id: run_id.clone(),
        identity: "client".to_owned(),
        request_id: "terminate".to_owned(),
        reason: "enough".to_owned(),
    };
    stage.call::<wire::TerminateActivityExecutionResponse>("TerminateActivityExecution", &request);
    stage.call::<wire::TerminateActivityExecutionResponse>("TerminateActivityExecution", &request);
    outcome(stage, "ended", &run_id);
    describe(stage, "ended", &run_id);
}

fn standalone_activity_is_cancelled(stage: &mut Stage<'_>) {
    let run_id = start(stage, &starting(stage, "cancelled"));
    let task = stage.poll_activity();
    let request = wire::RequestCancelActivityExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        activity_id: stage.named("cancelled"),
        run_id: run_id.clone(),
        identity: "client".to_owned(),
        request_id: "cancel".to_owned(),
        reason: "enough".to_owned(),
    };
    stage.call::<wire::RequestCancelActivityExecutionResponse>("RequestCancelActivityExecution", &request);
    describe(stage, "cancelled", &run_id);
    let canceled = wire::RespondActivityTaskCanceledRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token,
        identity: "worker".to_owned(),
        details: Some(payloads("3")),
        ..Default::default()
    };
    stage.call::<wire::RespondActivityTaskCanceledResponse>("RespondActivityTaskCanceled", &canceled);
    outcome(stage, "cancelled", &run_id);
    describe(stage, "cancelled", &run_id);
}

fn standalone_activity_ids(stage: &mut Stage<'_>) {
    let request = starting(stage, "same");
    start(stage, &request);
    start(stage, &request);
    let mut other = request.clone();
    other.request_id = "other".to_owned();
    start(stage, &other);
    other.id_conflict_policy = 2;
    start(stage, &other);
    type Break = fn(&mut wire::StartActivityExecutionRequest);
    let breaks: [Break; 6] = [
        |it| it.activity_id.clear(),
        |it| it.activity_type = None,
        |it| it.task_queue = None,
        |it| it.start_to_close_timeout = None,
        |it| it.namespace = "nowhere".to_owned(),
        |it| it.activity_id = "x".repeat(1_001),
    ];
    for broken in breaks {
        let mut bad = starting(stage, "bad");
        broken(&mut bad);
        start(stage, &bad);
    }
    describe(stage, "unknown", "");
}
