//! Pausing workflows. The histories are those of Temporal's own `tests/pause_workflow_execution_test.go`.

use std::time::Duration;

use awaithumans_testkit::Reject;
use temporalio_client::grpc::WorkflowService;
use temporalio_common::protos::temporal::api::common::v1::RetryPolicy;
use temporalio_common::protos::temporal::api::enums::v1::{
    TimeoutType, WorkflowExecutionStatus as Status, WorkflowTaskFailedCause as Cause,
};
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::workflowservice::v1 as wire;
use tonic::{Code, IntoRequest};

use super::raw::{Raw, activity, activity_with, complete_workflow, execution, seconds, timer};
use super::script::{Step, Task, Work};
use super::{kit, note, result, start, types};

fn request(id: &str) -> wire::PauseWorkflowExecutionRequest {
    wire::PauseWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: id.to_owned(),
        identity: "operator".to_owned(),
        reason: "to look at it".to_owned(),
        request_id: "pause 1".to_owned(),
        ..Default::default()
    }
}

impl Raw {
    fn pause(&mut self, id: &str) -> Result<wire::PauseWorkflowExecutionResponse, Reject> {
        self.call("PauseWorkflowExecution", &request(id))
    }

    fn unpause(&mut self, id: &str) -> Result<wire::UnpauseWorkflowExecutionResponse, Reject> {
        let request = wire::UnpauseWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_id: id.to_owned(),
            identity: "operator".to_owned(),
            reason: "it is fine".to_owned(),
            request_id: "unpause 1".to_owned(),
            ..Default::default()
        };
        self.call("UnpauseWorkflowExecution", &request)
    }

    fn status(&mut self, id: &str) -> Status {
        self.describe(id).workflow_execution_info.unwrap().status()
    }
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, Reject>) -> (Code, String) {
    let reject = answer.unwrap_err();
    (reject.code(), reject.message())
}

#[test]
fn a_workflow_task_that_no_worker_has_fails_and_another_comes_with_the_unpause() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw.pause("w").unwrap();
    assert_eq!(raw.status("w"), Status::Paused);
    assert!(raw.poll().is_none(), "nothing is handed out");
    raw.unpause("w").unwrap();
    assert_eq!(
        raw.types("w"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "WORKFLOW_TASK_SCHEDULED",
            "WORKFLOW_TASK_FAILED",
            "WORKFLOW_EXECUTION_PAUSED",
            "WORKFLOW_EXECUTION_UNPAUSED",
            "WORKFLOW_TASK_SCHEDULED"
        ]
    );
    let events = raw.events("w");
    let Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) = &events[2].attributes else {
        panic!("{:?}", events[2]);
    };
    assert_eq!(failed.cause(), Cause::WorkflowPauseRequestedBeforeTaskStarted);
    assert_eq!((failed.scheduled_event_id, failed.started_event_id), (2, 0));
    assert_eq!(failed.identity, "history-service");
    let Some(Attributes::WorkflowExecutionPausedEventAttributes(paused)) = &events[3].attributes else {
        panic!("{:?}", events[3]);
    };
    assert_eq!(
        (
            paused.identity.as_str(),
            paused.reason.as_str(),
            paused.request_id.as_str()
        ),
        ("operator", "to look at it", "pause 1")
    );
    assert!(events[3].worker_may_ignore && events[4].worker_may_ignore);
    let Some(Attributes::WorkflowExecutionUnpausedEventAttributes(unpaused)) = &events[4].attributes else {
        panic!("{:?}", events[4]);
    };
    assert_eq!(
        (unpaused.reason.as_str(), unpaused.request_id.as_str()),
        ("it is fine", "unpause 1")
    );
    let task = raw.work(vec![complete_workflow()]);
    assert_eq!(task.attempt, 1);
    assert_eq!(raw.status("w"), Status::Completed);
}

