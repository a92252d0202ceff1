//! The child-workflow form: for any workflow, by way of the adapter's own.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use temporalio_common::error::{
    ActivityExecutionError, ChildWorkflowExecutionError, ChildWorkflowStartError, IncomingError,
};
use temporalio_sdk::{
    WorkerOptions, WorkerOptionsBuilder, error::WorkflowRegistrationError, worker_options_builder,
    workflow_replayer::WorkflowReplayerOptions,
};
use temporalio_workflow::{
    ChildWorkflowOptions, ParentClosePolicy, StartChildWorkflowExecutionFailedCause, WorkflowContext, WorkflowResult,
};

use super::{
    error::{AwaitHumanError, Details},
    outcome::decode_response,
    task::{HumanTask, Question},
    workflow::{Human, HumanContext, HumanWorkflow, default_key},
};
use crate::{activity::CreateTask, dispatch::signal_name};

/// The type name of the adapter's own workflow.
pub const AWAIT_HUMAN_WORKFLOW: &str = "awaithumans_await_human";

/// Asks a person from any workflow, and waits for the answer.
///
/// It runs the adapter's own workflow [`AWAIT_HUMAN_WORKFLOW`] as a child, on the same task queue;
/// [`register`] puts it on the worker. The webhook's signal goes to the child, so the callback
/// URL's `wf` names that one: `{workflow id}/awaithumans:{idempotency key}`. The default key is
/// still the parent's, `temporal:{workflow id}`.
///
/// The child is cancelled with its parent and terminated when the parent closes. Two waits for one
/// key at a time in one workflow are refused with [`AwaitHumanError::KeyInUse`]; one after the
/// other, the second one gets the first one's end, as everywhere.
///
/// ```no_run
/// # use std::time::Duration;
/// # use awaithumans_temporal::{HumanTask, await_human};
/// # use temporalio_sdk::{WorkflowContext, WorkflowResult};
/// # #[derive(serde::Serialize, schemars::JsonSchema)] struct Refund { amount_usd: u32 }
/// # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Decision { approved: bool }
/// async fn approve<W>(ctx: &WorkflowContext<W>) -> WorkflowResult<bool> {
///     let task = HumanTask::<Decision>::new("Approve?", &Refund { amount_usd: 250 })
///         .timeout(Duration::from_secs(86_400))
///         .server_url("http://localhost:3001")
///         .callback_url("http://localhost:8080/awaithumans/callback");
///     Ok(await_human(ctx, task).await?.approved)
/// }
/// ```
///
/// # Errors
/// [`AwaitHumanError`]; `?` ends the workflow with a failure of the same type as in Python.
pub async fn await_human<W, R>(ctx: &WorkflowContext<W>, task: HumanTask<R>) -> Result<R, AwaitHumanError>
where
    R: DeserializeOwned + JsonSchema,
{
    let question = task.prepare(default_key(ctx.workflow_id()))?;
    let idempotency_key = question.create.request.idempotency_key.clone();
    let child_id = format!("{}/{}", ctx.workflow_id(), signal_name(&idempotency_key));
    let options = ChildWorkflowOptions::builder()
        .workflow_id(child_id.clone())
        .parent_close_policy(ParentClosePolicy::Terminate)
        .build();
    let child = ctx
        .start_child_workflow(Human::<AwaitHuman>::run, question.call_back(&child_id, true), options)
        .await
        .map_err(|error| start_error(error, idempotency_key))?;
    let response = child.result().await.map_err(execution_error)?;
    decode_response(response)
}

/// Puts on a worker what `await_human` needs: the activity `awaithumans_create_task` and the
/// workflow `awaithumans_await_human`.
///
/// # Errors
/// If either name is already taken by another workflow.
pub fn register(
    options: &mut WorkerOptions,
    activity: CreateTask,
) -> Result<&mut WorkerOptions, WorkflowRegistrationError> {
    options
        .register_activities(activity)
        .register_workflow::<Human<AwaitHuman>>()
}

/// Registers the workflow `awaithumans_await_human` with a replayer, so that its histories can be checked against a new
/// release of this crate.
///
/// # Errors
/// If the name is already taken by another workflow.
pub fn register_for_replay(
    options: &mut WorkflowReplayerOptions,
) -> Result<&mut WorkflowReplayerOptions, WorkflowRegistrationError> {
    options.register_workflow::<Human<AwaitHuman>>()
}

/// [`register`] for the builder of a worker's options, in the style of its own methods.
pub trait RegisterAwaitHuman: Sized {
    /// Registers the activity `awaithumans_create_task` and the workflow
    /// `awaithumans_await_human`.
    ///
    /// # Errors
    /// If the workflow's name is already taken.
    fn register_await_human(self, activity: CreateTask) -> Result<Self, WorkflowRegistrationError>;
}

impl<S: worker_options_builder::State> RegisterAwaitHuman for WorkerOptionsBuilder<S> {
    fn register_await_human(self, activity: CreateTask) -> Result<Self, WorkflowRegistrationError> {
        self.register_activities(activity)
            .register_workflow::<Human<AwaitHuman>>()
    }
}

/// The adapter's own workflow: asks one question and returns the answer's JSON.
#[derive(Debug, Default)]
pub(crate) struct AwaitHuman;

impl HumanWorkflow for AwaitHuman {
    type Input = Question;
    type Output = Value;
    const NAME: &'static str = AWAIT_HUMAN_WORKFLOW;

    async fn run(ctx: HumanContext<Self>, question: Question) -> WorkflowResult<Value> {
        Ok(ctx.ask(&question).await?)
    }
}

fn start_error(error: ChildWorkflowStartError, idempotency_key: String) -> AwaitHumanError {
    match error {
        ChildWorkflowStartError::Cancelled(_) => AwaitHumanError::WorkflowCancelled,
        ChildWorkflowStartError::StartFailed {
            cause: StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists,
            ..
        } => AwaitHumanError::KeyInUse { idempotency_key },
        other => AwaitHumanError::ChildStart(Box::new(other)),
    }
}

/// The child fails with what would have failed the parent; this reads it back.
fn execution_error(error: ChildWorkflowExecutionError) -> AwaitHumanError {
    match error.reason() {
        Some(IncomingError::Cancelled(_)) => return AwaitHumanError::WorkflowCancelled,
        Some(IncomingError::Application(failure)) => {
            if let Ok(Some(details)) = failure.details::<Details>() {
                return details.into();
            }
        }
        _ => {}
    }
    let ChildWorkflowExecutionError::Failed(failed) = error else {
        return AwaitHumanError::Child(Box::new(error));
    };
    if !matches!(failed.cause(), Some(IncomingError::Activity(_))) {
        return AwaitHumanError::Child(Box::new(ChildWorkflowExecutionError::Failed(failed)));
    }
    match failed.into_parts() {
        (_, Some(IncomingError::Activity(activity))) => {
            AwaitHumanError::CreateTask(Box::new(ActivityExecutionError::Failed(activity)))
        }
        _ => unreachable!("the cause was just looked at"),
    }
}
