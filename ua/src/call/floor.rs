//! Who is heard: before the answer, one of all branches that have early media, by rule; after it, who answered.
//!
//! ```text
//!   Open: one peer, and the engine hears whoever speaks
//!   Early --- a branch wins ---> Open, with its keys alone;  Only, where all branches share them
//! ```
//! A branch is told by the key that its packets came under or, where all share one, by the SSRC that its answer names
//! (RFC 5479 section 5.1, R-ASSOC) and by where its answer says that it is.

use crate::sdp::Negotiated;
use crate::settings::EarlyMedia;
use keyphone_media::audio::codec::{Codec, Decoder};
use keyphone_media::env::Instant;
use keyphone_media::rtp::Ssrc;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// Who is heard.
pub(super) enum Floor {
    /// There is one peer.
    Open,
    /// Of all who share our key, this one.
    Only(Ssrc),
    /// Nobody has answered.
    Early(Box<Early>),
}

/// Who speaks before the answer, and who of them is heard.
pub(super) struct Early {
    rule: EarlyMedia,
    proven: BTreeMap<String, Proven>,
    voices: Vec<Voice>,
    /// Where all share one key: those whose branch is over.
    gone: BTreeSet<Ssrc>,
    on: Option<Who>,
}

/// A branch whose answer is proven.
struct Proven {
    /// Whom the answer names.
    ssrc: Option<Ssrc>,
    agreed: Negotiated,
}

/// A source of authentic packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    /// The branch under whose own key they come; `None` where all share one.
    pub(super) branch: Option<String>,
    pub(super) ssrc: Ssrc,
}

/// What is known of it.
struct Voice {
    who: Who,
    from: SocketAddr,
    heard: Instant,
    /// Since it began, or began again after a pause.
    frames: u32,
    /// How loud it is, in dB.
    level: f64,
    decoder: Option<(Codec, Decoder)>,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is heard.
    Heard,
    /// It is, and its source was not before.
    Begins,
    /// Another source is heard.
    Unheard,
}

impl Early {
    /// So many sources are told apart.
    const MAX_VOICES: usize = 64;
    /// Whoever was silent for so long may be followed by somebody else.
    const PAUSE: Duration = Duration::from_secs(1);
    /// By so many dB another one must be louder to be heard instead, and have been heard for so many frames: so words
    /// and the gaps between them do not switch to and fro.
    const LOUDER: f64 = 6.0;
    const LONG_ENOUGH: u32 = 10;
    /// How fast the level follows the frames: about 100 ms.
    const FOLLOWS: f64 = 0.2;
    /// Silence.
    const QUIET: f64 = -96.0;

    pub(super) fn new(rule: EarlyMedia) -> Self {
        Self { rule, proven: BTreeMap::new(), voices: vec![], gone: BTreeSet::new(), on: None }
    }

    /// This branch has agreed on that, and names this source; true if it is the one that is heard.
    pub(super) fn proven(&mut self, branch: &str, ssrc: Option<Ssrc>, agreed: &Negotiated) -> bool {
        self.proven.insert(branch.to_owned(), Proven { ssrc, agreed: agreed.clone() });
        self.branch() == Some(branch)
    }

    /// This branch is over: it is not heard, and if it was, somebody else may be.
    pub(super) fn part_with(&mut self, branch: &str) {
        let its = |voice: &&Voice| self.branch_of(&voice.who, Some(voice.from)) == Some(branch);
        let its: Vec<Who> = self.voices.iter().filter(its).map(|voice| voice.who.clone()).collect();
        let named = self.proven.remove(branch).and_then(|proven| proven.ssrc);
        let shared = its.iter().filter(|who| who.branch.is_none()).map(|who| who.ssrc);
        for ssrc in shared.chain(named) {
            if self.gone.len() < Self::MAX_VOICES {
                self.gone.insert(ssrc);
            }
        }
        self.on.take_if(|on| its.contains(on));
        self.voices.retain(|voice| !its.contains(&voice.who));
    }

    /// Which branch is heard, if that is known.
    pub(super) fn branch(&self) -> Option<&str> {
        let on = self.on.as_ref()?;
        let from = self.voice(on).map(|voice| voice.from);
        self.branch_of(on, from)
    }

    /// The source that is heard.
    pub(super) fn on(&self) -> Option<&Who> {
        self.on.as_ref()
    }

