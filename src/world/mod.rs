//! The world: sole owner of all state. Inputs go in, outputs come out, and time is an argument.
//!
//! Call [`World::handle`] for what comes from outside, then [`World::poll_output`] until it gives nothing. When the world
//! [is quiet](World::is_quiet), time may move: [`World::poll_timeout`] says to when, and [`World::handle_timeout`] fires
//! one thing. The world settles between two of them.
//!
//! - `calls.rs`, `tasks.rs`, `requests.rs`, `webhooks.rs`: the boundaries at which fault rules strike, one a file
//! - `moments.rs`: what has happened, and the rules whose moment that is; `events.rs`: faults that happen at a moment
//! - `later.rs`: what is on its way for a while; `struck.rs`: who waits for all that, in plain words

mod calls;
mod events;
mod later;
mod moments;
mod requests;
mod struck;
mod tasks;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use crate::clock::{HoldId, Holds, TimerQueue, Timestamp};
use crate::entropy::Entropy;
use crate::fault::Rules;
use crate::human::{self, AttemptId, DeliveryOutcome, Human};
use crate::journal::{Journal, Mark, Party};
use crate::moment::{Happening, MomentKind};
use crate::temporal::{
    Answer, Call, CallbackId, CallbackOutcome, DynamicConfigError, Engine, HandOut, SearchAttributeType, Skipping,
    Ticket,
};
use calls::Calls;
use later::{Later, Waiting};
use moments::Moments;
use requests::Requests;
use tasks::Tasks;
use webhooks::Webhooks;
pub(crate) use webhooks::disconnected;

/// Something that comes from outside.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A gRPC call.
    Rpc {
        /// By which its answer finds its way back.
        ticket: Ticket,
        /// The connection it came by.
        connection: u64,
        /// The full name of the service.
        service: &'a str,
        /// The name of the method.
        method: &'a str,
        /// The encoded message.
        request: &'a [u8],
    },
    /// The client of a gRPC call went away.
    RpcAbandoned {
        /// The call.
        ticket: Ticket,
    },
    /// A gRPC call has waited as long as it may over a network.
    RpcExpired {
        /// The call.
        ticket: Ticket,
    },
    /// A connection is gone, with all that a worker held by it.
    Disconnected {
        /// The connection.
        connection: u64,
    },
    /// A request to the awaithumans server.
    Http {
        /// By which its answer finds its way back.
        ticket: Ticket,
        /// The request.
        request: http::Request<Bytes>,
    },
    /// The client of an awaithumans request went away.
    HttpAbandoned {
        /// The request.
        ticket: Ticket,
    },
    /// A webhook has been delivered, or couldn't be.
    Delivered {
        /// Which attempt.
        attempt: AttemptId,
        /// How it went.
        outcome: DeliveryOutcome,
    },
    /// A completion callback of a workflow has been answered by another server, or couldn't be sent.
    CalledBack {
        /// Which attempt.
        id: CallbackId,
        /// How it went.
        outcome: CallbackOutcome,
    },
}

/// Something for the driver to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// The answer to a gRPC call.
    Rpc(Answer),
    /// The answer to an awaithumans request.
    Http {
        /// The request.
        ticket: Ticket,
        /// The answer.
        response: http::Response<Bytes>,
    },
    /// The awaithumans server is down, or went down: the request gets no answer.
    HttpDropped {
        /// The request.
        ticket: Ticket,
    },
    /// A webhook to send.
    Deliver {
        /// Names the attempt in [`Input::Delivered`].
        attempt: AttemptId,
        /// The task that ended.
        task_id: String,
        /// The request, with its absolute URL.
        request: http::Request<Bytes>,
        /// The testkit's own receiver dies between verifying it and signalling the workflow.
        receiver_crashes: bool,
    },
    /// A connection breaks: its worker has been killed.
    Cut {
        /// The connection.
        connection: u64,
    },
    /// A killed worker is to be started again. Time stands still until [`World::end_worker_start`] is called.
    StartWorker {
        /// Its identity.
        identity: String,
    },
    /// A completion callback of a workflow, to send to another server. After 10 seconds without an answer the outcome is
    /// `Failed("context deadline exceeded")`.
    CallBack {
        /// Names the attempt in [`Input::CalledBack`].
        id: CallbackId,
        /// The request, with its absolute URL.
        request: http::Request<Bytes>,
    },
}

