//! All that outlives a master key: its session keys, and how its packets look.

use super::derive::Epochs;
use super::ledger::Kind;
use super::suite::Cipher;
use super::transform::{At, E_FLAG, Mark, split_index, strip};
use super::{KeyId, MasterKey, Mki, Suite};

/// Every part is zeroized when dropped.
pub(super) struct Session {
    pub(super) id: KeyId,
    suite: Suite,
    mki: Option<Mki>,
    /// SRTCP goes out encrypted.
    encrypts_rtcp: bool,
    rtp: Epochs,
    rtcp: Epochs,
}

impl Session {
    pub(super) fn new(key: &MasterKey) -> Self {
        Self {
            id: key.id(),
            suite: key.suite(),
            mki: key.mki().cloned(),
            encrypts_rtcp: key.suite().encrypts() && !key.rtcp_in_clear(),
            rtp: Epochs::new(key, Kind::Rtp),
            rtcp: Epochs::new(key, Kind::Rtcp),
        }
    }

    /// How many octets it adds to an RTP packet.
    pub(super) fn rtp_overhead(&self) -> usize {
        self.suite.rtp_tag_len() + self.mki_octets().len()
    }

    /// How many octets it adds to an RTCP compound, without the index.
    pub(super) fn rtcp_overhead(&self) -> usize {
        self.suite.rtcp_tag_len() + self.mki_octets().len()
    }

    /// Protects an RTP packet whose first `clear` octets are its header.
    pub(super) fn seal_rtp(&mut self, packet: &mut Vec<u8>, clear: usize, at: At) -> Mark {
        let mki = self.mki.as_ref().map_or(&[][..], Mki::bytes);
        self.rtp.at(at.index).seal_rtp(packet, clear, at, mki)
    }

    /// Protects an RTCP compound.
    pub(super) fn seal_rtcp(&mut self, packet: &mut Vec<u8>, at: At) -> Mark {
        let mki = self.mki.as_ref().map_or(&[][..], Mki::bytes);
        self.rtcp.at(at.index).seal_rtcp(packet, at, self.encrypts_rtcp, mki)
    }

    /// Writes to `plain` what the payload was, if the packet is authentic.
    pub(super) fn open_rtp(&mut self, packet: &[u8], clear: usize, at: At, plain: &mut Vec<u8>) -> Option<Mark> {
        let mki = self.mki.as_ref();
        self.rtp.open(at.index, |transform| transform.open_rtp(packet, clear, at, mki, plain))
    }

    /// Writes to `plain` what the compound was, if the packet is authentic.
    pub(super) fn open_rtcp(&mut self, packet: &[u8], at: At, plain: &mut Vec<u8>) -> Option<Mark> {
        let mki = self.mki.as_ref();
        self.rtcp.open(at.index, |transform| transform.open_rtcp(packet, at, mki, plain))
    }

    /// The SRTCP index that a packet claims to have. Nothing of it is verified yet.
    pub(super) fn claimed_index(&self, packet: &[u8]) -> Option<u64> {
        let tag = match self.suite.cipher() {
            Cipher::AesGcm => 0, // it stands before the index (RFC 7714 section 9.2)
            Cipher::Null | Cipher::AesCm => self.suite.rtcp_tag_len(),
        };
        let rest = packet.get(..packet.len().checked_sub(tag)?)?;
        let (_, word) = split_index(strip(rest, self.mki.as_ref())?)?;
        Some(u64::from(word & !E_FLAG))
    }

    fn mki_octets(&self) -> &[u8] {
        self.mki.as_ref().map_or(&[], Mki::bytes)
    }
}
