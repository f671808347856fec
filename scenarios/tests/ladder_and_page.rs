//! A call of four messages, as the ladder and the page tell it; and hostile phones, who are told all the same.

use keyphone_media::env::Instant;
use keyphone_scenarios::ladder::{Kind, Ladder};
use keyphone_scenarios::report::{Page, Phone, Player, wav_bytes};
use keyphone_ua::event::{CallId, Counts, Event, KeyUse};
use keyphone_ua::transaction::Transport;
use proptest::prelude::*;
use std::net::SocketAddr;

/// HDR, T, RAND, KEMAC with AES-CM-128 and HMAC-SHA-1-160; made by hand, of zeros and counting octets.
const I_MESSAGE: &str = "AQAFAHdX8M0CAAAfLj1MAAAAAAAAAAAAAAAAAAsA7Q8cKwAAAAABEAABAgMEBQYHCAkKCwwNDg8AAQAIAAAAAAAAAAABBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
/// HDR, T, V.
const R_MESSAGE: &str = "AQEFAHdX8M0CAAAfLj1MAAAAAACZiHdmAAAAAAkA7Q8cKwAAAAAAAQgICAgICAgICAgICAgICAgICAgI";
/// An example of the ONVIF Streaming Specification: a camera's message, with its key in clear.
const CAMERA: &str = "AQAFAP1td9ABAADCD1UcAAAAAAoAAdOOGc75XD0BAAAAGAABAQEBEAIBAQMBFAcBAQgBAQoBAQsBCgAAACcAIQAe30C59UrClE0e27UP5h/Wty9UL8+dfzg+2ttmmo3kBAAAAC8A";
/// HDR, ERR 4.
const ERROR: &str = "AQYMAHdX8M0AAAAEAAA=";

fn alice() -> SocketAddr {
    "127.0.0.1:5060".parse().unwrap()
}

fn bob() -> SocketAddr {
    "127.0.0.1:5070".parse().unwrap()
}

fn ms(ms: u64) -> Instant {
    Instant::from_micros(ms * 1_000)
}

fn sdp(key_mgmt: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/SAVP 0\r\na=key-mgmt:{key_mgmt}\r\n"
    )
}

