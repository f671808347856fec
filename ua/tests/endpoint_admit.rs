//! Which requests a phone takes (RFC 3261 section 8.2), and what it says that it can do (section 11.2).

use keyphone_config::{Config, PskEntry};
use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_ua::endpoint::{Endpoint, Input, MAX_ENTITY, MediaPorts, Output};
use keyphone_ua::sdp::Sdp;
use keyphone_ua::settings::{HangUp, Incoming, Plan, Play, Record, Secured, Settings};
use keyphone_ua::sip::{Message, Response, StatusCode};
use keyphone_ua::transaction::Transport;
use std::time::Duration;

struct Dice(u8);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for byte in buf {
            self.0 = self.0.wrapping_mul(5).wrapping_add(1);
            *byte = self.0;
        }
    }
}

struct Phone {
    endpoint: Endpoint,
    dice: Dice,
    at: Instant,
    branch: u32,
}

fn now(mono: Instant) -> Now {
    Now { mono, ntp: NtpTime::from_unix(Duration::from_secs(1_767_225_600)) }
}

fn rings() -> Incoming {
    let plan = Plan { play: Play::Silence, record: Record::Nothing, hang_up: HangUp::Never };
    Incoming::Answer { after: Duration::from_secs(9), early: None, plan }
}

impl Phone {
    /// Bob, who is nobody else, and has a key.
    fn new() -> Self {
        Self::of(rings(), 2)
    }

    fn of(incoming: Incoming, ports: u16) -> Self {
        let mut config = Config::default();
        config.account.from = "sip:bob@b.com".parse().unwrap();
        config.credentials.psks = vec![PskEntry::from_hex(None, "000102030405060708090a0b0c0d0e0f").unwrap()];
        let mut settings = Settings::new(&config, "10.0.0.2:5060".parse().unwrap()).unwrap();
        settings.incoming = incoming;
        let mut phone = Self {
            endpoint: Endpoint::new(settings, &now(Instant::ZERO)),
            dice: Dice(1),
            at: Instant::ZERO,
            branch: 0,
        };
        for port in 0..ports {
            let at = |port| std::net::SocketAddr::from(([10, 0, 0, 2], 4000 + port));
            phone.give(Input::Ports(MediaPorts { rtp: at(2 * port), rtcp: at(2 * port + 1) }));
        }
        phone
    }

    fn give(&mut self, input: Input<'_>) -> Vec<Output> {
        let mut out = vec![];
        let env = &mut Env { now: now(self.at), rng: &mut self.dice };
        self.endpoint.handle(input, env, &mut out);
        out
    }

    /// All that it answers to a request with these headers beside those that every request has.
    fn answers(&mut self, start: &str, headers: &str, body: &str) -> Vec<Response> {
        self.branch += 1;
        let (method, branch, length) = (start.split(' ').next().unwrap(), self.branch, body.len());
        let call_id = if headers.contains("Call-ID") { String::new() } else { format!("Call-ID: {branch}\r\n") };
        let text = format!(
            "{start} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK{branch}\r\nTo: <sip:bob@b.com>\r\n\
             From: <sip:alice@a.com>;tag=1\r\nCSeq: 1 {method}\r\nContact: <sip:alice@10.0.0.1>\r\n{call_id}{headers}\
             Content-Length: {length}\r\n\r\n{body}"
        );
        let from = "10.0.0.1:5060".parse().unwrap();
        let out = self.give(Input::Sip { from, transport: Transport::Udp, bytes: text.as_bytes() });
        let response = |output| match output {
            Output::Sip { bytes, .. } => match Message::parse(&bytes) {
                Ok(Message::Response(response)) => Some(response),
                other => panic!("{other:?}"),
            },
            _ => None,
        };
        out.into_iter().filter_map(response).collect()
    }

    fn answer(&mut self, start: &str, headers: &str, body: &str) -> Response {
        let mut answers = self.answers(start, headers, body);
        assert_eq!(answers.len(), 1, "{start} {headers}");
        answers.remove(0)
    }

    fn options(&mut self, headers: &str) -> Response {
        self.answer("OPTIONS sip:bob@10.0.0.2", headers, "")
    }
}

#[track_caller]
fn assert_says(response: &Response, status: u16, header: &str, value: &str) {
    assert_eq!((response.status.code(), response.headers.get(header)), (status, Some(value)), "{response:?}");
}

