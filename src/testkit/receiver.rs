//! The callback receiver as a test sees it, and webhooks that it is sent by hand.

use awaithumans_temporal::WebhookKey;
use bytes::Bytes;

use super::Testkit;
use crate::human::DeliveryOutcome;
use crate::webhooks::Canned;

/// The callback receiver of a testkit.
#[derive(Debug)]
pub struct ReceiverHandle<'a> {
    pub(super) kit: &'a Testkit,
}

impl ReceiverHandle<'_> {
    /// Takes the callback route off the air: webhooks meet a refused connection.
    pub fn stop(&self) {
        self.kit.note("the callback receiver goes down");
        self.kit.receiver.set_down(true);
    }

    /// Puts the callback route back on the air.
    pub fn start(&self) {
        self.kit.note("the callback receiver is back");
        self.kit.receiver.set_down(false);
    }

    /// From now on webhooks go to a receiver of the test's own: a request in, an HTTP status out. It runs while time stands still.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use awaithumans_testkit::{Canned, Testkit};
    ///
    /// let kit = Testkit::start().await;
    /// kit.receiver().answer_with(|request| async move { if request.body().is_empty() { 400 } else { 204 } });
    /// let answer = Canned::completed("temporal:refund-1", serde_json::json!({"approved": true}));
    /// assert_eq!(kit.webhooks().send(answer).await, Ok(204));
    /// # }
    /// ```
    pub fn answer_with<F: Future<Output = u16> + Send + 'static>(
        &self,
        handler: impl Fn(http::Request<Bytes>) -> F + Send + Sync + 'static,
    ) {
        let handler = std::sync::Arc::new(move |request| -> futures_util::future::BoxFuture<'static, u16> {
            Box::pin(handler(request))
        });
        self.kit.receiver.set_handler(handler);
    }

    /// Verifies webhooks with another key from now on: what happens when the PAYLOAD_KEYs of server and receiver differ.
    pub fn use_key(&self, key: WebhookKey) {
        self.kit.receiver.set_key(key);
    }
}

/// Sends webhooks that no task on the fake server stands behind.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use awaithumans_testkit::{Canned, Testkit};
///
/// let kit = Testkit::start().await;
/// // The workflow is the one that the default key names; nobody has started it here.
/// let answer = Canned::completed("temporal:refund-1", serde_json::json!({"approved": true}));
/// assert_eq!(kit.webhooks().send(answer).await, Ok(404));
/// # }
/// ```
#[derive(Debug)]
pub struct Webhooks<'a> {
    pub(super) kit: &'a Testkit,
    pub(super) workflow_id: Option<String>,
}

impl Webhooks<'_> {
    /// Names the workflow that the webhook's URL names. Without it, it is the one of the default key,
    /// `temporal:{workflow id}`.
    #[must_use]
    pub fn to(mut self, workflow_id: impl Into<String>) -> Self {
        self.workflow_id = Some(workflow_id.into());
        self
    }

    /// Signs a webhook and delivers it to the callback receiver, now. Gives the receiver's HTTP status.
    ///
    /// # Errors
    /// The text that the sending server would log, if there was no answer.
    ///
    /// # Panics
    /// If no workflow is named and the key isn't a default one.
    pub async fn send(&self, canned: Canned) -> Result<u16, String> {
        let canned = canned.at_unless_set(self.kit.now());
        let workflow_id = self
            .workflow_id
            .clone()
            .or_else(|| workflow_of(&canned))
            .unwrap_or_else(|| {
                let what =
                    "the webhook names no workflow: give it a key as temporal:{workflow id}, or name one with to(…)";
                panic!("{}", self.kit.misuse(what))
            });
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("wf", &workflow_id)
            .finish();
        let url = format!("{}?{query}", self.kit.callback_url());
        let request = canned
            .into_request(&self.kit.key, &url)
            .map_err(|error| error.to_string())?;
        self.send_request(&request).await
    }

    /// Delivers a request to the callback receiver as it is. Gives the receiver's HTTP status.
    ///
    /// # Errors
    /// The text that the sending server would log, if there was no answer.
    pub async fn send_request(&self, request: &http::Request<Bytes>) -> Result<u16, String> {
        match self.kit.receiver.receive(request).await {
            DeliveryOutcome::Answered(status) => Ok(status),
            DeliveryOutcome::Failed(error) => Err(error),
        }
    }
}

/// The workflow whose default key a webhook has.
fn workflow_of(canned: &Canned) -> Option<String> {
    let webhook = awaithumans_temporal::wire::webhook::Webhook::parse(&canned.body()).ok()?;
    webhook.idempotency_key.strip_prefix("temporal:").map(str::to_owned)
}
