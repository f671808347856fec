//! A call that rings here: from our first response to our answer (RFC 3261 section 13.3.1).

use super::handshake::Handshake;
use super::inside::session_body;
use super::late;
use super::precondition::Quiet;
use super::refused::Unacceptable;
use super::reliable::{Numbered, Unacknowledged};
use super::usage::Usage;
use super::{ALLOW, Call, Cx, Phase, decline, supported};
use crate::event::{CallId, Event, Outcome};
use crate::settings::{Play, Reliable, Settings};
use crate::sip::{NameAddr, Request, Response, StatusCode, Uri, make};
use crate::transaction::ServerKey;
use keyphone_media::env::Instant;
use std::time::Duration;

/// Their INVITE is not answered yet; our half of the session is ready, and so are its keys.
pub(super) struct Ringing {
    pub(super) key: ServerKey,
    pub(super) invite: Request,
    pub(super) usage: Usage,
    pub(super) numbered: Numbered,
    /// When it is answered; `None` if the user does that.
    pub(super) answer_at: Option<Instant>,
    /// It may not ring yet.
    pub(super) quiet: Option<Quiet>,
    /// What the caller hears meanwhile.
    early: Option<Play>,
    /// It is to be answered as soon as the PRACK has come.
    pub(super) picked_up: bool,
    /// When a provisional response is due again, so that no proxy gives up (RFC 3261 section 13.3.1.1).
    remind: Instant,
    /// When the invitation is over (RFC 3261 section 13.3.1).
    expires: Option<Instant>,
}

impl Call {
    /// 180 or, with early media or while it may not ring, 183: sure to arrive if the caller wants that or can do it and it
    /// matters.
    pub(super) fn ring(&mut self, cx: &mut Cx<'_, '_>) {
        let Self { id: call, phase: Phase::Ringing(ringing), media, .. } = self else { return };
        let quiet = ringing.quiet.is_some();
        let early = ringing.early.clone().filter(|_| !quiet && ringing.usage.exchange.agreed().is_some());
        let status = if quiet || early.is_some() { StatusCode::SESSION_PROGRESS } else { StatusCode::RINGING };
        let mut response = ringing.response(status, cx.settings);
        response.headers.push_constant("Allow", ALLOW);
        // RFC 4916 section 4.2: every response that may begin a dialog says so.
        response.headers.push_constant("Supported", supported(cx.settings));
        let required = requires_reliable(&ringing.invite) || cx.settings.rules.reliable == Reliable::Required;
        let may = cx.settings.rules.reliable != Reliable::Never && ringing.usage.peer.reliable;
        let reliable = required || quiet || (may && early.is_some());
        // A first reliable response has the offer, if the INVITE had none (RFC 3262 section 5).
        let offers = reliable && ringing.usage.exchange.owns_first();
        // What a reliable response has said is not said again.
        let answers = (quiet || early.is_some()) && ringing.usage.exchange.is_free().is_err();
        if answers || offers {
            response.headers.push("Content-Type", "application/sdp");
            response.body = ringing.usage.exchange.body();
        }
        match reliable {
            true => ringing.numbered.send(ringing.key, response, ringing.seq(), cx),
            false => cx.respond(ringing.key, &response),
        }
        let (call, branch) = (*call, ringing.usage.dialog.local_tag().to_owned());
        if status == StatusCode::RINGING {
            cx.event(Event::Ringing { call, branch: branch.clone() });
        }
        cx.event(Event::Progress { call, branch, status: status.code(), reliable, early_media: early.is_some() });
        if let Some(play) = early {
            media.play(play, cx);
            media.speak();
            ringing.usage.exchange.start(media, cx);
        }
        self.ringing_timeout(cx);
    }

    /// A PRACK: the response that it names has arrived (RFC 3262 section 3).
    pub(super) fn pracked(&mut self, key: ServerKey, request: &Request, cx: &mut Cx<'_, '_>) {
        let Self { phase, media, .. } = self;
        let (usage, numbered) = match phase {
            Phase::Ringing(ringing) => (&mut ringing.usage, Some(&mut ringing.numbered)),
            Phase::Talking(talking) => (&mut talking.usage, talking.numbered.as_deref_mut()),
            _ => return cx.reply(key, request, StatusCode::CALL_DOES_NOT_EXIST),
        };
        let rack = request.headers.rack().ok().flatten();
        let Some(told) = rack.zip(numbered).and_then(|(rack, numbered)| numbered.acknowledged(&rack)) else {
            return cx.reply(key, request, StatusCode::CALL_DOES_NOT_EXIST);
        };
        let (branch, exchange) = (usage.dialog.remote_tag(), &mut usage.exchange);
        let mut response = decline::reply(request, StatusCode::OK, cx.env);
        if told && exchange.owns_first() {
            // Our offer left in the response that this acknowledges, so the answer is in here.
            let said = late::session(&request.headers, &request.body);
            if let Err(bad) = exchange.own_first_answer((branch, said), media, cx) {
                cx.respond(key, &response);
                return self.refuse_answer(bad, cx);
            }
        } else {
            if told {
                exchange.settle();
            }
            // A further offer is answered in the 2xx (RFC 3262 section 5).
            if !request.body.is_empty() && exchange.is_free().is_ok() {
                match session_body(request).and_then(|body| exchange.answer((body, key), media, cx)) {
                    Ok((body, _)) => {
                        response.headers.push("Content-Type", "application/sdp");
                        response.body = body;
                    }
                    Err(refused) => response = refused.response(request, "", cx),
                }
            }
        }
        cx.respond(key, &response);
        let picked_up = matches!(&self.phase, Phase::Ringing(ringing) if ringing.picked_up && ringing.quiet.is_none());
        self.ring_if_met(cx);
        if picked_up {
            self.pick_up(cx);
        }
    }

