//! The fake awaithumans server, as a value: no sockets, no clock, no randomness of its own.
//!
//! # How to drive it
//! - [`Human::handle_request`] takes an HTTP request under a ticket. The reply comes out of [`Human::poll_output`], at once or,
//!   for a long poll, later.
//! - [`Human::poll_output`] is called until it gives `None`. A [`Output::Deliver`] is a callback to send; how that went comes
//!   back through [`Human::handle_delivered`].
//! - [`Human::poll_timeout`] says when something is due next; then [`Human::handle_timeout`] does one due thing, so the world
//!   can settle between two of them.
//!
//! # Where things are
//! - `task.rs`: a task's life, transition table on top; `store.rs`: all tasks and their audit trail; `register.rs`: what lists go by
//! - `api/`: the HTTP routes, one file for each family; `reject.rs`: every refusal
//! - `schedule.rs`: what time does: timeouts, ticks, long polls, people; `outbox.rs`, `send.rs`: callbacks
//! - `people/`, `verifier/`: the scripts; `judging.rs`: answers on their way through the verifier
//! - `profile.rs`: which awaithumans this is; `config.rs`: what it is made with
//! - `access.rs`: who may do what, by `session.rs` or by `embed/`; `users.rs`: the directory; `rate_limit.rs`
//! - `router.rs`: whom a task goes to; `notify.rs`: who is told, into the `inbox.rs`; `links.rs`, `pages.rs`: what they can click

mod access;
mod api;
mod callback_url;
mod config;
mod embed;
mod form;
mod identities;
mod inbox;
mod judging;
mod keys;
mod links;
mod notify;
mod outbox;
mod pages;
mod people;
mod profile;
mod python;
mod rate_limit;
mod register;
mod reject;
mod router;
mod schedule;
mod send;
mod session;
mod slack;
mod state;
mod store;
mod task;
mod users;
mod verifier;

#[cfg(feature = "serve")]
pub(crate) use api::http_date;
pub(crate) use api::internal_error;
pub(crate) use callback_url::Unsendable;
pub use config::{Config, ConfigError, WrongType};
pub use inbox::{Channel, MagicLink, Notification, NotificationFailure, Sender};
pub use notify::EmailDefaults;
pub use outbox::{
    AttemptId, BATCH_SIZE, DELIVERY_TIMEOUT, Delivery, DeliveryOutcome, DeliveryStatus, RETRY_BACKOFF_SECONDS,
    RETRY_MAX_AGE,
};
pub(crate) use people::{Act, ScriptLine};
pub use people::{Day, Latency, Matcher, OfficeHours, On, People, SOMEBODY};
pub use profile::{Profile, Timing};
pub(crate) use send::request as callback_request;
pub use state::{RestoreError, Snapshot};
pub use task::{Status, Task};
pub use users::User;
#[cfg(all(test, feature = "serve"))]
pub(crate) use verifier::Config as VerifierConfig;
pub use verifier::{DEFAULT_MAX_ATTEMPTS, MAX_MAX_ATTEMPTS, Verdict, Verifier, VerifierResult};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Deref, DerefMut};

use awaithumans_temporal::wire::json::Json;
use bytes::Bytes;

use crate::clock::{TimerKey, TimerQueue, Timestamp};
use crate::entropy::Entropy;
use crate::journal::{Journal, Party};
use crate::moment::{Happening, MomentKind};

use identities::Identities;
use judging::Waiting;
use keys::Keys;
use outbox::Outbox;
use rate_limit::RateLimits;
use reject::Reject;
use schedule::{ParkedPoll, Ticks, Timer};
use slack::Slack;
use store::Store;
use task::{Event, Submission};
use users::Users;

/// The least time that a task may wait for a person, in seconds. Source: `MIN_TIMEOUT_SECONDS`.
pub const MIN_TIMEOUT_SECONDS: i64 = 60;

/// The most time that a task may wait for a person, in seconds: 30 days. Source: `MAX_TIMEOUT_SECONDS`.
pub const MAX_TIMEOUT_SECONDS: i64 = 2_592_000;

