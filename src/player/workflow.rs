//! The built-in approval: it asks a person, one question after the other, and pays when all answers are yes.

use std::sync::Arc;
use std::time::Duration;

use awaithumans_temporal::schemars::JsonSchema;
use awaithumans_temporal::{HumanContext, HumanTask, HumanWorkflow, VerifierConfig};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use temporalio_common::{ActivityDefinition, ActivityError};
use temporalio_sdk::activities::{ActivityContext, ActivityDefinitions, ActivityImplementer, ExecutableActivity};
use temporalio_sdk::{ActivityOptions, WorkflowResult};

use crate::scenario::{PAY_ACTIVITY, WorkflowSettings};
use crate::testkit::Effects;

/// What the workflow is started with.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "awaithumans_temporal::schemars")]
pub(super) struct Request {
    questions: Vec<Question>,
    timeout_seconds: u64,
    verifier_attempts: Option<u32>,
    assign_to: Option<String>,
    server_url: String,
    callback_url: String,
}

/// One question.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "awaithumans_temporal::schemars")]
struct Question {
    title: String,
    key: String,
}

/// What a person answers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "awaithumans_temporal::schemars")]
struct Decision {
    approved: bool,
    #[serde(default)]
    note: String,
}

impl Request {
    pub(super) fn new(settings: &WorkflowSettings, workflow_id: &str, server_url: &str, callback_url: &str) -> Self {
        let question = |number| Question {
            title: settings.title_of(number),
            key: settings.key_of(workflow_id, number),
        };
        Self {
            questions: (1..=settings.questions).map(question).collect(),
            timeout_seconds: settings.timeout.get().as_secs(),
            verifier_attempts: settings.verifier_attempts,
            assign_to: settings.assign_to.clone(),
            server_url: server_url.to_owned(),
            callback_url: callback_url.to_owned(),
        }
    }

    fn task(&self, question: &Question) -> HumanTask<Decision> {
        let mut task = HumanTask::new(&question.title, self)
            .timeout(Duration::from_secs(self.timeout_seconds))
            .idempotency_key(&question.key)
            .server_url(&self.server_url)
            .callback_url(&self.callback_url);
        if let Some(attempts) = self.verifier_attempts {
            task = task.verifier(VerifierConfig::new("claude", "Is the decision justified?").max_attempts(attempts));
        }
        if let Some(email) = &self.assign_to {
            task = task.assign_to(email.as_str());
        }
        task
    }
}

/// The workflow.
#[derive(Debug, Default)]
pub(super) struct Approval;

impl HumanWorkflow for Approval {
    type Input = Request;
    type Output = String;
    const NAME: &'static str = "approval";

    async fn run(ctx: HumanContext<Self>, request: Request) -> WorkflowResult<String> {
        let mut words = Vec::new();
        for question in &request.questions {
            let decision: Decision = ctx.await_human(request.task(question)).await?;
            if !decision.approved {
                words.push("declined".to_owned());
                return Ok(words.join("; "));
            }
            words.push(match decision.note.as_str() {
                "" => "approved".to_owned(),
                note => format!("approved ({note})"),
            });
        }
        let key = format!("pay:{}", ctx.workflow_id());
        // Its own, so that a worker that is killed meanwhile leaves nothing behind: see the adapter's `await_human`.
        let cancellation = ctx.cancellation_token().child_token();
        let options = ActivityOptions::with_start_to_close_timeout(Duration::from_secs(10))
            .cancellation_token(cancellation.clone())
            .build();
        words.push(ctx.execute_activity(Pay, key, options).await?);
        Ok(words.join("; "))
    }
}

/// Where money is paid: the world's effects.
#[derive(Debug)]
pub(super) struct Bank {
    pub(super) effects: Effects,
    /// Whether a payment is known again by its key.
    pub(super) pays_once: bool,
}

impl Bank {
    fn pay(&self, key: &str) -> String {
        if !self.pays_once || !self.effects.all().iter().any(|paid| paid == key) {
            self.effects.record(key);
        }
        "paid".to_owned()
    }
}

/// The activity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pay;

impl ActivityDefinition for Pay {
    type Input = String;
    type Output = String;

    fn name(&self) -> &str {
        PAY_ACTIVITY
    }
}

impl ExecutableActivity for Pay {
    type Implementer = Bank;
    const REQUIRES_INSTANCE: bool = true;

    fn definition() -> Self {
        Self
    }

    fn execute(
        bank: Option<Arc<Bank>>,
        _ctx: ActivityContext,
        key: String,
    ) -> BoxFuture<'static, Result<String, ActivityError>> {
        // The SDK gives the instance that was registered, since one is required.
        async move { Ok(bank.map(|bank| bank.pay(&key)).unwrap_or_default()) }.boxed()
    }
}

impl ActivityImplementer for Bank {
    fn register_all(self: Arc<Self>, definitions: &mut ActivityDefinitions) {
        definitions.register_activity::<Pay>(self);
    }
}
