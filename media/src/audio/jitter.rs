//! The jitter buffer of one remote SSRC: packets come when the network likes, leave when their timestamps say so.
//!
//! ```text
//!             first packet                 depth has passed
//!   Silent ------------------> Filling ------------------------> Playing
//!                                 ^                                 |
//!                                 +--- timestamps jump, the buffer --+
//!                                      overflows, a talkspurt begins
//!                                      after a pause, or for half a
//!                                      second all packets came late
//! ```
//!
//! The first packet waits `depth`; from then on time moves by what is asked for ([`Jitter::pop`]), whether packets are
//! there or not. A timestamp that nobody sent is a gap: lost, unless the next packet carries the marker or the very
//! next packet index, for then its sender was silent (RFC 3551 section 4.1).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::env::Instant;

/// Packets that wait at most: one second of 20 ms frames.
pub const CAPACITY: usize = 50;

/// All packets late for this long: it is our clock that is wrong, not their packets.
const LATE_FOR: Duration = Duration::from_millis(500);

/// When what waits is older than `depth` before it may first be asked for, as after a key that came late, so much of it
/// plays all the same, with a delay that stays; what is older does not. With the usual depth that is 160 ms, about what
/// ITU-T G.114 says people do not notice.
const BEHIND: Duration = Duration::from_millis(100);

/// Packets without audio that are remembered until audio comes: ten seconds of them.
const SILENT: usize = 500;

/// How many past slots are remembered, to tell the late from the duplicate.
const MEMORY: usize = 64;

/// One packet's audio, waiting for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The packet's place in its stream (ROC||SEQ, RFC 3711 section 3.3.1).
    pub index: u64,
    /// The first after a silence (RFC 3551 section 4.1).
    pub marker: bool,
    /// RTP timestamp.
    pub timestamp: u32,
    /// How much it plays, in RTP clock ticks; at least 1.
    pub samples: u32,
    /// Still encoded.
    pub payload: Vec<u8>,
}

/// What is to be heard next.
#[derive(Debug, PartialEq, Eq)]
pub enum Playout {
    /// Nothing: no packet has come, or the first is still waiting.
    Wait,
    /// This packet's audio.
    Packet(Packet),
    /// This many samples for which no packet is there.
    Gap(u32),
}

/// What became of all packets; every one that came is exactly one of played, late, duplicate, discarded or waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Left in time.
    pub played: u64,
    /// Slots whose packet never came, as far as later packets tell.
    pub lost: u64,
    /// Came after their time.
    pub late: u64,
    /// Came again.
    pub duplicate: u64,
    /// Thrown away because the buffer was too full or the sender jumped.
    pub discarded: u64,
}

/// The buffer; see the file's head.
#[derive(Debug)]
pub struct Jitter {
    depth: Duration,
    /// Samples in a slot of 20 ms.
    slot: u32,
    rate: u32,
    state: State,
    counts: Counts,
}

#[derive(Debug)]
enum State {
    Silent,
    Filling { since: Instant, packets: Waiting },
    Playing(Playing),
}

/// By extended timestamp, which never wraps.
type Waiting = BTreeMap<i64, Packet>;

#[derive(Debug)]
struct Playing {
    packets: Waiting,
    /// The extended timestamp that plays next; all of `packets` are at or after it.
    cursor: i64,
    /// Index of the packet that played last.
    last: Option<u64>,
    /// Gaps since then, not yet known to be losses.
    gaps: u64,
    /// Packets after it that carry no audio: key presses, for instance.
    silent: BTreeSet<u64>,
    /// Past slots, oldest first: their timestamp, and whether a packet was there.
    past: VecDeque<(i64, Slot)>,
    /// Since when nothing but late packets came.
    late_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Heard,
    Pending,
    Lost,
}

impl Jitter {
    /// A buffer that delays by `depth`, for an RTP clock of `rate` Hz and slots of 20 ms.
    pub fn new(depth: Duration, rate: u32) -> Self {
        let slot = (rate / super::FRAMES_PER_SECOND).max(1);
        Self { depth, slot, rate, state: State::Silent, counts: Counts::default() }
    }