/// Makes the header `X-Awaithumans-Signature` of a callback, `sha256=<hex>`, from its body.
pub type Signer = Box<dyn Fn(&[u8]) -> String + Send>;

/// Something for the driver to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// The answer to a request.
    Reply {
        /// The request's ticket.
        ticket: u64,
        /// The answer, all headers included.
        response: http::Response<Bytes>,
    },
    /// There will be no answer: the connection breaks, or was refused.
    Dropped {
        /// The request's ticket.
        ticket: u64,
    },
    /// A callback to send. Redirects are not to be followed; after [`DELIVERY_TIMEOUT`] without an answer the outcome is
    /// `Failed("ReadTimeout: ")`.
    Deliver {
        /// Names the attempt in [`Human::handle_delivered`].
        attempt: AttemptId,
        /// The task that ended.
        task_id: String,
        /// The request as httpx would send it, absolute URI included.
        request: http::Request<Bytes>,
    },
}

/// The fake awaithumans server.
#[derive(Debug)]
pub struct Human {
    config: Config,
    entropy: Entropy,
    /// A generator of its own, so that a health check doesn't change the ids of tasks.
    request_ids: Entropy,
    store: Store,
    outbox: Outbox,
    people: People,
    verifier: Verifier,
    /// A generator of its own for what must not be guessed, so that a link more in an e-mail doesn't change the ids of tasks.
    secrets: Entropy,
    keys: Keys,
    users: Users,
    /// What makes the first operator, while there is no user.
    setup_token: Option<String>,
    limits: RateLimits,
    identities: Identities,
    slack: Slack,
    inbox: Vec<Notification>,
    /// Magic links that were followed.
    used_links: BTreeSet<String>,
    timers: TimerQueue<Timer>,
    /// The timer of each open task's timeout.
    expiries: BTreeMap<String, TimerKey>,
    webhook_tick: Option<TimerKey>,
    ticks: Ticks,
    polls: BTreeMap<u64, ParkedPoll>,
    /// Answers that wait for their verdict, by number.
    judging: BTreeMap<u64, Waiting>,
    next_judging: u64,
    /// Open tasks for which no behaviour has been found yet.
    unplanned: BTreeSet<String>,
    outputs: VecDeque<Output>,
    running: bool,
}

/// Handlers and polls: what the driver calls.
impl Human {
    /// A server without tasks.
    pub fn new(config: Config, mut entropy: Entropy) -> Self {
        let seed = entropy.next_u64();
        let mut secrets = Entropy::stream(seed, 1);
        let latencies = Entropy::stream(seed, 2).next_u64();
        let has_slack = config.slack_bot_token.as_deref().is_some_and(|token| !token.is_empty());
        Self {
            request_ids: Entropy::new(seed),
            keys: Keys::derive(&config.payload_key),
            users: Users::default(),
            setup_token: Some(links::token_32(&mut secrets)),
            secrets,
            limits: RateLimits::default(),
            identities: Identities::default(),
            slack: Slack {
                is_configured: has_slack,
            },
            inbox: Vec::new(),
            used_links: BTreeSet::new(),
            outbox: Outbox::new(config.profile),
            ticks: Ticks::from(config.started_at),
            config,
            entropy,
            store: Store::default(),
            people: People::seeded(latencies),
            verifier: Verifier::default(),
            timers: TimerQueue::default(),
            expiries: BTreeMap::new(),
            webhook_tick: None,
            polls: BTreeMap::new(),
            judging: BTreeMap::new(),
            next_judging: 0,
            unplanned: BTreeSet::new(),
            outputs: VecDeque::new(),
            running: true,
        }
    }

    /// Takes a request. The reply comes out of [`Human::poll_output`] under the same ticket.
    pub fn handle_request(
        &mut self,
        now: Timestamp,
        journal: &mut Journal,
        ticket: u64,
        request: http::Request<Bytes>,
    ) {
        if !self.running {
            self.outputs.push_back(Output::Dropped { ticket });
            return;
        }
        if let Some(response) = api::handle(self, now, journal, ticket, request) {
            self.outputs.push_back(Output::Reply { ticket, response });
        }
    }

