//! Who owns which SSRC under which key, how many packets a key has protected, and what was seen under each pair: the
//! one book of an endpoint, in which a two-time pad (RFC 3711 section 9.1) would have to be written to happen.

use super::sender::Slot;
use super::session::Session;
use super::window::{Seen, Window, ahead};
use super::{KeyId, MasterKey};
use crate::env::Env;
use crate::rtp::Ssrc;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

/// One per endpoint. It never forgets a pair of key and SSRC: when a key is closed its page shrinks to a fingerprint
/// of eight octets, and that key may never be used again.
#[derive(Default)]
pub struct Ledger {
    known: BTreeSet<Ssrc>,
    /// The newest last.
    minted: VecDeque<Ssrc>,
    pages: BTreeMap<KeyId, Page>,
    closed: BTreeSet<KeyId>,
}

/// A key stream would be used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TwoTimePad {
    /// Somebody owns that SSRC under that key, or was heard on it.
    #[error(
        "SSRC {ssrc} is taken under key {key}: sending there, too, would use one key stream twice; choose another SSRC"
    )]
    Taken {
        /// Under which key.
        key: KeyId,
        /// Whose SSRC is taken.
        ssrc: Ssrc,
    },
    /// The key was closed.
    #[error("key {key} has been closed, and a used key must not be used again; agree on a new one")]
    Closed {
        /// The closed key.
        key: KeyId,
    },
}

/// The key has protected as many packets as it may (RFC 3711 section 9.2), or was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key {key} is worn out or closed: it protects nothing more; agree on a new one")]
pub struct KeyWornOut {
    /// The key that may not be used any more.
    pub key: KeyId,
}

/// RTP and RTCP have indices, key streams and replay lists of their own (RFC 3711 section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rtp,
    Rtcp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Us,
    Peer,
    /// Authentic packets came, but no answer has named it yet.
    Nobody,
}

/// What the book says about an authentic packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fresh,
    Replayed,
    Reflected,
    Clash {
        ours: bool,
    },
    /// The key is closed, or too many strangers were heard under it.
    Refused,
}

struct Page {
    lifetime: u64,
    rtp_sent: u64,
    rtcp_sent: u64,
    /// Boxed: most pages have one, and a leaf has room for eleven.
    tracks: BTreeMap<Ssrc, Box<Track>>,
    strangers: usize,
}

struct Track {
    owner: Owner,
    rtp: Window,
    rtcp: Window,
    /// The lowest index of RTP that was heard, or sent.
    first: Option<u64>,
    /// The timestamp of the packet that was heard there.
    began: u32,
}

/// A place in the book at which one packet may be written: its counter and its window.
pub(super) struct Line<'a> {
    sent: &'a mut u64,
    window: &'a mut Window,
    /// Of RTP: the lowest index.
    first: Option<&'a mut Option<u64>>,
}

impl Ledger {
    /// How many SSRCs that no answer has named may be heard under one key.
    pub const MAX_STRANGERS: usize = 64;
    /// How many minted SSRCs are remembered until they are bound.
    const MINTED: usize = 1024;

    /// An SSRC that this endpoint has never seen under any key, nor minted lately. Never zero, with which MIKEY says
    /// that an SSRC is not chosen yet (RFC 3830 section 6.1.1). What is minted and never bound is forgotten: offers of
    /// strangers, which cost an SSRC before they are authenticated, do not fill the book.
    pub fn mint(&mut self, env: &mut Env<'_>) -> Ssrc {
        let mut ssrc = Ssrc(env.random() as u32);
        while ssrc.0 == 0 || self.known.contains(&ssrc) || self.minted.contains(&ssrc) {
            // An odd step visits every number, so even dice that always fall the same way come to an end.
            ssrc = Ssrc(ssrc.0.wrapping_add(env.random() as u32 | 1));
        }
        if self.minted.len() == Self::MINTED {
            self.minted.pop_front();
        }
        self.minted.push_back(ssrc);
        ssrc
    }

    /// The right to send on `ssrc` under `key`: given once, and only if nobody else was heard or named there.
    pub fn bind(&mut self, key: &MasterKey, ssrc: Ssrc) -> Result<Slot, TwoTimePad> {
        let page = self.claim(key.id(), ssrc, Owner::Us)?;
        page.lifetime = page.lifetime.min(key.lifetime());
        Ok(Slot::new(Session::new(key), ssrc))
    }

    /// How many keys have been used and not closed.
    pub fn open_keys(&self) -> usize {
        self.pages.len()
    }

    /// Ends a key for good. Its senders seal nothing more, its packets are refused, and it cannot be bound again.
    pub fn close(&mut self, key: KeyId) {
        self.pages.remove(&key);
        self.closed.insert(key);
    }

    /// The peer has named its SSRC.
    pub(super) fn name(&mut self, key: KeyId, ssrc: Ssrc) -> Result<(), TwoTimePad> {
        self.claim(key, ssrc, Owner::Peer).map(|_| ())
    }

    fn claim(&mut self, key: KeyId, ssrc: Ssrc, by: Owner) -> Result<&mut Page, TwoTimePad> {
        if self.closed.contains(&key) {
            return Err(TwoTimePad::Closed { key });
        }
        let page = self.pages.entry(key).or_default();
        match page.tracks.get_mut(&ssrc) {
            None => {
                page.tracks.insert(ssrc, Track::new(by).into());
                self.known.insert(ssrc);
            }
            // Being heard before being named is no crime.
            Some(track) if (by, track.owner) == (Owner::Peer, Owner::Nobody) => {
                track.owner = by;
                page.strangers -= 1;
            }
            Some(_) => return Err(TwoTimePad::Taken { key, ssrc }),
        }
        Ok(page)
    }

