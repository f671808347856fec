//! One call, from INVITE to the answer to BYE. It owns the order of things; each phase is a file.
//!
//! ```text
//!   place --> Calling --2xx, keyed--> Talking --BYE--> Leaving --> Over
//!                |                       ^  |                       ^
//!                +--3xx..6xx, CANCEL-----|--|-----------------------+
//! invited -> Ringing --------200---------+  +--BYE from the peer----+
//! ```

mod accepted;
mod apart;
mod book;
mod branch;
mod change;
mod choose;
mod clash;
mod codecs;
pub(crate) mod decline;
mod engine;
mod exchange;
mod first;
mod floor;
mod handshake;
mod hearing;
mod incoming;
mod info;
mod inside;
mod key_log;
mod late;
mod leg;
mod media;
mod name;
mod outgoing;
mod parties;
mod path;
mod pen;
mod precondition;
mod proving;
mod redirect;
mod referred;
mod refresh;
mod refused;
mod reliable;
mod reoffer;
mod replaced;
mod responses;
mod retry;
mod ringing;
mod talking;
mod transfer;
mod usage;
mod who;

pub(crate) use book::Book;
pub(crate) use codecs::codec_lines;
pub(crate) use exchange::profiles;
pub(crate) use pen::Waiting;
pub(crate) use replaced::Place;

use crate::auth::Authenticator;
use crate::dialog::Dialog;
use crate::event::{CallId, Counts, Event, Outcome, Side};
use crate::io::Output;
use crate::refer::ReferTo;
use crate::sdp::Origin;
use crate::settings::{HangUp, Plan, Preconditions, Reliable, Settings};
use crate::sip::{Method, NameAddr, Reason, Request, Response, StatusCode};
use crate::transaction::{self, ClientKey, ServerKey, Table};
use decline::Gone;
use handshake::Handshake;
use keyphone_keying::Input;
use keyphone_keying::mikey::Mikey;
use keyphone_media::demux::{Flow, looks_like_rtp};
use keyphone_media::env::{Env, Instant};
use keyphone_media::srtp::Ledger;
use media::{Media, PlayedOut};
use outgoing::Calling;
use ringing::Ringing;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use talking::Talking;
use usage::{Purpose, Usage};

/// What we answer to, as Allow says it (RFC 3261 section 20.5).
pub(crate) const ALLOW: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, REFER, NOTIFY, SUBSCRIBE, INFO, MESSAGE";

/// The extensions that we know, as Supported says them (RFC 3261 section 20.37): RFC 4028, RFC 3262, RFC 6228, RFC 3891,
/// RFC 4488, RFC 4916, RFC 3312.
pub(crate) fn supported(settings: &Settings) -> &'static str {
    match settings.rules.reliable {
        Reliable::Never => "timer, 199, replaces, norefersub, from-change",
        _ if precondition::are_supported(&settings.rules) => {
            "timer, 100rel, 199, replaces, norefersub, from-change, precondition"
        }
        Reliable::Supported | Reliable::Required => "timer, 100rel, 199, replaces, norefersub, from-change",
    }
}

/// The same in an INVITE of ours. It keeps quiet about preconditions unless it asks for them, so that it fits into a
/// datagram (RFC 3261 section 18.1.1); a peer that insists says so (421).
fn supported_in_invite(settings: &Settings) -> &'static str {
    let all = supported(settings);
    match settings.rules.preconditions {
        Preconditions::Required => all,
        Preconditions::Never | Preconditions::Supported => all.trim_end_matches(", precondition"),
    }
}

/// What a call wants done that is no single call's to do.
pub(crate) enum Ask {
    /// Place a call, because the peer of another has asked us to (RFC 3515), and tell that one what comes of it.
    Follow {
        /// The call in which we were asked.
        by: CallId,
        /// The CSeq number of the REFER.
        seq: u32,
        refer_to: ReferTo,
        /// Who asked, for the one who is called (RFC 3892).
        referred_by: Option<NameAddr>,
        /// The new call goes on as the old one did.
        plan: Plan,
    },
}

/// What every step of a call needs.
pub(crate) struct Cx<'a, 'e> {
    pub(crate) settings: &'a Settings,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) mikey: &'a mut Mikey,
    pub(crate) transactions: &'a mut Table,
    pub(crate) book: &'a mut Book,
    pub(crate) gone: &'a mut Gone,
    /// What waits for keys, in all calls.
    pub(crate) waiting: &'a mut Waiting,
    /// Answers whoever asks who we are.
    pub(crate) auth: &'a mut Authenticator,
    pub(crate) env: &'a mut Env<'e>,
    pub(crate) said: &'a mut Vec<transaction::Output>,
    pub(crate) out: &'a mut Vec<Output>,
    pub(crate) asks: &'a mut Vec<Ask>,
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
    /// The Call-ID is ours.
    we_called: bool,
    /// How far our requests have come in the branches of our INVITE that did not win.
    numbers: BTreeMap<String, u32>,
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
    Leaving(Box<Leaving>),
    /// Nothing is left to do.
    Over,
}

struct Leaving {
    usage: Usage,
    outcome: Outcome,
}

impl Call {
    /// A response to a request of ours.
    pub(crate) fn response(&mut self, key: ClientKey, response: &Response, cx: &mut Cx<'_, '_>) {
        match &mut self.phase {
            Phase::Calling(calling) if calling.key == key => return self.invite_answered(response, cx),
            Phase::Talking(talking) if talking.handshake.repeats_ack(&talking.usage, key, response, cx) => return,
            _ => {}
        }
        if !self.inside_response(key, response, cx) && response.status.is_success() {
            self.late_branch(response, cx);
        }
    }