    /// What became of the packets so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Packets that wait.
    pub fn waiting(&self) -> usize {
        match &self.state {
            State::Silent => 0,
            State::Filling { packets, .. } => packets.len(),
            State::Playing(p) => p.packets.len(),
        }
    }

    /// A packet came.
    pub fn push(&mut self, packet: Packet, now: Instant) {
        match &mut self.state {
            State::Silent => self.restart(packet, now),
            State::Filling { packets, .. } => {
                let reference = packets.first_key_value().map_or(0, |(first, _)| *first);
                let at = extend(packet.timestamp, reference);
                if (at - reference).abs() > i64::from(self.rate) {
                    // A straggler from before the jump does not jump back.
                    if packets.values().any(|p| packet.index < p.index) {
                        self.counts.late += 1;
                        return;
                    }
                    return self.restart(packet, now);
                }
                insert(packets, at, packet, &mut self.counts);
                self.shed();
            }
            State::Playing(playing) => {
                let at = extend(packet.timestamp, playing.cursor);
                let newer = playing.last.is_none_or(|last| packet.index > last);
                let talkspurt = packet.marker && newer && playing.packets.is_empty() && playing.gaps > 0;
                if at < playing.cursor {
                    if playing.heard(at) {
                        self.counts.duplicate += 1;
                        return;
                    }
                    let began = *playing.late_since.get_or_insert(now);
                    if talkspurt || now.since(began) >= LATE_FOR {
                        return self.restart(packet, now);
                    }
                    playing.missed(at, &mut self.counts);
                } else if talkspurt || at - playing.cursor > i64::from(self.rate) {
                    self.restart(packet, now);
                } else {
                    playing.late_since = None;
                    insert(&mut playing.packets, at, packet, &mut self.counts);
                    self.shed();
                }
            }
        }
    }

    /// A packet that carries no audio, but took the place of one that does: what it did not say is not lost.
    pub fn pass(&mut self, index: u64) {
        if let State::Playing(playing) = &mut self.state
            && playing.last.is_some_and(|last| index > last)
        {
            playing.silent.insert(index);
            if playing.silent.len() > SILENT {
                playing.silent.pop_first();
            }
        }
    }

    /// What plays now. Asked again and again within one tick until the tick is full: a packet may be shorter than one.
    pub fn pop(&mut self, now: Instant) -> Playout {
        if let State::Filling { since, packets } = &mut self.state
            && now >= *since + self.depth
        {
            let packets = std::mem::take(packets);
            let first = packets.first_key_value().map_or(0, |(at, _)| *at);
            let cursor = first + missed(*since + self.depth, now, self.rate);
            let (silent, past, late_since) = (BTreeSet::new(), VecDeque::new(), None);
            self.state = State::Playing(Playing { packets, cursor, last: None, gaps: 0, silent, past, late_since });
        }
        match &mut self.state {
            State::Silent | State::Filling { .. } => Playout::Wait,
            State::Playing(playing) => playing.pop(self.slot, &mut self.counts),
        }
    }

    /// How many packets of those that wait come too late to be played now, and how many ticks of audio they are.
    pub fn overdue(&self, now: Instant) -> (u64, u64) {
        let State::Filling { since, packets } = &self.state else { return (0, 0) };
        let first = packets.first_key_value().map_or(0, |(at, _)| *at);
        let cursor = first + missed(*since + self.depth, now, self.rate);
        let late = packets.range(..cursor).map(|(_, packet)| u64::from(packet.samples));
        late.fold((0, 0), |(count, ticks), more| (count + 1, ticks + more))
    }

    /// Everything that waits is stale; this packet begins anew.
    fn restart(&mut self, packet: Packet, now: Instant) {
        self.counts.discarded += self.waiting() as u64;
        let at = i64::from(packet.timestamp);
        self.state = State::Filling { since: now, packets: Waiting::from([(at, packet)]) };
    }

    /// Forgets what waits; the next packet is a first one.
    pub fn reset(&mut self) {
        self.counts.discarded += self.waiting() as u64;
        self.state = State::Silent;
    }

