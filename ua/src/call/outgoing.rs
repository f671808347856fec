//! A call that we place: the INVITE until its final answer (RFC 3261 section 13.2). What the responses mean is
//! `responses`' business.

use super::branch::Branch;
use super::choose::Menu;
use super::decline;
use super::late::{self, First};
use super::media::Media;
use super::parties::Parties;
use super::redirect::Targets;
use super::refused::Unacceptable;
use super::usage::Usage;
use super::{ALLOW, Call, Cx, Phase, precondition, supported_in_invite};
use crate::event::{CallId, Direction, Event, Outcome};
use crate::io::{MediaPorts, Output};
use crate::locate::Hop;
use crate::register::preload;
use crate::settings::{Plan, Preconditions, Reliable, Rules};
use crate::sip::{CSeq, Method, NameAddr, Request, SessionExpires, StatusCode, Uri, make};
use crate::transaction::ClientKey;
use keyphone_keying::Identity;
use keyphone_media::env::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// Our INVITE is under way. Every To-tag that answers it is a branch of its own.
pub(super) struct Calling {
    pub(super) key: ClientKey,
    pub(super) invite: Request,
    to: Hop,
    pub(super) first: First,
    /// Did we offer keys, or shall we answer with keys?
    pub(super) keyed: bool,
    pub(super) branches: BTreeMap<String, Branch>,
    /// So many there were in all, those that are over among them.
    met: usize,
    /// Why a branch was sent away: it offered or answered what we cannot take.
    pub(super) refused: Option<Unacceptable>,
    /// A branch was sent away that had answered finally: until then others may answer, too.
    pub(super) last_call: Option<Instant>,
    /// When to look again for the branches of packets that wait.
    pub(super) seek_at: Option<Instant>,
    /// Whom the user called.
    pub(super) asked: Identity,
    /// How often it may still be offered in another way.
    pub(super) retries: u8,
    /// Whom else to try.
    pub(super) targets: Targets,
    /// How often the INVITE was sent anew: with credentials, with a longer session.
    pub(super) tries: u8,
    /// Has any provisional response come?
    pub(super) proceeding: bool,
    pub(super) cancel: Cancel,
    /// Who has not answered by then is not called any longer.
    give_up: Instant,
}

/// More To-tags than this are not told apart before they answer finally: a peer could make them up without end.
const MAX_BRANCHES: usize = 64;

/// A CANCEL may not be sent before a provisional response has come (RFC 3261 section 9.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    WhenProvisional(Reason),
    Sent(Reason),
}

/// Why we cancel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    HungUp,
    NobodyAnswered,
    /// Two branches use one pad: [`Calling::refused`] says it.
    Clash,
}

