//! A call that comes in: the INVITE until we answer it (RFC 3261 section 13.3).

use super::exchange::Exchange;
use super::handshake::Handshake;
use super::inside::session_body;
use super::media::Media;
use super::refused::Refused;
use super::usage::Usage;
use super::{ALLOW, Call, Cx, Phase, SUPPORTED, decline};
use crate::dialog::Dialog;
use crate::event::{CallId, Direction, Event, Outcome};
use crate::io::MediaPorts;
use crate::sdp::{self, Sdp};
use crate::settings::{Incoming, Plan, Settings, System};
use crate::sip::{Request, Response, StatusCode, make};
use crate::transaction::ServerKey;
use keyphone_media::env::Instant;

/// Their INVITE is not answered yet; the answer is ready, and so are its keys.
pub(super) struct Ringing {
    key: ServerKey,
    invite: Request,
    pub(super) usage: Usage,
    /// When it is answered; `None` if the user does that.
    pub(super) answer_at: Option<Instant>,
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
    /// Takes an INVITE that begins a dialog. `None` if it was refused; the response has left.
    pub(crate) fn invited(
        id: CallId,
        key: ServerKey,
        request: &Request,
        ports: MediaPorts,
        cx: &mut Cx<'_, '_>,
    ) -> Option<Self> {
        let peer = request.headers.from().map(|from| from.uri.to_string()).unwrap_or_default();
        let call_id = request.headers.call_id().unwrap_or_default().to_owned();
        let keyed =
            Sdp::parse(&request.body).and_then(|sdp| sdp::key_mgmt::read(&sdp)).is_ok_and(|lines| !lines.0.is_empty());
        let keying = if keyed { System::MikeyPsk } else { System::Clear };
        cx.event(Event::Started {
            call: id,
            direction: Direction::Incoming,
            peer,
            call_id,
            keying: keying.name().into(),
        });
        let invitation = Invitation { id, key, request, tag: cx.env.token::<4>() };
        let (answer_at, plan) = match cx.settings.incoming.clone() {
            Incoming::Answer { after, plan, .. } => (Some(cx.env.now.mono + after), plan),
            Incoming::Ring { plan } => (None, plan),
            Incoming::Redirect(_) => {
                turn_away(&invitation, Refused::new(StatusCode::TEMPORARILY_UNAVAILABLE, "later"), cx);
                return None;
            }
            Incoming::Refuse(status) => {
                turn_away(&invitation, Refused::new(status, "this phone was told to refuse calls"), cx);
                return None;
            }
        };
        match Self::try_ring(&invitation, ports, plan, answer_at, cx) {
            Ok(mut call) => {
                call.ring(&invitation.tag, cx);
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
        answer_at: Option<Instant>,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Self, Refused> {
        let Invitation { id, key, request, tag } = invitation;
        let dialog = Dialog::invited(request, tag).map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error))?;
        if request.body.is_empty() {
            return Err(Refused::new(StatusCode::NOT_ACCEPTABLE_HERE, "this phone wants the offer in the INVITE"));
        }
        let offer = Sdp::parse(session_body(request)?).map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error))?;
        let mut media = Media::new(*id, ports, plan.clone(), cx);
        let exchange = Exchange::answering(request, &offer, &mut media, cx)?;
        cx.book.add_server(*key, *id);
        cx.book.add_media(ports, *id);
        cx.book.add_dialog(dialog.call_id(), dialog.local_tag(), *id);
        let fallback = decline::way_back(request).unwrap_or_default();
        let usage = Usage::new(*id, dialog, fallback, exchange, &request.headers);
        let ringing = Ringing { key: *key, invite: Request::clone(request), usage, answer_at };
        Ok(Self { id: *id, plan, media, we_called: false, phase: Phase::Ringing(Box::new(ringing)) })
    }

    fn ring(&mut self, tag: &str, cx: &mut Cx<'_, '_>) {
        let Phase::Ringing(ringing) = &self.phase else { return };
        let now = ringing.answer_at.is_some_and(|at| at <= cx.env.now.mono);
        let response = ringing.response(StatusCode::RINGING, cx.settings);
        cx.respond(ringing.key, &response);
        cx.event(Event::Ringing { call: self.id, branch: tag.into() });
        if now {
            self.pick_up(cx);
        }
    }

    /// 200 OK, and the media begins.
    pub(super) fn pick_up(&mut self, cx: &mut Cx<'_, '_>) {
        let Phase::Ringing(ringing) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        let mut response = ringing.response(StatusCode::OK, cx.settings);
        response.headers.push("Allow", ALLOW);
        response.headers.push("Supported", SUPPORTED);
        response.headers.push("Content-Type", "application/sdp");
        let Ringing { key, invite, mut usage, .. } = *ringing;
        response.body = usage.exchange.body();
        cx.respond(key, &response);
        usage.exchange.settle();
        usage.exchange.start(false, &mut self.media, cx);
        let seq = invite.headers.cseq().map(|cseq| cseq.seq).unwrap_or_default();
        let handshake = Handshake::ok_sent(key, response, seq, cx.env.now.mono);
        self.talk(usage, handshake, cx);
    }

    /// The caller has hung up before we answered: 487 (RFC 3261 section 9.2).
    pub(crate) fn cancelled(&mut self, cx: &mut Cx<'_, '_>) {
        self.refuse(StatusCode::REQUEST_TERMINATED, cx);
    }

    pub(super) fn refuse(&mut self, status: StatusCode, cx: &mut Cx<'_, '_>) {
        let Phase::Ringing(ringing) = &self.phase else { return };
        let response = ringing.response(status, cx.settings);
        cx.respond(ringing.key, &response);
        let why = match status {
            StatusCode::REQUEST_TERMINATED => "the caller hung up before we answered".into(),
            _ => format!("we refused it: {status} {}", response.reason),
        };
        self.end(Outcome::Failed { status: Some(status.code()), why }, cx);
    }
}

impl Ringing {
    /// With our tag and our Contact, so that it makes the dialog (RFC 3261 section 12.1.1).
    fn response(&self, status: StatusCode, settings: &Settings) -> Response {
        let mut response = make::response(&self.invite, status, Some(self.usage.dialog.local_tag()));
        response.headers.push("Contact", settings.contact(decline::transport_of(&self.invite)));
        response
    }
}

/// Refuses an INVITE, and says so.
fn turn_away(invitation: &Invitation<'_>, refused: Refused, cx: &mut Cx<'_, '_>) {
    let Invitation { id, key, request, tag } = invitation;
    let response = refused.response(request, tag, cx);
    cx.respond(*key, &response);
    let outcome = refused.outcome(*id, cx);
    cx.event(Event::Ended { call: *id, outcome });
}
