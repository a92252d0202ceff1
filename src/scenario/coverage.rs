//! What a run, or many, have seen of the domain.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fault::FAULT_NAMES;
use crate::human::Status;
use crate::moment::MomentKind;
use crate::world::World;

/// Which statuses, moments and faults have been seen, and how often. Coverages of several runs add up.
///
/// ```
/// use awaithumans_testkit::scenario::Coverage;
///
/// let coverage = Coverage::default();
/// assert_eq!(coverage.seen("status:timed_out"), 0);
/// assert!(coverage.to_string().contains("crash_worker"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    runs: u64,
    seen: BTreeMap<String, u64>,
}

impl Coverage {
    /// What one world has seen.
    pub(crate) fn of(world: &World) -> Self {
        let mut coverage = Self {
            runs: 1,
            seen: BTreeMap::new(),
        };
        for (_, happening) in world.journal().happenings() {
            coverage.count(format!("moment:{}", happening.kind.name()));
            match happening.kind {
                MomentKind::TaskEnded => coverage.count(format!("status:{}", happening.detail)),
                MomentKind::FaultFired => coverage.count(format!("fault:{}", happening.of)),
                MomentKind::WorkflowClosed => coverage.count(format!("closed:{}", happening.detail)),
                MomentKind::WebhookAnswered => {
                    let how = happening.detail.split(':').next().unwrap_or_default();
                    coverage.count(format!("webhook:{how}"));
                }
                _ => {}
            }
        }
        coverage
    }

    /// How many runs it is about.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// How often something was seen: `status:timed_out`, `moment:parked`, `fault:crash_worker`, `webhook:404`, `closed:failed`.
    pub fn seen(&self, what: &str) -> u64 {
        self.seen.get(what).copied().unwrap_or_default()
    }

    /// Everything that was seen, by name, and how often.
    pub fn all(&self) -> impl Iterator<Item = (&str, u64)> {
        self.seen.iter().map(|(what, times)| (what.as_str(), *times))
    }

    /// Adds what other runs have seen.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        for (what, count) in &other.seen {
            *self.seen.entry(what.clone()).or_default() += count;
        }
    }

    /// What could have been seen and wasn't.
    pub fn unseen(&self) -> Vec<String> {
        let all = expected();
        all.into_iter().filter(|what| self.seen(what) == 0).collect()
    }

    pub(crate) fn count(&mut self, what: String) {
        *self.seen.entry(what).or_default() += 1;
    }
}

/// Everything that has a name.
fn expected() -> Vec<String> {
    let terminal = Status::ALL.into_iter().filter(|status| status.is_terminal());
    let statuses = terminal.map(|status| format!("status:{}", status.as_str()));
    let kept = MomentKind::ALL
        .into_iter()
        .filter(|kind| *kind != MomentKind::HistoryEvent);
    let moments = kept.map(|kind| format!("moment:{}", kind.name()));
    let faults = FAULT_NAMES.into_iter().map(|name| format!("fault:{name}"));
    statuses.chain(moments).chain(faults).collect()
}

/// A table: what, how often. What was never seen stands there too.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seen in {} runs", self.runs)?;
        let mut all = self.seen.clone();
        for what in self.unseen() {
            all.entry(what).or_default();
        }
        for (what, count) in all {
            match count {
                0 => writeln!(f, "  {what:<40} {:>10}", "never")?,
                count => writeln!(f, "  {what:<40} {count:>10}")?,
            }
        }
        Ok(())
    }
}
