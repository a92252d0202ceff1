//! What to ask, whom, and for how long.

use std::{marker::PhantomData, time::Duration};

use schemars::{JsonSchema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{error::AwaitHumanError, form};
use crate::{
    activity::CreateTaskInput,
    client::{CreateTaskRequest, percent_encode},
};

const TIMEOUT_SECONDS: std::ops::RangeInclusive<u64> = 60..=2_592_000;
const CREATE_ACTIVITY_TIMEOUT: Duration = Duration::from_secs(30);
const CREATE_ACTIVITY_TIMEOUT_MILLISECONDS: std::ops::RangeInclusive<u64> = 1..=366 * 24 * 60 * 60 * 1000;
/// The query parameter of the callback URL that names the workflow to signal.
const WORKFLOW_PARAMETER: &str = "wf";

/// A question for a person, whose answer is an `R`.
///
/// [`timeout`](Self::timeout), [`callback_url`](Self::callback_url) and
/// [`server_url`](Self::server_url) are required; everything else has a default.
///
/// ```
/// # use std::time::Duration;
/// # use awaithumans_temporal::HumanTask;
/// #[derive(serde::Serialize, schemars::JsonSchema)]
/// struct Refund { amount_usd: u32 }
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Decision { approved: bool }
///
/// let task = HumanTask::<Decision>::new("Approve $250 refund?", &Refund { amount_usd: 250 })
///     .timeout(Duration::from_secs(48 * 60 * 60))
///     .server_url("https://humans.example.com")
///     .callback_url("https://app.example.com/awaithumans/callback")
///     .assign_to("alice@example.com");
/// # let _ = task;
/// ```
#[derive(Debug, Clone)]
#[must_use = "a task does nothing until it is awaited"]
pub struct HumanTask<R> {
    task: String,
    payload: Result<Value, String>,
    payload_schema: Value,
    response_schema: Value,
    form_definition: Option<Value>,
    timeout: Option<Duration>,
    callback_url: String,
    server_url: String,
    api_key: Option<String>,
    idempotency_key: Option<String>,
    assign_to: Option<AssignTo>,
    notify: Option<Vec<String>>,
    verifier: Option<VerifierConfig>,
    redact_payload: bool,
    create_activity_timeout: Duration,
    response: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned + JsonSchema> HumanTask<R> {
    /// A question `task`, with the data that the person sees. `payload` must be written as a JSON
    /// object: a struct or a map.
    ///
    /// The form that the dashboard shows is derived from `R`'s schema; see
    /// [`form_definition`](Self::form_definition).
    pub fn new<P: Serialize + JsonSchema>(task: impl Into<String>, payload: &P) -> Self {
        let response_schema = schema_of::<R>();
        Self {
            task: task.into(),
            payload: serde_json::to_value(payload).map_err(|error| error.to_string()),
            payload_schema: schema_of::<P>(),
            form_definition: form::derive(&response_schema),
            response_schema,
            timeout: None,
            callback_url: String::new(),
            server_url: String::new(),
            api_key: None,
            idempotency_key: None,
            assign_to: None,
            notify: None,
            verifier: None,
            redact_payload: false,
            create_activity_timeout: CREATE_ACTIVITY_TIMEOUT,
            response: PhantomData,
        }
    }
}

impl<R> HumanTask<R> {
    /// How long the person has: 60 seconds to 30 days, whole seconds. Required.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Where the awaithumans server posts the signed webhook: your route that calls
    /// [`dispatch_signal`](crate::dispatch_signal). Required.
    ///
    /// The workflow to signal is named by the query parameter `wf`, which is added if it isn't
    /// there. One that is there is kept by the inline form and replaced by the child-workflow
    /// form, whose child is the one to signal.
    pub fn callback_url(mut self, callback_url: impl Into<String>) -> Self {
        self.callback_url = callback_url.into();
        self
    }

    /// The awaithumans server, `http://host:port`. Required.
    pub fn server_url(mut self, server_url: impl Into<String>) -> Self {
        self.server_url = server_url.into();
        self
    }

    /// The bearer token for the awaithumans server. It is written into the workflow's history;
    /// [`CreateTask::api_key`](crate::CreateTask::api_key) is not.
    pub fn api_key(mut self, api_key: impl Into<String>) -> Self {
        self.api_key = Some(api_key.into());
        self
    }

    /// Same key, same task: on the server, and in the name of the signal. The default is
    /// `temporal:{workflow id}`, so a workflow that asks twice must give the second task a key of
    /// its own, or it gets the first one's answer again. Empty means the default.
    pub fn idempotency_key(mut self, idempotency_key: impl Into<String>) -> Self {
        self.idempotency_key = Some(idempotency_key.into()).filter(|key: &String| !key.is_empty());
        self
    }

    /// Who is asked: an e-mail address, several of them, or an [`AssignTo`].
    pub fn assign_to(mut self, assign_to: impl Into<AssignTo>) -> Self {
        self.assign_to = Some(assign_to.into());
        self
    }

    /// Notification channels, such as `slack:#ops` or `email:ops@example.com`.
    pub fn notify<S: Into<String>>(mut self, channels: impl IntoIterator<Item = S>) -> Self {
        self.notify = Some(channels.into_iter().map(Into::into).collect());
        self
    }

    /// Has the server check each answer with a language model.
    pub fn verifier(mut self, verifier: VerifierConfig) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Hides the payload in the server's audit log.
    pub fn redact_payload(mut self, redact_payload: bool) -> Self {
        self.redact_payload = redact_payload;
        self
    }

    /// How long one attempt to create the task may take (start to close); 30 seconds by default.
    pub fn create_activity_timeout(mut self, timeout: Duration) -> Self {
        self.create_activity_timeout = timeout;
        self
    }

    /// The form for the dashboard, as the server's `FormDefinition` JSON, or `null` for none.
    ///
    /// Without it, one is derived from the response type where that has only fields of these
    /// kinds: booleans, texts, numbers, dates and times (by the schema's `format`), enums without
    /// data and lists of them; any other field becomes a long text. Fields stand in the schema's
    /// order, which is alphabetical unless schemars has its feature `preserve_order`.
    pub fn form_definition(mut self, form_definition: Value) -> Self {
        self.form_definition = Some(form_definition).filter(|form| !form.is_null());
        self
    }

    /// Checks the task and makes the create-task activity's input of it.
    ///
    /// - `default_key`: the idempotency key if the task has none;
    /// - `callback`: the workflow to signal.
    pub(crate) fn prepare(self, default_key: String) -> Result<Question, AwaitHumanError> {
        let timeout_seconds = self.timeout_seconds()?;
        for (field, value) in [("server_url", &self.server_url), ("callback_url", &self.callback_url)] {
            if value.is_empty() {
                return Err(invalid(field, "is required"));
            }
        }
        let payload = self.payload.map_err(|error| invalid("payload", &error))?;
        if !payload.is_object() {
            return Err(invalid("payload", "must be written as a JSON object"));
        }
        if let Some(verifier) = &self.verifier
            && !(1..=10).contains(&verifier.max_attempts)
        {
            return Err(invalid("verifier_config.max_attempts", "must be between 1 and 10"));
        }
        let create_activity_timeout_milliseconds = u64::try_from(self.create_activity_timeout.as_millis())
            .ok()
            .filter(|milliseconds| CREATE_ACTIVITY_TIMEOUT_MILLISECONDS.contains(milliseconds))
            .ok_or_else(|| invalid("create_activity_timeout", "must be 1 millisecond to 1 year"))?;
        let request = CreateTaskRequest {
            task: self.task,
            payload,
            payload_schema: self.payload_schema,
            response_schema: self.response_schema,
            form_definition: self.form_definition,
            timeout_seconds,
            idempotency_key: self.idempotency_key.unwrap_or(default_key),
            assign_to: self.assign_to.map(AssignTo::into_json),
            notify: self.notify,
            verifier_config: self.verifier.map(VerifierConfig::into_json),
            redact_payload: self.redact_payload,
            callback_url: self.callback_url,
        };
        Ok(Question {
            create: CreateTaskInput {
                server_url: self.server_url,
                api_key: self.api_key,
                request,
            },
            create_activity_timeout_milliseconds,
        })
    }

    fn timeout_seconds(&self) -> Result<u64, AwaitHumanError> {
        let timeout = self.timeout.unwrap_or_default();
        if timeout.subsec_nanos() == 0 && TIMEOUT_SECONDS.contains(&timeout.as_secs()) {
            return Ok(timeout.as_secs());
        }
        if TIMEOUT_SECONDS.contains(&timeout.as_secs()) {
            return Err(invalid("timeout_seconds", "must be whole seconds"));
        }
        Err(AwaitHumanError::TimeoutRange {
            timeout_seconds: timeout.as_secs_f64(),
        })
    }
}

/// A checked task: what the inline form works on, and the input of the child workflow.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Question {
    pub(crate) create: CreateTaskInput,
    pub(crate) create_activity_timeout_milliseconds: u64,
}

impl Question {
    /// Has the callback URL name `workflow_id`; `replace` says whether a name that is already
    /// there goes.
    pub(crate) fn call_back(mut self, workflow_id: &str, replace: bool) -> Self {
        let url = &mut self.create.request.callback_url;
        *url = with_workflow_parameter(url, workflow_id, replace);
        self
    }
}

/// Who is asked. E-mail addresses convert into it: one `&str` or `String`, or a list of them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AssignTo {
    /// One person, by e-mail address.
    Email(String),
    /// Several people; the first to claim the task has it.
    Emails(Vec<String>),
    /// A named pool.
    Pool(String),
    /// Whoever has a role, and an access level within it if one is given.
    Role {
        /// The role's name.
        role: String,
        /// The access level within the role.
        access_level: Option<String>,
    },
    /// One person, by the server's user id.
    User(String),
    /// Any other JSON object that the server may know.
    Json(Value),
}

