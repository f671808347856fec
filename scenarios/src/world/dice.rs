//! The chance of a simulated world.

use super::World;
use keyphone_media::env::Rng;
use keyphone_ua::net::OsRng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// A source of chance.
pub struct Dice {
    source: Source,
    /// See [`World::set_few_ssrcs`]: the first, and how many.
    few: Option<(u32, u32)>,
}

enum Source {
    Seeded(Box<ChaCha8Rng>),
    System(OsRng),
}

impl Dice {
    /// What nobody can foresee: keys that are used over real sockets are made of it.
    pub(super) fn of_the_system() -> Self {
        Self { source: Source::System(OsRng), few: None }
    }

    pub(super) fn new(seed: u64) -> Self {
        Self { source: Source::Seeded(Box::new(ChaCha8Rng::seed_from_u64(seed))), few: None }
    }
}

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        match &mut self.source {
            Source::Seeded(dice) => dice.fill_bytes(buf),
            Source::System(dice) => dice.fill(buf),
        }
        if let (Some((first, few)), [_, _, _, _, low @ ..]) = (self.few, &mut *buf)
            && let Ok(word) = <[u8; 4]>::try_from(&*low)
        {
            low.copy_from_slice(&first.wrapping_add(u32::from_be_bytes(word) % few).to_be_bytes());
        }
    }
}

impl World {
    /// From now on a phone's dice have few faces where SSRCs, sequence numbers and timestamps come from: so many, from
    /// `first` on. What is unlikely to clash in a thousand years clashes within minutes. Keys, tags and branches are as
    /// random as ever.
    pub fn set_few_ssrcs(&mut self, node: usize, first: u32, few: u32) {
        self.nodes[node].dice.few = Some((first, few.max(1)));
    }

    /// From now on a phone throws other dice than the seed of the world has given it: what changes then is its doing.
    pub fn set_dice(&mut self, node: usize, seed: u64) {
        self.nodes[node].dice = Dice::new(seed);
    }
}
