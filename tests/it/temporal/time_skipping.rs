//! Time skipping of single workflows, as in Temporal's own `tests/timeskipping*_test.go`. The world's clock stands still
//! in these tests unless they move it.

use std::time::Duration;

use awaithumans_testkit::Timestamp;
use temporalio_client::grpc::WorkflowService;
use temporalio_common::protos::temporal::api::command::v1 as commands;
use temporalio_common::protos::temporal::api::command::v1::Command;
use temporalio_common::protos::temporal::api::command::v1::command::Attributes as Do;
use temporalio_common::protos::temporal::api::common::v1::{FastForwardConfig, RetryPolicy, TimeSkippingConfig};
use temporalio_common::protos::temporal::api::enums::v1::{
    FastForwardPollingResult as PollResult, WorkflowExecutionStatus as Status,
};
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::history::v1::{
    HistoryEvent, WorkflowExecutionTimeSkippingTransitionedEventAttributes as Transitioned,
};
use temporalio_common::protos::temporal::api::workflow::v1::WorkflowExecutionOptions;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::{Code, IntoRequest};

use super::raw::{Raw, activity, activity_with, command, complete_workflow, execution, queue, seconds, timer};
use super::script::Step;
use super::{kit, note, result, start, types};

const HOUR: i64 = 3_600;

const TRANSITIONED: &str = "WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED";

fn config() -> TimeSkippingConfig {
    TimeSkippingConfig {
        enabled: true,
        ..Default::default()
    }
}

fn fast_forward(length: i64) -> TimeSkippingConfig {
    TimeSkippingConfig {
        fast_forward_config: Some(FastForwardConfig {
            id: "ff".to_owned(),
            duration: seconds(length),
        }),
        ..config()
    }
}

fn at(since_start: i64) -> Option<prost_types::Timestamp> {
    let start = i64::try_from(Timestamp::EPOCH_OF_TESTS.as_seconds()).unwrap();
    Some(prost_types::Timestamp {
        seconds: start + since_start,
        nanos: 0,
    })
}

impl Raw {
    fn start_skipping(&mut self, config: TimeSkippingConfig) {
        self.start("w", |it| {
            it.time_skipping_config = Some(config);
            it.workflow_run_timeout = seconds(24 * HOUR);
        });
    }

    /// What is due at this very moment happens.
    fn now_due(&mut self) {
        self.advance(Duration::ZERO);
    }

    fn transitions(&self, id: &str) -> Vec<(HistoryEvent, Transitioned)> {
        let transition = |event: HistoryEvent| match event.attributes.clone() {
            Some(Attributes::WorkflowExecutionTimeSkippingTransitionedEventAttributes(it)) => Some((event, it)),
            _ => None,
        };
        self.events(id).into_iter().filter_map(transition).collect()
    }

    fn clock(&mut self, id: &str) -> (Option<prost_types::Timestamp>, TimeSkippingConfig) {
        let info = self
            .describe(id)
            .workflow_extended_info
            .unwrap()
            .time_skipping_info
            .unwrap();
        (info.current_time, info.effective_config.unwrap_or_default())
    }

    fn status_of(&mut self, id: &str) -> Status {
        self.describe(id).workflow_execution_info.unwrap().status()
    }

    fn ask_fast_forward(&mut self, id: &str) -> u64 {
        let request = wire::PollWorkflowExecutionTimeSkippingRequest {
            namespace: "default".to_owned(),
            workflow_execution: execution("w"),
            fast_forward_id: id.to_owned(),
        };
        self.ask("PollWorkflowExecutionTimeSkipping", &request)
    }

    #[track_caller]
    fn fast_forward_answer(&mut self, ticket: u64) -> (PollResult, String, bool) {
        let answer = self.answer::<wire::PollWorkflowExecutionTimeSkippingResponse>(ticket);
        let answer = answer.expect("an answer").unwrap();
        let done = answer.fast_forward_info.as_ref().is_some_and(|info| info.has_completed);
        (answer.fast_forward_polling_result(), answer.failed_reason, done)
    }

