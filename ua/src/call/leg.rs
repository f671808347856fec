//! Where keys meet media: what is heard and spoken with one peer, or with all who share a key.

use super::clash::Clashes;
use super::path::{Opened, OpenedRtcp};
use keyphone_keying::{Dir, Stream, StreamKey};
use keyphone_media::env::{Env, Instant};
use keyphone_media::rtp::{Frame, Ssrc};
use keyphone_media::srtp::{Heard, HeardRtcp, KeyId, Ledger, Receiver, SealError, Sealed, Sender, Slot, TwoTimePad};
use std::net::SocketAddr;
use std::time::Duration;

/// Keys on their way in, in use, and on their way out, in one order for every keying system.
///
/// ```text
///            take               agreed: the peer's answer                     GRACE
///   coming --------> heard ------------------------------------> current ------------> gone
///                      |        agreed: our answer    switch        ^
///                      +--------------------------> next -----------+
/// ```
/// Where the key is only known with the answer, as Diffie-Hellman's is, the peer does not have it yet when we have sent
/// ours. So we speak with the old key until a packet of the peer's has come under the new one: then it has the answer.
#[derive(Default)]
pub(crate) struct Leg {
    ears: Receiver,
    mouth: Option<Sender>,
    coming: Coming,
    next: Option<Next>,
    current: Vec<KeyId>,
    leaving: Option<(Instant, Vec<KeyId>)>,
    pub(super) clashes: Clashes,
}

/// Heard already, not yet spoken with: a key for each way, often.
#[derive(Default)]
struct Coming {
    keys: Vec<KeyId>,
    slot: Option<Box<Slot>>,
    /// They came with an answer of ours.
    ours: bool,
}

/// Agreed on by our answer, and spoken with once the peer has it.
struct Next {
    keys: Vec<KeyId>,
    /// `None` when it is spoken with.
    slot: Option<Box<Slot>>,
    /// When to look again, and when not to wait any longer.
    at: Instant,
    end: Instant,
    /// Since we looked, the peer has spoken with the old key: it has no answer yet.
    old_heard: bool,
}

impl Leg {
    /// How long packets under an old key may still arrive.
    const GRACE: Duration = Duration::from_secs(2);

    /// A peer that has said nothing for so long may be silent: it is spoken to with the new key. Less than [`Self::GRACE`],
    /// after which a silent peer that has our answer does not hear the old one any more.
    const SILENCE: Duration = Duration::from_secs(1);

    /// So long after our answer it has come or never will: 64 * T1 (RFC 3261 section 17.2.1, Timer H).
    const PATIENCE: Duration = Duration::from_secs(32);

    /// Hears with a new key at once; speaks with it when the answer is here (RFC 4567 section 4.1.2).
    pub(crate) fn take(&mut self, key: &StreamKey, ledger: &mut Ledger) -> Result<(), TwoTimePad> {
        let (key, streams) = (key.key(), key.streams());
        let (had, mut ours) = (self.ears.has(key.id()), false);
        if streams.iter().any(|s| s.dir == Dir::Hear) && !had {
            self.ears.add(key);
        }
        for stream in streams {
            let taken = match (stream.dir, stream.ssrc) {
                (Dir::Hear, _) => self.expect(key.id(), *stream, ledger),
                (Dir::Send, Some(ssrc)) => ledger.bind(key, ssrc).map(|slot| self.coming.slot = Some(slot.into())),
                (Dir::Send, None) => Ok(()),
            };
            // A key of which nothing could be taken is somebody else's, who has it still: another branch, whose answer
            // this one repeats. It is not ours to close.
            if let Err(pad) = taken {
                match ours {
                    true => self.coming.keys.push(key.id()),
                    false if !had => self.ears.retire(key.id()),
                    false => {}
                }
                return Err(pad);
            }
            ours |= stream.ssrc.is_some();
        }
        self.coming.keys.push(key.id());
        Ok(())
    }

    /// An answer names a stream under a key that we hear with already.
    pub(crate) fn expect(&mut self, key: KeyId, stream: Stream, ledger: &mut Ledger) -> Result<(), TwoTimePad> {
        stream.ssrc.map_or(Ok(()), |ssrc| self.ears.expect(ledger, key, ssrc, stream.roc))
    }

    /// The answer to an offer inside the dialog is ours.
    pub(crate) fn answers(&mut self) {
        self.coming.ours = true;
    }

    /// The answer is here: the new keys are spoken with, the old ones are heard a little longer. If it is our own, it is
    /// here for the peer a little later.
    pub(crate) fn agreed(&mut self, env: &mut Env<'_>, ledger: &mut Ledger) {
        let now = env.now.mono;
        let Coming { keys, slot, ours } = std::mem::take(&mut self.coming);
        if keys.is_empty() {
            return;
        }
        self.speak_next(now, ledger);
        match (&mut self.mouth, slot) {
            (Some(_), Some(slot)) if ours => {
                let (at, end) = (now + Self::SILENCE, now + Self::PATIENCE);
                self.next = Some(Next { keys, slot: Some(slot), at, end, old_heard: false });
                return;
            }
            (Some(sender), Some(slot)) => sender.rekey(*slot),
            (None, Some(slot)) => self.mouth = Some(slot.sender(env)),
            (_, None) => {}
        }
        self.replace(keys, now, ledger);
    }

