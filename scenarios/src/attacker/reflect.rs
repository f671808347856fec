//! Sends media back to whom it came from.

use super::{Attacker, Forged, Way};
use crate::world::{Middle, Sent};
use std::time::Duration;

pub(super) struct Reflect {
    way: Way,
}

impl Reflect {
    pub(super) fn new(way: Way) -> Self {
        Self { way }
    }
}

impl Attacker for Reflect {
    fn sees(&mut self, sent: &Sent, out: &mut Vec<Forged>) -> Middle {
        if self.way.has(sent) {
            let after = Duration::from_millis(5);
            out.push(Forged { after, from: sent.to, to: sent.from, media: true, bytes: sent.bytes.clone() });
        }
        Middle::Pass
    }
}
