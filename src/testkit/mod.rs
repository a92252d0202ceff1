//! The testkit: one world, and everything a test wants to do with it.

mod builder;
mod error;
mod faults;
mod humans;
mod moment;
mod mover;
mod play;
mod receiver;
mod replay;
mod report;
mod worker;

use std::time::Duration;

use awaithumans_temporal::{CreateTask, WebhookKey};
use temporalio_client::Client;
use temporalio_client::callback_based::CallbackBasedGrpcService;
use temporalio_protos::temporal::api::history::v1::History;
use temporalio_sdk::WorkerOptions;

pub use builder::Builder;
#[cfg(feature = "serve")]
pub(crate) use builder::{TEST_ADMIN_TOKEN, TEST_PAYLOAD_KEY};
pub use error::Error;
pub use faults::{Effects, FaultGuard, Faults};
pub use humans::Humans;
pub use play::play;
pub use receiver::{ReceiverHandle, Webhooks};
pub use replay::Replays;
#[cfg(all(unix, feature = "serve"))]
pub(crate) use report::leave_signals_alone;
#[cfg(feature = "serve")]
pub(crate) use report::timeline;
#[cfg(feature = "serve")]
pub(crate) use worker::SdkWorker;
pub use worker::Worker;

use crate::clock::{HoldId, Timestamp};
use crate::io::{Driver, InProcess, Receiver};
use crate::journal::{Journal, Mark, Party};
use crate::moment::Moment;
use crate::scenario::invariant::Custom;
use crate::scenario::{Coverage, Plan};
use crate::world::World;

/// A fake awaithumans server, an in-memory Temporal and a callback receiver on one virtual clock and one seed.
///
/// Time stands still until the test awaits something that needs it: [`advance`](Self::advance),
/// [`advance_to`](Self::advance_to), [`run_until`](Self::run_until), or the result of a workflow.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use awaithumans_testkit::Testkit;
/// use std::time::Duration;
///
/// let kit = Testkit::start().await;
/// let before = kit.now();
/// kit.advance(Duration::from_secs(2 * 86_400)).await.unwrap();
/// assert_eq!(kit.now().since(before), Duration::from_secs(2 * 86_400));
/// # }
/// ```
#[derive(Debug)]
pub struct Testkit {
    driver: Driver,
    client: Client,
    receiver: Receiver,
    seed: u64,
    key: WebhookKey,
    admin_token: String,
    mover: mover::Mover,
    workers: worker::Workers,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    #[cfg(unix)]
    _watched: report::Watched,
}

/// The namespace that the testkit's clients and workers use.
pub const NAMESPACE: &str = "default";

impl Testkit {
    /// A testkit with the defaults of [`Builder`].
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Chooses the seed, the profile, the keys.
    pub fn builder() -> Builder {
        Builder::default()
    }

    // What the test gives to its own code.