    /// It may not ring yet.
    pub(super) fn is_quiet(&self) -> bool {
        matches!(&self.phase, Phase::Ringing(ringing) if ringing.quiet.is_some())
    }

    /// The user answers.
    pub(crate) fn answer(&mut self, cx: &mut Cx<'_, '_>) {
        match self.phase {
            Phase::Ringing(_) => self.pick_up(cx),
            _ => self.cannot("does not ring here", cx),
        }
    }

    /// The user refuses.
    pub(crate) fn decline(&mut self, status: StatusCode, cx: &mut Cx<'_, '_>) {
        match self.phase {
            Phase::Ringing(_) if status.class() > 3 => self.refuse(status, cx),
            Phase::Ringing(_) => self.cannot("can be refused with a status from 400 to 699", cx),
            _ => self.cannot("does not ring here", cx),
        }
    }

    /// The user sends the caller elsewhere (RFC 3261 section 21.3.3).
    pub(crate) fn redirect(&mut self, to: &[Uri], cx: &mut Cx<'_, '_>) {
        let Phase::Ringing(ringing) = &self.phase else { return self.cannot("does not ring here", cx) };
        cx.respond(ringing.key, &moved(&ringing.invite, ringing.usage.dialog.local_tag(), to));
        let outcome = redirected(self.id, to, cx);
        self.end(outcome, cx);
    }

    /// 200 OK, and the media begins. While an answer of ours waits for its PRACK, or a precondition is not met, this
    /// waits, too.
    pub(super) fn pick_up(&mut self, cx: &mut Cx<'_, '_>) {
        if let Phase::Ringing(ringing) = &mut self.phase
            && (ringing.numbered.holds_answer_back() || ringing.quiet.is_some())
        {
            ringing.picked_up = true;
            ringing.answer_at = None;
            return;
        }
        let Phase::Ringing(ringing) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        let mut response = ringing.response(StatusCode::OK, cx.settings);
        response.headers.push_constant("Allow", ALLOW);
        response.headers.push_constant("Supported", supported(cx.settings));
        let seq = ringing.seq();
        let Ringing { key, invite, mut usage, mut numbered, .. } = *ringing;
        usage.refresh.answer(&invite, usage.peer, &mut response, cx.settings, cx.env.now.mono);
        // What a reliable response has said is not said again.
        if usage.exchange.is_free().is_err() {
            response.headers.push("Content-Type", "application/sdp");
            response.body = usage.exchange.body();
        }
        cx.respond(key, &response);
        numbered.finish();
        let numbered = numbered.waits().then(|| Box::new(numbered));
        let handshake = Handshake::ok_sent(key, response, seq, cx.env.now.mono);
        self.media.play(self.plan.play.clone(), cx);
        self.media.speak();
        if !usage.exchange.owns_first() {
            usage.exchange.settle();
            usage.exchange.start(&mut self.media, cx);
        }
        self.talk(usage, handshake, cx);
        self.has_name_to_tell(&invite, cx);
        if let Phase::Talking(talking) = &mut self.phase {
            talking.numbered = numbered;
        }
    }

    /// The caller has hung up before we answered: 487 (RFC 3261 section 9.2).
    pub(crate) fn cancelled(&mut self, cx: &mut Cx<'_, '_>) {
        self.refuse_with(StatusCode::REQUEST_TERMINATED, "the caller hung up before we answered", cx);
    }

    pub(super) fn refuse(&mut self, status: StatusCode, cx: &mut Cx<'_, '_>) {
        self.refuse_with(status, &format!("we refused it: {status} {}", status.phrase()), cx);
    }

    fn refuse_with(&mut self, status: StatusCode, why: &str, cx: &mut Cx<'_, '_>) {
        let Phase::Ringing(ringing) = &self.phase else { return };
        let response = ringing.response(status, cx.settings);
        cx.respond(ringing.key, &response);
        self.end(Outcome::Failed { status: Some(status.code()), why: why.into() }, cx);
    }

