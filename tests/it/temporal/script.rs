//! One workflow that does what it is told, so that a test is the list of its steps and what comes of them.

#![allow(
    clippy::ptr_arg,
    reason = "the SDK's macro wants a validator to take a reference to the argument's own type"
)]
#![allow(
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "the SDK's macros want public items, and make some"
)]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use temporalio_common::error::ApplicationFailure;
use temporalio_common::protos::temporal::api::enums::v1 as enums;
use temporalio_common::search_attributes::SearchAttributeKey;
use temporalio_common::{MemoValue, RetryPolicy};
use temporalio_sdk::activities::{ActivityContext, ActivityError, activities};
use temporalio_sdk::{
    ActivityCancellationType, ActivityCloseTimeouts, ActivityOptions, CancellableFuture, ChildWorkflowCancellationType,
    ChildWorkflowOptions, ContinueAsNewOptions, LocalActivityOptions, ParentClosePolicy, SyncWorkflowContext,
    WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination,
};
use temporalio_workflow::{workflow, workflow_methods};

/// What an activity does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Work {
    /// Gives its attempt's number.
    Attempt,
    /// Fails with this type until the attempt with this number.
    FailUntil(u32, String),
    /// Fails for good.
    NonRetryable,
    /// Fails once, and asks for the next attempt after so many seconds.
    FailOnceAskingFor(u64),
    /// Heartbeats its attempt's number once, then never answers, until the attempt with this number; that one gives
    /// what the last heartbeat said.
    BlockUntil(u32),
    /// Heartbeats until it is cancelled, and says so.
    UntilCancelled,
    /// Leaves its end to somebody else.
    Async,
}

/// An activity and its options, times in seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    pub work: Work,
    pub start_to_close: Option<u64>,
    pub schedule_to_close: Option<u64>,
    pub schedule_to_start: Option<u64>,
    pub heartbeat: Option<u64>,
    pub max_attempts: u32,
    pub non_retryable_types: Vec<String>,
    pub queue: Option<String>,
    /// Whether the worker may take it with the answer to the workflow task.
    pub eager: bool,
}

impl Task {
    pub fn new(work: Work) -> Self {
        Self {
            work,
            start_to_close: Some(60),
            schedule_to_close: None,
            schedule_to_start: None,
            heartbeat: None,
            max_attempts: 0,
            non_retryable_types: Vec::new(),
            queue: None,
            eager: false,
        }
    }

