//! Key presses as telephone events (RFC 4733).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     event     |E|R| volume    |          duration             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//! [`Presser`] makes the packets of our keys, [`Listener`] tells the peer's. They keep no time: the engine's ticks and
//! the RTP timestamps are theirs.

mod listener;
mod presser;

pub use listener::Listener;
pub use presser::{EventPacket, HELD, Presser, Unsendable};

/// The keys, each at the place of its event code (RFC 4733 section 3.2, table 3).
const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// The event code of a key; `a` to `d` are read as `A` to `D`.
pub fn event_of(key: char) -> Option<u8> {
    (0u8..).zip(KEYS).find(|(_, k)| *k == key.to_ascii_uppercase()).map(|(event, _)| event)
}

/// The key of an event code; `None` for events that are no keys.
pub fn key_of(event: u8) -> Option<char> {
    KEYS.get(usize::from(event)).copied()
}

/// What one packet says of one event (RFC 4733 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventReport {
    /// Which event: 0 to 15 are keys.
    pub event: u8,
    /// The event is over.
    pub end: bool,
    /// In dBm0 without its sign: 0 to 63.
    pub volume: u8,
    /// How long it has lasted so far, in RTP clock ticks; zero is only for states, which keys are not.
    pub duration: u16,
}

impl EventReport {
    /// The longest duration that one report can say: what lasts longer goes on in another segment (RFC 4733 section
    /// 2.5.1.3).
    pub const LONGEST: u16 = u16::MAX;

    /// As the payload has it. The reserved bit is zero (RFC 4733 section 2.3.3).
    pub fn write(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | self.volume & 0x3f, high, low]
    }

    /// The reserved bit is ignored.
    pub fn read([event, flags, high, low]: [u8; 4]) -> Self {
        Self { event, end: flags & 0x80 != 0, volume: flags & 0x3f, duration: u16::from_be_bytes([high, low]) }
    }

    /// All reports of a payload, which may pack several events (RFC 4733 section 2.5.1.5). `None` if it holds none, or
    /// a part of one.
    pub fn all(payload: &[u8]) -> Option<impl Iterator<Item = Self> + '_> {
        let (reports, []) = payload.as_chunks::<4>() else { return None };
        (!reports.is_empty()).then(|| reports.iter().map(|report| Self::read(*report)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_report_is_written_as_rfc_4733_draws_it() {
        let report = EventReport { event: 11, end: true, volume: 10, duration: 800 };
        assert_eq!(hex::encode(report.write()), "0b8a0320");
        assert_eq!(EventReport::read([0x0b, 0xca, 0x03, 0x20]), report, "the reserved bit is ignored");
    }

    #[test]
    fn sixteen_keys_have_the_codes_of_table_3() {
        for (key, event) in [('0', 0), ('9', 9), ('*', 10), ('#', 11), ('A', 12), ('D', 15)] {
            assert_eq!((event_of(key), key_of(event)), (Some(event), Some(key)));
        }
        assert_eq!((event_of('b'), event_of('E'), event_of('é'), key_of(16)), (Some(13), None, None, None));
    }

    #[test]
    fn a_payload_holds_whole_reports() {
        let count = |payload: &[u8]| EventReport::all(payload).map(Iterator::count);
        assert_eq!((count(&[0; 4]), count(&[0; 8])), (Some(1), Some(2)));
        assert_eq!((count(&[]), count(&[0; 3]), count(&[0; 7])), (None, None, None));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(event: u8, end: bool, volume in 0u8..64, duration: u16) {
            let report = EventReport { event, end, volume, duration };
            prop_assert_eq!(EventReport::read(report.write()), report);
        }
    }
}
