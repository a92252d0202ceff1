//! A worker of the real SDK, and the smallest workflow that asks a person.

use std::time::Duration;

use awaithumans_temporal::{Human, HumanContext, HumanTask, HumanWorkflow, RegisterAwaitHuman as _};
use awaithumans_testkit::human::Matcher;
use awaithumans_testkit::{Moment, Testkit, Worker};
use serde::{Deserialize, Serialize};
use temporalio_client::WorkflowStartOptions;
use temporalio_sdk::WorkflowResult;

const TASK_QUEUE: &str = "approvals";

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
struct Question {
    server_url: String,
    callback_url: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Decision {
    approved: bool,
}

#[derive(Debug, Default)]
struct Approval;

impl HumanWorkflow for Approval {
    type Input = Question;
    type Output = bool;
    const NAME: &'static str = "approval";

    async fn run(ctx: HumanContext<Self>, question: Question) -> WorkflowResult<bool> {
        let task = HumanTask::<Decision>::new("Refund $250 to cus_demo?", &question)
            .timeout(Duration::from_secs(7 * 86_400))
            .server_url(&question.server_url)
            .callback_url(&question.callback_url);
        Ok(ctx.await_human(task).await?.approved)
    }
}

/// A testkit and its worker, on a runtime of their own.
pub(crate) struct Stage {
    runtime: tokio::runtime::Runtime,
    kit: Testkit,
    worker: Option<Worker>,
    played: u64,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (kit, worker) = runtime.block_on(async {
            let kit = Testkit::start().await;
            let people = kit.humans().on(Matcher::any()).after(Duration::from_secs(3_600));
            people.complete(serde_json::json!({"approved": true}));
            let options = kit.worker_options(TASK_QUEUE).register_workflow::<Human<Approval>>();
            let options = options.expect("its name is free");
            let options = options.register_await_human(kit.create_task_activity());
            let worker = kit.spawn_worker(options.expect("its name is free").build()).await;
            (kit, worker)
        });
        Self {
            runtime,
            kit,
            worker: Some(worker),
            played: 0,
        }
    }

    /// Scenarios one after another.
    pub(crate) fn play(&mut self, scenarios: u64) {
        (0..scenarios).for_each(|_| self.play_at_once(1));
    }

    /// Scenarios a hundred at a time, as of a company whose many requests wait for people.
    pub(crate) fn play_in_hundreds(&mut self, scenarios: u64) {
        let mut left = scenarios;
        while left > 0 {
            let these = left.min(100);
            self.play_at_once(these);
            left -= these;
        }
    }

    fn play_at_once(&mut self, scenarios: u64) {
        let first = self.played + 1;
        self.played += scenarios;
        let (kit, these) = (&self.kit, first..=self.played);
        self.runtime.block_on(async {
            for number in these.clone() {
                let id = id(number);
                let question = Question {
                    server_url: kit.server_url().to_owned(),
                    callback_url: kit.callback_url(),
                };
                let options = WorkflowStartOptions::new(TASK_QUEUE, id.as_str()).build();
                let started = kit.client().start_workflow(Human::<Approval>::run, question, options);
                started.await.expect("it starts");
            }
            for number in these {
                let closed = Moment::closed(id(number));
                kit.run_until_moment(closed).await.expect("it ends");
            }
        });
    }
}

fn id(number: u64) -> String {
    format!("approval-{number}")
}

impl Drop for Stage {
    fn drop(&mut self) {
        let completed = self.kit.coverage().seen("closed:completed");
        assert_eq!(completed, self.played, "{}", self.kit.timeline());
        // Within its runtime, as in a test.
        let worker = self.worker.take();
        self.runtime.block_on(async { drop(worker) });
    }
}
