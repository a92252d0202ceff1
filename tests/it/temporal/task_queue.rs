//! Task queues: how fast and in what order their tasks go out, and what is told of them.

use std::time::Duration;

use awaithumans_testkit::{HandOut, Reject, Timestamp};
use serde_json::json;
use temporalio_common::protos::temporal::api::common::v1::{ActivityType, Priority};
use temporalio_common::protos::temporal::api::enums::v1::{RateLimitSource, TaskQueueType};
use temporalio_common::protos::temporal::api::taskqueue::v1::{RateLimit, TaskQueueConfig, TaskQueueMetadata};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use wire::update_task_queue_config_request::RateLimitUpdate;

use super::raw::{QUEUE, Raw, queue, seconds};
use super::script::{Step, Task, Work};
use super::{options, result, start_with};

const SECOND: Duration = Duration::from_secs(1);

fn activity(raw: &mut Raw, id: &str, fairness_key: &str, fairness_weight: f32) {
    let request = wire::StartActivityExecutionRequest {
        namespace: "default".to_owned(),
        request_id: format!("start {id}"),
        activity_id: id.to_owned(),
        activity_type: Some(ActivityType {
            name: "work".to_owned(),
        }),
        task_queue: Some(queue()),
        start_to_close_timeout: seconds(600),
        priority: Some(Priority {
            fairness_key: fairness_key.to_owned(),
            fairness_weight,
            ..Default::default()
        }),
        ..Default::default()
    };
    raw.call::<wire::StartActivityExecutionResponse>("StartActivityExecution", &request)
        .unwrap();
}

fn poll(raw: &mut Raw, max_tasks_per_second: Option<f64>) -> u64 {
    let request = wire::PollActivityTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: Some(queue()),
        identity: "worker".to_owned(),
        task_queue_metadata: max_tasks_per_second.map(|rate| TaskQueueMetadata {
            max_tasks_per_second: Some(rate),
        }),
        ..Default::default()
    };
    raw.ask("PollActivityTaskQueue", &request)
}

/// Which activities go out to workers that poll all the time, and how many seconds after the beginning.
fn goes_out(raw: &mut Raw, count: usize, max_tasks_per_second: Option<f64>) -> Vec<(String, u64)> {
    let began = raw.now;
    (0..count)
        .map(|_| {
            let ticket = poll(raw, max_tasks_per_second);
            let task = loop {
                if let Some(answer) = raw.answer::<wire::PollActivityTaskQueueResponse>(ticket) {
                    break answer.unwrap();
                }
                let due = raw.engine.poll_timeout().expect("it comes at last");
                let wait = due.since(raw.now);
                raw.advance(wait);
            };
            (task.activity_id, raw.now.since(began).as_secs())
        })
        .collect()
}

fn moments(raw: &mut Raw, count: usize, max_tasks_per_second: Option<f64>) -> Vec<u64> {
    let gone = goes_out(raw, count, max_tasks_per_second);
    gone.into_iter().map(|(_, seconds)| seconds).collect()
}

fn update(change: impl FnOnce(&mut wire::UpdateTaskQueueConfigRequest)) -> wire::UpdateTaskQueueConfigRequest {
    let mut request = wire::UpdateTaskQueueConfigRequest {
        namespace: "default".to_owned(),
        identity: "operator".to_owned(),
        task_queue: QUEUE.to_owned(),
        task_queue_type: TaskQueueType::Activity as i32,
        ..Default::default()
    };
    change(&mut request);
    request
}

fn configure(
    raw: &mut Raw,
    change: impl FnOnce(&mut wire::UpdateTaskQueueConfigRequest),
) -> Result<TaskQueueConfig, Reject> {
    let request = update(change);
    let answer = raw.call::<wire::UpdateTaskQueueConfigResponse>("UpdateTaskQueueConfig", &request);
    answer.map(|it| it.config.unwrap_or_default())
}

fn limit(requests_per_second: f32) -> Option<RateLimitUpdate> {
    Some(RateLimitUpdate {
        rate_limit: Some(RateLimit { requests_per_second }),
        reason: "test".to_owned(),
    })
}

fn describe(raw: &mut Raw) -> wire::DescribeTaskQueueResponse {
    let request = wire::DescribeTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: Some(queue()),
        task_queue_type: TaskQueueType::Activity as i32,
        report_stats: true,
        report_config: true,
        ..Default::default()
    };
    raw.call("DescribeTaskQueue", &request).unwrap()
}

