//! The stories: each plays on a testkit of its own and tells how the workflow ended.

#![allow(
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "shared by the example, the tests and the bench"
)]

use std::time::Duration;

use awaithumans_temporal::{Human, PayloadKey, RegisterAwaitHuman};
use awaithumans_testkit::human::{Matcher, Profile, Verdict};
use awaithumans_testkit::{Builder, Moment, Testkit, Worker};
use temporalio_client::{WorkflowGetResultOptions, WorkflowStartOptions};
use temporalio_protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_sdk::WorkerOptions;

use super::refund::{ClassicRefund, InlineRefund, Payments, Refund, TASK_QUEUE};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const WEEK_SECONDS: u64 = 7 * 24 * 60 * 60;

/// How a workflow ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this result.
    Completed(String),
    /// With a failure of this type and the first line of its message.
    Failed { error_type: String, message: String },
    /// In another way.
    Other(String),
}

/// A story: its number in the list, its title, the settings it needs, and the story itself.
pub struct Story {
    pub number: &'static str,
    pub title: &'static str,
    pub builder: fn() -> Builder,
    pub play: Play,
}

/// Plays on a testkit and tells how the workflow ended. A function pointer, so that the list below is a plain table.
pub type Play = for<'a> fn(&'a Testkit) -> std::pin::Pin<Box<dyn Future<Output = Ending> + 'a>>;

macro_rules! story {
    ($number:literal, $title:literal, $builder:expr, $play:path) => {
        Story {
            number: $number,
            title: $title,
            builder: $builder,
            play: |kit| Box::pin($play(kit)),
        }
    };
}

/// All stories, in the order in which they are told.
pub const STORIES: &[Story] = &[
    story!("1", "a person approves after two days", Testkit::builder, completed),
    story!("2", "nobody answers in time", Testkit::builder, timed_out),
    story!("3", "the task is cancelled", Testkit::builder, cancelled),
    story!(
        "4",
        "the verifier rejects every answer",
        Testkit::builder,
        verification_exhausted
    ),
    story!(
        "5a",
        "the worker dies while the workflow is parked",
        Testkit::builder,
        worker_dies_while_parked
    ),
    story!(
        "5b",
        "the worker dies before it reports the created task",
        Testkit::builder,
        worker_dies_before_report
    ),
    story!(
        "6",
        "the answer comes while no worker is there",
        Testkit::builder,
        answer_before_worker_is_back
    ),
    story!(
        "7",
        "a second workflow asks what has been answered",
        Testkit::builder,
        replay_of_a_terminal_task
    ),
    story!(
        "8a",
        "two questions under one key: the gotcha",
        Testkit::builder,
        two_questions_one_key
    ),
    story!(
        "8b",
        "two questions, each with a key of its own",
        Testkit::builder,
        two_questions_two_keys
    ),
    story!(
        "9a",
        "the receiver is down, awaithumans 0.1.0",
        profile_0_1_0,
        receiver_down_for_an_hour
    ),
    story!(
        "9b",
        "the receiver is down, awaithumans 0.1.12",
        Testkit::builder,
        receiver_down_for_an_hour
    ),
    story!(
        "10a",
        "the awaithumans server restarts, then the answer",
        Testkit::builder,
        server_restarts
    ),
    story!(
        "10b",
        "the awaithumans server restarts, then the timeout",
        Testkit::builder,
        server_restarts_timeout
    ),
    story!(
        "11",
        "server and receiver have different keys",
        Testkit::builder,
        keys_differ
    ),
    story!(
        "12",
        "the one-line form, in a classic workflow",
        Testkit::builder,
        classic_completed
    ),
];

fn profile_0_1_0() -> Builder {
    Testkit::builder().profile(Profile::V0_1_0)
}

pub async fn completed(kit: &Testkit) -> Ending {
    let _worker = spawn_worker(kit).await;
    approve_after(kit, 2 * DAY);
    run(kit, "refund-1", refund(kit)).await
}

pub async fn timed_out(kit: &Testkit) -> Ending {
    let _worker = spawn_worker(kit).await;
    kit.humans().on(Matcher::any()).never();
    run(kit, "refund-1", refund(kit)).await
}

pub async fn cancelled(kit: &Testkit) -> Ending {
    let _worker = spawn_worker(kit).await;
    kit.humans().on(Matcher::any()).after(HOUR).cancel();
    run(kit, "refund-1", refund(kit)).await
}

