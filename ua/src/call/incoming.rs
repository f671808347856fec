//! A call that comes in: the INVITE until we answer it (RFC 3261 section 13.3).

use super::exchange::Exchange;
use super::first::FirstOffer;
use super::handshake::Handshake;
use super::inside::session_body;
use super::media::Media;
use super::parties::Parties;
use super::precondition::{self, Quiet};
use super::refresh::{self, TooSmall};
use super::refused::Refused;
use super::reliable::{Numbered, Unacknowledged};
use super::usage::Usage;
use super::{ALLOW, Call, Cx, Phase, Place, decline, supported};
use crate::dialog::Dialog;
use crate::event::{CallId, Direction, Event, Outcome};
use crate::io::MediaPorts;
use crate::sdp::Sdp;
use crate::settings::{Incoming, Plan, Play, Preconditions, Reliable, Settings, System};
use crate::sip::{NameAddr, Request, Response, StatusCode, Uri, make};
use crate::transaction::ServerKey;
use keyphone_media::env::Instant;
use std::collections::BTreeMap;
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

/// An INVITE, and what it goes by with us.
struct Invitation<'a> {
    id: CallId,
    key: ServerKey,
    request: &'a Request,
    /// The To-tag that we give it.
    tag: String,
}

impl Call {
    /// Takes an INVITE that begins a dialog; one that takes another call's place is answered at once. `None` if it was refused; the response has left.
    pub(crate) fn invited(
        id: CallId,
        key: ServerKey,
        request: &Request,
        ports: MediaPorts,
        place: Option<Place>,
        cx: &mut Cx<'_, '_>,
    ) -> Option<Self> {
        let peer = request.headers.from().map(|from| from.uri.to_string()).unwrap_or_default();
        let call_id = request.headers.call_id().unwrap_or_default().to_owned();
        // As it looks; whether it is in order is seen when it is answered.
        let keyed = request.body.split(|octet| *octet == b'\n').any(|line| line.starts_with(b"a=key-mgmt:"));
        // Without an offer, ours says how.
        let ours = cx.settings.keying.first().copied().filter(|_| request.body.is_empty());
        let keying = ours.unwrap_or(if keyed { System::MikeyPsk } else { System::Clear });
        cx.event(Event::Started {
            call: id,
            direction: Direction::Incoming,
            peer,
            call_id,
            keying: keying.name().into(),
        });
        let invitation = Invitation { id, key, request, tag: cx.env.token::<4>() };
        let takes_place = place.is_some();
        let must_be_keyed = place.as_ref().is_some_and(|place| place.keyed);
        let (answer_at, early, plan) = match cx.settings.incoming.clone() {
            _ if let Some(Place { plan, .. }) = place => (Some(cx.env.now.mono), None, plan),
            Incoming::Answer { after, early, plan } => (Some(cx.env.now.mono + after), early, plan),
            Incoming::Ring { plan } => (None, None, plan),
            Incoming::Redirect(to) => {
                redirect(&invitation, &to, cx);
                return None;
            }
            Incoming::Refuse(status) => {
                turn_away(&invitation, Refused::new(status, "this phone was told to refuse calls"), cx);
                return None;
            }
        };
        match Self::try_ring(&invitation, ports, plan, (answer_at, early), must_be_keyed, cx) {
            Ok(mut call) => {
                if takes_place {
                    // Nobody is rung for what is only another end of a call (RFC 3891 section 3).
                    call.pick_up(cx);
                }
                if !takes_place || call.is_quiet() {
                    call.ring(cx);
                }
                Some(call)
            }
            Err(refused) => {
                turn_away(&invitation, refused, cx);
                None
            }
        }
    }

