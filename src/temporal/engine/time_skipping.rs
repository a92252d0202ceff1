//! Clients that wait for a fast-forward.

use prost::Message as _;

use super::Engine;
use crate::temporal::run::RunRef;

impl Engine {
    /// After a step: those who wait for a fast-forward of this workflow hear of it, if it changed or can't come any more.
    pub(super) fn tell_fast_forward_waiters(&mut self, run: RunRef, changed: bool) {
        let Some(run) = self.runs.get(run) else {
            return;
        };
        let Some(clock) = run.time_skipping.as_deref() else {
            return;
        };
        let ended = !run.is_running() && run.next_run_id.is_empty();
        if !changed && !ended {
            return;
        }
        let answers = self
            .fast_forward_waits
            .tell(&run.start.namespace, &run.start.workflow_id, clock, ended);
        for (ticket, answer) in answers {
            self.answer(ticket, Ok(answer.encode_to_vec()));
        }
    }
}
