//! A timeline with a lane for each party: what a failed test prints.

use std::fmt::Write as _;

use super::plain::wrap;
use super::rows::{LANES, Row, rows};
use crate::journal::{Journal, Mark};

/// The widest line.
const WIDTH: usize = 120;

/// Where the words begin: a mark, the time, the lanes.
const WORDS_AT: usize = 2 + 14 + 2 + 2 * LANES.len() + 1;

/// The most lines that one headline takes.
const MOST_LINES: usize = 3;

/// Of a long journal the first headlines are shown, and the last.
const FIRST: usize = 60;
const LAST: usize = 340;

/// The headlines with a lane for each party, virtual time at the left. Faults are marked by `×`, causes of a failure by `!!`.
pub(in crate::testkit) fn in_lanes(journal: &Journal) -> String {
    let rows = rows(journal);
    let mut text = heads();
    let left_out = rows.len().saturating_sub(FIRST + LAST);
    let mut previous = None;
    for (place, row) in rows.iter().enumerate() {
        if left_out > 0 && (FIRST..FIRST + left_out).contains(&place) {
            if place == FIRST {
                let _ = writeln!(text, "{:>WORDS_AT$}… {left_out} more …", "");
                previous = None;
            }
            continue;
        }
        let elapsed = row.elapsed();
        // The time stands where it changes, so that what happened at one moment is seen to belong together.
        let shown = if previous.as_ref() == Some(&elapsed) {
            ""
        } else {
            &elapsed
        };
        write_row(&mut text, row, shown);
        previous = Some(elapsed);
    }
    text
}

/// Each lane's name, one below the other, with the lanes to their left.
fn heads() -> String {
    let mut text = String::new();
    for (place, party) in LANES.iter().enumerate() {
        let _ = writeln!(text, "{:18}{}{}", "", "│ ".repeat(place), party.name());
    }
    text
}

fn write_row(text: &mut String, row: &Row<'_>, elapsed: &str) {
    let (margin, dot) = match row.entry.mark {
        Mark::None => ("", '●'),
        Mark::Fault => ("×", '×'),
        Mark::Cause => ("!!", '!'),
    };
    let lines = wrap(&row.entry.what, WIDTH - WORDS_AT, MOST_LINES);
    for (place, line) in lines.iter().enumerate() {
        let is_first = place == 0;
        let (margin, elapsed) = if is_first { (margin, elapsed) } else { ("", "") };
        let _ = write!(text, "{margin:<2}{elapsed:>14}  ");
        for lane in 0..LANES.len() {
            let here = is_first && lane == row.lane();
            let _ = write!(text, "{} ", if here { dot } else { '│' });
        }
        let _ = writeln!(text, " {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::plain::columns;
    use super::*;
    use crate::clock::Timestamp;
    use crate::journal::Party;

    #[test]
    fn each_party_has_its_lane_and_what_went_wrong_is_marked() {
        let mut journal = Journal::default();
        let start = Timestamp::EPOCH_OF_TESTS;
        journal.headline(start, Party::Temporal, "workflow refund-1 started");
        journal.detail(start, Party::Temporal, "nobody wants to see this");
        let later = start + std::time::Duration::from_secs(2 * 86_400);
        journal.marked(later, Party::Receiver, Mark::Fault, "FAULT the webhook is lost");
        journal.headline(later, Party::Person, "word ".repeat(60));
        journal.marked(later, Party::Test, Mark::Cause, "invariant “paid once” is broken");
        let text = in_lanes(&journal);
        assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
        let expected = "                  test
                  │ person
                  │ │ awaithumans
                  │ │ │ receiver
                  │ │ │ │ temporal
                  │ │ │ │ │ worker
        00:00:00  │ │ │ │ ● │  workflow refund-1 started
×    2d 00:00:00  │ │ │ × │ │  FAULT the webhook is lost
";
        assert!(text.starts_with(expected), "{text}");
        let last = "\n!!                ! │ │ │ │ │  invariant “paid once” is broken\n";
        assert!(text.ends_with(last), "{text}");
        assert_eq!(text.lines().filter(|line| line.contains("word")).count(), 3, "{text}");
    }

    #[test]
    fn of_a_long_journal_both_ends_are_shown() {
        let mut journal = Journal::default();
        for number in 0..1_000 {
            journal.headline(Timestamp::EPOCH_OF_TESTS, Party::Test, format!("line {number}"));
        }
        let text = in_lanes(&journal);
        assert_eq!(text.lines().count(), LANES.len() + FIRST + 1 + LAST);
        assert!(text.contains("… 600 more …"), "{text}");
        assert!(text.contains("line 59\n") && !text.contains("line 60\n") && text.contains("line 660\n"));
    }
}
