//! The pen: packets that came before their key wait in it until an answer brings one (RFC 5479 section 4.1), and then
//! go the way of all packets, authentication first. Nothing in it is believed; all of it is bounded.

use keyphone_media::env::Instant;
use keyphone_media::rtp::Ssrc;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Where a packet came from, and as whom: what it says itself, unproven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sender {
    pub(super) from: SocketAddr,
    pub(super) ssrc: Ssrc,
    pub(super) rtcp: bool,
}

/// A packet that waits.
pub(super) struct Held {
    pub(super) at: Instant,
    pub(super) bytes: Box<[u8]>,
}

/// The packets of one sender, oldest first.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) held: VecDeque<Held>,
    /// So many had to go before their key came.
    pub(super) lost: u64,
    /// When its first packet came.
    pub(super) since: Instant,
}

/// The packets of one call that wait for a key.
pub(super) struct Pen {
    queues: BTreeMap<Sender, Queue>,
    packets: usize,
    bytes: usize,
    /// So long a packet waits.
    age: Duration,
}

/// What all pens of an endpoint hold, and how many answers it has verified lately because packets wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    packets: usize,
    bytes: usize,
    since: Instant,
    checks: usize,
}

impl Waiting {
    /// So many packets wait at most, in all calls of an endpoint.
    pub(crate) const MAX_PACKETS: usize = 1 << 15;
    /// So many bytes of them.
    pub(crate) const MAX_BYTES: usize = 8 << 20;
    /// So many answers are verified in each [`Self::TICK`] because packets wait for their keys: thirty answers at once
    /// do not keep the next frame of a running call waiting. What must be verified at once does not ask.
    pub(crate) const CHECKS: usize = 2;
    /// One frame.
    pub(crate) const TICK: Duration = Duration::from_millis(20);

    /// How many packets wait.
    pub(crate) fn packets(&self) -> usize {
        self.packets
    }

    /// How many bytes they are.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Leave to verify one answer.
    ///
    /// # Errors
    /// There is none before then.
    pub(super) fn check(&mut self, now: Instant) -> Result<(), Instant> {
        if now.since(self.since) >= Self::TICK {
            (self.since, self.checks) = (now, 0);
        }
        if self.checks >= Self::CHECKS {
            return Err(self.since + Self::TICK);
        }
        self.checks += 1;
        Ok(())
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.packets < Self::MAX_PACKETS && self.bytes + bytes <= Self::MAX_BYTES
    }
}

impl Pen {
    /// So many senders are told apart; a forger who makes up others drives out the one with the fewest packets.
    pub(super) const MAX_SENDERS: usize = 64;
    /// So many packets of one sender wait: one second, which is also all that a jitter buffer holds.
    pub(super) const MAX_OF_ONE: usize = 50;
    /// So many bytes wait in one call.
    pub(super) const MAX_BYTES: usize = 512 << 10;

    /// Packets wait no longer than this.
    pub(super) fn new(age: Duration) -> Self {
        Self { queues: BTreeMap::new(), packets: 0, bytes: 0, age }
    }

    /// Takes a packet that nothing makes sense of yet; gives how many went for it, itself perhaps.
    pub(super) fn hold(&mut self, sender: Sender, bytes: &[u8], now: Instant, all: &mut Waiting) -> u64 {
        let mut gone = self.expire(now, all);
        if !self.queues.contains_key(&sender) && self.queues.len() >= Self::MAX_SENDERS {
            gone += self.drive_out(all);
        }
        if self.queues.get(&sender).is_some_and(|queue| queue.held.len() >= Self::MAX_OF_ONE) {
            gone += self.drop_first(sender, all);
        }
        while self.bytes + bytes.len() > Self::MAX_BYTES && !self.queues.is_empty() {
            gone += self.shorten(all);
        }
        if !all.has_room(bytes.len()) || bytes.len() > Self::MAX_BYTES {
            return gone + 1;
        }
        self.packets += 1;
        self.bytes += bytes.len();
        all.packets += 1;
        all.bytes += bytes.len();
        let queue = self.queues.entry(sender).or_insert_with(|| Queue { since: now, ..Queue::default() });
        queue.held.push_back(Held { at: now, bytes: bytes.into() });
        gone
    }

