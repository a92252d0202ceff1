//! Schedules: when they fire, what they do about overlaps, and what clients see of them.

use std::time::Duration;

use awaithumans_testkit::{Testkit, Timestamp};
use temporalio_client::grpc::{OperatorService, WorkflowService};
use temporalio_common::protos::temporal::api::common::v1::{
    Memo, Payload, Payloads, SearchAttributes, WorkflowExecution, WorkflowType,
};
use temporalio_common::protos::temporal::api::enums::v1::{
    IndexedValueType, ScheduleOverlapPolicy as Overlap, WorkflowExecutionStatus as Status, WorkflowIdReusePolicy,
};
use temporalio_common::protos::temporal::api::operatorservice::v1::AddSearchAttributesRequest;
use temporalio_common::protos::temporal::api::schedule::v1::schedule_action::Action;
use temporalio_common::protos::temporal::api::schedule::v1::{
    BackfillRequest, IntervalSpec, Schedule, ScheduleAction, SchedulePatch, SchedulePolicies, ScheduleSpec,
    ScheduleState, TriggerImmediatelyRequest,
};
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    CountSchedulesRequest, CreateScheduleRequest, DeleteScheduleRequest, DescribeScheduleRequest,
    DescribeScheduleResponse, ListScheduleMatchingTimesRequest, ListSchedulesRequest, ListWorkflowExecutionsRequest,
    PatchScheduleRequest, SignalWorkflowExecutionRequest, UpdateScheduleRequest,
};
use tonic::{Code, IntoRequest, Status as Refusal};

use super::script::{Script, Step};
use super::{QUEUE, event, kit, result, start, types};

const HOUR: Duration = Duration::from_secs(3_600);

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn wire(moment: Timestamp) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: moment.as_seconds() as i64,
        nanos: moment.subsecond_nanoseconds() as i32,
    })
}

fn shown(time: &prost_types::Timestamp) -> String {
    (Timestamp::from_seconds(time.seconds as u64) + Duration::from_nanos(time.nanos as u64)).to_string()
}

fn workflow(steps: &[Step]) -> NewWorkflowExecutionInfo {
    NewWorkflowExecutionInfo {
        workflow_id: "job".to_owned(),
        workflow_type: Some(WorkflowType {
            name: "script".to_owned(),
        }),
        task_queue: Some(TaskQueue {
            name: QUEUE.to_owned(),
            ..Default::default()
        }),
        input: Some(Payloads {
            payloads: vec![Payload {
                metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
                data: serde_json::to_vec(steps).unwrap(),
                ..Default::default()
            }],
        }),
        ..Default::default()
    }
}

/// A schedule that runs a script every hour.
fn hourly(steps: &[Step], overlap: Overlap) -> Schedule {
    Schedule {
        spec: Some(ScheduleSpec {
            interval: vec![IntervalSpec {
                interval: seconds(3_600),
                phase: None,
            }],
            ..Default::default()
        }),
        action: Some(ScheduleAction {
            action: Some(Action::StartWorkflow(workflow(steps))),
        }),
        policies: Some(SchedulePolicies {
            overlap_policy: overlap as i32,
            ..Default::default()
        }),
        state: Some(ScheduleState::default()),
    }
}

fn request(id: &str, schedule: Schedule) -> CreateScheduleRequest {
    CreateScheduleRequest {
        namespace: "default".to_owned(),
        schedule_id: id.to_owned(),
        schedule: Some(schedule),
        request_id: format!("create {id}"),
        ..Default::default()
    }
}

async fn create(kit: &Testkit, schedule: Schedule) {
    try_create(kit, request("s", schedule)).await.expect("it is created");
}

async fn try_create(kit: &Testkit, request: CreateScheduleRequest) -> Result<Vec<u8>, Refusal> {
    let mut client = kit.client().clone();
    let created = WorkflowService::create_schedule(&mut client, request.into_request()).await?;
    Ok(created.into_inner().conflict_token)
}

async fn describe(kit: &Testkit) -> DescribeScheduleResponse {
    try_describe(kit, "s").await.expect("it is there")
}

async fn try_describe(kit: &Testkit, id: &str) -> Result<DescribeScheduleResponse, Refusal> {
    let request = DescribeScheduleRequest {
        namespace: "default".to_owned(),
        schedule_id: id.to_owned(),
    };
    let mut client = kit.client().clone();
    Ok(client.describe_schedule(request.into_request()).await?.into_inner())
}

async fn patch(kit: &Testkit, patch: SchedulePatch) {
    try_patch(kit, "s", Some(patch)).await.expect("it is patched");
}

async fn try_patch(kit: &Testkit, id: &str, patch: Option<SchedulePatch>) -> Result<(), Refusal> {
    let request = PatchScheduleRequest {
        namespace: "default".to_owned(),
        schedule_id: id.to_owned(),
        patch,
        ..Default::default()
    };
    let mut client = kit.client().clone();
    client.patch_schedule(request.into_request()).await.map(drop)
}