fn effective(raw: &mut Raw) -> (f32, RateLimitSource) {
    let limit = describe(raw).effective_rate_limit.unwrap();
    (limit.requests_per_second, limit.rate_limit_source())
}

#[test]
fn a_worker_limits_its_queue_in_virtual_time() {
    let mut raw = Raw::new();
    for id in ["a", "b", "c", "d", "e"] {
        activity(&mut raw, id, "", 0.0);
    }
    assert_eq!(moments(&mut raw, 5, Some(1.0)), [0, 0, 1, 2, 3]);
    assert_eq!(effective(&mut raw), (1.0, RateLimitSource::Worker));
}

#[test]
fn a_limit_by_the_api_wins_over_the_workers() {
    let mut raw = Raw::new();
    configure(&mut raw, |it| it.update_queue_rate_limit = limit(0.25)).unwrap();
    for id in ["a", "b", "c"] {
        activity(&mut raw, id, "", 0.0);
    }
    assert_eq!(moments(&mut raw, 3, Some(50.0)), [0, 3, 7]);
    assert_eq!(effective(&mut raw), (0.25, RateLimitSource::Api));
    configure(&mut raw, |it| {
        it.update_queue_rate_limit = Some(RateLimitUpdate::default())
    })
    .unwrap();
    assert_eq!(effective(&mut raw), (50.0, RateLimitSource::Worker));
    poll(&mut raw, None);
    assert_eq!(effective(&mut raw), (4_000.0, RateLimitSource::System));
}

#[test]
fn a_queue_that_is_held_back_lets_time_go_on() {
    let mut raw = Raw::new();
    for id in ["a", "b", "c"] {
        activity(&mut raw, id, "", 0.0);
    }
    for _ in 0..3 {
        poll(&mut raw, Some(1.0));
    }
    let until = raw.now + SECOND;
    assert_eq!(raw.engine.busy_with().len(), 2, "the burst");
    assert_eq!(raw.engine.poll_timeout(), Some(until));
    let waits = format!("task queue \"raw\" waits for its rate limit until {until}");
    assert!(raw.engine.who_waits().contains(&waits), "{:?}", raw.engine.who_waits());
    assert!(describe(&mut raw).stats.unwrap().rate_limiting_active);
    raw.advance(SECOND);
    assert!(!raw.engine.who_waits().contains(&waits));
    assert_ne!(raw.engine.poll_timeout(), Some(raw.now));
}

#[test]
fn a_limit_of_zero_holds_a_queue_until_it_is_taken_away() {
    let mut raw = Raw::new();
    configure(&mut raw, |it| it.update_queue_rate_limit = limit(0.0)).unwrap();
    activity(&mut raw, "a", "", 0.0);
    let ticket = poll(&mut raw, None);
    assert_eq!(raw.engine.poll_timeout(), None, "nothing is due, ever");
    assert!(raw.engine.is_idle());
    let waits = "task queue \"raw\" has a rate limit of 0, so none of its tasks goes out";
    assert!(raw.engine.who_waits().contains(&waits.to_owned()));
    raw.advance(SECOND * 3_600);
    assert!(raw.answer::<wire::PollActivityTaskQueueResponse>(ticket).is_none());

    configure(&mut raw, |it| {
        it.update_queue_rate_limit = Some(RateLimitUpdate::default())
    })
    .unwrap();
    raw.advance(SECOND * 2);
    let task = raw.answer::<wire::PollActivityTaskQueueResponse>(ticket);
    assert_eq!(task.unwrap().unwrap().activity_id, "a");
}

#[test]
fn a_fairness_key_at_its_limit_lets_others_pass() {
    let mut raw = Raw::new();
    configure(&mut raw, |it| {
        it.update_fairness_key_rate_limit_default = limit(0.1);
        it.set_fairness_weight_overrides = [("gold".to_owned(), 2.0)].into();
    })
    .unwrap();
    for (id, key) in [
        ("iron1", "iron"),
        ("iron2", "iron"),
        ("gold1", "gold"),
        ("gold2", "gold"),
        ("tin1", "tin"),
    ] {
        activity(&mut raw, id, key, 0.0);
    }
    let gone = goes_out(&mut raw, 5, None);
    let gone: Vec<(&str, u64)> = gone.iter().map(|(id, seconds)| (id.as_str(), *seconds)).collect();
    assert_eq!(
        gone,
        [("iron1", 0), ("gold1", 0), ("tin1", 0), ("gold2", 4), ("iron2", 9)]
    );
}

