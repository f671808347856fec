//! Hearing SRTP (RFC 3711 section 3.3): authentic first, anything else second. A forger costs us a few HMACs and
//! leaves nothing behind.

use super::ledger::Verdict;
use super::sender::roc;
use super::session::Session;
use super::transform::{At, Mark};
use super::window::ahead;
use super::{KeyId, Ledger, MasterKey, Sealed, TwoTimePad};
use crate::rtp::{Frame, Header, Ssrc};
use std::collections::BTreeMap;
use std::fmt;

/// Hears one peer, or all who share its keys: any number of SSRCs under up to [`Receiver::MAX_KEYS`] keys, told apart
/// by MKI where there is one and by trial where there is none.
#[derive(Default)]
pub struct Receiver {
    /// Boxed: most receivers have one, and a list has room for four.
    #[expect(clippy::vec_box, reason = "see above: a list of three that are not there costs more than a pointer")]
    pub(super) sessions: Vec<Box<Session>>,
    places: BTreeMap<Ssrc, Place>, // per SSRC, not per key: a rekeying does not reset the ROC
    pub(super) buffer: Vec<u8>,
}

/// What we heard and what we were told are both only guesses at a ROC; the tag decides.
#[derive(Clone, Copy, Default)]
struct Place {
    top: Option<u64>, // the highest ROC || SEQ heard
    told: Option<u32>,
}

/// What a packet turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// Authentic, new, and decrypted.
    Frame {
        /// Who sent it.
        ssrc: Ssrc,
        /// The key that it came under.
        key: KeyId,
        /// ROC || SEQ: the sequence number that does not wrap, 48 bits.
        index: u64,
        /// What it carries, without padding.
        frame: Frame<'a>,
    },
    /// Heard before, or too old to know.
    Replayed,
    /// Our own packet came back.
    Reflected,
    /// The pad was used twice, or will be: this key, SSRC and index carried another packet, or the packet is from before
    /// the stream began and not of it, or under an SSRC of ours and not ours.
    Clash {
        /// Under which key.
        key: KeyId,
        /// On which SSRC.
        ssrc: Ssrc,
        /// ROC || SEQ.
        index: u64,
        /// The SSRC is ours: somebody sends as us.
        ours: bool,
    },
    /// No key of ours makes sense of it.
    Refused,
}

/// A packet whose tag has verified.
struct Authentic {
    key: KeyId,
    header: Header,
    index: u64,
    mark: Mark,
}

impl Receiver {
    /// How many keys one receiver hears at a time: a forged packet is tried under each.
    pub const MAX_KEYS: usize = 16;
    /// How many SSRCs one receiver follows. [`Ledger::MAX_STRANGERS`] bounds them per key, this over all rekeyings.
    pub const MAX_SOURCES: usize = 1024;

    /// Hears with one more key. Where there are [`Self::MAX_KEYS`] already, the oldest makes room.
    pub fn add(&mut self, key: &MasterKey) {
        self.retire(key.id());
        self.sessions.insert(0, Box::new(Session::new(key))); // the newest is tried first
        self.sessions.truncate(Self::MAX_KEYS);
    }

    /// Hears no longer with that key.
    pub fn retire(&mut self, key: KeyId) {
        self.sessions.retain(|s| s.id != key);
    }

    /// Does it hear with that key?
    pub fn has(&self, key: KeyId) -> bool {
        self.sessions.iter().any(|s| s.id == key)
    }

    /// The peer has named its SSRC, and its rollover counter if it is not zero. Being heard before being named is no
    /// crime; being named twice is, or under an SSRC of ours.
    pub fn expect(&mut self, ledger: &mut Ledger, key: KeyId, ssrc: Ssrc, roc: u32) -> Result<(), TwoTimePad> {
        ledger.name(key, ssrc)?;
        self.places.entry(ssrc).or_default().told = Some(roc);
        Ok(())
    }

    /// The rollover counter of the highest packet heard on that SSRC, or the one that was told.
    pub fn roc(&self, ssrc: Ssrc) -> Option<u32> {
        let place = self.places.get(&ssrc)?;
        place.top.map(roc).or(place.told)
    }