    /// The client of a request went away: a long poll ends.
    pub fn handle_abandoned(&mut self, ticket: u64) {
        if let Some(poll) = self.polls.remove(&ticket) {
            self.timers.cancel(poll.timer);
        }
        self.forget_reply(ticket);
    }

    /// Takes the outcome of an [`Output::Deliver`]. One that the server no longer waits for, since it was restarted, is ignored.
    pub fn handle_delivered(
        &mut self,
        now: Timestamp,
        journal: &mut Journal,
        delivery: AttemptId,
        outcome: DeliveryOutcome,
    ) {
        self.record_delivery(now, journal, delivery, &outcome);
        self.send_next(now, journal);
    }

    /// Does the one thing that is due first at `now`, if any is.
    pub fn handle_timeout(&mut self, now: Timestamp, journal: &mut Journal) {
        if !self.running {
            return;
        }
        if let Some((_, timer)) = self.timers.pop_due(now) {
            self.fire(now, journal, timer);
        }
    }

    /// When something is due next: a task's timeout, a callback, a long poll's end, a person's action. Idle ticks of the
    /// schedulers don't count. `None` while the server is down.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next_deadline().filter(|_| self.running)
    }

    /// The next thing to do for the driver.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The server's process ends. Requests are refused, long polls break off, the callback under way is forgotten; tasks and
    /// queued callbacks stay. What falls due meanwhile waits for [`Human::start`].
    pub fn stop(&mut self, now: Timestamp, journal: &mut Journal) {
        if !std::mem::replace(&mut self.running, false) {
            return;
        }
        journal.headline(now, Party::Awaithumans, "server stopped");
        journal.happened(now, Happening::new(MomentKind::ServerStopped, "", ""));
        self.forget_process();
    }

    /// What a process takes with it when it ends.
    fn forget_process(&mut self) {
        for (ticket, poll) in std::mem::take(&mut self.polls) {
            self.timers.cancel(poll.timer);
            self.outputs.push_back(Output::Dropped { ticket });
        }
        self.forget_judging();
        self.outbox.crash();
    }

    /// The server's process starts again, with its tasks; the schedulers tick from `now` on.
    pub fn start(&mut self, now: Timestamp, journal: &mut Journal) {
        if std::mem::replace(&mut self.running, true) {
            return;
        }
        let open = self.expiries.len();
        journal.headline(
            now,
            Party::Awaithumans,
            format!("server started: {open} open tasks, schedulers resume"),
        );
        journal.happened(now, Happening::new(MomentKind::ServerStarted, "", ""));
        self.resume_schedulers(now);
        self.limits = RateLimits::default();
        self.setup_token = self.users.is_empty().then(|| links::token_32(&mut self.secrets));
    }

    /// [`Human::stop`] and [`Human::start`] in one.
    pub fn restart(&mut self, now: Timestamp, journal: &mut Journal) {
        self.stop(now, journal);
        self.start(now, journal);
    }
}

/// Getters and scripts: what tests and the harness call.
impl Human {
    /// All tasks, oldest first.
    pub fn tasks(&self) -> impl DoubleEndedIterator<Item = &Task> {
        self.store.oldest_first()
    }

    /// A task by its id.
    pub fn task(&self, id: &str) -> Option<&Task> {
        self.store.get(id)
    }

    /// A task by its idempotency key.
    pub fn task_by_key(&self, idempotency_key: &str) -> Option<&Task> {
        self.store.by_key(idempotency_key)
    }

    /// All callbacks, oldest first.
    pub fn deliveries(&self) -> impl DoubleEndedIterator<Item = &Delivery> {
        self.outbox.oldest_first()
    }

