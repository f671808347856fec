//! What RTCP says about a call, and when (RFC 3550 sections 6.2 to 6.4). The wire format is [`crate::rtcp`]'s business.

use std::time::Duration;

use crate::env::{Env, Instant, NtpTime};
use crate::rtcp::{self, ReportBlock, SenderInfo, Text};
use crate::rtp::Ssrc;

/// The contents of an SR or RR packet: an SR if there is sender information.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Present if we sent RTP since the second last report (RFC 3550 section 6.4).
    pub sender: Option<SenderInfo>,
    /// One for each source heard since the last report; at most 31.
    pub blocks: Vec<ReportBlock>,
}

impl Report {
    /// The whole compound: the report, our canonical name, and RTCP's BYE if we leave (RFC 3550 section 6.1).
    pub fn compound(&self, ssrc: Ssrc, cname: &Text, goodbye: bool) -> Vec<u8> {
        let (mut out, reason) = (vec![], Text::default());
        let bye = goodbye.then_some(&reason);
        rtcp::Report { ssrc, info: self.sender, blocks: &self.blocks, cname, bye }.write(&mut out);
        out
    }

    /// The reports in a compound of somebody's, each with who sent it; none if it is malformed.
    pub fn all(compound: &[u8]) -> Vec<(Ssrc, Self)> {
        let packets = rtcp::Compound::parse(compound).into_iter().flat_map(rtcp::Compound::packets);
        let reports = packets.filter_map(|packet| match packet {
            rtcp::Packet::Report { ssrc, info, blocks } => Some((ssrc, Self { sender: info, blocks })),
            _ => None,
        });
        reports.collect()
    }
}

/// The middle 32 bits of an NTP timestamp (RFC 3550 section 4): 1/65536 s, wrapping after 18 hours.
pub(super) fn middle(t: NtpTime) -> u32 {
    (t.0 >> 16) as u32
}

/// When the next report is due (RFC 3550 section 6.3). Two members and 64 kbit/s keep the deterministic interval at
/// its minimum, so what is left of the algorithm is the dice and the reconsideration.
#[derive(Debug, Default)]
pub(super) enum Schedule {
    #[default]
    Idle,
    Armed {
        /// RFC 3550 section 6.3: tp.
        previous: Instant,
        /// RFC 3550 section 6.3: tn.
        next: Instant,
        initial: bool,
    },
}

impl Schedule {
    /// RFC 3550 section 6.2: the minimum interval; half of it before the first packet (section 6.3.1, step 2).
    const MINIMUM: Duration = Duration::from_secs(5);

    /// The session begins; once.
    pub(super) fn start(&mut self, env: &mut Env<'_>) {
        if matches!(self, Self::Idle) {
            let previous = env.now.mono;
            *self = Self::Armed { previous, next: previous + interval(true, env), initial: true };
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        match self {
            Self::Idle => None,
            Self::Armed { next, .. } => Some(*next),
        }
    }

    /// Is a report to be sent now? Arms itself again.
    pub(super) fn due(&mut self, env: &mut Env<'_>) -> bool {
        let Self::Armed { previous, next, initial } = self else { return false };
        let now = env.now.mono;
        if now < *next {
            return false;
        }
        // RFC 3550 section 6.3.6, timer reconsideration: a second throw of the dice may still put it off.
        let again = *previous + interval(*initial, env);
        if again > now {
            *next = again;
            return false;
        }
        *self = Self::Armed { previous: now, next: now + interval(false, env), initial: false };
        true
    }
}

/// RFC 3550 section 6.3.1, steps 2 to 5.
fn interval(initial: bool, env: &mut Env<'_>) -> Duration {
    let minimum = if initial { Schedule::MINIMUM / 2 } else { Schedule::MINIMUM };
    // 53 random bits make an even number in [0, 1).
    let dice = (env.random() >> 11) as f64 / (1u64 << 53) as f64;
    minimum.mul_f64((0.5 + dice) / 1.21828)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{Now, Rng};

    struct Dice(u64);

    impl Rng for Dice {
        fn fill(&mut self, buf: &mut [u8]) {
            for b in buf {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *b = (self.0 >> 56) as u8;
            }
        }
    }

    #[test]
    fn reports_come_every_five_seconds_on_average_and_never_in_step() {
        let mut rng = Dice(1);
        let mut env = Env { now: Now { mono: Instant::ZERO, ntp: NtpTime(0) }, rng: &mut rng };
        let mut schedule = Schedule::default();
        schedule.start(&mut env);
        let mut sent = Vec::new();
        while sent.len() < 1000 {
            env.now.mono = schedule.next().expect("armed");
            if schedule.due(&mut env) {
                sent.push(env.now.mono);
            }
        }
        assert!((1_000_000..3_100_000).contains(&sent[0].as_micros()), "{:?}", sent[0]);
        let gaps: Vec<u128> = sent.windows(2).map(|w| w[1].since(w[0]).as_millis()).collect();
        assert!(gaps.iter().all(|g| (2052..=6157).contains(g)));
        let mean = gaps.iter().sum::<u128>() / 999;
        assert!((4400..5200).contains(&mean), "{mean}");
        assert!(gaps.windows(2).filter(|w| w[0] == w[1]).count() < 5);
    }
}
