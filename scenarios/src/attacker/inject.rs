//! Makes up media: loud, plain, under the SSRC of whom it pretends to be and from its address.

use super::{Attacker, Forged, text};
use crate::place::Place;
use crate::world::{Middle, Sent};
use keyphone_media::env::Instant;
use keyphone_media::rtp::{Frame, Header, Ssrc};
use std::net::SocketAddr;
use std::time::Duration;

pub(super) struct Inject {
    next: Instant,
    victim: Place,
    pretends: Place,
    /// The port on which the victim hears, once its SDP has said so.
    hears: Option<u16>,
    /// What the pretended sender sends: its port, its SSRC and where it has come to.
    like: Option<(u16, Header, u32)>,
    sent: u16,
}

impl Inject {
    /// Five seconds of it.
    const MOST: u16 = 250;
    const EVERY: Duration = Duration::from_millis(20);

    pub(super) fn new(from: Instant, victim: Place, pretends: Place) -> Self {
        Self { next: from, victim, pretends, hears: None, like: None, sent: 0 }
    }
}

impl Attacker for Inject {
    fn sees(&mut self, sent: &Sent, _: &mut Vec<Forged>) -> Middle {
        if !sent.media && self.victim.has(sent.from) {
            self.hears = text::audio_port(&sent.bytes).or(self.hears);
        }
        if sent.media
            && self.pretends.has(sent.from)
            && self.victim.has(sent.to)
            && sent.to.port().is_multiple_of(2)
            && let Ok(header) = Header::parse(&sent.bytes)
            && let Ok(frame) = header.frame(&[])
        {
            self.like = Some((sent.from.port(), header, frame.timestamp));
        }
        Middle::Pass
    }

    fn next_timeout(&self) -> Option<Instant> {
        (self.hears.is_some() && self.sent < Self::MOST).then_some(self.next)
    }

    fn timeout(&mut self, now: Instant, out: &mut Vec<Forged>) {
        self.next = now + Self::EVERY;
        self.sent += 1;
        let Some(port) = self.hears else { return };
        let (from, ssrc, sequence, timestamp) = match &self.like {
            // Just ahead of what the victim has heard, so that its jitter buffer would want it.
            Some((from, header, timestamp)) => {
                (*from, header.ssrc(), header.sequence().wrapping_add(2), timestamp + 320)
            }
            None => (40_000, Ssrc(0x6d61_6c6c), self.sent, u32::from(self.sent) * 160),
        };
        // A square wave in PCMU, as loud as can be.
        let payload: Vec<u8> = (0..160).map(|n| if n % 4 < 2 { 0x80 } else { 0x00 }).collect();
        let frame = Frame { payload_type: 0, marker: false, timestamp, payload: &payload };
        let Ok(header) = Header::new(&frame, sequence, ssrc) else { return };
        let bytes = [&header.write()[..], &payload, &[0x5a; 10]].concat();
        let (from, to) = (SocketAddr::new(self.pretends.ip(), from), SocketAddr::new(self.victim.ip(), port));
        out.push(Forged { after: Duration::from_millis(1), from, to, media: true, bytes });
    }
}