fn message(start: &str, method: &str, body: &str) -> Vec<u8> {
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1\r\nFrom: <sip:alice@127.0.0.1>;tag=a\r\n\
         To: <sip:bob@127.0.0.1>\r\nCall-ID: 1@127.0.0.1\r\nCSeq: 1 {method}\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn invite() -> Vec<u8> {
    message("INVITE sip:bob@127.0.0.1:5070 SIP/2.0", "INVITE", &sdp(&format!("mikey {I_MESSAGE}")))
}

fn phones() -> Ladder {
    let mut ladder = Ladder::new();
    ladder.name(alice(), "alice");
    ladder.name(bob(), "bob");
    ladder
}

/// INVITE, once more, 180, 200, ACK, media both ways, and what the phones know.
fn call() -> Ladder {
    let mut ladder = phones();
    let ok = message("SIP/2.0 200 OK", "INVITE", &sdp(&format!("mikey {R_MESSAGE}")));
    ladder.see(ms(0), alice(), bob(), Transport::Udp, &invite());
    ladder.see(ms(500), alice(), bob(), Transport::Udp, &invite());
    ladder.see(ms(501), bob(), alice(), Transport::Udp, &message("SIP/2.0 180 Ringing", "INVITE", ""));
    ladder.see(ms(1_500), bob(), alice(), Transport::Udp, &ok);
    ladder.note(ms(1_501), alice(), "keyed by MIKEY-PSK, proven sip:bob@127.0.0.1 by a pre-shared key".into());
    ladder.see(ms(1_501), alice(), bob(), Transport::Udp, &message("ACK sip:bob@127.0.0.1:5070 SIP/2.0", "ACK", ""));
    ladder.media(ms(1_520), alice(), bob(), "RTP, SRTP AES_CM_128_HMAC_SHA1_80".into());
    ladder.media(ms(1_520), bob(), alice(), "RTP, SRTP AES_CM_128_HMAC_SHA1_80".into());
    ladder.note(ms(1_521), bob(), "hears 1f2e3d4c".into());
    ladder
}

#[test]
fn a_call_reads_from_top_to_bottom() {
    let drawn = call().to_text(92);
    assert_eq!(
        drawn,
        include_str!("golden/call.txt"),
        "
{drawn}"
    );
}

#[test]
fn a_trace_has_one_line_for_each_message() {
    let mut ladder = phones();
    let mut line = |from, to, bytes: &[u8]| ladder.line(ms(123), from, to, Transport::Udp, bytes);
    assert_eq!(
        line(alice(), bob(), &invite()),
        "0.123 alice -> bob  INVITE sip:bob@127.0.0.1:5070 (UDP)  [RTP/SAVP, MIKEY PSK I_MESSAGE]"
    );
    let refusal = message("SIP/2.0 488 Not Acceptable Here", "INVITE", &sdp(&format!("mikey {ERROR}")));
    assert_eq!(
        line(bob(), alice(), &refusal),
        "0.123 bob -> alice  488 Not Acceptable Here  \
         [RTP/SAVP, MIKEY error: Invalid EA (4): encryption algorithm not supported]"
    );
    assert_eq!(line(bob(), alice(), &message("SIP/2.0 200 OK", "BYE", "")), "0.123 bob -> alice  200 OK (BYE)");
    assert_eq!(line(bob(), alice(), &message("SIP/2.0 200 OK", "BYE", "")), "0.123 bob -> alice  200 OK (BYE) (again)");
    assert_eq!(ladder.entries().len(), 4, "and the whole ladder is there at the end");
}

/// A message with these header fields besides those that all have.
fn with(start: &str, method: &str, fields: &[&str], body: &str) -> Vec<u8> {
    let message = String::from_utf8(message(start, method, body)).unwrap();
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    message.replacen("Content-Type: application/sdp\r\n", &fields, 1).into_bytes()
}

#[test]
fn what_a_message_says_beside_its_first_line_is_in_the_trace() {
    let held = sdp("mikey AAAA").replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n");
    let mixed = format!("--b\r\nContent-Type: application/sdp\r\n\r\n{held}\r\n--b--\r\n");
    let challenge =
        "WWW-Authenticate: Digest realm=\"example.org\", nonce=\"abc\", algorithm=SHA-256, qop=\"auth,auth-int\"";
    for (message, said) in [
        (with("PRACK sip:bob@127.0.0.1 SIP/2.0", "PRACK", &["RAck: 1 2 INVITE"], ""), "[RAck: 1 2 INVITE]"),
        (with("SIP/2.0 183 Session Progress", "INVITE", &["Require: 100rel", "RSeq: 1"], ""), "[reliable, RSeq 1]"),
        (
            with("REFER sip:bob@127.0.0.1 SIP/2.0", "REFER", &["Refer-To: <sip:carol@127.0.0.1>"], ""),
            "[Refer-To: <sip:carol@127.0.0.1>]",
        ),
        (
            with(
                "NOTIFY sip:bob@127.0.0.1 SIP/2.0",
                "NOTIFY",
                &["Event: refer", "Subscription-State: terminated;reason=noresource", "Content-Type: message/sipfrag"],
                "SIP/2.0 486 Busy Here\r\n",
            ),
            "[sipfrag: 486 Busy Here, Subscription-State: terminated;reason=noresource]",
        ),
        (
            with("SIP/2.0 302 Moved Temporarily", "INVITE", &["Contact: <sip:b@h>, <sip:c@h>"], ""),
            "[Contact: <sip:b@h>, Contact: <sip:c@h>]",
        ),
        (
            with("SIP/2.0 401 Unauthorized", "REGISTER", &[challenge], ""),
            "(REGISTER)  [WWW-Authenticate: Digest realm \"example.org\", algorithm SHA-256, qop \"auth,auth-int\"]",
        ),
        (
            with("INVITE sip:bob@127.0.0.1 SIP/2.0", "INVITE", &["Content-Type: application/sdp"], &held),
            "[RTP/SAVP, sendonly, MIKEY]",
        ),
        (
            with("UPDATE sip:bob@127.0.0.1 SIP/2.0", "UPDATE", &["Content-Type: multipart/mixed;boundary=b"], &mixed),
            "[RTP/SAVP, sendonly, MIKEY]",
        ),
        (
            with("SIP/2.0 422 Session Interval Too Small", "INVITE", &["Min-SE: 1800"], ""),
            "422 Session Interval Too Small  [Min-SE: 1800]",
        ),
    ] {
        let line = phones().line(ms(0), alice(), bob(), Transport::Udp, &message);
        assert!(line.ends_with(said), "{line}");
        assert!(phones_see(&message).contains(said.rsplit(['[', ',']).next().unwrap().trim_matches([']', ' '])));
    }
}

/// The ladder of one message.
fn phones_see(message: &[u8]) -> String {
    let mut ladder = phones();
    ladder.see(ms(0), alice(), bob(), Transport::Udp, message);
    ladder.to_text(160)
}

#[test]
fn what_answers_a_challenge_is_nowhere_on_the_ladder() {
    let credentials = "Authorization: Digest username=\"alice\", realm=\"r\", nonce=\"n\", uri=\"sip:r\", \
                       response=\"0123456789abcdef0123456789abcdef\", qop=auth, nc=00000001, cnonce=\"c\"";
    let register = with("REGISTER sip:r SIP/2.0", "REGISTER", &[credentials], "");
    let mut ladder = phones();
    let line = ladder.line(ms(0), alice(), bob(), Transport::Udp, &register);
    assert!(line.contains("Authorization: Digest username \"alice\", realm \"r\", qop auth, nc 00000001"), "{line}");
    for said in [line, ladder.to_text(200), page(&ladder, ""), format!("{ladder:?}")] {
        assert!(!said.contains("0123456789abcdef"), "{said}");
    }
}

#[test]
fn a_key_mgmt_line_that_cannot_be_read_is_shown_as_such() {
    for (value, shown) in [
        ("mikey AQAF...", "key-mgmt: MIKEY, unreadable: "),
        ("mikey AAAA", "key-mgmt: MIKEY, unreadable: "),
        ("kinkey c2VjcmV0", "key-mgmt: kinkey\n"),
    ] {
        let mut ladder = phones();
        let offer = message("INVITE sip:bob@127.0.0.1 SIP/2.0", "INVITE", &sdp(value));
        ladder.see(ms(0), alice(), bob(), Transport::Udp, &offer);
        let text: String =
            ladder.to_text(160).lines().map(|l| l.trim_end_matches(['│', ' ']).to_owned() + "\n").collect();
        assert!(text.contains(shown), "{shown} is not in\n{text}");
    }
}

#[test]
fn a_key_in_clear_is_told_of_and_not_told() {
    let mut ladder = phones();
    let offer = message("INVITE sip:bob@127.0.0.1 SIP/2.0", "INVITE", &sdp(&format!("mikey {CAMERA}")));
    ladder.see(ms(0), alice(), bob(), Transport::Udp, &offer);
    let html = page(&ladder, "");
    assert!(html.contains("key-mgmt: MIKEY PSK I_MESSAGE, CSB fd6d77d0, no encryption, no MAC"), "{ladder}");
    // Its first octets, as base64 and in hexadecimal.
    for secret in ["30C59UrC", "df40b9"] {
        assert!(!html.contains(secret) && !format!("{ladder:?}").contains(secret));
    }
}

#[test]
fn three_phones_stand_side_by_side() {
    let mut ladder = phones();
    let carol = "127.0.0.1:5080".parse().unwrap();
    ladder.name(carol, "carol");
    ladder.see(ms(1), alice(), carol, Transport::Tcp, &message("OPTIONS sip:carol@127.0.0.1 SIP/2.0", "OPTIONS", ""));
    ladder.see(ms(2), carol, bob(), Transport::Tcp, &message("SIP/2.0 200 OK", "OPTIONS", ""));
    ladder.note(ms(3), bob(), "is surprised".into());
    let drawn = ladder.to_text(78);
    assert_eq!(
        drawn,
        include_str!("golden/three_phones.txt"),
        "
{drawn}"
    );
}

#[test]
fn what_is_no_sip_is_shown_without_its_control_characters() {
    let mut ladder = phones();
    ladder.see(ms(0), alice(), bob(), Transport::Udp, b"\x1b]0;owned\x07\x1b[2J not SIP\r\n\r\n");
    ladder.note(ms(1), bob(), "\x1b[31mred".into());
    ladder.name("10.0.0.1:1".parse().unwrap(), "eve\n\x1b[1A");
    let text = ladder.to_text(100);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(text.contains("cannot be read"), "{text}");
    assert!(text.contains(r"\u{1b}[31mred"), "{text}");
}

const HOSTILE: &str =
    "</title><script src=\"http://evil.example/x.js\"></script><img src='//evil.example' onerror=alert(1)>&{{ladder}}";

fn page(ladder: &Ladder, said: &str) -> String {
    let key = |use_for| Event::Key {
        call: CallId(1),
        use_for,
        key: format!("5d41402a{said}"),
        suite: format!("AES_CM_128_HMAC_SHA1_80{said}"),
        ssrc: Some(format!("1f2e3d4c{said}")),
        branch: None,
    };
    let wav = wav_bytes(8_000, &[0, 1_000, 0, -1_000].repeat(2_000));
    let player =
        |title: &str| Player { title: format!("{title}{said}"), wav: wav.clone(), note: format!("r = 0.99{said}") };
    let counts = Counts { sent: 250, heard: 249, played: 248, lost: 1, jitter_ms: 0.25, ..Counts::default() };
    let stats = Event::Stats { call: CallId(1), counts };
    let alices = [(ms(0), key(KeyUse::Send)), (ms(9), stats.clone())];
    let bobs = [(ms(0), key(KeyUse::Hear)), (ms(9), stats)];
    let phone = |name: &str, at| Phone { name: format!("{name}{said}"), at: vec![at], events: &[] };
    Page {
        title: format!("alice calls bob{said}"),
        about: said.into(),
        facts: vec![(format!("Keying{said}"), format!("MIKEY-PSK{said}"))],
        players: vec![player("What alice heard"), player("What bob heard")],
        ladder,
        verdicts: vec![],
        phones: vec![
            Phone { events: &alices, ..phone("alice", alice()) },
            Phone { events: &bobs, ..phone("bob", bob()) },
        ],
        log: &[],
    }
    .html()
}

#[test]
fn the_page_has_an_arrow_for_each_message_and_a_row_for_each_key() {
    let ladder = call();
    let html = page(&ladder, "");
    let messages = ladder.entries().iter().filter(|e| matches!(e.kind, Kind::Message { .. })).count();
    let count = |what: &str| html.matches(what).count();
    assert_eq!(messages, 5);
    assert_eq!(count("<g class=\"arrow\">") + count("<g class=\"arrow again\">"), messages);
    assert_eq!((count("<g class=\"arrow media\">"), count("<g class=\"note\">")), (2, 2));
    assert_eq!((count("<audio controls"), count("<code class=\"key\">5d41402a</code>")), (2, 1));
    assert!(html.contains("<td data-head=\"Sent by\">alice</td><td data-head=\"Heard by\">bob</td>"));
    for cell in ["\"Sent\">250", "\"Heard\">249", "\"Played\">248", "\"Lost\">1"] {
        assert_eq!(count(&format!("<td data-head={cell}</td>")), 2, "{cell}");
    }
    assert!(!html.contains("{{"));
}

/// Everything a browser might load, in a page that nobody tried to poison.
#[test]
fn the_page_fetches_nothing() {
    let html = page(&call(), "").replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for fetch in ["http://", "https://", "src=\"//", "href", "<script", "<link", "@import", "url(", "<iframe"] {
        assert!(!html.contains(fetch), "{fetch}");
    }
    assert_eq!(html.matches("src=").count(), html.matches("src=\"data:audio/wav;base64,").count());
    assert!(html.contains("default-src 'none'"), "and it forbids itself to");
}

#[test]
fn a_hostile_phone_writes_text_and_no_markup() {
    let mut ladder = phones();
    ladder.name("10.6.6.6:5060".parse().unwrap(), HOSTILE);
    let reason = format!("SIP/2.0 200 {HOSTILE}");
    ladder.see(ms(0), bob(), alice(), Transport::Udp, &message(&reason, "INVITE", &sdp(HOSTILE)));
    ladder.note(ms(1), bob(), HOSTILE.into());
    ladder.media(ms(2), alice(), bob(), HOSTILE.into());
    let (clean, hostile) = (page(&call(), ""), page(&ladder, HOSTILE));
    for tag in ["<script", "<img", "</title><script"] {
        assert!(!hostile.contains(tag), "{tag}");
    }
    let tags = |html: &str, tag: &str| html.matches(tag).count();
    for tag in ["<svg", "<audio", "<section", "<table", "<h1"] {
        assert_eq!(tags(&hostile, tag), tags(&clean, tag), "{tag}");
    }
    assert!(hostile.contains("&lt;script src=&quot;http://evil.example/x.js&quot;&gt;"));
}

#[test]
fn a_recording_is_a_wav_file() {
    let wav = wav_bytes(48_000, &[1, -2]);
    let mut reader = hound::WavReader::new(&wav[..]).unwrap();
    assert_eq!((reader.spec().sample_rate, reader.spec().channels), (48_000, 1));
    assert_eq!(reader.samples::<i16>().collect::<Result<Vec<_>, _>>().unwrap(), [1, -2]);
}

proptest! {
    #[test]
    fn whatever_is_sent_is_drawn_in_one_ladder(bytes in any::<Vec<u8>>(), body in any::<String>(), width in 0..200_usize) {
        let mut ladder = phones();
        let said = message("INVITE sip:bob@127.0.0.1 SIP/2.0", "INVITE", &format!("v=0\r\n{body}"));
        ladder.see(ms(0), alice(), bob(), Transport::Udp, &bytes);
        ladder.see(ms(0), bob(), bob(), Transport::Udp, &said);
        ladder.note(ms(0), bob(), body);
        prop_assert!(ladder.to_text(width).chars().all(|c| c == '\n' || !c.is_control()));
        prop_assert_eq!(page(&ladder, "").matches("<g class=\"arrow\">").count(), 2);
    }

    /// So that what a proxy breaks does not hide what it did.
    #[test]
    fn a_description_of_any_lines_is_read(lines in prop::collection::vec("(m=|a=key-mgmt:)(mikey )?[A-Za-z0-9 /+=]{0,40}", 0..20)) {
        let mut ladder = phones();
        let said = message("INVITE sip:bob@127.0.0.1 SIP/2.0", "INVITE", &format!("v=0\r\n{}", lines.join("\r\n")));
        ladder.see(ms(0), alice(), bob(), Transport::Udp, &said);
        let Kind::Message { digest, .. } = &ladder.entries()[0].kind else { panic!("it is a message") };
        prop_assert!(digest.media.len() + digest.keying.len() <= 12);
        prop_assert_eq!(digest.media.is_empty(), !lines.iter().any(|l| l.starts_with("m=")));
    }
}
