//! Where keys meet media: what is heard and spoken with one peer, or with all who share a key.

use keyphone_keying::{Dir, Stream, StreamKey};
use keyphone_media::env::{Env, Instant};
use keyphone_media::rtp::{Frame, Ssrc};
use keyphone_media::srtp::{Heard, HeardRtcp, KeyId, Ledger, Receiver, SealError, Sealed, Sender, Slot, TwoTimePad};
use std::time::Duration;

/// Keys on their way in, in use, and on their way out, in one order for every keying system.
#[derive(Default)]
pub(crate) struct Leg {
    ears: Receiver,
    mouth: Option<Sender>,
    coming: Coming,
    current: Vec<KeyId>,
    leaving: Option<(Instant, Vec<KeyId>)>,
}

/// Heard already, not yet spoken with: a key for each way, often.
#[derive(Default)]
struct Coming {
    keys: Vec<KeyId>,
    slot: Option<Box<Slot>>,
}

impl Leg {
    /// How long packets under an old key may still arrive.
    const GRACE: Duration = Duration::from_secs(2);

    /// Hears with a new key at once; speaks with it when the answer is here (RFC 4567 section 4.1.2).
    pub(crate) fn take(&mut self, key: &StreamKey, ledger: &mut Ledger) -> Result<(), TwoTimePad> {
        let (key, streams) = (key.key(), key.streams());
        self.coming.keys.push(key.id());
        if streams.iter().any(|s| s.dir == Dir::Hear) {
            self.ears.add(key);
        }
        for stream in streams {
            match (stream.dir, stream.ssrc) {
                (Dir::Hear, _) => self.expect(key.id(), *stream, ledger)?,
                (Dir::Send, Some(ssrc)) => self.coming.slot = Some(ledger.bind(key, ssrc)?.into()),
                (Dir::Send, None) => {}
            }
        }
        Ok(())
    }

    /// An answer names a stream under a key that we hear with already.
    pub(crate) fn expect(&mut self, key: KeyId, stream: Stream, ledger: &mut Ledger) -> Result<(), TwoTimePad> {
        stream.ssrc.map_or(Ok(()), |ssrc| self.ears.expect(ledger, key, ssrc, stream.roc))
    }

    /// The answer is here: the new keys are spoken with, the old ones are heard a little longer.
    pub(crate) fn agreed(&mut self, env: &mut Env<'_>, ledger: &mut Ledger) {
        let Coming { keys, slot } = std::mem::take(&mut self.coming);
        if keys.is_empty() {
            return;
        }
        match (&mut self.mouth, slot) {
            (Some(sender), Some(slot)) => sender.rekey(*slot),
            (None, Some(slot)) => self.mouth = Some(slot.sender(env)),
            (_, None) => {}
        }
        let old = std::mem::replace(&mut self.current, keys);
        // Whoever changes keys so fast has no packets under way that are two keys old.
        if let Some((_, older)) = self.leaving.take() {
            self.retire(older, ledger);
        }
        self.leaving = (!old.is_empty()).then(|| (env.now.mono + Self::GRACE, old));
    }

    /// The answer will not come: the new keys go as they came.
    pub(crate) fn forget_coming(&mut self, ledger: &mut Ledger) {
        let Coming { keys, slot } = std::mem::take(&mut self.coming);
        drop(slot);
        self.retire(keys, ledger);
    }

    /// Heard no more, and never again.
    fn retire(&mut self, keys: Vec<KeyId>, ledger: &mut Ledger) {
        for key in keys {
            self.ears.retire(key);
            ledger.close(key);
        }
    }

    /// Who we are in our packets; `None` while there is no key to speak with.
    pub(crate) fn ssrc(&self) -> Option<Ssrc> {
        self.mouth.as_ref().map(Sender::ssrc)
    }

    /// The same, and how often our sequence numbers have wrapped.
    pub(crate) fn speaker(&self) -> Option<(Ssrc, u32)> {
        self.mouth.as_ref().map(|sender| (sender.ssrc(), sender.roc()))
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.leaving.as_ref().map(|(at, _)| *at)
    }

    pub(crate) fn timeout(&mut self, now: Instant, ledger: &mut Ledger) {
        if let Some((_, old)) = self.leaving.take_if(|(at, _)| *at <= now) {
            self.retire(old, ledger);
        }
    }

    /// Seals a frame; `None` while there is no key to speak with.
    pub(crate) fn seal<'s>(
        &'s mut self,
        ledger: &mut Ledger,
        frame: Frame<'_>,
    ) -> Option<Result<Sealed<'s>, SealError>> {
        Some(self.mouth.as_mut()?.seal(ledger, frame))
    }

    pub(crate) fn seal_rtcp<'s>(
        &'s mut self,
        ledger: &mut Ledger,
        compound: &[u8],
    ) -> Option<Result<Sealed<'s>, SealError>> {
        Some(self.mouth.as_mut()?.seal_rtcp(ledger, compound))
    }

    pub(crate) fn open<'s>(&'s mut self, ledger: &mut Ledger, packet: &[u8]) -> Heard<'s> {
        self.ears.open(ledger, packet)
    }

    pub(crate) fn open_rtcp<'s>(&'s mut self, ledger: &mut Ledger, packet: &[u8]) -> HeardRtcp<'s> {
        self.ears.open_rtcp(ledger, packet)
    }

    /// The call is over: its pages of the ledger shrink to fingerprints.
    pub(crate) fn close(&mut self, ledger: &mut Ledger) {
        let Self { ears, mouth, coming, current, leaving } = std::mem::take(self);
        drop((ears, mouth));
        let old = leaving.into_iter().flat_map(|(_, keys)| keys);
        coming.keys.into_iter().chain(current).chain(old).for_each(|key| ledger.close(key));
    }
}