    /// A 2xx of another branch than the one that won: ACK and BYE (RFC 3261 section 13.2.2.4).
    fn late_branch(&mut self, response: &Response, cx: &mut Cx<'_, '_>) {
        if response.headers.cseq().is_ok_and(|c| c.method == Method::Invite)
            && let Ok(dialog) = Dialog::answered(response)
            && cx.gone.has_room(&dialog)
        {
            cx.event(Event::BranchLost { call: self.id, branch: dialog.remote_tag().into() });
            let last = self.numbers.get(dialog.remote_tag()).copied().unwrap_or_default();
            let answer = late::rejection(response, cx);
            decline::decline(dialog, last, answer, cx);
        }
    }

    /// Nobody answered a request of ours, or it could not be sent, and `why`: `status` is what a proxy would say of
    /// that (RFC 3261 section 8.1.3.1).
    pub(crate) fn unanswered(&mut self, key: ClientKey, status: StatusCode, why: String, cx: &mut Cx<'_, '_>) {
        match &self.phase {
            Phase::Calling(calling) if calling.key == key => self.invite_unanswered(status, why, cx),
            _ => self.inside_unanswered(key, status, cx),
        }
    }

    /// A datagram on one of our media ports.
    pub(crate) fn media(&mut self, rtcp: bool, from: SocketAddr, bytes: &[u8], cx: &mut Cx<'_, '_>) {
        if looks_like_rtp(bytes) {
            let played_out = self.media.receive(rtcp, from, bytes, cx);
            self.clashed(cx);
            self.seek(cx);
            return self.notice(played_out, cx);
        }
        let flow = Flow { line: self.media.line(), rtcp };
        self.tell_keying(Input::Packet { flow, bytes }, cx);
    }

    /// What a keying system says in the middle of a call is obeyed or, if it would use a pad twice, ends the call.
    fn tell_keying(&mut self, input: Input<'_>, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else { return self.media.refuse() };
        match talking.usage.exchange.keying(input, cx).map(|said| self.media.obey(said, cx)) {
            None => self.media.refuse(),
            Some(Ok(named)) => named.into_iter().for_each(|ssrc| self.media.prefer(ssrc)),
            Some(Err(pad)) => {
                let reason = decline::reason(StatusCode::NOT_ACCEPTABLE_HERE, &pad.to_string());
                self.leave(Some(reason), Outcome::KeyingRefused { why: pad.to_string() }, cx);
            }
        }
    }

    /// The user hangs up.
    pub(crate) fn hang_up(&mut self, cx: &mut Cx<'_, '_>) {
        match &mut self.phase {
            Phase::Calling(_) => self.cancel(outgoing::Reason::HungUp, cx),
            Phase::Ringing(_) => self.refuse(StatusCode::TEMPORARILY_UNAVAILABLE, cx),
            // RFC 3261 section 15: whoever was called says no BYE before the ACK. But we can be silent.
            Phase::Talking(talking) if talking.handshake.awaits_ack() => {
                talking.hang_up_at(cx.env.now.mono);
                self.media.stop(cx);
            }
            Phase::Talking(_) => self.leave(None, Outcome::Completed { by: Side::Us }, cx),
            Phase::Leaving(_) | Phase::Over => {}
        }
    }

    /// The user presses keys.
    pub(crate) fn press(&mut self, keys: &str, cx: &mut Cx<'_, '_>) {
        if let Err(what) = self.media.press(keys) {
            cx.event(Event::CallTrouble { call: self.id, what });
        }
    }

    pub(crate) fn timeout(&mut self, cx: &mut Cx<'_, '_>) {
        let played_out = self.media.timeout(cx);
        self.notice(played_out, cx);
        self.clashed(cx);
        let now = cx.env.now.mono;
        match &mut self.phase {
            Phase::Calling(_) => self.calling_timeout(cx),
            Phase::Ringing(_) => self.ringing_timeout(cx),
            Phase::Talking(talking) => {
                if talking.usage.exchange.next_timeout().is_some_and(|at| at <= now) {
                    self.tell_keying(Input::Timeout, cx);
                }
                self.talking_timeout(cx);
            }
            _ => {}
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Calling(calling) => calling.next_timeout(),
            Phase::Ringing(ringing) => ringing.next_timeout(),
            Phase::Talking(talking) => talking.next_timeout(),
            _ => None,
        };
        phase.into_iter().chain(self.media.next_timeout()).min()
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// It was answered, and may be about to end.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.phase, Phase::Talking(_) | Phase::Leaving(_))
    }

    /// How its media goes so far.
    pub(crate) fn counts(&self) -> Option<Counts> {
        self.media.counts()
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
        let Phase::Talking(talking) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        let Talking { usage, handshake, .. } = *talking;
        self.depart(usage, handshake, reason, outcome, cx);
    }

    /// BYE in a confirmed dialog; should its 2xx come again, the ACK will, too.
    fn depart(
        &mut self,
        mut usage: Usage,
        mut handshake: Handshake,
        reason: Option<Reason>,
        outcome: Outcome,
        cx: &mut Cx<'_, '_>,
    ) {
        self.media.stop(cx);
        handshake.leave(&usage.dialog, cx);
        let fill = |request: &mut Request| reason.iter().for_each(|r| request.headers.push("Reason", r.to_string()));
        match usage.request(Method::Bye, Purpose::Bye, fill, cx) {
            Some(_) => self.phase = Phase::Leaving(Box::new(Leaving { usage, outcome })),
            None => self.end(outcome, cx),
        }
    }

    fn end(&mut self, outcome: Outcome, cx: &mut Cx<'_, '_>) {
        self.usages().for_each(|usage| usage.abandon(cx));
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
