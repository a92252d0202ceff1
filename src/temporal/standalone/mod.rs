//! Activities on their own, without a workflow: all of them, and the ways to find one.

mod record;

use std::collections::BTreeMap;

pub(crate) use record::{NAMES, NAMESPACE_DIVISION_OF_ACTIVITIES, list_info};

use super::machine::standalone_activity::StandaloneActivity;
use super::reject::Reject;

/// Names a standalone activity inside the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ActivityRef(pub(crate) u64);

/// The standalone activities of all namespaces.
#[derive(Debug, Default)]
pub(crate) struct Standalones {
    activities: BTreeMap<ActivityRef, StandaloneActivity>,
    by_run_id: BTreeMap<String, ActivityRef>,
    /// The latest run of each activity id.
    current: BTreeMap<(String, String), ActivityRef>,
    next: u64,
}

impl Standalones {
    /// A name for an activity that is about to be made.
    pub(crate) fn next_ref(&mut self) -> ActivityRef {
        self.next += 1;
        ActivityRef(self.next)
    }

    /// Adds an activity; it is its id's latest from now on.
    pub(crate) fn insert(&mut self, activity: StandaloneActivity) {
        let key = (activity.namespace().to_owned(), activity.activity_id().to_owned());
        self.by_run_id.insert(activity.run_id().to_owned(), activity.activity());
        self.current.insert(key, activity.activity());
        self.activities.insert(activity.activity(), activity);
    }

    /// Forgets an activity and all that leads to it.
    pub(crate) fn remove(&mut self, activity: ActivityRef) {
        let Some(removed) = self.activities.remove(&activity) else {
            return;
        };
        self.by_run_id.remove(removed.run_id());
        let key = (removed.namespace().to_owned(), removed.activity_id().to_owned());
        if self.current.get(&key) == Some(&activity) {
            self.current.remove(&key);
        }
    }

    pub(crate) fn get(&self, activity: ActivityRef) -> Option<&StandaloneActivity> {
        self.activities.get(&activity)
    }

    pub(crate) fn get_mut(&mut self, activity: ActivityRef) -> Option<&mut StandaloneActivity> {
        self.activities.get_mut(&activity)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &StandaloneActivity> {
        self.activities.values()
    }

    /// The latest run of an activity id.
    pub(crate) fn current(&self, namespace: &str, activity_id: &str) -> Option<&StandaloneActivity> {
        let key = (namespace.to_owned(), activity_id.to_owned());
        self.current.get(&key).and_then(|activity| self.get(*activity))
    }

    /// The activity that a client names: by run id, or the latest of the activity id.
    pub(crate) fn find(&self, namespace: &str, activity_id: &str, run_id: &str) -> Result<&StandaloneActivity, Reject> {
        let found = match run_id {
            "" => self.current(namespace, activity_id),
            run_id => self
                .by_run_id
                .get(run_id)
                .and_then(|activity| self.get(*activity))
                .filter(|activity| activity.activity_id() == activity_id && activity.namespace() == namespace),
        };
        found.ok_or_else(|| not_found(activity_id))
    }
}

/// Temporal's one text for everything that isn't there about an activity (`ChasmEngine.convertNotFoundError`).
pub(crate) fn not_found(activity_id: &str) -> Reject {
    Reject::NotFound(format!("activity not found for ID: {activity_id}"))
}
