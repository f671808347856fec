//! Changes one bit: of media, in its payload; of SIP, in its keying.

use super::{Attacker, Forged, Way};
use crate::world::{Middle, Sent};

pub(super) struct Tamper {
    way: Way,
}

impl Tamper {
    pub(super) fn new(way: Way) -> Self {
        Self { way }
    }
}

impl Attacker for Tamper {
    fn sees(&mut self, sent: &Sent, _: &mut Vec<Forged>) -> Middle {
        let at = match self.way.has(sent) {
            false => None,
            true if sent.media => sent.bytes.len().checked_sub(20),
            true => keying(&sent.bytes),
        };
        let mut bytes = sent.bytes.clone();
        match at.and_then(|at| bytes.get_mut(at)) {
            // In base64, one letter for another: so that it stays what can be read.
            Some(letter) if !sent.media => *letter = if *letter == b'A' { b'B' } else { b'A' },
            Some(octet) => *octet ^= 1,
            None => return Middle::Pass,
        }
        Middle::Change(bytes)
    }
}

/// The middle of the first MIKEY message.
fn keying(bytes: &[u8]) -> Option<usize> {
    const MARK: &[u8] = b"a=key-mgmt:mikey ";
    let start = bytes.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    let length = bytes[start..].iter().position(|b| *b == b'\r')?;
    Some(start + length / 2)
}
