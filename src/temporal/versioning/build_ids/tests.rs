use super::*;
use crate::temporal::versioning::WorkerGroup;

const NOW: Timestamp = Timestamp::EPOCH_OF_TESTS;

fn facts(config: &DynamicConfig) -> Facts<'_> {
    Facts {
        now: NOW,
        has_recent_poller: false,
        config,
    }
}

fn assign(index: i32, target: &str, ramp_percentage: f32) -> RulesUpdate {
    RulesUpdate::InsertAssignment {
        index,
        target: target.to_owned(),
        ramp_percentage,
    }
}

fn redirect(source: &str, target: &str) -> RulesUpdate {
    RulesUpdate::AddRedirect {
        source: source.to_owned(),
        target: target.to_owned(),
    }
}

fn commit(target: &str, force: bool) -> RulesUpdate {
    RulesUpdate::Commit {
        target: target.to_owned(),
        force,
    }
}

fn after(updates: &[RulesUpdate]) -> Result<BuildIds, Reject> {
    let config = DynamicConfig::default();
    let mut build_ids = BuildIds::default();
    for update in updates {
        build_ids = build_ids.with_rules(Some(update), &build_ids.token(), facts(&config))?;
    }
    Ok(build_ids)
}

fn targets(build_ids: &BuildIds) -> Vec<(&str, f32)> {
    let rules = build_ids.assignment_rules();
    rules.map(|rule| (rule.target.as_str(), rule.ramp_percentage)).collect()
}

#[track_caller]
fn assert_refused(updates: &[RulesUpdate], expected: &str) {
    assert_eq!(after(updates).unwrap_err().message(), expected);
}

#[test]
fn the_index_counts_the_rules_that_hold() {
    let delete = RulesUpdate::DeleteAssignment { index: 0, force: false };
    let rules = [
        assign(0, "2", 100.0),
        assign(0, "1", 10.0),
        delete,
        assign(9, "3", 100.0),
        assign(1, "4", 5.0),
    ];
    let build_ids = after(&rules).unwrap();
    assert_eq!(targets(&build_ids), [("2", 100.0), ("4", 5.0), ("3", 100.0)]);
}

#[test]
fn a_commit_replaces_what_takes_all() {
    let rules = [
        assign(0, "1", 100.0),
        assign(0, "2", 30.0),
        assign(0, "3", 5.0),
        commit("2", true),
    ];
    assert_eq!(targets(&after(&rules).unwrap()), [("3", 5.0), ("2", 100.0)]);
    assert_refused(
        &[commit("2", false)],
        "no versioned poller with build ID '2' seen within the last 1m10s, use force=true to commit anyways",
    );
}

#[test]
fn the_last_rule_that_takes_all_goes_only_by_force() {
    let delete = |force| RulesUpdate::DeleteAssignment { index: 0, force };
    assert_refused(
        &[assign(0, "1", 100.0), delete(false)],
        "at least one fully-ramped assignment rule must exist (use force=true to bypass this requirement and set the \
         unversioned queue as the default)",
    );
    let forced = after(&[assign(0, "1", 100.0), delete(true)]).unwrap();
    assert_eq!(targets(&forced), []);
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    assert_refused(&[assign(-1, "1", 100.0)], "rule index cannot be negative");
    assert_refused(&[assign(0, "1", f32::NAN)], "ramp percentage must be in range [0, 100]");
    assert_refused(
        &[redirect("1", "2"), redirect("2", "3"), redirect("3", "1")],
        "update would break acyclic requirement",
    );
    assert_refused(&[redirect("1", "1")], "update would break acyclic requirement");
    assert_refused(
        &[redirect("1", "2"), redirect("1", "3")],
        "source 1 already redirects to target 2",
    );
    assert_refused(
        &[redirect("1", "")],
        "the unversioned build ID cannot be the target of a redirect rule",
    );
    assert_refused(
        &[assign(0, "1", 10.0), redirect("1", "2")],
        "redirect rule source build ID cannot be the target of any partially-ramped assignment rule",
    );
    let replace = RulesUpdate::ReplaceAssignment {
        index: 3,
        target: "1".to_owned(),
        ramp_percentage: 100.0,
        force: false,
    };
    assert_refused(
        &[assign(0, "1", 100.0), replace],
        "rule index 3 is out of bounds for assignment rule list of length 1",
    );
}

