//! Workers of the real SDK, each a process of its own in all but name: a thread, a runtime, a connection that can be cut.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use temporalio_client::Client;
use temporalio_client::worker::ClientWorkerSet;
use temporalio_common::worker::WorkerDeploymentOptions;
use temporalio_sdk::{Runtime, WorkerOptions, runtime::RuntimeOptions};
use tokio::sync::{mpsc, oneshot};

use super::{Error, NAMESPACE, Testkit, connect};
use crate::io::{Connection, Driver, alone};
use crate::journal::Party;
use crate::moment::Moment;
use crate::temporal::Polls;

/// A worker of the real SDK. Dropping it is a crash.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
}

/// A worker, as its owner and the supervisor know it, who starts it again when a fault has killed it.
#[derive(Debug)]
pub(super) struct Shared {
    driver: Driver,
    identity: String,
    options: Options,
    life: Mutex<Life>,
}

#[derive(Debug, Default)]
struct Life {
    process: Option<Process>,
    starts: u64,
}

/// The options, to start the worker again with.
#[derive(Clone)]
struct Options(Arc<WorkerOptions>);

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Options").field(&self.0.task_queue).finish()
    }
}

#[derive(Debug)]
struct Process {
    connection: Connection,
    stop: Option<oneshot::Sender<Stop>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// As the operating system kills: nothing is said to anybody.
    Crash,
    /// As the SDK shuts down.
    Shutdown,
}

impl Worker {
    pub(super) async fn spawn(driver: Driver, workers: Workers, mut options: WorkerOptions) -> Self {
        if !options.deployment_options.use_worker_versioning {
            options.deployment_options = build_id();
        }
        let options = Options(Arc::new(options));
        let shared = workers.add(options.clone(), |number| Shared {
            driver,
            identity: format!("worker-{number}"),
            options,
            life: Mutex::default(),
        });
        shared.start().await;
        Self { shared }
    }

    /// The name by which histories and reports know it.
    pub fn identity(&self) -> &str {
        &self.shared.identity
    }

    /// Kills the worker now. What it was doing is lost, and nobody is told.
    pub fn crash(&mut self) {
        if let Some(process) = self.shared.take_process() {
            if !process.connection.is_cut() {
                process.connection.cut();
                self.shared.note("is killed");
                self.shared
                    .driver
                    .write(|world| world.worker_was_killed(&self.shared.identity));
            }
            process.end(Stop::Crash);
        }
    }

    /// Lets time run until a moment comes, and kills the worker there.
    ///
    /// # Errors
    /// [`Error::is_stalled`] if the moment never comes.
    pub async fn crash_at(&mut self, kit: &Testkit, moment: Moment) -> Result<(), Error> {
        kit.run_until_moment(moment).await?;
        self.crash();
        Ok(())
    }

    /// Kills the worker the moment before it would make a call of this RPC, such as `RespondActivityTaskCompleted`: the
    /// work is done, and nobody learns of it.
    ///
    /// # Panics
    /// Not here, but when the worker is dropped: if no such call ever came.
    pub fn crash_before(&mut self, rpc: &str) {
        let life = self.shared.lock();
        let Some(process) = &life.process else {
            return;
        };
        let rpc = rpc.to_owned();
        let driver = self.shared.driver.clone();
        let identity = self.shared.identity.clone();
        process.connection.cut_before(Box::new(move |method| {
            let trips = method == rpc;
            if trips {
                driver.write(|world| {
                    world.note(Party::Worker, format!("{identity} is killed before {rpc}"));
                    world.worker_was_killed(&identity);
                });
            }
            trips
        }));
    }

    /// Whether it runs: not crashed, not shut down.
    pub fn is_running(&self) -> bool {
        self.shared.is_running()
    }

    /// Starts the worker again, with an empty cache, as a new process would; it is killed first if it runs.
    pub async fn restart(&mut self) {
        self.crash();
        self.shared.start().await;
    }

    /// Shuts the worker down as the SDK does, and waits for it.
    pub async fn shutdown(self) {
        if let Some(mut process) = self.shared.take_process() {
            if let Some(stop) = process.stop.take() {
                let _ = stop.send(Stop::Shutdown);
            }
            if let Some(thread) = process.thread.take() {
                // The thread needs this runtime to answer its last calls, so it is joined elsewhere.
                let joined = tokio::task::spawn_blocking(move || thread.join()).await;
                drop(joined);
            }
            process.connection.cut();
        }
    }
}

