//! When a registration is refreshed, and when one that failed is tried again.

use crate::sip::StatusCode;
use keyphone_media::env::Env;
use std::time::Duration;

/// RFC 5626 section 4.5: base-time, if all flows have failed; there is one.
const BASE: Duration = Duration::from_secs(30);
/// RFC 5626 section 4.5: max-time.
const MOST: Duration = Duration::from_secs(1800);
/// The longest that a Retry-After is obeyed.
const MOST_ASKED: Duration = Duration::from_secs(86_400);

/// How long to wait after so many failures in a row: a random time between 50 and 100 % of
/// min(max-time, base-time * 2^failures) (RFC 5626 section 4.5), or what the server asked for, if that is longer.
pub(super) fn back_off(failures: u32, asked: Option<Duration>, env: &mut Env<'_>) -> Duration {
    let upper = BASE.saturating_mul(1 << failures.min(10)).min(MOST);
    let half = upper / 2;
    let spread = env.random() % (half.as_millis() as u64 + 1);
    let wait = half + Duration::from_millis(spread);
    wait.max(asked.unwrap_or_default().min(MOST_ASKED))
}

/// When to refresh what holds for so long: half-way, or ten minutes before the end of a long registration. Then there
/// is time for a lost request, a challenge and one more try.
pub(super) fn refresh_after(expires: Duration) -> Duration {
    const EARLY: Duration = Duration::from_secs(600);
    let after = if expires > 2 * EARLY { expires - EARLY } else { expires / 2 };
    after.max(Duration::from_secs(1))
}

/// Could the same request succeed later, without anybody changing anything here (RFC 3261 section 21)?
pub(super) fn may_pass(status: StatusCode) -> bool {
    match status.class() {
        5 => !matches!(status, StatusCode::NOT_IMPLEMENTED | StatusCode::VERSION_NOT_SUPPORTED),
        6 => status == StatusCode::BUSY_EVERYWHERE,
        _ => {
            matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TEMPORARILY_UNAVAILABLE | StatusCode::BUSY_HERE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_media::env::{Instant, Now, NtpTime, Rng};

    struct Same(u8);

    impl Rng for Same {
        fn fill(&mut self, buf: &mut [u8]) {
            buf.fill(self.0);
        }
    }

    fn wait(failures: u32, asked: u64, dice: u8) -> Duration {
        let now = Now { mono: Instant::ZERO, ntp: NtpTime(0) };
        back_off(failures, Some(Duration::from_secs(asked)), &mut Env { now, rng: &mut Same(dice) })
    }

    #[test]
    fn the_wait_doubles_up_to_half_an_hour_and_is_never_the_same_for_all() {
        // RFC 5626 section 4.5: the first retry somewhere between 30 and 60 seconds, three failures up to 240.
        for dice in [0, 1, 77, 128, 255] {
            for (failures, upper) in [(1, 60), (3, 240), (6, 1800), (40, 1800)] {
                let wait = wait(failures, 0, dice).as_secs();
                assert!((upper / 2..=upper).contains(&wait), "{failures} {dice}: {wait}");
            }
        }
        assert_ne!(wait(1, 0, 1), wait(1, 0, 2));
    }

    #[test]
    fn a_server_that_asks_for_more_time_gets_it_up_to_a_day() {
        assert_eq!(wait(1, 600, 0), Duration::from_secs(600));
        assert_eq!(wait(1, 5, 0), Duration::from_secs(30));
        assert_eq!(wait(1, 4_000_000_000, 0), MOST_ASKED);
    }

    #[test]
    fn a_refresh_leaves_time_for_a_second_try() {
        let after = |expires| refresh_after(Duration::from_secs(expires)).as_secs();
        assert_eq!((after(3600), after(120), after(1)), (3000, 60, 1));
    }
}
