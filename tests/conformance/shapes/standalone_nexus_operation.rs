//! Nexus operations without a workflow.

use temporalio_common::protos::temporal::api::command::v1::FailWorkflowExecutionCommandAttributes;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::common::v1::callback::{Nexus, Variant as CallbackVariant};
use temporalio_common::protos::temporal::api::common::v1::{Callback, SearchAttributes};
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::failure::v1::{
    ApplicationFailureInfo, CanceledFailureInfo, Failure, NexusHandlerFailureInfo,
};
use temporalio_common::protos::temporal::api::nexus::v1 as nexus;
use temporalio_common::protos::temporal::api::nexus::v1::start_operation_response::{Async, Sync, Variant};
use temporalio_common::protos::temporal::api::sdk::v1::UserMetadata;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::nexus::{answer, create, endpoint, fetch, respond};
use super::standalone_nexus_operation_lists::list;
use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, command, complete, payload, seconds};

on_both_arms![
    standalone_nexus_operation_answers_at_once,
    standalone_nexus_operation_is_started_and_cancelled,
    standalone_nexus_operation_is_done_by_a_workflow,
    standalone_nexus_operation_ends_before_it_starts,
    standalone_nexus_operation_fails,
    standalone_nexus_operation_is_tried_again,
    standalone_nexus_operation_times_out,
    standalone_nexus_operation_ids,
    standalone_nexus_operation_bad_starts,
    standalone_nexus_operation_bad_requests,
    standalone_nexus_operation_is_deleted,
];

/// The stages that a client can wait for.
const STARTED: i32 = 1;
const CLOSED: i32 = 2;

type Started = wire::StartNexusOperationExecutionResponse;
type Described = wire::DescribeNexusOperationExecutionResponse;

pub(super) fn starting(stage: &Stage<'_>, name: &str) -> wire::StartNexusOperationExecutionRequest {
    wire::StartNexusOperationExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        identity: "client".to_owned(),
        request_id: format!("start-{name}"),
        operation_id: stage.named(name),
        endpoint: endpoint(stage),
        service: "service".to_owned(),
        operation: "operation".to_owned(),
        input: Some(payload("1")),
        ..Default::default()
    }
}

pub(super) fn with_endpoint(stage: &mut Stage<'_>) {
    let name = endpoint(stage);
    create(stage, &name);
    // The real server's frontend hears of it within moments.
    stage.pass(1);
}

pub(super) fn start_as(stage: &mut Stage<'_>, request: &wire::StartNexusOperationExecutionRequest) -> String {
    let answer: Option<Started> = stage.call("StartNexusOperationExecution", request);
    answer.map(|it| it.run_id).unwrap_or_default()
}

fn start(stage: &mut Stage<'_>, name: &str) -> String {
    let request = starting(stage, name);
    start_as(stage, &request)
}

fn describing(
    stage: &Stage<'_>,
    name: &str,
    run_id: &str,
    token: &[u8],
) -> wire::DescribeNexusOperationExecutionRequest {
    wire::DescribeNexusOperationExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        operation_id: stage.named(name),
        run_id: run_id.to_owned(),
        include_input: true,
        include_outcome: true,
        long_poll_token: token.to_vec(),
    }
}

/// Describes it and gives the token by which to wait for a change.
fn describe(stage: &mut Stage<'_>, name: &str, run_id: &str) -> Vec<u8> {
    change(stage, name, run_id, &[])
}

/// Waits for a change and describes it.
fn change(stage: &mut Stage<'_>, name: &str, run_id: &str, token: &[u8]) -> Vec<u8> {
    let request = describing(stage, name, run_id, token);
    let answer: Option<Described> = stage.call("DescribeNexusOperationExecution", &request);
    answer.map(|it| it.long_poll_token).unwrap_or_default()
}

fn polling(stage: &Stage<'_>, name: &str, wait_stage: i32) -> wire::PollNexusOperationExecutionRequest {
    wire::PollNexusOperationExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        operation_id: stage.named(name),
        run_id: String::new(),
        wait_stage,
    }
}

fn poll(stage: &mut Stage<'_>, name: &str, wait_stage: i32) {
    let request = polling(stage, name, wait_stage);
    stage.call::<wire::PollNexusOperationExecutionResponse>("PollNexusOperationExecution", &request);
}

