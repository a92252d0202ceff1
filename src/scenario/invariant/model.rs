//! The fake awaithumans agrees with a small model: a task is created once for each key, is open, and is over once.

use std::collections::BTreeMap;

use super::Invariant;
use crate::moment::MomentKind;
use crate::world::World;

/// For each idempotency key what its tasks have come to, newest last; `None` while one is open.
#[derive(Debug, Default)]
pub(super) struct Model {
    looked_at: usize,
    inputs: u64,
    tasks: BTreeMap<String, Vec<Option<String>>>,
}

impl Invariant for Model {
    fn name(&self) -> &str {
        "the awaithumans server agrees with its model"
    }

    fn check(&mut self, world: &World) -> Result<(), String> {
        let happenings = world.journal().happenings();
        let new = happenings.get(self.looked_at..).unwrap_or_default();
        self.looked_at = happenings.len();
        for (_, happening) in new {
            let key = &happening.of;
            match happening.kind {
                MomentKind::TaskCreated => {
                    let tasks = self.tasks.entry(key.clone()).or_default();
                    // Keys are for ever: the same key gives the same task, over or not.
                    if !tasks.is_empty() {
                        return Err(format!("a second task was created for key {key}"));
                    }
                    tasks.push(None);
                }
                MomentKind::TaskEnded => match self.tasks.get_mut(key).and_then(|tasks| tasks.last_mut()) {
                    Some(open @ None) => *open = Some(happening.detail.clone()),
                    Some(Some(before)) => {
                        return Err(format!(
                            "the task of key {key} ended twice: {before}, then {}",
                            happening.detail
                        ));
                    }
                    None => return Err(format!("a task of key {key} ended that was never created")),
                },
                _ => {}
            }
        }
        if std::mem::replace(&mut self.inputs, world.human_inputs()) == world.human_inputs() {
            return Ok(());
        }
        self.compare(world)
    }
}

impl Model {
    fn compare(&self, world: &World) -> Result<(), String> {
        for task in world.human().tasks() {
            let modelled = self.tasks.get(&task.idempotency_key).and_then(|tasks| tasks.last());
            let status = task.status.as_str();
            let agrees = match modelled {
                // Made before the model began to look, or by a snapshot.
                None => true,
                Some(None) => !task.status.is_terminal(),
                Some(Some(ended)) => ended == status,
            };
            if !agrees {
                return Err(format!(
                    "task {} (key {}) is {status}, and the model says {}",
                    task.id,
                    task.idempotency_key,
                    modelled.and_then(Option::as_deref).unwrap_or("open")
                ));
            }
        }
        Ok(())
    }
}
