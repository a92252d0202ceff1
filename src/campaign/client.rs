//! Who starts a campaign on a cluster, or attaches to one that runs, and waits for what it comes to.

use std::fmt;
use std::time::Duration;

use awaithumans_temporal::{Human, HumanRun};
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::grpc::WorkflowService;
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, WorkflowGetResultOptions, WorkflowHandle,
    WorkflowIdConflictPolicy, WorkflowStartOptions,
};
use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_protos::temporal::api::workflowservice::v1::GetWorkflowExecutionHistoryRequest;
use tonic::IntoRequest as _;

use super::workflow::{Input, PlayCampaign};
use super::{Campaign, Shards, Tally, default_task_queue};

/// How long to wait for a server that doesn't answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A Temporal cluster, and where campaigns are on it.
#[derive(Clone, Debug)]
pub struct Cluster {
    client: Client,
    task_queue: String,
}

impl Cluster {
    /// Connects, without TLS.
    ///
    /// # Errors
    /// Why nobody answers at `HOST:PORT`.
    pub async fn connect(address: &str, namespace: &str) -> Result<Self, String> {
        let failed = |error: &dyn fmt::Display| format!("no Temporal server answers at {address}: {error}");
        let target = url::Url::parse(&format!("http://{address}")).map_err(|error| failed(&error))?;
        let options = ConnectionOptions::new(target).connect_timeout(CONNECT_TIMEOUT).build();
        let connection = Connection::connect(options).await.map_err(|error| failed(&error))?;
        let client = Client::new(connection, ClientOptions::new(namespace).build());
        client.map(Self::new).map_err(|error| failed(&error))
    }

    /// That of a client.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            task_queue: default_task_queue(),
        }
    }

    /// With another task queue than that of this version.
    #[must_use]
    pub fn task_queue(mut self, task_queue: impl Into<String>) -> Self {
        self.task_queue = task_queue.into();
        self
    }

    /// The client, for a worker.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Starts a campaign, or attaches to it if it runs already; its workflow id is made from what it is if none is given.
    ///
    /// # Errors
    /// If another campaign has the id, or the server refuses.
    pub async fn start(&self, campaign: &Campaign, shards: Shards, id: Option<String>) -> Result<Started, String> {
        let id = id.unwrap_or_else(|| campaign.id());
        let options = WorkflowStartOptions::new(self.task_queue.as_str(), id.as_str())
            .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
            .build();
        let input = Input::new(campaign.clone(), shards);
        let start = self.client.start_workflow(Human::<PlayCampaign>::run, input, options);
        let (handle, was_there) = match start.await {
            Ok(handle) => (handle, false),
            Err(WorkflowStartError::AlreadyStarted { .. }) => {
                self.check_same(campaign, &id).await?;
                let handle = self.client.get_workflow_handle::<HumanRun<PlayCampaign>>(id.as_str());
                (handle, true)
            }
            Err(error) => return Err(format!("campaign {id} can't be started: {error}")),
        };
        Ok(Started { handle, id, was_there })
    }

    /// Whether what runs under this id is this campaign: its run's input says so.
    async fn check_same(&self, campaign: &Campaign, id: &str) -> Result<(), String> {
        let request = GetWorkflowExecutionHistoryRequest {
            namespace: self.client.options().namespace.clone(),
            execution: Some(WorkflowExecution {
                workflow_id: id.to_owned(),
                run_id: String::new(),
            }),
            maximum_page_size: 1,
            ..Default::default()
        };
        let mut client = self.client.clone();
        let history = WorkflowService::get_workflow_execution_history(&mut client, request.into_request()).await;
        let history = history.map_err(|status| format!("campaign {id} can't be looked at: {}", status.message()))?;
        let first = history
            .into_inner()
            .history
            .and_then(|history| history.events.into_iter().next());
        let input = match first.and_then(|event| event.attributes) {
            Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => started.input,
            _ => None,
        };
        let input = input.and_then(|input| input.payloads.into_iter().next());
        let input: Option<Input> = input.and_then(|payload| serde_json::from_slice(&payload.data).ok());
        match input.is_some_and(|input| input.campaign == *campaign) {
            true => Ok(()),
            false => Err(format!(
                "{id} runs already, and it is another campaign: another scenario, other seeds or another version; \
                 give this one another --workflow-id"
            )),
        }
    }
}

/// A campaign that runs.
pub struct Started {
    handle: WorkflowHandle<Client, HumanRun<PlayCampaign>>,
    id: String,
    was_there: bool,
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Started {
    /// Its workflow id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it ran before.
    pub fn was_there(&self) -> bool {
        self.was_there
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it ended otherwise than with a tally: it was cancelled or terminated.
    pub async fn tally(&self) -> Result<Tally, String> {
        let tally = self.handle.get_result(WorkflowGetResultOptions::default()).await;
        tally.map_err(|error| format!("campaign {} has come to nothing: {error}", self.id))
    }
}
