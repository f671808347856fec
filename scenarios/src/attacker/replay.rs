//! Sends what it has seen once more: a little later, and every other time from its own address.

use super::{Attacker, Forged, Way};
use crate::world::{Middle, Sent};
use std::net::SocketAddr;
use std::time::Duration;

pub(super) struct Replay {
    way: Way,
    own: SocketAddr,
    seen: u64,
}

impl Replay {
    /// Long enough that the first has come, and short enough that the jitter buffer would still want it.
    const LATER: Duration = Duration::from_millis(30);

    pub(super) fn new(way: Way, own: SocketAddr) -> Self {
        Self { way, own, seen: 0 }
    }
}

impl Attacker for Replay {
    fn sees(&mut self, sent: &Sent, out: &mut Vec<Forged>) -> Middle {
        if self.way.has(sent) {
            let from = if self.seen.is_multiple_of(2) { sent.from } else { self.own };
            self.seen += 1;
            let after = sent.arrived.iter().max().map_or(Duration::ZERO, |at| at.since(sent.at)) + Self::LATER;
            out.push(Forged { after, from, to: sent.to, media: sent.media, bytes: sent.bytes.clone() });
        }
        Middle::Pass
    }
}
