//! One branch of a forked INVITE: what a To-tag has said so far (RFC 3261 section 13.2.2), with an early dialog, an
//! offer/answer exchange and a keying session of its own.

use super::late::{self, First};
use super::media::Media;
use super::proving::Unproven;
use super::refused::Unacceptable;
use super::usage::{Purpose, Usage};
use super::{Cx, precondition};
use crate::dialog::Dialog;
use crate::event::CallId;
use crate::sip::{Method, RAck, Request, Response, StatusCode};

/// A branch that has not answered finally. Each To-tag is its own, from its first 1xx on.
#[derive(Default)]
pub(super) struct Branch {
    /// Its early dialog, if it has one.
    pub(super) usage: Option<Box<Usage>>,
    /// The number of its last reliable response (RFC 3262 section 4).
    rseq: Option<u32>,
    rung: bool,
    /// What it has answered to our offer, and nobody has verified.
    pub(super) unproven: Option<Box<Unproven>>,
    /// So many early answers of it did not hold.
    pub(super) bad: u8,
    /// Its offer or its answer was one that we cannot take: it has been told so.
    pub(super) refused: Option<Unacceptable>,
}

impl Branch {
    /// Takes a provisional response: makes the early dialog, acknowledges what wants it, and reads an answer. False if
    /// the response is one that we have seen, or comes out of order.
    pub(super) fn take(
        &mut self,
        call: CallId,
        first: &First,
        response: &Response,
        reliable: bool,
        media: &mut Media,
        cx: &mut Cx<'_, '_>,
    ) -> bool {
        match &mut self.usage {
            Some(usage) => usage.learn(&response.headers),
            // Without a Contact there is no dialog (RFC 3261 section 12.1.1), and nothing but the tag is known.
            None => {
                let dialog = Dialog::answered(response).ok();
                let new = |dialog| Box::new(Usage::new(call, dialog, first.exchange(cx), &response.headers));
                self.usage = dialog.map(new);
            }
        }
        let asks = response.headers.require().is_ok_and(|tags| tags.iter().any(|tag| tag == "100rel"));
        let number = response.headers.rseq().ok().flatten().filter(|_| asks && reliable);
        // RFC 3262 section 4: what is not next in line is neither acknowledged nor processed.
        if number.is_some() && self.rseq.is_some_and(|last| last.checked_add(1) != number) {
            return false;
        }
        let Some(usage) = &self.usage else { return number.is_none() };
        let said = late::session(&response.headers, &response.body);
        if let First::Ours(offer) = first
            && !said.is_empty()
            && usage.exchange.is_first()
            && self.refused.is_none()
        {
            self.answered_early(call, offer, (said, number.is_some()), media, cx);
        }
        let told = self.refused.is_some();
        let Some(usage) = &mut self.usage else { return false };
        let (Some(number), Ok(cseq)) = (number, response.headers.cseq()) else { return true };
        self.rseq = Some(number);
        let rack = RAck { rseq: number, seq: cseq.seq, method: Method::Invite };
        // An offer of theirs is in the first reliable response, and its answer in the PRACK (RFC 3262 section 5).
        let mut body = vec![];
        if usage.exchange.awaits_offer() && !said.is_empty() && self.refused.is_none() {
            media.turn_to(usage.dialog.remote_tag());
            let (answer, taken) = late::answer(&mut usage.exchange, response, media, cx);
            body = answer;
            match taken {
                Ok(()) => usage.exchange.settle(),
                Err(bad) => self.refused = Some(bad),
            }
        }
        // Or it says that we are keyed, if the peer waits for that (RFC 5027 section 4.1): so nothing overtakes it.
        let confirms = usage.exchange.is_free().is_ok() && usage.exchange.must_confirm() && body.is_empty();
        if confirms {
            body =
                usage.exchange.offer((usage.exchange.is_holding(), false), usage.hop(), media, cx).unwrap_or_default();
        }
        let branch = (confirms && !body.is_empty()).then(|| usage.dialog.remote_tag().to_owned());
        let fill = |prack: &mut Request| {
            prack.headers.push("RAck", rack.to_string());
            if confirms {
                // RFC 3312 section 11.
                prack.headers.push("Require", precondition::TAG);
            }
            late::carry(prack, body);
        };
        if usage.request(Method::Prack, Purpose::Prack(branch), fill, cx).is_none() {
            usage.exchange.rejected(media, cx);
        }
        if let Some(bad) = self.refused.clone().filter(|_| !told) {
            self.send_away(call, bad, cx);
        }
        true
    }

    /// Does this response have it ring for the first time?
    pub(super) fn rings(&mut self, response: &Response) -> bool {
        let rings = response.status == StatusCode::RINGING && !self.rung;
        self.rung |= rings;
        rings
    }
}