    /// The directory of users, oldest first. Who acts by a script is added to it.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.oldest_first()
    }

    /// What a real server prints at its first start: whoever sends it to `POST /api/setup/operator` becomes the first operator.
    /// `None` once there is a user.
    pub fn setup_token(&self) -> Option<&str> {
        self.setup_token.as_deref().filter(|_| self.users.is_empty())
    }

    /// Whether the body of a request is waited for before it is answered.
    #[cfg(feature = "serve")]
    pub(crate) fn reads_body(
        &self,
        now: Timestamp,
        method: &http::Method,
        uri: &http::Uri,
        headers: &http::HeaderMap,
    ) -> bool {
        api::reads_body(self, now, method, uri, headers)
    }

    /// Whether the server is up.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// What the server was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The script of the people. Open tasks that fit a new line are taken up when the returned guard is dropped.
    pub fn people(&mut self) -> PeopleGuard<'_> {
        PeopleGuard { human: self }
    }

    /// Whether no line of the script is for a task that is open.
    pub fn is_unplanned(&self, task_id: &str) -> bool {
        self.unplanned.contains(task_id)
    }

    /// How many open tasks no line of the script is for.
    pub fn unplanned_tasks(&self) -> usize {
        self.unplanned.len()
    }

    /// The script of the verifier.
    pub fn verifier(&mut self) -> &mut Verifier {
        &mut self.verifier
    }

    /// A person, outside of any script, answers a task now. A verdict that takes its time isn't waited for.
    ///
    /// # Errors
    /// The body of the server's refusal: an unknown task, a terminal one, or a verifier that fails.
    pub fn complete(
        &mut self,
        now: Timestamp,
        journal: &mut Journal,
        id: &str,
        response: Json,
        email: &str,
    ) -> Result<(), Json> {
        let submission = self.submission(now, response, email.to_owned(), None);
        let outcome = self.submit(now, journal, id, submission, None).map(|_| ());
        self.send_next(now, journal);
        outcome.map_err(|reject| reject.body().unwrap_or_default())
    }

    /// An operator takes a task from the dashboard now.
    ///
    /// # Errors
    /// The body of the server's refusal: an unknown task, a terminal one, or one that is taken.
    pub fn claim(&mut self, now: Timestamp, journal: &mut Journal, id: &str, email: &str) -> Result<(), Json> {
        let entropy = &mut self.entropy;
        let user_id = self.users.ensure(now, email, true, || entropy.uuid_hex());
        let email = Some(email.to_owned());
        let outcome = self.apply(now, journal, id, Event::Claim { user_id, email });
        outcome.map_err(|reject| reject.body().unwrap_or_default())
    }

    /// An operator or the agent cancels a task now.
    ///
    /// # Errors
    /// The body of the server's refusal: an unknown task, or a terminal one.
    pub fn cancel(&mut self, now: Timestamp, journal: &mut Journal, id: &str) -> Result<(), Json> {
        let outcome = self.apply(now, journal, id, Event::Cancel);
        self.send_next(now, journal);
        outcome.map_err(|reject| reject.body().unwrap_or_default())
    }
}

/// Gives access to the script; on drop, open tasks that nobody had taken up are matched against it.
#[derive(Debug)]
pub struct PeopleGuard<'a> {
    human: &'a mut Human,
}

impl Deref for PeopleGuard<'_> {
    type Target = People;

    fn deref(&self) -> &People {
        &self.human.people
    }
}

impl DerefMut for PeopleGuard<'_> {
    fn deref_mut(&mut self) -> &mut People {
        &mut self.human.people
    }
}

impl Drop for PeopleGuard<'_> {
    fn drop(&mut self) {
        self.human.plan_people();
    }
}

/// What every way in shares: an answer from the API and one from a script take the same path.
impl Human {
    /// Stores a new task and sets what time will do to it.
    fn add_task(&mut self, now: Timestamp, journal: &mut Journal, task: Task) {
        let line = format!(
            "task {} created: “{}” (key {}, times out in {})",
            short(&task.id),
            task.title,
            task.idempotency_key,
            seconds_in_words(task.timeout_seconds)
        );
        journal.headline(now, Party::Awaithumans, line);
        let workflow_id = task.workflow_id().unwrap_or_default();
        let created = Happening::new(MomentKind::TaskCreated, task.idempotency_key.clone(), workflow_id);
        journal.happened(now, created);
        let audit_id = self.entropy.uuid_hex();
        self.set_expiry(now, &task.id, task.timeout_at());
        let id = task.id.clone();
        self.store.insert(task, audit_id);
        self.plan_person(id);
    }