impl AssignTo {
    fn into_json(self) -> Value {
        match self {
            Self::Email(email) => json!({"email": email}),
            Self::Emails(emails) => json!({"emails": emails}),
            Self::Pool(pool) => json!({"pool": pool}),
            Self::Role { role, access_level } => {
                json!({"role": role, "access_level": access_level})
            }
            Self::User(user_id) => json!({"user_id": user_id}),
            Self::Json(json) => json,
        }
    }
}

impl From<&str> for AssignTo {
    fn from(email: &str) -> Self {
        Self::Email(email.to_owned())
    }
}

impl From<String> for AssignTo {
    fn from(email: String) -> Self {
        Self::Email(email)
    }
}

impl<S: Into<String>> From<Vec<S>> for AssignTo {
    fn from(emails: Vec<S>) -> Self {
        Self::Emails(emails.into_iter().map(Into::into).collect())
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for AssignTo {
    fn from(emails: [S; N]) -> Self {
        Self::Emails(emails.into_iter().map(Into::into).collect())
    }
}

impl From<Value> for AssignTo {
    fn from(json: Value) -> Self {
        Self::Json(json)
    }
}

/// How the server checks answers before it accepts them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct VerifierConfig {
    /// `claude`, `openai`, `gemini` or `custom`.
    pub provider: String,
    /// The provider's model, or its default.
    pub model: Option<String>,
    /// The prompt.
    pub instructions: String,
    /// How many answers may be rejected: 1 to 10; 3 by default.
    pub max_attempts: u32,
    /// The server's environment variable that has the provider's key.
    pub api_key_env: Option<String>,
    /// Anything else that the provider takes.
    pub metadata: Option<Map<String, Value>>,
}

impl VerifierConfig {
    /// Three attempts, the provider's default model and key.
    pub fn new(provider: impl Into<String>, instructions: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            model: None,
            instructions: instructions.into(),
            max_attempts: 3,
            api_key_env: None,
            metadata: None,
        }
    }

