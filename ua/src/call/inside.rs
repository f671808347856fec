//! Requests inside our dialogs, by method; and what becomes of those of ours.

use super::exchange::{Conflict, Held};
use super::handshake::Handshake;
use super::late;
use super::parties;
use super::refresh::{self, TooSmall};
use super::refused::Refused;
use super::usage::{Heard, Purpose, Usage};
use super::{ALLOW, Call, Cx, Phase, decline, supported};
use crate::event::{Event, Outcome, Side};
use crate::sip::{Method, Request, Response, StatusCode, make};
use crate::transaction::{ClientKey, ServerKey};
use keyphone_keying::mikey::policy::FailedRekey;
use std::time::Duration;

impl Call {
    /// A request inside our dialog (RFC 3261 section 12.2.2).
    pub(crate) fn request(&mut self, key: ServerKey, request: &Request, cx: &mut Cx<'_, '_>) {
        let taken = match self.usage_of(request) {
            Some(usage) => usage.takes(request),
            None => Err(StatusCode::CALL_DOES_NOT_EXIST),
        };
        if let Err(status) = taken {
            return cx.reply(key, request, status);
        }
        match request.method {
            Method::Bye => self.bye(key, request, cx),
            Method::Invite => self.reinvited(key, request, cx),
            Method::Update => self.updated(key, request, cx),
            Method::Refer => self.referred(key, request, cx),
            Method::Notify => self.notified(key, request, cx),
            Method::Subscribe => self.subscribed(key, request, cx),
            Method::Info => self.informed(key, request, cx),
            Method::Prack => self.pracked(key, request, cx),
            _ => {
                let mut response = decline::reply(request, StatusCode::METHOD_NOT_ALLOWED, cx.env);
                response.headers.push("Allow", ALLOW);
                cx.respond(key, &response);
            }
        }
    }

    /// The dialog that a request of the peer's is in: branches are told apart by the peer's tag.
    pub(super) fn usage_of(&mut self, request: &Request) -> Option<&mut Usage> {
        let usage = match &mut self.phase {
            Phase::Calling(calling) => calling.usages().find(|usage| usage.dialog.is_from_peer(request))?,
            Phase::Ringing(ringing) => &mut ringing.usage,
            Phase::Talking(talking) => &mut talking.usage,
            Phase::Leaving(leaving) => &mut leaving.usage,
            Phase::Over => return None,
        };
        usage.dialog.is_from_peer(request).then_some(usage)
    }

    fn bye(&mut self, key: ServerKey, request: &Request, cx: &mut Cx<'_, '_>) {
        match &mut self.phase {
            Phase::Talking(talking) => {
                talking.handshake.leave(&talking.usage.dialog, cx);
                cx.reply(key, request, StatusCode::OK);
                self.end(Outcome::Completed { by: Side::Peer }, cx);
            }
            // RFC 3261 section 15: the caller may end an early dialog with BYE.
            Phase::Ringing(_) => {
                cx.reply(key, request, StatusCode::OK);
                self.cancelled(cx);
            }
            Phase::Leaving(_) => cx.reply(key, request, StatusCode::OK),
            Phase::Calling(_) | Phase::Over => cx.reply(key, request, StatusCode::CALL_DOES_NOT_EXIST),
        }
    }

