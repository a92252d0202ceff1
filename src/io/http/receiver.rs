//! Where webhooks go: the testkit's own callback route, or a real one over the network.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use awaithumans_temporal::{
    DispatchError, ReqwestTransport, SIGNATURE_HEADER, Transport, VerifiedWebhook, WebhookKey, signal_name,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::Request;
use temporalio_client::Client;
use tokio::sync::mpsc;

use super::super::driver::{Delivery, Driver, Sender};
use super::httpx::Httpx;
use crate::human::DeliveryOutcome;
use crate::journal::Party;
use crate::temporal::CallbackOutcome;

/// The host of the testkit's own callback route; it never leaves the process.
pub(crate) const HOST: &str = "receiver.test";

/// How long, in real time, the receiver of a completion callback may take.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(10);

/// Redirects in a row that a completion callback follows.
const MAX_REDIRECTS: usize = 10;

/// The callback route: verifies the signature, reads `?wf=`, signals the workflow.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    driver: Driver,
    client: Client,
    network: Network,
    state: Arc<Mutex<State>>,
}

/// What a test gives the receiver to do in the place of the testkit's own: a webhook in, an HTTP status out.
pub(crate) type Handler = Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, u16> + Send + Sync>;

struct State {
    key: WebhookKey,
    down: bool,
    handler: Option<Handler>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("down", &self.down)
            .finish_non_exhaustive()
    }
}

