//! One audio block, understood: where its sender hears, in which codecs, which way.
//!
//! webrtc-sdp reads the numbers and addresses, but only on a text that we write for it: a fixed head, this block's
//! m-line, its `c=` line and the few attributes we want (`READ`). Everything else stays in the block. What it then
//! warns of is an error, for nothing in such a text is unexpected. Two things it reads too freely are read again
//! here: addresses (it takes `0x7f000001` for one) and fmtp (it rewrites it).

use super::block::{Block, RawLine, Sdp, SdpError, number};
use std::net::{IpAddr, SocketAddr};
use webrtc_sdp::address::ExplicitlyTypedAddress;
use webrtc_sdp::attribute_type::{SdpAttribute, SdpAttributeType};
use webrtc_sdp::error::SdpParserError;
use webrtc_sdp::media_type::{SdpFormatList, SdpMedia};

/// The RTP profiles that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `RTP/SAVP`: secure (RFC 3711).
    Savp,
    /// `RTP/AVP`: in the clear (RFC 3551).
    Avp,
}

impl Profile {
    /// As the m-line names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Savp => "RTP/SAVP",
            Self::Avp => "RTP/AVP",
        }
    }
}

/// Which way media flows, as the writer of the SDP sees it (RFC 8866 section 6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways: what holds if nothing is said.
    #[default]
    SendRecv,
    /// It only sends.
    SendOnly,
    /// It only hears.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// From its two halves.
    pub fn new(sends: bool, hears: bool) -> Self {
        match (sends, hears) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Its writer sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Its writer hears.
    pub fn hears(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow, seen from the other side.
    pub fn reversed(self) -> Self {
        Self::new(self.hears(), self.sends())
    }

    /// What both allow.
    pub fn and(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.hears() && other.hears())
    }

    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    fn among(lines: &[RawLine]) -> Option<Self> {
        let all = [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive];
        lines.iter().find_map(|line| match line.attribute() {
            Some((name, None)) => all.into_iter().find(|d| d.as_str().as_bytes() == name),
            _ => None,
        })
    }
}

/// A codec and the number it goes by in one m-line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecLine {
    /// From 0 to 127.
    pub payload_type: u8,
    /// `PCMU`, for instance; compared without case (RFC 8866 section 6.6).
    pub name: String,
    /// RTP clock in Hz.
    pub clock: u32,
    /// One, if the rtpmap does not say.
    pub channels: u8,
    /// All that follows the payload type in `a=fmtp`.
    pub fmtp: Option<String>,
}

impl CodecLine {
    /// A codec without format parameters.
    pub fn new(payload_type: u8, name: &str, clock: u32, channels: u8) -> Self {
        Self { payload_type, name: name.into(), clock, channels, fmtp: None }
    }

    /// The same codec, whatever number it goes by.
    pub fn is_same_codec(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name) && self.clock == other.clock && self.channels == other.channels
    }

    /// What a payload type means without rtpmap (RFC 3551 table 4), for the codecs that we speak.
    fn static_default(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::new(0, "PCMU", 8000, 1)),
            8 => Some(Self::new(8, "PCMA", 8000, 1)),
            _ => None,
        }
    }

    /// `96 opus/48000/2`: the value of `a=rtpmap`.
    pub(crate) fn rtpmap(&self) -> String {
        let channels = if self.channels == 1 { String::new() } else { format!("/{}", self.channels) };
        format!("{} {}/{}{channels}", self.payload_type, self.name, self.clock)
    }
}

/// An audio block that we understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// Index of the m-line, from zero.
    pub line: u8,
    /// `RTP/SAVP`, for instance.
    pub proto: String,
    /// Where its sender hears RTP. The address 0.0.0.0 puts us on hold (RFC 3264 section 8.4).
    pub rtp: SocketAddr,
    /// Where it hears RTCP: `a=rtcp` (RFC 3605), or the next port (RFC 3550 section 11).
    pub rtcp: SocketAddr,
    /// The codecs, most preferred first; payload types that mean nothing to us are left out.
    pub codecs: Vec<CodecLine>,
    /// Which way, as its sender sees it.
    pub direction: Direction,
    /// The packet length its sender would like, in milliseconds.
    pub ptime: Option<u64>,
}

