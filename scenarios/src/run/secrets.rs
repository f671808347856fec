//! The octets of the pre-shared keys that a script names.

use crate::script::{Name, Script};
use keyphone_media::env::Rng;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The octets of the pre-shared keys that a script names: whoever names one has it.
#[derive(Clone)]
pub enum Secrets {
    /// Made of the name and the seed of a simulated world, so that it replays. Good for nothing else.
    OfSeed(u64),
    /// Nobody knows them who was not told.
    Kept(BTreeMap<Name, Zeroizing<Vec<u8>>>),
}

impl Secrets {
    /// Octets of each.
    pub const LENGTH: usize = 32;

    /// As random as `rng` is, one for each name in the script.
    pub fn random(script: &Script, rng: &mut dyn Rng) -> Self {
        let mut kept = BTreeMap::new();
        for psk in script.phones.iter().flat_map(|phone| &phone.keying.psks) {
            kept.entry(psk.secret.clone()).or_insert_with(|| {
                let mut octets = Zeroizing::new(vec![0; Self::LENGTH]);
                rng.fill(&mut octets);
                octets
            });
        }
        Self::Kept(kept)
    }

    /// Those of one; none if nobody has it.
    pub fn octets(&self, secret: &Name) -> Zeroizing<Vec<u8>> {
        match self {
            Self::OfSeed(seed) => {
                let mut octets = Zeroizing::new(vec![0x5c; Self::LENGTH]);
                octets[..secret.as_str().len()].copy_from_slice(secret.as_str().as_bytes());
                octets[24..].copy_from_slice(&seed.to_be_bytes());
                octets
            }
            Self::Kept(kept) => kept.get(secret).cloned().unwrap_or_default(),
        }
    }
}
