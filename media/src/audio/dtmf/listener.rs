//! The peer's keys: one for each event, whatever was lost, as long as one packet came.
//!
//! An event is known by its source, its timestamp and its code (RFC 4733 section 2.2.1). A segment of a long one has a
//! timestamp of its own, which is the longest duration after the one before (section 2.5.2.3).

use super::{EventReport, key_of};
use crate::rtp::Ssrc;
use std::collections::VecDeque;

/// Events and segments that are remembered: packets of one that is older would tell it again.
const MEMORY: usize = 32;

/// What was heard already.
#[derive(Debug, Default)]
pub struct Listener {
    /// Oldest first.
    past: VecDeque<Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    ssrc: Ssrc,
    timestamp: u32,
    event: u8,
    /// Its end was said: what follows is another key.
    ended: bool,
}

impl Listener {
    /// A payload of event reports came. The keys that were not known of come back; `None` if it cannot be read.
    pub fn hear(&mut self, ssrc: Ssrc, marker: bool, timestamp: u32, payload: &[u8]) -> Option<Vec<char>> {
        let mut began = timestamp;
        let mut keys = vec![];
        for (n, report) in EventReport::all(payload)?.enumerate() {
            keys.extend(self.report(ssrc, marker && n == 0, began, report));
            // RFC 4733 section 2.5.2.4: the next event began where this one ended.
            began = began.wrapping_add(report.duration.into());
        }
        Some(keys)
    }

    fn report(&mut self, ssrc: Ssrc, marker: bool, timestamp: u32, report: EventReport) -> Option<char> {
        let EventReport { event, end, duration, .. } = report;
        let key = key_of(event)?;
        // RFC 4733 section 2.3.5: a duration of zero is for states, and a key is none.
        if duration == 0 {
            return None;
        }
        let is_this = |known: &&mut Known| (known.ssrc, known.timestamp, known.event) == (ssrc, timestamp, event);
        if let Some(known) = self.past.iter_mut().find(is_this) {
            known.ended |= end;
            return None;
        }
        let goes_on = !marker && self.past.iter().any(|known| known.goes_on(ssrc, timestamp, event));
        if self.past.len() == MEMORY {
            self.past.pop_front();
        }
        self.past.push_back(Known { ssrc, timestamp, event, ended: end });
        (!goes_on).then_some(key)
    }
}

impl Known {
    /// Is this another segment of the same event? Whole segments may have been lost in between.
    fn goes_on(&self, ssrc: Ssrc, timestamp: u32, event: u8) -> bool {
        let apart = timestamp.wrapping_sub(self.timestamp);
        let longest = u32::from(EventReport::LONGEST);
        let in_segments = apart != 0 && apart < u32::MAX / 2 && apart.is_multiple_of(longest);
        (self.ssrc, self.event, self.ended) == (ssrc, event, false) && in_segments
    }
}

#[cfg(test)]
mod tests {
    use super::super::{EventPacket, Presser};
    use super::*;
    use proptest::prelude::*;

    const PEER: Ssrc = Ssrc(7);

    /// All event packets of these keys, each held for so many ticks.
    fn pressed(keys: &str, held: u32, frame: u32) -> Vec<EventPacket> {
        let mut presser = Presser::default();
        presser.press(keys, held).unwrap();
        let start = 0u32.wrapping_sub(500);
        (0..keys.len() as u32 * (held + 8)).flat_map(|n| presser.tick(start.wrapping_add(n * frame), frame)).collect()
    }