    fn finish_activity(&mut self) {
        let task = self.poll_activity().expect("an activity task");
        let request = wire::RespondActivityTaskCompletedRequest {
            namespace: "default".to_owned(),
            task_token: task.task_token,
            ..Default::default()
        };
        self.call::<wire::RespondActivityTaskCompletedResponse>("RespondActivityTaskCompleted", &request)
            .unwrap();
    }

    fn set_time_skipping(&mut self, config: TimeSkippingConfig) {
        let options = WorkflowExecutionOptions {
            time_skipping_config: Some(config),
            ..Default::default()
        };
        self.update_options(options, &["time_skipping_config"]).unwrap();
    }
}

fn continue_as_new() -> Command {
    command(Do::ContinueAsNewWorkflowExecutionCommandAttributes(
        commands::ContinueAsNewWorkflowExecutionCommandAttributes {
            workflow_type: Some("raw".to_owned().into()),
            task_queue: Some(queue()),
            workflow_run_timeout: seconds(24 * HOUR),
            ..Default::default()
        },
    ))
}

fn child(id: &str) -> Command {
    command(Do::StartChildWorkflowExecutionCommandAttributes(
        commands::StartChildWorkflowExecutionCommandAttributes {
            workflow_id: id.to_owned(),
            workflow_type: Some("raw".to_owned().into()),
            task_queue: Some(queue()),
            workflow_run_timeout: seconds(2 * HOUR),
            ..Default::default()
        },
    ))
}

#[test]
fn an_idle_workflow_skips_to_its_timer() {
    let mut raw = Raw::new();
    raw.start_skipping(config());
    raw.work(vec![timer("far", 3 * HOUR), timer("near", HOUR)]);
    let transitions = raw.transitions("w");
    assert_eq!(transitions.len(), 1);
    let (event, transition) = &transitions[0];
    assert_eq!(transition.target_time, at(HOUR));
    assert!(!transition.disabled_after_fast_forward && event.worker_may_ignore);
    assert_eq!((event.event_time, transition.wall_clock_time), (at(0), at(0)));
    raw.now_due();
    let fired = raw
        .events("w")
        .into_iter()
        .find(|it| super::short(it.event_type()) == "TIMER_FIRED");
    assert_eq!(fired.unwrap().event_time, at(HOUR));
    raw.work(vec![complete_workflow()]);
    assert_eq!(raw.clock("w").0, at(HOUR));
    let info = raw.describe("w").workflow_execution_info.unwrap();
    assert_eq!((info.start_time, info.close_time), (at(0), at(HOUR)));
    assert_eq!(raw.now, Timestamp::EPOCH_OF_TESTS, "the world's clock stood still");
}

#[test]
fn without_a_configuration_nothing_is_skipped() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw.work(vec![timer("t", HOUR)]);
    raw.now_due();
    assert!(raw.transitions("w").is_empty());
    assert!(
        raw.describe("w")
            .workflow_extended_info
            .unwrap()
            .time_skipping_info
            .is_none()
    );
}

#[test]
fn an_activity_holds_up_the_skip() {
    let mut raw = Raw::new();
    raw.start_skipping(config());
    raw.work(vec![activity("a"), timer("t", HOUR)]);
    assert!(raw.transitions("w").is_empty());
    raw.finish_activity();
    assert!(raw.transitions("w").is_empty(), "its workflow task holds it up, too");
    raw.work(vec![]);
    assert_eq!(raw.transitions("w").len(), 1);
}

