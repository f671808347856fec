//! Sending requests, and ending what cannot go on: ACK and BYE with the reason.

use super::Cx;
use crate::dialog::Dialog;
use crate::settings::Settings;
use crate::sip::{Host, Method, NameAddr, Reason, Request, Response, SipError, StatusCode, Via, Warning, hop, make};
use crate::transaction::{self, ClientKey, Destination, Timers, Transport, prepare};
use keyphone_media::env::{Env, Instant};
use std::collections::BTreeMap;

/// ACK for a 2xx that we do not want, and BYE at once (RFC 3261 section 13.2.2.4). `fallback` is where the requests
/// go if the dialog names a host that only a resolver could find; without it they cannot be sent.
pub(crate) fn decline(
    mut dialog: Dialog,
    reason: Option<Reason>,
    fallback: Option<Destination>,
    cx: &mut Cx<'_, '_>,
) -> Option<ClientKey> {
    let hop = dialog.next_hop().or(fallback)?;
    let ack = Ack::new(&dialog, hop, cx);
    ack.send(cx);
    cx.gone.insert(&dialog, ack, cx.env.now.mono);
    bye(&mut dialog, hop, reason, cx)
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
    pub(crate) fn ack(&self, response: &Response) -> Option<transaction::Output> {
        let headers = &response.headers;
        let invite = headers.cseq().is_ok_and(|c| c.method == Method::Invite) && response.status.is_success();
        let tag = |name: Result<NameAddr, SipError>| Some(name.ok()?.tag().unwrap_or_default().to_owned());
        let name = (headers.call_id().ok()?.into(), tag(headers.from())?, tag(headers.to())?);
        self.0.get(&name).filter(|_| invite).map(|(_, ack)| ack.output())
    }
}

/// The ACK for a 2xx: repeated when the 2xx is (RFC 3261 section 13.2.2.4).
pub(super) struct Ack {
    to: Destination,
    bytes: Vec<u8>,
}

impl Ack {
    pub(super) fn new(dialog: &Dialog, hop: Destination, cx: &mut Cx<'_, '_>) -> Self {
        let (to, bytes) = prepare(&mut with_via(dialog.ack(), hop.transport, cx), hop);
        Self { to, bytes }
    }

    pub(super) fn send(&self, cx: &mut Cx<'_, '_>) {
        cx.said.push(self.output());
    }

    fn output(&self) -> transaction::Output {
        let Destination { addr, transport } = self.to;
        transaction::Output::Send { to: addr, transport, bytes: self.bytes.clone() }
    }
}

pub(super) fn bye(
    dialog: &mut Dialog,
    hop: Destination,
    reason: Option<Reason>,
    cx: &mut Cx<'_, '_>,
) -> Option<ClientKey> {
    let mut request = dialog.request(Method::Bye);
    if let Some(reason) = reason {
        request.headers.push("Reason", reason.to_string());
    }
    let request = with_via(request, hop.transport, cx);
    // All headers are ours, so that the transaction can read them.
    cx.transactions.request(request, hop, cx.env, cx.said).ok()
}

/// Puts our Via on top, with a branch that no other transaction has (RFC 3261 section 8.1.1.7).
pub(super) fn with_via(mut request: Request, transport: Transport, cx: &mut Cx<'_, '_>) -> Request {
    let branch = format!("{}{}", Via::MAGIC_COOKIE, cx.env.token::<8>());
    let ours = cx.settings.sip;
    let via = Via::new(transport.into(), Host::Ip(ours.ip()), Some(ours.port()), &branch);
    request.headers.push_front("Via", via.to_string());
    request
}

/// `SIP ;cause=488 ;text="..."` (RFC 3326).
pub(super) fn reason(status: StatusCode, why: &str) -> Reason {
    Reason { protocol: "SIP".into(), cause: Some(status.code()), text: Some(why.into()) }
}

/// `399` and a sentence for a person (RFC 3261 section 20.43).
pub(crate) fn warning(settings: &Settings, why: &str) -> String {
    Warning { code: 399, agent: settings.sip.to_string(), text: why.into() }.to_string()
}

/// A response with a To-tag of its own.
pub(crate) fn reply(request: &Request, status: StatusCode, env: &mut Env<'_>) -> Response {
    make::response(request, status, Some(&env.token::<4>()))
}

/// Where a request came from, as its top Via was stamped: the way back if its Contact cannot be found.
pub(super) fn way_back(request: &Request) -> Result<Option<Destination>, SipError> {
    Ok(match hop::response_hop(&request.headers.via()?) {
        hop::ResponseHop::Datagram(addr) => Some(Destination { addr, transport: Transport::Udp }),
        hop::ResponseHop::Connection(addr) => addr.map(|addr| Destination { addr, transport: Transport::Tcp }),
        hop::ResponseHop::Lookup(..) => None,
    })
}
