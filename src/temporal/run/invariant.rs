//! What always holds of one run by itself.

use super::Run;
use crate::temporal::invariant::Violations;
use crate::temporal::machine::timer::UserTimer;

impl Run {
    /// Whether it waits before its first workflow task.
    pub(crate) fn is_in_first_task_backoff(&self) -> bool {
        self.in_first_task_backoff
    }

    /// Whether workers of some deployment have had its tasks, or are to have them.
    pub(crate) fn is_versioned(&self) -> bool {
        !self.versioning.deployment_name().is_empty() || self.versioning.transition().is_some()
    }

    /// The ways to find its machines lead to them, and to nothing else.
    pub(crate) fn check(&self, violations: &mut Violations) {
        let machines = &self.machines;
        let activities = machines.activities.iter();
        let mut of_activities =
            activities.map(|(id, activity)| machines.activity_ids.get(activity.activity_id()) == Some(id));
        let found = of_activities.all(|is_found| is_found) && machines.activity_ids.len() == machines.activities.len();
        violations.unless(found, || "its activities aren't found by their ids".to_owned());
        violations.unless(machines.timers.is_consistent(), || {
            "its timers aren't found by their ids".to_owned()
        });
        let order = machines.update_order.iter();
        let ordered = order.filter(|id| machines.updates.contains_key(*id)).count();
        let is_ordered = ordered == machines.updates.len() && machines.update_order.len() == ordered;
        violations.unless(is_ordered, || "its updates and their order differ".to_owned());
        violations.unless(
            machines
                .eager_activities
                .iter()
                .all(|id| machines.activities.contains_key(id)),
            || "a worker is to get activities at once that aren't there".to_owned(),
        );
        let is_after_last = |id: i64| id > self.log.last_event_id();
        let mut origins = machines
            .activities
            .keys()
            .chain(machines.children.keys())
            .chain(machines.externals.keys())
            .copied()
            .chain(machines.timers.iter().map(UserTimer::started_event_id));
        violations.unless(!origins.any(is_after_last), || {
            "it has machines from events that aren't written".to_owned()
        });
    }
}
