//! A call that we place: the INVITE until its final answer (RFC 3261 section 13.2).

use super::branch::Branch;
use super::decline::{self, Ack};
use super::exchange::{Exchange, Parties};
use super::first::FirstOffer;
use super::handshake::Handshake;
use super::media::Media;
use super::refused::Unacceptable;
use super::usage::Usage;
use super::{ALLOW, Call, Cx, Phase, SUPPORTED};
use crate::dialog::Dialog;
use crate::event::{CallId, Direction, Event, Outcome};
use crate::io::{MediaPorts, Output};
use crate::locate::Hop;
use crate::sdp::{self, Sdp};
use crate::settings::{Plan, System};
use crate::sip::{Method, NameAddr, Request, Response, SipError, StatusCode, Uri, make};
use crate::transaction::ClientKey;
use keyphone_keying::Identity;
use std::collections::BTreeMap;

/// Our INVITE is under way. Every To-tag that answers it is a branch of its own.
pub(super) struct Calling {
    pub(super) key: ClientKey,
    invite: Request,
    to: Hop,
    offer: FirstOffer,
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
                cx.out.extend(ports.are_open().then_some(Output::Release(ports)));
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
        let parties = Parties { me: cx.settings.identity(), named: Identity::new(&target.to_string()) };
        let mut media = Media::new(id, ports, plan.clone(), cx);
        let offer = FirstOffer::new(parties, &mut media, cx)?;
        let our_tag = cx.env.token::<4>();
        let invite = write_invite(target, &to, (call_id, &our_tag), &offer.body, cx);
        let invite = decline::with_via(invite, cx);
        let key = cx.transactions.request(invite.clone(), to.clone(), cx.env, cx.said).map_err(|e| e.to_string())?;
        cx.book.add_client(key, id);
        cx.book.add_media(ports, id);
        cx.book.add_dialog(call_id, &our_tag, id);
        let branches = BTreeMap::new();
        let calling = Calling { key, invite, to, offer, branches, proceeding: false, cancel: Cancel::No };
        Ok(Self { id, plan, media, we_called: true, phase: Phase::Calling(Box::new(calling)) })
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

    /// A 2xx: ACK, whatever becomes of it, and then we talk or say BYE (RFC 3261 section 13.2.2.4).
    fn accepted(&mut self, response: &Response, cx: &mut Cx<'_, '_>) {
        let Phase::Calling(calling) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        let mut usage = match calling.confirmed(self.id, response) {
            Ok(usage) => usage,
            Err(error) => {
                let why = format!("the answer cannot be acknowledged: {error}");
                return self.end(Outcome::Failed { status: Some(response.status.code()), why }, cx);
            }
        };
        let agreed = match calling.cancel {
            Cancel::No => usage.exchange.first_answer(&calling.offer, &response.body, &mut self.media, cx),
            _ => Err(Unacceptable::other("the call was hung up before it was answered")),
        };
        let hop = usage.hop();
        let seq = response.headers.cseq().map(|cseq| cseq.seq).unwrap_or_default();
        let ack = Ack::new(&usage.dialog, seq, hop, |_| {}, cx);
        ack.send(cx);
        let handshake = Handshake::ack_sent(ack, seq, cx.env.now.mono);
        match agreed {
            Ok(()) => {
                usage.exchange.settle();
                usage.exchange.start(false, &mut self.media, cx);
                self.talk(usage, handshake, cx);
            }
            Err(bad) => {
                let why = bad.why.clone();
                let (status, outcome) = bad.outcome(self.id, cx);
                self.depart(usage, handshake, Some(decline::reason(status, &why)), outcome, cx);
            }
        }
    }

    fn rejected(&mut self, response: &Response, cx: &mut Cx<'_, '_>) {
        let Phase::Calling(calling) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        let warnings = response.headers.warning().unwrap_or_default();
        let said = warnings.into_iter().map(|w| w.text).collect::<Vec<_>>().join("; ");
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let why = format!("{} {}{said}", response.status, response.reason);
        let outcome = match &calling.offer.offered {
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
    /// The early dialogs.
    pub(super) fn usages(&mut self) -> impl Iterator<Item = &mut Usage> {
        self.branches.values_mut().filter_map(|branch| branch.usage.as_deref_mut())
    }

    /// The dialog that a 2xx confirms: the early one with the same tag, or a new one.
    fn confirmed(&self, call: CallId, response: &Response) -> Result<Usage, SipError> {
        let exchange = Exchange::offered(&self.offer);
        Ok(Usage::new(call, Dialog::answered(response)?, exchange, &response.headers))
    }

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

/// Was it the session that was refused, rather than the call (RFC 3261 sections 21.4.26 and 21.6.4)?
fn is_not_acceptable(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_ACCEPTABLE_HERE | StatusCode::NOT_ACCEPTABLE_ANYWHERE)
}

fn write_invite(target: Uri, to: &Hop, (call_id, our_tag): (&str, &str), offer: &[u8], cx: &Cx<'_, '_>) -> Request {
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
    headers.push("Supported", SUPPORTED);
    headers.push("Content-Type", "application/sdp");
    invite.body = offer.to_vec();
    invite
}