fn cancel(stage: &mut Stage<'_>, name: &str, request_id: &str) {
    let request = wire::RequestCancelNexusOperationExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        operation_id: stage.named(name),
        identity: "client".to_owned(),
        request_id: request_id.to_owned(),
        reason: "enough".to_owned(),
        ..Default::default()
    };
    let method = "RequestCancelNexusOperationExecution";
    stage.call::<wire::RequestCancelNexusOperationExecutionResponse>(method, &request);
}

pub(super) fn terminate(stage: &mut Stage<'_>, name: &str, request_id: &str) {
    let request = wire::TerminateNexusOperationExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        operation_id: stage.named(name),
        identity: "client".to_owned(),
        request_id: request_id.to_owned(),
        reason: "enough".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::TerminateNexusOperationExecutionResponse>("TerminateNexusOperationExecution", &request);
}

fn delete(stage: &mut Stage<'_>, name: &str) {
    let request = wire::DeleteNexusOperationExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        operation_id: stage.named(name),
        ..Default::default()
    };
    stage.call::<wire::DeleteNexusOperationExecutionResponse>("DeleteNexusOperationExecution", &request);
}

fn under_way(token: &str) -> Variant {
    Variant::AsyncSuccess(Async {
        operation_token: token.to_owned(),
        links: vec![nexus::Link {
            url: "temporal:///namespaces/default/workflows/a/b/history?eventID=1&eventType=WorkflowExecutionStarted\
                  &referenceType=EventReference"
                .to_owned(),
            r#type: "temporal.api.common.v1.Link.WorkflowEvent".to_owned(),
        }],
        ..Default::default()
    })
}

fn failure(message: &str, info: FailureInfo) -> Failure {
    Failure {
        message: message.to_owned(),
        failure_info: Some(info),
        ..Default::default()
    }
}

fn no_luck() -> Failure {
    let info = ApplicationFailureInfo {
        r#type: "Luck".to_owned(),
        ..Default::default()
    };
    failure("no luck", FailureInfo::ApplicationFailureInfo(info))
}

/// The handler fails the next task, whatever it is.
fn refuse(stage: &mut Stage<'_>, error_type: &str) {
    let task = fetch(stage);
    let info = NexusHandlerFailureInfo {
        r#type: error_type.to_owned(),
        ..Default::default()
    };
    let request = wire::RespondNexusTaskFailedRequest {
        namespace: NAMESPACE.to_owned(),
        identity: "handler".to_owned(),
        task_token: task.task_token,
        failure: Some(failure("not now", FailureInfo::NexusHandlerFailureInfo(info))),
        ..Default::default()
    };
    stage.call::<wire::RespondNexusTaskFailedResponse>("RespondNexusTaskFailed", &request);
}

fn standalone_nexus_operation_answers_at_once(stage: &mut Stage<'_>) {
    with_endpoint(stage);
    let mut request = starting(stage, "done");
    request.schedule_to_close_timeout = seconds(50);
    request.schedule_to_start_timeout = seconds(60);
    request.start_to_close_timeout = seconds(40);
    request.nexus_header = [("Name".to_owned(), "Value".to_owned())].into();
    request.user_metadata = Some(UserMetadata {
        summary: Some(payload("\"short\"")),
        details: Some(payload("\"long\"")),
    });
    let run_id = start_as(stage, &request);
    let token = describe(stage, "done", &run_id);
    let result = Sync {
        payload: Some(payload("2")),
        links: vec![],
    };
    respond(stage, Variant::SyncSuccess(result));
    change(stage, "done", &run_id, &token);
    poll(stage, "done", STARTED);
    poll(stage, "done", 0);
    terminate(stage, "done", "terminate");
    cancel(stage, "done", "cancel");
}

