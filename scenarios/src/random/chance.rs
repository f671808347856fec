//! Chance for those who make worlds up.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};
use std::time::Duration;

/// Seeded dice.
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Others of the same seed: what they decide changes nothing of what the first do.
    pub(super) fn aside(seed: u64) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        dice.set_stream(1);
        Self(dice)
    }

    /// From 0 to one less than `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n.max(1) as u64) as usize
    }

    /// So many times in a hundred.
    pub(super) fn percent(&mut self, n: usize) -> bool {
        self.below(100) < n
    }

    /// One of them.
    pub(super) fn one<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// So many different ones of them, in any order.
    pub(super) fn some<T: Clone>(&mut self, all: &[T], n: usize) -> Vec<T> {
        let mut left = all.to_vec();
        (0..n.min(all.len())).map(|_| left.remove(self.below(left.len()))).collect()
    }

    /// Whole tens of milliseconds.
    pub(super) fn ms(&mut self, from: usize, to: usize) -> Duration {
        Duration::from_millis(((from + self.below(to - from + 1)) / 10 * 10) as u64)
    }
}
