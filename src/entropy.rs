//! The one source of randomness: every id, token and jitter is drawn here, from the seed of the test.

use crate::clock::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A seeded generator. Two with the same seed give the same draws in the same order, on every machine.
///
/// ChaCha8, since its output is specified and doesn't change with a library's release.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entropy {
    generator: ChaCha8Rng,
    draws: u64,
}

impl Entropy {
    /// A generator that starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            generator: ChaCha8Rng::seed_from_u64(seed),
            draws: 0,
        }
    }

    /// A generator of its own for one party, so that one party's draws don't shift another's.
    pub fn stream(seed: u64, stream: u64) -> Self {
        let mut entropy = Self::new(seed);
        entropy.generator.set_stream(stream);
        entropy
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.draws = self.draws.wrapping_add(1);
        self.generator.next_u64()
    }

    /// A number from 0 up to but not including `bound`; 0 if `bound` is 0.
    ///
    /// By multiplication and shift: the bias is below 2^-32 for every bound that fits 32 bits.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A draw from a distribution.
    pub(crate) fn sample<T>(&mut self, distribution: &impl rand_distr::Distribution<T>) -> T {
        self.draws = self.draws.wrapping_add(1);
        distribution.sample(&mut self.generator)
    }

    /// Sixteen random bytes.
    pub fn bytes16(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next_u64().to_le_bytes());
        bytes[8..].copy_from_slice(&self.next_u64().to_le_bytes());
        bytes
    }

    /// A random UUID (version 4) in its usual form, as Temporal's run ids and request ids have.
    pub fn uuid(&mut self) -> String {
        let bytes = self.bytes16();
        uuid_text(bytes, 4)
    }

    /// A UUID that sorts by time (version 7), as the run ids of workflows that are started have on a real Temporal server
    /// (`primitives.NewUUID`); those of runs that follow by themselves and of resets are of version 4 there and here.
    pub fn uuid_v7(&mut self, now: Timestamp) -> String {
        let mut bytes = self.bytes16();
        let milliseconds = now.as_nanoseconds() / 1_000_000;
        bytes[..6].copy_from_slice(&milliseconds.to_be_bytes()[2..]);
        uuid_text(bytes, 7)
    }

    /// A random UUID (version 4) as 32 hexadecimal digits: awaithumans' ids of tasks and deliveries.
    pub fn uuid_hex(&mut self) -> String {
        text_of(&digits(with_version(self.bytes16(), 4)))
    }

    /// How many numbers have been drawn: two runs that differ here have diverged.
    pub fn draws(&self) -> u64 {
        self.draws
    }
}

fn with_version(mut bytes: [u8; 16], version: u8) -> [u8; 16] {
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}

fn uuid_text(bytes: [u8; 16], version: u8) -> String {
    let digits = digits(with_version(bytes, version));
    let mut text = [b'-'; 36];
    for (group, begin) in [(0..8, 0), (8..12, 9), (12..16, 14), (16..20, 19), (20..32, 24)] {
        text[begin..begin + group.len()].copy_from_slice(&digits[group]);
    }
    text_of(&text)
}

fn text_of(ascii: &[u8]) -> String {
    std::str::from_utf8(ascii).unwrap_or_default().to_owned()
}

fn digits(bytes: [u8; 16]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 32];
    for (two, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        two[0] = DIGITS[usize::from(byte >> 4)];
        two[1] = DIGITS[usize::from(byte & 15)];
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids_for_ever() {
        let mut entropy = Entropy::new(1);
        let first = entropy.uuid();
        assert_eq!(first, Entropy::new(1).uuid());
        assert_ne!(first, entropy.uuid());
        assert_ne!(first, Entropy::new(2).uuid());
        assert_ne!(first, Entropy::stream(1, 1).uuid());
        assert_eq!(first.as_bytes()[14], b'4');
        assert_eq!(Entropy::new(1).uuid_hex(), first.replace('-', ""));
    }

    #[test]
    fn below_stays_below() {
        let mut entropy = Entropy::new(7);
        assert_eq!(entropy.below(0), 0);
        assert!((0..1000).all(|_| entropy.below(3) < 3));
    }
}
