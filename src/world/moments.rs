//! What has happened, and who goes by it: rules, held webhooks, a held clock.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::World;
use super::later::Later;
use crate::fault::{ActiveRule, Fault, Rule, RuleId, Rules, Waiting, time_of};
use crate::journal::Mark;
use crate::moment::{Happening, MomentKind};
use crate::temporal::EngineFaults;

/// The namespace whose workflows wait for people.
const NAMESPACE: &str = crate::testkit::NAMESPACE;

/// What has happened and hasn't been looked at yet.
#[derive(Debug, Default)]
pub(super) struct Moments {
    /// How many of the journal's happenings have been looked at.
    seen: usize,
    /// Events of histories, which the journal doesn't keep.
    events: VecDeque<Happening>,
    /// Workflows that have asked a person, and aren't parked yet.
    asking: BTreeSet<String>,
    /// While somebody holds the clock: until when.
    pub(super) held_clock: Option<Waiting<RuleId>>,
}

impl World {
    /// The rules in force.
    pub fn faults(&self) -> &Rules {
        &self.faults
    }

    /// Sets a rule. One whose time has passed already fires at once.
    ///
    /// # Errors
    /// Why the rule could never do what it says.
    pub fn add_fault(&mut self, rule: Rule) -> Result<RuleId, String> {
        rule.check()?;
        let time = time_of(&rule, self.started_at);
        let happens_now = rule.when.is_none() && rule.fault.is_an_event();
        let id = self.faults.add(rule);
        if let Some(time) = time {
            self.later.set(time.max(self.now), Later::Rule(id));
        }
        if happens_now {
            self.fire_event(id);
        }
        self.tell_engine();
        self.take_notes();
        Ok(id)
    }

    /// Takes a rule away. Gives what became of it, if it was there.
    pub fn remove_fault(&mut self, id: RuleId) -> Option<ActiveRule> {
        let removed = self.faults.remove(id);
        if self.moments.held_clock.as_ref().is_some_and(|held| held.what == id) {
            self.moments.held_clock = None;
        }
        self.tell_engine();
        removed
    }

    /// From now on nothing goes wrong any more. What has gone wrong already isn't mended: a server that is down comes back when it was to.
    pub fn disarm_faults(&mut self) {
        self.faults.disarm_all();
        self.moments.held_clock = None;
        self.tell_engine();
    }

    /// [`Self::disarm_faults`], so much later.
    pub fn disarm_faults_after(&mut self, after: Duration) {
        self.later.set(self.now + after, Later::EndFaults);
    }

    /// Whether a fault holds the clock.
    pub fn is_clock_held(&self) -> bool {
        self.moments.held_clock.is_some()
    }

    /// What holds the clock, if a fault does, and until when.
    pub fn clock_held_by(&self) -> Option<String> {
        let held = self.moments.held_clock.as_ref()?;
        let (rule, moment) = (held.what.number(), held.moment());
        Some(format!("fault rule {rule} (hold_clock) until {moment}"))
    }

    /// Writes down what has happened, and lets happen what follows from it by the rules.
    pub(super) fn take_notes(&mut self) {
        self.journal.set_ahead(Duration::ZERO);
        loop {
            if self.temporal.has_news() {
                self.take_news();
            }
            if let Some(event) = self.moments.events.pop_front() {
                self.on_happening(&event);
            } else if let Some((_, happening)) = self.journal.happenings().get(self.moments.seen) {
                self.moments.seen += 1;
                if !self.faults.is_empty() || is_about_parking(happening.kind) {
                    let happening = happening.clone();
                    self.on_happening(&happening);
                }
            } else {
                return;
            }
        }
    }

    fn take_news(&mut self) {
        for note in self.temporal.take_notes() {
            self.journal.headline(self.now, note.party, note.what);
        }
        for happening in self.temporal.take_happenings() {
            match happening.kind {
                MomentKind::HistoryEvent => self.moments.events.push_back(happening),
                _ => self.journal.happened(self.now, happening),
            }
        }
        for queue in self.temporal.take_reordered() {
            if let Some((id, _)) = self.faults.on_choice(&queue) {
                self.note_fired(id, &format!("the newest task of {queue} goes out first"));
                self.tell_engine();
            }
        }
    }