#[test]
fn the_wait_for_a_retry_is_skipped() {
    let mut raw = Raw::new();
    raw.start_skipping(config());
    let retried = |it: &mut commands::ScheduleActivityTaskCommandAttributes| {
        it.retry_policy = Some(RetryPolicy {
            initial_interval: seconds(HOUR),
            ..Default::default()
        });
    };
    raw.work(vec![activity_with("a", retried)]);
    let task = raw.poll_activity().unwrap();
    let failed = wire::RespondActivityTaskFailedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        ..Default::default()
    };
    raw.call::<wire::RespondActivityTaskFailedResponse>("RespondActivityTaskFailed", &failed)
        .unwrap();
    assert_eq!(raw.transitions("w")[0].1.target_time, at(HOUR));
    raw.now_due();
    let task = raw.poll_activity().expect("the second attempt, at once");
    assert_eq!((task.attempt, task.started_time), (2, at(HOUR)));
}

#[test]
fn a_start_delay_is_skipped() {
    let mut raw = Raw::new();
    raw.start("w", |it| {
        it.time_skipping_config = Some(config());
        it.workflow_start_delay = seconds(HOUR);
    });
    raw.now_due();
    let task = raw.poll().expect("the first task, at once");
    assert_eq!(task.scheduled_time, at(HOUR));
    assert_eq!(raw.types("w")[1], TRANSITIONED);
}

#[test]
fn an_idle_workflow_that_waits_for_nothing_skips_to_its_end() {
    let mut raw = Raw::new();
    raw.start_skipping(config());
    assert!(raw.transitions("w").is_empty(), "not before its first task");
    raw.work(vec![]);
    assert_eq!(raw.transitions("w")[0].1.target_time, at(24 * HOUR));
    raw.now_due();
    assert_eq!(raw.status_of("w"), Status::TimedOut);
}

#[test]
fn a_session_has_so_many_skips_and_an_update_begins_another() {
    let mut raw = Raw::new();
    raw.start_skipping(TimeSkippingConfig {
        max_session_skip_count: 1,
        ..config()
    });
    raw.work(vec![timer("1", HOUR)]);
    raw.now_due();
    assert!(!raw.clock("w").1.enabled);
    raw.work(vec![timer("2", HOUR)]);
    assert_eq!(raw.transitions("w").len(), 1);
    raw.set_time_skipping(config());
    assert_eq!(raw.transitions("w").len(), 2);
    let types = raw.types("w");
    let tail = &types[types.len() - 2..];
    assert_eq!(tail, ["WORKFLOW_EXECUTION_OPTIONS_UPDATED", TRANSITIONED]);
}

#[test]
fn a_fast_forward_skips_to_its_target_and_ends_time_skipping() {
    let mut raw = Raw::new();
    raw.start_skipping(fast_forward(HOUR));
    raw.work(vec![timer("later", 2 * HOUR)]);
    let transitions = raw.transitions("w");
    assert_eq!(transitions[0].1.target_time, at(HOUR));
    assert!(transitions[0].1.disabled_after_fast_forward);
    let (now, config) = raw.clock("w");
    assert_eq!((now, config.enabled), (at(HOUR), false));
    raw.now_due();
    raw.advance(Duration::from_secs(3_599));
    assert!(!raw.types("w").contains(&"TIMER_FIRED"), "the rest takes its time");
    raw.advance(Duration::from_secs(1));
    assert!(raw.types("w").contains(&"TIMER_FIRED"));
    assert_eq!(raw.transitions("w").len(), 1);
}

#[test]
fn a_fast_forward_ends_in_its_time_whatever_the_workflow_does() {
    let mut raw = Raw::new();
    raw.start("w", |it| {
        it.time_skipping_config = Some(fast_forward(60));
        it.workflow_task_timeout = seconds(90);
    });
    raw.work(vec![timer("t", 45)]);
    raw.now_due();
    let task = raw.poll().expect("a task for the timer");
    raw.advance(Duration::from_secs(8));
    assert!(raw.clock("w").1.enabled);
    assert_eq!(raw.clock("w").0, at(53));
    raw.advance(Duration::from_secs(7));
    assert!(!raw.clock("w").1.enabled, "it shows at once, though its event waits");
    assert_eq!(raw.transitions("w").len(), 1);
    let refused = raw.complete(&task, vec![complete_workflow()]).unwrap_err();
    assert_eq!(refused.message(), "UnhandledCommand");
    let types = raw.types("w");
    let after = &types[types.len() - 3..];
    assert_eq!(
        after,
        ["WORKFLOW_TASK_FAILED", TRANSITIONED, "WORKFLOW_TASK_SCHEDULED"],
        "the workflow can't end over an event that it hasn't seen"
    );
    let last = raw.transitions("w").pop().unwrap().1;
    assert_eq!((last.target_time, last.disabled_after_fast_forward), (None, true));
}

