//! What a datagram on a media port is, told by its first octet (RFC 7983 section 7, RFC 5761 section 4).

/// One component of a session: which m-line, counted from zero, and whether its RTP or its RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Index of the m-line in the SDP, from zero.
    pub line: u8,
    /// RTCP rather than RTP.
    pub rtcp: bool,
}

/// Is this RTP or RTCP, rather than a keying protocol in the media path? First octets 128 to 191 are RTP's
/// (RFC 7983 section 7); what is empty is nobody's and counts as RTP, so that no keying system has to see it.
pub fn looks_like_rtp(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|b| (128..192).contains(b))
}
