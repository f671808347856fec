//! Sends what is neither SIP nor RTP, and what looks like it at first, to every port that it knows.

use super::{Attacker, Forged, text};
use crate::place::Place;
use crate::world::{Middle, Sent};
use keyphone_media::env::Instant;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) struct Garbage {
    next: Instant,
    victim: Place,
    own: SocketAddr,
    hears: Option<u16>,
    sent: usize,
}

impl Garbage {
    /// Two seconds of it.
    const MOST: usize = 200;
    const EVERY: Duration = Duration::from_millis(10);

    pub(super) fn new(from: Instant, victim: Place, own: SocketAddr) -> Self {
        Self { next: from, victim, own, hears: None, sent: 0 }
    }
}

/// Each goes to SIP and to media.
const RUBBISH: [&[u8]; 8] = [
    b"",
    b"\r\n\r\n",
    b"INVITE sip:a@b SIP/2.0\r\n\r\n",
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nCSeq: 1 INVITE\r\n\r\n",
    b"BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.66.1;branch=z9hG4bKx\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n\
      Call-ID: 1\r\nCSeq: 2 BYE\r\nContent-Length: 999999999999\r\n\r\n",
    &[0x80; 12],
    &[0xbf; 200],
    &[0x81, 0xc8, 0xff, 0xff, 0, 0, 0, 1, 0x80, 0, 0, 1],
];

impl Attacker for Garbage {
    fn sees(&mut self, sent: &Sent, _: &mut Vec<Forged>) -> Middle {
        if !sent.media && self.victim.has(sent.from) {
            self.hears = text::audio_port(&sent.bytes).or(self.hears);
        }
        Middle::Pass
    }

    fn next_timeout(&self) -> Option<Instant> {
        (self.sent < Self::MOST).then_some(self.next)
    }

    fn timeout(&mut self, now: Instant, out: &mut Vec<Forged>) {
        self.next = now + Self::EVERY;
        let bytes = RUBBISH[self.sent % RUBBISH.len()].to_vec();
        self.sent += 1;
        for (port, media) in
            [(Some(self.victim.sip().port()), false), (self.hears, true), (self.hears.map(|port| port + 1), true)]
        {
            if let Some(port) = port {
                let to = SocketAddr::new(self.victim.ip(), port);
                let after = Duration::from_millis(1);
                out.push(Forged { after, from: self.own, to, media, bytes: bytes.clone() });
            }
        }
    }
}