    /// Authenticates, judges and decrypts one packet, in the receiver's own buffer.
    pub fn open(&mut self, ledger: &mut Ledger, packet: &[u8]) -> Heard<'_> {
        let Self { sessions, places, buffer } = self;
        let Some(Authentic { key, header, index, mark }) = authentic(sessions, places, ledger, packet, buffer) else {
            return Heard::Refused;
        };
        let ssrc = header.ssrc();
        if places.len() >= Self::MAX_SOURCES && !places.contains_key(&ssrc) {
            return Heard::Refused;
        }
        match ledger.hear(key, ssrc, index, mark, Some(header.timestamp())) {
            Verdict::Fresh => {}
            Verdict::Replayed => return Heard::Replayed,
            Verdict::Reflected => return Heard::Reflected,
            Verdict::Clash { ours } => return Heard::Clash { key, ssrc, index, ours },
            Verdict::Refused => return Heard::Refused,
        }
        places.entry(ssrc).or_default().hear(index);
        match header.frame(buffer) {
            Ok(frame) => Heard::Frame { ssrc, key, index, frame },
            Err(_) => Heard::Refused, // an authentic peer that counts its padding wrong
        }
    }
}

/// Finds key and index under which a packet is authentic, and leaves its payload in `plain`.
fn authentic(
    sessions: &mut [Box<Session>],
    places: &BTreeMap<Ssrc, Place>,
    ledger: &Ledger,
    packet: &[u8],
    plain: &mut Vec<u8>,
) -> Option<Authentic> {
    let header = Header::parse(packet).ok().filter(|_| packet.len() <= Sealed::MAX_LEN)?;
    let (ssrc, seq) = (header.ssrc(), header.sequence());
    let place = places.get(&ssrc).copied().unwrap_or_default();
    sessions.iter_mut().find_map(|session| {
        let key = session.id;
        let ours = ledger.our_top(key, ssrc).map(|top| near(top, seq));
        ours.into_iter().chain(place.indices(seq)).find_map(|index| {
            let mark = session.open_rtp(packet, header.octets(), At { ssrc, index }, plain)?;
            Some(Authentic { key, header, index, mark })
        })
    })
}

impl Place {
    /// RFC 3711 section 3.3.1. A ROC that we were told may have wrapped while the message travelled, and is worth a try
    /// even for a stream that we know: we may have missed a whole one. Who tells nothing begins at zero.
    fn indices(self, seq: u16) -> impl Iterator<Item = u64> {
        let told = self.told.or(self.top.is_none().then_some(0));
        let after = told.into_iter().flat_map(|roc| [roc, roc.wrapping_add(1)]);
        self.top
            .map(|top| near(top, seq))
            .into_iter()
            .chain(after.map(move |roc| u64::from(roc) << 16 | u64::from(seq)))
    }

    fn hear(&mut self, index: u64) {
        if self.top.is_none_or(|top| ahead(index, top, 48) > 0) {
            self.top = Some(index);
        }
        // Until the stream has come to the ROC that we were told, a straggler from before it proves nothing.
        if self.told.is_some_and(|told| [0, 1].contains(&roc(index).wrapping_sub(told))) {
            self.told = None;
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.sessions.iter().map(|s| s.id).collect();
        f.debug_struct("Receiver").field("keys", &keys).field("sources", &self.places.len()).finish()
    }
}

/// The index with this SEQ that is closest to `top`: ROC - 1, ROC or ROC + 1, modulo 2^32 (RFC 3711 section 3.3.1 and
/// appendix A, which leaves the ROC alone when two are equally close).
pub(super) fn near(top: u64, seq: u16) -> u64 {
    let (roc, last) = (roc(top), top as u16);
    let v = match i32::from(seq) - i32::from(last) {
        32_769.. => roc.wrapping_sub(1),
        ..-32_768 => roc.wrapping_add(1),
        _ => roc,
    };
    u64::from(v) << 16 | u64::from(seq)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_straggler_from_before_a_wrap_is_placed_before_it() {
        assert_eq!(near(0x1_0003, 0xfffe), 0x0_fffe);
        assert_eq!(near(0x0_fffe, 0x0003), 0x1_0003);
        assert_eq!(near(0xffff_ffff_fffe, 0x0003), 0x0003, "the ROC, too, wraps");
        assert_eq!(near(0x0003, 0xfffe), 0xffff_ffff_fffe);
    }

    proptest! {
        #[test]
        fn the_index_is_the_closest_of_three(top in 0u64..1 << 48, seq: u16) {
            prop_assume!(seq.wrapping_sub(top as u16) != 0x8000); // two are equally close
            let around = [-1, 0, 1].map(|step| u64::from(roc(top).wrapping_add_signed(step)) << 16 | u64::from(seq));
            let closest = around.into_iter().min_by_key(|i| ahead(*i, top, 48).abs());
            prop_assert_eq!(Some(near(top, seq)), closest);
        }
    }
}