#[test]
fn a_workflow_task_in_a_workers_hands_may_be_answered() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let task = raw.poll().unwrap();
    raw.pause("w").unwrap();
    assert_eq!(raw.status("w"), Status::Paused);
    raw.complete(&task, vec![]).unwrap();
    assert_eq!(
        raw.types("w"),
        [
            "WORKFLOW_EXECUTION_STARTED",
            "WORKFLOW_TASK_SCHEDULED",
            "WORKFLOW_TASK_STARTED",
            "WORKFLOW_TASK_COMPLETED",
            "WORKFLOW_EXECUTION_PAUSED"
        ]
    );
    assert_eq!(raw.status("w"), Status::Paused);
    assert!(raw.describe("w").pending_workflow_task.is_none());
}

#[test]
fn a_workflow_task_that_runs_out_of_time_while_paused_is_not_tried_again_before_the_unpause() {
    let mut raw = Raw::new();
    raw.start("w", |it| it.workflow_task_timeout = seconds(1));
    raw.poll().unwrap();
    raw.pause("w").unwrap();
    raw.advance(Duration::from_secs(2));
    assert_eq!(
        raw.types("w")[3..],
        ["WORKFLOW_TASK_TIMED_OUT", "WORKFLOW_EXECUTION_PAUSED"]
    );
    assert!(raw.describe("w").pending_workflow_task.is_none());
    raw.unpause("w").unwrap();
    assert_eq!(raw.poll().expect("a fresh task").attempt, 1);
}

#[test]
fn a_workflow_task_that_its_worker_fails_while_paused_is_not_tried_again_before_the_unpause() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let task = raw.poll().unwrap();
    raw.pause("w").unwrap();
    let failed = wire::RespondWorkflowTaskFailedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        cause: Cause::WorkflowWorkerUnhandledFailure as i32,
        ..Default::default()
    };
    raw.call::<wire::RespondWorkflowTaskFailedResponse>("RespondWorkflowTaskFailed", &failed)
        .unwrap();
    assert_eq!(
        raw.types("w")[3..],
        ["WORKFLOW_TASK_FAILED", "WORKFLOW_EXECUTION_PAUSED"]
    );
    assert!(raw.describe("w").pending_workflow_task.is_none());
    raw.unpause("w").unwrap();
    raw.work(vec![complete_workflow()]);
}

#[test]
fn a_worker_may_not_force_another_task_while_paused() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let task = raw.poll().unwrap();
    raw.pause("w").unwrap();
    let forced = wire::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        force_create_new_workflow_task: true,
        ..Default::default()
    };
    let answer = raw.call::<wire::RespondWorkflowTaskCompletedResponse>("RespondWorkflowTaskCompleted", &forced);
    assert_eq!(
        refusal(answer),
        (
            Code::FailedPrecondition,
            "Workflow is paused and force create new workflow task is not allowed.".to_owned()
        )
    );
}

#[test]
fn signals_and_timers_gather_while_paused_and_one_task_brings_them_all() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw.work(vec![timer("t", 10)]);
    raw.pause("w").unwrap();
    raw.signal("w");
    raw.advance(Duration::from_secs(60));
    raw.signal("w");
    assert!(raw.poll().is_none());
    raw.unpause("w").unwrap();
    assert_eq!(
        raw.types("w")[5..],
        [
            "WORKFLOW_EXECUTION_PAUSED",
            "WORKFLOW_EXECUTION_SIGNALED",
            "TIMER_FIRED",
            "WORKFLOW_EXECUTION_SIGNALED",
            "WORKFLOW_EXECUTION_UNPAUSED",
            "WORKFLOW_TASK_SCHEDULED"
        ]
    );
}

#[test]
fn activities_wait_for_the_unpause() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw.work(vec![activity("before")]);
    raw.signal("w");
    let task = raw.poll().unwrap();
    raw.pause("w").unwrap();
    raw.complete(&task, vec![activity("during")]).unwrap();
    assert!(raw.poll_activity().is_none(), "neither goes out");
    raw.unpause("w").unwrap();
    let mut ids = [(); 2].map(|()| raw.poll_activity().expect("both go out").activity_id);
    ids.sort();
    assert_eq!(ids, ["before", "during"]);
    assert!(raw.poll_activity().is_none(), "each once");
}