#[test]
fn a_paused_workflow_skips_nothing_but_its_fast_forward_ends() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw.work(vec![timer("t", 300)]);
    let pause = wire::PauseWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        ..Default::default()
    };
    raw.call::<wire::PauseWorkflowExecutionResponse>("PauseWorkflowExecution", &pause)
        .unwrap();
    raw.set_time_skipping(fast_forward(2));
    assert!(raw.transitions("w").is_empty());
    raw.advance(Duration::from_secs(2));
    let transitions = raw.transitions("w");
    assert_eq!((transitions.len(), transitions[0].1.target_time), (1, None));
    assert_eq!(raw.clock("w").0, at(2), "nothing was skipped");
    raw.set_time_skipping(config());
    raw.advance(Duration::from_secs(2));
    assert_eq!(raw.transitions("w").len(), 1);
    let unpause = wire::UnpauseWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        ..Default::default()
    };
    raw.call::<wire::UnpauseWorkflowExecutionResponse>("UnpauseWorkflowExecution", &unpause)
        .unwrap();
    raw.work(vec![]);
    let last = raw.transitions("w").pop().unwrap().1;
    assert_eq!((last.target_time, last.disabled_after_fast_forward), (at(300), false));
    assert!(raw.clock("w").1.enabled);
    raw.now_due();
    assert!(raw.types("w").contains(&"TIMER_FIRED"));
}

#[test]
fn a_child_goes_on_with_its_parents_clock() {
    let mut raw = Raw::new();
    raw.start_skipping(TimeSkippingConfig {
        max_session_skip_count: 5,
        ..fast_forward(10 * HOUR)
    });
    raw.work(vec![timer("t", HOUR)]);
    raw.now_due();
    raw.work(vec![child("child"), timer("t2", HOUR)]);
    assert_eq!(raw.transitions("w").len(), 1, "its child holds the parent up");
    let events = raw.events("w");
    let initiated = events.iter().find_map(|event| match &event.attributes {
        Some(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(it)) => Some(it.clone()),
        _ => None,
    });
    let initiated = initiated.unwrap();
    let handed_on = TimeSkippingConfig {
        enabled: true,
        max_session_skip_count: 5,
        ..Default::default()
    };
    assert_eq!(initiated.time_skipping_config, Some(handed_on.clone()));
    let state = initiated.time_skipping_state_propagation.unwrap();
    assert_eq!(state.initial_skipped_duration, seconds(HOUR));
    assert_eq!((state.initial_skip_count, state.fast_forward_target_time), (0, None));
    let first = &raw.events("child")[0];
    assert_eq!(first.event_time, at(0), "written before the child has its clock");
    let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) = &first.attributes else {
        panic!("{first:?}");
    };
    assert_eq!(started.time_skipping_config, Some(handed_on));
    assert_eq!(
        started
            .time_skipping_state_propagation
            .unwrap()
            .initial_skipped_duration,
        seconds(HOUR)
    );
    let described = raw.describe("child");
    assert_eq!(described.workflow_execution_info.unwrap().start_time, at(HOUR));
    assert_eq!(
        described.workflow_extended_info.unwrap().run_expiration_time,
        at(3 * HOUR)
    );
    assert_eq!(raw.clock("child").0, at(HOUR));
}

