//! Rules of a namespace, and the activities that they pause.

use temporalio_common::protos::temporal::api::command::v1::ScheduleActivityTaskCommandAttributes;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Does;
use temporalio_common::protos::temporal::api::common::v1::{ActivityType, RetryPolicy, WorkflowExecution};
use temporalio_common::protos::temporal::api::enums::v1::CommandType;
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporalio_common::protos::temporal::api::rules::v1 as rules;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;

use crate::conformance::on_both_arms;
use crate::conformance::stage::{NAMESPACE, Pending, Stage, command, payloads, seconds};

on_both_arms![
    workflow_rules_are_kept,
    workflow_rules_have_a_limit,
    workflow_rule_pauses_before_the_start,
    workflow_rule_pauses_a_failed_attempt,
    workflow_rule_pauses_a_retry,
    workflow_rules_that_mean_nothing,
];

/// As long as the real server's caches take to see a changed namespace, and a little more.
const SEEN: u64 = 5;

/// The year 2100.
const FAR: Option<prost_types::Timestamp> = Some(prost_types::Timestamp {
    seconds: 4_102_444_800,
    nanos: 0,
});

fn rule(id: &str, predicate: &str) -> rules::WorkflowRuleSpec {
    rules::WorkflowRuleSpec {
        id: id.to_owned(),
        trigger: Some(rules::workflow_rule_spec::Trigger::ActivityStart(
            rules::workflow_rule_spec::ActivityStartingTrigger {
                predicate: predicate.to_owned(),
            },
        )),
        actions: vec![rules::WorkflowRuleAction {
            variant: Some(rules::workflow_rule_action::Variant::ActivityPause(
                rules::workflow_rule_action::ActionActivityPause {},
            )),
        }],
        ..Default::default()
    }
}

fn create(stage: &mut Stage<'_>, namespace: &str, spec: Option<rules::WorkflowRuleSpec>) {
    let request = wire::CreateWorkflowRuleRequest {
        namespace: namespace.to_owned(),
        spec,
        request_id: "again".to_owned(),
        identity: "operator".to_owned(),
        description: "the bank is down".to_owned(),
        ..Default::default()
    };
    stage.call::<wire::CreateWorkflowRuleResponse>("CreateWorkflowRule", &request);
}

fn describe(stage: &mut Stage<'_>, namespace: &str, rule_id: &str) {
    let request = wire::DescribeWorkflowRuleRequest {
        namespace: namespace.to_owned(),
        rule_id: rule_id.to_owned(),
    };
    stage.call::<wire::DescribeWorkflowRuleResponse>("DescribeWorkflowRule", &request);
}

fn delete(stage: &mut Stage<'_>, namespace: &str, rule_id: &str) {
    let request = wire::DeleteWorkflowRuleRequest {
        namespace: namespace.to_owned(),
        rule_id: rule_id.to_owned(),
    };
    stage.call::<wire::DeleteWorkflowRuleResponse>("DeleteWorkflowRule", &request);
}

/// The order is a matter of chance: of one rule at most.
fn list(stage: &mut Stage<'_>, namespace: &str) {
    let request = wire::ListWorkflowRulesRequest {
        namespace: namespace.to_owned(),
        ..Default::default()
    };
    stage.call::<wire::ListWorkflowRulesResponse>("ListWorkflowRules", &request);
}

/// A namespace for rules that others mustn't count.
fn register(stage: &mut Stage<'_>) -> String {
    let name = stage.named("namespace");
    let request = wire::RegisterNamespaceRequest {
        namespace: name.clone(),
        workflow_execution_retention_period: seconds(86_400),
        ..Default::default()
    };
    stage.look::<wire::RegisterNamespaceResponse>("RegisterNamespace", &request);
    stage.pass(SEEN);
    name
}

fn workflow_rules_are_kept(stage: &mut Stage<'_>) {
    let namespace = register(stage);
    list(stage, &namespace);
    create(stage, &namespace, None);
    create(stage, &namespace, Some(rule("", "ActivityType = 'work'")));
    create(stage, &namespace, Some(rule(&"x".repeat(1_001), "")));
    create(stage, "nowhere", Some(rule("r", "ActivityType = 'work'")));
    let mut full = rule("r", "ActivityType = 'work'");
    full.visibility_query = "WorkflowType = 'shape'".to_owned();
    full.expiration_time = FAR;
    create(stage, &namespace, Some(full.clone()));
    create(stage, &namespace, Some(full));
    describe(stage, &namespace, "r");
    list(stage, &namespace);
    for id in ["unknown", ""] {
        describe(stage, &namespace, id);
        delete(stage, &namespace, id);
    }
    delete(stage, &namespace, "r");
    delete(stage, &namespace, "r");
    list(stage, &namespace);
    // Nothing in a rule is checked.
    create(stage, &namespace, Some(rule("nonsense", "what = is ( this")));
    let empty = rules::WorkflowRuleSpec {
        id: "empty".to_owned(),
        ..Default::default()
    };
    create(stage, &namespace, Some(empty));
    describe(stage, "nowhere", "r");
    delete(stage, "nowhere", "r");
    list(stage, "nowhere");
}

fn workflow_rules_have_a_limit(stage: &mut Stage<'_>) {
    let namespace = register(stage);
    for number in 0..11 {
        create(stage, &namespace, Some(rule(&format!("r{number}"), "")));
    }
    create(stage, &namespace, Some(rule("r0", "")));
    delete(stage, &namespace, "r0");
    let mut ends = rule("ends", "");
    ends.expiration_time = FAR;
    create(stage, &namespace, Some(ends));
    // It goes although its time hasn't come; a rule that is refused all the same drives nothing out.
    create(stage, &namespace, Some(rule("r1", "")));
    describe(stage, &namespace, "ends");
    create(stage, &namespace, Some(rule("r11", "")));
    describe(stage, &namespace, "ends");
    create(stage, &namespace, Some(rule("r12", "")));
}