    /// An ordinary client of the in-memory Temporal: existing suites change only where they get theirs.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The address of the fake awaithumans server: for `HumanTask::server_url`. It never leaves the process.
    pub fn server_url(&self) -> &'static str {
        builder::SERVER_URL
    }

    /// The address of the callback receiver: for `HumanTask::callback_url`. It never leaves the process.
    pub fn callback_url(&self) -> String {
        format!("http://{}/awaithumans/callback", crate::io::RECEIVER_HOST)
    }

    /// The token that the fake awaithumans server takes.
    pub fn api_key(&self) -> &str {
        &self.admin_token
    }

    /// The key that webhooks are signed with.
    pub fn webhook_key(&self) -> &WebhookKey {
        &self.key
    }

    /// The adapter's way to the fake awaithumans server, without a socket.
    pub fn transport(&self) -> impl awaithumans_temporal::Transport + Clone + use<> {
        InProcess::new(self.driver.clone())
    }

    /// The adapter's create-task activity over [`Self::transport`], with the token: for
    /// `WorkerOptions::register_await_human`.
    pub fn create_task_activity(&self) -> CreateTask {
        CreateTask::new(self.transport()).api_key(self.api_key())
    }

    /// The fake awaithumans server's HTTP face as an axum router: serve it on a port, and anything that speaks HTTP can
    /// talk to the server of this world.
    pub fn awaithumans_router(&self) -> axum::Router {
        crate::io::router(self.driver.clone())
    }

    // Workers.

    /// The builder of a worker's options, with a fixed build id. The SDK's own default is a hash of the test binary, which
    /// takes half a second in a debug build and changes every history with every build.
    pub fn worker_options(
        &self,
        task_queue: impl Into<String>,
    ) -> temporalio_sdk::WorkerOptionsBuilder<temporalio_sdk::worker_options_builder::SetDeploymentOptions> {
        WorkerOptions::new(task_queue).deployment_options(worker::build_id())
    }

    /// Starts a worker of the real SDK on this world, and waits until it polls.
    ///
    /// Its identity is `worker-1`, `worker-2`, …; its build id is `testkit` unless it uses worker versioning, since the
    /// SDK's own default is a hash of the test binary and would change every history with every build.
    ///
    /// # Panics
    /// If the SDK refuses the options.
    #[track_caller]
    pub fn spawn_worker(&self, options: WorkerOptions) -> impl Future<Output = Worker> + use<'_> {
        Worker::spawn(self.driver.clone(), self.workers.clone(), options)
    }

    // People and the receiver.

    /// The people, and the fake awaithumans server itself.
    pub fn humans(&self) -> Humans {
        Humans::new(self.driver.clone())
    }

    /// The callback receiver.
    pub fn receiver(&self) -> ReceiverHandle<'_> {
        ReceiverHandle { kit: self }
    }

    /// Webhooks without a task on the server, for tests that only care about the callback side.
    pub fn webhooks(&self) -> Webhooks<'_> {
        Webhooks {
            kit: self,
            workflow_id: None,
        }
    }

    /// The faults: what goes wrong, when and how often.
    pub fn faults(&self) -> Faults {
        Faults::new(self.driver.clone())
    }

    /// Tells the people of a plan what they do, and sets its faults.
    ///
    /// # Errors
    /// Which step makes no sense, and why.
    pub fn apply(&self, plan: &Plan) -> Result<(), String> {
        self.driver.write(|world| plan.apply(world))
    }

    /// Where activities of the test say what happened in the world outside.
    pub fn effects(&self) -> Effects {
        Effects::new(self.driver.clone())
    }

    /// From now on it is checked after every step that what must hold in every world does: a task that is over never changes, each await
    /// gets one outcome, at most one effect for each idempotency key, signatures match, histories are gapless, nothing leaks. A call of the test
    /// that moves time fails when one is broken, with [`Error::is_broken_invariant`].
    pub fn watch_invariants(&self) {
        let key = self.key.clone();
        self.driver.add_invariants(|invariants| invariants.add_common(key));
    }

    /// An invariant of the test's own, checked after every step: `Err` says what doesn't hold.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use awaithumans_testkit::Testkit;
    ///
    /// let kit = Testkit::start().await;
    /// kit.invariant("no more than three questions", |world| match world.human().tasks().count() {
    ///     0..=3 => Ok(()),
    ///     count => Err(format!("{count} tasks")),
    /// });
    /// # }
    /// ```
    pub fn invariant(&self, name: &str, look: impl FnMut(&World) -> Result<(), String> + Send + 'static) {
        let invariant = Box::new(Custom::new(name, look));
        self.driver.add_invariants(|invariants| invariants.add(invariant));
    }

    /// From so much later on nothing goes wrong any more.
    #[cfg(feature = "proptest")]
    pub(crate) fn end_faults_after(&self, after: Duration) {
        self.driver.write(|world| world.disarm_faults_after(after));
    }

    /// The first invariant that was broken, and why.
    #[cfg(feature = "proptest")]
    pub(crate) fn broken_invariant(&self) -> Option<String> {
        self.driver.broken_invariant()
    }

    /// Nobody outside this process acts on the world.
    #[cfg(feature = "proptest")]
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.driver.set_patience(patience);
    }

    /// Every open workflow, and what it waits for.
    #[cfg(feature = "proptest")]
    pub(crate) fn who_waits(&self) -> Vec<String> {
        self.driver.read(|world| world.temporal().who_waits())
    }

    /// What has been seen of the domain so far.
    pub fn coverage(&self) -> Coverage {
        self.driver.read(Coverage::of)
    }

    // Time.

    /// Virtual time.
    pub fn now(&self) -> Timestamp {
        self.driver.read(|world| world.now())
    }

    /// Moves time forward. Whatever is due on the way happens in its order, and the world settles after each thing.
    ///
    /// # Errors
    /// [`Error::is_stalled`] if a hold or a webhook stands in the way.
    pub async fn advance(&self, duration: Duration) -> Result<(), Error> {
        self.advance_to(self.now() + duration).await
    }

    /// Moves time forward to a moment; see [`Self::advance`]. A moment that has passed changes nothing.
    ///
    /// # Errors
    /// [`Error::is_stalled`] if a hold or a webhook stands in the way.
    pub async fn advance_to(&self, moment: Timestamp) -> Result<(), Error> {
        self.mover.advance_to(moment).await.map_err(|error| self.explain(error))
    }

    /// Lets time run until the future is done, and gives what it gives.
    ///
    /// # Errors
    /// [`Error::is_stalled`] if nothing can ever move again and the future still waits: the text says who waits for what.
    pub async fn run_until<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        self.mover.run_until(future).await.map_err(|error| self.explain(error))
    }

    /// Lets time run until something has come about; see [`Moment`].
    ///
    /// # Errors
    /// [`Error::is_stalled`] if it never will.
    pub async fn run_until_moment(&self, moment: Moment) -> Result<(), Error> {
        let driver = self.driver.clone();
        let mut watch = moment::Watch::new(moment);
        let reached = driver.wait_for(move |world| watch.has_come(world).then_some(()));
        self.run_until(reached).await
    }

    /// Waits, without moving time, until nothing moves by itself.
    pub async fn settle(&self) {
        // Who never ends is told by the next call that needs time.
        let _ = self.driver.settle().await;
    }

    /// Stops time until the guard is dropped.
    pub fn hold(&self, reason: &str) -> Hold {
        Hold {
            id: self.driver.write(|world| world.hold(reason)),
            driver: self.driver.clone(),
        }
    }

    // Looking.

    /// Looks at the world.
    #[cfg(feature = "serve")]
    pub(crate) fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        self.driver.read(look)
    }

    /// The seed of this world.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The record of everything that happened.
    pub fn journal(&self) -> Journal {
        self.driver.read(|world| world.journal().clone())
    }

    /// The journal's headlines as people read them: when, who, what.
    pub fn timeline(&self) -> String {
        report::timeline(&self.journal())
    }

    /// The same with a lane for each party, virtual time at the left, faults and what broke marked: what a test prints that panics. Lines have at
    /// most 120 columns; long texts are cut.
    pub fn timeline_in_lanes(&self) -> String {
        report::in_lanes(&self.journal())
    }

    /// The same as one page of HTML that needs nothing from elsewhere; its lanes can be zoomed along time. A test that panics writes it to
    /// `target/testkit/<test>-<seed>.html`.
    pub fn timeline_html(&self) -> String {
        self.page(&self.journal())
    }

    /// The history of a workflow's latest run.
    ///
    /// # Panics
    /// If there is no such workflow.
    #[track_caller]
    pub fn history(&self, workflow_id: &str) -> History {
        let history = self
            .driver
            .read(|world| world.temporal().history(NAMESPACE, workflow_id));
        match history {
            Some(history) => history,
            None => panic!("{}", self.misuse(&format!("there is no workflow {workflow_id:?}"))),
        }
    }

    /// The histories of all runs, in the order in which they were started.
    pub fn histories(&self) -> Vec<History> {
        self.driver.read(|world| world.temporal().histories())
    }

    /// Why this run may not repeat byte for byte; empty if it will.
    pub fn unreproducible(&self) -> Vec<String> {
        self.driver.unreproducible()
    }

    /// Writes a line of the test's own into the timeline.
    pub fn note(&self, what: &str) {
        self.driver.write(|world| world.note(Party::Test, what));
    }

    /// The line that runs a failed test again.
    pub fn rerun_line(&self) -> String {
        rerun_line(self.seed)
    }

    fn page(&self, journal: &Journal) -> String {
        let title = format!("{}, seed {}", test_name(), self.seed);
        report::html(&title, &self.rerun_line(), journal)
    }

    /// What a test prints that panics: the line to run it again, then what has happened.
    fn failure(&self) -> String {
        let mut journal = self.journal();
        let what = "the test panics: its message is above";
        journal.marked(self.now(), Party::Test, Mark::Cause, what);
        let page = match report::write_page(&test_name(), self.seed, &self.page(&journal)) {
            Ok(path) => format!("the same as a page: {}", path.display()),
            Err(error) => format!("the page of this timeline can't be written: {error}"),
        };
        format!(
            "\n--- awaithumans-testkit: seed {}; run it again: {}\n{}{page}",
            self.seed,
            self.rerun_line(),
            report::in_lanes(&journal)
        )
    }

    fn explain(&self, error: Error) -> Error {
        error.with_footer(format!("seed {}; run it again: {}", self.seed, self.rerun_line()))
    }

    fn misuse(&self, what: &str) -> String {
        format!("{what}\nseed {}; run it again: {}", self.seed, self.rerun_line())
    }
}