/// All workers that a testkit has started.
#[derive(Clone, Debug, Default)]
pub(super) struct Workers(Arc<Mutex<Vec<Known>>>);

/// A worker that was started once.
#[derive(Debug)]
struct Known {
    shared: Weak<Shared>,
    /// Its code, which outlives it: what it has left in histories is replayed by it.
    options: Options,
    /// By which histories know it.
    identity: String,
}

impl Workers {
    fn add(&self, options: Options, make: impl FnOnce(usize) -> Shared) -> Arc<Shared> {
        let mut all = self.lock();
        let shared = Arc::new(make(all.len() + 1));
        let own_name = options.0.client_identity_override.clone();
        all.push(Known {
            shared: Arc::downgrade(&shared),
            identity: own_name.unwrap_or_else(|| shared.identity.clone()),
            options,
        });
        shared
    }

    fn find(&self, identity: &str) -> Option<Arc<Shared>> {
        let all = self.lock();
        let mut living = all.iter().filter_map(|known| known.shared.upgrade());
        living.find(|shared| shared.identity == identity)
    }

    /// The options of the worker that histories know by this name, also if it is gone.
    pub(super) fn options_of(&self, identity: &str) -> Option<Arc<WorkerOptions>> {
        let all = self.lock();
        let known = all.iter().rfind(|known| known.identity == identity);
        known.map(|known| Arc::clone(&known.options.0))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts workers again that faults have killed, until the testkit is gone.
    pub(super) async fn supervise(self, driver: Driver, mut identities: mpsc::UnboundedReceiver<String>) {
        while let Some(identity) = identities.recv().await {
            if let Some(shared) = self.find(&identity).filter(|shared| !shared.is_running()) {
                if let Some(process) = shared.take_process() {
                    process.end(Stop::Crash);
                }
                shared.start().await;
            }
            driver.write(|world| world.end_worker_start());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_process(&self) -> Option<Process> {
        self.lock().process.take()
    }

    fn is_running(&self) -> bool {
        let life = self.lock();
        let process = life.process.as_ref();
        process.is_some_and(|process| !process.connection.is_cut())
    }

    async fn start(&self) {
        let starts = {
            let mut life = self.lock();
            life.starts += 1;
            life.starts
        };
        let starting = Starting::new(self.driver.clone());
        let connection = Connection::new(self.driver.clone());
        let (stop, stopped) = oneshot::channel();
        let (ready, mut failed) = oneshot::channel::<String>();
        #[expect(
            clippy::disallowed_methods,
            reason = "a worker is a process of its own; the world hands it one task at a time"
        )]
        let thread = std::thread::Builder::new()
            .name(self.identity.clone())
            .spawn({
                let connection = connection.clone();
                let identity = self.identity.clone();
                let options = self.options.clone();
                move || run(&connection, &identity, &options, stopped, ready)
            })
            .unwrap_or_else(|error| panic!("a worker needs a thread: {error}"));
        let id = connection.id();
        let wanted = self.polls();
        let task_queue = self.options.0.task_queue.clone();
        let polls = self
            .driver
            .wait_for(move |world| world.temporal().is_polled(id, &task_queue, wanted).then_some(()));
        tokio::select! {
            () = polls => {}
            // A fault kills it before it polls.
            () = connection.until_cut() => {}
            Ok(error) = &mut failed => panic!("the SDK refuses the worker {}: {error}", self.identity),
        }
        self.note(match starts {
            1 => "starts",
            _ => "is back, with an empty cache",
        });
        self.driver.write(|world| world.worker_has_started(&self.identity));
        drop(starting);
        self.lock().process = Some(Process {
            connection,
            stop: Some(stop),
            thread: Some(thread),
        });
    }

    /// The polls that a worker with these options makes once it has started.
    fn polls(&self) -> Polls {
        let options = &self.options.0;
        let types = options
            .to_core_options(NAMESPACE.to_owned(), self.identity.clone())
            .map(|core| core.task_types);
        // Options that the SDK refuses make the worker's thread fail, with a better text.
        let (workflow, activity) = types.map_or((true, true), |types| {
            (types.enable_workflows, types.enable_remote_activities)
        });
        Polls {
            workflow,
            sticky: workflow && options.max_cached_workflows > 0,
            activity,
        }
    }

    fn note(&self, what: &str) {
        let line = format!("{} {what}", self.identity);
        self.driver.write(|world| world.note(Party::Worker, line));
    }
}

/// While a worker starts, no task goes out: its polls come in no certain order.
struct Starting {
    driver: Driver,
}

impl Starting {
    fn new(driver: Driver) -> Self {
        driver.write(|world| world.begin_worker_start());
        Self { driver }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.driver.write(|world| world.end_worker_start());
    }
}

/// How long, in real time, the remains of a killed worker may take to end.
pub(super) const REMAINS_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

/// A build id that no build changes.
pub(super) fn build_id() -> WorkerDeploymentOptions {
    WorkerDeploymentOptions::from_build_id("testkit".to_owned())
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(process) = self.shared.take_process() {
            let idle_wire = process.connection.has_idle_wire();
            process.connection.cut();
            process.end(Stop::Crash);
            assert!(
                !idle_wire || std::thread::panicking(),
                "crash_before was set on {}, and no such call ever came: the test didn't test what it meant to",
                self.shared.identity
            );
        }
    }
}

