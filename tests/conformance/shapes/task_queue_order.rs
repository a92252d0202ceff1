//! In what order, and when, tasks leave a queue. On the real server with one partition: with several it is a matter of chance which of
//! them a task is in.

use temporalio_common::protos::temporal::api::common::v1::{ActivityType, Priority};
use temporalio_common::protos::temporal::api::enums::v1::TaskQueueType;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueueMetadata;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use super::task_queue::{configure, describe, describing, limit, no_limit, update};
use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Stage, complete, seconds};

const ONE_FAIR_PARTITION: &[(&str, &str)] = &[
    ("matching.enableFairness", "true"),
    ("matching.numTaskqueueReadPartitions", "1"),
    ("matching.numTaskqueueWritePartitions", "1"),
];

on_both_arms![with ONE_FAIR_PARTITION;
    fairness_keys_take_turns,
    fairness_keys_have_weights,
    configured_weights_win,
    priorities_come_before_turns,
    late_fairness_keys_gain_nothing,
    activities_have_the_turns_of_their_workflow,
    pollers_and_backlogs_are_described,
    a_queue_with_a_limit_of_zero_stands_still,
    fairness_keys_have_limits_of_their_own,
    a_queue_shows_the_limit_of_its_worker,
];

/// Starts a workflow, and waits until its task is in the queue: the real server carries them there side by side.
fn start(stage: &mut Stage<'_>, name: &str, priority_key: i32, fairness_key: &str, fairness_weight: f32) {
    let mut request = stage.starting(name);
    request.priority = Some(Priority {
        priority_key,
        fairness_key: fairness_key.to_owned(),
        fairness_weight,
    });
    stage.look::<wire::StartWorkflowExecutionResponse>("StartWorkflowExecution", &request);
    stage.pass(1);
}

/// Takes so many workflow tasks, and ends their workflows.
fn take(stage: &mut Stage<'_>, count: usize) {
    for _ in 0..count {
        let task = stage.poll();
        stage.settle(&task, vec![complete("1")]);
    }
}

/// Starts an activity without a workflow, and waits until its task is in the queue.
fn start_activity(stage: &mut Stage<'_>, name: &str, fairness_key: &str) {
    let request = wire::StartActivityExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        identity: "client".to_owned(),
        request_id: format!("start-{name}"),
        activity_id: stage.named(name),
        activity_type: Some(ActivityType {
            name: "work".to_owned(),
        }),
        task_queue: stage.queue(),
        start_to_close_timeout: seconds(60),
        priority: Some(Priority {
            fairness_key: fairness_key.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    stage.look::<wire::StartActivityExecutionResponse>("StartActivityExecution", &request);
    stage.pass(1);
}

fn fairness_keys_take_turns(stage: &mut Stage<'_>) {
    for (name, key) in [
        ("a1", "a"),
        ("a2", "a"),
        ("a3", "a"),
        ("b1", "b"),
        ("b2", "b"),
        ("none", ""),
    ] {
        start(stage, name, 0, key, 0.0);
    }
    take(stage, 6);
}

fn fairness_keys_have_weights(stage: &mut Stage<'_>) {
    for (name, key, weight) in [
        ("light1", "light", 0.0),
        ("light2", "light", 0.0),
        ("heavy1", "heavy", 3.0),
        ("heavy2", "heavy", 3.0),
        ("heavy3", "heavy", 3.0),
        ("heavy4", "heavy", 3.0),
    ] {
        start(stage, name, 0, key, weight);
    }
    take(stage, 6);
}

fn configured_weights_win(stage: &mut Stage<'_>) {
    let mut request = update(stage, TaskQueueType::Workflow);
    request.set_fairness_weight_overrides = [("light".to_owned(), 4.0), ("heavy".to_owned(), 0.5)].into();
    configure(stage, &request);
    stage.pass(1);
    for (name, key, weight) in [
        ("heavy1", "heavy", 3.0),
        ("heavy2", "heavy", 3.0),
        ("light1", "light", 1.0),
        ("light2", "light", 1.0),
        ("light3", "light", 1.0),
    ] {
        start(stage, name, 0, key, weight);
    }
    take(stage, 5);
}

fn priorities_come_before_turns(stage: &mut Stage<'_>) {
    for (name, priority, key) in [
        ("a5", 5, "a"),
        ("b5", 5, "b"),
        ("a3", 0, "a"),
        ("a3too", 3, "a"),
        ("b3", 3, "b"),
        ("a1", 1, "a"),
    ] {
        start(stage, name, priority, key, 0.0);
    }
    let mut request = describing(stage, TaskQueueType::Workflow);
    request.report_stats = true;
    describe(stage, &request);
    take(stage, 6);
}

fn late_fairness_keys_gain_nothing(stage: &mut Stage<'_>) {
    for name in ["a1", "a2", "a3", "a4"] {
        start(stage, name, 0, "a", 0.0);
    }
    take(stage, 3);
    stage.pass(1);
    for (name, key) in [("b1", "b"), ("b2", "b"), ("a5", "a")] {
        start(stage, name, 0, key, 0.0);
    }
    take(stage, 4);
}

fn activities_have_the_turns_of_their_workflow(stage: &mut Stage<'_>) {
    use temporalio_common::protos::temporal::api::command::v1::ScheduleActivityTaskCommandAttributes;
    use temporalio_common::protos::temporal::api::command::v1::command::Attributes;
    use temporalio_common::protos::temporal::api::enums::v1::CommandType;
    let schedule = |stage: &Stage<'_>, id: &str, priority: Option<Priority>| {
        crate::conformance::stage::command(
            CommandType::ScheduleActivityTask,
            Attributes::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
                activity_id: id.to_owned(),
                activity_type: Some(ActivityType {
                    name: "work".to_owned(),
                }),
                task_queue: stage.queue(),
                start_to_close_timeout: seconds(60),
                priority,
                ..Default::default()
            }),
        )
    };
    for (name, ids) in [("a", ["1", "2", "3"]), ("b", ["4", "5", "6"])] {
        start(stage, name, 0, name, 0.0);
        let task = stage.look_for_task();
        for id in ids {
            // One says what it weighs, and keeps its workflow's key.
            let priority = (id == "6").then(|| Priority {
                fairness_weight: 2.0,
                ..Default::default()
            });
            let command = schedule(stage, id, priority);
            match id {
                "1" | "4" => stage.settle(&task, vec![command]),
                _ => {
                    let execution = task.workflow_execution.clone().unwrap_or_default();
                    let signal = wire::SignalWorkflowExecutionRequest {
                        namespace: NAMESPACE.to_owned(),
                        workflow_execution: Some(execution),
                        signal_name: id.to_owned(),
                        ..Default::default()
                    };
                    stage.look::<wire::SignalWorkflowExecutionResponse>("SignalWorkflowExecution", &signal);
                    let task = stage.look_for_task();
                    stage.settle(&task, vec![command]);
                }
            }
            stage.pass(1);
        }
    }
    for _ in 0..6 {
        stage.poll_activity();
    }
}

