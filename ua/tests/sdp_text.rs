//! Real session descriptions and broken ones: nothing is lost, nothing panics, nothing glues to its neighbour.

use keyphone_ua::sdp::{AnswerAsk, Audio, CodecLine, Direction, Origin, Profile, Sdp, answer, key_mgmt, read_answer};
use proptest::prelude::*;
use proptest::sample::Index;

/// RFC 8866 section 5, an SDP description in full.
const RFC_8866: &str = "v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call to John Smith\r\n\
    i=SDP Offer #1\r\nu=http://www.jdoe.example.com/home.html\r\ne=Jane Doe <jane@jdoe.example.com>\r\n\
    p=+1 617 555-6011\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\nm=audio 49180 RTP/AVP 0\r\n\
    m=video 51372 RTP/AVP 99\r\nc=IN IP6 2001:db8::2\r\na=rtpmap:99 h263-1998/90000\r\n";

/// Like a browser's offer, with all that a phone never asked for.
const BROWSER: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
    a=extmap-allow-mixed\r\na=msid-semantic: WMS stream\r\nm=audio 54400 UDP/TLS/RTP/SAVPF 111 63 0 8 126\r\n\
    c=IN IP4 203.0.113.7\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=candidate:1 1 udp 2122260223 192.0.2.4 54400 typ host\r\n\
    a=ice-ufrag:XjHd\r\na=ice-pwd:0123456789abcdef01234567\r\na=fingerprint:sha-256 AB:CD\r\na=setup:actpass\r\n\
    a=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=rtcp-mux\r\n\
    a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
    a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:1 cname:x\r\n\
    m=application 54400 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 203.0.113.7\r\na=sctp-port:5000\r\n";

/// Like an old phone that adds a fax to its call, with SDES and an attribute nobody knows.
const FAX: &str = "v=0\r\no=- 1 2 IN IP4 192.0.2.8\r\ns=\r\nt=0 0\r\nm=audio 5004 RTP/SAVP 8 0 18\r\n\
    c=IN IP4 192.0.2.8\r\na=fmtp:18 annexb=no\r\na=X-weird\r\na=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyO\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32\r\na=rtcp:5005\r\n\
    m=image 2000 udptl t38\r\nc=IN IP4 9.9.9.9\r\na=T38FaxVersion:0\r\nm=message 2855 TCP/MSRP *\r\n\
    c=IN IP4 8.8.8.8\r\na=path:msrp://alice.example.com:7654/x;tcp\r\n";

const REAL: [&str; 3] = [RFC_8866, BROWSER, FAX];

fn sdp(text: &str) -> Sdp {
    Sdp::parse(text.as_bytes()).unwrap()
}

/// All that a call does with a stranger's SDP.
fn everything(sdp: &Sdp) {
    let _ = key_mgmt::read(sdp);
    for line in 0..=sdp.media().len() {
        let _ = Audio::read(sdp, u8::try_from(line).unwrap());
    }
    let origin = Origin { user: "-".into(), session_id: 1, version: 1 };
    let ask = AnswerAsk {
        address: "192.0.2.1".parse().unwrap(),
        port: 5004,
        profiles: &[Profile::Savp, Profile::Avp],
        codecs: &[CodecLine::new(0, "PCMU", 8000, 1), CodecLine::new(96, "opus", 48000, 2)],
        direction: Direction::SendRecv,
    };
    if let Ok(plan) = answer(sdp, &origin, &ask) {
        let text = plan.with_lines(&key_mgmt::read(sdp).unwrap_or_default());
        assert_eq!(Sdp::parse(&text.bytes()).unwrap().bytes(), text.bytes());
        assert_eq!(text.media().len(), sdp.media().len());
        let agreed = read_answer(sdp, &text).unwrap();
        assert_eq!((agreed.line, agreed.payload_type), (plan.negotiated.line, plan.negotiated.payload_type));
    }
    let _ = read_answer(sdp, sdp);
}

#[test]
fn real_sdp_comes_back_as_it_came() {
    for text in REAL {
        assert_eq!(sdp(text).bytes(), text.as_bytes());
        everything(&sdp(text));
    }
}

