//! `await_human()` for Temporal workflows in Rust: a workflow asks a person, parks for hours or
//! days, and goes on with a typed answer.
//!
//! The question is a task on an [awaithumans](https://docs.awaithumans.dev) server. When a person
//! has answered, the server posts a signed webhook to your service, which verifies it and signals
//! the workflow. Names, keys, signals, histories and errors are those of awaithumans' own Python
//! adapter, so that workers and webhook receivers in Python, TypeScript and Rust can be mixed.
//!
//! # The three places where it plugs in
//!
//! The workflow asks ([`HumanWorkflow`] is the inline form; [`await_human`] serves workflows that
//! are written with `#[workflow_methods]`):
//!
//! ```
//! use std::time::Duration;
//! use awaithumans_temporal::{HumanContext, HumanTask, HumanWorkflow};
//! use temporalio_sdk::WorkflowResult;
//!
//! #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! struct Order { customer: String, amount_usd: u32 }
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Decision { approved: bool }
//!
//! #[derive(Default)]
//! struct Refund;
//!
//! impl HumanWorkflow for Refund {
//!     type Input = Order;
//!     type Output = bool;
//!     const NAME: &'static str = "refund";
//!
//!     async fn run(ctx: HumanContext<Self>, order: Order) -> WorkflowResult<bool> {
//!         let task = HumanTask::<Decision>::new(format!("Refund {}?", order.customer), &order)
//!             .timeout(Duration::from_secs(2 * 24 * 60 * 60))
//!             .server_url("https://humans.example.com")
//!             .callback_url("https://app.example.com/awaithumans/callback");
//!         Ok(ctx.await_human(task).await?.approved)
//!     }
//! }
//! ```
//!
//! The worker creates the task, in an activity:
//!
//! ```
//! # use awaithumans_temporal::{HumanContext, HumanWorkflow};
//! # #[derive(Default)] struct Refund;
//! # impl HumanWorkflow for Refund {
//! #     type Input = ();
//! #     type Output = ();
//! #     const NAME: &'static str = "refund";
//! #     async fn run(_: HumanContext<Self>, _: ()) -> temporalio_sdk::WorkflowResult<()> { Ok(()) }
//! # }
//! use awaithumans_temporal::{CreateTask, Human, RegisterAwaitHuman};
//! use temporalio_sdk::WorkerOptions;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = WorkerOptions::new("refunds")
//!     .register_workflow::<Human<Refund>>()?
//!     .register_await_human(CreateTask::default().api_key("secret"))?
//!     .build();
//! # let _ = options; Ok(()) }
//! ```
//!
//! Your web service takes the webhook: [`dispatch_signal`].
//!
//! # How it ends
//! An answer that is an `R`, or an [`AwaitHumanError`]: timed out, cancelled, rejected by the
//! verifier to the last attempt, of another shape than `R`. With `?` it fails the workflow under
//! the same type name as in Python.
//!
//! # What to know
//! - A task is found again by its idempotency key: after a replay, a crashed worker, a retry. The
//!   default key is `temporal:{workflow id}`, so a workflow that asks for two things gives at least
//!   one of them a key of its own.
//! - The input of the activity, with the payload, is written into the workflow's history.
//!   [`CreateTask::api_key`] keeps the token out of there.
//! - Cancelling the workflow leaves the task
//!   open on the server until its timeout.
//!
//! # Features
//! - `reqwest` (on by default): [`ReqwestTransport`], and `CreateTask::default()` over it. Without
//!   it, give [`CreateTask::new`] a [`Transport`] of your own.

mod activity;
mod await_human;
mod client;
mod dispatch;
pub mod wire;

/// The crate whose `JsonSchema` payloads and answers implement, in the release that is meant.
pub use schemars;

// The public interface is:
#[cfg(feature = "reqwest")]
pub use client::ReqwestTransport;
pub use {
    activity::{CREATE_TASK_ACTIVITY, CreateTask, CreateTaskDefinition, CreateTaskInput},
    await_human::{
        AWAIT_HUMAN_WORKFLOW, AssignTo, AwaitHumanError, HandlerError, Handlers, Human, HumanContext, HumanQuery,
        HumanRun, HumanSignal, HumanTask, HumanUpdate, HumanWorkflow, RegisterAwaitHuman, VerifierConfig, await_human,
        register, register_for_replay,
    },
    client::{
        Awaithumans, BoxFuture, ClientError, CreateTaskRequest, TaskRecord, Transport, TransportError, transport_fn,
    },
    dispatch::{BodyError, DispatchError, Dispatched, SIGNAL_PREFIX, VerifiedWebhook, dispatch_signal, signal_name},
    wire::{
        key::{PAYLOAD_KEY_VARIABLE, PayloadKey, PayloadKeyError, WebhookKey},
        signature::{SIGNATURE_HEADER, Signature, SignatureError, TASK_ID_HEADER},
    },
};
