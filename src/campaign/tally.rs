//! What seeds have come to, added up: the same whoever played them, and in whatever order it is added.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::Campaign;
use crate::explore::Fingerprint;
use crate::scenario::Coverage;

/// How many ways to fail are told apart. What a shard has found must fit into its heartbeats: 200 shards at a time, with all their details, must stay
/// below the 8 MiB that Temporal keeps for a run beside its history (`limit.mutableStateSize.error`), and below its history's 50 MiB.
const MAX_WAYS: usize = 32;

/// How much of a failure's text is kept, in bytes; the seed gives all of it.
const MAX_MESSAGE_BYTES: usize = 500;

/// What seeds have come to.
///
/// ```
/// use awaithumans_testkit::campaign::Tally;
///
/// let mut tally = Tally::default();
/// tally.add(&Tally::default());
/// assert_eq!((tally.played(), tally.failed()), (0, 0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    played: u64,
    failed: u64,
    coverage: Coverage,
    /// By a hash of their fingerprints. Of too many ways those with the lowest hashes are kept: who is among them doesn't depend on what else was added
    /// before, so the counts of those that are kept are exact.
    ways: BTreeMap<String, Failure>,
}

/// One way to fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Failure {
    /// The lowest seed that fails so.
    pub seed: u64,
    /// How many seeds do.
    pub count: u64,
    /// What is said of that seed, cut after 500 bytes.
    pub message: String,
}

impl Tally {
    /// Adds what another shard has come to.
    pub fn add(&mut self, other: &Self) {
        self.played += other.played;
        self.failed += other.failed;
        self.coverage.add(&other.coverage);
        for (way, failure) in &other.ways {
            self.add_failure(way.clone(), failure.clone());
        }
    }

    /// Adds one seed.
    pub(super) fn add_seed(&mut self, seed: u64, coverage: &Coverage, failure: Option<&str>) {
        self.played += 1;
        self.coverage.add(coverage);
        if let Some(said) = failure {
            self.failed += 1;
            let failure = Failure {
                seed,
                count: 1,
                message: cut(said),
            };
            self.add_failure(Fingerprint::of(said).short(), failure);
        }
    }

    fn add_failure(&mut self, way: String, failure: Failure) {
        match self.ways.get_mut(&way) {
            Some(known) => {
                let count = known.count + failure.count;
                if failure.seed < known.seed {
                    *known = failure;
                }
                known.count = count;
            }
            None => {
                self.ways.insert(way, failure);
                if self.ways.len() > MAX_WAYS {
                    self.ways.pop_last();
                }
            }
        }
    }

    /// How many seeds were played.
    pub fn played(&self) -> u64 {
        self.played
    }

    /// How many of them failed.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// What they have seen of the domain.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The ways in which they failed, by their lowest seeds; the first 32 by an order that chance doesn't change.
    pub fn failures(&self) -> Vec<&Failure> {
        let mut failures: Vec<&Failure> = self.ways.values().collect();
        failures.sort_by_key(|failure| failure.seed);
        failures
    }

    /// What people read: what was seen, how seeds failed, and the line that plays each again.
    pub fn report(&self, campaign: &Campaign) -> String {
        let mut text = self.coverage.to_string();
        // Writing to a text can't fail.
        let _ = match self.failed {
            0 => writeln!(text, "none of {} seeds fails", self.played),
            failed => writeln!(text, "{failed} of {} seeds fail, in these ways:", self.played),
        };
        let failures = self.failures();
        for failure in &failures {
            let _ = writeln!(text, "\n{}, the lowest is {}", seeds(failure.count), failure.seed);
            for line in failure.message.lines() {
                let _ = writeln!(text, "  {line}");
            }
            let _ = writeln!(text, "  run it again: {}", campaign.again(failure.seed));
        }
        let told: u64 = failures.iter().map(|failure| failure.count).sum();
        if told < self.failed {
            let _ = writeln!(text, "\n{} in more ways", seeds(self.failed - told));
        }
        text
    }
}

fn seeds(count: u64) -> String {
    match count {
        1 => "1 seed".to_owned(),
        count => format!("{count} seeds"),
    }
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_MESSAGE_BYTES {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MAX_MESSAGE_BYTES - " …".len());
    format!("{} …", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;

    /// What these seeds come to, each failing with the text that it has.
    fn tally(seeds: &[(u64, Option<String>)]) -> Tally {
        let mut tally = Tally::default();
        for (seed, said) in seeds {
            let mut coverage = Coverage::default();
            coverage.count(format!("seed:{}", seed % 3));
            tally.add_seed(*seed, &coverage, said.as_deref());
        }
        tally
    }

    /// So many ways, in words, since numbers don't tell ways apart.
    fn way(number: u64) -> String {
        let letter = |number: u64| char::from(b'g' + (number % 16) as u8);
        format!("way {}{} fails\nseed and more", letter(number), letter(number / 16))
    }

    #[test]
    fn what_is_added_in_another_order_and_other_pieces_is_the_same() {
        let mut entropy = Entropy::stream(7, 0);
        // More ways than are kept.
        let all: Vec<(u64, Option<String>)> = (0..600)
            .map(|seed| {
                let said = (entropy.below(3) > 0).then(|| way(entropy.below(100)));
                (seed, said)
            })
            .collect();
        let whole = tally(&all);
        assert_eq!((whole.played(), whole.failures().len()), (600, MAX_WAYS));
        for _ in 0..20 {
            let mut pieces: Vec<Tally> = all.chunks(1 + entropy.below(60) as usize).map(tally).collect();
            let mut sum = Tally::default();
            while !pieces.is_empty() {
                let place = entropy.below(pieces.len() as u64) as usize;
                sum.add(&pieces.swap_remove(place));
            }
            assert_eq!(sum, whole);
        }
        for failure in whole.failures() {
            let same = all
                .iter()
                .filter(|(_, said)| said.as_deref() == Some(failure.message.as_str()));
            assert_eq!(same.clone().count() as u64, failure.count);
            assert_eq!(same.map(|(seed, _)| *seed).min(), Some(failure.seed));
        }
    }

    #[test]
    fn numbers_dont_make_another_way_and_the_lowest_seed_speaks() {
        let one = tally(&[(9, Some("pay:approval-1 happened 3 times".to_owned()))]);
        let mut sum = tally(&[(12, Some("pay:approval-2 happened 2 times".to_owned())), (13, None)]);
        sum.add(&one);
        let failures = sum.failures();
        assert_eq!((sum.played(), sum.failed(), failures.len()), (3, 2, 1));
        assert_eq!((failures[0].seed, failures[0].count), (9, 2));
        assert_eq!(failures[0].message, "pay:approval-1 happened 3 times");
    }

    #[test]
    fn a_tally_is_the_same_after_it_was_written_and_fits_into_a_heartbeat() {
        let worst: Vec<(u64, Option<String>)> = (0..100)
            .map(|number| (number, Some(way(number) + &"\"é\n".repeat(1_000))))
            .collect();
        let tally = tally(&worst);
        let json = serde_json::to_string(&tally).unwrap();
        assert_eq!(serde_json::from_str::<Tally>(&json).unwrap(), tally);
        assert!(json.len() < 8 * 1024 * 1024 / 200, "{}", json.len());
        assert!(
            tally
                .failures()
                .iter()
                .all(|failure| failure.message.len() <= MAX_MESSAGE_BYTES)
        );
    }
}
