//! Key presses beside a codec: `telephone-event` (RFC 4733), as an m-line and its fmtp say it.
//!
//! ```text
//! m=audio 5004 RTP/SAVP 0 101
//! a=rtpmap:101 telephone-event/8000      at the codec's clock: one SSRC has one (RFC 4733 section 2.5.1.2)
//! a=fmtp:101 0-15                        the events that the writer of these lines can take
//! ```

use super::block::number;
use super::media::CodecLine;
use keyphone_media::engine::KeyNumbers;

/// What two sides agreed on for key presses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyEvents {
    /// The payload type that we send them under: the peer's.
    pub send_as: u8,
    /// The payload type that we hear them under: ours.
    pub heard_as: u8,
    /// The events 0 to 15 that the peer takes, one bit each.
    takes: u16,
}

impl KeyEvents {
    /// Does the peer take this event? Nothing else may be sent (RFC 4733 section 2.5.1.1).
    pub fn takes(self, event: u8) -> bool {
        event < 16 && self.takes & 1 << event != 0
    }

    /// As the engine is told.
    pub(crate) fn numbers(self) -> KeyNumbers {
        KeyNumbers { heard_as: self.heard_as, sent_as: self.send_as, takes: self.takes }
    }

    /// What `ours` and `theirs` make possible beside a codec with this clock.
    pub(crate) fn agree(clock: u32, ours: &[CodecLine], theirs: &[CodecLine]) -> Option<Self> {
        let find = |codecs: &[CodecLine]| codecs.iter().position(|c| c.is_telephone_event() && c.clock == clock);
        let (ours, theirs) = (&ours[find(ours)?], &theirs[find(theirs)?]);
        let takes = events(theirs.fmtp.as_deref());
        Some(Self { send_as: theirs.payload_type, heard_as: ours.payload_type, takes })
    }
}

impl CodecLine {
    /// Key presses at a codec's clock: we hear all sixteen keys, and no other event.
    pub fn telephone_event(payload_type: u8, clock: u32) -> Self {
        Self { fmtp: Some("0-15".into()), ..Self::new(payload_type, "telephone-event", clock, 1) }
    }

    /// Key presses (RFC 4733), which go beside a codec and cannot carry a voice.
    pub fn is_telephone_event(&self) -> bool {
        self.name.eq_ignore_ascii_case("telephone-event")
    }
}

/// `0-15,66,70` (RFC 4733 section 2.4.1), as far as it is about keys. Who says nothing takes 0 to 15; an item that
/// cannot be read names no event.
fn events(fmtp: Option<&str>) -> u16 {
    let Some(fmtp) = fmtp else { return u16::MAX };
    let list = fmtp.trim().strip_prefix("events=").unwrap_or(fmtp);
    let mut takes = 0;
    for item in list.split(',').map(str::trim) {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        if let (Some(first), Some(last)) = (number::<u8>(first), number::<u8>(last)) {
            (first..=last.min(15)).for_each(|event| takes |= 1 << event);
        }
    }
    takes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_list_says_which_keys_the_peer_takes() {
        assert_eq!(events(Some("0-15,66,70")), 0xffff);
        assert_eq!(events(Some("0-11")), 0x0fff);
        assert_eq!(events(Some("1, 3 ,5-4")), 0b1010);
        assert_eq!(events(None), 0xffff, "RFC 4733 section 2.5.1.1");
        assert_eq!(events(Some("events=0-1")), 0b11);
        for nothing in ["", "x", "16-255", "300", "-", "1-", "-1", "0-999"] {
            assert_eq!(events(Some(nothing)), 0, "{nothing}");
        }
        let keys = KeyEvents { send_as: 101, heard_as: 97, takes: events(Some("0-9")) };
        assert!(keys.takes(0) && keys.takes(9) && !keys.takes(10) && !keys.takes(16) && !keys.takes(255));
    }

    #[test]
    fn keys_go_at_the_clock_of_the_codec_or_not_at_all() {
        let ours = [CodecLine::telephone_event(97, 48000), CodecLine::telephone_event(98, 8000)];
        let theirs = [CodecLine { fmtp: Some("0-9".into()), ..CodecLine::new(101, "Telephone-Event", 8000, 1) }];
        let agreed = KeyEvents::agree(8000, &ours, &theirs).unwrap();
        assert_eq!((agreed.send_as, agreed.heard_as, agreed.takes(10)), (101, 98, false));
        assert_eq!(KeyEvents::agree(48000, &ours, &theirs), None);
    }
}
