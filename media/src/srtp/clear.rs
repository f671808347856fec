//! RTP without SRTP: the one way in and out, and it asks for policy's permit.

use super::receiver::near;
use super::srtcp::check_ours;
use super::window::ahead;
use super::{SealError, Sealed};
use crate::env::Env;
use crate::policy::ClearAllowed;
use crate::rtp::{Frame, Header, Ssrc};
use std::collections::VecDeque;

/// One stream on its way out in clear.
///
/// ```compile_fail,E0423
/// use keyphone_media::{env::Env, policy::ClearAllowed, rtp::Ssrc, srtp::ClearSender};
/// fn bare(env: &mut Env<'_>) -> ClearSender { ClearSender::new(ClearAllowed(()), Ssrc(1), env) }
/// ```
pub struct ClearSender {
    ssrc: Ssrc,
    next: u16,
    buffer: Vec<u8>,
}

impl ClearSender {
    /// Begins a stream on an SSRC from [`super::Ledger::mint`], at a random sequence number (RFC 3550 section 5.1).
    pub fn new(_: ClearAllowed, ssrc: Ssrc, env: &mut Env<'_>) -> Self {
        Self { ssrc, next: env.random() as u16, buffer: vec![] }
    }

    /// Writes one frame as the next packet of the stream.
    pub fn seal(&mut self, frame: Frame<'_>) -> Result<Sealed<'_>, SealError> {
        let header = Header::new(&frame, self.next, self.ssrc)?;
        self.fill(&[&header.write(), frame.payload])?;
        self.next = self.next.wrapping_add(1);
        Ok(Sealed::new(&self.buffer))
    }

    /// Lets a compound through whose first report is our own.
    pub fn seal_rtcp(&mut self, compound: &[u8]) -> Result<Sealed<'_>, SealError> {
        check_ours(compound, self.ssrc)?;
        self.fill(&[compound])?;
        Ok(Sealed::new(&self.buffer))
    }

    /// Who we are in our packets.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    fn fill(&mut self, parts: &[&[u8]]) -> Result<(), SealError> {
        let octets = parts.iter().map(|part| part.len()).sum();
        if octets > Sealed::MAX_LEN {
            return Err(SealError::TooLong { octets });
        }
        self.buffer.clear();
        self.buffer.reserve_exact(Sealed::MAX_LEN);
        parts.iter().for_each(|part| self.buffer.extend_from_slice(part));
        Ok(())
    }
}

/// A packet that came in clear: whoever can reach the port may have written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overheard<'a> {
    /// Who it says has sent it.
    pub ssrc: Ssrc,
    /// The sequence number that does not wrap, as far as we can tell (RFC 3550 appendix A.1).
    pub index: u64,
    /// What it carries, without padding.
    pub frame: Frame<'a>,
}

/// Hears RTP in clear.
///
/// ```compile_fail,E0423
/// use keyphone_media::{policy::ClearAllowed, srtp::ClearReceiver};
/// fn naked() -> ClearReceiver { ClearReceiver::new(ClearAllowed(())) }
/// ```
#[derive(Debug)]
pub struct ClearReceiver {
    tops: VecDeque<(Ssrc, u64)>, // the newest last
}

impl ClearReceiver {
    /// How many SSRCs it follows; a new one pushes the oldest out, for nobody can be believed.
    pub const MAX_SOURCES: usize = 16;

    /// Policy allows it.
    pub fn new(_: ClearAllowed) -> Self {
        Self { tops: VecDeque::new() }
    }

    /// Reads one packet; `None` if it is no RTP. Replays are not told apart.
    pub fn open<'a>(&mut self, packet: &'a [u8]) -> Option<Overheard<'a>> {
        let header = Header::parse(packet).ok()?;
        let (ssrc, seq) = (header.ssrc(), header.sequence());
        let frame = header.frame(packet.get(header.octets()..)?).ok()?;
        let index = match self.tops.iter_mut().find(|(known, _)| *known == ssrc) {
            Some((_, top)) => {
                let index = near(*top, seq);
                if ahead(index, *top, 48) > 0 {
                    *top = index;
                }
                index
            }
            None => {
                if self.tops.len() == Self::MAX_SOURCES {
                    self.tops.pop_front();
                }
                // One round above zero, so that a straggler from before the first packet has somewhere to be.
                let index = 1 << 16 | u64::from(seq);
                self.tops.push_back((ssrc, index));
                index
            }
        };
        Some(Overheard { ssrc, index, frame })
    }
}