    /// How many answers may be rejected: 1 to 10.
    #[must_use]
    pub fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.max_attempts = max_attempts;
        self
    }

    fn into_json(self) -> Value {
        json!({
            "provider": self.provider,
            "model": self.model,
            "instructions": self.instructions,
            "max_attempts": self.max_attempts,
            "api_key_env": self.api_key_env,
            "metadata": self.metadata,
        })
    }
}

fn schema_of<T: JsonSchema>() -> Value {
    SchemaGenerator::default().into_root_schema_for::<T>().to_value()
}

fn invalid(field: &str, message: &str) -> AwaitHumanError {
    AwaitHumanError::InvalidTask {
        field: field.to_owned(),
        message: message.to_owned(),
    }
}

/// Sets `wf` in a URL's query and leaves every other byte of it alone.
fn with_workflow_parameter(url: &str, workflow_id: &str, replace: bool) -> String {
    let (rest, fragment) = match url.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment)),
        None => (url, None),
    };
    let (base, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_workflow = |pair: &&str| pair.split('=').next() == Some(WORKFLOW_PARAMETER);
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    let named = pairs.iter().any(is_workflow);
    if named && !replace {
        return url.to_owned();
    }
    pairs.retain(|pair| !is_workflow(pair));
    let own = format!("{WORKFLOW_PARAMETER}={}", percent_encode(workflow_id));
    pairs.push(&own);
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!("{base}?{}{fragment}", pairs.join("&"))
}

#[cfg(test)]
mod tests;
