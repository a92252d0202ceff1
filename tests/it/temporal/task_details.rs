//! What a workflow task's answer may hold, what its events say, and what becomes of updates when a run ends. Texts are those
//! of `respondworkflowtaskcompleted` and `command_attr_validator.go`, fields those of `workflow_task_state_machine.go`.

use std::time::Duration;

use awaithumans_testkit::Reject;
use prost::Message as _;
use temporalio_common::protos::temporal::api::command::v1 as commands;
use temporalio_common::protos::temporal::api::command::v1::Command;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Do;
use temporalio_common::protos::temporal::api::common::v1::{WorkerVersionStamp, WorkflowExecution};
use temporalio_common::protos::temporal::api::enums::v1::{
    SuggestContinueAsNewReason as Reason, TaskQueueKind, WorkflowTaskFailedCause as Cause,
};
use temporalio_common::protos::temporal::api::failure::v1::ServerFailureInfo;
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::history::v1::{HistoryEvent, WorkflowTaskStartedEventAttributes};
use temporalio_common::protos::temporal::api::taskqueue::v1::{StickyExecutionAttributes, TaskQueue};
use temporalio_common::protos::temporal::api::update::v1 as update;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::Code;

use super::raw::{QUEUE, Raw, activity, command, complete_workflow, execution, queue, seconds, timer};

fn refusal<T: std::fmt::Debug>(answer: Result<T, Reject>) -> (Code, String) {
    let reject = answer.unwrap_err();
    (reject.code(), reject.message())
}

fn invalid(text: &str) -> (Code, String) {
    (Code::InvalidArgument, text.to_owned())
}

fn update_request(id: &str) -> wire::UpdateWorkflowExecutionRequest {
    wire::UpdateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution(id),
        request: Some(update::Request {
            meta: Some(update::Meta {
                update_id: "u".to_owned(),
                ..Default::default()
            }),
            input: Some(update::Input {
                name: "update".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn continue_as_new() -> Command {
    command(Do::ContinueAsNewWorkflowExecutionCommandAttributes(
        commands::ContinueAsNewWorkflowExecutionCommandAttributes {
            workflow_type: Some("raw".to_owned().into()),
            task_queue: Some(queue()),
            ..Default::default()
        },
    ))
}

impl Raw {
    /// What a batch is refused with; the run is its own.
    fn refuse(&mut self, id: &str, batch: Vec<Command>) -> (Code, String) {
        self.start(id, |_| {});
        let task = self.poll().unwrap();
        let refused = refusal(self.complete(&task, batch));
        let terminate = wire::TerminateWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: execution(id),
            ..Default::default()
        };
        self.call::<wire::TerminateWorkflowExecutionResponse>("TerminateWorkflowExecution", &terminate)
            .unwrap();
        refused
    }

    fn last(&self, id: &str) -> HistoryEvent {
        self.events(id).pop().unwrap()
    }

    fn update_answer(&mut self, ticket: u64) -> Option<Result<wire::UpdateWorkflowExecutionResponse, Reject>> {
        self.answer(ticket)
    }
}

#[test]
fn a_workflow_can_not_end_over_news_and_its_worker_is_told_so() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let task = raw.poll().unwrap();
    raw.signal("w");
    assert_eq!(
        refusal(raw.complete(&task, vec![complete_workflow()])),
        invalid("UnhandledCommand")
    );
    let events = raw.events("w");
    let Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) = &events[3].attributes else {
        panic!("{:?}", raw.types("w"));
    };
    assert_eq!(failed.cause(), Cause::UnhandledCommand);
    let failure = failed.failure.clone().unwrap();
    assert_eq!(
        (failure.message.as_str(), failure.source.as_str()),
        ("UnhandledCommand", "")
    );
    assert_eq!(
        failure.failure_info,
        Some(FailureInfo::ServerFailureInfo(ServerFailureInfo {
            non_retryable: false
        }))
    );
    assert_eq!(
        raw.types("w")[3..],
        [
            "WORKFLOW_TASK_FAILED",
            "WORKFLOW_EXECUTION_SIGNALED",
            "WORKFLOW_TASK_SCHEDULED"
        ]
    );
    raw.work(vec![complete_workflow()]);
}

#[test]
fn nothing_may_come_after_the_end_and_then_nothing_has_happened() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let task = raw.poll().unwrap();
    assert_eq!(
        refusal(raw.complete(&task, vec![complete_workflow(), timer("t", 1)])),
        invalid(
            "invalid command sequence: [CompleteWorkflowExecution, StartTimer], command CompleteWorkflowExecution must \
             be the last command."
        )
    );
    assert_eq!(raw.last("w").event_id, 3, "the task is still the worker's");
    raw.complete(&task, vec![complete_workflow()]).unwrap();
}

#[test]
fn a_timer_of_no_time_fires_at_once() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw.work(vec![timer("t", 0)]);
    raw.advance(Duration::ZERO);
    assert_eq!(raw.types("w")[5..], ["TIMER_FIRED", "WORKFLOW_TASK_SCHEDULED"]);
}