#[test]
fn a_method_that_we_know_of_gets_405_and_any_other_501() {
    let mut phone = Phone::new();
    for (method, status) in [("REGISTER", 405), ("PUBLISH", 405), ("FROB", 501), ("invite", 501)] {
        let answer = phone.answer(&format!("{method} sip:bob@10.0.0.2"), "", "");
        assert_says(&answer, status, "Allow", "INVITE");
        assert!(!answer.headers.allow().unwrap().iter().any(|allowed| allowed.as_str() == method));
    }
    // The method comes first (RFC 3261 section 8.2.1).
    assert_eq!(phone.answer("FROB tel:+1", "Require: x\r\n", "").status, StatusCode::NOT_IMPLEMENTED);
}

#[test]
fn a_request_for_somebody_else_is_refused() {
    let mut phone = Phone::new();
    for (uri, status) in [
        ("sip:bob@10.0.0.2", 200),
        ("sip:%62ob@b.com", 200),
        ("sip:10.0.0.2", 200),
        ("sip:Bob@10.0.0.2", 404),
        ("sip:carol@b.com", 404),
        ("tel:+1-201-555-0123", 416),
        ("urn:service:sos", 416),
    ] {
        let answer = phone.answer(&format!("OPTIONS {uri}"), "", "");
        assert_eq!(answer.status.code(), status, "{uri}");
        assert_eq!(answer.headers.warning().unwrap().len(), usize::from(status != 200), "{uri}");
    }
    // Whom To names does not matter (RFC 3261 section 8.2.2.1): all of these said bob.
}

#[test]
fn a_request_that_comes_two_ways_is_taken_once() {
    let mut phone = Phone::new();
    let twice = "Call-ID: same\r\n";
    assert_eq!(phone.options(twice).status, StatusCode::OK);
    assert_eq!(phone.options(twice).status, StatusCode::LOOP_DETECTED);
    assert_eq!(phone.options("Call-ID: other\r\n").status, StatusCode::OK);
    // The first transaction is over after timer J (RFC 3261 section 17.2.2).
    phone.at = phone.at + Duration::from_secs(40);
    phone.give(Input::Timeout);
    assert_eq!(phone.options(twice).status, StatusCode::OK);
}

#[test]
fn what_we_do_not_understand_and_must_is_listed() {
    let mut phone = Phone::new();
    let answer = phone.options("Require: Foo, bar\r\nProxy-Require: sec-agree\r\n");
    assert_eq!(answer.status, StatusCode::BAD_EXTENSION);
    let listed: Vec<_> = answer.headers.all("Unsupported").collect();
    assert_eq!(listed, ["Foo", "bar"], "Proxy-Require is for proxies");
    assert_eq!(phone.options("Proxy-Require: sec-agree\r\n").status, StatusCode::OK);
    for bad in ["Require: a b\r\n", "Require:\r\n", "Require: a,,b\r\n"] {
        let answer = phone.options(bad);
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(answer.reason.starts_with("Bad Request: the Require header is malformed"), "{}", answer.reason);
    }
}