    fn try_ring(
        invitation: &Invitation<'_>,
        ports: MediaPorts,
        plan: Plan,
        (answer_at, early): (Option<Instant>, Option<Play>),
        must_be_keyed: bool,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Self, Refused> {
        let Invitation { id, key, request, tag } = invitation;
        let bad = |error| Refused::new(StatusCode::BAD_REQUEST, error);
        let dialog = Dialog::invited(request, tag).map_err(bad)?;
        if let Err(TooSmall(least)) = refresh::check(request, cx.settings) {
            let why = "the session would have to be refreshed too often";
            let refused = Refused::new(StatusCode::SESSION_INTERVAL_TOO_SMALL, why);
            return Err(refused.with("Min-SE", least.as_secs().to_string()));
        }
        let knows_reliable = request.headers.supports("100rel") || requires_reliable(request);
        if cx.settings.rules.reliable == Reliable::Required && !knows_reliable {
            // RFC 3261 section 21.4.16.
            let refused = Refused::new(StatusCode::EXTENSION_REQUIRED, "this phone insists on reliable responses");
            return Err(refused.with("Require", "100rel".into()));
        }
        if cx.settings.rules.preconditions == Preconditions::Required && !request.headers.supports(precondition::TAG) {
            let why = "this phone does not ring before the call is keyed";
            let refused = Refused::new(StatusCode::EXTENSION_REQUIRED, why);
            return Err(refused.with("Require", precondition::TAG.into()));
        }
        let mut media = Media::new(*id, ports, plan.clone(), cx);
        let parties = Parties::of_invite(request, *key, cx).map_err(bad)?;
        let body = request.session_body().map_err(|error| Refused::new(error.status(), error))?;
        let exchange = match body {
            // The offer is for us to make, keyed as ours are (RFC 3261 section 13.3.1.4).
            None => {
                let status = precondition::of_no_offer(cx.settings)?;
                let offer = FirstOffer::new(parties, status, &mut media, cx);
                Exchange::offering(offer.map_err(|why| Refused::keying(why, None))?)
            }
            Some(body) => {
                let offer = Sdp::parse(body);
                let offer = offer.map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error))?;
                Exchange::answering(request, parties, &offer, &mut media, cx)?
            }
        };
        if must_be_keyed && exchange.system() == System::Clear {
            return Err(Refused::keying("a call that is keyed cannot be replaced by one that is not", None));
        }
        cx.book.add_server(*key, *id);
        cx.book.add_media(ports, *id);
        cx.book.add_dialog(dialog.call_id(), dialog.local_tag(), *id);
        let now = cx.env.now.mono;
        let quiet = (!exchange.may_ring()).then(|| Quiet::new(answer_at, now));
        let ringing = Ringing {
            key: *key,
            invite: Request::clone(request),
            usage: Usage::new(*id, dialog, exchange, &request.headers),
            numbered: Numbered::default(),
            answer_at: answer_at.filter(|_| quiet.is_none()),
            quiet,
            early,
            picked_up: false,
            remind: now + Ringing::REMIND,
            expires: request.headers.expires().ok().flatten().map(|expires| now + expires),
        };
        let phase = Phase::Ringing(Box::new(ringing));
        Ok(Self { id: *id, plan, media, we_called: false, numbers: BTreeMap::new(), phase })
    }

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
        let rack = request.headers.rack().ok().flatten();
        let numbered = match &mut self.phase {
            Phase::Ringing(ringing) => Some(&mut ringing.numbered),
            Phase::Talking(talking) => talking.numbered.as_deref_mut(),
            _ => None,
        };
        let Some(told) = rack.zip(numbered).and_then(|(rack, numbered)| numbered.acknowledged(&rack)) else {
            return cx.reply(key, request, StatusCode::CALL_DOES_NOT_EXIST);
        };
        let Self { phase: Phase::Ringing(ringing), media, .. } = self else {
            return cx.reply(key, request, StatusCode::OK);
        };
        let exchange = &mut ringing.usage.exchange;
        let mut ok = decline::reply(request, StatusCode::OK, cx.env);
        if told && exchange.owns_first() {
            // Our offer left in the response that this acknowledges, so the answer is in here.
            if let Err(bad) = exchange.own_first_answer(&request.body, media, cx) {
                cx.respond(key, &ok);
                return self.refuse_with(StatusCode::NOT_ACCEPTABLE_HERE, &bad.why, cx);
            }
        } else {
            if told {
                exchange.settle();
            }
            // A further offer is answered in the 2xx (RFC 3262 section 5).
            if !request.body.is_empty() && exchange.is_free().is_ok() {
                match session_body(request).and_then(|body| exchange.answer((body, key), media, cx)) {
                    Ok((body, _)) => {
                        ok.headers.push("Content-Type", "application/sdp");
                        ok.body = body;
                    }
                    Err(refused) => {
                        let response = refused.response(request, "", cx);
                        return cx.respond(key, &response);
                    }
                }
            }
        }
        cx.respond(key, &ok);
        let picked_up = ringing.picked_up && ringing.quiet.is_none();
        self.ring_if_met(cx);
        if picked_up {
            self.pick_up(cx);
        }
    }

    /// It may not ring yet.
    fn is_quiet(&self) -> bool {
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
        let mut response =
            make::response(&ringing.invite, StatusCode::MOVED_TEMPORARILY, Some(ringing.usage.dialog.local_tag()));
        to.iter().for_each(|uri| response.headers.push("Contact", NameAddr::new(uri.clone()).to_string()));
        cx.respond(ringing.key, &response);
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
fn requires_reliable(invite: &Request) -> bool {
    invite.headers.require().is_ok_and(|tags| tags.iter().any(|tag| tag == "100rel"))
}

/// Sends a caller elsewhere, and says so.
fn redirect(invitation: &Invitation<'_>, to: &[Uri], cx: &mut Cx<'_, '_>) {
    let Invitation { id, key, request, tag } = invitation;
    let mut response = make::response(request, StatusCode::MOVED_TEMPORARILY, Some(tag));
    to.iter().for_each(|uri| response.headers.push("Contact", NameAddr::new(uri.clone()).to_string()));
    cx.respond(*key, &response);
    let outcome = redirected(*id, to, cx);
    cx.event(Event::Ended { call: *id, outcome });
}

fn redirected(call: CallId, to: &[Uri], cx: &mut Cx<'_, '_>) -> Outcome {
    cx.event(Event::Redirected { call, to: to.iter().map(ToString::to_string).collect() });
    let status = StatusCode::MOVED_TEMPORARILY;
    Outcome::Failed { status: Some(status.code()), why: "we sent the caller elsewhere".into() }
}

/// Refuses an INVITE, and says so.
fn turn_away(invitation: &Invitation<'_>, refused: Refused, cx: &mut Cx<'_, '_>) {
    let Invitation { id, key, request, tag } = invitation;
    let response = refused.response(request, tag, cx);
    cx.respond(*key, &response);
    let outcome = refused.outcome(*id, cx);
    cx.event(Event::Ended { call: *id, outcome });
}