    /// Too many wait: their delay would stay for the rest of the call, so the oldest go until `depth` is left.
    fn shed(&mut self) {
        if self.waiting() <= CAPACITY {
            return;
        }
        let keep = (self.depth.as_millis() / 20) as usize;
        let packets = match &mut self.state {
            State::Silent => return,
            State::Filling { packets, .. } => packets,
            State::Playing(p) => &mut p.packets,
        };
        while packets.len() > keep.clamp(1, CAPACITY) {
            packets.pop_first();
            self.counts.discarded += 1;
        }
        if let State::Playing(p) = &mut self.state {
            p.cursor = p.packets.first_key_value().map_or(p.cursor, |(at, _)| *at);
            (p.last, p.gaps) = (None, 0);
        }
    }
}

impl Playing {
    fn pop(&mut self, slot: u32, counts: &mut Counts) -> Playout {
        // A long packet may have played over the beginning of the next.
        while let Some(first) = self.packets.first_entry().filter(|e| *e.key() < self.cursor) {
            first.remove();
            counts.late += 1;
        }
        let ahead = self.packets.first_key_value().map_or(i64::from(slot), |(at, _)| at - self.cursor);
        if ahead > 0 {
            let gap = u32::try_from(ahead).map_or(slot, |a| a.min(slot));
            self.remember(Slot::Pending);
            self.gaps += 1;
            self.cursor += i64::from(gap);
            return Playout::Gap(gap);
        }
        let Some((_, packet)) = self.packets.pop_first() else { return Playout::Gap(slot) };
        let after = self.silent.split_off(&packet.index);
        let silent = std::mem::replace(&mut self.silent, after).len() as u64;
        let missing = self.last.map_or(0, |last| packet.index.wrapping_sub(last).wrapping_sub(1 + silent));
        let was_silent = packet.marker || missing == 0;
        if !was_silent {
            counts.lost += if silent == 0 { self.gaps } else { self.gaps.min(missing) };
        }
        for (_, past) in self.past.iter_mut().filter(|(_, s)| *s == Slot::Pending) {
            *past = if was_silent { Slot::Heard } else { Slot::Lost };
        }
        self.gaps = 0;
        self.last = Some(packet.index);
        self.remember(Slot::Heard);
        self.cursor += i64::from(packet.samples);
        counts.played += 1;
        Playout::Packet(packet)
    }

    fn remember(&mut self, slot: Slot) {
        if self.past.len() == MEMORY {
            self.past.pop_front();
        }
        self.past.push_back((self.cursor, slot));
    }

    /// Has this slot played a packet, or had its late one?
    fn heard(&self, at: i64) -> bool {
        self.past.contains(&(at, Slot::Heard))
    }

    /// A packet for a slot that has played without it: late, hence not lost.
    fn missed(&mut self, at: i64, counts: &mut Counts) {
        counts.late += 1;
        if let Some((_, slot)) = self.past.iter_mut().find(|(t, _)| *t == at) {
            match slot {
                Slot::Pending => self.gaps = self.gaps.saturating_sub(1),
                Slot::Lost => counts.lost = counts.lost.saturating_sub(1),
                Slot::Heard => {}
            }
            *slot = Slot::Heard;
        }
    }
}

/// How far into what waits playing begins `now`, in ticks, when its first packet was `due` then.
fn missed(due: Instant, now: Instant, rate: u32) -> i64 {
    let late = now.since(due).saturating_sub(BEHIND);
    i64::try_from(late.as_micros() * u128::from(rate) / 1_000_000).unwrap_or(i64::MAX / 2)
}

/// The extended timestamp nearest to `reference` (timestamps wrap every 2^32 ticks, RFC 3550 section 5.1).
fn extend(timestamp: u32, reference: i64) -> i64 {
    // Truncation is the point: the difference modulo 2^32, read as signed.
    reference + i64::from(timestamp.wrapping_sub(reference as u32) as i32)
}

