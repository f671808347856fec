//! One call, from INVITE to the answer to BYE. It owns the order of things; each phase is a file.
//!
//! ```text
//!   place --> Calling --2xx, keyed--> Talking --BYE--> Leaving --> Over
//!                |                       ^  |                       ^
//!                +--3xx..6xx, CANCEL-----|--|-----------------------+
//! invited -> Ringing --------200---------+  +--BYE from the peer----+
//! ```

mod book;
mod branch;
pub(crate) mod decline;
mod incoming;
mod key_log;
mod leg;
mod media;
mod outgoing;
mod path;
mod talking;

pub(crate) use book::Book;
pub(crate) use media::codec_lines;

use crate::dialog::Dialog;
use crate::event::{CallId, Event, Outcome, Side};
use crate::io::Output;
use crate::sdp::Origin;
use crate::settings::{HangUp, Plan, Settings};
use crate::sip::{Method, Reason, Request, Response, StatusCode};
use crate::transaction::{self, ClientKey, ServerKey, Table};
use decline::Gone;
use incoming::Ringing;
use keyphone_keying::Input;
use keyphone_keying::mikey::Mikey;
use keyphone_media::demux::{Flow, looks_like_rtp};
use keyphone_media::env::{Env, Instant};
use keyphone_media::srtp::Ledger;
use media::{Media, PlayedOut};
use outgoing::Calling;
use std::net::SocketAddr;
use std::time::Duration;
use talking::Talking;

/// What we answer to, as Allow says it (RFC 3261 section 20.5).
pub(crate) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS";

/// The extensions that we know, as Supported says them (RFC 3261 section 20.37).
pub(crate) const SUPPORTED: &str = "";

/// What every step of a call needs.
pub(crate) struct Cx<'a, 'e> {
    pub(crate) settings: &'a Settings,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) mikey: &'a mut Mikey,
    pub(crate) transactions: &'a mut Table,
    pub(crate) book: &'a mut Book,
    pub(crate) gone: &'a mut Gone,
    pub(crate) env: &'a mut Env<'e>,
    pub(crate) said: &'a mut Vec<transaction::Output>,
    pub(crate) out: &'a mut Vec<Output>,
}

impl Cx<'_, '_> {
    pub(crate) fn event(&mut self, event: Event) {
        self.out.push(Output::Event(event));
    }

    pub(crate) fn respond(&mut self, key: ServerKey, response: &Response) {
        self.transactions.respond(key, response, self.env, self.said);
    }

    /// The origin of our next SDP (RFC 8866 section 5.2). The session id is random, and tells nobody who we are.
    pub(crate) fn origin(&mut self) -> Origin {
        Origin { user: "-".into(), session_id: self.env.random() >> 2, version: 1 }
    }

    pub(crate) fn reply(&mut self, key: ServerKey, request: &Request, status: StatusCode) {
        let response = decline::reply(request, status, self.env);
        self.respond(key, &response);
    }
}

/// One call.
pub(crate) struct Call {
    id: CallId,
    plan: Plan,
    media: Media,
    phase: Phase,
}

enum Phase {
    /// Our INVITE is under way.
    Calling(Box<Calling>),
    /// Their INVITE is not answered yet.
    Ringing(Box<Ringing>),
    /// Answered.
    Talking(Box<Talking>),
    /// We sent BYE, and wait for what becomes of it.
    Leaving { bye: ClientKey, outcome: Outcome },
    /// Nothing is left to do.
    Over,
}

impl Call {
    /// A response to a request of ours.
    pub(crate) fn response(&mut self, key: ClientKey, response: &Response, cx: &mut Cx<'_, '_>) {
        match &mut self.phase {
            Phase::Calling(calling) if calling.key == key => self.invite_answered(response, cx),
            Phase::Talking(talking) if talking.repeats_ack(response, cx) => {}
            Phase::Leaving { bye, outcome } if *bye == key && response.status.is_final() => {
                let outcome = outcome.clone();
                self.end(outcome, cx);
            }
            _ if response.status.is_success() => self.late_branch(response, cx),
            _ => {}
        }
    }

    /// A 2xx of another branch than the one that won: ACK and BYE (RFC 3261 section 13.2.2.4).
    fn late_branch(&mut self, response: &Response, cx: &mut Cx<'_, '_>) {
        if response.headers.cseq().is_ok_and(|c| c.method == Method::Invite)
            && let Ok(dialog) = Dialog::answered(response)
            && cx.gone.has_room(&dialog)
        {
            cx.event(Event::BranchLost { call: self.id, branch: dialog.remote_tag().into() });
            decline::decline(dialog, None, None, cx);
        }
    }

    /// Nobody answered a request of ours, or it could not be sent: `status` is what a proxy would say of that
    /// (RFC 3261 section 8.1.3.1).
    pub(crate) fn unanswered(&mut self, key: ClientKey, status: StatusCode, cx: &mut Cx<'_, '_>) {
        match &self.phase {
            Phase::Calling(calling) if calling.key == key => self.invite_unanswered(status, cx),
            // Who does not answer a BYE is gone all the same (RFC 3261 section 15.1.1).
            Phase::Leaving { bye, outcome } if *bye == key => {
                let outcome = outcome.clone();
                self.end(outcome, cx);
            }
            _ => {}
        }
    }