fn standalone_nexus_operation_is_started_and_cancelled(stage: &mut Stage<'_>) {
    with_endpoint(stage);
    let run_id = start(stage, "going");
    let token = describe(stage, "going", &run_id);
    respond(stage, under_way("a token"));
    poll(stage, "going", STARTED);
    let token = change(stage, "going", &run_id, &token);
    let request = describing(stage, "going", &run_id, &token);
    let news = stage.begin("DescribeNexusOperationExecution", &request);
    cancel(stage, "going", "cancel");
    stage.finish::<Described>(news);
    cancel(stage, "going", "cancel");
    cancel(stage, "going", "another");
    let task = fetch(stage);
    let token = describe(stage, "going", &run_id);
    let request = wire::RespondNexusTaskCompletedRequest {
        namespace: NAMESPACE.to_owned(),
        identity: "handler".to_owned(),
        task_token: task.task_token,
        response: Some(nexus::Response {
            variant: Some(nexus::response::Variant::CancelOperation(
                nexus::CancelOperationResponse {},
            )),
        }),
        ..Default::default()
    };
    stage.call::<wire::RespondNexusTaskCompletedResponse>("RespondNexusTaskCompleted", &request);
    change(stage, "going", &run_id, &token);
    let request = polling(stage, "going", CLOSED);
    let end = stage.begin("PollNexusOperationExecution", &request);
    terminate(stage, "going", "terminate");
    stage.finish::<wire::PollNexusOperationExecutionResponse>(end);
    terminate(stage, "going", "terminate");
    terminate(stage, "going", "another");
    cancel(stage, "going", "cancel");
    cancel(stage, "going", "another");
    describe(stage, "going", &run_id);
}

/// The handler has a workflow do the work; gives the token by which the task is to be answered.
fn hand_to_workflow(stage: &mut Stage<'_>) -> Vec<u8> {
    let task = fetch(stage);
    let Some(nexus::request::Variant::StartOperation(asked)) = task.request.and_then(|it| it.variant) else {
        return Vec::new();
    };
    let mut header = asked.callback_header;
    header.insert("nexus-operation-token".to_owned(), "early".to_owned());
    let mut request = stage.starting("worker");
    request.completion_callbacks = vec![Callback {
        variant: Some(CallbackVariant::Nexus(Nexus {
            url: asked.callback,
            header,
        })),
        ..Default::default()
    }];
    stage.start_as(&request);
    task.task_token
}

fn standalone_nexus_operation_is_done_by_a_workflow(stage: &mut Stage<'_>) {
    with_endpoint(stage);
    let run_id = start(stage, "done");
    let task = hand_to_workflow(stage);
    answer(stage, task, under_way("late"));
    poll(stage, "done", STARTED);
    stage.work(vec![complete("7")]);
    poll(stage, "done", CLOSED);
    describe(stage, "done", &run_id);
}

fn standalone_nexus_operation_ends_before_it_starts(stage: &mut Stage<'_>) {
    with_endpoint(stage);
    let run_id = start(stage, "early");
    let task = hand_to_workflow(stage);
    let attributes = FailWorkflowExecutionCommandAttributes {
        failure: Some(no_luck()),
    };
    stage.work(vec![command(
        CommandType::FailWorkflowExecution,
        Does::FailWorkflowExecutionCommandAttributes(attributes),
    )]);
    poll(stage, "early", CLOSED);
    answer(stage, task, under_way("late"));
    describe(stage, "early", &run_id);
}

#[expect(deprecated, reason = "handlers of today's SDKs still send it")]
fn standalone_nexus_operation_fails(stage: &mut Stage<'_>) {
    with_endpoint(stage);
    let run_id = start(stage, "failed");
    respond(stage, Variant::Failure(no_luck()));
    poll(stage, "failed", CLOSED);
    describe(stage, "failed", &run_id);
    terminate(stage, "failed", "terminate");

    start(stage, "older");
    let error = nexus::UnsuccessfulOperationError {
        operation_state: "failed".to_owned(),
        failure: Some(nexus::Failure {
            message: "no luck".to_owned(),
            ..Default::default()
        }),
    };
    respond(stage, Variant::OperationError(error));
    poll(stage, "older", CLOSED);

    let run_id = start(stage, "cancelled");
    let info = FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default());
    respond(stage, Variant::Failure(failure("cancelled", info)));
    poll(stage, "cancelled", CLOSED);
    describe(stage, "cancelled", &run_id);
    terminate(stage, "cancelled", "terminate");
    describe(stage, "cancelled", &run_id);

    let run_id = start(stage, "refused");
    refuse(stage, "BAD_REQUEST");
    poll(stage, "refused", CLOSED);
    describe(stage, "refused", &run_id);
}

fn standalone_nexus_operation_is_tried_again(stage: &mut Stage<'_>) {
    with_endpoint(stage);
    let run_id = start(stage, "again");
    let token = describe(stage, "again", &run_id);
    refuse(stage, "INTERNAL");
    change(stage, "again", &run_id, &token);
    cancel(stage, "again", "cancel");
    let token = describe(stage, "again", &run_id);
    change(stage, "again", &run_id, &token);
    respond(stage, under_way("a token"));
    poll(stage, "again", STARTED);
    let token = describe(stage, "again", &run_id);
    refuse(stage, "INTERNAL");
    let token = change(stage, "again", &run_id, &token);
    let token = change(stage, "again", &run_id, &token);
    refuse(stage, "NOT_FOUND");
    change(stage, "again", &run_id, &token);
}

