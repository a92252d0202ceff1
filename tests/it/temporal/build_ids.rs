//! Versioning by version sets and by rules, switched on: who gets which task, where it can't be seen on a real server in a short while.

// Temporal calls the fields deprecated; they count all the same.
#![allow(deprecated)]

use std::time::Duration;

use awaithumans_testkit::Reject;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::command::v1::{
    Command, FailWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
};
use temporalio_common::protos::temporal::api::common::v1::{
    RetryPolicy, WorkerVersionCapabilities, WorkerVersionStamp,
};
use temporalio_common::protos::temporal::api::enums::v1::TaskQueueKind;
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::taskqueue::v1::build_id_assignment_rule::Ramp;
use temporalio_common::protos::temporal::api::taskqueue::v1::{
    BuildIdAssignmentRule, CompatibleBuildIdRedirectRule, RampByPercentage, TaskQueue,
};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;
use wire::update_worker_build_id_compatibility_request as sets;
use wire::update_worker_versioning_rules_request as rules;

use super::server::{Server, queue, start};

const SETTINGS: [&str; 2] = ["frontend.workerVersioningDataAPIs", "frontend.workerVersioningRuleAPIs"];

fn namespace() -> String {
    "default".to_owned()
}

fn server() -> Server {
    let mut server = Server::new();
    for name in SETTINGS {
        server.set(name, true);
    }
    server
}

fn update_sets(server: &mut Server, operation: sets::Operation) -> Result<(), Reject> {
    let request = wire::UpdateWorkerBuildIdCompatibilityRequest {
        namespace: namespace(),
        task_queue: "q".to_owned(),
        operation: Some(operation),
    };
    let updated: Result<wire::UpdateWorkerBuildIdCompatibilityResponse, Reject> =
        server.call("UpdateWorkerBuildIdCompatibility", &request);
    updated.map(|_| ())
}

fn add_set(server: &mut Server, build_id: &str) {
    update_sets(
        server,
        sets::Operation::AddNewBuildIdInNewDefaultSet(build_id.to_owned()),
    )
    .expect("it is added");
}

fn update_rules(server: &mut Server, operation: rules::Operation) -> Result<(), Reject> {
    let rules: wire::GetWorkerVersioningRulesResponse = server.call(
        "GetWorkerVersioningRules",
        &wire::GetWorkerVersioningRulesRequest {
            namespace: namespace(),
            task_queue: "q".to_owned(),
        },
    )?;
    let request = wire::UpdateWorkerVersioningRulesRequest {
        namespace: namespace(),
        task_queue: "q".to_owned(),
        conflict_token: rules.conflict_token,
        operation: Some(operation),
    };
    let updated: Result<wire::UpdateWorkerVersioningRulesResponse, Reject> =
        server.call("UpdateWorkerVersioningRules", &request);
    updated.map(|_| ())
}

fn commit(server: &mut Server, target: &str, force: bool) -> Result<(), Reject> {
    let commit = rules::CommitBuildId {
        target_build_id: target.to_owned(),
        force,
    };
    update_rules(server, rules::Operation::CommitBuildId(commit))
}

fn redirect(server: &mut Server, source: &str, target: &str) {
    let add = rules::AddCompatibleBuildIdRedirectRule {
        rule: Some(CompatibleBuildIdRedirectRule {
            source_build_id: source.to_owned(),
            target_build_id: target.to_owned(),
        }),
    };
    update_rules(server, rules::Operation::AddCompatibleRedirectRule(add)).expect("the rule is taken");
}

fn capabilities(build_id: &str) -> Option<WorkerVersionCapabilities> {
    Some(WorkerVersionCapabilities {
        build_id: build_id.to_owned(),
        use_versioning: true,
        ..Default::default()
    })
}

fn stamp(build_id: &str) -> Option<WorkerVersionStamp> {
    Some(WorkerVersionStamp {
        build_id: build_id.to_owned(),
        use_versioning: true,
    })
}

fn poll(server: &mut Server, build_id: &str) -> u64 {
    let request = wire::PollWorkflowTaskQueueRequest {
        namespace: namespace(),
        task_queue: Some(queue("q")),
        identity: format!("worker-{build_id}"),
        worker_version_capabilities: capabilities(build_id),
        ..Default::default()
    };
    server.send(1, "PollWorkflowTaskQueue", &request)
}

