//! Two senders under one key and SSRC, so that one key stream may be used twice (RFC 3711 section 9.1): a clash that
//! others cause. What we send ourselves, the ledger keeps apart.
//!
//! It is seen on an authentic packet, which is never played:
//!
//! | seen | it is a clash, for |
//! |------|--------------------|
//! | a packet under our own key and SSRC that we never sent | somebody sends as us; our own that come back are known by what is in them, and mean nothing |
//! | another packet under an index that was heard before | one of them cannot be the first one's |
//! | a packet from before the stream began, with a timestamp that does not lead to it | nobody goes back so far |
//! | a packet from elsewhere, far ahead of the stream | whoever has only moved goes on where it was |
//!
//! What is not seen: a second sender at the same address who is far ahead, and one whose packets lie between the first
//! packet and the last ones that are remembered; those pass for replays, and are not played either, until an RTCP index
//! comes twice. An old packet that anybody can send again is never a clash, whether we had heard it or not.
//!
//! From then on nothing under that key and SSRC is played, and if they are ours nothing is said under them. Then policy
//! decides ([`OnClash`]).

use super::apart::paths;
use super::media::Media;
use super::refused::Unacceptable;
use super::{Call, Cx, Phase, decline, outgoing};
use crate::event::{CallId, Event, Outcome};
use keyphone_keying::policy::OnClash;
use keyphone_media::rtp::Ssrc;
use keyphone_media::srtp::KeyId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clash {
    pub(crate) key: KeyId,
    pub(crate) ssrc: Ssrc,
    seen: Seen,
    /// Who sent the packet.
    from: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Under our own key and SSRC.
    AsUs,
    /// Two packets under one index, or one from before the first and not of its stream.
    Twice,
    /// From elsewhere, and so far ahead of the one that had come from there.
    Elsewhere { first: SocketAddr, ahead: u64 },
}

impl Clash {
    /// Somebody sends as us.
    pub(crate) fn is_ours(&self) -> bool {
        self.seen == Seen::AsUs
    }

    /// For the user.
    pub(crate) fn event(&self, call: CallId) -> Event {
        let (key, ssrc, ours, what) = (self.key.to_string(), self.ssrc.to_string(), self.is_ours(), self.to_string());
        Event::TwoTimePad { call, key, ssrc, ours, what }
    }
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, ssrc, seen, from } = self;
        match seen {
            Seen::AsUs => write!(f, "{from} sends as us: SSRC {ssrc} under key {key} is ours")?,
            Seen::Twice => write!(f, "{from} sends under SSRC {ssrc} and key {key}, as somebody else does")?,
            Seen::Elsewhere { first, ahead } => write!(
                f,
                "{from} sends under SSRC {ssrc} and key {key}, as {first} does, and {ahead} packets ahead of it"
            )?,
        }
        f.write_str("; what both encrypt can be read (RFC 3711 section 9.1)")
    }
}

/// What the clashes of one leg left behind.
#[derive(Default)]
pub(crate) struct Clashes {
    /// Where each sender is, and how far.
    places: BTreeMap<(KeyId, Ssrc), (SocketAddr, u64)>,
    /// Not played any more.
    silenced: BTreeSet<(KeyId, Ssrc)>,
    /// Ours, under which nothing is said any more.
    hushed: BTreeSet<(KeyId, Ssrc)>,
    /// That SSRC of ours must go.
    given_up: Option<Ssrc>,
}

impl Clashes {
    /// So many senders are told apart by where they are. Beyond that they are by what they send.
    const MOST: usize = 64;
    /// A stream that goes on from another address goes on by no more packets than this: a minute of speech. Two that begin
    /// at random are closer in one of eleven cases (RFC 3550 appendix A.1, MAX_DROPOUT).
    const NEAR: u64 = 3000;

    /// An authentic frame has come: may it be played? If not, and that is news, what was seen.
    pub(crate) fn judge(&mut self, key: KeyId, ssrc: Ssrc, index: u64, from: SocketAddr) -> Result<(), Option<Clash>> {
        if self.silenced.contains(&(key, ssrc)) {
            return Err(None);
        }
        let room = self.places.len() < Self::MOST;
        match self.places.get_mut(&(key, ssrc)) {
            None if room => {
                self.places.insert((key, ssrc), (from, index));
            }
            None => {}
            Some((first, last)) => {
                let ahead = index.saturating_sub(*last);
                if *first != from && ahead > Self::NEAR {
                    let seen = Seen::Elsewhere { first: *first, ahead };
                    return Err(self.saw(Clash { key, ssrc, seen, from }));
                }
                if index > *last {
                    (*first, *last) = (from, index);
                }
            }
        }
        Ok(())
    }