    fn heard<'a>(listener: &mut Listener, packets: impl IntoIterator<Item = &'a EventPacket>) -> String {
        let hear = |p: &EventPacket| listener.hear(PEER, p.marker, p.timestamp, &p.report.write()).unwrap_or_default();
        packets.into_iter().flat_map(hear).collect()
    }

    #[test]
    fn a_key_is_heard_once_whichever_of_its_packets_is_the_only_one_to_come() {
        let packets = pressed("5", 5, 160);
        assert_eq!(packets.len(), 7);
        for only in &packets {
            assert_eq!(heard(&mut Listener::default(), [only]), "5");
        }
        assert_eq!(heard(&mut Listener::default(), packets.iter().chain(&packets)), "5", "twice is a duplicate");
    }

    #[test]
    fn the_same_key_pressed_twice_is_heard_twice() {
        let packets = pressed("55", 5, 960);
        assert_eq!(heard(&mut Listener::default(), &packets), "55");
        let (first, second) = packets.split_at(7);
        let late = [&second[3], &first[2], &second[4], &first[6]];
        assert_eq!(heard(&mut Listener::default(), late), "55", "packets of the first come late");
    }

    #[test]
    fn a_long_event_is_one_key_even_if_a_whole_segment_is_lost() {
        // At 48 kHz a segment is 1.37 s long; this key is held for five seconds.
        let packets = pressed("9", 250, 960);
        let segments: std::collections::BTreeSet<u32> = packets.iter().map(|p| p.timestamp).collect();
        assert_eq!(segments.len(), 4);
        assert_eq!(heard(&mut Listener::default(), &packets), "9");
        for missing in segments {
            let rest = packets.iter().filter(|p| p.timestamp != missing);
            assert_eq!(heard(&mut Listener::default(), rest), "9");
        }
    }

    #[test]
    fn what_is_no_key_is_not_told() {
        let mut listener = Listener::default();
        let mut hear = |payload: &[u8]| listener.hear(PEER, true, 0, payload);
        assert_eq!(hear(&[16, 10, 0, 160]), Some(vec![]), "event 16 is flash");
        assert_eq!(hear(&[1, 10, 0, 0]), Some(vec![]), "no state, so no duration of zero");
        assert_eq!((hear(&[]), hear(&[1, 10, 0])), (None, None));
        assert_eq!(hear(&[1, 0x8a, 0, 160, 2, 10, 0, 160]), Some(vec!['1', '2']), "two events in one packet");
    }

    #[test]
    fn another_source_has_timestamps_of_its_own() {
        let mut listener = Listener::default();
        let report = [1, 10, 0, 160];
        assert_eq!(listener.hear(Ssrc(1), true, 0, &report), Some(vec!['1']));
        assert_eq!(listener.hear(Ssrc(2), true, 0, &report), Some(vec!['1']));
        assert_eq!(listener.hear(Ssrc(1), true, 0, &report), Some(vec![]));
    }

    proptest! {
        #[test]
        fn any_loss_but_all_of_a_key_and_any_repetition_gives_each_key_once(
            keys in "[0-9*#A-D]{1,8}", held in 1u32..9, rate in prop::sample::select(vec![160u32, 960]),
            fate in prop::collection::vec(0usize..3, 128),
        ) {
            let packets = pressed(&keys, held, rate);
            let each = held as usize + 2;
            prop_assert_eq!(packets.len(), keys.len() * each);
            let mut came = vec![];
            for (n, key) in packets.chunks(each).enumerate() {
                let of_key = |i: usize| fate[(n * each + i) % fate.len()];
                let all_lost = (0..each).all(|i| of_key(i) == 0);
                for (i, packet) in key.iter().enumerate() {
                    let times = if all_lost && i == 0 { 1 } else { of_key(i) };
                    came.extend(std::iter::repeat_n(packet, times));
                }
            }
            prop_assert_eq!(heard(&mut Listener::default(), came), keys);
        }

        #[test]
        fn arbitrary_packets_never_fill_memory(packets: Vec<(bool, u32, [u8; 8])>) {
            let mut listener = Listener::default();
            for (marker, timestamp, payload) in packets {
                let keys = listener.hear(PEER, marker, timestamp, &payload);
                prop_assert!(keys.is_some_and(|keys| keys.len() <= 2));
                prop_assert!(listener.past.len() <= MEMORY);
            }
        }
    }
}
