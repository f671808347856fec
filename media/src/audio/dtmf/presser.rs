//! Our keys, packet by packet.
//!
//! ```text
//!          M                       E  E  E
//! audio    |1 |1 |1 |1 |1 |1  ...  |1 |1 |1 |  audio  |2 ...
//!          ^ 20 ms, 40 ms, 60 ms: one timestamp, a growing duration
//! ```
//! Each tick of 20 ms has either audio or the packets of an event (RFC 4733 section 2.5.1.2: a natural interval is the
//! spacing between audio packets). The final packet goes out three times in all (section 2.5.1.4).

use super::{EventReport, event_of};
use std::collections::VecDeque;

/// Ticks that a key is held: 100 ms, where 40 ms would do (RFC 4733 section 3.1).
pub const HELD: u32 = 5;
/// Ticks of audio between the last packet of one key and the first of the next.
const PAUSE: u32 = 3;
/// A final packet is sent again so many times.
const AGAIN: u8 = 2;
/// As loud as most phones press them: -10 dBm0.
const VOLUME: u8 = 10;

/// One packet of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The first packet of the event.
    pub marker: bool,
    /// When the event, or this segment of it, began.
    pub timestamp: u32,
    /// What it says.
    pub report: EventReport,
}

/// Why a key cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// There are sixteen keys.
    #[error("{0:?} is no key: there are 0 to 9, *, #, and A to D")]
    NoKey(char),
    /// The SDP has no telephone-event for this codec.
    #[error("telephone events were not agreed on with the peer (RFC 4733)")]
    NotAgreed,
    /// The peer's fmtp does not list it (RFC 4733 section 2.5.1.1).
    #[error("the peer does not take the key {0}")]
    NotTaken(char),
    /// On hold, or not answered yet.
    #[error("nothing is being sent to the peer now, so no key can be")]
    Silent,
    /// They would take too long.
    #[error("more than {max} keys would be waiting to be sent", max = Presser::MOST)]
    TooMany,
}

/// The keys that wait, and the one that is pressed.
#[derive(Debug, Default)]
pub struct Presser {
    waiting: VecDeque<(u8, u32)>,
    state: State,
    /// Final packets of events and segments, and how often they are still to be sent.
    again: Vec<(EventPacket, u8)>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Free,
    Pressed {
        event: u8,
        /// When the segment began.
        timestamp: u32,
        /// How long it has lasted.
        duration: u32,
        /// Ticks to go.
        left: u32,
        /// No packet has gone out yet.
        first: bool,
    },
    /// Ticks until the next key.
    Pause(u32),
}

impl Presser {
    /// No more keys than this wait.
    pub const MOST: usize = 64;

    /// Presses keys, one after the other, each for so many ticks; all of them, or none.
    ///
    /// # Errors
    /// There is no such key, or too many wait.
    pub fn press(&mut self, keys: &str, held: u32) -> Result<(), Unsendable> {
        let events = keys.chars().map(|key| event_of(key).ok_or(Unsendable::NoKey(key)));
        let events: Vec<u8> = events.collect::<Result<_, _>>()?;
        if self.waiting.len() + events.len() > Self::MOST {
            return Err(Unsendable::TooMany);
        }
        self.waiting.extend(events.into_iter().map(|event| (event, held.max(1))));
        Ok(())
    }

    /// Nothing is sent any more: what waits is forgotten.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// One tick: the packets that go out in the place of its audio; with none of them, the audio does. `timestamp` is
    /// the tick's, and it lasts for `frame` ticks of the RTP clock.
    pub fn tick(&mut self, timestamp: u32, frame: u32) -> Vec<EventPacket> {
        let mut packets: Vec<_> = self.again.iter().map(|(packet, _)| *packet).collect();
        self.again.iter_mut().for_each(|(_, times)| *times -= 1);
        self.again.retain(|(_, times)| *times > 0);
        self.state = match std::mem::take(&mut self.state) {
            State::Free => match self.waiting.pop_front() {
                None => State::Free,
                Some((event, left)) => self.hold(event, (timestamp, 0), left, true, frame, &mut packets),
            },
            State::Pressed { event, timestamp, duration, left, first } => {
                self.hold(event, (timestamp, duration), left, first, frame, &mut packets)
            }
            // The pause begins when the last packet has gone out.
            State::Pause(left) if !packets.is_empty() => State::Pause(left),
            State::Pause(..=1) => State::Free,
            State::Pause(left) => State::Pause(left - 1),
        };
        packets
    }

