//! What is known about a source that we hear: RFC 3550 appendix A.3 (loss) and A.8 (jitter).

use std::net::SocketAddr;

use super::SILENCE;
use super::report::middle;
use crate::env::Instant;
use crate::rtcp::{ReportBlock, SenderInfo};
use crate::rtp::Ssrc;

/// Sources that statistics are kept of; a fork rarely has more branches, and a report holds at most 31 (RFC 3550
/// section 6.4.1).
const LIMIT: usize = 16;

/// All sources heard on one m-line.
#[derive(Debug, Default)]
pub(super) struct Remotes(Vec<Remote>);

/// Whose packet it is, by SSRC and address (RFC 3550 section 8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// That of a source, old or new, at its address.
    Known,
    /// That of a source which was silent and goes on from another address.
    Moved,
    /// That of a second sender while the first still speaks; `first` when it is the first such packet.
    Collision { first: bool },
}

impl Remotes {
    /// Finds or adds the source of a packet. The quietest one but `current` makes room.
    pub(super) fn admit(
        &mut self,
        ssrc: Ssrc,
        from: SocketAddr,
        index: u64,
        current: Option<Ssrc>,
        now: Instant,
    ) -> (&mut Remote, Admission) {
        let at = self.0.iter().position(|r| r.ssrc == ssrc).unwrap_or_else(|| {
            if self.0.len() >= LIMIT {
                let others = self.0.iter().enumerate().filter(|(_, r)| Some(r.ssrc) != current);
                let quietest = others.min_by_key(|(_, r)| r.heard).map_or(0, |(n, _)| n);
                self.0.remove(quietest);
            }
            self.0.push(Remote::new(ssrc, from, index, now));
            self.0.len() - 1
        });
        let remote = &mut self.0[at];
        // Two addresses at once are two senders, and the first is kept; one after the other is one that has moved.
        let admission = if remote.from == from {
            Admission::Known
        } else if now.since(remote.heard) <= SILENCE {
            Admission::Collision { first: !std::mem::replace(&mut remote.collided, true) }
        } else {
            remote.from = from;
            Admission::Moved
        };
        (remote, admission)
    }

    /// What was known of that source is another's.
    pub(super) fn forget(&mut self, ssrc: Ssrc) {
        self.0.retain(|r| r.ssrc != ssrc);
    }

    pub(super) fn get(&self, ssrc: Ssrc) -> Option<&Remote> {
        self.0.iter().find(|r| r.ssrc == ssrc)
    }

    pub(super) fn get_mut(&mut self, ssrc: Ssrc) -> Option<&mut Remote> {
        self.0.iter_mut().find(|r| r.ssrc == ssrc)
    }

    /// A block for each source heard since the last report (RFC 3550 section 6.4).
    pub(super) fn report(&mut self, now: Instant) -> Vec<ReportBlock> {
        self.0.iter_mut().filter(|r| r.is_active()).map(|r| r.report(now)).collect()
    }
}

/// One SSRC, its address and its statistics.
#[derive(Debug)]
pub(super) struct Remote {
    ssrc: Ssrc,
    from: SocketAddr,
    /// When its last packet came.
    heard: Instant,
    /// A second sender under this SSRC has been reported.
    collided: bool,
    base: u64,
    highest: u64,
    received: u64,
    /// `expected` and `received` when the last report was made (RFC 3550 appendix A.3).
    prior: (u64, u64),
    transit: Option<u32>,
    jitter: f64,
    /// Middle of its last SR's NTP timestamp, and when that came.
    sender_report: Option<(u32, Instant)>,
}

impl Remote {
    fn new(ssrc: Ssrc, from: SocketAddr, index: u64, now: Instant) -> Self {
        Self {
            ssrc,
            from,
            heard: now,
            collided: false,
            base: index,
            highest: index,
            received: 0,
            prior: (0, 0),
            transit: None,
            jitter: 0.0,
            sender_report: None,
        }
    }

    /// A packet came. `index` is ROC||SEQ, so the cycles of RFC 3550 appendix A.1 are counted already.
    pub(super) fn receive(&mut self, index: u64, now: Instant) {
        self.heard = now;
        self.received += 1;
        self.highest = self.highest.max(index);
    }

    /// A packet whose timestamp runs at `rate` came (RFC 3550 appendix A.8).
    pub(super) fn time(&mut self, timestamp: u32, rate: u32, now: Instant) {
        // All in RTP ticks modulo 2^32, as the appendix has it.
        let arrival = (u128::from(now.as_micros()) * u128::from(rate) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let d = f64::from((transit.wrapping_sub(before) as i32).unsigned_abs());
            self.jitter += (d - self.jitter) / 16.0;
        }
    }

    /// Its sender report came.
    pub(super) fn sender_report(&mut self, info: &SenderInfo, now: Instant) {
        self.sender_report = Some((middle(info.ntp), now));
    }

    /// Interarrival jitter in RTP ticks.
    pub(super) fn jitter(&self) -> f64 {
        self.jitter
    }

    /// Has it spoken since the last report?
    fn is_active(&self) -> bool {
        self.received > self.prior.1
    }

