//! A deterministic test harness for durable workflows that wait for people.
//!
//! A fake [awaithumans](https://docs.awaithumans.dev) server, an in-memory Temporal and a webhook receiver stand on one virtual
//! clock and one seed. A workflow, run by the real Temporal Rust SDK in this process, goes past `await_human()`: days of
//! waiting take milliseconds, people and failures follow a script, and the same seed gives the same bytes.
//!
//! # A first test
//!
//! The workflow is in the inline form of [`awaithumans_temporal`]; the README has one with `#[workflow_methods]`.
//!
//! ```
//! use std::time::Duration;
//!
//! use awaithumans_temporal::{Human, HumanContext, HumanTask, HumanWorkflow, RegisterAwaitHuman};
//! use awaithumans_testkit::{Moment, Testkit, human::{Matcher, Status}};
//! use temporalio_client::{WorkflowGetResultOptions, WorkflowStartOptions};
//! use temporalio_sdk::WorkflowResult;
//!
//! const DAY: Duration = Duration::from_secs(24 * 60 * 60);
//!
//! #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! struct Order { customer: String, server_url: String, callback_url: String }
//!
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
//!             .timeout(7 * DAY)
//!             .server_url(&order.server_url)
//!             .callback_url(&order.callback_url);
//!         Ok(ctx.await_human(task).await?.approved)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! // In a test: #[tokio::test] async fn a_worker_dies_while_its_workflow_waits()
//! let kit = Testkit::start().await;
//! kit.humans().on(Matcher::any()).after(2 * DAY).complete(serde_json::json!({"approved": true}));
//! let options = kit.worker_options("refunds")
//!     .register_workflow::<Human<Refund>>().unwrap()
//!     .register_await_human(kit.create_task_activity()).unwrap()
//!     .build();
//! let mut worker = kit.spawn_worker(options).await;
//!
//! let order = Order {
//!     customer: "cus_demo".to_owned(),
//!     server_url: kit.server_url().to_owned(),
//!     callback_url: kit.callback_url(),
//! };
//! let options = WorkflowStartOptions::new("refunds", "refund-1").build();
//! let refund = kit.client().start_workflow(Human::<Refund>::run, order, options).await.unwrap();
//!
//! kit.run_until_moment(Moment::parked("refund-1")).await.unwrap();
//! worker.crash();
//! kit.advance(3 * DAY).await.unwrap();
//! assert_eq!(kit.humans().tasks()[0].status, Status::Completed);
//!
//! worker.restart().await;
//! let approved = refund.get_result(WorkflowGetResultOptions::default()).await.unwrap();
//! assert!(approved, "{}", kit.timeline());
//! # }
//! ```
//!
//! # The parts
//!
//! - [`Testkit`] is where a test starts; [`Builder`] has its settings: seed, profile, keys, start of time, grace.
//! - [`Testkit::client`] is an ordinary client of the in-memory Temporal. [`Testkit::spawn_worker`] starts a worker of the real
//!   SDK; [`Worker`] can be crashed, at once or before a call that you name, and started again.
//! - [`Faults`] says what goes wrong: [`fault::Rule`]s strike calls, tasks, requests and webhooks, or happen at a [`Moment`].
//! - [`scenario::Scenario`] is all of that as plain data, read from TOML or JSON; `player::play` plays it.
//! - [`Humans`] scripts the people ([`human::Matcher`]), the verifier ([`human::Verdict`]) and the awaithumans server's own
//!   stops and restarts. [`human::Profile`] says which release of awaithumans it is.
//! - [`ReceiverHandle`] takes the callback receiver off the air or gives it another key; [`Webhooks`] sends it
//!   [`Canned`] webhooks that no task stands behind.
//! - Time stands still until the test awaits something that needs it: [`Testkit::advance`], [`Testkit::run_until`],
//!   [`Testkit::run_until_moment`] with a [`Moment`], or the result of a workflow. [`Testkit::hold`] stops it. When nothing can
//!   move any more the call fails with an [`Error`] that says who waits for what.
//! - [`Journal`] is the record of a run, [`Testkit::timeline`] its readable form, [`play`] proves that a run repeats.
//! - Below all that is [`World`], a value without sockets, threads or a clock: [`Input`]s go in, [`Output`]s come out, and
//!   time is an argument. It owns [`human::Human`] and [`Engine`], the two servers. [`table`] lists every RPC of Temporal's API and
//!   says which are served.
//!
//! # Features
//!
//! All are off unless named.
//!
//! - `rstest`: `fixture::kit`, a fresh testkit as a fixture.
//! - `proptest`: `strategies` for keys, webhook bodies, signatures and tampering.
//! - `insta`: `history_json`, histories as JSON for snapshots, and `redact`, redactions that check a value's shape before they
//!   hide it.
//! - `serve`: the executable `awaithumans-testkit`, and what it does as a library: `serve`, both fakes over TCP, `player`, which plays
//!   scenario files, and `campaign`, which plays one under many seeds. It brings the feature `proptest`.
//! - `wiremock`: `matchers` for a wiremock server that stands in for the receiver.
//!
//! # Environment variables
//!
//! - `AWAITHUMANS_TESTKIT_SEED`: a number from 0 to 2^64 - 1 that overrides every testkit's seed. Failures print it.
//! - `AWAITHUMANS_TESTKIT_TRACE_RUNS`: if set, and not `0`, an exploration tells every run that it begins and ends.
//! - `AWAITHUMANS_TESTKIT_CHECK_DETERMINISM`: if set, and not `0`, [`play`] runs every scenario twice and compares.

mod clock;
mod entropy;
pub mod fault;
#[cfg(feature = "rstest")]
pub mod fixture;
pub mod human;
mod io;
mod journal;
mod lookup;
mod moment;
pub mod scenario;
mod temporal;
mod testkit;
mod world;

mod webhooks;

#[cfg(feature = "serve")]
pub mod campaign;
#[cfg(feature = "proptest")]
pub mod explore;
#[cfg(feature = "insta")]
pub mod history_json;
#[cfg(feature = "wiremock")]
pub mod matchers;
#[cfg(feature = "serve")]
pub mod player;
#[cfg(feature = "insta")]
pub mod redact;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "proptest")]
pub mod strategies;

// The public interface is:
pub use clock::{HoldId, Timestamp};
pub use entropy::Entropy;
pub use io::Threads;
pub use journal::{Entry, Journal, Mark, Party};
pub use moment::{Happening, Moment, MomentKind};
pub use temporal::{
    Answer, Call, CallbackId, CallbackOutcome, DynamicConfigError, Engine, HandOut, Note, Patience, Polls, Reject, Rpc,
    SearchAttributeType, Skipping, Support, Ticket, table,
};
pub use testkit::{
    Builder, Effects, Error, FaultGuard, Faults, Hold, Humans, NAMESPACE, ReceiverHandle, Replays, Testkit, Webhooks,
    Worker, play,
};
pub use webhooks::{Canned, TaskRef, UnsendableUrl};
pub use world::{Input, Output, World};

/// The README's code, compiled and run with the other documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
