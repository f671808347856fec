//! Octets that look random and are the same each time.

use crate::mikey::derive::hmac_sha1;
use keyphone_media::env::Rng;

/// HMAC-SHA-1 of a counter, under a text. All that was drawn is kept: some of it are secrets that are to be published.
pub(super) struct Dice {
    key: Vec<u8>,
    counter: u64,
    drawn: Vec<Vec<u8>>,
}

impl Dice {
    pub(super) fn new(seed: &str, side: &str) -> Self {
        Self { key: format!("{seed}/{side}").into_bytes(), counter: 0, drawn: vec![] }
    }

    pub(super) fn octets(&mut self, len: usize) -> Vec<u8> {
        let mut octets = vec![0; len];
        self.fill(&mut octets);
        octets
    }

    /// What was drawn, one draw after another.
    pub(super) fn drawn(&self) -> &[Vec<u8>] {
        &self.drawn
    }
}

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for chunk in buf.chunks_mut(20) {
            let block = hmac_sha1(&self.key, &[&self.counter.to_be_bytes()]);
            chunk.copy_from_slice(&block[..chunk.len()]);
            self.counter += 1;
        }
        self.drawn.push(buf.to_vec());
    }
}
