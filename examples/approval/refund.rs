//! A refund that a person must approve: the workflow under test, twice. Nothing here knows the testkit.

#![allow(
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "shared by the example, the tests and the bench"
)]

use std::time::Duration;

use awaithumans_temporal::{HumanContext, HumanTask, HumanWorkflow, VerifierConfig, await_human};
use serde::{Deserialize, Serialize};
use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use temporalio_sdk::{ActivityOptions, WorkflowContext, WorkflowResult};

pub const TASK_QUEUE: &str = "refunds";

/// What the workflow is started with.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Refund {
    pub customer: String,
    pub amount_usd: u32,
    pub server_url: String,
    pub callback_url: String,
    /// How long the person has.
    pub timeout_seconds: u64,
    /// A key of one's own; by default it is made from the workflow's id.
    pub idempotency_key: Option<String>,
    /// Whether a verifier looks at the answer.
    pub verified: bool,
    /// How many times the person is asked, and whether each time has a key of its own.
    pub questions: u32,
    pub distinct_keys: bool,
}

/// What the person answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Decision {
    pub approved: bool,
    #[serde(default)]
    pub note: String,
}

/// Pays money back.
pub struct Payments;

#[activities]
impl Payments {
    #[activity]
    pub async fn pay_back(_ctx: ActivityContext, amount_usd: u32) -> Result<String, ActivityError> {
        Ok(format!("paid back ${amount_usd}"))
    }
}

/// The inline form: written against the adapter's own trait; the signal arrives at the workflow itself.
#[derive(Debug, Default)]
pub struct InlineRefund;

impl HumanWorkflow for InlineRefund {
    type Input = Refund;
    type Output = String;
    const NAME: &'static str = "inline_refund";

    async fn run(ctx: HumanContext<Self>, refund: Refund) -> WorkflowResult<String> {
        let mut answers = Vec::new();
        for number in 1..=refund.questions {
            let decision: Decision = ctx.await_human(question(&refund, number)).await?;
            answers.push(answer_in_words(&decision));
            if !decision.approved {
                return Ok(answers.join("; "));
            }
        }
        let paid = ctx
            .execute_activity(Payments::pay_back, refund.amount_usd, pay_options())
            .await?;
        answers.push(paid);
        Ok(answers.join("; "))
    }
}

/// The form for any workflow written with `#[workflow_methods]`: one line.
#[workflow]
#[derive(Debug, Default)]
pub struct ClassicRefund;

#[workflow_methods]
impl ClassicRefund {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, refund: Refund) -> WorkflowResult<String> {
        let mut answers = Vec::new();
        for number in 1..=refund.questions {
            let decision = await_human(ctx, question(&refund, number)).await?;
            answers.push(answer_in_words(&decision));
            if !decision.approved {
                return Ok(answers.join("; "));
            }
        }
        let paid = ctx
            .execute_activity(Payments::pay_back, refund.amount_usd, pay_options())
            .await?;
        answers.push(paid);
        Ok(answers.join("; "))
    }
}

fn question(refund: &Refund, number: u32) -> HumanTask<Decision> {
    let title = match refund.questions {
        1 => format!("Refund ${} to {}?", refund.amount_usd, refund.customer),
        _ => format!(
            "Refund ${} to {}? (question {number})",
            refund.amount_usd, refund.customer
        ),
    };
    let mut task = HumanTask::new(title, refund)
        .timeout(Duration::from_secs(refund.timeout_seconds))
        .server_url(&refund.server_url)
        .callback_url(&refund.callback_url);
    if let Some(key) = &refund.idempotency_key {
        task = task.idempotency_key(key);
    } else if refund.distinct_keys {
        task = task.idempotency_key(format!("refund:{}:{number}", refund.customer));
    }
    if refund.verified {
        task = task.verifier(VerifierConfig::new("claude", "Is the decision justified?").max_attempts(3));
    }
    task
}

fn answer_in_words(decision: &Decision) -> String {
    match (decision.approved, decision.note.as_str()) {
        (true, "") => "approved".to_owned(),
        (true, note) => format!("approved ({note})"),
        (false, _) => "declined".to_owned(),
    }
}

fn pay_options() -> ActivityOptions {
    ActivityOptions::start_to_close_timeout(Duration::from_secs(10))
}
