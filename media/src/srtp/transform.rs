//! What is done to a packet under session keys: one of the transforms, for RTP or for RTCP.

use super::Mki;
use super::counter::CounterHmac;
use super::derive::Source;
use super::gcm::Gcm;
use super::suite::Cipher;
use crate::rtp::Ssrc;

/// What the ledger remembers of a packet: enough of its tag to tell it from any other under the same index.
pub(super) type Mark = u64;

/// Which packet of which stream: what its IV is made of.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) ssrc: Ssrc,
    /// ROC || SEQ, or the SRTCP index.
    pub(super) index: u64,
}

/// A transform with its session keys. Every part is zeroized when dropped.
pub(super) enum Transform {
    Counter(CounterHmac),
    Gcm(Gcm),
}

/// SRTCP: the first header and the SSRC stay in clear (RFC 3711 section 3.4).
pub(super) const CLEAR_LEN: usize = 8;
/// SRTCP: `E || SRTCP index`.
pub(super) const INDEX_LEN: usize = 4;
/// SRTCP: the packet is encrypted.
pub(super) const E_FLAG: u32 = 1 << 31;

impl Transform {
    pub(super) fn new(source: &Source) -> Self {
        match source.suite.cipher() {
            Cipher::Null | Cipher::AesCm => Self::Counter(CounterHmac::new(source)),
            Cipher::AesGcm => Self::Gcm(Gcm::new(source)),
        }
    }

    /// Protects an RTP packet whose first `clear` octets are its header.
    pub(super) fn seal_rtp(&self, packet: &mut Vec<u8>, clear: usize, at: At, mki: &[u8]) -> Mark {
        match self {
            Self::Counter(this) => this.seal_rtp(packet, clear, at, mki),
            Self::Gcm(this) => this.seal_rtp(packet, clear, at, mki),
        }
    }

    /// Writes to `plain` what the payload was, if the packet is authentic.
    pub(super) fn open_rtp(
        &self,
        packet: &[u8],
        clear: usize,
        at: At,
        mki: Option<&Mki>,
        plain: &mut Vec<u8>,
    ) -> Option<Mark> {
        match self {
            Self::Counter(this) => this.open_rtp(packet, clear, at, mki, plain),
            Self::Gcm(this) => this.open_rtp(packet, clear, at, mki, plain),
        }
    }

    /// Protects a compound. If it is not to be `encrypted`, it stays readable.
    pub(super) fn seal_rtcp(&self, packet: &mut Vec<u8>, at: At, encrypted: bool, mki: &[u8]) -> Mark {
        match self {
            Self::Counter(this) => this.seal_rtcp(packet, at, encrypted, mki),
            Self::Gcm(this) => this.seal_rtcp(packet, at, encrypted, mki),
        }
    }

    /// Writes to `plain` what the compound was, if the packet is authentic.
    pub(super) fn open_rtcp(&self, packet: &[u8], at: At, mki: Option<&Mki>, plain: &mut Vec<u8>) -> Option<Mark> {
        match self {
            Self::Counter(this) => this.open_rtcp(packet, at, mki, plain),
            Self::Gcm(this) => this.open_rtcp(packet, at, mki, plain),
        }
    }
}

/// Takes `E || SRTCP index` off the end of what is authenticated.
pub(super) fn split_index(packet: &[u8]) -> Option<(&[u8], u32)> {
    let (rest, word) = packet.split_last_chunk::<INDEX_LEN>()?;
    Some((rest, u32::from_be_bytes(*word)))
}

/// Takes an MKI off the end, if it is ours or we have none.
pub(super) fn strip<'a>(packet: &'a [u8], mki: Option<&Mki>) -> Option<&'a [u8]> {
    match mki {
        None => Some(packet), // comparing with an empty slice costs a fifth of a packet's time
        Some(mki) => packet.strip_suffix(mki.bytes()),
    }
}

/// The first eight octets of a tag, or of the digest that a tag is cut from.
pub(super) fn mark<const N: usize>(tag: &[u8; N]) -> Mark {
    u64::from_be_bytes(std::array::from_fn(|i| tag[i]))
}