#[test]
fn propagation_may_be_switched_off_but_the_time_is_handed_on() {
    let mut raw = Raw::new();
    raw.start_skipping(TimeSkippingConfig {
        disable_propagation: true,
        ..config()
    });
    raw.work(vec![timer("t", HOUR)]);
    raw.now_due();
    raw.work(vec![child("child")]);
    let (now, config) = raw.clock("child");
    assert_eq!((now, config.enabled), (at(HOUR), false));
}

#[test]
fn the_next_run_goes_on_with_clock_session_and_fast_forward() {
    let mut raw = Raw::new();
    raw.start_skipping(fast_forward(10 * HOUR));
    raw.work(vec![timer("t", HOUR)]);
    raw.now_due();
    raw.work(vec![continue_as_new()]);
    let first = &raw.events("w")[0];
    let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) = &first.attributes else {
        panic!("{first:?}");
    };
    let state = started.time_skipping_state_propagation.unwrap();
    assert_eq!(state.initial_skipped_duration, seconds(HOUR));
    assert_eq!(state.initial_skip_count, 1);
    assert_eq!(state.fast_forward_target_time, at(10 * HOUR));
    assert_eq!(
        started.time_skipping_config.as_ref().unwrap().fast_forward_config,
        fast_forward(10 * HOUR).fast_forward_config
    );
    // The hour counts twice for its start and its end, a peculiarity of Temporal 1.32.
    let described = raw.describe("w");
    let start = described.workflow_execution_info.unwrap().start_time;
    let end = described.workflow_extended_info.unwrap().run_expiration_time;
    assert_eq!((first.event_time, start, end), (at(HOUR), at(2 * HOUR), at(26 * HOUR)));
    assert_eq!(raw.clock("w").0, at(HOUR));
    raw.work(vec![]);
    assert_eq!(raw.transitions("w")[0].1.target_time, at(10 * HOUR));
}

#[test]
fn the_delay_of_the_next_run_lies_behind_its_late_start() {
    let mut raw = Raw::new();
    raw.start_skipping(config());
    raw.work(vec![timer("t", HOUR)]);
    raw.now_due();
    let mut delayed = continue_as_new();
    if let Some(Do::ContinueAsNewWorkflowExecutionCommandAttributes(attributes)) = &mut delayed.attributes {
        attributes.backoff_start_interval = seconds(600);
    }
    raw.work(vec![delayed]);
    assert_eq!(raw.transitions("w")[0].1.target_time, at(2 * HOUR + 600));
    raw.now_due();
    let task = raw.poll().expect("its first task, at once");
    assert_eq!(task.scheduled_time, at(2 * HOUR + 600));
}

#[test]
fn who_polls_hears_when_the_fast_forward_is_done_even_in_the_next_run() {
    let mut raw = Raw::new();
    raw.start_skipping(fast_forward(10 * HOUR));
    raw.work(vec![activity("a")]);
    let waiting = raw.ask_fast_forward("ff");
    assert!(
        raw.answer::<wire::PollWorkflowExecutionTimeSkippingResponse>(waiting)
            .is_none()
    );
    raw.finish_activity();
    let task = raw.poll().unwrap();
    raw.complete(&task, vec![continue_as_new()]).unwrap();
    raw.now_due();
    let task = raw.poll().expect("the next run's first task");
    drop(raw.engine.take_notes());
    let request = wire::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        ..Default::default()
    };
    raw.ask("RespondWorkflowTaskCompleted", &request);
    assert_eq!(
        raw.fast_forward_answer(waiting),
        (PollResult::FastForwardCompleted, String::new(), true)
    );
    let again = raw.ask_fast_forward("ff");
    assert_eq!(raw.fast_forward_answer(again).0, PollResult::FastForwardCompleted);
}

#[test]
fn who_polls_too_long_is_told_to_poll_again() {
    let mut raw = Raw::new();
    raw.start_skipping(fast_forward(10 * HOUR));
    let waiting = raw.ask_fast_forward("ff");
    assert_eq!(
        raw.engine.patience(waiting).map(|it| it.wait(None, 0)),
        Some(Duration::from_secs(20))
    );
    raw.engine.handle_expired(raw.now, waiting);
    assert_eq!(
        raw.fast_forward_answer(waiting),
        (PollResult::PollTimeout, String::new(), false)
    );
}

