//! Sending requests, and ending what cannot go on: ACK and BYE with the reason.

use super::{Cx, late};
use crate::dialog::Dialog;
use crate::locate::Hop;
use crate::settings::Settings;
use crate::sip::{self, Headers, Host, Method, Reason, Request, Response, StatusCode, Via, Warning, make};
use crate::transaction::{self, Table, Timers, Transport};
use keyphone_media::env::{Env, Instant};
use std::collections::BTreeMap;

/// ACK for a 2xx of a branch that we do not want, and BYE at once (RFC 3261 section 13.2.2.4). Our requests in that
/// dialog have come as far as `last`, if it is beyond the INVITE's number. `answer` is what the ACK says to an offer.
pub(super) fn decline(mut dialog: Dialog, last: u32, answer: Vec<u8>, cx: &mut Cx<'_, '_>) {
    let ack = Ack::new(&dialog, dialog.local_seq(), |ack| late::carry(ack, answer), cx);
    ack.send(cx);
    cx.gone.insert(&dialog, ack, cx.env.now.mono);
    dialog.count_from(last);
    let request = with_via(dialog.request(Method::Bye), cx);
    // All headers are ours, so that the transaction can read them; nobody waits for what becomes of it.
    let _ = cx.transactions.request(request, dialog.next_hop(), cx.env, cx.said);
}

/// The same for a call that is gone.
pub(crate) fn stray(dialog: Dialog, response: &Response, cx: &mut Cx<'_, '_>) {
    let answer = late::rejection(response, cx);
    decline(dialog, 0, answer, cx);
}

/// Dialogs that we left after their 2xx. If that comes again, our ACK was lost and is all that is missing: the BYE
/// has a transaction of its own.
#[derive(Default)]
pub(crate) struct Gone(BTreeMap<Name, (Instant, Ack)>);

/// Call-ID, our tag, the peer's tag.
type Name = (String, String, String);

impl Gone {
    /// One INVITE has so many answers that we take the trouble to decline: a peer could make them up without end, and
    /// each would have us say BYE to whom it names.
    const MOST: usize = 64;

    /// How many there are.
    pub(crate) fn len(&self, now: Instant) -> usize {
        self.0.values().filter(|(until, _)| *until > now).count()
    }

    /// Is there room for one more answer to this INVITE?
    pub(crate) fn has_room(&self, dialog: &Dialog) -> bool {
        let (call_id, tag) = (dialog.call_id().to_owned(), dialog.local_tag().to_owned());
        let first = (call_id.clone(), tag.clone(), String::new());
        self.0.range(first..).take_while(|((c, t, _), _)| *c == call_id && *t == tag).count() < Self::MOST
    }

    pub(super) fn insert(&mut self, dialog: &Dialog, ack: Ack, now: Instant) {
        self.0.retain(|_, (until, _)| *until > now);
        let name = (dialog.call_id().into(), dialog.local_tag().into(), dialog.remote_tag().into());
        // RFC 6026 section 7.2, timer M: so long a 2xx may come again.
        self.0.insert(name, (now + Timers::default().give_up(), ack));
    }

    /// The ACK for a 2xx that we have acknowledged before.
    pub(crate) fn ack(&self, response: &Response) -> Option<Ack> {
        let headers = &response.headers;
        let invite = headers.cseq().is_ok_and(|c| c.method == Method::Invite) && response.status.is_success();
        if self.0.is_empty() || !invite {
            return None;
        }
        let tag = |name| headers.tag(name).unwrap_or_default().to_owned();
        let name = (headers.call_id().ok()?.into(), tag("From"), tag("To"));
        self.0.get(&name).map(|(_, ack)| ack.clone())
    }
}

/// The ACK for a 2xx: repeated when the 2xx is (RFC 3261 section 13.2.2.4).
#[derive(Clone)]
pub(crate) struct Ack {
    to: Hop,
    request: Request,
}

impl Ack {
    /// The ACK for the 2xx to the INVITE of that number; `fill` adds its headers and its body.
    pub(super) fn new(dialog: &Dialog, seq: u32, fill: impl FnOnce(&mut Request), cx: &mut Cx<'_, '_>) -> Self {
        let mut ack = dialog.ack(seq);
        fill(&mut ack);
        Self { to: dialog.next_hop(), request: with_via(ack, cx) }
    }

    pub(super) fn send(&self, cx: &mut Cx<'_, '_>) {
        self.send_by(cx.transactions, cx.env, cx.said);
    }

    pub(crate) fn send_by(&self, table: &mut Table, env: &mut Env<'_>, said: &mut Vec<transaction::Output>) {
        table.acknowledge(self.request.clone(), &self.to, env, said);
    }
}

/// Puts our Via on top, with a branch that no other transaction has (RFC 3261 section 8.1.1.7). The transaction writes
/// the transport into it, once that is known.
pub(crate) fn with_via(mut request: Request, cx: &mut Cx<'_, '_>) -> Request {
    let branch = format!("{}{}", Via::MAGIC_COOKIE, cx.env.token::<8>());
    let ours = cx.settings.sip;
    let via = Via::new(sip::Transport::Udp, Host::Ip(ours.ip()), Some(ours.port()), &branch);
    request.headers.push_front("Via", via.to_string());
    request
}

/// `SIP ;cause=488 ;text="..."` (RFC 3326).
pub(super) fn reason(status: StatusCode, why: &str) -> Reason {
    Reason { protocol: "SIP".into(), cause: Some(status.code()), text: Some(why.into()) }
}

/// A code, `399` for want of a better one, and a sentence for a person (RFC 3261 section 20.43).
pub(crate) fn warning(settings: &Settings, code: u16, why: &str) -> String {
    Warning { code, agent: settings.sip.to_string(), text: why.into() }.to_string()
}

/// A response with a To-tag of its own.
pub(crate) fn reply(request: &Request, status: StatusCode, env: &mut Env<'_>) -> Response {
    make::response(request, status, Some(&env.token::<4>()))
}

/// The ACK for a 2xx has the credentials of its INVITE (RFC 3261 section 22.3).
pub(super) fn copy_credentials(invite: &Headers, ack: &mut Headers) {
    ack.copy("Authorization", invite);
    ack.copy("Proxy-Authorization", invite);
}

/// What a request came over, as its top Via says.
pub(super) fn transport_of(request: &Request) -> Transport {
    request.headers.transport().and_then(|named| Transport::of_via(&named)).unwrap_or(Transport::Udp)
}