    /// INVITE inside the dialog (RFC 3261 section 14.2).
    fn reinvited(&mut self, key: ServerKey, request: &Request, cx: &mut Cx<'_, '_>) {
        let Phase::Talking(talking) = &mut self.phase else {
            let conflict = matches!(self.phase, Phase::Ringing(_)).then_some(Conflict::Pending);
            return self.put_off(key, request, conflict, cx);
        };
        // Ours may be under way without an offer; still there is one INVITE at a time (RFC 3261 section 14.2).
        if talking.wishes.invites() {
            return self.put_off(key, request, Some(Conflict::Glare), cx);
        }
        if let Err(conflict) = talking.usage.exchange.is_free() {
            return self.put_off(key, request, Some(conflict), cx);
        }
        if let Err(TooSmall(least)) = refresh::check(request, cx.settings) {
            return self.too_small(key, request, least, cx);
        }
        let seq = request.headers.cseq().map(|cseq| cseq.seq).unwrap_or_default();
        let exchange = &mut talking.usage.exchange;
        let said = request.session_body().map_err(|error| Refused::new(error.status(), error));
        let answered = said.and_then(|offer| match offer {
            // Without an offer, ours goes into the 200, and the answer comes in the ACK.
            None => match exchange.offer((exchange.is_holding(), false), parties::hop(key, cx), &mut self.media, cx) {
                Ok(body) => Ok((body, None)),
                Err(why) => Err(Refused::new(StatusCode::SERVER_INTERNAL_ERROR, why)),
            },
            Some(offer) => exchange.answer((offer, key), &mut self.media, cx),
        });
        let (body, held) = match answered {
            Ok(answered) => answered,
            Err(refused) => return self.refuse_inside(key, request, refused, cx),
        };
        let ok = self.ok(request, body, cx);
        cx.respond(key, &ok);
        if let Phase::Talking(talking) = &mut self.phase {
            talking.handshake = Handshake::ok_sent(key, ok, seq, cx.env.now.mono);
        }
        self.changed_by_peer(held, cx);
    }

    /// UPDATE (RFC 3311 section 5.2): a new offer, or none to refresh the session.
    fn updated(&mut self, key: ServerKey, request: &Request, cx: &mut Cx<'_, '_>) {
        if matches!(self.phase, Phase::Leaving(_)) {
            return cx.reply(key, request, StatusCode::CALL_DOES_NOT_EXIST);
        }
        if let Err(TooSmall(least)) = refresh::check(request, cx.settings) {
            return self.too_small(key, request, least, cx);
        }
        if matches!(request.session_body(), Ok(None)) {
            let ok = self.ok(request, vec![], cx);
            cx.respond(key, &ok);
            return self.changed_by_peer(None, cx);
        }
        let Self { id, phase, media, .. } = self;
        let id = *id;
        let usage = match phase {
            Phase::Calling(calling) => {
                calling.prove_for(id, request, media, cx);
                let usage = calling.usages().find(|usage| usage.dialog.is_from_peer(request));
                usage.inspect(|usage| media.turn_to(usage.dialog.remote_tag()))
            }
            Phase::Ringing(ringing) => Some(&mut ringing.usage),
            Phase::Talking(talking) => Some(&mut talking.usage),
            Phase::Leaving(_) | Phase::Over => None,
        };
        let Some(usage) = usage else { return };
        if let Err(conflict) = usage.exchange.is_free() {
            self.early_change("", cx);
            return self.put_off(key, request, Some(conflict), cx);
        }
        match session_body(request).and_then(|body| usage.exchange.answer((body, key), media, cx)) {
            Ok((body, held)) => {
                let ok = self.ok(request, body, cx);
                cx.respond(key, &ok);
                self.early_change(request.headers.tag("From").unwrap_or_default(), cx);
                self.changed_by_peer(held, cx);
                self.ring_if_met(cx);
            }
            Err(refused) => {
                self.early_change("", cx);
                self.refuse_inside(key, request, refused, cx);
            }
        }
    }

    /// 491 or 500 for an offer that comes while another waits; 481 where there is no session to change.
    fn put_off(&mut self, key: ServerKey, request: &Request, conflict: Option<Conflict>, cx: &mut Cx<'_, '_>) {
        let status = match conflict {
            Some(Conflict::Glare) => StatusCode::REQUEST_PENDING,
            Some(Conflict::Pending) => StatusCode::SERVER_INTERNAL_ERROR,
            None => StatusCode::CALL_DOES_NOT_EXIST,
        };
        let mut response = decline::reply(request, status, cx.env);
        if status == StatusCode::SERVER_INTERNAL_ERROR {
            // Between 0 and 10 seconds, by chance (RFC 3261 section 14.2).
            response.headers.push("Retry-After", (cx.env.random() % 11).to_string());
        }
        cx.respond(key, &response);
    }

