//! Bodies in several parts: RFC 2046 section 5.1 and RFC 5621, and the session description in them.

use keyphone_ua::sip::multipart::{self, Lack, MAX_DEPTH, MAX_PARTS};
use keyphone_ua::sip::{MediaType, Message, Multipart, Part, Request, SipError, StatusCode};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";

fn request(headers: &str, body: &str) -> Request {
    let text = format!("INVITE sip:bob@b.com SIP/2.0\r\n{headers}\r\n\r\n{body}");
    match Message::parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn mixed(parts: &str) -> Request {
    request("Content-Type: multipart/mixed;boundary=\"b 1\"", parts)
}

fn session(request: &Request) -> Result<Option<&str>, SipError> {
    request.session_body().map(|found| found.map(|bytes| std::str::from_utf8(bytes).unwrap()))
}

fn lacks(name: &str) -> Result<Option<&'static str>, SipError> {
    Err(SipError::Unsupported(Lack::Type(name.into())))
}

#[test]
fn a_plain_body_is_its_own_session_description() {
    assert_eq!(session(&request("c: application/SDP", SDP)), Ok(Some(SDP)));
    assert_eq!(session(&request("c: application/sdp\r\nContent-Disposition: session", SDP)), Ok(Some(SDP)));
    assert_eq!(session(&request("X: y", "")), Ok(None));
    assert_eq!(session(&request("X: y", SDP)), Err(SipError::Missing("Content-Type")));
    assert_eq!(session(&request("c: text/plain", "x")), lacks("text/plain"));
}

