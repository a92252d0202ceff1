//! The user's own worker and receiver: both servers stand in this process, on ports, and the scenario is played around them.

use std::io;
use std::time::Duration;

use temporalio_client::{Client, UntypedWorkflow, WorkflowGetResultOptions, WorkflowStartOptions};
use temporalio_common::data_converters::RawValue;
use temporalio_protos::temporal::api::common::v1::Payload;

use super::{Played, seen};
use crate::fault::Fault;
use crate::io::{Connection, Driver, Step};
use crate::journal::Party;
use crate::scenario::{Coverage, Problem, ReceiverKey, Release, Scenario, ScenarioError, ScenarioFile};
use crate::serve::{Options, Ready, Server, Time};
use crate::testkit::{connect, timeline};

/// Where the user's worker and receiver meet the two servers.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "whoever plays says all of it")]
pub struct Outside {
    /// The port of Temporal's gRPC API, to which the worker connects; 0 for any free one.
    pub temporal_port: u16,
    /// The port of awaithumans' HTTP API; 0 for any free one.
    pub awaithumans_port: u16,
    /// The receiver's callback URL, which stands for `{callback}` in the workflow's input.
    pub callback: String,
    /// The worker's task queue.
    pub task_queue: String,
    /// How long, in real time, nothing may happen before the run is given up.
    pub patience: Duration,
    /// awaithumans' environment variables; payload key and admin token have values for tests unless they are named.
    pub variables: Vec<(String, String)>,
}

/// Both servers on their ports, with a scenario that is about to be played.
#[derive(Debug)]
pub struct Stage {
    server: Server,
    scenario: Scenario,
    outside: Outside,
}

impl Stage {
    /// Takes the ports. The worker may connect from now on; it is answered by [`Self::play`].
    ///
    /// # Errors
    /// If the scenario makes no sense, or asks for what can't be done to others' processes. A port that can't be taken is an error of the inner
    /// result.
    pub async fn open(file: &ScenarioFile, outside: Outside) -> Result<io::Result<Self>, ScenarioError> {
        let scenario = file.scenario();
        scenario.check()?;
        let problems = impossible_outside(scenario);
        if !problems.is_empty() {
            return Err(file.error(problems));
        }
        let options = Options {
            temporal_port: outside.temporal_port,
            awaithumans_port: outside.awaithumans_port,
            ui_port: 0,
            time: Time::Skip,
            seed: scenario.seed,
            timing: scenario.world.timing.into(),
            variables: outside.variables.clone(),
            ..Options::default()
        };
        let server = Server::bind(options).await;
        Ok(server.map(|server| Self {
            server,
            scenario: scenario.clone(),
            outside,
        }))
    }

    /// Where everything is.
    pub fn ready(&self) -> &Ready {
        self.server.ready()
    }

    /// Starts the workflows on the worker's task queue, and lets happen what the scenario says, until all have ended or nothing happens for
    /// as long as patience lasts.
    ///
    /// # Errors
    /// If a listening socket breaks.
    pub async fn play(self) -> io::Result<Played> {
        let Self {
            server,
            scenario,
            outside,
        } = self;
        let driver = server.driver();
        let client = connect(Connection::new(driver.clone()).service(), "scenario").await;
        let run = Run {
            driver,
            client,
            awaithumans: server.ready().awaithumans.clone(),
            scenario,
            outside,
        };
        tokio::select! {
            ended = server.run() => Err(ended.err().unwrap_or_else(|| io::Error::other("the server has stopped"))),
            played = run.play() => Ok(played),
        }
    }
}

/// What can't be done to processes that aren't ours.
fn impossible_outside(scenario: &Scenario) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |path: String, what: &str, fix: &str| problems.push(Problem::new(path, what, fix));
    if scenario.workflow.workflow_type.is_none() {
        add(
            "workflow.type".to_owned(),
            "which of the worker's workflows is to be started?",
            "write type = \"…\"",
        );
    }
    for (place, rule) in scenario.faults.iter().enumerate() {
        let what = match rule.fault {
            Fault::CrashWorker { .. } | Fault::CrashWorkerBefore { .. } | Fault::CrashWorkerAfter { .. } => {
                "your worker's process can't be killed from here"
            }
            Fault::ReceiverCrashes { .. } => "your receiver's process can't be killed from here",
            _ => continue,
        };
        let fix = "take it out; drop_task, lose_reply and receiver_closes come near it";
        add(format!("faults[{place}]"), what, fix);
    }
    let world = &scenario.world;
    let own = "take it out: the built-in receiver and a clock of its own are only there without --temporal";
    if world.receiver_key != ReceiverKey::Same {
        add(
            "world.receiver_key".to_owned(),
            "the receiver's key is the receiver's own",
            own,
        );
    }
    if world.release != Release::default() {
        add("world.release".to_owned(), "only today's release is served", own);
    }
    if world.start_at.is_some() {
        add(
            "world.start_at".to_owned(),
            "your worker's clock says what time it is",
            own,
        );
    }
    problems
}

struct Run {
    driver: Driver,
    client: Client,
    awaithumans: String,
    scenario: Scenario,
    outside: Outside,
}

