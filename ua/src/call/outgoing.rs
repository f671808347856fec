//! A call that we place: the INVITE until its final answer (RFC 3261 section 13.2).

use super::branch::Branch;
use super::decline::{self, Ack};
use super::media::Media;
use super::talking::Talking;
use super::{ALLOW, Call, Cx, Phase};
use crate::dialog::Dialog;
use crate::event::{CallId, Direction, Event, Outcome};
use crate::io::{MediaPorts, Output};
use crate::locate::Hop;
use crate::sdp::{self, Negotiated, OfferAsk, Profile, Sdp};
use crate::settings::{Plan, System};
use crate::sip::{Method, NameAddr, Request, Response, StatusCode, Uri, make};
use crate::transaction::ClientKey;
use keyphone_keying::{Ask, Dir, Identity, Input, Keying, Lines, Offered, Session, Stream};
use std::collections::BTreeMap;

/// Our INVITE is under way. Every To-tag that answers it is a branch of its own.
pub(super) struct Calling {
    pub(super) key: ClientKey,
    invite: Request,
    to: Hop,
    offer: Sdp,
    /// `None` when clear RTP was offered.
    offered: Option<Box<dyn Offered>>,
    branches: BTreeMap<String, Branch>,
    /// Has any provisional response come?
    proceeding: bool,
    cancel: Cancel,
}

/// A CANCEL may not be sent before a provisional response has come (RFC 3261 section 9.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cancel {
    No,
    WhenProvisional,
    Sent,
}

/// Why a 2xx is not accepted.
struct Unacceptable {
    why: String,
    keying: bool,
}

impl Unacceptable {
    fn keying(why: impl ToString) -> Self {
        Self { why: why.to_string(), keying: true }
    }

    fn other(why: impl ToString) -> Self {
        Self { why: why.to_string(), keying: false }
    }
}

impl Call {
    /// Sends the INVITE. `None` if the call is over before it began; the events say why.
    pub(crate) fn place(
        id: CallId,
        target: Uri,
        to: Hop,
        ports: Option<MediaPorts>,
        plan: Plan,
        cx: &mut Cx<'_, '_>,
    ) -> Option<Self> {
        let call_id = format!("{}@{}", cx.env.token::<8>(), cx.settings.sip.ip());
        let system = cx.settings.keying.first().copied();
        cx.event(Event::Started {
            call: id,
            direction: Direction::Outgoing,
            peer: target.to_string(),
            call_id: call_id.clone(),
            keying: system.map_or("none", System::name).into(),
        });
        let Some(ports) = ports else {
            let outcome = Outcome::Failed { status: None, why: "no media ports are left".into() };
            cx.event(Event::Ended { call: id, outcome });
            return None;
        };
        match Self::try_place(id, target, to, ports, plan, &call_id, cx) {
            Ok(call) => Some(call),
            Err(why) => {
                cx.event(Event::Refused { call: id, why: why.clone(), hint: None });
                cx.event(Event::Ended { call: id, outcome: Outcome::KeyingRefused { why } });
                cx.out.push(Output::Release(ports));
                cx.book.forget(id);
                None
            }
        }
    }