async fn try_update(kit: &Testkit, request: UpdateScheduleRequest) -> Result<(), Refusal> {
    let mut client = kit.client().clone();
    client.update_schedule(request.into_request()).await.map(drop)
}

fn update(schedule: Schedule) -> UpdateScheduleRequest {
    UpdateScheduleRequest {
        namespace: "default".to_owned(),
        schedule_id: "s".to_owned(),
        schedule: Some(schedule),
        ..Default::default()
    }
}

async fn try_delete(kit: &Testkit, id: &str) -> Result<(), Refusal> {
    let request = DeleteScheduleRequest {
        namespace: "default".to_owned(),
        schedule_id: id.to_owned(),
        ..Default::default()
    };
    let mut client = kit.client().clone();
    client.delete_schedule(request.into_request()).await.map(drop)
}

fn trigger(overlap: Overlap) -> SchedulePatch {
    SchedulePatch {
        trigger_immediately: Some(TriggerImmediatelyRequest {
            overlap_policy: overlap as i32,
            scheduled_time: None,
        }),
        ..Default::default()
    }
}

/// The ids of the workflows that a schedule has started last, and how each stands as far as it knows.
fn recent(described: &DescribeScheduleResponse) -> Vec<(String, Status)> {
    let info = described.info.as_ref().unwrap();
    let shown = info.recent_actions.iter().map(|action| {
        let id = action.start_workflow_result.as_ref().unwrap().workflow_id.clone();
        (id, Status::try_from(action.start_workflow_status).unwrap())
    });
    shown.collect()
}

fn job(time: &str) -> String {
    format!("job-2026-01-01T{time}Z")
}

/// Tells a workflow that waits for a note to go on.
async fn release(kit: &Testkit, id: &str) {
    let request = SignalWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: id.to_owned(),
            run_id: String::new(),
        }),
        signal_name: "note".to_owned(),
        input: Some(Payloads {
            payloads: vec![Payload {
                metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
                data: b"\"go\"".to_vec(),
                ..Default::default()
            }],
        }),
        ..Default::default()
    };
    let mut client = kit.client().clone();
    client
        .signal_workflow_execution(request.into_request())
        .await
        .expect("the signal is taken");
    kit.settle().await;
}

#[tokio::test]
async fn a_schedule_starts_a_workflow_every_hour() {
    let (kit, _worker) = kit().await;
    let created = try_create(&kit, request("s", hourly(&[Step::Sleep(60)], Overlap::Unspecified))).await;
    assert_eq!(created.unwrap(), 1_i64.to_be_bytes());
    kit.advance(HOUR * 3).await.unwrap();

    let described = describe(&kit).await;
    let ran = |time| (job(time), Status::Completed);
    let expected = [ran("01:00:00"), ran("02:00:00"), (job("03:00:00"), Status::Running)];
    assert_eq!(
        recent(&described),
        expected,
        "it has looked at the others when the last one was due"
    );
    let info = described.info.unwrap();
    assert_eq!((info.action_count, info.overlap_skipped, info.buffer_size), (3, 0, 0));
    assert_eq!(info.running_workflows.len(), 1);
    assert_eq!(info.future_action_times.len(), 10);
    assert_eq!(shown(&info.future_action_times[0]), "2026-01-01T04:00:00Z");
    assert_eq!(shown(info.create_time.as_ref().unwrap()), "2026-01-01T00:00:00Z");
    assert_eq!(info.update_time, None);
    let policies = described.schedule.unwrap().policies.unwrap();
    assert_eq!(policies.overlap_policy, Overlap::Skip as i32);
    assert_eq!(policies.catchup_window, seconds(365 * 86_400));
}

#[tokio::test]
async fn a_scheduled_workflow_says_where_it_comes_from() {
    let (kit, _worker) = kit().await;
    create(&kit, hourly(&[], Overlap::Skip)).await;
    kit.advance(HOUR).await.unwrap();
    kit.settle().await;
    let id = job("01:00:00");
    assert_eq!(
        types(&kit, &id),
        ["WORKFLOW_EXECUTION_STARTED", "WORKFLOW_EXECUTION_COMPLETED"]
    );
    let started = event!(kit, &id, WorkflowExecutionStartedEventAttributes);
    assert_eq!(started.identity, "temporal-scheduler-default-s");
    assert_eq!(started.workflow_id, id);
    let attributes = started.search_attributes.unwrap().indexed_fields;
    let text = |name: &str| String::from_utf8(attributes[name].data.clone()).unwrap();
    assert_eq!(text("TemporalScheduledById"), "\"s\"");
    assert_eq!(text("TemporalScheduledStartTime"), "\"2026-01-01T01:00:00Z\"");
}

