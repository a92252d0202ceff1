//! Task queues as clients configure and describe them.

use temporalio_common::protos::temporal::api::enums::v1::{DescribeTaskQueueMode, TaskQueueKind, TaskQueueType};
use temporalio_common::protos::temporal::api::taskqueue::v1::{RateLimit, TaskQueue, TaskQueueVersionSelection};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use wire::update_task_queue_config_request::RateLimitUpdate;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage};

on_both_arms![
    task_queue_is_configured,
    task_queue_weights_are_set_and_unset,
    task_queue_configurations_that_are_refused,
    task_queue_is_described,
    task_queues_that_cannot_be_described,
    task_queue_is_described_by_build_id,
];

pub(super) fn update(stage: &Stage<'_>, queue_type: TaskQueueType) -> wire::UpdateTaskQueueConfigRequest {
    wire::UpdateTaskQueueConfigRequest {
        namespace: NAMESPACE.to_owned(),
        identity: "operator".to_owned(),
        task_queue: stage.named("queue"),
        task_queue_type: queue_type as i32,
        ..Default::default()
    }
}

pub(super) fn configure(stage: &mut Stage<'_>, request: &wire::UpdateTaskQueueConfigRequest) {
    stage.call::<wire::UpdateTaskQueueConfigResponse>("UpdateTaskQueueConfig", request);
}

pub(super) fn limit(requests_per_second: f32, reason: &str) -> Option<RateLimitUpdate> {
    Some(RateLimitUpdate {
        rate_limit: Some(RateLimit { requests_per_second }),
        reason: reason.to_owned(),
    })
}

pub(super) fn no_limit(reason: &str) -> Option<RateLimitUpdate> {
    Some(RateLimitUpdate {
        rate_limit: None,
        reason: reason.to_owned(),
    })
}

pub(super) fn describing(stage: &Stage<'_>, queue_type: TaskQueueType) -> wire::DescribeTaskQueueRequest {
    wire::DescribeTaskQueueRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: stage.queue(),
        task_queue_type: queue_type as i32,
        report_config: true,
        ..Default::default()
    }
}

pub(super) fn describe(stage: &mut Stage<'_>, request: &wire::DescribeTaskQueueRequest) {
    stage.call::<wire::DescribeTaskQueueResponse>("DescribeTaskQueue", request);
}

fn task_queue_is_configured(stage: &mut Stage<'_>) {
    let activities = describing(stage, TaskQueueType::Activity);
    describe(stage, &activities);
    let mut request = update(stage, TaskQueueType::Activity);
    configure(stage, &request);
    request.update_queue_rate_limit = limit(12.5, "the database");
    request.update_fairness_key_rate_limit_default = limit(2.0, "no customer more than others");
    configure(stage, &request);
    // Other kinds of the same queue have configurations of their own; partitions learn of them by and by.
    stage.pass(2);
    describe(stage, &activities);
    let nexus = describing(stage, TaskQueueType::Nexus);
    describe(stage, &nexus);
    let mut request = update(stage, TaskQueueType::Activity);
    request.identity = "another".to_owned();
    request.update_queue_rate_limit = limit(0.0, "stop");
    configure(stage, &request);
    request.update_queue_rate_limit = no_limit("go on");
    request.update_fairness_key_rate_limit_default = no_limit("");
    configure(stage, &request);
    stage.pass(2);
    describe(stage, &activities);
    let mut request = update(stage, TaskQueueType::Nexus);
    request.update_queue_rate_limit = limit(1e9, "");
    configure(stage, &request);
    let mut request = update(stage, TaskQueueType::Unspecified);
    request.update_queue_rate_limit = limit(3.0, "of nobody");
    configure(stage, &request);
    stage.pass(2);
    describe(stage, &nexus);
}