    fn options(&self, cancel: Cancel) -> ActivityOptions {
        let seconds = Duration::from_secs;
        let options = match (self.start_to_close, self.schedule_to_close) {
            (Some(start), Some(close)) => {
                ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::ScheduleAndStartToClose {
                    start_to_close: seconds(start),
                    schedule_to_close: seconds(close),
                })
            }
            (_, Some(close)) => ActivityOptions::with_schedule_to_close_timeout(seconds(close)),
            (start, None) => ActivityOptions::with_start_to_close_timeout(seconds(start.unwrap_or(60))),
        };
        options
            .activity_id("work".to_owned())
            .maybe_task_queue(self.queue.clone())
            .maybe_schedule_to_start_timeout(self.schedule_to_start.map(seconds))
            .maybe_heartbeat_timeout(self.heartbeat.map(seconds))
            .cancellation_type(match cancel {
                Cancel::Try => ActivityCancellationType::TryCancel,
                Cancel::Wait => ActivityCancellationType::WaitCancellationCompleted,
                Cancel::Abandon => ActivityCancellationType::Abandon,
            })
            .retry_policy(
                RetryPolicy::builder()
                    .maximum_attempts(self.max_attempts)
                    .non_retryable_error_types(self.non_retryable_types.clone())
                    .build(),
            )
            .do_not_eagerly_execute(!self.eager)
            .build()
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Cancel {
    Try,
    Wait,
    Abandon,
}

/// One thing that the workflow does. What comes of it is a line of its result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Step {
    /// Sleeps so many seconds.
    Sleep(u64),
    /// Starts timers of so many seconds at once; a line as each fires.
    Timers(Vec<u64>),
    /// Starts a timer, waits for a signal, cancels the timer.
    CancelTimer(u64),
    Activity(Task),
    /// Schedules it, waits for a signal, cancels it.
    CancelActivity(Task, Cancel),
    /// Schedules and cancels in one workflow task.
    CancelActivityAtOnce(Task),
    LocalActivity(Task),
    /// Starts a child and waits for its end.
    Child(ChildOf),
    /// Starts a child and goes on.
    StartChild(ChildOf),
    /// Starts a child, waits for a signal, cancels it, waits for its end.
    CancelChild(ChildOf),
    SignalExternal(String),
    CancelExternal(String),
    /// Waits for so many notes in all.
    Notes(usize),
    /// Waits for the request to cancel, then ends as cancelled.
    UntilCancelled,
    ContinueAsNew(Vec<Step>),
    Fail(String),
    /// Fails the workflow task on the first so many attempts of this process.
    FailTask(String, u32),
    Patch(String),
    SearchAttribute(String),
    Memo(String),
    /// The attempt of the run is a line; fails before the attempt of this number.
    FailRunUntil(u32),
    /// So many timers of one second, one after the other.
    Loop(u32),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChildOf {
    pub id: String,
    pub steps: Vec<Step>,
    /// 0 unspecified, 1 terminate, 2 abandon, 3 request cancel.
    pub on_close: i32,
    pub queue: Option<String>,
}

impl ChildOf {
    pub fn new(id: &str, steps: Vec<Step>) -> Self {
        Self {
            id: id.to_owned(),
            steps,
            on_close: 0,
            queue: None,
        }
    }

    fn options(&self) -> ChildWorkflowOptions {
        ChildWorkflowOptions::builder()
            .workflow_id(self.id.clone())
            .maybe_task_queue(self.queue.clone())
            .cancel_type(ChildWorkflowCancellationType::WaitCancellationCompleted)
            .parent_close_policy(match enums::ParentClosePolicy::try_from(self.on_close) {
                Ok(enums::ParentClosePolicy::Abandon) => ParentClosePolicy::Abandon,
                Ok(enums::ParentClosePolicy::RequestCancel) => ParentClosePolicy::RequestCancel,
                Ok(enums::ParentClosePolicy::Terminate) => ParentClosePolicy::Terminate,
                _ => ParentClosePolicy::Unspecified,
            })
            .build()
    }
}

pub struct Works;

#[activities]
impl Works {
    #[activity]
    pub async fn work(ctx: ActivityContext, work: Work) -> Result<String, ActivityError> {
        let attempt = ctx.info().attempt;
        let failure = |text: &str| ApplicationFailure::builder(text.to_owned());
        match work {
            Work::FailUntil(good, kind) if attempt < good => {
                Err(failure(&format!("attempt {attempt}")).type_name(kind).build().into())
            }
            Work::NonRetryable => Err(failure("for good").non_retryable(true).build().into()),
            Work::FailOnceAskingFor(seconds) if attempt == 1 => Err(failure("later")
                .next_retry_delay(Duration::from_secs(seconds))
                .build()
                .into()),
            Work::BlockUntil(good) if attempt < good => {
                ctx.record_heartbeat(attempt).await?;
                std::future::pending().await
            }
            Work::BlockUntil(_) => {
                let last: Option<u32> = ctx.heartbeat_details().deserialize()?;
                Ok(format!("attempt {attempt} after {last:?}"))
            }
            Work::UntilCancelled => {
                ctx.record_heartbeat("alive").await?;
                ctx.cancelled().await;
                Err(ActivityError::cancelled())
            }
            Work::Async => Err(ActivityError::WillCompleteAsync),
            _ => Ok(format!("attempt {attempt}")),
        }
    }
}

#[workflow]
#[derive(Debug, Default)]
pub struct Script {
    notes: Vec<String>,
    log: Vec<String>,
}

pub const KEYWORD: SearchAttributeKey<String> = SearchAttributeKey::keyword("CustomKeywordField");

#[workflow_methods]
impl Script {
    #[run(name = "script")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, steps: Vec<Step>) -> WorkflowResult<Vec<String>> {
        for step in steps {
            let line = Self::step(ctx, step).await?;
            if !line.is_empty() {
                ctx.state_mut(|script| script.log.push(line));
            }
        }
        Ok(ctx.state(|script| script.log.clone()))
    }

