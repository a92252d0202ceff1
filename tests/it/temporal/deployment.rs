//! Worker deployments: polls make them, clients change them, and tasks go where they say.

mod routing;

use std::time::Duration;

use awaithumans_testkit::Reject;
use prost::Message;
use temporalio_common::protos::temporal::api::deployment::v1::{
    WorkerDeploymentInfo, WorkerDeploymentOptions, WorkerDeploymentVersion, WorkerDeploymentVersionInfo,
};
use temporalio_common::protos::temporal::api::enums::v1::{
    RoutingConfigUpdateState, TaskQueueType, VersionDrainageStatus, WorkerDeploymentVersionStatus as Status,
    WorkerVersioningMode,
};
use temporalio_common::protos::temporal::api::errordetails::v1::ResourceExhaustedFailure;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;
use wire::set_worker_deployment_manager_request::NewManagerIdentity;

use super::server::{Server, queue};

fn namespace() -> String {
    "default".to_owned()
}

fn version(build_id: &str) -> WorkerDeploymentVersion {
    WorkerDeploymentVersion {
        build_id: build_id.to_owned(),
        deployment_name: "app".to_owned(),
    }
}

fn versioned(deployment: &str, build_id: &str) -> Option<WorkerDeploymentOptions> {
    Some(WorkerDeploymentOptions {
        deployment_name: deployment.to_owned(),
        build_id: build_id.to_owned(),
        worker_versioning_mode: WorkerVersioningMode::Versioned as i32,
    })
}

/// A worker's poll for workflow tasks; its connection is the number in its build id.
fn poll(server: &mut Server, name: &str, build_id: &str) -> u64 {
    let request = wire::PollWorkflowTaskQueueRequest {
        namespace: namespace(),
        task_queue: Some(queue(name)),
        identity: format!("worker-{build_id}"),
        deployment_options: versioned("app", build_id),
        ..Default::default()
    };
    server.send(build_id.parse().unwrap_or(9), "PollWorkflowTaskQueue", &request)
}

fn poll_activities(server: &mut Server, name: &str, build_id: &str) -> u64 {
    let request = wire::PollActivityTaskQueueRequest {
        namespace: namespace(),
        task_queue: Some(queue(name)),
        identity: format!("worker-{build_id}"),
        deployment_options: versioned("app", build_id),
        ..Default::default()
    };
    server.send(build_id.parse().unwrap_or(9), "PollActivityTaskQueue", &request)
}

fn try_describe(server: &mut Server, name: &str) -> Result<wire::DescribeWorkerDeploymentResponse, Reject> {
    let request = wire::DescribeWorkerDeploymentRequest {
        namespace: namespace(),
        deployment_name: name.to_owned(),
    };
    server.call("DescribeWorkerDeployment", &request)
}

fn describe(server: &mut Server) -> WorkerDeploymentInfo {
    let described = try_describe(server, "app").expect("the deployment is there");
    described.worker_deployment_info.expect("it is described")
}

fn describe_version(server: &mut Server, build_id: &str) -> WorkerDeploymentVersionInfo {
    let request = wire::DescribeWorkerDeploymentVersionRequest {
        namespace: namespace(),
        deployment_version: Some(version(build_id)),
        ..Default::default()
    };
    let answer: wire::DescribeWorkerDeploymentVersionResponse = server
        .call("DescribeWorkerDeploymentVersion", &request)
        .expect("the version is there");
    answer.worker_deployment_version_info.expect("it is described")
}

fn current(build_id: &str) -> wire::SetWorkerDeploymentCurrentVersionRequest {
    wire::SetWorkerDeploymentCurrentVersionRequest {
        namespace: namespace(),
        deployment_name: "app".to_owned(),
        build_id: build_id.to_owned(),
        identity: "operator".to_owned(),
        ..Default::default()
    }
}

fn try_set_current(
    server: &mut Server,
    request: &wire::SetWorkerDeploymentCurrentVersionRequest,
) -> Result<wire::SetWorkerDeploymentCurrentVersionResponse, Reject> {
    server.call("SetWorkerDeploymentCurrentVersion", request)
}

fn set_current(server: &mut Server, build_id: &str) -> wire::SetWorkerDeploymentCurrentVersionResponse {
    try_set_current(server, &current(build_id)).expect("it becomes current")
}

