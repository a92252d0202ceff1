//! What a queue is told of build ids, and what it says of them.

#![allow(deprecated)]

use super::*;
use crate::conformance::on_both_arms;

on_both_arms![
    with VERSIONING;
    version_sets_are_kept,
    version_sets_that_make_no_sense,
    version_sets_have_a_limit,
    versioning_rules_are_kept,
    versioning_rules_that_make_no_sense,
    superseded_workers_are_sent_away,
    build_ids_that_workers_may_not_have,
    workflows_reach_sets,
    bad_questions_about_reachability,
];

fn version_sets_are_kept(stage: &mut Stage<'_>) {
    get_sets(stage, 0);
    add_set(stage, "1.0");
    add_set(stage, "1.0");
    add_set(stage, "2.0");
    add_compatible(stage, "1.1", "1.0", false);
    add_compatible(stage, "1.1", "1.0", false);
    get_sets(stage, 0);
    get_sets(stage, 1);
    promote_set(stage, "1.0");
    get_sets(stage, 0);
    promote(stage, "1.0");
    promote(stage, "1.0");
    get_sets(stage, 0);
    add_compatible(stage, "2.1", "2.0", true);
    get_sets(stage, 0);
    merge(stage, "1.1", "2.0");
    merge(stage, "1.1", "2.0");
    get_sets(stage, 0);
    add_set(stage, "3.0");
    get_sets(stage, -1);
}

fn version_sets_that_make_no_sense(stage: &mut Stage<'_>) {
    let request = wire::UpdateWorkerBuildIdCompatibilityRequest {
        namespace: NAMESPACE.to_owned(),
        ..Default::default()
    };
    stage.call::<wire::UpdateWorkerBuildIdCompatibilityResponse>("UpdateWorkerBuildIdCompatibility", &request);
    add_set(stage, "");
    add_set(stage, &"x".repeat(256));
    add_compatible(stage, "", "", false);
    add_compatible(stage, "1.1", "1.0", false);
    promote_set(stage, "1.0");
    promote(stage, "");
    promote(stage, "1.0");
    merge(stage, "", "");
    add_set(stage, "1.0");
    add_compatible(stage, "1.1", "1.0", false);
    add_set(stage, "2.0");
    merge(stage, "1.0", "9.0");
    add_set(stage, "1.0");
    add_compatible(stage, "1.1", "2.0", false);
    add_compatible(stage, "1.1", "1.0", true);
    add_compatible(stage, "1.0", "1.1", false);
    let request = wire::GetWorkerBuildIdCompatibilityRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: "/_sys/queue".to_owned(),
        max_sets: 0,
    };
    stage.call::<wire::GetWorkerBuildIdCompatibilityResponse>("GetWorkerBuildIdCompatibility", &request);
    assign(stage, 0, "1.0", None);
    redirect(stage, "1.0", "3.0");
    redirect(stage, "3.0", "1.0");
    commit(stage, "1.0", true);
}

fn version_sets_have_a_limit(stage: &mut Stage<'_>) {
    for number in 0..11 {
        add_set(stage, &number.to_string());
    }
    get_sets(stage, 2);
}

fn versioning_rules_are_kept(stage: &mut Stage<'_>) {
    assign(stage, 0, "1.0", None);
    assign(stage, 0, "2.0", Some(10.0));
    assign(stage, 7, "3.0", Some(0.0));
    replace_assignment(stage, 0, "2.0", Some(20.0));
    unassign(stage, 2, false);
    redirect(stage, "1.0", "1.1");
    redirect(stage, "1.1", "1.2");
    replace_redirect(stage, "1.0", "1.2");
    delete_redirect(stage, "1.1");
    commit(stage, "2.0", true);
    unassign(stage, 0, true);
    let request = wire::GetWorkerVersioningRulesRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: stage.named("queue"),
    };
    stage.call::<wire::GetWorkerVersioningRulesResponse>("GetWorkerVersioningRules", &request);
    update_rules(stage, None);
}