#[test]
fn too_many_build_ids_may_not_lead_to_one() {
    let rules: Vec<RulesUpdate> = (0..51)
        .map(|number| redirect(&number.to_string(), &(number + 1).to_string()))
        .collect();
    assert_refused(
        &rules,
        "update exceeds number of upstream build ids permitted in namespace (51/50)",
    );
}

#[test]
fn a_stale_token_is_refused() {
    let build_ids = after(&[assign(0, "1", 100.0)]).unwrap();
    let refused = build_ids
        .with_rules(None, &[24, 1], facts(&DynamicConfig::default()))
        .unwrap_err()
        .message();
    assert!(
        refused.starts_with("provided conflict token '[24 1]' does not match existing one '[8 "),
        "{refused}"
    );
}

#[test]
fn a_request_without_a_change_forgets_everything() {
    let build_ids = after(&[assign(0, "1", 100.0), redirect("1", "2")]).unwrap();
    let emptied = build_ids
        .with_rules(None, &build_ids.token(), facts(&DynamicConfig::default()))
        .unwrap();
    assert_eq!(targets(&emptied), []);
    assert_eq!(emptied.redirect_rules().count(), 0);
    assert_ne!(emptied.token(), build_ids.token());
}

#[test]
fn a_task_goes_where_rules_lead() {
    let build_ids = after(&[assign(0, "1", 100.0), redirect("1", "2"), redirect("2", "3")]).unwrap();
    let new = build_ids.resolve(&BuildIdDirective::Assign, "run");
    assert_eq!((new.group, new.assigned.as_str()), (WorkerGroup::of_build_id("3"), "1"));
    let assigned = BuildIdDirective::Assigned("9".to_owned());
    assert_eq!(build_ids.resolve(&assigned, "run").group, WorkerGroup::of_build_id("9"));
    assert!(build_ids.stays_sticky(&assigned));
    assert!(!build_ids.stays_sticky(&BuildIdDirective::Assigned("2".to_owned())));
    assert_eq!(build_ids.group_of_poller("3").unwrap(), WorkerGroup::of_build_id("3"));
    assert_eq!(
        build_ids.group_of_poller("1").unwrap_err().message(),
        "Task queue has a newer compatible build: \"3\""
    );
}

#[test]
fn a_ramp_takes_the_runs_whose_fingerprint_says_so() {
    let build_ids = after(&[assign(0, "new", 30.0), assign(1, "old", 100.0)]).unwrap();
    // The fingerprint of "w" is 29.35 of 100, that of "order-1" 35.98.
    assert_eq!(build_ids.resolve(&BuildIdDirective::Assign, "w").assigned, "new");
    assert_eq!(build_ids.resolve(&BuildIdDirective::Assign, "order-1").assigned, "old");
}

#[test]
fn sets_and_rules_dont_mix() {
    let config = DynamicConfig::default();
    let add = SetsUpdate::AddDefaultSet("1".to_owned());
    let build_ids = BuildIds::default().with_sets(&add, NOW, &config).unwrap();
    for update in [assign(0, "1", 100.0), commit("1", true), redirect("0", "1")] {
        let refused = build_ids.with_rules(Some(&update), &build_ids.token(), facts(&config));
        assert_eq!(
            refused.unwrap_err().message(),
            "update breaks requirement, target build ID is already a member of a version set"
        );
    }
    let new = build_ids.resolve(&BuildIdDirective::Assign, "run");
    assert_eq!(new.group, WorkerGroup::Set("1".to_owned()));
    assert_eq!(new.assigned, "");
}

#[test]
fn a_build_id_is_in_the_sets_of_a_few_queues_only() {
    let mut queues = QueueBuildIds::default();
    let config = DynamicConfig::default();
    let add = SetsUpdate::AddDefaultSet("1".to_owned());
    for number in 0..20 {
        queues
            .update_sets("default", &format!("q{number}"), &add, NOW, &config)
            .unwrap();
    }
    let refused = queues
        .update_sets("default", "one more", &add, NOW, &config)
        .unwrap_err();
    assert_eq!(
        refused.message(),
        "Exceeded max task queues allowed to be mapped to a single build ID: 20"
    );
    assert!(queues.update_sets("other", "q", &add, NOW, &config).is_ok());
}
