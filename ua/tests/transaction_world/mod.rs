//! A table alone in simulated time, and a log that reads like the RFC's figures: `500 send INVITE`.

#![allow(dead_code, reason = "each test file uses its own part of the world")]

use keyphone_media::env::{Env, Instant, Now, NtpTime, Rng};
use keyphone_ua::locate::{Abilities, Answer, Kind, Question, Record};
use keyphone_ua::sip::{Message, Request, StatusCode, Uri, make};
use keyphone_ua::transaction::{ClientKey, Destination, Local, Output, ServerKey, Table, Timers, Transport};
use std::net::SocketAddr;
use std::time::Duration;

/// The example of RFC 3261 section 17.1.1.3, with a Route and a body.
pub(crate) const INVITE: &str = "INVITE sip:bob@biloxi.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\n\
    Route: <sip:proxy.atlanta.com;lr>\r\nTo: Bob <sip:bob@biloxi.com>\r\n\
    From: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\nMax-Forwards: 70\r\nCall-ID: 987asjd97y7atg\r\n\
    CSeq: 986759 INVITE\r\nContact: <sip:alice@pc33.atlanta.com>\r\nContent-Type: text/plain\r\n\
    Content-Length: 2\r\n\r\nhi";

/// The ACK of a refusal: the INVITE's branch.
pub(crate) const ACK: &str = "ACK sip:bob@biloxi.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\nTo: Bob <sip:bob@biloxi.com>;tag=99sa0xk\r\n\
    From: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\nMax-Forwards: 70\r\nCall-ID: 987asjd97y7atg\r\n\
    CSeq: 986759 ACK\r\nContent-Length: 0\r\n\r\n";

/// The ACK of a 2xx: a branch of its own.
pub(crate) const ACK_OF_2XX: &str = "ACK sip:bob@192.0.2.4 SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKown\r\nTo: Bob <sip:bob@biloxi.com>;tag=99sa0xk\r\n\
    From: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\nMax-Forwards: 70\r\nCall-ID: 987asjd97y7atg\r\n\
    CSeq: 986759 ACK\r\nContent-Length: 0\r\n\r\n";

/// Withdraws the INVITE.
pub(crate) const CANCEL: &str = "CANCEL sip:bob@biloxi.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\nTo: Bob <sip:bob@biloxi.com>\r\n\
    From: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\nMax-Forwards: 70\r\nCall-ID: 987asjd97y7atg\r\n\
    CSeq: 986759 CANCEL\r\nContent-Length: 0\r\n\r\n";

/// Some request that is no INVITE.
pub(crate) const OPTIONS: &str = "OPTIONS sip:bob@biloxi.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKoptions\r\nTo: Bob <sip:bob@biloxi.com>\r\n\
    From: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\nMax-Forwards: 70\r\nCall-ID: 987asjd97y7atg\r\n\
    CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

/// Another.
pub(crate) const BYE: &str = "BYE sip:bob@biloxi.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKbye\r\nTo: Bob <sip:bob@biloxi.com>;tag=99sa0xk\r\n\
    From: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\nMax-Forwards: 70\r\nCall-ID: 987asjd97y7atg\r\n\
    CSeq: 986760 BYE\r\nContent-Length: 0\r\n\r\n";

