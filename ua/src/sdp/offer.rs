//! Our offer (RFC 3264 section 5): one audio stream.

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
#[derive(Debug)]
pub struct OfferAsk<'a> {
    /// Its `o=` line, with `address`.
    pub origin: &'a Origin,
    /// Where we hear.
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
pub fn make_offer(ask: &OfferAsk<'_>) -> Sdp {
    let block = audio_block(ask, 0);
    Sdp::from_parts(session_lines(ask), vec![block])
}

fn session_lines(ask: &OfferAsk<'_>) -> Vec<RawLine> {
    let mut lines = head(ask.origin, ask.address);
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
    let m = MLine {
        media: "audio".into(),
        port: ask.port,
        ports: None,
        proto: ask.profile.as_str().into(),
        formats: ask.codecs.iter().map(|codec| codec.payload_type.to_string()).collect(),
    };
    Block::new(m, audio_lines(ask.codecs, ask.direction, ask.lines, line))
}

/// What stands under our audio m-line, in an offer or an answer.
pub(crate) fn audio_lines(codecs: &[CodecLine], direction: Direction, lines: &Lines, line: u8) -> Vec<RawLine> {
    let mut under = Vec::new();
    for codec in codecs {
        under.push(RawLine::new(b'a', format!("rtpmap:{}", codec.rtpmap())));
        if let Some(fmtp) = &codec.fmtp {
            under.push(RawLine::new(b'a', format!("fmtp:{} {fmtp}", codec.payload_type)));
        }
    }
    under.push(RawLine::new(b'a', "ptime:20"));
    under.push(RawLine::new(b'a', direction.as_str()));
    under.extend(key_mgmt::write(lines, Level::Media(line)));
    under
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
        let sdp = make_offer(&OfferAsk {
            origin: &Origin { user: "alice smith".into(), session_id: 7, version: 1 },
            address: "2001:db8::1".parse().unwrap(),
            port: 5004,
            profile: Profile::Savp,
            codecs: &codecs,
            direction: Direction::SendRecv,
            lines: &Lines(vec![key(Level::Session), key(Level::Media(0))]),
        });
        let expected = "v=0\r\no=alicesmith 7 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n\
            a=key-mgmt:mikey AQ==\r\nm=audio 5004 RTP/SAVP 96 0\r\na=rtpmap:96 opus/48000/2\r\n\
            a=fmtp:96 useinbandfec=1\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\na=key-mgmt:mikey AQ==\r\n";
        assert_eq!(sdp.to_string(), expected);
        assert_eq!(Sdp::parse(&sdp.bytes()).unwrap().bytes(), sdp.bytes());
    }
}