fn task_queue_weights_are_set_and_unset(stage: &mut Stage<'_>) {
    let weights = |pairs: &[(&str, f32)]| pairs.iter().map(|(key, weight)| ((*key).to_owned(), *weight)).collect();
    let mut request = update(stage, TaskQueueType::Workflow);
    request.set_fairness_weight_overrides = weights(&[("gold", 5.0), ("silver", 2.5)]);
    configure(stage, &request);
    request.set_fairness_weight_overrides = weights(&[("gold", 10.0), ("bronze", 0.000_1)]);
    request.unset_fairness_weight_overrides = vec!["silver".to_owned(), "unknown".to_owned()];
    configure(stage, &request);
    let workflows = describing(stage, TaskQueueType::Unspecified);
    describe(stage, &workflows);
    request.set_fairness_weight_overrides.clear();
    request.unset_fairness_weight_overrides = vec!["gold".to_owned(), "bronze".to_owned()];
    configure(stage, &request);
    // Nothing to unset.
    configure(stage, &request);
    // A reason alone takes no limit away that isn't there, also from workflows.
    request.unset_fairness_weight_overrides.clear();
    request.update_queue_rate_limit = no_limit("none");
    configure(stage, &request);
}

fn task_queue_configurations_that_are_refused(stage: &mut Stage<'_>) {
    let plain = update(stage, TaskQueueType::Activity);
    let mut requests = Vec::new();
    let mut refused = |change: &dyn Fn(&mut wire::UpdateTaskQueueConfigRequest)| {
        let mut request = plain.clone();
        change(&mut request);
        requests.push(request);
    };
    refused(&|it| it.namespace = "nowhere".to_owned());
    refused(&|it| it.namespace = String::new());
    refused(&|it| it.task_queue = "/_sys/mine/1".to_owned());
    refused(&|it| {
        it.task_queue_type = TaskQueueType::Workflow as i32;
        it.update_queue_rate_limit = limit(1.0, "");
    });
    refused(&|it| {
        it.task_queue_type = TaskQueueType::Workflow as i32;
        it.update_fairness_key_rate_limit_default = limit(1.0, "");
    });
    refused(&|it| it.update_queue_rate_limit = limit(-1.0, ""));
    refused(&|it| it.update_fairness_key_rate_limit_default = limit(-0.5, ""));
    refused(&|it| it.update_queue_rate_limit = limit(1.0, &"x".repeat(1_001)));
    refused(&|it| it.update_fairness_key_rate_limit_default = limit(1.0, &"x".repeat(1_001)));
    refused(&|it| it.identity = "x".repeat(1_001));
    refused(&|it| it.set_fairness_weight_overrides = [(String::new(), 1.0)].into());
    refused(&|it| it.set_fairness_weight_overrides = [("x".repeat(65), 1.0)].into());
    refused(&|it| it.set_fairness_weight_overrides = [("key \"one\"".to_owned(), 0.0)].into());
    refused(&|it| it.unset_fairness_weight_overrides = vec![String::new()]);
    refused(&|it| it.unset_fairness_weight_overrides = vec!["x".repeat(65)]);
    refused(&|it| {
        it.set_fairness_weight_overrides = [("both".to_owned(), 1.0)].into();
        it.unset_fairness_weight_overrides = vec!["both".to_owned()];
    });
    refused(&|it| {
        it.set_fairness_weight_overrides = (0..1_001).map(|key| (key.to_string(), 1.0)).collect();
    });
    for request in requests {
        configure(stage, &request);
    }
    // Each request may be small enough, and all together too large.
    let many = |range: std::ops::Range<u32>| range.map(|key| (key.to_string(), 1.0)).collect();
    let mut request = plain.clone();
    request.set_fairness_weight_overrides = many(0..1_000);
    stage.look::<wire::UpdateTaskQueueConfigResponse>("UpdateTaskQueueConfig", &request);
    request.set_fairness_weight_overrides = many(999..1_001);
    configure(stage, &request);
    // What has no reason to be refused: a reason that is too long for a limit that is taken away.
    let mut request = update(stage, TaskQueueType::Nexus);
    request.update_queue_rate_limit = no_limit(&"x".repeat(1_001));
    configure(stage, &request);
}

