//! Sending requests, and ending what cannot go on: ACK and BYE with the reason.

use super::Cx;
use crate::dialog::{Dialog, with_via};
use crate::settings::Settings;
use crate::sip::{Method, Request, Transport};
use crate::transaction::{self, ClientKey, Destination, choose_transport};
use std::net::SocketAddr;

/// Why we end a call that was answered: for the Reason header (RFC 3326).
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    pub(crate) status: u16,
    pub(crate) text: String,
}

/// Where a request goes.
pub(crate) type Hop = (SocketAddr, Transport);

/// ACK for a 2xx that we do not want, and BYE at once (RFC 3261 section 13.2.2.4). `fallback` is where the requests
/// go if the dialog names a host that only a resolver could find.
pub(crate) fn decline(
    mut dialog: Dialog,
    reason: Option<Reason>,
    fallback: Option<Hop>,
    cx: &mut Cx<'_, '_>,
) -> Option<ClientKey> {
    let hop = dialog.next_hop().or(fallback)?;
    acknowledge(&dialog, hop, cx);
    Some(bye(&mut dialog, hop, reason, cx))
}

/// Sends the ACK for a 2xx, and gives it back to be repeated when the 2xx is (RFC 3261 section 13.2.2.4).
pub(crate) fn acknowledge(dialog: &Dialog, (to, transport): Hop, cx: &mut Cx<'_, '_>) -> transaction::Output {
    let request = with_via(dialog.ack(), cx.settings.sip, transport, &new_branch(cx));
    let send = transaction::Output::Send { to, transport, bytes: request.to_bytes() };
    cx.said.push(send.clone());
    send
}

pub(crate) fn bye(dialog: &mut Dialog, hop: Hop, reason: Option<Reason>, cx: &mut Cx<'_, '_>) -> ClientKey {
    let mut request = dialog.request(Method::Bye);
    if let Some(Reason { status, text }) = reason {
        request.headers.push("Reason", format!("SIP ;cause={status} ;text={}", quoted(&text)));
    }
    send(request, hop, cx)
}

/// Begins a client transaction. What is too long for UDP goes over TCP (RFC 3261 section 18.1.1).
pub(crate) fn send(request: Request, (addr, wanted): Hop, cx: &mut Cx<'_, '_>) -> ClientKey {
    let branch = new_branch(cx);
    let over_udp = with_via(request.clone(), cx.settings.sip, wanted, &branch);
    let transport = choose_transport(over_udp.to_bytes().len(), wanted);
    let request = match transport == wanted {
        true => over_udp,
        false => with_via(request, cx.settings.sip, transport, &branch),
    };
    cx.transactions.request(request, Destination { addr, transport }, cx.env, cx.said)
}

/// `399` and a sentence for a person (RFC 3261 section 20.43).
pub(crate) fn warning(settings: &Settings, why: &str) -> String {
    format!("399 {} {}", settings.sip, quoted(why))
}

/// A quoted-string (RFC 3261 section 25.1).
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .filter(|c| !c.is_control())
        .flat_map(|c| if matches!(c, '"' | '\\') { vec!['\\', c] } else { vec![c] })
        .collect();
    format!("\"{escaped}\"")
}

/// A branch that no other transaction has, with the magic cookie (RFC 3261 section 8.1.1.7).
fn new_branch(cx: &mut Cx<'_, '_>) -> String {
    format!("z9hG4bK{}", cx.env.token::<8>())
}
