//! A scenario: workflows, people, faults, and what must come of it. The same from Rust, from TOML and from JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::check;
use super::expect::{Expect, Seen};
use super::person::Person;
use super::plan::Plan;
use super::problem::{Problem, ScenarioError};
use super::settings::{WorkflowSettings, WorldSettings};
use super::source;
use crate::fault::Rule;

/// Everything that a run is made from, in the words of the domain.
///
/// ```
/// use awaithumans_testkit::scenario::{Ending, Expect, Does, Person, Scenario};
/// use std::time::Duration;
///
/// let scenario = Scenario::new("approved after two days")
///     .person(Person::new(Does::Complete(serde_json::json!({"approved": true})), Duration::from_secs(2 * 86_400)))
///     .expect(Expect { workflows: vec![Ending::Completed], effects: Some(1), ..Expect::default() });
/// let toml = scenario.to_toml().unwrap();
/// assert!(toml.contains("approved after two days"));
/// assert_eq!(Scenario::from_toml(&toml).unwrap(), scenario);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "scenarios are written as literals")]
pub struct Scenario {
    /// In one line.
    pub name: String,
    /// What it is about, for readers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The seed of every id, token and draw.
    #[serde(default)]
    pub seed: u64,
    /// The workflows.
    #[serde(default)]
    pub workflow: WorkflowSettings,
    /// The world around them.
    #[serde(default)]
    pub world: WorldSettings,
    /// What people do, in the order in which lines are matched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<Person>,
    /// What goes wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Rule>,
    /// What must come of it.
    #[serde(default)]
    pub expect: Expect,
}

impl Scenario {
    /// One built-in approval, with nobody who answers and nothing that goes wrong.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// With another seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With these workflows.
    #[must_use]
    pub fn workflow(mut self, workflow: WorkflowSettings) -> Self {
        self.workflow = workflow;
        self
    }

    /// In this world.
    #[must_use]
    pub fn world(mut self, world: WorldSettings) -> Self {
        self.world = world;
        self
    }

    /// One more line of the script.
    #[must_use]
    pub fn person(mut self, person: Person) -> Self {
        self.people.push(person);
        self
    }

    /// One more fault.
    #[must_use]
    pub fn fault(mut self, rule: Rule) -> Self {
        self.faults.push(rule);
        self
    }

    /// Says what must come of it.
    #[must_use]
    pub fn expect(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }

    /// People and faults.
    pub fn plan(&self) -> Plan {
        Plan {
            people: self.people.clone(),
            faults: self.faults.clone(),
        }
    }

    /// Reads TOML.
    ///
    /// # Errors
    /// What is wrong with it, each with its line and what would help.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        ScenarioFile::from_toml("", text).map(|file| file.scenario)
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// What is wrong with it, each with its line and what would help.
    pub fn from_json(text: &str) -> Result<Self, ScenarioError> {
        ScenarioFile::from_json("", text).map(|file| file.scenario)
    }

    /// Writes TOML.
    ///
    /// # Errors
    /// If an answer has `null`, or a number is larger than TOML has them.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|error| error.to_string())
    }

    /// Writes JSON.
    pub fn to_json(&self) -> String {
        // Maps have texts for keys, and nothing here fails to be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// What can't be as it is said: a time that awaithumans doesn't take, a fault that can never strike anything, a line of the script that never
    /// gets a task.
    ///
    /// # Errors
    /// All of it.
    pub fn check(&self) -> Result<(), ScenarioError> {
        ScenarioFile::from(self.clone()).checked().map(|_| ())
    }
}

/// A scenario, and where its parts stand in the file that it was read from.
#[derive(Clone, Debug)]
pub struct ScenarioFile {
    scenario: Scenario,
    name: String,
    lines: BTreeMap<String, usize>,
}

/// Without a file: problems have no lines then.
impl From<Scenario> for ScenarioFile {
    fn from(scenario: Scenario) -> Self {
        Self {
            scenario,
            name: String::new(),
            lines: BTreeMap::new(),
        }
    }
}

impl ScenarioFile {
    /// Reads a file's text: JSON if its name ends in `.json`, TOML otherwise.
    ///
    /// # Errors
    /// What is wrong with it, each with its line and what would help.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        match name.ends_with(".json") {
            true => Self::from_json(name, text),
            false => Self::from_toml(name, text),
        }
    }

    fn from_toml(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let scenario = toml::from_str(text);
        let scenario = scenario.map_err(|error| ScenarioError::new(name, vec![source::toml_problem(text, &error)]))?;
        let lines = source::toml_lines(text);
        Self::checked(Self::named(name, scenario, lines))
    }

    fn from_json(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let scenario = serde_json::from_str(text);
        let scenario = scenario.map_err(|error| ScenarioError::new(name, vec![source::json_problem(&error)]))?;
        let lines = source::json_lines(text);
        Self::checked(Self::named(name, scenario, lines))
    }

    fn named(name: &str, scenario: Scenario, lines: BTreeMap<String, usize>) -> Self {
        Self {
            scenario,
            name: name.to_owned(),
            lines,
        }
    }

    fn checked(self) -> Result<Self, ScenarioError> {
        let problems = check::problems(&self.scenario, &self.lines);
        match problems.is_empty() {
            true => Ok(self),
            false => Err(self.error(problems)),
        }
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The same with another seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.scenario.seed = seed;
        self
    }

    /// Holds what a run came to against what the scenario expects; and each of its faults must have fired.
    ///
    /// # Errors
    /// What isn't as expected, each with its line and what would help.
    pub fn judge(&self, seen: &Seen) -> Result<(), ScenarioError> {
        let mut problems = check::unfired(&self.scenario, seen);
        problems.extend(self.scenario.expect.unmet(seen));
        match problems.is_empty() {
            true => Ok(()),
            false => Err(self.error(problems)),
        }
    }

    /// What is wrong, with the lines.
    pub(crate) fn error(&self, mut problems: Vec<Problem>) -> ScenarioError {
        for problem in &mut problems {
            problem.line = source::line_of(&self.lines, &problem.path);
        }
        ScenarioError::new(self.name.clone(), problems)
    }
}