fn task_queue_is_described(stage: &mut Stage<'_>) {
    for queue_type in [
        TaskQueueType::Unspecified,
        TaskQueueType::Workflow,
        TaskQueueType::Activity,
        TaskQueueType::Nexus,
    ] {
        let request = describing(stage, queue_type);
        describe(stage, &request);
    }
    let mut request = describing(stage, TaskQueueType::Workflow);
    request.report_stats = true;
    describe(stage, &request);
    #[expect(deprecated, reason = "clients still ask for it")]
    {
        request.report_stats = false;
        request.include_task_queue_status = true;
    }
    describe(stage, &request);
    let mut queue = stage.queue().unwrap_or_default();
    queue.name = format!("/_sys/{}/3", queue.name);
    request.task_queue = Some(queue);
    describe(stage, &request);
    request.task_queue = Some(TaskQueue {
        name: stage.named("sticky"),
        kind: TaskQueueKind::Sticky as i32,
        normal_name: stage.named("queue"),
    });
    describe(stage, &request);
    request.task_queue = Some(TaskQueue {
        name: stage.named("another"),
        ..Default::default()
    });
    describe(stage, &request);
}

#[expect(deprecated, reason = "clients still ask so")]
fn task_queues_that_cannot_be_described(stage: &mut Stage<'_>) {
    let plain = describing(stage, TaskQueueType::Workflow);
    let named = |name: &str| {
        Some(TaskQueue {
            name: name.to_owned(),
            ..Default::default()
        })
    };
    let sticky = |name: String| {
        Some(TaskQueue {
            name,
            kind: TaskQueueKind::Sticky as i32,
            normal_name: "q".to_owned(),
        })
    };
    let mut requests = Vec::new();
    for task_queue in [
        None,
        named(""),
        named(&"x".repeat(1_001)),
        named("/_sys/"),
        named("/_sys/mine"),
        named("/_sys/mine/0"),
        named("/_sys/mine/x"),
        named("/_sys//_sys/mine/1/1"),
        sticky("/_sys/mine/1".to_owned()),
        Some(TaskQueue {
            name: "mine".to_owned(),
            kind: TaskQueueKind::Normal as i32,
            normal_name: "other".to_owned(),
        }),
        Some(TaskQueue {
            name: "mine".to_owned(),
            kind: TaskQueueKind::Sticky as i32,
            normal_name: "x".repeat(1_001),
        }),
    ] {
        requests.push(wire::DescribeTaskQueueRequest {
            task_queue,
            ..plain.clone()
        });
    }
    for task_queue in [named("/_sys/mine/1"), sticky(stage.named("sticky"))] {
        requests.push(wire::DescribeTaskQueueRequest {
            task_queue,
            report_stats: true,
            ..plain.clone()
        });
    }
    for task_queue in [
        named("/_sys/mine/1"),
        sticky("mine".to_owned()),
        Some(TaskQueue {
            name: "mine".to_owned(),
            kind: TaskQueueKind::Normal as i32,
            normal_name: "other".to_owned(),
        }),
    ] {
        requests.push(wire::DescribeTaskQueueRequest {
            task_queue,
            api_mode: DescribeTaskQueueMode::Enhanced as i32,
            ..plain.clone()
        });
    }
    for namespace in ["nowhere", ""] {
        requests.push(wire::DescribeTaskQueueRequest {
            namespace: namespace.to_owned(),
            ..plain.clone()
        });
    }
    requests.push(wire::DescribeTaskQueueRequest {
        report_task_reachability: true,
        versions: Some(TaskQueueVersionSelection {
            build_ids: (0..6).map(|number| number.to_string()).collect(),
            ..Default::default()
        }),
        ..plain.clone()
    });
    for request in requests {
        describe(stage, &request);
    }
}

#[expect(deprecated, reason = "clients still ask so")]
fn task_queue_is_described_by_build_id(stage: &mut Stage<'_>) {
    let mut request = describing(stage, TaskQueueType::Nexus);
    request.api_mode = DescribeTaskQueueMode::Enhanced as i32;
    describe(stage, &request);
    request.task_queue = Some(TaskQueue {
        name: stage.named("second"),
        ..Default::default()
    });
    request.report_stats = true;
    request.report_pollers = true;
    request.report_task_reachability = true;
    describe(stage, &request);
    request.task_queue = Some(TaskQueue {
        name: stage.named("third"),
        ..Default::default()
    });
    request.task_queue_types = vec![TaskQueueType::Activity as i32, TaskQueueType::Nexus as i32];
    request.versions = Some(TaskQueueVersionSelection {
        build_ids: vec!["v1".to_owned()],
        unversioned: true,
        all_active: false,
    });
    describe(stage, &request);
    request.versions = Some(TaskQueueVersionSelection {
        all_active: true,
        ..Default::default()
    });
    describe(stage, &request);
}