#[tokio::test]
async fn an_action_that_would_overlap_is_skipped() {
    let (kit, _worker) = kit().await;
    create(&kit, hourly(&[Step::Notes(1)], Overlap::Skip)).await;
    kit.advance(HOUR * 3).await.unwrap();
    let info = describe(&kit).await.info.unwrap();
    assert_eq!((info.action_count, info.overlap_skipped, info.buffer_size), (1, 2, 0));
    release(&kit, &job("01:00:00")).await;
    kit.advance(HOUR).await.unwrap();
    assert_eq!(recent(&describe(&kit).await)[1].0, job("04:00:00"));
}

#[tokio::test]
async fn one_action_waits_for_the_end_of_the_one_before() {
    let (kit, _worker) = kit().await;
    create(&kit, hourly(&[Step::Notes(1)], Overlap::BufferOne)).await;
    kit.advance(HOUR * 3 + HOUR / 2).await.unwrap();
    let info = describe(&kit).await.info.unwrap();
    assert_eq!((info.action_count, info.overlap_skipped, info.buffer_size), (1, 1, 1));
    release(&kit, &job("01:00:00")).await;
    let described = describe(&kit).await;
    let expected = [(job("01:00:00"), Status::Completed), (job("02:00:00"), Status::Running)];
    assert_eq!(recent(&described), expected);
    let action = &described.info.unwrap().recent_actions[1];
    assert_eq!(shown(action.schedule_time.as_ref().unwrap()), "2026-01-01T02:00:00Z");
    assert_eq!(shown(action.actual_time.as_ref().unwrap()), "2026-01-01T03:30:00Z");
}

#[tokio::test]
async fn all_actions_wait_for_their_turn() {
    let (kit, _worker) = kit().await;
    create(&kit, hourly(&[Step::Notes(1)], Overlap::BufferAll)).await;
    kit.advance(HOUR * 3).await.unwrap();
    assert_eq!(describe(&kit).await.info.unwrap().buffer_size, 2);
    for time in ["01:00:00", "02:00:00", "03:00:00"] {
        release(&kit, &job(time)).await;
    }
    let info = describe(&kit).await.info.unwrap();
    assert_eq!((info.action_count, info.buffer_size, info.overlap_skipped), (3, 0, 0));
}

#[tokio::test]
async fn the_one_before_is_asked_to_cancel() {
    let (kit, _worker) = kit().await;
    create(&kit, hourly(&[Step::UntilCancelled], Overlap::CancelOther)).await;
    kit.advance(HOUR * 2).await.unwrap();
    kit.settle().await;
    let asked = event!(kit, &job("01:00:00"), WorkflowExecutionCancelRequestedEventAttributes);
    assert_eq!(asked.cause, "cancelled by schedule overlap policy");
    assert_eq!(asked.identity, "temporal-scheduler-default-s");
    let expected = [(job("01:00:00"), Status::Canceled), (job("02:00:00"), Status::Running)];
    assert_eq!(recent(&describe(&kit).await), expected);
}

#[tokio::test]
async fn the_one_before_is_terminated() {
    let (kit, _worker) = kit().await;
    create(&kit, hourly(&[Step::Notes(1)], Overlap::TerminateOther)).await;
    kit.advance(HOUR * 2).await.unwrap();
    let ended = event!(kit, &job("01:00:00"), WorkflowExecutionTerminatedEventAttributes);
    assert_eq!(ended.reason, "terminated by schedule overlap policy");
    assert_eq!(ended.identity, "temporal-scheduler-default-s");
    let expected = [
        (job("01:00:00"), Status::Terminated),
        (job("02:00:00"), Status::Running),
    ];
    assert_eq!(recent(&describe(&kit).await), expected);
}

#[tokio::test]
async fn all_actions_are_taken_at_once_and_none_is_watched() {
    let (kit, _worker) = kit().await;
    create(&kit, hourly(&[Step::Notes(1)], Overlap::AllowAll)).await;
    kit.advance(HOUR * 3).await.unwrap();
    let info = describe(&kit).await.info.unwrap();
    assert_eq!((info.action_count, info.overlap_skipped), (3, 0));
    assert!(info.running_workflows.is_empty());
}

#[tokio::test]
async fn an_action_can_be_asked_for_even_in_a_pause() {
    let (kit, _worker) = kit().await;
    let mut paused = hourly(&[Step::Notes(1)], Overlap::Skip);
    paused.state.as_mut().unwrap().paused = true;
    let mut request = request("s", paused);
    request.initial_patch = Some(trigger(Overlap::Unspecified));
    try_create(&kit, request).await.unwrap();
    kit.advance(HOUR * 5).await.unwrap();
    assert_eq!(recent(&describe(&kit).await), [(job("00:00:00"), Status::Running)]);
    patch(&kit, trigger(Overlap::Skip)).await;
    patch(&kit, trigger(Overlap::AllowAll)).await;
    let info = describe(&kit).await.info.unwrap();
    assert_eq!((info.action_count, info.overlap_skipped), (2, 1));
    assert_eq!(recent(&describe(&kit).await)[1].0, job("05:00:00"));
}