pub async fn verification_exhausted(kit: &Testkit) -> Ending {
    let _worker = spawn_worker(kit).await;
    kit.humans().verifier_says(Verdict::Reject("no receipt".to_owned()));
    kit.humans().on(Matcher::any()).after(HOUR).reject_until_exhausted();
    let refund = Refund {
        verified: true,
        ..refund(kit)
    };
    run(kit, "refund-1", refund).await
}

pub async fn worker_dies_while_parked(kit: &Testkit) -> Ending {
    let mut worker = spawn_worker(kit).await;
    approve_after(kit, 2 * DAY);
    start(kit, "refund-1", refund(kit)).await;
    worker.crash_at(kit, Moment::parked("refund-1")).await.unwrap();
    kit.advance(DAY).await.unwrap();
    worker.restart().await;
    result(kit, "refund-1").await
}

pub async fn worker_dies_before_report(kit: &Testkit) -> Ending {
    let mut worker = spawn_worker(kit).await;
    worker.crash_before("RespondActivityTaskCompleted");
    approve_after(kit, 2 * DAY);
    start(kit, "refund-1", refund(kit)).await;
    kit.run_until_moment(Moment::task_created()).await.unwrap();
    kit.settle().await;
    kit.advance(MINUTE).await.unwrap();
    worker.restart().await;
    result(kit, "refund-1").await
}

pub async fn answer_before_worker_is_back(kit: &Testkit) -> Ending {
    let mut worker = spawn_worker(kit).await;
    approve_after(kit, DAY);
    start(kit, "refund-1", refund(kit)).await;
    worker.crash_at(kit, Moment::parked("refund-1")).await.unwrap();
    kit.advance(3 * DAY).await.unwrap();
    worker.restart().await;
    result(kit, "refund-1").await
}

pub async fn replay_of_a_terminal_task(kit: &Testkit) -> Ending {
    let _worker = spawn_worker(kit).await;
    approve_after(kit, HOUR);
    let refund = Refund {
        idempotency_key: Some("refund:order-7".to_owned()),
        ..refund(kit)
    };
    run(kit, "refund-1", refund.clone()).await;
    kit.note("a second workflow asks under the same key");
    run(kit, "refund-2", refund).await
}

pub async fn two_questions_one_key(kit: &Testkit) -> Ending {
    let _worker = spawn_worker(kit).await;
    two_answers(kit);
    let refund = Refund {
        questions: 2,
        ..refund(kit)
    };
    run(kit, "refund-1", refund).await
}

pub async fn two_questions_two_keys(kit: &Testkit) -> Ending {
    let _worker = spawn_worker(kit).await;
    two_answers(kit);
    let refund = Refund {
        questions: 2,
        distinct_keys: true,
        ..refund(kit)
    };
    run(kit, "refund-1", refund).await
}

pub async fn receiver_down_for_an_hour(kit: &Testkit) -> Ending {
    let _worker = spawn_worker(kit).await;
    approve_after(kit, HOUR);
    start(kit, "refund-1", refund(kit)).await;
    kit.run_until_moment(Moment::parked("refund-1")).await.unwrap();
    kit.receiver().stop();
    kit.advance(2 * HOUR).await.unwrap();
    kit.receiver().start();
    result(kit, "refund-1").await
}

pub async fn server_restarts(kit: &Testkit) -> Ending {
    let _worker = spawn_worker(kit).await;
    approve_after(kit, 2 * DAY);
    start(kit, "refund-1", refund(kit)).await;
    kit.run_until_moment(Moment::parked("refund-1")).await.unwrap();
    kit.advance(DAY).await.unwrap();
    kit.humans().restart_server();
    result(kit, "refund-1").await
}

pub async fn server_restarts_timeout(kit: &Testkit) -> Ending {
    let mut worker = spawn_worker(kit).await;
    kit.humans().on(Matcher::any()).never();
    start(kit, "refund-1", refund(kit)).await;
    kit.run_until_moment(Moment::parked("refund-1")).await.unwrap();
    kit.humans().stop_server();
    // The server is down while the task's time runs out, and so is the worker with its own timer.
    worker.crash();
    kit.advance(8 * DAY).await.unwrap();
    kit.humans().start_server();
    kit.advance(MINUTE).await.unwrap();
    worker.restart().await;
    result(kit, "refund-1").await
}

