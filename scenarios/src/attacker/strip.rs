//! Takes the keying out of all that somebody says, and makes its offers and answers look clear: bidding down.

use super::{Attacker, Forged, Way, text};
use crate::world::{Middle, Sent};

pub(super) struct Strip {
    way: Way,
}

impl Strip {
    pub(super) fn new(way: Way) -> Self {
        Self { way }
    }
}

impl Attacker for Strip {
    fn sees(&mut self, sent: &Sent, _: &mut Vec<Forged>) -> Middle {
        let body = text::body(&sent.bytes).filter(|_| self.way.has(sent) && text::has_sdp(&sent.bytes));
        let stripped = body.map(|body| {
            let lines = body.split_inclusive("\r\n").filter(|line| !line.starts_with("a=key-mgmt:"));
            lines.collect::<String>().replace("RTP/SAVPF", "RTP/AVPF").replace("RTP/SAVP", "RTP/AVP")
        });
        let changed = stripped.and_then(|body| text::with_body(&sent.bytes, &body));
        changed.map_or(Middle::Pass, Middle::Change)
    }
}