    /// A request inside our dialog: BYE or INVITE.
    pub(crate) fn request(&mut self, key: ServerKey, request: &Request, cx: &mut Cx<'_, '_>) {
        let status = match (&mut self.phase, &request.method) {
            (Phase::Talking(talking), _) => match talking.takes(request) {
                Err(status) => status,
                Ok(()) if request.method == Method::Bye => {
                    talking.remember_ack(cx);
                    cx.reply(key, request, StatusCode::OK);
                    return self.end(Outcome::Completed { by: Side::Peer }, cx);
                }
                // The session stays as it was (RFC 3261 section 14.2).
                Ok(()) => {
                    let why = "this phone does not change a running session";
                    let mut response = decline::reply(request, StatusCode::NOT_ACCEPTABLE_HERE, cx.env);
                    response.headers.push("Warning", decline::warning(cx.settings, why));
                    return cx.respond(key, &response);
                }
            },
            // RFC 3261 section 15: the caller may end an early dialog with BYE.
            (Phase::Ringing(_), Method::Bye) => {
                cx.reply(key, request, StatusCode::OK);
                return self.cancelled(cx);
            }
            (Phase::Leaving { .. }, Method::Bye) => StatusCode::OK,
            _ => StatusCode::CALL_DOES_NOT_EXIST,
        };
        cx.reply(key, request, status);
    }

    /// The ACK for our 200.
    pub(crate) fn acked(&mut self, request: &Request, _: &mut Cx<'_, '_>) {
        if let Phase::Talking(talking) = &mut self.phase {
            talking.acked(request);
        }
    }

    /// A datagram on one of our media ports.
    pub(crate) fn media(&mut self, rtcp: bool, from: SocketAddr, bytes: &[u8], cx: &mut Cx<'_, '_>) {
        if looks_like_rtp(bytes) {
            let played_out = self.media.receive(rtcp, from, bytes, cx);
            return self.notice(played_out, cx);
        }
        let flow = Flow { line: self.media.line(), rtcp };
        self.tell_keying(Input::Packet { flow, bytes }, cx);
    }

    /// What a keying system says in the middle of a call is obeyed or, if it would use a pad twice, ends the call.
    fn tell_keying(&mut self, input: Input<'_>, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return self.media.refuse() };
        match talking.keying(input, cx).map(|said| self.media.obey(said, cx)) {
            None => self.media.refuse(),
            Some(Ok(())) => {}
            Some(Err(pad)) => {
                let reason = decline::reason(StatusCode::NOT_ACCEPTABLE_HERE, &pad.to_string());
                self.leave(Some(reason), Outcome::KeyingRefused { why: pad.to_string() }, cx);
            }
        }
    }

    /// The user hangs up.
    pub(crate) fn hang_up(&mut self, cx: &mut Cx<'_, '_>) {
        match &mut self.phase {
            Phase::Calling(_) => self.cancel(cx),
            Phase::Ringing(_) => self.refuse(StatusCode::TEMPORARILY_UNAVAILABLE, cx),
            // RFC 3261 section 15: whoever was called says no BYE before the ACK. But we can be silent.
            Phase::Talking(talking) if talking.awaits_ack() => {
                talking.hang_up_at(cx.env.now.mono);
                self.media.stop(cx);
            }
            Phase::Talking(_) => self.leave(None, Outcome::Completed { by: Side::Us }, cx),
            Phase::Leaving { .. } | Phase::Over => {}
        }
    }

    pub(crate) fn timeout(&mut self, cx: &mut Cx<'_, '_>) {
        let played_out = self.media.timeout(cx);
        self.notice(played_out, cx);
        if matches!(&self.phase, Phase::Talking(talking) if talking.keying_is_due(cx.env.now.mono)) {
            self.tell_keying(Input::Timeout, cx);
        }
        match &mut self.phase {
            Phase::Ringing(ringing) if ringing.answer_at <= cx.env.now.mono => self.pick_up(cx),
            Phase::Talking(talking) => {
                if let Some(outcome) = talking.timeout(cx) {
                    self.leave(None, outcome, cx);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Ringing(ringing) => Some(ringing.answer_at),
            Phase::Talking(talking) => talking.next_timeout(),
            _ => None,
        };
        phase.into_iter().chain(self.media.next_timeout()).min()
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Gives back what the call held.
    pub(crate) fn close(self, cx: &mut Cx<'_, '_>) {
        cx.book.forget(self.id);
        self.media.close(cx);
    }

    /// The clip has been played: perhaps that is when we hang up.
    fn notice(&mut self, played_out: PlayedOut, cx: &mut Cx<'_, '_>) {
        if played_out.0
            && self.plan.hang_up == HangUp::WhenPlayed
            && let Phase::Talking(talking) = &mut self.phase
        {
            talking.hang_up_at(cx.env.now.mono + TAIL);
        }
    }

    /// BYE, with the reason if there is one; the outcome is told when the BYE is answered.
    fn leave(&mut self, reason: Option<Reason>, outcome: Outcome, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(mut talking) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        self.media.stop(cx);
        talking.remember_ack(cx);
        match talking.bye(reason, cx) {
            Some(bye) => self.wait_for_bye(bye, outcome, cx),
            None => self.end(outcome, cx),
        }
    }

    fn wait_for_bye(&mut self, bye: ClientKey, outcome: Outcome, cx: &mut Cx<'_, '_>) {
        cx.book.add_client(bye, self.id);
        self.phase = Phase::Leaving { bye, outcome };
    }

    fn end(&mut self, outcome: Outcome, cx: &mut Cx<'_, '_>) {
        self.media.stop(cx);
        if let Some(counts) = self.media.counts() {
            cx.event(Event::Stats { call: self.id, counts });
        }
        if let Outcome::KeyingRefused { why } = &outcome {
            tracing::warn!(call = %self.id, %why, "keying was refused, so there was no media");
        }
        cx.event(Event::Ended { call: self.id, outcome });
        self.phase = Phase::Over;
    }
}

/// How long the line stays open after the clip, so that its last frames are heard.
const TAIL: Duration = Duration::from_millis(500);