/// The attributes of a block that webrtc-sdp is shown.
const READ: [&[u8]; 3] = [b"rtpmap", b"rtcp", b"ptime"];

/// webrtc-sdp wants a session around the block; this one says nothing. Its lines count from zero.
const HEAD: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

impl Audio {
    /// Reads the block at `line`, which must be `audio` over some RTP profile that webrtc-sdp knows.
    pub fn read(sdp: &Sdp, line: u8) -> Result<Self, SdpError> {
        let block = sdp.media().get(usize::from(line)).ok_or(SdpError::new(0, "has no such m-line"))?;
        let at = block.lines()[0].number();
        let (address, c) = connection(sdp, block)?;
        let media = understand(block, c)?;
        if media.get_connection().as_ref().map(|c| &c.address) != Some(&ExplicitlyTypedAddress::Ip(address)) {
            return Err(SdpError::new(c.number(), "has an address that can be read in two ways"));
        }
        let ptime = match media.get_attribute(SdpAttributeType::Ptime) {
            Some(SdpAttribute::Ptime(ms)) => Some(*ms),
            _ => None,
        };
        Ok(Self {
            line,
            proto: block.m().proto.clone(),
            rtp: SocketAddr::new(address, block.m().port),
            rtcp: rtcp(&media, address, block.m().port).map_err(|why| SdpError::new(at, why))?,
            codecs: codecs(&media, block).map_err(|why| SdpError::new(at, why))?,
            direction: Direction::among(block.lines()).or(Direction::among(sdp.session())).unwrap_or_default(),
            ptime,
        })
    }

    /// Which way media may go, as its sender sees it: 0.0.0.0 hears nothing (RFC 3264 section 8.4).
    pub fn flow(&self) -> Direction {
        Direction::new(self.direction.sends(), self.direction.hears() && !self.rtp.ip().is_unspecified())
    }
}

/// The `c=` line that holds for the block (RFC 8866 section 5.7), its address read strictly.
fn connection<'a>(sdp: &'a Sdp, block: &'a Block) -> Result<(IpAddr, &'a RawLine), SdpError> {
    let find = |lines: &'a [RawLine]| lines.iter().find(|line| line.kind() == b'c');
    let at = block.lines()[0].number();
    let c = find(block.lines()).or(find(sdp.session())).ok_or(SdpError::new(at, "has no c= line to go with it"))?;
    let bad = |why: &'static str| SdpError::new(c.number(), why);
    let fields: Vec<&str> = c.text()?.split(' ').collect();
    let ["IN", kind @ ("IP4" | "IP6"), address] = fields[..] else {
        return Err(bad("is no c=IN IP4 or c=IN IP6 with one address"));
    };
    let host = address.split('/').next().unwrap_or(address);
    let address: IpAddr =
        host.parse().map_err(|_| bad("names a host that is no IP address, and we resolve no names"))?;
    match address {
        _ if address.is_ipv4() != (kind == "IP4") => Err(bad("has an address of the other IP version")),
        _ if address.is_multicast() || c.value().contains(&b'/') => Err(bad("asks for multicast, which we do not do")),
        _ => Ok((address, c)),
    }
}

/// The cleaned text of one block, through webrtc-sdp.
fn understand(block: &Block, c: &RawLine) -> Result<SdpMedia, SdpError> {
    let mut text = String::from(HEAD);
    let mut numbers: Vec<usize> = HEAD.lines().map(|_| 0).collect();
    let wanted = |line: &&RawLine| line.attribute().is_some_and(|(name, _)| READ.contains(&name));
    for line in [&block.lines()[0], c].into_iter().chain(block.lines().iter().filter(wanted)) {
        text.push_str(&format!("{}={}\r\n", char::from(line.kind()), line.text()?));
        numbers.push(line.number());
    }
    let number = |line: usize| numbers.get(line).copied().unwrap_or(0);
    let session = webrtc_sdp::parse_sdp(&text, true).map_err(|error| match error {
        SdpParserError::Line { error, line_number, .. } | SdpParserError::Unsupported { error, line_number, .. } => {
            SdpError::new(number(line_number), format!("cannot be read: {}", short(&error.to_string())))
        }
        SdpParserError::Sequence { message, line_number } => {
            SdpError::new(number(line_number), format!("cannot be read: {}", short(&message)))
        }
    })?;
    let [media] = <[SdpMedia; 1]>::try_from(session.media)
        .map_err(|_| SdpError::new(block.lines()[0].number(), "is not one media description"))?;
    Ok(media)
}

