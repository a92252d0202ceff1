//! Which seeds: `0..1000000`, as Rust writes a range.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One seed or more, the last one excluded.
///
/// ```
/// use awaithumans_testkit::campaign::Seeds;
///
/// let seeds: Seeds = "0..1000".parse().unwrap();
/// assert_eq!((seeds.first(), seeds.end(), seeds.count()), (0, 1_000, 1_000));
/// let empty = "5..5".parse::<Seeds>().unwrap_err();
/// assert_eq!(empty, "5..5 has no seed: the last one is excluded; write 5..6 for one");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seeds {
    first: u64,
    end: u64,
}

impl Seeds {
    /// The seeds from `first` on, without `end`.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(first: u64, end: u64) -> Result<Self, String> {
        if first > end {
            return Err(format!(
                "{first}..{end} ends before it begins; write {end}..{first} if you meant that"
            ));
        }
        if first == end {
            let one = match end.checked_add(1) {
                Some(end) => format!("write {first}..{end} for one"),
                None => "no seed is larger".to_owned(),
            };
            return Err(format!("{first}..{end} has no seed: the last one is excluded; {one}"));
        }
        Ok(Self { first, end })
    }

    /// The lowest.
    pub fn first(self) -> u64 {
        self.first
    }

    /// One more than the highest.
    pub fn end(self) -> u64 {
        self.end
    }

    /// How many.
    pub fn count(self) -> u64 {
        self.end - self.first
    }

    /// They from `next` on, in pieces of a size, the last one as large as is left.
    pub(super) fn pieces(self, next: u64, size: u64) -> impl Iterator<Item = Self> {
        let size = size.max(1);
        let mut next = next.max(self.first);
        std::iter::from_fn(move || {
            let piece = Self {
                first: next,
                end: next.saturating_add(size).min(self.end),
            };
            next = piece.end;
            (piece.first < piece.end).then_some(piece)
        })
    }
}

impl From<Seeds> for Range<u64> {
    fn from(seeds: Seeds) -> Self {
        seeds.first..seeds.end
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.end)
    }
}

impl From<Seeds> for String {
    fn from(seeds: Seeds) -> Self {
        seeds.to_string()
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, end) = text
            .split_once("..")
            .ok_or_else(|| format!("{text:?} is no range of seeds; write 0..1000 for the first thousand"))?;
        let number = |part: &str| {
            part.parse::<u64>()
                .map_err(|_| format!("{part:?} in {text:?} is no number from 0 to 2^64 - 1"))
        };
        Self::new(number(first)?, number(end)?)
    }
}

impl TryFrom<String> for Seeds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        text.parse::<Seeds>().unwrap_err()
    }

    #[test]
    fn what_is_no_range_is_named() {
        assert_eq!(
            wrong("9..3"),
            "9..3 ends before it begins; write 3..9 if you meant that"
        );
        assert_eq!(
            wrong("5..5"),
            "5..5 has no seed: the last one is excluded; write 5..6 for one"
        );
        assert_eq!(
            wrong("1000"),
            "\"1000\" is no range of seeds; write 0..1000 for the first thousand"
        );
        assert_eq!(wrong("0..x"), "\"x\" in \"0..x\" is no number from 0 to 2^64 - 1");
        assert_eq!(wrong("-1..5"), "\"-1\" in \"-1..5\" is no number from 0 to 2^64 - 1");
        assert_eq!(wrong(".."), "\"\" in \"..\" is no number from 0 to 2^64 - 1");
        let most = u64::MAX;
        assert!(wrong(&format!("{most}..{most}")).ends_with("no seed is larger"));
        assert!(serde_json::from_str::<Seeds>("\"7..7\"").is_err());
    }

    #[test]
    fn pieces_are_all_of_it_and_dont_overlap() {
        let pieces = |text: &str, next, size| {
            let seeds: Seeds = text.parse().unwrap();
            seeds
                .pieces(next, size)
                .map(|piece| piece.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(pieces("3..10", 3, 3), ["3..6", "6..9", "9..10"]);
        assert_eq!(pieces("3..10", 8, 100), ["8..10"]);
        assert!(pieces("3..10", 10, 1).is_empty());
        let most = u64::MAX;
        assert_eq!(
            pieces(&format!("0..{most}"), most - 1, 1_000),
            [format!("{}..{most}", most - 1)]
        );
    }
}