/// All parties on one clock.
#[derive(Debug)]
pub struct World {
    now: Timestamp,
    temporal: Engine,
    human: Human,
    journal: Journal,
    holds: Holds,
    deliveries: BTreeSet<AttemptId>,
    /// How often something has reached the awaithumans server.
    human_inputs: u64,
    started_at: Timestamp,
    hand_out: HandOut,
    faults: Rules,
    /// What tests have said that happened in the world outside, by its idempotency key.
    effects: Vec<String>,
    /// What is on its way for a while, by a fault.
    later: TimerQueue<Later>,
    outputs: VecDeque<Output>,
    calls: Calls,
    tasks: Tasks,
    requests: Requests,
    webhooks: Webhooks,
    moments: Moments,
    /// Workers that were killed and don't run, and when each is started again.
    killed: BTreeMap<String, Option<Timestamp>>,
    /// How far the clocks of Temporal and of awaithumans are ahead of the world's.
    ahead: Ahead,
}

/// How far a party's clock is ahead of the world's.
#[derive(Clone, Copy, Debug, Default)]
struct Ahead {
    temporal: Duration,
    human: Duration,
}

/// How often schedules may fire during one wait while nothing else is due: they never end by themselves.
const MAX_LONELY_FIRINGS: u64 = 10_000;

/// The streams of randomness, so that one party's draws don't shift another's.
const TEMPORAL_STREAM: u64 = 1;
const HUMAN_STREAM: u64 = 2;

impl World {
    /// A world at `config.started_at`, with nothing in it.
    pub fn new(seed: u64, hand_out: HandOut, config: human::Config) -> Self {
        Self {
            now: config.started_at,
            started_at: config.started_at,
            hand_out,
            faults: Rules::default(),
            effects: Vec::new(),
            later: TimerQueue::default(),
            outputs: VecDeque::new(),
            calls: Calls::default(),
            tasks: Tasks::default(),
            requests: Requests::default(),
            webhooks: Webhooks::default(),
            moments: Moments::default(),
            killed: BTreeMap::new(),
            ahead: Ahead::default(),
            temporal: Engine::new(Entropy::stream(seed, TEMPORAL_STREAM), hand_out),
            human: Human::new(config, Entropy::stream(seed, HUMAN_STREAM)),
            journal: Journal::default(),
            holds: Holds::default(),
            deliveries: BTreeSet::new(),
            human_inputs: 0,
        }
    }

    // Getters.

    /// Virtual time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The in-memory Temporal.
    pub fn temporal(&self) -> &Engine {
        &self.temporal
    }

    /// The fake awaithumans server.
    pub fn human(&self) -> &Human {
        &self.human
    }

    /// How often something has reached the awaithumans server: while this number stays, so does the server's state.
    pub fn human_inputs(&self) -> u64 {
        self.human_inputs
    }

    /// The record of what happened.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Whether somebody is at work: a worker with a task, a webhook on its way.
    pub fn is_busy(&self) -> bool {
        !self.deliveries.is_empty() || self.temporal.is_busy() || self.calls.is_busy() || self.tasks.is_busy()
    }

    /// Whether nothing moves by itself, so that time may.
    pub fn is_quiet(&self) -> bool {
        self.held_by().next().is_none() && !self.is_busy() && self.temporal.is_idle()
    }

    /// Whether a wait in which schedules have fired so often makes no sense any more, since nothing else is due.
    pub fn is_endless(&self, firings: u64) -> bool {
        firings >= MAX_LONELY_FIRINGS && self.temporal.has_only_schedules_due() && self.human.poll_timeout().is_none()
    }

    /// What keeps time from moving, in plain words.
    pub fn busy_with(&self) -> Vec<String> {
        let holds = self.held_by().map(|reason| format!("a hold: {reason}"));
        holds.chain(self.at_work()).collect()
    }

    /// Who is at work, in plain words.
    pub fn at_work(&self) -> impl Iterator<Item = String> {
        let deliveries = self.deliveries.iter().map(|_| "a webhook on its way".to_owned());
        let faults = self.calls.busy_with().chain(self.tasks.busy_with());
        deliveries.chain(self.temporal.busy_with()).chain(faults)
    }

    /// Whether a client waits for a call that a fault delays.
    pub fn has_delayed_client(&self) -> bool {
        let is_clients = |later: &Later| {
            matches!(
                later,
                Later::Call {
                    caller: Waiting::Client(_),
                    ..
                }
            )
        };
        self.later.iter().any(|(_, later)| is_clients(later))
    }

