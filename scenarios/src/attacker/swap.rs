//! Gives the answer of one branch to the other: each arrives with the other's SDP.

use super::{Attacker, Forged, Way, text};
use crate::world::{Middle, Sent};

pub(super) struct Swap {
    ways: [Way; 2],
    /// What each has answered.
    said: [Option<String>; 2],
}

impl Swap {
    pub(super) fn new(ways: [Way; 2]) -> Self {
        Self { ways, said: [None, None] }
    }
}

impl Attacker for Swap {
    fn sees(&mut self, sent: &Sent, _: &mut Vec<Forged>) -> Middle {
        if !sent.bytes.starts_with(b"SIP/2.0 ") || !text::has_sdp(&sent.bytes) {
            return Middle::Pass;
        }
        let Some(who) = self.ways.iter().position(|way| way.has(sent)) else { return Middle::Pass };
        self.said[who] = text::body(&sent.bytes).map(str::to_owned);
        match self.said[1 - who].as_ref().and_then(|other| text::with_body(&sent.bytes, other)) {
            Some(swapped) => Middle::Change(swapped),
            // The other has not answered yet. This one will say it again.
            None => Middle::Drop,
        }
    }
}