pub async fn keys_differ(kit: &Testkit) -> Ending {
    let _worker = spawn_worker(kit).await;
    let other = PayloadKey::from_bytes([7; 32]);
    kit.receiver().use_key(other.webhook_key());
    approve_after(kit, HOUR);
    let refund = Refund {
        timeout_seconds: 2 * 24 * 60 * 60,
        ..refund(kit)
    };
    run(kit, "refund-1", refund).await
}

pub async fn classic_completed(kit: &Testkit) -> Ending {
    let _worker = spawn_worker(kit).await;
    approve_after(kit, 2 * DAY);
    let options = WorkflowStartOptions::new(TASK_QUEUE, "refund-1").build();
    let handle = kit
        .client()
        .start_workflow(ClassicRefund::run, refund(kit), options)
        .await
        .unwrap();
    let result = kit.run_until(handle.get_result(WorkflowGetResultOptions::default()));
    drop(result.await.unwrap());
    ending(kit, "refund-1")
}

/// A refund of $250, a week to decide.
pub fn refund(kit: &Testkit) -> Refund {
    Refund {
        customer: "cus_demo".to_owned(),
        amount_usd: 250,
        server_url: kit.server_url().to_owned(),
        callback_url: kit.callback_url(),
        timeout_seconds: WEEK_SECONDS,
        idempotency_key: None,
        verified: false,
        questions: 1,
        distinct_keys: false,
    }
}

pub async fn spawn_worker(kit: &Testkit) -> Worker {
    kit.spawn_worker(worker_options(kit)).await
}

pub fn worker_options(kit: &Testkit) -> WorkerOptions {
    kit.worker_options(TASK_QUEUE)
        .register_workflow::<Human<InlineRefund>>()
        .unwrap()
        .register_workflow::<ClassicRefund>()
        .unwrap()
        .register_activities(Payments)
        .register_await_human(kit.create_task_activity())
        .unwrap()
        .build()
}

pub fn approve_after(kit: &Testkit, after: Duration) {
    let answer = serde_json::json!({"approved": true, "note": "known customer"});
    kit.humans()
        .on(Matcher::any())
        .after(after)
        .by("dana@example.com")
        .complete(answer);
}

/// The person says something else to each question.
fn two_answers(kit: &Testkit) {
    for (part, note) in [("question 1", "first look"), ("question 2", "second look")] {
        let answer = serde_json::json!({"approved": true, "note": note});
        kit.humans()
            .on(Matcher::title_contains(part))
            .after(HOUR)
            .by("dana@example.com")
            .complete(answer);
    }
}

pub async fn start(kit: &Testkit, workflow_id: &str, refund: Refund) {
    let options = WorkflowStartOptions::new(TASK_QUEUE, workflow_id).build();
    let started = kit
        .client()
        .start_workflow(Human::<InlineRefund>::run, refund, options)
        .await;
    drop(started.unwrap());
}

pub async fn run(kit: &Testkit, workflow_id: &str, refund: Refund) -> Ending {
    start(kit, workflow_id, refund).await;
    result(kit, workflow_id).await
}

/// Lets time run until the workflow has ended.
pub async fn result(kit: &Testkit, workflow_id: &str) -> Ending {
    kit.run_until_moment(Moment::closed(workflow_id)).await.unwrap();
    ending(kit, workflow_id)
}

/// How a workflow ended, from the last event of its history.
pub fn ending(kit: &Testkit, workflow_id: &str) -> Ending {
    let history = kit.history(workflow_id);
    match history.events.last().and_then(|event| event.attributes.as_ref()) {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(completed)) => {
            let payload = completed.result.iter().flat_map(|result| &result.payloads).next();
            let result = payload.map(|payload| serde_json::from_slice(&payload.data).unwrap());
            Ending::Completed(result.unwrap_or_default())
        }
        Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) => {
            let failure = failed.failure.clone().unwrap_or_default();
            let error_type = match failure.failure_info {
                Some(FailureInfo::ApplicationFailureInfo(info)) => info.r#type,
                _ => String::new(),
            };
            Ending::Failed {
                error_type,
                message: failure.message.lines().next().unwrap_or_default().to_owned(),
            }
        }
        other => Ending::Other(format!("{other:?}")),
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Completed(result) => write!(f, "completed: {result}"),
            Self::Failed { error_type, message } => write!(f, "failed: {error_type}: {message}"),
            Self::Other(event) => write!(f, "ended with {event}"),
        }
    }
}