    /// What our report says about it. The next fraction counts from here.
    fn report(&mut self, now: Instant) -> ReportBlock {
        let expected = (self.highest - self.base).saturating_add(1);
        let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX / 2);
        // RFC 3550 appendix A.3: clamped to 24 bits with sign.
        let lost = (clamp(expected) - clamp(self.received)).clamp(-0x80_0000, 0x7f_ffff);
        let (expected_now, received_now) = (expected - self.prior.0, self.received - self.prior.1);
        self.prior = (expected, self.received);
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction_lost = if expected_now == 0 { 0 } else { u128::from(lost_now) * 256 / u128::from(expected_now) };
        let (last_sr, since_last_sr) = self.sender_report.map_or((0, 0), |(middle, at)| {
            let delay = now.since(at).as_micros() * 65536 / 1_000_000;
            (middle, u32::try_from(delay).unwrap_or(u32::MAX))
        });
        // The cycles count from the first packet heard (RFC 3550 section 6.4.1), the ROC may be older.
        let cycles_before = self.base & !0xffff;
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction_lost).unwrap_or(u8::MAX),
            lost: i32::try_from(lost).unwrap_or(0x7f_ffff),
            highest: (self.highest - cycles_before) as u32,
            jitter: self.jitter as u32,
            last_sr,
            since_last_sr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::NtpTime;

    fn remote(index: u64) -> Remote {
        Remote::new(Ssrc(7), "192.0.2.1:4000".parse().expect("address"), index, Instant::ZERO)
    }

    #[test]
    fn a_quarter_lost_is_64_of_256_and_the_next_report_starts_afresh() {
        let mut r = remote(0x1_fffe);
        for index in (0x1_fffe..0x1_fffe + 8).filter(|i| i % 4 != 0) {
            r.receive(index, Instant::ZERO);
        }
        let block = r.report(Instant::ZERO);
        assert_eq!((block.fraction_lost, block.lost), (64, 2));
        assert_eq!(block.highest, 0x1_0005, "one cycle since the first packet heard");
        assert!(!r.is_active());
        r.receive(0x2_0006, Instant::ZERO);
        let block = r.report(Instant::ZERO);
        assert_eq!((block.fraction_lost, block.lost), (0, 2));
    }

    #[test]
    fn an_address_tells_a_second_sender_from_one_that_moved() {
        let mut remotes = Remotes::default();
        let (a, b) = ("192.0.2.1:4000".parse().expect("address"), "192.0.2.2:4000".parse().expect("address"));
        let at = |ms: u64| Instant::from_micros(ms * 1000);
        assert_eq!(remotes.admit(Ssrc(1), a, 0, None, at(0)).1, Admission::Known);
        assert_eq!(remotes.admit(Ssrc(1), b, 0, None, at(100)).1, Admission::Collision { first: true });
        assert_eq!(remotes.admit(Ssrc(1), b, 0, None, at(200)).1, Admission::Collision { first: false });
        assert_eq!(remotes.admit(Ssrc(1), b, 0, None, at(201)).1, Admission::Moved);
        assert_eq!(remotes.admit(Ssrc(1), b, 0, None, at(202)).1, Admission::Known);
    }

    #[test]
    fn a_thousand_sources_fill_no_memory_and_do_not_displace_the_one_that_is_heard() {
        let mut remotes = Remotes::default();
        for n in 0..1000 {
            let from = "192.0.2.1:4000".parse().expect("address");
            remotes.admit(Ssrc(n), from, 0, Some(Ssrc(0)), Instant::from_micros(n.into()));
        }
        assert_eq!(remotes.0.len(), LIMIT);
        assert!(remotes.get(Ssrc(0)).is_some() && remotes.get(Ssrc(999)).is_some());
    }

    #[test]
    fn duplicates_make_the_loss_negative_and_jumps_are_clamped_to_24_bits() {
        let mut r = remote(5);
        r.receive(5, Instant::ZERO);
        r.receive(5, Instant::ZERO);
        assert_eq!(r.report(Instant::ZERO).lost, -1);
        r.receive(u64::MAX - 1, Instant::ZERO);
        let block = r.report(Instant::ZERO);
        assert_eq!((block.lost, block.fraction_lost), (0x7f_ffff, 255));
    }

    #[test]
    fn jitter_is_a_sixteenth_of_each_deviation() {
        let mut r = remote(0);
        let at = |ms: u64| Instant::from_micros(ms * 1000);
        r.time(u32::MAX - 159, 8000, at(0));
        r.time(0, 8000, at(20));
        assert_eq!(r.jitter(), 0.0);
        r.time(160, 8000, at(50)); // 10 ms = 80 ticks late
        assert_eq!(r.jitter(), 5.0);
        r.time(320, 8000, at(60)); // as much early again
        assert_eq!(r.report(at(60)).jitter, 9);
    }

    #[test]
    fn lsr_and_dlsr_are_those_of_the_last_sender_report() {
        let mut r = remote(0);
        r.receive(0, Instant::ZERO);
        // RFC 3550 figure 2: NTP b44d:b705:2000:0000, and 5.250 s later (0x0005:4000).
        let info = SenderInfo { ntp: NtpTime(0xb44d_b705_2000_0000), timestamp: 0, packets: 1, octets: 1 };
        r.sender_report(&info, Instant::from_micros(1_000_000));
        let block = r.report(Instant::from_micros(6_250_000));
        assert_eq!((block.last_sr, block.since_last_sr), (0xb705_2000, 0x0005_4000));
    }
}
