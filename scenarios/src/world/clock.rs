//! What time it is in a world, and what its phones believe.

use super::World;
use keyphone_media::env::{Now, NtpTime};
use std::time::Duration;

/// How far a phone's wall clock is off.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Skew {
    by: Duration,
    ahead: bool,
}

impl World {
    /// Wall-clock time when a simulated world begins: 2026-01-01, so that timestamps look like timestamps.
    pub(super) const BEGAN: NtpTime = NtpTime::from_unix(Duration::from_secs(1_767_225_600));

    /// Both clocks of this world.
    pub fn clock(&self) -> Now {
        Now { mono: self.now, ntp: self.began + Duration::from_micros(self.now.as_micros()) }
    }

    /// From now on a phone's wall clock is so far ahead of the world's, or behind it.
    pub fn set_skew(&mut self, node: usize, by: Duration, ahead: bool) {
        self.nodes[node].skew = Skew { by, ahead };
    }

    /// Both clocks, as a phone reads them.
    pub(super) fn clock_of(&self, node: usize) -> Now {
        let Now { mono, ntp } = self.clock();
        let Skew { by, ahead } = self.nodes[node].skew;
        let late = NtpTime(ntp.0.wrapping_sub((NtpTime(0) + by).0));
        Now { mono, ntp: if ahead { ntp + by } else { late } }
    }
}
