//! The question is asked twice, the answer is lost, or nobody waits for it.

use std::time::Duration;

use awaithumans_temporal::{Handlers, HumanContext, HumanSignal, HumanWorkflow};
use awaithumans_testkit::Testkit;
use awaithumans_testkit::human::Status;
use temporalio_client::WorkflowSignalOptions;
use temporalio_sdk::WorkflowResult;
use temporalio_sdk::workflows::select;

use super::shop::{self, Order, PATIENCE, Question, Shop, soon};

const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Debug, Default)]
pub struct AsksAtATime;

impl HumanWorkflow for AsksAtATime {
    type Input = Order;
    type Output = String;
    const NAME: &'static str = "asks_at_a_time";

    async fn run(ctx: HumanContext<Self>, order: Order) -> WorkflowResult<String> {
        // The bug: the attempt's time is in the key, so another attempt asks another question.
        let with_time = !order.fixed;
        ctx.execute_activity(Shop::ask, Question { order, with_time }, soon())
            .await?;
        Ok("asked".to_owned())
    }
}

pub async fn key_from_a_timestamp(kit: &Testkit, fixed: bool) {
    kit.invariant("a person is asked once", |world| match world.human().tasks().count() {
        0 | 1 => Ok(()),
        count => Err(format!("there are {count} tasks for one order")),
    });
    // The answer goes nowhere: nobody waits for it here.
    kit.receiver().answer_with(|_| async { 200 });
    shop::play::<AsksAtATime>(kit, fixed).await;
}

#[derive(Debug, Default)]
pub struct ListensLate {
    is_listening: bool,
    decision: Option<bool>,
}

const DECIDED: HumanSignal<ListensLate, bool> = HumanSignal::new("decided");

impl HumanWorkflow for ListensLate {
    type Input = Order;
    type Output = String;
    const NAME: &'static str = "listens_late";

    fn handlers(handlers: &mut Handlers<Self>) {
        handlers.signal(DECIDED, |workflow, _, approved| {
            if workflow.is_listening {
                workflow.decision = Some(approved);
            }
        });
    }

    async fn run(ctx: HumanContext<Self>, order: Order) -> WorkflowResult<String> {
        if order.fixed {
            ctx.state_mut(|workflow| workflow.is_listening = true);
        }
        let question = Question {
            order: order.clone(),
            with_time: false,
        };
        ctx.execute_activity(Shop::ask, question, soon()).await?;
        // The bug: what comes before this line is dropped.
        ctx.state_mut(|workflow| workflow.is_listening = true);
        let decided = ctx.wait_condition(|workflow| workflow.decision.is_some());
        if !order.fixed {
            decided.await?;
            return Ok("decided".to_owned());
        }
        select! {
            decided = std::pin::pin!(decided) => {
                decided?;
                Ok("decided".to_owned())
            },
            _ = ctx.timer(PATIENCE) => Ok("gave up".to_owned()),
        }
    }
}

pub async fn signal_handler_too_late(kit: &Testkit, fixed: bool) {
    let (client, key) = (kit.client().clone(), kit.webhook_key().clone());
    kit.receiver().answer_with(move |request| {
        let (client, key) = (client.clone(), key.clone());
        async move {
            if shop::verified(&key, &request).is_none() {
                return 401;
            }
            let handle = client.get_workflow_handle::<awaithumans_temporal::HumanRun<ListensLate>>("order-1");
            match handle.signal(DECIDED, true, WorkflowSignalOptions::default()).await {
                Ok(()) => 200,
                Err(_) => 404,
            }
        }
    });
    shop::play::<ListensLate>(kit, fixed).await;
}

#[derive(Debug, Default)]
pub struct GivesUpEarly;

impl HumanWorkflow for GivesUpEarly {
    type Input = Order;
    type Output = String;
    const NAME: &'static str = "gives_up_early";

    async fn run(ctx: HumanContext<Self>, order: Order) -> WorkflowResult<String> {
        // The bug: the server lets people answer for a week.
        let patience = match order.fixed {
            true => PATIENCE,
            false => HOUR,
        };
        select! {
            decision = std::pin::pin!(futures::FutureExt::fuse(ctx.await_human(shop::task(&order)))) => {
                Ok(format!("decided: {}", decision?.approved))
            },
            _ = ctx.timer(patience) => Ok("gave up".to_owned()),
        }
    }
}

pub async fn timeout_shorter_than_the_servers(kit: &Testkit, fixed: bool) {
    shop::play::<GivesUpEarly>(kit, fixed).await;
    let tasks = kit.humans().tasks();
    let is_over = tasks
        .iter()
        .all(|task| task.status.is_terminal() || kit.now() >= task.timeout_at());
    let ended_early = tasks.iter().any(|task| task.status == Status::Created) && !is_over;
    assert!(!ended_early, "the workflow has given up, and a person may still answer");
}

#[derive(Debug, Default)]
pub struct AsksTwice;

impl HumanWorkflow for AsksTwice {
    type Input = Order;
    type Output = String;
    const NAME: &'static str = "asks_twice";

    async fn run(ctx: HumanContext<Self>, order: Order) -> WorkflowResult<String> {
        let mut answers = Vec::new();
        for reviewer in 1..=2 {
            let mut task = shop::task(&order);
            if order.fixed {
                // The bug, if this isn't there: both reviews have the workflow's default key.
                task = task.idempotency_key(format!("order:{}:review-{reviewer}", order.id));
            }
            answers.push(ctx.await_human(task).await?.approved);
        }
        Ok(format!("{answers:?}"))
    }
}

pub async fn two_awaits_with_one_key(kit: &Testkit, fixed: bool) {
    shop::play::<AsksTwice>(kit, fixed).await;
    let answered = kit
        .history("order-1")
        .events
        .last()
        .map(|event| event.event_type().as_str_name().to_owned());
    let completed = answered.as_deref() == Some("EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED");
    let tasks = kit.humans().tasks().len();
    assert!(!completed || tasks == 2, "two reviews were taken from {tasks} task");
}