impl Call {
    /// Sends the INVITE, with headers more if there are some. `None` if the call is over before it began; the events say why.
    pub(crate) fn place(
        id: CallId,
        target: Uri,
        to: Hop,
        ports: Option<MediaPorts>,
        plan: Plan,
        extra: Vec<(&'static str, String)>,
        cx: &mut Cx<'_, '_>,
    ) -> Option<Self> {
        let call_id = format!("{}@{}", cx.env.token::<8>(), cx.settings.sip.ip());
        let hop = to.likely_transport().into();
        let parties = Parties { me: cx.settings.identity(), named: Identity::new(&target.to_string()), hop };
        let menu = Menu::of(&parties, cx);
        let keying = menu.name(cx);
        cx.event(Event::Started {
            call: id,
            direction: Direction::Outgoing,
            peer: target.to_string(),
            call_id: call_id.clone(),
            keying,
        });
        let Some(ports) = ports else {
            let outcome = Outcome::Failed { status: None, why: "no media ports are left".into() };
            cx.event(Event::Ended { call: id, outcome });
            return None;
        };
        if !cx.settings.rules.late_offer {
            menu.tell(id, cx);
        }
        match Self::try_place(id, target, to, ports, plan, (parties, menu, &call_id, extra), cx) {
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
        (parties, menu, call_id, extra): (Parties, Menu, &str, Vec<(&'static str, String)>),
        cx: &mut Cx<'_, '_>,
    ) -> Result<Self, String> {
        let status = precondition::of_our_offer(cx.settings)?;
        let mut media = Media::new(id, ports, plan.clone(), cx);
        let asked = parties.named.clone();
        media.asked = Some(asked.clone());
        let first = First::new(parties, menu, status, &mut media, cx)?;
        let our_tag = cx.env.token::<4>();
        let mut invite = write_invite(&target, &to, (call_id, &our_tag), first.body(), cx);
        extra.into_iter().for_each(|(name, value)| invite.headers.push(name, value));
        cx.auth.preempt(&mut invite);
        let invite = decline::with_via(invite, cx);
        let sent = cx.transactions.request(invite.clone(), to.clone(), cx.env, cx.said);
        let key = sent.map_err(|error| {
            media.drop_keys(cx);
            error.to_string()
        })?;
        cx.book.add_client(key, id);
        cx.book.add_media(ports, id);
        cx.book.add_dialog(call_id, &our_tag, id);
        let calling = Calling {
            key,
            invite,
            to,
            keyed: first.is_keyed(cx),
            first,
            branches: BTreeMap::new(),
            met: 0,
            refused: None,
            last_call: None,
            seek_at: None,
            asked,
            retries: cx.settings.policy.choice.retries,
            targets: Targets::new(target, cx.settings.rules.redirects),
            tries: 0,
            proceeding: false,
            cancel: Cancel::No,
            give_up: cx.env.now.mono + cx.settings.rules.ring_limit,
        };
        let phase = Phase::Calling(Box::new(calling));
        Ok(Self { id, plan, media, we_called: true, numbers: BTreeMap::new(), phase })
    }

    pub(super) fn cancel(&mut self, why: Reason, cx: &mut Cx<'_, '_>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        // A CANCEL has no effect any more (RFC 3261 section 9.1).
        if calling.last_call.is_some() {
            return self.nobody_left(cx);
        }
        match (calling.cancel, calling.proceeding) {
            (Cancel::No, false) => calling.cancel = Cancel::WhenProvisional(why),
            (Cancel::No, true) => calling.send_cancel(why, cx),
            (Cancel::WhenProvisional(_) | Cancel::Sent(_), _) => {}
        }
    }

    pub(super) fn calling_timeout(&mut self, cx: &mut Cx<'_, '_>) {
        let Phase::Calling(calling) = &self.phase else { return };
        let now = cx.env.now.mono;
        if calling.last_call.is_some_and(|last| last <= now) {
            return self.nobody_left(cx);
        }
        if calling.cancel == Cancel::No && calling.give_up <= now {
            return self.cancel(Reason::NobodyAnswered, cx);
        }
        self.seek(cx);
    }
}

impl Calling {
    /// Has a branch answered whose tag is one of these?
    pub(super) fn has_branch(&self, is: impl Fn(&str) -> bool) -> bool {
        self.branches.keys().any(|tag| is(tag))
    }

    /// Is this a branch that we know, or is there room for one more?
    pub(super) fn has_room_for(&self, tag: &str) -> bool {
        self.met < MAX_BRANCHES || self.branches.contains_key(tag)
    }

    /// The branch of that tag; a new one if there is none.
    pub(super) fn branch(&mut self, tag: &str) -> &mut Branch {
        self.branches.entry(tag.to_owned()).or_insert_with(|| {
            self.met += 1;
            Branch::default()
        })
    }

    /// The early dialogs.
    pub(super) fn usages(&mut self) -> impl Iterator<Item = &mut Usage> {
        self.branches.values_mut().filter_map(|branch| branch.usage.as_deref_mut())
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let give_up = (self.cancel == Cancel::No).then_some(self.give_up);
        give_up.into_iter().chain(self.last_call).chain(self.seek_at).min()
    }

    pub(super) fn send_cancel(&mut self, why: Reason, cx: &mut Cx<'_, '_>) {
        self.cancel = Cancel::Sent(why);
        // Its headers are our INVITE's, so that the transaction can read them; what becomes of it, the INVITE says.
        if let Ok(cancel) = make::cancel(&self.invite) {
            let _ = cx.transactions.request(cancel, self.to.clone(), cx.env, cx.said);
        }
    }

    /// Sends the INVITE anew, changed: the same call with the next number (RFC 3261 sections 8.1.3.4 and 8.1.3.5).
    pub(super) fn send_again(
        &mut self,
        call: CallId,
        to: Option<Hop>,
        change: impl FnOnce(&mut Request),
        cx: &mut Cx<'_, '_>,
    ) -> Result<(), String> {
        let mut invite = self.invite.clone();
        invite.headers.remove("Via");
        let seq = invite.headers.cseq().map_err(|error| error.to_string())?.seq + 1;
        invite.headers.set("CSeq", CSeq { seq, method: Method::Invite }.to_string());
        change(&mut invite);
        let to = to.unwrap_or_else(|| self.to.clone());
        let invite = decline::with_via(invite, cx);
        let key = cx.transactions.request(invite.clone(), to.clone(), cx.env, cx.said).map_err(|e| e.to_string())?;
        cx.book.forget_client(self.key, call);
        cx.book.add_client(key, call);
        (self.key, self.invite, self.to) = (key, invite, to);
        (self.proceeding, self.refused, self.seek_at) = (false, None, None);
        self.branches.clear();
        self.met = 0;
        Ok(())
    }
}

fn write_invite(target: &Uri, to: &Hop, (call_id, our_tag): (&str, &str), offer: &[u8], cx: &Cx<'_, '_>) -> Request {
    let mut invite = Request::new(Method::Invite, target.clone());
    let me = NameAddr::new(cx.settings.account().me.clone()).with_tag(our_tag);
    let from = NameAddr { display: cx.settings.account().display_name.clone(), ..me };
    let headers = &mut invite.headers;
    headers.push("Max-Forwards", make::MAX_FORWARDS);
    headers.push("From", from.to_string());
    headers.push("To", NameAddr::new(target.clone()).to_string());
    headers.push("Call-ID", call_id);
    headers.push("CSeq", "1 INVITE");
    headers.push("Contact", cx.settings.contact(to.likely_transport()));
    headers.push("Allow", ALLOW);
    let Rules { reliable, preconditions, session_expires, min_se, ring_limit, .. } = &cx.settings.rules;
    headers.push("Supported", supported_in_invite(cx.settings));
    if *reliable == Reliable::Required || *preconditions == Preconditions::Required {
        // RFC 3262 section 4.
        headers.push("Require", "100rel");
    }
    if *preconditions == Preconditions::Required {
        // RFC 3312 section 11.
        headers.push("Require", precondition::TAG);
    }
    if let Some(interval) = session_expires {
        // RFC 4028 section 7.1: whoever answers says who refreshes.
        let interval = (*interval).max(*min_se);
        headers.push("Session-Expires", SessionExpires { interval, refresher: None }.to_string());
    }
    // RFC 3261 section 13.2.1: so long the invitation holds.
    headers.push("Expires", ring_limit.as_secs().max(1).to_string());
    late::carry(&mut invite, offer.to_vec());
    preload(&mut invite, &cx.settings.accounts.routes());
    invite
}

/// How a call ends that nobody answered in time.
pub(super) fn nobody_answered(limit: Duration) -> Outcome {
    let why = format!("nobody answered within {} s", limit.as_secs());
    Outcome::Failed { status: Some(StatusCode::REQUEST_TIMEOUT.code()), why }
}
