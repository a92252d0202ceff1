//! Everything in this process: the built-in workflow, its workers, the receiver.

use std::time::Duration;

use awaithumans_temporal::{Human, PayloadKey, RegisterAwaitHuman as _};
use temporalio_client::WorkflowStartOptions;
use temporalio_sdk::WorkerOptions;

use super::workflow::{Approval, Bank, Request};
use super::{Played, seen};
use crate::explore::PATIENCE;
use crate::moment::Moment;
use crate::scenario::{Problem, ReceiverKey, Scenario, ScenarioError, ScenarioFile, TASK_QUEUE};
use crate::testkit::{Builder, Error, Testkit, Worker};

/// The receiver's key where it isn't the server's.
const OTHER_KEY: [u8; 32] = [7; 32];

/// Plays a scenario with the built-in workflow, with all invariants watched; at the end each finished workflow is replayed.
///
/// # Errors
/// If the scenario makes no sense, or is one for another workflow. That something went otherwise than expected is no error here: see
/// [`ScenarioFile::judge`] and [`Played::broken`].
pub async fn play(file: &ScenarioFile) -> Result<Played, ScenarioError> {
    check(file)?;
    let scenario = file.scenario();
    let kit = builder(scenario).start().await;
    Ok(play_on(&kit, scenario).await)
}

/// Whether a scenario can be played here.
pub(crate) fn check(file: &ScenarioFile) -> Result<(), ScenarioError> {
    let scenario = file.scenario();
    scenario.check()?;
    let Some(workflow_type) = &scenario.workflow.workflow_type else {
        return Ok(());
    };
    let what = format!("{workflow_type} is a workflow of your own, which isn't in this process");
    let fix = "play it with --temporal, --callback and --task-queue, or leave `type` out for the built-in workflow";
    Err(file.error(vec![Problem::new("workflow.type", what, fix)]))
}

/// As [`play`], for a scenario that has been checked: under its seed, whatever the environment says, and without waiting for anybody outside.
pub(crate) async fn play_exactly(file: &ScenarioFile) -> Played {
    let kit = builder(file.scenario()).start_exactly().await;
    kit.set_patience(PATIENCE);
    play_on(&kit, file.scenario()).await
}

async fn play_on(kit: &Testkit, scenario: &Scenario) -> Played {
    set_up(kit, scenario);
    let mut run = Run {
        kit,
        scenario,
        broken: None,
    };
    let workers = run.spawn_workers().await;
    let started_at = kit.now();
    let ids: Vec<String> = scenario.workflow.ids().collect();
    run.start_workflows(&ids).await;
    run.wait_for(&ids).await;
    let lasted = kit.now().since(started_at);
    run.advance(scenario.world.afterwards.get()).await;
    run.check_replays().await;
    // The last step may have broken one, and nothing was awaited since.
    let broken = run.broken.or_else(|| kit.broken_invariant());
    let timeline = kit.timeline();
    let played = Played {
        seen: kit.look(|world| seen::of(world, &ids, lasted, timeline)),
        broken,
        coverage: kit.coverage(),
        journal: kit.journal(),
        seed: kit.seed(),
        unreproducible: kit.unreproducible(),
    };
    drop(workers);
    played
}

fn builder(scenario: &Scenario) -> Builder {
    let builder = Testkit::builder()
        .seed(scenario.seed)
        .profile(scenario.world.release.into())
        .timing(scenario.world.timing.into());
    match scenario.world.start_at {
        Some(moment) => builder.start_at(moment),
        None => builder,
    }
}

fn set_up(kit: &Testkit, scenario: &Scenario) {
    kit.watch_invariants();
    if scenario.world.receiver_key == ReceiverKey::Other {
        kit.receiver().use_key(PayloadKey::from_bytes(OTHER_KEY).webhook_key());
    }
    kit.apply(&scenario.plan()).expect("the scenario has been checked");
}

struct Run<'a> {
    kit: &'a Testkit,
    scenario: &'a Scenario,
    broken: Option<String>,
}

impl Run<'_> {
    async fn spawn_workers(&self) -> Vec<Worker> {
        let mut workers = Vec::new();
        for _ in 0..self.scenario.workflow.workers {
            workers.push(self.kit.spawn_worker(self.worker_options()).await);
        }
        workers
    }

    fn worker_options(&self) -> WorkerOptions {
        let bank = Bank {
            effects: self.kit.effects(),
            pays_once: self.scenario.workflow.pays_once,
        };
        self.kit
            .worker_options(TASK_QUEUE)
            .register_workflow::<Human<Approval>>()
            .expect("no other workflow has its name")
            .register_activities(bank)
            .register_await_human(self.kit.create_task_activity())
            .expect("no other activity has its name")
            .build()
    }

    async fn start_workflows(&mut self, ids: &[String]) {
        let settings = &self.scenario.workflow;
        for (place, id) in ids.iter().enumerate() {
            if place > 0 {
                self.advance(settings.every.get()).await;
            }
            let request = Request::new(settings, id, self.kit.server_url(), &self.kit.callback_url());
            let options = WorkflowStartOptions::new(TASK_QUEUE, id.as_str()).build();
            let start = self
                .kit
                .client()
                .start_workflow(Human::<Approval>::run, request, options);
            // A fault may delay the call, and then it needs time.
            match self.kit.run_until(start).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => self.kit.note(&format!("workflow {id} can't be started: {error}")),
                Err(error) => self.note(&error),
            }
        }
    }

    /// Until each has ended, or nothing can move any more.
    async fn wait_for(&mut self, ids: &[String]) {
        for id in ids {
            if self.broken.is_some() {
                return;
            }
            if let Err(error) = self.kit.run_until_moment(Moment::closed(id.as_str())).await {
                self.note(&error);
            }
        }
    }

    async fn advance(&mut self, duration: Duration) {
        if self.broken.is_none()
            && let Err(error) = self.kit.advance(duration).await
        {
            self.note(&error);
        }
    }

    async fn check_replays(&mut self) {
        if self.broken.is_none()
            && let Err(error) = self.kit.check_replays().await
        {
            self.note(&error);
        }
    }

    fn note(&mut self, error: &Error) {
        let report = error.report();
        if error.is_broken_invariant() {
            self.broken = Some(report.to_owned());
            return;
        }
        for line in report
            .lines()
            .take_while(|line| *line != "the last things that happened:")
        {
            self.kit.note(line);
        }
    }
}
