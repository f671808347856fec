//! Every message of RFC 4475 and RFC 5118, sent over UDP to a phone that runs: it answers as the table says, or not at
//! all, and takes a call afterwards.
#![allow(clippy::disallowed_methods, reason = "the messages come over a real socket")]

mod support;
#[path = "../../tests/torture_table/mod.rs"]
mod torture_table;

use keyphone_ua::sip::{Message, Method, Request, Response, make};
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use support::{KEY, Running, keyphone};
use torture_table::{Reply, Row, all};

/// Where the messages come from: responses go to the port that their Via names, on this address.
const US: &str = "127.31.41.59";

struct Phone {
    running: Running,
    address: SocketAddr,
    /// The transactions that it has, by top Via and method: some messages would be retransmissions of others.
    transactions: BTreeSet<(String, String)>,
}

impl Phone {
    fn start() -> Self {
        let (running, address) = Running::answer("127.0.0.1", &["--psk", KEY]);
        Self { running, address: address.parse().unwrap(), transactions: BTreeSet::new() }
    }

    /// All that it answers to a message. It takes datagrams in their order, so once it has answered an OPTIONS that came
    /// after the message, it has said what it says to the message.
    fn answers(&self, row: &Row) -> Vec<Response> {
        let message = Message::parse(row.bytes).ok();
        let port = message.as_ref().and_then(|m| m.headers().via().ok()?.port).unwrap_or(5060);
        let socket = UdpSocket::bind((US, port)).unwrap();
        socket.send_to(row.bytes, self.address).unwrap();
        self.assert_alive(row.name);
        socket.set_nonblocking(true).unwrap();
        let mut answers = vec![];
        let mut buffer = [0; 65_536];
        while let Ok(length) = socket.recv(&mut buffer) {
            let Ok(Message::Response(response)) = Message::parse(&buffer[..length]) else { panic!("{}", row.name) };
            // Others may be repeated meanwhile.
            if response.headers.get("Call-ID") == call_id(row).as_deref() {
                answers.push(response);
            }
        }
        if let (Some(Message::Request(invite)), [answer, ..]) = (&message, &answers[..])
            && invite.method == Method::Invite
            && let Ok(ack) = make::ack(invite, answer)
        {
            socket.send_to(&ack.to_bytes(), self.address).unwrap();
        }
        answers
    }

    fn assert_alive(&self, after: &str) {
        let socket = UdpSocket::bind((US, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut ping = Request::new(Method::Options, format!("sip:{}", self.address).parse().unwrap());
        for (name, value) in [
            ("Via", format!("SIP/2.0/UDP {US}:{port};rport;branch=z9hG4bK{after}{port}")),
            ("From", "<sip:ping@example.com>;tag=1".into()),
            ("To", "<sip:pong@example.com>".into()),
            ("Call-ID", format!("{after}{port}")),
            ("CSeq", "1 OPTIONS".into()),
        ] {
            ping.headers.push(name, value);
        }
        socket.send_to(&ping.to_bytes(), self.address).unwrap();
        let mut buffer = [0; 65_536];
        let length = socket.recv(&mut buffer).unwrap_or_else(|e| panic!("the phone is dead after {after}: {e}"));
        assert!(buffer[..length].starts_with(b"SIP/2.0 200 "), "{after}");
    }
}

/// As it is written, even where the message cannot be read.
fn call_id(row: &Row) -> Option<String> {
    let text = String::from_utf8_lossy(row.bytes);
    let mut lines = text.split("\r\n").take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
    let is_name = |name: &str| ["call-id", "i"].contains(&name.trim().to_ascii_lowercase().as_str());
    lines.find(|(name, _)| is_name(name)).map(|(_, value)| value.trim().to_owned())
}

fn transaction(row: &Row) -> Option<(String, String)> {
    match Message::parse(row.bytes).ok()? {
        Message::Request(request) => Some((request.headers.via().ok()?.to_string(), request.method.to_string())),
        Message::Response(_) => None,
    }
}

#[test]
fn every_torture_message_is_answered_as_the_table_says_and_the_phone_lives_on() {
    let mut phones = vec![Phone::start()];
    for row in all() {
        let transaction = transaction(row);
        let is_new = |phone: &Phone| transaction.as_ref().is_none_or(|t| !phone.transactions.contains(t));
        let at = phones.iter().position(is_new).unwrap_or_else(|| {
            phones.push(Phone::start());
            phones.len() - 1
        });
        phones[at].transactions.extend(transaction.clone());
        let answers = phones[at].answers(row);
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status.code()).collect();
        match row.reply {
            Reply::Status(status) => assert_eq!(statuses, [status], "{}", row.name),
            Reply::Silence => assert!(statuses.is_empty(), "{}: {statuses:?}", row.name),
        }
        for answer in &answers {
            says_what_its_status_asks_for(row, answer);
        }
    }
    for phone in phones {
        let uri = format!("sip:bob@{}", phone.address);
        let call = keyphone(&["call", &uri, "--psk", KEY, "--for", "200ms", "--json"]);
        assert_eq!(call.code, Some(0), "{}{}", call.stdout, call.stderr);
        phone.running.signal("INT");
        assert_eq!(phone.running.finish().code, Some(0));
    }
}

fn says_what_its_status_asks_for(row: &Row, answer: &Response) {
    let headers = &answer.headers;
    let says = |name: &str| headers.get(name).is_some();
    let is_complete = match answer.status.code() {
        200 => ["Allow", "Accept", "Accept-Encoding", "Accept-Language", "Supported"].into_iter().all(says),
        400 => answer.reason.starts_with("Bad Request: "),
        405 | 501 if row.name != "mismatch02" => !headers.allow().unwrap().is_empty(),
        406 | 416 => says("Warning"),
        415 => says("Accept"),
        420 => headers.unsupported().unwrap() == ["nothingsupportsthis", "nothingsupportsthiseither"],
        _ => true,
    };
    assert!(is_complete, "{}: {}", row.name, String::from_utf8_lossy(&answer.to_bytes()));
}