    fn try_place(
        id: CallId,
        target: Uri,
        to: Hop,
        ports: MediaPorts,
        plan: Plan,
        call_id: &str,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Self, String> {
        let named = Identity::new(&target.to_string());
        let mut media = Media::new(id, ports, plan.clone(), cx);
        let (profile, lines, offered) = match cx.settings.keying.first() {
            None => return Err("no keying system is configured: give --keying".into()),
            Some(System::Clear) => {
                let allowed = cx.settings.policy.media.clear().ok_or(NOT_CLEAR)?;
                media.go_clear(allowed, cx);
                (Profile::Avp, Lines::default(), None)
            }
            Some(System::MikeyPsk) => {
                let ssrc = cx.ledger.mint(cx.env);
                let streams = [
                    Stream { line: 0, dir: Dir::Send, ssrc: Some(ssrc), roc: 0 },
                    Stream { line: 0, dir: Dir::Hear, ssrc: None, roc: 0 },
                ];
                let me = cx.settings.identity();
                let ask = Ask { me: &me, named: &named, streams: &streams, policy: &cx.settings.policy };
                let mut known = vec![];
                let (lines, offered) = cx.mikey.offer(&ask, cx.env, &mut known).map_err(|e| e.to_string())?;
                if let Err(error) = media.obey(known, cx) {
                    media.drop_keys(cx);
                    return Err(error.to_string());
                }
                (Profile::Savp, lines, Some(offered))
            }
        };
        let origin = cx.origin();
        let offer = sdp::make_offer(&OfferAsk {
            origin: &origin,
            address: ports.rtp.ip(),
            port: ports.rtp.port(),
            profile,
            codecs: media.codecs(),
            direction: sdp::Direction::SendRecv,
            lines: &lines,
        });
        let our_tag = cx.env.token::<4>();
        let invite = write_invite(target, &to, (call_id, &our_tag), &offer, cx);
        let invite = decline::with_via(invite, cx);
        let key = cx.transactions.request(invite.clone(), to.clone(), cx.env, cx.said).map_err(|e| e.to_string())?;
        cx.book.add_client(key, id);
        cx.book.add_media(ports, id);
        cx.book.add_dialog(call_id, &our_tag, id);
        let branches = BTreeMap::new();
        let calling = Calling { key, invite, to, offer, offered, branches, proceeding: false, cancel: Cancel::No };
        Ok(Self { id, plan, media, phase: Phase::Calling(Box::new(calling)) })
    }

    pub(super) fn invite_answered(&mut self, response: &Response, cx: &mut Cx<'_, '_>) {
        match response.status.class() {
            1 => self.provisional(response, cx),
            2 => self.accepted(response, cx),
            _ => self.rejected(response, cx),
        }
    }

    fn provisional(&mut self, response: &Response, cx: &mut Cx<'_, '_>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        calling.proceeding = true;
        if calling.cancel == Cancel::WhenProvisional {
            calling.send_cancel(cx);
        }
        let Some(tag) = response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned)) else { return };
        let room = calling.branches.len() < MAX_BRANCHES || calling.branches.contains_key(&tag);
        if room && calling.branches.entry(tag.clone()).or_default().provisional(response) {
            cx.event(Event::Ringing { call: self.id, branch: tag });
        }
    }

    fn accepted(&mut self, response: &Response, cx: &mut Cx<'_, '_>) {
        let Phase::Calling(calling) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        let dialog = match Dialog::answered(response) {
            Ok(dialog) => dialog,
            Err(error) => {
                let why = format!("the answer cannot be acknowledged: {error}");
                return self.end(Outcome::Failed { status: Some(response.status.code()), why }, cx);
            }
        };
        let agreed = match calling.cancel {
            Cancel::No => self.agree(&calling, response, cx),
            _ => Err(Unacceptable::other("the call was hung up before it was answered")),
        };
        match agreed {
            Ok((negotiated, session)) => self.talk(dialog, negotiated, session, cx),
            Err(Unacceptable { why, keying }) => {
                if keying {
                    cx.event(Event::Refused { call: self.id, why: why.clone(), hint: None });
                }
                let outcome = match keying {
                    true => Outcome::KeyingRefused { why: why.clone() },
                    false => Outcome::Failed { status: None, why: why.clone() },
                };
                let status = if keying { StatusCode::NOT_ACCEPTABLE_HERE } else { StatusCode::REQUEST_TERMINATED };
                let reason = decline::reason(status, &why);
                match decline::decline(dialog, Some(reason), cx) {
                    Some(bye) => self.wait_for_bye(bye, outcome, cx),
                    None => self.end(outcome, cx),
                }
            }
        }
    }

    /// Is the answer one that we can talk on? Keys first: the peer is proven before media is.
    fn agree(
        &mut self,
        calling: &Calling,
        response: &Response,
        cx: &mut Cx<'_, '_>,
    ) -> Result<(Negotiated, Option<Box<dyn Session>>), Unacceptable> {
        let answer = Sdp::parse(&response.body).map_err(Unacceptable::other)?;
        let negotiated = sdp::read_answer(&calling.offer, &answer).map_err(|error| match error {
            sdp::AnswerError::Downgrade { .. } => Unacceptable::keying(error),
            _ => Unacceptable::other(error),
        })?;
        let Some(offered) = &calling.offered else { return Ok((negotiated, None)) };
        let lines = sdp::key_mgmt::read(&answer).map_err(Unacceptable::keying)?;
        let (mut session, mut said) = (offered.session(), vec![]);
        let result = session.handle(Input::Answer(&lines), cx.env, &mut said);
        let obeyed = self.media.obey(said, cx);
        result.map_err(Unacceptable::keying)?;
        obeyed.map_err(Unacceptable::keying)?;
        Ok((negotiated, Some(session)))
    }

    fn talk(&mut self, dialog: Dialog, negotiated: Negotiated, session: Option<Box<dyn Session>>, cx: &mut Cx<'_, '_>) {
        let branch = dialog.remote_tag().to_owned();
        let ack = Ack::new(&dialog, cx);
        ack.send(cx.transactions, cx.env, cx.said);
        self.media.start(&negotiated, cx);
        let keying = if session.is_some() { System::MikeyPsk } else { System::Clear };
        let codec = negotiated.codec.name.clone();
        cx.event(Event::Answered { call: self.id, branch, codec, keying: keying.name().into() });
        let talking = Talking::called(dialog, session, ack, self.plan.hang_up, cx.env.now.mono);
        self.phase = Phase::Talking(Box::new(talking));
    }

    fn rejected(&mut self, response: &Response, cx: &mut Cx<'_, '_>) {
        let Phase::Calling(calling) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        let warnings = response.headers.warning().unwrap_or_default();
        let said = warnings.into_iter().map(|w| w.text).collect::<Vec<_>>().join("; ");
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let why = format!("{} {}{said}", response.status, response.reason);
        let outcome = match &calling.offered {
            // 488 and 606 say that the session was not acceptable, and ours was keyed (RFC 4567 section 4.1.2).
            Some(offered) if is_not_acceptable(response.status) => {
                let lines = Sdp::parse(&response.body).ok().and_then(|sdp| sdp::key_mgmt::read(&sdp).ok());
                let hint = lines.and_then(|lines| offered.refused(&lines)).map(|e| e.to_string());
                if let Some(hint) = &hint {
                    tracing::warn!(call = %self.id, %hint, "an error message that nobody authenticated");
                }
                cx.event(Event::Refused { call: self.id, why: why.clone(), hint });
                Outcome::KeyingRefused { why }
            }
            _ => Outcome::Failed { status: Some(response.status.code()), why },
        };
        self.end(outcome, cx);
    }

    pub(super) fn invite_unanswered(&mut self, status: StatusCode, why: String, cx: &mut Cx<'_, '_>) {
        self.end(Outcome::Failed { status: Some(status.code()), why }, cx);
    }

    pub(super) fn cancel(&mut self, cx: &mut Cx<'_, '_>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        match (calling.cancel, calling.proceeding) {
            (Cancel::No, false) => calling.cancel = Cancel::WhenProvisional,
            (Cancel::No, true) => calling.send_cancel(cx),
            (Cancel::WhenProvisional | Cancel::Sent, _) => {}
        }
    }
}

