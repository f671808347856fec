//! What concerns two calls at once: one that the peer of another had us place, and one that takes another's place.

use super::{Endpoint, Output};
use crate::call::{Ask, Call};
use crate::event::{CallId, Event, Outcome};
use crate::refer::ReferTo;
use crate::refer::replaces::{self, Standing};
use crate::sip::{NameAddr, Request, StatusCode};
use crate::transaction;
use keyphone_media::env::Env;

/// Who wants to know what a call comes to: the call in which we were asked for it, and the REFER's CSeq number.
pub(super) type Followed = (CallId, u32);

impl Endpoint {
    /// Does what calls have asked for.
    pub(super) fn obey(&mut self, env: &mut Env<'_>, said: &mut Vec<transaction::Output>, out: &mut Vec<Output>) {
        for Ask::Follow { by, seq, refer_to, referred_by, plan } in std::mem::take(&mut self.asks) {
            // It is the account's that was asked.
            let Some(account) = self.calls.get(&by).filter(|_| self.has_room()).map(|by| by.account) else {
                self.tell((by, seq), StatusCode::SERVICE_UNAVAILABLE, env, said, out);
                continue;
            };
            let (id, ports, before) = (self.next_id(), self.take_ports(), out.len());
            let extra = extra(&refer_to, referred_by);
            self.follows.insert(id, (by, seq));
            // It is keyed as any other call of ours, for the one whom the peer named and nobody else.
            let cx = &mut self.cx(account, env, said, out);
            let hop = cx.settings.next_hop(&refer_to.target);
            let call = Call::place(id, refer_to.target, hop, ports, plan, extra, cx);
            call.into_iter().for_each(|call| self.keep(id, account, call.into()));
            self.watch(id, before, env, said, out);
        }
    }

    /// Tells whoever had us place this call what it has come to: the events since `before` say it.
    pub(super) fn watch(
        &mut self,
        id: CallId,
        before: usize,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        let Some(followed) = self.follows.get(&id).copied() else { return };
        let news = |output: &Output| match output {
            Output::Event(event) if event.call() == Some(id) => status(event),
            _ => None,
        };
        let news: Vec<_> = out.iter().skip(before).filter_map(news).collect();
        for status in news {
            if status.is_final() && self.follows.remove(&id).is_none() {
                return;
            }
            self.tell(followed, status, env, said, out);
        }
    }

    fn tell(
        &mut self,
        (by, seq): Followed,
        status: StatusCode,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        self.with(by, env, said, out, |call, cx| call.followed(seq, status, cx));
    }

    /// Asks the peer of one call to take our place in another.
    pub(super) fn transfer_into(
        &mut self,
        call: CallId,
        other: CallId,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        let place = self.calls.get(&other).filter(|_| other != call).and_then(|other| other.call.our_place());
        match place {
            Some(refer_to) => self.with(call, env, said, out, |call, cx| call.transfer(&refer_to, cx)),
            None => {
                let what = format!("call {other} is not one that the peer could be transferred into");
                out.push(Output::Event(Event::CallTrouble { call, what }));
            }
        }
    }

    /// The call whose place an INVITE wants to take, if it wants to; otherwise the status that refuses it (RFC 3891
    /// section 3).
    pub(super) fn replaced(&mut self, request: &Request) -> Result<Option<CallId>, StatusCode> {
        // There twice, or malformed: 400.
        let Some(asked) = request.headers.replaces().map_err(|_| StatusCode::BAD_REQUEST)? else { return Ok(None) };
        // Join (RFC 3911) wants the opposite.
        if request.headers.get("Join").is_some() {
            return Err(StatusCode::BAD_REQUEST);
        }
        let found: Vec<_> = match self.book.dialog(&asked.call_id, &asked.to_tag) {
            Some(id) => {
                let standing = self.calls.get_mut(&id).and_then(|named| named.call.standing(&asked.from_tag));
                standing.into_iter().map(|standing| (Some(id), standing)).collect()
            }
            None if self.book.has_ended(&asked.call_id, &asked.to_tag) => vec![(None, Standing::Over)],
            None => vec![],
        };
        replaces::choose(&found, asked.early_only)
    }

    /// If this call takes another's place, and is answered now, the other ends (RFC 3891 section 3).
    pub(super) fn replace(
        &mut self,
        new: CallId,
        env: &mut Env<'_>,
        said: &mut Vec<transaction::Output>,
        out: &mut Vec<Output>,
    ) {
        let is_answered = self.calls.get(&new).map(|new| new.call.is_answered());
        if is_answered == Some(false) {
            return;
        }
        let Some(old) = self.replacing.remove(&new).filter(|_| is_answered.is_some()) else { return };
        out.push(Output::Event(Event::Replaces { call: new, other: old }));
        self.with(old, env, said, out, Call::hang_up);
    }
}

/// The headers that an INVITE has because of a REFER.
fn extra(refer_to: &ReferTo, referred_by: Option<NameAddr>) -> Vec<(&'static str, String)> {
    let mut extra = vec![];
    if let Some(replaces) = &refer_to.replaces {
        extra.push(("Replaces", replaces.to_string()));
        // Who does not know Replaces must not take it for a call like any other (RFC 5589 section 7.3).
        extra.push(("Require", "replaces".into()));
    }
    extra.extend(referred_by.map(|by| ("Referred-By", by.to_string())));
    extra
}

/// What an event says of how far a call is.
fn status(event: &Event) -> Option<StatusCode> {
    match event {
        Event::Ringing { .. } => Some(StatusCode::RINGING),
        Event::Progress { status, .. } => StatusCode::new(*status),
        Event::Answered { .. } => Some(StatusCode::OK),
        Event::Ended { outcome, .. } => match outcome {
            Outcome::Failed { status: Some(status), .. } => StatusCode::new(*status),
            Outcome::Failed { status: None, .. } => Some(StatusCode::SERVICE_UNAVAILABLE),
            Outcome::KeyingRefused { .. } => Some(StatusCode::NOT_ACCEPTABLE_HERE),
            Outcome::Completed { .. } => Some(StatusCode::OK),
        },
        _ => None,
    }
}
