//! The life of a schedule, without a server: every action it wants to take counts as a workflow that started.

use std::time::Duration;

use temporalio_protos::temporal::api::common::v1 as common;
use temporalio_protos::temporal::api::enums::v1::ScheduleOverlapPolicy as Overlap;
use temporalio_protos::temporal::api::schedule::v1 as wire;
use temporalio_protos::temporal::api::schedule::v1::schedule_action::Action;
use temporalio_protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;

use crate::clock::Timestamp;
use crate::temporal::proto::{proto_duration, timestamp};
use crate::temporal::schedule::{Definition, NewSchedule, Rest, Schedule, ScheduleRef, Spec, Update, Wake};

const HOUR: Duration = Duration::from_secs(3_600);
const BEGIN: Timestamp = Timestamp::EPOCH_OF_TESTS;

fn definition(cron: &str, policies: wire::SchedulePolicies) -> Definition {
    let spec = wire::ScheduleSpec {
        cron_string: vec![cron.to_owned()],
        ..Default::default()
    };
    Definition {
        spec: Spec::new(spec).unwrap(),
        action: wire::ScheduleAction {
            action: Some(Action::StartWorkflow(NewWorkflowExecutionInfo::default())),
        },
        policies,
        state: wire::ScheduleState::default(),
    }
}

fn schedule(cron: &str, overlap: Overlap) -> Schedule {
    let policies = wire::SchedulePolicies {
        overlap_policy: overlap as i32,
        catchup_window: Some(proto_duration(Duration::from_secs(1))),
        ..Default::default()
    };
    let new = NewSchedule {
        namespace: "default".to_owned(),
        namespace_id: "11111111-2222-3333-4444-555555555555".to_owned(),
        schedule_id: "s".to_owned(),
        request_id: String::new(),
        definition: definition(cron, policies),
        memo: None,
        search_attributes: None,
    };
    Schedule::new(ScheduleRef(1), String::new(), new, BEGIN)
}

/// Wakes a schedule, and takes every action as if it started a workflow.
fn wake(schedule: &mut Schedule, now: Timestamp, wake: Wake) -> Rest {
    schedule.begin(now, wake);
    schedule.take_refresh();
    if let Some(plan) = schedule.plan() {
        let overlapping = plan.overlapping.iter().map(|start| (start, false));
        for (start, counts) in overlapping.chain(plan.next.iter().map(|start| (start, true))) {
            assert!(schedule.take_action(start));
            let execution = common::WorkflowExecution {
                workflow_id: start.nominal.to_string(),
                run_id: start.nominal.to_string(),
            };
            schedule.record(now, start, execution, counts);
        }
    }
    schedule.finish(now)
}

#[test]
fn a_firing_that_was_missed_by_more_than_the_window_is_counted_and_not_taken() {
    let mut schedule = schedule("@hourly", Overlap::AllowAll);
    wake(&mut schedule, BEGIN, Wake::Time);
    // The least window is ten seconds, whatever was asked for.
    let late = BEGIN + HOUR * 3 + Duration::from_secs(10);
    let rest = wake(&mut schedule, late, Wake::Time);
    assert_eq!(
        (schedule.info.missed_catchup_window, schedule.info.action_count),
        (2, 1)
    );
    assert_eq!(schedule.info.recent[0].scheduled, BEGIN + HOUR * 3);
    assert_eq!(rest, Rest::Until(Some(BEGIN + HOUR * 4)));
}

#[test]
fn a_buffer_takes_a_thousand_actions_and_backfills_half_of_it() {
    let mut schedule = schedule("@hourly", Overlap::BufferAll);
    wake(&mut schedule, BEGIN + HOUR, Wake::Time);
    let backfill = wire::BackfillRequest {
        start_time: Some(timestamp(BEGIN)),
        end_time: Some(timestamp(BEGIN + HOUR * 2_000)),
        ..Default::default()
    };
    let patch = wire::SchedulePatch {
        backfill_request: vec![backfill],
        ..Default::default()
    };
    wake(&mut schedule, BEGIN + HOUR, Wake::Patch(Box::new(patch)));
    assert_eq!(schedule.buffered.len(), 10, "ten at a time");
    for _ in 0..200 {
        wake(&mut schedule, BEGIN + HOUR, Wake::Refresh);
    }
    assert_eq!(schedule.buffered.len(), 500);
    let trigger = wire::SchedulePatch {
        trigger_immediately: Some(wire::TriggerImmediatelyRequest::default()),
        ..Default::default()
    };
    for _ in 0..600 {
        wake(&mut schedule, BEGIN + HOUR, Wake::Patch(Box::new(trigger.clone())));
    }
    assert_eq!(schedule.buffered.len(), 1_000);
    assert_eq!(schedule.info.buffer_dropped, 100);
}

#[test]
fn of_its_actions_it_keeps_the_last_ten() {
    let mut schedule = schedule("@hourly", Overlap::AllowAll);
    for hour in 1..=12 {
        wake(&mut schedule, BEGIN + HOUR * hour, Wake::Time);
    }
    assert_eq!((schedule.info.action_count, schedule.info.recent.len()), (12, 10));
    assert_eq!(schedule.info.recent[0].scheduled, BEGIN + HOUR * 3);
}

#[test]
fn an_update_doesnt_fire_for_the_past_however_long_that_is() {
    let mut schedule = schedule("0 0 1 1 * 2099", Overlap::AllowAll);
    wake(&mut schedule, BEGIN, Wake::Time);
    let now = BEGIN + HOUR * 24 * 3_650;
    let every_second = Update {
        definition: definition("@every 1s", wire::SchedulePolicies::default()),
        conflict_token: 0,
        search_attributes: None,
    };
    let rest = wake(&mut schedule, now, Wake::Update(Box::new(every_second)));
    // The moment of the update itself belongs to it.
    assert_eq!(
        (schedule.info.action_count, schedule.info.missed_catchup_window),
        (1, 0)
    );
    assert_eq!(rest, Rest::Until(Some(now + Duration::from_secs(1))));
}

#[test]
fn a_schedule_that_never_fires_again_is_over_after_a_week_unless_it_is_paused() {
    let mut schedule = schedule("0 0 1 1 * 2025", Overlap::Skip);
    let week = BEGIN + HOUR * 24 * 7;
    assert_eq!(wake(&mut schedule, BEGIN, Wake::Time), Rest::Until(Some(week)));
    let mut paused = schedule.clone();
    let pause = wire::SchedulePatch {
        pause: "no hurry".to_owned(),
        ..Default::default()
    };
    assert_eq!(wake(&mut schedule, week, Wake::Time), Rest::Over);
    assert_eq!(
        wake(&mut paused, BEGIN, Wake::Patch(Box::new(pause))),
        Rest::Until(None)
    );
}