fn pollers_and_backlogs_are_described(stage: &mut Stage<'_>) {
    let mut request = describing(stage, TaskQueueType::Workflow);
    start(stage, "one", 0, "", 0.0);
    start(stage, "two", 2, "", 0.0);
    start(stage, "three", 2, "", 0.0);
    let mut polling = stage.polling();
    polling.identity = "first".to_owned();
    stage.look::<wire::PollWorkflowTaskQueueResponse>("PollWorkflowTaskQueue", &polling);
    stage.pass(1);
    request.report_stats = true;
    #[expect(deprecated, reason = "clients still ask for it")]
    {
        request.include_task_queue_status = true;
    }
    describe(stage, &request);
    // What a queue has to do is said again for five seconds.
    stage.look::<wire::PollWorkflowTaskQueueResponse>("PollWorkflowTaskQueue", &polling);
    describe(stage, &request);
    stage.pass(6);
    describe(stage, &request);
}

fn a_queue_with_a_limit_of_zero_stands_still(stage: &mut Stage<'_>) {
    let mut request = update(stage, TaskQueueType::Activity);
    request.update_queue_rate_limit = limit(0.0, "stop");
    configure(stage, &request);
    stage.pass(2);
    start_activity(stage, "one", "");
    let poll = wire::PollActivityTaskQueueRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: stage.queue(),
        identity: "worker".to_owned(),
        ..Default::default()
    };
    let pending = stage.begin("PollActivityTaskQueue", &poll);
    stage.pass(2);
    let mut describing = describing(stage, TaskQueueType::Activity);
    describing.report_stats = true;
    describe(stage, &describing);
    request.update_queue_rate_limit = no_limit("go");
    configure(stage, &request);
    stage.finish::<wire::PollActivityTaskQueueResponse>(pending);
    stage.pass(6);
    describe(stage, &describing);
}

fn fairness_keys_have_limits_of_their_own(stage: &mut Stage<'_>) {
    let mut request = update(stage, TaskQueueType::Activity);
    request.update_fairness_key_rate_limit_default = limit(0.05, "");
    request.set_fairness_weight_overrides = [("heavy".to_owned(), 40.0)].into();
    configure(stage, &request);
    stage.pass(2);
    for (name, key) in [
        ("a1", "a"),
        ("a2", "a"),
        ("b1", "b"),
        ("heavy1", "heavy"),
        ("heavy2", "heavy"),
    ] {
        start_activity(stage, name, key);
    }
    for _ in 0..5 {
        stage.poll_activity();
    }
}

fn a_queue_shows_the_limit_of_its_worker(stage: &mut Stage<'_>) {
    let poll = |stage: &mut Stage<'_>, max_tasks_per_second: Option<f64>| {
        start_activity(stage, &format!("for-{max_tasks_per_second:?}"), "");
        let request = wire::PollActivityTaskQueueRequest {
            namespace: NAMESPACE.to_owned(),
            task_queue: stage.queue(),
            identity: "worker".to_owned(),
            task_queue_metadata: max_tasks_per_second.map(|rate| TaskQueueMetadata {
                max_tasks_per_second: Some(rate),
            }),
            ..Default::default()
        };
        stage.look::<wire::PollActivityTaskQueueResponse>("PollActivityTaskQueue", &request);
        let request = describing(stage, TaskQueueType::Activity);
        describe(stage, &request);
    };
    poll(stage, Some(40.0));
    let mut request = update(stage, TaskQueueType::Activity);
    request.update_queue_rate_limit = limit(70.0, "");
    configure(stage, &request);
    stage.pass(2);
    poll(stage, Some(50.0));
    request.update_queue_rate_limit = no_limit("");
    configure(stage, &request);
    stage.pass(2);
    poll(stage, Some(5_000.0));
    poll(stage, Some(30.0));
    poll(stage, None);
}
