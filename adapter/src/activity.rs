//! The create-task activity: the one step of `await_human` that leaves the workflow.

use std::sync::Arc;

use futures_util::{FutureExt as _, future::BoxFuture};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use temporalio_common::{ActivityDefinition, ActivityError, error::ApplicationFailure};
use temporalio_sdk::activities::{ActivityContext, ActivityDefinitions, ActivityImplementer, ExecutableActivity};

#[cfg(feature = "reqwest")]
use crate::client::ReqwestTransport;
use crate::client::{Awaithumans, ClientError, CreateTaskRequest, Transport};

/// The activity's type name, the same as the Python adapter's: a Rust workflow's task can be
/// created by a Python worker and the other way round.
pub const CREATE_TASK_ACTIVITY: &str = "awaithumans_create_task";

/// What the activity is given: the request, and which server gets it. Its JSON fields are the
/// Python adapter's.
///
/// `Debug` does not print `api_key`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct CreateTaskInput {
    /// The awaithumans server, `http://host:port`.
    pub server_url: String,
    /// The bearer token; `null` leaves it to [`CreateTask::api_key`].
    pub api_key: Option<String>,
    /// The body of `POST /api/tasks`.
    #[serde(flatten)]
    pub request: CreateTaskRequest,
}

impl std::fmt::Debug for CreateTaskInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateTaskInput")
            .field("server_url", &self.server_url)
            .field("api_key", &self.api_key.as_ref().map(|_| ".."))
            .field("request", &self.request)
            .finish()
    }
}

/// The activity `awaithumans_create_task`: posts the task and gives the server's JSON back.
///
/// [`register`](crate::register) puts it on a worker; a worker that runs nothing else of this
/// crate takes `options.register_activities(CreateTask::new(transport))`.
///
/// Every failure can be retried, refusals (401, 422, …) too, as with the Python adapter: the
/// retry policy is Temporal's default and the operator can mend the key or the server meanwhile.
#[derive(Clone)]
pub struct CreateTask {
    transport: Arc<dyn Transport>,
    api_key: Option<String>,
}

impl CreateTask {
    /// An activity that sends over `transport`.
    pub fn new(transport: impl Transport) -> Self {
        Self {
            transport: Arc::new(transport),
            api_key: None,
        }
    }

    /// The bearer token for tasks that name none. It keeps the token out of workflow histories,
    /// where the input of the activity is written.
    #[must_use]
    pub fn api_key(mut self, api_key: impl Into<String>) -> Self {
        self.api_key = Some(api_key.into());
        self
    }

    /// Creates the task.
    ///
    /// # Errors
    /// As [`Awaithumans::create_task`].
    pub async fn run(&self, input: CreateTaskInput) -> Result<Value, ClientError> {
        let api_key = input.api_key.or_else(|| self.api_key.clone());
        Awaithumans::new(input.server_url, api_key, Arc::clone(&self.transport))
            .create_task(&input.request)
            .await
    }
}

#[cfg(feature = "reqwest")]
impl Default for CreateTask {
    /// Over the network; see [`ReqwestTransport`].
    fn default() -> Self {
        Self::new(ReqwestTransport::default())
    }
}

impl std::fmt::Debug for CreateTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CreateTask(..)")
    }
}

/// Names the activity and its types for `ctx.execute_activity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateTaskDefinition;

impl ActivityDefinition for CreateTaskDefinition {
    type Input = CreateTaskInput;
    type Output = Value;

    fn name(&self) -> &str {
        CREATE_TASK_ACTIVITY
    }
}

impl ExecutableActivity for CreateTaskDefinition {
    type Implementer = CreateTask;
    const REQUIRES_INSTANCE: bool = true;

    fn definition() -> Self {
        Self
    }

    fn execute(
        receiver: Option<Arc<CreateTask>>,
        _ctx: ActivityContext,
        input: CreateTaskInput,
    ) -> BoxFuture<'static, Result<Value, ActivityError>> {
        async move {
            let activity = receiver
                .ok_or_else(|| ActivityError::application(ApplicationFailure::new("CreateTask has no instance")))?;
            activity.run(input).await.map_err(activity_failure)
        }
        .boxed()
    }
}

impl ActivityImplementer for CreateTask {
    fn register_all(self: Arc<Self>, definitions: &mut ActivityDefinitions) {
        definitions.register_activity::<CreateTaskDefinition>(self);
    }
}

fn activity_failure(error: ClientError) -> ActivityError {
    let error_type = error.error_type().to_owned();
    // The text only: an error with sources would become a chain of failures in the history, and
    // the text has them already.
    ActivityError::application(
        ApplicationFailure::builder(error.to_string())
            .type_name(error_type)
            .build(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_input_is_the_python_adapters() {
        // The first activity input of golden adapter/history/completed 1.json, api_key shortened.
        let recorded = json!({
            "api_key": "golden", "assign_to": null,
            "callback_url": "http://127.0.0.1:17221/awaithumans/callback?wf=golden-completed-1",
            "form_definition": {"fields": [], "version": 1},
            "idempotency_key": "temporal:golden-completed-1", "notify": null,
            "payload": {"amount_usd": 250, "customer_id": "cus_demo"},
            "payload_schema": {"type": "object"}, "redact_payload": false,
            "response_schema": {"type": "object"}, "server_url": "http://127.0.0.1:17220",
            "task": "Approve $250 refund for cus_demo?", "timeout_seconds": 900,
            "verifier_config": null,
        });
        let input: CreateTaskInput = serde_json::from_value(recorded.clone()).expect("it reads");
        assert_eq!(input.request.timeout_seconds, 900);
        assert_eq!(serde_json::to_value(&input).expect("it writes"), recorded);
        assert!(!format!("{input:?}").contains("golden\""), "{input:?}");
    }

    #[test]
    fn a_refusal_fails_as_pythons_runtime_error_and_may_be_retried() {
        let error = ClientError::Rejected {
            status: 422,
            body: "{}".to_owned(),
        };
        let ActivityError::Application(failure) = activity_failure(error) else {
            panic!("not an application failure");
        };
        assert_eq!(failure.type_name(), Some("RuntimeError"));
        assert!(!failure.is_non_retryable());
        assert_eq!(
            failure.to_string(),
            "awaithumans server rejected task creation (HTTP 422): {}"
        );
    }
}