    /// The session stays as it was (RFC 3261 section 14.2), and the response says why.
    fn refuse_inside(&mut self, key: ServerKey, request: &Request, refused: Refused, cx: &mut Cx<'_, '_>) {
        let response = refused.response(request, "", cx);
        cx.respond(key, &response);
        // "If errors occur [..], the session SHALL be aborted" (RFC 4567 section 4.1.1), where policy says so.
        let ends = refused.is_keying() && cx.settings.policy.mikey.failed_rekey == FailedRekey::End;
        if ends && matches!(self.phase, Phase::Talking(_)) {
            let what = "the keys could not be changed, which ends the call (RFC 4567 section 4.1.2)";
            let why = format!("{what}: {}", refused.why);
            let reason = decline::reason(refused.status, &why);
            return self.leave(Some(reason), Outcome::KeyingRefused { why }, cx);
        }
        cx.event(Event::CallTrouble { call: self.id, what: format!("we refused a change: {}", refused.why) });
    }

    /// A 200 inside the dialog, with our half of the session if it has one.
    pub(super) fn ok(&mut self, request: &Request, body: Vec<u8>, cx: &mut Cx<'_, '_>) -> Response {
        self.hear_name(request, cx);
        let mut response = make::response(request, StatusCode::OK, None);
        response.headers.push("Contact", cx.settings.contact(decline::transport_of(request)));
        response.headers.push("Allow", ALLOW);
        response.headers.push("Supported", supported(cx.settings));
        // Only these refresh a session (RFC 4028 section 7.4).
        if let Phase::Talking(talking) = &mut self.phase
            && matches!(request.method, Method::Invite | Method::Update)
        {
            let usage = &mut talking.usage;
            usage.refresh.answer(request, usage.peer, &mut response, cx.settings, cx.env.now.mono);
        }
        if !body.is_empty() {
            response.headers.push("Content-Type", "application/sdp");
            response.body = body;
        }
        response
    }

    /// A session interval below what we take: 422 (RFC 4028 section 9).
    fn too_small(&mut self, key: ServerKey, request: &Request, least: Duration, cx: &mut Cx<'_, '_>) {
        let mut response = decline::reply(request, StatusCode::SESSION_INTERVAL_TOO_SMALL, cx.env);
        response.headers.push("Min-SE", least.as_secs().to_string());
        cx.respond(key, &response);
    }

    /// The peer has changed the session or, if nothing is different, refreshed it.
    fn changed_by_peer(&mut self, held: Held, cx: &mut Cx<'_, '_>) {
        match &self.phase {
            Phase::Talking(talking) if held.is_none() && talking.usage.refresh.runs() => {
                cx.event(Event::Refreshed { call: self.id, by: Side::Peer });
            }
            _ => self.held(held, Side::Peer, cx),
        }
    }

    /// Tells who was put on hold by whom, or taken back.
    pub(super) fn held(&mut self, held: Held, by: Side, cx: &mut Cx<'_, '_>) {
        let call = self.id;
        match held {
            Some(true) => cx.event(Event::Held { call, by }),
            Some(false) => cx.event(Event::Resumed { call, by }),
            None => {}
        }
    }

    /// The ACK for a 200 of ours, with the answer if that 200 had the offer.
    pub(crate) fn acked(&mut self, ack: &Request, cx: &mut Cx<'_, '_>) {
        let Self { phase: Phase::Talking(talking), media, .. } = self else { return };
        if !talking.usage.dialog.is_from_peer(ack) || !talking.handshake.acked(ack) {
            return;
        }
        let branch = talking.usage.dialog.remote_tag().to_owned();
        let exchange = &mut talking.usage.exchange;
        let said = late::session(&ack.headers, &ack.body);
        let answered = match exchange.is_first() {
            true => exchange.own_first_answer((&branch, said), media, cx).map(|()| true),
            false if exchange.is_free().is_ok() => Ok(false),
            false => match exchange.answered(said, media, cx) {
                Ok(held) => {
                    self.held(held, Side::Peer, cx);
                    Ok(false)
                }
                Err(bad) => Err(bad),
            },
        };
        match answered {
            // The answer to the offer in our 200: now we talk.
            Ok(true) => {
                let Self { phase: Phase::Talking(talking), media, .. } = self else { return };
                talking.usage.exchange.start(media, cx);
                if let Phase::Talking(talking) = &self.phase {
                    self.tell_answered(&talking.usage, cx);
                }
            }
            Ok(false) => {}
            Err(bad) => {
                let why = bad.why.clone();
                let (status, outcome) = bad.outcome(self.id, cx);
                return self.leave(Some(decline::reason(status, &why)), outcome, cx);
            }
        }
        self.tell_name(cx);
        self.clashed(cx);
        self.change(cx);
    }