impl Calling {
    fn send_cancel(&mut self, cx: &mut Cx<'_, '_>) {
        self.cancel = Cancel::Sent;
        // Its headers are our INVITE's, so that the transaction can read them; what becomes of it, the INVITE says.
        if let Ok(cancel) = make::cancel(&self.invite) {
            let _ = cx.transactions.request(cancel, self.to.clone(), cx.env, cx.said);
        }
    }
}

/// More To-tags than this are not told apart before they answer: a peer could make them up without end.
const MAX_BRANCHES: usize = 64;

const NOT_CLEAR: &str = "clear RTP is not allowed: give a keying system, or --allow-clear";

/// Was it the session that was refused, rather than the call (RFC 3261 sections 21.4.26 and 21.6.4)?
fn is_not_acceptable(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_ACCEPTABLE_HERE | StatusCode::NOT_ACCEPTABLE_ANYWHERE)
}

fn write_invite(target: Uri, to: &Hop, (call_id, our_tag): (&str, &str), offer: &Sdp, cx: &Cx<'_, '_>) -> Request {
    let mut invite = Request::new(Method::Invite, target.clone());
    let me = NameAddr::new(cx.settings.me.clone()).with_tag(our_tag);
    let from = NameAddr { display: cx.settings.display_name.clone(), ..me };
    let headers = &mut invite.headers;
    headers.push("Max-Forwards", make::MAX_FORWARDS);
    headers.push("From", from.to_string());
    headers.push("To", NameAddr::new(target).to_string());
    headers.push("Call-ID", call_id);
    headers.push("CSeq", "1 INVITE");
    headers.push("Contact", cx.settings.contact(to.likely_transport()));
    headers.push("Allow", ALLOW);
    headers.push("Content-Type", "application/sdp");
    invite.body = offer.bytes();
    invite
}