fn poll_unversioned(server: &mut Server) -> u64 {
    let request = wire::PollWorkflowTaskQueueRequest {
        namespace: namespace(),
        task_queue: Some(queue("q")),
        identity: "worker".to_owned(),
        ..Default::default()
    };
    server.send(2, "PollWorkflowTaskQueue", &request)
}

fn poll_activity(server: &mut Server, build_id: &str) -> u64 {
    let request = wire::PollActivityTaskQueueRequest {
        namespace: namespace(),
        task_queue: Some(queue("q")),
        identity: format!("worker-{build_id}"),
        worker_version_capabilities: capabilities(build_id),
        ..Default::default()
    };
    server.send(1, "PollActivityTaskQueue", &request)
}

/// The task that a poll gets, or `None` if it waits.
fn task(server: &mut Server, ticket: u64) -> Option<wire::PollWorkflowTaskQueueResponse> {
    server.hand_out();
    server
        .answer(ticket)
        .map(|answer| answer.expect("the poll is a good one"))
}

fn answering(task: &wire::PollWorkflowTaskQueueResponse, build_id: &str) -> wire::RespondWorkflowTaskCompletedRequest {
    wire::RespondWorkflowTaskCompletedRequest {
        namespace: namespace(),
        task_token: task.task_token.clone(),
        worker_version_stamp: stamp(build_id),
        ..Default::default()
    }
}

fn answer(
    server: &mut Server,
    task: &wire::PollWorkflowTaskQueueResponse,
    build_id: &str,
    commands: Vec<Command>,
) -> wire::RespondWorkflowTaskCompletedResponse {
    let request = wire::RespondWorkflowTaskCompletedRequest {
        commands,
        ..answering(task, build_id)
    };
    server
        .call("RespondWorkflowTaskCompleted", &request)
        .expect("it is taken")
}

/// A worker of a build id does a workflow's first task.
fn begin(server: &mut Server, id: &str, build_id: &str, commands: Vec<Command>) {
    server.start(id);
    let ticket = poll(server, build_id);
    let task = task(server, ticket).expect("it gets the task");
    answer(server, &task, build_id, commands);
}

fn signal(server: &mut Server, id: &str) {
    let request = wire::SignalWorkflowExecutionRequest {
        namespace: namespace(),
        workflow_execution: Some(super::server::execution(id)),
        signal_name: "news".to_owned(),
        ..Default::default()
    };
    let _: wire::SignalWorkflowExecutionResponse = server.call("SignalWorkflowExecution", &request).unwrap();
}

fn assigned(server: &mut Server, id: &str) -> String {
    server.describe(id).workflow_execution_info.unwrap().assigned_build_id
}

fn build_ids(server: &mut Server, id: &str) -> String {
    let info = server.describe(id).workflow_execution_info.unwrap();
    let fields = info.search_attributes.unwrap_or_default().indexed_fields;
    let values = fields.get("BuildIds").map(|payload| payload.data.clone());
    String::from_utf8(values.unwrap_or_default()).unwrap()
}

#[track_caller]
fn assert_refused<A: std::fmt::Debug>(outcome: Result<A, Reject>, code: Code, message: &str) {
    let reject = outcome.unwrap_err();
    assert_eq!((reject.code(), reject.message().as_str()), (code, message));
}

#[test]
fn workers_without_versioning_get_no_versioned_task() {
    let mut server = server();
    add_set(&mut server, "1");
    server.start("w");
    let unversioned = poll_unversioned(&mut server);
    let unknown = poll(&mut server, "unknown");
    assert!(task(&mut server, unversioned).is_none());
    assert!(task(&mut server, unknown).is_none());
    let versioned = poll(&mut server, "1");
    assert!(task(&mut server, versioned).is_some());
}

