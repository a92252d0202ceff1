//! The headlines, a line each.

use std::fmt::Write as _;

use super::plain::plain;
use super::rows::rows;
use crate::journal::Journal;

/// The headlines, each with its time since the start, its party and its words.
pub(crate) fn timeline(journal: &Journal) -> String {
    let mut text = String::new();
    for row in rows(journal) {
        let (elapsed, party, what) = (row.elapsed(), row.entry.party.name(), plain(&row.entry.what));
        let _ = writeln!(text, "{elapsed:>14}  {party:<11}  {what}");
    }
    text
}
