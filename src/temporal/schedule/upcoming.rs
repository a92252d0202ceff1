//! The next firings of a schedule, computed some at a time.
//!
//! The scheduler asks after jittered times; a firing whose nominal time is past, but which jitter has put off, is found only
//! by a search that began before it. So what is kept here decides more than speed (`nextTimeCacheV2` of the server).

use super::spec::{Firing, Spec};
use crate::clock::Timestamp;

/// How many firings are computed at a time.
const BATCH: usize = 14;

/// Firings in order, from a moment on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upcoming(Option<Batch>);

#[derive(Clone, Debug)]
struct Batch {
    start: Timestamp,
    firings: Vec<Firing>,
    /// Nothing comes after the last one.
    complete: bool,
}

impl Upcoming {
    /// The first firing after a moment. If it has to be computed, then from `base` on, as long as that reaches it.
    pub(crate) fn next(&mut self, spec: &Spec, seed: &str, base: Timestamp, after: Timestamp) -> Option<Firing> {
        let base = base.min(after);
        if self.0.as_ref().is_none_or(|batch| after < batch.start) {
            self.0 = Some(Batch::compute(spec, seed, base));
        }
        for start in [base, after] {
            match self.0.as_ref().and_then(|batch| batch.after(after)) {
                Some(found) => return found,
                None => self.0 = Some(Batch::compute(spec, seed, start)),
            }
        }
        self.0.as_ref().and_then(|batch| batch.after(after)).flatten()
    }

    /// The spec has changed.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

impl Batch {
    fn compute(spec: &Spec, seed: &str, start: Timestamp) -> Self {
        let mut firings: Vec<Firing> = Vec::with_capacity(BATCH);
        let mut after = start;
        while firings.len() < BATCH {
            // A spec that excludes too much does nothing until it is changed.
            let Ok(Some(firing)) = spec.next(seed, after) else {
                break;
            };
            after = firing.actual;
            firings.push(firing);
        }
        Self {
            start,
            complete: firings.len() < BATCH,
            firings,
        }
    }

    /// `None` if this batch doesn't reach that far; `Some(None)` if there is nothing more.
    fn after(&self, after: Timestamp) -> Option<Option<Firing>> {
        match self.firings.iter().find(|firing| firing.actual > after) {
            Some(firing) => Some(Some(*firing)),
            None => self.complete.then_some(None),
        }
    }
}
