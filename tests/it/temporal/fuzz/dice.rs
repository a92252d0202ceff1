//! Choices, drawn from a number that proptest gives and can make smaller.

use awaithumans_testkit::Entropy;

/// A source of choices.
pub(super) struct Dice(Entropy);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Entropy::new(seed))
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.below(bound as u64)).expect("it is below a usize")
    }

    /// Whether something happens that happens so often in a hundred times.
    pub(super) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Numbers as hostile clients like them, and some that make sense.
    pub(super) fn integer(&mut self) -> i64 {
        match self.below(20) {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => -1,
            3 => i64::from(i32::MAX),
            4 => i64::from(i32::MIN),
            5 => self.number() as i64,
            _ => self.below(12) as i64,
        }
    }
}