impl Run {
    async fn play(&self) -> Played {
        let key = self
            .driver
            .read(|world| world.human().config().payload_key.webhook_key());
        self.driver.add_invariants(|invariants| invariants.add_common(key));
        let plan = self.scenario.plan();
        self.driver
            .write(|world| plan.apply(world).expect("the scenario has been checked"));
        let started_at = self.driver.read(|world| world.now());
        let ids: Vec<String> = self.scenario.workflow.ids().collect();
        for (place, id) in ids.iter().enumerate() {
            if place > 0 {
                self.advance(self.scenario.workflow.every.get()).await;
            }
            self.start(id).await;
        }
        for id in &ids {
            self.wait_for(id).await;
        }
        let lasted = self.driver.read(|world| world.now().since(started_at));
        self.advance(self.scenario.world.afterwards.get()).await;
        let broken = self.driver.broken_invariant();
        self.driver.read(|world| Played {
            seen: seen::of(world, &ids, lasted, timeline(world.journal())),
            broken,
            coverage: Coverage::of(world),
            journal: world.journal().clone(),
            seed: self.scenario.seed,
            unreproducible: vec!["your worker and your receiver take the time that they take".to_owned()],
        })
    }

    async fn start(&self, id: &str) {
        let settings = &self.scenario.workflow;
        let workflow_type = settings.workflow_type.clone().unwrap_or_default();
        let payloads = settings.input.as_ref().map(|input| self.payload(input, id));
        let input = RawValue::new(payloads.into_iter().collect());
        let options = WorkflowStartOptions::new(self.outside.task_queue.as_str(), id).build();
        let started = self
            .client
            .start_workflow(UntypedWorkflow::new(workflow_type), input, options);
        if let Err(error) = self.or_lost_patience(started).await.unwrap_or(Ok(())) {
            self.note(format!("workflow {id} can't be started: {error}"));
        }
    }

    /// The input, with the addresses in the places of their names.
    fn payload(&self, input: &serde_json::Value, id: &str) -> Payload {
        let input = filled_in(
            input,
            &[
                ("{awaithumans}", &self.awaithumans),
                ("{callback}", &self.outside.callback),
                ("{workflow}", id),
            ],
        );
        Payload {
            metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
            data: input.to_string().into_bytes(),
            ..Payload::default()
        }
    }

    /// Waits as a client does, which lets time skip.
    async fn wait_for(&self, id: &str) {
        let handle = self.client.get_workflow_handle::<UntypedWorkflow>(id);
        let result = async {
            // How it ended stands in its history.
            let _ = handle.get_result(WorkflowGetResultOptions::default()).await;
            Ok::<_, String>(())
        };
        if self.or_lost_patience(result).await.is_none() {
            let patience = self.outside.patience;
            self.note(format!(
                "nothing has happened for {patience:?}: workflow {id} is given up"
            ));
            for line in self.driver.read(|world| world.temporal().who_waits()) {
                self.note(line);
            }
        }
    }

    /// What the future gives; `None` if nothing happens in the world for as long as patience lasts.
    async fn or_lost_patience<T, E>(&self, future: impl Future<Output = Result<T, E>>) -> Option<Result<(), E>> {
        tokio::select! {
            given = future => Some(given.map(|_| ())),
            () = self.stillness() => None,
        }
    }

    async fn stillness(&self) {
        loop {
            let before = self.driver.read(|world| world.journal().entries().len());
            let moved = self
                .driver
                .wait_for(move |world| (world.journal().entries().len() != before).then_some(()));
            if tokio::time::timeout(self.outside.patience, moved).await.is_err() {
                return;
            }
        }
    }

    async fn advance(&self, by: Duration) {
        let until = self.driver.write(|world| world.now()) + by;
        loop {
            let changed = self.driver.changed();
            tokio::pin!(changed);
            // Registered before the look, so that no change falls between the two.
            changed.as_mut().enable();
            match self.driver.step_towards(until) {
                // Whoever has an answer now goes first.
                Step::Fired => tokio::task::yield_now().await,
                Step::Arrived | Step::Held => return,
                Step::Busy => {
                    if tokio::time::timeout(self.outside.patience, changed).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn note(&self, what: String) {
        self.driver.write(|world| world.note(Party::Test, what));
    }
}

/// The same JSON, with names in its texts replaced.
fn filled_in(value: &serde_json::Value, names: &[(&str, &str)]) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            let text = names
                .iter()
                .fold(text.clone(), |text, (name, value)| text.replace(name, value));
            Value::String(text)
        }
        Value::Array(elements) => elements.iter().map(|element| filled_in(element, names)).collect(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (name.clone(), filled_in(value, names)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_stand_for_addresses_at_any_depth() {
        let input = json!({"to": ["{callback}?x=1"], "id": "{workflow}", "n": 1});
        let names = [("{callback}", "http://127.0.0.1:1/cb"), ("{workflow}", "w-1")];
        assert_eq!(
            filled_in(&input, &names),
            json!({"to": ["http://127.0.0.1:1/cb?x=1"], "id": "w-1", "n": 1})
        );
    }

    #[test]
    fn what_cant_be_done_to_others_is_said() {
        let scenario = Scenario::from_toml(
            "name = \"x\"\n[world]\nreceiver_key = \"other\"\nrelease = \"0.1.0\"\nstart_at = \"2026-01-01T00:00:00Z\"\n\
             [[faults]]\nfault = { crash_worker = {} }\nwhen = { on = \"parked\" }\n[[faults]]\nfault = { receiver_crashes = {} }\n",
        )
        .unwrap();
        let paths: Vec<String> = impossible_outside(&scenario)
            .into_iter()
            .map(|problem| problem.path)
            .collect();
        let wanted = [
            "workflow.type",
            "faults[0]",
            "faults[1]",
            "world.receiver_key",
            "world.release",
            "world.start_at",
        ];
        assert_eq!(paths, wanted);
    }
}