fn rtcp(media: &SdpMedia, address: IpAddr, port: u16) -> Result<SocketAddr, &'static str> {
    match media.get_attribute(SdpAttributeType::Rtcp) {
        Some(SdpAttribute::Rtcp(rtcp)) => match &rtcp.unicast_addr {
            None => Ok(SocketAddr::new(address, rtcp.port)),
            Some(ExplicitlyTypedAddress::Ip(ip)) => Ok(SocketAddr::new(*ip, rtcp.port)),
            Some(ExplicitlyTypedAddress::Fqdn { .. }) => {
                Err("has an a=rtcp that names a host, and we resolve no names")
            }
        },
        _ => {
            let next = port.checked_add(1).ok_or("has port 65535, which leaves no port for RTCP")?;
            Ok(SocketAddr::new(address, next))
        }
    }
}

fn codecs(media: &SdpMedia, block: &Block) -> Result<Vec<CodecLine>, &'static str> {
    let SdpFormatList::Integers(formats) = media.get_formats() else {
        return Err("has formats that are no payload types");
    };
    let mut codecs: Vec<CodecLine> = Vec::new();
    for format in formats {
        let payload_type = u8::try_from(*format).ok().filter(|f| *f < 128).ok_or("has a payload type beyond 127")?;
        if codecs.iter().any(|c| c.payload_type == payload_type) {
            continue;
        }
        codecs.extend(mapped(media, payload_type)?.or(CodecLine::static_default(payload_type)).map(|codec| {
            let fmtp = fmtp(block, payload_type);
            CodecLine { fmtp, ..codec }
        }));
    }
    Ok(codecs)
}

fn mapped(media: &SdpMedia, payload_type: u8) -> Result<Option<CodecLine>, &'static str> {
    let mut found: Option<CodecLine> = None;
    for attribute in media.get_attributes_of_type(SdpAttributeType::Rtpmap) {
        let SdpAttribute::Rtpmap(map) = attribute else { continue };
        if map.payload_type != payload_type {
            continue;
        }
        let channels = u8::try_from(map.channels.unwrap_or(1)).map_err(|_| "has a codec with over 255 channels")?;
        let codec = CodecLine::new(payload_type, &map.codec_name, map.frequency, channels);
        if found.as_ref().is_some_and(|first| !first.is_same_codec(&codec)) {
            return Err("has two rtpmaps that disagree about one payload type");
        }
        found = Some(codec);
    }
    Ok(found)
}

fn fmtp(block: &Block, payload_type: u8) -> Option<String> {
    block.lines().iter().find_map(|line| {
        let (format, parameters) = line.text().ok()?.strip_prefix("fmtp:")?.split_once(' ')?;
        (line.kind() == b'a' && number(format) == Some(payload_type)).then(|| parameters.into())
    })
}