fn ramping(build_id: &str, percentage: f32) -> wire::SetWorkerDeploymentRampingVersionRequest {
    wire::SetWorkerDeploymentRampingVersionRequest {
        namespace: namespace(),
        deployment_name: "app".to_owned(),
        build_id: build_id.to_owned(),
        percentage,
        identity: "operator".to_owned(),
        ..Default::default()
    }
}

fn try_set_ramping(
    server: &mut Server,
    request: &wire::SetWorkerDeploymentRampingVersionRequest,
) -> Result<wire::SetWorkerDeploymentRampingVersionResponse, Reject> {
    server.call("SetWorkerDeploymentRampingVersion", request)
}

fn delete_version(build_id: &str) -> wire::DeleteWorkerDeploymentVersionRequest {
    wire::DeleteWorkerDeploymentVersionRequest {
        namespace: namespace(),
        deployment_version: Some(version(build_id)),
        identity: "operator".to_owned(),
        ..Default::default()
    }
}

#[track_caller]
fn assert_refused<A: std::fmt::Debug>(outcome: Result<A, Reject>, code: Code, message: &str) {
    let reject = outcome.unwrap_err();
    assert_eq!((reject.code(), reject.message().as_str()), (code, message));
}

/// A server with two versions of `app` on queue `q`, the first one current.
fn two_versions() -> Server {
    let mut server = Server::new();
    poll(&mut server, "q", "1");
    poll(&mut server, "q", "2");
    set_current(&mut server, "1");
    for connection in [1, 2] {
        server.disconnect(connection);
    }
    server
}