    /// The key is down for one tick more.
    fn hold(
        &mut self,
        event: u8,
        (mut timestamp, duration): (u32, u32),
        left: u32,
        first: bool,
        frame: u32,
        packets: &mut Vec<EventPacket>,
    ) -> State {
        let mut duration = duration + frame;
        let packet = |timestamp, end, duration| {
            let report = EventReport { event, end, volume: VOLUME, duration };
            EventPacket { marker: false, timestamp, report }
        };
        // RFC 4733 section 2.5.1.3: the longest duration ends a segment, and the next one begins where it ended.
        while duration > EventReport::LONGEST.into() {
            let last = packet(timestamp, false, EventReport::LONGEST);
            packets.push(last);
            self.again.push((last, AGAIN));
            timestamp = timestamp.wrapping_add(EventReport::LONGEST.into());
            duration -= u32::from(EventReport::LONGEST);
        }
        let end = left <= 1;
        let now = packet(timestamp, end, duration as u16);
        packets.push(EventPacket { marker: first, ..now });
        if end {
            self.again.push((now, AGAIN));
            return State::Pause(PAUSE);
        }
        State::Pressed { event, timestamp, duration, left: left - 1, first: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each tick sends: `.` is audio.
    fn ticks(presser: &mut Presser, count: u32) -> String {
        let said = |p: EventPacket| {
            let (m, e) = (if p.marker { "M" } else { "" }, if p.report.end { "E" } else { "" });
            format!("{}@{}+{}{m}{e}", p.report.event, p.timestamp, p.report.duration)
        };
        let tick = |n: u32| match presser.tick(1000 + n * 160, 160) {
            packets if packets.is_empty() => ".".to_owned(),
            packets => packets.into_iter().map(said).collect::<Vec<_>>().join("&"),
        };
        (0..count).map(tick).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_key_is_one_timestamp_a_growing_duration_and_three_ends() {
        let mut presser = Presser::default();
        assert_eq!(ticks(&mut presser, 2), ". .");
        presser.press("5#", HELD).unwrap();
        assert_eq!(
            ticks(&mut presser, 20),
            "5@1000+160M 5@1000+320 5@1000+480 5@1000+640 5@1000+800E 5@1000+800E 5@1000+800E . . . \
             11@2600+160M 11@2600+320 11@2600+480 11@2600+640 11@2600+800E 11@2600+800E 11@2600+800E . . ."
        );
        assert_eq!(ticks(&mut presser, 3), ". . .");
    }

    #[test]
    fn a_key_held_too_long_for_one_report_goes_on_in_segments() {
        let mut presser = Presser::default();
        presser.press("1", 412).unwrap();
        let sent = ticks(&mut presser, 416);
        let tail: Vec<&str> = sent.split(' ').skip(407).collect();
        assert_eq!(
            tail,
            [
                "1@1000+65280",
                "1@1000+65440",
                "1@1000+65535&1@66535+65",
                "1@1000+65535&1@66535+225",
                "1@1000+65535&1@66535+385E",
                "1@66535+385E",
                "1@66535+385E",
                ".",
                "."
            ]
        );
        assert_eq!(sent.matches('M').count(), 1, "only the first segment has the marker");
    }

    #[test]
    fn what_is_no_key_or_too_much_presses_none() {
        let mut presser = Presser::default();
        assert_eq!(presser.press("12E", HELD), Err(Unsendable::NoKey('E')));
        assert_eq!(presser.press(&"1".repeat(65), HELD), Err(Unsendable::TooMany));
        assert_eq!(ticks(&mut presser, 1), ".");
        presser.press(&"1".repeat(64), HELD).unwrap();
        assert_eq!(presser.press("1", HELD), Err(Unsendable::TooMany));
        presser.clear();
        assert_eq!(ticks(&mut presser, 1), ".");
    }
}