/// A response to one of these; `branch` without its cookie.
pub(crate) fn response(code: u16, method: &str, branch: &str, tag: &str) -> String {
    let seq = if method == "OPTIONS" { 1 } else { 986_759 };
    format!(
        "SIP/2.0 {code} Whatever\r\nVia: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK{branch};received=192.0.2.9\r\n\
         To: Bob <sip:bob@biloxi.com>;tag={tag}\r\nFrom: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\n\
         Call-ID: 987asjd97y7atg\r\nCSeq: {seq} {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A response to [`INVITE`].
pub(crate) fn to_invite(code: u16) -> String {
    response(code, "INVITE", "kjshdyff", "99sa0xk")
}

/// A response to [`OPTIONS`].
pub(crate) fn to_options(code: u16) -> String {
    response(code, "OPTIONS", "options", "99sa0xk")
}

/// Reads a message that must be one.
pub(crate) fn message(text: &str) -> Message {
    Message::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Reads a request that must be one.
pub(crate) fn request(text: &str) -> Request {
    match message(text) {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response: {text}"),
    }
}

/// One table, its clock, and what came out.
pub(crate) struct World {
    pub(crate) table: Table,
    /// Milliseconds.
    pub(crate) now: u64,
    /// The transactions that came up to the TU.
    pub(crate) requests: Vec<(ServerKey, Request)>,
    /// Our own.
    pub(crate) clients: Vec<ClientKey>,
    /// Whom a CANCEL named.
    pub(crate) cancelled: Option<ServerKey>,
    /// What was sent, and where.
    pub(crate) sent: Vec<(SocketAddr, Transport, Vec<u8>)>,
}

struct Dice(u8);

impl Rng for Dice {
    fn fill(&mut self, buf: &mut [u8]) {
        for byte in buf {
            self.0 = self.0.wrapping_mul(5).wrapping_add(1);
            *byte = self.0;
        }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Table::default())
    }

    /// With TLS, and known to be there.
    pub(crate) fn local(local: Local) -> Self {
        let abilities = Abilities { tls: true, ..Abilities::default() };
        Self::with(Table::default().able(abilities).at(local))
    }

    /// At most so many transactions.
    pub(crate) fn limited(most: usize) -> Self {
        Self::with(Table::new(Timers::default(), most))
    }

    fn with(table: Table) -> Self {
        Self { table, now: 0, requests: Vec::new(), clients: Vec::new(), cancelled: None, sent: Vec::new() }
    }

    /// Where everybody else is.
    pub(crate) fn peer() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 5060))
    }

    pub(crate) fn request(&mut self, text: &str, transport: Transport) -> Vec<String> {
        let dest = Destination { addr: Self::peer(), transport };
        let request = request(text);
        self.act(|world, env, out| {
            let key = world.table.request(request, dest, env, out).unwrap();
            world.clients.push(key);
        })
    }

    pub(crate) fn hear(&mut self, text: &str) -> Vec<String> {
        self.hear_over(text, Transport::Udp)
    }

    pub(crate) fn hear_over(&mut self, text: &str, transport: Transport) -> Vec<String> {
        self.hear_message(message(text), transport)
    }

    pub(crate) fn hear_message(&mut self, message: Message, transport: Transport) -> Vec<String> {
        self.act(|world, env, out| world.table.receive(message, Self::peer(), transport, env, out))
    }

    /// The TU answers what came up last.
    pub(crate) fn respond(&mut self, code: u16) -> Vec<String> {
        self.respond_to(self.requests.len() - 1, code)
    }

    pub(crate) fn respond_to(&mut self, index: usize, code: u16) -> Vec<String> {
        let (key, request) = &self.requests[index];
        let (key, response) = (*key, make::response(request, StatusCode::new(code).unwrap(), Some("99sa0xk")));
        self.act(|world, env, out| world.table.respond(key, &response, env, out))
    }

    /// The call of our last request is over.
    pub(crate) fn leave(&mut self) -> Vec<String> {
        let key = *self.clients.last().unwrap();
        self.act(|world, env, out| world.table.leave(key, env, out))
    }

    pub(crate) fn fail(&mut self, transport: Transport) -> Vec<String> {
        self.act(|world, env, out| world.table.transport_failed(Self::peer(), transport, "", env, out))
    }

    /// It could not deliver to this address.
    pub(crate) fn fail_at(&mut self, to: &str, transport: Transport) -> Vec<String> {
        let to = to.parse().unwrap();
        self.act(|world, env, out| world.table.transport_failed(to, transport, "", env, out))
    }

    /// The resolver says where a host is.
    pub(crate) fn found(&mut self, name: &str, addresses: &[&str]) -> Vec<String> {
        let records = addresses.iter().map(|address| Record::Host(address.parse().unwrap())).collect();
        let answer = Answer::Records(records, Duration::from_secs(60));
        let question = Question::new(name, Kind::Host);
        self.act(|world, env, out| world.table.found(&question, answer, env, out))
    }

    /// A request to whom a URI means.
    pub(crate) fn request_to(&mut self, text: &str, uri: &str) -> Vec<String> {
        let uri: Uri = uri.parse().unwrap();
        let request = request(text);
        self.act(|world, env, out| {
            let key = world.table.request(request, uri, env, out).unwrap();
            world.clients.push(key);
        })
    }

    /// Lets time pass, each timer at its moment.
    pub(crate) fn wait(&mut self, ms: u64) -> Vec<String> {
        let end = self.now + ms;
        let mut log = Vec::new();
        while let Some(at) = self.table.next_timeout().map(|at| at.as_micros().div_ceil(1000)).filter(|at| *at <= end) {
            self.now = at.max(self.now);
            log.extend(self.act(|world, env, out| world.table.timeout(env, out)));
        }
        self.now = end;
        log
    }

    pub(crate) fn last_sent(&self) -> String {
        String::from_utf8(self.sent.last().unwrap().2.clone()).unwrap()
    }

    fn act(&mut self, act: impl FnOnce(&mut Self, &mut Env<'_>, &mut Vec<Output>)) -> Vec<String> {
        let mono = Instant::ZERO + Duration::from_millis(self.now);
        let mut rng = Dice(self.now as u8);
        let mut env = Env { now: Now { mono, ntp: NtpTime(0) }, rng: &mut rng };
        let mut out = Vec::new();
        act(self, &mut env, &mut out);
        let now = self.now;
        out.into_iter().map(|output| format!("{now} {}", self.note(output))).collect()
    }

    fn note(&mut self, output: Output) -> String {
        match output {
            Output::Send { to, transport, bytes, .. } => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let mut words = text.split([' ', '\r']);
                let first = words.next().unwrap();
                let what = if first == "SIP/2.0" { words.next().unwrap() } else { first }.to_owned();
                assert!(Message::parse(&bytes).is_ok(), "what is sent can be read: {text}");
                self.sent.push((to, transport, bytes));
                format!("send {what}")
            }
            Output::Request { key, request } => {
                let line = format!("request {}", request.method);
                self.requests.push((key, request));
                line
            }
            Output::Ack(_) => "ack".into(),
            Output::Cancel { invite, key, request } => {
                self.cancelled = Some(invite);
                self.requests.push((key, request));
                "cancel".into()
            }
            Output::Response { response, .. } => format!("response {}", response.status),
            Output::TimedOut { .. } => "timed out".into(),
            Output::TransportFailed { .. } => "transport failed".into(),
            Output::Lookup(question) => format!("look up {question}"),
            Output::Stray(response) => format!("stray {}", response.status),
        }
    }
}