impl Receiver {
    pub(crate) fn new(driver: Driver, client: Client, key: WebhookKey) -> Self {
        let state = State {
            key,
            down: false,
            handler: None,
        };
        Self {
            driver,
            client,
            network: Network::default(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Takes the route off the air, or puts it back on.
    pub(crate) fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    /// Verifies with another key from now on.
    pub(crate) fn set_key(&self, key: WebhookKey) {
        self.lock().key = key;
    }

    /// From now on this is asked in the place of the testkit's own route.
    pub(crate) fn set_handler(&self, handler: Handler) {
        self.lock().handler = Some(handler);
    }

    /// Sends webhooks until the testkit is gone.
    pub(crate) async fn run(self, mut outgoing: mpsc::UnboundedReceiver<Delivery>) {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                delivery = outgoing.recv() => match delivery {
                    Some(delivery) => under_way.push(self.deliver(delivery)),
                    None => return,
                },
                Some(()) = under_way.next() => {}
            }
        }
    }

    /// One request, beside the others: a receiver that waits for something doesn't keep the next one waiting.
    async fn deliver(&self, delivery: Delivery) {
        match delivery.from {
            Sender::Human(attempt) if delivery.request.uri().host() == Some(HOST) => {
                let outcome = match delivery.receiver_crashes {
                    true => self.receive_and_crash(&delivery.request),
                    false => self.receive(&delivery.request).await,
                };
                self.driver.delivered(attempt, outcome);
            }
            _ => self.network.deliver(&self.driver, delivery).await,
        }
    }

    /// One webhook comes in.
    pub(crate) async fn receive(&self, request: &Request<Bytes>) -> DeliveryOutcome {
        let (down, key, handler) = {
            let state = self.lock();
            (state.down, state.key.clone(), state.handler.clone())
        };
        if down {
            return DeliveryOutcome::Failed("ConnectError: All connection attempts failed".to_owned());
        }
        if let Some(handler) = handler {
            let status = handler(request.clone()).await;
            self.note(format!("{status}: the test's own receiver"));
            return DeliveryOutcome::Answered(status);
        }
        let Some(workflow_id) = workflow_id(request) else {
            self.note("400: the callback URL has no ?wf=".to_owned());
            return DeliveryOutcome::Answered(400);
        };
        let verified = match verify(&key, request) {
            Ok(verified) => verified,
            Err(error) => return self.refuse(&error, &workflow_id),
        };
        let signal = signal_name(verified.idempotency_key());
        self.note(format!(
            "signature verified; signals {signal} to workflow {workflow_id}"
        ));
        match verified.signal(&self.client, &workflow_id).await {
            Ok(_) => DeliveryOutcome::Answered(200),
            Err(error) => self.refuse(&error, &workflow_id),
        }
    }

    /// One webhook comes in, and the receiver dies between verifying it and signalling the workflow.
    fn receive_and_crash(&self, request: &Request<Bytes>) -> DeliveryOutcome {
        let key = self.lock().key.clone();
        match (verify(&key, request), workflow_id(request)) {
            (Ok(_), Some(workflow_id)) => {
                self.note(format!(
                    "signature verified; dies before it signals workflow {workflow_id}"
                ));
            }
            _ => self.note("dies over a webhook that doesn't verify".to_owned()),
        }
        crate::world::disconnected()
    }

    fn refuse(&self, error: &DispatchError, workflow_id: &str) -> DeliveryOutcome {
        self.note(refusal(error, workflow_id));
        DeliveryOutcome::Answered(error.http_status())
    }

    fn note(&self, what: String) {
        self.driver.write(|world| world.note(Party::Receiver, what));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the timeline says of a webhook that was refused.
fn refusal(error: &DispatchError, workflow_id: &str) -> String {
    let status = error.http_status();
    match error {
        DispatchError::Signature(_) => format!(
            "{status}: the signature doesn't verify. Server and receiver must have the same AWAITHUMANS_PAYLOAD_KEY; \
             workflow {workflow_id} is not signalled"
        ),
        _ => format!("{status}: {error}; workflow {workflow_id} is not signalled"),
    }
}

/// A webhook whose signature is right.
fn verify(key: &WebhookKey, request: &Request<Bytes>) -> Result<VerifiedWebhook, DispatchError> {
    let signature = request.headers().get(SIGNATURE_HEADER);
    let signature = signature.and_then(|value| value.to_str().ok());
    VerifiedWebhook::parse(key, request.body(), signature)
}

/// The workflow that the callback URL names.
fn workflow_id(request: &Request<Bytes>) -> Option<String> {
    let query = request.uri().query()?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "wf")
        .map(|(_, value)| value.into_owned())
}

/// Receivers of webhooks and completion callbacks on the network, such as a wiremock server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    webhooks: Httpx,
    transport: ReqwestTransport,
}

impl Network {
    /// Sends webhooks until the world is gone. How many are under way at a time is the world's affair.
    #[cfg(feature = "serve")]
    pub(crate) async fn run(self, driver: Driver, mut outgoing: mpsc::UnboundedReceiver<Delivery>) {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                delivery = outgoing.recv() => match delivery {
                    Some(delivery) => under_way.push(self.deliver(&driver, delivery)),
                    None => return,
                },
                Some(()) = under_way.next() => {}
            }
        }
    }

    async fn deliver(&self, driver: &Driver, delivery: Delivery) {
        match delivery.from {
            Sender::Human(attempt) => driver.delivered(attempt, self.webhooks.send(delivery.request).await),
            Sender::Temporal(id) => driver.called_back(id, self.call_back(delivery.request).await),
        }
    }

    /// As Temporal's server sends it. Go's HTTP client follows redirects, but takes no body along.
    async fn call_back(&self, mut request: Request<Bytes>) -> CallbackOutcome {
        for _ in 0..MAX_REDIRECTS {
            let (uri, headers) = (request.uri().clone(), request.headers().clone());
            let outcome = self.call_back_once(request).await;
            let next = match &outcome {
                CallbackOutcome::Answered(response) => redirected(&uri, headers, response),
                CallbackOutcome::Failed(_) => None,
            };
            match next {
                Some(next) => request = next,
                None => return outcome,
            }
        }
        CallbackOutcome::Failed(format!("stopped after {MAX_REDIRECTS} redirects"))
    }

    async fn call_back_once(&self, request: Request<Bytes>) -> CallbackOutcome {
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        match tokio::time::timeout(NETWORK_TIMEOUT, self.transport.send(request)).await {
            Ok(Ok(response)) => CallbackOutcome::Answered(response),
            Ok(Err(error)) if error.to_string().contains("onnection refused") => {
                CallbackOutcome::Failed(format!("dial tcp {authority}: connect: connection refused"))
            }
            Ok(Err(error)) => CallbackOutcome::Failed(error.to_string()),
            Err(_) => CallbackOutcome::Failed("context deadline exceeded".to_owned()),
        }
    }
}

/// Where an answer sends its request.
fn redirected(
    from: &http::Uri,
    mut headers: http::HeaderMap,
    response: &http::Response<Bytes>,
) -> Option<Request<Bytes>> {
    if !matches!(response.status().as_u16(), 301..=303) {
        return None;
    }
    let location = response.headers().get(http::header::LOCATION)?.to_str().ok()?;
    let base = url::Url::parse(&from.to_string()).ok()?;
    let to = base
        .join(location)
        .ok()
        .filter(|to| matches!(to.scheme(), "http" | "https"))?;
    headers.remove(http::header::CONTENT_TYPE);
    if to.host() != base.host() {
        headers.remove(http::header::AUTHORIZATION);
        headers.remove(http::header::COOKIE);
    }
    headers.insert(http::header::REFERER, base.as_str().parse().ok()?);
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = to.as_str().parse().ok()?;
    *request.headers_mut() = headers;
    Some(request)
}