    /// Whether a webhook or a completion callback is on its way.
    pub fn is_delivering(&self) -> bool {
        !self.deliveries.is_empty() || self.temporal.is_calling_back()
    }

    /// The holds of the test, oldest first, each with its reason.
    pub fn holds(&self) -> impl Iterator<Item = (HoldId, &str)> {
        self.holds.reasons()
    }

    /// Why the test holds time, if it does: by itself, or through Temporal's test service.
    pub fn held_by(&self) -> impl Iterator<Item = String> {
        let locked = (self.temporal.time_skipping() == Skipping::Locked).then(|| "LockTimeSkipping".to_owned());
        self.holds().map(|(_, reason)| reason.to_owned()).chain(locked)
    }

    // Handlers.

    /// Takes something from outside and lets everything happen that follows from it.
    pub fn handle(&mut self, input: Input<'_>) {
        let temporal_now = self.temporal_now();
        match input {
            Input::Rpc {
                ticket,
                connection,
                service,
                method,
                request,
            } => {
                let call = Call {
                    now: temporal_now,
                    ticket,
                    connection,
                    service,
                    method,
                };
                self.take_call(call, request);
            }
            Input::RpcAbandoned { ticket } => {
                self.tasks.forget(ticket);
                self.calls.abandon(ticket);
                self.temporal.handle_abandoned(temporal_now, ticket);
            }
            Input::RpcExpired { ticket } => self.temporal.handle_expired(temporal_now, ticket),
            Input::Disconnected { connection } => self.disconnect(connection),
            Input::Http { ticket, request } => self.take_request(ticket, request),
            Input::HttpAbandoned { ticket } => self.human.handle_abandoned(ticket),
            Input::CalledBack { id, outcome } => self.temporal.handle_called_back(temporal_now, id, outcome),
            Input::Delivered { attempt, outcome } => self.take_delivered(attempt, outcome),
        }
        self.repeat_tasks_at_once();
        self.take_notes();
    }

    fn disconnect(&mut self, connection: u64) {
        self.calls.forget(connection);
        self.tasks.forget_connection(connection);
        let now = self.temporal_now();
        self.temporal.handle_disconnected(now, connection);
    }

    /// Gives one task to a worker, unless somebody is at work already. Gives whether it did.
    pub fn hand_out_next(&mut self) -> bool {
        if self.is_busy() {
            return false;
        }
        if self.repeat_task() {
            return true;
        }
        let handed_out = self.temporal.hand_out_next(self.temporal_now());
        self.take_notes();
        handed_out
    }

    /// Moves time to the next deadline and fires the one thing that is due first there. Nothing happens if `until` comes
    /// before it. Gives whether something fired.
    ///
    /// At one moment faults come first, then Temporal's timers, then awaithumans' schedulers.
    pub fn handle_timeout(&mut self, until: Timestamp) -> bool {
        let Some(deadline) = self.poll_timeout().filter(|deadline| *deadline <= until) else {
            return false;
        };
        self.now = self.now.max(deadline);
        let temporal_now = self.temporal_now();
        if let Some((_, later)) = self.later.pop_due(self.now) {
            self.bring_about(later);
        } else if self.temporal.poll_timeout().is_some_and(|due| due <= temporal_now) {
            self.temporal.handle_timeout(temporal_now);
        } else {
            let (human, now, journal) = self.human_mut();
            human.handle_timeout(now, journal);
        }
        self.temporal.handle_time(self.temporal_now());
        self.repeat_tasks_at_once();
        self.take_notes();
        true
    }

    /// Moves time forward to `moment` when nothing is due before.
    pub fn set_time(&mut self, moment: Timestamp) {
        if self.is_clock_held() {
            return;
        }
        let earliest_due = self.poll_timeout().unwrap_or(Timestamp::MAX);
        self.now = self.now.max(moment.min(earliest_due));
        self.temporal.handle_time(self.temporal_now());
    }

    /// The grace is over: goes on without those who don't answer. Gives who they are.
    pub fn release_blocked(&mut self) -> Vec<String> {
        let mut blocked = self.temporal.release_blocked(self.temporal_now());
        blocked.extend(self.calls.release().into_iter().chain(self.tasks.release()));
        self.take_notes();
        blocked
    }