    /// Lets go what has waited too long; gives how many that were.
    pub(super) fn expire(&mut self, now: Instant, all: &mut Waiting) -> u64 {
        let old = |queue: &Queue| queue.held.front().is_some_and(|held| now.since(held.at) >= self.age);
        let old: Vec<_> = self.queues.iter().filter(|(_, queue)| old(queue)).map(|(sender, _)| *sender).collect();
        let mut gone = 0;
        for sender in old {
            while let Some(queue) = self.queues.get(&sender)
                && queue.held.front().is_some_and(|held| now.since(held.at) >= self.age)
            {
                gone += self.drop_first(sender, all);
            }
            // Whoever has fallen silent is forgotten.
            if self.queues.get(&sender).is_some_and(|queue| queue.held.is_empty()) {
                self.queues.remove(&sender);
            }
        }
        gone
    }

    /// When the oldest has waited long enough.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.queues.values().filter_map(|queue| Some(queue.held.front()?.at + self.age)).min()
    }

    /// Who waits, whoever began first first.
    pub(super) fn senders(&self) -> Vec<(Sender, Instant)> {
        let mut senders: Vec<_> = self.queues.iter().map(|(sender, queue)| (*sender, queue.since)).collect();
        senders.sort_by_key(|(sender, since)| (*since, *sender));
        senders
    }

    /// Everything, to be tried; what still has no key comes back by [`Self::put_back`].
    pub(super) fn take(&mut self, all: &mut Waiting) -> BTreeMap<Sender, Queue> {
        all.packets -= std::mem::take(&mut self.packets);
        all.bytes -= std::mem::take(&mut self.bytes);
        std::mem::take(&mut self.queues)
    }

    /// These go on waiting. There is room: it was theirs.
    pub(super) fn put_back(&mut self, sender: Sender, queue: Queue, all: &mut Waiting) {
        let bytes: usize = queue.held.iter().map(|held| held.bytes.len()).sum();
        self.packets += queue.held.len();
        self.bytes += bytes;
        all.packets += queue.held.len();
        all.bytes += bytes;
        self.queues.insert(sender, queue);
    }

    /// No key comes any more; gives how many waited in vain.
    pub(super) fn close(mut self, all: &mut Waiting) -> u64 {
        let packets = self.packets as u64;
        self.take(all);
        packets
    }

    /// The sender with the fewest packets makes room: whoever speaks has more than whoever was made up.
    fn drive_out(&mut self, all: &mut Waiting) -> u64 {
        let fewest = self.queues.iter().min_by_key(|(_, queue)| (queue.held.len(), queue.since));
        let Some(sender) = fewest.map(|(sender, _)| *sender) else { return 0 };
        let mut gone = 0;
        while self.queues.get(&sender).is_some_and(|queue| !queue.held.is_empty()) {
            gone += self.drop_first(sender, all);
        }
        self.queues.remove(&sender);
        gone
    }

    /// The sender with the most bytes loses its oldest packet.
    fn shorten(&mut self, all: &mut Waiting) -> u64 {
        let most =
            self.queues.iter().max_by_key(|(_, queue)| queue.held.iter().map(|held| held.bytes.len()).sum::<usize>());
        let Some(sender) = most.map(|(sender, _)| *sender) else { return 0 };
        let gone = self.drop_first(sender, all);
        if gone == 0 {
            self.queues.remove(&sender);
        }
        gone
    }

    fn drop_first(&mut self, sender: Sender, all: &mut Waiting) -> u64 {
        let Some(queue) = self.queues.get_mut(&sender) else { return 0 };
        let Some(held) = queue.held.pop_front() else { return 0 };
        queue.lost += 1;
        self.packets -= 1;
        self.bytes -= held.bytes.len();
        all.packets -= 1;
        all.bytes -= held.bytes.len();
        1
    }
}

