//! The inline form: workflows whose `awaithumans:*` signals the adapter routes.

use std::{any::Any, cell::Cell, future::Future, marker::PhantomData, ops::Deref, pin::pin, time::Duration};

use futures_util::{
    FutureExt as _,
    future::{FusedFuture, LocalBoxFuture},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use temporalio_common::{
    HasWorkflowDefinition, WorkflowDefinition,
    data_converters::{PayloadConverter, TemporalDeserializable, TemporalSerializable},
    error::ActivityExecutionError,
    protos::temporal::api::common::v1::{Payload, Payloads},
};
use temporalio_workflow::{
    ActivityOptions, CancellableFuture as _, TimerOptions, TimerResult, WorkflowCancellationError,
    WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination, select,
    workflow_interceptors::WorkflowOutputValue,
    workflows::{WorkflowDefinitionDescriptor, WorkflowError, WorkflowImplementation},
};

use super::{
    error::AwaitHumanError,
    handlers::{Handlers, no_handler},
    outcome::{Inbox, Outcome, decode_response},
    task::{HumanTask, Question},
};
use crate::{activity::CreateTaskDefinition, client::TaskRecord, dispatch::SIGNAL_PREFIX, wire::json::Json};

/// A workflow that can wait for people by itself.
///
/// Implement it, register [`Human<Self>`](Human) with the worker, and start `Human::<Self>::run`
/// with the client. The value of the type is the workflow's state.
///
/// ```no_run
/// use std::time::Duration;
/// use awaithumans_temporal::{Human, HumanContext, HumanTask, HumanWorkflow, RegisterAwaitHuman, CreateTask};
/// use temporalio_sdk::{WorkerOptions, WorkflowResult};
///
/// #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Clone)]
/// struct Order { id: String, amount_usd: u32 }
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Decision { approved: bool }
///
/// #[derive(Default)]
/// struct Refund;
///
/// impl HumanWorkflow for Refund {
///     type Input = Order;
///     type Output = bool;
///     const NAME: &'static str = "refund";
///
///     async fn run(ctx: HumanContext<Self>, order: Order) -> WorkflowResult<bool> {
///         let task = HumanTask::<Decision>::new(format!("Refund {}?", order.id), &order)
///             .timeout(Duration::from_secs(2 * 24 * 60 * 60))
///             .server_url("http://localhost:3001")
///             .callback_url("http://localhost:8080/awaithumans/callback");
///         let decision = ctx.await_human(task).await?;
///         Ok(decision.approved)
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = WorkerOptions::new("refunds")
///     .register_workflow::<Human<Refund>>()?
///     .register_await_human(CreateTask::default())?
///     .build();
/// # let _ = options; Ok(()) }
/// ```
pub trait HumanWorkflow: Default + Sized + 'static {
    /// The workflow's argument.
    type Input: TemporalSerializable + TemporalDeserializable + Send + 'static;
    /// The workflow's result.
    type Output: TemporalSerializable + TemporalDeserializable + 'static;
    /// The workflow type's name.
    const NAME: &'static str;

    /// Sets the state up before any signal or update is handled.
    fn init(&mut self, _ctx: &WorkflowContextView, _input: &Self::Input) {}

    /// The workflow itself.
    ///
    /// # Errors
    /// Whatever ends it other than with a result; see [`WorkflowTermination`].
    fn run(ctx: HumanContext<Self>, input: Self::Input)
    -> impl Future<Output = WorkflowResult<Self::Output>> + 'static;

    /// Registers the signals, queries and updates that the workflow answers to. Called for each
    /// message, so it should only register.
    fn handlers(_handlers: &mut Handlers<Self>) {}
}

/// What is registered with a worker for the [`HumanWorkflow`] `W`, and what a client starts.
///
/// ```no_run
/// # use awaithumans_temporal::*;
/// # use temporalio_client::{Client, WorkflowSignalOptions, WorkflowStartOptions};
/// # use temporalio_sdk::WorkflowResult;
/// # #[derive(Default)] struct Refund { notes: Vec<String> }
/// const NOTE: HumanSignal<Refund, String> = HumanSignal::new("note");
///
/// # impl HumanWorkflow for Refund {
/// #     type Input = u32;
/// #     type Output = bool;
/// #     const NAME: &'static str = "refund";
/// #     async fn run(_: HumanContext<Self>, _: u32) -> WorkflowResult<bool> { Ok(true) }
/// // In `impl HumanWorkflow for Refund`:
/// fn handlers(handlers: &mut Handlers<Self>) {
///     handlers.signal(NOTE, |refund, _ctx, note| refund.notes.push(note));
/// }
/// # }
///
/// # async fn start(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let options = WorkflowStartOptions::new("refunds", "refund-1").build();
/// let handle = client.start_workflow(Human::<Refund>::run, 250, options).await?;
/// handle.signal(NOTE, "a good customer".to_owned(), WorkflowSignalOptions::default()).await?;
/// # Ok(()) }
/// ```
pub struct Human<W: HumanWorkflow> {
    workflow: W,
    input: Cell<Option<W::Input>>,
    inbox: Inbox,
}

