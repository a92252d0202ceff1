//! Where tasks go, what runs hear of it, and what they pass on.

use temporalio_common::protos::temporal::api::command::v1::command::Attributes as CommandAttributes;
use temporalio_common::protos::temporal::api::command::v1::{
    Command, CompleteWorkflowExecutionCommandAttributes, ContinueAsNewWorkflowExecutionCommandAttributes,
    ScheduleActivityTaskCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
};
use temporalio_common::protos::temporal::api::common::v1::{ActivityType, WorkflowType};
use temporalio_common::protos::temporal::api::enums::v1::{
    CommandType, ContinueAsNewVersioningBehavior as InitialBehavior, StartChildWorkflowExecutionFailedCause,
    VersioningBehavior as Behavior,
};
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::history::v1::{
    ActivityTaskStartedEventAttributes, WorkflowExecutionStartedEventAttributes, WorkflowTaskCompletedEventAttributes,
};
use temporalio_common::protos::temporal::api::workflow::v1::versioning_override::{
    OneTimeOverride, Override as Kind, PinnedOverride, PinnedOverrideBehavior,
};
use temporalio_common::protos::temporal::api::workflow::v1::{VersioningOverride, WorkflowExecutionVersioningInfo};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::super::server::{Server, execution, queue, start};
use super::*;

type Task = wire::PollWorkflowTaskQueueResponse;

/// The task that a poll of a version's worker gets, if any.
fn take(server: &mut Server, build_id: &str) -> Option<Task> {
    let ticket = poll(server, "q", build_id);
    server.hand_out();
    let task = server
        .answer(ticket)
        .map(|answer| answer.expect("polls aren't refused"));
    if task.is_none() {
        server.disconnect(build_id.parse().unwrap_or(9));
    }
    task
}

fn command(kind: CommandType, attributes: CommandAttributes) -> Command {
    Command {
        command_type: kind as i32,
        attributes: Some(attributes),
        ..Default::default()
    }
}

fn complete_workflow() -> Command {
    let attributes = CompleteWorkflowExecutionCommandAttributes::default();
    command(
        CommandType::CompleteWorkflowExecution,
        CommandAttributes::CompleteWorkflowExecutionCommandAttributes(attributes),
    )
}

fn respond(
    server: &mut Server,
    task: &Task,
    build_id: &str,
    behavior: Behavior,
    commands: Vec<Command>,
) -> Result<wire::RespondWorkflowTaskCompletedResponse, Reject> {
    let request = wire::RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token.clone(),
        commands,
        deployment_options: versioned("app", build_id),
        versioning_behavior: behavior as i32,
        return_new_workflow_task: true,
        ..Default::default()
    };
    server.call("RespondWorkflowTaskCompleted", &request)
}

/// A worker of a version takes the task that is there and answers it.
fn work(server: &mut Server, build_id: &str, behavior: Behavior, commands: Vec<Command>) {
    let task = take(server, build_id).expect("there is a task for this version");
    respond(server, &task, build_id, behavior, commands).expect("the answer is taken");
}

fn signal(server: &mut Server, id: &str) {
    let request = wire::SignalWorkflowExecutionRequest {
        namespace: namespace(),
        workflow_execution: Some(execution(id)),
        signal_name: "go".to_owned(),
        ..Default::default()
    };
    let _: wire::SignalWorkflowExecutionResponse = server.call("SignalWorkflowExecution", &request).unwrap();
}

fn info(server: &mut Server, id: &str) -> WorkflowExecutionVersioningInfo {
    let described = server.describe(id).workflow_execution_info.unwrap();
    described.versioning_info.expect("the workflow is versioned")
}

fn started(server: &Server, id: &str) -> WorkflowExecutionStartedEventAttributes {
    let found = server.find(id, |attributes| match attributes {
        Attributes::WorkflowExecutionStartedEventAttributes(it) => Some(it.clone()),
        _ => None,
    });
    found[0].clone()
}

fn completions(server: &Server, id: &str) -> Vec<WorkflowTaskCompletedEventAttributes> {
    server.find(id, |attributes| match attributes {
        Attributes::WorkflowTaskCompletedEventAttributes(it) => Some(it.clone()),
        _ => None,
    })
}

