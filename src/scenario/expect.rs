//! What a scenario expects, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::fault::Span;
use crate::human::Status;
use crate::moment::MomentKind;

/// What a run must have come to. What isn't said isn't asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a caller names what it sets and takes the rest from `default`"
)]
pub struct Expect {
    /// How each workflow ends, in the order in which they start; a single one counts for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workflows: Vec<Ending>,
    /// What becomes of the tasks, in the order in which they are created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Vec<Status>>,
    /// How many effects there are: payments, with the built-in workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effects: Option<u64>,
    /// How many signals the histories have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signals: Option<u64>,
    /// How often awaithumans tries to deliver a webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<u64>,
    /// The least virtual time from the start to the end of the last workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasts_at_least: Option<Span>,
    /// The most virtual time from the start to the end of the last workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasts_at_most: Option<Span>,
    /// Texts that lines of the timeline have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<String>,
    /// Texts that no line of the timeline has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timeline_lacks: Vec<String>,
}

/// How a workflow ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// With a result.
    Completed,
    /// With this result: a text, or JSON.
    CompletedWith(serde_json::Value),
    /// With a failure of this type.
    Failed(String),
    /// Cancelled.
    Canceled,
    /// Terminated.
    Terminated,
    /// By a timeout of its own.
    TimedOut,
    /// Not at all: it still waits when nothing can move any more.
    Open,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::CompletedWith(result) => write!(f, "completed with {result}"),
            Self::Failed(error_type) => write!(f, "failed with {error_type}"),
            Self::Canceled => f.write_str("canceled"),
            Self::Terminated => f.write_str("terminated"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Open => f.write_str("open"),
        }
    }
}

impl Ending {
    fn allows(&self, came: &Self) -> bool {
        self == came || (*self == Self::Completed && matches!(came, Self::CompletedWith(_)))
    }

    /// As a scenario file writes it.
    fn as_toml(&self) -> String {
        match self {
            Self::CompletedWith(_) => "\"completed\"".to_owned(),
            Self::Failed(error_type) => format!("{{ failed = {error_type:?} }}"),
            other => format!("{:?}", other.to_string().replace(' ', "_")),
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Seen {
    /// How each workflow ended, in the order in which they started.
    pub workflows: Vec<Ending>,
    /// What became of the tasks, in the order in which they were created.
    pub tasks: Vec<Status>,
    /// The idempotency keys of all effects, oldest first.
    pub effects: Vec<String>,
    /// How many signals the histories have.
    pub signals: u64,
    /// How often awaithumans tried to deliver a webhook.
    pub webhooks: u64,
    /// The virtual time from the start to the end of the last workflow.
    pub lasted: Duration,
    /// The timeline.
    pub timeline: String,
    /// How often each fault has fired, in their order.
    pub fired: Vec<u32>,
    /// How often each kind of moment came, and for whom.
    pub moments: BTreeMap<MomentKind, Vec<String>>,
}

impl Expect {
    /// What isn't as it was expected.
    pub(super) fn unmet(&self, seen: &Seen) -> Vec<Problem> {
        let mut unmet = self.unmet_endings(&seen.workflows);
        let mut compare = |field: &str, wanted: String, came: String| {
            if wanted != came {
                let what = format!("{wanted} expected, and it was {came}");
                unmet.push(Problem::new(format!("expect.{field}"), what, fix_for(field, &came)));
            }
        };
        if let Some(tasks) = &self.tasks {
            compare("tasks", statuses(tasks), statuses(&seen.tasks));
        }
        let effects = u64::try_from(seen.effects.len()).unwrap_or(u64::MAX);
        let counts = [
            ("effects", self.effects, effects),
            ("signals", self.signals, seen.signals),
            ("webhooks", self.webhooks, seen.webhooks),
        ];
        for (field, wanted, came) in counts {
            if let Some(wanted) = wanted {
                compare(field, wanted.to_string(), came.to_string());
            }
        }
        unmet.extend(self.unmet_duration(seen.lasted));
        for (place, text) in self.timeline.iter().enumerate() {
            if !seen.timeline.contains(text.as_str()) {
                let what = format!("no line of the timeline has {text:?}");
                unmet.push(Problem::new(format!("expect.timeline[{place}]"), what, TIMELINE_FIX));
            }
        }
        for (place, text) in self.timeline_lacks.iter().enumerate() {
            if let Some(line) = seen.timeline.lines().find(|line| line.contains(text.as_str())) {
                let what = format!("a line of the timeline has {text:?}: {}", line.trim());
                unmet.push(Problem::new(
                    format!("expect.timeline_lacks[{place}]"),
                    what,
                    TIMELINE_FIX,
                ));
            }
        }
        unmet
    }

    fn unmet_endings(&self, came: &[Ending]) -> Vec<Problem> {
        let mut unmet = Vec::new();
        for (number, ended) in came.iter().enumerate() {
            let (place, wanted) = match self.workflows.as_slice() {
                [] => break,
                [all] => (0, Some(all)),
                each => (number, each.get(number)),
            };
            if let Some(wanted) = wanted.filter(|wanted| !wanted.allows(ended)) {
                let what = format!("workflow {} is to be {wanted}, and it is {ended}", number + 1);
                let fix = fix_for("workflows", &ended.as_toml());
                unmet.push(Problem::new(format!("expect.workflows[{place}]"), what, fix));
            }
        }
        unmet
    }

    fn unmet_duration(&self, lasted: Duration) -> Option<Problem> {
        let lasted = Span::from(lasted);
        let unmet = |field: &str, wanted: Span, how: &str| {
            let what = format!("{wanted} at {how}, and it was {lasted}");
            Problem::new(
                format!("expect.{field}"),
                what,
                fix_for(field, &format!("{:?}", lasted.to_string())),
            )
        };
        let short = self.lasts_at_least.filter(|least| lasted < *least);
        let long = self.lasts_at_most.filter(|most| lasted > *most);
        let short = short.map(|least| unmet("lasts_at_least", least, "least"));
        short.or_else(|| long.map(|most| unmet("lasts_at_most", most, "most")))
    }
}

const TIMELINE_FIX: &str =
    "look at the timeline above: if it is right, change the text; if not, this is what you were looking for";

fn fix_for(field: &str, came: &str) -> String {
    format!("if what happened is right, write {came} for {field}; if not, the timeline says how it came to that")
}

fn statuses(statuses: &[Status]) -> String {
    let names: Vec<String> = statuses.iter().map(|status| format!("{:?}", status.as_str())).collect();
    format!("[{}]", names.join(", "))
}