    /// The ledger has found one. `None` if it is known.
    pub(crate) fn found(&mut self, key: KeyId, ssrc: Ssrc, ours: bool, from: SocketAddr) -> Option<Clash> {
        let seen = if ours { Seen::AsUs } else { Seen::Twice };
        self.saw(Clash { key, ssrc, seen, from })
    }

    fn saw(&mut self, clash: Clash) -> Option<Clash> {
        let known = self.silenced.contains(&(clash.key, clash.ssrc));
        self.silenced.insert((clash.key, clash.ssrc));
        (!known).then_some(clash)
    }

    /// Is nothing played that comes so?
    pub(crate) fn silences(&self, key: KeyId, ssrc: Ssrc) -> bool {
        self.silenced.contains(&(key, ssrc))
    }

    /// Nothing is said under these any more.
    pub(crate) fn hush(&mut self, key: KeyId, ssrc: Ssrc) {
        self.hushed.insert((key, ssrc));
    }

    /// Is nothing said under these?
    pub(crate) fn hushes(&self, key: KeyId, ssrc: Ssrc) -> bool {
        self.hushed.contains(&(key, ssrc))
    }

    /// The next key comes with another SSRC of ours.
    pub(crate) fn give_up(&mut self, ssrc: Ssrc) {
        self.given_up = Some(ssrc);
    }

    /// Must this SSRC of ours go?
    pub(crate) fn gives_up(&self, ssrc: Ssrc) -> bool {
        self.given_up == Some(ssrc)
    }

    /// The key is heard no more.
    pub(crate) fn forget(&mut self, gone: KeyId) {
        self.places.retain(|(key, _), _| *key != gone);
        self.silenced.retain(|(key, _)| *key != gone);
        self.hushed.retain(|(key, _)| *key != gone);
    }
}

/// A clash that was seen, and how many were before it.
#[derive(Clone, Copy, Default)]
pub(super) struct Noticed {
    /// Nothing has been done about it.
    pub(super) new: Option<Clash>,
    /// New keys are wanted as soon as they can be offered.
    wants_keys: bool,
    /// So many have been cured by new keys.
    cured: u8,
}

impl Noticed {
    /// Whoever still causes clashes after so many new keys has them, too: then we leave.
    const MOST_CURES: u8 = 3;

    /// Of those that nothing has been done about, one of ours comes first: we must not go on.
    pub(super) fn saw(&mut self, clash: Clash) {
        if self.new.is_none_or(|before| clash.is_ours() && !before.is_ours()) {
            self.new = Some(clash);
        }
    }
}

impl Media {
    /// Who we will be in our packets when the next key comes, and how often our sequence numbers have wrapped; `None` while
    /// there is no key to speak with. An SSRC that somebody else has is replaced (RFC 3550 section 8.2).
    pub(super) fn next_speaker(&self, cx: &mut Cx<'_, '_>) -> Option<(Ssrc, u32)> {
        let (ssrc, roc) = self.speaker()?;
        let ssrc = if self.path.gives_up(ssrc) { cx.ledger.mint(cx.env) } else { ssrc };
        Some((ssrc, roc))
    }

    /// Nothing is said any more under the key and SSRC of a clash. It may have been seen in a branch that only hears yet, and
    /// that answers later.
    fn hush(&mut self, clash: &Clash) {
        paths(&mut self.path, &mut self.apart).for_each(|(_, path)| path.hush(clash));
    }

    /// The next key comes with another SSRC of ours, whichever branch it comes with.
    fn give_up(&mut self, ssrc: Ssrc) {
        paths(&mut self.path, &mut self.apart).for_each(|(_, path)| path.give_up(ssrc));
    }
}

impl Call {
    /// Does what policy says about a clash, if one was seen.
    pub(super) fn clashed(&mut self, cx: &mut Cx<'_, '_>) {
        let Some(clash) = self.media.noticed.new.take() else { return };
        let policy = cx.settings.policy.on_ssrc_clash;
        let leaves = policy == OnClash::Leave || self.media.noticed.cured >= Noticed::MOST_CURES;
        if leaves {
            return self.leave_for(clash, cx);
        }
        if clash.is_ours() {
            if policy == OnClash::Move {
                // RFC 3550 section 8.2: "it MUST send an RTCP BYE packet for the old identifier".
                self.media.say_goodbye(cx);
                self.media.give_up(clash.ssrc);
            }
            self.media.hush(&clash);
        } else if policy == OnClash::Move {
            // Theirs to resolve: "The two sources are expected to resolve the collision" (RFC 3550 section 8.2).
            return;
        }
        self.media.noticed.wants_keys = true;
        self.cure(cx);
    }