/// For each started workflow task: whether it told of a new target version.
fn changed(server: &Server, id: &str) -> Vec<bool> {
    server.find(id, |attributes| match attributes {
        Attributes::WorkflowTaskStartedEventAttributes(it) => Some(it.target_worker_deployment_version_changed),
        _ => None,
    })
}

fn pinned(build_id: &str) -> VersioningOverride {
    VersioningOverride {
        r#override: Some(Kind::Pinned(PinnedOverride {
            behavior: PinnedOverrideBehavior::Pinned as i32,
            version: Some(version(build_id)),
        })),
        ..Default::default()
    }
}

fn attribute(server: &mut Server, id: &str, name: &str) -> Option<String> {
    let described = server.describe(id).workflow_execution_info.unwrap();
    let payload = described.search_attributes.unwrap().indexed_fields.remove(name)?;
    Some(String::from_utf8(payload.data).unwrap())
}

#[test]
fn a_new_workflow_goes_to_the_current_version() {
    let mut server = two_versions();
    server.start("w");
    assert_eq!(take(&mut server, "2"), None);
    work(&mut server, "1", Behavior::Pinned, vec![]);
    let completed = &completions(&server, "w")[0];
    assert_eq!(completed.worker_deployment_name, "app");
    assert_eq!(completed.deployment_version, Some(version("1")));
    assert_eq!(completed.versioning_behavior(), Behavior::Pinned);
    let info = info(&mut server, "w");
    assert_eq!(
        (info.behavior(), info.deployment_version.clone()),
        (Behavior::Pinned, Some(version("1")))
    );
    assert_eq!((info.revision_number, info.version_transition), (1, None));
    assert_eq!(
        server
            .describe("w")
            .workflow_execution_info
            .unwrap()
            .worker_deployment_name,
        "app"
    );
}

#[test]
fn without_a_current_version_workers_without_a_version_get_the_workflow() {
    let mut server = Server::new();
    poll(&mut server, "q", "1");
    server.start("w");
    server.hand_out();
    let request = wire::PollWorkflowTaskQueueRequest {
        namespace: namespace(),
        task_queue: Some(queue("q")),
        ..Default::default()
    };
    let ticket = server.send(5, "PollWorkflowTaskQueue", &request);
    server.hand_out();
    let task: Option<Result<Task, Reject>> = server.answer(ticket);
    assert_eq!(task.unwrap().unwrap().workflow_execution.unwrap().workflow_id, "w");
}

#[test]
fn a_pinned_workflow_stays_and_hears_of_the_new_version() {
    let mut server = two_versions();
    server.start("w");
    work(&mut server, "1", Behavior::Pinned, vec![]);
    set_current(&mut server, "2");
    signal(&mut server, "w");
    assert_eq!(take(&mut server, "2"), None);
    work(&mut server, "1", Behavior::Pinned, vec![]);
    assert_eq!(changed(&server, "w"), [false, true]);
}

#[test]
fn a_workflow_that_upgrades_goes_to_the_new_version_by_a_transition() {
    let mut server = two_versions();
    server.start("w");
    work(&mut server, "1", Behavior::AutoUpgrade, vec![]);
    set_current(&mut server, "2");
    signal(&mut server, "w");
    assert_eq!(take(&mut server, "1"), None);
    let task = take(&mut server, "2").unwrap();
    let during = info(&mut server, "w");
    assert_eq!(
        during.version_transition.unwrap().deployment_version,
        Some(version("2"))
    );
    respond(&mut server, &task, "2", Behavior::AutoUpgrade, vec![]).unwrap();
    let after = info(&mut server, "w");
    assert_eq!(
        (after.version_transition, after.deployment_version),
        (None, Some(version("2")))
    );
    assert_eq!(after.revision_number, 2);
    assert_eq!(changed(&server, "w"), [false, false], "it isn't pinned");
}

#[test]
fn a_task_that_waits_for_the_old_version_moves_with_the_current_one() {
    let mut server = two_versions();
    server.start("w");
    set_current(&mut server, "2");
    assert_eq!(take(&mut server, "1"), None);
    assert!(take(&mut server, "2").is_some());
}

