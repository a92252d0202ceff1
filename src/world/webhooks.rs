//! The boundary of webhooks on their way to a receiver.

use std::collections::{BTreeMap, BTreeSet};

use awaithumans_temporal::{PayloadKey, SIGNATURE_HEADER};
use bytes::Bytes;
use http::{HeaderValue, Uri};

use super::later::Later;
use super::{Output, World};
use crate::clock::TimerKey;
use crate::fault::{Fault, Moment, RuleId, Span, Waiting, When};
use crate::human::{AttemptId, DELIVERY_TIMEOUT, DeliveryOutcome};

/// Webhooks that a fault has struck.
#[derive(Debug, Default)]
pub(super) struct Webhooks {
    /// Those that wait for a moment.
    held: Vec<Waiting<(Shipment, Span)>>,
    /// How many attempts nobody asked for.
    copies: u64,
    /// Those whose receiver waits for time to pass: they don't hold it up.
    waiting: BTreeSet<AttemptId>,
    /// When the senders of such webhooks give up.
    patience: BTreeMap<AttemptId, TimerKey>,
}

/// A webhook on its way.
#[derive(Clone, Debug)]
pub(super) struct Shipment {
    attempt: AttemptId,
    task_id: String,
    request: http::Request<Bytes>,
    receiver_crashes: bool,
    /// When the sender gives up, if it does.
    gives_up: Option<TimerKey>,
}

impl Shipment {
    pub(super) fn task_id(&self) -> &str {
        &self.task_id
    }
}

impl Webhooks {
    /// Those that wait for a moment: the task of each, and the moment.
    pub(super) fn held(&self) -> impl Iterator<Item = (&str, &Moment)> {
        let held = self.held.iter();
        held.map(|waiting| (waiting.what.0.task_id(), waiting.moment()))
    }
}

/// A key that no server has.
const OTHER_KEY: [u8; 32] = [0xa5; 32];

impl World {
    /// How an attempt ended, as its sender sees it. Attempts that nobody asked for end unheard.
    pub(super) fn take_outcome(&mut self, attempt: AttemptId, outcome: DeliveryOutcome) {
        if !self.is_copy(attempt) {
            let (human, now, journal) = self.human_mut();
            human.handle_delivered(now, journal, attempt, outcome);
        }
    }

    /// A receiver has answered. Its sender may have given up meanwhile.
    pub(super) fn take_delivered(&mut self, attempt: AttemptId, outcome: DeliveryOutcome) {
        if !self.deliveries.remove(&attempt) && !self.webhooks.waiting.remove(&attempt) {
            return;
        }
        let patience = self.webhooks.patience.remove(&attempt);
        if patience.is_none_or(|timer| self.later.cancel(timer).is_some()) {
            self.take_outcome(attempt, outcome);
        }
    }

    /// A call of a receiver's is delayed: what it is at work on waits for time to pass, and its sender gives up after its time.
    pub(super) fn receivers_wait(&mut self) -> Vec<AttemptId> {
        let waiting: Vec<AttemptId> = std::mem::take(&mut self.deliveries).into_iter().collect();
        for attempt in waiting.iter().copied() {
            self.webhooks.waiting.insert(attempt);
            if !self.is_copy(attempt) && !self.webhooks.patience.contains_key(&attempt) {
                let gives_up = Later::Outcome(attempt, DeliveryOutcome::Failed("ReadTimeout: ".to_owned()));
                let timer = self.later.set(self.now + DELIVERY_TIMEOUT, gives_up);
                self.webhooks.patience.insert(attempt, timer);
            }
        }
        waiting
    }

    /// The call has come: receivers are at work again.
    pub(super) fn receivers_go_on(&mut self, attempts: Vec<AttemptId>) {
        let waiting = &mut self.webhooks.waiting;
        self.deliveries
            .extend(attempts.into_iter().filter(|attempt| waiting.remove(attempt)));
    }