    /// These are in use from now on.
    fn replace(&mut self, keys: Vec<KeyId>, now: Instant, ledger: &mut Ledger) {
        let old = std::mem::replace(&mut self.current, keys);
        // Whoever changes keys so fast has no packets under way that are two keys old.
        if let Some((_, older)) = self.leaving.take() {
            self.retire(older, ledger);
        }
        self.leaving = (!old.is_empty()).then(|| (now + Self::GRACE, old));
    }

    /// The peer has our answer, or we wait no longer.
    fn speak_next(&mut self, now: Instant, ledger: &mut Ledger) {
        if let Some(Next { keys, slot, .. }) = self.next.take() {
            if let (Some(sender), Some(slot)) = (&mut self.mouth, slot) {
                sender.rekey(*slot);
            }
            self.replace(keys, now, ledger);
        }
    }

    /// A packet has come under this key.
    fn heard_under(next: &mut Option<Next>, mouth: &mut Option<Sender>, key: KeyId) {
        let Some(next) = next else { return };
        if !next.keys.contains(&key) {
            next.old_heard = true;
        } else if let (Some(sender), Some(slot)) = (mouth, next.slot.take()) {
            sender.rekey(*slot);
        }
    }

    /// The answer will not come: the new keys go as they came.
    pub(crate) fn forget_coming(&mut self, ledger: &mut Ledger) {
        let Coming { keys, slot, .. } = std::mem::take(&mut self.coming);
        drop(slot);
        self.retire(keys, ledger);
    }

    /// Heard no more, and never again.
    fn retire(&mut self, keys: Vec<KeyId>, ledger: &mut Ledger) {
        for key in keys {
            self.ears.retire(key);
            self.clashes.forget(key);
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
        let next = self.next.as_ref().map(|next| next.at);
        self.leaving.as_ref().map(|(at, _)| *at).into_iter().chain(next).min()
    }

    pub(crate) fn timeout(&mut self, now: Instant, ledger: &mut Ledger) {
        if let Some((_, old)) = self.leaving.take_if(|(at, _)| *at <= now) {
            self.retire(old, ledger);
        }
        match &mut self.next {
            Some(next) if next.at > now => {}
            Some(next) if next.slot.is_some() && next.old_heard && next.end > now => {
                next.old_heard = false;
                next.at = now + Self::SILENCE;
            }
            _ => self.speak_next(now, ledger),
        }
    }

    /// Seals a frame; `None` while there is no key to speak with.
    pub(crate) fn seal<'s>(
        &'s mut self,
        ledger: &mut Ledger,
        frame: Frame<'_>,
    ) -> Option<Result<Sealed<'s>, SealError>> {
        if self.is_hushed() {
            return None;
        }
        Some(self.mouth.as_mut()?.seal(ledger, frame))
    }

    pub(crate) fn seal_rtcp<'s>(
        &'s mut self,
        ledger: &mut Ledger,
        compound: &[u8],
    ) -> Option<Result<Sealed<'s>, SealError>> {
        if self.is_hushed() {
            return None;
        }
        Some(self.mouth.as_mut()?.seal_rtcp(ledger, compound))
    }

    pub(super) fn open<'s>(&'s mut self, ledger: &mut Ledger, packet: &[u8], from: SocketAddr) -> Opened<'s> {
        let Self { ears, mouth, next, clashes, .. } = self;
        match ears.open(ledger, packet) {
            Heard::Frame { ssrc, key, index, frame } => {
                Self::heard_under(next, mouth, key);
                match clashes.judge(key, ssrc, index, from) {
                    Ok(()) => Opened::Frame(ssrc, index, frame),
                    Err(clash) => clash.map_or(Opened::Silenced, Opened::Clash),
                }
            }
            Heard::Clash { key, ssrc, ours, .. } => {
                clashes.found(key, ssrc, ours, from).map_or(Opened::Silenced, Opened::Clash)
            }
            Heard::Replayed => Opened::Replayed,
            Heard::Reflected => Opened::Reflected,
            Heard::Refused => Opened::Refused,
        }
    }

    pub(super) fn open_rtcp<'s>(&'s mut self, ledger: &mut Ledger, packet: &[u8], from: SocketAddr) -> OpenedRtcp<'s> {
        let Self { ears, mouth, next, clashes, .. } = self;
        match ears.open_rtcp(ledger, packet) {
            HeardRtcp::Compound { ssrc, key, bytes } => {
                Self::heard_under(next, mouth, key);
                if clashes.silences(key, ssrc) { OpenedRtcp::Silenced } else { OpenedRtcp::Compound(bytes) }
            }
            HeardRtcp::Clash { key, ssrc, ours, .. } => {
                clashes.found(key, ssrc, ours, from).map_or(OpenedRtcp::Silenced, OpenedRtcp::Clash)
            }
            HeardRtcp::Replayed | HeardRtcp::Reflected => OpenedRtcp::Replayed,
            HeardRtcp::Refused => OpenedRtcp::Refused,
        }
    }

    /// Is nothing said, because somebody else is what we are?
    pub(super) fn is_hushed(&self) -> bool {
        self.mouth.as_ref().is_some_and(|mouth| self.clashes.hushes(mouth.key(), mouth.ssrc()))
    }

    /// The call is over: its pages of the ledger shrink to fingerprints.
    pub(crate) fn close(&mut self, ledger: &mut Ledger) {
        let Self { ears, mouth, coming, next, current, leaving, .. } = std::mem::take(self);
        drop((ears, mouth));
        let old = leaving.into_iter().flat_map(|(_, keys)| keys);
        let next = next.into_iter().flat_map(|next| next.keys);
        coming.keys.into_iter().chain(next).chain(current).chain(old).for_each(|key| ledger.close(key));
    }
}
