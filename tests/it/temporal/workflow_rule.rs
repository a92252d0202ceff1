//! Workflow rules: what they are refused for, how many there may be, and which activities they pause.

use std::time::Duration;

use awaithumans_testkit::Reject;
use temporalio_common::protos::temporal::api::command::v1::ScheduleActivityTaskCommandAttributes;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Command;
use temporalio_common::protos::temporal::api::common::v1::RetryPolicy;
use temporalio_common::protos::temporal::api::rules::v1 as rules;
use temporalio_common::protos::temporal::api::workflow::v1::pending_activity_info::pause_info::{PausedBy, Rule};
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;

use super::activity_wire::{activity, application_failure, complete, fail, pending};
use super::wire_server::{QUEUE, Server, execution, seconds};

fn spec(id: &str, predicate: &str) -> rules::WorkflowRuleSpec {
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

fn create(server: &mut Server, spec: rules::WorkflowRuleSpec) -> Result<wire::CreateWorkflowRuleResponse, Reject> {
    server.call(
        "CreateWorkflowRule",
        wire::CreateWorkflowRuleRequest {
            namespace: "default".to_owned(),
            spec: Some(spec),
            request_id: "1".to_owned(),
            identity: "operator".to_owned(),
            description: "the bank is down".to_owned(),
            ..Default::default()
        },
    )
}

fn delete(server: &mut Server, rule_id: &str) {
    let request = wire::DeleteWorkflowRuleRequest {
        namespace: "default".to_owned(),
        rule_id: rule_id.to_owned(),
    };
    let _: wire::DeleteWorkflowRuleResponse = server.call("DeleteWorkflowRule", request).unwrap();
}

fn ids(server: &mut Server) -> Vec<String> {
    let request = wire::ListWorkflowRulesRequest {
        namespace: "default".to_owned(),
        ..Default::default()
    };
    let answer: wire::ListWorkflowRulesResponse = server.call("ListWorkflowRules", request).unwrap();
    answer.rules.into_iter().map(|rule| rule.spec.unwrap().id).collect()
}

fn unpause(server: &mut Server) {
    let request = wire::UnpauseActivityRequest {
        namespace: "default".to_owned(),
        execution: execution("w"),
        activity: Some(wire::unpause_activity_request::Activity::Id("a".to_owned())),
        ..Default::default()
    };
    let _: wire::UnpauseActivityResponse = server.call("UnpauseActivity", request).unwrap();
}

/// The rule that has workflow `w`'s activity paused.
fn paused_by(server: &mut Server) -> Option<Rule> {
    match pending(server).remove(0).pause_info?.paused_by? {
        PausedBy::Rule(rule) => Some(rule),
        PausedBy::Manual(manual) => panic!("{manual:?}"),
    }
}

/// What is said to be paused in the search attributes of workflow `w`.
fn pause_attribute(server: &mut Server) -> Option<String> {
    let request = wire::DescribeWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        execution: execution("w"),
    };
    let described: wire::DescribeWorkflowExecutionResponse = server.call("DescribeWorkflowExecution", request).unwrap();
    let attributes = described.workflow_execution_info.unwrap().search_attributes.unwrap();
    let payload = attributes.indexed_fields.get("TemporalPauseInfo")?;
    Some(String::from_utf8_lossy(&payload.data).into_owned())
}

/// A server with these rules, and a workflow `w` with an activity that may be tried again.
fn with_rules(specs: Vec<rules::WorkflowRuleSpec>) -> Server {
    let mut server = Server::new();
    for spec in specs {
        create(&mut server, spec).unwrap();
    }
    let activity = ScheduleActivityTaskCommandAttributes {
        retry_policy: Some(RetryPolicy {
            initial_interval: seconds(10),
            ..Default::default()
        }),
        ..activity("a")
    };
    server.workflow("w", vec![Command::ScheduleActivityTaskCommandAttributes(activity)]);
    server
}

#[test]
fn eleven_rules_are_too_many_unless_one_expires() {
    let mut server = Server::new();
    for number in 0..10 {
        create(&mut server, spec(&format!("r{number}"), "")).unwrap();
    }
    let refused = create(&mut server, spec("more", "")).unwrap_err();
    assert_eq!(
        (refused.code(), refused.message().as_str()),
        (Code::InvalidArgument, "Workflow Rule limit exceeded. Max: 10")
    );
    delete(&mut server, "r3");
    for (id, seconds) in [("late", 4_102_444_800), ("more", 4_102_444_799)] {
        let mut ends = spec(id, "");
        ends.expiration_time = Some(prost_types::Timestamp { seconds, nanos: 0 });
        create(&mut server, ends).unwrap();
    }
    assert!(!ids(&mut server).contains(&"late".to_owned()));
    assert!(ids(&mut server).contains(&"more".to_owned()));
}

#[test]
fn a_rule_pauses_what_a_worker_is_about_to_take() {
    let mut server = with_rules(vec![spec("r", "ActivityType = 'work'")]);
    assert_eq!(paused_by(&mut server), None, "nobody has asked for it yet");
    assert_eq!(server.activity_task(QUEUE), None);
    let expected = Rule {
        rule_id: "r".to_owned(),
        identity: "operator".to_owned(),
        reason: "the bank is down".to_owned(),
    };
    assert_eq!(paused_by(&mut server), Some(expected));
    assert_eq!(
        pause_attribute(&mut server).unwrap(),
        r#"["property:activityType=work"]"#
    );
    unpause(&mut server);
    assert_eq!(paused_by(&mut server).unwrap().rule_id, "r", "the rule holds still");
    delete(&mut server, "r");
    unpause(&mut server);
    assert_eq!(pause_attribute(&mut server), None);
    let task = server.activity_task(QUEUE).unwrap();
    complete(&mut server, &task).unwrap();
}

#[test]
fn a_rule_pauses_a_failed_attempt() {
    let mut server = with_rules(vec![spec("r", "ActivityState = 'Started'")]);
    let task = server.activity_task(QUEUE).unwrap();
    fail(&mut server, &task, application_failure("no luck")).unwrap();
    let info = pending(&mut server).remove(0);
    assert_eq!((info.attempt, info.paused), (2, true));
    assert_eq!(
        pause_attribute(&mut server).unwrap(),
        r#"["property:activityType=work"]"#
    );
}

#[test]
fn a_rule_pauses_a_retry_when_its_time_has_come() {
    let mut server = with_rules(vec![spec("r", "Attempts > 1")]);
    let task = server.activity_task(QUEUE).unwrap();
    fail(&mut server, &task, application_failure("no luck")).unwrap();
    assert_eq!(paused_by(&mut server), None);
    server.advance(Duration::from_secs(10));
    assert_eq!(paused_by(&mut server).unwrap().rule_id, "r");
    assert_eq!(server.activity_task(QUEUE), None);
}

#[test]
fn a_rule_that_has_expired_or_means_others_pauses_nothing() {
    let mut expired = spec("expired", "ActivityType = 'work'");
    expired.expiration_time = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
    let mut of_others = spec("of-others", "ActivityType = 'work'");
    of_others.visibility_query = "WorkflowId = 'other'".to_owned();
    let mut idle = spec("idle", "ActivityType = 'work'");
    idle.actions.clear();
    let mut server = with_rules(vec![
        expired,
        of_others,
        idle,
        spec("unreadable", "ActivityType IS work"),
    ]);
    assert!(server.activity_task(QUEUE).is_some());
}