#[test]
fn a_retry_waits_for_the_unpause_but_not_longer() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    let retried =
        |it: &mut temporalio_common::protos::temporal::api::command::v1::ScheduleActivityTaskCommandAttributes| {
            it.retry_policy = Some(RetryPolicy {
                initial_interval: seconds(10),
                backoff_coefficient: 1.0,
                ..Default::default()
            });
        };
    raw.work(vec![activity_with("a", retried)]);
    let fail = |raw: &mut Raw| {
        let task = raw.poll_activity().expect("an attempt");
        let request = wire::RespondActivityTaskFailedRequest {
            namespace: "default".to_owned(),
            task_token: task.task_token,
            ..Default::default()
        };
        raw.call::<wire::RespondActivityTaskFailedResponse>("RespondActivityTaskFailed", &request)
            .unwrap();
        task.attempt
    };
    assert_eq!(fail(&mut raw), 1);
    raw.pause("w").unwrap();
    raw.advance(Duration::from_secs(60));
    assert!(raw.poll_activity().is_none());
    raw.unpause("w").unwrap();
    assert_eq!(fail(&mut raw), 2, "its time has come long ago");
    raw.pause("w").unwrap();
    raw.advance(Duration::from_secs(4));
    raw.unpause("w").unwrap();
    assert!(raw.poll_activity().is_none(), "its time hasn't come");
    raw.advance(Duration::from_secs(6));
    assert_eq!(fail(&mut raw), 3);
}

#[test]
fn activities_run_out_of_time_while_paused() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw.work(vec![activity_with("a", |it| {
        it.schedule_to_start_timeout = seconds(30)
    })]);
    raw.pause("w").unwrap();
    raw.advance(Duration::from_secs(30));
    let events = raw.events("w");
    let Some(Attributes::ActivityTaskTimedOutEventAttributes(timed_out)) = &events.last().unwrap().attributes else {
        panic!("{:?}", raw.types("w"));
    };
    let failure = timed_out.failure.clone().unwrap();
    let Some(FailureInfo::TimeoutFailureInfo(info)) = failure.failure_info else {
        panic!("{failure:?}");
    };
    assert_eq!(info.timeout_type(), TimeoutType::ScheduleToStart);
}

#[test]
fn a_run_that_waits_for_its_start_can_not_be_paused() {
    let mut raw = Raw::new();
    raw.start("w", |it| it.workflow_start_delay = seconds(3_600));
    assert_eq!(
        refusal(raw.pause("w")),
        (
            Code::Internal,
            "something went wrong, please retry (c27988bd)".to_owned()
        )
    );
    assert_eq!(refusal(raw.unpause("w")).1, "workflow is not paused.");
    assert_eq!(raw.types("w"), ["WORKFLOW_EXECUTION_STARTED"]);
}

