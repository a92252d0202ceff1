//! The append-only record of what happened: the source of timelines, comparisons and failure reports.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::moment::{Happening, MomentKind};

/// Who did it: the lanes of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Party {
    /// The test itself.
    Test,
    /// A scripted or real person.
    Person,
    /// The awaithumans server.
    Awaithumans,
    /// The callback receiver.
    Receiver,
    /// The Temporal server.
    Temporal,
    /// A worker.
    Worker,
}

impl Party {
    /// The name that timelines print.
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Person => "person",
            Self::Awaithumans => "awaithumans",
            Self::Receiver => "receiver",
            Self::Temporal => "temporal",
            Self::Worker => "worker",
        }
    }
}

/// How a timeline marks an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mark {
    /// Not at all.
    #[default]
    None,
    /// A fault rule has done its work.
    Fault,
    /// This is why the test fails: a broken invariant, a stall, a panic.
    Cause,
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it happened, in virtual time.
    pub at: Timestamp,
    /// Who did it.
    pub party: Party,
    /// What happened, in one line of plain words.
    pub what: String,
    /// Whether a timeline for people shows it; the rest is detail for comparisons.
    pub headline: bool,
    /// How a timeline marks it.
    pub mark: Mark,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:<11} {}", self.at, self.party.name(), self.what)
    }
}

/// The record of one world, in order. Entries are only ever added.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
    happenings: Vec<(Timestamp, Happening)>,
    /// Where among them those of each kind are: who waits for a moment needn't look at all others.
    places: BTreeMap<MomentKind, Vec<usize>>,
    /// How far the clock of whoever writes is ahead: what it writes is put at the world's time.
    ahead: Duration,
}

impl Journal {
    /// Adds something that a reader of the timeline wants to see.
    pub fn headline(&mut self, at: Timestamp, party: Party, what: impl Into<String>) {
        self.push(at, party, what.into(), true, Mark::None);
    }

    /// Adds a headline that stands out.
    pub fn marked(&mut self, at: Timestamp, party: Party, mark: Mark, what: impl Into<String>) {
        self.push(at, party, what.into(), true, mark);
    }

    /// Adds a detail.
    pub fn detail(&mut self, at: Timestamp, party: Party, what: impl Into<String>) {
        self.push(at, party, what.into(), false, Mark::None);
    }

    /// Adds something that moments, fault rules and invariants go by.
    pub(crate) fn happened(&mut self, at: Timestamp, happening: Happening) {
        self.places
            .entry(happening.kind)
            .or_default()
            .push(self.happenings.len());
        self.happenings.push((at - self.ahead, happening));
    }

    /// From now on whoever writes has a clock that is so far ahead.
    pub(crate) fn set_ahead(&mut self, ahead: Duration) {
        self.ahead = ahead;
    }

    /// What has happened, by name, oldest first. Events of histories aren't among it: histories have them.
    pub fn happenings(&self) -> &[(Timestamp, Happening)] {
        &self.happenings
    }

    /// What has happened of one kind, oldest first, without the first so many.
    pub(crate) fn happenings_of(&self, kind: MomentKind, skipped: usize) -> impl ExactSizeIterator<Item = &Happening> {
        let places = self.places.get(&kind).map(Vec::as_slice).unwrap_or_default();
        let places = places.get(skipped..).unwrap_or_default();
        places.iter().map(|place| &self.happenings[*place].1)
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn push(&mut self, at: Timestamp, party: Party, what: String, headline: bool, mark: Mark) {
        self.entries.push(Entry {
            at: at - self.ahead,
            party,
            what,
            headline,
            mark,
        });
    }
}

/// Every entry on a line of its own: what a run-twice check compares.
impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}
