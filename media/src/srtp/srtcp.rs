//! SRTCP, both ways (RFC 3711 section 3.4).
//!
//! ```text
//! |V=2|P|    RC   |   PT=SR or RR   |             length          | <-+
//! |                         SSRC of sender                        |   |
//! ~       the rest of the compound                    (encrypted) ~   |
//! |E|                         SRTCP index                         | <-+ authenticated
//! ~                     SRTCP MKI (OPTIONAL)                      ~
//! :                     authentication tag                        :
//! ```
//! With GCM the tag stands before the index (RFC 7714 section 9.2).

use super::ledger::{Kind, Verdict};
use super::sender::Slot;
use super::transform::{At, CLEAR_LEN, E_FLAG, INDEX_LEN};
use super::{KeyId, Ledger, Receiver, SealError, Sealed, Sender};
use crate::rtp::Ssrc;

/// What an SRTCP packet turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeardRtcp<'a> {
    /// Authentic, new, and decrypted: to be read with [`crate::rtcp::Compound::parse`].
    Compound {
        /// Who sent its first report.
        ssrc: Ssrc,
        /// The key that it came under.
        key: KeyId,
        /// RTCP packets, one after the other.
        bytes: &'a [u8],
    },
    /// Heard before, or too old to know.
    Replayed,
    /// Our own packet came back.
    Reflected,
    /// The pad was used twice: this key, SSRC and index carried another packet.
    Clash {
        /// Under which key.
        key: KeyId,
        /// On which SSRC.
        ssrc: Ssrc,
        /// The SRTCP index, 31 bits.
        index: u64,
        /// The SSRC is ours: somebody sends as us.
        ours: bool,
    },
    /// No key of ours makes sense of it.
    Refused,
}

impl Sender {
    /// Seals a compound whose first report is our own.
    pub fn seal_rtcp(&mut self, ledger: &mut Ledger, compound: &[u8]) -> Result<Sealed<'_>, SealError> {
        let Slot { session, ssrc } = &mut self.slot;
        check_ours(compound, *ssrc)?;
        let octets = compound.len() + INDEX_LEN + session.rtcp_overhead();
        if octets > Sealed::MAX_LEN {
            return Err(SealError::TooLong { octets });
        }
        let line = ledger.line(session.id, *ssrc, Kind::Rtcp)?;
        let index = self.next_rtcp;
        let packet = &mut self.buffer;
        packet.clear();
        packet.reserve_exact(Sealed::MAX_LEN);
        packet.extend_from_slice(compound);
        let mark = session.seal_rtcp(packet, At { ssrc: *ssrc, index: index.into() });
        line.write(index.into(), mark);
        self.next_rtcp = (index + 1) & !E_FLAG; // modulo 2^31
        Ok(Sealed::new(packet))
    }
}

impl Receiver {
    /// Authenticates, judges and decrypts one SRTCP packet, in the receiver's own buffer. A packet whose E flag says
    /// that it was never encrypted must be authentic all the same.
    pub fn open_rtcp(&mut self, ledger: &mut Ledger, packet: &[u8]) -> HeardRtcp<'_> {
        let Some((&[flags, _, _, _, s0, s1, s2, s3], _)) = packet.split_first_chunk::<CLEAR_LEN>() else {
            return HeardRtcp::Refused;
        };
        if flags >> 6 != 2 || packet.len() > Sealed::MAX_LEN {
            return HeardRtcp::Refused;
        }
        let ssrc = Ssrc(u32::from_be_bytes([s0, s1, s2, s3]));
        let Self { sessions, buffer, .. } = self;
        let authentic = sessions.iter_mut().find_map(|session| {
            let index = session.claimed_index(packet)?;
            let mark = session.open_rtcp(packet, At { ssrc, index }, buffer)?;
            Some((session.id, index, mark))
        });
        let Some((key, index, mark)) = authentic else { return HeardRtcp::Refused };
        match ledger.hear(key, ssrc, index, mark, None) {
            Verdict::Fresh => {}
            Verdict::Replayed => return HeardRtcp::Replayed,
            Verdict::Reflected => return HeardRtcp::Reflected,
            Verdict::Clash { ours } => return HeardRtcp::Clash { key, ssrc, index, ours },
            Verdict::Refused => return HeardRtcp::Refused,
        }
        HeardRtcp::Compound { ssrc, key, bytes: buffer }
    }
}

/// RFC 3711 section 3.4: the first part is a sender report (200) or a receiver report (201).
pub(super) fn check_ours(compound: &[u8], ours: Ssrc) -> Result<(), SealError> {
    match compound.split_first_chunk::<CLEAR_LEN>() {
        Some((&[flags, 200 | 201, _, _, s0, s1, s2, s3], _))
            if flags >> 6 == 2 && Ssrc(u32::from_be_bytes([s0, s1, s2, s3])) == ours =>
        {
            Ok(())
        }
        _ => Err(SealError::NotOurReport { ours }),
    }
}
