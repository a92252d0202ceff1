//! A journal as rows of a timeline.

use std::fmt::Write as _;
use std::time::Duration;

use crate::journal::{Entry, Journal, Party};

/// The lanes, from left to right.
pub(super) const LANES: [Party; 6] = [
    Party::Test,
    Party::Person,
    Party::Awaithumans,
    Party::Receiver,
    Party::Temporal,
    Party::Worker,
];

/// One headline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// How long after the first one.
    pub(super) since_start: Duration,
    pub(super) entry: &'a Entry,
}

impl Row<'_> {
    /// The time since the start, as people read it.
    pub(super) fn elapsed(&self) -> String {
        elapsed(self.since_start)
    }

    /// The place of its lane.
    pub(super) fn lane(&self) -> usize {
        let place = LANES.iter().position(|party| *party == self.entry.party);
        place.unwrap_or_default()
    }
}

/// The headlines, oldest first.
pub(super) fn rows(journal: &Journal) -> Vec<Row<'_>> {
    let headlines = || journal.entries().iter().filter(|entry| entry.headline);
    let start = headlines().next().map(|entry| entry.at).unwrap_or_default();
    headlines()
        .map(|entry| Row {
            since_start: entry.at.since(start),
            entry,
        })
        .collect()
}

/// A duration as `2d 03:04:05.006`, days and milliseconds only where there are any.
pub(super) fn elapsed(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let mut text = match days {
        0 => String::new(),
        days => format!("{days}d "),
    };
    let _ = write!(text, "{hours:02}:{minutes:02}:{:02}", seconds % 60);
    if duration.subsec_millis() > 0 {
        let _ = write!(text, ".{:03}", duration.subsec_millis());
    }
    text
}