    /// Whose packets these are, if an answer says so.
    pub(super) fn branch_of<'s>(&'s self, who: &'s Who, from: Option<SocketAddr>) -> Option<&'s str> {
        if let Some(branch) = &who.branch {
            return Some(branch);
        }
        let named = self.proven.iter().find(|(_, proven)| proven.ssrc == Some(who.ssrc));
        let there = || self.proven.iter().find(|(_, p)| p.ssrc.is_none() && Some(p.agreed.remote_rtp) == from);
        named.or_else(there).map(|(branch, _)| branch.as_str())
    }

    /// What that branch has agreed on.
    pub(super) fn agreed(&self, branch: &str) -> Option<&Negotiated> {
        self.proven.get(branch).map(|proven| &proven.agreed)
    }

    /// Has an answer named this host?
    pub(super) fn names(&self, host: SocketAddr) -> bool {
        self.proven.values().any(|proven| proven.agreed.remote_rtp.ip() == host.ip())
    }

    /// May a packet be this branch's that says it is `ssrc`'s? Who has named its SSRC has no other, unless it comes from where
    /// its answer says that it is. So a forger costs us a key or two, however many branches there are.
    pub(super) fn may_be(&self, branch: Option<&str>, ssrc: Option<Ssrc>, from: SocketAddr) -> bool {
        let Some(Proven { ssrc: named, agreed }) = branch.and_then(|branch| self.proven.get(branch)) else {
            return true;
        };
        named.is_none() || *named == ssrc || agreed.remote_rtp == from || agreed.remote_rtcp == from
    }

    /// Would another source than those that are known be heard now? If not, when to ask again.
    pub(super) fn wants(&self, now: Instant) -> Result<(), Option<Instant>> {
        match (self.rule, &self.on) {
            (EarlyMedia::None, _) => Err(None),
            (EarlyMedia::First, Some(on)) => {
                let free = self.voice(on).map(|voice| voice.heard + Self::PAUSE);
                if free.is_none_or(|free| free <= now) { Ok(()) } else { Err(free) }
            }
            _ => Ok(()),
        }
    }

    /// An authentic frame has come. `played` decodes it, where its level counts.
    pub(super) fn frame(
        &mut self,
        who: &Who,
        from: SocketAddr,
        (codec, payload): (Option<Codec>, &[u8]),
        now: Instant,
    ) -> Turn {
        if who.branch.is_none() && self.gone.contains(&who.ssrc) {
            return Turn::Unheard;
        }
        let loudest = self.rule == EarlyMedia::Loudest;
        let Some(voice) = self.voice_of(who, from, now) else { return Turn::Unheard };
        if now.since(voice.heard) >= Self::PAUSE {
            (voice.frames, voice.level) = (0, Self::QUIET);
        }
        let begins = voice.frames == 0;
        (voice.heard, voice.from) = (now, from);
        voice.frames = voice.frames.saturating_add(1);
        if loudest {
            voice.measure(codec, payload);
        }
        let (level, frames) = (voice.level, voice.frames);
        let other = self.on.as_ref().filter(|on| *on != who).and_then(|on| self.voice(on));
        let is_on = self.on.as_ref() == Some(who);
        let pause = other.is_none_or(|other| now.since(other.heard) >= Self::PAUSE);
        let takes = match self.rule {
            EarlyMedia::None => return Turn::Unheard,
            _ if is_on => return Turn::Heard,
            EarlyMedia::First => pause,
            EarlyMedia::Last => pause || begins,
            EarlyMedia::Loudest => {
                let louder = other.is_some_and(|other| level > other.level + Self::LOUDER);
                pause || louder && frames >= Self::LONG_ENOUGH
            }
        };
        if !takes {
            return Turn::Unheard;
        }
        self.on = Some(who.clone());
        Turn::Begins
    }

    fn voice(&self, who: &Who) -> Option<&Voice> {
        self.voices.iter().find(|voice| voice.who == *who)
    }

    /// What is known of that source; where there are too many, the one that was silent longest makes room.
    fn voice_of(&mut self, who: &Who, from: SocketAddr, now: Instant) -> Option<&mut Voice> {
        if let Some(at) = self.voices.iter().position(|voice| voice.who == *who) {
            return self.voices.get_mut(at);
        }
        if self.voices.len() >= Self::MAX_VOICES {
            let others = self.voices.iter().enumerate().filter(|(_, voice)| Some(&voice.who) != self.on.as_ref());
            let quietest = others.min_by_key(|(_, voice)| voice.heard)?.0;
            self.voices.remove(quietest);
        }
        let (who, level) = (who.clone(), Self::QUIET);
        self.voices.push(Voice { who, from, heard: now, frames: 0, level, decoder: None });
        self.voices.last_mut()
    }
}

