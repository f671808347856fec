//! A call that comes in: the INVITE until we answer it (RFC 3261 section 13.3).

use super::decline;
use super::media::Media;
use super::talking::Talking;
use super::{ALLOW, Call, Cx, Phase};
use crate::dialog::Dialog;
use crate::event::{CallId, Direction, Event, Outcome};
use crate::io::MediaPorts;
use crate::sdp::{self, AnswerAsk, Negotiated, Profile, Sdp};
use crate::settings::{Incoming, Plan, Settings, System};
use crate::sip::{Request, Response, StatusCode, make};
use crate::transaction::{ServerKey, Transport};
use keyphone_keying::{Ask, Dir, Identity, Keying, Lines, Session, Stream};
use keyphone_media::env::Instant;

/// Their INVITE is not answered yet; the answer is ready, and so are its keys.
pub(super) struct Ringing {
    key: ServerKey,
    invite: Request,
    dialog: Dialog,
    negotiated: Negotiated,
    session: Option<Box<dyn Session>>,
    answer: Vec<u8>,
    pub(super) answer_at: Instant,
}

/// An INVITE, and what it goes by with us.
struct Invitation<'a> {
    id: CallId,
    key: ServerKey,
    request: &'a Request,
    /// The To-tag that we give it.
    tag: String,
}

/// A refusal: its status, what the Warning says, and perhaps an SDP (RFC 4567 section 4.1.2).
struct Refused {
    status: StatusCode,
    why: String,
    keying: bool,
    body: Option<Vec<u8>>,
}

impl Refused {
    fn new(status: StatusCode, why: impl ToString) -> Self {
        Self { status, why: why.to_string(), keying: false, body: None }
    }

    fn keying(why: impl ToString, body: Option<Vec<u8>>) -> Self {
        Self { status: StatusCode::NOT_ACCEPTABLE_HERE, why: why.to_string(), keying: true, body }
    }
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
        let refused = match cx.settings.incoming.clone() {
            Incoming::Ring { .. } | Incoming::Redirect(_) => Refused::new(StatusCode::TEMPORARILY_UNAVAILABLE, "later"),
            Incoming::Refuse(status) => Refused::new(status, "this phone was told to refuse calls"),
            Incoming::Answer { after, plan, .. } => {
                let answer_at = cx.env.now.mono + after;
                match Self::try_ring(&invitation, ports, plan, answer_at, cx) {
                    Ok(mut call) => {
                        call.ring(&invitation.tag, cx);
                        return Some(call);
                    }
                    Err(refused) => refused,
                }
            }
        };
        turn_away(&invitation, refused, cx);
        None
    }

    fn try_ring(
        invitation: &Invitation<'_>,
        ports: MediaPorts,
        plan: Plan,
        answer_at: Instant,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Self, Refused> {
        let Invitation { id, key, request, tag } = invitation;
        let dialog = Dialog::invited(request, tag).map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error))?;
        let body = request.session_body().map_err(|error| Refused::new(error.status(), error))?;
        let Some(body) = body else {
            return Err(Refused::new(StatusCode::NOT_ACCEPTABLE_HERE, "this phone wants the offer in the INVITE"));
        };
        let offer = Sdp::parse(body).map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error))?;
        let profiles = profiles(cx.settings);
        let mut media = Media::new(*id, ports, plan.clone(), cx);
        let ask = AnswerAsk {
            origin: &cx.origin(),
            address: ports.rtp.ip(),
            port: ports.rtp.port(),
            profiles: &profiles,
            codecs: media.codecs(),
            direction: sdp::Direction::SendRecv,
        };
        let ready = sdp::answer(&offer, &ask).map_err(|rejection| match rejection.is_clear_only() {
            true => Refused::keying(rejection, None),
            false => Refused::new(StatusCode::NOT_ACCEPTABLE_HERE, rejection),
        })?;
        let negotiated = ready.negotiated.clone();
        let (lines, session) = match ready.profile {
            Profile::Avp => {
                let allowed =
                    cx.settings.policy.media.clear().ok_or_else(|| Refused::keying(sdp::Unfit::Clear, None))?;
                media.go_clear(allowed, cx);
                (Lines::default(), None)
            }
            Profile::Savp => {
                let (lines, session) = key_it(request, &offer, &negotiated, &mut media, cx)?;
                (lines, Some(session))
            }
        };
        let answer = ready.with_lines(&lines).bytes();
        cx.book.add_server(*key, *id);
        cx.book.add_media(ports, *id);
        cx.book.add_dialog(dialog.call_id(), dialog.local_tag(), *id);
        let invite = Request::clone(request);
        let ringing = Ringing { key: *key, invite, dialog, negotiated, session, answer, answer_at };
        Ok(Self { id: *id, plan, media, phase: Phase::Ringing(Box::new(ringing)) })
    }

    fn ring(&mut self, tag: &str, cx: &mut Cx<'_, '_>) {
        let Phase::Ringing(ringing) = &self.phase else { return };
        let now = ringing.answer_at <= cx.env.now.mono;
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
        response.headers.push("Content-Type", "application/sdp");
        response.body.clone_from(&ringing.answer);
        cx.respond(ringing.key, &response);
        self.media.start(&ringing.negotiated, cx);
        let Ringing { key, invite, dialog, negotiated, session, .. } = *ringing;
        let keying = if session.is_some() { System::MikeyPsk } else { System::Clear };
        let (branch, codec) = (dialog.remote_tag().to_owned(), negotiated.codec.name);
        cx.event(Event::Answered { call: self.id, branch, codec, keying: keying.name().into() });
        let hop = dialog.next_hop().or(decline::way_back(&invite).unwrap_or_default());
        let talking = Talking::was_called(dialog, hop, session, (key, response), self.plan.hang_up, cx.env.now.mono);
        self.phase = Phase::Talking(Box::new(talking));
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
        let mut response = make::response(&self.invite, status, Some(self.dialog.local_tag()));
        let over_tcp = self.invite.headers.via().is_ok_and(|via| via.transport.is_reliable());
        let transport = if over_tcp { Transport::Tcp } else { Transport::Udp };
        response.headers.push("Contact", settings.contact(transport));
        response
    }
}