    /// Offers new keys if a clash asks for them. Before the call is answered that must wait.
    pub(super) fn cure(&mut self, cx: &mut Cx<'_, '_>) {
        if matches!(self.phase, Phase::Talking(_)) && std::mem::take(&mut self.media.noticed.wants_keys) {
            self.media.noticed.cured += 1;
            self.rekey(cx);
        }
    }

    /// "The RECOMMENDED policy for an SSRC collision error is for the participant to leave the SRTP session as it is a sign
    /// of malfunction" (RFC 3711 section 9.1).
    fn leave_for(&mut self, clash: Clash, cx: &mut Cx<'_, '_>) {
        let why = clash.to_string();
        let bad = Unacceptable::keying(&why);
        match &mut self.phase {
            Phase::Talking(talking) if talking.handshake.awaits_ack() => {
                // Whoever was called says no BYE before the ACK (RFC 3261 section 15). But we can be silent.
                self.media.stop(cx);
                self.media.noticed.new = Some(clash);
            }
            Phase::Talking(_) => {
                let reason = decline::reason(bad.status(), &why);
                let (_, outcome) = bad.outcome(self.id, cx);
                self.leave(Some(reason), outcome, cx);
            }
            Phase::Calling(calling) => {
                calling.refused = Some(bad);
                self.cancel(outgoing::Reason::Clash, cx);
            }
            Phase::Ringing(_) => self.refuse_answer(bad, cx),
            Phase::Leaving(_) | Phase::Over => {}
        }
    }

    /// Keys that a clash asked for were refused, or cannot be offered: we stay silent no longer, but leave.
    pub(super) fn cannot_cure(&mut self, what: &str, cx: &mut Cx<'_, '_>) -> bool {
        if !self.media.path.is_hushed() {
            return false;
        }
        let why = format!("somebody sends as us, and we could get no other keys: {what}");
        let reason = decline::reason(Unacceptable::keying(&why).status(), &why);
        self.leave(Some(reason), Outcome::KeyingRefused { why }, cx);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_media::srtp::{MasterKey, Suite};

    fn key(n: u8) -> KeyId {
        MasterKey::new(&[n; 16], &[n; 14], Suite::AesCm128HmacSha1_80).unwrap().id()
    }

    fn at(host: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], 4000))
    }

    #[test]
    fn who_moves_goes_on_and_who_is_far_ahead_elsewhere_is_another() {
        let (mut clashes, ssrc) = (Clashes::default(), Ssrc(7));
        assert_eq!(clashes.judge(key(1), ssrc, 100, at(1)), Ok(()));
        assert_eq!(clashes.judge(key(1), ssrc, 9000, at(1)), Ok(()), "a minute was lost");
        assert_eq!(clashes.judge(key(1), ssrc, 9040, at(2)), Ok(()), "it has moved");
        assert_eq!(clashes.judge(key(1), ssrc, 9030, at(1)), Ok(()), "a straggler");
        let clash = clashes.judge(key(1), ssrc, 30_000, at(3)).unwrap_err().unwrap();
        let text = clash.to_string();
        assert!(text.contains("10.0.0.3:4000 sends under SSRC") && text.contains("as 10.0.0.2:4000 does"), "{text}");
        assert!(!clash.is_ours());
        assert_eq!(clashes.judge(key(1), ssrc, 9041, at(2)), Err(None), "neither is played, and that is told once");
        assert_eq!(clashes.judge(key(2), ssrc, 9042, at(2)), Ok(()), "under another key all is well");
        clashes.forget(key(1));
        assert!(!clashes.silences(key(1), ssrc));
    }

    #[test]
    fn however_many_senders_there_are_the_memory_of_them_is_bounded() {
        let mut clashes = Clashes::default();
        for n in 0..1000 {
            assert_eq!(clashes.judge(key(1), Ssrc(n), 0, at(1)), Ok(()));
        }
        assert_eq!(clashes.places.len(), Clashes::MOST);
    }
}
