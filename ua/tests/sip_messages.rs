//! Messages as a user agent meets them: bodies, sizes, IPv6, and rsip beside us.

use keyphone_ua::sip::{Message, Method, Request, Response, SipError, StatusCode};
use rsip::headers::{ToTypedHeader, UntypedHeader, typed};
use rsip::message::HeadersExt;

const INVITE: &str = "INVITE sip:bob@biloxi.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.com:5060;branch=z9hG4bK776asdhds\r\n\
    Max-Forwards: 70\r\n\
    To: \"Bob\" <sip:bob@biloxi.com>\r\n\
    From: \"Alice\" <sip:alice@atlanta.com>;tag=1928301774\r\n\
    Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n\
    CSeq: 314159 INVITE\r\n\
    Contact: <sip:alice@pc33.atlanta.com>\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 4\r\n\
    \r\n\
    v=0\n";

/// Ordinary messages that rsip reads too.
const SANE: [&str; 5] = [
    INVITE,
    "SIP/2.0 200 OK\r\n\
    Via: SIP/2.0/TCP server10.biloxi.com;branch=z9hG4bKnashds8;received=192.0.2.3\r\n\
    To: \"Bob\" <sip:bob@biloxi.com>;tag=a6c85cf\r\n\
    From: \"Alice\" <sip:alice@atlanta.com>;tag=1928301774\r\n\
    Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n\
    CSeq: 314159 INVITE\r\n\
    Contact: <sip:bob@192.0.2.4>\r\n\
    Content-Length: 0\r\n\r\n",
    "BYE sip:alice@pc33.atlanta.com;transport=TCP SIP/2.0\r\n\
    Via: SIP/2.0/TLS 192.0.2.4:5061;branch=z9hG4bKnashds10\r\n\
    Max-Forwards: 70\r\n\
    From: <sip:bob@biloxi.com>;tag=a6c85cf\r\n\
    To: <sip:alice@atlanta.com>;tag=1928301774\r\n\
    Call-ID: a84b4c76e66710\r\n\
    CSeq: 231 BYE\r\n\
    Content-Length: 0\r\n\r\n",
    "REGISTER sips:ss2.biloxi.example.com SIP/2.0\r\n\
    Via: SIP/2.0/TLS client.biloxi.example.com:5061;branch=z9hG4bKnashds7\r\n\
    Max-Forwards: 70\r\n\
    From: \"Bob\" <sips:bob@biloxi.example.com>;tag=a73kszlfl\r\n\
    To: \"Bob\" <sips:bob@biloxi.example.com>\r\n\
    Call-ID: 1j9FpLxk3uxtm8tn@biloxi.example.com\r\n\
    CSeq: 1 REGISTER\r\n\
    Contact: <sips:bob@client.biloxi.example.com>\r\n\
    X-Unknown: kept, as it is\r\n\
    Content-Length: 0\r\n\r\n",
    "SIP/2.0 486 Busy Here\r\n\
    Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
    To: <sip:bob@biloxi.com>;tag=1\r\n\
    From: <sip:alice@atlanta.com>;tag=2\r\n\
    Call-ID: x\r\n\
    CSeq: 1 INVITE\r\n\
    Content-Length: 0\r\n\r\n",
];

fn parse(text: &str) -> Result<Message, SipError> {
    Message::parse(text.as_bytes())
}

#[test]
fn an_ordinary_message_comes_out_byte_for_byte() {
    for text in SANE {
        assert_eq!(String::from_utf8(parse(text).unwrap().to_bytes()).unwrap(), text);
    }
}

#[test]
fn a_body_is_cut_at_its_length_and_kept_as_bytes() {
    let with = |length: &str, body: &[u8]| {
        let head = format!("MESSAGE sip:b.com SIP/2.0\r\nVia: x\r\n{length}\r\n");
        Message::parse(&[head.as_bytes(), body].concat()).map(|m| m.body().to_vec())
    };
    let binary = [0, 0xff, b'\r', b'\n', b'\r', b'\n', 0xfe];
    assert_eq!(with("", &binary), Ok(binary.to_vec()));
    assert_eq!(with("l: 7\r\n", &binary), Ok(binary.to_vec()));
    assert_eq!(with("content-length: 2\r\n", &binary), Ok(vec![0, 0xff]));
    assert_eq!(with("Content-Length: 8\r\n", &binary), Err(SipError::ShortBody { has: 7, says: 8 }));
    assert_eq!(with("l: 7\r\nl: 7\r\n", &binary), Err(SipError::Duplicate("Content-Length")));
    for bad in ["l: -7\r\n", "l: 0x7\r\n", "l:\r\n", "l: 7 7\r\n", "l: 99999999999999999999999\r\n"] {
        assert!(matches!(with(bad, &binary), Err(SipError::Header { name: "Content-Length", .. })), "{bad}");
    }
}

#[test]
fn line_ends_before_a_message_are_stepped_over_and_alone_are_a_keep_alive() {
    assert_eq!(parse(&format!("\r\n\r\n{INVITE}")), parse(INVITE));
    assert_eq!(parse("\r\n\r\n"), Err(SipError::KeepAlive));
    assert_eq!(parse(""), Err(SipError::KeepAlive));
}