impl Voice {
    /// Listens to a frame, to know how loud it is.
    fn measure(&mut self, codec: Option<Codec>, payload: &[u8]) {
        let Some(codec) = codec else { return };
        if self.decoder.as_ref().is_none_or(|(before, _)| *before != codec) {
            self.decoder = codec.decoder().ok().map(|decoder| (codec, decoder));
        }
        let (Some((_, decoder)), Some(samples)) = (&mut self.decoder, codec.samples_in(payload)) else { return };
        let mut pcm = vec![];
        decoder.decode(payload, samples, &mut pcm);
        if pcm.is_empty() {
            return;
        }
        let square = |sample: &i16| (f64::from(*sample) / f64::from(i16::MAX)).powi(2);
        let power = pcm.iter().map(square).sum::<f64>() / pcm.len() as f64;
        let level = (10.0 * power.log10()).max(Early::QUIET);
        self.level = match self.frames {
            ..=1 => level,
            _ => self.level + (level - self.level) * Early::FOLLOWS,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_media::audio::codec::Codec;

    fn who(n: u32) -> Who {
        Who { branch: Some(n.to_string()), ssrc: Ssrc(n) }
    }

    /// Frames of these sources, 20 ms apart, as loud as that; says whose were heard.
    fn heard(rule: EarlyMedia, frames: impl IntoIterator<Item = (u64, u32, u8)>) -> Vec<(u64, u32)> {
        let mut early = Early::new(rule);
        let frames = frames.into_iter().filter(|(ms, n, loud)| {
            // In PCMU, 0xff is silence and 0x80 is as loud as can be.
            let payload = [*loud; 160];
            let (from, at) = (([10, 0, 0, *n as u8], 4000).into(), Instant::from_micros(ms * 1000));
            early.frame(&who(*n), from, (Some(Codec::Pcmu), &payload), at) != Turn::Unheard
        });
        frames.map(|(ms, n, _)| (ms, n)).collect()
    }

    #[test]
    fn whoever_is_heard_keeps_the_floor_through_a_second_of_silence_and_no_longer() {
        let story = [(0, 1, 0x90), (20, 2, 0x90), (980, 2, 0x90), (1000, 2, 0x90), (1020, 1, 0x90), (1020, 2, 0x90)];
        assert_eq!(heard(EarlyMedia::First, story), [(0, 1), (1000, 2), (1020, 2)]);
    }

    #[test]
    fn whoever_begins_last_is_heard_and_whoever_begins_again() {
        let story = [(0, 1, 0x90), (20, 2, 0x90), (40, 1, 0x90), (40, 2, 0x90), (1040, 1, 0x90), (1060, 2, 0x90)];
        assert_eq!(heard(EarlyMedia::Last, story), [(0, 1), (20, 2), (40, 2), (1040, 1), (1060, 2)]);
    }

    #[test]
    fn the_loudest_is_heard_after_200_ms_and_one_loud_frame_is_not() {
        let quiet = (0..50).map(|n| (n * 20, 1, 0xb0));
        let click = [(100, 2, 0x80)];
        assert!(heard(EarlyMedia::Loudest, quiet.clone().chain(click)).iter().all(|(_, n)| *n == 1));
        let loud = (0..50).flat_map(|n| [(n * 20, 1, 0xb0), (n * 20 + 1, 2, 0x80)]);
        let heard = heard(EarlyMedia::Loudest, loud);
        let first = heard.iter().find(|(_, n)| *n == 2).unwrap().0;
        assert_eq!(first, 181);
        assert!(heard.iter().all(|(ms, n)| *n == if *ms < 181 { 1 } else { 2 }));
    }

    #[test]
    fn many_sources_are_not_all_remembered() {
        let mut early = Early::new(EarlyMedia::First);
        for n in 0..1000 {
            let at = Instant::from_micros(n.into());
            early.frame(&who(n), ([10, 0, 0, 1], 4000).into(), (None, &[]), at);
            assert!(early.voices.len() <= Early::MAX_VOICES);
        }
        assert_eq!(early.on(), Some(&who(0)), "who is heard is not forgotten");
    }
}
