//! The worker that replays: one of the SDK's, on a thread of its own, with a [`Desk`] for its server.

use std::time::Duration;

use temporalio_protos::temporal::api::command::v1::Command;
use temporalio_protos::temporal::api::workflowservice::v1::PollWorkflowTaskQueueResponse;
use temporalio_sdk::WorkerOptions;
use temporalio_sdk::runtime::PollerBehavior;
use tokio::sync::{Mutex, oneshot};

use super::desk::{Answer, Desk};
use crate::io::alone;
use crate::testkit::connect;
use crate::testkit::worker::{REMAINS_LIMIT, SdkWorker};

/// How long, in real time, a worker may take for one workflow task.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the code asks for in a workflow task.
pub(super) type Commands = Vec<Command>;

/// A worker that replays. It ends when it is dropped.
pub(super) struct Stage {
    desk: Desk,
    has_cache: bool,
    /// Why the worker has ended, if it has. It runs until this stage is dropped.
    ended: Mutex<oneshot::Receiver<String>>,
    _stop: oneshot::Sender<()>,
}

impl Stage {
    /// Starts a worker with the code of one that has these options.
    pub(super) fn set(options: &WorkerOptions) -> Self {
        let mut options = options.clone();
        // One task at a time needs no more than one poll of each kind.
        options.workflow_task_poller_behavior = Some(PollerBehavior::SimpleMaximum(2));
        // What isn't deterministic is to be told here, whatever a worker is to make of it.
        options.workflow_failure_errors.clear();
        options.workflow_types_to_failure_errors.clear();
        let desk = Desk::default();
        let has_cache = options.max_cached_workflows > 0;
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        #[expect(
            clippy::disallowed_methods,
            reason = "a worker is a process of its own; the desk hands it one task at a time"
        )]
        let thread = std::thread::Builder::new().name("replay".to_owned()).spawn({
            let desk = desk.clone();
            move || {
                let why = run(&desk, options, stopped);
                // Who doesn't wait any more has what it waited for.
                let _ = end.send(why);
            }
        });
        if let Err(error) = thread {
            panic!("a worker needs a thread: {error}");
        }
        Self {
            desk,
            has_cache,
            ended: Mutex::new(ended),
            _stop: stop,
        }
    }

    /// Whether the worker keeps runs from one workflow task to the next.
    pub(super) fn has_cache(&self) -> bool {
        self.has_cache
    }

    /// Gives the worker a task. If `evicts`, it loses the run afterwards.
    ///
    /// # Errors
    /// Why the worker couldn't do it.
    pub(super) async fn play(&self, task: &PollWorkflowTaskQueueResponse, evicts: bool) -> Result<Commands, String> {
        let answer = self.desk.hand_out(task, evicts);
        let mut ended = self.ended.lock().await;
        let answer = tokio::select! {
            biased;
            Ok(answer) = answer => answer,
            ended = &mut *ended => {
                return Err(ended.unwrap_or_else(|_| "the worker has panicked".to_owned()));
            }
            () = patience() => return Err(format!("no answer came within {PATIENCE:?} of real time")),
        };
        match answer {
            Answer::Completed(commands) => Ok(commands),
            Answer::Failed(why) => Err(why),
        }
    }
}

async fn patience() {
    // A worker that computes for ever is real time's own: the world has no part in it.
    let _ = tokio::time::timeout(PATIENCE, std::future::pending::<()>()).await;
}

/// Runs the worker until its stage is dropped. Gives why it has ended.
fn run(desk: &Desk, options: WorkerOptions, stopped: oneshot::Receiver<()>) -> String {
    let ended = alone(async {
        let client = connect(desk.service(), "replay").await;
        let mut worker = match SdkWorker::new(client, options) {
            Ok(worker) => worker,
            Err(error) => return error,
        };
        let shutdown = worker.shutdown_handle();
        let running = worker.run();
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => match ended {
                Ok(()) => "the worker has ended".to_owned(),
                Err(error) => error.to_string(),
            },
            _ = stopped => {
                shutdown();
                let _ = tokio::time::timeout(REMAINS_LIMIT, running).await;
                String::new()
            }
        }
    });
    ended.unwrap_or_else(|error| error.to_string())
}