#[test]
fn a_body_that_we_do_not_read_is_refused_unless_it_is_optional() {
    let mut phone = Phone::new();
    let invite = "INVITE sip:bob@10.0.0.2";
    assert_says(&phone.answer(invite, "Content-Type: text/plain\r\n", "x"), 415, "Accept", "application/sdp");
    let gzip = "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n";
    assert_says(&phone.answer(invite, gzip, "x"), 415, "Accept-Encoding", "identity");
    let optional = "Content-Type: text/plain\r\nContent-Disposition: render;handling=optional\r\n";
    assert_ne!(phone.answer(invite, optional, "x").status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(phone.answer("OPTIONS sip:bob@10.0.0.2", optional, "x").status, StatusCode::OK);
    let broken = phone.answer(invite, "Content-Type: multipart/mixed;boundary=b\r\n", "x");
    assert!(broken.reason.starts_with("Bad Request: the body is malformed"), "{}", broken.reason);
    assert_eq!(phone.answer(invite, "", "x").status, StatusCode::BAD_REQUEST, "a body has a type");
}

#[test]
fn a_body_beyond_the_limit_is_too_large() {
    let mut phone = Phone::new();
    let large = "x".repeat(MAX_ENTITY + 1);
    let answer = phone.answer("OPTIONS sip:bob@10.0.0.2", "Content-Type: application/sdp\r\n", &large);
    assert_eq!(answer.status, StatusCode::REQUEST_ENTITY_TOO_LARGE);
    let huge = "x".repeat(1024 * 1024 + 1);
    let answer = phone.answer("OPTIONS sip:bob@10.0.0.2", "Content-Type: application/sdp\r\n", &huge);
    assert_eq!(answer.status, StatusCode::REQUEST_ENTITY_TOO_LARGE, "not even read");
    let fields = "X: y\r\n".repeat(300);
    assert_eq!(phone.options(&fields).status, StatusCode::MESSAGE_TOO_LARGE);
}

#[test]
fn a_caller_who_cannot_take_a_session_description_is_refused() {
    let mut phone = Phone::new();
    for (accept, status) in [("text/html", 406), ("", 406), ("application/sdp;q=0, */*", 406), ("sdp", 400)] {
        let answer = phone.answer("INVITE sip:bob@10.0.0.2", &format!("Accept: {accept}\r\n"), "");
        assert_eq!(answer.status.code(), status, "{accept}");
    }
}

#[test]
fn a_last_hop_is_far_enough_for_us() {
    assert_eq!(Phone::new().options("Max-Forwards: 0\r\n").status, StatusCode::OK);
}

#[test]
fn options_tells_what_we_can_do() {
    let mut phone = Phone::new();
    let answer = phone.options("");
    assert_eq!(answer.status, StatusCode::OK);
    for name in ["Allow", "Accept", "Accept-Encoding", "Accept-Language", "Supported"] {
        assert!(answer.headers.get(name).is_some(), "{name}");
    }
    let sdp = Sdp::parse(&answer.body).unwrap();
    let m = sdp.media()[0].m();
    // RFC 3264 section 9: port 0, and all formats.
    assert_eq!((m.media.as_str(), m.port, m.proto.as_str()), ("audio", 0, "RTP/SAVP"));
    assert!(!m.formats.is_empty() && sdp.to_string().contains("a=rtpmap:"));
    assert!(phone.options("Accept: text/plain\r\n").body.is_empty());
    assert!(!phone.options("Accept: application/*\r\n").body.is_empty());
}

#[test]
fn options_gets_the_status_that_an_invite_would_get() {
    let busy = StatusCode::BUSY_HERE;
    assert_eq!(Phone::of(Incoming::Refuse(busy), 1).options("").status, busy);
    assert_says(&Phone::of(rings(), 0).options(""), 503, "Retry-After", "5");
    let elsewhere = Incoming::Redirect(vec!["sip:carol@c.com".parse().unwrap()]);
    assert_says(&Phone::of(elsewhere, 1).options(""), 302, "Contact", "<sip:carol@c.com>");
}

#[test]
fn a_sips_uri_is_for_tls_and_for_nothing_else() {
    // RFC 5630 section 5.1.2.
    let refused = Phone::new().answers("OPTIONS sips:bob@b.com", "", "").remove(0);
    assert_eq!(refused.status, StatusCode::TEMPORARILY_UNAVAILABLE);
    assert_eq!(refused.headers.warning().unwrap()[0].code, 380);
    let mut config = Config::default();
    config.account.from = "sip:bob@b.com".parse().unwrap();
    let mut settings = Settings::new(&config, "10.0.0.2:5060".parse().unwrap()).unwrap();
    settings.tls = Secured { connects: true, port: Some(5061) };
    let mut phone = Phone::new();
    settings.incoming = rings();
    phone.endpoint = Endpoint::new(settings, &now(Instant::ZERO));
    let at = |port| std::net::SocketAddr::from(([10, 0, 0, 2], port));
    phone.give(Input::Ports(MediaPorts { rtp: at(4000), rtcp: at(4001) }));
    let status = |phone: &mut Phone, contact: &str, transport: Transport| {
        phone.branch += 1;
        let branch = phone.branch;
        let text = format!(
            "OPTIONS sips:bob@b.com SIP/2.0\r\nVia: SIP/2.0/{transport} 10.0.0.1;branch=z9hG4bKs{branch}\r\n\
             To: <sips:bob@b.com>\r\nFrom: <sips:alice@a.com>;tag=1\r\nCSeq: 1 OPTIONS\r\nCall-ID: s{branch}\r\n\
             Contact: <{contact}>\r\nContent-Length: 0\r\n\r\n"
        );
        let from = "10.0.0.1:5061".parse().unwrap();
        let out = phone.give(Input::Sip { from, transport, bytes: text.as_bytes() });
        let Some(Output::Sip { bytes, .. }) = out.into_iter().next() else { panic!("no answer") };
        match Message::parse(&bytes).unwrap() {
            Message::Response(response) => response.status.code(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status(&mut phone, "sips:alice@10.0.0.1", Transport::Udp), 400);
    assert_eq!(status(&mut phone, "sip:alice@10.0.0.1", Transport::Tls), 400);
    assert_eq!(status(&mut phone, "sips:alice@10.0.0.1", Transport::Tls), 200);
}