#[test]
fn bad_commands_are_refused_in_temporals_words() {
    let mut raw = Raw::new();
    let cancel_timer = command(Do::CancelTimerCommandAttributes(
        commands::CancelTimerCommandAttributes {
            timer_id: "t".to_owned(),
        },
    ));
    let cancel_activity = command(Do::RequestCancelActivityTaskCommandAttributes(
        commands::RequestCancelActivityTaskCommandAttributes { scheduled_event_id: 77 },
    ));
    let signal = command(Do::SignalExternalWorkflowExecutionCommandAttributes(
        commands::SignalExternalWorkflowExecutionCommandAttributes {
            execution: Some(WorkflowExecution {
                workflow_id: "other".to_owned(),
                run_id: "x".to_owned(),
            }),
            signal_name: "s".to_owned(),
            ..Default::default()
        },
    ));
    let long = "x".repeat(1_001);
    let too_long = format!(
        "BadStartTimerAttributes: TimerId on StartTimerCommand exceeds length limit. TimerId={long} Length=1001 Limit=1000"
    );
    for (index, (text, batch)) in [
        (
            "StartTimerDuplicateId: invalid history builder state for action: add-timer-started-event, TimerID: t",
            vec![timer("t", 1), timer("t", 1)],
        ),
        (
            "BadCancelTimerAttributes: invalid history builder state for action: add-timer-canceled-event, TimerID: t",
            vec![cancel_timer],
        ),
        (
            "ScheduleActivityDuplicateId: invalid history builder state for action: add-activitytask-scheduled-event, \
             ActivityID: a",
            vec![activity("a"), activity("a")],
        ),
        (
            "BadRequestCancelActivityAttributes: invalid history builder state for action: \
             add-activitytask-cancel-requested-event, ScheduledEventID: 77",
            vec![cancel_activity],
        ),
        (
            "BadStartTimerAttributes: An invalid StartToFireTimeout is set on StartTimerCommand: negative duration. \
             TimerId=t",
            vec![timer("t", -1)],
        ),
        (
            "BadSignalWorkflowExecutionAttributes: Invalid RunId set on SignalExternalWorkflowExecutionCommand. \
             WorkflowId=other Namespace= RunId=x SignalName=s",
            vec![signal],
        ),
        (too_long.as_str(), vec![timer(&long, 1)]),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(raw.refuse(&format!("w{index}"), batch), invalid(text));
    }
}

#[test]
fn the_events_of_a_transient_task_have_its_times_and_the_name_of_who_ended_it() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let task = raw.poll().unwrap();
    let failed = wire::RespondWorkflowTaskFailedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        ..Default::default()
    };
    raw.call::<wire::RespondWorkflowTaskFailedResponse>("RespondWorkflowTaskFailed", &failed)
        .unwrap();
    raw.advance(Duration::from_secs(2));
    let task = raw.poll().unwrap();
    assert_eq!(task.attempt, 2);
    raw.advance(Duration::from_secs(3));
    let completed = wire::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        identity: "another worker".to_owned(),
        ..Default::default()
    };
    raw.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &completed)
        .unwrap();
    let events = raw.events("w");
    let start = events[0].event_time.unwrap().seconds;
    let since: Vec<i64> = events[4..]
        .iter()
        .map(|event| event.event_time.unwrap().seconds - start)
        .collect();
    assert_eq!(since, [0, 2, 5], "scheduled, started, completed");
    let Some(Attributes::WorkflowTaskStartedEventAttributes(started)) = &events[5].attributes else {
        panic!("{:?}", raw.types("w"));
    };
    assert_eq!(started.identity, "another worker");
}