    /// Refuses every client that waits for a result: nothing can move any more.
    pub fn refuse_waiting(&mut self, report: &str) {
        self.temporal.refuse_waiting(report);
    }

    /// What tests have said that happened in the world outside, each by its idempotency key, oldest first.
    pub fn effects(&self) -> &[String] {
        &self.effects
    }

    // Mutators.

    /// Something happens in the world outside, money is paid say, under an idempotency key.
    pub fn record_effect(&mut self, idempotency_key: impl Into<String>) {
        let key = idempotency_key.into();
        self.note(Party::Worker, format!("effect {key}"));
        self.effects.push(key);
    }

    /// Gives a namespace a search attribute. `false` if there is no such namespace, or no place for another one.
    pub fn add_search_attribute(&mut self, namespace: &str, name: &str, kind: SearchAttributeType) -> bool {
        self.temporal.add_search_attribute(namespace, name, kind)
    }

    /// Stops time.
    pub fn hold(&mut self, reason: impl Into<String>) -> HoldId {
        self.holds.take(reason)
    }

    /// Lets time go on, as far as this hold is concerned.
    pub fn release(&mut self, hold: HoldId) -> bool {
        self.holds.release(hold)
    }

    /// Sets one setting of Temporal's dynamic configuration.
    ///
    /// # Errors
    /// If nothing here goes by that setting, or the value is of another type.
    pub fn set_dynamic_config(&mut self, name: &str, value: &serde_json::Value) -> Result<(), DynamicConfigError> {
        self.temporal.set_dynamic_config(name, value)
    }

    /// From now on, what ends in the namespace `default` is forgotten after this time, and not kept for ever.
    pub fn set_retention(&mut self, retention: Duration) {
        self.temporal.set_retention(retention);
    }

    /// A worker is starting: no task goes out until [`Self::end_worker_start`].
    pub fn begin_worker_start(&mut self) {
        self.temporal.begin_worker_start();
    }

    /// The worker polls all its queues.
    pub fn end_worker_start(&mut self) {
        self.temporal.end_worker_start(self.temporal_now());
        self.take_notes();
    }

    /// The worker of this identity polls.
    pub(crate) fn worker_has_started(&mut self, identity: &str) {
        self.killed.remove(identity);
        let started = Happening::new(MomentKind::WorkerStarted, identity, "");
        self.journal.set_ahead(Duration::ZERO);
        self.journal.happened(self.now, started);
        self.take_notes();
    }

    /// The worker of this identity was killed by the test.
    pub(crate) fn worker_was_killed(&mut self, identity: &str) {
        self.killed.insert(identity.to_owned(), None);
    }

    /// Writes a line of the timeline that stands out.
    pub(crate) fn mark(&mut self, party: Party, mark: Mark, what: impl Into<String>) {
        self.journal.set_ahead(Duration::ZERO);
        self.journal.marked(self.now, party, mark, what);
    }

    /// Writes a line of the timeline.
    pub fn note(&mut self, party: Party, what: impl Into<String>) {
        self.journal.set_ahead(Duration::ZERO);
        self.journal.headline(self.now, party, what);
    }

    /// The fake awaithumans server, with the time and the journal that its methods want.
    pub fn human_mut(&mut self) -> (&mut Human, Timestamp, &mut Journal) {
        self.human_inputs += 1;
        self.journal.set_ahead(self.ahead.human);
        (&mut self.human, self.now + self.ahead.human, &mut self.journal)
    }

    // Polling.

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if let Some(answer) = self.temporal.poll_output() {
                self.give_answer(answer);
            } else if let Some((id, request)) = self.temporal.poll_callback() {
                return Some(Output::CallBack { id, request });
            } else {
                match self.human.poll_output()? {
                    human::Output::Reply { ticket, response } => self.give_response(ticket, response),
                    human::Output::Dropped { ticket } => return Some(Output::HttpDropped { ticket }),
                    human::Output::Deliver {
                        attempt,
                        task_id,
                        request,
                    } => self.send_webhook(attempt, task_id, request),
                }
            }
        }
    }

    /// When the next thing is due; `None` if nothing is, or while a fault holds the clock.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if self.is_clock_held() {
            return None;
        }
        let temporal = self.temporal.poll_timeout().map(|due| due - self.ahead.temporal);
        let human = self.human.poll_timeout().map(|due| due - self.ahead.human);
        [temporal, human, self.later.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn temporal_now(&self) -> Timestamp {
        self.now + self.ahead.temporal
    }
}