impl<W: HumanWorkflow> Human<W> {
    /// The definition that `Client::start_workflow` takes, as the one that `#[workflow_methods]`
    /// makes.
    #[allow(non_upper_case_globals)]
    pub const run: HumanRun<W> = HumanRun(PhantomData);
}

impl<W: HumanWorkflow> std::fmt::Debug for Human<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Human")
            .field("name", &W::NAME)
            .field("inbox", &self.inbox)
            .finish_non_exhaustive()
    }
}

/// Names the workflow `W` and its types for clients and parents: [`Human::run`].
pub struct HumanRun<W>(PhantomData<fn() -> W>);

impl<W> Clone for HumanRun<W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for HumanRun<W> {}

impl<W> std::fmt::Debug for HumanRun<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HumanRun")
    }
}

impl<W: HumanWorkflow> WorkflowDefinition for HumanRun<W> {
    type Input = W::Input;
    type Output = W::Output;

    fn name(&self) -> &str {
        W::NAME
    }
}

impl<W: HumanWorkflow> HasWorkflowDefinition for HumanRun<W> {
    type Run = Self;
}

impl<W: HumanWorkflow> WorkflowDefinition for Human<W> {
    type Input = W::Input;
    type Output = W::Output;

    fn name(&self) -> &str {
        W::NAME
    }
}

impl<W: HumanWorkflow> HasWorkflowDefinition for Human<W> {
    type Run = HumanRun<W>;
}

/// The workflow's view of Temporal: the SDK's [`WorkflowContext`], by `Deref`, with the state of
/// `W` and with [`await_human`](Self::await_human).
pub struct HumanContext<W: HumanWorkflow> {
    inner: WorkflowContext<Human<W>>,
}

impl<W: HumanWorkflow> HumanContext<W> {
    /// Asks a person and waits for the answer, for days if need be: a parked workflow costs
    /// nothing. The webhook's signal comes to this workflow itself.
    ///
    /// The task is created by the activity `awaithumans_create_task`. Replays and retries find the
    /// same task by its key. If that task has already ended, its end counts and no signal is
    /// waited for. A timer as long as the task's timeout wakes the workflow should no signal come.
    ///
    /// Several tasks can wait at a time (`join!`), each with a key of its own. Two waits for one
    /// key are two waits for one task: both get its end. (With the Python adapter the first one
    /// runs into its timeout then.)
    ///
    /// # Errors
    /// [`AwaitHumanError`]; `?` ends the workflow with a failure of the same type as in Python.
    pub async fn await_human<R>(&self, task: HumanTask<R>) -> Result<R, AwaitHumanError>
    where
        R: DeserializeOwned + JsonSchema,
    {
        let question = task
            .prepare(default_key(self.inner.workflow_id()))?
            .call_back(self.inner.workflow_id(), false);
        decode_response(self.ask(&question).await?)
    }

    /// Reads the workflow's state.
    pub fn state<T>(&self, read: impl FnOnce(&W) -> T) -> T {
        self.inner.state(|human| read(&human.workflow))
    }

    /// Changes the workflow's state.
    pub fn state_mut<T>(&self, change: impl FnOnce(&mut W) -> T) -> T {
        self.inner.state_mut(|human| change(&mut human.workflow))
    }