    /// A webhook leaves, unless a rule strikes it.
    pub(super) fn send_webhook(&mut self, attempt: AttemptId, task_id: String, request: http::Request<Bytes>) {
        let shipment = Shipment {
            attempt,
            task_id,
            request,
            receiver_crashes: false,
            gives_up: None,
        };
        let struck = match self.faults.is_empty() {
            true => None,
            false => {
                let task = self.human.task(&shipment.task_id);
                let key = task.map(|task| task.idempotency_key.clone()).unwrap_or_default();
                self.faults.on_webhook(&key)
            }
        };
        match struck {
            None => self.ship(shipment),
            Some((id, fault)) => self.strike_webhook(shipment, id, fault),
        }
        // An answer that a rule has given may have brought about more.
        self.take_notes();
    }

    fn strike_webhook(&mut self, mut shipment: Shipment, id: RuleId, fault: Fault) {
        match fault {
            Fault::LoseWebhook { .. } => {
                self.note_fired(id, "the webhook is lost on its way");
                self.give_up_on(&mut shipment);
            }
            Fault::ReceiverHangs { .. } => {
                self.note_fired(id, "the receiver takes the webhook and never answers");
                self.give_up_on(&mut shipment);
            }
            Fault::LoseWebhookAnswer { .. } => {
                self.note_fired(id, "the webhook arrives, and the receiver's answer is lost");
                self.give_up_on(&mut shipment);
                let copy = self.copy_of(&shipment);
                self.ship(copy);
            }
            Fault::DelayWebhook { by, .. } => {
                self.note_fired(id, &format!("the webhook takes {by} to arrive"));
                self.delay(shipment, by);
            }
            Fault::HoldWebhook { until, .. } => self.hold_webhook(shipment, id, until),
            Fault::RepeatWebhook { after, .. } => {
                self.note_fired(id, &format!("the webhook will arrive again {after} later"));
                let copy = self.copy_of(&shipment);
                self.later.set(self.now + after.get(), Later::Webhook(copy));
                self.ship(shipment);
            }
            Fault::FlipWebhookBit { bit, .. } => {
                self.note_fired(id, "one bit of the webhook's body is another");
                *shipment.request.body_mut() = with_bit_flipped(shipment.request.body(), bit);
                self.ship(shipment);
            }
            Fault::MissignWebhook { .. } => {
                self.note_fired(id, "the webhook is signed with another key");
                let key = PayloadKey::from_bytes(OTHER_KEY).webhook_key();
                let signature = HeaderValue::from_str(&key.sign(shipment.request.body()).to_string());
                if let Ok(signature) = signature {
                    shipment.request.headers_mut().insert(SIGNATURE_HEADER, signature);
                }
                self.ship(shipment);
            }
            Fault::MisdirectWebhook { workflow, .. } => {
                self.note_fired(id, &format!("the webhook's URL names workflow {workflow}"));
                *shipment.request.uri_mut() = naming(shipment.request.uri(), &workflow);
                self.ship(shipment);
            }
            Fault::ReceiverAnswers { status, .. } => {
                self.note_fired(id, &format!("the receiver answers {status} and does nothing"));
                self.take_outcome(shipment.attempt, DeliveryOutcome::Answered(status));
            }
            Fault::ReceiverCloses { .. } => {
                self.note_fired(id, "the receiver closes the socket without an answer");
                self.take_outcome(shipment.attempt, disconnected());
            }
            Fault::ReceiverCrashes { .. } => {
                self.note_fired(id, "the receiver dies after it has verified the webhook");
                shipment.receiver_crashes = true;
                self.ship(shipment);
            }
            other => debug_assert!(false, "{} doesn't strike webhooks", other.name()),
        }
    }

    /// A webhook is with its receiver from now on.
    pub(super) fn ship(&mut self, mut shipment: Shipment) {
        if let Some(timer) = shipment.gives_up.take() {
            // In time: the answer counts. Otherwise the sender has given up on it, and its answer is nobody's.
            if self.later.cancel(timer).is_none() {
                shipment.attempt = self.copy_id();
            }
        }
        self.deliveries.insert(shipment.attempt);
        self.outputs.push_back(Output::Deliver {
            attempt: shipment.attempt,
            task_id: shipment.task_id,
            request: shipment.request,
            receiver_crashes: shipment.receiver_crashes,
        });
    }