fn standalone_nexus_operation_times_out(stage: &mut Stage<'_>) {
    with_endpoint(stage);
    // Too short for even one request.
    let mut request = starting(stage, "short");
    request.schedule_to_close_timeout = seconds(1);
    let run_id = start_as(stage, &request);
    poll(stage, "short", CLOSED);
    describe(stage, "short", &run_id);
    terminate(stage, "short", "terminate");

    let mut request = starting(stage, "unheard");
    request.schedule_to_start_timeout = seconds(3);
    start_as(stage, &request);
    poll(stage, "unheard", CLOSED);

    let mut request = starting(stage, "long");
    request.start_to_close_timeout = seconds(2);
    let run_id = start_as(stage, &request);
    respond(stage, under_way("a token"));
    poll(stage, "long", CLOSED);
    describe(stage, "long", &run_id);
}

fn standalone_nexus_operation_ids(stage: &mut Stage<'_>) {
    with_endpoint(stage);
    let request = starting(stage, "same");
    start_as(stage, &request);
    start_as(stage, &request);
    let mut other = request.clone();
    other.request_id = "other".to_owned();
    start_as(stage, &other);
    other.id_conflict_policy = 2;
    start_as(stage, &other);
    terminate(stage, "same", "terminate");
    start_as(stage, &request);
    other.id_reuse_policy = 3;
    start_as(stage, &other);
    other.id_reuse_policy = 2;
    start_as(stage, &other);
    start_as(stage, &request);
    let mut unknown = starting(stage, "unknown");
    unknown.id_reuse_policy = 17;
    unknown.id_conflict_policy = 17;
    start_as(stage, &unknown);
    describe(stage, "same", "");
    describe(stage, "nobody", "");
}

fn standalone_nexus_operation_bad_starts(stage: &mut Stage<'_>) {
    with_endpoint(stage);
    type Break = fn(&mut wire::StartNexusOperationExecutionRequest);
    let breaks: [Break; 24] = [
        |it| it.namespace = "nowhere".to_owned(),
        |it| it.operation_id.clear(),
        |it| it.operation_id = "x".repeat(1_001),
        |it| it.request_id = "x".repeat(1_001),
        |it| it.identity = "x".repeat(1_001),
        |it| it.endpoint.clear(),
        |it| it.endpoint = "unknown".to_owned(),
        |it| it.endpoint = "__temporal_system".to_owned(),
        |it| it.service.clear(),
        |it| it.service = "x".repeat(1_001),
        |it| it.operation.clear(),
        |it| it.operation = "x".repeat(1_001),
        |it| it.schedule_to_close_timeout = seconds(-1),
        |it| it.schedule_to_start_timeout = seconds(-1),
        |it| it.start_to_close_timeout = Some(prost_types::Duration { seconds: 1, nanos: -1 }),
        |it| it.nexus_header = [("Request-Timeout".to_owned(), "1s".to_owned())].into(),
        |it| it.nexus_header = [("a".to_owned(), "x".repeat(8_192))].into(),
        |it| it.input = Some(payload(&"x".repeat(2 * 1_024 * 1_024))),
        |it| it.user_metadata = Some(metadata("x".repeat(400), String::new())),
        |it| it.user_metadata = Some(metadata(String::new(), "x".repeat(20_000))),
        |it| it.search_attributes = Some(attribute("Nope", "1")),
        |it| it.search_attributes = Some(attribute("Endpoint", "1")),
        |it| it.search_attributes = Some(attribute("WorkflowId", "1")),
        |it| it.search_attributes = Some(attribute("BatcherUser", "1")),
    ];
    for broken in breaks {
        let mut bad = starting(stage, "bad");
        broken(&mut bad);
        start_as(stage, &bad);
    }
}

fn metadata(summary: String, details: String) -> UserMetadata {
    UserMetadata {
        summary: Some(payload(&summary)),
        details: Some(payload(&details)),
    }
}

pub(super) fn attribute(name: &str, json: &str) -> SearchAttributes {
    SearchAttributes {
        indexed_fields: [(name.to_owned(), payload(json))].into(),
    }
}

