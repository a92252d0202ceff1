//! The people, and the fake awaithumans server, as a test sees them.

use std::time::Duration;

use awaithumans_temporal::wire::json::Json;

use crate::clock::Timestamp;
use crate::human::{
    Act, Delivery, Human, Latency, Matcher, Notification, OfficeHours, RestoreError, ScriptLine, Snapshot, Task, User,
    Verdict,
};
use crate::io::Driver;
use crate::journal::Journal;

/// The people who answer, and the server that asks them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use awaithumans_testkit::{Testkit, human::Matcher};
/// use std::time::Duration;
///
/// let kit = Testkit::start().await;
/// kit.humans().on(Matcher::title_contains("refund"))
///     .after(Duration::from_secs(2 * 86_400))
///     .complete(serde_json::json!({"approved": true}));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Humans {
    driver: Driver,
}

impl Humans {
    pub(super) fn new(driver: Driver) -> Self {
        Self { driver }
    }

    /// Starts a line of the script: what a person does with the tasks that match. The first line that matches counts.
    pub fn on(&self, matcher: Matcher) -> Behaviour {
        Behaviour {
            driver: self.driver.clone(),
            line: ScriptLine::new(matcher),
        }
    }

    /// What the verifier says to answers, unless a provider has verdicts of its own.
    pub fn verifier_says(&self, verdict: Verdict) {
        self.with(|human, _, _| {
            human.verifier().by_default(verdict);
        });
    }

    /// All tasks, oldest first.
    pub fn tasks(&self) -> Vec<Task> {
        self.driver.read(|world| world.human().tasks().cloned().collect())
    }

    /// The task with this idempotency key.
    pub fn task_by_key(&self, idempotency_key: &str) -> Option<Task> {
        self.driver
            .read(|world| world.human().task_by_key(idempotency_key).cloned())
    }

    /// All webhooks, oldest first: delivered, waiting for another attempt, or given up.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.driver.read(|world| world.human().deliveries().cloned().collect())
    }

    /// Everything that the server told people, or would have: e-mails and Slack messages, oldest first, with their links. Those
    /// that weren't sent say why.
    pub fn inbox(&self) -> Vec<Notification> {
        self.driver.read(|world| world.human().inbox().to_vec())
    }

    /// The directory of users, oldest first.
    pub fn users(&self) -> Vec<User> {
        self.driver.read(|world| world.human().users().cloned().collect())
    }

    /// What makes the first operator at `POST /api/setup/operator`; a real server prints it. `None` once there is a user.
    pub fn setup_token(&self) -> Option<String> {
        self.driver.read(|world| world.human().setup_token().map(str::to_owned))
    }

    /// Somebody answers a task now.
    ///
    /// # Errors
    /// The server's refusal, as it would send it.
    pub fn complete(&self, task_id: &str, response: impl Into<Json>, email: &str) -> Result<(), Json> {
        self.with(|human, now, journal| human.complete(now, journal, task_id, response.into(), email))
    }

    /// Somebody cancels a task now.
    ///
    /// # Errors
    /// The server's refusal, as it would send it.
    pub fn cancel(&self, task_id: &str) -> Result<(), Json> {
        self.with(|human, now, journal| human.cancel(now, journal, task_id))
    }

    /// The server goes down: connections are refused, and its schedulers rest.
    pub fn stop_server(&self) {
        self.with(|human, now, journal| human.stop(now, journal));
    }

    /// The server comes back: tasks and webhooks are as they were, and its schedulers resume.
    pub fn start_server(&self) {
        self.with(|human, now, journal| human.start(now, journal));
    }

    /// The server restarts: what it holds in its database stays, what it only remembers is gone.
    pub fn restart_server(&self) {
        self.with(|human, now, journal| human.restart(now, journal));
    }

    /// The server's state, as a value that serde can write: for a test that begins where another one ended.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use awaithumans_testkit::{Testkit, human::Snapshot};
    ///
    /// let kit = Testkit::start().await;
    /// let written = serde_json::to_string(&kit.humans().snapshot()).unwrap();
    /// let read: Snapshot = serde_json::from_str(&written).unwrap();
    /// Testkit::start().await.humans().restore(read).unwrap();
    /// # }
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        self.driver.read(|world| world.human().snapshot(world.now()))
    }

    /// Puts a state in the place of the server's and restarts it: see [`Human::restore`].
    ///
    /// # Errors
    /// If the snapshot was taken at a moment that hasn't come yet.
    pub fn restore(&self, snapshot: Snapshot) -> Result<(), RestoreError> {
        self.with(|human, now, journal| human.restore(now, journal, snapshot))
    }

    fn with<T>(&self, body: impl FnOnce(&mut Human, Timestamp, &mut Journal) -> T) -> T {
        self.driver.write(|world| {
            let (human, now, journal) = world.human_mut();
            body(human, now, journal)
        })
    }
}

/// A line of the script, until it says what is done.
#[must_use = "the line counts once it says what is done: complete, cancel, never, reject_until_exhausted or complete_after_rejections"]
#[derive(Debug)]
pub struct Behaviour {
    driver: Driver,
    line: ScriptLine,
}

impl Behaviour {
    /// How long the person takes, from when the task is on the server: a duration, or a [`Latency`] that is drawn for each task.
    pub fn after(mut self, latency: impl Into<Latency>) -> Self {
        self.line.after = latency.into();
        self
    }

    /// When the person is at work: who would act outside of these hours acts when they begin again.
    pub fn at_work(mut self, hours: OfficeHours) -> Self {
        self.line.hours = Some(hours);
        self
    }

    /// Who it is, by e-mail address; the assignee by default.
    pub fn by(mut self, email: impl Into<String>) -> Self {
        self.line.email = Some(email.into());
        self
    }

    /// The person does the same once more so long after, as by a double click, whatever has become of the task.
    pub fn clicks_again_after(mut self, delay: Duration) -> Self {
        self.line.again_after = Some(delay);
        self
    }

    /// The person acts on a task that is over, too, as from a page that was opened before: the server refuses that. Otherwise they see
    /// that it is over.
    pub fn insists(mut self) -> Self {
        self.line.insists = true;
        self
    }

    /// The person acts besides the first line that matches: two people have the same task, and the first answer counts.
    pub fn besides(mut self) -> Self {
        self.line.besides = true;
        self
    }

    /// The person answers.
    pub fn complete(self, response: impl Into<Json>) {
        self.script(Act::Complete(response.into()));
    }

    /// The person cancels.
    pub fn cancel(self) {
        self.script(Act::Cancel);
    }

    /// Nobody does anything.
    pub fn never(self) {
        self.script(Act::Never);
    }

    /// The person answers, and the verifier rejects it, until no attempt is left.
    pub fn reject_until_exhausted(self) {
        self.script(Act::RejectUntilExhausted);
    }

    /// The person answers; the verifier rejects it so often, and then accepts it.
    pub fn complete_after_rejections(self, response: impl Into<Json>, rejections: u32) {
        self.script(Act::CompleteAfterRejections(response.into(), rejections));
    }

    fn script(self, act: Act) {
        let Self { driver, mut line } = self;
        line.act = act;
        driver.write(|world| world.human_mut().0.people().add(line));
    }
}
