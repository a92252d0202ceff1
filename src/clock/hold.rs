use std::collections::BTreeMap;

/// Names one hold on the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId(u64);

impl HoldId {
    /// Its number: holds are counted from 0.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Reasons why time may not move. Each is taken and released by name, so a pair can't be miscounted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds {
    reasons: BTreeMap<HoldId, String>,
    next_id: u64,
}

impl Holds {
    /// Stops time for `reason`, which a stall report shows.
    pub(crate) fn take(&mut self, reason: impl Into<String>) -> HoldId {
        let id = HoldId(self.next_id);
        self.next_id += 1;
        self.reasons.insert(id, reason.into());
        id
    }

    /// Releases a hold; `false` if it was released before.
    pub(crate) fn release(&mut self, id: HoldId) -> bool {
        self.reasons.remove(&id).is_some()
    }

    /// The reasons, oldest first.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = (HoldId, &str)> {
        self.reasons.iter().map(|(id, reason)| (*id, reason.as_str()))
    }
}