#[test]
fn start_lines_are_read_strictly() {
    let start = |line: &str| parse(&format!("{line}\r\nVia: x\r\n\r\n"));
    assert!(start("FOO tel:+1 SIP/2.0").is_ok());
    assert!(start("invite urn:service:sos sip/2.0").is_ok());
    assert!(start("SIP/2.0 180 ").is_ok());
    assert_eq!(start("SIP/3.0 200 OK"), Err(SipError::Version));
    assert_eq!(start("INVITE sip:a@b.com SIP/1.0"), Err(SipError::Version));
    for bad in [
        "INVITE sip:a@b.com",
        "INVITE sip:a@b.com  SIP/2.0",
        "INVITE  sip:a@b.com SIP/2.0",
        " INVITE sip:a@b.com SIP/2.0",
        "INVITE sip:a@b.com SIP/2.0 ",
        "INVITE sip:a@b.com HTTP/1.1",
        "INV(TE sip:a@b.com SIP/2.0",
        "SIP/2.0 200",
        "SIP/2.0 20 OK",
        "SIP/2.0 700 OK",
        "GET / HTTP/1.1",
    ] {
        assert!(start(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_message_without_an_empty_line_or_with_bare_line_feeds_is_refused() {
    assert!(matches!(parse("BYE sip:b.com SIP/2.0\r\nVia: x\r\n"), Err(SipError::Section(_))));
    assert!(parse(&INVITE.replace("\r\n", "\n")).is_err());
    assert!(parse(&INVITE.replace("70\r\n", "70\n")).is_err());
}

#[test]
fn what_every_message_must_have_is_checked() {
    assert_eq!(parse(INVITE).unwrap().check(), Ok(()));
    for (name, line) in [("Via", "Via: SIP/2.0/UDP"), ("To", "To: \"Bob\""), ("CSeq", "CSeq"), ("Call-ID", "Call-ID")] {
        let without = INVITE.replacen(line, &format!("X-{line}"), 1);
        assert_eq!(parse(&without).unwrap().check(), Err(SipError::Missing(name)));
    }
    let mismatch = parse(&INVITE.replace("314159 INVITE", "314159 BYE")).unwrap().check();
    assert!(matches!(mismatch, Err(SipError::Header { name: "CSeq", .. })));
}

#[test]
fn ipv6_stands_everywhere_in_brackets() {
    // Put together after RFC 5118 sections 4.1, 4.4 and 4.10.
    let text = "REGISTER sip:[2001:db8::10]:5070 SIP/2.0\r\n\
        Via: SIP/2.0/UDP [2001:db8::9:1]:6050;received=[2001:db8::9:255];branch=z9hG4bKas3-111\r\n\
        To: sip:user@[2001:db8:::192.0.2.1]\r\n\
        From: <sip:user@example.com>;tag=81x2\r\n\
        Call-ID: SSG9559905523997077@hlau_4100\r\n\
        Contact: \"Caller\" <sip:caller@[2001:db8::1]>\r\n\
        CSeq: 98176 REGISTER\r\n\r\n";
    let message = parse(text).unwrap();
    assert_eq!(message.check(), Ok(()));
    let headers = message.headers();
    assert_eq!(headers.to().unwrap().uri.to_string(), "sip:user@[2001:db8::c000:201]");
    assert_eq!(headers.via().unwrap().received().unwrap().to_string(), "2001:db8::9:255");
    let Message::Request(request) = &message else { panic!("not a request") };
    assert_eq!(request.uri.sip().unwrap().port(), Some(5070));
    assert!(parse(&text.replace("[2001:db8::10]:5070", "2001:db8::10")).is_err());
}

#[test]
fn typed_lists_are_read_from_one_line_or_many() {
    let text = "OPTIONS sip:b.com SIP/2.0\r\n\
        Allow: INVITE, ACK,FOO\r\nAllow: BYE\r\n\
        k: 100rel,Timer\r\nSupported:\r\nRequire: Precondition\r\nUnsupported: a , b\r\n\
        Route: <sip:a.com;lr>,\r\n <sip:b.com;lr>\r\n\
        Warning: 307 isi.edu \"a, b\", 399 x \"c\"\r\n\
        Reason: SIP ;cause=488 ;text=\"x, y\", Q.850;cause=16\r\n\
        Expires: 00060\r\n\r\n";
    let message = parse(text).unwrap();
    let headers = message.headers();
    let methods = [Method::Invite, Method::Ack, Method::Extension("FOO".into()), Method::Bye];
    assert_eq!(headers.allow().unwrap(), methods);
    assert_eq!(headers.supported().unwrap(), ["100rel", "timer"]);
    assert_eq!(headers.require().unwrap(), ["precondition"]);
    assert_eq!(headers.unsupported().unwrap(), ["a", "b"]);
    assert_eq!(headers.route().unwrap().iter().filter(|r| r.uri.sip().unwrap().has_param("lr")).count(), 2);
    assert_eq!(headers.warning().unwrap().iter().map(|w| w.code).collect::<Vec<_>>(), [307, 399]);
    assert_eq!(headers.reason().unwrap()[1].cause, Some(16));
    assert_eq!(headers.number("Expires"), Ok(Some(60)));
    assert_eq!((headers.contact(), headers.max_forwards(), headers.content_type()), (Ok(None), Ok(None), Ok(None)));
}

#[test]
fn hostile_sizes_are_refused() {
    let hostile = [
        format!("INVITE sip:{} SIP/2.0\r\n\r\n", "a.".repeat(40_000)),
        format!("BYE sip:b.com SIP/2.0\r\n{}\r\n", "a: b\r\n".repeat(10_000)),
        format!("BYE sip:b.com SIP/2.0\r\nVia: {}\r\n\r\n", ",".repeat(60_000)),
        format!("BYE sip:b.com SIP/2.0\r\nVia: x{}\r\n\r\n", "\r\n ".repeat(20_000)),
        format!("BYE sip:b{} SIP/2.0\r\n\r\n", ";a".repeat(30_000)),
    ];
    // What is linear takes a millisecond here; what is quadratic would keep the tests waiting for minutes.
    for text in &hostile {
        assert!(parse(text).is_err(), "{}", &text[..40]);
    }
    let tagged = format!("<sip:b.com>{}", (0..1000).map(|n| format!(";a{n}")).collect::<String>());
    let message = parse(&format!("BYE sip:b.com SIP/2.0\r\nTo: {tagged}\r\n\r\n")).unwrap();
    assert!(message.headers().to().is_err());
}

#[test]
fn what_rsip_reads_we_read_the_same() {
    for text in SANE {
        let ours = parse(text).unwrap();
        let theirs = rsip::SipMessage::try_from(text.as_bytes()).unwrap();
        let headers = ours.headers();
        let from: typed::From = theirs.from_header().unwrap().typed().unwrap();
        // rsip keeps the quotes of a display name.
        let display = from.display_name.as_deref().map(|d| d.trim_matches('"'));
        assert_eq!(headers.from().unwrap().display.as_deref(), display);
        assert_eq!(headers.from().unwrap().uri.to_string(), from.uri.to_string());
        let to: typed::To = theirs.to_header().unwrap().typed().unwrap();
        assert_eq!(headers.to().unwrap().tag(), to.tag().map(|t| t.value()));
        let via: typed::Via = theirs.via_header().unwrap().typed().unwrap();
        assert_eq!(headers.via().unwrap().branch(), via.branch().map(|b| b.value()));
        assert_eq!(headers.via().unwrap().received(), via.received().unwrap());
        assert_eq!(headers.via().unwrap().transport.as_str(), via.transport.to_string());
        let cseq: typed::CSeq = theirs.cseq_header().unwrap().typed().unwrap();
        assert_eq!(headers.cseq().unwrap().seq, cseq.seq);
        assert_eq!(headers.cseq().unwrap().method, Method::from(cseq.method));
        assert_eq!(headers.call_id().unwrap(), theirs.call_id_header().unwrap().value());
    }
}

#[test]
fn messages_pass_through_rsip_and_come_back_equal() {
    for text in SANE {
        match parse(text).unwrap() {
            Message::Request(ours) => {
                let theirs = rsip::Request::try_from(&ours).unwrap();
                assert_eq!(Request::try_from(&theirs), Ok(ours));
            }
            Message::Response(ours) => {
                let theirs = rsip::Response::try_from(&ours).unwrap();
                assert_eq!(theirs.status_code.code(), ours.status.code());
                assert_eq!(Response::try_from(&theirs), Ok(ours));
            }
        }
    }
}

#[test]
fn a_binary_body_passes_through_rsip_unharmed() {
    let mut request = Request::new(Method::Message, "sip:b@b.com".parse().unwrap());
    request.headers.push("Via", "SIP/2.0/UDP a.com;branch=z9hG4bK1");
    request.body = vec![0xff, 0, 0xfe];
    let theirs = rsip::Request::try_from(&request).unwrap();
    assert_eq!(Request::try_from(&theirs), Ok(request));
}

#[test]
fn what_rsip_cannot_hold_is_an_error_in_one_sentence() {
    let extension = Request::new(Method::Extension("FOO".into()), "sip:b@b.com".parse().unwrap());
    let v6 = Request::new(Method::Invite, "sip:b@[::1]".parse().unwrap());
    for request in [extension, v6] {
        let error = rsip::Request::try_from(&request).unwrap_err();
        assert!(matches!(error, SipError::Rsip(_)), "{error}");
    }
}

#[test]
fn a_reason_phrase_cannot_write_a_header() {
    let mut response = Response::new(StatusCode::OK);
    response.reason = "OK\r\nVia: x".into();
    assert_eq!(response.to_bytes(), b"SIP/2.0 200 OK  Via: x\r\nContent-Length: 0\r\n\r\n");
}
