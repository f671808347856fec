//! RTP on the wire (RFC 3550 section 5.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           timestamp                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           synchronization source (SSRC) identifier            |
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! |            contributing source (CSRC) identifiers             |
//! |                             ....                              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

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

/// Why bytes are not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Fewer octets than the header, its CSRCs or its extension ask for.
    #[error("an RTP packet ends inside its header")]
    Short,
    /// Not version 2.
    #[error("an RTP packet has version {0}, not 2")]
    Version(u8),
    /// The last octet counts no padding, or more than there is (RFC 3550 section 5.1).
    #[error("an RTP packet counts {count} octets of padding in {room} octets of payload")]
    Padding {
        /// What its last octet says.
        count: u8,
        /// Octets after the header.
        room: usize,
    },
    /// A payload type is seven bits long.
    #[error("{0} is no RTP payload type: they end at 127")]
    PayloadType(u8),
}

/// An RTP header. CSRCs and a header extension are measured and skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    payload_type: u8,
    marker: bool,
    padded: bool,
    sequence: u16,
    timestamp: u32,
    ssrc: Ssrc,
    len: usize,
}

impl Header {
    /// Octets of a header without CSRCs and extension.
    pub const FIXED_LEN: usize = 12;

    /// The header of a packet that we send: no padding, no CSRC, no extension.
    pub fn new(frame: &Frame<'_>, sequence: u16, ssrc: Ssrc) -> Result<Self, Malformed> {
        let Frame { payload_type, marker, timestamp, .. } = *frame;
        if payload_type > 127 {
            return Err(Malformed::PayloadType(payload_type));
        }
        Ok(Self { payload_type, marker, padded: false, sequence, timestamp, ssrc, len: Self::FIXED_LEN })
    }

    /// Reads the header of a packet, and how long it is with its CSRCs and extension.
    pub fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        let (&[flags, kind, seq0, seq1, t0, t1, t2, t3, s0, s1, s2, s3], _) =
            packet.split_first_chunk::<{ Self::FIXED_LEN }>().ok_or(Malformed::Short)?;
        if flags >> 6 != 2 {
            return Err(Malformed::Version(flags >> 6));
        }
        let mut len = Self::FIXED_LEN + 4 * usize::from(flags & 0x0f);
        if flags & 0x10 != 0 {
            // RFC 3550 section 5.3.1: 16 bits for the profile, then a length in 32-bit words without this one.
            let after = packet.get(len..).ok_or(Malformed::Short)?;
            let (&[_, _, words0, words1], _) = after.split_first_chunk::<4>().ok_or(Malformed::Short)?;
            len += 4 + 4 * usize::from(u16::from_be_bytes([words0, words1]));
        }
        if len > packet.len() {
            return Err(Malformed::Short);
        }
        Ok(Self {
            payload_type: kind & 0x7f,
            marker: kind & 0x80 != 0,
            padded: flags & 0x20 != 0,
            sequence: u16::from_be_bytes([seq0, seq1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: Ssrc(u32::from_be_bytes([s0, s1, s2, s3])),
            len,
        })
    }

    /// As [`Self::new`]'s packets begin: flags, payload type, sequence number, timestamp, SSRC.
    pub fn write(&self) -> [u8; Self::FIXED_LEN] {
        let [seq0, seq1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [s0, s1, s2, s3] = self.ssrc.0.to_be_bytes();
        [0x80, self.payload_type | u8::from(self.marker) << 7, seq0, seq1, t0, t1, t2, t3, s0, s1, s2, s3]
    }

    /// The frame that this header and the octets after it make: padding, if the header announces it, is cut off.
    pub fn frame<'a>(&self, after: &'a [u8]) -> Result<Frame<'a>, Malformed> {
        let payload = if self.padded { unpad(after)? } else { after };
        Ok(Frame { payload_type: self.payload_type, marker: self.marker, timestamp: self.timestamp, payload })
    }

    /// The low 16 bits of the packet's index.
    pub fn sequence(&self) -> u16 {
        self.sequence
    }

    /// When its first sample was taken, in RTP clock ticks.
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Who sent it.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Octets from the start of the packet to its payload.
    pub fn octets(&self) -> usize {
        self.len
    }
}

/// RFC 3550 section 5.1: the last octet of the padding counts how many octets to ignore, itself included.
fn unpad(after: &[u8]) -> Result<&[u8], Malformed> {
    let room = after.len();
    let count = after.last().copied().unwrap_or(0);
    let keep = room.checked_sub(usize::from(count)).filter(|_| count > 0).ok_or(Malformed::Padding { count, room })?;
    Ok(&after[..keep])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_is_written_as_rfc_3550_draws_it() {
        let frame = Frame { payload_type: 8, marker: true, timestamp: 0xdecafbad, payload: b"voice" };
        let header = Header::new(&frame, 0x1234, Ssrc(0xcafebabe)).unwrap();
        assert_eq!(hex::encode(header.write()), "80881234decafbadcafebabe");
        let packet = [&header.write(), frame.payload].concat();
        let read = Header::parse(&packet).unwrap();
        assert_eq!((read, read.frame(&packet[read.octets()..])), (header, Ok(frame)));
    }

    #[test]
    fn csrcs_extension_and_padding_are_measured_and_left_out() {
        let packet = hex::decode("b2001234000000010000000211111111222222220001000133333333aabbcc000003").unwrap();
        let header = Header::parse(&packet).unwrap();
        assert_eq!(header.octets(), 12 + 2 * 4 + 4 + 4);
        assert_eq!(header.frame(&packet[header.octets()..]).unwrap().payload, [0xaa, 0xbb, 0xcc]);
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let parse = |text: &str| Header::parse(&hex::decode(text).unwrap()).map(|h| h.octets());
        assert_eq!(parse("8000123400000001000000"), Err(Malformed::Short));
        assert_eq!(parse("810012340000000100000002"), Err(Malformed::Short), "a CSRC that is not there");
        assert_eq!(parse("900012340000000100000002"), Err(Malformed::Short), "an extension that is not there");
        assert_eq!(parse("900012340000000100000002000100ff"), Err(Malformed::Short), "an extension too long");
        assert_eq!(parse("400012340000000100000002"), Err(Malformed::Version(1)));
        let padded = Header::parse(&hex::decode("a00012340000000100000002").unwrap()).unwrap();
        assert_eq!(padded.frame(&[]), Err(Malformed::Padding { count: 0, room: 0 }));
        assert_eq!(padded.frame(&[1, 0]), Err(Malformed::Padding { count: 0, room: 2 }));
        assert_eq!(padded.frame(&[1, 3]), Err(Malformed::Padding { count: 3, room: 2 }));
        assert!(padded.frame(&[1, 2]).unwrap().payload.is_empty());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_a_header_inside_the_packet_or_an_error(bytes: Vec<u8>) {
            if let Ok(header) = Header::parse(&bytes) {
                prop_assert!(header.octets() <= bytes.len());
                let _ = header.frame(&bytes[header.octets()..]);
            }
        }

        #[test]
        fn what_is_written_is_read(pt in 0u8..128, marker: bool, timestamp: u32, seq: u16, ssrc: u32, payload: Vec<u8>) {
            let frame = Frame { payload_type: pt, marker, timestamp, payload: &payload };
            let header = Header::new(&frame, seq, Ssrc(ssrc)).unwrap();
            let packet = [&header.write(), frame.payload].concat();
            prop_assert_eq!(Header::parse(&packet), Ok(header));
            prop_assert_eq!(header.frame(&packet[12..]), Ok(frame));
        }
    }
}