impl Drop for Testkit {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        #[cfg(feature = "proptest")]
        if crate::explore::is_quiet() {
            return;
        }
        let is_panicking = std::thread::panicking();
        if let Some(broken) = self.driver.unreported_invariant().filter(|_| !is_panicking) {
            panic!("{}\n{}", self.misuse(&broken), self.timeline());
        }
        if is_panicking {
            eprintln!("{}", self.failure());
        }
    }
}

/// The test that this thread runs.
fn test_name() -> String {
    std::thread::current().name().map(str::to_owned).unwrap_or_default()
}

fn rerun_line(seed: u64) -> String {
    format!("{}={seed} cargo test {}", builder::SEED_VARIABLE, test_name())
}

/// Holds the clock; time goes on when it is dropped.
#[must_use = "time goes on as soon as the guard is dropped"]
#[derive(Debug)]
pub struct Hold {
    driver: Driver,
    id: HoldId,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.driver.write(|world| world.release(self.id));
    }
}

impl Testkit {
    pub(crate) async fn build(builder: Builder) -> Self {
        builder::build(builder).await
    }

    fn assemble(parts: builder::Parts) -> Self {
        Self {
            mover: mover::Mover::new(parts.driver.clone()),
            #[cfg(unix)]
            _watched: report::watch(parts.driver.clone(), rerun_line(parts.seed)),
            driver: parts.driver,
            client: parts.client,
            receiver: parts.receiver,
            seed: parts.seed,
            key: parts.key,
            admin_token: parts.admin_token,
            workers: worker::Workers::default(),
            tasks: Vec::new(),
        }
    }

    fn keep(&mut self, task: tokio::task::JoinHandle<()>) {
        self.tasks.push(task);
    }
}

/// Connects an SDK client to a server in this process.
pub(crate) async fn connect(server: CallbackBasedGrpcService, identity: &str) -> Client {
    use temporalio_client::{ClientOptions, ConnectionOptions, RetryOptions};
    // A call that a fault has struck is tried again in real time: soon, since nobody else is waiting.
    let retries = RetryOptions::builder()
        .initial_interval(Duration::from_millis(1))
        .max_interval(Duration::from_millis(20))
        .build();
    let target = url::Url::parse("http://temporal.test:7233").expect("a constant URL");
    let options = ConnectionOptions::new(target)
        .identity(identity)
        .service_override(server)
        .dns_load_balancing(None)
        .retry_options(retries)
        .build();
    let connection = temporalio_client::Connection::connect(options)
        .await
        .expect("the in-process connection needs nothing that can fail");
    Client::new(connection, ClientOptions::new(NAMESPACE).build()).expect("default client options are valid")
}
