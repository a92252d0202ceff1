//! What always holds of queues.

use std::collections::BTreeSet;

use super::{LaneKey, Matching, queue};
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
        let (mut ready, mut starved) = (BTreeSet::new(), BTreeSet::new());
        for (key, queue) in &self.queues {
            for (group, lane) in queue.lanes_by_group() {
                let lane_key: LaneKey = (key.clone(), group.clone());
                for poller in lane.pollers() {
                    polls += 1;
                    violations.unless(self.polls.get(&poller.ticket) == Some(&lane_key), || {
                        format!("poll {} waits at {key:?} and is sought elsewhere", poller.ticket)
                    });
                }
                note(&mut ready, lane, &lane_key, queue::Lane::has_match);
                note(&mut starved, lane, &lane_key, queue::Lane::lacks_poller);
            }
        }
        violations.unless(polls == self.polls.len(), || {
            format!("{} polls are known and {polls} wait", self.polls.len())
        });
        violations.unless(ready == self.ready, || {
            format!("ready are {ready:?}, not {:?}", self.ready)
        });
        violations.unless(starved == self.starved, || {
            format!("starved are {starved:?}, not {:?}", self.starved)
        });
    }
}

fn note(lanes: &mut BTreeSet<LaneKey>, lane: &queue::Lane, key: &LaneKey, belongs: fn(&queue::Lane) -> bool) {
    if belongs(lane) {
        lanes.insert(key.clone());
    }
}
