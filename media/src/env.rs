//! The only source of time and chance. Nothing below `ua/src/net` reads a clock or the system's randomness, so a
//! simulated world replays byte for byte from its seed.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Monotonic time in microseconds since the world began. Unlike `std::time::Instant` it can be made out of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The beginning of the world.
    pub const ZERO: Self = Self(0);

    /// `us` microseconds after the world began.
    pub const fn from_micros(us: u64) -> Self {
        Self(us)
    }

    /// Microseconds since the world began.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it is still to come.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Wall-clock time as NTP writes it: seconds since 1900 in the upper 32 bits, the fraction of a second in the lower
/// 32 (RFC 3550 section 4, RFC 3830 section 6.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Seconds from the NTP epoch (1900) to the Unix epoch (1970).
    pub const UNIX_EPOCH: u64 = 2_208_988_800;

    /// The time `since_epoch` after 1970.
    pub const fn from_unix(since_epoch: Duration) -> Self {
        let seconds = since_epoch.as_secs().wrapping_add(Self::UNIX_EPOCH);
        let fraction = ((since_epoch.subsec_nanos() as u64) << 32) / 1_000_000_000;
        Self(seconds << 32 | fraction)
    }

    /// How far apart two times are, whichever is first. Era 0 and era 1 (from 2036) are told apart by the shorter way.
    pub const fn distance(self, other: Self) -> Duration {
        let ahead = self.0.wrapping_sub(other.0);
        let apart = if ahead > u64::MAX / 2 { ahead.wrapping_neg() } else { ahead };
        Duration::new(apart >> 32, (((apart & 0xffff_ffff) * 1_000_000_000) >> 32) as u32)
    }
}

impl Add<Duration> for NtpTime {
    type Output = Self;

    fn add(self, d: Duration) -> Self {
        Self(self.0.wrapping_add((d.as_secs() << 32) | ((u64::from(d.subsec_nanos()) << 32) / 1_000_000_000)))
    }
}

/// What time it is, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For timers and pacing.
    pub mono: Instant,
    /// For timestamps that others read: MIKEY's T, RTCP's sender reports.
    pub ntp: NtpTime,
}

/// A source of chance: the system's in `ua/src/net`, a seeded one in a simulated world.
pub trait Rng: Send {
    /// Fills all of `buf`.
    fn fill(&mut self, buf: &mut [u8]);
}

/// The time and the dice of one step.
pub struct Env<'a> {
    /// When this step happens.
    pub now: Now,
    /// Where its randomness comes from.
    pub rng: &'a mut dyn Rng,
}

impl Env<'_> {
    /// `N` random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill(&mut bytes);
        bytes
    }

    /// A random number.
    pub fn random(&mut self) -> u64 {
        u64::from_be_bytes(self.bytes())
    }

    /// A random word of `N` bytes in lower-case hexadecimal: for tags, branches, Call-IDs.
    pub fn token<const N: usize>(&mut self) -> String {
        self.bytes::<N>().iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("now", &self.now).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_time_counts_from_1900_and_keeps_the_fraction() {
        let t = NtpTime::from_unix(Duration::new(1_700_000_000, 500_000_000));
        assert_eq!(t.0, 0xe8fe_6f80_8000_0000);
        assert_eq!(t + Duration::from_millis(500), NtpTime(0xe8fe_6f81_0000_0000));
    }

    #[test]
    fn a_distance_is_the_same_both_ways_and_across_the_era_of_2036() {
        let (a, b) = (NtpTime(u64::MAX), NtpTime(1 << 32));
        assert_eq!(a.distance(b).as_millis(), 1000);
        assert_eq!(b.distance(a), a.distance(b));
    }

    #[test]
    fn instants_saturate_at_both_ends() {
        assert_eq!(Instant::ZERO - Duration::from_secs(1), Instant::ZERO);
        assert_eq!(Instant::from_micros(5).since(Instant::from_micros(9)), Duration::ZERO);
    }
}