#[test]
fn a_ramp_takes_part_of_the_workflows_always_the_same() {
    let mut server = two_versions();
    try_set_ramping(&mut server, &ramping("2", 30.0)).unwrap();
    // FarmHash puts "w" at 29.35 and "order-1" at 35.98 of 100.
    server.start("w");
    assert_eq!(take(&mut server, "1"), None);
    work(&mut server, "2", Behavior::Pinned, vec![complete_workflow()]);
    server.start("order-1");
    assert_eq!(take(&mut server, "2"), None);
    work(&mut server, "1", Behavior::Pinned, vec![complete_workflow()]);
}

#[test]
fn search_attributes_tell_of_the_version() {
    let mut server = two_versions();
    server.start("w");
    work(&mut server, "1", Behavior::Pinned, vec![]);
    let mut of = |name: &str| attribute(&mut server, "w", name);
    assert_eq!(of("TemporalWorkerDeployment").as_deref(), Some("\"app\""));
    assert_eq!(of("TemporalWorkerDeploymentVersion").as_deref(), Some("\"app:1\""));
    assert_eq!(of("TemporalWorkflowVersioningBehavior").as_deref(), Some("\"Pinned\""));
    assert_eq!(
        of("TemporalUsedWorkerDeploymentVersions").as_deref(),
        Some("[\"app:1\"]")
    );
    assert_eq!(of("BuildIds").as_deref(), Some("[\"pinned:app:1\"]"));
}

#[test]
fn an_open_pinned_workflow_keeps_its_version_from_draining() {
    let mut server = two_versions();
    server.start("w");
    work(&mut server, "1", Behavior::Pinned, vec![]);
    set_current(&mut server, "2");
    server.advance(Duration::from_secs(400));
    assert_eq!(describe_version(&mut server, "1").status(), Status::Draining);
    signal(&mut server, "w");
    work(&mut server, "1", Behavior::Pinned, vec![complete_workflow()]);
    assert_eq!(describe_version(&mut server, "1").status(), Status::Draining);
    server.advance(Duration::from_secs(180));
    assert_eq!(describe_version(&mut server, "1").status(), Status::Drained);
}

#[test]
fn an_override_sends_a_workflow_to_a_version_that_isnt_current() {
    let mut server = two_versions();
    let mut request = start("w");
    request.versioning_override = Some(pinned("2"));
    let _: wire::StartWorkflowExecutionResponse = server.call("StartWorkflowExecution", &request).unwrap();
    assert_eq!(started(&server, "w").versioning_override, Some(pinned("2")));
    assert_eq!(take(&mut server, "1"), None);
    work(&mut server, "2", Behavior::AutoUpgrade, vec![]);
    let info = info(&mut server, "w");
    assert_eq!(info.behavior(), Behavior::AutoUpgrade, "what the worker says");
    let over = info.versioning_override.unwrap();
    assert_eq!(over.r#override, pinned("2").r#override);
    signal(&mut server, "w");
    assert_eq!(take(&mut server, "1"), None, "the override still counts");
    assert_eq!(
        describe_version(&mut server, "2").status(),
        Status::Draining,
        "it is used again"
    );
}

#[test]
fn a_one_time_override_is_gone_after_the_first_task() {
    let mut server = two_versions();
    let mut request = start("w");
    request.versioning_override = Some(VersioningOverride {
        r#override: Some(Kind::OneTime(OneTimeOverride {
            target_deployment_version: Some(version("2")),
        })),
        ..Default::default()
    });
    let _: wire::StartWorkflowExecutionResponse = server.call("StartWorkflowExecution", &request).unwrap();
    work(&mut server, "2", Behavior::AutoUpgrade, vec![]);
    assert_eq!(info(&mut server, "w").versioning_override, None);
    signal(&mut server, "w");
    work(&mut server, "1", Behavior::AutoUpgrade, vec![]);
    assert_eq!(info(&mut server, "w").deployment_version, Some(version("1")));
}

#[test]
fn an_override_to_a_version_without_workers_on_the_queue_is_refused() {
    let mut server = two_versions();
    let mut request = start("w");
    request.versioning_override = Some(pinned("9"));
    let answer: Result<wire::StartWorkflowExecutionResponse, _> = server.call("StartWorkflowExecution", &request);
    assert_refused(
        answer,
        Code::FailedPrecondition,
        "Pinned version 'app:9' is not present in task queue 'q' of type 'Workflow'",
    );
}

