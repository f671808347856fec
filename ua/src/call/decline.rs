//! Sending requests, and ending what cannot go on: ACK and BYE with the reason.

use super::Cx;
use crate::dialog::Dialog;
use crate::settings::Settings;
use crate::sip::{Host, Method, Reason, Request, Response, SipError, StatusCode, Via, Warning, hop, make};
use crate::transaction::{self, ClientKey, Destination, Transport, prepare};
use keyphone_media::env::Env;

/// ACK for a 2xx that we do not want, and BYE at once (RFC 3261 section 13.2.2.4). `fallback` is where the requests
/// go if the dialog names a host that only a resolver could find; without it they cannot be sent.
pub(crate) fn decline(
    mut dialog: Dialog,
    reason: Option<Reason>,
    fallback: Option<Destination>,
    cx: &mut Cx<'_, '_>,
) -> Option<ClientKey> {
    let hop = dialog.next_hop().or(fallback)?;
    Ack::new(&dialog, hop, cx).send(cx);
    bye(&mut dialog, hop, reason, cx)
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
        let Destination { addr, transport } = self.to;
        cx.said.push(transaction::Output::Send { to: addr, transport, bytes: self.bytes.clone() });
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
pub(super) fn warning(settings: &Settings, why: &str) -> String {
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
