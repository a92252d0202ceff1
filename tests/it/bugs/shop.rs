//! What the gallery's workflows share: an order, a payment provider, and ways to run them.

use std::sync::Arc;
use std::time::Duration;

use awaithumans_temporal::{
    Human, HumanTask, HumanWorkflow, RegisterAwaitHuman, Transport, VerifiedWebhook, WebhookKey,
};
use awaithumans_testkit::{Effects, Moment, Testkit, Worker};
use bytes::Bytes;
use http::Request;
use serde::{Deserialize, Serialize};
use temporalio_client::WorkflowStartOptions;
use temporalio_macros::activities;
use temporalio_sdk::ActivityOptions;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

pub const TASK_QUEUE: &str = "orders";
pub const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// How long a workflow waits for a decision that may never come: the server gives up on its webhooks one day. Longer than people may take, which
/// counts from the task's creation, and that comes late if the server is down.
pub const PATIENCE: Duration = Duration::from_secs(8 * 7 * 86_400);

/// What each workflow is started with.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Order {
    pub id: String,
    pub fixed: bool,
    pub server_url: String,
    pub callback_url: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Decision {
    pub approved: bool,
}

/// What is asked of the server without the adapter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    pub order: Order,
    /// Whether the key has the time in it.
    pub with_time: bool,
}

/// The shop's activities, and the world outside: its payment provider.
pub struct Shop {
    effects: Effects,
    transport: AnyTransport,
    api_key: String,
}

pub type AnyTransport = Arc<dyn Transport>;

#[activities]
impl Shop {
    /// The provider knows the key of each payment: a second one is none.
    #[activity]
    pub async fn pay(self: Arc<Self>, _ctx: ActivityContext, key: String) -> Result<(), ActivityError> {
        if !self.effects.all().contains(&key) {
            self.effects.record(&key);
        }
        Ok(())
    }

    /// The provider pays whenever it is asked to.
    #[activity]
    pub async fn pay_blindly(self: Arc<Self>, _ctx: ActivityContext, key: String) -> Result<(), ActivityError> {
        self.effects.record(&key);
        Ok(())
    }

    /// Asks a person by a plain request.
    #[activity]
    pub async fn ask(self: Arc<Self>, ctx: ActivityContext, question: Question) -> Result<(), ActivityError> {
        let order = &question.order;
        let started = ctx.info().started_time;
        let key = match question.with_time {
            true => format!("order:{}:{:?}", order.id, started),
            false => format!("order:{}", order.id),
        };
        let body = serde_json::json!({
            "task": format!("Pay order {}?", order.id),
            "payload": {"order": order.id},
            "payload_schema": {},
            "response_schema": {},
            "timeout_seconds": WEEK.as_secs(),
            "idempotency_key": key,
            "callback_url": format!("{}?wf={}", order.callback_url, order.id),
        });
        let request = http::Request::post(format!("{}/api/tasks", order.server_url))
            .header("authorization", format!("Bearer {}", self.api_key))
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .expect("a request");
        let answer = self
            .transport
            .send(request)
            .await
            .map_err(|error| failure(&error.to_string()))?;
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(failure(&format!("HTTP {}", answer.status()))),
        }
    }
}

fn failure(text: &str) -> ActivityError {
    std::io::Error::other(text.to_owned()).into()
}

pub fn soon() -> ActivityOptions {
    ActivityOptions::start_to_close_timeout(Duration::from_secs(10))
}

/// A question about an order, a week to answer it.
pub fn task(order: &Order) -> HumanTask<Decision> {
    HumanTask::new(format!("Pay order {}?", order.id), order)
        .timeout(WEEK)
        .server_url(&order.server_url)
        .callback_url(&order.callback_url)
}

pub fn order(kit: &Testkit, id: &str, fixed: bool) -> Order {
    Order {
        id: id.to_owned(),
        fixed,
        server_url: kit.server_url().to_owned(),
        callback_url: kit.callback_url(),
    }
}

pub async fn worker<W: HumanWorkflow<Input = Order, Output = String>>(kit: &Testkit) -> Worker {
    let shop = Shop {
        effects: kit.effects(),
        transport: Arc::new(kit.transport()),
        api_key: kit.api_key().to_owned(),
    };
    let options = kit
        .worker_options(TASK_QUEUE)
        .register_workflow::<Human<W>>()
        .unwrap()
        .register_activities(shop)
        .register_await_human(kit.create_task_activity())
        .unwrap()
        .build();
    kit.spawn_worker(options).await
}

pub async fn start<W: HumanWorkflow<Input = Order, Output = String>>(kit: &Testkit, id: &str, fixed: bool) {
    let options = WorkflowStartOptions::new(TASK_QUEUE, id).build();
    let started = kit
        .client()
        .start_workflow(Human::<W>::run, order(kit, id, fixed), options)
        .await;
    drop(started.unwrap());
}

/// One order, from its start to its end.
pub async fn play<W: HumanWorkflow<Input = Order, Output = String>>(kit: &Testkit, fixed: bool) {
    let _worker = worker::<W>(kit).await;
    start::<W>(kit, "order-1", fixed).await;
    kit.run_until_moment(Moment::closed("order-1")).await.unwrap();
}

/// A webhook whose signature is right.
pub fn verified(key: &WebhookKey, request: &Request<Bytes>) -> Option<VerifiedWebhook> {
    let signature = request
        .headers()
        .get("x-awaithumans-signature")
        .and_then(|value| value.to_str().ok());
    VerifiedWebhook::parse(key, request.body(), signature).ok()
}