fn insert(packets: &mut Waiting, at: i64, packet: Packet, counts: &mut Counts) {
    match packets.entry(at) {
        std::collections::btree_map::Entry::Vacant(free) => {
            free.insert(packet);
        }
        std::collections::btree_map::Entry::Occupied(_) => counts.duplicate += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPTH: Duration = Duration::from_millis(60);

    fn ms(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn packet(n: u32) -> Packet {
        Packet { index: n.into(), marker: false, timestamp: n.wrapping_mul(160), samples: 160, payload: vec![n as u8] }
    }

    /// Pushes (arrival in ms, packet), pops every 20 ms until `end`; says what played: a packet's number, `?` for a
    /// gap, `.` for waiting.
    fn play(jitter: &mut Jitter, schedule: &[(u64, Packet)], end: u64) -> String {
        let mut heard = Vec::new();
        for tick in 0..end / 20 {
            for (_, p) in schedule.iter().filter(|(at, _)| (tick * 20..tick * 20 + 20).contains(at)) {
                jitter.push(p.clone(), ms(tick * 20));
            }
            heard.push(match jitter.pop(ms(tick * 20)) {
                Playout::Wait => ".".to_owned(),
                Playout::Gap(_) => "?".to_owned(),
                Playout::Packet(p) => p.payload[0].to_string(),
            });
        }
        heard.join(" ")
    }

    #[test]
    fn the_first_packet_waits_for_the_depth_and_the_rest_follow() {
        let mut jitter = Jitter::new(DEPTH, 8000);
        let schedule: Vec<_> = (0..4).map(|n| (u64::from(n) * 20, packet(n))).collect();
        assert_eq!(play(&mut jitter, &schedule, 160), ". . . 0 1 2 3 ?");
        assert_eq!(jitter.counts(), Counts { played: 4, ..Counts::default() });
    }

    #[test]
    fn reordered_packets_play_in_order_and_across_the_wrap_of_the_timestamp() {
        let mut jitter = Jitter::new(DEPTH, 8000);
        let first = u32::MAX / 160 - 1;
        let mut wrapping: Vec<_> = (0..6)
            .map(|n| Packet {
                timestamp: (first * 160).wrapping_add(n * 160),
                payload: vec![n as u8],
                ..packet(first + n)
            })
            .collect();
        wrapping.swap(0, 1);
        wrapping.swap(3, 4);
        let schedule: Vec<_> = wrapping.into_iter().enumerate().map(|(n, p)| (n as u64 * 20, p)).collect();
        assert_eq!(play(&mut jitter, &schedule, 180), ". . . 0 1 2 3 4 5");
        assert_eq!(jitter.counts().lost, 0);
    }

    #[test]
    fn the_lost_the_late_and_the_duplicate_are_told_apart() {
        let mut jitter = Jitter::new(DEPTH, 8000);
        let mut schedule: Vec<_> = (0..12).map(|n| (u64::from(n) * 20, packet(n))).collect();
        schedule.remove(3);
        schedule[4].0 = 180; // packet 5, due at 160
        schedule.push((100, packet(4))); // waits already
        schedule.push((200, packet(6))); // has played already
        assert_eq!(play(&mut jitter, &schedule, 300), ". . . 0 1 2 ? 4 ? 6 7 8 9 10 11");
        assert_eq!(jitter.counts(), Counts { played: 10, lost: 1, late: 1, duplicate: 2, discarded: 0 });
    }

    #[test]
    fn a_pause_between_talkspurts_is_not_a_loss() {
        let mut jitter = Jitter::new(DEPTH, 8000);
        let mut second = Packet { marker: true, ..packet(10) };
        let schedule = [(0, packet(0)), (20, packet(1)), (200, second.clone()), (220, packet(11))];
        assert_eq!(play(&mut jitter, &schedule, 300), ". . . 0 1 ? ? ? ? ? . . . 10 11");
        assert_eq!(jitter.counts(), Counts { played: 4, ..Counts::default() });

        // Without the marker, the index says that nothing was sent in between.
        let mut jitter = Jitter::new(DEPTH, 8000);
        (second.marker, second.index) = (false, 2);
        assert_eq!(
            play(&mut jitter, &[(0, packet(0)), (20, packet(1)), (200, second)], 280),
            ". . . 0 1 ? ? ? ? ? ? ? ? 10"
        );
        assert_eq!(jitter.counts().lost, 0);
    }

    #[test]
    fn a_sender_that_jumps_is_followed() {
        let mut jitter = Jitter::new(DEPTH, 8000);
        let mut schedule: Vec<_> = (0..5).map(|n| (u64::from(n) * 20, packet(n))).collect();
        schedule.extend((0..5).map(|n| (100 + u64::from(n) * 20, packet(100_000 + n))));
        assert!(play(&mut jitter, &schedule, 300).ends_with(". . . 160 161 162 163 164 ? ?"));
        assert_eq!(jitter.counts().discarded, 3);
    }

    #[test]
    fn a_sender_whose_clock_stood_still_is_late_for_half_a_second_and_then_heard() {
        let mut jitter = Jitter::new(DEPTH, 8000);
        let mut schedule: Vec<_> = (0..5).map(|n| (u64::from(n) * 20, packet(n))).collect();
        schedule.extend((5..60).map(|n| (2000 + u64::from(n) * 20, packet(n))));
        let heard = play(&mut jitter, &schedule, 3400);
        assert!(heard.contains(". . 30 31 32"), "{heard}");
        assert_eq!(jitter.counts().late, 25);
        assert_eq!(jitter.counts().lost, 0);
    }

    #[test]
    fn a_burst_after_a_stall_of_the_network_does_not_delay_the_rest_of_the_call() {
        let mut jitter = Jitter::new(DEPTH, 8000);
        let mut schedule: Vec<_> = (0..10).map(|n| (u64::from(n) * 20, packet(n))).collect();
        schedule.extend((10..60).map(|n| (1200, packet(n))));
        schedule.extend((60..70).map(|n| (u64::from(n) * 20, packet(n))));
        assert!(play(&mut jitter, &schedule, 1460).ends_with("? ? 57 58 59 60 61 62 63 64 65 66 67 68 69"));
        assert_eq!(jitter.counts(), Counts { played: 23, late: 47, ..Counts::default() });
    }

    #[test]
    fn of_what_waited_for_its_key_the_last_hundred_milliseconds_beyond_the_depth_are_played() {
        for (key_after, late) in [(20, 0), (160, 0), (200, 2), (500, 17)] {
            let mut jitter = Jitter::new(DEPTH, 8000);
            (0..=key_after / 20).for_each(|n| jitter.push(packet(n), ms(u64::from(n) * 20)));
            assert_eq!(jitter.overdue(ms(key_after.into())), (late, late * 160), "{key_after}");
            let playing = (key_after / 20..60).map(|n| {
                jitter.push(packet(n + 1), ms(u64::from(n) * 20));
                jitter.pop(ms(u64::from(n) * 20))
            });
            let played: Vec<_> =
                playing.filter_map(|p| if let Playout::Packet(p) = p { Some(p.index) } else { None }).collect();
            assert!(played.iter().enumerate().all(|(n, index)| *index == late + n as u64), "{played:?}");
            assert_eq!(jitter.counts().late, late);
        }
    }

    #[test]
    fn packets_of_ten_milliseconds_play_two_to_a_tick() {
        let mut jitter = Jitter::new(Duration::ZERO, 8000);
        for n in 0..4 {
            jitter.push(Packet { timestamp: n * 80, samples: 80, ..packet(n) }, ms(0));
        }
        for n in 0..4 {
            assert!(matches!(jitter.pop(ms(0)), Playout::Packet(p) if p.index == n));
        }
        assert_eq!(jitter.pop(ms(0)), Playout::Gap(160));
    }

    #[test]
    fn whoever_sends_too_much_fills_no_memory() {
        let mut jitter = Jitter::new(DEPTH, 8000);
        for n in 0..10_000 {
            jitter.push(packet(n), ms(0));
            assert!(jitter.waiting() <= CAPACITY);
        }
        assert!(jitter.counts().discarded > 9_900);
    }
}
