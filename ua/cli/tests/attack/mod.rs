//! Somebody who sends what hurts, as fast as he is let, from a few threads.
#![allow(clippy::disallowed_methods, reason = "a flood is real packets")]

mod messages;

use messages::{Dice, message};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A flood, from when it starts to when it is stopped.
pub(crate) struct Attack {
    over: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

/// What every thread knows.
#[derive(Clone)]
struct Target {
    sip: SocketAddr,
    media: [u16; 2],
    over: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
}

/// One kind of attack, with the seed of its dice.
type Kind = fn(&Target, u64);

impl Attack {
    pub(crate) fn start(port: u16, media: [u16; 2]) -> Self {
        let (over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let sip = SocketAddr::from(([127, 0, 0, 1], port));
        let target = Target { sip, media, over: over.clone(), sent: sent.clone() };
        let kinds: [(Kind, u64); 8] = [
            (datagrams, 1),
            (datagrams, 2),
            (from_closed_ports, 3),
            (at_media, 4),
            (slow_connections, 5),
            (endless_headers, 6),
            (endless_body, 7),
            (many_connections, 8),
        ];
        let threads = kinds.map(|(kind, seed)| {
            let target = target.clone();
            thread::spawn(move || kind(&target, seed))
        });
        Self { over, sent, threads: threads.into() }
    }

    /// Messages so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many there were.
    pub(crate) fn stop(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("an attacker does not fall over");
        }
        self.sent.load(Ordering::Relaxed)
    }
}

impl Target {
    /// After every round: a pause, and whether to go on.
    fn goes_on(&self, sent: u64, milliseconds: u64) -> bool {
        self.sent.fetch_add(sent, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(milliseconds));
        !self.over.load(Ordering::Relaxed)
    }
}

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("a port for an attacker")
}

/// A thousand a second, in bursts; the answers are not read.
fn datagrams(target: &Target, seed: u64) {
    let (socket, mut dice) = (socket(), Dice(seed));
    let ours = socket.local_addr().expect("it is bound");
    loop {
        for _ in 0..10 {
            let _ = socket.send_to(&message(&mut dice, ours, target.sip), target.sip);
        }
        if !target.goes_on(10, 10) {
            return;
        }
    }
}

/// Who answers learns that nobody is there, by ICMP.
fn from_closed_ports(target: &Target, seed: u64) {
    let mut dice = Dice(seed);
    loop {
        let socket = socket();
        let ours = socket.local_addr().expect("it is bound");
        let _ = socket.send_to(&message(&mut dice, ours, target.sip), target.sip);
        drop(socket);
        if !target.goes_on(1, 5) {
            return;
        }
    }
}

/// Packets that nobody has the key for.
fn at_media(target: &Target, seed: u64) {
    let (socket, mut dice) = (socket(), Dice(seed));
    loop {
        for port in target.media[0]..=target.media[1] {
            let mut packet: Vec<u8> = (0..172).map(|_| dice.below(256) as u8).collect();
            // RTP version 2, PCMU; RTCP's sender report on the odd ports (RFC 3550 section 5.1).
            packet[..2].copy_from_slice(if port % 2 == 0 { &[0x80, 0] } else { &[0x80, 200] });
            let _ = socket.send_to(&packet, ("127.0.0.1", port));
        }
        if !target.goes_on(8, 10) {
            return;
        }
    }
}

fn connect(target: &Target) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&target.sip, Duration::from_secs(1)).ok()?;
    stream.set_nonblocking(true).ok()?;
    Some(stream)
}

/// A message that takes for ever, on as many connections as we get.
fn slow_connections(target: &Target, _: u64) {
    let text = b"OPTIONS sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKslow\r\nX: ";
    let mut streams: Vec<(TcpStream, usize)> = vec![];
    loop {
        if streams.len() < 100 {
            streams.extend(connect(target).map(|stream| (stream, 0)));
        }
        // One byte for each of them.
        streams.retain_mut(|(stream, at)| {
            let byte = text.get(*at).copied().unwrap_or(b'x');
            *at += 1;
            stream.write(&[byte]).is_ok() && !matches!(stream.read(&mut [0; 64]), Ok(0))
        });
        if !target.goes_on(0, 20) {
            return;
        }
    }
}

/// Header after header, and never the empty line.
fn endless_headers(target: &Target, _: u64) {
    let line = format!("X-Again: {}\r\n", "a".repeat(990));
    endless(target, b"INVITE sip:bob@127.0.0.1 SIP/2.0\r\n", line.as_bytes());
}

/// Less than the announced megabyte, on and on.
fn endless_body(target: &Target, _: u64) {
    let head = "OPTIONS sip:bob@127.0.0.1 SIP/2.0\r\nContent-Length: 1048576\r\n\r\n";
    endless(target, head.as_bytes(), &[b'b'; 999]);
}

fn endless(target: &Target, head: &[u8], more: &[u8]) {
    let mut streams: Vec<TcpStream> = vec![];
    loop {
        if streams.len() < 20
            && let Some(mut stream) = connect(target)
            && stream.write(head).is_ok()
        {
            streams.push(stream);
        }
        streams.retain_mut(|stream| match stream.write(more) {
            Ok(_) => !matches!(stream.read(&mut [0; 64]), Ok(0)),
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        });
        if !target.goes_on(0, 5) {
            return;
        }
    }
}

/// Made and left again at once.
fn many_connections(target: &Target, _: u64) {
    loop {
        drop(connect(target));
        if !target.goes_on(1, 5) {
            return;
        }
    }
}