#[test]
fn a_fax_line_keeps_its_own_address() {
    let audio = Audio::read(&sdp(FAX), 0).unwrap();
    assert_eq!(audio.rtp, "192.0.2.8:5004".parse().unwrap());
    assert_eq!(audio.codecs.iter().map(|c| c.payload_type).collect::<Vec<_>>(), [8, 0]);
    // Alone, webrtc-sdp drops the fax's m-line and gives its address to our voice.
    let start = FAX.find("m=audio").unwrap();
    let glue = FAX[..start].to_owned() + "m=audio 5004 RTP/SAVP 8\r\nm=image 2000 udptl t38\r\nc=IN IP4 9.9.9.9\r\n";
    let alone = webrtc_sdp::parse_sdp(&glue, false).unwrap();
    assert_eq!(alone.media.len(), 1);
    assert_eq!(alone.media[0].get_connection().as_ref().unwrap().to_string(), "IN IP4 9.9.9.9");
    assert_eq!(sdp(&glue).media().len(), 2);
    assert_eq!(Audio::read(&sdp(&glue), 0).unwrap_err().line(), 5);
}

#[test]
fn what_webrtc_sdp_drops_or_refuses_is_kept_and_read_around() {
    let text = "v=0\r\no=- 99999999999999999999999 1 IN IP4 192.0.2.8\r\ns=-\r\ni=x\r\nu=http://example.com/\r\n\
        e=a@example.com\r\np=+1 2\r\nc=IN IP4 192.0.2.8\r\nb=X-YZ:128\r\nt=0 0\r\nr=7d 1h 0\r\nz=0 0\r\nk=prompt\r\n\
        a=key-mgmt:mikey AQ==\r\na=curr:qos e2e none\r\nm=audio 5004 RTP/SAVP 0\r\ni=phone\r\nk=prompt\r\n\
        a=zrtp-hash:1.10 ab\r\na=key-mgmt:mikey Ag==\r\na=ptime:30\r\n";
    let sdp = sdp(text);
    assert_eq!(sdp.bytes(), text.as_bytes());
    let audio = Audio::read(&sdp, 0).unwrap();
    assert_eq!((audio.rtp, audio.ptime), ("192.0.2.8:5004".parse().unwrap(), Some(30)));
    assert_eq!(key_mgmt::read(&sdp).unwrap().0.len(), 2);
}

const M: &str =
    "(audio|video|image) [0-9]{1,4}(/[1-9])? (RTP/S?AVP|[A-Za-z]{1,4}(/[A-Z]{1,5}){0,2})( [0-9a-z]{1,3}){1,4}";

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(sdp) = Sdp::parse(&bytes) {
            everything(&sdp);
        }
    }

    #[test]
    fn what_is_printed_reads_the_same(
        lines in prop::collection::vec(("[icbka]", "[ -~\u{80}-\u{ff}]{1,40}"), 0..12),
        m in prop::collection::vec(M, 0..4),
    ) {
        let mut text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n".to_owned();
        for m in m {
            text += &format!("m={m}\r\n");
            text.extend(lines.iter().map(|(kind, value)| format!("{kind}={value}\r\n")));
        }
        let once = Sdp::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(once.bytes(), text.as_bytes());
        prop_assert_eq!(&Sdp::parse(&once.bytes()).unwrap(), &once);
        everything(&once);
    }

    #[test]
    fn mutated_lines_of_real_sdp_never_panic(
        which in 0usize..3,
        edits in prop::collection::vec((any::<Index>(), 0u8..5, any::<u8>(), any::<Index>()), 1..6),
    ) {
        let mut lines: Vec<Vec<u8>> = REAL[which].split_terminator("\r\n").map(|l| l.as_bytes().to_vec()).collect();
        for (at, what, byte, other) in edits {
            let at = at.index(lines.len());
            let there = other.index(lines.len());
            match what {
                0 => lines.swap(at, there),
                1 => lines.push(lines[at].clone()),
                2 if lines.len() > 1 => drop(lines.remove(at)),
                3 if !lines[at].is_empty() => {
                    let octet = other.index(lines[at].len());
                    lines[at][octet] = byte;
                }
                _ => {
                    let octet = other.index(lines[at].len() + 1);
                    lines[at].insert(octet, byte);
                }
            }
        }
        if let Ok(sdp) = Sdp::parse(&lines.join(&b"\r\n"[..])) {
            everything(&sdp);
        }
    }
}