impl Process {
    fn end(mut self, how: Stop) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(how);
        }
        // The thread ends by itself; nothing that it does reaches the world any more.
        drop(self.thread.take());
    }
}

fn run(
    connection: &Connection,
    identity: &str,
    options: &Options,
    stopped: oneshot::Receiver<Stop>,
    failed: oneshot::Sender<String>,
) {
    connection.takes_this_thread();
    let worked = alone(async {
        let client = connect(connection.service(), identity).await;
        let mut worker = SdkWorker::new(client, (*options.0).clone())?;
        work(&mut worker, connection, stopped).await;
        Ok(())
    });
    if let Err(error) = worked.map_err(|error| error.to_string()).flatten() {
        let _ = failed.send(error);
    }
}

/// A worker of the SDK, and what it runs on, which must outlive it.
///
/// Its connection forgets it when it is dropped. Else the two would keep one another for ever: the SDK's `Worker::run` ends without it
/// (temporalio-sdk 1.1.1 shuts its core down, but doesn't finalize that).
pub(crate) struct SdkWorker {
    inner: temporalio_sdk::Worker,
    registered: Arc<ClientWorkerSet>,
    _runtime: Runtime,
}

impl SdkWorker {
    pub(crate) fn new(client: Client, options: WorkerOptions) -> Result<Self, String> {
        let runtime = RuntimeOptions::builder()
            .heartbeat_interval(None)
            .build()
            .map_err(|error| error.to_string())
            .and_then(|options| Runtime::from_current_tokio(options).map_err(|error| error.to_string()))?;
        let registered = client.connection().workers();
        let inner = temporalio_sdk::Worker::new(&runtime, client, options).map_err(|error| error.to_string())?;
        Ok(Self {
            inner,
            registered,
            _runtime: runtime,
        })
    }
}

impl Deref for SdkWorker {
    type Target = temporalio_sdk::Worker;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl DerefMut for SdkWorker {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

impl Drop for SdkWorker {
    fn drop(&mut self) {
        let key = self.inner.worker_instance_key();
        // Both refuse only what isn't registered.
        drop(self.registered.unregister_slot_provider(key));
        drop(self.registered.finalize_unregister(key));
    }
}

async fn work(worker: &mut temporalio_sdk::Worker, connection: &Connection, stopped: oneshot::Receiver<Stop>) {
    let shutdown = worker.shutdown_handle();
    let running = worker.run();
    tokio::pin!(running);
    let how = tokio::select! {
        ended = &mut running => {
            drop(ended);
            return;
        }
        how = stopped => how.unwrap_or(Stop::Crash),
        () = connection.until_cut() => Stop::Crash,
    };
    shutdown();
    match how {
        Stop::Shutdown => drop(running.await),
        // The connection is cut already. What is still running, an activity that blocks say, is left behind.
        Stop::Crash => drop(tokio::time::timeout(REMAINS_LIMIT, running).await),
    }
}
