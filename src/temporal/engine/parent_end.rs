//! What the end of a parent does to its children, and when.

use std::time::Duration;

use super::{Engine, HandKey};
use crate::clock::Timestamp;
use crate::temporal::run::RunRef;
use crate::temporal::timer::Timer;

/// A real server closes the parent first and comes to its children by its transfer queue, so a worker that has a child's
/// workflow task at that moment gets to answer it. 1.32.0 took 2 to 800 ms for it, a quarter of the times less than this
/// (fixtures/conformance/history).
const LAG: Duration = Duration::from_millis(25);

/// The end of a parent, as it reaches one child.
#[derive(Clone, Debug)]
pub(crate) struct ParentEnd {
    /// Terminate, or ask to cancel.
    pub(super) terminate: bool,
    /// The parent, for the child's history: workflow id and run id.
    pub(super) parent: (String, String),
}

impl Engine {
    /// A parent has closed. A child whose workflow task is in a worker's hands learns of it a little later.
    pub(super) fn on_parent_closed(&mut self, now: Timestamp, child: RunRef, end: ParentEnd) {
        let at_work = self
            .current_of_chain(child)
            .is_some_and(|run| self.hands.contains_key(&HandKey::Workflow(run)));
        if at_work {
            self.parent_ends.insert(child, end);
            self.timers.set(Timer::ParentEnd(child), now + LAG);
        } else {
            self.close_child(now, child, end);
        }
    }

    /// The end of a parent reaches a child that was at work.
    pub(super) fn on_parent_end(&mut self, now: Timestamp, child: RunRef) {
        if let Some(end) = self.parent_ends.remove(&child) {
            self.close_child(now, child, end);
        }
    }

    /// The policy reaches the run that the child's chain has come to.
    fn close_child(&mut self, now: Timestamp, child: RunRef, end: ParentEnd) {
        if let Some(current) = self.current_of_chain(child) {
            self.step(now, current, |run, context| {
                run.on_parent_closed(context, end.terminate, end.parent);
            });
        }
    }

    fn current_of_chain(&self, child: RunRef) -> Option<RunRef> {
        let first = self.runs.get(child)?;
        self.runs
            .current(&first.start.namespace, &first.start.workflow_id)
            .filter(|current| current.first_run_id() == first.first_run_id())
            .map(|current| current.run)
    }
}