    #[signal(name = "note")]
    pub fn note(&mut self, _ctx: &mut SyncWorkflowContext<Self>, note: String) {
        self.notes.push(note);
    }

    #[query(name = "notes")]
    pub fn notes(&self, _ctx: &WorkflowContextView) -> Vec<String> {
        self.notes.clone()
    }

    #[query(name = "broken")]
    pub fn broken(&self, _ctx: &WorkflowContextView) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        Err("the handler is broken".into())
    }

    #[update_validator(add)]
    fn validate_add(
        &self,
        _ctx: &WorkflowContextView,
        note: &String,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        match note.as_str() {
            "bad" => Err("a bad note".into()),
            _ => Ok(()),
        }
    }

    #[update(name = "add")]
    pub fn add(&mut self, _ctx: &mut SyncWorkflowContext<Self>, note: String) -> usize {
        self.notes.push(note);
        self.notes.len()
    }

    #[update(name = "add_slowly")]
    pub async fn add_slowly(ctx: &mut WorkflowContext<Self>, note: String) -> usize {
        ctx.timer(Duration::from_secs(10)).await;
        ctx.state_mut(|script| {
            script.notes.push(note);
            script.notes.len()
        })
    }
}

/// The definition that the macro makes.
pub type Run = script::Run;

/// Failures of workflow tasks so far, by name: what a process that is being fixed would do.
static TASK_FAILURES: std::sync::Mutex<std::collections::BTreeMap<String, u32>> =
    std::sync::Mutex::new(std::collections::BTreeMap::new());

fn fails_again(name: &str, times: u32) -> bool {
    let mut failures = TASK_FAILURES.lock().expect("not poisoned");
    let count = failures.entry(name.to_owned()).or_default();
    *count += 1;
    *count <= times
}

fn told<T: std::fmt::Debug, E: std::fmt::Debug>(outcome: Result<T, E>) -> String {
    match outcome {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("error {error:?}"),
    }
}