#[tokio::test]
async fn a_pause_stops_the_clockwork_and_isnt_made_up_for() {
    let (kit, _worker) = kit().await;
    create(&kit, hourly(&[], Overlap::Skip)).await;
    let note = |pause: &str, unpause: &str| SchedulePatch {
        pause: pause.to_owned(),
        unpause: unpause.to_owned(),
        ..Default::default()
    };
    patch(&kit, note("for repairs", "")).await;
    kit.advance(HOUR * 3).await.unwrap();
    let described = describe(&kit).await;
    assert_eq!(described.conflict_token, 2_i64.to_be_bytes());
    assert_eq!(described.info.unwrap().action_count, 0);
    let state = described.schedule.unwrap().state.unwrap();
    assert!(state.paused && state.notes == "for repairs");

    patch(&kit, note("", "repaired")).await;
    kit.advance(HOUR).await.unwrap();
    let described = describe(&kit).await;
    assert_eq!(described.conflict_token, 3_i64.to_be_bytes());
    assert_eq!(recent(&described).len(), 1);
    let state = described.schedule.unwrap().state.unwrap();
    assert!(!state.paused && state.notes == "repaired");
}

#[tokio::test]
async fn a_failure_pauses_the_schedule_before_its_next_action() {
    let (kit, _worker) = kit().await;
    let mut schedule = hourly(&[Step::Fail("no".to_owned())], Overlap::Skip);
    schedule.policies.as_mut().unwrap().pause_on_failure = true;
    create(&kit, schedule).await;
    kit.advance(HOUR * 4).await.unwrap();
    let described = describe(&kit).await;
    assert_eq!(recent(&described), [(job("01:00:00"), Status::Failed)]);
    let state = described.schedule.unwrap().state.unwrap();
    assert!(state.paused);
    assert_eq!(
        state.notes,
        format!("paused due to workflow failure: {}: no", job("01:00:00"))
    );
}

#[tokio::test]
async fn a_description_sees_the_end_of_a_run_and_the_next_one_knows_what_follows() {
    let (kit, _worker) = kit().await;
    let mut schedule = hourly(&[Step::Fail("no".to_owned())], Overlap::Skip);
    schedule.policies.as_mut().unwrap().pause_on_failure = true;
    create(&kit, schedule).await;
    kit.advance(HOUR).await.unwrap();
    kit.settle().await;
    let first = describe(&kit).await;
    assert_eq!(
        recent(&first),
        [(job("01:00:00"), Status::Running)],
        "it has not looked yet"
    );
    assert!(
        first.info.unwrap().running_workflows.is_empty(),
        "but the description has"
    );
    let second = describe(&kit).await;
    assert_eq!(recent(&second), [(job("01:00:00"), Status::Failed)]);
    assert!(second.schedule.unwrap().state.unwrap().paused);
}

#[tokio::test]
async fn the_next_run_gets_the_last_result_and_the_last_failure() {
    let (kit, _worker) = kit().await;
    create(&kit, hourly(&[Step::Sleep(1)], Overlap::Skip)).await;
    kit.advance(HOUR * 2).await.unwrap();
    let second = event!(kit, &job("02:00:00"), WorkflowExecutionStartedEventAttributes);
    let completed = event!(kit, &job("01:00:00"), WorkflowExecutionCompletedEventAttributes);
    assert!(completed.result.is_some());
    assert_eq!(second.last_completion_result, completed.result);
    assert_eq!(second.continued_failure, None);

    try_update(&kit, update(hourly(&[Step::Fail("no".to_owned())], Overlap::Skip)))
        .await
        .unwrap();
    kit.advance(HOUR * 2).await.unwrap();
    let fourth = event!(kit, &job("04:00:00"), WorkflowExecutionStartedEventAttributes);
    assert!(
        fourth.last_completion_result.is_some(),
        "a failure leaves the last result"
    );
    assert_eq!(fourth.continued_failure.unwrap().message, "no");
    assert_eq!(fourth.continued_execution_run_id, "");
}

#[tokio::test]
async fn actions_can_be_limited_and_a_schedule_without_any_goes_after_a_week() {
    let (kit, _worker) = kit().await;
    let mut schedule = hourly(&[], Overlap::Skip);
    schedule.state = Some(ScheduleState {
        limited_actions: true,
        remaining_actions: 2,
        ..Default::default()
    });
    create(&kit, schedule).await;
    assert_eq!(describe(&kit).await.info.unwrap().future_action_times.len(), 2);
    kit.advance(HOUR * 5).await.unwrap();
    let described = describe(&kit).await;
    assert_eq!(recent(&described).len(), 2);
    assert_eq!(described.conflict_token, 3_i64.to_be_bytes());
    assert_eq!(described.schedule.unwrap().state.unwrap().remaining_actions, 0);
    assert!(described.info.unwrap().future_action_times.is_empty());

    kit.advance(HOUR * (7 * 24 - 4)).await.unwrap();
    assert!(try_describe(&kit, "s").await.is_ok());
    kit.advance(HOUR).await.unwrap();
    let gone = try_describe(&kit, "s").await.unwrap_err();
    assert_eq!((gone.code(), gone.message()), (Code::NotFound, "schedule not found"));
}

