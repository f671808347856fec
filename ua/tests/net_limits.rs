//! Peers that want to hurt us over connections and datagrams: each attack ends, and who behaves is served meanwhile.
#![allow(clippy::disallowed_methods, reason = "hostile peers have real sockets, and time of their own")]

mod net_world;

use keyphone_ua::event::{Event, Outcome};
use keyphone_ua::net::Limits;
use keyphone_ua::settings::{Incoming, System};
use keyphone_ua::transaction::Transport;
use net_world::{GUARD, Phone, plan, run};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn tight() -> Limits {
    Limits { message: ms(300), write: ms(300), connect: ms(1000), ..Limits::default() }
}

/// A client that writes its own bytes.
struct Raw {
    stream: TcpStream,
    heard: String,
}

impl Raw {
    async fn to(addr: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(addr).await.unwrap(), heard: String::new() }
    }

    async fn from(ip: &str, addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((ip.parse::<std::net::IpAddr>().unwrap(), 0).into()).unwrap();
        Self { stream: socket.connect(addr).await.unwrap(), heard: String::new() }
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads on until this has been heard.
    async fn hear(&mut self, what: &str) {
        let mut buf = [0; 4096];
        while !self.heard.contains(what) {
            let len = timeout(GUARD, self.stream.read(&mut buf)).await.expect(what).unwrap();
            assert_ne!(len, 0, "closed before {what}, after {}", self.heard);
            self.heard += &String::from_utf8_lossy(&buf[..len]);
        }
    }

    /// Reads on until the other side closes.
    async fn closed(mut self) -> String {
        let mut buf = [0; 4096];
        loop {
            match timeout(GUARD, self.stream.read(&mut buf)).await.expect("it is closed") {
                Ok(0) | Err(_) => return self.heard,
                Ok(len) => self.heard += &String::from_utf8_lossy(&buf[..len]),
            }
        }
    }

    /// Asks for what it can do, and is told.
    async fn is_served(&mut self, number: usize) {
        let text = options(number, "");
        self.say(&text).await;
        self.hear(&format!("CSeq: {number} OPTIONS")).await;
    }
}

fn request(method: &str, number: usize, more: &str, body: &str) -> String {
    format!(
        "{method} sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9:5060;branch=z9hG4bKraw{method}{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:raw@192.0.2.9>;tag=a{number}\r\nTo: <sip:bob@127.0.0.1>\r\n\
         Call-ID: raw{number}@192.0.2.9\r\nCSeq: {number} {method}\r\nContact: <sip:raw@192.0.2.9;transport=tcp>\r\n\
         {more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn options(number: usize, more: &str) -> String {
    request("OPTIONS", number, more, "")
}

#[tokio::test]
async fn a_sender_who_never_finishes_a_message_is_given_up_however_it_trickles() {
    run(async {
        let bob = Phone::new("127.2.1.2", None, tight()).await;
        let mut honest = Raw::to(bob.sip).await;
        let mut slow = Raw::to(bob.sip).await;
        slow.say("OPTIONS sip:bob@127.2.1.2 SIP/2.0\r\nVia: ").await;
        slow.closed().await;
        let mut trickle = Raw::to(bob.sip).await;
        // A byte now and then keeps nothing alive: the whole message has one time.
        timeout(GUARD, async {
            while trickle.stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(ms(10)).await
            }
        })
        .await
        .expect("it is closed");
        // A message announced longer than it is never ends either.
        let mut liar = Raw::to(bob.sip).await;
        liar.say(&options(1, "").replace("Content-Length: 0", "Content-Length: 100")).await;
        assert_eq!(liar.closed().await, "");
        honest.is_served(2).await;
    })
    .await;
}

#[tokio::test]
async fn a_head_without_an_end_and_a_stream_without_lengths_are_cut_off() {
    run(async {
        let bob = Phone::new("127.2.2.2", None, tight()).await;
        let mut honest = Raw::to(bob.sip).await;
        let mut endless = Raw::to(bob.sip).await;
        endless.say("OPTIONS sip:bob@127.2.2.2 SIP/2.0\r\n").await;
        let header = format!("X-Filler: {}\r\n", "y".repeat(4000));
        timeout(GUARD, async { while endless.stream.write_all(header.as_bytes()).await.is_ok() {} })
            .await
            .expect("it is closed");
        let mut without = Raw::to(bob.sip).await;
        without.say(&options(1, "").replace("Content-Length: 0\r\n", "")).await;
        assert_eq!(without.closed().await, "");
        honest.is_served(1).await;
    })
    .await;
}