    /// A response to a request of ours inside a dialog; false if it is to none.
    pub(super) fn inside_response(&mut self, key: ClientKey, response: &Response, cx: &mut Cx<'_, '_>) -> bool {
        let heard = self.usages().find(|usage| usage.has(key)).map(|usage| usage.answered(key, response, cx));
        let Some(heard) = heard else {
            // That of a branch that is gone. A 2xx to an INVITE may come again.
            let invite = response.headers.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
            if response.status.is_final() && !invite {
                cx.book.forget_client(key, self.id);
            }
            return false;
        };
        if let Heard::Final(purpose) = heard {
            self.concluded(purpose, response.status, Some(response), cx);
        }
        true
    }

    /// Nobody answered a request of ours inside a dialog, or it could not be sent.
    pub(super) fn inside_unanswered(&mut self, key: ClientKey, status: StatusCode, cx: &mut Cx<'_, '_>) {
        let heard = self.usages().find(|usage| usage.has(key)).map(|usage| usage.done(key, cx));
        match heard {
            Some(Heard::Final(purpose)) => self.concluded(purpose, status, None, cx),
            // That of a branch that is gone.
            _ => cx.book.forget_client(key, self.id),
        }
    }

    /// The one place where the final responses to our requests inside dialogs come in.
    fn concluded(&mut self, purpose: Purpose, status: StatusCode, response: Option<&Response>, cx: &mut Cx<'_, '_>) {
        match purpose {
            // Who does not answer a BYE is gone all the same (RFC 3261 section 15.1.1).
            Purpose::Bye => {
                if let Phase::Leaving(leaving) = &self.phase {
                    let outcome = leaving.outcome.clone();
                    self.end(outcome, cx);
                }
            }
            Purpose::Change(change) => self.changed(change, status, response, cx),
            Purpose::Refer => self.referred_answered(status, response, cx),
            Purpose::Notify(seq) => self.notify_answered(seq, response.map(|response| response.status), cx),
            Purpose::Info => self.info_answered(status, cx),
            Purpose::Name => self.name_told(response, cx),
            // Without it the peer repeats its response, and gives up in time (RFC 3262 section 3).
            Purpose::Prack(None) => {}
            Purpose::Prack(Some(branch)) => self.confirmed(&branch, Method::Prack, response, cx),
            Purpose::Confirm(branch) => self.confirmed(&branch, Method::Update, response, cx),
        }
    }

    /// All dialogs of the call.
    pub(super) fn usages(&mut self) -> Box<dyn Iterator<Item = &mut Usage> + '_> {
        match &mut self.phase {
            Phase::Calling(calling) => Box::new(calling.usages()),
            Phase::Ringing(ringing) => Box::new(std::iter::once(&mut ringing.usage)),
            Phase::Talking(talking) => Box::new(std::iter::once(&mut talking.usage)),
            Phase::Leaving(leaving) => Box::new(std::iter::once(&mut leaving.usage)),
            Phase::Over => Box::new(std::iter::empty()),
        }
    }
}

/// The session description of a request, which must have one.
pub(super) fn session_body(request: &Request) -> Result<&[u8], Refused> {
    let body = request.session_body().map_err(|error| Refused::new(error.status(), error))?;
    body.ok_or_else(|| Refused::new(StatusCode::BAD_REQUEST, "a session description is missing"))
}
