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
    /// RTP or RTCP, and no key that any phone logged authenticates it.
    Clear {
        /// RTP or RTCP.
        kind: Kind,
        /// Whose it says it is.
        ssrc: u32,
    },
    /// Neither RTP nor RTCP.
    Other,
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
    /// Its RTP payload type and payload, decrypted.
    pub(super) audio: Option<(u8, Vec<u8>)>,
}

/// Follows the streams.
#[derive(Default)]
pub(super) struct Tracer {
    streams: BTreeMap<(Kind, u32), Stream>,
}

/// What was seen last of an SSRC.
#[derive(Clone, Copy, Default)]
struct Stream {
    key: usize,
    top: u64,
}

impl Tracer {
    /// Looks at one media packet.
    pub(super) fn look(&mut self, packet: &[u8], keys: &mut Keys) -> What {
        // RFC 7983 section 7.
        if !packet.first().is_some_and(|octet| (128..192).contains(octet)) {
            return What::Other;
        }
        match is_rtcp(packet) {
            true => self.rtcp(packet, keys),
            false => self.rtp(packet, keys),
        }
    }

    fn rtcp(&mut self, packet: &[u8], keys: &mut Keys) -> What {
        let Some(ssrc) = rtcp_ssrc(packet) else { return What::Other };
        let kind = Kind::Rtcp;
        for key in self.candidates(kind, ssrc, keys) {
            if let Some(index) = keys.all[key].master.open_rtcp(packet) {
                self.streams.insert((kind, ssrc), Stream { key, top: index });
                let (number, key) = (key, keys.all[key].name.clone());
                return What::Protected(Protected { number, key, kind, ssrc, index, audio: None });
            }
        }
        What::Clear { kind, ssrc }
    }

    fn rtp(&mut self, packet: &[u8], keys: &mut Keys) -> What {
        let Some(rtp) = Rtp::read(packet) else { return What::Other };
        let (kind, ssrc) = (Kind::Rtp, rtp.ssrc);
        let top = self.streams.get(&(kind, ssrc)).map(|stream| stream.top);
        for key in self.candidates(kind, ssrc, keys) {
            for index in indices(top, rtp.sequence) {
                if let Some(payload) = keys.all[key].master.open_rtp(packet, &rtp, index) {
                    let stream = self.streams.entry((kind, ssrc)).or_default();
                    (stream.key, stream.top) = (key, stream.top.max(index));
                    let audio = Some((rtp.payload_type, payload));
                    let (number, key) = (key, keys.all[key].name.clone());
                    return What::Protected(Protected { number, key, kind, ssrc, index, audio });
                }
            }
        }
        What::Clear { kind, ssrc }
    }

    /// All keys, the likeliest first: the one before, then those whose log names the SSRC.
    fn candidates(&self, kind: Kind, ssrc: u32, keys: &Keys) -> Vec<usize> {
        let last = self.streams.get(&(kind, ssrc)).map(|stream| stream.key);
        let mut all: Vec<_> = (0..keys.all.len()).collect();
        all.sort_by_key(|key| (Some(*key) != last, !keys.all[*key].ssrcs.contains(&ssrc)));
        all
    }
}

/// The ROC before, its neighbours, and the first two: a stream under another key may begin anew.
fn indices(top: Option<u64>, sequence: u16) -> impl Iterator<Item = u64> {
    let now = top.map_or(0, |top| top >> 16);
    let near = [now, now + 1, now.saturating_sub(1)].into_iter();
    let all = near.chain([0, 1].into_iter().filter(move |roc: &u64| roc.abs_diff(now) > 1));
    let unlike_the_first = move |(at, roc): &(usize, u64)| *at != 2 || *roc != now;
    all.enumerate().filter(unlike_the_first).map(move |(_, roc)| roc << 16 | u64::from(sequence))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_likely_index_is_tried_once() {
        let tried = |top| indices(top, 7).map(|index| index >> 16).collect::<Vec<_>>();
        assert_eq!(tried(None), [0, 1]);
        assert_eq!(tried(Some(0xffff)), [0, 1]);
        assert_eq!(tried(Some(1 << 16)), [1, 2, 0]);
        assert_eq!(tried(Some(5 << 16)), [5, 6, 4, 0, 1]);
    }
}