#[test]
fn a_pause_writes_the_speculative_task_that_it_takes_away() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw.work(vec![]);
    let update = wire::UpdateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("w"),
        request: Some(temporalio_common::protos::temporal::api::update::v1::Request {
            meta: Some(temporalio_common::protos::temporal::api::update::v1::Meta::default()),
            input: Some(temporalio_common::protos::temporal::api::update::v1::Input {
                name: "update".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let waiting = raw.ask("UpdateWorkflowExecution", &update);
    raw.pause("w").unwrap();
    assert_eq!(
        raw.types("w")[4..],
        [
            "WORKFLOW_TASK_SCHEDULED",
            "WORKFLOW_TASK_STARTED",
            "WORKFLOW_TASK_FAILED",
            "WORKFLOW_EXECUTION_PAUSED"
        ]
    );
    let events = raw.events("w");
    assert_eq!(events[5].event_time.unwrap().seconds, 0, "nobody ever started it");
    let Some(Attributes::WorkflowTaskStartedEventAttributes(started)) = &events[5].attributes else {
        panic!("{:?}", raw.types("w"));
    };
    assert_eq!(
        (started.identity.as_str(), started.request_id.as_str()),
        ("history-service", "emptyUuid")
    );
    assert!(raw.engine.is_parked(waiting), "the update waits for the unpause");
    raw.unpause("w").unwrap();
    assert_eq!(raw.poll().unwrap().messages.len(), 1);
}

#[test]
fn a_paused_workflow_is_shown_as_such() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw.work(vec![timer("t", 1_000)]);
    raw.pause("w").unwrap();
    let described = raw.describe("w");
    let info = described.workflow_execution_info.unwrap();
    assert_eq!((info.status(), info.close_time), (Status::Paused, None));
    let attribute = &info.search_attributes.unwrap().indexed_fields["TemporalPauseInfo"];
    assert_eq!(
        String::from_utf8(attribute.data.clone()).unwrap(),
        r#"["Workflow:w","Reason:to look at it"]"#
    );
    assert_eq!(attribute.metadata["type"], b"KeywordList");
    let pause = described.workflow_extended_info.unwrap().pause_info.unwrap();
    assert_eq!(
        (pause.identity.as_str(), pause.reason.as_str()),
        ("operator", "to look at it")
    );
    assert_eq!(
        pause.paused_time.unwrap().seconds,
        i64::try_from(raw.now.as_seconds()).unwrap()
    );
    raw.unpause("w").unwrap();
    let described = raw.describe("w");
    let info = described.workflow_execution_info.unwrap();
    assert_eq!(info.status(), Status::Running);
    let attributes = info.search_attributes.unwrap().indexed_fields;
    assert!(!attributes.contains_key("TemporalPauseInfo"), "{attributes:?}");
    assert!(described.workflow_extended_info.unwrap().pause_info.is_none());
}

#[test]
fn updates_are_refused_and_queries_rejected_while_paused() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    raw.work(vec![timer("t", 1_000)]);
    raw.pause("w").unwrap();
    let update = wire::UpdateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("w"),
        request: Some(temporalio_common::protos::temporal::api::update::v1::Request {
            meta: Some(temporalio_common::protos::temporal::api::update::v1::Meta::default()),
            input: Some(temporalio_common::protos::temporal::api::update::v1::Input {
                name: "update".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = raw.call::<wire::UpdateWorkflowExecutionResponse>("UpdateWorkflowExecution", &update);
    assert_eq!(
        refusal(answer),
        (
            Code::FailedPrecondition,
            "Workflow is paused. Cannot update the workflow.".to_owned()
        )
    );
    let query = wire::QueryWorkflowRequest {
        namespace: "default".to_owned(),
        execution: execution("w"),
        query: Some(temporalio_common::protos::temporal::api::query::v1::WorkflowQuery {
            query_type: "query".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = raw
        .call::<wire::QueryWorkflowResponse>("QueryWorkflow", &query)
        .unwrap();
    assert_eq!(answer.query_rejected.unwrap().status(), Status::Paused);
}

#[test]
fn a_second_pause_is_refused_unless_it_is_the_same_request() {
    let mut raw = Raw::new();
    raw.start("w", |_| {});
    assert_eq!(
        refusal(raw.unpause("w")),
        (Code::FailedPrecondition, "workflow is not paused.".to_owned())
    );
    raw.pause("w").unwrap();
    raw.pause("w").unwrap();
    let mut other = request("w");
    "pause 2".clone_into(&mut other.request_id);
    let again = |raw: &mut Raw, request: &wire::PauseWorkflowExecutionRequest| {
        refusal(raw.call::<wire::PauseWorkflowExecutionResponse>("PauseWorkflowExecution", request))
    };
    let refused = (Code::FailedPrecondition, "workflow is already paused.".to_owned());
    assert_eq!(again(&mut raw, &other), refused);
    other.request_id.clear();
    assert_eq!(again(&mut raw, &other), refused);
    let paused = raw
        .types("w")
        .into_iter()
        .filter(|it| *it == "WORKFLOW_EXECUTION_PAUSED");
    assert_eq!(paused.count(), 1);
}

#[test]
fn requests_are_checked_before_the_workflow_is_looked_for() {
    let mut raw = Raw::new();
    let long = "x".repeat(1_001);
    let with = |change: &dyn Fn(&mut wire::PauseWorkflowExecutionRequest)| {
        let mut request = request("nobody");
        change(&mut request);
        request
    };
    for (text, request) in [
        ("reason is too long.", with(&|it| it.reason.clone_from(&long))),
        ("request id is too long.", with(&|it| it.request_id.clone_from(&long))),
        ("identity is too long.", with(&|it| it.identity.clone_from(&long))),
        ("RunId is not valid UUID.", with(&|it| "x".clone_into(&mut it.run_id))),
        (
            "Can't load workflow execution.  WorkflowId not set.",
            with(&|it| it.workflow_id.clear()),
        ),
    ] {
        let answer = raw.call::<wire::PauseWorkflowExecutionResponse>("PauseWorkflowExecution", &request);
        assert_eq!(refusal(answer), (Code::InvalidArgument, text.to_owned()));
    }
    assert_eq!(
        refusal(raw.pause("nobody")),
        (Code::NotFound, "workflow not found for ID: nobody".to_owned())
    );
}

#[test]
fn a_paused_workflow_can_be_ended_and_times_out() {
    let completed = (Code::NotFound, "workflow execution already completed".to_owned());
    let mut raw = Raw::new();
    raw.start("terminated", |_| {});
    raw.pause("terminated").unwrap();
    let terminate = wire::TerminateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution("terminated"),
        ..Default::default()
    };
    raw.call::<wire::TerminateWorkflowExecutionResponse>("TerminateWorkflowExecution", &terminate)
        .unwrap();
    assert_eq!(raw.status("terminated"), Status::Terminated);
    assert_eq!(refusal(raw.unpause("terminated")), completed);
    assert_eq!(refusal(raw.pause("terminated")), completed);
    raw.start("late", |it| it.workflow_run_timeout = seconds(60));
    raw.pause("late").unwrap();
    raw.advance(Duration::from_secs(60));
    assert_eq!(raw.status("late"), Status::TimedOut);
}

#[test]
fn a_signal_with_start_reaches_the_paused_run() {
    let mut raw = Raw::new();
    let run_id = raw.start("w", |_| {});
    raw.pause("w").unwrap();
    let request = wire::SignalWithStartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        workflow_type: Some("raw".to_owned().into()),
        task_queue: Some(super::raw::queue()),
        signal_name: "signal".to_owned(),
        ..Default::default()
    };
    let answer = raw
        .call::<wire::SignalWithStartWorkflowExecutionResponse>("SignalWithStartWorkflowExecution", &request)
        .unwrap();
    assert_eq!((answer.run_id, answer.started), (run_id, false));
    assert!(raw.poll().is_none());
    assert_eq!(raw.types("w").last(), Some(&"WORKFLOW_EXECUTION_SIGNALED"));
}

#[tokio::test]
async fn a_real_worker_goes_on_where_the_workflow_was_paused() {
    let (kit, _worker) = kit().await;
    let handle = start(
        &kit,
        "w",
        vec![Step::Notes(1), Step::Activity(Task::new(Work::Attempt))],
    )
    .await;
    kit.settle().await;
    let mut client = kit.client().clone();
    client
        .pause_workflow_execution(request("w").into_request())
        .await
        .unwrap();
    note(&handle, "hello").await;
    kit.settle().await;
    assert_eq!(
        types(&kit, "w")[1..],
        ["WORKFLOW_EXECUTION_PAUSED", "WORKFLOW_EXECUTION_SIGNALED"]
    );
    let unpause = wire::UnpauseWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "w".to_owned(),
        ..Default::default()
    };
    client.unpause_workflow_execution(unpause.into_request()).await.unwrap();
    assert_eq!(result(&handle).await.unwrap(), ["hello", "attempt 1"]);
}