#[test]
fn a_behavior_needs_a_versioned_worker() {
    let mut server = Server::new();
    server.start("w");
    let request = wire::PollWorkflowTaskQueueRequest {
        namespace: namespace(),
        task_queue: Some(queue("q")),
        ..Default::default()
    };
    let ticket = server.send(5, "PollWorkflowTaskQueue", &request);
    server.hand_out();
    let task: Task = server.answer(ticket).unwrap().unwrap();
    let request = wire::RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        versioning_behavior: Behavior::Pinned as i32,
        ..Default::default()
    };
    let answer: Result<wire::RespondWorkflowTaskCompletedResponse, _> =
        server.call("RespondWorkflowTaskCompleted", &request);
    assert_refused(
        answer,
        Code::InvalidArgument,
        "versioning behavior cannot be specified without deployment options being set with versioned mode",
    );
}

fn continue_as_new(initial: InitialBehavior) -> Command {
    let attributes = ContinueAsNewWorkflowExecutionCommandAttributes {
        workflow_type: Some(WorkflowType {
            name: "type".to_owned(),
        }),
        task_queue: Some(queue("q")),
        initial_versioning_behavior: initial as i32,
        ..Default::default()
    };
    command(
        CommandType::ContinueAsNewWorkflowExecution,
        CommandAttributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes),
    )
}

/// A workflow pinned to version 1 continues as new while version 2 is current or ramping.
fn continued(initial: InitialBehavior) -> Server {
    let mut server = two_versions();
    server.start("w");
    work(&mut server, "1", Behavior::Pinned, vec![]);
    match initial {
        InitialBehavior::UseRampingVersion => drop(try_set_ramping(&mut server, &ramping("2", 0.0)).unwrap()),
        _ => drop(set_current(&mut server, "2")),
    }
    signal(&mut server, "w");
    work(&mut server, "1", Behavior::Pinned, vec![continue_as_new(initial)]);
    server.advance(Duration::from_secs(2));
    server
}

#[test]
fn a_pinned_workflow_that_continues_as_new_stays_on_its_version() {
    let mut server = continued(InitialBehavior::Unspecified);
    let begun = started(&server, "w");
    assert_eq!(begun.inherited_pinned_version, Some(version("1")));
    let declined = begun.declined_target_version_upgrade.unwrap();
    assert_eq!(
        (declined.deployment_version, declined.revision_number),
        (Some(version("2")), 2)
    );
    assert_eq!(take(&mut server, "2"), None);
    work(&mut server, "1", Behavior::Pinned, vec![]);
    assert_eq!(changed(&server, "w"), [false], "it has declined that version");
}

#[test]
fn a_pinned_workflow_may_upgrade_when_it_continues_as_new() {
    let mut server = continued(InitialBehavior::AutoUpgrade);
    let begun = started(&server, "w");
    assert_eq!(begun.inherited_pinned_version, None);
    let inherited = begun.inherited_auto_upgrade_info.unwrap();
    assert_eq!(inherited.source_deployment_version, Some(version("1")));
    assert_eq!(inherited.source_deployment_revision_number, 1);
    work(&mut server, "2", Behavior::Pinned, vec![]);
    assert_eq!(info(&mut server, "w").deployment_version, Some(version("2")));
}

#[test]
fn a_workflow_may_ask_for_the_ramping_version_when_it_continues_as_new() {
    let mut server = continued(InitialBehavior::UseRampingVersion);
    assert_eq!(take(&mut server, "1"), None);
    work(&mut server, "2", Behavior::AutoUpgrade, vec![]);
    signal(&mut server, "w");
    work(&mut server, "1", Behavior::AutoUpgrade, vec![]);
}

fn start_child(over: Option<VersioningOverride>) -> Command {
    let attributes = StartChildWorkflowExecutionCommandAttributes {
        workflow_id: "child".to_owned(),
        workflow_type: Some(WorkflowType {
            name: "type".to_owned(),
        }),
        task_queue: Some(queue("q")),
        versioning_override: over,
        ..Default::default()
    };
    command(
        CommandType::StartChildWorkflowExecution,
        CommandAttributes::StartChildWorkflowExecutionCommandAttributes(attributes),
    )
}