/// A workflow with one activity, on the queue of this body.
fn with_activity(stage: &mut Stage<'_>) -> WorkflowExecution {
    let execution = stage.start("ruled");
    let activity = command(
        CommandType::ScheduleActivityTask,
        Does::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
            activity_id: "a".to_owned(),
            activity_type: Some(ActivityType {
                name: "work".to_owned(),
            }),
            task_queue: stage.queue(),
            start_to_close_timeout: seconds(30),
            retry_policy: Some(RetryPolicy {
                initial_interval: seconds(1),
                maximum_attempts: 5,
                ..Default::default()
            }),
            ..Default::default()
        }),
    );
    stage.work(vec![activity]);
    execution
}

/// A rule for activities on the queue of this body.
fn create_here(stage: &mut Stage<'_>, also: &str) -> String {
    let id = stage.named("rule");
    let predicate = format!("TaskQueue = '{}' AND {also}", stage.named("queue"));
    create(stage, NAMESPACE, Some(rule(&id, &predicate)));
    stage.pass(SEEN);
    id
}

fn ask_for_activity(stage: &mut Stage<'_>) -> Pending {
    let request = wire::PollActivityTaskQueueRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: stage.queue(),
        identity: "worker".to_owned(),
        ..Default::default()
    };
    stage.begin("PollActivityTaskQueue", &request)
}

fn unpause(stage: &mut Stage<'_>, execution: &WorkflowExecution) {
    let request = wire::UnpauseActivityRequest {
        namespace: NAMESPACE.to_owned(),
        execution: Some(execution.clone()),
        identity: "client".to_owned(),
        activity: Some(wire::unpause_activity_request::Activity::Id("a".to_owned())),
        ..Default::default()
    };
    stage.call::<wire::UnpauseActivityResponse>("UnpauseActivity", &request);
}

fn fail(stage: &mut Stage<'_>, task: &wire::PollActivityTaskQueueResponse) {
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
}

fn succeed(stage: &mut Stage<'_>, task: &wire::PollActivityTaskQueueResponse) {
    let request = wire::RespondActivityTaskCompletedRequest {
        namespace: NAMESPACE.to_owned(),
        task_token: task.task_token.clone(),
        identity: "worker".to_owned(),
        result: Some(payloads("2")),
        ..Default::default()
    };
    stage.call::<wire::RespondActivityTaskCompletedResponse>("RespondActivityTaskCompleted", &request);
}

/// Without its rule the activity goes on.
fn lift(stage: &mut Stage<'_>, execution: &WorkflowExecution, rule_id: &str) {
    delete(stage, NAMESPACE, rule_id);
    stage.pass(SEEN);
    // Who made the rule is forgotten with it.
    stage.describe(execution);
    unpause(stage, execution);
}

fn workflow_rule_pauses_before_the_start(stage: &mut Stage<'_>) {
    let rule_id = create_here(stage, "ActivityState = 'Scheduled'");
    let execution = with_activity(stage);
    let poll = ask_for_activity(stage);
    stage.pass(1);
    stage.describe(&execution);
    // The rule is still there: it is paused again.
    unpause(stage, &execution);
    stage.pass(1);
    stage.describe(&execution);
    lift(stage, &execution, &rule_id);
    let task: Option<wire::PollActivityTaskQueueResponse> = stage.finish(poll);
    succeed(stage, &task.unwrap_or_default());
    stage.history(&execution);
}

fn workflow_rule_pauses_a_failed_attempt(stage: &mut Stage<'_>) {
    let rule_id = create_here(stage, "ActivityState = 'Started'");
    let execution = with_activity(stage);
    let task = stage.poll_activity();
    fail(stage, &task);
    stage.describe(&execution);
    lift(stage, &execution, &rule_id);
    let task = stage.poll_activity();
    succeed(stage, &task);
    stage.history(&execution);
}

fn workflow_rule_pauses_a_retry(stage: &mut Stage<'_>) {
    let rule_id = create_here(stage, "Attempts >= 2 AND BackoffInterval = 1");
    let execution = with_activity(stage);
    let task = stage.poll_activity();
    fail(stage, &task);
    stage.pass(3);
    stage.describe(&execution);
    lift(stage, &execution, &rule_id);
    let task = stage.poll_activity();
    succeed(stage, &task);
    stage.history(&execution);
}

fn workflow_rules_that_mean_nothing(stage: &mut Stage<'_>) {
    let queue = format!("TaskQueue = '{}'", stage.named("queue"));
    let mut without_action = rule(&stage.named("r1"), &queue);
    without_action.actions.clear();
    let mut expired = rule(&stage.named("r2"), &queue);
    expired.expiration_time = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
    let mut of_others = rule(&stage.named("r3"), &queue);
    of_others.visibility_query = "WorkflowType = 'other'".to_owned();
    let unreadable = rule(&stage.named("r4"), &format!("{queue} AND NOT Attempts = 7"));
    let rules = [without_action, expired, of_others, unreadable];
    for spec in &rules {
        create(stage, NAMESPACE, Some(spec.clone()));
    }
    stage.pass(SEEN);
    let execution = with_activity(stage);
    let task = stage.poll_activity();
    fail(stage, &task);
    let task = stage.poll_activity();
    succeed(stage, &task);
    stage.history(&execution);
    for spec in &rules {
        delete(stage, NAMESPACE, &spec.id);
    }
}