#[test]
fn who_polls_hears_why_the_fast_forward_can_not_be() {
    let mut raw = Raw::new();
    raw.start_skipping(fast_forward(10 * HOUR));
    raw.work(vec![activity("a")]);
    let other = raw.ask_fast_forward("other");
    assert_eq!(
        raw.fast_forward_answer(other),
        (
            PollResult::FastForwardFailed,
            "the requested fast_forward_id does not match the execution's current fast-forward".to_owned(),
            false
        )
    );
    let unnamed = raw.ask_fast_forward(" ");
    let reject = raw
        .answer::<wire::PollWorkflowExecutionTimeSkippingResponse>(unnamed)
        .unwrap()
        .unwrap_err();
    assert_eq!(
        (reject.code(), reject.message().as_str()),
        (
            Code::InvalidArgument,
            "Time skipping config invalid: fast_forward_id must be set"
        )
    );
    let waiting = raw.ask_fast_forward("ff");
    let terminate = wire::TerminateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("w"),
        ..Default::default()
    };
    raw.ask("TerminateWorkflowExecution", &terminate);
    let ended = "the execution ended before the fast-forward completed".to_owned();
    assert_eq!(
        raw.fast_forward_answer(waiting),
        (PollResult::FastForwardFailed, ended.clone(), false)
    );
    let afterwards = raw.ask_fast_forward("ff");
    assert_eq!(
        raw.fast_forward_answer(afterwards),
        (PollResult::FastForwardFailed, ended, false)
    );
}

#[test]
fn bad_configurations_are_refused_at_the_start() {
    let mut raw = Raw::new();
    let mut refused = |config: TimeSkippingConfig| {
        let request = wire::StartWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_id: "w".to_owned(),
            workflow_type: Some("raw".to_owned().into()),
            task_queue: Some(queue()),
            time_skipping_config: Some(config),
            ..Default::default()
        };
        let answer = raw.call::<wire::StartWorkflowExecutionResponse>("StartWorkflowExecution", &request);
        let reject = answer.unwrap_err();
        assert_eq!(reject.code(), Code::InvalidArgument);
        reject.message()
    };
    assert_eq!(
        refused(fast_forward(0)),
        "Time skipping config invalid: fast_forward duration must be positive"
    );
    let mut unnamed = fast_forward(1);
    unnamed.fast_forward_config.as_mut().unwrap().id.clear();
    assert_eq!(
        refused(unnamed),
        "Time skipping config invalid: fast_forward_id must be set"
    );
    let disabled = TimeSkippingConfig {
        enabled: false,
        ..fast_forward(1)
    };
    assert_eq!(
        refused(disabled),
        "time_skipping_config: cannot set fast_forward when enabled is false"
    );
}

#[tokio::test]
async fn a_real_worker_sleeps_for_days_while_the_world_stands_still() {
    let (kit, _worker) = kit().await;
    let before = kit.now();
    let handle = start(&kit, "w", vec![Step::Notes(1), Step::Sleep(7 * 86_400)]).await;
    kit.settle().await;
    let request = wire::UpdateWorkflowExecutionOptionsRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("w"),
        workflow_execution_options: Some(WorkflowExecutionOptions {
            time_skipping_config: Some(config()),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["time_skipping_config".to_owned()],
        }),
        ..Default::default()
    };
    let mut client = kit.client().clone();
    client
        .update_workflow_execution_options(request.into_request())
        .await
        .unwrap();
    note(&handle, "go").await;
    assert_eq!(result(&handle).await.unwrap(), ["go"]);
    assert_eq!(kit.now(), before);
    assert_eq!(
        types(&kit, "w")[3..],
        [
            "TIMER_STARTED",
            TRANSITIONED,
            "TIMER_FIRED",
            "WORKFLOW_EXECUTION_COMPLETED"
        ]
    );
}
