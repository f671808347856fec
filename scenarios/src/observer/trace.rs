//! Every media packet that a phone sent, and what it is: under which key, whose, with which index. The wire says it all
//! but the rollover counter, and that the tag decides (RFC 3711 section 3.3.1).

use super::cipher::{Kind, Rtp, is_rtcp, rtcp_ssrc};
use super::keys::Keys;
use crate::world::Sent;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a media packet is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A logged key authenticates it.
    Protected(Protected),
    /// RTP or RTCP as it is without a key, and no key that any phone logged authenticates it.
    Clear {
        /// RTP or RTCP.
        kind: Kind,
        /// Whose it says it is.
        ssrc: u32,
    },
    /// Nothing that could be judged: it has the look of RTP or RTCP that a key protects which no phone has logged, or it
    /// is neither. It is nobody's good right to send that.
    Unknown,
}

/// A packet that a key has authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Number of the key, in the order of the logs.
    pub(super) number: usize,
    /// The fingerprint of the key, as the logs say it.
    pub key: Arc<str>,
    /// SRTP or SRTCP.
    pub kind: Kind,
    /// Whose.
    pub ssrc: u32,
    /// ROC || SEQ, or the SRTCP index.
    pub index: u64,
    /// It went through a cipher: a suite may have none, and an SRTCP packet may say that it did not.
    pub encrypted: bool,
    /// Its RTP payload type and payload, decrypted.
    pub(super) audio: Option<(u8, Vec<u8>)>,
}

/// Follows the streams.
#[derive(Default)]
pub(super) struct Tracer {
    streams: BTreeMap<(Kind, u32), Stream>,
}

/// What was seen last of an SSRC.
#[derive(Clone, Default)]
struct Stream {
    /// The last key.
    key: Option<usize>,
    /// The highest index by key: two phones may have one SSRC, and be far apart.
    tops: BTreeMap<usize, u64>,
}

impl Tracer {
    /// Looks at one media packet.
    pub(super) fn look(&mut self, packet: &[u8], keys: &mut Keys) -> What {
        // RFC 7983 section 7.
        if !packet.first().is_some_and(|octet| (128..192).contains(octet)) {
            return What::Unknown;
        }
        match is_rtcp(packet) {
            true => self.rtcp(packet, keys),
            false => self.rtp(packet, keys),
        }
    }

    fn rtcp(&mut self, packet: &[u8], keys: &mut Keys) -> What {
        let Some(ssrc) = rtcp_ssrc(packet) else { return What::Unknown };
        let kind = Kind::Rtcp;
        for key in self.candidates(kind, ssrc, keys) {
            if let Some((index, encrypted)) = keys.all[key].master.open_rtcp(packet) {
                self.streams.entry((kind, ssrc)).or_default().key = Some(key);
                let (number, key) = (key, keys.all[key].name.clone());
                return What::Protected(Protected { number, key, kind, ssrc, index, encrypted, audio: None });
            }
        }
        if is_whole_compound(packet) { What::Clear { kind, ssrc } } else { What::Unknown }
    }

    fn rtp(&mut self, packet: &[u8], keys: &mut Keys) -> What {
        let Some(rtp) = Rtp::read(packet) else { return What::Unknown };
        let (kind, ssrc) = (Kind::Rtp, rtp.ssrc);
        for key in self.candidates(kind, ssrc, keys) {
            for index in self.indices(key, &rtp) {
                if let Some(payload) = keys.all[key].master.open_rtp(packet, &rtp, index) {
                    let stream = self.streams.entry((kind, ssrc)).or_default();
                    stream.key = Some(key);
                    let top = stream.tops.entry(key).or_default();
                    *top = index.max(*top);
                    let audio = Some((rtp.payload_type, payload));
                    let encrypted = keys.all[key].master.suite().encrypts();
                    let (number, key) = (key, keys.all[key].name.clone());
                    return What::Protected(Protected { number, key, kind, ssrc, index, encrypted, audio });
                }
            }
        }
        // A tag, and an MKI, make a frame of G.711 longer than any is: RFC 3551 section 4.2 has whole milliseconds, and
        // nobody sends less than ten.
        let is_frame = (packet.len() - rtp.header).is_multiple_of(80);
        if is_frame || ![0, 8].contains(&rtp.payload_type) { What::Clear { kind, ssrc } } else { What::Unknown }
    }