#[test]
fn a_workflow_that_began_without_versioning_stays_without() {
    let mut server = server();
    server.start("w");
    let ticket = poll_unversioned(&mut server);
    let first = task(&mut server, ticket).unwrap();
    let request = wire::RespondWorkflowTaskCompletedRequest {
        worker_version_stamp: None,
        ..answering(&first, "")
    };
    let _: wire::RespondWorkflowTaskCompletedResponse = server.call("RespondWorkflowTaskCompleted", &request).unwrap();
    commit(&mut server, "1", true).unwrap();
    signal(&mut server, "w");
    let versioned = poll(&mut server, "1");
    assert!(task(&mut server, versioned).is_none());
    let unversioned = poll_unversioned(&mut server);
    assert!(task(&mut server, unversioned).is_some());
    assert_eq!(assigned(&mut server, "w"), "");
}

#[test]
fn a_task_that_waits_goes_to_the_set_that_becomes_the_default() {
    let mut server = server();
    server.start("w");
    let ticket = poll(&mut server, "1");
    assert!(task(&mut server, ticket).is_none());
    add_set(&mut server, "1");
    assert!(task(&mut server, ticket).is_some(), "both have moved to the set");
}

#[test]
fn a_poll_of_a_superseded_worker_ends() {
    let mut server = server();
    add_set(&mut server, "1");
    let ticket = poll(&mut server, "1");
    let add = sets::AddNewCompatibleVersion {
        new_build_id: "1.1".to_owned(),
        existing_compatible_build_id: "1".to_owned(),
        make_set_default: false,
    };
    update_sets(&mut server, sets::Operation::AddNewCompatibleBuildId(add)).unwrap();
    let ended: wire::PollWorkflowTaskQueueResponse = server.answer(ticket).expect("it is answered").unwrap();
    assert!(ended.task_token.is_empty());
    let again = poll(&mut server, "1");
    assert_refused(
        server
            .answer::<wire::PollWorkflowTaskQueueResponse>(again)
            .expect("it is refused at once"),
        Code::OutOfRange,
        "Task queue has a newer compatible build: \"1.1\"",
    );
}

#[test]
fn a_merged_sets_workers_get_the_tasks_of_both() {
    let mut server = server();
    add_set(&mut server, "2");
    begin(&mut server, "w", "2", vec![]);
    add_set(&mut server, "1");
    let ticket = poll(&mut server, "1");
    let merge = sets::MergeSets {
        primary_set_build_id: "1".to_owned(),
        secondary_set_build_id: "2".to_owned(),
    };
    update_sets(&mut server, sets::Operation::MergeSets(merge)).unwrap();
    signal(&mut server, "w");
    assert!(task(&mut server, ticket).is_some());
}

#[test]
fn a_commit_without_force_needs_a_worker_that_polled_lately() {
    let mut server = server();
    let refused = "no versioned poller with build ID '1' seen within the last 1m10s, use force=true to commit anyways";
    assert_refused(commit(&mut server, "1", false), Code::FailedPrecondition, refused);
    poll(&mut server, "1");
    server.disconnect(1);
    server.advance(Duration::from_secs(69));
    commit(&mut server, "1", false).unwrap();
    server.advance(Duration::from_secs(2));
    assert_refused(commit(&mut server, "1", false), Code::FailedPrecondition, refused);
}

#[test]
fn a_ramp_takes_some_workflows_and_always_the_same() {
    let mut server = server();
    commit(&mut server, "old", true).unwrap();
    let insert = rules::InsertBuildIdAssignmentRule {
        rule_index: 0,
        rule: Some(BuildIdAssignmentRule {
            target_build_id: "new".to_owned(),
            ramp: Some(Ramp::PercentageRamp(RampByPercentage { ramp_percentage: 30.0 })),
        }),
    };
    update_rules(&mut server, rules::Operation::InsertAssignmentRule(insert)).unwrap();
    let mut new = 0;
    for number in 0..200 {
        let id = format!("w{number}");
        server.start(&id);
        new += usize::from(assigned(&mut server, &id) == "new");
    }
    assert!((30..90).contains(&new), "{new} of 200");
}

