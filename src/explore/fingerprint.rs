//! In which way a run has failed: the same for the same mistake, whatever the ids, times and counts were.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The first line of a failure, without what changes from run to run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fingerprint(String);

/// How much of the first line counts.
const MAX_CHARACTERS: usize = 160;

impl Fingerprint {
    /// That of a failure's text.
    pub(crate) fn of(message: &str) -> Self {
        let line = message.lines().next().unwrap_or_default();
        let mut print = String::new();
        for word in line.split(' ') {
            if !print.is_empty() {
                print.push(' ');
            }
            print.push_str(&without_numbers(word));
        }
        Self(print.chars().take(MAX_CHARACTERS).collect())
    }

    /// For the name of a file: sixteen hexadecimal digits.
    pub(crate) fn short(&self) -> String {
        // FNV-1a, 64 bits: it must stay the same for ever, and nobody attacks it.
        let hash = self.0.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A word with a digit in it is an id, a time or a count: its digits, and the hexadecimal ones beside them, are all the same here.
fn without_numbers(word: &str) -> String {
    if !word.chars().any(|character| character.is_ascii_digit()) {
        return word.to_owned();
    }
    let mut text = String::new();
    for character in word.chars() {
        let is_number = character.is_ascii_hexdigit();
        if !is_number {
            text.push(character);
        } else if !text.ends_with('#') {
            text.push('#');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_counts_dont_count() {
        let one = Fingerprint::of("pay:refund-1 happened 2 times\nand more");
        assert_eq!(one, Fingerprint::of("pay:refund-17 happened 3 times"));
        assert_ne!(one, Fingerprint::of("nothing happened"));
        let task = Fingerprint::of("task 6b1f0c9d7e (key a) was open");
        assert_eq!(task, Fingerprint::of("task 00ff (key a) was open"));
        assert_eq!(one.short().len(), 16);
    }
}
