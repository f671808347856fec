//! Provisional responses of ours that are sure to arrive (RFC 3262 section 3).

use super::Cx;
use crate::sip::{Method, RAck, Response};
use crate::transaction::{ServerKey, Timers};
use keyphone_media::env::Instant;
use std::time::Duration;

/// The reliable responses to one INVITE: one at a time.
#[derive(Default)]
pub(super) struct Numbered {
    /// The number of the last one.
    last: Option<u32>,
    waiting: Option<Waiting>,
}

/// One that has no PRACK yet.
struct Waiting {
    response: Response,
    seq: u32,
    again: Instant,
    interval: Duration,
    until: Instant,
}

/// No PRACK came in 64*T1.
pub(super) struct Unacknowledged;

impl Numbered {
    /// Numbers a response and sends it until its PRACK comes.
    pub(super) fn send(&mut self, key: ServerKey, mut response: Response, seq: u32, cx: &mut Cx<'_, '_>) {
        // From 1 to 2^31 - 1 at first, then one more each time (RFC 3262 section 3).
        let number = self.last.map_or_else(|| 1 + (cx.env.random() % 0x7fff_fffe) as u32, |last| last + 1);
        self.last = Some(number);
        response.headers.push("Require", "100rel");
        response.headers.push("RSeq", number.to_string());
        cx.respond(key, &response);
        let (Timers { t1, .. }, now) = (Timers::default(), cx.env.now.mono);
        self.waiting = Some(Waiting { response, seq, again: now + t1, interval: t1, until: now + 64 * t1 });
    }

    /// Takes a PRACK, and says whether the response that it acknowledges had a session description. `None` if it
    /// acknowledges nothing that waits.
    pub(super) fn acknowledged(&mut self, rack: &RAck) -> Option<bool> {
        let last = self.last;
        let fits =
            |waiting: &mut Waiting| last == Some(rack.rseq) && rack.seq == waiting.seq && rack.method == Method::Invite;
        self.waiting.take_if(fits).map(|waiting| !waiting.response.body.is_empty())
    }

    /// Has a response no PRACK yet?
    pub(super) fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// Has one with a session description no PRACK yet? Then there is no 2xx (RFC 3262 section 3).
    pub(super) fn holds_answer_back(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| !waiting.response.body.is_empty())
    }

    /// The final response has left: nothing is repeated any more, but a PRACK is still taken.
    pub(super) fn finish(&mut self) {
        self.waiting.iter_mut().for_each(|waiting| waiting.again = waiting.until);
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|waiting| waiting.again.min(waiting.until))
    }

    /// Sends it again, after twice the time each time.
    pub(super) fn timeout(&mut self, key: ServerKey, cx: &mut Cx<'_, '_>) -> Result<(), Unacknowledged> {
        let now = cx.env.now.mono;
        let Some(waiting) = &mut self.waiting else { return Ok(()) };
        if waiting.until <= now {
            self.waiting = None;
            return Err(Unacknowledged);
        }
        if waiting.again <= now {
            waiting.interval *= 2;
            waiting.again = now + waiting.interval;
            cx.respond(key, &waiting.response);
        }
        Ok(())
    }
}
