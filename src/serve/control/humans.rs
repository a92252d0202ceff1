//! `/_testkit/v1/humans`: scripted people, verdicts, and what happens to the server at once.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use super::person::{Answer, Person, Value};
use super::problem::Problem;
use super::seconds::Seconds;
use super::{Control, answer, body};
use crate::clock::Timestamp;
use crate::human::{Human, SOMEBODY, Verdict, Verifier};
use crate::journal::Journal;

const HUMANS_FIX: &str = "send one of person, verifier, verifier_lacks, now, server and forget, each as docs/control-api.md has it: \
                          {\"person\": {\"matches\": \"any\", \"does\": {\"complete\": {\"approved\": true}}}}";

/// What is to happen.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Instruction {
    Person(Box<Person>),
    Verifier(VerifierLine),
    VerifierLacks(Lacks),
    Now(Now),
    Server(Server),
    Forget(Forget),
}

/// What the verifier says: see `Verifier`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifierLine {
    says: Says,
    #[serde(default)]
    to: To,
    #[serde(default)]
    after_seconds: Seconds,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Says {
    Pass(String),
    Parsed(Parsed),
    Reject(String),
    Outage(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parsed {
    reason: String,
    parsed_response: Value,
}

/// What the server's installation is without.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Lacks {
    Sdk(Provider),
    AllSdks,
    Variable(String),
}

/// For which answers.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum To {
    /// All of which nothing else is said.
    #[default]
    Default,
    /// The next one, once.
    Next,
    /// Those that this provider verifies.
    Provider(Provider),
}

/// Something that somebody does at this moment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Now {
    task: TaskName,
    does: Act,
    by: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TaskName {
    Id(String),
    Key(String),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    Complete(Answer),
    Cancel,
    Claim,
}

/// What happens to the server's process.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Server {
    Stop,
    Start,
    Restart,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Forget {
    People,
}

/// The name of a provider that awaithumans knows.
#[derive(Debug)]
struct Provider(String);

impl<'de> Deserialize<'de> for Provider {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match Verifier::knows(&name) {
            true => Ok(Self(name)),
            false => Err(D::Error::custom(format!("awaithumans knows no provider {name:?}"))),
        }
    }
}

#[derive(Serialize)]
struct Done {
    now: Timestamp,
    /// How many open tasks a new line of the script was for; those to come are not among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_tasks_taken_up: Option<usize>,
}

/// `POST /_testkit/v1/humans`.
pub(super) async fn instruct(State(control): State<Control>, request: Request) -> Result<Response, Problem> {
    let instruction: Instruction = body::read(request, HUMANS_FIX).await?;
    let done = control.driver.write(|world| {
        let (human, now, journal) = world.human_mut();
        let open_tasks_taken_up = carry_out(instruction, human, now, journal)?;
        Ok(Done {
            now,
            open_tasks_taken_up,
        })
    })?;
    Ok(answer(StatusCode::OK, &done))
}

fn carry_out(
    instruction: Instruction,
    human: &mut Human,
    now: Timestamp,
    journal: &mut Journal,
) -> Result<Option<usize>, Problem> {
    match instruction {
        Instruction::Person(person) => {
            let before = human.unplanned_tasks();
            person.join(human)?;
            return Ok(Some(before.saturating_sub(human.unplanned_tasks())));
        }
        Instruction::Verifier(line) => line.instruct(human.verifier()),
        Instruction::VerifierLacks(lacks) => lacks.instruct(human.verifier()),
        Instruction::Now(act) => act.carry_out(human, now, journal)?,
        Instruction::Server(Server::Stop) => human.stop(now, journal),
        Instruction::Server(Server::Start) => human.start(now, journal),
        Instruction::Server(Server::Restart) => human.restart(now, journal),
        Instruction::Forget(Forget::People) => human.people().clear(),
    }
    Ok(None)
}

impl VerifierLine {
    fn instruct(self, verifier: &mut Verifier) {
        let verdict = match self.says {
            Says::Pass(reason) => Verdict::Pass(reason),
            Says::Parsed(Parsed {
                reason,
                parsed_response: Value(parsed_response),
            }) => Verdict::Parsed {
                reason,
                parsed_response,
            },
            Says::Reject(reason) => Verdict::Reject(reason),
            Says::Outage(detail) => Verdict::Outage(detail),
        };
        let verdict = match self.after_seconds.0 {
            Duration::ZERO => verdict,
            delay => verdict.after(delay),
        };
        match self.to {
            To::Default => verifier.by_default(verdict),
            To::Next => verifier.next(verdict),
            To::Provider(Provider(name)) => verifier.of_provider(&name, verdict),
        };
    }
}

impl Lacks {
    fn instruct(self, verifier: &mut Verifier) {
        match self {
            Self::Sdk(Provider(name)) => verifier.missing_sdk(&name),
            Self::AllSdks => verifier.missing_sdks(),
            Self::Variable(name) => verifier.missing_variable(&name),
        };
    }
}

impl Now {
    fn carry_out(self, human: &mut Human, now: Timestamp, journal: &mut Journal) -> Result<(), Problem> {
        let id = match self.task {
            TaskName::Id(id) => id,
            TaskName::Key(key) => {
                let task = human.task_by_key(&key).map(|task| task.id.clone());
                task.ok_or_else(|| Problem::InvalidField {
                    field: "now.task.key".to_owned(),
                    message: format!("there is no task of key {key:?}"),
                    fix: "name a task that was created: GET /api/tasks of awaithumans lists them".to_owned(),
                })?
            }
        };
        let by = self.by.as_deref().unwrap_or(SOMEBODY);
        let outcome = match self.does {
            Act::Complete(Answer(answer)) => human.complete(now, journal, &id, answer, by),
            Act::Cancel => human.cancel(now, journal, &id),
            Act::Claim => human.claim(now, journal, &id, by),
        };
        outcome.map_err(|body| Problem::Refused {
            body: body.to_compact(),
        })
    }
}