fn versioning_rules_that_make_no_sense(stage: &mut Stage<'_>) {
    let request = wire::UpdateWorkerVersioningRulesRequest {
        namespace: NAMESPACE.to_owned(),
        task_queue: stage.named("queue"),
        conflict_token: vec![1, 2],
        ..Default::default()
    };
    stage.call::<wire::UpdateWorkerVersioningRulesResponse>("UpdateWorkerVersioningRules", &request);
    stage.call::<wire::UpdateWorkerVersioningRulesResponse>(
        "UpdateWorkerVersioningRules",
        &wire::UpdateWorkerVersioningRulesRequest {
            task_queue: String::new(),
            ..request
        },
    );
    assign(stage, -1, "1.0", None);
    assign(stage, 0, "1.0", Some(100.5));
    assign(stage, 0, &"x".repeat(256), None);
    let without_rule = rules::InsertBuildIdAssignmentRule::default();
    update_rules(stage, Some(rules::Operation::InsertAssignmentRule(without_rule)));
    replace_assignment(stage, 0, "1.0", None);
    unassign(stage, 0, false);
    commit(stage, "1.0", false);
    redirect(stage, "1.0", "");
    redirect(stage, "1.0", "1.0");
    delete_redirect(stage, "1.0");
    replace_redirect(stage, "1.0", "2.0");
    assign(stage, 0, "1.0", None);
    unassign(stage, 0, false);
    replace_assignment(stage, 0, "1.0", Some(5.0));
    redirect(stage, "1.0", "2.0");
    redirect(stage, "1.0", "3.0");
    redirect(stage, "2.0", "1.0");
    assign(stage, 0, "1.0", Some(5.0));
    assign(stage, 0, "3.0", Some(5.0));
    redirect(stage, "3.0", "4.0");
    redirect(stage, &"x".repeat(256), "4.0");
}

fn superseded_workers_are_sent_away(stage: &mut Stage<'_>) {
    add_set(stage, "1.0");
    add_compatible(stage, "1.1", "1.0", false);
    redirect(stage, "2.0", "2.1");
    redirect(stage, "2.1", "2.2");
    stage.pass(1);
    poll(stage, "1.0");
    poll_activity(stage, "1.0");
    poll(stage, "2.0");
    poll_activity(stage, "2.1");
}

fn build_ids_that_workers_may_not_have(stage: &mut Stage<'_>) {
    poll(stage, "");
    poll(stage, &"x".repeat(256));
    commit(stage, "1.0", true);
    stage.pass(1);
    stage.start("ruled");
    let task = poll(stage, "1.0");
    answer(stage, "2.0", &task, vec![]);
    answer(stage, "1.0", &task, vec![]);
    let mut request = stage.answering(&task, vec![]);
    request.worker_version_stamp = stamp("");
    stage.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &request);
}

fn workflows_reach_sets(stage: &mut Stage<'_>) {
    let queue = vec![stage.named("queue")];
    reachability(stage, &["1.0", ""], queue.clone(), TaskReachability::Unspecified);
    let unversioned = stage.start("unversioned");
    stage.work(vec![complete("0")]);
    add_set(stage, "1.0");
    stage.pass(1);
    let execution = stage.start("versioned");
    stage.pass(2);
    reachability(stage, &["1.0", ""], queue.clone(), TaskReachability::OpenWorkflows);
    reachability(stage, &["1.0", ""], queue.clone(), TaskReachability::ClosedWorkflows);
    work(stage, "1.0", vec![]);
    add_compatible(stage, "1.1", "1.0", false);
    add_set(stage, "2.0");
    stage.pass(2);
    for kind in [
        TaskReachability::Unspecified,
        TaskReachability::NewWorkflows,
        TaskReachability::ExistingWorkflows,
        TaskReachability::OpenWorkflows,
        TaskReachability::ClosedWorkflows,
    ] {
        reachability(stage, &["1.0", "1.1", "2.0", "", "9.0"], queue.clone(), kind);
    }
    stage.describe(&unversioned);
    stage.describe(&execution);
}

fn bad_questions_about_reachability(stage: &mut Stage<'_>) {
    let queue = vec![stage.named("queue")];
    reachability(stage, &[], queue.clone(), TaskReachability::Unspecified);
    reachability(
        stage,
        &["1", "2", "3", "4", "5", "6"],
        queue.clone(),
        TaskReachability::Unspecified,
    );
    reachability(stage, &[&"x".repeat(256)], queue.clone(), TaskReachability::Unspecified);
    reachability(stage, &[""], vec![], TaskReachability::Unspecified);
    reachability(stage, &["1"], vec![String::new()], TaskReachability::Unspecified);
    reachability(stage, &["nowhere"], vec![], TaskReachability::Unspecified);
    let request = wire::GetWorkerTaskReachabilityRequest {
        namespace: NAMESPACE.to_owned(),
        build_ids: vec![String::new()],
        task_queues: queue,
        reachability: 77,
    };
    stage.call::<wire::GetWorkerTaskReachabilityResponse>("GetWorkerTaskReachability", &request);
}