#[test]
fn a_redirected_workflow_leaves_the_worker_that_has_it_in_the_cache() {
    let mut server = server();
    commit(&mut server, "1", true).unwrap();
    server.start("w");
    let ticket = poll(&mut server, "1");
    let first = task(&mut server, ticket).unwrap();
    let own = TaskQueue {
        name: "own".to_owned(),
        kind: TaskQueueKind::Sticky as i32,
        normal_name: "q".to_owned(),
    };
    let poll_own = wire::PollWorkflowTaskQueueRequest {
        namespace: namespace(),
        task_queue: Some(own.clone()),
        identity: "worker-1".to_owned(),
        worker_version_capabilities: capabilities("1"),
        ..Default::default()
    };
    let sticky = server.send(1, "PollWorkflowTaskQueue", &poll_own);
    let request = wire::RespondWorkflowTaskCompletedRequest {
        sticky_attributes: Some(
            temporalio_common::protos::temporal::api::taskqueue::v1::StickyExecutionAttributes {
                worker_task_queue: Some(own),
                ..Default::default()
            },
        ),
        ..answering(&first, "1")
    };
    let _: wire::RespondWorkflowTaskCompletedResponse = server.call("RespondWorkflowTaskCompleted", &request).unwrap();
    signal(&mut server, "w");
    let second = task(&mut server, sticky).expect("its own worker has it");
    answer(&mut server, &second, "1", vec![]);
    redirect(&mut server, "1", "2");
    signal(&mut server, "w");
    let other = poll(&mut server, "2");
    assert!(task(&mut server, other).is_some());
    assert_eq!(assigned(&mut server, "w"), "2");
    assert_eq!(
        build_ids(&mut server, "w"),
        r#"["assigned:2","versioned:1","versioned:2"]"#
    );
    let counters = server.find("w", |attributes| match attributes {
        Attributes::WorkflowTaskStartedEventAttributes(it) => Some(it.build_id_redirect_counter),
        _ => None,
    });
    assert_eq!(counters, [0, 0, 1]);
}