    /// Releases the webhooks whose moment this is.
    pub(super) fn release_webhooks(&mut self, happening: &crate::moment::Happening) {
        let mut released = Vec::new();
        self.webhooks.held.retain_mut(|waiting| {
            let has_come = waiting.has_come(happening);
            if has_come {
                released.push(waiting.what.clone());
            }
            !has_come
        });
        for (shipment, after) in released {
            self.later.set(self.now + after.get(), Later::Webhook(shipment));
        }
    }

    fn hold_webhook(&mut self, mut shipment: Shipment, id: RuleId, until: When) {
        self.note_fired(id, &format!("the webhook is held until {until}"));
        let after = until.after.unwrap_or_default();
        self.give_up_on(&mut shipment);
        match (until.moment(), until.at) {
            (Some(moment), _) => self.webhooks.held.push(Waiting::new(moment, (shipment, after))),
            (None, at) => {
                let at = self.started_at + at.unwrap_or_default().get() + after.get();
                self.later.set(at, Later::Webhook(shipment));
            }
        }
    }

    fn delay(&mut self, mut shipment: Shipment, by: Span) {
        if by.get() >= DELIVERY_TIMEOUT {
            self.give_up_on(&mut shipment);
        }
        self.later.set(self.now + by.get(), Later::Webhook(shipment));
    }

    /// The sender waits for an answer, and gives up after its time.
    fn give_up_on(&mut self, shipment: &mut Shipment) {
        let outcome = DeliveryOutcome::Failed("ReadTimeout: ".to_owned());
        let gives_up = Later::Outcome(shipment.attempt, outcome);
        shipment.gives_up = Some(self.later.set(self.now + DELIVERY_TIMEOUT, gives_up));
    }

    /// The same bytes, whose answer is nobody's.
    fn copy_of(&mut self, shipment: &Shipment) -> Shipment {
        Shipment {
            attempt: self.copy_id(),
            gives_up: None,
            ..shipment.clone()
        }
    }

    fn copy_id(&mut self) -> AttemptId {
        self.webhooks.copies += 1;
        AttemptId(u64::MAX - self.webhooks.copies)
    }

    fn is_copy(&self, attempt: AttemptId) -> bool {
        u64::MAX - attempt.0 <= self.webhooks.copies
    }
}

/// What httpx says when a server goes away.
pub(crate) fn disconnected() -> DeliveryOutcome {
    DeliveryOutcome::Failed("RemoteProtocolError: Server disconnected without sending a response.".to_owned())
}

fn with_bit_flipped(body: &Bytes, bit: u64) -> Bytes {
    let mut bytes = body.to_vec();
    let bits = (bytes.len() as u64).saturating_mul(8);
    let Some(bit) = bit.checked_rem(bits) else {
        return body.clone();
    };
    let place = usize::try_from(bit / 8).unwrap_or_default();
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << (bit % 8);
    }
    Bytes::from(bytes)
}

/// The same address, with another workflow in its query.
fn naming(uri: &Uri, workflow: &str) -> Uri {
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let mut written = form_urlencoded::Serializer::new(String::new());
    for (name, value) in query.filter(|(name, _)| name != "wf") {
        written.append_pair(&name, &value);
    }
    let query = written.append_pair("wf", workflow).finish();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = format!("{}?{query}", uri.path()).parse().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_workflow_is_named_and_the_rest_stays() {
        let uri: Uri = "http://receiver.test/callback?wf=refund-1&x=1".parse().unwrap();
        assert_eq!(
            naming(&uri, "refund 2").to_string(),
            "http://receiver.test/callback?x=1&wf=refund+2"
        );
    }

    #[test]
    fn just_one_bit_is_another() {
        let body = Bytes::from_static(b"abc");
        let flipped = with_bit_flipped(&body, 24 + 9);
        let differing: u32 = body
            .iter()
            .zip(&flipped)
            .map(|(one, other)| (one ^ other).count_ones())
            .sum();
        assert_eq!((differing, flipped.len()), (1, 3));
        assert_eq!(with_bit_flipped(&Bytes::new(), 7), Bytes::new());
    }
}