#[tokio::test]
async fn the_past_can_be_caught_up_with() {
    let (kit, _worker) = kit().await;
    kit.advance(HOUR * 40).await.unwrap();
    let mut paused = hourly(&[], Overlap::Skip);
    paused.state.as_mut().unwrap().paused = true;
    create(&kit, paused).await;
    let begin = Timestamp::EPOCH_OF_TESTS;
    let backfill = |overlap: Overlap, from: Duration, to: Duration| SchedulePatch {
        backfill_request: vec![BackfillRequest {
            start_time: wire(begin + from),
            end_time: wire(begin + to),
            overlap_policy: overlap as i32,
        }],
        ..Default::default()
    };
    patch(&kit, backfill(Overlap::BufferAll, HOUR, HOUR * 3)).await;
    kit.settle().await;
    let ids: Vec<_> = recent(&describe(&kit).await).into_iter().map(|it| it.0).collect();
    assert_eq!(
        ids,
        [job("01:00:00"), job("02:00:00"), job("03:00:00")],
        "both ends belong to it"
    );

    patch(&kit, backfill(Overlap::AllowAll, HOUR * 4, HOUR * 28)).await;
    assert_eq!(
        describe(&kit).await.info.unwrap().action_count,
        13,
        "ten actions of a backfill at a time"
    );
    kit.advance(Duration::from_secs(1)).await.unwrap();
    assert_eq!(describe(&kit).await.info.unwrap().action_count, 23);
    kit.advance(Duration::from_secs(1)).await.unwrap();
    assert_eq!(describe(&kit).await.info.unwrap().action_count, 28);
}

#[tokio::test]
async fn an_update_counts_only_over_the_state_that_it_was_made_for() {
    let (kit, _worker) = kit().await;
    create(&kit, hourly(&[], Overlap::Skip)).await;
    kit.advance(HOUR + HOUR / 2).await.unwrap();
    let stale = UpdateScheduleRequest {
        conflict_token: 7_i64.to_be_bytes().to_vec(),
        ..update(hourly(&[], Overlap::AllowAll))
    };
    try_update(&kit, stale).await.expect("Temporal drops it without a word");
    let policies = describe(&kit).await.schedule.unwrap().policies.unwrap();
    assert_eq!(policies.overlap_policy, Overlap::Skip as i32);

    let fresh = UpdateScheduleRequest {
        conflict_token: describe(&kit).await.conflict_token,
        ..update(Schedule {
            spec: Some(ScheduleSpec {
                cron_string: vec!["CRON_TZ=America/New_York 15 */2 * * * # even hours".to_owned()],
                ..Default::default()
            }),
            ..hourly(&[], Overlap::AllowAll)
        })
    };
    try_update(&kit, fresh).await.unwrap();
    let described = describe(&kit).await;
    assert_eq!(described.conflict_token, 2_i64.to_be_bytes());
    let info = described.info.unwrap();
    assert_eq!(shown(info.update_time.as_ref().unwrap()), "2026-01-01T01:30:00Z");
    assert_eq!(shown(&info.future_action_times[0]), "2026-01-01T03:15:00Z");
    let spec = described.schedule.unwrap().spec.unwrap();
    assert_eq!(
        (spec.timezone_name.as_str(), spec.cron_string.len()),
        ("America/New_York", 0)
    );
    assert_eq!(spec.structured_calendar[0].comment, "even hours");
    assert_eq!(
        spec.structured_calendar[0].minute[0].end, 15,
        "clients see the defaults of ranges"
    );
}

#[tokio::test]
async fn schedules_are_listed_and_counted() {
    let kit = Testkit::start().await;
    for id in ["a", "b", "c"] {
        let mut request = request(id, hourly(&[], Overlap::Skip));
        request.memo = Some(Memo {
            fields: [("owner".to_owned(), Payload::default())].into(),
        });
        try_create(&kit, request).await.unwrap();
        kit.advance(Duration::from_secs(1)).await.unwrap();
    }
    try_delete(&kit, "b").await.unwrap();
    let mut client = kit.client().clone();
    let page = |token: Vec<u8>| ListSchedulesRequest {
        namespace: "default".to_owned(),
        maximum_page_size: 1,
        next_page_token: token,
        ..Default::default()
    };
    let first = WorkflowService::list_schedules(&mut client, page(Vec::new()).into_request())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first.schedules[0].schedule_id, "c", "the newest first");
    assert!(first.schedules[0].memo.as_ref().unwrap().fields.contains_key("owner"));
    let info = first.schedules[0].info.as_ref().unwrap();
    assert_eq!(info.workflow_type.as_ref().unwrap().name, "script");
    assert_eq!(info.future_action_times.len(), 5);
    let second = WorkflowService::list_schedules(&mut client, page(first.next_page_token).into_request())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(second.schedules[0].schedule_id, "a");
    let third = WorkflowService::list_schedules(&mut client, page(second.next_page_token).into_request())
        .await
        .unwrap()
        .into_inner();
    assert!(third.schedules.is_empty() && third.next_page_token.is_empty());
    let count = CountSchedulesRequest {
        namespace: "default".to_owned(),
        ..Default::default()
    };
    let counted = client.count_schedules(count.into_request()).await.unwrap().into_inner();
    assert_eq!(counted.count, 2);
}

