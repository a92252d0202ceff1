//! A task that is over never changes.

use std::collections::BTreeMap;

use super::Invariant;
use crate::clock::Timestamp;
use crate::human::Status;
use crate::world::World;

/// What a task was when it was over: its status, since when, and its answer.
type Ending = (Status, Option<Timestamp>, String);

#[derive(Debug, Default)]
pub(super) struct TerminalTask {
    looked_at: u64,
    ended: BTreeMap<String, Ending>,
}

impl Invariant for TerminalTask {
    fn name(&self) -> &str {
        "a task that is over never changes"
    }

    fn check(&mut self, world: &World) -> Result<(), String> {
        if std::mem::replace(&mut self.looked_at, world.human_inputs()) == world.human_inputs() {
            return Ok(());
        }
        for task in world.human().tasks().filter(|task| task.status.is_terminal()) {
            // An answer that was to be deleted after its delivery is.
            let answer = match task.redact_response_after_submit {
                true => String::new(),
                false => task.response.to_string(),
            };
            let now = (task.status, task.completed_at, answer);
            match self.ended.get(&task.id) {
                None => drop(self.ended.insert(task.id.clone(), now)),
                Some(before) if *before == now => {}
                Some(before) => {
                    return Err(format!(
                        "task {} (key {}) was {} with {} and is {} with {}",
                        task.id,
                        task.idempotency_key,
                        before.0.as_str(),
                        before.2,
                        now.0.as_str(),
                        now.2
                    ));
                }
            }
        }
        Ok(())
    }
}
