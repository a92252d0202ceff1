//! At most one effect for each idempotency key. Tests say what an effect is: `kit.effects().record(key)`.

use super::Invariant;
use crate::world::World;

#[derive(Debug, Default)]
pub(super) struct OneEffect {
    looked_at: usize,
}

impl Invariant for OneEffect {
    fn name(&self) -> &str {
        "at most one effect for each idempotency key"
    }

    fn check(&mut self, world: &World) -> Result<(), String> {
        let effects = world.effects();
        if std::mem::replace(&mut self.looked_at, effects.len()) == effects.len() {
            return Ok(());
        }
        let Some(last) = effects.last() else {
            return Ok(());
        };
        match effects.iter().filter(|effect| *effect == last).count() {
            1 => Ok(()),
            count => Err(format!("{last} happened {count} times")),
        }
    }
}