#[test]
fn a_terminated_run_writes_the_task_that_it_takes_away_even_a_speculative_one() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw.work(vec![]);
    let waiting = raw.ask("UpdateWorkflowExecution", &update_request("w"));
    raw.poll().expect("the speculative task");
    assert_eq!(raw.events("w").len(), 4);
    let terminate = wire::TerminateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("w"),
        ..Default::default()
    };
    raw.ask("TerminateWorkflowExecution", &terminate);
    assert_eq!(
        refusal(raw.update_answer(waiting).expect("an answer")),
        (
            Code::NotFound,
            "workflow update was aborted by closing workflow".to_owned()
        )
    );
    assert_eq!(
        raw.types("w")[4..],
        [
            "WORKFLOW_TASK_SCHEDULED",
            "WORKFLOW_TASK_STARTED",
            "WORKFLOW_TASK_FAILED",
            "WORKFLOW_EXECUTION_TERMINATED"
        ]
    );
    let events = raw.events("w");
    let Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) = &events[6].attributes else {
        panic!("{:?}", raw.types("w"));
    };
    assert_eq!(failed.cause(), Cause::ForceCloseCommand);
    assert_eq!(failed.identity, "history-service");
}

#[test]
#[expect(deprecated, reason = "workers still send it")]
fn a_speculative_task_that_fails_is_written_with_what_its_worker_says_of_itself() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw.work(vec![]);
    raw.ask("UpdateWorkflowExecution", &update_request("w"));
    let task = raw.poll().expect("the speculative task");
    let stamp = WorkerVersionStamp {
        build_id: "build".to_owned(),
        use_versioning: false,
    };
    let failed = wire::RespondWorkflowTaskFailedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        cause: Cause::WorkflowWorkerUnhandledFailure as i32,
        worker_version: Some(stamp.clone()),
        ..Default::default()
    };
    raw.call::<wire::RespondWorkflowTaskFailedResponse>("RespondWorkflowTaskFailed", &failed)
        .unwrap();
    let events = raw.events("w");
    let Some(Attributes::WorkflowTaskStartedEventAttributes(started)) = &events[5].attributes else {
        panic!("{:?}", raw.types("w"));
    };
    assert_eq!(started.worker_version, Some(stamp));
}

#[test]
fn updates_of_a_run_that_times_out_are_refused() {
    let mut raw = Raw::new();
    raw.start("w", |it| it.workflow_run_timeout = seconds(60));
    raw.work(vec![]);
    let waiting = raw.ask("UpdateWorkflowExecution", &update_request("w"));
    raw.poll().expect("the speculative task");
    raw.now += Duration::from_secs(60);
    while raw.engine.poll_timeout().is_some_and(|due| due <= raw.now) {
        raw.engine.handle_timeout(raw.now);
    }
    assert_eq!(
        refusal(raw.update_answer(waiting).expect("an answer")).1,
        "workflow update was aborted by closing workflow"
    );
}

#[test]
fn an_update_that_comes_too_late_for_a_run_is_to_be_tried_again() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let task = raw.poll().unwrap();
    let waiting = raw.ask("UpdateWorkflowExecution", &update_request("w"));
    let request = wire::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        commands: vec![continue_as_new()],
        ..Default::default()
    };
    raw.ask("RespondWorkflowTaskCompleted", &request);
    assert_eq!(
        refusal(raw.update_answer(waiting).expect("an answer")),
        (
            Code::ResourceExhausted,
            "workflow operation can not be applied because workflow is closing".to_owned()
        )
    );
}

#[test]
fn a_worker_that_only_heartbeats_is_told_when_it_has_done_so_too_long() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let task = raw.poll().unwrap();
    let heartbeat = |task_token: Vec<u8>| wire::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token,
        force_create_new_workflow_task: true,
        return_new_workflow_task: true,
        sticky_attributes: Some(StickyExecutionAttributes {
            worker_task_queue: Some(queue()),
            schedule_to_start_timeout: seconds(10),
        }),
        ..Default::default()
    };
    let mut token = task.task_token;
    for _ in 0..360 {
        raw.now += Duration::from_secs(5);
        let answer = raw
            .call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &heartbeat(token))
            .unwrap();
        token = answer.workflow_task.expect("the next task").task_token;
    }
    raw.now += Duration::from_secs(5);
    let refused =
        raw.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &heartbeat(token));
    assert_eq!(
        refusal(refused),
        (Code::NotFound, "workflow task heartbeat timeout".to_owned())
    );
    let types = raw.types("w");
    assert_eq!(
        types[types.len() - 3..],
        [
            "WORKFLOW_TASK_TIMED_OUT",
            "WORKFLOW_TASK_SCHEDULED",
            "WORKFLOW_TASK_STARTED"
        ],
        "the next one counts as started, though nobody has it"
    );
}

