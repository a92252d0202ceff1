//! Texts of others, so that they do no harm: a title may hold escape sequences, a reason a thousand words.

use std::fmt::Write as _;

/// A text on one line, with nothing in it that a terminal or a browser acts upon.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => plain.push('⏎'),
            '\t' => plain.push(' '),
            _ if letter.is_control() || turns_text(letter) => {
                let _ = write!(plain, "\\u{{{:x}}}", u32::from(letter));
            }
            _ => plain.push(letter),
        }
    }
    plain
}

/// Letters that can't be seen and change how others are shown: marks of direction, breaks, the byte order mark. Joiners hold pictures together.
fn turns_text(letter: char) -> bool {
    matches!(letter, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The columns that a letter takes in a terminal: two for most letters of East Asia and for pictures.
fn columns_of(letter: char) -> usize {
    let is_wide = matches!(
        u32::from(letter),
        0x1100..=0x115f
            | 0x2e80..=0xa4cf
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f
            | 0xff00..=0xff60
            | 0xffe0..=0xffe6
            | 0x1f300..=0x1faff
            | 0x20000..=0x3fffd
    );
    1 + usize::from(is_wide)
}

/// The columns that a text takes in a terminal.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// A text in lines of so many columns, broken between words where that is possible; at most so many lines, the last of which says how much is
/// left out. There is always a line.
pub(super) fn wrap(text: &str, width: usize, most_lines: usize) -> Vec<String> {
    let text = plain(text);
    let (mut lines, mut rest) = (Vec::new(), text.as_str());
    while lines.len() + 1 < most_lines && columns(rest) > width {
        let (line, after) = break_line(rest, width);
        lines.push(line.trim_end().to_owned());
        rest = after;
    }
    lines.push(cut(rest, width));
    lines
}

/// The text up to a width; if there is more, it ends by how much that is.
fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let all = text.chars().count();
    // The number of what is left out has no more digits than that of all.
    let end = |left_out: usize| format!("… (+{left_out})");
    let room = width.saturating_sub(columns(&end(all)));
    let kept = &text[..prefix(text, room)];
    format!("{kept}{}", end(all - kept.chars().count()))
}

/// How many bytes of a text fit into a width; whole letters.
fn prefix(text: &str, width: usize) -> usize {
    let mut columns = 0;
    let too_far = text.char_indices().find(|(_, letter)| {
        columns += columns_of(*letter);
        columns > width
    });
    too_far.map_or(text.len(), |(place, _)| place)
}

fn break_line(text: &str, width: usize) -> (&str, &str) {
    // A line has at least one letter, or there would be no end to them.
    let first = text.chars().next().map_or(0, char::len_utf8);
    let fits = prefix(text, width).max(first);
    let (line, rest) = text.split_at(fits);
    match line.rfind(' ').filter(|place| *place > fits / 2) {
        Some(place) => (&text[..place], &text[place + 1..]),
        None => (line, rest),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_as_wide_as_they_may_be_and_as_many(text in "\\PC{0,300}|[a-z ]{0,300}|.{0,50}", width in 20_usize..100, most in 1_usize..5) {
            let lines = wrap(&text, width, most);
            prop_assert!((1..=most).contains(&lines.len()));
            for line in &lines {
                prop_assert!(columns(line) <= width, "{line:?}");
                let acted_upon = ['\n', '\u{1b}', '\u{202e}'];
                prop_assert!(!line.contains(acted_upon));
            }
        }
    }

    #[test]
    fn words_stay_whole_and_what_is_left_out_is_counted() {
        assert_eq!(wrap("the quick brown fox", 12, 3), ["the quick", "brown fox"]);
        assert_eq!(wrap("abcdefghijklmnopqrstuvwxyz", 12, 1), ["abcde… (+21)"]);
        assert_eq!(wrap("", 12, 2), [""]);
        assert_eq!(plain("a\nb\u{1b}[2J\u{202e}c"), "a⏎b\\u{1b}[2J\\u{202e}c");
        assert_eq!(columns("日本 a"), 6);
    }
}
