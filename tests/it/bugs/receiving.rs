//! Receivers that believe what they are told.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use awaithumans_temporal::{Handlers, HumanContext, HumanSignal, HumanWorkflow};
use awaithumans_testkit::{Moment, NAMESPACE, Testkit};
use bytes::Bytes;
use http::Request;
use temporalio_client::{Client, WorkflowSignalOptions};
use temporalio_sdk::WorkflowResult;
use temporalio_sdk::workflows::select;

use super::shop::{self, Order, PATIENCE, Question, Shop, soon};

/// Waits for a decision by a signal of its own.
#[derive(Debug, Default)]
pub struct Waits {
    decision: Option<bool>,
}

const DECIDED: HumanSignal<Waits, bool> = HumanSignal::new("decided");

impl HumanWorkflow for Waits {
    type Input = Order;
    type Output = String;
    const NAME: &'static str = "waits";

    fn handlers(handlers: &mut Handlers<Self>) {
        handlers.signal(DECIDED, |workflow, _, approved| workflow.decision = Some(approved));
    }

    async fn run(ctx: HumanContext<Self>, order: Order) -> WorkflowResult<String> {
        let question = Question {
            order: order.clone(),
            with_time: false,
        };
        ctx.execute_activity(Shop::ask, question, soon()).await?;
        let decided = ctx.wait_condition(|workflow| workflow.decision.is_some());
        select! {
            decided = std::pin::pin!(decided) => {
                decided?;
                Ok("decided".to_owned())
            },
            _ = ctx.timer(PATIENCE) => Ok("gave up".to_owned()),
        }
    }
}

async fn signal(client: &Client, workflow_id: &str) -> u16 {
    let handle = client.get_workflow_handle::<awaithumans_temporal::HumanRun<Waits>>(workflow_id);
    match handle.signal(DECIDED, true, WorkflowSignalOptions::default()).await {
        Ok(()) => 200,
        Err(_) => 404,
    }
}

fn named_workflow(request: &Request<Bytes>) -> String {
    let query = request.uri().query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(name, _)| name == "wf")
        .map(|(_, workflow)| workflow.into_owned())
        .unwrap_or_default()
}

/// The receiver pays by itself whenever an answer comes. Webhooks come at least once, not just once.
pub async fn no_dedupe_on_replay(kit: &Testkit, fixed: bool) {
    let (client, key, effects) = (kit.client().clone(), kit.webhook_key().clone(), kit.effects());
    let paid: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    kit.receiver().answer_with(move |request| {
        let (client, key, effects, paid) = (client.clone(), key.clone(), effects.clone(), Arc::clone(&paid));
        async move {
            let Some(webhook) = shop::verified(&key, &request) else {
                return 401;
            };
            let is_new = paid.lock().unwrap().insert(webhook.idempotency_key().to_owned());
            if is_new || !fixed {
                effects.record(&format!("pay:{}", webhook.idempotency_key()));
            }
            signal(&client, "order-1").await
        }
    });
    shop::play::<Waits>(kit, fixed).await;
}

/// The receiver signals, and then looks whether it should have.
pub async fn signals_before_verifying(kit: &Testkit, fixed: bool) {
    let (client, key) = (kit.client().clone(), kit.webhook_key().clone());
    let believed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&believed);
    kit.invariant("only verified webhooks signal", move |_| {
        match seen.load(Ordering::SeqCst) {
            true => Err("a webhook whose signature doesn't verify has signalled a workflow".to_owned()),
            false => Ok(()),
        }
    });
    kit.receiver().answer_with(move |request| {
        let (client, key, believed) = (client.clone(), key.clone(), Arc::clone(&believed));
        async move {
            let is_verified = shop::verified(&key, &request).is_some();
            if fixed && !is_verified {
                return 401;
            }
            let status = signal(&client, "order-1").await;
            if !is_verified {
                believed.store(status == 200, Ordering::SeqCst);
                return 401;
            }
            status
        }
    });
    shop::play::<Waits>(kit, fixed).await;
}

/// The receiver signals whatever workflow the URL names. The URL isn't signed; the body is.
pub async fn trusts_the_workflow_in_the_url(kit: &Testkit, fixed: bool) {
    let (client, key) = (kit.client().clone(), kit.webhook_key().clone());
    kit.receiver().answer_with(move |request| {
        let (client, key) = (client.clone(), key.clone());
        async move {
            let Some(webhook) = shop::verified(&key, &request) else {
                return 401;
            };
            let workflow = named_workflow(&request);
            if fixed && webhook.idempotency_key() != format!("order:{workflow}") {
                return 403;
            }
            signal(&client, &workflow).await
        }
    });
    kit.invariant("a workflow is decided by its own task", |world| {
        for id in ["order-1", "order-2"] {
            let task = world.human().task_by_key(&format!("order:{id}"));
            let is_open = task.is_some_and(|task| !task.status.is_terminal());
            if is_open && world.temporal().is_closed_workflow(NAMESPACE, id) {
                return Err(format!("workflow {id} was decided, and nobody has answered its task"));
            }
        }
        Ok(())
    });
    let _worker = shop::worker::<Waits>(kit).await;
    shop::start::<Waits>(kit, "order-1", fixed).await;
    kit.advance(Duration::from_secs(3_600)).await.unwrap();
    shop::start::<Waits>(kit, "order-2", fixed).await;
    for id in ["order-1", "order-2"] {
        kit.run_until_moment(Moment::closed(id)).await.unwrap();
    }
}
