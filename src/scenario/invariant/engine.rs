//! Histories are gapless, and no timer, task or waiter leaks.

use super::Invariant;
use crate::world::World;

#[derive(Debug)]
pub(super) struct EngineState;

impl Invariant for EngineState {
    fn name(&self) -> &str {
        "histories are gapless and nothing leaks"
    }

    fn check(&mut self, world: &World) -> Result<(), String> {
        match world.temporal().violations() {
            violations if violations.is_empty() => Ok(()),
            violations => Err(violations.join("; ")),
        }
    }
}