    /// Waits until the state meets a condition.
    ///
    /// # Errors
    /// [`WorkflowCancellationError`] if the workflow is cancelled first.
    pub fn wait_condition<'a>(
        &'a self,
        mut condition: impl FnMut(&W) -> bool + 'a,
    ) -> impl FusedFuture<Output = Result<(), WorkflowCancellationError>> + 'a {
        self.inner.wait_condition(move |human| condition(&human.workflow))
    }

    pub(super) async fn ask(&self, question: &Question) -> Result<Value, AwaitHumanError> {
        let request = &question.create.request;
        let record = self.create_task(question).await?;
        let outcome = match record {
            Some(record) if record.is_terminal() => Some(self.short_circuit(record)),
            _ => {
                self.wait_for_signal(&request.idempotency_key, request.timeout_seconds)
                    .await?
            }
        };
        match outcome {
            Some(outcome) => outcome.into_response(request),
            None => Err(AwaitHumanError::TaskTimeout {
                task: request.task.clone(),
                timeout_seconds: request.timeout_seconds,
            }),
        }
    }

    async fn create_task(&self, question: &Question) -> Result<Option<TaskRecord>, AwaitHumanError> {
        let timeout = Duration::from_millis(question.create_activity_timeout_milliseconds);
        let cancellation = self.cancellation_of_one();
        let options = ActivityOptions::with_start_to_close_timeout(timeout)
            .cancellation_token(cancellation.clone())
            .build();
        let record = self
            .inner
            .execute_activity(CreateTaskDefinition, question.create.clone(), options)
            .await
            .map_err(|error| match error {
                ActivityExecutionError::Cancelled(_) => AwaitHumanError::WorkflowCancelled,
                other => AwaitHumanError::CreateTask(Box::new(other)),
            })?;
        // An answer that is no object is as good as one without a status, as for Python.
        Ok(TaskRecord::from_json(record).ok())
    }

    /// The workflow's cancellation, for one operation, to be held as long as that.
    ///
    /// An operation that is dropped before its end stays registered with its token, and it holds the workflow's context
    /// (temporalio-workflow 1.1.1). With the workflow's own token, which the context holds, they would keep one another for ever.
    fn cancellation_of_one(&self) -> WorkflowCancellationToken {
        self.inner.cancellation_token().child_token()
    }

    /// No signal comes for a task that has ended before it was asked for.
    fn short_circuit(&self, record: TaskRecord) -> Outcome {
        if !self.inner.is_replaying() {
            tracing::warn!(
                idempotency_key = record.idempotency_key,
                status = record.status,
                ended_at = record.completed_at.as_deref().or(record.timed_out_at.as_deref()),
                "the idempotency key already has a task, which has ended: its answer counts. \
                 Give a fresh idempotency_key for a new attempt"
            );
        }
        record.into()
    }

    /// Waits for the signal or the safety net's timer; `None` if that was first.
    async fn wait_for_signal(
        &self,
        idempotency_key: &str,
        timeout_seconds: u64,
    ) -> Result<Option<Outcome>, AwaitHumanError> {
        let outcome = || self.inner.state(|human| human.inbox.get(idempotency_key).cloned());
        if let Some(outcome) = outcome() {
            return Ok(Some(outcome));
        }
        let mut signal = pin!(
            self.inner
                .wait_condition(|human| human.inbox.get(idempotency_key).is_some())
        );
        let cancellation = self.cancellation_of_one();
        let timeout = TimerOptions::builder(Duration::from_secs(timeout_seconds))
            .cancellation_token(cancellation.clone())
            .build();
        let mut timer = pin!(self.inner.timer(timeout));
        select! {
            signalled = signal => {
                signalled.map_err(|_| AwaitHumanError::WorkflowCancelled)?;
                timer.cancel();
                Ok(outcome())
            },
            fired = timer => match fired {
                TimerResult::Fired => Ok(None),
                TimerResult::Cancelled => Err(AwaitHumanError::WorkflowCancelled),
            },
        }
    }
}

/// The Python adapter's, and TypeScript's.
pub(super) fn default_key(workflow_id: &str) -> String {
    format!("temporal:{workflow_id}")
}

impl<W: HumanWorkflow> Deref for HumanContext<W> {
    type Target = WorkflowContext<Human<W>>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl<W: HumanWorkflow> Clone for HumanContext<W> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<W: HumanWorkflow> std::fmt::Debug for HumanContext<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HumanContext")
            .field("workflow_id", &self.inner.workflow_id())
            .finish_non_exhaustive()
    }
}

impl<W: HumanWorkflow> WorkflowImplementation for Human<W> {
    type Run = HumanRun<W>;

    // The state must be there before the first signal is, and it may depend on the input.
    const HAS_INIT: bool = true;
    const INIT_TAKES_INPUT: bool = true;