#[test]
fn a_child_goes_with_its_pinned_parent() {
    let mut server = two_versions();
    server.start("w");
    work(&mut server, "1", Behavior::Pinned, vec![]);
    set_current(&mut server, "2");
    signal(&mut server, "w");
    work(&mut server, "1", Behavior::Pinned, vec![start_child(None)]);
    assert_eq!(started(&server, "child").inherited_pinned_version, Some(version("1")));
    assert_eq!(info(&mut server, "child").deployment_version, Some(version("1")));
    assert_eq!(take(&mut server, "2"), None);
}

#[test]
fn a_childs_own_override_counts_before_what_its_parent_passes_on() {
    let mut server = two_versions();
    server.start("w");
    work(&mut server, "1", Behavior::Pinned, vec![start_child(Some(pinned("2")))]);
    let begun = started(&server, "child");
    assert_eq!(
        (begun.inherited_pinned_version, begun.versioning_override),
        (None, Some(pinned("2")))
    );
    let task = take(&mut server, "2").unwrap();
    assert_eq!(task.workflow_execution.unwrap().workflow_id, "child");
}

#[test]
fn a_child_with_an_override_to_nowhere_doesnt_start() {
    let mut server = two_versions();
    server.start("w");
    work(&mut server, "1", Behavior::Pinned, vec![start_child(Some(pinned("9")))]);
    let causes = server.find("w", |attributes| match attributes {
        Attributes::StartChildWorkflowExecutionFailedEventAttributes(it) => Some(it.cause()),
        _ => None,
    });
    assert_eq!(
        causes,
        [StartChildWorkflowExecutionFailedCause::InvalidVersioningOverride]
    );
}

fn schedule_activity(name: &str) -> Command {
    let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let attributes = ScheduleActivityTaskCommandAttributes {
        activity_id: "a".to_owned(),
        activity_type: Some(ActivityType {
            name: "work".to_owned(),
        }),
        task_queue: Some(queue(name)),
        start_to_close_timeout: seconds(60),
        ..Default::default()
    };
    command(
        CommandType::ScheduleActivityTask,
        CommandAttributes::ScheduleActivityTaskCommandAttributes(attributes),
    )
}

fn take_activity(server: &mut Server, build_id: &str) -> Option<wire::PollActivityTaskQueueResponse> {
    let ticket = poll_activities(server, "q", build_id);
    server.hand_out();
    server
        .answer(ticket)
        .map(|answer| answer.expect("polls aren't refused"))
}

#[test]
fn an_activity_goes_with_its_pinned_workflow() {
    let mut server = two_versions();
    poll_activities(&mut server, "q", "2");
    let one = poll_activities(&mut server, "q", "1");
    server.start("w");
    work(&mut server, "1", Behavior::Pinned, vec![]);
    set_current(&mut server, "2");
    signal(&mut server, "w");
    work(&mut server, "1", Behavior::Pinned, vec![schedule_activity("q")]);
    server.hand_out();
    let task: Option<Result<wire::PollActivityTaskQueueResponse, Reject>> = server.answer(one);
    assert!(task.is_some(), "version 1 gets it");
    let pending = server.describe("w").pending_activities.remove(0);
    assert_eq!(pending.last_deployment_version, Some(version("1")));
}

#[test]
fn an_activity_of_the_new_version_takes_an_upgrading_workflow_along() {
    let mut server = two_versions();
    poll_activities(&mut server, "q", "1");
    server.disconnect(1);
    server.start("w");
    work(&mut server, "1", Behavior::AutoUpgrade, vec![schedule_activity("q")]);
    let _ = poll_activities(&mut server, "q", "2");
    server.disconnect(2);
    set_current(&mut server, "2");
    assert!(take_activity(&mut server, "2").is_none(), "the workflow goes first");
    let during = info(&mut server, "w").version_transition.unwrap();
    assert_eq!(during.deployment_version, Some(version("2")));
    let started_activities = |server: &Server| -> Vec<ActivityTaskStartedEventAttributes> {
        server.find("w", |attributes| match attributes {
            Attributes::ActivityTaskStartedEventAttributes(it) => Some(it.clone()),
            _ => None,
        })
    };
    assert!(started_activities(&server).is_empty());
    server.disconnect(2);
    work(&mut server, "2", Behavior::AutoUpgrade, vec![]);
    let task = take_activity(&mut server, "2").expect("now the activity may start");
    assert_eq!(task.activity_id, "a");
}

