//! A plan: what people do, and what goes wrong.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::person::Person;
use crate::fault::Rule;
use crate::world::World;

/// What people do, and what goes wrong. Each person and each fault is a step.
///
/// A plan says what happens and not which numbers were drawn, so it still means the same when the code around it has changed.
///
/// ```
/// use awaithumans_testkit::scenario::Plan;
///
/// let plan: Plan = serde_json::from_str(
///     r#"{"people": [{"after": "2d", "does": {"complete": {"approved": true}}}],
///         "faults": [{"fault": "restart_server", "when": {"on": "parked"}}]}"#,
/// )
/// .unwrap();
/// assert_eq!(plan.steps(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plans are written as literals, by people and by shrinking"
)]
pub struct Plan {
    /// What people do, in the order in which lines are matched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<Person>,
    /// What goes wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Rule>,
}

impl Plan {
    /// How many steps it has.
    pub fn steps(&self) -> usize {
        self.people.len() + self.faults.len()
    }

    /// Why the plan makes no sense, if it doesn't: which step, and why.
    ///
    /// # Errors
    /// One line for people.
    pub fn check(&self) -> Result<(), String> {
        for (place, rule) in self.faults.iter().enumerate() {
            rule.check().map_err(|why| format!("faults[{place}] ({rule}): {why}"))?;
        }
        Ok(())
    }

    /// Tells the people, and sets the rules.
    pub(crate) fn apply(&self, world: &mut World) -> Result<(), String> {
        self.check()?;
        for person in &self.people {
            let (human, _, _) = world.human_mut();
            person.join(human);
        }
        for rule in &self.faults {
            world.add_fault(rule.clone())?;
        }
        Ok(())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for person in &self.people {
            writeln!(f, "  - {person}")?;
        }
        for rule in &self.faults {
            writeln!(f, "  - {rule}")?;
        }
        Ok(())
    }
}