    fn name() -> &'static str {
        W::NAME
    }

    fn definition() -> WorkflowDefinitionDescriptor {
        let handlers = Handlers::<W>::of_workflow();
        let names = |names: Vec<&&'static str>| names.into_iter().map(ToString::to_string).collect();
        WorkflowDefinitionDescriptor {
            workflow_type: W::NAME.to_owned(),
            has_init: Self::HAS_INIT,
            init_takes_input: Self::INIT_TAKES_INPUT,
            signals: names(handlers.signals.keys().collect()),
            queries: names(handlers.queries.keys().collect()),
            updates: handlers.update_descriptors(),
        }
    }

    fn init(ctx: WorkflowContextView, input: Option<W::Input>) -> Self {
        let mut workflow = W::default();
        if let Some(input) = &input {
            workflow.init(&ctx, input);
        }
        Self {
            workflow,
            input: Cell::new(input),
            inbox: Inbox::default(),
        }
    }

    fn run(
        ctx: WorkflowContext<Self>,
        input: Option<W::Input>,
    ) -> LocalBoxFuture<'static, Result<Box<dyn WorkflowOutputValue>, WorkflowTermination>> {
        async move {
            let input = input.or_else(|| ctx.state(|human| human.input.take()));
            let input = input.expect("init took the input and the run begins once");
            let output = W::run(HumanContext { inner: ctx }, input).await?;
            Ok(Box::new(output) as Box<dyn WorkflowOutputValue>)
        }
        .boxed_local()
    }

    fn decode_signal_input(
        name: &str,
        payloads: Payloads,
        converter: &PayloadConverter,
    ) -> Result<Option<Box<dyn Any>>, WorkflowError> {
        if name.starts_with(SIGNAL_PREFIX) {
            let body = webhook_of(payloads.payloads.into_iter().next());
            return Ok(Some(Box::new(body)));
        }
        match Handlers::<W>::of_workflow().signals.get(name) {
            Some(handler) => (handler.decode)(payloads.payloads, converter).map(Some),
            None => Ok(None),
        }
    }

    fn dispatch_signal(
        ctx: WorkflowContext<Self>,
        name: &str,
        input: Box<dyn Any>,
    ) -> LocalBoxFuture<'static, Result<(), WorkflowError>> {
        let result = match name.strip_prefix(SIGNAL_PREFIX) {
            Some(idempotency_key) => {
                let body = input.downcast::<Value>().map(|body| *body).unwrap_or_default();
                ctx.state_mut(|human| human.inbox.deliver(idempotency_key, &body));
                Ok(())
            }
            None => match Handlers::<W>::of_workflow().signals.get(name) {
                Some(handler) => {
                    let view = ctx.info();
                    ctx.state_mut(|human| (handler.handle)(&mut human.workflow, &view, input))
                }
                None => Err(no_handler("signal", name)),
            },
        };
        std::future::ready(result).boxed_local()
    }

    fn decode_query_input(
        name: &str,
        payloads: &Payloads,
        converter: &PayloadConverter,
    ) -> Result<Option<Box<dyn Any>>, WorkflowError> {
        match Handlers::<W>::of_workflow().queries.get(name) {
            Some(handler) => (handler.decode)(payloads.payloads.clone(), converter).map(Some),
            None => Ok(None),
        }
    }

    fn dispatch_query(
        &self,
        ctx: WorkflowContextView,
        name: &str,
        input: Box<dyn Any>,
    ) -> Result<Box<dyn WorkflowOutputValue>, WorkflowError> {
        match Handlers::<W>::of_workflow().queries.get(name) {
            Some(handler) => (handler.handle)(&self.workflow, &ctx, input),
            None => Err(no_handler("query", name)),
        }
    }

    fn decode_update_input(
        name: &str,
        payloads: Payloads,
        converter: &PayloadConverter,
    ) -> Result<Option<Box<dyn Any>>, WorkflowError> {
        match Handlers::<W>::of_workflow().updates.get(name) {
            Some(handler) => (handler.decode)(payloads.payloads, converter).map(Some),
            None => Ok(None),
        }
    }

    fn dispatch_update(
        ctx: WorkflowContext<Self>,
        name: &str,
        input: Box<dyn Any>,
    ) -> LocalBoxFuture<'static, Result<Box<dyn WorkflowOutputValue>, WorkflowError>> {
        let result = match Handlers::<W>::of_workflow().updates.get(name) {
            Some(handler) => {
                let view = ctx.info();
                ctx.state_mut(|human| (handler.handle)(&mut human.workflow, &view, input))
            }
            None => Err(no_handler("update", name)),
        };
        std::future::ready(result).boxed_local()
    }

    fn validate_update(&self, ctx: WorkflowContextView, name: &str, input: Box<dyn Any>) -> Result<(), WorkflowError> {
        let handlers = Handlers::<W>::of_workflow();
        match handlers.updates.get(name).and_then(|handler| handler.validate.as_ref()) {
            Some(validate) => validate(&self.workflow, &ctx, input),
            None => Ok(()),
        }
    }
}

/// The argument of an `awaithumans:*` signal, read as Python's converter reads it. `null`, which
/// ends no wait, if it is no JSON: a bad signal must not fail the workflow task for ever.
fn webhook_of(payload: Option<Payload>) -> Value {
    let Some(payload) = payload else {
        return Value::Null;
    };
    match payload.metadata.get("encoding").map(Vec::as_slice) {
        Some(b"json/plain") => Json::parse(&payload.data).unwrap_or_default().to_serde(),
        _ => Value::Null,
    }
}
