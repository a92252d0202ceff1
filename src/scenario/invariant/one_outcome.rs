//! Each `await_human()` gets one outcome: however often it is signalled, always with the same.

use std::collections::BTreeMap;

use super::Invariant;
use crate::moment::MomentKind;
use crate::world::World;

/// The adapter's signals begin with this.
const PREFIX: &str = "awaithumans:";

#[derive(Debug, Default)]
pub(super) struct OneOutcome {
    looked_at: usize,
    outcomes: BTreeMap<(String, String), Vec<u8>>,
}

impl Invariant for OneOutcome {
    fn name(&self) -> &str {
        "each await gets one outcome"
    }

    fn check(&mut self, world: &World) -> Result<(), String> {
        let happenings = world.journal().happenings();
        let new = happenings.get(self.looked_at..).unwrap_or_default();
        self.looked_at = happenings.len();
        let signals = new.iter().map(|(_, happening)| happening);
        for signal in signals.filter(|it| it.kind == MomentKind::SignalRecorded && it.detail.starts_with(PREFIX)) {
            for input in world.temporal().signal_inputs(&signal.of, &signal.detail) {
                let key = (signal.of.clone(), signal.detail.clone());
                let first = self.outcomes.entry(key).or_insert_with(|| input.clone());
                if *first != input {
                    return Err(format!(
                        "workflow {} got two outcomes by {}: {} and {}",
                        signal.of,
                        signal.detail,
                        String::from_utf8_lossy(first),
                        String::from_utf8_lossy(&input)
                    ));
                }
            }
        }
        Ok(())
    }
}
