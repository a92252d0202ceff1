//! What has ended is forgotten when its namespace's retention is over.
//!
//! Nobody can tell at which moment a thing is forgotten before somebody asks for it. So these deadlines are no timers: time doesn't
//! run to them, a world with nothing else to come is stuck, and a million of them cost a million small entries.

use std::collections::BTreeMap;

use super::Engine;
use crate::clock::Timestamp;
use crate::temporal::nexus::OperationRef;
use crate::temporal::run::RunRef;
use crate::temporal::standalone::ActivityRef;

/// Something that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ended {
    Run(RunRef),
    Activity(ActivityRef),
    Operation(OperationRef),
}

/// What is to be forgotten, by when. Some of it may be gone already.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    due: BTreeMap<(Timestamp, u64), Ended>,
    next: u64,
}

impl Retained {
    fn pop_due(&mut self, now: Timestamp) -> Option<Ended> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}

impl Engine {
    /// It is this late: forgets what isn't kept any longer. Whatever comes in does so by itself; only who looks at the engine
    /// without asking it for anything must say so.
    pub fn handle_time(&mut self, now: Timestamp) {
        while let Some(ended) = self.retained.pop_due(now) {
            match ended {
                Ended::Run(run) => self.forget_run(run),
                Ended::Activity(activity) => self.delete_standalone(now, activity),
                Ended::Operation(operation) => self.delete_operation(now, operation),
            }
        }
    }

    /// Something has ended. Temporal adds up to half an hour to the retention, by chance (`history.retentionTimerJitterDuration`).
    pub(super) fn retain(&mut self, now: Timestamp, namespace: &str, ended: Ended) {
        let namespace = self.namespaces.get(namespace);
        let Some(retention) = namespace.and_then(|namespace| namespace.keeps_for()) else {
            return;
        };
        self.retained.next += 1;
        self.retained.due.insert((now + retention, self.retained.next), ended);
    }
}