#[tokio::test]
async fn schedules_are_found_by_queries() {
    let kit = Testkit::start().await;
    let mut client = kit.client().clone();
    let team = AddSearchAttributesRequest {
        search_attributes: [("Team".to_owned(), IndexedValueType::Keyword as i32)].into(),
        namespace: "default".to_owned(),
    };
    client.add_search_attributes(team.into_request()).await.unwrap();
    let with = |id: &str, name: &str, team: &str, paused: bool| {
        let mut schedule = hourly(&[], Overlap::Skip);
        schedule.state.as_mut().unwrap().paused = paused;
        let value = Payload {
            metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
            data: format!("{team:?}").into_bytes(),
            ..Default::default()
        };
        CreateScheduleRequest {
            search_attributes: Some(SearchAttributes {
                indexed_fields: [(name.to_owned(), value)].into(),
            }),
            ..request(id, schedule)
        }
    };
    let unknown = try_create(&kit, with("x", "Colour", "red", false)).await.unwrap_err();
    assert_eq!(
        (unknown.code(), unknown.message()),
        (
            Code::InvalidArgument,
            "Namespace default has no mapping defined for search attribute Colour"
        )
    );
    try_create(&kit, with("a1", "Team", "red", false)).await.unwrap();
    try_create(&kit, with("a2", "Team", "blue", true)).await.unwrap();
    try_create(&kit, with("b1", "Team", "red", true)).await.unwrap();
    let ids = async |query: &str| {
        let list = ListSchedulesRequest {
            namespace: "default".to_owned(),
            query: query.to_owned(),
            ..Default::default()
        };
        let listed = WorkflowService::list_schedules(&mut kit.client().clone(), list.into_request()).await?;
        let schedules = listed.into_inner().schedules;
        let mut ids: Vec<_> = schedules.iter().map(|it| it.schedule_id.clone()).collect();
        ids.sort();
        Ok::<_, Refusal>(ids.join(" "))
    };
    assert_eq!(ids("Team = 'red'").await.unwrap(), "a1 b1");
    assert_eq!(ids("TemporalSchedulePaused = true").await.unwrap(), "a2 b1");
    assert_eq!(ids("ScheduleId STARTS_WITH 'a' AND Team != 'red'").await.unwrap(), "a2");
    assert_eq!(
        ids("ScheduleId IN ('a1', 'none') OR ScheduleId = 'b1'").await.unwrap(),
        "a1 b1"
    );
    let refused = ids("WorkflowId = 'a1'").await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (
            Code::InvalidArgument,
            "invalid query filter for schedules: cannot filter on \"WorkflowId\""
        )
    );
    let count = CountSchedulesRequest {
        namespace: "default".to_owned(),
        query: "Team = 'red' AND TemporalSchedulePaused = true".to_owned(),
    };
    let counted = client.count_schedules(count.into_request()).await.unwrap().into_inner();
    assert_eq!(counted.count, 1);

    let mut workflows = async |query: &str| {
        let list = ListWorkflowExecutionsRequest {
            namespace: "default".to_owned(),
            query: query.to_owned(),
            ..Default::default()
        };
        let listed = client.list_workflow_executions(list.into_request()).await.unwrap();
        let found = listed.into_inner().executions;
        found
            .into_iter()
            .map(|it| it.execution.unwrap().workflow_id)
            .collect::<Vec<_>>()
    };
    assert!(workflows("").await.is_empty(), "they aren't workflows of the user's");
    assert_eq!(
        workflows(
            "TemporalNamespaceDivision = 'TemporalScheduler' AND WorkflowId STARTS_WITH 'temporal-sys-scheduler:b'"
        )
        .await,
        ["temporal-sys-scheduler:b1"]
    );
}