#[test]
#[expect(deprecated, reason = "the old fields are filled in too")]
fn a_poll_makes_the_version_and_its_deployment_known() {
    let mut server = Server::new();
    poll(&mut server, "q", "1");
    poll_activities(&mut server, "q", "1");
    let info = describe(&mut server);
    assert_eq!(info.name, "app");
    let routing = info.routing_config.unwrap();
    assert_eq!(
        (routing.current_version.as_str(), routing.revision_number),
        ("__unversioned__", 0)
    );
    assert_eq!(routing.current_deployment_version, None);
    assert_eq!(
        info.routing_config_update_state,
        RoutingConfigUpdateState::Completed as i32
    );
    let summary = &info.version_summaries[0];
    assert_eq!(
        (summary.version.as_str(), summary.status()),
        ("app.1", Status::Inactive)
    );
    assert_eq!(summary.deployment_version, Some(version("1")));

    let version = describe_version(&mut server, "1");
    let queues: Vec<_> = version
        .task_queue_infos
        .iter()
        .map(|queue| (queue.name.as_str(), queue.r#type()))
        .collect();
    assert_eq!(queues, [("q", TaskQueueType::Workflow), ("q", TaskQueueType::Activity)]);
}

#[test]
fn a_worker_that_isnt_versioned_makes_no_deployment() {
    let mut server = Server::new();
    let request = wire::PollWorkflowTaskQueueRequest {
        namespace: namespace(),
        task_queue: Some(queue("q")),
        deployment_options: Some(WorkerDeploymentOptions {
            deployment_name: "app".to_owned(),
            build_id: "1".to_owned(),
            worker_versioning_mode: WorkerVersioningMode::Unversioned as i32,
        }),
        ..Default::default()
    };
    server.send(1, "PollWorkflowTaskQueue", &request);
    assert_refused(
        try_describe(&mut server, "app"),
        Code::NotFound,
        "no Worker Deployment found with name 'app'; does your Worker Deployment have pollers?",
    );
}

#[test]
fn workers_must_say_all_of_their_version() {
    let mut server = Server::new();
    let mut refused = |deployment: &str, build_id: &str| {
        let request = wire::PollWorkflowTaskQueueRequest {
            namespace: namespace(),
            task_queue: Some(queue("q")),
            deployment_options: versioned(deployment, build_id),
            ..Default::default()
        };
        let ticket = server.send(1, "PollWorkflowTaskQueue", &request);
        let answer: Option<Result<wire::PollWorkflowTaskQueueResponse, Reject>> = server.answer(ticket);
        answer.expect("it is refused").unwrap_err().message()
    };
    assert_eq!(refused("app", ""), "Deployment name and build id must be set together.");
    assert_eq!(refused("a.b", "1"), "worker deployment name cannot contain '.'");
    assert_eq!(refused("app", "__1"), "BuildID cannot start with '__'");
}

#[test]
#[expect(deprecated, reason = "the old fields are filled in too")]
fn a_version_becomes_current_and_the_one_before_drains() {
    let mut server = two_versions();
    let first = describe(&mut server);
    let routing = first.routing_config.unwrap();
    assert_eq!(routing.current_deployment_version, Some(version("1")));
    assert_eq!(
        (routing.current_version.as_str(), routing.revision_number),
        ("app.1", 1)
    );
    assert_eq!(first.last_modifier_identity, "operator");

    let answer = set_current(&mut server, "2");
    assert_eq!(answer.previous_version, "app.1");
    assert_eq!(answer.previous_deployment_version, Some(version("1")));
    assert_eq!(answer.conflict_token.len(), 15, "a time in Go's binary form");
    let one = describe_version(&mut server, "1");
    assert_eq!(one.status(), Status::Draining);
    assert_eq!(one.drainage_info.unwrap().status(), VersionDrainageStatus::Draining);
    assert_eq!(
        (one.current_since_time, describe_version(&mut server, "2").status()),
        (None, Status::Current)
    );

    server.advance(Duration::from_secs(181));
    let one = describe_version(&mut server, "1");
    assert_eq!(one.status(), Status::Drained);
    assert_eq!(one.drainage_info.unwrap().status(), VersionDrainageStatus::Drained);
    let listed = describe(&mut server).version_summaries;
    let statuses: Vec<_> = listed.iter().map(|it| (it.version.as_str(), it.status())).collect();
    assert_eq!(statuses, [("app.2", Status::Current), ("app.1", Status::Drained)]);
}

#[test]
fn the_same_change_again_changes_nothing() {
    let mut server = two_versions();
    let token = try_describe(&mut server, "app").unwrap().conflict_token;
    assert_eq!(set_current(&mut server, "1").conflict_token, token);
    assert_eq!(describe(&mut server).routing_config.unwrap().revision_number, 1);
}

#[test]
fn a_change_that_builds_on_an_old_state_is_refused() {
    let mut server = two_versions();
    let stale = try_describe(&mut server, "app").unwrap().conflict_token;
    set_current(&mut server, "2");
    let request = wire::SetWorkerDeploymentCurrentVersionRequest {
        conflict_token: stale,
        ..current("1")
    };
    assert_refused(
        try_set_current(&mut server, &request),
        Code::FailedPrecondition,
        "conflict token mismatch",
    );
}

#[test]
fn only_versions_that_are_there_become_current() {
    let mut server = Server::new();
    assert_refused(
        try_set_current(&mut server, &current("1")),
        Code::NotFound,
        "no Worker Deployment found with name 'app'; does your Worker Deployment have pollers?",
    );
    poll(&mut server, "q", "1");
    assert_refused(
        try_set_current(&mut server, &current("7")),
        Code::NotFound,
        "build ID '7' not found in Worker Deployment 'app'",
    );
    let allowed = wire::SetWorkerDeploymentCurrentVersionRequest {
        allow_no_pollers: true,
        ..current("7")
    };
    try_set_current(&mut server, &allowed).expect("it may have no pollers");
    assert_eq!(describe_version(&mut server, "7").status(), Status::Current);
}

#[test]
fn a_version_without_the_queues_that_are_in_use_doesnt_become_current() {
    let mut server = Server::new();
    poll(&mut server, "q", "1");
    poll(&mut server, "other", "1");
    set_current(&mut server, "1");
    poll(&mut server, "q", "2");
    let mut on_other = super::server::start("w");
    on_other.task_queue = Some(queue("other"));
    server
        .call::<wire::StartWorkflowExecutionResponse>("StartWorkflowExecution", &on_other)
        .unwrap();
    assert_refused(
        try_set_current(&mut server, &current("2")),
        Code::FailedPrecondition,
        "proposed current version 'app:2' is missing active task queues from the current version; these would become \
         unversioned if it is set as the current version",
    );
    let anyway = wire::SetWorkerDeploymentCurrentVersionRequest {
        ignore_missing_task_queues: true,
        ..current("2")
    };
    try_set_current(&mut server, &anyway).expect("it may miss queues");
}

#[test]
#[expect(deprecated, reason = "the old fields are filled in too")]
fn a_ramp_starts_changes_and_ends() {
    let mut server = two_versions();
    assert_refused(
        try_set_ramping(&mut server, &ramping("1", 5.0)),
        Code::FailedPrecondition,
        "requested ramping version app.1 is already current",
    );
    assert_refused(
        try_set_ramping(&mut server, &ramping("2", 101.0)),
        Code::InvalidArgument,
        "Percentage must be between 0 and 100 (inclusive)",
    );
    try_set_ramping(&mut server, &ramping("2", 5.0)).unwrap();
    let two = describe_version(&mut server, "2");
    assert_eq!(two.status(), Status::Ramping);
    assert!((two.ramp_percentage - 5.0).abs() < f32::EPSILON);

    let since = describe(&mut server)
        .routing_config
        .unwrap()
        .ramping_version_changed_time;
    let answer = try_set_ramping(&mut server, &ramping("2", 50.0)).unwrap();
    assert_eq!(answer.previous_version, "app.2");
    assert!((answer.previous_percentage - 5.0).abs() < f32::EPSILON);
    let routing = describe(&mut server).routing_config.unwrap();
    assert_eq!(
        (routing.ramping_version_changed_time, routing.revision_number),
        (since, 3)
    );
    assert_ne!(routing.ramping_version_percentage_changed_time, since);

    try_set_ramping(&mut server, &ramping("", 0.0)).unwrap();
    let routing = describe(&mut server).routing_config.unwrap();
    assert_eq!(
        (routing.ramping_version.as_str(), routing.ramping_deployment_version),
        ("", None)
    );
    assert_eq!(describe_version(&mut server, "2").status(), Status::Draining);
}

#[test]
#[expect(deprecated, reason = "the old fields are filled in too")]
fn a_ramping_version_that_becomes_current_ramps_no_more() {
    let mut server = two_versions();
    try_set_ramping(&mut server, &ramping("2", 5.0)).unwrap();
    set_current(&mut server, "2");
    let routing = describe(&mut server).routing_config.unwrap();
    assert_eq!(
        (routing.current_version.as_str(), routing.ramping_version.as_str()),
        ("app.2", "")
    );
    assert_eq!(describe_version(&mut server, "1").status(), Status::Draining);
}

#[test]
fn only_the_manager_changes_a_managed_deployment() {
    let mut server = two_versions();
    let manage = |identity: &str, manager: NewManagerIdentity| wire::SetWorkerDeploymentManagerRequest {
        namespace: namespace(),
        deployment_name: "app".to_owned(),
        identity: identity.to_owned(),
        new_manager_identity: Some(manager),
        ..Default::default()
    };
    let answer: Result<wire::SetWorkerDeploymentManagerResponse, _> = server.call(
        "SetWorkerDeploymentManager",
        &manage("", NewManagerIdentity::Self_(true)),
    );
    assert_refused(answer, Code::InvalidArgument, "Identity is required");
    let _: wire::SetWorkerDeploymentManagerResponse = server
        .call(
            "SetWorkerDeploymentManager",
            &manage("boss", NewManagerIdentity::Self_(true)),
        )
        .unwrap();
    assert_eq!(describe(&mut server).manager_identity, "boss");
    let mismatch = "ManagerIdentity 'boss' is set and does not match user identity 'operator'; to proceed, set your own \
                    identity as the ManagerIdentity, remove the ManagerIdentity, or wait for the other client to do so";
    assert_refused(
        try_set_current(&mut server, &current("2")),
        Code::FailedPrecondition,
        mismatch,
    );
    let deleted: Result<wire::DeleteWorkerDeploymentVersionResponse, _> =
        server.call("DeleteWorkerDeploymentVersion", &delete_version("2"));
    assert_refused(deleted, Code::FailedPrecondition, mismatch);
}

#[test]
fn a_version_is_deleted_only_when_nobody_needs_it() {
    let mut server = two_versions();
    let delete = |server: &mut Server, build_id: &str| {
        server.call::<wire::DeleteWorkerDeploymentVersionResponse>(
            "DeleteWorkerDeploymentVersion",
            &delete_version(build_id),
        )
    };
    let refused = |why: &str| format!("version 'app:1' cannot be deleted since it {why}");
    assert_refused(
        delete(&mut server, "1"),
        Code::FailedPrecondition,
        &refused("is current or ramping"),
    );
    set_current(&mut server, "2");
    assert_refused(
        delete(&mut server, "1"),
        Code::FailedPrecondition,
        &refused("is draining"),
    );
    server.advance(Duration::from_secs(200));
    assert_refused(
        delete(&mut server, "1"),
        Code::FailedPrecondition,
        &refused("has active pollers"),
    );
    server.advance(Duration::from_secs(300));
    delete(&mut server, "1").expect("nobody needs it");
    delete(&mut server, "1").expect("it is deleted already");
    assert_eq!(describe(&mut server).version_summaries.len(), 1);
    let deployment = wire::DeleteWorkerDeploymentRequest {
        namespace: namespace(),
        deployment_name: "app".to_owned(),
        ..Default::default()
    };
    let answer: Result<wire::DeleteWorkerDeploymentResponse, _> = server.call("DeleteWorkerDeployment", &deployment);
    assert_refused(
        answer,
        Code::FailedPrecondition,
        "deployment has versions, can't be deleted",
    );
}

#[test]
fn a_deployment_and_its_versions_are_made_by_hand_too() {
    let mut server = Server::new();
    let create = |request_id: &str| wire::CreateWorkerDeploymentRequest {
        namespace: namespace(),
        deployment_name: "app".to_owned(),
        identity: "operator".to_owned(),
        request_id: request_id.to_owned(),
    };
    let made: wire::CreateWorkerDeploymentResponse = server.call("CreateWorkerDeployment", &create("a")).unwrap();
    let again: wire::CreateWorkerDeploymentResponse = server.call("CreateWorkerDeployment", &create("a")).unwrap();
    assert_eq!(made.conflict_token, again.conflict_token);
    let other: Result<wire::CreateWorkerDeploymentResponse, _> = server.call("CreateWorkerDeployment", &create("b"));
    assert_refused(
        other,
        Code::AlreadyExists,
        "Worker Deployment with name \"app\" already exists",
    );
    let version = |request_id: &str| wire::CreateWorkerDeploymentVersionRequest {
        namespace: namespace(),
        deployment_version: Some(version("1")),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    let _: wire::CreateWorkerDeploymentVersionResponse =
        server.call("CreateWorkerDeploymentVersion", &version("a")).unwrap();
    let other: Result<wire::CreateWorkerDeploymentVersionResponse, _> =
        server.call("CreateWorkerDeploymentVersion", &version("b"));
    assert_refused(
        other,
        Code::AlreadyExists,
        "Worker Deployment Version \"app.1\" already exists",
    );
    assert_eq!(describe_version(&mut server, "1").status(), Status::Created);
    poll(&mut server, "q", "1");
    assert_eq!(describe_version(&mut server, "1").status(), Status::Inactive);
}

#[test]
fn a_deployment_that_polls_made_isnt_made_again() {
    let mut server = two_versions();
    let create = wire::CreateWorkerDeploymentRequest {
        namespace: namespace(),
        deployment_name: "app".to_owned(),
        ..Default::default()
    };
    let answer: Result<wire::CreateWorkerDeploymentResponse, _> = server.call("CreateWorkerDeployment", &create);
    assert_refused(
        answer,
        Code::AlreadyExists,
        "Worker Deployment with name \"app\" already exists (auto-created from worker polls)",
    );
}

#[test]
fn a_namespace_has_at_most_a_hundred_deployments() {
    let mut server = Server::new();
    let mut create = |number: usize| {
        let request = wire::CreateWorkerDeploymentRequest {
            namespace: namespace(),
            deployment_name: format!("app-{number}"),
            ..Default::default()
        };
        server.call::<wire::CreateWorkerDeploymentResponse>("CreateWorkerDeployment", &request)
    };
    for number in 0..100 {
        create(number).unwrap();
    }
    let reject = create(100).unwrap_err();
    assert_eq!(reject.code(), Code::ResourceExhausted);
    assert_eq!(reject.message(), "reached maximum deployments in namespace (100)");
    let status = tonic_types_status(&reject);
    let detail = ResourceExhaustedFailure::decode(status.as_slice()).unwrap();
    assert_eq!(
        detail.cause().as_str_name(),
        "RESOURCE_EXHAUSTED_CAUSE_WORKER_DEPLOYMENT_LIMITS"
    );
}

/// The bytes of the one detail that a refusal has.
fn tonic_types_status(reject: &Reject) -> Vec<u8> {
    let status = temporalio_common::protos::google::rpc::Status::decode(reject.details().as_slice()).unwrap();
    status.details[0].value.clone()
}

#[test]
fn deployments_are_listed_page_by_page_the_last_changed_first() {
    let mut server = two_versions();
    let create = wire::CreateWorkerDeploymentRequest {
        namespace: namespace(),
        deployment_name: "other".to_owned(),
        ..Default::default()
    };
    let _: wire::CreateWorkerDeploymentResponse = server.call("CreateWorkerDeployment", &create).unwrap();
    let mut list = |token: Vec<u8>| {
        let request = wire::ListWorkerDeploymentsRequest {
            namespace: namespace(),
            page_size: 1,
            next_page_token: token,
        };
        server
            .call::<wire::ListWorkerDeploymentsResponse>("ListWorkerDeployments", &request)
            .unwrap()
    };
    let first = list(Vec::new());
    assert_eq!(first.worker_deployments[0].name, "other");
    let second = list(first.next_page_token);
    let app = &second.worker_deployments[0];
    assert_eq!(app.name, "app");
    let of = |summary: &Option<_>| {
        let summary: &temporalio_common::protos::temporal::api::deployment::v1::worker_deployment_info::WorkerDeploymentVersionSummary =
            summary.as_ref().unwrap();
        summary.deployment_version.clone()
    };
    assert_eq!(of(&app.current_version_summary), Some(version("1")));
    assert_eq!(of(&app.latest_version_summary), Some(version("2")));
    assert_eq!(app.ramping_version_summary, None);
    assert!(second.next_page_token.is_empty());
}

#[test]
fn a_version_carries_metadata() {
    let mut server = two_versions();
    let payload = temporalio_common::protos::temporal::api::common::v1::Payload {
        data: b"x".to_vec(),
        ..Default::default()
    };
    let set = wire::UpdateWorkerDeploymentVersionMetadataRequest {
        namespace: namespace(),
        deployment_version: Some(version("1")),
        upsert_entries: [("a".to_owned(), payload.clone()), ("b".to_owned(), payload)].into(),
        ..Default::default()
    };
    let _: wire::UpdateWorkerDeploymentVersionMetadataResponse =
        server.call("UpdateWorkerDeploymentVersionMetadata", &set).unwrap();
    let take = wire::UpdateWorkerDeploymentVersionMetadataRequest {
        upsert_entries: Default::default(),
        remove_entries: vec!["a".to_owned()],
        ..set
    };
    let left: wire::UpdateWorkerDeploymentVersionMetadataResponse =
        server.call("UpdateWorkerDeploymentVersionMetadata", &take).unwrap();
    let entries = left.metadata.unwrap().entries;
    assert!(entries.len() == 1 && entries.contains_key("b"));
    assert_eq!(describe_version(&mut server, "1").metadata.unwrap().entries, entries);
}

#[test]
fn the_older_kinds_of_versioning_are_off_as_on_any_server() {
    let mut server = Server::new();
    let sets: Result<wire::GetWorkerBuildIdCompatibilityResponse, _> = server.call(
        "GetWorkerBuildIdCompatibility",
        &wire::GetWorkerBuildIdCompatibilityRequest {
            namespace: namespace(),
            ..Default::default()
        },
    );
    assert_refused(
        sets,
        Code::PermissionDenied,
        "Worker versioning v0.1 (Version Set-based, deprecated) is disabled on this namespace.",
    );
    let rules: Result<wire::GetWorkerVersioningRulesResponse, _> = server.call(
        "GetWorkerVersioningRules",
        &wire::GetWorkerVersioningRulesRequest {
            namespace: namespace(),
            ..Default::default()
        },
    );
    assert_refused(
        rules,
        Code::PermissionDenied,
        "Worker versioning v0.2 (Rules-based, deprecated) is disabled on this namespace.",
    );
    let early: Result<wire::ListDeploymentsResponse, _> = server.call(
        "ListDeployments",
        &wire::ListDeploymentsRequest {
            namespace: namespace(),
            ..Default::default()
        },
    );
    assert_refused(
        early,
        Code::Unimplemented,
        "Deployments are deprecated and no longer supported, use Worker Deployments instead",
    );
}