#[test]
fn an_answer_of_a_worker_that_the_workflow_is_leaving_brings_no_inline_task() {
    let mut server = two_versions();
    poll_activities(&mut server, "q", "1");
    server.disconnect(1);
    server.start("w");
    work(&mut server, "1", Behavior::AutoUpgrade, vec![schedule_activity("q")]);
    signal(&mut server, "w");
    let task = take(&mut server, "1").unwrap();
    poll_activities(&mut server, "q", "2");
    set_current(&mut server, "2");
    server.hand_out();
    assert!(info(&mut server, "w").version_transition.is_some());
    let answer = respond(&mut server, &task, "1", Behavior::AutoUpgrade, vec![]).unwrap();
    assert_eq!(answer.workflow_task, None);
    assert!(take(&mut server, "2").is_some());
}

fn with_priority(id: &str, key: i32) -> wire::StartWorkflowExecutionRequest {
    wire::StartWorkflowExecutionRequest {
        priority: Some(temporalio_common::protos::temporal::api::common::v1::Priority {
            priority_key: key,
            ..Default::default()
        }),
        ..start(id)
    }
}

#[test]
fn urgent_workflows_go_first_and_their_activities_inherit_that() {
    let mut server = two_versions();
    for (id, key) in [("idle", 5), ("usual", 0), ("urgent", 1)] {
        let _: wire::StartWorkflowExecutionResponse =
            server.call("StartWorkflowExecution", &with_priority(id, key)).unwrap();
    }
    let mut order = Vec::new();
    for _ in 0..3 {
        let task = take(&mut server, "1").unwrap();
        order.push(task.workflow_execution.clone().unwrap().workflow_id);
        respond(&mut server, &task, "1", Behavior::Pinned, vec![schedule_activity("q")]).unwrap();
    }
    assert_eq!(order, ["urgent", "usual", "idle"]);
    let task = take_activity(&mut server, "1").unwrap();
    assert_eq!(task.workflow_execution.unwrap().workflow_id, "urgent");
    assert_eq!(task.priority.unwrap().priority_key, 1);
    let answer: Result<wire::StartWorkflowExecutionResponse, _> =
        server.call("StartWorkflowExecution", &with_priority("bad", -1));
    assert_refused(answer, Code::InvalidArgument, "priority key can't be negative");
}

#[test]
fn a_queue_tells_what_it_has_to_do_by_priority() {
    let mut server = two_versions();
    for (id, key) in [("a", 1), ("b", 0), ("c", 0)] {
        let _: wire::StartWorkflowExecutionResponse =
            server.call("StartWorkflowExecution", &with_priority(id, key)).unwrap();
    }
    server.advance(Duration::from_secs(10));
    let request = wire::DescribeTaskQueueRequest {
        namespace: namespace(),
        task_queue: Some(queue("q")),
        report_stats: true,
        ..Default::default()
    };
    let described: wire::DescribeTaskQueueResponse = server.call("DescribeTaskQueue", &request).unwrap();
    let stats = described.stats.unwrap();
    assert_eq!(stats.approximate_backlog_count, 3);
    assert_eq!(stats.approximate_backlog_age.unwrap().seconds, 10);
    assert!((stats.tasks_add_rate - 0.3).abs() < 1e-6, "three in ten seconds");
    assert!(stats.tasks_dispatch_rate.abs() < f32::EPSILON);
    assert_eq!(described.stats_by_priority_key[&1].approximate_backlog_count, 1);
    assert_eq!(described.stats_by_priority_key[&3].approximate_backlog_count, 2);
    let versioning = described.versioning_info.unwrap();
    assert_eq!(versioning.current_deployment_version, Some(version("1")));

    let request = wire::DescribeWorkerDeploymentVersionRequest {
        namespace: namespace(),
        deployment_version: Some(version("1")),
        report_task_queue_stats: true,
        ..Default::default()
    };
    let described: wire::DescribeWorkerDeploymentVersionResponse =
        server.call("DescribeWorkerDeploymentVersion", &request).unwrap();
    let of_version = described.version_task_queues[0].stats.unwrap();
    assert_eq!(
        of_version.approximate_backlog_count, 3,
        "they wait for the current version"
    );
}