#[tokio::test]
async fn the_times_of_a_range_can_be_asked_for() {
    let kit = Testkit::start().await;
    create(&kit, hourly(&[], Overlap::Skip)).await;
    let begin = Timestamp::EPOCH_OF_TESTS;
    let mut client = kit.client().clone();
    let mut times = async |start_time, end_time| {
        let request = ListScheduleMatchingTimesRequest {
            namespace: "default".to_owned(),
            schedule_id: "s".to_owned(),
            start_time,
            end_time,
        };
        client.list_schedule_matching_times(request.into_request()).await
    };
    let found = times(wire(begin), wire(begin + HOUR * 2)).await.unwrap().into_inner();
    let found: Vec<_> = found.start_time.iter().map(shown).collect();
    assert_eq!(found, ["2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z"]);
    let many = times(wire(begin), wire(begin + HOUR * 9_999))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(many.start_time.len(), 1_000);
    let refused = times(None, wire(begin)).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::InvalidArgument, "missing or invalid query")
    );
}

#[tokio::test]
async fn an_id_is_taken_until_its_schedule_is_deleted() {
    let kit = Testkit::start().await;
    create(&kit, hourly(&[], Overlap::Skip)).await;
    create(&kit, hourly(&[], Overlap::Skip)).await;
    let other = CreateScheduleRequest {
        request_id: "another".to_owned(),
        ..request("s", hourly(&[], Overlap::Skip))
    };
    let taken = try_create(&kit, other.clone()).await.unwrap_err();
    assert_eq!(
        (taken.code(), taken.message()),
        (Code::AlreadyExists, "schedule \"s\" is already registered")
    );
    assert!(!taken.details().is_empty(), "SDKs match on the detail");

    try_delete(&kit, "s").await.unwrap();
    let refusal = |it: Result<(), Refusal>| {
        let refused = it.unwrap_err();
        (refused.code(), refused.message().to_owned())
    };
    let completed = (Code::NotFound, "workflow execution already completed".to_owned());
    assert_eq!(refusal(try_delete(&kit, "s").await), completed);
    assert_eq!(
        refusal(try_patch(&kit, "s", Some(trigger(Overlap::Skip))).await),
        completed
    );
    let described = try_describe(&kit, "s").await.map(drop);
    assert_eq!(refusal(described), (Code::NotFound, "schedule not found".to_owned()));
    let unknown = (
        Code::NotFound,
        "workflow not found for ID: temporal-sys-scheduler:other".to_owned(),
    );
    assert_eq!(refusal(try_describe(&kit, "other").await.map(drop)), unknown);
    assert_eq!(refusal(try_delete(&kit, "other").await), unknown);
    try_create(&kit, other).await.expect("the id is free again");
}

