//! Sending SRTP (RFC 3711 section 3.1).
//!
//! ```text
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         | <-+
//! |                           timestamp                           |   |
//! |           synchronization source (SSRC) identifier            |   |
//! |            contributing source (CSRC) identifiers             |   |
//! |                   RTP extension (OPTIONAL)                    |   |
//! |                          payload  ...              (encrypted)|   |
//! |                               | RTP padding   | RTP pad count | <-+ authenticated, with the ROC
//! ~                     SRTP MKI (OPTIONAL)                       ~
//! :                 authentication tag (RECOMMENDED)              :
//! ```

use super::ledger::Kind;
use super::session::Session;
use super::transform::At;
use super::{KeyId, Ledger, SealError, Sealed};
use crate::env::Env;
use crate::rtp::{Frame, Header, Ssrc};
use std::fmt;

/// The right to send on one SSRC under one key, not yet used: while a rekeying waits for its answer, this is what
/// waits. It can be used once.
///
/// ```compile_fail,E0382
/// use keyphone_media::{env::Env, srtp::Slot};
/// fn twice(s: Slot, env: &mut Env<'_>) { let _a = s.sender(env); let _b = s.sender(env); }
/// ```
/// ```compile_fail,E0599
/// fn twin(s: &keyphone_media::srtp::Slot) -> keyphone_media::srtp::Slot { s.clone() }
/// ```
pub struct Slot {
    pub(super) session: Session,
    pub(super) ssrc: Ssrc,
}

impl Slot {
    pub(super) fn new(session: Session, ssrc: Ssrc) -> Self {
        Self { session, ssrc }
    }

    /// Begins a stream. The first sequence number lies in the lower half, so that a lost first packet cannot hide a
    /// wrap (RFC 4568 section 6.4); the ROC is zero (RFC 3711 section 3.3.1).
    pub fn sender(self, env: &mut Env<'_>) -> Sender {
        Sender { slot: self, next: env.random() & 0x7fff, next_rtcp: 0, buffer: vec![] }
    }

    /// Where it lets us send.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("key", &self.session.id).field("ssrc", &self.ssrc).finish()
    }
}

/// One stream on its way out. It owns ROC || SEQ, which only goes forward.
///
/// ```compile_fail,E0616
/// fn rewind(s: &mut keyphone_media::srtp::Sender) { s.next = 0; }
/// ```
pub struct Sender {
    pub(super) slot: Slot,
    next: u64,                 // ROC || SEQ, 48 bits
    pub(super) next_rtcp: u32, // 31 bits
    pub(super) buffer: Vec<u8>,
}

impl Sender {
    /// Seals one frame as the next packet of the stream, in the sender's own buffer. The ledger comes along because
    /// the lifetime counts every sender under the key, and because it must know our own packets when they come back.
    pub fn seal(&mut self, ledger: &mut Ledger, frame: Frame<'_>) -> Result<Sealed<'_>, SealError> {
        let Slot { session, ssrc } = &mut self.slot;
        let index = self.next;
        let header = Header::new(&frame, index as u16, *ssrc)?;
        let octets = Header::FIXED_LEN + frame.payload.len() + session.rtp_overhead();
        if octets > Sealed::MAX_LEN {
            return Err(SealError::TooLong { octets });
        }
        let line = ledger.line(session.id, *ssrc, Kind::Rtp)?;
        let packet = &mut self.buffer;
        packet.clear();
        packet.reserve_exact(Sealed::MAX_LEN); // once, and not before there is a packet
        packet.extend_from_slice(&header.write());
        packet.extend_from_slice(frame.payload);
        let mark = session.seal_rtp(packet, Header::FIXED_LEN, At { ssrc: *ssrc, index });
        line.write(index, mark);
        self.next = (index + 1) % (1 << 48);
        Ok(Sealed::new(packet))
    }

    /// Goes on under another key. ROC || SEQ and the SRTCP index go on, too (RFC 3711 sections 3.3.1 and 3.4).
    pub fn rekey(&mut self, slot: Slot) {
        self.slot = slot;
    }

    /// Who we are in our packets.
    pub fn ssrc(&self) -> Ssrc {
        self.slot.ssrc
    }

    /// The key that it speaks with.
    pub fn key(&self) -> KeyId {
        self.slot.session.id
    }

    /// The rollover counter of the next packet: what a late joiner must be told.
    pub fn roc(&self) -> u32 {
        roc(self.next)
    }

    /// How many more packets the key may protect, over all its senders.
    pub fn left(&self, ledger: &Ledger) -> u64 {
        ledger.left(self.slot.session.id)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("slot", &self.slot).field("roc", &self.roc()).finish_non_exhaustive()
    }
}

/// `i = 2^16 * ROC + SEQ` (RFC 3711 section 3.3.1).
pub(super) fn roc(index: u64) -> u32 {
    (index >> 16) as u32
}