    /// Moves a task, and does what follows from where it got.
    fn apply(&mut self, now: Timestamp, journal: &mut Journal, id: &str, event: Event) -> Result<(), Reject> {
        let is_told = event.is_told();
        let moved = self.store.change(id, |task| {
            let audit = task.apply(now, event)?;
            Ok(audit.map(|audit| {
                let happening = moment_of(task, &audit.action)
                    .map(|kind| Happening::new(kind, task.idempotency_key.clone(), task.status.as_str()));
                (task.status, describe(task, &audit.action), happening, audit)
            }))
        });
        let moved = moved.ok_or_else(|| Reject::TaskNotFound { id: id.to_owned() })?;
        let Some((status, line, happening, audit)) = moved? else {
            return Ok(());
        };
        journal.headline(now, Party::Awaithumans, line);
        if let Some(happening) = happening {
            journal.happened(now, happening);
        }
        let audit_id = self.entropy.uuid_hex();
        self.store.audit(id, audit_id, audit, now);
        if status.is_terminal() {
            self.forget_open_task(id);
            if is_told {
                self.queue_webhook(now, journal, id);
            }
            self.wake_polls(now, id);
        }
        Ok(())
    }

    fn submission(&mut self, now: Timestamp, response: Json, email: String, via_channel: Option<String>) -> Submission {
        let entropy = &mut self.entropy;
        let user_id = self.users.ensure(now, &email, false, || entropy.uuid_hex());
        Submission {
            response,
            by_email: Some(email),
            by_user_id: Some(user_id),
            via_channel,
            is_untold: false,
        }
    }

    /// Removes a task; callbacks that are queued for it still go out, as from the real server.
    fn remove_task(&mut self, now: Timestamp, journal: &mut Journal, id: &str) -> Result<(), Reject> {
        let task = self
            .store
            .remove(id)
            .ok_or_else(|| Reject::TaskNotFound { id: id.to_owned() })?;
        journal.headline(now, Party::Awaithumans, format!("task {} deleted", short(&task.id)));
        self.forget_open_task(id);
        self.wake_polls(now, id);
        Ok(())
    }

    fn forget_open_task(&mut self, id: &str) {
        self.unplanned.remove(id);
        if let Some(timer) = self.expiries.remove(id) {
            self.timers.cancel(timer);
        }
    }
}

/// What a task's move is, among the named moments.
fn moment_of(task: &Task, action: &str) -> Option<MomentKind> {
    match action {
        "rejected" => Some(MomentKind::AnswerRejected),
        _ => task.status.is_terminal().then_some(MomentKind::TaskEnded),
    }
}

/// What the journal says when a task has moved.
fn describe(task: &Task, action: &str) -> String {
    let id = short(&task.id);
    let reason = task
        .verifier_result
        .as_ref()
        .map_or("", |result| result.reason.as_str());
    let attempt = task.verification_attempt;
    match action {
        "claimed" => format!(
            "task {id} claimed by {}",
            task.assigned_to_email.as_deref().unwrap_or("an operator")
        ),
        "verified" => {
            format!("task {id} completed: the verifier accepted attempt {attempt} ({reason})")
        }
        "rejected" => {
            format!("task {id} rejected: the verifier refused attempt {attempt} ({reason})")
        }
        "verification_exhausted" => {
            format!("task {id} verification_exhausted after {attempt} attempts ({reason})")
        }
        "timed_out" => format!(
            "task {id} timed_out: nobody answered within {}",
            seconds_in_words(task.timeout_seconds)
        ),
        _ => format!("task {id} {}", task.status.as_str()),
    }
}

/// Enough of an id to tell tasks apart in a timeline.
fn short(id: &str) -> String {
    [id.get(..8).unwrap_or(id), "…"].concat()
}

/// A duration in its largest whole unit, such as `7 d` or `90 s`.
fn seconds_in_words(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    match units
        .into_iter()
        .find(|(length, _)| seconds >= *length && seconds.is_multiple_of(*length))
    {
        Some((length, unit)) => format!("{} {unit}", seconds / length),
        None => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests;
