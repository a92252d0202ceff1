//! All of a Temporal server that a worker needs to replay: it hands out one workflow task at a time and takes the answer. It has no world.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use http::HeaderMap;
use prost::Message as _;
use temporalio_client::callback_based::{CallbackBasedGrpcService, GrpcRequest, GrpcSuccessResponse};
use temporalio_protos::temporal::api::command::v1::Command;
use temporalio_protos::temporal::api::workflowservice::v1::{
    DescribeNamespaceResponse, PollWorkflowTaskQueueResponse, RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
};
use tokio::sync::{Notify, oneshot};
use tonic::Status;

/// What a worker made of a task.
#[derive(Debug)]
pub(super) enum Answer {
    /// It asks for this.
    Completed(Vec<Command>),
    /// It couldn't; these are the SDK's words.
    Failed(String),
}

/// Where one worker gets its tasks. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Desk {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    has_task: Notify,
}

#[derive(Default)]
struct State {
    /// The task that no poll has fetched yet.
    task: Option<Vec<u8>>,
    /// Who waits for the answer to the last task.
    waiting: Option<oneshot::Sender<Answer>>,
    /// Whether its worker is to lose the run once it has answered.
    evicts: bool,
}

impl Desk {
    /// Hands a task out. If `evicts`, the answer is refused, as for a task that was overtaken by a signal, upon which the SDK forgets the run.
    pub(super) fn hand_out(&self, task: &PollWorkflowTaskQueueResponse, evicts: bool) -> oneshot::Receiver<Answer> {
        let (sender, answer) = oneshot::channel();
        *self.lock() = State {
            task: Some(task.encode_to_vec()),
            waiting: Some(sender),
            evicts,
        };
        self.shared.has_task.notify_one();
        answer
    }

    /// What the SDK's `service_override` takes.
    pub(super) fn service(&self) -> CallbackBasedGrpcService {
        let desk = self.clone();
        CallbackBasedGrpcService {
            callback: Arc::new(move |request| {
                let desk = desk.clone();
                async move {
                    let proto = desk.call(request).await?;
                    let headers = HeaderMap::new();
                    Ok(GrpcSuccessResponse { headers, proto })
                }
                .boxed()
            }),
        }
    }

    async fn call(&self, request: GrpcRequest) -> Result<Vec<u8>, Status> {
        match request.rpc.as_str() {
            "GetSystemInfo" => Ok(crate::temporal::system_info().encode_to_vec()),
            "DescribeNamespace" => Ok(DescribeNamespaceResponse::default().encode_to_vec()),
            "PollWorkflowTaskQueue" => Ok(self.next_task().await),
            // Activities and operations have ended long ago.
            poll if poll.starts_with("Poll") => std::future::pending().await,
            "RespondWorkflowTaskCompleted" => {
                let completed = RespondWorkflowTaskCompletedRequest::decode(request.proto).map_err(unreadable)?;
                self.take(Answer::Completed(completed.commands))
            }
            "RespondWorkflowTaskFailed" => {
                let failed = RespondWorkflowTaskFailedRequest::decode(request.proto).map_err(unreadable)?;
                let message = failed.failure.map(|failure| failure.message);
                self.take(Answer::Failed(message.unwrap_or_default()))
            }
            "ShutdownWorker" | "RecordWorkerHeartbeat" => Ok(Vec::new()),
            other => Err(Status::unimplemented(format!("{other} isn't needed to replay"))),
        }
    }

    async fn next_task(&self) -> Vec<u8> {
        loop {
            let has_task = self.shared.has_task.notified();
            let task = self.lock().task.take();
            match task {
                Some(task) => return task,
                None => has_task.await,
            }
        }
    }

    fn take(&self, answer: Answer) -> Result<Vec<u8>, Status> {
        let mut state = self.lock();
        let refuses = state.evicts && matches!(answer, Answer::Completed(_));
        if let Some(waiting) = state.waiting.take() {
            // Who doesn't wait any more has lost patience.
            let _ = waiting.send(answer);
        }
        match refuses {
            true => Err(Status::invalid_argument("UnhandledCommand")),
            false => Ok(Vec::new()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unreadable(error: prost::DecodeError) -> Status {
    Status::invalid_argument(error.to_string())
}
