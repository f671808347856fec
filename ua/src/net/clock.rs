//! The machine's clocks and dice.

use keyphone_media::env::{Instant, Now, NtpTime, Rng};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Both clocks of the machine; monotonic time counts from when this was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock(std::time::Instant);

impl Default for Clock {
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

impl Clock {
    /// What time it is.
    pub fn now(&self) -> Now {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let mono = u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { mono: Instant::from_micros(mono), ntp: NtpTime::from_unix(since_epoch) }
    }

    /// Waits until then; no longer, if that is over.
    pub async fn sleep_until(&self, at: Instant) {
        tokio::time::sleep_until(self.at(at)).await;
    }

    pub(super) fn at(&self, at: Instant) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.0 + Duration::from_micros(at.as_micros()))
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRng;

impl Rng for OsRng {
    fn fill(&mut self, buf: &mut [u8]) {
        getrandom::fill(buf).expect("the operating system gives randomness, or no key can be made");
    }
}