#[tokio::test]
async fn what_temporal_refuses() {
    let kit = Testkit::start().await;
    let refused = async |change: &dyn Fn(&mut CreateScheduleRequest, &mut NewWorkflowExecutionInfo)| {
        let mut workflow = workflow(&[]);
        let mut request = request("s", hourly(&[], Overlap::Skip));
        change(&mut request, &mut workflow);
        let schedule = request.schedule.as_mut().unwrap();
        schedule.action = Some(ScheduleAction {
            action: Some(Action::StartWorkflow(workflow)),
        });
        let refused = try_create(&kit, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        refused.message().to_owned()
    };
    assert_eq!(
        refused(&|request, _| request.schedule_id = "x".repeat(1_000)).await,
        "WorkflowId exceeds maximum allowed length (1023/1000)"
    );
    assert_eq!(
        refused(&|request, _| request.request_id.clear()).await,
        "RequestId is not set on request."
    );
    let spec = |request: &mut CreateScheduleRequest, cron: &str, zone: &str| {
        let spec = request.schedule.as_mut().unwrap().spec.as_mut().unwrap();
        spec.cron_string.push(cron.to_owned());
        spec.timezone_name = zone.to_owned();
    };
    assert_eq!(
        refused(&|request, _| spec(request, "* * *", "")).await,
        "Invalid schedule spec: CronString does not have 5-7 fields"
    );
    assert_eq!(
        refused(&|request, _| spec(request, "@daily", "Mars/Olympus")).await,
        "Invalid schedule spec: unknown time zone Mars/Olympus"
    );
    assert_eq!(
        refused(&|_, workflow| workflow.workflow_type = None).await,
        "WorkflowType is not set on request."
    );
    assert_eq!(
        refused(&|_, workflow| workflow.task_queue = None).await,
        "taskQueue is not set"
    );
    assert_eq!(
        refused(&|_, workflow| workflow.task_queue.as_mut().unwrap().name.clear()).await,
        "missing task queue name"
    );
    assert_eq!(
        refused(&|_, workflow| workflow.workflow_run_timeout = seconds(-1)).await,
        "An invalid WorkflowRunTimeoutSeconds is set on request. cause: negative duration"
    );
    assert_eq!(
        refused(&|_, workflow| workflow.cron_schedule = "@daily".to_owned()).await,
        "Scheduled workflow must not contain CronSchedule"
    );
    assert_eq!(
        refused(&|_, workflow| workflow.workflow_id_reuse_policy = WorkflowIdReusePolicy::RejectDuplicate as i32).await,
        "Scheduled workflow must not contain WorkflowIDReusePolicy"
    );
}

#[tokio::test]
async fn what_temporal_refuses_of_changes() {
    let kit = Testkit::start().await;
    create(&kit, hourly(&[], Overlap::Skip)).await;
    let none = try_patch(&kit, "s", None).await.unwrap_err();
    assert_eq!(
        (none.code(), none.message()),
        (Code::InvalidArgument, "Patch is not set on request.")
    );
    let long = SchedulePatch {
        pause: "x".repeat(1_001),
        ..Default::default()
    };
    let long = try_patch(&kit, "s", Some(long)).await.unwrap_err();
    assert_eq!(
        (long.code(), long.message()),
        (Code::InvalidArgument, "Schedule notes exceeds limit.")
    );
    let idle = try_update(&kit, update(Schedule::default())).await.unwrap_err();
    assert_eq!(idle.message(), "Only StartWorkflow action is supported for schedules");
    let memo = UpdateScheduleRequest {
        memo: Some(Memo::default()),
        ..update(hourly(&[], Overlap::Skip))
    };
    let memo = try_update(&kit, memo).await.unwrap_err();
    assert_eq!(
        (memo.code(), memo.message()),
        (
            Code::FailedPrecondition,
            "memo updates are not supported on workflow-backed schedules"
        )
    );
}

#[tokio::test]
async fn a_schedule_without_an_action_does_nothing() {
    let kit = Testkit::start().await;
    let idle = Schedule {
        action: None,
        ..hourly(&[], Overlap::Skip)
    };
    create(&kit, idle).await;
    kit.advance(HOUR * 3).await.unwrap();
    let info = describe(&kit).await.info.unwrap();
    assert_eq!((info.action_count, info.buffer_size, info.overlap_skipped), (0, 0, 0));
}

/// A year of hours passes in no time, and a wait that a schedule can't end is given up.
#[tokio::test]
async fn a_schedule_that_fires_for_ever_doesnt_keep_a_wait_from_ending() {
    let (kit, _worker) = kit().await;
    create(&kit, hourly(&[Step::Notes(1)], Overlap::Skip)).await;
    let handle = start(&kit, "waits", vec![Step::Notes(1)]).await;
    let waits = kit.run_until(result(&handle)).await.unwrap_err();
    assert!(waits.is_stalled());
    let text = waits.to_string();
    assert!(text.contains("schedules have fired 10000 times"), "{text}");
    assert!(text.contains("workflow waits (script) waits for a signal"), "{text}");
    assert!(text.contains("schedule s waits for its next time"), "{text}");
    assert!(
        result(&handle).await.is_err(),
        "nor does it keep a client from hearing so"
    );
}

/// A workflow that sleeps for months is waited for, however often a schedule fires meanwhile.
#[tokio::test]
async fn a_schedule_doesnt_end_a_wait_that_has_an_end() {
    let (kit, _worker) = kit().await;
    let mut minutely = hourly(&[Step::Notes(1)], Overlap::Skip);
    minutely.spec.as_mut().unwrap().interval[0].interval = seconds(60);
    create(&kit, minutely).await;
    let handle = start(&kit, "sleeps", vec![Step::Sleep(10 * 86_400)]).await;
    result(&handle).await.expect("it wakes");
    let skipped = describe(&kit).await.info.unwrap().overlap_skipped;
    assert!(skipped >= 10 * 1_440 - 2, "{skipped}");
}

#[tokio::test]
async fn the_sdks_own_handle_works() {
    use temporalio_client::schedules::{CreateScheduleOptions, ScheduleAction, ScheduleBackfill, ScheduleSpec};
    let (kit, _worker) = kit().await;
    let action = ScheduleAction::start_workflow(Script::run, vec![Step::Sleep(1)], QUEUE, "job");
    let options = CreateScheduleOptions::builder()
        .action(action)
        .spec(ScheduleSpec::from_interval(HOUR))
        .trigger_immediately(true)
        .note("a note")
        .build();
    let handle = kit.client().create_schedule("s", options).await.unwrap();
    handle
        .update(
            |update| {
                update.set_note("another");
            },
            Default::default(),
        )
        .await
        .unwrap();
    kit.advance(HOUR + HOUR / 2).await.unwrap();
    let described = handle.describe(Default::default()).await.unwrap();
    assert_eq!((described.note(), described.action_count()), (Some("another"), 2));
    let now = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(kit.now().as_seconds());
    let backfill = ScheduleBackfill::new(now - HOUR * 3, now - HOUR * 2).build();
    handle.backfill([backfill], Default::default()).await.unwrap();
    let described = handle.describe(Default::default()).await.unwrap();
    assert_eq!(described.action_count(), 3, "of two, the second overlaps the first");
    handle.delete(Default::default()).await.unwrap();
    assert!(handle.describe(Default::default()).await.is_err());
}
