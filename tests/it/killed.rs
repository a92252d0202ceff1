//! What a worker's activities do when the worker has been killed in the middle of them: nothing of it reaches the world.

#![allow(unreachable_pub, reason = "the SDK's macros want what they expand to to be public")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use awaithumans_temporal::{Human, HumanContext, HumanWorkflow, Transport};
use awaithumans_testkit::{Effects, Testkit};
use bytes::Bytes;
use temporalio_client::WorkflowStartOptions;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use temporalio_sdk::{ActivityOptions, WorkflowResult};
use tokio::sync::oneshot;

const TASK_QUEUE: &str = "orders";

#[derive(Debug, Default)]
pub struct Pays;

impl HumanWorkflow for Pays {
    type Input = ();
    type Output = ();
    const NAME: &'static str = "pays";

    async fn run(ctx: HumanContext<Self>, (): ()) -> WorkflowResult<()> {
        let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(3_600));
        ctx.execute_activity(Bank::pay, (), options).await?;
        Ok(())
    }
}

type Asked = Result<http::StatusCode, String>;

/// An activity that is stopped between two things that it does.
pub struct Bank {
    effects: Effects,
    transport: Arc<dyn Transport>,
    has_begun: Mutex<Option<oneshot::Sender<()>>>,
    goes_on: Mutex<Option<oneshot::Receiver<()>>>,
    is_done: Mutex<Option<oneshot::Sender<Asked>>>,
}

#[activities]
impl Bank {
    #[activity]
    pub async fn pay(self: Arc<Self>, _ctx: ActivityContext, (): ()) -> Result<(), ActivityError> {
        self.effects.record("before");
        let has_begun = self.has_begun.lock().unwrap().take().expect("one attempt");
        has_begun.send(()).expect("the test waits");
        let goes_on = self.goes_on.lock().unwrap().take().expect("one attempt");
        goes_on.await.expect("the test says so");
        self.effects.record("after");
        let request = http::Request::get("/api/version")
            .body(Bytes::new())
            .expect("a request");
        let asked = self.transport.send(request).await;
        let asked = asked
            .map(|response| response.status())
            .map_err(|error| error.to_string());
        let is_done = self.is_done.lock().unwrap().take().expect("one attempt");
        is_done.send(asked).expect("the test waits");
        Ok(())
    }
}

/// Gives what happened outside, and how the awaithumans server answered the activity.
async fn pay(is_killed: bool) -> (Vec<String>, Asked) {
    let kit = Testkit::start().await;
    let (has_begun, begun) = oneshot::channel();
    let (go_on, goes_on) = oneshot::channel();
    let (is_done, done) = oneshot::channel();
    let bank = Bank {
        effects: kit.effects(),
        transport: Arc::new(kit.transport()),
        has_begun: Mutex::new(Some(has_begun)),
        goes_on: Mutex::new(Some(goes_on)),
        is_done: Mutex::new(Some(is_done)),
    };
    let options = kit.worker_options(TASK_QUEUE).register_workflow::<Human<Pays>>();
    let options = options.unwrap().register_activities(bank).build();
    let mut worker = kit.spawn_worker(options).await;
    let options = WorkflowStartOptions::new(TASK_QUEUE, "order-1").build();
    let started = kit.client().start_workflow(Human::<Pays>::run, (), options).await;
    drop(started.unwrap());
    kit.run_until(begun).await.unwrap().unwrap();
    if is_killed {
        worker.crash();
    }
    go_on.send(()).unwrap();
    let asked = done.await.unwrap();
    (kit.effects().all(), asked)
}

#[tokio::test]
async fn what_an_activity_does_when_its_worker_has_been_killed_doesnt_happen() {
    let (effects, asked) = pay(true).await;
    assert_eq!(effects, ["before"]);
    assert_eq!(asked, Err("All connection attempts failed".to_owned()));
}

#[tokio::test]
async fn and_it_does_when_the_worker_lives() {
    let (effects, asked) = pay(false).await;
    assert_eq!(effects, ["before", "after"]);
    assert_eq!(asked, Ok(http::StatusCode::OK));
}
