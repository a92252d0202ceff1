//! A timeline as one page that needs nothing else: no script, style, font or picture from elsewhere.

use std::fmt::Write as _;
use std::time::Duration;

use super::plain::plain;
use super::rows::{LANES, Row, elapsed, rows};
use crate::journal::{Journal, Mark};

/// Of a longer journal the first headlines are shown, and the last.
const FIRST: usize = 1_000;
const LAST: usize = 4_000;

/// How many times are written on the axis.
const TICKS: u32 = 24;

/// How many dots of one moment stand beside each other, in the order in which they happened.
const BESIDE: usize = 60;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page: title, line to run it again, the lanes along time, the list.
pub(in crate::testkit) fn html(title: &str, rerun: &str, journal: &Journal) -> String {
    let rows = rows(journal);
    let left_out = rows.len().saturating_sub(FIRST + LAST);
    let shown: Vec<(usize, &Row<'_>)> = rows
        .iter()
        .enumerate()
        .filter(|(place, _)| left_out == 0 || !(FIRST..FIRST + left_out).contains(place))
        .collect();
    let end = rows.last().map(|row| row.since_start).unwrap_or_default();
    let title = escape(title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>Run it again: <code>{}</code></p>\n",
        escape(rerun)
    );
    write_lanes(&mut page, &shown, end);
    write_list(&mut page, &shown, left_out);
    let _ = write!(page, "<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    page
}

/// The lanes, a dot for each headline: time from left to right.
fn write_lanes(page: &mut String, shown: &[(usize, &Row<'_>)], end: Duration) {
    page.push_str("<div id=\"lanes\">\n<div id=\"names\">");
    for party in LANES {
        let _ = write!(page, "<div>{}</div>", party.name());
    }
    page.push_str("</div>\n<div id=\"view\"><div id=\"track\">\n");
    for tick in 0..=TICKS {
        let at = share(end * tick / TICKS, end);
        let _ = writeln!(page, "<i style=\"left:{at}%\">{}</i>", elapsed(end * tick / TICKS));
    }
    let (mut moment, mut beside) = (None, 0);
    for (place, row) in shown {
        beside = if moment == Some(row.since_start) {
            (beside + 1).min(BESIDE)
        } else {
            0
        };
        moment = Some(row.since_start);
        let (at, lane) = (share(row.since_start, end), row.lane());
        let _ = writeln!(
            page,
            "<a href=\"#h{place}\" class=\"l{lane}{}\" style=\"left:{at}%;--n:{beside}\" title=\"{} {}\"></a>",
            class_of(row.entry.mark),
            row.elapsed(),
            escape(&row.entry.what),
        );
    }
    page.push_str("</div></div>\n</div>\n<p id=\"help\">Turn the wheel over the lanes to zoom, drag to move, click a dot to find its line.</p>\n");
}

fn write_list(page: &mut String, shown: &[(usize, &Row<'_>)], left_out: usize) {
    page.push_str("<table>\n");
    for (place, row) in shown {
        if left_out > 0 && *place == FIRST + left_out {
            let _ = writeln!(page, "<tr><td></td><td></td><td>… {left_out} more …</td></tr>");
        }
        let _ = writeln!(
            page,
            "<tr id=\"h{place}\" class=\"l{}{}\"><td>{}</td><td>{}</td><td>{}</td></tr>",
            row.lane(),
            class_of(row.entry.mark),
            row.elapsed(),
            row.entry.party.name(),
            escape(&row.entry.what),
        );
    }
    page.push_str("</table>\n");
}

fn class_of(mark: Mark) -> &'static str {
    match mark {
        Mark::None => "",
        Mark::Fault => " fault",
        Mark::Cause => " cause",
    }
}

/// How far along the axis a moment is, in percent. Whatever happens, happens at its start if it all happens at once.
fn share(moment: Duration, end: Duration) -> String {
    let share = match end.is_zero() {
        true => 0.0,
        false => moment.as_secs_f64() / end.as_secs_f64() * 100.0,
    };
    format!("{share:.6}")
}

/// A text that stays one, between tags and in a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in plain(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;
    use crate::journal::Party;

    fn journal(texts: &[String]) -> Journal {
        let mut journal = Journal::default();
        for (place, text) in texts.iter().enumerate() {
            let at = Timestamp::EPOCH_OF_TESTS + Duration::from_secs(place as u64);
            let mark = [Mark::None, Mark::Fault, Mark::Cause][place % 3];
            journal.marked(at, LANES[place % LANES.len()], mark, text.as_str());
        }
        journal
    }

    /// The page without the texts of others: what a browser takes for structure.
    fn structure(page: &str) -> Vec<String> {
        let letters = page.chars().filter(|letter| matches!(letter, '<' | '>' | '"' | '\''));
        let tags = page.split('<').skip(1).map(|tag| {
            let inside = tag.split('>').next().unwrap_or_default();
            // What stands in a title is the text, quoted.
            let parts: Vec<&str> = inside.split('"').collect();
            let is_title = |place: usize| place > 0 && parts[place - 1].ends_with("title=");
            let kept = parts.iter().enumerate().filter(|(place, _)| !is_title(*place));
            kept.map(|(_, part)| *part).collect::<Vec<_>>().join("\"")
        });
        std::iter::once(letters.collect()).chain(tags).collect()
    }

    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[<>\"'&=/a-z \\-!\\[\\]]{0,60}",
            Just("</title><script>alert(1)</script>".to_owned()),
            Just("\" onmouseover=\"alert(1)".to_owned()),
            Just("--></script><img src=x onerror=alert(1)>".to_owned()),
            Just("&lt;b&gt; \u{0} \u{202e}".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_of_the_page(
            texts in proptest::collection::vec(hostile(), 1..8), title in hostile(), rerun in hostile(),
        ) {
            let page = html(&title, &rerun, &journal(&texts));
            let tame = html("x", "x", &journal(&vec!["x".to_owned(); texts.len()]));
            prop_assert_eq!(structure(&page), structure(&tame));
            let acted_upon = ['\u{0}', '\u{202e}'];
            prop_assert!(!page.contains(acted_upon));
        }
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = html("a test", "cargo test", &journal(&["one".to_owned(), "two".to_owned()]));
        for outside in ["http:", "https:", "//", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("<td>00:00:01</td><td>person</td><td>two</td>"), "{page}");
        assert_eq!(Party::Person, LANES[1]);
    }

    #[test]
    fn a_long_journal_is_cut_in_its_middle() {
        let page = html("x", "x", &journal(&vec!["x".to_owned(); 6_000]));
        assert!(page.contains("… 1000 more …"));
        assert_eq!(page.matches("<tr id=").count(), FIRST + LAST);
        assert!(page.contains("id=\"h999\"") && !page.contains("id=\"h1000\"") && page.contains("id=\"h5999\""));
    }
}