#[test]
fn fairness_keys_take_turns_once_fairness_is_on() {
    let order = |is_on: bool| {
        let mut raw = Raw::new();
        raw.engine
            .set_dynamic_config("matching.enableFairness", &json!(is_on))
            .unwrap();
        for (id, key, weight) in [
            ("a1", "a", 0.0),
            ("a2", "a", 0.0),
            ("a3", "a", 0.0),
            ("b1", "b", 2.0),
            ("b2", "b", 2.0),
            ("b3", "b", 2.0),
        ] {
            activity(&mut raw, id, key, weight);
        }
        let gone = goes_out(&mut raw, 6, None);
        gone.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(order(false), ["a1", "a2", "a3", "b1", "b2", "b3"]);
    assert_eq!(order(true), ["b1", "a1", "b2", "b3", "a2", "a3"]);
}

#[test]
fn what_a_queue_has_to_do_is_said_again_for_a_while() {
    let mut raw = Raw::new();
    let backlog = |raw: &mut Raw| describe(raw).stats.unwrap().approximate_backlog_count;
    assert_eq!(backlog(&mut raw), 0);
    activity(&mut raw, "a", "", 0.0);
    raw.advance(SECOND * 4);
    assert_eq!(backlog(&mut raw), 0, "as it was said four seconds ago");
    raw.advance(SECOND);
    assert_eq!(backlog(&mut raw), 1);

    raw.engine
        .set_dynamic_config("matching.TaskQueueInfoByBuildIdTTL", &json!("0s"))
        .unwrap();
    activity(&mut raw, "b", "", 0.0);
    assert_eq!(backlog(&mut raw), 2);
}

#[test]
fn workers_are_shown_for_five_minutes() {
    let mut raw = Raw::new();
    let ticket = poll(&mut raw, Some(7.0));
    raw.engine.handle_abandoned(raw.now, ticket);
    raw.advance(SECOND * 299);
    let pollers = describe(&mut raw).pollers;
    assert_eq!(pollers.len(), 1);
    assert_eq!(pollers[0].identity, "worker");
    assert!((pollers[0].rate_per_second - 7.0).abs() < f64::EPSILON);
    raw.advance(SECOND);
    assert_eq!(describe(&mut raw).pollers, []);
}

#[test]
fn the_servers_own_limit_is_that_of_its_partitions() {
    let mut raw = Raw::new();
    for (name, value) in [
        ("matching.numTaskqueueReadPartitions", json!(2)),
        ("admin.matchingNamespaceTaskqueueToPartitionDispatchRate", json!(30)),
    ] {
        raw.engine.set_dynamic_config(name, &value).unwrap();
    }
    assert_eq!(effective(&mut raw), (60.0, RateLimitSource::System));
    configure(&mut raw, |it| it.update_queue_rate_limit = limit(100.0)).unwrap();
    assert_eq!(effective(&mut raw), (60.0, RateLimitSource::System));
}

#[test]
fn a_configuration_is_kept_with_who_made_it() {
    let mut raw = Raw::new();
    assert_eq!(describe(&mut raw).config, None);
    raw.advance(Duration::from_nanos(1_234_567));
    let set = configure(&mut raw, |it| it.update_queue_rate_limit = limit(5.0)).unwrap();
    assert_eq!(describe(&mut raw).config, Some(set.clone()));
    let metadata = set.queue_rate_limit.unwrap().metadata.unwrap();
    assert_eq!(
        (metadata.update_identity.as_str(), metadata.reason.as_str()),
        ("operator", "test")
    );
    assert_eq!(metadata.update_time.unwrap().nanos, 1_000_000, "in milliseconds");
}

#[test]
fn the_same_seed_gives_the_same_order_of_limited_queues() {
    let play = || -> Vec<(u64, Timestamp)> {
        let mut raw = Raw::with(HandOut::Serial);
        for number in 0..6 {
            activity(&mut raw, &number.to_string(), "", 0.0);
        }
        let mut gone = Vec::new();
        let tickets: Vec<u64> = (0..6).map(|_| poll(&mut raw, Some(2.0))).collect();
        while gone.len() < tickets.len() {
            raw.engine.release_blocked(raw.now);
            while raw.engine.hand_out_next(raw.now) {
                raw.engine.release_blocked(raw.now);
            }
            while let Some((ticket, _)) = raw.engine.poll_output() {
                gone.push((ticket, raw.now));
            }
            raw.advance(SECOND / 2);
        }
        gone
    };
    let first = play();
    assert_eq!(first.last().unwrap().1, Timestamp::EPOCH_OF_TESTS + SECOND * 3 / 2);
    assert_eq!(first, play());
}

#[test]
#[expect(deprecated, reason = "clients still ask so")]
fn a_queue_is_described_by_its_default_build_id_and_by_others() {
    use temporalio_common::protos::temporal::api::enums::v1::{BuildIdTaskReachability, DescribeTaskQueueMode};
    use temporalio_common::protos::temporal::api::taskqueue::v1::{BuildIdAssignmentRule, TaskQueueVersionSelection};
    use wire::update_worker_versioning_rules_request::{InsertBuildIdAssignmentRule, Operation};
    let mut raw = Raw::new();
    let switched = raw
        .engine
        .set_dynamic_config("frontend.workerVersioningRuleAPIs", &json!(true));
    switched.unwrap();
    let reachable = |raw: &mut Raw, build_ids: &[&str]| {
        let request = wire::DescribeTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(queue()),
            api_mode: DescribeTaskQueueMode::Enhanced as i32,
            report_task_reachability: true,
            versions: (!build_ids.is_empty()).then(|| TaskQueueVersionSelection {
                build_ids: build_ids.iter().map(|it| (*it).to_owned()).collect(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let described: wire::DescribeTaskQueueResponse = raw.call("DescribeTaskQueue", &request).unwrap();
        let versions = described.versions_info.into_iter();
        let mut versions: Vec<_> = versions.map(|(id, info)| (id, info.task_reachability())).collect();
        versions.sort_unstable();
        versions
    };
    let is = |build_id: &str, reachability: BuildIdTaskReachability| (build_id.to_owned(), reachability);
    let (yes, no) = (BuildIdTaskReachability::Reachable, BuildIdTaskReachability::Unreachable);
    assert_eq!(reachable(&mut raw, &[]), [is("", yes)]);
    assert_eq!(reachable(&mut raw, &["", "1"]), [is("", yes), is("1", no)]);

    raw.start("w", |_| {});
    let get = wire::GetWorkerVersioningRulesRequest {
        namespace: "default".to_owned(),
        task_queue: QUEUE.to_owned(),
    };
    let rules: wire::GetWorkerVersioningRulesResponse = raw.call("GetWorkerVersioningRules", &get).unwrap();
    let insert = wire::UpdateWorkerVersioningRulesRequest {
        namespace: "default".to_owned(),
        task_queue: QUEUE.to_owned(),
        conflict_token: rules.conflict_token,
        operation: Some(Operation::InsertAssignmentRule(InsertBuildIdAssignmentRule {
            rule_index: 0,
            rule: Some(BuildIdAssignmentRule {
                target_build_id: "1".to_owned(),
                ramp: None,
            }),
        })),
    };
    raw.call::<wire::UpdateWorkerVersioningRulesResponse>("UpdateWorkerVersioningRules", &insert)
        .unwrap();
    assert_eq!(reachable(&mut raw, &[]), [is("1", yes)]);
    assert_eq!(
        reachable(&mut raw, &["", "1", "2"]),
        [is("", yes), is("1", yes), is("2", no)],
        "a workflow without a build id runs"
    );
}

#[tokio::test]
async fn time_skips_to_the_moment_when_a_limited_activity_may_go() {
    let kit = awaithumans_testkit::Testkit::start().await;
    let mut limited = options(super::QUEUE);
    limited.max_task_queue_activities_per_second = Some(0.01);
    let _worker = kit.spawn_worker(limited).await;
    let began = kit.now();
    let steps = (0..3).map(|_| {
        let task = Task {
            schedule_to_close: Some(3_600),
            ..Task::new(Work::Attempt)
        };
        Step::Activity(task)
    });
    let options = temporalio_client::WorkflowStartOptions::new(super::QUEUE, "limited").build();
    let handle = start_with(&kit, steps.collect(), options).await;
    assert_eq!(result(&handle).await.unwrap(), ["attempt 1", "attempt 1", "attempt 1"]);
    assert_eq!(kit.now().since(began), SECOND * 199, "{}", kit.timeline());
}
