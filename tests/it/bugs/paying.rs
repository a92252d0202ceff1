//! Money goes out when it shouldn't, or twice.

use awaithumans_temporal::{AwaitHumanError, HumanContext, HumanWorkflow, VerifierConfig};
use awaithumans_testkit::Testkit;
use awaithumans_testkit::human::{Status, Verdict};
use temporalio_sdk::WorkflowResult;

use super::shop::{self, Order, Shop, soon};

/// A payment needs an approval: no money before the task is completed.
fn no_payment_without_approval(kit: &Testkit) {
    kit.invariant("no payment without an approval", |world| {
        let paid = !world.effects().is_empty();
        let approved = world.human().tasks().any(|task| task.status == Status::Completed);
        match paid && !approved {
            true => Err("an order was paid, and nobody has approved it".to_owned()),
            false => Ok(()),
        }
    });
}

#[derive(Debug, Default)]
pub struct PaysFirst;

impl HumanWorkflow for PaysFirst {
    type Input = Order;
    type Output = String;
    const NAME: &'static str = "pays_first";

    async fn run(ctx: HumanContext<Self>, order: Order) -> WorkflowResult<String> {
        if !order.fixed {
            // The bug: the payment is on its way before anybody has answered.
            ctx.execute_activity(Shop::pay, format!("pay:{}", order.id), soon())
                .await?;
        }
        let decision = ctx.await_human(shop::task(&order)).await?;
        if decision.approved {
            ctx.execute_activity(Shop::pay, format!("pay:{}", order.id), soon())
                .await?;
        }
        Ok("done".to_owned())
    }
}

pub async fn pays_before_the_approval(kit: &Testkit, fixed: bool) {
    no_payment_without_approval(kit);
    shop::play::<PaysFirst>(kit, fixed).await;
}

#[derive(Debug, Default)]
pub struct PaysBlindly;

impl HumanWorkflow for PaysBlindly {
    type Input = Order;
    type Output = String;
    const NAME: &'static str = "pays_blindly";

    async fn run(ctx: HumanContext<Self>, order: Order) -> WorkflowResult<String> {
        let decision = ctx.await_human(shop::task(&order)).await?;
        if decision.approved {
            let key = format!("pay:{}", order.id);
            match order.fixed {
                true => ctx.execute_activity(Shop::pay, key, soon()).await?,
                // The bug: Temporal tries an activity again whose report is lost.
                false => ctx.execute_activity(Shop::pay_blindly, key, soon()).await?,
            }
        }
        Ok("done".to_owned())
    }
}

pub async fn retries_a_payment_that_isnt_idempotent(kit: &Testkit, fixed: bool) {
    shop::play::<PaysBlindly>(kit, fixed).await;
}

#[derive(Debug, Default)]
pub struct PaysUnlessDeclined;

impl HumanWorkflow for PaysUnlessDeclined {
    type Input = Order;
    type Output = String;
    const NAME: &'static str = "pays_unless_declined";

    async fn run(ctx: HumanContext<Self>, order: Order) -> WorkflowResult<String> {
        let verifier = VerifierConfig::new("claude", "Is the decision justified?").max_attempts(3);
        let approved = match ctx.await_human(shop::task(&order).verifier(verifier)).await {
            Ok(decision) => decision.approved,
            // The bug: whatever isn't a no is taken for a yes.
            Err(AwaitHumanError::VerificationExhausted { .. }) if !order.fixed => true,
            Err(_) => false,
        };
        if approved {
            ctx.execute_activity(Shop::pay, format!("pay:{}", order.id), soon())
                .await?;
        }
        Ok("done".to_owned())
    }
}

pub async fn ignores_verification_exhausted(kit: &Testkit, fixed: bool) {
    kit.humans().verifier_says(Verdict::Pass("justified".to_owned()));
    no_payment_without_approval(kit);
    shop::play::<PaysUnlessDeclined>(kit, fixed).await;
}