    /// The answer to our offer cannot be used: 488, and why.
    pub(super) fn refuse_answer(&mut self, bad: Unacceptable, cx: &mut Cx<'_, '_>) {
        let Phase::Ringing(ringing) = &self.phase else { return };
        let status = StatusCode::NOT_ACCEPTABLE_HERE;
        let mut response = ringing.response(status, cx.settings);
        response.headers.push("Warning", decline::warning(cx.settings, 399, &bad.why));
        cx.respond(ringing.key, &response);
        let (_, outcome) = bad.outcome(self.id, cx);
        self.end(outcome, cx);
    }

    pub(super) fn ringing_timeout(&mut self, cx: &mut Cx<'_, '_>) {
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        let now = cx.env.now.mono;
        if let Err(Unacknowledged) = ringing.numbered.timeout(ringing.key, cx) {
            // RFC 3262 section 3.
            return self.refuse_with(StatusCode::SERVER_TIMEOUT, "the caller never acknowledged our response", cx);
        }
        if ringing.expires.is_some_and(|at| at <= now) {
            return self.refuse_with(StatusCode::REQUEST_TERMINATED, "the invitation was for a time that is over", cx);
        }
        if ringing.quiet.is_some_and(|quiet| quiet.until <= now) {
            return self.never_met(cx);
        }
        if ringing.remind <= now {
            ringing.remind = now + Ringing::REMIND;
            // One that is numbered is repeated until its PRACK comes; after that, a proxy wants to hear another.
            if !ringing.numbered.waits() {
                let quiet = ringing.quiet.is_some();
                let status = if quiet { StatusCode::SESSION_PROGRESS } else { StatusCode::RINGING };
                let response = ringing.response(status, cx.settings);
                match requires_reliable(&ringing.invite) {
                    true => ringing.numbered.send(ringing.key, response, ringing.seq(), cx),
                    false => cx.respond(ringing.key, &response),
                }
            }
        }
        if ringing.answer_at.is_some_and(|at| at <= now) {
            self.pick_up(cx);
        }
    }
}

impl Ringing {
    /// RFC 3261 section 13.3.1.1.
    const REMIND: Duration = Duration::from_secs(60);

    /// From now on it rings, unless it may not yet; it is answered at `answer_at`, or by the user.
    pub(super) fn new(
        key: ServerKey,
        invite: Request,
        usage: Usage,
        (answer_at, early): (Option<Instant>, Option<Play>),
        now: Instant,
    ) -> Self {
        let quiet = (!usage.exchange.may_ring()).then(|| Quiet::new(answer_at, now));
        Self {
            key,
            usage,
            numbered: Numbered::default(),
            answer_at: answer_at.filter(|_| quiet.is_none()),
            quiet,
            early,
            picked_up: false,
            remind: now + Self::REMIND,
            expires: invite.headers.expires().ok().flatten().map(|expires| now + expires),
            invite,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let quiet = self.quiet.map(|quiet| quiet.until);
        let all = [self.answer_at, self.numbered.next_timeout(), Some(self.remind), self.expires, quiet];
        all.into_iter().flatten().min()
    }

    /// The INVITE's number.
    fn seq(&self) -> u32 {
        self.invite.headers.cseq().map(|cseq| cseq.seq).unwrap_or_default()
    }

    /// With our tag and our Contact, so that it makes the dialog (RFC 3261 section 12.1.1).
    fn response(&self, status: StatusCode, settings: &Settings) -> Response {
        let mut response = make::response(&self.invite, status, Some(self.usage.dialog.local_tag()));
        response.headers.push("Contact", settings.contact(decline::transport_of(&self.invite)));
        response
    }
}

/// Does the caller insist on provisional responses that are sure to arrive (RFC 3262 section 3)?
pub(super) fn requires_reliable(invite: &Request) -> bool {
    invite.headers.require().is_ok_and(|tags| tags.iter().any(|tag| tag == "100rel"))
}

/// 302, with where to go instead (RFC 3261 section 21.3.3).
pub(super) fn moved(invite: &Request, tag: &str, to: &[Uri]) -> Response {
    let mut response = make::response(invite, StatusCode::MOVED_TEMPORARILY, Some(tag));
    to.iter().for_each(|uri| response.headers.push("Contact", NameAddr::new(uri.clone()).to_string()));
    response
}

/// Tells where a caller was sent, and how its call ends.
pub(super) fn redirected(call: CallId, to: &[Uri], cx: &mut Cx<'_, '_>) -> Outcome {
    cx.event(Event::Redirected { call, to: to.iter().map(ToString::to_string).collect() });
    let status = StatusCode::MOVED_TEMPORARILY;
    Outcome::Failed { status: Some(status.code()), why: "we sent the caller elsewhere".into() }
}
