//! What always holds of queues.

use std::collections::{BTreeMap, BTreeSet};

use super::{LaneKey, Matching};
use crate::temporal::invariant::Violations;
use crate::temporal::txn::Ticket;

impl Matching {
    /// Whether a poll waits.
    pub(crate) fn has_poll(&self, ticket: Ticket) -> bool {
        self.polls.contains_key(&ticket)
    }

    /// The polls that wait.
    pub(crate) fn polls(&self) -> impl Iterator<Item = Ticket> {
        self.polls.keys().copied()
    }

    /// The lists of lanes and polls say what is in the queues.
    pub(crate) fn check(&self, violations: &mut Violations) {
        let mut polls = 0;
        let mut starved = BTreeSet::new();
        let mut matches = BTreeMap::new();
        for (key, queue) in &self.queues {
            for (group, lane) in queue.lanes_by_group() {
                let lane_key: LaneKey = (key.clone(), group.clone());
                for poller in lane.pollers() {
                    polls += 1;
                    violations.unless(self.polls.get(&poller.ticket) == Some(&lane_key), || {
                        format!("poll {} waits at {key:?} and is sought elsewhere", poller.ticket)
                    });
                }
                if let Some(ready) = lane.ready(self.limiters.get(key)) {
                    matches.insert(lane_key.clone(), ready);
                }
                if lane.lacks_poller() {
                    starved.insert(lane_key);
                }
            }
        }
        violations.unless(polls == self.polls.len(), || {
            format!("{} polls are known and {polls} wait", self.polls.len())
        });
        // A lane that is held back says until when.
        let noted: BTreeSet<&LaneKey> = self.lists.ready.iter().chain(self.lists.throttled.keys()).collect();
        violations.unless(noted.iter().copied().eq(matches.keys()), || {
            format!("matches are {:?}, not {noted:?}", matches.keys())
        });
        violations.unless(
            self.lists
                .throttled
                .iter()
                .all(|(key, ready)| matches.get(key) == Some(ready)),
            || format!("held back are {matches:?}, not {:?}", self.lists.throttled),
        );
        violations.unless(starved == self.lists.starved, || {
            format!("starved are {starved:?}, not {:?}", self.lists.starved)
        });
    }
}
