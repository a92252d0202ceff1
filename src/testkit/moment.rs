//! Waiting for a moment.

use crate::moment::{Moment, MomentKind};
use crate::world::World;

/// Looks at what has happened of its kind since the last look.
#[derive(Debug)]
pub(super) struct Watch {
    moment: Moment,
    looked_at: usize,
    counted: u32,
}

impl Watch {
    pub(super) fn new(moment: Moment) -> Self {
        Self {
            moment,
            looked_at: 0,
            counted: 0,
        }
    }

    /// Whether it has come by now, counted from the start of the world.
    pub(super) fn has_come(&mut self, world: &World) -> bool {
        if self.moment.kind == MomentKind::HistoryEvent {
            return self.has_event(world);
        }
        let new = world.journal().happenings_of(self.moment.kind, self.looked_at);
        self.looked_at += new.len();
        let matching = new.filter(|happening| self.moment.matches(happening)).count();
        self.counted = self.counted.saturating_add(u32::try_from(matching).unwrap_or(u32::MAX));
        self.counted >= self.moment.nth
    }

    /// Histories have their events: nobody else keeps them.
    fn has_event(&self, world: &World) -> bool {
        let wanted = self.moment.detail.as_deref();
        let count = world.temporal().count_events(self.moment.of.as_deref(), wanted);
        count >= usize::try_from(self.moment.nth).unwrap_or(usize::MAX)
    }
}