#[test]
fn the_session_description_is_found_among_other_parts() {
    // RFC 5621 section 3.1, with a part that need not be understood.
    let parts = format!(
        "preamble\r\n--b 1x\r\n--b 1 \t\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b 1\r\n\
         Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list;handling=optional\r\n\r\n\
         <a/>\r\n--b 1--\r\nepilogue\r\n--b 1\r\n"
    );
    let request = mixed(&parts);
    assert_eq!(session(&request), Ok(Some(SDP)));
    let media_type = request.headers.content_type().unwrap().unwrap();
    let read = Multipart::parse(&media_type, &request.body).unwrap();
    assert_eq!((read.parts.len(), read.parts[1].body), (2, b"<a/>".as_slice()));
    let required = mixed(&parts.replace(";handling=optional", ""));
    assert_eq!(session(&required), lacks("application/resource-lists+xml"));
    assert_eq!(session(&required).unwrap_err().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[test]
fn a_multipart_as_a_whole_may_be_optional() {
    let body = "--b\r\nContent-Type: text/x\r\n\r\nx\r\n--b--";
    let whole = |handling: &str| {
        request(
            &format!("Content-Type: multipart/mixed;boundary=b\r\nContent-Disposition: render;handling={handling}"),
            body,
        )
    };
    assert_eq!(session(&whole("optional")), Ok(None));
    assert_eq!(session(&whole("required")), lacks("text/x"));
}

#[test]
fn of_alternatives_the_last_one_that_we_understand_is_taken() {
    let part = |kind: &str, body: &str| format!("--b\r\nContent-Type: {kind}\r\n\r\n{body}\r\n");
    let alternative =
        |parts: &str| request("Content-Type: multipart/alternative; boundary=b", &format!("{parts}--b--"));
    let parts = part("application/sdp", SDP) + &part("application/sdp-ng", "x");
    assert_eq!(session(&alternative(&parts)), Ok(Some(SDP)));
    assert_eq!(session(&alternative(&part("a/b", "x"))), lacks("a/b"));
    // And inside another multipart (RFC 5621 section 4.1).
    let inner = format!("Content-Type: multipart/alternative;boundary=b\r\n\r\n{parts}--b--");
    assert_eq!(session(&mixed(&format!("--b 1\r\n{inner}\r\n--b 1--"))), Ok(Some(SDP)));
}

#[test]
fn a_body_for_another_purpose_or_in_a_coding_is_not_the_session() {
    let early = request("c: application/sdp\r\nContent-Disposition: early-session", SDP);
    assert_eq!(session(&early), lacks("application/sdp"));
    let optional = request("c: application/sdp\r\nContent-Disposition: early-session;handling=optional", SDP);
    assert_eq!(session(&optional), Ok(None));
    let gzip = request("c: application/sdp\r\ne: gzip", SDP);
    assert_eq!(session(&gzip), Err(SipError::Unsupported(Lack::Encoding("gzip".into()))));
    assert_eq!(session(&request("c: application/sdp\r\ne: Identity", SDP)), Ok(Some(SDP)));
}

#[test]
fn two_session_descriptions_are_one_too_many() {
    let part = format!("--b 1\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n");
    assert!(matches!(session(&mixed(&format!("{part}{part}--b 1--"))), Err(SipError::Body(_))));
}

#[test]
fn text_to_be_shown_is_found_as_well() {
    let text = request("c: text/plain;charset=UTF-8", "hello");
    let found = |request: &Request| {
        let found = multipart::rendered_body(&request.headers, &request.body, "text", "plain");
        found.map(|bytes| bytes.map(<[u8]>::to_vec))
    };
    assert_eq!(found(&text), Ok(Some(b"hello".to_vec())));
    // A part without a type is plain text (RFC 2045 section 5.2), a part may be empty, and have no header.
    assert_eq!(found(&mixed("--b 1\r\n\r\nhi\r\n--b 1--")), Ok(Some(b"hi".to_vec())));
    assert_eq!(found(&mixed("--b 1\r\n--b 1--")), Ok(Some(vec![])));
    for end in ["\r\n", "\r\n\r\n", "\r\n\r\n\r\n"] {
        assert_eq!(found(&mixed(&format!("--b 1\r\nContent-ID: <1@a>{end}--b 1--"))), Ok(Some(vec![])));
    }
}

#[test]
fn a_body_without_its_boundaries_is_malformed() {
    for bad in [
        "",
        "--b 1\r\n\r\nx",
        "--b 1\r\n\r\nx\r\n--b 1",
        "--b 1\r\n\r\nx\r\n --b 1--",
        "--b 1\r\n\r\nx\r\n--b 1\n--b 1--",
        "--b 1--\r\n",
        "--b 1\r\nno colon\r\n\r\n--b 1--",
        "x--b 1\r\n\r\nx\n--b 1--",
    ] {
        let mut request = mixed(bad);
        request.body = bad.into();
        let media_type = request.headers.content_type().unwrap().unwrap();
        assert!(Multipart::parse(&media_type, &request.body).is_err(), "{bad}");
    }
    for bad in ["multipart/mixed", "multipart/mixed;boundary=\"a \"", "multipart/mixed;boundary=\"\u{e9}\""] {
        let error = session(&request(&format!("Content-Type: {bad}"), "--a\r\n\r\n--a--")).unwrap_err();
        assert_eq!(error.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[test]
fn parts_and_depth_are_bounded() {
    let parts = |count| {
        mixed(&format!("{}--b 1--", "--b 1\r\nContent-Disposition: x;handling=optional\r\n\r\n\r\n".repeat(count)))
    };
    assert_eq!(session(&parts(MAX_PARTS)), Ok(None));
    assert!(matches!(session(&parts(MAX_PARTS + 1)), Err(SipError::TooLarge { limit: MAX_PARTS, .. })));
    let nested = |depth: usize| {
        let leaf = format!("Content-Type: application/sdp\r\n\r\n{SDP}");
        let part = (1..depth).rev().fold(leaf, |inner, level| {
            format!("Content-Type: multipart/mixed;boundary=b{level}\r\n\r\n--b{level}\r\n{inner}\r\n--b{level}--")
        });
        mixed(&format!("--b 1\r\n{part}\r\n--b 1--"))
    };
    assert_eq!(session(&nested(MAX_DEPTH)), Ok(Some(SDP)));
    assert!(matches!(session(&nested(MAX_DEPTH + 1)), Err(SipError::TooLarge { limit: MAX_DEPTH, .. })));
}

#[test]
fn what_is_written_is_read_again() {
    let mut referrer = Part::new("message/sipfrag", b"SIP/2.0 200 OK\r\n");
    referrer.headers.push("Content-ID", "<1@a.com>");
    let body = Multipart { parts: vec![Part::new("application/sdp", SDP.as_bytes()), referrer, Part::new("a/b", b"")] };
    let written = body.write("b").expect_err("the boundary stands in the parts");
    assert!(matches!(written, SipError::Body(_)));
    let written = body.write("7a;9");
    assert!(written.is_err(), "a boundary has no semicolon");
    let written = body.write("unique-1").unwrap();
    let expected = format!(
        "--unique-1\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--unique-1\r\nContent-Type: message/sipfrag\r\n\
         Content-ID: <1@a.com>\r\n\r\nSIP/2.0 200 OK\r\n\r\n--unique-1\r\nContent-Type: a/b\r\n\r\n\r\n--unique-1--\r\n"
    );
    assert_eq!(String::from_utf8_lossy(&written), expected);
    let media_type: MediaType = "multipart/mixed;boundary=unique-1".parse().unwrap();
    assert_eq!(Multipart::parse(&media_type, &written), Ok(body));
    assert!(Multipart::default().write("b").is_err());
}