#[test]
fn each_attempt_of_an_activity_of_its_own_is_assigned_anew() {
    let mut server = server();
    commit(&mut server, "1", true).unwrap();
    let activity = Command {
        command_type: 1,
        attributes: Some(Does::ScheduleActivityTaskCommandAttributes(
            ScheduleActivityTaskCommandAttributes {
                activity_id: "a".to_owned(),
                activity_type: Some("work".to_owned().into()),
                task_queue: Some(queue("q")),
                start_to_close_timeout: Some(prost_types::Duration { seconds: 9, nanos: 0 }),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    begin(&mut server, "w", "1", vec![activity]);
    let ticket = poll_activity(&mut server, "1");
    server.hand_out();
    let first: wire::PollActivityTaskQueueResponse = server.answer(ticket).expect("it gets the task").unwrap();
    let failed = wire::RespondActivityTaskFailedRequest {
        namespace: namespace(),
        task_token: first.task_token,
        failure: Some(Failure {
            failure_info: Some(FailureInfo::ApplicationFailureInfo(Default::default())),
            ..Default::default()
        }),
        worker_version: stamp("1"),
        ..Default::default()
    };
    let _: wire::RespondActivityTaskFailedResponse = server.call("RespondActivityTaskFailed", &failed).unwrap();
    commit(&mut server, "2", true).unwrap();
    server.advance(Duration::from_secs(1));
    let described = server.describe("w").pending_activities.remove(0);
    use temporalio_common::protos::temporal::api::workflow::v1::pending_activity_info::AssignedBuildId;
    assert_eq!(
        described.assigned_build_id,
        Some(AssignedBuildId::LastIndependentlyAssignedBuildId("2".to_owned()))
    );
    let ticket = poll_activity(&mut server, "2");
    server.hand_out();
    assert!(server.answer::<wire::PollActivityTaskQueueResponse>(ticket).is_some());
    assert_eq!(assigned(&mut server, "w"), "1", "its workflow stays where it is");
}

#[test]
fn a_retry_in_a_set_stays_there_and_a_cron_goes_to_the_default() {
    let failing = || Command {
        command_type: 6,
        attributes: Some(Does::FailWorkflowExecutionCommandAttributes(
            FailWorkflowExecutionCommandAttributes {
                failure: Some(Failure::default()),
            },
        )),
        ..Default::default()
    };
    let mut server = server();
    add_set(&mut server, "1");
    let retried = wire::StartWorkflowExecutionRequest {
        retry_policy: Some(RetryPolicy {
            maximum_attempts: 2,
            ..Default::default()
        }),
        ..start("r")
    };
    let _: wire::StartWorkflowExecutionResponse = server.call("StartWorkflowExecution", &retried).unwrap();
    let cron = wire::StartWorkflowExecutionRequest {
        cron_schedule: "@every 10s".to_owned(),
        ..start("c")
    };
    let _: wire::StartWorkflowExecutionResponse = server.call("StartWorkflowExecution", &cron).unwrap();
    server.advance(Duration::from_secs(10));
    for _ in 0..2 {
        let ticket = poll(&mut server, "1");
        let task = task(&mut server, ticket).unwrap();
        answer(&mut server, &task, "1", vec![failing()]);
    }
    add_set(&mut server, "2");
    server.advance(Duration::from_secs(10));
    for (id, build_id, source) in [("r", "1", stamp("1")), ("c", "2", None)] {
        let ticket = poll(&mut server, build_id);
        let task = task(&mut server, ticket).unwrap_or_else(|| panic!("{id} is with {build_id}"));
        assert_eq!(task.workflow_execution.unwrap().workflow_id, id);
        let sources = server.find(id, |attributes| match attributes {
            Attributes::WorkflowExecutionStartedEventAttributes(it) => Some(it.source_version_stamp.clone()),
            _ => None,
        });
        assert_eq!(sources, [source]);
    }
}

#[test]
fn versioned_workers_can_be_switched_off() {
    let mut server = server();
    server.set("frontend.workerVersioningWorkflowAPIs", false);
    let ticket = poll(&mut server, "1");
    assert_refused(
        server
            .answer::<wire::PollWorkflowTaskQueueResponse>(ticket)
            .expect("it is refused at once"),
        Code::PermissionDenied,
        "Worker versioning in workflow progress APIs is disabled on this namespace.",
    );
}

#[test]
fn what_goes_by_a_sets_build_id_stays_on_its_queue() {
    let mut server = server();
    add_set(&mut server, "1");
    server.start("w");
    let ticket = poll(&mut server, "1");
    let task = task(&mut server, ticket).unwrap();
    let activity = Command {
        command_type: 1,
        attributes: Some(Does::ScheduleActivityTaskCommandAttributes(
            ScheduleActivityTaskCommandAttributes {
                activity_id: "a".to_owned(),
                activity_type: Some("work".to_owned().into()),
                task_queue: Some(queue("elsewhere")),
                start_to_close_timeout: Some(prost_types::Duration { seconds: 9, nanos: 0 }),
                use_workflow_build_id: true,
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    let request = wire::RespondWorkflowTaskCompletedRequest {
        commands: vec![activity],
        ..answering(&task, "1")
    };
    let refused: Result<wire::RespondWorkflowTaskCompletedResponse, Reject> =
        server.call("RespondWorkflowTaskCompleted", &request);
    assert_refused(
        refused,
        Code::InvalidArgument,
        "BadScheduleActivityAttributes: Activity with UseCompatibleVersion cannot run on different task queue.",
    );
}

#[test]
fn limits_are_settings() {
    let mut server = server();
    server.set("limit.versionCompatibleSetLimitPerQueue", 1);
    add_set(&mut server, "1");
    assert_refused(
        update_sets(
            &mut server,
            sets::Operation::AddNewBuildIdInNewDefaultSet("2".to_owned()),
        ),
        Code::FailedPrecondition,
        "update would exceed number of compatible version sets permitted in namespace dynamic config (2/1)",
    );
    server.set("limit.wv.RedirectRuleMaxUpstreamBuildIDsPerQueue", 1);
    redirect(&mut server, "3", "4");
    let add = rules::AddCompatibleBuildIdRedirectRule {
        rule: Some(CompatibleBuildIdRedirectRule {
            source_build_id: "4".to_owned(),
            target_build_id: "5".to_owned(),
        }),
    };
    assert_refused(
        update_rules(&mut server, rules::Operation::AddCompatibleRedirectRule(add)),
        Code::FailedPrecondition,
        "update exceeds number of upstream build ids permitted in namespace (2/1)",
    );
    server.set("limit.workerBuildIdSize", 3);
    let ticket = poll(&mut server, "long");
    assert_refused(
        server
            .answer::<wire::PollWorkflowTaskQueueResponse>(ticket)
            .expect("it is refused at once"),
        Code::InvalidArgument,
        "Build ID exceeds configured limit.workerBuildIdSize, use a shorter build ID.",
    );
}