/// A peer's words in our sentence: short, and nothing that a terminal would act upon.
fn short(text: &str) -> String {
    text.chars().take(120).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n";

    fn read(rest: &str) -> Result<Audio, String> {
        let sdp = Sdp::parse(format!("{HOME}{rest}").as_bytes()).map_err(|e| e.to_string())?;
        Audio::read(&sdp, 0).map_err(|e| e.to_string())
    }

    fn address(c: &str) -> Result<SocketAddr, String> {
        read(&format!("c={c}\r\nt=0 0\r\nm=audio 5004 RTP/SAVP 0\r\n")).map(|audio| audio.rtp)
    }

    #[test]
    fn an_audio_block_is_understood() {
        let audio = read(
            "c=IN IP4 192.0.2.1\r\nt=0 0\r\na=recvonly\r\nm=audio 5004 RTP/SAVP 96 0 18 97 101\r\nc=IN IP6 2001:db8::1\r\n\
             a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1;x=y\r\na=rtpmap:97 AMR/8000\r\na=ptime:20\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n\
             a=rtcp:9000 IN IP6 2001:db8::2\r\na=sendonly\r\n",
        )
        .unwrap();
        assert_eq!(audio.rtp, "[2001:db8::1]:5004".parse().unwrap());
        assert_eq!(audio.rtcp, "[2001:db8::2]:9000".parse().unwrap());
        let named: Vec<(u8, &str)> = audio.codecs.iter().map(|c| (c.payload_type, c.name.as_str())).collect();
        assert_eq!(named, [(96, "opus"), (0, "PCMU"), (97, "AMR"), (101, "telephone-event")]);
        assert_eq!(audio.codecs[0].fmtp.as_deref(), Some("useinbandfec=1;x=y"));
        assert_eq!((audio.direction, audio.ptime, audio.proto.as_str()), (Direction::SendOnly, Some(20), "RTP/SAVP"));
    }

    #[test]
    fn session_level_address_and_direction_hold_where_the_block_says_nothing() {
        let audio = read("c=IN IP4 192.0.2.7\r\nt=0 0\r\na=inactive\r\nm=audio 5004 RTP/AVP 8\r\n").unwrap();
        assert_eq!(audio.rtp, "192.0.2.7:5004".parse().unwrap());
        assert_eq!(audio.rtcp, "192.0.2.7:5005".parse().unwrap());
        assert_eq!(audio.direction, Direction::Inactive);
        assert_eq!(audio.codecs, [CodecLine::new(8, "PCMA", 8000, 1)]);
    }

    #[test]
    fn the_next_m_lines_address_is_never_ours() {
        let audio = read(
            "t=0 0\r\nm=audio 5004 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\nm=image 2000 udptl t38\r\nc=IN IP4 9.9.9.9\r\n",
        );
        assert_eq!(audio.unwrap().rtp, "192.0.2.1:5004".parse().unwrap());
        let none = read("t=0 0\r\nm=audio 5004 RTP/AVP 0\r\nm=image 2000 udptl t38\r\nc=IN IP4 9.9.9.9\r\n");
        assert_eq!(none.unwrap_err(), "line 5 of the SDP has no c= line to go with it");
    }

    #[test]
    fn an_address_of_zeros_is_a_hold() {
        let audio = read("c=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n").unwrap();
        assert_eq!((audio.direction, audio.flow()), (Direction::SendRecv, Direction::SendOnly));
    }

    #[test]
    fn only_a_plain_unicast_ip_address_is_an_address() {
        assert_eq!(address("IN IP6 ::1"), Ok("[::1]:5004".parse().unwrap()));
        for (c, why) in [
            ("IN IP4 phone.example.com", "we resolve no names"),
            ("IN IP4 0x7f000001", "we resolve no names"),
            ("IN IP4 1", "we resolve no names"),
            ("IN IP6 192.0.2.1", "other IP version"),
            ("IN IP4 224.2.1.1/127", "multicast"),
            ("IN IP4 192.0.2.1/127", "multicast"),
            ("IN IP4  192.0.2.1", "with one address"),
            ("ATM NSAP 47", "with one address"),
        ] {
            let error = address(c).expect_err(c);
            assert!(error.contains(why) && error.starts_with("line 4 "), "{c}: {error}");
        }
    }

    #[test]
    fn a_bad_attribute_is_named_by_its_own_line() {
        let with =
            |a: &str| read(&format!("c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\na=x-y\r\n{a}\r\n"));
        assert!(with("a=rtpmap:0 PCMU/eight").unwrap_err().starts_with("line 8 of the SDP cannot be read: "));
        assert!(with("a=rtcp:70000").unwrap_err().starts_with("line 8 of the SDP cannot be read: "));
        assert!(with("a=rtcp:9 IN IP4 rtcp.example.com").unwrap_err().contains("we resolve no names"));
        assert!(with("a=rtpmap:0 PCMU/8000\r\na=rtpmap:0 PCMA/8000").unwrap_err().contains("disagree"));
        assert!(read("c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 65535 RTP/AVP 0\r\n").unwrap_err().contains("65535"));
        assert!(
            read("c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 128\r\n").unwrap_err().contains("beyond 127")
        );
    }

    #[test]
    fn directions_turn_round_and_meet() {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        assert_eq!(
            [SendRecv, SendOnly, RecvOnly, Inactive].map(Direction::reversed),
            [SendRecv, RecvOnly, SendOnly, Inactive]
        );
        assert_eq!(SendOnly.and(RecvOnly), Inactive);
        assert_eq!(SendRecv.and(RecvOnly), RecvOnly);
    }
}
