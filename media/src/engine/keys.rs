//! Key presses (RFC 4733) beside the audio: ours go out in its place, the peer's are told.

use super::{AudioFrame, Engine, Event, Output, SILENCE};
use crate::audio::dtmf::{self, Unsendable};
use crate::env::Instant;

impl Engine {
    /// Presses keys, one after the other, in the place of audio: all of them, or none.
    ///
    /// # Errors
    /// Why they cannot be sent.
    pub fn press(&mut self, keys: &str) -> Result<(), Unsendable> {
        let agreed = self.numbers.keys.ok_or(Unsendable::NotAgreed)?;
        let takes = |key: &char| dtmf::event_of(*key).is_none_or(|event| agreed.takes & 1 << event != 0);
        match keys.chars().find(|key| !takes(key)) {
            _ if !self.is_sending() => Err(Unsendable::Silent),
            Some(key) => Err(Unsendable::NotTaken(key)),
            None => self.presser.press(keys, dtmf::HELD),
        }
    }

    /// Event reports came: from the source that is heard, or before any is.
    pub(super) fn hear_keys(&mut self, packet: &AudioFrame<'_>, now: Instant, out: &mut Vec<Output>) {
        let AudioFrame { ssrc, index, marker, timestamp, payload, .. } = *packet;
        let heard = match &mut self.playout {
            Some(p) if p.ssrc == ssrc => {
                p.pass(index, now);
                true
            }
            Some(p) => self.preferred == Some(ssrc) || now.since(p.heard) > SILENCE,
            None => self.preferred.is_none_or(|preferred| preferred == ssrc),
        };
        if !heard {
            self.stats.foreign += 1;
            return;
        }
        match self.listener.hear(ssrc, marker, timestamp, payload) {
            Some(keys) => out.extend(keys.into_iter().map(|key| Output::Event(Event::Key(key)))),
            None => self.stats.malformed += 1,
        }
    }
}