    /// Where the next packet of `ssrc` under `key` will be written, if the key is good for one more.
    pub(super) fn line(&mut self, key: KeyId, ssrc: Ssrc, kind: Kind) -> Result<Line<'_>, KeyWornOut> {
        let page = self.pages.get_mut(&key).filter(|page| page.left() > 0).ok_or(KeyWornOut { key })?;
        let track = page.tracks.get_mut(&ssrc).filter(|track| track.owner == Owner::Us).ok_or(KeyWornOut { key })?;
        Ok(match kind {
            Kind::Rtp => Line { sent: &mut page.rtp_sent, window: &mut track.rtp, first: Some(&mut track.first) },
            Kind::Rtcp => Line { sent: &mut page.rtcp_sent, window: &mut track.rtcp, first: None },
        })
    }

    /// How many SRTP packets `key` is still good for.
    pub(super) fn left(&self, key: KeyId) -> u64 {
        self.pages.get(&key).map_or(0, Page::left)
    }

    /// The highest index that we ourselves have sent there: where our own packets come back from.
    pub(super) fn our_top(&self, key: KeyId, ssrc: Ssrc) -> Option<u64> {
        self.pages.get(&key)?.tracks.get(&ssrc).filter(|t| t.owner == Owner::Us)?.rtp.top()
    }

    /// Judges a packet that has proven authentic, and notes it if it is fresh. RTP has a timestamp, RTCP none.
    pub(super) fn hear(&mut self, key: KeyId, ssrc: Ssrc, index: u64, mark: u64, timestamp: Option<u32>) -> Verdict {
        if self.closed.contains(&key) {
            return Verdict::Refused;
        }
        let page = self.pages.entry(key).or_default();
        if !page.tracks.contains_key(&ssrc) {
            if page.strangers >= Self::MAX_STRANGERS {
                return Verdict::Refused;
            }
            page.strangers += 1;
            page.tracks.insert(ssrc, Track::new(Owner::Nobody).into());
            self.known.insert(ssrc);
        }
        let Some(track) = page.tracks.get_mut(&ssrc) else { return Verdict::Refused };
        let ours = track.owner == Owner::Us;
        let window = if timestamp.is_some() { &mut track.rtp } else { &mut track.rtcp };
        match window.look(index, mark) {
            Seen::Never if !ours => {
                window.note(index, mark);
                if let Some(timestamp) = timestamp {
                    track.heard(index, timestamp);
                }
                Verdict::Fresh
            }
            Seen::Before if timestamp.is_some_and(|at| track.is_from_before(index, at)) => Verdict::Clash { ours },
            Seen::Before if ours => Verdict::Reflected,
            Seen::Before => Verdict::Replayed,
            Seen::Never | Seen::Otherwise => Verdict::Clash { ours },
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { known, pages, closed, .. } = self;
        let (ssrcs, open, closed) = (known.len(), pages.len(), closed.len());
        f.debug_struct("Ledger").field("ssrcs", &ssrcs).field("open", &open).field("closed", &closed).finish()
    }
}

impl Page {
    /// RFC 3711 section 9.2: 2^31 SRTCP packets under one master key, whatever its SRTP lifetime.
    const RTCP_LIFETIME: u64 = 1 << 31;

    fn left(&self) -> u64 {
        if self.rtcp_sent < Self::RTCP_LIFETIME { self.lifetime.saturating_sub(self.rtp_sent) } else { 0 }
    }
}

impl Default for Page {
    fn default() -> Self {
        let lifetime = MasterKey::MAX_LIFETIME;
        Self { lifetime, rtp_sent: 0, rtcp_sent: 0, tracks: BTreeMap::new(), strangers: 0 }
    }
}

impl Track {
    fn new(owner: Owner) -> Self {
        Self { owner, rtp: Window::new(48), rtcp: Window::new(31), first: None, began: 0 }
    }

    /// Is a packet whose index lies before the first one of the stream another's? Before ours it is. Before a peer's it may
    /// be an old one of the same stream, late or lost or sent before we listened, which anybody who has seen it can send
    /// again: that is no more than a replay, and of no consequence. A second stream begins at a random sequence number and
    /// a random timestamp (RFC 3550 section 5.1), and so is seen here in every second case.
    fn is_from_before(&self, index: u64, timestamp: u32) -> bool {
        let behind = self.first.map_or(0, |first| -ahead(index, first, 48));
        match self.owner {
            Owner::Us => behind > 0,
            Owner::Peer | Owner::Nobody => behind > Self::LATE && !self.leads_here(behind, timestamp),
        }
    }

    /// Is a timestamp as far before the first one as that many packets take? By chance that is so of one timestamp in forty
    /// at most.
    fn leads_here(&self, behind: i64, timestamp: u32) -> bool {
        i64::from(self.began.wrapping_sub(timestamp)) <= behind * Self::TICKS + Self::PAUSE
    }

    fn heard(&mut self, index: u64, timestamp: u32) {
        if self.first.is_none_or(|first| ahead(index, first, 48) < 0) {
            (self.first, self.began) = (Some(index), timestamp);
        }
    }

    /// So many packets of a stream may be late when the first one is there.
    const LATE: i64 = 1000;
    /// A packet lasts 60 ms at most, at 48 kHz.
    const TICKS: i64 = 2880;
    /// Silence between packets, in which timestamps go on: half an hour at 8 kHz.
    const PAUSE: i64 = 1 << 24;
}

impl Line<'_> {
    /// Writes our packet down: counted, and known when it comes back.
    pub(super) fn write(self, index: u64, mark: u64) {
        *self.sent += 1;
        self.window.note(index, mark);
        if let Some(first) = self.first {
            first.get_or_insert(index);
        }
    }
}