#[test]
fn a_long_history_is_a_reason_to_continue_as_new() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let marker = command(Do::RecordMarkerCommandAttributes(
        commands::RecordMarkerCommandAttributes {
            marker_name: "m".to_owned(),
            ..Default::default()
        },
    ));
    raw.work(vec![marker; 4_096 - 7]);
    raw.signal("w");
    raw.work(vec![]);
    raw.signal("w");
    raw.work(vec![]);
    let started: Vec<(i64, Vec<i32>)> = raw
        .events("w")
        .into_iter()
        .filter_map(|event| match event.attributes {
            Some(Attributes::WorkflowTaskStartedEventAttributes(it)) => {
                assert_eq!(
                    it.suggest_continue_as_new,
                    !it.suggest_continue_as_new_reasons.is_empty()
                );
                Some((event.event_id, it.suggest_continue_as_new_reasons))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        started[1..],
        [
            (4_096, vec![Reason::TooManyHistoryEvents as i32]),
            (4_100, vec![Reason::TooManyHistoryEvents as i32])
        ]
    );
    assert!(started[0].1.is_empty());
}

fn history(raw: &mut Raw, id: &str) -> Vec<HistoryEvent> {
    let request = wire::GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: execution(id),
        ..Default::default()
    };
    let answer: wire::GetWorkflowExecutionHistoryResponse = raw.call("GetWorkflowExecutionHistory", &request).unwrap();
    answer.history.unwrap_or_default().events
}

fn started(event: Option<&HistoryEvent>) -> WorkflowTaskStartedEventAttributes {
    match event.and_then(|event| event.attributes.clone()) {
        Some(Attributes::WorkflowTaskStartedEventAttributes(started)) => started,
        other => panic!("{other:?}"),
    }
}

/// Source: `GetTransientWorkflowTaskInfo`; recorded with the flow "uncaught cancelled, default worker".
#[test]
fn a_task_that_is_not_written_is_shown_without_its_worker() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let task = raw.poll().unwrap();
    let failed = wire::RespondWorkflowTaskFailedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        ..Default::default()
    };
    raw.call::<wire::RespondWorkflowTaskFailedResponse>("RespondWorkflowTaskFailed", &failed)
        .unwrap();
    let task = raw.poll().unwrap();
    assert_eq!(task.attempt, 2);

    let seen_by_the_worker = started(task.history.unwrap_or_default().events.last());
    let seen_by_others = started(history(&mut raw, "w").last());

    assert_eq!(seen_by_the_worker.identity, "worker");
    assert_eq!(seen_by_others.identity, "");
    assert_eq!(seen_by_others.request_id, seen_by_the_worker.request_id);
}

/// Source: `getHistorySizeInfo`; recorded with the flow "concurrent two keys".
#[test]
fn a_task_that_comes_with_an_answer_counts_the_history_without_that_answer() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let task = raw.poll().unwrap();
    let first = started(raw.events("w").last()).history_size_bytes;
    raw.signal("w");
    let request = wire::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        commands: vec![timer("t", 1)],
        return_new_workflow_task: true,
        ..Default::default()
    };
    let answer: wire::RespondWorkflowTaskCompletedResponse =
        raw.call("RespondWorkflowTaskCompleted", &request).unwrap();
    assert!(answer.workflow_task.is_some());

    let events = raw.events("w");
    let added = started(events.last()).history_size_bytes - first;

    // The first started event, which is kept with a tag and its length.
    assert_eq!(added, events[2].encoded_len() as i64 + 2);
}

#[test]
fn a_task_left_on_a_killed_workers_own_queue_waits_for_nobody() {
    let own = TaskQueue {
        name: "own".to_owned(),
        kind: TaskQueueKind::Sticky as i32,
        normal_name: QUEUE.to_owned(),
    };
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let task = raw.poll().unwrap();
    let poll_own = wire::PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: Some(own.clone()),
        identity: "worker".to_owned(),
        ..Default::default()
    };
    let parked = raw.ask("PollWorkflowTaskQueue", &poll_own);
    let completed = wire::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        sticky_attributes: Some(StickyExecutionAttributes {
            worker_task_queue: Some(own),
            schedule_to_start_timeout: seconds(5),
        }),
        ..Default::default()
    };
    raw.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &completed)
        .unwrap();
    let now = raw.now;
    raw.engine.handle_abandoned(now, parked);
    raw.signal("w");
    assert!(raw.engine.has_unserved_task(), "on the killed worker's own queue");
    raw.advance(Duration::from_secs(6));
    assert!(raw.engine.has_unserved_task(), "on the queue of all workers");

    raw.work(vec![]);
    assert!(!raw.engine.has_unserved_task());
}