impl Script {
    async fn step(ctx: &mut WorkflowContext<Self>, step: Step) -> Result<String, WorkflowTermination> {
        let line = match step {
            Step::Sleep(seconds) => {
                ctx.timer(Duration::from_secs(seconds)).await;
                String::new()
            }
            Step::Timers(all) => Self::timers(ctx, all).await,
            Step::CancelTimer(seconds) => {
                let timer = ctx.timer(Duration::from_secs(seconds));
                ctx.wait_condition(|script| !script.notes.is_empty()).await?;
                timer.cancel();
                format!("{:?}", timer.await)
            }
            Step::Activity(task) => {
                ctx.execute_activity(Works::work, task.work.clone(), task.options(Cancel::Try))
                    .await?
            }
            Step::CancelActivity(task, cancel) => {
                let activity = ctx.execute_activity(Works::work, task.work.clone(), task.options(cancel));
                ctx.wait_condition(|script| !script.notes.is_empty()).await?;
                activity.cancel();
                told(activity.await.map_err(|error| error.to_string()))
            }
            Step::CancelActivityAtOnce(task) => {
                let activity = ctx.execute_activity(Works::work, task.work.clone(), task.options(Cancel::Wait));
                ctx.timer(Duration::from_secs(1)).await;
                activity.cancel();
                told(activity.await.map_err(|error| error.to_string()))
            }
            Step::LocalActivity(task) => {
                let options = LocalActivityOptions::builder()
                    .start_to_close_timeout(Duration::from_secs(10))
                    .build();
                ctx.execute_local_activity(Works::work, task.work, options).await?
            }
            Step::Child(child) => {
                let options = child.options();
                match ctx.start_child_workflow(Script::run, child.steps, options).await {
                    Ok(started) => match started.result().await {
                        Ok(lines) => lines.join(","),
                        Err(error) => format!("child: {error}"),
                    },
                    Err(error) => format!("not started: {error}"),
                }
            }
            Step::StartChild(child) => {
                let options = child.options();
                match ctx.start_child_workflow(Script::run, child.steps, options).await {
                    Ok(_) => "started".to_owned(),
                    Err(error) => format!("not started: {error}"),
                }
            }
            Step::CancelChild(child) => {
                let options = child.options();
                match ctx.start_child_workflow(Script::run, child.steps, options).await {
                    Ok(started) => {
                        ctx.wait_condition(|script| !script.notes.is_empty()).await?;
                        started.cancel("enough".to_owned());
                        told(started.result().await.map_err(|error| error.to_string()))
                    }
                    Err(error) => format!("not started: {error}"),
                }
            }
            Step::SignalExternal(id) => {
                let handle = ctx.external_workflow(id, None);
                told(
                    handle
                        .signal(Script::note, "from outside".to_owned(), Default::default())
                        .await
                        .map_err(|error| error.to_string()),
                )
            }
            Step::CancelExternal(id) => {
                let handle = ctx.external_workflow(id, None);
                match handle.cancel(Some("because".to_owned())).await {
                    Ok(_) => "cancel requested".to_owned(),
                    Err(_) => "cancel not possible".to_owned(),
                }
            }
            Step::Notes(count) => {
                ctx.wait_condition(|script| script.notes.len() >= count).await?;
                ctx.state(|script| script.notes.join(","))
            }
            Step::UntilCancelled => {
                ctx.cancelled().await;
                return Err(WorkflowTermination::cancelled());
            }
            Step::ContinueAsNew(steps) => {
                ctx.continue_as_new(steps, ContinueAsNewOptions::default())?;
                String::new()
            }
            Step::Fail(text) => return Err(ApplicationFailure::non_retryable(text).into()),
            Step::FailTask(name, times) => {
                if fails_again(&name, times) {
                    ctx.force_task_fail("not ready yet");
                    std::future::pending::<()>().await;
                }
                "ready".to_owned()
            }
            Step::Patch(id) => format!("patched {}", ctx.patched(&id)),
            Step::SearchAttribute(value) => {
                ctx.upsert_search_attributes([KEYWORD.value_set(value)]);
                String::new()
            }
            Step::Memo(value) => {
                ctx.upsert_memo([("note", Some(MemoValue::new(value)))])
                    .map_err(|error| ApplicationFailure::new(error.to_string()))?;
                String::new()
            }
            Step::FailRunUntil(good) => {
                let attempt = ctx.info().attempt();
                if attempt < good {
                    return Err(ApplicationFailure::new(format!("run attempt {attempt}")).into());
                }
                format!("run attempt {attempt}")
            }
            Step::Loop(times) => {
                for _ in 0..times {
                    ctx.timer(Duration::from_secs(1)).await;
                }
                format!("{times} timers")
            }
        };
        Ok(line)
    }

    async fn timers(ctx: &WorkflowContext<Self>, all: Vec<u64>) -> String {
        let fired = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let timers = all.into_iter().enumerate().map(|(index, seconds)| {
            let fired = std::rc::Rc::clone(&fired);
            let timer = ctx.timer(Duration::from_secs(seconds));
            async move {
                timer.await;
                fired.borrow_mut().push(index.to_string());
            }
        });
        futures_util::future::join_all(timers).await;
        fired.take().join(",")
    }
}
