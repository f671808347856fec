//! RTP on the wire (RFC 3550 section 5.1).

use std::fmt;

/// A synchronization source (RFC 3550 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// What a sender says about one packet. The sequence number is not here: whoever seals the packet owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// The first packet of a talkspurt (RFC 3551 section 4.1).
    pub marker: bool,
    /// In units of the payload's RTP clock.
    pub timestamp: u32,
    /// Encoded audio.
    pub payload: &'a [u8],
}
