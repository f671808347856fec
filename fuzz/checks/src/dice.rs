//! Chance without chance: the same dice for every input.

use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use std::time::Duration;

/// A linear congruential generator (Knuth, MMIX).
pub(crate) struct Dice(pub(crate) u64);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for byte in buf {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

/// 2026-01-01, and so long after.
pub(crate) fn at(since: Duration) -> Now {
    let began = NtpTime::from_unix(Duration::from_secs(1_767_225_600));
    Now { mono: Instant::ZERO + since, ntp: began + since }
}

/// The first second.
pub(crate) fn env(dice: &mut Dice) -> Env<'_> {
    Env { now: at(Duration::from_secs(1)), rng: dice }
}

/// `message`, damaged where and how three octets each of `damage` say.
pub(crate) fn damaged(message: &[u8], damage: &[u8]) -> Vec<u8> {
    let mut bytes = message.to_vec();
    for step in damage.chunks_exact(3).take(16) {
        let at = usize::from(u16::from_be_bytes([step[0], step[1]]));
        match at.checked_rem(bytes.len()) {
            // An octet that changes nothing cuts instead.
            Some(at) if step[2] == 0 => bytes.truncate(at),
            Some(at) => bytes[at] ^= step[2],
            None => {}
        }
    }
    bytes
}
