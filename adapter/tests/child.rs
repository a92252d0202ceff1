//! The child-workflow form, the messages of the inline form, and cancellation, each replayed from
//! a history written here in the shape that a Temporal server gives it.

// The macro's marker types have no Debug.
#![allow(missing_debug_implementations)]

#[path = "support/history.rs"]
mod support;

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use awaithumans_temporal::{
    AWAIT_HUMAN_WORKFLOW, AwaitHumanError, Handlers, Human, HumanContext, HumanQuery, HumanSignal, HumanTask,
    HumanUpdate, HumanWorkflow, await_human,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use temporalio_common::protos::temporal::api::{failure::v1::Failure, history::v1::History};
use temporalio_sdk::{
    WorkflowContext, WorkflowResult,
    workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions},
};
use temporalio_workflow::{WorkflowContextView, workflow, workflow_methods};

use support::{HistoryWriter, activity_failure, application_failure, cancelled_failure};

const ACTIVITY: &str = "awaithumans_create_task";

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Decision {
    approved: bool,
}

fn task() -> HumanTask<Decision> {
    HumanTask::new("Approve?", &Decision { approved: false })
        .timeout(Duration::from_secs(900))
        .server_url("http://server")
        .callback_url("http://app/cb")
}

/// What each workflow returned, by its id.
static RESULTS: Mutex<BTreeMap<String, Value>> = Mutex::new(BTreeMap::new());

fn record(workflow_id: &str, result: &Result<Decision, AwaitHumanError>) -> bool {
    let told = match result {
        Ok(decision) => json!(decision),
        Err(error) => json!([error.error_type(), error.to_string()]),
    };
    RESULTS
        .lock()
        .expect("not poisoned")
        .insert(workflow_id.to_owned(), told);
    result.is_ok()
}

/// An ordinary workflow of the SDK.
#[workflow]
#[derive(Debug, Default)]
pub struct Parent;

#[workflow_methods]
impl Parent {
    #[run]
    #[allow(missing_docs)]
    pub async fn run(ctx: &mut WorkflowContext<Self>, _input: Value) -> WorkflowResult<bool> {
        let result = await_human(ctx, task()).await;
        record(ctx.workflow_id(), &result);
        Ok(result?.approved)
    }
}

/// A workflow of the inline form that takes messages of its own, too.
#[derive(Default)]
struct Inline {
    notes: Vec<String>,
}

const NOTE: HumanSignal<Inline, String> = HumanSignal::new("note");
const NOTES: HumanQuery<Inline, (), Vec<String>> = HumanQuery::new("notes");
const ADD: HumanUpdate<Inline, String, usize> = HumanUpdate::new("add");

impl HumanWorkflow for Inline {
    type Input = Value;
    type Output = bool;
    const NAME: &'static str = "inline";

    fn init(&mut self, _ctx: &WorkflowContextView, input: &Value) {
        self.notes.push(input.to_string());
    }

    async fn run(ctx: HumanContext<Self>, input: Value) -> WorkflowResult<bool> {
        if input == json!("two notes first") {
            ctx.wait_condition(|inline| inline.notes.len() >= 3).await?;
        }
        let result = ctx.await_human(task()).await;
        record(ctx.workflow_id(), &result);
        Ok(result?.approved)
    }

    fn handlers(handlers: &mut Handlers<Self>) {
        handlers
            .signal(NOTE, |inline, _ctx, note| inline.notes.push(note))
            .query(NOTES, |inline, _ctx, ()| Ok(inline.notes.clone()))
            .validated_update(
                ADD,
                |_inline, _ctx, note| match note.as_str() {
                    "" => Err("an empty note".into()),
                    _ => Ok(()),
                },
                |inline, _ctx, note| {
                    inline.notes.push(note);
                    Ok(inline.notes.len())
                },
            );
    }
}

/// Replays, and gives what the workflow's `await_human` returned.
async fn replay(workflow_id: &str, history: History) -> Value {
    let options = WorkflowReplayerOptions::new()
        .register_workflow::<Parent>()
        .and_then(|options| options.register_workflow::<Human<Inline>>())
        .expect("two names")
        .build();
    WorkflowReplayer::new(options)
        .expect("valid options")
        .replay_workflow(history.into())
        .await
        .unwrap_or_else(|error| panic!("{workflow_id}: {error}"));
    let results = RESULTS.lock().expect("not poisoned");
    results.get(workflow_id).cloned().unwrap_or_default()
}

fn parent_with_child(workflow_id: &str, result: Result<&Value, Failure>) -> HistoryWriter {
    let mut history = HistoryWriter::start("Parent", workflow_id, &json!({}));
    let child_id = format!("{workflow_id}/awaithumans:temporal:{workflow_id}");
    let mut child = history.child_initiated(AWAIT_HUMAN_WORKFLOW, &child_id);
    history.child_started(&mut child);
    history.task();
    history.child_ended(&child, result);
    history.task();
    history
}

#[tokio::test]
async fn a_childs_answer_is_the_parents() {
    let history = parent_with_child("answered", Ok(&json!({"approved": true})));
    assert_eq!(replay("answered", history.completed()).await, json!({"approved": true}));
    let history = parent_with_child("odd", Ok(&json!({"approved": "maybe"})));
    let result = replay("odd", history.failed()).await;
    assert_eq!(result[0], "SchemaValidationError");
}

