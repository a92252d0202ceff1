//! What the rules of its namespace do to an activity.

use super::{Activity, Pause};
use crate::temporal::rule::ActivityFacts;
use crate::temporal::txn::Txn;

impl Activity {
    /// A worker is about to take the first attempt: a rule may have it paused instead. Later attempts meet the rules when
    /// the one before fails and when they are offered.
    pub(crate) fn is_stopped_by_rule(&mut self, txn: &mut Txn<'_>) -> bool {
        self.attempt == 1 && self.obey_rules(txn)
    }

    /// Pauses it if a rule says so. Gives whether one does. No rule is asked about what is paused already.
    pub(super) fn obey_rules(&mut self, txn: &mut Txn<'_>) -> bool {
        if self.is_paused() {
            return false;
        }
        let rule_id = txn.rules.and_then(|rules| rules.pausing(&self.facts(), txn.now));
        let Some(rule_id) = rule_id else {
            return false;
        };
        self.pause(
            txn,
            Pause {
                at: txn.now,
                identity: String::new(),
                reason: String::new(),
                request_id: String::new(),
                rule_id: Some(rule_id),
            },
        );
        self.is_paused()
    }

    fn facts(&self) -> ActivityFacts<'_> {
        ActivityFacts {
            activity_id: self.activity_id(),
            activity_type: self.type_name(),
            state: match (self.is_started(), self.is_cancel_requested()) {
                (true, _) => "Started",
                (false, true) => "CancelRequested",
                (false, false) => "Scheduled",
            },
            attempt: self.attempt,
            task_queue: self.options.task_queue.as_ref().map_or("", |queue| &queue.name),
            scheduled_at: self.attempt_scheduled_at,
            last_attempt_completed_at: self.last_attempt_completed_at,
            last_failure: self.last_failure.as_ref().map_or("", |failure| &failure.message),
            started_at: self.started_at,
        }
    }
}