#[tokio::test]
async fn a_body_longer_than_announced_is_no_message_of_its_own() {
    run(async {
        let bob = Phone::new("127.2.3.2", None, tight()).await;
        let mut raw = Raw::to(bob.sip).await;
        let text = options(1, "") + &"z".repeat(500);
        raw.say(&text).await;
        raw.hear("CSeq: 1 OPTIONS").await;
        let heard = raw.closed().await;
        assert_eq!(heard.matches("SIP/2.0 ").count() - heard.matches("Via: SIP/2.0 ").count(), 1, "{heard}");
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_asks_and_never_reads_is_given_up() {
    run(async {
        let bob = Phone::new("127.2.4.2", None, tight()).await;
        let mut honest = Raw::to(bob.sip).await;
        let mut deaf = Raw::to(bob.sip).await;
        let many: String = (1..200).map(|n| options(n, "")).collect();
        timeout(GUARD, async { while deaf.stream.write_all(many.as_bytes()).await.is_ok() {} })
            .await
            .expect("it is closed");
        honest.is_served(1).await;
    })
    .await;
}

#[tokio::test]
async fn one_address_cannot_keep_others_out_and_loses_its_own_oldest() {
    run(async {
        let limits = Limits { per_source: 4, ..tight() };
        let bob = Phone::new("127.2.5.2", None, limits).await;
        let mut all = vec![];
        for n in 1..=4 {
            let mut raw = Raw::from("127.2.5.9", bob.sip).await;
            raw.is_served(n).await;
            all.push(raw);
        }
        let mut fifth = Raw::from("127.2.5.9", bob.sip).await;
        fifth.is_served(5).await;
        all.remove(0).closed().await;
        all[2].is_served(6).await;
        let mut other = Raw::from("127.2.5.8", bob.sip).await;
        other.is_served(7).await;
    })
    .await;
}

#[tokio::test]
async fn when_there_are_too_many_the_one_goes_that_was_silent_longest_but_none_that_a_call_needs() {
    run(async {
        let limits = Limits { connections: 4, ..tight() };
        let bob = Phone::with("127.2.6.2", None, limits, |settings| {
            settings.keying = vec![System::Clear];
            settings.policy.media.allow_clear = true;
            settings.incoming = Incoming::Ring { plan: plan(keyphone_ua::settings::HangUp::Never) };
        })
        .await;
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.2.6.9\r\ns=-\r\nc=IN IP4 127.2.6.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
        let mut caller = Raw::from("127.2.6.9", bob.sip).await;
        caller.say(&request("INVITE", 1, "Content-Type: application/sdp\r\n", sdp)).await;
        caller.hear("SIP/2.0 180 ").await;
        let mut idle = Raw::from("127.2.6.10", bob.sip).await;
        idle.is_served(1).await;
        let mut newer = vec![];
        for n in 11..=13 {
            let mut raw = Raw::from(&format!("127.2.6.{n}"), bob.sip).await;
            raw.is_served(n).await;
            newer.push(raw);
        }
        idle.closed().await;
        let cancel = request("CANCEL", 1, "", "").replace("z9hG4bKrawCANCEL1", "z9hG4bKrawINVITE1");
        caller.say(&cancel).await;
        caller.hear("SIP/2.0 487 ").await;
    })
    .await;
}

#[tokio::test]
async fn a_ping_is_answered_and_a_pong_is_no_half_of_a_ping() {
    run(async {
        let bob = Phone::new("127.2.7.2", None, tight()).await;
        let mut raw = Raw::to(bob.sip).await;
        raw.say("\r\n\r\n").await;
        raw.hear("\r\n").await;
        assert_eq!(raw.heard, "\r\n");
        // Cut in the middle it is a ping all the same.
        raw.say("\r\n").await;
        tokio::task::yield_now().await;
        raw.say("\r\n").await;
        raw.hear("\r\n\r\n").await;
        raw.is_served(1).await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_we_made_is_asked_for_signs_of_life_and_given_up_without() {
    run(async {
        let limits = Limits { ping: ms(100), pong: ms(400), ..tight() };
        let mut alice = Phone::new("127.2.8.1", None, limits).await;
        let listener = TcpListener::bind("127.2.8.2:0").await.unwrap();
        alice.call_at(listener.local_addr().unwrap(), Transport::Tcp);
        let (stream, _) = listener.accept().await.unwrap();
        let mut raw = Raw { stream, heard: String::new() };
        raw.hear("INVITE sip:bob@127.2.8.2").await;
        let head = raw.heard.find("\r\n\r\n").unwrap() + 4;
        let length = raw.heard.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let invite = head + length.parse::<usize>().unwrap();
        while raw.heard.len() < invite {
            let mut buf = [0; 4096];
            let len = raw.stream.read(&mut buf).await.unwrap();
            raw.heard += &String::from_utf8_lossy(&buf[..len]);
        }
        raw.heard.drain(..invite);
        for _ in 0..3 {
            raw.hear("\r\n\r\n").await;
            raw.heard.clear();
            raw.say("\r\n").await;
        }
        // And now it is silent.
        raw.hear("\r\n\r\n").await;
        let (peer, what) = alice.trouble().await;
        assert!(peer.contains("127.2.8.2"), "{peer}");
        assert_eq!(what, "it does not answer any more (RFC 5626 section 4.4.1)");
        assert!(alice.failure().await.contains("it does not answer any more"));
    })
    .await;
}

#[tokio::test]
async fn a_response_that_comes_on_another_connection_is_not_taken() {
    run(async {
        let mut alice = Phone::new("127.2.9.1", None, tight()).await;
        let listener = TcpListener::bind("127.2.9.2:0").await.unwrap();
        alice.call_at(listener.local_addr().unwrap(), Transport::Tcp);
        let (stream, _) = listener.accept().await.unwrap();
        let mut bob = Raw { stream, heard: String::new() };
        bob.hear("\r\n\r\n").await;
        let answer = |code: &str| {
            let headers = bob
                .heard
                .lines()
                .filter(|l| ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|h| l.starts_with(h)));
            let headers: Vec<_> =
                headers.map(|l| if l.starts_with("To:") { format!("{l};tag=b") } else { l.into() }).collect();
            format!("SIP/2.0 {code}\r\n{}\r\nContent-Length: 0\r\n\r\n", headers.join("\r\n"))
        };
        let (forged, true_one) = (answer("603 Decline"), answer("486 Busy Here"));
        // Mallory has seen the branch, and has a connection of his own.
        let mut mallory = Raw::to(alice.sip).await;
        mallory.say(&forged).await;
        mallory.is_served(1).await;
        bob.say(&true_one).await;
        assert!(matches!(alice.outcome().await, Outcome::Failed { status: Some(486), .. }));
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_call_to_a_closed_port_fails_at_once() {
    run(async {
        let mut alice = Phone::new("127.2.10.1", None, tight()).await;
        // Bound and let go: nobody listens there.
        let closed = std::net::UdpSocket::bind("127.2.10.2:0").unwrap().local_addr().unwrap();
        alice.call_at(closed, Transport::Udp);
        // Timer B is 32 s, and the guard 30.
        let why = alice.failure().await;
        assert!(why.contains("cannot be reached over UDP: nobody listens there (ICMP: port unreachable)"), "{why}");
        // Whoever is there is still called.
        let mut bob = Phone::new("127.2.10.3", None, tight()).await;
        alice.call_at(closed, Transport::Udp);
        alice.call_at(bob.sip, Transport::Udp);
        alice.wait(|event| matches!(event, Event::Answered { .. }).then_some(())).await;
        alice.hang_up();
        assert!(matches!(bob.outcome().await, Outcome::Completed { .. }));
    })
    .await;
}

#[tokio::test]
async fn a_refused_connection_fails_the_call_with_that_word() {
    run(async {
        let mut alice = Phone::new("127.2.11.1", None, tight()).await;
        let closed = TcpListener::bind("127.2.11.2:0").await.unwrap().local_addr().unwrap();
        alice.call_at(closed, Transport::Tcp);
        assert!(alice.failure().await.ends_with("cannot be reached over TCP: the connection was refused"));
    })
    .await;
}

#[tokio::test]
async fn we_make_no_more_connections_than_there_may_be() {
    run(async {
        let mut alice = Phone::new("127.2.12.1", None, Limits { connections: 2, ..tight() }).await;
        let mut held = vec![];
        for n in 2..=4 {
            let listener = TcpListener::bind((format!("127.2.12.{n}"), 0)).await.unwrap();
            alice.call_at(listener.local_addr().unwrap(), Transport::Tcp);
            held.push(listener);
        }
        // Nobody answers the first two.
        let why = alice.failure().await;
        assert!(why.contains("127.2.12.4") && why.contains("too many connections of ours are open"), "{why}");
    })
    .await;
}