#[tokio::test]
async fn a_childs_failure_is_the_same_typed_error_in_the_parent() {
    for (name, failure, error_type, text) in [
        (
            "timed-out",
            application_failure(
                "TaskTimeoutError",
                Some(&json!({"error": "task_timeout", "task": "Approve?", "timeout_seconds": 900})),
            ),
            "TaskTimeoutError",
            "Task \"Approve?\" timed out after 900 seconds.",
        ),
        (
            "exhausted",
            application_failure(
                "VerificationExhaustedError",
                Some(&json!({"error": "verification_exhausted", "task": "t", "attempts": 3})),
            ),
            "VerificationExhaustedError",
            "Task \"t\" failed verification 3 times.",
        ),
        (
            "not-created",
            activity_failure(application_failure("RuntimeError", None)),
            "TaskCreateError",
            "the task could not be created",
        ),
        (
            "foreign",
            application_failure("SomethingElse", None),
            "ChildWorkflowError",
            "the await_human child workflow failed",
        ),
    ] {
        let history = parent_with_child(name, Err(failure));
        let result = replay(name, history.failed()).await;
        assert_eq!(result[0], error_type, "{name}");
        let told = result[1].as_str().expect("a text");
        assert!(told.starts_with(text), "{name}: {told}");
    }
}

#[tokio::test]
async fn a_cancelled_child_cancels_the_parent() {
    let history = parent_with_child("cancelled-child", Err(cancelled_failure()));
    let result = replay("cancelled-child", history.cancelled()).await;
    assert_eq!(result[0], "CancelledError");
}

#[tokio::test]
async fn a_key_that_is_already_awaited_is_a_typed_error() {
    let mut history = HistoryWriter::start("Parent", "twice", &json!({}));
    let child = history.child_initiated(AWAIT_HUMAN_WORKFLOW, "twice/awaithumans:temporal:twice");
    history.child_refused(&child);
    history.task();
    let result = replay("twice", history.failed()).await;
    assert_eq!(result[0], "KeyInUseError");
    assert!(
        result[1].as_str().expect("a text").contains("\"temporal:twice\""),
        "{result}"
    );
}

fn created() -> Value {
    json!({"id": "1", "status": "created", "response": null})
}

#[tokio::test]
async fn a_signal_that_comes_while_the_task_is_created_counts() {
    let mut history = HistoryWriter::start("inline", "early", &json!({}));
    let activity = history.activity_scheduled("1", ACTIVITY);
    history.signal(
        "awaithumans:temporal:early",
        &json!({"status": "completed", "response": {"approved": true}}),
    );
    history.task();
    history.activity_ended(activity, Ok(&created()));
    history.task();
    // No timer: there is nothing left to wait for.
    assert_eq!(replay("early", history.completed()).await, json!({"approved": true}));
}

#[tokio::test]
async fn bad_signals_and_those_of_other_keys_do_not_wake() {
    let mut history = HistoryWriter::start("inline", "noise", &json!({}));
    let activity = history.activity_scheduled("1", ACTIVITY);
    history.activity_ended(activity, Ok(&created()));
    history.task();
    let timer = history.timer_started("1");
    for (name, argument) in [
        ("awaithumans:temporal:noise", json!(null)),
        ("awaithumans:temporal:noise", json!("completed")),
        ("awaithumans:temporal:noise", json!({"status": null})),
        ("awaithumans:temporal:other", json!({"status": "cancelled"})),
        ("note", json!("passes through")),
        ("unknown", json!({})),
    ] {
        history.signal(name, &argument);
        history.task();
    }
    history.signal("awaithumans:temporal:noise", &json!({"status": "cancelled"}));
    history.task();
    history.timer_cancelled("1", timer);
    let result = replay("noise", history.failed()).await;
    assert_eq!(result, json!(["TaskCancelledError", "Task 'Approve?' was cancelled."]));
}

#[tokio::test]
async fn signals_reach_the_workflows_own_handlers() {
    let mut history = HistoryWriter::start("inline", "notes", &json!("two notes first"));
    for note in ["one", "two"] {
        history.signal("note", &json!(note));
        history.task();
    }
    let activity = history.activity_scheduled("1", ACTIVITY);
    let ended = json!({"status": "completed", "response": {"approved": false}});
    history.activity_ended(activity, Ok(&ended));
    history.task();
    assert_eq!(replay("notes", history.completed()).await, json!({"approved": false}));
}

#[tokio::test]
async fn a_cancelled_workflow_stops_waiting() {
    let mut history = HistoryWriter::start("inline", "stopped", &json!({}));
    let activity = history.activity_scheduled("1", ACTIVITY);
    history.activity_ended(activity, Ok(&created()));
    history.task();
    let timer = history.timer_started("1");
    history.cancel_requested();
    history.task();
    history.timer_cancelled("1", timer);
    let result = replay("stopped", history.cancelled()).await;
    assert_eq!(result[0], "CancelledError");
}

#[tokio::test]
async fn an_activity_that_failed_for_good_is_told_with_its_cause() {
    let mut history = HistoryWriter::start("inline", "refused", &json!({}));
    let activity = history.activity_scheduled("1", ACTIVITY);
    history.activity_ended(activity, Err(application_failure("RuntimeError", None)));
    history.task();
    let result = replay("refused", history.failed()).await;
    assert_eq!(result[0], "TaskCreateError");
}
