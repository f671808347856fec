//! The timers of RFC 3261 table 4, with those of RFC 6026 section 8.11.
//!
//! ```text
//! A  T1, doubling        INVITE request resent             (unreliable transports only)
//! B  64*T1               INVITE transaction gives up
//! D  at least 32 s       response retransmits awaited      (0 on reliable transports)
//! E  T1, doubling to T2  non-INVITE request resent         (unreliable transports only)
//! F  64*T1               non-INVITE transaction gives up
//! G  T1, doubling to T2  INVITE response resent            (unreliable transports only)
//! H  64*T1               ACK awaited
//! I  T4                  ACK retransmits absorbed          (0 on reliable transports)
//! J  64*T1               non-INVITE request retransmits    (0 on reliable transports)
//! K  T4                  response retransmits absorbed     (0 on reliable transports)
//! L  64*T1               retransmits of an accepted INVITE absorbed
//! M  64*T1               2xx of other branches awaited
//! ```
//! Where a timer is zero, its machine ends at once.

use keyphone_media::env::Instant;
use std::time::Duration;

/// The three numbers from which all timers follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// An estimate of the round-trip time.
    pub t1: Duration,
    /// The longest interval between retransmissions of a non-INVITE request or an INVITE response.
    pub t2: Duration,
    /// The longest that a message stays in the network.
    pub t4: Duration,
}

impl Default for Timers {
    /// RFC 3261 table 4.
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timers {
    /// Timer D, whatever T1 is: the server's T1 is not known here (RFC 6026 section 8.4).
    pub const D: Duration = Duration::from_secs(32);

    /// How long a server may think before it says 100 Trying for us (RFC 3261 section 17.2.1).
    pub const TRYING: Duration = Duration::from_millis(200);

    /// Timers B, F, H, J, L and M.
    pub fn give_up(&self) -> Duration {
        self.t1 * 64
    }

    /// The longest that any transaction lives on its own, once it has its final response or nobody answers.
    pub fn longest(&self) -> Duration {
        self.give_up().max(Self::D).max(self.t4)
    }
}

/// Timer A, E or G: when to send again, and how long to wait after that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resend {
    /// When it fires.
    pub(crate) at: Instant,
    wait: Duration,
}

impl Resend {
    /// Fires `wait` from now.
    pub(crate) fn after(wait: Duration, now: Instant) -> Self {
        Self { at: now + wait, wait }
    }

    /// Fires again after twice the time, but no later than `most` from now.
    pub(crate) fn doubled(self, most: Duration, now: Instant) -> Self {
        Self::after((self.wait * 2).min(most), now)
    }
}