/// As whom a packet says that it was sent; `None` if it is too short to say (RFC 3550 sections 5.1 and 6.4.1).
pub(super) fn claimed_ssrc(packet: &[u8], rtcp: bool) -> Option<Ssrc> {
    let at = if rtcp { 4 } else { 8 };
    let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
    Some(Ssrc(u32::from_be_bytes(octets)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AGE: Duration = Duration::from_secs(1);

    fn ms(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn sender(n: u32) -> Sender {
        Sender { from: ([10, 0, (n >> 8) as u8, n as u8], 4000).into(), ssrc: Ssrc(n), rtcp: false }
    }

    #[test]
    fn who_speaks_is_not_driven_out_by_those_who_are_made_up() {
        let (mut pen, mut all) = (Pen::new(AGE), Waiting::default());
        for n in 0..3 {
            assert_eq!(pen.hold(sender(0), &[n; 172], ms(0), &mut all), 0);
        }
        for n in 1..5000 {
            pen.hold(sender(n), &[0; 172], ms(1), &mut all);
        }
        let waiting = pen.take(&mut all);
        assert_eq!((waiting.len(), waiting[&sender(0)].held.len()), (Pen::MAX_SENDERS, 3));
        assert_eq!((all.packets(), all.bytes()), (0, 0));
    }

    #[test]
    fn of_one_who_speaks_for_long_the_newest_second_waits_and_nothing_waits_for_ever() {
        let (mut pen, mut all) = (Pen::new(AGE), Waiting::default());
        let gone: u64 = (0..120).map(|n| pen.hold(sender(1), &[n as u8; 172], ms(n * 20), &mut all)).sum();
        assert_eq!((gone, all.packets()), (70, 50));
        assert_eq!(pen.next_timeout(), Some(ms(70 * 20) + AGE));
        let queue = &pen.queues[&sender(1)];
        assert_eq!((queue.held[0].bytes[0], queue.lost), (70, 70));
        assert_eq!(pen.expire(ms(100_000), &mut all), 50);
        assert_eq!((pen.queues.len(), all.packets(), all.bytes(), pen.next_timeout()), (0, 0, 0, None));
    }

    #[test]
    fn two_answers_are_verified_in_twenty_milliseconds_and_no_more() {
        let mut all = Waiting::default();
        assert_eq!([(); 3].map(|()| all.check(ms(100))), [Ok(()), Ok(()), Err(ms(120))]);
        assert_eq!([(); 3].map(|()| all.check(ms(120))), [Ok(()), Ok(()), Err(ms(140))]);
    }

    proptest! {
        #[test]
        fn whatever_comes_the_pen_and_all_pens_stay_within_their_bounds(
            packets in prop::collection::vec((0u32..200, 0usize..3000, 0u64..300), 0..2000),
        ) {
            let (mut pens, mut all) = ([Pen::new(AGE), Pen::new(AGE)], Waiting::default());
            let (mut now, mut gone) = (0, 0);
            for (n, length, later) in &packets {
                now += later / 10;
                gone += pens[*n as usize % 2].hold(sender(*n), &vec![0; *length], ms(now), &mut all);
                for pen in &pens {
                    prop_assert!(pen.queues.len() <= Pen::MAX_SENDERS && pen.bytes <= Pen::MAX_BYTES);
                    prop_assert!(pen.queues.values().all(|queue| queue.held.len() <= Pen::MAX_OF_ONE));
                }
                prop_assert_eq!(all.packets(), pens[0].packets + pens[1].packets);
                prop_assert!(all.packets() <= Waiting::MAX_PACKETS && all.bytes() <= Waiting::MAX_BYTES);
            }
            prop_assert_eq!(gone + all.packets() as u64, packets.len() as u64, "each packet waits or has gone");
            let [one, other] = pens;
            one.close(&mut all);
            other.close(&mut all);
            prop_assert_eq!((all.packets(), all.bytes()), (0, 0));
        }
    }
}
