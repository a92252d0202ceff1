//! Nexus: endpoints, and operations called by workflows.

use temporalio_common::protos::temporal::api::command::v1::ScheduleNexusOperationCommandAttributes;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::nexus::v1 as nexus;
use temporalio_common::protos::temporal::api::operatorservice::v1 as operator;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, command, complete, payload, seconds};

on_both_arms![
    nexus_endpoints,
    nexus_operation_answers_at_once,
    nexus_operation_fails,
    nexus_operation_is_started,
    nexus_operation_times_out,
];

/// The name of an endpoint for this body's queue: letters, digits and hyphens only.
pub(super) fn endpoint(stage: &Stage<'_>) -> String {
    stage.named("endpoint").replace(['_', '~'], "-")
}

/// An endpoint whose handlers poll this body's queue.
pub(super) fn create(stage: &mut Stage<'_>, name: &str) -> Option<nexus::Endpoint> {
    let request = operator::CreateNexusEndpointRequest {
        spec: Some(nexus::EndpointSpec {
            name: name.to_owned(),
            description: None,
            target: Some(nexus::EndpointTarget {
                variant: Some(nexus::endpoint_target::Variant::Worker(
                    nexus::endpoint_target::Worker {
                        namespace: NAMESPACE.to_owned(),
                        task_queue: stage.named("queue"),
                    },
                )),
            }),
        }),
    };
    let answer: Option<operator::CreateNexusEndpointResponse> = stage.operate("CreateNexusEndpoint", &request);
    answer.and_then(|it| it.endpoint)
}

fn nexus_endpoints(stage: &mut Stage<'_>) {
    create(stage, "");
    create(stage, "not a name");
    let name = endpoint(stage);
    let Some(made) = create(stage, &name) else { return };
    create(stage, &name);
    let get = operator::GetNexusEndpointRequest { id: made.id.clone() };
    stage.operate::<operator::GetNexusEndpointResponse>("GetNexusEndpoint", &get);
    for version in [made.version + 5, made.version] {
        let update = operator::UpdateNexusEndpointRequest {
            id: made.id.clone(),
            version,
            spec: made.spec.clone(),
        };
        stage.operate::<operator::UpdateNexusEndpointResponse>("UpdateNexusEndpoint", &update);
    }
    for version in [made.version, made.version + 1] {
        let delete = operator::DeleteNexusEndpointRequest {
            id: made.id.clone(),
            version,
        };
        stage.operate::<operator::DeleteNexusEndpointResponse>("DeleteNexusEndpoint", &delete);
    }
    stage.operate::<operator::GetNexusEndpointResponse>("GetNexusEndpoint", &get);
}

/// A workflow that calls an operation.
fn calling(stage: &mut Stage<'_>, change: fn(&mut ScheduleNexusOperationCommandAttributes)) -> WorkflowExecution {
    let name = endpoint(stage);
    create(stage, &name);
    let execution = stage.start("caller");
    let mut attributes = ScheduleNexusOperationCommandAttributes {
        endpoint: name,
        service: "service".to_owned(),
        operation: "operation".to_owned(),
        input: Some(payload("1")),
        schedule_to_close_timeout: seconds(20),
        ..Default::default()
    };
    change(&mut attributes);
    stage.work(vec![command(
        CommandType::ScheduleNexusOperation,
        Does::ScheduleNexusOperationCommandAttributes(attributes),
    )]);
    execution
}

/// The task isn't written down: its headers hold times and addresses.
pub(super) fn fetch(stage: &mut Stage<'_>) -> wire::PollNexusTaskQueueResponse {
    let request = wire::PollNexusTaskQueueRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: stage.queue(),
        identity: "handler".to_owned(),
        ..Default::default()
    };
    stage.look("PollNexusTaskQueue", &request).unwrap_or_default()
}

pub(super) fn respond(stage: &mut Stage<'_>, variant: nexus::start_operation_response::Variant) {
    let task = fetch(stage);
    answer(stage, task.task_token, variant);
}

pub(super) fn answer(stage: &mut Stage<'_>, task_token: Vec<u8>, variant: nexus::start_operation_response::Variant) {
    let request = wire::RespondNexusTaskCompletedRequest {
        namespace: NAMESPACE.to_owned(),
        identity: "handler".to_owned(),
        task_token,
        response: Some(nexus::Response {
            variant: Some(nexus::response::Variant::StartOperation(
                nexus::StartOperationResponse { variant: Some(variant) },
            )),
        }),
        ..Default::default()
    };
    stage.call::<wire::RespondNexusTaskCompletedResponse>("RespondNexusTaskCompleted", &request);
}

fn nexus_operation_answers_at_once(stage: &mut Stage<'_>) {
    let execution = calling(stage, |_| {});
    respond(
        stage,
        nexus::start_operation_response::Variant::SyncSuccess(nexus::start_operation_response::Sync {
            payload: Some(payload("2")),
            links: vec![],
        }),
    );
    stage.work(vec![complete("1")]);
    stage.history(&execution);
}

#[expect(deprecated, reason = "handlers of today's SDKs still send it")]
fn nexus_operation_fails(stage: &mut Stage<'_>) {
    let execution = calling(stage, |_| {});
    respond(
        stage,
        nexus::start_operation_response::Variant::OperationError(nexus::UnsuccessfulOperationError {
            operation_state: "failed".to_owned(),
            failure: Some(nexus::Failure {
                message: "no luck".to_owned(),
                ..Default::default()
            }),
        }),
    );
    stage.work(vec![complete("1")]);
    stage.history(&execution);
}

fn nexus_operation_is_started(stage: &mut Stage<'_>) {
    let execution = calling(stage, |_| {});
    respond(
        stage,
        nexus::start_operation_response::Variant::AsyncSuccess(nexus::start_operation_response::Async {
            operation_token: "a token".to_owned(),
            ..Default::default()
        }),
    );
    stage.work(vec![]);
    stage.history(&execution);
}

fn nexus_operation_times_out(stage: &mut Stage<'_>) {
    let execution = calling(stage, |it| it.schedule_to_close_timeout = seconds(2));
    stage.work(vec![complete("1")]);
    stage.history(&execution);
}
