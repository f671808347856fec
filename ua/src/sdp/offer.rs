//! Our offer (RFC 3264 section 5): one audio stream, and a slot for every stream that once was.

use super::block::{Block, MLine, RawLine, Sdp};
use super::key_mgmt;
use super::media::{CodecLine, Direction, Profile};
use keyphone_keying::{Level, Lines};
use std::net::IpAddr;

/// Who made the session, and which version of it this is (RFC 8866 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// One word; `-` if there is none to tell.
    pub user: String,
    /// The same throughout the dialog.
    pub session_id: u64,
    /// One more with every changed SDP (RFC 3264 section 8).
    pub version: u64,
}

/// What an offer is made of.
#[derive(Clone, Copy, Debug)]
pub struct OfferAsk<'a> {
    /// Where we hear; the `o=` line says it, too.
    pub address: IpAddr,
    /// Where we hear RTP; RTCP comes to the next port.
    pub port: u16,
    /// Secure or in the clear.
    pub profile: Profile,
    /// Most preferred first; at least one.
    pub codecs: &'a [CodecLine],
    /// Which way.
    pub direction: Direction,
    /// What keying says.
    pub lines: &'a Lines,
}

/// An offer that begins a session. Its audio is m-line 0.
pub fn make_offer(origin: &Origin, ask: &OfferAsk<'_>) -> Sdp {
    offer_in(origin, ask, (0, Vec::new()))
}

/// An offer whose audio stands at `line`, among the slots of a session that runs (RFC 3264 section 8).
pub(crate) fn offer_in(origin: &Origin, ask: &OfferAsk<'_>, (line, mut slots): (u8, Vec<Block>)) -> Sdp {
    let audio = audio_block(ask, line);
    match slots.get_mut(usize::from(line)) {
        Some(slot) => *slot = audio,
        None => slots.push(audio),
    }
    Sdp::from_parts(session_lines(origin, ask), slots)
}

/// What we could talk about (RFC 3264 section 9): an m-line with port zero for each profile.
pub fn capabilities(origin: &Origin, address: IpAddr, profiles: &[Profile], codecs: &[CodecLine]) -> Sdp {
    let mut session = head(origin, address);
    session.push(RawLine::new(b't', "0 0"));
    let block = |profile: &Profile| {
        let m = m_line(0, profile.as_str(), codecs);
        Block::new(m, codec_lines(codecs))
    };
    Sdp::from_parts(session, profiles.iter().map(block).collect())
}

fn session_lines(origin: &Origin, ask: &OfferAsk<'_>) -> Vec<RawLine> {
    let mut lines = head(origin, ask.address);
    lines.push(RawLine::new(b't', "0 0"));
    lines.extend(key_mgmt::write(ask.lines, Level::Session));
    lines
}

/// `v`, `o`, `s` and `c`: what comes before the times.
pub(crate) fn head(origin: &Origin, address: IpAddr) -> Vec<RawLine> {
    let user: String = origin.user.split_whitespace().collect();
    let user = if user.is_empty() { "-" } else { &user };
    let Origin { session_id, version, .. } = origin;
    let address = in_address(address);
    vec![
        RawLine::new(b'v', "0"),
        RawLine::new(b'o', format!("{user} {session_id} {version} {address}")),
        RawLine::new(b's', "-"),
        RawLine::new(b'c', address),
    ]
}

fn audio_block(ask: &OfferAsk<'_>, line: u8) -> Block {
    let m = m_line(ask.port, ask.profile.as_str(), ask.codecs);
    Block::new(m, audio_lines(ask.codecs, ask.direction, ask.lines, line))
}

pub(crate) fn m_line(port: u16, proto: &str, codecs: &[CodecLine]) -> MLine {
    let formats = codecs.iter().map(|codec| codec.payload_type.to_string()).collect();
    MLine { media: "audio".into(), port, ports: None, proto: proto.into(), formats }
}

/// What stands under our audio m-line, in an offer or an answer.
pub(crate) fn audio_lines(codecs: &[CodecLine], direction: Direction, lines: &Lines, line: u8) -> Vec<RawLine> {
    let mut under = codec_lines(codecs);
    under.push(RawLine::new(b'a', "ptime:20"));
    under.push(RawLine::new(b'a', direction.as_str()));
    under.extend(key_mgmt::write(lines, Level::Media(line)));
    under
}

fn codec_lines(codecs: &[CodecLine]) -> Vec<RawLine> {
    let mut lines = Vec::new();
    for codec in codecs {
        lines.push(RawLine::new(b'a', format!("rtpmap:{}", codec.rtpmap())));
        if let Some(fmtp) = &codec.fmtp {
            lines.push(RawLine::new(b'a', format!("fmtp:{} {fmtp}", codec.payload_type)));
        }
    }
    lines
}

fn in_address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("IN IP4 {v4}"),
        IpAddr::V6(v6) => format!("IN IP6 {v6}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyphone_keying::Line;

    fn key(level: Level) -> Line {
        Line { level, name: "key-mgmt".into(), value: "mikey AQ==".into() }
    }

    #[test]
    fn an_offer_reads_as_written_here() {
        let codecs = [
            CodecLine { fmtp: Some("useinbandfec=1".into()), ..CodecLine::new(96, "opus", 48000, 2) },
            CodecLine::new(0, "PCMU", 8000, 1),
        ];
        let origin = Origin { user: "alice smith".into(), session_id: 7, version: 1 };
        let ask = OfferAsk {
            address: "2001:db8::1".parse().unwrap(),
            port: 5004,
            profile: Profile::Savp,
            codecs: &codecs,
            direction: Direction::SendRecv,
            lines: &Lines(vec![key(Level::Session), key(Level::Media(0))]),
        };
        let sdp = make_offer(&origin, &ask);
        let expected = "v=0\r\no=alicesmith 7 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n\
            a=key-mgmt:mikey AQ==\r\nm=audio 5004 RTP/SAVP 96 0\r\na=rtpmap:96 opus/48000/2\r\n\
            a=fmtp:96 useinbandfec=1\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\na=key-mgmt:mikey AQ==\r\n";
        assert_eq!(sdp.to_string(), expected);
        assert_eq!(Sdp::parse(&sdp.bytes()).unwrap().bytes(), sdp.bytes());
    }

    #[test]
    fn what_we_can_do_is_said_with_port_zero() {
        let origin = Origin { user: "-".into(), session_id: 7, version: 1 };
        let codecs = [CodecLine::new(0, "PCMU", 8000, 1)];
        let sdp = capabilities(&origin, "192.0.2.1".parse().unwrap(), &[Profile::Savp, Profile::Avp], &codecs);
        let expected = "v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
            m=audio 0 RTP/SAVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
        assert_eq!(sdp.to_string(), expected);
    }
}
