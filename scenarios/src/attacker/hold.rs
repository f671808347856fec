//! Keeps some of what passes, or lets it pass later.

use super::{Attacker, Forged, Way};
use crate::world::{Middle, Sent};
use std::time::Duration;

/// Keeps the first so many.
pub(super) struct Drop {
    left: u64,
    way: Way,
}

impl Drop {
    pub(super) fn new(count: u64, way: Way) -> Self {
        Self { left: count, way }
    }
}

impl Attacker for Drop {
    fn sees(&mut self, sent: &Sent, _: &mut Vec<Forged>) -> Middle {
        if self.left == 0 || !self.way.has(sent) {
            return Middle::Pass;
        }
        self.left -= 1;
        Middle::Drop
    }
}

/// Lets all of them pass so much later.
pub(super) struct Hold {
    by: Duration,
    way: Way,
}

impl Hold {
    pub(super) fn new(by: Duration, way: Way) -> Self {
        Self { by, way }
    }
}

impl Attacker for Hold {
    fn sees(&mut self, sent: &Sent, _: &mut Vec<Forged>) -> Middle {
        if self.way.has(sent) { Middle::Hold(self.by) } else { Middle::Pass }
    }
}