fn standalone_nexus_operation_bad_requests(stage: &mut Stage<'_>) {
    with_endpoint(stage);
    let run_id = start(stage, "there");
    let nobody = "8f14e45f-ceea-467f-a0e6-3b2a6ae1f1f1";
    let token = describe(stage, "there", &run_id);
    start(stage, "other");
    let token_of_other = describe(stage, "other", "");
    change(stage, "there", "", &token);
    change(stage, "there", &run_id, b"x");
    change(stage, "there", &run_id, &token_of_other);
    let long = "x".repeat(1_001);
    let ids = [
        ("", ""),
        (long.as_str(), ""),
        ("nobody", ""),
        ("there", "bad"),
        ("there", nobody),
    ];
    for (name, run_id) in ids {
        let operation_id = match name {
            "there" => stage.named(name),
            name => name.to_owned(),
        };
        by_id(stage, NAMESPACE, &operation_id, run_id);
    }
    let operation_id = stage.named("there");
    by_id(stage, "nowhere", &operation_id, "");
    poll(stage, "there", 9);
    type Break = fn(&mut wire::TerminateNexusOperationExecutionRequest);
    let breaks: [Break; 3] = [
        |it| it.identity = "x".repeat(1_001),
        |it| it.request_id = "x".repeat(1_001),
        |it| it.reason = "x".repeat(1_001),
    ];
    for broken in breaks {
        let mut bad = wire::TerminateNexusOperationExecutionRequest {
            namespace: NAMESPACE.to_owned(),
            operation_id: operation_id.clone(),
            ..Default::default()
        };
        broken(&mut bad);
        stage.call::<wire::TerminateNexusOperationExecutionResponse>("TerminateNexusOperationExecution", &bad);
        let bad = wire::RequestCancelNexusOperationExecutionRequest {
            namespace: bad.namespace,
            operation_id: bad.operation_id,
            run_id: bad.run_id,
            identity: bad.identity,
            request_id: bad.request_id,
            reason: bad.reason,
        };
        let method = "RequestCancelNexusOperationExecution";
        stage.call::<wire::RequestCancelNexusOperationExecutionResponse>(method, &bad);
    }
}

/// Each request that names one operation, with ids that may be bad.
fn by_id(stage: &mut Stage<'_>, namespace: &str, operation_id: &str, run_id: &str) {
    let (namespace, operation_id, run_id) = (namespace.to_owned(), operation_id.to_owned(), run_id.to_owned());
    let request = wire::DescribeNexusOperationExecutionRequest {
        namespace: namespace.clone(),
        operation_id: operation_id.clone(),
        run_id: run_id.clone(),
        ..Default::default()
    };
    stage.call::<Described>("DescribeNexusOperationExecution", &request);
    let request = wire::PollNexusOperationExecutionRequest {
        namespace: namespace.clone(),
        operation_id: operation_id.clone(),
        run_id: run_id.clone(),
        ..Default::default()
    };
    stage.call::<wire::PollNexusOperationExecutionResponse>("PollNexusOperationExecution", &request);
    let request = wire::RequestCancelNexusOperationExecutionRequest {
        namespace: namespace.clone(),
        operation_id: operation_id.clone(),
        run_id: run_id.clone(),
        ..Default::default()
    };
    let method = "RequestCancelNexusOperationExecution";
    stage.call::<wire::RequestCancelNexusOperationExecutionResponse>(method, &request);
    let request = wire::TerminateNexusOperationExecutionRequest {
        namespace: namespace.clone(),
        operation_id: operation_id.clone(),
        run_id: run_id.clone(),
        ..Default::default()
    };
    stage.call::<wire::TerminateNexusOperationExecutionResponse>("TerminateNexusOperationExecution", &request);
    let request = wire::DeleteNexusOperationExecutionRequest {
        namespace,
        operation_id,
        run_id,
    };
    stage.call::<wire::DeleteNexusOperationExecutionResponse>("DeleteNexusOperationExecution", &request);
}

fn standalone_nexus_operation_is_deleted(stage: &mut Stage<'_>) {
    with_endpoint(stage);
    start(stage, "open");
    delete(stage, "open");
    describe(stage, "open", "");
    delete(stage, "open");
    start(stage, "ended");
    terminate(stage, "ended", "terminate");
    delete(stage, "ended");
    describe(stage, "ended", "");
    stage.pass(2);
    let all = format!("Endpoint = '{}'", endpoint(stage));
    list(stage, &all, 0, &[]);
    start(stage, "open");
}