    /// A rule has done what it is there for.
    pub(super) fn note_fired(&mut self, id: RuleId, what: &str) {
        let Some(active) = self.faults.get_mut(id) else {
            return;
        };
        let (name, party) = (active.rule.fault.name(), active.rule.fault.party());
        self.mark(party, Mark::Fault, format!("FAULT {what}"));
        self.journal
            .happened(self.now, Happening::new(MomentKind::FaultFired, name, ""));
    }

    /// A rule's moment, or its time, has come: it is armed, or happens.
    pub(super) fn rule_is_due(&mut self, id: RuleId) {
        let Some(active) = self.faults.get_mut(id).filter(|active| !active.is_spent()) else {
            return;
        };
        if active.rule.fault.is_an_event() {
            self.fire_event(id);
        } else {
            active.is_armed = true;
            self.tell_engine();
        }
    }

    fn on_happening(&mut self, happening: &Happening) {
        self.look_for_parked(happening);
        if self.faults.is_empty() {
            return;
        }
        for id in self.faults.on_happening(happening) {
            let when = self.faults.get_mut(id).and_then(|active| active.rule.when.clone());
            match when.and_then(|when| when.after) {
                Some(after) => drop(self.later.set(self.now + after.get(), Later::Rule(id))),
                None => self.rule_is_due(id),
            }
        }
        self.release_webhooks(happening);
        if let Some(held) = &mut self.moments.held_clock
            && held.has_come(happening)
        {
            self.moments.held_clock = None;
        }
    }

    /// A workflow that has asked a person is parked with the end of a workflow task after which it has nothing else to do.
    fn look_for_parked(&mut self, happening: &Happening) {
        match happening.kind {
            MomentKind::TaskCreated if !happening.detail.is_empty() => {
                self.moments.asking.insert(happening.detail.clone());
            }
            MomentKind::WorkflowTaskCompleted if !self.moments.asking.is_empty() => {
                // The adapter's child workflow waits in its parent's name: both must be at rest.
                let child = happening.of.clone();
                let parent = child.split_once("/awaithumans:").map(|(parent, _)| parent.to_owned());
                let asks = |id: &str| self.moments.asking.contains(id);
                let is_parked = |id: &str| self.temporal.is_parked_workflow(NAMESPACE, id);
                let parent_is_parked = parent.as_deref().is_none_or(is_parked);
                if asks(&child) && is_parked(&child) && parent_is_parked {
                    self.moments.asking.remove(&child);
                    let parked = Happening::new(MomentKind::Parked, parent.unwrap_or(child), "");
                    self.journal.happened(self.now, parked);
                }
            }
            MomentKind::WorkflowClosed => {
                self.moments.asking.remove(&happening.of);
            }
            _ => {}
        }
    }

    fn tell_engine(&mut self) {
        let strikes_tasks =
            |active: &ActiveRule| matches!(active.rule.fault, Fault::DropTask { .. } | Fault::DuplicateTask { .. });
        let armed = self.faults.iter();
        let armed = armed.filter(|active| active.is_armed && !active.is_spent());
        let reorders = armed.filter_map(|active| match &active.rule.fault {
            Fault::ReorderTasks { task_queue } => Some(task_queue.clone()),
            _ => None,
        });
        let faults = EngineFaults {
            tells_events: self.faults.watches_history(),
            // Also while the rule waits for its moment: an activity that is asked for just before must be seen.
            forbids_eager: self.faults.iter().any(strikes_tasks),
            reorders: reorders.collect(),
            ..EngineFaults::default()
        };
        self.temporal.set_faults(faults);
    }
}

/// Whether [`World::look_for_parked`] goes by it.
fn is_about_parking(kind: MomentKind) -> bool {
    matches!(
        kind,
        MomentKind::TaskCreated | MomentKind::WorkflowTaskCompleted | MomentKind::WorkflowClosed
    )
}