    /// All keys, the likeliest first: the one before, then those whose log names the SSRC.
    fn candidates(&self, kind: Kind, ssrc: u32, keys: &Keys) -> Vec<usize> {
        let last = self.streams.get(&(kind, ssrc)).and_then(|stream| stream.key);
        let mut all: Vec<_> = (0..keys.all.len()).collect();
        all.sort_by_key(|key| (Some(*key) != last, !keys.all[*key].ssrcs.contains(&ssrc)));
        all
    }

    /// The ROC that the key had before under this SSRC, and its neighbours; then those of other keys, for a new key
    /// changes no ROC (RFC 3711 section 3.3.1); and the first two, for a stream may begin anew.
    fn indices(&self, key: usize, rtp: &Rtp) -> Vec<u64> {
        let mut rocs = vec![];
        let stream = self.streams.get(&(Kind::Rtp, rtp.ssrc));
        let own = stream.and_then(|stream| stream.tops.get(&key));
        let all = own.into_iter().chain(stream.into_iter().flat_map(|stream| stream.tops.values()));
        let near = all.map(|top| top >> 16).flat_map(|roc| [roc, roc + 1, roc.saturating_sub(1)]);
        for roc in near.chain([0, 1]) {
            if !rocs.contains(&roc) {
                rocs.push(roc);
            }
        }
        rocs.into_iter().map(|roc| roc << 16 | u64::from(rtp.sequence)).collect()
    }
}

/// Is it RTCP from its first octet to its last, as it is without a key (RFC 3550 section 6.1 and appendix A.2)? SRTCP has
/// an index and a tag behind it.
fn is_whole_compound(mut packet: &[u8]) -> bool {
    while let [flags, _, high, low, ..] = *packet {
        let length = 4 * (1 + usize::from(u16::from_be_bytes([high, low])));
        if flags >> 6 != 2 || !is_rtcp(packet) || packet.len() < length {
            return false;
        }
        packet = &packet[length..];
    }
    packet.is_empty()
}

/// A packet, who sent it, and what it is.
pub struct Seen<'w> {
    /// Its number in the log of the world.
    pub number: usize,
    /// The phone that sent it.
    pub phone: usize,
    /// As it was sent.
    pub sent: &'w Sent,
    /// What it is.
    pub what: What,
}

impl Seen<'_> {
    /// Key, SSRC and index of what a key has authenticated.
    pub(super) fn index(&self) -> Option<(usize, u32, u64)> {
        match &self.what {
            What::Protected(packet) => Some((packet.number, packet.ssrc, packet.index)),
            What::Clear { .. } | What::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_likely_index_is_tried_once_and_those_of_its_own_key_first() {
        let mut tracer = Tracer::default();
        let rtp = Rtp { payload_type: 0, sequence: 7, ssrc: 9, header: 12 };
        let tried = |tracer: &Tracer, key| {
            tracer
                .indices(key, &rtp)
                .iter()
                .map(|index| (index >> 16, index & 0xffff))
                .unzip::<u64, u64, Vec<_>, Vec<_>>()
        };
        assert_eq!(tried(&tracer, 3), (vec![0, 1], vec![7, 7]));
        let mut know = |key, top| {
            tracer.streams.entry((Kind::Rtp, 9)).or_default().tops.insert(key, top);
            tried(&tracer, 3).0
        };
        assert_eq!(know(3, 0xffff), [0, 1]);
        assert_eq!(know(3, 1 << 16), [1, 2, 0]);
        assert_eq!(know(3, 5 << 16), [5, 6, 4, 0, 1]);
        assert_eq!(know(2, 9 << 16), [5, 6, 4, 9, 10, 8, 0, 1]);
    }

    #[test]
    fn clear_rtcp_is_whole_and_srtcp_is_not() {
        let report = [0x80, 201, 0, 1, 0, 0, 0, 5];
        let said = [0x81, 203, 0, 1, 0, 0, 0, 5];
        assert!(is_whole_compound(&report) && is_whole_compound(&[report, said].concat()));
        assert!(!is_whole_compound(&[&report[..], &[0x80, 0, 0, 1], &[7; 10]].concat()));
        assert!(!is_whole_compound(&report[..7]));
    }
}