/// Refuses an INVITE, and says so.
fn turn_away(invitation: &Invitation<'_>, refused: Refused, cx: &mut Cx<'_, '_>) {
    let Invitation { id, key, request, tag } = invitation;
    let Refused { status, why, keying, body } = refused;
    let mut response = make::response(request, status, Some(tag));
    response.headers.push("Warning", decline::warning(cx.settings, &why));
    if let Some(body) = body {
        response.headers.push("Content-Type", "application/sdp");
        response.body = body;
    }
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        response.headers.push("Accept", "application/sdp");
    }
    cx.respond(*key, &response);
    let outcome = match keying {
        true => {
            cx.event(Event::Refused { call: *id, why: why.clone(), hint: None });
            Outcome::KeyingRefused { why }
        }
        false => Outcome::Failed { status: Some(status.code()), why },
    };
    cx.event(Event::Ended { call: *id, outcome });
}

/// Which profiles we take: clear RTP only where it is configured and policy allows it.
fn profiles(settings: &Settings) -> Vec<Profile> {
    let allowed = |system: &System| match system {
        System::MikeyPsk => Some(Profile::Savp),
        System::Clear => settings.policy.media.clear().map(|_| Profile::Avp),
    };
    settings.keying.iter().filter_map(allowed).collect()
}

/// Asks the keying system for an answer, and takes its keys.
fn key_it(
    request: &Request,
    offer: &Sdp,
    negotiated: &Negotiated,
    media: &mut Media,
    cx: &mut Cx<'_, '_>,
) -> Result<(Lines, Box<dyn Session>), Refused> {
    let lines = sdp::key_mgmt::read(offer).map_err(|error| Refused::keying(error, None))?;
    let ssrc = cx.ledger.mint(cx.env);
    let line = negotiated.line;
    let streams = [
        Stream { line, dir: Dir::Send, ssrc: Some(ssrc), roc: 0 },
        Stream { line, dir: Dir::Hear, ssrc: None, roc: 0 },
    ];
    let me = cx.settings.identity_for(request);
    let from = request.headers.from().map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error))?;
    let named = Identity::new(&from.uri.to_string());
    let ask = Ask { me: &me, named: &named, streams: &streams, policy: &cx.settings.policy };
    let mut said = vec![];
    let answered = cx.mikey.answer(&ask, &lines, cx.env, &mut said);
    let obeyed = media.obey(said, cx);
    if answered.is_err() || obeyed.is_err() {
        media.drop_keys(cx);
    }
    let (lines, session) = answered.map_err(|refusal| {
        // The error message travels in the SDP of the 488 (RFC 4567 section 4.1.2).
        let body = refusal.lines.map(|lines| sdp::refusal(offer, &cx.origin(), cx.settings.sip.ip(), &lines).bytes());
        Refused::keying(refusal.error, body)
    })?;
    obeyed.map_err(|error| Refused::keying(error, None))?;
    Ok((lines, session))
}
